/* O6: fires on a fresh message for a lower view on one connection; not on what was said before, old slots, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "view-monotonicity"

static void say(struct bench *b, enum toy_type type, uint64_t view, uint64_t sequence, char value)
{
    struct toy s = {.type = type, .view = view, .sequence = sequence, .value = value, .signer = 1};
    bench_message(b, 1, 2, &s, 1);
}

static void a_lower_view_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    say(&b, TOY_COMMIT, 2, 10, 'a');
    say(&b, TOY_COMMIT, 1, 11, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text,
                        "replica 1 said a commit for view 1 after one for view 2, on one connection to replica 2");
    assert_int_equal(j->findings[0].evidence_count, 1);
    bench_close(&b);
    bench_open(&b, 4, 1, NAME);
    say(&b, TOY_VIEW_CHANGE, 3, 0, 'c');
    say(&b, TOY_VIEW_CHANGE, 2, 0, 'd');
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    struct toy early = {.type = TOY_COMMIT, .view = 1, .sequence = 5, .value = 'e', .signer = 1};
    bench_message(&b, 1, 3, &early, 1);
    say(&b, TOY_COMMIT, 2, 10, 'a');
    say(&b, TOY_PREPARE, 1, 10, 'a');   /* another type */
    bench_message(&b, 1, 2, &early, 1); /* said before, to somebody else */
    bench_execute(&b, 1, 0, 7, 'g');
    say(&b, TOY_COMMIT, 1, 7, 'g'); /* helping with what it has executed */
    b.occurrence = 1;
    say(&b, TOY_COMMIT, 1, 12, 'x'); /* a retransmission */
    b.occurrence = 0;
    b.conn = 99;
    say(&b, TOY_COMMIT, 1, 13, 'y'); /* another connection */
    say(&b, TOY_COMMIT, 3, 14, 'y');
    struct tc_observation up = {.kind = TC_OBS_NODE_UP, .node = 1, .incarnation = 2};
    bench_observe(&b, up);
    say(&b, TOY_COMMIT, 0, 15, 'z'); /* another life */
    struct toy relayed = {.type = TOY_COMMIT, .view = 0, .sequence = 30, .value = 'r', .signer = 3};
    bench_message(&b, 1, 2, &relayed, 1); /* another's words */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_HOLDS);
    bench_close(&b);
}

static void a_traitor_may_go_back(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 1);
    say(&b, TOY_COMMIT, 2, 10, 'a');
    say(&b, TOY_COMMIT, 1, 11, 'b');
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lower_view_is_a_breach),
        cmocka_unit_test(near_misses_hold),
        cmocka_unit_test(a_traitor_may_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
