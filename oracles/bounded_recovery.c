/* O12, bounded recovery: while at most f nodes are faulty, a client's pending request leads to a new decision within
 * the time that the protocol's timers allow. Which requests wait: waiting.h.
 *
 * The clock starts anew with every decision, when somebody becomes faulty or cut off who was not since it began, when
 * no more than f are so again, and when a request comes to an idle cluster. The bound is the protocol's own for the
 * view timer in force at that moment (so that back-off from before the healing counts), three times over against slow
 * machines, and never shorter than a client takes to ask again. Where the run itself shows how slow the machine is, by
 * the longest wait between two decisions before the attack, a quarter more, ten such waits and the time in which a
 * client asks again must do, so that a cluster that was halted is known for one within a run of ordinary length. A
 * scenario's own bound is taken as it is. A run that ends in a shorter wait holds, unless that wait is most of what
 * came since the attack began. A chain that decides unasked, and at the end has not done so for two view timers and ten
 * such waits, whoever was faulty meanwhile, is at least no chain that held. Where a message takes longer than the view
 * timer, waiting for a full link included, there is no bound: nobody sees that here, the scenario must not ask for it.
 *
 * While more than f are faulty nothing is due, nor to a client that is cut off from too many. If the run ends in a
 * standstill then, that is the breach which theory expects. One that passes (a partition that heals) is told only where
 * the scenario expects a breach: theory allows it, and a scenario that wants recovery afterwards must not trip over it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "oracles.h"
#include "waiting.h"

#define GUARD          3
#define CALM_DECISIONS 20 /* before the attack, to know the machine by */
#define CALM_WAITS     10
#define ASKS_AGAIN_NS  UINT64_C(300000000) /* a client whose leader is silent asks the others so much later */

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_waiting *waiting;
    uint64_t clock_ns;    /* when the present wait began */
    uint64_t given_up_ns; /* how long the last one had waited when its client gave up: the next begins with that */
    uint64_t bound_ns;    /* for it */
    uint64_t own_ns;      /* the protocol's, without what is added for the machine */
    uint64_t calm_ns;     /* the longest wait between two decisions before the attack */
    uint64_t decided_sequence, decisions, calm_decisions, last_decision_ns;
    uint64_t timeout_ns[TC_REPLICAS_MAX];
    struct tc_nodeset liveness;
    struct tc_nodeset excused; /* was faulty since the clock began: whoever turns faulty again is no news */
    uint64_t attack_ns, first_after_attack_ns;
    uint64_t longest_ns;             /* longest wait that was judged */
    uint64_t gap_ns, longest_gap_ns; /* without a decision while requests waited, judged or not: since, and at most */
    uint64_t seen_ns, unjudged_ns;   /* accounted up to; time with more than f faulty since the attack began */
    uint64_t cut_off_ns;             /* and time in which only clients that are cut off waited */
    uint64_t within_ns;              /* since when no more than f are faulty at once */
    uint64_t restless_ns;            /* longest wait of those, where it passed thrice the protocol's own bound */
    uint64_t beyond_ns;              /* when more than f became faulty */
    uint64_t longest_unjudged_ns;    /* longest wait of which more than f were faulty, as far as they were */
    uint64_t judged_decisions;       /* since the attack began, with at most f faulty */
    uint64_t end_ns;
    bool beyond; /* more than f are faulty or cut off, as of the last observation */
    bool reported, ended, standstill, cut_short;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->attack_ns = o->first_after_attack_ns = TC_NEVER_NS;
    o->waiting = tc_waiting_new(env);
    return o->waiting != NULL;
}

static void release(struct tc_oracle *o)
{
    tc_waiting_free(o->waiting);
}

/* Are no more replicas in it than the cluster bears? */
static bool is_borne(const struct tc_oracle *o, const struct tc_nodeset *set)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < o->env->protocol_env.cluster->n; i++)
        count += tc_nodeset_has(set, i);
    return count <= tc_protocol_bearable(o->env->protocol_env.cluster);
}

static bool is_judged(const struct tc_oracle *o)
{
    return is_borne(o, &o->env->faults->liveness);
}

