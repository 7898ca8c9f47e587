/* The recorder's inside, shared by recorder.c (while the run goes on) and the writers of its end. */
#ifndef TC_RECORDER_PARTS_H
#define TC_RECORDER_PARTS_H

#include "../oracles/histogram.h"
#include "out.h"
#include "recorder.h"
#include "window.h"

#include <jansson.h>

/* Delays of one verb: asked for, measured, and how much later than asked. */
struct tc_recorder_delays {
    struct tc_histogram asked, measured, late;
};

struct tc_recorder {
    char dir[512];
    char started[32]; /* UTC, ISO 8601 */
    char before[64];  /* where `latest` led before; "" nowhere */
    bool made;        /* `dir` was made for this run */
    struct tc_out decisions, observations;
    struct tc_buf line;
    struct tc_recorder_extra extra; /* zeroed: none */
    bool hashed;
    uint64_t hash;
    struct tc_window *window;
    struct tc_recorder_delays *delays[TC_VERB_COUNT]; /* NULL until one was measured */
    uint64_t decision_count, observation_count, overflow_count, spliced_count, complaint_count;
    struct tc_error first_error;
    struct tc_nodeset signed_for; /* F_s as it was told last */
    json_t *result;               /* once finished: what the terminal says must not depend on the disk */
};

/* Keeps the first failure of the run's writing. */
void tc_recorder_note_error(struct tc_recorder *r, const struct tc_error *err);

/* What ends a fault is no fault, and is not counted among them. */
bool tc_recorder_is_repair(int verb);

/* result.json as a new reference, and the evidence files beside it. NULL if out of memory. `r` may be NULL: then
 * nothing is written, and what only the recorder knows is left out. */
json_t *tc_result_build(struct tc_recorder *r, const struct tc_report_input *input);

/* metrics.tsv and the tables of the plots. The first failure is kept in r. */
void tc_tables_write(struct tc_recorder *r, const struct tc_report_input *input);

/* evidence/NNNN.json of one finding; returns its JSON for result.json (frames left out), NULL if out of memory. It
 * names the file only if it could be written. `decisive`: on a full disk it comes before the page, the others after. */
json_t *tc_evidence_write(struct tc_recorder *r, const struct tc_protocol *protocol, const struct tc_finding *finding,
                          uint32_t number, bool decisive);

#endif
