/* Keyed randomness: a random value is a hash of the seed and of *what it decides*, never the next
 * number of a shared sequence, so that one more message does not change all later choices.
 * Not cryptographic. The same on every compiler and machine. */
#ifndef TC_RANDOM_H
#define TC_RANDOM_H

#include "types.h"

/* A 64-bit finaliser (two multiplications by odd constants between xor-shifts): every input bit reaches every output
 * bit, and it is a bijection, so different words never meet under one h. */
static inline uint64_t tc_random_scramble(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xe9846af9b1a615d);
    x ^= x >> 32;
    x *= UINT64_C(0xe9846af9b1a615d);
    x ^= x >> 28;
    return x;
}

/* Mixes `word` into the running hash `h` (start with a seed). A bijection of `word` for fixed `h`. Here, for each
 * message asks it several times. */
static inline uint64_t tc_random_mix(uint64_t h, uint64_t word)
{
    return tc_random_scramble(tc_random_scramble(h + UINT64_C(0x9e3779b97f4a7c15)) + word);
}

/* Two words into one by a multiplication of 64 by 64 bits: for finding and comparing, as tc_random_fold_bytes. */
static inline uint64_t tc_random_fold(uint64_t a, uint64_t b)
{
    const unsigned __int128 product =
        (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xd6e8feb86659fd93));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Mixes bytes and their length into h. */
uint64_t tc_random_mix_bytes(uint64_t h, struct tc_slice bytes);

/* A hash of h and the bytes for finding and comparing: several times as fast as mixing, and not so thorough that
 * choices should be drawn from it. The same on every compiler and machine. */
uint64_t tc_random_fold_bytes(uint64_t h, struct tc_slice bytes);

/* The same of a message's bytes, made once for all copies of a broadcast where the engine keeps them. */
static inline uint64_t tc_message_fold(const struct tc_message *m)
{
    return m->frame_hash ? m->frame_hash : tc_random_fold_bytes(1, m->frame);
}

/* Mixes a NUL-terminated string into h. */
uint64_t tc_random_mix_text(uint64_t h, const char *text);

/* Maps a hash to 0 … bound-1 without modulo bias worth speaking of; 0 if bound is 0. */
uint64_t tc_random_below(uint64_t h, uint64_t bound);

/* Puts 0 … count-1 into `order` in the random order that `h` names (Fisher-Yates). */
void tc_random_order(uint64_t h, uint32_t *order, uint32_t count);

#endif
