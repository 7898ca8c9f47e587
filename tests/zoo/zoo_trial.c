#define _POSIX_C_SOURCE 200809L
#include "zoo.h"

#include "../../proxy/random.h"
#include "../../reference/bugs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double zoo_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void zoo_must(int status, const struct tc_error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "zoo: %s\n", err->text);
    exit(70);
}

bool zoo_listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

/* Only protocols with replicas of their own can be hunted here. */
bool zoo_load(const struct zoo_options *options, const char *protocol, struct tc_scenario *scenario)
{
    struct tc_error err = {0};
    char name[TC_NAME_MAX];
    if (!zoo_listed(options->protocols, options->protocol_count, protocol) || !tc_replica_find(protocol))
        return false;
    snprintf(name, sizeof name, "hunt-%s", protocol);
    zoo_must(tc_scenario_load(TC_SOURCE_LUA_DIR, name, scenario, &err), &err);
    return true;
}

struct tc_trial *zoo_open_trial(const struct zoo_options *options, const struct tc_scenario *scenario,
                                const struct tc_adversary_class *strategy, uint64_t bugs)
{
    struct tc_error err = {0};
    struct tc_trial *trial;
    const struct tc_trial_setup setup = {.scenario = scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = strategy,
                                         .limits = {.any_scope = options->any_scope},
                                         .bugs = bugs,
                                         .decisions_max = options->decisions};
    zoo_must(tc_trial_new(&setup, &trial, &err), &err);
    return trial;
}

uint64_t zoo_run_seed(uint64_t seed, uint64_t index)
{
    return tc_random_mix(tc_random_mix(seed, 0x7a6f6f), index);
}

void zoo_run(struct tc_trial *trial, uint64_t seed, uint64_t index, struct tc_trial_result *result)
{
    struct tc_error err = {0};
    const struct tc_trial_request request = {.seed = zoo_run_seed(seed, index), .index = index};
    zoo_must(tc_trial_run(trial, &request, result, &err), &err);
}

static bool violated(const struct tc_trial_result *result, const char *oracle)
{
    for (size_t i = 0; i < tc_judge_count(result->judge); i++) {
        const struct tc_judgement *j = tc_judge_get(result->judge, i);
        if (j->status == TC_VIOLATED && (!oracle || strcmp(j->oracle->name, oracle) == 0))
            return true;
    }
    return false;
}

static uint64_t violated_set(const struct tc_trial_result *result)
{
    uint64_t set = 0;
    for (size_t i = 0; i < tc_judge_count(result->judge) && i < 64; i++)
        if (tc_judge_get(result->judge, i)->status == TC_VIOLATED)
            set |= UINT64_C(1) << i;
    return set;
}

struct zoo_hunt zoo_hunt(const struct zoo_options *options, struct tc_trial *trial, uint64_t seed, double seconds)
{
    struct zoo_hunt h = {.found = false};
    const double begin = zoo_now_s();
    while (!h.found && h.runs < options->runs && zoo_now_s() - begin < seconds) {
        struct tc_trial_result result;
        zoo_run(trial, seed, h.runs, &result);
        h.runs++;
        if (result.summary.status != TC_VIOLATED)
            continue;
        h.found = true;
        h.oracles = violated_set(&result);
        h.fork = violated(&result, "agreement") || violated(&result, "total-order");
        snprintf(h.oracle, sizeof h.oracle, "%s", result.summary.first ? result.summary.first->oracle : "?");
    }
    h.seconds = zoo_now_s() - begin;
    return h;
}

/* A rule that is right where n = 3f+1 can be wrong elsewhere only. */
uint32_t zoo_replicas_for(int bug)
{
    return tc_bugs[bug].number == 1 ? 6 : 4;
}

void zoo_settle_size(struct tc_scenario *scenario, int bug)
{
    scenario->cluster.cluster.n = zoo_replicas_for(bug);
    scenario->cluster.cluster.f = 1;
}
