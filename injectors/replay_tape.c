#include "replay.h"

#include "../proxy/nodeset.h"

#include <stdlib.h>
#include <string.h>

void tc_tape_init(struct tc_tape *tape)
{
    *tape = (struct tc_tape){.moments = NULL};
    tc_arena_init(&tape->_arena, TC_TAPE_BYTES_MAX);
}

void tc_tape_free(struct tc_tape *tape)
{
    free(tape->moments);
    free(tape->items);
    tc_arena_free(&tape->_arena);
    tc_call_counts_free(&tape->_counts);
    *tape = (struct tc_tape){.moments = NULL};
}

static void empty(struct tc_tape *tape)
{
    tape->moment_count = tape->item_count = tape->choice_count = 0;
    tape->full = false;
    tape->_decision = 0;
    tc_arena_reset(&tape->_arena);
    tc_call_counts_clear(&tape->_counts);
}

/* ---- copies ---- */

static const char *copy_text(struct tc_tape *tape, const char *text, bool *failed)
{
    if (!text)
        return NULL;
    const struct tc_slice copy =
        tc_arena_copy(&tape->_arena, (struct tc_slice){(const uint8_t *)text, strlen(text) + 1});
    *failed |= !copy.data;
    return (const char *)copy.data;
}

static struct tc_slice copy_bytes(struct tc_tape *tape, struct tc_slice bytes, bool *failed)
{
    if (bytes.len == 0)
        return (struct tc_slice){NULL, 0};
    const struct tc_slice copy = tc_arena_copy(&tape->_arena, bytes);
    *failed |= !copy.data;
    return copy;
}

static const struct tc_op *copy_op(struct tc_tape *tape, const struct tc_op *op, bool *failed)
{
    struct tc_op *copy = tc_arena_alloc(&tape->_arena, sizeof *copy);
    if (!copy) {
        *failed = true;
        return NULL;
    }
    *copy = *op;
    copy->frame = copy_bytes(tape, op->frame, failed);
    copy->name = copy_text(tape, op->name, failed);
    return copy;
}

static void copy_verdict(struct tc_tape *tape, struct tc_tape_item *item, bool *failed)
{
    const struct tc_slice *frames = item->verdict.frames;
    item->verdict.why = copy_text(tape, item->verdict.why, failed);
    item->verdict.hold_name = copy_text(tape, item->verdict.hold_name, failed);
    item->verdict.frames = NULL;
    if (item->verdict.frame_count == 0)
        return;
    struct tc_slice *copy = tc_arena_alloc(&tape->_arena, item->verdict.frame_count * sizeof *copy);
    *failed |= !copy;
    for (uint32_t i = 0; copy && i < item->verdict.frame_count; i++)
        copy[i] = copy_bytes(tape, frames[i], failed);
    item->verdict.frames = copy;
}

/* ---- adding ---- */

static bool is_choice(const struct tc_tape_item *item)
{
    return item->kind == TC_TAPE_OP || item->kind == TC_TAPE_VERDICT;
}

int tc_tape_add_moment(struct tc_tape *tape, const struct tc_moment *moment)
{
    if (tape->moment_count == TC_TAPE_ITEMS_MAX)
        return TC_ELIMIT;
    if (tape->moment_count == tape->_moment_size) {
        const uint32_t size = tape->_moment_size ? tape->_moment_size * 2 : 256;
        struct tc_moment *grown = realloc(tape->moments, size * sizeof *grown);
        if (!grown)
            return TC_EMEMORY;
        tape->moments = grown;
        tape->_moment_size = size;
    }
    tape->moments[tape->moment_count++] = *moment;
    return 0;
}

int tc_tape_add(struct tc_tape *tape, const struct tc_tape_item *item)
{
    bool failed = false;
    if (tape->item_count == TC_TAPE_ITEMS_MAX || item->moment >= tape->moment_count)
        return TC_ELIMIT;
    if (tape->item_count == tape->_item_size) {
        const uint32_t size = tape->_item_size ? tape->_item_size * 2 : 256;
        struct tc_tape_item *grown = realloc(tape->items, size * sizeof *grown);
        if (!grown)
            return TC_EMEMORY;
        tape->items = grown;
        tape->_item_size = size;
    }
    struct tc_tape_item copy = *item;
    if (item->kind == TC_TAPE_NOTE)
        copy.note = copy_text(tape, item->note, &failed);
    else if (item->kind == TC_TAPE_OP)
        copy.op = copy_op(tape, item->op, &failed);
    else if (item->kind == TC_TAPE_VERDICT)
        copy_verdict(tape, &copy, &failed);
    if (failed)
        return TC_ELIMIT;
    tape->items[tape->item_count++] = copy;
    tape->choice_count += is_choice(item);
    return 0;
}

/* ---- recording ---- */

static void put(struct tc_tape *tape, struct tc_tape_item item)
{
    item.moment = tape->moment_count - 1;
    if (is_choice(&item))
        item.decision = ++tape->_decision;
    if (tape->full || tc_tape_add(tape, &item) < 0)
        tape->full = true;
}

static bool is_verdict(const struct tc_verdict *v)
{
    return v->verb > TC_FORWARD && v->verb <= TC_HOLD;
}

