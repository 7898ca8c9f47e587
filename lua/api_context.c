/* The context `c`: the cluster, the view, who the traitors are, and choices that depend on nothing but what they
 * decide. */
#include "lua_internal.h"

#include "../proxy/names.h"
#include "../proxy/random.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum field { F_N = 1, F_F, F_QUORUM, F_VIEW, F_NOW, F_STATE, F_ARGS, F_TRAITORS, F_REPLICAS, F_PROTOCOL, F_PHASE };

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"n", F_N},         {"f", F_F},       {"quorum", F_QUORUM},     {"view", F_VIEW},         {"now", F_NOW},
    {"state", F_STATE}, {"args", F_ARGS}, {"traitors", F_TRAITORS}, {"replicas", F_REPLICAS}, {"protocol", F_PROTOCOL},
    {"phase", F_PHASE}};

struct tc_script *tc_script_running(lua_State *L)
{
    struct tc_script *script = tc_script_of(L);
    if (!script || !script->call)
        luaL_error(L, "this is for handlers only: there is no run yet");
    return script;
}

uint16_t tc_lua_node(lua_State *L, int arg)
{
    struct tc_script *script = tc_script_of(L);
    int is_whole = 0;
    lua_Integer node = lua_tointegerx(L, arg, &is_whole);
    const struct tc_cluster *cluster = script ? script->env.cluster : NULL;
    lua_Integer n = cluster ? cluster->n : TC_REPLICAS_MAX;
    lua_Integer clients = cluster && cluster->client_count ? cluster->client_count : TC_NODES_MAX - TC_CLIENT_FIRST;
    bool known = is_whole && ((node >= 0 && node < n) || (node >= TC_CLIENT_FIRST && node < TC_CLIENT_FIRST + clients));
    if (!known) { /* not on Lua's stack: `arg` may count from its top */
        char expected[80];
        snprintf(expected, sizeof expected, "a replica 0 to %d or a client from %d", (int)n - 1, TC_CLIENT_FIRST);
        tc_lua_expected(L, arg, expected);
    }
    return (uint16_t)node;
}

void tc_lua_nodeset(lua_State *L, int arg, struct tc_nodeset *set)
{
    arg = lua_absindex(L, arg);
    *set = (struct tc_nodeset){0};
    if (lua_type(L, arg) == LUA_TNUMBER) {
        tc_nodeset_add(set, tc_lua_node(L, arg));
        return;
    }
    if (!lua_istable(L, arg))
        tc_lua_expected(L, arg, "a node or a list of nodes");
    lua_pushnil(L);
    while (lua_next(L, arg)) {
        tc_sandbox_charge(L, 2);
        if (lua_type(L, -1) == LUA_TNUMBER)
            tc_nodeset_add(set, tc_lua_node(L, -1));
        else if (lua_toboolean(L, -1))
            tc_nodeset_add(set, tc_lua_node(L, -2));
        lua_pop(L, 1);
    }
}

void tc_lua_push_nodes(lua_State *L, const struct tc_nodeset *set)
{
    lua_createtable(L, (int)tc_nodeset_count(set), 0);
    lua_Integer at = 0;
    for (uint32_t node = 0; node < TC_NODES_MAX; node++) {
        if (tc_nodeset_has(set, node)) {
            lua_pushinteger(L, node);
            lua_rawseti(L, -2, ++at);
        }
    }
}

/* Mixes one key value. Messages count by what they say and the link they travel on. */
static uint64_t mix_one(lua_State *L, uint64_t h, int index)
{
    struct tc_lua_message *handle;
    size_t len;
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            return tc_random_mix(tc_random_mix(h, 1), (uint64_t)lua_tointeger(L, index));
        lua_Number number = lua_tonumber(L, index);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        return tc_random_mix(tc_random_mix(h, 2), bits);
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &len);
        return tc_random_mix_bytes(tc_random_mix(h, 3), (struct tc_slice){(const uint8_t *)text, len});
    }
    case LUA_TBOOLEAN:
        return tc_random_mix(tc_random_mix(h, 4), (uint64_t)lua_toboolean(L, index));
    case LUA_TUSERDATA: {
        const struct tc_message *m = tc_lua_message_neutral(L, index, &handle);
        h = tc_random_mix(tc_random_mix(h, 5), m->key);
        return tc_random_mix(tc_random_mix(h, handle->occurrence), (uint64_t)handle->from << 16 | handle->to);
    }
    default:
        tc_lua_expected(L, index, "a key of numbers, strings or messages");
        return 0;
    }
}

uint64_t tc_lua_mix(lua_State *L, uint64_t h, int first, int last)
{
    for (int i = first; i <= last; i++)
        h = mix_one(L, h, i);
    return h;
}

/* c:random(key): 0 ≤ x < 1; c:random(key, n): a whole number 1 … n. The same key gives the same number. */
static int context_random(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    luaL_checkany(L, 2);
    uint64_t h = tc_lua_mix(L, tc_random_mix_text(script->seed_rule, "random"), 2, 2);
    if (lua_isnoneornil(L, 3)) {
        lua_pushnumber(L, (lua_Number)(tc_random_mix(h, 0) >> 11) * (1.0 / 9007199254740992.0));
        return 1;
    }
    lua_Integer n = luaL_checkinteger(L, 3);
    luaL_argcheck(L, n >= 1, 3, "expected a whole number from 1");
    lua_pushinteger(L, (lua_Integer)tc_random_below(tc_random_mix(h, 1), (uint64_t)n) + 1);
    return 1;
}

/* c:split(set, share, key): { [id] = true } for the share of the set, rounded to the nearest (at least one if share >
 * 0), chosen by the key. */
