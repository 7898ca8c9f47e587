#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

#define SPARE_FIRST ((size_t)256)
#define ARENA_MAX   (2 * (size_t)TC_FRAME_MAX)

/* The size that holds so many bytes; TC_SIM_SPARE: none. */
static uint32_t spare_of(size_t len)
{
    const size_t whole = len + sizeof(struct tc_sim_blob);
    if (whole <= SPARE_FIRST)
        return 0;
    const uint32_t spare = 64 - (uint32_t)__builtin_clzll((whole - 1) / SPARE_FIRST);
    return spare < TC_SIM_SPARE ? spare : TC_SIM_SPARE;
}

/* A spare blob's data begin with the next one. */
static struct tc_sim_blob *next_spare(const struct tc_sim_blob *blob)
{
    struct tc_sim_blob *next;
    memcpy(&next, blob->data, sizeof next);
    return next;
}

struct tc_sim_blob *tc_sim_blob_take(struct tc_sim *sim, size_t len)
{
    struct tc_sim_blob **spares = sim->memory->spare;
    const uint32_t spare = spare_of(len);
    struct tc_sim_blob *blob = spare < TC_SIM_SPARE ? spares[spare] : NULL;
    if (blob)
        spares[spare] = next_spare(blob);
    else
        blob = malloc(spare < TC_SIM_SPARE ? SPARE_FIRST << spare : sizeof *blob + len);
    if (!blob)
        return NULL;
    blob->references = 1;
    blob->len = (uint32_t)len;
    return blob;
}

struct tc_sim_blob *tc_sim_blob_new(struct tc_sim *sim, struct tc_slice bytes)
{
    struct tc_sim_blob *blob = tc_sim_blob_take(sim, bytes.len);
    if (blob && bytes.len > 0)
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
    struct tc_sim_blob **spares = sim->memory->spare;
    memcpy(blob->data, &spares[spare], sizeof spares[spare]);
    spares[spare] = blob;
}

/* ---- memory that outlives a simulation ---- */

struct tc_sim_memory *tc_sim_memory_new(void)
{
    struct tc_sim_memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return NULL;
    tc_arena_init(&memory->arena, ARENA_MAX);
    tc_arena_init(&memory->verify_arena, ARENA_MAX);
    return memory;
}

void tc_sim_memory_free(struct tc_sim_memory *memory)
{
    if (!memory)
        return;
    for (size_t i = 0; i < TC_SIM_SPARE; i++)
        while (memory->spare[i]) {
            struct tc_sim_blob *blob = memory->spare[i];
            memory->spare[i] = next_spare(blob);
            free(blob);
        }
    tc_arena_free(&memory->arena);
    tc_arena_free(&memory->verify_arena);
    free(memory->heap);
    free(memory);
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

/* Four children a node: half as deep as two, and they lie side by side. */
#define CHILDREN 4

/* One comparison in place of two: which of two events is earlier is as good as random, so a branch on it costs a lot.
 */
static inline bool before(const struct tc_sim_event *a, const struct tc_sim_event *b)
{
    return ((unsigned __int128)a->time_ns << 64 | a->order) < ((unsigned __int128)b->time_ns << 64 | b->order);
}

void tc_sim_event_drop(struct tc_sim *sim, struct tc_sim_event *event)
{
    if (event->kind == TC_SIM_BYTES)
        tc_sim_blob_drop(sim, event->blob);
}

void tc_sim_push(struct tc_sim *sim, struct tc_sim_event event)
{
    struct tc_sim_memory *memory = sim->memory;
    if (sim->heap_count == memory->heap_size) {
        size_t size = memory->heap_size ? 2 * memory->heap_size : 256;
        struct tc_sim_event *grown = realloc(memory->heap, size * sizeof *grown);
        if (!grown) {
            tc_sim_event_drop(sim, &event);
            tc_sim_fail(sim, TC_EMEMORY, "no memory for %zu simulated events", size);
            return;
        }
        memory->heap = grown;
        memory->heap_size = size;
    }
    struct tc_sim_event *heap = memory->heap;
    event.order = sim->next_order++;
    if (event.time_ns < sim->now_ns)
        event.time_ns = sim->now_ns;
    size_t at = sim->heap_count++;
    /* It is the last one pushed: of two at one time the other comes first. */
    while (at > 0 && event.time_ns < heap[(at - 1) / CHILDREN].time_ns) {
        heap[at] = heap[(at - 1) / CHILDREN];
        at = (at - 1) / CHILDREN;
    }
    heap[at] = event;
}

/* The earliest of the children from `first` on. */
static inline size_t earliest_child(const struct tc_sim_event *heap, size_t first, size_t count)
{
    if (first + CHILDREN <= count) {
        const size_t left = first + before(&heap[first + 1], &heap[first]);
        const size_t right = first + 2 + before(&heap[first + 3], &heap[first + 2]);
        return before(&heap[right], &heap[left]) ? right : left;
    }
    size_t best = first;
    for (size_t i = first + 1; i < count; i++)
        best = before(&heap[i], &heap[best]) ? i : best;
    return best;
}

struct tc_sim_event tc_sim_pop(struct tc_sim *sim)
{
    struct tc_sim_event *heap = sim->memory->heap;
    const struct tc_sim_event first = heap[0], last = heap[--sim->heap_count];
    size_t at = 0, child;
    while ((child = CHILDREN * at + 1) < sim->heap_count) {
        child = earliest_child(heap, child, sim->heap_count);
        if (!before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (sim->heap_count > 0)
        heap[at] = last;
    return first;
}
