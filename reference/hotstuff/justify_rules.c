/* The rules of HotStuff for what a replica says (PODC'19, algorithms 1 to 3). */
#include "justify_parts.h"
#include <stdio.h>
#include <string.h>

#define SECTION "PODC'19 §4, §5"

void tc_hotstuff_justify_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *rule,
                                const char *verb, const struct justify_point *at, const char *what)
{
    struct tc_breach b = {.replica = replica,
                          .rule = rule,
                          .section = SECTION,
                          .message = m,
                          .statement = m ? &m->statements[0] : NULL,
                          .support = &j->support};
    snprintf(b.text, sizeof b.text, "replica %u %s block %02x%02x%02x%02x… of view %llu, height %llu, %s",
             (unsigned)replica, verb, at->digest[0], at->digest[1], at->digest[2], at->digest[3],
             (unsigned long long)at->view, (unsigned long long)at->sequence, what);
    j->sink(j->self, &b);
}

static void vote_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *rule,
                        const struct justify_point *at, const char *what)
{
    tc_hotstuff_justify_breach(j, replica, m, rule, "voted for", at, what);
}

bool tc_hotstuff_justify_knows(struct tc_justifier *j, uint16_t replica, uint32_t type, const struct justify_point *at)
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

/* ---- what its votes bind it to ---- */

/* The lock that a vote leaves behind, and the certificate that whoever says it knows. */
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

/* ---- votes ---- */

/* A vote for a proposal. */
static void judge_first(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                        const struct justify_point *at)
{
    const struct justify_block *block = tc_hotstuff_justify_block(j, at->digest);
    const bool leads = justify_leader(j, at->view) == replica;
    /* A leader's vote for its own block may be seen before the block: they go on different links. */
    if (justify_is_early(j, at->view) || (!block && (leads || at->view <= j->blocks_gone))) {
        j->unjudged++;
        j->late += justify_is_early(j, at->view);
        return;
    }
    j->judged++;
    if (!block || (!leads && !justify_has(&block->offered, replica))) {
        if (block && justify_has(&block->refused, replica))
            vote_breach(j, replica, m, "vote-for-unjustified", at,
                        "whose proposal carries no good certificate of its parent, or skips views that no quorum left");
        else
            vote_breach(j, replica, m, "vote-without-proposal", at, "which the leader did not propose to it");
        return;
    }
    const struct justify_point *lock = lock_before(j, replica, at->view);
    if (!lock || block->justify_view > lock->view)
        return;
    const int extends = tc_hotstuff_justify_extends(j, at->digest, lock);
    if (extends == 0)
        vote_breach(j, replica, m, "vote-against-lock", at,
                    "which neither extends its lock nor is justified by a later view");
    else if (extends < 0)
        j->unjudged++;
}

static void judge_later(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, uint32_t type,
                        const struct justify_point *at)
{
    if (tc_hotstuff_justify_knows(j, replica, type - 1, at)) {
        j->judged++;
    } else if (justify_is_early(j, at->view) || at->view <= j->ballots_gone) {
        j->unjudged++;
        j->late += justify_is_early(j, at->view);
    } else {
        j->judged++;
        vote_breach(j, replica, m, "vote-without-certificate", at, "without a certificate of the phase before");
    }
}

/* A connection keeps order: whoever asked for a later view on it votes no more in this one. Of two connections nobody
 * knows which was dialled first: bytes of an earlier life may come on one that came up late. */
static void judge_order(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                        const struct justify_point *at)
{
    const struct justify_link *link = m->to < j->n ? &j->replicas[replica].links[m->to] : NULL;
    if (link && m->conn == link->conn && at->view < link->asked)
        vote_breach(j, replica, m, "vote-after-timeout", at, "after it had asked the same peer for a later view");
}

static uint32_t phase_of(uint32_t type)
{
    return type == HOTSTUFF__TYPE__GENERIC_VOTE ? 3 : type - HOTSTUFF__TYPE__PREPARE_VOTE;
}

/* Where its vote of this phase and view is remembered. */
static struct justify_vote *vote_at(struct justify_replica *r, uint32_t phase, uint64_t view)
{
    const uint32_t place = view % JUSTIFY_VOTES;
    while (r->votes_begun[phase] <= place)
        r->votes[phase][r->votes_begun[phase]++] = (struct justify_vote){0};
    return &r->votes[phase][place];
}

/* false: it voted so before, and that was judged then. */
static bool note_vote(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, uint32_t type,
                      const struct justify_point *at)
{
    struct justify_vote *vote = vote_at(&j->replicas[replica], phase_of(type), at->view);
    if (vote->view == at->view && justify_same(vote->digest, at->digest))
        return false;
    if (vote->view == at->view)
        vote_breach(j, replica, m, "two-votes", at, "after a vote for another block of that view and phase");
    if (vote->view > at->view) { /* long ago */
        j->unjudged++;
        return false;
    }
    vote->view = at->view;
    memcpy(vote->digest, at->digest, TC_VALUE_SIZE);
    return true;
}

