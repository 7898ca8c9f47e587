/* turncoat run, demo, proxy: from the command line to a run. */
#define _GNU_SOURCE
#include "command.h"
#include "run.h"
#include "run_tally.h"

#include "../reference/bugs.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERRUPTED   130                   /* how a run exits that was */
#define PROXY_WAIT_NS UINT64_C(10000000000) /* for a first decision, if it is not to end before */

static bool wants_color(const struct tc_arguments *a)
{
    const char *when = tc_arguments_text(a, TC_OPTION_COLOR, "auto");
    if (strcmp(when, "always") == 0)
        return true;
    return strcmp(when, "never") != 0 && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

/* Adds an argument, or replaces the scenario's one of that name. */
static int set_arg(struct tc_scenario *scenario, const char *text, struct tc_error *err)
{
    size_t name_len = strcspn(text, "=") + 1;
    uint32_t at = 0;
    while (at < scenario->arg_count && strncmp(scenario->args[at], text, name_len) != 0)
        at++;
    if (at == TC_SCRIPT_ARGS_MAX || strlen(text) >= sizeof scenario->args[0])
        return tc_error_set(err, TC_EUSAGE, "--arg %s: too many or too long", text);
    snprintf(scenario->args[at], sizeof scenario->args[at], "%s", text);
    if (at == scenario->arg_count)
        scenario->arg_count++;
    return 0;
}

static int apply_times(const struct tc_arguments *a, struct tc_scenario *scenario, struct tc_error *err)
{
    uint64_t *phase_ns = scenario->phase_ns;
    int result = 0;
    if (tc_arguments_has(a, TC_OPTION_DURATION))
        result = tc_arguments_time_ns(a, TC_OPTION_DURATION, 0, &phase_ns[TC_RUN_DURING], err);
    if (result == 0)
        result = tc_arguments_time_ns(a, TC_OPTION_BEFORE, phase_ns[TC_RUN_BEFORE], &phase_ns[TC_RUN_BEFORE], err);
    if (result == 0)
        result = tc_arguments_time_ns(a, TC_OPTION_DURING, phase_ns[TC_RUN_DURING], &phase_ns[TC_RUN_DURING], err);
    if (result == 0)
        result = tc_arguments_time_ns(a, TC_OPTION_AFTER, phase_ns[TC_RUN_AFTER], &phase_ns[TC_RUN_AFTER], err);
    return result;
}

static int apply_cluster(const struct tc_arguments *a, const char *lua_dir, struct tc_scenario *scenario,
                         struct tc_error *err)
{
    uint64_t replicas, clients;
    int result = 0;
    if (tc_arguments_has(a, TC_OPTION_CLUSTER))
        result = tc_cluster_load(lua_dir, a->values[TC_OPTION_CLUSTER], &scenario->cluster, err);
    if (result < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_REPLICAS, scenario->cluster.cluster.n, &replicas, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_CLIENTS, scenario->load.clients, &clients, err)) < 0)
        return result;
    if (tc_arguments_has(a, TC_OPTION_REPLICAS)) {
        if (!scenario->cluster.start || replicas < TC_CLUSTER_N_MIN || replicas > 100)
            return tc_error_set(err, TC_EUSAGE, "--replicas expects 2 to 100, for a cluster that the scenario starts");
        scenario->cluster.cluster.n = (uint32_t)replicas;
        scenario->cluster.cluster.f = tc_protocol_faults_max((uint32_t)replicas);
    }
    if (clients > TC_NODES_MAX - TC_CLIENT_FIRST)
        return tc_error_set(err, TC_EUSAGE, "--clients expects at most %d", TC_NODES_MAX - TC_CLIENT_FIRST);
    scenario->load.clients = (uint32_t)clients;
    const char *bug = tc_arguments_text(a, TC_OPTION_BUG, "");
    const int number = tc_bug_find(bug);
    if (*bug && number < 0)
        return tc_error_set(err, TC_EUSAGE, "no seeded bug '%s'; 'turncoat list bugs' names them", bug);
    if (*bug && !tc_bug_applies(number, scenario->cluster.protocol))
        return tc_error_set(err, TC_EUSAGE, "bug '%s' is of %s, this scenario's protocol is %s", bug,
                            tc_bugs[number].protocols, scenario->cluster.protocol);
    if (*bug && !scenario->cluster.start)
        return tc_error_set(err, TC_EUSAGE, "--bug is for a cluster that the scenario starts; this one runs already");
    if (*bug)
        snprintf(scenario->cluster.bug, sizeof scenario->cluster.bug, "%s", bug);
    return 0;
}

