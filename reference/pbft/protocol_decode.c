/* From one frame to statements: the message itself and everything signed that it carries.
 *
 *   pre-prepare, batch    → its requests
 *   view-change           → its checkpoints; for each prepared certificate a statement of its own, with the
 *                           pre-prepare and the prepares as children
 *   new-view              → its view changes, each with what it carries; its pre-prepares
 *   state                 → its checkpoints
 *
 * An embedded envelope whose body does not decode becomes a statement of kind other without fields: the
 * receiver may well ignore it and use the rest. */
#include "../../proxy/nodeset.h"
#include "protocol_parts.h"
#include <string.h>

const uint8_t tc_pbft_null_digest[TC_VALUE_SIZE];

/* The null request's digest stands for no value. */
static void set_value(struct tc_statement *s, ProtobufCBinaryData digest)
{
    tc_statement_set_value(s, digest);
    if (s->value.state == TC_VALUE_BYTES && tc_pbft_is_null(s->value.bytes))
        s->value.state = TC_VALUE_NIL;
}

/* Pre-prepares, prepares and commits share one reader. */
static void read_vote(struct tc_statement *s, const struct tc_wire_vote *vote)
{
    tc_statement_set_view(s, vote->view);
    tc_statement_set_sequence(s, vote->sequence);
    set_value(s, vote->digest);
    tc_statement_set_place(s);
}

/* The value of a view change is the digest of its body, so that two different ones for one view conflict. */
static void read_view_change(struct tc_statement *s, const Pbft__ViewChange *change)
{
    tc_statement_set_view(s, change->view);
    s->value.state = TC_VALUE_BYTES;
    tc_digest(s->body, s->value.bytes);
    tc_statement_set_slot(s, change->view, 0);
}

static void read_neutral(struct tc_statement *s, const void *body)
{
    switch (s->type) {
    case WIRE__TYPE__REQUEST:
        tc_statement_set_request(s, body);
        break;
    case PBFT__TYPE__PRE_PREPARE:
    case PBFT__TYPE__PREPARE:
    case PBFT__TYPE__COMMIT:
        read_vote(s, body);
        break;
    case WIRE__TYPE__REPLY:
        tc_statement_set_view(s, ((const Wire__Reply *)body)->view);
        break;
    case PBFT__TYPE__CHECKPOINT:
        tc_statement_set_sequence(s, ((const Pbft__Checkpoint *)body)->sequence);
        set_value(s, ((const Pbft__Checkpoint *)body)->digest);
        tc_statement_set_slot(s, s->sequence, 0);
        break;
    case PBFT__TYPE__VIEW_CHANGE:
        read_view_change(s, body);
        break;
    case PBFT__TYPE__NEW_VIEW:
        tc_statement_set_view(s, ((const Pbft__NewView *)body)->view);
        break;
    case PBFT__TYPE__STATE_REQUEST:
        tc_statement_set_sequence(s, ((const Pbft__StateRequest *)body)->sequence);
        break;
    case PBFT__TYPE__STATE:
        tc_statement_set_sequence(s, ((const Pbft__State *)body)->sequence);
        break;
    case PBFT__TYPE__BATCH_REQUEST:
        set_value(s, ((const Pbft__BatchRequest *)body)->digest);
        break;
    case PBFT__TYPE__BATCH:
        set_value(s, ((const Pbft__Batch *)body)->digest);
        break;
    default:
        break;
    }
}

static int add_envelope(struct tc_statements *b, const Wire__Envelope *envelope, uint32_t parent);

