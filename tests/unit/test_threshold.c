/* Thresholds: what is met, what is missed, what is an error. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../oracles/metrics.h"
#include "../lib/judge_bench.h"

#define MS UINT64_C(1000000)

static struct tc_cluster cluster = {.n = 4, .f = 1, .view_timeout_ns = 100 * MS};
static struct tc_protocol_env env = {.cluster = &cluster};
static struct tc_metrics *m;

/* One second before and one second during; 100 replies of 1 … 100 ms before, none during; 10 decisions before. */
static int open_metrics(void **state)
{
    (void)state;
    m = tc_metrics_new(&toy_protocol, &env, 100 * MS);
    if (!m)
        return -1;
    struct tc_observation o = {.kind = TC_OBS_PHASE, .text = ""};
    tc_metrics_observe(m, &o);
    for (uint64_t i = 1; i <= 100; i++) {
        o = (struct tc_observation){.kind = TC_OBS_REPLIED, .time_ns = i * MS, .text = ""};
        o.client.ok = true;
        o.client.latency_ns = i * MS;
        tc_metrics_observe(m, &o);
    }
    for (uint64_t i = 1; i <= 10; i++) {
        o = (struct tc_observation){.kind = TC_OBS_EXECUTED, .time_ns = i * 100 * MS, .text = ""};
        o.executed.sequence = i;
        tc_metrics_observe(m, &o);
    }
    o = (struct tc_observation){.kind = TC_OBS_PHASE, .time_ns = 1001 * MS, .text = ""};
    o.phase.phase = TC_RUN_DURING;
    tc_metrics_observe(m, &o);
    tc_metrics_finish(m, 2000 * MS);
    return 0;
}

static int close_metrics(void **state)
{
    (void)state;
    tc_metrics_free(m);
    return 0;
}

static void thresholds_that_stand(void **state)
{
    (void)state;
    static const struct {
        const char *metric, *condition;
        bool met;
        double value; /* within 2 % */
    } rows[] = {
        {"client_latency{phase:before}", "p(99)<120ms", true, 99e6},
        {"client_latency{phase:before}", "p(99)<90ms", false, 99e6},
        {"client_latency{phase:before}", "p(99) < 0.12s", true, 99e6},
        {"client_latency", "p(50)<=51ms", true, 50e6},
        {"client_latency", "p99<120ms", true, 99e6},
        {"client_latency", "med>40000us", true, 50e6},
        {"client_latency", "avg<60ms", true, 50.5e6},
        {"client_latency", "max==100ms", true, 100e6},
        {"client_latency", "max!=100ms", false, 100e6},
        {"client_latency", "min>=1ms", true, 1e6},
        {"client_latency { phase:before }", "count===100", true, 100},
        {"client_latency{phase:during}", "p(99)<10s", false, NAN}, /* no sample is no pass */
        {"client_latency{phase:during}", "count==0", true, 0},
        {"decision_latency", "p(99)<10s", false, NAN},
        {"decisions", "count>=10", true, 10},
        {"decisions{phase:before}", "rate>20", false, 9.99},
        {"decisions{phase:before}", "rate>5", true, 9.99},
        {"decisions{phase:during}", "count>0", false, 0},
        {"view_changes", "count<=3", true, 0},
        {"timer_growth", "value<2", true, 1},
        {"messages_per_decision{phase:before,kind:vote}", "value<100", false, 0}, /* none was seen */
        {"quorum_time{vote:commit}", "p(99)<1s", false, NAN},
        {"recovery_time", "value<2s", false, 0}, /* it stood still to the end */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool met = !rows[i].met;
        double value = -1;
        struct tc_error err = {0};
        int status = tc_metrics_threshold(m, rows[i].metric, rows[i].condition, &met, &value, &err);
        const bool near =
            isnan(rows[i].value) ? isnan(value) : value >= rows[i].value * 0.98 && value <= rows[i].value * 1.02;
        if (status != 0 || met != rows[i].met || !near)
            fail_msg("%s %s: status %d met %d value %f %s", rows[i].metric, rows[i].condition, status, met, value,
                     err.text);
    }
}

static void mistakes_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *metric, *condition, *says;
    } rows[] = {
        {"latency", "p(99)<1s", "does not exist; there are: decision_latency"},
        {"", "p(99)<1s", "expected a metric's name"},
        {"client_latency{phase:later}", "p(99)<1s", "{phase:before}"},
        {"client_latency{phase:before", "p(99)<1s", "expected {tag:value}"},
        {"client_latency{phase:before}x", "p(99)<1s", "expected {tag:value}"},
        {"client_latency", "p(101)<1s", "expected a statistic"},
        {"client_latency", "p(99<1s", "expected a statistic"},
        {"client_latency", "p99.9x<1s", "expected one of"},
        {"client_latency", "mode<1s", "not \"mode\""},
        {"client_latency", "p(99)<100", "needs a unit"},
        {"client_latency", "p(99)=<100ms", "expected one of"},
        {"client_latency", "p(99)100ms", "expected one of"},
        {"client_latency", "p(99)<", "expected a number"},
        {"client_latency", "p(99)<.", "expected a number"},
        {"client_latency", "p(99)<1parsec", "expected a unit"},
        {"client_latency", "p(99)<1 ms or so", "expected nothing after the unit"},
        {"decisions", "p(99)<3", "has no statistic"},
        {"decisions", "count<3ms", "is no time"},
        {"decisions", "value<3", "has no statistic"},
        {"decisions{kind:vote}", "count<3", "expected {phase:after}"},
        {"quorum_time", "p(99)<1s", "expected {vote:prepare}"},
        {"quorum_time{vote:later}", "p(99)<1s", "expected {vote:prepare}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool met = true;
        double value;
        struct tc_error err = {0};
        int status = tc_metrics_threshold(m, rows[i].metric, rows[i].condition, &met, &value, &err);
        if (status != TC_EUSAGE || met || !strstr(err.text, rows[i].says))
            fail_msg("%s %s: status %d met %d \"%s\"", rows[i].metric, rows[i].condition, status, met, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_that_stand),
        cmocka_unit_test(mistakes_are_errors),
    };
    return cmocka_run_group_tests(tests, open_metrics, close_metrics);
}
