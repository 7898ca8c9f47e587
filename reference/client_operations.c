#include "client_operations.h"

#include "../proxy/random.h"

#include <stdio.h>
#include <string.h>

/* Of a hundred operations. */
#define SHARE_PUT    50
#define SHARE_GET    35
#define SHARE_SWAP   10 /* the rest deletes */
#define KEY_TEXT_MAX 16

static struct tc_slice key_bytes(uint32_t key, struct tc_arena *arena)
{
    char text[KEY_TEXT_MAX];
    int len = snprintf(text, sizeof text, "k%u", (unsigned)key);
    return tc_arena_copy(arena, (struct tc_slice){(const uint8_t *)text, (size_t)len});
}

static struct tc_slice value_bytes(uint64_t hash, uint32_t len, struct tc_arena *arena)
{
    uint8_t *bytes = tc_arena_alloc(arena, len);
    for (uint32_t i = 0; bytes && i < len; i += 8) {
        uint64_t word = tc_random_mix(hash, i);
        for (uint32_t j = 0; j < 8 && i + j < len; j++)
            bytes[i + j] = (uint8_t)(word >> (8 * j));
    }
    return (struct tc_slice){bytes, bytes ? len : 0};
}

int tc_operation_make(const struct tc_operation_maker *maker, uint16_t client, uint64_t timestamp,
                      struct tc_operation_memory *memory, struct tc_arena *arena, struct tc_kv_operation *out)
{
    uint64_t hash = tc_random_mix(tc_random_mix(tc_random_mix(maker->seed, client), timestamp), 1);
    uint64_t share = tc_random_below(tc_random_mix(hash, 2), 100);
    uint32_t key = (uint32_t)tc_random_below(tc_random_mix(hash, 3), maker->keys);
    memset(out, 0, sizeof *out);
    if (share < SHARE_PUT)
        out->code = TC_KV_PUT;
    else if (share < SHARE_PUT + SHARE_GET)
        out->code = TC_KV_GET;
    else if (share < SHARE_PUT + SHARE_GET + SHARE_SWAP)
        out->code = memory->any ? TC_KV_COMPARE_AND_SWAP : TC_KV_PUT;
    else
        out->code = TC_KV_DELETE;
    if (out->code == TC_KV_COMPARE_AND_SWAP) { /* what we put last may still stand */
        key = memory->key;
        out->expected = value_bytes(memory->hash, maker->value_bytes, arena);
    }
    out->key = key_bytes(key, arena);
    if (out->code == TC_KV_PUT || out->code == TC_KV_COMPARE_AND_SWAP) {
        out->value = value_bytes(hash, maker->value_bytes, arena);
        *memory = (struct tc_operation_memory){.any = true, .key = key, .hash = hash};
        if (!out->value.data)
            return TC_ELIMIT;
    }
    return out->key.data ? 0 : TC_ELIMIT;
}
