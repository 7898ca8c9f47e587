/* Pre-prepare, prepare, commit: who may say which (OSDI'99 §4.2). */
#include "../protocol_base.h"
#include "justify_parts.h"
#include <stdio.h>
#include <string.h>

#define NORMAL_CASE "OSDI'99 §4.2"

static const char *const class_verbs[JUSTIFY_CLASSES] = {"proposed", "prepared", "committed"};
static const char *const class_conflicts[JUSTIFY_CLASSES] = {"conflicting-pre-prepares", "conflicting-prepares",
                                                             "conflicting-commits"};

/* Did the view begin before our eyes? A correct replica's views only grow, so what the others said in a view that is
 * later than the one in which each of them was found was said since; and nobody is in it without most of them. */
static bool is_begun_here(const struct tc_justifier *j, uint64_t view)
{
    for (uint32_t i = 0; i < j->n; i++)
        if (!j->replicas[i].fresh && (!j->replicas[i].placed || view <= j->replicas[i].first_view))
            return false;
    return true;
}

bool tc_justify_judgeable(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot, uint64_t view)
{
    const bool lost = slot->overflow || (slot->sequence >= j->dropped_low && slot->sequence <= j->dropped_high);
    const struct justify_replica *r = &j->replicas[replica];
    const bool unplaced = !r->seen && !r->fresh && !j->fresh; /* it executes before its first word to us */
    const bool late = (unplaced || slot->sequence <= r->floor) && (view == 0 || !is_begun_here(j, view));
    j->unjudged += lost || late;
    j->late += late && !lost;
    return !lost && !late;
}

/* The ballot of this view that `replica` said in this class, other than `ballot`. */
static struct justify_ballot *said_other(const struct tc_justifier *j, const struct justify_slot *slot,
                                         const struct justify_ballot *ballot, enum justify_class class,
                                         uint16_t replica)
{
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        struct justify_ballot *other = tc_justify_at(j, i);
        if (other != ballot && other->view == ballot->view && justify_has(&other->said[class], replica))
            return other;
        i = other->next;
    }
    return NULL;
}

/* Notes that the replica said it. False if it had said it before (then it is no news), or two things at once. */
static bool first_said(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                       const struct justify_slot *slot, struct justify_ballot *ballot, enum justify_class class)
{
    char ours[16], theirs[16];
    if (justify_has(&ballot->said[class], replica))
        return false;
    justify_add(&ballot->said[class], replica);
    const struct justify_ballot *other = said_other(j, slot, ballot, class, replica);
    if (!other)
        return true;
    tc_justify_breach(j, replica, m, class_conflicts[class], NORMAL_CASE, ballot->view, slot->sequence,
                      "replica %u %s %s in view %llu, sequence %llu after it %s %s there", replica, class_verbs[class],
                      tc_justify_short(ballot->digest, ours), (unsigned long long)ballot->view,
                      (unsigned long long)slot->sequence, class_verbs[class], tc_justify_short(other->digest, theirs));
    return false;
}

/* What the leader offered instead, in words. */
static void describe_proposals(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot,
                               const struct justify_ballot *ballot, char *buffer, size_t size)
{
    char digest[16];
    snprintf(buffer, size, "no pre-prepare for that slot");
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        const struct justify_ballot *other = tc_justify_at(j, i);
        if (other != ballot && other->view == ballot->view && justify_has(&other->proposed, replica)) {
            snprintf(buffer, size, "only %s", tc_justify_short(other->digest, digest));
            return;
        }
        i = other->next;
    }
}

static bool was_proposed(struct tc_justifier *j, uint16_t replica, struct justify_ballot *ballot)
{
    if (!justify_has(&ballot->proposed, replica))
        tc_justify_resolve(j, ballot);
    return justify_has(&ballot->proposed, replica);
}

static void judge_prepare(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                          const struct justify_slot *slot, struct justify_ballot *ballot)
{
    const uint16_t leader = tc_justify_leader(j, ballot->view);
    char digest[16], offered[64];
    j->judged++;
    if (leader == replica) {
        tc_justify_breach(j, replica, m, "prepare-by-primary", NORMAL_CASE, ballot->view, slot->sequence,
                          "replica %u prepared %s in view %llu, sequence %llu, though it leads that view: its "
                          "pre-prepare stands for its prepare",
                          replica, tc_justify_short(ballot->digest, digest), (unsigned long long)ballot->view,
                          (unsigned long long)slot->sequence);
        return;
    }
    if (!was_proposed(j, replica, ballot)) {
        describe_proposals(j, replica, slot, ballot, offered, sizeof offered);
        tc_justify_breach(j, replica, m, "prepare-without-pre-prepare", NORMAL_CASE, ballot->view, slot->sequence,
                          "replica %u prepared %s in view %llu, sequence %llu, but was offered %s by its primary, "
                          "replica %u",
                          replica, tc_justify_short(ballot->digest, digest), (unsigned long long)ballot->view,
                          (unsigned long long)slot->sequence, offered, leader);
        return;
    }
    tc_justify_in_view(j, replica, m, "prepared", ballot->view, slot->sequence, ballot->digest);
}

