/* report.html: one file, no network, no dependence on the run directory but for links to evidence and tables. The order
 * is that of the reader's questions: what came out, why, how to see it again, what was done, when, by whom, and how
 * well each rule was checked. */
#include "html.h"

#include "../proxy/names.h"
#include "out.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PLOT_MAX ((size_t)8 << 20)

void tc_html_text(struct tc_html *h, const char *text)
{
    tc_buf_escape(h->out, TC_ESCAPE_MARKUP, text);
}

void tc_html_section(struct tc_html *h, const char *id, const char *title, const char *lead)
{
    tc_buf_format(h->out, "<section id=\"%s\"><h2>%s</h2>\n", id, title);
    if (lead && *lead)
        tc_buf_format(h->out, "<p class=\"lead\">%s</p>\n", lead);
}

void tc_html_command(struct tc_buf *out, const char *line)
{
    tc_buf_add(out, "<div class=\"cmd\"><code>");
    while (*line) {
        const size_t len = strcspn(line, " "), gap = strspn(line + len, " ");
        tc_buf_add(out, "<span>");
        tc_buf_escape_bytes(out, TC_ESCAPE_MARKUP, line, len);
        tc_buf_add(out, "</span>");
        tc_buf_bytes(out, line + len, gap);
        line += len + gap;
    }
    tc_buf_add(out, "</code><button type=\"button\">Copy</button></div>\n");
}

const char *tc_html_class(const char *status)
{
    if (strcmp(status, "holds") == 0)
        return "good";
    if (strcmp(status, "violated") == 0 || strcmp(status, "error") == 0)
        return "bad";
    if (strcmp(status, "caught") == 0 || strcmp(status, "expected") == 0)
        return "info";
    return strcmp(status, "not judged") == 0 ? "mute" : "warn";
}

void tc_html_evidence_link(struct tc_html *h, const json_t *finding, const char *text)
{
    static const char folder[] = "evidence/";
    const char *file = tc_json_string(finding, "file"), *name = file + sizeof folder - 1;
    /* result.json may be anybody's: only the run's own evidence files are linked. */
    if (strncmp(file, folder, sizeof folder - 1) != 0 || strcmp(name + strspn(name, "0123456789"), ".json") != 0) {
        tc_html_text(h, text);
        return;
    }
    tc_buf_format(h->out, "<a href=\"%s\">", file);
    tc_html_text(h, text);
    tc_buf_add(h->out, "</a>");
}

/* The verdict as the page heads it. */
static const char *heading(const json_t *result)
{
    if (tc_json_integer(result, "exit") == 130)
        return "interrupted";
    return tc_json_beyond(result) ? "beyond f" : tc_json_string(result, "verdict");
}

