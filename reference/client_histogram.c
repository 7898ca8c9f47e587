#include "client_internal.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_BITS 4 /* each power of two in so many halvings, in text */

/* Values below 2^SUB_BITS have a bucket each; above, each power of two is cut into 2^SUB_BITS equal parts. */
static size_t bucket_of(uint64_t value)
{
    if (value >> TC_LATENCY_SUB_BITS == 0)
        return (size_t)value;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - TC_LATENCY_SUB_BITS;
    return ((size_t)(shift + 1) << TC_LATENCY_SUB_BITS) +
           (size_t)((value >> shift) - (UINT64_C(1) << TC_LATENCY_SUB_BITS));
}

/* The largest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    size_t row = bucket >> TC_LATENCY_SUB_BITS;
    uint64_t part = bucket & ((1u << TC_LATENCY_SUB_BITS) - 1);
    if (row == 0)
        return part;
    uint32_t shift = (uint32_t)row - 1;
    uint64_t low = ((UINT64_C(1) << TC_LATENCY_SUB_BITS) + part) << shift;
    return low + ((UINT64_C(1) << shift) - 1);
}

void tc_latency_add(struct tc_latency *latency, uint64_t value_ns)
{
    latency->counts[bucket_of(value_ns)]++;
    latency->count++;
    if (value_ns > latency->max_ns)
        latency->max_ns = value_ns;
}

uint64_t tc_latency_quantile_ns(const struct tc_latency *latency, uint32_t per_mille)
{
    uint64_t wanted = latency->count / 1000 * per_mille + (latency->count % 1000 * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (size_t i = 0; i < TC_LATENCY_BUCKETS && latency->count > 0; i++) {
        seen += latency->counts[i];
        if (seen >= wanted && seen > 0) {
            uint64_t end = bucket_end(i);
            return end < latency->max_ns ? end : latency->max_ns;
        }
    }
    return 0;
}

const char *tc_latency_text(const struct tc_latency *latency, char text[static TC_LATENCY_TEXT_MAX])
{
    const size_t step = (size_t)1 << (TC_LATENCY_SUB_BITS - TEXT_BITS);
    size_t used = 0;
    text[used++] = '[';
    for (size_t first = 0; first < TC_LATENCY_BUCKETS; first += step) {
        uint64_t count = 0;
        for (size_t i = first; i < first + step; i++)
            count += latency->counts[i];
        if (count > 0)
            used += (size_t)snprintf(text + used, TC_LATENCY_TEXT_MAX - used, "%s[%" PRIu64 ",%" PRIu64 "]",
                                     used > 1 ? "," : "", bucket_end(first + step - 1), count);
    }
    snprintf(text + used, TC_LATENCY_TEXT_MAX - used, "]");
    return text;
}
