/* What the two halves of asking a node share: what is asked (rpc.c), and what the answers say (rpc_answer.c). */
#ifndef TC_COMETBFT_RPC_INTERNAL_H
#define TC_COMETBFT_RPC_INTERNAL_H

#include "rpc_parts.h"

#define TC_RPC_HEADERS_MAX 20 /* of one /blockchain answer: CometBFT's own bound */
#define TC_RPC_TODO_MAX    64 /* heights that wait for their details */
#define TC_RPC_TRIES_MAX   40 /* rounds in which a detail is asked for */

enum tc_rpc_question {
    TC_RPC_ASK_NOTHING = 0,
    TC_RPC_ASK_STATUS,
    TC_RPC_ASK_HEADERS,
    TC_RPC_ASK_MEMBERS,
    TC_RPC_ASK_BLOCK,
    TC_RPC_ASK_RESULTS
};

/* A height that was told, and what is still to be asked of it. */
struct tc_rpc_todo {
    uint64_t height;
    struct tc_value block;
    bool members, evidence, results;
    uint32_t tries;
    uint32_t page, members_told; /* of the members */
    struct tc_value evidence_hash;
};

struct tc_rpc {
    const struct tc_protocol_env *env;
    uint16_t node;
    bool from_start, begun, told_any;
    uint64_t height; /* the last that was told */
    struct tc_rpc_identity identity;
    enum tc_rpc_question asked;
    bool headers_asked, more_headers; /* in this round */
    uint32_t at;                      /* of todo, in this round */
    struct tc_rpc_todo todo[TC_RPC_TODO_MAX];
    uint32_t todo_count;
    struct tc_value members_hash;
    struct tc_value last;  /* block at `height` */
    uint32_t questions;    /* in this round */
    bool keeps_no_results; /* those of the last height that was given up did not come */
    struct tc_rpc_states states;
    struct tc_rpc_left_out left_out;
    uint64_t said_details, said_false, said_unchecked, said_states; /* of these, when it was last said */
    struct tc_arena arena;
};

/* The next question begins a round. False. */
bool tc_rpc_end_round(struct tc_rpc *rpc);

/* Counts a height of which something was left out. */
void tc_rpc_lose(struct tc_rpc *rpc, uint64_t *count, uint64_t height);

/* As tc_rpc_class says. */
int tc_rpc_answer(struct tc_rpc *rpc, struct tc_slice body, tc_rpc_tell_fn *tell, void *self, struct tc_error *err);

#endif
