#include "schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* A stored item: in the heap at heap_at, and in its lane's list in the order of entering. */
struct slot {
    struct tc_scheduled item;
    uint32_t heap_at;
    uint32_t previous, next; /* of the lane; `next` chains the free slots too */
    bool fifo;
};

struct lane {
    uint64_t last_due_ns; /* of the newest first-in first-out item still here */
    uint32_t first, last;
    uint32_t fifo_count;
    size_t bytes;
};

struct tc_schedule {
    struct slot *slots;
    uint32_t *heap; /* indices of slots */
    struct lane *lanes;
    size_t count, capacity;
    uint32_t slots_used, free_slot;
    uint32_t lane_count, lanes_max;
    size_t items_max, bytes_max, bytes;
    uint64_t sequence;
};

struct tc_schedule *tc_schedule_new(uint32_t lanes_max, size_t items_max, size_t bytes_max)
{
    struct tc_schedule *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->lanes_max = lanes_max;
    s->items_max = items_max < NONE ? items_max : NONE - 1;
    s->bytes_max = bytes_max;
    s->free_slot = NONE;
    return s;
}

void tc_schedule_free(struct tc_schedule *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->slots[s->heap[i]].item._owned);
    free(s->slots);
    free(s->heap);
    free(s->lanes);
    free(s);
}

/* ---- the heap, smallest (time, sequence) on top ---- */

static bool before(const struct tc_schedule *s, uint32_t a, uint32_t b)
{
    const struct tc_scheduled *x = &s->slots[a].item, *y = &s->slots[b].item;
    return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->sequence < y->sequence;
}

static void place(struct tc_schedule *s, size_t at, uint32_t slot)
{
    s->heap[at] = slot;
    s->slots[slot].heap_at = (uint32_t)at;
}

static void sift_up(struct tc_schedule *s, size_t at)
{
    uint32_t slot = s->heap[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!before(s, slot, s->heap[parent]))
            break;
        place(s, at, s->heap[parent]);
        at = parent;
    }
    place(s, at, slot);
}

static void sift_down(struct tc_schedule *s, size_t at)
{
    uint32_t slot = s->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->count)
            break;
        if (child + 1 < s->count && before(s, s->heap[child + 1], s->heap[child]))
            child++;
        if (!before(s, s->heap[child], slot))
            break;
        place(s, at, s->heap[child]);
        at = child;
    }
    place(s, at, slot);
}

static void heap_remove(struct tc_schedule *s, size_t at)
{
    uint32_t last = s->heap[--s->count];
    if (at == s->count)
        return;
    place(s, at, last);
    sift_down(s, at);
    sift_up(s, s->slots[last].heap_at);
}

/* ---- slots and lanes ---- */

static int grow_slots(struct tc_schedule *s)
{
    size_t capacity = s->capacity ? s->capacity * 2 : 64;
    struct slot *slots = realloc(s->slots, capacity * sizeof *slots);
    if (!slots)
        return TC_EMEMORY;
    s->slots = slots;
    uint32_t *heap = realloc(s->heap, capacity * sizeof *heap);
    if (!heap)
        return TC_EMEMORY;
    s->heap = heap;
    s->capacity = capacity;
    return 0;
}

static int grow_lanes(struct tc_schedule *s, uint32_t lane)
{
    if (lane < s->lane_count)
        return 0;
    uint32_t count = s->lane_count ? s->lane_count : 16;
    while (count <= lane)
        count *= 2;
    struct lane *lanes = realloc(s->lanes, count * sizeof *lanes);
    if (!lanes)
        return TC_EMEMORY;
    s->lanes = lanes;
    for (uint32_t i = s->lane_count; i < count; i++)
        s->lanes[i] = (struct lane){.first = NONE, .last = NONE};
    s->lane_count = count;
    return 0;
}

static uint32_t take_slot(struct tc_schedule *s)
{
    uint32_t slot = s->free_slot;
    if (slot == NONE)
        return s->slots_used++;
    s->free_slot = s->slots[slot].next;
    return slot;
}

