/* The table of oracles: a new oracle is one file and one line here. The order is that of reports. */
#include "oracles.h"

const struct tc_oracle_class *const tc_oracle_classes[] = {
    &tc_oracle_agreement,
    &tc_oracle_total_order,
    &tc_oracle_justification,
    &tc_oracle_lock,
    &tc_oracle_certificate_validity,
    &tc_oracle_certificate_uniqueness,
    &tc_oracle_equivocation,
    &tc_oracle_evidence,
    &tc_oracle_accountability,
    &tc_oracle_view_monotonicity,
    &tc_oracle_client_validity,
    &tc_oracle_exactly_once,
    &tc_oracle_linearizability,
    &tc_oracle_durability,
    &tc_oracle_state_digest,
    &tc_oracle_bounded_recovery,
    &tc_oracle_lasso,
    &tc_oracle_participation,
    &tc_oracle_message_cost,
    &tc_oracle_performance,
    &tc_oracle_chain_quality,
    &tc_oracle_crashes,
    &tc_oracle_bad_signatures,
    NULL,
};
