/* One direction of a TCP stream: bytes in order, whatever order the packets came in. Private to the capture files.
 *
 * A segment ahead of its turn is kept (bounded) until the bytes before it come. They are given up as lost when the
 * receiver acknowledges them all the same (then only we have not seen them), when too much is kept, and at the end. */
#ifndef TC_CAPTURE_STREAM_H
#define TC_CAPTURE_STREAM_H

#include "types.h"

#define TC_CAPTURE_HELD_MAX 64 /* segments ahead of their turn */

struct tc_capture_held;

struct tc_capture_side {
    bool started, closed;
    uint32_t next;         /* sequence number of the byte that comes next */
    uint32_t acknowledged; /* highest that the receiver acknowledged, if `has_acknowledged` */
    bool has_acknowledged;
    uint64_t late; /* times that bytes came after their acknowledgement: packets were captured in another order */
    struct tc_capture_held *held; /* TC_CAPTURE_HELD_MAX of them, or NULL if none was ever kept */
    uint32_t held_count;
};

/* Takes bytes in their turn; `gap`: some before them are missing. */
typedef void tc_capture_bytes_fn(void *self, struct tc_slice bytes, bool gap);

/* Takes a segment. TC_EMEMORY. `again` is raised by the bytes that were there before. */
int tc_capture_side_take(struct tc_capture_side *side, uint32_t sequence, struct tc_slice bytes,
                         tc_capture_bytes_fn *each, void *self, uint64_t *again);

/* The receiver has all bytes before `acknowledged`. */
void tc_capture_side_acknowledged(struct tc_capture_side *side, uint32_t acknowledged, tc_capture_bytes_fn *each,
                                  void *self, uint64_t *again);

/* Gives out all that is kept: nothing more will come. */
void tc_capture_side_end(struct tc_capture_side *side, tc_capture_bytes_fn *each, void *self, uint64_t *again);

/* Gives back what is kept, and leaves the side as a fresh one. */
void tc_capture_side_free(struct tc_capture_side *side);

#endif
