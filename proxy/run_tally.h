/* What `turncoat run --times N` has seen: how often each outcome, and with which seeds. */
#ifndef TC_RUN_TALLY_H
#define TC_RUN_TALLY_H

#include "types.h"

#define TC_TALLY_OUTCOMES 8
#define TC_TALLY_SEEDS    8 /* kept of each outcome; more are counted */

/* Zero-initialised. */
struct tc_run_tally {
    uint64_t runs, count[TC_TALLY_OUTCOMES], seeds[TC_TALLY_OUTCOMES][TC_TALLY_SEEDS];
};

/* Counts a run that ended with this exit code. */
void tc_run_tally_add(struct tc_run_tally *tally, int exit_code, uint64_t seed);

/* Prints to standard output how many runs ended how, and the seeds of those that did not end as most did. */
void tc_run_tally_print(const struct tc_run_tally *tally);

#endif
