/* links: tc_protocol tc_base
 * CometBFT's messages: published vectors of the bytes that are signed, decoding, attribution, signing, and hostile
 * input. */
#include "../../proxy/random.h"
#include "../../reference/cometbft/mconnection.h"
#include "../../reference/cometbft/protocol.h"
#include "../../reference/cometbft/protocol_parts.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct tc_arena arena;
    struct tc_cluster cluster;
    struct tc_protocol_env env;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint8_t seed[TC_SECRET_SEED_SIZE];
    tc_arena_init(&f->arena, 1u << 20);
    strcpy(f->cluster.id, "test-chain");
    f->cluster.n = 4;
    f->cluster.f = 1;
    f->env = (struct tc_protocol_env){.cluster = &f->cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    for (uint32_t node = 0; node < 4; node++) {
        tc_keyring_derive_seed(77, node, seed);
        assert_int_equal(tc_keyring_add_secret(f->env.keys, node, seed), 0);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tc_keyring_free(f->env.keys);
    tc_arena_free(&f->arena);
    free(f);
    return 0;
}

/* ---- types/vote_test.go, TestVoteSignBytesTestVectors ---- */

#define ZERO_TIME 0x2a, 0x0b, 0x08, 0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 0x01
#define ONE       0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00

static void check_vote_bytes(struct fixture *f, const char *chain_id, uint32_t type, int64_t height, int32_t round,
                             const uint8_t *wanted, size_t len, const char *extension)
{
    Cometbft__Timestamp zero = COMETBFT__TIMESTAMP__INIT;
    Cometbft__PartSetHeader parts = COMETBFT__PART_SET_HEADER__INIT;
    Cometbft__BlockID nil = COMETBFT__BLOCK_ID__INIT;
    Cometbft__Vote vote = COMETBFT__VOTE__INIT;
    struct tc_slice bytes;
    zero.seconds = INT64_C(-62135596800); /* Go's zero time */
    nil.part_set_header = &parts;
    vote.type = type;
    vote.height = height;
    vote.round = round;
    vote.block_id = &nil;
    vote.timestamp = &zero;
    vote.extension = (ProtobufCBinaryData){strlen(extension), (uint8_t *)(uintptr_t)extension};
    assert_int_equal(tc_cometbft_vote_bytes(&vote, chain_id, &f->arena, &bytes), 0);
    assert_int_equal(bytes.len, len);
    assert_memory_equal(bytes.data, wanted, len);
}

static void test_vote_bytes(void **state)
{
    struct fixture *f = *state;
    static const uint8_t empty[] = {0x0d, ZERO_TIME};
    static const uint8_t precommit[] = {0x21, 0x08, 0x02, 0x11, ONE, 0x19, ONE, ZERO_TIME};
    static const uint8_t prevote[] = {0x21, 0x08, 0x01, 0x11, ONE, 0x19, ONE, ZERO_TIME};
    static const uint8_t untyped[] = {0x1f, 0x11, ONE, 0x19, ONE, ZERO_TIME};
    static const uint8_t chain[] = {0x2e, 0x11, ONE, 0x19, ONE, ZERO_TIME, 0x32, 0x0d, 't', 'e', 's',
                                    't',  '_',  'c', 'h',  'a', 'i',       'n',  '_',  'i', 'd'};
    check_vote_bytes(f, "", 0, 0, 0, empty, sizeof empty, "");
    check_vote_bytes(f, "", 2, 1, 1, precommit, sizeof precommit, "");
    check_vote_bytes(f, "", 1, 1, 1, prevote, sizeof prevote, "");
    check_vote_bytes(f, "", 0, 1, 1, untyped, sizeof untyped, "");
    check_vote_bytes(f, "test_chain_id", 0, 1, 1, chain, sizeof chain, "");
    check_vote_bytes(f, "test_chain_id", 0, 1, 1, chain, sizeof chain, "extension"); /* signed apart */
}

/* ---- messages ---- */

static struct tc_message make_vote(struct fixture *f, const char *type, uint16_t signer, const uint8_t *hash)
{
    struct tc_message built, vote;
    assert_int_equal(tc_cometbft_build(type, &f->arena, &built), 0);
    Cometbft__Vote *body = built.statements[0].fields.base;
    Cometbft__BlockID *id = tc_arena_alloc(&f->arena, sizeof *id);
    Cometbft__PartSetHeader *parts = tc_arena_alloc(&f->arena, sizeof *parts);
    Cometbft__Timestamp *time = tc_arena_alloc(&f->arena, sizeof *time);
    cometbft__block_id__init(id);
    cometbft__part_set_header__init(parts);
    cometbft__timestamp__init(time);
    id->part_set_header = parts;
    if (hash) {
        id->hash = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)hash};
        parts->total = 1;
        parts->hash = id->hash;
    }
    time->seconds = 1700000000;
    time->nanos = 5;
    body->height = 12;
    body->round = 3;
    body->block_id = id;
    body->timestamp = time;
    built.from = 2;
    assert_int_equal(tc_cometbft_sign(&f->env, &built, signer, &f->arena, &vote), 0);
    return vote;
}

