/* Views: how a replica comes into one, gives one up, and finds the others again (PODC'19 §4.4).
 *
 * A replica enters a view on evidence only: a certificate of the view before, a timeout certificate for it, or a
 * message that carries one. When its timer runs out it asks for the next view and votes no more in this one; f+1
 * replicas that ask for a higher view are joined; a quorum that asks for the same one is its timeout certificate. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

#define RESEND_DOUBLINGS 8

/* ---- saying ---- */

/* Our signature on the question for `view`. */
static bool sign_timeout(struct hotstuff *r, uint64_t view, Wire__Envelope *share)
{
    struct tc_slice body;
    return tc_hotstuff_timeout_body(view, &r->base.arena, &body) == 0 &&
           tc_replica_envelope_packed(&r->base, HOTSTUFF__TYPE__TIMEOUT, body, 0, share);
}

static struct tc_slice new_view_frame(struct hotstuff *r, bool asking, bool helping)
{
    struct new_view parts = {.decide = helping || asking, .timeout = helping};
    Wire__Envelope share, vote;
    if (asking) {
        if (!sign_timeout(r, r->base.view, &share))
            return (struct tc_slice){NULL, 0};
        parts.share = tc_wire_slice(share.signature);
        if (r->chained && r->voted.view > r->high.at.view && !tc_replica_bug(&r->base, TC_BUG_VOTES_DIE)) {
            if (!tc_hotstuff_vote_sign(r, r->voted_type, &r->voted, &vote))
                return (struct tc_slice){NULL, 0};
            parts.vote_signature = tc_wire_slice(vote.signature);
        }
    }
    return tc_replica_message_packed(&r->base, HOTSTUFF__TYPE__NEW_VIEW, tc_hotstuff_new_view_pack(r, &parts), 0);
}

void tc_hotstuff_help(struct hotstuff *r, uint16_t peer)
{
    struct peer *p = &r->peers[peer];
    if (p->helped_ns != TC_NEVER_NS && r->base.now_ns - p->helped_ns < r->base.cluster->view_timeout_ns / 4)
        return;
    p->helped_ns = r->base.now_ns;
    tc_replica_send(&r->base, peer, new_view_frame(r, !r->base.active, true));
}

/* ---- moving ---- */

void tc_hotstuff_enter(struct hotstuff *r, uint64_t view)
{
    if (view < r->base.view || (view == r->base.view && r->base.active))
        return;
    const bool asked = view == r->base.view;
    r->base.view = view;
    r->base.active = true;
    r->dirty = true;
    r->view_deadline_ns = TC_NEVER_NS;
    r->resend_deadline_ns = TC_NEVER_NS;
    r->resend_wait_ns = r->base.cluster->view_timeout_ns / 2;
    tc_replica_observe_view(&r->base);
    if (asked) /* after a timeout: everybody was told, and perhaps the requests were lost with the leader */
        tc_hotstuff_pending_forward(r);
    else if (!r->chained)
        tc_replica_send(&r->base, tc_replica_leader(&r->base, view), new_view_frame(r, false, false));
}

/* A quorum asks for exactly this view: its shares are the certificate. */
static void try_certificate(struct hotstuff *r, uint64_t view)
{
    struct certificate made = {.type = HOTSTUFF__TYPE__TIMEOUT, .at = {.view = view}};
    if (view < r->base.view || (view == r->base.view && r->base.active))
        return;
    made.shares = tc_replica_scratch(&r->base, r->base.n * sizeof *made.shares);
    if (!made.shares)
        return;
    for (uint32_t i = 0; i < r->base.n && made.count < r->base.quorum; i++) {
        if (r->peers[i].asked_view != view)
            continue;
        made.shares[made.count].signer = (uint16_t)i;
        memcpy(made.shares[made.count].signature, r->peers[i].share, TC_SIGNATURE_SIZE);
        made.count++;
    }
    if (made.count < r->base.quorum)
        return;
    tc_hotstuff_certificate_copy(r, &r->timeout_certificate, &made);
    tc_hotstuff_enter(r, view);
}

