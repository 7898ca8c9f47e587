/* Requests: what waits to be executed, what the primary proposes of it, and what backups pass on (OSDI'99 §4.1). */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

#define FORWARD_MAX 64

struct pending *tc_pbft_pending_find(const struct pbft *r, uint16_t client, uint64_t timestamp)
{
    if (client >= TC_NODES_MAX || r->pending_of_client[client] == 0)
        return NULL;
    for (struct pending *pending = r->pending_first; pending; pending = pending->next)
        if (pending->request->client == client && pending->request->timestamp == timestamp)
            return pending;
    return NULL;
}

static struct pending *pending_add(struct pbft *r, struct request *request)
{
    struct pending *pending = tc_pbft_alloc(r, sizeof *pending);
    if (!pending)
        return NULL;
    request->references++;
    pending->request = request;
    pending->previous = r->pending_last;
    if (r->pending_last)
        r->pending_last->next = pending;
    else
        r->pending_first = pending;
    r->pending_last = pending;
    r->pending_of_client[request->client]++;
    r->pending_count++;
    return pending;
}

static void pending_remove(struct pbft *r, struct pending *pending)
{
    if (pending->previous)
        pending->previous->next = pending->next;
    else
        r->pending_first = pending->next;
    if (pending->next)
        pending->next->previous = pending->previous;
    else
        r->pending_last = pending->previous;
    r->pending_of_client[pending->request->client]--;
    r->pending_count--;
    tc_pbft_request_drop(pending->request);
    free(pending);
}

void tc_pbft_pending_prune(struct pbft *r, uint16_t client)
{
    for (struct pending *pending = r->pending_first; pending;) {
        struct pending *next = pending->next;
        const struct request *request = pending->request;
        if ((client == TC_NODE_NONE || request->client == client) &&
            request->timestamp <= tc_pbft_store_last(r->store, request->client))
            pending_remove(r, pending);
        pending = next;
    }
}

void tc_pbft_pending_free(struct pbft *r)
{
    while (r->pending_first)
        pending_remove(r, r->pending_first);
}

void tc_pbft_pending_note_batch(struct pbft *r, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct request *request = batch->requests[i];
        if (request->timestamp <= tc_pbft_store_last(r->store, request->client))
            continue;
        struct pending *pending = tc_pbft_pending_find(r, request->client, request->timestamp);
        if (!pending && r->pending_of_client[request->client] < PENDING_CLIENT_MAX)
            pending = pending_add(r, request);
        if (pending)
            pending->proposed = true;
    }
}

static void forward(struct pbft *r, const struct request *request)
{
    if (r->active && !tc_pbft_is_primary(r))
        tc_pbft_send(r, tc_pbft_primary(r, r->view), tc_pbft_frame_of(r, &request->envelope));
}

void tc_pbft_pending_new_view(struct pbft *r)
{
    for (struct pending *pending = r->pending_first; pending; pending = pending->next)
        pending->proposed = false;
}

void tc_pbft_pending_forward(struct pbft *r)
{
    uint32_t count = 0;
    for (struct pending *pending = r->pending_first; pending && count < FORWARD_MAX; pending = pending->next) {
        if (pending->proposed)
            continue;
        forward(r, pending->request);
        count++;
    }
}

/* A request that waits already comes again: its client sees no answer, so perhaps the primary never got it. */
static void take_request(struct pbft *r, struct request *request)
{
    uint64_t last = tc_pbft_store_last(r->store, request->client);
    if (request->timestamp == last)
        tc_pbft_send_reply(r, request->client);
    if (request->timestamp <= last)
        return;
    const struct pending *known = tc_pbft_pending_find(r, request->client, request->timestamp);
    if (known && known->proposed)
        return;
    if (!known && r->pending_of_client[request->client] >= PENDING_CLIENT_MAX) {
        tc_pbft_complain(r, r->from, "more than %d requests of client %u wait", PENDING_CLIENT_MAX,
                         (unsigned)request->client);
        return;
    }
    if (!known && !pending_add(r, request))
        return;
    forward(r, request);
}

void tc_pbft_on_request(struct pbft *r, const Pbft__Envelope *envelope)
{
    struct request *request = tc_pbft_request_from(r, envelope);
    if (!request) {
        tc_pbft_complain(r, r->from, "malformed request");
        return;
    }
    if (tc_pbft_authentic(r, &request->envelope))
        take_request(r, request);
    else
        tc_pbft_complain(r, r->from, "bad signature on request");
    tc_pbft_request_drop(request);
}

static uint32_t gather(struct pbft *r, struct request **requests)
{
    uint32_t count = 0;
    size_t bytes = 0;
    for (struct pending *pending = r->pending_first; pending && count < r->batch_max; pending = pending->next) {
        if (pending->proposed)
            continue;
        if (count > 0 && bytes + pending->request->packed_size > TC_PBFT_BATCH_BYTES)
            break;
        bytes += pending->request->packed_size;
        requests[count++] = pending->request;
    }
    return count;
}

static void propose_batch(struct pbft *r, struct batch *batch)
{
    Pbft__PrePrepare body = PBFT__PRE_PREPARE__INIT;
    Pbft__Envelope envelope;
    struct signed_text text;
    body.view = r->view;
    body.sequence = r->next;
    body.digest = tc_pbft_binary((struct tc_slice){batch->digest, TC_VALUE_SIZE});
    struct slot *slot = tc_pbft_slot(r, r->next);
    if (!slot || !tc_pbft_envelope(r, PBFT__TYPE__PRE_PREPARE, &body.base, 0, &envelope) ||
        !tc_pbft_text_from(&text, &envelope))
        return;
    tc_pbft_slot_add_batch(slot, batch);
    tc_pbft_batch_attach(r, batch, &envelope);
    r->next++;
    tc_pbft_broadcast(r, tc_pbft_frame_of(r, &envelope));
    tc_pbft_accept(r, slot, batch->digest, &text, true);
}

static bool may_propose(const struct pbft *r)
{
    if (!r->active || !r->started || r->out_of_memory || !tc_pbft_is_primary(r))
        return false;
    return tc_pbft_in_window(r, r->next) && r->next > r->executed && r->next - 1 - r->executed < r->pipeline_max;
}

void tc_pbft_propose(struct pbft *r)
{
    struct request *requests[TC_PBFT_BATCH_MAX];
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
