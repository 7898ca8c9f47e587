/* O8, client validity: every operation that a correct replica applies was asked for by its client: a request with that
 * digest and the client's valid signature was on the wire.
 *
 * A request that an honest client said on its own link, untouched, needs no check; one that is met first inside
 * another's message is verified then, within a budget of time. Null and configuration operations have no client. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oracles.h"
#include "table.h"

#define WINDOW          65536
#define VERIFY_FIRST    256      /* verifications always allowed … */
#define VERIFY_EVERY_NS 2000000u /* … and one more for each of these: at most 2.5 % of one core */

enum standing { UNVERIFIED = 0, VALID, INVALID };

struct row {
    uint8_t digest[TC_VALUE_SIZE];
    uint8_t standing;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *rows;
    uint64_t verified, judged, unjudged;
};

static bool init(struct tc_oracle *o)
{
    o->rows = tc_table_new(WINDOW, sizeof(struct row));
    return o->rows != NULL;
}

static void release(struct tc_oracle *o)
{
    tc_table_free(o->rows);
}

static uint64_t key_of(const uint8_t *digest)
{
    uint64_t key;
    memcpy(&key, digest, sizeof key);
    return key;
}

/* Did an honest client say it himself? */
static bool is_trusted(const struct tc_oracle *o, const struct tc_observation *observation, uint32_t index)
{
    const struct tc_message *m = observation->message.message;
    return index == 0 && observation->message.said && !m->touched && m->from == m->statements[0].signer &&
           m->from >= TC_CLIENT_FIRST && !tc_nodeset_has(&o->env->faults->signed_for, m->from);
}

static void take(struct tc_oracle *o, const struct tc_observation *observation, uint32_t index)
{
    const struct tc_statement *s = &observation->message.message->statements[index];
    bool fresh;
    struct row *row = tc_table_put(o->rows, key_of(s->value.bytes), &fresh);
    if (fresh)
        memcpy(row->digest, s->value.bytes, TC_VALUE_SIZE);
    else if (row->standing == VALID || memcmp(row->digest, s->value.bytes, TC_VALUE_SIZE) != 0)
        return;
    if (is_trusted(o, observation, index)) {
        row->standing = VALID;
        return;
    }
    row->standing = UNVERIFIED; /* another copy's bad signature says nothing about this one */
    if (o->verified >= VERIFY_FIRST + observation->time_ns / VERIFY_EVERY_NS)
        return;
    o->verified++;
    int status = s->signature.len > 0 ? o->env->protocol->verify(&o->env->protocol_env, s) : TC_ESIGNATURE;
    if (status == 0)
        row->standing = VALID;
    else if (status == TC_ESIGNATURE && o->env->protocol_env.cluster->request_authentication == TC_AUTH_SIGNATURE)
        row->standing = INVALID; /* (a MAC is for its receiver to judge: the vector may be good in part) */
}

static void breach(struct tc_oracle *o, const struct tc_observation *observation, const struct tc_operation *op,
                   bool seen)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_client_validity, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    f.has_view = f.has_sequence = true;
    f.view = observation->executed.view;
    f.sequence = observation->executed.sequence;
    struct tc_value digest = {.state = TC_VALUE_BYTES};
    memcpy(digest.bytes, op->digest, TC_VALUE_SIZE);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "sequence ");
    tc_text_number(&t, observation->executed.sequence);
    tc_text_add(&t, ": ");
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " applied request %" PRIu64 " (", op->timestamp);
    tc_text_value(&t, &digest);
    tc_text_add(&t, seen ? ") without the signature of " : ") that was never asked for by ");
    tc_text_who(&t, op->client);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64, observation->executed.sequence);
    o->env->report(o->env->judge, &f);
}

static void check(struct tc_oracle *o, const struct tc_observation *observation, const struct tc_operation *op)
{
    const struct row *row = tc_table_find(o->rows, key_of(op->digest));
    if (row && memcmp(row->digest, op->digest, TC_VALUE_SIZE) != 0)
        row = NULL;
    if (row ? row->standing == UNVERIFIED : tc_table_forgotten(o->rows) > 0) {
        o->unjudged++;
        return;
    }
    o->judged++;
    if (!row || row->standing == INVALID)
        breach(o, observation, op, row != NULL);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_MESSAGE) {
        const struct tc_message *m = observation->message.message;
        for (uint32_t i = 0; i < m->statement_count; i++)
            if (m->statements[i].kind == TC_KIND_REQUEST && m->statements[i].value.state == TC_VALUE_BYTES)
                take(o, observation, i);
        return;
    }
    if (!tc_oracle_judges(o->env, observation->node) || observation->executed.origin != TC_EXEC_EXECUTED ||
        !o->env->has_messages || !o->env->links_complete)
        return;
    for (uint32_t i = 0; i < observation->executed.operation_count; i++)
        if (observation->executed.operations[i].fresh)
            check(o, observation, &observation->executed.operations[i]);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->judged;
    snprintf(result->unit, sizeof result->unit, "operations");
    if (!o->env->has_messages || !o->env->has_executions || !o->env->links_complete) {
        tc_oracle_not_judged(result, !o->env->has_messages     ? "messages are not seen"
                                     : !o->env->has_executions ? "no replica prints what it executes"
                                                               : "traffic bypasses the proxy");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->judged);
    tc_text_add(&t, " operations traced to their clients' signatures");
    if (o->unjudged)
        tc_text_add(&t, ", %" PRIu64 " not (signature not checked, or seen too long ago)", o->unjudged);
}

const struct tc_oracle_class tc_oracle_client_validity = {
    .name = "client-validity",
    .summary = "every operation that a correct replica applies bears its client's signature",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_MESSAGE) | TC_OBS_BIT(TC_OBS_EXECUTED),
    .kinds = TC_KIND_BIT(TC_KIND_REQUEST),
    .needs_links = true,
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
