/* Requests: what waits to be executed, what a leader proposes of it, and what the others pass on. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

bool tc_hotstuff_request_read(struct hotstuff *r, const Wire__Envelope *envelope, struct request_id *id,
                              uint8_t *digest, struct tc_slice *operation)
{
    const Wire__Request *body = envelope->n_requests > 0 ? NULL : tc_replica_request(&r->base, envelope);
    if (!body)
        return false;
    id->client = (uint16_t)envelope->sender;
    id->timestamp = body->timestamp;
    *operation = tc_wire_slice(body->operation);
    tc_wire_request_digest(id->client, id->timestamp, *operation, digest);
    return true;
}

static struct pending *first(const struct hotstuff *r)
{
    return (struct pending *)r->base.pending.first;
}

static struct pending *next(const struct pending *pending)
{
    return (struct pending *)pending->link.next;
}

static struct pending *pending_find(const struct hotstuff *r, const struct request_id *id)
{
    return (struct pending *)tc_pending_find(&r->base.pending, id->client, id->timestamp);
}

static struct pending *pending_add(struct hotstuff *r, const struct request_id *id, const uint8_t *digest,
                                   const Wire__Envelope *envelope)
{
    struct pending *pending = tc_replica_alloc(&r->base, sizeof *pending);
    if (!pending || !tc_replica_keep_packed(&r->base, envelope, &pending->packed, &pending->packed_len)) {
        free(pending);
        return NULL;
    }
    pending->link.client = id->client;
    pending->link.timestamp = id->timestamp;
    memcpy(pending->digest, digest, TC_VALUE_SIZE);
    tc_pending_append(&r->base.pending, &pending->link);
    return pending;
}

static void pending_remove(struct hotstuff *r, struct pending *pending)
{
    tc_pending_remove(&r->base.pending, &pending->link);
    free(pending->packed);
    free(pending);
}

void tc_hotstuff_pending_prune(struct hotstuff *r)
{
    for (struct pending *pending = first(r), *following; pending; pending = following) {
        following = next(pending);
        if (pending->link.timestamp <= tc_store_last(r->base.store, pending->link.client))
            pending_remove(r, pending);
    }
}

void tc_hotstuff_pending_free(struct hotstuff *r)
{
    while (first(r))
        pending_remove(r, first(r));
}

static Wire__Envelope *unpack(struct hotstuff *r, const struct pending *pending)
{
    return tc_replica_read_packed(&r->base, (struct tc_slice){pending->packed, pending->packed_len});
}

/* To the leader that may still propose: of the present view, or where we voted in it, of the next one. It may have
 * passed when the request arrives, and then goes on from there. */
static void forward(struct hotstuff *r, const struct pending *pending)
{
    const bool voted = r->chained && r->voted.view == r->base.view;
    const uint16_t leader = tc_replica_leader(&r->base, voted ? r->base.view + 1 : r->base.view);
    const Wire__Envelope *envelope = leader == r->base.id ? NULL : unpack(r, pending);
    if (envelope)
        tc_replica_send(&r->base, leader, tc_replica_frame(&r->base, envelope));
}

void tc_hotstuff_pending_forward(struct hotstuff *r)
{
    uint32_t count = 0;
    for (const struct pending *pending = first(r); pending && count < TC_FORWARD_MAX; pending = next(pending)) {
        forward(r, pending);
        count++;
    }
}

void tc_hotstuff_on_request(struct hotstuff *r, const Wire__Envelope *envelope)
{
    struct request_id id;
    struct tc_slice operation;
    uint8_t digest[TC_VALUE_SIZE];
    if (!tc_hotstuff_request_read(r, envelope, &id, digest, &operation)) {
        tc_replica_complain(&r->base, r->base.from, "malformed request");
        return;
    }
    if (!tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on request");
        return;
    }
    const uint64_t last = tc_store_last(r->base.store, id.client);
    if (id.timestamp == last)
        tc_replica_send_reply(&r->base, id.client);
    if (id.timestamp <= last)
        return;
    struct pending *known = pending_find(r, &id);
    if (!known && !tc_pending_has_room(&r->base.pending, id.client)) {
        tc_replica_complain(&r->base, r->base.from, "more than %d requests of client %u wait", TC_PENDING_CLIENT_MAX,
                            (unsigned)id.client);
        return;
    }
    /* A client that asks again sees no answer; a peer that passes on what we know adds nothing. */
    if (known && r->base.from < TC_CLIENT_FIRST)
        return;
    if (!known)
        known = pending_add(r, &id, digest, envelope);
    if (known)
        forward(r, known);
}

bool tc_hotstuff_requests_take(struct hotstuff *r, const Wire__Envelope *envelope)
{
    size_t bytes = 0;
    if (envelope->n_requests > TC_WIRE_BATCH_MAX)
        return false;
    for (size_t i = 0; i < envelope->n_requests; i++) {
        struct request_id id;
        struct tc_slice operation;
        uint8_t digest[TC_VALUE_SIZE];
        const Wire__Envelope *request = envelope->requests[i];
        if (!tc_hotstuff_request_read(r, request, &id, digest, &operation))
            return false;
        bytes += tc_wire_size(request) + 4;
        const struct pending *known = pending_find(r, &id);
        if (known && tc_digest_same(known->digest, digest))
            continue;
        if (bytes > TC_WIRE_BATCH_BYTES || !tc_replica_authentic(&r->base, request))
            return false;
        if (!known && id.timestamp > tc_store_last(r->base.store, id.client) &&
            tc_pending_has_room(&r->base.pending, id.client))
            (void)pending_add(r, &id, digest, request);
    }
    return bytes <= TC_WIRE_BATCH_BYTES;
}

/* Marks what stands in blocks between `parent` and the executed one. */
static bool mark_way(struct hotstuff *r, const uint8_t *digest, bool *unfinished)
{
    r->mark++;
    while (!tc_digest_same(digest, r->executed.digest)) {
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

bool tc_hotstuff_gather(struct hotstuff *r, const struct certificate *parent, Wire__Envelope ***requests, size_t *count,
                        bool *unfinished)
{
    size_t bytes = 0;
    *count = 0;
    *unfinished = false;
    if (!mark_way(r, parent->at.digest, unfinished))
        return false;
    *requests = tc_replica_scratch(&r->base, r->base.batch_max * sizeof **requests);
    if (!*requests)
        return false;
    for (struct pending *pending = first(r); pending && *count < r->base.batch_max; pending = next(pending)) {
        if (pending->mark == r->mark)
            continue;
        if (*count > 0 && bytes + pending->packed_len + 4 > TC_WIRE_BATCH_BYTES)
            break;
        Wire__Envelope *envelope = unpack(r, pending);
        if (!envelope)
            return false;
        bytes += pending->packed_len + 4;
        (*requests)[(*count)++] = envelope;
    }
    return true;
}
