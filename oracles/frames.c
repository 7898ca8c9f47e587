#include "frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct frame_head {
    uint64_t time_ns;
    uint32_t len;
    uint16_t from, to;
};

/* Positions count all bytes ever written, from 1 ring on, so that no reference is 0. */
struct tc_frames {
    size_t size;
    uint64_t end;
    uint8_t *bytes;
};

struct tc_frames *tc_frames_new(size_t size)
{
    assert(size >= 1024 && size % 8 == 0);
    struct tc_frames *frames = calloc(1, sizeof *frames);
    if (!frames)
        return NULL;
    frames->size = size;
    frames->end = size;
    frames->bytes = malloc(size);
    if (!frames->bytes) {
        free(frames);
        return NULL;
    }
    return frames;
}

void tc_frames_free(struct tc_frames *frames)
{
    if (!frames)
        return;
    free(frames->bytes);
    free(frames);
}

uint64_t tc_frames_put(struct tc_frames *frames, uint64_t time_ns, uint16_t from, uint16_t to, struct tc_slice bytes)
{
    size_t need = (sizeof(struct frame_head) + bytes.len + 7) & ~(size_t)7;
    if (need > frames->size / 8)
        return 0;
    size_t at = frames->end % frames->size;
    if (frames->size - at < need) { /* a frame never wraps around the end */
        frames->end += frames->size - at;
        at = 0;
    }
    struct frame_head head = {.time_ns = time_ns, .len = (uint32_t)bytes.len, .from = from, .to = to};
    memcpy(frames->bytes + at, &head, sizeof head);
    if (bytes.len > 0)
        memcpy(frames->bytes + at + sizeof head, bytes.data, bytes.len);
    uint64_t reference = frames->end;
    frames->end += need;
    return reference;
}

bool tc_frames_get(const struct tc_frames *frames, uint64_t reference, struct tc_kept_frame *out)
{
    if (reference == 0 || reference >= frames->end || frames->end - reference > frames->size)
        return false;
    const uint8_t *at = frames->bytes + reference % frames->size;
    struct frame_head head;
    memcpy(&head, at, sizeof head);
    *out = (struct tc_kept_frame){.time_ns = head.time_ns,
                                  .from = head.from,
                                  .to = head.to,
                                  .bytes = {.data = at + sizeof head, .len = head.len}};
    return true;
}
