/* What becomes of one message. */
#include "engine_internal.h"

#include <string.h>

#include "random.h"

static uint64_t later(uint64_t now_ns, uint64_t delay_ns)
{
    return delay_ns < TC_NEVER_NS - 1 - now_ns ? now_ns + delay_ns : TC_NEVER_NS - 1;
}

static uint64_t item_flags(const struct tc_message *m, bool touched)
{
    return (uint64_t)m->occurrence << 32 | (touched ? TC_ITEM_TOUCHED : 0);
}

/* Schedules it; on failure says so, and the caller falls back to passing it on. */
static bool schedule(struct tc_engine *e, uint32_t conn, const struct tc_message *m, struct tc_slice bytes,
                     uint64_t due_ns, bool reorder, bool touched, uint32_t pending)
{
    int rc = tc_schedule_put(e->schedule, conn + 1, e->now_ns, due_ns, reorder, bytes, pending, item_flags(m, touched));
    if (rc == 0)
        return true;
    e->out_of_memory |= rc == TC_EMEMORY;
    tc_engine_overflow(e, m->from, m->to, "the schedule is full: a message was not delayed");
    return false;
}

static void drop(struct tc_engine *e, struct tc_message *m, struct tc_decision *d)
{
    d->bitten = true;
    tc_engine_observe_message(e, m, true, false);
    tc_engine_resolve(e, d);
}

/* DELAY and REORDER: the message itself, later. */
static void defer(struct tc_engine *e, uint32_t conn, struct tc_message *m, const struct tc_verdict *v,
                  struct tc_decision *d)
{
    bool reorder = v->verb == TC_REORDER;
    d->asked_ns = v->delay_ns;
    if (reorder) {
        uint64_t hash = tc_random_mix(tc_random_mix_text(e->config.seed, d->rule), m->key);
        hash = tc_random_mix(hash, (uint64_t)m->from << 48 | (uint64_t)m->to << 32 | m->occurrence);
        uint64_t window = v->reorder_window_ns < TC_NEVER_NS ? v->reorder_window_ns : TC_NEVER_NS - 1;
        d->asked_ns = tc_random_below(hash, window + 1);
    }
    uint32_t pending = d->asked_ns > 0 ? tc_engine_pend(e, d, TC_WAIT_DELIVERY, 1) : 0;
    if (pending && schedule(e, conn, m, m->frame, later(e->now_ns, d->asked_ns), reorder, false, pending)) {
        tc_engine_observe_message(e, m, true, false);
        return;
    }
    if (pending)
        tc_engine_settle(e, pending, false);
    else
        tc_engine_resolve(e, d); /* a delay of nothing does not bite */
    tc_engine_pass(e, conn, m);
}

static void write_copy(struct tc_engine *e, uint32_t conn, const struct tc_message *m)
{
    tc_engine_write(e, TC_CONN_PEER(conn), m->frame);
    tc_engine_observe_message(e, m, false, true);
}

static void duplicate(struct tc_engine *e, uint32_t conn, struct tc_message *m, const struct tc_verdict *v,
                      struct tc_decision *d)
{
    uint32_t copies = v->duplicates < TC_DUPLICATES_MAX ? v->duplicates : TC_DUPLICATES_MAX;
    d->count = copies;
    d->asked_ns = v->delay_ns;
    bool waits = tc_schedule_lane_busy(e->schedule, conn + 1);
    tc_engine_pass(e, conn, m);
    if (v->delay_ns == 0 && !waits) {
        for (uint32_t i = 0; i < copies; i++)
            write_copy(e, conn, m);
        d->bitten = copies > 0;
        tc_engine_resolve(e, d);
        return;
    }
    uint32_t pending = copies > 0 ? tc_engine_pend(e, d, TC_WAIT_DELIVERY, copies) : 0;
    if (!pending) {
        tc_engine_resolve(e, d);
        return;
    }
    for (uint32_t i = 1; i <= copies; i++) {
        /* Copies are spread evenly and hold up nobody; without a spread they follow the original in its queue. */
        uint64_t due_ns = later(e->now_ns, v->delay_ns / copies * i);
        if (!schedule(e, conn, m, m->frame, due_ns, v->delay_ns > 0, false, pending))
            tc_engine_delivered(e, pending, false);
    }
}

/* ---- replace ---- */

/* The frames one after another, in the step's arena; {NULL, 0} if there is no room. */
static struct tc_slice joined(struct tc_engine *e, const struct tc_verdict *v)
{
    size_t len = 0;
    for (uint32_t i = 0; i < v->frame_count; i++)
        len += v->frames[i].len;
    uint8_t *bytes = tc_arena_alloc(&e->arena, len);
    if (!bytes)
        return (struct tc_slice){NULL, 0};
    size_t at = 0;
    for (uint32_t i = 0; i < v->frame_count; i++) {
        if (v->frames[i].len > 0)
            memcpy(bytes + at, v->frames[i].data, v->frames[i].len);
        at += v->frames[i].len;
    }
    return (struct tc_slice){bytes, len};
}

