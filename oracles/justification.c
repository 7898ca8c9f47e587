/* O21, justification: whatever a correct replica says must follow, by the protocol's rules, from what it said before
 * and all it was ever offered. The rules are the protocol's (protocol->justifier); here is who is asked, and the
 * evidence.
 *
 * Not judged where traffic bypasses us: then a replica may know what we never saw. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oracles.h"

#define UNJUDGED_MAX 9 /* so many for one that was judged, and it is not the run that was */

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_justifier *justifier;
    const struct tc_observation *now; /* the observation being judged */
    uint64_t breaches, excused;
    bool bypassed; /* a link was spliced: nothing more is judged */
};

static void add_support(struct tc_finding *f, const struct tc_oracle_env *env, struct tc_slice frame, uint64_t time_ns,
                        const char *how)
{
    struct tc_arena arena;
    tc_arena_init(&arena, 64u << 20);
    struct tc_message m = {0};
    bool decoded =
        tc_protocol_decode(env->protocol, &env->protocol_env, frame, &arena, &m) == 0 && m.statement_count > 0;
    const struct tc_statement *s = decoded ? &m.statements[0] : NULL;
    bool valid = s && s->signature.len > 0 && env->protocol->verify(&env->protocol_env, s) == 0;
    struct tc_text t =
        tc_finding_message(f, time_ns, m.sender, TC_NODE_NONE, s ? s->signer : TC_NODE_NONE, frame, valid);
    if (s)
        tc_finding_describe(&t, env, s, m.type);
    tc_text_add(&t, " (%s)", how);
    tc_arena_free(&arena);
}

/* The slot that a breach is about; NULL if the vote store has none (any more). */
static struct tc_slot *slot_of(const struct tc_oracle_env *env, const struct tc_finding *f,
                               const struct tc_breach *breach)
{
    const struct tc_statement *s = breach->statement;
    const struct tc_statement place = {.kind = TC_KIND_PROPOSE,
                                       .epoch = s ? s->epoch : 0,
                                       .has_view = true,
                                       .view = breach->sequence ? breach->view : f->view,
                                       .has_sequence = true,
                                       .sequence = breach->sequence ? breach->sequence : f->sequence,
                                       .slot = 1};
    const bool named = breach->sequence || (f->has_view && f->has_sequence);
    struct tc_slot *slot = named ? tc_votes_slot(env->votes, &place) : NULL;
    return slot || !s || s->kind != TC_KIND_CHECKPOINT ? slot : tc_votes_slot(env->votes, s);
}

static bool same_frame(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool is_shown(const struct tc_finding *f, struct tc_slice frame)
{
    for (uint32_t i = 0; i < f->evidence_count; i++)
        if (same_frame(f->evidence[i].frame, frame))
            return true;
    return false;
}

/* How the replica came to know of the vote, in words; NULL: it need not know. */
static const char *known_by(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                            uint16_t signer, uint16_t replica)
{
    if (signer == replica && tc_votes_spoken(votes, slot, column, value, signer))
        return "it had said";
    if (!tc_votes_keeps_offers(votes))
        return tc_votes_spoken(votes, slot, column, value, signer) ? "said in that slot" : NULL;
    return tc_votes_offered(votes, slot, column, value, signer, replica) ? "it was offered" : NULL;
}

/* The proposals and votes of the slot that the replica was offered, or said: what it could go by. */
static void add_votes(struct tc_finding *f, const struct tc_oracle_env *env, const struct tc_breach *breach)
{
    const struct tc_slot *slot = slot_of(env, f, breach);
    const uint8_t columns = slot ? tc_votes_column_count(env->votes) : 0;
    struct tc_kept_frame kept;
    for (uint8_t column = 0; column < columns; column++)
        for (uint8_t value = 0; value < TC_SLOT_VALUES_MAX; value++)
            for (uint16_t signer = 0; signer < env->protocol_env.cluster->n; signer++) {
                const char *how = known_by(env->votes, slot, column, value, signer, breach->replica);
                if (f->evidence_count < TC_EVIDENCE_MAX && how &&
                    tc_votes_frame(env->votes, slot, column, value, signer, &kept) && !is_shown(f, kept.bytes))
                    add_support(f, env, kept.bytes, kept.time_ns, how);
            }
}

static void add_offending(struct tc_finding *f, const struct tc_oracle_env *env, const struct tc_breach *breach,
                          uint64_t time_ns)
{
    const struct tc_message *m = breach->message;
    const struct tc_statement *s = breach->statement;
    if (!m) {
        struct tc_text t = tc_finding_fact(f, time_ns, breach->replica);
        tc_text_add(&t, "log line of replica %" PRIu16, breach->replica);
        return;
    }
    if (!s && m->statement_count > 0)
        s = &m->statements[0];
    bool valid = s && s->signature.len > 0 && env->protocol->verify(&env->protocol_env, s) == 0;
    struct tc_text t = tc_finding_message(f, time_ns, m->from, m->to, s ? s->signer : m->sender, m->frame, valid);
    if (s)
        tc_finding_describe(&t, env, s, m->type);
    else
        tc_text_add(&t, "%s of replica %" PRIu16, m->type, m->from);
}

static void sink(void *self, const struct tc_breach *breach)
{
    struct tc_oracle *o = self;
    if (!tc_oracle_judges(o->env, breach->replica) || !o->env->links_complete) {
        o->excused++;
        return;
    }
    o->breaches++;
    if (o->breaches > TC_FINDINGS_MAX * 4) /* one broken rule breaks on and on: the first ones tell */
        return;
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_justification, o->now->time_ns);
    tc_nodeset_add(&f.suspects, breach->replica);
    const struct tc_statement *s = breach->statement;
    if (s) {
        f.has_view = s->has_view;
        f.view = s->view;
        f.has_sequence = s->has_sequence;
        f.sequence = s->sequence;
    } else if (o->now->kind == TC_OBS_EXECUTED) {
        f.has_view = f.has_sequence = true;
        f.view = o->now->executed.view;
        f.sequence = o->now->executed.sequence;
    }
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "%s", breach->text);
    t = tc_text_begin(f.because, sizeof f.because);
    tc_text_add(&t, "rule %s", breach->rule ? breach->rule : "");
    if (breach->section && breach->section[0])
        tc_text_add(&t, " (%s)", breach->section);
    add_offending(&f, o->env, breach, o->now->time_ns);
    for (size_t i = 0; i < breach->support_count && f.evidence_count < TC_EVIDENCE_MAX; i++)
        add_support(&f, o->env, breach->support[i], o->now->time_ns, "it was offered");
    add_votes(&f, o->env, breach);
    o->env->report(o->env->judge, &f);
}

