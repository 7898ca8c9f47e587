/* Which address is dialled by whom, where the nodes really are, and which keys we hold. */
#include "listen.h"
#include "listen_link.h"
#include "run_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

/* The port for a listener that stands in for `address`: any free one for a cluster that we start (port 0), a
 * predictable one for a cluster that others start. */
static unsigned shifted_port(const struct tc_run *run, const char *address)
{
    return run->scenario->cluster.start ? 0 : tc_link_port(port_of(address));
}

static void add(struct tc_run *run, uint16_t from, uint16_t to, const char *host, unsigned port)
{
    struct tc_live_listener *listener = &run->listeners[run->listener_count++];
    listener->from = from;
    listener->to = to;
    snprintf(listener->address, sizeof listener->address, "%s:%u", host, port);
}

static void add_destination(struct tc_run *run, uint16_t to)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    const struct tc_cluster_node *node = &spec->nodes[to];
    unsigned port = shifted_port(run, node->address);
    char host[TC_ADDRESS_MAX];
    if (node->listen[0]) {
        struct tc_live_listener *listener = &run->listeners[run->listener_count++];
        listener->from = TC_NODE_NONE;
        listener->to = to;
        snprintf(listener->address, sizeof listener->address, "%s", node->listen);
        return;
    }
    if (spec->listen_host[0])
        snprintf(host, sizeof host, "%s", spec->listen_host);
    else
        tc_link_host(TC_NODE_NONE, to, host);
    add(run, TC_NODE_NONE, to, host, port);
}

static int check_endpoint(const char *path, uint32_t line, const char *key, uint32_t node, const char *text,
                          struct tc_error *err)
{
    struct tc_endpoint endpoint;
    if (!text[0] || tc_endpoint_parse(text, &endpoint, err) == 0)
        return 0;
    return tc_error_wrap(err, "%s:%u: %s of replica %u", path, line, key, node);
}

/* A log that is not there may come yet; a directory never tells anything. */
static int check_log(const struct tc_run *run, const char *path, uint32_t node, struct tc_error *err)
{
    struct stat found;
    if (!run->logs[node][0] || stat(run->logs[node], &found) < 0 || !S_ISDIR(found.st_mode))
        return 0;
    return tc_error_set(err, TC_EUSAGE, "%s:%u: log of replica %u: expected a file or FIFO, found the directory %s",
                        path, run->scenario->cluster.nodes[node].log_line, node, run->logs[node]);
}

/* Where others' nodes are: what we could not dial, and two nodes in one place, are said before anything begins. */
static int check_addresses(const struct tc_run *run, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    const char *path = spec->path[0] ? spec->path : run->scenario->path;
    for (uint32_t i = 0; !spec->start && i < spec->cluster.n; i++) {
        const struct tc_cluster_node *node = &spec->nodes[i];
        int result = check_endpoint(path, node->address_line, "address", i, node->address, err);
        if (result == 0)
            result = check_endpoint(path, node->listen_line, "listen", i, node->listen, err);
        if (result == 0)
            result = check_log(run, path, i, err);
        if (result < 0)
            return result;
        for (uint32_t other = 0; other < i; other++)
            if (strcmp(node->address, spec->nodes[other].address) == 0)
                return tc_error_set(err, TC_EUSAGE,
                                    "%s:%u: address of replica %u: expected one of its own, found replica %u's, %s",
                                    path, node->address_line, i, other, node->address);
    }
    return 0;
}

