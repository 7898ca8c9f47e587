/* Requests and batches: built once from an envelope, shared by reference. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

/* One allocation: the parts of the envelope, and the operation again, so that a request may outlive the frame it came
 * in and be sent on exactly as its client signed it. */
static struct request *copy_request(struct pbft *r, const Wire__Envelope *envelope, const Wire__Request *body)
{
    size_t total = envelope->body.len + envelope->signature.len + envelope->macs.len + body->operation.len;
    struct request *request = tc_replica_alloc(&r->base, sizeof *request + total);
    if (!request)
        return NULL;
    request->envelope = (Wire__Envelope)WIRE__ENVELOPE__INIT;
    request->envelope.type = WIRE__TYPE__REQUEST;
    request->envelope.sender = envelope->sender;
    ProtobufCBinaryData operation;
    ProtobufCBinaryData *parts[4] = {&request->envelope.body, &request->envelope.signature, &request->envelope.macs,
                                     &operation};
    const ProtobufCBinaryData *sources[4] = {&envelope->body, &envelope->signature, &envelope->macs, &body->operation};
    uint8_t *at = request->bytes;
    for (size_t i = 0; i < 4; i++) {
        if (sources[i]->len > 0)
            memcpy(at, sources[i]->data, sources[i]->len);
        *parts[i] = (ProtobufCBinaryData){sources[i]->len, at};
        at += sources[i]->len;
    }
    request->operation = tc_wire_slice(operation);
    request->references = 1;
    return request;
}

struct request *tc_pbft_request_from(struct pbft *r, const Wire__Envelope *envelope)
{
    const Wire__Request *body = tc_replica_request(&r->base, envelope);
    if (!body)
        return NULL;
    struct request *request = copy_request(r, envelope, body);
    if (!request)
        return NULL;
    request->client = (uint16_t)envelope->sender;
    request->timestamp = body->timestamp;
    request->packed_size = tc_wire_size(&request->envelope) + 4;
    tc_wire_request_digest(request->client, request->timestamp, request->operation, request->digest);
    return request;
}

void tc_pbft_request_drop(struct request *request)
{
    if (request && --request->references == 0)
        free(request);
}

struct batch *tc_pbft_batch_new(struct pbft *r, struct request *const *requests, uint32_t count)
{
    struct batch *batch = tc_replica_alloc(&r->base, sizeof *batch + count * sizeof(struct request *));
    uint8_t(*digests)[TC_VALUE_SIZE] = tc_replica_scratch(&r->base, count * sizeof *digests);
    if (!batch || !digests) {
        free(batch);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(digests[i], requests[i]->digest, TC_VALUE_SIZE);
        batch->requests[i] = requests[i];
        requests[i]->references++;
    }
    tc_wire_batch_digest((const uint8_t(*)[TC_VALUE_SIZE])digests, count, batch->digest);
    batch->count = count;
    batch->references = 1;
    return batch;
}

struct batch *tc_pbft_batch_from(struct pbft *r, const Wire__Envelope *envelope)
{
    uint32_t count = 0;
    size_t bytes = 0;
    struct batch *batch = NULL;
    if (envelope->n_requests > TC_WIRE_BATCH_MAX)
        return NULL;
    struct request **requests = tc_replica_scratch(&r->base, envelope->n_requests * sizeof(struct request *));
    if (!requests)
        return NULL;
    while (count < envelope->n_requests) {
        requests[count] = tc_pbft_request_from(r, envelope->requests[count]);
        if (!requests[count])
            break;
        bytes += requests[count]->packed_size;
        count++;
    }
    if (count == envelope->n_requests && bytes <= TC_WIRE_BATCH_BYTES)
        batch = tc_pbft_batch_new(r, requests, count);
    for (uint32_t i = 0; i < count; i++)
        tc_pbft_request_drop(requests[i]);
    return batch;
}

void tc_pbft_batch_drop(struct batch *batch)
{
    if (!batch || --batch->references > 0)
        return;
    for (uint32_t i = 0; i < batch->count; i++)
        tc_pbft_request_drop(batch->requests[i]);
    free(batch);
}

void tc_pbft_batch_attach(struct pbft *r, const struct batch *batch, Wire__Envelope *envelope)
{
    Wire__Envelope **pointers = tc_replica_scratch(&r->base, batch->count * sizeof *pointers);
    if (!pointers)
        return;
    for (uint32_t i = 0; i < batch->count; i++)
        pointers[i] = &batch->requests[i]->envelope;
    envelope->requests = pointers;
    envelope->n_requests = batch->count;
}

bool tc_pbft_batch_authentic(struct pbft *r, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct request *request = batch->requests[i];
        const struct pending *known = tc_pbft_pending_find(r, request->client, request->timestamp);
        if (known && tc_digest_same(known->request->digest, request->digest)) {
            /* its client told us so; keep that copy, whose signature we know to be good */
            known->request->references++;
            batch->requests[i] = known->request;
            tc_pbft_request_drop(request);
        } else if (!tc_replica_authentic(&r->base, &request->envelope)) {
            tc_replica_complain(&r->base, r->base.from, "bad signature on request of client %u in pre-prepare",
                                (unsigned)request->client);
            return false;
        }
    }
    return true;
}
