/* From a channel's message to statements.
 *
 *    0                   4         5
 *   +-------------------+---------+------------------------------------+
 *   | length, big-endian| channel | wrapper: one field, the message    |
 *   +-------------------+---------+------------------------------------+
 *
 * The wrapper is a protobuf oneof: tag, length, body; read by hand, because what is inside tells us more than the
 * wrapper does. Proposals and votes lie one level deeper.
 *
 * Where a proposal was gathered with its block (protocol.c), the bytes are several frames: the proposal, then the
 * parts, which become its embedded statements.
 *
 * Where a message carries evidence (channel 38, a block sent for catching up, a block that fits into one part), the
 * accused validator's two votes become embedded statements, and what they are embedded in names the block. A block sent
 * for catching up has its commits embedded behind them (protocol_commit.c). */
#include "../../proxy/cursor.h"
#include "../../proxy/random.h"
#include "block.h"
#include "mconnection.h"
#include "protocol_parts.h"

#include <string.h>

#define EVIDENCE_MAX          1024 /* pieces of evidence read from one message */
#define GATHERED_EVIDENCE_MAX 16   /* … from one that was gathered */
#define PARENT_NONE           0xffffu

static uint32_t group_of(uint8_t channel)
{
    if (channel >= 0x20 && channel <= 0x23)
        return TC_COMETBFT_CONSENSUS;
    return channel == 0x61 ? TC_COMETBFT_STATESYNC : channel;
}

/* The body inside the wrapper's one field. */
static bool unwrap(struct tc_slice bytes, uint32_t *number, struct tc_slice *body)
{
    struct tc_cursor c = tc_cursor_over(bytes);
    const uint64_t tag = tc_cursor_varint(&c), len = tc_cursor_varint(&c);
    if (!tc_cursor_ok(&c) || (tag & 7) != 2 || tag >> 3 > 0xff || len != tc_cursor_left(&c))
        return false;
    *number = (uint32_t)(tag >> 3);
    *body = tc_cursor_rest(&c);
    return true;
}

static bool is_nested(uint32_t wire_type)
{
    return wire_type == TC_COMETBFT_TYPE_PROPOSAL || wire_type == TC_COMETBFT_TYPE_VOTE;
}

/* ---- neutral fields ---- */

static void set_value(struct tc_statement *s, const Cometbft__BlockID *id)
{
    s->value.state = TC_VALUE_NIL;
    if (!id || id->hash.len != TC_VALUE_SIZE)
        return;
    s->value.state = TC_VALUE_BYTES;
    memcpy(s->value.bytes, id->hash.data, TC_VALUE_SIZE);
}

static void set_point(struct tc_statement *s, int64_t height, int32_t round)
{
    s->has_sequence = s->has_view = true;
    s->sequence = (uint64_t)height;
    s->view = (uint32_t)round;
}

/* One proposal and one vote of each type for a height and round. */
static void set_slot(struct tc_statement *s)
{
    const uint64_t slot = tc_random_mix(tc_random_mix(s->type + UINT64_C(1), s->sequence), s->view);
    s->slot = slot ? slot : 1;
}

static void read_vote(struct tc_statement *s, const Cometbft__Vote *vote)
{
    set_point(s, vote->height, vote->round);
    set_value(s, vote->block_id);
    set_slot(s);
    s->signature = tc_cometbft_slice(vote->signature);
}

static void read_proposal(struct tc_statement *s, const Cometbft__Proposal *proposal)
{
    set_point(s, proposal->height, proposal->round);
    set_value(s, proposal->block_id);
    set_slot(s);
    s->signature = tc_cometbft_slice(proposal->signature);
}

/* Most consensus messages have height and round as their first two fields: read by name. */
static void read_by_name(struct tc_statement *s)
{
    struct tc_field_value value;
    const struct tc_message_row *row = &tc_cometbft_rows[s->type];
    if (row->sequence_field && tc_fields_get(s->fields, row->sequence_field, 0, &value) == 0) {
        s->has_sequence = true;
        s->sequence = (uint64_t)value.int_value;
    }
    if (row->view_field && tc_fields_get(s->fields, row->view_field, 0, &value) == 0) {
        s->has_view = true;
        s->view = (uint32_t)value.int_value;
    }
}

void tc_cometbft_read_neutral(struct tc_statement *s)
{
    const struct tc_message_row *row = &tc_cometbft_rows[s->type];
    s->kind = row->kind;
    s->phase = row->phase;
    s->signer = TC_NODE_NONE;
    if (row->wire_type == TC_COMETBFT_TYPE_VOTE)
        read_vote(s, s->fields.base);
    else if (row->wire_type == TC_COMETBFT_TYPE_PROPOSAL)
        read_proposal(s, s->fields.base);
    else
        read_by_name(s);
}

