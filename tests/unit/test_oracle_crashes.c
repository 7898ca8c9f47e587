/* O18: fires on ends that nobody asked for and sanitizers; not on kills that we asked for, nor after the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "crashes"

static void end(struct bench *b, uint16_t node, int status, bool asked, const char *text)
{
    struct tc_observation o = {.kind = TC_OBS_NODE_EXIT, .node = node, .text = text};
    o.exit.status = status;
    o.exit.asked = asked;
    bench_observe(b, o);
}

static void unasked_ends_are_breaches(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    end(&b, 0, -11, false, "");
    end(&b, 1, 1, false, "");
    end(&b, 2, 1, false, "==7==ERROR: AddressSanitizer: heap-buffer-overflow");
    struct tc_observation o = {.kind = TC_OBS_COMPLAINT, .node = 3, .text = "x.c:1: runtime error: shift exponent"};
    bench_observe(&b, o);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 4);
    assert_string_equal(j->findings[0].text, "replica 0 was ended by signal 11 that nobody sent");
    assert_string_equal(j->findings[1].text, "replica 1 ended unasked with exit code 1");
    assert_string_equal(j->findings[2].text, "replica 2 was ended by a sanitizer or a failed assertion");
    assert_non_null(strstr(j->findings[2].evidence[0].text, "heap-buffer-overflow"));
    bench_close(&b);
}

static void near_misses_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    struct tc_observation up = {.kind = TC_OBS_NODE_UP, .node = 0};
    bench_observe(&b, up);
    end(&b, 0, -9, true, "");   /* we killed it */
    end(&b, 128, 0, false, ""); /* a client whose load is done */
    struct tc_observation o = {.kind = TC_OBS_COMPLAINT, .node = 3, .text = "bad signature on prepare"};
    bench_observe(&b, o);
    bench_phase(&b, TC_RUN_ENDED);
    end(&b, 1, -15, false, "");
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "1 process started, 2 ended as asked");
    bench_close(&b);
    bench_open(&b, 4, 1, NAME);
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

/* The keeper's word and the process's own are of one process; a restart is another. */
static void a_process_counts_once(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t node = 0; node < 4; node++)
        for (int line = 0; line < 2; line++)
            bench_observe(&b, (struct tc_observation){.kind = TC_OBS_NODE_UP, .node = node, .incarnation = 1});
    end(&b, 2, -9, true, "");
    for (int line = 0; line < 2; line++)
        bench_observe(&b, (struct tc_observation){.kind = TC_OBS_NODE_UP, .node = 2, .incarnation = 2});
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->result.compared, 5);
    assert_string_equal(j->result.reason, "5 processes started, 1 ended as asked");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unasked_ends_are_breaches),
        cmocka_unit_test(near_misses_hold),
        cmocka_unit_test(a_process_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
