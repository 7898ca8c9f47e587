/* Encrypted peer links: which keys prove us to whom. With a node's home directory we stand in for it (its peers see its
 * own id); without one we have an identity of our own, whose id its peers must be told. */
#define _GNU_SOURCE
#include "run_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 4096

/* TC_EKEY: the file is not there, readable by others, or holds no key. Never says what it holds. */
static int read_key(const struct tc_identity_class *class, const char *path, uint8_t key[static 64],
                    struct tc_error *err)
{
    uint8_t text[KEY_FILE_MAX];
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tc_error_set(err, TC_EKEY, "%s: cannot read the key: %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || (st.st_mode & 077) != 0) {
        close(fd);
        return tc_error_set(err, TC_EKEY, "%s: expected mode 0600, found %04o: others could read the key; chmod 600 it",
                            path, (unsigned)st.st_mode & 07777);
    }
    const ssize_t len = read(fd, text, sizeof text);
    close(fd);
    const int rc = len > 0 ? class->parse((struct tc_slice){text, (size_t)len}, key) : TC_EKEY;
    explicit_bzero(text, sizeof text);
    return rc == 0 ? 0 : tc_error_set(err, TC_EUSAGE, "%s: expected %s", path, class->expected);
}

/* Both keys of a node from its home directory. The validator's may be absent: then it cannot be a traitor. */
static int read_home(struct tc_run *run, uint16_t node, const char *home, struct tc_error *err)
{
    char path[TC_PATH_MAX + 64];
    uint8_t key[64];
    const struct tc_identity_class *class = run->driver->identities;
    snprintf(path, sizeof path, "%s/%s", home, class->link_file);
    int rc = read_key(class, path, run->peer_keys[node], err);
    snprintf(path, sizeof path, "%s/%s", home, class->signing_file);
    const bool absent = access(path, F_OK) != 0 && errno == ENOENT;
    if (rc == 0 && absent && !tc_keyring_public(run->keys, node))
        rc = tc_error_set(
            err, TC_EKEY,
            "%s: no such file: who signs is not known then; give the replica public_key = \"64 hex digits\" "
            "of its validator beside its home, and it can be no traitor that signs",
            path);
    if (rc == 0 && !absent) {
        rc = read_key(class, path, key, err);
        if (rc == 0)
            rc = tc_keyring_add_secret(run->keys, node, key); /* the seed is its first half */
        explicit_bzero(key, sizeof key);
    }
    return rc < 0 ? tc_error_wrap(err, "%s: home of replica %u", run->scenario->cluster.path, node) : 0;
}

/* The same key in two homes: one of them is a copy, and which is whose cannot be told. */
static int check_twice(const struct tc_run *run, uint16_t node, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    const struct tc_identity_class *class = run->driver->identities;
    for (uint16_t other = 0; other < node; other++) {
        if (!spec->nodes[other].home[0])
            continue;
        const uint8_t *mine = tc_keyring_public(run->keys, node), *its = tc_keyring_public(run->keys, other);
        const bool link = memcmp(run->peer_keys[node], run->peer_keys[other], sizeof run->peer_keys[node]) == 0;
        if (link || (mine && its && memcmp(mine, its, TC_PUBLIC_KEY_SIZE) == 0))
            return tc_error_set(
                err, TC_EUSAGE,
                "%s: home of replica %u (%s): expected keys of its own, found the %s of replica %u's home (%s)",
                spec->path, node, spec->nodes[node].home, link ? class->link_file : class->signing_file, other,
                spec->nodes[other].home);
    }
    return 0;
}

/* An identity that stays the same from run to run, so that peers can be told its id once. It proves only that the proxy
 * is the proxy: nothing that a validator signs depends on it. */
static void make_own(const struct tc_run *run, uint16_t node, uint8_t key[static 64])
{
    uint8_t seed[TC_SECRET_SEED_SIZE];
    struct tc_slice parts[] = {{(const uint8_t *)"turncoat peer", 13},
                               {(const uint8_t *)run->cluster.id, strlen(run->cluster.id)},
                               {(const uint8_t *)&(uint8_t){(uint8_t)node}, 1}};
    tc_digest_parts(parts, 3, seed);
    run->driver->identities->make(seed, key);
    explicit_bzero(seed, sizeof seed);
}

int tc_run_peers_open(struct tc_run *run, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    if (!run->protocol->transport || run->request->simulated || run->request->check)
        return 0;
    if (getrandom(run->transport_secret, sizeof run->transport_secret, 0) < 0)
        return tc_error_set(err, TC_EIO, "no randomness for encrypted connections: %s", strerror(errno));
    run->peer_keys = calloc(run->cluster.n, sizeof *run->peer_keys);
    if (!run->peer_keys)
        return tc_error_set(err, TC_EMEMORY, "no memory for the peers' keys");
    for (uint16_t node = 0; node < run->cluster.n; node++) {
        const uint8_t *known = run->launch ? tc_launch_node_key(run->launch, node) : NULL;
        int rc = 0;
        if (known) {
            memcpy(run->peer_keys[node], known, sizeof run->peer_keys[node]);
        } else if (spec->nodes[node].home[0]) {
            char home[TC_PATH_MAX];
            tc_run_beside(spec->path, spec->nodes[node].home, home);
            rc = read_home(run, node, home, err);
            if (rc == 0)
                rc = check_twice(run, node, err);
        } else {
            make_own(run, node, run->peer_keys[node]);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

int tc_run_peers_configure(void *self, struct tc_transport_config *config, struct tc_error *err)
{
    const struct tc_run *run = self;
    memcpy(config->secret, run->transport_secret, sizeof config->secret);
    for (unsigned side = 0; side < 2; side++) {
        const uint16_t as = config->nodes[!side];
        if (as >= run->cluster.n)
            return tc_error_set(err, TC_EKEY, "nobody said which replica is at the other end of this connection");
        memcpy(config->identity[side], run->peer_keys[as], sizeof config->identity[side]);
        const uint16_t there = config->nodes[side];
        config->is_known[side] = there < run->cluster.n && run->scenario->cluster.nodes[there].home[0];
        if (config->is_known[side])
            memcpy(config->known[side], run->peer_keys[there] + 32, sizeof config->known[side]);
    }
    return 0;
}

void tc_run_peers_id(const struct tc_run *run, uint16_t node, char id[static TC_IDENTITY_ID_SIZE])
{
    run->driver->identities->id(run->peer_keys[node] + 32, id);
}

void tc_run_peers_close(struct tc_run *run)
{
    if (run->peer_keys)
        explicit_bzero(run->peer_keys, run->cluster.n * sizeof *run->peer_keys);
    explicit_bzero(run->transport_secret, sizeof run->transport_secret);
    free(run->peer_keys);
}
