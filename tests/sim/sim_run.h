/* One simulated run of a scenario, from file to verdict, without a run directory: what `turncoat run --world sim` does,
 * for tests and the benchmark. */
#ifndef TC_TESTS_SIM_RUN_H
#define TC_TESTS_SIM_RUN_H

#include "../../lua/scenario.h"
#include "../../oracles/judge.h"
#include "../../proxy/random.h"
#include "../../reference/bugs.h"
#include "../../reference/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_run {
    struct tc_scenario scenario;
    struct tc_cluster cluster;
    enum tc_scheme scheme;
    struct tc_sim_config config; /* network, disk, clocks, limits: set between sim_run_load and sim_run_go */
    /* what came of it */
    uint64_t hash; /* of every observation and decision */
    uint64_t now_ns, decided, operations, bitten;
    uint64_t executed[TC_REPLICAS_MAX];
    uint32_t incarnations[TC_REPLICAS_MAX];
    uint64_t transferred, complaints, links_down;
    int status;
    struct tc_verdict_summary summary;
    struct tc_sim_stats stats;
    struct tc_judge *judge;
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
    run->config.seed = seed;
    run->config.plan.wait_first_decision = true;
    memcpy(run->config.plan.phase_ns, run->scenario.phase_ns, sizeof run->config.plan.phase_ns);
    tc_sim_defaults(&run->config);
}

/* Fewer decisions in the same virtual time. */
static inline void sim_run_slow(struct sim_run *run)
{
    run->config.network.latency =
        (struct tc_sim_latency){.model = TC_SIM_UNIFORM, .min_ns = 3000000, .max_ns = 6000000};
}

static inline void sim_run_hash(struct sim_run *run, uint64_t word)
{
    run->hash = tc_random_mix(run->hash, word);
}

static inline void sim_run_observe(void *self, const struct tc_observation *o)
{
    struct sim_run *run = self;
    if (run->judge)
        tc_judge_observe(run->judge, o);
    sim_run_hash(run, o->time_ns);
    sim_run_hash(run, (uint64_t)o->kind << 32 | (uint64_t)o->node << 16 | o->peer);
    if (o->kind == TC_OBS_MESSAGE)
        run->hash = tc_random_mix_bytes(run->hash, o->message.message->frame);
    if (o->kind == TC_OBS_EXECUTED && o->node < TC_REPLICAS_MAX) {
        if (o->executed.sequence > run->executed[o->node])
            run->executed[o->node] = o->executed.sequence;
        if (o->executed.sequence > run->decided)
            run->decided = o->executed.sequence;
        run->transferred += o->executed.origin == TC_EXEC_TRANSFERRED;
    }
    if (o->kind == TC_OBS_NODE_UP && o->node < TC_REPLICAS_MAX)
        run->incarnations[o->node] = o->incarnation;
    run->complaints += o->kind == TC_OBS_COMPLAINT;
    run->links_down += o->kind == TC_OBS_LINK_DOWN;
    run->operations += o->kind == TC_OBS_REPLIED;
}

static inline void sim_run_decide(void *self, const struct tc_decision *d)
{
    struct sim_run *run = self;
    sim_run_hash(run, d->id);
    sim_run_hash(run, d->time_ns);
    sim_run_hash(run, (uint64_t)d->verb << 32 | (uint64_t)d->from << 16 | d->to);
    sim_run_hash(run, d->key);
    run->bitten += d->bitten;
    run->hash = tc_random_mix_bytes(run->hash, d->bytes);
}

static inline enum tc_status sim_run_expected(const struct tc_scenario *scenario)
{
    if (strcmp(scenario->expect_verdict, "violated") == 0)
        return TC_VIOLATED;
    return strcmp(scenario->expect_verdict, "expected") == 0 ? TC_EXPECTED : TC_HOLDS;
}

