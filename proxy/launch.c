/* A reference cluster on this machine: everything that must exist before a scenario can begin. */
#define _GNU_SOURCE
#include "launch.h"

#include "../reference/bugs.h"
#include "driver.h"
#include "launch_files.h"
#include "listen.h"
#include "nodeset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32
#define TEXT_MAX      1024

struct tc_launch {
    struct tc_scenario scenario;
    char program[TEXT_MAX], nodes_dir[TEXT_MAX], logs_dir[TEXT_MAX];
    char data_dir[TEXT_MAX]; /* of all replicas */
    bool data_dir_made;      /* a directory of its own, ours to remove */
    uint64_t seed;
    uint32_t replicas, clients;
    int listen_fds[TC_REPLICAS_MAX];
    char addresses[TC_REPLICAS_MAX][TC_ENDPOINT_TEXT_MAX];
    struct tc_node_config config; /* what all configuration files share */
    /* Programs that are not ours; NULL otherwise. */
    const struct tc_launcher_class *launcher;
    struct tc_launched *launched;
};

/* ---- preparing ---- */

static uint32_t node_id(const struct tc_launch *launch, uint32_t index)
{
    return index < launch->replicas ? index : TC_CLIENT_FIRST + index - launch->replicas;
}

static uint32_t node_count(const struct tc_launch *launch)
{
    return launch->replicas + launch->clients;
}

static int bind_replicas(struct tc_launch *launch, struct tc_error *err)
{
    for (uint32_t i = 0; i < launch->replicas; i++) {
        struct tc_endpoint endpoint;
        int rc = tc_endpoint_parse("127.0.0.1:0", &endpoint, err);
        if (rc < 0)
            return rc;
        launch->listen_fds[i] = tc_listen_bind(&endpoint, err);
        if (launch->listen_fds[i] < 0)
            return launch->listen_fds[i];
        (void)tc_endpoint_text(&endpoint, launch->addresses[i]);
    }
    return 0;
}

static int make_public_keys(struct tc_launch *launch, struct tc_error *err)
{
    struct tc_keyring *keys = tc_keyring_new(TC_SCHEME_ED25519);
    int rc = keys ? tc_launch_keys(launch, keys, err) : tc_error_set(err, TC_EMEMORY, "no memory for keys");
    for (uint32_t i = 0; rc == 0 && i < node_count(launch); i++) {
        uint32_t id = node_id(launch, i);
        memcpy(launch->config.public_keys[id], tc_keyring_public(keys, id), TC_PUBLIC_KEY_SIZE);
        tc_nodeset_add(&launch->config.known, id);
    }
    tc_keyring_free(keys);
    return rc;
}

static int make_config(struct tc_launch *launch, struct tc_error *err)
{
    struct tc_node_config *c = &launch->config;
    const struct tc_scenario *s = &launch->scenario;
    c->cluster = s->cluster.cluster;
    if (c->cluster.client_count < s->load.clients)
        c->cluster.client_count = s->load.clients;
    tc_cluster_defaults(&c->cluster);
    (void)snprintf(c->protocol, sizeof c->protocol, "%s", s->cluster.protocol);
    launch->replicas = c->cluster.n;
    launch->clients = c->cluster.client_count;
    if (launch->replicas > TC_REPLICAS_MAX || launch->clients > TC_NODES_MAX - TC_CLIENT_FIRST)
        return tc_error_set(err, TC_EUSAGE, "expected at most %d replicas and %d clients, found %u and %u",
                            TC_REPLICAS_MAX, TC_NODES_MAX - TC_CLIENT_FIRST, (unsigned)launch->replicas,
                            (unsigned)launch->clients);
    if (s->cluster.bug[0] && tc_bug_find(s->cluster.bug) < 0)
        return tc_error_set(err, TC_EUSAGE, "no seeded bug '%s'; 'turncoat list bugs' names them", s->cluster.bug);
    return 0;
}

/* `chosen`, or a new directory on tmpfs, or the run directory. */
static int make_data_dir(struct tc_launch *launch, struct tc_error *err)
{
    const char *chosen = launch->scenario.cluster.data_dir;
    if (!chosen[0] && access("/dev/shm", W_OK | X_OK) == 0) {
        (void)snprintf(launch->data_dir, sizeof launch->data_dir, "/dev/shm/turncoat-XXXXXX");
        launch->data_dir_made = mkdtemp(launch->data_dir) != NULL;
        if (launch->data_dir_made)
            return 0;
    }
    (void)snprintf(launch->data_dir, sizeof launch->data_dir, "%s", chosen[0] ? chosen : launch->nodes_dir);
    return tc_make_directories(launch->data_dir, err);
}

