/* What was measured: phases, thresholds, cost against the formula, and all of it. */
#include "html_cells.h"

#include <stdio.h>
#include <string.h>

static void recoveries(struct tc_html *h)
{
    const json_t *list = json_object_get(h->result, "recoveries_ns"), *one;
    size_t i;
    if (tc_json_ns(h->result, "recovered_ns") == TC_NEVER_NS)
        return;
    tc_buf_format(h->out,
                  "<p>Decisions paused for longer than the view timer and than is usual here; the first one after the "
                  "pause came %.3f s into the run",
                  (double)tc_json_ns(h->result, "recovered_ns") / 1e9);
    json_array_foreach(list, i, one)
    {
        if (i > 0)
            tc_buf_format(h->out, "%s%.1f s",
                          i == 1                           ? ", after later pauses at "
                          : i + 1 == json_array_size(list) ? " and "
                                                           : ", ",
                          (double)json_integer_value(one) / 1e9);
    }
    tc_buf_add(h->out, ".</p>\n");
}

/* Whether anybody told of operations: a chain's blocks may hold what no client of ours asked for. */
static bool any_operations(const json_t *phases)
{
    const json_t *phase;
    size_t i;
    json_array_foreach(phases, i, phase)
    {
        if (tc_json_number(phase, "operations_per_s") > 0)
            return true;
    }
    return false;
}

/* A capture that tells of no phases is one. */
static const char *phase_name(const json_t *result, const json_t *phase)
{
    const json_t *other;
    bool whole = strcmp(tc_json_string(result, "world"), "capture") == 0;
    size_t i;
    json_array_foreach(json_object_get(result, "phases"), i, other)
    {
        whole &= other == phase || tc_json_ns(other, "begin_ns") == TC_NEVER_NS;
    }
    return whole ? "all of it" : tc_json_string(phase, "name");
}

void tc_html_phases(struct tc_html *h)
{
    static const char *const names[] = {"Phase", "Lasted", "Decisions", "Per second",
                                        "p50",   "p95",    "p99",       "Operations/s"};
    const json_t *phases = json_object_get(h->result, "phases"), *phase;
    const bool operations = any_operations(phases);
    size_t i;
    tc_cell_header(h, names, operations ? 8 : 7, 1);
    json_array_foreach(phases, i, phase)
    {
        uint64_t begin = tc_json_ns(phase, "begin_ns"), end = tc_json_ns(phase, "end_ns");
        if (begin == TC_NEVER_NS || end == TC_NEVER_NS)
            continue;
        tc_buf_add(h->out, "<tr>");
        tc_cell_text(h, "phase", phase_name(h->result, phase));
        tc_cell_begin(h, "lasted", "num");
        tc_buf_duration(h->out, end > begin ? end - begin : 0);
        tc_buf_add(h->out, "</td>");
        tc_cell_count(h, "decisions", phase, "decisions");
        tc_cell_rate(h, "per second", phase, "decisions_per_s");
        tc_cell_duration(h, "p50", phase, "latency_p50_ns");
        tc_cell_duration(h, "p95", phase, "latency_p95_ns");
        tc_cell_duration(h, "p99", phase, "latency_p99_ns");
        if (operations)
            tc_cell_rate(h, "operations/s", phase, "operations_per_s");
        tc_buf_add(h->out, "</tr>\n");
    }
    tc_buf_add(h->out, "</tbody></table>\n");
    recoveries(h);
}

void tc_html_thresholds(struct tc_html *h)
{
    static const char *const names[] = {"Threshold", "Condition", "Met", "Measured"};
    const json_t *list = json_object_get(h->result, "thresholds"), *threshold;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    tc_html_section(h, "thresholds", "Thresholds of the scenario", "");
    tc_cell_header(h, names, 4, 3);
    json_array_foreach(list, i, threshold)
    {
        bool met = tc_json_true(threshold, "met");
        tc_buf_add(h->out, "<tr>");
        tc_cell_text(h, "threshold", tc_json_string(threshold, "metric"));
        tc_cell_text(h, "condition", tc_json_string(threshold, "condition"));
        tc_cell_begin(h, "met", "");
        tc_buf_format(h->out, "<span class=\"pill %s\">%s</span></td>", met ? "good" : "bad", met ? "met" : "missed");
        struct tc_buf value = {0};
        tc_json_threshold_value(threshold, &value);
        tc_cell_measured(h, &value);
    }
    tc_buf_add(h->out, "</tbody></table></section>\n");
}

static const char *const cost_kinds[][2] = {
    {"propose", "proposals"},
    {"vote", "votes"},
    {"certificate", "certificates"},
    {"new_view", "new views"},
    {"view_change", "view changes"},
    {"checkpoint", "checkpoints"},
    {"sync", "transfer of states or blocks"},
};
#define COST_KINDS (sizeof cost_kinds / sizeof *cost_kinds)

