#include "certificate.h"

#include <inttypes.h>
#include <string.h>

#include "agreement.h"

/* The message whose certificates are counted. A new view is hundreds of statements with dozens of certificates: where
 * each statement stands right behind what it is part of (as decoders put them), a certificate ends where its parts do.
 */
struct counted {
    const struct tc_oracle_env *env;
    const struct tc_message *m;
    bool nested;
};

/* One certificate while it is being counted. */
struct count {
    const struct tc_oracle_env *env;
    struct tc_nodeset members; /* distinct members with a valid signature */
    bool undecided;
};

/* Is the statement signed by whom it names? What the signer said on its own link, bytes untouched, is his. */
static int statement_valid(struct count *count, const struct tc_statement *s)
{
    struct tc_votes *votes = count->env->votes;
    uint8_t column = tc_votes_column(votes, s);
    const struct tc_slot *slot = column == TC_NO_COLUMN ? NULL : tc_votes_slot(votes, s);
    int value = slot ? tc_votes_value(slot, &s->value) : -1;
    if (value >= 0 && s->signature.len > 0 && tc_votes_spoken(votes, slot, column, (uint8_t)value, s->signer))
        return 0;
    return tc_votes_check(votes, s);
}

static void count_member(struct count *count, const struct tc_statement *s)
{
    if (s->signer >= count->env->protocol_env.cluster->n || tc_nodeset_has(&count->members, s->signer))
        return;
    int status = statement_valid(count, s);
    if (status == 0)
        tc_nodeset_add(&count->members, s->signer);
    else if (status != TC_ESIGNATURE)
        count->undecided = true;
}

static uint32_t quorum_of(const struct tc_oracle_env *env)
{
    return tc_protocol_quorum(env->protocol, env->protocol_env.cluster);
}

/* Ends one certificate: true unless it is provably short of members. */
static bool enough(const struct count *count, const struct tc_statement *s, const char *name,
                   struct tc_certificate_flaw *flaw)
{
    uint32_t members = tc_nodeset_count(&count->members);
    uint32_t quorum = quorum_of(count->env);
    flaw->checked++;
    if (members >= quorum)
        return true;
    if (count->undecided) {
        flaw->undecided = true;
        return true;
    }
    flaw->what = *s;
    struct tc_text t = tc_text_begin(flaw->text, sizeof flaw->text);
    tc_text_add(&t, "%s", name);
    if (s->has_view)
        tc_text_add(&t, " of view %" PRIu64, s->view);
    if (s->has_sequence) {
        tc_text_add(&t, "%s sequence ", s->has_view ? "," : " of");
        tc_text_number(&t, s->sequence);
    }
    tc_text_add(&t, " has %" PRIu32 " distinct members with a valid signature (", members);
    tc_text_nodes(&t, &count->members);
    tc_text_add(&t, "), %" PRIu32 " are needed", quorum);
    return false;
}

static bool same_vote(const struct tc_statement *a, const struct tc_statement *b)
{
    return a->epoch == b->epoch && a->view == b->view && a->sequence == b->sequence &&
           tc_values_equal(&a->value, &b->value);
}

/* Does every statement stand right behind what it is part of, or behind another such part with all of its own? */
static bool is_nested(const struct tc_message *m)
{
    for (uint32_t i = 1; i < m->statement_count; i++) {
        const uint32_t parent = m->statements[i].parent;
        uint32_t at = i - 1;
        while (at > parent && at < i)
            at = m->statements[at].parent;
        if (at != parent)
            return false;
    }
    return true;
}

/* May statement i be part of statement `index` before it? */
static bool goes_on(const struct counted *c, uint32_t index, uint32_t i)
{
    return i < c->m->statement_count && !(c->nested && c->m->statements[i].parent < index);
}

/* A certificate object: the votes embedded in it, or if it shows none the signers it names under its own signature. */
static bool object_valid(const struct counted *c, uint32_t index, struct tc_certificate_flaw *flaw)
{
    const struct tc_oracle_env *env = c->env;
    const struct tc_message *m = c->m;
    const struct tc_statement *certificate = &m->statements[index];
    struct count count = {.env = env};
    bool shows_votes = false;
    for (uint32_t i = index + 1; goes_on(c, index, i); i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->parent != index)
            continue;
        shows_votes = true;
        if ((s->kind == TC_KIND_PROPOSE || s->kind == TC_KIND_VOTE) && same_vote(s, certificate))
            count_member(&count, s);
    }
    if (!shows_votes) {
        int status = certificate->signature.len > 0 ? tc_votes_check(env->votes, certificate) : TC_ESIGNATURE;
        count.undecided = status != 0 && status != TC_ESIGNATURE;
        for (uint32_t i = 0; status == 0 && i < env->protocol_env.cluster->n; i++)
            if (tc_nodeset_has(&certificate->signers, i))
                tc_nodeset_add(&count.members, i);
    }
    return enough(&count, certificate, "the certificate", flaw);
}

/* The statements of one kind right inside statement `index`, as one certificate for what the first of them says. None
 * at all is no certificate and no flaw. */
static bool children_valid(const struct counted *c, uint32_t index, enum tc_kind kind, struct tc_certificate_flaw *flaw)
{
    const struct tc_message *m = c->m;
    struct count count = {.env = c->env};
    const struct tc_statement *first = NULL;
    for (uint32_t i = index + 1; goes_on(c, index, i); i++) {
        const struct tc_statement *s = &m->statements[i];
        if (s->parent != index || s->kind != kind)
            continue;
        if (!first)
            first = s;
        bool agrees = kind == TC_KIND_VIEW_CHANGE ? s->view == m->statements[index].view : same_vote(s, first);
        if (agrees)
            count_member(&count, s);
    }
    if (!first)
        return true;
    return enough(&count, first, kind == TC_KIND_VIEW_CHANGE ? "the set of view changes" : "the checkpoint", flaw);
}

bool tc_certificates_valid(const struct tc_oracle_env *env, const struct tc_message *m,
                           struct tc_certificate_flaw *flaw)
{
    const struct counted c = {.env = env, .m = m, .nested = is_nested(m)};
    memset(flaw, 0, sizeof *flaw);
    for (uint32_t i = 0; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        bool valid = true;
        if (s->kind == TC_KIND_CERTIFICATE)
            valid = object_valid(&c, i, flaw);
        else if (s->kind == TC_KIND_VIEW_CHANGE || s->kind == TC_KIND_SYNC)
            valid = children_valid(&c, i, TC_KIND_CHECKPOINT, flaw);
        else if (s->kind == TC_KIND_NEW_VIEW)
            valid = children_valid(&c, i, TC_KIND_VIEW_CHANGE, flaw);
        if (!valid)
            return false;
    }
    return true;
}
