/* The leader's part: proposals, and in the basic protocol the announcements of the certificates that came of them. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

/* Says it to all, and keeps it to say it again to those that missed it. */
static void say(struct hotstuff *r, uint32_t type, struct tc_slice frame)
{
    uint8_t *kept = frame.len > 0 ? tc_replica_alloc(&r->base, frame.len) : NULL;
    if (!kept)
        return;
    memcpy(kept, frame.data, frame.len);
    free(r->said);
    r->said = kept;
    r->said_len = frame.len;
    r->said_type = type;
    r->said_view = r->base.view;
    tc_replica_broadcast(&r->base, frame);
}

/* Does the leader know what it must before it proposes? Chained: the certificate of the view before, unless that view
 * was given up. Basic: new-view messages of a quorum, so that no higher prepareQC is overlooked that somebody may be
 * locked on (PODC'19 §4.2). */
static bool may_propose(const struct hotstuff *r)
{
    if (!r->base.started || !r->base.active || r->base.out_of_memory || r->proposed_view >= r->base.view ||
        tc_replica_leader(&r->base, r->base.view) != r->base.id || r->voted.view >= r->base.view)
        return false;
    const bool follows = r->high.at.view + 1 == r->base.view;
    const bool given_up = r->timeout_certificate.at.view == r->base.view;
    if (!follows && !given_up)
        return false;
    if (r->chained || r->base.view == 1)
        return true;
    uint32_t ready = 1;
    for (uint32_t i = 0; i < r->base.n; i++)
        ready += i != r->base.id && r->peers[i].ready_view == r->base.view;
    return ready >= r->base.quorum;
}

/* Chained: whoever made the certificate that commits a block is the only one that knows; the next proposal tells it. So
 * nobody waits only once the chain holds three blocks of consecutive views, the certificate of whose highest stands in
 * a block above it (PODC'19 §5: then all know the lowest committed), and none but empty ones above the lowest. A leader
 * that executed everything itself must go on until then: the others cannot commit without its views. */
static bool others_wait(const struct hotstuff *r)
{
    const struct block *block = r->chained ? tc_hotstuff_block_find(r, r->high.at.digest) : NULL;
    for (uint32_t links = 0, above = 0; block && links < 2; above++) {
        const struct block *below = tc_hotstuff_block_find(r, block->parent);
        if (block->count > 0 || (!below && block->at.sequence > 1)) /* its parent is forgotten: maybe only by us */
            return true;
        links = above > 0 && below && below->at.view + 1 == block->at.view ? links + 1 : 0;
        block = below;
    }
    return false;
}

static void propose_block(struct hotstuff *r, Wire__Envelope **requests, size_t count)
{
    static const struct certificate none = {0};
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    struct point at = {.view = r->base.view, .sequence = r->high.at.sequence + 1};
    const uint32_t type = r->chained ? HOTSTUFF__TYPE__GENERIC : HOTSTUFF__TYPE__PREPARE;
    envelope.requests = requests;
    envelope.n_requests = count;
    if (tc_hotstuff_envelope_digest(&envelope, at.view, at.sequence, r->high.at.digest, &r->base.arena, at.digest) !=
        0) {
        r->base.out_of_memory = true;
        return;
    }
    const bool follows = r->high.at.view + 1 == r->base.view;
    const struct tc_slice body = tc_hotstuff_proposal_pack(r, &at, &r->high, follows ? &none : &r->timeout_certificate);
    if (!tc_replica_envelope_packed(&r->base, type, body, 0, &envelope))
        return;
    envelope.requests = requests;
    envelope.n_requests = count;
    const struct block *block = tc_hotstuff_block_add(r, &at, r->high.at.digest, &envelope);
    if (!block)
        return;
    r->proposed_view = r->base.view;
    r->dirty = true;
    say(r, type, tc_replica_frame(&r->base, &envelope));
    tc_hotstuff_vote_block(r, block, &r->high);
}

void tc_hotstuff_propose(struct hotstuff *r)
{
    /* A vote of our own may be the last one missing: one leader (n = 1, or a rotation that repeats) may go on at once.
     */
    for (uint32_t rounds = 0; rounds < 8 && may_propose(r); rounds++) {
        Wire__Envelope **requests;
        size_t count;
        bool unfinished;
        if (!tc_hotstuff_gather(r, &r->high, &requests, &count, &unfinished) ||
            (count == 0 && !unfinished && !others_wait(r)))
            return;
        propose_block(r, requests, count);
    }
}

void tc_hotstuff_announce(struct hotstuff *r, uint32_t type, const struct certificate *certificate)
{
    say(r, type, tc_replica_message_packed(&r->base, type, tc_hotstuff_announcement_pack(r, certificate), 0));
}
