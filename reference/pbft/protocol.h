/* The man in the middle's side of PBFT (Castro & Liskov, OSDI'99, TOCS'02): framing, decoding and the
 * meaning of its messages. The replica does not use it. */
#ifndef TC_PBFT_PROTOCOL_H
#define TC_PBFT_PROTOCOL_H

#include "../protocol.h"

extern const struct tc_protocol tc_pbft;

/* Its justification rules (justify.c). */
extern const struct tc_justifier_ops tc_pbft_justifier;

#endif
