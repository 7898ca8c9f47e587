/* O16, message cost: in the failure-free phase before the attack a decision costs no more replica-to-replica messages
 * than the protocol's formula says (PBFT: 2n(n-1), self-messages excluded).
 *
 * Counted are the types that the formula counts, each once on its link, for slots that began in that phase. What names
 * no value (HotStuff's new-view messages) counts once from each replica to each view's leader: said again it bears a
 * higher certificate, so that its bytes are others. Retransmissions, checkpoints, view changes and state transfer are
 * counted apart and judged by nobody. A phase with a view change in it is not failure-free; where each block has a new
 * leader (a chain), one in which a replica asks for a view after a timeout. */
#include <inttypes.h>
#include <stdio.h>

#include "oracles.h"

#define SLOTS_MIN 20
#define ROWS_MAX  64
#define SLACK     20 /* one part in: 5 % */

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t n;
    uint64_t cost, by_row[ROWS_MAX];
    uint64_t slots, messages, again, apart;
    uint64_t called[TC_REPLICAS_MAX]; /* the highest view to whose leader it said so */
    uint64_t view;
    bool before, failed;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->n = env->protocol_env.cluster->n;
    o->before = true;
    o->cost = env->protocol->row_count <= ROWS_MAX ? env->protocol->cost(o->n, o->by_row) : 0;
    return true;
}

/* It names no value, but the formula counts it. */
static void valueless(struct tc_oracle *o, const struct tc_message *m, const struct tc_statement *s)
{
    const struct tc_oracle_env *env = o->env;
    const bool first = !s->has_view || (s->view > o->called[m->from] &&
                                        tc_protocol_leader(env->protocol, &env->protocol_env, s->view) == m->to);
    if (s->has_view && first)
        o->called[m->from] = s->view;
    o->again += !first;
    o->messages += first && o->slots > 0;
}

static void observe_message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (!o->before || !observation->message.said || m->statement_count == 0 || m->from >= o->n || m->to >= o->n)
        return;
    const struct tc_statement *s = &m->statements[0];
    if (s->type >= o->env->protocol->row_count || o->by_row[s->type] == 0) {
        o->apart++;
        return;
    }
    if (m->occurrence > 0 || s->signer != m->from) { /* what somebody else first said is passed on to repair a loss */
        o->again++;
        return;
    }
    if (s->slot == 0) {
        valueless(o, m, s);
        return;
    }
    struct tc_slot *slot = tc_votes_slot(o->env->votes, s);
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    if (slot && count > 0 && votes[0].statement == 0 && (votes[0].flags & TC_VOTE_NEW_SLOT)) {
        slot->before = 1;
        o->slots++;
    }
    o->messages += slot && slot->before;
}

/* Does this line tell of a failure? */
static bool is_failure(const struct tc_oracle *o, const struct tc_observation *observation)
{
    const bool rotates = o->env->protocol->parent != NULL; /* views pass without any */
    if (observation->view.view == 0 || observation->view.view == o->view)
        return false;
    return !observation->view.active || (o->slots > 0 && !rotates);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    switch (observation->kind) {
    case TC_OBS_MESSAGE:
        observe_message(o, observation);
        break;
    case TC_OBS_VIEW:
        o->failed |= o->before && is_failure(o, observation);
        o->view = observation->view.active ? observation->view.view : o->view;
        break;
    case TC_OBS_NODE_EXIT:
        o->failed |= o->before && observation->node < o->n;
        break;
    case TC_OBS_LINK_DOWN: /* what was lost with the connection is said again */
        o->failed |= o->before && o->slots > 0 && observation->node < o->n && observation->peer < o->n;
        break;
    case TC_OBS_PHASE:
        o->before = observation->phase.phase == TC_RUN_BEFORE;
        break;
    default:
        break;
    }
}

static void say(const struct tc_oracle *o, struct tc_text *t)
{
    uint64_t tenths = o->messages * 10 / o->slots;
    tc_text_add(t, "%" PRIu64 ".%" PRIu64 " messages a decision over ", tenths / 10, tenths % 10);
    tc_text_number(t, o->slots);
    tc_text_add(t, " decisions before the attack (formula %" PRIu64 ")", o->cost);
}

static void breach(struct tc_oracle *o, uint64_t now_ns)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_message_cost, now_ns);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    say(o, &t);
    o->env->report(o->env->judge, &f);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    result->status = TC_HOLDS;
    result->compared = o->slots;
    snprintf(result->unit, sizeof result->unit, "decisions");
    const char *why = !o->env->has_messages || !o->env->links_complete ? "not all messages are seen"
                      : o->cost == 0                                   ? "the protocol states no formula"
                      : o->failed            ? "the phase before the attack was not free of failures"
                      : o->slots < SLOTS_MIN ? "too few decisions before the attack"
                                             : NULL;
    if (why) {
        tc_oracle_not_judged(result, why);
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    say(o, &t);
    tc_text_add(&t, ", %" PRIu64 " said again, %" PRIu64 " of other types", o->again, o->apart);
    if (o->messages > o->slots * (o->cost + o->cost / SLACK + 1))
        breach(o, now_ns);
}

const struct tc_oracle_class tc_oracle_message_cost = {
    .name = "message-cost",
    .summary = "without failures a decision costs no more messages than the protocol's formula says",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_VIEW) | TC_OBS_BIT(TC_OBS_NODE_EXIT) |
                    TC_OBS_BIT(TC_OBS_LINK_DOWN) | TC_OBS_BIT(TC_OBS_PHASE),
    .kinds = UINT32_MAX & ~(TC_WANT_CONFLICT | TC_WANT_QUORUM),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
};
