/* report.html of a hunt: what was found and how to see it again, then what was run. Looks as a run's page does. */
#define _GNU_SOURCE
#include "html.h"
#include "hunt.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct page {
    const char *dir;
    const struct tc_hunt_result *r;
    struct tc_buf out;
};

static void text(struct page *p, const char *words)
{
    tc_buf_escape(&p->out, TC_ESCAPE_MARKUP, words);
}

static const char *tone(const struct tc_hunt_result *r)
{
    const int code = tc_hunt_exit_code(r);
    return code == 0 ? "good" : code == 1 || code == 70 ? "bad" : "warn";
}

static void head(struct page *p)
{
    const struct tc_hunt_sum total = tc_hunt_total(p->r);
    static const char *const words[] = {"nothing found", "violated", "", "inconclusive"};
    const int code = tc_hunt_exit_code(p->r);
    tc_buf_add(&p->out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                        "'unsafe-inline'; img-src data:; script-src 'sha256-");
    tc_buf_add(&p->out, tc_html_script_hash);
    tc_buf_add(&p->out, "'\"><link rel=\"icon\" href=\"data:,\"><title>hunt ");
    text(p, p->r->name);
    tc_buf_format(&p->out,
                  "</title><style>%s</style></head><body>\n<header><div class=\"mast\"><span class=\"brand\">"
                  "turncoat</span><span>hunt ",
                  tc_html_style);
    text(p, p->r->name);
    tc_buf_add(&p->out, "</span><span>");
    text(p, p->r->protocol);
    tc_buf_format(&p->out,
                  "</span></div></header>\n<main><div class=\"verdict %s\"><p class=\"status\"><b>%s</b></p><h1>",
                  tone(p->r),
                  code <= 3     ? words[code]
                  : code == 130 ? "interrupted"
                                : "error");
    if (p->r->error[0])
        text(p, p->r->error);
    else if (p->r->group_count == 0)
        tc_buf_add(&p->out, code != 3          ? "No violation was found"
                            : total.bitten > 0 ? "Part of the hunt is missing"
                                               : "No fault bit: nothing was tested");
    else
        tc_buf_format(&p->out, "%u kind%s of violation found", p->r->group_count, p->r->group_count == 1 ? "" : "s");
    tc_buf_add(&p->out, "</h1><p class=\"fine\">");
    tc_buf_count(&p->out, total.runs);
    tc_buf_add(&p->out, total.runs == 1 ? " run, " : " runs, ");
    tc_buf_count(&p->out, total.bitten);
    tc_buf_format(&p->out, " faults bitten, in %.1f s", p->r->seconds);
    if (p->r->shards_merged)
        tc_buf_format(&p->out, ", %u of %u shards merged", p->r->shards_merged, p->r->shards);
    if (p->r->bug[0]) {
        tc_buf_add(&p->out, "; seeded bug ");
        text(p, p->r->bug);
    }
    if (code == 3) {
        tc_buf_add(&p->out, "; ");
        text(p, tc_hunt_why(p->r));
    }
    tc_buf_add(&p->out, "</p>");
    tc_html_command(&p->out, p->r->command);
    tc_buf_add(&p->out, "</div>\n");
}

static void row(struct page *p, const char *name, const char *value)
{
    if (!*value)
        return;
    tc_buf_add(&p->out, "<dt>");
    text(p, name);
    tc_buf_add(&p->out, "</dt><dd>");
    text(p, value);
    tc_buf_add(&p->out, "</dd>");
}

static void replay(struct page *p, const struct tc_hunt_group *g, const char *title, const char *file)
{
    char line[TC_SHELL_LINE_MAX];
    tc_hunt_repeat(p->r, g, p->dir, file, line);
    tc_buf_format(&p->out, "<h3>%s</h3>", title);
    tc_html_command(&p->out, line);
}

