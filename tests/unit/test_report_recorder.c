/* A whole run directory from observations, with the real judge and metrics; where it may lie and what it is called. */
#define _GNU_SOURCE
#include "recorder_fixture.h"

#include <unistd.h>

/* Each line of a .jsonl file is a JSON object; their number. */
static unsigned check_lines(const char *dir, const char *name)
{
    struct tc_buf t = {0};
    unsigned lines = 0;
    assert_int_equal(tc_out_read(dir, name, 1 << 24, &t, NULL), 0);
    for (char *line = strtok(t.data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(object));
        json_decref(object);
        lines++;
    }
    tc_buf_free(&t);
    return lines;
}

static void a_fork_is_told_in_full(void **state)
{
    (void)state;
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    begin(&r, "fork");
    play(&r, true);
    assert_int_equal(finish(&r, 5600 * MS, &summary, &err), 0);
    json_t *result = load(r.dir, "result.json"), *first = json_object_get(result, "first");
    assert_string_equal(text_of(result, "verdict"), "violated");
    assert_int_equal(json_integer_value(json_object_get(result, "exit")), 1);
    assert_string_equal(text_of(result, "seed"), "0x0000005f");
    assert_int_equal(json_integer_value(json_object_get(first, "sequence")), 41);
    assert_string_equal(text_of(json_object_get(result, "first_bad_decision"), "text"),
                        "#87: replace pre-prepare 0→2 view 0 sequence 41");
    json_t *faults = json_object_get(result, "faults"), *verbs = json_object_get(faults, "by_verb");
    assert_int_equal(json_integer_value(json_object_get(faults, "bitten")), 2);
    json_t *delay = json_object_get(json_object_get(verbs, "delay"), "delay");
    assert_true(json_integer_value(json_object_get(delay, "measured_p50_ns")) >= (json_int_t)(39 * MS));
    json_t *evidence = load(r.dir, text_of(first, "file"));
    assert_string_equal(text_of(evidence, "text"), text_of(first, "text"));
    json_decref(evidence);
    assert_int_equal(check_lines(r.dir, "decisions.jsonl"), 2);
    json_t *signers = json_object_get(result, "signed_for");
    assert_true(json_is_array(signers));
    assert_int_equal(check_lines(r.dir, "observations.jsonl"), 4 + 3 + 400 + 1 /* the end */);
    json_t *cost = json_object_get(result, "cost");
    assert_int_equal(json_integer_value(json_object_get(cost, "messages_per_decision")), 24);
    json_decref(result);

    struct tc_report_input input = {.info = &r.info, .judge = r.judge, .summary = &summary, .metrics = r.metrics};
    char report[600], missing[600];
    input.stats = &r.stats;
    input.recorder = r.recorder;
    snprintf(report, sizeof report, "%s/report.html", r.dir);
    assert_int_equal(access(report, R_OK), 0);
    char *terminal = tc_report_terminal(&input, report, false, false);
    assert_non_null(strstr(terminal, "VIOLATED"));
    assert_non_null(strstr(terminal, "first bad  #87"));
    assert_non_null(strstr(terminal, "repeat     turncoat run fork --seed 0x0000005f"));
    free(terminal);
    /* With a full disk there is no result.json: the verdict is still printed, and no path of what is not there. */
    snprintf(missing, sizeof missing, "%s/none/report.html", r.dir);
    terminal = tc_report_terminal(&input, missing, false, false);
    assert_non_null(strstr(terminal, "VIOLATED"));
    assert_non_null(strstr(terminal, "first bad  #87"));
    assert_null(strstr(terminal, "report.html"));
    free(terminal);
    input.recorder = NULL;
    terminal = tc_report_terminal(&input, missing, false, false);
    assert_non_null(strstr(terminal, "VIOLATED"));
    free(terminal);
    assert_int_equal(tc_report_render(r.dir, &err), 0);
    end(&r);
}

/* A proposal at time_ns that takes latency_ns until f+1 replicas have executed it. */
static void decide_slot(struct run *r, uint64_t time_ns, uint64_t sequence, uint64_t latency_ns)
{
    struct tc_statement s = {.kind = TC_KIND_PROPOSE, .has_view = true, .has_sequence = true, .sequence = sequence};
    s.value.state = TC_VALUE_BYTES;
    s.parent = 0xffff;
    struct tc_message m = {.from = 0, .to = 1, .decoded = true, .type = "pre-prepare", .statements = &s};
    m.statement_count = 1;
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .time_ns = time_ns, .node = 0, .peer = 1};
    o.message.message = &m;
    o.message.said = o.message.heard = true;
    tc_metrics_observe(r->metrics, &o);
    for (uint16_t node = 0; node < 2; node++) {
        o = (struct tc_observation){.kind = TC_OBS_EXECUTED, .time_ns = time_ns + latency_ns, .node = node};
        o.incarnation = 1;
        o.executed.sequence = sequence;
        o.executed.value.state = TC_VALUE_BYTES;
        tc_metrics_observe(r->metrics, &o);
    }
}

