/* The scalars: each with name, tags, statistic and unit, as metrics.tsv, result.json and thresholds have them. */
#include <stdio.h>

#include "../proxy/names.h"
#include "metrics_internal.h"

static void add(struct tc_metrics *m, const char *name, const char *tags, const char *statistic, double value,
                const char *unit)
{
    if (m->list_count == METRICS_MAX)
        return;
    struct tc_metric *metric = &m->list[m->list_count++];
    *metric = (struct tc_metric){.name = name, .statistic = statistic, .value = value, .unit = unit};
    snprintf(metric->tags, sizeof metric->tags, "%s", tags);
}

static void add_histogram(struct tc_metrics *m, const char *name, const char *tags, const struct tc_histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}};
    add(m, name, tags, "count", (double)h->count, "");
    if (h->count == 0)
        return;
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        add(m, name, tags, quantiles[i].name, (double)tc_histogram_quantile(h, quantiles[i].share), "ns");
    add(m, name, tags, "avg", h->sum_ns / (double)h->count, "ns");
    add(m, name, tags, "max", (double)h->max_ns, "ns");
}

static double per_second(uint64_t count, uint64_t duration_ns)
{
    return duration_ns ? (double)count * 1e9 / (double)duration_ns : 0;
}

static void add_messages(struct tc_metrics *m, enum tc_run_phase phase, const char *phase_tags)
{
    uint64_t decisions = tc_metrics_decisions(m)->count[phase];
    uint64_t messages = 0;
    uint64_t bytes = 0;
    for (int kind = 0; kind < TC_KIND_COUNT; kind++) {
        if (m->messages[phase][kind] == 0)
            continue;
        messages += m->messages[phase][kind];
        bytes += m->bytes[phase][kind];
        if (decisions == 0)
            continue;
        char tags[96];
        snprintf(tags, sizeof tags, "%s,kind:%s", phase_tags, tc_kind_name(kind));
        add(m, "messages_per_decision", tags, "value", (double)m->messages[phase][kind] / (double)decisions,
            "messages");
        add(m, "bytes_per_decision", tags, "value", (double)m->bytes[phase][kind] / (double)decisions, "bytes");
    }
    add(m, "messages", phase_tags, "count", (double)messages, "messages");
    if (decisions == 0)
        return;
    add(m, "messages_per_decision", phase_tags, "value", (double)messages / (double)decisions, "messages");
    add(m, "bytes_per_decision", phase_tags, "value", (double)bytes / (double)decisions, "bytes");
}

static void add_growth(struct tc_metrics *m, const struct tc_growth *growth, const char *tags)
{
    if (!m->protocol->parent || growth->views == 0)
        return;
    add(m, "chain_growth", tags, "value", tc_growth_share(growth->committed, growth->views).value, "");
    if (growth->committed > 0)
        add(m, "chain_quality", tags, "value", tc_growth_share(growth->honest, growth->committed).value, "");
}

static void add_phase(struct tc_metrics *m, enum tc_run_phase phase)
{
    if (m->begin_ns[phase] == TC_NEVER_NS)
        return;
    char tags[96];
    snprintf(tags, sizeof tags, "phase:%s", tc_run_phase_name(phase));
    const struct decisions *decisions = tc_metrics_decisions(m);
    uint64_t duration_ns = tc_metrics_phase_ns(m, phase);
    add_histogram(m, "decision_latency", tags, &decisions->latency[phase]);
    add_histogram(m, "client_latency", tags, &m->client_latency[phase]);
    add(m, "decisions", tags, "count", (double)decisions->count[phase], "");
    add(m, "decisions", tags, "rate", per_second(decisions->count[phase], duration_ns), "1/s");
    add(m, "throughput", tags, "count", (double)m->operations[phase], "");
    add(m, "throughput", tags, "rate", per_second(m->operations[phase], duration_ns), "1/s");
    add(m, "view_changes", tags, "count", (double)m->view_changes[phase], "");
    add(m, "client_failures", tags, "count", (double)m->client_failures[phase], "");
    add_growth(m, &m->growth_phase[phase], tags);
    add_messages(m, phase, tags);
}

/* From the attack's begin to the decision that ended the first pause; 0 where there was no pause to recover from, and
 * no metric where the run ended in one (a threshold on it is then missed). */
static void add_recovery(struct tc_metrics *m, const struct decisions *decisions)
{
    uint64_t end_ns = m->begin_ns[TC_RUN_ENDED] != TC_NEVER_NS ? m->begin_ns[TC_RUN_ENDED] : m->end_ns;
    if (m->recovered_ns != TC_NEVER_NS) {
        add(m, "recovery_time", "", "value", (double)(m->recovered_ns - m->begin_ns[TC_RUN_DURING]), "ns");
        add(m, "recovery_pause", "", "value", (double)m->pause_ns, "ns");
    } else if (decisions->first_ns != TC_NEVER_NS && end_ns <= decisions->last_ns + m->env.cluster->view_timeout_ns) {
        add(m, "recovery_time", "", "value", 0, "ns");
        add(m, "recovery_pause", "", "value", 0, "ns");
    }
}

/* Sums over the phases of the run proper: what comes after its end is shutting down. */
static void add_whole(struct tc_metrics *m)
{
    const struct decisions *decisions = tc_metrics_decisions(m);
    uint64_t count = 0;
    uint64_t operations = 0;
    uint64_t changes = 0;
    uint64_t failures = 0;
    uint64_t duration_ns = 0;
    for (int phase = 0; phase < TC_RUN_ENDED; phase++) {
        count += decisions->count[phase];
        operations += m->operations[phase];
        changes += m->view_changes[phase];
        failures += m->client_failures[phase];
        duration_ns += tc_metrics_phase_ns(m, phase);
    }
    add(m, "decisions", "", "count", (double)count, "");
    add(m, "decisions", "", "rate", per_second(count, duration_ns), "1/s");
    add(m, "throughput", "", "count", (double)operations, "");
    add(m, "throughput", "", "rate", per_second(operations, duration_ns), "1/s");
    add(m, "view_changes", "", "count", (double)changes, "");
    add(m, "client_failures", "", "count", (double)failures, "");
    add(m, "view", "", "value", (double)m->view, "");
    if (m->env.cluster->view_timeout_ns)
        add(m, "timer_growth", "", "value", (double)m->timeout_max_ns / (double)m->env.cluster->view_timeout_ns, "");
    add_growth(m, &m->growth, "");
    add_recovery(m, decisions);
}

void tc_metrics_make_list(struct tc_metrics *m)
{
    m->list_count = 0;
    add_whole(m);
    for (int phase = 0; phase < TC_RUN_ENDED; phase++)
        add_phase(m, phase);
    for (int phase = 1; phase < TC_PHASE_COUNT; phase++) {
        if (m->quorum_time[phase].count == 0)
            continue;
        char tags[96];
        snprintf(tags, sizeof tags, "vote:%s", tc_phase_name(phase));
        add_histogram(m, "quorum_time", tags, &m->quorum_time[phase]);
    }
}

const struct tc_metric *tc_metrics_all(const struct tc_metrics *m, size_t *count)
{
    *count = m->list_count;
    return m->list;
}
