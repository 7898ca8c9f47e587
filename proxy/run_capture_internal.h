/* What the files of the capture's part of a run share (run_capture.c, run_capture_say.c). */
#ifndef TC_RUN_CAPTURE_INTERNAL_H
#define TC_RUN_CAPTURE_INTERNAL_H

#include "run_internal.h"

#include "../reports/record_stream.h"
#include "capture_world.h"

/* The observations are read twice at a time: facts that the run itself made (who is faulty, phases, processes) come at
 * their time, lines of the nodes after the slack. */
struct tc_checking_source {
    struct tc_record_stream *stream;
    struct tc_observation next; /* if has_next */
    bool has_next, lines;
};

struct tc_checking {
    struct tc_run *run;
    struct tc_capture_world *world;
    struct tc_capture_counts counts;
    struct tc_checking_source sources[2]; /* facts, lines */
    uint32_t kinds;                       /* in the observations */
    bool placed;                          /* the observations' clock was laid beside the capture's */
    int64_t offset_ns;                    /* from run time to capture time */
    uint64_t dropped;                     /* by the kernel, of a live capture */
    uint64_t left_out;                    /* lines after the capture's end */
    struct tc_capture_place *places;
    size_t place_count;
    struct tc_error refused; /* code != 0: a mistake of the cluster file, by which nobody is judged */
    char hidden[160];        /* what of the wire was never captured; "" nothing */
    char notes[6][256];
    size_t note_count;
};

#endif
