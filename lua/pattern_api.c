/* string.find, match, gmatch and gsub over our own matcher (pattern.c). */
#include "lua_internal.h"

#include <string.h>

static void match_init(lua_State *L, struct tc_match *m, const char *text, size_t len, const char *pattern_end)
{
    *m = (struct tc_match){.L = L, .text = text, .text_end = text + len, .pattern_end = pattern_end};
}

/* Pushes capture `index`; the whole match [start, end) if there are no captures. */
static void push_capture(struct tc_match *m, int index, const char *start, const char *end)
{
    if (m->captures == 0 && index == 0) {
        lua_pushlstring(m->L, start, (size_t)(end - start));
        return;
    }
    if (index >= m->captures)
        luaL_error(m->L, "invalid capture index %%%d", index + 1);
    if (m->capture[index].len == TC_CAPTURE_POSITION)
        lua_pushinteger(m->L, m->capture[index].start - m->text + 1);
    else if (m->capture[index].len < 0)
        luaL_error(m->L, "unfinished capture");
    else
        lua_pushlstring(m->L, m->capture[index].start, (size_t)m->capture[index].len);
}

static int push_captures(struct tc_match *m, const char *start, const char *end, bool whole)
{
    int count = m->captures == 0 && whole ? 1 : m->captures;
    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(m, i, start, end);
    return count;
}

/* Lua's index convention: from 1, negative from the end; the result is an offset from 0. */
static size_t start_offset(lua_Integer init, size_t len)
{
    if (init > 0)
        return (size_t)init - 1;
    if (init == 0 || init < -(lua_Integer)len)
        return 0;
    return len + (size_t)init;
}

static bool is_plain(const char *pattern, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("^$*+?.([%-", pattern[i]) && pattern[i])
            return false;
    return true;
}

/* The first place of `needle`; every byte of the text is paid for. */
static const char *find_plain(lua_State *L, const char *text, size_t len, const char *needle, size_t needle_len)
{
    if (needle_len == 0)
        return text;
    const char *end = text + len;
    for (const char *at = text; (size_t)(end - at) >= needle_len; at++) {
        const char *next = memchr(at, needle[0], (size_t)(end - at) - needle_len + 1);
        tc_sandbox_charge(L, next ? (size_t)(next - at) / 16 + 1 + needle_len / 16 : (size_t)(end - at) / 16 + 1);
        if (!next)
            return NULL;
        if (memcmp(next, needle, needle_len) == 0)
            return next;
        at = next;
    }
    return NULL;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t len, pattern_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *pattern = luaL_checklstring(L, 2, &pattern_len);
    size_t offset = start_offset(luaL_optinteger(L, 3, 1), len);
    if (offset > len) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(pattern, pattern_len))) {
        const char *at = find_plain(L, text + offset, len - offset, pattern, pattern_len);
        if (!at) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - text + 1);
        lua_pushinteger(L, at - text + (lua_Integer)pattern_len);
        return 2;
    }
    struct tc_match m;
    match_init(L, &m, text, len, pattern + pattern_len);
    bool anchored = pattern_len && *pattern == '^';
    for (const char *at = text + offset; at <= m.text_end; at++) {
        const char *end = tc_pattern_match(&m, at, pattern + anchored);
        if (end && find) {
            lua_pushinteger(L, at - text + 1);
            lua_pushinteger(L, end - text);
            return 2 + push_captures(&m, NULL, NULL, false);
        }
        if (end)
            return push_captures(&m, at, end, true);
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: text, pattern, offset where to go on, end of the last match (-1 none). */
static int gmatch_next(lua_State *L)
{
    size_t len, pattern_len;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &len);
    const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_len);
    lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct tc_match m;
    match_init(L, &m, text, len, pattern + pattern_len);
    for (; from <= (lua_Integer)len; from++) {
        const char *end = tc_pattern_match(&m, text + from, pattern);
        if (!end || end - text == last)
            continue;
        lua_pushinteger(L, end - text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, text + from, end, true);
    }
    lua_pushinteger(L, (lua_Integer)len + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int string_gmatch(lua_State *L)
{
    size_t len;
    luaL_checklstring(L, 1, &len);
    luaL_checkstring(L, 2);
    size_t offset = start_offset(luaL_optinteger(L, 3, 1), len);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)offset);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* Adds the replacement string at 3 with its %0 … %9. */
static void add_text(struct tc_match *m, luaL_Buffer *out, const char *start, const char *end)
{
    size_t len;
    const char *with = lua_tolstring(m->L, 3, &len);
    tc_sandbox_charge(m->L, len / 16);
    for (size_t i = 0; i < len; i++) {
        if (with[i] != '%') {
            luaL_addchar(out, with[i]);
            continue;
        }
        int c = ++i < len ? with[i] : 0;
        if (c == '%') {
            luaL_addchar(out, '%');
        } else if (c == '0') {
            luaL_addlstring(out, start, (size_t)(end - start));
        } else if (c >= '1' && c <= '9') {
            push_capture(m, c - '1', start, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what the replacement at 3 makes of the match. */
static void add_replacement(struct tc_match *m, luaL_Buffer *out, const char *start, const char *end)
{
    lua_State *L = m->L;
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, start, end, true), 1);
        break;
    case LUA_TTABLE:
        push_capture(m, 0, start, end);
        lua_gettable(L, 3);
        break;
    default:
        add_text(m, out, start, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, start, (size_t)(end - start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    } else {
        luaL_addvalue(out);
    }
}

static int string_gsub(lua_State *L)
{
    size_t len, pattern_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *pattern = luaL_checklstring(L, 2, &pattern_len);
    int type = lua_type(L, 3);
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION && type != LUA_TTABLE)
        return tc_lua_expected(L, 3, "a string, a function or a table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1);
    bool anchored = pattern_len && *pattern == '^';
    struct tc_match m;
    match_init(L, &m, text, len, pattern + pattern_len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    const char *at = text, *last = NULL;
    lua_Integer count = 0;
    while (count < most) {
        const char *end = tc_pattern_match(&m, at, pattern + anchored);
        if (end && end != last) {
            count++;
            add_replacement(&m, &out, at, end);
            at = last = end;
        } else if (at < m.text_end) {
            luaL_addchar(&out, *at++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&out, at, (size_t)(m.text_end - at));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

void tc_pattern_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch}, {"gsub", string_gsub}, {NULL, NULL}};
    tc_lua_register(L, functions);
}
