/* Chain growth and quality, counted from execution lines: blocks committed a view, and how many of them an honest
 * leader proposed. Read by the oracle chain-quality and by metrics. Pure. */
#ifndef TC_GROWTH_H
#define TC_GROWTH_H

#include "oracle.h"

struct tc_growth {
    uint64_t committed, honest; /* blocks; of them by leaders outside F_s as it stood then */
    uint64_t views;             /* gone by, of the replica that is farthest */
    uint64_t view, sequence;    /* highest so far */
    bool begun;
};

/* A share with its 95 % confidence interval (Wilson). */
struct tc_share {
    double value, low, high;
};

/* Takes in a line (execution or view); anything else is passed over. `liars`: F_s. */
void tc_growth_observe(struct tc_growth *growth, const struct tc_protocol *protocol, const struct tc_protocol_env *env,
                       const struct tc_nodeset *liars, const struct tc_observation *observation);

/* `count` of `total`; all 0 if total is 0. Counts above the total stand for the total. */
struct tc_share tc_growth_share(uint64_t count, uint64_t total);

#endif
