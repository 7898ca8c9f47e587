/* What a file is: `attack`, `scenario`, `cluster`, `reference`. Each takes a table and gives it back, remembered with
 * its kind, its name, the file and the line, so that whoever reads it can say where a mistake is. */
#include "lua_internal.h"

#include <stdio.h>
#include <string.h>

static const char declared; /* registry key: table → {kind, source or nil, line} */
static const char sources;  /* registry key: array of sources read by load(), kept as long as the state */

/* Table at `index` (absolute) is remembered as `kind` at `line`. */
static void remember(lua_State *L, int index, const char *kind, int line)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &declared);
    lua_pushvalue(L, index);
    lua_createtable(L, 3, 0);
    lua_pushstring(L, kind);
    lua_rawseti(L, -2, 1);
    lua_pushlightuserdata(L, (void *)(uintptr_t)tc_sandbox_of(L)->source);
    lua_rawseti(L, -2, 2);
    lua_pushinteger(L, line);
    lua_rawseti(L, -2, 3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static int caller_line(lua_State *L)
{
    lua_Debug at;
    if (!lua_getstack(L, 1, &at) || !lua_getinfo(L, "l", &at) || at.currentline < 0)
        return 0;
    return at.currentline;
}

/* The second call of `attack "name" { … }`. Upvalues: kind, name, line. */
static int declare_named(lua_State *L)
{
    struct tc_sandbox *box = tc_sandbox_of(L);
    const char *kind = lua_tostring(L, lua_upvalueindex(1));
    if (!lua_istable(L, 1))
        return luaL_error(L, "expected %s \"%s\" { … }, found %s", kind, lua_tostring(L, lua_upvalueindex(2)),
                          tc_lua_found(L, 1));
    lua_settop(L, 1);
    snprintf(box->declared_kind, sizeof box->declared_kind, "%s", kind);
    snprintf(box->declared_name, sizeof box->declared_name, "%s", lua_tostring(L, lua_upvalueindex(2)));
    box->declared_line = (uint32_t)lua_tointeger(L, lua_upvalueindex(3));
    remember(L, 1, kind, (int)box->declared_line);
    return 1;
}

/* attack "name", scenario "name". Upvalue 1: the kind. */
static int declare_name(lua_State *L)
{
    const char *kind = lua_tostring(L, lua_upvalueindex(1));
    size_t len;
    const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    if (!name)
        return luaL_error(L, "expected %s \"name\" { … }, found %s", kind, tc_lua_found(L, 1));
    if (len == 0 || len >= TC_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != len)
        return luaL_error(L, "expected a name of 1 to %d lower-case letters, digits and dashes, found \"%s\"",
                          TC_NAME_MAX - 1, name);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, caller_line(L));
    lua_pushcclosure(L, declare_named, 3);
    return 1;
}

/* cluster { … }, reference { … }. Upvalue 1: the kind. */
static int declare_table(lua_State *L)
{
    struct tc_sandbox *box = tc_sandbox_of(L);
    const char *kind = lua_tostring(L, lua_upvalueindex(1));
    if (!lua_istable(L, 1))
        return luaL_error(L, "expected %s { … }, found %s", kind, tc_lua_found(L, 1));
    lua_settop(L, 1);
    if (!box->declared_kind[0]) {
        snprintf(box->declared_kind, sizeof box->declared_kind, "%s", kind);
        box->declared_line = (uint32_t)caller_line(L);
    }
    remember(L, 1, kind, caller_line(L));
    return 1;
}

static int free_source(lua_State *L)
{
    struct tc_source *source = lua_touserdata(L, 1);
    tc_source_free(source);
    return 0;
}

/* An empty source as userdata on top, freed with the state. */
static struct tc_source *push_source(lua_State *L)
{
    struct tc_source *source = lua_newuserdatauv(L, sizeof *source, 0);
    *source = (struct tc_source){0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, free_source);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sources);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    return source;
}

/* load "file.lua": the cluster file of that name, looked for beside the file that loads it. Upvalue 1: environment. */
static int load_cluster(lua_State *L)
{
    struct tc_sandbox *box = tc_sandbox_of(L);
    const char *name = luaL_checkstring(L, 1);
    if (box->script || !box->source)
        return luaL_error(L, "'load' is not here: a script is one file");
    const char *slash = strrchr(box->source->path, '/');
    int folder_len = name[0] == '/' || !slash ? 0 : (int)(slash - box->source->path) + 1;
    lua_pushlstring(L, box->source->path, (size_t)folder_len);
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
    struct tc_source *source = push_source(L);
    struct tc_error err = {0};
    if (tc_source_read(lua_tostring(L, -2), source, &err))
        return luaL_error(L, "%s", err.text);
    lua_pushfstring(L, "@%s", source->chunk);
    if (luaL_loadbufferx(L, source->text ? source->text : "", source->len, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setupvalue(L, -2, 1);
    const struct tc_source *before = box->source;
    box->source = source;
    lua_call(L, 0, 1);
    box->source = before;
    const char *kind = tc_declared_kind(L, -1);
    if (!kind || (strcmp(kind, "cluster") != 0 && strcmp(kind, "reference") != 0))
        return luaL_error(L, "%s: expected 'return cluster { … }', found %s", source->chunk, tc_lua_found(L, -1));
    return 1;
}

/* Pushes the record of the table at `index`; false (nothing pushed) if it was not declared. */
static bool push_record(lua_State *L, int index)
{
    if (!lua_istable(L, index))
        return false;
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &declared);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

const char *tc_declared_kind(lua_State *L, int index)
{
    if (!push_record(L, index))
        return NULL;
    lua_rawgeti(L, -1, 1);
    const char *kind = lua_tostring(L, -1); /* kept alive by the record */
    lua_pop(L, 2);
    return kind;
}

const struct tc_source *tc_declared_source(lua_State *L, int index, uint32_t *line)
{
    if (!push_record(L, index))
        return NULL;
    lua_rawgeti(L, -1, 2);
    const struct tc_source *source = lua_touserdata(L, -1);
    lua_rawgeti(L, -2, 3);
    *line = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 3);
    return source;
}

/* Environment on top. */
void tc_declare_open(lua_State *L)
{
    static const char *const named[] = {"attack", "scenario", NULL};
    static const char *const plain[] = {"cluster", "reference", NULL};
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &declared);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sources);
    for (const char *const *kind = named; *kind; kind++) {
        lua_pushstring(L, *kind);
        lua_pushcclosure(L, declare_name, 1);
        lua_setfield(L, -2, *kind);
    }
    for (const char *const *kind = plain; *kind; kind++) {
        lua_pushstring(L, *kind);
        lua_pushcclosure(L, declare_table, 1);
        lua_setfield(L, -2, *kind);
    }
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, load_cluster, 1);
    lua_setfield(L, -2, "load");
}
