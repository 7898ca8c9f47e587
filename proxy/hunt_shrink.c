/* From a run that fails to the decisions that it needs, and what kind of fault those are. */
#define _GNU_SOURCE
#include "hunt.h"

#include "../injectors/replay_said.h"
#include "names.h"
#include "nodeset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIED_MAX  5000
#define ORDERS     4
#define EVENTS_MAX UINT64_C(20000000) /* of the simulation, after which it does not begin anew: some ten seconds */

struct shrinking {
    struct tc_trial *trial;
    uint64_t seed, index;
    uint32_t traitors_max;
    struct tc_replay *replay;
    struct tc_nodeset signed_for; /* by the whole tape */
    uint64_t events;              /* of the run with all of it */
    struct tc_said said;
    const char *oracle, *rule;
    struct tc_trial_result result; /* of the last run */
    bool first_known;
    struct tc_decision first; /* of the run in hand: the decision with the lowest id */
    char type[48];
    struct tc_error *err;
};

bool tc_hunt_shows(const struct tc_trial_result *result, const char *oracle, const char *rule)
{
    char found[96];
    for (size_t i = 0; i < tc_judge_count(result->judge); i++) {
        const struct tc_judgement *j = tc_judge_get(result->judge, i);
        if (j->status != TC_VIOLATED || strcmp(j->oracle->name, oracle) != 0)
            continue;
        bool same = *rule == 0;
        for (size_t k = 0; k < j->finding_count && !same; k++)
            same = strcmp(tc_run_rule(&j->findings[k], found, sizeof found), rule) == 0;
        return same;
    }
    return false;
}

void tc_hunt_decision_text(const struct tc_decision *d, uint64_t number, char *buffer, size_t size)
{
    char from[8], to[8];
    size_t used = (size_t)snprintf(buffer, size, "#%" PRIu64 ": %s%s%s", number, tc_verb_name(d->verb),
                                   *d->type ? " " : "", d->type);
    if (used < size && (d->from != TC_NODE_NONE || d->to != TC_NODE_NONE))
        used += (size_t)snprintf(buffer + used, size - used, " %s→%s", tc_node_name(d->from, from),
                                 tc_node_name(d->to, to));
    if (used < size && d->verb >= TC_PAUSE && d->node != TC_NODE_NONE)
        used += (size_t)snprintf(buffer + used, size - used, " %s", tc_node_name(d->node, from));
    if (used < size && d->has_view)
        used += (size_t)snprintf(buffer + used, size - used, " view %" PRIu64, d->view);
    if (used < size && d->has_sequence)
        snprintf(buffer + used, size - used, " sequence %" PRIu64, d->sequence);
}

static void hear(void *self, const struct tc_observation *o)
{
    struct shrinking *s = self;
    tc_said_observe(&s->said, o);
}

static void remember_first(void *self, const struct tc_decision *d)
{
    struct shrinking *s = self;
    if (s->first_known && d->id > s->first.id)
        return;
    s->first_known = true;
    s->first = *d;
    snprintf(s->type, sizeof s->type, "%s", d->type);
    s->first.type = s->type;
}

/* One run without these choices. 1: it fails in the same way. */
static int run_without(struct shrinking *s, const bool *left_out)
{
    struct tc_ledger ledger = {.traitors_max = s->traitors_max};
    struct tc_error err = {0};
    if (tc_hunt_interrupted())
        return tc_error_set(s->err, TC_EINTERRUPTED, "interrupted while shrinking");
    s->first_known = false;
    tc_said_begin(&s->said, &s->signed_for, !left_out);
    const struct tc_trial_request request = {.seed = s->seed,
                                             .index = s->index,
                                             .handler = tc_replay_begin(s->replay, left_out, &ledger),
                                             .ledger = &ledger,
                                             .sink = {.self = s, .observe = hear, .decide = remember_first}};
    const int status = tc_trial_run(s->trial, &request, &s->result, &err);
    if (status == TC_EMEMORY) {
        *s->err = err;
        return status;
    }
    if (s->said.full)
        return tc_error_set(s->err, TC_EMEMORY, "no memory for shrinking");
    /* Whatever else ends a run: it is not the failure that is looked for. */
    return status == 0 && !s->said.stale && s->result.summary.status == TC_VIOLATED &&
           tc_hunt_shows(&s->result, s->oracle, s->rule);
}

/* What comes to nothing once others are gone goes with them, without a run of its own. */
static int fails(void *self, bool *left_out, uint32_t count)
{
    struct shrinking *s = self;
    const int status = run_without(s, left_out);
    (void)count;
    if (status > 0)
        tc_replay_leave_unmatched(s->replay, left_out);
    return status;
}

static uint32_t replicas_in(const struct tc_nodeset *set)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < TC_REPLICAS_MAX; node++)
        count += tc_nodeset_has(set, node);
    return count;
}

