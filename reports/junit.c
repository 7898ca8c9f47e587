/* junit.xml: a suite a scenario, a case an oracle. Names are stable and free of seeds; the text of a failure carries
 * the message, the seed and the lines that repeat it, since readers show different parts of it. */
#include "render.h"

#include <string.h>

struct junit {
    struct tc_buf cases;
    unsigned tests, failures, errors, skipped;
    const json_t *result;
};

static void attribute(struct tc_buf *t, const char *name, const char *value)
{
    tc_buf_format(t, " %s=\"", name);
    /* A line end in an attribute would be read as a space: it is one from the start. */
    for (const char *at = value; *at;) {
        size_t len = strcspn(at, "\t\n");
        tc_buf_escape_bytes(t, TC_ESCAPE_MARKUP, at, len);
        at += len;
        if (*at) {
            tc_buf_add(t, " ");
            at++;
        }
    }
    tc_buf_add(t, "\"");
}

static void line(struct tc_buf *t, const char *label, const char *text)
{
    if (!*text)
        return;
    tc_buf_add(t, label);
    tc_buf_escape(t, TC_ESCAPE_MARKUP, text);
    tc_buf_add(t, "\n");
}

static void open_case(struct junit *j, const char *name, double seconds)
{
    j->tests++;
    tc_buf_add(&j->cases, "    <testcase");
    attribute(&j->cases, "classname", tc_json_string(j->result, "name"));
    attribute(&j->cases, "name", name);
    const char *file = tc_json_string(j->result, "scenario_path");
    if (*file)
        attribute(&j->cases, "file", file);
    tc_buf_format(&j->cases, " time=\"%.3f\"", seconds);
}

static void repeat_lines(struct junit *j)
{
    const json_t *repeat;
    size_t i;
    line(&j->cases, "seed: ", tc_json_string(j->result, "seed"));
    json_array_foreach(json_object_get(j->result, "repeat"), i, repeat)
    {
        const char *text = json_string_value(repeat);
        line(&j->cases, "repeat: ", text ? text : "");
    }
}

static void failure(struct junit *j, const char *tag, const char *type, const char *message, const json_t *finding)
{
    tc_buf_format(&j->cases, ">\n      <%s", tag);
    attribute(&j->cases, "type", type);
    attribute(&j->cases, "message", message);
    tc_buf_add(&j->cases, ">");
    line(&j->cases, "", message);
    line(&j->cases, "because ", tc_json_string(finding, "because"));
    line(&j->cases, "evidence: ", tc_json_string(finding, "file"));
    line(&j->cases, "first bad decision ",
         finding ? tc_json_string(json_object_get(j->result, "first_bad_decision"), "text") : "");
    repeat_lines(j);
    tc_buf_format(&j->cases, "</%s>\n    </testcase>\n", tag);
}

static void skipped(struct junit *j, const char *reason)
{
    j->skipped++;
    tc_buf_add(&j->cases, ">\n      <skipped");
    attribute(&j->cases, "message", reason);
    tc_buf_add(&j->cases, ">");
    tc_buf_escape(&j->cases, TC_ESCAPE_MARKUP, reason);
    tc_buf_add(&j->cases, "</skipped>\n    </testcase>\n");
}

static void oracle_case(struct junit *j, const json_t *oracle)
{
    const char *status = tc_json_string(oracle, "status"), *reason = tc_json_string(oracle, "reason");
    open_case(j, tc_json_string(oracle, "name"), 0);
    if (strcmp(status, "violated") == 0 && !tc_json_true(j->result, "as_expected")) {
        const json_t *finding = json_array_get(json_object_get(oracle, "findings"), 0);
        const char *text = tc_json_string(finding, "text");
        j->failures++;
        failure(j, "failure", "violated", *text ? text : *reason ? reason : "violated", finding);
    } else if (strcmp(status, "not judged") == 0 || strcmp(status, "inconclusive") == 0) {
        struct tc_buf why = {0};
        tc_buf_format(&why, "%s%s%s", status, *reason ? ": " : "", reason);
        skipped(j, tc_buf_get(&why));
        tc_buf_free(&why);
    } else {
        tc_buf_add(&j->cases, "/>\n");
    }
}

