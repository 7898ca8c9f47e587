/* Copies of recent frames in a ring of bytes, so that evidence exists when a conflict comes to light. Pure. */
#ifndef TC_FRAMES_H
#define TC_FRAMES_H

#include "../proxy/types.h"

struct tc_frames;

/* A frame as it is kept. Borrowed: valid until the next put. */
struct tc_kept_frame {
    uint64_t time_ns;
    uint16_t from, to;
    struct tc_slice bytes;
};

/* A ring of `size` bytes (a multiple of 8). NULL if out of memory. */
struct tc_frames *tc_frames_new(size_t size);
void tc_frames_free(struct tc_frames *frames);

/* Keeps a copy, over the oldest ones. The reference to ask for it by, or 0 if the frame is larger than an eighth of
 * the ring and was not kept. */
uint64_t tc_frames_put(struct tc_frames *frames, uint64_t time_ns, uint16_t from, uint16_t to, struct tc_slice bytes);

/* Finds it again; false if it was overwritten since (or `reference` is 0). */
bool tc_frames_get(const struct tc_frames *frames, uint64_t reference, struct tc_kept_frame *out);

#endif
