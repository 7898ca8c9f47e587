/* The JSON lines that replicas and clients print, one observation a line, one write(2) a line:
 *
 *   {"e":"up","node":0,"protocol":"pbft"}
 *   {"e":"execute","node":0,"seq":41,"view":0,"digest":"9c41…","state":"77aa…","origin":"executed","ops":[{"client":128,"ts":17,"digest":"…","fresh":true}]}
 *   {"e":"view","node":0,"view":1,"active":true,"timeout_ns":400000000}
 *   {"e":"stable","node":0,"seq":128,"state":"…"}
 *   {"e":"complaint","node":0,"peer":2,"text":"bad signature on prepare"}
 *   {"e":"request","node":128,"ts":17,"digest":"…","op":"<hex>"}
 *   {"e":"reply","node":128,"ts":17,"digest":"…","result":"<hex>","latency_ns":1200345,"ok":true}
 *
 * Anything else on a node's output is kept in its log and ignored here. Foreign implementations may print the same
 * lines. */
#ifndef TC_LINES_H
#define TC_LINES_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"

/* Writes the line for an observation, newline included; its length, or TC_EUNSUPPORTED for a kind that has no line,
 * TC_ELIMIT if it does not fit. */
int64_t tc_line_write(const struct tc_observation *observation, char *buffer, size_t size);

/* Reads one line (without newline). The observation's time and id are left 0; what it points to lives in `arena`.
 * TC_EUNSUPPORTED: not one of ours; TC_EMALFORMED: one of ours but broken (reason in err). */
int tc_line_parse(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err);

#endif