/* Every replica begins without a past: the directory may be one that the user named and used before. */
static int make_node_files(const struct tc_launch *launch, struct tc_error *err)
{
    char path[TEXT_MAX + 64];
    uint8_t seed[TC_SECRET_SEED_SIZE];
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < node_count(launch); i++) {
        uint32_t id = node_id(launch, i);
        (void)snprintf(path, sizeof path, "%s/node%u.key", launch->nodes_dir, (unsigned)id);
        tc_keyring_derive_seed(launch->seed, id, seed);
        rc = tc_key_write(path, seed, err);
        explicit_bzero(seed, sizeof seed);
        if (rc == 0 && id < TC_CLIENT_FIRST) {
            (void)snprintf(path, sizeof path, "%s/node%u", launch->data_dir, (unsigned)id);
            rc = tc_remove_tree(path, err);
        }
        if (rc == 0 && id < TC_CLIENT_FIRST)
            rc = tc_make_directories(path, err);
    }
    return rc;
}

/* Our own replicas: keys, files, sockets. */
static int make_replicas(struct tc_launch *launch, struct tc_error *err)
{
    int rc = make_public_keys(launch, err);
    if (rc == 0)
        rc = make_node_files(launch, err);
    return rc == 0 ? bind_replicas(launch, err) : rc;
}

int tc_launch_prepare(const struct tc_scenario *scenario, const char *program, const char *dir, uint64_t seed,
                      struct tc_launch **out, struct tc_error *err)
{
    struct tc_launch *launch = calloc(1, sizeof *launch);
    *out = NULL;
    if (!launch)
        return tc_error_set(err, TC_EMEMORY, "no memory to launch a cluster");
    const struct tc_protocol *protocol = tc_protocol_find(scenario->cluster.protocol);
    launch->launcher = protocol ? tc_driver_of(protocol)->launcher : NULL;
    launch->scenario = *scenario;
    launch->seed = seed;
    for (size_t i = 0; i < TC_REPLICAS_MAX; i++)
        launch->listen_fds[i] = -1;
    (void)snprintf(launch->program, sizeof launch->program, "%s", program);
    (void)snprintf(launch->nodes_dir, sizeof launch->nodes_dir, "%s/nodes", dir);
    (void)snprintf(launch->logs_dir, sizeof launch->logs_dir, "%s/logs", dir);
    int rc = make_config(launch, err);
    if (rc == 0)
        rc = tc_make_directories(launch->nodes_dir, err);
    if (rc == 0)
        rc = tc_make_directories(launch->logs_dir, err);
    if (rc == 0)
        rc = make_data_dir(launch, err);
    if (rc == 0)
        rc = launch->launcher
                 ? launch->launcher->prepare(scenario, launch->data_dir, launch->logs_dir, seed, &launch->launched, err)
                 : make_replicas(launch, err);
    if (rc < 0) {
        tc_launch_free(launch);
        return rc;
    }
    *out = launch;
    return 0;
}

const char *tc_launch_address(const struct tc_launch *launch, uint16_t node)
{
    if (launch->launcher)
        return launch->launcher->address(launch->launched, node);
    return node < launch->replicas ? launch->addresses[node] : NULL;
}

const uint8_t *tc_launch_node_key(const struct tc_launch *launch, uint16_t node)
{
    return launch->launcher ? launch->launcher->node_key(launch->launched, node) : NULL;
}

const char *tc_launch_rpc(const struct tc_launch *launch, uint16_t node)
{
    return launch->launcher && launch->launcher->rpc ? launch->launcher->rpc(launch->launched, node) : NULL;
}

int tc_launch_keys(const struct tc_launch *launch, struct tc_keyring *keys, struct tc_error *err)
{
    uint8_t seed[TC_SECRET_SEED_SIZE];
    int rc = 0;
    if (launch->launcher)
        return launch->launcher->keys(launch->launched, keys, err);
    for (uint32_t i = 0; rc == 0 && i < node_count(launch); i++) {
        tc_keyring_derive_seed(launch->seed, node_id(launch, i), seed);
        rc = tc_keyring_add_secret(keys, node_id(launch, i), seed);
    }
    explicit_bzero(seed, sizeof seed);
    return rc < 0 ? tc_error_set(err, rc, "cannot derive the nodes' keys") : 0;
}

/* ---- starting ---- */

/* The arguments of one process; texts that are made up for it live here. */
struct arguments {
    const char *items[ARGUMENTS_MAX + 1];
    char texts[ARGUMENTS_MAX][TEXT_MAX + 64];
    size_t count;
};

static void add(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct arguments *a, const char *format, ...)
{
    va_list values;
    if (a->count == ARGUMENTS_MAX)
        return;
    va_start(values, format);
    (void)vsnprintf(a->texts[a->count], sizeof a->texts[a->count], format, values);
    va_end(values);
    a->items[a->count] = a->texts[a->count];
    a->items[++a->count] = NULL;
}

static int write_config(const struct tc_launch *launch, uint16_t id,
                        const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self,
                        struct tc_error *err)
{
    char path[TEXT_MAX + 64];
    struct tc_node_config config = launch->config;
    for (uint16_t to = 0; to < launch->replicas; to++) {
        const char *address = to == id ? launch->addresses[to] : dialled(self, id, to);
        if (!address || strlen(address) >= sizeof config.addresses[to])
            return tc_error_set(err, TC_EUNREACHABLE, "nobody listens for node %u dialling %u", (unsigned)id,
                                (unsigned)to);
        (void)snprintf(config.addresses[to], sizeof config.addresses[to], "%s", address);
    }
    if (id < launch->replicas)
        (void)snprintf(config.listen, sizeof config.listen, "%s", launch->addresses[id]);
    (void)snprintf(path, sizeof path, "%s/node%u.json", launch->nodes_dir, (unsigned)id);
    return tc_node_config_write(path, &config, err);
}

