/* links: tc_oracles tc_nodes tc_protocol tc_base
 * One node of four lies to whoever asks it, as a traitor may: it drops details, names another state of the application,
 * leaves evidence out of a block or puts false evidence in. The others answer as v0.38.25 and v1.0.1 did. Nobody who
 * is correct is blamed, and no lie goes unsaid. */
#include "../../oracles/judge.h"
#include "../../proxy/nodeset.h"
#include "../../reference/cometbft/protocol.h"
#include "../../reference/cometbft/rpc_parts.h"
#include "cometbft_rpc_fixture.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIAR        3
#define HEIGHTS     20
#define NO_EVIDENCE "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"

enum lie {
    TRUTH,
    DROPS_DETAILS,       /* no members, no block */
    OTHER_STATE,         /* the application's hash is another */
    EMPTY_LIST,          /* the block without its evidence */
    FOREIGN,             /* beside it stands a light client's evidence, which we cannot read */
    FOREIGN_AND_FALSE,   /* and a vote of it bears another signature */
    FOREIGN_AND_BROKEN,  /* and it is none */
    MANY,                /* more pieces than we read */
    FALSE_HEADER,        /* and a header that says that there is none */
    FALSE_BLOCK,         /* and the hash of that header in the place of the block's */
    FALSE_EVIDENCE,      /* a vote of it bears another signature */
    EVIDENCE_AND_HEADER, /* and the header says so */
};

static enum lie lie;
static bool all_lie; /* so it is no lie: the block has it */
static struct tc_cluster cluster = {.id = "turncoat", .n = 4, .f = 1};
static struct tc_protocol_env env = {.cluster = &cluster};
static struct tc_judge *judge;
static uint32_t said, accused, unchecked;
static char said_last[256];
static uint64_t now_ns;

static json_t *golden(const char *name)
{
    json_t *tree = json_load_file(golden_path(name), 0, NULL);
    assert_non_null(tree);
    return tree;
}

static json_t *at(json_t *tree, const char *outer, const char *inner)
{
    return json_object_get(json_object_get(json_object_get(tree, "result"), outer), inner);
}

/* ---- lies ---- */

static void set_text(json_t *object, const char *key, const char *text)
{
    assert_int_equal(json_object_set_new(object, key, json_string(text)), 0);
}

static void name_value(json_t *object, const char *key, const struct tc_value *value)
{
    char hex[65];
    assert_int_equal(value->state, TC_VALUE_BYTES);
    sodium_bin2hex(hex, sizeof hex, value->bytes, sizeof value->bytes);
    set_text(object, key, hex);
}

/* Another signature, as long as the first. */
static void break_evidence(json_t *list)
{
    json_t *vote = json_object_get(json_object_get(json_array_get(list, 0), "value"), "vote_b");
    char text[128];
    snprintf(text, sizeof text, "%s", tc_rpc_text(vote, "signature"));
    memcpy(text, "AAAAAAAA", 8);
    set_text(vote, "signature", text);
}

static json_t *light_client_piece(void)
{
    json_t *piece =
        json_pack("{s:s, s:{s:s}}", "type", "tendermint/LightClientAttackEvidence", "value", "CommonHeight", "7");
    assert_non_null(piece);
    return piece;
}

static void lie_in_block(json_t *tree)
{
    json_t *list = json_object_get(at(tree, "block", "evidence"), "evidence");
    assert_int_equal(json_array_size(list), 1);
    if (lie == EMPTY_LIST)
        json_array_clear(list);
    if (lie == FALSE_EVIDENCE || lie == EVIDENCE_AND_HEADER || lie == FOREIGN_AND_FALSE)
        break_evidence(list);
    if (lie == FOREIGN_AND_BROKEN)
        json_object_del(json_array_get(list, 0), "value");
    if (lie == FOREIGN || lie == FOREIGN_AND_FALSE || lie == FOREIGN_AND_BROKEN)
        assert_int_equal(json_array_insert_new(list, 0, light_client_piece()), 0);
    while (lie == MANY && json_array_size(list) <= TC_RPC_EVIDENCE_MAX)
        assert_int_equal(json_array_append(list, json_array_get(list, 0)), 0);
}

