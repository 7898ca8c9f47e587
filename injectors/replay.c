#include "replay.h"

#include "../proxy/nodeset.h"
#include "../proxy/random.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct tc_replay {
    const struct tc_tape *tape;
    /* Moments by name: a table of open addresses, each with the chain of moments of that name in their order. */
    uint32_t *first, *next, *now; /* now: of each entry, the moment that its next call is */
    uint32_t table_size;
    uint32_t *item_first; /* of each moment: its first item */
    /* of the run in hand */
    struct tc_handler handler;
    const bool *left_out;
    struct tc_ledger *ledger;
    bool whole;
    uint32_t wanted, matched;
    bool *given; /* of each choice: it found its moment */
    struct tc_call_counts counts;
    bool by_role; /* messages are known by their role, not by their key */
};

/* By role, messages of one role are told apart by their order alone. */
static struct tc_moment name_in(const struct tc_replay *r, const struct tc_moment *m)
{
    struct tc_moment name = *m;
    if (r->by_role && (m->call == TC_CALL_MESSAGE || m->call == TC_CALL_HEAR)) {
        name.key = m->role;
        name.occurrence = 0;
    }
    return name;
}

static uint64_t name_hash(const struct tc_moment *m)
{
    const uint64_t h = tc_random_mix(m->key, (uint64_t)m->call << 32 | (uint64_t)m->from << 16 | m->to);
    return tc_random_mix(h, m->occurrence);
}

static bool same_name(const struct tc_moment *a, const struct tc_moment *b)
{
    return a->call == b->call && a->from == b->from && a->to == b->to && a->key == b->key &&
           a->occurrence == b->occurrence;
}

/* The entry of this name, or the free one where it would be. */
static uint32_t entry_of(const struct tc_replay *r, const struct tc_moment *m)
{
    const struct tc_moment name = name_in(r, m);
    uint32_t at = (uint32_t)(name_hash(&name) & (r->table_size - 1));
    while (r->first[at] != NONE) {
        const struct tc_moment there = name_in(r, &r->tape->moments[r->first[at]]);
        if (same_name(&there, &name))
            break;
        at = (at + 1) & (r->table_size - 1);
    }
    return at;
}

/* From the last to the first, so that each is put in front of its chain. */
static void enter_moments(struct tc_replay *r)
{
    for (uint32_t i = 0; i < r->table_size; i++)
        r->first[i] = NONE;
    for (uint32_t i = r->tape->moment_count; i > 0; i--) {
        const uint32_t at = entry_of(r, &r->tape->moments[i - 1]);
        r->next[i - 1] = r->first[at];
        r->first[at] = i - 1;
    }
}

static void enter_items(struct tc_replay *r)
{
    uint32_t item = 0;
    for (uint32_t m = 0; m <= r->tape->moment_count; m++) {
        while (item < r->tape->item_count && r->tape->items[item].moment < m)
            item++;
        r->item_first[m] = item;
    }
}

int tc_replay_new(const struct tc_tape *tape, struct tc_replay **out)
{
    *out = NULL;
    struct tc_replay *r = calloc(1, sizeof *r);
    if (!r)
        return TC_EMEMORY;
    r->tape = tape;
    r->table_size = 16;
    while (r->table_size < 2 * tape->moment_count)
        r->table_size *= 2;
    r->first = malloc(r->table_size * sizeof *r->first);
    r->now = malloc(r->table_size * sizeof *r->now);
    r->next = malloc((tape->moment_count + (size_t)1) * sizeof *r->next);
    r->item_first = malloc((tape->moment_count + (size_t)1) * sizeof *r->item_first);
    r->given = malloc(tape->choice_count + (size_t)1);
    if (!r->first || !r->now || !r->next || !r->item_first || !r->given) {
        tc_replay_free(r);
        return TC_EMEMORY;
    }
    enter_moments(r);
    enter_items(r);
    *out = r;
    return 0;
}

