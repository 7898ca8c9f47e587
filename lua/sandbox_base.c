/* The base and string functions scripts get: those of the library that are deterministic and cheap, and our own in
 * place of the rest. What walks a table does so in the order of its keys; what turns a value into text shows no
 * address; what calls protected cannot swallow an exhausted budget. */
#include "lua_internal.h"

#include <lualib.h>
#include <string.h>

const char *tc_lua_text(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    int type = lua_type(L, index);
    bool plain = type != LUA_TTABLE && type != LUA_TUSERDATA && type != LUA_TFUNCTION && type != LUA_TLIGHTUSERDATA &&
                 type != LUA_TTHREAD;
    if (plain)
        return luaL_tolstring(L, index, NULL);
    if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_pop(L, 1);
        return luaL_tolstring(L, index, NULL);
    }
    if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING)
        return lua_tostring(L, -1);
    return lua_pushstring(L, lua_typename(L, type));
}

const char *tc_lua_found(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL:
        return lua_pushstring(L, "nothing");
    case LUA_TNUMBER:
        return lua_pushfstring(L, "the number %s", tc_lua_text(L, index));
    case LUA_TSTRING:
        return lua_pushfstring(L, "the string \"%s\"", lua_tostring(L, index));
    case LUA_TBOOLEAN:
        return lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
    default:
        return lua_pushfstring(L, "a %s", tc_lua_text(L, index));
    }
}

int tc_lua_expected(lua_State *L, int arg, const char *expected)
{
    lua_Debug at;
    const char *text = lua_pushfstring(L, "expected %s, found %s", expected, tc_lua_found(L, arg));
    /* What is in a list has no number of its own, and what we call ourselves has no name. */
    if (arg < 1 || !lua_getstack(L, 0, &at) || !lua_getinfo(L, "n", &at) || !at.name)
        return luaL_error(L, "%s", text);
    return luaL_argerror(L, arg, text);
}

static int base_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    tc_lua_text(L, 1);
    return 1;
}

/* pcall(f, …): as the library's, but exhaustion of steps or memory goes on through it. */
static int base_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    struct tc_sandbox *box = tc_sandbox_of(L);
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    if (status == LUA_ERRMEM)
        box->exhausted = true;
    if (box->exhausted)
        return status == LUA_OK ? luaL_error(L, "the call used up its budget") : lua_error(L);
    if (status == LUA_OK)
        return lua_gettop(L);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static bool is_environment(lua_State *L, int index)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    bool same = lua_rawequal(L, index, -1);
    lua_pop(L, 1);
    return same;
}

static int base_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    if (is_environment(L, 1))
        return luaL_error(L, "globals are not to be set");
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static const char metatable_copies; /* registry key: script's metatable → the copy in use */

/* setmetatable(t, mt). What is set is a copy, made anew at each call: a __gc or __mode that is put into `mt` later
 * would make the script depend on when memory is collected. */
static int base_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnoneornil(L, 2) && !lua_istable(L, 2))
        return tc_lua_expected(L, 2, "nil or a table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_setmetatable(L, 1);
        return 1;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_copies);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 3);
    }
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(name, "__gc") == 0 || strcmp(name, "__mode") == 0)
            return luaL_error(L, "%s is not here: a script must not depend on when memory is collected", name);
        tc_sandbox_charge(L, 1);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 4);
    }
    lua_pushvalue(L, 2);
    lua_setfield(L, 4, "tc.original");
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int base_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    if (luaL_getmetafield(L, 1, "__metatable") == LUA_TNIL)
        lua_getfield(L, -1, "tc.original");
    return 1;
}

/* Any library function whose work grows with its text arguments, paid for by their length. Upvalue 1: the function. */
static int paid(lua_State *L)
{
    int top = lua_gettop(L);
    size_t bytes = 0;
    for (int i = 1; i <= top; i++)
        if (lua_type(L, i) == LUA_TSTRING)
            bytes += lua_rawlen(L, i);
    tc_sandbox_charge(L, bytes / 16 + 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, LUA_MULTRET);
    return lua_gettop(L);
}

