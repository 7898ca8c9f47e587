/* The lines of observations.jsonl and decisions.jsonl. */
#ifndef TC_RECORD_LINE_H
#define TC_RECORD_LINE_H

#include "buf.h"

/* Adds one line, newline included. Digests, keys and bytes are hexadecimal strings; nodes are numbers. */
void tc_record_observation(struct tc_buf *line, const struct tc_observation *observation);
void tc_record_decision(struct tc_buf *line, const struct tc_decision *decision);

#endif
