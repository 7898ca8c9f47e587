/* A bounded table: rows found by a 64-bit key; when it is full the row that came first makes way. It starts small and
 * grows with its rows, so that a short run does not pay for the bound. Pure. */
#ifndef TC_TABLE_H
#define TC_TABLE_H

#include "../proxy/random.h"
#include "../proxy/types.h"

struct tc_table;

/* Rows of more than 48 bytes lie so many bytes behind the begin of a line of the cache, of 64 bytes. */
#define TC_TABLE_HEAD_SIZE 16u

/* A key for a place of the protocol. Every message asks for one or two, so the view alone is scrambled: within a view
 * different sequence numbers have different keys, and the table spreads what lies side by side. */
static inline uint64_t tc_table_key(uint64_t epoch, uint64_t view, uint64_t sequence)
{
    return tc_random_scramble(epoch ? tc_random_mix(epoch, view) : view + UINT64_C(0x9e3779b97f4a7c15)) + sequence;
}

/* `rows_max` rows (rounded up to a power of two) of `row_size` bytes. NULL if out of memory. */
struct tc_table *tc_table_new(uint32_t rows_max, size_t row_size);
void tc_table_free(struct tc_table *table);

/* The row with this key, or NULL. Valid until the next put. */
void *tc_table_find(const struct tc_table *table, uint64_t key);

/* The row with this key, made (zeroed, *fresh = true) if there was none; the oldest row is forgotten for it when the
 * table is full, or cannot grow for want of memory. Never NULL. */
void *tc_table_put(struct tc_table *table, uint64_t key, bool *fresh);

/* Rows forgotten so far, and the index-th row in order of insertion (oldest first; NULL past the end).
 */
uint64_t tc_table_forgotten(const struct tc_table *table);
void *tc_table_row(const struct tc_table *table, uint32_t index);

#endif