/* ---- evidence: votes inside a message ---- */

/* Evidence, and the hash of the block that carries it; value ABSENT where no block does. */
struct accusation {
    const Cometbft__EvidenceList *list;
    struct tc_value block;
};

static uint32_t votes_in(const struct accusation *a)
{
    const size_t pieces = a->list ? a->list->n_evidence : 0;
    return 2 * (uint32_t)(pieces < EVIDENCE_MAX ? pieces : EVIDENCE_MAX);
}

static void add_vote(struct tc_message *m, uint16_t parent, uint32_t room, Cometbft__Vote *vote)
{
    const int row = vote ? tc_cometbft_row(TC_COMETBFT_TYPE_VOTE, vote->type) : -1;
    if (row < 0 || m->statement_count == room)
        return;
    struct tc_statement *s = &m->statements[m->statement_count++];
    *s = (struct tc_statement){.parent = parent, .origin = TC_ORIGIN_EMBEDDED, .type = (uint8_t)row};
    s->fields = (struct tc_fields){&cometbft__vote__descriptor, vote};
    tc_cometbft_read_neutral(s);
}

/* The votes of the evidence become embedded statements of `parent`, which names the block they stand in. */
static void add_evidence(struct tc_message *m, uint16_t parent, uint32_t room, const struct accusation *a)
{
    if (votes_in(a) > 0)
        m->statements[parent].value = a->block;
    for (size_t i = 0; i < votes_in(a) / 2; i++) {
        const Cometbft__DuplicateVoteEvidence *duplicate = a->list->evidence[i]->duplicate_vote_evidence;
        if (!duplicate)
            continue;
        add_vote(m, parent, room, duplicate->vote_a);
        add_vote(m, parent, room, duplicate->vote_b);
    }
}

static void set_block(struct accusation *a, const Cometbft__Header *header, struct tc_arena *arena)
{
    if (a->list && a->list->n_evidence > 0 && tc_cometbft_header_hash(header, arena, a->block.bytes) == 0)
        a->block.state = TC_VALUE_BYTES;
}

/* A block that is one part: its evidence, and its header if there is any. Only these two fields are unpacked, and a
 * part that is no block is none of our business here. */
static void read_part(const Cometbft__Part *part, struct tc_arena *arena, struct accusation *a)
{
    struct tc_slice header = {NULL, 0}, evidence = {NULL, 0};
    ProtobufCMessage *list = NULL, *head = NULL;
    if (!part || part->index != 0 || !part->proof || part->proof->total != 1)
        return;
    struct tc_cursor c = tc_cursor_over(tc_cometbft_slice(part->bytes));
    while (tc_cursor_ok(&c) && tc_cursor_left(&c) > 0) {
        const uint64_t tag = tc_cursor_varint(&c), len = tc_cursor_varint(&c);
        if ((tag & 7) != 2)
            return;
        const struct tc_slice field = tc_cursor_bytes(&c, len <= tc_cursor_left(&c) ? (size_t)len : SIZE_MAX);
        if (tag >> 3 == 1)
            header = field;
        else if (tag >> 3 == 3)
            evidence = field;
    }
    if (!tc_cursor_ok(&c) || evidence.len == 0 ||
        tc_fields_unpack(&cometbft__evidence_list__descriptor, evidence, arena, &list) != 0 ||
        tc_fields_unpack(&cometbft__header__descriptor, header, arena, &head) != 0)
        return;
    a->list = (const Cometbft__EvidenceList *)(const void *)list;
    set_block(a, (const Cometbft__Header *)(const void *)head, arena);
}

static struct accusation evidence_of(const struct tc_statement *s, struct tc_arena *arena)
{
    struct accusation a = {0};
    if (s->fields.descriptor == (const void *)&cometbft__evidence_list__descriptor) {
        a.list = s->fields.base;
    } else if (s->fields.descriptor == (const void *)&cometbft__block_part__descriptor) {
        read_part(((const Cometbft__BlockPart *)s->fields.base)->part, arena, &a);
    } else if (s->fields.descriptor == (const void *)&cometbft__block_response__descriptor) {
        const Cometbft__BlockResponse *response = s->fields.base;
        a.list = response->block ? response->block->evidence : NULL;
        set_block(&a, response->block ? response->block->header : NULL, arena);
    }
    return a;
}

/* ---- the message ---- */

static uint32_t vote_type_of(uint32_t wire_type, const ProtobufCMessage *body)
{
    return wire_type == TC_COMETBFT_TYPE_VOTE ? ((const Cometbft__Vote *)(const void *)body)->type : 0;
}

