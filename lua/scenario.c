/* Scenarios: cluster, attack, load, phases, expectation, thresholds. */
#include "scenario_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND     UINT64_C(1000000000)
#define STEPS_MAX  UINT64_C(1000000) /* a configuration computes little */
#define MEMORY_MAX ((size_t)16 << 20)

static void set_defaults(struct tc_scenario *s)
{
    memset(s, 0, sizeof *s);
    tc_scenario_cluster_defaults(&s->cluster, &s->load);
    s->phase_ns[TC_RUN_BEFORE] = 2 * SECOND;
    s->phase_ns[TC_RUN_DURING] = 5 * SECOND;
    s->phase_ns[TC_RUN_AFTER] = 2 * SECOND;
    s->traitors_max = -1;
    s->expect_evidence = TC_EXPECT_UNSET;
}

static void read_phases(struct tc_reader *r, struct tc_scenario *s)
{
    static const char *const known[] = {"before", "during", "after"};
    if (!tc_read_table(r, 1, "", "phases", "a table like { before = 2, during = 5, after = 2 } (seconds)"))
        return;
    int table = lua_gettop(r->L);
    tc_read_keys(r, table, "phases", "phases", known, 3);
    for (int i = 0; i < 3; i++)
        tc_read_seconds(r, table, "phases", known[i], 0, 86400, &s->phase_ns[i]);
    lua_pop(r->L, 1);
    if (!r->code && s->phase_ns[0] + s->phase_ns[1] + s->phase_ns[2] == 0)
        tc_read_fail(r, "phases", "phases: expected at least one phase longer than 0 seconds");
}

static void read_expect(struct tc_reader *r, struct tc_scenario *s)
{
    static const char *const known[] = {"verdict", "evidence"};
    static const char *const verdicts[] = {"holds", "violated", "expected"};
    int verdict;
    if (!tc_read_table(r, 1, "", "expect", "a table like { verdict = \"holds\", evidence = true }"))
        return;
    int table = lua_gettop(r->L);
    tc_read_keys(r, table, "expect", "expect", known, 2);
    if (tc_read_choice(r, table, "expect", "verdict", verdicts, 3, &verdict))
        snprintf(s->expect_verdict, sizeof s->expect_verdict, "%s", verdicts[verdict]);
    if (lua_getfield(r->L, table, "evidence") == LUA_TBOOLEAN)
        s->expect_evidence = lua_toboolean(r->L, -1) ? TC_EXPECT_YES : TC_EXPECT_NO;
    else if (!lua_isnil(r->L, -1))
        tc_read_mistake(r, "expect.evidence", "true or false", -1);
    lua_pop(r->L, 2);
}

/* Arguments as the text "name=value", in the order of names. */
static void read_args(struct tc_reader *r, struct tc_scenario *s)
{
    lua_State *L = r->L;
    if (!tc_read_table(r, 1, "", "args", "a table like { share = 1/2 }"))
        return;
    int table = lua_gettop(L);
    size_t count = tc_lua_keys(L, table);
    if (count > TC_SCRIPT_ARGS_MAX)
        tc_read_fail(r, "args", "args: expected at most %d, found %zu", TC_SCRIPT_ARGS_MAX, count);
    for (size_t i = 1; i <= count && !r->code; i++) {
        char path[160];
        lua_rawgeti(L, table + 1, (lua_Integer)i);
        if (lua_type(L, -1) != LUA_TSTRING) {
            tc_read_mistake(r, "args", "names of arguments as keys", -1);
            break;
        }
        const char *name = lua_tostring(L, -1);
        snprintf(path, sizeof path, "args.%.120s", name);
        int type = lua_getfield(L, table, name);
        if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN) {
            tc_read_mistake(r, path, "a number, a string, true or false", -1);
            break;
        }
        const char *value = luaL_tolstring(L, -1, NULL);
        size_t size = sizeof s->args[0];
        if ((size_t)snprintf(s->args[s->arg_count++], size, "%s=%s", name, value) >= size)
            tc_read_fail(r, path, "%s: longer than %zu bytes", path, size - 1);
        lua_settop(L, table + 1);
    }
    lua_settop(L, table - 1);
}

static void add_threshold(struct tc_reader *r, struct tc_scenario *s, const char *metric, int condition)
{
    struct tc_threshold_spec *spec = &s->thresholds[s->threshold_count];
    if (s->threshold_count == TC_THRESHOLDS_MAX) {
        tc_read_fail(r, "thresholds", "thresholds: expected at most %d", TC_THRESHOLDS_MAX);
        return;
    }
    const char *text = lua_type(r->L, condition) == LUA_TSTRING ? lua_tostring(r->L, condition) : NULL;
    if (!text || !strpbrk(text, "<>=")) {
        tc_read_mistake(r, "thresholds", "a condition like \"p(99)<800ms\"", condition);
        return;
    }
    if ((size_t)snprintf(spec->metric, sizeof spec->metric, "%s", metric) >= sizeof spec->metric ||
        (size_t)snprintf(spec->condition, sizeof spec->condition, "%s", text) >= sizeof spec->condition)
        tc_read_fail(r, "thresholds", "thresholds: names and conditions have at most %zu bytes",
                     sizeof spec->metric - 1);
    else
        s->threshold_count++;
    char path[160];
    snprintf(path, sizeof path, "thresholds.%s", metric);
    spec->line = tc_source_line(r->source, path, r->line);
}

