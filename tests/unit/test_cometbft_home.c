/* links: tc_nodes tc_protocol tc_base
 * What surrounds a CometBFT node: the files of its home directory, its keys, and what it logs. */
#include "../../reference/cometbft/home.h"
#include "../../reference/cometbft/lines.h"
#include "../../reference/cometbft/protocol_parts.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 4

static struct tc_cometbft_node nodes[NODES];
static char text[65536];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++) {
        uint8_t validator[32], node[32];
        memset(validator, 10 + i, sizeof validator);
        memset(node, 20 + i, sizeof node);
        tc_cometbft_node_make(&nodes[i], validator, node);
    }
    tc_cometbft_node_sort(nodes, NODES);
    return 0;
}

static struct tc_slice written(int len)
{
    assert_true(len > 0);
    assert_int_equal(strlen(text), len);
    return (struct tc_slice){(const uint8_t *)text, (size_t)len};
}

/* ---- files ---- */

static json_t *parse(struct tc_slice file)
{
    json_error_t where;
    json_t *root = json_loadb((const char *)file.data, file.len, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        fail_msg("%s at %d", where.text, where.position);
    return root;
}

/* Validators in the genesis stand in the order of their addresses, which is the order in which they are numbered. */
static void test_genesis(void **state)
{
    (void)state;
    const struct tc_cometbft_net net = {"a-chain", nodes, NODES, 0};
    const struct tc_cometbft_net extended = {"a-chain", nodes, NODES, 7};
    json_t *root = parse(written(tc_cometbft_genesis(&net, text, sizeof text)));
    assert_string_equal(json_string_value(json_object_get(root, "chain_id")), "a-chain");
    assert_null(json_object_get(root, "consensus_params"));
    const json_t *validators = json_object_get(root, "validators");
    const char *before = "";
    assert_int_equal(json_array_size(validators), NODES);
    for (size_t i = 0; i < NODES; i++) {
        const json_t *validator = json_array_get(validators, i);
        const char *address = json_string_value(json_object_get(validator, "address"));
        uint8_t own[TC_COMETBFT_ADDRESS_SIZE];
        char wanted[2 * TC_COMETBFT_ADDRESS_SIZE + 1];
        tc_cometbft_address(nodes[i].validator_key + 32, own);
        for (size_t b = 0; b < sizeof own; b++)
            snprintf(wanted + 2 * b, 3, "%02X", own[b]);
        assert_string_equal(address, wanted);
        assert_true(strcmp(before, address) < 0);
        assert_string_equal(json_string_value(json_object_get(validator, "power")), "10");
        before = address;
    }
    json_t *with = parse(written(tc_cometbft_genesis(&extended, text, sizeof text)));
    const json_t *abci = json_object_get(json_object_get(with, "consensus_params"), "abci");
    assert_string_equal(json_string_value(json_object_get(abci, "vote_extensions_enable_height")), "7");
    json_decref(with);
    json_decref(root);
}

static void test_keys_come_back(void **state)
{
    (void)state;
    uint8_t key[64];
    struct tc_slice file = written(tc_cometbft_validator_key(&nodes[2], text, sizeof text));
    json_decref(parse(file));
    assert_int_equal(tc_cometbft_key_parse(file, key), 0);
    assert_memory_equal(key, nodes[2].validator_key, 64);
    file = written(tc_cometbft_node_key(&nodes[2], text, sizeof text));
    json_decref(parse(file));
    assert_int_equal(tc_cometbft_key_parse(file, key), 0);
    assert_memory_equal(key, nodes[2].node_key, 64);
}

static void test_keys_that_are_none(void **state)
{
    (void)state;
    static const char *const files[] = {
        "",
        "{}",
        "{\"priv_key\": {\"type\": \"tendermint/PrivKeyEd25519\"}}",
        "{\"priv_key\": {\"value\": \"",
        "{\"priv_key\": {\"value\": \"!!!!\"}}",
        "{\"priv_key\": {\"value\": \"AAAA\"}}",               /* too short */
        "{\"value\": \"AAAA\", \"priv_key\": \"\"}",           /* the value of something else */
        "{\"pub_key\": {\"value\": \"AAAA\"}, \"priv_key\":}", /* likewise */
    };
    uint8_t key[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(tc_cometbft_key_parse((struct tc_slice){(const uint8_t *)files[i], strlen(files[i])}, key),
                         TC_EKEY);
}

static void test_config(void **state)
{
    (void)state;
    const struct tc_cometbft_place place = {
        2, "127.0.0.1:1000", "127.0.0.1:1001", "aa@127.0.0.1:1,bb@127.0.0.1:2", "noop", UINT64_C(1000000000)};
    static const char *const lines[] = {
        "proxy_app = \"noop\"\n",
        "moniker = \"node2\"\n",
        "log_format = \"json\"\n",
        "laddr = \"tcp://127.0.0.1:1001\"\n",
        "laddr = \"tcp://127.0.0.1:1000\"\n",
        "persistent_peers = \"aa@127.0.0.1:1,bb@127.0.0.1:2\"\n",
        "pex = false\n", /* else addresses would lead past the proxy */
        "timeout_propose = \"1000ms\"\n",
        "timeout_prevote = \"300ms\"\n",
        "timeout_commit = \"200ms\"\n",
    };
    written(tc_cometbft_config(&place, text, sizeof text));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(text, lines[i]))
            fail_msg("%s is missing", lines[i]);
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    const struct tc_cometbft_net net = {"a-chain", nodes, NODES, 0};
    const struct tc_cometbft_place place = {0, "a:1", "a:2", "", "kvstore", 1};
    for (size_t size = 1; size < 200; size += 7) {
        char *exact = malloc(size);
        assert_int_equal(tc_cometbft_genesis(&net, exact, size), TC_ELIMIT);
        assert_int_equal(tc_cometbft_validator_key(&nodes[0], exact, size), TC_ELIMIT);
        assert_int_equal(tc_cometbft_config(&place, exact, size), TC_ELIMIT);
        free(exact);
    }
}

/* ---- log lines ---- */

static int read_line(const char *line, struct tc_arena *arena, struct tc_observation *out)
{
    struct tc_error err = {0};
    return tc_cometbft_line_parse((struct tc_slice){(const uint8_t *)line, strlen(line)}, arena, out, &err);
}

#define HASH "0A85DC812EB31335B91F28001A3917A7CF90693CAA2BA3044BE29E3C8E3392A6"

static void test_executions(void **state)
{
    (void)state;
    struct tc_arena arena;
    struct tc_observation o;
    static const char *const lines[] = {
        "{\"_msg\":\"finalizing commit of block\",\"hash\":\"" HASH "\",\"height\":12,\"level\":\"info\"}",
        "{\"_msg\":\"Finalizing commit of block\",\"hash\":\"" HASH
        "\",\"height\":\"12\",\"module\":\"a\",\"module\":\"b\"}",
    };
    tc_arena_init(&arena, 4096);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read_line(lines[i], &arena, &o), 0);
        assert_int_equal(o.kind, TC_OBS_EXECUTED);
        assert_int_equal(o.executed.sequence, 12);
        assert_int_equal(o.executed.origin, TC_EXEC_EXECUTED);
        assert_int_equal(o.executed.value.state, TC_VALUE_BYTES);
        assert_int_equal(o.executed.value.bytes[0], 0x0a);
        assert_int_equal(o.executed.value.bytes[31], 0xa6);
    }
    tc_arena_free(&arena);
}

