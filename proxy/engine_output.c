/* What a step gives: actions on the world first, observations and decisions after them, so that no observation comes
 * before the write it speaks of. */
#include "engine_internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ITEMS 64

void *tc_pool_take(struct tc_pool *pool)
{
    size_t chunk = pool->used / CHUNK_ITEMS;
    if (chunk == pool->chunk_count) {
        uint8_t **chunks = realloc(pool->chunks, (chunk + 1) * sizeof *chunks);
        if (!chunks)
            return NULL;
        pool->chunks = chunks;
        chunks[chunk] = aligned_alloc(TC_POOL_LINE, CHUNK_ITEMS * pool->item_size);
        if (!chunks[chunk])
            return NULL;
        pool->chunk_count++;
    }
    size_t at = pool->used++ % CHUNK_ITEMS;
    return pool->chunks[chunk] + at * pool->item_size;
}

void tc_pool_free(struct tc_pool *pool)
{
    for (size_t i = 0; i < pool->chunk_count; i++)
        free(pool->chunks[i]);
    free(pool->chunks);
    *pool = (struct tc_pool){0};
}

static int list_reserve(struct tc_action_list *list, size_t count)
{
    if (count <= list->size)
        return 0;
    size_t size = list->size ? list->size : 64;
    while (size < count)
        size *= 2;
    struct tc_action *items = realloc(list->items, size * sizeof *items);
    if (!items)
        return TC_EMEMORY;
    list->items = items;
    list->size = size;
    return 0;
}

static inline struct tc_action *list_add(struct tc_engine *e, struct tc_action_list *list, enum tc_action_kind kind)
{
    struct tc_action *action = &e->scratch_action;
    if (list->count >= list->size && list_reserve(list, list->count + 1))
        e->out_of_memory = true;
    else
        action = &list->items[list->count++];
    *action = (struct tc_action){.kind = kind};
    return action;
}

struct tc_action *tc_engine_act(struct tc_engine *e, enum tc_action_kind kind)
{
    return list_add(e, &e->acts, kind);
}

struct tc_action *tc_engine_act_later(struct tc_engine *e, enum tc_action_kind kind)
{
    return list_add(e, &e->later, kind);
}

#define OF_KIND offsetof(struct tc_observation, message) /* where what is of one kind begins: the rest of it */

/* With all that every kind of observation has; what only some have is still to be set, or zeroed. */
static inline struct tc_observation *observation_new(struct tc_engine *e, enum tc_observation_kind kind, uint16_t node,
                                                     uint16_t peer)
{
    struct tc_observation *o = tc_pool_take(&e->observations);
    if (!o) {
        e->out_of_memory = true;
        o = &e->scratch_observation;
    }
    o->kind = kind;
    o->time_ns = e->now_ns;
    o->id = ++e->next_observation;
    o->node = node;
    o->peer = peer;
    o->incarnation = node < TC_NODES_MAX ? e->incarnation[node] : 0;
    o->is_gap = false;
    o->not_carried = false;
    o->gap_since_ns = 0;
    o->text = "";
    list_add(e, &e->later, TC_ACT_OBSERVE)->observation = o;
    return o;
}

struct tc_observation *tc_engine_observe(struct tc_engine *e, enum tc_observation_kind kind, uint16_t node,
                                         uint16_t peer)
{
    struct tc_observation *o = observation_new(e, kind, node, peer);
    memset((uint8_t *)o + OF_KIND, 0, sizeof *o - OF_KIND);
    return o;
}

struct tc_observation *tc_engine_observe_frame(struct tc_engine *e, const struct tc_message *m, bool said, bool heard)
{
    struct tc_observation *o = observation_new(e, TC_OBS_MESSAGE, said ? m->from : m->to, said ? m->to : m->from);
    o->message.message = m;
    o->message.said = said;
    o->message.heard = heard;
    return o;
}

struct tc_observation *tc_engine_overflow(struct tc_engine *e, uint16_t node, uint16_t peer, const char *text)
{
    struct tc_observation *o = tc_engine_observe(e, TC_OBS_OVERFLOW, node, peer);
    e->stats.overflows++;
    o->text = text;
    return o;
}