static void read_thresholds(struct tc_reader *r, struct tc_scenario *s)
{
    static const char expected[] = "a table like { [\"decision_latency{phase:after}\"] = { \"p(99)<800ms\" } }";
    lua_State *L = r->L;
    if (!tc_read_table(r, 1, "", "thresholds", expected))
        return;
    int table = lua_gettop(L);
    size_t count = tc_lua_keys(L, table);
    for (size_t i = 1; i <= count && !r->code; i++) {
        lua_rawgeti(L, table + 1, (lua_Integer)i);
        if (lua_type(L, -1) != LUA_TSTRING) {
            tc_read_mistake(r, "thresholds", expected, table);
            break;
        }
        const char *metric = lua_tostring(L, -1);
        if (lua_getfield(L, table, metric) == LUA_TTABLE) {
            size_t conditions = lua_rawlen(L, -1);
            for (size_t k = 1; k <= conditions && !r->code; k++) {
                lua_rawgeti(L, -1, (lua_Integer)k);
                add_threshold(r, s, metric, lua_gettop(L));
                lua_pop(L, 1);
            }
        } else {
            add_threshold(r, s, metric, lua_gettop(L));
        }
        lua_settop(L, table + 1);
    }
    lua_settop(L, table - 1);
}

/* A path is meant from where the scenario stands; names are looked up in the library by whoever runs it. */
static void read_attack(struct tc_reader *r, struct tc_scenario *s, const char *lua_dir)
{
    char name[TC_PATH_MAX], found[TC_PATH_MAX];
    struct tc_error err = {0};
    if (!tc_read_string(r, 1, "", "attack", name, sizeof name) || !name[0])
        return;
    snprintf(s->attack, sizeof s->attack, "%s", name);
    const char *slash = strrchr(s->path, '/');
    if (tc_script_is_path(name) && name[0] != '/' && slash) {
        int folder = (int)(slash - s->path) + 1;
        if ((size_t)snprintf(s->attack, sizeof s->attack, "%.*s%s", folder, s->path, name) >= sizeof s->attack)
            tc_read_fail(r, "attack", "attack: path longer than %d bytes", TC_PATH_MAX - 1);
    }
    if (!r->code && tc_script_find(lua_dir, "attacks", s->attack, found, &err))
        tc_read_fail(r, "attack", "attack: %s", err.text);
}

static void read_cluster(struct tc_reader *r, struct tc_scenario *s)
{
    bool protocol_given = tc_read_string(r, 1, "", "protocol", s->cluster.protocol, sizeof s->cluster.protocol);
    if (protocol_given)
        tc_cluster_check_protocol(r, "protocol", s->cluster.protocol);
    if (r->code || lua_getfield(r->L, 1, "cluster") == LUA_TNIL)
        return;
    const char *kind = tc_declared_kind(r->L, -1);
    if (!kind || (strcmp(kind, "cluster") != 0 && strcmp(kind, "reference") != 0)) {
        tc_read_mistake(r, "cluster", "reference { … }, cluster { … } or load \"file.lua\"", -1);
        return;
    }
    tc_cluster_read(r, lua_gettop(r->L), &s->cluster, &s->load);
    lua_pop(r->L, 1);
}

/* What the protected reading is given. */
struct job {
    const char *lua_dir;
    struct tc_scenario *scenario;
    struct tc_cluster_spec *cluster;
    struct tc_reader *reader;
};

/* Arguments: the table, the job. */
static int read_scenario(lua_State *L)
{
    struct job *job = lua_touserdata(L, 2);
    struct tc_reader *r = job->reader;
    struct tc_scenario *s = job->scenario;
    uint64_t traitors;
    r->L = L;
    r->source = tc_declared_source(L, 1, &r->line);
    tc_read_api_keys(r, 1, "", "a scenario", TC_API_SCENARIO);
    if (!tc_read_string(r, 1, "", "summary", s->summary, sizeof s->summary) && !r->code)
        tc_read_fail(r, "", "summary: expected a string (one sentence), found nothing");
    read_cluster(r, s);
    if (tc_read_table(r, 1, "", "load", "a table like { mode = \"closed\", clients = 4 }")) {
        tc_load_read(r, lua_gettop(L), "load", &s->load);
        s->cluster.cluster.client_count = s->load.clients;
    }
    read_attack(r, s, job->lua_dir);
    read_args(r, s);
    read_phases(r, s);
    if (tc_read_integer(r, 1, "", "traitors", 0, s->cluster.cluster.n, &traitors))
        s->traitors_max = (int32_t)traitors;
    read_expect(r, s);
    read_thresholds(r, s);
    tc_read_seconds(r, 1, "", "recovery_bound", 0, 86400, &s->recovery_bound_ns);
    tc_models_read(r, 1, &s->cluster.cluster, &s->world);
    tc_sweep_read(r, 1, &s->sweep);
    return 0;
}

