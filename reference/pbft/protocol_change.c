/* The lies a traitor tells: a second proposal for the same slot, and a vote for another proposal. */
#include "../../proxy/random.h"
#include "protocol_parts.h"
#include <string.h>

/* The same requests in another order. NULL if no order differs in digest (fewer than two distinct requests) or the
 * arena is full. Requests are compared by their digests: identical ones may change places without effect. */
static Wire__Envelope **permute(const Wire__Envelope *envelope, uint64_t hash, struct tc_arena *arena)
{
    const size_t count = envelope->n_requests;
    if (count < 2 || count > TC_WIRE_BATCH_MAX)
        return NULL;
    Wire__Envelope **made = tc_arena_alloc(arena, count * sizeof *made);
    uint32_t *order = tc_arena_alloc(arena, count * sizeof *order);
    if (!made || !order)
        return NULL;
    tc_random_order(hash, order, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        made[i] = envelope->requests[order[i]];
    return made;
}

/* Moves the first request to the end: differs whenever two requests differ. */
static void rotate(Wire__Envelope *const *requests, Wire__Envelope **made, size_t count)
{
    for (size_t i = 0; i < count; i++)
        made[i] = requests[(i + 1) % count];
}

static bool batch_differs(const Wire__Envelope *envelope, Wire__Envelope **requests, size_t count,
                          const uint8_t *original, struct tc_arena *arena, uint8_t *digest)
{
    Wire__Envelope candidate = *envelope;
    candidate.requests = requests;
    candidate.n_requests = count;
    return tc_wire_requests_digest(&candidate, arena, digest) == 0 && memcmp(digest, original, TC_VALUE_SIZE) != 0;
}

int tc_pbft_message_perturb(const struct tc_protocol_env *env, const struct tc_message *proposal, uint64_t hash,
                            bool omit_requests, struct tc_arena *arena, struct tc_message *out, struct tc_error *err)
{
    (void)env;
    if (!proposal->decoded || proposal->statements[0].type != PBFT__TYPE__PRE_PREPARE)
        return tc_error_set(err, TC_EUNSUPPORTED, "a %s is not a proposal", proposal->type);
    const struct tc_statement *s = &proposal->statements[0];
    if (s->value.state != TC_VALUE_BYTES)
        return tc_error_set(err, TC_EUNSUPPORTED, "the null request has no second version");

    const Wire__Envelope *envelope = proposal->envelope.base;
    uint8_t *digest = tc_arena_alloc(arena, TC_VALUE_SIZE);
    struct tc_fields body = tc_fields_copy(s->fields, arena);
    if (!digest || !body.base)
        return tc_error_set(err, TC_ELIMIT, "the second proposal does not fit");
    size_t count = envelope->n_requests;
    Wire__Envelope **requests = omit_requests ? NULL : permute(envelope, hash, arena);
    bool differs = requests && batch_differs(envelope, requests, count, s->value.bytes, arena, digest);
    if (requests && !differs) {
        rotate(envelope->requests, requests, count);
        differs = batch_differs(envelope, requests, count, s->value.bytes, arena, digest);
    }
    if (!differs) {
        count = 0;
        requests = tc_arena_alloc(arena, sizeof *requests);
        differs = requests && batch_differs(envelope, requests, 0, s->value.bytes, arena, digest);
    }
    if (!differs)
        return tc_error_set(err, TC_EUNSUPPORTED, "an empty batch has no second version");
    ((Pbft__PrePrepare *)body.base)->digest = (ProtobufCBinaryData){TC_VALUE_SIZE, digest};
    const int rc = tc_pbft_message_remake(proposal, body.base, requests, count, arena, out);
    return rc == 0 ? 0 : tc_error_set(err, rc, "the second proposal cannot be encoded");
}

int tc_pbft_message_vote_for(const struct tc_message *vote, const struct tc_message *proposal, struct tc_arena *arena,
                             struct tc_message *out)
{
    if (!vote->decoded || vote->statements[0].kind != TC_KIND_VOTE)
        return TC_EUNSUPPORTED;
    if (!proposal->decoded || proposal->statements[0].kind != TC_KIND_PROPOSE ||
        proposal->statements[0].value.state == TC_VALUE_ABSENT)
        return TC_EUNSUPPORTED;
    if (vote->statements[0].value.state == TC_VALUE_NIL)
        return tc_pbft_message_again(vote->frame, vote, arena, out);

    struct tc_fields body = tc_fields_copy(vote->statements[0].fields, arena);
    const struct tc_slice value = {proposal->statements[0].value.bytes, TC_VALUE_SIZE};
    const struct tc_slice digest = tc_arena_copy(arena, value);
    if (!body.base || !digest.data)
        return TC_ELIMIT;
    ((Pbft__Prepare *)body.base)->digest = tc_wire_binary(digest); /* a Commit is laid out alike */
    return tc_pbft_message_remake(vote, body.base, NULL, 0, arena, out);
}
