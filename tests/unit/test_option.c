/* links: tc_base
 *
 * The command line: what it takes, and how it refuses the rest. */
#include "../../proxy/option.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PARSE(...)                                                                                                     \
    (char *[])                                                                                                         \
    {                                                                                                                  \
        "turncoat", __VA_ARGS__, NULL                                                                                  \
    }

static struct tc_arguments a;
static struct tc_error err;

static int parse(char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    memset(&err, 0, sizeof err);
    return tc_arguments_parse(argc, argv, &a, &err);
}

static void test_takes_options_and_operands(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(parse(PARSE("run", "equivocate-half", "--seed", "0x10", "--during=250ms", "--arg", "share=0.5",
                                 "--arg=x=1", "--verbose")),
                     0);
    assert_int_equal(a.command, TC_COMMAND_RUN);
    assert_string_equal(a.operands[0], "equivocate-half");
    assert_int_equal(tc_arguments_u64(&a, TC_OPTION_SEED, 0, &value, &err), 0);
    assert_int_equal(value, 16);
    assert_int_equal(tc_arguments_time_ns(&a, TC_OPTION_DURING, 0, &value, &err), 0);
    assert_int_equal(value, 250000000);
    assert_int_equal(tc_arguments_time_ns(&a, TC_OPTION_AFTER, 7, &value, &err), 0);
    assert_int_equal(value, 7);
    assert_int_equal(a.arg_count, 2);
    assert_string_equal(a.args[1], "x=1");
    assert_true(tc_arguments_has(&a, TC_OPTION_VERBOSE));
    assert_false(tc_arguments_has(&a, TC_OPTION_QUIET));
    assert_string_equal(a.line,
                        "turncoat run equivocate-half --seed 0x10 --during=250ms --arg share=0.5 --arg=x=1 --verbose");
}

/* What can be said without a command. */
static void test_without_a_command(void **state)
{
    (void)state;
    assert_int_equal(parse(PARSE("--help")), 0);
    assert_int_equal(a.command, TC_COMMAND_HELP);
    assert_false(tc_arguments_has(&a, TC_OPTION_VERSION));
    assert_int_equal(parse(PARSE("--version")), 0);
    assert_true(tc_arguments_has(&a, TC_OPTION_VERSION));
    assert_int_equal(parse(PARSE("help", "--version")), 0);
    assert_true(tc_arguments_has(&a, TC_OPTION_VERSION));
    assert_int_equal(parse(PARSE("run", "--version")), TC_EUSAGE);
}

static void test_says_what_is_wrong(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(parse(PARSE("rnu")), TC_EUSAGE);
    assert_non_null(strstr(err.text, "did you mean 'run'"));
    assert_int_equal(parse(PARSE("run", "--sed", "1")), TC_EUSAGE);
    assert_non_null(strstr(err.text, "did you mean --seed"));
    assert_int_equal(parse(PARSE("run", "--seed")), TC_EUSAGE);
    assert_non_null(strstr(err.text, "--seed N"));
    assert_int_equal(parse(PARSE("run", "--quiet=yes")), TC_EUSAGE);
    assert_int_equal(parse(PARSE("run", "--arg", "novalue")), TC_EUSAGE);
    assert_int_equal(parse(PARSE("replica", "--out", "x")), TC_EUSAGE);
    assert_int_equal(parse(PARSE("run", "--color", "sometimes")), TC_EUSAGE);
    assert_non_null(strstr(err.text, "'sometimes'"));
    assert_int_equal(parse(PARSE("run", "--color", "never")), 0);
    assert_int_equal(parse(PARSE("run", "--seed", "-1", "--during", "soon")), 0);
    assert_int_equal(tc_arguments_u64(&a, TC_OPTION_SEED, 0, &value, &err), TC_EUSAGE);
    assert_int_equal(tc_arguments_time_ns(&a, TC_OPTION_DURING, 0, &value, &err), TC_EUSAGE);
    assert_non_null(strstr(err.text, "soon"));
}

static void test_too_much_is_refused(void **state)
{
    (void)state;
    char *many[2 * TC_OPTION_ARGS_MAX + 8] = {"turncoat", "run"};
    size_t at = 2;
    for (int i = 0; i <= TC_OPTION_ARGS_MAX; i++) {
        many[at++] = "--arg";
        many[at++] = "a=b";
    }
    assert_int_equal(parse(many), TC_EUSAGE);
    static char *operands[TC_OPERANDS_MAX + 4] = {"turncoat", "report"};
    for (at = 2; at < TC_OPERANDS_MAX + 2; at++)
        operands[at] = "1";
    assert_int_equal(parse(operands), 0);
    operands[at] = "1";
    assert_int_equal(parse(operands), TC_EUSAGE);
}

static void test_every_option_belongs_somewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < TC_OPTION_COUNT; i++) {
        assert_int_not_equal(tc_options[i].commands, 0);
        assert_true(strlen(tc_options[i].help) > 5);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(tc_options[i].name, tc_options[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_options_and_operands),
        cmocka_unit_test(test_without_a_command),
        cmocka_unit_test(test_says_what_is_wrong),
        cmocka_unit_test(test_too_much_is_refused),
        cmocka_unit_test(test_every_option_belongs_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