/* Do both lie in the event's bytes, the one right behind the other? */
static bool joins(const struct tc_engine *e, struct tc_slice last, struct tc_slice bytes)
{
    return last.data + last.len == bytes.data && (uintptr_t)last.data >= (uintptr_t)e->event_bytes.data &&
           (uintptr_t)bytes.data + bytes.len <= (uintptr_t)e->event_bytes.data + e->event_bytes.len;
}

void tc_engine_write(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (pair && bytes.len > 0)
        tc_engine_write_pair(e, pair, conn, bytes);
}

void tc_engine_write_pair(struct tc_engine *e, struct tc_pair *pair, uint32_t conn, struct tc_slice bytes)
{
    struct tc_lane *lane = &pair->lanes[TC_CONN_PEER(conn) & 1];
    e->stats.bytes += bytes.len;
    if (pair->transport) {
        tc_engine_transport_send(e, conn, pair, bytes);
        return;
    }
    if (lane->write_step == e->step && lane->write_action < e->acts.count) {
        struct tc_slice *last = &e->acts.items[lane->write_action].bytes;
        if (joins(e, *last, bytes)) {
            last->len += bytes.len;
            return;
        }
    }
    lane->write_step = e->step;
    lane->write_action = e->acts.count;
    struct tc_action *action = tc_engine_act(e, TC_ACT_WRITE);
    action->conn = conn;
    action->bytes = bytes;
}

void tc_engine_resolve(struct tc_engine *e, const struct tc_decision *decision)
{
    struct tc_decision *copy = tc_pool_take(&e->decisions);
    if (!copy) {
        e->out_of_memory = true;
        return;
    }
    *copy = *decision;
    if (decision->bitten) {
        e->stats.bitten[decision->verb]++;
        e->faults.bitten++;
    }
    list_add(e, &e->later, TC_ACT_DECISION)->decision = copy;
}

void *tc_engine_copy(const void *bytes, size_t len)
{
    void *copy = malloc(len);
    if (copy)
        memcpy(copy, bytes, len);
    return copy;
}

void tc_engine_retire(struct tc_engine *e, void *memory)
{
    if (!memory)
        return;
    if (e->retired_count == e->retired_size) {
        size_t size = e->retired_size ? e->retired_size * 2 : 16;
        void **retired = realloc(e->retired, size * sizeof *retired);
        if (!retired) { /* kept for ever rather than freed under an action's feet: the run ends anyway */
            e->out_of_memory = true;
            return;
        }
        e->retired = retired;
        e->retired_size = size;
    }
    e->retired[e->retired_count++] = memory;
}

void tc_engine_output_begin(struct tc_engine *e)
{
    e->step++;
    e->acts.count = 0;
    e->later.count = TC_LATER_FIRST;
    e->observations.used = 0;
    e->decisions.used = 0;
    for (size_t i = 0; i < e->popped_count; i++)
        tc_schedule_release(e->schedule, &e->popped[i]);
    e->popped_count = 0;
    for (size_t i = 0; i < e->retired_count; i++)
        free(e->retired[i]);
    e->retired_count = 0;
    tc_arena_reset(&e->arena);
}

/* Both lists as one. Of the observations there are a few hundred in a full step, of what is done to the world a few:
 * these go in front of those, where there is room for them. */
static struct tc_action *join(struct tc_engine *e, size_t later)
{
    const struct tc_action_list *acts = &e->acts;
    if (later == 0)
        return acts->items;
    struct tc_action *first = e->later.items + TC_LATER_FIRST;
    if (acts->count == 0)
        return first;
    if (acts->count <= TC_LATER_FIRST)
        return memcpy(first - acts->count, acts->items, acts->count * sizeof *first);
    if (list_reserve(&e->acts, acts->count + later)) {
        e->out_of_memory = true;
        return NULL;
    }
    memcpy(acts->items + acts->count, first, later * sizeof *first);
    return acts->items;
}

int tc_engine_output_end(struct tc_engine *e, struct tc_actions *out)
{
    if (e->sealing_count > 0)
        tc_engine_transport_flush_all(e);
    const size_t later = e->later.count - TC_LATER_FIRST;
    struct tc_action *items = join(e, later);
    if (e->out_of_memory) {
        *out = (struct tc_actions){NULL, 0};
        return TC_EMEMORY;
    }
    *out = (struct tc_actions){items, e->acts.count + later};
    return 0;
}
