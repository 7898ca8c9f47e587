/* Mutation: every operator changes the bytes of what it applies to and nothing else happens to them; what it makes is
 * signed by traitors alone, is the same whoever hears it, and breaks nobody. links: tc_trial */
#include "../../injectors/mutate.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "../../proxy/trial.h"
#include "../../reference/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES_MAX 400
#define TRAITOR    1
#define DRAWS      6

/* What was said in a run of a correct cluster with view changes, whoever said it. */
struct talk {
    struct tc_scenario scenario;
    struct tc_cluster cluster;
    struct tc_keyring *keys;
    const struct tc_protocol *protocol;
    struct tc_protocol_env env;
    struct tc_ledger ledger;
    struct tc_memory *memory;
    uint8_t *frames[FRAMES_MAX];
    size_t lens[FRAMES_MAX];
    size_t count;
};

static void hear(void *self, const struct tc_observation *o)
{
    struct talk *talk = self;
    if (o->kind != TC_OBS_MESSAGE || !o->message.said || o->message.message->from != TRAITOR)
        return;
    const struct tc_message *m = o->message.message;
    tc_memory_add(talk->memory, m);
    if (talk->count == FRAMES_MAX)
        return;
    talk->frames[talk->count] = malloc(m->frame.len);
    assert_non_null(talk->frames[talk->count]);
    memcpy(talk->frames[talk->count], m->frame.data, m->frame.len);
    talk->lens[talk->count++] = m->frame.len;
}

static void decided(void *self, const struct tc_decision *d)
{
    (void)self;
    (void)d;
}

static void listen(struct talk *talk, const char *protocol)
{
    struct tc_error err = {0};
    struct tc_trial *trial;
    struct tc_trial_result result;
    char name[TC_NAME_MAX];
    memset(talk, 0, sizeof *talk);
    talk->memory = tc_memory_new();
    assert_non_null(talk->memory);
    snprintf(name, sizeof name, "hunt-%s", protocol);
    assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, name, &talk->scenario, &err), 0);
    const struct tc_trial_setup setup = {.scenario = &talk->scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find("strategic"),
                                         .decisions_max = 6};
    assert_int_equal(tc_trial_new(&setup, &trial, &err), 0);
    /* several runs, so that rare messages are among them; the keys are those of the first */
    for (uint64_t seed = 7; seed < 19; seed++)
        assert_int_equal(tc_trial_run(trial,
                                      &(struct tc_trial_request){.seed = seed, .sink = {talk, hear, decided, NULL}},
                                      &result, &err),
                         0);
    tc_trial_free(trial);
    talk->cluster = talk->scenario.cluster.cluster;
    talk->cluster.client_count = 2;
    tc_cluster_defaults(&talk->cluster);
    talk->keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    assert_int_equal(tc_sim_keys(talk->keys, &talk->cluster, 7), 0);
    talk->protocol = tc_protocol_find(protocol);
    talk->env = (struct tc_protocol_env){.cluster = &talk->cluster, .keys = talk->keys};
    struct tc_nodeset traitors = {0};
    tc_nodeset_add(&traitors, TRAITOR);
    talk->ledger.traitors_max = 1;
    assert_int_equal(tc_ledger_freeze(&talk->ledger, &traitors, &err), 0);
}

static void hush(struct talk *talk)
{
    for (size_t i = 0; i < talk->count; i++)
        free(talk->frames[i]);
    tc_memory_free(talk->memory);
    tc_keyring_free(talk->keys);
}

static bool decode(const struct talk *talk, struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)
{
    *m = (struct tc_message){.from = TRAITOR, .to = 2};
    return talk->protocol->decode(frame, arena, m) == 0 && m->statement_count > 0;
}

