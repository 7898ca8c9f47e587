/* How fast the simulation is: complete runs in a second of one core (CPU time of this process: others may be busy
 * beside it, though they slow it down all the same) with n = 4, ten decisions and an adversary, for each protocol and
 * adversary, judged by every oracle, and against byzzfuzz by those of safety alone as well; and one decision of a large
 * cluster with the memory it takes.
 * bench_sim [RUNS [SEED [LARGEST_N [SCENARIO [STRATEGY [safety]]]]]] */
#define _GNU_SOURCE
#include "../../proxy/trial.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DECISIONS 10
#define DURING_NS UINT64_C(60000000000)

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(int status, const struct tc_error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench_sim: %s\n", err->text);
    exit(1);
}

static void load(const char *name, struct tc_scenario *out)
{
    struct tc_error err = {0};
    must(tc_scenario_load(TC_SOURCE_LUA_DIR, name, out, &err), &err);
    out->load.clients = 1;
    out->phase_ns[TC_RUN_BEFORE] = 0;
    out->phase_ns[TC_RUN_DURING] = DURING_NS;
}

enum oracles { EVERY_ORACLE, SAFETY_ORACLES };

static void runs(const char *name, const char *strategy, enum oracles oracles, uint32_t count, uint64_t seed)
{
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct tc_trial *trial;
    uint64_t events = 0, messages = 0, bitten = 0, decided = 0, held = 0, violated = 0, hash = 0;
    load(name, &scenario);
    const struct tc_trial_setup setup = {.scenario = &scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find(strategy),
                                         .properties = oracles == SAFETY_ORACLES ? TC_PROPERTY_BIT(TC_SAFETY) : 0,
                                         .decisions_max = DECISIONS};
    must(tc_trial_new(&setup, &trial, &err), &err);
    const double began_s = cpu_s();
    for (uint32_t i = 0; i < count; i++) {
        must(tc_trial_run(trial, &(struct tc_trial_request){.seed = seed + i, .index = i}, &result, &err), &err);
        events += result.stats.events;
        messages += result.stats.writes;
        bitten += result.bitten;
        decided += result.decided;
        if (result.summary.status == TC_VIOLATED)
            fprintf(stderr, "%s, %s, seed %" PRIu64 ": %s\n", name, strategy ? strategy : "its attack", seed + i,
                    result.summary.sentence);
        hash = hash * 31 + result.hash;
        held += result.summary.status == TC_HOLDS;
        violated += result.summary.status == TC_VIOLATED;
    }
    const double took_s = cpu_s() - began_s;
    tc_trial_free(trial);
    printf("%s\tadversary\t%s\toracles\t%s\truns\t%" PRIu32
           "\tper_s\t%.0f\tdecisions\t%.1f\tmessages\t%.1f\tevents\t%.1f\tbitten\t%.1f\thold\t%" PRIu64
           "\tviolated\t%" PRIu64 "\thash\t%016" PRIx64 "\n",
           name, strategy ? strategy : "its attack", oracles == SAFETY_ORACLES ? "safety" : "every", count,
           count / took_s, (double)decided / count, (double)messages / count, (double)events / count,
           (double)bitten / count, held, violated, hash);
}

static double decisions_s(uint32_t n, uint64_t seed, uint64_t decisions, uint64_t *messages)
{
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct tc_trial *trial;
    load("correct", &scenario);
    scenario.cluster.cluster.n = n;
    scenario.cluster.cluster.f = tc_protocol_faults_max(n);
    const struct tc_trial_setup setup = {
        .scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = decisions};
    must(tc_trial_new(&setup, &trial, &err), &err);
    const double began_s = cpu_s();
    must(tc_trial_run(trial, &(struct tc_trial_request){.seed = seed}, &result, &err), &err);
    const double took_s = cpu_s() - began_s;
    *messages = result.stats.writes;
    tc_trial_free(trial);
    return took_s;
}

/* The cost of one more decision: a run with six less a run with two, so that dialling and hellos do not count. */
static void size_row(uint32_t n, uint64_t seed)
{
    uint64_t few, many;
    const double few_s = decisions_s(n, seed, 2, &few), many_s = decisions_s(n, seed, 6, &many);
    printf("n\t%" PRIu32 "\tms_per_decision\t%.2f\tmessages_per_decision\t%.0f\tsetup_ms\t%.1f", n,
           (many_s - few_s) * 1e3 / 4, (double)(many - few) / 4, few_s * 1e3);
    fflush(stdout);
}

/* In a process of its own, so that its peak memory is this cluster's. */
static void size(uint32_t n, uint64_t seed)
{
    struct rusage usage;
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        size_row(n, seed);
        _exit(0);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) {
        fprintf(stderr, "bench_sim: the run with n = %" PRIu32 " failed\n", n);
        exit(1);
    }
    printf("\tpeak_mb\t%.1f\tpeak_kb_per_n2\t%.1f\n", (double)usage.ru_maxrss / 1024, (double)usage.ru_maxrss / n / n);
}

int main(int argc, char **argv)
{
    const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    const uint32_t largest = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 100;
    static const char *const scenarios[] = {"equivocate-half", "hotstuff-equivocate-half",
                                            "chained-hotstuff-equivocate-half"};
    if (sodium_init() < 0) /* as main does: it chooses the hash that this processor is best at */
        return 1;
    static const uint32_t sizes[] = {4, 7, 10, 16, 31, 61, 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= largest; i++)
        size(sizes[i], seed);
    if (argc > 4) {
        const char *strategy = argc > 5 ? argv[5] : NULL;
        runs(argv[4], strategy, argc > 6 && strcmp(argv[6], "safety") == 0 ? SAFETY_ORACLES : EVERY_ORACLE, count,
             seed);
        return 0;
    }
    for (size_t i = 0; count > 0 && i < sizeof scenarios / sizeof *scenarios; i++)
        runs(scenarios[i], NULL, EVERY_ORACLE, count, seed);
    for (enum oracles oracles = EVERY_ORACLE; oracles <= SAFETY_ORACLES; oracles++)
        for (size_t i = 0; count > 0 && i < sizeof scenarios / sizeof *scenarios; i++)
            runs(scenarios[i], "byzzfuzz", oracles, count, seed);
    return 0;
}