static void put_verdict(struct tc_tape *tape, const struct tc_verdict *v)
{
    struct tc_tape_item item = {.kind = TC_TAPE_VERDICT};
    item.verdict.verb = v->verb;
    item.verdict.delay_ns = v->delay_ns;
    item.verdict.window_ns = v->reorder_window_ns;
    item.verdict.duplicates = v->duplicates;
    item.verdict.hold_name = v->hold_name;
    item.verdict.why = v->why;
    item.verdict.frames = v->frames;
    item.verdict.frame_count = v->verb == TC_REPLACE ? v->frame_count : 0;
    put(tape, item);
}

static void write_down(struct tc_tape *tape, const struct tc_call *call, const struct tc_moment *moment,
                       const struct tc_plan *plan, const struct tc_nodeset *newly)
{
    const bool on_message = call->kind == TC_CALL_MESSAGE || call->kind == TC_CALL_HEAR;
    const bool verdict = on_message && is_verdict(&plan->verdict);
    const bool named = call->kind == TC_CALL_BEGIN;
    const bool signs = tc_nodeset_count(newly) > 0;
    if (!named && !signs && !verdict && plan->op_count == 0 && plan->timer_count == 0 && plan->note_count == 0)
        return;
    if (tape->full || tc_tape_add_moment(tape, moment) < 0) {
        tape->full = true;
        return;
    }
    if (named)
        put(tape, (struct tc_tape_item){.kind = TC_TAPE_TRAITORS, .nodes = plan->traitors});
    if (signs)
        put(tape, (struct tc_tape_item){.kind = TC_TAPE_SIGNED, .nodes = *newly});
    for (uint32_t i = 0; i < plan->note_count; i++)
        put(tape, (struct tc_tape_item){.kind = TC_TAPE_NOTE, .note = plan->notes[i] ? plan->notes[i] : ""});
    for (uint32_t i = 0; i < plan->timer_count; i++) {
        const uint64_t due_ns = plan->timers[i].due_ns;
        put(tape, (struct tc_tape_item){.kind = TC_TAPE_TIMER,
                                        .timer = {.delay_ns = due_ns > call->now_ns ? due_ns - call->now_ns : 0,
                                                  .token = plan->timers[i].token}});
    }
    for (uint32_t i = 0; i < plan->op_count; i++)
        if (plan->ops[i].verb >= TC_SEND && plan->ops[i].verb < TC_VERB_COUNT) /* the engine passes others over */
            put(tape, (struct tc_tape_item){.kind = TC_TAPE_OP, .op = &plan->ops[i]});
    if (verdict)
        put_verdict(tape, &plan->verdict);
}

static int record(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_tape *tape = self;
    struct tc_nodeset before = {0}, newly = {0};
    struct tc_moment moment;
    tape->full |= tc_moment_of(call, &tape->_counts, &moment) < 0;
    if (tape->_ledger)
        before = tape->_ledger->signed_for;
    const int status = tape->_inner->call(tape->_inner->self, call, plan, err);
    if (status < 0)
        return status;
    for (size_t i = 0; tape->_ledger && i < TC_NODES_MAX / 64; i++)
        newly.words[i] = tape->_ledger->signed_for.words[i] & ~before.words[i];
    write_down(tape, call, &moment, plan, &newly);
    return status;
}

const struct tc_handler *tc_tape_record(struct tc_tape *tape, const struct tc_handler *inner,
                                        const struct tc_ledger *ledger)
{
    empty(tape);
    if (!inner)
        return NULL;
    size_t len = inner->name ? strlen(inner->name) : 0;
    len = len < sizeof tape->rule ? len : sizeof tape->rule - 1;
    if (len > 0)
        memcpy(tape->rule, inner->name, len);
    tape->rule[len] = 0;
    tape->always = inner->always;
    tape->goes_on = inner->goes_on;
    tape->kinds = inner->kinds;
    tape->calls = inner->calls;
    tape->_inner = inner;
    tape->_ledger = ledger;
    tape->_handler = *inner;
    tape->_handler.self = tape;
    tape->_handler.call = record;
    return &tape->_handler;
}

/* ---- questions ---- */

const struct tc_tape_item *tc_tape_choice(const struct tc_tape *tape, uint64_t decision)
{
    for (uint32_t low = 0, high = tape->item_count; low < high;) {
        /* Items without a decision stand between the choices: look for the next choice to the right. */
        const uint32_t middle = low + (high - low) / 2;
        uint32_t at = middle;
        while (at < high && !is_choice(&tape->items[at]))
            at++;
        if (at == high || tape->items[at].decision > decision) {
            high = middle;
        } else if (tape->items[at].decision == decision) {
            return &tape->items[at];
        } else {
            low = at + 1;
        }
    }
    return NULL;
}

bool tc_tape_forges(const struct tc_tape_item *item)
{
    if (item->kind == TC_TAPE_VERDICT)
        return item->verdict.verb == TC_REPLACE && item->verdict.frame_count > 0;
    return item->kind == TC_TAPE_OP && item->op->verb == TC_SEND;
}

static struct tc_nodeset all_nodes(const struct tc_tape *tape, enum tc_tape_kind kind)
{
    struct tc_nodeset set = {0};
    for (uint32_t i = 0; i < tape->item_count; i++)
        if (tape->items[i].kind == kind)
            tc_nodeset_union(&set, &tape->items[i].nodes);
    return set;
}

struct tc_nodeset tc_tape_signed(const struct tc_tape *tape)
{
    return all_nodes(tape, TC_TAPE_SIGNED);
}

struct tc_nodeset tc_tape_traitors(const struct tc_tape *tape)
{
    return all_nodes(tape, TC_TAPE_TRAITORS);
}
