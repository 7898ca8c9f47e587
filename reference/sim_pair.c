/* Pairs of connections, as the engine numbers them: the near end is the dialler's, the far one its target's. A number
 * is used again once both nodes and the engine are done with it; whatever still names its earlier use is void. */
#include "../proxy/random.h"
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN_NS UINT64_C(20000000) /* as the node's own dialling */
#define BACKOFF_MAX_NS (TC_SIM_REDIAL_MAX_NS / 5 * 4)
#define STEADY_NS      UINT64_C(1000000000)

static uint16_t other(const struct tc_sim *sim, uint32_t conn)
{
    return sim->pairs[conn >> 1].side[~conn & 1].node;
}

static struct tc_sim_side *side_now(struct tc_sim *sim, uint32_t conn)
{
    const uint32_t pair = conn >> 1;
    return pair < sim->pair_count && sim->pairs[pair].used ? &sim->pairs[pair].side[conn & 1] : NULL;
}

struct tc_sim_side *tc_sim_side(struct tc_sim *sim, uint32_t conn, uint32_t use)
{
    struct tc_sim_side *side = side_now(sim, conn);
    return side && sim->pairs[conn >> 1].use == use ? side : NULL;
}

static void push(struct tc_sim *sim, enum tc_sim_event_kind kind, uint32_t conn, uint64_t time_ns, bool ok)
{
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = time_ns,
                                           .kind = kind,
                                           .ok = ok,
                                           .node = sim->pairs[conn >> 1].side[conn & 1].node,
                                           .conn = conn,
                                           .use = sim->pairs[conn >> 1].use});
}

/* ---- taking and giving back ---- */

static int64_t pair_take(struct tc_sim *sim)
{
    uint32_t number;
    if (sim->pair_free) {
        number = sim->pair_free - 1;
        sim->pair_free = sim->pairs[number].next_free;
    } else {
        if (sim->pair_count == TC_PAIRS_MAX)
            return -1;
        if (sim->pair_count == sim->pair_size) {
            const uint32_t size = sim->pair_size ? 2 * sim->pair_size : 64;
            struct tc_sim_pair *pairs = realloc(sim->pairs, size * sizeof *pairs);
            if (!pairs)
                return -1;
            sim->pairs = pairs;
            sim->pair_size = size;
        }
        number = sim->pair_count++;
        memset(&sim->pairs[number], 0, sizeof sim->pairs[number]);
    }
    const uint32_t use = sim->pairs[number].use + 1;
    sim->pairs[number] = (struct tc_sim_pair){.used = true, .use = use};
    return number;
}

static bool over(const struct tc_sim_side *side)
{
    return !side->dialling && (!side->open || (side->node_gone && side->engine_gone));
}

static void buffers_free(struct tc_sim_side *side)
{
    free(side->in);
    free(side->wait);
    side->in = NULL;
    side->wait = NULL;
}

void tc_sim_settle(struct tc_sim *sim, uint32_t conn)
{
    struct tc_sim_pair *pair = &sim->pairs[conn >> 1];
    if (!pair->used || !over(&pair->side[0]) || !over(&pair->side[1]))
        return;
    buffers_free(&pair->side[0]);
    buffers_free(&pair->side[1]);
    pair->used = false;
    pair->next_free = sim->pair_free;
    sim->pair_free = (conn >> 1) + 1;
}

void tc_sim_pairs_free(struct tc_sim *sim)
{
    for (uint32_t i = 0; i < sim->pair_count; i++) {
        if (!sim->pairs[i].used)
            continue;
        buffers_free(&sim->pairs[i].side[0]);
        buffers_free(&sim->pairs[i].side[1]);
    }
    free(sim->pairs);
}

/* ---- dialling ---- */

static void redial_at(struct tc_sim *sim, uint16_t node, uint16_t to, uint64_t time_ns)
{
    tc_sim_push(
        sim,
        (struct tc_sim_event){
            .time_ns = time_ns, .kind = TC_SIM_REDIAL, .node = node, .peer = to, .use = sim->nodes[node].incarnation});
}

void tc_sim_dial_all(struct tc_sim *sim, uint16_t node)
{
    for (uint16_t to = 0; to < sim->cluster->n; to++) {
        if (to == node)
            continue;
        struct tc_sim_link *link = tc_sim_link(sim, node, to);
        *link = (struct tc_sim_link){
            .pair = TC_SIM_NONE, .backoff_ns = BACKOFF_MIN_NS, .up_at_ns = TC_NEVER_NS, .attempts = link->attempts};
        redial_at(sim, node, to, sim->now_ns);
    }
}

