/* result.json: the whole outcome in one model. Everything that a person sees is made from it and the tables beside it.
 */
#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "json.h"
#include "recorder_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __clang__
#define COMPILER __VERSION__ /* names itself */
#else
#define COMPILER "gcc " __VERSION__
#endif

#define RECOVERIES_MAX 5u /* marked in the throughput plot */

static json_t *texts(const char *const *list, size_t many)
{
    json_t *array = json_array();
    for (size_t i = 0; i < many; i++)
        if (list[i])
            json_array_append_new(array, tc_json_text(list[i]));
    return array;
}

static json_t *delays(const struct tc_recorder_delays *d)
{
    json_t *o = json_object();
    tc_json_set(o, "count", tc_json_count(d->asked.count));
    tc_json_set(o, "asked_p50_ns", tc_json_time(tc_histogram_quantile(&d->asked, 0.5)));
    tc_json_set(o, "asked_p99_ns", tc_json_time(tc_histogram_quantile(&d->asked, 0.99)));
    tc_json_set(o, "measured_p50_ns", tc_json_time(tc_histogram_quantile(&d->measured, 0.5)));
    tc_json_set(o, "measured_p99_ns", tc_json_time(tc_histogram_quantile(&d->measured, 0.99)));
    tc_json_set(o, "late_p50_ns", tc_json_time(tc_histogram_quantile(&d->late, 0.5)));
    tc_json_set(o, "late_p99_ns", tc_json_time(tc_histogram_quantile(&d->late, 0.99)));
    return o;
}

static json_t *faults(const struct tc_recorder *r, const struct tc_engine_stats *stats)
{
    json_t *o = json_object(), *verbs = json_object();
    uint64_t asked = 0, bitten = 0;
    for (int verb = TC_FORWARD + 1; verb < TC_VERB_COUNT; verb++) {
        if (!stats || (stats->asked[verb] == 0 && stats->bitten[verb] == 0))
            continue;
        json_t *one = json_object();
        if (!tc_recorder_is_repair(verb)) {
            asked += stats->asked[verb];
            bitten += stats->bitten[verb];
        }
        tc_json_set(one, "asked", tc_json_count(stats->asked[verb]));
        tc_json_set(one, "bitten", tc_json_count(stats->bitten[verb]));
        if (tc_recorder_is_repair(verb))
            tc_json_set(one, "repair", json_true());
        if (r && r->delays[verb])
            tc_json_set(one, "delay", delays(r->delays[verb]));
        tc_json_set(verbs, tc_verb_name(verb), one);
    }
    tc_json_set(o, "asked", tc_json_count(asked));
    tc_json_set(o, "bitten", tc_json_count(bitten));
    tc_json_set(o, "by_verb", verbs);
    return o;
}

static json_t *traffic(const struct tc_recorder *r, const struct tc_engine_stats *stats)
{
    json_t *o = json_object();
    if (stats) {
        tc_json_set(o, "messages", tc_json_count(stats->messages));
        tc_json_set(o, "bytes", tc_json_count(stats->bytes));
        tc_json_set(o, "undecodable", tc_json_count(stats->undecodable));
        tc_json_set(o, "spliced", tc_json_count(stats->spliced));
        tc_json_set(o, "script_calls", tc_json_count(stats->script_calls));
        tc_json_set(o, "overflows", tc_json_count(stats->overflows));
    }
    if (r) {
        tc_json_set(o, "complaints", tc_json_count(r->complaint_count));
        tc_json_set(o, "log_lines_lost", tc_json_count(r->observations.lost + r->decisions.lost));
    }
    return o;
}

