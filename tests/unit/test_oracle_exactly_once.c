/* O9: fires when one request is applied at two places of one log; not on retellings and duplicates answered from the
 * cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "exactly-once"

static void applied_twice_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 2, 0, 5, 'a', TC_EXEC_EXECUTED, 128, 17, 'r');
    bench_execute_as(&b, 2, 0, 6, 'b', TC_EXEC_EXECUTED, 128, 17, 'r');
    bench_execute_as(&b, 2, 0, 7, 'c', TC_EXEC_EXECUTED, 128, 17, 'r'); /* told once */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text,
                        "replica 2 applied request 17 of client c0 twice: at sequence 5 and at sequence 6");
    bench_close(&b);
}

static void what_a_state_holds_is_not_applied_again(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 2, 0, 8, 'a', TC_EXEC_TRANSFERRED, 128, 17, 'r');
    bench_execute_as(&b, 1, 0, 7, 'b', TC_EXEC_EXECUTED, 128, 18, 'r'); /* another replica */
    bench_execute_as(&b, 2, 0, 7, 'b', TC_EXEC_EXECUTED, 128, 18, 'r');
    bench_execute_as(&b, 2, 0, 8, 'c', TC_EXEC_EXECUTED, 128, 19, 'r'); /* told once */
    bench_execute_as(&b, 2, 0, 9, 'd', TC_EXEC_EXECUTED, 128, 20, 'r');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "replica 2 applied request 18 of client c0 at sequence 7, though the "
                                             "state of sequence 8 that it was given holds it already");
    bench_close(&b);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 0, 0, 5, 'a', TC_EXEC_EXECUTED, 128, 17, 'r');
    bench_execute_as(&b, 1, 0, 5, 'a', TC_EXEC_EXECUTED, 128, 17, 'r'); /* every replica once */
    bench_execute_as(&b, 0, 0, 5, 'a', TC_EXEC_EXECUTED, 128, 17, 'r'); /* told again at the same place */
    bench_execute_as(&b, 0, 0, 6, 'a', TC_EXEC_REPLAYED, 128, 17, 'r');
    bench_execute_as(&b, 0, 0, 6, 'a', TC_EXEC_TRANSFERRED, 128, 17, 'r');
    bench_execute_as(&b, 0, 0, 7, 'a', TC_EXEC_EXECUTED, 129, 17, 'r'); /* another client */
    bench_execute_as(&b, 0, 0, 8, 'a', TC_EXEC_EXECUTED, 128, 18, 'r'); /* the same words anew */
    bench_execute_as(&b, 1, 0, 9, 'a', TC_EXEC_EXECUTED, 128, 18, 'r'); /* agreement's business */
    struct tc_operation cached = {.client = 128, .timestamp = 17, .fresh = false};
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = 0};
    o.executed.sequence = 10;
    o.executed.operations = &cached;
    o.executed.operation_count = 1;
    bench_observe(&b, o);
    bench_traitor(&b, 3);
    bench_execute_as(&b, 3, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_execute_as(&b, 3, 0, 2, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 3);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applied_twice_is_a_breach),
        cmocka_unit_test(what_a_state_holds_is_not_applied_again),
        cmocka_unit_test(near_misses_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
