/* A whole run directory from observations, with the real judge and metrics; limits of disk and path. */
#define _GNU_SOURCE
#include "../../oracles/judge.h"
#include "../../reports/out.h"
#include "../../reports/recorder.h"

#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static char out_dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(out_dir, sizeof out_dir, "/tmp/tc-recorder-XXXXXX");
    return mkdtemp(out_dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", out_dir);
    return system(command);
}

struct run {
    struct tc_cluster cluster;
    struct tc_keyring *keys;
    struct tc_judge *judge;
    struct tc_metrics *metrics;
    struct tc_recorder *recorder;
    struct tc_run_info info;
    struct tc_engine_stats stats;
    char dir[512];
    uint64_t id;
};

static void begin(struct run *r, const char *name)
{
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    struct tc_error err = {0};
    memset(r, 0, sizeof *r);
    r->cluster = (struct tc_cluster){.id = "test", .n = 4, .f = 1, .client_count = 1, .checkpoint_interval = 128};
    r->cluster.window = 256;
    r->cluster.view_timeout_ns = 400 * MS;
    r->cluster.view_timeout_max_ns = 8000 * MS;
    r->keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    struct tc_protocol_env env = {.cluster = &r->cluster, .keys = r->keys};
    struct tc_judge_config config = {.protocol = protocol, .env = env, .has_executions = true, .had_attack = true};
    config.expect = TC_HOLDS;
    config.expect_evidence = -1;
    r->judge = tc_judge_new(&config);
    r->metrics = tc_metrics_new(protocol, &env, 100 * MS);
    assert_non_null(r->judge);
    assert_non_null(r->metrics);
    r->info = (struct tc_run_info){.name = name, .protocol = "pbft", .world = "live", .attack = "fork", .seed = 0x5f};
    r->info.attack_summary = r->info.bug = r->info.scenario_path = r->info.attack_path = r->info.error = "";
    r->info.command = "turncoat run fork";
    r->info.repeat[0] = "turncoat run fork --seed 0x0000005f";
    r->info.repeat_count = 1;
    r->info.cluster = &r->cluster;
    if (tc_recorder_open(out_dir, name, r->info.seed, r->dir, &r->recorder, &err) != 0)
        fail_msg("%s", err.text);
}

static void end(struct run *r)
{
    tc_recorder_free(r->recorder);
    tc_judge_free(r->judge);
    tc_metrics_free(r->metrics);
    tc_keyring_free(r->keys);
}

static void feed(struct run *r, struct tc_observation o)
{
    o.id = ++r->id;
    if (!o.text)
        o.text = "";
    tc_judge_observe(r->judge, &o);
    tc_metrics_observe(r->metrics, &o);
    tc_recorder_observe(r->recorder, &o);
}

static void phase(struct run *r, uint64_t time_ns, enum tc_run_phase phase)
{
    feed(r,
         (struct tc_observation){
             .kind = TC_OBS_PHASE, .time_ns = time_ns, .node = TC_NODE_NONE, .peer = TC_NODE_NONE, .phase = {phase}});
}

static void execute(struct run *r, uint64_t time_ns, uint16_t node, uint64_t sequence, uint8_t digest)
{
    struct tc_operation operation = {.client = TC_CLIENT_FIRST, .timestamp = sequence, .fresh = true};
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .time_ns = time_ns, .node = node, .peer = TC_NODE_NONE};
    memset(operation.digest, digest, sizeof operation.digest);
    o.incarnation = 1;
    o.executed.sequence = sequence;
    o.executed.value.state = TC_VALUE_BYTES;
    memset(o.executed.value.bytes, digest, TC_VALUE_SIZE);
    o.executed.operations = &operation;
    o.executed.operation_count = 1;
    feed(r, o);
}

static void decide(struct run *r, uint64_t id, enum tc_verb verb, uint64_t sequence, const char *why)
{
    struct tc_decision d = {.id = id, .time_ns = 2000 * MS, .rule = "fork", .verb = verb, .from = 0, .to = 2, .key = 9};
    d.node = TC_NODE_NONE;
    d.bitten = true;
    d.kind = TC_KIND_PROPOSE;
    d.type = "pre-prepare";
    d.has_view = d.has_sequence = true;
    d.sequence = sequence;
    d.why = why;
    if (verb == TC_DELAY) {
        d.asked_ns = 40 * MS;
        d.measured_ns = 40 * MS + 20000;
    }
    r->stats.asked[verb]++;
    r->stats.bitten[verb]++;
    tc_recorder_decide(r->recorder, &d);
}

static int finish(struct run *r, uint64_t now_ns, struct tc_verdict_summary *summary, struct tc_error *err)
{
    r->info.duration_ns = now_ns;
    tc_judge_finish(r->judge, now_ns);
    tc_metrics_finish(r->metrics, now_ns);
    tc_judge_summary(r->judge, 0, summary);
    r->info.exit_code = summary->exit_code;
    struct tc_report_input input = {.info = &r->info, .judge = r->judge, .summary = summary, .metrics = r->metrics};
    input.stats = &r->stats;
    return tc_recorder_finish(r->recorder, &input, err);
}