/* The fault that began what the first finding ends: about its sequence number, else its view, else any. */
static json_t *first_bad_decision(const struct tc_recorder *r, const struct tc_finding *f)
{
    if (!r || !f)
        return json_null();
    const struct tc_window_record *d = tc_window_first_decision(r->window, f->has_sequence ? &f->sequence : NULL,
                                                                f->has_view ? &f->view : NULL, f->time_ns);
    if (!d)
        d = tc_window_first_decision(r->window, NULL, NULL, f->time_ns);
    if (!d)
        return json_null();
    struct tc_buf t = {0};
    char from[8], to[8];
    const char *type = tc_window_type(r->window, d);
    tc_buf_format(&t, "#%llu: %s%s%s", (unsigned long long)d->id, tc_verb_name(d->verb), *type ? " " : "", type);
    if (d->from != TC_NODE_NONE || d->to != TC_NODE_NONE)
        tc_buf_format(&t, " %s→%s", tc_node_name(d->from, from), tc_node_name(d->to, to));
    if (d->has_view)
        tc_buf_format(&t, " view %llu", (unsigned long long)d->view);
    if (d->has_sequence)
        tc_buf_format(&t, " sequence %llu", (unsigned long long)d->sequence);
    json_t *o = json_object();
    tc_json_set(o, "id", tc_json_count(d->id));
    tc_json_set(o, "time_ns", tc_json_time(d->time_ns));
    tc_json_set(o, "text", tc_json_text(tc_buf_get(&t)));
    tc_buf_free(&t);
    return o;
}

static json_t *oracle(struct tc_recorder *r, const struct tc_protocol *protocol, const struct tc_judgement *j,
                      const struct tc_finding *decisive, uint32_t *number, json_t **first)
{
    static const char *const properties[] = {"safety", "liveness", "detector", "measure"};
    json_t *o = json_object(), *files = json_array(), *findings = json_array();
    tc_json_set(o, "name", tc_json_text(j->oracle->name));
    tc_json_set(o, "summary", tc_json_text(j->oracle->summary));
    tc_json_set(o, "property", tc_json_text(j->oracle->property <= TC_MEASURE ? properties[j->oracle->property] : "?"));
    tc_json_set(o, "status", tc_json_text(tc_status_name(j->status)));
    tc_json_set(o, "compared", tc_json_count(j->result.compared));
    tc_json_set(o, "unit", tc_json_text(j->result.unit));
    tc_json_set(o, "reason", tc_json_text(j->result.reason));
    if (j->result.foreign)
        tc_json_set(o, "foreign", json_true());
    tc_json_set(o, "findings_total", tc_json_count(j->finding_total));
    for (size_t i = 0; i < j->finding_count; i++) {
        const struct tc_finding *f = &j->findings[i];
        const bool decides =
            decisive && (f == decisive || (f->time_ns == decisive->time_ns && strcmp(f->text, decisive->text) == 0));
        json_t *finding = tc_evidence_write(r, protocol, f, ++*number, decides);
        if (tc_json_has(finding, "file")) /* a full disk may have none for it */
            json_array_append(files, json_object_get(finding, "file"));
        if (&j->findings[i] == decisive && !*first)
            *first = json_incref(finding);
        json_array_append_new(findings, finding);
    }
    tc_json_set(o, "evidence", files);
    tc_json_set(o, "findings", findings);
    return o;
}

static void set_oracles(json_t *result, struct tc_recorder *r, const struct tc_report_input *input)
{
    json_t *list = json_array(), *first = NULL;
    const struct tc_protocol *protocol = tc_protocol_find(input->info->protocol);
    const struct tc_finding *decisive = input->summary ? input->summary->first : NULL;
    uint32_t number = 0;
    for (size_t i = 0; input->judge && i < tc_judge_count(input->judge); i++)
        json_array_append_new(list, oracle(r, protocol, tc_judge_get(input->judge, i), decisive, &number, &first));
    /* The judge may hand out a copy: then the finding of the same oracle and time is meant. */
    for (size_t i = 0; decisive && !first && i < json_array_size(list); i++) {
        const json_t *findings = json_object_get(json_array_get(list, i), "findings");
        for (size_t k = 0; k < json_array_size(findings) && !first; k++) {
            json_t *f = json_array_get(findings, k);
            if (tc_json_ns(f, "time_ns") == decisive->time_ns &&
                strcmp(tc_json_string(f, "oracle"), decisive->oracle) == 0)
                first = json_incref(f);
        }
    }
    tc_json_set(result, "oracles", list);
    tc_json_set(result, "first", first);
    tc_json_set(result, "first_bad_decision", first_bad_decision(r, decisive));
}

