/* Bucket of a value v: below 64 the value itself; above, the position of its highest bit picks the group and the six
 * bits after it the step. 58 groups of 64 steps cover all of 64 bits. */
#include "histogram.h"

#include <string.h>

#define STEP_BITS 6

void tc_histogram_reset(struct tc_histogram *h)
{
    memset(h, 0, sizeof *h);
}

static uint32_t bucket_of(uint64_t value)
{
    if (value < TC_HISTOGRAM_STEPS)
        return (uint32_t)value;
    uint32_t high = 63u - (uint32_t)__builtin_clzll(value);
    uint32_t shift = high - STEP_BITS;
    return (shift + 1) * TC_HISTOGRAM_STEPS + (uint32_t)((value >> shift) - TC_HISTOGRAM_STEPS);
}

uint64_t tc_histogram_bucket_ns(uint32_t index)
{
    if (index < TC_HISTOGRAM_STEPS)
        return index;
    if (index >= TC_HISTOGRAM_BUCKETS)
        return UINT64_MAX;
    uint32_t shift = index / TC_HISTOGRAM_STEPS - 1;
    return (uint64_t)(TC_HISTOGRAM_STEPS + index % TC_HISTOGRAM_STEPS) << shift;
}

void tc_histogram_add(struct tc_histogram *h, uint64_t value_ns)
{
    if (h->count == 0 || value_ns < h->min_ns)
        h->min_ns = value_ns;
    if (h->count == 0 || value_ns > h->max_ns)
        h->max_ns = value_ns;
    h->counts[bucket_of(value_ns)]++;
    h->count++;
    h->sum_ns += (double)value_ns;
}

void tc_histogram_merge(struct tc_histogram *into, const struct tc_histogram *other)
{
    if (other->count == 0)
        return;
    if (into->count == 0 || other->min_ns < into->min_ns)
        into->min_ns = other->min_ns;
    if (into->count == 0 || other->max_ns > into->max_ns)
        into->max_ns = other->max_ns;
    for (uint32_t i = 0; i < TC_HISTOGRAM_BUCKETS; i++)
        into->counts[i] += other->counts[i];
    into->count += other->count;
    into->sum_ns += other->sum_ns;
}

/* The rank (1 … count) of the sample that `share` asks for: the smallest with at least that share at or below it. */
static uint64_t rank_of(uint64_t count, double share)
{
    if (!(share > 0))
        return 1;
    if (share >= 1)
        return count;
    double exact = share * (double)count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact)
        rank++;
    return rank < 1 ? 1 : rank > count ? count : rank;
}

uint64_t tc_histogram_quantile(const struct tc_histogram *h, double share)
{
    if (h->count == 0)
        return 0;
    uint64_t rank = rank_of(h->count, share);
    uint64_t below = 0;
    for (uint32_t i = 0; i < TC_HISTOGRAM_BUCKETS; i++) {
        below += h->counts[i];
        if (below < rank)
            continue;
        uint64_t top = i + 1 < TC_HISTOGRAM_BUCKETS ? tc_histogram_bucket_ns(i + 1) - 1 : UINT64_MAX;
        return top > h->max_ns ? h->max_ns : top;
    }
    return h->max_ns;
}
