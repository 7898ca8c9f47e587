/* Connections: accept, dial, close, naming, back-pressure. */
#include "engine_internal.h"
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_CONN UINT32_MAX

/* ---- which connection serves a link ---- */

static uint32_t *link_slot(struct tc_engine *e, uint16_t from, uint16_t to)
{
    if (from >= TC_NODES_MAX || to >= TC_NODES_MAX)
        return NULL;
    if (!e->link_conn[from]) {
        e->link_conn[from] = calloc(TC_NODES_MAX, sizeof *e->link_conn[from]);
        e->out_of_memory |= !e->link_conn[from];
    }
    return e->link_conn[from] ? &e->link_conn[from][to] : NULL;
}

/* The near lane is sure to be read as this link; the far lane serves where nothing better is there. */
static void link_register(struct tc_engine *e, uint32_t conn, const struct tc_lane *lane)
{
    uint32_t *slot = link_slot(e, lane->from, lane->to);
    if (slot && (*slot == 0 || (conn & 1) == 0))
        *slot = conn + 1;
}

static void link_forget(struct tc_engine *e, uint32_t conn, const struct tc_lane *lane)
{
    uint32_t *slot = link_slot(e, lane->from, lane->to);
    if (!slot || *slot != conn + 1)
        return;
    *slot = 0;
    for (uint32_t i = 0; i < e->pair_count; i++) {
        const struct tc_pair *pair = e->pairs[i];
        if (!pair || !pair->open || !pair->up || i == conn >> 1)
            continue;
        for (uint32_t side = 0; side < 2; side++)
            if (pair->lanes[side].from == lane->from && pair->lanes[side].to == lane->to && !pair->lanes[side].closed)
                link_register(e, (i << 1) | side, &pair->lanes[side]);
    }
}

uint32_t tc_engine_link_conn(struct tc_engine *e, uint16_t from, uint16_t to)
{
    uint32_t *slot = link_slot(e, from, to);
    if (!slot || *slot == 0)
        return NO_CONN;
    const struct tc_lane *lane = tc_engine_lane(e, *slot - 1);
    return lane && !lane->closed ? *slot - 1 : NO_CONN;
}

/* ---- coming up ---- */

static struct tc_pair *pair_make(struct tc_engine *e, uint32_t number)
{
    if (number >= e->pair_count) {
        uint32_t count = e->pair_count ? e->pair_count : 64;
        while (count <= number)
            count *= 2;
        struct tc_pair **pairs = realloc(e->pairs, count * sizeof *pairs);
        if (!pairs)
            return NULL;
        memset(pairs + e->pair_count, 0, (count - e->pair_count) * sizeof *pairs);
        e->pairs = pairs;
        e->pair_count = count;
    }
    if (!e->pairs[number])
        e->pairs[number] = calloc(1, sizeof *e->pairs[number]);
    return e->pairs[number];
}

static void pair_link_up(struct tc_engine *e, uint32_t conn, struct tc_pair *pair)
{
    if (pair->up || !pair->dialled || pair->from == TC_NODE_NONE)
        return;
    pair->up = true;
    link_register(e, conn & ~1u, &pair->lanes[0]);
    link_register(e, conn | 1u, &pair->lanes[1]);
    if (tc_engine_loss(e) == TC_LOSS_RESYNCHRONISED && !e->attacking && tc_links_remove(&e->lost, pair->from, pair->to))
        e->faults_dirty = true;                /* the new connection says again what was lost */
    if (pair->lanes[0].shows != TC_SHOWS_SAID) /* of a capture's two legs one tells */
        tc_engine_observe(e, TC_OBS_LINK_UP, pair->from, pair->to);
}

void tc_engine_link_up(struct tc_engine *e, uint32_t conn)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (pair)
        pair_link_up(e, conn, pair);
}

static void pair_refuse(struct tc_engine *e, uint32_t conn)
{
    struct tc_action *close = tc_engine_act(e, TC_ACT_CLOSE);
    close->conn = conn & ~1u;
    close->reset = true;
    tc_engine_cut_happened(e, true);
}

void tc_engine_accepted(struct tc_engine *e, const struct tc_event *event)
{
    uint32_t conn = event->conn & ~1u;
    if (conn >> 1 >= TC_PAIRS_MAX) {
        pair_refuse(e, conn);
        tc_engine_overflow(e, event->from, event->to, "connection pairs");
        return;
    }
    if (tc_engine_pair(e, conn)) /* the world knows better: the old pair is gone */
        tc_engine_pair_down(e, conn, false, false);
    if (tc_links_has(&e->cut, event->from, event->to)) {
        pair_refuse(e, conn);
        return;
    }
    struct tc_pair *pair = pair_make(e, conn >> 1);
    if (!pair) {
        e->out_of_memory = true;
        return;
    }
    bool raw = !e->handler && !e->config.observe;
    *pair = (struct tc_pair){.open = true, .generation = event->generation, .from = event->from, .to = event->to};
    pair->lanes[0] = (struct tc_lane){.from = event->from, .to = event->to, .raw = raw};
    pair->lanes[1] = (struct tc_lane){.from = event->to, .to = event->from, .raw = raw};
    tc_engine_leg(pair, event->leg);
    struct tc_action *dial = tc_engine_act(e, TC_ACT_DIAL);
    dial->conn = conn | 1u;
    dial->to = event->to;
}

