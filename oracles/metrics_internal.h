/* The insides of metrics: metrics.c takes in, metrics_slots.c follows votes, metrics_report.c makes the list. */
#ifndef TC_METRICS_INTERNAL_H
#define TC_METRICS_INTERNAL_H

#include "growth.h"
#include "metrics.h"
#include "table.h"

#define METRICS_MAX     192
#define VIEW_STEPS_MAX  8192
#define SEQUENCES_MAX   16384
#define VOTE_SLOTS_MAX  2048 /* together no more than a processor keeps near: each message looks here */
#define SIGNERS_MAX     TC_REPLICAS_MAX
#define SIGNER_WORDS    (SIGNERS_MAX / 64)
#define VOTE_PHASES_MAX TC_PHASE_COUNT

/* One sequence number on its way to its decision. */
struct sequence_row {
    uint64_t proposed_ns; /* 0 not seen (times are kept + 1) */
    uint64_t executed[SIGNER_WORDS];
    bool first_seen, latency_known;
    bool on_wire; /* decided by its votes, before any execution line of the run */
};

/* One slot's votes in every phase. `words` holds the proposers' set, then for each phase the time of its first vote
 * (+ 1; 0 none yet) and the set of its signers. Sets are as long as the cluster needs: most messages find a row that
 * has left the nearest cache, so a row is as short as it can be. */
struct vote_row {
    uint64_t quorums; /* bit: this phase has its quorum */
    uint64_t words[];
};

/* What is counted once for execution lines and once for the wire; the lines win where there are any. */
struct decisions {
    uint64_t count[TC_RUN_PHASE_COUNT];
    uint64_t last_ns, first_ns;
    struct tc_histogram latency[TC_RUN_PHASE_COUNT];
};

struct tc_metrics {
    const struct tc_protocol *protocol;
    struct tc_protocol_env env;
    uint32_t n, f, quorum;
    uint32_t set_words;       /* of a set in a vote_row */
    enum tc_phase last_phase; /* of the votes that decide */

    enum tc_run_phase phase;
    uint64_t begin_ns[TC_RUN_PHASE_COUNT], end_ns;
    bool finished;

    struct tc_table *sequences, *slots;
    struct decisions lines, wire; /* decisions by execution lines, by quorums of the last votes */
    uint64_t operations[TC_RUN_PHASE_COUNT];
    struct tc_histogram client_latency[TC_RUN_PHASE_COUNT];
    struct tc_histogram quorum_time[TC_PHASE_COUNT];
    uint64_t client_failures[TC_RUN_PHASE_COUNT];

    uint64_t messages[TC_RUN_PHASE_COUNT][TC_KIND_COUNT], bytes[TC_RUN_PHASE_COUNT][TC_KIND_COUNT];
    uint64_t view, view_changes[TC_RUN_PHASE_COUNT], timeout_max_ns;
    uint64_t wire_view; /* the largest whose leader was heard to lead */
    bool wire_view_known;
    uint64_t timeout_ns; /* the longest now in force */

    struct tc_metrics_bucket *buckets;
    size_t bucket_count;
    uint64_t bucket_ns, bucket_begin_ns; /* length; begin of the last one */
    struct tc_histogram bucket_latency;  /* of the last bucket */

    struct tc_metrics_view_step *views;
    size_t view_count;
    uint64_t recovered_ns, pause_ns;

    struct tc_growth growth, growth_phase[TC_RUN_PHASE_COUNT]; /* of a phase: the counts alone */
    struct tc_nodeset liars;                                   /* F_s as told last */

    struct tc_metric list[METRICS_MAX];
    size_t list_count;
};

/* A message was said: proposals and votes (metrics_slots.c). */
void tc_metrics_statements(struct tc_metrics *m, const struct tc_observation *observation);

/* A decision with its latency, or TC_NEVER_NS if that is not known. */
void tc_metrics_decided(struct tc_metrics *m, struct decisions *decisions, uint64_t now_ns);
void tc_metrics_add_latency(struct tc_metrics *m, struct decisions *decisions, uint64_t now_ns, uint64_t latency_ns);

/* Lines if there were any, else the wire. */
const struct decisions *tc_metrics_decisions(const struct tc_metrics *m);

/* Length of a phase so far. */
uint64_t tc_metrics_phase_ns(const struct tc_metrics *m, enum tc_run_phase phase);

/* Makes the list of scalars (metrics_report.c). */
void tc_metrics_make_list(struct tc_metrics *m);

#endif
