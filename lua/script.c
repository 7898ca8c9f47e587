/* The life of a script: load, check, hand out its handler, free. */
#include "lua_internal.h"

#include "../proxy/random.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int copy_text(const char *from, char *to, size_t size, struct tc_error *err)
{
    if ((size_t)snprintf(to, size, "%s", from) >= size)
        return tc_error_set(err, TC_EUSAGE, "%.100s…: path longer than %zu bytes", from, size - 1);
    return 0;
}

/* Puts what every call needs at fixed places of the stack: reading it there costs a copy, not a look-up. Runs
 * protected; the values are left in the registry and pushed afterwards. */
static int make_borrowed(lua_State *L)
{
    lua_createtable(L, TC_BORROWED_POOL, 0);
    for (int i = 1; i <= TC_BORROWED_POOL; i++) {
        struct tc_lua_message *handle = lua_newuserdatauv(L, sizeof *handle, 0);
        *handle = (struct tc_lua_message){.generation = 0};
        luaL_setmetatable(L, TC_META_MESSAGE);
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, LUA_REGISTRYINDEX, "tc.borrowed");
    return 0;
}

static int push_places(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    int rc = tc_sandbox_protect(&script->box, make_borrowed, NULL, err);
    if (rc)
        return rc;
    if (!lua_checkstack(L, TC_BORROWED_POOL + 64))
        return tc_error_set(err, TC_EMEMORY, "no memory for a script");
    lua_getfield(L, LUA_REGISTRYINDEX, "tc.context_object");
    script->at_context = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "tc.args");
    script->at_args = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "tc.borrowed");
    int table = lua_gettop(L);
    for (int i = 1; i <= TC_BORROWED_POOL; i++) {
        lua_rawgeti(L, table, i);
        script->borrowed[i - 1] = lua_touserdata(L, -1);
    }
    script->at_borrowed = table + 1;
    return 0;
}

static int load_file(struct tc_script *script, struct tc_error *err)
{
    struct tc_sandbox *box = &script->box;
    int rc = tc_sandbox_run(box, &script->source, err);
    if (rc)
        return rc;
    const char *kind = tc_declared_kind(box->L, -1);
    if (!kind || strcmp(kind, "attack") != 0)
        return tc_error_set(err, TC_EUSAGE, "%s:%u: expected 'return attack \"name\" { … }', found %s",
                            script->source.chunk, box->declared_line ? box->declared_line : 1u,
                            kind ? kind : luaL_typename(box->L, -1));
    script->at_attack = lua_gettop(box->L);
    snprintf(script->info.name, sizeof script->info.name, "%s", box->declared_name);
    return tc_script_check(script, err);
}

static void fill_handler(struct tc_script *script)
{
    script->handler.self = script;
    script->handler.name = script->info.name;
    script->handler.kinds = script->info.kinds;
    script->handler.call = tc_script_call;
    uint32_t calls = 1u << TC_CALL_BEGIN | 1u << TC_CALL_TIMER;
    for (int call = 0; call <= TC_CALL_END; call++)
        if (script->at_handler[call])
            calls |= 1u << call;
    script->handler.calls = calls;
}

static int load(const struct tc_script_config *config, struct tc_script *script, struct tc_error *err)
{
    script->protocol = config->protocol;
    script->env = config->env;
    script->ledger = config->ledger;
    script->seed = config->seed;
    int rc = copy_text(config->lua_dir, script->lua_dir, sizeof script->lua_dir, err);
    if (!rc)
        rc = copy_text(config->path, script->info.path, sizeof script->info.path, err);
    if (!rc)
        rc = tc_source_read(config->path, &script->source, err);
    script->box.script = script;
    script->box.source = &script->source;
    if (!rc)
        rc = tc_sandbox_open(&script->box, config->steps_max, config->memory_max, config->lua_dir, err);
    if (!rc)
        rc = load_file(script, err);
    if (!rc)
        rc = tc_script_set_args(script, config->args, config->arg_count, err);
    if (!rc)
        rc = push_places(script, err);
    if (rc)
        return rc;
    script->seed_rule = tc_random_mix_text(tc_random_mix(0, config->seed), script->info.name);
    if (tc_source_uses(&script->source, "heard")) {
        script->heard = calloc(TC_HEARD_MAX, sizeof *script->heard);
        if (!script->heard)
            return tc_error_set(err, TC_EMEMORY, "no memory for the messages of c:heard");
    }
    fill_handler(script);
    return 0;
}

int tc_script_load(const struct tc_script_config *config, struct tc_script **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_script *script = calloc(1, sizeof *script);
    if (!script)
        return tc_error_set(err, TC_EMEMORY, "no memory for a script");
    int rc = load(config, script, err);
    if (rc) {
        tc_script_free(script);
        return rc;
    }
    *out = script;
    return 0;
}

void tc_script_free(struct tc_script *script)
{
    if (!script)
        return;
    tc_sandbox_close(&script->box);
    tc_source_free(&script->source);
    tc_heard_free(script);
    for (size_t i = 0; i < TC_DECODED_MAX && script->decoded[i]; i++) {
        tc_arena_free(&script->decoded[i]->arena);
        free(script->decoded[i]);
    }
    free(script);
}

void tc_script_halt(struct tc_script *script)
{
    atomic_store_explicit(&script->box.halted, true, memory_order_relaxed);
}

const struct tc_script_info *tc_script_info(const struct tc_script *script)
{
    return &script->info;
}

const struct tc_handler *tc_script_handler(struct tc_script *script)
{
    return &script->handler;
}
