/* Escapes: what a wire, a script or a log may contain must not get out of the place it is shown in. */
#include "../../reports/buf.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(enum tc_escape escape, const char *in, size_t len, const char *out)
{
    struct tc_buf t = {0};
    tc_buf_escape_bytes(&t, escape, in, len);
    assert_string_equal(tc_buf_get(&t), out);
    tc_buf_free(&t);
}

static void markup_is_inert(void **state)
{
    (void)state;
    expect(TC_ESCAPE_MARKUP, "<a href='x' b=\"y\">&", 19, "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;");
    expect(TC_ESCAPE_MARKUP, "a\0b", 3,
           "a\xef\xbf\xbd"
           "b");
    expect(TC_ESCAPE_MARKUP, "\x1b[31m", 5, "\xef\xbf\xbd[31m");
    expect(TC_ESCAPE_MARKUP, "]]>", 3, "]]&gt;");
    expect(TC_ESCAPE_MARKUP, "\xef\xbf\xbe", 3, "\xef\xbf\xbd"); /* U+FFFE: no XML character */
    expect(TC_ESCAPE_MARKUP, "→ é\t\n", 8, "→ é\t\n");
}

static void invalid_utf8_is_replaced(void **state)
{
    static const char *const broken[] = {"\x80",         "\xc0\xaf",         "\xe0\x80\x80",
                                         "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc3"};
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct tc_buf t = {0};
        tc_buf_escape(&t, TC_ESCAPE_UTF8, broken[i]);
        json_t *valid = json_stringn(tc_buf_get(&t), t.len);
        assert_non_null(valid);
        assert_non_null(strstr(tc_buf_get(&t), "\xef\xbf\xbd"));
        json_decref(valid);
        tc_buf_free(&t);
    }
}

static void terminal_cannot_be_steered(void **state)
{
    (void)state;
    expect(TC_ESCAPE_TERMINAL, "a\x1b]0;x\x07z", 8, "a?]0;x?z");
    expect(TC_ESCAPE_TERMINAL,
           "\xc2\x9b"
           "31m",
           5, "?31m"); /* C1 control sequence introducer */
    expect(TC_ESCAPE_TERMINAL,
           "a\xe2\x80\xae"
           "b",
           5, "a?b"); /* right-to-left override */
    expect(TC_ESCAPE_TERMINAL, "one\ntwo\r\tthree", 14, "one two  three");
}

static void fields_and_strings_stay_one(void **state)
{
    (void)state;
    expect(TC_ESCAPE_TSV, "a\tb\nc", 5, "a b c");
    expect(TC_ESCAPE_JSON, "a\"b\\c\n\x01", 7, "a\\\"b\\\\c\\n\\u0001");
}

/* Whatever the bytes: the result is valid UTF-8 and holds none of the characters that could end its place. */
static void any_bytes_are_harmless(void **state)
{
    (void)state;
    uint32_t x = 0x12345678;
    for (int round = 0; round < 2000; round++) {
        char bytes[48];
        struct tc_buf t = {0};
        for (size_t i = 0; i < sizeof bytes; i++) {
            x = x * 1664525u + 1013904223u;
            bytes[i] = (char)(x >> 24);
        }
        enum tc_escape escape = (enum tc_escape)(round % 5);
        tc_buf_escape_bytes(&t, escape, bytes, sizeof bytes);
        json_t *valid = json_stringn(tc_buf_get(&t), t.len);
        assert_non_null(valid);
        json_decref(valid);
        for (size_t i = 0; i < t.len; i++) {
            unsigned char c = (unsigned char)t.data[i];
            if (escape == TC_ESCAPE_MARKUP)
                assert_true(c != '<' && c != '>' && c != '"' && (c >= 32 || c == '\n' || c == '\t'));
            if (escape == TC_ESCAPE_TERMINAL || escape == TC_ESCAPE_TSV)
                assert_true(c >= 32 && c != 127);
        }
        tc_buf_free(&t);
    }
}

static void numbers_read_well(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } durations[] = {{0, "0 ns"},
                     {999, "999 ns"},
                     {1000, "1.0 µs"},
                     {412000000, "412 ms"},
                     {2100000, "2.1 ms"},
                     {9876543, "9.88 ms"},
                     {999700000, "1.0 s"},
                     {9310000000, "9.31 s"},
                     {TC_NEVER_NS, "never"},
                     {720000000000, "12.0 min"}};
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        struct tc_buf t = {0};
        tc_buf_duration(&t, durations[i].ns);
        assert_string_equal(tc_buf_get(&t), durations[i].text);
        tc_buf_free(&t);
    }
    struct tc_buf t = {0};
    tc_buf_count(&t, 12003);
    tc_buf_add(&t, " ");
    tc_buf_count(&t, 999);
    tc_buf_add(&t, " ");
    tc_buf_count(&t, UINT64_MAX);
    assert_string_equal(tc_buf_get(&t), "12,003 999 18,446,744,073,709,551,615");
    tc_buf_free(&t);
    tc_buf_base64(&t, (struct tc_slice){(const uint8_t *)"any carnal pleas", 16});
    assert_string_equal(tc_buf_get(&t), "YW55IGNhcm5hbCBwbGVhcw==");
    tc_buf_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_inert),
        cmocka_unit_test(invalid_utf8_is_replaced),
        cmocka_unit_test(terminal_cannot_be_steered),
        cmocka_unit_test(fields_and_strings_stay_one),
        cmocka_unit_test(any_bytes_are_harmless),
        cmocka_unit_test(numbers_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