/* string.format: no %p, and tables as text without address. Upvalue 1: the library's. */
static int string_format(lua_State *L)
{
    size_t len;
    const char *format = luaL_checklstring(L, 1, &len);
    tc_sandbox_charge(L, len / 16 + 1);
    for (size_t i = 0; i + 1 < len; i++) {
        if (format[i] != '%')
            continue;
        i++;
        while (i < len && strchr("-+ #0123456789.", format[i]) && format[i])
            i++;
        if (i < len && format[i] == 'p')
            return luaL_error(L, "%%p is not here: a script must not see addresses");
    }
    int top = lua_gettop(L);
    for (int i = 2; i <= top; i++) {
        if (lua_istable(L, i) || lua_isuserdata(L, i) || lua_isfunction(L, i)) {
            tc_lua_text(L, i);
            lua_replace(L, i);
        }
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, 1);
    return 1;
}

/* Copies the named members of a loaded library (its table at `from`) into the table on top; `wrap` NULL: as they are.
 */
static void pick(lua_State *L, int from, const char *const *names, lua_CFunction wrap)
{
    from = lua_absindex(L, from);
    for (; *names; names++) {
        lua_getfield(L, from, *names);
        if (wrap)
            lua_pushcclosure(L, wrap, 1);
        lua_setfield(L, -2, *names);
    }
}

static void push_library(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

static const char *const base_names[] = {"assert", "error",  "ipairs", "rawequal", "rawget",
                                         "rawlen", "select", "type",   NULL};
static const char *const base_paid[] = {"tonumber", NULL};
static const char *const math_names[] = {"abs",        "ceil", "floor",      "fmod", "huge", "max",
                                         "maxinteger", "min",  "mininteger", "modf", "pi",   "sqrt",
                                         "tointeger",  "type", "ult",        NULL};
static const char *const string_names[] = {"char", "len", "rep", NULL};
static const char *const string_paid[] = {"byte", "lower",  "pack",  "packsize", "reverse",
                                          "sub",  "unpack", "upper", NULL};
static const char *const utf8_names[] = {"char", "charpattern", NULL};
static const char *const utf8_paid[] = {"codepoint", "codes", "len", "offset", NULL};

static int missing_math(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);
    if (strcmp(name, "random") == 0 || strcmp(name, "randomseed") == 0)
        return luaL_error(L, "math.%s is not here: use c:random(key), which depends on what it decides", name);
    return luaL_error(L, "math.%s is not here: its last bits differ between processors", name);
}

static void open_math(lua_State *L)
{
    push_library(L, LUA_MATHLIBNAME);
    lua_newtable(L);
    pick(L, -2, math_names, NULL);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, missing_math);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_setfield(L, -3, "math");
    lua_pop(L, 1);
}

/* Environment on top. */
void tc_base_open(lua_State *L)
{
    static const luaL_Reg ours[] = {{"tostring", base_tostring},
                                    {"pcall", base_pcall},
                                    {"setmetatable", base_setmetatable},
                                    {"getmetatable", base_getmetatable},
                                    {NULL, NULL}};
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_copies);
    push_library(L, LUA_GNAME);
    lua_insert(L, -2);
    pick(L, -2, base_names, NULL);
    pick(L, -2, base_paid, paid);
    lua_remove(L, -2);
    tc_lua_register(L, ours);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, base_rawset, 1);
    lua_setfield(L, -2, "rawset");
    open_math(L);
}

/* Environment on top: string (also as the methods of strings), utf8, table. */
void tc_string_open(lua_State *L)
{
    push_library(L, LUA_STRLIBNAME);
    lua_newtable(L);
    pick(L, -2, string_names, NULL);
    pick(L, -2, string_paid, paid);
    lua_getfield(L, -2, "format");
    lua_pushcclosure(L, string_format, 1);
    lua_setfield(L, -2, "format");
    tc_pattern_open(L);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
    lua_setfield(L, -3, "string");
    lua_pop(L, 1);

    push_library(L, LUA_UTF8LIBNAME);
    lua_newtable(L);
    pick(L, -2, utf8_names, NULL);
    pick(L, -2, utf8_paid, paid);
    lua_setfield(L, -3, "utf8");
    lua_pop(L, 1);

    lua_newtable(L);
    tc_list_open(L);
    lua_setfield(L, -2, "table");
}
