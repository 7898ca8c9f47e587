/* O17: fires on different states at one sequence number; execution lines and checkpoints are compared apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "state-digest"

static void tell(struct bench *b, bool stable, uint16_t node, uint64_t sequence, char value)
{
    struct tc_observation o = {.kind = stable ? TC_OBS_STABLE : TC_OBS_EXECUTED, .node = node};
    if (stable) {
        o.stable.sequence = sequence;
        o.stable.state = toy_value(value);
    } else {
        o.executed.sequence = sequence;
        o.executed.state = toy_value(value);
    }
    bench_observe(b, o);
}

static void different_states_are_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    tell(&b, false, 0, 1, 'a');
    tell(&b, false, 1, 1, 'a');
    tell(&b, false, 2, 1, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text,
                        "after sequence 1 the state of replica 0 is 6161…61, that of replica 2 6262…62");
    bench_close(&b);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    tell(&b, false, 0, 1, 'a');
    tell(&b, false, 0, 2, 'b');
    tell(&b, true, 1, 1, 'c'); /* a checkpoint's digest covers other fields */
    tell(&b, false, 1, 1, 0);  /* not given */
    tell(&b, false, 1, 2, 'b');
    bench_traitor(&b, 3);
    tell(&b, false, 3, 1, 'z');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 1);
    bench_close(&b);
    bench_open(&b, 4, 1, NAME);
    tell(&b, true, 0, 128, 'a');
    tell(&b, true, 1, 128, 'b');
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void not_judged_without_digests(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_execute(&b, 0, 0, 1, 'a');
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(different_states_are_a_breach),
        cmocka_unit_test(near_misses_hold),
        cmocka_unit_test(not_judged_without_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
