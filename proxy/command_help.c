/* turncoat help [NAME]: a command, an attack, a scenario, an oracle, a bug, a strategy, a protocol, a word of the
 * scripts. */
#include "command.h"

#include "../injectors/adversary.h"
#include "../lua/scenario.h"
#include "../oracles/oracle.h"
#include "../proxy/names.h"
#include "../reference/bugs.h"

#include <stdio.h>
#include <string.h>

struct wanted {
    const char *name;
    bool found;
};

static const char *expectation(enum tc_expect expect, const char *yes, const char *no)
{
    return expect == TC_EXPECT_UNSET ? NULL : expect == TC_EXPECT_YES ? yes : no;
}

static void print_kinds(uint32_t kinds)
{
    if (kinds == TC_SCRIPT_KINDS_ALL) {
        printf("messages  all kinds\n");
        return;
    }
    printf("messages ");
    for (int kind = 0; kind < TC_KIND_COUNT; kind++)
        if (kinds & (1u << kind))
            printf(" %s", tc_kind_name((enum tc_kind)kind));
    printf("\nprotocols");
    for (size_t i = 0; tc_protocols[i]; i++) {
        uint32_t has = 0;
        for (size_t row = 0; row < tc_protocols[i]->row_count; row++)
            has |= 1u << tc_protocols[i]->rows[row].kind;
        if ((kinds & ~has) == 0)
            printf(" %s", tc_protocols[i]->name);
    }
    printf("\n");
}

static void print_attack(const struct tc_script_info *info)
{
    printf("%s: %s\n\n", info->name, info->summary);
    print_kinds(info->kinds);
    if (info->tag_count) {
        printf("tags     ");
        for (uint32_t i = 0; i < info->tag_count; i++)
            printf(" %s", info->tags[i]);
        printf("\n");
    }
    printf("keys      %s\n", info->needs_keys ? "signs as the traitors: their secret keys are needed" : "none needed");
    for (uint32_t i = 0; i < info->arg_count; i++)
        printf("%s --arg %s=%s   %s\n", i ? "         " : "arguments", info->args[i].name, info->args[i].value,
               info->args[i].help);
    const char *const asserted[] = {
        expectation(info->expect_safety, "safety holds", "safety is broken"),
        expectation(info->expect_liveness, "the rest keep deciding", "the cluster halts"),
        expectation(info->expect_evidence, "the traitor is caught with its own signatures", "no evidence"),
    };
    printf("asserts  ");
    for (size_t i = 0, shown = 0; i < 3; i++)
        if (asserted[i])
            printf("%s %s", shown++ ? ";" : "", asserted[i]);
    printf("\n");
    if (info->verdict_sample[0])
        printf("sample    %s\n", info->verdict_sample);
    if (info->source[0])
        printf("source    %s\n", info->source);
    printf("file      %s\nrun       turncoat run %s\n", info->path, info->name);
}

static void match_attack(void *self, const struct tc_script_info *info)
{
    struct wanted *wanted = self;
    if (!wanted->found && strcmp(info->name, wanted->name) == 0) {
        wanted->found = true;
        print_attack(info);
    }
}

static void match_scenario(void *self, const struct tc_script_info *info)
{
    struct wanted *wanted = self;
    if (strcmp(info->name, wanted->name) == 0) {
        printf("%sscenario %s: %s\nfile      %s\nrun       turncoat run %s\n", wanted->found ? "\n" : "", info->name,
               info->summary, info->path, info->path);
        wanted->found = true;
    }
}

static bool help_oracle(const char *name)
{
    static const char *const properties[] = {"a safety property of the correct replicas", "a liveness property",
                                             "a detector: it names traitors", "a measure: only thresholds fail it"};
    for (size_t i = 0; tc_oracle_classes[i]; i++) {
        if (strcmp(tc_oracle_classes[i]->name, name) == 0) {
            printf("oracle %s: %s\nit is     %s\n", name, tc_oracle_classes[i]->summary,
                   properties[tc_oracle_classes[i]->property]);
            return true;
        }
    }
    return false;
}

static bool help_bug(const char *name)
{
    int bug = tc_bug_find(name);
    if (bug < 0)
        return false;
    const struct tc_bug_row *row = &tc_bugs[bug];
    printf("bug %s (number %d of the zoo, %s): %s\nbreaks    %s\ncaught by %s\nsource    %s\n", row->name, row->number,
           row->protocols, row->summary, row->breaks, row->caught_by, row->source);
    return true;
}

static bool help_strategy(const char *name)
{
    const struct tc_adversary_class *strategy = tc_adversary_find(name);
    if (!strategy)
        return false;
    printf("strategy %s: %s\nsource    %s\nrun       turncoat hunt hunt-pbft --strategy %s\n", name, strategy->summary,
           strategy->source, name);
    return true;
}

int tc_command_help(const struct tc_arguments *a, struct tc_error *err)
{
    if (tc_arguments_has(a, TC_OPTION_MAN)) {
        tc_help_man();
        return 0;
    }
    if (tc_arguments_has(a, TC_OPTION_COMPLETION)) {
        tc_help_completion();
        return 0;
    }
    if (!a->operand_count) {
        tc_help_overview();
        return 0;
    }
    struct wanted wanted = {a->operands[0], false};
    for (int i = 0; i < TC_COMMAND_COUNT; i++) {
        if (strcmp(tc_commands[i].name, wanted.name) == 0) {
            tc_help_command((enum tc_command_id)i);
            return 0;
        }
    }
    tc_script_each(tc_command_lua_dir(a), "attacks", match_attack, &wanted);
    tc_script_each(tc_command_lua_dir(a), "scenarios", match_scenario, &wanted);
    /* A word may mean several things: 'scenario', 'replace', 'pbft'. All are said. */
    wanted.found |= help_oracle(wanted.name);
    wanted.found |= help_bug(wanted.name);
    wanted.found |= help_strategy(wanted.name);
    wanted.found |= tc_help_protocol(wanted.name);
    wanted.found |= tc_help_api(wanted.name);
    if (!wanted.found)
        return tc_error_set(
            err, TC_ENOT_FOUND,
            "no command, attack, scenario, oracle, bug, strategy, protocol or word of the API '%s'; 'turncoat "
            "list' and 'turncoat help api' name them",
            wanted.name);
    return 0;
}
