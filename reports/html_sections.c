/* What was done, what was checked, and with what. */
#include "html_cells.h"

#include <stdio.h>
#include <string.h>

static bool ends_sentence(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strchr(".!?", text[len - 1]);
}

static void attack_sentence(struct tc_html *h)
{
    const json_t *r = h->result;
    char traitors[512];
    tc_buf_add(h->out, "<p class=\"lead\">");
    if (*tc_json_string(r, "attack")) {
        tc_buf_add(h->out, "<b>");
        tc_html_text(h, tc_json_string(r, "attack"));
        tc_buf_add(h->out, "</b>");
        if (*tc_json_string(r, "attack_summary")) {
            tc_buf_add(h->out, ": ");
            tc_html_text(h, tc_json_string(r, "attack_summary"));
        }
        tc_buf_format(h->out, "%s Named traitors: %s", ends_sentence(tc_json_string(r, "attack_summary")) ? "" : ".",
                      tc_json_node_list(json_object_get(r, "traitors"), traitors, sizeof traitors));
        if (tc_json_has(r, "signed_for"))
            tc_buf_format(h->out, "; signed for: %s",
                          tc_json_node_list(json_object_get(r, "signed_for"), traitors, sizeof traitors));
        tc_buf_add(h->out, ".");
    } else {
        tc_buf_add(h->out, strcmp(tc_json_string(r, "world"), "capture") == 0
                               ? "Nothing: a capture was judged, of whatever was done while it was taken."
                               : "No attack: the cluster was only watched.");
    }
    tc_buf_add(h->out, "</p>\n");
}

static bool any_delay(const json_t *verbs)
{
    const char *verb;
    const json_t *fault;
    json_object_foreach((json_t *)verbs, verb, fault)
    {
        if (json_is_object(json_object_get(fault, "delay")))
            return true;
    }
    return false;
}

static void fault_row(struct tc_html *h, const char *verb, const json_t *fault, bool delays)
{
    const json_t *delay = json_object_get(fault, "delay");
    tc_buf_add(h->out, "<tr>");
    tc_cell_begin(h, "fault", "");
    tc_buf_add(h->out, "<span>");
    tc_html_text(h, verb);
    tc_buf_add(h->out, tc_json_true(fault, "repair") ? " <small>a repair</small></span></td>" : "</span></td>");
    tc_cell_count(h, "asked", fault, "asked");
    tc_cell_count(h, "bitten", fault, "bitten");
    if (delays) {
        tc_cell_duration(h, "delay asked p50", delay, "asked_p50_ns");
        tc_cell_duration(h, "measured p50", delay, "measured_p50_ns");
        tc_cell_duration(h, "asked p99", delay, "asked_p99_ns");
        tc_cell_duration(h, "measured p99", delay, "measured_p99_ns");
        tc_cell_duration(h, "late by p99", delay, "late_p99_ns");
    }
    tc_buf_add(h->out, "</tr>\n");
}

void tc_html_faults(struct tc_html *h)
{
    static const char *const names[] = {"Fault",        "Asked",     "Bitten",       "Delay asked p50",
                                        "Measured p50", "Asked p99", "Measured p99", "Late by p99"};
    const json_t *faults = json_object_get(h->result, "faults"), *fault;
    const char *verb;
    tc_html_section(h, "faults", "What was done", "");
    attack_sentence(h);
    if (json_object_size(json_object_get(faults, "by_verb")) == 0) {
        tc_buf_add(h->out, *tc_json_string(h->result, "attack") ? "<p>No fault was asked for.</p></section>\n"
                                                                : "</section>\n");
        return;
    }
    tc_buf_add(h->out, "<p class=\"figures\"><span><b>");
    tc_buf_count(h->out, (uint64_t)tc_json_integer(faults, "asked"));
    tc_buf_add(h->out, "</b> faults asked for</span><span><b>");
    tc_buf_count(h->out, (uint64_t)tc_json_integer(faults, "bitten"));
    tc_buf_add(h->out, "</b> bitten</span><span><b>");
    tc_buf_count(h->out, (uint64_t)tc_json_integer(json_object_get(h->result, "traffic"), "messages"));
    tc_buf_add(h->out, "</b> messages passed</span></p>\n");
    bool delays = any_delay(json_object_get(faults, "by_verb"));
    tc_cell_header(h, names, delays ? 8 : 3, 1);
    for (int repair = 0; repair < 2; repair++)
        json_object_foreach((json_t *)json_object_get(faults, "by_verb"), verb, fault)
        {
            if (tc_json_true(fault, "repair") == (repair == 1))
                fault_row(h, verb, fault, delays);
        }
    tc_buf_add(h->out, "</tbody></table>\n<p class=\"fine\">A fault has bitten when it changed what was offered to "
                       "somebody, or what a process did. Repairs end faults and are not counted among them.</p>"
                       "</section>\n");
}

