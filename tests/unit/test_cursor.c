/* The byte cursor: bounds and stickiness.
 * links: tc_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../proxy/cursor.h"

static void test_integers(void **state)
{
    (void)state;
    uint8_t bytes[40];
    struct tc_writer w = tc_writer_into(bytes, sizeof bytes);
    tc_writer_u8(&w, 0x12);
    tc_writer_u16(&w, 0x3456);
    tc_writer_u32(&w, 0x789abcde);
    tc_writer_u64(&w, UINT64_C(0x0123456789abcdef));
    tc_writer_u32le(&w, 0x01020304);
    tc_writer_u64le(&w, UINT64_C(0x0102030405060708));
    tc_writer_slice(&w, (struct tc_slice){(const uint8_t *)"abc", 3});
    assert_true(tc_writer_ok(&w));
    struct tc_slice out = tc_writer_bytes(&w);
    assert_int_equal(out.len, 30);
    assert_memory_equal(out.data, "\x12\x34\x56\x78\x9a\xbc\xde\x01\x23\x45\x67\x89\xab\xcd\xef\x04\x03\x02\x01\x08",
                        20);
    struct tc_cursor c = tc_cursor_over(out);
    assert_int_equal(tc_cursor_u8(&c), 0x12);
    assert_int_equal(tc_cursor_u16(&c), 0x3456);
    assert_int_equal(tc_cursor_u32(&c), 0x789abcde);
    assert_true(tc_cursor_u64(&c) == UINT64_C(0x0123456789abcdef));
    assert_int_equal(tc_cursor_u32le(&c), 0x01020304);
    assert_int_equal(tc_cursor_u32le(&c), 0x05060708); /* the lower half of the last number comes first */
    assert_int_equal(tc_cursor_u32le(&c), 0x01020304);
    assert_int_equal(tc_cursor_left(&c), 3);
    assert_false(tc_cursor_done(&c));
    struct tc_slice rest = tc_cursor_rest(&c);
    assert_int_equal(rest.len, 3);
    assert_memory_equal(rest.data, "abc", 3);
    assert_true(tc_cursor_done(&c));
}

static void test_every_cut_fails_once_and_for_good(void **state)
{
    (void)state;
    for (size_t len = 0; len < 15; len++) {
        uint8_t *bytes = malloc(len ? len : 1); /* exactly as large: an over-read is caught */
        assert_non_null(bytes);
        memset(bytes, 1, len);
        struct tc_cursor c = tc_cursor_over((struct tc_slice){bytes, len});
        tc_cursor_u32(&c);
        tc_cursor_u64(&c);
        tc_cursor_u16(&c);
        tc_cursor_u8(&c);
        assert_false(tc_cursor_ok(&c));
        assert_int_equal(tc_cursor_left(&c), 0);
        assert_int_equal(tc_cursor_u8(&c), 0); /* sticky */
        assert_null(tc_cursor_bytes(&c, 0).data);
        assert_false(tc_cursor_done(&c));
        free(bytes);
    }
}

static void test_failed_read_takes_nothing_and_gives_zero(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0xff, 0xff, 0xff};
    struct tc_cursor c = tc_cursor_over((struct tc_slice){bytes, 3});
    assert_int_equal(tc_cursor_u32(&c), 0);
    assert_int_equal(tc_cursor_u8(&c), 0); /* though three bytes were there */
    struct tc_cursor huge = tc_cursor_over((struct tc_slice){bytes, 3});
    assert_int_equal(tc_cursor_bytes(&huge, SIZE_MAX).len, 0);
    assert_false(tc_cursor_ok(&huge));
}

static void test_varint(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t bytes[10];
        struct tc_writer w = tc_writer_into(bytes, sizeof bytes);
        tc_writer_varint(&w, values[i]);
        assert_true(tc_writer_ok(&w));
        struct tc_slice out = tc_writer_bytes(&w);
        struct tc_cursor c = tc_cursor_over(out);
        assert_true(tc_cursor_varint(&c) == values[i]);
        assert_true(tc_cursor_done(&c));
        struct tc_cursor cut = tc_cursor_over((struct tc_slice){out.data, out.len - 1});
        assert_int_equal(tc_cursor_varint(&cut), 0);
        assert_false(tc_cursor_ok(&cut));
    }
    const uint8_t large[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    struct tc_cursor c = tc_cursor_over((struct tc_slice){large, sizeof large});
    assert_int_equal(tc_cursor_varint(&c), 0); /* 65 bits */
    assert_false(tc_cursor_ok(&c));
    const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    c = tc_cursor_over((struct tc_slice){endless, sizeof endless});
    tc_cursor_varint(&c);
    assert_false(tc_cursor_ok(&c));
}

static void test_writer_does_not_pass_its_end(void **state)
{
    (void)state;
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct tc_writer w = tc_writer_into(bytes, 3);
    tc_writer_u16(&w, 0x0102);
    tc_writer_u16(&w, 0x0304);
    assert_false(tc_writer_ok(&w));
    tc_writer_u8(&w, 5); /* would fit, but the writer failed */
    assert_int_equal(tc_writer_bytes(&w).len, 0);
    assert_memory_equal(bytes, "\1\2\11\11", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_every_cut_fails_once_and_for_good),
        cmocka_unit_test(test_failed_read_takes_nothing_and_gives_zero),
        cmocka_unit_test(test_varint),
        cmocka_unit_test(test_writer_does_not_pass_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
