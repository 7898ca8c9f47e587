/* O12, bounded recovery: while at most f nodes are faulty, a client's pending request leads to a new decision within
 * the time that the protocol's timers allow.
 *
 * The clock starts anew with every decision, with every change of who is faulty or cut off, and when a request comes to
 * an idle cluster. The bound is the protocol's own for the view timer in force at that moment (so that back-off from
 * before the healing counts), three times over against slow machines; a scenario's own bound is taken as it is.
 *
 * While more than f are faulty nothing is due. If the run ends in a standstill then, that is the breach which theory
 * expects. One that passes (a partition that heals) is told only where the scenario expects a breach: theory allows it,
 * and a scenario that wants recovery afterwards must not trip over it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../proxy/random.h"
#include "oracles.h"
#include "table.h"

#define GUARD   3
#define PENDING 4096

/* A client's request. It waits while it has begun, is not answered, and nobody sound has executed it. */
struct row {
    bool begun, answered, pending;
    uint64_t executors[TC_REPLICAS_MAX / 64];
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *requests;
    uint64_t pending;
    uint64_t clock_ns; /* when the present wait began */
    uint64_t bound_ns; /* for it */
    uint64_t decided_sequence, decisions, last_decision_ns;
    uint64_t timeout_ns[TC_REPLICAS_MAX];
    struct tc_nodeset liveness;
    uint64_t healed_ns;
    uint64_t attack_ns, first_after_attack_ns;
    uint64_t longest_ns; /* longest wait that was judged */
    bool reported, ended, saw_request, standstill, cut_short;
};

static void destroy(struct tc_oracle *o)
{
    tc_table_free(o->requests);
    free(o);
}

static struct tc_oracle *create(const struct tc_oracle_env *env)
{
    struct tc_oracle *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->env = env;
    o->attack_ns = o->first_after_attack_ns = TC_NEVER_NS;
    o->requests = tc_table_new(PENDING, sizeof(struct row));
    if (!o->requests) {
        free(o);
        return NULL;
    }
    return o;
}

static bool is_judged(const struct tc_oracle *o)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < o->env->protocol_env.cluster->n; i++)
        count += tc_nodeset_has(&o->env->faults->liveness, i);
    return count <= o->env->protocol_env.cluster->f;
}

/* The longest view timer in force among the replicas that run. */
static uint64_t timeout_now(const struct tc_oracle *o)
{
    uint64_t most = o->env->protocol_env.cluster->view_timeout_ns;
    for (uint32_t i = 0; i < o->env->protocol_env.cluster->n; i++)
        if (o->timeout_ns[i] > most && tc_oracle_judges(o->env, i))
            most = o->timeout_ns[i];
    return most;
}

static uint64_t bound_now(const struct tc_oracle *o)
{
    if (o->env->recovery_bound_ns)
        return o->env->recovery_bound_ns;
    uint64_t own = o->env->protocol->recovery_bound_ns(o->env->protocol_env.cluster, timeout_now(o));
    return own > (TC_NEVER_NS - 1) / GUARD ? TC_NEVER_NS - 1 : own * GUARD;
}

static void restart_clock(struct tc_oracle *o, uint64_t now_ns)
{
    o->clock_ns = now_ns;
    o->bound_ns = bound_now(o);
    o->reported = false;
}

static void breach(struct tc_oracle *o, uint64_t now_ns, bool standstill)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_bounded_recovery, now_ns);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "no decision for ");
    tc_text_duration(&t, now_ns - o->clock_ns);
    tc_text_add(&t, " while %" PRIu64 " request%s wait%s", o->pending, o->pending == 1 ? "" : "s",
                o->pending == 1 ? "s" : "");
    if (standstill) {
        tc_text_add(&t, ": the cluster stands still");
    } else {
        tc_text_add(&t, " (bound ");
        tc_text_duration(&t, o->bound_ns);
        tc_text_add(&t, ")");
    }
    t = tc_text_begin(f.because, sizeof f.because);
    tc_text_add(&t, "the last of %" PRIu64 " decisions came at ", o->decisions);
    tc_text_duration(&t, o->last_decision_ns);
    tc_text_add(&t, "; faulty or cut off: ");
    tc_text_nodes(&t, &o->env->faults->liveness);
    t = tc_finding_fact(&f, o->clock_ns, TC_NODE_NONE);
    tc_text_add(&t, "the wait began; view timer then ");
    tc_text_duration(&t, timeout_now(o));
    o->env->report(o->env->judge, &f);
}

