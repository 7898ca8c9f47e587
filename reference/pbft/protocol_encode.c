/* From a message, perhaps with changed fields, back to bytes; making, signing and verifying messages. */
#include "protocol_parts.h"
#include <string.h>

static bool same_bytes(struct tc_slice a, struct tc_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Packs `now`; *changed tells whether the message that `wire` holds would pack to other bytes. The wire's own bytes may
 * differ from both (another order of fields, unknown fields in between): they stand for an unchanged message. */
static int pack_if_changed(const ProtobufCMessage *now, struct tc_slice wire, struct tc_arena *arena, bool *changed,
                           struct tc_slice *packed)
{
    ProtobufCMessage *before;
    struct tc_slice packed_before;
    int rc = tc_fields_pack(now, arena, packed);
    if (rc != 0)
        return rc;
    *changed = true;
    if (same_bytes(*packed, wire)) {
        *changed = false;
        return 0;
    }
    rc = tc_fields_unpack(now->descriptor, wire, arena, &before);
    if (rc == 0)
        rc = tc_fields_pack(before, arena, &packed_before);
    if (rc == 0)
        *changed = !same_bytes(*packed, packed_before);
    return rc == TC_EMALFORMED ? 0 : rc;
}

int tc_pbft_message_body(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *body)
{
    const Pbft__Envelope *envelope = m->envelope.base;
    struct tc_slice packed;
    bool changed;
    const int rc = pack_if_changed(m->statements[0].fields.base, m->statements[0].body, arena, &changed, &packed);
    if (rc == 0)
        *body = changed ? packed : tc_pbft_slice(envelope->body);
    return rc;
}

int tc_pbft_message_encode(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame)
{
    struct tc_slice body, packed, inner;
    bool changed;
    if (!m->decoded) {
        *frame = tc_arena_copy(arena, m->frame);
        return frame->data || m->frame.len == 0 ? 0 : TC_ELIMIT;
    }
    int rc = tc_pbft_message_body(m, arena, &body);
    if (rc != 0)
        return rc;
    Pbft__Envelope envelope = *(const Pbft__Envelope *)m->envelope.base;
    envelope.body = tc_pbft_binary(body);
    inner = (struct tc_slice){m->frame.data + TC_PBFT_LENGTH_SIZE, m->frame.len - TC_PBFT_LENGTH_SIZE};
    rc = pack_if_changed(&envelope.base, inner, arena, &changed, &packed);
    if (rc != 0)
        return rc;
    if (changed)
        return tc_pbft_pack(&envelope, arena, frame);
    *frame = tc_arena_copy(arena, m->frame);
    return frame->data ? 0 : TC_ELIMIT;
}

int tc_pbft_message_again(struct tc_slice frame, const struct tc_message *like, struct tc_arena *arena,
                          struct tc_message *out)
{
    *out = (struct tc_message){.from = like->from, .to = like->to, .conn = like->conn, .touched = true};
    return tc_pbft_message_decode(frame, arena, out);
}

int tc_pbft_message_remake(const struct tc_message *m, const ProtobufCMessage *body, Pbft__Envelope **requests,
                           size_t request_count, struct tc_arena *arena, struct tc_message *out)
{
    Pbft__Envelope envelope = *(const Pbft__Envelope *)m->envelope.base;
    struct tc_slice frame;
    int rc = tc_pbft_set_body(&envelope, body, arena);
    if (rc != 0)
        return rc;
    if (requests) {
        envelope.requests = requests;
        envelope.n_requests = request_count;
    }
    envelope.signature = (ProtobufCBinaryData){0, NULL};
    envelope.macs = (ProtobufCBinaryData){0, NULL};
    rc = tc_pbft_pack(&envelope, arena, &frame);
    return rc != 0 ? rc : tc_pbft_message_again(frame, m, arena, out);
}

int tc_pbft_message_build(const char *type, struct tc_arena *arena, struct tc_message *out)
{
    const struct tc_message nowhere = {.from = TC_NODE_NONE, .to = TC_NODE_NONE};
    Pbft__Envelope envelope = PBFT__ENVELOPE__INIT;
    struct tc_slice frame;
    for (int i = 0; i <= PBFT__TYPE__BATCH; i++) {
        if (strcmp(tc_pbft_rows[i].name, type) != 0)
            continue;
        /* A frame must not be empty, so a hello, all of whose fields are zero, names a sender it will not keep. */
        envelope.type = (Pbft__Type)i;
        envelope.sender = i == PBFT__TYPE__HELLO ? 1 : 0;
        const int rc = tc_pbft_pack(&envelope, arena, &frame);
        return rc != 0 ? rc : tc_pbft_message_again(frame, &nowhere, arena, out);
    }
    return TC_ENOT_FOUND;
}

int tc_pbft_message_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                         struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice body, frame;
    uint32_t client = 0;
    if (!m->decoded)
        return TC_EMALFORMED;
    int rc = tc_pbft_message_body(m, arena, &body);
    if (rc != 0)
        return rc;
    Pbft__Envelope envelope = *(const Pbft__Envelope *)m->envelope.base;
    envelope.body = tc_pbft_binary(body);
    envelope.sender = node;
    if (envelope.type == PBFT__TYPE__REPLY)
        client = ((const Pbft__Reply *)m->statements[0].fields.base)->client;
    rc = tc_pbft_seal(env, &envelope, client, arena);
    if (rc == 0)
        rc = tc_pbft_pack(&envelope, arena, &frame);
    return rc != 0 ? rc : tc_pbft_message_again(frame, m, arena, out);
}

/* A MAC convinces only who shares the key: one entry that we can compute and that fits is enough, and so is one that
 * does not fit to refuse it. Replies go to one client, whose key we may hold. */
static int verify_macs(const struct tc_protocol_env *env, const Pbft__Envelope *envelope, const Pbft__Reply *reply)
{
    const uint32_t first = reply ? reply->client : 0;
    const uint32_t count = reply ? 1 : env->cluster->n;
    int result = TC_EKEY;
    for (uint32_t i = 0; i < count; i++) {
        if (!tc_keyring_has_secret(env->keys, first + i) && !tc_keyring_has_secret(env->keys, envelope->sender))
            continue;
        const int rc = tc_pbft_check_mac(env, envelope, first + i, first);
        if (rc == TC_ESIGNATURE)
            return rc;
        if (rc == 0)
            result = 0;
    }
    return result;
}

int tc_pbft_message_verify(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    Pbft__Envelope envelope = PBFT__ENVELOPE__INIT;
    if (!s->fields.base || !tc_pbft_rows[s->type].is_signed)
        return s->fields.base ? 0 : TC_ESIGNATURE;
    if (s->signer == TC_NODE_NONE)
        return TC_ESIGNATURE;
    envelope.type = (Pbft__Type)s->type;
    envelope.sender = s->signer;
    envelope.body = tc_pbft_binary(s->body);
    if (!tc_pbft_uses_macs(env->cluster, s->type)) {
        envelope.signature = tc_pbft_binary(s->signature);
        return tc_pbft_verify(env, &envelope);
    }
    envelope.macs = tc_pbft_binary(s->signature);
    return verify_macs(env, &envelope, s->type == PBFT__TYPE__REPLY ? s->fields.base : NULL);
}
