/* Messages of several frames: what a traitor says in pieces (a proposal, then the block it names) is kept until it is
 * whole, so that a script sees it as one and may tell another story of it. Nobody else's words wait. */
#include "engine_internal.h"

#include <string.h>

/* Empties the lane; the frames live until the next step. */
static struct tc_slice take(struct tc_engine *e, struct tc_lane *lane)
{
    const struct tc_slice frames = tc_bytes_slice(&lane->gathered);
    tc_engine_retire(e, lane->gathered.data);
    lane->gathered = (struct tc_bytes){0};
    lane->gathering = (struct tc_gathering){0};
    return frames;
}

/* What is kept will not become whole: it goes on as it came. */
void tc_engine_gather_flush(struct tc_engine *e, uint32_t conn)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane)
        return;
    lane->gathering = (struct tc_gathering){0};
    if (lane->gathered.len == 0)
        return;
    const struct tc_slice frames = take(e, lane);
    struct tc_message *m = tc_engine_decode(e, lane, conn, frames);
    if (m)
        tc_engine_pass(e, conn, m);
    else
        tc_engine_offer(e, conn, frames, TC_ITEM_RAW, 0);
}

void tc_engine_gather_flush_all(struct tc_engine *e)
{
    for (uint32_t conn = 0; e->protocol->gather && conn < 2 * e->pair_count; conn++)
        tc_engine_gather_flush(e, conn);
}

struct tc_message *tc_engine_gather(struct tc_engine *e, uint32_t conn, struct tc_message *m)
{
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!e->attacking || !tc_nodeset_has(&e->traitors, lane->from))
        return m;
    enum tc_gather what = e->protocol->gather(&lane->gathering, m);
    const bool kept = what == TC_GATHER_KEEP || what == TC_GATHER_WHOLE;
    if (what == TC_GATHER_LOSE || (kept && lane->gathered.len + m->frame.len > TC_FRAME_MAX)) {
        tc_engine_gather_flush(e, conn);
        lane = tc_engine_lane(e, conn);
        what = lane ? e->protocol->gather(&lane->gathering, m) : TC_GATHER_PASS;
    }
    if (what != TC_GATHER_KEEP && what != TC_GATHER_WHOLE)
        return m;
    if (tc_bytes_append(&lane->gathered, m->frame)) {
        lane->gathering = (struct tc_gathering){0};
        e->out_of_memory = true;
        return m;
    }
    if (what == TC_GATHER_KEEP)
        return NULL;
    const struct tc_slice frames = take(e, lane);
    struct tc_message *whole = tc_engine_decode(e, lane, conn, frames);
    if (!whole) { /* no room to see it as one: it goes on all the same */
        tc_engine_offer(e, conn, frames, TC_ITEM_RAW, 0);
        return NULL;
    }
    return whole;
}