static int spawn(const struct tc_launch *launch, struct tc_keeper *keeper, uint16_t id, const struct arguments *a,
                 const char *data_dir, struct tc_error *err)
{
    char stderr_path[TEXT_MAX + 64];
    (void)snprintf(stderr_path, sizeof stderr_path, "%s/node%u.stderr", launch->logs_dir, (unsigned)id);
    struct tc_process_spec spec = {.node = id,
                                   .argv = a->items,
                                   .listen_fd = id < TC_REPLICAS_MAX ? launch->listen_fds[id] : -1,
                                   .stderr_path = stderr_path,
                                   .data_dir = data_dir};
    return tc_keeper_spawn(keeper, &spec, err);
}

static int spawn_replica(const struct tc_launch *launch, struct tc_keeper *keeper, uint16_t id, struct arguments *a,
                         struct tc_error *err)
{
    char data_dir[TEXT_MAX + 64];
    (void)snprintf(data_dir, sizeof data_dir, "%s/node%u", launch->data_dir, (unsigned)id);
    a->count = 0;
    add(a, "%s", launch->program);
    add(a, "replica");
    add(a, "--config");
    add(a, "%s/node%u.json", launch->nodes_dir, (unsigned)id);
    add(a, "--id");
    add(a, "%u", (unsigned)id);
    add(a, "--key");
    add(a, "%s/node%u.key", launch->nodes_dir, (unsigned)id);
    add(a, "--data");
    add(a, "%s", data_dir);
    add(a, "--listen-fd");
    add(a, "3");
    if (launch->scenario.cluster.bug[0]) {
        add(a, "--bug");
        add(a, "%s", launch->scenario.cluster.bug);
    }
    return spawn(launch, keeper, id, a, data_dir, err);
}

static int spawn_clients(const struct tc_launch *launch, struct tc_keeper *keeper, struct arguments *a,
                         struct tc_error *err)
{
    const struct tc_load *load = &launch->scenario.load;
    uint32_t clients = load->clients ? load->clients : launch->clients;
    a->count = 0;
    if (clients == 0)
        return 0;
    add(a, "%s", launch->program);
    add(a, "client");
    add(a, "--config");
    add(a, "%s/node%u.json", launch->nodes_dir, (unsigned)TC_CLIENT_FIRST);
    add(a, "--key-dir");
    add(a, "%s", launch->nodes_dir);
    add(a, "--clients");
    add(a, "%u", (unsigned)clients);
    add(a, "--seed");
    add(a, "%llu", (unsigned long long)launch->seed);
    if (load->mode == TC_LOAD_OPEN && load->rate_per_s > 0) {
        add(a, "--rate");
        add(a, "%llu", (unsigned long long)(load->rate_per_s < 1 ? 1 : load->rate_per_s + 0.5));
    }
    if (load->value_bytes) {
        add(a, "--value-bytes");
        add(a, "%u", (unsigned)load->value_bytes);
    }
    if (load->keys) {
        add(a, "--keys");
        add(a, "%u", (unsigned)load->keys);
    }
    if (load->think_ns) {
        add(a, "--think");
        add(a, "%lluns", (unsigned long long)load->think_ns);
    }
    return spawn(launch, keeper, TC_CLIENT_FIRST, a, "", err);
}

int tc_launch_start(struct tc_launch *launch, struct tc_keeper *keeper,
                    const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self, struct tc_error *err)
{
    int rc = launch->data_dir_made ? tc_keeper_scratch(keeper, launch->data_dir, err) : 0;
    if (rc == 0 && launch->launcher)
        return launch->launcher->start(launch->launched, keeper, dialled, self, err);
    struct arguments *a = rc == 0 ? calloc(1, sizeof *a) : NULL;
    rc = rc || a ? rc : tc_error_set(err, TC_EMEMORY, "no memory to launch a cluster");
    for (uint32_t i = 0; rc == 0 && i < node_count(launch); i++)
        rc = write_config(launch, (uint16_t)node_id(launch, i), dialled, self, err);
    for (uint16_t id = 0; rc == 0 && id < launch->replicas; id++)
        rc = spawn_replica(launch, keeper, id, a, err);
    if (rc == 0)
        rc = spawn_clients(launch, keeper, a, err);
    free(a);
    return rc;
}

void tc_launch_free(struct tc_launch *launch)
{
    if (!launch)
        return;
    for (uint32_t i = 0; i < TC_REPLICAS_MAX; i++)
        if (launch->listen_fds[i] >= 0)
            close(launch->listen_fds[i]);
    if (launch->launcher)
        launch->launcher->free(launch->launched);
    if (launch->data_dir_made)
        (void)tc_remove_tree(launch->data_dir, NULL);
    free(launch);
}
