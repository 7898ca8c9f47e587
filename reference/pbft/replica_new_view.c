/* Entering a view: V, O, and the backups' check of them (OSDI'99 §4.4). */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

void tc_pbft_new_view_clear(struct new_view *new_view)
{
    free(new_view->packed);
    free(new_view->orders);
    memset(new_view, 0, sizeof *new_view);
}

static uint32_t quorum_for_new_view(const struct pbft *r)
{
    return tc_replica_bug(&r->base, TC_BUG_VIEW_CHANGE_QUORUM) && r->base.quorum > 1 ? r->base.quorum - 1
                                                                                     : r->base.quorum;
}

/* ---- O from V ---- */

/* What must be proposed again: digests for stable+1 … stable+count. */
struct outcome {
    uint64_t stable;
    uint32_t count;
    uint8_t (*digests)[TC_VALUE_SIZE];
};

/* For each sequence number the digest prepared in the highest view, the null request where none was. */
static bool compute_outcome(struct pbft *r, const struct view_change *const *changes, uint32_t count,
                            struct outcome *out)
{
    uint64_t last = 0; /* that anybody claims: mostly far below the end of the window */
    out->stable = 0;
    out->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (changes[i]->stable_sequence > out->stable)
            out->stable = changes[i]->stable_sequence;
        for (uint32_t j = 0; j < changes[i]->claim_count; j++)
            if (changes[i]->claims[j].sequence > last)
                last = changes[i]->claims[j].sequence;
    }
    const size_t room = last > out->stable ? (size_t)(last - out->stable) : 1;
    uint64_t *views = tc_replica_scratch(&r->base, room * sizeof *views);
    bool *claimed = tc_replica_scratch(&r->base, room);
    out->digests = tc_replica_scratch(&r->base, room * sizeof *out->digests);
    if (!views || !claimed || !out->digests)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < changes[i]->claim_count; j++) {
            const struct claim *claim = &changes[i]->claims[j];
            if (claim->sequence <= out->stable)
                continue;
            uint32_t at = (uint32_t)(claim->sequence - out->stable - 1);
            if (claimed[at] && views[at] >= claim->view)
                continue;
            claimed[at] = true;
            views[at] = claim->view;
            memcpy(out->digests[at], claim->digest, TC_VALUE_SIZE);
            if (at + 1 > out->count)
                out->count = at + 1;
        }
        if (changes[i]->masks)
            break;
    }
    return true;
}

/* Nothing was prepared there: the null request fills the gap. */
static bool left_out(const struct pbft *r, const struct outcome *outcome, uint32_t at)
{
    return tc_replica_bug(&r->base, TC_BUG_GAPS_UNFILLED) && tc_pbft_is_null(outcome->digests[at]);
}

/* ---- the new primary ---- */

static bool add_view_changes(struct pbft *r, Pbft__NewView *body, const struct view_change **chosen, uint32_t needed)
{
    Wire__Envelope *envelopes = tc_replica_scratch(&r->base, needed * sizeof *envelopes);
    body->view_changes = tc_replica_scratch(&r->base, needed * sizeof *body->view_changes);
    if (!envelopes || !body->view_changes)
        return false;
    /* our own first, then the others by number */
    for (uint32_t i = 0; i < r->base.n && body->n_view_changes < needed; i++) {
        uint32_t replica = (r->base.id + i) % r->base.n;
        const struct view_change *change = &r->view_changes[replica];
        if (change->view != r->base.view)
            continue;
        Wire__Envelope *envelope = &envelopes[body->n_view_changes];
        *envelope = (Wire__Envelope)WIRE__ENVELOPE__INIT;
        envelope->type = PBFT__TYPE__VIEW_CHANGE;
        envelope->sender = replica;
        envelope->body = tc_wire_binary((struct tc_slice){change->body, change->body_len});
        envelope->signature = tc_wire_binary((struct tc_slice){change->signature, TC_SIGNATURE_SIZE});
        chosen[body->n_view_changes] = change;
        body->view_changes[body->n_view_changes++] = envelope;
    }
    return body->n_view_changes == needed;
}

static bool add_pre_prepares(struct pbft *r, Pbft__NewView *body, const struct outcome *outcome)
{
    body->pre_prepares = tc_replica_scratch(&r->base, outcome->count * sizeof *body->pre_prepares);
    if (!body->pre_prepares)
        return false;
    for (uint32_t i = 0; i < outcome->count; i++) {
        if (left_out(r, outcome, i))
            continue;
        Pbft__PrePrepare proposal = PBFT__PRE_PREPARE__INIT;
        Wire__Envelope *envelope = tc_replica_scratch(&r->base, sizeof *envelope);
        proposal.view = r->base.view;
        proposal.sequence = outcome->stable + 1 + i;
        proposal.digest = tc_wire_binary((struct tc_slice){outcome->digests[i], TC_VALUE_SIZE});
        if (!envelope || !tc_replica_envelope(&r->base, PBFT__TYPE__PRE_PREPARE, &proposal.base, 0, envelope))
            return false;
        body->pre_prepares[body->n_pre_prepares++] = envelope;
    }
    return true;
}