/* 300 decisions in 3 s, one of ten late: a point stands for 100 of them, and p50, p95 and max are three lines. */
static void latency_is_told_in_points_of_enough_decisions(void **state)
{
    (void)state;
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    struct tc_buf table = {0};
    unsigned rows = 0, decisions = 0;
    begin(&r, "latency");
    for (uint64_t i = 0; i < 300; i++)
        decide_slot(&r, i * 10 * MS, i + 1, i % 100 == 50 ? 9 * MS : i % 10 == 3 ? 4 * MS : 1 * MS);
    assert_int_equal(finish(&r, 3000 * MS, &summary, &err), 0);
    assert_int_equal(tc_out_read(r.dir, "plots/latency.tsv", 1 << 20, &table, &err), 0);
    for (const char *line = strchr(tc_buf_get(&table), '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        double at, p50, p95, p99, max;
        unsigned count;
        assert_int_equal(sscanf(line + 1, "%lf\t%lf\t%lf\t%lf\t%lf\t%u", &at, &p50, &p95, &p99, &max, &count), 6);
        assert_true(p50 < 2 && p50 < p95 && p95 < 6 && p95 < max && max > 8);
        decisions += count;
        rows++;
    }
    assert_int_equal(rows, 3);
    assert_int_equal(decisions, 300);
    tc_buf_free(&table);
    end(&r);
}

static void a_quiet_run_has_no_first(void **state)
{
    (void)state;
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    char latest[600], target[256];
    begin(&r, "../quiet run");
    play(&r, false);
    assert_int_equal(finish(&r, 5600 * MS, &summary, &err), 0);
    json_t *result = load(r.dir, "result.json");
    assert_true(json_is_null(json_object_get(result, "first")));
    assert_string_not_equal(text_of(result, "verdict"), "violated");
    assert_true(json_array_size(json_object_get(result, "oracles")) > 5);
    json_decref(result);
    /* The name could not leave the directory, and `latest` leads to the run. */
    snprintf(latest, sizeof latest, "%s/-.-quiet-run/latest", out_dir);
    ssize_t len = readlink(latest, target, sizeof target - 1);
    assert_true(len > 0);
    target[len] = '\0';
    assert_string_equal(strrchr(r.dir, '/') + 1, target);
    end(&r);
}

static void two_runs_in_one_second_are_two(void **state)
{
    (void)state;
    struct tc_recorder *one = NULL, *two = NULL;
    char first[512], second[512];
    assert_int_equal(tc_recorder_open(out_dir, "twice", 7, first, &one, NULL), 0);
    assert_int_equal(tc_recorder_open(out_dir, "twice", 7, second, &two, NULL), 0);
    assert_string_not_equal(first, second);
    tc_recorder_free(one);
    tc_recorder_free(two);
}

/* Of runs that never began nothing stays, and what was there before does. */
static void a_discarded_run_leaves_no_trace(void **state)
{
    (void)state;
    struct tc_recorder *one = NULL, *two = NULL;
    char first[512], second[512], latest[600], target[512], parent[600];
    snprintf(parent, sizeof parent, "%s/idle", out_dir);
    snprintf(latest, sizeof latest, "%s/latest", parent);
    assert_int_equal(tc_recorder_open(out_dir, "idle", 7, first, &one, NULL), 0);
    tc_recorder_discard(one);
    assert_int_equal(access(parent, F_OK), -1);
    tc_recorder_free(one);

    assert_int_equal(tc_recorder_open(out_dir, "idle", 7, first, &one, NULL), 0);
    assert_int_equal(tc_recorder_open(out_dir, "idle", 8, second, &two, NULL), 0);
    tc_recorder_discard(two);
    assert_int_equal(access(second, F_OK), -1);
    assert_int_equal(access(first, F_OK), 0);
    ssize_t len = readlink(latest, target, sizeof target - 1);
    assert_true(len > 0);
    target[len] = '\0';
    assert_string_equal(strrchr(first, '/') + 1, target);
    tc_recorder_free(one);
    tc_recorder_free(two);
}

static void an_impossible_directory_is_said(void **state)
{
    (void)state;
    struct tc_recorder *recorder = NULL;
    struct tc_error err = {0};
    char path[512], file[96];
    struct tc_buf empty = {0};
    assert_int_equal(tc_out_file(out_dir, "file", &empty, NULL), 0);
    snprintf(file, sizeof file, "%s/file", out_dir);
    assert_int_equal(tc_recorder_open(file, "x", 1, path, &recorder, &err), TC_EUSAGE);
    assert_null(recorder);
    assert_non_null(strstr(err.text, file));
}

static void the_progress_line_is_one_line(void **state)
{
    (void)state;
    struct tc_metrics_now now = {.phase = TC_RUN_DURING, .phase_begin_ns = 1000 * MS, .decisions_per_s = 1204.4};
    struct tc_engine_stats stats = {0};
    char line[256], small[12];
    now.latency_p99_ns = 9800000;
    now.view = 1;
    now.view_known = true;
    stats.bitten[TC_REPLACE] = 422;
    assert_string_equal(tc_report_progress(&now, &stats, 0, 4100 * MS, line, sizeof line),
                        "during   3.1 s  1,204 decisions/s  p99 9.8 ms  view 1  422 faults bitten  oracles hold");
    tc_report_progress(&now, &stats, 2, 4100 * MS, line, sizeof line);
    assert_non_null(strstr(line, "2 violations"));
    stats.messages = 62000;
    now.phase = TC_RUN_ENDED; /* watching: no phases, nobody attacks */
    assert_string_equal(
        tc_report_progress(&now, &stats, 0, 4100 * MS, line, sizeof line),
        "         3.1 s  1,204 decisions/s  p99 9.8 ms  view 1  62,000 messages, 20,000/s  oracles hold");
    now.phase = TC_RUN_DURING;
    now.view_known = false;
    assert_non_null(strstr(tc_report_progress(&now, &stats, 2, 4100 * MS, line, sizeof line), "  view ?  "));
    tc_report_progress(&now, &stats, 2, 4100 * MS, small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fork_is_told_in_full, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(latency_is_told_in_points_of_enough_decisions, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_quiet_run_has_no_first, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(two_runs_in_one_second_are_two, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_discarded_run_leaves_no_trace, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(an_impossible_directory_is_said, make_dir, remove_dir),
        cmocka_unit_test(the_progress_line_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
