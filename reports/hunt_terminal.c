/* What a hunt says at its end. */
#include "hunt.h"

#include "../proxy/nodeset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void paint(struct tc_buf *out, bool color, const char *code, const char *text)
{
    tc_buf_format(out, "%s%s%s", color ? code : "", text, color ? "\033[0m" : "");
}

static void say(struct tc_buf *out, const char *text)
{
    tc_buf_escape(out, TC_ESCAPE_TERMINAL, text);
}

static void labelled(struct tc_buf *out, const char *label, const char *text)
{
    if (!*text)
        return;
    tc_buf_format(out, "  %-19s", label);
    say(out, text);
    tc_buf_add(out, "\n");
}

static void traitor_text(const struct tc_hunt_group *g, char *out, size_t size)
{
    const uint32_t count = tc_nodeset_count(&g->traitors);
    if (count == 0)
        snprintf(out, size, g->cause == TC_HUNT_UNKNOWN ? "" : ", with no traitor");
    else
        snprintf(out, size, ", with %u traitor%s", count, count == 1 ? "" : "s");
}

static void cause_line(const struct tc_hunt_group *g, struct tc_buf *out)
{
    char of[TC_HUNT_OF_MAX];
    if (g->cause == TC_HUNT_UNKNOWN)
        return;
    tc_buf_add(out, "  ");
    if (g->cause == TC_HUNT_NETWORK && g->kept == 0)
        tc_buf_add(out, "no fault is needed: it comes by itself");
    else if (g->cause == TC_HUNT_NETWORK)
        tc_buf_add(out, "network alone suffices: no message has to be changed");
    else if (g->honest > 0)
        tc_buf_format(out, "network alone suffices in %u of %u runs without the traitor, not in this one", g->honest,
                      g->honest_of);
    else
        tc_buf_format(out, "network alone does not suffice (%u of %u runs without the traitor)", g->honest,
                      g->honest_of);
    if (g->cause == TC_HUNT_FORGED)
        tc_buf_add(out, ", but nobody's signature is needed");
    else if (g->cause == TC_HUNT_OUTSIDE)
        tc_buf_add(out, ", and more than f must sign: outside of the model");
    tc_buf_format(out, "; shrunk from %u decision%s to %u%s", g->choices, g->choices == 1 ? "" : "s", g->kept,
                  g->minimal ? "" : ", and more might go");
    tc_hunt_shrunk_of(g, " (", ")", of);
    tc_buf_format(out, "%s\n", of);
    tc_buf_format(out, "  confirmed %u of %u times; %u of %u runs of %s with other seeds show it too\n", g->confirmed,
                  g->confirmed_of, g->neighbours, g->neighbours_of, g->strategy);
}

void tc_hunt_repeat(const struct tc_hunt_result *r, const struct tc_hunt_group *g, const char *dir, const char *file,
                    char line[static TC_SHELL_LINE_MAX])
{
    char path[1600];
    const bool below = r->shards_merged == 0; /* else g->dir leads there */
    snprintf(path, sizeof path, "%s%s%s/%s", below ? dir : "", below ? "/" : "", g->dir, file);
    tc_shell_line(line, TC_SHELL_LINE_MAX, "replay", path);
}

void tc_hunt_group_text(const struct tc_hunt_result *r, const struct tc_hunt_group *g, const char *dir, bool color,
                        struct tc_buf *out)
{
    char traitors[48], line[TC_SHELL_LINE_MAX];
    traitor_text(g, traitors, sizeof traitors);
    paint(out, color, "\033[1;31m", "VIOLATED");
    tc_buf_add(out, "  ");
    say(out, g->oracle);
    if (*g->rule) {
        tc_buf_add(out, " (");
        say(out, g->rule);
        tc_buf_add(out, ")");
    }
    tc_buf_format(out, "%s\n  ", traitors);
    say(out, g->text);
    tc_buf_add(out, "\n");
    if (strncmp(g->because, "rule ", 5) != 0)
        labelled(out, "because", g->because);
    labelled(out, "first decision", g->first_bad);
    cause_line(g, out);
    snprintf(line, sizeof line,
             "run %" PRIu64 ", seed 0x%012" PRIx64 ", strategy %s, after %.1f s; %" PRIu64 " run%s in all",
             g->all.index, g->seed, g->strategy, g->all.seconds, g->all.runs, g->all.runs == 1 ? "" : "s");
    labelled(out, "found in", line);
    if (!g->stored)
        return;
    if (g->cause != TC_HUNT_UNKNOWN) {
        tc_hunt_repeat(r, g, dir, "shrunk.jsonl", line);
        labelled(out, "repeat", line);
    }
    tc_hunt_repeat(r, g, dir, "decisions.jsonl", line);
    labelled(out, "repeat", line);
}

