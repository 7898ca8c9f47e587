/* Starts a reference cluster and its load for a scenario: keys, ports, configuration files, processes. An edge. */
#ifndef TC_LAUNCH_H
#define TC_LAUNCH_H

#include "../injectors/process.h"
#include "../lua/scenario.h"
#include "../reference/config.h"

struct tc_launch;

/* Prepares: makes keys from `seed`, binds each replica's socket (127.0.0.1, free port, inherited by the child), makes
 * `dir`/nodes/… (configuration, key files) and a data directory (tmpfs if there is one). `program` is the path of
 * turncoat itself. TC_EIO, TC_EUNREACHABLE. */
int tc_launch_prepare(const struct tc_scenario *scenario, const char *program, const char *dir, uint64_t seed,
                      struct tc_launch **out, struct tc_error *err);

/* Where replica `node` really listens, host:port. */
const char *tc_launch_address(const struct tc_launch *launch, uint16_t node);

/* The key (64 bytes, secret, borrowed) with which `node` proves itself on encrypted peer links; NULL where there are
 * none. */
const uint8_t *tc_launch_node_key(const struct tc_launch *launch, uint16_t node);

/* Where replica `node` answers questions (driver.h); NULL where none can be asked. */
const char *tc_launch_rpc(const struct tc_launch *launch, uint16_t node);

/* Adds every node's public key, and the secret keys (the scenario may turn any node into a traitor), to the keyring. */
int tc_launch_keys(const struct tc_launch *launch, struct tc_keyring *keys, struct tc_error *err);

/* `dialled(self, from, to)` says where `from` must dial `to` (the proxy's listener), for from a replica or a client.
 * Writes the configuration files and spawns replicas, then clients. */
int tc_launch_start(struct tc_launch *launch, struct tc_keeper *keeper,
                    const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self, struct tc_error *err);

/* Removes the data directory (not the run directory) and frees. Safe on NULL. Call after tc_keeper_stop. */
void tc_launch_free(struct tc_launch *launch);

#endif
