/* The judge's insides, shared by judge.c (feeding) and judge_verdict.c (blame and verdict). */
#ifndef TC_JUDGE_INTERNAL_H
#define TC_JUDGE_INTERNAL_H

#include "judge.h"

#define SEATS_MAX 32

/* One oracle with what it found. */
struct seat {
    struct tc_oracle *oracle;
    struct tc_judgement judgement;
    struct tc_finding *findings; /* what judgement.findings points to */
    size_t findings_size;
    uint64_t violations,
        expected;            /* counted also where the finding was not kept; a detector's are counted when asked */
    struct tc_nodeset named; /* detectors: everybody ever named */
};

#define WANTS_MAX 32 /* bits of an oracle's `kinds` */

/* An oracle that wants messages. */
struct listener {
    void (*observe)(struct tc_oracle *o, const struct tc_observation *observation);
    struct tc_oracle *oracle;
};

struct tc_judge {
    struct tc_judge_config config;
    struct tc_oracle_env env;
    struct tc_faults faults; /* as handed last; oracles see it through env */
    uint32_t n, f;
    struct seat seats[SEATS_MAX];
    size_t seat_count;
    struct listener listeners[SEATS_MAX]; /* in the order of their seats */
    size_t listener_count;
    uint64_t listening[WANTS_MAX]; /* which of them want a message of this kind: bit i stands for listeners[i] */
    uint32_t seated[TC_OBS_COUNT]; /* which oracles want another observation: bit i stands for seats[i] */
    bool spliced, finished, out_of_memory;
    bool gap;     /* it was a gap in a capture that spliced it */
    bool starved; /* for want of something of ours a connection was not carried: who was silent may not have been */
    uint16_t spliced_from, spliced_to;
    uint64_t spliced_ns;
    uint64_t order;           /* observations handed over so far */
    uint64_t strangers;       /* connections passed raw that never named who dials */
    struct tc_nodeset spoken; /* replicas heard on links of their own */
    uint64_t overflows;
    uint64_t violations; /* over all oracles, kept current: it is asked for after every observation */
    char overflow[128];  /* the first one, in words */
    char unsure[256];    /* tc_judge_unsure; "" it was never called */
    char hidden[192];    /* why links were hidden all along; "" if they were not */
};

/* struct tc_oracle_env.report */
void tc_judge_report(void *self, const struct tc_finding *finding);

/* Counts the violations anew: after a finding, and when F_s has changed. */
void tc_judge_recount(struct tc_judge *judge);

/* Fixes every oracle's status once all have finished. */
void tc_judge_settle(struct tc_judge *judge);

/* Adds a finding to what its seat counts, by the faults that the finding carries. */
void tc_judge_count_finding(const struct tc_judge *judge, struct seat *seat, const struct tc_finding *finding);

/* ---- judge_links.c ---- */

/* Oracles that need all links: what they found at this time or later is withdrawn, and from now on they find nothing.
 */
void tc_judge_withdraw_since(struct tc_judge *judge, uint64_t since_ns);
/* Were the connections that named nobody some replica's after all? */
bool tc_judge_hides_replicas(const struct tc_judge *judge);
void tc_judge_settle_spliced(const struct tc_judge *judge, struct tc_judgement *judgement);
/* Its findings mean a breach only by who made them, and nobody says who is faulty. */
bool tc_judge_is_blameless(const struct tc_judge *judge, const struct seat *seat);
void tc_judge_settle_blameless(const struct tc_judge *judge, struct seat *seat);
/* The reason why it is not to be judged in this world, or NULL. */
const struct tc_unjudged *tc_judge_unjudged(const struct tc_judge *judge, const struct seat *seat);

/* Frees the copies that a kept finding owns. */
void tc_judge_finding_free(struct tc_finding *finding);

#endif
