/* cluster { … }: replicas that run already; reference { … }: ours, which we start. */
#include "../reference/bugs.h"
#include "scenario_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND UINT64_C(1000000)

void tc_scenario_cluster_defaults(struct tc_cluster_spec *spec, struct tc_load *load)
{
    *spec = (struct tc_cluster_spec){.protocol = "pbft", .start = true};
    spec->cluster.client_count = 4;
    tc_cluster_defaults(&spec->cluster);
    if (load)
        *load =
            (struct tc_load){.mode = TC_LOAD_CLOSED, .clients = 4, .rate_per_s = 1000, .value_bytes = 64, .keys = 64};
}

void tc_cluster_check_protocol(struct tc_reader *r, const char *path, const char *name)
{
    const char *words[32] = {NULL};
    size_t count = 0;
    for (size_t i = 0; tc_protocols[i] && count < 32; i++)
        words[count++] = tc_protocols[i]->name;
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], name) == 0)
            return;
    const char *near = tc_lua_nearest(name, words, count);
    tc_read_fail(r, path, "unknown protocol '%s'%s%s%s (there is: %s%s)", name, near ? "; did you mean '" : "",
                 near ? near : "", near ? "'?" : "", count ? words[0] : "none", count > 1 ? ", …" : "");
}

static bool good_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return false;
    if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)))
        return false; /* a bare IPv6 address: which colon is the port's? */
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return colon[1] >= '0' && colon[1] <= '9' && !*end && port >= 1 && port <= 65535;
}

static bool read_address(struct tc_reader *r, int table, const char *path, const char *key, char *to)
{
    char full[160];
    if (!tc_read_string(r, table, path, key, to, TC_ADDRESS_MAX))
        return false;
    if (good_address(to))
        return true;
    snprintf(full, sizeof full, "%s.%s", path, key);
    lua_pushstring(r->L, to);
    tc_read_mistake(r, full, "host:port (as in \"127.0.0.1:7000\")", -1);
    return false;
}

/* host:port, or a URL of http; what CometBFT writes into its own files is tcp://host:port. */
static bool good_rpc(const char *text)
{
    char host[TC_PATH_MAX];
    const bool is_tcp = strncmp(text, "tcp://", 6) == 0;
    const size_t scheme = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;
    const char *rest = text + (is_tcp ? 6 : scheme);
    const size_t len = strcspn(rest, "/");
    for (const char *at = rest; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == '"')
            return false;
    if (len == 0 || len >= sizeof host || (!scheme && rest[len + strspn(rest + len, "/")]))
        return false;
    snprintf(host, sizeof host, "%.*s", (int)len, rest);
    const char *after = host[0] == '[' ? strchr(host, ']') : host;
    return good_address(host) || (scheme && after && !strchr(after, ':'));
}

static void read_rpc(struct tc_reader *r, int table, const char *path, struct tc_cluster_node *node)
{
    char full[160];
    if (!tc_read_string(r, table, path, "rpc", node->rpc, sizeof node->rpc) || !node->rpc[0] || good_rpc(node->rpc))
        return;
    snprintf(full, sizeof full, "%s.rpc", path);
    lua_pushstring(r->L, node->rpc);
    tc_read_mistake(r, full, "host:port or a URL (as in \"127.0.0.1:26657\")", -1);
}

