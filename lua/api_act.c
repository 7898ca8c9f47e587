/* What a script does beside the message in hand: send, release, wait, note. Everything goes into the plan. */
#include "lua_internal.h"

#include <string.h>

static const char timers_key; /* registry key: token → function or name */

struct tc_slice tc_plan_copy(lua_State *L, struct tc_slice bytes)
{
    struct tc_slice copy = tc_arena_copy(tc_script_running(L)->plan->arena, bytes);
    if (bytes.len && !copy.data)
        luaL_error(L, "what this call does is too large");
    return copy;
}

const char *tc_plan_text(lua_State *L, const char *text)
{
    return (const char *)tc_plan_copy(L, (struct tc_slice){(const uint8_t *)text, strlen(text) + 1}).data;
}

struct tc_op *tc_plan_op(lua_State *L, enum tc_verb verb)
{
    struct tc_plan *plan = tc_script_running(L)->plan;
    if (plan->op_count == TC_PLAN_OPS_MAX)
        luaL_error(L, "more than %d actions in one call", TC_PLAN_OPS_MAX);
    struct tc_op *op = &plan->ops[plan->op_count++];
    *op = (struct tc_op){.verb = verb, .from = TC_NODE_NONE, .to = TC_NODE_NONE, .node = TC_NODE_NONE};
    return op;
}

void tc_plan_note(lua_State *L, const char *text)
{
    struct tc_plan *plan = tc_script_running(L)->plan;
    if (plan->note_count < sizeof plan->notes / sizeof plan->notes[0])
        plan->notes[plan->note_count++] = tc_plan_text(L, text);
    else
        plan->notes[plan->note_count - 1] = "more notes in one call than are kept";
}

/* c:note(text) */
static int context_note(lua_State *L)
{
    luaL_checkany(L, 2);
    tc_plan_note(L, tc_lua_text(L, 2));
    return 0;
}

static uint16_t node_field(lua_State *L, const char *name, uint16_t otherwise)
{
    if (lua_getfield(L, 3, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return otherwise;
    }
    if (lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "send: expected a node as '%s', found %s", name, tc_lua_found(L, -1));
    uint16_t node = tc_lua_node(L, -1);
    lua_pop(L, 1);
    return node;
}

/* c:send(m, { from = …, to = … }): `from` is who m names as its sender unless given; `to` a node or a list. */
static int context_send(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    struct tc_lua_message *handle;
    luaL_checktype(L, 3, LUA_TTABLE);
    const struct tc_message *m = tc_lua_message_neutral(L, 2, &handle);
    uint16_t sender = m->decoded ? m->sender : handle->from;
    uint16_t from = node_field(L, "from", sender);
    if (from == TC_NODE_NONE)
        return luaL_error(L, "send: this message names no sender; say { from = …, to = … }");
    struct tc_slice frame = tc_plan_copy(L, tc_lua_frame(L, 2));
    struct tc_nodeset to;
    lua_getfield(L, 3, "to");
    if (lua_isnil(L, -1))
        return luaL_error(L, "send: expected { from = …, to = … }, found no 'to'");
    tc_lua_nodeset(L, -1, &to);
    for (uint32_t node = 0; node < TC_NODES_MAX; node++) {
        if (!tc_nodeset_has(&to, node) || node == from)
            continue;
        struct tc_op *op = tc_plan_op(L, TC_SEND);
        op->from = from;
        op->to = (uint16_t)node;
        op->frame = frame;
    }
    (void)script;
    return 0;
}

/* c:release(name): what was held under the name goes on its way; without a name, everything. */
static int context_release(lua_State *L)
{
    const char *name = luaL_optstring(L, 2, NULL);
    struct tc_op *op = tc_plan_op(L, TC_RELEASE);
    op->name = name ? tc_plan_text(L, name) : NULL;
    return 0;
}

/* c:after(seconds, function or name): the function is called as f(c, args); a name goes to on_timer(c, name, args). */
static int context_after(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    struct tc_plan *plan = script->plan;
    uint64_t wait_ns = tc_lua_seconds(L, 2);
    if (lua_type(L, 3) != LUA_TFUNCTION && lua_type(L, 3) != LUA_TSTRING)
        return tc_lua_expected(L, 3, "a function, or a name for on_timer");
    if (lua_type(L, 3) == LUA_TSTRING && !script->at_handler[TC_CALL_TIMER])
        return luaL_error(L, "after: the attack has no on_timer to take \"%s\"", lua_tostring(L, 3));
    if (plan->timer_count == sizeof plan->timers / sizeof plan->timers[0] || script->timer_count == TC_TIMERS_MAX)
        return luaL_error(L, "after: too many timers (32 in one call, %d pending)", TC_TIMERS_MAX);
    uint64_t token = ++script->token_next;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &timers_key);
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, (lua_Integer)token);
    plan->timers[plan->timer_count].due_ns = script->call->now_ns + wait_ns;
    plan->timers[plan->timer_count].token = token;
    plan->timer_count++;
    script->timer_count++;
    return 0;
}

int tc_timer_take(lua_State *L, uint64_t token)
{
    struct tc_script *script = tc_script_of(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &timers_key);
    int type = lua_rawgeti(L, -1, (lua_Integer)token);
    if (type != LUA_TNIL) {
        lua_pushnil(L);
        lua_rawseti(L, -3, (lua_Integer)token);
        script->timer_count--;
    }
    lua_remove(L, -2);
    return type;
}

void tc_api_act_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {{"note", context_note},
                                       {"send", context_send},
                                       {"release", context_release},
                                       {"after", context_after},
                                       {NULL, NULL}};
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &timers_key);
    tc_lua_register(L, methods);
}
