/* Could this replica say this, by the rules (Yin et al., PODC'19, algorithms 1 to 3)? Written from the paper's rules,
 * apart from the replica's code, and generous about what a replica knows:
 *
 *  - one vote of each phase in a view, for one block, and none after it asked for a later view;
 *  - a first vote only for a block that the leader of the view proposed to it, with the certificate of its parent, and
 *    where that is not of the view before, with a timeout certificate for the view;
 *  - and only if that block extends what the replica is locked on, or its justification is of a later view. The lock is
 *    the one that its own earlier votes imply: basic, a commit vote; chained, a vote locks its block's grandparent;
 *  - a later phase's vote only with the certificate of the phase before;
 *  - proposals, announcements and new-view messages carry what they must, and good certificates only;
 *  - basic: a leader proposes on the highest certificate among the new-view messages of a quorum. It is wrong only if
 *    every quorum that it could have heard holds a higher one. Chained this is not judged: there a leader may come into
 *    its view by a timeout certificate that another one made, without having heard those whose shares are in it;
 *  - execution only of blocks at or under one that is decided: basic, by a certificate of commit votes; chained, by
 *    three certified blocks over consecutive views.
 *
 * A certificate is known to whom one was offered, and to whom votes enough were offered to make it, its own included.
 */
#include "justify_parts.h"
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void destroy(struct tc_justifier *j)
{
    if (!j)
        return;
    free(j->blocks);
    free(j->ballots);
    free(j->replicas);
    free(j->told);
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
    j->block_buckets = j->ballot_buckets = JUSTIFY_BUCKETS_FIRST;
    j->blocks = calloc((size_t)j->block_buckets * JUSTIFY_WAYS, sizeof *j->blocks);
    j->ballots = calloc((size_t)j->ballot_buckets * JUSTIFY_WAYS, j->ballot_size);
    j->replicas = malloc(j->n * sizeof *j->replicas);
    for (uint32_t i = 0; j->replicas && i < j->n; i++)
        memset(&j->replicas[i], 0, offsetof(struct justify_replica, votes));
    if (!chained)
        j->told = calloc((size_t)j->n * j->n * JUSTIFY_NEW_VIEWS, sizeof *j->told);
    tc_arena_init(&j->arena, 16u << 20);
    if (j->blocks && j->ballots && j->replicas && (chained || j->told))
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

/* ---- what a replica says ---- */

static void note_start(struct tc_justifier *j, const struct tc_message *m, bool said)
{
    const struct tc_statement *s = &m->statements[0];
    if (!s->has_view || s->kind == TC_KIND_REPLY)
        return;
    if (said && j->replicas[m->from].first_said == 0)
        j->replicas[m->from].first_said = s->view;
    if (j->started)
        return;
    j->started = true;
    j->first_view = s->view;
}

static void learn_block(struct tc_justifier *j, const struct tc_message *m, const struct tc_statement *s)
{
    struct justify_point at;
    uint8_t digest[TC_VALUE_SIZE];
    const Hotstuff__Proposal *body = s->fields.base;
    if (!justify_is_block(s) || !justify_point_of(s, &at) || body->parent.len != TC_VALUE_SIZE ||
        tc_hotstuff_justify_block(j, at.digest))
        return;
    tc_arena_reset(&j->arena);
    if (tc_hotstuff_envelope_digest(m->envelope.base, at.view, at.sequence, body->parent.data, &j->arena, digest) !=
            0 ||
        !justify_same(digest, at.digest))
        return;
    struct justify_block *block = tc_hotstuff_justify_block_put(j, &at);
    memcpy(block->parent, body->parent.data, TC_VALUE_SIZE);
}

/* The block that a message proposes with all that it must carry; its parent's view is known from then on. */
static struct justify_block *justified_block(struct tc_justifier *j, const struct tc_message *m)
{
    struct justify_block *block = tc_hotstuff_justify_block(j, m->statements[0].value.bytes);
    const Hotstuff__Proposal *body = m->statements[0].fields.base;
    if (block && !tc_hotstuff_justify_carried(j, m))
        block->justify_view = body->justify ? body->justify->view : 0;
    return block;
}

static void said(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    if (replica >= j->n || m->statement_count == 0 || m->sender != replica)
        return;
    const struct tc_statement *s = &m->statements[0];
    note_start(j, m, true);
    if (s->kind == TC_KIND_PROPOSE) {
        learn_block(j, m, s);
        if (justify_is_block(s))
            (void)justified_block(j, m);
        tc_hotstuff_justify_proposal(j, replica, m);
    } else if (s->fields.descriptor == (const void *)&hotstuff__new_view__descriptor) {
        tc_hotstuff_justify_new_view(j, replica, m);
    } else if (s->kind == TC_KIND_VOTE) {
        tc_hotstuff_justify_vote(j, replica, m);
    }
}

/* ---- what a replica is offered ---- */

static void add_target(struct tc_justifier *j, uint16_t replica, const struct justify_point *at)
{
    struct justify_replica *r = &j->replicas[replica];
    struct justify_point *lowest = &r->targets[0];
    for (uint32_t i = 0; i < r->target_count; i++) {
        if (justify_same(r->targets[i].digest, at->digest))
            return;
        if (r->targets[i].sequence < lowest->sequence)
            lowest = &r->targets[i];
    }
    if (r->target_count < JUSTIFY_TARGETS) {
        r->targets[r->target_count++] = *at;
        return;
    }
    const bool older = at->sequence < lowest->sequence;
    const uint64_t gone = older ? at->sequence : lowest->sequence;
    if (gone > r->targets_gone)
        r->targets_gone = gone;
    if (!older)
        *lowest = *at;
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

static void heard_certificate(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, uint32_t index)
{
    struct justify_point at;
    const struct tc_statement *s = &m->statements[index];
    const Hotstuff__Certificate *certificate = s->fields.base;
    if (!justify_point_of(s, &at) || !tc_hotstuff_is_vote(certificate->type))
        return;
    struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, certificate->type, &at, true);
    if (justify_has(&ballot->certified, replica) || !tc_hotstuff_justify_certificate(j, m, index))
        return;
    justify_add(&ballot->certified, replica);
    certified(j, replica, certificate->type, &at);
}

static void heard_vote(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s, bool trusted)
{
    struct justify_point at;
    if (s->signer >= j->n || !justify_point_of(s, &at))
        return;
    if (!trusted && tc_hotstuff_message_verify(j->table, &j->env, s) != 0)
        return;
    const uint32_t type = j->table->rows[s->type].wire_type;
    struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, type, &at, true);
    justify_add(&ballot->votes[replica], s->signer);
    if (tc_hotstuff_justify_knows(j, replica, type, &at))
        certified(j, replica, type, &at);
}

