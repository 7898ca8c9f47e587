/* links: tc_protocol tc_base
 * SecretConnection, MConnection and both ends of a pair: published vectors, two ends that talk, bytes one by one, and
 * peers that break the rules. */
#include "../../proxy/random.h"
#include "../../reference/cometbft/mconnection.h"
#include "../../reference/cometbft/peers.h"
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
    char line[512], shared_hex[65], lower[8], receive[65], send[65];
    int seen = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#')
            continue;
        assert_int_equal(sscanf(line, "%64s %7s %64s %64s", shared_hex, lower, receive, send), 4);
        uint8_t shared[32], keys[96];
        unhex(shared_hex, shared, sizeof shared);
        tc_secret_expand(shared, keys);
        const bool first = strcmp(lower, "true") == 0;
        assert_hex(first ? keys : keys + 32, 32, receive);
        assert_hex(first ? keys + 32 : keys, 32, send);
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

/* ---- packets ---- */

static struct tc_bytes frame_of(uint8_t channel, size_t len)
{
    struct tc_bytes frame = {0};
    uint8_t *at = tc_bytes_reserve(&frame, 5 + len);
    const uint32_t body = (uint32_t)len + 1;
    const uint8_t head[5] = {(uint8_t)(body >> 24), (uint8_t)(body >> 16), (uint8_t)(body >> 8), (uint8_t)body,
                             channel};
    memcpy(at, head, sizeof head);
    for (size_t i = 0; i < len; i++)
        at[5 + i] = (uint8_t)tc_random_mix(channel, i);
    frame.len = 5 + len;
    return frame;
}

static void test_packets_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1023, 1024, 1025, 2048, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tc_mconnection c = {.node_info_seen = true};
        struct tc_bytes frame = frame_of(0x22, sizes[i]), packets = {0}, frames = {0}, out = {0};
        struct tc_error err = {0};
        assert_int_equal(tc_mconnection_send(tc_bytes_slice(&frame), &packets), 0);
        for (size_t at = 0; at < packets.len; at += 11) {
            const size_t len = packets.len - at < 11 ? packets.len - at : 11;
            assert_int_equal(tc_mconnection_receive(&c, (struct tc_slice){packets.data + at, len}, &out, &frames, &err),
                             0);
        }
        assert_int_equal(frames.len, frame.len);
        assert_memory_equal(frames.data, frame.data, frame.len);
        assert_int_equal(out.len, 0);
        tc_bytes_free(&frame);
        tc_bytes_free(&packets);
        tc_bytes_free(&frames);
        tc_mconnection_free(&c);
    }
}

static void test_channels_interleave(void **state)
{
    (void)state;
    struct tc_mconnection c = {.node_info_seen = true};
    struct tc_bytes a = frame_of(0x21, 1500), b = frame_of(0x22, 10), packets_a = {0}, packets_b = {0}, frames = {0},
                    out = {0};
    struct tc_error err = {0};
    assert_int_equal(tc_mconnection_send(tc_bytes_slice(&a), &packets_a), 0);
    assert_int_equal(tc_mconnection_send(tc_bytes_slice(&b), &packets_b), 0);
    const size_t first = (size_t)packets_a.data[0] % 128 + (size_t)packets_a.data[1] * 128 + 2; /* the first packet */
    assert_int_equal(tc_mconnection_receive(&c, (struct tc_slice){packets_a.data, first}, &out, &frames, &err), 0);
    assert_int_equal(frames.len, 0);
    assert_int_equal(tc_mconnection_receive(&c, tc_bytes_slice(&packets_b), &out, &frames, &err), 0);
    assert_int_equal(frames.len, b.len);
    assert_int_equal(tc_mconnection_receive(&c, (struct tc_slice){packets_a.data + first, packets_a.len - first}, &out,
                                            &frames, &err),
                     0);
    assert_int_equal(frames.len, a.len + b.len);
    assert_memory_equal(frames.data + b.len, a.data, a.len);
    tc_bytes_free(&a);
    tc_bytes_free(&b);
    tc_bytes_free(&packets_a);
    tc_bytes_free(&packets_b);
    tc_bytes_free(&frames);
    tc_mconnection_free(&c);
}

