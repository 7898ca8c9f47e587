/* One run: puts scenario, cluster, script, engine, oracles, metrics and recorder together in the live world, and ends
 * with a verdict and a report. */
#ifndef TC_RUN_H
#define TC_RUN_H

#include "../lua/scenario.h"
#include "error.h"

struct tc_run_request {
    const struct tc_scenario *scenario;
    const char *lua_dir, *program, *out_dir;
    const char *command;     /* the command line as typed */
    const char *named;       /* the scenario as it was named on the command line, for the repeat line */
    const char *junit_path;  /* a copy of junit.xml; NULL none */
    const char *bug;         /* "" none */
    const char *repeat_with; /* options other than the seed that a repetition needs, e.g. "--bug X"; "" none */
    uint64_t seed;
    bool simulated; /* in the simulation world, under virtual time */
    bool ed25519;   /* simulation: real signatures in place of the keyed hash */
    bool capture, verify_all, quiet, verbose, color;
    bool terminal;       /* standard output is a terminal: show a live line */
    bool judge;          /* false: decode and count only (proxy --observe messages) */
    bool pass_through;   /* bytes only: no decoding, no judging (proxy --observe none) */
    bool interrupt_ends; /* an interrupt is how this run is meant to end (proxy without --duration) */
};

struct tc_run_result {
    int exit_code;   /* as `turncoat run` exits */
    uint64_t bitten; /* faults that had an effect */
    char dir[512];   /* run directory */
};

/* Runs it, prints progress and verdict to standard output. 0 whenever a verdict (of any kind) was reached and printed:
 * see result->exit_code. Negative if it could not even begin: TC_EUSAGE, TC_EUNREACHABLE, TC_EKEY, TC_ESCRIPT, TC_EIO …
 * with the sentence in err. */
int tc_run(const struct tc_run_request *request, struct tc_run_result *result, struct tc_error *err);

/* Prints the table of links: who dials which address, and where that goes. Starts nothing. */
int tc_run_dry(const struct tc_run_request *request, struct tc_error *err);

#endif
