#include "random.h"

#include <string.h>

uint64_t tc_random_mix_bytes(uint64_t h, struct tc_slice bytes)
{
    h = tc_random_mix(h, bytes.len);
    for (size_t at = 0; at < bytes.len; at += 8) {
        size_t take = bytes.len - at < 8 ? bytes.len - at : 8;
        uint64_t word = 0;
        for (size_t i = 0; i < take; i++)
            word |= (uint64_t)bytes.data[at + i] << (8 * i);
        h = tc_random_mix(h, word);
    }
    return h;
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
