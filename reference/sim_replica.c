/* Replicas as processes: they boot, step, pause and die; the disk stays. */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define BOOT_NS      UINT64_C(2000000) /* from a restart to the first step */
#define KILLED       (-9)
#define EXIT_REFUSED 70

/* ---- steps ---- */

static void schedule(struct tc_sim *sim, uint16_t number)
{
    struct tc_sim_node *node = &sim->nodes[number];
    uint64_t at_ns = tc_sim_global_ns(sim, number, sim->replica_class->deadline_ns(node->replica));
    if (at_ns == TC_NEVER_NS)
        return;
    if (at_ns < sim->now_ns)
        at_ns = sim->now_ns;
    if (at_ns >= node->deadline_ns)
        return;
    node->deadline_ns = at_ns;
    tc_sim_push(
        sim, (struct tc_sim_event){
                 .time_ns = at_ns, .kind = TC_SIM_DEADLINE, .node = number, .use = node->incarnation, .token = at_ns});
}

static void stop(struct tc_sim *sim, uint16_t number, int status)
{
    struct tc_sim_node *node = &sim->nodes[number];
    if (!node->up)
        return;
    node->up = false;
    tc_sim_disk_crash(sim, number);
    sim->replica_class->destroy(node->replica);
    node->replica = NULL;
    tc_sim_node_lost(sim, number);
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->now_ns,
                                           .kind = TC_SIM_EXIT,
                                           .node = number,
                                           .use = node->incarnation,
                                           .token = (uint64_t)(int64_t)status});
}

void tc_sim_replica_step(struct tc_sim *sim, uint16_t number, enum tc_replica_event_kind kind, uint16_t peer,
                         struct tc_slice bytes)
{
    struct tc_sim_node *node = &sim->nodes[number];
    const struct tc_replica_event event = {
        .kind = kind, .now_ns = tc_sim_local_ns(sim, number, sim->now_ns), .peer = peer, .bytes = bytes};
    struct tc_outputs outputs = {0};
    if (!node->up)
        return;
    const int status = sim->replica_class->step(node->replica, &event, &outputs);
    if (status < 0) {
        tc_sim_complain(sim, number, TC_NODE_NONE, "cannot go on: %s", tc_error_text(status));
        stop(sim, number, EXIT_REFUSED);
        return;
    }
    tc_sim_outputs(sim, number, &outputs);
    schedule(sim, number);
}

void tc_sim_deadline(struct tc_sim *sim, const struct tc_sim_event *event)
{
    struct tc_sim_node *node = &sim->nodes[event->node];
    if (!tc_sim_is_current(sim, event) || event->token != node->deadline_ns)
        return;
    node->deadline_ns = TC_NEVER_NS;
    if (tc_sim_global_ns(sim, event->node, sim->replica_class->deadline_ns(node->replica)) > sim->now_ns)
        schedule(sim, event->node); /* it moved on */
    else
        tc_sim_replica_step(sim, event->node, TC_REPLICA_TIMER, TC_NODE_NONE, (struct tc_slice){0});
}

/* ---- birth and death ---- */

void tc_sim_boot_soon(struct tc_sim *sim, uint16_t node, uint64_t delay_ns)
{
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->now_ns + delay_ns,
                                           .kind = TC_SIM_BOOT,
                                           .node = node,
                                           .use = ++sim->nodes[node].boots});
}

void tc_sim_boot(struct tc_sim *sim, const struct tc_sim_event *event)
{
    const uint16_t number = event->node;
    struct tc_sim_node *node = &sim->nodes[number];
    const struct tc_replica_config config = {.id = number, .env = sim->config.env, .bugs = sim->config.bugs};
    struct tc_error err = {0};
    if (node->up || event->use != node->boots)
        return;
    node->replica = sim->replica_class->create(&config, &err);
    if (!node->replica) {
        tc_sim_fail(sim, err.code ? err.code : TC_EMEMORY, "replica %u does not start: %s", number, err.text);
        return;
    }
    node->up = true;
    node->incarnation++;
    node->turns_end = &node->turns;
    node->synced_ns = 0;
    node->deadline_ns = TC_NEVER_NS;
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_NODE_UP, .node = number, .incarnation = node->incarnation});
    for (size_t i = 0; i < node->disk_count; i++)
        tc_sim_replica_step(sim, number, TC_REPLICA_RECORD, TC_NODE_NONE,
                            (struct tc_slice){node->disk[i]->data, node->disk[i]->len});
    tc_sim_replica_step(sim, number, TC_REPLICA_START, TC_NODE_NONE, (struct tc_slice){0});
    tc_sim_dial_all(sim, number);
}

