/* The judge where little was seen: what proves nothing is inconclusive or not judged, and says why. */
#include "judge_fixture.h"

static void an_attack_that_never_bit_proves_nothing(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, true), 0);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_INCONCLUSIVE);
    assert_int_equal(s.exit_code, 3);
    assert_non_null(strstr(s.sentence, "no fault of the attack ever bit"));
}

static void bites_are_counted_up_to_the_end(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, true), 0);
    tc_judge_bitten(b.judge, 7); /* of links whose faulty set never changed */
    assert_int_equal(finish(&b, 0).status, TC_HOLDS);
}

static void an_empty_run_proves_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open_config(&b, 4, 1, NULL, config_with(TC_HOLDS, -1, false));
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_INCONCLUSIVE);
    assert_int_equal(s.exit_code, 3);
}

static void a_bound_reached_proves_nothing_but_excuses_nothing(void **state)
{
    (void)state;
    struct tc_observation overflow = {.kind = TC_OBS_OVERFLOW, .text = "byte budget of link 0→2"};
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    bench_observe(&b, overflow);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_INCONCLUSIVE);
    assert_non_null(strstr(s.sentence, "byte budget of link 0→2"));
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    bench_observe(&b, overflow);
    fork_log(&b, 1, 2, 4);
    assert_int_equal(finish(&b, 0).status, TC_VIOLATED);
}

/* A client waits for ever. If turncoat could not carry a connection, nobody knows whose doing that is. */
static struct tc_verdict_summary waits_for_ever(bool ours)
{
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    bench_request(&b, 128, 4, true);
    bench_wait(&b, UINT64_C(60000000000));
    bench_view(&b, 1, 1, false, 0);
    assert_int_equal(tc_judge_violations(b.judge), 1);
    bench_observe(&b, (struct tc_observation){.kind = TC_OBS_OVERFLOW,
                                              .node = 1,
                                              .peer = 2,
                                              .not_carried = ours,
                                              .text = "no connection to replica 2 could be opened from here"});
    assert_int_equal(tc_judge_violations(b.judge), !ours);
    return finish(&b, 0);
}

static void a_connection_that_we_failed_to_carry_blames_nobody(void **state)
{
    (void)state;
    assert_int_equal(waits_for_ever(false).status, TC_VIOLATED);
    const struct tc_verdict_summary s = waits_for_ever(true);
    assert_int_equal(s.status, TC_INCONCLUSIVE);
    assert_non_null(strstr(s.sentence, "a bound was reached (no connection to replica 2 could be opened from here)"));
    struct bench b; /* what breaks safety is nobody's excuse */
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    bench_observe(&b, (struct tc_observation){.kind = TC_OBS_OVERFLOW, .peer = 2, .not_carried = true, .text = ""});
    fork_log(&b, 1, 2, 4);
    assert_int_equal(finish(&b, 0).status, TC_VIOLATED);
}

static void a_spliced_link_leaves_its_oracles_unjudged(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    struct tc_observation spliced = {.kind = TC_OBS_SPLICED, .node = 2, .peer = 3};
    bench_observe(&b, spliced);
    tc_judge_finish(b.judge, b.now_ns);
    size_t unjudged = 0;
    for (size_t i = 0; i < tc_judge_count(b.judge); i++) {
        const struct tc_judgement *j = tc_judge_get(b.judge, i);
        assert_int_equal(j->oracle->needs_links ? TC_NOT_JUDGED : j->status, j->status);
        unjudged += j->oracle->needs_links;
    }
    assert_true(unjudged >= 5);
    struct tc_verdict_summary s;
    tc_judge_summary(b.judge, 0, &s);
    assert_int_equal(s.status, TC_HOLDS); /* agreement still was judged */
    char text[240];
    assert_non_null(strstr(tc_judge_partial(b.judge, text), "between replica 2 and replica 3 is passed raw since"));
    bench_close(&b);
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    tc_judge_finish(b.judge, b.now_ns);
    assert_null(tc_judge_partial(b.judge, text));
    bench_close(&b);
}

static size_t unjudged_after(struct bench *b, bool all_speak, uint16_t from)
{
    bench_open_config(b, 4, 1, NULL, config_with(TC_HOLDS, -1, false));
    for (uint16_t i = 0; i < (all_speak ? 4 : 3); i++) {
        struct toy vote = {.type = TOY_PREPARE, .sequence = 1, .value = 'a', .signer = i};
        bench_message(b, i, (uint16_t)(i == 0), &vote, 1);
    }
    load(b);
    struct tc_observation spliced = {.kind = TC_OBS_SPLICED, .node = from, .peer = 3};
    bench_observe(b, spliced);
    bench_observe(b, spliced);
    tc_judge_finish(b->judge, b->now_ns);
    size_t raw = 0;
    for (size_t i = 0; i < tc_judge_count(b->judge); i++)
        raw += strstr(tc_judge_get(b->judge, i)->result.reason, "is passed raw") != NULL;
    return raw;
}

static void junk_that_named_nobody_takes_nothing(void **state)
{
    (void)state;
    struct bench b;
    assert_int_equal(unjudged_after(&b, true, TC_NODE_NONE), 0);
    bench_close(&b);
    assert_true(unjudged_after(&b, true, 2) >= 5);
    bench_close(&b);
    /* One replica was never heard on a link with its name: those connections may have been its own. */
    assert_true(unjudged_after(&b, false, TC_NODE_NONE) >= 5);
    bench_close(&b);
}

static void the_sentence_counts_what_was_not_judged(void **state)
{
    (void)state;
    struct bench b;
    unjudged_after(&b, true, 2);
    struct tc_verdict_summary s;
    tc_judge_summary(b.judge, 0, &s);
    char count[32];
    snprintf(count, sizeof count, " of %zu oracles not judged", tc_judge_count(b.judge));
    assert_non_null(strstr(s.sentence, count));
    bench_close(&b);
    struct tc_judge_config config = config_with(TC_HOLDS, -1, false);
    config.has_executions = false; /* agreement is not judged, and the toy states no rules for justification */
    bench_open_config(&b, 4, 1, NULL, config);
    bench_round(&b, 0, 1, 'a');
    s = finish(&b, 0);
    assert_int_equal(s.status, TC_INCONCLUSIVE);
}

static void nothing_holds_over_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, "certificate-validity");
    const struct tc_judgement *j = bench_finish(&b, "certificate-validity");
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_string_equal(j->result.reason, "nothing to compare: no certificates were seen");
    bench_close(&b);
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    tc_judge_finish(b.judge, b.now_ns);
    for (size_t i = 0; i < tc_judge_count(b.judge); i++)
        assert_true(tc_judge_get(b.judge, i)->status != TC_HOLDS || tc_judge_get(b.judge, i)->result.compared > 0);
    struct tc_verdict_summary s;
    tc_judge_summary(b.judge, 0, &s);
    assert_int_equal(s.status, TC_HOLDS); /* that no certificate was said fails nobody */
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attack_that_never_bit_proves_nothing),
        cmocka_unit_test(bites_are_counted_up_to_the_end),
        cmocka_unit_test(an_empty_run_proves_nothing),
        cmocka_unit_test(a_bound_reached_proves_nothing_but_excuses_nothing),
        cmocka_unit_test(a_connection_that_we_failed_to_carry_blames_nobody),
        cmocka_unit_test(a_spliced_link_leaves_its_oracles_unjudged),
        cmocka_unit_test(junk_that_named_nobody_takes_nothing),
        cmocka_unit_test(the_sentence_counts_what_was_not_judged),
        cmocka_unit_test(nothing_holds_over_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