/* What the command line says beats what the scenario says. */
int tc_command_apply(const struct tc_arguments *a, const char *lua_dir, struct tc_scenario *scenario,
                     struct tc_error *err)
{
    int result = apply_cluster(a, lua_dir, scenario, err);
    if (result == 0)
        result = apply_times(a, scenario, err);
    const char *attack = a->values[TC_OPTION_ATTACK];
    if (attack) {
        snprintf(scenario->attack, sizeof scenario->attack, "%s", strcmp(attack, "none") == 0 ? "" : attack);
        scenario->arg_count = 0;
    }
    for (size_t i = 0; result == 0 && i < a->arg_count; i++)
        result = set_arg(scenario, a->args[i], err);
    return result;
}

/* The options that a repetition must carry beside the seed. */
static const enum tc_option_id kept[] = {TC_OPTION_CLUSTER,  TC_OPTION_ATTACK,     TC_OPTION_BUG,
                                         TC_OPTION_REPLICAS, TC_OPTION_CLIENTS,    TC_OPTION_BEFORE,
                                         TC_OPTION_DURING,   TC_OPTION_AFTER,      TC_OPTION_DURATION,
                                         TC_OPTION_WORLD,    TC_OPTION_SIGNATURES, TC_OPTION_VERIFY_ALL};
_Static_assert(sizeof kept / sizeof *kept + 1 + TC_SCRIPT_ARGS_MAX <= TC_DECISIONS_OPTIONS_MAX, "options in a header");

/* The library, unless it is the one that is found without being told; NULL then. */
static const char *told_library(const struct tc_arguments *a)
{
    const char *environment = getenv("TURNCOAT_LUA");
    if (tc_arguments_has(a, TC_OPTION_LUA_DIR))
        return a->values[TC_OPTION_LUA_DIR];
    return environment && *environment ? environment : NULL;
}

static void repeat_options(const struct tc_arguments *a, char *out, size_t size)
{
    out[0] = 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (tc_arguments_has(a, kept[i]))
            tc_shell_option(out, size, tc_options[kept[i]].name,
                            tc_options[kept[i]].argument ? a->values[kept[i]] : NULL);
    if (told_library(a))
        tc_shell_option(out, size, tc_options[TC_OPTION_LUA_DIR].name, told_library(a));
    for (size_t i = 0; i < a->arg_count; i++)
        tc_shell_option(out, size, tc_options[TC_OPTION_ARG].name, a->args[i]);
}

void tc_command_header(const struct tc_arguments *a, const char *named, struct tc_decisions_header *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->scenario, sizeof out->scenario, "%s", named);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (tc_arguments_has(a, kept[i]) && tc_options[kept[i]].argument && kept[i] != TC_OPTION_WORLD &&
            kept[i] != TC_OPTION_SIGNATURES)
            snprintf(out->options[out->option_count++], sizeof out->options[0], "%s=%s", tc_options[kept[i]].name,
                     a->values[kept[i]]);
    if (told_library(a))
        snprintf(out->options[out->option_count++], sizeof out->options[0], "%s=%s", tc_options[TC_OPTION_LUA_DIR].name,
                 told_library(a));
    for (size_t i = 0; i < a->arg_count && out->option_count < TC_DECISIONS_OPTIONS_MAX; i++)
        snprintf(out->options[out->option_count++], sizeof out->options[0], "arg=%s", a->args[i]);
}

/* --world and --signatures. */
static int apply_world(const struct tc_arguments *a, struct tc_run_request *request, struct tc_error *err)
{
    const char *world = tc_arguments_text(a, TC_OPTION_WORLD, "live");
    const char *signatures = tc_arguments_text(a, TC_OPTION_SIGNATURES, "");
    request->simulated = strcmp(world, "sim") == 0 || a->command == TC_COMMAND_HUNT;
    request->ed25519 = strcmp(signatures, "ed25519") == 0;
    if (!request->simulated && strcmp(world, "live") != 0)
        return tc_error_set(err, TC_EUSAGE, "--world expects live or sim, found '%s'", world);
    if (*signatures && !request->ed25519 && strcmp(signatures, "keyed-hash") != 0)
        return tc_error_set(err, TC_EUSAGE, "--signatures expects keyed-hash or ed25519, found '%s'", signatures);
    if (*signatures && !request->simulated)
        return tc_error_set(err, TC_EUSAGE, "--signatures is for --world sim: live nodes sign with Ed25519");
    return 0;
}

