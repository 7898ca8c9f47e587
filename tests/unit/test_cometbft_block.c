/* links: tc_protocol tc_base
 * Blocks: Merkle trees of RFC 6962, hash and parts of a block that a stock node made, proofs of parts, a second block,
 * and evidence that is found inside a part. */
#include "../../reference/cometbft/block.h"
#include "../../reference/cometbft/protocol.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct tc_arena *arena = calloc(1, sizeof *arena);
    tc_arena_init(arena, 16u << 20);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    tc_arena_free(*state);
    free(*state);
    return 0;
}

static ProtobufCBinaryData hex(struct tc_arena *arena, const char *text)
{
    size_t len = strlen(text) / 2, got;
    uint8_t *bytes = tc_arena_alloc(arena, len + 1);
    assert_int_equal(sodium_hex2bin(bytes, len, text, strlen(text), NULL, &got, NULL), 0);
    return (ProtobufCBinaryData){len, bytes};
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *text)
{
    char found[129];
    sodium_bin2hex(found, sizeof found, bytes, len);
    assert_string_equal(found, text);
}

/* The trees of Certificate Transparency's reference implementation (merkletree tests): 0 to 8 of these leaves. */
static void test_merkle_roots(void **state)
{
    static const char *const leaves[] = {
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
    static const char *const roots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    struct tc_slice bytes[8];
    uint8_t root[32];
    for (size_t i = 0; i < 8; i++) {
        const ProtobufCBinaryData leaf = hex(*state, leaves[i]);
        bytes[i] = (struct tc_slice){leaf.data, leaf.len};
    }
    for (size_t count = 0; count <= 8; count++) {
        tc_cometbft_merkle_root(bytes, count, root);
        assert_hex(root, sizeof root, roots[count]);
    }
}

/* ---- block 3 of a network of one v0.38.25 node with kvstore ---- */

#define EMPTY      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define VALIDATORS "0a85dc812eb31335b91f28001a3917a7cf90693caa2ba3044be29e3c8e3392a6"
#define PROPOSER   "9aac439f9954568416ced4dae91d5a89de0233f4"
#define SECONDS    INT64_C(1795378661)
#define NANOS      327229322
#define BLOCK_HASH "329f1eb019c56439805857889a7238c035b71076491a487b21edaf75ece8de82"
#define PARTS_HASH "8175cc5f6734d429c7f0999ad34d689bb6d398109f48202be504de5f18ff1a9b"

static void *make(struct tc_arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *m = tc_arena_alloc(arena, descriptor->sizeof_message);
    assert_non_null(m);
    descriptor->message_init(m);
    return m;
}

static Cometbft__BlockID *parent_id(struct tc_arena *arena)
{
    Cometbft__BlockID *id = make(arena, &cometbft__block_id__descriptor);
    id->hash = hex(arena, "c0ea164d126ea26eb01ad8deb87df27da908c674b542c9985c8f380db9011380");
    id->part_set_header = make(arena, &cometbft__part_set_header__descriptor);
    id->part_set_header->total = 1;
    id->part_set_header->hash = hex(arena, "01257473d937d1f8bf5cdcdb9db0d8f6fd07bf7a0c76f0bb81414ccb8d9bf421");
    return id;
}

static Cometbft__Timestamp *block_time(struct tc_arena *arena)
{
    Cometbft__Timestamp *time = make(arena, &cometbft__timestamp__descriptor);
    time->seconds = SECONDS;
    time->nanos = NANOS;
    return time;
}

static Cometbft__Header *header_of_3(struct tc_arena *arena)
{
    Cometbft__Header *header = make(arena, &cometbft__header__descriptor);
    header->version = make(arena, header->base.descriptor->fields[0].descriptor);
    header->version->block = 11;
    header->version->app = 1;
    header->chain_id = (char *)(uintptr_t) "test-chain-Ts9dML";
    header->height = 3;
    header->time = block_time(arena);
    header->last_block_id = parent_id(arena);
    header->last_commit_hash = hex(arena, "036c0c9e06a3dfd579f8908d306c68f0b6479a82d55a5b78a93ceee64898b01b");
    header->data_hash = hex(arena, EMPTY);
    header->validators_hash = hex(arena, VALIDATORS);
    header->next_validators_hash = hex(arena, VALIDATORS);
    header->consensus_hash = hex(arena, "048091bc7ddc283f77bfbf91d73c44da58c3df8a9cbc867405d8b7f3daada22f");
    header->app_hash = hex(arena, "0000000000000000");
    header->last_results_hash = hex(arena, EMPTY);
    header->evidence_hash = hex(arena, EMPTY);
    header->proposer_address = hex(arena, PROPOSER);
    return header;
}

static Cometbft__Block *block_3(struct tc_arena *arena)
{
    static const char signature[] =
        "nWGDTswr6hTMsZm3mcJgNx9xXhDm23gtlHTPEUUb9YuzCS60FaghEy/UMTXDtS3HORhxQ270+vUUn9NDte1oAQ==";
    Cometbft__Block *block = make(arena, &cometbft__block__descriptor);
    Cometbft__CommitSig *sig = make(arena, &cometbft__commit_sig__descriptor);
    uint8_t *bytes = tc_arena_alloc(arena, 64);
    size_t len;
    assert_int_equal(
        sodium_base642bin(bytes, 64, signature, sizeof signature - 1, NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL),
        0);
    block->header = header_of_3(arena);
    block->data = make(arena, &cometbft__data__descriptor);
    block->evidence = make(arena, &cometbft__evidence_list__descriptor);
    block->last_commit = make(arena, &cometbft__commit__descriptor);
    block->last_commit->height = 2;
    block->last_commit->block_id = parent_id(arena);
    block->last_commit->n_signatures = 1;
    block->last_commit->signatures = tc_arena_alloc(arena, sizeof *block->last_commit->signatures);
    block->last_commit->signatures[0] = sig;
    sig->block_id_flag = 2;
    sig->validator_address = hex(arena, PROPOSER);
    sig->timestamp = block_time(arena);
    sig->signature = (ProtobufCBinaryData){len, bytes};
    return block;
}

static void test_header_hash(void **state)
{
    uint8_t hash[32];
    Cometbft__Header *header = header_of_3(*state);
    assert_int_equal(tc_cometbft_header_hash(header, *state, hash), 0);
    assert_hex(hash, sizeof hash, BLOCK_HASH);
    header->time = NULL;
    assert_int_equal(tc_cometbft_header_hash(header, *state, hash), TC_EMALFORMED);
    assert_int_equal(tc_cometbft_header_hash(NULL, *state, hash), TC_EMALFORMED);
}

/* The node cut the same bytes into the same parts. */
static void test_parts_of_a_real_block(void **state)
{
    struct tc_slice bytes;
    Cometbft__Part *parts;
    Cometbft__PartSetHeader id = COMETBFT__PART_SET_HEADER__INIT;
    size_t count;
    assert_int_equal(tc_fields_pack(&block_3(*state)->base, *state, &bytes), 0);
    assert_int_equal(tc_cometbft_block_parts(bytes, *state, &parts, &count, &id), 0);
    assert_int_equal(count, 1);
    assert_int_equal(id.total, 1);
    assert_int_equal(parts[0].proof->total, 1);
    assert_int_equal(parts[0].proof->n_aunts, 0);
    assert_hex(id.hash.data, id.hash.len, PARTS_HASH);
}

/* ---- proofs ---- */

static void hash_pair(const uint8_t *left, const uint8_t *right, uint8_t out[32])
{
    uint8_t bytes[65] = {1};
    memcpy(bytes + 1, left, 32);
    memcpy(bytes + 33, right, 32);
    crypto_hash_sha256(out, bytes, sizeof bytes);
}

/* The root that a proof leads to, from its leaf upwards (RFC 6962, 2.1.1), written apart from what made it. */
static void root_of_proof(const Cometbft__Proof *proof, size_t index, size_t total, size_t aunts, uint8_t root[32])
{
    size_t split = 1;
    uint8_t below[32];
    if (total == 1) {
        assert_int_equal(aunts, 0);
        memcpy(root, proof->leaf_hash.data, 32);
        return;
    }
    assert_true(aunts > 0);
    while (split * 2 < total)
        split *= 2;
    const uint8_t *aunt = proof->aunts[aunts - 1].data;
    if (index < split) {
        root_of_proof(proof, index, split, aunts - 1, below);
        hash_pair(below, aunt, root);
    } else {
        root_of_proof(proof, index - split, total - split, aunts - 1, below);
        hash_pair(aunt, below, root);
    }
}

static void test_proofs_lead_to_the_root(void **state)
{
    static const size_t lengths[] = {1,
                                     TC_BLOCK_PART_SIZE,
                                     TC_BLOCK_PART_SIZE + 1,
                                     5 * TC_BLOCK_PART_SIZE - 7,
                                     8 * TC_BLOCK_PART_SIZE,
                                     13 * TC_BLOCK_PART_SIZE + 1};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        uint8_t *bytes = tc_arena_alloc(*state, lengths[k]);
        Cometbft__Part *parts;
        Cometbft__PartSetHeader id = COMETBFT__PART_SET_HEADER__INIT;
        size_t count, seen = 0;
        for (size_t i = 0; i < lengths[k]; i++)
            bytes[i] = (uint8_t)(i * 31 >> 3);
        assert_int_equal(tc_cometbft_block_parts((struct tc_slice){bytes, lengths[k]}, *state, &parts, &count, &id), 0);
        assert_int_equal(count, id.total);
        for (size_t i = 0; i < count; i++) {
            uint8_t root[32], leaf[32];
            crypto_hash_sha256_state hash;
            crypto_hash_sha256_init(&hash);
            crypto_hash_sha256_update(&hash, (const uint8_t[]){0}, 1);
            crypto_hash_sha256_update(&hash, parts[i].bytes.data, parts[i].bytes.len);
            crypto_hash_sha256_final(&hash, leaf);
            assert_int_equal(parts[i].index, i);
            assert_memory_equal(parts[i].proof->leaf_hash.data, leaf, 32);
            root_of_proof(parts[i].proof, i, count, parts[i].proof->n_aunts, root);
            assert_memory_equal(root, id.hash.data, 32);
            seen += parts[i].bytes.len;
        }
        assert_int_equal(seen, lengths[k]);
    }
}

