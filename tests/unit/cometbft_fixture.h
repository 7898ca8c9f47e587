/* A fake CometBFT node: one end of a peer connection, with the keys and the packets of a real one. */
#ifndef TC_COMETBFT_FIXTURE_H
#define TC_COMETBFT_FIXTURE_H

#include "../../proxy/random.h"
#include "../../reference/cometbft/mconnection.h"
#include "../../reference/cometbft/peers.h"
#include "../../reference/cometbft/secret.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline struct tc_slice text(const char *s)
{
    return (struct tc_slice){(const uint8_t *)s, strlen(s)};
}

/* A frame of a channel with `len` bytes that depend on the channel. */
static inline struct tc_bytes frame_of(uint8_t channel, size_t len)
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

struct node {
    struct tc_secret secret;
    struct tc_mconnection packets;
    struct tc_bytes wire, plain, out, frames;
    uint8_t identity[64];
};

static inline void node_open(struct node *node, uint8_t number)
{
    uint8_t scalar[32], seed[32], public_key[32];
    *node = (struct node){0};
    memset(scalar, number, sizeof scalar);
    memset(seed, number + 50, sizeof seed);
    crypto_sign_seed_keypair(public_key, node->identity, seed);
    assert_int_equal(tc_secret_begin(&node->secret, scalar, node->identity, TC_HANDSHAKE_HONEST, &node->wire), 0);
}

static inline void node_close(struct node *node)
{
    tc_bytes_free(&node->wire);
    tc_bytes_free(&node->plain);
    tc_bytes_free(&node->out);
    tc_bytes_free(&node->frames);
    tc_mconnection_free(&node->packets);
}

static inline void node_receive(struct node *node, struct tc_bytes *wire)
{
    struct tc_error err = {0};
    assert_int_equal(tc_secret_receive(&node->secret, tc_bytes_slice(wire), &node->wire, &node->plain, &err), 0);
    assert_int_equal(
        tc_mconnection_receive(&node->packets, tc_bytes_slice(&node->plain), &node->out, &node->frames, &err), 0);
    wire->len = 0;
    node->plain.len = 0;
}

static inline void node_send(struct node *node, struct tc_bytes *frame)
{
    struct tc_bytes packets = {0};
    assert_int_equal(tc_mconnection_send(tc_bytes_slice(frame), &packets), 0);
    assert_int_equal(tc_secret_seal(&node->secret, tc_bytes_slice(&packets), &node->wire), 0);
    tc_bytes_free(&packets);
}

/* Moves bytes between the two nodes and the transport until nothing moves, forwarding every frame. */
static inline void pump(struct tc_transport *t, struct node nodes[2], struct tc_transport_io *io)
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
static inline struct tc_bytes node_info(const struct node *node)
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

#endif
