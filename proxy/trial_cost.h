/* What a decision costs: messages and bytes between replicas, counted in a simulated run without failures. */
#ifndef TC_TRIAL_COST_H
#define TC_TRIAL_COST_H

#include "trial.h"

struct tc_cost_point {
    const struct tc_protocol *protocol;
    uint32_t n;
    uint64_t formula;   /* protocol->cost(n): messages a decision */
    uint32_t decisions; /* counted, one after another, past the beginning of the run */
    uint64_t messages_min,
        messages_max;         /* of one decision: of the types that the formula counts, retransmitted or not */
    uint64_t messages, bytes; /* of all of them */
    uint64_t apart;           /* messages of the whole run that the formula leaves out */
    enum tc_status verdict;   /* of the oracles over the run */
};

/* Runs `scenario` with this protocol and number of replicas until `decisions` can be counted. TC_EUSAGE: no such
 * protocol, or it knows no cost; TC_EINTERNAL: the cluster did not decide as often within the
 * scenario's phases; others as tc_trial_run. */
int tc_cost_measure(const struct tc_scenario *scenario, const char *lua_dir, const char *protocol, uint32_t n,
                    uint32_t decisions, uint64_t seed, struct tc_cost_point *out, struct tc_error *err);

#endif
