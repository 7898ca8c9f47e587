/* An adversary with a plan for each view: it knows every certificate that was ever made or could be, leads on whichever
 * it likes, tells a proposal to some and another to others, keeps its votes and its certificates to itself, keeps a
 * replica in the dark, lies in view changes, repeats old ones, and lets replicas crash at a bad moment. What it does in
 * a view (where leaders are stable: in a slot) is drawn from a few gambits; runs are combinations of them over
 * consecutive views. Kinds, phases and the protocol's own functions are all that it goes by.
 *
 * Forking, silence and hidden certificates: Niu & Feng; Decouchant et al., PRDC'23. */
#include "adversary_strategic.h"

#include "forge.h"

#include <stdlib.h>
#include <string.h>

/* ---- what this view is about ---- */

bool tc_strategic_chance(const struct tc_adversary *a, enum tc_strategic_draw what, uint64_t which, uint64_t of_256)
{
    return tc_adversary_draw(&a->base, what, which, 256) < of_256;
}

/* Where each view has its leader, a view; where one leader stays, a slot. */
static uint64_t era(const struct tc_adversary *a, const struct tc_statement *s)
{
    return a->stable_leader && s->has_sequence ? s->view * 1000 + s->sequence : s->view;
}

/* The messages of a view in the order of its phases. */
static uint32_t step(const struct tc_statement *s)
{
    return 2 * (uint32_t)s->phase + (s->kind == TC_KIND_VOTE);
}

static struct tc_nodeset some_of(const struct tc_adversary *a, enum tc_strategic_draw what, uint64_t which)
{
    struct tc_nodeset set = {0};
    const uint64_t coins = tc_random_mix(tc_random_mix(a->base.config.seed, what), which);
    for (uint32_t i = 0; i < a->base.n; i++)
        if (tc_random_mix(coins, i) & 1)
            tc_nodeset_add(&set, i);
    return set;
}

/* ---- the network ---- */

enum { NET_NONE, NET_SILENCE, NET_DARK, NET_SOME, NET_LAST, NET_COUNT };

/* Does the network lose it? One way for each era, from one step on. */
static bool lost(const struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t e)
{
    const struct tc_adversary_base *base = &a->base;
    if (m->from >= base->n || m->to >= base->n)
        return false;
    if (a->dark < base->n && m->to == a->dark && e >= a->dark_first && e <= a->dark_last)
        return true;
    if (s->kind == TC_KIND_CHECKPOINT) /* one replica's word to another on this one never arrives */
        return tc_strategic_chance(a, DRAW_NET_CHECKPOINT, s->sequence * TC_NODES_MAX + m->to, a->checkpoint_share);
    if ((s->kind != TC_KIND_PROPOSE && s->kind != TC_KIND_VOTE) || !tc_strategic_chance(a, DRAW_NET, e, a->net_share))
        return false;
    if (step(s) < tc_adversary_draw(base, DRAW_NET_STEP, e, 10) && a->phased)
        return false;
    const uint64_t who = tc_adversary_draw(base, DRAW_NET_WHO, e, base->n);
    switch (tc_adversary_draw(base, DRAW_NET_KIND, e, NET_COUNT)) {
    case NET_SILENCE:
        return s->kind == TC_KIND_PROPOSE;
    case NET_DARK:
        return m->to == who;
    case NET_SOME: {
        const struct tc_nodeset set = some_of(a, DRAW_NET_SET, e);
        return !tc_nodeset_has(&set, m->to);
    }
    case NET_LAST:
        return m->to != who && s->kind == TC_KIND_PROPOSE;
    default:
        return false;
    }
}

