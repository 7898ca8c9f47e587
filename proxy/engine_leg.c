/* Connections of a capture: what they show was written by others, and nothing passes through us. What a proxy made of a
 * message is told by comparing what was heard with what was said on the same link. */
#include "engine_internal.h"

#include <stdlib.h>

#include "random.h"

#define HEARD_SALT 1u /* what is heard is counted apart from what is said */

void tc_engine_leg(struct tc_pair *pair, enum tc_leg leg)
{
    static const uint8_t shows[][2] = {
        [TC_LEG_LIVE] = {0, 0},
        [TC_LEG_DIRECT] = {TC_SHOWS_SAID | TC_SHOWS_HEARD, TC_SHOWS_SAID | TC_SHOWS_HEARD},
        [TC_LEG_NEAR] = {TC_SHOWS_SAID, TC_SHOWS_HEARD},
        [TC_LEG_FAR] = {TC_SHOWS_HEARD, TC_SHOWS_SAID}};
    pair->lanes[0].shows = shows[leg][0];
    pair->lanes[1].shows = shows[leg][1];
}

static uint64_t said_tag(const struct tc_message *m)
{
    return tc_random_mix_bytes((uint64_t)m->from << 16 | m->to, m->frame) | 1;
}

/* The entry of this tag in its set, or NULL. */
static struct tc_said *said_find(const struct tc_engine *e, uint64_t tag, struct tc_said **set)
{
    *set = &e->said[(tag >> 32) % TC_SAID_SETS * TC_SAID_WAYS];
    for (size_t i = 0; i < TC_SAID_WAYS; i++)
        if ((*set)[i].tag == tag)
            return &(*set)[i];
    return NULL;
}

static void note_said(struct tc_engine *e, const struct tc_message *m)
{
    if (!e->said)
        e->said = calloc((size_t)TC_SAID_SETS * TC_SAID_WAYS, sizeof *e->said);
    if (!e->said) {
        e->out_of_memory = true;
        return;
    }
    uint64_t tag = said_tag(m);
    struct tc_said *set, *entry = said_find(e, tag, &set);
    for (size_t i = 0; !entry && i < TC_SAID_WAYS; i++)
        entry = set[i].tag == 0 ? &set[i] : NULL;
    if (!entry) { /* the oldest gives way */
        entry = set;
        for (size_t i = 1; i < TC_SAID_WAYS; i++)
            entry = set[i].stamp < entry->stamp ? &set[i] : entry;
    }
    *entry = (struct tc_said){tag, ++e->said_stamp};
}

static bool was_said(const struct tc_engine *e, const struct tc_message *m)
{
    struct tc_said *set;
    return e->said && said_find(e, said_tag(m), &set);
}

void tc_engine_witness(struct tc_engine *e, struct tc_lane *lane, struct tc_message *m)
{
    bool said = lane->shows & TC_SHOWS_SAID, heard = lane->shows & TC_SHOWS_HEARD;
    if (m->to == TC_NODE_NONE && m->statement_count > 0 && m->statements[0].kind == TC_KIND_REPLY)
        (lane - 1)->replied = true; /* only the lane back lacks its `to`, and only clients get replies */
    lane->seen_ns = e->now_ns;
    if (m->from == TC_NODE_NONE || m->to == TC_NODE_NONE)
        return;
    if (said)
        e->stats.bytes += m->frame.len;
    if (said && !heard)
        note_said(e, m);
    else if (!said)
        m->touched = !was_said(e, m);
    m->occurrence = tc_engine_occurrence(e, m, said ? 0 : HEARD_SALT);
    tc_engine_observe_message(e, m, said, heard);
}

static void say_gap(struct tc_engine *e, const struct tc_lane *lane, const char *why)
{
    struct tc_observation *o = tc_engine_observe(e, TC_OBS_SPLICED, lane->from, lane->to);
    o->is_gap = true;
    o->gap_since_ns = lane->seen_ns;
    o->text = why;
}

void tc_engine_gap(struct tc_engine *e, uint32_t conn, const char *why)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane)
        return;
    tc_engine_retire(e, lane->in);
    lane->in = NULL;
    lane->in_len = lane->in_size = 0;
    lane->lost = true;
    if (lane->from == TC_NODE_NONE || lane->to == TC_NODE_NONE)
        lane->lost_untold = true;
    else
        say_gap(e, lane, why);
}

void tc_engine_gap_tell(struct tc_engine *e, struct tc_lane *lane)
{
    if (!lane->lost_untold)
        return;
    lane->lost_untold = false;
    say_gap(e, lane, "the capture begins in its middle");
}

bool tc_engine_found_again(struct tc_engine *e, struct tc_lane *lane, struct tc_slice bytes)
{
    int64_t len = e->protocol->frame(bytes);
    if (len <= 0 || (uint64_t)len > bytes.len || len > (int64_t)TC_FRAME_MAX)
        return false;
    struct tc_message m = {.from = lane->from, .to = lane->to};
    if (e->protocol->decode((struct tc_slice){bytes.data, (size_t)len}, &e->arena, &m) != 0)
        return false;
    lane->lost = false;
    return true;
}

uint16_t tc_engine_guess_dialler(const struct tc_lane *lane, const struct tc_message *m)
{
    if (!m->decoded || m->statement_count == 0 || m->sender >= TC_NODES_MAX || m->sender == lane->to)
        return TC_NODE_NONE;
    if (m->statements[0].kind == TC_KIND_REQUEST && !lane->replied) /* replicas relay those of clients */
        return TC_NODE_NONE;
    return m->sender;
}
