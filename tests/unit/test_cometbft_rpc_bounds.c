/* links: tc_nodes tc_protocol tc_base
 * What a CometBFT node answers where there is much of it, or where it is meant to cost much: a chain that is far ahead,
 * more validators than a page has, long blocks, a block that is another one later. A made-up node answers. */
#include "../../proxy/driver.h"
#include "../../reference/cometbft/rpc_parts.h"

#include <inttypes.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONG_BYTES ((size_t)2 << 20)
#define ROUNDS_MAX 200
#define ONE_PIECE                                                                                                      \
    "CAE1E8BCCC40B30C325D049D05675AFFE10A299A573C2DFA903BA6A7FEC40B76" /* what a header says of `piece`                \
                                                                        */

/* The node that answers: so many heights and validators; the block at `changed` is another one. */
static struct {
    uint64_t heights, changed;
    uint32_t validators;
    bool no_details, no_results, stateless, big;
    bool second_results_only;       /* of every other height none */
    uint64_t hidden, hidden_rounds; /* of this height not in so many rounds */
    unsigned blocks, results;
} node;

static struct {
    uint64_t executed, last, stable, members, accused, overflows, notes;
    uint32_t next_member;
    struct tc_value last_value;
    char text[200]; /* of the last note */
} told;

static char *words; /* LONG_BYTES and some */
static char *piece; /* of evidence, as a node answers it */

static void tell(void *self, const struct tc_observation *o)
{
    (void)self;
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        told.executed++;
        told.last = o->executed.sequence;
        told.last_value = o->executed.value;
        assert_int_equal(o->executed.origin, TC_EXEC_EXECUTED);
        break;
    case TC_OBS_STABLE:
        told.stable++;
        break;
    case TC_OBS_MEMBER:
        assert_int_equal(o->member.index, told.next_member);
        told.next_member = told.next_member + 1 == o->member.count ? 0 : told.next_member + 1;
        told.members++;
        break;
    case TC_OBS_OVERFLOW:
        assert_non_null(strstr(o->text, "members or evidence"));
        told.overflows++;
        break;
    case TC_OBS_ACCUSED:
        told.accused++;
        break;
    case TC_OBS_NOTE:
        assert_non_null(strstr(o->text, "the application's state is not answered"));
        snprintf(told.text, sizeof told.text, "%s", o->text);
        told.notes++;
        break;
    default:
        fail();
    }
}

/* A header with what is needed of one, and the block that it is of. */
static size_t say_header(uint64_t height, char *out)
{
    char header[256], hash[65];
    struct tc_arena arena;
    sprintf(header,
            "{\"height\":\"%" PRIu64 "\",\"time\":\"2026-11-22T22:26:44Z\",\"validators_hash\":\"AA\","
            "\"evidence_hash\":\"%s\",\"app_hash\":\"%s\"}",
            height, ONE_PIECE,
            height == node.changed ? "EE"
            : node.stateless       ? ""
                                   : "000000");
    tc_arena_init(&arena, 65536);
    json_t *tree = json_loads(header, 0, NULL);
    const struct tc_value value = tc_rpc_header_hash(tree, &arena);
    assert_int_equal(value.state, TC_VALUE_BYTES);
    sodium_bin2hex(hash, sizeof hash, value.bytes, sizeof value.bytes);
    json_decref(tree);
    tc_arena_free(&arena);
    return (size_t)sprintf(out, "{\"block_id\":{\"hash\":\"%s\"},\"header\":%s}", hash, header);
}

static size_t say_headers(uint64_t first)
{
    size_t len = (size_t)sprintf(words, "{\"result\":{\"last_height\":\"%" PRIu64 "\",\"block_metas\":[", node.heights);
    uint64_t height = first + 19 < node.heights ? first + 19 : node.heights;
    for (; height >= first; height--) {
        len += say_header(height, words + len);
        len += (size_t)sprintf(words + len, "%s", height == first ? "" : ",");
    }
    return len + (size_t)sprintf(words + len, "]}}");
}

static size_t say_members(unsigned page)
{
    const uint32_t first = (page - 1) * 100, end = first + 100 < node.validators ? first + 100 : node.validators;
    size_t len = (size_t)sprintf(words, "{\"result\":{\"validators\":[");
    for (uint32_t i = first; i < end; i++)
        len += (size_t)sprintf(words + len, "%s{\"voting_power\":\"1\"}", i == first ? "" : ",");
    return len + (size_t)sprintf(words + len, "],\"total\":\"%" PRIu32 "\"}}", node.validators);
}

