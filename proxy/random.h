/* Keyed randomness: a random value is a hash of the seed and of *what it decides*, never the next
 * number of a shared sequence, so that one more message does not change all later choices.
 * Not cryptographic. The same on every compiler and machine. */
#ifndef TC_RANDOM_H
#define TC_RANDOM_H

#include "types.h"

/* Mixes `word` into the running hash `h` (start with a seed). A bijection of `word` for fixed `h`. */
uint64_t tc_random_mix(uint64_t h, uint64_t word);

/* Mixes bytes and their length into h. */
uint64_t tc_random_mix_bytes(uint64_t h, struct tc_slice bytes);

/* Mixes a NUL-terminated string into h. */
uint64_t tc_random_mix_text(uint64_t h, const char *text);

/* Maps a hash to 0 … bound-1 without modulo bias worth speaking of; 0 if bound is 0. */
uint64_t tc_random_below(uint64_t h, uint64_t bound);

/* Puts 0 … count-1 into `order` in the random order that `h` names (Fisher-Yates). */
void tc_random_order(uint64_t h, uint32_t *order, uint32_t count);

#endif
