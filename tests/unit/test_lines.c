#include "../../reference/lines_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tc_arena arena;
static char buffer[1 << 16];

static struct tc_slice slice(const char *text)
{
    return (struct tc_slice){(const uint8_t *)text, strlen(text)};
}

static struct tc_value value(uint8_t fill)
{
    struct tc_value v = {.state = TC_VALUE_BYTES};
    memset(v.bytes, fill, sizeof v.bytes);
    return v;
}

static int parse(const char *text, struct tc_observation *out, struct tc_error *err)
{
    tc_arena_reset(&arena);
    memset(err, 0, sizeof *err);
    return tc_line_parse(slice(text), &arena, out, err);
}

/* Writes `in`, checks the newline at the end, reads it back. */
static struct tc_observation round_trip(const struct tc_observation *in)
{
    struct tc_observation out;
    struct tc_error err = {0};
    int64_t len = tc_line_write(in, buffer, sizeof buffer);
    assert_true(len > 0);
    assert_int_equal(buffer[len - 1], '\n');
    assert_null(memchr(buffer, '\n', (size_t)len - 1));
    tc_arena_reset(&arena);
    int rc = tc_line_parse((struct tc_slice){(uint8_t *)buffer, (size_t)len - 1}, &arena, &out, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(out.kind, in->kind);
    assert_int_equal(out.node, in->node);
    struct tc_observation json;
    rc = tc_line_parse_json((struct tc_slice){(uint8_t *)buffer, (size_t)len - 1}, &arena, &json, &err);
    assert_int_equal(rc, 0);
    static char again[sizeof buffer]; /* what JSON read is the same line */
    assert_int_equal(tc_line_write(&json, again, sizeof again), len);
    assert_memory_equal(again, buffer, (size_t)len);
    return out;
}

static void test_execute(void **state)
{
    (void)state;
    struct tc_operation operations[3] = {{.client = 128, .timestamp = 17, .fresh = true},
                                         {.client = 255, .timestamp = UINT64_MAX},
                                         {.client = 129, .timestamp = INT64_MAX, .fresh = true}};
    memset(operations[1].digest, 0xab, sizeof operations[1].digest);
    struct tc_observation in = {.kind = TC_OBS_EXECUTED, .node = 3, .text = ""};
    in.executed.view = 2;
    in.executed.sequence = 41;
    in.executed.value = value(0x9c);
    in.executed.state = value(0x77);
    in.executed.origin = TC_EXEC_TRANSFERRED;
    in.executed.operations = operations;
    in.executed.operation_count = 3;
    struct tc_observation out = round_trip(&in);
    assert_int_equal(out.executed.view, 2);
    assert_int_equal(out.executed.sequence, 41);
    assert_memory_equal(&out.executed.value, &in.executed.value, sizeof in.executed.value);
    assert_memory_equal(&out.executed.state, &in.executed.state, sizeof in.executed.state);
    assert_int_equal(out.executed.origin, TC_EXEC_TRANSFERRED);
    assert_int_equal(out.executed.operation_count, 3);
    for (int i = 0; i < 3; i++) {
        const struct tc_operation *got = &out.executed.operations[i];
        assert_int_equal(got->client, operations[i].client);
        assert_true(got->timestamp == operations[i].timestamp);
        assert_int_equal(got->fresh, operations[i].fresh);
        assert_memory_equal(got->digest, operations[i].digest, sizeof got->digest);
    }
}

static void test_null_request_without_state(void **state)
{
    (void)state;
    struct tc_observation in = {.kind = TC_OBS_EXECUTED, .node = 0, .text = ""};
    in.executed.sequence = 7;
    in.executed.value.state = TC_VALUE_NIL;
    struct tc_observation out = round_trip(&in);
    assert_int_equal(out.executed.value.state, TC_VALUE_NIL);
    assert_int_equal(out.executed.state.state, TC_VALUE_ABSENT);
    assert_int_equal(out.executed.operation_count, 0);
}

static void test_other_kinds(void **state)
{
    (void)state;
    struct tc_observation in = {.kind = TC_OBS_VIEW, .node = 1, .text = ""};
    in.view.view = 9;
    in.view.active = true;
    in.view.timeout_ns = 400000000;
    struct tc_observation out = round_trip(&in);
    assert_int_equal(out.view.view, 9);
    assert_true(out.view.active);
    assert_int_equal(out.view.timeout_ns, 400000000);

    in = (struct tc_observation){.kind = TC_OBS_STABLE, .node = 2, .text = ""};
    in.stable.sequence = 128;
    in.stable.state = value(1);
    out = round_trip(&in);
    assert_int_equal(out.stable.sequence, 128);
    assert_memory_equal(&out.stable.state, &in.stable.state, sizeof in.stable.state);

    in = (struct tc_observation){.kind = TC_OBS_COMPLAINT, .node = 0, .peer = 2, .text = "says \"no\\\" \x01\xff"};
    out = round_trip(&in);
    assert_int_equal(out.peer, 2);
    assert_string_equal(out.text, "says \"no\\\" ??");
    in.peer = TC_NODE_NONE;
    assert_int_equal(round_trip(&in).peer, TC_NODE_NONE);

    in = (struct tc_observation){.kind = TC_OBS_NODE_UP, .node = 0, .text = "pbft"};
    assert_string_equal(round_trip(&in).text, "pbft");
}

static void test_client_lines(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0xff, 0x10};
    struct tc_observation in = {.kind = TC_OBS_REQUESTED, .node = 128, .text = ""};
    in.client.timestamp = 17;
    in.client.digest = value(3);
    in.client.operation = (struct tc_slice){bytes, sizeof bytes};
    struct tc_observation out = round_trip(&in);
    assert_int_equal(out.client.timestamp, 17);
    assert_int_equal(out.client.operation.len, sizeof bytes);
    assert_memory_equal(out.client.operation.data, bytes, sizeof bytes);