static void test_ping_is_answered(void **state)
{
    (void)state;
    static const uint8_t ping[] = {0x02, 0x0a, 0x00}, pong[] = {0x02, 0x12, 0x00};
    struct tc_mconnection c = {.node_info_seen = true};
    struct tc_bytes frames = {0}, out = {0};
    struct tc_error err = {0};
    assert_int_equal(tc_mconnection_receive(&c, (struct tc_slice){ping, sizeof ping}, &out, &frames, &err), 0);
    assert_int_equal(out.len, sizeof pong);
    assert_memory_equal(out.data, pong, sizeof pong);
    assert_int_equal(tc_mconnection_receive(&c, (struct tc_slice){pong, sizeof pong}, &out, &frames, &err), 0);
    assert_int_equal(out.len, sizeof pong);
    assert_int_equal(frames.len, 0);
    tc_bytes_free(&out);
    tc_mconnection_free(&c);
}

static void test_bad_packets(void **state)
{
    (void)state;
    static const uint8_t unknown[] = {0x02, 0x22, 0x00}, too_long[] = {0xff, 0xff, 0x01}, lies[] = {0x02, 0x1a, 0x05};
    const struct tc_slice bad[] = {{unknown, sizeof unknown}, {too_long, sizeof too_long}, {lies, sizeof lies}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tc_mconnection c = {.node_info_seen = true};
        struct tc_bytes frames = {0}, out = {0};
        struct tc_error err = {0};
        assert_int_equal(tc_mconnection_receive(&c, bad[i], &out, &frames, &err), TC_EMALFORMED);
        assert_true(err.text[0] != 0);
        tc_mconnection_free(&c);
    }
}

static void test_random_packets(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        struct tc_mconnection c = {.node_info_seen = seed % 2};
        struct tc_bytes frames = {0}, out = {0};
        struct tc_error err = {0};
        uint8_t junk[96];
        const size_t len = 1 + tc_random_mix(seed, 1) % sizeof junk;
        for (size_t i = 0; i < len; i++)
            junk[i] = (uint8_t)(tc_random_mix(seed, 100 + i) >> (seed % 5));
        junk[0] %= 60;
        tc_mconnection_receive(&c, (struct tc_slice){junk, len}, &out, &frames, &err);
        tc_bytes_free(&frames);
        tc_bytes_free(&out);
        tc_mconnection_free(&c);
    }
}

/* ---- both ends of a pair ---- */

struct node {
    struct tc_secret secret;
    struct tc_mconnection packets;
    struct tc_bytes wire, plain, out, frames;
    uint8_t identity[64];
};

static void node_open(struct node *node, uint8_t number)
{
    uint8_t scalar[32], seed[32], public_key[32];
    *node = (struct node){0};
    memset(scalar, number, sizeof scalar);
    memset(seed, number + 50, sizeof seed);
    crypto_sign_seed_keypair(public_key, node->identity, seed);
    assert_int_equal(tc_secret_begin(&node->secret, scalar, node->identity, TC_HANDSHAKE_HONEST, &node->wire), 0);
}

static void node_close(struct node *node)
{
    tc_bytes_free(&node->wire);
    tc_bytes_free(&node->plain);
    tc_bytes_free(&node->out);
    tc_bytes_free(&node->frames);
    tc_mconnection_free(&node->packets);
}

static void node_receive(struct node *node, struct tc_bytes *wire)
{
    struct tc_error err = {0};
    assert_int_equal(tc_secret_receive(&node->secret, tc_bytes_slice(wire), &node->wire, &node->plain, &err), 0);
    assert_int_equal(
        tc_mconnection_receive(&node->packets, tc_bytes_slice(&node->plain), &node->out, &node->frames, &err), 0);
    wire->len = 0;
    node->plain.len = 0;
}

static void node_send(struct node *node, struct tc_bytes *frame)
{
    struct tc_bytes packets = {0};
    assert_int_equal(tc_mconnection_send(tc_bytes_slice(frame), &packets), 0);
    assert_int_equal(tc_secret_seal(&node->secret, tc_bytes_slice(&packets), &node->wire), 0);
    tc_bytes_free(&packets);
}

/* Moves bytes between the two nodes and the transport until nothing moves, forwarding every frame. */
static void pump(struct tc_transport *t, struct node nodes[2], struct tc_transport_io *io)
{
    const struct tc_transport_class *class = &tc_cometbft_peers;
    for (int i = 0; i < 20; i++) {
        for (unsigned side = 0; side < 2; side++) {
            struct tc_error err = {0};
            if (nodes[side].wire.len > 0)
                assert_int_equal(class->receive(t, side, tc_bytes_slice(&nodes[side].wire), io, &err), 0);
            nodes[side].wire.len = 0;
            struct tc_slice rest = tc_bytes_slice(&io->frames[side]);
            while (rest.len > 0) {
                const int64_t len = tc_mconnection_frame(rest);
                assert_true(len > 0);
                assert_int_equal(class->send(t, !side, (struct tc_slice){rest.data, (size_t)len}), 0);
                rest = (struct tc_slice){rest.data + len, rest.len - (size_t)len};
            }
            io->frames[side].len = 0;
        }
        assert_int_equal(class->flush(t, io), 0);
        for (unsigned side = 0; side < 2; side++)
            if (io->wire[side].len > 0)
                node_receive(&nodes[side], &io->wire[side]);
    }
}