/* Our own share is one of a quorum's. */
static bool take_own_share(struct hotstuff *r, uint64_t view)
{
    Wire__Envelope share;
    if (!sign_timeout(r, view, &share))
        return false;
    r->peers[r->base.id].asked_view = view;
    memcpy(r->peers[r->base.id].share, share.signature.data, TC_SIGNATURE_SIZE);
    return true;
}

void tc_hotstuff_resume(struct hotstuff *r)
{
    if (!r->base.active)
        (void)take_own_share(r, r->base.view);
}

static void ask(struct hotstuff *r, uint64_t view)
{
    r->base.view = view;
    r->base.active = false;
    r->dirty = true;
    r->view_deadline_ns = TC_NEVER_NS;
    r->resend_deadline_ns = TC_NEVER_NS;
    r->resend_wait_ns = r->base.cluster->view_timeout_ns / 2;
    if (!take_own_share(r, view))
        return;
    tc_replica_observe_view(&r->base);
    tc_replica_broadcast(&r->base, new_view_frame(r, true, false));
    if (r->chained && r->voted.view > 0) {
        Wire__Envelope vote;
        if (tc_hotstuff_vote_sign(r, r->voted_type, &r->voted, &vote))
            tc_hotstuff_take_vote(r, r->base.id, r->voted_type, &r->voted, vote.signature.data);
    }
    try_certificate(r, view);
}

/* How many ask for `view` or a later one. */
static uint32_t count_asking(const struct hotstuff *r, uint64_t view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->base.n; i++)
        count += r->peers[i].asked_view >= view;
    return count;
}

/* The highest view that f+1 replicas ask for: at least one of them is correct and saw its timer run out. */
static void join(struct hotstuff *r)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < r->base.n; i++) {
        const uint64_t view = r->peers[i].asked_view;
        if (view > best && count_asking(r, view) > r->base.f)
            best = view;
    }
    if (best > r->base.view)
        ask(r, best);
}

void tc_hotstuff_view_timeout(struct hotstuff *r)
{
    r->view_deadline_ns = TC_NEVER_NS;
    if (r->base.failed_views < 64)
        r->base.failed_views++;
    ask(r, r->base.view + 1);
}

/* ---- hearing ---- */

static bool take_share(struct hotstuff *r, uint16_t sender, const Hotstuff__NewView *body)
{
    struct tc_slice text;
    struct peer *peer = &r->peers[sender];
    if (body->share.len == 0)
        return true;
    if (body->share.len != TC_SIGNATURE_SIZE || tc_hotstuff_timeout_body(body->view, &r->base.arena, &text) != 0 ||
        !tc_hotstuff_signed(r, sender, HOTSTUFF__TYPE__TIMEOUT, text, tc_wire_slice(body->share)))
        return false;
    if (body->view > peer->asked_view) {
        peer->asked_view = body->view;
        memcpy(peer->share, body->share.data, TC_SIGNATURE_SIZE);
    }
    return true;
}

static bool take_last_vote(struct hotstuff *r, uint16_t sender, const Hotstuff__NewView *body)
{
    struct point at;
    struct tc_slice text;
    if (!body->vote || !r->chained)
        return true;
    if (!tc_hotstuff_point_read(body->vote, &at) || at.view == 0 || at.sequence == 0 ||
        body->vote_signature.len != TC_SIGNATURE_SIZE ||
        tc_hotstuff_vote_body(at.view, at.sequence, at.digest, &r->base.arena, &text) != 0 ||
        !tc_hotstuff_signed(r, sender, HOTSTUFF__TYPE__GENERIC_VOTE, text, tc_wire_slice(body->vote_signature)))
        return false;
    tc_hotstuff_take_vote(r, sender, HOTSTUFF__TYPE__GENERIC_VOTE, &at, body->vote_signature.data);
    return true;
}

