#include "block.h"

#include "../../proxy/cursor.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define HEADER_LEAVES 14
#define AUNTS_MAX     64

/* ---- Merkle trees ---- */

static void hash_leaf(struct tc_slice leaf, uint8_t out[static 32])
{
    static const uint8_t prefix = 0;
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, &prefix, 1);
    crypto_hash_sha256_update(&state, leaf.data, leaf.len);
    crypto_hash_sha256_final(&state, out);
}

static void hash_inner(const uint8_t left[static 32], const uint8_t right[static 32], uint8_t out[static 32])
{
    static const uint8_t prefix = 1;
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, &prefix, 1);
    crypto_hash_sha256_update(&state, left, 32);
    crypto_hash_sha256_update(&state, right, 32);
    crypto_hash_sha256_final(&state, out);
}

static size_t split_of(size_t count)
{
    size_t split = 1;
    while (split * 2 < count)
        split *= 2;
    return split;
}

void tc_cometbft_merkle_root(const struct tc_slice *leaves, size_t count, uint8_t root[static 32])
{
    uint8_t left[32], right[32];
    if (count == 0) {
        crypto_hash_sha256(root, NULL, 0);
        return;
    }
    if (count == 1) {
        hash_leaf(leaves[0], root);
        return;
    }
    const size_t split = split_of(count);
    tc_cometbft_merkle_root(leaves, split, left);
    tc_cometbft_merkle_root(leaves + split, count - split, right);
    hash_inner(left, right, root);
}

/* The siblings on the way from leaf `index` to the root, nearest first; how many. */
static size_t aunts_of(const struct tc_slice *leaves, size_t count, size_t index, uint8_t aunts[][32])
{
    if (count <= 1)
        return 0;
    const size_t split = split_of(count);
    size_t below;
    if (index < split) {
        below = aunts_of(leaves, split, index, aunts);
        tc_cometbft_merkle_root(leaves + split, count - split, aunts[below]);
    } else {
        below = aunts_of(leaves + split, count - split, index - split, aunts);
        tc_cometbft_merkle_root(leaves, split, aunts[below]);
    }
    return below + 1;
}

/* ---- headers ---- */

/* A scalar or bytes as a message with one field; zero and empty give an empty leaf. */
static struct tc_slice leaf_bytes(ProtobufCBinaryData value, struct tc_arena *arena)
{
    uint8_t *at = value.len > 0 ? tc_arena_alloc(arena, value.len + 11) : NULL;
    if (!at)
        return (struct tc_slice){NULL, 0};
    struct tc_writer w = tc_writer_into(at, value.len + 11);
    tc_writer_u8(&w, 1 << 3 | 2);
    tc_writer_varint(&w, value.len);
    tc_writer_slice(&w, tc_cometbft_slice(value));
    return tc_writer_bytes(&w);
}

static struct tc_slice leaf_number(int64_t value, struct tc_arena *arena)
{
    uint8_t *at = value != 0 ? tc_arena_alloc(arena, 11) : NULL;
    if (!at)
        return (struct tc_slice){NULL, 0};
    struct tc_writer w = tc_writer_into(at, 11);
    tc_writer_u8(&w, 1 << 3 | 0);
    tc_writer_varint(&w, (uint64_t)value);
    return tc_writer_bytes(&w);
}

int tc_cometbft_header_hash(const Cometbft__Header *header, struct tc_arena *arena, uint8_t hash[static 32])
{
    struct tc_slice leaves[HEADER_LEAVES];
    if (!header || !header->version || !header->time || !header->last_block_id)
        return TC_EMALFORMED;
    if (tc_fields_pack(&header->version->base, arena, &leaves[0]) ||
        tc_fields_pack(&header->time->base, arena, &leaves[3]) ||
        tc_fields_pack(&header->last_block_id->base, arena, &leaves[4]))
        return TC_ELIMIT;
    ProtobufCBinaryData chain = {strlen(header->chain_id), (uint8_t *)header->chain_id};
    const ProtobufCBinaryData rest[] = {header->last_commit_hash,     header->data_hash,      header->validators_hash,
                                        header->next_validators_hash, header->consensus_hash, header->app_hash,
                                        header->last_results_hash,    header->evidence_hash,  header->proposer_address};
    leaves[1] = leaf_bytes(chain, arena);
    leaves[2] = leaf_number(header->height, arena);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        leaves[5 + i] = leaf_bytes(rest[i], arena);
    tc_cometbft_merkle_root(leaves, HEADER_LEAVES, hash);
    return 0;
}

/* ---- parts ---- */

