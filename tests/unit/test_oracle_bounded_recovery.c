/* O12: fires when a pending request leads to no decision in time with at most f faulty; the clock forgives healing,
 * idleness and back-off. Here with the clients' histories and the replicas' execution lines;
 * test_oracle_bounded_recovery_wire.c has what is read off the wire, test_oracle_bounded_recovery_pace.c what the run's
 * own pace tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "recovery_bench.h"

static void no_decision_in_time_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_request(&b, 128, 1, false);
    bench_request(&b, 128, 2, true);
    bench_wait(&b, BOUND + 1000000);
    bench_view(&b, 1, 1, false, 0);
    bench_wait(&b, BOUND);
    bench_view(&b, 1, 1, false, 0); /* once a wait */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "no decision for 1.20 s while 1 request waits (bound 1.20 s)");
    bench_close(&b);
}

static void in_time_holds(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    bench_wait(&b, BOUND - 1000000);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_execute_as(&b, 3, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_wait(&b, 10 * (uint64_t)BOUND); /* idle: nobody waits */
    bench_request(&b, 128, 2, true);
    bench_wait(&b, 1000);
    bench_execute_as(&b, 0, 0, 2, 'b', TC_EXEC_EXECUTED, 128, 2, 'r');
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

static void healing_starts_the_clock_anew(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    bench_down(&b, 0);
    bench_down(&b, 1); /* two of one: nothing is due */
    bench_wait(&b, 5 * (uint64_t)BOUND);
    bench_up(&b, 0);
    bench_up(&b, 1);
    bench_wait(&b, BOUND - 1000000);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_HOLDS);
    bench_close(&b);
}

static void back_off_from_before_counts(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_down(&b, 0);
    bench_down(&b, 1);
    bench_request(&b, 128, 1, true);
    bench_view(&b, 2, 3, false, 800000000u); /* the view timer has grown to 0.8 s */
    bench_up(&b, 0);
    bench_up(&b, 1);
    bench_wait(&b, 5 * (uint64_t)BOUND);
    bench_execute_as(&b, 2, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

static void nothing_is_due_to_a_client_that_turned_traitor(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    bench_request(&b, 129, 1, true);
    b.faults.bitten++;
    bench_execute_as(&b, 2, 0, 1, 'a', TC_EXEC_EXECUTED, 129, 1, 'r');
    bench_execute_as(&b, 3, 0, 1, 'a', TC_EXEC_EXECUTED, 129, 1, 'r');
    tc_nodeset_add(&b.faults.signed_for, 128); /* we speak for it now */
    bench_traitor(&b, 0);
    bench_wait(&b, 5 * (uint64_t)BOUND);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

/* Its requests were dropped on the way. Nobody owes it anything until it is heard again, but others are owed. */
static const struct tc_judgement *cut_off(struct bench *b, uint16_t another, uint64_t healed_ns)
{
    bench_open(b, 4, 1, NAME);
    bench_execute_as(b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_phase(b, TC_RUN_DURING);
    bench_cut_off(b, 128, true);
    bench_request(b, 128, 1, true);
    if (another)
        bench_request(b, another, 1, true);
    bench_wait(b, 5 * (uint64_t)BOUND);
    bench_cut_off(b, 128, false);
    bench_wait(b, healed_ns);
    bench_view(b, 1, 1, false, 0);
    return bench_finish(b, NAME);
}

static void nothing_is_due_to_a_client_that_is_cut_off(void **state)
{
    (void)state;
    struct bench b;
    const struct tc_judgement *j = cut_off(&b, 0, BOUND / 4);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_non_null(strstr(j->result.reason, "6.00 s not judged: whoever waited was cut off from the replicas"));
    bench_close(&b);
    assert_int_equal(cut_off(&b, 0, BOUND + 1000000)->status, TC_VIOLATED);
    bench_close(&b);
    assert_int_equal(cut_off(&b, 129, 0)->status, TC_VIOLATED);
    bench_close(&b);
}

static void one_silent_replica_excuses_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    bench_traitor(&b, 0);
    bench_wait(&b, BOUND + 1000000);
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void a_standstill_with_too_many_faults_is_expected(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3, 0, NAME);
    bench_request(&b, 128, 1, true);
    bench_traitor(&b, 0);
    bench_wait(&b, BOUND);
    bench_phase(&b, TC_RUN_ENDED);
    bench_down(&b, 1); /* the run's own stopping of nodes */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_EXPECTED);
    assert_non_null(strstr(j->findings[0].text, "the cluster stands still"));
    assert_false(tc_judge_violations(b.judge));
    bench_close(&b);
}

/* f is what was asked for; what n replicas bear is another matter. */
static void an_f_beyond_the_third_is_not_believed(void **state)
{
    (void)state;
    for (uint32_t n = 3; n <= 4; n++) {
        struct bench b;
        bench_open(&b, n, 1, NAME);
        bench_request(&b, 128, 1, true);
        bench_traitor(&b, 0);
        bench_wait(&b, BOUND + 1000000);
        bench_phase(&b, TC_RUN_ENDED);
        assert_int_equal(bench_verdict(&b, NAME), n == 3 ? TC_EXPECTED : TC_VIOLATED);
        bench_open(&b, n, 1, NAME);
        bench_request(&b, 128, 1, true);
        bench_wait(&b, BOUND + 1000000); /* nobody is faulty: what is due is due */
        bench_phase(&b, TC_RUN_ENDED);
        assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
    }
}

/* A halt that passes: three replicas that need all three, one of them silent for a while. */
static enum tc_status passing_halt(enum tc_status expect)
{
    struct bench b;
    struct tc_judge_config config = {.has_executions = true, .has_client_history = true, .expect = expect};
    bench_open_config(&b, 3, 0, NAME, config);
    bench_request(&b, 128, 1, true);
    bench_down(&b, 0);
    bench_wait(&b, BOUND);
    bench_view(&b, 1, 1, false, 0);
    bench_up(&b, 0);
    bench_wait(&b, 1000);
    bench_execute_as(&b, 1, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    return bench_verdict(&b, NAME);
}

static void a_halt_that_passes_is_told_where_it_is_expected(void **state)
{
    (void)state;
    assert_int_equal(passing_halt(TC_EXPECTED), TC_EXPECTED);
    assert_int_equal(passing_halt(TC_HOLDS), TC_HOLDS);
}

static void a_traitors_lines_decide_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    bench_request(&b, 128, 1, true);
    bench_wait(&b, BOUND / 2);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_wait(&b, BOUND / 2 + 1000000);
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void a_silent_replica_that_goes_on_alone_decides_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_down(&b, 0); /* in F_l, though nothing was signed for it */
    bench_request(&b, 128, 1, true);
    bench_wait(&b, BOUND / 2);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_wait(&b, BOUND / 2 + 1000000);
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void what_was_executed_waits_for_no_decision(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_execute_as(&b, 2, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_request(&b, 128, 1, true); /* the client's line comes late, and its answer never */
    bench_wait(&b, 2 * (uint64_t)BOUND);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void one_replicas_execution_answers_nobody(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_execute_as(&b, 1, 0, 1, 'b', TC_EXEC_EXECUTED, 128, 1, 'r'); /* another value: forked, and halted */
    bench_wait(&b, BOUND + 1000000);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_non_null(strstr(j->findings[0].text, "while 1 request waits"));
    bench_close(&b);
}

/* Two replicas execute a request, upon these states. */
static enum tc_status executed_upon(char left, char right)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_request(&b, 128, 1, true);
    struct tc_operation operation = {.client = 128, .timestamp = 1, .fresh = true};
    for (uint16_t node = 1; node <= 2; node++) {
        struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = node};
        o.executed.sequence = 1;
        o.executed.value = toy_value('a');
        o.executed.state = toy_value(node == 1 ? left : right);
        o.executed.operations = &operation;
        o.executed.operation_count = 1;
        bench_observe(&b, o);
    }
    bench_wait(&b, BOUND + 1000000);
    return bench_verdict(&b, NAME);
}

static void forked_states_answer_nobody(void **state)
{
    (void)state;
    assert_int_equal(executed_upon('s', 't'), TC_VIOLATED);
    assert_int_equal(executed_upon('s', 's'), TC_HOLDS);
}

/* A client that gives up and asks anew waits on; one that has gone home does not. */
static enum tc_status giving_up(bool asks_anew)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    for (uint64_t timestamp = 1; timestamp <= 3; timestamp++) {
        if (timestamp == 1 || asks_anew)
            bench_request(&b, 128, timestamp, true);
        bench_wait(&b, BOUND / 2);
        struct tc_observation o = {.kind = TC_OBS_REPLIED, .node = 128};
        o.client.timestamp = timestamp; /* not ok: it gave up */
        bench_observe(&b, o);
    }
    return bench_verdict(&b, NAME);
}

static void giving_up_stops_no_clock(void **state)
{
    (void)state;
    assert_int_equal(giving_up(true), TC_VIOLATED);
    assert_int_equal(giving_up(false), TC_HOLDS);
}

/* An attack on more than f for most of its time; the cluster decides again at its end, or not while it is judged. */
static const struct tc_judgement *mostly_beyond(struct bench *b, uint64_t beyond_ns, bool decides)
{
    bench_open(b, 4, 1, NAME);
    bench_execute_as(b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_phase(b, TC_RUN_DURING);
    bench_request(b, 128, 1, true);
    bench_down(b, 0);
    bench_down(b, 1);
    bench_wait(b, beyond_ns);
    bench_up(b, 0);
    bench_up(b, 1);
    bench_wait(b, BOUND / 4);
    if (decides)
        bench_execute_as(b, 2, 0, 2, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    bench_phase(b, TC_RUN_ENDED);
    return bench_finish(b, NAME);
}

static void what_was_not_judged_is_said(void **state)
{
    (void)state;
    struct bench b;
    const struct tc_judgement *j = mostly_beyond(&b, 5 * (uint64_t)BOUND, true);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_non_null(strstr(j->result.reason, "longest time without a decision while requests waited 6.30 s"));
    assert_non_null(
        strstr(j->result.reason, "6.00 s not judged: more than f faulty or cut off, longest wait then 6.00"));
    bench_close(&b);
    assert_int_equal(mostly_beyond(&b, BOUND / 3 - 1000000, false)->status, TC_NOT_JUDGED);
    bench_close(&b);
    j = mostly_beyond(&b, BOUND / 3 - 1000000, true); /* it waited no longer than it might have, had it been judged */
    assert_int_equal(j->status, TC_HOLDS);
    assert_non_null(strstr(j->result.reason, "399 ms not judged"));
    bench_close(&b);
}

/* The faulty replica goes down and comes back again and again, with or without being a traitor as well. */
static enum tc_status restarts(bool traitor, bool decides)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_phase(&b, TC_RUN_DURING);
    bench_request(&b, 128, 1, true);
    if (traitor)
        bench_traitor(&b, 3);
    for (uint64_t i = 0; i < 8; i++) {
        bench_down(&b, 3);
        bench_wait(&b, BOUND / 4);
        bench_up(&b, 3);
        if (traitor)
            bench_traitor(&b, 3);
        bench_wait(&b, BOUND / 4);
        if (decides)
            bench_execute_as(&b, 0, 0, 2 + i, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    }
    if (decides) {
        bench_execute_as(&b, 0, 0, 10, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
        bench_execute_as(&b, 1, 0, 10, 'a', TC_EXEC_EXECUTED, 128, 1, 'r');
    }
    return bench_verdict(&b, NAME);
}

static void restarts_of_the_faulty_one_stop_no_clock(void **state)
{
    (void)state;
    assert_int_equal(restarts(false, false), TC_VIOLATED);
    assert_int_equal(restarts(true, false), TC_VIOLATED);
    assert_int_equal(restarts(false, true), TC_HOLDS);
    assert_int_equal(restarts(true, true), TC_HOLDS);
}

/* Another replica every time: the clock starts anew for each, and nothing was judged in the end. */
static void one_after_another_is_inconclusive(void **state)
{
    (void)state;
    struct bench b;
    for (int decides = 0; decides <= 1; decides++) {
        bench_open(&b, 4, 1, NAME);
        bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
        bench_request(&b, 128, 1, true);
        for (uint16_t i = 0; i < 8; i++) {
            bench_down(&b, i % 4);
            bench_wait(&b, BOUND / 2);
            bench_up(&b, i % 4);
            if (decides)
                bench_execute_as(&b, (i + 1) % 4, 0, 2 + i, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
        }
        if (decides)
            bench_request(&b, 128, 1, false);
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, decides ? TC_HOLDS : TC_INCONCLUSIVE);
        assert_int_equal(j->finding_total, 0);
        if (!decides)
            assert_non_null(strstr(j->result.reason, "who was faulty changed too often to judge it"));
        bench_close(&b);
    }
}

/* One decision, then a request that nobody has answered when the run ends. */
static const struct tc_judgement *ends_waiting(struct bench *b, uint64_t waited_ns)
{
    bench_open(b, 4, 1, NAME);
    bench_execute_as(b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_request(b, 128, 1, true);
    bench_wait(b, waited_ns);
    return bench_finish(b, NAME);
}

static void a_short_run_is_inconclusive(void **state)
{
    (void)state;
    struct bench b;
    const struct tc_judgement *j = ends_waiting(&b, BOUND / 3 + 1000000);
    assert_int_equal(j->status, TC_INCONCLUSIVE);
    assert_non_null(strstr(j->result.reason, "the run ended in the middle of a long wait"));
    bench_close(&b);
    assert_int_equal(ends_waiting(&b, BOUND / 3 - 1000000)->status, TC_HOLDS); /* within the protocol's own bound */
    bench_close(&b);
    bench_open_config(&b, 4, 1, NAME, (struct tc_judge_config){.has_executions = true});
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_decision_in_time_is_a_breach),
        cmocka_unit_test(in_time_holds),
        cmocka_unit_test(healing_starts_the_clock_anew),
        cmocka_unit_test(back_off_from_before_counts),
        cmocka_unit_test(nothing_is_due_to_a_client_that_turned_traitor),
        cmocka_unit_test(nothing_is_due_to_a_client_that_is_cut_off),
        cmocka_unit_test(one_silent_replica_excuses_nothing),
        cmocka_unit_test(an_f_beyond_the_third_is_not_believed),
        cmocka_unit_test(a_standstill_with_too_many_faults_is_expected),
        cmocka_unit_test(a_halt_that_passes_is_told_where_it_is_expected),
        cmocka_unit_test(a_traitors_lines_decide_nothing),
        cmocka_unit_test(a_silent_replica_that_goes_on_alone_decides_nothing),
        cmocka_unit_test(what_was_executed_waits_for_no_decision),
        cmocka_unit_test(one_replicas_execution_answers_nobody),
        cmocka_unit_test(forked_states_answer_nobody),
        cmocka_unit_test(giving_up_stops_no_clock),
        cmocka_unit_test(what_was_not_judged_is_said),
        cmocka_unit_test(restarts_of_the_faulty_one_stop_no_clock),
        cmocka_unit_test(one_after_another_is_inconclusive),
        cmocka_unit_test(a_short_run_is_inconclusive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
