/* What the k-th operation of a client is: keyed by seed, client and number. Pure; processes and the simulation use it.
 */
#ifndef TC_CLIENT_OPERATIONS_H
#define TC_CLIENT_OPERATIONS_H

#include "node_wire.h"

struct tc_operation_maker {
    uint64_t seed;
    uint32_t keys, value_bytes;
};

/* What a client remembers of its last put, so that a compare-and-swap has a chance. */
struct tc_operation_memory {
    bool any;
    uint32_t key;
    uint64_t hash; /* its value is made from it */
};

/* The operation that (seed, client, timestamp) name; its bytes live in `arena`. TC_ELIMIT. */
int tc_operation_make(const struct tc_operation_maker *maker, uint16_t client, uint64_t timestamp,
                      struct tc_operation_memory *memory, struct tc_arena *arena, struct tc_kv_operation *out);

#endif
