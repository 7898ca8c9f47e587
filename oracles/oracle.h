/* The contract of an oracle: it is fed observations in order and says what it found. Oracles include types.h, this
 * header and protocol.h only; they do no I/O, know no clock and are blind to scripts and injectors. */
#ifndef TC_ORACLE_H
#define TC_ORACLE_H

#include "../proxy/error.h"
#include "../proxy/nodeset.h"
#include "../proxy/types.h"
#include "../reference/protocol.h"
#include "votes.h"

#define TC_EVIDENCE_MAX 16 /* messages attached to one finding */
#define TC_FINDINGS_MAX 64 /* kept for each oracle; the rest is counted */

enum tc_status {
    TC_HOLDS = 0,
    TC_CAUGHT,       /* a detector found a traitor and named only traitors */
    TC_NOT_JUDGED,   /* no ground truth: reason says which */
    TC_INCONCLUSIVE, /* too few samples, budget spent, a fault that never bit */
    TC_EXPECTED,     /* breached with more than f faulty: what theory says must happen */
    TC_THRESHOLD,    /* a threshold of the scenario was missed */
    TC_VIOLATED
};

struct tc_proofs;

/* One message or fact of a finding's evidence. Bytes are copies owned by the judge. */
struct tc_evidence {
    uint64_t time_ns;
    uint16_t from, to, signer;
    struct tc_slice frame; /* the exact bytes; empty for a log fact */
    bool signature_valid;  /* checked when the evidence was taken */
    char text[256];        /* in words */
};

/* Safety: judged while |F_s| ≤ f. Liveness: while |F_l| ≤ f. Detector: names suspects. Measure: thresholds only. */
enum tc_property { TC_SAFETY, TC_LIVENESS, TC_DETECTOR, TC_MEASURE };

#define TC_PROPERTY_BIT(property) (UINT32_C(1) << (property))

/* One thing an oracle found. */
struct tc_finding {
    const char *oracle;
    enum tc_property property;
    uint64_t time_ns;
    char text[512];             /* what differs */
    char because[768];          /* why it came to differ; "" if not known */
    struct tc_nodeset suspects; /* who is blamed (detector), or who breached (property) */
    bool has_view, has_sequence;
    uint64_t view, sequence;
    struct tc_evidence evidence[TC_EVIDENCE_MAX];
    uint32_t evidence_count;
    struct tc_faults faults; /* as they stood then */
    uint64_t order;          /* how many observations the judge had been handed by then; set by the judge */
};

/* What an oracle is given for life. */
struct tc_oracle_env {
    const struct tc_protocol *protocol;
    struct tc_protocol_env protocol_env;
    const struct tc_faults *faults; /* kept current by the judge */
    uint64_t recovery_bound_ns;     /* 0 = the protocol's own */
    bool has_executions;            /* execution lines will come, from some replica at least */
    bool all_executions;            /* … from every replica that runs */
    bool has_complaints;            /* what replicas refuse is told */
    bool has_client_history;
    bool has_messages;    /* the wire is seen */
    bool links_complete;  /* no traffic bypasses us */
    bool tell_standstill; /* the scenario expects a breach beyond f: say so when the cluster stands still for a while */
    struct tc_votes *votes;   /* what was signed for which slot; fed by the judge before any oracle sees the message */
    struct tc_proofs *proofs; /* what oracles leave for accountability (proofs.h) */
    /* Reports a finding; the judge copies it. Call from observe or finish. Findings against nodes in F_s by a safety
     * property are dropped by the judge. */
    void (*report)(void *judge, const struct tc_finding *finding);
    void *judge;
};

/* What an oracle says at the end. */
struct tc_oracle_result {
    enum tc_status
        status; /* HOLDS, NOT_JUDGED or INCONCLUSIVE, set by the oracle; the judge raises it when there are findings */
    uint64_t compared; /* how many things it compared */
    char unit[48];     /* "sequence numbers" */
    char reason[384];  /* in words */
    bool foreign;      /* not judged since it has nothing to say of this protocol: shown only to who asks for all */
};

struct tc_oracle; /* per class; its first member is `const struct tc_oracle_env *env` */

/* In `kinds`, beside the kinds: call me for any message in which the vote store saw this (tc_votes_current says what).
 */
#define TC_WANT_SPOKEN   (UINT32_C(1) << 29)
#define TC_WANT_CONFLICT (UINT32_C(1) << 30)
#define TC_WANT_QUORUM   (UINT32_C(1) << 31)

struct tc_oracle_class {
    const char *name;    /* "agreement" */
    const char *summary; /* one line */
    enum tc_property property;
    uint32_t observations; /* bit set of enum tc_observation_kind it wants */
    uint32_t kinds;        /* TC_OBS_MESSAGE: bit set of enum tc_kind it wants: any statement of the message is of it */
    bool needs_links; /* worthless once a connection is passed raw: its findings are dropped then, and it is not judged
                       */
    size_t size;      /* of the class's struct tc_oracle, which the judge makes: zeroed, but for env */
    /* Prepares it; NULL where zeroes will do. false: out of memory, and `release` is called all the same. */
    bool (*init)(struct tc_oracle *o);
    /* Asked after that: of `kinds` those that it wants of this protocol. NULL: all. */
    uint32_t (*wants)(const struct tc_oracle *o);
    void (*observe)(struct tc_oracle *o, const struct tc_observation *observation);
    void (*finish)(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result);
    /* Gives back what it allocated, if it did; not the struct itself. NULL where there is nothing. */
    void (*release)(struct tc_oracle *o);
};

/* All oracles, ended by NULL: one line each in oracles.c. */
extern const struct tc_oracle_class *const tc_oracle_classes[];

#endif
