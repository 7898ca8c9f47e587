/* Write before speak: a step's outputs leave once its records are synced. Steps that wait are copied, since a replica's
 * outputs live only until its next step. */
#include "../proxy/random.h"
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define DRAW_SYNC  UINT64_C(0x73796e63)
#define DRAW_CRASH UINT64_C(0x6c6f7374)

static bool is_record(const struct tc_output *output)
{
    return output->kind == TC_OUT_PERSIST || output->kind == TC_OUT_SNAPSHOT;
}

void tc_sim_disk_wipe(struct tc_sim *sim, struct tc_sim_node *node)
{
    for (size_t i = 0; i < node->disk_count; i++)
        tc_sim_blob_drop(sim, node->disk[i]);
    node->disk_count = 0;
}

static void keep(struct tc_sim *sim, struct tc_sim_node *node, const struct tc_output *record)
{
    if (record->kind == TC_OUT_SNAPSHOT)
        tc_sim_disk_wipe(sim, node);
    if (node->disk_count == node->disk_size) {
        const size_t size = node->disk_size ? 2 * node->disk_size : 64;
        struct tc_sim_blob **disk = realloc(node->disk, size * sizeof *disk);
        if (!disk) {
            tc_sim_fail(sim, TC_EMEMORY, "no memory for a simulated disk");
            return;
        }
        node->disk = disk;
        node->disk_size = size;
    }
    struct tc_sim_blob *blob = tc_sim_blob_new(sim, record->bytes);
    if (blob)
        node->disk[node->disk_count++] = blob;
    else
        tc_sim_fail(sim, TC_EMEMORY, "no memory for a simulated disk");
}

/* ---- outputs leave ---- */

static void leave(struct tc_sim *sim, uint16_t number, const struct tc_output *outputs, size_t count)
{
    struct tc_sim_node *node = &sim->nodes[number];
    for (size_t i = 0; i < count; i++)
        if (is_record(&outputs[i]))
            keep(sim, node, &outputs[i]);
    for (size_t i = 0; i < count && sim->status == 0; i++) {
        if (outputs[i].kind == TC_OUT_SEND) {
            tc_sim_say_to(sim, number, outputs[i].to, outputs[i].bytes);
        } else if (outputs[i].kind == TC_OUT_OBSERVE) {
            struct tc_observation observation = outputs[i].observation;
            observation.node = number;
            observation.time_ns = 0; /* its own clock is nobody else's: the engine stamps it */
            tc_sim_observe(sim, &observation);
        }
    }
}

/* ---- turns ---- */

static size_t rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static size_t text_size(const struct tc_observation *o)
{
    return o->text ? strlen(o->text) + 1 : 0;
}

static size_t operations_size(const struct tc_observation *o)
{
    return o->kind == TC_OBS_EXECUTED ? o->executed.operation_count * sizeof *o->executed.operations : 0;
}

static bool shares(const struct tc_output *outputs, size_t i) /* a broadcast */
{
    return i > 0 && outputs[i].bytes.data && outputs[i - 1].kind != TC_OUT_OBSERVE &&
           outputs[i].bytes.data == outputs[i - 1].bytes.data && outputs[i].bytes.len == outputs[i - 1].bytes.len;
}

static size_t turn_size(const struct tc_outputs *outputs)
{
    size_t size = rounded(sizeof(struct tc_sim_turn)) + rounded(outputs->count * sizeof *outputs->items);
    for (size_t i = 0; i < outputs->count; i++) {
        const struct tc_output *output = &outputs->items[i];
        if (output->kind == TC_OUT_OBSERVE)
            size += rounded(text_size(&output->observation)) + rounded(operations_size(&output->observation));
        else if (!shares(outputs->items, i))
            size += rounded(output->bytes.len);
    }
    return size;
}

static const void *copy(uint8_t **at, const void *from, size_t size)
{
    uint8_t *into = *at;
    if (size > 0)
        memcpy(into, from, size);
    *at += rounded(size);
    return into;
}