/* Half of what we go by is on the wire, and some of the wire is hidden from us. */
static bool is_blind(const struct tc_oracle *o)
{
    return (!o->env->all_executions || !o->env->has_client_history) &&
           (!o->env->has_messages || !o->env->links_complete);
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

static uint64_t own_now(const struct tc_oracle *o)
{
    if (o->env->recovery_bound_ns)
        return o->env->recovery_bound_ns / GUARD;
    return o->env->protocol->recovery_bound_ns(o->env->protocol_env.cluster, timeout_now(o));
}

static uint64_t bound_now(const struct tc_oracle *o)
{
    if (o->env->recovery_bound_ns)
        return o->env->recovery_bound_ns;
    const uint64_t own = own_now(o);
    if (own > (TC_NEVER_NS - 1) / GUARD)
        return TC_NEVER_NS - 1;
    const bool known = o->attack_ns != TC_NEVER_NS && o->calm_decisions >= CALM_DECISIONS;
    const uint64_t asked = own + own / 4 + ASKS_AGAIN_NS, tight = asked + CALM_WAITS * o->calm_ns;
    const uint64_t most = own * GUARD > asked ? own * GUARD : asked;
    return known && o->calm_ns < own / CALM_WAITS && tight < most ? tight : most;
}

static void restart_clock(struct tc_oracle *o, uint64_t now_ns)
{
    o->clock_ns = now_ns;
    o->bound_ns = bound_now(o);
    o->own_ns = own_now(o);
    o->excused = o->env->faults->liveness;
    o->given_up_ns = 0;
    o->reported = false;
}

/* Somebody waits again, or nobody does any more. `before`: how many waited before this. */
static void waiting_changed(struct tc_oracle *o, uint64_t before, uint64_t now_ns, bool gave_up)
{
    uint64_t after = tc_waiting_count(o->waiting);
    if (before > 0 && after == 0) {
        o->given_up_ns = gave_up && now_ns > o->clock_ns ? now_ns - o->clock_ns : 0;
    } else if (before == 0 && after > 0) {
        uint64_t had_ns = o->given_up_ns;
        bool reported = o->reported;
        restart_clock(o, now_ns);
        o->gap_ns = o->clock_ns = now_ns - had_ns;
        o->reported = had_ns > 0 && reported; /* still the same wait */
    }
}

static void breach(struct tc_oracle *o, uint64_t now_ns, bool standstill)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_bounded_recovery, now_ns);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "no decision for ");
    tc_text_duration(&t, now_ns - o->clock_ns);
    uint64_t waiting = tc_waiting_count(o->waiting);
    tc_text_add(&t, " while %" PRIu64 " request%s wait%s", waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "");
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

/* No decision though never more than f were faulty at once: somebody else every time, so that no wait was judged. */
static void account_restless(struct tc_oracle *o, uint64_t now_ns)
{
    const uint64_t since_ns = o->gap_ns > o->within_ns ? o->gap_ns : o->within_ns;
    const uint64_t bound_ns = o->own_ns < TC_NEVER_NS / GUARD ? o->own_ns * GUARD : TC_NEVER_NS;
    const uint64_t waited_ns = now_ns > since_ns ? now_ns - since_ns : 0;
    if (!o->beyond && tc_waiting_count(o->waiting) > 0 && bound_ns > 0 && waited_ns > bound_ns &&
        waited_ns > o->restless_ns)
        o->restless_ns = waited_ns;
}

/* Keeps the books of time, by the faults as they stood up to now. */
static void account(struct tc_oracle *o, uint64_t now_ns)
{
    if (tc_waiting_count(o->waiting) > 0 && now_ns > o->gap_ns && now_ns - o->gap_ns > o->longest_gap_ns)
        o->longest_gap_ns = now_ns - o->gap_ns;
    account_restless(o, now_ns);
    if (tc_waiting_count(o->waiting) == 0 && tc_waiting_excused(o->waiting) > 0 && !o->beyond &&
        o->attack_ns != TC_NEVER_NS && now_ns > o->seen_ns)
        o->cut_off_ns += now_ns - o->seen_ns;
    if (o->beyond && o->attack_ns != TC_NEVER_NS && now_ns > o->seen_ns) {
        o->unjudged_ns += now_ns - o->seen_ns;
        uint64_t since_ns = o->gap_ns > o->beyond_ns ? o->gap_ns : o->beyond_ns;
        if (tc_waiting_count(o->waiting) > 0 && now_ns > since_ns && now_ns - since_ns > o->longest_unjudged_ns)
            o->longest_unjudged_ns = now_ns - since_ns;
    }
    o->seen_ns = now_ns;
    bool beyond = !is_judged(o);
    if (beyond && !o->beyond)
        o->beyond_ns = now_ns;
    if (!beyond && o->beyond)
        o->within_ns = now_ns;
    o->beyond = beyond;
}

