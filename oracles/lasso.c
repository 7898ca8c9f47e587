/* O13, lasso: the cluster goes round in circles. A request waits, every message among the sound is delivered, and yet a
 * full rotation of leaders goes by in which nothing is decided and no certificate is added: the locks, the highest
 * certificate and the phase are then what they were when the same leader led before, and nothing will ever change
 * (Decouchant et al., PRDC'23).
 *
 * A step is a view that a quorum has come to. It counts if
 *  - nobody's faults changed, and a client waited all along (what was answered waits no more);
 *  - all that the sound said to one another before the step was heard by its end, and no proposal or vote was on its
 *    way then: nothing was lost or late;
 *  - no connection between the sound that was there before is missing: what cannot be said is not seen to be lost (a
 *    partition that heals leaves them down until somebody dials again);
 *  - no proposal or vote was heard in its second half: it did not run out of time, it stood still.
 * A rotation is a row of such steps whose leaders are all n; one more certificate or decision begins it anew. Two of
 * them are a lasso.
 *
 * It may also go round like a screw: every rotation adds its certificates, and none is ever enough (three views in a
 * row are to be certified, and one leader in n is silent). Then what comes again is the distance between the view and
 * the highest certificate: three times at the return of one leader, all leaders having led between, at steps that stood
 * still. Here nothing may be heard of the faulty but silence, for a traitor that proposes can rightly hold up a
 * protocol of this kind; and nobody may be fetching what it lacks.
 *
 * No false alarm: a cluster whose timers are still too short for its network has messages on their way when a view
 * ends; a slow one hears votes to the last; a traitor's own messages count for nothing, and his silence is one leader's
 * of the rotation. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracles.h"

#define CLIENTS_MAX (TC_NODES_MAX - TC_CLIENT_FIRST)
#define ROTATIONS   2 /* after one, timers out of step may still fall into step; what comes again the same stays */
#define RETURNS     3
#define CORE        (TC_KIND_BIT(TC_KIND_PROPOSE) | TC_KIND_BIT(TC_KIND_VOTE))

/* The screw: steps that stood still, at the returns of the leader of the first of them. */
struct screw {
    bool began, fair; /* fair: the present step began after what disturbed it last */
    uint32_t leader;
    uint64_t view, certified, now_ns;               /* at the last return */
    uint64_t first_view, first_certified, first_ns; /* at the first that was like those after it */
    uint64_t pitch, certified_pitch;                /* from one return to the next */
    uint32_t returns;                               /* that were alike */
    struct tc_nodeset leaders;                      /* since it began */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t n, quorum;
    uint64_t *views;                   /* [n] the view that each replica is in or asks for */
    bool *missing;                     /* [n · n] a connection went down and none came up since; dialler first */
    uint64_t waiting_for[CLIENTS_MAX]; /* timestamp + 1; 0 nothing */
    uint32_t waiting;                  /* clients that wait and are not cut off */
    struct tc_nodeset liveness;        /* as of the last change */
    uint64_t view, began_ns;           /* the present step */
    uint64_t said, heard, said_before; /* among the sound; up to the last step's end */
    uint64_t core_said, core_heard, last_core_ns;
    uint64_t certified, decided;   /* highest view of a certificate, highest sequence number */
    uint64_t step_certified;       /* when the present step began */
    struct tc_nodeset leaders;     /* of the row's steps */
    uint64_t first_view, first_ns; /* of the row */
    uint64_t steps, longest, rotations;
    bool fair, reported, screw_reported;
    struct screw screw;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->n = env->protocol_env.cluster->n;
    o->quorum = tc_protocol_quorum(env->protocol, env->protocol_env.cluster);
    o->views = calloc(o->n, sizeof *o->views);
    o->missing = calloc((size_t)o->n * o->n, sizeof *o->missing);
    return o->views && o->missing;
}

/* Nobody is known to wait where clients' histories are not told: then nothing is ever found, and messages say nothing.
 */
static uint32_t wants(const struct tc_oracle *o)
{
    return o->env->has_client_history ? UINT32_MAX : 0;
}

static void release(struct tc_oracle *o)
{
    free(o->views);
    free(o->missing);
}

static bool is_sound(const struct tc_oracle *o, uint32_t node)
{
    return node < TC_NODES_MAX && !tc_nodeset_has(&o->env->faults->liveness, node) &&
           !tc_nodeset_has(&o->env->faults->signed_for, node);
}

