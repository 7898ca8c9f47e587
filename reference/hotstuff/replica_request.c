/* Requests: what waits to be executed, what a leader proposes of it, and what the others pass on. */
#include "../fields_alloc.h"
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

bool tc_hotstuff_request_read(struct hotstuff *r, const Pbft__Envelope *envelope, struct request_id *id,
                              uint8_t *digest, struct tc_slice *operation)
{
    void *base;
    if (envelope->type != PBFT__TYPE__REQUEST || envelope->sender < TC_CLIENT_FIRST ||
        envelope->sender - TC_CLIENT_FIRST >= r->cluster->client_count || envelope->n_requests > 0 ||
        envelope->body.len + envelope->signature.len + envelope->macs.len > TC_PBFT_REQUEST_MAX)
        return false;
    if (tc_pbft_get_body(envelope, &pbft__request__descriptor, &r->arena, &base) != 0)
        return false;
    const Pbft__Request *body = base;
    if (body->timestamp == 0 || body->operation.len > TC_PBFT_OPERATION_MAX)
        return false;
    id->client = (uint16_t)envelope->sender;
    id->timestamp = body->timestamp;
    *operation = tc_pbft_slice(body->operation);
    tc_pbft_request_digest(id->client, id->timestamp, *operation, digest);
    return true;
}

static struct pending *pending_find(const struct hotstuff *r, const struct request_id *id)
{
    if (r->pending_of_client[id->client] == 0)
        return NULL;
    for (struct pending *pending = r->pending_first; pending; pending = pending->next)
        if (pending->client == id->client && pending->timestamp == id->timestamp)
            return pending;
    return NULL;
}

static struct pending *pending_add(struct hotstuff *r, const struct request_id *id, const uint8_t *digest,
                                   const Pbft__Envelope *envelope)
{
    struct pending *pending = tc_hotstuff_alloc(r, sizeof *pending);
    const size_t size = pbft__envelope__get_packed_size(envelope);
    uint8_t *packed = tc_hotstuff_alloc(r, size);
    if (!pending || !packed) {
        free(pending);
        free(packed);
        return NULL;
    }
    pending->client = id->client;
    pending->timestamp = id->timestamp;
    memcpy(pending->digest, digest, TC_VALUE_SIZE);
    pending->packed = packed;
    pending->packed_len = pbft__envelope__pack(envelope, packed);
    pending->previous = r->pending_last;
    if (r->pending_last)
        r->pending_last->next = pending;
    else
        r->pending_first = pending;
    r->pending_last = pending;
    r->pending_of_client[id->client]++;
    r->pending_count++;
    return pending;
}

static void pending_remove(struct hotstuff *r, struct pending *pending)
{
    if (pending->previous)
        pending->previous->next = pending->next;
    else
        r->pending_first = pending->next;
    if (pending->next)
        pending->next->previous = pending->previous;
    else
        r->pending_last = pending->previous;
    r->pending_of_client[pending->client]--;
    r->pending_count--;
    free(pending->packed);
    free(pending);
}

void tc_hotstuff_pending_prune(struct hotstuff *r)
{
    for (struct pending *pending = r->pending_first; pending;) {
        struct pending *next = pending->next;
        if (pending->timestamp <= tc_pbft_store_last(r->store, pending->client))
            pending_remove(r, pending);
        pending = next;
    }
}

void tc_hotstuff_pending_free(struct hotstuff *r)
{
    while (r->pending_first)
        pending_remove(r, r->pending_first);
}

static Pbft__Envelope *unpack(struct hotstuff *r, const struct pending *pending)
{
    ProtobufCMessage *base;
    const struct tc_slice packed = {pending->packed, pending->packed_len};
    if (tc_fields_unpack(&pbft__envelope__descriptor, packed, &r->arena, &base) != 0) {
        r->out_of_memory = true;
        return NULL;
    }
    return (Pbft__Envelope *)base;
}

/* To the leader that may still propose: of the present view, or where we voted in it, of the next one. It may have
 * passed when the request arrives, and then goes on from there. */
static void forward(struct hotstuff *r, const struct pending *pending)
{
    const bool voted = r->chained && r->voted.view == r->view;
    const uint16_t leader = tc_hotstuff_leader(r, voted ? r->view + 1 : r->view);
    const Pbft__Envelope *envelope = leader == r->id ? NULL : unpack(r, pending);
    if (envelope)
        tc_hotstuff_send(r, leader, tc_hotstuff_frame_of(r, envelope));
}

