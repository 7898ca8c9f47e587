/* links: tc_base
 *
 * Errors, arena, keyed randomness, names: what everything else stands on. */
#include "../../proxy/arena.h"
#include "../../proxy/error.h"
#include "../../proxy/names.h"
#include "../../proxy/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_error_sets_and_wraps(void **state)
{
    (void)state;
    struct tc_error err = {0};
    assert_int_equal(tc_error_set(&err, TC_EUSAGE, "expected %s, found %d", "a name", 7), TC_EUSAGE);
    assert_int_equal(tc_error_wrap(&err, "%s, line %d", "a.lua", 3), TC_EUSAGE);
    assert_string_equal(err.text, "a.lua, line 3: expected a name, found 7");
    assert_int_equal(tc_error_exit(TC_EUSAGE), 64);
    assert_int_equal(tc_error_exit(TC_EINTERRUPTED), 130);
    assert_int_equal(tc_error_exit(0), 0);
    assert_int_equal(tc_error_exit(-1000), 70);
    assert_string_equal(tc_error_text(TC_EKEY), "key missing");
    assert_int_equal(tc_error_set(NULL, TC_EIO, "nobody listens"), TC_EIO);
}

static void test_error_cuts_what_is_too_long(void **state)
{
    (void)state;
    struct tc_error err = {0};
    char text[3 * TC_ERROR_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    tc_error_set(&err, TC_EIO, "%s", text);
    assert_int_equal(strlen(err.text), TC_ERROR_TEXT_MAX - 1);
    tc_error_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.text), TC_ERROR_TEXT_MAX - 1);
}

static void test_arena_is_bounded_aligned_and_reused(void **state)
{
    (void)state;
    struct tc_arena arena;
    tc_arena_init(&arena, 100000);
    uint8_t *first = tc_arena_alloc(&arena, 1);
    assert_non_null(first);
    assert_int_equal((uintptr_t)first % 16, 0);
    uint8_t *second = tc_arena_alloc(&arena, 50000);
    assert_non_null(second);
    memset(second, 1, 50000);
    assert_null(tc_arena_alloc(&arena, 60000));
    assert_null(tc_arena_alloc(&arena, SIZE_MAX));
    tc_arena_reset(&arena);
    assert_ptr_equal(tc_arena_alloc(&arena, 1), first);
    uint8_t *zeroed = tc_arena_zalloc(&arena, 60000);
    assert_non_null(zeroed);
    for (size_t i = 0; i < 60000; i++)
        assert_int_equal(zeroed[i], 0);
    const uint8_t text[] = "borrowed";
    tc_arena_reset(&arena);
    struct tc_slice copy = tc_arena_copy(&arena, (struct tc_slice){text, sizeof text});
    assert_memory_equal(copy.data, text, sizeof text);
    assert_ptr_not_equal(copy.data, text);
    tc_arena_free(&arena);
}

static void test_random_is_keyed_and_stable(void **state)
{
    (void)state;
    uint64_t h = tc_random_mix_text(42, "equivocate-half");
    assert_int_equal(h, tc_random_mix_text(42, "equivocate-half"));
    assert_int_not_equal(h, tc_random_mix_text(43, "equivocate-half"));
    /* The numbers themselves are part of what a seed means: they may never change. */
    assert_int_equal(tc_random_mix(1, 2), UINT64_C(0xb59fb616f21904f2));
    uint64_t sum = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t value = tc_random_below(tc_random_mix(7, i), 10);
        assert_true(value < 10);
        sum += value;
    }
    assert_in_range(sum, 44000, 46000);
    assert_int_equal(tc_random_below(h, 0), 0);
}

static void test_random_order_is_a_permutation(void **state)
{
    (void)state;
    uint32_t order[100];
    bool seen[100] = {false};
    tc_random_order(5, order, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
}

static void test_names_go_both_ways(void **state)
{
    (void)state;
    for (int kind = 0; kind < TC_KIND_COUNT; kind++)
        assert_int_equal(tc_kind_parse(tc_kind_name((enum tc_kind)kind)), kind);
    for (int phase = 0; phase < TC_PHASE_COUNT; phase++)
        assert_int_equal(tc_phase_parse(tc_phase_name((enum tc_phase)phase)), phase);
    for (int verb = 0; verb < TC_VERB_COUNT; verb++)
        assert_string_not_equal(tc_verb_name((enum tc_verb)verb), "?");
    for (int kind = 0; kind < TC_OBS_COUNT; kind++)
        assert_string_not_equal(tc_observation_name((enum tc_observation_kind)kind), "?");
    assert_string_equal(tc_kind_name((enum tc_kind)99), "?");
    assert_int_equal(tc_kind_parse("nonsense"), -1);
    char buffer[65];
    assert_string_equal(tc_node_name(3, buffer), "3");
    assert_string_equal(tc_node_name(TC_CLIENT_FIRST + 2, buffer), "c2");
    assert_string_equal(tc_node_name(TC_NODE_NONE, buffer), "-");
    struct tc_value value = {.state = TC_VALUE_BYTES, .bytes = {0x9c, 0x41}};
    assert_string_equal(tc_value_text(&value, 2, buffer), "9c41");
    value.state = TC_VALUE_NIL;
    assert_string_equal(tc_value_text(&value, 2, buffer), "nil");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_sets_and_wraps),
        cmocka_unit_test(test_error_cuts_what_is_too_long),
        cmocka_unit_test(test_arena_is_bounded_aligned_and_reused),
        cmocka_unit_test(test_random_is_keyed_and_stable),
        cmocka_unit_test(test_random_order_is_a_permutation),
        cmocka_unit_test(test_names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
