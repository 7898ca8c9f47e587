/* O19, accountability: when the log forks, signed messages convict those who made it fork, and nobody else.
 *
 * Convicted is who signed two different values for one slot (equivocation), or broke by its signed votes the lock that
 * they put on it (lock: in PBFT a view change that leaves out what its signer committed). Two quorums share 2q-n
 * members, so as many are to blame for a fork, f+1 at least where n = 3f+1; fewer are found where what they signed went
 * by unseen, or where the protocol leaves no trace of it (Sheng et al., BFT Protocol Forensics, CCS'21): that is said
 * and blames nobody more.
 *
 * No false alarm: both signatures of a proof were verified; votes in different views are no equivocation, and no blame
 * is laid while there is no fork. A detector: naming a replica outside F_s is a violation. */
#include <inttypes.h>
#include <stdio.h>

#include "oracles.h"
#include "proofs.h"

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint64_t executions;
};

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    (void)observation;
    o->executions++;
}

/* How many must be to blame, at the least, for two quorums to have formed. */
static uint32_t to_blame(const struct tc_oracle *o)
{
    const struct tc_cluster *cluster = o->env->protocol_env.cluster;
    const uint32_t both = 2 * tc_protocol_quorum(o->env->protocol, cluster);
    const uint32_t shared = both > cluster->n ? both - cluster->n : 0;
    return shared < cluster->f + 1 ? shared : cluster->f + 1;
}

static void blame(struct tc_oracle *o, uint16_t node, const struct tc_finding *proof, const struct tc_fork *fork)
{
    struct tc_finding f = *proof;
    f.oracle = tc_oracle_accountability.name;
    f.property = tc_oracle_accountability.property;
    f.suspects = (struct tc_nodeset){0};
    tc_nodeset_add(&f.suspects, node);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "blamed: %s", proof->text);
    t = tc_text_begin(f.because, sizeof f.because);
    tc_text_add(&t, "the log forked at sequence ");
    tc_text_number(&t, fork->sequence);
    tc_text_add(&t, "; two signed messages convict ");
    tc_text_who(&t, node);
    o->env->report(o->env->judge, &f);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    const struct tc_fork *fork = tc_proofs_forked(o->env->proofs);
    struct tc_nodeset blamed = {0};
    result->status = TC_HOLDS;
    result->compared = o->executions;
    snprintf(result->unit, sizeof result->unit, "executions");
    if (!o->env->has_executions || !o->env->has_messages) {
        tc_oracle_not_judged(result, o->env->has_executions ? "messages are not seen"
                                                            : "no replica prints what it executes: a fork would not "
                                                              "be seen");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (!fork) {
        tc_text_add(&t, "no fork, so nobody to blame");
        return;
    }
    for (uint16_t i = 0; i < o->env->protocol_env.cluster->n; i++) {
        const struct tc_finding *proof = tc_proofs_against(o->env->proofs, i);
        if (!proof)
            continue;
        tc_nodeset_add(&blamed, i);
        blame(o, i, proof, fork);
    }
    const uint32_t count = tc_nodeset_count(&blamed);
    tc_text_add(&t, "fork at sequence ");
    tc_text_number(&t, fork->sequence);
    tc_text_add(&t, "; blamed by signed messages: ");
    tc_text_whos(&t, &blamed);
    if (count >= to_blame(o))
        return;
    result->status = TC_INCONCLUSIVE;
    tc_text_add(&t, " (%" PRIu32 " of at least %" PRIu32 ": what else was signed is not among the messages seen)",
                count, to_blame(o));
}

const struct tc_oracle_class tc_oracle_accountability = {
    .name = "accountability",
    .summary = "when the log forks, signed messages convict the traitors and nobody else",
    .property = TC_DETECTOR,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED),
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
};
