/* O1: fires on two different values at one sequence number; not on views, tentative lines, traitors, retold lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "agreement"

static void vote(struct bench *b, enum toy_type type, uint16_t signer, uint16_t to, char value)
{
    struct toy s = {.type = type, .view = 0, .sequence = 41, .value = value, .signer = signer};
    bench_message(b, signer, to, &s, 1);
}

static void fires_with_reason_and_votes(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    vote(&b, TOY_PROPOSE, 0, 1, 'a');
    vote(&b, TOY_PROPOSE, 0, 3, 'b');
    vote(&b, TOY_PREPARE, 1, 3, 'a');
    vote(&b, TOY_PREPARE, 2, 3, 'a');
    vote(&b, TOY_PREPARE, 3, 1, 'b');
    vote(&b, TOY_COMMIT, 0, 3, 'b');
    vote(&b, TOY_COMMIT, 3, 1, 'b');
    bench_execute(&b, 1, 0, 41, 'a');
    bench_execute(&b, 3, 0, 41, 'b');
    bench_execute(&b, 2, 0, 41, 'b'); /* once a sequence number is enough */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_count, 1);
    const struct tc_finding *f = &j->findings[0];
    assert_string_equal(f->text, "sequence 41: replica 1 executed 6161…61, replica 3 executed 6262…62");
    assert_non_null(strstr(f->because, "replica 2's prepare names 6161…61"));
    assert_non_null(strstr(f->because, "where 3 are needed"));
    assert_true(f->evidence_count >= 6);
    assert_int_equal(f->evidence[0].frame.len, 0); /* the two execution lines come first */
    assert_true(f->evidence[2].frame.len > 0);
    assert_true(f->evidence[2].signature_valid);
    assert_true(f->has_sequence && f->sequence == 41);
    bench_close(&b);
}

static void names_those_who_signed_both(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3, 0, NAME);
    b.cluster.quorum = 2;
    bench_traitor(&b, 0);
    for (int side = 0; side < 2; side++) {
        char value = side ? 'b' : 'a';
        uint16_t backup = side ? 2 : 1;
        vote(&b, TOY_PROPOSE, 0, backup, value);
        vote(&b, TOY_PREPARE, backup, 0, value);
        vote(&b, TOY_COMMIT, 0, backup, value);
        vote(&b, TOY_COMMIT, backup, 0, value);
        bench_execute(&b, backup, 0, 41, value);
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_EXPECTED); /* one traitor where none is allowed */
    assert_non_null(strstr(j->findings[0].because, "both have their quorums, for replica 0 signed both"));
    bench_close(&b);
}

static void evidence_shows_what_was_heard(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 3, 0, NAME);
    b.cluster.quorum = 2;
    bench_traitor(&b, 0);
    struct toy s = {.type = TOY_PROPOSE, .sequence = 41, .value = 'a', .signer = 0};
    bench_message_as(&b, 0, 2, &s, 1, true, false, false); /* said to 2 first, and replaced on its way */
    s.value = 'b';
    bench_message_as(&b, 0, 2, &s, 1, false, true, true);
    s.value = 'a';
    bench_message(&b, 0, 1, &s, 1);
    bench_execute(&b, 1, 0, 41, 'a');
    bench_execute(&b, 2, 0, 41, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    const struct tc_finding *f = &j->findings[0];
    assert_int_equal(f->evidence_count, 4);
    assert_int_equal(f->evidence[2].to, 1); /* 'a' as replica 1 heard it, not as it was said to replica 2 */
    assert_non_null(strstr(f->evidence[2].text, "6161…61"));
    assert_int_equal(f->evidence[3].to, 2);
    assert_non_null(strstr(f->evidence[3].text, "6262…62"));
    bench_close(&b);
}

static void holds_over_views_and_retellings(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 0, 0, 1, 'a');
    bench_execute(&b, 1, 2, 1, 'a'); /* values are compared, not views */
    bench_execute_as(&b, 1, 0, 1, 'a', TC_EXEC_REPLAYED, 0, 0, 0);
    bench_execute_as(&b, 2, 0, 1, 'b', TC_EXEC_TENTATIVE, 0, 0, 0); /* binds nobody */
    bench_execute_as(&b, 2, 0, 1, 0, TC_EXEC_TRANSFERRED, 0, 0, 0); /* without a value */
    bench_execute(&b, 0, 0, 2, '-');
    bench_execute(&b, 1, 0, 2, '-'); /* the null request is a value like any other */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 2);
    assert_string_equal(j->result.reason, "2 replicas, 2 sequence numbers compared");
    bench_close(&b);
}

static void traitors_bind_nobody(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    bench_execute(&b, 3, 0, 1, 'z');
    bench_execute(&b, 0, 0, 1, 'a');
    bench_execute(&b, 1, 0, 1, 'a');
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

static void a_replayed_line_that_differs_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 0, 0, 1, 'a');
    bench_execute_as(&b, 0, 0, 1, 'b', TC_EXEC_REPLAYED, 0, 0, 0); /* it remembers otherwise after a restart */
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void not_judged_without_lines(void **state)
{
    (void)state;
    struct bench b;
    bench_open_config(&b, 4, 1, NAME, (struct tc_judge_config){.has_messages = true});
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 0, 0, 1, 'a');
    assert_int_equal(bench_finish(&b, NAME)->status, TC_INCONCLUSIVE); /* nothing to compare with */
    bench_close(&b);
}

/* Replica 3 hears both proposals first; shown are those that reached who executed them. */
static void evidence_is_what_the_executing_replica_was_offered(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    struct toy s = {.type = TOY_PROPOSE, .view = 0, .sequence = 9, .signer = 0};
    for (uint16_t to = 3; to >= 1; to--) {
        if (to != 2) {
            s.value = 'a';
            bench_message_as(&b, 0, to, &s, 1, false, true, true);
        }
        if (to != 1) {
            s.value = 'b';
            bench_message_as(&b, 0, to, &s, 1, false, true, true);
        }
    }
    bench_execute(&b, 1, 0, 9, 'a');
    bench_execute(&b, 2, 0, 9, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 1);
    const struct tc_finding *f = &j->findings[0];
    assert_int_equal(f->evidence_count, 4);
    assert_int_equal(f->evidence[2].to, 1);
    assert_non_null(strstr(f->evidence[2].text, "6161…61"));
    assert_int_equal(f->evidence[3].to, 2);
    assert_non_null(strstr(f->evidence[3].text, "6262…62"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_with_reason_and_votes),
        cmocka_unit_test(names_those_who_signed_both),
        cmocka_unit_test(evidence_is_what_the_executing_replica_was_offered),
        cmocka_unit_test(evidence_shows_what_was_heard),
        cmocka_unit_test(holds_over_views_and_retellings),
        cmocka_unit_test(traitors_bind_nobody),
        cmocka_unit_test(a_replayed_line_that_differs_is_a_breach),
        cmocka_unit_test(not_judged_without_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
