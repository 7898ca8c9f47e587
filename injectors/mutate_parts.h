/* What the files of mutate share. Nobody else includes this.
 *
 * mutate.c            which operator, copying, signing again
 * mutate_walk.c       the parts of a body, and which of them are messages or certificates
 * mutate_numbers.c    numbers, values, fields taken from earlier messages
 * mutate_lists.c      elements of lists
 * mutate_embedded.c   messages inside messages
 * mutate_forge.c      certificates
 * mutate_authenticator.c  vectors of MACs */
#ifndef TC_MUTATE_PARTS_H
#define TC_MUTATE_PARTS_H

#include "../proxy/random.h"
#include "../reference/fields.h"
#include "mutate.h"

#define TC_MUTATE_PARTS_MAX 128
#define TC_MUTATE_DEPTH_MAX 2 /* messages inside messages that operators go into */

/* A message-typed field of the body, or the body itself. */
struct tc_part {
    struct tc_fields fields;
    struct tc_fields parent; /* base NULL: the body itself */
    const char *name;        /* of the field in the parent */
    size_t index;
    bool is_message;     /* a whole message of the protocol: an envelope */
    bool is_certificate; /* the table says so */
};

/* One operator at work. */
struct tc_mutation {
    const struct tc_mutator *mutator;
    const struct tc_message *original;
    struct tc_message *edited; /* body and envelope may be changed */
    struct tc_arena *arena;
    uint64_t hash;
    uint32_t depth;
    struct tc_part parts[TC_MUTATE_PARTS_MAX];
    size_t part_count;
};

/* Each operator changes `edited` and returns 0, or TC_EUNSUPPORTED; perhaps it changed nothing, which the caller sees.
 */
typedef int tc_operator_fn(struct tc_mutation *mutation);
tc_operator_fn tc_mutate_nudge, tc_mutate_value, tc_mutate_empty, tc_mutate_extreme, tc_mutate_substitute,
    tc_mutate_bytes;
tc_operator_fn tc_mutate_duplicate, tc_mutate_remove, tc_mutate_swap, tc_mutate_repeat, tc_mutate_batch;
tc_operator_fn tc_mutate_embedded, tc_mutate_forge;

/* The parts of the edited body, in the order of the descriptors; those past the bound are left alone. */
void tc_mutate_walk(struct tc_mutation *mutation);

/* As tc_mutate, inside of another. */
int tc_mutate_nested(const struct tc_mutator *mutator, enum tc_operator op, uint64_t hash, uint32_t depth,
                     const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame);

/* The message of the protocol that an envelope inside stands for. Errors as decode gives them. */
int tc_mutate_open(const struct tc_mutation *mutation, struct tc_fields envelope, struct tc_message *out);

/* The message that was heard. Errors as decode gives them. */
int tc_mutate_recall(const struct tc_mutator *mutator, const struct tc_memory_item *item, struct tc_arena *arena,
                     struct tc_message *out);

/* Draws number `what` of this operator, below `bound`. */
static inline uint64_t tc_mutate_draw(const struct tc_mutation *mutation, uint64_t what, uint64_t bound)
{
    return tc_random_below(tc_random_mix(mutation->hash, what), bound);
}

static inline const struct tc_message_row *tc_mutate_row(const struct tc_mutator *mutator, const struct tc_message *m)
{
    const uint8_t type = m->statements[0].type;
    return type < mutator->protocol->row_count ? &mutator->protocol->rows[type] : NULL;
}

#endif