/* Looks at the clock before anything that happens at `now_ns` is taken in. */
static void check(struct tc_oracle *o, uint64_t now_ns)
{
    if (tc_waiting_count(o->waiting) == 0 || o->ended || now_ns < o->clock_ns || is_blind(o))
        return;
    uint64_t waited = now_ns - o->clock_ns;
    if (!is_judged(o)) {
        if (o->env->tell_standstill && !o->reported && waited > o->own_ns) {
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

static void client_line(struct tc_oracle *o, const struct tc_observation *observation)
{
    uint64_t before = tc_waiting_count(o->waiting);
    bool begins = observation->kind == TC_OBS_REQUESTED;
    if (begins)
        tc_waiting_begun(o->waiting, observation->node, observation->client.timestamp);
    else
        tc_waiting_answered(o->waiting, observation->node, observation->client.timestamp);
    waiting_changed(o, before, observation->time_ns, !begins && !observation->client.ok);
}

static void decided(struct tc_oracle *o, uint64_t sequence, uint64_t now_ns)
{
    if (sequence <= o->decided_sequence)
        return;
    o->decided_sequence = sequence;
    if (o->attack_ns == TC_NEVER_NS && o->decisions > 0 && now_ns > o->gap_ns && now_ns - o->gap_ns > o->calm_ns)
        o->calm_ns = now_ns - o->gap_ns;
    o->decisions++;
    o->calm_decisions += o->attack_ns == TC_NEVER_NS;
    o->last_decision_ns = now_ns;
    if (o->attack_ns != TC_NEVER_NS && o->first_after_attack_ns == TC_NEVER_NS)
        o->first_after_attack_ns = now_ns;
    o->judged_decisions += o->attack_ns != TC_NEVER_NS && is_judged(o);
    o->gap_ns = now_ns;
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
    uint64_t before = tc_waiting_count(o->waiting);
    tc_waiting_executed(o->waiting, observation);
    waiting_changed(o, before, observation->time_ns, false);
}

/* Where replicas do not all tell what they execute, a quorum of the last votes is a decision too. */
static void quorums(struct tc_oracle *o, uint64_t now_ns)
{
    if (o->env->all_executions)
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

static void message(struct tc_oracle *o, const struct tc_observation *observation)
{
    quorums(o, observation->time_ns);
    if (o->env->has_client_history)
        return;
    uint64_t before = tc_waiting_count(o->waiting);
    tc_waiting_message(o->waiting, observation);
    waiting_changed(o, before, observation->time_ns, false);
}

/* The clock begins anew when somebody turns faulty who was sound since it began, and when there are few enough again.
 * It does not when a faulty one comes back, or goes once more: the others were never disturbed. */
static bool is_news(const struct tc_oracle *o, const struct tc_nodeset *liveness)
{
    return !is_borne(o, &o->excused) || !tc_nodeset_subset(liveness, &o->excused);
}

static void faults_changed(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_nodeset *now = &observation->faults.liveness;
    if (tc_nodeset_equal(&o->liveness, now))
        return;
    o->liveness = *now;
    if (is_news(o, now)) {
        struct tc_nodeset all = o->excused;
        tc_nodeset_union(&all, now);
        restart_clock(o, observation->time_ns);
        if (is_borne(o, &all))
            o->excused = all;
    }
    uint64_t before = tc_waiting_count(o->waiting);
    tc_waiting_weigh(o->waiting);
    waiting_changed(o, before, observation->time_ns, false);
}

/* A faulty one that starts anew disturbs nobody. */
static void started(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (!is_borne(o, &o->excused) || !tc_nodeset_has(&o->excused, observation->node))
        restart_clock(o, observation->time_ns);
}

static bool has_stopped(const struct tc_oracle *o, uint64_t now_ns)
{
    const uint64_t waited_ns = now_ns > o->gap_ns ? now_ns - o->gap_ns : 0;
    return o->env->protocol->decides_always && o->attack_ns != TC_NEVER_NS && o->calm_decisions > 1 &&
           waited_ns > 2 * timeout_now(o) && waited_ns / CALM_WAITS > o->calm_ns;
}

/* Was most of what came since the attack began this one wait, whatever the protocol's bound? Then nothing was shown. */
static bool is_most_of_it(const struct tc_oracle *o, uint64_t now_ns)
{
    const uint64_t since_ns = o->clock_ns > o->attack_ns ? o->clock_ns : o->attack_ns;
    return o->attack_ns != TC_NEVER_NS && now_ns > o->attack_ns && now_ns - since_ns > (now_ns - o->attack_ns) / 2;
}

/* The run's end, before its nodes are stopped: does anybody still wait? */
static void conclude(struct tc_oracle *o, uint64_t now_ns)
{
    if (o->ended)
        return;
    account(o, now_ns);
    check(o, now_ns);
    o->ended = true;
    o->end_ns = now_ns;
    if (tc_waiting_count(o->waiting) == 0 || now_ns <= o->clock_ns || is_blind(o))
        return;
    uint64_t waited = now_ns - o->clock_ns;
    if (!is_judged(o) && !o->reported && waited >= 2 * o->env->protocol_env.cluster->view_timeout_ns) {
        o->standstill = true;
        breach(o, now_ns, true);
    }
    const bool is_long = waited > timeout_now(o) && waited > o->own_ns;
    o->cut_short = is_judged(o) && !o->reported && (is_long || is_most_of_it(o, now_ns) || has_stopped(o, now_ns));
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    uint64_t now_ns = observation->time_ns;
    if (o->ended)
        return;
    account(o, now_ns);
    if (observation->kind != TC_OBS_FAULTS) /* the judge has taken in the new faults already: they bind from here */
        check(o, now_ns);
    switch (observation->kind) {
    case TC_OBS_MESSAGE:
        message(o, observation);
        break;
    case TC_OBS_EXECUTED:
        executed(o, observation);
        break;
    case TC_OBS_VIEW:
        if (observation->node < TC_REPLICAS_MAX && observation->view.timeout_ns)
            o->timeout_ns[observation->node] = observation->view.timeout_ns;
        break;
    case TC_OBS_REQUESTED:
    case TC_OBS_REPLIED:
        client_line(o, observation);
        break;
    case TC_OBS_NODE_UP:
        started(o, observation);
        break;
    case TC_OBS_FAULTS:
        faults_changed(o, observation);
        break;
    case TC_OBS_PHASE:
        if (observation->phase.phase == TC_RUN_DURING && o->attack_ns == TC_NEVER_NS) {
            o->attack_ns = now_ns;
            o->bound_ns = bound_now(o); /* the machine is known now */
        }
        if (observation->phase.phase == TC_RUN_ENDED)
            conclude(o, now_ns);
        break;
    default:
        break;
    }
}

static void say_result(const struct tc_oracle *o, struct tc_text *t)
{
    tc_text_add(t, "longest time without a decision while requests waited ");
    tc_text_duration(t, o->longest_gap_ns);
    tc_text_add(t, ", longest wait judged ");
    tc_text_duration(t, o->longest_ns);
    tc_text_add(t, " (bound ");
    tc_text_duration(t, bound_now(o));
    tc_text_add(t, ")");
    if (o->first_after_attack_ns != TC_NEVER_NS) {
        tc_text_add(t, ", first decision ");
        tc_text_duration(t, o->first_after_attack_ns - o->attack_ns);
        tc_text_add(t, " after the attack began");
    }
    if (o->unjudged_ns > 0) {
        tc_text_add(t, "; ");
        tc_text_duration(t, o->unjudged_ns);
        tc_text_add(t, " not judged: more than f faulty or cut off");
    }
    if (o->longest_unjudged_ns > 0) {
        tc_text_add(t, ", longest wait then ");
        tc_text_duration(t, o->longest_unjudged_ns);
    }
    if (o->cut_off_ns > 0) {
        tc_text_add(t, "; ");
        tc_text_duration(t, o->cut_off_ns);
        tc_text_add(t, " not judged: whoever waited was cut off from the replicas");
    }
}

/* What is missing to judge by, or NULL. */
static const char *missing(const struct tc_oracle *o)
{
    if (!o->env->has_client_history && !o->env->has_messages)
        return "what clients wait for is not known";
    if (!o->env->has_executions && !o->env->has_messages)
        return "decisions are not seen";
    if (!o->env->has_client_history && !tc_waiting_any(o->waiting))
        return "no client's history is known, and no request was seen on the wire";
    return is_blind(o) ? "traffic bypasses the proxy" : NULL;
}

/* Was for most of the time since the attack began nothing to be asked of the cluster, and either nothing judged beside
 * that or a wait then longer than the protocol's own bound? */
static bool is_mostly_unjudged(const struct tc_oracle *o)
{
    return o->attack_ns != TC_NEVER_NS && o->unjudged_ns + o->cut_off_ns > (o->end_ns - o->attack_ns) / 2 &&
           (o->judged_decisions == 0 || o->longest_unjudged_ns > own_now(o));
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    result->status = TC_HOLDS;
    result->compared = o->decisions;
    snprintf(result->unit, sizeof result->unit, "decisions");
    const char *reason = missing(o);
    if (reason) {
        tc_oracle_not_judged(result, reason);
        return;
    }
    conclude(o, now_ns);
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (o->standstill) {
        tc_text_add(&t, "stood still with more than f faulty; ");
    } else if (!tc_waiting_any(o->waiting)) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "no client asked for anything; ");
    } else if (o->restless_ns > 0) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "no decision for ");
        tc_text_duration(&t, o->restless_ns);
        tc_text_add(&t, " with at most f faulty at once, but who was faulty changed too often to judge it; ");
    } else if (o->cut_short) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "the run ended in the middle of a long wait; ");
    } else if (is_mostly_unjudged(o)) {
        result->status = TC_NOT_JUDGED;
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
    .kinds = TC_WANT_QUORUM | TC_KIND_BIT(TC_KIND_REQUEST) | TC_KIND_BIT(TC_KIND_REPLY),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
