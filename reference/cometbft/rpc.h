/* What a CometBFT node tells over JSON-RPC (v0.38 and v1.0): decided blocks with their hashes, the application's hash
 * after each, who is validator and with which power, and the evidence in blocks of any size. */
#ifndef TC_COMETBFT_RPC_H
#define TC_COMETBFT_RPC_H

#include "../rpc.h"

/* Executions (TC_OBS_EXECUTED, value: block hash) come from /blockchain in the order of their heights; the
 * application's hash (TC_OBS_STABLE) from /block_results; members (TC_OBS_MEMBER) from /validators when the set has
 * changed; accusations (TC_OBS_ACCUSED) from /block where the header names evidence. */
extern const struct tc_rpc_class tc_cometbft_rpc;

#endif
