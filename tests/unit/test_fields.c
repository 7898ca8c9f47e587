/* Generic field access, over the PBFT schema. */
#include "../../reference/fields.h"
#include "../../reference/fields_alloc.h"
#include "pbft.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct tc_arena arena;
    Wire__Envelope envelope;
    Wire__Envelope first, second;
    Wire__Envelope *requests[2];
    struct tc_fields fields;
};

static uint8_t body_bytes[] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    tc_arena_init(&f->arena, 1 << 20);
    wire__envelope__init(&f->envelope);
    wire__envelope__init(&f->first);
    wire__envelope__init(&f->second);
    f->envelope.type = PBFT__TYPE__PREPARE;
    f->envelope.sender = 3;
    f->envelope.body = (ProtobufCBinaryData){sizeof body_bytes, body_bytes};
    f->first.sender = 128;
    f->second.sender = 129;
    f->requests[0] = &f->first;
    f->requests[1] = &f->second;
    f->envelope.requests = f->requests;
    f->envelope.n_requests = 2;
    f->fields = (struct tc_fields){&wire__envelope__descriptor, &f->envelope};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tc_arena_free(&f->arena);
    return 0;
}

static struct tc_field_value number(uint64_t value)
{
    return (struct tc_field_value){.type = TC_FIELD_UINT, .uint_value = value, .int_value = (int64_t)value};
}

static void test_names_and_types(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(tc_fields_count(f->fields), 6);
    assert_string_equal(tc_fields_name(f->fields, 0), "type");
    assert_string_equal(tc_fields_name(f->fields, 5), "requests");
    assert_null(tc_fields_name(f->fields, 6));
    assert_int_equal(tc_fields_type(f->fields, "type"), TC_FIELD_UINT);
    assert_int_equal(tc_fields_type(f->fields, "body"), TC_FIELD_BYTES);
    assert_int_equal(tc_fields_type(f->fields, "requests"), TC_FIELD_MESSAGE);
    assert_int_equal(tc_fields_type(f->fields, "nonsense"), TC_FIELD_NONE);
    assert_true(tc_fields_repeated(f->fields, "requests"));
    assert_false(tc_fields_repeated(f->fields, "body"));
    assert_int_equal(tc_fields_length(f->fields, "requests"), 2);
    assert_int_equal(tc_fields_length(f->fields, "sender"), 1);
    assert_int_equal(tc_fields_length(f->fields, "nonsense"), 0);
}

static void test_absent_message(void **state)
{
    (void)state;
    const struct tc_fields none = {&wire__envelope__descriptor, NULL};
    struct tc_field_value value;
    char text[16];
    assert_int_equal(tc_fields_count(none), 0);
    assert_null(tc_fields_name(none, 0));
    assert_int_equal(tc_fields_get(none, "sender", 0, &value), TC_ENOT_FOUND);
    assert_string_equal(tc_fields_text(none, text, sizeof text), "null");
}

static void test_get(void **state)
{
    struct fixture *f = *state;
    struct tc_field_value value;
    assert_int_equal(tc_fields_get(f->fields, "sender", 0, &value), 0);
    assert_int_equal(value.uint_value, 3);
    assert_int_equal(tc_fields_get(f->fields, "sender", 1, &value), TC_ENOT_FOUND);
    assert_int_equal(tc_fields_get(f->fields, "body", 0, &value), 0);
    assert_int_equal(value.bytes.len, sizeof body_bytes);
    assert_ptr_equal(value.bytes.data, body_bytes);
    assert_int_equal(tc_fields_get(f->fields, "requests", 1, &value), 0);
    assert_ptr_equal(value.message.base, &f->second);
    assert_int_equal(tc_fields_get(f->fields, "requests", 2, &value), TC_ENOT_FOUND);
    assert_int_equal(tc_fields_get(value.message, "sender", 0, &value), TC_ENOT_FOUND);
}

