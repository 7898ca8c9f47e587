/* The greedy search of the strategy `performance` (injectors/adversary.h) for what slows a cluster down most: each
 * round measures every action beside those that the rounds before have settled on, and settles on the worst. The
 * measure of a run is its decisions in a virtual second; damage is the baseline's measure over the run's, both with the
 * same seed. A function of the trial's scenario and the seed alone: every process of a hunt that searches finds the
 * same. Pure.
 *
 * Lee, Hoque, Killian, Nita-Rotaru: Gatling, NDSS'12, section 4.3 (greedy choice of actions). */
#ifndef TC_TRIAL_GREEDY_H
#define TC_TRIAL_GREEDY_H

#include "trial.h"

#define TC_GREEDY_SEEDS          3    /* each action is measured with so many */
#define TC_GREEDY_GAIN_MIN       1.05 /* a round that adds less ends the search */
#define TC_GREEDY_CANDIDATES_MAX 512  /* of a protocol; later ones are not looked at */
#define TC_GREEDY_WORST          5    /* of a round, that are kept */

struct tc_greedy_action {
    uint32_t candidate; /* tc_performance_text says what it does */
    double times;       /* so many times slower than the baseline, with what was settled on before */
};

struct tc_greedy_round {
    uint32_t worst_count;
    struct tc_greedy_action worst[TC_GREEDY_WORST]; /* the worst first; equal ones by number */
};

/* Zeroed but for `seed`: nothing measured yet. */
struct tc_greedy {
    uint64_t seed;
    uint32_t round_count; /* that are measured */
    struct tc_greedy_round rounds[TC_PERFORMANCE_TOGETHER];
    bool ended; /* the last round added too little, or as many as can act together are found */
    /* of the round that is being measured: */
    uint32_t measured; /* its candidates so far */
    double baseline[TC_GREEDY_SEEDS];
};

/* Measures one action more of the present round (TC_GREEDY_SEEDS runs). `trial` must be of the strategy performance and
 * `protocol` its protocol. Does nothing once the search has ended. Errors: as tc_trial_run. */
int tc_greedy_step(struct tc_greedy *greedy, struct tc_trial *trial, const struct tc_protocol *protocol,
                   struct tc_error *err);

/* How many rounds must be measured before run number `run` of the strategy is known. */
uint32_t tc_greedy_needs(const struct tc_protocol *protocol, uint64_t run);

/* The index that the strategy is given in run number `run`: the baseline, each action alone, each beside what the first
 * round settled on, each beside what the first two did, and from then on pairs. Of a search that ended early, pairs as
 * soon as its rounds are over. The rounds that it needs must have been measured. */
uint64_t tc_greedy_index(const struct tc_greedy *greedy, const struct tc_protocol *protocol, uint64_t run);

#endif
