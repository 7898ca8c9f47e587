/* turncoat replay and shrink: from a decisions file back to the run it is of. */
#define _GNU_SOURCE
#include "command.h"
#include "hunt.h"
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The options that the run had, as if they had been given to `turncoat run`. Values point into the header. */
static int options_of(const struct tc_decisions_header *h, const char *path, struct tc_arguments *out,
                      struct tc_error *err)
{
    for (uint32_t i = 0; i < h->option_count; i++) {
        const char *value = strchr(h->options[i], '=');
        const size_t len = value ? (size_t)(value - h->options[i]) : 0;
        int id = 0;
        while (id < TC_OPTION_COUNT &&
               (strlen(tc_options[id].name) != len || strncmp(tc_options[id].name, h->options[i], len) != 0))
            id++;
        if (!value || id == TC_OPTION_COUNT)
            return tc_error_set(err, TC_EMALFORMED, "%s:1: expected options of 'turncoat run', found '%s'", path,
                                h->options[i]);
        if (id != TC_OPTION_ARG)
            out->values[id] = value + 1;
        else if (out->arg_count < TC_OPTION_ARGS_MAX)
            out->args[out->arg_count++] = value + 1;
    }
    return 0;
}

/* The library that this command is told, else the one that the run was told if it is still there, else our own. */
static const char *library(const struct tc_arguments *a, const struct tc_arguments *then)
{
    const char *recorded = then->values[TC_OPTION_LUA_DIR];
    char prelude[700];
    snprintf(prelude, sizeof prelude, "%s/prelude.lua", recorded ? recorded : "");
    const bool there = recorded && access(prelude, R_OK) == 0;
    return there && !tc_arguments_has(a, TC_OPTION_LUA_DIR) ? recorded : tc_command_lua_dir(a);
}

/* By the name it was given, else where it was then. */
static int load_scenario(const char *lua_dir, const struct tc_decisions_header *h, struct tc_scenario *out,
                         struct tc_error *err)
{
    struct tc_error other = {0};
    const int status = tc_scenario_load(lua_dir, h->scenario, out, err);
    if (status != TC_ENOT_FOUND || tc_scenario_load(lua_dir, h->path, out, &other) < 0)
        return status;
    return 0;
}

/* A run of another version, protocol or scenario would take other messages for those that are named here. */
static int check_same(const char *lua_dir, const char *path, const struct tc_decisions_header *h,
                      const struct tc_scenario *scenario, struct tc_error *err)
{
    uint64_t content;
    if (strcmp(h->protocol, scenario->cluster.protocol) != 0)
        return tc_error_set(err, TC_EUSAGE, "%s: it is of protocol %s, and scenario %s is now of %s", path, h->protocol,
                            scenario->path, scenario->cluster.protocol);
    const int status = tc_run_content(scenario, lua_dir, &content, err);
    if (status < 0)
        return status;
    if (content != h->content)
        return tc_error_set(err, TC_EUSAGE,
                            "%s: scenario %s or its attack is not what it was then (content %016" PRIx64
                            ", now %016" PRIx64 "): its decisions would hit other messages",
                            path, scenario->path, h->content, content);
    return 0;
}

/* The scenario that a decisions file is of, as it was then, if it still is; and a request that
 * repeats the run. `arguments` are those of the command that reads the file. TC_EUSAGE: another version, protocol or
 * scenario. */
