/* Executions, checkpoints and transferred state (OSDI'99 §4.2, §4.3). */
#include "justify_parts.h"
#include <stdio.h>
#include <string.h>

/* Commits for this ballot that the replica has, its own among them unless it committed to something else there. */
static struct justify_set commits(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot,
                                  struct justify_ballot *ballot)
{
    struct justify_set set = *tc_justify_offered(j, ballot, JUSTIFY_COMMIT, replica);
    bool elsewhere = false;
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        const struct justify_ballot *other = tc_justify_at(j, i);
        elsewhere |=
            other != ballot && other->view == ballot->view && justify_has(&other->said[JUSTIFY_COMMIT], replica);
        i = other->next;
    }
    if (!elsewhere || justify_has(&ballot->said[JUSTIFY_COMMIT], replica))
        justify_add(&set, replica);
    return set;
}

/* The most commits that the replica has for `digest` (NULL: for anything) in one view; whose is in *best. */
static uint32_t most_commits(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot,
                             const uint8_t *digest, bool resolve, struct justify_set *best)
{
    uint32_t most = 0;
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        struct justify_ballot *ballot = tc_justify_at(j, i);
        if (!digest || memcmp(ballot->digest, digest, TC_VALUE_SIZE) == 0) {
            if (resolve)
                tc_justify_resolve(j, ballot);
            const struct justify_set set = commits(j, replica, slot, ballot);
            if (justify_count(&set) > most) {
                most = justify_count(&set);
                *best = set;
            }
        }
        i = ballot->next;
    }
    return most;
}

static bool committed(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot, const uint8_t *digest,
                      struct justify_set *best)
{
    *best = (struct justify_set){0};
    return most_commits(j, replica, slot, digest, false, best) >= j->quorum ||
           most_commits(j, replica, slot, digest, true, best) >= j->quorum;
}

void tc_justify_executed(struct tc_justifier *j, const struct tc_observation *observation)
{
    const uint16_t replica = observation->node;
    const uint64_t sequence = observation->executed.sequence;
    const struct tc_value *value = &observation->executed.value;
    const uint8_t *executed = value->state == TC_VALUE_NIL ? tc_pbft_null_digest : value->bytes;
    struct justify_set have;
    char digest[16], list[96];
    if (observation->executed.origin != TC_EXEC_EXECUTED)
        return;
    struct justify_slot *slot = tc_justify_slot(j, sequence);
    if (!slot || value->state == TC_VALUE_ABSENT) {
        j->unjudged++;
        return;
    }
    if (!tc_justify_judgeable(j, replica, slot, JUSTIFY_ANY_VIEW))
        return;
    j->judged++;
    if (committed(j, replica, slot, executed, &have))
        return;
    tc_justify_breach(j, replica, NULL, "execution-without-commits", "OSDI'99 §4.2", observation->executed.view,
                      sequence,
                      "replica %u executed %s at sequence %llu with commits from %s only in any one view: the quorum "
                      "is %u",
                      replica, tc_justify_short(executed, digest), (unsigned long long)sequence,
                      tc_justify_list(&have, list, sizeof list), j->quorum);
}

/* A checkpoint says: I executed all up to here. */
void tc_justify_said_checkpoint(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    struct justify_replica *r = &j->replicas[replica];
    const uint64_t sequence = m->statements[0].sequence;
    struct justify_set have;
    char list[96];
    tc_justify_spoke(j, replica, sequence);
    if (sequence <= r->executed || sequence <= r->transferred)
        return;
    uint64_t from = r->executed > r->transferred ? r->executed : r->transferred;
    if (from + 1 < j->base)
        from = j->base > 0 ? j->base - 1 : 0;
    r->executed = sequence;
    for (uint64_t at = from + 1; at <= sequence; at++) {
        struct justify_slot *slot = tc_justify_slot(j, at);
        if (!slot) {
            j->unjudged++;
            return;
        }
        if (!tc_justify_judgeable(j, replica, slot, JUSTIFY_ANY_VIEW))
            continue;
        j->judged++;
        if (committed(j, replica, slot, NULL, &have))
            continue;
        tc_justify_breach(j, replica, m, "checkpoint-without-execution", "OSDI'99 §4.3", 0, at,
                          "replica %u said a checkpoint for sequence %llu, but has commits from %s only for sequence "
                          "%llu (the quorum is %u) and was offered no later state",
                          replica, (unsigned long long)sequence, tc_justify_list(&have, list, sizeof list),
                          (unsigned long long)at, j->quorum);
        return;
    }
}

void tc_justify_heard_state(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const Pbft__State *state = m->statements[0].fields.base;
    uint8_t digest[TC_VALUE_SIZE];
    if (state->sequence <= j->replicas[replica].transferred)
        return;
    tc_arena_reset(&j->scratch);
    tc_digest(tc_wire_slice(state->snapshot), digest);
    if (tc_justify_stable_proven(j, state->checkpoints, state->n_checkpoints, state->sequence,
                                 (ProtobufCBinaryData){TC_VALUE_SIZE, digest}))
        j->replicas[replica].transferred = state->sequence;
}
