#include "adversary_base.h"

#define URNS_MAX  255
#define TRIES_MAX 256

/* u^n / u!, without leaving the range of a double for any n ≤ 128 and u ≤ 255. */
static double weight(uint32_t urns, uint32_t n)
{
    double w = 1;
    for (uint32_t i = 1; i <= n || i <= urns; i++) {
        if (i <= n)
            w *= urns;
        if (i <= urns)
            w /= i;
    }
    return w;
}

/* Stam (1983): u urns with probability uⁿ / (u!·e·Bₙ), Bₙ being the number of partitions. */
static uint32_t draw_urns(uint64_t hash, uint32_t n)
{
    double total = 0, sum = 0;
    /* Beyond n + 32 urns a weight is less than what a double keeps of the sum. */
    const uint32_t urns_max = n + 32 < URNS_MAX ? n + 32 : URNS_MAX;
    for (uint32_t u = 1; u <= urns_max; u++)
        total += weight(u, n);
    const double point = (double)(hash >> 11) / 9007199254740992.0 * total;
    for (uint32_t u = 1; u < urns_max; u++) {
        sum += weight(u, n);
        if (point < sum)
            return u;
    }
    return urns_max;
}

/* Numbers the urns that hold somebody 0, 1, … in the order of their first node. */
static uint32_t renumber(uint8_t *block, uint32_t n)
{
    int names[URNS_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i <= URNS_MAX; i++)
        names[i] = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (names[block[i]] < 0)
            names[block[i]] = (int)count++;
        block[i] = (uint8_t)names[block[i]];
    }
    return count;
}

uint32_t tc_partition_draw(uint64_t hash, uint32_t n, uint8_t *block)
{
    for (uint64_t attempt = 0; n > 1 && attempt < TRIES_MAX; attempt++) {
        const uint64_t h = tc_random_mix(hash, attempt);
        const uint32_t urns = draw_urns(h, n);
        for (uint32_t i = 0; i < n; i++)
            block[i] = (uint8_t)tc_random_below(tc_random_mix(h, i + 1), urns);
        const uint32_t count = renumber(block, n);
        if (count > 1)
            return count;
    }
    for (uint32_t i = 0; i < n; i++) /* not in this universe, but bounded */
        block[i] = i > 0;
    return n > 1 ? 2 : 1;
}
