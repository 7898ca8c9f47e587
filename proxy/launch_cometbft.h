/* Starts a CometBFT network of stock validators for a scenario: keys, genesis, home directories, processes. An edge.
 * Keys come from the run's seed, so a network's identities repeat; replicas are numbered in the order of their
 * validators' addresses, so that replica i is validator i. */
#ifndef TC_LAUNCH_COMETBFT_H
#define TC_LAUNCH_COMETBFT_H

#include "../injectors/process.h"
#include "../lua/scenario.h"
#include "../reference/crypto.h"

struct tc_testnet;

/* Finds the program (TURNCOAT_COMETBFT; else the cache that tests/targets/install fills; else PATH), makes keys, picks
 * free ports and writes one home directory a node below `data_dir`. TC_EUNREACHABLE: no program, or one of another
 * version, and what to do; TC_EIO, TC_EUSAGE, TC_EMEMORY. */
int tc_testnet_prepare(const struct tc_scenario *scenario, const char *data_dir, const char *logs_dir, uint64_t seed,
                       struct tc_testnet **out, struct tc_error *err);

/* Where node `node` really listens for peers, host:port. */
const char *tc_testnet_address(const struct tc_testnet *net, uint16_t node);

/* Adds every validator's key pair. */
int tc_testnet_keys(const struct tc_testnet *net, struct tc_keyring *keys, struct tc_error *err);

/* The 64-byte node key with which `node` proves itself to its peers. Borrowed; secret. */
const uint8_t *tc_testnet_node_key(const struct tc_testnet *net, uint16_t node);

/* Writes the configurations, in which only the node with the lower number dials the other, and spawns the nodes.
 * `dialled` as in tc_launch_start. */
int tc_testnet_start(struct tc_testnet *net, struct tc_keeper *keeper,
                     const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self, struct tc_error *err);

/* Wipes the keys. Safe on NULL. */
void tc_testnet_free(struct tc_testnet *net);

#endif
