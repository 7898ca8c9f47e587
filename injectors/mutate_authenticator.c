/* Vectors of MACs that convince some of those who look at them and not the others: what one may propose, the others
 * must refuse (Clement et al., Aardvark, NSDI'09). */
#include "mutate_parts.h"

#include <stddef.h>
#include <string.h>

#define ENTRY_MIN 8 /* bytes of an entry, one for each replica */

/* The field of the envelope that holds what the statement is authenticated by. */
static const char *field_of(const struct tc_message *m, struct tc_slice authenticator)
{
    for (size_t f = 0; f < tc_fields_count(m->envelope); f++) {
        const char *name = tc_fields_name(m->envelope, f);
        struct tc_field_value value;
        if (tc_fields_type(m->envelope, name) == TC_FIELD_BYTES && tc_fields_get(m->envelope, name, 0, &value) == 0 &&
            value.bytes.len == authenticator.len &&
            memcmp(value.bytes.data, authenticator.data, authenticator.len) == 0)
            return name;
    }
    return NULL;
}

/* Some entries, but not all. */
static void spoil(uint8_t *vector, size_t entry, uint32_t n, uint64_t hash)
{
    const uint32_t sound = (uint32_t)tc_random_below(hash, n), spoilt = (uint32_t)tc_random_below(hash >> 32, n - 1);
    for (uint32_t i = 0; i < n; i++) {
        const bool chosen = i == (sound + 1 + spoilt) % n || (tc_random_mix(hash, i) & 1);
        if (i != sound && chosen)
            vector[i * entry + tc_random_below(tc_random_mix(hash, n + i), entry)] ^= 1;
    }
}

int tc_mutate_authenticator(const struct tc_mutator *mutator, uint64_t hash, const struct tc_message *m,
                            struct tc_arena *arena, struct tc_slice *frame)
{
    const struct tc_cluster *cluster = mutator->env->cluster;
    struct tc_message edited;
    if (cluster->request_authentication != TC_AUTH_MAC || cluster->n < 2 || m->statement_count == 0)
        return TC_EUNSUPPORTED;
    const struct tc_slice authenticator = m->statements[0].signature;
    const size_t entry = authenticator.len / cluster->n;
    if (m->statements[0].kind != TC_KIND_REQUEST || entry < ENTRY_MIN || entry * cluster->n != authenticator.len)
        return TC_EUNSUPPORTED;
    int rc = tc_mutate_copy(m, arena, &edited);
    const char *name = rc == 0 ? field_of(&edited, authenticator) : NULL;
    if (!name)
        return rc ? rc : TC_EUNSUPPORTED;
    const struct tc_slice copy = tc_arena_copy(arena, authenticator);
    if (!copy.data)
        return TC_ELIMIT;
    spoil((uint8_t *)(uintptr_t)copy.data, entry, cluster->n, hash);
    const struct tc_field_value value = {.type = TC_FIELD_BYTES, .bytes = copy};
    rc = tc_fields_set(edited.envelope, name, 0, &value, arena);
    return rc ? rc : mutator->protocol->encode(&edited, arena, frame);
}
