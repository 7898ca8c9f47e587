#include "random.h"

#include <string.h>

static uint64_t load_le64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

uint64_t tc_random_mix_bytes(uint64_t h, struct tc_slice bytes)
{
    size_t at = 0;
    uint64_t rest = 0;
    h = tc_random_mix(h, bytes.len);
    for (; bytes.len - at >= 8; at += 8)
        h = tc_random_mix(h, load_le64(bytes.data + at));
    for (size_t i = at; i < bytes.len; i++)
        rest |= (uint64_t)bytes.data[i] << (8 * (i - at));
    return at < bytes.len ? tc_random_mix(h, rest) : h;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    const unsigned __int128 product =
        (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xd6e8feb86659fd93));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t tc_random_fold_bytes(uint64_t h, struct tc_slice bytes)
{
    uint8_t rest[16] = {0};
    size_t at = 0;
    h = fold(h, bytes.len);
    for (; bytes.len - at >= 16; at += 16)
        h = fold(h ^ load_le64(bytes.data + at), load_le64(bytes.data + at + 8));
    if (at < bytes.len)
        memcpy(rest, bytes.data + at, bytes.len - at);
    return fold(h ^ load_le64(rest), load_le64(rest + 8));
}

uint64_t tc_random_mix_text(uint64_t h, const char *text)
{
    return tc_random_mix_bytes(h, (struct tc_slice){(const uint8_t *)text, strlen(text)});
}

uint64_t tc_random_below(uint64_t h, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)tc_random_scramble(h) * bound) >> 64);
}

void tc_random_order(uint64_t h, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)tc_random_below(tc_random_mix(h, i), i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}
