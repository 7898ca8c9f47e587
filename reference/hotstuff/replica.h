/* The reference HotStuff replicas (Yin et al., PODC'19) behind the step function of ../replica.h. */
#ifndef TC_HOTSTUFF_REPLICA_H
#define TC_HOTSTUFF_REPLICA_H

#include "../replica.h"

extern const struct tc_replica_class tc_hotstuff_replica;         /* "hotstuff": basic */
extern const struct tc_replica_class tc_chained_hotstuff_replica; /* "chained-hotstuff" */

#endif
