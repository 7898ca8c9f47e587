/* O17, state digest: at equal sequence numbers correct replicas are in equal states. Read off execution lines and
 * stable checkpoints that give a digest of the state. */
#include <stdio.h>

#include "agreement.h"
#include "oracles.h"
#include "table.h"

#define WINDOW 16384

struct row {
    struct tc_value state;
    uint64_t time_ns;
    uint16_t node;
    bool breached;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *executed,
        *stable; /* digests of one kind are compared with one kind: they may cover different fields */
    uint64_t compared;
};

static bool init(struct tc_oracle *o)
{
    o->executed = tc_table_new(WINDOW, sizeof(struct row));
    o->stable = tc_table_new(1024, sizeof(struct row));
    return o->executed && o->stable;
}

static void release(struct tc_oracle *o)
{
    tc_table_free(o->executed);
    tc_table_free(o->stable);
}

static void breach(struct tc_oracle *o, const struct tc_observation *observation, const struct row *row,
                   uint64_t sequence, const struct tc_value *state)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_state_digest, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    tc_nodeset_add(&f.suspects, row->node);
    f.has_sequence = true;
    f.sequence = sequence;
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "after sequence ");
    tc_text_number(&t, sequence);
    tc_text_add(&t, " the state of ");
    tc_text_who(&t, row->node);
    tc_text_add(&t, " is ");
    tc_text_value(&t, &row->state);
    tc_text_add(&t, ", that of ");
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " ");
    tc_text_value(&t, state);
    t = tc_finding_fact(&f, row->time_ns, row->node);
    tc_text_add(&t, "state ");
    tc_text_value(&t, &row->state);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    tc_text_add(&t, "state ");
    tc_text_value(&t, state);
    o->env->report(o->env->judge, &f);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    bool is_stable = observation->kind == TC_OBS_STABLE;
    const struct tc_value *state = is_stable ? &observation->stable.state : &observation->executed.state;
    uint64_t sequence = is_stable ? observation->stable.sequence : observation->executed.sequence;
    if (!tc_oracle_judges(o->env, observation->node) || state->state != TC_VALUE_BYTES)
        return;
    if (!is_stable && observation->executed.origin == TC_EXEC_TENTATIVE)
        return;
    bool fresh;
    struct row *row = tc_table_put(is_stable ? o->stable : o->executed, sequence, &fresh);
    if (fresh || tc_nodeset_has(&o->env->faults->signed_for, row->node)) {
        *row = (struct row){.state = *state, .node = observation->node, .time_ns = observation->time_ns};
        return;
    }
    o->compared++;
    if (!row->breached && !tc_values_equal(&row->state, state)) {
        row->breached = true;
        breach(o, observation, row, sequence, state);
    }
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->compared;
    snprintf(result->unit, sizeof result->unit, "states");
    if (o->compared == 0) {
        tc_oracle_not_judged(result, "no two correct replicas told the digest of one state");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->compared);
    tc_text_add(&t, " states compared with another replica's");
}

const struct tc_oracle_class tc_oracle_state_digest = {
    .name = "state-digest",
    .summary = "correct replicas are in equal states at equal sequence numbers",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_STABLE),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
