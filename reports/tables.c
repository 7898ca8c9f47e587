/* metrics.tsv and the tables the plots are drawn from. A series without data has no table. */
#include "../proxy/names.h"
#include "recorder_parts.h"

#include <stdio.h>
#include <stdlib.h>

#define LATENCY_DECISIONS 100u  /* that a point of the latency plot stands for, if they come within a second */
#define BINS_MAX          1000u /* rows of one series: more only makes the picture heavy */

static void write_table(struct tc_recorder *r, const char *name, struct tc_buf *table)
{
    struct tc_error err = {0};
    if (table->len > 0 || table->failed)
        tc_out_file(r->dir, name, table, &err);
    tc_recorder_note_error(r, &err);
    tc_buf_free(table);
}

static void metrics_table(struct tc_recorder *r, const struct tc_metrics *m)
{
    struct tc_buf t = {0};
    size_t count = 0;
    const struct tc_metric *all = tc_metrics_all(m, &count);
    tc_buf_add(&t, "metric\ttags\tstatistic\tvalue\tunit\n");
    for (size_t i = 0; i < count; i++) {
        tc_buf_escape(&t, TC_ESCAPE_TSV, all[i].name);
        tc_buf_add(&t, "\t");
        tc_buf_escape(&t, TC_ESCAPE_TSV, all[i].tags);
        tc_buf_format(&t, "\t%s\t%.9g\t%s\n", all[i].statistic, all[i].value, all[i].unit);
    }
    write_table(r, "metrics.tsv", &t);
}

