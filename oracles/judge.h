/* The judge: feeds every oracle, applies the rules of blame (F_s, F_l, f), and gives the verdict. Pure. */
#ifndef TC_JUDGE_H
#define TC_JUDGE_H

#include "oracle.h"

struct tc_judge;

/* An oracle that a world has no ground truth for, and why. */
struct tc_unjudged {
    const char *oracle, *reason; /* static or living as long as the judge */
};

struct tc_judge_config {
    const struct tc_protocol *protocol;
    struct tc_protocol_env env;
    uint64_t recovery_bound_ns;
    bool has_executions, has_client_history, has_messages, links_complete;
    bool executions_partial;     /* only some replicas tell what they execute: the wire tells of the others */
    bool complaints_unread;      /* executions come, but nobody tells which signatures it refuses */
    bool had_attack;             /* a run with an attack whose faults never bit is inconclusive */
    enum tc_status expect;       /* HOLDS, VIOLATED or EXPECTED: what the scenario says should come */
    int expect_evidence;         /* 1: a detector must have caught a traitor; 0 or -1: need not */
    const char *const *disabled; /* names of oracles to leave out, ended by NULL; may be NULL */
    uint32_t properties;         /* only oracles of these: TC_PROPERTY_BITs; 0: of all */
    bool faults_unknown;         /* nobody says who is faulty (a capture): what detectors and liveness oracles find is
                                    said, but not judged */
    const struct tc_unjudged *unjudged; /* oracles that are listed but not judged, ended by {NULL}; may be NULL */
};

/* One oracle's outcome. Owned by the judge. */
struct tc_judgement {
    const struct tc_oracle_class *oracle;
    enum tc_status status;
    struct tc_oracle_result result;
    const struct tc_finding *findings; /* oldest first */
    size_t finding_count;
    uint64_t finding_total; /* with those that were not kept */
};

struct tc_verdict_summary {
    enum tc_status status; /* of the run: HOLDS, VIOLATED, EXPECTED, THRESHOLD, INCONCLUSIVE */
    int exit_code;         /* design: 0 iff the outcome equals `expect`; 1, 2, 3 */
    bool as_expected;
    const struct tc_finding *first; /* the first finding that decides, or NULL */
    char sentence[512];             /* the verdict in one sentence */
};

/* NULL if out of memory. */
struct tc_judge *tc_judge_new(const struct tc_judge_config *config);
void tc_judge_free(struct tc_judge *judge);

/* Feeds one observation to every oracle that wants it. TC_OBS_FAULTS updates env->faults first. */
void tc_judge_observe(struct tc_judge *judge, const struct tc_observation *observation);

/* Tells how many faults have bitten, which may be more than the last TC_OBS_FAULTS knew: that one comes when the *set*
 * of faulty nodes changes. Never lowers the number. Call before tc_judge_summary. */
void tc_judge_bitten(struct tc_judge *judge, uint64_t bitten);

/* Part of the wire was hidden all along, as shows only now: oracles that need all links are not judged, and what they
 * found is withdrawn. Call before tc_judge_finish; `why` is copied. */
void tc_judge_links_hidden(struct tc_judge *judge, const char *why);

/* A replica no longer tells what it executes: from here on decisions are taken from the wire as well. */
void tc_judge_executions_partial(struct tc_judge *judge);

/* The run was not what it was meant to be, for a reason that is nobody's breach: without a breach its verdict is
 * inconclusive. The first call's `why` is copied. */
void tc_judge_unsure(struct tc_judge *judge, const char *why);

/* Ends all oracles; call once. Then the results may be read until free. */
void tc_judge_finish(struct tc_judge *judge, uint64_t now_ns);

/* What of the wire was not read, so that what holds does of the rest alone: links that were hidden, or passed raw from
 * some moment on. NULL: all was. Call after tc_judge_finish. */
const char *tc_judge_partial(const struct tc_judge *judge, char text[static 240]);

/* The oracles that are not left out, in the order of the table, and what each has come to; NULL past the end. Borrowed
 * until free. */
size_t tc_judge_count(const struct tc_judge *judge);
const struct tc_judgement *tc_judge_get(const struct tc_judge *judge, size_t index);

/* The verdict over all oracles; thresholds_missed comes from metrics. `error`: the run ended by an error. */
void tc_judge_summary(const struct tc_judge *judge, uint32_t thresholds_missed, struct tc_verdict_summary *out);

/* Number of findings so far that would make the run violated (for the progress line and for stopping early). */
uint64_t tc_judge_violations(const struct tc_judge *judge);

const char *tc_status_name(enum tc_status status); /* "holds", "caught", "not judged", … static */

#endif