void tc_pbft_try_new_view(struct pbft *r)
{
    const struct view_change *chosen[TC_REPLICAS_MAX];
    Pbft__NewView body = PBFT__NEW_VIEW__INIT;
    Wire__Envelope envelope;
    struct outcome outcome;
    if (r->base.active || r->base.replaying || !tc_pbft_is_primary(r) ||
        r->view_changes[r->base.id].view != r->base.view)
        return;
    body.view = r->base.view;
    if (!add_view_changes(r, &body, chosen, quorum_for_new_view(r)) ||
        !compute_outcome(r, chosen, (uint32_t)body.n_view_changes, &outcome) || !add_pre_prepares(r, &body, &outcome) ||
        !tc_replica_envelope(&r->base, PBFT__TYPE__NEW_VIEW, &body.base, 0, &envelope))
        return;
    struct tc_slice frame = tc_replica_frame(&r->base, &envelope);
    if (frame.len == 0)
        return;
    tc_pbft_record_envelope(r, &envelope);
    tc_replica_broadcast(&r->base, frame);
    tc_pbft_enter_view(r, &envelope, &body, outcome.stable);
}

/* ---- the backups ---- */

/* Reads V; a view change that came to us directly needs no second look. */
static bool read_view_changes(struct pbft *r, const Pbft__NewView *body, struct view_change *changes,
                              const struct view_change **pointers)
{
    struct tc_nodeset signers = {{0}};
    for (size_t i = 0; i < body->n_view_changes; i++) {
        const Wire__Envelope *envelope = body->view_changes[i];
        if (envelope->sender >= r->base.n ||
            (tc_nodeset_has(&signers, envelope->sender) && !tc_replica_bug(&r->base, TC_BUG_DUPLICATE_SIGNERS)))
            return false;
        tc_nodeset_add(&signers, envelope->sender);
        const struct view_change *known = &r->view_changes[envelope->sender];
        if (known->view == body->view && known->body_len == envelope->body.len &&
            memcmp(known->body, envelope->body.data, known->body_len) == 0) {
            pointers[i] = known;
            continue;
        }
        if (!tc_pbft_view_change_read(r, envelope, false, &changes[i]) || changes[i].view != body->view)
            return false;
        pointers[i] = &changes[i];
    }
    return true;
}

static bool proposals_follow(struct pbft *r, const Wire__Envelope *envelope, const Pbft__NewView *body,
                             const struct outcome *outcome)
{
    size_t next = 0;
    for (uint32_t i = 0; i < outcome->count; i++) {
        void *base;
        if (left_out(r, outcome, i))
            continue;
        if (next == body->n_pre_prepares)
            return false;
        const Wire__Envelope *inner = body->pre_prepares[next++];
        if (inner->type != PBFT__TYPE__PRE_PREPARE || inner->sender != envelope->sender ||
            tc_wire_get_body(inner, &pbft__pre_prepare__descriptor, &r->base.arena, &base) != 0)
            return false;
        const Pbft__PrePrepare *proposal = base;
        if (proposal->view != body->view || proposal->sequence != outcome->stable + 1 + i ||
            proposal->digest.len != TC_VALUE_SIZE || !tc_digest_same(proposal->digest.data, outcome->digests[i]) ||
            !tc_replica_authentic(&r->base, inner))
            return false;
    }
    return next == body->n_pre_prepares;
}

/* Valid if V is a quorum of valid view changes and O is what we compute from V ourselves. */
static bool new_view_valid(struct pbft *r, const Wire__Envelope *envelope, const Pbft__NewView *body, uint64_t *stable)
{
    struct outcome outcome;
    if (body->n_view_changes < quorum_for_new_view(r) || body->n_view_changes > r->base.n ||
        body->n_pre_prepares > r->base.window)
        return false;
    struct view_change *changes = tc_replica_scratch(&r->base, body->n_view_changes * sizeof *changes);
    const struct view_change **pointers = tc_replica_scratch(&r->base, body->n_view_changes * sizeof *pointers);
    if (!changes || !pointers)
        return false;
    bool valid = read_view_changes(r, body, changes, pointers) &&
                 compute_outcome(r, pointers, (uint32_t)body->n_view_changes, &outcome) &&
                 (tc_replica_bug(&r->base, TC_BUG_NEW_VIEW_UNCHECKED) || proposals_follow(r, envelope, body, &outcome));
    if (valid)
        *stable = outcome.stable;
    for (size_t i = 0; i < body->n_view_changes; i++)
        tc_pbft_view_change_clear(&changes[i]);
    return valid;
}

