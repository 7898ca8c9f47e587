/* Any lines as what was seen beside the wire: observations.jsonl, which `turncoat check` takes from anybody, or lines
 * that a replica of somebody else's prints. Through reader, engine, every oracle and the metrics. The first byte
 * chooses the protocol and which of the two they are. */
#include "../../oracles/judge.h"
#include "../../oracles/metrics.h"
#include "../../proxy/capture_world.h"
#include "../../reference/lines.h"
#include "../../reports/record_parse.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_NS UINT64_C(100000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bench {
    const struct tc_protocol *protocol;
    struct tc_engine *engine;
    struct tc_judge *judge;
    struct tc_metrics *metrics;
    struct tc_capture_world *world;
    struct tc_arena arena;
    bool printed; /* the lines are a replica's own */
};

static void observe(void *self, const struct tc_observation *observation)
{
    struct bench *b = self;
    tc_judge_observe(b->judge, observation);
    tc_metrics_observe(b->metrics, observation);
}

static void tell_printed(struct bench *b, struct tc_slice line)
{
    struct tc_observation o;
    struct tc_error err = {0};
    if (tc_line_parse(line, &b->arena, &o, &err) < 0)
        return;
    o.time_ns = tc_capture_world_now_ns(b->world);
    if (o.node < TC_CLIENT_FIRST || o.node >= TC_NODES_MAX) /* whose log it is, is known */
        o.node = 1;
    if (!o.text)
        o.text = "";
    (void)tc_capture_world_observe(b->world, &o);
}

static void tell_recorded(struct bench *b, struct tc_slice text)
{
    struct tc_observation o;
    json_error_t why;
    json_t *line = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
    if (tc_record_parse(line, &b->arena, &o))
        (void)tc_capture_world_observe(b->world, &o);
    json_decref(line);
}

static void tell_lines(struct bench *b, struct tc_slice rest)
{
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        const struct tc_slice line = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
        tc_arena_reset(&b->arena);
        if (b->printed)
            tell_printed(b, line);
        else
            tell_recorded(b, line);
        const size_t used = line.len + (end != NULL);
        rest = (struct tc_slice){rest.data + used, rest.len - used};
    }
}

static bool open_bench(struct bench *b, const struct tc_protocol_env *env)
{
    const struct tc_engine_config engine_config = {.protocol = b->protocol, .env = *env, .observe = true};
    const struct tc_judge_config judge_config = {.protocol = b->protocol,
                                                 .env = *env,
                                                 .has_executions = true,
                                                 .has_client_history = true,
                                                 .has_messages = true,
                                                 .links_complete = true};
    tc_arena_init(&b->arena, (size_t)8 << 20);
    b->engine = tc_engine_new(&engine_config);
    b->judge = tc_judge_new(&judge_config);
    b->metrics = tc_metrics_new(b->protocol, env, BUCKET_NS);
    const struct tc_capture_world_config world_config = {.engine = b->engine, .sink = {.self = b, .observe = observe}};
    b->world = b->engine && b->judge && b->metrics ? tc_capture_world_new(&world_config) : NULL;
    return b->world != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tc_keyring *keys;
    static struct tc_cluster cluster = {.n = 4, .f = 1, .client_count = 2};
    static const char *const names[] = {"pbft", "hotstuff", "chained-hotstuff", "cometbft"};
    struct tc_verdict_summary summary;
    if (!keys) {
        keys = tc_keyring_new(TC_SCHEME_ED25519);
        tc_cluster_defaults(&cluster);
    }
    if (size < 2 || size > 1 << 16)
        return 0;
    struct bench b = {.protocol = tc_protocol_find(names[data[0] % 4]), .printed = data[0] & 0x80};
    const struct tc_protocol_env env = {.cluster = &cluster, .keys = keys};
    if (keys && b.protocol && open_bench(&b, &env)) {
        tell_lines(&b, (struct tc_slice){data + 1, size - 1});
        (void)tc_capture_world_stop(b.world);
        tc_judge_finish(b.judge, tc_capture_world_now_ns(b.world));
        tc_metrics_finish(b.metrics, tc_capture_world_now_ns(b.world));
        tc_judge_summary(b.judge, 0, &summary);
    }
    tc_capture_world_free(b.world);
    tc_metrics_free(b.metrics);
    tc_judge_free(b.judge);
    tc_engine_free(b.engine);
    tc_arena_free(&b.arena);
    return 0;
}
