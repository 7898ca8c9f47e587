/* c:heard{…}: the messages of the declared kinds that passed lately, a ring of 4096. Kept only for scripts that say
 * `heard`: the others pay nothing. */
#include "lua_internal.h"

#include "../proxy/names.h"
#include <stdlib.h>
#include <string.h>

static void forget(struct tc_script *script, struct tc_heard *heard)
{
    script->heard_bytes -= heard->frame_len;
    free(heard->frame);
    *heard = (struct tc_heard){0};
}

void tc_heard_add(struct tc_script *script, const struct tc_message *message)
{
    if (!script->heard || !message->decoded || message->frame.len > TC_HEARD_BYTES / 4)
        return;
    struct tc_heard *heard = &script->heard[script->heard_next % TC_HEARD_MAX];
    forget(script, heard);
    /* The bound on bytes: the oldest leave, from the place after this one on. */
    for (uint32_t i = 1; i < TC_HEARD_MAX && script->heard_bytes + message->frame.len > TC_HEARD_BYTES; i++)
        forget(script, &script->heard[(script->heard_next + i) % TC_HEARD_MAX]);
    heard->frame = malloc(message->frame.len);
    if (!heard->frame)
        return;
    memcpy(heard->frame, message->frame.data, message->frame.len);
    heard->frame_len = message->frame.len;
    heard->neutral = *message;
    heard->first = message->statements[0];
    heard->first.body = heard->first.signature = (struct tc_slice){NULL, 0};
    script->heard_bytes += heard->frame_len;
    script->heard_next++;
}

void tc_heard_free(struct tc_script *script)
{
    for (uint32_t i = 0; script->heard && i < TC_HEARD_MAX; i++)
        forget(script, &script->heard[i]);
    free(script->heard);
    script->heard = NULL;
}

/* Does field `name` of the filter at 2, if it is there, equal the number? */
static bool wants_number(lua_State *L, const char *name, bool has, uint64_t value)
{
    bool wanted = true;
    if (lua_getfield(L, 2, name) != LUA_TNIL)
        wanted = has && lua_isinteger(L, -1) && (uint64_t)lua_tointeger(L, -1) == value;
    lua_pop(L, 1);
    return wanted;
}

static bool wants_text(lua_State *L, const char *name, const char *value)
{
    bool wanted = true;
    if (lua_getfield(L, 2, name) != LUA_TNIL)
        wanted = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), value) == 0;
    lua_pop(L, 1);
    return wanted;
}

static bool wants_value(lua_State *L, const struct tc_value *value)
{
    bool wanted = true;
    if (lua_getfield(L, 2, "value") != LUA_TNIL) {
        tc_lua_push_value(L, value);
        wanted = value->state != TC_VALUE_ABSENT && lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return wanted;
}

static bool wants(lua_State *L, const struct tc_heard *heard)
{
    const struct tc_message *m = &heard->neutral;
    const struct tc_statement *s = &heard->first;
    return wants_text(L, "kind", tc_kind_name(s->kind)) && wants_text(L, "phase", tc_phase_name(s->phase)) &&
           wants_text(L, "type", m->type ? m->type : "") && wants_number(L, "view", s->has_view, s->view) &&
           wants_number(L, "sequence", s->has_sequence, s->sequence) &&
           wants_number(L, "slot", tc_lua_slot(s) != 0, tc_lua_slot(s)) &&
           wants_number(L, "signer", s->signer != TC_NODE_NONE, s->signer) && wants_number(L, "from", true, m->from) &&
           wants_number(L, "to", true, m->to) && wants_value(L, &s->value);
}

static void check_filter(lua_State *L)
{
    static const char *const known[] = {"kind",   "phase", "type", "view",  "sequence", "slot",
                                        "signer", "from",  "to",   "value", "limit",    "each_link"};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        lua_pop(L, 1);
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found |= strcmp(known[i], name) == 0;
        if (!found)
            luaL_error(L, "heard: unknown filter '%s'", name);
    }
}

/* c:heard{ kind = …, limit = 64 }: copies, oldest first, of the last `limit` that fit. A broadcast counts once unless
 * each_link = true. */
static int context_heard(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    check_filter(L);
    lua_getfield(L, 2, "limit");
    lua_Integer limit = luaL_optinteger(L, -1, 64);
    lua_getfield(L, 2, "each_link");
    bool each_link = lua_toboolean(L, -1);
    lua_settop(L, 2);
    luaL_argcheck(L, limit >= 1 && limit <= TC_HEARD_MAX, 2, "limit must be 1 to 4096");
    lua_newtable(L); /* 3: newest first */
    lua_newtable(L); /* 4: what was taken, by key and sender */
    lua_Integer count = 0;
    for (uint32_t i = 1; script->heard && i <= TC_HEARD_MAX && i <= script->heard_next && count < limit; i++) {
        const struct tc_heard *heard = &script->heard[(script->heard_next - i) % TC_HEARD_MAX];
        tc_sandbox_charge(L, 20);
        if (!heard->frame || !wants(L, heard))
            continue;
        lua_pushfstring(L, "%I/%d", (lua_Integer)heard->neutral.key, (int)heard->neutral.sender);
        lua_pushvalue(L, -1);
        bool again = lua_rawget(L, 4) != LUA_TNIL && !each_link;
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
        lua_rawset(L, 4);
        if (again)
            continue;
        tc_lua_push_frame(L, (struct tc_slice){heard->frame, heard->frame_len}, heard->neutral.from, heard->neutral.to);
        lua_rawseti(L, 3, ++count);
    }
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, count + 1 - i);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

void tc_api_heard_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {{"heard", context_heard}, {NULL, NULL}};
    tc_lua_register(L, methods);
}
