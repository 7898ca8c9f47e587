/* One run: puts scenario, cluster, script, engine, oracles, metrics and recorder together in the live world, and ends
 * with a verdict and a report. */
#ifndef TC_RUN_H
#define TC_RUN_H

#include "../lua/scenario.h"
#include "../oracles/oracle.h"
#include "decisions.h"
#include "error.h"

/* What is judged in place of a run: a capture. */
struct tc_check {
    const char *capture;        /* file; NULL: live, from `interface` */
    const char *interface;      /* NULL: from the file */
    const char *observations;   /* observations.jsonl of the run that was captured; NULL none */
    bool traitors_known;        /* --traitors was given, be it "none" */
    struct tc_nodeset traitors; /* they may do what they like */
    uint64_t duration_ns;       /* live: end after this time; TC_NEVER_NS: when interrupted */
};

struct tc_run_request {
    const struct tc_check *check; /* NULL: a run. Else the scenario names the cluster, and nothing is attacked */
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
    bool terminal;                     /* standard output is a terminal: show a live line */
    bool judge;                        /* false: decode and count only (proxy --observe messages) */
    bool pass_through;                 /* bytes only: no decoding, no judging (proxy --observe none) */
    bool interrupt_ends;               /* an interrupt is how this run is meant to end (proxy without --duration) */
    bool silent;                       /* prints nothing at all */
    uint64_t start_timeout_ns;         /* how long to wait for the cluster's first decision; 0: as long as is usual */
    const char *dir;                   /* the run directory itself; NULL: OUT/NAME/TIME-SEED */
    const char *repeat;                /* the line that repeats it; NULL: made of `named`, `repeat_with` and `seed` */
    const char *notes[4], *repeats[3]; /* said in the report beside its own; NULL ends */
    /* In the place of the scenario's attack: a strategy of the hunt (simulation), or decisions that were recorded. */
    const struct tc_adversary_class *strategy;
    const struct tc_tape *replay;
    const bool *left_out; /* of `replay`, as tc_replay_begin takes it */
    /* What decisions.jsonl begins with: scenario (as named), options, and of a hunt index, limits and decisions_max,
     * which count here; the rest is filled in. NULL: decisions.jsonl is a log only. */
    const struct tc_decisions_header *header;
};

struct tc_run_result {
    int exit_code;                          /* as `turncoat run` exits */
    uint64_t bitten;                        /* faults that had an effect */
    char dir[512];                          /* run directory */
    struct tc_decisions_end end;            /* simulation, with a header: the last line of decisions.jsonl */
    uint32_t replay_wanted, replay_matched; /* of `replay`: choices that were to be given; that found their moment */
};

/* Runs it, prints progress and verdict to standard output. 0 whenever a verdict (of any kind) was reached and printed:
 * see result->exit_code. Negative if it could not even begin: TC_EUSAGE, TC_EUNREACHABLE, TC_EKEY, TC_ESCRIPT, TC_EIO …
 * with the sentence in err. */
int tc_run(const struct tc_run_request *request, struct tc_run_result *result, struct tc_error *err);

/* The scenario's content as decisions files name it: a hash of its file and of its attack's. TC_EIO, TC_ENOT_FOUND. */
int tc_run_content(const struct tc_scenario *scenario, const char *lua_dir, uint64_t *hash, struct tc_error *err);

/* The rule that a finding says was broken ("" if it names none), cut at `size`. */
const char *tc_run_rule(const struct tc_finding *finding, char *buffer, size_t size);

/* The same for a scenario with a sweep: runs each point in the simulation and says what a decision cost; exit code 1
 * where that is not what the protocol's formula says. TC_EUSAGE: not simulated; others as tc_cost_measure. */
int tc_run_sweep(const struct tc_run_request *request, struct tc_run_result *result, struct tc_error *err);

/* Prints the table of links: who dials which address, and where that goes. Starts nothing. */
int tc_run_dry(const struct tc_run_request *request, struct tc_error *err);

#endif
