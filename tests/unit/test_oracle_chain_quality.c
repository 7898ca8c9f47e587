/* O20: measured over enough rotations, not judged below; a measure accuses nobody. And the shares behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#include "../../oracles/growth.h"

#define NAME "chain-quality"

static void open_chain(struct bench *b)
{
    const struct tc_judge_config config = {.protocol = &toy_chain, .has_executions = true, .expect = TC_HOLDS};
    bench_open_config(b, 4, 1, NAME, config);
}

/* Every view brings a block, but those of replica 3 come to nothing while `lost`. */
static void views(struct bench *b, uint64_t count, bool lost)
{
    uint64_t sequence = 0;
    for (uint64_t view = 1; view <= count; view++) {
        for (uint16_t node = 0; node < 2; node++)
            bench_view(b, node, view, true, 0);
        if (lost && view % 4 == 3)
            continue;
        sequence++;
        for (uint16_t node = 0; node < 2; node++) /* the second line adds nothing */
            bench_execute(b, node, view, sequence, 'a');
    }
}

static void growth_and_quality_are_told(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    bench_traitor(&b, 2);
    views(&b, 801, true);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason,
                        "growth 0.751 (0.720 to 0.780) blocks a view, quality 0.667 (0.629 to 0.704) proposed by "
                        "honest leaders, over 800 views (95 % confidence)");
    bench_close(&b);
}

static void few_rotations_say_nothing(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    views(&b, 400, false);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_string_equal(j->result.reason, "too few samples: 99 of 100 rotations of the leaders");
    bench_close(&b);
}

static void without_a_chain_there_is_nothing_to_measure(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    views(&b, 801, false);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_string_equal(j->result.reason, "its proposals name no parents: there is no chain of views to measure");
    bench_close(&b);
}

static void a_traitors_lines_count_for_nothing(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    bench_traitor(&b, 3);
    views(&b, 401, false);
    bench_view(&b, 3, 1000000, true, 0);
    bench_execute(&b, 3, 1000000, 1000000, 'a');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 400);
    bench_close(&b);
}

static void shares_and_their_intervals(void **state)
{
    (void)state;
    struct tc_share share = tc_growth_share(0, 0);
    assert_true(share.value == 0 && share.low == 0 && share.high == 0);
    share = tc_growth_share(50, 100);
    assert_true(share.value == 0.5 && share.low > 0.40 && share.low < 0.41 && share.high > 0.59 && share.high < 0.60);
    share = tc_growth_share(100, 100);
    assert_true(share.value == 1 && share.low > 0.96 && share.high <= 1.0000001);
    assert_true(tc_growth_share(101, 100).value == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_and_quality_are_told),
        cmocka_unit_test(few_rotations_say_nothing),
        cmocka_unit_test(without_a_chain_there_is_nothing_to_measure),
        cmocka_unit_test(a_traitors_lines_count_for_nothing),
        cmocka_unit_test(shares_and_their_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
