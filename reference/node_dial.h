/* A connection that we dial, and dial again: back-off from 20 ms to 1 s with keyed jitter. An edge. */
#ifndef TC_NODE_DIAL_H
#define TC_NODE_DIAL_H

#include "../proxy/listen.h"
#include "node_conn.h"

struct tc_node_dial {
    struct tc_node_conn conn; /* conn.node says who is dialled */
    struct tc_endpoint endpoint;
    uint64_t jitter_key;
    uint64_t backoff_ns;  /* the next wait */
    uint64_t retry_at_ns; /* when to dial; TC_NEVER_NS while connected or connecting */
    uint64_t up_at_ns;    /* TC_NEVER_NS: not up */
    uint32_t attempts;
};

/* Prepares to dial `peer` at `address`; due at once. TC_EUSAGE: not an address. */
int tc_node_dial_init(struct tc_node_dial *dial, uint16_t peer, const char *address, uint64_t jitter_key,
                      struct tc_error *err);

/* Starts connecting if it is due. The ops' `connected` and `closed` must call tc_node_dial_up and tc_node_dial_lost. */
void tc_node_dial_due(struct tc_node_dial *dial, struct tc_loop *loop, const struct tc_node_conn_ops *ops, void *self);

void tc_node_dial_up(struct tc_node_dial *dial, uint64_t now_ns);
void tc_node_dial_lost(struct tc_node_dial *dial, uint64_t now_ns);

#endif