/* Every part is looked at for itself: a certificate is good whoever brings it. */
static bool take_parts(struct hotstuff *r, uint16_t sender, const Hotstuff__NewView *body)
{
    struct certificate high, decided, timeout;
    bool good = tc_hotstuff_certificate_read(r, body->justify, tc_hotstuff_first_vote(r), true, &high);
    if (good && high.at.view > 0) {
        if (!tc_replica_bug(&r->base, TC_BUG_NEW_VIEW_IGNORED))
            tc_hotstuff_learn(r, &high);
        tc_hotstuff_enter(r, r->chained ? high.at.view + 1 : high.at.view);
    }
    if (good && body->decide && !r->chained) {
        good = tc_hotstuff_certificate_read(r, body->decide, HOTSTUFF__TYPE__COMMIT_VOTE, false, &decided);
        if (good)
            tc_hotstuff_decide(r, &decided);
    }
    if (good && body->timeout) {
        good = tc_hotstuff_timeout_read(r, body->timeout, body->timeout->view, &timeout);
        if (good && timeout.at.view > r->timeout_certificate.at.view)
            tc_hotstuff_certificate_copy(r, &r->timeout_certificate, &timeout);
        if (good)
            tc_hotstuff_enter(r, timeout.at.view);
    }
    return good && take_share(r, sender, body) && take_last_vote(r, sender, body);
}

void tc_hotstuff_on_new_view(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    const uint16_t sender = (uint16_t)envelope->sender;
    if (tc_hotstuff_get_body(envelope, &hotstuff__new_view__descriptor, &r->base.arena, &base) != 0 ||
        !tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad new-view message of node %u", envelope->sender);
        return;
    }
    const Hotstuff__NewView *body = base;
    if (!take_parts(r, sender, body)) {
        tc_replica_complain(&r->base, r->base.from, "bad certificate in a new-view message of node %u",
                            envelope->sender);
        return;
    }
    if (body->view > r->peers[sender].ready_view)
        r->peers[sender].ready_view = body->view;
    if (body->share.len > 0) {
        join(r);
        try_certificate(r, body->view);
    }
    if (body->view < r->base.view ||
        (body->view == r->base.view && r->base.active && body->share.len > 0 && r->base.view > 1))
        tc_hotstuff_help(r, sender);
}

/* ---- timers ---- */

/* Is there anything that the views must go on for? */
static bool work_is_left(const struct hotstuff *r)
{
    const uint8_t *digest = r->high.at.digest;
    if (r->base.pending.first || r->target.sequence > r->executed.sequence)
        return true;
    if (r->high.at.sequence <= r->executed.sequence)
        return false;
    while (!tc_digest_same(digest, r->executed.digest)) {
        const struct block *block = tc_hotstuff_block_find(r, digest);
        if (!block || block->count > 0)
            return true;
        if (block->at.sequence <= r->executed.sequence)
            return false;
        digest = block->parent;
    }
    return false;
}

static void resend_said(struct hotstuff *r)
{
    if (r->said_len == 0 || r->said_view != r->base.view)
        return;
    const struct tc_slice frame = tc_arena_copy(&r->base.arena, (struct tc_slice){r->said, r->said_len});
    tc_replica_broadcast(&r->base, frame);
}

void tc_hotstuff_resend_timeout(struct hotstuff *r)
{
    const uint64_t base = r->base.cluster->view_timeout_ns / 2;
    r->resend_deadline_ns = TC_NEVER_NS;
    if (r->resend_wait_ns < base * RESEND_DOUBLINGS)
        r->resend_wait_ns *= 2;
    tc_hotstuff_chain_rules(r);
    tc_hotstuff_execute(r);
    tc_hotstuff_ask_again(r);
    if (!r->base.active) {
        tc_replica_broadcast(&r->base, new_view_frame(r, true, true));
        return;
    }
    resend_said(r);
    tc_hotstuff_resend_vote(r);
    if (!r->chained)
        tc_replica_send(&r->base, tc_replica_leader(&r->base, r->base.view), new_view_frame(r, false, false));
    tc_hotstuff_pending_forward(r);
}

void tc_hotstuff_update_timers(struct hotstuff *r)
{
    const bool unfinished = !r->base.active || r->wants || work_is_left(r);
    if (r->base.active && !unfinished)
        r->view_deadline_ns = TC_NEVER_NS;
    else if (r->view_deadline_ns == TC_NEVER_NS && (r->base.active || count_asking(r, r->base.view) >= r->base.quorum))
        r->view_deadline_ns = r->base.now_ns + tc_replica_view_timeout_ns(&r->base);
    if (!unfinished)
        r->resend_deadline_ns = TC_NEVER_NS;
    else if (r->resend_deadline_ns == TC_NEVER_NS)
        r->resend_deadline_ns = r->base.now_ns + r->resend_wait_ns;
}
