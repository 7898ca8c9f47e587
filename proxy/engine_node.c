/* What the world tells of processes, log lines and signatures. */
#include "engine_internal.h"

#include <string.h>

#define NO_TEXT ""

void tc_engine_node_up(struct tc_engine *e, uint16_t node, uint32_t incarnation)
{
    if (node >= TC_NODES_MAX)
        return;
    e->incarnation[node] = incarnation;
    tc_nodeset_remove(&e->exited, node);
    tc_nodeset_remove(&e->killed, node);
    tc_nodeset_remove(&e->paused, node);
    e->faults_dirty = true;
    tc_engine_observe(e, TC_OBS_NODE_UP, node, TC_NODE_NONE);
    tc_engine_node_happened(e, TC_WAIT_UP, node);
}

void tc_engine_node_exit(struct tc_engine *e, uint16_t node, uint32_t incarnation, int status)
{
    if (node >= TC_NODES_MAX)
        return;
    e->incarnation[node] = incarnation;
    struct tc_observation *o = tc_engine_observe(e, TC_OBS_NODE_EXIT, node, TC_NODE_NONE);
    o->exit.status = status;
    o->exit.asked = e->ended || tc_nodeset_has(&e->exit_asked, node);
    tc_nodeset_remove(&e->exit_asked, node);
    tc_nodeset_remove(&e->paused, node);
    tc_nodeset_add(&e->exited, node);
    e->faults_dirty = true;
    tc_engine_node_happened(e, TC_WAIT_EXIT, node);
}

static const char *copy_text(struct tc_engine *e, const char *text)
{
    if (!text || !text[0])
        return NO_TEXT;
    struct tc_slice copy = tc_arena_copy(&e->arena, (struct tc_slice){(const uint8_t *)text, strlen(text) + 1});
    return copy.data ? (const char *)copy.data : NO_TEXT;
}

static void copy_operations(struct tc_engine *e, struct tc_observation *o)
{
    size_t size = o->executed.operation_count * sizeof *o->executed.operations;
    struct tc_operation *copy = size ? tc_arena_alloc(&e->arena, size) : NULL;
    if (size && !copy) {
        tc_engine_overflow(e, o->node, TC_NODE_NONE, "an execution line is too large");
        o->executed.operation_count = 0;
    } else if (size) {
        memcpy(copy, o->executed.operations, size);
    }
    o->executed.operations = copy;
}

/* The source's line is gone after the step, the action is not: everything it points to is copied. */
void tc_engine_observed(struct tc_engine *e, const struct tc_observation *observation)
{
    struct tc_observation *o = tc_engine_observe(e, observation->kind, observation->node, observation->peer);
    const struct tc_observation made = *o;
    *o = *observation;
    o->id = made.id;
    if (o->time_ns == 0)
        o->time_ns = made.time_ns;
    if (o->incarnation == 0)
        o->incarnation = made.incarnation;
    o->text = copy_text(e, observation->text);
    if (o->kind == TC_OBS_EXECUTED) {
        copy_operations(e, o);
    } else if (o->kind == TC_OBS_REQUESTED || o->kind == TC_OBS_REPLIED) {
        o->client.operation = tc_arena_copy(&e->arena, o->client.operation);
        o->client.result = tc_arena_copy(&e->arena, o->client.result);
    }
    if (o->kind == TC_OBS_EXECUTED && o->executed.origin == TC_EXEC_EXECUTED && o->executed.sequence >= e->decided) {
        e->decided = o->executed.sequence + 1;
        if (tc_engine_wants(e, TC_CALL_DECIDE))
            tc_engine_call(e, TC_CALL_DECIDE, NULL, o, 0);
    } else if (o->kind == TC_OBS_VIEW && o->view.active && tc_engine_wants(e, TC_CALL_VIEW)) {
        tc_engine_call(e, TC_CALL_VIEW, NULL, o, 0);
    }
}

void tc_engine_verified(struct tc_engine *e, uint64_t token, bool ok)
{
    if (ok)
        return;
    tc_engine_observe(e, TC_OBS_COMPLAINT, (uint16_t)(token & 0xffff), TC_NODE_NONE)->text =
        "a signature seen on the wire does not verify";
}
