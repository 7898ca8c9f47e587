/* links: tc_protocol tc_schemas tc_base
 *
 * What reference/wire.proto says in words, done by hand with libsodium and nothing of ours: another implementation that
 * follows it is understood, and makes the same digests, MACs and snapshots. */
#include "../../reference/store.h"
#include "../../reference/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#define CLIENT    128
#define TIMESTAMP 300

/* Bytes that grow; a document is followed with nothing more. */
struct bytes {
    uint8_t data[1024];
    size_t len;
};

static void add(struct bytes *to, const void *from, size_t len)
{
    assert_true(len <= sizeof to->data - to->len);
    memcpy(to->data + to->len, from, len);
    to->len += len;
}

static void add_byte(struct bytes *to, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    add(to, &byte, 1);
}

static void add_big(struct bytes *to, uint64_t value, size_t size)
{
    while (size-- > 0)
        add_byte(to, (unsigned)(value >> (8 * size)) & 255u);
}

/* An argument of H. */
static void add_part(struct bytes *to, const struct bytes *part)
{
    for (size_t i = 0; i < 8; i++)
        add_byte(to, (unsigned)(part->len >> (8 * i)) & 255u);
    add(to, part->data, part->len);
}

/* A field of length and bytes, as protobuf packs it; up to 127 bytes. */
static void add_field(struct bytes *to, unsigned number, const struct bytes *value)
{
    assert_true(value->len < 128);
    add_byte(to, number << 3 | 2);
    add_byte(to, (unsigned)value->len);
    add(to, value->data, value->len);
}

static void hash(const struct bytes *text, uint8_t out[static 32])
{
    assert_int_equal(crypto_generichash_blake2b(out, 32, text->data, text->len, NULL, 0), 0);
}

struct node {
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
};

static struct node client, replica; /* CLIENT and 2 */
static struct tc_cluster cluster;
static struct tc_protocol_env env;
static struct tc_arena arena;