static void lie_in_header(json_t *meta)
{
    struct tc_arena arena;
    json_t *header = json_object_get(meta, "header");
    if (strcmp(tc_rpc_text(header, "evidence_hash"), NO_EVIDENCE) == 0)
        return;
    tc_arena_init(&arena, 1 << 20);
    if (lie == EVIDENCE_AND_HEADER) {
        json_t *block = golden("block");
        lie_in_block(block);
        struct tc_value root;
        assert_int_equal(
            tc_rpc_evidence_hash(json_object_get(at(block, "block", "evidence"), "evidence"), &arena, &root), 0);
        name_value(header, "evidence_hash", &root);
        json_decref(block);
    } else {
        set_text(header, "evidence_hash", NO_EVIDENCE);
    }
    const struct tc_value hash = tc_rpc_header_hash(header, &arena);
    if (lie == FALSE_BLOCK)
        name_value(json_object_get(meta, "block_id"), "hash", &hash);
    tc_arena_free(&arena);
}

static void lie_in(json_t *tree, const char *path)
{
    json_t *metas = json_object_get(json_object_get(tree, "result"), "block_metas");
    if (strncmp(path, "/block?", 7) == 0 && json_object_get(tree, "result"))
        lie_in_block(tree);
    for (size_t i = 0; i < json_array_size(metas) && (lie >= FALSE_HEADER && lie != FALSE_EVIDENCE); i++)
        lie_in_header(json_array_get(metas, i));
    if (strncmp(path, "/block_results?", 15) == 0 && lie == OTHER_STATE)
        set_text(json_object_get(tree, "result"), "app_hash", "AQIDBA==");
}

/* ---- the nodes ---- */

static json_t *serve(const char *path)
{
    unsigned long long height = 0;
    if (strcmp(path, "/status") == 0)
        return golden("status");
    if (strncmp(path, "/blockchain?", 12) == 0)
        return golden("blockchain");
    if (strncmp(path, "/validators?", 12) == 0)
        return golden("validators");
    if (strncmp(path, "/block?", 7) == 0)
        return golden("block");
    assert_int_equal(sscanf(path, "/block_results?height=%llu", &height), 1);
    json_t *tree = golden("block_results");
    json_object_set_new(json_object_get(tree, "result"), "height", json_integer((json_int_t)height));
    return tree;
}

static bool drops(uint16_t number, const char *path)
{
    return number == LIAR && lie == DROPS_DETAILS &&
           (strncmp(path, "/block?", 7) == 0 || strncmp(path, "/validators?", 12) == 0);
}

static void tell(void *self, const struct tc_observation *observation)
{
    struct tc_observation o = *observation;
    (void)self;
    o.time_ns = now_ns += 1000000;
    if (o.kind == TC_OBS_OVERFLOW) {
        assert_int_equal(o.node, LIAR);
        snprintf(said_last, sizeof said_last, "%s", o.text);
        said++;
        o.kind = TC_OBS_NOTE; /* as the run does, where more than f nodes tell all */
    }
    if (o.kind == TC_OBS_NOTE && strstr(o.text, "could not be checked"))
        unchecked++;
    accused += o.kind == TC_OBS_ACCUSED && o.node == LIAR;
    if (judge)
        tc_judge_observe(judge, &o);
}

static void ask_all(uint16_t number)
{
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    struct tc_rpc *rpc = tc_cometbft_rpc.create(&env, number, true);
    assert_non_null(rpc);
    for (int round = 0; round < (drops(number, "/block?") ? 50 : 1); round++)
        while (tc_cometbft_rpc.ask(rpc, path)) {
            const bool again = round > 0 && strncmp(path, "/blockchain?", 12) == 0; /* it would say the same */
            json_t *tree = again || drops(number, path) ? golden("error") : serve(path);
            if (number == LIAR || all_lie)
                lie_in(tree, path);
            char *words = json_dumps(tree, JSON_COMPACT);
            const struct tc_slice body = {(const uint8_t *)words, strlen(words)};
            assert_int_equal(tc_cometbft_rpc.answer(rpc, body, tell, NULL, &err), 0);
            free(words);
            json_decref(tree);
        }
    tc_cometbft_rpc.destroy(rpc);
}

