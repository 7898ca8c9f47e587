/* The command line: parsed by one table (option.def), from which help, man page and completion are made too. */
#ifndef TC_OPTION_H
#define TC_OPTION_H

#include "error.h"
#include "shell.h"
#include "types.h"

enum tc_command_id {
#define TC_COMMAND(ident, name, operands, summary, detail) TC_COMMAND_##ident,
#include "option.def"
    TC_COMMAND_COUNT
};

enum tc_option_id {
#define TC_OPTION(ident, name, argument, commands, help) TC_OPTION_##ident,
#include "option.def"
    TC_OPTION_COUNT
};

#define TC_OPERANDS_MAX    4096 /* `turncoat report` of a large hunt names a directory a shard */
#define TC_OPTION_ARGS_MAX 32

struct tc_command_row {
    const char *name, *operands, *summary, *detail;
};

struct tc_option_row {
    const char *name;
    const char *argument; /* NULL: a flag */
    uint32_t commands;    /* bit set of enum tc_command_id */
    const char *help;
};

extern const struct tc_command_row tc_commands[TC_COMMAND_COUNT];
extern const struct tc_option_row tc_options[TC_OPTION_COUNT];

/* A parsed command line; strings are borrowed from argv. */
struct tc_arguments {
    enum tc_command_id command;
    const char *program;                  /* argv[0] */
    const char *values[TC_OPTION_COUNT];  /* NULL: not given; flags: "" */
    const char *args[TC_OPTION_ARGS_MAX]; /* every --arg */
    size_t arg_count;
    const char *operands[TC_OPERANDS_MAX];
    size_t operand_count;
    char line[TC_SHELL_LINE_MAX]; /* as typed, quoted for a shell */
};

/* Parses `turncoat COMMAND …`. TC_EUSAGE: the unknown word and the nearest known one, or which value is missing. */
int tc_arguments_parse(int argc, char *const *argv, struct tc_arguments *out, struct tc_error *err);

/* The option's value as a number, a time in ns ("250ms", "2s", "1m", bare numbers are seconds) or the default if it was
 * not given. TC_EUSAGE with the option's name and what was expected. */
int tc_arguments_u64(const struct tc_arguments *a, enum tc_option_id option, uint64_t otherwise, uint64_t *value,
                     struct tc_error *err);
int tc_arguments_time_ns(const struct tc_arguments *a, enum tc_option_id option, uint64_t otherwise, uint64_t *value_ns,
                         struct tc_error *err);

/* The option's text, or `otherwise`. */
const char *tc_arguments_text(const struct tc_arguments *a, enum tc_option_id option, const char *otherwise);

static inline bool tc_arguments_has(const struct tc_arguments *a, enum tc_option_id option)
{
    return a->values[option] != NULL;
}

/* Writes to standard output: all commands; one command; the man page; the bash completion. */
void tc_help_overview(void);
void tc_help_command(enum tc_command_id command);
void tc_help_man(void);
void tc_help_completion(void);

#endif
