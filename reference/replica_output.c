/* What a step leaves behind: records, frames, facts. And what is sealed and verified for them. */
#include "replica_base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAINT_PERIOD_NS UINT64_C(1000000000)
#define COMPLAINTS_PERIOD   8 /* complaints about one peer in a period */
#define COMPLAINT_SIZE      200

/* Kept whole: where a compiler sees malloc and memset side by side it makes a calloc of them, which takes the long way
 * to its memory. */
__attribute__((noinline)) void *tc_replica_alloc_bytes(struct tc_replica_base *base, size_t size)
{
    void *made = malloc(size > 0 ? size : 1);
    if (!made)
        base->out_of_memory = true;
    return made;
}

void *tc_replica_alloc(struct tc_replica_base *base, size_t size)
{
    void *made = tc_replica_alloc_bytes(base, size);
    if (made)
        memset(made, 0, size);
    return made;
}

void *tc_replica_scratch(struct tc_replica_base *base, size_t size)
{
    void *made = tc_arena_zalloc(&base->arena, size);
    if (!made)
        base->out_of_memory = true;
    return made;
}

static struct tc_output *add_output(struct tc_replica_base *base, enum tc_output_kind kind)
{
    if (base->output_count == base->output_capacity) {
        const size_t capacity = base->output_capacity ? base->output_capacity * 2 : 64;
        struct tc_output *grown = realloc(base->outputs, capacity * sizeof *grown);
        if (!grown) {
            base->out_of_memory = true;
            return NULL;
        }
        base->outputs = grown;
        base->output_capacity = capacity;
    }
    struct tc_output *output = &base->outputs[base->output_count++];
    memset(output, 0,
           offsetof(struct tc_output, observation)); /* which is large, and written whole where there is one */
    output->kind = kind;
    output->to = TC_NODE_NONE;
    return output;
}

void tc_replica_persist(struct tc_replica_base *base, enum tc_output_kind kind, struct tc_slice record)
{
    if (base->replaying || record.len == 0)
        return;
    struct tc_output *output = add_output(base, kind);
    if (output)
        output->bytes = record;
}

void tc_replica_send(struct tc_replica_base *base, uint32_t to, struct tc_slice frame)
{
    if (base->replaying || frame.len == 0 || to == base->id)
        return;
    struct tc_output *output = add_output(base, TC_OUT_SEND);
    if (!output)
        return;
    output->to = (uint16_t)to;
    output->bytes = frame;
}

void tc_replica_broadcast(struct tc_replica_base *base, struct tc_slice frame)
{
    for (uint32_t i = 0; i < base->n; i++)
        tc_replica_send(base, i, frame);
}

void tc_replica_observe(struct tc_replica_base *base, const struct tc_observation *observation)
{
    struct tc_output *output = add_output(base, TC_OUT_OBSERVE);
    if (!output)
        return;
    output->observation = *observation;
    output->observation.node = base->id;
    output->observation.time_ns = base->now_ns;
    if (!output->observation.text)
        output->observation.text = "";
}

void tc_replica_observe_view(struct tc_replica_base *base)
{
    struct tc_observation observation = {.kind = TC_OBS_VIEW, .peer = TC_NODE_NONE};
    observation.view.view = base->view;
    observation.view.active = base->active;
    observation.view.timeout_ns = tc_replica_view_timeout_ns(base);
    if (!base->replaying)
        tc_replica_observe(base, &observation);
}

void tc_replica_observe_stable(struct tc_replica_base *base, uint64_t sequence,
                               const uint8_t state[static TC_VALUE_SIZE])
{
    struct tc_observation observation = {.kind = TC_OBS_STABLE, .peer = TC_NODE_NONE};
    observation.stable.sequence = sequence;
    observation.stable.state.state = TC_VALUE_BYTES;
    memcpy(observation.stable.state.bytes, state, TC_VALUE_SIZE);
    tc_replica_observe(base, &observation);
}

/* A traitor may misbehave as often as it likes; the log must not grow with it. */
static bool may_complain(struct tc_replica_base *base, uint32_t peer)
{
    struct tc_complaint_account *account = &base->complaints[peer < TC_NODES_MAX ? peer : base->id];
    if (account->count == 0 || base->now_ns - account->period_start_ns >= COMPLAINT_PERIOD_NS) {
        account->period_start_ns = base->now_ns;
        account->count = 0;
    }
    return account->count++ < COMPLAINTS_PERIOD;
}

void tc_replica_complain(struct tc_replica_base *base, uint32_t peer, const char *format, ...)
{
    if (!may_complain(base, peer))
        return;
    char *text = tc_replica_scratch(base, COMPLAINT_SIZE);
    if (!text)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, COMPLAINT_SIZE, format, arguments);
    va_end(arguments);
    struct tc_observation observation = {.kind = TC_OBS_COMPLAINT, .peer = (uint16_t)peer, .text = text};
    tc_replica_observe(base, &observation);
}

