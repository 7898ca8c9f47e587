/* O5, lock: what a correct replica votes for never conflicts with what its own votes locked it on, unless a certificate
 * of a later view justifies it. The rule is the protocol's (protocol->lock):
 *
 *  - HotStuff, basic: a commit vote for (x, v) locks x. A later first vote for y needs that y extends x, or that the
 *    certificate in y's proposal is of a view above v (Yin et al., PODC'19, safeNode);
 *  - HotStuff, chained: likewise, and a vote locks the grandparent of its block;
 *  - PBFT: a commit vote for (x, v, n) says that its sender prepared x. Each of its view changes to later views shows a
 *    certificate for n of view v or later, until its checkpoint covers n (Castro & Liskov, OSDI'99, §4.4).
 *
 * No false alarm: a lock is inferred from what the replica itself said on its own link; only views order what it said,
 * for links may be of unequal speed; a block counts as justified by the highest certificate it was ever proposed with;
 * where a block on the way is unknown nothing is judged. Both votes of a traitor are left to accountability as a proof
 * once their signatures are verified. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy/random.h"
#include "chain.h"
#include "oracles.h"
#include "proofs.h"

#define LOCKS_MAX 16 /* of one replica: as many views as its links may lie apart */

/* A lock, with the vote that it follows from. */
struct lock {
    struct tc_point at, voted;
    bool spoken; /* that vote was said by its signer on his own link */
};

struct replica {
    struct lock locks[LOCKS_MAX];
    uint32_t count;
    uint64_t last_change;  /* hash of the view change judged last, */
    uint64_t last_message; /* and of the message that it was; 0: it was embedded in one */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    enum tc_lock_rule rule;
    struct tc_chain *chain;
    struct replica *replicas; /* [n] */
    uint64_t locks, judged, unjudged;
};

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    o->rule = env->protocol->lock;
    o->replicas = calloc(env->protocol_env.cluster->n, sizeof *o->replicas);
    const bool chained = o->rule == TC_LOCK_COMMIT || o->rule == TC_LOCK_TWO_CHAIN;
    o->chain = chained ? tc_chain_new(env) : NULL;
    return o->replicas && (o->chain || !chained);
}

static uint32_t wants(const struct tc_oracle *o)
{
    if (o->rule == TC_LOCK_NONE)
        return 0;
    return o->rule == TC_LOCK_CARRIED ? TC_KIND_BIT(TC_KIND_VIEW_CHANGE) | TC_WANT_SPOKEN : ~TC_WANT_SPOKEN;
}

static void release(struct tc_oracle *o)
{
    tc_chain_free(o->chain);
    free(o->replicas);
}

static struct tc_value value_of(const uint8_t *digest)
{
    struct tc_value value = {.state = TC_VALUE_BYTES};
    memcpy(value.bytes, digest, TC_VALUE_SIZE);
    return value;
}

static struct tc_slot *slot_of(const struct tc_oracle *o, const struct tc_point *at)
{
    const struct tc_statement s = {.kind = TC_KIND_VOTE,
                                   .view = at->view,
                                   .sequence = at->sequence,
                                   .has_view = true,
                                   .has_sequence = true,
                                   .slot = 1};
    return tc_votes_slot(o->env->votes, &s);
}

static uint8_t column_of(const struct tc_oracle *o, enum tc_kind kind, enum tc_phase phase)
{
    const struct tc_statement s = {.kind = kind, .phase = phase};
    return tc_votes_column(o->env->votes, &s);
}

/* The vote that locks, and the one that is judged. */
static enum tc_phase locking_phase(const struct tc_oracle *o)
{
    return o->rule == TC_LOCK_TWO_CHAIN ? TC_PHASE_NONE : TC_PHASE_COMMIT;
}

static enum tc_phase judged_phase(const struct tc_oracle *o)
{
    return o->rule == TC_LOCK_TWO_CHAIN ? TC_PHASE_NONE : TC_PHASE_PREPARE;
}

