/* View changes and new views: what a replica may ask for, what a primary may make of it, and who may speak in a view
 * (OSDI'99 §4.4). */
#include "../../proxy/random.h"
#include "justify_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIEW_CHANGES "OSDI'99 §4.4"

/* ---- who asked ---- */

static struct justify_asked *asked_for(struct tc_justifier *j, uint64_t view, bool make)
{
    struct justify_asked *oldest = &j->asked[0];
    for (size_t i = 0; i < ASKED_MAX; i++) {
        struct justify_asked *asked = &j->asked[i];
        if (asked->used && asked->view == view)
            return asked;
        if (oldest->used && (!asked->used || asked->view < oldest->view))
            oldest = asked;
    }
    if (!make)
        return NULL;
    if (oldest->used && oldest->view > view) { /* older than all that is kept */
        j->view_forgotten = view > j->view_forgotten ? view : j->view_forgotten;
        return NULL;
    }
    if (oldest->used && oldest->view > j->view_forgotten)
        j->view_forgotten = oldest->view;
    if (!oldest->senders)
        oldest->senders = malloc(j->n * sizeof *oldest->senders);
    if (!oldest->senders) {
        j->view_forgotten = UINT64_MAX;
        return NULL;
    }
    memset(oldest->senders, 0, j->n * sizeof *oldest->senders);
    oldest->used = true;
    oldest->view = view;
    return oldest;
}

void tc_justify_heard_view_change(struct tc_justifier *j, uint16_t replica, uint64_t view, uint16_t sender)
{
    struct justify_asked *asked = sender < j->n ? asked_for(j, view, true) : NULL;
    if (asked)
        justify_add(&asked->senders[replica], sender);
}

/* ---- new views that were offered ---- */

static void drop_new_view(struct justify_new_view *record)
{
    free(record->frame);
    free(record->orders);
    *record = (struct justify_new_view){.used = false};
}

void tc_justify_views_free(struct tc_justifier *j)
{
    for (size_t i = 0; i < NEW_VIEWS_MAX; i++)
        drop_new_view(&j->new_views[i]);
    for (size_t i = 0; i < ASKED_MAX; i++)
        free(j->asked[i].senders);
}

static uint64_t new_view_id(const struct tc_statement *s)
{
    return tc_random_fold_bytes(tc_random_fold_bytes(1, s->body), s->signature);
}

/* The record of this very new view, made if there is none; NULL if it cannot be kept. */
static struct justify_new_view *keep_new_view(struct tc_justifier *j, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const uint64_t id = new_view_id(s);
    struct justify_new_view *oldest = &j->new_views[0];
    for (size_t i = 0; i < NEW_VIEWS_MAX; i++) {
        struct justify_new_view *record = &j->new_views[i];
        if (record->used && record->id == id && record->view == s->view)
            return record;
        if (oldest->used && (!record->used || record->view < oldest->view))
            oldest = record;
    }
    const uint64_t lost = oldest->used && oldest->view < s->view ? oldest->view : s->view;
    if (oldest->used || m->frame.len > NEW_VIEW_SIZE_MAX)
        j->view_forgotten = lost > j->view_forgotten ? lost : j->view_forgotten;
    if ((oldest->used && oldest->view > s->view) || m->frame.len > NEW_VIEW_SIZE_MAX)
        return NULL;
    drop_new_view(oldest);
    oldest->frame = malloc(m->frame.len);
    if (!oldest->frame) {
        j->view_forgotten = UINT64_MAX;
        return NULL;
    }
    memcpy(oldest->frame, m->frame.data, m->frame.len);
    oldest->frame_len = m->frame.len;
    oldest->used = true;
    oldest->id = id;
    oldest->view = s->view;
    return oldest;
}

void tc_justify_heard_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    if (s->signer != tc_justify_leader(j, s->view))
        return;
    struct justify_new_view *record = keep_new_view(j, m);
    if (record)
        justify_add(&record->offered, replica);
}

/* ---- speaking in a view ---- */

/* Does the new view contradict (sequence, digest)? */
static bool contradicts(const struct justify_new_view *record, uint64_t sequence, const uint8_t *digest)
{
    return digest && sequence > record->stable && sequence - record->stable <= record->order_count &&
           memcmp(record->orders[sequence - record->stable - 1], digest, TC_VALUE_SIZE) != 0;
}

static bool leader_may(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *verb,
                       uint64_t view, uint64_t sequence)
{
    const struct justify_asked *asked = asked_for(j, view, false);
    struct justify_set senders = asked ? asked->senders[replica] : (struct justify_set){0};
    char list[96];
    justify_add(&senders, replica);
    if (justify_count(&senders) >= j->quorum) {
        j->replicas[replica].entered = view;
        j->replicas[replica].entered_top = UINT64_MAX;
        return true;
    }
    tc_justify_breach(j, replica, m, "view-without-quorum", VIEW_CHANGES, view, sequence,
                      "replica %u %s in view %llu as its primary, with view changes from %s only: the quorum is %u",
                      replica, verb, (unsigned long long)view, tc_justify_list(&senders, list, sizeof list), j->quorum);
    return false;
}

