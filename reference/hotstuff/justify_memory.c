/* The two tables of the justifier. */
#include "../../proxy/random.h"
#include "justify_parts.h"
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(uint64_t seed, const uint8_t *digest)
{
    return tc_random_fold_bytes(seed, (struct tc_slice){digest, TC_VALUE_SIZE});
}

/* ---- blocks ---- */

static struct justify_block *block_bucket(struct justify_block *blocks, uint32_t buckets, const uint8_t *digest)
{
    return &blocks[(hash_of(1, digest) & (buckets - 1)) * JUSTIFY_WAYS];
}

struct justify_block *tc_hotstuff_justify_block(struct tc_justifier *j, const uint8_t *digest)
{
    struct justify_block *bucket = block_bucket(j->blocks, j->block_buckets, digest);
    for (uint32_t i = 0; i < JUSTIFY_WAYS; i++)
        if (bucket[i].used && justify_same(bucket[i].at.digest, digest))
            return &bucket[i];
    return NULL;
}

/* A free entry, else the one of the lowest view. */
static struct justify_block *block_place(struct justify_block *bucket)
{
    struct justify_block *found = &bucket[0];
    for (uint32_t i = 0; i < JUSTIFY_WAYS && found->used; i++)
        if (!bucket[i].used || bucket[i].at.view < found->at.view)
            found = &bucket[i];
    return found;
}

/* Twice the buckets: what shared one only moves apart. False: there are enough of them, or no memory is left. */
static bool blocks_grow(struct tc_justifier *j)
{
    const uint32_t buckets = 2 * j->block_buckets;
    struct justify_block *grown =
        buckets <= JUSTIFY_BUCKETS ? calloc((size_t)buckets * JUSTIFY_WAYS, sizeof *grown) : NULL;
    if (!grown)
        return false;
    for (size_t i = 0; i < (size_t)j->block_buckets * JUSTIFY_WAYS; i++)
        if (j->blocks[i].used)
            *block_place(block_bucket(grown, buckets, j->blocks[i].at.digest)) = j->blocks[i];
    free(j->blocks);
    j->blocks = grown;
    j->block_buckets = buckets;
    return true;
}

struct justify_block *tc_hotstuff_justify_block_put(struct tc_justifier *j, const struct justify_point *at)
{
    struct justify_block *found = tc_hotstuff_justify_block(j, at->digest);
    if (found)
        return found;
    do
        found = block_place(block_bucket(j->blocks, j->block_buckets, at->digest));
    while (found->used && blocks_grow(j));
    if (found->used && found->at.view > j->blocks_gone)
        j->blocks_gone = found->at.view;
    *found = (struct justify_block){.used = true, .at = *at};
    return found;
}

/* ---- ballots ---- */

static struct justify_ballot *ballot_at(const struct tc_justifier *j, uint8_t *ballots, uint64_t index)
{
    return (struct justify_ballot *)(void *)(ballots + index * j->ballot_size);
}

static bool is_ballot(const struct justify_ballot *ballot, uint32_t type, const struct justify_point *at)
{
    return ballot->used && ballot->type == type && ballot->at.view == at->view && ballot->at.sequence == at->sequence &&
           justify_same(ballot->at.digest, at->digest);
}

/* Index of the first entry of its bucket. */
static uint64_t ballot_bucket(uint32_t buckets, uint32_t type, const struct justify_point *at)
{
    return (hash_of(tc_random_mix(type, at->view), at->digest) & (buckets - 1)) * JUSTIFY_WAYS;
}

static struct justify_ballot *ballot_place(const struct tc_justifier *j, uint8_t *ballots, uint64_t first)
{
    struct justify_ballot *found = ballot_at(j, ballots, first);
    for (uint32_t i = 0; i < JUSTIFY_WAYS && found->used; i++) {
        struct justify_ballot *other = ballot_at(j, ballots, first + i);
        if (!other->used || other->at.view < found->at.view)
            found = other;
    }
    return found;
}

static bool ballots_grow(struct tc_justifier *j)
{
    const uint32_t buckets = 2 * j->ballot_buckets;
    uint8_t *grown = buckets <= JUSTIFY_BUCKETS ? calloc((size_t)buckets * JUSTIFY_WAYS, j->ballot_size) : NULL;
    if (!grown)
        return false;
    for (size_t i = 0; i < (size_t)j->ballot_buckets * JUSTIFY_WAYS; i++) {
        const struct justify_ballot *old = ballot_at(j, j->ballots, i);
        if (old->used)
            memcpy(ballot_place(j, grown, ballot_bucket(buckets, old->type, &old->at)), old, j->ballot_size);
    }
    free(j->ballots);
    j->ballots = grown;
    j->ballot_buckets = buckets;
    return true;
}

struct justify_ballot *tc_hotstuff_justify_ballot(struct tc_justifier *j, uint32_t type, const struct justify_point *at,
                                                  bool make)
{
    const uint64_t first = ballot_bucket(j->ballot_buckets, type, at);
    struct justify_ballot *found;
    for (uint32_t i = 0; i < JUSTIFY_WAYS; i++)
        if (is_ballot(ballot_at(j, j->ballots, first + i), type, at))
            return ballot_at(j, j->ballots, first + i);
    if (!make)
        return NULL;
    do
        found = ballot_place(j, j->ballots, ballot_bucket(j->ballot_buckets, type, at));
    while (found->used && ballots_grow(j));
    if (found->used && found->at.view > j->ballots_gone)
        j->ballots_gone = found->at.view;
    memset(found, 0, j->ballot_size);
    found->used = true;
    found->type = type;
    found->at = *at;
    return found;
}

int tc_hotstuff_justify_extends(struct tc_justifier *j, const uint8_t *digest, const struct justify_point *ancestor)
{
    for (uint32_t i = 0; i < JUSTIFY_DEPTH; i++) {
        if (justify_same(digest, ancestor->digest))
            return 1;
        const struct justify_block *block = tc_hotstuff_justify_block(j, digest);
        if (!block)
            return -1;
        if (block->at.sequence <= ancestor->sequence)
            return 0;
        digest = block->parent;
    }
    return -1;
}