static int recorded(const struct tc_arguments *a, const char *path, const struct tc_decisions *decisions,
                    struct tc_scenario *scenario, struct tc_run_request *request, struct tc_error *err)
{
    static struct tc_arguments then;
    const struct tc_decisions_header *h = &decisions->header;
    memset(&then, 0, sizeof then);
    then.command = TC_COMMAND_RUN;
    if (strcmp(h->version, TC_VERSION) != 0)
        return tc_error_set(err, TC_EUSAGE, "%s: it was written by turncoat %s, this is %s", path, h->version,
                            TC_VERSION);
    int status = options_of(h, path, &then, err);
    const char *lua_dir = library(a, &then);
    if (status == 0)
        status = load_scenario(lua_dir, h, scenario, err);
    if (status == 0)
        status = tc_command_apply(&then, lua_dir, scenario, err);
    if (status == 0 && *h->bug)
        snprintf(scenario->cluster.bug, sizeof scenario->cluster.bug, "%s", h->bug);
    if (status == 0)
        status = check_same(lua_dir, path, h, scenario, err);
    if (status == 0)
        status = tc_command_request(a, scenario, request, err);
    if (status < 0)
        return status;
    request->lua_dir = lua_dir;
    request->simulated = strcmp(tc_arguments_text(a, TC_OPTION_WORLD, "sim"), "sim") == 0;
    request->ed25519 = strcmp(h->signatures, "ed25519") == 0;
    request->seed = h->seed;
    request->header = h;
    request->replay = &decisions->tape;
    return 0;
}

/* ---- is it the same run? ---- */

static FILE *open_beside(const char *path, bool directory)
{
    char name[1200];
    const char *slash = strrchr(path, '/');
    const int len = directory ? (int)strlen(path) : slash ? (int)(slash - path) : 0;
    snprintf(name, sizeof name, "%.*s%sobservations.jsonl", len, path, len ? "/" : "");
    return fopen(name, "re");
}

/* 1: equal, 0: they differ, -1: nothing beside the decisions to compare with. */
static int compare_observations(const char *decisions, const char *dir)
{
    static char a[65536], b[65536];
    FILE *then = open_beside(decisions, false), *now = open_beside(dir, true);
    int equal = then && now ? 1 : -1;
    for (size_t n = 1; equal == 1 && n > 0;) {
        n = fread(a, 1, sizeof a, then);
        equal = fread(b, 1, sizeof b, now) == n && memcmp(a, b, n) == 0;
    }
    if (then)
        fclose(then);
    if (now)
        fclose(now);
    return equal;
}

static int say_same(const char *path, const struct tc_decisions *recorded, const struct tc_run_result *result,
                    struct tc_error *err)
{
    const struct tc_decisions_end *then = &recorded->end, *now = &result->end;
    const int observations = compare_observations(path, result->dir);
    if (then->hash != now->hash || strcmp(then->verdict, now->verdict) != 0 || observations == 0)
        return tc_error_set(err, TC_EINTERNAL,
                            "%s: the run did not repeat: recorded %s, hash %016" PRIx64 "; now %s, hash %016" PRIx64
                            "%s",
                            path, then->verdict, then->hash, now->verdict, now->hash,
                            observations == 0 ? "; observations.jsonl differs" : "");
    printf("repeated  to the byte: %" PRIu64 " decisions, hash %016" PRIx64 "%s, %s%s%s as recorded\n", now->decisions,
           now->hash, observations == 1 ? ", observations.jsonl equal" : "", now->verdict, *now->oracle ? " " : "",
           now->oracle);
    return 0;
}

int tc_command_replay(const struct tc_arguments *a, struct tc_error *err)
{
    static struct tc_scenario scenario;
    static struct tc_decisions decisions;
    static char repeat[TC_SHELL_LINE_MAX];
    struct tc_run_request request;
    struct tc_run_result result;
    if (a->operand_count != 1)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat replay' needs one file: decisions.jsonl of a simulated run, or "
                            "shrunk.jsonl of a hunt");
    const char *path = a->operands[0];
    int status = tc_decisions_read(path, &decisions, err);
    if (status == 0)
        status = recorded(a, path, &decisions, &scenario, &request, err);
    if (status == 0) {
        tc_shell_line(repeat, sizeof repeat, "replay", path);
        if (!request.simulated)
            tc_shell_option(repeat, sizeof repeat, "world", "live");
        request.repeat = repeat;
        status = tc_run(&request, &result, err);
    }
    if (status == 0 && request.simulated && result.exit_code != 130)
        status = say_same(path, &decisions, &result, err);
    else if (status == 0)
        printf("replayed  %u of %u decisions found the message they name\n", result.replay_matched,
               result.replay_wanted);
    tc_decisions_free(&decisions);
    return status < 0 ? status : result.exit_code;
}

