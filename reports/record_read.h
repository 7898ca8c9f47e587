/* What replicas said in a recorded run: the executions, views and phases of observations.jsonl (record_line.c writes
 * it). */
#ifndef TC_RECORD_READ_H
#define TC_RECORD_READ_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_record_event {
    uint64_t time_ns; /* of the trace: 0 is when its first connection came up */
    struct tc_observation observation;
};

struct tc_record_events {
    struct tc_record_event *items;
    size_t count, size;
    size_t next;  /* the first that was not handed over yet */
    bool present; /* there is such a file */
};

/* Reads observations.jsonl in the directory of `trace`; without one, present = false. Lines that are none of the three
 * kinds are passed over. TC_EMALFORMED (file, line), TC_EMEMORY, TC_EIO. Free in every case. */
int tc_record_events_read(const char *trace, struct tc_record_events *out, struct tc_error *err);
void tc_record_events_free(struct tc_record_events *events);

#endif
