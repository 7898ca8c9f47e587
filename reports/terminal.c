/* The verdict on a terminal: a function of result.json. */
#include "render.h"

#include <stdio.h>
#include <string.h>

#define HOLDS_SHOWN   4   /* lines of oracles that simply hold; --verbose shows all */
#define FINDING_BYTES 110 /* of a finding in the table; it stands whole in the block above and in the report */

struct terminal {
    const json_t *result;
    struct tc_buf *out;
    bool color, verbose;
};

static const char *color_of(const char *status)
{
    if (strcmp(status, "holds") == 0)
        return "\033[32m";
    if (strcmp(status, "caught") == 0 || strcmp(status, "expected") == 0)
        return "\033[36m";
    if (strcmp(status, "violated") == 0 || strcmp(status, "error") == 0)
        return "\033[1;31m";
    if (strcmp(status, "not judged") == 0)
        return "\033[90m";
    return "\033[33m";
}

/* `word` in its colour, padded to `width` columns. */
static void paint(struct terminal *t, const char *color, const char *word, int width)
{
    int pad = width - (int)strlen(word);
    bool painted = t->color && *color;
    tc_buf_add(t->out, painted ? color : "");
    tc_buf_escape(t->out, TC_ESCAPE_TERMINAL, word);
    tc_buf_add(t->out, painted ? "\033[0m" : "");
    tc_buf_format(t->out, "%*s", pad > 0 ? pad : 0, "");
}

static void say(struct terminal *t, const char *text)
{
    tc_buf_escape(t->out, TC_ESCAPE_TERMINAL, text);
}

/* "  label      text" */
static void labelled(struct terminal *t, const char *label, const char *text)
{
    if (!*text)
        return;
    tc_buf_add(t->out, "  ");
    paint(t, "\033[2m", label, 10);
    tc_buf_add(t->out, " ");
    say(t, text);
    tc_buf_add(t->out, "\n");
}

/* As much of the text as a table's line bears, cut between characters. */
static void say_cut(struct terminal *t, const char *text)
{
    char cut[FINDING_BYTES + 8];
    size_t len = strlen(text);
    if (len <= FINDING_BYTES || t->verbose) {
        say(t, text);
        return;
    }
    len = FINDING_BYTES;
    while (len > 0 && ((unsigned char)text[len] & 0xc0u) == 0x80u)
        len--;
    snprintf(cut, sizeof cut, "%.*s…", (int)len, text);
    say(t, cut);
}

static void oracle_line(struct terminal *t, const json_t *oracle)
{
    const char *status = tc_json_string(oracle, "status"), *reason = tc_json_string(oracle, "reason");
    const bool beyond = tc_json_beyond(t->result) && strcmp(status, "expected") == 0;
    const json_t *finding = json_array_get(json_object_get(oracle, "findings"), 0);
    int64_t total = tc_json_integer(oracle, "findings_total");
    tc_buf_add(t->out, "  ");
    paint(t, beyond ? color_of("threshold") : color_of(status), beyond ? "beyond f" : status, 13);
    paint(t, "", tc_json_string(oracle, "name"), 22);
    tc_buf_add(t->out, " ");
    if (finding && strcmp(status, "not judged") != 0) {
        const char *file = tc_json_string(finding, "file");
        say_cut(t, tc_json_string(finding, "text"));
        tc_buf_add(t->out, *file ? " (" : "");
        say(t, file);
        tc_buf_add(t->out, *file ? ")" : "");
        if (total > 1)
            tc_buf_format(t->out, " and %lld more", (long long)(total - 1));
    } else if (*reason) {
        say(t, reason);
    } else {
        tc_buf_count(t->out, (uint64_t)tc_json_integer(oracle, "compared"));
        tc_buf_add(t->out, " ");
        say(t, tc_json_string(oracle, "unit"));
        tc_buf_add(t->out, " compared");
    }
    tc_buf_add(t->out, "\n");
}

/* Did no oracle have anything to judge? */
static bool nothing_judged(const json_t *list)
{
    const json_t *oracle;
    size_t i;
    json_array_foreach(list, i, oracle)
    {
        if (strcmp(tc_json_string(oracle, "status"), "not judged") != 0 && tc_json_integer(oracle, "compared") > 0)
            return false;
    }
    return json_array_size(list) > 0;
}

/* What needs attention comes first; what holds is shown in part. */
static void oracle_lines(struct terminal *t)
{
    static const char *const order[] = {"violated", "expected",   "threshold", "inconclusive",
                                        "caught",   "not judged", "holds"};
    const json_t *list = json_object_get(t->result, "oracles"), *oracle;
    size_t i, held = 0;
    if (!t->verbose && strcmp(tc_json_string(t->result, "verdict"), "error") == 0 && nothing_judged(list)) {
        tc_buf_format(t->out, "  not judged   all %zu oracles: the run ended before there was anything to judge\n",
                      json_array_size(list));
        return;
    }
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        json_array_foreach(list, i, oracle)
        {
            if (strcmp(tc_json_string(oracle, "status"), order[k]) != 0)
                continue;
            if (!t->verbose && json_is_true(json_object_get(oracle, "foreign")))
                continue; /* of other protocols */
            bool holds = strcmp(order[k], "holds") == 0;
            if (!holds || t->verbose || held < HOLDS_SHOWN)
                oracle_line(t, oracle);
            held += holds;
        }
    if (!t->verbose && held > HOLDS_SHOWN)
        tc_buf_format(t->out, "  …            %zu more %s\n", held - HOLDS_SHOWN,
                      held == HOLDS_SHOWN + 1 ? "holds" : "hold");
}

