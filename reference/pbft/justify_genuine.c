/* Whose word is genuine: a memory of signatures that were checked, or vouched for by the link they came on. A 64-bit
 * hash names a signed text: it decides only whether a check is repeated. */
#include "../../proxy/random.h"
#include "justify_parts.h"
#include <stdlib.h>
#include <string.h>

/* The lowest bit of an entry is the verdict; 0 is an empty entry. */
static uint64_t name(uint32_t type, uint32_t signer, struct tc_slice body, struct tc_slice signature)
{
    const uint64_t text = tc_random_fold_bytes((uint64_t)type << 32 | signer, body);
    const uint64_t h = tc_random_fold(text, tc_random_fold_bytes(1, signature)) & ~UINT64_C(1);
    return h ? h : 2;
}

int tc_justify_known(const struct tc_justifier *j, uint32_t type, uint32_t signer, struct tc_slice body,
                     struct tc_slice signature)
{
    const uint64_t h = name(type, signer, body, signature);
    const uint64_t entry = j->genuine[(h >> 1) & (j->genuine_size - 1)];
    return (entry & ~UINT64_C(1)) == h ? (int)(entry & 1) : -1;
}

/* Four times the room; without memory for it, verdicts push each other out earlier. */
static void grow(struct tc_justifier *j)
{
    const uint32_t size = 4 * j->genuine_size <= GENUINE_MAX ? 4 * j->genuine_size : GENUINE_MAX;
    uint64_t *grown = calloc(size, sizeof *grown);
    if (!grown)
        return;
    j->genuine_count = 0;
    for (uint32_t i = 0; i < j->genuine_size; i++) {
        if (j->genuine[i] == 0)
            continue;
        grown[(j->genuine[i] >> 1) & (size - 1)] = j->genuine[i];
        j->genuine_count++; /* entries that were apart stay apart: more bits of the same hash say where they go */
    }
    free(j->genuine);
    j->genuine = grown;
    j->genuine_size = size;
}

void tc_justify_vouch(struct tc_justifier *j, uint32_t type, uint32_t signer, struct tc_slice body,
                      struct tc_slice signature, bool genuine)
{
    const uint64_t h = name(type, signer, body, signature);
    uint64_t *entry = &j->genuine[(h >> 1) & (j->genuine_size - 1)];
    j->genuine_count += *entry == 0;
    *entry = h | (genuine ? 1 : 0);
    if (j->genuine_count > j->genuine_size / 4 && j->genuine_size < GENUINE_MAX)
        grow(j);
}

bool tc_justify_genuine(struct tc_justifier *j, const Wire__Envelope *envelope)
{
    const struct tc_slice body = tc_wire_slice(envelope->body), signature = tc_wire_slice(envelope->signature);
    const int known = tc_justify_known(j, (uint32_t)envelope->type, envelope->sender, body, signature);
    if (known >= 0)
        return known != 0;
    const int rc = tc_wire_verify(&j->env, envelope);
    /* A key that we lack proves nothing against the signature. */
    const bool genuine = rc == 0 || rc == TC_EKEY;
    tc_justify_vouch(j, (uint32_t)envelope->type, envelope->sender, body, signature, genuine);
    return genuine;
}