static void findings_of(struct tc_html *h, const json_t *oracle)
{
    const json_t *finding;
    size_t i;
    int64_t total = tc_json_integer(oracle, "findings_total");
    json_array_foreach(json_object_get(oracle, "findings"), i, finding)
    {
        if (i == 3)
            break;
        tc_buf_add(h->out, "<p>");
        tc_html_text(h, tc_json_string(finding, "text"));
        tc_buf_add(h->out, " ");
        tc_html_evidence_link(h, finding,
                              *tc_json_string(finding, "file") ? "evidence" : "(its file could not be written)");
        tc_buf_add(h->out, "</p>");
    }
    if (i > 0 && total > (int64_t)i)
        tc_buf_format(h->out, "<p>and %lld more</p>", (long long)(total - (int64_t)i));
}

static void oracle_row(struct tc_html *h, const json_t *oracle)
{
    const char *status = tc_json_string(oracle, "status");
    if (tc_json_beyond(h->result) && strcmp(status, "expected") == 0)
        status = "beyond f";
    tc_buf_add(h->out, "<tr>");
    tc_cell_begin(h, "verdict", "");
    tc_buf_format(h->out, "<span class=\"pill %s\">", tc_html_class(status));
    tc_html_text(h, status);
    tc_buf_add(h->out, "</span></td>");
    tc_cell_begin(h, "oracle", "");
    tc_buf_add(h->out, "<div><b>");
    tc_html_text(h, tc_json_string(oracle, "name"));
    tc_buf_add(h->out, "</b><small>");
    tc_html_text(h, tc_json_string(oracle, "summary"));
    tc_buf_add(h->out, "</small></div></td>");
    tc_cell_begin(h, "compared", "num");
    tc_buf_add(h->out, "<div>");
    tc_buf_count(h->out, (uint64_t)tc_json_integer(oracle, "compared"));
    tc_buf_add(h->out, "<small>");
    tc_html_text(h, tc_json_string(oracle, "unit"));
    tc_buf_add(h->out, "</small></div></td>");
    tc_cell_begin(h, "in words", "words");
    tc_buf_add(h->out, "<div>");
    tc_html_text(h, tc_json_string(oracle, "reason"));
    findings_of(h, oracle);
    tc_buf_add(h->out, "</div></td></tr>\n");
}

void tc_html_oracles(struct tc_html *h)
{
    static const char *const order[] = {"violated", "expected", "threshold", "inconclusive",
                                        "caught",   "holds",    "not judged"};
    const json_t *list = json_object_get(h->result, "oracles"), *oracle;
    size_t i;
    tc_html_section(
        h, "oracles", "What was checked",
        "Each oracle judges the replicas that turncoat did not sign for. What was not judged is said, never "
        "passed over.");
    tc_buf_add(h->out,
               "<table class=\"oracles\"><thead><tr><th>Verdict</th><th>Oracle</th><th class=\"num\">Compared</th>"
               "<th>In words</th></tr></thead><tbody>\n");
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        json_array_foreach(list, i, oracle)
        {
            if (strcmp(tc_json_string(oracle, "status"), order[k]) == 0)
                oracle_row(h, oracle);
        }
    tc_buf_add(h->out, "</tbody></table></section>\n");
}

static void pair(struct tc_html *h, const char *name, const char *value)
{
    if (!*value)
        return;
    tc_buf_format(h->out, "<dt>%s</dt><dd>", name);
    tc_html_text(h, value);
    tc_buf_add(h->out, "</dd>\n");
}

static void pair_count(struct tc_html *h, const char *name, const json_t *o, const char *key)
{
    struct tc_buf t = {0};
    if (tc_json_has(o, key))
        tc_buf_count(&t, (uint64_t)tc_json_integer(o, key));
    pair(h, name, tc_buf_get(&t));
    tc_buf_free(&t);
}

