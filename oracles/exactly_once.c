/* O9, exactly once: a client's operation (client, timestamp) is applied afresh at one place of a replica's log only.
 * Lines that were replayed or transferred, and a line told again after a restart, are no second execution; one at or
 * below a state that the replica was given is, for that state holds the operation. */
#include <inttypes.h>
#include <stdio.h>

#include "../proxy/random.h"
#include "oracles.h"
#include "table.h"

#define WINDOW 32768 /* operations remembered */

struct row {
    uint64_t timestamp, sequence;
    uint64_t nodes[TC_REPLICAS_MAX / 64]; /* who applied it at `sequence` */
    uint16_t client;
    bool breached;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *rows;
    uint64_t operations;
    uint64_t transferred[TC_REPLICAS_MAX]; /* up to here a state that it was given holds all operations */
    bool again[TC_REPLICAS_MAX];           /* told of it already */
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

static void breach(struct tc_oracle *o, const struct tc_observation *observation, const struct row *row)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_exactly_once, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    f.has_sequence = true;
    f.sequence = observation->executed.sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " applied request %" PRIu64 " of ", row->timestamp);
    tc_text_who(&t, row->client);
    tc_text_add(&t, " twice: at sequence ");
    tc_text_number(&t, row->sequence);
    tc_text_add(&t, " and at sequence ");
    tc_text_number(&t, observation->executed.sequence);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64 " names it as fresh again", observation->executed.sequence);
    o->env->report(o->env->judge, &f);
}

static void breach_after_transfer(struct tc_oracle *o, const struct tc_observation *observation,
                                  const struct tc_operation *op)
{
    struct tc_finding f;
    o->again[observation->node] = true;
    tc_finding_begin(&f, &tc_oracle_exactly_once, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    f.has_sequence = true;
    f.sequence = observation->executed.sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " applied request %" PRIu64 " of ", op->timestamp);
    tc_text_who(&t, op->client);
    tc_text_add(&t, " at sequence ");
    tc_text_number(&t, observation->executed.sequence);
    tc_text_add(&t, ", though the state of sequence ");
    tc_text_number(&t, o->transferred[observation->node]);
    tc_text_add(&t, " that it was given holds it already");
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "execution line of sequence %" PRIu64 " names it as fresh", observation->executed.sequence);
    o->env->report(o->env->judge, &f);
}

static void check(struct tc_oracle *o, const struct tc_observation *observation, const struct tc_operation *op)
{
    uint64_t key = tc_random_mix(op->client, op->timestamp);
    uint64_t sequence = observation->executed.sequence;
    uint16_t node = observation->node;
    bool fresh;
    struct row *row = tc_table_put(o->rows, key, &fresh);
    if (fresh) {
        row->client = op->client;
        row->timestamp = op->timestamp;
        row->sequence = sequence;
        o->operations++;
    }
    if (row->client != op->client || row->timestamp != op->timestamp)
        return;
    uint64_t bit = UINT64_C(1) << (node % 64);
    if (row->sequence == sequence) {
        row->nodes[node / 64] |= bit;
    } else if ((row->nodes[node / 64] & bit) && !row->breached) {
        row->breached = true;
        breach(o, observation, row);
    }
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    const uint16_t node = observation->node;
    const uint64_t sequence = observation->executed.sequence;
    if (!tc_oracle_judges(o->env, node))
        return;
    if (observation->executed.origin == TC_EXEC_TRANSFERRED && node < TC_REPLICAS_MAX &&
        sequence > o->transferred[node])
        o->transferred[node] = sequence;
    if (observation->executed.origin != TC_EXEC_EXECUTED)
        return;
    for (uint32_t i = 0; i < observation->executed.operation_count; i++) {
        const struct tc_operation *op = &observation->executed.operations[i];
        if (op->fresh && node < TC_REPLICAS_MAX && sequence <= o->transferred[node] && !o->again[node])
            breach_after_transfer(o, observation, op);
        if (op->fresh)
            check(o, observation, op);
    }
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->operations;
    snprintf(result->unit, sizeof result->unit, "requests");
    if (!o->env->has_executions) {
        tc_oracle_not_judged(result, "no replica prints what it executes");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->operations);
    tc_text_add(&t, " requests");
}

const struct tc_oracle_class tc_oracle_exactly_once = {
    .name = "exactly-once",
    .summary = "no correct replica applies a client's request twice",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
