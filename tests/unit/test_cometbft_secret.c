/* links: tc_protocol tc_base
 * SecretConnection: published vectors, two ends that talk, bytes one by one, and peers that break the rules. */
#include "../../proxy/random.h"
#include "../../reference/cometbft/secret.h"
#include "../../reference/cometbft/transcript.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tc_slice text(const char *s)
{
    return (struct tc_slice){(const uint8_t *)s, strlen(s)};
}

static void unhex(const char *hex, uint8_t *out, size_t len)
{
    size_t got;
    assert_int_equal(sodium_hex2bin(out, len, hex, strlen(hex), NULL, &got, NULL), 0);
    assert_int_equal(got, len);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    uint8_t wanted[128];
    unhex(hex, wanted, len);
    assert_memory_equal(bytes, wanted, len);
}

/* ---- transcript ---- */

/* merlin_test.go of gtank/merlin, TestSimpleTranscript. */
static void test_transcript_simple(void **state)
{
    (void)state;
    struct tc_transcript t;
    uint8_t out[32];
    tc_transcript_init(&t, "test protocol");
    tc_transcript_append(&t, "some label", text("some data"));
    tc_transcript_challenge(&t, "challenge", out, sizeof out);
    assert_hex(out, sizeof out, "d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615");
}

/* More than one block in and out, so that the sponge runs in the middle of both. */
static void test_transcript_complex(void **state)
{
    (void)state;
    struct tc_transcript t;
    uint8_t data[1024], challenge[32];
    memset(data, 99, sizeof data);
    tc_transcript_init(&t, "test protocol");
    tc_transcript_append(&t, "step1", text("some data"));
    for (int i = 0; i < 32; i++) {
        tc_transcript_challenge(&t, "challenge", challenge, sizeof challenge);
        tc_transcript_append(&t, "bigdata", (struct tc_slice){data, sizeof data});
        tc_transcript_append(&t, "challengedata", (struct tc_slice){challenge, sizeof challenge});
    }
    assert_hex(challenge, sizeof challenge, "a8c933f54fae76e3f9bea93648c1308e7dfa2152dd51674ff3ca438351cf003c");
}

/* ---- keys ---- */

static void test_derive_fixed_scalars(void **state)
{
    (void)state;
    uint8_t a[32], b[32], point_a[32], point_b[32], challenge[2][32], receive[2][32], send[2][32];
    memset(a, 1, sizeof a);
    memset(b, 2, sizeof b);
    crypto_scalarmult_base(point_a, a);
    crypto_scalarmult_base(point_b, b);
    assert_int_equal(tc_secret_derive(a, point_a, point_b, challenge[0], receive[0], send[0]), 0);
    assert_int_equal(tc_secret_derive(b, point_b, point_a, challenge[1], receive[1], send[1]), 0);
    assert_memory_equal(challenge[0], challenge[1], 32);
    assert_memory_equal(receive[0], send[1], 32);
    assert_memory_equal(send[0], receive[1], 32);
    const bool a_lower = memcmp(point_a, point_b, 32) < 0;
    assert_hex(challenge[0], 32, "4206c8c11bdca5a661d2a4939fd3566e52fbf4ea7501df0d089bcd055291f25d");
    assert_hex(a_lower ? receive[0] : receive[1], 32,
               "e57986db437b44e0f07279abf95e2c818b2ad8ab9e36f079d54b6a29be14d097");
    assert_hex(a_lower ? send[0] : send[1], 32, "ce20ea7cf36f4d507a1cd6313cde6cf7a38c1148e49277aa79cf8390fc2a3ba9");
}

static void test_expand_vectors(void **state)
{
    (void)state;
    FILE *file = fopen(TC_SOURCE_DIR "/tests/golden/cometbft/keys.tsv", "r");
    assert_non_null(file);
    char line[512], shared_hex[65], lower[8], receive[65], send[65], rest[65];
    int seen = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#')
            continue;
        assert_int_equal(sscanf(line, "%64s %7s %64s %64s %64s", shared_hex, lower, receive, send, rest), 5);
        uint8_t shared[32], keys[96];
        unhex(shared_hex, shared, sizeof shared);
        tc_secret_expand(shared, keys);
        const bool first = strcmp(lower, "true") == 0;
        assert_hex(first ? keys : keys + 32, 32, receive);
        assert_hex(first ? keys + 32 : keys, 32, send);
        assert_hex(keys + 64, 32, rest);
        seen++;
    }
    fclose(file);
    assert_int_equal(seen, 32);
}

