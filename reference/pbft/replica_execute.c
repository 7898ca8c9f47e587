/* Execution, in the order of sequence numbers, each once (OSDI'99 §4.2, last paragraphs). */
#include "replica_internal.h"

#include <string.h>

static struct tc_slice reply_frame(struct pbft *r, uint16_t client)
{
    Pbft__Reply body = PBFT__REPLY__INIT;
    body.view = r->view;
    body.timestamp = tc_pbft_store_last(r->store, client);
    body.client = client;
    body.result = tc_pbft_binary(tc_pbft_store_reply(r->store, client));
    return tc_pbft_message(r, PBFT__TYPE__REPLY, &body.base, client);
}

void tc_pbft_send_reply(struct pbft *r, uint16_t client)
{
    tc_pbft_send(r, client, reply_frame(r, client));
}

static void observe_execution(struct pbft *r, const struct slot *slot, const struct tc_operation *operations,
                              uint32_t count)
{
    struct tc_observation observation = {.kind = TC_OBS_EXECUTED, .peer = TC_NODE_NONE};
    observation.executed.view = slot->decided_view;
    observation.executed.sequence = slot->sequence;
    observation.executed.value.state = tc_pbft_is_null(slot->decided_digest) ? TC_VALUE_NIL : TC_VALUE_BYTES;
    memcpy(observation.executed.value.bytes, slot->decided_digest, TC_VALUE_SIZE);
    observation.executed.state.state = TC_VALUE_BYTES;
    tc_pbft_store_digest(r->store, observation.executed.state.bytes);
    observation.executed.origin = r->replaying ? TC_EXEC_REPLAYED : TC_EXEC_EXECUTED;
    observation.executed.operations = operations;
    observation.executed.operation_count = count;
    tc_pbft_observe(r, &observation);
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
        int rc = tc_pbft_store_execute(r->store, request->client, request->timestamp, request->operation, &r->arena,
                                       &operation->fresh);
        if (rc == TC_EMEMORY)
            r->out_of_memory = true;
        fresh += operation->fresh;
        if (operation->fresh)
            replies[i] = reply_frame(r, request->client);
    }
    return fresh;
}

static void execute_slot(struct pbft *r, struct slot *slot)
{
    const struct batch *batch = tc_pbft_slot_batch(slot, slot->decided_digest);
    uint32_t count = batch ? batch->count : 0, fresh = 0;
    struct tc_operation *operations = tc_pbft_scratch(r, count * sizeof *operations);
    struct tc_slice *replies = tc_pbft_scratch(r, count * sizeof *replies);
    if (!operations || !replies)
        return;
    if (batch)
        fresh = run_batch(r, batch, operations, replies);
    slot->executed = true;
    r->executed = slot->sequence;
    r->progressed = true;
    if (fresh > 0 && r->active && slot->decided_view == r->view)
        r->failed_views = 0;
    observe_execution(r, slot, operations, count);
    for (uint32_t i = 0; i < count; i++) {
        tc_pbft_send(r, operations[i].client, replies[i]);
        tc_pbft_pending_prune(r, operations[i].client);
    }
    if (slot->sequence % r->interval == 0)
        tc_pbft_take_checkpoint(r);
}

void tc_pbft_execute(struct pbft *r)
{
    while (!r->out_of_memory) {
        struct slot *slot = tc_pbft_slot_find(r, r->executed + 1);
        if (!slot || !slot->decided || !tc_pbft_slot_has(slot, slot->decided_digest))
            return;
        execute_slot(r, slot);
    }
}
