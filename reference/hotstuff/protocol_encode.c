/* Making, signing and verifying messages; the lies a traitor tells. */
#include "../../proxy/random.h"
#include "protocol_parts.h"
#include <string.h>

static int again(const struct tc_hotstuff_table *table, struct tc_slice frame, const struct tc_message *like,
                 struct tc_arena *arena, struct tc_message *out)
{
    *out = tc_envelope_blank(like);
    return tc_hotstuff_message_decode(table, frame, arena, out);
}

static int remake(const struct tc_hotstuff_table *table, const struct tc_message *m, const ProtobufCMessage *body,
                  Wire__Envelope **requests, size_t request_count, struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice frame;
    const int rc = tc_envelope_remake(m, body, requests, request_count, arena, &frame);
    return rc != 0 ? rc : again(table, frame, m, arena, out);
}

int tc_hotstuff_message_build(const struct tc_hotstuff_table *table, const char *type, struct tc_arena *arena,
                              struct tc_message *out)
{
    struct tc_slice frame;
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].wire_type >= TC_HOTSTUFF_TYPE_CERTIFICATE || strcmp(table->rows[i].name, type) != 0)
            continue;
        const int rc = tc_envelope_build(table->rows[i].wire_type, arena, &frame);
        return rc != 0 ? rc : again(table, frame, NULL, arena, out);
    }
    return TC_ENOT_FOUND;
}

int tc_hotstuff_message_sign(const struct tc_hotstuff_table *table, const struct tc_protocol_env *env,
                             const struct tc_message *m, uint16_t node, struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice frame;
    const int rc = tc_envelope_sign(env, m, node, arena, &frame);
    return rc != 0 ? rc : again(table, frame, m, arena, out);
}

int tc_hotstuff_message_verify(const struct tc_hotstuff_table *table, const struct tc_protocol_env *env,
                               const struct tc_statement *s)
{
    return tc_envelope_verify(env, &table->rows[s->type], s);
}

/* ---- a second proposal ---- */