static void head(struct tc_html *h)
{
    tc_buf_add(h->out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    tc_buf_format(h->out,
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
                  "'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n",
                  tc_html_script_hash);
    tc_buf_add(h->out, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                       "<meta name=\"color-scheme\" content=\"light dark\">\n"
                       "<link rel=\"icon\" href=\"data:,\">\n<title>");
    tc_html_text(h, tc_json_string(h->result, "name"));
    tc_buf_add(h->out, ": ");
    tc_html_text(h, heading(h->result));
    tc_buf_format(h->out, " · turncoat</title>\n<style>%s</style></head>\n<body>\n", tc_html_style);
}

static void masthead(struct tc_html *h)
{
    const json_t *cluster = json_object_get(h->result, "cluster");
    const char *bug = tc_json_string(h->result, "bug");
    tc_buf_add(h->out, "<header><div class=\"mast\"><span class=\"brand\">turncoat</span><span>");
    tc_html_text(h, tc_json_string(h->result, "name"));
    tc_buf_add(h->out, "</span><span>");
    tc_html_text(h, tc_json_string(h->result, "protocol"));
    if (json_is_object(cluster))
        tc_buf_format(h->out, ", %lld replicas, f = %lld", (long long)tc_json_integer(cluster, "replicas"),
                      (long long)tc_json_integer(cluster, "faults_max"));
    tc_buf_add(h->out, "</span>");
    if (*bug) {
        tc_buf_add(h->out, "<span>seeded bug ");
        tc_html_text(h, bug);
        tc_buf_add(h->out, "</span>");
    }
    if (strcmp(tc_json_string(h->result, "world"), "capture") != 0) {
        tc_buf_add(h->out, "<span>seed ");
        tc_html_text(h, tc_json_string(h->result, "seed"));
        tc_buf_add(h->out, "</span>");
    }
    tc_buf_add(h->out, "<time>");
    tc_html_text(h, tc_json_string(json_object_get(h->result, "environment"), "started"));
    tc_buf_add(h->out, "</time></div>\n");
}

static void evidence_item(struct tc_html *h, const json_t *item)
{
    tc_buf_add(h->out, "<li>");
    tc_html_text(h, tc_json_string(item, "text"));
    tc_buf_add(h->out, " <small>");
    uint64_t time_ns = tc_json_ns(item, "time_ns");
    if (time_ns != TC_NEVER_NS)
        tc_buf_format(h->out, "at %.4f s", (double)time_ns / 1e9);
    if (tc_json_has(item, "from") && tc_json_has(item, "to")) {
        char from[8], to[8];
        tc_node_name((uint32_t)tc_json_integer(item, "from"), from);
        tc_node_name((uint32_t)tc_json_integer(item, "to"), to);
        tc_buf_format(h->out, " · %s → %s", from, to);
    }
    if (tc_json_integer(item, "frame_bytes") > 0) {
        tc_buf_format(h->out, " · %lld bytes", (long long)tc_json_integer(item, "frame_bytes"));
        tc_buf_add(h->out, tc_json_true(item, "signature_valid") ? " · signature valid"
                                                                 : " · signature not valid or not there");
    }
    tc_buf_add(h->out, "</small></li>\n");
}

/* Which file tells it; a full disk may have had no room for one. */
static void evidence_name(struct tc_html *h, const json_t *finding)
{
    const char *file = tc_json_string(finding, "file");
    tc_buf_add(h->out, *file ? ", in " : "");
    tc_html_evidence_link(h, finding, file);
}

/* A run that holds says whom its detectors caught. */
static void caught(struct tc_html *h)
{
    const json_t *oracle;
    size_t i, shown = 0;
    json_array_foreach(json_object_get(h->result, "oracles"), i, oracle)
    {
        const json_t *finding = json_array_get(json_object_get(oracle, "findings"), 0);
        if (strcmp(tc_json_string(oracle, "status"), "caught") != 0 || !finding)
            continue;
        tc_buf_add(h->out, shown++ == 0 ? "<dl class=\"why\"><dt>Caught</dt><dd>" : "<dt></dt><dd>");
        tc_html_text(h, tc_json_string(finding, "text"));
        tc_buf_add(h->out, " <small>by ");
        tc_html_text(h, tc_json_string(oracle, "name"));
        evidence_name(h, finding);
        tc_buf_add(h->out, "</small></dd>");
    }
    tc_buf_add(h->out, shown > 0 ? "</dl>\n" : "");
}

/* Why nobody is to blame for an expected breach: what the judge says between the headline and what differs. */
static void allowed(struct tc_html *h)
{
    const char *sentence = tc_json_string(h->result, "sentence");
    const char *colon = strstr(sentence, ": "), *end = colon ? strstr(colon, "; ") : NULL;
    if (!end || strcmp(tc_json_string(h->result, "verdict"), "expected") != 0)
        return;
    tc_buf_add(h->out, "<dt>Bound</dt><dd>");
    tc_buf_escape_bytes(h->out, TC_ESCAPE_MARKUP, colon + 2, (size_t)(end - colon - 2));
    tc_buf_add(h->out, "</dd>");
}

static void because(struct tc_html *h)
{
    const json_t *first = json_object_get(h->result, "first"), *item;
    const char *why = tc_json_string(first, "because"),
               *bad = tc_json_string(json_object_get(h->result, "first_bad_decision"), "text");
    size_t i;
    if (!json_is_object(first)) {
        caught(h);
        return;
    }
    tc_buf_add(h->out, "<dl class=\"why\"><dt>What differs</dt><dd>");
    tc_html_text(h, tc_json_string(first, "text"));
    tc_buf_add(h->out, "</dd>");
    allowed(h);
    if (*why) {
        tc_buf_add(h->out, "<dt>Because</dt><dd>");
        tc_html_text(h, why);
        tc_buf_add(h->out, "</dd>");
    }
    if (*bad) {
        tc_buf_add(h->out, "<dt>First bad decision</dt><dd>");
        tc_html_text(h, bad);
        tc_buf_add(h->out, "</dd>");
    }
    tc_buf_add(h->out, "<dt>Found by</dt><dd>");
    tc_html_text(h, tc_json_string(first, "oracle"));
    evidence_name(h, first);
    tc_buf_add(h->out, "</dd>");
    if (json_array_size(json_object_get(first, "evidence")) > 0) {
        tc_buf_add(h->out, "<dt>Evidence</dt><dd><ol class=\"evidence\">\n");
        json_array_foreach(json_object_get(first, "evidence"), i, item) evidence_item(h, item);
        tc_buf_add(h->out, "</ol></dd>");
    }
    tc_buf_add(h->out, "</dl>\n");
}

static void repeat_lines(struct tc_html *h)
{
    const json_t *line;
    size_t i;
    if (json_array_size(json_object_get(h->result, "repeat")) == 0)
        return;
    tc_buf_add(h->out, "<div class=\"repeat\"><h3>See it again</h3>\n");
    json_array_foreach(json_object_get(h->result, "repeat"), i, line)
    {
        const char *text = json_string_value(line);
        tc_html_command(h->out, text ? text : "");
    }
    if (*tc_json_string(h->result, "repeat_caveat")) {
        tc_buf_add(h->out, "<p class=\"note\">");
        tc_html_text(h, tc_json_string(h->result, "repeat_caveat"));
        tc_buf_add(h->out, "</p>\n");
    }
    tc_buf_add(h->out, "</div>\n");
}

/* "PASS", or what stopped it; empty where the heading says it. */
static const char *outcome(const json_t *result)
{
    switch (tc_json_integer(result, "exit")) {
    case 0:
        if (strcmp(tc_json_string(result, "verdict"), "violated") == 0)
            return "pass: this scenario expects it";
        return *tc_json_string(result, "partial") ? "pass of what was readable" : "pass";
    case 3:
        return strcmp(tc_json_string(result, "verdict"), "inconclusive") == 0 ? "" : "inconclusive";
    case 130:
        return "no verdict";
    default:
        return "fail";
    }
}

/* How long the first line is: a traceback begins where Lua says so, and may have been made one line. */
static size_t first_line(const char *text)
{
    size_t len = strcspn(text, "\n");
    const char *trace = strstr(text, "stack traceback:");
    if (trace && (size_t)(trace - text) < len)
        len = (size_t)(trace - text);
    while (len > 0 && strchr("; \t", text[len - 1]))
        len--;
    return len;
}

/* The sentence as a headline: its first line, without the status it may begin with (that stands above it) and, where a
 * finding decided, without what follows the colon (what differs has a line of its own). */
static struct tc_buf headline(const json_t *result, const char *status)
{
    static const char violated[] = "VIOLATED ";
    struct tc_buf head = {0};
    const char *sentence = tc_json_string(result, "sentence");
    const size_t named = strcspn(sentence, ",:");
    size_t len = strlen(status);
    if (!*sentence)
        sentence = status;
    if (tc_json_integer(result, "exit") == 130)
        sentence = "the run was interrupted";
    if (strncmp(sentence, violated, strlen(violated)) == 0 && sentence[named]) { /* what was, before with whom */
        tc_buf_bytes(&head, sentence + strlen(violated), named - strlen(violated));
        tc_buf_add(&head, " violated");
        sentence += named;
    } else if (strncasecmp(sentence, status, len) == 0 && strncmp(sentence + len, ": ", 2) == 0) {
        sentence += len + 2;
    } else if (strncasecmp(sentence, status, len) == 0 && sentence[len] == ' ' && sentence[len + 1]) {
        sentence += len + 1;
    }
    size_t end = first_line(sentence);
    const char *colon = strstr(sentence, ": ");
    if (json_is_object(json_object_get(result, "first")) && colon && (size_t)(colon - sentence) < end)
        end = (size_t)(colon - sentence);
    tc_buf_bytes(&head, sentence, end);
    /* An error begins with the name of a file, if it is none of ours. */
    if ((strcmp(status, "error") != 0 || tc_json_integer(result, "exit") == 130) && head.len > 0 &&
        head.data[0] >= 'a' && head.data[0] <= 'z')
        head.data[0] = (char)(head.data[0] - 'a' + 'A');
    return head;
}

/* Where the script was when it failed: a line a step, as Lua wrote it. */
static void traceback(struct tc_html *h)
{
    const char *error = tc_json_string(h->result, "error");
    size_t end = first_line(error);
    bool is_headline = strcmp(tc_json_string(h->result, "verdict"), "error") == 0;
    if (*error && !is_headline) {
        tc_buf_add(h->out, "<p class=\"note\">The run ended early: ");
        tc_buf_escape_bytes(h->out, TC_ESCAPE_MARKUP, error, end);
        tc_buf_add(h->out, "</p>\n");
    }
    const char *rest = error + end + strspn(error + end, "; \n\t");
    if (!*rest)
        return;
    tc_buf_add(h->out, "<pre class=\"trace\">");
    while (*rest) {
        size_t step = strcspn(rest, "\n\t");
        tc_buf_escape_bytes(h->out, TC_ESCAPE_MARKUP, rest, step);
        tc_buf_add(h->out, "\n");
        rest += step + strspn(rest + step, "\n\t");
    }
    tc_buf_add(h->out, "</pre>\n");
}

/* An error is the headline; what the oracles made of the run until then stays worth a line. */
static void judged(struct tc_html *h)
{
    const char *text = tc_json_string(h->result, "judged");
    if (!*text)
        return;
    static const char holds[] = "holds: ";
    tc_buf_add(h->out, "<p class=\"note\">Judged by what was seen until then: ");
    tc_html_text(h, strncmp(text, holds, strlen(holds)) == 0 ? text + strlen(holds) : text);
    tc_buf_add(h->out, "</p>\n");
}

static void verdict(struct tc_html *h)
{
    const json_t *r = h->result, *note;
    const char *status = tc_json_string(r, "verdict");
    struct tc_buf head = headline(r, status);
    uint64_t duration = tc_json_ns(r, "duration_ns");
    size_t i;
    tc_buf_format(h->out, "<div class=\"verdict %s\"><p class=\"status\"><b>", tc_html_class(heading(r)));
    tc_html_text(h, heading(r));
    tc_buf_format(h->out, "</b><span>%s%sexit %lld", outcome(r), *outcome(r) ? ", " : "",
                  (long long)tc_json_integer(r, "exit"));
    if (duration != TC_NEVER_NS) {
        tc_buf_add(h->out, ", after ");
        tc_buf_duration(h->out, duration);
    }
    tc_buf_add(h->out, "</span></p>\n<h1>");
    tc_html_text(h, tc_buf_get(&head));
    tc_buf_add(h->out, "</h1>\n");
    tc_buf_free(&head);
    traceback(h);
    judged(h);
    because(h);
    json_array_foreach(json_object_get(r, "notes"), i, note)
    {
        const char *text = json_string_value(note);
        tc_buf_add(h->out, "<p class=\"note\">");
        tc_html_text(h, text ? text : "");
        tc_buf_add(h->out, "</p>\n");
    }
    repeat_lines(h);
    if (*tc_json_string(r, "write_error")) {
        tc_buf_add(h->out, "<p class=\"note\">This report is not complete: ");
        tc_html_text(h, tc_json_string(r, "write_error"));
        tc_buf_add(h->out, "</p>\n");
    }
    tc_buf_add(h->out, "</div></header>\n<main>\n");
}

static void plot(struct tc_html *h, const json_t *made)
{
    struct tc_buf svg = {0};
    struct tc_error err = {0};
    const char *file = tc_json_string(made, "svg"), *error = tc_json_string(made, "error");
    if (*file && tc_out_read(h->dir, file, PLOT_MAX, &svg, &err) < 0)
        error = err.text;
    tc_buf_add(h->out, "<figure><figcaption><b>");
    tc_html_text(h, tc_json_string(made, "title"));
    tc_buf_add(h->out, "</b> ");
    tc_html_text(h, tc_json_string(made, "about"));
    tc_buf_add(h->out, "</figcaption>");
    if (*error) {
        tc_buf_add(h->out, "<p class=\"note\">No picture: ");
        tc_html_text(h, error);
        tc_buf_add(h->out, ". The table is in plots/.</p>");
    } else {
        tc_buf_add(h->out, "<div class=\"card\"><img alt=\"");
        tc_html_text(h, tc_json_string(made, "title"));
        tc_buf_add(h->out, "\" src=\"data:image/svg+xml;base64,");
        tc_buf_base64(h->out, (struct tc_slice){(const uint8_t *)tc_buf_get(&svg), svg.len});
        tc_buf_add(h->out, "\"></div>");
    }
    tc_buf_add(h->out, "</figure>\n");
    tc_buf_free(&svg);
}

static void timelines(struct tc_html *h, const json_t *plots)
{
    const json_t *made;
    size_t i;
    const char *world = tc_json_string(h->result, "world");
    char lead[160];
    snprintf(lead, sizeof lead, "Measured %s.%s",
             strcmp(world, "capture") == 0
                 ? "on the packets of the capture, and on observations where some came with it"
             : strcmp(world, "sim") == 0 ? "in virtual time, from what passed and what the replicas did"
                                         : "by the proxy from what passed and what the replicas told of themselves",
             *tc_json_string(h->result, "attack") ? " The attack is shaded." : "");
    tc_html_section(h, "timeline", "What happened, over time", lead);
    tc_html_phases(h);
    tc_buf_add(h->out, "<div class=\"plots\">\n");
    json_array_foreach(plots, i, made) plot(h, made);
    tc_buf_add(h->out, "</div></section>\n");
}

static void sequence_section(struct tc_html *h, const char *sequence, const char *caption)
{
    if (!*sequence)
        return;
    tc_html_section(h, "messages", "Who told whom what", "");
    tc_buf_add(h->out, "<figure class=\"wide\"><figcaption>");
    tc_html_text(h, caption);
    tc_buf_format(h->out, "</figcaption><div class=\"scroll\">%s</div></figure></section>\n", sequence);
}

static void foot(struct tc_html *h)
{
    static const char *const beside[] = {"decisions.jsonl", "observations.jsonl", "trace.pcap", "metrics.tsv",
                                         "messages.tsv"};
    tc_buf_add(h->out, "</main>\n<footer>Made by turncoat ");
    tc_html_text(h, tc_json_string(h->result, "version"));
    tc_buf_add(h->out, ". Beside this page: <a href=\"result.json\">result.json</a>");
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char path[640];
        snprintf(path, sizeof path, "%s/%s", h->dir, beside[i]);
        if (access(path, F_OK) == 0)
            tc_buf_format(h->out, ", <a href=\"%s\">%s</a>", beside[i], beside[i]);
    }
    tc_buf_add(h->out, ".</footer>\n");
    tc_buf_format(h->out, "<script>%s</script>\n</body></html>\n", tc_html_script);
}

void tc_html_write(const char *dir, const json_t *result, const json_t *plots, const char *sequence,
                   const char *sequence_caption, struct tc_buf *out)
{
    struct tc_html h = {dir, result, out};
    head(&h);
    masthead(&h);
    verdict(&h);
    tc_html_faults(&h);
    timelines(&h, plots);
    sequence_section(&h, sequence, sequence_caption);
    tc_html_oracles(&h);
    tc_html_thresholds(&h);
    tc_html_cost(&h);
    tc_html_metrics(&h);
    tc_html_setup(&h);
    foot(&h);
}
