/* O14, participation: does every replica vote to everybody alike? A replica that votes to some and not to others
 * starves them: selective dropping.
 *
 * A detector. For every edge the votes that the sender said on it are compared with those it said at all while the edge
 * was up and both ends ran. What was said and not heard was lost by injection and is the sender's no more. One edge is
 * suspicious when so few votes would come by chance, even if one in ten were lost, with less than one in a million
 * (Bonferroni over all edges): six standard deviations and more. Nobody is named for voting late, or to nobody.
 *
 * Votes fall due in bursts (after a view change a hundred at once), and are lost in bursts where a queue of a slow
 * machine runs over: that is one loss, not a hundred. So what is missing of the two worst moments is forgiven.
 *
 * Where votes go to one collector, a vote is due from whoever was offered the proposal before the others' votes were
 * enough, to where all the others sent theirs. It is not due from a replica that was down or not connected to the
 * collector, that asks for a later view, or that did not vote in the view before: it may lack the block's parent. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracles.h"

#define SHARE_MIN    0.9 /* of its votes that an honest replica may be expected to say on every edge */
#define DEVIATIONS   6.0
#define EXPECTED_MIN 200u
#define ROWS_MAX     64
#define MOMENT_NS    UINT64_C(50000000)
#define WORST        2  /* moments whose losses are forgiven */
#define OPEN_MAX     64 /* slots whose votes may still come */

struct edge {
    uint64_t expected, said, heard;
    uint64_t moment_ns, moment_expected, moment_said; /* when the present moment began, and with what */
    uint64_t worst[WORST];                            /* missing votes of the worst moments that are over, falling */
    bool up;                                          /* a connection is established */
};

/* One slot and phase whose votes go to a collector. */
struct collected {
    struct tc_nodeset due, voted; /* offered the proposal in time; voted to the collector */
    uint64_t view, sequence;
    enum tc_phase phase;
    uint16_t collector;        /* TC_NODE_NONE until somebody votes */
    bool used, enough, astray; /* astray: not all votes went to one */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t n;
    struct edge *edges; /* [from][to] */
    bool broadcast;     /* the protocol's votes go to everybody, not to one collector */
    bool links_told;    /* connections are reported, so that `up` means something */
    uint32_t quorum;
    enum tc_phase first_phase;            /* of the votes that answer a proposal without a phase */
    struct collected *open;               /* OPEN_MAX, unless broadcast */
    uint64_t asked[TC_REPLICAS_MAX];      /* highest view asked for after a timeout */
    uint64_t voted_view[TC_REPLICAS_MAX]; /* highest view voted in */
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

static enum tc_phase first_phase(const struct tc_protocol *protocol)
{
    for (size_t i = 0; i < protocol->row_count; i++)
        if (protocol->rows[i].kind == TC_KIND_VOTE && protocol->rows[i].phase == TC_PHASE_NONE)
            return TC_PHASE_NONE;
    return TC_PHASE_PREPARE;
}

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->n = env->protocol_env.cluster->n;
    o->broadcast = votes_are_broadcast(env->protocol, o->n);
    o->first_phase = first_phase(env->protocol);
    o->quorum = tc_protocol_quorum(env->protocol, env->protocol_env.cluster);
    o->edges = calloc((size_t)o->n * o->n, sizeof *o->edges);
    o->open = o->broadcast ? NULL : calloc(OPEN_MAX, sizeof *o->open);
    return o->edges && (o->open || o->broadcast);
}

static void release(struct tc_oracle *o)
{
    free(o->edges);
    free(o->open);
}

static struct edge *edge_at(const struct tc_oracle *o, uint32_t from, uint32_t to)
{
    return &o->edges[(size_t)from * o->n + to];
}

static void moment_over(struct edge *edge)
{
    const uint64_t expected = edge->expected - edge->moment_expected, said = edge->said - edge->moment_said;
    uint64_t missing = expected > said ? expected - said : 0;
    for (size_t i = 0; i < WORST; i++) {
        const uint64_t better = edge->worst[i] < missing ? edge->worst[i] : missing;
        edge->worst[i] = edge->worst[i] < missing ? missing : edge->worst[i];
        missing = better;
    }
    edge->moment_expected = edge->expected;
    edge->moment_said = edge->said;
}

/* Before anything is counted on an edge. */
static void moment_at(struct edge *edge, uint64_t now_ns)
{
    if (now_ns - edge->moment_ns < MOMENT_NS)
        return;
    moment_over(edge);
    edge->moment_ns = now_ns / MOMENT_NS * MOMENT_NS;
}

/* The sender voted for the first time: it is due to everybody who can be reached now. */
static void expect(struct tc_oracle *o, uint16_t from, uint64_t now_ns)
{
    if (tc_nodeset_has(&o->env->faults->down, from))
        return;
    for (uint32_t to = 0; to < o->n; to++) {
        struct edge *edge = edge_at(o, from, to);
        bool reachable = !tc_nodeset_has(&o->env->faults->down, to) && (edge->up || !o->links_told);
        moment_at(edge, now_ns);
        edge->expected += to != from && reachable;
    }
}

/* ---- votes to a collector ---- */