static bool same(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What is heard in the message's place: each frame decoded on its own, as the receiver will. */
static void observe_frame(struct tc_engine *e, uint32_t conn, const struct tc_message *original, struct tc_slice frame)
{
    if (!e->config.observe)
        return;
    struct tc_message *m = tc_engine_decode(e, tc_engine_lane(e, conn), conn, frame);
    if (!m)
        return;
    m->touched = !same(frame, original->frame);
    m->occurrence = original->occurrence;
    tc_engine_observe_message(e, m, false, true);
}

static void replace_now(struct tc_engine *e, uint32_t conn, struct tc_message *m, const struct tc_verdict *v,
                        struct tc_decision *d)
{
    d->bitten = true;
    tc_engine_write(e, TC_CONN_PEER(conn), d->bytes);
    size_t at = 0;
    for (uint32_t i = 0; i < v->frame_count; i++) {
        observe_frame(e, conn, m, (struct tc_slice){d->bytes.data + at, v->frames[i].len});
        at += v->frames[i].len;
    }
    tc_engine_resolve(e, d);
}

static void replace(struct tc_engine *e, uint32_t conn, struct tc_message *m, const struct tc_verdict *v,
                    struct tc_decision *d)
{
    d->count = v->frame_count;
    d->asked_ns = v->delay_ns;
    d->bytes = joined(e, v);
    if (!d->bytes.data) {
        tc_engine_overflow(e, m->from, m->to, "a replacement is too large: the message passed as it was");
        tc_engine_resolve(e, d);
        tc_engine_pass(e, conn, m);
        return;
    }
    if (d->bytes.len == 0) {
        drop(e, m, d);
        return;
    }
    if (v->delay_ns == 0 && same(d->bytes, m->frame)) {
        tc_engine_resolve(e, d);
        tc_engine_pass(e, conn, m);
        return;
    }
    tc_engine_observe_message(e, m, true, false);
    if (v->delay_ns == 0 && !tc_schedule_lane_busy(e->schedule, conn + 1)) {
        replace_now(e, conn, m, v, d);
        return;
    }
    uint32_t pending = tc_engine_pend(e, d, TC_WAIT_DELIVERY, v->frame_count);
    if (!pending) {
        replace_now(e, conn, m, v, d);
        return;
    }
    for (uint32_t i = 0; i < v->frame_count; i++) {
        bool touched = !same(v->frames[i], m->frame);
        if (!schedule(e, conn, m, v->frames[i], later(e->now_ns, v->delay_ns), false, touched, pending))
            tc_engine_delivered(e, pending, false);
    }
}

/* Is it more than a forward by another name? Only then is anybody's link or node at fault. */
static bool changes(const struct tc_message *m, const struct tc_verdict *v)
{
    switch (v->verb) {
    case TC_DELAY:
        return v->delay_ns > 0;
    case TC_REORDER:
        return v->reorder_window_ns > 0;
    case TC_DUPLICATE:
        return v->duplicates > 0;
    case TC_REPLACE:
        return v->frame_count != 1 || v->delay_ns > 0 || !same(v->frames[0], m->frame);
    default:
        return true;
    }
}

static bool delivers(const struct tc_message *m, const struct tc_verdict *v)
{
    for (uint32_t i = 0; v->verb == TC_REPLACE && v->delay_ns == 0 && i < v->frame_count; i++)
        if (same(v->frames[i], m->frame))
            return true;
    return false;
}

/* A message for which nothing, or only something late, is delivered counts as dropped. */
static enum tc_verb fault_of(const struct tc_verdict *v)
{
    return v->verb == TC_REPLACE && (v->frame_count == 0 || v->delay_ns > 0) ? TC_DROP : v->verb;
}

void tc_engine_verdict(struct tc_engine *e, uint32_t conn, struct tc_message *m, const struct tc_verdict *v)
{
    struct tc_decision d = tc_engine_decide(e, v->verb, m);
    d.why = v->why ? v->why : "";
    const struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane || lane->closed) { /* the same answer cut the connection: nobody was to be offered it any more */
        tc_engine_observe_message(e, m, true, false);
        tc_engine_resolve(e, &d);
        return;
    }
    if (changes(m, v))
        tc_engine_fault_on(e, m, fault_of(v), delivers(m, v));
    tc_engine_faults_update(e); /* who is faulty is known before what the fault does is seen */
    switch (v->verb) {
    case TC_DROP:
        drop(e, m, &d);
        break;
    case TC_DELAY:
    case TC_REORDER:
        defer(e, conn, m, v, &d);
        break;
    case TC_DUPLICATE:
        duplicate(e, conn, m, v, &d);
        break;
    case TC_REPLACE:
        replace(e, conn, m, v, &d);
        break;
    case TC_HOLD:
        d.count = 1;
        if (tc_engine_hold(e, conn, m, v, &d)) {
            tc_engine_observe_message(e, m, true, false);
            break;
        }
        tc_engine_resolve(e, &d);
        tc_engine_pass(e, conn, m);
        break;
    default:
        tc_engine_resolve(e, &d);
        tc_engine_pass(e, conn, m);
        break;
    }
}
