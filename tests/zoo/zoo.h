/* What the parts of the zoo program share.
 *
 * zoo.c          options
 * zoo_trial.c    trials, and one hunt in them
 * zoo_table.c    the table: each bug under each strategy
 * zoo_correct.c  the correct protocols
 * zoo_greedy.c   the greedy search for what slows down most
 * zoo_show.c     one run, message by message
 *
 * What goes wrong in a trial (no memory, a scenario that cannot be read) ends the program with 70. */
#ifndef ZOO_H
#define ZOO_H

#include "../../proxy/trial.h"

#define ZOO_NAMES_MAX 64
#define ZOO_SEEDS_MAX 25

/* As they were asked for; an empty list of names means all. The names are the command line's. */
struct zoo_options {
    const char *strategies[ZOO_NAMES_MAX], *bugs[ZOO_NAMES_MAX], *protocols[ZOO_NAMES_MAX];
    const char *without[ZOO_NAMES_MAX];
    size_t strategy_count, bug_count, protocol_count, without_count;
    uint64_t seeds, runs, decisions, first, correct, show_seed, show_index;
    double seconds, look; /* look: of the first pass; 0: there is but one */
    bool show, any_scope, first_find, performance, rows;
};

/* One hunt for one bug: until the first violation, or the budget is spent. */
struct zoo_hunt {
    bool found;
    uint64_t runs;
    double seconds; /* of this process' CPU time: what else the machine does is not counted */
    char oracle[64];
    uint64_t oracles; /* that were violated in the run, by their number */
    bool fork;        /* agreement or total order among them */
};

/* ---- zoo_trial.c ---- */

/* CPU time of this process. */
double zoo_now_s(void);

/* Ends the program, with err's text, if `status` is an error. */
void zoo_must(int status, const struct tc_error *err);

/* Is `name` among them? Of no names, every one is. */
bool zoo_listed(const char *const *names, size_t count, const char *name);

/* The scenario hunt-PROTOCOL. False: this protocol was not asked for, or has no replicas of its own to hunt. */
bool zoo_load(const struct zoo_options *options, const char *protocol, struct tc_scenario *scenario);

/* How many replicas the bug is hunted with. */
uint32_t zoo_replicas_for(int bug);
void zoo_settle_size(struct tc_scenario *scenario, int bug);

/* Borrows the scenario; tc_trial_free. */
struct tc_trial *zoo_open_trial(const struct zoo_options *options, const struct tc_scenario *scenario,
                                const struct tc_adversary_class *strategy, uint64_t bugs);

/* The seed of run `index` of a hunt with this seed. */
uint64_t zoo_run_seed(uint64_t seed, uint64_t index);
void zoo_run(struct tc_trial *trial, uint64_t seed, uint64_t index, struct tc_trial_result *result);

/* Runs 0, 1, … of this seed, until one is violated, options->runs are done or `seconds` are spent. */
struct zoo_hunt zoo_hunt(const struct zoo_options *options, struct tc_trial *trial, uint64_t seed, double seconds);

/* ---- what the program does; each prints ---- */

/* How many bugs no strategy found. */
unsigned zoo_table(const struct zoo_options *options);
void zoo_list_rows(void);

/* How many runs of the correct protocols were violated. */
uint64_t zoo_correct(const struct zoo_options *options);
void zoo_performance(const struct zoo_options *options);

/* The exit code. */
int zoo_show(const struct zoo_options *options);

#endif
