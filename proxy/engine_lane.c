/* Bytes → frames. Whole frames are handled where they lie, in the event's bytes; the lane keeps only what is not whole.
 *
 * Two cursors into one stream: what `in` holds came first, the event's bytes follow. A frame that straddles both is put
 * together in `in` and copied out, so that the rest of the event is again handled in place. */
#include "engine_internal.h"

#include <stdlib.h>
#include <string.h>

#define COMPLETE_STEP   64          /* first bite of the event that is tried for the rest of a frame */
#define ARENA_FRAME_MAX (64u << 10) /* larger straddling frames keep the lane's buffer instead of being copied */
#define IN_SIZE_KEPT    (64u << 10) /* a lane's empty buffer larger than this is given back */

static int in_append(struct tc_engine *e, struct tc_lane *lane, struct tc_slice bytes)
{
    if (bytes.len > lane->in_size - lane->in_len) {
        size_t size = lane->in_size ? lane->in_size : 512;
        while (size - lane->in_len < bytes.len)
            size *= 2;
        uint8_t *in = realloc(lane->in, size);
        if (!in) {
            e->out_of_memory = true;
            return TC_EMEMORY;
        }
        lane->in = in;
        lane->in_size = size;
    }
    if (bytes.len > 0)
        memcpy(lane->in + lane->in_len, bytes.data, bytes.len);
    lane->in_len += bytes.len;
    return 0;
}

/* The lane's bytes, which now live until the next step; the lane is empty. */
static struct tc_slice in_steal(struct tc_engine *e, struct tc_lane *lane)
{
    struct tc_slice bytes = {lane->in, lane->in_len};
    tc_engine_retire(e, lane->in);
    lane->in = NULL;
    lane->in_len = 0;
    lane->in_size = 0;
    return bytes;
}

static int64_t frame_length(struct tc_engine *e, struct tc_slice in)
{
    int64_t len = e->protocol->frame(in);
    if (len > (int64_t)in.len || len > (int64_t)TC_FRAME_MAX || (len == TC_FRAME_PARTIAL && in.len >= TC_FRAME_MAX))
        return TC_FRAME_MALFORMED;
    return len < 0 ? TC_FRAME_MALFORMED : len;
}

/* A connection is believed to be its address's node's. Where every connection begins with a hello, one that begins with
 * what is no frame at all is a stranger's that found the port: it takes nothing from the link. Of a capture the
 * beginning may be missing. */
static bool is_strangers(const struct tc_engine *e, uint32_t conn, const struct tc_lane *lane)
{
    return e->protocol->hello && !e->config.transport.class && (conn & 1) == 0 && !lane->first_seen &&
           lane->shows == 0 && lane->from != TC_NODE_NONE;
}

static void splice(struct tc_engine *e, uint32_t conn, struct tc_lane *lane)
{
    e->stats.spliced++;
    if (is_strangers(e, conn, lane)) {
        tc_engine_pair_disown(e, conn);
        tc_engine_observe(e, TC_OBS_SPLICED, TC_NODE_NONE, lane->to)->text =
            "a stranger's connection, which begins with no hello: passed raw";
        return;
    }
    lane->raw = true;
    tc_engine_observe(e, TC_OBS_SPLICED, lane->from, lane->to)->text = "bytes cannot be framed: passed raw from here";
}

static void pass_raw(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    if (bytes.len > 0 && !tc_engine_offer(e, conn, bytes, TC_ITEM_RAW, 0))
        tc_engine_pair_down(e, conn, true, true); /* a raw stream with a hole in it is worse than none */
}

/* Takes bytes off `rest` until the frame begun in lane->in is whole. True: `frame` is it. False: still not whole
 * (`rest` is empty then), or the lane is raw now and everything up to `rest` was passed. */
