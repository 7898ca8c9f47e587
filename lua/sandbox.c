/* One Lua state with a memory cap and a budget of steps.
 *
 * Steps are counted by the interpreter's count hook, in slices, and by our own functions, which pay for the work they
 * do in C; large allocations pay too, since one instruction may copy megabytes. When the budget is gone the hook fires
 * at every instruction and our pcall raises again, so that no script can go on. */
#include "lua_internal.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE         1000 /* instructions between two looks at the budget */
#define PAY_ALLOC_MIN 4096 /* allocations below it are paid for by the instruction that makes them */

static void exhausted_hook(lua_State *L, lua_Debug *at);

/* An error of memory has no traceback: where it was asked for is noted when it is refused. Allocates nothing.
 * From 5.4.6 on Lua may ask for memory while its stack is not to be looked at: there the place stays unknown. */
static void note_place(struct tc_sandbox *box)
{
    lua_Debug at;
    if (LUA_VERSION_RELEASE_NUM >= 50406)
        return;
    for (int level = 0; box->L && lua_getstack(box->L, level, &at); level++) {
        if (!lua_getinfo(box->L, "Sl", &at) || at.currentline < 1)
            continue;
        snprintf(box->refused_at, sizeof box->refused_at, "%s:%d", at.short_src, at.currentline);
        return;
    }
}

static void *allocate(void *self, void *old, size_t old_size, size_t new_size)
{
    struct tc_sandbox *box = self;
    if (!old)
        old_size = 0; /* Lua passes the kind of object here */
    if (new_size == 0) {
        free(old);
        box->memory_used -= old_size;
        return NULL;
    }
    if (box->calling && new_size > old_size && box->memory_used + (new_size - old_size) > box->memory_max) {
        note_place(box);
        return NULL;
    }
    void *made = realloc(old, new_size);
    if (!made)
        return NULL;
    box->memory_used += new_size - old_size;
    if (new_size > PAY_ALLOC_MIN && new_size > old_size) {
        box->steps_left -= (int64_t)(new_size / 32);
        if (box->steps_left <= 0 && box->L)
            lua_sethook(box->L, exhausted_hook, LUA_MASKCOUNT, 1);
    }
    return made;
}

/* Raises "the budget is spent" for good. */
static void raise_exhausted(lua_State *L)
{
    struct tc_sandbox *box = tc_sandbox_of(L);
    if (!box->exhausted) {
        box->exhausted = true;
        lua_sethook(L, exhausted_hook, LUA_MASKCOUNT, 1);
    }
    if (atomic_load_explicit(&box->halted, memory_order_relaxed))
        luaL_error(L, "the script holds up the run: its calls take too long (a long loop?)");
    luaL_error(L, "the call used up its budget of %I steps (an endless loop?)", (lua_Integer)box->steps_max);
}

static void exhausted_hook(lua_State *L, lua_Debug *at)
{
    (void)at;
    raise_exhausted(L);
}

static void slice_hook(lua_State *L, lua_Debug *at)
{
    (void)at;
    struct tc_sandbox *box = tc_sandbox_of(L);
    box->steps_left -= SLICE;
    if (box->steps_left <= 0 || atomic_load_explicit(&box->halted, memory_order_relaxed))
        raise_exhausted(L);
}

void tc_sandbox_charge(lua_State *L, uint64_t steps)
{
    struct tc_sandbox *box = tc_sandbox_of(L);
    box->steps_left -= (int64_t)(steps < INT32_MAX ? steps : INT32_MAX);
    if (box->steps_left <= 0)
        raise_exhausted(L);
}

void tc_sandbox_arm(struct tc_sandbox *box)
{
    box->steps_left = (int64_t)box->steps_max;
    box->exhausted = false;
    lua_sethook(box->L, slice_hook, LUA_MASKCOUNT, SLICE);
}

/* Pushes "file:line: " of the innermost Lua function that runs, unless `message` begins with its file already; false
 * (nothing pushed) then, and where no Lua function runs. */
