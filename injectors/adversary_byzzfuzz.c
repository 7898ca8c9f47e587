/* Round-aware fuzzing: in c rounds the traitor lies, the same lie to some of the receivers; in d rounds the network is
 * cut along a random partition. All faults lie in rounds 1 … r.
 *
 * Winter, Buse, de Graaf, von Gleissenthall, Kulahcioglu Ozkan: Randomized Testing of Byzantine Fault Tolerant
 * Algorithms, OOPSLA'23. Beyond it: lists and certificates are mutated too, an earlier message may be said again, and a
 * replica may crash in a round. */
#include "adversary_base.h"

#include <stdlib.h>

enum { DRAW_SIZES = 20, DRAW_ROUND, DRAW_RECEIVERS, DRAW_LIE, DRAW_CUT_ROUND, DRAW_CUT, DRAW_CRASH };

#define FAULTS_MAX 16

struct process_fault {
    uint32_t round;
    struct tc_nodeset receivers;
    uint64_t lie; /* one mutation, whoever hears it */
    bool any_scope;
    bool done;
};

struct network_fault {
    uint32_t round;
    uint8_t block[TC_REPLICAS_MAX];
};

struct tc_adversary {
    struct tc_adversary_base base;
    struct tc_rounds rounds;
    uint32_t process_count, network_count, rounds_max;
    struct process_fault process[FAULTS_MAX];
    struct network_fault network[FAULTS_MAX];
    uint32_t crash_round; /* 0: none */
    uint16_t crash_node;
};

/* ---- faults in a message's way ---- */

static bool cut(const struct tc_adversary *a, const struct tc_message *m, uint32_t round)
{
    if (m->from >= a->base.n || m->to >= a->base.n)
        return false; /* clients are on no side */
    for (uint32_t i = 0; i < a->network_count; i++)
        if (a->network[i].round == round && a->network[i].block[m->from] != a->network[i].block[m->to])
            return true;
    return false;
}

static void lie(struct tc_adversary *a, struct process_fault *fault, const struct tc_message *m, struct tc_plan *plan)
{
    const uint64_t hash = tc_random_mix(fault->lie, m->statements[0].type);
    const uint64_t way = tc_random_below(tc_random_mix(hash, 1), 8);
    if (way == 0) {
        tc_adversary_drop(plan, "omitted");
    } else if (way == 1 && fault->any_scope) {
        tc_adversary_replay(&a->base, tc_random_mix(hash, m->to), plan);
        fault->done = true; /* said again once */
    } else {
        tc_adversary_lie(&a->base, m, fault->any_scope ? TC_OPERATORS_ANY : TC_OPERATORS_SMALL, tc_random_mix(hash, 2),
                         plan);
    }
}

static void crash(struct tc_adversary *a, uint32_t round, struct tc_plan *plan)
{
    if (a->crash_round == 0 || round < a->crash_round)
        return;
    a->crash_round = 0;
    struct tc_op *op = tc_adversary_op(plan, TC_RESTART);
    if (op)
        op->node = a->crash_node;
}

/* Lost before it is a lie. */
static void byzzfuzz_message(struct tc_adversary *a, const struct tc_message *m, struct tc_plan *plan)
{
    if (a->process_count > 0) /* else nobody will lie */
        tc_memory_add(a->base.heard, m);
    if (m->statement_count == 0)
        return;
    const uint32_t round = tc_rounds_of(&a->rounds, m);
    crash(a, round, plan);
    if (cut(a, m, round)) {
        tc_adversary_drop(plan, "cut");
        return;
    }
    for (uint32_t i = 0; i < a->process_count && tc_adversary_own(&a->base, m); i++) {
        struct process_fault *fault = &a->process[i];
        if (fault->round == round && !fault->done && tc_nodeset_has(&fault->receivers, m->to)) {
            lie(a, fault, m, plan);
            return;
        }
    }
}

static int byzzfuzz_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_adversary *a = self;
    (void)err;
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors = a->base.traitors;
    else if (call->kind == TC_CALL_MESSAGE)
        byzzfuzz_message(a, call->message, plan);
    return 0;
}

/* ---- what will happen ---- */

static uint32_t bounded(uint64_t value, uint32_t max)
{
    return value < max ? (uint32_t)value : max;
}

