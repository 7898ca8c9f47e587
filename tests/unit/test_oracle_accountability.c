/* O19: on a fork whoever is convicted by his signatures is blamed, and nobody without a fork; blame of a correct
 * replica is a violation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "accountability"

static void open_all(struct bench *b)
{
    bench_open(b, 3, 0, NULL);
}

/* Replica 0 tells replica 1 a and replica 2 b, and both decide. */
static void fork_log(struct bench *b)
{
    for (uint16_t to = 1; to <= 2; to++) {
        struct toy s = {.type = TOY_PROPOSE, .view = 0, .sequence = 7, .value = (char)('a' + to), .signer = 0};
        bench_message_as(b, 0, to, &s, 1, false, true, true);
        s.type = TOY_COMMIT;
        bench_message_as(b, 0, to, &s, 1, false, true, true);
        s.signer = to;
        bench_message(b, to, (uint16_t)(3 - to), &s, 1);
        bench_execute(b, to, 0, 7, (char)('a' + to));
    }
}

static void the_traitor_is_blamed(void **state)
{
    (void)state;
    struct bench b;
    open_all(&b);
    bench_traitor(&b, 0);
    fork_log(&b);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_CAUGHT);
    assert_int_equal(j->finding_total, 1);
    assert_true(tc_nodeset_has(&j->findings[0].suspects, 0));
    assert_int_equal(tc_nodeset_count(&j->findings[0].suspects), 1);
    assert_string_equal(j->findings[0].text,
                        "blamed: replica 0 signed two pre-prepares for view 0, sequence 7: 6262…62 and 6363…63");
    assert_string_equal(j->findings[0].because, "the log forked at sequence 7; two signed messages convict replica 0");
    assert_int_equal(j->findings[0].evidence_count, 2);
    assert_string_equal(j->result.reason, "fork at sequence 7; blamed by signed messages: replica 0");
    struct tc_verdict_summary summary;
    tc_judge_summary(b.judge, 0, &summary);
    assert_int_equal(summary.status, TC_EXPECTED);
    assert_non_null(strstr(summary.sentence, "accountability: blamed 0"));
    bench_close(&b);
}

static void blaming_a_correct_replica_is_a_violation(void **state)
{
    (void)state;
    struct bench b;
    open_all(&b);
    fork_log(&b);
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void nobody_is_blamed_without_a_fork(void **state)
{
    (void)state;
    struct bench b;
    open_all(&b);
    bench_traitor(&b, 0);
    for (char value = 'a'; value <= 'b'; value++) {
        const struct toy s = {.type = TOY_PROPOSE, .view = 0, .sequence = 7, .value = value, .signer = 0};
        bench_message_as(&b, 0, 1, &s, 1, false, true, true);
    }
    bench_execute(&b, 1, 0, 7, 'a');
    bench_execute(&b, 2, 0, 7, 'a');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->finding_total, 0);
    assert_string_equal(j->result.reason, "no fork, so nobody to blame");
    bench_close(&b);
}

static void too_little_proof_is_said(void **state)
{
    (void)state;
    struct bench b;
    open_all(&b);
    bench_traitor(&b, 0);
    bench_execute(&b, 1, 0, 7, 'a');
    bench_execute(&b, 2, 0, 7, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_INCONCLUSIVE);
    assert_string_equal(j->result.reason, "fork at sequence 7; blamed by signed messages: nobody (0 of at least 1: "
                                          "what else was signed is not among the messages seen)");
    bench_close(&b);
}

/* A fork across views: who committed in the first and left it out of its view change. */
static void leaving_out_what_it_committed_is_blamed(void **state)
{
    (void)state;
    struct bench b;
    open_all(&b);
    bench_traitor(&b, 0);
    const struct toy commit = {.type = TOY_COMMIT, .view = 0, .sequence = 7, .value = 'a', .signer = 0};
    const struct toy forged = {.type = TOY_VIEW_CHANGE, .view = 1, .signer = 2, .forged = true};
    const struct toy change = {.type = TOY_VIEW_CHANGE, .view = 1, .signer = 0};
    const struct toy honest = {.type = TOY_COMMIT, .view = 0, .sequence = 7, .value = 'a', .signer = 2};
    bench_message_as(&b, 0, 1, &commit, 1, false, true, true);
    bench_message(&b, 2, 1, &honest, 1);
    bench_execute(&b, 1, 0, 7, 'a');
    bench_message_as(&b, 0, 2, &change, 1, false, true, true);
    bench_message_as(&b, 2, 1, &forged, 1, false, true, true); /* convicts nobody */
    bench_execute(&b, 2, 1, 7, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_CAUGHT);
    assert_string_equal(j->result.reason, "fork at sequence 7; blamed by signed messages: replica 0");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_traitor_is_blamed),
        cmocka_unit_test(blaming_a_correct_replica_is_a_violation),
        cmocka_unit_test(nobody_is_blamed_without_a_fork),
        cmocka_unit_test(too_little_proof_is_said),
        cmocka_unit_test(leaving_out_what_it_committed_is_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
