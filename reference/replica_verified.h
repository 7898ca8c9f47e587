/* What the replicas share: a memory of signatures that were verified. A signature that was good stays good;
 * certificates repeat votes that were verified when they came, and a retransmission repeats everything. */
#ifndef TC_REPLICA_VERIFIED_H
#define TC_REPLICA_VERIFIED_H

#include "protocol.h"

#include "wire.h"

/* Begin with it zeroed, end with tc_verified_free. */
struct tc_verified {
    uint8_t (*digests)[TC_VALUE_SIZE]; /* of what was verified; NULL until there is something */
};

/* Does the envelope's signature hold, or its MAC for `self`? Asked twice about the same signature, it remembers.
 * Without memory to remember, it verifies again. */
bool tc_verified_authentic(struct tc_verified *memory, const struct tc_protocol_env *env, uint16_t self,
                           const Wire__Envelope *envelope);

void tc_verified_free(struct tc_verified *memory);

#endif
