/* O20, chain growth and quality: how many blocks are committed a view, and which share of them an honest leader
 * proposed (Niu & Feng: with a third of traitors that fork, growth may fall to 4/9 and quality to 12/17).
 *
 * A measure: it is told with its 95 % confidence interval and judged by the scenario's thresholds (metrics chain_growth
 * and chain_quality), never by itself. Below 100 rotations of the leaders the interval says nothing and it is not
 * judged; nor is a protocol whose proposals name no parents. */
#include <inttypes.h>
#include <stdio.h>

#include "growth.h"
#include "oracles.h"

#define ROTATIONS_MIN 100

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_growth growth;
};

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    tc_growth_observe(&o->growth, o->env->protocol, &o->env->protocol_env, &o->env->faults->signed_for, observation);
}

static void say_share(struct tc_text *t, const char *name, struct tc_share share)
{
    tc_text_add(t, "%s %.3f (%.3f to %.3f)", name, share.value, share.low, share.high);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    const struct tc_growth *growth = &o->growth;
    const uint64_t rotations = growth->views / o->env->protocol_env.cluster->n;
    result->status = TC_HOLDS;
    result->compared = growth->views;
    snprintf(result->unit, sizeof result->unit, "views");
    if (!o->env->has_executions) {
        tc_oracle_not_judged(result, "no replica prints what it executes");
        return;
    }
    if (!o->env->protocol->parent) {
        tc_oracle_not_judged(result, "its proposals name no parents: there is no chain of views to measure");
        result->foreign = true;
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (rotations < ROTATIONS_MIN) {
        result->status = TC_NOT_JUDGED;
        tc_text_add(&t, "too few samples: %" PRIu64 " of %d rotations of the leaders", rotations, ROTATIONS_MIN);
        return;
    }
    say_share(&t, "growth", tc_growth_share(growth->committed, growth->views));
    tc_text_add(&t, " blocks a view, ");
    say_share(&t, "quality", tc_growth_share(growth->honest, growth->committed));
    tc_text_add(&t, " proposed by honest leaders, over ");
    tc_text_number(&t, growth->views);
    tc_text_add(&t, " views (95 %% confidence)");
}

const struct tc_oracle_class tc_oracle_chain_quality = {
    .name = "chain-quality",
    .summary = "measures blocks committed a view and the share that honest leaders proposed",
    .property = TC_MEASURE,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_VIEW),
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
};
