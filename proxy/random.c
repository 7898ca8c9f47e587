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

/* Up to 16 bytes as two words; which of them overlap depends on how many they are, which was folded before. */
static uint64_t fold_few(uint64_t h, const uint8_t *at, size_t len)
{
    uint64_t first = 0, last = 0;
    if (len >= 8) {
        first = load_le64(at);
        last = load_le64(at + len - 8);
    } else {
        for (size_t i = 0; i < len; i++)
            first |= (uint64_t)at[i] << (8 * i);
    }
    return tc_random_fold(h ^ first, last);
}

/* Two chains side by side: each waits for its own multiplications only. */
uint64_t tc_random_fold_bytes(uint64_t h, struct tc_slice bytes)
{
    const uint8_t *at = bytes.data, *const end = bytes.len > 0 ? at + bytes.len : at;
    uint64_t other = UINT64_C(0xa0761d6478bd642f);
    h = tc_random_fold(h, bytes.len);
    if (bytes.len <= 16)
        return fold_few(h, at, bytes.len);
    for (; end - at > 32; at += 32) {
        h = tc_random_fold(h ^ load_le64(at), load_le64(at + 8));
        other = tc_random_fold(other ^ load_le64(at + 16), load_le64(at + 24));
    }
    if (end - at > 16)
        h = tc_random_fold(h ^ load_le64(at), load_le64(at + 8));
    h = tc_random_fold(h ^ load_le64(end - 16), load_le64(end - 8));
    return tc_random_fold(h, other);
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
