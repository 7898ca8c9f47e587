/* O11, durability: what was done before a crash still holds after it.
 *
 *  - A replica's log before a restart is a prefix of its log after it. Execution lines are printed when they are
 *    durable; a sequence number that is executed anew (not replayed, not transferred) after a restart was forgotten.
 *    Other contents at an old place are agreement's business and not told twice.
 *  - An operation whose result a client accepted was executed by a correct replica (f+1 said the same), and one of them
 *    still holds it at the end.
 *  - Who asked for a view before a restart votes in no earlier one after it. A second value for one slot is
 *    equivocation and not told twice.
 *
 * No false alarm: a replica whose disk was wiped is in F_s; a state transfer may jump; a life that printed nothing yet
 * has forgotten nothing; votes count as said after the restart only on links that came up since, and only if they were
 * never said before, are of sequence numbers not executed yet, and are for proposals that it had not heard before: what
 * it voted for may have been lost on its way to us, and be said again. Acknowledgements are judged only where every
 * correct replica prints its executions. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracles.h"

#define CLIENTS_MAX (TC_NODES_MAX - TC_CLIENT_FIRST)

#define HEARD_MAX 64 /* proposals of each replica's that are kept: the newest */

struct heard {
    uint64_t view;
    uint8_t value[8]; /* its first bytes */
    uint32_t incarnation;
};

/* A replica over its lives. */
struct replica {
    uint64_t end, end_before;     /* last sequence number of its log in this life, and in all earlier ones */
    uint64_t stable;              /* last stable checkpoint of this life; what it covers may never have been executed */
    uint64_t asked, asked_before; /* highest view asked for, likewise */
    uint64_t end_ns;              /* when end_before was executed */
    uint32_t incarnation;
    bool told, printed;            /* it printed something in this life; in any */
    bool breached;                 /* in this life */
    struct tc_nodeset linked;      /* to whom a connection came up in this life */
    struct heard heard[HEARD_MAX]; /* a ring; of this life and earlier ones */
    uint32_t heard_next;
};

/* A client's operations come one after another. */
struct client {
    uint64_t executed, sequence; /* timestamp of its last operation that a correct replica executed, and where */
    uint64_t open, open_ns;      /* timestamp of one that was acknowledged and is in no log yet; 0 none */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t n;
    struct replica *replicas; /* [n] */
    struct client clients[CLIENTS_MAX];
    uint64_t restarts, acknowledged, lines;
    uint64_t last_sequence, last_timestamp; /* the acknowledged operation that lies highest */
    uint16_t last_client;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->n = env->protocol_env.cluster->n;
    o->replicas = calloc(o->n, sizeof *o->replicas);
    return o->replicas != NULL;
}

static void release(struct tc_oracle *o)
{
    free(o->replicas);
}

/* ---- logs ---- */

static void breach_forgot(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct replica *r = &o->replicas[observation->node];
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_durability, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    f.has_view = f.has_sequence = true;
    f.view = observation->executed.view;
    f.sequence = observation->executed.sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " executed sequence ");
    tc_text_number(&t, observation->executed.sequence);
    tc_text_add(&t, " anew after its restart: before, its log went to sequence ");
    tc_text_number(&t, r->end_before);
    t = tc_finding_fact(&f, r->end_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64 ", an earlier life", r->end_before);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64 ", incarnation %" PRIu32, observation->executed.sequence,
                observation->incarnation);
    r->breached = true;
    o->env->report(o->env->judge, &f);
}

static void log_reaches(struct replica *r, uint64_t sequence, uint64_t now_ns)
{
    r->told = r->printed = true;
    if (sequence <= r->end)
        return;
    r->end = sequence;
    if (r->end > r->end_before)
        r->end_ns = now_ns;
}

static void executed(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct replica *r = &o->replicas[observation->node];
    const uint64_t sequence = observation->executed.sequence;
    if (observation->executed.origin == TC_EXEC_TENTATIVE)
        return;
    o->lines++;
    const bool anew = observation->executed.origin == TC_EXEC_EXECUTED && sequence <= r->end_before;
    if (anew && !r->breached && tc_oracle_judges(o->env, observation->node))
        breach_forgot(o, observation);
    log_reaches(r, sequence, observation->time_ns);
    if (!tc_oracle_judges(o->env, observation->node))
        return;
    for (uint32_t i = 0; i < observation->executed.operation_count; i++) {
        const struct tc_operation *op = &observation->executed.operations[i];
        if (op->client < TC_CLIENT_FIRST || op->client >= TC_NODES_MAX)
            continue;
        struct client *client = &o->clients[op->client - TC_CLIENT_FIRST];
        if (op->timestamp > client->executed) {
            client->executed = op->timestamp;
            client->sequence = sequence;
        }
        if (client->open && op->timestamp >= client->open)
            client->open = 0;
    }
}

