/* Messages that wait for a name to be released. They are out of the order: others pass them. */
#include "engine_internal.h"

#include <stdlib.h>
#include <string.h>

#define NO_NAME UINT32_MAX

/* Index of the name, entered if it is new; NO_NAME if the table is full or the name too long. */
static uint32_t name_index(struct tc_engine *e, const char *name, bool enter)
{
    for (uint32_t i = 0; i < e->hold_name_count; i++)
        if (strcmp(e->hold_names[i], name) == 0)
            return i;
    size_t len = strlen(name);
    if (!enter || e->hold_name_count == TC_HOLD_NAMES_MAX || len >= TC_NAME_MAX)
        return NO_NAME;
    memcpy(e->hold_names[e->hold_name_count], name, len + 1);
    return e->hold_name_count++;
}

static bool held_room(struct tc_engine *e, size_t len)
{
    if (e->held_count >= e->config.schedule_items_max || len > e->config.schedule_bytes_max - e->held_bytes)
        return false;
    if (e->held_count < e->held_size)
        return true;
    size_t size = e->held_size ? e->held_size * 2 : 32;
    struct tc_held *held = realloc(e->held, size * sizeof *held);
    if (!held) {
        e->out_of_memory = true;
        return false;
    }
    e->held = held;
    e->held_size = size;
    return true;
}

bool tc_engine_hold(struct tc_engine *e, uint32_t conn, const struct tc_message *m, const struct tc_verdict *verdict,
                    const struct tc_decision *decision)
{
    uint32_t name = name_index(e, verdict->hold_name ? verdict->hold_name : "", true);
    uint8_t *bytes = NULL;
    uint32_t pending = 0;
    if (name == NO_NAME || !held_room(e, m->frame.len))
        goto full;
    bytes = tc_engine_copy(m->frame.data, m->frame.len);
    if (!bytes) {
        e->out_of_memory = true;
        return false;
    }
    pending = tc_engine_pend(e, decision, TC_WAIT_DELIVERY, 1);
    if (!pending)
        goto full;
    e->held[e->held_count++] = (struct tc_held){conn, m->occurrence, pending, name, bytes, m->frame.len};
    e->held_bytes += m->frame.len;
    tc_engine_lane(e, conn)->held += m->frame.len;
    return true;
full:
    free(bytes);
    tc_engine_overflow(e, m->from, m->to, "no room to hold a message, or too many names: it passed");
    return false;
}

/* Takes it off the books; its bytes live until the next step. */
static void held_account(struct tc_engine *e, const struct tc_held *held)
{
    e->held_bytes -= held->len;
    struct tc_lane *lane = tc_engine_lane(e, held->conn);
    if (lane)
        lane->held -= held->len;
    tc_engine_retire(e, held->bytes);
}

static bool held_offer(struct tc_engine *e, const struct tc_held *held)
{
    const struct tc_lane *lane = tc_engine_lane(e, held->conn);
    struct tc_slice frame = {held->bytes, held->len};
    if (!lane || lane->closed) {
        tc_engine_settle(e, held->pending, true);
        return false;
    }
    if (tc_schedule_lane_busy(e->schedule, held->conn + 1)) {
        bool put = tc_engine_offer(e, held->conn, frame, (uint64_t)held->occurrence << 32, held->pending);
        if (!put)
            tc_engine_settle(e, held->pending, true);
        return put;
    }
    tc_engine_write(e, TC_CONN_PEER(held->conn), frame);
    struct tc_message *m = e->config.observe ? tc_engine_decode(e, lane, held->conn, frame) : NULL;
    if (m) {
        m->occurrence = held->occurrence;
        tc_engine_observe_message(e, m, false, true);
    }
    tc_engine_delivered(e, held->pending, true);
    return true;
}

uint32_t tc_engine_release(struct tc_engine *e, const char *name)
{
    uint32_t index = name ? name_index(e, name, false) : NO_NAME;
    if (name && index == NO_NAME)
        return 0;
    uint32_t released = 0;
    size_t kept = 0;
    for (size_t i = 0; i < e->held_count; i++) {
        if (name && e->held[i].name != index) {
            e->held[kept++] = e->held[i];
            continue;
        }
        released += held_offer(e, &e->held[i]);
        held_account(e, &e->held[i]);
    }
    e->held_count = kept;
    return released;
}

/* A message that was withheld and then dropped was not offered to whom it was meant for: the hold bit. */
void tc_engine_hold_drop(struct tc_engine *e, uint32_t conn)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->held_count; i++) {
        if (conn != UINT32_MAX && e->held[i].conn != conn) {
            e->held[kept++] = e->held[i];
            continue;
        }
        tc_engine_settle(e, e->held[i].pending, true);
        held_account(e, &e->held[i]);
    }
    e->held_count = kept;
}