/* Something went on, or was not as it must be: a new row begins. */
static void start_anew(struct tc_oracle *o)
{
    o->leaders = (struct tc_nodeset){0};
    o->steps = 0;
    o->fair = false; /* the step under way began before */
    o->reported = false;
}

/* A decision, another fault, a word of the faulty: whatever came before has nothing to do with what comes. */
static void unscrew(struct tc_oracle *o)
{
    o->screw = (struct screw){.began = false};
    o->screw_reported = false;
}

static void begin_anew(struct tc_oracle *o)
{
    start_anew(o);
    unscrew(o);
}

/* As if nothing were on its way: what is lost stays lost. */
static void settle_accounts(struct tc_oracle *o)
{
    o->said = o->heard = o->said_before = o->core_said = o->core_heard = 0;
}

/* A finding of the present view; its text is to follow. */
static struct tc_text begin_text(const struct tc_oracle *o, struct tc_finding *f, uint64_t now_ns)
{
    tc_finding_begin(f, &tc_oracle_lasso, now_ns);
    f->has_view = true;
    f->view = o->view;
    return tc_text_begin(f->text, sizeof f->text);
}

static struct tc_text begin_because(struct tc_finding *f, uint64_t first_ns)
{
    struct tc_text t = tc_text_begin(f->because, sizeof f->because);
    tc_text_add(&t, "since ");
    tc_text_duration(&t, first_ns);
    return t;
}

static void breach(struct tc_oracle *o, uint64_t now_ns)
{
    struct tc_finding f;
    struct tc_text t = begin_text(o, &f, now_ns);
    tc_text_add(&t,
                "views %" PRIu64 " to %" PRIu64 ": every replica led twice, nothing was decided and no certificate "
                "added, while %" PRIu32 " client%s waited",
                o->first_view, o->view, o->waiting, o->waiting == 1 ? "" : "s");
    t = begin_because(&f, o->first_ns);
    tc_text_add(&t,
                " all that the sound said to one another was heard, and each view stood still for half its time; "
                "the highest certificate is of view %" PRIu64 ", the last decision sequence ",
                o->certified);
    tc_text_number(&t, o->decided);
    t = tc_finding_fact(&f, o->first_ns, TC_NODE_NONE);
    tc_text_add(&t, "the rotation began with view %" PRIu64, o->first_view);
    o->reported = true;
    o->env->report(o->env->judge, &f);
}

static void breach_screw(struct tc_oracle *o, uint64_t now_ns)
{
    const struct screw *w = &o->screw;
    struct tc_finding f;
    struct tc_text t = begin_text(o, &f, now_ns);
    tc_text_add(&t,
                "views %" PRIu64 " to %" PRIu64 ": the same comes again every %" PRIu64
                " views, certificates that are never enough, and nothing was decided while %" PRIu32 " client%s waited",
                w->first_view, o->view, w->pitch, o->waiting, o->waiting == 1 ? "" : "s");
    t = begin_because(&f, w->first_ns);
    tc_text_add(&t,
                " all that the sound said to one another was heard and the faulty were silent; the highest certificate "
                "went from view %" PRIu64 " to %" PRIu64 ", the last decision is sequence ",
                w->first_certified, o->certified);
    tc_text_number(&t, o->decided);
    t = tc_finding_fact(&f, w->first_ns, TC_NODE_NONE);
    tc_text_add(&t, "the first such round began with view %" PRIu64, w->first_view);
    o->screw_reported = true;
    o->env->report(o->env->judge, &f);
}

static bool beyond(const struct tc_oracle *o)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < o->n; i++)
        count += !is_sound(o, i);
    return count > tc_protocol_bearable(o->env->protocol_env.cluster);
}

/* Is a connection between sound replicas gone, and none in its place? */
static bool disconnected(const struct tc_oracle *o)
{
    for (uint32_t i = 0; i < o->n; i++)
        for (uint32_t k = 0; is_sound(o, i) && k < o->n; k++)
            if (o->missing[i * o->n + k] && is_sound(o, k))
                return true;
    return false;
}

/* The step that ends now: did it stand still though it lacked nothing? */
static bool stood_still(const struct tc_oracle *o, bool fair, uint64_t now_ns)
{
    const uint64_t active_ns = o->last_core_ns > o->began_ns ? o->last_core_ns - o->began_ns : 0;
    return fair && o->waiting > 0 && o->heard >= o->said_before && o->core_heard >= o->core_said &&
           active_ns <= (now_ns - o->began_ns) / 2 && !beyond(o) && !disconnected(o);
}

