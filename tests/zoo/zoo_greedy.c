/* The greedy search for what hurts most. */
#include "zoo.h"

#include <stdio.h>
#include <stdlib.h>

#define CANDIDATES_MAX 512
#define ROUNDS         3
#define SHOWN          5
#define GAIN_MIN       1.05 /* a round that adds less ends the search */

struct damage {
    uint32_t candidate;
    double ratio;
};

static int by_damage(const void *a, const void *b)
{
    const struct damage *x = a, *y = b;
    if (x->ratio != y->ratio)
        return x->ratio < y->ratio ? 1 : -1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* Decisions a virtual second. */
static double rate(struct tc_trial *trial, uint64_t seed, uint64_t index)
{
    struct tc_trial_result result;
    struct tc_error err = {0};
    const struct tc_trial_request request = {.seed = seed, .index = index};
    zoo_must(tc_trial_run(trial, &request, &result, &err), &err);
    return (double)(result.decided + 1) * 1e9 / (double)(result.now_ns + 1);
}

static double greedy_round(const struct zoo_options *options, const struct tc_scenario *scenario,
                           const struct tc_protocol *protocol, uint32_t *chosen, uint32_t *chosen_count)
{
    static struct damage damages[CANDIDATES_MAX];
    const uint32_t count = tc_performance_count(protocol);
    struct tc_error err = {0};
    struct tc_trial *trial, *plain;
    const struct tc_trial_setup base = {.scenario = scenario,
                                        .lua_dir = TC_SOURCE_LUA_DIR,
                                        .strategy = tc_adversary_find("performance"),
                                        .decisions_max = options->decisions};
    struct tc_trial_setup setup = base;
    setup.limits.chosen = chosen;
    setup.limits.chosen_count = *chosen_count;
    zoo_must(tc_trial_new(&base, &plain, &err), &err);
    zoo_must(tc_trial_new(&setup, &trial, &err), &err);
    for (uint32_t c = 1; c <= count && c <= CANDIDATES_MAX; c++) {
        damages[c - 1] = (struct damage){.candidate = c};
        for (uint64_t s = 0; s < options->seeds; s++)
            damages[c - 1].ratio += rate(plain, options->first + s, 0) / rate(trial, options->first + s, c);
        damages[c - 1].ratio /= (double)options->seeds;
    }
    qsort(damages, count < CANDIDATES_MAX ? count : CANDIDATES_MAX, sizeof *damages, by_damage);
    for (uint32_t i = 0; i < SHOWN; i++) {
        char text[128];
        printf("| %s | %u | %s | %.2f |\n", protocol->name, *chosen_count + 1,
               tc_performance_text(protocol, damages[i].candidate, text, sizeof text), damages[i].ratio);
    }
    tc_trial_free(trial);
    tc_trial_free(plain);
    chosen[(*chosen_count)++] = damages[0].candidate;
    return damages[0].ratio;
}

void zoo_performance(const struct zoo_options *options)
{
    printf("| protocol | round | the traitor's messages | times slower |\n|--|--:|--|--:|\n");
    for (size_t p = 0; tc_protocols[p]; p++) {
        static struct tc_scenario scenario;
        uint32_t chosen[ROUNDS], chosen_count = 0;
        double before = 1;
        if (!zoo_load(options, tc_protocols[p]->name, &scenario))
            continue;
        while (chosen_count < ROUNDS) {
            const double now = greedy_round(options, &scenario, tc_protocols[p], chosen, &chosen_count);
            if (now < before * GAIN_MIN)
                break;
            before = now;
        }
    }
}