static int add_envelopes(struct tc_statements *b, Wire__Envelope **envelopes, size_t count, uint32_t parent)
{
    for (size_t i = 0; i < count; i++) {
        const int rc = add_envelope(b, envelopes[i], parent);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A prepared certificate: view, sequence and value are its pre-prepare's; the signers are those it names. */
static int add_prepared(struct tc_statements *b, const Pbft__Prepared *prepared, uint32_t parent)
{
    const int index = tc_statements_add(b, parent);
    int rc = index;
    if (index < 0)
        return index;
    b->items[index].kind = TC_KIND_CERTIFICATE;
    b->items[index].phase = TC_PHASE_PREPARE;
    b->items[index].type = TC_PBFT_ROW_PREPARED;
    b->items[index].fields = (struct tc_fields){&pbft__prepared__descriptor, (void *)(uintptr_t)prepared};
    for (size_t i = 0; i < prepared->n_prepares; i++)
        tc_nodeset_add(&b->items[index].signers, prepared->prepares[i]->sender);
    if (prepared->pre_prepare) {
        rc = add_envelope(b, prepared->pre_prepare, (uint32_t)index);
        if (rc < 0)
            return rc;
        struct tc_statement *s = &b->items[index];
        const struct tc_statement *proposal = &b->items[rc];
        tc_nodeset_add(&s->signers, prepared->pre_prepare->sender);
        s->has_view = proposal->has_view;
        s->view = proposal->view;
        s->has_sequence = proposal->has_sequence;
        s->sequence = proposal->sequence;
        s->value = proposal->value;
    }
    return add_envelopes(b, prepared->prepares, prepared->n_prepares, (uint32_t)index);
}

static int add_view_change(struct tc_statements *b, const Pbft__ViewChange *change, uint32_t parent)
{
    int rc = add_envelopes(b, change->checkpoints, change->n_checkpoints, parent);
    for (size_t i = 0; rc == 0 && i < change->n_prepared; i++)
        rc = add_prepared(b, change->prepared[i], parent);
    return rc;
}

static int add_children(struct tc_statements *b, uint32_t type, const void *body, uint32_t parent)
{
    int rc;
    switch (type) {
    case PBFT__TYPE__VIEW_CHANGE:
        return add_view_change(b, body, parent);
    case PBFT__TYPE__NEW_VIEW:
        rc = add_envelopes(b, ((const Pbft__NewView *)body)->view_changes,
                           ((const Pbft__NewView *)body)->n_view_changes, parent);
        if (rc != 0)
            return rc;
        return add_envelopes(b, ((const Pbft__NewView *)body)->pre_prepares,
                             ((const Pbft__NewView *)body)->n_pre_prepares, parent);
    case PBFT__TYPE__STATE:
        return add_envelopes(b, ((const Pbft__State *)body)->checkpoints, ((const Pbft__State *)body)->n_checkpoints,
                             parent);
    default:
        return 0;
    }
}

/* Those are laid out as a struct tc_wire_vote (tc_wire_is_vote), by which read_vote reads them. */
static bool is_vote(uint32_t type)
{
    return type == PBFT__TYPE__PRE_PREPARE || type == PBFT__TYPE__PREPARE || type == PBFT__TYPE__COMMIT;
}

static int read_body(struct tc_statements *b, uint32_t type, struct tc_slice bytes, ProtobufCMessage **body)
{
    const ProtobufCMessageDescriptor *descriptor = tc_pbft_rows[type].descriptor;
    if (is_vote(type)) {
        struct tc_wire_vote *vote = tc_arena_alloc(b->arena, sizeof *vote);
        if (!vote)
            return TC_ELIMIT;
        if (tc_wire_scan_vote(bytes, descriptor, vote)) {
            *body = &vote->base;
            return 0;
        }
    }
    return tc_pbft_read_body(bytes, descriptor, b->arena, body);
}

/* How deep envelopes may lie in one another: a new view's view changes' certificates' pre-prepares' requests. */
#define ENVELOPES_DEEP 5

static bool too_deep(const struct tc_statements *b, uint32_t index)
{
    unsigned depth = 0;
    for (uint32_t at = index; at != TC_PARENT_NONE; at = b->items[at].parent)
        if (++depth > ENVELOPES_DEEP + 1)
            return true;
    return false;
}

/* Adds the envelope's statement and its children; the statement's index, or TC_ELIMIT. A first statement (no parent)
 * that does not decode gives TC_EMALFORMED. */
static int add_envelope(struct tc_statements *b, const Wire__Envelope *envelope, uint32_t parent)
{
    ProtobufCMessage *body = NULL;
    const int index = tc_statements_add(b, parent);
    if (index < 0)
        return index;
    struct tc_statement *s = &b->items[index];
    tc_statement_set_envelope(s, envelope);
    int rc = TC_EMALFORMED;
    if (envelope->type <= PBFT__TYPE__BATCH && !too_deep(b, (uint32_t)index))
        rc = read_body(b, envelope->type, s->body, &body);
    if (rc == TC_EMALFORMED && parent != TC_PARENT_NONE)
        return index;
    if (rc != 0)
        return rc;
    s->type = (uint8_t)envelope->type;
    s->kind = tc_pbft_rows[s->type].kind;
    s->phase = tc_pbft_rows[s->type].phase;
    s->fields = (struct tc_fields){tc_pbft_rows[s->type].descriptor, body};
    read_neutral(s, body);
    rc = add_envelopes(b, envelope->requests, envelope->n_requests, (uint32_t)index);
    if (rc == 0)
        rc = add_children(b, envelope->type, body, (uint32_t)index);
    return rc < 0 ? rc : index;
}

/* What nearly every message is made of, in one piece of the arena. */
struct first {
    Wire__Envelope envelope;
    struct tc_statement statement;
    struct tc_wire_vote vote;
};

/* A vote, or a proposal that carries no requests: as add_envelope would have it, but all at once, since most of a run's
 * messages are one. False: it is none, or its body is unusual. */
static bool make_vote(struct first *first)
{
    const Wire__Envelope *envelope = &first->envelope;
    struct tc_statement *s = &first->statement;
    const struct tc_wire_vote *vote = &first->vote;
    if (!is_vote(envelope->type) || envelope->n_requests > 0 ||
        !tc_wire_scan_vote(tc_wire_slice(envelope->body), tc_pbft_rows[envelope->type].descriptor, &first->vote))
        return false;
    const struct tc_message_row *row = &tc_pbft_rows[envelope->type];
    *s = (struct tc_statement){.kind = row->kind,
                               .phase = row->phase,
                               .type = (uint8_t)envelope->type,
                               .parent = TC_PARENT_NONE,
                               .origin = TC_ORIGIN_DIRECT,
                               .fields = {row->descriptor, &first->vote}};
    tc_statement_set_envelope(s, envelope);
    read_vote(s, vote);
    return true;
}

int tc_pbft_message_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)
{
    struct tc_statements b = {.arena = arena, .room = 1};
    tc_envelope_begin(m, frame);
    struct first *first = tc_arena_alloc(arena, sizeof *first);
    if (!first)
        return TC_ELIMIT;
    Wire__Envelope *envelope = &first->envelope;
    int rc = tc_wire_scan_envelope(frame, arena, envelope) ? 0 : tc_wire_unpack(frame, arena, &envelope);
    if (rc != 0)
        return rc;
    b.items = &first->statement;
    if (envelope == &first->envelope && make_vote(first)) {
        b.count = 1;
        tc_envelope_close(m, envelope, &b, tc_pbft_rows);
        return 0;
    }
    if (envelope->n_requests > 0) { /* most messages are one statement; a batch is counted ahead */
        b.room = envelope->n_requests < TC_STATEMENTS_MAX ? (uint32_t)envelope->n_requests + 1 : TC_STATEMENTS_MAX;
        b.items = tc_arena_alloc(arena, b.room * sizeof *b.items);
    }
    if (!b.items)
        return TC_ELIMIT;
    rc = add_envelope(&b, envelope, TC_PARENT_NONE);
    if (rc < 0)
        return rc;
    tc_envelope_close(m, envelope, &b, tc_pbft_rows);
    return 0;
}
