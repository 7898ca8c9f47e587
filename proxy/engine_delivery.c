/* What was scheduled and is due. */
#include "engine_internal.h"

#include <stdlib.h>

/* Keeps the item's bytes until the next step. */
static bool keep(struct tc_engine *e, const struct tc_scheduled *item)
{
    if (e->popped_count == e->popped_size) {
        size_t size = e->popped_size ? e->popped_size * 2 : 64;
        struct tc_scheduled *popped = realloc(e->popped, size * sizeof *popped);
        if (!popped) {
            e->out_of_memory = true;
            return false;
        }
        e->popped = popped;
        e->popped_size = size;
    }
    e->popped[e->popped_count++] = *item;
    return true;
}

static void deliver(struct tc_engine *e, const struct tc_scheduled *item)
{
    uint32_t conn = item->lane - 1;
    struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane) { /* dropping a lane drops its items; this is for a bug, not for the wire */
        tc_engine_delivered(e, (uint32_t)item->token, false);
        return;
    }
    tc_engine_write(e, TC_CONN_PEER(conn), item->bytes);
    if (!(item->flags & TC_ITEM_RAW) && e->config.observe) {
        struct tc_message *m = tc_engine_decode(e, lane, conn, item->bytes);
        if (m) {
            m->touched = item->flags & TC_ITEM_TOUCHED;
            m->occurrence = (uint32_t)(item->flags >> 32);
            tc_engine_observe_message(e, m, false, true);
        }
    }
    tc_engine_delivered(e, (uint32_t)item->token, true);
    tc_engine_lane_settle(e, conn);
}

/* Ends: whatever is put in meanwhile is due later than now, but for what queues behind items that leave now too. */
void tc_engine_deliver_due(struct tc_engine *e)
{
    struct tc_scheduled item;
    while (tc_schedule_pop(e->schedule, e->now_ns, &item)) {
        if (!keep(e, &item)) {
            tc_schedule_release(e->schedule, &item);
            return;
        }
        if (item.lane != TC_TIMER_LANE)
            deliver(e, &item);
        else if (tc_engine_wants(e, TC_CALL_TIMER))
            tc_engine_call(e, TC_CALL_TIMER, NULL, NULL, item.token);
    }
}
