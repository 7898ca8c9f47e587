/* The step function: one switch; each kind of event is handled in a file of its own. */
#include "engine_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tc_engine *tc_engine_new(const struct tc_engine_config *config)
{
    assert(config->protocol);
    struct tc_engine *e = malloc(sizeof *e);
    if (!e)
        return NULL;
    memset(e, 0, offsetof(struct tc_engine, cut));
    e->cut.ends = e->lossy.ends = e->lost.ends = (struct tc_nodeset){0};
    e->config = *config;
    if (e->config.lane_budget_bytes == 0)
        e->config.lane_budget_bytes = TC_LANE_BUDGET_DEFAULT;
    if (e->config.schedule_items_max == 0)
        e->config.schedule_items_max = TC_SCHEDULE_ITEMS_DEFAULT;
    if (e->config.schedule_bytes_max == 0)
        e->config.schedule_bytes_max = TC_SCHEDULE_BYTES_DEFAULT;
    e->protocol = config->protocol;
    e->handler = config->handler;
    e->pending_free = UINT32_MAX;
    e->observations.item_size = TC_POOL_ITEM_SIZE(struct tc_observation);
    e->decisions.item_size = TC_POOL_ITEM_SIZE(struct tc_decision);
    tc_arena_init(&e->arena, TC_STEP_ARENA_MAX);
    for (size_t i = 0; i <= TC_KEPT_LONG; i++)
        tc_arena_init(&e->kept[i].arena, TC_STEP_ARENA_MAX);
    e->plan = malloc(sizeof *e->plan); /* see plan_reset */
    e->schedule = tc_schedule_new(2 * TC_PAIRS_MAX + 1, e->config.schedule_items_max, e->config.schedule_bytes_max);
    if (!e->plan || !e->schedule || (e->handler && !tc_engine_set_rule(e, e->handler->name))) {
        tc_engine_free(e);
        return NULL;
    }
    e->faults_dirty = e->handler && e->handler->always;
    return e;
}

static void free_pairs(struct tc_engine *e)
{
    for (uint32_t i = 0; i < e->pair_count; i++) {
        if (!e->pairs[i])
            continue;
        tc_engine_transport_free(e, e->pairs[i]);
        tc_bytes_free(&e->pairs[i]->lanes[0].gathered);
        tc_bytes_free(&e->pairs[i]->lanes[1].gathered);
        free(e->pairs[i]->lanes[0].in);
        free(e->pairs[i]->lanes[1].in);
        free(e->pairs[i]);
    }
    free(e->pairs);
}

void tc_engine_free(struct tc_engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->popped_count; i++)
        tc_schedule_release(e->schedule, &e->popped[i]);
    for (size_t i = 0; i < e->retired_count; i++)
        free(e->retired[i]);
    for (size_t i = 0; i < e->held_count; i++)
        free(e->held[i].bytes);
    for (uint32_t i = 0; i < e->pending_size; i++) {
        free(e->pending[i].why);
        free(e->pending[i].bytes);
    }
    for (uint32_t i = 0; i < e->rule_count; i++)
        free(e->rules[i]);
    free_pairs(e);
    tc_schedule_free(e->schedule);
    tc_pool_free(&e->observations);
    tc_pool_free(&e->decisions);
    tc_arena_free(&e->arena);
    for (size_t i = 0; i <= TC_KEPT_LONG; i++)
        tc_arena_free(&e->kept[i].arena);
    free(e->popped);
    free(e->retired);
    free(e->held);
    free(e->pending);
    free(e->occurrences);
    free(e->said);
    for (uint32_t i = 0; i < TC_NODES_MAX; i++)
        free(e->link_conn[i]);
    free(e->sealing);
    free(e->plan);
    free(e->acts.items);
    free(e->later.items);
    free(e);
}

/* The run ends: the script has its last word, what waits is resolved, nothing more is delivered. */
static void stop(struct tc_engine *e)
{
    if (e->ended)
        return;
    if (e->attacking && tc_engine_wants(e, TC_CALL_END))
        tc_engine_call(e, TC_CALL_END, NULL, NULL, 0);
    tc_engine_hold_drop(e, UINT32_MAX);
    tc_engine_settle_all(e);
    e->attacking = false;
    e->ended = true;
    e->faults_dirty = true;
}

/* What may still come once the run has ended: facts, no more traffic. */
static bool is_fact(enum tc_event_kind kind)
{
    return kind == TC_EV_NODE_UP || kind == TC_EV_NODE_EXIT || kind == TC_EV_OBSERVED || kind == TC_EV_VERIFIED ||
           kind == TC_EV_PHASE;
}

/* Tells that a connection is gone already: what is due must not be written to it first. */
static bool loses_connection(const struct tc_event *event)
{
    return event->kind == TC_EV_ACCEPTED || (event->kind == TC_EV_CLOSED && event->reset);
}

static void dispatch(struct tc_engine *e, const struct tc_event *event)
{
    switch (event->kind) {
    case TC_EV_ACCEPTED:
        tc_engine_accepted(e, event);
        break;
    case TC_EV_DIALLED:
        tc_engine_dialled(e, event->conn);
        break;
    case TC_EV_DIAL_FAILED:
        tc_engine_dial_failed(e, event);
        break;
    case TC_EV_BYTES:
        tc_engine_bytes(e, event->conn, event->bytes);
        break;
    case TC_EV_QUEUE:
        tc_engine_queue(e, event->conn, event->queued_bytes);
        break;
    case TC_EV_CLOSED:
        tc_engine_closed(e, event->conn, event->reset);
        break;
    case TC_EV_TIMER:
        break; /* what is due was delivered before */
    case TC_EV_NODE_UP:
        tc_engine_node_up(e, event->node, event->incarnation);
        break;
    case TC_EV_NODE_EXIT:
        tc_engine_node_exit(e, event->node, event->incarnation, event->status);
        break;
    case TC_EV_OBSERVED:
        tc_engine_observed(e, event->observation);
        break;
    case TC_EV_VERIFIED:
        tc_engine_verified(e, event->token, event->ok);
        break;
    case TC_EV_PHASE:
        tc_engine_phase(e, event->phase);
        break;
    case TC_EV_RELOAD:
        tc_engine_reload(e, event->handler);
        break;
    case TC_EV_STOP:
        stop(e);
        break;
    case TC_EV_NETWORK:
        e->asynchronous = !event->ok;
        e->faults_dirty = true;
        break;
    case TC_EV_GAP:
        tc_engine_gap(e, event->conn, event->text);
        break;
    }
}

int tc_engine_step(struct tc_engine *e, const struct tc_event *event, struct tc_actions *out)
{
    if (event->now_ns > e->now_ns)
        e->now_ns = event->now_ns;
    tc_engine_output_begin(e);
    e->event_bytes = event->bytes;
    bool gone = loses_connection(event);
    if (!e->ended && !gone)
        tc_engine_deliver_due(e);
    if (!e->ended || is_fact(event->kind))
        dispatch(e, event);
    if (!e->ended && gone)
        tc_engine_deliver_due(e);
    tc_engine_faults_update(e);
    return tc_engine_output_end(e, out);
}

uint64_t tc_engine_deadline_ns(const struct tc_engine *e)
{
    return e->ended ? TC_NEVER_NS : tc_schedule_deadline_ns(e->schedule);
}

const struct tc_error *tc_engine_error(const struct tc_engine *e)
{
    return &e->error;
}

const struct tc_engine_stats *tc_engine_stats(const struct tc_engine *e)
{
    return &e->stats;
}

const struct tc_faults *tc_engine_faults(const struct tc_engine *e)
{
    return &e->faults;
}