/* A process started: what its earlier lives did is what it must know. */
static void began(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct replica *r = &o->replicas[observation->node];
    if (observation->incarnation != 0 && observation->incarnation == r->incarnation)
        return; /* told by its process and by itself */
    if (r->end > r->end_before)
        r->end_before = r->end;
    if (r->asked > r->asked_before)
        r->asked_before = r->asked;
    o->restarts += r->incarnation != 0 || r->told;
    r->end = r->stable = r->asked = 0;
    r->incarnation = observation->incarnation ? observation->incarnation : 1;
    r->told = r->breached = false;
    r->linked = (struct tc_nodeset){0};
}

/* ---- acknowledgements ---- */

static void replied(struct tc_oracle *o, const struct tc_observation *observation)
{
    const uint16_t node = observation->node;
    if (node < TC_CLIENT_FIRST || node >= TC_NODES_MAX || !observation->client.ok ||
        tc_nodeset_has(&o->env->faults->signed_for, node))
        return;
    struct client *client = &o->clients[node - TC_CLIENT_FIRST];
    o->acknowledged++;
    if (client->executed < observation->client.timestamp) { /* its line may still be on its way to us */
        client->open = observation->client.timestamp;
        client->open_ns = observation->time_ns;
    } else if (client->executed == observation->client.timestamp && client->sequence > o->last_sequence) {
        o->last_sequence = client->sequence;
        o->last_timestamp = client->executed;
        o->last_client = node;
    }
}

static bool everybody_prints(const struct tc_oracle *o)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (!o->replicas[i].printed && tc_oracle_judges(o->env, i) && !tc_nodeset_has(&o->env->faults->down, i))
            return false;
    return true;
}

static void breach_acknowledged(struct tc_oracle *o, uint64_t now_ns, uint16_t client, uint64_t timestamp,
                                uint64_t sequence)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_durability, now_ns);
    f.has_sequence = sequence != 0;
    f.sequence = sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, client);
    tc_text_add(&t, " accepted the result of its request %" PRIu64, timestamp);
    if (sequence) {
        tc_text_add(&t, ", and no correct replica's log reaches to sequence ");
        tc_text_number(&t, sequence);
        tc_text_add(&t, " any more, where it was executed");
    } else {
        tc_text_add(&t, ", and no correct replica ever executed it");
    }
    t = tc_finding_fact(&f, now_ns, client);
    tc_text_add(&t, "accepted by f+1 equal replies");
    o->env->report(o->env->judge, &f);
}

/* Has every correct replica that went so far come back with less? */
static bool is_lost(const struct tc_oracle *o, uint64_t sequence)
{
    bool lost = false;
    for (uint32_t i = 0; i < o->n; i++) {
        const struct replica *r = &o->replicas[i];
        if (!tc_oracle_judges(o->env, i) || (r->end < sequence && r->end_before < sequence))
            continue;
        if (r->end >= sequence || r->stable >= sequence || !r->told)
            return false;
        lost = true;
    }
    return lost;
}

static void judge_acknowledged(struct tc_oracle *o, uint64_t now_ns)
{
    for (uint16_t i = 0; i < CLIENTS_MAX; i++)
        if (o->clients[i].open && !tc_nodeset_has(&o->env->faults->signed_for, TC_CLIENT_FIRST + i))
            breach_acknowledged(o, o->clients[i].open_ns, (uint16_t)(TC_CLIENT_FIRST + i), o->clients[i].open, 0);
    if (o->last_sequence && is_lost(o, o->last_sequence))
        breach_acknowledged(o, now_ns, o->last_client, o->last_timestamp, o->last_sequence);
}

/* ---- promises ---- */

static void breach_promise(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    const struct tc_statement *s = &m->statements[0];
    struct replica *r = &o->replicas[m->from];
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_durability, observation->time_ns);
    tc_nodeset_add(&f.suspects, m->from);
    tc_finding_place(&f, s);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, m->from);
    tc_text_add(&t, " said a %s for view %" PRIu64 " after its restart: before, it had asked for view %" PRIu64,
                m->type, s->view, r->asked_before);
    const bool valid = s->signature.len > 0 && tc_votes_check(o->env->votes, s) == 0;
    t = tc_finding_message(&f, observation->time_ns, m->from, m->to, s->signer, m->frame, valid);
    tc_finding_describe(&t, o->env, s, m->type);
    r->breached = true;
    o->env->report(o->env->judge, &f);
}

