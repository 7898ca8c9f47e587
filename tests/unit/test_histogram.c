/* Buckets within 1.6 %, quantiles against a sorted list, merging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../oracles/histogram.h"

static struct tc_histogram left, right;

static void buckets_cover_everything(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint32_t i = 1; i < TC_HISTOGRAM_BUCKETS; i++) {
        uint64_t at = tc_histogram_bucket_ns(i);
        assert_true(at > last);
        assert_true(at - last <= 1 || (at - last) * 64 <= at);
        last = at;
    }
    assert_true(last >= UINT64_C(0xfe) << 56); /* the last bucket ends at 2^64 */
    tc_histogram_reset(&left);
    tc_histogram_add(&left, UINT64_MAX);
    assert_int_equal(left.counts[TC_HISTOGRAM_BUCKETS - 1], 1);
    assert_true(tc_histogram_quantile(&left, 0.5) == UINT64_MAX);
}

static void each_value_lies_in_its_bucket(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < UINT64_MAX / 3; value = value * 3 + 1) {
        tc_histogram_reset(&left);
        tc_histogram_add(&left, value);
        for (uint32_t i = 0; i < TC_HISTOGRAM_BUCKETS; i++) {
            if (!left.counts[i])
                continue;
            assert_true(tc_histogram_bucket_ns(i) <= value);
            assert_true(i + 1 == TC_HISTOGRAM_BUCKETS || tc_histogram_bucket_ns(i + 1) > value);
        }
    }
}

static void quantiles_of_a_thousand(void **state)
{
    (void)state;
    tc_histogram_reset(&left);
    for (uint64_t i = 1000; i >= 1; i--)
        tc_histogram_add(&left, i * 1000);
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t exact = (uint64_t)percent * 10000;
        uint64_t got = tc_histogram_quantile(&left, percent / 100.0);
        assert_true(got + got / 63 >= exact && got <= exact + exact / 63);
    }
    assert_int_equal(tc_histogram_quantile(&left, 1), 1000000);
    assert_true(tc_histogram_quantile(&left, 0) >= 1000 && tc_histogram_quantile(&left, 0) <= 1016);
    assert_int_equal(left.min_ns, 1000);
    assert_int_equal(left.max_ns, 1000000);
    assert_true(left.sum_ns > 500499999 && left.sum_ns < 500500001);
}

static void the_empty_one_and_the_single_one(void **state)
{
    (void)state;
    tc_histogram_reset(&left);
    assert_int_equal(tc_histogram_quantile(&left, 0.99), 0);
    tc_histogram_add(&left, 12345);
    assert_int_equal(tc_histogram_quantile(&left, 0.01), 12345);
    assert_int_equal(tc_histogram_quantile(&left, 0.99), 12345);
}

static void merging_is_adding_all(void **state)
{
    (void)state;
    tc_histogram_reset(&left);
    tc_histogram_reset(&right);
    tc_histogram_merge(&left, &right);
    assert_int_equal(left.count, 0);
    for (uint64_t i = 0; i < 100; i++) {
        tc_histogram_add(&left, i * 7);
        tc_histogram_add(&right, i * 1000000);
    }
    tc_histogram_merge(&left, &right);
    assert_int_equal(left.count, 200);
    assert_int_equal(left.min_ns, 0);
    assert_int_equal(left.max_ns, 99000000);
    tc_histogram_merge(&right, &left);
    assert_int_equal(right.count, 300);
    assert_int_equal(right.min_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_everything), cmocka_unit_test(each_value_lies_in_its_bucket),
        cmocka_unit_test(quantiles_of_a_thousand),  cmocka_unit_test(the_empty_one_and_the_single_one),
        cmocka_unit_test(merging_is_adding_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
