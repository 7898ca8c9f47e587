#include "../../reference/client_internal.h"
#include "../../reference/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tc_arena arena;

/* The histogram in text: bounds rise, and the counts are everybody. */
static void text_has_all(const struct tc_latency *l, uint64_t wanted)
{
    static char text[TC_LATENCY_TEXT_MAX];
    uint64_t before = 0, sum = 0;
    const char *at = tc_latency_text(l, text) + 1;
    while (*at == '[') {
        char *end;
        const uint64_t up_to = strtoull(at + 1, &end, 10);
        assert_true(sum == 0 || up_to > before);
        before = up_to;
        assert_int_equal(*end, ',');
        sum += strtoull(end + 1, &end, 10);
        assert_int_equal(*end, ']');
        at = end + 1 + (end[1] == ',');
    }
    assert_string_equal(at, "]");
    assert_int_equal(sum, wanted);
}

static void test_histogram(void **state)
{
    (void)state;
    struct tc_latency *l = calloc(1, sizeof *l);
    assert_non_null(l);
    assert_int_equal(tc_latency_quantile_ns(l, 500), 0);
    for (uint64_t i = 1; i <= 100000; i++)
        tc_latency_add(l, i * 1000);
    assert_int_equal(l->count, 100000);
    static const uint32_t quantiles[] = {1, 100, 500, 900, 990, 999, 1000};
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        uint64_t exact = (uint64_t)quantiles[i] * 100000;
        uint64_t got = tc_latency_quantile_ns(l, quantiles[i]);
        assert_in_range(got, exact, exact + exact / 100);
    }
    assert_int_equal(tc_latency_quantile_ns(l, 1000), 100000000);
    text_has_all(l, 100000);
    tc_latency_add(l, 0);
    tc_latency_add(l, UINT64_MAX);
    assert_true(l->max_ns == UINT64_MAX);
    assert_true(tc_latency_quantile_ns(l, 1000) == UINT64_MAX);
    text_has_all(l, 100002);
    for (size_t i = 0; i < TC_LATENCY_BUCKETS; i++)
        l->counts[i] = UINT64_MAX / TC_LATENCY_BUCKETS; /* the longest text there is */
    text_has_all(l, UINT64_MAX / TC_LATENCY_BUCKETS * TC_LATENCY_BUCKETS);
    free(l);
}

static void test_operations(void **state)
{
    (void)state;
    const struct tc_operation_maker maker = {.seed = 5, .keys = 10, .value_bytes = 33};
    struct tc_operation_memory one = {0}, two = {0};
    uint64_t codes[4] = {0}, last_put_value = 0, swaps_of_last = 0;
    for (uint64_t ts = 1; ts <= 2000; ts++) {
        struct tc_kv_operation a, b;
        tc_arena_reset(&arena);
        uint64_t remembered = one.hash;
        assert_int_equal(tc_operation_make(&maker, 128, ts, &one, &arena, &a), 0);
        assert_int_equal(tc_operation_make(&maker, 128, ts, &two, &arena, &b), 0);
        assert_int_equal(a.code, b.code);
        assert_int_equal(a.key.len, b.key.len);
        assert_memory_equal(a.key.data, b.key.data, a.key.len);
        assert_int_equal(a.value.len, b.value.len);
        if (a.value.len)
            assert_memory_equal(a.value.data, b.value.data, a.value.len);
        bool writes = a.code == TC_KV_PUT || a.code == TC_KV_COMPARE_AND_SWAP;
        assert_int_equal(a.value.len, writes ? 33 : 0);
        assert_int_equal(a.expected.len, a.code == TC_KV_COMPARE_AND_SWAP ? 33 : 0);
        if (a.code == TC_KV_COMPARE_AND_SWAP && remembered == last_put_value)
            swaps_of_last++;
        if (writes)
            last_put_value = one.hash;
        codes[a.code]++;
    }
    assert_in_range(codes[TC_KV_PUT], 900, 1100);
    assert_in_range(codes[TC_KV_GET], 600, 800);
    assert_in_range(codes[TC_KV_DELETE], 60, 140);
    assert_in_range(codes[TC_KV_COMPARE_AND_SWAP], 140, 260);
    assert_int_equal(swaps_of_last, codes[TC_KV_COMPARE_AND_SWAP]);
}

struct world {
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    const struct tc_node_wire *wire;
};

