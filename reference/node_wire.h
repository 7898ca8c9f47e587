/* What a reference node says itself, beside the replica's frames: the hello of every connection, and a client's
 * requests. One row a protocol. Pure. */
#ifndef TC_NODE_WIRE_H
#define TC_NODE_WIRE_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"
#include "protocol.h"

/* A request as it goes out; everything lives in the arena it was made in. */
struct tc_wire_request {
    struct tc_slice frame;
    struct tc_slice operation; /* as the history shows it */
    uint8_t digest[TC_VALUE_SIZE];
};

/* A reply as a replica claims it; `result` lives in the arena. */
struct tc_wire_reply {
    uint16_t replica;
    uint64_t view, timestamp;
    struct tc_slice result;
};

struct tc_node_wire {
    const char *protocol;
    /* The first frame of a connection. TC_ELIMIT: the arena is full. */
    int (*hello)(const struct tc_cluster *cluster, uint16_t node, struct tc_arena *arena, struct tc_slice *frame);
    /* A sealed request. TC_EKEY, TC_ELIMIT. */
    int (*request)(const struct tc_protocol_env *env, uint16_t client, uint64_t timestamp,
                   const struct tc_kv_operation *operation, struct tc_arena *arena, struct tc_wire_request *out);
    /* Reads a reply to `client` and, if its timestamp is `wanted`, checks that the replica really said it.
     * TC_EMALFORMED: no reply to us; TC_ENOT_FOUND: to another request; TC_ESIGNATURE, TC_EKEY, TC_ELIMIT. */
    int (*reply)(const struct tc_protocol_env *env, uint16_t client, uint64_t wanted, struct tc_slice frame,
                 struct tc_arena *arena, struct tc_wire_reply *out);
};

/* NULL if the protocol has no reference nodes. */
const struct tc_node_wire *tc_node_wire_find(const char *protocol);

#endif