static bool same(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* What came out is another whole frame. Whose signature is right again, the traitor's is in the ledger. */
static void check_lie(struct talk *talk, struct tc_slice was, struct tc_slice is, struct tc_arena *arena,
                      enum tc_operator op)
{
    struct tc_message m;
    assert_false(same(was, is));
    assert_true(is.len <= TC_FRAME_MAX);
    if (op == TC_OP_CORRUPT)
        return;
    assert_int_equal(talk->protocol->frame(is), (int64_t)is.len);
    if (decode(talk, is, arena, &m) && m.statements[0].signature.len > 0 &&
        talk->protocol->verify(&talk->env, &m.statements[0]) == 0)
        assert_true(tc_nodeset_has(&talk->ledger.signed_for, m.statements[0].signer));
}

/* How often each operator found something to change. */
static void try_all(struct talk *talk, uint64_t *applied)
{
    const struct tc_mutator mutator = {talk->protocol, &talk->env, &talk->ledger, talk->memory};
    struct tc_arena arena;
    tc_arena_init(&arena, 64u << 20);
    for (size_t i = 0; i < talk->count; i++) {
        const struct tc_slice was = {talk->frames[i], talk->lens[i]};
        for (uint64_t h = 0; h < TC_OP_COUNT * DRAWS; h++) {
            const enum tc_operator op = (enum tc_operator)(h / DRAWS);
            const uint64_t hash = tc_random_mix(i + 1, h);
            struct tc_message m;
            struct tc_slice is, again;
            tc_arena_reset(&arena);
            if (!decode(talk, was, &arena, &m))
                continue;
            const int rc = tc_mutate(&mutator, op, hash, &m, &arena, &is);
            assert_true(rc == 0 || rc == TC_EUNSUPPORTED);
            if (rc)
                continue;
            applied[op]++;
            check_lie(talk, was, is, &arena, op);
            m.to = 3; /* another receiver hears the same lie */
            assert_int_equal(tc_mutate(&mutator, op, hash, &m, &arena, &again), 0);
            assert_true(same(is, again));
        }
    }
    tc_arena_free(&arena);
}

static void operators_change_what_they_apply_to(void **state)
{
    (void)state;
    uint64_t applied[TC_OP_COUNT] = {0};
    for (size_t p = 0; p < 3; p++) {
        static const char *const names[] = {"pbft", "hotstuff", "chained-hotstuff"};
        struct talk talk;
        listen(&talk, names[p]);
        assert_true(talk.count > 50);
        try_all(&talk, applied);
        hush(&talk);
    }
    for (size_t op = 0; op < TC_OP_COUNT; op++) {
        print_message("%s: %llu times\n", tc_operator_name((enum tc_operator)op), (unsigned long long)applied[op]);
        assert_true(applied[op] > 0);
    }
}

/* Where requests bear vectors of MACs: at least one replica is convinced and at least one is not, and nothing else is
 * changed. Where they bear signatures there is nothing to be done. */
static void authenticators_convince_some(void **state)
{
    (void)state;
    static const uint8_t operation[] = {8, 1};
    struct tc_cluster cluster = {.n = 4, .f = 1, .client_count = 2, .request_authentication = TC_AUTH_MAC};
    struct tc_keyring *keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    struct tc_arena arena;
    uint32_t seen = 0;
    tc_cluster_defaults(&cluster);
    tc_arena_init(&arena, 1u << 20);
    assert_int_equal(tc_sim_keys(keys, &cluster, 7), 0);
    const struct tc_protocol_env env = {.cluster = &cluster, .keys = keys};
    const struct tc_mutator mutator = {.protocol = tc_protocol_find("pbft"), .env = &env};
    for (uint64_t h = 0; h < 64; h++) {
        Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
        Wire__Request body = WIRE__REQUEST__INIT;
        struct tc_slice frame, lie;
        tc_arena_reset(&arena);
        envelope.sender = TC_CLIENT_FIRST;
        envelope.type = WIRE__TYPE__REQUEST;
        body.timestamp = h + 1;
        body.operation = tc_wire_binary((struct tc_slice){operation, sizeof operation});
        assert_int_equal(tc_wire_set_body(&envelope, &body.base, &arena), 0);
        assert_int_equal(tc_wire_seal(&env, &envelope, 0, &arena), 0);
        assert_int_equal(envelope.macs.len, 64);
        assert_int_equal(tc_wire_pack(&envelope, &arena, &frame), 0);
        struct tc_message m = {.from = TC_CLIENT_FIRST}, is = {.from = TC_CLIENT_FIRST};
        assert_int_equal(mutator.protocol->decode(frame, &arena, &m), 0);
        assert_int_equal(tc_mutate_authenticator(&mutator, tc_random_mix(9, h), &m, &arena, &lie), 0);
        assert_int_equal(mutator.protocol->decode(lie, &arena, &is), 0);
        const Wire__Envelope *changed = is.envelope.base;
        uint32_t convinced = 0;
        for (uint32_t i = 0; i < 4; i++)
            convinced |= (uint32_t)(tc_wire_check_mac(&env, changed, i, 0) == 0) << i;
        assert_in_range(convinced, 1, 14);
        assert_true(same(tc_wire_slice(changed->body), tc_wire_slice(envelope.body)));
        seen |= 1u << convinced;
        cluster.request_authentication = TC_AUTH_SIGNATURE;
        assert_int_equal(tc_mutate_authenticator(&mutator, h, &m, &arena, &lie), TC_EUNSUPPORTED);
        cluster.request_authentication = TC_AUTH_MAC;
    }
    assert_true(tc_bits_count(seen) > 8); /* of 14 ways */
    tc_arena_free(&arena);
    tc_keyring_free(keys);
}

static void without_a_key_nothing_is_signed(void **state)
{
    (void)state;
    struct talk talk;
    struct tc_arena arena;
    uint64_t lies = 0;
    tc_arena_init(&arena, 16u << 20);
    listen(&talk, "pbft");
    const struct tc_mutator mutator = {talk.protocol, &talk.env, NULL, talk.memory};
    for (size_t i = 0; i < talk.count; i++) {
        struct tc_message m, lie;
        struct tc_slice frame;
        enum tc_operator op;
        tc_arena_reset(&arena);
        if (!decode(&talk, (struct tc_slice){talk.frames[i], talk.lens[i]}, &arena, &m) ||
            talk.protocol->verify(&talk.env, &m.statements[0]) != 0 || m.statements[0].signature.len == 0 ||
            tc_mutate_any(&mutator, 1u << TC_OP_NUDGE | 1u << TC_OP_VALUE, i, &m, &arena, &frame, &op) != 0)
            continue;
        assert_true(decode(&talk, frame, &arena, &lie));
        assert_int_equal(talk.protocol->verify(&talk.env, &lie.statements[0]), TC_ESIGNATURE);
        lies++;
    }
    assert_true(lies > 0);
    assert_int_equal(tc_nodeset_count(&talk.ledger.signed_for), 0);
    tc_arena_free(&arena);
    hush(&talk);
}

static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    struct talk talk;
    listen(&talk, "chained-hotstuff");
    const struct tc_mutator mutator = {talk.protocol, &talk.env, &talk.ledger, talk.memory};
    uint64_t failed = 0;
    for (size_t size = 64; size < 20000; size += 512) {
        struct tc_arena arena, large;
        struct tc_message m;
        struct tc_slice frame;
        enum tc_operator op;
        tc_arena_init(&arena, size);
        tc_arena_init(&large, 1u << 20);
        const size_t i = size % talk.count;
        if (decode(&talk, (struct tc_slice){talk.frames[i], talk.lens[i]}, &large, &m))
            failed += tc_mutate_any(&mutator, TC_OPERATORS_ANY, size, &m, &arena, &frame, &op) == TC_ELIMIT;
        tc_arena_free(&arena);
        tc_arena_free(&large);
    }
    assert_true(failed > 0);
    hush(&talk);
}

