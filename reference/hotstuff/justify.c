/* Could this replica say this, by the rules (Yin et al., PODC'19, algorithms 1 to 3)? Written from the paper's rules,
 * apart from the replica's code, and generous about what a replica knows:
 *
 *  - one vote of each phase in a view, for one block;
 *  - a first vote only for a block that the leader of the view proposed to it;
 *  - and only if that block extends what the replica is locked on, or its justification is of a later view. The lock is
 *    the one that its own earlier votes imply: basic, a commit vote; chained, a vote locks its block's grandparent;
 *  - a later phase's vote only with the certificate of the phase before;
 *  - execution only of blocks at or under one that is decided: basic, by a certificate of commit votes; chained, by
 *    three certified blocks over consecutive views.
 *
 * A certificate is known to whom one was offered, and to whom votes enough were offered to make it, its own included.
 */
#include "justify_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION "PODC'19 §4, §5"

/* ---- life ---- */

static void destroy(struct tc_justifier *j)
{
    if (!j)
        return;
    free(j->blocks);
    free(j->ballots);
    free(j->replicas);
    tc_arena_free(&j->arena);
    free(j);
}

static struct tc_justifier *create(const struct tc_protocol_env *env, tc_breach_fn *sink, void *self, bool chained)
{
    struct tc_justifier *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->env = *env;
    j->sink = sink;
    j->self = self;
    j->chained = chained;
    j->table = chained ? &tc_hotstuff_chained_table : &tc_hotstuff_basic_table;
    j->n = env->cluster->n;
    j->quorum = tc_protocol_quorum(chained ? &tc_chained_hotstuff : &tc_hotstuff, env->cluster);
    j->ballot_size = (sizeof(struct justify_ballot) + j->n * sizeof(struct justify_set) + 15) & ~(size_t)15;
    j->blocks = calloc((size_t)JUSTIFY_BUCKETS * JUSTIFY_WAYS, sizeof *j->blocks);
    j->ballots = calloc((size_t)JUSTIFY_BUCKETS * JUSTIFY_WAYS, j->ballot_size);
    j->replicas = calloc(j->n, sizeof *j->replicas);
    tc_arena_init(&j->arena, 16u << 20);
    if (j->blocks && j->ballots && j->replicas)
        return j;
    destroy(j);
    return NULL;
}

static struct tc_justifier *create_basic(const struct tc_protocol_env *env, tc_breach_fn *sink, void *self)
{
    return create(env, sink, self, false);
}

static struct tc_justifier *create_chained(const struct tc_protocol_env *env, tc_breach_fn *sink, void *self)
{
    return create(env, sink, self, true);
}

/* ---- verdicts ---- */

static void breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *rule,
                   const struct justify_point *at, const char *what)
{
    struct tc_breach b = {.replica = replica,
                          .rule = rule,
                          .section = SECTION,
                          .message = m,
                          .statement = m ? &m->statements[0] : NULL,
                          .support = &j->support};
    snprintf(b.text, sizeof b.text, "replica %u %s block %02x%02x%02x%02x… of view %llu, height %llu, %s",
             (unsigned)replica, m ? "voted for" : "executed", at->digest[0], at->digest[1], at->digest[2],
             at->digest[3], (unsigned long long)at->view, (unsigned long long)at->sequence, what);
    j->sink(j->self, &b);
}

static bool point_of(const struct tc_statement *s, struct justify_point *at)
{
    if (!s->has_view || !s->has_sequence || s->value.state != TC_VALUE_BYTES)
        return false;
    at->view = s->view;
    at->sequence = s->sequence;
    memcpy(at->digest, s->value.bytes, TC_VALUE_SIZE);
    return true;
}

static uint32_t phase_of(uint32_t type)
{
    return type == HOTSTUFF__TYPE__GENERIC_VOTE ? 3 : type - HOTSTUFF__TYPE__PREPARE_VOTE;
}

/* Could it know a certificate of these votes? */
static bool knows(struct tc_justifier *j, uint16_t replica, uint32_t type, const struct justify_point *at)
{
    const struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, type, at, false);
    if (!ballot)
        return false;
    if (justify_has(&ballot->certified, replica))
        return true;
    struct justify_set heard = ballot->votes[replica];
    justify_add(&heard, replica);
    return justify_count(&heard) >= j->quorum;
}

