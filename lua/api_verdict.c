/* What a handler answers: drop(), delay(seconds), … are values, read when the handler returns. */
#include "lua_internal.h"

#include "../injectors/forge.h"
#include "../proxy/random.h"
#include <math.h>

/* Uservalue 1: an array of messages (replace); 2: the name (hold); 3: the reason. */
struct verdict {
    enum tc_verb verb;
    uint64_t delay_ns, window_ns;
    uint32_t copies;
    bool corrupt;
};

uint64_t tc_lua_seconds(lua_State *L, int arg)
{
    lua_Number seconds = luaL_checknumber(L, arg);
    if (!(seconds >= 0 && seconds <= 86400))
        tc_lua_expected(L, arg, "seconds from 0 to 86,400");
    lua_Number whole = floor(seconds);
    return (uint64_t)whole * UINT64_C(1000000000) + (uint64_t)floor((seconds - whole) * 1e9 + 0.5);
}

static struct verdict *push_verdict(lua_State *L, enum tc_verb verb)
{
    struct verdict *verdict = lua_newuserdatauv(L, sizeof *verdict, 3);
    *verdict = (struct verdict){.verb = verb};
    luaL_setmetatable(L, TC_META_VERDICT);
    return verdict;
}

/* Keeps the optional reason at `arg` with the verdict on top. */
static void set_why(lua_State *L, int arg)
{
    if (lua_isnoneornil(L, arg))
        return;
    if (lua_type(L, arg) != LUA_TSTRING)
        tc_lua_expected(L, arg, "a reason (a string)");
    lua_pushvalue(L, arg);
    lua_setiuservalue(L, -2, 3);
}

static int verdict_forward(lua_State *L)
{
    lua_settop(L, 0);
    push_verdict(L, TC_FORWARD);
    return 1;
}

static int verdict_drop(lua_State *L)
{
    lua_settop(L, 1);
    push_verdict(L, TC_DROP);
    set_why(L, 1);
    return 1;
}

static int verdict_delay(lua_State *L)
{
    uint64_t delay_ns = tc_lua_seconds(L, 1);
    lua_settop(L, 2);
    push_verdict(L, TC_DELAY)->delay_ns = delay_ns;
    set_why(L, 2);
    return 1;
}

static int verdict_duplicate(lua_State *L)
{
    lua_Integer copies = luaL_optinteger(L, 1, 1);
    if (copies < 1 || copies > TC_DUPLICATES_MAX)
        return tc_lua_expected(L, 1, "1 to 1000 extra copies");
    lua_settop(L, 2);
    push_verdict(L, TC_DUPLICATE)->copies = (uint32_t)copies;
    set_why(L, 2);
    return 1;
}

static int verdict_reorder(lua_State *L)
{
    uint64_t window_ns = tc_lua_seconds(L, 1);
    lua_settop(L, 2);
    push_verdict(L, TC_REORDER)->window_ns = window_ns;
    set_why(L, 2);
    return 1;
}

/* replace(m, … [, why]) */
static int verdict_replace(lua_State *L)
{
    int top = lua_gettop(L);
    bool why = top > 0 && lua_type(L, top) == LUA_TSTRING;
    int count = why ? top - 1 : top;
    if (count < 1 || count > TC_PLAN_FRAMES_MAX)
        return luaL_error(L, "replace: expected 1 to %d messages (drop() leaves nothing), found %d", TC_PLAN_FRAMES_MAX,
                          count);
    push_verdict(L, TC_REPLACE);
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        tc_lua_message_check(L, i);
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_setiuservalue(L, -2, 1);
    set_why(L, why ? top : top + 3);
    return 1;
}

static int verdict_hold(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 2);
    push_verdict(L, TC_HOLD);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 2);
    set_why(L, 2);
    return 1;
}

static int verdict_corrupt(lua_State *L)
{
    lua_settop(L, 1);
    push_verdict(L, TC_REPLACE)->corrupt = true;
    set_why(L, 1);
    return 1;
}

/* ---- from the value to the plan ---- */

static void take_frames(lua_State *L, int index, struct tc_verdict *out)
{
    lua_getiuservalue(L, index, 1);
    out->frame_count = 0;
    size_t count = lua_rawlen(L, -1);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        out->frames[out->frame_count++] = tc_plan_copy(L, tc_lua_frame(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_corrupted(lua_State *L, struct tc_script *script, struct tc_verdict *out)
{
    const struct tc_message *m = script->call->message;
    uint64_t hash = tc_random_mix_text(tc_random_mix(script->seed_rule, m->key), "corrupt");
    hash = tc_random_mix(tc_random_mix(hash, m->occurrence), (uint64_t)m->from << 16 | m->to);
    int rc = tc_forge_corrupt(hash, m->frame, script->plan->arena, &out->frames[0]);
    if (rc)
        luaL_error(L, "corrupt: %s", tc_error_text(rc));
    out->frame_count = 1;
}

/* The handler has returned: where it stands is all that can be said of where the mistake is. */
static void no_verdict(lua_State *L, const struct tc_script *script, int index)
{
    lua_Debug at;
    const char *found = tc_lua_found(L, index);
    bool hear = script->call->kind == TC_CALL_HEAR;
    lua_getfield(L, LUA_REGISTRYINDEX, "tc.attack");
    lua_getfield(L, -1, hear ? "on_hear" : "on_message");
    if (!lua_isfunction(L, -1) || !lua_getinfo(L, ">S", &at))
        at.linedefined = (int)script->box.declared_line;
    luaL_error(L,
               "%s:%d: a handler returns a verdict (drop(), delay(seconds), replace(m), …) or nothing; this %s "
               "returned %s",
               script->source.chunk, at.linedefined, hear ? "on_hear" : "on_message", found);
}

void tc_verdict_take(lua_State *L, int index)
{
    struct tc_script *script = tc_script_of(L);
    struct verdict *verdict = luaL_testudata(L, index, TC_META_VERDICT);
    if (!verdict)
        no_verdict(L, script, index);
    struct tc_verdict *out = &script->plan->verdict;
    out->verb = verdict->verb;
    out->delay_ns = verdict->delay_ns;
    out->duplicates = verdict->copies;
    out->reorder_window_ns = verdict->window_ns;
    if (verdict->corrupt)
        take_corrupted(L, script, out);
    else if (verdict->verb == TC_REPLACE)
        take_frames(L, index, out);
    if (lua_getiuservalue(L, index, 2) == LUA_TSTRING)
        out->hold_name = tc_plan_text(L, lua_tostring(L, -1));
    if (lua_getiuservalue(L, index, 3) == LUA_TSTRING)
        out->why = tc_plan_text(L, lua_tostring(L, -1));
    lua_pop(L, 2);
}

static int verdict_tostring(lua_State *L)
{
    static const char *const words[] = {"forward", "drop", "delay", "duplicate", "reorder", "replace", "hold"};
    struct verdict *verdict = luaL_checkudata(L, 1, TC_META_VERDICT);
    lua_pushstring(L, verdict->corrupt ? "corrupt" : words[verdict->verb]);
    return 1;
}

/* Environment on top. */
void tc_api_verdict_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"forward", verdict_forward},     {"drop", verdict_drop},       {"delay", verdict_delay},
        {"duplicate", verdict_duplicate}, {"reorder", verdict_reorder}, {"replace", verdict_replace},
        {"hold", verdict_hold},           {"corrupt", verdict_corrupt}, {NULL, NULL}};
    tc_lua_register(L, functions);
    luaL_newmetatable(L, TC_META_VERDICT);
    lua_pushcfunction(L, verdict_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