/* Adds the signer's vote to the evidence. Is its signature proven? */
static bool add_vote(const struct tc_oracle *o, struct tc_finding *f, const struct tc_point *at, enum tc_kind kind,
                     enum tc_phase phase, uint16_t signer)
{
    const uint8_t column = column_of(o, kind, phase);
    const struct tc_value value = value_of(at->digest);
    struct tc_slot *slot = slot_of(o, at);
    const int index = slot && column != TC_NO_COLUMN ? tc_votes_value(slot, &value) : -1;
    return index >= 0 && tc_finding_vote(f, o->env, slot, column, (uint8_t)index, signer) &&
           f->evidence[f->evidence_count - 1].signature_valid;
}

/* Reports against a correct replica what it said itself; keeps for accountability whatever is proven. */
static void conclude(const struct tc_oracle *o, const struct tc_finding *f, uint16_t signer, bool spoken, bool proven)
{
    if (proven)
        tc_proofs_add(o->env->proofs, signer, f);
    if (spoken && tc_oracle_judges(o->env, signer))
        o->env->report(o->env->judge, f);
}

/* ---- chains: a vote against the lock ---- */

static void breach_vote(struct tc_oracle *o, uint16_t signer, bool spoken, const struct tc_block *block,
                        const struct lock *lock, uint64_t now_ns)
{
    const uint16_t leader = tc_protocol_leader(o->env->protocol, &o->env->protocol_env, block->at.view);
    const struct tc_value voted = value_of(block->at.digest);
    const struct tc_value locked = value_of(lock->at.digest);
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_lock, now_ns);
    tc_nodeset_add(&f.suspects, signer);
    f.has_view = f.has_sequence = true;
    f.view = block->at.view;
    f.sequence = block->at.sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, signer);
    tc_text_add(&t, " voted for ");
    tc_text_value(&t, &voted);
    tc_text_add(&t, " of view %" PRIu64 ", which does not extend ", block->at.view);
    tc_text_value(&t, &locked);
    tc_text_add(&t, " of view %" PRIu64 ", on which its vote of view %" PRIu64 " locks it", lock->at.view,
                lock->voted.view);
    t = tc_text_begin(f.because, sizeof f.because);
    tc_text_add(&t, "the certificate in the proposal is of view %" PRIu64 ", not above the lock's",
                block->justify_view);
    bool proven = add_vote(o, &f, &lock->voted, TC_KIND_VOTE, locking_phase(o), signer);
    proven &= add_vote(o, &f, &block->at, TC_KIND_VOTE, judged_phase(o), signer);
    if (!add_vote(o, &f, &block->at, TC_KIND_PROPOSE, judged_phase(o), leader))
        add_vote(o, &f, &block->at, TC_KIND_PROPOSE, TC_PHASE_NONE, leader);
    conclude(o, &f, signer, spoken, proven);
}

/* The highest lock that the signer's votes of earlier views imply. */
static const struct lock *lock_before(const struct replica *r, uint64_t view, bool spoken_only)
{
    const uint32_t count = r->count < LOCKS_MAX ? r->count : LOCKS_MAX;
    const struct lock *best = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct lock *lock = &r->locks[i];
        if (lock->voted.view < view && (lock->spoken || !spoken_only) && (!best || lock->at.view > best->at.view))
            best = lock;
    }
    return best;
}

static void judge_vote(struct tc_oracle *o, uint16_t signer, bool spoken, const struct tc_point *at, uint64_t now_ns)
{
    const struct tc_block *block = tc_chain_find(o->chain, at->digest);
    const bool correct = tc_oracle_judges(o->env, signer);
    if (!block) {
        o->unjudged += spoken && correct;
        return;
    }
    o->judged += spoken && correct;
    const struct lock *lock = lock_before(&o->replicas[signer], at->view, spoken && correct);
    if (!lock || block->justify_view > lock->at.view)
        return;
    const int extends = tc_chain_extends(o->chain, at->digest, &lock->at);
    if (extends == 0)
        breach_vote(o, signer, spoken, block, lock, now_ns);
    else if (extends < 0 && spoken && correct)
        o->unjudged++;
}