static void read_link_ports(struct tc_reader *r, int table, const char *path, struct tc_cluster_node *node)
{
    char full[96];
    if (!tc_read_table(r, table, path, "link_ports", "a list of ports, one for each replica that dials"))
        return;
    size_t count = lua_rawlen(r->L, -1);
    snprintf(full, sizeof full, "%s.link_ports", path);
    for (size_t i = 1; i <= count && i <= TC_REPLICAS_MAX && !r->code; i++) {
        int is_integer;
        lua_rawgeti(r->L, -1, (lua_Integer)i);
        lua_Integer port = lua_tointegerx(r->L, -1, &is_integer);
        if (is_integer && port >= 0 && port <= 65535)
            node->link_ports[i - 1] = (uint16_t)port;
        else
            tc_read_mistake(r, full, "ports from 0 to 65535", -1);
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
}

/* The text of a public key at the top of the stack, kept with small letters; "": none is known. */
static void read_public_key(struct tc_reader *r, const char *path, char to[static TC_PUBLIC_KEY_TEXT])
{
    size_t len = 0;
    const char *text = lua_type(r->L, -1) == LUA_TSTRING ? lua_tolstring(r->L, -1, &len) : NULL;
    if (!text || (len > 0 && len != TC_PUBLIC_KEY_TEXT - 1) || strspn(text, "0123456789abcdefABCDEF") != len) {
        tc_read_mistake(r, path, "64 hexadecimal digits", -1);
        return;
    }
    for (size_t i = 0; i < len; i++)
        to[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
    to[len] = 0;
}

static void read_own_public_key(struct tc_reader *r, int table, const char *path, struct tc_cluster_node *node)
{
    char full[96];
    snprintf(full, sizeof full, "%s.public_key", path);
    if (r->code)
        return;
    if (lua_getfield(r->L, table, "public_key") != LUA_TNIL)
        read_public_key(r, full, node->public_key);
    lua_pop(r->L, 1);
}

static uint32_t line_of(const struct tc_reader *r, const char *path, const char *key)
{
    char full[160];
    snprintf(full, sizeof full, "%s.%s", path, key);
    return tc_source_line(r->source, full, r->line);
}

/* The replica on top of the stack, the `place`-th of the list. */
static void read_replica(struct tc_reader *r, struct tc_cluster_spec *spec, uint32_t place, struct tc_nodeset *seen)
{
    char path[64];
    uint64_t id = place - 1;
    int table = lua_gettop(r->L);
    snprintf(path, sizeof path, "replicas.id#%u", place);
    tc_read_api_keys(r, table, path, "a replica", TC_API_REPLICA);
    tc_read_integer(r, table, "replicas", "id", 0, TC_REPLICAS_MAX - 1, &id);
    if (r->code)
        return;
    if (tc_nodeset_has(seen, (uint32_t)id)) {
        tc_read_fail(r, path, "replicas[%u]: id %llu is given twice", place, (unsigned long long)id);
        return;
    }
    tc_nodeset_add(seen, (uint32_t)id);
    struct tc_cluster_node *node = &spec->nodes[id];
    node->id = (uint16_t)id;
    if (!read_address(r, table, path, "address", node->address) && !spec->start && !r->code)
        tc_read_fail(r, path,
                     "replicas[%u].address: expected host:port of replica %llu (as in address = "
                     "\"127.0.0.1:7000\"), found nothing",
                     place, (unsigned long long)id);
    read_address(r, table, path, "listen", node->listen);
    read_link_ports(r, table, path, node);
    tc_read_string(r, table, path, "key", node->key, sizeof node->key);
    read_own_public_key(r, table, path, node);
    tc_read_string(r, table, path, "log", node->log, sizeof node->log);
    read_rpc(r, table, path, node);
    node->address_line = line_of(r, path, "address");
    node->listen_line = line_of(r, path, "listen");
    node->log_line = line_of(r, path, "log");
    node->rpc_line = line_of(r, path, "rpc");
    tc_read_string(r, table, path, "home", node->home, sizeof node->home);
}

static void read_replicas(struct tc_reader *r, int table, struct tc_cluster_spec *spec)
{
    struct tc_nodeset seen = {0};
    if (!tc_read_table(r, table, "", "replicas", "a list like { { id = 0, address = \"127.0.0.1:7000\" }, … }"))
        return;
    size_t count = lua_rawlen(r->L, -1);
    for (size_t i = 1; i <= count && i <= TC_REPLICAS_MAX && !r->code; i++) {
        if (lua_rawgeti(r->L, -1, (lua_Integer)i) == LUA_TTABLE)
            read_replica(r, spec, (uint32_t)i, &seen);
        else
            tc_read_mistake(r, "replicas", "a list of tables { id = …, address = … }", -1);
        lua_pop(r->L, 1);
    }
    if (count < TC_CLUSTER_N_MIN || count > TC_REPLICAS_MAX)
        tc_read_fail(r, "replicas", "replicas: expected %d to %d, found %zu", TC_CLUSTER_N_MIN, TC_REPLICAS_MAX, count);
    for (uint32_t i = 0; i < count && !r->code; i++)
        if (!tc_nodeset_has(&seen, i))
            tc_read_fail(r, "replicas", "replicas: ids must be 0 to %zu, %u is missing", count - 1, i);
    lua_pop(r->L, 1);
    if (!r->code)
        spec->cluster.n = (uint32_t)count;
}

static void read_client_keys(struct tc_reader *r, int table, struct tc_cluster_spec *spec)
{
    char path[64];
    size_t most = sizeof spec->client_keys / sizeof *spec->client_keys;
    if (!tc_read_table(r, table, "", "client_keys", "a list of texts of 64 hexadecimal digits"))
        return;
    size_t count = lua_rawlen(r->L, -1);
    if (count > most)
        tc_read_fail(r, "client_keys", "client_keys: expected at most %zu, found %zu", most, count);
    for (size_t i = 1; i <= count && !r->code; i++) {
        snprintf(path, sizeof path, "client_keys[%zu]", i);
        lua_rawgeti(r->L, -1, (lua_Integer)i);
        read_public_key(r, path, spec->client_keys[i - 1]);
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
}

static bool read_u32(struct tc_reader *r, int table, const char *key, uint64_t min, uint64_t max, uint32_t *to)
{
    uint64_t number;
    if (!tc_read_integer(r, table, "", key, min, max, &number))
        return false;
    *to = (uint32_t)number;
    return true;
}

static void read_tunables(struct tc_reader *r, int table, struct tc_cluster *cluster)
{
    static const char *const ways[] = {"signature", "mac"};
    static const char *const losses[] = {"retransmitted", "final"};
    int way = TC_AUTH_SIGNATURE;
    tc_read_string(r, table, "", "id", cluster->id, sizeof cluster->id);
    read_u32(r, table, "checkpoint_interval", 1, 1000000, &cluster->checkpoint_interval);
    read_u32(r, table, "window", 2, 4000000, &cluster->window);
    read_u32(r, table, "batch_max", 1, 1024, &cluster->batch_max);
    read_u32(r, table, "pipeline_max", 1, 4096, &cluster->pipeline_max);
    tc_read_seconds(r, table, "", "view_timeout", 0.001, 3600, &cluster->view_timeout_ns);
    tc_read_seconds(r, table, "", "view_timeout_max", 0.001, 86400, &cluster->view_timeout_max_ns);
    if (tc_read_choice(r, table, "", "authentication", ways, 2, &way))
        cluster->request_authentication = (enum tc_authentication)way;
    if (tc_read_choice(r, table, "", "loss", losses, 2, &way))
        cluster->loses_for_good = way == 1;
    if (cluster->view_timeout_max_ns < cluster->view_timeout_ns)
        cluster->view_timeout_max_ns = cluster->view_timeout_ns;
    if (!r->code && cluster->window <= cluster->checkpoint_interval)
        tc_read_fail(r, "window", "window: expected more than checkpoint_interval (%u), found %u",
                     cluster->checkpoint_interval, cluster->window);
}

void tc_load_read(struct tc_reader *r, int table, const char *path, struct tc_load *load)
{
    static const char *const modes[] = {"closed", "open"};
    uint64_t number;
    int mode;
    tc_read_api_keys(r, table, path, "a load", TC_API_LOAD);
    if (tc_read_choice(r, table, path, "mode", modes, 2, &mode))
        load->mode = (enum tc_load_mode)mode;
    if (tc_read_integer(r, table, path, "clients", 1, TC_NODES_MAX - TC_CLIENT_FIRST, &number))
        load->clients = (uint32_t)number;
    tc_read_number(r, table, path, "rate", 0.001, 1e7, &load->rate_per_s);
    if (tc_read_integer(r, table, path, "value_bytes", 0, 4096, &number))
        load->value_bytes = (uint32_t)number;
    if (tc_read_integer(r, table, path, "keys", 1, 1000000, &number))
        load->keys = (uint32_t)number;
    tc_read_seconds(r, table, path, "think", 0, 3600, &load->think_ns);
}

static void read_bug(struct tc_reader *r, int table, struct tc_cluster_spec *spec)
{
    if (!tc_read_string(r, table, "", "bug", spec->bug, sizeof spec->bug) || !spec->bug[0])
        return;
    if (!spec->start) {
        tc_read_fail(r, "bug", "bug: only reference { … } replicas have seeded bugs");
        return;
    }
    const int bug = tc_bug_find(spec->bug);
    if (bug >= 0) {
        if (spec->protocol[0] && !tc_bug_applies(bug, spec->protocol))
            tc_read_fail(r, "bug", "bug '%s' is of %s, this cluster speaks %s", spec->bug, tc_bugs[bug].protocols,
                         spec->protocol);
        return;
    }
    const char *words[TC_BUG_COUNT];
    for (int i = 0; i < TC_BUG_COUNT; i++)
        words[i] = tc_bugs[i].name;
    const char *near = tc_lua_nearest(spec->bug, words, TC_BUG_COUNT);
    tc_read_fail(r, "bug", "unknown bug '%s'%s%s%s", spec->bug, near ? "; did you mean '" : "", near ? near : "",
                 near ? "'?" : "");
}

static void read_size(struct tc_reader *r, int table, struct tc_cluster_spec *spec)
{
    struct tc_cluster *cluster = &spec->cluster;
    uint32_t n = 0;
    read_replicas(r, table, spec);
    if (read_u32(r, table, "n", TC_CLUSTER_N_MIN, TC_REPLICAS_MAX, &n)) {
        lua_getfield(r->L, table, "replicas");
        if (!lua_isnil(r->L, -1) && n != cluster->n)
            tc_read_fail(r, "n", "n: %u, but %u replicas are listed", n, cluster->n);
        lua_pop(r->L, 1);
        cluster->n = n;
    }
    cluster->f = tc_protocol_faults_max(cluster->n);
    /* 0 stands for the default elsewhere, and is the default where n bears none. */
    read_u32(r, table, "f", cluster->f > 0, cluster->n - 1, &cluster->f);
    read_u32(r, table, "quorum", TC_CLUSTER_QUORUM_MIN, cluster->n, &cluster->quorum);
    for (uint32_t i = 0; i < cluster->n; i++)
        spec->nodes[i].id = (uint16_t)i;
}

void tc_cluster_read(struct tc_reader *r, int table, struct tc_cluster_spec *spec, struct tc_load *load)
{
    static const char *const modes[] = {"per-link", "per-destination"};
    const char *kind = tc_declared_kind(r->L, table);
    const struct tc_source *before = r->source;
    uint32_t before_line = r->line;
    r->source = tc_declared_source(r->L, table, &r->line);
    spec->start = kind && strcmp(kind, "reference") == 0;
    tc_read_api_keys(r, table, "", kind ? kind : "a cluster", TC_API_CLUSTER);
    if (tc_read_string(r, table, "", "protocol", spec->protocol, sizeof spec->protocol))
        tc_cluster_check_protocol(r, "protocol", spec->protocol);
    read_size(r, table, spec);
    if (tc_read_table(r, table, "", "load", "a table like { mode = \"closed\", clients = 4 }")) {
        if (load)
            tc_load_read(r, lua_gettop(r->L), "load", load);
        lua_pop(r->L, 1);
    }
    if (read_u32(r, table, "clients", 0, TC_NODES_MAX - TC_CLIENT_FIRST, &spec->cluster.client_count) && load)
        load->clients = spec->cluster.client_count;
    else if (load)
        spec->cluster.client_count = load->clients;
    read_client_keys(r, table, spec);
    int mode;
    if (tc_read_choice(r, table, "", "listen", modes, 2, &mode))
        spec->listen_mode = (enum tc_listen_mode)mode;
    tc_read_string(r, table, "", "listen_host", spec->listen_host, sizeof spec->listen_host);
    tc_read_string(r, table, "", "data_dir", spec->data_dir, sizeof spec->data_dir);
    tc_read_string(r, table, "", "version", spec->version, sizeof spec->version);
    tc_read_string(r, table, "", "application", spec->application, sizeof spec->application);
    read_u32(r, table, "vote_extensions", 1, 1000000, &spec->vote_extensions);
    read_tunables(r, table, &spec->cluster);
    read_bug(r, table, spec);
    lua_getfield(r->L, table, "replicas");
    if (!r->code && !spec->start && lua_isnil(r->L, -1))
        tc_read_fail(r, "", "a cluster needs its replicas: replicas = { { id = 0, address = \"127.0.0.1:7000\" }, … }");
    lua_pop(r->L, 1);
    if (r->source != before)
        snprintf(spec->path, sizeof spec->path, "%s", r->source->path);
    if (!r->code) {
        r->source = before;
        r->line = before_line;
    }
}
