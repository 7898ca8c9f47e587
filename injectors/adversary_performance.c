/* What slows the cluster down most: for each type of message that a traitor says, one action on all of them. Which ones
 * a run takes is in its number alone: none (0, the baseline), one (1 … count), a pair by its hash, or those that
 * tc_performance_index wrote into it, with which a greedy search goes on.
 *
 * Lee, Hoque, Killian, Nita-Rotaru: Turret, ICDCS'14; Gatling, NDSS'12. */
#include "adversary_base.h"

#include <stdio.h>
#include <stdlib.h>

/* An index that holds its candidates: this, and TOGETHER_BITS for each. */
#define TOGETHER      (UINT64_C(1) << 40)
#define TOGETHER_BITS 12

enum action_kind { ACTION_DROP, ACTION_DELAY, ACTION_DIVERT, ACTION_DUPLICATE, ACTION_LIE };

struct action {
    enum action_kind kind;
    uint32_t amount; /* percent dropped, percent of the view timer, copies; the operator of a lie */
    const char *text;
};

static const struct action actions[] = {
    {ACTION_DROP, 50, "half of them dropped"},
    {ACTION_DROP, 100, "dropped"},
    {ACTION_DELAY, 10, "held for 0.1 of the view timer"},
    {ACTION_DELAY, 50, "held for 0.5 of the view timer"},
    {ACTION_DELAY, 90, "held for 0.9 of the view timer"},
    {ACTION_DIVERT, 0, "said to another node"},
    {ACTION_DUPLICATE, 1, "said twice"},
    {ACTION_DUPLICATE, 50, "said 51 times"},
    {ACTION_LIE, TC_OP_NUDGE, "with a number off by one"},
    {ACTION_LIE, TC_OP_EXTREME, "with a number at its lowest or highest"},
    {ACTION_LIE, TC_OP_VALUE, "for another value"},
    {ACTION_LIE, TC_OP_REMOVE, "with an element of a list removed"},
    {ACTION_LIE, TC_OP_SUBSTITUTE, "with a field of an earlier one"},
};

#define ACTIONS (sizeof actions / sizeof actions[0])

struct tc_adversary {
    struct tc_adversary_base base;
    uint32_t taken[TC_PERFORMANCE_TOGETHER]; /* numbers of candidates, from 1 */
    uint32_t taken_count;
};

static const struct tc_message_row *row_at(const struct tc_protocol *protocol, uint32_t number, uint32_t *index)
{
    for (size_t i = 0; i < protocol->row_count; i++) {
        const struct tc_message_row *row = &protocol->rows[i];
        if (!row->is_signed || row->kind == TC_KIND_REQUEST || row->kind == TC_KIND_CERTIFICATE)
            continue;
        if (number-- == 0) {
            *index = (uint32_t)i;
            return row;
        }
    }
    return NULL;
}

uint32_t tc_performance_count(const struct tc_protocol *protocol)
{
    uint32_t rows = 0, index;
    while (row_at(protocol, rows, &index))
        rows++;
    return rows * (uint32_t)ACTIONS;
}

const char *tc_performance_text(const struct tc_protocol *protocol, uint32_t candidate, char *buffer, size_t size)
{
    uint32_t index;
    const struct tc_message_row *row =
        candidate > 0 ? row_at(protocol, (candidate - 1) / (uint32_t)ACTIONS, &index) : NULL;
    snprintf(buffer, size, "%s%s%s", row ? row->name : "nothing", row ? " " : "",
             row ? actions[(candidate - 1) % ACTIONS].text : "");
    return buffer;
}

uint64_t tc_performance_index(const uint32_t *candidates, uint32_t count)
{
    uint64_t index = TOGETHER;
    for (uint32_t i = 0; i < count && i < TC_PERFORMANCE_TOGETHER; i++)
        index |= (uint64_t)(candidates[i] & ((1u << TOGETHER_BITS) - 1)) << (TOGETHER_BITS * i);
    return index;
}

/* ---- the run ---- */

static void divert(const struct tc_adversary *a, const struct tc_message *m, struct tc_plan *plan)
{
    uint16_t to = (uint16_t)((m->to + 1) % a->base.n);
    if (to == m->from)
        to = (uint16_t)((to + 1) % a->base.n);
    tc_adversary_drop(plan, "diverted");
    if (to != m->to && to != m->from)
        tc_adversary_send(plan, m->from, to, m->frame);
}