static void note_lock(struct tc_oracle *o, uint16_t signer, bool spoken, const struct tc_point *at)
{
    struct replica *r = &o->replicas[signer];
    struct lock lock = {.at = *at, .voted = *at, .spoken = spoken};
    if (o->rule == TC_LOCK_TWO_CHAIN) {
        const struct tc_block *block = tc_chain_find(o->chain, at->digest);
        const struct tc_block *one = block ? tc_chain_find(o->chain, block->parent) : NULL;
        const struct tc_block *zero = one ? tc_chain_find(o->chain, one->parent) : NULL;
        if (!zero)
            return;
        lock.at = zero->at;
    }
    o->locks += spoken && tc_oracle_judges(o->env, signer);
    struct lock *last = r->count > 0 ? &r->locks[(r->count - 1) % LOCKS_MAX] : NULL;
    if (last && last->voted.view == at->view && memcmp(last->voted.digest, at->digest, TC_VALUE_SIZE) == 0)
        last->spoken |= spoken; /* met in another's message first */
    else
        r->locks[r->count++ % LOCKS_MAX] = lock;
}

static void take_votes(struct tc_oracle *o, uint64_t now_ns)
{
    size_t count;
    const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
    for (size_t i = 0; i < count; i++) {
        const struct tc_vote *vote = &votes[i];
        if (tc_votes_column_kind(o->env->votes, vote->column) != TC_KIND_VOTE ||
            !(vote->flags & (TC_VOTE_NEW | TC_VOTE_SPOKEN)) || vote->slot->values[vote->value].state != TC_VALUE_BYTES)
            continue;
        const enum tc_phase phase = tc_votes_column_phase(o->env->votes, vote->column);
        const bool spoken = vote->flags & TC_VOTE_SPOKEN;
        struct tc_point at = {.view = vote->slot->view, .sequence = vote->slot->sequence};
        memcpy(at.digest, vote->slot->values[vote->value].bytes, TC_VALUE_SIZE);
        if (phase == judged_phase(o))
            judge_vote(o, vote->signer, spoken, &at, now_ns);
        if (phase == locking_phase(o))
            note_lock(o, vote->signer, spoken, &at);
    }
}

/* ---- PBFT: a view change that leaves out what its signer committed ---- */

/* Up to where a checkpoint in the view change covers. */
static uint64_t covered(const struct tc_message *m, uint32_t index)
{
    uint64_t most = 0;
    for (uint32_t i = index + 1; i < m->statement_count; i++)
        if (m->statements[i].parent == index && m->statements[i].kind == TC_KIND_CHECKPOINT &&
            m->statements[i].sequence > most)
            most = m->statements[i].sequence;
    return most;
}

static bool carries(const struct tc_message *m, uint32_t index, uint64_t sequence, uint64_t view)
{
    for (uint32_t i = index + 1; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->parent == index && s->kind == TC_KIND_CERTIFICATE && s->sequence == sequence && s->view >= view)
            return true;
    }
    return false;
}

/* false: the vote was not its signer's after all. */
static bool breach_change(struct tc_oracle *o, const struct tc_observation *observation, uint32_t index, bool spoken,
                          struct tc_slot *slot, uint8_t column, uint8_t value)
{
    const struct tc_message *m = observation->message.message;
    const struct tc_statement *s = &m->statements[index];
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_lock, observation->time_ns);
    tc_nodeset_add(&f.suspects, s->signer);
    f.has_view = f.has_sequence = true;
    f.view = s->view;
    f.sequence = slot->sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "the view change of ");
    tc_text_who(&t, s->signer);
    tc_text_add(&t, " to view %" PRIu64 " leaves out sequence ", s->view);
    tc_text_number(&t, slot->sequence);
    tc_text_add(&t, ", for which it had said a %s in view %" PRIu64, tc_votes_column_name(o->env->votes, column),
                slot->view);
    bool proven = tc_finding_vote(&f, o->env, slot, column, value, s->signer) && f.evidence[0].signature_valid;
    const bool valid = tc_votes_check(o->env->votes, s) == 0;
    t = tc_finding_message(&f, observation->time_ns, m->from, m->to, s->signer, m->frame, valid);
    tc_finding_describe(&t, o->env, s, index == 0 ? m->type : "view-change");
    conclude(o, &f, s->signer, spoken, proven && valid);
    return spoken || proven;
}

