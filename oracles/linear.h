/* One key of the key-value store, and whether its history has an order: the search of linearizability.c. Pure. */
#ifndef TC_LINEAR_H
#define TC_LINEAR_H

#include "oracle.h"

#define TC_LINEAR_RECENT 6 /* operations of a key kept to be shown */
#define TC_LINEAR_ABSENT 1 /* the hash of no value: the key is not there */

/* An operation. Values are hashes above TC_LINEAR_ABSENT. */
struct tc_linear_operation {
    uint64_t value, expected;
    uint64_t timestamp, result;
    uint16_t client;
    uint8_t code;  /* enum tc_kv_code */
    uint8_t place; /* bit in struct tc_linear_state.included, from its beginning on */
    bool begun;    /* has a place */
    bool done, found;
};

/* A moment in the history: an operation begins or has its answer. */
struct tc_linear_moment {
    uint32_t operation;
    bool ends;
};

/* A state that the store may be in. */
struct tc_linear_state {
    uint64_t value;    /* 0: not known yet */
    uint64_t included; /* of the operations in progress, by place */
};

/* A key, with what happened to it since no operation on it was in progress. What was given up stays. */
struct tc_linear_key {
    uint64_t hash, places; /* places taken */
    uint32_t outstanding;  /* operations that may still be answered */
    uint32_t operation_count, operation_size, moment_count, moment_size, state_count, state_size, recent_count;
    bool given_up, breached;
    struct tc_linear_operation *operations;
    struct tc_linear_moment *moments;
    struct tc_linear_state *states;
    struct tc_linear_operation recent[TC_LINEAR_RECENT];
    char name[20];
};

enum tc_linear { TC_LINEAR_FINE, TC_LINEAR_IMPOSSIBLE, TC_LINEAR_TOO_MUCH };

/* Begins with nothing known. false: out of memory. */
bool tc_linear_open(struct tc_linear_key *key);
void tc_linear_close(struct tc_linear_key *key);

/* An operation begins (its index, or -1: too many, or out of memory); the one at `index` has its answer, which is in it
 * (false likewise). */
int tc_linear_begin(struct tc_linear_key *key, const struct tc_linear_operation *operation);
bool tc_linear_end(struct tc_linear_key *key, uint32_t index);

/* Goes through what happened since last time, now that the answers are known; those without one stay open. *answers
 * counts what was judged. IMPOSSIBLE: nothing explains the answer of *culprit (valid until the key changes); TOO_MUCH:
 * too many orders to try. Either way the key is of no more use. */
enum tc_linear tc_linear_judge(struct tc_linear_key *key, uint64_t *answers,
                               const struct tc_linear_operation **culprit);

/* The hash of a value. */
uint64_t tc_linear_hash(struct tc_slice bytes);

#endif