/* A step that stood still has ended: is it where we were before, one turn further? */
static void turn(struct tc_oracle *o, uint32_t leader, uint64_t now_ns)
{
    struct screw *w = &o->screw;
    const uint64_t pitch = o->view - w->view, certified_pitch = o->certified - w->certified;
    if (!w->began || (leader != w->leader && pitch > 2 * (uint64_t)o->n)) {
        *w = (struct screw){.began = true, .fair = true, .leader = leader};
    } else if (leader != w->leader) {
        return;
    } else if (w->returns > 0 && pitch == w->pitch && certified_pitch == w->certified_pitch) {
        w->returns++;
    } else {
        w->returns = 1;
        w->pitch = pitch;
        w->certified_pitch = certified_pitch;
        w->first_view = w->view;
        w->first_certified = w->certified;
        w->first_ns = w->now_ns;
    }
    w->view = o->view;
    w->certified = o->certified;
    w->now_ns = now_ns;
    if (w->returns >= RETURNS && w->certified_pitch > 0 && tc_nodeset_count(&w->leaders) >= o->n && !o->screw_reported)
        breach_screw(o, now_ns);
}

/* The step that ends now, for the screw: it went on, or stood still, or something was amiss with it. `certified`: the
 * highest certificate when it began. */
static void screw_step(struct tc_oracle *o, uint64_t now_ns)
{
    const uint32_t leader = tc_protocol_leader(o->env->protocol, &o->env->protocol_env, o->view);
    tc_nodeset_add(&o->screw.leaders, leader);
    if (stood_still(o, o->screw.fair, now_ns))
        turn(o, leader, now_ns);
    else if (o->certified <= o->step_certified || o->waiting == 0)
        unscrew(o);
    o->screw.fair = true;
    o->step_certified = o->certified;
}

/* A quorum has come to a later view. */
static void step(struct tc_oracle *o, uint64_t view, uint64_t now_ns)
{
    screw_step(o, now_ns);
    if (stood_still(o, o->fair, now_ns)) {
        if (o->steps++ == 0) {
            o->first_view = o->view;
            o->first_ns = o->began_ns;
        }
        o->longest = o->steps > o->longest ? o->steps : o->longest;
        tc_nodeset_add(&o->leaders, tc_protocol_leader(o->env->protocol, &o->env->protocol_env, o->view));
        if (tc_nodeset_count(&o->leaders) >= o->n && o->steps >= ROTATIONS * (uint64_t)o->n && !o->reported) {
            o->rotations++;
            breach(o, now_ns);
        }
    } else {
        if (o->heard < o->said_before || o->core_heard < o->core_said)
            settle_accounts(o);
        start_anew(o);
    }
    o->view = view;
    o->began_ns = now_ns;
    o->said_before = o->said;
    o->fair = true;
}

static void view_line(struct tc_oracle *o, const struct tc_observation *observation)
{
    const uint64_t view = observation->view.view;
    if (observation->node >= o->n || view <= o->views[observation->node])
        return;
    o->views[observation->node] = view;
    if (view <= o->view)
        return;
    uint32_t reached = 0;
    for (uint32_t i = 0; i < o->n; i++)
        reached += o->views[i] >= view;
    if (reached >= o->quorum)
        step(o, view, observation->time_ns);
}

static void message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    for (size_t i = 0; i < count; i++)
        if (votes[i].flags & TC_VOTE_QUORUM)
            start_anew(o);
    for (uint32_t i = 0; i < m->statement_count; i++) {
        if (m->statements[i].kind != TC_KIND_CERTIFICATE || m->statements[i].view <= o->certified)
            continue;
        o->certified = m->statements[i].view;
        start_anew(o);
    }
    const bool sound = !m->touched && is_sound(o, m->from);
    const uint32_t kind = m->statement_count > 0 ? TC_KIND_BIT(m->statements[0].kind) : 0;
    if (observation->message.heard && (kind & (sound ? TC_KIND_BIT(TC_KIND_SYNC) : CORE)))
        unscrew(o);
    if (!sound || !is_sound(o, m->to))
        return;
    o->said += observation->message.said;
    o->heard += observation->message.heard && o->heard < o->said;
    if (!(kind & CORE))
        return;
    o->core_said += observation->message.said;
    o->core_heard += observation->message.heard && o->core_heard < o->core_said;
    if (observation->message.heard && m->occurrence == 0)
        o->last_core_ns = observation->time_ns;
}

