/* What was said in this run, kept for lies that need it: values of the same type heard earlier, messages to be said
 * again later, votes to make certificates of. A ring of frames: the oldest give way. Pure. */
#ifndef TC_MUTATE_MEMORY_H
#define TC_MUTATE_MEMORY_H

#include "../reference/protocol.h"

#define TC_MEMORY_MAX       256         /* messages kept */
#define TC_MEMORY_FRAME_MAX (64u << 10) /* longer ones are not kept */

/* One message, once, however many receivers it had. `frame` is owned by the memory and valid until it gives way. */
struct tc_memory_item {
    uint64_t key;    /* tc_message.key */
    uint64_t number; /* 1, 2, … in the order they came */
    uint64_t view, sequence;
    struct tc_value value;
    struct tc_nodeset receivers; /* to whom it was said */
    struct tc_slice frame;
    uint16_t from, signer;
    enum tc_kind kind;
    uint8_t type; /* index into the protocol's rows */
};

struct tc_memory;

/* NULL if out of memory. */
struct tc_memory *tc_memory_new(void);
void tc_memory_free(struct tc_memory *heard);

/* Keeps a message (again: only its receiver is added). What did not decode, is too long or finds no memory is not
 * kept: whoever draws from here has less to draw from. */
void tc_memory_add(struct tc_memory *heard, const struct tc_message *message);

/* The index-th of those kept, oldest first; NULL past the end. */
const struct tc_memory_item *tc_memory_get(const struct tc_memory *heard, size_t index);
size_t tc_memory_count(const struct tc_memory *heard);

/* One of this type, by `hash`; NULL if there is none. `signer`: of this one only (TC_NODE_NONE: of anybody). */
const struct tc_memory_item *tc_memory_pick(const struct tc_memory *heard, uint8_t type, uint16_t signer,
                                            uint64_t hash);

/* The same by kind (bit set of enum tc_kind). */
const struct tc_memory_item *tc_memory_pick_kind(const struct tc_memory *heard, uint32_t kinds, uint64_t hash);

#endif
