/* What replicas said in a recorded run, for `turncoat test`: the executions, views and phases of observations.jsonl. */
#ifndef TC_COMMAND_TEST_EVENTS_H
#define TC_COMMAND_TEST_EVENTS_H

#include "error.h"
#include "types.h"

struct tc_test_event {
    uint64_t time_ns; /* of the trace: 0 is when its first connection came up */
    struct tc_observation observation;
};

struct tc_test_events {
    struct tc_test_event *items;
    size_t count, size;
    size_t next;  /* the first that was not handed over yet */
    bool present; /* there is such a file */
};

/* Reads observations.jsonl in the directory of `trace`; without one, present = false. Lines that are none of the three
 * kinds are passed over. TC_EMALFORMED (file, line), TC_EMEMORY, TC_EIO. Free in every case. */
int tc_test_events_read(const char *trace, struct tc_test_events *out, struct tc_error *err);
void tc_test_events_free(struct tc_test_events *events);

#endif