/* A real cut, healed after a while: both ends know, and say again what was lost. */
static void cut_for_a_while(struct tc_adversary *a, uint64_t now_ns, uint64_t which, struct tc_plan *plan)
{
    const struct tc_adversary_base *base = &a->base;
    uint8_t block[TC_REPLICAS_MAX];
    if (a->cut || plan->timer_count == 32)
        return;
    const uint32_t count =
        tc_partition_draw(tc_random_mix(tc_random_mix(base->config.seed, DRAW_CUT), which), base->n, block);
    struct tc_op *op = count > 1 ? tc_adversary_op(plan, TC_PARTITION) : NULL;
    if (!op)
        return;
    op->block_count = count < 8 ? count : 8;
    for (uint32_t i = 0; i < base->n; i++)
        tc_nodeset_add(&op->blocks[block[i] % op->block_count], i);
    const uint64_t base_ns = base->config.env.cluster->view_timeout_ns / 8;
    plan->timers[plan->timer_count].due_ns =
        now_ns + base_ns + tc_adversary_draw(base, DRAW_CUT_TIME, which, 24) * base_ns;
    plan->timers[plan->timer_count++].token = TIMER_HEAL;
    a->cut = true;
}

void tc_strategic_crash(struct tc_adversary *a, uint16_t node, struct tc_plan *plan)
{
    struct tc_op *op = a->crashes > 0 && node < a->base.n ? tc_adversary_op(plan, TC_RESTART) : NULL;
    if (!op)
        return;
    op->node = node;
    a->crashes--;
}

/* A replica that just voted, or one that was told of a view, forgets what it had not yet written. */
static void crash_after(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s,
                        struct tc_plan *plan)
{
    const bool telling = s->kind == TC_KIND_VOTE || s->kind == TC_KIND_VIEW_CHANGE;
    if (a->crashes > 0 && telling && m->occurrence == 0 && m->from < a->base.n &&
        tc_random_below(tc_random_mix(tc_adversary_copy(&a->base, m), DRAW_CRASH), 256) < a->crash_share)
        tc_strategic_crash(a, m->from, plan);
}

/* ---- in the traitor's name ---- */

/* What it may say instead, in the order of the stories. */
static void traitor_speaks(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t e,
                           struct tc_plan *plan)
{
    if (s->kind == TC_KIND_PROPOSE || s->kind == TC_KIND_NEW_VIEW)
        tc_strategic_lead(a, m, s, e, plan);
    else
        tc_strategic_follow(a, m, s, e, plan);
}

/* Old words again, to all replicas: view changes and new views before all. */
static void say_again(struct tc_adversary *a, uint64_t e, struct tc_plan *plan)
{
    for (uint64_t i = 0; i < 1 + tc_adversary_draw(&a->base, DRAW_AGAIN_COUNT, e, 8); i++) {
        const uint64_t hash = tc_random_mix(tc_random_mix(tc_random_mix(a->base.config.seed, DRAW_AGAIN), e), i);
        const uint32_t changes = 1u << TC_KIND_VIEW_CHANGE | 1u << TC_KIND_NEW_VIEW;
        const struct tc_memory_item *item = tc_memory_pick_kind(
            a->base.heard, hash & 1 ? changes : changes | 1u << TC_KIND_PROPOSE | 1u << TC_KIND_VOTE, hash);
        for (uint16_t to = 0; item && item->from < a->base.n && to < a->base.n; to++)
            if (to != item->from && (tc_random_mix(hash, to) & 3))
                tc_adversary_send(plan, item->from, to, item->frame);
    }
}

/* Who asks for a state or a block, and is told, is told another by the traitor too, unasked. */
static void tell_false(struct tc_adversary *a, const struct tc_message *m, struct tc_plan *plan)
{
    const struct tc_adversary_base *base = &a->base;
    const uint64_t hash = tc_random_mix(tc_adversary_copy(base, m), DRAW_FALSE);
    struct tc_message mine;
    struct tc_error err = {0};
    struct tc_slice frame;
    if (base->traitor == TC_NODE_NONE || m->from == base->traitor || m->to == base->traitor || m->to >= base->n ||
        tc_random_below(hash, 256) >= a->false_share)
        return;
    if (tc_forge_sign(base->config.protocol, &base->config.env, base->config.ledger, m, base->traitor, plan->arena,
                      &mine, &err) == 0 &&
        tc_mutate(&base->mutator, TC_OP_BYTES, hash, &mine, plan->arena, &frame) == 0)
        tc_adversary_send(plan, base->traitor, m->to, frame);
}

