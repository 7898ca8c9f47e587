/* What a step leaves behind: records, frames, facts. And what is signed and verified for them. */
#include "replica_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *tc_hotstuff_alloc(struct hotstuff *r, size_t size)
{
    void *made = calloc(1, size > 0 ? size : 1);
    if (!made)
        r->out_of_memory = true;
    return made;
}

void *tc_hotstuff_scratch(struct hotstuff *r, size_t size)
{
    void *made = tc_arena_zalloc(&r->arena, size);
    if (!made)
        r->out_of_memory = true;
    return made;
}

static struct tc_output *add_output(struct hotstuff *r, enum tc_output_kind kind)
{
    if (r->output_count == r->output_capacity) {
        const size_t capacity = r->output_capacity ? r->output_capacity * 2 : 64;
        struct tc_output *grown = realloc(r->outputs, capacity * sizeof *grown);
        if (!grown) {
            r->out_of_memory = true;
            return NULL;
        }
        r->outputs = grown;
        r->output_capacity = capacity;
    }
    struct tc_output *output = &r->outputs[r->output_count++];
    memset(output, 0, sizeof *output);
    output->kind = kind;
    output->to = TC_NODE_NONE;
    return output;
}

void tc_hotstuff_persist(struct hotstuff *r, enum tc_output_kind kind, struct tc_slice record)
{
    if (r->replaying || record.len == 0)
        return;
    struct tc_output *output = add_output(r, kind);
    if (output)
        output->bytes = record;
}

void tc_hotstuff_send(struct hotstuff *r, uint32_t to, struct tc_slice frame)
{
    if (r->replaying || frame.len == 0 || to == r->id)
        return;
    struct tc_output *output = add_output(r, TC_OUT_SEND);
    if (!output)
        return;
    output->to = (uint16_t)to;
    output->bytes = frame;
}

void tc_hotstuff_broadcast(struct hotstuff *r, struct tc_slice frame)
{
    for (uint32_t i = 0; i < r->n; i++)
        tc_hotstuff_send(r, i, frame);
}

void tc_hotstuff_observe(struct hotstuff *r, const struct tc_observation *observation)
{
    struct tc_output *output = add_output(r, TC_OUT_OBSERVE);
    if (!output)
        return;
    output->observation = *observation;
    output->observation.node = r->id;
    output->observation.time_ns = r->now_ns;
    if (!output->observation.text)
        output->observation.text = "";
}

void tc_hotstuff_observe_view(struct hotstuff *r)
{
    struct tc_observation observation = {.kind = TC_OBS_VIEW, .peer = TC_NODE_NONE};
    observation.view.view = r->view;
    observation.view.active = r->active;
    observation.view.timeout_ns = tc_hotstuff_view_timeout_ns(r);
    if (!r->replaying)
        tc_hotstuff_observe(r, &observation);
}

void tc_hotstuff_observe_stable(struct hotstuff *r)
{
    struct tc_observation observation = {.kind = TC_OBS_STABLE, .peer = TC_NODE_NONE};
    observation.stable.sequence = r->stable.sequence;
    observation.stable.state.state = TC_VALUE_BYTES;
    tc_digest((struct tc_slice){r->snapshot, r->snapshot_len}, observation.stable.state.bytes);
    tc_hotstuff_observe(r, &observation);
}

/* A traitor may misbehave as often as it likes; the log must not grow with it. */
static bool may_complain(struct hotstuff *r, uint32_t peer)
{
    struct complaint_account *account = &r->complaints[peer < TC_NODES_MAX ? peer : r->id];
    if (account->count == 0 || r->now_ns - account->period_start_ns >= COMPLAINT_PERIOD_NS) {
        account->period_start_ns = r->now_ns;
        account->count = 0;
    }
    return account->count++ < COMPLAINTS_PERIOD;
}

void tc_hotstuff_complain(struct hotstuff *r, uint32_t peer, const char *format, ...)
{
    if (!may_complain(r, peer))
        return;
    char *text = tc_hotstuff_scratch(r, 200);
    if (!text)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 200, format, arguments);
    va_end(arguments);
    struct tc_observation observation = {.kind = TC_OBS_COMPLAINT, .peer = (uint16_t)peer, .text = text};
    tc_hotstuff_observe(r, &observation);
}

bool tc_hotstuff_envelope(struct hotstuff *r, uint32_t type, const ProtobufCMessage *body, uint32_t client,
                          Pbft__Envelope *envelope)
{
    *envelope = (Pbft__Envelope)PBFT__ENVELOPE__INIT;
    envelope->type = (Pbft__Type)type;
    envelope->sender = r->id;
    int rc = tc_pbft_set_body(envelope, body, &r->arena);
    if (rc == 0)
        rc = tc_pbft_seal(&r->env, envelope, client, &r->arena);
    if (rc != 0)
        tc_hotstuff_complain(r, r->id, "cannot make message of type %u: %s", type, tc_error_text(rc));
    return rc == 0;
}

struct tc_slice tc_hotstuff_frame_of(struct hotstuff *r, const Pbft__Envelope *envelope)
{
    struct tc_slice frame = {NULL, 0};
    if (tc_pbft_pack(envelope, &r->arena, &frame) != 0)
        tc_hotstuff_complain(r, r->id, "message of type %d is too large for a frame", (int)envelope->type);
    return frame;
}

struct tc_slice tc_hotstuff_message(struct hotstuff *r, uint32_t type, const ProtobufCMessage *body, uint32_t client)
{
    Pbft__Envelope envelope;
    if (r->replaying || !tc_hotstuff_envelope(r, type, body, client, &envelope))
        return (struct tc_slice){NULL, 0};
    return tc_hotstuff_frame_of(r, &envelope);
}

bool tc_hotstuff_authentic(struct hotstuff *r, const Pbft__Envelope *envelope)
{
    return tc_verified_authentic(&r->verified, &r->env, r->id, envelope);
}

bool tc_hotstuff_signed(struct hotstuff *r, uint32_t signer, uint32_t type, struct tc_slice body,
                        struct tc_slice signature)
{
    Pbft__Envelope envelope = PBFT__ENVELOPE__INIT;
    envelope.type = (Pbft__Type)type;
    envelope.sender = signer;
    envelope.body = tc_pbft_binary(body);
    envelope.signature = tc_pbft_binary(signature);
    return tc_hotstuff_authentic(r, &envelope);
}