void tc_sim_exited(struct tc_sim *sim, const struct tc_sim_event *event)
{
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_NODE_EXIT,
                                        .node = event->node,
                                        .incarnation = event->use,
                                        .status = (int)(int64_t)event->token});
}

/* ---- pausing ---- */

bool tc_sim_defer(struct tc_sim *sim, uint16_t number, const struct tc_sim_event *event)
{
    struct tc_sim_node *node = &sim->nodes[number];
    if (!node->paused)
        return false;
    if (node->deferred_count == node->deferred_size) {
        const size_t size = node->deferred_size ? 2 * node->deferred_size : 64;
        struct tc_sim_event *deferred = realloc(node->deferred, size * sizeof *deferred);
        if (!deferred) {
            tc_sim_fail(sim, TC_EMEMORY, "no memory for what waits for a paused node");
            return false;
        }
        node->deferred = deferred;
        node->deferred_size = size;
    }
    node->deferred[node->deferred_count++] = *event;
    return true;
}

/* What came meanwhile comes now, in its order; what is of a dead incarnation finds nobody. */
static void resume(struct tc_sim *sim, uint16_t number)
{
    struct tc_sim_node *node = &sim->nodes[number];
    node->paused = false;
    for (size_t i = 0; i < node->deferred_count; i++) {
        node->deferred[i].time_ns = sim->now_ns;
        tc_sim_push(sim, node->deferred[i]);
    }
    node->deferred_count = 0;
}

/* ---- what the engine wants ---- */

void tc_sim_node_act(struct tc_sim *sim, uint16_t number, enum tc_verb verb)
{
    struct tc_sim_node *node = &sim->nodes[number];
    const bool replica = number < sim->cluster->n;
    const bool client = number >= TC_CLIENT_FIRST && number < TC_CLIENT_FIRST + sim->client_count;
    if (verb == TC_PAUSE && (client || (replica && node->up))) {
        node->paused = true;
    } else if (verb == TC_RESUME && (client || replica)) {
        resume(sim, number);
    } else if (replica && (verb == TC_STOP || verb == TC_KILL || verb == TC_RESTART || verb == TC_WIPE)) {
        node->boots++; /* a boot under way does not come */
        stop(sim, number, KILLED);
        resume(sim, number);
        if (verb == TC_WIPE)
            tc_sim_disk_wipe(sim, node);
        if (verb == TC_RESTART)
            tc_sim_boot_soon(sim, number, BOOT_NS);
    } else if (!replica || verb != TC_PAUSE) {
        tc_sim_note(sim, "a process that is not simulated was to be paused, killed or restarted");
    }
}

static void node_free(struct tc_sim *sim, struct tc_sim_node *node)
{
    if (node->replica)
        sim->replica_class->destroy(node->replica);
    tc_sim_turns_drop(sim, node);
    tc_sim_disk_wipe(sim, node);
    for (size_t k = 0; k < node->deferred_count; k++)
        tc_sim_event_drop(sim, &node->deferred[k]);
    free(node->deferred);
    free(node->disk);
}

void tc_sim_nodes_free(struct tc_sim *sim)
{
    for (uint32_t i = 0; sim->nodes && i < sim->cluster->n; i++)
        node_free(sim, &sim->nodes[i]);
    for (uint32_t i = 0; sim->nodes && i < sim->config.load.clients; i++)
        node_free(sim, &sim->nodes[TC_CLIENT_FIRST + i]);
    free(sim->nodes);
}
