#include "mutate.h"

#include "../proxy/nodeset.h"
#include "forge.h"
#include "mutate_parts.h"

#include <string.h>

static const struct {
    const char *name;
    tc_operator_fn *apply; /* NULL: on the frame as a whole */
} operators[TC_OP_COUNT] = {
    [TC_OP_NUDGE] = {"nudge", tc_mutate_nudge},
    [TC_OP_VALUE] = {"value", tc_mutate_value},
    [TC_OP_EMPTY] = {"empty", tc_mutate_empty},
    [TC_OP_EXTREME] = {"extreme", tc_mutate_extreme},
    [TC_OP_SUBSTITUTE] = {"substitute", tc_mutate_substitute},
    [TC_OP_BYTES] = {"bytes", tc_mutate_bytes},
    [TC_OP_DUPLICATE] = {"duplicate", tc_mutate_duplicate},
    [TC_OP_REMOVE] = {"remove", tc_mutate_remove},
    [TC_OP_SWAP] = {"swap", tc_mutate_swap},
    [TC_OP_REPEAT] = {"repeat", tc_mutate_repeat},
    [TC_OP_EMBEDDED] = {"embedded", tc_mutate_embedded},
    [TC_OP_FORGE] = {"forge", tc_mutate_forge},
    [TC_OP_BATCH] = {"batch", tc_mutate_batch},
    [TC_OP_PERTURB] = {"perturb", NULL},
    [TC_OP_CORRUPT] = {"corrupt", NULL},
};

const char *tc_operator_name(enum tc_operator op)
{
    return (unsigned)op < TC_OP_COUNT ? operators[op].name : "?";
}

int tc_mutate_copy(const struct tc_message *m, struct tc_arena *arena, struct tc_message *out)
{
    if (!m->decoded || m->statement_count == 0 || !m->statements[0].fields.base || !m->envelope.base)
        return TC_EUNSUPPORTED;
    *out = *m;
    out->statements = tc_arena_alloc(arena, sizeof *out->statements);
    if (!out->statements)
        return TC_ELIMIT;
    out->statements[0] = m->statements[0];
    out->statement_count = 1;
    out->statements[0].fields = tc_fields_copy(m->statements[0].fields, arena);
    out->envelope = tc_fields_copy(m->envelope, arena);
    return out->statements[0].fields.base && out->envelope.base ? 0 : TC_ELIMIT;
}

int tc_mutate_seal(const struct tc_mutator *mutator, const struct tc_message *changed, struct tc_arena *arena,
                   struct tc_message *out)
{
    struct tc_error err = {0};
    const struct tc_message_row *row = tc_mutate_row(mutator, changed);
    const struct tc_ledger *ledger = mutator->ledger;
    if (row && row->is_signed && ledger && ledger->frozen && tc_nodeset_has(&ledger->traitors, changed->sender))
        return tc_forge_sign(mutator->protocol, mutator->env, mutator->ledger, changed, changed->sender, arena, out,
                             &err);
    struct tc_slice frame;
    const int rc = mutator->protocol->encode(changed, arena, &frame);
    if (rc)
        return rc;
    *out = (struct tc_message){.from = changed->from, .to = changed->to, .conn = changed->conn, .touched = true};
    return mutator->protocol->decode(frame, arena, out);
}

int tc_mutate_recall(const struct tc_mutator *mutator, const struct tc_memory_item *item, struct tc_arena *arena,
                     struct tc_message *out)
{
    const struct tc_slice frame = tc_arena_copy(arena, item->frame); /* the ring goes on, the arena stays */
    *out = (struct tc_message){.from = item->from, .to = TC_NODE_NONE};
    return frame.data ? mutator->protocol->decode(frame, arena, out) : TC_ELIMIT;
}

static bool same(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static int perturbed(const struct tc_mutator *mutator, uint64_t hash, const struct tc_message *m,
                     struct tc_arena *arena, struct tc_slice *frame)
{
    struct tc_message second, sealed;
    struct tc_error err = {0};
    if (!mutator->protocol->perturb || m->statement_count == 0 || m->statements[0].kind != TC_KIND_PROPOSE)
        return TC_EUNSUPPORTED;
    int rc = mutator->protocol->perturb(mutator->env, m, hash, hash >> 63, arena, &second, &err);
    if (rc == 0)
        rc = tc_mutate_seal(mutator, &second, arena, &sealed);
    if (rc == 0)
        *frame = sealed.frame;
    return rc;
}

/* Signed before it is compared: a lie that changes nothing must not count as one, but was signed by nobody either, so
 * what it would pack to is compared first. */
static int apply(const struct tc_mutator *mutator, enum tc_operator op, uint64_t hash, uint32_t depth,
                 const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame)
{
    struct tc_message edited, sealed;
    struct tc_slice plain;
    int rc = tc_mutate_copy(m, arena, &edited);
    if (rc)
        return rc;
    struct tc_mutation *mutation = tc_arena_alloc(arena, sizeof *mutation);
    if (!mutation)
        return TC_ELIMIT;
    mutation->mutator = mutator;
    mutation->original = m;
    mutation->edited = &edited;
    mutation->arena = arena;
    mutation->hash = hash;
    mutation->depth = depth;
    tc_mutate_walk(mutation);
    rc = operators[op].apply(mutation);
    if (rc == 0)
        rc = mutator->protocol->encode(&edited, arena, &plain);
    if (rc)
        return rc;
    if (same(plain, m->frame))
        return TC_EUNSUPPORTED;
    rc = tc_mutate_seal(mutator, &edited, arena, &sealed);
    /* What no longer decodes cannot have been signed: it goes out as it packs. */
    *frame = rc == 0 ? sealed.frame : plain;
    return rc == TC_EMALFORMED ? 0 : rc;
}

int tc_mutate_nested(const struct tc_mutator *mutator, enum tc_operator op, uint64_t hash, uint32_t depth,
                     const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame)
{
    int rc;
    if ((unsigned)op >= TC_OP_COUNT)
        return TC_EUNSUPPORTED;
    if (op == TC_OP_CORRUPT)
        rc = m->frame.len > 0 ? tc_forge_corrupt(hash, m->frame, arena, frame) : TC_EUNSUPPORTED;
    else if (op == TC_OP_PERTURB)
        rc = perturbed(mutator, hash, m, arena, frame);
    else
        rc = apply(mutator, op, hash, depth, m, arena, frame);
    return rc == 0 && (frame->len > TC_FRAME_MAX || same(*frame, m->frame)) ? TC_EUNSUPPORTED : rc;
}

int tc_mutate(const struct tc_mutator *mutator, enum tc_operator op, uint64_t hash, const struct tc_message *m,
              struct tc_arena *arena, struct tc_slice *frame)
{
    return tc_mutate_nested(mutator, op, hash, 0, m, arena, frame);
}

int tc_mutate_any(const struct tc_mutator *mutator, uint32_t wanted, uint64_t hash, const struct tc_message *m,
                  struct tc_arena *arena, struct tc_slice *frame, enum tc_operator *op)
{
    uint32_t order[TC_OP_COUNT];
    tc_random_order(hash, order, TC_OP_COUNT);
    for (size_t i = 0; i < TC_OP_COUNT; i++) {
        if (!(wanted >> order[i] & 1u))
            continue;
        *op = (enum tc_operator)order[i];
        const int rc = tc_mutate(mutator, *op, tc_random_mix(hash, 1), m, arena, frame);
        if (rc != TC_EUNSUPPORTED)
            return rc;
    }
    return TC_EUNSUPPORTED;
}