Wire__Envelope *tc_replica_open(struct tc_replica_base *base, struct tc_slice frame)
{
    Wire__Envelope *envelope;
    if (tc_wire_unpack(frame, &base->arena, &envelope) != 0) {
        tc_replica_complain(base, base->from, "malformed frame of %zu bytes", frame.len);
        return NULL;
    }
    return envelope->type == WIRE__TYPE__HELLO ? NULL : envelope;
}

bool tc_replica_keep_packed(struct tc_replica_base *base, const Wire__Envelope *envelope, uint8_t **packed, size_t *len)
{
    struct tc_slice frame;
    if (tc_wire_pack(envelope, &base->arena, &frame) != 0)
        return false;
    *len = frame.len - TC_WIRE_LENGTH_SIZE;
    *packed = tc_replica_alloc_bytes(base, *len);
    if (*packed)
        memcpy(*packed, frame.data + TC_WIRE_LENGTH_SIZE, *len);
    return *packed != NULL;
}

Wire__Envelope *tc_replica_read_packed(struct tc_replica_base *base, struct tc_slice packed)
{
    Wire__Envelope *envelope;
    if (tc_wire_read_envelope(packed, &base->arena, &envelope) == 0)
        return envelope;
    base->out_of_memory = true;
    return NULL;
}

bool tc_replica_envelope_packed(struct tc_replica_base *base, uint32_t type, struct tc_slice body, uint32_t client,
                                Wire__Envelope *envelope)
{
    *envelope = (Wire__Envelope)WIRE__ENVELOPE__INIT;
    envelope->type = type;
    envelope->sender = base->id;
    envelope->body = tc_wire_binary(body);
    const int rc = tc_wire_seal(&base->env, envelope, client, &base->arena);
    if (rc != 0)
        tc_replica_complain(base, base->id, "cannot make message of type %u: %s", type, tc_error_text(rc));
    return rc == 0;
}

bool tc_replica_envelope(struct tc_replica_base *base, uint32_t type, const ProtobufCMessage *body, uint32_t client,
                         Wire__Envelope *envelope)
{
    Wire__Envelope packed;
    const int rc = tc_wire_set_body(&packed, body, &base->arena);
    if (rc != 0)
        tc_replica_complain(base, base->id, "cannot make message of type %u: %s", type, tc_error_text(rc));
    return rc == 0 && tc_replica_envelope_packed(base, type, tc_wire_slice(packed.body), client, envelope);
}

struct tc_slice tc_replica_frame(struct tc_replica_base *base, const Wire__Envelope *envelope)
{
    struct tc_slice frame = {NULL, 0};
    if (tc_wire_pack(envelope, &base->arena, &frame) != 0)
        tc_replica_complain(base, base->id, "message of type %d is too large for a frame", (int)envelope->type);
    return frame;
}

struct tc_slice tc_replica_message(struct tc_replica_base *base, uint32_t type, const ProtobufCMessage *body,
                                   uint32_t client)
{
    Wire__Envelope envelope;
    if (base->replaying || !tc_replica_envelope(base, type, body, client, &envelope))
        return (struct tc_slice){NULL, 0};
    return tc_replica_frame(base, &envelope);
}

struct tc_slice tc_replica_message_packed(struct tc_replica_base *base, uint32_t type, struct tc_slice body,
                                          uint32_t client)
{
    Wire__Envelope envelope;
    if (base->replaying || !tc_replica_envelope_packed(base, type, body, client, &envelope))
        return (struct tc_slice){NULL, 0};
    return tc_replica_frame(base, &envelope);
}

struct tc_slice tc_replica_reply(struct tc_replica_base *base, uint16_t client)
{
    Wire__Reply body = WIRE__REPLY__INIT;
    body.view = base->view;
    body.timestamp = tc_store_last(base->store, client);
    body.client = client;
    body.result = tc_wire_binary(tc_store_reply(base->store, client));
    return tc_replica_message(base, WIRE__TYPE__REPLY, &body.base, client);
}

void tc_replica_send_reply(struct tc_replica_base *base, uint16_t client)
{
    tc_replica_send(base, client, tc_replica_reply(base, client));
}

bool tc_replica_authentic(struct tc_replica_base *base, const Wire__Envelope *envelope)
{
    return tc_verified_authentic(&base->verified, &base->env, base->id, envelope);
}

const Wire__Request *tc_replica_request(struct tc_replica_base *base, const Wire__Envelope *envelope)
{
    void *body;
    if (envelope->type != WIRE__TYPE__REQUEST || !tc_replica_is_client(base, envelope->sender) ||
        envelope->body.len + envelope->signature.len + envelope->macs.len > TC_WIRE_REQUEST_MAX)
        return NULL;
    if (tc_wire_get_body(envelope, &wire__request__descriptor, &base->arena, &body) != 0)
        return NULL;
    const Wire__Request *request = body;
    return request->timestamp == 0 || request->operation.len > TC_WIRE_OPERATION_MAX ? NULL : request;
}
