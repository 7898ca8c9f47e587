/* One line of observations.jsonl as an observation again (record_line.c writes it). Private to the reports. */
#ifndef TC_RECORD_PARSE_H
#define TC_RECORD_PARSE_H

#include <jansson.h>

#include "../proxy/arena.h"
#include "../proxy/types.h"

/* What the line tells; texts, operations and bytes live in `arena`. false: it is of no kind that is known, or the arena
 * is full. A field that is missing or of another type is as if it were zero. */
bool tc_record_parse(const json_t *line, struct tc_arena *arena, struct tc_observation *out);

/* A number of the line, 0 if there is none. */
uint64_t tc_record_number(const json_t *line, const char *name);

#endif