static void test_small_order_point(void **state)
{
    (void)state;
    const uint8_t zero[32] = {0};
    uint8_t scalar[32], own[32], challenge[32], receive[32], send[32];
    memset(scalar, 7, sizeof scalar);
    crypto_scalarmult_base(own, scalar);
    assert_int_equal(tc_secret_derive(scalar, own, zero, challenge, receive, send), TC_EMALFORMED);
}

/* ---- two ends ---- */

struct end {
    struct tc_secret secret;
    struct tc_bytes wire, plain;
    uint8_t public_key[32];
};

static void end_open(struct end *end, uint8_t number, enum tc_handshake_fault fault, int wanted)
{
    uint8_t scalar[32], seed[32], identity[64];
    *end = (struct end){0};
    memset(scalar, number, sizeof scalar);
    memset(seed, number + 100, sizeof seed);
    crypto_sign_seed_keypair(end->public_key, identity, seed);
    assert_int_equal(tc_secret_begin(&end->secret, scalar, identity, fault, &end->wire), wanted);
}

static void end_close(struct end *end)
{
    tc_bytes_free(&end->wire);
    tc_bytes_free(&end->plain);
}

/* Carries what `from` wrote to `to`, `step` bytes at a time. */
static int carry(struct end *from, struct end *to, size_t step)
{
    struct tc_error err = {0};
    int status = 0;
    size_t at = 0;
    while (status == 0 && at < from->wire.len) {
        const size_t len = from->wire.len - at < step ? from->wire.len - at : step;
        uint8_t *exact = malloc(len); /* a block of its own, so that reading past it is seen */
        memcpy(exact, from->wire.data + at, len);
        status = tc_secret_receive(&to->secret, (struct tc_slice){exact, len}, &to->wire, &to->plain, &err);
        free(exact);
        at += len;
    }
    from->wire.len = 0;
    return status;
}

static void shake_hands(struct end *a, struct end *b, size_t step)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(carry(a, b, step), 0);
        assert_int_equal(carry(b, a, step), 0);
    }
    assert_int_equal(a->secret.state, TC_SECRET_OPEN);
    assert_int_equal(b->secret.state, TC_SECRET_OPEN);
    assert_memory_equal(a->secret.peer, b->public_key, 32);
    assert_memory_equal(b->secret.peer, a->public_key, 32);
}

static void test_two_ends(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 1043, 1044, 1045, 100000};
    uint8_t data[5000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)tc_random_mix(3, i);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct end a, b;
        end_open(&a, 1, TC_HANDSHAKE_HONEST, 0);
        end_open(&b, 2, TC_HANDSHAKE_HONEST, 0);
        shake_hands(&a, &b, steps[i]);
        assert_int_equal(tc_secret_seal(&a.secret, (struct tc_slice){data, sizeof data}, &a.wire), 0);
        assert_int_equal(a.wire.len, 5 * TC_SECRET_SEALED_SIZE);
        assert_int_equal(carry(&a, &b, steps[i]), 0);
        assert_int_equal(b.plain.len, sizeof data);
        assert_memory_equal(b.plain.data, data, sizeof data);
        end_close(&a);
        end_close(&b);
    }
}

static void test_changed_bytes_do_not_open(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1, TC_HANDSHAKE_HONEST, 0);
    end_open(&b, 2, TC_HANDSHAKE_HONEST, 0);
    shake_hands(&a, &b, 4096);
    assert_int_equal(tc_secret_seal(&a.secret, text("hello"), &a.wire), 0);
    a.wire.data[500] ^= 1;
    assert_int_equal(carry(&a, &b, 4096), TC_EMALFORMED);
    assert_int_equal(b.secret.state, TC_SECRET_CLOSED);
    assert_int_equal(b.plain.len, 0);
    end_close(&a);
    end_close(&b);
}

