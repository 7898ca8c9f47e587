/* links: tc_protocol tc_base
 * MConnection and both ends of a pair: packets, pings, bytes that are none, frames that pass from node to node. */
#include "cometbft_fixture.h"

/* ---- packets ---- */

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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_round_trip),     cmocka_unit_test(test_channels_interleave),
        cmocka_unit_test(test_ping_is_answered),       cmocka_unit_test(test_bad_packets),
        cmocka_unit_test(test_random_packets),         cmocka_unit_test(test_pair_impersonates),
        cmocka_unit_test(test_pair_with_own_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
