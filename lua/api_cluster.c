/* Faults of the network and of processes: partition, sever, heal; pause, resume, kill, restart, wipe; broken
 * handshakes. */
#include "../reference/transport.h"
#include "lua_internal.h"

/* c:partition{ {0, 1}, {2, 3} }: nodes of different blocks cannot talk; nodes not named form one more block. */
static int context_partition(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = lua_rawlen(L, 2);
    struct tc_op *op = tc_plan_op(L, TC_PARTITION);
    if (count < 1 || count > sizeof op->blocks / sizeof op->blocks[0])
        return luaL_error(L, "partition: expected 1 to 8 blocks, found %d", (int)count);
    struct tc_nodeset all = {0};
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        tc_lua_nodeset(L, -1, &op->blocks[i]);
        lua_pop(L, 1);
        for (size_t w = 0; w < TC_NODES_MAX / 64; w++)
            if (all.words[w] & op->blocks[i].words[w])
                return luaL_error(L, "partition: a node stands in two blocks");
        tc_nodeset_union(&all, &op->blocks[i]);
    }
    op->block_count = (uint32_t)count;
    return 0;
}

static void add_sever(lua_State *L, uint16_t from, uint16_t to)
{
    struct tc_op *op = tc_plan_op(L, TC_SEVER);
    op->from = from;
    op->to = to;
}

/* c:sever{ from = a, to = b }: that direction; c:sever(a, b): both. */
static int context_sever(lua_State *L)
{
    if (lua_istable(L, 2)) {
        lua_getfield(L, 2, "from");
        lua_getfield(L, 2, "to");
        if (!lua_isinteger(L, -2) || !lua_isinteger(L, -1))
            return luaL_error(L, "sever: expected { from = node, to = node }, or two nodes");
        uint16_t from = tc_lua_node(L, -2), to = tc_lua_node(L, -1);
        add_sever(L, from, to);
        return 0;
    }
    uint16_t a = tc_lua_node(L, 2);
    uint16_t b = tc_lua_node(L, 3);
    add_sever(L, a, b);
    add_sever(L, b, a);
    return 0;
}

/* c:heal(): all partitions and cut links end. */
static int context_heal(lua_State *L)
{
    tc_plan_op(L, TC_HEAL);
    return 0;
}

static int node_action(lua_State *L, enum tc_verb verb)
{
    uint16_t node = tc_lua_node(L, 2);
    if (node >= TC_CLIENT_FIRST)
        return tc_lua_expected(L, 2, "a replica");
    tc_plan_op(L, verb)->node = node;
    return 0;
}

static int context_pause(lua_State *L)
{
    return node_action(L, TC_PAUSE);
}

static int context_resume(lua_State *L)
{
    return node_action(L, TC_RESUME);
}

static int context_stop(lua_State *L)
{
    return node_action(L, TC_STOP);
}

static int context_kill(lua_State *L)
{
    return node_action(L, TC_KILL);
}

static int context_restart(lua_State *L)
{
    return node_action(L, TC_RESTART);
}

static int context_wipe(lua_State *L)
{
    return node_action(L, TC_WIPE);
}

/* c:break_handshake(fault, from, to [, times]): the next handshakes of the link, towards `to`. */
static int context_break_handshake(lua_State *L)
{
    static const char *const faults[] = {"ephemeral-withheld", "ephemeral-bad", "auth-withheld",
                                         "auth-bad",           "auth-garbled",  NULL};
    const int fault = luaL_checkoption(L, 2, NULL, faults);
    const uint16_t from = tc_lua_node(L, 3), to = tc_lua_node(L, 4);
    const lua_Integer times = luaL_optinteger(L, 5, 1);
    if (from >= TC_CLIENT_FIRST || to >= TC_CLIENT_FIRST)
        return tc_lua_expected(L, from >= TC_CLIENT_FIRST ? 3 : 4, "a replica");
    if (times < 1 || times > 1000000)
        return tc_lua_expected(L, 5, "1 to 1000000");
    struct tc_op *op = tc_plan_op(L, TC_HANDSHAKE);
    op->handshake = (uint8_t)(TC_HANDSHAKE_EPHEMERAL_WITHHELD + fault);
    op->from = from;
    op->to = to;
    op->times = (uint32_t)times;
    return 0;
}

void tc_api_cluster_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {{"partition", context_partition},
                                       {"sever", context_sever},
                                       {"heal", context_heal},
                                       {"pause", context_pause},
                                       {"resume", context_resume},
                                       {"stop", context_stop},
                                       {"kill", context_kill},
                                       {"restart", context_restart},
                                       {"wipe", context_wipe},
                                       {"break_handshake", context_break_handshake},
                                       {NULL, NULL}};
    tc_lua_register(L, methods);
}
