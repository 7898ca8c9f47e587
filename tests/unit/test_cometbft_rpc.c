/* links: tc_nodes tc_protocol tc_base
 * What CometBFT nodes answer when they are asked: answers recorded from v0.38.25 and v1.0.1 of a run in which replica 0
 * signed two prevotes (at height 6 and 5), the same cut and twisted, and the order of the questions. */
#include "../../proxy/driver.h"
#include "../../reference/cometbft/protocol.h"
#include "../../reference/cometbft/rpc.h"
#include "cometbft_rpc_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TELLINGS_MAX 256

/* What was told, and the server that stands in for the node. */
struct told {
    enum tc_observation_kind kinds[TELLINGS_MAX];
    uint64_t sequences[TELLINGS_MAX];
    enum tc_execution_origin origins[TELLINGS_MAX];
    size_t count;
    uint8_t keys[4][32];
    uint64_t powers[4];
    uint32_t members;
    uint32_t accused, untrue;
    struct tc_value block;
};

static struct tc_cluster cluster = {.id = "turncoat", .n = 4, .f = 1};
static struct tc_protocol_env env = {.cluster = &cluster};
static struct told told;
static char file[65536];

static void tell(void *self, const struct tc_observation *o)
{
    assert_ptr_equal(self, &told);
    assert_int_equal(o->node, 2);
    assert_true(told.count < TELLINGS_MAX);
    told.kinds[told.count] = o->kind;
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        assert_int_equal(o->executed.value.state, TC_VALUE_BYTES);
        told.sequences[told.count] = o->executed.sequence;
        told.origins[told.count] = o->executed.origin;
        break;
    case TC_OBS_STABLE:
        told.sequences[told.count] = o->stable.sequence;
        assert_int_equal(o->stable.state.state, TC_VALUE_BYTES);
        break;
    case TC_OBS_MEMBER:
        assert_true(o->member.index < 4 && o->member.count == 4);
        memcpy(told.keys[o->member.index], o->member.public_key, 32);
        told.powers[o->member.index] = o->member.power;
        assert_int_equal(o->member.node, tc_keyring_public(env.keys, 0) ? o->member.index : TC_NODE_NONE);
        told.sequences[told.count] = o->member.sequence;
        told.members++;
        break;
    case TC_OBS_ACCUSED: {
        const struct tc_message *m = o->accused.message;
        told.sequences[told.count] = o->accused.sequence;
        told.block = o->accused.block;
        told.accused++;
        assert_int_equal(m->statement_count, 3);
        for (int i = 1; i < 3; i++) {
            const struct tc_statement *s = &m->statements[i];
            assert_int_equal(s->kind, TC_KIND_VOTE);
            assert_int_equal(s->phase, TC_PHASE_PREVOTE);
            assert_true(s->sequence == (strcmp(version, "v1.0.1") == 0 ? 5 : 6));
            if (tc_keyring_public(env.keys, 0)) {
                assert_int_equal(s->signer, 0);
                assert_int_equal(tc_cometbft.verify(&env, s), 0);
            }
        }
        assert_true(m->statements[1].value.state != m->statements[2].value.state);
        break;
    }
    case TC_OBS_NOTE: /* states that were not answered */
        return;
    case TC_OBS_OVERFLOW: /* what is no header of its block, and no evidence that its header names */
        told.untrue++;
        return;
    default:
        fail();
    }
    told.count++;
}

static struct tc_slice golden(const char *name)
{
    FILE *in = fopen(golden_path(name), "r");
    assert_non_null(in);
    const size_t len = fread(file, 1, sizeof file, in);
    fclose(in);
    assert_true(len > 0 && len < sizeof file);
    file[len] = 0;
    return (struct tc_slice){(const uint8_t *)file, len};
}

static struct tc_slice text(const char *words)
{
    snprintf(file, sizeof file, "%s", words);
    return (struct tc_slice){(const uint8_t *)file, strlen(file)};
}

/* Answers as the node did; of block_results one height was recorded, which is put in the place of any up to `applied`.
 */