void tc_pbft_on_new_view(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    uint64_t stable = 0;
    if (tc_pbft_get_body(envelope, &pbft__new_view__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed new view");
        return;
    }
    const Pbft__NewView *body = base;
    if ((body->view < r->base.view && !tc_replica_bug(&r->base, TC_BUG_VIEW_REWOUND)) ||
        (body->view == r->base.view && r->base.active))
        return;
    if (envelope->sender != tc_replica_leader(&r->base, body->view)) {
        tc_replica_complain(&r->base, r->base.from, "new view %llu that is not its primary's",
                            (unsigned long long)body->view);
        return;
    }
    if (!tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on new view");
        return;
    }
    if (!new_view_valid(r, envelope, body, &stable)) {
        tc_replica_complain(&r->base, r->base.from, "invalid new view %llu", (unsigned long long)body->view);
        return;
    }
    tc_pbft_record_envelope(r, envelope);
    tc_pbft_note_peer_view(r, (uint16_t)envelope->sender, body->view);
    tc_pbft_enter_view(r, envelope, body, stable);
}

/* ---- both ---- */

static bool read_orders(struct pbft *r, const Pbft__NewView *body, struct new_view *out)
{
    out->orders = tc_replica_alloc(&r->base, body->n_pre_prepares * sizeof *out->orders);
    for (size_t i = 0; out->orders && i < body->n_pre_prepares; i++) {
        void *base;
        struct order *order = &out->orders[out->order_count];
        if (tc_wire_get_body(body->pre_prepares[i], &pbft__pre_prepare__descriptor, &r->base.arena, &base) != 0 ||
            !tc_pbft_text_from(&order->text, body->pre_prepares[i]))
            return false;
        const Pbft__PrePrepare *proposal = base;
        if (proposal->digest.len != TC_VALUE_SIZE)
            return false;
        order->sequence = proposal->sequence;
        memcpy(order->digest, proposal->digest.data, TC_VALUE_SIZE);
        out->order_count++;
    }
    return out->orders != NULL;
}

static bool make_new_view(struct pbft *r, const Wire__Envelope *envelope, const Pbft__NewView *body, uint64_t stable,
                          struct new_view *out)
{
    memset(out, 0, sizeof *out);
    out->view = body->view;
    out->stable_sequence = stable;
    if (tc_replica_keep_packed(&r->base, envelope, &out->packed, &out->packed_len) && read_orders(r, body, out))
        return true;
    tc_pbft_new_view_clear(out);
    return false;
}

/* The next free sequence number, and the highest that somebody works on, as they are at the start of the view. */
static void restart_counters(struct pbft *r)
{
    uint64_t last = r->stable > r->executed ? r->stable : r->executed;
    if (r->new_view.stable_sequence > last)
        last = r->new_view.stable_sequence;
    if (r->new_view.order_count > 0 && r->new_view.orders[r->new_view.order_count - 1].sequence > last)
        last = r->new_view.orders[r->new_view.order_count - 1].sequence;
    r->next = last + 1;
    r->seen = last;
    for (uint32_t i = 0; i < r->slots_used; i++) {
        const struct slot *slot = &r->slots[i];
        uint32_t count = 0;
        for (uint32_t j = 0; slot->sequence > last && j < r->base.n; j++)
            count += (slot->prepares[j].present && slot->prepares[j].view >= r->base.view) ||
                     (slot->commits[j].present && slot->commits[j].view >= r->base.view);
        if (count > r->base.f)
            tc_pbft_see(r, slot->sequence);
    }
}

bool tc_pbft_enter_view(struct pbft *r, const Wire__Envelope *envelope, const Pbft__NewView *body,
                        uint64_t stable_sequence)
{
    struct new_view entered;
    if (!make_new_view(r, envelope, body, stable_sequence, &entered))
        return false;
    tc_pbft_new_view_clear(&r->new_view);
    r->new_view = entered;
    r->base.view = entered.view;
    r->base.active = true;
    r->view_entered_ns = r->base.now_ns;
    r->view_deadline_ns = TC_NEVER_NS;
    r->watched_client = TC_NODE_NONE;
    r->base.progressed = true;
    for (uint32_t i = 0; i < r->slots_used; i++)
        tc_pbft_slot_leave_view(&r->slots[i]);
    restart_counters(r);
    tc_pbft_pending_new_view(r);
    tc_replica_observe_view(&r->base);
    tc_pbft_apply_orders(r);
    tc_pbft_pending_forward(r);
    return true;
}

static void apply_order(struct pbft *r, const struct order *order)
{
    struct slot *slot = tc_pbft_slot(r, order->sequence);
    if (!slot || (slot->accepted && slot->view == r->base.view))
        return;
    struct batch *batch = tc_pbft_slot_batch(slot, order->digest);
    if (batch)
        tc_pbft_pending_note_batch(r, batch);
    else if (!tc_pbft_is_null(order->digest))
        tc_pbft_ask_batch(r, order->digest);
    tc_pbft_accept(r, slot, order->digest, &order->text, false);
}

void tc_pbft_apply_orders(struct pbft *r)
{
    if (!r->base.active || r->new_view.view != r->base.view)
        return;
    for (uint32_t i = 0; i < r->new_view.order_count; i++)
        if (tc_pbft_in_window(r, r->new_view.orders[i].sequence))
            apply_order(r, &r->new_view.orders[i]);
}
