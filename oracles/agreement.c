/* O1, agreement: no two replicas outside F_s execute different values at one sequence number.
 * Values are compared, not views; tentative executions bind nobody. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agreement.h"
#include "proofs.h"
#include "table.h"

#define WINDOW 16384 /* sequence numbers compared at a time */

/* What the first replica to execute a sequence number executed. */
struct row {
    struct tc_execution_fact fact;
    uint32_t nodes; /* how many executions were compared with it, itself included */
    bool breached;  /* reported once */
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_table *rows;
    uint64_t sequences; /* sequence numbers that two or more replicas executed */
    struct tc_nodeset executed;
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

static void add_fact(struct tc_finding *f, const struct tc_execution_fact *fact)
{
    struct tc_text t = tc_finding_fact(f, fact->time_ns, fact->node);
    tc_text_who(&t, fact->node);
    tc_text_add(&t, " executed ");
    tc_text_value(&t, &fact->value);
    tc_text_add(&t, " at sequence ");
    tc_text_number(&t, fact->sequence);
    tc_text_add(&t, " in view %" PRIu64, fact->view);
}

static void breach(struct tc_oracle *o, const struct tc_execution_fact *a, const struct tc_execution_fact *b)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_agreement, b->time_ns);
    f.has_view = true;
    f.view = b->view;
    f.has_sequence = true;
    f.sequence = b->sequence;
    tc_nodeset_add(&f.suspects, a->node);
    tc_nodeset_add(&f.suspects, b->node);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "sequence ");
    tc_text_number(&t, b->sequence);
    tc_text_add(&t, ": ");
    tc_text_who(&t, a->node);
    tc_text_add(&t, " executed ");
    tc_text_value(&t, &a->value);
    tc_text_add(&t, ", ");
    tc_text_who(&t, b->node);
    tc_text_add(&t, " executed ");
    tc_text_value(&t, &b->value);
    add_fact(&f, a);
    add_fact(&f, b);
    tc_agreement_explain(o->env, a, b, &f);
    const struct tc_fork fork = {.time_ns = b->time_ns, .sequence = b->sequence, .across_views = a->view != b->view};
    tc_proofs_fork(o->env->proofs, &fork);
    o->env->report(o->env->judge, &f);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    const struct tc_value *value = &observation->executed.value;
    if (!tc_oracle_judges(o->env, observation->node) || observation->executed.origin == TC_EXEC_TENTATIVE ||
        value->state == TC_VALUE_ABSENT)
        return;
    struct tc_execution_fact fact = {.time_ns = observation->time_ns,
                                     .node = observation->node,
                                     .view = observation->executed.view,
                                     .sequence = observation->executed.sequence,
                                     .value = *value};
    bool fresh;
    struct row *row = tc_table_put(o->rows, fact.sequence, &fresh);
    tc_nodeset_add(&o->executed, fact.node);
    if (fresh || tc_nodeset_has(&o->env->faults->signed_for, row->fact.node)) {
        /* what somebody executed before he turned traitor binds nobody */
        *row = (struct row){.fact = fact, .nodes = 1};
        return;
    }
    o->sequences += row->nodes == 1;
    row->nodes++;
    if (!row->breached && !tc_values_equal(&row->fact.value, &fact.value)) {
        row->breached = true;
        breach(o, &row->fact, &fact);
    }
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->sequences;
    snprintf(result->unit, sizeof result->unit, "sequence numbers");
    if (!o->env->has_executions) {
        tc_oracle_not_judged(result, "no replica prints what it executes");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (o->sequences == 0) {
        result->status = TC_INCONCLUSIVE;
        tc_text_add(&t, "no sequence number was executed by two correct replicas");
        return;
    }
    tc_text_add(&t, "%" PRIu32 " replicas, ", tc_nodeset_count(&o->executed));
    tc_text_number(&t, o->sequences);
    tc_text_add(&t, " sequence numbers compared");
}

const struct tc_oracle_class tc_oracle_agreement = {
    .name = "agreement",
    .summary = "no two correct replicas execute different values at one sequence number",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
