/* One function per subcommand (command_NAME.c). Each returns the exit code, or a negative TC_E… with the sentence in
 * `err`; main prints it and exits with tc_error_exit(). */
#ifndef TC_COMMAND_H
#define TC_COMMAND_H

#include "option.h"

typedef int tc_command_fn(const struct tc_arguments *arguments, struct tc_error *err);

tc_command_fn tc_command_run, tc_command_demo, tc_command_proxy, tc_command_test, tc_command_list, tc_command_help,
    tc_command_check, tc_command_watch, tc_command_hunt, tc_command_replay, tc_command_shrink, tc_command_report,
    tc_command_replica, tc_command_client;

/* The library of attacks and scenarios: --lua-dir, else $TURNCOAT_LUA, else what is installed with this program, else
 * the source tree it was built from, else where it was to be installed. Static or borrowed. */
const char *tc_command_lua_dir(const struct tc_arguments *arguments);

/* The path of this program, for spawning replicas. */
int tc_command_program(char path[static 512], struct tc_error *err);

/* --seed, or 64 bits from the system. */
int tc_command_seed(const struct tc_arguments *arguments, uint64_t *seed, struct tc_error *err);

struct tc_decisions_header;
struct tc_run_request;
struct tc_scenario;

/* command_run.c: what the command line says beats what the scenario says. TC_EUSAGE and errors of tc_cluster_load. */
int tc_command_apply(const struct tc_arguments *arguments, const char *lua_dir, struct tc_scenario *scenario,
                     struct tc_error *err);

/* A request with what all commands that run have in common. Its texts live as long as `arguments`, or are static.
 * TC_EUSAGE: --world, --signatures, --seed. */
int tc_command_request(const struct tc_arguments *arguments, const struct tc_scenario *scenario,
                       struct tc_run_request *request, struct tc_error *err);

/* What a decisions file says of the command line: the scenario as it was named, and every option that changes a run. */
void tc_command_header(const struct tc_arguments *arguments, const char *named, struct tc_decisions_header *out);

struct tc_decisions;

/* command_help_api.c: prints what the name means to script writers ("api": everything; an entry of lua/api.def; a
 * protocol); false if it means nothing there. */
bool tc_help_api(const char *name);
bool tc_help_protocol(const char *name);

#endif
