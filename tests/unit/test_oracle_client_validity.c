/* O8: fires on an operation that no client signed; not on what was seen inside another message, nor where we do not see
 * all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "client-validity"

static void ask(struct bench *b, uint16_t from, uint16_t to, uint16_t signer, char value, bool forged)
{
    struct toy s = {.type = TOY_REQUEST, .sequence = 1, .value = value, .signer = signer, .forged = forged};
    bench_message(b, from, to, &s, 1);
}

static void never_asked_for_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    ask(&b, 128, 0, 128, 'q', false);
    bench_execute_as(&b, 1, 0, 4, 'a', TC_EXEC_EXECUTED, 128, 9, 'r');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text, "sequence 4: replica 1 applied request 9 (7272…72) that was never asked "
                                             "for by client c0");
    bench_close(&b);
}

static void a_forged_request_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    ask(&b, 0, 1, 128, 'r', true); /* the primary made it up */
    bench_execute_as(&b, 1, 0, 4, 'a', TC_EXEC_EXECUTED, 128, 9, 'r');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_non_null(strstr(j->findings[0].text, "without the signature of client c0"));
    bench_close(&b);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    ask(&b, 128, 0, 128, 'q', true); /* an honest client's own words need no check */
    struct toy proposal[2] = {{.type = TOY_PROPOSE, .sequence = 1, .value = 'a', .signer = 0},
                              {.type = TOY_REQUEST, .value = 'r', .signer = 129}};
    bench_message(&b, 0, 1, proposal, 2); /* met inside the proposal first, and verified there */
    ask(&b, 0, 2, 129, 't', true);
    ask(&b, 129, 0, 129, 't', false); /* a bad copy says nothing about the good one */
    bench_execute_as(&b, 1, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'q');
    bench_execute_as(&b, 1, 0, 2, 'b', TC_EXEC_EXECUTED, 129, 1, 'r');
    bench_execute_as(&b, 1, 0, 3, 'c', TC_EXEC_EXECUTED, 129, 2, 't');
    bench_execute_as(&b, 1, 0, 4, 'd', TC_EXEC_REPLAYED, 129, 3, 'u'); /* of an earlier life */
    bench_execute(&b, 1, 0, 5, '-');                                   /* the null request */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 3);
    bench_close(&b);
}

static void not_judged_where_we_do_not_see_all(void **state)
{
    (void)state;
    struct bench b;
    bench_open_config(&b, 4, 1, NAME, (struct tc_judge_config){.has_messages = true, .has_executions = true});
    bench_execute_as(&b, 1, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'q');
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
    bench_open(&b, 4, 1, NAME);
    struct tc_observation spliced = {.kind = TC_OBS_SPLICED, .node = 0, .peer = 2};
    bench_observe(&b, spliced);
    bench_execute_as(&b, 1, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'q');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_non_null(strstr(j->result.reason, "a connection between replica 0 and replica 2 is passed raw"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_asked_for_is_a_breach),
        cmocka_unit_test(a_forged_request_is_a_breach),
        cmocka_unit_test(near_misses_hold),
        cmocka_unit_test(not_judged_where_we_do_not_see_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
