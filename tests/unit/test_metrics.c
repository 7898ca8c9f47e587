/* Metrics over small histories whose figures are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../oracles/metrics.h"
#include "../lib/judge_bench.h"

#define MS UINT64_C(1000000)

static struct tc_cluster cluster;
static struct tc_protocol_env env;
static struct tc_metrics *m;

static int open_metrics(void **state)
{
    (void)state;
    cluster = (struct tc_cluster){.n = 4, .f = 1, .view_timeout_ns = 100 * MS};
    env = (struct tc_protocol_env){.cluster = &cluster};
    m = tc_metrics_new(&toy_protocol, &env, 100 * MS);
    return m ? 0 : -1;
}

static int close_metrics(void **state)
{
    (void)state;
    tc_metrics_free(m);
    return 0;
}

static void phase(uint64_t now_ns, enum tc_run_phase which)
{
    struct tc_observation o = {.kind = TC_OBS_PHASE, .time_ns = now_ns, .text = ""};
    o.phase.phase = which;
    tc_metrics_observe(m, &o);
}

static void said(uint64_t now_ns, enum tc_kind kind, enum tc_phase vote, uint16_t signer, uint64_t view,
                 uint64_t sequence)
{
    static const uint8_t bytes[100];
    struct tc_statement s = {.kind = kind,
                             .phase = vote,
                             .view = view,
                             .sequence = sequence,
                             .has_view = true,
                             .has_sequence = true,
                             .slot = sequence + 1,
                             .signer = signer,
                             .parent = 0xffff,
                             .value = toy_value('a')};
    struct tc_message message = {.from = signer,
                                 .to = signer == 3 ? 0 : 3,
                                 .statements = &s,
                                 .statement_count = 1,
                                 .frame = {.data = bytes, .len = sizeof bytes},
                                 .type = ""};
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .time_ns = now_ns, .node = signer, .text = ""};
    o.message.message = &message;
    o.message.said = o.message.heard = true;
    tc_metrics_observe(m, &o);
}

static void executed(uint64_t now_ns, uint16_t node, uint64_t sequence, uint32_t operations)
{
    struct tc_operation list[4] = {{.fresh = true}, {.fresh = true}, {.fresh = true}, {.fresh = false}};
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .time_ns = now_ns, .node = node, .text = ""};
    o.executed.sequence = sequence;
    o.executed.operations = list;
    o.executed.operation_count = operations;
    tc_metrics_observe(m, &o);
}

static void entered(uint64_t now_ns, uint16_t node, uint64_t view, bool active, uint64_t timeout_ns)
{
    struct tc_observation o = {.kind = TC_OBS_VIEW, .time_ns = now_ns, .node = node, .text = ""};
    o.view.view = view;
    o.view.active = active;
    o.view.timeout_ns = timeout_ns;
    tc_metrics_observe(m, &o);
}

static double value_of(const char *name, const char *tags, const char *statistic)
{
    size_t count;
    const struct tc_metric *all = tc_metrics_all(m, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i].name, name) && !strcmp(all[i].tags, tags) && !strcmp(all[i].statistic, statistic))
            return all[i].value;
    return -1;
}

#define assert_near(a, b) assert_true((a) > (b)*0.98 && (a) < (b)*1.02)

static void latency_ends_at_the_second_line(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    said(10 * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 0, 0, 1);
    said(15 * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 1, 1, 1); /* proposed again after a view change */
    executed(20 * MS, 2, 1, 4);
    executed(20 * MS, 2, 1, 4); /* the same replica is not a second one */
    executed(42 * MS, 1, 1, 4); /* f+1 */
    executed(90 * MS, 0, 1, 4);
    tc_metrics_finish(m, 1000 * MS);
    const struct tc_histogram *h = tc_metrics_latency(m, TC_RUN_BEFORE);
    assert_int_equal(h->count, 1);
    assert_int_equal(h->max_ns, 32 * MS);
    assert_near(value_of("decision_latency", "phase:before", "p99"), 32e6);
    assert_near(value_of("decisions", "phase:before", "rate"), 1.0);
    assert_true(value_of("throughput", "phase:before", "count") == 3);        /* fresh operations only, once */
    assert_true(value_of("decision_latency", "phase:during", "count") == -1); /* there was no such phase */
}