void tc_replay_free(struct tc_replay *r)
{
    if (!r)
        return;
    free(r->first);
    free(r->now);
    free(r->next);
    free(r->item_first);
    free(r->given);
    tc_call_counts_free(&r->counts);
    free(r);
}

/* ---- answers ---- */

static void give_op(struct tc_plan *plan, const struct tc_op *op)
{
    if (plan->op_count < TC_PLAN_OPS_MAX)
        plan->ops[plan->op_count++] = *op;
}

static void give_verdict(struct tc_plan *plan, const struct tc_tape_item *item)
{
    struct tc_verdict *v = &plan->verdict;
    v->verb = item->verdict.verb;
    v->delay_ns = item->verdict.delay_ns;
    v->reorder_window_ns = item->verdict.window_ns;
    v->duplicates = item->verdict.duplicates;
    v->hold_name = item->verdict.hold_name;
    v->why = item->verdict.why;
    v->frame_count = item->verdict.frame_count < TC_PLAN_FRAMES_MAX ? item->verdict.frame_count : TC_PLAN_FRAMES_MAX;
    if (v->frame_count > 0)
        memcpy(v->frames, item->verdict.frames, v->frame_count * sizeof *v->frames);
}

static void give_timer(struct tc_plan *plan, const struct tc_tape_item *item, uint64_t now_ns)
{
    const uint64_t delay_ns = item->timer.delay_ns;
    if (plan->timer_count == sizeof plan->timers / sizeof *plan->timers)
        return;
    plan->timers[plan->timer_count].due_ns = delay_ns < TC_NEVER_NS - now_ns ? now_ns + delay_ns : TC_NEVER_NS;
    plan->timers[plan->timer_count++].token = item->timer.token;
}

/* The decision ids count the choices from 1. */
static bool is_left_out(const struct tc_replay *r, const struct tc_tape_item *item)
{
    return r->left_out && item->decision > 0 && r->left_out[item->decision - 1];
}

static void note_given(struct tc_replay *r, const struct tc_tape_item *item)
{
    r->matched++;
    if (item->decision > 0 && item->decision <= r->tape->choice_count)
        r->given[item->decision - 1] = true;
}

static void give(struct tc_replay *r, const struct tc_tape_item *item, uint64_t now_ns, struct tc_plan *plan)
{
    if (is_left_out(r, item))
        return;
    switch (item->kind) {
    case TC_TAPE_TRAITORS:
        plan->traitors = item->nodes;
        break;
    case TC_TAPE_SIGNED:
        if (r->whole)
            tc_nodeset_union(&r->ledger->signed_for, &item->nodes);
        break;
    case TC_TAPE_NOTE:
        if (r->whole && plan->note_count < sizeof plan->notes / sizeof *plan->notes)
            plan->notes[plan->note_count++] = item->note;
        break;
    case TC_TAPE_TIMER:
        give_timer(plan, item, now_ns);
        break;
    case TC_TAPE_OP:
        give_op(plan, item->op);
        note_given(r, item);
        break;
    case TC_TAPE_VERDICT:
        give_verdict(plan, item);
        note_given(r, item);
        break;
    }
}

/* Of a run with something left out: whoever signed what is still put on links. */
static void sign_all(struct tc_replay *r)
{
    for (uint32_t i = 0; i < r->tape->item_count; i++) {
        const struct tc_tape_item *item = &r->tape->items[i];
        if (tc_tape_forges(item) && !is_left_out(r, item)) {
            const struct tc_nodeset all = tc_tape_signed(r->tape);
            tc_nodeset_union(&r->ledger->signed_for, &all);
            return;
        }
    }
}

static int check_signed(const struct tc_replay *r, struct tc_error *err)
{
    const struct tc_nodeset all = tc_tape_signed(r->tape), traitors = tc_tape_traitors(r->tape);
    if (tc_nodeset_subset(&all, &traitors))
        return 0;
    return tc_error_set(err, TC_EREFUSED, "the decisions hold signatures of nodes that were not named as traitors");
}

