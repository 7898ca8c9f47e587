/* What a view change claims, and whether it may: C proves the stable checkpoint, each entry of P is a prepared
 * certificate (OSDI'99 §4.4). */
#include "justify_parts.h"
#include <string.h>

/* The body of an envelope of this type; NULL if it is of another type, does not decode or scratch is full. */
static const void *body_of(struct tc_justifier *j, const Wire__Envelope *envelope, uint32_t type,
                           const ProtobufCMessageDescriptor *descriptor)
{
    void *body;
    if (!envelope || envelope->type != type || tc_wire_get_body(envelope, descriptor, &j->scratch, &body) != 0)
        return NULL;
    return body;
}

static bool is_digest(ProtobufCBinaryData found, const uint8_t *wanted)
{
    return found.len == TC_VALUE_SIZE && memcmp(found.data, wanted, TC_VALUE_SIZE) == 0;
}

bool tc_justify_stable_proven(struct tc_justifier *j, Wire__Envelope *const *envelopes, size_t count, uint64_t sequence,
                              ProtobufCBinaryData digest)
{
    struct justify_set signers = {0};
    if (digest.len != TC_VALUE_SIZE)
        return false;
    for (size_t i = 0; i < count && justify_count(&signers) < j->quorum; i++) {
        const Pbft__Checkpoint *body = body_of(j, envelopes[i], PBFT__TYPE__CHECKPOINT, &pbft__checkpoint__descriptor);
        if (body && body->sequence == sequence && is_digest(body->digest, digest.data) && envelopes[i]->sender < j->n &&
            !justify_has(&signers, envelopes[i]->sender) && tc_justify_genuine(j, envelopes[i]))
            justify_add(&signers, envelopes[i]->sender);
    }
    return justify_count(&signers) >= j->quorum;
}

/* Backups of the view whose prepare matches and is genuine, each counted once; stops at enough. */
static uint32_t count_prepares(struct tc_justifier *j, const Pbft__Prepared *prepared, const Pbft__PrePrepare *proposal)
{
    const uint16_t leader = tc_justify_leader(j, proposal->view);
    struct justify_set signers = {0};
    for (size_t i = 0; i < prepared->n_prepares && justify_count(&signers) + 1 < j->quorum; i++) {
        const Wire__Envelope *envelope = prepared->prepares[i];
        const Pbft__Prepare *body = body_of(j, envelope, PBFT__TYPE__PREPARE, &pbft__prepare__descriptor);
        if (body && envelope->sender < j->n && envelope->sender != leader && body->view == proposal->view &&
            body->sequence == proposal->sequence && is_digest(body->digest, proposal->digest.data) &&
            !justify_has(&signers, envelope->sender) && tc_justify_genuine(j, envelope))
            justify_add(&signers, envelope->sender);
    }
    return justify_count(&signers);
}

static void read_claim(struct tc_justifier *j, const Pbft__Prepared *prepared, uint64_t view,
                       struct justify_claim *claim)
{
    const Pbft__PrePrepare *proposal =
        body_of(j, prepared->pre_prepare, PBFT__TYPE__PRE_PREPARE, &pbft__pre_prepare__descriptor);
    *claim = (struct justify_claim){.valid = false, .why = "its pre-prepare is missing or broken"};
    if (!proposal || proposal->digest.len != TC_VALUE_SIZE)
        return;
    claim->sequence = proposal->sequence;
    claim->view = proposal->view;
    memcpy(claim->digest, proposal->digest.data, TC_VALUE_SIZE);
    if (proposal->view >= view)
        claim->why = "its pre-prepare is not of an earlier view";
    else if (prepared->pre_prepare->sender != tc_justify_leader(j, proposal->view))
        claim->why = "its pre-prepare is not by the primary of its view";
    else if (!tc_justify_genuine(j, prepared->pre_prepare))
        claim->why = "its pre-prepare's signature is false";
    else if (count_prepares(j, prepared, proposal) + 1 < j->quorum)
        claim->why = "it has too few genuine matching prepares of different backups";
    else
        claim->valid = true;
}

bool tc_justify_read_change(struct tc_justifier *j, uint16_t sender, const Pbft__ViewChange *body,
                            struct justify_change *change)
{
    *change = (struct justify_change){
        .sender = sender, .view = body->view, .stable = body->stable_sequence, .claims_valid = true};
    change->claims = tc_arena_alloc(&j->scratch, (body->n_prepared + 1) * sizeof *change->claims);
    if (!change->claims)
        return false;
    change->stable_valid =
        body->stable_sequence == 0 ||
        tc_justify_stable_proven(j, body->checkpoints, body->n_checkpoints, body->stable_sequence, body->stable_digest);
    for (size_t i = 0; i < body->n_prepared; i++) {
        read_claim(j, body->prepared[i], body->view, &change->claims[i]);
        change->claims_valid &= change->claims[i].valid;
    }
    change->claim_count = (uint32_t)body->n_prepared;
    return true;
}

const struct justify_claim *tc_justify_claim(const struct justify_change *change, uint64_t sequence)
{
    const struct justify_claim *best = NULL;
    for (uint32_t i = 0; i < change->claim_count; i++) {
        const struct justify_claim *claim = &change->claims[i];
        if (claim->sequence == sequence && claim->valid && (!best || claim->view > best->view))
            best = claim;
    }
    return best;
}