/* Finds the row and unpacks the body; `row` is any of the type's rows until the body says which. */
static int unpack(uint32_t wire_type, struct tc_slice bytes, struct tc_arena *arena, int *row, ProtobufCMessage **body)
{
    uint32_t inner;
    *row = tc_cometbft_row(wire_type, TC_COMETBFT_PREVOTE);
    if (*row < 0)
        return TC_EMALFORMED;
    if (is_nested(wire_type) && (!unwrap(bytes, &inner, &bytes) || inner != 1))
        return TC_EMALFORMED;
    const int rc = tc_fields_unpack(tc_cometbft_rows[*row].descriptor, bytes, arena, body);
    if (rc != 0)
        return rc;
    *row = tc_cometbft_row(wire_type, vote_type_of(wire_type, *body));
    return *row < 0 ? TC_EMALFORMED : 0;
}

/* What one frame holds. */
struct inside {
    uint8_t channel;
    uint32_t number;
    struct tc_slice bytes; /* of the body, wrapped once more for proposals and votes */
    int row;
    ProtobufCMessage *body;
};

static int look_inside(struct tc_slice frame, struct tc_arena *arena, struct inside *in)
{
    *in = (struct inside){.channel = frame.data[TC_CHANNEL_FRAME_HEAD - 1]};
    in->bytes = (struct tc_slice){frame.data + TC_CHANNEL_FRAME_HEAD, frame.len - TC_CHANNEL_FRAME_HEAD};
    const bool wrapped = in->channel != TC_COMETBFT_EVIDENCE && in->channel != TC_COMETBFT_NODE_INFO;
    if (wrapped && !unwrap(in->bytes, &in->number, &in->bytes))
        return TC_EMALFORMED;
    return unpack(TC_COMETBFT_TYPE(group_of(in->channel), in->number), in->bytes, arena, &in->row, &in->body);
}

static uint32_t frames_in(struct tc_slice bytes)
{
    uint32_t count = 0;
    for (int64_t len; count < TC_BLOCK_PARTS_MAX && (len = tc_mconnection_frame(bytes)) > 0; count++)
        bytes = (struct tc_slice){bytes.data + len, bytes.len - (size_t)len};
    return count;
}

/* The parts of a block behind its proposal, then what evidence they carry. */
static int add_parts(struct tc_message *m, uint32_t room, struct tc_slice rest, struct tc_arena *arena)
{
    while (rest.len > 0) {
        const int64_t len = tc_mconnection_frame(rest);
        struct inside in;
        if (len <= TC_CHANNEL_FRAME_HEAD || m->statement_count > TC_BLOCK_PARTS_MAX)
            return TC_EMALFORMED;
        const int rc = look_inside((struct tc_slice){rest.data, (size_t)len}, arena, &in);
        if (rc != 0)
            return rc;
        if (tc_cometbft_rows[in.row].wire_type != TC_COMETBFT_TYPE_BLOCK_PART)
            return TC_EMALFORMED;
        struct tc_statement *s = &m->statements[m->statement_count++];
        *s = (struct tc_statement){.origin = TC_ORIGIN_EMBEDDED, .type = (uint8_t)in.row, .body = in.bytes};
        s->fields = (struct tc_fields){tc_cometbft_rows[in.row].descriptor, in.body};
        tc_cometbft_read_neutral(s);
        rest = (struct tc_slice){rest.data + len, rest.len - (size_t)len};
    }
    if (m->statement_count == 2) {
        const struct accusation a = evidence_of(&m->statements[1], arena);
        add_evidence(m, 1, room, &a);
    }
    return 0;
}

static int decode_statements(struct tc_slice first, struct tc_slice rest, struct tc_arena *arena, struct tc_message *m)
{
    struct inside in;
    const int rc = look_inside(first, arena, &in);
    if (rc != 0)
        return rc;
    if (rest.len > 0 && tc_cometbft_rows[in.row].wire_type != TC_COMETBFT_TYPE_PROPOSAL)
        return TC_EMALFORMED;
    struct tc_statement s = {.parent = PARENT_NONE, .type = (uint8_t)in.row, .body = in.bytes};
    s.fields = (struct tc_fields){tc_cometbft_rows[in.row].descriptor, in.body};
    const struct accusation evidence = evidence_of(&s, arena);
    const uint32_t room = rest.len > 0 ? 1 + frames_in(rest) + 2 * GATHERED_EVIDENCE_MAX
                                       : 1 + votes_in(&evidence) + tc_cometbft_commit_room(&s);
    Cometbft__Wrapper *wrapper = tc_arena_alloc(arena, sizeof *wrapper);
    m->statements = tc_arena_alloc(arena, room * sizeof *m->statements);
    if (!wrapper || !m->statements)
        return TC_ELIMIT;
    cometbft__wrapper__init(wrapper);
    wrapper->channel = in.channel;
    wrapper->number = in.number;
    m->envelope.base = wrapper;
    m->statements[0] = s;
    m->statement_count = 1;
    m->type = tc_cometbft_rows[in.row].name;
    tc_cometbft_read_neutral(&m->statements[0]);
    add_evidence(m, 0, room, &evidence);
    const int added = tc_cometbft_add_commits(m, arena);
    return added ? added : add_parts(m, room, rest, arena);
}

