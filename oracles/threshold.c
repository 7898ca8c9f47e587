/* Thresholds in k6's grammar: a metric `name{tag:value,…}` and a condition `statistic<number unit>`.
 *
 *   decision_latency{phase:after}   p(99)<800ms
 *   throughput{phase:during}        rate>=100
 *   view_changes                    count<=3
 *
 * A metric, tag or statistic that does not exist is an error and never a pass; a metric without samples misses its
 * threshold. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy/names.h"
#include "metrics_internal.h"

#define NAMES                                                                                                          \
    "decision_latency, client_latency, quorum_time (times); decisions, throughput, view_changes, "                     \
    "client_failures, messages, messages_per_decision, bytes_per_decision, view, timer_growth, "                       \
    "recovery_time, recovery_pause"

/* What a condition says. */
struct condition {
    enum { STAT_QUANTILE, STAT_NAMED } kind;
    double share;       /* STAT_QUANTILE */
    char statistic[16]; /* STAT_NAMED: avg, min, max, med, count, rate, value */
    char op[4];
    double bound; /* in ns if is_time */
    bool is_time;
};

/* The parts of `name{tags}`. */
struct selector {
    char name[48];
    char tags[96]; /* "" none */
};

/* <ctype.h> would ask the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static int selector_parse(const char *text, struct selector *out, struct tc_error *err)
{
    const char *at = skip(text);
    size_t len = strcspn(at, "{ \t");
    if (len == 0 || len >= sizeof out->name)
        return tc_error_set(err, TC_EUSAGE, "threshold \"%s\": expected a metric's name, e.g. decision_latency", text);
    memcpy(out->name, at, len);
    out->name[len] = '\0';
    out->tags[0] = '\0';
    at = skip(at + len);
    if (*at == '\0')
        return 0;
    const char *end = strchr(at, '}');
    if (*at != '{' || !end || *skip(end + 1) != '\0' || (size_t)(end - at) >= sizeof out->tags)
        return tc_error_set(err, TC_EUSAGE, "threshold \"%s\": expected {tag:value} after the name, e.g. {phase:after}",
                            text);
    size_t used = 0;
    for (at++; at < end; at++)
        if (*at != ' ')
            out->tags[used++] = *at;
    out->tags[used] = '\0';
    return 0;
}

/* A number without libm and locale: digits and at most one point. */
static const char *number_parse(const char *at, double *out)
{
    double whole = 0;
    double scale = 1;
    bool point = false;
    const char *begin = at;
    for (; is_digit(*at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        whole = whole * 10 + (*at - '0');
        if (point)
            scale *= 10;
    }
    *out = whole / scale;
    return at == begin || (at == begin + 1 && point) ? NULL : at;
}

static int bad_condition(const char *text, const char *expected, struct tc_error *err)
{
    return tc_error_set(err, TC_EUSAGE, "threshold condition \"%s\": expected %s, e.g. p(99)<800ms or rate>100", text,
                        expected);
}

static const char *statistic_parse(const char *at, struct condition *out)
{
    out->kind = STAT_NAMED;
    if (at[0] == 'p' && at[1] == '(') {
        out->kind = STAT_QUANTILE;
        at = number_parse(skip(at + 2), &out->share);
        if (!at || *skip(at) != ')' || out->share > 100)
            return NULL;
        out->share /= 100;
        return skip(at) + 1;
    }
    size_t len = 0;
    while (is_digit(at[len]) || (at[len] >= 'a' && at[len] <= 'z'))
        len++;
    if (len == 0 || len >= sizeof out->statistic)
        return NULL;
    memcpy(out->statistic, at, len);
    out->statistic[len] = '\0';
    if (out->statistic[0] == 'p' && is_digit(out->statistic[1])) { /* p99 for p(99) */
        out->kind = STAT_QUANTILE;
        const char *end = number_parse(out->statistic + 1, &out->share);
        if (!end || *end != '\0' || out->share > 100)
            return NULL;
        out->share /= 100;
    }
    return at + len;
}

static int unit_parse(const char *at, struct condition *out)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}};
    if (*at == '\0')
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(at, units[i].name) != 0)
            continue;
        out->bound *= units[i].ns;
        out->is_time = true;
        return 0;
    }
    return TC_EUSAGE;
}