/* NodeInfo as far as it matters here: protocol version, node id, listen address. */
static struct tc_bytes node_info(const struct node *node)
{
    static const uint8_t version[] = {0x0a, 0x02, 0x08, 0x08};
    struct tc_bytes frame = frame_of(TC_CHANNEL_NODE_INFO, 0);
    char id[41];
    tc_secret_node_id(node->identity + 32, id);
    const uint8_t head[] = {0x12, 40};
    assert_int_equal(tc_bytes_append(&frame, (struct tc_slice){version, sizeof version}), 0);
    assert_int_equal(tc_bytes_append(&frame, (struct tc_slice){head, sizeof head}), 0);
    assert_int_equal(tc_bytes_append(&frame, text(id)), 0);
    frame.data[3] = (uint8_t)(frame.len - 4);
    return frame;
}

static void talk(bool impersonate)
{
    struct node nodes[2];
    struct tc_transport_io io = {0};
    struct tc_error err = {0};
    struct tc_transport_config config = {.nodes = {0, 1}, .number = 9};
    memset(config.secret, 5, sizeof config.secret);
    for (unsigned side = 0; side < 2; side++) {
        uint8_t seed[32], public_key[32];
        node_open(&nodes[side], (uint8_t)(side + 1));
        memset(seed, 200 + (int)side, sizeof seed);
        crypto_sign_seed_keypair(public_key, config.identity[side], seed);
    }
    if (impersonate)
        for (unsigned side = 0; side < 2; side++)
            memcpy(config.identity[side], nodes[!side].identity, sizeof config.identity[side]);
    struct tc_transport *t = tc_cometbft_peers.create(&config);
    assert_int_equal(tc_cometbft_peers.start(t, &io, &err), 0);
    for (unsigned side = 0; side < 2; side++)
        node_receive(&nodes[side], &io.wire[side]);
    pump(t, nodes, &io);
    assert_true(tc_cometbft_peers.open(t));
    for (unsigned side = 0; side < 2; side++) {
        assert_memory_equal(tc_cometbft_peers.peer(t, side), nodes[side].identity + 32, 32);
        assert_memory_equal(nodes[side].secret.peer, config.identity[side] + 32, 32);
        struct tc_bytes info = node_info(&nodes[side]), vote = frame_of(0x22, 3000);
        node_send(&nodes[side], &info);
        node_send(&nodes[side], &vote);
        tc_bytes_free(&info);
        tc_bytes_free(&vote);
    }
    pump(t, nodes, &io);
    for (unsigned side = 0; side < 2; side++) {
        struct tc_bytes info = node_info(&nodes[!side]), vote = frame_of(0x22, 3000);
        char id[41];
        tc_secret_node_id(config.identity[side] + 32, id); /* what NodeInfo must say: whom the handshake proved */
        memcpy(info.data + info.len - 40, id, 40);
        assert_int_equal(nodes[side].frames.len, info.len + vote.len);
        assert_memory_equal(nodes[side].frames.data, info.data, info.len);
        assert_memory_equal(nodes[side].frames.data + info.len, vote.data, vote.len);
        tc_bytes_free(&info);
        tc_bytes_free(&vote);
        node_close(&nodes[side]);
        tc_bytes_free(&io.wire[side]);
        tc_bytes_free(&io.frames[side]);
    }
    tc_cometbft_peers.destroy(t);
}

static void test_pair_impersonates(void **state)
{
    (void)state;
    talk(true);
}

static void test_pair_with_own_identity(void **state)
{
    (void)state;
    talk(false);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
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
        cmocka_unit_test(test_packets_round_trip),
        cmocka_unit_test(test_channels_interleave),
        cmocka_unit_test(test_ping_is_answered),
        cmocka_unit_test(test_bad_packets),
        cmocka_unit_test(test_random_packets),
        cmocka_unit_test(test_pair_impersonates),
        cmocka_unit_test(test_pair_with_own_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