/* The slot's time is over: what was due, and was it said? */
static void close_slot(struct tc_oracle *o, struct collected *c)
{
    if (c->used && c->enough && !c->astray) {
        for (uint32_t from = 0; from < o->n; from++) {
            const bool voted = tc_nodeset_has(&c->voted, from);
            if (from == c->collector || !tc_nodeset_has(&c->due, from) || (!voted && o->asked[from] > c->view))
                continue;
            edge_at(o, from, c->collector)->expected++;
            edge_at(o, from, c->collector)->said += voted;
        }
    }
    c->used = false;
}

static struct collected *open_slot(struct tc_oracle *o, const struct tc_statement *s, enum tc_phase phase)
{
    struct collected *c = &o->open[(s->view * TC_PHASE_COUNT + phase) % OPEN_MAX];
    if (c->used && c->view == s->view && c->sequence == s->sequence && c->phase == phase)
        return c;
    if (c->used && c->view > s->view) /* long over */
        return NULL;
    close_slot(o, c);
    *c = (struct collected){
        .used = true, .view = s->view, .sequence = s->sequence, .phase = phase, .collector = TC_NODE_NONE};
    return c;
}

static void offered(struct tc_oracle *o, const struct tc_statement *s, uint16_t to)
{
    struct collected *c = open_slot(o, s, s->phase == TC_PHASE_NONE ? o->first_phase : s->phase);
    if (c && !c->enough && !tc_nodeset_has(&o->env->faults->down, to) && o->asked[to] <= s->view)
        tc_nodeset_add(&c->due, to);
}

static void voted(struct tc_oracle *o, const struct tc_statement *s, uint16_t from, uint16_t to)
{
    struct collected *c = open_slot(o, s, s->phase);
    if (!c)
        return;
    if (c->collector == TC_NODE_NONE)
        c->collector = to;
    c->astray |= c->collector != to;
    tc_nodeset_add(&c->voted, from);
    if (s->view > o->voted_view[from])
        o->voted_view[from] = s->view;
    if (c->enough || tc_nodeset_count(&c->voted) + 1 < o->quorum) /* the collector's own is not on the wire */
        return;
    c->enough = true;
    for (uint32_t i = 0; i < o->n; i++)
        if ((o->links_told && !edge_at(o, i, c->collector)->up) || o->voted_view[i] + 1 < s->view)
            tc_nodeset_remove(&c->due, i);
}

static void observe_collected(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    const struct tc_statement *s = &m->statements[0];
    if (!s->has_view || !s->has_sequence || m->touched || m->occurrence > 0 || s->signer != m->from ||
        m->from >= o->n || m->to >= o->n)
        return;
    if (s->kind == TC_KIND_PROPOSE && observation->message.heard)
        offered(o, s, m->to);
    if (s->kind != TC_KIND_VOTE)
        return;
    edge_at(o, m->from, m->to)->heard += observation->message.heard;
    if (observation->message.said)
        voted(o, s, m->from, m->to);
}

/* ---- votes to everybody ---- */

static void observe_message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (!o->broadcast) {
        if (m->statement_count > 0)
            observe_collected(o, observation);
        return;
    }
    if (m->statement_count == 0 || m->statements[0].kind != TC_KIND_VOTE || m->touched || m->occurrence > 0 ||
        m->from >= o->n || m->to >= o->n || m->statements[0].signer != m->from)
        return;
    struct edge *edge = edge_at(o, m->from, m->to);
    edge->heard += observation->message.heard;
    if (!observation->message.said)
        return;
    moment_at(edge, observation->time_ns);
    edge->said++;
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    if (count > 0 && votes[0].statement == 0 && (votes[0].flags & TC_VOTE_SPOKEN))
        expect(o, m->from, observation->time_ns);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_MESSAGE) {
        observe_message(o, observation);
        return;
    }
    if (observation->kind == TC_OBS_VIEW) {
        if (observation->node < o->n && !observation->view.active &&
            observation->view.view > o->asked[observation->node])
            o->asked[observation->node] = observation->view.view;
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
    double said = (double)edge->said;
    for (size_t i = 0; i < WORST; i++)
        said += (double)edge->worst[i];
    return edge->expected >= EXPECTED_MIN && said < expected * SHARE_MIN - DEVIATIONS * deviation;
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
    for (uint32_t i = 0; o->open && i < OPEN_MAX; i++)
        close_slot(o, &o->open[i]);
    for (uint32_t from = 0; from < o->n; from++) {
        for (uint32_t to = 0; to < o->n; to++) {
            struct edge *edge = edge_at(o, from, to);
            if (o->broadcast)
                moment_over(edge);
            expected += edge->expected;
            said += edge->said;
            heard += edge->heard;
            result->compared += edge->expected >= EXPECTED_MIN;
            if (is_suspicious(edge))
                name(o, now_ns, (uint16_t)from, (uint16_t)to);
        }
    }
    if (result->compared == 0) {
        tc_oracle_not_judged(result, "too few votes on every edge");
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
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_LINK_UP) | TC_OBS_BIT(TC_OBS_LINK_DOWN) |
                    TC_OBS_BIT(TC_OBS_VIEW),
    .kinds = TC_KIND_BIT(TC_KIND_VOTE) | TC_KIND_BIT(TC_KIND_PROPOSE),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