int tc_run_listeners(struct tc_run *run, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    uint32_t n = run->cluster.n;
    const int checked = check_addresses(run, err);
    if (checked < 0)
        return checked;
    if (spec->listen_mode == TC_LISTEN_PER_DESTINATION && !run->protocol->hello_names_dialler)
        return tc_error_set(
            err, TC_EUSAGE,
            "listen = \"per-destination\" needs a protocol whose first frame names the dialler; %s does not",
            run->protocol->name);
    run->listeners = calloc((size_t)n * n + n, sizeof *run->listeners);
    if (!run->listeners)
        return tc_error_set(err, TC_EMEMORY, "no memory for %u listeners", n * n);
    for (uint32_t to = 0; to < n; to++) {
        add_destination(run, (uint16_t)to);
        for (uint32_t from = 0; from < n && spec->listen_mode == TC_LISTEN_PER_LINK; from++) {
            char host[TC_LINK_HOST_MAX];
            if (from != to)
                add(run, (uint16_t)from, (uint16_t)to, tc_link_host((uint16_t)from, (uint16_t)to, host),
                    shifted_port(run, spec->nodes[to].address));
        }
    }
    return 0;
}

const char *tc_run_dialled(void *self, uint16_t from, uint16_t to)
{
    const struct tc_run *run = self;
    const char *shared = "";
    for (size_t i = 0; i < run->listener_count; i++) {
        if (run->listeners[i].to != to)
            continue;
        if (run->listeners[i].from == from)
            return run->listeners[i].address;
        if (run->listeners[i].from == TC_NODE_NONE)
            shared = run->listeners[i].address;
    }
    return shared;
}

const char *tc_run_node_address(void *self, uint16_t node)
{
    const struct tc_run *run = self;
    if (node >= run->cluster.n)
        return "";
    return run->launch ? tc_launch_address(run->launch, node) : run->scenario->cluster.nodes[node].address;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int add_public_hex(struct tc_run *run, uint16_t node, const char *text, struct tc_error *err)
{
    uint8_t key[TC_PUBLIC_KEY_SIZE];
    for (size_t i = 0; i < sizeof key; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return tc_error_set(err, TC_EUSAGE,
                                "%s: public key of node %u: expected 64 lower-case hex digits, found '%s'",
                                run->scenario->cluster.path, node, text);
        key[i] = (uint8_t)(high << 4 | low);
    }
    return tc_keyring_add_public(run->keys, node, key);
}

static int add_client_keys(struct tc_run *run, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < TC_NODES_MAX - TC_CLIENT_FIRST; i++)
        if (spec->client_keys[i][0])
            result = add_public_hex(run, (uint16_t)(TC_CLIENT_FIRST + i), spec->client_keys[i], err);
    return result;
}

void tc_run_beside(const char *file, const char *path, char out[static TC_PATH_MAX])
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash)
        snprintf(out, TC_PATH_MAX, "%s", path);
    else
        snprintf(out, TC_PATH_MAX, "%.*s/%s", (int)(slash - file), file, path);
}

/* A key file that is not there is no mistake of a run that signs nothing. */
static void note_absent(struct tc_run *run, const struct tc_cluster_node *node, const char *path)
{
    if (!run->key_missing.code)
        tc_error_set(&run->key_missing, TC_EKEY, "%s: key of replica %u: no file %s", run->scenario->cluster.path,
                     node->id, path);
}

int tc_run_keys(struct tc_run *run, struct tc_error *err)
{
    if (run->launch)
        return tc_launch_keys(run->launch, run->keys, err);
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    for (uint32_t i = 0; i < run->cluster.n; i++) {
        const struct tc_cluster_node *node = &spec->nodes[i];
        int result = node->public_key[0] ? add_public_hex(run, node->id, node->public_key, err) : 0;
        if (result == 0 && node->key[0]) {
            char path[TC_PATH_MAX];
            uint8_t seed[TC_SECRET_SEED_SIZE];
            tc_run_beside(spec->path, node->key, path);
            bool absent = access(path, F_OK) != 0 && errno == ENOENT;
            if (absent)
                note_absent(run, node, path);
            else
                result = tc_key_read(path, seed, err);
            if (result == 0 && !absent)
                result = tc_keyring_add_secret(run->keys, node->id, seed);
            explicit_bzero(seed, sizeof seed);
        }
        if (result < 0)
            return result;
    }
    return add_client_keys(run, err);
}
