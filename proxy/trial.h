/* One simulated run from scenario to verdict, without a run directory: what a hunt does thousands of times a second.
 * Everything that one run can leave to the next (tables, arenas, the loaded script) is kept in the trial. Pure: the
 * caller does the I/O. */
#ifndef TC_TRIAL_H
#define TC_TRIAL_H

#include "../injectors/adversary.h"
#include "../lua/scenario.h"
#include "../oracles/judge.h"
#include "../reference/sim.h"

/* What all runs of a hunt share. Borrowed for the trial's life. */
struct tc_trial_setup {
    const struct tc_scenario *scenario;
    const char *lua_dir;
    const struct tc_adversary_class *strategy; /* NULL: the scenario's own attack */
    struct tc_adversary_limits limits;
    uint64_t bugs;          /* TC_BUG_BITs of every replica */
    uint64_t decisions_max; /* the run ends after so many; 0: when its phases end */
    bool ed25519;           /* real signatures in place of the keyed hash */
};

struct tc_trial_request {
    uint64_t seed;
    uint64_t index;                    /* number of the run in its hunt */
    const struct tc_handler *handler;  /* takes the place of strategy and attack (replay, ablation); or NULL */
    const struct tc_nodeset *traitors; /* with `handler`: whom it may sign for */
    struct tc_sink sink;               /* sees every observation and decision too; zeroed: nobody does */
};

struct tc_trial_result {
    struct tc_verdict_summary summary; /* `first` is valid until the trial's next run */
    const struct tc_judge *judge;      /* every oracle's outcome; the same */
    struct tc_faults faults;
    struct tc_sim_stats stats;
    uint64_t bitten, decided, now_ns;
    uint64_t hash; /* of every observation and decision: equal for equal runs */
};

struct tc_trial;

/* TC_EMEMORY; errors of the scenario as tc_script_load and tc_sim_open give them. */
int tc_trial_new(const struct tc_trial_setup *setup, struct tc_trial **out, struct tc_error *err);

/* Runs and judges. Errors as tc_sim_run gives them; a script error is TC_ESCRIPT. */
int tc_trial_run(struct tc_trial *trial, const struct tc_trial_request *request, struct tc_trial_result *out,
                 struct tc_error *err);

/* Safe on NULL. */
void tc_trial_free(struct tc_trial *trial);

#endif