void tc_hotstuff_justify_vote(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    struct justify_point at;
    const struct tc_statement *s = &m->statements[0];
    if (!justify_point_of(s, &at))
        return;
    const uint32_t type = j->table->rows[s->type].wire_type;
    struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, type, &at, true);
    justify_add(&ballot->said, replica);
    if (!note_vote(j, replica, m, type, &at))
        return;
    judge_order(j, replica, m, &at);
    if (type == HOTSTUFF__TYPE__PREPARE_VOTE || type == HOTSTUFF__TYPE__GENERIC_VOTE)
        judge_first(j, replica, m, &at);
    else
        judge_later(j, replica, m, type, &at);
    note_lock(j, replica, type, &at);
}

/* ---- proposals, announcements, new-view messages ---- */

static struct justify_told *told_of(struct tc_justifier *j, uint16_t hearer, uint16_t speaker, uint64_t view)
{
    return &j->told[((size_t)hearer * j->n + speaker) * JUSTIFY_NEW_VIEWS + view % JUSTIFY_NEW_VIEWS];
}

void tc_hotstuff_justify_told(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s)
{
    const Hotstuff__NewView *body = s->fields.base;
    if (!j->told || s->signer >= j->n || body->view == 0)
        return;
    struct justify_told *told = told_of(j, replica, s->signer, body->view);
    const uint64_t certified = body->justify ? body->justify->view : 0;
    if (told->view == body->view) {
        told->lowest = certified < told->lowest ? certified : told->lowest;
        return;
    }
    if (told->view < body->view)
        *told = (struct justify_told){.view = body->view, .lowest = certified};
}

/* Basic: a leader proposes on the highest certificate among the new-view messages of a quorum (algorithm 2). It chooses
 * the quorum, counts itself, and may not have read all that was offered to it: only if fewer than a quorum could have
 * shown it nothing higher is it wrong. What is offered later makes that no truer, so no order is relied on. */
static void judge_choice(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                         const struct justify_point *at)
{
    const struct justify_replica *r = &j->replicas[replica];
    const Hotstuff__Proposal *body = m->statements[0].fields.base;
    const uint64_t certified = body->justify ? body->justify->view : 0;
    uint32_t low = 1;
    if (!j->told || certified + 1 == at->view)
        return;
    if (j->first_view > 2 || r->first_said == 0 || at->view <= r->first_said + 2) {
        j->unjudged++;
        j->late += j->first_view > 2;
        return;
    }
    for (uint16_t i = 0; i < j->n; i++) {
        const struct justify_told *told = told_of(j, replica, i, at->view);
        const bool forgotten = told->view > at->view; /* it may have shown anything */
        low += i != replica && (forgotten || (told->view == at->view && told->lowest <= certified));
    }
    if (low < j->quorum)
        tc_hotstuff_justify_breach(j, replica, m, "proposal-below-new-views", "proposed", at,
                                   "though a higher certificate than its justification was in the new-view messages "
                                   "of every quorum that it could have heard");
}

void tc_hotstuff_justify_proposal(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    struct justify_point at;
    if (!justify_point_of(&m->statements[0], &at))
        return;
    const char *why = tc_hotstuff_justify_carried(j, m);
    j->judged++;
    if (justify_leader(j, at.view) != replica)
        tc_hotstuff_justify_breach(j, replica, m, "proposal-by-backup", "proposed", &at,
                                   "a view that it does not lead");
    else if (why)
        tc_hotstuff_justify_breach(j, replica, m, "proposal-unjustified",
                                   j->table->rows[m->statements[0].type].phase == TC_PHASE_PREPARE || j->chained
                                       ? "proposed"
                                       : "announced a certificate of",
                                   &at, why);
    else if (justify_is_block(&m->statements[0]))
        judge_choice(j, replica, m, &at);
}

static void new_view_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *why)
{
    struct tc_breach b = {.replica = replica,
                          .rule = "new-view-unjustified",
                          .section = SECTION,
                          .message = m,
                          .statement = &m->statements[0],
                          .support = &j->support};
    snprintf(b.text, sizeof b.text, "replica %u said a new-view message for view %llu, but %s", (unsigned)replica,
             (unsigned long long)m->statements[0].view, why);
    j->sink(j->self, &b);
}

void tc_hotstuff_justify_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const Hotstuff__NewView *body = s->fields.base;
    const char *why = tc_hotstuff_justify_carried(j, m);
    j->judged++;
    if (why)
        new_view_breach(j, replica, m, why);
    if (m->to >= j->n || body->share.len == 0)
        return;
    struct justify_link *link = &j->replicas[replica].links[m->to];
    if (m->conn != link->conn || s->view > link->asked)
        link->asked = s->view;
    link->conn = m->conn;
}