/* Backups whose matching prepares the replica has: offered, or its own, which it may have sent where we have not yet
 * looked; not its own if it prepared something else there. */
static struct justify_set matching(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot,
                                   struct justify_ballot *ballot, enum justify_class class)
{
    struct justify_set set = *tc_justify_offered(j, ballot, class, replica);
    justify_drop(&set, replica);
    if (justify_has(&ballot->said[class], replica) || !said_other(j, slot, ballot, class, replica))
        justify_add(&set, replica);
    if (class == JUSTIFY_PREPARE)
        justify_drop(&set, tc_justify_leader(j, ballot->view));
    return set;
}

/* ", replica 2's prepare names 9c41…" for every vote for something else that it was offered. */
static void describe_others(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot,
                            const struct justify_ballot *ballot, const struct justify_set *have,
                            enum justify_class class, char *buffer, size_t size)
{
    size_t used = 0;
    char digest[16];
    buffer[0] = 0;
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        struct justify_ballot *other = tc_justify_at(j, i);
        for (uint32_t r = 0; r < j->n && other != ballot && other->view == ballot->view && used + 48 < size; r++)
            if (justify_has(tc_justify_offered(j, other, class, replica), r) && !justify_has(have, r))
                used += (size_t)snprintf(buffer + used, size - used, "; replica %u's %s names %s", r,
                                         class == JUSTIFY_PREPARE ? "prepare" : "commit",
                                         tc_justify_short(other->digest, digest));
        i = other->next;
    }
}

static void commit_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                          const struct justify_slot *slot, const struct justify_ballot *ballot,
                          const struct justify_set *prepares)
{
    char digest[16], list[96], others[160];
    describe_others(j, replica, slot, ballot, prepares, JUSTIFY_PREPARE, others, sizeof others);
    tc_justify_breach(j, replica, m, "commit-without-prepared", NORMAL_CASE, ballot->view, slot->sequence,
                      "replica %u committed %s in view %llu, sequence %llu with matching prepares from %s only: the "
                      "quorum is %u, so prepares of %u different backups are needed beside the pre-prepare%s",
                      replica, tc_justify_short(ballot->digest, digest), (unsigned long long)ballot->view,
                      (unsigned long long)slot->sequence, tc_justify_list(prepares, list, sizeof list), j->quorum,
                      j->quorum - 1, others);
}

static void judge_commit(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                         const struct justify_slot *slot, struct justify_ballot *ballot)
{
    const uint16_t leader = tc_justify_leader(j, ballot->view);
    char digest[16], offered[64];
    j->judged++;
    if (leader != replica && !was_proposed(j, replica, ballot)) {
        describe_proposals(j, replica, slot, ballot, offered, sizeof offered);
        tc_justify_breach(j, replica, m, "commit-without-pre-prepare", NORMAL_CASE, ballot->view, slot->sequence,
                          "replica %u committed %s in view %llu, sequence %llu, but was offered %s by its primary, "
                          "replica %u",
                          replica, tc_justify_short(ballot->digest, digest), (unsigned long long)ballot->view,
                          (unsigned long long)slot->sequence, offered, leader);
        return;
    }
    struct justify_set prepares = matching(j, replica, slot, ballot, JUSTIFY_PREPARE);
    if (justify_count(&prepares) + 1 < j->quorum) {
        tc_justify_resolve(j, ballot);
        prepares = matching(j, replica, slot, ballot, JUSTIFY_PREPARE);
    }
    if (justify_count(&prepares) + 1 < j->quorum) {
        commit_breach(j, replica, m, slot, ballot, &prepares);
        return;
    }
    tc_justify_in_view(j, replica, m, "committed", ballot->view, slot->sequence, NULL);
}

/* A connection keeps order: after a view change for a higher view nothing new is said about a slot that was born while
 * this very connection was up (what came earlier may be said again, or for the first time after a crash). */