static bool push_place(lua_State *L, const char *message)
{
    lua_Debug at;
    for (int level = 1; lua_getstack(L, level, &at); level++) {
        if (!lua_getinfo(L, "Sl", &at) || at.currentline < 1)
            continue;
        size_t len = strlen(at.short_src);
        if (strncmp(message, at.short_src, len) == 0 && message[len] == ':')
            return false;
        lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
        return true;
    }
    return false;
}

/* A traceback's lines of functions without a name or a place say nothing to who writes scripts. */
static void push_without_c(lua_State *L, const char *text)
{
    static const char noise[] = "\n\t[C]: in ?";
    luaL_Buffer kept;
    luaL_buffinit(L, &kept);
    for (const char *next; (next = strstr(text, noise)); text = next + sizeof noise - 1)
        luaL_addlstring(&kept, text, (size_t)(next - text));
    luaL_addstring(&kept, text);
    luaL_pushresult(&kept);
    size_t len, heading = sizeof "\nstack traceback:" - 1;
    text = lua_tolstring(L, -1, &len);
    if (len >= heading && strcmp(text + len - heading, "\nstack traceback:") == 0)
        lua_pushlstring(L, text, len - heading); /* nothing is left below it: a file that does not load */
}

/* The message handler of every call: message first, then where it came from. With the budget gone, nothing of the
 * script's may run here, not even a __tostring. */
static int add_traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    if (!message)
        message = tc_sandbox_of(L)->exhausted ? "the call used up its budget" : tc_lua_text(L, 1);
    if (push_place(L, message)) {
        lua_pushstring(L, message);
        lua_concat(L, 2);
        message = lua_tostring(L, -1);
    }
    luaL_traceback(L, L, message, 1);
    push_without_c(L, lua_tostring(L, -1));
    return 1;
}

static void set_error(struct tc_sandbox *box, int status, struct tc_error *err)
{
    lua_State *L = box->L;
    if (status == LUA_ERRMEM) {
        tc_error_set(err, TC_ELIMIT, "%s: the script passed its memory cap of %zu bytes",
                     box->refused_at[0] ? box->refused_at
                     : box->source      ? box->source->chunk
                                        : "script",
                     box->memory_max);
        return;
    }
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (!text)
        text = "unknown error";
    tc_error_set(err, box->exhausted ? TC_ELIMIT : TC_ESCRIPT, "%s", text);
}

int tc_sandbox_call(struct tc_sandbox *box, int arguments, int results, struct tc_error *err)
{
    bool outer = box->calling;
    box->calling = true;
    int status = lua_pcall(box->L, arguments, results, TC_AT_TRACEBACK);
    box->calling = outer;
    if (status == LUA_OK)
        return 0;
    set_error(box, status, err);
    lua_pop(box->L, 1);
    return status == LUA_ERRMEM || box->exhausted ? TC_ELIMIT : TC_ESCRIPT;
}

int tc_sandbox_protect(struct tc_sandbox *box, lua_CFunction function, void *argument, struct tc_error *err)
{
    lua_pushcfunction(box->L, function);
    lua_pushlightuserdata(box->L, argument);
    return tc_sandbox_call(box, 1, 0, err);
}

/* What a missing global is told. */
static const struct {
    const char *name, *advice;
} removed[] = {
    {"print", "use c:note(text)"},
    {"os", "scripts do no input or output; c.now is the time"},
    {"io", "scripts do no input or output"},
    {"debug", "it would undo the sandbox"},
    {"package", "a script is one file"},
    {"require", "a script is one file"},
    {"dofile", "a script is one file"},
    {"loadfile", "a script is one file"},
    {"loadstring", "scripts do not make code"},
    {"coroutine", "use c:after(seconds, function)"},
    {"collectgarbage", "memory is not a script's to see"},
    {"_G", "globals are not a table here; use locals or c.state"},
    {"xpcall", "use pcall; errors carry a traceback"},
};

static int missing_global(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++)
        if (strcmp(name, removed[i].name) == 0)
            return luaL_error(L, "'%s' is not here: %s", name, removed[i].advice);
    return luaL_error(L, "undeclared global '%s'", name);
}

