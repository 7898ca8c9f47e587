#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LINE       64u
#define NO_ROW     UINT32_MAX
#define BEGIN_BITS 5 /* room for so many rows at first, in powers of two; then it doubles */
#define BLOCKS_MAX (24 - BEGIN_BITS + 1)
#define SPARSE     2 /* 4 buckets for a row: looking for a new key then rarely meets another row, which lies far away */

/* In front of every row. Rows with one hash are chained through `next`. */
struct row_head {
    uint64_t key;
    uint32_t next;
    uint32_t unused; /* keeps rows aligned to 16 */
};
_Static_assert(sizeof(struct row_head) == TC_TABLE_HEAD_SIZE, "what rows are laid out by");

struct tc_table {
    uint32_t rows_max;           /* the bound */
    uint32_t rows, bucket_shift; /* for which there is room now */
    uint32_t begin, count;       /* rows are a ring in order of insertion; it begins at 0 until the bound is reached */
    uint32_t last;               /* index of the row put last, */
    struct row_head *last_head;  /* and where it is; NULL: none yet */
    size_t stride;
    uint64_t forgotten;
    uint32_t *buckets;
    uint8_t *blocks[BLOCKS_MAX]; /* a row stays where it is: the first block holds the first rows, each next one as
                                    many as all before it */
};

static uint32_t block_of(uint32_t index)
{
    const uint32_t above = index >> BEGIN_BITS;
    return above == 0 ? 0 : 32 - (uint32_t)__builtin_clz(above);
}

static struct row_head *head_at(const struct tc_table *table, uint32_t index)
{
    const uint32_t block = block_of(index);
    const uint32_t begin = block == 0 ? 0 : UINT32_C(1) << (BEGIN_BITS + block - 1);
    return (struct row_head *)(void *)(table->blocks[block] + (size_t)(index - begin) * table->stride);
}

static uint32_t bucket_of(const struct tc_table *table, uint64_t key)
{
    uint64_t h = (key ^ (key >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> table->bucket_shift);
}

static uint32_t log2_of(uint32_t rows)
{
    uint32_t bits = 1;
    while ((UINT32_C(1) << bits) < rows)
        bits++;
    return bits;
}

static void link_row(struct tc_table *table, uint32_t index)
{
    struct row_head *head = head_at(table, index);
    uint32_t *bucket = &table->buckets[bucket_of(table, head->key)];
    head->next = *bucket;
    *bucket = index;
}

/* Twice the room, or the first; the rows are linked anew. False: no memory, nothing changed. */
static bool grow(struct tc_table *table)
{
    const uint32_t rows = table->rows == 0 ? UINT32_C(1) << BEGIN_BITS : 2 * table->rows;
    const size_t buckets_size = ((size_t)rows << SPARSE) * sizeof *table->buckets;
    uint32_t *buckets = malloc(buckets_size);
    const size_t block_size = (rows - table->rows) * table->stride;
    uint8_t *block = table->stride % LINE == 0 ? aligned_alloc(LINE, block_size) : malloc(block_size);
    if (!buckets || !block) {
        free(buckets);
        free(block);
        return false;
    }
    free(table->buckets);
    memset(buckets, 0xff, buckets_size);
    table->buckets = buckets;
    table->blocks[block_of(table->rows)] = block;
    table->rows = rows;
    table->bucket_shift = 64 - log2_of(rows) - SPARSE;
    for (uint32_t i = 0; i < table->count; i++)
        link_row(table, i);
    return true;
}

struct tc_table *tc_table_new(uint32_t rows_max, size_t row_size)
{
    assert(rows_max > 0 && rows_max <= 1u << 24);
    struct tc_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    const uint32_t bits = log2_of(rows_max);
    table->rows_max = UINT32_C(1) << (bits < BEGIN_BITS ? BEGIN_BITS : bits);
    const size_t stride = sizeof(struct row_head) + row_size;
    const size_t unit = stride > LINE ? LINE : 16; /* long rows begin with a line of the cache */
    table->stride = (stride + unit - 1) & ~(unit - 1);
    if (!grow(table)) {
        tc_table_free(table);
        return NULL;
    }
    return table;
}

void tc_table_free(struct tc_table *table)
{
    if (!table)
        return;
    free(table->buckets);
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        free(table->blocks[i]);
    free(table);
}

void *tc_table_find(const struct tc_table *table, uint64_t key)
{
    uint32_t index = table->buckets[bucket_of(table, key)];
    while (index != NO_ROW) {
        struct row_head *head = head_at(table, index);
        if (head->key == key)
            return head + 1;
        index = head->next;
    }
    return NULL;
}

static void forget_oldest(struct tc_table *table)
{
    uint32_t index = table->begin;
    struct row_head *head = head_at(table, index);
    uint32_t *link = &table->buckets[bucket_of(table, head->key)];
    while (*link != index)
        link = &head_at(table, *link)->next;
    *link = head->next;
    table->begin = (table->begin + 1) & (table->rows - 1);
    table->count--;
    table->forgotten++;
}

static void *found_at(struct tc_table *table, uint32_t index, struct row_head *head)
{
    table->last = index;
    table->last_head = head;
    return head + 1;
}

/* The row put last, or the one behind it: the copies of a broadcast ask for the one, and what came in one after another
 * and is met again one after another for the other. NULL: neither has this key. A row that is forgotten is put anew at
 * once, so the last one is always in use; the one behind it is, up to the count, and lies next to it, but where a block
 * ends. */
static inline void *find_near(struct tc_table *table, uint64_t key)
{
    struct row_head *last = table->last_head;
    const uint32_t next = table->last + 1;
    if (last && last->key == key)
        return last + 1;
    if ((next & table->last) == 0 || next >= table->count)
        return NULL;
    struct row_head *behind = (struct row_head *)(void *)((uint8_t *)last + table->stride);
    return behind->key == key ? found_at(table, next, behind) : NULL;
}

static void *find_far(struct tc_table *table, uint64_t key)
{
    uint32_t index = table->buckets[bucket_of(table, key)];
    while (index != NO_ROW) {
        struct row_head *head = head_at(table, index);
        if (head->key == key)
            return found_at(table, index, head);
        index = head->next;
    }
    return NULL;
}

static void *put_new(struct tc_table *table, uint64_t key)
{
    /* A ring that has begun to turn, for want of memory, grows no more: its rows would have to be moved. */
    if (table->count == table->rows && (table->rows == table->rows_max || table->begin != 0 || !grow(table)))
        forget_oldest(table);
    const uint32_t index = (table->begin + table->count) & (table->rows - 1);
    struct row_head *head = head_at(table, index);
    memset(head, 0, table->stride);
    head->key = key;
    link_row(table, index);
    table->count++;
    return found_at(table, index, head);
}

void *tc_table_put(struct tc_table *table, uint64_t key, bool *fresh)
{
    *fresh = false;
    void *found = find_near(table, key);
    if (!found)
        found = find_far(table, key);
    if (found)
        return found;
    *fresh = true;
    return put_new(table, key);
}

uint64_t tc_table_forgotten(const struct tc_table *table)
{
    return table->forgotten;
}

void *tc_table_row(const struct tc_table *table, uint32_t index)
{
    if (index >= table->count)
        return NULL;
    return head_at(table, (table->begin + index) & (table->rows - 1)) + 1;
}
