/* O22, evidence on the chain: a block that was decided accuses nobody who did not sign twice, and nobody twice for the
 * same (CometBFT's DuplicateVoteEvidence; the check of Tendermint's maverick tests).
 *
 * An accusation is two votes of one signer and slot under different values, embedded in a statement that names a block;
 * it is on the chain once a correct replica executes that block. It is seen in the blocks that pass, and where replicas
 * are asked (RPC) they tell it. Both signatures are verified when it is seen, so an accusation that a block bears and
 * no key signed is a breach by whoever decided it. One that was told and could not be held against the block may be the
 * invention of who told it: it is named if its signatures are right, and is no breach. That a traitor goes unaccused is
 * none: evidence is only due if one correct replica saw both votes in time, which nobody outside can tell. What was
 * accused is said in the reason, so that a test can hold it against what was done. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracles.h"

#define ACCUSATIONS_MAX 1024
#define EXECUTED_MAX    64 /* blocks executed lately: a message may come after its block's execution */

struct accusation {
    struct tc_value block;
    uint64_t slot, view, sequence;
    uint64_t height; /* of the block; 0 until it is on the chain */
    uint16_t signer;
    int signatures; /* 0, or what verifying them gave */
    bool unchecked; /* whether the block bears it is one replica's word */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct accusation *accusations; /* ACCUSATIONS_MAX of them, once there is one */
    uint32_t count;
    struct {
        struct tc_value block;
        uint64_t height;
        uint16_t node;
    } executed[EXECUTED_MAX]; /* by height modulo EXECUTED_MAX */
    uint64_t lost, unverified;
    uint32_t chained;
};

static void release(struct tc_oracle *o)
{
    free(o->accusations);
}

static bool same_block(const struct tc_value *a, const struct tc_value *b)
{
    return a->state == TC_VALUE_BYTES && b->state == TC_VALUE_BYTES && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void report(struct tc_oracle *o, const struct accusation *a, uint16_t node, uint64_t time_ns, const char *what)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_evidence, time_ns);
    tc_nodeset_add(&f.suspects, node);
    f.has_sequence = true;
    f.sequence = a->height;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, node);
    tc_text_add(&t, " decided sequence ");
    tc_text_number(&t, a->height);
    tc_text_add(&t, ", which accuses ");
    tc_text_who(&t, a->signer);
    tc_text_add(&t, " of two votes for view %" PRIu64 ", sequence ", a->view);
    tc_text_number(&t, a->sequence);
    tc_text_add(&t, ": %s", what);
    o->env->report(o->env->judge, &f);
}

static bool accused_before(const struct tc_oracle *o, const struct accusation *a)
{
    for (uint32_t i = 0; i < o->count; i++) {
        const struct accusation *other = &o->accusations[i];
        if (other != a && !other->unchecked && other->height > 0 && other->slot == a->slot &&
            other->signer == a->signer && !same_block(&other->block, &a->block))
            return true;
    }
    return false;
}

static void put_on_chain(struct tc_oracle *o, struct accusation *a, uint64_t height, uint16_t node, uint64_t time_ns)
{
    if (a->height > 0)
        return;
    a->height = height;
    o->chained++;
    if (a->unchecked)
        o->unverified++;
    else if (a->signatures == TC_ESIGNATURE)
        report(o, a, node, time_ns, "not both of them bear its signature");
    else if (accused_before(o, a))
        report(o, a, node, time_ns, "another block accused it of that before");
    o->unverified += !a->unchecked && a->signatures != 0 && a->signatures != TC_ESIGNATURE;
}

/* ---- what is seen ---- */

/* The place of this accusation: the one it has, emptied, or a new one. NULL: nothing new is said, or there is no room.
 */
static struct accusation *place_of(struct tc_oracle *o, const struct tc_value *block, const struct tc_statement *vote,
                                   bool unchecked)
{
    for (uint32_t i = 0; i < o->count; i++) {
        struct accusation *a = &o->accusations[i];
        if (a->slot != vote->slot || a->signer != vote->signer || !same_block(&a->block, block))
            continue;
        if (unchecked || !a->unchecked)
            return NULL;
        o->chained -= a->height > 0; /* what was one replica's word is now seen in the block */
        o->unverified -= a->height > 0;
        return a;
    }
    if (!o->accusations)
        o->accusations = calloc(ACCUSATIONS_MAX, sizeof *o->accusations);
    if (o->accusations && o->count < ACCUSATIONS_MAX)
        return &o->accusations[o->count++];
    o->lost++;
    return NULL;
}

