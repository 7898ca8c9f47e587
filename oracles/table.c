#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX
#define SPARSE 2 /* 4 buckets for a row: looking for a new key then rarely meets another row, which lies far away */

/* In front of every row. Rows with one hash are chained through `next`. */
struct row_head {
    uint64_t key;
    uint32_t next;
    uint32_t unused; /* keeps rows aligned to 16 */
};

struct tc_table {
    uint32_t rows_max, bucket_shift;
    uint32_t begin, count; /* rows are a ring in order of insertion */
    size_t stride;
    uint64_t forgotten;
    uint32_t *buckets;
    uint8_t *rows;
};

static struct row_head *head_at(const struct tc_table *table, uint32_t index)
{
    return (struct row_head *)(void *)(table->rows + (size_t)index * table->stride);
}

static uint32_t bucket_of(const struct tc_table *table, uint64_t key)
{
    uint64_t h = (key ^ (key >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> table->bucket_shift);
}

struct tc_table *tc_table_new(uint32_t rows_max, size_t row_size)
{
    assert(rows_max > 0 && rows_max <= 1u << 24);
    uint32_t bits = 1;
    while ((UINT32_C(1) << bits) < rows_max)
        bits++;
    struct tc_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->rows_max = UINT32_C(1) << bits;
    table->bucket_shift = 64 - bits - SPARSE;
    table->stride = (sizeof(struct row_head) + row_size + 15) & ~(size_t)15;
    const size_t buckets_size = ((size_t)table->rows_max << SPARSE) * sizeof *table->buckets;
    table->buckets = malloc(buckets_size);
    table->rows = malloc(table->rows_max * table->stride);
    if (!table->buckets || !table->rows) {
        tc_table_free(table);
        return NULL;
    }
    memset(table->buckets, 0xff, buckets_size);
    return table;
}

void tc_table_free(struct tc_table *table)
{
    if (!table)
        return;
    free(table->buckets);
    free(table->rows);
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
    table->begin = (table->begin + 1) & (table->rows_max - 1);
    table->count--;
    table->forgotten++;
}

void *tc_table_put(struct tc_table *table, uint64_t key, bool *fresh)
{
    void *found = tc_table_find(table, key);
    *fresh = !found;
    if (found)
        return found;
    if (table->count == table->rows_max)
        forget_oldest(table);
    uint32_t index = (table->begin + table->count) & (table->rows_max - 1);
    uint32_t *bucket = &table->buckets[bucket_of(table, key)];
    struct row_head *head = head_at(table, index);
    memset(head, 0, table->stride);
    head->key = key;
    head->next = *bucket;
    *bucket = index;
    table->count++;
    return head + 1;
}

uint32_t tc_table_count(const struct tc_table *table)
{
    return table->count;
}

uint64_t tc_table_forgotten(const struct tc_table *table)
{
    return table->forgotten;
}

void *tc_table_row(const struct tc_table *table, uint32_t index)
{
    if (index >= table->count)
        return NULL;
    return head_at(table, (table->begin + index) & (table->rows_max - 1)) + 1;
}
