/* Help, man page and completion, derived from the one table of commands and options. */
#include "option.h"

#include <stdio.h>
#include <string.h>

#ifndef TC_VERSION
#define TC_VERSION "unversioned"
#endif

static const struct {
    int code;
    const char *meaning;
} exits[] = {
    {0, "the outcome is the expected one"},
    {1, "a property was violated"},
    {2, "a threshold or the baseline was missed"},
    {3, "inconclusive: a fault never bit, too few samples, an expected breach that did not come"},
    {64, "usage or configuration error"},
    {69, "cluster unreachable, port taken"},
    {70, "internal or script error"},
    {77, "skipped: a key is missing"},
    {130, "interrupted; the report is written all the same"},
};

void tc_help_overview(void)
{
    printf("turncoat %s: turns loyal replicas into traitors, and judges what the others make of it\n\n", TC_VERSION);
    printf("usage: turncoat COMMAND [OPTIONS]\n       turncoat --%s | --%s\n\n", tc_options[TC_OPTION_HELP].name,
           tc_options[TC_OPTION_VERSION].name);
    for (size_t i = 0; i < TC_COMMAND_COUNT; i++)
        printf("  %-9s %s\n", tc_commands[i].name, tc_commands[i].summary);
    printf("\n'turncoat help COMMAND' explains a command, 'turncoat help NAME' an attack, a scenario, an oracle or a "
           "bug.\nStart with 'turncoat demo', then 'turncoat list'.\n\nexit codes:\n");
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
        printf("  %3d  %s\n", exits[i].code, exits[i].meaning);
}

/* Prints text folded at about `width` columns, each line indented. */
static void fold(const char *text, int indent, int width)
{
    int column = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && column + 1 + (int)len > width) {
            printf("\n%*s", indent, "");
            column = 0;
        }
        printf("%s%.*s", column ? " " : "", (int)len, text);
        column += (int)len + (column ? 1 : 0);
        text += len;
        text += strspn(text, " ");
    }
    printf("\n");
}

void tc_help_command(enum tc_command_id command)
{
    const struct tc_command_row *row = &tc_commands[command];
    printf("usage: turncoat %s %s%s[OPTIONS]\n\n%s.\n", row->name, row->operands, *row->operands ? " " : "",
           row->summary);
    if (*row->detail)
        fold(row->detail, 0, 90);
    printf("\n");
    for (size_t i = 0; i < TC_OPTION_COUNT; i++) {
        const struct tc_option_row *option = &tc_options[i];
        if (!(option->commands & (1u << command)))
            continue;
        char left[64];
        snprintf(left, sizeof left, "--%s %s", option->name, option->argument ? option->argument : "");
        printf("  %-22s", left);
        fold(option->help, 24, 66);
    }
}

/* Text in roff: hyphens are options' dashes, a leading dot or quote would be a request. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        printf("\\&");
    for (; *text; text++) {
        if (*text == '-')
            printf("\\-");
        else if (*text == '\\')
            printf("\\e");
        else if (strncmp(text, "…", 3) == 0) {
            printf("...");
            text += 2;
        } else
            putchar(*text);
    }
}

static void man_command(size_t command)
{
    const struct tc_command_row *row = &tc_commands[command];
    printf(".SS \"turncoat %s %s\"\n", row->name, row->operands);
    roff(row->summary);
    printf(".\n");
    if (*row->detail) {
        roff(row->detail);
        printf("\n");
    }
    for (size_t i = 0; i < TC_OPTION_COUNT; i++) {
        if (!(tc_options[i].commands & (1u << command)) || i == TC_OPTION_HELP)
            continue;
        printf(".TP\n\\fB\\-\\-");
        roff(tc_options[i].name);
        printf("\\fR");
        if (tc_options[i].argument)
            printf(" \\fI%s\\fR", tc_options[i].argument);
        printf("\n");
        roff(tc_options[i].help);
        printf("\n");
    }
}

void tc_help_man(void)
{
    printf(".TH TURNCOAT 1 \"\" \"turncoat %s\"\n.SH NAME\n"
           "turncoat \\- a Byzantine man in the middle for BFT clusters, with judges\n"
           ".SH SYNOPSIS\n.B turncoat\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.br\n"
           ".B turncoat \\-\\-%s\n|\n.B \\-\\-%s\n.SH COMMANDS\n",
           TC_VERSION, tc_options[TC_OPTION_HELP].name, tc_options[TC_OPTION_VERSION].name);
    for (size_t i = 0; i < TC_COMMAND_COUNT; i++)
        man_command(i);
    printf(".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++) {
        printf(".TP\n.B %d\n", exits[i].code);
        roff(exits[i].meaning);
        printf("\n");
    }
    printf(".SH FILES\n.TP\n.I out/NAME/TIME\\-SEED/\nOne run: result.json, junit.xml, report.html, decisions.jsonl, "
           "observations.jsonl, trace.pcap, metrics.tsv, plots, evidence and logs.\n.TP\n.I out/NAME/latest\nThe "
           "newest one.\n");
}

void tc_help_completion(void)
{
    printf("# bash completion for turncoat; put it where bash-completion looks, or source it\n_turncoat() {\n"
           "    local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"${COMP_WORDS[1]}\" words=\"\"\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    for (size_t i = 0; i < TC_COMMAND_COUNT; i++)
        printf("%s ", tc_commands[i].name);
    printf("--%s --%s", tc_options[TC_OPTION_HELP].name, tc_options[TC_OPTION_VERSION].name);
    printf("\"\n    else\n        case \"$command\" in\n");
    for (size_t command = 0; command < TC_COMMAND_COUNT; command++) {
        printf("        %s) words=\"", tc_commands[command].name);
        for (size_t i = 0; i < TC_OPTION_COUNT; i++)
            if (tc_options[i].commands & (1u << command))
                printf("--%s ", tc_options[i].name);
        printf("\" ;;\n");
    }
    printf("        esac\n"
           "        case \"$word\" in\n        -*) ;;\n        *)\n            case \"$command\" in\n"
           "            run) words=\"$words $(turncoat list scenarios --names 2>/dev/null)\" ;;\n"
           "            help) words=\"$words $(turncoat list --names 2>/dev/null)\" ;;\n"
           "            list) words=\"attacks scenarios protocols oracles bugs $words\" ;;\n"
           "            esac ;;\n        esac\n"
           "    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n}\n"
           "complete -F _turncoat turncoat\n");
}
