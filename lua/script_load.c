/* What an attack says of itself: checked once, when it is loaded, with the line of every mistake. */
#include "api.h"
#include "lua_internal.h"

#include "../proxy/names.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 32

/* In the order of enum tc_call_kind. */
static const char *const handlers[TC_CALL_END + 1] = {"on_start", "on_message", "on_hear",  "on_decide",
                                                      "on_view",  "on_timer",   "on_phase", "on_end"};

static int mistake(struct tc_script *script, struct tc_error *err, const char *key, const char *expected, int found)
{
    lua_State *L = script->box.L;
    uint32_t line = tc_source_line(&script->source, key, script->box.declared_line);
    tc_error_set(err, TC_EUSAGE, "%s:%u: %s: expected %s, found %s", script->source.chunk, line, key, expected,
                 tc_lua_found(L, found));
    return TC_EUSAGE;
}

static int check_keys(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    const char *keys[KEYS_MAX];
    size_t key_count = tc_api_names(TC_API_ATTACK, keys, KEYS_MAX);
    key_count += tc_api_names(TC_API_HANDLER, keys + key_count, KEYS_MAX - key_count);
    lua_pushnil(L);
    while (lua_next(L, script->at_attack)) {
        lua_pop(L, 1);
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        bool known = false;
        for (size_t i = 0; name && i < key_count; i++)
            known |= strcmp(name, keys[i]) == 0;
        if (known)
            continue;
        const char *near = name ? tc_lua_nearest(name, keys, key_count) : NULL;
        uint32_t line = tc_source_line(&script->source, name ? name : "", script->box.declared_line);
        return tc_error_set(err, TC_EUSAGE, "%s:%u: unknown key '%s' in an attack%s%s%s", script->source.chunk, line,
                            name ? name : "(number)", near ? "; did you mean '" : "", near ? near : "",
                            near ? "'?" : "");
    }
    return 0;
}

/* A string of the attack into a buffer; `needed`: it must be there. */
static int read_text(struct tc_script *script, const char *key, bool needed, char *to, size_t size,
                     struct tc_error *err)
{
    lua_State *L = script->box.L;
    int type = lua_getfield(L, script->at_attack, key);
    if (type == LUA_TSTRING)
        snprintf(to, size, "%s", lua_tostring(L, -1));
    else if (type != LUA_TNIL || needed)
        return mistake(script, err, key, "a string", lua_gettop(L));
    lua_pop(L, 1);
    return 0;
}

