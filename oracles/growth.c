#include "growth.h"

#include <math.h>

#define Z 1.959964 /* 95 % */

static void reach_view(struct tc_growth *growth, uint64_t view)
{
    if (growth->begun && view > growth->view)
        growth->views += view - growth->view;
    if (!growth->begun || view > growth->view)
        growth->view = view;
    growth->begun = true;
}

void tc_growth_observe(struct tc_growth *growth, const struct tc_protocol *protocol, const struct tc_protocol_env *env,
                       const struct tc_nodeset *liars, const struct tc_observation *observation)
{
    if (observation->node >= env->cluster->n || tc_nodeset_has(liars, observation->node))
        return;
    if (observation->kind == TC_OBS_VIEW && observation->view.active)
        reach_view(growth, observation->view.view);
    if (observation->kind != TC_OBS_EXECUTED || observation->executed.origin != TC_EXEC_EXECUTED ||
        observation->executed.sequence <= growth->sequence)
        return;
    growth->sequence = observation->executed.sequence;
    growth->committed++;
    growth->honest += !tc_nodeset_has(liars, tc_protocol_leader(protocol, env, observation->executed.view));
}

struct tc_share tc_growth_share(uint64_t count, uint64_t total)
{
    if (total == 0)
        return (struct tc_share){0};
    const double n = (double)total;
    const double p = count < total ? (double)count / n : 1;
    const double middle = p + Z * Z / (2 * n);
    const double half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    const double scale = 1 + Z * Z / n;
    return (struct tc_share){.value = p, .low = (middle - half) / scale, .high = (middle + half) / scale};
}
