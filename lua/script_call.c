/* One call from the engine into the script: budget, handler, verdict, and what dies when it returns. */
#include "lua_internal.h"

#include "../proxy/names.h"
#include <string.h>

void tc_lua_push_borrowed(struct tc_script *script, const struct tc_message *message)
{
    lua_State *L = script->box.L;
    const uint32_t index = script->borrowed_next++ % TC_BORROWED_POOL;
    struct tc_lua_message *handle = script->borrowed[index];
    handle->message = message;
    handle->generation = script->generation;
    handle->from = message->from;
    handle->to = message->to;
    handle->conn = message->conn;
    handle->occurrence = message->occurrence;
    lua_pushvalue(L, script->at_borrowed + (int)index);
}

static int take_verdict(lua_State *L)
{
    tc_verdict_take(L, 2);
    return 0;
}

/* The handler's result is on top. */
static int read_verdict(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return 0;
    }
    lua_pushcfunction(L, take_verdict);
    lua_insert(L, -2);
    lua_pushnil(L);
    lua_insert(L, -2);
    return tc_sandbox_call(&script->box, 2, 0, err);
}

static int call_message(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    const struct tc_call *call = script->call;
    lua_pushvalue(L, script->at_handler[call->kind]);
    lua_pushvalue(L, script->at_context);
    tc_lua_push_borrowed(script, call->message);
    lua_pushvalue(L, script->at_args);
    int rc = tc_sandbox_call(&script->box, 3, 1, err);
    return rc ? rc : read_verdict(script, err);
}

/* ---- the other calls run inside one protected function, which may raise ---- */

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* What on_decide and on_view are told: a plain table. */
static void push_observation(lua_State *L, const struct tc_observation *o)
{
    lua_createtable(L, 0, 6);
    set_integer(L, "node", o->node);
    if (o->kind == TC_OBS_VIEW) {
        set_integer(L, "view", o->view.view);
        lua_pushboolean(L, o->view.active);
        lua_setfield(L, -2, "active");
        lua_pushnumber(L, (lua_Number)o->view.timeout_ns / 1e9);
        lua_setfield(L, -2, "timeout");
    } else if (o->kind == TC_OBS_EXECUTED) {
        set_integer(L, "view", o->executed.view);
        set_integer(L, "sequence", o->executed.sequence);
        set_integer(L, "operations", o->executed.operation_count);
        if (o->executed.value.state != TC_VALUE_ABSENT) {
            tc_lua_push_value(L, &o->executed.value);
            lua_setfield(L, -2, "value");
        }
    }
}

/* No function of the script runs by now: the place is where the attack says who they are. */
static void refuse_traitors(lua_State *L, const char *why)
{
    const struct tc_sandbox *box = tc_sandbox_of(L);
    const struct tc_source *source = box->source;
    luaL_error(L, "%s:%d: traitors: %s", source ? source->chunk : "script",
               source ? (int)tc_source_line(source, "traitors", box->declared_line) : 0, why);
}

/* Arguments: what the script says; where it goes. */
static int read_traitors(lua_State *L)
{
    tc_lua_nodeset(L, 1, lua_touserdata(L, 2));
    return 0;
}

/* Asks the script who is to be a traitor. */
static void ask_traitors(lua_State *L, int context, int args, struct tc_nodeset *named)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "tc.attack");
    int type = lua_getfield(L, -1, "traitors");
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, context);
        lua_pushvalue(L, args);
        lua_call(L, 2, 1);
    }
    *named = (struct tc_nodeset){0};
    if (!lua_isnil(L, -1)) {
        lua_pushcfunction(L, read_traitors);
        lua_pushvalue(L, -2);
        lua_pushlightuserdata(L, named);
        int status = lua_pcall(L, 2, 0, 0);
        if (status == LUA_ERRRUN && !tc_sandbox_of(L)->exhausted && lua_isstring(L, -1))
            refuse_traitors(L, lua_tostring(L, -1));
        else if (status != LUA_OK)
            lua_error(L);
    }
    lua_pop(L, 2);
}

/* Names the traitors and freezes them: what on_start signs must already be theirs. A script that is loaded while the
 * attack goes on finds them frozen and is not asked. */
static void begin(lua_State *L, struct tc_script *script, int context, int args)
{
    struct tc_nodeset named;
    if (script->ledger && script->ledger->frozen)
        named = script->ledger->traitors;
    else
        ask_traitors(L, context, args, &named);
    script->traitors = named;
    script->plan->traitors = named;
    struct tc_error err = {0};
    if (script->ledger && tc_ledger_freeze(script->ledger, &named, &err))
        refuse_traitors(L, err.text);
}

static int push_other_arguments(lua_State *L, struct tc_script *script)
{
    const struct tc_call *call = script->call;
    switch (call->kind) {
    case TC_CALL_DECIDE:
    case TC_CALL_VIEW:
        push_observation(L, call->observation);
        return 1;
    case TC_CALL_PHASE:
        lua_pushstring(L, tc_run_phase_name(call->phase));
        return 1;
    default:
        return 0;
    }
}

/* A timer that was set with a name goes to on_timer; one with a function calls it. */
static void call_timer(lua_State *L, struct tc_script *script, int handler, int context, int args)
{
    int type = tc_timer_take(L, script->call->token);
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, context);
        lua_pushvalue(L, args);
        lua_call(L, 2, 0);
    } else if (type == LUA_TSTRING) {
        int name = lua_gettop(L);
        lua_pushvalue(L, handler);
        lua_pushvalue(L, context);
        lua_pushvalue(L, name);
        lua_pushvalue(L, args);
        lua_call(L, 3, 0);
    }
}

/* Arguments: handler or nil, context, args. */
static int call_other(lua_State *L)
{
    struct tc_script *script = tc_script_of(L);
    if (script->call->kind == TC_CALL_BEGIN)
        begin(L, script, 2, 3);
    if (script->call->kind == TC_CALL_TIMER) {
        call_timer(L, script, 1, 2, 3);
        return 0;
    }
    if (lua_isnil(L, 1))
        return 0;
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    int extra = push_other_arguments(L, script);
    lua_pushvalue(L, 3);
    lua_call(L, extra + 2, 1);
    if (luaL_testudata(L, -1, TC_META_VERDICT))
        return luaL_error(L, "only on_message and on_hear return verdicts");
    return 0;
}

static int call_rest(struct tc_script *script, struct tc_error *err)
{
    lua_State *L = script->box.L;
    lua_pushcfunction(L, call_other);
    if (script->at_handler[script->call->kind])
        lua_pushvalue(L, script->at_handler[script->call->kind]);
    else
        lua_pushnil(L);
    lua_pushvalue(L, script->at_context);
    lua_pushvalue(L, script->at_args);
    return tc_sandbox_call(&script->box, 3, 0, err);
}

int tc_script_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_script *script = self;
    bool message = call->kind == TC_CALL_MESSAGE || call->kind == TC_CALL_HEAR;
    script->call = call;
    script->plan = plan;
    if (++script->generation == 0)
        script->generation = 1;
    tc_sandbox_arm(&script->box);
    if (message && script->heard && call->kind == TC_CALL_MESSAGE)
        tc_heard_add(script, call->message);
    int rc = 0;
    if (!message)
        rc = call_rest(script, err);
    else if (script->at_handler[call->kind])
        rc = call_message(script, err);
    int flushed = tc_decoded_flush(script, rc ? NULL : err);
    script->call = NULL;
    script->plan = NULL;
    return rc ? rc : flushed;
}