static struct tc_slice serve(const char *path, uint64_t applied)
{
    unsigned long long height = 0;
    if (strcmp(path, "/status") == 0)
        return golden("status");
    if (strncmp(path, "/blockchain?", 12) == 0)
        return golden("blockchain");
    if (strncmp(path, "/validators?", 12) == 0)
        return golden("validators");
    if (strcmp(path, "/block?height=10") == 0 || strcmp(path, "/block?height=6") == 0)
        return golden("block");
    if (sscanf(path, "/block_results?height=%llu", &height) == 1 && height <= applied) {
        char words[256];
        struct tc_slice recorded = golden("block_results");
        const char *at = strstr(file, "\"height\":\"3\"");
        assert_non_null(at);
        snprintf(words, sizeof words, "%.*s\"height\":\"%llu\"%s", (int)(at - file), file, height, at + 12);
        (void)recorded;
        return text(words);
    }
    return golden("error");
}

/* One round: how many questions were asked. */
static unsigned ask_round(struct tc_rpc *rpc, uint64_t applied)
{
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    unsigned questions = 0;
    for (; tc_cometbft_rpc.ask(rpc, path); questions++)
        assert_int_equal(tc_cometbft_rpc.answer(rpc, serve(path, applied), tell, &told, &err), 0);
    return questions;
}

static struct tc_rpc *begin(bool from_start)
{
    memset(&told, 0, sizeof told);
    struct tc_rpc *rpc = tc_cometbft_rpc.create(&env, 2, from_start);
    assert_non_null(rpc);
    return rpc;
}

static size_t count(enum tc_observation_kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < told.count; i++)
        found += told.kinds[i] == kind;
    return found;
}