/* Takes the slot out of heap, lane and accounts; the bytes are the caller's from now on. */
static void forget(struct tc_schedule *s, uint32_t index)
{
    struct slot *slot = &s->slots[index];
    struct lane *lane = &s->lanes[slot->item.lane];
    heap_remove(s, slot->heap_at);
    if (slot->previous == NONE)
        lane->first = slot->next;
    else
        s->slots[slot->previous].next = slot->next;
    if (slot->next == NONE)
        lane->last = slot->previous;
    else
        s->slots[slot->next].previous = slot->previous;
    lane->bytes -= slot->item.bytes.len;
    lane->fifo_count -= slot->fifo;
    s->bytes -= slot->item.bytes.len;
    slot->next = s->free_slot;
    s->free_slot = index;
}

int tc_schedule_put(struct tc_schedule *s, uint32_t lane_index, uint64_t now_ns, uint64_t due_ns, bool reorder,
                    struct tc_slice bytes, uint64_t token, uint64_t flags)
{
    assert(lane_index < s->lanes_max);
    if (s->count >= s->items_max || bytes.len > s->bytes_max - s->bytes)
        return TC_ELIMIT;
    if ((s->count == s->capacity && grow_slots(s)) || grow_lanes(s, lane_index))
        return TC_EMEMORY;
    void *owned = NULL;
    if (bytes.len > 0) {
        owned = malloc(bytes.len);
        if (!owned)
            return TC_EMEMORY;
        memcpy(owned, bytes.data, bytes.len);
    }
    struct lane *lane = &s->lanes[lane_index];
    if (!reorder && lane->fifo_count > 0 && due_ns < lane->last_due_ns)
        due_ns = lane->last_due_ns;
    uint32_t index = take_slot(s);
    s->slots[index] = (struct slot){.item = {.due_ns = due_ns,
                                             .entered_ns = now_ns,
                                             .sequence = s->sequence++,
                                             .lane = lane_index,
                                             .token = token,
                                             .flags = flags,
                                             .bytes = {owned, bytes.len},
                                             ._owned = owned},
                                    .previous = lane->last,
                                    .next = NONE,
                                    .fifo = !reorder};
    if (lane->last == NONE)
        lane->first = index;
    else
        s->slots[lane->last].next = index;
    lane->last = index;
    if (!reorder) {
        lane->last_due_ns = due_ns;
        lane->fifo_count++;
    }
    lane->bytes += bytes.len;
    s->bytes += bytes.len;
    place(s, s->count++, index);
    sift_up(s, s->count - 1);
    return 0;
}

uint64_t tc_schedule_deadline_ns(const struct tc_schedule *s)
{
    return s->count ? s->slots[s->heap[0]].item.due_ns : TC_NEVER_NS;
}

bool tc_schedule_pop(struct tc_schedule *s, uint64_t now_ns, struct tc_scheduled *out)
{
    if (s->count == 0 || s->slots[s->heap[0]].item.due_ns > now_ns)
        return false;
    uint32_t index = s->heap[0];
    *out = s->slots[index].item;
    forget(s, index);
    return true;
}

void tc_schedule_release(struct tc_schedule *s, struct tc_scheduled *item)
{
    (void)s;
    free(item->_owned);
    item->_owned = NULL;
    item->bytes = (struct tc_slice){NULL, 0};
}

bool tc_schedule_lane_busy(const struct tc_schedule *s, uint32_t lane)
{
    return lane < s->lane_count && s->lanes[lane].fifo_count > 0;
}

size_t tc_schedule_lane_bytes(const struct tc_schedule *s, uint32_t lane)
{
    return lane < s->lane_count ? s->lanes[lane].bytes : 0;
}

void tc_schedule_drop_lane(struct tc_schedule *s, uint32_t lane,
                           void (*dropped)(void *self, const struct tc_scheduled *item), void *self)
{
    if (lane >= s->lane_count)
        return;
    while (s->lanes[lane].first != NONE) {
        uint32_t index = s->lanes[lane].first;
        struct tc_scheduled item = s->slots[index].item;
        forget(s, index);
        if (dropped)
            dropped(self, &item);
        tc_schedule_release(s, &item);
    }
}
