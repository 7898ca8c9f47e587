/* Timers, and healing what the network lost. Two ways: a replica with unfinished work says its own part again on a slow
 * timer and tells how far it has executed; whoever hears that says its own part again to it alone (like the status
 * messages of TOCS'02 §4.6). Neither happens while decisions flow. */
#include "replica_internal.h"

#define RESEND_DOUBLINGS 8

void tc_pbft_note_peer_view(struct pbft *r, uint16_t peer, uint64_t view)
{
    if (view > r->peers[peer].view)
        r->peers[peer].view = view;
}

bool tc_pbft_may_help(struct pbft *r, uint16_t peer)
{
    uint64_t last = r->peers[peer].answered_ns;
    if (last != TC_NEVER_NS && r->base.now_ns - last < r->base.cluster->view_timeout_ns / 8)
        return false;
    r->peers[peer].answered_ns = r->base.now_ns;
    return true;
}

void tc_pbft_send_new_view(struct pbft *r, uint16_t peer)
{
    if (!r->base.active || r->new_view.view != r->base.view || r->base.view == 0)
        return;
    size_t len = r->new_view.packed_len;
    uint8_t *frame = tc_replica_scratch(&r->base, len + TC_WIRE_LENGTH_SIZE);
    if (!frame)
        return;
    for (size_t i = 0; i < TC_WIRE_LENGTH_SIZE; i++)
        frame[i] = (uint8_t)(len >> (8 * (TC_WIRE_LENGTH_SIZE - 1 - i)));
    __builtin_memcpy(frame + TC_WIRE_LENGTH_SIZE, r->new_view.packed, len);
    tc_replica_send(&r->base, peer, (struct tc_slice){frame, len + TC_WIRE_LENGTH_SIZE});
}

/* ---- one slot ---- */

static void send_to(struct pbft *r, uint32_t to, struct tc_slice frame)
{
    if (to == TC_NODE_NONE)
        tc_replica_broadcast(&r->base, frame);
    else
        tc_replica_send(&r->base, to, frame);
}

static size_t send_proposal(struct pbft *r, const struct slot *slot, uint32_t to)
{
    Wire__Envelope envelope;
    const struct batch *batch = tc_pbft_slot_batch(slot, slot->digest);
    if (!batch)
        return 0; /* null requests come with the new view */
    tc_pbft_text_envelope(&slot->pre_prepare, PBFT__TYPE__PRE_PREPARE, &envelope);
    tc_pbft_batch_attach(r, batch, &envelope);
    struct tc_slice frame = tc_replica_frame(&r->base, &envelope);
    send_to(r, to, frame);
    return frame.len;
}

static size_t send_own_vote(struct pbft *r, const struct vote *vote, uint32_t type, uint32_t to)
{
    Wire__Envelope envelope;
    if (!vote->present || vote->view != r->base.view)
        return 0;
    tc_pbft_text_envelope(&vote->text, type, &envelope);
    struct tc_slice frame = tc_replica_frame(&r->base, &envelope);
    send_to(r, to, frame);
    return frame.len;
}

/* Says again what we said about (executed, seen]; the proposal with it if `relay`. */
static void send_slots(struct pbft *r, uint64_t executed, uint32_t to, bool relay)
{
    uint64_t first = (executed > r->stable ? executed : r->stable) + 1;
    size_t bytes = 0;
    for (uint64_t i = 0; i < RESEND_SLOTS_MAX && first + i <= r->seen && bytes < RESEND_BYTES_MAX; i++) {
        const struct slot *slot = tc_pbft_slot_find(r, first + i);
        if (!slot || !slot->accepted || slot->view != r->base.view)
            continue;
        if (relay)
            bytes += send_proposal(r, slot, to);
        bytes += send_own_vote(r, &slot->prepares[r->base.id], PBFT__TYPE__PREPARE, to);
        bytes += send_own_vote(r, &slot->commits[r->base.id], PBFT__TYPE__COMMIT, to);
    }
}

static void repeat_view_change(struct pbft *r, uint32_t to)
{
    struct tc_slice frame;
    if (tc_replica_bug(&r->base, TC_BUG_VIEW_CHANGE_ONCE))
        return;
    tc_pbft_view_change_frame(r, &frame);
    send_to(r, to, frame);
}

/* ---- helping one peer ---- */