    in.kind = TC_OBS_REPLIED;
    in.client.operation = (struct tc_slice){NULL, 0};
    in.client.result = (struct tc_slice){bytes, 1};
    in.client.latency_ns = 1200345;
    in.client.ok = true;
    out = round_trip(&in);
    assert_int_equal(out.client.result.len, 1);
    assert_int_equal(out.client.latency_ns, 1200345);
    assert_true(out.client.ok);
    assert_memory_equal(&out.client.digest, &in.client.digest, sizeof in.client.digest);
}

static void test_exact_text(void **state)
{
    (void)state;
    struct tc_observation in = {.kind = TC_OBS_VIEW, .node = 0, .text = ""};
    in.view.view = 1;
    in.view.active = true;
    in.view.timeout_ns = 400000000;
    int64_t len = tc_line_write(&in, buffer, sizeof buffer);
    static const char expected[] = "{\"e\":\"view\",\"node\":0,\"view\":1,\"active\":true,\"timeout_ns\":400000000}\n";
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(buffer, expected, sizeof expected - 1);
}

/* The frequent lines take the short way; cut or changed anywhere, they are left to the JSON reader. */
static void test_short_way(void **state)
{
    (void)state;
    struct tc_operation operations[2] = {{.client = 128, .timestamp = 1}, {.client = 129, .timestamp = 2}};
    struct tc_observation in = {.kind = TC_OBS_EXECUTED, .node = 1, .text = ""}, out;
    in.executed.value = value(5);
    in.executed.operations = operations;
    in.executed.operation_count = 2;
    size_t len = (size_t)tc_line_write(&in, buffer, sizeof buffer) - 1;
    tc_arena_reset(&arena);
    assert_true(tc_line_scan((struct tc_slice){(uint8_t *)buffer, len}, &arena, &out));
    assert_int_equal(out.executed.operations[1].timestamp, 2);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut + (cut == 0));
        assert_non_null(exact);
        memcpy(exact, buffer, cut);
        assert_false(tc_line_scan((struct tc_slice){exact, cut}, &arena, &out));
        free(exact);
    }
    for (size_t at = 0; at < len; at++) {
        char before = buffer[at];
        buffer[at] = '*';
        assert_false(tc_line_scan((struct tc_slice){(uint8_t *)buffer, len}, &arena, &out));
        buffer[at] = before;
    }
}

/* Whatever the size, nothing past it is touched, and only a whole line is a success. */
static void test_bounds(void **state)
{
    (void)state;
    struct tc_operation operations[2] = {{.client = 128, .timestamp = 1}, {.client = 129, .timestamp = 2}};
    struct tc_observation in = {.kind = TC_OBS_EXECUTED, .node = 1, .text = ""};
    in.executed.value = value(5);
    in.executed.operations = operations;
    in.executed.operation_count = 2;
    int64_t whole = tc_line_write(&in, buffer, sizeof buffer);
    assert_true(whole > 200);
    for (int64_t size = 0; size < whole; size++) {
        memset(buffer, 'x', (size_t)whole + 16);
        assert_int_equal(tc_line_write(&in, buffer, (size_t)size), TC_ELIMIT);
        for (int64_t i = size; i < whole + 16; i++)
            assert_int_equal(buffer[i], 'x');
    }
    assert_int_equal(tc_line_write(&in, buffer, (size_t)whole), whole);
    in.kind = TC_OBS_NOTE;
    assert_int_equal(tc_line_write(&in, buffer, sizeof buffer), TC_EUNSUPPORTED);
}