static bool judge_order(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                        const struct justify_slot *slot, const struct justify_ballot *ballot)
{
    const struct justify_link *link = &j->replicas[replica].links[m->to % TC_NODES_MAX];
    if (!link->open || link->conn != m->conn || link->born >= slot->born || ballot->view >= link->asked)
        return true;
    tc_justify_breach(j, replica, m, "vote-after-view-change", "OSDI'99 §4.4", ballot->view, slot->sequence,
                      "replica %u voted in view %llu, sequence %llu after it had asked for view %llu on the same "
                      "connection",
                      replica, (unsigned long long)ballot->view, (unsigned long long)slot->sequence,
                      (unsigned long long)link->asked);
    return false;
}

void tc_justify_said_vote(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const enum justify_class class = s->type == PBFT__TYPE__PREPARE ? JUSTIFY_PREPARE : JUSTIFY_COMMIT;
    tc_justify_spoke(j, replica, s->sequence);
    struct justify_slot *slot = tc_justify_slot(j, s->sequence);
    struct justify_ballot *ballot =
        slot && s->value.state != TC_VALUE_ABSENT ? tc_justify_ballot_of(j, slot, s->view, s->value.bytes) : NULL;
    if (!ballot) {
        j->unjudged++;
        return;
    }
    if (!first_said(j, replica, m, slot, ballot, class))
        return;
    if (!tc_justify_judgeable(j, replica, slot, s->view))
        return;
    if (!judge_order(j, replica, m, slot, ballot))
        return;
    if (class == JUSTIFY_PREPARE)
        judge_prepare(j, replica, m, slot, ballot);
    else
        judge_commit(j, replica, m, slot, ballot);
}

/* Requests that came with a proposal: genuine, or the proposer should have refused them. MACs convince their receivers
 * only, so they are not judged. */
static bool judge_batch(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const Wire__Envelope *envelope = m->envelope.base;
    const struct tc_statement *s = &m->statements[0];
    uint8_t digest[TC_VALUE_SIZE];
    char named[16], found[16];
    tc_arena_reset(&j->scratch);
    if (envelope->n_requests == 0)
        return true;
    if (tc_wire_requests_digest(envelope, &j->scratch, digest) == 0 &&
        memcmp(digest, s->value.bytes, TC_VALUE_SIZE) != 0) {
        tc_justify_breach(j, replica, m, "pre-prepare-wrong-digest", NORMAL_CASE, s->view, s->sequence,
                          "replica %u proposed %s in view %llu, sequence %llu with a batch whose digest is %s", replica,
                          tc_justify_short(s->value.bytes, named), (unsigned long long)s->view,
                          (unsigned long long)s->sequence, tc_justify_short(digest, found));
        return false;
    }
    for (size_t i = 0; i < envelope->n_requests && !tc_wire_uses_macs(j->env.cluster, WIRE__TYPE__REQUEST); i++) {
        if (tc_justify_genuine(j, envelope->requests[i]))
            continue;
        tc_justify_breach(j, replica, m, "pre-prepare-invalid-request", NORMAL_CASE, s->view, s->sequence,
                          "replica %u proposed in view %llu, sequence %llu a request that names client %u but is not "
                          "signed by it",
                          replica, (unsigned long long)s->view, (unsigned long long)s->sequence,
                          envelope->requests[i]->sender);
        return false;
    }
    return true;
}

void tc_justify_said_proposal(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                              const struct tc_statement *s)
{
    char digest[16];
    tc_justify_spoke(j, replica, s->sequence);
    struct justify_slot *slot = tc_justify_slot(j, s->sequence);
    struct justify_ballot *ballot =
        slot && s->value.state != TC_VALUE_ABSENT ? tc_justify_ballot_of(j, slot, s->view, s->value.bytes) : NULL;
    if (!ballot) {
        j->unjudged++;
        return;
    }
    if (!first_said(j, replica, m, slot, ballot, JUSTIFY_PROPOSE))
        return;
    if (!tc_justify_judgeable(j, replica, slot, s->view))
        return;
    j->judged++;
    if (tc_justify_leader(j, s->view) != replica) {
        tc_justify_breach(j, replica, m, "pre-prepare-by-backup", NORMAL_CASE, s->view, s->sequence,
                          "replica %u proposed %s in view %llu, sequence %llu, which replica %u leads", replica,
                          tc_justify_short(s->value.bytes, digest), (unsigned long long)s->view,
                          (unsigned long long)s->sequence, tc_justify_leader(j, s->view));
        return;
    }
    if (s->parent == TC_PARENT_NONE && judge_batch(j, replica, m))
        tc_justify_in_view(j, replica, m, "proposed", s->view, s->sequence, NULL);
}
