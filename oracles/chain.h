/* The blocks that proposals made, as a chain: who is whose parent. Bounded; the oldest are forgotten. Pure.
 *
 * Digests are not computed again. A liar may propose an honest block's digest with another parent; but whoever votes
 * for that block was offered the true proposal too, so both were seen here: what is told in two ways is disputed, and
 * counts as unknown for good. */
#ifndef TC_CHAIN_H
#define TC_CHAIN_H

#include "oracle.h"

/* A block, or the place of one. */
struct tc_point {
    uint64_t view, sequence;
    uint8_t digest[TC_VALUE_SIZE];
};

struct tc_block {
    struct tc_point at;
    uint8_t parent[TC_VALUE_SIZE];
    uint64_t justify_view; /* of the highest certificate that it was proposed with; 0 none (its parent is genesis) */
    bool disputed;
};

struct tc_chain;

/* NULL if out of memory. env is borrowed for life. */
struct tc_chain *tc_chain_new(const struct tc_oracle_env *env);
void tc_chain_free(struct tc_chain *chain);

/* Takes in the block that the message proposes, if it does. */
void tc_chain_learn(struct tc_chain *chain, const struct tc_message *m);

/* NULL if it is not known (any more), or disputed. Valid until the next learn. */
const struct tc_block *tc_chain_find(const struct tc_chain *chain, const uint8_t digest[TC_VALUE_SIZE]);

/* Is `ancestor` the block itself or on the way down from it? 1, 0, or -1 when the way is not known whole. */
int tc_chain_extends(const struct tc_chain *chain, const uint8_t digest[TC_VALUE_SIZE],
                     const struct tc_point *ancestor);

#endif
