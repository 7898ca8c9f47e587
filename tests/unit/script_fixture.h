/* What the tests of scripts share: a cluster of four PBFT replicas with all keys, scripts from text, messages as
 * replicas would say them, and calls into a handler as the engine makes them. */
#ifndef TC_SCRIPT_FIXTURE_H
#define TC_SCRIPT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lua/scenario.h"
#include "../../proxy/nodeset.h"
#include <pbft.pb-c.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct tc_cluster cluster;
    struct tc_keyring *keys;
    struct tc_ledger ledger;
    struct tc_script *script;
    struct tc_arena messages; /* of the messages made */
    struct tc_arena answers;  /* of the plan */
    struct tc_plan *plan;
    struct tc_error err;
    uint64_t now_ns, view, seed;
    uint64_t steps_max;
    size_t memory_max;
    const char *args[8];
    size_t arg_count;
    char path[64];
};

static inline struct world *world_new(uint32_t n)
{
    assert_true(sodium_init() >= 0);
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->plan = calloc(1, sizeof *w->plan);
    w->cluster = (struct tc_cluster){.n = n,
                                     .f = (n - 1) / 3,
                                     .client_count = 4,
                                     .checkpoint_interval = 128,
                                     .window = 256,
                                     .batch_max = 64,
                                     .pipeline_max = 16,
                                     .view_timeout_ns = 500000000,
                                     .view_timeout_max_ns = 8000000000};
    snprintf(w->cluster.id, sizeof w->cluster.id, "test");
    w->keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    for (uint32_t node = 0; node < TC_CLIENT_FIRST + 4; node++) {
        uint8_t seed[TC_SECRET_SEED_SIZE];
        if (node >= n && node < TC_CLIENT_FIRST)
            continue;
        tc_keyring_derive_seed(7, node, seed);
        assert_int_equal(tc_keyring_add_secret(w->keys, node, seed), 0);
    }
    w->ledger.traitors_max = n;
    w->seed = 0x5f3a91c2;
    tc_arena_init(&w->messages, (size_t)64 << 20);
    tc_arena_init(&w->answers, (size_t)64 << 20);
    return w;
}

static inline void world_free(struct world *w)
{
    tc_script_free(w->script);
    tc_keyring_free(w->keys);
    tc_arena_free(&w->messages);
    tc_arena_free(&w->answers);
    if (w->path[0])
        unlink(w->path);
    free(w->plan);
    free(w);
}

static inline struct tc_protocol_env world_env(struct world *w)
{
    return (struct tc_protocol_env){.cluster = &w->cluster, .keys = w->keys};
}

static inline int world_load(struct world *w, const char *path)
{
    tc_script_free(w->script);
    w->script = NULL;
    w->err = (struct tc_error){0};
    struct tc_script_config config = {.path = path,
                                      .lua_dir = TC_SOURCE_LUA_DIR,
                                      .protocol = tc_protocol_find("pbft"),
                                      .env = world_env(w),
                                      .ledger = &w->ledger,
                                      .seed = w->seed,
                                      .args = w->args,
                                      .arg_count = w->arg_count,
                                      .steps_max = w->steps_max,
                                      .memory_max = w->memory_max};
    return tc_script_load(&config, &w->script, &w->err);
}