static void test_too_many_parts(void **state)
{
    const size_t len = (size_t)TC_BLOCK_PARTS_MAX * TC_BLOCK_PART_SIZE + 1;
    uint8_t *bytes = calloc(1, len);
    Cometbft__Part *parts;
    Cometbft__PartSetHeader id = COMETBFT__PART_SET_HEADER__INIT;
    size_t count;
    assert_int_equal(tc_cometbft_block_parts((struct tc_slice){bytes, len}, *state, &parts, &count, &id), TC_ELIMIT);
    free(bytes);
}

/* ---- a second block ---- */

static void test_another_block(void **state)
{
    Cometbft__Block *block = block_3(*state);
    uint8_t before[32], after[32], leaf[32], data[32];
    assert_int_equal(tc_cometbft_header_hash(block->header, *state, before), 0);
    assert_int_equal(tc_cometbft_block_change(block, 77, true, *state), TC_EUNSUPPORTED); /* nothing to leave out */
    assert_int_equal(tc_cometbft_block_change(block, 77, false, *state), 0);
    assert_int_equal(block->data->n_txs, 1);
    crypto_hash_sha256(leaf, block->data->txs[0].data, block->data->txs[0].len);
    tc_cometbft_merkle_root(&(struct tc_slice){leaf, sizeof leaf}, 1, data);
    assert_memory_equal(block->header->data_hash.data, data, 32);
    assert_int_equal(tc_cometbft_header_hash(block->header, *state, after), 0);
    assert_memory_not_equal(before, after, 32);
    assert_int_equal(block->header->time->nanos, NANOS);
    assert_int_equal(tc_cometbft_block_change(block, 77, true, *state), 0);
    assert_int_equal(block->data->n_txs, 0);
    assert_int_equal(tc_cometbft_header_hash(block->header, *state, after), 0);
    assert_memory_equal(before, after, 32);
}