/* ---- verdicts ---- */

static const struct tc_judgement *judgement(const char *oracle)
{
    for (size_t i = 0; i < tc_judge_count(judge); i++)
        if (strcmp(tc_judge_get(judge, i)->oracle->name, oracle) == 0)
            return tc_judge_get(judge, i);
    fail();
    return NULL;
}

static void begin(bool declared)
{
    struct tc_observation o = {.kind = TC_OBS_FAULTS, .node = TC_NODE_NONE, .peer = TC_NODE_NONE, .text = ""};
    const struct tc_judge_config config = {.protocol = &tc_cometbft,
                                           .env = env,
                                           .recovery_bound_ns = UINT64_C(10000000000),
                                           .has_executions = true,
                                           .has_messages = true,
                                           .links_complete = true,
                                           .expect = TC_HOLDS,
                                           .expect_evidence = -1};
    said = accused = unchecked = 0;
    now_ns = 0;
    judge = tc_judge_new(&config);
    assert_non_null(judge);
    tc_nodeset_add(&o.faults.signed_for, 0); /* it signed two votes in the run that was recorded */
    if (declared)
        tc_nodeset_add(&o.faults.signed_for, LIAR);
    o.faults.liveness = o.faults.signed_for;
    tc_judge_observe(judge, &o);
}

/* Asks all, the liar first or last, and judges; how many findings would make the run a violation. */
static uint64_t run(enum lie how, bool liar_first, bool declared)
{
    lie = how;
    begin(declared);
    for (uint16_t i = 0; i < 4; i++)
        ask_all(liar_first ? LIAR - i : i);
    tc_judge_finish(judge, now_ns);
    return tc_judge_violations(judge);
}

static void end(void)
{
    tc_judge_free(judge);
    judge = NULL;
}

static int setup(void **state)
{
    version = *state;
    env.keys = tc_keyring_new(TC_SCHEME_ED25519);
    json_t *tree = golden("validators");
    const json_t *list = json_object_get(json_object_get(tree, "result"), "validators");
    assert_int_equal(json_array_size(list), 4);
    for (uint16_t i = 0; i < 4; i++) {
        uint8_t key[TC_PUBLIC_KEY_SIZE];
        assert_true(tc_rpc_public_key(json_object_get(json_array_get(list, i), "pub_key"), key));
        assert_int_equal(tc_keyring_add_public(env.keys, i, key), 0);
    }
    json_decref(tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tc_keyring_free(env.keys);
    env.keys = NULL;
    return 0;
}

static void test_all_tell_the_truth(void **state)
{
    (void)state;
    assert_int_equal(run(TRUTH, false, false), 0);
    assert_int_equal(said, 0);
    assert_int_equal(accused, 1);
    assert_int_equal(judgement("agreement")->status, TC_HOLDS);
    assert_int_equal(judgement("state-digest")->status, TC_HOLDS);
    assert_int_equal(judgement("state-digest")->result.compared, 2 * HEIGHTS); /* not with the traitor's */
    assert_int_equal(judgement("evidence")->status, TC_HOLDS);
    assert_int_equal(judgement("evidence")->result.compared, 1);
    end();
}

/* What is dropped or does not fit its block is said of the liar, and counts for nothing; what the others told stands.
 */
static void test_evidence_that_is_dropped_or_false(void **state)
{
    (void)state;
    static const struct {
        enum lie lie;
        const char *words;
    } rows[] = {{DROPS_DETAILS, "members or evidence could not be read"},
                {EMPTY_LIST, "not those of the block that it names"},
                {FALSE_HEADER, "not those of the block that it names"},
                {FOREIGN_AND_BROKEN, "not those of the block that it names"},
                {FALSE_EVIDENCE, "not those of the block that it names"},
                {EVIDENCE_AND_HEADER, "not those of the block that it names"}};
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const bool first = i % 2 == 1;
        assert_int_equal(run(rows[i / 2].lie, first, false), 0);
        assert_true(said >= 1 && said <= 3);
        assert_non_null(strstr(said_last, rows[i / 2].words));
        assert_int_equal(accused, 0);
        assert_int_equal(judgement("evidence")->status, TC_HOLDS);
        assert_int_equal(judgement("evidence")->result.compared, 1);
        assert_int_equal(judgement("agreement")->status, TC_HOLDS);
        end();
    }
}

