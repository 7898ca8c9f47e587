/* The oracles, one file each, and what they share. */
#ifndef TC_ORACLES_H
#define TC_ORACLES_H

#include "oracle.h"
#include "text.h"

extern const struct tc_oracle_class tc_oracle_agreement;              /* O1 */
extern const struct tc_oracle_class tc_oracle_total_order;            /* O2 */
extern const struct tc_oracle_class tc_oracle_justification;          /* O21 */
extern const struct tc_oracle_class tc_oracle_lock;                   /* O5 */
extern const struct tc_oracle_class tc_oracle_certificate_validity;   /* O7 */
extern const struct tc_oracle_class tc_oracle_certificate_uniqueness; /* O3 */
extern const struct tc_oracle_class tc_oracle_equivocation;           /* O4 */
extern const struct tc_oracle_class tc_oracle_accountability;         /* O19 */
extern const struct tc_oracle_class tc_oracle_evidence;               /* O22 */
extern const struct tc_oracle_class tc_oracle_view_monotonicity;      /* O6 */
extern const struct tc_oracle_class tc_oracle_client_validity;        /* O8 */
extern const struct tc_oracle_class tc_oracle_exactly_once;           /* O9 */
extern const struct tc_oracle_class tc_oracle_linearizability;        /* O10 */
extern const struct tc_oracle_class tc_oracle_durability;             /* O11 */
extern const struct tc_oracle_class tc_oracle_state_digest;           /* O17 */
extern const struct tc_oracle_class tc_oracle_bounded_recovery;       /* O12 */
extern const struct tc_oracle_class tc_oracle_lasso;                  /* O13 */
extern const struct tc_oracle_class tc_oracle_participation;          /* O14 */
extern const struct tc_oracle_class tc_oracle_message_cost;           /* O16 */
extern const struct tc_oracle_class tc_oracle_performance;            /* O15 */
extern const struct tc_oracle_class tc_oracle_chain_quality;          /* O20 */
extern const struct tc_oracle_class tc_oracle_crashes;                /* O18 */
extern const struct tc_oracle_class tc_oracle_bad_signatures;         /* O18 */

#define TC_OBS_BIT(kind)  (UINT32_C(1) << (kind))
#define TC_KIND_BIT(kind) (UINT32_C(1) << (kind))

/* Is the node a replica outside F_s as it stands? Oracles judge these alone. */
static inline bool tc_oracle_judges(const struct tc_oracle_env *env, uint32_t node)
{
    return node < env->protocol_env.cluster->n && !tc_nodeset_has(&env->faults->signed_for, node);
}

/* A finding of this class, now, with nothing in it yet. (It is large: 7 kB.) */
void tc_finding_begin(struct tc_finding *f, const struct tc_oracle_class *oracle, uint64_t time_ns)
    __attribute__((cold));

/* Adds a message to the evidence (bytes borrowed until report), or a fact without bytes. The place to write its words
 * into: a text that is thrown away if the evidence is full. */
struct tc_text tc_finding_message(struct tc_finding *f, uint64_t time_ns, uint16_t from, uint16_t to, uint16_t signer,
                                  struct tc_slice frame, bool signature_valid);
struct tc_text tc_finding_fact(struct tc_finding *f, uint64_t time_ns, uint16_t node);

/* Adds the kept copy of a vote with its signature checked; false if the copy is gone. */
bool tc_finding_vote(struct tc_finding *f, const struct tc_oracle_env *env, struct tc_slot *slot, uint8_t column,
                     uint8_t value, uint16_t signer);

/* The same, shown as it was offered to `to` if it was: by the first copy of what its signer told others too. */
bool tc_finding_vote_to(struct tc_finding *f, const struct tc_oracle_env *env, struct tc_slot *slot, uint8_t column,
                        uint8_t value, uint16_t signer, uint16_t to);

/* Describes a statement: "prepare of replica 2 for view 0, sequence 1,913: 9c41…e0". */
void tc_finding_describe(struct tc_text *t, const struct tc_oracle_env *env, const struct tc_statement *s,
                         const char *name);

/* The finding is about the view (and sequence, if it names one) of this statement, which names a view. */
void tc_finding_place(struct tc_finding *f, const struct tc_statement *s);

/* The result of an oracle that had nothing to go by. */
void tc_oracle_not_judged(struct tc_oracle_result *result, const char *reason);

#endif
