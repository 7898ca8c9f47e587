/* Starts a CometBFT network of stock validators for a scenario: keys, genesis, home directories, processes. An edge.
 * Keys come from the run's seed, so a network's identities repeat; replicas are numbered in the order of their
 * validators' addresses, so that replica i is validator i. Only the node with the lower number dials the other.
 *
 * The program is TURNCOAT_COMETBFT; else that of the cache which tests/targets/install fills; else one in PATH. */
#ifndef TC_LAUNCH_COMETBFT_H
#define TC_LAUNCH_COMETBFT_H

#include "driver.h"

extern const struct tc_launcher_class tc_testnet_launcher;

#endif
