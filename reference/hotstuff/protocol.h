/* The man in the middle's side of HotStuff (Yin et al., PODC'19): framing, decoding and the meaning of its messages.
 * The replicas do not use it. */
#ifndef TC_HOTSTUFF_PROTOCOL_H
#define TC_HOTSTUFF_PROTOCOL_H

#include "../protocol.h"

extern const struct tc_protocol tc_hotstuff;         /* basic: prepare, pre-commit, commit, decide */
extern const struct tc_protocol tc_chained_hotstuff; /* one generic phase, three-chain rule */

/* Their justification rules (justify.c). */
extern const struct tc_justifier_ops tc_hotstuff_justifier, tc_chained_hotstuff_justifier;

#endif