static void group(struct page *p, const struct tc_hunt_group *g)
{
    char line[400], of[TC_HUNT_OF_MAX];
    tc_buf_add(&p->out, "<section><h2>");
    text(p, g->oracle);
    if (g->rule[0]) {
        tc_buf_add(&p->out, ": ");
        text(p, g->rule);
    }
    tc_buf_add(&p->out, "</h2><p>");
    text(p, g->text);
    tc_buf_add(&p->out, "</p><dl class=\"why\">");
    row(p, "because", strncmp(g->because, "rule ", 5) == 0 ? "" : g->because);
    row(p, "first decision kept", g->first_bad);
    row(p, "cause",
        g->cause == TC_HUNT_NETWORK && g->kept == 0 ? "no fault is needed: it comes by itself"
                                                    : tc_hunt_cause_name(g->cause));
    if (g->cause != TC_HUNT_UNKNOWN) {
        snprintf(line, sizeof line, "from %u decisions to %u, in %u runs%s", g->choices, g->kept, g->tried,
                 g->minimal ? "; none of them can be left out" : "");
        tc_hunt_shrunk_of(g, "; ", "", of);
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s", of);
        row(p, "shrunk", line);
        snprintf(line, sizeof line, "%u of %u times; with other seeds %u of %u; without the traitor %u of %u",
                 g->confirmed, g->confirmed_of, g->neighbours, g->neighbours_of, g->honest, g->honest_of);
        row(p, "comes again", line);
    }
    snprintf(line, sizeof line,
             "run %" PRIu64 " (seed 0x%012" PRIx64 ", strategy %s) after %.1f s; %" PRIu64 " run%s in all",
             g->all.index, g->seed, g->strategy, g->all.seconds, g->all.runs, g->all.runs == 1 ? "" : "s");
    row(p, "found in", line);
    tc_buf_add(&p->out, "</dl><div class=\"repeat\">");
    if (g->stored && g->cause != TC_HUNT_UNKNOWN)
        replay(p, g, "See it again, shrunk", "shrunk.jsonl");
    if (g->stored)
        replay(p, g, "See it again, as it was found", "decisions.jsonl");
    tc_buf_add(&p->out, "</div>");
    if (g->stored && p->r->shards_merged == 0) {
        tc_buf_add(&p->out, "<p class=\"fine\">Pages: ");
        if (g->cause != TC_HUNT_UNKNOWN) {
            tc_buf_add(&p->out, "<a href=\"");
            text(p, g->dir);
            tc_buf_add(&p->out, "/shrunk/report.html\">the shrunk run</a>, ");
        }
        tc_buf_add(&p->out, "<a href=\"");
        text(p, g->dir);
        tc_buf_add(&p->out, "/full/report.html\">the run as it was found</a>.</p>");
    }
    tc_buf_add(&p->out, "</section>\n");
}

static void number(struct page *p, const char *label, uint64_t value)
{
    tc_buf_format(&p->out, "<td class=\"num\" data-l=\"%s\">", label);
    tc_buf_count(&p->out, value);
    tc_buf_add(&p->out, "</td>");
}

static void rate(struct page *p, const struct tc_hunt_sum *s)
{
    static const char label[] = "runs/s of one processor";
    if (s->busy_ns > 0)
        number(p, label, (uint64_t)((double)s->runs * 1e9 / (double)s->busy_ns));
    else
        tc_buf_format(&p->out, "<td class=\"num none\" data-l=\"%s\">–</td>", label);
}

