/* Decisions of a simulated run taken in the live world: what a traitor signed there with a key of the simulation is
 * signed here with the key that the live replicas know, so that it stays the lie it was, and is no forgery. */
#include "run_internal.h"

#include "../injectors/forge.h"
#include "nodeset.h"

#include <stdlib.h>

struct tc_resign {
    struct tc_run *run;
    const struct tc_handler *inner;
    struct tc_handler handler;
    struct tc_keyring *keys; /* of the simulation */
    struct tc_protocol_env env;
};

/* The frame with a live signature, if it had a good one in the simulation; otherwise as it is. */
static struct tc_slice sign_again(struct tc_resign *r, struct tc_slice frame, struct tc_arena *arena)
{
    const struct tc_protocol *protocol = r->run->protocol;
    struct tc_message m = {.from = TC_NODE_NONE, .to = TC_NODE_NONE}, out = {.from = TC_NODE_NONE, .to = TC_NODE_NONE};
    struct tc_error err = {0};
    if (!protocol->verify || protocol->decode(frame, arena, &m) || m.statement_count == 0)
        return frame;
    const struct tc_statement *s = &m.statements[0];
    if (!tc_nodeset_has(&r->run->ledger.traitors, s->signer) || protocol->verify(&r->env, s) != 0)
        return frame;
    if (tc_forge_sign(protocol, &r->run->env, &r->run->ledger, &m, s->signer, arena, &out, &err))
        return frame;
    return out.frame;
}

static int answer(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_resign *r = self;
    const int status = r->inner->call(r->inner->self, call, plan, err);
    for (uint32_t i = 0; status >= 0 && i < plan->op_count; i++)
        if (plan->ops[i].verb == TC_SEND)
            plan->ops[i].frame = sign_again(r, plan->ops[i].frame, plan->arena);
    for (uint32_t i = 0; status >= 0 && i < plan->verdict.frame_count; i++)
        plan->verdict.frames[i] = sign_again(r, plan->verdict.frames[i], plan->arena);
    return status;
}

int tc_run_resign_open(struct tc_run *run, struct tc_error *err)
{
    const struct tc_run_request *request = run->request;
    struct tc_resign *r = calloc(1, sizeof *r);
    run->resign = r;
    if (r)
        r->keys = tc_keyring_new(request->ed25519 ? TC_SCHEME_ED25519 : TC_SCHEME_KEYED_HASH);
    if (!r || !r->keys)
        return tc_error_set(err, TC_EMEMORY, "no memory for the keys of the simulation");
    const int status = tc_sim_keys(r->keys, &run->cluster, request->seed);
    if (status)
        return tc_error_set(err, status, "cannot derive the keys of the simulation");
    r->run = run;
    r->inner = run->handler;
    r->env = run->env;
    r->env.keys = r->keys;
    r->handler = *run->handler;
    r->handler.self = r;
    r->handler.call = answer;
    run->handler = &r->handler;
    return 0;
}

void tc_run_resign_close(struct tc_run *run)
{
    if (run->resign)
        tc_keyring_free(run->resign->keys);
    free(run->resign);
    run->resign = NULL;
}
