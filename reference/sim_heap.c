#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

#define SPARE_FIRST ((size_t)256)

/* The size that holds so many bytes; TC_SIM_SPARE: none. */
static uint32_t spare_of(size_t len)
{
    uint32_t spare = 0;
    while (spare < TC_SIM_SPARE && (SPARE_FIRST << spare) - sizeof(struct tc_sim_blob) < len)
        spare++;
    return spare;
}

/* A spare blob's data begin with the next one. */
static struct tc_sim_blob *next_spare(const struct tc_sim_blob *blob)
{
    struct tc_sim_blob *next;
    memcpy(&next, blob->data, sizeof next);
    return next;
}

struct tc_sim_blob *tc_sim_blob_new(struct tc_sim *sim, struct tc_slice bytes)
{
    const uint32_t spare = spare_of(bytes.len);
    struct tc_sim_blob *blob = spare < TC_SIM_SPARE ? sim->spare[spare] : NULL;
    if (blob)
        sim->spare[spare] = next_spare(blob);
    else
        blob = malloc(spare < TC_SIM_SPARE ? SPARE_FIRST << spare : sizeof *blob + bytes.len);
    if (!blob)
        return NULL;
    blob->references = 1;
    blob->len = (uint32_t)bytes.len;
    if (bytes.len > 0)
        memcpy(blob->data, bytes.data, bytes.len);
    return blob;
}

void tc_sim_blob_drop(struct tc_sim *sim, struct tc_sim_blob *blob)
{
    if (!blob || --blob->references > 0)
        return;
    const uint32_t spare = spare_of(blob->len);
    if (spare == TC_SIM_SPARE) {
        free(blob);
        return;
    }
    memcpy(blob->data, &sim->spare[spare], sizeof sim->spare[spare]);
    sim->spare[spare] = blob;
}

void tc_sim_blobs_free(struct tc_sim *sim)
{
    for (size_t i = 0; i < TC_SIM_SPARE; i++)
        while (sim->spare[i]) {
            struct tc_sim_blob *blob = sim->spare[i];
            sim->spare[i] = next_spare(blob);
            free(blob);
        }
}

bool tc_sim_append(uint8_t **data, size_t *len, size_t *size, struct tc_slice bytes)
{
    if (bytes.len > *size - *len) {
        size_t larger = *size ? *size : 512;
        while (larger - *len < bytes.len)
            larger *= 2;
        uint8_t *grown = realloc(*data, larger);
        if (!grown)
            return false;
        *data = grown;
        *size = larger;
    }
    if (bytes.len > 0)
        memcpy(*data + *len, bytes.data, bytes.len);
    *len += bytes.len;
    return true;
}

/* ---- heap on (time, order) ---- */

static bool before(const struct tc_sim_event *a, const struct tc_sim_event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

void tc_sim_event_drop(struct tc_sim *sim, struct tc_sim_event *event)
{
    if (event->kind == TC_SIM_BYTES)
        tc_sim_blob_drop(sim, event->blob);
}

void tc_sim_push(struct tc_sim *sim, struct tc_sim_event event)
{
    if (sim->heap_count == sim->heap_size) {
        size_t size = sim->heap_size ? 2 * sim->heap_size : 256;
        struct tc_sim_event *heap = realloc(sim->heap, size * sizeof *heap);
        if (!heap) {
            tc_sim_event_drop(sim, &event);
            tc_sim_fail(sim, TC_EMEMORY, "no memory for %zu simulated events", size);
            return;
        }
        sim->heap = heap;
        sim->heap_size = size;
    }
    event.order = sim->next_order++;
    if (event.time_ns < sim->now_ns)
        event.time_ns = sim->now_ns;
    size_t at = sim->heap_count++;
    while (at > 0 && before(&event, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
}

struct tc_sim_event tc_sim_pop(struct tc_sim *sim)
{
    const struct tc_sim_event first = sim->heap[0], last = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->heap_count)
            break;
        if (child + 1 < sim->heap_count && before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!before(&sim->heap[child], &last))
            break;
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    if (sim->heap_count > 0)
        sim->heap[at] = last;
    return first;
}
