/* Leaving a view: asking for the next, joining those who ask (OSDI'99 §4.4, §4.5.2). */
#include "replica_internal.h"

#include <string.h>

uint64_t tc_pbft_view_timeout_ns(const struct pbft *r)
{
    uint64_t timeout = r->cluster->view_timeout_ns, limit = r->cluster->view_timeout_max_ns;
    for (uint32_t i = 0; i < r->failed_views && timeout < limit; i++)
        timeout *= 2;
    return limit >= r->cluster->view_timeout_ns && timeout > limit ? limit : timeout;
}

bool tc_pbft_prepared_message(struct pbft *r, const struct prepared *certificate, Pbft__Prepared *out)
{
    *out = (Pbft__Prepared)PBFT__PREPARED__INIT;
    out->pre_prepare = tc_pbft_scratch(r, sizeof *out->pre_prepare);
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
    body->prepared = tc_pbft_scratch(r, r->window * sizeof *body->prepared);
    if (!body->prepared)
        return false;
    for (uint64_t i = 1; i <= r->window; i++) {
        const struct slot *slot = tc_pbft_slot_find(r, r->stable + i);
        if (!slot || !slot->certificate || tc_bug(r, TC_BUG_PREPARED_DROPPED))
            continue;
        Pbft__Prepared *prepared = tc_pbft_scratch(r, sizeof *prepared);
        if (!prepared || !tc_pbft_prepared_message(r, slot->certificate, prepared))
            return false;
        body->prepared[body->n_prepared++] = prepared;
    }
    return true;
}

static bool make_view_change(struct pbft *r, Pbft__Envelope *envelope)
{
    Pbft__ViewChange body = PBFT__VIEW_CHANGE__INIT;
    body.view = r->view;
    body.stable_sequence = r->stable;
    if (r->stable > 0) {
        const struct certificate *stable = &r->stable_certificate;
        body.stable_digest = tc_pbft_binary((struct tc_slice){stable->digest, TC_VALUE_SIZE});
        body.n_checkpoints = stable->count;
        body.checkpoints = tc_pbft_text_envelopes(r, stable->texts, stable->count, PBFT__TYPE__CHECKPOINT);
        if (!body.checkpoints)
            return false;
    }
    return add_prepared(r, &body) && tc_pbft_envelope(r, PBFT__TYPE__VIEW_CHANGE, &body.base, 0, envelope);
}

void tc_pbft_start_view_change(struct pbft *r, uint64_t view)
{
    Pbft__Envelope envelope;
    struct view_change own;
    r->view = view;
    r->active = false;
    r->failed_views++;
    r->progressed = true;
    r->view_deadline_ns = TC_NEVER_NS;
    if (!make_view_change(r, &envelope) || !tc_pbft_view_change_read(r, &envelope, true, &own))
        return;
    tc_pbft_view_change_clear(&r->view_changes[r->id]);
    r->view_changes[r->id] = own;
    tc_pbft_record_envelope(r, &envelope);
    tc_pbft_observe_view(r);
    tc_pbft_broadcast(r, tc_pbft_frame_of(r, &envelope));
    tc_pbft_try_new_view(r);
}

void tc_pbft_view_timeout(struct pbft *r)
{
    r->view_deadline_ns = TC_NEVER_NS;
    if (r->active && r->ahead.sequence > r->executed) {
        /* A quorum executed beyond us: it is we who lag, not the primary who fails; and should it fail later, f+1
         * others will tell. (Decided batches behind a gap would prove nothing: a traitor may leave gaps.) */
        r->watched_client = TC_NODE_NONE; /* arms the timer anew */
        return;
    }
    tc_pbft_start_view_change(r, r->view + 1);
}

void tc_pbft_view_change_frame(struct pbft *r, struct tc_slice *frame)
{
    const struct view_change *own = &r->view_changes[r->id];
    Pbft__Envelope envelope = PBFT__ENVELOPE__INIT;
    *frame = (struct tc_slice){NULL, 0};
    if (own->view == 0)
        return;
    envelope.type = PBFT__TYPE__VIEW_CHANGE;
    envelope.sender = r->id;
    envelope.body = tc_pbft_binary((struct tc_slice){own->body, own->body_len});
    envelope.signature = tc_pbft_binary((struct tc_slice){own->signature, TC_SIGNATURE_SIZE});
    *frame = tc_pbft_frame_of(r, &envelope);
}

uint32_t tc_pbft_count_asking(const struct pbft *r, uint64_t view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->n; i++)
        count += r->view_changes[i].view >= view;
    return count;
}

/* f+1 replicas ask for later views, so a correct one does: no need to wait for our own timer. */
static void join(struct pbft *r)
{
    uint64_t smallest = UINT64_MAX;
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        uint64_t view = r->view_changes[i].view;
        if (i == r->id || view <= r->view)
            continue;
        count++;
        if (view < smallest)
            smallest = view;
    }
    if (count > r->f)
        tc_pbft_start_view_change(r, smallest);
}

/* It asks for a view that we have been in for a while: the new view did not reach it. */
static void answer_late(struct pbft *r, const Pbft__Envelope *envelope)
{
    uint16_t peer = (uint16_t)envelope->sender;
    if (!r->active || r->now_ns - r->view_entered_ns < r->cluster->view_timeout_ns / 4 ||
        !tc_pbft_authentic(r, envelope) || !tc_pbft_may_help(r, peer))
        return;
    tc_pbft_send_new_view(r, peer);
    tc_pbft_help(r, peer, r->peers[peer].executed);
}

void tc_pbft_on_view_change(struct pbft *r, const Pbft__Envelope *envelope)
{
    void *base;
    struct view_change *known = &r->view_changes[envelope->sender], change;
    if (tc_pbft_get_body(envelope, &pbft__view_change__descriptor, &r->arena, &base) != 0) {
        tc_pbft_complain(r, r->from, "malformed view change");
        return;
    }
    uint64_t view = ((const Pbft__ViewChange *)base)->view;
    if (view < r->view || (view == r->view && r->active)) {
        answer_late(r, envelope);
        return;
    }
    if (view <= known->view)
        return;
    if (!tc_pbft_view_change_read(r, envelope, false, &change)) {
        tc_pbft_complain(r, r->from, "invalid view change for view %llu", (unsigned long long)view);
        return;
    }
    tc_pbft_view_change_clear(known);
    *known = change;
    join(r);
    tc_pbft_try_new_view(r);
}
