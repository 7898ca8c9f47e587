/* turncoat list: attacks, scenarios, protocols, oracles, bugs, strategies. */
#include "command.h"

#include "../injectors/adversary.h"
#include "../lua/scenario.h"
#include "../oracles/oracle.h"
#include "../reference/bugs.h"
#include "../reference/protocol.h"

#include <stdio.h>
#include <string.h>

#define NAME_COLUMN 38 /* the longest name of the library */

struct filter {
    const char *tag, *protocol;
    bool names_only;
    size_t shown;
};

static void show(const char *name, const char *summary, bool names_only)
{
    if (names_only)
        printf("%s\n", name);
    else
        printf("  %-*s  %s\n", NAME_COLUMN, name, summary);
}

static void show_script(void *self, const struct tc_script_info *info)
{
    struct filter *filter = self;
    bool matches = !filter->tag;
    for (uint32_t i = 0; i < info->tag_count && !matches; i++)
        matches = strcmp(info->tags[i], filter->tag) == 0;
    const struct tc_protocol *protocol = filter->protocol ? tc_protocol_find(filter->protocol) : NULL;
    if (protocol && info->kinds != TC_SCRIPT_KINDS_ALL) {
        uint32_t has = 0;
        for (size_t i = 0; i < protocol->row_count; i++)
            has |= 1u << protocol->rows[i].kind;
        matches = matches && (info->kinds & ~has) == 0;
    }
    if (filter->protocol && *info->protocol) /* a scenario is about its cluster's */
        matches = matches && strcmp(info->protocol, filter->protocol) == 0;
    if (!matches)
        return;
    show(info->name, info->summary, filter->names_only);
    filter->shown++;
}

static int list_scripts(const struct tc_arguments *a, const char *kind, struct tc_error *err)
{
    struct filter filter = {a->values[TC_OPTION_TAG], a->values[TC_OPTION_PROTOCOL],
                            tc_arguments_has(a, TC_OPTION_NAMES), 0};
    int result = tc_script_each(tc_command_lua_dir(a), kind, show_script, &filter);
    if (result < 0)
        return tc_error_set(err, result == TC_EMEMORY ? result : TC_EUSAGE, "cannot read %s/%s; is --lua-dir right?",
                            tc_command_lua_dir(a), kind);
    if (!filter.shown) {
        fflush(stdout); /* below its heading, wherever the two lead */
        fprintf(stderr, "none match\n");
    }
    return 0;
}

static void list_protocols(bool names_only)
{
    for (size_t i = 0; tc_protocols[i]; i++)
        show(tc_protocols[i]->name, tc_protocols[i]->summary, names_only);
}

static void list_oracles(bool names_only)
{
    for (size_t i = 0; tc_oracle_classes[i]; i++)
        show(tc_oracle_classes[i]->name, tc_oracle_classes[i]->summary, names_only);
}

static void list_bugs(bool names_only)
{
    for (size_t i = 0; i < TC_BUG_COUNT; i++)
        show(tc_bugs[i].name, tc_bugs[i].summary, names_only);
}

static void list_strategies(bool names_only)
{
    for (size_t i = 0; tc_adversaries[i]; i++)
        show(tc_adversaries[i]->name, tc_adversaries[i]->summary, names_only);
}

int tc_command_list(const struct tc_arguments *a, struct tc_error *err)
{
    static const char *const words[] = {"attacks", "scenarios", "protocols", "oracles", "bugs", "strategies"};
    bool names_only = tc_arguments_has(a, TC_OPTION_NAMES);
    const char *what = a->operand_count ? a->operands[0] : NULL;
    const char *protocol = a->values[TC_OPTION_PROTOCOL];
    bool known = !what;
    int result = 0;
    if (protocol && !tc_protocol_find(protocol))
        return tc_error_set(err, TC_EUSAGE, "no protocol '%s'; 'turncoat list protocols' names them", protocol);
    for (size_t i = 0; i < sizeof words / sizeof *words && result == 0; i++) {
        if (what && strcmp(what, words[i]) != 0)
            continue;
        known = true;
        if (!what &&
            ((i >= 1 && tc_arguments_has(a, TC_OPTION_TAG)) || (i >= 2 && tc_arguments_has(a, TC_OPTION_PROTOCOL))))
            continue; /* tags are said of attacks only, protocols of attacks and scenarios */
        if (!what && !names_only)
            printf("%s%s\n", i ? "\n" : "", words[i]);
        if (i < 2)
            result = list_scripts(a, words[i], err);
        else if (i == 2)
            list_protocols(names_only);
        else if (i == 3)
            list_oracles(names_only);
        else if (i == 4)
            list_bugs(names_only);
        else
            list_strategies(names_only);
    }
    if (!known)
        return tc_error_set(
            err, TC_EUSAGE,
            "'turncoat list' knows attacks, scenarios, protocols, oracles, bugs and strategies, not '%s'", what);
    return result;
}