/* ---- evidence in a part ---- */

static Cometbft__Vote *vote_for(struct tc_arena *arena, const char *hash)
{
    Cometbft__Vote *vote = make(arena, &cometbft__vote__descriptor);
    vote->type = TC_COMETBFT_PREVOTE;
    vote->height = 2;
    vote->block_id = make(arena, &cometbft__block_id__descriptor);
    vote->block_id->part_set_header = make(arena, &cometbft__part_set_header__descriptor);
    vote->block_id->hash = hex(arena, hash);
    vote->timestamp = block_time(arena);
    vote->validator_address = hex(arena, PROPOSER);
    vote->signature = hex(arena, EMPTY EMPTY);
    return vote;
}

static void accuse(struct tc_arena *arena, Cometbft__Block *block)
{
    Cometbft__Evidence *piece = make(arena, &cometbft__evidence__descriptor);
    Cometbft__DuplicateVoteEvidence *two = make(arena, &cometbft__duplicate_vote_evidence__descriptor);
    two->vote_a = vote_for(arena, "");
    two->vote_b = vote_for(arena, EMPTY);
    piece->duplicate_vote_evidence = two;
    block->evidence->n_evidence = 1;
    block->evidence->evidence = tc_arena_alloc(arena, sizeof *block->evidence->evidence);
    block->evidence->evidence[0] = piece;
}