/* Looks at the clock before anything that happens at `now_ns` is taken in. */
static void check(struct tc_oracle *o, uint64_t now_ns)
{
    if (o->pending == 0 || o->ended || now_ns < o->clock_ns)
        return;
    uint64_t waited = now_ns - o->clock_ns;
    if (!is_judged(o)) {
        if (o->env->tell_standstill && !o->reported && waited > o->bound_ns / GUARD) {
            o->reported = o->standstill = true;
            breach(o, now_ns, true);
        }
        return;
    }
    if (waited > o->longest_ns)
        o->longest_ns = waited;
    if (waited > o->bound_ns && !o->reported) {
        o->reported = true; /* once a wait */
        breach(o, now_ns, false);
    }
}

/* Does anybody who is sound now hold the request's execution? */
static bool is_executed(const struct tc_oracle *o, const struct row *row)
{
    for (size_t i = 0; i < TC_REPLICAS_MAX / 64; i++)
        if (row->executors[i] & ~o->env->faults->liveness.words[i] & ~o->env->faults->signed_for.words[i])
            return true;
    return false;
}

/* Brings the row, and the count of those that wait, up to date. */
static void settle(struct tc_oracle *o, struct row *row, uint64_t now_ns)
{
    bool pending = row->begun && !row->answered && !is_executed(o, row);
    if (pending && !row->pending && o->pending == 0)
        restart_clock(o, now_ns);
    o->pending += pending;
    o->pending -= row->pending;
    row->pending = pending;
}

/* The row of a request. One that still waits and must make way for it is given up: fewer wait than we know of. */
static struct row *request_put(struct tc_oracle *o, uint16_t client, uint64_t timestamp)
{
    bool fresh;
    const struct row *oldest = tc_table_row(o->requests, 0);
    bool waits = oldest && oldest->pending;
    uint64_t forgotten = tc_table_forgotten(o->requests);
    struct row *row = tc_table_put(o->requests, tc_random_mix(client, timestamp), &fresh);
    o->pending -= waits && tc_table_forgotten(o->requests) > forgotten;
    return row;
}

static void request_begun(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (tc_nodeset_has(&o->env->faults->signed_for, observation->node))
        return; /* nothing is due to a traitor */
    struct row *row = request_put(o, observation->node, observation->client.timestamp);
    o->saw_request = true;
    row->begun = true; /* its execution may have been told before the client's own line */
    settle(o, row, observation->time_ns);
}

static void request_answered(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct row *row = request_put(o, observation->node, observation->client.timestamp);
    row->answered = true;
    settle(o, row, observation->time_ns);
}

static void decided(struct tc_oracle *o, uint64_t sequence, uint64_t now_ns)
{
    if (sequence <= o->decided_sequence)
        return;
    o->decided_sequence = sequence;
    o->decisions++;
    o->last_decision_ns = now_ns;
    if (o->attack_ns != TC_NEVER_NS && o->first_after_attack_ns == TC_NEVER_NS)
        o->first_after_attack_ns = now_ns;
    restart_clock(o, now_ns);
}

/* What a faulty replica executes is no decision: a silent traitor hears the others' last votes and goes on alone. It
 * counts once that replica is sound again. */
static void executed(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (!tc_oracle_judges(o->env, observation->node) || observation->executed.origin != TC_EXEC_EXECUTED)
        return;
    uint16_t node = observation->node;
    if (!tc_nodeset_has(&o->env->faults->liveness, node))
        decided(o, observation->executed.sequence, observation->time_ns);
    for (uint32_t i = 0; i < observation->executed.operation_count; i++) {
        const struct tc_operation *op = &observation->executed.operations[i];
        struct row *row = request_put(o, op->client, op->timestamp);
        row->executors[node / 64] |= UINT64_C(1) << (node % 64);
        settle(o, row, observation->time_ns);
    }
}

/* Without execution lines a quorum of the last votes is the decision, and clients' requests are seen nowhere else. */
static void quorums(struct tc_oracle *o, uint64_t now_ns)
{
    if (o->env->has_executions)
        return;
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    uint8_t last = TC_NO_COLUMN;
    for (uint8_t column = 0; column < tc_votes_column_count(o->env->votes); column++)
        if (tc_votes_column_kind(o->env->votes, column) == TC_KIND_VOTE)
            last = column;
    for (size_t i = 0; i < count; i++)
        if ((votes[i].flags & TC_VOTE_QUORUM) && votes[i].column == last)
            decided(o, votes[i].slot->sequence, now_ns);
}