static json_t *metrics(const struct tc_metrics *m)
{
    json_t *list = json_array();
    size_t many = 0;
    const struct tc_metric *all = m ? tc_metrics_all(m, &many) : NULL;
    for (size_t i = 0; i < many; i++) {
        json_t *o = json_object();
        tc_json_set(o, "name", tc_json_text(all[i].name));
        tc_json_set(o, "tags", tc_json_text(all[i].tags));
        tc_json_set(o, "statistic", tc_json_text(all[i].statistic));
        tc_json_set(o, "value", json_real(all[i].value)); /* null if it is not finite */
        tc_json_set(o, "unit", tc_json_text(all[i].unit));
        json_array_append_new(list, o);
    }
    return list;
}

/* One measured scalar by its full name; below 0 if there is none. */
static double scalar(const struct tc_metrics *m, const char *name, const char *tags, const char *statistic)
{
    size_t many = 0;
    const struct tc_metric *all = m ? tc_metrics_all(m, &many) : NULL;
    for (size_t i = 0; i < many; i++)
        if (strcmp(all[i].name, name) == 0 && strcmp(all[i].tags, tags) == 0 &&
            strcmp(all[i].statistic, statistic) == 0)
            return all[i].value;
    return -1;
}

static void set_phase_rates(json_t *o, const struct tc_metrics *m, enum tc_run_phase phase)
{
    char tags[32];
    snprintf(tags, sizeof tags, "phase:%s", tc_run_phase_name(phase));
    double decisions = scalar(m, "decisions", tags, "count"), rate = scalar(m, "decisions", tags, "rate"),
           operations = scalar(m, "throughput", tags, "rate");
    if (decisions >= 0)
        tc_json_set(o, "decisions", tc_json_count((uint64_t)decisions));
    if (rate >= 0)
        tc_json_set(o, "decisions_per_s", json_real(rate));
    if (operations >= 0)
        tc_json_set(o, "operations_per_s", json_real(operations));
}

static json_t *phases(const struct tc_run_info *info, const struct tc_metrics *m)
{
    json_t *list = json_array();
    for (int p = TC_RUN_BEFORE; p < TC_RUN_ENDED; p++) {
        json_t *o = json_object();
        tc_json_set(o, "name", tc_json_text(tc_run_phase_name(p)));
        tc_json_set(o, "asked_ns", tc_json_time(info->phase_ns[p]));
        uint64_t begin = m ? tc_metrics_phase_begin_ns(m, p) : TC_NEVER_NS, end = TC_NEVER_NS;
        for (int next = p + 1; m && next <= TC_RUN_ENDED && end == TC_NEVER_NS; next++)
            end = tc_metrics_phase_begin_ns(m, next);
        if (end == TC_NEVER_NS)
            end = info->duration_ns;
        tc_json_set(o, "begin_ns", tc_json_time(begin));
        tc_json_set(o, "end_ns", begin == TC_NEVER_NS || end < begin ? json_null() : tc_json_time(end));
        set_phase_rates(o, m, p);
        const struct tc_histogram *h = m ? tc_metrics_latency(m, p) : NULL;
        if (h && h->count > 0) {
            tc_json_set(o, "latency_p50_ns", tc_json_time(tc_histogram_quantile(h, 0.5)));
            tc_json_set(o, "latency_p95_ns", tc_json_time(tc_histogram_quantile(h, 0.95)));
            tc_json_set(o, "latency_p99_ns", tc_json_time(tc_histogram_quantile(h, 0.99)));
        }
        json_array_append_new(list, o);
    }
    return list;
}

/* The first decision after each pause (metrics.h) since the attack began, as exact as the series is;
 * the first one is known exactly. */
static json_t *recoveries(const struct tc_run_info *info, const struct tc_metrics *m)
{
    json_t *list = json_array();
    uint64_t first = m ? tc_metrics_recovered_ns(m) : TC_NEVER_NS, bucket_ns = 0;
    if (first == TC_NEVER_NS)
        return list;
    json_array_append_new(list, tc_json_time(first));
    size_t many = 0, silent = 0;
    const struct tc_metrics_bucket *all = tc_metrics_series(m, &many, &bucket_ns);
    for (size_t i = 0; info->cluster && i < many && json_array_size(list) < RECOVERIES_MAX; i++) {
        uint64_t begin_ns = i * bucket_ns;
        if (all[i].decisions > 0 && begin_ns > first && silent * bucket_ns > tc_metrics_pause_min_ns(m))
            json_array_append_new(list, tc_json_time(begin_ns));
        silent = all[i].decisions > 0 ? 0 : silent + 1;
    }
    return list;
}

