/* Execution, in the order of sequence numbers, each once (OSDI'99 §4.2, last paragraphs). */
#include "replica_internal.h"

#include <string.h>

static void observe_execution(struct pbft *r, const struct slot *slot, const struct tc_operation *operations,
                              uint32_t count)
{
    struct tc_observation observation = {.kind = TC_OBS_EXECUTED, .peer = TC_NODE_NONE};
    observation.executed.view = slot->decided_view;
    observation.executed.sequence = slot->sequence;
    observation.executed.value.state = tc_pbft_is_null(slot->decided_digest) ? TC_VALUE_NIL : TC_VALUE_BYTES;
    memcpy(observation.executed.value.bytes, slot->decided_digest, TC_VALUE_SIZE);
    observation.executed.state.state = TC_VALUE_BYTES;
    tc_store_digest(r->base.store, observation.executed.state.bytes);
    observation.executed.origin = r->base.replaying ? TC_EXEC_REPLAYED : TC_EXEC_EXECUTED;
    observation.executed.operations = operations;
    observation.executed.operation_count = count;
    tc_replica_observe(&r->base, &observation);
}

/* How many operations were new; fills what the log line says of each, and the replies. These are made at once because
 * a client may have two requests in the batch and the table keeps one result. */
static uint32_t run_batch(struct pbft *r, const struct batch *batch, struct tc_operation *operations,
                          struct tc_slice *replies)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct request *request = batch->requests[i];
        struct tc_operation *operation = &operations[i];
        operation->client = request->client;
        operation->timestamp = request->timestamp;
        memcpy(operation->digest, request->digest, TC_VALUE_SIZE);
        int rc = tc_store_execute(r->base.store, request->client, request->timestamp, request->operation,
                                  &r->base.arena, &operation->fresh);
        if (rc == TC_EMEMORY)
            r->base.out_of_memory = true;
        fresh += operation->fresh;
        if (operation->fresh)
            replies[i] = tc_replica_reply(&r->base, request->client);
    }
    return fresh;
}

static void execute_slot(struct pbft *r, struct slot *slot)
{
    const struct batch *batch = tc_pbft_slot_batch(slot, slot->decided_digest);
    uint32_t count = batch ? batch->count : 0, fresh = 0;
    struct tc_operation *operations = tc_replica_scratch(&r->base, count * sizeof *operations);
    struct tc_slice *replies = tc_replica_scratch(&r->base, count * sizeof *replies);
    if (!operations || !replies)
        return;
    if (batch)
        fresh = run_batch(r, batch, operations, replies);
    slot->executed = true;
    r->executed = slot->sequence;
    r->base.progressed = true;
    if (fresh > 0 && r->base.active && slot->decided_view == r->base.view)
        r->base.failed_views = 0;
    observe_execution(r, slot, operations, count);
    for (uint32_t i = 0; i < count; i++) {
        tc_replica_send(&r->base, operations[i].client, replies[i]);
        tc_pbft_pending_prune(r, operations[i].client);
    }
    if (slot->sequence % r->base.interval == 0)
        tc_pbft_take_checkpoint(r);
}

void tc_pbft_execute(struct pbft *r)
{
    while (!r->base.out_of_memory) {
        struct slot *slot = tc_pbft_slot_find(r, r->executed + 1);
        if (!slot || !slot->decided || !tc_pbft_slot_has(slot, slot->decided_digest))
            return;
        execute_slot(r, slot);
    }
}