/* 100 sequence numbers by four replicas; `fork`: at 41 replica 3 executes something else. */
static void play(struct run *r, bool fork)
{
    for (uint16_t node = 0; node < 4; node++)
        feed(r, (struct tc_observation){
                    .kind = TC_OBS_NODE_UP, .time_ns = 1, .node = node, .peer = TC_NODE_NONE, .incarnation = 1});
    phase(r, 100 * MS, TC_RUN_BEFORE);
    for (uint64_t sequence = 1; sequence <= 100; sequence++) {
        if (sequence == 30)
            phase(r, 1950 * MS, TC_RUN_DURING);
        if (sequence == 41) {
            decide(r, 87, TC_REPLACE, 41, "half \"and\" half\n\x1b");
            decide(r, 88, TC_DELAY, 41, "");
        }
        for (uint16_t node = 0; node < 4; node++)
            execute(r, (500 + 50 * sequence) * MS + node, node, sequence,
                    (uint8_t)(fork && sequence == 41 && node == 3 ? 0x77 : sequence));
        if (tc_judge_violations(r->judge) > 0)
            tc_recorder_mark(r->recorder, (500 + 50 * sequence) * MS);
    }
    phase(r, 5600 * MS, TC_RUN_ENDED);
}

static json_t *load(const char *dir, const char *name)
{
    char path[700];
    json_error_t where;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    json_t *json = json_load_file(path, 0, &where);
    if (!json)
        fail_msg("%s: %d: %s", path, where.line, where.text);
    return json;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

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
    assert_int_equal(check_lines(r.dir, "observations.jsonl"), 4 + 3 + 400);
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

static void a_full_disk_ends_no_run(void **state)
{
    (void)state;
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    struct rlimit old, small;
    begin(&r, "full");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096; /* every larger file fails as on a full disk */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    play(&r, true);
    int rc = finish(&r, 5600 * MS, &summary, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, TC_EIO);
    assert_non_null(strstr(err.text, "observations.jsonl"));
    assert_int_equal(summary.status, TC_VIOLATED);
    end(&r);
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
    now.view_known = false;
    assert_non_null(strstr(tc_report_progress(&now, &stats, 2, 4100 * MS, line, sizeof line), "  view ?  "));
    tc_report_progress(&now, &stats, 2, 4100 * MS, small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
}

/* Fills the disk with trace.pcap, as a capture does. */
static void fill_disk(const char *dir)
{
    static const char zeroes[4096];
    char path[600];
    snprintf(path, sizeof path, "%s/trace.pcap", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    for (int i = 0; i < 4096 && write(fd, zeroes, sizeof zeroes) > 0; i++)
        continue;
    close(fd);
}

/* Result, page and the evidence that decides are worth more than the capture; what finds no room is not named. */
static void fill_and_finish(const char *size, int code, bool all)
{
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    char path[600];
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", out_dir, "tmpfs", 0, size) < 0)
        skip(); /* needs root */
    begin(&r, "full");
    play(&r, true);
    execute(&r, 5601 * MS, 2, 101, 1); /* a second finding */
    execute(&r, 5602 * MS, 3, 101, 2);
    fill_disk(r.dir);
    assert_int_equal(finish(&r, 5600 * MS, &summary, &err), code);
    assert_non_null(strstr(err.text, "the report took the place of trace.pcap"));
    snprintf(path, sizeof path, "%s/trace.pcap", r.dir);
    assert_int_equal(access(path, F_OK), -1);
    static const char *const kept[] = {"report.html", "junit.xml"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(path, sizeof path, "%s/%s", r.dir, kept[i]);
        assert_int_equal(access(path, R_OK), 0);
    }
    json_t *result = load(r.dir, "result.json"), *oracles = json_object_get(result, "oracles"), *oracle;
    const json_t *first = json_object_get(result, "first");
    size_t i, k, left_out = 0;
    json_decref(load(r.dir, text_of(first, "file")));
    json_array_foreach(oracles, i, oracle)
    {
        json_t *files = json_object_get(oracle, "evidence"), *file;
        left_out += json_array_size(json_object_get(oracle, "findings")) - json_array_size(files);
        json_array_foreach(files, k, file) json_decref(load(r.dir, json_string_value(file)));
    }
    assert_int_equal(left_out == 0, all);
    json_decref(result);
    end(&r);
    assert_int_equal(umount2(out_dir, MNT_DETACH), 0);
}

static void on_a_full_disk_the_capture_gives_way(void **state)
{
    (void)state;
    fill_and_finish("size=4m", 0, true);
}

static void on_a_small_disk_evidence_that_does_not_decide_gives_way(void **state)
{
    (void)state;
    fill_and_finish("size=300k", TC_EIO, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fork_is_told_in_full, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(latency_is_told_in_points_of_enough_decisions, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_quiet_run_has_no_first, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(two_runs_in_one_second_are_two, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_discarded_run_leaves_no_trace, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_full_disk_ends_no_run, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(on_a_full_disk_the_capture_gives_way, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(on_a_small_disk_evidence_that_does_not_decide_gives_way, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(an_impossible_directory_is_said, make_dir, remove_dir),
        cmocka_unit_test(the_progress_line_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
