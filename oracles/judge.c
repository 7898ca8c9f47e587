/* Feeding: every observation goes to the oracles that asked for its kind. Blame and verdict: judge_verdict.c. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy/nodeset.h"
#include "judge_internal.h"
#include "oracles.h"
#include "proofs.h"

static bool is_left_out(const struct tc_judge_config *config, const struct tc_oracle_class *oracle)
{
    if (config->properties && !(config->properties & TC_PROPERTY_BIT(oracle->property)))
        return true;
    for (size_t i = 0; config->disabled && config->disabled[i]; i++)
        if (strcmp(config->disabled[i], oracle->name) == 0)
            return true;
    return false;
}

/* Its first member is its environment, see oracle.h. */
static struct tc_oracle *oracle_new(const struct tc_oracle_class *class, const struct tc_oracle_env *env)
{
    struct tc_oracle *o = calloc(1, class->size);
    if (o)
        *(const struct tc_oracle_env **)(void *)o = env;
    return o;
}

static void oracle_free(const struct tc_oracle_class *class, struct tc_oracle *o)
{
    if (o && class->release)
        class->release(o);
    free(o);
}

static void listener_add(struct tc_judge *judge, const struct tc_oracle_class *class, struct tc_oracle *o)
{
    const uint64_t bit = UINT64_C(1) << judge->listener_count;
    const uint32_t kinds = class->wants ? class->wants(o) & class->kinds : class->kinds;
    judge->listeners[judge->listener_count++] = (struct listener){.observe = class->observe, .oracle = o};
    for (size_t i = 0; i < WANTS_MAX; i++)
        judge->listening[i] |= kinds >> i & 1u ? bit : 0;
}

static void seat_listen(struct tc_judge *judge, const struct seat *seat)
{
    const uint32_t bit = UINT32_C(1) << (seat - judge->seats), wanted = seat->judgement.oracle->observations;
    for (uint32_t kind = 0; kind < TC_OBS_COUNT; kind++)
        judge->seated[kind] |= wanted & TC_OBS_BIT(kind) ? bit : 0;
    if (wanted & TC_OBS_BIT(TC_OBS_MESSAGE))
        listener_add(judge, seat->judgement.oracle, seat->oracle);
}

/* An oracle that runs out of memory at creation is left to say so itself: the judge refuses to start without it. */
static int seats_fill(struct tc_judge *judge)
{
    for (size_t i = 0; tc_oracle_classes[i]; i++) {
        const struct tc_oracle_class *oracle = tc_oracle_classes[i];
        if (is_left_out(&judge->config, oracle))
            continue;
        assert(judge->seat_count < SEATS_MAX);
        struct seat *seat = &judge->seats[judge->seat_count];
        seat->judgement.oracle = oracle;
        seat->oracle = oracle_new(oracle, &judge->env);
        judge->seat_count++;
        if (!seat->oracle || (oracle->init && !oracle->init(seat->oracle)))
            return TC_EMEMORY;
        seat_listen(judge, seat);
    }
    return 0;
}

struct tc_judge *tc_judge_new(const struct tc_judge_config *config)
{
    struct tc_judge *judge = calloc(1, sizeof *judge);
    if (!judge)
        return NULL;
    judge->config = *config;
    judge->n = config->env.cluster->n;
    judge->f = tc_protocol_bearable(config->env.cluster);
    judge->faults.healed_ns = 0;
    judge->env = (struct tc_oracle_env){.protocol = config->protocol,
                                        .protocol_env = config->env,
                                        .faults = &judge->faults,
                                        .recovery_bound_ns = config->recovery_bound_ns,
                                        .has_executions = config->has_executions,
                                        .all_executions = config->has_executions && !config->executions_partial,
                                        .has_complaints = config->has_executions && !config->complaints_unread,
                                        .has_client_history = config->has_client_history,
                                        .has_messages = config->has_messages,
                                        .links_complete = config->links_complete,
                                        .tell_standstill = config->expect == TC_EXPECTED,
                                        .report = tc_judge_report,
                                        .judge = judge};
    judge->env.votes = tc_votes_new(config->protocol, &judge->env.protocol_env);
    judge->env.proofs = tc_proofs_new();
    if (!judge->env.votes || !judge->env.proofs || seats_fill(judge) != 0) {
        tc_judge_free(judge);
        return NULL;
    }
    return judge;
}

static void findings_free(struct seat *seat)
{
    for (size_t i = 0; i < seat->judgement.finding_count; i++)
        tc_judge_finding_free(&seat->findings[i]);
    free(seat->findings);
}

void tc_judge_free(struct tc_judge *judge)
{
    if (!judge)
        return;
    for (size_t i = 0; i < judge->seat_count; i++) {
        oracle_free(judge->seats[i].judgement.oracle, judge->seats[i].oracle);
        findings_free(&judge->seats[i]);
    }
    tc_proofs_free(judge->env.proofs);
    tc_votes_free(judge->env.votes);
    free(judge);
}

