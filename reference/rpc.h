/* What the nodes of a protocol can be asked over HTTP, and what their answers say. Pure: decides what to ask next and
 * reads answers; the sockets are in proxy/follow.c. One object a node, which is asked in rounds: `ask`, the answer (or
 * that none came), `ask` again, until there is nothing more to be asked in this round. */
#ifndef TC_RPC_H
#define TC_RPC_H

#include "protocol.h"

#define TC_RPC_PATH_MAX 128

struct tc_rpc; /* opaque, per class */

/* What a node says of itself. */
struct tc_rpc_identity {
    char network[TC_NAME_MAX]; /* "" until it said so */
    bool has_key;
    uint8_t public_key[TC_PUBLIC_KEY_SIZE]; /* with which it signs */
};

/* What a node left out so far, of what it was asked; perhaps because it lies. */
struct tc_rpc_left_out {
    uint64_t details;     /* heights of which something that the protocol's rules need was not answered, */
    uint64_t false_words; /* or is not what the block that it names has */
    uint64_t unchecked;   /* heights with more, or of another kind, than we can hold against the block: no lie, and what
                             can be read of it was told */
    uint64_t states;      /* heights whose application state was not answered */
    uint64_t last_height; /* the highest of them all */
};

/* Takes a fact; borrowed, with all it points to, until the call ends. */
typedef void tc_rpc_tell_fn(void *self, const struct tc_observation *observation);

struct tc_rpc_class {
    /* `env` is borrowed for life. from_start: what was decided before we came is told, too; else what is decided from
     * the first answer on. NULL: out of memory. */
    struct tc_rpc *(*create)(const struct tc_protocol_env *env, uint16_t node, bool from_start);
    /* What to ask next: the path of a GET, with its query. False: nothing more in this round; the next call begins the
     * next one. Call it only when the last question was answered or given up. */
    bool (*ask)(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX]);
    /* How many bytes the answer to the last question may have. What is longer is handed to `answer` as an empty one. */
    size_t (*answer_max)(const struct tc_rpc *rpc);
    /* The answer's body. 0: what it says was told (an answer that says "not yet" tells nothing); TC_EMALFORMED: it is
     * no answer to what was asked, TC_EMEMORY: after both the round is over. */
    int (*answer)(struct tc_rpc *rpc, struct tc_slice body, tc_rpc_tell_fn *tell, void *self, struct tc_error *err);
    /* No answer came: the round is over. */
    void (*unanswered)(struct tc_rpc *rpc);
    const struct tc_rpc_identity *(*identity)(const struct tc_rpc *rpc);
    const struct tc_rpc_left_out *(*left_out)(const struct tc_rpc *rpc); /* NULL: nothing ever is */
    void (*destroy)(struct tc_rpc *rpc);                                 /* safe on NULL */
};

#endif