static void strategic_message(struct tc_adversary *a, const struct tc_call *call, struct tc_plan *plan)
{
    const struct tc_message *m = call->message;
    struct tc_adversary_base *base = &a->base;
    tc_memory_add(base->heard, m);
    if (m->statement_count == 0)
        return;
    const struct tc_statement *s = &m->statements[0];
    const uint64_t e = s->has_view || s->has_sequence ? era(a, s) : a->last_era;
    tc_strategic_note(a, m);
    crash_after(a, m, s, plan);
    if (s->kind == TC_KIND_SYNC)
        tell_false(a, m, plan);
    if (e > a->last_era) {
        a->last_era = e;
        if (tc_strategic_chance(a, DRAW_AGAIN_WHEN, e, a->again_share))
            say_again(a, e, plan);
        if (tc_strategic_chance(a, DRAW_CUT_WHEN, e, a->cut_share))
            cut_for_a_while(a, call->now_ns, e, plan);
    }
    if (lost(a, m, s, e))
        tc_adversary_drop(plan, "lost");
    else if (tc_adversary_own(base, m))
        traitor_speaks(a, m, s, e, plan);
}

static void strategic_timer(struct tc_adversary *a, const struct tc_call *call, struct tc_plan *plan)
{
    if (call->token == TIMER_HEAL && tc_adversary_op(plan, TC_HEAL))
        a->cut = false;
}

static void strategic_view(struct tc_adversary *a, const struct tc_call *call, struct tc_plan *plan)
{
    const struct tc_observation *o = call->observation;
    const uint64_t which = o->view.view * TC_NODES_MAX + o->node;
    if (tc_strategic_chance(a, DRAW_CRASH, which, a->crash_share))
        tc_strategic_crash(a, o->node, plan);
    if (!o->view.active && tc_strategic_chance(a, DRAW_CUT_WHEN, ~which, a->cut_share / 2))
        cut_for_a_while(a, call->now_ns, ~which, plan);
}

static int strategic_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_adversary *a = self;
    (void)err;
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors = a->base.traitors;
    else if (call->kind == TC_CALL_MESSAGE)
        strategic_message(a, call, plan);
    else if (call->kind == TC_CALL_TIMER)
        strategic_timer(a, call, plan);
    else if (call->kind == TC_CALL_VIEW)
        strategic_view(a, call, plan);
    else if (call->kind == TC_CALL_DECIDE)
        tc_strategic_decided(a, call->observation->executed.sequence, plan);
    return 0;
}

/* ---- the temper of a run ---- */

/* One of a few shares, so that every gambit is often absent and sometimes all there is. */
static uint32_t share(const struct tc_adversary *a, uint64_t which)
{
    static const uint32_t shares[] = {0, 0, 32, 96, 192, 256};
    return shares[tc_adversary_draw(&a->base, DRAW_SHARES, which, sizeof shares / sizeof shares[0])];
}

/* Half of the runs are of one mind: a gambit or two, and nothing else in their way. */
static void single_minded(struct tc_adversary *a)
{
    uint32_t *shares[] = {&a->net_share,   &a->lead_share,  &a->follow_share,     &a->again_share,
                          &a->crash_share, &a->false_share, &a->checkpoint_share, &a->cut_share};
    const uint32_t count = sizeof shares / sizeof shares[0];
    const uint64_t one = tc_adversary_draw(&a->base, DRAW_SHARES, 30, count);
    const uint64_t two = tc_adversary_draw(&a->base, DRAW_SHARES, 31, count);
    for (uint32_t i = 0; i < count; i++)
        if (i != one && i != two)
            *shares[i] = 0;
    if (*shares[one] == 0) /* else nothing at all would happen */
        *shares[one] = 4u << tc_adversary_draw(&a->base, DRAW_SHARES, 33, 7);
}