static int read_tags(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    struct tc_script_info *info = &script->info;
    size_t most = sizeof info->tags / sizeof info->tags[0];
    int type = lua_getfield(L, script->at_attack, "tags");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        return mistake(script, err, "tags", "a list of strings", lua_gettop(L));
    size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (count > most)
        return tc_error_set(err, TC_EUSAGE, "%s:%u: tags: expected at most %zu, found %zu", script->source.chunk,
                            tc_source_line(&script->source, "tags", script->box.declared_line), most, count);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            return mistake(script, err, "tags", "a list of strings", lua_gettop(L));
        snprintf(info->tags[info->tag_count++], sizeof info->tags[0], "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return 0;
}

/* kinds = { "propose", "vote" }, or "all". Without on_message and on_hear none are needed. */
static int read_kinds(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    static const char expected[] = "a list of kinds (request, propose, vote, certificate, new_view, view_change, "
                                   "checkpoint, reply, sync, other), or \"all\"";
    int type = lua_getfield(L, script->at_attack, "kinds");
    if (type == LUA_TSTRING && strcmp(lua_tostring(L, -1), "all") == 0) {
        script->info.kinds = TC_SCRIPT_KINDS_ALL;
    } else if (type == LUA_TTABLE) {
        size_t count = lua_rawlen(L, -1);
        for (size_t i = 1; i <= count; i++) {
            int kind = lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING ? tc_kind_parse(lua_tostring(L, -1)) : -1;
            if (kind < 0)
                return mistake(script, err, "kinds", expected, lua_gettop(L));
            script->info.kinds |= 1u << kind;
            lua_pop(L, 1);
        }
    } else if (type != LUA_TNIL || script->at_handler[TC_CALL_MESSAGE] || script->at_handler[TC_CALL_HEAR]) {
        return mistake(script, err, "kinds", expected, lua_gettop(L));
    }
    lua_pop(L, 1);
    return 0;
}

static int read_handlers(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    for (int call = 0; call <= TC_CALL_END; call++) {
        int type = lua_getfield(L, script->at_attack, handlers[call]);
        if (type == LUA_TFUNCTION) {
            script->at_handler[call] = lua_gettop(L); /* it stays on the stack */
            continue;
        }
        if (type != LUA_TNIL)
            return mistake(script, err, handlers[call], "a function", lua_gettop(L));
        lua_pop(L, 1);
    }
    int type = lua_getfield(L, script->at_attack, "traitors");
    if (type != LUA_TNIL && type != LUA_TFUNCTION && type != LUA_TTABLE)
        return mistake(script, err, "traitors", "a function that returns a list of nodes, or a list", lua_gettop(L));
    lua_pop(L, 1);
    return 0;
}

static enum tc_expect expectation(lua_State *L, int table, const char *name)
{
    enum tc_expect expect = TC_EXPECT_UNSET;
    if (lua_getfield(L, table, name) != LUA_TNIL)
        expect = lua_toboolean(L, -1) ? TC_EXPECT_YES : TC_EXPECT_NO;
    lua_pop(L, 1);
    return expect;
}

static int read_expect(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    struct tc_script_info *info = &script->info;
    info->expect_safety = info->expect_liveness = info->expect_evidence = TC_EXPECT_UNSET;
    int type = lua_getfield(L, script->at_attack, "expect");
    if (type == LUA_TTABLE) {
        int table = lua_gettop(L);
        info->expect_safety = expectation(L, table, "safety");
        info->expect_liveness = expectation(L, table, "liveness");
        info->expect_evidence = expectation(L, table, "evidence");
    } else if (type != LUA_TNIL) {
        return mistake(script, err, "expect", "a table like { safety = true, evidence = true }", lua_gettop(L));
    }
    lua_getfield(L, script->at_attack, "always");
    script->handler.always = lua_toboolean(L, -1);
    lua_pop(L, 2);
    return 0;
}

/* ---- arguments ---- */

static bool in_range(const struct tc_script_arg *arg, double value)
{
    return !(arg->has_min && value < arg->min) && !(arg->has_max && value > arg->max);
}

/* "from 0 to 1", "0 or more", "at most 1" */
static const char *range_text(const struct tc_script_arg *arg, char text[static 96])
{
    if (arg->has_min && arg->has_max)
        snprintf(text, 96, "from %.14g to %.14g", arg->min, arg->max);
    else if (arg->has_min)
        snprintf(text, 96, "%.14g or more", arg->min);
    else
        snprintf(text, 96, "at most %.14g", arg->max);
    return text;
}

/* min and max of the declaration at `table`, whose default is at `given`; what is wrong with them, or NULL. */
static const char *read_range(lua_State *L, int table, int given, struct tc_script_arg *arg)
{
    static const char *const bounds[] = {"min", "max"};
    for (int i = 0; i < 2; i++) {
        int type = lua_getfield(L, table, bounds[i]);
        double bound = type == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        lua_pop(L, 1);
        if (type == LUA_TNIL)
            continue;
        if (type != LUA_TNUMBER || lua_type(L, given) != LUA_TNUMBER || !isfinite(bound))
            return "min and max that are numbers, of a number";
        *(i ? &arg->has_max : &arg->has_min) = true;
        *(i ? &arg->max : &arg->min) = bound;
    }
    if (lua_type(L, given) == LUA_TNUMBER && !in_range(arg, lua_tonumber(L, given)))
        return "a default between min and max";
    return NULL;
}

/* args = { share = { 1/2, "help" } }: the defaults into tc.args, name, text and help into info, sorted by name. */
static int read_args(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    struct tc_script_info *info = &script->info;
    lua_newtable(L);
    int values = lua_gettop(L);
    int type = lua_getfield(L, script->at_attack, "args");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        return mistake(script, err, "args", "a table like { share = { 1/2, \"what it is\" } }", lua_gettop(L));
    int table = lua_gettop(L);
    size_t count = type == LUA_TTABLE ? tc_lua_keys(L, table) : 0;
    if (count > TC_SCRIPT_ARGS_MAX)
        return tc_error_set(err, TC_EUSAGE, "%s: more than %d arguments", script->source.chunk, TC_SCRIPT_ARGS_MAX);
    for (size_t i = 1; i <= count; i++) {
        char path[TC_NAME_MAX + 8];
        lua_rawgeti(L, table + 1, (lua_Integer)i);
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        snprintf(path, sizeof path, "args.%s", name);
        if (strlen(name) >= TC_NAME_MAX || lua_getfield(L, table, name) != LUA_TTABLE)
            return mistake(script, err, path, "{ default, \"what it is\" }", lua_gettop(L));
        int given = lua_rawgeti(L, -1, 1), help = lua_rawgeti(L, -2, 2);
        if ((given != LUA_TNUMBER && given != LUA_TSTRING && given != LUA_TBOOLEAN) || help != LUA_TSTRING)
            return mistake(script, err, path, "{ default (number, string, true or false), \"what it is\" }", -3);
        struct tc_script_arg *arg = &info->args[info->arg_count++];
        snprintf(arg->name, sizeof arg->name, "%s", name);
        snprintf(arg->help, sizeof arg->help, "%s", lua_tostring(L, -1));
        const char *wrong = read_range(L, table + 3, table + 4, arg);
        if (wrong)
            return mistake(script, err, path, wrong, table + 4);
        snprintf(arg->value, sizeof arg->value, "%s", luaL_tolstring(L, table + 4, NULL));
        lua_pushvalue(L, table + 4);
        lua_setfield(L, values, name);
        lua_settop(L, table + 1);
    }
    lua_settop(L, values);
    lua_setfield(L, LUA_REGISTRYINDEX, "tc.args");
    return 0;
}

/* Everything that touches the table runs protected: keys may be anything. */
static int check(lua_State *L)
{
    struct tc_script *script = tc_script_of(L);
    struct tc_error *err = lua_touserdata(L, 1);
    lua_pushvalue(L, 2);
    lua_setfield(L, LUA_REGISTRYINDEX, "tc.attack");
    script->at_attack = 2;
    int rc = check_keys(script, err);
    if (!rc)
        rc = read_text(script, "summary", true, script->info.summary, sizeof script->info.summary, err);
    if (!rc)
        rc = read_text(script, "source", false, script->info.source, sizeof script->info.source, err);
    if (!rc)
        rc = read_text(script, "verdict", false, script->info.verdict_sample, sizeof script->info.verdict_sample, err);
    if (!rc)
        rc = read_tags(script, err);
    if (!rc)
        rc = read_handlers(script, err);
    if (!rc)
        rc = read_kinds(script, err);
    if (!rc)
        rc = read_expect(script, err);
    if (!rc)
        rc = read_args(script, err);
    return 0;
}

int tc_script_check(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    int attack = script->at_attack;
    struct tc_error found = {0};
    lua_pushcfunction(L, check);
    lua_pushlightuserdata(L, &found);
    lua_pushvalue(L, attack);
    int rc = tc_sandbox_call(&script->box, 2, 0, err);
    if (!rc && found.code)
        rc = tc_error_set(err, found.code, "%s", found.text);
    if (rc)
        return rc;
    script->at_attack = attack;
    for (int call = 0; call <= TC_CALL_END; call++) {
        script->at_handler[call] = 0;
        if (lua_getfield(L, attack, handlers[call]) == LUA_TFUNCTION)
            script->at_handler[call] = lua_gettop(L);
        else
            lua_pop(L, 1);
    }
    script->info.needs_keys = tc_source_uses(&script->source, "sign");
    return 0;
}

/* "0.5", "1/2", "3" as a number; false if it is none. */
static bool parse_number(lua_State *L, const char *text)
{
    const char *slash = strchr(text, '/');
    if (!slash)
        return lua_stringtonumber(L, text) == strlen(text) + 1;
    char *end_over, *end_under;
    double over = strtod(text, &end_over), under = strtod(slash + 1, &end_under);
    if (end_over != slash || *end_under || end_over == text || end_under == slash + 1 || under == 0)
        return false;
    lua_pushnumber(L, over / under);
    return true;
}

/* Pushes `text` as the type of the default at `index`; false if it is not of that type. */
static bool push_typed(lua_State *L, int index, const char *text, const char **expected)
{
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        *expected = "true or false";
        lua_pushboolean(L, strcmp(text, "true") == 0);
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    case LUA_TSTRING:
        *expected = "a string";
        lua_pushstring(L, text);
        return true;
    default:
        *expected = lua_isinteger(L, index) ? "a whole number" : "a number";
        if (!parse_number(L, text) || !isfinite(lua_tonumber(L, -1)))
            return false;
        if (!lua_isinteger(L, index))
            return true;
        lua_Number number = lua_tonumber(L, -1);
        if (floor(number) != number || fabs(number) > 9e15)
            return false;
        lua_pushinteger(L, (lua_Integer)number);
        return true;
    }
}