/* A block with one transaction that fills it, with all that may confuse whoever skips it. */
static size_t say_block(void)
{
    size_t len = (size_t)sprintf(words, "{\"jsonrpc\":\"2.0\",\"result\" : {\"block\":{\"data\":{\"txs\":[\"}]\\\"{");
    if (node.big) {
        memset(words + len, 'x', LONG_BYTES);
        len += LONG_BYTES;
    }
    return len + (size_t)sprintf(words + len, "\\\\\"]},\"evidence\":{\"evidence\":[%s]}}}, \"id\":-1}\n", piece);
}

static size_t say_results(uint64_t height)
{
    size_t len = (size_t)sprintf(words, "{\"result\":{\"txs_results\":[\"");
    if (node.big) {
        memset(words + len, 'x', LONG_BYTES);
        len += LONG_BYTES;
    }
    return len + (size_t)sprintf(words + len, "\"],\"height\":\"%" PRIu64 "\",\"app_hash\":\"AAAA\"}}", height);
}

static bool has_results(uint64_t height)
{
    if (height == node.hidden && node.hidden_rounds > 0) {
        node.hidden_rounds--;
        return false;
    }
    return !node.no_results && !(node.second_results_only && height % 2 == 1);
}

static size_t say(const char *path)
{
    uint64_t height;
    unsigned page;
    if (strcmp(path, "/status") == 0)
        return (size_t)sprintf(words, "{\"result\":{\"node_info\":{\"network\":\"x\"},\"sync_info\":{}}}");
    if (sscanf(path, "/blockchain?minHeight=%" SCNu64, &height) == 1)
        return say_headers(height);
    if (sscanf(path, "/validators?height=%" SCNu64 "&per_page=100&page=%u", &height, &page) == 2 && !node.no_details)
        return say_members(page);
    if (sscanf(path, "/block?height=%" SCNu64, &height) == 1 && !node.no_details) {
        node.blocks++;
        return say_block();
    }
    if (sscanf(path, "/block_results?height=%" SCNu64, &height) == 1 && has_results(height)) {
        node.results++;
        return say_results(height);
    }
    return (size_t)sprintf(words, "{\"error\":{\"code\":-32603}}");
}

static unsigned ask_round(struct tc_rpc *rpc)
{
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    unsigned questions = 0;
    for (; tc_cometbft_rpc.ask(rpc, path); questions++) {
        const struct tc_slice body = {(const uint8_t *)words, say(path)};
        assert_true(body.len <= tc_cometbft_rpc.answer_max(rpc));
        assert_int_equal(tc_cometbft_rpc.answer(rpc, body, tell, NULL, &err), 0);
    }
    return questions;
}

static struct tc_cluster cluster = {.id = "x", .n = 4, .f = 1};
static struct tc_protocol_env env = {.cluster = &cluster};

static struct tc_rpc *begin(uint64_t heights, uint32_t validators)
{
    memset(&told, 0, sizeof told);
    memset(&node, 0, sizeof node);
    node.heights = heights;
    node.validators = validators;
    struct tc_rpc *rpc = tc_cometbft_rpc.create(&env, 0, true);
    assert_non_null(rpc);
    return rpc;
}

static int setup(void **state)
{
    (void)state;
    words = malloc(LONG_BYTES + 65536);
    env.keys = tc_keyring_new(TC_SCHEME_ED25519);
    json_t *block = json_load_file(TC_SOURCE_DIR "/tests/golden/cometbft/rpc-v0.38.25/block.json", 0, NULL);
    const json_t *evidence = json_object_get(json_object_get(json_object_get(block, "result"), "block"), "evidence");
    piece = json_dumps(json_array_get(json_object_get(evidence, "evidence"), 0), JSON_COMPACT);
    json_decref(block);
    return words && env.keys && piece ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(words);
    free(piece);
    tc_keyring_free(env.keys);
    return 0;
}

/* Far more heights than wait for their details at once: none loses them. */
static void test_a_long_way_to_catch_up(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(1000, 4);
    for (int i = 0; i < ROUNDS_MAX && told.stable < 1000; i++)
        ask_round(rpc);
    assert_int_equal(told.executed, 1000);
    assert_int_equal(told.stable, 1000);
    assert_int_equal(node.blocks, 1000);
    assert_int_equal(told.members, 4);
    assert_int_equal(told.overflows + told.notes, 0);
    assert_int_equal(ask_round(rpc), 1);
    tc_cometbft_rpc.destroy(rpc);
}

