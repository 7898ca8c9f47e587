#include "adversary_base.h"

#include "forge.h"

#include <string.h>

#define DRAW_TRAITORS 1
#define DRAW_CLIENT   2

#define DRAW_AUTHENTICATOR UINT64_C(0x61757468)

/* As many replicas as may be faulty; in every eighth run a client instead of one of them, to lie about requests. */
static void choose_traitors(struct tc_adversary_base *base)
{
    const struct tc_cluster *cluster = base->config.env.cluster;
    const uint32_t allowed = base->config.ledger ? base->config.ledger->traitors_max : 0;
    uint32_t order[TC_REPLICAS_MAX], count = cluster->f < allowed ? cluster->f : allowed;
    tc_random_order(tc_random_mix(base->config.seed, DRAW_TRAITORS), order, cluster->n);
    if (cluster->client_count > 0 && tc_adversary_draw(base, DRAW_CLIENT, 0, 8) == 0) {
        const uint64_t client = tc_adversary_draw(base, DRAW_CLIENT, 1, cluster->client_count);
        tc_nodeset_add(&base->traitors, TC_CLIENT_FIRST + (uint32_t)client);
    }
    for (uint32_t i = 0; i < count; i++)
        tc_nodeset_add(&base->traitors, order[i]);
    base->traitor = count > 0 ? (uint16_t)order[0] : TC_NODE_NONE;
}

/* The network has healed: what others say passes, nobody is cut off and no process dies. A traitor goes on. */
static void spare_others(const struct tc_adversary_base *base, const struct tc_call *call, struct tc_plan *plan)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->op_count; i++)
        if (plan->ops[i].verb == TC_SEND && tc_adversary_holds(base, plan->ops[i].from))
            plan->ops[kept++] = plan->ops[i];
    plan->op_count = kept;
    if (call->kind == TC_CALL_MESSAGE && !tc_adversary_holds(base, call->message->from))
        plan->verdict.verb = TC_FORWARD;
}

static int answer(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    const struct tc_adversary_base *base = self;
    const int status = base->act(self, call, plan, err);
    if (status == 0 && call->phase == TC_RUN_AFTER)
        spare_others(base, call, plan);
    return status;
}

int tc_adversary_init(struct tc_adversary_base *base, const struct tc_adversary_config *config, const char *name)
{
    base->config = *config;
    base->n = config->env.cluster->n;
    base->handler.self = base;
    base->handler.name = name;
    base->handler.call = answer;
    base->handler.goes_on = true;
    base->handler.kinds = (1u << TC_KIND_COUNT) - 1u;
    base->handler.calls = 1u << TC_CALL_BEGIN | 1u << TC_CALL_MESSAGE;
    base->heard = tc_memory_new();
    if (!base->heard)
        return TC_EMEMORY;
    base->mutator = (struct tc_mutator){
        .protocol = config->protocol, .env = &base->config.env, .ledger = config->ledger, .heard = base->heard};
    choose_traitors(base);
    return 0;
}

void tc_adversary_done(struct tc_adversary_base *base)
{
    tc_memory_free(base->heard);
}

void tc_adversary_drop(struct tc_plan *plan, const char *why)
{
    plan->verdict.verb = TC_DROP;
    plan->verdict.why = why;
}

void tc_adversary_replace(struct tc_plan *plan, struct tc_slice frame, const char *why)
{
    plan->verdict.verb = TC_REPLACE;
    plan->verdict.frames[0] = frame;
    plan->verdict.frame_count = 1;
    plan->verdict.why = why;
}

struct tc_op *tc_adversary_op(struct tc_plan *plan, enum tc_verb verb)
{
    if (plan->op_count == TC_PLAN_OPS_MAX)
        return NULL;
    struct tc_op *op = &plan->ops[plan->op_count++];
    *op = (struct tc_op){.verb = verb, .from = TC_NODE_NONE, .to = TC_NODE_NONE, .node = TC_NODE_NONE};
    return op;
}

void tc_adversary_send(struct tc_plan *plan, uint16_t from, uint16_t to, struct tc_slice frame)
{
    const struct tc_slice copy = tc_arena_copy(plan->arena, frame);
    struct tc_op *op = copy.data ? tc_adversary_op(plan, TC_SEND) : NULL;
    if (!op)
        return;
    op->from = from;
    op->to = to;
    op->frame = copy;
}

bool tc_adversary_lie(struct tc_adversary_base *base, const struct tc_message *m, uint32_t operators, uint64_t hash,
                      struct tc_plan *plan)
{
    struct tc_slice frame;
    enum tc_operator op;
    if (tc_random_mix(hash, DRAW_AUTHENTICATOR) & 1 &&
        tc_mutate_authenticator(&base->mutator, hash, m, plan->arena, &frame) == 0) {
        tc_adversary_replace(plan, frame, "authenticator");
        return true;
    }
    if (tc_mutate_any(&base->mutator, operators, hash, m, plan->arena, &frame, &op) != 0)
        return false;
    tc_adversary_replace(plan, frame, tc_operator_name(op));
    return true;
}

void tc_adversary_replay(struct tc_adversary_base *base, uint64_t hash, struct tc_plan *plan)
{
    const uint32_t kinds = 1u << TC_KIND_VIEW_CHANGE | 1u << TC_KIND_NEW_VIEW | 1u << TC_KIND_VOTE |
                           1u << TC_KIND_PROPOSE | 1u << TC_KIND_CERTIFICATE | 1u << TC_KIND_CHECKPOINT;
    const struct tc_memory_item *item = tc_memory_pick_kind(base->heard, kinds, tc_random_mix(hash, 1));
    const uint16_t to = (uint16_t)tc_random_below(tc_random_mix(hash, 2), base->n);
    if (item && item->from < base->n && item->from != to)
        tc_adversary_send(plan, item->from, to, item->frame);
}
