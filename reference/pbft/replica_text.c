/* Signed texts and envelopes: what certificates are made of, kept, and put on the wire again. */
#include "replica_internal.h"

#include <string.h>

bool tc_pbft_text_from(struct signed_text *text, const Wire__Envelope *envelope)
{
    if (envelope->body.len > VOTE_BODY_MAX || envelope->signature.len != TC_SIGNATURE_SIZE ||
        envelope->sender >= TC_REPLICAS_MAX)
        return false;
    text->sender = (uint16_t)envelope->sender;
    text->body_len = (uint16_t)envelope->body.len;
    if (envelope->body.len > 0)
        memcpy(text->body, envelope->body.data, envelope->body.len);
    memcpy(text->signature, envelope->signature.data, TC_SIGNATURE_SIZE);
    return true;
}

void tc_pbft_text_envelope(const struct signed_text *text, uint32_t type, Wire__Envelope *envelope)
{
    *envelope = (Wire__Envelope)WIRE__ENVELOPE__INIT;
    envelope->type = type;
    envelope->sender = text->sender;
    envelope->body = tc_wire_binary((struct tc_slice){text->body, text->body_len});
    envelope->signature = tc_wire_binary((struct tc_slice){text->signature, TC_SIGNATURE_SIZE});
}

bool tc_pbft_text_put(struct tc_back *out, uint32_t id, const struct signed_text *text, uint32_t type)
{
    const uint8_t *end = out->at;
    return tc_back_field(out, 4, (struct tc_slice){text->signature, TC_SIGNATURE_SIZE}) &&
           (text->body_len == 0 || tc_back_field(out, 3, (struct tc_slice){text->body, text->body_len})) &&
           tc_back_number(out, 2, text->sender) && tc_back_number(out, 1, type) && tc_back_head(out, id, end);
}

Wire__Envelope **tc_pbft_text_envelopes(struct pbft *r, const struct signed_text *texts, size_t count, uint32_t type)
{
    Wire__Envelope **pointers = tc_replica_scratch(&r->base, count * sizeof *pointers);
    Wire__Envelope *envelopes = tc_replica_scratch(&r->base, count * sizeof *envelopes);
    if (!pointers || !envelopes)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        tc_pbft_text_envelope(&texts[i], type, &envelopes[i]);
        pointers[i] = &envelopes[i];
    }
    return pointers;
}
