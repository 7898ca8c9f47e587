/* The result of a hunt: what was run, what was found, how little of it is needed. Written to DIR/result.json while the
 * hunt goes on, so that an interrupted one can be resumed, and merged from those of shards. */
#ifndef TC_REPORT_HUNT_H
#define TC_REPORT_HUNT_H

#include "../proxy/error.h"
#include "../proxy/shell.h"
#include "../proxy/types.h"
#include "buf.h"

#define TC_HUNT_STRATEGIES_MAX 16
#define TC_HUNT_GROUPS_MAX     32 /* different violations that are kept; more are counted */
#define TC_HUNT_ORACLES_MAX    48
#define TC_HUNT_JOBS_MAX       256
#define TC_HUNT_NEVER          UINT64_MAX /* as an index: no run */

/* Sums over runs. */
struct tc_hunt_sum {
    uint64_t runs, violated, inconclusive, expected; /* expected: a breach with more than f, as theory says */
    uint64_t bitten;                                 /* faults that had an effect */
    uint64_t choices;                                /* decisions of the adversary */
    uint64_t decided;                                /* decisions of the cluster */
    uint64_t busy_ns;                                /* of one processor */
};

/* What a strategy, or an oracle, came to. */
struct tc_hunt_first {
    uint64_t runs;  /* runs in which it came */
    uint64_t index; /* the first of them; TC_HUNT_NEVER */
    double seconds; /* since the hunt began */
};

enum tc_hunt_cause {
    TC_HUNT_UNKNOWN = 0, /* not asked: the hunt was interrupted first */
    TC_HUNT_NETWORK,     /* what a network and crashes can do suffices */
    TC_HUNT_TRAITOR,     /* needs a traitor that signs */
    TC_HUNT_FORGED,      /* needs messages that nobody signed (or that are not signed at all) */
    TC_HUNT_OUTSIDE      /* more than f: outside of the model */
};
const char *tc_hunt_cause_name(enum tc_hunt_cause cause); /* "network alone", … static */

#define TC_HUNT_OF_MAX 96

/* One kind of violation: all runs in which this oracle was the first to be violated, by this rule. */
struct tc_hunt_group {
    char oracle[TC_NAME_MAX], rule[96], strategy[TC_NAME_MAX];
    char text[512], because[768];
    struct tc_hunt_first all, by[TC_HUNT_STRATEGIES_MAX];
    uint64_t seed; /* of run all.index */
    /* once it was looked at: */
    bool stored, minimal;
    enum tc_hunt_cause cause;
    struct tc_nodeset traitors;         /* F_s of the shrunk run */
    uint32_t confirmed, confirmed_of;   /* the same run again */
    uint32_t neighbours, neighbours_of; /* runs of the same strategy with other seeds */
    uint32_t honest, honest_of;         /* the same, without what only a traitor can do */
    uint32_t choices, kept, tried;      /* decisions; those left after shrinking; runs that took */
    uint64_t shrunk_in;                 /* the run that was shrunk: all.index, or another that shows the same */
    bool alone;                         /* it was one of the `honest`: nothing that has a traitor in it is needed */
    char first_bad[256];                /* the first decision that is needed, in words */
    char dir[512];                      /* below the directory of the hunt; merged: where its shard has it */
};

struct tc_hunt_oracle {
    char name[TC_NAME_MAX];
    struct tc_hunt_first seen; /* violated in a run, be it first or not */
};

/* What the greedy search of the strategy performance came to: with what it had settled on before, this action makes the
 * correct protocol so many times slower than the same seeds without any. */
struct tc_hunt_slow {
    uint32_t round; /* from 1 */
    char action[96];
    double times;
};
#define TC_HUNT_SLOW_MAX 16

