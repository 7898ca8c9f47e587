/* What a decision costs without failures is, for every protocol of lua/scenarios/cost.lua, what its formula says; and
 * the count does see a message too many. */
#include "../../proxy/trial_cost.h"
#include "../../reports/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Under a sanitizer, ten times slower, the small clusters must do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define N_MAX 31
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define N_MAX 31
#endif
#endif
#ifndef N_MAX
#define N_MAX 100
#endif

static struct tc_scenario scenario;

static void load(const char *name)
{
    struct tc_error err = {0};
    if (tc_scenario_load(TC_SOURCE_LUA_DIR, name, &scenario, &err))
        fail_msg("%s", err.text);
}

static void measure(const char *protocol, uint32_t n, struct tc_cost_point *point)
{
    struct tc_error err = {0};
    if (tc_cost_measure(&scenario, TC_SOURCE_LUA_DIR, protocol, n, scenario.sweep.decisions, 7, point, &err))
        fail_msg("%s, n = %u: %s", protocol, n, err.text);
}

static void test_exact(void **state)
{
    (void)state;
    size_t points = 0;
    load("cost");
    for (uint32_t p = 0; p < scenario.sweep.protocol_count; p++) {
        for (uint32_t i = 0; i < scenario.sweep.n_count; i++) {
            struct tc_cost_point point;
            if (scenario.sweep.n[i] > N_MAX)
                continue;
            measure(scenario.sweep.protocols[p], scenario.sweep.n[i], &point);
            assert_true(point.formula > 0 && point.bytes > point.messages);
            assert_int_equal(point.messages_min, point.formula);
            assert_int_equal(point.messages_max, point.formula);
            assert_int_equal(point.messages, point.formula * point.decisions);
            assert_int_equal(point.verdict, TC_HOLDS);
            points++;
        }
    }
    assert_true(points >= 15);
}

/* The view timer runs out while a decision is made: what that costs is in no formula, and must show. */
static void test_seen_when_not(void **state)
{
    (void)state;
    struct tc_cost_point point;
    load("cost");
    scenario.cluster.cluster.view_timeout_ns = 5000000;
    scenario.cluster.cluster.view_timeout_max_ns = 20000000;
    measure("hotstuff", 4, &point);
    assert_true(point.messages_max > point.formula);
}

static void test_refused(void **state)
{
    (void)state;
    struct tc_cost_point point;
    struct tc_error err = {0};
    load("cost");
    assert_int_equal(tc_cost_measure(&scenario, TC_SOURCE_LUA_DIR, "pbtf", 4, 8, 1, &point, &err), TC_EUSAGE);
    scenario.phase_ns[TC_RUN_DURING] = 1000000;
    assert_int_equal(tc_cost_measure(&scenario, TC_SOURCE_LUA_DIR, "pbft", 4, 8, 1, &point, &err), TC_EINTERNAL);
    assert_non_null(strstr(err.text, "decisions before its phases ended"));
}

static struct tc_cost_row row(const char *protocol, uint32_t n, uint64_t messages)
{
    return (struct tc_cost_row){.protocol = protocol,
                                .n = n,
                                .decisions = 1,
                                .formula = messages,
                                .messages_min = messages,
                                .messages_max = messages,
                                .messages = (double)messages,
                                .bytes = 100.0 * (double)messages};
}

/* The slopes of n², n and a constant, and what is said of them. */
static void test_slopes(void **state)
{
    (void)state;
    static struct tc_cost_table table;
    struct tc_buf text = {0};
    for (uint32_t n = 1; n <= 1000; n *= 10)
        table.rows[table.row_count++] = row("pbft", n, (uint64_t)n * n);
    for (uint32_t n = 1; n <= 1000; n *= 10)
        table.rows[table.row_count++] = row("hotstuff", n, n);
    assert_true(tc_cost_slope(&table, "pbft", false) > 1.999 && tc_cost_slope(&table, "pbft", true) < 2.001);
    assert_true(tc_cost_slope(&table, "hotstuff", true) > 0.999 && tc_cost_slope(&table, "hotstuff", false) < 1.001);
    assert_true(tc_cost_slope(&table, "none", false) == 0);
    table.rows[0].messages_max++;
    tc_cost_end_text(&table, &text);
    assert_non_null(strstr(tc_buf_get(&text), "7 of 8 points"));
    assert_non_null(strstr(tc_buf_get(&text), "10,000 messages of pbft against 100 of hotstuff (100 times fewer)"));
    tc_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_seen_when_not),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_slopes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
