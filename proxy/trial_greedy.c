#include "trial_greedy.h"

#include "random.h"

static uint32_t count_of(const struct tc_protocol *protocol)
{
    const uint32_t count = tc_performance_count(protocol);
    return count < TC_GREEDY_CANDIDATES_MAX ? count : TC_GREEDY_CANDIDATES_MAX;
}

/* What the rounds before settled on, and `candidate`. */
static uint64_t beside(const struct tc_greedy *g, uint32_t rounds, uint32_t candidate)
{
    uint32_t together[TC_PERFORMANCE_TOGETHER];
    for (uint32_t i = 0; i < rounds; i++)
        together[i] = g->rounds[i].worst[0].candidate;
    together[rounds] = candidate;
    return tc_performance_index(together, rounds + 1);
}

static int rate(const struct tc_greedy *g, struct tc_trial *trial, uint32_t s, uint64_t index, double *out,
                struct tc_error *err)
{
    struct tc_trial_result result;
    const uint64_t seed = tc_random_mix(tc_random_mix_text(g->seed, "greedy"), s);
    const int status = tc_trial_run(trial, &(struct tc_trial_request){.seed = seed, .index = index}, &result, err);
    if (status == 0) /* never nothing: who stopped it all is told from who stopped it sooner */
        *out = (double)(result.decided + 1) * 1e9 / (double)(result.now_ns + 1);
    return status;
}

static int measure_baseline(struct tc_greedy *g, struct tc_trial *trial, struct tc_error *err)
{
    int status = 0;
    for (uint32_t s = 0; status == 0 && s < TC_GREEDY_SEEDS; s++)
        status = rate(g, trial, s, 0, &g->baseline[s], err);
    return status;
}

static void keep(struct tc_greedy_round *round, struct tc_greedy_action action)
{
    uint32_t at = round->worst_count;
    while (at > 0 && round->worst[at - 1].times < action.times)
        at--;
    if (at == TC_GREEDY_WORST)
        return;
    if (round->worst_count < TC_GREEDY_WORST)
        round->worst_count++;
    for (uint32_t i = round->worst_count - 1; i > at; i--)
        round->worst[i] = round->worst[i - 1];
    round->worst[at] = action;
}

static void end_round(struct tc_greedy *g)
{
    const uint32_t round = g->round_count++;
    const double before = round > 0 ? g->rounds[round - 1].worst[0].times : 1;
    g->measured = 0;
    g->ended = g->round_count == TC_PERFORMANCE_TOGETHER || g->rounds[round].worst_count == 0 ||
               g->rounds[round].worst[0].times < before * TC_GREEDY_GAIN_MIN;
}

int tc_greedy_step(struct tc_greedy *g, struct tc_trial *trial, const struct tc_protocol *protocol,
                   struct tc_error *err)
{
    if (g->ended)
        return 0;
    const uint32_t candidate = g->measured + 1, count = count_of(protocol);
    struct tc_greedy_action action = {.candidate = candidate};
    int status = g->round_count == 0 && g->measured == 0 ? measure_baseline(g, trial, err) : 0;
    for (uint32_t s = 0; status == 0 && candidate <= count && s < TC_GREEDY_SEEDS; s++) {
        double own = 1;
        status = rate(g, trial, s, beside(g, g->round_count, candidate), &own, err);
        action.times += g->baseline[s] / own / TC_GREEDY_SEEDS;
    }
    if (status < 0)
        return status;
    if (candidate <= count)
        keep(&g->rounds[g->round_count], action);
    g->measured++;
    if (g->measured >= count)
        end_round(g);
    return 0;
}

uint32_t tc_greedy_needs(const struct tc_protocol *protocol, uint64_t run)
{
    const uint32_t count = count_of(protocol);
    const uint64_t rounds = run == 0 || count == 0 ? 0 : (run - 1) / count;
    return rounds < TC_PERFORMANCE_TOGETHER ? (uint32_t)rounds : TC_PERFORMANCE_TOGETHER;
}

uint64_t tc_greedy_index(const struct tc_greedy *g, const struct tc_protocol *protocol, uint64_t run)
{
    const uint32_t round = tc_greedy_needs(protocol, run);
    if (round == 0 || round == TC_PERFORMANCE_TOGETHER || (g->ended && round >= g->round_count))
        return run;
    return beside(g, round, (uint32_t)((run - 1) % count_of(protocol)) + 1);
}