/* A request with what all three commands have in common. The texts it points to live as long as `a`, or are static. */
int tc_command_request(const struct tc_arguments *a, const struct tc_scenario *scenario, struct tc_run_request *request,
                       struct tc_error *err)
{
    static char program[512], repeat_with[TC_SHELL_LINE_MAX];
    repeat_options(a, repeat_with, sizeof repeat_with);
    *request = (struct tc_run_request){
        .scenario = scenario,
        .lua_dir = tc_command_lua_dir(a),
        .program = program,
        .out_dir = tc_arguments_text(a, TC_OPTION_OUT, "out"),
        .command = a->line,
        .named = a->operand_count ? a->operands[0] : scenario->name,
        .junit_path = a->values[TC_OPTION_JUNIT],
        .bug = scenario->cluster.bug,
        .repeat_with = repeat_with,
        .capture = !tc_arguments_has(a, TC_OPTION_NO_CAPTURE),
        .verify_all = tc_arguments_has(a, TC_OPTION_VERIFY_ALL),
        .quiet = tc_arguments_has(a, TC_OPTION_QUIET),
        .verbose = tc_arguments_has(a, TC_OPTION_VERBOSE),
        .color = wants_color(a),
        .terminal = isatty(STDOUT_FILENO),
        .judge = true,
    };
    int result = apply_world(a, request, err);
    if (result == 0)
        result = tc_command_program(program, err);
    return result == 0 ? tc_command_seed(a, &request->seed, err) : result;
}

/* Which of two runs' exit codes counts: an interrupt ends them all, then a violation is the worst. */
static int worse(int one, int other)
{
    if (one == INTERRUPTED || other == INTERRUPTED)
        return INTERRUPTED;
    if (one == 1 || other == 1)
        return 1;
    return one > other ? one : other;
}

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* Runs it `times` times, or until it is interrupted: then or at the last the tally. */
static int repeat_runs(struct tc_run_request *request, uint64_t times, struct tc_error *err)
{
    /* A run sees to interrupts itself. This is for those between two runs, while a report is written. A single run, and
     * a sweep, which does not see to them, are as without it. */
    const struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    struct sigaction old_interrupt, old_terminate;
    struct tc_run_result outcome;
    struct tc_run_tally tally = {0};
    int worst = 0, result = 0;
    const bool swept = request->scenario->sweep.protocol_count > 0, between = times > 1 && !swept;
    stopped = 0;
    sigaction(SIGINT, between ? &action : NULL, &old_interrupt);
    sigaction(SIGTERM, between ? &action : NULL, &old_terminate);
    for (uint64_t i = 0; i < times && worst != INTERRUPTED; i++, request->seed++) {
        result = swept ? tc_run_sweep(request, &outcome, err) : tc_run(request, &outcome, err);
        if (result < 0)
            break;
        tc_run_tally_add(&tally, outcome.exit_code, request->seed);
        worst = worse(worst, stopped ? INTERRUPTED : outcome.exit_code);
    }
    sigaction(SIGINT, &old_interrupt, NULL);
    sigaction(SIGTERM, &old_terminate, NULL);
    if (times > 1 && tally.runs > 0)
        tc_run_tally_print(&tally);
    return result < 0 ? result : worst;
}

int tc_command_run(const struct tc_arguments *a, struct tc_error *err)
{
    static struct tc_scenario scenario;
    static struct tc_decisions_header header;
    struct tc_run_request request;
    uint64_t times;
    int result;
    if (a->operand_count != 1)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat run' needs one scenario: a file, or a name of 'turncoat list scenarios'");
    const char *lua_dir = tc_command_lua_dir(a);
    if ((result = tc_scenario_load(lua_dir, a->operands[0], &scenario, err)) < 0 ||
        (result = tc_command_apply(a, lua_dir, &scenario, err)) < 0 ||
        (result = tc_command_request(a, &scenario, &request, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_TIMES, 1, &times, err)) < 0)
        return result;
    if (times < 1)
        return tc_error_set(err, TC_EUSAGE, "--times expects at least 1");
    if (tc_arguments_has(a, TC_OPTION_DRY_RUN))
        return tc_run_dry(&request, err);
    tc_command_header(a, a->operands[0], &header);
    request.header = &header;
    return repeat_runs(&request, times, err);
}

