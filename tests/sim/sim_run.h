/* One simulated run of a scenario, from file to verdict, without a run directory: what `turncoat run --world sim` does,
 * for tests and the benchmark. A trial (proxy/trial.h) does the work; this counts what tests ask about. */
#ifndef TC_TESTS_SIM_RUN_H
#define TC_TESTS_SIM_RUN_H

#include "../../proxy/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_run {
    struct tc_scenario scenario;
    struct tc_cluster cluster;
    enum tc_scheme scheme;
    struct tc_sim_config
        config; /* seed, plan, network, disk, clocks, limits: set between sim_run_load and sim_run_go */
    /* what came of it */
    uint64_t hash; /* of every observation and decision */
    uint64_t now_ns, decided, operations, bitten;
    uint64_t executed[TC_REPLICAS_MAX];
    uint32_t incarnations[TC_REPLICAS_MAX];
    uint64_t transferred, complaints, links_down;
    int status;
    struct tc_verdict_summary summary;
    struct tc_sim_stats stats;
    const struct tc_judge *judge;
    struct tc_trial *trial;
};

static inline void sim_run_must(int status, const struct tc_error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    abort();
}

/* Reads the scenario and sets what the simulation sets by default. */
static inline void sim_run_load(struct sim_run *run, const char *scenario, uint64_t seed)
{
    struct tc_error err = {0};
    memset(run, 0, sizeof *run);
    sim_run_must(tc_scenario_load(TC_SOURCE_LUA_DIR, scenario, &run->scenario, &err), &err);
    run->cluster = run->scenario.cluster.cluster;
    run->cluster.client_count = run->scenario.load.clients;
    tc_cluster_defaults(&run->cluster);
    run->scheme = TC_SCHEME_KEYED_HASH;
    tc_trial_world(&run->scenario, &run->config);
    run->config.seed = seed;
}

/* Fewer decisions in the same virtual time. */
static inline void sim_run_slow(struct sim_run *run)
{
    if (!run->scenario.world.has_latency)
        run->config.network.latency =
            (struct tc_sim_latency){.model = TC_SIM_UNIFORM, .min_ns = 3000000, .max_ns = 6000000};
}

static inline void sim_run_observe(void *self, const struct tc_observation *o)
{
    struct sim_run *run = self;
    if (o->kind == TC_OBS_EXECUTED && o->node < TC_REPLICAS_MAX) {
        if (o->executed.sequence > run->executed[o->node])
            run->executed[o->node] = o->executed.sequence;
        run->transferred += o->executed.origin == TC_EXEC_TRANSFERRED;
    }
    if (o->kind == TC_OBS_NODE_UP && o->node < TC_REPLICAS_MAX)
        run->incarnations[o->node] = o->incarnation;
    run->complaints += o->kind == TC_OBS_COMPLAINT;
    run->links_down += o->kind == TC_OBS_LINK_DOWN;
    run->operations += o->kind == TC_OBS_REPLIED;
}

static inline enum tc_status sim_run_expected(const struct tc_scenario *scenario)
{
    return tc_trial_expected(scenario);
}

/* Runs and judges. The judge stays: free it with sim_run_free. */
static inline void sim_run_go(struct sim_run *run)
{
    struct tc_error err = {0};
    struct tc_trial_result result;
    run->scenario.cluster.cluster = run->cluster;
    run->scenario.load.clients = run->cluster.client_count;
    const struct tc_trial_setup setup = {.scenario = &run->scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .world = &run->config,
                                         .ed25519 = run->scheme == TC_SCHEME_ED25519};
    const struct tc_trial_request request = {.seed = run->config.seed,
                                             .sink = {.self = run, .observe = sim_run_observe}};
    sim_run_must(tc_trial_new(&setup, &run->trial, &err), &err);
    run->status = tc_trial_run(run->trial, &request, &result, &err);
    if (!result.judge)
        sim_run_must(run->status, &err);
    run->hash = result.hash;
    run->now_ns = result.now_ns;
    run->decided = result.decided;
    run->bitten = result.bitten;
    run->summary = result.summary;
    run->stats = result.stats;
    run->judge = result.judge;
}

static inline void sim_run_free(struct sim_run *run)
{
    tc_trial_free(run->trial);
    run->trial = NULL;
    run->judge = NULL;
}

#endif
