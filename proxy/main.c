/* turncoat COMMAND …: parse, dispatch, say what went wrong. */
#define _GNU_SOURCE
#include "command.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#ifndef TC_INSTALL_LUA_DIR
#define TC_INSTALL_LUA_DIR ""
#endif
#ifndef TC_SOURCE_LUA_DIR
#define TC_SOURCE_LUA_DIR ""
#endif

static tc_command_fn *const commands[TC_COMMAND_COUNT] = {
    [TC_COMMAND_RUN] = tc_command_run,         [TC_COMMAND_DEMO] = tc_command_demo,
    [TC_COMMAND_PROXY] = tc_command_proxy,     [TC_COMMAND_TEST] = tc_command_test,
    [TC_COMMAND_LIST] = tc_command_list,       [TC_COMMAND_HELP] = tc_command_help,
    [TC_COMMAND_HUNT] = tc_command_hunt,       [TC_COMMAND_REPLAY] = tc_command_replay,
    [TC_COMMAND_SHRINK] = tc_command_shrink,   [TC_COMMAND_REPORT] = tc_command_report,
    [TC_COMMAND_REPLICA] = tc_command_replica, [TC_COMMAND_CLIENT] = tc_command_client,
    [TC_COMMAND_CHECK] = tc_command_check,     [TC_COMMAND_WATCH] = tc_command_watch,
};

/* PREFIX/share/turncoat/lua of a program that is installed as PREFIX/bin/turncoat, wherever PREFIX is now; NULL if
 * there is none. */
static const char *library_beside(void)
{
    static char path[600];
    char program[512], prelude[640];
    char *folder;
    if (tc_command_program(program, NULL) < 0)
        return NULL;
    for (int parts = 0; parts < 2; parts++) {
        folder = strrchr(program, '/');
        if (!folder)
            return NULL;
        *folder = 0;
    }
    snprintf(path, sizeof path, "%s/share/turncoat/lua", program);
    snprintf(prelude, sizeof prelude, "%s/prelude.lua", path);
    return access(prelude, R_OK) == 0 ? path : NULL;
}

const char *tc_command_lua_dir(const struct tc_arguments *arguments)
{
    const char *environment = getenv("TURNCOAT_LUA");
    const char *const places[] = {arguments->values[TC_OPTION_LUA_DIR], environment, library_beside()};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] && *places[i])
            return places[i];
    /* A binary in its build tree uses the sources' library even if an older one is installed. */
    if (access(TC_SOURCE_LUA_DIR "/prelude.lua", R_OK) == 0)
        return TC_SOURCE_LUA_DIR;
    return TC_INSTALL_LUA_DIR;
}

int tc_command_program(char path[static 512], struct tc_error *err)
{
    ssize_t len = readlink("/proc/self/exe", path, 511);
    if (len <= 0)
        return tc_error_set(err, TC_EINTERNAL, "cannot find out the path of this program");
    path[len] = 0;
    return 0;
}

int tc_command_seed(const struct tc_arguments *arguments, uint64_t *seed, struct tc_error *err)
{
    if (tc_arguments_has(arguments, TC_OPTION_SEED))
        return tc_arguments_u64(arguments, TC_OPTION_SEED, 0, seed, err);
    if (getrandom(seed, sizeof *seed, 0) != (ssize_t)sizeof *seed)
        return tc_error_set(err, TC_EINTERNAL, "the system gave no random seed; give one with --seed");
    *seed &= 0xffffffffu; /* short enough to be typed */
    return 0;
}

int main(int argc, char **argv)
{
    static struct tc_arguments arguments;
    static struct tc_error err;
    if (sodium_init() < 0) {
        fprintf(stderr, "turncoat: libsodium could not be initialised\n");
        return 70;
    }
    int result = tc_arguments_parse(argc, argv, &arguments, &err);
    if (result == 0 && tc_arguments_has(&arguments, TC_OPTION_VERSION)) {
        printf("turncoat %s\n", TC_VERSION);
        return fflush(stdout) == 0 ? 0 : 70;
    }
    if (result == 0 && tc_arguments_has(&arguments, TC_OPTION_HELP) && arguments.command != TC_COMMAND_HELP) {
        tc_help_command(arguments.command);
        return 0;
    }
    if (result == 0)
        result = commands[arguments.command](&arguments, &err);
    if (result < 0) {
        fflush(stdout);
        fprintf(stderr, "turncoat: %s\n", err.text[0] ? err.text : tc_error_text(result));
        result = tc_error_exit(result);
    }
    if (fflush(stdout) != 0 && result == 0)
        result = 70;
    return result;
}