static void add_ms(struct tc_buf *t, uint64_t time_ns)
{
    if (time_ns == 0)
        tc_buf_add(t, "\tNaN");
    else
        tc_buf_format(t, "\t%.6f", (double)time_ns / 1e6);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Few enough rows for a picture; and where a decision is rare, a second each, for a comb shows no rate. */
static size_t series_stride(const struct tc_metrics_bucket *all, size_t count, uint64_t bucket_ns)
{
    const size_t stride = (count + BINS_MAX - 1) / BINS_MAX;
    const size_t second = bucket_ns > 0 && bucket_ns < UINT64_C(1000000000) ? UINT64_C(1000000000) / bucket_ns : 1;
    uint64_t decisions = 0;
    for (size_t i = 0; i < count; i++)
        decisions += all[i].decisions;
    return decisions < count && stride < second && count > 3 * second ? second : stride;
}

/* `stride` buckets become one row: counts add up, of percentiles the largest is kept (never better than measured). The
 * run may end within a bucket: what is left joins the row before, if it would be less than half of one. */
static void series_table(struct tc_recorder *r, const struct tc_metrics *m, uint64_t duration_ns)
{
    struct tc_buf t = {0};
    size_t count = 0;
    uint64_t bucket_ns = 0;
    const struct tc_metrics_bucket *all = tc_metrics_series(m, &count, &bucket_ns);
    const size_t stride = series_stride(all, count, bucket_ns);
    if (count > 0)
        tc_buf_add(&t, "time_s\tdecisions_per_s\toperations_per_s\tp50_ms\tp95_ms\tp99_ms\tmax_ms\tmessages\tbytes\t"
                       "view_changes\n");
    for (size_t i = 0, end = 0; i < count; i = end) {
        struct tc_metrics_bucket sum = {0};
        end = i + stride < count ? i + stride : count;
        if (duration_ns < end * bucket_ns + stride * bucket_ns / 2)
            end = count;
        for (size_t k = i; k < end; k++) {
            sum.decisions += all[k].decisions;
            sum.operations += all[k].operations;
            sum.messages += all[k].messages;
            sum.bytes += all[k].bytes;
            sum.view_changes += all[k].view_changes;
            sum.latency_p50_ns = larger(sum.latency_p50_ns, all[k].latency_p50_ns);
            sum.latency_p95_ns = larger(sum.latency_p95_ns, all[k].latency_p95_ns);
            sum.latency_p99_ns = larger(sum.latency_p99_ns, all[k].latency_p99_ns);
            sum.latency_max_ns = larger(sum.latency_max_ns, all[k].latency_max_ns);
        }
        uint64_t span_ns = (end - i) * bucket_ns;
        if (end == count && duration_ns > i * bucket_ns && duration_ns < end * bucket_ns)
            span_ns = duration_ns - i * bucket_ns;
        double span_s = (double)span_ns / 1e9;
        tc_buf_format(&t, "%.3f\t%.1f\t%.1f", (double)i * (double)bucket_ns / 1e9, (double)sum.decisions / span_s,
                      (double)sum.operations / span_s);
        add_ms(&t, sum.latency_p50_ns);
        add_ms(&t, sum.latency_p95_ns);
        add_ms(&t, sum.latency_p99_ns);
        add_ms(&t, sum.latency_max_ns);
        tc_buf_format(&t, "\t%llu\t%llu\t%llu\n", (unsigned long long)sum.messages, (unsigned long long)sum.bytes,
                      (unsigned long long)sum.view_changes);
    }
    write_table(r, "plots/series.tsv", &t);
}

/* A number of decisions at about the same latency, from the few percentiles a bucket keeps. */
struct weight {
    double latency_ns, decisions;
};

static int by_latency(const void *a, const void *b)
{
    double x = ((const struct weight *)a)->latency_ns, y = ((const struct weight *)b)->latency_ns;
    return (x > y) - (x < y);
}

#define SLICES 20u /* a bucket's distribution, read off its percentiles at so many points */

/* The latency below which `share` of a bucket's decisions lie: straight lines between what is known. */
static double latency_at(const struct tc_metrics_bucket *b, double share)
{
    const double shares[] = {0, 0.5, 0.95, 0.99, 1};
    const double known[] = {(double)b->latency_p50_ns, (double)b->latency_p50_ns, (double)b->latency_p95_ns,
                            (double)b->latency_p99_ns, (double)b->latency_max_ns};
    int i = 1;
    while (i < 4 && share > shares[i])
        i++;
    return known[i - 1] + (known[i] - known[i - 1]) * (share - shares[i - 1]) / (shares[i] - shares[i - 1]);
}

static void add_quantile(struct tc_buf *t, const struct weight *weights, size_t count, double quantile)
{
    double all = 0, seen = 0;
    size_t i = 0;
    for (size_t k = 0; k < count; k++)
        all += weights[k].decisions;
    while (i + 1 < count && seen + weights[i].decisions < quantile * all) {
        seen += weights[i].decisions;
        i++;
    }
    add_ms(t, count > 0 ? (uint64_t)weights[i].latency_ns : 0);
}

/* One row for all the buckets from `from` to before `end`. */
static void latency_row(struct tc_buf *t, const struct tc_metrics_bucket *all, size_t from, size_t end,
                        uint64_t bucket_ns)
{
    struct weight *weights = malloc((end - from) * SLICES * sizeof *weights);
    uint64_t decisions = 0, max_ns = 0;
    size_t count = 0;
    t->failed |= !weights;
    for (size_t i = from; weights && i < end; i++) {
        decisions += all[i].decisions;
        max_ns = larger(max_ns, all[i].latency_max_ns);
        for (unsigned k = 0; all[i].latency_max_ns > 0 && k < SLICES; k++)
            weights[count++] =
                (struct weight){latency_at(&all[i], (k + 0.5) / SLICES), (double)larger(all[i].decisions, 1) / SLICES};
    }
    if (count > 0)
        qsort(weights, count, sizeof *weights, by_latency);
    tc_buf_format(t, "%.3f", (double)(from + end) / 2 * (double)bucket_ns / 1e9);
    add_quantile(t, weights, count, 0.5);
    add_quantile(t, weights, count, 0.95);
    add_quantile(t, weights, count, 0.99);
    add_ms(t, max_ns);
    tc_buf_format(t, "\t%llu\n", (unsigned long long)decisions);
    free(weights);
}

/* A percentile of two decisions says nothing: buckets are merged to LATENCY_DECISIONS or a second. */
static void latency_table(struct tc_recorder *r, const struct tc_metrics *m)
{
    struct tc_buf t = {0};
    size_t count = 0;
    uint64_t bucket_ns = 0, decisions = 0, any = 0;
    const struct tc_metrics_bucket *all = tc_metrics_series(m, &count, &bucket_ns);
    size_t from = 0, longest = bucket_ns > 0 && bucket_ns < 1000000000 ? (size_t)(1000000000 / bucket_ns) : 1;
    longest *= (count + longest * BINS_MAX - 1) / (longest * BINS_MAX);
    tc_buf_add(&t, "time_s\tp50_ms\tp95_ms\tp99_ms\tmax_ms\tdecisions\n");
    for (size_t i = 0; i < count; i++) {
        decisions += all[i].decisions;
        any = larger(any, all[i].latency_max_ns);
        bool enough = decisions >= LATENCY_DECISIONS && count <= BINS_MAX;
        if (!enough && i + 1 - from < longest && i + 1 < count)
            continue;
        latency_row(&t, all, from, i + 1, bucket_ns);
        from = i + 1;
        decisions = 0;
    }
    if (any == 0 && !t.failed)
        tc_buf_free(&t); /* nothing was measured: no table */
    write_table(r, "plots/latency.tsv", &t);
}

/* One block a replica: a step at each change of view, the last one drawn on to the end. */
static void views_table(struct tc_recorder *r, const struct tc_metrics *m, uint64_t end_ns)
{
    struct tc_buf t = {0};
    size_t count = 0;
    const struct tc_metrics_view_step *all = tc_metrics_views(m, &count);
    for (uint32_t node = 0; node < TC_REPLICAS_MAX; node++) {
        size_t mine = 0, written = 0;
        uint64_t last_view = 0, shown = UINT64_MAX;
        for (size_t i = 0; i < count; i++)
            mine += all[i].node == node && all[i].active;
        size_t stride = mine / BINS_MAX + 1;
        for (size_t i = 0; i < count; i++) {
            if (all[i].node != node || !all[i].active)
                continue;
            if (written == 0)
                tc_buf_format(&t, "%s\"replica %u\"\tview\n", t.len ? "\n\n" : "", node);
            last_view = all[i].view;
            if (written++ % stride == 0) {
                tc_buf_format(&t, "%.6f\t%llu\n", (double)all[i].time_ns / 1e9, (unsigned long long)last_view);
                shown = last_view;
            }
        }
        if (shown != UINT64_MAX)
            tc_buf_format(&t, "%.6f\t%llu\n", (double)end_ns / 1e9, (unsigned long long)last_view);
    }
    write_table(r, "plots/views.tsv", &t);
}

/* One block of "milliseconds, share of the samples at or below". */
static void add_distribution(struct tc_buf *t, const char *name, const struct tc_histogram *h)
{
    uint64_t seen = 0;
    if (!h || h->count == 0)
        return;
    tc_buf_format(t, "%s\"%s (%llu)\"\tshare\n", t->len ? "\n\n" : "", name, (unsigned long long)h->count);
    tc_buf_format(t, "%.6f\t0\n", (double)h->min_ns / 1e6);
    uint32_t used = 0, stride = 1;
    for (uint32_t i = 0; i < TC_HISTOGRAM_BUCKETS; i++)
        used += h->counts[i] > 0;
    stride += used / BINS_MAX;
    used = 0;
    for (uint32_t i = 0; i < TC_HISTOGRAM_BUCKETS; i++) {
        if (h->counts[i] == 0)
            continue;
        seen += h->counts[i];
        if (used++ % stride == 0 || seen == h->count)
            tc_buf_format(t, "%.6f\t%.6f\n", (double)larger(tc_histogram_bucket_ns(i), h->min_ns) / 1e6,
                          (double)seen / (double)h->count);
    }
}

static void distribution_tables(struct tc_recorder *r, const struct tc_metrics *m)
{
    struct tc_buf latency = {0}, quorum = {0};
    for (int phase = TC_RUN_BEFORE; phase < TC_RUN_ENDED; phase++)
        add_distribution(&latency, tc_run_phase_name(phase), tc_metrics_latency(m, phase));
    write_table(r, "plots/latency_cdf.tsv", &latency);
    for (int phase = TC_PHASE_PREPARE; phase < TC_PHASE_COUNT; phase++)
        add_distribution(&quorum, tc_phase_name(phase), tc_metrics_quorum_time(m, phase));
    write_table(r, "plots/quorum.tsv", &quorum);
}

void tc_tables_write(struct tc_recorder *r, const struct tc_report_input *input)
{
    if (!input->metrics)
        return;
    metrics_table(r, input->metrics);
    series_table(r, input->metrics, input->info->duration_ns);
    latency_table(r, input->metrics);
    views_table(r, input->metrics, input->info->duration_ns);
    distribution_tables(r, input->metrics);
}
