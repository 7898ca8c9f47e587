/* What is measured in a run, from the same observations as the oracles see. Pure. */
#ifndef TC_METRICS_H
#define TC_METRICS_H

#include "histogram.h"
#include "oracle.h"

#define TC_METRICS_SECONDS_MAX 3600 /* time series: one bucket a `bucket_ns`; later ones are merged into the last */

/* One bucket of the time series. */
struct tc_metrics_bucket {
    uint64_t decisions;  /* sequence numbers executed for the first time */
    uint64_t operations; /* client operations in them */
    uint64_t latency_p50_ns, latency_p95_ns, latency_p99_ns,
        latency_max_ns; /* decision latency: proposal said → (f+1)-th execution line (or quorum of last votes on the
                           wire) */
    uint64_t messages, bytes;
    uint64_t view_changes;
};

/* One scalar with its name, as it stands in metrics.tsv, result.json and thresholds. */
struct tc_metric {
    const char *name; /* decision_latency, client_latency, throughput, quorum_time, view_changes, chain_growth … */
    char tags[96];    /* phase:after,kind:vote,… "" none */
    const char *statistic; /* p50, p95, p99, max, count, rate, value */
    double value;          /* in the unit */
    const char *unit;      /* ns, 1/s, messages, bytes, "" */
};

/* A replica's step in its views, for the plot. */
struct tc_metrics_view_step {
    uint64_t time_ns;
    uint16_t node;
    uint64_t view;
    uint64_t timeout_ns;
    bool active;
};

struct tc_metrics;

/* Measures in buckets of bucket_ns; protocol and env must outlive it. NULL if out of memory. */
struct tc_metrics *tc_metrics_new(const struct tc_protocol *protocol, const struct tc_protocol_env *env,
                                  uint64_t bucket_ns);
void tc_metrics_free(struct tc_metrics *m);

/* Takes every observation of the run, in its order, until tc_metrics_finish. */
void tc_metrics_observe(struct tc_metrics *m, const struct tc_observation *observation);

/* Live numbers for the progress line. */
struct tc_metrics_now {
    enum tc_run_phase phase;
    uint64_t phase_begin_ns;
    uint64_t decisions, decisions_phase;
    double decisions_per_s;
    uint64_t latency_p99_ns;
    uint64_t view;
    bool view_known; /* nodes say which they enter; else the last one whose leader was heard to lead */
};
/* They are of the phase that runs at now_ns. */
void tc_metrics_now(const struct tc_metrics *m, uint64_t now_ns, struct tc_metrics_now *out);

/* Ends measuring; then the following may be read until free. */
void tc_metrics_finish(struct tc_metrics *m, uint64_t now_ns);
/* Every metric of the table that was measured; the buckets from the run's beginning, each bucket_ns long; who entered
 * which view, in order of time. Borrowed. */
const struct tc_metric *tc_metrics_all(const struct tc_metrics *m, size_t *count);
const struct tc_metrics_bucket *tc_metrics_series(const struct tc_metrics *m, size_t *count, uint64_t *bucket_ns);
const struct tc_metrics_view_step *tc_metrics_views(const struct tc_metrics *m, size_t *count);
/* When each phase began (TC_NEVER_NS if it never did). */
uint64_t tc_metrics_phase_begin_ns(const struct tc_metrics *m, enum tc_run_phase phase);
/* First decision at or after the attack began that ended a pause; TC_NEVER_NS if none. */
uint64_t tc_metrics_recovered_ns(const struct tc_metrics *m);
/* A pause is a time without decisions longer than this: the view timer, or twice the mean distance of the decisions
 * before the attack if that is longer. */
uint64_t tc_metrics_pause_min_ns(const struct tc_metrics *m);
const struct tc_histogram *tc_metrics_latency(const struct tc_metrics *m,
                                              enum tc_run_phase phase); /* decision latency */
const struct tc_histogram *
tc_metrics_quorum_time(const struct tc_metrics *m,
                       enum tc_phase protocol_phase); /* first vote of a slot → quorum-th vote */

/* One threshold: metric{tag:v} and condition, e.g. "p(99)<800ms", "rate>100", "value<=3". TC_EUSAGE for a metric or
 * statistic that does not exist (an unknown metric is an error, never a pass). *met says whether it was met, *value
 * what was measured: NaN if that is a statistic of no samples, which is never met. */
int tc_metrics_threshold(const struct tc_metrics *m, const char *metric, const char *condition, bool *met,
                         double *value, struct tc_error *err);

#endif
