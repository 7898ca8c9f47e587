/* The greedy search of performance: which run is which, what a round settles on, and that every search finds the same.
 * links: tc_trial */
#include "../../proxy/trial_greedy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tc_scenario scenario;

static const struct tc_protocol *pbft(void)
{
    return tc_protocol_find("pbft");
}

static struct tc_trial *open_trial(void)
{
    struct tc_error err = {0};
    struct tc_trial *trial;
    assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, "hunt-pbft", &scenario, &err), 0);
    const struct tc_trial_setup setup = {.scenario = &scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find("performance"),
                                         .decisions_max = 2};
    assert_int_equal(tc_trial_new(&setup, &trial, &err), 0);
    return trial;
}

static void step(struct tc_greedy *greedy, struct tc_trial *trial)
{
    struct tc_error err = {0};
    if (tc_greedy_step(greedy, trial, pbft(), &err) != 0)
        fail_msg("%s", err.text);
}

static void runs_go_from_one_action_to_three(void **state)
{
    (void)state;
    const uint64_t count = tc_performance_count(pbft());
    struct tc_greedy greedy = {.round_count = 2};
    greedy.rounds[0].worst[0].candidate = 7;
    greedy.rounds[1].worst[0].candidate = 40;
    for (uint64_t run = 0; run <= count; run++) {
        assert_int_equal(tc_greedy_needs(pbft(), run), 0);
        assert_int_equal(tc_greedy_index(&greedy, pbft(), run), run);
    }
    assert_int_equal(tc_greedy_needs(pbft(), count + 1), 1);
    assert_int_equal(tc_greedy_index(&greedy, pbft(), count + 5), tc_performance_index((uint32_t[]){7, 5}, 2));
    assert_int_equal(tc_greedy_needs(pbft(), 2 * count + 1), 2);
    assert_int_equal(tc_greedy_index(&greedy, pbft(), 2 * count + 9), tc_performance_index((uint32_t[]){7, 40, 9}, 3));
    assert_int_equal(tc_greedy_needs(pbft(), 3 * count + 1), 3);
    assert_int_equal(tc_greedy_index(&greedy, pbft(), 3 * count + 1), 3 * count + 1);
    greedy.ended = true; /* the second round added nothing: nothing goes on from it */
    assert_int_equal(tc_greedy_index(&greedy, pbft(), count + 5), tc_performance_index((uint32_t[]){7, 5}, 2));
    assert_int_equal(tc_greedy_index(&greedy, pbft(), 2 * count + 9), 2 * count + 9);
}

/* A leader whose proposals are dropped must be among what is worst, and a second search begins alike. */
static void a_round_settles_on_the_worst(void **state)
{
    (void)state;
    struct tc_greedy greedy = {.seed = 5}, other = {.seed = 5}, third = {.seed = 6};
    struct tc_trial *trial = open_trial();
    while (greedy.round_count == 0)
        step(&greedy, trial);
    tc_trial_free(trial);
    const struct tc_greedy_round *round = &greedy.rounds[0];
    char text[128];
    assert_int_equal(round->worst_count, TC_GREEDY_WORST);
    for (uint32_t i = 1; i < round->worst_count; i++)
        assert_true(round->worst[i].times <= round->worst[i - 1].times && round->worst[i].times > 0);
    assert_true(round->worst[0].times > 2);
    assert_non_null(strstr(tc_performance_text(pbft(), round->worst[0].candidate, text, sizeof text), "pre-prepare"));
    assert_false(greedy.ended);
    assert_int_equal(greedy.measured, 0);

    struct tc_greedy early = {.seed = 5};
    struct tc_trial *again = open_trial(), *fresh = open_trial();
    for (int i = 0; i < 8; i++) {
        step(&early, again);
        step(&other, fresh);
        step(&third, fresh);
    }
    assert_memory_equal(&early, &other, sizeof early);
    assert_true(memcmp(early.baseline, third.baseline, sizeof early.baseline) != 0);
    tc_trial_free(again);
    tc_trial_free(fresh);
}

/* What is in an index acts, each part of it. */
static void actions_act_together(void **state)
{
    (void)state;
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct tc_trial *trial = open_trial();
    uint64_t hashes[3];
    uint32_t both[2] = {0};
    char text[128];
    for (uint32_t c = 1; c <= tc_performance_count(pbft()); c++) {
        tc_performance_text(pbft(), c, text, sizeof text);
        if (strcmp(text, "pre-prepare held for 0.1 of the view timer") == 0)
            both[0] = c;
        if (strcmp(text, "commit said twice") == 0)
            both[1] = c;
    }
    assert_true(both[0] > 0 && both[1] > 0);
    const uint64_t indices[3] = {both[0], both[1], tc_performance_index(both, 2)};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tc_trial_run(trial, &(struct tc_trial_request){.seed = 9, .index = indices[i]}, &result, &err),
                         0);
        hashes[i] = result.hash;
        assert_int_equal(result.engine_stats.asked[TC_DELAY] > 0, i != 1);
        assert_int_equal(result.engine_stats.asked[TC_DUPLICATE] > 0, i != 0);
    }
    assert_true(hashes[0] != hashes[2] && hashes[1] != hashes[2]);
    tc_trial_free(trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_go_from_one_action_to_three),
        cmocka_unit_test(a_round_settles_on_the_worst),
        cmocka_unit_test(actions_act_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
