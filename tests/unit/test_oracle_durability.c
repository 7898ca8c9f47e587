/* O11: fires when a restart forgets executions, acknowledged operations or what was asked for; not on replay, state
 * transfer, wiped disks and bytes of an earlier life that are read late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "durability"

static void execute(struct bench *b, uint16_t node, uint64_t sequence, uint32_t incarnation,
                    enum tc_execution_origin origin)
{
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = node, .incarnation = incarnation};
    o.executed.sequence = sequence;
    o.executed.value = toy_value('a');
    o.executed.origin = origin;
    bench_observe(b, o);
}

/* It comes up in the life of that number: its process starts, and says so itself. */
static void restart_as(struct bench *b, uint16_t node, uint32_t incarnation)
{
    const struct tc_observation up = {.kind = TC_OBS_NODE_UP, .node = node, .incarnation = incarnation};
    bench_down(b, node);
    bench_observe(b, up);
    bench_observe(b, up);
}

static void restart(struct bench *b, uint16_t node)
{
    restart_as(b, node, 2);
}

static void forgetting_executions_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint64_t sequence = 1; sequence <= 9; sequence++)
        execute(&b, 2, sequence, 1, TC_EXEC_EXECUTED);
    restart(&b, 2);
    for (uint64_t sequence = 1; sequence <= 7; sequence++)
        execute(&b, 2, sequence, 2, TC_EXEC_REPLAYED);
    execute(&b, 2, 8, 2, TC_EXEC_EXECUTED);
    execute(&b, 2, 9, 2, TC_EXEC_EXECUTED); /* told once */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text,
                        "replica 2 executed sequence 8 anew after its restart: before, its log went to sequence 9");
    bench_close(&b);
}

static void coming_back_whole_holds(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint64_t sequence = 1; sequence <= 9; sequence++)
        execute(&b, 2, sequence, 1, TC_EXEC_EXECUTED);
    restart(&b, 2);
    execute(&b, 2, 8, 2, TC_EXEC_REPLAYED);
    execute(&b, 2, 9, 2, TC_EXEC_REPLAYED);
    execute(&b, 2, 10, 2, TC_EXEC_EXECUTED);
    restart_as(&b, 2, 3);
    execute(&b, 2, 20, 3, TC_EXEC_TRANSFERRED);
    execute(&b, 2, 21, 3, TC_EXEC_EXECUTED);
    bench_traitor(&b, 3); /* its disk was wiped */
    execute(&b, 3, 1, 1, TC_EXEC_EXECUTED);
    restart(&b, 3);
    execute(&b, 3, 1, 2, TC_EXEC_EXECUTED);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "3 restarts, 0 acknowledged operations");
    bench_close(&b);
}

static void acknowledge(struct bench *b, uint16_t client, uint64_t timestamp)
{
    bench_request(b, client, timestamp, true);
    bench_request(b, client, timestamp, false);
}

/* Everybody prints something, so that acknowledgements are judged. */
static void everybody_executes(struct bench *b, uint64_t sequence, uint64_t timestamp)
{
    for (uint16_t node = 0; node < 4; node++)
        bench_execute_as(b, node, 0, sequence, 'a', TC_EXEC_EXECUTED, 128, timestamp, 'r');
}

static void an_acknowledged_operation_that_nobody_executed_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    everybody_executes(&b, 1, 1);
    acknowledge(&b, 128, 1);
    acknowledge(&b, 128, 2);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text,
                        "client c0 accepted the result of its request 2, and no correct replica ever executed it");
    bench_close(&b);
}

static void an_acknowledged_operation_lost_by_all_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    everybody_executes(&b, 5, 1);
    everybody_executes(&b, 6, 2);
    acknowledge(&b, 128, 2);
    for (uint16_t node = 0; node < 4; node++) {
        restart(&b, node);
        execute(&b, node, 5, 2, TC_EXEC_REPLAYED);
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text, "client c0 accepted the result of its request 2, and no correct replica's "
                                             "log reaches to sequence 6 any more, where it was executed");
    bench_close(&b);
}

