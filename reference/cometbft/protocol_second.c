/* A second proposal: the block it names must be whole, so a traitor's proposal is gathered with the parts that follow
 * it on the same link before a script sees it. */
#include "block.h"

#include <string.h>

static bool is_part(const struct tc_statement *s)
{
    return s->fields.descriptor == (const void *)&cometbft__block_part__descriptor;
}

/* The parts behind a proposal: statements 1 to this; the votes of evidence in them come after. */
static uint32_t part_count(const struct tc_message *m)
{
    uint32_t count = 0;
    while (count + 1 < m->statement_count && is_part(&m->statements[count + 1]))
        count++;
    return count;
}

/* ---- gathering ---- */

/* A proposal of its own begins; one that it relays, or whose block cannot be gathered, passes. */
static enum tc_gather begin(struct tc_gathering *so_far, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const Cometbft__Proposal *proposal = s->fields.base;
    const Cometbft__PartSetHeader *header = proposal->block_id ? proposal->block_id->part_set_header : NULL;
    if (s->signer != m->from || !header || header->total == 0 || header->total > TC_BLOCK_PARTS_MAX)
        return TC_GATHER_PASS;
    *so_far = (struct tc_gathering){
        .sequence = s->sequence, .view = s->view, .kept = 1, .wanted = 1 + header->total /* itself and the parts */};
    return TC_GATHER_KEEP;
}

enum tc_gather tc_cometbft_gather(struct tc_gathering *so_far, const struct tc_message *m)
{
    const struct tc_statement *s = m->statement_count > 0 ? &m->statements[0] : NULL;
    const bool proposal = s && s->fields.descriptor == (const void *)&cometbft__proposal__descriptor;
    const bool step = s && s->fields.descriptor == (const void *)&cometbft__new_round_step__descriptor;
    if (so_far->kept == 0)
        return proposal ? begin(so_far, m) : TC_GATHER_PASS;
    if (proposal)
        return TC_GATHER_LOSE;
    if (step) { /* the node has moved on: nothing more of that block will come */
        const bool later =
            s->sequence > so_far->sequence || (s->sequence == so_far->sequence && s->view > so_far->view);
        return later ? TC_GATHER_LOSE : TC_GATHER_PASS;
    }
    if (!s || !is_part(s) || s->sequence != so_far->sequence || s->view != so_far->view)
        return TC_GATHER_PASS;
    return ++so_far->kept == so_far->wanted ? TC_GATHER_WHOLE : TC_GATHER_KEEP;
}

/* ---- the other block ---- */

/* The block whose parts were gathered, in their order. */
static int assemble(const struct tc_message *m, struct tc_arena *arena, Cometbft__Block **block)
{
    const uint32_t total = part_count(m);
    size_t len = 0;
    uint8_t *bytes = tc_arena_alloc(arena, (size_t)total * TC_BLOCK_PART_SIZE + 1);
    if (!bytes)
        return TC_ELIMIT;
    for (uint32_t index = 0; index < total; index++) {
        const Cometbft__Part *found = NULL;
        for (uint32_t i = 1; i <= total; i++) {
            const Cometbft__BlockPart *part = m->statements[i].fields.base;
            if (part->part && part->part->index == index)
                found = part->part;
        }
        if (!found || found->bytes.len > TC_BLOCK_PART_SIZE)
            return TC_EMALFORMED;
        if (found->bytes.len > 0)
            memcpy(bytes + len, found->bytes.data, found->bytes.len);
        len += found->bytes.len;
    }
    ProtobufCMessage *base = NULL;
    const int rc = tc_fields_unpack(&cometbft__block__descriptor, (struct tc_slice){bytes, len}, arena, &base);
    *block = (Cometbft__Block *)(void *)base;
    return rc;
}

