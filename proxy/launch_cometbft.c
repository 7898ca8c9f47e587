#define _GNU_SOURCE
#include "launch_cometbft.h"

#include "../reference/cometbft/home.h"
#include "launch_files.h"
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH_SIZE         1024
#define FILE_SIZE         (64u << 10)
#define DEFAULT_VERSION   "v0.38.25"
#define DEFAULT_APP       "kvstore"
#define VALIDATORS_MAX    64
#define PEERS_SIZE        (VALIDATORS_MAX * 128)
#define START_PROGRAM_ARG "start"

struct tc_launched {
    uint32_t count;
    char program[PATH_SIZE], data_dir[PATH_SIZE], logs_dir[PATH_SIZE];
    char chain_id[TC_NAME_MAX], application[TC_NAME_MAX];
    uint64_t propose_ns;
    uint32_t vote_extensions;
    struct tc_cometbft_node nodes[VALIDATORS_MAX];
    char p2p[VALIDATORS_MAX][TC_ENDPOINT_TEXT_MAX], rpc[VALIDATORS_MAX][TC_ENDPOINT_TEXT_MAX];
    int kept[2 * VALIDATORS_MAX]; /* sockets that keep the ports */
    uint32_t kept_count;
};

/* ---- the program ---- */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool find_in_path(char out[static PATH_SIZE])
{
    const char *path = getenv("PATH");
    while (path && *path) {
        const size_t len = strcspn(path, ":");
        snprintf(out, PATH_SIZE, "%.*s/cometbft", (int)len, path);
        if (len > 0 && is_program(out))
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

static int find_program(const char *version, char out[static PATH_SIZE], struct tc_error *err)
{
    const char *named = getenv("TURNCOAT_COMETBFT"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (named) {
        snprintf(out, PATH_SIZE, "%s", named);
        return is_program(out) ? 0
                               : tc_error_set(err, TC_EUNREACHABLE, "TURNCOAT_COMETBFT=%s: no program is there", named);
    }
    if (cache && *cache)
        snprintf(out, PATH_SIZE, "%s/turncoat/cometbft/%s/cometbft", cache, version);
    else
        snprintf(out, PATH_SIZE, "%s/.cache/turncoat/cometbft/%s/cometbft", home ? home : "", version);
    if (is_program(out) || find_in_path(out))
        return 0;
    return tc_error_set(err, TC_EUNREACHABLE,
                        "no cometbft %s here: 'tests/targets/install' builds it with Go, or set TURNCOAT_COMETBFT to "
                        "the program",
                        version);
}

/* ---- preparing ---- */

static void testnet_free(struct tc_launched *net)
{
    if (!net)
        return;
    for (uint32_t i = 0; i < net->kept_count; i++)
        close(net->kept[i]);
    explicit_bzero(net, sizeof *net);
    free(net);
}

/* A port for a node to listen on. CometBFT binds by itself, a moment later; until the network is gone the port is kept
 * for it by a socket that is bound and does not listen: the kernel gives the port to nobody else's connection, and lets
 * a listener with SO_REUSEADDR (Go sets it) have it because this socket has that option too. */
static int keep_port(struct tc_launched *net, char text[static TC_ENDPOINT_TEXT_MAX], struct tc_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The option comes after bind: before it, the kernel could choose a port that others share already. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        const int reason = errno;
        if (fd >= 0)
            close(fd);
        return tc_error_set(err, TC_EIO, "no port for a node: %s", strerror(reason));
    }
    net->kept[net->kept_count++] = fd;
    snprintf(text, TC_ENDPOINT_TEXT_MAX, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return 0;
}

static int make_nodes(struct tc_launched *net, uint64_t seed, struct tc_error *err)
{
    uint8_t validator[TC_SECRET_SEED_SIZE], node[TC_SECRET_SEED_SIZE];
    int rc = 0;
    for (uint32_t i = 0; i < net->count; i++) {
        tc_keyring_derive_seed(seed, i, validator);
        tc_keyring_derive_seed(seed, TC_CLIENT_FIRST + i, node);
        tc_cometbft_node_make(&net->nodes[i], validator, node);
    }
    explicit_bzero(validator, sizeof validator);
    explicit_bzero(node, sizeof node);
    tc_cometbft_node_sort(net->nodes, net->count);
    for (uint32_t i = 0; rc == 0 && i < net->count; i++) {
        rc = keep_port(net, net->p2p[i], err);
        if (rc == 0)
            rc = keep_port(net, net->rpc[i], err);
    }
    return rc;
}

static int testnet_prepare(const struct tc_scenario *scenario, const char *data_dir, const char *logs_dir,
                           uint64_t seed, struct tc_launched **out, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &scenario->cluster;
    const char *version = spec->version[0] ? spec->version : DEFAULT_VERSION;
    *out = NULL;
    if (spec->cluster.n > VALIDATORS_MAX)
        return tc_error_set(err, TC_EUSAGE, "expected at most %d validators, found %u", VALIDATORS_MAX,
                            (unsigned)spec->cluster.n);
    struct tc_launched *net = calloc(1, sizeof *net);
    if (!net)
        return tc_error_set(err, TC_EMEMORY, "no memory for a network");
    net->count = spec->cluster.n;
    net->propose_ns = spec->cluster.view_timeout_ns;
    net->vote_extensions = spec->vote_extensions;
    snprintf(net->data_dir, sizeof net->data_dir, "%s", data_dir);
    snprintf(net->logs_dir, sizeof net->logs_dir, "%s", logs_dir);
    snprintf(net->chain_id, sizeof net->chain_id, "%s", spec->cluster.id);
    snprintf(net->application, sizeof net->application, "%s", spec->application[0] ? spec->application : DEFAULT_APP);
    int rc = find_program(version, net->program, err);
    if (rc == 0)
        rc = make_nodes(net, seed, err);
    if (rc) {
        testnet_free(net);
        return rc;
    }
    *out = net;
    return 0;
}

static const char *testnet_address(const struct tc_launched *net, uint16_t node)
{
    return node < net->count ? net->p2p[node] : NULL;
}

static const char *testnet_rpc(const struct tc_launched *net, uint16_t node)
{
    return node < net->count ? net->rpc[node] : NULL;
}

static int testnet_keys(const struct tc_launched *net, struct tc_keyring *keys, struct tc_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < net->count; i++)
        rc = tc_keyring_add_secret(keys, i, net->nodes[i].validator_key); /* the seed is its first half */
    return rc < 0 ? tc_error_set(err, rc, "cannot add the validators' keys") : 0;
}

static const uint8_t *testnet_node_key(const struct tc_launched *net, uint16_t node)
{
    return node < net->count ? net->nodes[node].node_key : NULL;
}

/* ---- home directories ---- */

static int write_file(const char *path, mode_t mode, const char *text, size_t len, struct tc_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return tc_error_set(err, TC_EIO, "%s: cannot write: %s", path, strerror(errno));
    size_t at = 0;
    while (at < len) {
        const ssize_t n = write(fd, text + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            tc_error_set(err, TC_EIO, "%s: cannot write: %s", path, strerror(errno));
            close(fd);
            return TC_EIO;
        }
        at += (size_t)n;
    }
    return close(fd) == 0 ? 0 : tc_error_set(err, TC_EIO, "%s: cannot write: %s", path, strerror(errno));
}

static int write_text(const struct tc_launched *net, uint32_t i, const char *name, mode_t mode, const char *text,
                      int len, struct tc_error *err)
{
    char path[PATH_SIZE + 64];
    if (len < 0)
        return tc_error_set(err, TC_ELIMIT, "%s of node %u is too long", name, (unsigned)i);
    snprintf(path, sizeof path, "%s/node%u/%s", net->data_dir, (unsigned)i, name);
    return write_file(path, mode, text, (size_t)len, err);
}

/* Only the lower number dials, so each pair has one connection. */
static int peers_of(const struct tc_launched *net, uint32_t i,
                    const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self, char *peers,
                    struct tc_error *err)
{
    size_t used = 0;
    peers[0] = 0;
    for (uint32_t to = i + 1; to < net->count; to++) {
        const char *address = dialled(self, (uint16_t)i, (uint16_t)to);
        if (!address || !*address)
            return tc_error_set(err, TC_EUNREACHABLE, "nobody listens for node %u dialling %u", (unsigned)i,
                                (unsigned)to);
        used += (size_t)snprintf(peers + used, PEERS_SIZE - used, "%s%s@%s", used > 0 ? "," : "", net->nodes[to].id,
                                 address);
        if (used >= PEERS_SIZE)
            return tc_error_set(err, TC_ELIMIT, "the list of peers of node %u is too long", (unsigned)i);
    }
    return 0;
}

static int write_keys(const struct tc_launched *net, uint32_t i, char *text, struct tc_error *err)
{
    static const char fresh[] = "{\"height\": \"0\", \"round\": 0, \"step\": 0}\n";
    const struct tc_cometbft_node *node = &net->nodes[i];
    int rc = write_text(net, i, "config/priv_validator_key.json", 0600, text,
                        tc_cometbft_validator_key(node, text, FILE_SIZE), err);
    if (rc == 0)
        rc = write_text(net, i, "config/node_key.json", 0600, text, tc_cometbft_node_key(node, text, FILE_SIZE), err);
    explicit_bzero(text, FILE_SIZE);
    return rc ? rc : write_text(net, i, "data/priv_validator_state.json", 0600, fresh, (int)sizeof fresh - 1, err);
}

static int write_home(const struct tc_launched *net, uint32_t i, const char *peers, char *text, struct tc_error *err)
{
    char path[PATH_SIZE + 64];
    const struct tc_cometbft_net description = {net->chain_id, net->nodes, net->count, net->vote_extensions};
    const struct tc_cometbft_place place = {i, net->p2p[i], net->rpc[i], peers, net->application, net->propose_ns};
    snprintf(path, sizeof path, "%s/node%u", net->data_dir, (unsigned)i);
    int rc = tc_remove_tree(path, err);
    for (int part = 0; rc == 0 && part < 2; part++) {
        snprintf(path, sizeof path, "%s/node%u/%s", net->data_dir, (unsigned)i, part ? "data" : "config");
        rc = tc_make_directories(path, err);
    }
    if (rc == 0)
        rc = write_keys(net, i, text, err);
    if (rc == 0)
        rc = write_text(net, i, "config/genesis.json", 0644, text, tc_cometbft_genesis(&description, text, FILE_SIZE),
                        err);
    return rc ? rc
              : write_text(net, i, "config/config.toml", 0644, text, tc_cometbft_config(&place, text, FILE_SIZE), err);
}

static int spawn(const struct tc_launched *net, struct tc_keeper *keeper, uint32_t i, struct tc_error *err)
{
    char home[PATH_SIZE + 64], errors[PATH_SIZE + 64];
    snprintf(home, sizeof home, "%s/node%u", net->data_dir, (unsigned)i);
    snprintf(errors, sizeof errors, "%s/node%u.stderr", net->logs_dir, (unsigned)i);
    const char *const argv[] = {net->program, START_PROGRAM_ARG, "--home", home, NULL};
    const struct tc_process_spec spec = {
        .node = (uint16_t)i, .argv = argv, .listen_fd = -1, .stderr_path = errors, .data_dir = ""};
    return tc_keeper_spawn(keeper, &spec, err);
}

static int testnet_start(struct tc_launched *net, struct tc_keeper *keeper,
                         const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self,
                         struct tc_error *err)
{
    char *text = malloc(FILE_SIZE), *peers = malloc(PEERS_SIZE);
    int rc = text && peers ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for a network's files");
    for (uint32_t i = 0; rc == 0 && i < net->count; i++) {
        rc = peers_of(net, i, dialled, self, peers, err);
        if (rc == 0)
            rc = write_home(net, i, peers, text, err);
    }
    for (uint32_t i = 0; rc == 0 && i < net->count; i++)
        rc = spawn(net, keeper, i, err);
    free(peers);
    free(text);
    return rc;
}

const struct tc_launcher_class tc_testnet_launcher = {
    .prepare = testnet_prepare,
    .address = testnet_address,
    .rpc = testnet_rpc,
    .node_key = testnet_node_key,
    .keys = testnet_keys,
    .start = testnet_start,
    .free = testnet_free,
};