/* Not the traitor: what it hears is its own affair. */
static void draw_dark(struct tc_adversary *a)
{
    const struct tc_adversary_base *base = &a->base;
    a->dark = TC_NODE_NONE;
    if (base->n < 2 || base->traitor == TC_NODE_NONE || tc_adversary_draw(base, DRAW_DARK, 0, 4) > 0)
        return;
    a->dark = (uint16_t)((base->traitor + 1 + tc_adversary_draw(base, DRAW_DARK, 1, base->n - 1)) % base->n);
    a->dark_first = tc_adversary_draw(base, DRAW_DARK, 2, 4);
    a->dark_last = a->dark_first + 2 + tc_adversary_draw(base, DRAW_DARK, 3, 12);
}

static void draw_temper(struct tc_adversary *a)
{
    const struct tc_adversary_base *base = &a->base;
    const bool cuts = tc_adversary_draw(base, DRAW_SHARES, 20, 4) == 0;
    a->net_share = cuts ? 0 : share(a, 0) / 2;
    a->lead_share = share(a, 1);
    a->follow_share = share(a, 2);
    a->again_share = share(a, 3) / 8;
    a->false_share = share(a, 8);
    a->cut_share = cuts ? 8 + share(a, 4) / 4 : 0;
    a->crash_share = share(a, 5) / 8;
    a->checkpoint_share = cuts ? 0 : share(a, 7) / 2;
    if (tc_adversary_draw(base, DRAW_SHARES, 32, 2))
        single_minded(a);
    a->crashes = a->crash_share ? 1 + (uint32_t)tc_adversary_draw(base, DRAW_SHARES, 6, 3) : 0;
    if (!cuts)
        draw_dark(a);
    else
        a->dark = TC_NODE_NONE;
}

static bool has_row(const struct tc_protocol *protocol, enum tc_kind kind, bool phased)
{
    for (size_t i = 0; i < protocol->row_count; i++)
        if (protocol->rows[i].kind == kind && protocol->rows[i].is_signed &&
            (!phased || protocol->rows[i].phase != TC_PHASE_NONE))
            return true;
    return false;
}

static struct tc_adversary *strategic_create(const struct tc_adversary_config *config)
{
    struct tc_adversary *a = calloc(1, sizeof *a);
    if (!a || tc_adversary_init(&a->base, config, "strategic")) {
        free(a);
        return NULL;
    }
    a->base.act = strategic_call;
    tc_arena_init(&a->arena, 1u << 20);
    a->base.handler.calls |= 1u << TC_CALL_TIMER | 1u << TC_CALL_VIEW | 1u << TC_CALL_DECIDE;
    a->stable_leader = has_row(config->protocol, TC_KIND_NEW_VIEW, false);
    a->phased = has_row(config->protocol, TC_KIND_VOTE, true);
    draw_temper(a);
    tc_strategic_draw_absence(a);
    return a;
}

static const struct tc_handler *strategic_handler(struct tc_adversary *a)
{
    return &a->base.handler;
}

static void strategic_destroy(struct tc_adversary *a)
{
    if (!a)
        return;
    tc_strategic_forget(a);
    tc_adversary_done(&a->base);
    free(a);
}

const struct tc_adversary_class tc_adversary_strategic = {
    .name = "strategic",
    .summary = "leads on any certificate it knows, hides, equivocates, lies in view changes, over consecutive views",
    .source = "Niu & Feng; Decouchant et al., PRDC'23",
    .create = strategic_create,
    .handler = strategic_handler,
    .destroy = strategic_destroy,
};
