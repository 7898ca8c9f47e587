/* Sets of nodes. All functions are total: a node ≥ TC_NODES_MAX is in no set and is not added. */
#ifndef TC_NODESET_H
#define TC_NODESET_H

#include "types.h"

/* How many bits are set. Spelt out: without an instruction for it, which not every processor has, the compiler calls a
 * function. */
static inline uint32_t tc_bits_count(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

static inline bool tc_nodeset_has(const struct tc_nodeset *set, uint32_t node)
{
    return node < TC_NODES_MAX && ((set->words[node / 64] >> (node % 64)) & 1u);
}

static inline void tc_nodeset_add(struct tc_nodeset *set, uint32_t node)
{
    if (node < TC_NODES_MAX)
        set->words[node / 64] |= UINT64_C(1) << (node % 64);
}

static inline void tc_nodeset_remove(struct tc_nodeset *set, uint32_t node)
{
    if (node < TC_NODES_MAX)
        set->words[node / 64] &= ~(UINT64_C(1) << (node % 64));
}

/* Number of members. */
static inline uint32_t tc_nodeset_count(const struct tc_nodeset *set)
{
    uint32_t count = 0;
    for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
        count += tc_bits_count(set->words[i]);
    return count;
}

static inline bool tc_nodeset_empty(const struct tc_nodeset *set)
{
    uint64_t all = 0;
    for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
        all |= set->words[i];
    return all == 0;
}

/* into := into ∪ other. */
static inline void tc_nodeset_union(struct tc_nodeset *into, const struct tc_nodeset *other)
{
    for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
        into->words[i] |= other->words[i];
}

static inline bool tc_nodeset_equal(const struct tc_nodeset *a, const struct tc_nodeset *b)
{
    uint64_t differ = 0;
    for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
        differ |= a->words[i] ^ b->words[i];
    return differ == 0;
}

/* Is every member of `a` a member of `b`? */
static inline bool tc_nodeset_subset(const struct tc_nodeset *a, const struct tc_nodeset *b)
{
    uint64_t more = 0;
    for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
        more |= a->words[i] & ~b->words[i];
    return more == 0;
}

#endif
