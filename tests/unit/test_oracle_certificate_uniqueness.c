/* O3: fires on two values with a quorum of valid votes each; not on two sets of signers for one value, nor on
 * forgeries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "certificate-uniqueness"

static void vote(struct bench *b, enum toy_type type, uint16_t signer, char value, bool forged)
{
    struct toy s = {.type = type, .view = 3, .sequence = 9, .value = value, .signer = signer, .forged = forged};
    bench_message_as(b, signer, signer == 0 ? 1 : 0, &s, 1, true, true, false);
}

static void two_quorums_are_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t i = 0; i < 3; i++)
        vote(&b, TOY_COMMIT, i, 'a', false);
    for (uint16_t i = 1; i < 4; i++)
        vote(&b, TOY_COMMIT, i, 'b', false);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "view 3, sequence 9: two values have a quorum of commits: 6161…61 from "
                                             "0, 1, 2, 6262…62 from 1, 2, 3");
    assert_string_equal(j->findings[0].because, "replicas 1, 2 voted for both");
    assert_int_equal(j->findings[0].evidence_count, 6);
    bench_close(&b);
}

static void expected_with_more_traitors_than_f(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 1);
    bench_traitor(&b, 2);
    for (uint16_t i = 0; i < 3; i++)
        vote(&b, TOY_COMMIT, i, 'a', false);
    for (uint16_t i = 1; i < 4; i++)
        vote(&b, TOY_COMMIT, i, 'b', false);
    assert_int_equal(bench_verdict(&b, NAME), TC_EXPECTED);
}

static void the_proposer_counts_as_preparing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (int side = 0; side < 2; side++) {
        vote(&b, TOY_PROPOSE, 3, side ? 'a' : 'b', false);
        vote(&b, TOY_PREPARE, 1, side ? 'a' : 'b', false);
        vote(&b, TOY_PREPARE, 2, side ? 'a' : 'b', false);
    }
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void forged_votes_make_no_quorum(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t i = 0; i < 3; i++)
        vote(&b, TOY_COMMIT, i, 'a', false);
    vote(&b, TOY_COMMIT, 1, 'b', true);
    vote(&b, TOY_COMMIT, 2, 'b', true);
    vote(&b, TOY_COMMIT, 3, 'b', false);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t i = 0; i < 4; i++) /* one value, two sets of signers */
        vote(&b, TOY_COMMIT, i, 'a', false);
    vote(&b, TOY_COMMIT, 3, 'b', false); /* two are no quorum */
    vote(&b, TOY_COMMIT, 2, 'b', false);
    for (uint16_t i = 0; i < 3; i++) /* another phase of the slot */
        vote(&b, TOY_PREPARE, i, 'b', false);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 2);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_quorums_are_a_breach),
        cmocka_unit_test(expected_with_more_traitors_than_f),
        cmocka_unit_test(the_proposer_counts_as_preparing),
        cmocka_unit_test(forged_votes_make_no_quorum),
        cmocka_unit_test(near_misses_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