static void strategy_lines(const struct tc_hunt_result *r, struct tc_buf *out)
{
    tc_buf_add(out, "  strategy           runs   runs/s   faults bitten   inconclusive   violated   first find\n");
    for (uint32_t i = 0; i < r->strategy_count; i++) {
        const struct tc_hunt_sum *s = &r->strategies[i].sum;
        struct tc_hunt_first first = {.index = TC_HUNT_NEVER};
        for (uint32_t g = 0; g < r->group_count; g++)
            if (r->groups[g].by[i].index < first.index)
                first = r->groups[g].by[i];
        const double busy = (double)s->busy_ns / 1e9;
        tc_buf_format(out, "  %-14s %8" PRIu64 " %8.0f   %13" PRIu64 "   %12" PRIu64 "   %8" PRIu64,
                      r->strategies[i].name, s->runs, busy > 0 ? (double)s->runs / busy : 0, s->bitten, s->inconclusive,
                      s->violated);
        if (first.index != TC_HUNT_NEVER)
            tc_buf_format(out, "   run %" PRIu64 ", %.1f s", first.index, first.seconds);
        tc_buf_add(out, "\n");
    }
}

static void oracle_lines(const struct tc_hunt_result *r, struct tc_buf *out)
{
    for (uint32_t i = 0; i < r->oracle_count; i++)
        tc_buf_format(out, "  %-9s%-22s violated in %" PRIu64 " run%s, first in run %" PRIu64 "\n", i ? "" : "oracles",
                      r->oracles[i].name, r->oracles[i].seen.runs, r->oracles[i].seen.runs == 1 ? "" : "s",
                      r->oracles[i].seen.index);
}

static void slowest_lines(const struct tc_hunt_result *r, struct tc_buf *out)
{
    uint32_t round = 0;
    for (uint32_t i = 0; i < r->slow_count; i++) {
        const struct tc_hunt_slow *s = &r->slowest[i];
        tc_buf_format(out, "  %-9s", i ? "" : "slowest");
        if (s->round != round)
            tc_buf_format(out, "round %u   ", s->round);
        else
            tc_buf_add(out, "          ");
        round = s->round;
        tc_buf_format(out, "%8.1f times slower   ", s->times);
        say(out, s->action);
        tc_buf_add(out, "\n");
    }
}

static void last_line(const struct tc_hunt_result *r, const char *dir, bool color, struct tc_buf *out)
{
    const struct tc_hunt_sum total = tc_hunt_total(r);
    const int code = tc_hunt_exit_code(r);
    const char *word = code == 0     ? "PASS"
                       : code == 3   ? "INCONCLUSIVE"
                       : code == 130 ? "INTERRUPTED"
                       : code == 1   ? "FAIL"
                                     : "ERROR";
    paint(out, color, code == 0 ? "\033[1;32m" : code == 1 || code == 70 ? "\033[1;31m" : "\033[1;33m", word);
    tc_buf_add(out, "  ");
    tc_buf_count(out, total.runs);
    tc_buf_add(out, total.runs == 1 ? " run, " : " runs, ");
    tc_buf_count(out, total.bitten);
    tc_buf_format(out, " faults bitten, %u kind%s of violation   %.1f s", r->group_count,
                  r->group_count == 1 ? "" : "s", r->seconds);
    if (code != 0)
        tc_buf_format(out, "   exit %d", code);
    tc_buf_format(out, "   report %s/report.html\n", dir);
}

char *tc_hunt_terminal(const struct tc_hunt_result *r, const char *dir, bool color)
{
    struct tc_buf out = {0};
    tc_buf_add(&out, "\n");
    for (uint32_t i = 0; i < r->group_count; i++) {
        tc_hunt_group_text(r, &r->groups[i], dir, color, &out);
        tc_buf_add(&out, "\n");
    }
    if (r->groups_lost)
        tc_buf_format(&out, "  %" PRIu64 " more violated runs, of kinds for which there was no room\n", r->groups_lost);
    strategy_lines(r, &out);
    oracle_lines(r, &out);
    slowest_lines(r, &out);
    tc_buf_add(&out, "\n");
    labelled(&out, "error", r->error);
    if (tc_hunt_exit_code(r) == 3)
        labelled(&out, "why", tc_hunt_why(r));
    if (!r->complete && !r->interrupted && r->shards_merged == 0 && !r->error[0])
        labelled(&out, "go on with", "the same command and --resume");
    if (r->interrupted && r->shards_merged == 0)
        labelled(&out, "go on with", "the same command and --resume");
    if (r->shards_merged > 0 && r->shards_merged < r->shards) {
        char line[96];
        snprintf(line, sizeof line, "%u of %u shards: the others are missing", r->shards_merged, r->shards);
        labelled(&out, "note", line);
    }
    last_line(r, dir, color, &out);
    if (!out.failed)
        return out.data;
    tc_buf_free(&out);
    return NULL;
}
