#define _GNU_SOURCE
#include "option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct tc_command_row tc_commands[TC_COMMAND_COUNT] = {
#define TC_COMMAND(ident, name, operands, summary, detail) {name, operands, summary, detail},
#include "option.def"
};

#define ON(ident) (1u << TC_COMMAND_##ident)
const struct tc_option_row tc_options[TC_OPTION_COUNT] = {
#define TC_OPTION(ident, name, argument, commands, help) {name, argument, commands, help},
#include "option.def"
};
#undef ON

#define WORD_MAX 40u

/* Levenshtein distance, for "did you mean"; words beyond WORD_MAX are never near. */
static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > WORD_MAX || lb > WORD_MAX)
        return WORD_MAX;
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[lb];
}

/* Of these words the one nearest to `word` within a few edits; NULL if none is near. */
static const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i]);
        if (d < best_distance) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}

static int unknown_command(const char *word, struct tc_error *err)
{
    const char *names[TC_COMMAND_COUNT];
    for (size_t i = 0; i < TC_COMMAND_COUNT; i++)
        names[i] = tc_commands[i].name;
    const char *near = nearest_word(word, names, TC_COMMAND_COUNT);
    return tc_error_set(err, TC_EUSAGE, "no command '%s'%s%s%s; 'turncoat help' lists them", word,
                        near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int unknown_option(const char *word, enum tc_command_id command, struct tc_error *err)
{
    const char *names[TC_OPTION_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < TC_OPTION_COUNT; i++)
        if (tc_options[i].commands & (1u << command))
            names[count++] = tc_options[i].name;
    const char *near = nearest_word(word, names, count);
    return tc_error_set(err, TC_EUSAGE, "'turncoat %s' has no option --%s%s%s%s; see 'turncoat help %s'",
                        tc_commands[command].name, word, near ? " (did you mean --" : "", near ? near : "",
                        near ? "?)" : "", tc_commands[command].name);
}

static int find_option(const char *name, size_t len, enum tc_command_id command)
{
    for (int i = 0; i < TC_OPTION_COUNT; i++)
        if ((tc_options[i].commands & (1u << command)) && strlen(tc_options[i].name) == len &&
            memcmp(tc_options[i].name, name, len) == 0)
            return i;
    return -1;
}

/* Takes `--name`, `--name=value` or `--name value`; *at is left on the last word used. */
static int take_option(struct tc_arguments *out, int argc, char *const *argv, int *at, struct tc_error *err)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    int option = find_option(name, len, out->command);
    if (option < 0) {
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), name);
        return unknown_option(word, out->command, err);
    }
    const char *value = "";
    if (tc_options[option].argument) {
        if (equals)
            value = equals + 1;
        else if (*at + 1 < argc)
            value = argv[++*at];
        else
            return tc_error_set(err, TC_EUSAGE, "--%s needs a value: --%s %s", tc_options[option].name,
                                tc_options[option].name, tc_options[option].argument);
    } else if (equals) {
        return tc_error_set(err, TC_EUSAGE, "--%s takes no value, found '%s'", tc_options[option].name, equals + 1);
    }
    out->values[option] = value;
    if (option == TC_OPTION_COLOR && strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 &&
        strcmp(value, "never") != 0)
        return tc_error_set(err, TC_EUSAGE, "--color expects auto, always or never, found '%s'", value);
    if (option == TC_OPTION_ARG) {
        if (out->arg_count == TC_OPTION_ARGS_MAX)
            return tc_error_set(err, TC_EUSAGE, "more than %d --arg", TC_OPTION_ARGS_MAX);
        if (!strchr(value, '='))
            return tc_error_set(err, TC_EUSAGE, "--arg expects NAME=VALUE, found '%s'", value);
        out->args[out->arg_count++] = value;
    }
    return 0;
}

/* A word of one letter that stands for an option with a value. */
static int take_short(struct tc_arguments *out, const char *name, int argc, char *const *argv, int *at,
                      struct tc_error *err)
{
    char *const words[] = {(char *)(uintptr_t)name, *at + 1 < argc ? argv[*at + 1] : NULL};
    int count = *at + 1 < argc ? 2 : 1, taken = 0;
    int result = take_option(out, count, words, &taken, err);
    *at += taken;
    return result;
}

static void remember_line(int argc, char *const *argv, struct tc_arguments *out)
{
    for (int i = 0; i < argc; i++)
        tc_shell_add(out->line, sizeof out->line, i == 0 ? "turncoat" : argv[i]);
}

int tc_arguments_parse(int argc, char *const *argv, struct tc_arguments *out, struct tc_error *err)
{
    memset(out, 0, sizeof *out);
    out->program = argc > 0 ? argv[0] : "turncoat";
    out->command = TC_COMMAND_HELP;
    remember_line(argc, argv, out);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return 0;
    if (strcmp(argv[1], "--version") == 0) {
        out->values[TC_OPTION_VERSION] = "";
        return 0;
    }
    int command = -1;
    for (int i = 0; i < TC_COMMAND_COUNT; i++)
        if (strcmp(tc_commands[i].name, argv[1]) == 0)
            command = i;
    if (command < 0)
        return unknown_command(argv[1], err);
    out->command = (enum tc_command_id)command;
    bool only_operands = false;
    for (int at = 2; at < argc; at++) {
        int result = 0;
        if (!only_operands && strcmp(argv[at], "--") == 0)
            only_operands = true;
        else if (!only_operands && strcmp(argv[at], "-h") == 0)
            out->values[TC_OPTION_HELP] = "";
        else if (!only_operands && strcmp(argv[at], "-i") == 0) /* as tcpdump has it */
            result = take_short(out, "--interface", argc, argv, &at, err);
        else if (!only_operands && strncmp(argv[at], "--", 2) == 0)
            result = take_option(out, argc, argv, &at, err);
        else if (out->operand_count == TC_OPERANDS_MAX)
            result = tc_error_set(err, TC_EUSAGE, "too many operands at '%s'", argv[at]);
        else
            out->operands[out->operand_count++] = argv[at];
        if (result < 0)
            return result;
    }
    return 0;
}

int tc_arguments_u64(const struct tc_arguments *a, enum tc_option_id option, uint64_t otherwise, uint64_t *value,
                     struct tc_error *err)
{
    const char *text = a->values[option];
    *value = otherwise;
    if (!text)
        return 0;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 0);
    if (errno || end == text || *end || text[0] == '-')
        return tc_error_set(err, TC_EUSAGE, "--%s expects a whole number, found '%s'", tc_options[option].name, text);
    *value = number;
    return 0;
}

int tc_arguments_time_ns(const struct tc_arguments *a, enum tc_option_id option, uint64_t otherwise, uint64_t *value_ns,
                         struct tc_error *err)
{
    static const struct {
        const char *suffix;
        double unit_ns;
    } units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"m", 60e9}, {"h", 3600e9}};
    const char *text = a->values[option];
    *value_ns = otherwise;
    if (!text)
        return 0;
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; end != text && number >= 0 && i < sizeof units / sizeof *units; i++) {
        double ns = number * units[i].unit_ns;
        if (strcmp(end, units[i].suffix) == 0 && ns < 1e18) {
            *value_ns = (uint64_t)(ns + 0.5);
            return 0;
        }
    }
    return tc_error_set(err, TC_EUSAGE, "--%s expects a time such as 2s, 500ms or 1m, found '%s'",
                        tc_options[option].name, text);
}

const char *tc_arguments_text(const struct tc_arguments *a, enum tc_option_id option, const char *otherwise)
{
    return a->values[option] ? a->values[option] : otherwise;
}
