/* Private to node*.c: the state of a replica process. */
#ifndef TC_NODE_INTERNAL_H
#define TC_NODE_INTERNAL_H

#include "../proxy/loop.h"
#include "config.h"
#include "node.h"
#include "node_conn.h"
#include "node_dial.h"
#include "node_output.h"
#include "node_wire.h"
#include "replica.h"
#include "wal.h"

#define TC_NODE_ACCEPTED_MAX 1024 /* connections to us at one time */

struct tc_node;

/* Another replica, as we dial it. */
struct tc_node_peer {
    struct tc_node *node;
    struct tc_node_dial dial;
};

struct tc_node {
    const struct tc_node_options *options;
    struct tc_node_config config;
    struct tc_keyring *keys;
    struct tc_protocol_env env;
    const struct tc_protocol *protocol;
    const struct tc_node_wire *wire;
    const struct tc_replica_class *replica_class;
    struct tc_replica *replica;
    struct tc_wal *wal;
    struct tc_loop *loop;
    struct tc_node_output output;
    struct tc_arena arena; /* hellos, said and heard */
    struct tc_node_peer peers[TC_REPLICAS_MAX];
    struct tc_node_conn_ops accepted_ops;
    struct tc_node_conn *accepted[TC_NODE_ACCEPTED_MAX]; /* made on demand, used again */
    struct tc_node_conn *newest[TC_NODES_MAX];           /* where a client is answered; NULL */
    struct tc_loop_watch listen_watch;
    int listen_fd;
    uint64_t listen_again_ns; /* accepting rests until then; TC_NEVER_NS: it does not rest */
    bool refused_told;        /* the complaint about too many connections is out */
    bool stopping;
    int code; /* the error that ends the process */
    struct tc_error *err;
};

/* node.c: one event into the replica; its outputs are queued until the end of the turn. */
void tc_node_step(struct tc_node *node, enum tc_replica_event_kind kind, uint16_t peer, struct tc_slice bytes);

/* Ends the run with an error (the first one counts). */
void tc_node_fail(struct tc_node *node, int code);

/* node_net.c: listens and starts dialling. TC_EUSAGE, TC_EUNREACHABLE, TC_EIO. */
int tc_node_net_open(struct tc_node *node);
/* Dials what is due, accepts again after a rest. */
void tc_node_net_due(struct tc_node *node, uint64_t now_ns);
uint64_t tc_node_net_deadline_ns(const struct tc_node *node);
/* Queues a frame to a replica or client; dropped if it is not connected. */
void tc_node_net_send(struct tc_node *node, uint16_t to, struct tc_slice frame);
void tc_node_net_flush(struct tc_node *node);
void tc_node_net_close(struct tc_node *node);

#endif
