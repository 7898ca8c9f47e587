/* A bounded bump allocator. Everything decoded from one frame lives in one arena and goes with it.
 * An arena keeps its blocks over a reset, so the hot path does not call malloc. */
#ifndef TC_ARENA_H
#define TC_ARENA_H

#include "types.h"

struct tc_arena_block;

struct tc_arena {
    struct tc_arena_block *_first, *_current;
    size_t _used;     /* bytes used in the current block */
    size_t _total;    /* bytes used in all blocks */
    size_t total_max; /* an allocation that would pass it fails */
};

/* Makes an empty arena that hands out at most total_max bytes between resets. Cannot fail. */
void tc_arena_init(struct tc_arena *arena, size_t total_max);

/* Frees all blocks; every pointer handed out is dead. Safe on a zeroed arena. */
void tc_arena_free(struct tc_arena *arena);

/* Forgets all allocations but keeps the memory. O(1). */
void tc_arena_reset(struct tc_arena *arena);

/* size bytes, aligned to 16, not zeroed. NULL if the bound or memory is exhausted: the caller treats
 * the input as too large (TC_ELIMIT). size 0 gives a unique pointer. */
void *tc_arena_alloc(struct tc_arena *arena, size_t size);

/* As tc_arena_alloc, zeroed. */
void *tc_arena_zalloc(struct tc_arena *arena, size_t size);

/* A copy of the slice in the arena; {NULL, 0} if it does not fit (len > 0). */
struct tc_slice tc_arena_copy(struct tc_arena *arena, struct tc_slice bytes);

#endif