static void test_not_ours(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "I[2026-01-01] started",
        "{",
        "{\"level\":\"info\",\"node\":1}",
        "{\"e\":\"load\",\"ops\":3}",
        "{\"e\":7,\"node\":1}",
        "[1,2]",
        "{\"x\":1,\"e\":\"vie",
    };
    struct tc_observation out;
    struct tc_error err;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(parse(lines[i], &out, &err), TC_EUNSUPPORTED);
}

#define D "\"9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c\""

static void test_malformed_names_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *line, *names;
    } cases[] = {
        {"{\"e\":\"view\",\"node\":0,\"vi", "not JSON"},
        {"{\"e\":\"view\",\"view\":1,\"active\":true}", "\"node\""},
        {"{\"e\":\"view\",\"node\":256,\"view\":1,\"active\":true}", "\"node\""},
        {"{\"e\":\"view\",\"node\":-1,\"view\":1,\"active\":true}", "\"node\""},
        {"{\"e\":\"view\",\"node\":0,\"view\":1.5,\"active\":true}", "\"view\""},
        {"{\"e\":\"view\",\"node\":0,\"view\":\"1x\",\"active\":true}", "\"view\""},
        {"{\"e\":\"view\",\"node\":0,\"view\":\"18446744073709551616\",\"active\":true}", "\"view\""},
        {"{\"e\":\"view\",\"node\":0,\"view\":1,\"active\":1}", "\"active\""},
        {"{\"e\":\"stable\",\"node\":0,\"seq\":1,\"state\":\"9c\"}", "\"state\""},
        {"{\"e\":\"complaint\",\"node\":0,\"text\":3}", "\"text\""},
        {"{\"e\":\"up\",\"node\":0}", "\"protocol\""},
        {"{\"e\":\"request\",\"node\":128,\"ts\":1,\"digest\":" D ",\"op\":\"abc\"}", "\"op\""},
        {"{\"e\":\"request\",\"node\":128,\"ts\":1,\"digest\":" D ",\"op\":\"zz\"}", "\"op\""},
        {"{\"e\":\"reply\",\"node\":128,\"ts\":1,\"digest\":" D ",\"result\":\"\",\"latency_ns\":1}", "\"ok\""},
        {"{\"e\":\"execute\",\"node\":0,\"seq\":1,\"view\":0,\"origin\":\"executed\",\"ops\":[]}", "\"digest\""},
        {"{\"e\":\"execute\",\"node\":0,\"seq\":1,\"view\":0,\"digest\":" D ",\"origin\":\"won\",\"ops\":[]}",
         "\"origin\""},
        {"{\"e\":\"execute\",\"node\":0,\"seq\":1,\"view\":0,\"digest\":" D ",\"origin\":\"executed\"}", "\"ops\""},
        {"{\"e\":\"execute\",\"node\":0,\"seq\":1,\"view\":0,\"digest\":" D ",\"origin\":\"executed\",\"ops\":[3]}",
         "\"client\""},
        {"{\"e\":\"execute\",\"node\":0,\"seq\":1,\"view\":0,\"digest\":" D
         ",\"origin\":\"executed\",\"ops\":[{\"client\":128,\"ts\":1,\"digest\":\"nil\",\"fresh\":true}]}",
         "\"digest\""},
        {"{\"e\":\"view\",\"node\":0,\"node\":1,\"view\":1,\"active\":true}", "not JSON"},
    };
    struct tc_observation out;
    struct tc_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i].line, &out, &err), TC_EMALFORMED);
        if (!strstr(err.text, cases[i].names))
            fail_msg("%s: \"%s\" does not name %s", cases[i].line, err.text, cases[i].names);
    }
    assert_int_equal(parse("{\"e\":\"execute\",\"node\":0,\"seq\":9,\"view\":0,\"state\":" D
                           ",\"origin\":\"transferred\",\"ops\":[]}",
                           &out, &err),
                     0); /* a state, not a batch */
    assert_int_equal(out.executed.value.state, TC_VALUE_ABSENT);
    assert_int_equal(parse("{\"e\":\"view\",\"node\":0,\"view\":1,\"active\":true,\"extra\":[1]}", &out, &err), 0);
}

static void test_small_arena(void **state)
{
    (void)state;
    struct tc_arena small;
    struct tc_observation out;
    struct tc_error err = {0};
    tc_arena_init(&small, 16);
    struct tc_slice line =
        slice("{\"e\":\"complaint\",\"node\":0,\"text\":\"0123456789012345678901234567890123456789\"}");
    assert_int_equal(tc_line_parse(line, &small, &out, &err), TC_EMALFORMED);
    tc_arena_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_execute),     cmocka_unit_test(test_null_request_without_state),
        cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_client_lines),
        cmocka_unit_test(test_exact_text),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_not_ours),    cmocka_unit_test(test_malformed_names_the_key),
        cmocka_unit_test(test_small_arena), cmocka_unit_test(test_short_way),
    };
    tc_arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tc_arena_free(&arena);
    return failed;
}