static void test_halts(void **state)
{
    (void)state;
    struct tc_arena arena;
    struct tc_observation o;
    tc_arena_init(&arena, 4096);
    assert_int_equal(
        read_line("{\"_msg\":\"CONSENSUS FAILURE!!!\",\"err\":\"duplicate entry\",\"level\":\"error\"}", &arena, &o),
        0);
    assert_int_equal(o.kind, TC_OBS_HALTED);
    assert_string_equal(o.text, "CONSENSUS FAILURE!!!: duplicate entry");
    static char line[4096];
    char why[3000];
    memset(why, 'x', sizeof why - 1);
    why[sizeof why - 1] = 0;
    snprintf(line, sizeof line, "{\"_msg\":\"CONSENSUS FAILURE!!!\",\"err\":\"%s\"}", why);
    assert_int_equal(read_line(line, &arena, &o), 0);
    assert_true(strlen(o.text) < 512); /* cut, not overrun */
    tc_arena_free(&arena);
}

static void test_other_lines(void **state)
{
    (void)state;
    struct tc_arena arena;
    struct tc_observation o;
    static const char *const silent[] = {
        "",
        "I[2026] not JSON",
        "{\"level\":\"info\"}",
        "{\"_msg\":\"Starting node\"}",
        "{\"_msg\":17}",
        "{\"_msg\":\"finalizing commit of block\",\"height\":12}",
        "{\"_msg\":\"finalizing commit of block\",\"height\":12,\"hash\":\"0A8\"}",
        "{\"_msg\":\"finalizing commit of block\",\"height\":12,\"hash\":\"XX\"}",
        "{\"_msg\":\"finalizing commit of block\",\"height\":-1,\"hash\":\"" HASH "\"}",
        "{\"_msg\":\"finalizing commit of block\",\"height\":12,\"hash\":\"" HASH "00\"}",
    };
    tc_arena_init(&arena, 4096);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (read_line(silent[i], &arena, &o) != TC_EUNSUPPORTED)
            fail_msg("%s says something", silent[i]);
    assert_int_equal(read_line("{\"_msg\":", &arena, &o), TC_EUNSUPPORTED); /* of nothing that matters */
    assert_int_equal(read_line("{\"_msg\":\"finalizing commit of block\",", &arena, &o), TC_EMALFORMED);
    tc_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_genesis),
        cmocka_unit_test(test_keys_come_back),
        cmocka_unit_test(test_keys_that_are_none),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_executions),
        cmocka_unit_test(test_halts),
        cmocka_unit_test(test_other_lines),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
