/* Both ends of a pair. Where we are not the node at the other side but ourselves (own identity), NodeInfo names the
 * key we proved: its second field, the node id, is written anew. */
#include "peers.h"

#include "../../proxy/cursor.h"
#include "mconnection.h"
#include "secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TAG_NODE_ID   0x12
#define NODE_ID_BYTES 40

struct end {
    struct tc_secret secret;
    struct tc_mconnection packets;
    struct tc_bytes plain; /* decrypted, on its way to packets */
    struct tc_bytes out;   /* packets to be sealed */
};

struct tc_transport {
    struct tc_transport_config config;
    struct end ends[2];
};

static struct tc_transport *peers_create(const struct tc_transport_config *config)
{
    struct tc_transport *t = calloc(1, sizeof *t);
    if (t)
        t->config = *config;
    return t;
}

/* Nobody who lacks the world's secret can tell it, and no two connections share it. */
static void derive_scalar(const struct tc_transport *t, unsigned side, uint8_t scalar[static TC_SECRET_SCALAR_SIZE])
{
    uint8_t label[9];
    struct tc_writer w = tc_writer_into(label, sizeof label);
    tc_writer_u64(&w, t->config.number);
    tc_writer_u8(&w, (uint8_t)side);
    crypto_generichash(scalar, TC_SECRET_SCALAR_SIZE, label, sizeof label, t->config.secret, sizeof t->config.secret);
}

static int peers_start(struct tc_transport *t, struct tc_transport_io *io, struct tc_error *err)
{
    int status = 0;
    for (unsigned side = 0; side < 2 && status == 0; side++) {
        uint8_t scalar[TC_SECRET_SCALAR_SIZE];
        const enum tc_handshake_fault fault = t->config.fault_side == side ? t->config.fault : TC_HANDSHAKE_HONEST;
        derive_scalar(t, side, scalar);
        status = tc_secret_begin(&t->ends[side].secret, scalar, t->config.identity[side], fault, &io->wire[side]);
        sodium_memzero(scalar, sizeof scalar);
    }
    if (status == TC_EREFUSED)
        return tc_error_set(err, status, "the ephemeral key is withheld on purpose");
    return status;
}

static bool peers_open(const struct tc_transport *t)
{
    return t->ends[0].secret.state == TC_SECRET_OPEN && t->ends[1].secret.state == TC_SECRET_OPEN;
}

static int seal_side(struct end *end, struct tc_bytes *wire)
{
    if (end->out.len == 0 || end->secret.state != TC_SECRET_OPEN)
        return 0;
    const int status = tc_secret_seal(&end->secret, tc_bytes_slice(&end->out), wire);
    end->out.len = 0;
    return status;
}

/* Somebody else is at this address than the key of it says. */
static int check_peer(const struct tc_transport *t, unsigned side, struct tc_error *err)
{
    char expected[41], found[41];
    const struct tc_secret *secret = &t->ends[side].secret;
    if (!t->config.is_known[side] || secret->state != TC_SECRET_OPEN ||
        memcmp(secret->peer, t->config.known[side], sizeof secret->peer) == 0)
        return 0;
    tc_secret_node_id(t->config.known[side], expected);
    tc_secret_node_id(secret->peer, found);
    return tc_error_set(err, TC_EKEY, "expected the node with the id %s here, found %s", expected, found);
}

static int peers_receive(struct tc_transport *t, unsigned side, struct tc_slice wire, struct tc_transport_io *io,
                         struct tc_error *err)
{
    struct end *end = &t->ends[side];
    const bool was_open = end->secret.state == TC_SECRET_OPEN;
    int status = tc_secret_receive(&end->secret, wire, &io->wire[side], &end->plain, err);
    if (status == 0 && !was_open)
        status = check_peer(t, side, err);
    if (status == 0 && end->plain.len > 0) {
        status = tc_mconnection_receive(&end->packets, tc_bytes_slice(&end->plain), &end->out, &io->frames[side], err);
        end->plain.len = 0;
    }
    return status ? status : seal_side(end, &io->wire[side]);
}

/* NodeInfo with our own id in place of the node's: every other field as it came. */
static int rename_node(const struct tc_transport *t, unsigned side, struct tc_slice frame, struct tc_bytes *renamed)
{
    char id[NODE_ID_BYTES + 1];
    tc_secret_node_id(t->config.identity[side] + 32, id);
    if (tc_bytes_append(renamed, frame))
        return TC_EMEMORY;
    struct tc_cursor c = tc_cursor_over((struct tc_slice){renamed->data, renamed->len});
    tc_cursor_bytes(&c, TC_CHANNEL_FRAME_HEAD);
    while (tc_cursor_ok(&c) && tc_cursor_left(&c) > 0) {
        const uint64_t tag = tc_cursor_varint(&c);
        if ((tag & 7) == 0) {
            tc_cursor_varint(&c);
            continue;
        }
        const uint64_t len = tc_cursor_varint(&c);
        const struct tc_slice value = tc_cursor_bytes(&c, len <= frame.len ? (size_t)len : frame.len + 1);
        if (tag == TAG_NODE_ID && value.len == NODE_ID_BYTES)
            memcpy(renamed->data + (value.data - renamed->data), id, NODE_ID_BYTES);
    }
    return 0;
}

static bool is_own_identity(const struct tc_transport *t, unsigned side, struct tc_slice frame)
{
    return frame.len >= TC_CHANNEL_FRAME_HEAD && frame.data[TC_CHANNEL_FRAME_HEAD - 1] == TC_CHANNEL_NODE_INFO &&
           t->ends[!side].secret.state == TC_SECRET_OPEN &&
           memcmp(t->ends[!side].secret.peer, t->config.identity[side] + 32, 32) != 0;
}

static int peers_send(struct tc_transport *t, unsigned side, struct tc_slice frame)
{
    struct end *end = &t->ends[side];
    if (end->secret.state == TC_SECRET_CLOSED)
        return TC_EREFUSED;
    if (!is_own_identity(t, side, frame))
        return tc_mconnection_send(frame, &end->out);
    struct tc_bytes renamed = {0};
    int status = rename_node(t, side, frame, &renamed);
    if (status == 0)
        status = tc_mconnection_send(tc_bytes_slice(&renamed), &end->out);
    tc_bytes_free(&renamed);
    return status;
}

static int peers_flush(struct tc_transport *t, struct tc_transport_io *io)
{
    for (unsigned side = 0; side < 2; side++)
        if (seal_side(&t->ends[side], &io->wire[side]))
            return TC_EMEMORY;
    return 0;
}

static const uint8_t *peers_peer(const struct tc_transport *t, unsigned side)
{
    return t->ends[side].secret.state == TC_SECRET_OPEN ? t->ends[side].secret.peer : NULL;
}

static void peers_destroy(struct tc_transport *t)
{
    if (!t)
        return;
    for (unsigned side = 0; side < 2; side++) {
        tc_secret_wipe(&t->ends[side].secret);
        tc_mconnection_free(&t->ends[side].packets);
        tc_bytes_free(&t->ends[side].plain);
        tc_bytes_free(&t->ends[side].out);
    }
    sodium_memzero(t, sizeof *t);
    free(t);
}

const struct tc_transport_class tc_cometbft_peers = {
    .name = "cometbft",
    .create = peers_create,
    .start = peers_start,
    .receive = peers_receive,
    .send = peers_send,
    .flush = peers_flush,
    .open = peers_open,
    .peer = peers_peer,
    .destroy = peers_destroy,
};
