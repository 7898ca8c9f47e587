/* O6, view monotonicity: on one connection, what a correct replica signs afresh names views that never decrease, type
 * by type, in the order in which the replica said it.
 *
 * No breach: saying again what it said before (retransmission, also to somebody else), helping with sequence numbers it
 * has executed already, and anything after the process or the connection started anew. Across connections the order is
 * unknowable and nothing is compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracles.h"

#define TYPES_MAX  32
#define ROUND_BITS 20
#define ROUND_MAX  ((UINT64_C(1) << ROUND_BITS) - 1)
#define JUDGED_KINDS                                                                                                   \
    (TC_KIND_BIT(TC_KIND_PROPOSE) | TC_KIND_BIT(TC_KIND_VOTE) | TC_KIND_BIT(TC_KIND_NEW_VIEW) |                        \
     TC_KIND_BIT(TC_KIND_VIEW_CHANGE))

/* The furthest place named on a link, for every type of message. */
struct floor {
    uint32_t conn;
    uint64_t places[TYPES_MAX]; /* place + 1; 0 none */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t n;
    struct floor *floors; /* [from][to], clients apart */
    uint64_t executed[TC_REPLICAS_MAX];
    uint64_t compared;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->n = env->protocol_env.cluster->n;
    o->floors = calloc((size_t)o->n * o->n, sizeof *o->floors);
    return o->floors != NULL;
}

static void release(struct tc_oracle *o)
{
    free(o->floors);
}

static void reset_node(struct tc_oracle *o, uint16_t node)
{
    for (uint32_t to = 0; node < o->n && to < o->n; to++)
        o->floors[(size_t)node * o->n + to] = (struct floor){0};
}

/* Did its signer say this before? The store marked it as spoken just now if it did not. */
static bool said_before(const struct tc_oracle *o, const struct tc_statement *s)
{
    if (tc_votes_column(o->env->votes, s) == TC_NO_COLUMN)
        return false;
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    for (size_t i = 0; i < count; i++)
        if (votes[i].statement == 0 && (votes[i].flags & TC_VOTE_SPOKEN))
            return false;
    return true;
}

static void breach(struct tc_oracle *o, const struct tc_observation *observation, uint64_t floor_place)
{
    const struct tc_message *m = observation->message.message;
    const struct tc_statement *s = &m->statements[0];
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_view_monotonicity, observation->time_ns);
    tc_nodeset_add(&f.suspects, m->from);
    tc_finding_place(&f, s);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, m->from);
    if (o->env->protocol->views_restart)
        tc_text_add(&t, " said a %s for sequence %" PRIu64 ", view %" PRIu64 " after one for %" PRIu64 ", %" PRIu64,
                    m->type, s->sequence, s->view, floor_place >> ROUND_BITS, floor_place & ROUND_MAX);
    else
        tc_text_add(&t, " said a %s for view %" PRIu64 " after one for view %" PRIu64, m->type, s->view, floor_place);
    tc_text_add(&t, ", on one connection to ");
    tc_text_who(&t, m->to);
    bool valid = s->signature.len > 0 && tc_votes_check(o->env->votes, s) == 0;
    t = tc_finding_message(&f, observation->time_ns, m->from, m->to, s->signer, m->frame, valid);
    tc_finding_describe(&t, o->env, s, m->type);
    o->env->report(o->env->judge, &f);
}

/* What must not decrease: the view, or the sequence number and then the view where views begin anew with each. */
static uint64_t place_of(const struct tc_oracle *o, const struct tc_statement *s)
{
    if (!o->env->protocol->views_restart || !s->has_sequence)
        return s->view;
    return s->sequence << ROUND_BITS | (s->view < ROUND_MAX ? s->view : ROUND_MAX);
}

static void observe_message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (!observation->message.said || m->statement_count == 0 || m->from >= o->n || m->to >= o->n)
        return;
    const struct tc_statement *s = &m->statements[0];
    if (!(TC_KIND_BIT(s->kind) & JUDGED_KINDS) || !s->has_view || s->signer != m->from || s->type >= TYPES_MAX)
        return;
    struct floor *floor = &o->floors[(size_t)m->from * o->n + m->to];
    if (floor->conn != m->conn)
        *floor = (struct floor){.conn = m->conn};
    o->compared++;
    const uint64_t place = place_of(o, s);
    if (place + 1 >= floor->places[s->type]) {
        floor->places[s->type] = place + 1;
        return;
    }
    bool is_old = s->has_sequence && s->sequence <= o->executed[m->from];
    if (m->occurrence == 0 && !is_old && tc_oracle_judges(o->env, m->from) && !said_before(o, s))
        breach(o, observation, floor->places[s->type] - 1);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    switch (observation->kind) {
    case TC_OBS_MESSAGE:
        observe_message(o, observation);
        break;
    case TC_OBS_EXECUTED:
        if (observation->node < o->n && observation->executed.sequence > o->executed[observation->node])
            o->executed[observation->node] = observation->executed.sequence;
        break;
    default: /* a process or a connection starts or ends */
        reset_node(o, observation->node);
        break;
    }
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->compared;
    snprintf(result->unit, sizeof result->unit, "messages");
    if (!o->env->has_messages) {
        tc_oracle_not_judged(result, "messages are not seen");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->compared);
    tc_text_add(&t, " messages that name a view");
}

const struct tc_oracle_class tc_oracle_view_monotonicity = {
    .name = "view-monotonicity",
    .summary = "on one connection the views that a correct replica signs for never decrease",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_NODE_UP) |
                    TC_OBS_BIT(TC_OBS_NODE_EXIT) | TC_OBS_BIT(TC_OBS_LINK_UP) | TC_OBS_BIT(TC_OBS_LINK_DOWN),
    .kinds = JUDGED_KINDS,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
