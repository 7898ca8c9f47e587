/* links: tc_lua tc_engine tc_protocol tc_base
 * A scenario or cluster file of any bytes is read or refused with a reason: it neither crashes nor hangs. The budget of
 * steps is what bounds a file that loops; the memory cap one that grows. */
#include "../../lua/scenario.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void must(bool held)
{
    if (!held)
        abort();
}

static void remove_file(void)
{
    unlink(path);
}

static void write_input(const uint8_t *data, size_t size)
{
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/tc-fuzz-scenario-%ld.lua", (long)getpid());
        atexit(remove_file);
    }
    FILE *file = fopen(path, "wb");
    must(file && fwrite(data, 1, size, file) == size);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tc_scenario scenario;
    static struct tc_cluster_spec cluster;
    struct tc_error err = {0};
    write_input(data, size);
    int rc = tc_scenario_load(TC_SOURCE_LUA_DIR, path, &scenario, &err);
    must(rc == 0 || (rc < 0 && err.text[0]));
    if (rc == 0) {
        must(scenario.cluster.cluster.n >= 1 && scenario.cluster.cluster.n <= TC_REPLICAS_MAX);
        must(scenario.arg_count <= TC_SCRIPT_ARGS_MAX && scenario.threshold_count <= TC_THRESHOLDS_MAX);
    }
    err = (struct tc_error){0};
    rc = tc_cluster_load(TC_SOURCE_LUA_DIR, path, &cluster, &err);
    must(rc == 0 || (rc < 0 && err.text[0]));
    err = (struct tc_error){0};
    struct tc_script *script;
    struct tc_script_config config = {
        .path = path, .lua_dir = TC_SOURCE_LUA_DIR, .steps_max = 200000, .memory_max = (size_t)4 << 20};
    rc = tc_script_load(&config, &script, &err);
    must(rc == 0 || (rc < 0 && err.text[0]));
    tc_script_free(script);
    return 0;
}
