/* The layout of the vote store, shared by votes.c (taking in) and votes_read.c (asking). */
#ifndef TC_VOTES_INTERNAL_H
#define TC_VOTES_INTERNAL_H

#include "table.h"
#include "votes.h"

#define SLOTS_MAX      8192
#define SLOT_BYTES_MAX (8u << 20)
#define FRAMES_SIZE    (8u << 20)
#define OFFERED_MAX    64     /* replicas of whom it is remembered who was offered which copy */
#define VERIFY_MAX     20000u /* signatures verified in a run, by all oracles together: about a second of one core */

struct column {
    enum tc_kind kind;
    enum tc_phase phase;
    const char *name;
};

/* Where the copy of a vote is: every message of a run looks at one, so it is as short as it can be. */
struct vote_reference {
    uint64_t frame : 48; /* 0: none */
    uint64_t value : 8;
    /* the copy is of bytes that reached somebody, not only of what was said to be replaced on its way */
    uint64_t heard : 1;
    uint64_t offered; /* set of the receivers to whom it was offered, of clusters of at most OFFERED_MAX */
};

#define FRAME_MASK ((UINT64_C(1) << 48) - 1) /* frames count the bytes of a run: it does not see so many */

enum vote_set { VOTE_SIGNERS, VOTE_SPOKEN, VOTE_SETS };

/* The planes of one signer lie side by side, for every message looks at both. A row is a struct tc_slot followed by
 *   convicted  one set
 *   sets       [TC_SLOT_VALUES_MAX][columns][VOTE_SETS] of `words` words
 *   references [columns][n][2 planes] */
struct tc_votes {
    const struct tc_protocol *protocol;
    const struct tc_protocol_env *env;
    uint32_t n, quorum, words;
    uint8_t column_of[TC_KIND_COUNT][TC_PHASE_COUNT];
    struct column columns[TC_COLUMNS_MAX];
    uint8_t column_count;
    size_t convicted_at, sets_at, references_at, row_size;
    size_t row_used; /* of row_size, without what only keeps lines of the cache apart */
    struct tc_table *table;
    struct tc_frames *frames;
    struct tc_vote *current;
    size_t current_count;
    uint64_t current_frame; /* copy of the message in hand, 0 until needed */
    struct tc_slot *last_slot;
    struct tc_arena arena; /* for decoding kept copies */
    uint64_t crowded, slots;
    uint32_t verified;
};

/* Sets where in a row each set of signers lies, and its size, from n, the columns and what is kept. */
void tc_votes_layout(struct tc_votes *votes);

/* Forgets pointers into rows that were given to another slot. */
void tc_votes_drop_stale(struct tc_votes *votes);

/* Does the statement belong to the row? */
bool tc_votes_is_of(const struct tc_slot *slot, const struct tc_statement *s);

static inline uint64_t *votes_set(const struct tc_votes *votes, const struct tc_slot *slot, enum vote_set which,
                                  uint8_t column, uint8_t value)
{
    uint8_t *row = (uint8_t *)(uintptr_t)slot;
    return (uint64_t *)(void *)(row + votes->sets_at) +
           (((size_t)value * votes->column_count + column) * VOTE_SETS + which) * votes->words;
}

static inline bool votes_bit(const uint64_t *set, uint16_t signer)
{
    return (set[signer / 64] >> (signer % 64)) & 1u;
}

static inline struct vote_reference *votes_reference(const struct tc_votes *votes, const struct tc_slot *slot,
                                                     uint32_t plane, uint8_t column, uint16_t signer)
{
    uint8_t *row = (uint8_t *)(uintptr_t)slot;
    return (struct vote_reference *)(void *)(row + votes->references_at) + 2 * ((size_t)column * votes->n + signer) +
           plane;
}

#endif