static void heard_proposal(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted)
{
    const struct tc_statement *s = &m->statements[0];
    if (!justify_is_block(s) || s->signer != justify_leader(j, s->view))
        return;
    if (!trusted && tc_hotstuff_message_verify(j->table, &j->env, s) != 0)
        return;
    learn_block(j, m, s);
    struct justify_block *block = justified_block(j, m);
    if (block)
        justify_add(tc_hotstuff_justify_carried(j, m) ? &block->refused : &block->offered, replica);
}

/* What its signature does not cover, no replica takes either. */
static void heard_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s, bool trusted)
{
    const int verified = trusted || !j->told ? 0 : tc_hotstuff_message_verify(j->table, &j->env, s);
    if (verified == 0 || verified == TC_EKEY)
        tc_hotstuff_justify_told(j, replica, s);
}

static void heard(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted)
{
    if (replica >= j->n || m->statement_count == 0)
        return;
    note_start(j, m, false);
    if (m->statements[0].kind == TC_KIND_PROPOSE)
        heard_proposal(j, replica, m, trusted);
    else if (m->statements[0].fields.descriptor == (const void *)&hotstuff__new_view__descriptor)
        heard_new_view(j, replica, &m->statements[0], trusted);
    for (uint32_t i = 0; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->kind == TC_KIND_CERTIFICATE && s->parent == 0)
            heard_certificate(j, replica, m, i);
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
    for (uint32_t i = 0; i < r->target_count; i++) {
        const int extends = tc_hotstuff_justify_extends(j, r->targets[i].digest, &at);
        if (extends > 0) {
            j->judged++;
            return;
        }
        unknown |= extends < 0;
    }
    if (unknown || justify_is_early(j, at.view) || at.sequence <= r->targets_gone || at.view <= j->ballots_gone ||
        at.view <= j->blocks_gone || !tc_hotstuff_justify_block(j, at.digest)) {
        j->unjudged++;
        j->late += justify_is_early(j, at.view);
        return;
    }
    j->judged++;
    tc_hotstuff_justify_breach(j, observation->node, NULL, "execution-without-commit", "executed", &at,
                               j->chained ? "which no three certified blocks of consecutive views commit"
                                          : "for which it had no certificate of commit votes");
}

static void counts(const struct tc_justifier *j, uint64_t *judged, uint64_t *unjudged, uint64_t *late)
{
    *judged = j->judged;
    *unjudged = j->unjudged;
    *late = j->late;
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
