/* Breaches in words, and the frames that support them. */
#include "justify_parts.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `len` bytes at the head, if memory for it can be had. */
static bool frame_room(struct tc_justifier *j, size_t len)
{
    while (j->frame_bytes_size < FRAME_BYTES_MAX && j->frame_bytes_head + len > j->frame_bytes_size) {
        const size_t size = j->frame_bytes_size ? 4 * j->frame_bytes_size : FRAME_BYTES_FIRST;
        uint8_t *grown = realloc(j->frame_bytes, size < FRAME_BYTES_MAX ? size : FRAME_BYTES_MAX);
        if (!grown)
            return false;
        j->frame_bytes = grown;
        j->frame_bytes_size = size < FRAME_BYTES_MAX ? size : FRAME_BYTES_MAX;
    }
    return true;
}

static bool same_frame(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Where the bytes are in the ring, UINT64_MAX without memory. Those of a broadcast are there once. */
static uint64_t put_bytes(struct tc_justifier *j, struct tc_slice frame)
{
    const struct justify_frame *last = &j->frames[(j->frame_head - 1) % FRAMES_MAX];
    if (j->frame_head > 0 &&
        same_frame(frame, (struct tc_slice){j->frame_bytes + last->offset % FRAME_BYTES_MAX, last->len}))
        return last->offset;
    if (FRAME_BYTES_MAX - j->frame_bytes_head % FRAME_BYTES_MAX < frame.len) /* do not wrap inside a frame */
        j->frame_bytes_head += FRAME_BYTES_MAX - j->frame_bytes_head % FRAME_BYTES_MAX;
    if (!frame_room(j, frame.len))
        return UINT64_MAX;
    const uint64_t offset = j->frame_bytes_head;
    memcpy(j->frame_bytes + offset % FRAME_BYTES_MAX, frame.data, frame.len);
    j->frame_bytes_head += frame.len;
    return offset;
}

/* Frames are kept in a ring of bytes; an entry whose bytes were overwritten is dead. Proposals and votes are kept by
 * who asks (struct tc_breach): to copy each of them once more would cost as much as to judge it. */
void tc_justify_keep_frame(struct tc_justifier *j, const struct tc_message *m, uint16_t to)
{
    const struct tc_statement *s = &m->statements[0];
    const size_t len = m->frame.len;
    if (len > FRAME_BYTES_MAX / 16)
        return;
    const uint64_t offset = put_bytes(j, m->frame);
    if (offset == UINT64_MAX)
        return;
    j->frames[j->frame_head % FRAMES_MAX] = (struct justify_frame){.sequence = s->has_sequence ? s->sequence : 0,
                                                                   .view = s->view,
                                                                   .offset = offset,
                                                                   .len = (uint32_t)len,
                                                                   .from = m->from,
                                                                   .to = to,
                                                                   .gives_orders = s->kind == TC_KIND_NEW_VIEW};
    j->frame_head++;
}

static void add_support(struct tc_justifier *j, const struct justify_frame *frame)
{
    const struct tc_slice bytes = {j->frame_bytes + frame->offset % FRAME_BYTES_MAX, frame->len};
    if (j->support_count == SUPPORT_MAX || frame->len > FRAME_BYTES_MAX - j->support_used)
        return;
    for (size_t i = 0; i < j->support_count; i++)
        if (same_frame(j->support[i], bytes))
            return;
    uint8_t *copy = j->support_bytes + j->support_used;
    memcpy(copy, bytes.data, bytes.len);
    j->support[j->support_count++] = (struct tc_slice){copy, bytes.len};
    j->support_used += bytes.len;
}

static void gather_support(struct tc_justifier *j, uint16_t replica, uint64_t view, uint64_t sequence)
{
    const uint64_t kept = j->frame_head < FRAMES_MAX ? j->frame_head : FRAMES_MAX;
    j->support_count = 0;
    j->support_used = 0;
    if (!j->support_bytes)
        j->support_bytes = malloc(FRAME_BYTES_MAX);
    if (!j->support_bytes)
        return;
    for (uint64_t i = 1; i <= kept && j->support_count < SUPPORT_MAX; i++) {
        const struct justify_frame *frame = &j->frames[(j->frame_head - i) % FRAMES_MAX];
        if (frame->offset + FRAME_BYTES_MAX < j->frame_bytes_head)
            break;
        const bool about = frame->sequence == sequence || frame->gives_orders;
        if (about && frame->view == view && (frame->to == replica || frame->from == replica))
            add_support(j, frame);
    }
}

void tc_justify_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *rule,
                       const char *section, uint64_t view, uint64_t sequence, const char *format, ...)
{
    struct tc_breach breach = {.replica = replica,
                               .rule = rule,
                               .section = section,
                               .message = m,
                               .statement = m ? &m->statements[0] : NULL,
                               .view = view,
                               .sequence = sequence,
                               .support = j->support};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(breach.text, sizeof breach.text, format, arguments);
    va_end(arguments);
    gather_support(j, replica, view, sequence);
    breach.support_count = j->support_count;
    j->sink(j->self, &breach);
}

const char *tc_justify_list(const struct justify_set *set, char *buffer, size_t size)
{
    size_t used = 0;
    snprintf(buffer, size, "nobody");
    for (uint32_t i = 0; i < TC_REPLICAS_MAX && used + 8 < size; i++)
        if (justify_has(set, i))
            used += (size_t)snprintf(buffer + used, size - used, used > 0 ? ", %u" : "%u", i);
    return buffer;
}

const char *tc_justify_short(const uint8_t *digest, char buffer[static 16])
{
    if (tc_pbft_is_null(digest))
        snprintf(buffer, 16, "nil");
    else
        snprintf(buffer, 16, "%02x%02x%02x%02x…", digest[0], digest[1], digest[2], digest[3]);
    return buffer;
}