bool tc_sim_all_linked(const struct tc_sim *sim)
{
    for (uint16_t node = 0; node < sim->cluster->n; node++)
        for (uint16_t to = 0; to < sim->cluster->n; to++)
            if (node != to && sim->nodes[node].up && sim->nodes[to].up &&
                !sim->links[(size_t)node * sim->cluster->n + to].connected)
                return false;
    return true;
}

void tc_sim_links_calm(struct tc_sim *sim)
{
    const size_t nodes = sim->cluster->n + sim->client_count;
    for (size_t i = 0; i < nodes * sim->cluster->n; i++)
        sim->links[i].backoff_ns = BACKOFF_MIN_NS;
}

static void link_lost(struct tc_sim *sim, uint16_t node, uint16_t to)
{
    struct tc_sim_link *link = tc_sim_link(sim, node, to);
    link->pair = TC_SIM_NONE;
    link->connected = false;
    if (link->up_at_ns != TC_NEVER_NS && sim->now_ns - link->up_at_ns >= STEADY_NS)
        link->backoff_ns = BACKOFF_MIN_NS;
    link->up_at_ns = TC_NEVER_NS;
    const uint64_t h = tc_random_mix(tc_random_mix(tc_random_mix(sim->config.seed, node), to), link->attempts++);
    redial_at(sim, node, to, sim->now_ns + link->backoff_ns * 3 / 4 + tc_random_below(h, link->backoff_ns / 2));
    link->backoff_ns = link->backoff_ns * 2 < BACKOFF_MAX_NS ? link->backoff_ns * 2 : BACKOFF_MAX_NS;
}

void tc_sim_redial(struct tc_sim *sim, const struct tc_sim_event *event)
{
    struct tc_sim_link *link = tc_sim_link(sim, event->node, event->peer);
    if (!tc_sim_is_current(sim, event) || link->pair != TC_SIM_NONE)
        return;
    const int64_t number = pair_take(sim);
    if (number < 0) {
        tc_sim_fail(sim, TC_EMEMORY, "no room for another connection");
        return;
    }
    struct tc_sim_pair *pair = &sim->pairs[number];
    pair->side[0] = (struct tc_sim_side){.open = true, .node = event->node, .named = event->peer};
    pair->side[1] = (struct tc_sim_side){.node = event->peer, .named = TC_NODE_NONE};
    link->pair = (uint32_t)number;
    sim->stats.connections++;
    push(sim, TC_SIM_CONNECTED, TC_CONN_NEAR(number), sim->now_ns, true);
    /* As live: the address names a replica that dials; a client's hello does. */
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_ACCEPTED,
                                        .conn = TC_CONN_NEAR(number),
                                        .from = event->node < TC_CLIENT_FIRST ? event->node : TC_NODE_NONE,
                                        .to = event->peer,
                                        .generation = (uint32_t)++sim->accepted});
}

void tc_sim_connected(struct tc_sim *sim, const struct tc_sim_event *event)
{
    const struct tc_sim_side *side = tc_sim_side(sim, event->conn, event->use);
    struct tc_slice hello;
    if (!side || side->node_gone)
        return;
    const uint16_t node = side->node, to = side->named;
    struct tc_sim_link *link = tc_sim_link(sim, node, to);
    link->connected = true;
    link->up_at_ns = sim->now_ns;
    tc_arena_reset(&sim->memory->arena);
    if (sim->wire->hello(sim->cluster, node, &sim->memory->arena, &hello) < 0) {
        tc_sim_fail(sim, TC_EMEMORY, "no memory for a hello");
        return;
    }
    tc_sim_say(sim, event->conn, hello);
    if (node < TC_CLIENT_FIRST)
        tc_sim_replica_step(sim, node, TC_REPLICA_LINK, to, (struct tc_slice){0});
    else
        tc_sim_client_linked(sim, node, to);
}

void tc_sim_dial(struct tc_sim *sim, uint32_t conn, uint16_t to)
{
    struct tc_sim_side *side = side_now(sim, conn);
    if (!side || side->open || side->dialling)
        return;
    side->dialling = true;
    const uint64_t latency_ns = tc_sim_latency_ns(sim, other(sim, conn), to, sim->accepted);
    push(sim, TC_SIM_DIAL, conn, sim->now_ns + latency_ns, true);
}

