/* O12: how long a wait is, by the pace of the run before the attack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "recovery_bench.h"

/* Decisions at this pace until the attack; then none, for so long. */
static enum tc_status halts_after(uint64_t decisions, uint64_t pace_ns, uint64_t halted_ns)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_phase(&b, TC_RUN_BEFORE);
    for (uint64_t i = 1; i <= decisions; i++) {
        bench_request(&b, 128, i, true);
        bench_wait(&b, pace_ns);
        bench_execute_as(&b, 0, 0, i, 'a', TC_EXEC_EXECUTED, 128, i, 'r');
        bench_request(&b, 128, i, false);
    }
    bench_request(&b, 128, decisions + 1, true);
    bench_phase(&b, TC_RUN_DURING);
    bench_wait(&b, halted_ns);
    return bench_verdict(&b, NAME);
}

/* The toy's bound is 400 ms. With 2 ms between decisions a machine is given 500 ms, ten times 2 ms, and the 300 ms in
 * which a client asks again. */
static void a_halt_is_known_by_the_runs_own_pace(void **state)
{
    (void)state;
    assert_int_equal(halts_after(30, 2000000, 830000000), TC_VIOLATED);
    assert_int_equal(halts_after(30, 2000000, 810000000), TC_INCONCLUSIVE);
    assert_int_equal(halts_after(10, 2000000, 850000000), TC_INCONCLUSIVE); /* too few to know the machine by */
    assert_int_equal(halts_after(30, 10000000, 890000000), TC_INCONCLUSIVE);
    assert_int_equal(halts_after(30, 10000000, 910000000), TC_VIOLATED);
    assert_int_equal(halts_after(30, 50000000, BOUND - 1000000), TC_INCONCLUSIVE); /* never more than three times */
    assert_int_equal(halts_after(30, 50000000, BOUND + 2000000), TC_VIOLATED);
}

/* A request that waits when the run ends, for less than the protocol's own bound of 400 ms: after 200 ms of the attack
 * in which there were decisions, or none. */
static enum tc_status ends_in_a_wait(bool decides, uint64_t waited_ns)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_phase(&b, TC_RUN_BEFORE);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_request(&b, 128, 1, true);
    bench_phase(&b, TC_RUN_DURING);
    bench_wait(&b, 200000000);
    if (decides) {
        bench_execute_as(&b, 0, 0, 2, 'b', TC_EXEC_EXECUTED, 128, 1, 'r');
        bench_request(&b, 128, 1, false);
        bench_request(&b, 128, 2, true);
    }
    bench_wait(&b, waited_ns);
    return bench_verdict(&b, NAME);
}

/* Where clients waited and next to nothing was decided, nothing has been shown, however long a view timer is. */
static void a_run_that_is_all_wait_did_not_hold(void **state)
{
    (void)state;
    assert_int_equal(ends_in_a_wait(false, 150000000), TC_INCONCLUSIVE);
    assert_int_equal(ends_in_a_wait(true, 150000000), TC_HOLDS);
    assert_int_equal(ends_in_a_wait(true, 250000000), TC_INCONCLUSIVE);
    assert_int_equal(halts_after(30, 2000000, 390000000), TC_INCONCLUSIVE);
}

/* A chain that decides every 30 ms unasked, while two of four are cut off; then they are back, and it stands. */
static enum tc_status chain_stops_for(uint64_t calm_decisions, uint64_t stopped_ns)
{
    static struct tc_protocol chain;
    struct bench b;
    chain = toy_protocol;
    chain.decides_always = true;
    bench_open_config(&b, 4, 1, NAME,
                      (struct tc_judge_config){
                          .protocol = &chain, .has_executions = true, .has_messages = true, .links_complete = true});
    bench_phase(&b, TC_RUN_BEFORE);
    for (uint64_t i = 1; i <= calm_decisions + 1; i++) {
        bench_wait(&b, 30000000);
        if (i > calm_decisions) {
            bench_phase(&b, TC_RUN_DURING);
            bench_down(&b, 2);
            bench_down(&b, 3);
        }
        bench_execute(&b, 0, 0, i, 'a');
    }
    bench_wait(&b, stopped_ns - 50000000);
    bench_up(&b, 2);
    bench_up(&b, 3);
    bench_wait(&b, 50000000);
    return bench_verdict(&b, NAME);
}

/* A view timer is 100 ms, ten waits are 300 ms, the protocol's own bound is 400 ms. */
static void a_chain_that_stopped_did_not_hold(void **state)
{
    (void)state;
    assert_int_equal(chain_stops_for(5, 310000000), TC_INCONCLUSIVE);
    assert_int_equal(chain_stops_for(5, 290000000), TC_NOT_JUDGED); /* as it was: too much of it with two faulty */
    assert_int_equal(chain_stops_for(1, 310000000), TC_NOT_JUDGED); /* nobody knows its pace */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halt_is_known_by_the_runs_own_pace),
        cmocka_unit_test(a_run_that_is_all_wait_did_not_hold),
        cmocka_unit_test(a_chain_that_stopped_did_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
