/* turncoat help [NAME]: a command, an attack, a scenario, an oracle, a bug, a strategy, a protocol, a word of the
 * scripts. */
#include "command.h"

#include "../injectors/adversary.h"
#include "../lua/scenario.h"
#include "../oracles/oracles.h"
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

/* `run`: its name in the library, or its path. */
static void print_attack(const struct tc_script_info *info, const char *run)
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
    printf("file      %s\nrun       turncoat run %s\n", info->path, run);
}

static void match_attack(void *self, const struct tc_script_info *info)
{
    struct wanted *wanted = self;
    if (!wanted->found && strcmp(info->name, wanted->name) == 0) {
        wanted->found = true;
        print_attack(info, info->name);
    }
}

static void print_scenario(const struct tc_script_info *info)
{
    printf("scenario %s: %s\nfile      %s\nrun       turncoat run %s\n", info->name, info->summary, info->path,
           info->path);
}

static void match_scenario(void *self, const struct tc_script_info *info)
{
    struct wanted *wanted = self;
    if (strcmp(info->name, wanted->name) != 0)
        return;
    printf("%s", wanted->found ? "\n" : "");
    print_scenario(info);
    wanted->found = true;
}

/* A file of the user's own. */
static int help_file(const char *lua_dir, const char *path, struct tc_error *err)
{
    struct tc_script_info info;
    bool is_attack;
    const int rc = tc_script_describe(lua_dir, path, &info, &is_attack, err);
    if (rc == 0 && is_attack)
        print_attack(&info, info.path);
    else if (rc == 0)
        print_scenario(&info);
    return rc;
}

/* Without what an oracle reads it is not judged, or judges less. */
static void print_reads(const struct tc_oracle_class *oracle)
{
    static const char *const names[TC_OBS_COUNT] = {
        [TC_OBS_MESSAGE] = "messages",
        [TC_OBS_EXECUTED] = "what replicas execute",
        [TC_OBS_VIEW] = "the views they enter",
        [TC_OBS_STABLE] = "their checkpoints",
        [TC_OBS_REQUESTED] = "what clients ask",
        [TC_OBS_REPLIED] = "what they are answered",
        [TC_OBS_COMPLAINT] = "what replicas complain of",
        [TC_OBS_NODE_EXIT] = "the ends of processes",
        [TC_OBS_ACCUSED] = "evidence in decided blocks",
    };
    int shown = 0;
    for (int kind = 0; kind < TC_OBS_COUNT; kind++)
        if (names[kind] && (oracle->observations & TC_OBS_BIT(kind)))
            printf("%s%s", shown++ ? ", " : "reads     ", names[kind]);
    printf("%s", shown ? "\n" : "");
}

static void print_bugs(const char *oracle)
{
    for (int caught = 0; caught < 2; caught++) {
        int shown = 0;
        for (int i = 0; i < TC_BUG_COUNT; i++)
            if (strcmp(caught ? tc_bugs[i].caught_by : tc_bugs[i].breaks, oracle) == 0)
                printf("%s %s", shown++ ? "" : caught ? "catches  " : "broken by", tc_bugs[i].name);
        printf("%s", shown ? "\n" : "");
    }
}

static bool help_oracle(const char *name)
{
    static const char *const properties[] = {
        "a safety property of the correct replicas: broken with at most f traitors it is violated (exit 1)",
        "a liveness property of the correct replicas: judged while no more than f fail, once the attack is over",
        "a detector: it names traitors by their own signatures; naming a correct replica would be its own breach",
        "a measure: only a scenario's thresholds fail it"};
    for (size_t i = 0; tc_oracle_classes[i]; i++) {
        if (strcmp(tc_oracle_classes[i]->name, name) == 0) {
            printf("oracle %s: %s\nit is     %s\n", name, tc_oracle_classes[i]->summary,
                   properties[tc_oracle_classes[i]->property]);
            print_reads(tc_oracle_classes[i]);
            print_bugs(name);
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
    if (!wanted.found && tc_script_is_path(wanted.name))
        return help_file(tc_command_lua_dir(a), wanted.name, err);
    if (!wanted.found)
        return tc_error_set(
            err, TC_ENOT_FOUND,
            "no command, attack, scenario, oracle, bug, strategy, protocol or word of the API '%s'; 'turncoat "
            "list' and 'turncoat help api' name them",
            wanted.name);
    return 0;
}
