/* Two tellers of one fact: an execution that a node prints and that it answers when it is asked is told once; what was
 * fetched and not voted for leaves no hole; a node that contradicts itself is named. */
#include "../../proxy/live_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct tc_live live;

static int open_feed(void *self, struct tc_loop *loop, struct tc_error *err)
{
    (void)self, (void)loop, (void)err;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    struct tc_error err = {0};
    memset(&live, 0, sizeof live);
    live.config.feed.open = open_feed;
    live.stepping = true; /* notes wait */
    return tc_live_told_open(&live, &err);
}

static int teardown(void **state)
{
    (void)state;
    tc_live_told_free(&live);
    return 0;
}

static enum tc_execution_origin origin;

static bool told(uint64_t sequence, uint8_t value, enum tc_live_teller teller)
{
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = 1};
    o.executed.sequence = sequence;
    o.executed.value.state = TC_VALUE_BYTES;
    o.executed.value.bytes[0] = value;
    const bool is_new = tc_live_told_new(&live, &o, teller);
    origin = o.executed.origin;
    return is_new;
}

static void test_once_whoever_comes_first(void **state)
{
    (void)state;
    assert_true(told(1, 7, TC_LIVE_PRINTED));
    assert_false(told(1, 7, TC_LIVE_ASKED));
    assert_true(told(2, 8, TC_LIVE_ASKED));
    assert_false(told(2, 8, TC_LIVE_PRINTED));
    assert_int_equal(live.note_count, 0);
}

/* A node that prints the same twice has lost something: that is its own affair and stays to be seen. */
static void test_printed_twice_is_not_hidden(void **state)
{
    (void)state;
    assert_true(told(1, 7, TC_LIVE_PRINTED));
    assert_true(told(1, 7, TC_LIVE_PRINTED));
}

static void test_asked_about_what_was_printed_over(void **state)
{
    (void)state;
    assert_true(told(5, 1, TC_LIVE_PRINTED));
    assert_true(told(9, 1, TC_LIVE_PRINTED));
    assert_int_equal(origin, TC_EXEC_EXECUTED); /* a hole in what it prints is for the oracles to see */
    assert_true(told(7, 1, TC_LIVE_ASKED));
    assert_int_equal(origin, TC_EXEC_REPLAYED); /* its log does not go back, but what it holds there is compared */
    assert_true(told(7 + 65536, 1, TC_LIVE_PRINTED));
    assert_false(told(7, 1, TC_LIVE_ASKED)); /* too long ago */
}

/* After a restart it fetches 6 and 7, which it tells only if it is asked, and votes again from 9 on. */
static void test_fetched_heights_are_no_hole(void **state)
{
    (void)state;
    assert_true(told(5, 1, TC_LIVE_PRINTED));
    assert_true(told(6, 1, TC_LIVE_ASKED));
    assert_true(told(7, 1, TC_LIVE_ASKED));
    assert_int_equal(origin, TC_EXEC_EXECUTED);
    assert_true(told(9, 1, TC_LIVE_PRINTED));
    assert_int_equal(origin, TC_EXEC_TRANSFERRED);
    assert_true(told(10, 1, TC_LIVE_PRINTED));
    assert_int_equal(origin, TC_EXEC_EXECUTED);
    assert_true(told(8, 1, TC_LIVE_ASKED));
    assert_int_equal(origin, TC_EXEC_REPLAYED);
}

static void test_contradiction_is_told(void **state)
{
    (void)state;
    assert_true(told(5, 1, TC_LIVE_PRINTED));
    assert_true(told(5, 2, TC_LIVE_ASKED));
    assert_int_equal(origin, TC_EXEC_REPLAYED);
    assert_int_equal(live.note_count, 1);
    assert_non_null(strstr(live.notes[0].text, "contradicts itself at sequence 5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once_whoever_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_printed_twice_is_not_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asked_about_what_was_printed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fetched_heights_are_no_hole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contradiction_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