/* The same requests in an order drawn from `hash`; if that leaves the digest as it was, turned by one. */
static void reorder(const Wire__Envelope *envelope, uint64_t hash, bool turn, uint32_t *order, Wire__Envelope **made)
{
    const size_t count = envelope->n_requests;
    tc_random_order(hash, order, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        made[i] = envelope->requests[turn ? (i + 1) % count : order[i]];
}

static bool differs(const struct tc_message *proposal, const Hotstuff__Proposal *body, Wire__Envelope **requests,
                    size_t count, struct tc_arena *arena, uint8_t *digest)
{
    Wire__Envelope candidate = *(const Wire__Envelope *)proposal->envelope.base;
    candidate.requests = requests;
    candidate.n_requests = count;
    return tc_hotstuff_envelope_digest(&candidate, body->view, body->sequence, body->parent.data, arena, digest) == 0 &&
           memcmp(digest, proposal->statements[0].value.bytes, TC_VALUE_SIZE) != 0;
}

int tc_hotstuff_message_perturb(const struct tc_hotstuff_table *table, const struct tc_message *proposal, uint64_t hash,
                                bool omit_requests, struct tc_arena *arena, struct tc_message *out,
                                struct tc_error *err)
{
    if (!proposal->decoded ||
        proposal->statements[0].fields.descriptor != (const void *)&hotstuff__proposal__descriptor)
        return tc_error_set(err, TC_EUNSUPPORTED, "a %s proposes no block of its own", proposal->type);
    const struct tc_statement *s = &proposal->statements[0];
    const Wire__Envelope *envelope = proposal->envelope.base;
    struct tc_fields fields = tc_fields_copy(s->fields, arena);
    Hotstuff__Proposal *body = fields.base;
    if (s->value.state != TC_VALUE_BYTES || (body && body->parent.len != TC_VALUE_SIZE))
        return tc_error_set(err, TC_EUNSUPPORTED, "the proposal names no block or no parent");
    size_t count = envelope->n_requests;
    uint8_t *digest = tc_arena_alloc(arena, TC_VALUE_SIZE);
    Wire__Envelope **requests = tc_arena_alloc(arena, (count + 1) * sizeof *requests);
    uint32_t *order = tc_arena_alloc(arena, (count + 1) * sizeof *order);
    if (!body || !digest || !requests || !order)
        return tc_error_set(err, TC_ELIMIT, "the second proposal does not fit");
    bool found = false;
    for (int turn = 0; turn < 2 && !found && !omit_requests && count > 1 && count <= TC_WIRE_BATCH_MAX; turn++) {
        reorder(envelope, hash, turn == 1, order, requests);
        found = differs(proposal, body, requests, count, arena, digest);
    }
    if (!found) {
        count = 0;
        found = differs(proposal, body, requests, count, arena, digest);
    }
    if (!found)
        return tc_error_set(err, TC_EUNSUPPORTED, "an empty block has no second version");
    body->digest = (ProtobufCBinaryData){TC_VALUE_SIZE, digest};
    const int rc = remake(table, proposal, &body->base, requests, count, arena, out);
    return rc == 0 ? 0 : tc_error_set(err, rc, "the second proposal cannot be encoded");
}

int tc_hotstuff_message_vote_for(const struct tc_hotstuff_table *table, const struct tc_message *vote,
                                 const struct tc_message *proposal, struct tc_arena *arena, struct tc_message *out)
{
    if (!vote->decoded || vote->statements[0].kind != TC_KIND_VOTE || !proposal->decoded ||
        proposal->statements[0].kind != TC_KIND_PROPOSE || proposal->statements[0].value.state != TC_VALUE_BYTES)
        return TC_EUNSUPPORTED;
    struct tc_fields fields = tc_fields_copy(vote->statements[0].fields, arena);
    const struct tc_slice value = {proposal->statements[0].value.bytes, TC_VALUE_SIZE};
    const struct tc_slice digest = tc_arena_copy(arena, value);
    if (!fields.base || !digest.data)
        return TC_ELIMIT;
    Hotstuff__Vote *body = fields.base;
    body->digest = tc_wire_binary(digest);
    body->sequence = proposal->statements[0].sequence;
    return remake(table, vote, &body->base, NULL, 0, arena, out);
}

/* ---- the chain ---- */

bool tc_hotstuff_message_parent(const struct tc_message *proposal, struct tc_value *parent)
{
    const struct tc_statement *s = proposal->statement_count > 0 ? &proposal->statements[0] : NULL;
    if (!s || s->fields.descriptor != (const void *)&hotstuff__proposal__descriptor || !s->fields.base)
        return false;
    const Hotstuff__Proposal *body = s->fields.base;
    if (body->parent.len != TC_VALUE_SIZE)
        return false;
    parent->state = TC_VALUE_BYTES;
    memcpy(parent->bytes, body->parent.data, TC_VALUE_SIZE);
    return true;
}

/* ---- certificates ---- */

int tc_hotstuff_message_certificate(const struct tc_hotstuff_table *table, const struct tc_message *const *votes,
                                    size_t count, struct tc_arena *arena, struct tc_slice *out)
{
    Hotstuff__Certificate certificate = HOTSTUFF__CERTIFICATE__INIT;
    if (count == 0 || count > TC_REPLICAS_MAX || !votes[0]->decoded || votes[0]->statements[0].kind != TC_KIND_VOTE)
        return TC_EUNSUPPORTED;
    const struct tc_statement *first = &votes[0]->statements[0];
    certificate.type = table->rows[first->type].wire_type;
    certificate.view = first->view;
    certificate.sequence = first->sequence;
    certificate.digest = ((const Hotstuff__Vote *)first->fields.base)->digest;
    certificate.signers = tc_arena_alloc(arena, count * sizeof *certificate.signers);
    certificate.signatures = tc_arena_alloc(arena, count * sizeof *certificate.signatures);
    if (!certificate.signers || !certificate.signatures)
        return TC_ELIMIT;
    certificate.n_signers = certificate.n_signatures = count;
    for (size_t i = 0; i < count; i++) {
        if (!votes[i]->decoded || votes[i]->statements[0].kind != TC_KIND_VOTE)
            return TC_EUNSUPPORTED;
        certificate.signers[i] = votes[i]->statements[0].signer;
        certificate.signatures[i] = tc_wire_binary(votes[i]->statements[0].signature);
    }
    return tc_fields_pack(&certificate.base, arena, out);
}
