/* c.state: what a script remembers between calls. Entries under whole numbers (slots, views, sequence numbers) are a
 * ring of the last 4096 new ones, so that an attack may remember something of every slot and still run for hours;
 * entries under other keys stay. */
#include "lua_internal.h"

static const char store_key, ring_key, place_key, state_key; /* registry keys */

static void push_part(lua_State *L, const char *key)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
}

static int state_index(lua_State *L)
{
    push_part(L, &store_key);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

/* The place the next new number takes; whatever had it leaves. Store at 4. */
static void take_place(lua_State *L, struct tc_script *script)
{
    lua_Integer place = (lua_Integer)(script->state_at % TC_STATE_RING) + 1;
    push_part(L, &place_key);
    push_part(L, &ring_key);
    if (lua_rawgeti(L, -1, place) != LUA_TNIL) {
        lua_pushvalue(L, -1);
        lua_rawget(L, -4);
        if (lua_tointeger(L, -1) == place) { /* it did not leave by itself and come back elsewhere */
            lua_pushvalue(L, -2);
            lua_pushnil(L);
            lua_rawset(L, 4);
            lua_pushvalue(L, -2);
            lua_pushnil(L);
            lua_rawset(L, -6);
            if (!script->state_full_noted && script->plan) {
                script->state_full_noted = true;
                tc_plan_note(L, "c.state holds 4096 numbered entries: from now on the oldest leave");
            }
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, place);
    lua_pushvalue(L, 2);
    lua_pushinteger(L, place);
    lua_rawset(L, -4);
    lua_pop(L, 2);
    script->state_at++;
}

static int state_newindex(lua_State *L)
{
    struct tc_script *script = tc_script_of(L);
    int type = lua_type(L, 2);
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN)
        return tc_lua_expected(L, 2, "a number or a string as key of c.state");
    lua_settop(L, 3);
    if (luaL_testudata(L, 3, TC_META_MESSAGE) && !tc_lua_message_check(L, 3)->owned)
        return luaL_error(L, "this message ends with the handler; keep m:copy()");
    push_part(L, &store_key);
    lua_pushvalue(L, 2);
    bool fresh = lua_rawget(L, 4) == LUA_TNIL && !lua_isnil(L, 3);
    bool gone = !lua_isnil(L, -1) && lua_isnil(L, 3);
    lua_pop(L, 1);
    if (lua_isinteger(L, 2)) {
        if (fresh)
            take_place(L, script);
        if (gone) {
            push_part(L, &place_key);
            lua_pushvalue(L, 2);
            lua_pushnil(L);
            lua_rawset(L, -3);
            lua_pop(L, 1);
        }
    } else {
        if (fresh && script->state_names == TC_STATE_NAMES)
            return luaL_error(L, "more than %d names in c.state", TC_STATE_NAMES);
        script->state_names += fresh ? 1 : 0;
        script->state_names -= gone ? 1 : 0;
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, 4);
    return 0;
}

/* Upvalues: keys in order, place of the last one. */
static int state_next(lua_State *L)
{
    push_part(L, &store_key);
    int store = lua_gettop(L);
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(2));
    for (;;) {
        if (lua_rawgeti(L, lua_upvalueindex(1), ++at) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, store) != LUA_TNIL)
            break;
        lua_pop(L, 2);
    }
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

static int state_pairs(lua_State *L)
{
    push_part(L, &store_key);
    tc_lua_keys(L, -1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, state_next, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

void tc_lua_push_state(lua_State *L)
{
    push_part(L, &state_key);
}

void tc_api_state_open(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__index", state_index}, {"__newindex", state_newindex}, {"__pairs", state_pairs}, {NULL, NULL}};
    static const char *const parts[] = {&store_key, &ring_key, &place_key};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        lua_newtable(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, parts[i]);
    }
    lua_newuserdatauv(L, 0, 0);
    lua_newtable(L);
    tc_lua_register(L, meta);
    lua_pushliteral(L, "state");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
}