static int context_split(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    struct tc_nodeset set;
    tc_lua_nodeset(L, 2, &set);
    lua_Number share = luaL_checknumber(L, 3);
    if (!(share >= 0 && share <= 1))
        return tc_lua_expected(L, 3, "a share from 0 to 1");
    uint32_t members[TC_NODES_MAX], order[TC_NODES_MAX], count = 0;
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (tc_nodeset_has(&set, node))
            members[count++] = node;
    uint32_t take = (uint32_t)floor(share * count + 0.5);
    if (take == 0 && share > 0 && count > 0)
        take = 1;
    uint64_t h = tc_random_mix_text(script->seed_rule, "split");
    tc_random_order(lua_isnoneornil(L, 4) ? h : tc_lua_mix(L, h, 4, 4), order, count);
    lua_createtable(L, 0, (int)take);
    for (uint32_t i = 0; i < take; i++) {
        lua_pushboolean(L, 1);
        lua_rawseti(L, -2, members[order[i]]);
    }
    return 1;
}

static uint64_t view_argument(lua_State *L, struct tc_script *script, int arg)
{
    if (lua_isnoneornil(L, arg))
        return script->call ? script->call->view : 0;
    lua_Integer view = luaL_checkinteger(L, arg);
    luaL_argcheck(L, view >= 0, arg, "expected a view from 0");
    return (uint64_t)view;
}

static int context_leader(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    lua_pushinteger(L, tc_protocol_leader(script->protocol, &script->env, view_argument(L, script, 2)));
    return 1;
}

static int context_backups(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    uint16_t leader = tc_protocol_leader(script->protocol, &script->env, view_argument(L, script, 2));
    struct tc_nodeset set = {0};
    for (uint32_t node = 0; node < script->env.cluster->n; node++)
        if (node != leader)
            tc_nodeset_add(&set, node);
    tc_lua_push_nodes(L, &set);
    return 1;
}

/* Who are the traitors now: what the engine says, or what was just named. */
static const struct tc_nodeset *traitors(const struct tc_script *script)
{
    bool told = script->call && script->call->traitors && tc_nodeset_count(script->call->traitors);
    return told ? script->call->traitors : &script->traitors;
}

static int context_is_traitor(lua_State *L)
{
    struct tc_script *script = tc_script_of(L);
    lua_Integer node = luaL_checkinteger(L, 2);
    lua_pushboolean(L, script && node >= 0 && node < TC_NODES_MAX && tc_nodeset_has(traitors(script), (uint32_t)node));
    return 1;
}

static void push_replicas(lua_State *L, const struct tc_cluster *cluster)
{
    struct tc_nodeset set = {0};
    for (uint32_t node = 0; node < cluster->n; node++)
        tc_nodeset_add(&set, node);
    tc_lua_push_nodes(L, &set);
}

static void push_field(lua_State *L, struct tc_script *script, enum field field)
{
    const struct tc_cluster *cluster = script->env.cluster;
    switch (field) {
    case F_N:
        lua_pushinteger(L, cluster->n);
        break;
    case F_F:
        lua_pushinteger(L, cluster->f);
        break;
    case F_QUORUM:
        lua_pushinteger(L, tc_protocol_quorum(script->protocol, cluster));
        break;
    case F_VIEW:
        lua_pushinteger(L, (lua_Integer)script->call->view);
        break;
    case F_NOW:
        lua_pushnumber(L, (lua_Number)script->call->now_ns / 1e9);
        break;
    case F_STATE:
        tc_lua_push_state(L);
        break;
    case F_ARGS:
        lua_getfield(L, LUA_REGISTRYINDEX, "tc.args");
        break;
    case F_TRAITORS:
        tc_lua_push_nodes(L, traitors(script));
        break;
    case F_REPLICAS:
        push_replicas(L, cluster);
        break;
    case F_PROTOCOL:
        lua_pushstring(L, script->protocol->name);
        break;
    case F_PHASE:
        lua_pushstring(L, tc_run_phase_name(script->call->phase));
        break;
    }
}

/* c.name. Upvalue 1: names → field number or method. */
static int context_index(lua_State *L)
{
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, lua_upvalueindex(1));
    if (type == LUA_TFUNCTION)
        return 1;
    if (type == LUA_TNUMBER) {
        push_field(L, tc_script_running(L), (enum field)lua_tointeger(L, -1));
        return 1;
    }
    const char *words[64], *name = luaL_tolstring(L, 2, NULL);
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, lua_upvalueindex(1)) && count < 64) {
        lua_pop(L, 1);
        words[count++] = lua_tostring(L, -1);
    }
    const char *near = tc_lua_nearest(name, words, count);
    if (near)
        return luaL_error(L, "the context has no '%s'; did you mean '%s'?", name, near);
    return luaL_error(L, "the context has no '%s'", name);
}

static int context_newindex(lua_State *L)
{
    return luaL_error(L, "c.%s is not to be set; keep what you need in c.state", luaL_tolstring(L, 2, NULL));
}

void tc_api_context_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"random", context_random},         {"split", context_split},
                                       {"leader", context_leader},         {"backups", context_backups},
                                       {"is_traitor", context_is_traitor}, {NULL, NULL}};
    lua_newuserdatauv(L, 0, 0);
    luaL_newmetatable(L, TC_META_CONTEXT);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushinteger(L, fields[i].field);
        lua_setfield(L, -2, fields[i].name);
    }
    tc_lua_register(L, methods);
    tc_api_act_methods(L);
    tc_api_cluster_methods(L);
    tc_api_build_methods(L);
    tc_api_heard_methods(L);
    lua_pushcclosure(L, context_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, context_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, "tc.context_object");
}
