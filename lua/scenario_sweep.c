/* sweep = { protocol = { … }, n = { … }, decisions = 8 }: see tc_sweep_spec. */
#include "scenario_read.h"

#include <stdio.h>
#include <string.h>

#define DECISIONS     8
#define DECISIONS_MAX 1000

/* Calls `take` for each entry of the list under `key`, which is on top then. */
static void each(struct tc_reader *r, int sweep, const char *key, size_t max,
                 void (*take)(struct tc_reader *, struct tc_sweep_spec *), struct tc_sweep_spec *to)
{
    char path[32], expected[64];
    snprintf(path, sizeof path, "sweep.%s", key);
    snprintf(expected, sizeof expected, "a list of 1 to %zu", max);
    if (r->code)
        return;
    if (lua_getfield(r->L, sweep, key) != LUA_TTABLE || lua_rawlen(r->L, -1) < 1 || lua_rawlen(r->L, -1) > max) {
        tc_read_mistake(r, path, expected, -1);
        return;
    }
    const size_t count = lua_rawlen(r->L, -1);
    for (size_t i = 1; i <= count && !r->code; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i);
        take(r, to);
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
}

static void take_protocol(struct tc_reader *r, struct tc_sweep_spec *to)
{
    const char *name = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : NULL;
    if (!name)
        tc_read_mistake(r, "sweep.protocol", "names of protocols", -1);
    else
        tc_cluster_check_protocol(r, "sweep.protocol", name);
    if (!r->code)
        snprintf(to->protocols[to->protocol_count++], TC_NAME_MAX, "%s", name);
}

static void take_n(struct tc_reader *r, struct tc_sweep_spec *to)
{
    int exact;
    const lua_Integer n = lua_tointegerx(r->L, -1, &exact);
    if (lua_type(r->L, -1) == LUA_TNUMBER && exact && n >= TC_CLUSTER_N_MIN && n <= TC_REPLICAS_MAX)
        to->n[to->n_count++] = (uint32_t)n;
    else
        tc_read_mistake(r, "sweep.n", "numbers of replicas, 2 to 128", -1);
}

void tc_sweep_read(struct tc_reader *r, int scenario, struct tc_sweep_spec *sweep)
{
    uint64_t decisions = DECISIONS;
    if (!tc_read_table(r, scenario, "", "sweep", "a table like { protocol = { \"pbft\" }, n = { 4, 7, 10 } }"))
        return;
    const int table = lua_gettop(r->L);
    tc_read_api_keys(r, table, "sweep", "a sweep", TC_API_SWEEP);
    each(r, table, "protocol", TC_SWEEP_PROTOCOLS_MAX, take_protocol, sweep);
    each(r, table, "n", TC_SWEEP_SIZES_MAX, take_n, sweep);
    tc_read_integer(r, table, "sweep", "decisions", 1, DECISIONS_MAX, &decisions);
    sweep->decisions = (uint32_t)decisions;
    lua_settop(r->L, table - 1);
}
