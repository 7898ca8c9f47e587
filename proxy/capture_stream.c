#include "capture_stream.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define HELD_SURE                                                                                                      \
    3u /* kept segments from which on an acknowledgement is believed: packets may be captured in disorder */

struct tc_capture_held {
    uint32_t sequence;
    size_t len;
    uint8_t *bytes;
};

/* How far `a` is ahead of `b` in the circle of sequence numbers. */
static int32_t ahead(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

/* Takes the kept segment with the lowest sequence number at or before `next`, or, if `skip`, the lowest of all. */
static bool take_held(struct tc_capture_side *side, bool skip, struct tc_capture_held *out)
{
    uint32_t best = TC_CAPTURE_HELD_MAX;
    for (uint32_t i = 0; i < side->held_count; i++)
        if ((skip || ahead(side->held[i].sequence, side->next) <= 0) &&
            (best == TC_CAPTURE_HELD_MAX || ahead(side->held[i].sequence, side->held[best].sequence) < 0))
            best = i;
    if (best == TC_CAPTURE_HELD_MAX)
        return false;
    *out = side->held[best];
    side->held[best] = side->held[--side->held_count];
    return true;
}

/* Gives out what of [sequence, sequence+len) is new. */
static void give(struct tc_capture_side *side, uint32_t sequence, struct tc_slice bytes, tc_capture_bytes_fn *each,
                 void *self, uint64_t *again)
{
    int32_t by = ahead(sequence, side->next);
    if (by < 0) {
        size_t old = (size_t) - (int64_t)by;
        *again += old < bytes.len ? old : bytes.len;
        if (old >= bytes.len)
            return;
        bytes.data += old;
        bytes.len -= old;
        sequence = side->next;
    }
    side->late += side->has_acknowledged && ahead(side->acknowledged, sequence) > 0 && by <= 0;
    side->next = sequence + (uint32_t)bytes.len;
    each(self, bytes, by > 0);
}

static void release(struct tc_capture_side *side, bool skip, tc_capture_bytes_fn *each, void *self, uint64_t *again)
{
    struct tc_capture_held held;
    while (take_held(side, skip, &held)) {
        give(side, held.sequence, (struct tc_slice){held.bytes, held.len}, each, self, again);
        free(held.bytes);
    }
}

static int keep(struct tc_capture_side *side, uint32_t sequence, struct tc_slice bytes)
{
    if (!side->held)
        side->held = calloc(TC_CAPTURE_HELD_MAX, sizeof *side->held);
    uint8_t *copy = side->held ? malloc(bytes.len) : NULL;
    if (!copy)
        return TC_EMEMORY;
    memcpy(copy, bytes.data, bytes.len);
    side->held[side->held_count++] = (struct tc_capture_held){sequence, bytes.len, copy};
    return 0;
}

int tc_capture_side_take(struct tc_capture_side *side, uint32_t sequence, struct tc_slice bytes,
                         tc_capture_bytes_fn *each, void *self, uint64_t *again)
{
    if (bytes.len == 0)
        return 0;
    if (!side->started) {
        side->started = true;
        side->next = sequence;
    }
    if (ahead(sequence, side->next) > 0) {
        if (side->held_count == TC_CAPTURE_HELD_MAX)
            release(side, true, each, self, again);
        if (ahead(sequence, side->next) > 0)
            return keep(side, sequence, bytes);
    }
    give(side, sequence, bytes, each, self, again);
    release(side, false, each, self, again);
    return 0;
}

void tc_capture_side_acknowledged(struct tc_capture_side *side, uint32_t acknowledged, tc_capture_bytes_fn *each,
                                  void *self, uint64_t *again)
{
    if (side->started && (!side->has_acknowledged || ahead(acknowledged, side->acknowledged) > 0)) {
        side->acknowledged = acknowledged;
        side->has_acknowledged = true;
    }
    if (side->held_count >= HELD_SURE && ahead(acknowledged, side->next) > 0)
        release(side, true, each, self, again);
}

void tc_capture_side_end(struct tc_capture_side *side, tc_capture_bytes_fn *each, void *self, uint64_t *again)
{
    release(side, true, each, self, again);
}

void tc_capture_side_free(struct tc_capture_side *side)
{
    for (uint32_t i = 0; i < side->held_count; i++)
        free(side->held[i].bytes);
    free(side->held);
    *side = (struct tc_capture_side){0};
}