static json_t *thresholds(const struct tc_report_input *input)
{
    json_t *list = json_array();
    for (size_t i = 0; i < input->threshold_count; i++) {
        json_t *o = json_object();
        tc_json_set(o, "metric", tc_json_text(input->thresholds[i].metric));
        tc_json_set(o, "condition", tc_json_text(input->thresholds[i].condition));
        tc_json_set(o, "met", json_boolean(input->thresholds[i].met));
        const double value = input->thresholds[i].value;
        tc_json_set(o, "value", isnan(value) ? json_null() : json_real(value)); /* null: there was no sample */
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *cluster(const struct tc_cluster *c, const struct tc_protocol *protocol)
{
    if (!c)
        return json_null();
    json_t *o = json_object();
    tc_json_set(o, "id", tc_json_text(c->id));
    tc_json_set(o, "replicas", tc_json_count(c->n));
    tc_json_set(o, "faults_max", tc_json_count(c->f));
    if (tc_protocol_bearable(c) != c->f)
        tc_json_set(o, "faults_borne", tc_json_count(tc_protocol_bearable(c)));
    tc_json_set(o, "quorum", tc_json_count(protocol ? tc_protocol_quorum(protocol, c) : c->quorum));
    tc_json_set(o, "clients", tc_json_count(c->client_count));
    tc_json_set(o, "checkpoint_interval", tc_json_count(c->checkpoint_interval));
    tc_json_set(o, "window", tc_json_count(c->window));
    tc_json_set(o, "batch_max", tc_json_count(c->batch_max));
    tc_json_set(o, "pipeline_max", tc_json_count(c->pipeline_max));
    tc_json_set(o, "view_timeout_ns", tc_json_time(c->view_timeout_ns));
    tc_json_set(o, "view_timeout_max_ns", tc_json_time(c->view_timeout_max_ns));
    tc_json_set(o, "request_authentication",
                tc_json_text(c->request_authentication == TC_AUTH_MAC ? "mac" : "signature"));
    return o;
}

/* What one failure-free decision should cost, to stand beside what it did. */
static json_t *cost(const struct tc_protocol *protocol, const struct tc_cluster *c)
{
    uint64_t by_row[64] = {0};
    if (!protocol || !protocol->cost || !c || protocol->row_count > 64)
        return json_null();
    json_t *o = json_object(), *rows = json_array();
    tc_json_set(o, "messages_per_decision", tc_json_count(protocol->cost(c->n, by_row)));
    for (size_t i = 0; i < protocol->row_count; i++) {
        if (by_row[i] == 0)
            continue;
        json_t *row = json_object();
        tc_json_set(row, "type", tc_json_text(protocol->rows[i].name));
        tc_json_set(row, "kind", tc_json_text(tc_kind_name(protocol->rows[i].kind)));
        tc_json_set(row, "phase", tc_json_text(tc_phase_name(protocol->rows[i].phase)));
        tc_json_set(row, "messages", tc_json_count(by_row[i]));
        json_array_append_new(rows, row);
    }
    tc_json_set(o, "by_type", rows);
    return o;
}

static json_t *environment(const struct tc_recorder *r)
{
    struct utsname u;
    json_t *o = json_object();
    if (uname(&u) == 0) {
        tc_json_set(o, "system", tc_json_text(u.sysname));
        tc_json_set(o, "release", tc_json_text(u.release));
        tc_json_set(o, "machine", tc_json_text(u.machine));
    }
    tc_json_set(o, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        tc_json_set(o, "memory_bytes", json_integer((json_int_t)pages * page));
    tc_json_set(o, "compiler", tc_json_text(COMPILER));
    if (r)
        tc_json_set(o, "started", tc_json_text(r->started));
    return o;
}

static void set_verdict(json_t *result, const struct tc_report_input *input)
{
    const struct tc_run_info *info = input->info;
    /* A violation outlives the error that ended the run: what was proven stays proven. */
    bool violated = input->summary && input->summary->status == TC_VIOLATED;
    bool failed = info->error && *info->error && !violated;
    tc_json_set(result, "verdict",
                tc_json_text(failed           ? "error"
                             : input->summary ? tc_status_name(input->summary->status)
                                              : tc_status_name(TC_INCONCLUSIVE)));
    tc_json_set(result, "exit", json_integer(info->exit_code));
    tc_json_set(result, "as_expected", json_boolean(!failed && input->summary && input->summary->as_expected));
    tc_json_set(result, "judged", tc_json_text(failed && input->summary ? input->summary->sentence : ""));
    tc_json_set(result, "sentence",
                tc_json_text(failed           ? info->error
                             : input->summary ? input->summary->sentence
                                              : ""));
}

json_t *tc_result_build(struct tc_recorder *r, const struct tc_report_input *input)
{
    const struct tc_run_info *info = input->info;
    const struct tc_protocol *protocol = info->protocol ? tc_protocol_find(info->protocol) : NULL;
    char seed[24];
    json_t *result = json_object();
    if (!result)
        return NULL;
    snprintf(seed, sizeof seed, "0x%08llx", (unsigned long long)info->seed);
    tc_json_set(result, "version", tc_json_text(TC_VERSION));
    tc_json_set(result, "format", json_integer(1));
    tc_json_set(result, "name", tc_json_text(info->name));
    tc_json_set(result, "protocol", tc_json_text(info->protocol));
    tc_json_set(result, "world", tc_json_text(info->world));
    tc_json_set(result, "seed", tc_json_text(seed));
    set_verdict(result, input);
    tc_json_set(result, "attack", tc_json_text(info->attack));
    tc_json_set(result, "attack_summary", tc_json_text(info->attack_summary));
    tc_json_set(result, "attack_path", tc_json_text(info->attack_path));
    tc_json_set(result, "scenario_path", tc_json_text(info->scenario_path));
    tc_json_set(result, "bug", tc_json_text(info->bug));
    tc_json_set(result, "args", texts(info->args, info->arg_count));
    tc_json_set(result, "command", tc_json_text(info->command));
    tc_json_set(result, "repeat", texts(info->repeat, info->repeat_count < 4 ? info->repeat_count : 4));
    if (info->caveat && *info->caveat)
        tc_json_set(result, "repeat_caveat", tc_json_text(info->caveat));
    tc_json_set(result, "traitors", tc_json_nodes(&info->traitors));
    tc_json_set(result, "signed_for", r ? tc_json_nodes(&r->signed_for) : json_null());
    tc_json_set(result, "faults", faults(r, input->stats));
    tc_json_set(result, "decisions", tc_json_count(r ? r->decision_count : 0));
    set_oracles(result, r, input);
    tc_json_set(result, "thresholds", thresholds(input));
    tc_json_set(result, "metrics", metrics(input->metrics));
    tc_json_set(result, "phases", phases(info, input->metrics));
    tc_json_set(result, "recovered_ns",
                tc_json_time(input->metrics ? tc_metrics_recovered_ns(input->metrics) : TC_NEVER_NS));
    tc_json_set(result, "recoveries_ns", recoveries(info, input->metrics));
    tc_json_set(result, "cost", cost(protocol, info->cluster));
    tc_json_set(result, "traffic", traffic(r, input->stats));
    tc_json_set(result, "duration_ns", tc_json_time(info->duration_ns));
    tc_json_set(result, "cluster", cluster(info->cluster, protocol));
    tc_json_set(result, "environment", environment(r));
    tc_json_set(result, "notes", texts(info->notes, info->note_count < 8 ? info->note_count : 8));
    if (info->partial && *info->partial)
        tc_json_set(result, "partial", tc_json_text(info->partial));
    tc_json_set(result, "error", tc_json_text(info->error));
    tc_json_set(result, "write_error", tc_json_text(r && r->first_error.code ? r->first_error.text : ""));
    return result;
}
