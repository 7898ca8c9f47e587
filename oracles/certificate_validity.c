/* O7, certificate validity: a correct replica acts on certificates of a quorum of distinct members with valid
 * signatures only.
 *
 * Acting is: saying a message that carries the certificate (a view change, a new view, a proposal), or entering a view
 * for which every new view that was offered to it is flawed. A flawed certificate that a correct replica was offered
 * and let lie is no breach.
 *
 * Where votes have weights, what is flawed if heads are counted is kept until the end, when it is known whether they
 * could be (members.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../proxy/random.h"
#include "certificate.h"
#include "members.h"
#include "table.h"

#define OFFERS 1024 /* (replica, view) pairs remembered */
#define KEPT   8    /* flawed messages kept until the end */
#define JUDGED 1024 /* messages whose certificates were checked, so that a broadcast is checked once */

/* The new views that were offered to one replica for one view. */
struct offer {
    uint64_t view;
    uint64_t frame; /* copy of the first flawed one */
    uint64_t time_ns;
    char text[256]; /* its flaw */
    uint16_t node;
    bool good, flawed, reported;
};

struct judged {
    struct tc_certificate_flaw flaw;
    bool valid;
};

/* A message that a correct replica said on a bad certificate. */
struct said {
    uint64_t time_ns, frame; /* the reference of its copy */
    const char *type;
    uint16_t from, to;
    struct tc_certificate_flaw flaw;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *offers, *judged;
    struct tc_frames *frames;
    uint64_t certificates, flawed, undecided;
    struct tc_members *members; /* NULL: every vote counts as one */
    struct said kept[KEPT];
    uint32_t kept_count;
    uint64_t uncounted; /* certificates of which the members were not known */
};

static bool init(struct tc_oracle *o)
{
    const struct tc_cluster *cluster = o->env->protocol_env.cluster;
    if (o->env->protocol->votes_weigh) {
        o->members = tc_members_new(cluster->n, cluster->f, tc_protocol_quorum(o->env->protocol, cluster));
        if (!o->members)
            return false;
    }
    o->offers = tc_table_new(OFFERS, sizeof(struct offer));
    o->judged = tc_table_new(JUDGED, sizeof(struct judged));
    o->frames = tc_frames_new(2u << 20);
    return o->offers && o->judged && o->frames;
}

static void release(struct tc_oracle *o)
{
    tc_table_free(o->offers);
    tc_table_free(o->judged);
    tc_frames_free(o->frames);
    tc_members_free(o->members);
}

static const struct judged *judge_message(struct tc_oracle *o, const struct tc_message *m)
{
    bool fresh;
    struct judged *judged = tc_table_put(o->judged, tc_message_fold(m), &fresh);
    if (!fresh)
        return judged;
    judged->valid = tc_certificates_valid(o->env, m, &judged->flaw);
    o->certificates += judged->flaw.checked;
    for (uint32_t i = 1; o->members && i < m->statement_count; i++)
        if (m->statements[i].kind == TC_KIND_CERTIFICATE)
            o->uncounted += tc_members_doubt(o->members, m->statements[i].sequence) != NULL;
    o->flawed += !judged->valid;
    o->undecided += judged->flaw.undecided;
    return judged;
}

static void breach_said(struct tc_oracle *o, const struct tc_observation *observation, const struct judged *judged)
{
    const struct tc_message *m = observation->message.message;
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_certificate_validity, observation->time_ns);
    tc_nodeset_add(&f.suspects, m->from);
    f.has_view = m->statements[0].has_view;
    f.view = m->statements[0].view;
    f.has_sequence = judged->flaw.what.has_sequence;
    f.sequence = judged->flaw.what.sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, m->from);
    tc_text_add(&t, " said a %s on a bad certificate: %s", m->type, judged->flaw.text);
    bool valid = m->statements[0].signature.len > 0 && tc_votes_check(o->env->votes, &m->statements[0]) == 0;
    t = tc_finding_message(&f, observation->time_ns, m->from, m->to, m->statements[0].signer, m->frame, valid);
    tc_text_add(&t, "%s of replica %" PRIu16, m->type, m->from);
    o->env->report(o->env->judge, &f);
}

/* Blames nobody yet. */
static void keep_said(struct tc_oracle *o, const struct tc_observation *observation, const struct judged *judged)
{
    const struct tc_message *m = observation->message.message;
    if (o->kept_count == KEPT)
        return; /* one is enough for a breach */
    o->kept[o->kept_count++] =
        (struct said){.time_ns = observation->time_ns,
                      .type = m->type,
                      .from = m->from,
                      .to = m->to,
                      .flaw = judged->flaw,
                      .frame = tc_frames_put(o->frames, observation->time_ns, m->from, m->to, m->frame)};
}

static void breach_kept(struct tc_oracle *o, const struct said *said)
{
    struct tc_finding f;
    struct tc_kept_frame kept = {.bytes = {NULL, 0}};
    tc_finding_begin(&f, &tc_oracle_certificate_validity, said->time_ns);
    tc_nodeset_add(&f.suspects, said->from);
    f.has_view = said->flaw.what.has_view;
    f.view = said->flaw.what.view;
    f.has_sequence = said->flaw.what.has_sequence;
    f.sequence = said->flaw.what.sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, said->from);
    tc_text_add(&t, " said a %s on a bad certificate: %s", said->type, said->flaw.text);
    tc_frames_get(o->frames, said->frame, &kept);
    t = tc_finding_message(&f, said->time_ns, said->from, said->to, TC_NODE_NONE, kept.bytes, false);
    tc_text_add(&t, "%s of replica %" PRIu16, said->type, said->from);
    o->env->report(o->env->judge, &f);
}