/* ---- what a replica says ---- */

/* The lock that a vote leaves behind. */
static void note_lock(struct tc_justifier *j, uint16_t replica, uint32_t type, const struct justify_point *at)
{
    struct justify_replica *r = &j->replicas[replica];
    struct justify_lock lock = {.voted_view = at->view, .at = *at};
    if (type == HOTSTUFF__TYPE__GENERIC_VOTE) {
        const struct justify_block *block = tc_hotstuff_justify_block(j, at->digest);
        const struct justify_block *one = block ? tc_hotstuff_justify_block(j, block->parent) : NULL;
        const struct justify_block *zero = one ? tc_hotstuff_justify_block(j, one->parent) : NULL;
        if (!zero)
            return;
        lock.at = zero->at;
    } else if (type != HOTSTUFF__TYPE__COMMIT_VOTE) {
        return;
    }
    r->locks[r->lock_count++ % JUSTIFY_LOCKS] = lock;
}

/* The highest lock that its votes of earlier views imply. Only views order what it said: links may be of unequal speed.
 */
static const struct justify_point *lock_before(const struct tc_justifier *j, uint16_t replica, uint64_t view)
{
    const struct justify_replica *r = &j->replicas[replica];
    const uint32_t count = r->lock_count < JUSTIFY_LOCKS ? r->lock_count : JUSTIFY_LOCKS;
    const struct justify_point *best = NULL;
    for (uint32_t i = 0; i < count; i++)
        if (r->locks[i].voted_view < view && (!best || r->locks[i].at.view > best->view))
            best = &r->locks[i].at;
    return best;
}

/* Watching began in the middle of things: views 1 and 2 are the beginning. */
static bool is_early(const struct tc_justifier *j, const struct justify_point *at)
{
    return j->first_view > 2 && at->view <= j->first_view + 2;
}

static void note_start(struct tc_justifier *j, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    if (j->started || !s->has_view || s->kind == TC_KIND_REPLY)
        return;
    j->started = true;
    j->first_view = s->view;
}

/* A vote for a proposal. */
static void judge_first(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                        const struct justify_point *at)
{
    const struct justify_block *block = tc_hotstuff_justify_block(j, at->digest);
    const struct tc_protocol *protocol = j->chained ? &tc_chained_hotstuff : &tc_hotstuff;
    const bool leads = tc_protocol_leader(protocol, &j->env, at->view) == replica;
    /* A leader's vote for its own block may be seen before the block: they go on different links. */
    if (is_early(j, at) || (!block && (leads || at->view <= j->blocks_gone))) {
        j->unjudged++;
        return;
    }
    j->judged++;
    if (!block || (!leads && !justify_has(&block->offered, replica))) {
        breach(j, replica, m, "vote-without-proposal", at, "which the leader did not propose to it");
        return;
    }
    const struct justify_point *lock = lock_before(j, replica, at->view);
    if (!lock || block->justify_view > lock->view)
        return;
    const int extends = tc_hotstuff_justify_extends(j, at->digest, lock);
    if (extends == 0)
        breach(j, replica, m, "vote-against-lock", at,
               "which neither extends its lock nor is justified by a later view");
    else if (extends < 0)
        j->unjudged++;
}

static void judge_later(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, uint32_t type,
                        const struct justify_point *at)
{
    if (knows(j, replica, type - 1, at)) {
        j->judged++;
    } else if (is_early(j, at) || at->view <= j->ballots_gone) {
        j->unjudged++;
    } else {
        j->judged++;
        breach(j, replica, m, "vote-without-certificate", at, "without a certificate of the phase before");
    }
}

/* false: it voted so before, and that was judged then. */
static bool note_vote(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, uint32_t type,
                      const struct justify_point *at)
{
    struct justify_vote *vote = &j->replicas[replica].votes[phase_of(type)][at->view % JUSTIFY_VOTES];
    if (vote->view == at->view && justify_same(vote->digest, at->digest))
        return false;
    if (vote->view == at->view)
        breach(j, replica, m, "two-votes", at, "after a vote for another block of that view and phase");
    if (vote->view > at->view) { /* long ago */
        j->unjudged++;
        return false;
    }
    vote->view = at->view;
    memcpy(vote->digest, at->digest, TC_VALUE_SIZE);
    return true;
}

