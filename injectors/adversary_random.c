/* The baseline: every message that a traitor says is dropped or corrupted with a fixed probability, each for itself. */
#include "adversary_base.h"

#include <stdlib.h>

#define DRAW_SCALE   10
#define DRAW_NETWORK 11

struct tc_adversary {
    struct tc_adversary_base base;
    uint64_t fault;   /* of 65536: that a traitor's message is dropped; as many are corrupted */
    uint64_t network; /* of 65536: that another's is dropped */
};

static void random_message(struct tc_adversary *a, const struct tc_message *m, struct tc_plan *plan)
{
    struct tc_adversary_base *base = &a->base;
    const uint64_t hash = tc_adversary_copy(base, m), point = tc_random_below(hash, 65536);
    tc_memory_add(base->heard, m);
    if (!tc_adversary_own(base, m)) {
        if (point < a->network)
            tc_adversary_drop(plan, "lost");
    } else if (point < a->fault) {
        tc_adversary_drop(plan, "dropped");
    } else if (point < 2 * a->fault) {
        const uint32_t fields = 1u << TC_OP_NUDGE | 1u << TC_OP_VALUE;
        tc_adversary_lie(base, m, tc_random_mix(hash, 1) & 1 ? 1u << TC_OP_CORRUPT : fields, tc_random_mix(hash, 2),
                         plan);
    }
}

static int random_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_adversary *a = self;
    (void)err;
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors = a->base.traitors;
    else if (call->kind == TC_CALL_MESSAGE)
        random_message(a, call->message, plan);
    return 0;
}

/* A quarter each, as published, is so much that little comes of the run: most seeds take less. */
static struct tc_adversary *random_create(const struct tc_adversary_config *config)
{
    struct tc_adversary *a = calloc(1, sizeof *a);
    if (!a || tc_adversary_init(&a->base, config, "random")) {
        free(a);
        return NULL;
    }
    a->base.act = random_call;
    a->fault = UINT64_C(16384) >> (2 * tc_adversary_draw(&a->base, DRAW_SCALE, 0, 3));
    a->network = tc_adversary_draw(&a->base, DRAW_NETWORK, 0, 2) ? a->fault / 4 : 0;
    return a;
}

static const struct tc_handler *random_handler(struct tc_adversary *a)
{
    return &a->base.handler;
}

static void random_destroy(struct tc_adversary *a)
{
    if (a)
        tc_adversary_done(&a->base);
    free(a);
}

const struct tc_adversary_class tc_adversary_random = {
    .name = "random",
    .summary = "drops or corrupts each message of a traitor with a fixed probability; the baseline",
    .source = "the baseline of ByzzFuzz, OOPSLA'23",
    .create = random_create,
    .handler = random_handler,
    .destroy = random_destroy,
};