static inline struct tc_judge *sim_run_judge(const struct sim_run *run, const struct tc_protocol *protocol,
                                             const struct tc_protocol_env *env, bool attacked)
{
    const struct tc_judge_config config = {.protocol = protocol,
                                           .env = *env,
                                           .recovery_bound_ns = run->scenario.recovery_bound_ns,
                                           .has_executions = true,
                                           .has_client_history = true,
                                           .has_messages = true,
                                           .links_complete = true,
                                           .had_attack = attacked,
                                           .expect = sim_run_expected(&run->scenario),
                                           .expect_evidence = run->scenario.expect_evidence == TC_EXPECT_YES};
    return tc_judge_new(&config);
}

static inline struct tc_script *sim_run_script(const struct sim_run *run, const struct tc_protocol *protocol,
                                               const struct tc_protocol_env *env, struct tc_ledger *ledger)
{
    char path[512];
    const char *args[TC_SCRIPT_ARGS_MAX];
    struct tc_error err = {0};
    struct tc_script *script = NULL;
    if (!run->scenario.attack[0])
        return NULL;
    sim_run_must(tc_script_find(TC_SOURCE_LUA_DIR, "attacks", run->scenario.attack, path, &err), &err);
    for (uint32_t i = 0; i < run->scenario.arg_count; i++)
        args[i] = run->scenario.args[i];
    const struct tc_script_config config = {.path = path,
                                            .lua_dir = TC_SOURCE_LUA_DIR,
                                            .protocol = protocol,
                                            .env = *env,
                                            .ledger = ledger,
                                            .seed = run->config.seed,
                                            .args = args,
                                            .arg_count = run->scenario.arg_count};
    sim_run_must(tc_script_load(&config, &script, &err), &err);
    return script;
}

/* Runs and judges. The judge stays: free it with sim_run_free. */
static inline void sim_run_go(struct sim_run *run)
{
    struct tc_error err = {0};
    struct tc_keyring *keys = tc_keyring_new(run->scheme);
    const struct tc_protocol *protocol = tc_protocol_find(run->scenario.cluster.protocol);
    const struct tc_protocol_env env = {.cluster = &run->cluster, .keys = keys};
    struct tc_ledger ledger = {.traitors_max = run->scenario.traitors_max >= 0 ? (uint32_t)run->scenario.traitors_max
                                                                               : run->cluster.f};
    sim_run_must(tc_sim_keys(keys, &run->cluster, run->config.seed), &err);
    struct tc_script *script = sim_run_script(run, protocol, &env, &ledger);
    const struct tc_engine_config engine_config = {.protocol = protocol,
                                                   .env = env,
                                                   .handler = script ? tc_script_handler(script) : NULL,
                                                   .ledger = &ledger,
                                                   .seed = run->config.seed,
                                                   .observe = true};
    struct tc_engine *engine = tc_engine_new(&engine_config);
    const int bug = tc_bug_find(run->scenario.cluster.bug);
    struct tc_sim *sim = NULL;
    run->judge = sim_run_judge(run, protocol, &env, script != NULL);
    run->config.engine = engine;
    run->config.sink = (struct tc_sink){run, sim_run_observe, sim_run_decide, NULL};
    run->config.protocol = protocol;
    run->config.env = env;
    run->config.bugs = bug >= 0 ? TC_BUG_BIT(bug) : 0;
    run->config.load.clients = run->cluster.client_count;
    sim_run_must(tc_sim_open(&run->config, &sim, &err), &err);
    run->status = tc_sim_run(sim, &err);
    run->now_ns = tc_sim_now_ns(sim);
    run->stats = *tc_sim_stats(sim);
    tc_judge_finish(run->judge, run->now_ns);
    tc_judge_bitten(run->judge, tc_engine_faults(engine)->bitten);
    tc_judge_summary(run->judge, 0, &run->summary);
    tc_sim_free(sim);
    tc_engine_free(engine);
    tc_script_free(script);
    tc_keyring_free(keys);
}

static inline void sim_run_free(struct sim_run *run)
{
    tc_judge_free(run->judge);
    run->judge = NULL;
}

#endif
