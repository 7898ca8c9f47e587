/* Any bytes as a capture, through all that `turncoat check` does with it: reader, capture world, engine, every oracle.
 * The first byte chooses the protocol and whether the traitors are known. */
#define _GNU_SOURCE
#include "../../oracles/judge.h"
#include "../../proxy/capture_world.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void observe(void *self, const struct tc_observation *observation)
{
    tc_judge_observe(self, observation);
}

/* Replica i listens on 127.0.0.1:7000+i, turncoat for it on 127.(64+from).i.1 and 127.192.i.1. */
static size_t add_places(struct tc_capture_place *places)
{
    size_t count = 0;
    for (uint16_t to = 0; to < 4; to++) {
        places[count] = (struct tc_capture_place){.port = (uint16_t)(7000 + to), .from = TC_NODE_NONE, .to = to};
        tc_capture_map_ipv4(0x7f000001u, places[count++].ip);
        for (uint16_t from = 0; from < 5; from++) {
            uint32_t second = from < 4 ? 64u + from : 192u;
            places[count] =
                (struct tc_capture_place){.from = from < 4 ? from : TC_NODE_NONE, .to = to, .is_proxy = true};
            tc_capture_map_ipv4(127u << 24 | second << 16 | (uint32_t)to << 8 | 1u, places[count++].ip);
        }
    }
    return count;
}

static void check(const struct tc_protocol *protocol, const struct tc_protocol_env *env, FILE *file, bool known)
{
    struct tc_capture_place places[24];
    struct tc_capture_counts counts;
    struct tc_error err = {0};
    const struct tc_engine_config engine_config = {.protocol = protocol, .env = *env, .observe = true};
    const struct tc_judge_config judge_config = {
        .protocol = protocol, .env = *env, .has_messages = true, .links_complete = true, .faults_unknown = !known};
    struct tc_engine *engine = tc_engine_new(&engine_config);
    struct tc_judge *judge = tc_judge_new(&judge_config);
    const struct tc_capture_world_config world_config = {.engine = engine,
                                                         .sink = {.self = judge, .observe = observe},
                                                         .places = places,
                                                         .place_count = add_places(places)};
    struct tc_capture_world *world = tc_capture_world_new(&world_config);
    if (engine && judge && world) {
        struct tc_verdict_summary summary;
        uint16_t a, b;
        tc_capture_read_file(file, "fuzz", tc_capture_world_take, world, &counts, &err);
        tc_capture_world_stop(world);
        if (tc_capture_world_unseen(world, 4, &a, &b))
            tc_judge_links_hidden(judge, "unseen");
        tc_judge_finish(judge, tc_capture_world_now_ns(world));
        tc_judge_summary(judge, 0, &summary);
    } else {
        fclose(file);
    }
    tc_capture_world_free(world);
    tc_judge_free(judge);
    tc_engine_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tc_keyring *keys;
    static struct tc_cluster cluster = {.n = 4, .f = 1, .client_count = 1};
    static const char *const names[] = {"pbft", "hotstuff", "chained-hotstuff"};
    if (!keys) {
        keys = tc_keyring_new(TC_SCHEME_ED25519);
        tc_cluster_defaults(&cluster);
    }
    if (size < 2 || size > 1 << 16)
        return 0;
    const struct tc_protocol *protocol = tc_protocol_find(names[data[0] % 3]);
    const struct tc_protocol_env env = {.cluster = &cluster, .keys = keys};
    FILE *file = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "rb");
    if (file && keys && protocol)
        check(protocol, &env, file, data[0] & 0x80);
    return 0;
}