static void votes_decide_where_no_lines_come(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        uint64_t begin_ns = sequence * 50 * MS;
        said(begin_ns, TC_KIND_PROPOSE, TC_PHASE_NONE, 0, 0, sequence);
        said(begin_ns + 1 * MS, TC_KIND_VOTE, TC_PHASE_PREPARE, 1, 0, sequence);
        said(begin_ns + 1 * MS, TC_KIND_VOTE, TC_PHASE_PREPARE, 1, 0, sequence); /* repeated */
        said(begin_ns + 3 * MS, TC_KIND_VOTE, TC_PHASE_PREPARE, 2, 0, sequence); /* with the proposer: three */
        said(begin_ns + 4 * MS, TC_KIND_VOTE, TC_PHASE_COMMIT, 0, 0, sequence);
        said(begin_ns + 5 * MS, TC_KIND_VOTE, TC_PHASE_COMMIT, 1, 0, sequence);
        said(begin_ns + 9 * MS, TC_KIND_VOTE, TC_PHASE_COMMIT, 2, 0, sequence);
        said(begin_ns + 10 * MS, TC_KIND_VOTE, TC_PHASE_COMMIT, 3, 0, sequence);
    }
    tc_metrics_finish(m, 1000 * MS);
    assert_int_equal(tc_metrics_latency(m, TC_RUN_BEFORE)->count, 5);
    assert_int_equal(tc_metrics_latency(m, TC_RUN_BEFORE)->max_ns, 9 * MS);
    assert_int_equal(tc_metrics_quorum_time(m, TC_PHASE_PREPARE)->count, 5);
    assert_int_equal(tc_metrics_quorum_time(m, TC_PHASE_PREPARE)->max_ns, 2 * MS);
    assert_int_equal(tc_metrics_quorum_time(m, TC_PHASE_COMMIT)->max_ns, 5 * MS);
    assert_near(value_of("quorum_time", "vote:commit", "p50"), 5e6);
    assert_near(value_of("messages_per_decision", "phase:before", "value"), 8.0);
    assert_near(value_of("messages_per_decision", "phase:before,kind:propose", "value"), 1.0);
    assert_near(value_of("bytes_per_decision", "phase:before,kind:vote", "value"), 700.0);
}

static void lines_win_over_votes(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    said(1 * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 0, 0, 1);
    for (uint16_t i = 0; i < 3; i++)
        said(2 * MS, TC_KIND_VOTE, TC_PHASE_COMMIT, i, 0, 1);
    executed(3 * MS, 0, 1, 1);
    executed(4 * MS, 1, 1, 1);
    tc_metrics_finish(m, 100 * MS);
    size_t count;
    uint64_t bucket_ns;
    const struct tc_metrics_bucket *series = tc_metrics_series(m, &count, &bucket_ns);
    assert_int_equal(series[0].decisions, 1);
    assert_int_equal(series[0].latency_max_ns, 3 * MS);
    assert_true(value_of("decisions", "", "count") == 1);
}

static void the_series_has_a_bucket_for_each_interval(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    executed(10 * MS, 0, 1, 2);
    executed(20 * MS, 0, 2, 2);
    entered(310 * MS, 2, 1, true, 0);
    executed(350 * MS, 0, 3, 3);
    said(360 * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 0, 0, 4);
    tc_metrics_finish(m, 500 * MS);
    size_t count;
    uint64_t bucket_ns;
    const struct tc_metrics_bucket *series = tc_metrics_series(m, &count, &bucket_ns);
    assert_int_equal(count, 4);
    assert_int_equal(bucket_ns, 100 * MS);
    assert_int_equal(series[0].decisions, 2);
    assert_int_equal(series[0].operations, 4);
    assert_int_equal(series[1].decisions + series[2].decisions, 0);
    assert_int_equal(series[3].decisions, 1);
    assert_int_equal(series[3].view_changes, 1);
    assert_int_equal(series[3].messages, 1);
    assert_int_equal(series[3].bytes, 100);
}

