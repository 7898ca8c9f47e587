/* O14, participation: does every replica vote to everybody alike? A replica that votes to some and not to others
 * starves them: selective dropping.
 *
 * A detector. For every edge the votes that the sender said on it are compared with those it said at all while the edge
 * was up and both ends ran. What was said and not heard was lost by injection and is the sender's no more. One edge is
 * suspicious when so few votes would come by chance, even if one in ten were lost, with less than one in a million
 * (Bonferroni over all edges): six standard deviations and more. Nobody is named for voting late, or to nobody. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracles.h"

#define SHARE_MIN    0.9 /* of its votes that an honest replica may be expected to say on every edge */
#define DEVIATIONS   6.0
#define EXPECTED_MIN 200u
#define ROWS_MAX     64

struct edge {
    uint64_t expected, said, heard;
    bool up; /* a connection is established */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t n;
    struct edge *edges; /* [from][to] */
    bool broadcast;     /* the protocol's votes go to everybody, not to one collector */
    bool links_told;    /* connections are reported, so that `up` means something */
};

/* By the protocol's own formula: does one kind of vote alone cost more than a message a replica? */
static bool votes_are_broadcast(const struct tc_protocol *protocol, uint32_t n)
{
    uint64_t by_row[ROWS_MAX] = {0};
    if (protocol->row_count > ROWS_MAX || protocol->cost(n, by_row) == 0)
        return true;
    for (size_t i = 0; i < protocol->row_count; i++)
        if (protocol->rows[i].kind == TC_KIND_VOTE && (n <= 2 || by_row[i] > n))
            return true;
    return false;
}

static struct tc_oracle *create(const struct tc_oracle_env *env)
{
    struct tc_oracle *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->env = env;
    o->n = env->protocol_env.cluster->n;
    o->broadcast = votes_are_broadcast(env->protocol, o->n);
    o->edges = calloc((size_t)o->n * o->n, sizeof *o->edges);
    if (!o->edges) {
        free(o);
        return NULL;
    }
    return o;
}

static void destroy(struct tc_oracle *o)
{
    free(o->edges);
    free(o);
}

static struct edge *edge_at(const struct tc_oracle *o, uint32_t from, uint32_t to)
{
    return &o->edges[(size_t)from * o->n + to];
}

/* The sender voted for the first time: it is due to everybody who can be reached now. */
static void expect(struct tc_oracle *o, uint16_t from)
{
    if (tc_nodeset_has(&o->env->faults->down, from))
        return;
    for (uint32_t to = 0; to < o->n; to++) {
        struct edge *edge = edge_at(o, from, to);
        bool reachable = !tc_nodeset_has(&o->env->faults->down, to) && (edge->up || !o->links_told);
        edge->expected += to != from && reachable;
    }
}

static void observe_message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (!o->broadcast)
        return;
    if (m->statement_count == 0 || m->statements[0].kind != TC_KIND_VOTE || m->touched || m->occurrence > 0 ||
        m->from >= o->n || m->to >= o->n || m->statements[0].signer != m->from)
        return;
    struct edge *edge = edge_at(o, m->from, m->to);
    edge->heard += observation->message.heard;
    if (!observation->message.said)
        return;
    edge->said++;
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    if (count > 0 && votes[0].statement == 0 && (votes[0].flags & TC_VOTE_SPOKEN))
        expect(o, m->from);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_MESSAGE) {
        observe_message(o, observation);
        return;
    }
    if (observation->node >= o->n || observation->peer >= o->n)
        return;
    edge_at(o, observation->node, observation->peer)->up = observation->kind == TC_OBS_LINK_UP;
    o->links_told = true;
}

static bool is_suspicious(const struct edge *edge)
{
    double expected = (double)edge->expected;
    double deviation = sqrt(expected * SHARE_MIN * (1 - SHARE_MIN));
    return edge->expected >= EXPECTED_MIN && (double)edge->said < expected * SHARE_MIN - DEVIATIONS * deviation;
}

static void name(struct tc_oracle *o, uint64_t now_ns, uint16_t from, uint16_t to)
{
    const struct edge *edge = edge_at(o, from, to);
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_participation, now_ns);
    tc_nodeset_add(&f.suspects, from);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, from);
    tc_text_add(&t, " said ");
    tc_text_number(&t, edge->said);
    tc_text_add(&t, " of ");
    tc_text_number(&t, edge->expected);
    tc_text_add(&t, " votes to ");
    tc_text_who(&t, to);
    tc_text_add(&t, ", and the others more");
    o->env->report(o->env->judge, &f);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    result->status = TC_HOLDS;
    snprintf(result->unit, sizeof result->unit, "edges");
    if (!o->env->has_messages || !o->env->links_complete) {
        tc_oracle_not_judged(result, o->env->has_messages ? "traffic bypasses the proxy" : "messages are not seen");
        return;
    }
    uint64_t expected = 0;
    uint64_t said = 0;
    uint64_t heard = 0;
    for (uint32_t from = 0; from < o->n; from++) {
        for (uint32_t to = 0; to < o->n; to++) {
            const struct edge *edge = edge_at(o, from, to);
            expected += edge->expected;
            said += edge->said;
            heard += edge->heard;
            result->compared += edge->expected >= EXPECTED_MIN;
            if (is_suspicious(edge))
                name(o, now_ns, (uint16_t)from, (uint16_t)to);
        }
    }
    if (result->compared == 0) {
        tc_oracle_not_judged(result,
                             o->broadcast ? "too few votes on every edge" : "votes go to one collector, not to all");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, said);
    if (said > expected) { /* votes are said on links that came up after they fell due */
        tc_text_add(&t, " votes said (");
        tc_text_number(&t, expected);
        tc_text_add(&t, " were due on links then up), ");
    } else {
        tc_text_add(&t, " of ");
        tc_text_number(&t, expected);
        tc_text_add(&t, " votes said, ");
    }
    tc_text_number(&t, said > heard ? said - heard : 0);
    tc_text_add(&t, " of them lost or changed by injection");
}

const struct tc_oracle_class tc_oracle_participation = {
    .name = "participation",
    .summary = "names whoever votes to some replicas and not to others",
    .property = TC_DETECTOR,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_LINK_UP) | TC_OBS_BIT(TC_OBS_LINK_DOWN),
    .kinds = TC_KIND_BIT(TC_KIND_VOTE),
    .needs_links = true,
    .create = create,
    .observe = observe,
    .finish = finish,
    .destroy = destroy,
};
