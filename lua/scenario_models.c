/* network, disk and clocks of a scenario: what the simulated world is like. */
#include "scenario_read.h"

#include "../proxy/nodeset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LATENCY_MAX   1000.0 /* seconds */
#define OFFSET_MAX    1e9
#define BANDWIDTH_MAX 1e12
#define JITTER_MAX    10.0
#define CHANCES       65536.0
#define PPM           1e6

static const char latencies[] = "uniform(least, most), constant(seconds), log_normal(median, sigma) or regions { … }";

static void need_seconds(struct tc_reader *r, int table, const char *path, const char *key, uint64_t *to_ns)
{
    char full[160];
    if (tc_read_seconds(r, table, path, key, 0, LATENCY_MAX, to_ns) || r->code)
        return;
    snprintf(full, sizeof full, "%s.%s", path, key);
    tc_read_mistake(r, full, "seconds", 0);
}

/* ---- regions ---- */

struct regions {
    char names[TC_SIM_REGIONS_MAX][TC_NAME_MAX];
    uint32_t count;
    uint8_t at[TC_NODES_MAX]; /* the list that was read last */
    uint32_t at_count;
};

static int region_find(const struct regions *regions, const char *name)
{
    for (uint32_t i = 0; i < regions->count; i++)
        if (strcmp(regions->names[i], name) == 0)
            return (int)i;
    return -1;
}