static bool is_connected(const struct tc_engine *e, uint16_t node)
{
    for (uint32_t i = 0; i < e->pair_count; i++)
        if (e->pairs[i] && e->pairs[i]->open && e->pairs[i]->dialled &&
            (e->pairs[i]->to == node || e->pairs[i]->from == node))
            return true;
    return false;
}

/* A node took a connection, or did not. Where nobody tells of processes this is all that is known of its own. */
static void answered(struct tc_engine *e, uint16_t node, bool takes)
{
    if (!e->config.nodes_untold || node >= TC_NODES_MAX || takes == !tc_nodeset_has(&e->exited, node))
        return;
    if (takes)
        tc_nodeset_remove(&e->exited, node);
    else if (!is_connected(e, node))
        tc_nodeset_add(&e->exited, node);
    e->faults_dirty = true;
}

void tc_engine_dialled(struct tc_engine *e, uint32_t conn)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (!pair || pair->dialled)
        return;
    pair->dialled = true;
    answered(e, pair->to, true);
    if (e->config.transport.class && !pair->lanes[0].raw) { /* up once the handshake is done */
        if (!tc_engine_transport_start(e, conn))
            return;
    } else {
        pair_link_up(e, conn, pair);
    }
    /* What came before it was dialled waits on the near side, and on the far one if the world read ahead. */
    tc_engine_lane_drain(e, conn & ~1u);
    tc_engine_lane_settle(e, conn & ~1u);
    tc_engine_lane_drain(e, conn | 1u);
    tc_engine_lane_settle(e, conn | 1u);
}

/* We could not even try, so that nothing is known of the node: a fault that nobody asked for. */
static void not_dialled(struct tc_engine *e, const struct tc_pair *pair, const char *why)
{
    char text[256], name[8];
    snprintf(text, sizeof text, "no connection to replica %s could be opened from here: %s",
             tc_node_name(pair->to, name), why);
    char *copy = tc_engine_copy(text, strlen(text) + 1);
    struct tc_observation *o = tc_engine_overflow(e, pair->from, pair->to, copy ? copy : "a connection of ours failed");
    o->not_carried = true;
    tc_engine_retire(e, copy);
}

void tc_engine_dial_failed(struct tc_engine *e, const struct tc_event *event)
{
    const struct tc_pair *pair = tc_engine_pair(e, event->conn);
    if (!pair || pair->dialled)
        return;
    if (event->ours)
        not_dialled(e, pair, event->text);
    else
        answered(e, pair->to, false);
    tc_engine_pair_down(e, event->conn, true, false);
}

bool tc_engine_name_pair(struct tc_engine *e, uint32_t conn, uint16_t from)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (tc_links_has(&e->cut, from, pair->to)) {
        tc_engine_pair_down(e, conn, true, true);
        tc_engine_cut_happened(e, true);
        return false;
    }
    pair->from = from;
    pair->lanes[0].from = from;
    pair->lanes[1].to = from;
    pair_link_up(e, conn, pair);
    return true;
}

/* ---- going down ---- */

static void item_dropped(void *self, const struct tc_scheduled *item)
{
    tc_engine_delivered(self, (uint32_t)item->token, false);
}

static void lane_forget(struct tc_engine *e, uint32_t conn, struct tc_lane *lane)
{
    tc_schedule_drop_lane(e->schedule, conn + 1, item_dropped, e);
    tc_engine_hold_drop(e, conn);
    tc_engine_retire(e, lane->gathered.data);
    lane->gathered = (struct tc_bytes){0};
    lane->gathering = (struct tc_gathering){0};
    tc_engine_retire(e, lane->in);
    lane->in = NULL;
    lane->in_len = 0;
    lane->in_size = 0;
}

/* A handshake that never came to its end has no reason of its own: whom we dialled did not answer as he should. */
static void tell_unfinished(struct tc_engine *e, struct tc_pair *pair)
{
    if (!pair->open || !pair->transport || !pair->dialled || pair->up || pair->broken)
        return;
    pair->broken = true;
    struct tc_observation *o = tc_engine_observe(e, TC_OBS_BROKEN, pair->to, pair->from);
    o->text = "the handshake never came to its end";
    o->exit.status = TC_EUNREACHABLE;
}