static void faults_changed(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_faults *faults = &observation->faults;
    if (tc_nodeset_equal(&o->liveness, &faults->liveness) && o->healed_ns == faults->healed_ns)
        return;
    o->liveness = faults->liveness;
    o->healed_ns = faults->healed_ns;
    restart_clock(o, observation->time_ns);
    struct row *row;
    for (uint32_t i = 0; (row = tc_table_row(o->requests, i)) != NULL; i++)
        settle(o, row, observation->time_ns);
}

/* The run's end, before its nodes are stopped: does anybody still wait? */
static void conclude(struct tc_oracle *o, uint64_t now_ns)
{
    if (o->ended)
        return;
    check(o, now_ns);
    o->ended = true;
    if (o->pending == 0 || now_ns <= o->clock_ns)
        return;
    uint64_t waited = now_ns - o->clock_ns;
    if (!is_judged(o) && !o->reported && waited >= 2 * o->env->protocol_env.cluster->view_timeout_ns) {
        o->standstill = true;
        breach(o, now_ns, true);
    }
    o->cut_short = is_judged(o) && !o->reported && waited > timeout_now(o) && waited > o->bound_ns / 2;
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    uint64_t now_ns = observation->time_ns;
    if (o->ended)
        return;
    if (observation->kind != TC_OBS_FAULTS) /* the judge has taken in the new faults already: they bind from here */
        check(o, now_ns);
    switch (observation->kind) {
    case TC_OBS_MESSAGE:
        quorums(o, now_ns);
        break;
    case TC_OBS_EXECUTED:
        executed(o, observation);
        break;
    case TC_OBS_VIEW:
        if (observation->node < TC_REPLICAS_MAX && observation->view.timeout_ns)
            o->timeout_ns[observation->node] = observation->view.timeout_ns;
        break;
    case TC_OBS_REQUESTED:
        request_begun(o, observation);
        break;
    case TC_OBS_REPLIED:
        request_answered(o, observation);
        break;
    case TC_OBS_NODE_UP:
        restart_clock(o, now_ns);
        break;
    case TC_OBS_FAULTS:
        faults_changed(o, observation);
        break;
    case TC_OBS_PHASE:
        if (observation->phase.phase == TC_RUN_DURING && o->attack_ns == TC_NEVER_NS)
            o->attack_ns = now_ns;
        if (observation->phase.phase == TC_RUN_ENDED)
            conclude(o, now_ns);
        break;
    default:
        break;
    }
}

static void say_result(const struct tc_oracle *o, struct tc_text *t)
{
    if (o->attack_ns != TC_NEVER_NS && o->first_after_attack_ns != TC_NEVER_NS) {
        tc_text_add(t, "first decision ");
        tc_text_duration(t, o->first_after_attack_ns - o->attack_ns);
        tc_text_add(t, " after the attack began, ");
    }
    tc_text_add(t, "longest wait ");
    tc_text_duration(t, o->longest_ns);
    tc_text_add(t, " (bound ");
    tc_text_duration(t, bound_now(o));
    tc_text_add(t, ")");
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    result->status = TC_HOLDS;
    result->compared = o->decisions;
    snprintf(result->unit, sizeof result->unit, "decisions");
    if (!o->env->has_client_history || (!o->env->has_executions && !o->env->has_messages)) {
        tc_oracle_not_judged(result, !o->env->has_client_history ? "what clients wait for is not known"
                                                                 : "decisions are not seen");
        return;
    }
    conclude(o, now_ns);
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (o->standstill) {
        tc_text_add(&t, "stood still with more than f faulty; ");
    } else if (!o->saw_request) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "no client asked for anything; ");
    } else if (o->cut_short) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "the run ended in the middle of a long wait; ");
    }
    say_result(o, &t);
}

const struct tc_oracle_class tc_oracle_bounded_recovery = {
    .name = "bounded-recovery",
    .summary = "with at most f faulty, pending requests lead to a decision within the protocol's timers",
    .property = TC_LIVENESS,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_VIEW) |
                    TC_OBS_BIT(TC_OBS_REQUESTED) | TC_OBS_BIT(TC_OBS_REPLIED) | TC_OBS_BIT(TC_OBS_NODE_UP) |
                    TC_OBS_BIT(TC_OBS_FAULTS) | TC_OBS_BIT(TC_OBS_PHASE),
    .kinds = TC_WANT_QUORUM,
    .create = create,
    .observe = observe,
    .finish = finish,
    .destroy = destroy,
};
