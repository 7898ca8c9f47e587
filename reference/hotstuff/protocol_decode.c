/* From one frame to statements: the message itself and everything signed that it carries.
 *
 *   proposal, block        → its requests
 *   whatever has one       → a certificate, with its votes as children; a timeout certificate, with its shares
 *   new-view               → also the share and the last vote of its sender
 *
 * What a certificate lists are signatures alone: the body that they cover is made again from what it certifies. */
#include "../../proxy/nodeset.h"
#include "protocol_parts.h"
#include <string.h>

struct builder {
    const struct tc_hotstuff_table *table;
    struct tc_arena *arena;
    struct tc_statements list;
};

/* A fresh statement at the end, of that row if there is one; its index, or TC_ELIMIT. */
static int add_statement(struct builder *b, uint32_t parent, int row)
{
    const int index = tc_statements_add(&b->list, parent);
    if (index < 0 || row < 0)
        return index;
    struct tc_statement *s = &b->list.items[index];
    s->type = (uint8_t)row;
    s->kind = b->table->rows[row].kind;
    s->phase = b->table->rows[row].phase;
    s->fields.descriptor = b->table->rows[row].descriptor;
    return index;
}

static void set_point(struct tc_statement *s, uint64_t view, uint64_t sequence, ProtobufCBinaryData digest)
{
    tc_statement_set_view(s, view);
    tc_statement_set_sequence(s, sequence);
    tc_statement_set_value(s, digest);
    if (s->kind != TC_KIND_CERTIFICATE)
        tc_statement_set_slot(s, view, 0);
}

/* ---- what is embedded ---- */

/* The bytes that are signed, made once for all who vote alike. */
static int add_vote(struct builder *b, uint32_t parent, int row, uint32_t signer, const Hotstuff__Vote *vote,
                    struct tc_slice *packed, ProtobufCBinaryData signature)
{
    const int index = add_statement(b, parent, row);
    if (index < 0)
        return index;
    if (!packed->data && !tc_wire_write_vote((const struct tc_wire_vote *)(const void *)vote, b->arena, packed) &&
        tc_fields_pack(&vote->base, b->arena, packed) != 0)
        return TC_ELIMIT;
    struct tc_statement *s = &b->list.items[index];
    s->signer = signer < TC_NODES_MAX ? (uint16_t)signer : TC_NODE_NONE;
    s->body = *packed;
    s->signature = tc_wire_slice(signature);
    s->fields.base = (void *)(uintptr_t)vote;
    set_point(s, vote->view, vote->sequence, vote->digest);
    return 0;
}

/* The genesis block's certificate is none: it asserts nothing. */
static int add_certificate(struct builder *b, const Hotstuff__Certificate *certificate, uint32_t parent)
{
    if (!certificate || (certificate->view == 0 && certificate->n_signers == 0))
        return 0;
    const int index = add_statement(b, parent, tc_hotstuff_row(b->table, TC_HOTSTUFF_TYPE_CERTIFICATE));
    const int row = tc_hotstuff_is_vote(certificate->type) ? tc_hotstuff_row(b->table, certificate->type) : -1;
    Hotstuff__Vote *vote = tc_arena_alloc(b->arena, sizeof *vote);
    struct tc_slice packed = {NULL, 0};
    int rc = 0;
    if (index < 0 || !vote)
        return TC_ELIMIT;
    hotstuff__vote__init(vote);
    vote->view = certificate->view;
    vote->sequence = certificate->sequence;
    vote->digest = certificate->digest;
    struct tc_statement *s = &b->list.items[index];
    s->fields.base = (void *)(uintptr_t)certificate;
    set_point(s, certificate->view, certificate->sequence, certificate->digest);
    if (row >= 0)
        s->phase = b->table->rows[row].phase;
    for (size_t i = 0; i < certificate->n_signers; i++)
        tc_nodeset_add(&s->signers, certificate->signers[i]);
    for (size_t i = 0; row >= 0 && rc == 0 && i < certificate->n_signers && i < certificate->n_signatures; i++)
        rc = add_vote(b, (uint32_t)index, row, certificate->signers[i], vote, &packed, certificate->signatures[i]);
    return rc;
}

