/* What a message of HotStuff must carry, and whether that is good: a proposal the certificate of its parent, and of the
 * view before or else with a timeout certificate for its own view; an announcement the certificate of the votes before;
 * a new-view message good certificates only (PODC'19, algorithms 1 to 3). */
#include "../../proxy/random.h"
#include "justify_parts.h"
#include <string.h>

/* Genuine, as far as can be known: without the signer's key nobody is blamed. */
static bool is_genuine(const struct tc_justifier *j, const struct tc_statement *s)
{
    const int rc = tc_hotstuff_message_verify(j->table, &j->env, s);
    return rc == 0 || rc == TC_EKEY;
}

bool tc_hotstuff_justify_certificate(struct tc_justifier *j, const struct tc_message *m, uint32_t index)
{
    struct justify_set good = {{0}};
    struct justify_point at;
    const Hotstuff__Certificate *certificate = m->statements[index].fields.base;
    if (!justify_point_of(&m->statements[index], &at) || !tc_hotstuff_is_vote(certificate->type))
        return false;
    const struct justify_ballot *ballot = tc_hotstuff_justify_ballot(j, certificate->type, &at, false);
    for (uint32_t i = index + 1; i < m->statement_count && m->statements[i].parent == index; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->kind != TC_KIND_VOTE || s->signer >= j->n || justify_has(&good, s->signer))
            continue;
        if ((ballot && justify_has(&ballot->said, s->signer)) || is_genuine(j, s))
            justify_add(&good, s->signer);
    }
    return justify_count(&good) >= j->quorum;
}

/* A quorum asks for `view`: the index-th statement. */
static bool timeout_good(const struct tc_justifier *j, const struct tc_message *m, uint32_t index)
{
    struct justify_set good = {{0}};
    for (uint32_t i = index + 1; i < m->statement_count && m->statements[i].parent == index; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->signer < j->n && !justify_has(&good, s->signer) && is_genuine(j, s))
            justify_add(&good, s->signer);
    }
    return justify_count(&good) >= j->quorum;
}

static bool is_timeout(const struct tc_justifier *j, const struct tc_statement *s)
{
    return s->parent == 0 && j->table->rows[s->type].wire_type == TC_HOTSTUFF_TYPE_TIMEOUT_CERTIFICATE;
}

/* The certificate among the message's own statements, or 0. */
static uint32_t find_certificate(const struct tc_message *m)
{
    for (uint32_t i = 1; i < m->statement_count; i++)
        if (m->statements[i].kind == TC_KIND_CERTIFICATE && m->statements[i].parent == 0)
            return i;
    return 0;
}

static bool has_timeout(const struct tc_justifier *j, const struct tc_message *m, uint64_t view)
{
    for (uint32_t i = 1; i < m->statement_count; i++)
        if (is_timeout(j, &m->statements[i]) && m->statements[i].view == view)
            return timeout_good(j, m, i);
    return false;
}

static const char *check_proposal(struct tc_justifier *j, const struct tc_message *m)
{
    static const uint8_t genesis[TC_VALUE_SIZE];
    const struct tc_statement *s = &m->statements[0];
    const Hotstuff__Proposal *body = s->fields.base;
    const Hotstuff__Certificate *justify = body->justify;
    const bool from_genesis = !justify || (justify->view == 0 && justify->n_signers == 0);
    const uint32_t first = j->chained ? HOTSTUFF__TYPE__GENERIC_VOTE : HOTSTUFF__TYPE__PREPARE_VOTE;
    const uint8_t *parent = genesis;
    uint64_t view = 0, sequence = 0;
    if (!from_genesis) {
        if (justify->type != first || justify->digest.len != TC_VALUE_SIZE)
            return "its certificate is not one of first votes";
        parent = justify->digest.data;
        view = justify->view;
        sequence = justify->sequence;
    }
    if (body->parent.len != TC_VALUE_SIZE || !justify_same(body->parent.data, parent) ||
        body->sequence != sequence + 1 || body->view <= view)
        return "its certificate is not its parent's";
    if (!from_genesis && !tc_hotstuff_justify_certificate(j, m, find_certificate(m)))
        return "its certificate has no quorum of genuine votes of different replicas";
    if (view + 1 != body->view && !has_timeout(j, m, body->view))
        return "its certificate is not of the view before, and no quorum asked for its view";
    return NULL;
}

static const char *check_announcement(struct tc_justifier *j, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const uint32_t index = find_certificate(m);
    const uint32_t wanted =
        j->table->rows[s->type].wire_type - HOTSTUFF__TYPE__PRE_COMMIT + HOTSTUFF__TYPE__PREPARE_VOTE;
    if (index == 0 || ((const Hotstuff__Certificate *)m->statements[index].fields.base)->type != wanted)
        return "it carries no certificate of the votes of the phase before";
    const struct tc_statement *carried = &m->statements[index];
    if (carried->view != s->view || carried->sequence != s->sequence || carried->value.state != s->value.state ||
        !justify_same(carried->value.bytes, s->value.bytes))
        return "its certificate is another block's";
    return tc_hotstuff_justify_certificate(j, m, index)
               ? NULL
               : "its certificate has no quorum of genuine votes of different replicas";
}

static const char *check_new_view(struct tc_justifier *j, const struct tc_message *m)
{
    for (uint32_t i = 1; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->kind == TC_KIND_CERTIFICATE && s->parent == 0 && !tc_hotstuff_justify_certificate(j, m, i))
            return "a certificate in it has no quorum of genuine votes of different replicas";
        if (is_timeout(j, s) && !timeout_good(j, m, i))
            return "its timeout certificate has no quorum of genuine shares";
    }
    return NULL;
}

static const char *check(struct tc_justifier *j, const struct tc_message *m)
{
    const void *descriptor = m->statements[0].fields.descriptor;
    if (descriptor == (const void *)&hotstuff__proposal__descriptor)
        return check_proposal(j, m);
    if (descriptor == (const void *)&hotstuff__announcement__descriptor)
        return check_announcement(j, m);
    if (descriptor == (const void *)&hotstuff__new_view__descriptor)
        return check_new_view(j, m);
    return NULL;
}

const char *tc_hotstuff_justify_carried(struct tc_justifier *j, const struct tc_message *m)
{
    const struct tc_statement *s = &m->statements[0];
    const uint64_t key = tc_random_fold_bytes(s->type + UINT64_C(1), s->body) | 1;
    struct justify_carried *known = &j->carried[(key >> 8) & (JUSTIFY_CARRIED - 1)];
    if (known->key != key) {
        known->why = check(j, m);
        known->key = key;
    }
    return known->why;
}