/* What is dropped is said, and holds up no execution. */
static void test_details_that_are_never_answered(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(1000, 4);
    node.no_details = node.no_results = true;
    for (int i = 0; i < ROUNDS_MAX && told.executed < 1000; i++)
        ask_round(rpc);
    assert_int_equal(told.executed, 1000);
    assert_true(told.overflows > 0);
    for (int i = 0; i < ROUNDS_MAX; i++)
        ask_round(rpc);
    assert_int_equal(ask_round(rpc), 1);              /* all given up */
    assert_true(told.notes >= 1 && told.notes <= 10); /* 1, 2, 4, … 512 heights */
    assert_int_equal(tc_cometbft_rpc.left_out(rpc)->states, 1000);
    assert_int_equal(tc_cometbft_rpc.left_out(rpc)->details, 1000);
    assert_int_equal(tc_cometbft_rpc.left_out(rpc)->last_height, 1000);
    tc_cometbft_rpc.destroy(rpc);
}

/* A node may be told not to keep its results: no bound of ours, and the rest is read. */
static void test_states_that_are_not_kept(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(200, 4);
    node.no_results = true;
    for (int i = 0; i < ROUNDS_MAX; i++)
        ask_round(rpc);
    assert_int_equal(told.executed, 200);
    assert_int_equal(node.blocks, 200);
    assert_int_equal(told.overflows, 0);
    assert_true(told.notes >= 1 && told.notes <= 8);
    for (node.heights = 201; node.heights <= 300; node.heights++) /* headers, a block, results of the last heights */
        assert_true(ask_round(rpc) <= 5);
    assert_int_equal(told.executed, 300);
    tc_cometbft_rpc.destroy(rpc);
}

/* An application without a state (noop) leaves none out, as the headers say. */
static void test_an_application_without_state(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(10, 4);
    node.no_results = node.stateless = true;
    for (; node.heights < 60; node.heights++)
        ask_round(rpc);
    for (int i = 0; i < ROUNDS_MAX; i++)
        ask_round(rpc);
    assert_int_equal(told.executed, 60);
    assert_int_equal(told.notes, 0);
    assert_int_equal(tc_cometbft_rpc.left_out(rpc)->states, 0);
    tc_cometbft_rpc.destroy(rpc);
}

/* Of one height a node does not say what its application's state is. That is said, and has it asked no less of others:
 * some rounds later than the next height is not too late. */
static void test_a_state_that_is_left_out(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(10, 4);
    node.hidden = 10;
    node.hidden_rounds = 1000;
    ask_round(rpc);
    for (node.heights = 11; node.heights < 20; node.heights++)
        ask_round(rpc);
    assert_int_equal(told.notes, 1);
    assert_string_equal(told.text,
                        "rpc of replica 0: the application's state is not answered (1 height so far, height 10 "
                        "the highest)");
    node.hidden = 20;
    node.hidden_rounds = 4;
    for (node.heights = 20; node.heights < 30; node.heights++)
        ask_round(rpc);
    assert_int_equal(told.stable, 28);
    assert_int_equal(told.notes, 1);
    assert_int_equal(tc_cometbft_rpc.left_out(rpc)->states, 1);
    tc_cometbft_rpc.destroy(rpc);
}

/* Of every other height: told of it now and then, and the questions remain few. */
static void test_every_other_state_is_left_out(void **state)
{
    (void)state;
    unsigned questions = 0;
    struct tc_rpc *rpc = begin(1, 4);
    node.second_results_only = true;
    for (; node.heights < 100; node.heights++)
        questions += ask_round(rpc);
    for (int i = 0; i < 20; i++)
        ask_round(rpc);
    assert_int_equal(told.stable, 50);
    assert_int_equal(tc_cometbft_rpc.left_out(rpc)->states, 50);
    assert_true(told.notes >= 2 && told.notes <= 6);
    assert_true(questions < 100 * 8);
    tc_cometbft_rpc.destroy(rpc);
}

static void test_validators_of_more_pages(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(1, 250);
    ask_round(rpc);
    assert_int_equal(told.members, 250);
    assert_int_equal(told.next_member, 0);
    assert_int_equal(told.overflows, 0);
    tc_cometbft_rpc.destroy(rpc);
    rpc = begin(1, 5000);
    ask_round(rpc);
    ask_round(rpc);
    assert_int_equal(told.members, 1000);
    assert_int_equal(told.overflows, 1);
    tc_cometbft_rpc.destroy(rpc);
}