void tc_pbft_help(struct pbft *r, uint16_t peer, uint64_t executed)
{
    /* also those it has executed: it may lack the proof, and then its watermarks do not move */
    for (const struct snapshot *snapshot = r->snapshots; snapshot; snapshot = snapshot->next)
        tc_pbft_send_checkpoint(r, snapshot, peer);
    if (!r->base.active) {
        repeat_view_change(r, peer);
        return;
    }
    if (r->peers[peer].view < r->base.view)
        tc_pbft_send_new_view(r, peer);
    /* proposals are large and signed by the primary: it and f+1 others repeat them, not everybody */
    uint32_t distance = (r->base.id + r->base.n - peer) % r->base.n;
    send_slots(r, executed, peer, tc_pbft_is_primary(r) || distance <= r->base.f + 1);
}

static const struct snapshot *unstable_snapshot(const struct pbft *r)
{
    const struct snapshot *found = NULL;
    for (const struct snapshot *snapshot = r->snapshots; snapshot; snapshot = snapshot->next)
        if (snapshot->sequence > r->stable)
            found = snapshot;
    return found;
}

static bool unfinished(const struct pbft *r)
{
    return !r->base.active || r->seen > r->executed || r->ahead.sequence > r->executed || unstable_snapshot(r);
}

void tc_pbft_on_link(struct pbft *r, uint16_t peer)
{
    if (peer >= r->base.n || peer == r->base.id)
        return;
    tc_pbft_help(r, peer, 0);
    if (r->replayed || unfinished(r))
        tc_pbft_ask_state(r, peer);
}

/* ---- timers ---- */

static void ask_missing_batches(struct pbft *r)
{
    for (uint64_t i = 1; i <= 4; i++) {
        const struct slot *slot = tc_pbft_slot_find(r, r->executed + i);
        if (slot && slot->decided && !tc_pbft_slot_has(slot, slot->decided_digest))
            tc_pbft_ask_batch(r, slot->decided_digest);
        else if (slot && slot->accepted && !tc_pbft_slot_has(slot, slot->digest))
            tc_pbft_ask_batch(r, slot->digest);
    }
}

void tc_pbft_resend_timeout(struct pbft *r)
{
    uint64_t base = r->base.cluster->view_timeout_ns / 2;
    r->resend_deadline_ns = TC_NEVER_NS;
    if (r->resend_wait_ns < base * RESEND_DOUBLINGS)
        r->resend_wait_ns *= 2;
    const struct snapshot *snapshot = unstable_snapshot(r);
    if (snapshot)
        tc_pbft_send_checkpoint(r, snapshot, TC_NODE_NONE);
    if (!r->base.active)
        repeat_view_change(r, TC_NODE_NONE);
    else
        send_slots(r, r->executed, TC_NODE_NONE, tc_pbft_is_primary(r));
    ask_missing_batches(r);
    if (r->ahead.sequence <= r->executed)
        tc_pbft_ask_state(r, TC_NODE_NONE);
}

/* The timer waits for the oldest request: when that is executed it starts anew for the next (OSDI'99 §4.4). The primary
 * has one too, of twice the length: where f replicas are faulty and another has left the view, it may be the only one
 * left that knows of a request which can no longer be decided in this view. */
static void update_view_timer(struct pbft *r)
{
    if (!r->base.active) {
        if (r->view_deadline_ns == TC_NEVER_NS && tc_pbft_count_asking(r, r->base.view) >= r->base.quorum)
            r->view_deadline_ns = r->base.now_ns + tc_replica_view_timeout_ns(&r->base);
        return;
    }
    if (!r->base.pending.first) {
        r->view_deadline_ns = TC_NEVER_NS;
        r->watched_client = TC_NODE_NONE;
        return;
    }
    const struct tc_pending *oldest = r->base.pending.first;
    if (r->view_deadline_ns != TC_NEVER_NS && r->watched_client == oldest->client &&
        r->watched_timestamp == oldest->timestamp)
        return;
    r->watched_client = oldest->client;
    r->watched_timestamp = oldest->timestamp;
    r->view_deadline_ns = r->base.now_ns + tc_replica_view_timeout_ns(&r->base) * (tc_pbft_is_primary(r) ? 2 : 1);
}

void tc_pbft_update_timers(struct pbft *r)
{
    update_view_timer(r);
    if (r->base.progressed) {
        r->resend_wait_ns = r->base.cluster->view_timeout_ns / 2;
        r->resend_deadline_ns = TC_NEVER_NS;
        r->base.progressed = false;
    }
    if (!unfinished(r))
        r->resend_deadline_ns = TC_NEVER_NS;
    else if (r->resend_deadline_ns == TC_NEVER_NS)
        r->resend_deadline_ns = r->base.now_ns + r->resend_wait_ns;
    if (r->ahead.sequence <= r->executed)
        r->transfer_deadline_ns = TC_NEVER_NS;
}
