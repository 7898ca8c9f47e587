/* What the tests of the recorder share: a run of PBFT in observations, with the real judge and metrics, written into a
 * directory of its own. */
#ifndef TC_TEST_RECORDER_FIXTURE_H
#define TC_TEST_RECORDER_FIXTURE_H

#include "../../oracles/judge.h"
#include "../../reports/out.h"
#include "../../reports/recorder.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static char out_dir[64];

static inline int make_dir(void **state)
{
    (void)state;
    snprintf(out_dir, sizeof out_dir, "/tmp/tc-recorder-XXXXXX");
    return mkdtemp(out_dir) ? 0 : -1;
}

static inline int remove_dir(void **state)
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

static inline void begin(struct run *r, const char *name)
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

static inline void end(struct run *r)
{
    tc_recorder_free(r->recorder);
    tc_judge_free(r->judge);
    tc_metrics_free(r->metrics);
    tc_keyring_free(r->keys);
}

static inline void feed(struct run *r, struct tc_observation o)
{
    o.id = ++r->id;
    if (!o.text)
        o.text = "";
    tc_judge_observe(r->judge, &o);
    tc_metrics_observe(r->metrics, &o);
    tc_recorder_observe(r->recorder, &o);
}

static inline void phase(struct run *r, uint64_t time_ns, enum tc_run_phase phase)
{
    feed(r,
         (struct tc_observation){
             .kind = TC_OBS_PHASE, .time_ns = time_ns, .node = TC_NODE_NONE, .peer = TC_NODE_NONE, .phase = {phase}});
}

static inline void execute(struct run *r, uint64_t time_ns, uint16_t node, uint64_t sequence, uint8_t digest)
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

static inline void decide(struct run *r, uint64_t id, enum tc_verb verb, uint64_t sequence, const char *why)
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

static inline int finish(struct run *r, uint64_t now_ns, struct tc_verdict_summary *summary, struct tc_error *err)
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
static inline void play(struct run *r, bool fork)
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

static inline json_t *load(const char *dir, const char *name)
{
    char path[700];
    json_error_t where;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    json_t *json = json_load_file(path, 0, &where);
    if (!json)
        fail_msg("%s: %d: %s", path, where.line, where.text);
    return json;
}

static inline const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

#endif
