/* The tree of blocks that are not executed yet, and the last executed ones for those that lag. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

static struct block **bucket(const struct hotstuff *r, const uint8_t *digest)
{
    uint32_t at = (uint32_t)digest[0] | (uint32_t)digest[1] << 8 | (uint32_t)digest[2] << 16;
    return &r->buckets[at % r->bucket_count];
}

struct block *tc_hotstuff_block_find(const struct hotstuff *r, const uint8_t *digest)
{
    for (struct block *block = *bucket(r, digest); block; block = block->next)
        if (tc_digest_same(block->at.digest, digest))
            return block;
    return NULL;
}

static void block_free(struct block *block)
{
    free(block->ids);
    free(block->packed);
    free(block);
}

/* The block as it is kept, sent and recorded: an unsigned envelope, for the digest says all. */
static bool pack(struct hotstuff *r, struct block *block, const Wire__Envelope *envelope)
{
    Hotstuff__Block body = HOTSTUFF__BLOCK__INIT;
    Wire__Envelope kept = WIRE__ENVELOPE__INIT;
    body.view = block->at.view;
    body.sequence = block->at.sequence;
    body.parent = tc_wire_binary((struct tc_slice){block->parent, TC_VALUE_SIZE});
    kept.type = HOTSTUFF__TYPE__BLOCK;
    kept.sender = r->base.id;
    kept.requests = envelope->requests;
    kept.n_requests = envelope->n_requests;
    return tc_wire_set_body(&kept, &body.base, &r->base.arena) == 0 &&
           tc_replica_keep_packed(&r->base, &kept, &block->packed, &block->packed_len);
}

struct block *tc_hotstuff_block_add(struct hotstuff *r, const struct point *at, const uint8_t *parent,
                                    const Wire__Envelope *envelope)
{
    uint8_t digest[TC_VALUE_SIZE];
    struct tc_slice operation;
    struct block *block = tc_hotstuff_block_find(r, at->digest);
    if (block)
        return block;
    block = tc_replica_alloc(&r->base, sizeof *block);
    if (!block)
        return NULL;
    block->at = *at;
    memcpy(block->parent, parent, TC_VALUE_SIZE);
    block->count = (uint32_t)envelope->n_requests;
    block->ids = tc_replica_alloc(&r->base, block->count * sizeof *block->ids);
    bool good = block->ids && pack(r, block, envelope);
    for (uint32_t i = 0; good && i < block->count; i++)
        good = tc_hotstuff_request_read(r, envelope->requests[i], &block->ids[i], digest, &operation);
    if (!good) {
        block_free(block);
        return NULL;
    }
    struct block **head = bucket(r, at->digest);
    block->next = *head;
    *head = block;
    r->open_count++;
    r->block_count++;
    tc_hotstuff_record_block(r, block);
    if (r->open_count > BLOCKS_OPEN_MAX + r->base.window) {
        block->keep = true;
        tc_hotstuff_blocks_prune(r);
    }
    return block;
}

Wire__Envelope *tc_hotstuff_block_envelope(struct hotstuff *r, const struct block *block)
{
    return tc_replica_read_packed(&r->base, (struct tc_slice){block->packed, block->packed_len});
}

bool tc_hotstuff_extends(const struct hotstuff *r, const uint8_t *digest, const struct point *ancestor)
{
    while (!tc_digest_same(digest, ancestor->digest)) {
        const struct block *block = tc_hotstuff_block_find(r, digest);
        if (!block || block->at.sequence <= ancestor->sequence)
            return false;
        digest = block->parent;
    }
    return true;
}

static void mark_way(struct hotstuff *r, const uint8_t *digest)
{
    struct block *block = tc_hotstuff_block_find(r, digest);
    while (block && !block->keep && block->at.sequence > r->executed.sequence) {
        block->keep = true;
        block = tc_hotstuff_block_find(r, block->parent);
    }
}

/* Executed blocks stay for `window` heights. Above the executed height everything stays while it is little; when it is
 * much (leaders that fail one after another), only what certificates and our votes point to. */
static bool stays(const struct hotstuff *r, const struct block *block, bool crowded)
{
    if (block->at.sequence <= r->executed.sequence)
        return block->at.sequence + r->base.window > r->executed.sequence && block->keep;
    return !crowded || block->keep;
}

void tc_hotstuff_blocks_prune(struct hotstuff *r)
{
    const bool crowded = r->open_count > BLOCKS_OPEN_MAX + r->base.window;
    mark_way(r, r->high.at.digest);
    mark_way(r, r->locked.digest);
    mark_way(r, r->voted.digest);
    mark_way(r, r->target.digest);
    struct block *executed = tc_hotstuff_block_find(r, r->executed.digest);
    while (executed && executed->at.sequence + r->base.window > r->executed.sequence) {
        executed->keep = true;
        executed = tc_hotstuff_block_find(r, executed->parent);
    }
    r->open_count = 0;
    uint32_t left = r->block_count;
    for (uint32_t i = 0; i < r->bucket_count && left > 0; i++) {
        for (struct block **at = &r->buckets[i]; *at; left--) {
            struct block *block = *at;
            if (stays(r, block, crowded)) {
                block->keep = false;
                r->open_count++;
                at = &block->next;
            } else {
                *at = block->next;
                r->block_count--;
                block_free(block);
            }
        }
    }
}

void tc_hotstuff_blocks_free(struct hotstuff *r)
{
    for (uint32_t i = 0; r->block_count > 0; i++)
        while (r->buckets[i]) {
            struct block *block = r->buckets[i];
            r->buckets[i] = block->next;
            r->block_count--;
            block_free(block);
        }
    free(r->buckets);
}