static void act(struct tc_adversary *a, const struct action *action, const struct tc_message *m, struct tc_plan *plan)
{
    const uint64_t hash = tc_adversary_copy(&a->base, m);
    switch (action->kind) {
    case ACTION_DROP:
        if (tc_random_below(hash, 100) < action->amount)
            tc_adversary_drop(plan, action->text);
        break;
    case ACTION_DELAY:
        plan->verdict.verb = TC_DELAY;
        plan->verdict.delay_ns = a->base.config.env.cluster->view_timeout_ns / 100 * action->amount;
        plan->verdict.why = action->text;
        break;
    case ACTION_DIVERT:
        divert(a, m, plan);
        break;
    case ACTION_DUPLICATE:
        plan->verdict.verb = TC_DUPLICATE;
        plan->verdict.duplicates = action->amount;
        plan->verdict.why = action->text;
        break;
    case ACTION_LIE:
        tc_adversary_lie(&a->base, m, 1u << action->amount, tc_adversary_word(&a->base, m), plan);
        break;
    }
}

static void performance_message(struct tc_adversary *a, const struct tc_message *m, struct tc_plan *plan)
{
    tc_memory_add(a->base.heard, m);
    if (!tc_adversary_own(&a->base, m) || m->statement_count == 0)
        return;
    for (uint32_t i = 0; i < a->taken_count && plan->verdict.verb == TC_FORWARD; i++) {
        uint32_t index;
        if (row_at(a->base.config.protocol, (a->taken[i] - 1) / (uint32_t)ACTIONS, &index) &&
            index == m->statements[0].type)
            act(a, &actions[(a->taken[i] - 1) % ACTIONS], m, plan);
    }
}

static int performance_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_adversary *a = self;
    (void)err;
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors = a->base.traitors;
    else if (call->kind == TC_CALL_MESSAGE)
        performance_message(a, call->message, plan);
    return 0;
}

static void take(struct tc_adversary *a, uint64_t candidate, uint64_t count)
{
    if (candidate > 0 && candidate <= count && a->taken_count < TC_PERFORMANCE_TOGETHER)
        a->taken[a->taken_count++] = (uint32_t)candidate;
}

static void take_all(struct tc_adversary *a, uint64_t index, uint64_t count)
{
    const uint64_t hash = tc_random_mix(UINT64_C(0x70657266), index);
    if (index <= count) {
        take(a, index, count);
    } else if (index >= TOGETHER) {
        for (uint32_t i = 0; i < TC_PERFORMANCE_TOGETHER; i++)
            take(a, index >> (TOGETHER_BITS * i) & ((1u << TOGETHER_BITS) - 1), count);
    } else if (count > 0) {
        take(a, 1 + tc_random_below(hash, count), count);
        take(a, 1 + tc_random_below(tc_random_mix(hash, 1), count), count);
    }
}

/* Who leads first is who can slow the cluster: not the seed's choice. */
static void lead_first(struct tc_adversary_base *base)
{
    const uint16_t leader = tc_protocol_leader(base->config.protocol, &base->config.env, 0);
    if (base->traitor == TC_NODE_NONE || leader >= base->n || tc_adversary_holds(base, leader))
        return;
    tc_nodeset_remove(&base->traitors, base->traitor);
    tc_nodeset_add(&base->traitors, leader);
    base->traitor = leader;
}

static struct tc_adversary *performance_create(const struct tc_adversary_config *config)
{
    struct tc_adversary *a = calloc(1, sizeof *a);
    if (!a || tc_adversary_init(&a->base, config, "performance")) {
        free(a);
        return NULL;
    }
    a->base.act = performance_call;
    lead_first(&a->base);
    take_all(a, config->index, tc_performance_count(config->protocol));
    return a;
}

static const struct tc_handler *performance_handler(struct tc_adversary *a)
{
    return &a->base.handler;
}

static void performance_destroy(struct tc_adversary *a)
{
    if (a)
        tc_adversary_done(&a->base);
    free(a);
}

const struct tc_adversary_class tc_adversary_performance = {
    .name = "performance",
    .summary = "looks for the action on a type of message that slows the cluster down most, against a baseline",
    .source = "Turret, ICDCS'14; Gatling, NDSS'12",
    .create = performance_create,
    .handler = performance_handler,
    .destroy = performance_destroy,
};