static void threshold_lines(struct terminal *t)
{
    const json_t *threshold;
    size_t i;
    json_array_foreach(json_object_get(t->result, "thresholds"), i, threshold)
    {
        bool met = tc_json_true(threshold, "met");
        if (met && !t->verbose)
            continue;
        tc_buf_add(t->out, "  ");
        paint(t, color_of(met ? "holds" : "threshold"), met ? "met" : "missed", 13);
        say(t, tc_json_string(threshold, "metric"));
        tc_buf_add(t->out, "  ");
        say(t, tc_json_string(threshold, "condition"));
        tc_buf_add(t->out, tc_json_has(threshold, "value") ? ", measured " : ", ");
        tc_json_threshold_value(threshold, t->out);
        tc_buf_add(t->out, "\n");
    }
}

static void repeat_lines(struct terminal *t)
{
    const json_t *repeat;
    size_t i;
    json_array_foreach(json_object_get(t->result, "repeat"), i, repeat)
    {
        const char *text = json_string_value(repeat);
        labelled(t, "repeat", text ? text : "");
    }
    labelled(t, "but", tc_json_string(t->result, "repeat_caveat"));
}

/* What differs, why, and how to see it again. */
static void breach_block(struct terminal *t)
{
    const json_t *r = t->result, *first = json_object_get(r, "first");
    const char *verdict = tc_json_string(r, "verdict");
    bool expected = strcmp(verdict, "expected") == 0;
    struct tc_buf blame = {0};
    tc_json_blame(r, &blame);
    const bool beyond = tc_json_beyond(r);
    paint(t, beyond ? color_of("threshold") : color_of(verdict),
          beyond     ? "BEYOND f"
          : expected ? "EXPECTED"
                     : "VIOLATED",
          10);
    tc_buf_add(t->out, " ");
    say(t, tc_json_string(first, "oracle"));
    tc_buf_add(t->out, ", with ");
    say(t, tc_buf_get(&blame));
    tc_buf_add(t->out, beyond ? ": theory allows it, this scenario did not expect it\n  " : "\n  ");
    tc_buf_free(&blame);
    say(t, tc_json_string(first, "text"));
    tc_buf_add(t->out, "\n");
    labelled(t, "because", tc_json_string(first, "because"));
    labelled(t, "evidence", tc_json_string(first, "file"));
    labelled(t, "first bad", tc_json_string(json_object_get(r, "first_bad_decision"), "text"));
    if (!expected || beyond)
        repeat_lines(t);
    tc_buf_add(t->out, "\n");
}

static void last_line(struct terminal *t, const char *report_path)
{
    const json_t *r = t->result;
    const char *verdict = tc_json_string(r, "verdict"), *word = "FAIL", *color = color_of("violated");
    int64_t exit_code = tc_json_integer(r, "exit");
    uint64_t duration = tc_json_ns(r, "duration_ns");
    if (exit_code == 0) {
        word = "PASS";
        color = "\033[1;32m";
    } else if (exit_code == 3) {
        word = "INCONCLUSIVE";
        color = color_of("inconclusive");
    } else if (exit_code == 130) {
        word = "INTERRUPTED";
        color = color_of("inconclusive");
    } else if (strcmp(verdict, "error") == 0) {
        word = "ERROR";
    }
    paint(t, color, word, 0);
    if (exit_code == 0 && *tc_json_string(r, "partial")) {
        tc_buf_add(t->out, " of what was readable: ");
        say(t, tc_json_string(r, "partial"));
        tc_buf_add(t->out, " ");
    }
    tc_buf_add(t->out, "  ");
    tc_buf_duration(t->out, duration == TC_NEVER_NS ? 0 : duration);
    if (exit_code != 0)
        tc_buf_format(t->out, "   exit %lld", (long long)exit_code);
    if (report_path && *report_path) {
        tc_buf_add(t->out, "   report ");
        say(t, report_path);
    }
    tc_buf_add(t->out, "\n");
}

void tc_terminal_write(const json_t *result, const char *report_path, bool color, bool verbose, struct tc_buf *out)
{
    struct terminal t = {result, out, color, verbose};
    const char *verdict = tc_json_string(result, "verdict"), *sentence = tc_json_string(result, "sentence");
    const json_t *note;
    size_t i;
    bool breach = json_is_object(json_object_get(result, "first")) &&
                  (strcmp(verdict, "violated") == 0 || strcmp(verdict, "expected") == 0);
    tc_buf_add(out, "\n");
    if (breach)
        breach_block(&t);
    oracle_lines(&t);
    threshold_lines(&t);
    tc_buf_add(out, "\n");
    json_array_foreach(json_object_get(result, "notes"), i, note)
    {
        const char *text = json_string_value(note);
        labelled(&t, "note", text ? text : "");
    }
    if (breach)
        labelled(&t, "error", tc_json_string(result, "error"));
    if (!breach && tc_json_integer(result, "exit") != 0) {
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(sentence, "\n"), sentence); /* the report has the traceback */
        labelled(&t, strcmp(verdict, "error") == 0 ? "error" : "why", line);
        if (!nothing_judged(json_object_get(result, "oracles")))
            labelled(&t, "judged", tc_json_string(result, "judged"));
        repeat_lines(&t);
    }
    last_line(&t, report_path);
}