static bool said_first(const struct tc_oracle *o)
{
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    return count > 0 && votes[0].statement == 0 && (votes[0].flags & TC_VOTE_SPOKEN);
}

static void hears(struct tc_oracle *o, uint16_t node, const struct tc_statement *s)
{
    struct replica *r = &o->replicas[node];
    struct heard *at = &r->heard[r->heard_next++ % HEARD_MAX];
    at->view = s->view;
    at->incarnation = r->incarnation;
    memcpy(at->value, s->value.bytes, sizeof at->value);
}

/* Did an earlier life hear the proposal that this vote is for, so that it may have voted for it? */
static bool knew_before(const struct replica *r, const struct tc_statement *vote)
{
    const uint32_t count = r->heard_next < HEARD_MAX ? r->heard_next : HEARD_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct heard *at = &r->heard[i];
        if (at->view == vote->view && at->incarnation != r->incarnation &&
            memcmp(at->value, vote->value.bytes, sizeof at->value) == 0)
            return true;
    }
    return false;
}

static void message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (m->statement_count > 0 && m->statements[0].kind == TC_KIND_PROPOSE) {
        if (observation->message.heard && m->to < o->n)
            hears(o, m->to, &m->statements[0]);
        if (observation->message.said && m->from < o->n) /* who leads knows its own */
            hears(o, m->from, &m->statements[0]);
        return;
    }
    if (!observation->message.said || m->statement_count == 0 || m->touched || m->from >= o->n)
        return;
    const struct tc_statement *s = &m->statements[0];
    struct replica *r = &o->replicas[m->from];
    if (s->signer != m->from || !s->has_view)
        return;
    if (s->kind == TC_KIND_VIEW_CHANGE) {
        /* bytes of an earlier life that are read late belong to it, and lower nothing */
        r->asked = s->view > r->asked ? s->view : r->asked;
        return;
    }
    if (s->kind != TC_KIND_VOTE || s->view >= r->asked_before || r->breached || m->to >= o->n ||
        !tc_nodeset_has(&r->linked, m->to) || !tc_oracle_judges(o->env, m->from))
        return;
    const uint64_t done = r->end > r->end_before ? r->end : r->end_before;
    if ((!s->has_sequence || s->sequence > done) && !knew_before(r, s) && said_first(o))
        breach_promise(o, observation);
}

/* ---- the oracle ---- */

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_MESSAGE)
        message(o, observation);
    else if (observation->kind == TC_OBS_REPLIED)
        replied(o, observation);
    else if (observation->node >= o->n)
        return;
    else if (observation->kind == TC_OBS_EXECUTED)
        executed(o, observation);
    else if (observation->kind == TC_OBS_STABLE)
        o->replicas[observation->node].stable = observation->stable.sequence;
    else if (observation->kind == TC_OBS_NODE_UP)
        began(o, observation);
    else if (observation->kind == TC_OBS_LINK_UP && observation->peer < o->n)
        tc_nodeset_add(&o->replicas[observation->node].linked, observation->peer);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    result->status = TC_HOLDS;
    result->compared = o->lines;
    snprintf(result->unit, sizeof result->unit, "executions");
    if (!o->env->has_executions) {
        tc_oracle_not_judged(result, "no replica prints what it executes");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->restarts);
    tc_text_add(&t, " restart%s, ", o->restarts == 1 ? "" : "s");
    tc_text_number(&t, o->acknowledged);
    tc_text_add(&t, " acknowledged operation%s", o->acknowledged == 1 ? "" : "s");
    if (o->acknowledged > 0 && everybody_prints(o))
        judge_acknowledged(o, now_ns);
    else if (o->acknowledged > 0)
        tc_text_add(&t, " (not judged: not every replica prints what it executes)");
}

const struct tc_oracle_class tc_oracle_durability = {
    .name = "durability",
    .summary = "what was executed, acknowledged or promised before a crash still holds after it",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_STABLE) |
                    TC_OBS_BIT(TC_OBS_REPLIED) | TC_OBS_BIT(TC_OBS_NODE_UP) | TC_OBS_BIT(TC_OBS_LINK_UP),
    .kinds = TC_KIND_BIT(TC_KIND_PROPOSE) | TC_KIND_BIT(TC_KIND_VOTE) | TC_KIND_BIT(TC_KIND_VIEW_CHANGE),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
