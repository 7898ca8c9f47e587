/* What oracles prove against single nodes, and whether the log forked: left here by whoever finds it (equivocation,
 * lock, agreement), read by accountability at the end. Nothing is allocated before there is something to keep. Pure. */
#ifndef TC_PROOFS_H
#define TC_PROOFS_H

#include "oracle.h"

/* The first fork that agreement found. */
struct tc_fork {
    uint64_t time_ns, sequence;
    bool across_views; /* the two values were executed in different views */
};

struct tc_proofs;

/* NULL if out of memory. */
struct tc_proofs *tc_proofs_new(void);
void tc_proofs_free(struct tc_proofs *proofs);

/* Two replicas executed different values. Only the first is kept. */
void tc_proofs_fork(struct tc_proofs *proofs, const struct tc_fork *fork);

/* That fork, NULL while there is none. */
const struct tc_fork *tc_proofs_forked(const struct tc_proofs *proofs);

/* Signed messages convict `node` whoever looks at them. The first proof against a node is kept, with copies of its
 * evidence; where memory is short the words stay and the bytes go. Call only with signatures that were verified. */
void tc_proofs_add(struct tc_proofs *proofs, uint16_t node, const struct tc_finding *proof);

/* The proof against a node, NULL if there is none. Valid until free. */
const struct tc_finding *tc_proofs_against(const struct tc_proofs *proofs, uint16_t node);

#endif
