/* An engine whose handler answers one kind of message with a verdict and side actions that the test gives. */
#ifndef TC_VERDICT_FIXTURE_H
#define TC_VERDICT_FIXTURE_H

#include "engine_fixture.h"

/* The verdict for the one message whose text begins with `match`; everything else is forwarded. */
static struct tc_verdict given;
static const char *match;
static struct tc_op given_ops[4];
static uint32_t given_op_count;

static inline int answer(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind != TC_CALL_MESSAGE || call->message->frame.len < 2 + strlen(match) ||
        memcmp(call->message->frame.data + 2, match, strlen(match)) != 0)
        return 0;
    plan->verdict = given;
    memcpy(plan->ops, given_ops, given_op_count * sizeof given_ops[0]);
    plan->op_count = given_op_count;
    return 0;
}

static inline void begin(struct fixture *f)
{
    fixture_init(f);
    memset(&given, 0, sizeof given);
    memset(given_ops, 0, sizeof given_ops);
    given_op_count = 0;
    match = "P";
    f->answer = answer;
    attack_on_link(f, 0, 0, 1);
}

#endif
