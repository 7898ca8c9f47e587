/* What a CometBFT node logs (log_format = "json"), read as observations. */
#ifndef TC_COMETBFT_LINES_H
#define TC_COMETBFT_LINES_H

#include "../../proxy/arena.h"
#include "../../proxy/error.h"
#include "../../proxy/types.h"

/* Reads one line: "finalizing commit of block" is an execution (sequence: height, value: block hash, state: the
 * application's hash before it), "CONSENSUS FAILURE" is a halt. `node` is
 * TC_NODE_NONE: a node's log does not name it. What it points to lives in `arena`. TC_EUNSUPPORTED: says nothing to us;
 * TC_EMALFORMED: no JSON object. As tc_line_parse. */
int tc_cometbft_line_parse(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out,
                           struct tc_error *err);

#endif