static void recovery_is_the_end_of_a_pause_after_the_attack_began(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    for (uint64_t i = 1; i <= 4; i++)
        executed(10 * i * MS, 0, i, 1);
    executed(200 * MS, 0, 5, 1); /* a pause, but before the attack */
    phase(250 * MS, TC_RUN_DURING);
    executed(260 * MS, 0, 6, 1);
    entered(500 * MS, 1, 1, false, 200 * MS);
    entered(600 * MS, 1, 1, true, 200 * MS);
    entered(601 * MS, 2, 1, true, 200 * MS); /* one view change, however many enter it */
    executed(650 * MS, 0, 7, 1);
    phase(700 * MS, TC_RUN_AFTER);
    executed(710 * MS, 0, 8, 1);
    phase(720 * MS, TC_RUN_ENDED);
    tc_metrics_finish(m, 800 * MS);
    assert_int_equal(tc_metrics_recovered_ns(m), 650 * MS);
    assert_int_equal(tc_metrics_phase_begin_ns(m, TC_RUN_DURING), 250 * MS);
    assert_near(value_of("recovery_time", "", "value"), 400e6);
    assert_near(value_of("recovery_pause", "", "value"), 390e6);
    assert_true(value_of("view_changes", "", "count") == 1);
    assert_true(value_of("view_changes", "phase:during", "count") == 1);
    assert_near(value_of("timer_growth", "", "value"), 2.0);
    assert_near(value_of("decisions", "phase:during", "rate"), 2 / 0.45);
    size_t count;
    const struct tc_metrics_view_step *views = tc_metrics_views(m, &count);
    assert_int_equal(count, 3);
    assert_int_equal(views[1].view, 1);
    assert_true(views[1].active && !views[0].active);
}

/* A chain that waits between its blocks for longer than its timer does not recover from anything. */
static void decisions_that_are_rare_by_themselves_pause_for_nothing(void **state)
{
    (void)state;
    const uint64_t timer_ns = cluster.view_timeout_ns;
    phase(0, TC_RUN_BEFORE);
    for (uint64_t i = 1; i <= 4; i++)
        executed(i * timer_ns * 5 / 4, 0, i, 1);
    phase(4 * timer_ns * 5 / 4 + 1, TC_RUN_DURING);
    for (uint64_t i = 5; i <= 8; i++)
        executed(i * timer_ns * 5 / 4 + timer_ns / 2, 0, i, 1);
    assert_int_equal(tc_metrics_recovered_ns(m), TC_NEVER_NS);
    executed(12 * timer_ns * 5 / 4, 0, 9, 1);
    tc_metrics_finish(m, 16 * timer_ns);
    assert_int_equal(tc_metrics_recovered_ns(m), 12 * timer_ns * 5 / 4);
    assert_true(tc_metrics_pause_min_ns(m) >= 2 * timer_ns && tc_metrics_pause_min_ns(m) < 3 * timer_ns);
}

static void no_pause_is_a_recovery_of_zero_and_a_standstill_none(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    executed(10 * MS, 0, 1, 1);
    phase(50 * MS, TC_RUN_DURING);
    executed(60 * MS, 0, 2, 1);
    tc_metrics_finish(m, 100 * MS);
    assert_int_equal(tc_metrics_recovered_ns(m), TC_NEVER_NS);
    assert_true(value_of("recovery_time", "", "value") == 0);
    tc_metrics_free(m);
    open_metrics(NULL);
    phase(0, TC_RUN_BEFORE);
    executed(10 * MS, 0, 1, 1);
    phase(50 * MS, TC_RUN_DURING);
    tc_metrics_finish(m, 1000 * MS);
    assert_true(value_of("recovery_time", "", "value") == -1);
}

