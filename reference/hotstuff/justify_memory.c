/* The two tables of the justifier. */
#include "../../proxy/random.h"
#include "justify_parts.h"
#include <string.h>

static uint64_t hash_of(uint64_t seed, const uint8_t *digest)
{
    return tc_random_fold_bytes(seed, (struct tc_slice){digest, TC_VALUE_SIZE}) & (JUSTIFY_BUCKETS - 1);
}

struct justify_block *tc_hotstuff_justify_block(struct tc_justifier *j, const uint8_t *digest)
{
    struct justify_block *bucket = &j->blocks[hash_of(1, digest) * JUSTIFY_WAYS];
    for (uint32_t i = 0; i < JUSTIFY_WAYS; i++)
        if (bucket[i].used && justify_same(bucket[i].at.digest, digest))
            return &bucket[i];
    return NULL;
}

struct justify_block *tc_hotstuff_justify_block_put(struct tc_justifier *j, const struct justify_point *at)
{
    struct justify_block *found = tc_hotstuff_justify_block(j, at->digest);
    if (found)
        return found;
    struct justify_block *bucket = &j->blocks[hash_of(1, at->digest) * JUSTIFY_WAYS];
    found = &bucket[0];
    for (uint32_t i = 0; i < JUSTIFY_WAYS && found->used; i++)
        if (!bucket[i].used || bucket[i].at.view < found->at.view)
            found = &bucket[i];
    if (found->used && found->at.view > j->blocks_gone)
        j->blocks_gone = found->at.view;
    *found = (struct justify_block){.used = true, .at = *at};
    return found;
}

static struct justify_ballot *ballot_at(struct tc_justifier *j, uint64_t index)
{
    return (struct justify_ballot *)(void *)(j->ballots + index * j->ballot_size);
}

static bool is_ballot(const struct justify_ballot *ballot, uint32_t type, const struct justify_point *at)
{
    return ballot->used && ballot->type == type && ballot->at.view == at->view && ballot->at.sequence == at->sequence &&
           justify_same(ballot->at.digest, at->digest);
}

struct justify_ballot *tc_hotstuff_justify_ballot(struct tc_justifier *j, uint32_t type, const struct justify_point *at,
                                                  bool make)
{
    const uint64_t first = hash_of(tc_random_mix(type, at->view), at->digest) * JUSTIFY_WAYS;
    struct justify_ballot *found = ballot_at(j, first);
    for (uint32_t i = 0; i < JUSTIFY_WAYS; i++)
        if (is_ballot(ballot_at(j, first + i), type, at))
            return ballot_at(j, first + i);
    if (!make)
        return NULL;
    for (uint32_t i = 0; i < JUSTIFY_WAYS && found->used; i++) {
        struct justify_ballot *other = ballot_at(j, first + i);
        if (!other->used || other->at.view < found->at.view)
            found = other;
    }
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
