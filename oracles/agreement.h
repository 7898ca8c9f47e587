/* What agreement found, and why it came to be. */
#ifndef TC_AGREEMENT_H
#define TC_AGREEMENT_H

#include <string.h>

#include "oracles.h"

/* One execution line. */
struct tc_execution_fact {
    uint64_t time_ns, view, sequence;
    uint16_t node;
    struct tc_value value;
};

/* Looks in the vote store for the votes that made each of two different values at one sequence number: says so in
 * f->because and attaches the messages. Leaves both alone if the wire was not seen. */
void tc_agreement_explain(const struct tc_oracle_env *env, const struct tc_execution_fact *a,
                          const struct tc_execution_fact *b, struct tc_finding *f);

static inline bool tc_values_equal(const struct tc_value *a, const struct tc_value *b)
{
    return a->state == b->state && (a->state != TC_VALUE_BYTES || memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0);
}

#endif