static int unknown_argument(struct tc_script *script, const char *name, struct tc_error *err)
{
    const char *words[TC_SCRIPT_ARGS_MAX];
    for (uint32_t i = 0; i < script->info.arg_count; i++)
        words[i] = script->info.args[i].name;
    const char *near = tc_lua_nearest(name, words, script->info.arg_count);
    char has[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < script->info.arg_count && used < sizeof has; i++)
        used += (size_t)snprintf(has + used, sizeof has - used, "%s%s", i ? ", " : "", words[i]);
    return tc_error_set(err, TC_EUSAGE, "%s: attack '%s' has no argument '%s'%s%s%s; it has: %s", script->source.chunk,
                        script->info.name, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
                        used ? has : "none");
}

/* A job for one protected call. */
struct setting {
    struct tc_script *script;
    const char *text; /* "name=value" */
    struct tc_error *err;
};

/* Is the value on top within the range its argument was declared with? */
static int check_range(struct setting *job, lua_State *L, const char *name, const char *given)
{
    char text[96], path[TC_NAME_MAX + 8];
    snprintf(path, sizeof path, "args.%s", name);
    for (uint32_t i = 0; i < job->script->info.arg_count; i++) {
        const struct tc_script_arg *arg = &job->script->info.args[i];
        if (strcmp(arg->name, name) == 0 && lua_type(L, -1) == LUA_TNUMBER && !in_range(arg, lua_tonumber(L, -1)))
            return tc_error_set(job->err, TC_EUSAGE, "%s:%u: argument '%s': expected %s, found %s",
                                job->script->source.chunk,
                                tc_source_line(&job->script->source, path, job->script->box.declared_line), name,
                                range_text(arg, text), given);
    }
    return 0;
}

