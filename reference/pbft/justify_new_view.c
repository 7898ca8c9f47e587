/* A new view recomputed: V must be a quorum, and O what V gives (OSDI'99 §4.4). */
#include "justify_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS_MAX 65536 /* sequence numbers that one new view may order */

struct weighing {
    struct tc_justifier *j;
    struct justify_new_view *record;
    const Pbft__NewView *body;
    struct justify_change *changes; /* of different replicas, for this view, genuine, with a proven checkpoint */
    uint32_t count;
    uint16_t leader;
};

static bool sender_counted(const struct weighing *w, uint32_t sender)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->changes[i].sender == sender)
            return true;
    return false;
}

/* false: out of scratch memory. */
static bool read_changes(struct weighing *w)
{
    struct tc_justifier *j = w->j;
    w->changes = tc_arena_alloc(&j->scratch, (w->body->n_view_changes + 1) * sizeof *w->changes);
    if (!w->changes)
        return false;
    for (size_t i = 0; i < w->body->n_view_changes; i++) {
        const Wire__Envelope *envelope = w->body->view_changes[i];
        void *body;
        if (envelope->type != PBFT__TYPE__VIEW_CHANGE || envelope->sender >= j->n ||
            sender_counted(w, envelope->sender))
            continue;
        const int rc = tc_pbft_get_body(envelope, &pbft__view_change__descriptor, &j->scratch, &body);
        if (rc == TC_ELIMIT)
            return false;
        const Pbft__ViewChange *change = body;
        if (rc != 0 || change->view != w->record->view || !tc_justify_genuine(j, envelope))
            continue;
        if (!tc_justify_read_change(j, (uint16_t)envelope->sender, change, &w->changes[w->count]))
            return false;
        if (w->changes[w->count].stable_valid)
            w->count++;
    }
    return true;
}

/* What the new view orders for this sequence number; NULL if nothing, or two different things, or unsigned. */
static const uint8_t *ordered(const struct weighing *w, const Pbft__PrePrepare **proposals, uint64_t sequence)
{
    const uint8_t *found = NULL;
    for (size_t i = 0; i < w->body->n_pre_prepares; i++) {
        if (!proposals[i] || proposals[i]->sequence != sequence)
            continue;
        if (found && memcmp(found, proposals[i]->digest.data, TC_VALUE_SIZE) != 0)
            return NULL;
        found = proposals[i]->digest.data;
    }
    return found;
}

/* The proposals of O that count: the leader's, genuine, of this view. NULL entries do not; NULL: out of scratch. */
static const Pbft__PrePrepare **read_proposals(const struct weighing *w)
{
    struct tc_justifier *j = w->j;
    const Pbft__PrePrepare **proposals =
        tc_arena_zalloc(&j->scratch, (w->body->n_pre_prepares + 1) * sizeof *proposals);
    for (size_t i = 0; proposals && i < w->body->n_pre_prepares; i++) {
        const Wire__Envelope *envelope = w->body->pre_prepares[i];
        void *body;
        if (envelope->type != PBFT__TYPE__PRE_PREPARE || envelope->sender != w->leader ||
            tc_wire_get_body(envelope, &pbft__pre_prepare__descriptor, &j->scratch, &body) != 0)
            continue;
        const Pbft__PrePrepare *proposal = body;
        if (proposal->view == w->record->view && proposal->digest.len == TC_VALUE_SIZE &&
            tc_justify_genuine(j, envelope))
            proposals[i] = proposal;
    }
    return proposals;
}

/* Recomputes O from view changes (strict: only those whose certificates all hold; else all, without the certificates
 * that do not) and compares. Replicas differ in how they take a view change with one bad certificate, so either way
 * that fits is right. */
static bool holds(struct weighing *w, const Pbft__PrePrepare **proposals, bool strict)
{
    struct justify_new_view *record = w->record;
    uint64_t stable = 0, top = 0;
    uint32_t counted = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct justify_change *change = &w->changes[i];
        if (strict && !change->claims_valid)
            continue;
        counted++;
        stable = change->stable > stable ? change->stable : stable;
        for (uint32_t k = 0; k < change->claim_count; k++)
            if (change->claims[k].valid && change->claims[k].sequence > top)
                top = change->claims[k].sequence;
    }
    if (counted < w->j->quorum) {
        record->verdict = JUSTIFY_NO_QUORUM;
        snprintf(record->why, sizeof record->why, "%u valid view changes of different replicas, the quorum is %u",
                 counted, w->j->quorum);
        return false;
    }
    const uint64_t count = top > stable ? top - stable : 0;
    record->verdict = JUSTIFY_WRONG_ORDERS;
    snprintf(record->why, sizeof record->why, "it orders %llu sequence numbers", (unsigned long long)count);
    free(record->orders);
    record->orders = count <= ORDERS_MAX ? calloc(count + 1, sizeof *record->orders) : NULL;
    if (!record->orders)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        const struct justify_claim *best = NULL;
        char wanted[16], found[16];
        for (uint32_t k = 0; k < w->count; k++) {
            const struct justify_claim *claim =
                strict && !w->changes[k].claims_valid ? NULL : tc_justify_claim(&w->changes[k], stable + 1 + i);
            if (claim && (!best || claim->view > best->view))
                best = claim;
        }
        if (best)
            memcpy(record->orders[i], best->digest, TC_VALUE_SIZE);
        const uint8_t *order = ordered(w, proposals, stable + 1 + i);
        if (order && memcmp(order, record->orders[i], TC_VALUE_SIZE) == 0)
            continue;
        snprintf(record->why, sizeof record->why, "its view changes give %s for sequence %llu, it orders %s",
                 tc_justify_short(record->orders[i], wanted), (unsigned long long)(stable + 1 + i),
                 order ? tc_justify_short(order, found) : "nothing, or not in the primary's name");
        return false;
    }
    record->stable = stable;
    record->order_count = (uint32_t)count;
    record->verdict = JUSTIFY_VALID;
    return true;
}

void tc_justify_weigh(struct tc_justifier *j, struct justify_new_view *record)
{
    struct weighing w = {.j = j, .record = record, .leader = tc_justify_leader(j, record->view)};
    Wire__Envelope *envelope;
    void *body;
    record->verdict = JUSTIFY_UNREADABLE;
    tc_arena_reset(&j->scratch);
    if (tc_wire_unpack((struct tc_slice){record->frame, record->frame_len}, &j->scratch, &envelope) != 0 ||
        tc_pbft_get_body(envelope, &pbft__new_view__descriptor, &j->scratch, &body) != 0)
        return;
    if (!tc_justify_genuine(j, envelope)) {
        record->verdict = JUSTIFY_NO_QUORUM;
        snprintf(record->why, sizeof record->why, "its signature is false");
        return;
    }
    w.body = body;
    const Pbft__PrePrepare **proposals = read_proposals(&w);
    if (!proposals || !read_changes(&w))
        return;
    if (!holds(&w, proposals, true) && record->verdict != JUSTIFY_UNREADABLE)
        (void)holds(&w, proposals, false);
}
