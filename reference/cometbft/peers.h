/* The transport of CometBFT's peer links: SecretConnection, NodeInfo and MConnection on both sides of a pair. */
#ifndef TC_COMETBFT_PEERS_H
#define TC_COMETBFT_PEERS_H

#include "../transport.h"

extern const struct tc_transport_class tc_cometbft_peers;

#endif