void tc_sim_dial_arrives(struct tc_sim *sim, const struct tc_sim_event *event)
{
    struct tc_sim_side *side = tc_sim_side(sim, event->conn, event->use);
    if (!side || !side->dialling)
        return;
    side->dialling = false;
    side->open = sim->nodes[side->node].up;
    tc_sim_step(sim, &(struct tc_event){.kind = side->open ? TC_EV_DIALLED : TC_EV_DIAL_FAILED,
                                        .conn = event->conn,
                                        .to = side->node,
                                        .text = "nobody listens there"});
    tc_sim_settle(sim, event->conn);
}

/* ---- ending ---- */

void tc_sim_close(struct tc_sim *sim, uint32_t conn, bool reset)
{
    struct tc_sim_side *side = side_now(sim, conn);
    if (!side)
        return;
    side->dialling = false;
    if (side->open) {
        const uint64_t at_ns = sim->now_ns + tc_sim_latency_ns(sim, other(sim, conn), side->node, sim->accepted);
        side->engine_gone = side->engine_gone || reset;
        side->last_ns = at_ns > side->last_ns ? at_ns : side->last_ns; /* what was written before comes before */
        push(sim, TC_SIM_END, conn, side->last_ns, reset);
    }
    tc_sim_settle(sim, conn);
}

/* The engine hears that this end is closed; after a reset it is done with both. */
static void tell_closed(struct tc_sim *sim, uint32_t conn, bool reset)
{
    struct tc_sim_pair *pair = &sim->pairs[conn >> 1];
    if (!reset)
        tc_sim_read_rest(sim, conn);
    pair->side[conn & 1].engine_gone = true;
    if (reset)
        pair->side[~conn & 1].engine_gone = true;
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_CLOSED, .conn = conn, .reset = reset});
}

void tc_sim_hang_up(struct tc_sim *sim, uint32_t conn)
{
    struct tc_sim_side *side = side_now(sim, conn);
    if (!side || !side->open || side->node_gone)
        return;
    const uint16_t node = side->node, named = side->named;
    uint32_t *newest = tc_sim_newest(sim, node, named);
    side->node_gone = true;
    if ((conn & 1) == 0)
        link_lost(sim, node, named);
    else if (newest && *newest == (conn >> 1) + 1)
        *newest = 0;
    if (!side->engine_gone)
        tell_closed(sim, conn, false);
    tc_sim_settle(sim, conn);
}

void tc_sim_end_arrives(struct tc_sim *sim, const struct tc_sim_event *event)
{
    if (!tc_sim_side(sim, event->conn, event->use))
        return;
    tc_sim_hang_up(sim, event->conn); /* a node that reads the end closes its own side too */
}

void tc_sim_closed(struct tc_sim *sim, const struct tc_sim_event *event)
{
    const struct tc_sim_side *side = tc_sim_side(sim, event->conn, event->use);
    if (!side)
        return;
    if (event->ok || !side->engine_gone)
        tell_closed(sim, event->conn, event->ok);
    tc_sim_settle(sim, event->conn);
}

void tc_sim_reset_soon(struct tc_sim *sim, uint32_t conn)
{
    struct tc_sim_side *side = side_now(sim, conn);
    if (!side || side->told_reset)
        return;
    side->told_reset = true;
    push(sim, TC_SIM_CLOSED, conn, sim->now_ns, true);
}

/* The engine, told of the near end, closes the far one itself. */
void tc_sim_cut(struct tc_sim *sim, uint32_t conn)
{
    const uint32_t near = conn & ~1u;
    struct tc_sim_pair *pair = &sim->pairs[conn >> 1];
    if (pair->side[0].deaf)
        return;
    pair->side[0].deaf = true;
    pair->side[1].deaf = true;
    sim->stats.cuts++;
    tc_sim_reset_soon(sim, near);
    push(sim, TC_SIM_END, near, sim->now_ns, true);
}

void tc_sim_node_lost(struct tc_sim *sim, uint16_t node)
{
    for (uint32_t i = 0; i < sim->pair_count; i++) {
        for (uint32_t s = 0; s < 2 && sim->pairs[i].used; s++) {
            struct tc_sim_side *side = &sim->pairs[i].side[s];
            if (!side->open || side->node != node || side->node_gone)
                continue;
            side->node_gone = true;
            if (!side->engine_gone) /* what it had said before still arrives */
                push(sim, TC_SIM_CLOSED, 2 * i + s, sim->now_ns, false);
            else
                tc_sim_settle(sim, 2 * i + s);
        }
    }
    for (uint32_t i = 0; i < sim->client_count && node < sim->cluster->n; i++)
        *tc_sim_newest(sim, node, (uint16_t)(TC_CLIENT_FIRST + i)) = 0;
}