static int answer(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_replay *r = self;
    struct tc_moment name;
    int status = tc_moment_of(call, &r->counts, &name);
    if (status < 0)
        return tc_error_set(err, status, "too many calls to be replayed");
    if (call->kind == TC_CALL_BEGIN) {
        status = check_signed(r, err);
        if (status < 0)
            return status;
        if (!r->whole)
            sign_all(r);
    }
    const uint32_t at = entry_of(r, &name);
    const uint32_t moment = r->first[at] == NONE ? NONE : r->now[at];
    if (moment == NONE)
        return 0;
    r->now[at] = r->next[moment];
    for (uint32_t i = r->item_first[moment]; i < r->item_first[moment + 1]; i++)
        give(r, &r->tape->items[i], call->now_ns, plan);
    return 0;
}

static void know_by(struct tc_replay *r, bool role)
{
    if (r->by_role != role) {
        r->by_role = role;
        enter_moments(r);
    }
}

static const struct tc_handler *begin(struct tc_replay *r, const bool *left_out, struct tc_ledger *ledger)
{
    uint32_t out = 0;
    for (uint32_t i = 0; left_out && i < r->tape->choice_count; i++)
        out += left_out[i];
    memcpy(r->now, r->first, r->table_size * sizeof *r->now);
    r->left_out = left_out;
    r->ledger = ledger;
    r->whole = out == 0;
    r->wanted = r->tape->choice_count - out;
    r->matched = 0;
    memset(r->given, 0, r->tape->choice_count);
    tc_call_counts_clear(&r->counts);
    r->handler = (struct tc_handler){.self = r,
                                     .name = r->tape->rule,
                                     .kinds = r->tape->kinds,
                                     .calls = r->tape->calls,
                                     .always = r->tape->always,
                                     .goes_on = r->tape->goes_on,
                                     .call = answer};
    return &r->handler;
}

const struct tc_handler *tc_replay_begin(struct tc_replay *r, const bool *left_out, struct tc_ledger *ledger)
{
    know_by(r, false);
    return begin(r, left_out, ledger);
}

const struct tc_handler *tc_replay_begin_elsewhere(struct tc_replay *r, const bool *left_out, struct tc_ledger *ledger)
{
    know_by(r, true);
    const struct tc_handler *handler = begin(r, left_out, ledger);
    r->whole = false; /* signatures may come at other moments than they did */
    return handler;
}

uint32_t tc_replay_wanted(const struct tc_replay *r)
{
    return r->wanted;
}

uint32_t tc_replay_matched(const struct tc_replay *r)
{
    return r->matched;
}

void tc_replay_leave_unmatched(const struct tc_replay *r, bool *left_out)
{
    for (uint32_t i = 0; i < r->tape->choice_count; i++)
        left_out[i] |= !r->given[i];
}

/* ---- the network alone ---- */

static int act_honestly(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_honest *h = self;
    struct tc_nodeset signed_for = {0};
    if (h->_ledger)
        signed_for = h->_ledger->signed_for;
    const int status = h->_inner->call(h->_inner->self, call, plan, err);
    if (h->_ledger)
        h->_ledger->signed_for = signed_for;
    if (status < 0)
        return status;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->op_count; i++)
        if (plan->ops[i].verb != TC_SEND && plan->ops[i].verb != TC_WIPE)
            plan->ops[kept++] = plan->ops[i];
    plan->op_count = kept;
    if (plan->verdict.verb == TC_REPLACE && plan->verdict.frame_count > 0)
        plan->verdict.verb = TC_FORWARD;
    return 0;
}

const struct tc_handler *tc_honest_begin(struct tc_honest *out, const struct tc_handler *inner,
                                         struct tc_ledger *ledger)
{
    if (!inner)
        return NULL;
    *out = (struct tc_honest){._inner = inner, ._ledger = ledger, ._handler = *inner};
    out->_handler.self = out;
    out->_handler.call = act_honestly;
    return &out->_handler;
}