static int add_share(struct builder *b, uint32_t parent, uint64_t view, uint32_t signer, ProtobufCBinaryData signature)
{
    const int index = add_statement(b, parent, tc_hotstuff_row(b->table, HOTSTUFF__TYPE__TIMEOUT));
    Hotstuff__Timeout *timeout = tc_arena_alloc(b->arena, sizeof *timeout);
    struct tc_slice body;
    if (index < 0 || !timeout)
        return TC_ELIMIT;
    hotstuff__timeout__init(timeout);
    timeout->view = view;
    if (tc_hotstuff_timeout_body(view, b->arena, &body) != 0)
        return TC_ELIMIT;
    struct tc_statement *s = &b->list.items[index];
    s->signer = signer < TC_NODES_MAX ? (uint16_t)signer : TC_NODE_NONE;
    s->body = body;
    s->signature = tc_wire_slice(signature);
    s->fields.base = timeout;
    tc_statement_set_view(s, view);
    return 0;
}

static int add_timeout(struct builder *b, const Hotstuff__TimeoutCertificate *certificate, uint32_t parent)
{
    if (!certificate)
        return 0;
    const int index = add_statement(b, parent, tc_hotstuff_row(b->table, TC_HOTSTUFF_TYPE_TIMEOUT_CERTIFICATE));
    int rc = 0;
    if (index < 0)
        return index;
    struct tc_statement *s = &b->list.items[index];
    s->fields.base = (void *)(uintptr_t)certificate;
    tc_statement_set_view(s, certificate->view);
    for (size_t i = 0; i < certificate->n_signers; i++)
        tc_nodeset_add(&s->signers, certificate->signers[i]);
    for (size_t i = 0; rc == 0 && i < certificate->n_signers && i < certificate->n_signatures; i++)
        rc = add_share(b, (uint32_t)index, certificate->view, certificate->signers[i], certificate->signatures[i]);
    return rc;
}

static int add_new_view(struct builder *b, const Hotstuff__NewView *body, uint32_t parent)
{
    const uint16_t signer = b->list.items[parent].signer;
    const int row = tc_hotstuff_row(b->table, HOTSTUFF__TYPE__GENERIC_VOTE);
    struct tc_slice packed = {NULL, 0};
    int rc = add_certificate(b, body->justify, parent);
    if (rc == 0 && body->share.len > 0)
        rc = add_share(b, parent, body->view, signer, body->share);
    if (rc == 0 && body->vote && row >= 0)
        rc = add_vote(b, parent, row, signer, body->vote, &packed, body->vote_signature);
    if (rc == 0)
        rc = add_timeout(b, body->timeout, parent);
    return rc != 0 ? rc : add_certificate(b, body->decide, parent);
}

static int add_children(struct builder *b, uint32_t wire_type, const void *body, uint32_t index)
{
    int rc;
    switch (wire_type) {
    case HOTSTUFF__TYPE__PREPARE:
    case HOTSTUFF__TYPE__GENERIC:
        rc = add_certificate(b, ((const Hotstuff__Proposal *)body)->justify, index);
        return rc != 0 ? rc : add_timeout(b, ((const Hotstuff__Proposal *)body)->timeout, index);
    case HOTSTUFF__TYPE__PRE_COMMIT:
    case HOTSTUFF__TYPE__COMMIT:
    case HOTSTUFF__TYPE__DECIDE:
        return add_certificate(b, ((const Hotstuff__Announcement *)body)->justify, index);
    case HOTSTUFF__TYPE__NEW_VIEW:
        return add_new_view(b, body, index);
    default:
        return 0;
    }
}

/* ---- the message ---- */

