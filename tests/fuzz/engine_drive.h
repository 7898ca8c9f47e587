/* Drives an engine with whatever a string of bytes says: events, wire bytes and the script's answers. Aborts where the
 * engine breaks a promise. Shared by the fuzzer and by the unit test that feeds it random bytes.
 *
 * The promises: a step never fails; actions name connections that are there; nothing is written to a side that was
 * closed; observation ids count up; every decision is told exactly once, by the end of the run; F_s is in F_l. */
#ifndef TC_ENGINE_DRIVE_H
#define TC_ENGINE_DRIVE_H

#include <stdlib.h>
#include <string.h>

#include "../../proxy/cursor.h"
#include "../../proxy/engine.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"

#define DRIVE_PAIRS     6
#define DRIVE_DECISIONS 4096

struct drive {
    struct tc_cursor in;
    struct tc_engine *e;
    struct tc_ledger ledger;
    uint64_t now_ns, last_observation, digest;
    bool open[2 * DRIVE_PAIRS]; /* may still be written */
    bool told[DRIVE_DECISIONS];
    uint64_t told_count;
    bool failing;
};

static inline void drive_require(bool promise)
{
    if (!promise)
        abort();
}

static inline uint16_t drive_node(struct drive *d)
{
    uint8_t byte = tc_cursor_u8(&d->in);
    return byte == 0xff ? TC_NODE_NONE : byte % 6;
}

static inline void drive_op(struct drive *d, struct tc_op *op, struct tc_slice frame)
{
    op->verb = (enum tc_verb)(TC_SEND + tc_cursor_u8(&d->in) % (TC_VERB_COUNT - TC_SEND));
    op->from = drive_node(d);
    op->to = drive_node(d);
    op->node = drive_node(d);
    op->frame = frame;
    op->name = op->from & 1 ? "a" : NULL;
    op->block_count = tc_cursor_u8(&d->in) % 3;
    for (uint32_t i = 0; i < op->block_count; i++)
        op->blocks[i].words[0] = tc_cursor_u8(&d->in) & 0x3f;
}

static inline int drive_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct drive *d = self;
    struct tc_slice frame = call->message ? call->message->frame : (struct tc_slice){NULL, 0};
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors.words[0] = 1u << (tc_cursor_u8(&d->in) % 4);
    uint8_t what = tc_cursor_u8(&d->in);
    if (what == 0xfe && d->failing)
        return tc_error_set(err, TC_ESCRIPT, "as told");
    struct tc_verdict *v = &plan->verdict;
    v->verb = (enum tc_verb)(what % 8); /* one past HOLD: must not hurt */
    v->delay_ns = (uint64_t)(what >> 3) * 100;
    v->duplicates = what % 5;
    v->reorder_window_ns = what;
    v->hold_name = what & 16 ? "a" : "b";
    v->why = "why";
    v->frame_count = what % 3;
    for (uint32_t i = 0; i < v->frame_count; i++)
        v->frames[i] = i ? frame : (struct tc_slice){frame.data, frame.len / 2};
    if (what & 32)
        (void)tc_ledger_sign(&d->ledger, 0, NULL);
    if (what & 64)
        drive_op(d, &plan->ops[plan->op_count++], frame);
    if (what & 128 && call->kind != TC_CALL_TIMER)
        plan->timers[plan->timer_count++].due_ns = d->now_ns + what;
    return 0;
}

static inline void drive_decision(struct drive *d, const struct tc_decision *decision)
{
    drive_require(decision->id > 0);
    if (decision->id < DRIVE_DECISIONS) {
        drive_require(!d->told[decision->id]);
        d->told[decision->id] = true;
    }
    d->told_count++;
    d->digest = tc_random_mix(d->digest, decision->id * 2 + decision->bitten);
    d->digest = tc_random_mix_bytes(d->digest, decision->bytes);
    d->digest = tc_random_mix_text(d->digest, decision->why);
}

static inline void drive_action(struct drive *d, const struct tc_action *a)
{
    d->digest = tc_random_mix(d->digest, a->kind);
    switch (a->kind) {
    case TC_ACT_WRITE:
        drive_require(a->conn < 2 * DRIVE_PAIRS && d->open[a->conn] && a->bytes.len > 0);
        d->digest = tc_random_mix_bytes(d->digest, a->bytes);
        break;
    case TC_ACT_CLOSE:
        drive_require(a->conn < 2 * DRIVE_PAIRS);
        d->open[a->conn] = false;
        break;
    case TC_ACT_DIAL:
        drive_require(a->conn < 2 * DRIVE_PAIRS && (a->conn & 1));
        break;
    case TC_ACT_STOP_READ:
    case TC_ACT_RESUME_READ:
        drive_require(a->conn < 2 * DRIVE_PAIRS);
        break;
    case TC_ACT_OBSERVE:
        drive_require(a->observation->id == d->last_observation + 1 && a->observation->text);
        d->last_observation++;
        if (a->observation->kind == TC_OBS_MESSAGE)
            d->digest = tc_random_mix_bytes(d->digest, a->observation->message.message->frame);
        if (a->observation->kind == TC_OBS_FAULTS)
            drive_require(tc_nodeset_subset(&a->observation->faults.signed_for, &a->observation->faults.liveness));
        break;
    case TC_ACT_DECISION:
        drive_decision(d, a->decision);
        break;
    default:
        break;
    }
}