static struct offer *offer_put(struct tc_oracle *o, uint16_t node, uint64_t view)
{
    bool fresh;
    struct offer *offer = tc_table_put(o->offers, view * TC_NODES_MAX + node, &fresh);
    offer->node = node;
    offer->view = view;
    return offer;
}

/* A new view was offered to a correct replica. (A leader's own counts as one offered to himself.) */
static void take_offer(struct tc_oracle *o, const struct tc_observation *observation, uint16_t node)
{
    const struct tc_message *m = observation->message.message;
    const struct judged *judged = judge_message(o, m);
    struct offer *offer = offer_put(o, node, m->statements[0].view);
    if (judged->valid) {
        offer->good = true;
    } else if (!offer->flawed) {
        offer->flawed = true;
        offer->time_ns = observation->time_ns;
        memcpy(offer->text, judged->flaw.text, sizeof offer->text);
        offer->frame = tc_frames_put(o->frames, observation->time_ns, m->from, m->to, m->frame);
    }
}

static void entered(struct tc_oracle *o, const struct tc_observation *observation)
{
    uint64_t view = observation->view.view;
    struct offer *offer = tc_table_find(o->offers, view * TC_NODES_MAX + observation->node);
    if (!offer || offer->good || !offer->flawed || offer->reported)
        return;
    /* Who leads the view needs nobody's new view; its own is judged where it says it. */
    const struct tc_oracle_env *env = o->env;
    if (tc_protocol_leader(env->protocol, &env->protocol_env, view) == observation->node)
        return;
    offer->reported = true;
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_certificate_validity, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    f.has_view = true;
    f.view = view;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " entered view %" PRIu64 " on a bad certificate: %s", view, offer->text);
    struct tc_kept_frame kept;
    if (tc_frames_get(o->frames, offer->frame, &kept)) {
        t = tc_finding_message(&f, kept.time_ns, kept.from, kept.to, kept.from, kept.bytes, false);
        tc_text_add(&t, "the new view it was offered");
    }
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "log line: in view %" PRIu64, view);
    o->env->report(o->env->judge, &f);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (!o->env->has_messages)
        return;
    if (observation->kind == TC_OBS_MEMBER) {
        if (o->members)
            tc_members_tell(o->members, observation);
        return;
    }
    if (observation->kind == TC_OBS_VIEW) {
        if (observation->view.active && o->env->links_complete && tc_oracle_judges(o->env, observation->node))
            entered(o, observation);
        return;
    }
    const struct tc_message *m = observation->message.message;
    if (m->statement_count == 0)
        return;
    enum tc_kind kind = m->statements[0].kind;
    /* A state that is only passed on is not acted on by its sender's word alone, but he vouches for its checkpoints. */
    if (observation->message.said && !m->touched && tc_oracle_judges(o->env, m->from)) {
        const struct judged *judged = judge_message(o, m);
        if (!judged->valid && o->members)
            keep_said(o, observation, judged);
        else if (!judged->valid)
            breach_said(o, observation, judged);
    }
    if (kind == TC_KIND_NEW_VIEW && observation->message.heard && m->to < o->env->protocol_env.cluster->n)
        take_offer(o, observation, m->to);
}

/* Who votes, and with which weight, is known now as well as it ever will be. false: nothing can be said. */
static bool weigh(struct tc_oracle *o, struct tc_oracle_result *result)
{
    const char *doubt = o->members ? tc_members_doubt(o->members, UINT64_MAX) : NULL;
    if (doubt && o->certificates > 0) {
        tc_oracle_not_judged(result, doubt);
        return false;
    }
    for (uint32_t i = 0; i < o->kept_count; i++)
        if (!tc_members_doubt(o->members, o->kept[i].flaw.what.sequence))
            breach_kept(o, &o->kept[i]);
        else
            o->flawed--;
    return true;
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->certificates;
    snprintf(result->unit, sizeof result->unit, "certificates");
    if (!o->env->has_messages) {
        tc_oracle_not_judged(result, "messages are not seen");
        return;
    }
    if (!weigh(o, result))
        return;
    o->certificates -= o->uncounted < o->certificates ? o->uncounted : o->certificates;
    result->compared = o->certificates;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->certificates);
    tc_text_add(&t, " certificates checked");
    if (o->flawed)
        tc_text_add(&t, ", %" PRIu64 " bad", o->flawed);
    if (o->undecided) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, ", %" PRIu64 " messages undecided (budget of verifications, or a key is missing)",
                    o->undecided);
    }
}

const struct tc_oracle_class tc_oracle_certificate_validity = {
    .name = "certificate-validity",
    .summary = "correct replicas act only on certificates of a quorum of distinct members with valid signatures",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_VIEW) | TC_OBS_BIT(TC_OBS_MEMBER),
    .kinds = TC_KIND_BIT(TC_KIND_CERTIFICATE) | TC_KIND_BIT(TC_KIND_NEW_VIEW) | TC_KIND_BIT(TC_KIND_VIEW_CHANGE) |
             TC_KIND_BIT(TC_KIND_SYNC),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
