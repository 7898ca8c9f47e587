/* O3, certificate uniqueness: in one slot and phase at most one value has a quorum of valid votes by distinct signers.
 * Different sets of signers for one value are no breach. */
#include <inttypes.h>
#include <stdio.h>

#include "oracles.h"

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t quorum;
    uint64_t certificates;
    bool spent;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->quorum = tc_protocol_quorum(env->protocol, env->protocol_env.cluster);
    return true;
}

/* Strikes out the votes that their signers did not sign; is there still a quorum? */
static bool is_certified(struct tc_oracle *o, struct tc_slot *slot, uint8_t column, uint8_t value)
{
    struct tc_votes *votes = o->env->votes;
    struct tc_nodeset proven = {0};
    for (uint8_t at = 0; at < tc_votes_column_count(votes); at++) {
        bool proposes = tc_votes_column_kind(votes, at) == TC_KIND_PROPOSE &&
                        tc_votes_column_phase(votes, column) == TC_PHASE_PREPARE;
        if (at != column && !proposes)
            continue;
        for (uint16_t i = 0; i < o->env->protocol_env.cluster->n; i++) {
            if (!tc_votes_knows(votes, slot, at, value, i))
                continue;
            int status = tc_votes_verify(votes, slot, at, value, i);
            if (status == 0)
                tc_nodeset_add(&proven, i);
            o->spent |= status == TC_ELIMIT;
        }
    }
    return tc_nodeset_count(&proven) >= o->quorum;
}

static void attach(struct tc_oracle *o, struct tc_slot *slot, uint8_t column, uint8_t value, uint32_t most,
                   struct tc_finding *f)
{
    struct tc_nodeset signers = tc_votes_signers(o->env->votes, slot, column, value, false);
    for (uint16_t i = 0; i < TC_REPLICAS_MAX && f->evidence_count < most; i++)
        if (tc_nodeset_has(&signers, i))
            tc_finding_vote(f, o->env, slot, column, value, i);
}

static void breach(struct tc_oracle *o, const struct tc_vote *vote, uint8_t other, uint64_t now_ns)
{
    struct tc_votes *votes = o->env->votes;
    const char *name = tc_votes_column_name(votes, vote->column);
    struct tc_slot *slot = vote->slot;
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_certificate_uniqueness, now_ns);
    f.has_view = slot->has_view;
    f.view = slot->view;
    f.has_sequence = slot->has_sequence;
    f.sequence = slot->sequence;
    struct tc_nodeset left = tc_votes_signers(votes, slot, vote->column, other, true);
    struct tc_nodeset right = tc_votes_signers(votes, slot, vote->column, vote->value, true);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "view %" PRIu64 ", sequence ", slot->view);
    tc_text_number(&t, slot->sequence);
    tc_text_add(&t, ": two values have a quorum of %ss: ", name);
    tc_text_value(&t, &slot->values[other]);
    tc_text_add(&t, " from ");
    tc_text_nodes(&t, &left);
    tc_text_add(&t, ", ");
    tc_text_value(&t, &slot->values[vote->value]);
    tc_text_add(&t, " from ");
    tc_text_nodes(&t, &right);
    struct tc_nodeset twice = left;
    for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
        twice.words[i] &= right.words[i];
    t = tc_text_begin(f.because, sizeof f.because);
    tc_text_whos(&t, &twice);
    tc_text_add(&t, " voted for both");
    attach(o, slot, vote->column, other, TC_EVIDENCE_MAX / 2, &f);
    attach(o, slot, vote->column, vote->value, TC_EVIDENCE_MAX, &f);
    /* `suspects` stays empty: the breach is of the votes together, whoever of them is a traitor. */
    o->env->report(o->env->judge, &f);
}

static void certified(struct tc_oracle *o, const struct tc_vote *vote, uint64_t now_ns)
{
    struct tc_votes *votes = o->env->votes;
    o->certificates++;
    for (uint8_t other = 0; other < vote->slot->value_count; other++) {
        if (other == vote->value)
            continue;
        struct tc_nodeset signers = tc_votes_signers(votes, vote->slot, vote->column, other, true);
        if (tc_nodeset_count(&signers) >= o->quorum && is_certified(o, vote->slot, vote->column, other) &&
            is_certified(o, vote->slot, vote->column, vote->value))
            breach(o, vote, other, now_ns);
    }
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    for (size_t i = 0; i < count; i++)
        if ((votes[i].flags & TC_VOTE_QUORUM) && tc_votes_column_kind(o->env->votes, votes[i].column) == TC_KIND_VOTE)
            certified(o, &votes[i], observation->time_ns);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = o->spent ? TC_INCONCLUSIVE : TC_HOLDS;
    result->compared = o->certificates;
    snprintf(result->unit, sizeof result->unit, "certificates");
    if (!o->env->has_messages) {
        tc_oracle_not_judged(result, "messages are not seen");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->certificates);
    tc_text_add(&t, " quorums of votes%s", o->spent ? "; the budget of verifications ran out" : "");
}

const struct tc_oracle_class tc_oracle_certificate_uniqueness = {
    .name = "certificate-uniqueness",
    .summary = "one slot and phase has a quorum of valid votes for at most one value",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE),
    .kinds = TC_WANT_QUORUM,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
};
