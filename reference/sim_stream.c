/* Bytes on connections: from a node to the engine at once, from the engine to a node after the link's latency; and the
 * frames that a node makes of them, as node_net.c and client_session.c do for processes. */
#include "fields.h"
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- from the engine to a node ---- */

void tc_sim_write(struct tc_sim *sim, uint32_t conn, struct tc_slice bytes)
{
    struct tc_sim_pair *pair = &sim->pairs[conn >> 1];
    if (conn >> 1 >= sim->pair_count || !pair->used)
        return;
    struct tc_sim_side *side = &pair->side[conn & 1];
    if (!side->open || side->deaf)
        return;
    if (side->node_gone) {
        tc_sim_reset_soon(sim, conn);
        return;
    }
    const uint16_t from = pair->side[~conn & 1].node;
    const size_t nodes = sim->cluster->n + sim->client_count;
    const uint64_t k = sim->link_count[tc_sim_node_index(sim, from) * nodes + tc_sim_node_index(sim, side->node)]++;
    sim->stats.writes++;
    sim->stats.bytes += bytes.len;
    if (tc_sim_breaks(sim, from, side->node, k)) {
        tc_sim_cut(sim, conn);
        return;
    }
    const uint64_t at_ns = sim->now_ns + tc_sim_travel_ns(sim, from, side->node, k, bytes.len);
    if (at_ns > side->last_ns)
        side->last_ns = at_ns;
    struct tc_sim_event event = {
        .time_ns = side->last_ns, .kind = TC_SIM_BYTES, .node = side->node, .conn = conn, .use = pair->use};
    event.blob = tc_sim_blob_new(sim, bytes);
    if (event.blob)
        tc_sim_push(sim, event);
    else
        tc_sim_fail(sim, TC_EMEMORY, "no memory for %zu bytes on their way", bytes.len);
}

/* ---- from a node to the engine ---- */

void tc_sim_say(struct tc_sim *sim, uint32_t conn, struct tc_slice bytes)
{
    struct tc_sim_side *side = &sim->pairs[conn >> 1].side[conn & 1];
    if (side->engine_gone || side->node_gone)
        return;
    if (!side->read_stopped && side->wait_len == 0)
        tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_BYTES, .conn = conn, .bytes = bytes});
    else if (!tc_sim_append(&side->wait, &side->wait_len, &side->wait_size, bytes))
        tc_sim_fail(sim, TC_EMEMORY, "no memory for what waits to be read");
}

void tc_sim_say_to(struct tc_sim *sim, uint16_t from, uint16_t to, struct tc_slice bytes)
{
    if (to < sim->cluster->n && to != from) {
        const struct tc_sim_link *link = tc_sim_link(sim, from, to);
        if (link->connected)
            tc_sim_say(sim, TC_CONN_NEAR(link->pair), bytes);
    } else {
        const uint32_t *newest = tc_sim_newest(sim, from, to);
        if (newest && *newest > 0)
            tc_sim_say(sim, TC_CONN_FAR(*newest - 1), bytes);
    }
}

void tc_sim_read_stop(struct tc_sim *sim, uint32_t conn, bool stop)
{
    struct tc_sim_pair *pair = &sim->pairs[conn >> 1];
    if (conn >> 1 >= sim->pair_count || !pair->used)
        return;
    pair->side[conn & 1].read_stopped = stop;
    if (!stop)
        tc_sim_push(
            sim, (struct tc_sim_event){.time_ns = sim->now_ns, .kind = TC_SIM_RESUME, .conn = conn, .use = pair->use});
}

void tc_sim_read_rest(struct tc_sim *sim, uint32_t conn)
{
    struct tc_sim_side *side = &sim->pairs[conn >> 1].side[conn & 1];
    if (side->wait_len == 0 || side->engine_gone)
        return;
    uint8_t *bytes = side->wait;
    const size_t len = side->wait_len;
    side->wait = NULL;
    side->wait_len = 0;
    side->wait_size = 0;
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_BYTES, .conn = conn, .bytes = {bytes, len}});
    free(bytes);
}

/* ---- frames ---- */

static void refuse(struct tc_sim *sim, uint32_t conn, const char *why)
{
    const struct tc_sim_side *side = &sim->pairs[conn >> 1].side[conn & 1];
    tc_sim_complain(sim, side->node, side->named, "connection refused: %s", why);
    tc_sim_hang_up(sim, conn);
}