/* A client that is cut off waits for nothing that is due; what it asked for meanwhile is due once it is heard again. */
static void recount_waiting(struct tc_oracle *o)
{
    const uint32_t before = o->waiting;
    o->waiting = 0;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        o->waiting += o->waiting_for[i] && is_sound(o, TC_CLIENT_FIRST + i);
    if (before > 0 && o->waiting == 0)
        begin_anew(o);
}

static void client_line(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->node < TC_CLIENT_FIRST || observation->node >= TC_NODES_MAX ||
        tc_nodeset_has(&o->env->faults->signed_for, observation->node))
        return;
    uint64_t *waits = &o->waiting_for[observation->node - TC_CLIENT_FIRST];
    const uint64_t timestamp = observation->client.timestamp + 1;
    const bool counts = is_sound(o, observation->node), waited = *waits != 0;
    if (observation->kind == TC_OBS_REQUESTED)
        *waits = timestamp;
    else if (*waits <= timestamp)
        *waits = 0;
    o->waiting += counts && *waits != 0;
    o->waiting -= counts && waited;
    if (counts && waited && o->waiting == 0)
        begin_anew(o);
}

/* A connection came up, or ended, and what was on it is lost. */
static void link_line(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->node >= o->n || observation->peer >= o->n)
        return;
    o->missing[observation->node * o->n + observation->peer] = observation->kind == TC_OBS_LINK_DOWN;
    if (!is_sound(o, observation->node) || !is_sound(o, observation->peer))
        return; /* the faulty may come and go as they like: it is nobody's excuse */
    settle_accounts(o);
    begin_anew(o);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    switch (observation->kind) {
    case TC_OBS_MESSAGE:
        message(o, observation);
        break;
    case TC_OBS_VIEW:
        view_line(o, observation);
        break;
    case TC_OBS_EXECUTED:
        if (is_sound(o, observation->node) && observation->executed.sequence > o->decided) {
            o->decided = observation->executed.sequence;
            begin_anew(o);
        }
        break;
    case TC_OBS_FAULTS:
        if (tc_nodeset_equal(&o->liveness, &observation->faults.liveness))
            break;
        o->liveness = observation->faults.liveness;
        recount_waiting(o);
        settle_accounts(o);
        begin_anew(o);
        break;
    case TC_OBS_REQUESTED:
    case TC_OBS_REPLIED:
        client_line(o, observation);
        break;
    case TC_OBS_NODE_UP: /* it may come back to an earlier view */
        if (observation->node < o->n)
            o->views[observation->node] = 0;
        settle_accounts(o);
        begin_anew(o);
        break;
    case TC_OBS_LINK_UP:
    case TC_OBS_LINK_DOWN:
        link_line(o, observation);
        break;
    default: /* a process ends: what was on its way to it is lost */
        settle_accounts(o);
        begin_anew(o);
        break;
    }
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    const char *why = !o->env->has_messages || !o->env->links_complete ? "not all messages are seen"
                      : !o->env->has_executions                        ? "no replica prints what it executes"
                      : !o->env->has_client_history                    ? "what clients wait for is not known"
                                                                       : NULL;
    result->status = TC_HOLDS;
    result->compared = o->view + o->decided;
    snprintf(result->unit, sizeof result->unit, "views");
    if (why) {
        tc_oracle_not_judged(result, why);
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_add(&t, "at most ");
    tc_text_number(&t, o->longest);
    tc_text_add(&t,
                " view%s in a row stood still with all delivered and a request waiting (a rotation has %" PRIu32
                " leaders)",
                o->longest == 1 ? "" : "s", o->n);
}

const struct tc_oracle_class tc_oracle_lasso = {
    .name = "lasso",
    .summary = "no full rotation of leaders goes by without any progress while all is delivered and a request waits",
    .property = TC_LIVENESS,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_VIEW) | TC_OBS_BIT(TC_OBS_EXECUTED) |
                    TC_OBS_BIT(TC_OBS_FAULTS) | TC_OBS_BIT(TC_OBS_REQUESTED) | TC_OBS_BIT(TC_OBS_REPLIED) |
                    TC_OBS_BIT(TC_OBS_NODE_UP) | TC_OBS_BIT(TC_OBS_NODE_EXIT) | TC_OBS_BIT(TC_OBS_LINK_UP) |
                    TC_OBS_BIT(TC_OBS_LINK_DOWN),
    .kinds = UINT32_MAX & ~(TC_WANT_CONFLICT | TC_WANT_QUORUM),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .wants = wants,
    .observe = observe,
    .finish = finish,
    .release = release,
};
