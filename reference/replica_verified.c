#include "replica_verified.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES 4096

void tc_verified_free(struct tc_verified *memory)
{
    free(memory->digests);
    memory->digests = NULL;
}

static void name(const Wire__Envelope *envelope, uint8_t digest[static TC_VALUE_SIZE])
{
    uint8_t head[8];
    for (size_t i = 0; i < 4; i++) {
        head[i] = (uint8_t)(envelope->sender >> (8 * i));
        head[4 + i] = (uint8_t)((uint32_t)envelope->type >> (8 * i));
    }
    const struct tc_slice parts[3] = {
        {head, sizeof head}, tc_wire_slice(envelope->body), tc_wire_slice(envelope->signature)};
    tc_digest_parts(parts, 3, digest);
}

bool tc_verified_authentic(struct tc_verified *memory, const struct tc_protocol_env *env, uint16_t self,
                           const Wire__Envelope *envelope)
{
    if (envelope->sender >= TC_NODES_MAX)
        return false;
    if (tc_wire_uses_macs(env->cluster, (uint32_t)envelope->type))
        return tc_wire_check(env, envelope, self) == 0;
    if (tc_keyring_scheme(env->keys) == TC_SCHEME_KEYED_HASH)
        return tc_wire_verify(env, envelope) == 0; /* that costs less than a digest */
    if (!memory->digests)
        memory->digests = calloc(ENTRIES, sizeof *memory->digests);
    if (!memory->digests)
        return tc_wire_verify(env, envelope) == 0;
    uint8_t digest[TC_VALUE_SIZE];
    name(envelope, digest);
    uint8_t *known = memory->digests[(digest[0] | (uint32_t)digest[1] << 8) % ENTRIES];
    if (memcmp(known, digest, TC_VALUE_SIZE) == 0)
        return true;
    if (tc_wire_verify(env, envelope) != 0)
        return false;
    memcpy(known, digest, TC_VALUE_SIZE);
    return true;
}
