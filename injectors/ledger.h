/* The signing ledger: which identities we hold, may sign for, and have signed for. F_s is read off it
 * and nothing else. */
#ifndef TC_LEDGER_H
#define TC_LEDGER_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_ledger {
    struct tc_nodeset traitors;   /* frozen when the attack begins */
    struct tc_nodeset signed_for; /* grows: F_s without twins and wipes */
    uint32_t traitors_max;        /* as many identities as the scenario allows */
    bool frozen;
};

/* Names the traitors, once. TC_EREFUSED if there are more than traitors_max replicas among them (clients do not count),
 * or if already frozen with another set. */
int tc_ledger_freeze(struct tc_ledger *ledger, const struct tc_nodeset *traitors, struct tc_error *err);

/* May we sign for `node`, and if so: note that we do. TC_EREFUSED if it is no traitor. */
int tc_ledger_sign(struct tc_ledger *ledger, uint32_t node, struct tc_error *err);

#endif