static int read_cluster_file(lua_State *L)
{
    struct job *job = lua_touserdata(L, 2);
    job->reader->L = L;
    job->reader->source = tc_declared_source(L, 1, &job->reader->line);
    tc_cluster_read(job->reader, 1, job->cluster, NULL);
    return 0;
}

/* Runs the file; its table is left on the stack and its kind in box->declared_kind. */
static int run_file(struct tc_sandbox *box, struct tc_source *source, const char *lua_dir, const char *path,
                    struct tc_error *err)
{
    *box = (struct tc_sandbox){.source = source};
    int rc = tc_source_read(path, source, err);
    if (!rc)
        rc = tc_sandbox_open(box, STEPS_MAX, MEMORY_MAX, lua_dir, err);
    if (!rc)
        rc = tc_sandbox_run(box, source, err);
    /* A file that does not run is a mistake in a configuration, unless it ran away. */
    return rc == TC_ESCRIPT && err ? (err->code = TC_EUSAGE) : rc;
}

static int read_table(struct tc_sandbox *box, lua_CFunction function, struct job *job, struct tc_error *err)
{
    struct tc_error found = {0};
    struct tc_reader reader = {.err = &found};
    job->reader = &reader;
    lua_pushcfunction(box->L, function);
    lua_insert(box->L, -2);
    lua_pushlightuserdata(box->L, job);
    int rc = tc_sandbox_call(box, 2, 0, err);
    job->reader = NULL;
    if (!rc && reader.code)
        rc = tc_error_set(err, reader.code, "%s", found.text);
    return rc;
}

static int load_path(const char *lua_dir, const char *path, struct tc_scenario *out, struct tc_error *err)
{
    struct tc_sandbox box = {0};
    struct tc_source source;
    snprintf(out->path, sizeof out->path, "%s", path);
    int rc = run_file(&box, &source, lua_dir, path, err);
    const char *kind = rc ? NULL : tc_declared_kind(box.L, -1);
    if (kind && strcmp(kind, "scenario") == 0) {
        struct job job = {.lua_dir = lua_dir, .scenario = out};
        snprintf(out->name, sizeof out->name, "%s", box.declared_name);
        rc = read_table(&box, read_scenario, &job, err);
    } else if (kind && strcmp(kind, "attack") == 0) {
        snprintf(out->name, sizeof out->name, "%s", box.declared_name);
        snprintf(out->attack, sizeof out->attack, "%s", path);
        if (lua_getfield(box.L, -1, "summary") == LUA_TSTRING)
            snprintf(out->summary, sizeof out->summary, "%s", lua_tostring(box.L, -1));
    } else if (!rc) {
        rc = tc_error_set(err, TC_EUSAGE, "%s:1: expected 'return scenario \"name\" { … }', found %s", path,
                          kind ? kind : luaL_typename(box.L, -1));
    }
    tc_sandbox_close(&box);
    tc_source_free(&source);
    return rc;
}

int tc_scenario_load(const char *lua_dir, const char *name, struct tc_scenario *out, struct tc_error *err)
{
    char path[512];
    set_defaults(out);
    int rc = tc_script_find(lua_dir, "scenarios", name, path, err);
    if (rc == TC_ENOT_FOUND) {
        struct tc_error attack_err = {0};
        int attack_rc = tc_script_find(lua_dir, "attacks", name, path, &attack_err);
        if (attack_rc)
            return rc;
        rc = load_path(lua_dir, path, out, err);
        snprintf(out->attack, sizeof out->attack, "%s", name);
        return rc;
    }
    return rc ? rc : load_path(lua_dir, path, out, err);
}

int tc_cluster_load(const char *lua_dir, const char *path, struct tc_cluster_spec *out, struct tc_error *err)
{
    struct tc_sandbox box = {0};
    struct tc_source source;
    tc_scenario_cluster_defaults(out, NULL);
    int rc = run_file(&box, &source, lua_dir, path, err);
    const char *kind = rc ? NULL : tc_declared_kind(box.L, -1);
    if (kind && (strcmp(kind, "cluster") == 0 || strcmp(kind, "reference") == 0)) {
        struct job job = {.lua_dir = lua_dir, .cluster = out};
        rc = read_table(&box, read_cluster_file, &job, err);
        snprintf(out->path, sizeof out->path, "%s", path);
    } else if (!rc) {
        rc = tc_error_set(err, TC_EUSAGE, "%s:1: expected 'return cluster { … }', found %s", path,
                          kind ? kind : luaL_typename(box.L, -1));
    }
    tc_sandbox_close(&box);
    tc_source_free(&source);
    return rc;
}
