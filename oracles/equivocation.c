/* O4, equivocation: two valid signatures by one identity, for one slot, under different values.
 *
 * A detector: it names who signed both. The vote store finds the pair; signatures are verified only then. A valid
 * signature incriminates its signer wherever it is found, also inside another's message, for we sign for F_s alone. */
#include <inttypes.h>
#include <stdio.h>

#include "oracles.h"
#include "proofs.h"

#define PROVEN_MAX TC_FINDINGS_MAX /* proofs against one identity; what it signs beyond is counted unverified */

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t proven[TC_REPLICAS_MAX];
    uint64_t unchecked, forged, unproven;
    bool spent; /* the budget of verifications ran out over somebody not yet convicted */
};

/* The other value that this signer voted for. */
static bool other_find(const struct tc_oracle *o, const struct tc_vote *vote, uint8_t *value)
{
    for (uint8_t i = 0; i < vote->slot->value_count; i++) {
        if (i == vote->value || !tc_votes_knows(o->env->votes, vote->slot, vote->column, i, vote->signer))
            continue;
        *value = i;
        return true;
    }
    return false;
}

static void report(struct tc_oracle *o, const struct tc_observation *observation, const struct tc_vote *vote,
                   uint8_t value)
{
    const struct tc_slot *slot = vote->slot;
    struct tc_votes *votes = o->env->votes;
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_equivocation, observation->time_ns);
    tc_nodeset_add(&f.suspects, vote->signer);
    f.has_view = slot->has_view;
    f.view = slot->view;
    f.has_sequence = slot->has_sequence;
    f.sequence = slot->sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, vote->signer);
    tc_text_add(&t, " signed two %ss for ", tc_votes_column_name(votes, vote->column));
    if (slot->has_view)
        tc_text_add(&t, "view %" PRIu64 ", ", slot->view);
    tc_text_add(&t, "sequence ");
    tc_text_number(&t, slot->sequence);
    tc_text_add(&t, ": ");
    tc_text_value(&t, &slot->values[value]);
    tc_text_add(&t, " and ");
    tc_text_value(&t, &slot->values[vote->value]);
    tc_finding_vote(&f, o->env, vote->slot, vote->column, value, vote->signer);
    tc_finding_vote(&f, o->env, vote->slot, vote->column, vote->value, vote->signer);
    tc_proofs_add(o->env->proofs, vote->signer, &f);
    o->env->report(o->env->judge, &f);
}

static void conflict(struct tc_oracle *o, const struct tc_observation *observation, const struct tc_vote *vote)
{
    struct tc_votes *votes = o->env->votes;
    if (tc_votes_convicted(votes, vote->slot, vote->signer))
        return;
    if (o->proven[vote->signer] >= PROVEN_MAX) {
        tc_votes_convict(votes, vote->slot, vote->signer);
        o->unchecked++;
        return;
    }
    int status = tc_votes_verify(votes, vote->slot, vote->column, vote->value, vote->signer);
    uint8_t value;
    while (status == 0 && other_find(o, vote, &value)) {
        status = tc_votes_verify(votes, vote->slot, vote->column, value, vote->signer);
        if (status == 0) {
            report(o, observation, vote, value);
            tc_votes_convict(votes, vote->slot, vote->signer);
            o->proven[vote->signer]++;
            return;
        }
        if (status != TC_ESIGNATURE)
            break;
        status = 0; /* that one was not his and is struck out: is there another? */
        o->forged++;
    }
    o->forged += status == TC_ESIGNATURE;
    o->unproven += status == TC_ENOT_FOUND || status == TC_EKEY;
    o->spent |= status == TC_ELIMIT && o->proven[vote->signer] == 0;
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    for (size_t i = 0; i < count; i++)
        if (votes[i].flags & TC_VOTE_CONFLICT)
            conflict(o, observation, &votes[i]);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = tc_votes_slots(o->env->votes);
    snprintf(result->unit, sizeof result->unit, "slots");
    if (!o->env->has_messages) {
        tc_oracle_not_judged(result, "messages are not seen");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    uint64_t proven = 0;
    struct tc_nodeset named = {0};
    for (uint32_t i = 0; i < TC_REPLICAS_MAX; i++) {
        proven += o->proven[i];
        if (o->proven[i])
            tc_nodeset_add(&named, i);
    }
    if (proven) {
        tc_text_whos(&t, &named);
        tc_text_add(&t, " signed twice in ");
        tc_text_number(&t, proven);
        tc_text_add(&t, " slot%s", proven == 1 ? "" : "s");
        if (o->unchecked)
            tc_text_add(&t, ", and seemingly in %" PRIu64 " more that were not verified", o->unchecked);
    } else {
        tc_text_number(&t, result->compared);
        tc_text_add(&t, " slots, nobody signed two values for one");
    }
    if (o->unproven)
        tc_text_add(&t, "; %" PRIu64 " conflicts could not be proven, their messages were gone", o->unproven);
    if (tc_votes_crowded(o->env->votes))
        tc_text_add(&t, "; %" PRIu64 " values more than fit in their slots were not compared",
                    tc_votes_crowded(o->env->votes));
    if (o->spent) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "; the budget of verifications ran out");
    }
}

const struct tc_oracle_class tc_oracle_equivocation = {
    .name = "equivocation",
    .summary = "catches whoever signs two different values for one slot, with both messages",
    .property = TC_DETECTOR,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE),
    .kinds = TC_WANT_CONFLICT,
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
};