/* Learns the validators' keys from the node, so that votes are somebody's. */
static int setup(void **state)
{
    version = *state;
    memset(file, 0, sizeof file);
    env.keys = tc_keyring_new(TC_SCHEME_ED25519);
    struct tc_rpc *rpc = begin(true);
    ask_round(rpc, 20);
    assert_true(told.members >= 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(tc_keyring_add_public(env.keys, i, told.keys[i]), 0);
    tc_cometbft_rpc.destroy(rpc);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tc_keyring_free(env.keys);
    env.keys = NULL;
    return 0;
}

static void test_everything_is_told_once_and_in_order(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(true);
    ask_round(rpc, 20);
    assert_int_equal(count(TC_OBS_EXECUTED), 20);
    assert_int_equal(count(TC_OBS_STABLE), 20);
    assert_int_equal(told.accused, 1);
    assert_int_equal(told.untrue, 0);
    assert_int_equal(told.members, 8); /* the set at the beginning, and when the liar lost a vote's weight */
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(told.kinds[i], TC_OBS_EXECUTED);
        assert_int_equal(told.sequences[i], i + 1);
        assert_int_equal(told.origins[i], TC_EXEC_EXECUTED);
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(told.powers[i], 10);
    assert_string_equal(tc_cometbft_rpc.identity(rpc)->network, "turncoat");
    assert_true(tc_cometbft_rpc.identity(rpc)->has_key);
    assert_memory_equal(tc_cometbft_rpc.identity(rpc)->public_key, tc_keyring_public(env.keys, 0), 32);
    const size_t before = told.count;
    assert_int_equal(ask_round(rpc, 20), 1); /* nothing new: only the headers are asked for */
    assert_int_equal(told.count, before);
    tc_cometbft_rpc.destroy(rpc);
}

/* The block that the accusation names is the one that was executed at that height. */
static void test_evidence_names_its_block(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(true);
    ask_round(rpc, 20);
    char hash[65];
    for (int i = 0; i < 32; i++)
        snprintf(hash + 2 * i, 3, "%02X", told.block.bytes[i]);
    golden("block");
    assert_non_null(strstr(file, hash));
    tc_cometbft_rpc.destroy(rpc);
}

static void test_what_was_before_us_is_left_out(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(false);
    ask_round(rpc, 20); /* it stands higher than the headers that it answers with */
    assert_int_equal(told.count, 0);
    tc_cometbft_rpc.destroy(rpc);
}

static void test_not_yet_is_asked_again_and_then_given_up(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(true);
    ask_round(rpc, 5);
    assert_int_equal(count(TC_OBS_STABLE), 5);
    ask_round(rpc, 7);
    assert_int_equal(count(TC_OBS_STABLE), 7);
    unsigned last = 0;
    for (int i = 0; i < 60; i++)
        last = ask_round(rpc, 7);
    assert_int_equal(last, 1);
    tc_cometbft_rpc.destroy(rpc);
}

static void test_no_answer_ends_the_round(void **state)
{
    (void)state;
    char path[TC_RPC_PATH_MAX], again[TC_RPC_PATH_MAX];
    struct tc_rpc *rpc = begin(true);
    assert_true(tc_cometbft_rpc.ask(rpc, path));
    tc_cometbft_rpc.unanswered(rpc);
    assert_true(tc_cometbft_rpc.ask(rpc, again));
    assert_string_equal(path, again);
    tc_cometbft_rpc.unanswered(rpc);
    ask_round(rpc, 20);
    assert_int_equal(count(TC_OBS_EXECUTED), 20);
    tc_cometbft_rpc.destroy(rpc);
}

/* A node that was given a snapshot begins to execute behind it: no gap in its own log. */
static void test_missing_heights_are_no_execution(void **state)
{
    (void)state;
    static const char metas[] = "{\"result\":{\"last_height\":\"9\",\"block_metas\":["
                                "{\"block_id\":{\"hash\":\"AA\"},\"header\":{\"height\":\"9\"}},"
                                "{\"block_id\":{\"hash\":\"BB\"},\"header\":{\"height\":\"5\"}},"
                                "{\"block_id\":{\"hash\":\"\"},\"header\":{\"height\":\"4\"}},"
                                "{\"block_id\":{\"hash\":\"CC\"},\"header\":{\"height\":\"-3\"}},"
                                "{\"block_id\":7,\"header\":null}, null, 5,"
                                "{\"block_id\":{\"hash\":\"DD\"},\"header\":{\"height\":3}}]}}";
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    struct tc_rpc *rpc = begin(true);
    assert_true(tc_cometbft_rpc.ask(rpc, path));
    assert_int_equal(tc_cometbft_rpc.answer(rpc, golden("status"), tell, &told, &err), 0);
    assert_true(tc_cometbft_rpc.ask(rpc, path));
    assert_string_equal(path, "/blockchain?minHeight=1&maxHeight=20");
    assert_int_equal(tc_cometbft_rpc.answer(rpc, text(metas), tell, &told, &err), 0);
    assert_int_equal(told.count, 3);
    assert_int_equal(told.sequences[0], 3);
    assert_int_equal(told.origins[0], TC_EXEC_EXECUTED); /* the first that is known: before it nothing is */
    assert_int_equal(told.origins[1], TC_EXEC_TRANSFERRED);
    assert_int_equal(told.origins[2], TC_EXEC_TRANSFERRED);
    tc_cometbft_rpc.destroy(rpc);
}

/* Every beginning of every answer is malformed, tells nothing, and is asked for again. */
static void cut(const char *name, const char *before[], size_t before_count, size_t stride)
{
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    struct tc_rpc *rpc = begin(true);
    for (size_t i = 0; i < before_count; i++) {
        assert_true(tc_cometbft_rpc.ask(rpc, path));
        assert_int_equal(tc_cometbft_rpc.answer(rpc, golden(before[i]), tell, &told, &err), 0);
    }
    const size_t told_before = told.count;
    const struct tc_slice whole = golden(name);
    for (size_t len = 0; len + 1 < whole.len; len += stride) {
        const struct tc_slice part = {whole.data, len};
        assert_true(tc_cometbft_rpc.ask(rpc, path));
        assert_int_equal(tc_cometbft_rpc.answer(rpc, part, tell, &told, &err), TC_EMALFORMED);
        assert_int_equal(told.count, told_before);
    }
    tc_cometbft_rpc.destroy(rpc);
}

static void test_cut_off_anywhere(void **state)
{
    (void)state;
    const char *before[] = {"status", "blockchain"};
    cut("status", before, 0, 1);
    cut("blockchain", before, 1, 61);
    cut("validators", before, 1, 1);
    cut("block", before, 1, 3);
}

static void test_garbage(void **state)
{
    (void)state;
    static const char *const answers[] = {"",
                                          "null",
                                          "[]",
                                          "{}",
                                          "7",
                                          "\"x\"",
                                          "{\"result\":7}",
                                          "{\"result\":{}}",
                                          "{\"result\":{\"block_metas\":{}}}",
                                          "{\"result\":{\"sync_info\":7}}",
                                          "<html>no</html>",
                                          "{\"result\":{\"validators\":{}}}",
                                          "{\"result\":{\"block\":{\"evidence\":{\"evidence\":7}}}}"};
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    struct tc_rpc *rpc = begin(true);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_true(tc_cometbft_rpc.ask(rpc, path));
        assert_int_equal(tc_cometbft_rpc.answer(rpc, text(answers[i]), tell, &told, &err), TC_EMALFORMED);
        assert_non_null(strstr(err.text, "JSON-RPC"));
    }
    ask_round(rpc, 20);
    assert_int_equal(count(TC_OBS_EXECUTED), 20);
    tc_cometbft_rpc.destroy(rpc);
}