static struct world make_world(enum tc_authentication authentication)
{
    struct world w = {.wire = tc_node_wire_find("pbft")};
    assert_non_null(w.wire);
    w.cluster.request_authentication = authentication;
    w.cluster.client_count = 2;
    tc_cluster_defaults(&w.cluster);
    w.env.keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    assert_non_null(w.env.keys);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t id = i < 4 ? i : TC_CLIENT_FIRST + i - 4;
        uint8_t seed[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(1, id, seed);
        assert_int_equal(tc_keyring_add_secret(w.env.keys, id, seed), 0);
    }
    return w;
}

static struct tc_slice make_reply(struct world *w, uint32_t sender, uint32_t client, uint64_t timestamp, bool spoil)
{
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    Wire__Reply reply = WIRE__REPLY__INIT;
    struct tc_slice frame;
    reply.view = 7;
    reply.timestamp = timestamp;
    reply.client = client;
    reply.result = (ProtobufCBinaryData){.len = 2, .data = (uint8_t *)(uintptr_t) "ok"};
    envelope.type = WIRE__TYPE__REPLY;
    envelope.sender = sender;
    assert_int_equal(tc_wire_set_body(&envelope, &reply.base, &arena), 0);
    assert_int_equal(tc_wire_seal(&w->env, &envelope, client, &arena), 0);
    if (spoil)
        *(envelope.signature.len ? envelope.signature.data : envelope.macs.data) ^= 1;
    assert_int_equal(tc_wire_pack(&envelope, &arena, &frame), 0);
    return frame;
}

static void check_wire(enum tc_authentication authentication)
{
    struct world w = make_world(authentication);
    w.env.cluster = &w.cluster;
    struct tc_kv_operation operation = {
        .code = TC_KV_PUT, .key = {(const uint8_t *)"k", 1}, .value = {(const uint8_t *)"v", 1}};
    struct tc_wire_request request;
    struct tc_wire_reply reply;
    Wire__Envelope *envelope;
    uint8_t digest[TC_VALUE_SIZE];
    tc_arena_reset(&arena);
    assert_int_equal(w.wire->request(&w.env, 129, 17, &operation, &arena, &request), 0);
    assert_int_equal(tc_wire_unpack(request.frame, &arena, &envelope), 0);
    assert_int_equal(envelope->type, WIRE__TYPE__REQUEST);
    assert_int_equal(envelope->sender, 129);
    for (uint32_t replica = 0; replica < 4; replica++)
        assert_int_equal(tc_wire_check(&w.env, envelope, replica), 0);
    assert_int_equal(tc_wire_envelope_digest(envelope, &arena, digest), 0);
    assert_memory_equal(digest, request.digest, sizeof digest);

    assert_int_equal(w.wire->reply(&w.env, 129, 17, make_reply(&w, 2, 129, 17, false), &arena, &reply), 0);
    assert_int_equal(reply.replica, 2);
    assert_int_equal(reply.view, 7);
    assert_int_equal(reply.result.len, 2);
    assert_int_equal(w.wire->reply(&w.env, 129, 17, make_reply(&w, 2, 129, 17, true), &arena, &reply), TC_ESIGNATURE);
    assert_int_equal(w.wire->reply(&w.env, 129, 18, make_reply(&w, 2, 129, 17, false), &arena, &reply), TC_ENOT_FOUND);
    assert_int_equal(w.wire->reply(&w.env, 129, 17, make_reply(&w, 2, 128, 17, false), &arena, &reply), TC_EMALFORMED);
    assert_int_equal(w.wire->reply(&w.env, 129, 17, request.frame, &arena, &reply), TC_EMALFORMED);
    struct tc_slice hello;
    assert_int_equal(w.wire->hello(&w.cluster, 129, &arena, &hello), 0);
    assert_int_equal(w.wire->reply(&w.env, 129, 17, hello, &arena, &reply), TC_EMALFORMED);
    tc_keyring_free(w.env.keys);
}

static void test_wire_signatures(void **state)
{
    (void)state;
    check_wire(TC_AUTH_SIGNATURE);
}

static void test_wire_macs(void **state)
{
    (void)state;
    check_wire(TC_AUTH_MAC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_wire_signatures),
        cmocka_unit_test(test_wire_macs),
    };
    tc_arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tc_arena_free(&arena);
    return failed;
}