static void memory_is_a_ring(void **state)
{
    (void)state;
    struct tc_memory *memory = tc_memory_new();
    struct tc_statement statement = {.kind = TC_KIND_VOTE, .signer = 1, .type = 3};
    assert_non_null(memory);
    for (uint32_t i = 0; i < 3 * TC_MEMORY_MAX; i++) {
        uint8_t bytes[600] = {0};
        memcpy(bytes, &i, sizeof i);
        const struct tc_message m = {.from = 1,
                                     .to = (uint16_t)(2 + i % 2),
                                     .decoded = true,
                                     .key = i / 2 + 1,
                                     .frame = {bytes, 4 + i % 500},
                                     .statements = &statement,
                                     .statement_count = 1};
        tc_memory_add(memory, &m);
        tc_memory_add(memory, &m); /* once is enough */
    }
    assert_int_equal(tc_memory_count(memory), TC_MEMORY_MAX);
    assert_int_equal(tc_memory_get(memory, 0)->number, 2 * TC_MEMORY_MAX + 1);
    assert_int_equal(tc_memory_get(memory, TC_MEMORY_MAX - 1)->number, 3 * TC_MEMORY_MAX);
    assert_null(tc_memory_get(memory, TC_MEMORY_MAX));
    assert_non_null(tc_memory_pick(memory, 3, 1, 99));
    assert_null(tc_memory_pick(memory, 3, 2, 99));
    assert_null(tc_memory_pick_kind(memory, 1u << TC_KIND_PROPOSE, 1));
    tc_memory_free(memory);
    tc_memory_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operators_change_what_they_apply_to),
                                       cmocka_unit_test(authenticators_convince_some),
                                       cmocka_unit_test(without_a_key_nothing_is_signed),
                                       cmocka_unit_test(a_full_arena_is_an_error), cmocka_unit_test(memory_is_a_ring)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