struct tc_hunt_result {
    char name[TC_NAME_MAX], scenario[512], protocol[TC_NAME_MAX], bug[TC_NAME_MAX];
    char command[TC_SHELL_LINE_MAX];
    uint64_t setting; /* hash of what every run goes by: files, options, version. Only equal ones go together */
    uint64_t seed, runs_asked, budget_ns, decisions_max;
    uint32_t shard, shards, shards_merged; /* merged: how many results this is made of; 0: it is one itself */
    uint32_t jobs;
    uint64_t next[TC_HUNT_JOBS_MAX]; /* of each job: the run it would begin next */
    double seconds;                  /* wall clock, over all resumptions; merged: the longest */
    bool complete;                   /* it ended by itself: nothing to resume */
    bool interrupted;
    uint32_t strategy_count, group_count, oracle_count;
    struct {
        char name[TC_NAME_MAX];
        struct tc_hunt_sum sum;
    } strategies[TC_HUNT_STRATEGIES_MAX];
    struct tc_hunt_group groups[TC_HUNT_GROUPS_MAX]; /* by first index */
    struct tc_hunt_oracle oracles[TC_HUNT_ORACLES_MAX];
    struct tc_hunt_slow slowest[TC_HUNT_SLOW_MAX]; /* by round, the worst first */
    uint32_t slow_count;
    uint64_t groups_lost; /* violated runs whose kind found no room */
    char error[512];      /* it ended by this error; "" none */
};

/* 1 violated, 130 interrupted, 70 error, 3 nothing bit in any run or part of the hunt is missing, 0. */
int tc_hunt_exit_code(const struct tc_hunt_result *result);

/* Which run was shrunk, between `before` and `after`, if it is not the one that was found first; else "". */
void tc_hunt_shrunk_of(const struct tc_hunt_group *group, const char *before, const char *after,
                       char text[static TC_HUNT_OF_MAX]);

/* Why it proves nothing (exit 3), in words; NULL if it does. */
const char *tc_hunt_why(const struct tc_hunt_result *result);

struct tc_hunt_sum tc_hunt_total(const struct tc_hunt_result *result);

/* The group of this name, entered if there is room; NULL if there is none. */
struct tc_hunt_group *tc_hunt_group(struct tc_hunt_result *result, const char *oracle, const char *rule);
struct tc_hunt_oracle *tc_hunt_oracle(struct tc_hunt_result *result, const char *name);
/* Enters a row unless it is there: every process and shard that searches finds the same. Beyond the room it is lost. */
void tc_hunt_slow_add(struct tc_hunt_result *result, const struct tc_hunt_slow *row);
/* A run more. */
void tc_hunt_count(struct tc_hunt_first *first, uint64_t index, double seconds);
/* Groups by their first index. */
void tc_hunt_sort(struct tc_hunt_result *result);

/* DIR/result.json, put in place at once. TC_EIO, TC_EMEMORY. */
int tc_hunt_write(const char *dir, const struct tc_hunt_result *result, struct tc_error *err);
/* TC_ENOT_FOUND: no such file; TC_EMALFORMED: not the result of a hunt (file and what was expected). */
int tc_hunt_read(const char *dir, struct tc_hunt_result *out, struct tc_error *err);
/* Is DIR/result.json that of a hunt? */
bool tc_hunt_is(const char *dir);

/* Adds a shard's result. `dir` is where it lies; groups it found first name their directory so. TC_EUSAGE: it is of
 * another hunt (says what differs), or a shard that is in already. */
int tc_hunt_merge(struct tc_hunt_result *into, const struct tc_hunt_result *shard, const char *dir,
                  struct tc_error *err);

/* Writes DIR/junit.xml and DIR/report.html. TC_EIO, TC_EMEMORY. */
int tc_hunt_report(const char *dir, const struct tc_hunt_result *result, struct tc_error *err);

/* Writes DIR/junit.xml alone. */
int tc_hunt_junit(const char *dir, const struct tc_hunt_result *result, struct tc_error *err);

/* The summary on the terminal. Returned text is malloc'ed. NULL if out of memory. */
char *tc_hunt_terminal(const struct tc_hunt_result *result, const char *dir, bool color);

/* The line that runs FILE (shrunk.jsonl, decisions.jsonl) of what was found again; `dir` is the hunt's. */
void tc_hunt_repeat(const struct tc_hunt_result *r, const struct tc_hunt_group *g, const char *dir, const char *file,
                    char line[static TC_SHELL_LINE_MAX]);

/* What was found, as experience goes: what differs, why, which decision, how to see it again. Adds to `out`. */
void tc_hunt_group_text(const struct tc_hunt_result *result, const struct tc_hunt_group *group, const char *dir,
                        bool color, struct tc_buf *out);

#endif