/* Messages of a kind per decision in a phase of the run; below 0 if they were not measured. */
static double measured_cost(const json_t *result, const char *phase, const char *kind)
{
    const json_t *metric;
    size_t i;
    char tags[96];
    snprintf(tags, sizeof tags, "phase:%s,kind:%s", phase, kind);
    json_array_foreach(json_object_get(result, "metrics"), i, metric)
    {
        if (strcmp(tc_json_string(metric, "name"), "messages_per_decision") == 0 && tc_json_has(metric, "value") &&
            strcmp(tc_json_string(metric, "tags"), tags) == 0)
            return tc_json_number(metric, "value");
    }
    return -1;
}

/* The formula's share of one kind: a protocol may have several types of it. */
static double expected_cost(const json_t *result, const char *kind)
{
    const json_t *row;
    size_t i;
    double sum = 0;
    json_array_foreach(json_object_get(json_object_get(result, "cost"), "by_type"), i, row)
    {
        if (strcmp(tc_json_string(row, "kind"), kind) == 0)
            sum += tc_json_number(row, "messages");
    }
    return sum;
}

/* Was anything counted in this phase? */
static bool has_cost(const json_t *result, const char *phase)
{
    for (size_t k = 0; k < COST_KINDS; k++)
        if (measured_cost(result, phase, cost_kinds[k][0]) >= 0)
            return true;
    return false;
}

static void cost_cell(struct tc_html *h, const char *label, double value)
{
    tc_cell_begin(h, label, value >= 0 ? "num" : "num none");
    if (value >= 0)
        tc_buf_value(h->out, value, "");
    else
        tc_buf_add(h->out, "–");
    tc_buf_add(h->out, "</td>");
}

static void cost_row(struct tc_html *h, const char *kind, double expected, const double measured[3], const bool has[3])
{
    static const char *const labels[] = {"before", "during", "after"};
    tc_cell_text(h, "kind", kind);
    cost_cell(h, "formula", expected);
    for (size_t i = 0; i < 3; i++)
        if (has[i])
            cost_cell(h, labels[i], measured[i]);
    tc_buf_add(h->out, "</tr>\n");
}

/* One row a kind of message; their sum, of those that the formula counts, in `together`. */
static void cost_rows(struct tc_html *h, const bool has[3], double together[3])
{
    static const char *const phases[] = {"before", "during", "after"};
    for (size_t k = 0; k < COST_KINDS; k++) {
        double expected = expected_cost(h->result, cost_kinds[k][0]), measured[3], most = -1;
        for (size_t i = 0; i < 3; i++) {
            measured[i] = measured_cost(h->result, phases[i], cost_kinds[k][0]);
            most = measured[i] > most ? measured[i] : most;
            if (expected > 0 && measured[i] >= 0)
                together[i] = measured[i] + (together[i] < 0 ? 0 : together[i]);
        }
        if (expected <= 0 && most < 0)
            continue;
        tc_buf_add(h->out, "<tr>");
        cost_row(h, cost_kinds[k][1], expected > 0 ? expected : -1, measured, has);
    }
}

void tc_html_cost(struct tc_html *h)
{
    static const char *const phases[] = {"before", "during", "after"}, *const titles[] = {"Before", "During", "After"};
    const char *names[5] = {"Messages per decision", "Formula"};
    double together[3] = {-1, -1, -1};
    size_t columns = 2;
    bool has[3];
    if (!json_is_object(json_object_get(h->result, "cost")))
        return;
    for (size_t i = 0; i < 3; i++) {
        has[i] = has_cost(h->result, phases[i]);
        if (has[i])
            names[columns++] = titles[i];
    }
    tc_html_section(
        h, "cost", "Cost against the formula",
        "Messages between replicas for one decision, measured in each phase of the run. The formula is that of a "
        "decision without failures; checkpoints, view changes and what replicas pass on for each other come on top of "
        "it.");
    tc_cell_header(h, names, columns, 1);
    cost_rows(h, has, together);
    tc_buf_add(h->out, "<tr class=\"sum\">");
    cost_row(h, "all that the formula counts",
             tc_json_number(json_object_get(h->result, "cost"), "messages_per_decision"), together, has);
    tc_buf_add(h->out, "</tbody></table></section>\n");
}

void tc_html_metrics(struct tc_html *h)
{
    static const char *const names[] = {"Metric", "Of", "Statistic", "Measured"};
    const json_t *list = json_object_get(h->result, "metrics"), *metric;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    tc_html_section(h, "metrics", "All that was measured", "");
    tc_buf_format(h->out, "<details><summary>%zu values</summary>\n", json_array_size(list));
    tc_cell_header(h, names, 4, 3);
    json_array_foreach(list, i, metric)
    {
        tc_buf_add(h->out, "<tr>");
        tc_cell_text(h, "metric", tc_json_string(metric, "name"));
        tc_cell_text(h, "of", tc_json_string(metric, "tags"));
        tc_cell_text(h, "statistic", tc_json_string(metric, "statistic"));
        struct tc_buf value = {0};
        if (tc_json_has(metric, "value"))
            tc_buf_value(&value, tc_json_number(metric, "value"), tc_json_string(metric, "unit"));
        tc_cell_measured(h, &value);
    }
    tc_buf_add(h->out, "</tbody></table></details></section>\n");
}
