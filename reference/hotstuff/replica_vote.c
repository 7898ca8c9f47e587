/* The voter's part, and what certificates mean (PODC'19, algorithms 1 to 3). */
#include "replica_internal.h"

#include <string.h>

/* ---- saying ---- */

bool tc_hotstuff_vote_sign(struct hotstuff *r, uint32_t type, const struct point *at, Wire__Envelope *vote)
{
    struct tc_slice body;
    return tc_hotstuff_vote_body(at->view, at->sequence, at->digest, &r->base.arena, &body) == 0 &&
           tc_replica_envelope_packed(&r->base, type, body, 0, vote);
}

static struct tc_slice vote_frame(struct hotstuff *r, uint32_t type, const struct point *at, uint8_t *signature)
{
    Wire__Envelope envelope;
    if (!tc_hotstuff_vote_sign(r, type, at, &envelope) || envelope.signature.len != TC_SIGNATURE_SIZE)
        return (struct tc_slice){NULL, 0};
    memcpy(signature, envelope.signature.data, TC_SIGNATURE_SIZE);
    return tc_replica_frame(&r->base, &envelope);
}

static uint16_t collector(const struct hotstuff *r, uint64_t view)
{
    return tc_replica_leader(&r->base, r->chained ? view + 1 : view);
}

static void vote_for(struct hotstuff *r, uint32_t type, const struct point *at)
{
    uint8_t signature[TC_SIGNATURE_SIZE];
    const struct point point = *at;
    r->voted_type = type;
    r->voted = point;
    r->dirty = true;
    const struct tc_slice frame = vote_frame(r, type, &point, signature);
    if (frame.len == 0)
        return;
    /* The vote alone ends no view: whoever went on without the certificate would ask for one view more than those whom
     * the leader told nothing, and the leader after it would be passed over (Decouchant et al., PRDC'23). */
    const uint16_t to = collector(r, point.view);
    tc_replica_send(&r->base, to, frame);
    if (to == r->base.id)
        tc_hotstuff_take_vote(r, r->base.id, type, &point, signature);
}

void tc_hotstuff_resend_vote(struct hotstuff *r)
{
    uint8_t signature[TC_SIGNATURE_SIZE];
    if (!r->base.active || r->voted.view == 0 || r->voted.view != r->base.view)
        return;
    tc_replica_send(&r->base, collector(r, r->voted.view), vote_frame(r, r->voted_type, &r->voted, signature));
}

/* ---- rules ---- */

/* Votes are in the order of (view, phase), and no two alike: the phases' numbers grow. */
static bool in_order(const struct hotstuff *r, uint32_t type, uint64_t view)
{
    return view > r->voted.view || (view == r->voted.view && type > r->voted_type);
}

/* Chained: what the justification locks is the parent of its block, so both must be here, or behind us. */
static bool lock_known(struct hotstuff *r, const struct certificate *justify)
{
    const uint8_t *digest = justify->at.digest;
    for (uint64_t height = justify->at.sequence, i = 0; i < 2 && height > r->executed.sequence; i++, height--) {
        const struct block *block = tc_hotstuff_block_find(r, digest);
        if (!block) {
            tc_hotstuff_want(r, digest);
            return false;
        }
        digest = block->parent;
    }
    return true;
}

void tc_hotstuff_vote_block(struct hotstuff *r, const struct block *block, const struct certificate *justify)
{
    const uint32_t type = tc_hotstuff_first_vote(r);
    if (!r->base.active || block->at.view != r->base.view || !in_order(r, type, r->base.view))
        return;
    if (r->chained && !lock_known(r, justify)) {
        r->waiting = block->at;
        r->waiting_on = justify->at;
        return;
    }
    /* safeNode: it extends the block we are locked on, or its justification is of a later view than our lock */
    const uint64_t view = tc_replica_bug(&r->base, TC_BUG_LOCK_VIEW) ? block->at.view : justify->at.view;
    const bool judged = justify->at.view > 0 || !tc_replica_bug(&r->base, TC_BUG_LOCK_GENESIS);
    if (judged && view <= r->locked.view && !tc_hotstuff_extends(r, block->at.digest, &r->locked))
        return;
    vote_for(r, type, &block->at);
}

void tc_hotstuff_vote_waiting(struct hotstuff *r)
{
    const struct certificate justify = {.at = r->waiting_on};
    const struct block *block = r->waiting.view == r->base.view ? tc_hotstuff_block_find(r, r->waiting.digest) : NULL;
    if (block && r->waiting.view > 0)
        tc_hotstuff_vote_block(r, block, &justify);
}

static void lock(struct hotstuff *r, const struct point *at)
{
    if (at->view <= r->locked.view)
        return;
    r->locked = *at;
    r->dirty = true;
}

/* Along the certified chain: two certificates in a row lock the first block (its certificate is in the second), three
 * over consecutive views commit it (PODC'19 §5, algorithm 3). Whoever fetched blocks late sees several steps at once.
 */