/* A run of the demo, and whether it ended as it should. */
static int demo_run(const struct tc_arguments *a, const char *scenario_name, int expected_exit, char report[static 600],
                    struct tc_error *err)
{
    static struct tc_scenario scenario;
    struct tc_run_request request;
    struct tc_run_result outcome;
    int result = tc_scenario_load(tc_command_lua_dir(a), scenario_name, &scenario, err);
    if (result == 0)
        result = tc_command_request(a, &scenario, &request, err);
    if (result == 0)
        result = tc_run(&request, &outcome, err);
    if (result < 0)
        return result;
    snprintf(report, 600, "%s/report.html", outcome.dir);
    if (outcome.exit_code == INTERRUPTED)
        return tc_error_set(err, TC_EINTERRUPTED, "interrupted");
    if (outcome.exit_code != expected_exit)
        return tc_error_set(err, TC_EINTERNAL, "the demo's run of %s was to exit %d, and exited %d; see %s",
                            scenario_name, expected_exit, outcome.exit_code, report);
    return 0;
}

int tc_command_demo(const struct tc_arguments *a, struct tc_error *err)
{
    static char holds[600], breaks[600];
    printf("1. A correct PBFT cluster, whose primary tells half of the backups something else.\n\n");
    int result = demo_run(a, "equivocate-half", 0, holds, err);
    if (result < 0)
        return result;
    printf("\n2. The same attack, on replicas with a seeded bug: they count votes without looking at what is voted "
           "for.\n\n");
    result = demo_run(a, "bug-prepare-digest-ignored", 1, breaks, err);
    if (result < 0)
        return result;
    printf("\nThe first cluster held, the second did not: that is what turncoat is for.\n  %s\n  %s\n", holds, breaks);
    return 0;
}

int tc_command_proxy(const struct tc_arguments *a, struct tc_error *err)
{
    static struct tc_scenario scenario;
    static char repeat[TC_SHELL_LINE_MAX];
    char seed[24];
    struct tc_run_request request;
    struct tc_run_result outcome;
    int result;
    if (!tc_arguments_has(a, TC_OPTION_CLUSTER))
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat proxy' needs --cluster FILE; clusters/ in the library has an example");
    memset(&scenario, 0, sizeof scenario);
    snprintf(scenario.name, sizeof scenario.name, "proxy");
    scenario.traitors_max = -1;
    const char *lua_dir = tc_command_lua_dir(a);
    const char *observe = tc_arguments_text(a, TC_OPTION_OBSERVE, "oracles");
    if ((result = tc_command_apply(a, lua_dir, &scenario, err)) < 0 ||
        (result = tc_command_request(a, &scenario, &request, err)) < 0)
        return result;
    snprintf(repeat, sizeof repeat, "%s", a->line);
    snprintf(seed, sizeof seed, "0x%08" PRIx64, request.seed);
    if (!tc_arguments_has(a, TC_OPTION_SEED))
        tc_shell_option(repeat, sizeof repeat, "seed", seed);
    request.repeat = repeat;
    bool none = strcmp(observe, "none") == 0;
    if (!none && strcmp(observe, "messages") != 0 && strcmp(observe, "oracles") != 0)
        return tc_error_set(err, TC_EUSAGE, "--observe expects none, messages or oracles, found '%s'", observe);
    request.pass_through = none;
    request.judge = strcmp(observe, "oracles") == 0;
    if (tc_arguments_has(a, TC_OPTION_DRY_RUN))
        return tc_run_dry(&request, err);
    request.interrupt_ends = !tc_arguments_has(a, TC_OPTION_DURATION);
    if (scenario.phase_ns[TC_RUN_DURING] > 0 && scenario.phase_ns[TC_RUN_DURING] < PROXY_WAIT_NS)
        request.start_timeout_ns = scenario.phase_ns[TC_RUN_DURING];
    if (request.interrupt_ends)
        scenario.phase_ns[TC_RUN_DURING] = TC_NEVER_NS;
    result = tc_run(&request, &outcome, err);
    return result < 0 ? result : outcome.exit_code;
}
