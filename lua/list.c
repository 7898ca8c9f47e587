/* Walking and ordering tables the same way in every run: pairs and next in the order of keys, a stable sort, and table
 * functions that pay for what they move. */
#include "lua_internal.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 10000000

/* ---- keys in order: integers, floats, strings, booleans ---- */

struct key {
    int rank;
    union {
        lua_Integer integer;
        lua_Number number;
        struct tc_slice text;
    };
    lua_Integer place; /* in the array of keys as found */
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    switch (x->rank) {
    case 0:
    case 3:
        return (x->integer > y->integer) - (x->integer < y->integer);
    case 1:
        return (x->number > y->number) - (x->number < y->number);
    default: {
        size_t least = x->text.len < y->text.len ? x->text.len : y->text.len;
        int order = memcmp(x->text.data, y->text.data, least);
        return order ? order : (x->text.len > y->text.len) - (x->text.len < y->text.len);
    }
    }
}

static void read_key(lua_State *L, int index, struct key *key)
{
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        key->rank = lua_isinteger(L, index) ? 0 : 1;
        if (key->rank == 0)
            key->integer = lua_tointeger(L, index);
        else
            key->number = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        key->rank = 2;
        key->text.data = (const uint8_t *)lua_tolstring(L, index, &key->text.len);
        break;
    case LUA_TBOOLEAN:
        key->rank = 3;
        key->integer = lua_toboolean(L, index);
        break;
    default:
        luaL_error(L, "keys of type %s have no order that would be the same in every run; use numbers or strings",
                   luaL_typename(L, index));
    }
}

/* Leaves the keys as found (an array) on the stack. */
static lua_Integer gather_keys(lua_State *L, int index)
{
    lua_Integer count = 0;
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        tc_sandbox_charge(L, 4);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++count);
    }
    return count;
}

size_t tc_lua_keys(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 6, "pairs");
    lua_Integer count = gather_keys(L, index);
    struct key *keys = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *keys, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, -2, i + 1);
        read_key(L, -1, &keys[i]);
        keys[i].place = i + 1;
        lua_pop(L, 1);
    }
    if (count > 1)
        qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, -3, keys[i].place);
        lua_rawseti(L, -2, i + 1);
    }
    lua_insert(L, -3);
    lua_pop(L, 2);
    return (size_t)count;
}

/* Upvalues: keys in order, place of the last one given. Keys whose value is gone by now are left out. */
static int pairs_next(lua_State *L)
{
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(2));
    for (;;) {
        at++;
        if (lua_rawgeti(L, lua_upvalueindex(1), at) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL)
            break;
        lua_pop(L, 2);
        tc_sandbox_charge(L, 1);
    }
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

static int base_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    tc_lua_keys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, pairs_next, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* next(t [, key]): the least key greater than `key`. Costs the whole table; pairs is for walks. */
static int base_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    struct key from, best, key;
    bool all = lua_isnil(L, 2), found = false;
    if (!all)
        read_key(L, 2, &from);
    lua_pushnil(L); /* 3: best key */
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        tc_sandbox_charge(L, 1);
        read_key(L, -1, &key);
        if ((all || compare_keys(&key, &from) > 0) && (!found || compare_keys(&key, &best) < 0)) {
            lua_pushvalue(L, -1);
            lua_replace(L, 3);
            best = key;
            found = true;
        }
    }
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 3);
    lua_rawget(L, 1);
    return 2;
}

/* ---- stable sort ---- */

