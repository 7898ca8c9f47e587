#include "driver.h"

#include "../reference/cometbft/home.h"
#include "../reference/cometbft/lines.h"
#include "../reference/cometbft/protocol.h"
#include "../reference/cometbft/rpc.h"
#include "../reference/hotstuff/protocol.h"
#include "../reference/lines.h"
#include "../reference/pbft/protocol.h"
#include "launch_cometbft.h"

static const struct tc_driver drivers[] = {
    {&tc_pbft, tc_line_parse, NULL, NULL, NULL, true},
    {&tc_hotstuff, tc_line_parse, NULL, NULL, NULL, true},
    {&tc_chained_hotstuff, tc_line_parse, NULL, NULL, NULL, true},
    {&tc_cometbft, tc_cometbft_line_parse, &tc_testnet_launcher, &tc_cometbft_rpc, &tc_cometbft_identities, false},
};

const struct tc_driver *tc_driver_of(const struct tc_protocol *protocol)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (drivers[i].protocol == protocol)
            return &drivers[i];
    return NULL;
}