static void test_vote_round_trip(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32];
    memset(hash, 9, sizeof hash);
    const struct tc_message vote = make_vote(f, "prevote", 2, hash);
    const struct tc_statement *s = &vote.statements[0];
    assert_string_equal(vote.type, "prevote");
    assert_int_equal(s->kind, TC_KIND_VOTE);
    assert_int_equal(s->phase, TC_PHASE_PREVOTE);
    assert_int_equal(s->sequence, 12);
    assert_int_equal(s->view, 3);
    assert_int_equal(s->signer, 2);
    assert_int_equal(s->origin, TC_ORIGIN_DIRECT);
    assert_int_equal(s->value.state, TC_VALUE_BYTES);
    assert_memory_equal(s->value.bytes, hash, 32);
    assert_int_equal(tc_cometbft_verify(&f->env, s), 0);
    assert_int_equal(((const Cometbft__Wrapper *)vote.envelope.base)->channel, 0x22);

    struct tc_slice again;
    assert_int_equal(tc_cometbft_encode(&vote, &f->arena, &again), 0);
    assert_int_equal(again.len, vote.frame.len);
    assert_memory_equal(again.data, vote.frame.data, again.len);
}

/* The vote for nothing, as CometBFT writes it: block_id is there, with an empty part set header: 22 02 12 00. */
static void test_nil_vote(void **state)
{
    struct fixture *f = *state;
    static const uint8_t nil[] = {0x22, 0x02, 0x12, 0x00};
    const struct tc_message vote = make_vote(f, "precommit", 1, NULL);
    assert_int_equal(vote.statements[0].value.state, TC_VALUE_NIL);
    assert_int_equal(vote.statements[0].origin, TC_ORIGIN_RELAYED); /* it came from node 2 */
    assert_int_equal(tc_cometbft_verify(&f->env, &vote.statements[0]), 0);
    bool found = false;
    for (size_t i = 0; i + sizeof nil <= vote.frame.len; i++)
        found |= memcmp(vote.frame.data + i, nil, sizeof nil) == 0;
    assert_true(found);
}

static void test_two_votes_conflict(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32];
    memset(hash, 9, sizeof hash);
    const struct tc_message block = make_vote(f, "prevote", 2, hash), nil = make_vote(f, "prevote", 2, NULL),
                            other = make_vote(f, "precommit", 2, hash);
    assert_int_equal(block.statements[0].slot, nil.statements[0].slot);
    assert_int_not_equal(block.statements[0].slot, other.statements[0].slot);
    assert_int_not_equal(block.statements[0].value.state, nil.statements[0].value.state);
}

static void test_changed_vote_does_not_verify(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32], other[32];
    memset(hash, 9, sizeof hash);
    memset(other, 8, sizeof other);
    const struct tc_message vote = make_vote(f, "prevote", 2, hash);
    Cometbft__Vote *body = vote.statements[0].fields.base;
    body->block_id->hash.data = other;
    assert_int_equal(tc_cometbft_verify(&f->env, &vote.statements[0]), TC_ESIGNATURE);
    body->block_id->hash.data = hash;
    assert_int_equal(tc_cometbft_verify(&f->env, &vote.statements[0]), 0);
    strcpy(f->cluster.id, "another-chain");
    assert_int_equal(tc_cometbft_verify(&f->env, &vote.statements[0]), TC_ESIGNATURE);
    strcpy(f->cluster.id, "test-chain");
}

