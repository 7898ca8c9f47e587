/* turncoat check CAPTURE, turncoat watch: judge what is on the wire, without any proxy. */
#define _GNU_SOURCE
#include "command.h"
#include "run.h"

#include "../proxy/nodeset.h"
#include "capture_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_traitors(const struct tc_arguments *a, uint32_t n, struct tc_check *check, struct tc_error *err)
{
    const char *text = a->values[TC_OPTION_TRAITORS];
    check->traitors_known = text != NULL;
    if (!text || strcmp(text, "none") == 0)
        return 0;
    for (const char *at = text;; at++) {
        bool client = *at == 'c';
        char *end;
        unsigned long id = at[client] >= '0' && at[client] <= '9' ? strtoul(at + client, &end, 10) : TC_NODES_MAX;
        id += client ? TC_CLIENT_FIRST : 0;
        if (id >= TC_NODES_MAX || (!client && id >= n) || (*end && *end != ','))
            return tc_error_set(err, TC_EUSAGE,
                                "--traitors expects replicas below %u and clients, as in 0,3,c1, or none; found '%s'",
                                n, text);
        tc_nodeset_add(&check->traitors, (uint32_t)id);
        if (!*end)
            return 0;
        at = end;
    }
}

static int load_cluster(const struct tc_arguments *a, struct tc_scenario *scenario, struct tc_error *err)
{
    const char *path = a->values[TC_OPTION_CLUSTER];
    if (!path)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat %s' needs --cluster FILE, which says where each replica listens; a run leaves "
                            "one beside its trace.pcap",
                            tc_commands[a->command].name);
    memset(scenario, 0, sizeof *scenario);
    snprintf(scenario->name, sizeof scenario->name, "%s", tc_commands[a->command].name);
    int result = tc_cluster_load(tc_command_lua_dir(a), path, &scenario->cluster, err);
    if (result < 0)
        return result;
    scenario->load.clients = scenario->cluster.cluster.client_count;
    for (uint32_t i = 0; i < scenario->cluster.cluster.n; i++)
        if (!scenario->cluster.nodes[i].address[0])
            return tc_error_set(err, TC_EUSAGE,
                                "%s: replica %u has no address: a capture needs a cluster { … } that says where each "
                                "replica listens",
                                path, i);
    return 0;
}

static bool wants_color(const struct tc_arguments *a)
{
    const char *when = tc_arguments_text(a, TC_OPTION_COLOR, "auto");
    if (strcmp(when, "always") == 0)
        return true;
    return strcmp(when, "never") != 0 && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static int judge(const struct tc_arguments *a, struct tc_check *check, struct tc_error *err)
{
    static struct tc_scenario scenario;
    static char program[512];
    struct tc_run_result outcome;
    int result = load_cluster(a, &scenario, err);
    if (result == 0)
        result = read_traitors(a, scenario.cluster.cluster.n, check, err);
    if (result < 0)
        return result;
    const struct tc_run_request request = {
        .check = check,
        .scenario = &scenario,
        .lua_dir = tc_command_lua_dir(a),
        .program = program,
        .out_dir = tc_arguments_text(a, TC_OPTION_OUT, "out"),
        .command = a->line,
        .named = a->operand_count ? a->operands[0] : "",
        .junit_path = a->values[TC_OPTION_JUNIT],
        .bug = "",
        .repeat_with = "",
        .quiet = tc_arguments_has(a, TC_OPTION_QUIET),
        .verbose = tc_arguments_has(a, TC_OPTION_VERBOSE),
        .color = wants_color(a),
        .terminal = isatty(STDOUT_FILENO),
        .judge = true,
        .interrupt_ends = true,
    };
    result = tc_run(&request, &outcome, err);
    return result < 0 ? result : outcome.exit_code;
}

int tc_command_check(const struct tc_arguments *a, struct tc_error *err)
{
    struct tc_check check = {.observations = a->values[TC_OPTION_OBSERVATIONS]};
    if (a->operand_count != 1)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat check' needs one capture: turncoat check trace.pcap --cluster cluster.lua");
    check.capture = a->operands[0];
    /* Said before a run directory is made for it. */
    int result = tc_capture_probe(check.capture, err);
    if (result < 0)
        return err->code = result == TC_EMEMORY ? result : TC_EUSAGE;
    return judge(a, &check, err);
}

int tc_command_watch(const struct tc_arguments *a, struct tc_error *err)
{
    struct tc_check check = {.interface = a->values[TC_OPTION_INTERFACE]};
    struct tc_capture_live *live;
    if (a->operand_count != 0 || !check.interface)
        return tc_error_set(
            err, TC_EUSAGE,
            "'turncoat watch' needs an interface: turncoat watch --interface eth0 --cluster cluster.lua");
    int result = tc_arguments_time_ns(a, TC_OPTION_DURATION, TC_NEVER_NS, &check.duration_ns, err);
    if (result == 0)
        result = tc_capture_live_open(check.interface, &live, err); /* may we? Said before a run directory is made */
    if (result < 0)
        return result;
    tc_capture_live_close(live);
    return judge(a, &check, err);
}