static void backup_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *verb,
                          uint64_t view, uint64_t sequence, const uint8_t *digest, const char *invalid,
                          const struct justify_new_view *contradicting)
{
    const uint16_t leader = tc_justify_leader(j, view);
    char ours[16], theirs[16], at[48] = "";
    if (sequence > 0)
        snprintf(at, sizeof at, ", sequence %llu,", (unsigned long long)sequence);
    if (contradicting)
        tc_justify_breach(j, replica, m, "vote-against-new-view", VIEW_CHANGES, view, sequence,
                          "replica %u %s %s in view %llu, sequence %llu, where the new view of its primary, replica "
                          "%u, orders %s",
                          replica, verb, tc_justify_short(digest, ours), (unsigned long long)view,
                          (unsigned long long)sequence, leader,
                          tc_justify_short(contradicting->orders[sequence - contradicting->stable - 1], theirs));
    else if (invalid)
        tc_justify_breach(
            j, replica, m, "new-view-unchecked", VIEW_CHANGES, view, 0,
            "replica %u %s in view %llu%s although the new view it was offered by replica %u does not hold "
            "when recomputed: %s",
            replica, verb, (unsigned long long)view, at, leader, invalid);
    else
        tc_justify_breach(j, replica, m, "outside-view", VIEW_CHANGES, view, sequence,
                          "replica %u %s in view %llu%s but was offered no new view by its primary, replica %u",
                          replica, verb, (unsigned long long)view, at, leader);
}

/* Remembered, so that most votes need no search. */
static void note_entered(struct justify_replica *r, const struct justify_new_view *record)
{
    if (record->view < r->entered)
        return;
    r->entered = record->view;
    r->entered_top = record->stable + record->order_count;
}

static bool backup_may(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *verb,
                       uint64_t view, uint64_t sequence, const uint8_t *digest)
{
    const char *invalid = NULL;
    const struct justify_new_view *contradicting = NULL;
    for (size_t i = 0; i < NEW_VIEWS_MAX; i++) {
        struct justify_new_view *record = &j->new_views[i];
        if (!record->used || record->view != view || !justify_has(&record->offered, replica))
            continue;
        if (record->verdict == JUSTIFY_UNKNOWN)
            tc_justify_weigh(j, record);
        if (record->verdict == JUSTIFY_UNREADABLE)
            return true;
        if (record->verdict != JUSTIFY_VALID) {
            invalid = record->why;
        } else if (contradicts(record, sequence, digest)) {
            contradicting = record;
        } else {
            note_entered(&j->replicas[replica], record);
            return true;
        }
    }
    backup_breach(j, replica, m, verb, view, sequence, digest, invalid, contradicting);
    return false;
}

bool tc_justify_in_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *verb,
                        uint64_t view, uint64_t sequence, const uint8_t *digest)
{
    const struct justify_replica *r = &j->replicas[replica];
    if (view == 0 || view <= r->view_floor)
        return true;
    if (view == r->entered && (!digest || sequence > r->entered_top))
        return true;
    if (view <= j->view_forgotten) {
        j->unjudged++;
        return true;
    }
    if (tc_justify_leader(j, view) == replica)
        return view == r->entered || leader_may(j, replica, m, verb, view, sequence);
    return backup_may(j, replica, m, verb, view, sequence, digest);
}

/* ---- saying view change ---- */

/* The highest view before `view` in which the replica said commit at this slot. */
static const struct justify_ballot *last_commit(const struct tc_justifier *j, uint16_t replica,
                                                const struct justify_slot *slot, uint64_t view)
{
    const struct justify_ballot *best = NULL;
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        const struct justify_ballot *ballot = tc_justify_at(j, i);
        if (ballot->view < view && justify_has(&ballot->said[JUSTIFY_COMMIT], replica) &&
            (!best || ballot->view > best->view))
            best = ballot;
        i = ballot->next;
    }
    return best;
}

static bool judge_claims(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                         const struct justify_change *change)
{
    for (uint32_t i = 0; i < change->claim_count; i++) {
        const struct justify_claim *claim = &change->claims[i];
        if (claim->valid)
            continue;
        tc_justify_breach(j, replica, m, "view-change-bad-certificate", VIEW_CHANGES, claim->view, claim->sequence,
                          "replica %u asked for view %llu with a prepared certificate for sequence %llu that does not "
                          "hold: %s",
                          replica, (unsigned long long)change->view, (unsigned long long)claim->sequence, claim->why);
        return false;
    }
    return true;
}

