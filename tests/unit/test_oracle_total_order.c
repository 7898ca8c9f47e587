/* O2: fires on gaps, steps back and other operations; not after transfers and restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "total-order"

static void a_gap_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 1, 0, 1, 'a');
    bench_execute(&b, 1, 0, 3, 'c');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text,
                        "replica 1 executed sequence 3 after sequence 1: what lies between is missing");
    bench_close(&b);
}

static void a_step_back_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 1, 0, 1, 'a');
    bench_execute(&b, 1, 0, 2, 'b');
    bench_execute(&b, 1, 0, 2, 'b');
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void other_operations_are_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 7, 'r');
    bench_execute_as(&b, 1, 0, 1, 'a', TC_EXEC_EXECUTED, 129, 7, 'r');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_non_null(strstr(j->findings[0].text, "not the same ones in the same order"));
    bench_close(&b);
}

static void transfers_and_restarts_may_jump(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 1, 0, 1, 'a');
    bench_execute_as(&b, 1, 0, 128, 0, TC_EXEC_TRANSFERRED, 0, 0, 0);
    bench_execute(&b, 1, 0, 129, 'x');
    struct tc_observation up = {.kind = TC_OBS_NODE_UP, .node = 1, .incarnation = 2};
    bench_observe(&b, up);
    struct tc_observation again = {.kind = TC_OBS_EXECUTED, .node = 1, .incarnation = 2};
    again.executed.sequence = 64; /* from its last snapshot */
    again.executed.value = toy_value('s');
    again.executed.origin = TC_EXEC_REPLAYED;
    bench_observe(&b, again);
    again.executed.sequence = 65;
    again.executed.origin = TC_EXEC_EXECUTED;
    bench_observe(&b, again);
    bench_execute_as(&b, 2, 0, 9, 'q', TC_EXEC_TENTATIVE, 0, 0, 0);
    bench_execute(&b, 2, 0, 1, 'a');
    bench_execute(&b, 2, 0, 2, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 1);
    bench_close(&b);
}

/* Fetched to catch up, and told by asking when what came after was printed already. */
static void what_is_told_late_moves_no_end(void **state)
{
    (void)state;
    for (uint64_t next = 24; next <= 25; next++) {
        struct bench b;
        bench_open(&b, 4, 1, NAME);
        bench_execute(&b, 1, 0, 23, 'a');
        bench_execute(&b, 2, 0, 23, 'a');
        for (uint64_t late = 13; late < 23; late++)
            bench_execute_as(&b, 1, 0, late, 'a', TC_EXEC_REPLAYED, 0, 0, 0);
        bench_execute(&b, 1, 0, next, 'a');
        assert_int_equal(bench_verdict(&b, NAME), next == 24 ? TC_HOLDS : TC_VIOLATED);
    }
}

static void a_traitors_log_binds_nobody(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 1);
    bench_execute(&b, 1, 0, 1, 'a');
    bench_execute(&b, 1, 0, 9, 'a');
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void a_fork_leaves_no_order_to_judge(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t node = 0; node < 2; node++) {
        bench_execute(&b, node, 0, 1, 'a');
        bench_execute(&b, node, 0, 2, node == 0 ? 'a' : 'b');
        bench_execute(&b, node, 0, 3, 'c');
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_int_equal(j->result.compared, 1);
    assert_string_equal(j->result.reason, "not judged from sequence 2 on: agreement broke there; before, 1 executions "
                                          "compared with another replica's");
    bench_close(&b);
    bench_open(&b, 4, 1, NAME); /* a fork hides no gap */
    bench_execute(&b, 0, 0, 1, 'a');
    bench_execute(&b, 1, 0, 1, 'b');
    bench_execute(&b, 1, 0, 3, 'c');
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_a_breach),
        cmocka_unit_test(a_step_back_is_a_breach),
        cmocka_unit_test(other_operations_are_a_breach),
        cmocka_unit_test(transfers_and_restarts_may_jump),
        cmocka_unit_test(what_is_told_late_moves_no_end),
        cmocka_unit_test(a_traitors_log_binds_nobody),
        cmocka_unit_test(a_fork_leaves_no_order_to_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