static int set_one(lua_State *L)
{
    struct setting *job = lua_touserdata(L, 1);
    const char *equals = strchr(job->text, '=');
    char name[TC_NAME_MAX] = "";
    if (!equals || equals == job->text || (size_t)(equals - job->text) >= sizeof name) {
        tc_error_set(job->err, TC_EUSAGE, "argument '%s': expected name=value", job->text);
        return 0;
    }
    memcpy(name, job->text, (size_t)(equals - job->text));
    lua_getfield(L, LUA_REGISTRYINDEX, "tc.args");
    if (lua_getfield(L, -1, name) == LUA_TNIL) {
        unknown_argument(job->script, name, job->err);
        return 0;
    }
    const char *expected;
    if (!push_typed(L, lua_gettop(L), equals + 1, &expected)) {
        tc_error_set(job->err, TC_EUSAGE, "%s: argument '%s': expected %s, found \"%s\"", job->script->source.chunk,
                     name, expected, equals + 1);
        return 0;
    }
    if (check_range(job, L, name, equals + 1))
        return 0;
    lua_setfield(L, 2, name);
    return 0;
}

int tc_script_set_args(struct tc_script *script, const char *const *args, size_t count, struct tc_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct tc_error found = {0};
        struct setting job = {.script = script, .text = args[i], .err = &found};
        int rc = tc_sandbox_protect(&script->box, set_one, &job, err);
        if (!rc && found.code)
            rc = tc_error_set(err, found.code, "%s", found.text);
        if (rc)
            return rc;
    }
    return 0;
}