static void pair_duration(struct tc_html *h, const char *name, const json_t *o, const char *key)
{
    struct tc_buf t = {0};
    if (tc_json_has(o, key))
        tc_buf_duration(&t, tc_json_ns(o, key));
    pair(h, name, tc_buf_get(&t));
    tc_buf_free(&t);
}

static void pair_list(struct tc_html *h, const char *name, const json_t *list)
{
    struct tc_buf t = {0};
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        tc_buf_format(&t, "%s%s", i ? ", " : "", text ? text : "");
    }
    pair(h, name, tc_buf_get(&t));
    tc_buf_free(&t);
}

static void run_box(struct tc_html *h)
{
    const json_t *r = h->result, *traffic = json_object_get(r, "traffic");
    tc_buf_add(h->out, "<div><h3>Run</h3><dl>\n");
    pair(h, "command", tc_json_string(r, "command"));
    pair(h, "scenario", tc_json_string(r, "scenario_path"));
    pair(h, "attack", tc_json_string(r, "attack_path"));
    pair_list(h, "arguments", json_object_get(r, "args"));
    pair(h, "world", tc_json_string(r, "world"));
    if (strcmp(tc_json_string(r, "world"), "capture") != 0)
        pair(h, "seed", tc_json_string(r, "seed"));
    pair_count(h, "messages", traffic, "messages");
    pair_count(h, "bytes", traffic, "bytes");
    pair_count(h, "undecodable", traffic, "undecodable");
    pair_count(h, "spliced connections", traffic, "spliced");
    pair_count(h, "bounds reached", traffic, "overflows");
    pair_count(h, "complaints of replicas", traffic, "complaints");
    tc_buf_add(h->out, "</dl></div>\n");
}

/* What a protocol without clients of ours has no use for. */
static void reference_settings(struct tc_html *h, const json_t *c)
{
    pair_duration(h, "view timer at most", c, "view_timeout_max_ns");
    pair_count(h, "clients", c, "clients");
    pair_count(h, "checkpoint every", c, "checkpoint_interval");
    pair_count(h, "window", c, "window");
    pair_count(h, "batch at most", c, "batch_max");
    pair_count(h, "in flight at most", c, "pipeline_max");
    pair(h, "requests by", tc_json_string(c, "request_authentication"));
}

static void cluster_box(struct tc_html *h)
{
    const json_t *c = json_object_get(h->result, "cluster");
    if (!json_is_object(c))
        return;
    tc_buf_add(h->out, "<div><h3>Cluster</h3><dl>\n");
    pair(h, "id", tc_json_string(c, "id"));
    pair(h, "protocol", tc_json_string(h->result, "protocol"));
    pair(h, "seeded bug", tc_json_string(h->result, "bug"));
    pair_count(h, "replicas n", c, "replicas");
    pair_count(h, "faulty at most f", c, "faults_max");
    pair_count(h, "quorum", c, "quorum");
    pair_duration(h, "view timer", c, "view_timeout_ns");
    if (tc_json_integer(c, "clients") > 0)
        reference_settings(h, c);
    tc_buf_add(h->out, "</dl></div>\n");
}

void tc_html_setup(struct tc_html *h)
{
    const json_t *e = json_object_get(h->result, "environment");
    tc_html_section(h, "setup", "Configuration and environment", "");
    tc_buf_add(h->out, "<div class=\"boxes\">\n");
    run_box(h);
    cluster_box(h);
    tc_buf_add(h->out, "<div><h3>Machine</h3><dl>\n");
    pair(h, "system", tc_json_string(e, "system"));
    pair(h, "release", tc_json_string(e, "release"));
    pair(h, "machine", tc_json_string(e, "machine"));
    pair_count(h, "cores", e, "cores");
    if (tc_json_integer(e, "memory_bytes") > 0) {
        char text[32];
        snprintf(text, sizeof text, "%.1f GiB", (double)tc_json_integer(e, "memory_bytes") / (double)(1 << 30));
        pair(h, "memory", text);
    }
    pair(h, "compiled by", tc_json_string(e, "compiler"));
    pair(h, "turncoat", tc_json_string(h->result, "version"));
    pair(h, "started", tc_json_string(e, "started"));
    tc_buf_add(h->out, "</dl></div></div></section>\n");
}
