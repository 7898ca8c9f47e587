/* What is to be sent later: a bounded heap on (time, sequence). Pure.
 *
 * Per lane (one direction of one connection) the order is first-in first-out: an item is due no earlier
 * than the item put in before it, unless it was put in with `reorder`. Equal times leave in the order
 * they came in. */
#ifndef TC_SCHEDULE_H
#define TC_SCHEDULE_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_schedule;

struct tc_scheduled {
    uint64_t due_ns;
    uint64_t entered_ns;
    uint64_t sequence;
    uint32_t lane;
    uint64_t token;        /* the caller's: names the decision or the timer */
    uint64_t flags;        /* the caller's */
    struct tc_slice bytes; /* owned by the schedule until popped and released */
    void *_owned;
};

/* A schedule of at most items_max items and bytes_max bytes over all, lanes 0 … lanes_max-1. NULL if out of memory.
 * Memory grows with use. */
struct tc_schedule *tc_schedule_new(uint32_t lanes_max, size_t items_max, size_t bytes_max);
void tc_schedule_free(struct tc_schedule *s);

/* Copies `bytes` in, due at due_ns or, without `reorder`, when the lane's previous item is due if that is later.
 * TC_ELIMIT if a bound is reached (nothing is stored; the caller makes an observation of it), TC_EMEMORY. */
int tc_schedule_put(struct tc_schedule *s, uint32_t lane, uint64_t now_ns, uint64_t due_ns, bool reorder,
                    struct tc_slice bytes, uint64_t token, uint64_t flags);

/* Due time of the first item; TC_NEVER_NS if empty. */
uint64_t tc_schedule_deadline_ns(const struct tc_schedule *s);

/* Takes the first item if it is due by now_ns: true and fills `out`, whose bytes stay valid until
 * tc_schedule_release(out). */
bool tc_schedule_pop(struct tc_schedule *s, uint64_t now_ns, struct tc_scheduled *out);
void tc_schedule_release(struct tc_schedule *s, struct tc_scheduled *item);

/* Does the lane hold anything that later messages must wait for (FIFO)? */
bool tc_schedule_lane_busy(const struct tc_schedule *s, uint32_t lane);
size_t tc_schedule_lane_bytes(const struct tc_schedule *s, uint32_t lane);

/* Drops everything of a lane (its connection died); `dropped` (may be NULL) is called for each. */
void tc_schedule_drop_lane(struct tc_schedule *s, uint32_t lane,
                           void (*dropped)(void *self, const struct tc_scheduled *item), void *self);

#endif
