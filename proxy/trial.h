/* One simulated run from scenario to verdict, without a run directory: what a hunt does thousands of times a second.
 * Keys, cluster and world are kept from run to run; engine, replicas, oracles and script begin anew, with tables that
 * start small, so that a run in a trial that was used before is the same, to the byte, as one in a fresh trial. Pure:
 * the caller does the I/O. */
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
    uint64_t bugs;          /* TC_BUG_BITs of every replica, beside the bug that the scenario names */
    uint64_t decisions_max; /* the run ends after so many since the attack began; 0: when its phases end */
    bool ed25519;           /* real signatures in place of the keyed hash */
    uint32_t properties;    /* judge by oracles of these alone: TC_PROPERTY_BITs; 0: by all */
    /* What takes the place of the scenario's: plan, load, network, disk, clocks, decisions_max and `interrupted` are
     * read from it. NULL: tc_trial_world. */
    const struct tc_sim_config *world;
};

struct tc_trial_request {
    uint64_t seed;
    uint64_t index;                    /* number of the run in its hunt */
    const struct tc_handler *handler;  /* takes the place of strategy and attack (replay, ablation); or NULL */
    const struct tc_nodeset *traitors; /* with `handler`: whom it signs for, in F_s from the beginning; or NULL */
    struct tc_ledger *ledger; /* with `handler`: where it notes whom it signs for, when it does; NULL: the trial's */
    /* May put another handler in front of the strategy or attack (NULL: there is none), such as a tape that writes its
     * answers down; the one that it answers must live as long as the run. NULL: none. */
    const struct tc_handler *(*wrap)(void *wrap_self, const struct tc_handler *handler, struct tc_ledger *ledger);
    void *wrap_self;
    struct tc_sink sink; /* sees every observation and decision too; zeroed: nobody does */
};

struct tc_trial_result {
    struct tc_verdict_summary summary; /* `first` is valid until the trial's next run */
    const struct tc_judge *judge;      /* every oracle's outcome; the same */
    struct tc_nodeset traitors;        /* as named when the attack began */
    struct tc_faults faults;
    struct tc_sim_stats stats;
    struct tc_engine_stats engine_stats;
    uint64_t bitten, decided, now_ns; /* decided: the largest sequence number that a replica executed */
    uint64_t hash;                    /* of every observation and decision: equal for equal runs */
};

struct tc_trial;

/* TC_EUSAGE: the scenario's cluster runs already, or its protocol is not known; TC_ENOT_FOUND: its attack; TC_EMEMORY.
 * What else is wrong with scenario, script or world is said by the first run. */
int tc_trial_new(const struct tc_trial_setup *setup, struct tc_trial **out, struct tc_error *err);

/* Runs and judges. Errors as tc_script_load, tc_sim_open and tc_sim_run give them; a script error is TC_ESCRIPT. After
 * an error of tc_sim_run `out` holds what came until then (judge is not NULL), and the trial may be used again. */
int tc_trial_run(struct tc_trial *trial, const struct tc_trial_request *request, struct tc_trial_result *out,
                 struct tc_error *err);

/* Safe on NULL. */
void tc_trial_free(struct tc_trial *trial);

/* The simulation that a scenario asks for: plan, load, network, disk, clocks. The rest of `out` is zeroed. The phases
 * begin at the first decision if there is a phase before the attack, else at once. */
void tc_trial_world(const struct tc_scenario *scenario, struct tc_sim_config *out);

/* Puts what the scenario says of network, disks and clocks over what is in `to`; tc_trial_world does it. */
void tc_trial_models(const struct tc_world_spec *spec, struct tc_sim_config *to);

/* The status that a scenario's `expect.verdict` names. */
enum tc_status tc_trial_expected(const struct tc_scenario *scenario);

#endif