static inline void write_file(char path[static 64], const char *text)
{
    snprintf(path, 64, "/tmp/tc-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline int world_text(struct world *w, const char *text)
{
    if (w->path[0])
        unlink(w->path);
    write_file(w->path, text);
    return world_load(w, w->path);
}

static inline int world_attack(struct world *w, const char *name)
{
    char path[512];
    assert_int_equal(tc_script_find(TC_SOURCE_LUA_DIR, "attacks", name, path, &w->err), 0);
    int rc = world_load(w, path);
    if (rc)
        print_error("%s\n", w->err.text);
    return rc;
}

/* One call; the plan is empty before it, as the engine has it. */
static inline int world_call(struct world *w, struct tc_call call)
{
    tc_arena_reset(&w->answers);
    memset(w->plan, 0, sizeof *w->plan);
    w->plan->arena = &w->answers;
    w->err = (struct tc_error){0};
    call.now_ns = w->now_ns;
    call.view = w->view;
    call.traitors = &w->ledger.traitors;
    const struct tc_handler *handler = tc_script_handler(w->script);
    return handler->call(handler->self, &call, w->plan, &w->err);
}

static inline int world_begin(struct world *w)
{
    return world_call(w, (struct tc_call){.kind = TC_CALL_BEGIN});
}

static inline int world_message(struct world *w, const struct tc_message *m)
{
    return world_call(w, (struct tc_call){.kind = TC_CALL_MESSAGE, .message = m});
}

/* A message of `type` signed by `signer` as it would travel from → to. `fill` changes its body (may be NULL). */
static inline struct tc_message *make(struct world *w, const char *type, uint16_t signer, uint16_t from, uint16_t to,
                                      void (*fill)(void *body, void *self), void *self)
{
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    struct tc_protocol_env env = world_env(w);
    struct tc_message *built = tc_arena_zalloc(&w->messages, sizeof *built);
    struct tc_message *m = tc_arena_zalloc(&w->messages, sizeof *m);
    assert_int_equal(protocol->build(type, &w->messages, built), 0);
    if (fill)
        fill(built->statements[0].fields.base, self);
    assert_int_equal(protocol->sign(&env, built, signer, &w->messages, m), 0);
    m->from = from;
    m->to = to;
    tc_message_set_key(m);
    return m;
}

struct slot {
    uint64_t view, sequence;
    uint8_t *digest;
};

static inline void fill_slot(void *body, void *self)
{
    struct slot *slot = self;
    Pbft__PrePrepare *p = body; /* Prepare and Commit are laid out alike */
    p->view = slot->view;
    p->sequence = slot->sequence;
    p->digest.data = slot->digest;
    p->digest.len = 32;
}

static inline struct tc_message *make_slot(struct world *w, const char *type, uint16_t signer, uint16_t to,
                                           uint64_t view, uint64_t sequence, uint8_t mark)
{
    struct slot slot = {view, sequence, tc_arena_alloc(&w->messages, 32)};
    memset(slot.digest, mark, 32);
    return make(w, type, signer, signer, to, fill_slot, &slot);
}

/* A frame decoded; asserts that it decodes. */
static inline struct tc_message *decoded(struct world *w, struct tc_slice frame)
{
    struct tc_message *m = tc_arena_zalloc(&w->messages, sizeof *m);
    struct tc_slice copy = tc_arena_copy(&w->messages, frame);
    assert_int_equal(tc_protocol_find("pbft")->decode(copy, &w->messages, m), 0);
    return m;
}

/* An attack whose on_message is `body`; traitor is replica 0. */
static inline void with_handler(struct world *w, const char *body)
{
    char text[8192];
    snprintf(
        text, sizeof text,
        "return attack \"t\" { summary = \"t\", kinds = \"all\", traitors = { 0 }, args = { x = { 1, \"an x\" } },\n"
        "on_message = function(c, m, a) local s = c.state\n%s\nend }\n",
        body);
    int rc = world_text(w, text);
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
    w->ledger.frozen = false;
    assert_int_equal(world_begin(w), 0);
}

static inline void handles(struct world *w, const struct tc_message *m)
{
    int rc = world_message(w, m);
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
}

static inline void raises(struct world *w, const struct tc_message *m, const char *says)
{
    int rc = world_message(w, m);
    if (rc != TC_ESCRIPT || !strstr(w->err.text, says))
        print_error("%d %s\n", rc, w->err.text);
    assert_int_equal(rc, TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, says));
}

static inline void fill_requests(struct world *w, struct tc_message *proposal, uint32_t count)
{
    Wire__Envelope *envelope = proposal->envelope.base;
    Wire__Envelope **requests = tc_arena_alloc(&w->messages, count * sizeof *requests);
    for (uint32_t i = 0; i < count; i++) {
        struct tc_message *request = make(w, "request", (uint16_t)(TC_CLIENT_FIRST + i), 0, 0, NULL, NULL);
        requests[i] = request->envelope.base;
    }
    envelope->requests = requests;
    envelope->n_requests = count;
}

/* A pre-prepare with requests, signed by its leader. */
static inline struct tc_message *make_proposal(struct world *w, uint16_t leader, uint16_t to, uint64_t view,
                                               uint64_t sequence, uint32_t requests)
{
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    struct tc_protocol_env env = world_env(w);
    struct tc_message *plain = make_slot(w, "pre-prepare", leader, to, view, sequence, 0x11);
    struct tc_message *m = tc_arena_zalloc(&w->messages, sizeof *m);
    fill_requests(w, plain, requests);
    assert_int_equal(protocol->sign(&env, plain, leader, &w->messages, m), 0);
    m->from = leader;
    m->to = to;
    tc_message_set_key(m);
    return m;
}

#endif