/* ---- shrink ---- */

static int open_trial(const struct tc_decisions *decisions, const struct tc_scenario *scenario,
                      const struct tc_run_request *request, struct tc_trial **out, struct tc_error *err)
{
    const struct tc_trial_setup setup = {.scenario = scenario,
                                         .lua_dir = request->lua_dir,
                                         .strategy = tc_adversary_find(decisions->header.strategy),
                                         .limits = decisions->header.limits,
                                         .decisions_max = decisions->header.decisions_max,
                                         .ed25519 = request->ed25519};
    return tc_trial_new(&setup, out, err);
}

/* PATH's shrunk.jsonl: beside it, by that name. */
static void beside(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%.*sshrunk.jsonl", slash ? (int)(slash - path) + 1 : 0, path);
}

/* The shrunk run once more, with a run directory: where the report is, and the file that repeats it. */
static int store(const char *path, struct tc_run_request *request, const struct tc_decisions *decisions,
                 const struct tc_hunt_shrunk *shrunk, struct tc_run_result *result, struct tc_error *err)
{
    static char to[1100], from[700], repeat[TC_SHELL_LINE_MAX], whole[TC_SHELL_LINE_MAX], note[600];
    beside(path, to, sizeof to);
    if (strcmp(to, path) == 0)
        return tc_error_set(err, TC_EUSAGE, "%s: it is called like the file to be written; give it another name", path);
    tc_shell_line(repeat, sizeof repeat, "replay", to);
    tc_shell_line(whole, sizeof whole, "replay", path);
    if (shrunk->result.kept == 0)
        snprintf(note, sizeof note, "shrunk from %u decisions to 0: no fault is needed, it comes by itself",
                 decisions->tape.choice_count);
    else
        snprintf(note, sizeof note, "shrunk from %u decisions to %u%s; first decision kept %s; %s",
                 decisions->tape.choice_count, shrunk->result.kept,
                 shrunk->result.minimal ? "" : " (more might be left out: its runs were used up)", shrunk->first_bad,
                 tc_hunt_cause_name(shrunk->cause));
    request->left_out = shrunk->left_out;
    request->repeat = repeat;
    request->repeats[0] = whole;
    request->notes[0] = note;
    int status = tc_run(request, result, err);
    snprintf(from, sizeof from, "%s/decisions.jsonl", result->dir);
    if (status == 0)
        status = tc_hunt_copy(from, to, err);
    if (status == 0)
        printf("shrunk    from %u decisions to %u in %u run%s%s: %s\n", decisions->tape.choice_count,
               shrunk->result.kept, shrunk->result.tried, shrunk->result.tried == 1 ? "" : "s",
               shrunk->result.minimal ? "" : ", and more might go", to);
    return status;
}

int tc_command_shrink(const struct tc_arguments *a, struct tc_error *err)
{
    static struct tc_scenario scenario;
    static struct tc_decisions decisions;
    struct tc_run_request request;
    struct tc_run_result result = {0};
    struct tc_hunt_shrunk shrunk = {0};
    struct tc_trial *trial = NULL;
    if (a->operand_count != 1)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat shrink' needs one file: decisions.jsonl of a simulated run that was violated");
    const char *path = a->operands[0];
    int status = tc_decisions_read(path, &decisions, err);
    if (status == 0)
        status = recorded(a, path, &decisions, &scenario, &request, err);
    if (status == 0)
        status = open_trial(&decisions, &scenario, &request, &trial, err);
    if (status == 0)
        status = tc_hunt_shrink(trial, decisions.header.seed, decisions.header.index, &decisions.tape, &scenario, "",
                                "", &shrunk, err);
    if (status == 0 && !shrunk.fails)
        status = tc_error_set(err, TC_EUSAGE, "%s: nothing was violated in this run (%s): there is nothing to shrink",
                              path, decisions.end.verdict);
    if (status == 0)
        status = store(path, &request, &decisions, &shrunk, &result, err);
    free(shrunk.left_out);
    tc_trial_free(trial);
    tc_decisions_free(&decisions);
    return status < 0 ? status : result.exit_code;
}