/* The region named by the string on top; -1 after a mistake. New names are taken while `may_add`. */
static int region_read(struct tc_reader *r, struct regions *regions, const char *path, bool may_add)
{
    const char *name = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : NULL;
    if (!name || !*name || strlen(name) >= TC_NAME_MAX) {
        tc_read_mistake(r, path, "the name of a region", -1);
        return -1;
    }
    const int found = region_find(regions, name);
    if (found >= 0)
        return found;
    if (!may_add) {
        const char *known[TC_SIM_REGIONS_MAX];
        for (uint32_t i = 0; i < regions->count; i++)
            known[i] = regions->names[i];
        const char *near = tc_lua_nearest(name, known, regions->count);
        tc_read_fail(r, path, "%s: no replica is in '%s'%s%s%s", path, name, near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
        return -1;
    }
    if (regions->count == TC_SIM_REGIONS_MAX) {
        tc_read_fail(r, path, "%s: expected at most %d regions; '%s' is one more", path, TC_SIM_REGIONS_MAX, name);
        return -1;
    }
    snprintf(regions->names[regions->count], TC_NAME_MAX, "%s", name);
    return (int)regions->count++;
}

/* A list of regions into regions->at; whether it was there. */
static bool region_list(struct tc_reader *r, int map, struct regions *regions, const char *key, bool may_add)
{
    char path[160];
    snprintf(path, sizeof path, "network.latency.%s", key);
    if (!tc_read_table(r, map, "network.latency", key, "a list of regions' names"))
        return false;
    const size_t count = lua_rawlen(r->L, -1);
    if (count < 1 || count > TC_REPLICAS_MAX)
        tc_read_fail(r, path, "%s: expected 1 to %d names, found %zu", path, TC_REPLICAS_MAX, count);
    regions->at_count = 0;
    for (size_t i = 1; i <= count && !r->code; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i);
        const int region = region_read(r, regions, path, may_add);
        if (region >= 0)
            regions->at[regions->at_count++] = (uint8_t)region;
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
    return !r->code;
}

static void place(const struct regions *regions, struct tc_sim_latency *latency, uint32_t first, uint32_t end)
{
    for (uint32_t node = first; node < end; node++)
        latency->region[node] = regions->at[(node - first) % regions->at_count];
}

/* The entry { "a", "b", seconds } on top. */
static void link_read(struct tc_reader *r, struct regions *regions, struct tc_sim_latency *latency,
                      bool given[TC_SIM_REGIONS_MAX][TC_SIM_REGIONS_MAX])
{
    static const char path[] = "network.latency.links";
    int ends[2] = {-1, -1};
    const int entry = lua_gettop(r->L);
    if (!lua_istable(r->L, entry)) {
        tc_read_mistake(r, path, "entries { \"a\", \"b\", seconds }", entry);
        return;
    }
    for (int i = 0; i < 2; i++) {
        lua_rawgeti(r->L, entry, i + 1);
        ends[i] = region_read(r, regions, path, false);
        lua_pop(r->L, 1);
        if (r->code)
            return;
    }
    lua_rawgeti(r->L, entry, 3);
    const double seconds = lua_tonumber(r->L, -1);
    if (lua_type(r->L, -1) != LUA_TNUMBER || !(seconds >= 0 && seconds <= LATENCY_MAX))
        tc_read_mistake(r, path, "as third of { \"a\", \"b\", seconds } 0 to 1000 seconds", -1);
    else if (ends[0] == ends[1])
        tc_read_fail(r, path, "%s: '%s' to itself: that is 'within'", path, regions->names[ends[0]]);
    else if (given[ends[0]][ends[1]])
        tc_read_fail(r, path, "%s: '%s' and '%s' are given twice", path, regions->names[ends[0]],
                     regions->names[ends[1]]);
    lua_pop(r->L, 1);
    if (r->code)
        return;
    given[ends[0]][ends[1]] = given[ends[1]][ends[0]] = true;
    latency->region_ns[ends[0]][ends[1]] = latency->region_ns[ends[1]][ends[0]] = (uint64_t)floor(seconds * 1e9 + 0.5);
}

static void links_read(struct tc_reader *r, int map, struct regions *regions, struct tc_sim_latency *latency)
{
    static const char path[] = "network.latency.links";
    bool given[TC_SIM_REGIONS_MAX][TC_SIM_REGIONS_MAX] = {{false}};
    if (tc_read_table(r, map, "network.latency", "links", "a list like { { \"a\", \"b\", 0.04 }, … }")) {
        const size_t count = lua_rawlen(r->L, -1);
        for (size_t i = 1; i <= count && !r->code; i++) {
            lua_rawgeti(r->L, -1, (lua_Integer)i);
            link_read(r, regions, latency, given);
            lua_pop(r->L, 1);
        }
        lua_pop(r->L, 1);
    }
    for (uint32_t a = 0; a < regions->count; a++)
        for (uint32_t b = 0; b < a && !r->code; b++)
            if (!given[a][b])
                tc_read_fail(r, path, "%s: expected { \"%s\", \"%s\", seconds } too, found nothing", path,
                             regions->names[b], regions->names[a]);
}

static void regions_read(struct tc_reader *r, int table, struct tc_sim_latency *latency)
{
    static const char path[] = "network.latency";
    struct regions regions = {.count = 0};
    double jitter = 0;
    uint64_t within_ns = 500000;
    latency->model = TC_SIM_REGIONS;
    if (lua_getfield(r->L, table, "map") != LUA_TTABLE) {
        tc_read_mistake(r, path, "regions { replicas = { … }, links = { … } }", -1);
        return;
    }
    const int map = lua_gettop(r->L);
    tc_read_api_keys(r, map, path, "regions", TC_API_REGIONS);
    if (!region_list(r, map, &regions, "replicas", true)) {
        tc_read_fail(r, path, "network.latency: regions need replicas = { \"a\", \"b\", … }: where each replica is");
        return;
    }
    place(&regions, latency, 0, TC_CLIENT_FIRST);
    region_list(r, map, &regions, "clients", false);
    if (r->code)
        return;
    place(&regions, latency, TC_CLIENT_FIRST, TC_NODES_MAX);
    tc_read_seconds(r, map, path, "within", 0, LATENCY_MAX, &within_ns);
    for (uint32_t i = 0; i < regions.count; i++)
        latency->region_ns[i][i] = within_ns;
    links_read(r, map, &regions, latency);
    if (tc_read_number(r, map, path, "jitter", 0, JITTER_MAX, &jitter))
        latency->jitter_milli = (uint32_t)floor(jitter * 1000 + 0.5);
    lua_pop(r->L, 1);
}

/* ---- latencies ---- */

static void uniform_read(struct tc_reader *r, int table, const char *path, uint64_t *least_ns, uint64_t *most_ns)
{
    need_seconds(r, table, path, "least", least_ns);
    need_seconds(r, table, path, "most", most_ns);
    if (!r->code && *least_ns > *most_ns)
        tc_read_fail(r, path, "%s: uniform(least, most): expected least ≤ most", path);
}

static void log_normal_read(struct tc_reader *r, int table, const char *path, struct tc_sim_latency *latency)
{
    double sigma = 0;
    latency->model = TC_SIM_LOG_NORMAL;
    need_seconds(r, table, path, "median", &latency->median_ns);
    tc_read_seconds(r, table, path, "most", 0, LATENCY_MAX, &latency->max_ns);
    if (tc_read_number(r, table, path, "sigma", 0.001, TC_SIM_SIGMA_MILLI_MAX / 1000.0, &sigma))
        latency->sigma_milli = (uint32_t)floor(sigma * 1000 + 0.5);
    else if (!r->code)
        tc_read_fail(r, path, "%s: log_normal(median, sigma): expected sigma, found nothing", path);
}

/* The model's name of the latency under `key`, which is left on the stack; NULL (nothing pushed) if there is none. */
static const char *model_push(struct tc_reader *r, int table, const char *path, const char *key, const char *expected)
{
    char full[160];
    if (r->code || lua_getfield(r->L, table, key) == LUA_TNIL) {
        if (!r->code)
            lua_pop(r->L, 1);
        return NULL;
    }
    const char *model = NULL;
    if (lua_istable(r->L, -1)) {
        if (lua_getfield(r->L, -1, "model") == LUA_TSTRING)
            model = lua_tostring(r->L, -1); /* kept alive by the table */
        lua_pop(r->L, 1);
    }
    if (model)
        return model;
    snprintf(full, sizeof full, "%s.%s", path, key);
    tc_read_mistake(r, full, expected, -1);
    return NULL;
}

static void latency_read(struct tc_reader *r, int network, struct tc_world_spec *world)
{
    static const char path[] = "network.latency";
    struct tc_sim_latency *latency = &world->network.latency;
    const char *model = model_push(r, network, "network", "latency", latencies);
    if (!model)
        return;
    const int table = lua_gettop(r->L);
    world->has_latency = true;
    if (strcmp(model, "uniform") == 0) {
        uniform_read(r, table, path, &latency->min_ns, &latency->max_ns);
    } else if (strcmp(model, "constant") == 0) {
        need_seconds(r, table, path, "seconds", &latency->min_ns);
        latency->max_ns = latency->min_ns;
    } else if (strcmp(model, "log_normal") == 0) {
        log_normal_read(r, table, path, latency);
    } else if (strcmp(model, "regions") == 0) {
        regions_read(r, table, latency);
    } else {
        tc_read_mistake(r, path, latencies, table);
    }
    lua_settop(r->L, table - 1);
}

/* ---- network ---- */

static void network_read(struct tc_reader *r, int scenario, struct tc_world_spec *world)
{
    struct tc_sim_network *network = &world->network;
    double bandwidth, loss;
    if (!tc_read_table(r, scenario, "", "network", "a table like { latency = uniform(0.001, 0.002) }"))
        return;
    const int table = lua_gettop(r->L);
    world->has_network = true;
    tc_read_api_keys(r, table, "network", "network", TC_API_NETWORK);
    latency_read(r, table, world);
    if (tc_read_number(r, table, "network", "bandwidth", 1, BANDWIDTH_MAX, &bandwidth))
        network->bandwidth_bytes_per_s = (uint64_t)bandwidth;
    tc_read_seconds(r, table, "network", "gst", 0, 86400, &network->gst_ns);
    tc_read_seconds(r, table, "network", "delay_before_gst", 0, LATENCY_MAX, &network->gst_delay_ns);
    if (tc_read_number(r, table, "network", "loss_before_gst", 0, 1, &loss) && loss > 0) {
        network->gst_loss = (uint32_t)floor(loss * CHANCES + 0.5);
        network->gst_loss += network->gst_loss == 0; /* said to happen, however rarely */
    }
    if (!r->code && network->gst_ns == 0 && (network->gst_loss || network->gst_delay_ns))
        tc_read_fail(r, "network", "network: loss and delay before gst need gst = seconds, found nothing");
    lua_settop(r->L, table - 1);
}

/* ---- nodes ---- */

static bool node_exists(const struct tc_cluster *cluster, lua_Integer node, bool clients)
{
    return (node >= 0 && node < cluster->n) ||
           (clients && node >= TC_CLIENT_FIRST && node < TC_CLIENT_FIRST + (lua_Integer)cluster->client_count);
}

static void node_take(struct tc_reader *r, const char *path, const struct tc_cluster *cluster, bool clients,
                      struct tc_nodeset *to)
{
    int exact;
    const lua_Integer node = lua_tointegerx(r->L, -1, &exact);
    if (lua_type(r->L, -1) == LUA_TNUMBER && exact && node_exists(cluster, node, clients))
        tc_nodeset_add(to, (uint32_t)node);
    else
        tc_read_mistake(r, path,
                        clients ? "replicas (from 0) or clients (from 128) of the cluster"
                                : "replicas (from 0) of the cluster",
                        -1);
}

/* The list of nodes under `key`; whether it was there. */
static bool nodes_read(struct tc_reader *r, int table, const char *path, const char *key,
                       const struct tc_cluster *cluster, bool clients, struct tc_nodeset *to)
{
    char full[160];
    snprintf(full, sizeof full, "%s.%s", path, key);
    if (!tc_read_table(r, table, path, key, "a list of nodes like { 1, 2 }"))
        return false;
    const size_t count = lua_rawlen(r->L, -1);
    for (size_t i = 1; i <= count && !r->code; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i);
        node_take(r, full, cluster, clients, to);
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
    return !r->code;
}

/* ---- disk ---- */

static void sync_read(struct tc_reader *r, int disk, struct tc_world_spec *world)
{
    static const char expected[] = "uniform(least, most) or constant(seconds)", path[] = "disk.sync";
    struct tc_sim_disk *to = &world->disk;
    const char *model = model_push(r, disk, "disk", "sync", expected);
    if (!model)
        return;
    const int table = lua_gettop(r->L);
    world->has_sync = true;
    if (strcmp(model, "uniform") == 0) {
        uniform_read(r, table, path, &to->sync_min_ns, &to->sync_max_ns);
    } else if (strcmp(model, "constant") == 0) {
        need_seconds(r, table, path, "seconds", &to->sync_min_ns);
        to->sync_max_ns = to->sync_min_ns;
    } else {
        tc_read_fail(r, path, "disk.sync: expected %s, found %s(…)", expected, model);
    }
    lua_settop(r->L, table - 1);
}

static void slow_read(struct tc_reader *r, int disk, const struct tc_cluster *cluster, struct tc_sim_disk *to)
{
    static const char *const known[] = {"nodes", "by"};
    if (!tc_read_table(r, disk, "disk", "slow", "a table like { nodes = { 2 }, by = 0.05 }"))
        return;
    const int table = lua_gettop(r->L);
    tc_read_keys(r, table, "disk.slow", "disk.slow", known, 2);
    need_seconds(r, table, "disk.slow", "by", &to->slow_ns);
    if (!nodes_read(r, table, "disk.slow", "nodes", cluster, false, &to->slow))
        tc_read_fail(r, "disk.slow", "disk.slow: expected nodes = { … } too: whose disks are slow");
    lua_settop(r->L, table - 1);
}

static void disk_read(struct tc_reader *r, int scenario, const struct tc_cluster *cluster, struct tc_world_spec *world)
{
    static const char *const ways[] = {"some", "lost", "kept"}; /* in the order of enum tc_sim_unsynced */
    int way;
    if (!tc_read_table(r, scenario, "", "disk", "a table like { sync = constant(0.001), unsynced = \"lost\" }"))
        return;
    const int table = lua_gettop(r->L);
    world->has_disk = true;
    tc_read_api_keys(r, table, "disk", "disk", TC_API_DISK);
    sync_read(r, table, world);
    slow_read(r, table, cluster, &world->disk);
    if (tc_read_choice(r, table, "disk", "unsynced", ways, 3, &way))
        world->disk.unsynced = (enum tc_sim_unsynced)way;
    lua_settop(r->L, table - 1);
}

/* ---- clocks ---- */

/* The entry on top. */
static void clock_read(struct tc_reader *r, const struct tc_cluster *cluster, struct tc_world_spec *world)
{
    static const char path[] = "clocks";
    struct tc_sim_clock clock = {0};
    struct tc_nodeset nodes = {0};
    double drift = 0;
    const int table = lua_gettop(r->L);
    tc_read_api_keys(r, table, path, "an entry of clocks", TC_API_CLOCK);
    if (!r->code && lua_getfield(r->L, table, "node") != LUA_TNIL)
        node_take(r, "clocks.node", cluster, true, &nodes);
    nodes_read(r, table, path, "nodes", cluster, true, &nodes);
    if (!r->code && tc_nodeset_count(&nodes) == 0)
        tc_read_fail(r, path, "clocks: expected node = … or nodes = { … } in each entry: whose clock it is");
    tc_read_seconds(r, table, path, "offset", 0, OFFSET_MAX, &clock.offset_ns);
    if (tc_read_number(r, table, path, "drift", -TC_SIM_DRIFT_PPM_MAX / PPM, TC_SIM_DRIFT_PPM_MAX / PPM, &drift))
        clock.drift_ppm = (int32_t)floor(drift * PPM + 0.5);
    for (uint32_t node = 0; node < TC_NODES_MAX && !r->code; node++)
        if (tc_nodeset_has(&nodes, node))
            world->clocks[node] = clock;
    lua_settop(r->L, table);
}

static void clocks_read(struct tc_reader *r, int scenario, const struct tc_cluster *cluster,
                        struct tc_world_spec *world)
{
    static const char expected[] = "a list like { { node = 1, offset = 0.5 }, … }";
    if (!tc_read_table(r, scenario, "", "clocks", expected))
        return;
    const int table = lua_gettop(r->L);
    const size_t count = lua_rawlen(r->L, table);
    world->has_clocks = true;
    if (count != tc_lua_keys(r->L, table))
        tc_read_mistake(r, "clocks", expected, table);
    for (size_t i = 1; i <= count && !r->code; i++) {
        if (lua_rawgeti(r->L, table, (lua_Integer)i) == LUA_TTABLE)
            clock_read(r, cluster, world);
        else
            tc_read_mistake(r, "clocks", expected, -1);
        lua_pop(r->L, 1);
    }
    lua_settop(r->L, table - 1);
}

void tc_models_read(struct tc_reader *r, int table, const struct tc_cluster *cluster, struct tc_world_spec *world)
{
    network_read(r, table, world);
    disk_read(r, table, cluster, world);
    clocks_read(r, table, cluster, world);
}