/* What the limits leave open is drawn anew for each run: bugs differ in how many faults show them, and how late. */
static void draw_sizes(struct tc_adversary *a)
{
    const struct tc_adversary_limits *limits = &a->base.config.limits;
    const struct tc_adversary_base *base = &a->base;
    static const uint32_t horizons[] = {8, 12, 20, 32};
    a->rounds_max = limits->rounds_max ? bounded(limits->rounds_max, TC_ROUNDS_MAX)
                                       : horizons[tc_adversary_draw(base, DRAW_SIZES, 0, 4)];
    a->process_count = bounded(
        limits->process_faults ? limits->process_faults : tc_adversary_draw(base, DRAW_SIZES, 1, 5), FAULTS_MAX);
    a->network_count = bounded(
        limits->network_faults ? limits->network_faults : tc_adversary_draw(base, DRAW_SIZES, 2, 5), FAULTS_MAX);
    if (a->process_count + a->network_count == 0)
        a->process_count = 1;
    if (a->process_count > a->rounds_max)
        a->process_count = a->rounds_max;
    if (a->network_count > a->rounds_max)
        a->network_count = a->rounds_max;
    if (tc_adversary_draw(base, DRAW_CRASH, 0, 8) == 0) {
        a->crash_round = 1 + (uint32_t)tc_adversary_draw(base, DRAW_CRASH, 1, a->rounds_max);
        a->crash_node = (uint16_t)tc_adversary_draw(base, DRAW_CRASH, 2, base->n);
    }
}

/* A nonempty subset of the replicas and one for the clients, each node by a coin. */
static struct tc_nodeset draw_receivers(const struct tc_adversary_base *base, uint64_t which)
{
    struct tc_nodeset set = {0};
    const uint64_t coins = tc_random_mix(tc_random_mix(base->config.seed, DRAW_RECEIVERS), which);
    for (uint32_t i = 0; i < base->n; i++)
        if (i != base->traitor && tc_random_mix(coins, i) & 1)
            tc_nodeset_add(&set, i);
    for (uint32_t i = 0; i < base->config.env.cluster->client_count; i++)
        if (tc_random_mix(coins, TC_CLIENT_FIRST) & 1)
            tc_nodeset_add(&set, TC_CLIENT_FIRST + i);
    if (tc_nodeset_count(&set) == 0)
        tc_nodeset_add(&set, (base->traitor + 1 + (uint32_t)tc_random_below(coins, base->n - 1)) % base->n);
    return set;
}

static void draw_faults(struct tc_adversary *a)
{
    const struct tc_adversary_base *base = &a->base;
    uint32_t order[TC_ROUNDS_MAX];
    tc_random_order(tc_random_mix(base->config.seed, DRAW_ROUND), order, a->rounds_max);
    for (uint32_t i = 0; i < a->process_count; i++) {
        struct process_fault *fault = &a->process[i];
        fault->round = order[i] + 1;
        fault->receivers = draw_receivers(base, i);
        fault->lie = tc_random_mix(tc_random_mix(base->config.seed, DRAW_LIE), i);
        fault->any_scope = base->config.limits.any_scope || tc_adversary_draw(base, DRAW_LIE, i, 2);
    }
    tc_random_order(tc_random_mix(base->config.seed, DRAW_CUT_ROUND), order, a->rounds_max);
    for (uint32_t i = 0; i < a->network_count; i++) {
        a->network[i].round = order[i] + 1;
        tc_partition_draw(tc_random_mix(tc_random_mix(base->config.seed, DRAW_CUT), i), base->n, a->network[i].block);
    }
}

static struct tc_adversary *byzzfuzz_create(const struct tc_adversary_config *config)
{
    struct tc_adversary *a = calloc(1, sizeof *a);
    if (!a || tc_adversary_init(&a->base, config, "byzzfuzz")) {
        free(a);
        return NULL;
    }
    a->base.act = byzzfuzz_call;
    tc_rounds_init(&a->rounds, config->protocol);
    draw_sizes(a);
    draw_faults(a);
    return a;
}

static const struct tc_handler *byzzfuzz_handler(struct tc_adversary *a)
{
    return &a->base.handler;
}

static void byzzfuzz_destroy(struct tc_adversary *a)
{
    if (a)
        tc_adversary_done(&a->base);
    free(a);
}

const struct tc_adversary_class tc_adversary_byzzfuzz = {
    .name = "byzzfuzz",
    .summary = "lies in a few rounds and cuts the network in a few others, small-scope and any-scope",
    .source = "Winter et al., OOPSLA'23",
    .create = byzzfuzz_create,
    .handler = byzzfuzz_handler,
    .destroy = byzzfuzz_destroy,
};
