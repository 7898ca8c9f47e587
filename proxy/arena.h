/* A bounded bump allocator. Everything decoded from one frame lives in one arena and goes with it.
 * An arena keeps its blocks over a reset, so the hot path does not call malloc. */
#ifndef TC_ARENA_H
#define TC_ARENA_H

#include "types.h"

#define TC_ARENA_ALIGNMENT 16u

struct tc_arena_block;

struct tc_arena {
    struct tc_arena_block *_first, *_current;
    uint8_t *_free;   /* first free byte of the current block; NULL without one */
    size_t _room;     /* bytes free in the current block */
    size_t _total;    /* bytes used in all blocks */
    size_t total_max; /* an allocation that would pass it fails */
};

/* Makes an empty arena that hands out at most total_max bytes between resets. Cannot fail. */
void tc_arena_init(struct tc_arena *arena, size_t total_max);

/* Frees all blocks; every pointer handed out is dead. Safe on a zeroed arena. */
void tc_arena_free(struct tc_arena *arena);

/* Forgets all allocations but keeps the memory. O(1). */
void tc_arena_reset(struct tc_arena *arena);

/* What tc_arena_alloc does when the current block is full, or the arena. */
void *tc_arena_alloc_block(struct tc_arena *arena, size_t size);

/* size bytes, aligned to 16, not zeroed. NULL if the bound or memory is exhausted: the caller treats
 * the input as too large (TC_ELIMIT). size 0 gives a unique pointer. Here, for each message asks it several times. */
static inline void *tc_arena_alloc(struct tc_arena *arena, size_t size)
{
    const size_t rounded =
        size ? (size + TC_ARENA_ALIGNMENT - 1) & ~(size_t)(TC_ARENA_ALIGNMENT - 1) : TC_ARENA_ALIGNMENT;
    /* A size so large that rounding wraps is beyond any bound. */
    if (rounded < size || rounded > arena->_room || rounded > arena->total_max - arena->_total)
        return tc_arena_alloc_block(arena, size);
    void *result = arena->_free;
    arena->_free += rounded;
    arena->_room -= rounded;
    arena->_total += rounded;
    return result;
}

/* As tc_arena_alloc, zeroed. */
void *tc_arena_zalloc(struct tc_arena *arena, size_t size);

/* A copy of the slice in the arena; {NULL, 0} if it does not fit (len > 0). */
struct tc_slice tc_arena_copy(struct tc_arena *arena, struct tc_slice bytes);

#endif
