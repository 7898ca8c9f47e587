#include "ledger.h"

#include "../proxy/nodeset.h"

/* Clients have no vote, so they do not count against the bound that the paper states over replicas. */
static uint32_t replicas_in(const struct tc_nodeset *set)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < TC_REPLICAS_MAX; node++)
        count += tc_nodeset_has(set, node);
    return count;
}

int tc_ledger_freeze(struct tc_ledger *ledger, const struct tc_nodeset *traitors, struct tc_error *err)
{
    if (ledger->frozen) {
        if (tc_nodeset_equal(&ledger->traitors, traitors))
            return 0;
        return tc_error_set(err, TC_EREFUSED, "the traitors were named when the attack began and cannot change");
    }
    uint32_t count = replicas_in(traitors);
    if (count > ledger->traitors_max)
        return tc_error_set(err, TC_EREFUSED,
                            "the attack names %u replica%s, the scenario allows %u; raise `traitors` in the "
                            "scenario if that is meant",
                            count, count == 1 ? " as traitor" : "s as traitors", ledger->traitors_max);
    ledger->traitors = *traitors;
    ledger->frozen = true;
    return 0;
}

int tc_ledger_sign(struct tc_ledger *ledger, uint32_t node, struct tc_error *err)
{
    if (!ledger->frozen || !tc_nodeset_has(&ledger->traitors, node))
        return tc_error_set(err, TC_EREFUSED, "node %u is no traitor: nothing may be signed in its name", node);
    tc_nodeset_add(&ledger->signed_for, node);
    return 0;
}
