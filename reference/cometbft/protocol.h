/* CometBFT v0.38 and v1.0 (Tendermint consensus, Buchman, Kwon, Milosevic, arXiv 1807.04938): what its validators say
 * on their peer links. Its frames are whole messages of a channel, as the transport (peers.h) hands them out. */
#ifndef TC_COMETBFT_PROTOCOL_H
#define TC_COMETBFT_PROTOCOL_H

#include "../protocol.h"

extern const struct tc_protocol tc_cometbft;

#endif
