/* O12 where a running cluster tells little or nothing: requests, replies and decisions are read off the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "recovery_bench.h"

static void say_request(struct bench *b, uint64_t timestamp)
{
    struct toy request = {.type = TOY_REQUEST, .sequence = timestamp, .value = 'r', .signer = 128};
    bench_message(b, 128, 0, &request, 1);
}

static void say_reply(struct bench *b, uint16_t replica, uint64_t timestamp, char result)
{
    struct toy reply = {.type = TOY_REPLY, .sequence = timestamp, .value = result, .signer = replica};
    bench_message(b, replica, 128, &reply, 1);
}

/* A cluster that runs already: no client's history; with or without execution lines. */
static void open_wire(struct bench *b, bool executions)
{
    bench_open_config(
        b, 4, 1, NAME,
        (struct tc_judge_config){.has_messages = true, .has_executions = executions, .links_complete = true});
}

static void requests_and_replies_are_read_off_the_wire(void **state)
{
    (void)state;
    struct bench b;
    open_wire(&b, false);
    say_request(&b, 1);
    bench_wait(&b, BOUND - 1000000);
    bench_round(&b, 0, 1, 'a');
    say_reply(&b, 0, 1, 'x');
    say_reply(&b, 1, 1, 'x');
    bench_wait(&b, 10 * (uint64_t)BOUND); /* answered: nobody waits */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 1);
    bench_close(&b);
}

static void a_running_cluster_that_halts_is_caught(void **state)
{
    (void)state;
    struct bench b;
    for (int executions = 0; executions <= 1; executions++) {
        open_wire(&b, executions);
        say_request(&b, 1);
        bench_round(&b, 0, 1, 'a');
        say_reply(&b, 0, 1, 'x');
        say_reply(&b, 0, 1, 'x'); /* the same replica twice, */
        say_reply(&b, 2, 1, 'y'); /* and another that says something else: no answer */
        bench_wait(&b, BOUND + 1000000);
        assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
    }
}

/* Replicas that fall silent have not stopped: what the wire shows decided is decided, and where it shows nothing they
 * have. */
static void who_no_longer_tells_has_not_stopped(void **state)
{
    (void)state;
    struct bench b;
    for (int partial = 0; partial <= 1; partial++) {
        for (int halted = 0; halted <= 1; halted++) {
            open_wire(&b, true);
            if (partial)
                tc_judge_executions_partial(b.judge);
            say_request(&b, 1);
            bench_wait(&b, BOUND - 1000000);
            if (!halted)
                bench_round(&b, 0, 1, 'a');
            bench_wait(&b, BOUND - 1000000);
            assert_int_equal(bench_finish(&b, NAME)->finding_total, partial && !halted ? 0 : 1);
            bench_close(&b);
        }
    }
}

static void a_wire_without_clients_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    open_wire(&b, false);
    bench_round(&b, 0, 1, 'a');
    bench_wait(&b, 2 * (uint64_t)BOUND);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_non_null(strstr(j->result.reason, "no request was seen on the wire"));
    bench_close(&b);
    open_wire(&b, false);
    say_request(&b, 1);
    struct tc_observation spliced = {.kind = TC_OBS_SPLICED, .node = 2, .peer = 3};
    bench_observe(&b, spliced); /* votes may pass unseen from here */
    bench_wait(&b, 2 * (uint64_t)BOUND);
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

static void quorums_decide_where_there_are_no_lines(void **state)
{
    (void)state;
    struct bench b;
    struct tc_judge_config config = {.has_messages = true, .has_client_history = true, .links_complete = true};
    bench_open_config(&b, 4, 1, NAME, config);
    bench_request(&b, 128, 1, true);
    bench_wait(&b, BOUND - 1000000);
    bench_round(&b, 0, 1, 'a');
    bench_wait(&b, BOUND - 1000000);
    bench_round(&b, 0, 2, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->result.compared, 2);
    bench_close(&b);
}

/* One replica of four tells what it executes, and falls silent while the others go on, or everybody halts. */
static enum tc_status one_teller(bool partial, bool goes_on)
{
    struct bench b;
    struct tc_judge_config config = {.has_messages = true,
                                     .has_executions = true,
                                     .executions_partial = partial,
                                     .has_client_history = true,
                                     .links_complete = true};
    bench_open_config(&b, 4, 1, NAME, config);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_request(&b, 128, 1, true);
    for (uint64_t sequence = 2; sequence <= 5; sequence++) {
        bench_wait(&b, BOUND - 1000000);
        if (goes_on)
            bench_round(&b, 0, sequence, 'a');
    }
    return bench_verdict(&b, NAME);
}

static void one_that_falls_silent_is_no_halt(void **state)
{
    (void)state;
    assert_int_equal(one_teller(true, true), TC_HOLDS);
    assert_int_equal(one_teller(true, false), TC_VIOLATED);
    assert_int_equal(one_teller(false, true), TC_VIOLATED); /* all tell: votes alone execute nothing */
}

static void part_of_the_lines_and_of_the_wire_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    struct tc_judge_config config = {
        .has_messages = true, .has_executions = true, .executions_partial = true, .has_client_history = true};
    bench_open_config(&b, 4, 1, NAME, config);
    bench_execute_as(&b, 0, 0, 1, 'a', TC_EXEC_EXECUTED, 0, 0, 0);
    bench_request(&b, 128, 1, true);
    bench_wait(&b, 2 * (uint64_t)BOUND);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_string_equal(j->result.reason, "traffic bypasses the proxy");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_replies_are_read_off_the_wire),
        cmocka_unit_test(a_running_cluster_that_halts_is_caught),
        cmocka_unit_test(who_no_longer_tells_has_not_stopped),
        cmocka_unit_test(a_wire_without_clients_is_not_judged),
        cmocka_unit_test(quorums_decide_where_there_are_no_lines),
        cmocka_unit_test(one_that_falls_silent_is_no_halt),
        cmocka_unit_test(part_of_the_lines_and_of_the_wire_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
