/* What oracles share when they write down what they found. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oracles.h"

void tc_finding_begin(struct tc_finding *f, const struct tc_oracle_class *oracle, uint64_t time_ns)
{
    memset(f, 0, sizeof *f);
    f->oracle = oracle->name;
    f->property = oracle->property;
    f->time_ns = time_ns;
}

static struct tc_text evidence_text(struct tc_finding *f, struct tc_evidence evidence)
{
    static char nowhere[1]; /* a text of size 1 holds nothing and never changes */
    if (f->evidence_count == TC_EVIDENCE_MAX)
        return (struct tc_text){.buffer = nowhere, .size = sizeof nowhere};
    struct tc_evidence *at = &f->evidence[f->evidence_count++];
    *at = evidence;
    return tc_text_begin(at->text, sizeof at->text);
}

struct tc_text tc_finding_message(struct tc_finding *f, uint64_t time_ns, uint16_t from, uint16_t to, uint16_t signer,
                                  struct tc_slice frame, bool signature_valid)
{
    return evidence_text(f, (struct tc_evidence){.time_ns = time_ns,
                                                 .from = from,
                                                 .to = to,
                                                 .signer = signer,
                                                 .frame = frame,
                                                 .signature_valid = signature_valid});
}

struct tc_text tc_finding_fact(struct tc_finding *f, uint64_t time_ns, uint16_t node)
{
    return evidence_text(
        f, (struct tc_evidence){.time_ns = time_ns, .from = node, .to = TC_NODE_NONE, .signer = TC_NODE_NONE});
}

static void add_vote_words(struct tc_text *t, const char *name, uint16_t signer, const struct tc_slot *slot,
                           const struct tc_value *value)
{
    tc_text_add(t, "%s of ", name);
    tc_text_who(t, signer);
    if (slot->has_view)
        tc_text_add(t, " for view %" PRIu64, slot->view);
    if (slot->has_sequence) {
        tc_text_add(t, "%s sequence ", slot->has_view ? "," : " for");
        tc_text_number(t, slot->sequence);
    }
    tc_text_add(t, ": ");
    tc_text_value(t, value);
}

bool tc_finding_vote_to(struct tc_finding *f, const struct tc_oracle_env *env, struct tc_slot *slot, uint8_t column,
                        uint8_t value, uint16_t signer, uint16_t to)
{
    const bool offered = tc_votes_offered(env->votes, slot, column, value, signer, to);
    if (!tc_finding_vote(f, env, slot, column, value, signer))
        return false;
    struct tc_evidence *last = &f->evidence[f->evidence_count - 1];
    if (offered && last->from == signer)
        last->to = to;
    return true;
}

bool tc_finding_vote(struct tc_finding *f, const struct tc_oracle_env *env, struct tc_slot *slot, uint8_t column,
                     uint8_t value, uint16_t signer)
{
    if (f->evidence_count == TC_EVIDENCE_MAX)
        return false;
    int status = tc_votes_verify(env->votes, slot, column, value, signer);
    struct tc_kept_frame kept;
    if (!tc_votes_frame(env->votes, slot, column, value, signer, &kept))
        return false;
    struct tc_text t = tc_finding_message(f, kept.time_ns, kept.from, kept.to, signer, kept.bytes, status == 0);
    add_vote_words(&t, tc_votes_column_name(env->votes, column), signer, slot, &slot->values[value]);
    return true;
}

void tc_finding_describe(struct tc_text *t, const struct tc_oracle_env *env, const struct tc_statement *s,
                         const char *name)
{
    uint8_t column = tc_votes_column(env->votes, s);
    struct tc_slot slot = {
        .view = s->view, .sequence = s->sequence, .has_view = s->has_view, .has_sequence = s->has_sequence};
    add_vote_words(t, column == TC_NO_COLUMN ? name : tc_votes_column_name(env->votes, column), s->signer, &slot,
                   &s->value);
}

void tc_finding_place(struct tc_finding *f, const struct tc_statement *s)
{
    f->has_view = true;
    f->view = s->view;
    f->has_sequence = s->has_sequence;
    f->sequence = s->sequence;
}

void tc_oracle_not_judged(struct tc_oracle_result *result, const char *reason)
{
    result->status = TC_NOT_JUDGED;
    snprintf(result->reason, sizeof result->reason, "%s", reason);
}