static void learn_block(struct tc_justifier *j, const struct tc_message *m, const struct tc_statement *s)
{
    struct justify_point at;
    uint8_t digest[TC_VALUE_SIZE];
    const Hotstuff__Proposal *body = s->fields.base;
    if (s->fields.descriptor != (const void *)&hotstuff__proposal__descriptor || !point_of(s, &at) ||
        body->parent.len != TC_VALUE_SIZE || tc_hotstuff_justify_block(j, at.digest))
        return;
    tc_arena_reset(&j->arena);
    if (tc_hotstuff_envelope_digest(m->envelope.base, at.view, at.sequence, body->parent.data, &j->arena, digest) !=
            0 ||
        !justify_same(digest, at.digest))
        return;
    struct justify_block *block = tc_hotstuff_justify_block_put(j, &at);
    memcpy(block->parent, body->parent.data, TC_VALUE_SIZE);
    block->justify_view = body->justify ? body->justify->view : 0;
}

static void said(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    struct justify_point at;
    if (replica >= j->n || m->statement_count == 0 || m->sender != replica)
        return;
    const struct tc_statement *s = &m->statements[0];
    note_start(j, m);
    if (s->kind == TC_KIND_PROPOSE)
        learn_block(j, m, s);
    if (s->kind != TC_KIND_VOTE || !point_of(s, &at))
        return;
    const uint32_t type = j->table->rows[s->type].wire_type;
    struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, type, &at, true);
    justify_add(&ballot->said, replica);
    if (!note_vote(j, replica, m, type, &at))
        return;
    if (type == HOTSTUFF__TYPE__PREPARE_VOTE || type == HOTSTUFF__TYPE__GENERIC_VOTE)
        judge_first(j, replica, m, &at);
    else
        judge_later(j, replica, m, type, &at);
    note_lock(j, replica, type, &at);
}

/* ---- what a replica is offered ---- */

static void add_target(struct tc_justifier *j, uint16_t replica, const struct justify_point *at)
{
    struct justify_replica *r = &j->replicas[replica];
    for (uint32_t i = 0; i < r->target_count && i < JUSTIFY_TARGETS; i++)
        if (justify_same(r->targets[i].digest, at->digest))
            return;
    r->targets[r->target_count++ % JUSTIFY_TARGETS] = *at;
}

/* Blocks that three in a row commit, from this certified one down; the highest is enough. */
static void chain_targets(struct tc_justifier *j, uint16_t replica, const struct justify_point *at)
{
    const struct justify_block *two = tc_hotstuff_justify_block(j, at->digest);
    for (uint32_t i = 0; two && i < 256; i++) {
        const struct justify_block *one = tc_hotstuff_justify_block(j, two->parent);
        const struct justify_block *zero = one ? tc_hotstuff_justify_block(j, one->parent) : NULL;
        if (!zero)
            return;
        if (zero->at.view + 1 == one->at.view && one->at.view + 1 == two->at.view) {
            add_target(j, replica, &zero->at);
            return;
        }
        two = one;
    }
}

static void certified(struct tc_justifier *j, uint16_t replica, uint32_t type, const struct justify_point *at)
{
    if (type == HOTSTUFF__TYPE__COMMIT_VOTE)
        add_target(j, replica, at);
    else if (type == HOTSTUFF__TYPE__GENERIC_VOTE)
        chain_targets(j, replica, at);
}

/* Is the certificate good? Whoever is correct passes on good ones only; what else there is, is counted here. */
static bool certificate_good(struct tc_justifier *j, const struct tc_message *m, uint32_t index,
                             const struct justify_ballot *ballot)
{
    struct justify_set good = {{0}};
    for (uint32_t i = index + 1; i < m->statement_count && m->statements[i].parent == index; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->kind != TC_KIND_VOTE || s->signer >= j->n || justify_has(&good, s->signer))
            continue;
        if (justify_has(&ballot->said, s->signer) || tc_hotstuff_message_verify(j->table, &j->env, s) == 0)
            justify_add(&good, s->signer);
    }
    return justify_count(&good) >= j->quorum;
}