static inline void drive_step(struct drive *d, struct tc_event event)
{
    struct tc_actions acts;
    event.now_ns = d->now_ns;
    if (event.kind == TC_EV_DIALLED)
        d->open[event.conn] = true;
    drive_require(tc_engine_step(d->e, &event, &acts) == 0);
    for (size_t i = 0; i < acts.count; i++)
        drive_action(d, &acts.items[i]);
}

static inline void drive_event(struct drive *d)
{
    uint8_t what = tc_cursor_u8(&d->in), pair = what / 16 % DRIVE_PAIRS;
    struct tc_event event = {.conn = TC_CONN_NEAR(pair) | (what >> 7), .node = pair % 4};
    struct tc_observation executed = {.kind = TC_OBS_EXECUTED, .node = pair, .text = "x"};
    d->now_ns += tc_cursor_u8(&d->in);
    switch (what % 16) {
    case 0:
        event.kind = TC_EV_ACCEPTED;
        event.from = drive_node(d);
        event.to = drive_node(d) % 6;
        event.conn &= ~1u;
        d->open[event.conn] = true;
        d->open[event.conn | 1] = false;
        break;
    case 1:
        event.kind = TC_EV_DIALLED;
        event.conn |= 1;
        break;
    case 2:
        event.kind = what & 64 ? TC_EV_DIAL_FAILED : TC_EV_QUEUE;
        event.queued_bytes = (size_t)tc_cursor_u8(&d->in) * 64;
        event.conn |= what & 64 ? 1 : 0;
        break;
    case 3:
        event.kind = TC_EV_CLOSED;
        event.reset = what & 64;
        break;
    case 4:
        event.kind = what & 64 ? TC_EV_NODE_UP : TC_EV_NODE_EXIT;
        break;
    case 5:
        event.kind = TC_EV_OBSERVED;
        executed.executed.sequence = what;
        event.observation = &executed;
        break;
    case 6:
        event.kind = TC_EV_PHASE;
        event.phase = (enum tc_run_phase)(pair % TC_RUN_PHASE_COUNT);
        break;
    case 7:
        event.kind = TC_EV_TIMER;
        break;
    default:
        event.kind = TC_EV_BYTES;
        event.bytes = tc_cursor_bytes(&d->in, tc_cursor_u8(&d->in));
        break;
    }
    drive_step(d, event);
}

/* Runs it all; returns a digest of every action, for comparing runs. */
static inline uint64_t drive(const struct tc_protocol *protocol, struct tc_slice input, uint64_t *decisions)
{
    static const struct tc_cluster cluster = {.id = "drive", .n = 4, .f = 1};
    static struct drive d;
    memset(&d, 0, sizeof d);
    d.in = tc_cursor_over(input);
    d.ledger.traitors_max = 1;
    uint8_t flags = tc_cursor_u8(&d.in);
    d.failing = flags & 1;
    struct tc_handler handler = {
        .self = &d, .name = "drive", .kinds = ~0u, .calls = ~0u, .always = flags & 2, .call = drive_call};
    struct tc_engine_config config = {.protocol = protocol,
                                      .env = {.cluster = &cluster},
                                      .handler = &handler,
                                      .ledger = &d.ledger,
                                      .seed = flags,
                                      .observe = !(flags & 4),
                                      .verify_all = flags & 8,
                                      .lane_budget_bytes = flags & 16 ? 256 : 0,
                                      .schedule_items_max = flags & 32 ? 8 : 0,
                                      .schedule_bytes_max = flags & 64 ? 512 : 0};
    d.e = tc_engine_new(&config);
    drive_require(d.e);
    if (flags & 128)
        drive_step(&d, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_DURING});
    while (tc_cursor_left(&d.in) > 0)
        drive_event(&d);
    drive_step(&d, (struct tc_event){.kind = TC_EV_STOP});
    const struct tc_engine_stats *stats = tc_engine_stats(d.e);
    uint64_t asked = 0, bitten = 0;
    for (size_t i = 0; i < TC_VERB_COUNT; i++) {
        asked += stats->asked[i];
        bitten += stats->bitten[i];
    }
    drive_require(asked == d.told_count && bitten <= asked);
    drive_require(tc_engine_faults(d.e)->bitten == bitten && !tc_engine_faults(d.e)->active);
    drive_require(tc_engine_deadline_ns(d.e) == TC_NEVER_NS);
    if (decisions)
        *decisions += asked;
    tc_engine_free(d.e);
    return d.digest;
}

#endif
