/* O18: fires on a bad signature that nothing we changed explains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "bad-signatures"

static const struct toy prepare = {.type = TOY_PREPARE, .sequence = 1, .value = 'a', .signer = 2};

static void complain(struct bench *b, uint16_t node, uint16_t peer, const char *text)
{
    struct tc_observation o = {.kind = TC_OBS_COMPLAINT, .node = node, .peer = peer, .text = text};
    bench_observe(b, o);
}

static void unexplained_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_message(&b, 2, 1, &prepare, 1);
    complain(&b, 1, 2, "bad signature on prepare");
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text, "replica 1 complains about replica 2, though nothing between them was "
                                             "touched: bad signature on prepare");
    bench_close(&b);
}

static void a_touched_link_elsewhere_explains_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_message_as(&b, 2, 3, &prepare, 1, false, true, true);
    complain(&b, 1, 2, "bad signature on prepare");
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_message_as(&b, 2, 1, &prepare, 1, false, true, true); /* we changed it */
    complain(&b, 1, 2, "bad signature on prepare");
    complain(&b, 3, 1, "bad signature on request");   /* 1 may have passed on what we changed */
    complain(&b, 3, 128, "bad signature on request"); /* 3 met it inside another's message */
    complain(&b, 0, 2, "view 7 is too far ahead");    /* of no signature */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "3 complaints about signatures, 3 explained by what we changed");
    bench_close(&b);
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 2);
    bench_message(&b, 2, 1, &prepare, 1);
    complain(&b, 1, 2, "bad signature on prepare");
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

/* Nobody can tell from its own MAC whether the others' are good: it passes on what we spoilt, and is as correct. */
static void spoilt_macs_are_passed_on(void **state)
{
    (void)state;
    static const struct toy request = {.type = TOY_REQUEST, .sequence = 1, .value = 'a', .signer = 130};
    static const char *const texts[] = {"bad signature on request of client 130 in pre-prepare",
                                        "bad signature on state request"}; /* which its sender signs itself */
    for (int mac = 0; mac <= 1; mac++)
        for (int touched = 0; touched <= 1; touched++)
            for (int own = 0; own <= 1; own++) {
                struct bench b;
                bench_open(&b, 4, 1, NAME);
                b.cluster.request_authentication = mac ? TC_AUTH_MAC : TC_AUTH_SIGNATURE;
                bench_message_as(&b, 130, 0, &request, 1, false, true, touched);
                complain(&b, 3, 1, texts[own]);
                assert_int_equal(bench_verdict(&b, NAME), mac && touched && !own ? TC_HOLDS : TC_VIOLATED);
            }
}

static void complaints_that_nobody_reads_are_not_judged(void **state)
{
    (void)state;
    struct bench b;
    for (int unread = 0; unread <= 1; unread++) {
        const struct tc_judge_config config = {
            .has_executions = true, .complaints_unread = unread, .has_messages = true, .links_complete = true};
        bench_open_config(&b, 4, 1, NAME, config);
        bench_message(&b, 2, 1, &prepare, 1);
        bench_execute(&b, 1, 0, 1, 'a');
        assert_int_equal(bench_verdict(&b, NAME), unread ? TC_NOT_JUDGED : TC_HOLDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unexplained_is_a_breach),
        cmocka_unit_test(a_touched_link_elsewhere_explains_nothing),
        cmocka_unit_test(near_misses_hold),
        cmocka_unit_test(spoilt_macs_are_passed_on),
        cmocka_unit_test(complaints_that_nobody_reads_are_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