/* A proposal names nobody: whoever's key verifies it made it. */
static void test_proposal_is_attributed(void **state)
{
    struct fixture *f = *state;
    struct tc_message built, proposal;
    Cometbft__Timestamp time = COMETBFT__TIMESTAMP__INIT;
    time.seconds = 1700000000;
    assert_int_equal(tc_cometbft_build("proposal", &f->arena, &built), 0);
    Cometbft__Proposal *body = built.statements[0].fields.base;
    body->type = 32;
    body->height = 5;
    body->pol_round = -1;
    body->timestamp = &time;
    built.from = 0;
    assert_int_equal(tc_cometbft_sign(&f->env, &built, 3, &f->arena, &proposal), 0);
    assert_int_equal(proposal.statements[0].signer, 3);
    assert_int_equal(proposal.statements[0].origin, TC_ORIGIN_RELAYED);
    assert_int_equal(proposal.statements[0].sequence, 5);
    assert_int_equal(tc_cometbft_verify(&f->env, &proposal.statements[0]), 0);
    /* pol_round -1 takes ten bytes in what is signed */
    struct tc_slice bytes;
    assert_int_equal(tc_cometbft_proposal_bytes(proposal.statements[0].fields.base, "c", &f->arena, &bytes), 0);
    static const uint8_t minus_one[] = {0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    bool found = false;
    for (size_t i = 0; i + sizeof minus_one <= bytes.len; i++)
        found |= memcmp(bytes.data + i, minus_one, sizeof minus_one) == 0;
    assert_true(found);
}

static uint16_t signer_of(struct tc_slice frame, uint64_t seed, uint32_t shift)
{
    uint8_t secret[TC_SECRET_SEED_SIZE];
    struct tc_arena arena;
    struct tc_cluster cluster = {.id = "test-chain", .n = 4, .f = 1};
    const struct tc_protocol_env env = {.cluster = &cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    tc_arena_init(&arena, 1u << 16);
    for (uint32_t node = 0; node < 4; node++) {
        tc_keyring_derive_seed(seed, (node + shift) % 4, secret);
        assert_int_equal(tc_keyring_add_secret(env.keys, node, secret), 0);
    }
    struct tc_message m = {.from = 0};
    assert_int_equal(tc_protocol_decode(&tc_cometbft, &env, frame, &arena, &m), 0);
    const uint16_t signer = m.statements[0].signer;
    tc_arena_free(&arena);
    tc_keyring_free(env.keys);
    return signer;
}

/* Whose a proposal is is remembered, but as a key, and for the very bytes. */
static void test_proposal_is_attributed_again(void **state)
{
    struct fixture *f = *state;
    struct tc_message built, proposal;
    assert_int_equal(tc_cometbft_build("proposal", &f->arena, &built), 0);
    Cometbft__Proposal *body = built.statements[0].fields.base;
    body->type = 32;
    body->height = 6;
    assert_int_equal(tc_cometbft_sign(&f->env, &built, 3, &f->arena, &proposal), 0);
    for (uint32_t shift = 0; shift < 4; shift++)
        assert_int_equal(signer_of(proposal.frame, 77, shift), 3 - shift);
    assert_int_equal(signer_of(proposal.frame, 78, 0), TC_NODE_NONE);
    for (uint64_t i = 0; i < 40; i++) { /* more than are remembered */
        body->height = 7 + (int64_t)i;
        assert_int_equal(tc_cometbft_sign(&f->env, &built, i % 4, &f->arena, &proposal), 0);
        assert_int_equal(signer_of(proposal.frame, 77, 0), i % 4);
        uint8_t *changed = malloc(proposal.frame.len);
        memcpy(changed, proposal.frame.data, proposal.frame.len);
        changed[proposal.frame.len - 1] ^= 1; /* in the signature */
        assert_int_equal(signer_of((struct tc_slice){changed, proposal.frame.len}, 77, 0), TC_NODE_NONE);
        free(changed);
    }
}

static void test_evidence_embeds_votes(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32];
    memset(hash, 9, sizeof hash);
    const struct tc_message a = make_vote(f, "prevote", 1, hash), b = make_vote(f, "prevote", 1, NULL);
    struct tc_message built, message = {.from = 0};
    Cometbft__DuplicateVoteEvidence duplicate = COMETBFT__DUPLICATE_VOTE_EVIDENCE__INIT;
    Cometbft__Evidence piece = COMETBFT__EVIDENCE__INIT, *pieces[] = {&piece};
    struct tc_slice frame;
    duplicate.vote_a = a.statements[0].fields.base;
    duplicate.vote_b = b.statements[0].fields.base;
    piece.duplicate_vote_evidence = &duplicate;
    assert_int_equal(tc_cometbft_build("evidence", &f->arena, &built), 0);
    Cometbft__EvidenceList *list = built.statements[0].fields.base;
    list->n_evidence = 1;
    list->evidence = pieces;
    assert_int_equal(tc_cometbft_encode(&built, &f->arena, &frame), 0);
    assert_int_equal(tc_protocol_decode(&tc_cometbft, &f->env, frame, &f->arena, &message), 0);
    assert_int_equal(message.statement_count, 3);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(message.statements[i].origin, TC_ORIGIN_EMBEDDED);
        assert_int_equal(message.statements[i].signer, 1);
        assert_int_equal(tc_cometbft_verify(&f->env, &message.statements[i]), 0);
    }
}

