/* Any text as an attack: it is refused, or it loads and answers calls within its budget. What it answers is within the
 * bounds of a plan. */
#define _GNU_SOURCE
#include "../../injectors/plan.h"
#include "../../lua/script.h"

#include <pbft.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tc_cluster cluster = {
    .id = "fuzz", .n = 4, .f = 1, .client_count = 1, .view_timeout_ns = 500000000};

static void require(bool truth)
{
    if (!truth)
        abort();
}

static struct tc_keyring *all_keys(void)
{
    struct tc_keyring *keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    require(keys != NULL);
    for (uint16_t node = 0; node < cluster.n; node++) {
        uint8_t seed[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(7, node, seed);
        require(tc_keyring_add_secret(keys, node, seed) == 0);
    }
    return keys;
}

/* A pre-prepare, a prepare or a commit of the leader. */
static struct tc_message *make(const struct tc_protocol_env *env, const char *type, struct tc_arena *arena)
{
    static uint8_t digest[32] = {1};
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    struct tc_message *built = tc_arena_zalloc(arena, sizeof *built), *m = tc_arena_zalloc(arena, sizeof *m);
    require(built && m && protocol->build(type, arena, built) == 0);
    Pbft__PrePrepare *body = built->statements[0].fields.base; /* Prepare and Commit are laid out alike */
    body->sequence = 3;
    body->digest.data = digest;
    body->digest.len = sizeof digest;
    require(protocol->sign(env, built, 0, arena, m) == 0);
    m->to = 1;
    tc_message_set_key(m);
    return m;
}

static int ask(struct tc_script *script, struct tc_call call, struct tc_ledger *ledger)
{
    static struct tc_plan plan;
    struct tc_arena arena;
    struct tc_error err = {0};
    const struct tc_handler *handler = tc_script_handler(script);
    tc_arena_init(&arena, (size_t)16 << 20);
    memset(&plan, 0, sizeof plan);
    plan.arena = &arena;
    call.traitors = &ledger->traitors;
    int rc = handler->call(handler->self, &call, &plan, &err);
    require(rc == 0 || err.text[0]);
    require(plan.op_count <= TC_PLAN_OPS_MAX && plan.verdict.frame_count <= TC_PLAN_FRAMES_MAX);
    if (rc == 0 && call.kind == TC_CALL_BEGIN)
        rc = tc_ledger_freeze(ledger, &plan.traitors, &err);
    tc_arena_free(&arena);
    return rc;
}

static void play(struct tc_script *script, const struct tc_protocol_env *env, struct tc_ledger *ledger)
{
    static const char *const types[] = {"pre-prepare", "prepare", "commit", "prepare"};
    struct tc_arena arena;
    tc_arena_init(&arena, (size_t)16 << 20);
    int rc = ask(script, (struct tc_call){.kind = TC_CALL_BEGIN}, ledger);
    for (size_t i = 0; i < 4 && rc == 0; i++)
        rc = ask(script, (struct tc_call){.kind = TC_CALL_MESSAGE, .now_ns = i, .message = make(env, types[i], &arena)},
                 ledger);
    if (rc == 0)
        ask(script, (struct tc_call){.kind = TC_CALL_END, .now_ns = 9}, ledger);
    tc_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_keyring *keys = all_keys();
    const struct tc_protocol_env env = {.cluster = &cluster, .keys = keys};
    const struct tc_script_config config = {.path = path,
                                            .lua_dir = TC_SOURCE_LUA_DIR,
                                            .protocol = tc_protocol_find("pbft"),
                                            .env = env,
                                            .ledger = &ledger,
                                            .steps_max = 200000,
                                            .memory_max = (size_t)8 << 20};
    struct tc_script *script = NULL;
    struct tc_error err = {0};
    int rc = tc_script_load(&config, &script, &err);
    require(rc == 0 ? script != NULL : err.text[0] != '\0');
    if (rc == 0)
        play(script, &env, &ledger);
    tc_script_free(script);
    tc_keyring_free(keys);
    close(fd);
    return 0;
}
