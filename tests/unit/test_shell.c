/* links: tc_base
 *
 * Lines for a shell: what a shell reads out of them is what was put in. */
#include "../../proxy/shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_quotes_what_a_shell_would_read_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *word, *quoted;
    } rows[] = {{"equivocate-half", "equivocate-half"},
                {"share=1/2", "share=1/2"},
                {"", "''"},
                {"my lua", "'my lua'"},
                {"it's", "'it'\\''s'"},
                {"$HOME", "'$HOME'"},
                {"~/lua", "'~/lua'"},
                {"a;b|c&d<e>(f)", "'a;b|c&d<e>(f)'"},
                {"*?[x]{1,2}", "'*?[x]{1,2}'"},
                {"\"`\\!#", "'\"`\\!#'"},
                {"für", "'für'"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[64] = "";
        tc_shell_add(line, sizeof line, rows[i].word);
        assert_string_equal(line, rows[i].quoted);
    }
}

static void test_makes_lines(void **state)
{
    (void)state;
    char line[80];
    tc_shell_line(line, sizeof line, "run", "my scenario.lua");
    tc_shell_option(line, sizeof line, "verify-all", NULL);
    tc_shell_option(line, sizeof line, "arg", "x=");
    tc_shell_option(line, sizeof line, "bug", "");
    assert_string_equal(line, "turncoat run 'my scenario.lua' --verify-all --arg x= --bug ''");
}

/* The shell itself is asked what it reads. */
static void test_a_shell_reads_the_words(void **state)
{
    (void)state;
    static const char *const words[] = {"a b", "'", "''", "\\", "$(exit 3)", "`exit 4`", "\t", "*", "-n", "x\ny"};
    char line[512] = "printf %s", script[600], read[512] = "", expected[512] = "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        tc_shell_add(line, sizeof line, words[i]);
        strcat(expected, words[i]);
    }
    snprintf(script, sizeof script, "%s", line);
    FILE *shell = popen(script, "r");
    assert_non_null(shell);
    const size_t len = fread(read, 1, sizeof read - 1, shell);
    assert_int_equal(pclose(shell), 0);
    read[len] = 0;
    assert_string_equal(read, expected);
}

static void test_a_line_that_is_full_says_so(void **state)
{
    (void)state;
    for (size_t size = 8; size < 40; size++) {
        char line[48];
        memset(line, 'x', sizeof line);
        line[0] = 0;
        for (int i = 0; i < 9; i++)
            tc_shell_add(line, size, i % 2 ? "it's" : "word");
        assert_true(strlen(line) < size);
        assert_string_equal(line + strlen(line) - strlen(" …"), " …");
        assert_int_equal(line[size], 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes_what_a_shell_would_read_otherwise),
        cmocka_unit_test(test_makes_lines),
        cmocka_unit_test(test_a_shell_reads_the_words),
        cmocka_unit_test(test_a_line_that_is_full_says_so),
    };
    return cmocka_run_group_tests_name("shell", tests, NULL, NULL);
}