/* The same height with another block: told, once. */
static void test_a_block_that_is_another_one_later(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(5, 4);
    ask_round(rpc);
    ask_round(rpc);
    assert_int_equal(told.executed, 5);
    const struct tc_value before = told.last_value;
    node.changed = 5;
    ask_round(rpc);
    assert_int_equal(told.executed, 6);
    assert_int_equal(told.last, 5);
    assert_memory_not_equal(&told.last_value, &before, sizeof before);
    ask_round(rpc);
    assert_int_equal(told.executed, 6);
    tc_cometbft_rpc.destroy(rpc);
}

/* A long block is no tree: only what is asked for is taken out of it. */
static void test_long_answers(void **state)
{
    (void)state;
    struct tc_rpc *rpc = begin(3, 4);
    node.big = true;
    ask_round(rpc);
    assert_int_equal(told.stable, 3);
    assert_int_equal(node.blocks, 3);
    assert_int_equal(told.overflows, 0);
    tc_cometbft_rpc.destroy(rpc);
}

/* Numbers without end: refused unread as anything but a block, and as one taken for no object; given up after some
 * tries, and said. */
static void test_a_costly_answer(void **state)
{
    (void)state;
    char path[TC_RPC_PATH_MAX];
    struct tc_error err = {0};
    struct tc_rpc *rpc = begin(1, 4);
    int wrong = 0;
    for (int i = 0; i < ROUNDS_MAX && told.overflows == 0; i++)
        while (tc_cometbft_rpc.ask(rpc, path)) {
            const bool is_block = strncmp(path, "/block?", 7) == 0;
            size_t len = is_block ? 0 : say(path);
            assert_true(strncmp(path, "/blockchain", 11) != 0 || tc_cometbft_rpc.answer_max(rpc) <= 1 << 20);
            for (; is_block && len < LONG_BYTES; len += 2)
                memcpy(words + len, len == 0 ? "[0" : ",0", 2);
            const int rc =
                tc_cometbft_rpc.answer(rpc, (struct tc_slice){(const uint8_t *)words, len}, tell, NULL, &err);
            assert_int_equal(rc, is_block ? TC_EMALFORMED : 0);
            wrong += is_block;
        }
    assert_int_equal(told.overflows, 1);
    assert_true(wrong > 1 && wrong < 10);
    tc_cometbft_rpc.destroy(rpc);
}

/* Paths into objects, and everything that is none. */
static void test_parts(void **state)
{
    (void)state;
    static const char *const inner[] = {"a", "b", NULL}, *const other[] = {"a", "c", NULL};
    static const char *const *const paths[] = {inner, other, NULL};
    static const char good[] = " { \"x\\\"\" : [ {\"a\":1} , \"]\" ] , \"a\" : { \"b\" : 7 , \"c\":\"}\" } } ";
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"a\"}",
                                      "{\"a\":{\"b\":1}}",
                                      "{\"a\":{\"b\":1,\"c\":2}",
                                      "{\"a\":7}",
                                      "{\"a\":}",
                                      "{\"a\":{\"b\":1 \"c\":2}}",
                                      "{\"a\":{\"b\":1,\"c\":2}} x",
                                      "{\"a\":{\"b\":1,\"c\":2},}",
                                      "\"\\",
                                      "{\"\\"};
    json_t *tree = tc_rpc_parts((struct tc_slice){(const uint8_t *)good, sizeof good - 1}, paths);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(tree, "a"), "b")), 7);
    assert_string_equal(tc_rpc_text(json_object_get(tree, "a"), "c"), "}");
    assert_int_equal(json_object_size(tree), 1);
    json_decref(tree);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(tc_rpc_parts((struct tc_slice){(const uint8_t *)bad[i], strlen(bad[i])}, paths));
    const char *end = strrchr(good, '}');
    for (size_t len = 0; len < (size_t)(end - good); len++)
        assert_null(tc_rpc_parts((struct tc_slice){(const uint8_t *)good, len}, paths));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_way_to_catch_up),
        cmocka_unit_test(test_details_that_are_never_answered),
        cmocka_unit_test(test_states_that_are_not_kept),
        cmocka_unit_test(test_an_application_without_state),
        cmocka_unit_test(test_a_state_that_is_left_out),
        cmocka_unit_test(test_every_other_state_is_left_out),
        cmocka_unit_test(test_validators_of_more_pages),
        cmocka_unit_test(test_a_block_that_is_another_one_later),
        cmocka_unit_test(test_long_answers),
        cmocka_unit_test(test_a_costly_answer),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
