/* Asks nodes over HTTP what they decided, in the loop of the live world: sockets by libcurl, meaning by a tc_rpc_class.
 * Each node is asked in rounds, one after another's end by its period. Nothing blocks; what is bound is bounded: one
 * connection a node, an answer by the class's answer_max, a tenth of the time for reading one node's answers, and ever
 * longer pauses after wrong ones. A node that does not answer is asked again in the next round, over a new connection.
 */
#ifndef TC_FOLLOW_H
#define TC_FOLLOW_H

#include "../reference/rpc.h"
#include "loop.h"

struct tc_follow;

struct tc_follow_config {
    const struct tc_rpc_class *class;
    const struct tc_protocol_env *env;            /* borrowed for life */
    const char *(*address)(void *self, uint16_t); /* host:port or URL of a replica's RPC; NULL or "": it has none */
    void *address_self;
    bool from_start;    /* as tc_rpc_class.create */
    uint64_t period_ns; /* between two rounds of one node */
};

struct tc_follow_sink {
    void *self;
    tc_rpc_tell_fn *tell;
    /* A node said who it is: once a node. */
    void (*identified)(void *self, uint16_t node, const struct tc_rpc_identity *identity);
    /* What is wrong with a node's answers, in words: once a node. */
    void (*trouble)(void *self, uint16_t node, const char *text);
    /* For a second or more a node gave no right answer: what it decides is not told. Once when that begins, and once
     * more if it is still so at the end (`ended`). Whether it means anything, its process's state may say. */
    void (*silent)(void *self, uint16_t node, bool ended);
};

/* NULL in *out if no replica has an RPC address. TC_EMEMORY, TC_EIO; TC_EUSAGE: which address is none. */
int tc_follow_open(const struct tc_follow_config *config, struct tc_loop *loop, const struct tc_follow_sink *sink,
                   struct tc_follow **out, struct tc_error *err);

/* The end: every node is asked once more, and then no more. */
void tc_follow_last_round(struct tc_follow *follow);
bool tc_follow_busy(const struct tc_follow *follow); /* is an answer still to come? */

/* What this node left out of its answers so far; NULL if it is not asked. */
const struct tc_rpc_left_out *tc_follow_left_out(const struct tc_follow *follow, uint16_t node);

void tc_follow_free(struct tc_follow *follow); /* safe on NULL */

#endif