static void test_absent_nested(void **state)
{
    (void)state;
    Pbft__Prepared prepared = PBFT__PREPARED__INIT;
    const struct tc_fields fields = {&pbft__prepared__descriptor, &prepared};
    struct tc_field_value value;
    assert_int_equal(tc_fields_length(fields, "pre_prepare"), 0);
    assert_int_equal(tc_fields_get(fields, "pre_prepare", 0, &value), 0);
    assert_int_equal(value.type, TC_FIELD_MESSAGE);
    assert_null(value.message.base);
}

static void test_set_numbers(void **state)
{
    struct fixture *f = *state;
    struct tc_field_value value = number(UINT32_MAX);
    assert_int_equal(tc_fields_set(f->fields, "sender", 0, &value, &f->arena), 0);
    assert_int_equal(f->envelope.sender, UINT32_MAX);
    value = number(UINT64_C(1) << 33);
    assert_int_equal(tc_fields_set(f->fields, "sender", 0, &value, &f->arena), TC_EUSAGE);
    value = (struct tc_field_value){.type = TC_FIELD_INT, .int_value = -1};
    assert_int_equal(tc_fields_set(f->fields, "sender", 0, &value, &f->arena), TC_EUSAGE);
    value = (struct tc_field_value){.type = TC_FIELD_INT, .int_value = 7};
    assert_int_equal(tc_fields_set(f->fields, "sender", 0, &value, &f->arena), 0);
    assert_int_equal(f->envelope.sender, 7);
    value = (struct tc_field_value){.type = TC_FIELD_BYTES};
    assert_int_equal(tc_fields_set(f->fields, "sender", 0, &value, &f->arena), TC_EUSAGE);
    value = number(1);
    assert_int_equal(tc_fields_set(f->fields, "nonsense", 0, &value, &f->arena), TC_ENOT_FOUND);
    assert_int_equal(tc_fields_set(f->fields, "sender", 1, &value, &f->arena), TC_ENOT_FOUND);
}

static void test_set_bool(void **state)
{
    struct fixture *f = *state;
    Wire__Result result = WIRE__RESULT__INIT;
    const struct tc_fields fields = {&wire__result__descriptor, &result};
    struct tc_field_value value = {.type = TC_FIELD_BOOL, .uint_value = 1};
    assert_int_equal(tc_fields_set(fields, "found", 0, &value, &f->arena), 0);
    assert_true(result.found);
    assert_int_equal(tc_fields_get(fields, "found", 0, &value), 0);
    assert_int_equal(value.type, TC_FIELD_BOOL);
    assert_int_equal(value.uint_value, 1);
    value = number(1);
    assert_int_equal(tc_fields_set(fields, "found", 0, &value, &f->arena), TC_EUSAGE);
}

static void test_set_bytes_and_strings(void **state)
{
    struct fixture *f = *state;
    uint8_t source[] = {9, 8, 7};
    struct tc_field_value value = {.type = TC_FIELD_BYTES, .bytes = {source, 3}};
    assert_int_equal(tc_fields_set(f->fields, "body", 0, &value, &f->arena), 0);
    source[0] = 0; /* it was copied */
    assert_int_equal(f->envelope.body.len, 3);
    assert_int_equal(f->envelope.body.data[0], 9);

    Wire__Hello hello = WIRE__HELLO__INIT;
    const struct tc_fields fields = {&wire__hello__descriptor, &hello};
    value = (struct tc_field_value){.type = TC_FIELD_STRING, .bytes = {(const uint8_t *)"demo", 4}};
    assert_int_equal(tc_fields_set(fields, "cluster", 0, &value, &f->arena), 0);
    assert_string_equal(hello.cluster, "demo");
    value.bytes = (struct tc_slice){(const uint8_t *)"a\0b", 3};
    assert_int_equal(tc_fields_set(fields, "cluster", 0, &value, &f->arena), TC_EUSAGE);
    assert_string_equal(hello.cluster, "demo");
}

