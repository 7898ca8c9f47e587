#include "forge.h"

#include <string.h>

#include "../proxy/nodeset.h"
#include "../proxy/random.h"

#define CORRUPT_KEEP      8
#define CORRUPT_BYTES_MAX 4

int tc_forge_sign(const struct tc_protocol *protocol, const struct tc_protocol_env *env, struct tc_ledger *ledger,
                  const struct tc_message *message, uint16_t node, struct tc_arena *arena, struct tc_message *out,
                  struct tc_error *err)
{
    if (!ledger)
        return tc_error_set(err, TC_EREFUSED, "no keys are held here: nothing can be signed");
    /* Asked before signing, noted after: F_s must hold those whose signature exists, no more and no less. */
    if (!ledger->frozen || !tc_nodeset_has(&ledger->traitors, node))
        return tc_error_set(err, TC_EREFUSED, "node %u is no traitor: nothing may be signed in its name", node);
    int rc = protocol->sign(env, message, node, arena, out);
    if (rc)
        return tc_error_set(err, rc, "cannot sign a %s as node %u: %s", message->type ? message->type : "message", node,
                            tc_error_text(rc));
    return tc_ledger_sign(ledger, node, err);
}

int tc_forge_corrupt(uint64_t hash, struct tc_slice frame, struct tc_arena *arena, struct tc_slice *out)
{
    if (frame.len == 0)
        return TC_EMALFORMED;
    uint8_t *bytes = tc_arena_alloc(arena, frame.len);
    if (!bytes)
        return TC_ELIMIT;
    memcpy(bytes, frame.data, frame.len);
    size_t keep = frame.len >= 2 * CORRUPT_KEEP ? CORRUPT_KEEP : frame.len / 2;
    uint64_t count = 1 + tc_random_below(tc_random_mix(hash, 1), CORRUPT_BYTES_MAX);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t h = tc_random_mix(hash, 2 + i);
        size_t at = keep + (size_t)tc_random_below(h, frame.len - keep);
        bytes[at] ^= (uint8_t)(1 + tc_random_below(tc_random_mix(h, 1), 255));
    }
    if (memcmp(bytes, frame.data, frame.len) == 0) /* two changes of one byte undid each other */
        bytes[frame.len - 1] ^= 1;
    *out = (struct tc_slice){bytes, frame.len};
    return 0;
}