void tc_engine_tell_unfinished(struct tc_engine *e)
{
    for (uint32_t i = 0; e->config.transport.class && i < e->pair_count; i++)
        if (e->pairs[i])
            tell_unfinished(e, e->pairs[i]);
}

void tc_engine_pair_down(struct tc_engine *e, uint32_t conn, bool close_near, bool close_far)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (!pair)
        return;
    conn &= ~1u;
    tell_unfinished(e, pair);
    tc_engine_transport_free(e, pair);
    for (uint32_t side = 0; side < 2; side++) {
        lane_forget(e, conn | side, &pair->lanes[side]);
        link_forget(e, conn | side, &pair->lanes[side]);
        if (side == 0 ? close_near : close_far) {
            struct tc_action *close = tc_engine_act(e, TC_ACT_CLOSE);
            close->conn = conn | side;
            close->reset = true;
        }
    }
    pair->open = false;
    if (pair->up && pair->lanes[0].shows != TC_SHOWS_SAID)
        tc_engine_observe(e, TC_OBS_LINK_DOWN, pair->from, pair->to);
}

void tc_engine_pair_disown(struct tc_engine *e, uint32_t conn)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    const uint16_t from = pair->from, to = pair->to;
    const bool told = pair->up && pair->lanes[0].shows != TC_SHOWS_SAID;
    for (uint32_t side = 0; side < 2; side++) {
        link_forget(e, (conn & ~1u) | side, &pair->lanes[side]);
        pair->lanes[side].raw = true;
    }
    pair->up = false;
    pair->from = pair->lanes[0].from = pair->lanes[1].to = TC_NODE_NONE;
    if (told && tc_engine_link_conn(e, from, to) == NO_CONN) /* else the link is still up, by its own connection */
        tc_engine_observe(e, TC_OBS_LINK_DOWN, from, to);
}

void tc_engine_closed(struct tc_engine *e, uint32_t conn, bool reset)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane)
        return;
    if (reset) {
        tc_engine_pair_down(e, conn, conn & 1, !(conn & 1));
        return;
    }
    lane->eof = true;
    if (tc_engine_pair(e, conn)->dialled)
        tc_engine_lane_flush(e, conn);
    tc_engine_lane_settle(e, conn);
}

/* FIN goes out once nothing of its lane is left to go before it. What is on hold does not keep it. */
static bool lane_finish(struct tc_engine *e, uint32_t conn, struct tc_pair *pair, struct tc_lane *lane)
{
    if (!lane->eof || lane->closed || !pair->dialled || lane->in_len > 0 ||
        tc_schedule_lane_bytes(e->schedule, conn + 1) > 0)
        return false;
    lane->closed = true;
    link_forget(e, conn, lane);
    tc_engine_transport_flush(e, conn, pair);
    struct tc_action *close = tc_engine_act(e, TC_ACT_CLOSE);
    close->conn = TC_CONN_PEER(conn);
    if (!pair->lanes[~conn & 1].closed)
        return false;
    tc_engine_pair_down(e, conn, false, false);
    return true;
}

/* ---- back-pressure ---- */

/* Half a frame counts, but alone it never stops reading: the other half would never come. */
static void lane_pressure(struct tc_engine *e, uint32_t conn, const struct tc_pair *pair, struct tc_lane *lane)
{
    const size_t waiting = tc_schedule_lane_bytes(e->schedule, conn + 1) + lane->queued;
    const size_t drains = waiting + (pair->dialled ? 0 : lane->in_len);
    const size_t used = waiting + lane->in_len + lane->held;
    size_t budget = e->config.lane_budget_bytes;
    if (!lane->stopped && drains > 0 && used >= budget) {
        lane->stopped = true;
        tc_engine_act(e, TC_ACT_STOP_READ)->conn = conn;
        tc_engine_overflow(e, lane->from, lane->to, "lane budget: reading stopped");
    } else if (lane->stopped && (drains == 0 || used < budget / 2)) {
        lane->stopped = false;
        if (!lane->eof)
            tc_engine_act(e, TC_ACT_RESUME_READ)->conn = conn;
    }
}

void tc_engine_lane_settle(struct tc_engine *e, uint32_t conn)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (!pair)
        return;
    struct tc_lane *lane = &pair->lanes[conn & 1];
    if (!lane_finish(e, conn, pair, lane))
        lane_pressure(e, conn, pair, lane);
}

void tc_engine_queue(struct tc_engine *e, uint32_t conn, size_t queued_bytes)
{
    uint32_t source = TC_CONN_PEER(conn);
    struct tc_lane *lane = tc_engine_lane(e, source);
    if (!lane)
        return;
    lane->queued = queued_bytes;
    tc_engine_lane_settle(e, source);
}