/* Items at 3 (an array), comparison at 2 or nil. */
static bool less(lua_State *L, uint32_t a, uint32_t b)
{
    tc_sandbox_charge(L, 2);
    bool result;
    if (lua_isnil(L, 2)) {
        lua_rawgeti(L, 3, (lua_Integer)a + 1);
        lua_rawgeti(L, 3, (lua_Integer)b + 1);
        result = lua_compare(L, -2, -1, LUA_OPLT);
        lua_pop(L, 2);
    } else {
        lua_pushvalue(L, 2);
        lua_rawgeti(L, 3, (lua_Integer)a + 1);
        lua_rawgeti(L, 3, (lua_Integer)b + 1);
        lua_call(L, 2, 1);
        result = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    return result;
}

/* Merges order[low, middle) and order[middle, high); of equals the left one comes first. */
static void merge(lua_State *L, uint32_t *order, uint32_t *spare, size_t low, size_t middle, size_t high)
{
    size_t left = low, right = middle;
    for (size_t out = low; out < high; out++) {
        bool take_right = left >= middle || (right < high && less(L, order[right], order[left]));
        spare[out] = take_right ? order[right++] : order[left++];
    }
    memcpy(order + low, spare + low, (high - low) * sizeof *order);
}

static lua_Integer list_length(lua_State *L, int index)
{
    lua_Integer n = luaL_len(L, index);
    if (n < 0 || n > LIST_MAX)
        luaL_error(L, "list too long");
    return n;
}

static int table_sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    size_t n = (size_t)list_length(L, 1);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 1; i <= n; i++) {
        lua_geti(L, 1, (lua_Integer)i);
        lua_rawseti(L, 3, (lua_Integer)i);
    }
    uint32_t *order = lua_newuserdatauv(L, (2 * n + 1) * sizeof *order, 0);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2)
        for (size_t low = 0; low + width < n; low += 2 * width)
            merge(L, order, order + n, low, low + width, low + 2 * width < n ? low + 2 * width : n);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 3, (lua_Integer)order[i] + 1);
        lua_seti(L, 1, (lua_Integer)i + 1);
    }
    return 0;
}

/* ---- the rest of the table library ---- */

static int table_insert(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer next = list_length(L, 1) + 1;
    int top = lua_gettop(L);
    if (top == 2) {
        lua_seti(L, 1, next);
        return 0;
    }
    if (top != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    lua_Integer at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, at >= 1 && at <= next, 2, "position out of bounds");
    tc_sandbox_charge(L, (uint64_t)(next - at));
    for (lua_Integer i = next; i > at; i--) {
        lua_geti(L, 1, i - 1);
        lua_seti(L, 1, i);
    }
    lua_seti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer n = list_length(L, 1);
    lua_Integer at = luaL_optinteger(L, 2, n);
    if (lua_gettop(L) > 1)
        luaL_argcheck(L, (n == 0 && at == 0) || (at >= 1 && at <= n + 1), 2, "position out of bounds");
    tc_sandbox_charge(L, at <= n ? (uint64_t)(n - at) : 0);
    lua_geti(L, 1, at);
    for (; at < n; at++) {
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
    }
    if (at >= 1 && at <= n) {
        lua_pushnil(L);
        lua_seti(L, 1, at);
    }
    return 1;
}

/* concat, unpack, move, pack of the library, paid for by the length of the list. Upvalue 1: the function. */
static int paid_by_length(lua_State *L)
{
    int top = lua_gettop(L);
    lua_Integer n = top;
    if (lua_istable(L, 1))
        n += list_length(L, 1);
    for (int i = 2; i <= top; i++) {
        lua_Integer bound = lua_isinteger(L, i) ? lua_tointeger(L, i) : 0;
        n += bound > 0 && bound <= LIST_MAX ? bound : 0;
        if (bound > LIST_MAX || bound < -LIST_MAX)
            return luaL_argerror(L, i, "list too long");
    }
    tc_sandbox_charge(L, (uint64_t)n);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, LUA_MULTRET);
    return lua_gettop(L);
}

/* Environment below, the new table library on top. */
void tc_list_open(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"sort", table_sort}, {"insert", table_insert}, {"remove", table_remove}, {NULL, NULL}};
    static const luaL_Reg walks[] = {{"pairs", base_pairs}, {"next", base_next}, {NULL, NULL}};
    static const char *const names[] = {"concat", "unpack", "move", "pack", NULL};
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "table");
    for (const char *const *name = names; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_pushcclosure(L, paid_by_length, 1);
        lua_setfield(L, -4, *name);
    }
    lua_pop(L, 2);
    tc_lua_register(L, ours);
    lua_pushvalue(L, -2);
    tc_lua_register(L, walks);
    lua_pop(L, 1);
}