static bool of_this_cluster(const struct tc_sim *sim, const struct tc_message *m)
{
    struct tc_field_value value;
    const char *id = sim->cluster->id;
    if (m->statement_count == 0 || tc_fields_get(m->statements[0].fields, "cluster", 0, &value) < 0)
        return true;
    return value.bytes.len == strlen(id) && memcmp(value.bytes.data, id, value.bytes.len) == 0;
}

/* The first frame to a replica: who is there. */
static void greet(struct tc_sim *sim, uint32_t conn, struct tc_slice frame)
{
    struct tc_sim_side *side = &sim->pairs[conn >> 1].side[conn & 1];
    struct tc_message m = {0};
    uint16_t who;
    tc_arena_reset(&sim->memory->arena);
    if (sim->protocol->decode(frame, &sim->memory->arena, &m) < 0 || sim->protocol->hello(&m, &who) < 0) {
        refuse(sim, conn, "its first frame is no hello");
    } else if (!tc_keyring_public(sim->config.env.keys, who) || who == side->node) {
        refuse(sim, conn, "its hello names no node of the cluster");
    } else if (!of_this_cluster(sim, &m)) {
        refuse(sim, conn, "its hello names another cluster");
    } else {
        side->named = who;
        uint32_t *newest = tc_sim_newest(sim, side->node, who);
        if (newest)
            *newest = (conn >> 1) + 1;
    }
}

static void node_hears(struct tc_sim *sim, uint32_t conn, struct tc_slice frame)
{
    const struct tc_sim_side *side = &sim->pairs[conn >> 1].side[conn & 1];
    if (side->node >= TC_CLIENT_FIRST)
        tc_sim_client_hears(sim, side->node, side->named, frame);
    else if ((conn & 1) == 0)
        return; /* nobody speaks to a replica on the connection that it dialled */
    else if (side->named == TC_NODE_NONE)
        greet(sim, conn, frame);
    else
        tc_sim_replica_step(sim, side->node, TC_REPLICA_FRAME, side->named, frame);
}

/* All whole frames at the start of `bytes`; how many bytes they were. */
static size_t frames(struct tc_sim *sim, uint32_t conn, uint32_t use, struct tc_slice bytes)
{
    size_t at = 0;
    while (at < bytes.len && sim->status == 0) {
        const struct tc_sim_side *side = tc_sim_side(sim, conn, use);
        if (!side || side->node_gone)
            return bytes.len;
        const struct tc_slice rest = {bytes.data + at, bytes.len - at};
        const int64_t len = sim->protocol->frame(rest);
        if (len < 0 || len > (int64_t)TC_FRAME_MAX) {
            tc_sim_complain(sim, side->node, side->named, "connection ended: malformed frame");
            tc_sim_hang_up(sim, conn);
            return bytes.len;
        }
        if (len == TC_FRAME_PARTIAL)
            break;
        node_hears(sim, conn, (struct tc_slice){rest.data, (size_t)len});
        at += (size_t)len;
    }
    return at;
}

void tc_sim_arrive(struct tc_sim *sim, const struct tc_sim_event *event)
{
    struct tc_sim_side *side = tc_sim_side(sim, event->conn, event->use);
    struct tc_slice bytes = {event->blob->data, event->blob->len};
    if (!side || side->node_gone || side->deaf)
        return;
    const bool joined = side->in_len > 0;
    if (joined) {
        if (!tc_sim_append(&side->in, &side->in_len, &side->in_size, bytes)) {
            tc_sim_fail(sim, TC_EMEMORY, "no memory for a frame");
            return;
        }
        bytes = (struct tc_slice){side->in, side->in_len};
    }
    const size_t used = frames(sim, event->conn, event->use, bytes);
    side = tc_sim_side(sim, event->conn, event->use);
    if (!side || side->node_gone)
        return;
    const struct tc_slice rest = {bytes.data + used, bytes.len - used};
    if (joined) {
        memmove(side->in, rest.data, rest.len);
        side->in_len = rest.len;
    } else if (rest.len > 0 && !tc_sim_append(&side->in, &side->in_len, &side->in_size, rest)) {
        tc_sim_fail(sim, TC_EMEMORY, "no memory for a frame");
    }
}