static int condition_parse(const char *text, struct condition *out, struct tc_error *err)
{
    *out = (struct condition){0};
    const char *at = statistic_parse(skip(text), out);
    if (!at)
        return bad_condition(text, "a statistic: p(N), avg, min, max, med, count, rate or value", err);
    at = skip(at);
    size_t len = strspn(at, "<>=!");
    if (len == 0 || len >= sizeof out->op)
        return bad_condition(text, "one of < <= > >= == !=", err);
    memcpy(out->op, at, len);
    static const char *const ops[] = {"<", "<=", ">", ">=", "==", "===", "!="};
    bool known = false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        known |= strcmp(ops[i], out->op) == 0;
    if (!known)
        return bad_condition(text, "one of < <= > >= == !=", err);
    at = number_parse(skip(at + len), &out->bound);
    if (!at)
        return bad_condition(text, "a number after the comparison", err);
    char unit[16];
    at = skip(at);
    size_t used = strcspn(at, " \t");
    if (used >= sizeof unit || *skip(at + used) != '\0')
        return bad_condition(text, "nothing after the unit", err);
    memcpy(unit, at, used);
    unit[used] = '\0';
    if (unit_parse(unit, out) != 0)
        return bad_condition(text, "a unit: ns, us, ms, s, m, or none", err);
    return 0;
}

static bool compare(double value, const char *op, double bound)
{
    if (strcmp(op, "<") == 0)
        return value < bound;
    if (strcmp(op, "<=") == 0)
        return value <= bound;
    if (strcmp(op, ">") == 0)
        return value > bound;
    if (strcmp(op, ">=") == 0)
        return value >= bound;
    if (strcmp(op, "!=") == 0)
        return value < bound || value > bound;
    return !(value < bound) && !(value > bound);
}

/* ---- times: any quantile, from the histogram ---- */

/* The number of the phase that `tags` name ("" all of them: `count`), or -1. */
static int run_phase_of(const char *tags)
{
    if (tags[0] == '\0')
        return TC_RUN_PHASE_COUNT;
    for (int phase = 0; phase < TC_RUN_ENDED; phase++) {
        const char *name = tc_run_phase_name(phase);
        if (strncmp(tags, "phase:", 6) == 0 && strcmp(tags + 6, name) == 0)
            return phase;
    }
    return -1;
}

static bool is_histogram(const char *name)
{
    return strcmp(name, "decision_latency") == 0 || strcmp(name, "client_latency") == 0 ||
           strcmp(name, "quorum_time") == 0;
}

/* Gathers the samples that the selector means into `out`; TC_EUSAGE for a tag that does not exist. */
static int histogram_gather(const struct tc_metrics *m, const struct selector *s, struct tc_histogram *out,
                            struct tc_error *err)
{
    if (strcmp(s->name, "quorum_time") == 0) {
        int phase = strncmp(s->tags, "vote:", 5) == 0 ? tc_phase_parse(s->tags + 5) : -1;
        if (phase <= 0)
            return tc_error_set(err, TC_EUSAGE,
                                "threshold metric quorum_time{%s}: expected {vote:prepare}, {vote:commit} or another "
                                "phase of the protocol",
                                s->tags);
        tc_histogram_merge(out, &m->quorum_time[phase]);
        return 0;
    }
    int phase = run_phase_of(s->tags);
    if (phase < 0)
        return tc_error_set(err, TC_EUSAGE,
                            "threshold metric %s{%s}: expected {phase:before}, {phase:during}, {phase:after} or no tag",
                            s->name, s->tags);
    bool client = strcmp(s->name, "client_latency") == 0;
    for (int i = 0; i < TC_RUN_ENDED; i++)
        if (phase == TC_RUN_PHASE_COUNT || phase == i)
            tc_histogram_merge(out, client ? &m->client_latency[i] : &tc_metrics_decisions(m)->latency[i]);
    return 0;
}

static int histogram_statistic(const struct tc_histogram *h, const struct selector *s, const struct condition *c,
                               double *value, struct tc_error *err)
{
    bool counts = c->kind == STAT_NAMED && strcmp(c->statistic, "count") == 0;
    if (!counts && !c->is_time)
        return tc_error_set(err, TC_EUSAGE, "threshold on %s: a time needs a unit, e.g. p(99)<800ms", s->name);
    if (c->kind == STAT_QUANTILE)
        *value = (double)tc_histogram_quantile(h, c->share);
    else if (counts)
        *value = (double)h->count;
    else if (strcmp(c->statistic, "med") == 0)
        *value = (double)tc_histogram_quantile(h, 0.5);
    else if (strcmp(c->statistic, "avg") == 0)
        *value = h->count ? h->sum_ns / (double)h->count : 0;
    else if (strcmp(c->statistic, "min") == 0)
        *value = h->count ? (double)h->min_ns : 0;
    else if (strcmp(c->statistic, "max") == 0)
        *value = h->count ? (double)h->max_ns : 0;
    else
        return tc_error_set(err, TC_EUSAGE, "threshold on %s: it has p(N), avg, min, med, max and count, not \"%s\"",
                            s->name, c->statistic);
    return 0;
}

