#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE_MIN 16384u

struct tc_arena_block {
    struct tc_arena_block *next;
    size_t size;
    _Alignas(TC_ARENA_ALIGNMENT) uint8_t bytes[];
};

void tc_arena_init(struct tc_arena *arena, size_t total_max)
{
    *arena = (struct tc_arena){.total_max = total_max};
}

void tc_arena_free(struct tc_arena *arena)
{
    for (struct tc_arena_block *block = arena->_first; block;) {
        struct tc_arena_block *next = block->next;
        free(block);
        block = next;
    }
    tc_arena_init(arena, arena->total_max);
}

static void make_current(struct tc_arena *arena, struct tc_arena_block *block)
{
    arena->_current = block;
    arena->_free = block ? block->bytes : NULL;
    arena->_room = block ? block->size : 0;
}

void tc_arena_reset(struct tc_arena *arena)
{
    make_current(arena, arena->_first);
    arena->_total = 0;
}

/* Makes the next block that holds `size` bytes the current one: a kept one if it is large enough,
 * else a new one put in front of it (blocks double, so that there are few). */
static bool next_block(struct tc_arena *arena, size_t size)
{
    struct tc_arena_block *last = arena->_current;
    struct tc_arena_block *kept = last ? last->next : arena->_first;
    if (!kept || kept->size < size) {
        size_t wanted = last ? last->size * 2 : BLOCK_SIZE_MIN;
        if (wanted > arena->total_max)
            wanted = arena->total_max;
        if (wanted < size)
            wanted = size;
        struct tc_arena_block *block = malloc(sizeof *block + wanted);
        if (!block)
            return false;
        block->size = wanted;
        block->next = kept;
        if (last)
            last->next = block;
        else
            arena->_first = block;
        kept = block;
    }
    make_current(arena, kept);
    return true;
}

void *tc_arena_alloc_block(struct tc_arena *arena, size_t size)
{
    if (size > arena->total_max)
        return NULL;
    size_t rounded = (size + TC_ARENA_ALIGNMENT - 1) & ~(size_t)(TC_ARENA_ALIGNMENT - 1);
    if (rounded == 0)
        rounded = TC_ARENA_ALIGNMENT;
    if (rounded > arena->total_max - arena->_total || !next_block(arena, rounded))
        return NULL;
    return tc_arena_alloc(arena, size);
}

void *tc_arena_zalloc(struct tc_arena *arena, size_t size)
{
    void *result = tc_arena_alloc(arena, size);
    if (result)
        memset(result, 0, size);
    return result;
}

struct tc_slice tc_arena_copy(struct tc_arena *arena, struct tc_slice bytes)
{
    uint8_t *copy = tc_arena_alloc(arena, bytes.len);
    if (!copy)
        return (struct tc_slice){NULL, 0};
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return (struct tc_slice){copy, bytes.len};
}