/* Evidence of other kinds, without votes, or with broken ones accuses nobody. */
static void test_evidence_that_is_none(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "{\"type\":\"tendermint/LightClientAttackEvidence\",\"value\":{}}",
        "{\"type\":\"tendermint/DuplicateVoteEvidence\",\"value\":{}}",
        "{\"type\":\"tendermint/DuplicateVoteEvidence\",\"value\":{\"vote_a\":{},\"vote_b\":{}}}",
        "{\"type\":\"tendermint/DuplicateVoteEvidence\",\"value\":{\"vote_a\":[],\"vote_b\":7}}",
        "7",
        "null"};
    char path[TC_RPC_PATH_MAX], words[512];
    struct tc_error err = {0};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct tc_rpc *rpc = begin(true);
        while (tc_cometbft_rpc.ask(rpc, path)) {
            struct tc_slice answer = serve(path, 20);
            if (strncmp(path, "/block?", 7) == 0) {
                snprintf(words, sizeof words, "{\"result\":{\"block\":{\"evidence\":{\"evidence\":[%s]}}}}", pieces[i]);
                answer = text(words);
            }
            assert_int_equal(tc_cometbft_rpc.answer(rpc, answer, tell, &told, &err), 0);
        }
        assert_int_equal(told.accused, 0);
        assert_int_equal(told.untrue, i > 0); /* the first one may be true */
        assert_int_equal(count(TC_OBS_STABLE), 20);
        tc_cometbft_rpc.destroy(rpc);
    }
}

/* A protocol without a line in the table of drivers could not be run. */
static void test_every_protocol_has_a_driver(void **state)
{
    (void)state;
    for (size_t i = 0; tc_protocols[i]; i++) {
        const struct tc_driver *driver = tc_driver_of(tc_protocols[i]);
        assert_non_null(driver);
        assert_ptr_equal(driver->protocol, tc_protocols[i]);
        assert_non_null(driver->parse_line);
        assert_int_equal(driver->identities != NULL, tc_protocols[i]->transport != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_told_once_and_in_order),
        cmocka_unit_test(test_evidence_names_its_block),
        cmocka_unit_test(test_what_was_before_us_is_left_out),
        cmocka_unit_test(test_not_yet_is_asked_again_and_then_given_up),
        cmocka_unit_test(test_no_answer_ends_the_round),
        cmocka_unit_test(test_missing_heights_are_no_execution),
        cmocka_unit_test(test_cut_off_anywhere),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_evidence_that_is_none),
        cmocka_unit_test(test_every_protocol_has_a_driver),
    };
    return run_versions(tests, sizeof tests / sizeof *tests, setup, teardown);
}
