/* Adversaries of the hunt: strategies that need no script. A strategy is a handler (plan.h) made from a seed and the
 * protocol's tables alone, so it works on every protocol that has them, and its decisions are logged, replayed and
 * shrunk like those of a script. One file a strategy (adversary_*.c) and one line in the table. Pure. */
#ifndef TC_ADVERSARY_H
#define TC_ADVERSARY_H

#include "../reference/protocol.h"
#include "ledger.h"
#include "plan.h"

/* What a strategy may do in one run. Zeroed: each strategy's own defaults. */
struct tc_adversary_limits {
    uint32_t process_faults; /* rounds in which the traitor lies (ByzzFuzz: c) */
    uint32_t network_faults; /* rounds in which the network is cut (ByzzFuzz: d) */
    uint32_t rounds_max;     /* faults happen in rounds 1 … rounds_max (ByzzFuzz: r) */
    bool any_scope;          /* mutate to anything of the same type, not only to neighbouring values */
};

struct tc_adversary_config {
    const struct tc_protocol *protocol;
    struct tc_protocol_env env; /* borrowed parts live as long as the adversary */
    struct tc_ledger *ledger;   /* what it signs is noted there */
    uint64_t seed;              /* of this run; decides everything */
    uint64_t index;             /* number of this run in its hunt: strategies that enumerate go by it */
    struct tc_adversary_limits limits;
    uint64_t bugs; /* TC_BUG_BITs of the replicas that it runs itself: the implementation under test has them */
};

struct tc_adversary; /* opaque, per strategy */

struct tc_adversary_class {
    const char *name;    /* "byzzfuzz" */
    const char *summary; /* one line for `turncoat list` and help */
    const char *source;  /* the paper it comes from */
    /* NULL if out of memory. */
    struct tc_adversary *(*create)(const struct tc_adversary_config *config);
    /* The handler to give to the engine; valid until destroy. */
    const struct tc_handler *(*handler)(struct tc_adversary *adversary);
    void (*destroy)(struct tc_adversary *adversary);
    /* NULL; or sets `leaders` and `leader_count` of the run's cluster, which the run then goes by (env.leader). Called
     * before every run of the strategy, a replayed one included; a pure function of the configuration. */
    void (*settle)(const struct tc_adversary_config *config, struct tc_cluster *cluster);
};

/* All strategies, ended by NULL; and the one of that name, or NULL. */
extern const struct tc_adversary_class *const tc_adversaries[];
const struct tc_adversary_class *tc_adversary_find(const char *name);

/* How many actions the strategy `performance` knows for a protocol, and what a candidate (from 1) does: "pre-prepare
 * dropped". Run 0 takes none (the baseline), runs 1 … tc_performance_count that candidate, later ones a pair of them.
 * The damage of a run is the baseline's decisions a second over its own, of the same seed; its driver (trial_greedy.h)
 * measures and goes on with the worst. */
uint32_t tc_performance_count(const struct tc_protocol *protocol);
const char *tc_performance_text(const struct tc_protocol *protocol, uint32_t candidate, char *buffer, size_t size);

/* The index of the run that takes all of these; at most TC_PERFORMANCE_TOGETHER are taken. */
#define TC_PERFORMANCE_TOGETHER 3
uint64_t tc_performance_index(const uint32_t *candidates, uint32_t count);

#endif