static void accuse(struct tc_oracle *o, const struct tc_observation *observation, const struct tc_value *block,
                   const struct tc_statement *first, const struct tc_statement *second)
{
    const bool unchecked = observation->kind == TC_OBS_ACCUSED && observation->accused.unchecked;
    struct accusation *a = place_of(o, block, first, unchecked);
    if (!a)
        return;
    *a = (struct accusation){.block = *block,
                             .unchecked = unchecked,
                             .slot = first->slot,
                             .view = first->view,
                             .sequence = first->sequence,
                             .signer = first->signer};
    a->signatures = tc_votes_check(o->env->votes, first);
    if (a->signatures == 0)
        a->signatures = tc_votes_check(o->env->votes, second);
    if (unchecked && a->signatures == TC_ESIGNATURE) {
        o->count--; /* it was the last one */
        return;
    }
    for (uint32_t i = 0; i < EXECUTED_MAX; i++)
        if (same_block(&o->executed[i].block, &a->block))
            put_on_chain(o, a, o->executed[i].height, o->executed[i].node, observation->time_ns);
}

static bool are_two(const struct tc_statement *a, const struct tc_statement *b)
{
    return a->kind == TC_KIND_VOTE && b->kind == TC_KIND_VOTE && a->origin == TC_ORIGIN_EMBEDDED &&
           b->origin == TC_ORIGIN_EMBEDDED && a->parent == b->parent && a->signer != TC_NODE_NONE &&
           a->signer == b->signer && a->slot != 0 && a->slot == b->slot &&
           (a->value.state != b->value.state || memcmp(a->value.bytes, b->value.bytes, sizeof a->value.bytes) != 0);
}

static void observe_message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    for (uint32_t i = 1; i + 1 < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (!are_two(s, s + 1) || s->parent >= i)
            continue;
        const struct tc_statement *block = &m->statements[s->parent];
        if (block->kind == TC_KIND_SYNC && block->value.state == TC_VALUE_BYTES)
            accuse(o, observation, &block->value, s, s + 1);
    }
}

/* A replica tells of evidence in a block that it decided: the way to blocks too large to be seen whole on a link. */
static void observe_accused(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->accused.message;
    if (!m || m->statement_count < 3 || !tc_oracle_judges(o->env, observation->node) ||
        !are_two(&m->statements[1], &m->statements[2]) || observation->accused.block.state != TC_VALUE_BYTES)
        return;
    accuse(o, observation, &observation->accused.block, &m->statements[1], &m->statements[2]);
}

static void observe_execution(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (!tc_oracle_judges(o->env, observation->node) || observation->executed.value.state != TC_VALUE_BYTES)
        return;
    const struct tc_value *block = &observation->executed.value;
    for (uint32_t i = 0; i < o->count; i++)
        if (same_block(&o->accusations[i].block, block))
            put_on_chain(o, &o->accusations[i], observation->executed.sequence, observation->node,
                         observation->time_ns);
    const uint32_t place = observation->executed.sequence % EXECUTED_MAX;
    o->executed[place].block = *block;
    o->executed[place].height = observation->executed.sequence;
    o->executed[place].node = observation->node;
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_MESSAGE)
        observe_message(o, observation);
    else if (observation->kind == TC_OBS_ACCUSED)
        observe_accused(o, observation);
    else
        observe_execution(o, observation);
}

/* "on the chain: replica 0 for 3 (in block 4), 8 (in block 9)" */
static void list(const struct tc_oracle *o, struct tc_text *t)
{
    tc_text_add(t, "on the chain:");
    for (uint16_t node = 0; node < o->env->protocol_env.cluster->n; node++) {
        uint32_t said = 0;
        for (uint32_t i = 0; i < o->count; i++) {
            const struct accusation *a = &o->accusations[i];
            if (a->height == 0 || a->signer != node)
                continue;
            if (said++ == 0)
                tc_text_add(t, " replica %u for", (unsigned)node);
            tc_text_add(t, "%s %" PRIu64 " (in block %" PRIu64 ")", said > 1 ? "," : "", a->sequence, a->height);
        }
    }
}

/* What found no room was not compared, and may have been the forged one. */
static void say_lost(const struct tc_oracle *o, struct tc_oracle_result *result)
{
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    result->status = TC_INCONCLUSIVE;
    tc_text_add(&t, "%" PRIu64 " accusations found no room", o->lost);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->chained - o->unverified;
    snprintf(result->unit, sizeof result->unit, "accusations");
    if (!o->env->has_messages || !o->env->has_executions) {
        tc_oracle_not_judged(result, "the blocks, or what is decided, are not seen");
        return;
    }
    if (o->lost) {
        say_lost(o, result);
        return;
    }
    if (o->chained == 0) {
        tc_oracle_not_judged(result, o->count > 0 ? "no block with evidence was decided" : "no block bore evidence");
        result->foreign = !o->env->protocol->blocks_accuse;
        return;
    }
    if (o->unverified == o->chained)
        result->status = TC_NOT_JUDGED;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    list(o, &t);
    if (o->unverified)
        tc_text_add(&t, "; %" PRIu64 " could not be verified", o->unverified);
}

const struct tc_oracle_class tc_oracle_evidence = {
    .name = "evidence",
    .summary = "blocks that are decided accuse only who signed twice, and once",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_ACCUSED),
    .kinds = TC_KIND_BIT(TC_KIND_SYNC),
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
    .release = release,
};
