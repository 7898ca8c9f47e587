/* Making messages that their sender never said: signed anew with a traitor's key, or corrupted. Pure. */
#ifndef TC_FORGE_H
#define TC_FORGE_H

#include "../reference/protocol.h"
#include "ledger.h"

/* Signs `message` as `node` (protocol->sign) under the ledger's rule: only for traitors, and the ledger notes it, which
 * is what puts the node into F_s. The new message lives in `arena`. TC_EREFUSED if node is no traitor (or there is no
 * ledger); TC_EKEY if its key is not held; TC_ELIMIT if the arena is full; others as protocol->sign gives them. On an
 * error nothing is noted. */
int tc_forge_sign(const struct tc_protocol *protocol, const struct tc_protocol_env *env, struct tc_ledger *ledger,
                  const struct tc_message *message, uint16_t node, struct tc_arena *arena, struct tc_message *out,
                  struct tc_error *err);

/* A copy of `frame` in `arena` with one to four bytes changed; `hash` chooses which and how. The first eight bytes (or
 * the first half of a frame shorter than sixteen) stay, so that a length in front still delimits it: what is tested is
 * how the receiver takes a broken message, not a broken stream. The result always differs. TC_EMALFORMED if the frame
 * is empty, TC_ELIMIT if the arena is full. */
int tc_forge_corrupt(uint64_t hash, struct tc_slice frame, struct tc_arena *arena, struct tc_slice *out);

#endif