/* Does the block hash to what the proposal names? If not, we do not understand it and must not touch it. */
static bool is_understood(const struct tc_statement *s, const Cometbft__Block *block, struct tc_arena *arena)
{
    uint8_t hash[32];
    return s->value.state == TC_VALUE_BYTES && tc_cometbft_header_hash(block->header, arena, hash) == 0 &&
           memcmp(hash, s->value.bytes, sizeof hash) == 0;
}

/* The message of proposal and parts for `block`. */
static int propose(const struct tc_message *like, const Cometbft__Block *block, struct tc_arena *arena,
                   struct tc_message *out)
{
    struct tc_slice bytes, frame;
    size_t count;
    Cometbft__Part *parts;
    Cometbft__BlockID *id = tc_arena_alloc(arena, sizeof *id);
    Cometbft__PartSetHeader *header = tc_arena_alloc(arena, sizeof *header);
    uint8_t *hash = tc_arena_alloc(arena, 32);
    struct tc_fields fields = tc_fields_copy(like->statements[0].fields, arena);
    if (!id || !header || !hash || !fields.base || tc_fields_pack(&block->base, arena, &bytes))
        return TC_ELIMIT;
    cometbft__block_id__init(id);
    cometbft__part_set_header__init(header);
    if (tc_cometbft_block_parts(bytes, arena, &parts, &count, header) ||
        tc_cometbft_header_hash(block->header, arena, hash))
        return TC_ELIMIT;
    id->hash = (ProtobufCBinaryData){32, hash};
    id->part_set_header = header;
    Cometbft__Proposal *proposal = fields.base;
    proposal->block_id = id;
    struct tc_message m = *like;
    m.statement_count = 1 + (uint32_t)count;
    m.statements = tc_arena_alloc(arena, m.statement_count * sizeof *m.statements);
    Cometbft__BlockPart *block_parts = tc_arena_alloc(arena, count * sizeof *block_parts);
    if (!m.statements || !block_parts)
        return TC_ELIMIT;
    m.statements[0] = like->statements[0];
    m.statements[0].fields = fields;
    for (size_t i = 0; i < count; i++) {
        cometbft__block_part__init(&block_parts[i]);
        block_parts[i].height = proposal->height;
        block_parts[i].round = proposal->round;
        block_parts[i].part = &parts[i];
        m.statements[1 + i] = (struct tc_statement){.fields = {&cometbft__block_part__descriptor, &block_parts[i]}};
    }
    const int rc = tc_cometbft_encode(&m, arena, &frame);
    *out = (struct tc_message){.from = like->from, .to = like->to, .conn = like->conn, .touched = true};
    return rc ? rc : tc_cometbft_decode(frame, arena, out);
}

int tc_cometbft_perturb(const struct tc_protocol_env *env, const struct tc_message *proposal, uint64_t hash,
                        bool omit_requests, struct tc_arena *arena, struct tc_message *out, struct tc_error *err)
{
    (void)env;
    Cometbft__Block *block;
    if (!proposal->decoded ||
        proposal->statements[0].fields.descriptor != (const void *)&cometbft__proposal__descriptor)
        return tc_error_set(err, TC_EUNSUPPORTED, "a %s proposes nothing", proposal->type);
    if (part_count(proposal) == 0)
        return tc_error_set(err, TC_EUNSUPPORTED, "the block of this proposal is not known: a traitor's own is");
    int rc = assemble(proposal, arena, &block);
    if (rc)
        return tc_error_set(err, TC_EUNSUPPORTED, "the parts of the proposal are no block");
    if (!is_understood(&proposal->statements[0], block, arena))
        return tc_error_set(err, TC_EUNSUPPORTED, "the block does not hash to what the proposal names");
    rc = tc_cometbft_block_change(block, hash, omit_requests, arena);
    if (rc)
        return tc_error_set(err, rc, "%s",
                            rc == TC_EUNSUPPORTED ? "the block has no transactions to leave out"
                                                  : "the second block does not fit");
    rc = propose(proposal, block, arena, out);
    return rc ? tc_error_set(err, rc, "the second proposal cannot be encoded") : 0;
}