static bool init(struct tc_oracle *o)
{
    const struct tc_oracle_env *env = o->env;
    if (!env->protocol->justifier)
        return true;
    o->justifier = env->protocol->justifier->create(&env->protocol_env, sink, o);
    return o->justifier != NULL;
}

static void release(struct tc_oracle *o)
{
    if (o->justifier)
        o->env->protocol->justifier->destroy(o->justifier);
}

static void observe_message(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_justifier_ops *ops = o->env->protocol->justifier;
    const struct tc_message *m = observation->message.message;
    uint32_t n = o->env->protocol_env.cluster->n;
    if (observation->message.said && m->from < n)
        ops->said(o->justifier, m->from, m);
    /* A member of F_s may have been made to sign anything; a client's bytes are trusted like a correct replica's. */
    bool trusted = !m->touched && !tc_nodeset_has(&o->env->faults->signed_for, m->from);
    if (observation->message.heard && m->to < n)
        ops->heard(o->justifier, m->to, m, trusted);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (!o->justifier || !o->env->has_messages)
        return;
    if (!o->env->links_complete) {
        o->bypassed = true;
        return;
    }
    o->now = observation;
    if (observation->kind == TC_OBS_MESSAGE)
        observe_message(o, observation);
    else
        o->env->protocol->justifier->observed(o->justifier, observation);
}

static void say_unjudged(struct tc_text *t, uint64_t count, const char *why)
{
    tc_text_add(t, ", ");
    tc_text_number(t, count);
    tc_text_add(t, " not (%s)", why);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    snprintf(result->unit, sizeof result->unit, "statements");
    if (!o->justifier || !o->env->has_messages || o->bypassed || !o->env->links_complete) {
        tc_oracle_not_judged(result, !o->justifier           ? "the protocol states no rules of justification"
                                     : !o->env->has_messages ? "messages are not seen"
                                                             : "traffic bypasses the proxy");
        result->foreign = !o->justifier;
        return;
    }
    uint64_t judged = 0, unjudged = 0, late = 0;
    o->env->protocol->justifier->counts(o->justifier, &judged, &unjudged, &late);
    result->compared = judged;
    result->status = judged == 0 ? TC_INCONCLUSIVE : judged < unjudged / UNJUDGED_MAX ? TC_NOT_JUDGED : TC_HOLDS;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, judged);
    tc_text_add(&t, " statements judged");
    if (late)
        say_unjudged(&t, late, "the cluster ran before the run did: they may rest on what was said then");
    if (unjudged > late)
        say_unjudged(&t, unjudged - late, "what they rest on had left the window");
    if (o->excused)
        tc_text_add(&t, ", %" PRIu64 " breaches by traitors", o->excused);
}

const struct tc_oracle_class tc_oracle_justification = {
    .name = "justification",
    .summary = "whatever a correct replica says follows by the protocol's rules from what it knows",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_VIEW) |
                    TC_OBS_BIT(TC_OBS_STABLE) | TC_OBS_BIT(TC_OBS_NODE_UP) | TC_OBS_BIT(TC_OBS_NODE_EXIT),
    .kinds = UINT32_MAX & ~(TC_WANT_CONFLICT | TC_WANT_QUORUM),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