static void heard_certificate(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, uint32_t index,
                              bool trusted)
{
    struct justify_point at;
    const struct tc_statement *s = &m->statements[index];
    const Hotstuff__Certificate *certificate = s->fields.base;
    if (!point_of(s, &at) || !tc_hotstuff_is_vote(certificate->type))
        return;
    struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, certificate->type, &at, true);
    if (justify_has(&ballot->certified, replica))
        return;
    if (!trusted && !certificate_good(j, m, index, ballot))
        return;
    justify_add(&ballot->certified, replica);
    certified(j, replica, certificate->type, &at);
}

static void heard_vote(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s, bool trusted)
{
    struct justify_point at;
    if (s->signer >= j->n || !point_of(s, &at))
        return;
    if (!trusted && tc_hotstuff_message_verify(j->table, &j->env, s) != 0)
        return;
    const uint32_t type = j->table->rows[s->type].wire_type;
    struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, type, &at, true);
    justify_add(&ballot->votes[replica], s->signer);
    if (knows(j, replica, type, &at))
        certified(j, replica, type, &at);
}

static void heard_proposal(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted)
{
    const struct tc_statement *s = &m->statements[0];
    const struct tc_protocol *protocol = j->chained ? &tc_chained_hotstuff : &tc_hotstuff;
    if (s->fields.descriptor != (const void *)&hotstuff__proposal__descriptor ||
        s->signer != tc_protocol_leader(protocol, &j->env, s->view))
        return;
    if (!trusted && tc_hotstuff_message_verify(j->table, &j->env, s) != 0)
        return;
    learn_block(j, m, s);
    struct justify_block *block = tc_hotstuff_justify_block(j, s->value.bytes);
    if (block)
        justify_add(&block->offered, replica);
}

static void heard(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted)
{
    if (replica >= j->n || m->statement_count == 0)
        return;
    note_start(j, m);
    if (m->statements[0].kind == TC_KIND_PROPOSE)
        heard_proposal(j, replica, m, trusted);
    for (uint32_t i = 0; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->kind == TC_KIND_CERTIFICATE && s->parent == 0)
            heard_certificate(j, replica, m, i, trusted);
        else if (s->kind == TC_KIND_VOTE && (i == 0 || s->parent == 0))
            heard_vote(j, replica, s, trusted);
    }
}

/* ---- what a replica did ---- */

static void observed(struct tc_justifier *j, const struct tc_observation *observation)
{
    struct justify_point at = {.sequence = 0};
    bool unknown = false;
    if (observation->kind != TC_OBS_EXECUTED || observation->node >= j->n ||
        observation->executed.origin != TC_EXEC_EXECUTED || observation->executed.value.state != TC_VALUE_BYTES)
        return;
    const struct justify_replica *r = &j->replicas[observation->node];
    at.view = observation->executed.view;
    at.sequence = observation->executed.sequence;
    memcpy(at.digest, observation->executed.value.bytes, TC_VALUE_SIZE);
    for (uint32_t i = 0; i < r->target_count && i < JUSTIFY_TARGETS; i++) {
        const int extends = tc_hotstuff_justify_extends(j, r->targets[i].digest, &at);
        if (extends > 0) {
            j->judged++;
            return;
        }
        unknown |= extends < 0;
    }
    if (unknown || is_early(j, &at) || r->target_count > JUSTIFY_TARGETS || at.view <= j->ballots_gone ||
        at.view <= j->blocks_gone || !tc_hotstuff_justify_block(j, at.digest)) {
        j->unjudged++;
        return;
    }
    j->judged++;
    breach(j, observation->node, NULL, "execution-without-commit", &at,
           j->chained ? "which no three certified blocks of consecutive views commit"
                      : "for which it had no certificate of commit votes");
}

static void counts(const struct tc_justifier *j, uint64_t *judged, uint64_t *unjudged)
{
    *judged = j->judged;
    *unjudged = j->unjudged;
}

const struct tc_justifier_ops tc_hotstuff_justifier = {
    .create = create_basic,
    .said = said,
    .heard = heard,
    .observed = observed,
    .counts = counts,
    .destroy = destroy,
};

const struct tc_justifier_ops tc_chained_hotstuff_justifier = {
    .create = create_chained,
    .said = said,
    .heard = heard,
    .observed = observed,
    .counts = counts,
    .destroy = destroy,
};
