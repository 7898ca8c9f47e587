/* What a reference replica provides: one step function without I/O, clock or randomness. The same
 * code runs as a process on TCP (node.c) and inside tests and the simulation.
 *
 * Contract of a driver:
 *  1. create the replica, feed it TC_REPLICA_RECORD for every durable record in order, then
 *     TC_REPLICA_START with the time;
 *  2. for every step: append the TC_OUT_PERSIST records to the disk, sync once, and only then
 *     release the other outputs, in order;
 *  3. call step with TC_REPLICA_TIMER when tc_replica_deadline_ns is reached.
 * A driver may lose records that were not synced, together with every output of that step, never one without the other.
 */
#ifndef TC_REPLICA_H
#define TC_REPLICA_H

#include "../proxy/error.h"
#include "../proxy/types.h"
#include "cluster.h"
#include "crypto.h"
#include "protocol.h"

enum tc_replica_event_kind {
    TC_REPLICA_RECORD, /* a durable record, oldest first, before START */
    TC_REPLICA_START,
    TC_REPLICA_FRAME, /* a whole frame arrived */
    TC_REPLICA_TIMER, /* the deadline passed */
    TC_REPLICA_LINK   /* connection to `peer` came up (retransmit what it needs) */
};

struct tc_replica_event {
    enum tc_replica_event_kind kind;
    uint64_t now_ns;
    uint16_t peer;         /* FRAME: node that named itself on this connection (not trusted); LINK */
    struct tc_slice bytes; /* RECORD, FRAME: borrowed during the step */
};

enum tc_output_kind {
    TC_OUT_PERSIST,  /* append this record durably before releasing later outputs */
    TC_OUT_SNAPSHOT, /* this record replaces all earlier ones (log truncation); durable likewise */
    TC_OUT_SEND,     /* a frame to one node */
    TC_OUT_OBSERVE   /* a log line: execution, view, stable checkpoint, complaint */
};

struct tc_output {
    enum tc_output_kind kind;
    uint16_t to;                       /* SEND */
    struct tc_slice bytes;             /* PERSIST, SNAPSHOT, SEND; broadcast frames share their bytes */
    struct tc_observation observation; /* OBSERVE; text and operations borrowed like bytes */
};

/* The outputs of one step: owned by the replica, valid until the next call on it. */
struct tc_outputs {
    const struct tc_output *items;
    size_t count;
};

struct tc_replica; /* opaque, per protocol */

struct tc_replica_config {
    uint16_t id;
    struct tc_protocol_env env; /* cluster and keys borrowed for the replica's life; keys hold its own secret key */
    uint64_t bugs;              /* bit set of seeded bugs, see bugs.h; 0 = correct */
};

struct tc_replica_class {
    const char *protocol; /* the protocol's name */
    /* NULL if out of memory or the configuration is impossible (reason in err). */
    struct tc_replica *(*create)(const struct tc_replica_config *config, struct tc_error *err);
    /* One event in, outputs out. 0; TC_EMEMORY: the replica is unusable, the driver exits; TC_EMALFORMED: a durable
     * record is corrupt, the driver exits with the reason. Bad frames are not errors: they give a complaint. */
    int (*step)(struct tc_replica *r, const struct tc_replica_event *event, struct tc_outputs *out);
    /* When TIMER must be delivered; TC_NEVER_NS if no timer runs. */
    uint64_t (*deadline_ns)(const struct tc_replica *r);
    void (*destroy)(struct tc_replica *r);
};

/* The class for a protocol's reference replica, or NULL. */
const struct tc_replica_class *tc_replica_find(const char *protocol);

#endif