static void test_arena_full(void **state)
{
    struct fixture *f = *state;
    struct tc_arena tiny;
    tc_arena_init(&tiny, 16);
    const uint8_t source[64] = {0};
    const struct tc_field_value value = {.type = TC_FIELD_BYTES, .bytes = {source, sizeof source}};
    assert_int_equal(tc_fields_set(f->fields, "body", 0, &value, &tiny), TC_ELIMIT);
    assert_ptr_equal(f->envelope.body.data, body_bytes);
    assert_int_equal(tc_fields_duplicate(f->fields, "requests", 0, 0, &tiny), TC_ELIMIT);
    assert_int_equal(f->envelope.n_requests, 2);
    assert_null(tc_fields_copy(f->fields, &tiny).base);
    tc_arena_free(&tiny);
}

static void test_set_message(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope other = WIRE__ENVELOPE__INIT;
    other.sender = 77;
    struct tc_field_value value = {.type = TC_FIELD_MESSAGE, .message = {&wire__envelope__descriptor, &other}};
    assert_int_equal(tc_fields_set(f->fields, "requests", 1, &value, &f->arena), 0);
    other.sender = 0;
    assert_int_equal(f->envelope.requests[1]->sender, 77);
    assert_int_equal(tc_fields_set(f->fields, "requests", 2, &value, &f->arena), 0); /* appends */
    assert_int_equal(f->envelope.n_requests, 3);
    assert_int_equal(tc_fields_set(f->fields, "requests", 4, &value, &f->arena), TC_ENOT_FOUND);
    Wire__Hello hello = WIRE__HELLO__INIT;
    value.message = (struct tc_fields){&wire__hello__descriptor, &hello};
    assert_int_equal(tc_fields_set(f->fields, "requests", 0, &value, &f->arena), TC_EUSAGE);
    assert_int_equal(f->envelope.requests[0]->sender, 128);
}

static void test_remove_and_duplicate(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(tc_fields_duplicate(f->fields, "requests", 1, 0, &f->arena), 0);
    assert_int_equal(f->envelope.n_requests, 3);
    assert_int_equal(f->envelope.requests[0]->sender, 129);
    assert_int_equal(f->envelope.requests[1]->sender, 128);
    assert_int_equal(f->envelope.requests[2]->sender, 129);
    assert_ptr_not_equal(f->envelope.requests[0], f->envelope.requests[2]);
    assert_int_equal(tc_fields_remove(f->fields, "requests", 1), 0);
    assert_int_equal(f->envelope.n_requests, 2);
    assert_int_equal(f->envelope.requests[0]->sender, 129);
    assert_int_equal(tc_fields_remove(f->fields, "requests", 2), TC_ENOT_FOUND);
    assert_int_equal(tc_fields_remove(f->fields, "sender", 0), TC_EUSAGE);
    assert_int_equal(tc_fields_duplicate(f->fields, "requests", 2, 0, &f->arena), TC_ENOT_FOUND);
    assert_int_equal(tc_fields_duplicate(f->fields, "requests", 0, 3, &f->arena), TC_ENOT_FOUND);
}

static void test_copy_keeps_unknown_fields(void **state)
{
    struct fixture *f = *state;
    /* Field 15, varint 5, is in no schema of ours; then sender = 2. */
    const uint8_t wire[] = {0x78, 0x05, 0x10, 0x02};
    ProtobufCMessage *base;
    assert_int_equal(
        tc_fields_unpack(&wire__envelope__descriptor, (struct tc_slice){wire, sizeof wire}, &f->arena, &base), 0);
    struct tc_fields copy = tc_fields_copy((struct tc_fields){&wire__envelope__descriptor, base}, &f->arena);
    assert_non_null(copy.base);
    struct tc_slice packed;
    assert_int_equal(tc_fields_pack(copy.base, &f->arena, &packed), 0);
    assert_int_equal(packed.len, sizeof wire);
    assert_memory_equal(packed.data, ((uint8_t[]){0x10, 0x02, 0x78, 0x05}), sizeof wire);
}