static void judge_change(struct tc_oracle *o, const struct tc_observation *observation, uint32_t index)
{
    const struct tc_message *m = observation->message.message;
    const struct tc_statement *s = &m->statements[index];
    if (s->signer >= o->env->protocol_env.cluster->n)
        return;
    const bool spoken = index == 0 && observation->message.said && !m->touched && m->from == s->signer;
    struct replica *signer = &o->replicas[s->signer];
    const uint64_t message = index == 0 ? tc_random_fold(tc_message_fold(m), 1 + spoken) : 0;
    if (message != 0 && signer->last_message == message) /* said to everybody */
        return;
    const uint64_t hash = tc_random_fold_bytes(1 + spoken, s->body);
    if (signer->last_change == hash)
        return;
    signer->last_change = hash;
    signer->last_message = message;
    o->judged += spoken && tc_oracle_judges(o->env, s->signer);
    const uint64_t low = covered(m, index);
    const uint8_t column = column_of(o, TC_KIND_VOTE, TC_PHASE_COMMIT);
    struct tc_slot *slot;
    for (uint32_t i = 0; column != TC_NO_COLUMN && (slot = tc_votes_slot_at(o->env->votes, i)) != NULL; i++) {
        if (!slot->by_view || slot->view >= s->view || slot->sequence <= low)
            continue;
        for (uint8_t value = 0; value < slot->value_count; value++) {
            const bool said = tc_votes_spoken(o->env->votes, slot, column, value, s->signer);
            const bool known = said || tc_votes_knows(o->env->votes, slot, column, value, s->signer);
            if (!known || (spoken && !said) || carries(m, index, slot->sequence, slot->view))
                continue;
            if (breach_change(o, observation, index, spoken, slot, column, value))
                return; /* one omission says it */
        }
    }
}

static void take_changes(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (m->statements[0].kind == TC_KIND_VOTE) { /* nearly all there is */
        size_t count;
        const struct tc_vote *votes = tc_votes_current(o->env->votes, &count);
        o->locks += count > 0 && (votes[0].flags & TC_VOTE_SPOKEN) && m->statements[0].phase == TC_PHASE_COMMIT;
        return;
    }
    for (uint32_t i = 0; i < m->statement_count; i++)
        if (m->statements[i].kind == TC_KIND_VIEW_CHANGE)
            judge_change(o, observation, i);
}

/* ---- the oracle ---- */

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    if (m->statement_count == 0 || o->rule == TC_LOCK_NONE)
        return;
    if (o->rule == TC_LOCK_CARRIED) {
        take_changes(o, observation);
        return;
    }
    if (m->statements[0].kind == TC_KIND_PROPOSE)
        tc_chain_learn(o->chain, m);
    take_votes(o, observation->time_ns);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    const char *what = o->rule == TC_LOCK_CARRIED ? "view change" : "vote";
    result->status = TC_HOLDS;
    result->compared = o->locks;
    snprintf(result->unit, sizeof result->unit, "locks");
    if (o->rule == TC_LOCK_NONE || !o->env->has_messages) {
        tc_oracle_not_judged(result, o->rule == TC_LOCK_NONE ? "the protocol states no rule of locks"
                                                             : "messages are not seen");
        result->foreign = o->rule == TC_LOCK_NONE;
        return;
    }
    if (o->judged == 0 && o->locks > 0 && o->unjudged == 0) {
        char why[96];
        struct tc_text t = tc_text_begin(why, sizeof why);
        tc_text_add(&t, "no %s put the ", what);
        tc_text_number(&t, o->locks);
        tc_text_add(&t, " lock%s to the test", o->locks == 1 ? "" : "s");
        tc_oracle_not_judged(result, why);
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->judged);
    tc_text_add(&t, " %s%s judged by ", what, o->judged == 1 ? "" : "s");
    tc_text_number(&t, o->locks);
    tc_text_add(&t, " lock%s", o->locks == 1 ? "" : "s");
    if (o->unjudged)
        tc_text_add(&t, ", %" PRIu64 " %ss not (their block or its ancestors are not known)", o->unjudged, what);
}

const struct tc_oracle_class tc_oracle_lock = {
    .name = "lock",
    .summary = "no correct replica votes against what its own votes locked it on",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE),
    .kinds =
        TC_KIND_BIT(TC_KIND_PROPOSE) | TC_KIND_BIT(TC_KIND_VOTE) | TC_KIND_BIT(TC_KIND_VIEW_CHANGE) | TC_WANT_SPOKEN,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .wants = wants,
    .observe = observe,
    .finish = finish,
    .release = release,
};