static void one_who_still_holds_it_is_enough(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    everybody_executes(&b, 5, 1);
    everybody_executes(&b, 6, 2);
    acknowledge(&b, 128, 2);
    for (uint16_t node = 0; node < 4; node++) {
        restart(&b, node);
        if (node != 3) /* it printed nothing yet */
            execute(&b, node, 5, 2, TC_EXEC_REPLAYED);
    }
    /* a line that is read after the client's */
    bench_request(&b, 129, 7, true);
    bench_request(&b, 129, 7, false);
    bench_execute_as(&b, 1, 0, 7, 'b', TC_EXEC_REPLAYED, 129, 7, 'r');
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

static void silent_replicas_hide_who_executed_it(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    execute(&b, 0, 1, 1, TC_EXEC_EXECUTED);
    acknowledge(&b, 128, 1);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_non_null(strstr(j->result.reason, "not every replica prints"));
    bench_close(&b);
}

static void vote(struct bench *b, uint64_t view, uint64_t sequence)
{
    const struct toy s = {.type = TOY_PREPARE, .view = view, .sequence = sequence, .value = 'a', .signer = 1};
    bench_message(b, 1, 0, &s, 1);
}

static void ask(struct bench *b, uint64_t view)
{
    const struct toy s = {.type = TOY_VIEW_CHANGE, .view = view, .signer = 1};
    bench_message(b, 1, 0, &s, 1);
}

static void breaking_a_promise_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    execute(&b, 1, 3, 1, TC_EXEC_EXECUTED);
    vote(&b, 0, 4);
    ask(&b, 1);
    restart(&b, 1);
    bench_link_up(&b, 1, 0);
    vote(&b, 0, 4); /* said before */
    vote(&b, 1, 5);
    vote(&b, 0, 3); /* executed: it helps others */
    assert_int_equal(tc_judge_violations(b.judge), 0);
    vote(&b, 0, 6);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "replica 1 said a prepare for view 0 after its restart: before, it had "
                                             "asked for view 1");
    assert_true(j->findings[0].evidence[0].signature_valid);
    bench_close(&b);
}

static void proposal(struct bench *b, uint64_t sequence)
{
    const struct toy s = {.type = TOY_PROPOSE, .view = 0, .sequence = sequence, .value = 'a', .signer = 0};
    bench_message(b, 0, 1, &s, 1);
}

/* What it voted for before its crash may have been lost before we saw it, and be said again; what it hears only
 * afterwards is no such thing. */
static void a_vote_that_was_lost_before_the_crash_is_said_again(void **state)
{
    (void)state;
    struct bench b;
    for (int late = 0; late < 2; late++) {
        bench_open(&b, 4, 1, NAME);
        execute(&b, 1, 3, 1, TC_EXEC_EXECUTED);
        if (!late)
            proposal(&b, 6);
        ask(&b, 1);
        restart(&b, 1);
        bench_link_up(&b, 1, 0);
        if (late)
            proposal(&b, 6);
        vote(&b, 0, 6);
        assert_int_equal(bench_verdict(&b, NAME), late ? TC_VIOLATED : TC_HOLDS);
    }
}

static void bytes_of_the_earlier_life_are_no_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    execute(&b, 1, 1, 1, TC_EXEC_EXECUTED);
    ask(&b, 1);
    restart(&b, 1);
    vote(&b, 0, 6); /* read late, from the old connection */
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgetting_executions_is_a_breach),
        cmocka_unit_test(coming_back_whole_holds),
        cmocka_unit_test(an_acknowledged_operation_that_nobody_executed_is_a_breach),
        cmocka_unit_test(an_acknowledged_operation_lost_by_all_is_a_breach),
        cmocka_unit_test(one_who_still_holds_it_is_enough),
        cmocka_unit_test(silent_replicas_hide_who_executed_it),
        cmocka_unit_test(breaking_a_promise_is_a_breach),
        cmocka_unit_test(a_vote_that_was_lost_before_the_crash_is_said_again),
        cmocka_unit_test(bytes_of_the_earlier_life_are_no_breach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