/* Written overlong, protobuf-c takes number 0 as an unknown field, packs it shorter and then refuses its own bytes. */
static void test_unpack_refuses_number_0(void **state)
{
    struct fixture *f = *state;
    const uint8_t wire[] = {0x10, 0x02, 0x85, 0x00, 0x13, 0x06, 0x07, 0x9b};
    ProtobufCMessage *base = NULL;
    assert_int_equal(
        tc_fields_unpack(&wire__envelope__descriptor, (struct tc_slice){wire, sizeof wire}, &f->arena, &base),
        TC_EMALFORMED);
}

static void test_unpack_refuses_depth(void **state)
{
    struct fixture *f = *state;
    enum { DEEP = 20000 };
    /* requests within requests: built from the inside out, each level a tag and a length of at most 3 bytes. */
    static uint8_t wire[DEEP * 4];
    size_t at = sizeof wire, len = 0;
    for (int i = 0; i < DEEP; i++) {
        uint8_t head[4] = {0x32};
        size_t n = 1, left = len;
        do {
            head[n] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
            n++;
            left >>= 7;
        } while (left);
        at -= n;
        len += n;
        memcpy(wire + at, head, n);
    }
    ProtobufCMessage *base = NULL;
    assert_int_equal(tc_fields_unpack(&wire__envelope__descriptor, (struct tc_slice){wire + at, len}, &f->arena, &base),
                     TC_EMALFORMED);
}

static void test_unpack_tells_full_from_malformed(void **state)
{
    struct fixture *f = *state;
    struct tc_arena tiny;
    tc_arena_init(&tiny, 256);
    uint8_t wire[256];
    for (size_t i = 0; i < sizeof wire; i += 2) {
        wire[i] = 0x32; /* an empty request */
        wire[i + 1] = 0;
    }
    ProtobufCMessage *base;
    const struct tc_slice bytes = {wire, sizeof wire};
    assert_int_equal(tc_fields_unpack(&wire__envelope__descriptor, bytes, &tiny, &base), TC_ELIMIT);
    assert_int_equal(tc_fields_unpack(&wire__envelope__descriptor, bytes, &f->arena, &base), 0);
    wire[255] = 9;
    assert_int_equal(tc_fields_unpack(&wire__envelope__descriptor, bytes, &f->arena, &base), TC_EMALFORMED);
    tc_arena_free(&tiny);
}

static void test_text(void **state)
{
    struct fixture *f = *state;
    char text[512], small[12];
    f->envelope.n_requests = 1;
    tc_fields_text(f->fields, text, sizeof text);
    assert_string_equal(text, "{\"type\":3,\"sender\":3,\"body\":\"deadbeef01020304…\",\"signature\":\"\","
                              "\"macs\":\"\",\"requests\":[{\"type\":0,\"sender\":128,\"body\":\"\","
                              "\"signature\":\"\",\"macs\":\"\",\"requests\":[]}]}");
    tc_fields_text(f->fields, small, sizeof small);
    assert_string_equal(small, "{\"type\":3,\"");
    Wire__Operation operation = WIRE__OPERATION__INIT;
    operation.code = WIRE__OPERATION__CODE__PUT;
    tc_fields_text((struct tc_fields){&wire__operation__descriptor, &operation}, text, sizeof text);
    assert_string_equal(text, "{\"code\":\"PUT\",\"key\":\"\",\"value\":\"\",\"expected\":\"\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_and_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absent_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absent_nested, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_bool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_bytes_and_strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arena_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove_and_duplicate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copy_keeps_unknown_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unpack_refuses_number_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unpack_refuses_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unpack_tells_full_from_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
