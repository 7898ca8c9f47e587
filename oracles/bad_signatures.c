/* O18, bad signatures: a correct replica that receives a signature which does not verify, where nothing that we changed
 * explains it, talks to a broken signer or is broken itself.
 *
 * Explained is a complaint of x about p when bytes that we touched were offered to x (a proposal with a damaged request
 * in it reads as the client's bad signature), or to p (who may have passed them on). A complaint about a client is
 * explained by bytes touched anywhere, for requests travel inside other nodes' messages, and by a client in F_s. So is
 * one about a request that bears MACs, whoever brought it: a replica takes it by its own MAC and passes it on, not
 * knowing that the others' were spoilt on the way to it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oracles.h"

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_nodeset touched; /* whom touched bytes were offered to */
    uint64_t complaints, explained, messages;
};

/* Is it about a request (not one of a replica's own: for a state, a batch) that only its receivers can authenticate? */
static bool is_of_macs(const struct tc_oracle *o, const char *text)
{
    return o->env->protocol_env.cluster->request_authentication == TC_AUTH_MAC && strstr(text, "on request");
}

static bool is_explained(const struct tc_oracle *o, uint16_t node, uint16_t peer, const char *text)
{
    for (uint32_t i = TC_CLIENT_FIRST; i < TC_NODES_MAX; i++)
        if (tc_nodeset_has(&o->env->faults->signed_for, i))
            return true;
    /* a client, or nobody is named */
    if ((peer >= TC_CLIENT_FIRST || is_of_macs(o, text)) && tc_nodeset_count(&o->touched) > 0)
        return true;
    return tc_nodeset_has(&o->touched, node) || tc_nodeset_has(&o->touched, peer);
}

static void complaint(struct tc_oracle *o, const struct tc_observation *observation)
{
    const char *text = observation->text ? observation->text : "";
    if (!strstr(text, "signature") && !strstr(text, "MAC"))
        return;
    o->complaints++;
    if (observation->peer < TC_NODES_MAX && tc_nodeset_has(&o->env->faults->signed_for, observation->peer)) {
        o->explained++;
        return;
    }
    if (is_explained(o, observation->node, observation->peer, text)) {
        o->explained++;
        return;
    }
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_bad_signatures, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    tc_nodeset_add(&f.suspects, observation->peer);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " complains about ");
    tc_text_who(&t, observation->peer);
    tc_text_add(&t, ", though nothing between them was touched: %s", text);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "%s", text);
    o->env->report(o->env->judge, &f);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_COMPLAINT) {
        if (tc_oracle_judges(o->env, observation->node))
            complaint(o, observation);
        return;
    }
    const struct tc_message *m = observation->message.message;
    o->messages++;
    if (m->touched && observation->message.heard)
        tc_nodeset_add(&o->touched, m->to);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->messages;
    snprintf(result->unit, sizeof result->unit, "messages");
    if (!o->env->has_complaints) {
        tc_oracle_not_judged(result, "no replica tells which signatures it refuses");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (o->complaints == 0)
        tc_text_add(&t, "no complaint about a signature");
    else
        tc_text_add(&t, "%" PRIu64 " complaints about signatures, %" PRIu64 " explained by what we changed",
                    o->complaints, o->explained);
}

const struct tc_oracle_class tc_oracle_bad_signatures = {
    .name = "bad-signatures",
    .summary = "no replica meets a bad signature that our own changes do not explain",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_COMPLAINT),
    .kinds = UINT32_MAX & ~(TC_WANT_CONFLICT | TC_WANT_QUORUM),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
};