static void progress_numbers(void **state)
{
    (void)state;
    struct tc_metrics_now now;
    phase(0, TC_RUN_BEFORE);
    executed(10 * MS, 0, 1, 1);
    phase(1000 * MS, TC_RUN_DURING);
    for (uint64_t i = 0; i < 50; i++) {
        said((1000 + i) * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 0, 0, 2 + i);
        executed((1002 + i) * MS, 0, 2 + i, 1);
        executed((1003 + i) * MS, 1, 2 + i, 1);
    }
    entered(1400 * MS, 2, 3, true, 0);
    tc_metrics_now(m, 1500 * MS, &now);
    assert_int_equal(now.phase, TC_RUN_DURING);
    assert_int_equal(now.phase_begin_ns, 1000 * MS);
    assert_int_equal(now.decisions, 51);
    assert_int_equal(now.decisions_phase, 50);
    assert_near(now.decisions_per_s, 100.0);
    assert_near((double)now.latency_p99_ns, 3e6);
    assert_int_equal(now.view, 3);
}

static void without_lines_the_view_is_the_one_that_is_led(void **state)
{
    (void)state;
    struct tc_metrics_now now;
    tc_metrics_now(m, 0, &now);
    assert_false(now.view_known);
    said(1 * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 1, 1, 1);
    said(2 * MS, TC_KIND_PROPOSE, TC_PHASE_NONE, 2, 7, 2); /* does not lead it */
    said(3 * MS, TC_KIND_VOTE, TC_PHASE_PREPARE, 3, 9, 2);
    tc_metrics_now(m, 4 * MS, &now);
    assert_true(now.view_known);
    assert_int_equal(now.view, 1);
    entered(5 * MS, 2, 3, true, 0); /* their own word is the better one */
    tc_metrics_now(m, 6 * MS, &now);
    assert_int_equal(now.view, 3);
}

static void client_latencies_and_failures(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    for (uint64_t i = 1; i <= 10; i++) {
        struct tc_observation o = {.kind = TC_OBS_REPLIED, .time_ns = i * MS, .node = 128, .text = ""};
        o.client.ok = i != 10;
        o.client.latency_ns = i * MS;
        tc_metrics_observe(m, &o);
    }
    tc_metrics_finish(m, 100 * MS);
    assert_true(value_of("client_latency", "phase:before", "count") == 9);
    assert_true(value_of("client_latency", "phase:before", "max") == 9 * MS);
    assert_true(value_of("client_failures", "", "count") == 1);
}

static void an_endless_run_stays_bounded(void **state)
{
    (void)state;
    phase(0, TC_RUN_BEFORE);
    for (uint64_t i = 0; i < 40000; i++) {
        executed(i * 1000 * MS, 0, i, 1);
        entered(i * 1000 * MS, 0, i, true, 0);
    }
    tc_metrics_finish(m, 40000 * 1000 * MS);
    size_t count;
    uint64_t bucket_ns;
    const struct tc_metrics_bucket *series = tc_metrics_series(m, &count, &bucket_ns);
    assert_int_equal(count, TC_METRICS_SECONDS_MAX);
    assert_true(series[count - 1].decisions > 30000); /* later ones are merged into the last */
    assert_true(value_of("decisions", "", "count") == 40000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_metrics, close_metrics)
    const struct CMUnitTest tests[] = {
        TEST(latency_ends_at_the_second_line),
        TEST(votes_decide_where_no_lines_come),
        TEST(lines_win_over_votes),
        TEST(the_series_has_a_bucket_for_each_interval),
        TEST(recovery_is_the_end_of_a_pause_after_the_attack_began),
        TEST(decisions_that_are_rare_by_themselves_pause_for_nothing),
        TEST(no_pause_is_a_recovery_of_zero_and_a_standstill_none),
        TEST(progress_numbers),
        TEST(without_lines_the_view_is_the_one_that_is_led),
        TEST(client_latencies_and_failures),
        TEST(an_endless_run_stays_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
