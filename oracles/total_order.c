/* O2, total order: every correct replica's log is a prefix of every other's.
 *
 * With agreement on values that comes down to: a replica executes sequence numbers one after another without a gap
 * (a state transfer or a restart may start it elsewhere, never backwards with other contents), and at equal sequence
 * numbers it executed the same operations in the same order (batches expanded). */
#include <inttypes.h>
#include <stdio.h>

#include "../proxy/random.h"
#include "agreement.h"
#include "oracles.h"
#include "table.h"

#define WINDOW 16384

struct row {
    struct tc_value value; /* of the batch: where it differs already, agreement says so */
    uint64_t operations;   /* hash of the operations in order, of the first replica that executed it */
    uint32_t count;
    uint16_t node;
    bool breached;
};

/* Where a replica's log stands. */
struct log_end {
    uint64_t sequence;
    uint32_t incarnation;
    bool known; /* false until its first line, and again after a restart */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *rows;
    struct log_end ends[TC_REPLICAS_MAX];
    uint64_t compared;
    bool forked; /* agreement broke: there is no one order to compare with from that sequence number on */
    uint64_t forked_from;
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

static void begin(struct tc_finding *f, const struct tc_observation *observation)
{
    tc_finding_begin(f, &tc_oracle_total_order, observation->time_ns);
    f->has_sequence = true;
    f->sequence = observation->executed.sequence;
    f->has_view = true;
    f->view = observation->executed.view;
    tc_nodeset_add(&f->suspects, observation->node);
}

static void breach_gap(struct tc_oracle *o, const struct tc_observation *observation, uint64_t last)
{
    struct tc_finding f;
    begin(&f, observation);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " executed sequence ");
    tc_text_number(&t, observation->executed.sequence);
    tc_text_add(&t, " after sequence ");
    tc_text_number(&t, last);
    tc_text_add(&t, observation->executed.sequence > last ? ": what lies between is missing" : ": its log went back");
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64 ", incarnation %" PRIu32, observation->executed.sequence,
                observation->incarnation);
    o->env->report(o->env->judge, &f);
}

static void breach_contents(struct tc_oracle *o, const struct tc_observation *observation, const struct row *row)
{
    struct tc_finding f;
    begin(&f, observation);
    tc_nodeset_add(&f.suspects, row->node);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "sequence ");
    tc_text_number(&t, observation->executed.sequence);
    tc_text_add(&t, ": ");
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " executed %" PRIu32 " operations, and ", observation->executed.operation_count);
    tc_text_who(&t, row->node);
    tc_text_add(&t, " %" PRIu32 ": not the same ones in the same order", row->count);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64, observation->executed.sequence);
    o->env->report(o->env->judge, &f);
}

/* A line of a new incarnation may start anywhere; so may one that tells of a transferred or replayed state. One that
 * tells belatedly of what lies behind the end (fetched to catch up, and told by asking when what came after was printed
 * already) does not move the end back. */
static void check_order(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct log_end *end = &o->ends[observation->node];
    uint64_t sequence = observation->executed.sequence;
    bool same_life = end->known && end->incarnation == observation->incarnation;
    if (same_life && observation->executed.origin == TC_EXEC_EXECUTED && sequence != end->sequence + 1)
        breach_gap(o, observation, end->sequence);
    if (same_life && observation->executed.origin == TC_EXEC_REPLAYED && sequence < end->sequence)
        return;
    *end = (struct log_end){.sequence = sequence, .incarnation = observation->incarnation, .known = true};
}

static uint64_t operations_hash(const struct tc_observation *observation)
{
    uint64_t h = 1;
    for (uint32_t i = 0; i < observation->executed.operation_count; i++) {
        const struct tc_operation *op = &observation->executed.operations[i];
        h = tc_random_mix(h, op->client);
        h = tc_random_mix(h, op->timestamp);
        h = tc_random_mix_bytes(h, (struct tc_slice){.data = op->digest, .len = sizeof op->digest});
        h = tc_random_mix(h, op->fresh);
    }
    return h;
}

static void check_contents(struct tc_oracle *o, const struct tc_observation *observation)
{
    bool fresh;
    struct row *row = tc_table_put(o->rows, observation->executed.sequence, &fresh);
    uint64_t hash = operations_hash(observation);
    if (fresh || tc_nodeset_has(&o->env->faults->signed_for, row->node)) {
        *row = (struct row){.value = observation->executed.value,
                            .operations = hash,
                            .count = observation->executed.operation_count,
                            .node = observation->node};
        return;
    }
    if (!tc_values_equal(&row->value, &observation->executed.value)) {
        if (!o->forked || observation->executed.sequence < o->forked_from)
            o->forked_from = observation->executed.sequence;
        o->forked = true;
        return;
    }
    if (o->forked && observation->executed.sequence >= o->forked_from)
        return;
    o->compared++;
    if (row->operations != hash && !row->breached) {
        row->breached = true;
        breach_contents(o, observation, row);
    }
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_NODE_UP) {
        if (observation->node < TC_REPLICAS_MAX)
            o->ends[observation->node].known = false;
        return;
    }
    if (!tc_oracle_judges(o->env, observation->node) || observation->executed.origin == TC_EXEC_TENTATIVE)
        return;
    check_order(o, observation);
    /* a transferred state may be told without its operations */
    if (observation->executed.origin == TC_EXEC_EXECUTED)
        check_contents(o, observation);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->compared;
    snprintf(result->unit, sizeof result->unit, "executions");
    if (!o->env->has_executions) {
        tc_oracle_not_judged(result, "no replica prints what it executes");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (o->forked) {
        result->status = TC_NOT_JUDGED;
        tc_text_add(&t, "not judged from sequence ");
        tc_text_number(&t, o->forked_from);
        tc_text_add(&t, " on: agreement broke there; before, ");
    }
    tc_text_number(&t, o->compared);
    tc_text_add(&t, " executions compared with another replica's");
}

const struct tc_oracle_class tc_oracle_total_order = {
    .name = "total-order",
    .summary = "correct replicas execute the same operations in the same order, without gaps",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_NODE_UP),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