static void read_neutral(struct tc_statement *s, uint32_t wire_type, const void *body)
{
    switch (wire_type) {
    case WIRE__TYPE__REQUEST:
        tc_statement_set_request(s, body);
        break;
    case WIRE__TYPE__REPLY:
        tc_statement_set_view(s, ((const Wire__Reply *)body)->view);
        break;
    case HOTSTUFF__TYPE__PREPARE:
    case HOTSTUFF__TYPE__GENERIC: {
        const Hotstuff__Proposal *proposal = body;
        set_point(s, proposal->view, proposal->sequence, proposal->digest);
        break;
    }
    case HOTSTUFF__TYPE__PRE_COMMIT:
    case HOTSTUFF__TYPE__COMMIT:
    case HOTSTUFF__TYPE__DECIDE: {
        const Hotstuff__Announcement *announcement = body;
        set_point(s, announcement->view, announcement->sequence, announcement->digest);
        break;
    }
    case HOTSTUFF__TYPE__NEW_VIEW:
        tc_statement_set_view(s, ((const Hotstuff__NewView *)body)->view);
        break;
    case HOTSTUFF__TYPE__TIMEOUT:
        tc_statement_set_view(s, ((const Hotstuff__Timeout *)body)->view);
        break;
    case HOTSTUFF__TYPE__BLOCK_REQUEST:
        tc_statement_set_sequence(s, ((const Hotstuff__BlockRequest *)body)->sequence);
        tc_statement_set_value(s, ((const Hotstuff__BlockRequest *)body)->digest);
        break;
    case HOTSTUFF__TYPE__BLOCK:
        tc_statement_set_sequence(s, ((const Hotstuff__Block *)body)->sequence);
        break;
    case HOTSTUFF__TYPE__STATE_REQUEST:
        tc_statement_set_sequence(s, ((const Hotstuff__StateRequest *)body)->sequence);
        break;
    case HOTSTUFF__TYPE__STATE:
        tc_statement_set_sequence(s, ((const Hotstuff__State *)body)->sequence);
        tc_statement_set_value(s, ((const Hotstuff__State *)body)->digest);
        break;
    default:
        if (s->kind == TC_KIND_VOTE)
            set_point(s, ((const Hotstuff__Vote *)body)->view, ((const Hotstuff__Vote *)body)->sequence,
                      ((const Hotstuff__Vote *)body)->digest);
        break;
    }
}

/* Requests lie one level deep; whatever else stands there is a statement without fields. */
static int add_envelope(struct builder *b, const Wire__Envelope *envelope, uint32_t parent)
{
    const bool inner = parent != TC_PARENT_NONE;
    const uint32_t wire_type = tc_hotstuff_type(envelope);
    const bool known = wire_type < TC_HOTSTUFF_TYPE_CERTIFICATE && (!inner || wire_type == WIRE__TYPE__REQUEST);
    const int row = known ? tc_hotstuff_row(b->table, wire_type) : -1;
    ProtobufCMessage *body = NULL;
    int rc =
        row < 0 ? TC_EMALFORMED
                : tc_hotstuff_read_body(tc_wire_slice(envelope->body), b->table->rows[row].descriptor, b->arena, &body);
    if (rc != 0 && (rc != TC_EMALFORMED || !inner))
        return rc;
    const int index = add_statement(b, parent, rc == 0 ? row : -1);
    if (index < 0)
        return index;
    struct tc_statement *s = &b->list.items[index];
    tc_statement_set_envelope(s, envelope);
    if (rc != 0)
        return 0;
    s->fields.base = body;
    read_neutral(s, wire_type, body);
    for (size_t i = 0; !inner && rc == 0 && i < envelope->n_requests; i++)
        rc = add_envelope(b, envelope->requests[i], (uint32_t)index);
    return rc != 0 ? rc : add_children(b, wire_type, body, (uint32_t)index);
}

int tc_hotstuff_message_decode(const struct tc_hotstuff_table *table, struct tc_slice frame, struct tc_arena *arena,
                               struct tc_message *m)
{
    struct builder b = {.table = table, .arena = arena, .list = {.arena = arena}};
    Wire__Envelope *envelope;
    int rc = tc_envelope_open(m, frame, arena, &envelope);
    if (rc == 0)
        rc = add_envelope(&b, envelope, TC_PARENT_NONE);
    if (rc == 0)
        tc_envelope_close(m, envelope, &b.list, table->rows);
    return rc;
}
