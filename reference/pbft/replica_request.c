/* Requests: what waits to be executed, what the primary proposes of it, and what backups pass on (OSDI'99 §4.1). */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

struct pending *tc_pbft_pending_find(const struct pbft *r, uint16_t client, uint64_t timestamp)
{
    return (struct pending *)tc_pending_find(&r->base.pending, client, timestamp);
}

static struct pending *first(const struct pbft *r)
{
    return (struct pending *)r->base.pending.first;
}

static struct pending *next(const struct pending *pending)
{
    return (struct pending *)pending->link.next;
}

static struct pending *pending_add(struct pbft *r, struct request *request)
{
    struct pending *pending = tc_replica_alloc(&r->base, sizeof *pending);
    if (!pending)
        return NULL;
    request->references++;
    pending->request = request;
    pending->link.client = request->client;
    pending->link.timestamp = request->timestamp;
    tc_pending_append(&r->base.pending, &pending->link);
    return pending;
}

static void pending_remove(struct pbft *r, struct pending *pending)
{
    tc_pending_remove(&r->base.pending, &pending->link);
    tc_pbft_request_drop(pending->request);
    free(pending);
}

void tc_pbft_pending_prune(struct pbft *r, uint16_t client)
{
    for (struct pending *pending = first(r), *following; pending; pending = following) {
        following = next(pending);
        const struct tc_pending *link = &pending->link;
        if ((client == TC_NODE_NONE || link->client == client) &&
            link->timestamp <= tc_store_last(r->base.store, link->client))
            pending_remove(r, pending);
    }
}

void tc_pbft_pending_free(struct pbft *r)
{
    while (first(r))
        pending_remove(r, first(r));
}

void tc_pbft_pending_note_batch(struct pbft *r, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct request *request = batch->requests[i];
        if (request->timestamp <= tc_store_last(r->base.store, request->client))
            continue;
        struct pending *pending = tc_pbft_pending_find(r, request->client, request->timestamp);
        if (!pending && tc_pending_has_room(&r->base.pending, request->client))
            pending = pending_add(r, request);
        if (pending)
            pending->proposed = true;
    }
}

static void forward(struct pbft *r, const struct request *request)
{
    if (r->base.active && !tc_pbft_is_primary(r))
        tc_replica_send(&r->base, tc_replica_leader(&r->base, r->base.view),
                        tc_replica_frame(&r->base, &request->envelope));
}

void tc_pbft_pending_new_view(struct pbft *r)
{
    for (struct pending *pending = first(r); pending; pending = next(pending))
        pending->proposed = false;
}

void tc_pbft_pending_forward(struct pbft *r)
{
    uint32_t count = 0;
    for (struct pending *pending = first(r); pending && count < TC_FORWARD_MAX; pending = next(pending)) {
        if (pending->proposed)
            continue;
        forward(r, pending->request);
        count++;
    }
}

/* A request that waits already comes again: its client sees no answer, so perhaps the primary never got it. */
static void take_request(struct pbft *r, struct request *request)
{
    uint64_t last = tc_store_last(r->base.store, request->client);
    if (request->timestamp == last)
        tc_replica_send_reply(&r->base, request->client);
    if (request->timestamp <= last)
        return;
    const struct pending *known = tc_pbft_pending_find(r, request->client, request->timestamp);
    if (known && known->proposed)
        return;
    if (!known && !tc_pending_has_room(&r->base.pending, request->client)) {
        tc_replica_complain(&r->base, r->base.from, "more than %d requests of client %u wait", TC_PENDING_CLIENT_MAX,
                            (unsigned)request->client);
        return;
    }
    if (!known && !pending_add(r, request))
        return;
    forward(r, request);
}

void tc_pbft_on_request(struct pbft *r, const Wire__Envelope *envelope)
{
    struct request *request = tc_pbft_request_from(r, envelope);
    if (!request) {
        tc_replica_complain(&r->base, r->base.from, "malformed request");
        return;
    }
    if (tc_replica_authentic(&r->base, &request->envelope))
        take_request(r, request);
    else
        tc_replica_complain(&r->base, r->base.from, "bad signature on request");
    tc_pbft_request_drop(request);
}

static uint32_t gather(struct pbft *r, struct request **requests)
{
    uint32_t count = 0;
    size_t bytes = 0;
    for (struct pending *pending = first(r); pending && count < r->base.batch_max; pending = next(pending)) {
        if (pending->proposed)
            continue;
        if (count > 0 && bytes + pending->request->packed_size > TC_WIRE_BATCH_BYTES)
            break;
        bytes += pending->request->packed_size;
        requests[count++] = pending->request;
    }
    return count;
}

static void propose_batch(struct pbft *r, struct batch *batch)
{
    Pbft__PrePrepare body = PBFT__PRE_PREPARE__INIT;
    Wire__Envelope envelope;
    struct signed_text text;
    body.view = r->base.view;
    body.sequence = r->next;
    body.digest = tc_wire_binary((struct tc_slice){batch->digest, TC_VALUE_SIZE});
    struct slot *slot = tc_pbft_slot(r, r->next);
    if (!slot || !tc_replica_envelope(&r->base, PBFT__TYPE__PRE_PREPARE, &body.base, 0, &envelope) ||
        !tc_pbft_text_from(&text, &envelope))
        return;
    tc_pbft_slot_add_batch(slot, batch);
    tc_pbft_batch_attach(r, batch, &envelope);
    r->next++;
    tc_replica_broadcast(&r->base, tc_replica_frame(&r->base, &envelope));
    tc_pbft_accept(r, slot, batch->digest, &text, true);
}

static bool may_propose(const struct pbft *r)
{
    if (!r->base.active || !r->base.started || r->base.out_of_memory || !tc_pbft_is_primary(r))
        return false;
    return tc_pbft_in_window(r, r->next) && r->next > r->executed && r->next - 1 - r->executed < r->pipeline_max;
}

void tc_pbft_propose(struct pbft *r)
{
    struct request *requests[TC_WIRE_BATCH_MAX];
    if (r->next <= r->executed)
        r->next = r->executed + 1;
    while (may_propose(r)) {
        uint32_t count = gather(r, requests);
        struct batch *batch = count > 0 ? tc_pbft_batch_new(r, requests, count) : NULL;
        if (!batch)
            return;
        tc_pbft_pending_note_batch(r, batch);
        uint64_t before = r->next;
        propose_batch(r, batch);
        tc_pbft_batch_drop(batch);
        if (r->next == before)
            return;
    }
}
