/* Leaving a view: asking for the next, joining those who ask (OSDI'99 §4.4, §4.5.2). */
#include "replica_internal.h"

#include <string.h>

bool tc_pbft_prepared_message(struct pbft *r, const struct prepared *certificate, Pbft__Prepared *out)
{
    *out = (Pbft__Prepared)PBFT__PREPARED__INIT;
    out->pre_prepare = tc_replica_scratch(&r->base, sizeof *out->pre_prepare);
    out->prepares = tc_pbft_text_envelopes(r, certificate->prepares, certificate->count, PBFT__TYPE__PREPARE);
    out->n_prepares = certificate->count;
    if (!out->pre_prepare || !out->prepares)
        return false;
    tc_pbft_text_envelope(&certificate->pre_prepare, PBFT__TYPE__PRE_PREPARE, out->pre_prepare);
    return true;
}

/* P: for every sequence number above the stable checkpoint what was prepared here last, executed or not. */
static bool add_prepared(struct pbft *r, Pbft__ViewChange *body)
{
    body->prepared = tc_replica_scratch(&r->base, r->base.window * sizeof *body->prepared);
    if (!body->prepared)
        return false;
    for (uint64_t i = 1; i <= r->base.window; i++) {
        const struct slot *slot = tc_pbft_slot_find(r, r->stable + i);
        if (!slot || !slot->certificate || tc_replica_bug(&r->base, TC_BUG_PREPARED_DROPPED))
            continue;
        Pbft__Prepared *prepared = tc_replica_scratch(&r->base, sizeof *prepared);
        if (!prepared || !tc_pbft_prepared_message(r, slot->certificate, prepared))
            return false;
        body->prepared[body->n_prepared++] = prepared;
    }
    return true;
}

static bool make_view_change(struct pbft *r, Wire__Envelope *envelope)
{
    Pbft__ViewChange body = PBFT__VIEW_CHANGE__INIT;
    body.view = r->base.view;
    body.stable_sequence = r->stable;
    if (r->stable > 0) {
        const struct certificate *stable = &r->stable_certificate;
        body.stable_digest = tc_wire_binary((struct tc_slice){stable->digest, TC_VALUE_SIZE});
        body.n_checkpoints = stable->count;
        body.checkpoints = tc_pbft_text_envelopes(r, stable->texts, stable->count, PBFT__TYPE__CHECKPOINT);
        if (!body.checkpoints)
            return false;
    }
    return add_prepared(r, &body) && tc_replica_envelope(&r->base, PBFT__TYPE__VIEW_CHANGE, &body.base, 0, envelope);
}

/* Leaves the present view and asks for `view`. */
static void start_view_change(struct pbft *r, uint64_t view)
{
    Wire__Envelope envelope;
    struct view_change own;
    r->base.view = view;
    r->base.active = false;
    r->base.failed_views++;
    r->base.progressed = true;
    r->view_deadline_ns = TC_NEVER_NS;
    if (!make_view_change(r, &envelope) || !tc_pbft_view_change_read(r, &envelope, true, &own))
        return;
    tc_pbft_view_change_clear(&r->view_changes[r->base.id]);
    r->view_changes[r->base.id] = own;
    tc_pbft_record_envelope(r, &envelope);
    tc_replica_observe_view(&r->base);
    tc_replica_broadcast(&r->base, tc_replica_frame(&r->base, &envelope));
    tc_pbft_try_new_view(r);
}

void tc_pbft_view_timeout(struct pbft *r)
{
    r->view_deadline_ns = TC_NEVER_NS;
    if (r->base.active && r->ahead.sequence > r->executed) {
        /* A quorum executed beyond us: it is we who lag, not the primary who fails; and should it fail later, f+1
         * others will tell. (Decided batches behind a gap would prove nothing: a traitor may leave gaps.) */
        r->watched_client = TC_NODE_NONE; /* arms the timer anew */
        return;
    }
    start_view_change(r, r->base.view + 1);
}

void tc_pbft_view_change_frame(struct pbft *r, struct tc_slice *frame)
{
    const struct view_change *own = &r->view_changes[r->base.id];
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    *frame = (struct tc_slice){NULL, 0};
    if (own->view == 0)
        return;
    envelope.type = PBFT__TYPE__VIEW_CHANGE;
    envelope.sender = r->base.id;
    envelope.body = tc_wire_binary((struct tc_slice){own->body, own->body_len});
    envelope.signature = tc_wire_binary((struct tc_slice){own->signature, TC_SIGNATURE_SIZE});
    *frame = tc_replica_frame(&r->base, &envelope);
}

uint32_t tc_pbft_count_asking(const struct pbft *r, uint64_t view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->base.n; i++)
        count += r->view_changes[i].view >= view;
    return count;
}

/* f+1 replicas ask for later views, so a correct one does: no need to wait for our own timer. */
static void join(struct pbft *r)
{
    uint64_t smallest = UINT64_MAX;
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->base.n; i++) {
        uint64_t view = r->view_changes[i].view;
        if (i == r->base.id || view <= r->base.view)
            continue;
        count++;
        if (view < smallest)
            smallest = view;
    }
    if (count > r->base.f)
        start_view_change(r, smallest);
}

/* It asks for a view that we have been in for a while: the new view did not reach it. */
static void answer_late(struct pbft *r, const Wire__Envelope *envelope)
{
    uint16_t peer = (uint16_t)envelope->sender;
    if (!r->base.active || r->base.now_ns - r->view_entered_ns < r->base.cluster->view_timeout_ns / 4 ||
        !tc_replica_authentic(&r->base, envelope) || !tc_pbft_may_help(r, peer))
        return;
    tc_pbft_send_new_view(r, peer);
    tc_pbft_help(r, peer, r->peers[peer].executed);
}

void tc_pbft_on_view_change(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base = NULL;
    struct view_change *known = &r->view_changes[envelope->sender], change;
    /* Said again until the view comes: what is known need not be unpacked. */
    const bool again = known->view > 0 && known->body_len == envelope->body.len &&
                       memcmp(known->body, envelope->body.data, known->body_len) == 0;
    if (!again && tc_pbft_get_body(envelope, &pbft__view_change__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed view change");
        return;
    }
    const uint64_t view = again ? known->view : ((const Pbft__ViewChange *)base)->view;
    if (view < r->base.view || (view == r->base.view && r->base.active)) {
        answer_late(r, envelope);
        return;
    }
    if (view <= known->view)
        return;
    if (!tc_pbft_view_change_check(r, envelope, base, false, &change)) {
        tc_replica_complain(&r->base, r->base.from, "invalid view change for view %llu", (unsigned long long)view);
        return;
    }
    tc_pbft_view_change_clear(known);
    *known = change;
    join(r);
    tc_pbft_try_new_view(r);
}