void tc_hotstuff_pending_forward(struct hotstuff *r)
{
    uint32_t count = 0;
    for (const struct pending *pending = r->pending_first; pending && count < FORWARD_MAX; pending = pending->next) {
        forward(r, pending);
        count++;
    }
}

void tc_hotstuff_on_request(struct hotstuff *r, const Pbft__Envelope *envelope)
{
    struct request_id id;
    struct tc_slice operation;
    uint8_t digest[TC_VALUE_SIZE];
    if (!tc_hotstuff_request_read(r, envelope, &id, digest, &operation)) {
        tc_hotstuff_complain(r, r->from, "malformed request");
        return;
    }
    if (!tc_hotstuff_authentic(r, envelope)) {
        tc_hotstuff_complain(r, r->from, "bad signature on request");
        return;
    }
    const uint64_t last = tc_pbft_store_last(r->store, id.client);
    if (id.timestamp == last)
        tc_hotstuff_send_reply(r, id.client);
    if (id.timestamp <= last)
        return;
    struct pending *known = pending_find(r, &id);
    if (!known && r->pending_of_client[id.client] >= PENDING_CLIENT_MAX) {
        tc_hotstuff_complain(r, r->from, "more than %d requests of client %u wait", PENDING_CLIENT_MAX,
                             (unsigned)id.client);
        return;
    }
    /* A client that asks again sees no answer; a peer that passes on what we know adds nothing. */
    if (known && r->from < TC_CLIENT_FIRST)
        return;
    if (!known)
        known = pending_add(r, &id, digest, envelope);
    if (known)
        forward(r, known);
}

bool tc_hotstuff_requests_take(struct hotstuff *r, const Pbft__Envelope *envelope)
{
    size_t bytes = 0;
    if (envelope->n_requests > TC_PBFT_BATCH_MAX)
        return false;
    for (size_t i = 0; i < envelope->n_requests; i++) {
        struct request_id id;
        struct tc_slice operation;
        uint8_t digest[TC_VALUE_SIZE];
        const Pbft__Envelope *request = envelope->requests[i];
        if (!tc_hotstuff_request_read(r, request, &id, digest, &operation))
            return false;
        bytes += pbft__envelope__get_packed_size(request) + 4;
        const struct pending *known = pending_find(r, &id);
        if (known && tc_hotstuff_same(known->digest, digest))
            continue;
        if (bytes > TC_PBFT_BATCH_BYTES || !tc_hotstuff_authentic(r, request))
            return false;
        if (!known && id.timestamp > tc_pbft_store_last(r->store, id.client) &&
            r->pending_of_client[id.client] < PENDING_CLIENT_MAX)
            (void)pending_add(r, &id, digest, request);
    }
    return bytes <= TC_PBFT_BATCH_BYTES;
}

/* Marks what stands in blocks between `parent` and the executed one. */
static bool mark_way(struct hotstuff *r, const uint8_t *digest, bool *unfinished)
{
    r->mark++;
    while (!tc_hotstuff_same(digest, r->executed.digest)) {
        const struct block *block = tc_hotstuff_block_find(r, digest);
        if (!block && r->high.at.sequence > r->executed.sequence)
            tc_hotstuff_want(r, digest);
        if (!block || block->at.sequence <= r->executed.sequence)
            return false;
        for (uint32_t i = 0; i < block->count; i++) {
            struct pending *pending = pending_find(r, &block->ids[i]);
            if (pending)
                pending->mark = r->mark;
            *unfinished = true;
        }
        digest = block->parent;
    }
    return true;
}

bool tc_hotstuff_gather(struct hotstuff *r, const struct certificate *parent, Pbft__Envelope ***requests, size_t *count,
                        bool *unfinished)
{
    size_t bytes = 0;
    *count = 0;
    *unfinished = false;
    if (!mark_way(r, parent->at.digest, unfinished))
        return false;
    *requests = tc_hotstuff_scratch(r, r->batch_max * sizeof **requests);
    if (!*requests)
        return false;
    for (struct pending *pending = r->pending_first; pending && *count < r->batch_max; pending = pending->next) {
        if (pending->mark == r->mark)
            continue;
        if (*count > 0 && bytes + pending->packed_len + 4 > TC_PBFT_BATCH_BYTES)
            break;
        Pbft__Envelope *envelope = unpack(r, pending);
        if (!envelope)
            return false;
        bytes += pending->packed_len + 4;
        (*requests)[(*count)++] = envelope;
    }
    return true;
}
