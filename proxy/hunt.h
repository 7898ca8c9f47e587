/* The hunt: runs of a scenario in the simulation, each with an adversary of another seed, spread over processes that
 * share nothing. Run number i is decided by (seed, i) alone, so how many jobs and shards there are changes nothing that
 * is found. What is found is looked at by hunt_found.c: confirmed, shrunk, attributed, stored. */
#ifndef TC_HUNT_H
#define TC_HUNT_H

#include "../reports/hunt.h"
#include "run.h"
#include "shell.h"
#include "trial_greedy.h"

struct tc_hunt_request {
    const struct tc_scenario *scenario;
    const struct tc_run_request *run;  /* lua_dir, program, named, repeat_with, bug, ed25519, color, quiet, terminal */
    struct tc_decisions_header header; /* what decisions files begin with */
    const struct tc_adversary_class *strategies[TC_HUNT_STRATEGIES_MAX]; /* NULL: the scenario's attack */
    uint32_t strategy_count;
    uint64_t setting;               /* see struct tc_hunt_result */
    uint64_t seed, runs, budget_ns; /* runs, budget: 0 none */
    uint32_t jobs, shard, shards;
    uint32_t stop_after; /* different violations; 0: never */
    bool find_only;      /* what is found is not looked at */
    struct tc_adversary_limits limits;
    struct tc_greedy *greedy;      /* what the strategy performance knows so far: each process measures for itself */
    const char *dir;               /* of the hunt */
    char again[TC_SHELL_LINE_MAX]; /* the line that repeats the hunt, for the report */
};

/* Runs it from where `result` stands (a new one: next[] as tc_hunt_begin sets it) and fills `result`, which is also
 * written to DIR/result.json while it goes on. 0 also when it was interrupted or a run ended in an error: see result.
 * TC_EIO: a process or pipe cannot be made. */
int tc_hunt(const struct tc_hunt_request *request, struct tc_hunt_result *result, struct tc_error *err);

/* A new result for this request. */
void tc_hunt_begin(const struct tc_hunt_request *request, struct tc_hunt_result *result);

/* Was a running hunt told to end (SIGINT, SIGTERM)? */
bool tc_hunt_interrupted(void);

/* ---- run number `index` ---- */

uint64_t tc_hunt_seed(uint64_t seed, uint64_t index);
uint32_t tc_hunt_strategy(const struct tc_hunt_request *request, uint64_t index);
/* What its strategy is given as its number: how many it had before it, or, of performance, the actions that the greedy
 * search has come to, which must be ready for it. */
uint64_t tc_hunt_index(const struct tc_hunt_request *request, uint64_t index);
/* Measures one action more, in a trial of the run's strategy, if the run cannot be known before: 1 if it did, 0: there
 * is nothing to measure. Errors: as tc_trial_run. */
int tc_hunt_ready(const struct tc_hunt_request *request, uint64_t index, struct tc_trial *trial, struct tc_error *err);

/* ---- hunt_worker.c ---- */

/* What a worker tells. One write each, smaller than what a pipe takes at once. */
struct tc_hunt_record {
    enum { TC_HUNT_SUMS, TC_HUNT_FOUND, TC_HUNT_SLOWEST, TC_HUNT_DONE, TC_HUNT_FAILED } kind;
    uint64_t next;                                   /* SUMS, DONE: the run it begins next */
    struct tc_hunt_sum sums[TC_HUNT_STRATEGIES_MAX]; /* SUMS, DONE: since the last */
    uint64_t index;                                  /* FOUND, FAILED */
    char oracle[TC_NAME_MAX], rule[96];              /* FOUND: the first */
    char text[512], because[768];                    /* FOUND; FAILED: the error */
    uint32_t round;                                  /* SLOWEST: of the greedy search, from 1 */
    struct tc_greedy_round slowest;                  /* SLOWEST */
    uint64_t also[(TC_HUNT_ORACLES_MAX + 63) / 64];  /* FOUND: oracles that were violated, by the judge's order */
};

/* Runs first, first + step, … while they are below the limit, the time is not over and `orders` is open. A number read
 * from `orders` is a new, lower limit. Ends the process. */
_Noreturn void tc_hunt_worker(const struct tc_hunt_request *request, uint64_t first, uint64_t step,
                              uint64_t deadline_ns, int orders, int records);

/* ---- hunt_found.c ---- */

/* Looks at group `at` of the result: runs it again with a tape, and writes DIR/found/N-ORACLE/decisions.jsonl; then,
 * unless `brief`, confirms, shrinks and attributes it, and writes shrunk.jsonl and the run directories of both. Errors:
 * as tc_trial_run and tc_run give them. */
int tc_hunt_look(const struct tc_hunt_request *request, struct tc_hunt_result *result, uint32_t at, bool brief,
                 struct tc_error *err);

/* ---- shrinking of any recorded run ---- */

#define TC_HUNT_READABLE 10 /* decisions that can be read at a glance: with more than these it tries harder */

struct tc_hunt_shrunk {
    bool *left_out; /* malloc'ed; the caller frees */
    struct tc_shrink_result result;
    bool fails; /* it is violated at all; otherwise nothing was tried */
    char oracle[TC_NAME_MAX], rule[96];
    struct tc_nodeset signed_for;
    enum tc_hunt_cause cause;
    char first_bad[256];
};

/* Shrinks the tape of run `index` of its strategy in `trial` to decisions that still violate `oracle` by `rule` (both
 * "": what the whole tape violates first), and says what it needs. Errors of tc_trial_run; TC_EMEMORY, TC_EINTERRUPTED.
 */
int tc_hunt_shrink(struct tc_trial *trial, uint64_t seed, uint64_t index, const struct tc_tape *tape,
                   const struct tc_scenario *scenario, const char *oracle, const char *rule, struct tc_hunt_shrunk *out,
                   struct tc_error *err);

/* Is this oracle violated in that run, by this rule ("": any)? */
bool tc_hunt_shows(const struct tc_trial_result *result, const char *oracle, const char *rule);

/* "#87: replace pre-prepare 0→2 view 0 sequence 41", with this number in front. */
void tc_hunt_decision_text(const struct tc_decision *decision, uint64_t number, char *buffer, size_t size);

/* Copies a file. TC_EIO. */
int tc_hunt_copy(const char *from, const char *to, struct tc_error *err);

#endif