static int histogram_threshold(const struct tc_metrics *m, const struct selector *s, const struct condition *c,
                               bool *met, double *value, struct tc_error *err)
{
    struct tc_histogram *h = calloc(1, sizeof *h);
    if (!h)
        return tc_error_set(err, TC_EMEMORY, "out of memory");
    int status = histogram_gather(m, s, h, err);
    if (status == 0)
        status = histogram_statistic(h, s, c, value, err);
    bool counts = c->kind == STAT_NAMED && strcmp(c->statistic, "count") == 0;
    if (status == 0)
        *met = (h->count > 0 || counts) && compare(*value, c->op, c->bound);
    if (status == 0 && h->count == 0 && !counts)
        *value = NAN;
    free(h);
    return status;
}

/* ---- all others: from the list ---- */

/* Metrics that are absent from the list of a run in which nothing of the kind happened, with their statistic. */
static const struct {
    const char *name, *statistic;
} known[] = {
    {"decisions", "count"},      {"decisions", "rate"},
    {"throughput", "count"},     {"throughput", "rate"},
    {"view_changes", "count"},   {"client_failures", "count"},
    {"messages", "count"},       {"messages_per_decision", "value"},
    {"view", "value"},           {"bytes_per_decision", "value"},
    {"timer_growth", "value"},   {"recovery_time", "value"},
    {"recovery_pause", "value"},
};

/* Tags are right if each is a known phase or kind, in the order phase, kind. */
static bool tags_known(const char *tags)
{
    char phase[96];
    size_t len = strcspn(tags, ",");
    memcpy(phase, tags, len);
    phase[len] = '\0';
    if (run_phase_of(phase) < 0)
        return false;
    if (tags[len] == '\0')
        return true;
    return strncmp(tags + len, ",kind:", 6) == 0 && tc_kind_parse(tags + len + 6) >= 0;
}

static int scalar_unknown(const struct selector *s, const struct condition *c, struct tc_error *err)
{
    bool name_known = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, s->name) != 0)
            continue;
        name_known = true;
        if (c->kind == STAT_NAMED && strcmp(known[i].statistic, c->statistic) == 0 && tags_known(s->tags))
            return 0;
    }
    if (!name_known)
        return tc_error_set(err, TC_EUSAGE, "threshold metric \"%s\" does not exist; there are: %s", s->name, NAMES);
    if (!tags_known(s->tags))
        return tc_error_set(err, TC_EUSAGE,
                            "threshold metric %s{%s}: expected {phase:after} or {phase:after,kind:vote} or no tag",
                            s->name, s->tags);
    return tc_error_set(err, TC_EUSAGE, "threshold on %s: it has no statistic \"%s\" (count, rate or value)", s->name,
                        c->kind == STAT_NAMED ? c->statistic : "p(N)");
}

static int scalar_threshold(const struct tc_metrics *m, const struct selector *s, const struct condition *c, bool *met,
                            double *value, struct tc_error *err)
{
    for (size_t i = 0; i < m->list_count; i++) {
        const struct tc_metric *metric = &m->list[i];
        if (c->kind != STAT_NAMED || strcmp(metric->name, s->name) != 0 || strcmp(metric->tags, s->tags) != 0 ||
            strcmp(metric->statistic, c->statistic) != 0)
            continue;
        bool is_time = strcmp(metric->unit, "ns") == 0;
        if (is_time != c->is_time)
            return tc_error_set(err, TC_EUSAGE,
                                is_time ? "threshold on %s: a time needs a unit, e.g. value<2s"
                                        : "threshold on %s: it is no time and takes no unit",
                                s->name);
        *value = metric->value;
        *met = compare(metric->value, c->op, c->bound);
        return 0;
    }
    *met = false;
    *value = 0;
    return scalar_unknown(s, c, err);
}

int tc_metrics_threshold(const struct tc_metrics *m, const char *metric, const char *condition, bool *met,
                         double *value, struct tc_error *err)
{
    struct selector selector;
    struct condition parsed;
    *met = false;
    *value = 0;
    int status = selector_parse(metric, &selector, err);
    if (status == 0)
        status = condition_parse(condition, &parsed, err);
    if (status != 0)
        return status;
    if (is_histogram(selector.name))
        return histogram_threshold(m, &selector, &parsed, met, value, err);
    return scalar_threshold(m, &selector, &parsed, met, value, err);
}