void tc_hotstuff_chain_rules(struct hotstuff *r)
{
    const uint8_t *digest = r->high.at.digest;
    bool first = true;
    if (!r->chained || r->high.at.view == 0)
        return;
    while (!tc_digest_same(digest, r->executed.digest)) {
        const struct block *two = tc_hotstuff_block_find(r, digest);
        if (!two) {
            if (r->high.at.sequence > r->executed.sequence)
                tc_hotstuff_want(r, digest);
            return;
        }
        if (two->at.sequence <= r->executed.sequence)
            return;
        const struct block *one = tc_hotstuff_block_find(r, two->parent);
        if (first && one)
            lock(r, &one->at);
        first = false;
        if (one && tc_replica_bug(&r->base, TC_BUG_COMMIT_EARLY) && two->at.view == one->at.view + 1) {
            tc_hotstuff_commit(r, &one->at);
            return;
        }
        const struct block *zero = one ? tc_hotstuff_block_find(r, one->parent) : NULL;
        const bool in_a_row = zero && two->at.view == one->at.view + 1 && one->at.view == zero->at.view + 1;
        if (in_a_row || (zero && tc_replica_bug(&r->base, TC_BUG_GAP_CHAIN))) {
            tc_hotstuff_commit(r, &zero->at);
            return;
        }
        digest = two->parent;
    }
}

void tc_hotstuff_learn(struct hotstuff *r, const struct certificate *certificate)
{
    if (certificate->at.view <= r->high.at.view)
        return;
    tc_hotstuff_certificate_copy(r, &r->high, certificate);
    r->dirty = true;
    if (r->chained && r->base.failed_views > 0) /* its view's timer was long enough, decision or not */
        r->base.failed_views--;
    tc_hotstuff_chain_rules(r);
}

void tc_hotstuff_decide(struct hotstuff *r, const struct certificate *certificate)
{
    if (certificate->at.view > r->decided.at.view) {
        tc_hotstuff_certificate_copy(r, &r->decided, certificate);
        r->dirty = true;
    }
    tc_hotstuff_commit(r, &certificate->at);
    tc_hotstuff_enter(r, certificate->at.view + 1);
}

/* ---- hearing proposals ---- */

/* The checks that need no memory: who, what, and on which certificate. */
static bool proposal_read(struct hotstuff *r, const Wire__Envelope *envelope, const Hotstuff__Proposal *body,
                          struct point *at, struct certificate *justify, struct certificate *timeout)
{
    uint8_t digest[TC_VALUE_SIZE];
    if (body->digest.len != TC_VALUE_SIZE || body->parent.len != TC_VALUE_SIZE || body->view == 0 ||
        envelope->sender != tc_replica_leader(&r->base, body->view))
        return false;
    if (tc_hotstuff_envelope_digest(envelope, body->view, body->sequence, body->parent.data, &r->base.arena, digest) !=
            0 ||
        !tc_digest_same(digest, body->digest.data))
        return false;
    if (!tc_hotstuff_certificate_read(r, body->justify, tc_hotstuff_first_vote(r), true, justify))
        return false;
    *at = (struct point){.view = body->view, .sequence = body->sequence};
    memcpy(at->digest, digest, TC_VALUE_SIZE);
    if (justify->at.view >= at->view || justify->at.sequence + 1 != at->sequence ||
        !tc_digest_same(justify->at.digest, body->parent.data))
        return false;
    *timeout = (struct certificate){0};
    return justify->at.view + 1 == at->view || tc_hotstuff_timeout_read(r, body->timeout, at->view, timeout);
}

/* A leader may sign as many proposals for its view as it likes; we keep a few. */
static bool crowded(struct hotstuff *r, const struct point *at)
{
    if (tc_hotstuff_block_find(r, at->digest))
        return false;
    if (r->crowd_view != at->view) {
        r->crowd_view = at->view;
        r->crowd = 0;
    }
    return ++r->crowd > PROPOSALS_VIEW_MAX;
}

void tc_hotstuff_on_proposal(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    struct point at;
    struct certificate justify, timeout;
    const uint32_t wanted = r->chained ? HOTSTUFF__TYPE__GENERIC : HOTSTUFF__TYPE__PREPARE;
    if (tc_hotstuff_type(envelope) != wanted ||
        tc_hotstuff_get_body(envelope, &hotstuff__proposal__descriptor, &r->base.arena, &base) != 0 ||
        !tc_replica_authentic(&r->base, envelope) || !proposal_read(r, envelope, base, &at, &justify, &timeout)) {
        tc_replica_complain(&r->base, r->base.from, "bad proposal of node %u", envelope->sender);
        return;
    }
    /* The certificate is news however late the proposal is; the block is wanted only if somebody may still vote. */
    if (at.view + 1 < r->base.view || !tc_hotstuff_requests_take(r, envelope)) {
        tc_hotstuff_learn(r, &justify);
        return;
    }
    if (timeout.at.view > r->timeout_certificate.at.view)
        tc_hotstuff_certificate_copy(r, &r->timeout_certificate, &timeout);
    if (crowded(r, &at) || !tc_hotstuff_block_add(r, &at, justify.at.digest, envelope))
        return;
    tc_hotstuff_learn(r, &justify);
    tc_hotstuff_enter(r, at.view);
    const struct block *block = tc_hotstuff_block_find(r, at.digest);
    if (block)
        tc_hotstuff_vote_block(r, block, &justify);
}