static int new_global(lua_State *L)
{
    return luaL_error(L, "assignment to undeclared global '%s' (write 'local', or keep it in c.state)",
                      lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
}

void tc_lua_register(lua_State *L, const luaL_Reg *functions)
{
    luaL_setfuncs(L, functions, 0);
}

static void make_strict(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, missing_global);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, new_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* Builds the whole environment; runs protected, since any of it may find memory short. */
static int open_all(lua_State *L)
{
    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 0);
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0);
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 0);
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 0);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    tc_base_open(L);
    tc_string_open(L);
    tc_declare_open(L);
    lua_settop(L, 2);
    tc_api_message_open(L);
    tc_api_fields_open(L);
    lua_settop(L, 2);
    tc_api_verdict_open(L); /* adds drop, delay, … and NIL to the environment on top */
    lua_settop(L, 2);
    tc_api_state_open(L);
    tc_api_context_open(L);
    return 0;
}

/* prelude.lua: what is easier said in Lua; its globals are declared before the environment turns strict. */
static int run_prelude(struct tc_sandbox *box, const char *lua_dir, struct tc_error *err)
{
    char path[600];
    struct tc_source source;
    snprintf(path, sizeof path, "%s/prelude.lua", lua_dir);
    int rc = tc_source_read(path, &source, err);
    if (!rc) {
        const struct tc_source *before = box->source;
        box->source = &source;
        rc = tc_sandbox_run(box, &source, err);
        box->source = before;
    }
    if (!rc)
        lua_pop(box->L, 1);
    tc_source_free(&source);
    return rc;
}

int tc_sandbox_open(struct tc_sandbox *box, uint64_t steps_max, size_t memory_max, const char *lua_dir,
                    struct tc_error *err)
{
    struct tc_script *script = box->script;
    const struct tc_source *source = box->source;
    *box = (struct tc_sandbox){.steps_max = steps_max ? steps_max : TC_STEPS_DEFAULT,
                               .memory_max = memory_max ? memory_max : TC_MEMORY_DEFAULT,
                               .script = script,
                               .source = source};
    if (box->steps_max > INT64_MAX)
        box->steps_max = INT64_MAX;
    lua_State *L = lua_newstate(allocate, box);
    if (!L)
        return tc_error_set(err, TC_EMEMORY, "no memory for a script");
    box->L = L;
    *(struct tc_sandbox **)lua_getextraspace(L) = box;
    tc_sandbox_arm(box);
    lua_pushcfunction(L, add_traceback);
    lua_newtable(L);
    lua_pushvalue(L, TC_AT_ENV);
    lua_pushcclosure(L, open_all, 1);
    lua_pushlightuserdata(L, NULL);
    int rc = tc_sandbox_call(box, 1, 0, err);
    if (!rc)
        rc = run_prelude(box, lua_dir, err);
    if (rc)
        return rc;
    lua_pushvalue(L, TC_AT_ENV);
    make_strict(L);
    lua_pop(L, 1);
    return 0;
}

void tc_sandbox_close(struct tc_sandbox *box)
{
    if (!box->L)
        return;
    lua_sethook(box->L, NULL, 0, 0);
    lua_close(box->L);
    box->L = NULL;
}

/* At 1: the source as light userdata. Loads text only, with our environment as its _ENV. */
static int load_and_run(lua_State *L)
{
    const struct tc_source *source = lua_touserdata(L, 1);
    lua_pushfstring(L, "@%s", source->chunk);
    if (luaL_loadbufferx(L, source->text ? source->text : "", source->len, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setupvalue(L, -2, 1);
    lua_call(L, 0, 1);
    return 1;
}

int tc_sandbox_run(struct tc_sandbox *box, const struct tc_source *source, struct tc_error *err)
{
    lua_State *L = box->L;
    tc_sandbox_arm(box);
    lua_pushvalue(L, TC_AT_ENV);
    lua_pushcclosure(L, load_and_run, 1);
    lua_pushlightuserdata(L, (void *)(uintptr_t)source);
    return tc_sandbox_call(box, 1, 1, err);
}
