/* Execution of committed blocks, in the order of their heights, each once. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

#define PRUNE_EVERY 16 /* heights, or the checkpoints if they are more frequent */

void tc_hotstuff_observe_stable(struct hotstuff *r)
{
    uint8_t digest[TC_VALUE_SIZE];
    tc_digest((struct tc_slice){r->snapshot, r->snapshot_len}, digest);
    tc_replica_observe_stable(&r->base, r->stable.sequence, digest);
}

static void observe_execution(struct hotstuff *r, const struct block *block, const struct tc_operation *operations)
{
    struct tc_observation observation = {.kind = TC_OBS_EXECUTED, .peer = TC_NODE_NONE};
    observation.executed.view = block->at.view;
    observation.executed.sequence = block->at.sequence;
    observation.executed.value.state = TC_VALUE_BYTES;
    memcpy(observation.executed.value.bytes, block->at.digest, TC_VALUE_SIZE);
    observation.executed.state.state = TC_VALUE_BYTES;
    tc_store_digest(r->base.store, observation.executed.state.bytes);
    observation.executed.origin = r->base.replaying ? TC_EXEC_REPLAYED : TC_EXEC_EXECUTED;
    observation.executed.operations = operations;
    observation.executed.operation_count = block->count;
    tc_replica_observe(&r->base, &observation);
}

static bool run(struct hotstuff *r, const Wire__Envelope *envelope, struct tc_operation *operation,
                struct tc_slice *reply)
{
    struct request_id id;
    struct tc_slice bytes;
    if (!tc_hotstuff_request_read(r, envelope, &id, operation->digest, &bytes))
        return false; /* checked when the block came */
    operation->client = id.client;
    operation->timestamp = id.timestamp;
    if (tc_store_execute(r->base.store, id.client, id.timestamp, bytes, &r->base.arena, &operation->fresh) ==
        TC_EMEMORY)
        r->base.out_of_memory = true;
    if (operation->fresh)
        *reply = tc_replica_reply(&r->base, id.client);
    return true;
}

/* The packed snapshot of the present state becomes the stable one. */
static void take_snapshot(struct hotstuff *r)
{
    uint8_t *bytes;
    size_t len;
    if (tc_store_save(r->base.store, r->executed.sequence, &bytes, &len) != 0) {
        r->base.out_of_memory = true;
        return;
    }
    free(r->snapshot);
    r->snapshot = bytes;
    r->snapshot_len = len;
    r->stable = r->executed;
    tc_hotstuff_record_snapshot(r);
    tc_hotstuff_observe_stable(r);
}

static void execute_block(struct hotstuff *r, const struct block *block)
{
    const Wire__Envelope *envelope = tc_hotstuff_block_envelope(r, block);
    struct tc_operation *operations = tc_replica_scratch(&r->base, block->count * sizeof *operations);
    struct tc_slice *replies = tc_replica_scratch(&r->base, block->count * sizeof *replies);
    if (!envelope || !operations || !replies)
        return;
    r->executed = block->at;
    r->dirty = true;
    r->wants = false; /* what was missing may be behind us now; whoever still needs it asks again */
    if (r->locked.view < r->executed.view) /* whatever is to come extends what is committed */
        r->locked = r->executed;
    for (uint32_t i = 0; i < block->count; i++) {
        if (!run(r, envelope->requests[i], &operations[i], &replies[i]))
            continue;
        if (operations[i].fresh)
            r->base.failed_views = 0;
    }
    observe_execution(r, block, operations);
    for (uint32_t i = 0; i < block->count; i++)
        tc_replica_send(&r->base, operations[i].client, replies[i]);
    if (block->count > 0)
        tc_hotstuff_pending_prune(r);
    if (block->at.sequence % r->base.interval == 0 && !r->base.replaying)
        take_snapshot(r);
}

/* The way from the target down to the executed block, lowest first; NULL if a block is missing (it is asked for), or
 * if the way leads past the executed block: then more than f replicas lied, and we stop rather than follow. */
static struct block **way(struct hotstuff *r, uint64_t count)
{
    struct block **blocks = tc_replica_scratch(&r->base, count * sizeof(struct block *));
    const uint8_t *digest = r->target.digest;
    if (!blocks)
        return NULL;
    for (uint64_t i = count; i > 0; i--) {
        struct block *block = tc_hotstuff_block_find(r, digest);
        if (!block) {
            tc_hotstuff_want(r, digest);
            return NULL;
        }
        blocks[i - 1] = block;
        digest = block->parent;
    }
    if (tc_digest_same(digest, r->executed.digest))
        return blocks;
    tc_replica_complain(&r->base, r->base.id, "a committed block does not extend the executed one");
    r->target = r->executed;
    return NULL;
}

void tc_hotstuff_execute(struct hotstuff *r)
{
    if (r->target.sequence <= r->executed.sequence || r->base.out_of_memory)
        return;
    const uint64_t count = r->target.sequence - r->executed.sequence;
    if (count > (uint64_t)UINT32_MAX)
        return;
    const uint8_t *digest = r->target.digest;
    /* Far behind: the first missing block is asked for without making room for the whole way. */
    if (!tc_hotstuff_block_find(r, digest)) {
        tc_hotstuff_want(r, digest);
        return;
    }
    struct block **blocks = way(r, count);
    for (uint64_t i = 0; blocks && i < count && !r->base.out_of_memory; i++)
        execute_block(r, blocks[i]);
    const uint32_t every = r->base.interval < PRUNE_EVERY ? r->base.interval : PRUNE_EVERY;
    if (blocks && !r->base.replaying && r->executed.sequence % every < count)
        tc_hotstuff_blocks_prune(r);
}

void tc_hotstuff_commit(struct hotstuff *r, const struct point *at)
{
    if (at->sequence > r->target.sequence)
        r->target = *at;
    tc_hotstuff_execute(r);
}