static void strategies(struct page *p)
{
    tc_buf_add(&p->out,
               "<section><h2>Strategies</h2><table><thead><tr><th>strategy</th>"
               "<th class=\"num\">runs</th><th class=\"num\">runs/s of one processor</th><th class=\"num\">faults "
               "bitten</th><th class=\"num\">inconclusive</th><th class=\"num\">violated</th><th class=\"num\">first "
               "find</th></tr>"
               "</thead><tbody>");
    for (uint32_t i = 0; i < p->r->strategy_count; i++) {
        const struct tc_hunt_sum *s = &p->r->strategies[i].sum;
        struct tc_hunt_first first = {.index = TC_HUNT_NEVER};
        for (uint32_t g = 0; g < p->r->group_count; g++)
            if (p->r->groups[g].by[i].index < first.index)
                first = p->r->groups[g].by[i];
        tc_buf_add(&p->out, "<tr><td data-l=\"strategy\">");
        text(p, p->r->strategies[i].name);
        tc_buf_add(&p->out, "</td>");
        number(p, "runs", s->runs);
        rate(p, s);
        number(p, "faults bitten", s->bitten);
        number(p, "inconclusive", s->inconclusive);
        number(p, "violated", s->violated);
        if (first.index != TC_HUNT_NEVER)
            tc_buf_format(&p->out, "<td class=\"num\" data-l=\"first find\">run %" PRIu64 ", %.1f s</td></tr>",
                          first.index, first.seconds);
        else
            tc_buf_add(&p->out, "<td class=\"num none\" data-l=\"first find\">–</td></tr>");
    }
    tc_buf_add(&p->out, "</tbody></table></section>\n");
}

static void oracles(struct page *p)
{
    if (p->r->oracle_count == 0)
        return;
    tc_buf_add(&p->out, "<section><h2>Oracles that were violated</h2><table><thead><tr><th>oracle</th>"
                        "<th class=\"num\">runs</th><th class=\"num\">first run</th></tr></thead><tbody>");
    for (uint32_t i = 0; i < p->r->oracle_count; i++) {
        tc_buf_add(&p->out, "<tr><td data-l=\"oracle\">");
        text(p, p->r->oracles[i].name);
        tc_buf_add(&p->out, "</td>");
        number(p, "runs", p->r->oracles[i].seen.runs);
        number(p, "first run", p->r->oracles[i].seen.index);
        tc_buf_add(&p->out, "</tr>");
    }
    tc_buf_add(&p->out, "</tbody></table></section>\n");
}

static void slowest(struct page *p)
{
    if (p->r->slow_count == 0)
        return;
    tc_buf_add(&p->out, "<section><h2>What slows it down most</h2><p class=\"fine\">The greedy search of "
                        "<i>performance</i>: the worst actions on one type of the traitor's messages, in each round "
                        "beside the worst of the rounds before, against the same seeds without any.</p><table><thead>"
                        "<tr><th>the traitor's messages</th><th class=\"num\">round</th><th class=\"num\">times "
                        "slower</th></tr></thead><tbody>");
    for (uint32_t i = 0; i < p->r->slow_count; i++) {
        tc_buf_add(&p->out, "<tr><td data-l=\"the traitor's messages\">");
        text(p, p->r->slowest[i].action);
        tc_buf_add(&p->out, "</td>");
        number(p, "round", p->r->slowest[i].round);
        tc_buf_format(&p->out, "<td class=\"num\" data-l=\"times slower\">%.1f</td></tr>", p->r->slowest[i].times);
    }
    tc_buf_add(&p->out, "</tbody></table></section>\n");
}

int tc_hunt_report(const char *dir, const struct tc_hunt_result *result, struct tc_error *err)
{
    struct page p = {.dir = dir, .r = result};
    head(&p);
    for (uint32_t i = 0; i < result->group_count; i++)
        group(&p, &result->groups[i]);
    strategies(&p);
    oracles(&p);
    slowest(&p);
    tc_buf_add(&p.out, "</main>\n<footer>Made by turncoat " TC_VERSION ". Beside this page: <a href=\"result.json\">"
                       "result.json</a>, <a href=\"junit.xml\">junit.xml</a>.</footer>\n<script>");
    tc_buf_add(&p.out, tc_html_script);
    tc_buf_add(&p.out, "</script>\n</body></html>\n");
    int status = tc_out_file(dir, "report.html", &p.out, err);
    tc_buf_free(&p.out);
    return status == 0 ? tc_hunt_junit(dir, result, err) : status;
}
