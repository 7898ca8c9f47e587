/* The configuration file of a reference node (JSON), and key files. `turncoat replica` and `turncoat client` read them;
 * the launcher and `turncoat demo` write them.
 *
 *   { "protocol": "pbft", "cluster": "demo", "n": 4, "f": 1, "quorum": 0, "clients": 2, "checkpoint_interval": 128,
 * "window": 256, "batch_max": 64, "pipeline_max": 16, "view_timeout_ms": 500, "view_timeout_max_ms": 8000,
 * "authentication": "signature", "listen": "127.0.0.1:7000", "nodes": [ { "id": 0, "public_key": "hex", "address":
 * "127.0.0.1:7000" }, … clients without address ] }
 *
 * `address` is where *this* node dials that one (through the proxy: the proxy's listener). A key file holds 64 hex
 * digits of secret seed, mode 0600. */
#ifndef TC_CONFIG_H
#define TC_CONFIG_H

#include "../proxy/error.h"
#include "cluster.h"
#include "crypto.h"

struct tc_node_config {
    char protocol[TC_NAME_MAX];
    struct tc_cluster cluster;
    char listen[128];
    char addresses[TC_REPLICAS_MAX][128];
    uint8_t public_keys[TC_NODES_MAX][TC_PUBLIC_KEY_SIZE];
    struct tc_nodeset known; /* nodes with a public key */
};

/* TC_EUSAGE: file, line, what was expected, what was found; TC_ENOT_FOUND. */
int tc_node_config_read(const char *path, struct tc_node_config *out, struct tc_error *err);
/* As tc_node_config_read, for text in memory; `name` stands for the file in sentences. */
int tc_node_config_parse(const char *name, const char *text, struct tc_node_config *out, struct tc_error *err);

/* Writes the file; everything that read needs is in it. TC_EIO, TC_EMEMORY. */
int tc_node_config_write(const char *path, const struct tc_node_config *config, struct tc_error *err);

/* Reads a key file: TC_EKEY if it is missing, unreadable or readable by others (which mode was expected), TC_EUSAGE if
 * it does not hold 64 hex digits. Never prints the key. */
int tc_key_read(const char *path, uint8_t seed[static TC_SECRET_SEED_SIZE], struct tc_error *err);
int tc_key_write(const char *path, const uint8_t seed[static TC_SECRET_SEED_SIZE], struct tc_error *err);

#endif