static void make(struct node *node, uint32_t number, uint8_t fill)
{
    uint8_t seed[32];
    memset(seed, fill, sizeof seed);
    assert_int_equal(crypto_sign_seed_keypair(node->public_key, node->secret_key, seed), 0);
    assert_int_equal(tc_keyring_add_public(env.keys, number, node->public_key), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    tc_arena_init(&arena, 1u << 20);
    cluster = (struct tc_cluster){.n = 4, .f = 1, .client_count = 1, .id = "elsewhere"};
    tc_cluster_defaults(&cluster);
    env = (struct tc_protocol_env){.cluster = &cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    make(&client, CLIENT, 7);
    make(&replica, 2, 9);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tc_keyring_free(env.keys);
    tc_arena_free(&arena);
    return 0;
}

/* PUT k = v */
static struct bytes operation(void)
{
    struct bytes made = {.len = 0};
    add_byte(&made, 1 << 3); /* code = 1 */
    add_byte(&made, 1);
    add_field(&made, 2, &(struct bytes){.data = "k", .len = 1});
    add_field(&made, 3, &(struct bytes){.data = "v", .len = 1});
    return made;
}

/* A Request with it. */
static struct bytes request(void)
{
    const struct bytes inner = operation();
    struct bytes made = {.len = 0};
    add_byte(&made, 1 << 3); /* timestamp = 300, two bytes of seven bits each */
    add_byte(&made, (TIMESTAMP & 127) | 128);
    add_byte(&made, TIMESTAMP >> 7);
    add_field(&made, 2, &inner);
    return made;
}

/* What signature and MAC are over. */
static struct bytes signed_text(const struct bytes *body)
{
    static const char domain[] = "turncoat/elsewhere/128/1"; /* and its 00 */
    struct bytes made = {.len = 0};
    add(&made, domain, sizeof domain);
    add(&made, body->data, body->len);
    return made;
}

/* The frame of a REQUEST envelope; signed, or with a vector of MACs. */
static struct bytes frame(const struct bytes *signature, const struct bytes *macs)
{
    const struct bytes body = request();
    struct bytes envelope = {.len = 0}, made = {.len = 0};
    add_byte(&envelope, 1 << 3); /* type = REQUEST */
    add_byte(&envelope, 1);
    add_byte(&envelope, 2 << 3); /* sender = 128 */
    add_byte(&envelope, (CLIENT & 127) | 128);
    add_byte(&envelope, CLIENT >> 7);
    add_field(&envelope, 3, &body);
    if (signature)
        add_field(&envelope, 4, signature);
    if (macs)
        add_field(&envelope, 5, macs);
    add_big(&made, envelope.len, 4);
    add(&made, envelope.data, envelope.len);
    return made;
}

static Wire__Envelope *read(const struct bytes *made)
{
    Wire__Envelope *envelope;
    const struct tc_slice in = {made->data, made->len};
    assert_int_equal(tc_wire_frame(in), made->len);
    assert_int_equal(tc_wire_unpack(in, &arena, &envelope), 0);
    return envelope;
}

static void test_a_signed_request(void **state)
{
    (void)state;
    const struct bytes body = request(), text = signed_text(&body);
    struct bytes signature = {.len = crypto_sign_BYTES};
    crypto_sign_detached(signature.data, NULL, text.data, text.len, client.secret_key);
    const struct bytes made = frame(&signature, NULL);
    assert_int_equal(tc_wire_check(&env, read(&made), 2), 0);
    signature.data[5] ^= 1;
    const struct bytes forged = frame(&signature, NULL);
    assert_int_equal(tc_wire_check(&env, read(&forged), 2), TC_ESIGNATURE);
}

/* The key of client and replica 2, from the client's side; ours holds the replica's. */
static void mac_key(uint8_t key[static 32])
{
    uint8_t scalar[32], point[32], shared[32];
    struct bytes text = {.len = 0};
    assert_int_equal(crypto_sign_ed25519_sk_to_curve25519(scalar, client.secret_key), 0);
    assert_int_equal(crypto_sign_ed25519_pk_to_curve25519(point, replica.public_key), 0);
    assert_int_equal(crypto_scalarmult(shared, scalar, point), 0);
    add(&text, "turncoat mac key", sizeof "turncoat mac key");
    add(&text, shared, sizeof shared);
    add(&text, replica.public_key, 32);
    add(&text, client.public_key, 32);
    hash(&text, key);
}

static void test_a_request_with_macs(void **state)
{
    (void)state;
    uint8_t key[32], seed[32];
    const struct bytes body = request(), text = signed_text(&body);
    struct bytes macs = {.len = 4 * 16};
    cluster.request_authentication = TC_AUTH_MAC;
    memset(seed, 9, sizeof seed);
    assert_int_equal(tc_keyring_add_secret(env.keys, 2, seed), 0);
    mac_key(key);
    crypto_generichash_blake2b(macs.data + 2 * 16, 16, text.data, text.len, key, sizeof key);
    const struct bytes made = frame(NULL, &macs);
    assert_int_equal(tc_wire_check(&env, read(&made), 2), 0);
    macs.data[2 * 16] ^= 1;
    const struct bytes forged = frame(NULL, &macs);
    assert_int_equal(tc_wire_check(&env, read(&forged), 2), TC_ESIGNATURE);
}

static void test_digests(void **state)
{
    (void)state;
    uint8_t digests[2][TC_VALUE_SIZE], batch[TC_VALUE_SIZE], ours[TC_VALUE_SIZE];
    const struct bytes inner = operation(), made = frame(NULL, NULL);
    struct bytes head = {.len = 0}, text = {.len = 0}, all = {.len = 0};
    add_big(&head, CLIENT, 8);
    add_big(&head, TIMESTAMP, 8);
    add_part(&text, &head);
    add_part(&text, &inner);
    hash(&text, digests[0]);
    assert_int_equal(tc_wire_envelope_digest(read(&made), &arena, ours), 0);
    assert_memory_equal(ours, digests[0], TC_VALUE_SIZE);

    memcpy(digests[1], digests[0], TC_VALUE_SIZE);
    struct bytes both = {.len = 0};
    add(&both, digests, sizeof digests);
    add_part(&all, &both);
    hash(&all, batch);
    tc_wire_batch_digest((const uint8_t(*)[TC_VALUE_SIZE])digests, 2, ours);
    assert_memory_equal(ours, batch, TC_VALUE_SIZE);
}

static void add_entry(struct bytes *to, const char *key, const char *value)
{
    add_big(to, strlen(key), 4);
    add_big(to, strlen(value), 4);
    add(to, key, strlen(key));
    add(to, value, strlen(value));
}

static void put(struct tc_store *store, uint64_t timestamp, char *key, char *value)
{
    uint8_t packed[64];
    bool fresh;
    Wire__Operation o = WIRE__OPERATION__INIT;
    o.code = WIRE__OPERATION__CODE__PUT;
    o.key = (ProtobufCBinaryData){strlen(key), (uint8_t *)key};
    o.value = (ProtobufCBinaryData){strlen(value), (uint8_t *)value};
    const size_t len = wire__operation__pack(&o, packed);
    assert_int_equal(tc_store_execute(store, CLIENT, timestamp, (struct tc_slice){packed, len}, &arena, &fresh), 0);
}

static void test_a_snapshot(void **state)
{
    (void)state;
    char key[] = "ka", longer[] = "kab", first[] = "b", value[] = "v", empty[] = "";
    uint8_t *saved;
    size_t len;
    struct bytes text = {.len = 0};
    struct tc_store *store = tc_store_new();
    put(store, 1, longer, value);
    put(store, 2, key, value);
    put(store, 3, first, empty);
    put(store, TIMESTAMP, empty, value); /* no key: nothing changes but what the client was told */
    assert_int_equal(tc_store_save(store, 42, &saved, &len), 0);

    add(&text, "TCPBFT01", 8);
    add_big(&text, 42, 8);
    add_big(&text, 3, 4);
    add_entry(&text, "b", "");
    add_entry(&text, "ka", "v");
    add_entry(&text, "kab", "v");
    add_big(&text, 1, 4);
    add_big(&text, CLIENT, 2);
    add_big(&text, TIMESTAMP, 8);
    add_big(&text, 0, 4); /* a Result of nothing but zeros has no bytes */
    assert_int_equal(len, text.len);
    assert_memory_equal(saved, text.data, len);
    free(saved);
    tc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_signed_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_request_with_macs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_snapshot, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
