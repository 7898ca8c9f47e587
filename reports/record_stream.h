/* observations.jsonl line by line, as observations: what a capture cannot show is told from here. */
#ifndef TC_RECORD_STREAM_H
#define TC_RECORD_STREAM_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_record_stream;

/* Opens it and looks for its clock. TC_ENOT_FOUND, TC_EIO with path and reason; TC_EMALFORMED: no line of it is one of
 * an observations.jsonl. */
int tc_record_stream_open(const char *path, struct tc_record_stream **out, struct tc_error *err);
void tc_record_stream_close(struct tc_record_stream *stream);

/* The next observation; valid until the next call. 1; 0 at the end (a last line that is cut off is left out);
 * TC_EMALFORMED with file and line; TC_EIO. */
int tc_record_stream_next(struct tc_record_stream *stream, struct tc_observation *out, struct tc_error *err);

/* Is the run's end in it? Else it was cut off, or the run was: nobody knows what came after. */
bool tc_record_stream_ended(const struct tc_record_stream *stream);

/* The largest run time in it. */
uint64_t tc_record_stream_last_ns(const struct tc_record_stream *stream);

/* When the run's time 0 was, in nanoseconds since 1970. false: the file does not say (an older run's). */
bool tc_record_stream_wall(const struct tc_record_stream *stream, uint64_t *start_wall_ns);

/* Which kinds of observations are in it, a bit for each enum tc_observation_kind. */
uint32_t tc_record_stream_kinds(const struct tc_record_stream *stream);

/* The nodes of which it tells what they executed or which view they are in, or that they were started. Borrowed. */
const struct tc_nodeset *tc_record_stream_tellers(const struct tc_record_stream *stream);

/* Run time at which the first connection came up; TC_NEVER_NS if the file's beginning tells of none. */
uint64_t tc_record_stream_first_link_ns(const struct tc_record_stream *stream);

#endif