int tc_cometbft_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)
{
    const int64_t len = tc_mconnection_frame(frame);
    m->frame = frame;
    m->decoded = false;
    m->sender = TC_NODE_NONE;
    m->type = "other";
    m->envelope = (struct tc_fields){&cometbft__wrapper__descriptor, NULL};
    m->statements = NULL;
    m->statement_count = 0;
    const int rc = len < TC_CHANNEL_FRAME_HEAD
                       ? TC_EMALFORMED
                       : decode_statements((struct tc_slice){frame.data, (size_t)len},
                                           (struct tc_slice){frame.data + len, frame.len - (size_t)len}, arena, m);
    if (rc != 0) {
        m->type = "other";
        m->statements = NULL;
        m->statement_count = 0;
        return rc;
    }
    m->decoded = true;
    return 0;
}

/* One frame: its head, the wrapper around the body, and the body. */
static int encode_one(uint8_t channel, uint32_t number, const struct tc_fields *fields, struct tc_arena *arena,
                      struct tc_slice *frame)
{
    struct tc_slice body;
    const int rc = tc_fields_pack(fields->base, arena, &body);
    if (rc != 0)
        return rc;
    const size_t room = body.len + TC_CHANNEL_FRAME_HEAD + 24; /* head, and two tags with their lengths */
    uint8_t *bytes = room <= TC_FRAME_MAX ? tc_arena_alloc(arena, room) : NULL;
    if (!bytes)
        return TC_ELIMIT;
    uint8_t inner[12];
    struct tc_writer nested = tc_writer_into(inner, sizeof inner);
    if (is_nested(TC_COMETBFT_TYPE(group_of(channel), number))) {
        tc_writer_u8(&nested, 1 << 3 | 2);
        tc_writer_varint(&nested, body.len);
    }
    const struct tc_slice nested_head = tc_writer_bytes(&nested);
    struct tc_writer w = tc_writer_into(bytes + 4, room - 4);
    tc_writer_u8(&w, channel);
    if (number > 0) {
        tc_writer_varint(&w, (uint64_t)number << 3 | 2);
        tc_writer_varint(&w, nested_head.len + body.len);
    }
    tc_writer_slice(&w, nested_head);
    tc_writer_slice(&w, body);
    const size_t len = tc_writer_bytes(&w).len;
    struct tc_writer head = tc_writer_into(bytes, 4);
    tc_writer_u32(&head, (uint32_t)len);
    *frame = (struct tc_slice){bytes, len + 4};
    return tc_writer_ok(&w) ? 0 : TC_ELIMIT;
}

static bool is_part(const struct tc_statement *s)
{
    return s->fields.base && s->fields.descriptor == (const void *)&cometbft__block_part__descriptor;
}

int tc_cometbft_encode(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame)
{
    if (!m->decoded || m->statement_count == 0 || !m->envelope.base)
        return TC_EMALFORMED;
    const Cometbft__Wrapper *wrapper = m->envelope.base;
    int rc = encode_one((uint8_t)wrapper->channel, wrapper->number, &m->statements[0].fields, arena, frame);
    for (uint32_t i = 1; rc == 0 && i < m->statement_count; i++) {
        struct tc_slice part, before = *frame;
        if (!is_part(&m->statements[i]))
            continue;
        rc = encode_one((uint8_t)wrapper->channel, TC_COMETBFT_TYPE_BLOCK_PART & 0xff, &m->statements[i].fields, arena,
                        &part);
        uint8_t *both = rc == 0 ? tc_arena_alloc(arena, before.len + part.len) : NULL;
        if (rc == 0 && !both)
            return TC_ELIMIT;
        if (rc == 0) {
            memcpy(both, before.data, before.len);
            memcpy(both + before.len, part.data, part.len);
            *frame = (struct tc_slice){both, before.len + part.len};
        }
    }
    return rc;
}