/* The frame of one block-part message. `total`: of how many the proof says it is one. */
static struct tc_slice part_frame(struct tc_arena *arena, Cometbft__Part *part, int64_t total)
{
    struct tc_message built;
    struct tc_slice frame;
    assert_int_equal(tc_cometbft_build("block-part", arena, &built), 0);
    Cometbft__BlockPart *body = built.statements[0].fields.base;
    body->height = 3;
    part->proof->total = total;
    body->part = part;
    assert_int_equal(tc_cometbft_encode(&built, arena, &frame), 0);
    return frame;
}

static Cometbft__Part *only_part(struct tc_arena *arena, const Cometbft__Block *block)
{
    struct tc_slice bytes;
    Cometbft__Part *parts;
    Cometbft__PartSetHeader id = COMETBFT__PART_SET_HEADER__INIT;
    size_t count;
    assert_int_equal(tc_fields_pack(&block->base, arena, &bytes), 0);
    assert_int_equal(tc_cometbft_block_parts(bytes, arena, &parts, &count, &id), 0);
    assert_int_equal(count, 1);
    return parts;
}

static void test_evidence_in_a_part(void **state)
{
    struct tc_arena *arena = *state;
    struct tc_message m = {0};
    struct tc_slice again;
    uint8_t hash[32];
    Cometbft__Block *block = block_3(arena);
    struct tc_slice frame = part_frame(arena, only_part(arena, block), 1);
    assert_int_equal(tc_cometbft_decode(frame, arena, &m), 0);
    assert_int_equal(m.statement_count, 1); /* no evidence, and the block is not named */
    assert_int_equal(m.statements[0].value.state, TC_VALUE_ABSENT);

    accuse(arena, block);
    assert_int_equal(tc_cometbft_header_hash(block->header, arena, hash), 0);
    frame = part_frame(arena, only_part(arena, block), 1);
    assert_int_equal(tc_cometbft_decode(frame, arena, &m), 0);
    assert_int_equal(m.statement_count, 3);
    assert_int_equal(m.statements[0].value.state, TC_VALUE_BYTES);
    assert_memory_equal(m.statements[0].value.bytes, hash, 32);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(m.statements[i].origin, TC_ORIGIN_EMBEDDED);
        assert_int_equal(m.statements[i].parent, 0);
        assert_int_equal(m.statements[i].kind, TC_KIND_VOTE);
        assert_int_equal(m.statements[i].sequence, 2);
    }
    assert_int_equal(m.statements[1].slot, m.statements[2].slot);
    assert_int_equal(tc_cometbft_encode(&m, arena, &again), 0); /* what was found inside changes nothing of it */
    assert_int_equal(again.len, frame.len);
    assert_memory_equal(again.data, frame.data, frame.len);

    frame = part_frame(arena, only_part(arena, block), 2); /* one of two: what a part alone says is not looked into */
    assert_int_equal(tc_cometbft_decode(frame, arena, &m), 0);
    assert_int_equal(m.statement_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_merkle_roots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_of_a_real_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_proofs_lead_to_the_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_evidence_in_a_part, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
