/* What a scenario says of the simulated world, put over the simulation's own defaults. */
#include "trial.h"

#include <string.h>

void tc_trial_models(const struct tc_world_spec *spec, struct tc_sim_config *to)
{
    if (spec->has_network) {
        const struct tc_sim_latency before = to->network.latency;
        to->network = spec->network;
        if (!spec->has_latency)
            to->network.latency = before;
    }
    if (spec->has_disk) {
        const struct tc_sim_disk before = to->disk;
        to->disk = spec->disk;
        if (!spec->has_sync) {
            to->disk.sync_min_ns = before.sync_min_ns;
            to->disk.sync_max_ns = before.sync_max_ns;
        }
    }
    if (spec->has_clocks)
        memcpy(to->clocks, spec->clocks, sizeof to->clocks);
}