static uint32_t kinds_of(const struct tc_message *m)
{
    uint32_t kinds = 0;
    if (m->statement_count == 0)
        return TC_KIND_BIT(TC_KIND_OTHER);
    if (m->statement_count == 1 && (unsigned)m->statements[0].kind < TC_KIND_COUNT)
        return TC_KIND_BIT(m->statements[0].kind);
    for (uint32_t i = 0; i < m->statement_count; i++)
        if ((unsigned)m->statements[i].kind < TC_KIND_COUNT)
            kinds |= TC_KIND_BIT(m->statements[i].kind);
    return kinds;
}

static void observe_message(struct tc_judge *judge, const struct tc_observation *observation)
{
    if (observation->message.said)
        tc_nodeset_add(&judge->spoken, observation->message.message->from);
    uint32_t wanted = kinds_of(observation->message.message);
    uint32_t flags = tc_votes_observe(judge->env.votes, observation);
    uint64_t listening = 0;
    if (flags & TC_VOTE_SPOKEN)
        wanted |= TC_WANT_SPOKEN;
    if (flags & TC_VOTE_CONFLICT)
        wanted |= TC_WANT_CONFLICT;
    if (flags & TC_VOTE_QUORUM)
        wanted |= TC_WANT_QUORUM;
    for (; wanted != 0; wanted &= wanted - 1)
        listening |= judge->listening[__builtin_ctz(wanted)];
    for (; listening != 0; listening &= listening - 1) {
        const struct listener *listener = &judge->listeners[__builtin_ctzll(listening)];
        listener->observe(listener->oracle, observation);
    }
}

/* A link between nodes we know is lost to us from here. A connection that never named its dialler carried no known
 * node's link, as far as one can tell yet: what that means shows at the end. */
static void note_spliced(struct tc_judge *judge, const struct tc_observation *observation)
{
    bool stranger = observation->node == TC_NODE_NONE || observation->peer == TC_NODE_NONE;
    judge->strangers += stranger;
    if (!judge->spliced_ns) { /* of strangers too: it may turn out that they were none */
        judge->spliced_from = observation->node;
        judge->spliced_to = observation->peer;
        judge->spliced_ns = observation->time_ns;
        judge->gap = observation->is_gap;
    }
    if (observation->is_gap)
        tc_judge_withdraw_since(judge, observation->gap_since_ns);
    if (stranger)
        return;
    if (!judge->spliced) {
        judge->spliced_from = observation->node;
        judge->spliced_to = observation->peer;
        judge->spliced_ns = observation->time_ns;
        judge->gap = observation->is_gap;
    }
    judge->spliced = true;
    judge->env.links_complete = false;
}

/* What the judge itself must know of an observation. */
static void take_note(struct tc_judge *judge, const struct tc_observation *observation)
{
    switch (observation->kind) {
    case TC_OBS_FAULTS:
        judge->faults = observation->faults;
        tc_judge_recount(judge);
        break;
    case TC_OBS_SPLICED:
        note_spliced(judge, observation);
        break;
    case TC_OBS_OVERFLOW:
        if (observation->not_carried && !judge->starved) {
            judge->starved = true;
            tc_judge_recount(judge);
        }
        if (judge->overflows++ == 0) {
            struct tc_text t = tc_text_begin(judge->overflow, sizeof judge->overflow);
            tc_text_add(&t, "%s", observation->text ? observation->text : "");
        }
        break;
    default:
        break;
    }
}

void tc_judge_observe(struct tc_judge *judge, const struct tc_observation *observation)
{
    assert(!judge->finished);
    if ((unsigned)observation->kind >= TC_OBS_COUNT)
        return;
    judge->order++;
    if (observation->kind == TC_OBS_MESSAGE) {
        observe_message(judge, observation);
        return;
    }
    take_note(judge, observation);
    for (uint32_t seated = judge->seated[observation->kind]; seated != 0; seated &= seated - 1) {
        const struct seat *seat = &judge->seats[__builtin_ctz(seated)];
        seat->judgement.oracle->observe(seat->oracle, observation);
    }
}

void tc_judge_bitten(struct tc_judge *judge, uint64_t bitten)
{
    if (bitten > judge->faults.bitten)
        judge->faults.bitten = bitten;
}

void tc_judge_finish(struct tc_judge *judge, uint64_t now_ns)
{
    assert(!judge->finished);
    for (size_t i = 0; i < judge->seat_count; i++) {
        struct seat *seat = &judge->seats[i];
        seat->judgement.oracle->finish(seat->oracle, now_ns, &seat->judgement.result);
    }
    judge->finished = true;
    tc_judge_settle(judge);
}

size_t tc_judge_count(const struct tc_judge *judge)
{
    return judge->seat_count;
}

const struct tc_judgement *tc_judge_get(const struct tc_judge *judge, size_t index)
{
    return index < judge->seat_count ? &judge->seats[index].judgement : NULL;
}
