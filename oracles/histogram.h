/* A log-linear histogram of nanoseconds: 64 linear steps in each power of two, so any quantile is within 1.6 %. Pure.
 */
#ifndef TC_HISTOGRAM_H
#define TC_HISTOGRAM_H

#include "../proxy/types.h"

#define TC_HISTOGRAM_STEPS   64
#define TC_HISTOGRAM_BUCKETS (59 * TC_HISTOGRAM_STEPS)

struct tc_histogram {
    uint64_t counts[TC_HISTOGRAM_BUCKETS];
    uint64_t count, min_ns, max_ns;
    double sum_ns;
};

/* Empties it; a zeroed struct is empty too (min_ns is then meaningless until count > 0). */
void tc_histogram_reset(struct tc_histogram *h);
void tc_histogram_add(struct tc_histogram *h, uint64_t value_ns);
void tc_histogram_merge(struct tc_histogram *into, const struct tc_histogram *other);

/* The value below or at which `share` (0 … 1) of the samples lie; 0 if empty. Never above max_ns. */
uint64_t tc_histogram_quantile(const struct tc_histogram *h, double share);

/* Lowest value of bucket `index`, for plotting a distribution. */
uint64_t tc_histogram_bucket_ns(uint32_t index);

#endif
