/* The reference PBFT replica (Castro & Liskov, OSDI'99 and TOCS'02) behind the contract of reference/replica.h. */
#ifndef TC_PBFT_REPLICA_H
#define TC_PBFT_REPLICA_H

#include "../replica.h"

extern const struct tc_replica_class tc_pbft_replica;

#endif