static void threshold_case(struct junit *j, const json_t *threshold)
{
    struct tc_buf name = {0}, message = {0};
    tc_buf_format(&name, "threshold %s %s", tc_json_string(threshold, "metric"),
                  tc_json_string(threshold, "condition"));
    open_case(j, tc_buf_get(&name), 0);
    if (tc_json_true(threshold, "met")) {
        tc_buf_add(&j->cases, "/>\n");
    } else {
        tc_buf_format(&message, "%s: %s", tc_buf_get(&name), tc_json_has(threshold, "value") ? "measured " : "");
        tc_json_threshold_value(threshold, &message);
        j->failures++;
        failure(j, "failure", "threshold", tc_buf_get(&message), NULL);
    }
    tc_buf_free(&name);
    tc_buf_free(&message);
}

/* The run as a whole: an error, or an outcome that no single oracle shows (the fault never bit, a breach that was
 * expected did not come). */
static void outcome_case(struct junit *j, double seconds)
{
    const json_t *r = j->result;
    const char *verdict = tc_json_string(r, "verdict"), *sentence = tc_json_string(r, "sentence");
    int64_t exit_code = tc_json_integer(r, "exit");
    open_case(j, "outcome", seconds);
    if (strcmp(verdict, "error") == 0) {
        j->errors++;
        failure(j, "error", "error", *sentence ? sentence : "the run ended by an error", NULL);
    } else if (exit_code == 3) {
        skipped(j, *sentence ? sentence : "inconclusive");
    } else if (exit_code != 0) {
        struct tc_buf message = {0};
        const json_t *first = json_object_get(r, "first");
        tc_buf_add(&message, *sentence ? sentence : verdict);
        if (strcmp(verdict, "violated") == 0 && json_is_object(first))
            tc_buf_format(&message, " (the run as a whole: the same violation stands as the case %s)",
                          tc_json_string(first, "oracle"));
        j->failures++;
        failure(j, "failure", tc_json_beyond(r) ? "beyond f" : verdict, tc_buf_get(&message), first);
        tc_buf_free(&message);
    } else {
        tc_buf_add(&j->cases, "/>\n");
    }
}

static void properties(const json_t *r, struct tc_buf *out)
{
    static const char *const names[] = {"version", "protocol", "world", "attack", "bug", "seed", "verdict"};
    tc_buf_add(out, "    <properties>\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = tc_json_string(r, names[i]);
        if (!*value)
            continue;
        tc_buf_format(out, "      <property name=\"%s\"", names[i]);
        attribute(out, "value", value);
        tc_buf_add(out, "/>\n");
    }
    tc_buf_add(out, "    </properties>\n");
}

void tc_junit_write(const json_t *result, const char *dir, struct tc_buf *out)
{
    struct junit j = {.result = result};
    const json_t *item;
    size_t i;
    uint64_t duration = tc_json_ns(result, "duration_ns");
    double seconds = duration == TC_NEVER_NS ? 0 : (double)duration / 1e9;
    outcome_case(&j, seconds);
    json_array_foreach(json_object_get(result, "oracles"), i, item) oracle_case(&j, item);
    json_array_foreach(json_object_get(result, "thresholds"), i, item) threshold_case(&j, item);
    struct tc_buf counts = {0};
    tc_buf_format(&counts, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\"", j.tests,
                  j.failures, j.errors, j.skipped, seconds);
    tc_buf_format(out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"turncoat\"%s>\n  "
                  "<testsuite",
                  tc_buf_get(&counts));
    attribute(out, "name", tc_json_string(result, "name"));
    tc_buf_add(out, tc_buf_get(&counts));
    const char *started = tc_json_string(json_object_get(result, "environment"), "started");
    if (*started)
        attribute(out, "timestamp", started);
    tc_buf_add(out, ">\n");
    properties(result, out);
    tc_buf_add(out, tc_buf_get(&j.cases));
    tc_buf_add(out, "    <system-out>[[ATTACHMENT|");
    tc_buf_escape(out, TC_ESCAPE_MARKUP, dir);
    tc_buf_add(out, "/report.html]]</system-out>\n  </testsuite>\n</testsuites>\n");
    out->failed |= counts.failed || j.cases.failed;
    tc_buf_free(&counts);
    tc_buf_free(&j.cases);
}