static void test_replayed_frame_does_not_open(void **state)
{
    (void)state;
    struct end a, b;
    end_open(&a, 1, TC_HANDSHAKE_HONEST, 0);
    end_open(&b, 2, TC_HANDSHAKE_HONEST, 0);
    shake_hands(&a, &b, 4096);
    assert_int_equal(tc_secret_seal(&a.secret, text("hello"), &a.wire), 0);
    uint8_t again[TC_SECRET_SEALED_SIZE];
    memcpy(again, a.wire.data, sizeof again);
    assert_int_equal(carry(&a, &b, 4096), 0);
    assert_int_equal(tc_bytes_append(&a.wire, (struct tc_slice){again, sizeof again}), 0);
    assert_int_equal(carry(&a, &b, 4096), TC_EMALFORMED);
    end_close(&a);
    end_close(&b);
}

static void test_seal_before_open(void **state)
{
    (void)state;
    struct end a;
    end_open(&a, 1, TC_HANDSHAKE_HONEST, 0);
    assert_int_equal(tc_secret_seal(&a.secret, text("early"), &a.wire), TC_EREFUSED);
    end_close(&a);
}

/* The faults of evil_secret_connection_test.go, as an honest peer sees them. */
static void test_handshake_faults(void **state)
{
    (void)state;
    struct end evil, honest;
    end_open(&evil, 1, TC_HANDSHAKE_EPHEMERAL_WITHHELD, TC_EREFUSED);
    assert_int_equal(evil.wire.len, 0);
    end_close(&evil);

    end_open(&evil, 1, TC_HANDSHAKE_EPHEMERAL_BAD, 0);
    end_open(&honest, 2, TC_HANDSHAKE_HONEST, 0);
    assert_int_equal(carry(&evil, &honest, 1), TC_EMALFORMED);
    end_close(&evil);
    end_close(&honest);

    end_open(&evil, 1, TC_HANDSHAKE_AUTH_WITHHELD, 0);
    end_open(&honest, 2, TC_HANDSHAKE_HONEST, 0);
    assert_int_equal(carry(&honest, &evil, 4096), TC_EREFUSED);
    assert_int_equal(evil.secret.state, TC_SECRET_CLOSED);
    end_close(&evil);
    end_close(&honest);

    end_open(&evil, 1, TC_HANDSHAKE_AUTH_BAD, 0);
    end_open(&honest, 2, TC_HANDSHAKE_HONEST, 0);
    assert_int_equal(carry(&honest, &evil, 4096), 0);
    assert_int_equal(carry(&evil, &honest, 4096), TC_ESIGNATURE);
    assert_int_equal(honest.secret.state, TC_SECRET_CLOSED);
    end_close(&evil);
    end_close(&honest);

    end_open(&evil, 1, TC_HANDSHAKE_AUTH_GARBLED, 0);
    end_open(&honest, 2, TC_HANDSHAKE_HONEST, 0);
    assert_int_equal(carry(&honest, &evil, 4096), 0);
    assert_int_equal(carry(&evil, &honest, 4096), TC_EMALFORMED);
    assert_int_equal(honest.secret.state, TC_SECRET_CLOSED);
    end_close(&evil);
    end_close(&honest);
}

/* A peer that sends anything at all is refused or waited for, never trusted and never read past. */
static void test_hostile_hello(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct end a;
        uint8_t junk[64];
        end_open(&a, 1, TC_HANDSHAKE_HONEST, 0);
        const size_t len = 1 + tc_random_mix(seed, 1) % sizeof junk;
        for (size_t i = 0; i < len; i++)
            junk[i] = (uint8_t)tc_random_mix(seed, 100 + i);
        if (seed % 3 == 0)
            junk[0] = (uint8_t)(tc_random_mix(seed, 2) % 40);
        struct tc_error err = {0};
        tc_secret_receive(&a.secret, (struct tc_slice){junk, len}, &a.wire, &a.plain, &err);
        assert_int_not_equal(a.secret.state, TC_SECRET_OPEN);
        end_close(&a);
    }
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcript_simple),
        cmocka_unit_test(test_transcript_complex),
        cmocka_unit_test(test_derive_fixed_scalars),
        cmocka_unit_test(test_expand_vectors),
        cmocka_unit_test(test_small_order_point),
        cmocka_unit_test(test_two_ends),
        cmocka_unit_test(test_changed_bytes_do_not_open),
        cmocka_unit_test(test_replayed_frame_does_not_open),
        cmocka_unit_test(test_seal_before_open),
        cmocka_unit_test(test_handshake_faults),
        cmocka_unit_test(test_hostile_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