void tc_hotstuff_on_announcement(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    struct certificate justify;
    const uint32_t type = tc_hotstuff_type(envelope);
    const uint32_t votes = type - HOTSTUFF__TYPE__PRE_COMMIT + HOTSTUFF__TYPE__PREPARE_VOTE;
    if (r->chained || tc_hotstuff_get_body(envelope, &hotstuff__announcement__descriptor, &r->base.arena, &base) != 0 ||
        !tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad announcement of node %u", envelope->sender);
        return;
    }
    const Hotstuff__Announcement *body = base;
    if (!tc_hotstuff_certificate_read(r, body->justify, votes, false, &justify) || body->view != justify.at.view ||
        body->sequence != justify.at.sequence || body->digest.len != TC_VALUE_SIZE ||
        !tc_digest_same(body->digest.data, justify.at.digest)) {
        tc_replica_complain(&r->base, r->base.from, "bad certificate in an announcement of node %u", envelope->sender);
        return;
    }
    if (type == HOTSTUFF__TYPE__DECIDE) {
        tc_hotstuff_decide(r, &justify);
        return;
    }
    if (type == HOTSTUFF__TYPE__PRE_COMMIT)
        tc_hotstuff_learn(r, &justify);
    else
        lock(r, &justify.at);
    if (type == HOTSTUFF__TYPE__COMMIT && tc_replica_bug(&r->base, TC_BUG_COMMIT_EARLY))
        tc_hotstuff_commit(r, &justify.at);
    tc_hotstuff_enter(r, justify.at.view);
    const uint32_t vote = votes + 1;
    if (r->base.active && justify.at.view == r->base.view && in_order(r, vote, r->base.view) &&
        envelope->sender == tc_replica_leader(&r->base, r->base.view))
        vote_for(r, vote, &justify.at);
}

/* ---- hearing votes ---- */

/* What the leader does with a certificate that it made; its own part in the next phase comes with it. */
static void advance(struct hotstuff *r, const struct certificate *made)
{
    switch (made->type) {
    case HOTSTUFF__TYPE__PREPARE_VOTE:
        tc_hotstuff_learn(r, made);
        tc_hotstuff_announce(r, HOTSTUFF__TYPE__PRE_COMMIT, made);
        if (in_order(r, HOTSTUFF__TYPE__PRE_COMMIT_VOTE, made->at.view))
            vote_for(r, HOTSTUFF__TYPE__PRE_COMMIT_VOTE, &made->at);
        break;
    case HOTSTUFF__TYPE__PRE_COMMIT_VOTE:
        lock(r, &made->at);
        tc_hotstuff_announce(r, HOTSTUFF__TYPE__COMMIT, made);
        if (in_order(r, HOTSTUFF__TYPE__COMMIT_VOTE, made->at.view))
            vote_for(r, HOTSTUFF__TYPE__COMMIT_VOTE, &made->at);
        break;
    case HOTSTUFF__TYPE__COMMIT_VOTE:
        tc_hotstuff_announce(r, HOTSTUFF__TYPE__DECIDE, made);
        tc_hotstuff_decide(r, made);
        break;
    default:
        tc_hotstuff_learn(r, made);
        tc_hotstuff_enter(r, made->at.view + 1);
        break;
    }
}

void tc_hotstuff_take_vote(struct hotstuff *r, uint16_t sender, uint32_t type, const struct point *at,
                           const uint8_t *signature)
{
    struct certificate made;
    if (!tc_hotstuff_tally(r, sender, type, at, signature, &made))
        return;
    /* basic: only who leads the view, and is in it, goes on with it */
    if (!r->chained &&
        (tc_replica_leader(&r->base, at->view) != r->base.id || at->view != r->base.view || !r->base.active))
        return;
    advance(r, &made);
}

void tc_hotstuff_on_vote(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    struct point at;
    const uint32_t type = tc_hotstuff_type(envelope);
    if ((type == HOTSTUFF__TYPE__GENERIC_VOTE) != r->chained ||
        tc_wire_get_body(envelope, &hotstuff__vote__descriptor, &r->base.arena, &base) != 0 ||
        !tc_hotstuff_point_read(base, &at) || at.view == 0 || at.sequence == 0 ||
        envelope->signature.len != TC_SIGNATURE_SIZE || !tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad vote of node %u", envelope->sender);
        return;
    }
    tc_hotstuff_take_vote(r, (uint16_t)envelope->sender, type, &at, envelope->signature.data);
}
