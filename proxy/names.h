/* The words for kinds, phases, verbs and observations, as scripts, logs and reports write them. */
#ifndef TC_NAMES_H
#define TC_NAMES_H

#include "types.h"

/* Each returns a static lower-case word, e.g. "view_change", "prepare", "replace", "before";
 * "?" for a number outside the enum. */
const char *tc_kind_name(enum tc_kind kind);
const char *tc_phase_name(enum tc_phase phase); /* TC_PHASE_NONE is "" */
const char *tc_verb_name(enum tc_verb verb);
const char *tc_observation_name(enum tc_observation_kind kind);
const char *tc_run_phase_name(enum tc_run_phase phase);
const char *tc_execution_origin_name(enum tc_execution_origin origin);

/* The inverse; returns the number or -1 if no such word. */
int tc_kind_parse(const char *word);
int tc_phase_parse(const char *word);

/* "2" for a replica, "c0" for a client, "-" for TC_NODE_NONE. Returns `buffer`. */
const char *tc_node_name(uint32_t node, char buffer[static 8]);

/* Lower-case hexadecimal of a value; "nil", or "" if absent. At most 2*digest_bytes digits are
 * written (digest_bytes ≤ 32). Returns `buffer`. */
const char *tc_value_text(const struct tc_value *value, size_t digest_bytes, char buffer[static 65]);

#endif