static enum tc_hunt_cause cause_of(const struct tc_tape *tape, const bool *left_out,
                                   const struct tc_nodeset *signed_for, uint32_t f)
{
    bool forges = false;
    for (uint32_t i = 0; i < tape->item_count; i++)
        if (tape->items[i].decision > 0 && !left_out[tape->items[i].decision - 1])
            forges |= tc_tape_forges(&tape->items[i]);
    if (replicas_in(signed_for) > f)
        return TC_HUNT_OUTSIDE;
    if (tc_nodeset_count(signed_for) > 0)
        return TC_HUNT_TRAITOR;
    return forges ? TC_HUNT_FORGED : TC_HUNT_NETWORK;
}

/* Is it possible without what only a traitor can do? Then that is where to start from. */
static int try_network_alone(struct shrinking *s, const struct tc_tape *tape, bool *left_out)
{
    bool any = false;
    for (uint32_t i = 0; i < tape->item_count; i++)
        if (tc_tape_forges(&tape->items[i])) {
            left_out[tape->items[i].decision - 1] = true;
            any = true;
        }
    const int alone = any ? fails(s, left_out, tape->choice_count) : 0;
    if (alone <= 0)
        memset(left_out, 0, tape->choice_count * sizeof *left_out);
    return alone;
}

/* The run with what was kept, for what the report says of it. */
static int finish(struct shrinking *s, const struct tc_tape *tape, const struct tc_scenario *scenario,
                  struct tc_hunt_shrunk *out)
{
    uint64_t number = 0;
    const int again = run_without(s, out->left_out);
    if (again < 0)
        return again;
    if (again == 0)
        return tc_error_set(s->err, TC_EINTERNAL, "the decisions that were kept do not repeat the violation");
    out->signed_for = s->result.faults.signed_for;
    out->cause = cause_of(tape, out->left_out, &out->signed_for, scenario->cluster.cluster.f);
    while (number < tape->choice_count && out->left_out[number])
        number++;
    if (s->first_known)
        tc_hunt_decision_text(&s->first, number + 1, out->first_bad, sizeof out->first_bad);
    return 0;
}

static int search(struct shrinking *s, const struct tc_tape *tape, struct tc_hunt_shrunk *out)
{
    uint32_t *orders = calloc(ORDERS * (tape->choice_count + (size_t)1), sizeof *orders);
    const struct tc_shrink_search how = {.tried_max = TRIED_MAX,
                                         .orders = orders,
                                         .order_count = ORDERS,
                                         .enough = TC_HUNT_READABLE,
                                         .enough_runs = (uint32_t)(EVENTS_MAX / (s->events + EVENTS_MAX / TRIED_MAX))};
    int status = orders ? 0 : tc_error_set(s->err, TC_EMEMORY, "no memory for shrinking");
    for (uint32_t i = 0; status == 0 && i < ORDERS; i++)
        status = tc_tape_order(tape, i, orders + (size_t)i * tape->choice_count);
    if (status == 0)
        status = tc_shrink(tape->choice_count, out->left_out, &how, fails, s, &out->result);
    free(orders);
    return status;
}

int tc_hunt_shrink(struct tc_trial *trial, uint64_t seed, uint64_t index, const struct tc_tape *tape,
                   const struct tc_scenario *scenario, const char *oracle, const char *rule, struct tc_hunt_shrunk *out,
                   struct tc_error *err)
{
    static struct shrinking s;
    s = (struct shrinking){.trial = trial, .seed = seed, .index = index, .oracle = oracle, .rule = rule, .err = err};
    s.traitors_max = scenario->traitors_max >= 0 ? (uint32_t)scenario->traitors_max : scenario->cluster.cluster.f;
    s.signed_for = tc_tape_signed(tape);
    memset(out, 0, sizeof *out);
    out->left_out = calloc(tape->choice_count + (size_t)1, sizeof *out->left_out);
    int status = out->left_out ? tc_replay_new(tape, &s.replay) : TC_EMEMORY;
    if (status < 0)
        return tc_error_set(err, status, "no memory for shrinking");
    int whole = run_without(&s, NULL);
    s.events = s.result.stats.events;
    if (whole == 0 && !*oracle && s.result.summary.status == TC_VIOLATED && s.result.summary.first) {
        snprintf(out->oracle, sizeof out->oracle, "%s", s.result.summary.first->oracle);
        tc_run_rule(s.result.summary.first, out->rule, sizeof out->rule);
        whole = 1;
    } else {
        snprintf(out->oracle, sizeof out->oracle, "%s", oracle);
        snprintf(out->rule, sizeof out->rule, "%s", rule);
    }
    s.oracle = out->oracle;
    s.rule = out->rule;
    out->fails = whole > 0;
    status = whole;
    if (whole > 0)
        status = try_network_alone(&s, tape, out->left_out);
    if (whole > 0 && status >= 0)
        status = search(&s, tape, out);
    if (whole > 0 && status >= 0)
        status = finish(&s, tape, scenario, out);
    tc_replay_free(s.replay);
    tc_said_free(&s.said);
    return status < 0 ? status : 0;
}