static struct tc_sim_turn *turn_new(struct tc_sim *sim, const struct tc_outputs *outputs)
{
    struct tc_sim_blob *blob = tc_sim_blob_take(sim, turn_size(outputs));
    if (!blob)
        return NULL;
    uint8_t *at = blob->data;
    struct tc_sim_turn *turn = (void *)at;
    at += rounded(sizeof *turn);
    *turn = (struct tc_sim_turn){.blob = blob, .count = outputs->count, .outputs = (void *)at};
    at += rounded(outputs->count * sizeof *outputs->items);
    for (size_t i = 0; i < outputs->count; i++) {
        struct tc_output *output = &turn->outputs[i];
        struct tc_observation *o = &output->observation; /* most outputs have none, and it is most of their size */
        memcpy(output, &outputs->items[i], offsetof(struct tc_output, observation));
        if (output->kind == TC_OUT_OBSERVE) {
            *o = outputs->items[i].observation;
            const size_t operations = operations_size(o);
            if (o->text)
                o->text = copy(&at, o->text, text_size(o));
            if (operations > 0)
                o->executed.operations = copy(&at, o->executed.operations, operations);
        } else if (shares(outputs->items, i)) {
            output->bytes.data = turn->outputs[i - 1].bytes.data;
        } else {
            output->bytes.data = copy(&at, output->bytes.data, output->bytes.len);
        }
    }
    return turn;
}

void tc_sim_turns_drop(struct tc_sim *sim, struct tc_sim_node *node)
{
    while (node->turns) {
        struct tc_sim_turn *turn = node->turns;
        node->turns = turn->next;
        tc_sim_blob_drop(sim, turn->blob);
    }
    node->turns_end = &node->turns;
}

static bool writes(const struct tc_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (is_record(&outputs->items[i]))
            return true;
    return false;
}

static uint64_t sync_ns(struct tc_sim *sim, uint16_t number)
{
    const struct tc_sim_disk *disk = &sim->config.disk;
    const uint64_t k = sim->nodes[number].syncs++;
    const uint64_t h = tc_random_mix(tc_random_mix(tc_random_mix(sim->config.seed, DRAW_SYNC), number), k);
    sim->stats.syncs++;
    return disk->sync_min_ns + tc_random_below(h, disk->sync_max_ns - disk->sync_min_ns + 1) +
           (tc_nodeset_has(&disk->slow, number) ? disk->slow_ns : 0);
}

void tc_sim_outputs(struct tc_sim *sim, uint16_t number, const struct tc_outputs *outputs)
{
    struct tc_sim_node *node = &sim->nodes[number];
    if (outputs->count == 0)
        return;
    uint64_t at_ns = node->synced_ns > sim->now_ns ? node->synced_ns : sim->now_ns;
    if (writes(outputs))
        at_ns += sync_ns(sim, number);
    node->synced_ns = at_ns;
    if (!node->turns && at_ns == sim->now_ns) {
        leave(sim, number, outputs->items, outputs->count);
        return;
    }
    struct tc_sim_turn *turn = turn_new(sim, outputs);
    if (!turn) {
        tc_sim_fail(sim, TC_EMEMORY, "no memory for a replica's outputs");
        return;
    }
    *node->turns_end = turn;
    node->turns_end = &turn->next;
    tc_sim_push(
        sim, (struct tc_sim_event){.time_ns = at_ns, .kind = TC_SIM_SYNCED, .node = number, .use = node->incarnation});
}

void tc_sim_synced(struct tc_sim *sim, const struct tc_sim_event *event)
{
    struct tc_sim_node *node = &sim->nodes[event->node];
    struct tc_sim_turn *turn = node->turns;
    if (!tc_sim_is_current(sim, event) || !turn)
        return;
    node->turns = turn->next;
    if (!node->turns)
        node->turns_end = &node->turns;
    leave(sim, event->node, turn->outputs, turn->count);
    tc_sim_blob_drop(sim, turn->blob);
}

/* A prefix of the records that were on their way reaches the disk; none of their outputs leaves. */
void tc_sim_disk_crash(struct tc_sim *sim, uint16_t number)
{
    struct tc_sim_node *node = &sim->nodes[number];
    uint64_t total = 0;
    for (const struct tc_sim_turn *turn = node->turns; turn; turn = turn->next)
        for (size_t i = 0; i < turn->count; i++)
            total += is_record(&turn->outputs[i]);
    uint64_t kept = total;
    if (sim->config.disk.unsynced == TC_SIM_UNSYNCED_LOST)
        kept = 0;
    else if (sim->config.disk.unsynced == TC_SIM_UNSYNCED_SOME)
        kept = tc_random_below(
            tc_random_mix(tc_random_mix(tc_random_mix(sim->config.seed, DRAW_CRASH), number), node->incarnation),
            total + 1);
    sim->stats.records_lost += total - kept;
    for (const struct tc_sim_turn *turn = node->turns; turn; turn = turn->next)
        for (size_t i = 0; i < turn->count && kept > 0; i++)
            if (is_record(&turn->outputs[i])) {
                keep(sim, node, &turn->outputs[i]);
                kept--;
            }
    tc_sim_turns_drop(sim, node);
}