static int prove(Cometbft__Part *part, const struct tc_slice *leaves, size_t count, size_t index,
                 struct tc_arena *arena)
{
    uint8_t(*aunts)[32] = tc_arena_alloc(arena, AUNTS_MAX * sizeof *aunts);
    Cometbft__Proof *proof = tc_arena_alloc(arena, sizeof *proof);
    uint8_t *leaf = tc_arena_alloc(arena, 32);
    ProtobufCBinaryData *list = tc_arena_alloc(arena, AUNTS_MAX * sizeof *list);
    if (!aunts || !proof || !leaf || !list)
        return TC_ELIMIT;
    cometbft__proof__init(proof);
    hash_leaf(leaves[index], leaf);
    proof->total = (int64_t)count;
    proof->index = (int64_t)index;
    proof->leaf_hash = (ProtobufCBinaryData){32, leaf};
    proof->n_aunts = aunts_of(leaves, count, index, aunts);
    proof->aunts = list;
    for (size_t i = 0; i < proof->n_aunts; i++)
        list[i] = (ProtobufCBinaryData){32, aunts[i]};
    part->proof = proof;
    return 0;
}

int tc_cometbft_block_parts(struct tc_slice bytes, struct tc_arena *arena, Cometbft__Part **parts, size_t *count,
                            Cometbft__PartSetHeader *id)
{
    struct tc_slice leaves[TC_BLOCK_PARTS_MAX];
    *count = (bytes.len + TC_BLOCK_PART_SIZE - 1) / TC_BLOCK_PART_SIZE;
    if (*count > TC_BLOCK_PARTS_MAX)
        return TC_ELIMIT;
    uint8_t *root = tc_arena_alloc(arena, 32);
    *parts = tc_arena_alloc(arena, *count * sizeof **parts);
    if (!root || !*parts)
        return TC_ELIMIT;
    for (size_t i = 0; i < *count; i++) {
        const size_t at = i * TC_BLOCK_PART_SIZE, left = bytes.len - at;
        leaves[i] = (struct tc_slice){bytes.data + at, left < TC_BLOCK_PART_SIZE ? left : TC_BLOCK_PART_SIZE};
    }
    for (size_t i = 0; i < *count; i++) {
        Cometbft__Part *part = &(*parts)[i];
        cometbft__part__init(part);
        part->index = (uint32_t)i;
        part->bytes = (ProtobufCBinaryData){leaves[i].len, (uint8_t *)(uintptr_t)leaves[i].data};
        if (prove(part, leaves, *count, i, arena))
            return TC_ELIMIT;
    }
    tc_cometbft_merkle_root(leaves, *count, root);
    id->total = (uint32_t)*count;
    id->hash = (ProtobufCBinaryData){32, root};
    return 0;
}

/* ---- another block ---- */

/* The kvstore takes KEY=VALUE, and so does anything that takes any bytes. */
static int add_transaction(Cometbft__Data *data, uint64_t hash, struct tc_arena *arena)
{
    const size_t count = data->n_txs;
    ProtobufCBinaryData *txs = tc_arena_alloc(arena, (count + 1) * sizeof *txs);
    char *text = tc_arena_alloc(arena, 40);
    if (!txs || !text || count >= TC_BLOCK_TXS_MAX)
        return TC_ELIMIT;
    const int len = snprintf(text, 40, "second=%016llx", (unsigned long long)hash);
    if (count > 0)
        memcpy(txs, data->txs, count * sizeof *txs);
    txs[count] = (ProtobufCBinaryData){(size_t)len, (uint8_t *)text};
    data->txs = txs;
    data->n_txs = count + 1;
    return 0;
}

static int hash_data(const Cometbft__Data *data, struct tc_arena *arena, uint8_t out[static 32])
{
    struct tc_slice *leaves = tc_arena_alloc(arena, (data->n_txs + 1) * sizeof *leaves);
    uint8_t(*ids)[32] = tc_arena_alloc(arena, (data->n_txs + 1) * sizeof *ids);
    if (!leaves || !ids)
        return TC_ELIMIT;
    for (size_t i = 0; i < data->n_txs; i++) {
        crypto_hash_sha256(ids[i], data->txs[i].data, data->txs[i].len);
        leaves[i] = (struct tc_slice){ids[i], 32};
    }
    tc_cometbft_merkle_root(leaves, data->n_txs, out);
    return 0;
}

int tc_cometbft_block_change(Cometbft__Block *block, uint64_t hash, bool omit, struct tc_arena *arena)
{
    if (!block->header || (omit && (!block->data || block->data->n_txs == 0)))
        return TC_EUNSUPPORTED;
    if (!block->data) {
        block->data = tc_arena_alloc(arena, sizeof *block->data);
        if (!block->data)
            return TC_ELIMIT;
        cometbft__data__init(block->data);
    }
    uint8_t *root = tc_arena_alloc(arena, 32);
    if (!root)
        return TC_ELIMIT;
    if (omit)
        block->data->n_txs = 0;
    else if (add_transaction(block->data, hash, arena))
        return TC_ELIMIT;
    block->header->data_hash = (ProtobufCBinaryData){32, root};
    return hash_data(block->data, arena, root);
}
