/* Is a view change valid? It proves its stable checkpoint (C) and everything it claims to be prepared (P)
 * (OSDI'99 §4.4). One invalid part makes the whole invalid: a correct replica sends none. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

void tc_pbft_view_change_clear(struct view_change *change)
{
    free(change->claims);
    free(change->body);
    memset(change, 0, sizeof *change);
}

/* What C proves, in the arena. */
struct proof {
    struct signed_text *texts;
    uint32_t count;
};

static bool stable_proved(struct pbft *r, const Pbft__ViewChange *body, struct proof *proof)
{
    if (body->stable_sequence == 0)
        return body->n_checkpoints == 0;
    return body->stable_digest.len == TC_VALUE_SIZE &&
           tc_pbft_certificate_valid(r, body->checkpoints, body->n_checkpoints, body->stable_sequence,
                                     body->stable_digest.data, &proof->texts, &proof->count);
}

static bool prepare_matches(struct pbft *r, const Wire__Envelope *envelope, const Pbft__PrePrepare *proposal)
{
    void *base;
    if (envelope->type != PBFT__TYPE__PREPARE || envelope->sender >= r->base.n ||
        envelope->sender == tc_replica_leader(&r->base, proposal->view) ||
        tc_wire_get_body(envelope, &pbft__prepare__descriptor, &r->base.arena, &base) != 0)
        return false;
    const Pbft__Prepare *body = base;
    return body->view == proposal->view && body->sequence == proposal->sequence && body->digest.len == TC_VALUE_SIZE &&
           tc_digest_same(body->digest.data, proposal->digest.data);
}

/* quorum-1 backups prepared it; what comes beyond that is not looked at. */
static bool prepares_prove(struct pbft *r, const Pbft__Prepared *prepared, const Pbft__PrePrepare *proposal,
                           bool trusted)
{
    struct tc_nodeset signers = {{0}};
    uint32_t count = 0, needed = tc_pbft_prepares_needed(r);
    for (size_t i = 0; i < prepared->n_prepares && count < needed; i++) {
        const Wire__Envelope *envelope = prepared->prepares[i];
        if (!prepare_matches(r, envelope, proposal) || tc_nodeset_has(&signers, envelope->sender) ||
            !(trusted || tc_replica_authentic(&r->base, envelope)))
            return false;
        tc_nodeset_add(&signers, envelope->sender);
        count++;
    }
    return count >= needed;
}

static bool prepared_proved(struct pbft *r, const Pbft__ViewChange *change, const Pbft__Prepared *prepared,
                            bool trusted, struct claim *claim)
{
    void *base;
    const Wire__Envelope *envelope = prepared->pre_prepare;
    if (!envelope || envelope->type != PBFT__TYPE__PRE_PREPARE || envelope->n_requests > 0 ||
        tc_wire_get_body(envelope, &pbft__pre_prepare__descriptor, &r->base.arena, &base) != 0)
        return false;
    const Pbft__PrePrepare *body = base;
    if (body->view >= change->view || body->digest.len != TC_VALUE_SIZE ||
        envelope->sender != tc_replica_leader(&r->base, body->view) || body->sequence <= change->stable_sequence ||
        body->sequence - change->stable_sequence > r->base.window)
        return false;
    if (!tc_replica_bug(&r->base, TC_BUG_PREPARED_UNPROVED) &&
        (!(trusted || tc_replica_authentic(&r->base, envelope)) || !prepares_prove(r, prepared, body, trusted)))
        return false;
    claim->sequence = body->sequence;
    claim->view = body->view;
    memcpy(claim->digest, body->digest.data, TC_VALUE_SIZE);
    return true;
}

static bool read_claims(struct pbft *r, const Pbft__ViewChange *body, bool trusted, struct view_change *out)
{
    bool *taken = tc_replica_scratch(&r->base, r->base.window + 1);
    out->claims = tc_replica_alloc(&r->base, body->n_prepared * sizeof *out->claims);
    if (!taken || !out->claims)
        return false;
    for (size_t i = 0; i < body->n_prepared; i++) {
        struct claim *claim = &out->claims[out->claim_count];
        const bool proved = prepared_proved(r, body, body->prepared[i], trusted, claim);
        if (!proved && tc_replica_bug(&r->base, TC_BUG_INVALID_MASKS_VALID)) {
            out->masks = true;
            break;
        }
        if (!proved || taken[claim->sequence - body->stable_sequence])
            return false;
        taken[claim->sequence - body->stable_sequence] = true;
        out->claim_count++;
    }
    return true;
}

bool tc_pbft_view_change_check(struct pbft *r, const Wire__Envelope *envelope, const Pbft__ViewChange *body,
                               bool trusted, struct view_change *out)
{
    struct proof proof = {NULL, 0};
    memset(out, 0, sizeof *out);
    if (envelope->type != PBFT__TYPE__VIEW_CHANGE || envelope->sender >= r->base.n ||
        envelope->signature.len != TC_SIGNATURE_SIZE)
        return false;
    if (body->view == 0 || body->n_prepared > r->base.window ||
        !(trusted || tc_replica_authentic(&r->base, envelope)) || !(trusted || stable_proved(r, body, &proof)) ||
        !read_claims(r, body, trusted, out)) {
        tc_pbft_view_change_clear(out);
        return false;
    }
    out->view = body->view;
    out->stable_sequence = body->stable_sequence;
    out->body_len = envelope->body.len;
    out->body = tc_replica_alloc_bytes(&r->base, out->body_len);
    if (!out->body) {
        tc_pbft_view_change_clear(out);
        return false;
    }
    memcpy(out->body, envelope->body.data, out->body_len);
    memcpy(out->signature, envelope->signature.data, TC_SIGNATURE_SIZE);
    if (proof.count > 0) /* which may be news to us */
        tc_pbft_take_certificate(r, body->stable_sequence, body->stable_digest.data, proof.texts, proof.count);
    return true;
}

bool tc_pbft_view_change_read(struct pbft *r, const Wire__Envelope *envelope, bool trusted, struct view_change *out)
{
    void *base;
    memset(out, 0, sizeof *out);
    return envelope->type == PBFT__TYPE__VIEW_CHANGE &&
           tc_pbft_get_body(envelope, &pbft__view_change__descriptor, &r->base.arena, &base) == 0 &&
           tc_pbft_view_change_check(r, envelope, base, trusted, out);
}
