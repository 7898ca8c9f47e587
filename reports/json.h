/* Small helpers over jansson: result.json is the model from which every report is made, and it may have been edited or
 * cut by anybody, so reading is total: what is missing or of another type is "" or 0. */
#ifndef TC_JSON_H
#define TC_JSON_H

#include "../proxy/error.h"
#include "../proxy/types.h"
#include "buf.h"

#include <jansson.h>

/* A JSON string of untrusted text (invalid UTF-8 becomes U+FFFD). NULL counts as "". NULL if out of memory. */
json_t *tc_json_text(const char *text);
/* A number, or null for TC_NEVER_NS and what a signed 64-bit integer does not hold. */
json_t *tc_json_time(uint64_t time_ns);
/* The numbers of the set's nodes, rising. NULL if out of memory. */
json_t *tc_json_nodes(const struct tc_nodeset *set);

/* A number that counts: what a signed 64-bit integer does not hold is its greatest. */
json_t *tc_json_count(uint64_t value);
/* Puts the new value (null if there was no memory for it) into the object, which takes it. */
void tc_json_set(json_t *object, const char *name, json_t *value);

/* A member of an object (NULL: of none): "", 0 or false where it is missing or of another type. Borrowed. */
const char *tc_json_string(const json_t *object, const char *name);
int64_t tc_json_integer(const json_t *object, const char *name);
/* The integer, or TC_NEVER_NS if it is missing, null or negative. */
uint64_t tc_json_ns(const json_t *object, const char *name);
double tc_json_number(const json_t *object, const char *name);
bool tc_json_true(const json_t *object, const char *name);
/* Is it there, and not null? */
bool tc_json_has(const json_t *object, const char *name);
/* DIR/NAME, indented, put in place at once: a reader sees the old file or the new one. TC_EIO, TC_EMEMORY (also for a
 * NULL value). */
int tc_json_save(const char *dir, const char *name, const json_t *value, struct tc_error *err);
/* The object in a file of at most bytes_max, for the caller to release; NULL with the reason in err: TC_ENOT_FOUND,
 * TC_EIO, TC_ELIMIT, TC_EMALFORMED. */
json_t *tc_json_load(const char *dir, const char *name, size_t bytes_max, struct tc_error *err);

/* What a threshold measured, in the unit of its metric; "no samples" if there were none. */
void tc_json_threshold_value(const json_t *threshold, struct tc_buf *out);
/* "1 traitor of 1 allowed", of those who may be blamed for the finding that decided the verdict. */
void tc_json_blame(const json_t *result, struct tc_buf *out);
/* A breach with more than f faulty, which theory allows, where the scenario expected none: exit 1, though the verdict
 * in result.json is "expected". */
bool tc_json_beyond(const json_t *result);
/* "replica 0", "replicas 0, 2 and c1", "nobody" of an array of node numbers. Returns `buffer`. */
const char *tc_json_node_list(const json_t *nodes, char *buffer, size_t size);

#endif
