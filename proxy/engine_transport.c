/* Encrypted connections: raw bytes → transport → frames on the way in, frames → transport → raw bytes on the way out.
 * What is written in one step is sealed together at its end, so that small messages share an encrypted frame. */
#include "engine_internal.h"

#include <stdlib.h>

/* Writes what the transport made for both sides. The bytes live until the next step. */
static void write_sealed(struct tc_engine *e, uint32_t conn, struct tc_pair *pair)
{
    for (uint32_t side = 0; side < 2; side++) {
        struct tc_bytes *wire = &pair->io.wire[side];
        if (wire->len == 0)
            continue;
        struct tc_action *write = tc_engine_act(e, TC_ACT_WRITE);
        write->conn = (conn & ~1u) | side;
        write->bytes = tc_bytes_slice(wire);
        tc_engine_retire(e, wire->data);
        *wire = (struct tc_bytes){0};
    }
}

/* For whoever keeps a record of the connection. */
static void show(struct tc_engine *e, uint32_t conn, struct tc_slice bytes, bool received)
{
    if (!e->config.show_plain || bytes.len == 0)
        return;
    struct tc_action *plain = tc_engine_act(e, TC_ACT_PLAIN);
    plain->conn = conn;
    plain->bytes = bytes;
    plain->received = received;
}

/* Who breaks off on purpose has nothing more to say: the peer reads to the end of what was said. */
static void hang_up(struct tc_engine *e, uint32_t conn)
{
    tc_engine_pair_down(e, conn, false, false);
    for (uint32_t side = 0; side < 2; side++)
        tc_engine_act(e, TC_ACT_CLOSE)->conn = (conn & ~1u) | side;
}

/* The connection is closed as its peer would, and the run goes on. */
static void broken(struct tc_engine *e, uint32_t conn, struct tc_pair *pair, const struct tc_error *err)
{
    const uint32_t side = conn & 1;
    const uint16_t nodes[2] = {pair->from, pair->to};
    char *text = tc_engine_copy(err->text, sizeof err->text);
    struct tc_observation *o = tc_engine_observe(e, TC_OBS_BROKEN, nodes[side], nodes[!side]);
    o->text = text ? text : "an encrypted connection broke";
    o->exit.status = err->code;
    pair->broken = true;
    tc_engine_retire(e, text);
    write_sealed(e, conn, pair);
    if (err->code == TC_EREFUSED)
        hang_up(e, conn);
    else
        tc_engine_pair_down(e, conn, true, true);
}

static int begin(struct tc_engine *e, uint32_t conn, struct tc_pair *pair, struct tc_error *err)
{
    const struct tc_engine_transport *kind = &e->config.transport;
    struct tc_transport_config config = {.nodes = {pair->from, pair->to},
                                         .number = (uint64_t)pair->generation << 32 | conn >> 1};
    const int status = kind->configure(kind->self, &config, err);
    if (status)
        return status;
    tc_engine_handshake_fault(e, &config);
    pair->broken = config.fault != TC_HANDSHAKE_HONEST; /* that it does not end is then no peer's doing */
    pair->transport = kind->class->create(&config);
    if (!pair->transport)
        return tc_error_set(err, TC_EMEMORY, "no memory for an encrypted connection");
    return kind->class->start(pair->transport, &pair->io, err);
}

bool tc_engine_transport_start(struct tc_engine *e, uint32_t conn)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    struct tc_error err = {0};
    const int status = begin(e, conn, pair, &err);
    if (status) {
        e->out_of_memory |= status == TC_EMEMORY;
        broken(e, conn, pair, &err);
        return false;
    }
    write_sealed(e, conn, pair);
    return true;
}

struct tc_slice tc_engine_transport_receive(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    const struct tc_transport_class *class = e->config.transport.class;
    const bool was_open = class->open(pair->transport);
    struct tc_error err = {0};
    const int status = class->receive(pair->transport, conn & 1, bytes, &pair->io, &err);
    struct tc_slice frames = tc_bytes_slice(&pair->io.frames[conn & 1]);
    tc_engine_retire(e, pair->io.frames[conn & 1].data);
    pair->io.frames[conn & 1] = (struct tc_bytes){0};
    show(e, conn, frames, true);
    if (status) {
        e->out_of_memory |= status == TC_EMEMORY;
        broken(e, conn, pair, &err);
        return (struct tc_slice){NULL, 0};
    }
    write_sealed(e, conn, pair);
    if (!was_open && class->open(pair->transport)) {
        tc_engine_transport_dirty(e, conn, pair); /* what waited for the handshake */
        tc_engine_link_up(e, conn);
    }
    return frames;
}

void tc_engine_transport_dirty(struct tc_engine *e, uint32_t conn, struct tc_pair *pair)
{
    if (pair->sealing)
        return;
    if (e->sealing_count == e->sealing_size) {
        const size_t size = e->sealing_size ? e->sealing_size * 2 : 16;
        uint32_t *sealing = realloc(e->sealing, size * sizeof *sealing);
        if (!sealing) {
            e->out_of_memory = true;
            return;
        }
        e->sealing = sealing;
        e->sealing_size = size;
    }
    pair->sealing = true;
    e->sealing[e->sealing_count++] = conn & ~1u;
}

void tc_engine_transport_send(struct tc_engine *e, uint32_t conn, struct tc_pair *pair, struct tc_slice bytes)
{
    while (bytes.len > 0) {
        const int64_t len = e->protocol->frame(bytes);
        if (len <= 0 || (size_t)len > bytes.len)
            return; /* a script put something in place that is no frame: there is no way to say it */
        const struct tc_slice frame = {bytes.data, (size_t)len};
        if (e->config.transport.class->send(pair->transport, conn & 1, frame) == TC_EMEMORY)
            e->out_of_memory = true;
        show(e, conn, frame, false);
        bytes = (struct tc_slice){bytes.data + len, bytes.len - (size_t)len};
    }
    tc_engine_transport_dirty(e, conn, pair);
}

void tc_engine_transport_flush(struct tc_engine *e, uint32_t conn, struct tc_pair *pair)
{
    if (!pair->transport || !pair->sealing)
        return;
    pair->sealing = false;
    if (e->config.transport.class->flush(pair->transport, &pair->io))
        e->out_of_memory = true;
    write_sealed(e, conn, pair);
}

void tc_engine_transport_flush_all(struct tc_engine *e)
{
    for (size_t i = 0; i < e->sealing_count; i++) {
        struct tc_pair *pair = tc_engine_pair(e, e->sealing[i]);
        if (pair)
            tc_engine_transport_flush(e, e->sealing[i], pair);
    }
    e->sealing_count = 0;
}

void tc_engine_transport_free(struct tc_engine *e, struct tc_pair *pair)
{
    if (!pair->transport)
        return;
    e->config.transport.class->destroy(pair->transport);
    pair->transport = NULL;
    pair->sealing = false;
    for (size_t side = 0; side < 2; side++) {
        tc_bytes_free(&pair->io.wire[side]);
        tc_bytes_free(&pair->io.frames[side]);
    }
}
