/* Who is away: a replica that is cut off until the others have decided so much without it that only a transferred
 * state brings it back, perhaps having lost what was not on its disk; or one that dies and does not return, be it the
 * traitor, who then keeps for good what was told to it alone. */
#include "adversary_strategic.h"

#define LAG_MIN  5 /* decisions that it misses: from fewer than what replicas keep of the past to more */
#define LAG_MORE 6

static uint64_t draw(const struct tc_adversary *a, uint64_t which, uint64_t bound)
{
    return tc_adversary_draw(&a->base, DRAW_AWAY, which, bound);
}

/* Nothing but a few false states comes in the way of whoever comes back; or else whatever the run has in store. */
static void be_plain(struct tc_adversary *a)
{
    a->net_share = a->lead_share = a->follow_share = a->again_share = 0;
    a->cut_share = a->crash_share = a->checkpoint_share = 0;
    a->false_share = 256;
    a->crashes = 1;
    a->dark = TC_NODE_NONE;
}

void tc_strategic_draw_absence(struct tc_adversary *a)
{
    const struct tc_adversary_base *base = &a->base;
    const uint64_t way = draw(a, 0, 16);
    a->away = TC_NODE_NONE;
    if (way > 2 || base->n < 2 || base->traitor == TC_NODE_NONE)
        return;
    a->away_for_good = way == 0;
    a->away = a->away_for_good ? (uint16_t)draw(a, 1, base->n)
                               : (uint16_t)((base->traitor + 1 + draw(a, 1, base->n - 1)) % base->n);
    a->away_from = draw(a, 2, 4);
    a->away_until = a->away_from + LAG_MIN + draw(a, 3, LAG_MORE);
    a->away_forgets = draw(a, 4, 4) == 0;
    if (draw(a, 5, 4) > 0)
        be_plain(a);
}

static void leave(struct tc_adversary *a, struct tc_plan *plan)
{
    struct tc_op *op = tc_adversary_op(plan, a->away_for_good ? TC_KILL : TC_PARTITION);
    if (!op)
        return;
    a->away_left = true;
    op->node = a->away_for_good ? a->away : TC_NODE_NONE;
    if (a->away_for_good)
        return;
    tc_nodeset_add(&op->blocks[0], a->away); /* the other replicas are one more block */
    op->block_count = 1;
    a->cut = true;
}

static void come_back(struct tc_adversary *a, struct tc_plan *plan)
{
    if (!tc_adversary_op(plan, TC_HEAL))
        return;
    a->cut = false;
    if (a->away_forgets)
        tc_strategic_crash(a, a->away, plan);
    a->away = TC_NODE_NONE;
}

void tc_strategic_decided(struct tc_adversary *a, uint64_t sequence, struct tc_plan *plan)
{
    if (a->away == TC_NODE_NONE)
        return;
    if (!a->away_left && sequence >= a->away_from && !a->cut)
        leave(a, plan);
    else if (a->away_left && !a->away_for_good && sequence >= a->away_until)
        come_back(a, plan);
}
