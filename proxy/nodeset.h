/* Sets of nodes. All functions are total: a node ≥ TC_NODES_MAX is in no set and is not added. */
#ifndef TC_NODESET_H
#define TC_NODESET_H

#include "types.h"

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
        count += (uint32_t)__builtin_popcountll(set->words[i]);
    return count;
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
