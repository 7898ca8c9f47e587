/* O15: measures against the run's own phase before; never fails a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME  "performance"
#define SLICE 100000000u

/* `seconds` of a phase with `rate` decisions in every tenth of a second. */
static void phase(struct bench *b, enum tc_run_phase phase, uint32_t seconds, uint32_t rate, uint64_t *sequence)
{
    bench_phase(b, phase);
    for (uint32_t slice = 0; slice < seconds * 10; slice++) {
        uint64_t begin_ns = b->now_ns;
        for (uint32_t i = 0; i < rate; i++)
            bench_execute(b, 0, 0, ++*sequence, 'a');
        b->now_ns = begin_ns + SLICE;
    }
}

static void a_slower_phase_is_called_slower(void **state)
{
    (void)state;
    struct bench b;
    uint64_t sequence = 0;
    bench_open(&b, 4, 1, NAME);
    phase(&b, TC_RUN_BEFORE, 2, 20, &sequence);
    phase(&b, TC_RUN_DURING, 2, 10, &sequence);
    phase(&b, TC_RUN_AFTER, 2, 19, &sequence);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS); /* a measurement: only thresholds can fail a run */
    assert_int_equal(j->finding_total, 0);
    assert_string_equal(j->result.reason, "decisions/s, median: before 200; during 100 (slower); after 190");
    bench_close(&b);
}

static void a_short_phase_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_phase(&b, TC_RUN_BEFORE);
    bench_execute(&b, 0, 0, 1, 'a');
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slower_phase_is_called_slower),
        cmocka_unit_test(a_short_phase_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
