/* What the strategies share. Only the files adversary_*.c include this.
 *
 * adversary_base.c       traitors, memory, the common lies
 * adversary_partition.c  random partitions
 * adversary_round.c      rounds of messages
 * adversary_random.c, adversary_byzzfuzz.c, …   one strategy each */
#ifndef TC_ADVERSARY_BASE_H
#define TC_ADVERSARY_BASE_H

#include "../proxy/nodeset.h"
#include "../proxy/random.h"
#include "adversary.h"
#include "mutate.h"

/* The strategies, for the table. */
extern const struct tc_adversary_class tc_adversary_random, tc_adversary_byzzfuzz, tc_adversary_strategic,
    tc_adversary_twins, tc_adversary_performance;

/* First member of every strategy's struct. */
struct tc_adversary_base {
    struct tc_adversary_config config;
    /* What the strategy does; self is its struct. After the attack the network is healed and stays so: of its answers
     * those about the traitors' own words still count. */
    int (*act)(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);
    struct tc_handler handler;
    struct tc_mutator mutator;
    struct tc_memory *heard;
    struct tc_nodeset traitors; /* replicas, as many as the ledger allows and f; perhaps a client */
    uint16_t traitor;           /* the first of them */
    uint32_t n;
};

/* Sets everything but `act`; `name` is the strategy's. Chooses the traitors by the seed. TC_EMEMORY. */
int tc_adversary_init(struct tc_adversary_base *base, const struct tc_adversary_config *config, const char *name);
void tc_adversary_done(struct tc_adversary_base *base);

/* A number below `bound` for the decision that `what` and `which` name. */
static inline uint64_t tc_adversary_draw(const struct tc_adversary_base *base, uint64_t what, uint64_t which,
                                         uint64_t bound)
{
    return tc_random_below(tc_random_mix(tc_random_mix(base->config.seed, what), which), bound);
}

/* By what is said, whoever hears it: all receivers of a broadcast give the same. */
static inline uint64_t tc_adversary_word(const struct tc_adversary_base *base, const struct tc_message *m)
{
    return tc_random_mix(tc_random_mix(base->config.seed, m->key), m->from);
}

/* By what is said to whom and for the how manieth time. */
static inline uint64_t tc_adversary_copy(const struct tc_adversary_base *base, const struct tc_message *m)
{
    return tc_random_mix(tc_adversary_word(base, m), (uint64_t)m->to << 32 | m->occurrence);
}

static inline bool tc_adversary_holds(const struct tc_adversary_base *base, uint16_t node)
{
    return tc_nodeset_has(&base->traitors, node);
}

/* Is this message a traitor's own word on its own link? */
static inline bool tc_adversary_own(const struct tc_adversary_base *base, const struct tc_message *m)
{
    return m->decoded && m->sender == m->from && tc_adversary_holds(base, m->from);
}

/* The verdicts. `why` is static. */
void tc_adversary_drop(struct tc_plan *plan, const char *why);
void tc_adversary_replace(struct tc_plan *plan, struct tc_slice frame, const char *why);

/* A side action; NULL if the plan is full. */
struct tc_op *tc_adversary_op(struct tc_plan *plan, enum tc_verb verb);

/* Another frame on a link. */
void tc_adversary_send(struct tc_plan *plan, uint16_t from, uint16_t to, struct tc_slice frame);

/* Replaces the message by one that `operators` make of it by `hash`; false, and nothing done, if none changes it. */
bool tc_adversary_lie(struct tc_adversary_base *base, const struct tc_message *m, uint32_t operators, uint64_t hash,
                      struct tc_plan *plan);

/* Says again, to a receiver that `hash` chooses, something that a traitor, or anybody, said earlier. */
void tc_adversary_replay(struct tc_adversary_base *base, uint64_t hash, struct tc_plan *plan);

/* ---- adversary_partition.c ---- */

/* A uniformly random partition of `n` nodes (at most TC_REPLICAS_MAX) into two blocks or more, by Stam's urns: block[i]
 * is the number of node i's block. The number of blocks; 1 if n < 2. */
uint32_t tc_partition_draw(uint64_t hash, uint32_t n, uint8_t *block);

/* ---- adversary_round.c ---- */

#define TC_ROUNDS_MAX 64

/* Which round a message belongs to: the rank of its own slot and phase, in the order in which these came up. So a
 * pipeline of slots does not confuse it. Where votes have no phases it is 2·view + {propose, vote}, from the first view
 * seen. */
struct tc_rounds {
    uint64_t keys[TC_ROUNDS_MAX];
    uint32_t count;
    uint32_t seen; /* the round met last, of those that have a key; 0: none */
    uint64_t seen_key;
    uint32_t last[TC_NODES_MAX]; /* of each sender: what has no slot belongs there */
    bool has_first, without_phases;
    uint64_t first_view;
};

void tc_rounds_init(struct tc_rounds *rounds, const struct tc_protocol *protocol);

/* 1, 2, …; past TC_ROUNDS_MAX all are TC_ROUNDS_MAX + 1. */
uint32_t tc_rounds_of(struct tc_rounds *rounds, const struct tc_message *message);

#endif