static void test_sign_without_key(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32] = {1};
    struct tc_message out;
    const struct tc_message vote = make_vote(f, "prevote", 2, hash);
    assert_int_equal(tc_cometbft_sign(&f->env, &vote, 9, &f->arena, &out), TC_EKEY);
}

static void test_every_type_can_be_built(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < tc_cometbft_row_count; i++) {
        struct tc_message m;
        if (tc_cometbft_rows[i].wire_type >> 8 == TC_COMETBFT_BLOCK)
            continue; /* no message of its own */
        assert_int_equal(tc_cometbft_build(tc_cometbft_rows[i].name, &f->arena, &m), 0);
        assert_true(m.decoded);
        assert_string_equal(m.type, tc_cometbft_rows[i].name);
        assert_int_equal(m.statements[0].kind, tc_cometbft_rows[i].kind);
    }
    struct tc_message m;
    assert_int_equal(tc_cometbft_build("no-such-type", &f->arena, &m), TC_ENOT_FOUND);
}

static void test_quorum_is_more_than_two_thirds(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 60; n++) {
        const struct tc_cluster cluster = {.n = n};
        const uint32_t quorum = tc_cometbft.quorum(&cluster);
        assert_true(3 * quorum > 2 * n);
        assert_true(3 * (quorum - 1) <= 2 * n);
    }
}

/* Changed bytes decode or do not; nothing is read past the frame, and what decodes has its statements. */
static void test_hostile_messages(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32];
    memset(hash, 9, sizeof hash);
    const struct tc_message vote = make_vote(f, "prevote", 2, hash);
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct tc_arena arena;
        tc_arena_init(&arena, 1u << 18);
        const size_t len = seed % 4 == 0 ? 5 + tc_random_mix(seed, 9) % (vote.frame.len - 5) : vote.frame.len;
        uint8_t *bytes = malloc(len);
        memcpy(bytes, vote.frame.data, len);
        for (int i = 0; i < 3; i++)
            bytes[4 + tc_random_mix(seed, 1 + (uint64_t)i) % (len - 4)] =
                (uint8_t)tc_random_mix(seed, 20 + (uint64_t)i);
        const uint32_t body = (uint32_t)len - 4;
        const uint8_t head[4] = {(uint8_t)(body >> 24), (uint8_t)(body >> 16), (uint8_t)(body >> 8), (uint8_t)body};
        memcpy(bytes, head, 4);
        struct tc_message m = {.from = 2};
        const int rc = tc_protocol_decode(&tc_cometbft, &f->env, (struct tc_slice){bytes, len}, &arena, &m);
        assert_true(rc == 0 || rc == TC_EMALFORMED || rc == TC_ELIMIT);
        assert_int_equal(m.decoded, rc == 0);
        if (rc == 0)
            tc_cometbft_verify(&f->env, &m.statements[0]);
        free(bytes);
        tc_arena_free(&arena);
    }
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vote_bytes),
        cmocka_unit_test(test_vote_round_trip),
        cmocka_unit_test(test_nil_vote),
        cmocka_unit_test(test_two_votes_conflict),
        cmocka_unit_test(test_changed_vote_does_not_verify),
        cmocka_unit_test(test_proposal_is_attributed),
        cmocka_unit_test(test_proposal_is_attributed_again),
        cmocka_unit_test(test_evidence_embeds_votes),
        cmocka_unit_test(test_sign_without_key),
        cmocka_unit_test(test_every_type_can_be_built),
        cmocka_unit_test(test_quorum_is_more_than_two_thirds),
        cmocka_unit_test(test_hostile_messages),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