/* A block may bear evidence of a kind that we do not read, or more than we do: nobody lies who says so. What can be
 * read of it is told, and held against nobody. */
static void test_evidence_that_cannot_be_checked(void **state)
{
    (void)state;
    static const struct {
        enum lie what;
        uint32_t accused;
        const char *reason;
    } rows[] = {{FOREIGN, 1, "; 1 could not be verified"},
                {MANY, TC_RPC_EVIDENCE_MAX, "; 1 could not be verified"},
                {FOREIGN_AND_FALSE, 1, "no block bore evidence"}};
    all_lie = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(run(rows[i].what, false, false), 0);
        assert_int_equal(said, 0);
        assert_int_equal(unchecked, 4); /* once a node */
        assert_int_equal(accused, rows[i].accused);
        assert_int_equal(judgement("agreement")->status, TC_HOLDS);
        assert_int_equal(judgement("evidence")->status, TC_NOT_JUDGED);
        assert_non_null(strstr(judgement("evidence")->result.reason, rows[i].reason));
        end();
    }
    all_lie = false;
}

/* A liar who hides behind it invents nothing, and takes nothing from what the others tell. */
static void test_a_lie_that_cannot_be_checked(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run(i / 2 ? FOREIGN_AND_FALSE : FOREIGN, i % 2 == 1, false), 0);
        assert_int_equal(said, 0);
        assert_int_equal(unchecked, 1);
        assert_int_equal(accused, 1);
        assert_int_equal(judgement("evidence")->status, TC_HOLDS);
        assert_int_equal(judgement("evidence")->result.compared, 1);
        assert_null(strstr(judgement("evidence")->result.reason, "could not be verified"));
        end();
    }
}

/* Two of them contradict each other: whoever it is, that is a breach, unless the liar is known as a traitor. */
static void contradiction(enum lie how, const char *oracle)
{
    for (int first = 0; first < 2; first++) {
        assert_true(run(how, first, false) > 0);
        const struct tc_judgement *j = judgement(oracle);
        assert_int_equal(j->status, TC_VIOLATED);
        for (size_t i = 0; i < j->finding_count; i++)
            assert_non_null(strstr(j->findings[i].text, "replica 3"));
        end();
        assert_int_equal(run(how, first, true), 0);
        end();
    }
}

static void test_another_state(void **state)
{
    (void)state;
    contradiction(OTHER_STATE, "state-digest");
}

/* Where all answer the same untruth, the headers tell on them. */
static void test_a_state_that_no_header_names(void **state)
{
    (void)state;
    all_lie = true;
    assert_true(run(OTHER_STATE, false, false) > 0);
    assert_int_equal(judgement("state-digest")->status, TC_VIOLATED);
    all_lie = false;
    end();
}

static void test_another_block(void **state)
{
    (void)state;
    contradiction(FALSE_BLOCK, "agreement");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_tell_the_truth),
        cmocka_unit_test(test_evidence_that_is_dropped_or_false),
        cmocka_unit_test(test_evidence_that_cannot_be_checked),
        cmocka_unit_test(test_a_lie_that_cannot_be_checked),
        cmocka_unit_test(test_another_state),
        cmocka_unit_test(test_a_state_that_no_header_names),
        cmocka_unit_test(test_another_block),
    };
    return run_versions(tests, sizeof tests / sizeof *tests, setup, teardown);
}
