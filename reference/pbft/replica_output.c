/* What a step leaves behind: records, frames, facts. And what is signed and verified for them. */
#include "replica_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *tc_pbft_alloc(struct pbft *r, size_t size)
{
    void *made = calloc(1, size > 0 ? size : 1);
    if (!made)
        r->out_of_memory = true;
    return made;
}

void *tc_pbft_scratch(struct pbft *r, size_t size)
{
    void *made = tc_arena_zalloc(&r->arena, size);
    if (!made)
        r->out_of_memory = true;
    return made;
}

static struct tc_output *add_output(struct pbft *r, enum tc_output_kind kind)
{
    if (r->output_count == r->output_capacity) {
        size_t capacity = r->output_capacity ? r->output_capacity * 2 : 64;
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

void tc_pbft_persist(struct pbft *r, enum tc_output_kind kind, struct tc_slice record)
{
    if (r->replaying || record.len == 0)
        return;
    struct tc_output *output = add_output(r, kind);
    if (output)
        output->bytes = record;
}

void tc_pbft_send(struct pbft *r, uint32_t to, struct tc_slice frame)
{
    if (r->replaying || frame.len == 0 || to == r->id)
        return;
    struct tc_output *output = add_output(r, TC_OUT_SEND);
    if (!output)
        return;
    output->to = (uint16_t)to;
    output->bytes = frame;
}

void tc_pbft_broadcast(struct pbft *r, struct tc_slice frame)
{
    for (uint32_t i = 0; i < r->n; i++)
        tc_pbft_send(r, i, frame);
}

void tc_pbft_observe(struct pbft *r, const struct tc_observation *observation)
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

void tc_pbft_observe_view(struct pbft *r)
{
    struct tc_observation observation = {.kind = TC_OBS_VIEW, .peer = TC_NODE_NONE};
    observation.view.view = r->view;
    observation.view.active = r->active;
    observation.view.timeout_ns = tc_pbft_view_timeout_ns(r);
    if (!r->replaying)
        tc_pbft_observe(r, &observation);
}

void tc_pbft_observe_stable(struct pbft *r)
{
    struct tc_observation observation = {.kind = TC_OBS_STABLE, .peer = TC_NODE_NONE};
    observation.stable.sequence = r->stable;
    observation.stable.state.state = TC_VALUE_BYTES;
    memcpy(observation.stable.state.bytes, r->stable_certificate.digest, TC_VALUE_SIZE);
    tc_pbft_observe(r, &observation);
}

/* A traitor may misbehave as often as it likes; the log must not grow with it. */
static bool may_complain(struct pbft *r, uint32_t peer)
{
    struct complaint_account *account = &r->complaints[peer < TC_NODES_MAX ? peer : r->id];
    if (account->count == 0 || r->now_ns - account->period_start_ns >= COMPLAINT_PERIOD_NS) {
        account->period_start_ns = r->now_ns;
        account->count = 0;
    }
    return account->count++ < COMPLAINTS_PERIOD;
}

void tc_pbft_complain(struct pbft *r, uint32_t peer, const char *format, ...)
{
    if (!may_complain(r, peer))
        return;
    char *text = tc_pbft_scratch(r, 200);
    if (!text)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 200, format, arguments);
    va_end(arguments);
    struct tc_observation observation = {.kind = TC_OBS_COMPLAINT, .peer = (uint16_t)peer, .text = text};
    tc_pbft_observe(r, &observation);
}

bool tc_pbft_envelope(struct pbft *r, Pbft__Type type, const ProtobufCMessage *body, uint32_t client,
                      Pbft__Envelope *envelope)
{
    *envelope = (Pbft__Envelope)PBFT__ENVELOPE__INIT;
    envelope->type = type;
    envelope->sender = r->id;
    int rc = tc_pbft_set_body(envelope, body, &r->arena);
    if (rc == 0)
        rc = tc_pbft_seal(&r->env, envelope, client, &r->arena);
    if (rc != 0)
        tc_pbft_complain(r, r->id, "cannot make message of type %d: %s", (int)type, tc_error_text(rc));
    return rc == 0;
}

struct tc_slice tc_pbft_frame_of(struct pbft *r, const Pbft__Envelope *envelope)
{
    struct tc_slice frame = {NULL, 0};
    if (tc_pbft_pack(envelope, &r->arena, &frame) != 0)
        tc_pbft_complain(r, r->id, "message of type %d is too large for a frame", (int)envelope->type);
    return frame;
}

struct tc_slice tc_pbft_message(struct pbft *r, Pbft__Type type, const ProtobufCMessage *body, uint32_t client)
{
    Pbft__Envelope envelope;
    if (r->replaying || !tc_pbft_envelope(r, type, body, client, &envelope))
        return (struct tc_slice){NULL, 0};
    return tc_pbft_frame_of(r, &envelope);
}

bool tc_pbft_text_from(struct signed_text *text, const Pbft__Envelope *envelope)
{
    if (envelope->body.len > VOTE_BODY_MAX || envelope->signature.len != TC_SIGNATURE_SIZE ||
        envelope->sender >= TC_REPLICAS_MAX)
        return false;
    text->sender = (uint16_t)envelope->sender;
    text->body_len = (uint8_t)envelope->body.len;
    if (envelope->body.len > 0)
        memcpy(text->body, envelope->body.data, envelope->body.len);
    memcpy(text->signature, envelope->signature.data, TC_SIGNATURE_SIZE);
    return true;
}

void tc_pbft_text_envelope(const struct signed_text *text, Pbft__Type type, Pbft__Envelope *envelope)
{
    *envelope = (Pbft__Envelope)PBFT__ENVELOPE__INIT;
    envelope->type = type;
    envelope->sender = text->sender;
    envelope->body = tc_pbft_binary((struct tc_slice){text->body, text->body_len});
    envelope->signature = tc_pbft_binary((struct tc_slice){text->signature, TC_SIGNATURE_SIZE});
}

Pbft__Envelope **tc_pbft_text_envelopes(struct pbft *r, const struct signed_text *texts, size_t count, Pbft__Type type)
{
    Pbft__Envelope **pointers = tc_pbft_scratch(r, count * sizeof *pointers);
    Pbft__Envelope *envelopes = tc_pbft_scratch(r, count * sizeof *envelopes);
    if (!pointers || !envelopes)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        tc_pbft_text_envelope(&texts[i], type, &envelopes[i]);
        pointers[i] = &envelopes[i];
    }
    return pointers;
}

bool tc_pbft_authentic(struct pbft *r, const Pbft__Envelope *envelope)
{
    return tc_verified_authentic(&r->verified, &r->env, r->id, envelope);
}