static bool complete_frame(struct tc_engine *e, uint32_t conn, struct tc_slice *rest, struct tc_slice *frame)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    size_t begun = lane->in_len, taken = 0;
    while (taken < rest->len) {
        /* The frame's length is not known before it is whole, so try pieces that grow with it: at most about twice
         * its bytes are copied, and what was taken too much is handled in place after all. */
        size_t step = lane->in_len > COMPLETE_STEP ? lane->in_len : COMPLETE_STEP;
        size_t take = rest->len - taken < step ? rest->len - taken : step;
        if (in_append(e, lane, (struct tc_slice){rest->data + taken, take}))
            return false;
        taken += take;
        int64_t len = frame_length(e, (struct tc_slice){lane->in, lane->in_len});
        if (len == TC_FRAME_PARTIAL)
            continue;
        /* A frame that ends within what was called unfinished before: such a length is not to be believed. */
        if (len > 0 && (size_t)len <= begun)
            len = TC_FRAME_MALFORMED;
        size_t used = taken;
        if (len > 0) {
            lane->in_len = (size_t)len;
            used = (size_t)len - begun;
        }
        *rest = (struct tc_slice){rest->data + used, rest->len - used};
        uint8_t *copy = lane->in_len <= ARENA_FRAME_MAX ? tc_arena_alloc(&e->arena, lane->in_len) : NULL;
        if (copy) {
            memcpy(copy, lane->in, lane->in_len);
            *frame = (struct tc_slice){copy, lane->in_len};
            lane->in_len = 0;
        } else {
            *frame = in_steal(e, lane);
        }
        if (len > 0)
            return true;
        splice(e, conn, lane);
        pass_raw(e, conn, *frame);
        return false;
    }
    rest->len = 0;
    return false;
}

/* All whole frames of `rest`, in place; what is left over is kept. A script may cut the pair at any of them. */
static void lane_frames(struct tc_engine *e, uint32_t conn, struct tc_slice rest)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    struct tc_slice frame;
    if (!lane) /* the transport found that the peer broke its rules */
        return;
    if (!lane->raw && lane->in_len > 0 && rest.len > 0 && complete_frame(e, conn, &rest, &frame))
        tc_engine_message(e, conn, lane, frame);
    while ((lane = tc_engine_lane(e, conn)) && rest.len > 0) {
        if (lane->lost && !tc_engine_found_again(e, lane, rest))
            return;
        if (lane->raw) {
            pass_raw(e, conn, rest);
            return;
        }
        int64_t len = frame_length(e, rest);
        if (len == TC_FRAME_PARTIAL) {
            in_append(e, lane, rest);
            return;
        }
        if (len == TC_FRAME_MALFORMED) {
            splice(e, conn, lane);
            continue;
        }
        frame = (struct tc_slice){rest.data, (size_t)len};
        rest = (struct tc_slice){rest.data + len, rest.len - (size_t)len};
        tc_engine_message(e, conn, lane, frame);
    }
    if (lane && lane->in_len == 0 && lane->in_size > IN_SIZE_KEPT)
        in_steal(e, lane);
}

void tc_engine_bytes(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    if (!pair || bytes.len == 0)
        return;
    struct tc_lane *lane = &pair->lanes[conn & 1];
    if (lane->eof || lane->closed)
        return;
    if (pair->dialled) {
        lane_frames(e, conn, pair->transport ? tc_engine_transport_receive(e, conn, bytes) : bytes);
    } else if (lane->in_len + bytes.len > e->config.lane_budget_bytes + TC_FRAME_MAX) {
        /* The world was told to stop reading long ago. */
        tc_engine_overflow(e, lane->from, lane->to, "bytes before the connection was dialled");
        tc_engine_pair_down(e, conn, true, true);
        return;
    } else {
        in_append(e, lane, bytes);
    }
    tc_engine_lane_settle(e, conn);
}

void tc_engine_lane_drain(struct tc_engine *e, uint32_t conn)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane || lane->in_len == 0)
        return;
    struct tc_slice waiting = in_steal(e, lane);
    if (tc_engine_pair(e, conn)->transport)
        waiting = tc_engine_transport_receive(e, conn, waiting);
    e->event_bytes = waiting;
    lane_frames(e, conn, waiting);
    lane = tc_engine_lane(e, conn);
    if (lane && lane->eof)
        tc_engine_lane_flush(e, conn);
}

void tc_engine_lane_flush(struct tc_engine *e, uint32_t conn)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (lane && lane->in_len > 0)
        pass_raw(e, conn, in_steal(e, lane));
}