static bool judge_omission(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                           const struct justify_change *change, uint64_t sequence)
{
    struct justify_slot *slot = tc_justify_slot(j, sequence);
    const struct justify_ballot *commit = slot ? last_commit(j, replica, slot, change->view) : NULL;
    const struct justify_claim *claim = commit ? tc_justify_claim(change, sequence) : NULL;
    const char *rule = "view-change-omits-prepared";
    char digest[16], other[16], how[80] = "holds no certificate for it";
    if (!commit)
        return true;
    if (claim) {
        if (claim->view > commit->view ||
            (claim->view == commit->view && memcmp(claim->digest, commit->digest, TC_VALUE_SIZE) == 0))
            return true;
        rule = claim->view < commit->view ? "view-change-older-certificate" : "view-change-wrong-digest";
        snprintf(how, sizeof how, "names %s of view %llu for it", tc_justify_short(claim->digest, other),
                 (unsigned long long)claim->view);
    }
    tc_justify_breach(j, replica, m, rule, VIEW_CHANGES, commit->view, sequence,
                      "replica %u committed %s in view %llu, sequence %llu, so it was prepared there, but its view "
                      "change to view %llu (stable checkpoint %llu) %s",
                      replica, tc_justify_short(commit->digest, digest), (unsigned long long)commit->view,
                      (unsigned long long)sequence, (unsigned long long)change->view,
                      (unsigned long long)change->stable, how);
    return false;
}

/* Has this very body been judged? Remembers it. */
static bool seen_before(struct justify_replica *r, const struct tc_message *m)
{
    if (r->judged_count > 0 && r->judged_message == tc_message_fold(m)) /* the next copy of a broadcast */
        return true;
    r->judged_message = tc_message_fold(m);
    const uint64_t id = new_view_id(&m->statements[0]);
    for (uint32_t i = 0; i < JUDGED_MAX && i < r->judged_count; i++)
        if (r->judged[i] == id)
            return true;
    r->judged[r->judged_count++ % JUDGED_MAX] = id;
    return false;
}

void tc_justify_said_view_change(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    struct justify_replica *r = &j->replicas[replica];
    struct justify_link *link = &r->links[m->to % TC_NODES_MAX];
    struct justify_change change;
    if (link->open && link->conn == m->conn && s->view > link->asked)
        link->asked = s->view;
    if (seen_before(r, m))
        return;
    tc_arena_reset(&j->scratch);
    if (!tc_justify_read_change(j, replica, s->fields.base, &change)) {
        j->unjudged++;
        return;
    }
    j->judged++;
    if (!change.stable_valid) {
        tc_justify_breach(j, replica, m, "view-change-bad-checkpoint", "OSDI'99 §4.3", s->view, 0,
                          "replica %u asked for view %llu with stable checkpoint %llu, which fewer than %u genuine "
                          "checkpoints of different replicas prove",
                          replica, (unsigned long long)s->view, (unsigned long long)change.stable, j->quorum);
        return;
    }
    if (!judge_claims(j, replica, m, &change))
        return;
    const uint64_t from = change.stable + 1 > j->base ? change.stable + 1 : j->base;
    for (uint64_t at = from; at <= r->top && at - j->base < j->slot_count; at++)
        if (!judge_omission(j, replica, m, &change, at))
            return;
}

/* ---- saying new view ---- */

void tc_justify_said_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    if (seen_before(&j->replicas[replica], m))
        return;
    if (tc_justify_leader(j, s->view) != replica) {
        j->judged++;
        tc_justify_breach(j, replica, m, "new-view-by-backup", VIEW_CHANGES, s->view, 0,
                          "replica %u announced view %llu, which replica %u leads", replica,
                          (unsigned long long)s->view, tc_justify_leader(j, s->view));
        return;
    }
    struct justify_new_view *record = keep_new_view(j, m);
    if (record && record->verdict == JUSTIFY_UNKNOWN)
        tc_justify_weigh(j, record);
    if (!record || record->verdict == JUSTIFY_UNREADABLE) {
        j->unjudged++;
        return;
    }
    j->judged++;
    if (record->verdict == JUSTIFY_VALID) {
        for (uint32_t i = 1; i < m->statement_count; i++)
            if (m->statements[i].parent == 0 && m->statements[i].type == PBFT__TYPE__PRE_PREPARE)
                tc_justify_said_proposal(j, replica, m, &m->statements[i]);
        return;
    }
    tc_justify_breach(
        j, replica, m, record->verdict == JUSTIFY_NO_QUORUM ? "new-view-without-quorum" : "new-view-wrong-proposals",
        VIEW_CHANGES, s->view, 0, "replica %u announced view %llu, which does not hold when recomputed: %s", replica,
        (unsigned long long)s->view, record->why);
}
