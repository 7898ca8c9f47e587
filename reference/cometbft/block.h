/* Blocks: their hashes, and a second one for the same height that correct validators accept. Pure.
 *
 * Merkle trees are those of RFC 6962 over SHA-256: leaves are hashed behind a byte 0, inner nodes behind a byte 1, and
 * a tree of n leaves is split at the largest power of two below n. */
#ifndef TC_COMETBFT_BLOCK_H
#define TC_COMETBFT_BLOCK_H

#include "protocol_parts.h"

#define TC_BLOCK_PART_SIZE 65536
#define TC_BLOCK_PARTS_MAX 64 /* of a block that is perturbed: 4 MiB */
#define TC_BLOCK_TXS_MAX   65536

/* The root over `count` leaves; of none, the hash of nothing. Recursion is as deep as the tree. */
void tc_cometbft_merkle_root(const struct tc_slice *leaves, size_t count, uint8_t root[static 32]);

/* The hash of a header: what a BlockID names. TC_ELIMIT: the arena is full; TC_EMALFORMED: a part is missing. */
int tc_cometbft_header_hash(const Cometbft__Header *header, struct tc_arena *arena, uint8_t hash[static 32]);

/* Cuts a block's bytes into parts with their proofs. `id` gets total and root; parts and all that they point to live in
 * `arena`. TC_ELIMIT: more than TC_BLOCK_PARTS_MAX, or the arena is full. */
int tc_cometbft_block_parts(struct tc_slice bytes, struct tc_arena *arena, Cometbft__Part **parts, size_t *count,
                            Cometbft__PartSetHeader *id);

/* Changes `block` so that it is another valid one of the same height, time and parent: a transaction more (`hash` makes
 * it) or, with omit, none at all. The header's data hash follows. TC_EUNSUPPORTED: nothing to omit; TC_ELIMIT. */
int tc_cometbft_block_change(Cometbft__Block *block, uint64_t hash, bool omit, struct tc_arena *arena);

#endif
