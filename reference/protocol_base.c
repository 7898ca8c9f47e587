#include "protocol_base.h"
#include "../proxy/random.h"
#include "fields_alloc.h"

#include <string.h>

/* ---- statements ---- */

int tc_statements_add(struct tc_statements *list, uint32_t parent)
{
    if (list->count == list->room) {
        const uint32_t room = list->room * 2 + 2 < TC_STATEMENTS_MAX ? list->room * 2 + 2 : TC_STATEMENTS_MAX;
        if (list->count == TC_STATEMENTS_MAX)
            return TC_ELIMIT;
        struct tc_statement *items = tc_arena_alloc(list->arena, room * sizeof *items);
        if (!items)
            return TC_ELIMIT;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->room = room;
    }
    list->items[list->count] = (struct tc_statement){
        .signer = TC_NODE_NONE,
        .parent = (uint16_t)parent,
        .origin = parent == TC_PARENT_NONE ? TC_ORIGIN_DIRECT : TC_ORIGIN_EMBEDDED,
    };
    return (int)list->count++;
}

void tc_statement_set_view(struct tc_statement *s, uint64_t view)
{
    s->has_view = true;
    s->view = view;
}

void tc_statement_set_sequence(struct tc_statement *s, uint64_t sequence)
{
    s->has_sequence = true;
    s->sequence = sequence;
}

void tc_statement_set_value(struct tc_statement *s, ProtobufCBinaryData digest)
{
    if (digest.len != TC_VALUE_SIZE)
        return;
    memcpy(s->value.bytes, digest.data, TC_VALUE_SIZE);
    s->value.state = TC_VALUE_BYTES;
}

/* Each type has conflict keys of its own. */
void tc_statement_set_slot(struct tc_statement *s, uint64_t major, uint64_t minor)
{
    if (s->value.state == TC_VALUE_ABSENT)
        return;
    const uint64_t slot = tc_random_mix(tc_random_mix(s->type + UINT64_C(1), major), minor);
    s->slot = slot ? slot : 1;
}

void tc_statement_set_place(struct tc_statement *s)
{
    if (s->value.state == TC_VALUE_ABSENT)
        return;
    const uint64_t slot = tc_random_mix(s->view + (s->type + UINT64_C(1)) * UINT64_C(0xd6e8feb86659fd93), s->sequence);
    s->slot = slot ? slot : 1;
}

void tc_statement_set_envelope(struct tc_statement *s, const Wire__Envelope *envelope)
{
    s->signer = envelope->sender < TC_NODES_MAX ? (uint16_t)envelope->sender : TC_NODE_NONE;
    s->body = tc_wire_slice(envelope->body);
    s->signature = tc_wire_slice(envelope->signature.len > 0 ? envelope->signature : envelope->macs);
}

void tc_statement_set_request(struct tc_statement *s, const Wire__Request *request)
{
    s->value.state = TC_VALUE_BYTES;
    tc_wire_request_digest(s->signer, request->timestamp, tc_wire_slice(request->operation), s->value.bytes);
    tc_statement_set_slot(s, s->signer, request->timestamp);
}

/* ---- from a frame, and to one ---- */

void tc_envelope_begin(struct tc_message *m, struct tc_slice frame)
{
    m->frame = frame;
    m->decoded = false;
    m->sender = TC_NODE_NONE;
    m->type = "other";
    m->envelope = (struct tc_fields){&wire__envelope__descriptor, NULL};
    m->statements = NULL;
    m->statement_count = 0;
}

int tc_envelope_open(struct tc_message *m, struct tc_slice frame, struct tc_arena *arena, Wire__Envelope **envelope)
{
    tc_envelope_begin(m, frame);
    return tc_wire_unpack(frame, arena, envelope);
}

void tc_envelope_close(struct tc_message *m, Wire__Envelope *envelope, const struct tc_statements *list,
                       const struct tc_message_row *rows)
{
    m->decoded = true;
    m->envelope.base = envelope;
    m->sender = list->items[0].signer;
    m->type = rows[list->items[0].type].name;
    m->statements = list->items;
    m->statement_count = list->count;
}

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

/* The body of m's first statement as it must go on the wire: the bytes that came if no field was changed, else the
 * fields packed anew. */
static int body_of(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *body)
{
    const Wire__Envelope *envelope = m->envelope.base;
    struct tc_slice packed;
    bool changed;
    const int rc = pack_if_changed(m->statements[0].fields.base, m->statements[0].body, arena, &changed, &packed);
    if (rc == 0)
        *body = changed ? packed : tc_wire_slice(envelope->body);
    return rc;
}

int tc_envelope_encode(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame)
{
    struct tc_slice body, packed, inner;
    bool changed;
    if (!m->decoded) {
        *frame = tc_arena_copy(arena, m->frame);
        return frame->data || m->frame.len == 0 ? 0 : TC_ELIMIT;
    }
    int rc = body_of(m, arena, &body);
    if (rc != 0)
        return rc;
    Wire__Envelope envelope = *(const Wire__Envelope *)m->envelope.base;
    envelope.body = tc_wire_binary(body);
    inner = (struct tc_slice){m->frame.data + TC_WIRE_LENGTH_SIZE, m->frame.len - TC_WIRE_LENGTH_SIZE};
    rc = pack_if_changed(&envelope.base, inner, arena, &changed, &packed);
    if (rc != 0)
        return rc;
    if (changed)
        return tc_wire_pack(&envelope, arena, frame);
    *frame = tc_arena_copy(arena, m->frame);
    return frame->data ? 0 : TC_ELIMIT;
}

int tc_envelope_hello(const struct tc_message *m, uint16_t *node)
{
    if (!m->decoded || m->statement_count == 0 || m->sender == TC_NODE_NONE ||
        m->statements[0].fields.descriptor != (const void *)&wire__hello__descriptor)
        return TC_EMALFORMED;
    *node = m->sender;
    return 0;
}

/* ---- new messages ---- */

int tc_envelope_build(uint32_t type, struct tc_arena *arena, struct tc_slice *frame)
{
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    envelope.type = type;
    /* A frame must not be empty, so a hello, all of whose fields are zero, names a sender it will not keep. */
    envelope.sender = type == WIRE__TYPE__HELLO ? 1 : 0;
    return tc_wire_pack(&envelope, arena, frame);
}

int tc_envelope_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                     struct tc_arena *arena, struct tc_slice *frame)
{
    struct tc_slice body;
    uint32_t client = 0;
    if (!m->decoded)
        return TC_EMALFORMED;
    int rc = body_of(m, arena, &body);
    if (rc != 0)
        return rc;
    Wire__Envelope envelope = *(const Wire__Envelope *)m->envelope.base;
    envelope.body = tc_wire_binary(body);
    envelope.sender = node;
    if (envelope.type == WIRE__TYPE__REPLY)
        client = ((const Wire__Reply *)m->statements[0].fields.base)->client;
    rc = tc_wire_seal(env, &envelope, client, arena);
    return rc != 0 ? rc : tc_wire_pack(&envelope, arena, frame);
}

int tc_envelope_remake(const struct tc_message *m, const ProtobufCMessage *body, Wire__Envelope **requests,
                       size_t request_count, struct tc_arena *arena, struct tc_slice *frame)
{
    Wire__Envelope envelope = *(const Wire__Envelope *)m->envelope.base;
    const int rc = tc_wire_set_body(&envelope, body, arena);
    if (rc != 0)
        return rc;
    if (requests) {
        envelope.requests = requests;
        envelope.n_requests = request_count;
    }
    envelope.signature = (ProtobufCBinaryData){0, NULL};
    envelope.macs = (ProtobufCBinaryData){0, NULL};
    return tc_wire_pack(&envelope, arena, frame);
}

struct tc_message tc_envelope_blank(const struct tc_message *like)
{
    if (!like)
        return (struct tc_message){.from = TC_NODE_NONE, .to = TC_NODE_NONE, .touched = true};
    return (struct tc_message){.from = like->from, .to = like->to, .conn = like->conn, .touched = true};
}

/* ---- verifying ---- */

/* A MAC convinces only who shares the key: one entry that we can compute and that fits is enough, and so is one that
 * does not fit to refuse it. Replies go to one client, whose key we may hold. */
static int verify_macs(const struct tc_protocol_env *env, const Wire__Envelope *envelope, const Wire__Reply *reply)
{
    const uint32_t first = reply ? reply->client : 0;
    const uint32_t count = reply ? 1 : env->cluster->n;
    int result = TC_EKEY;
    for (uint32_t i = 0; i < count; i++) {
        if (!tc_keyring_has_secret(env->keys, first + i) && !tc_keyring_has_secret(env->keys, envelope->sender))
            continue;
        const int rc = tc_wire_check_mac(env, envelope, first + i, first);
        if (rc == TC_ESIGNATURE)
            return rc;
        if (rc == 0)
            result = 0;
    }
    return result;
}

int tc_envelope_verify(const struct tc_protocol_env *env, const struct tc_message_row *row,
                       const struct tc_statement *s)
{
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    if (!s->fields.base || !row->is_signed)
        return s->fields.base ? 0 : TC_ESIGNATURE;
    if (s->signer == TC_NODE_NONE)
        return TC_ESIGNATURE;
    envelope.type = row->wire_type;
    envelope.sender = s->signer;
    envelope.body = tc_wire_binary(s->body);
    if (!tc_wire_uses_macs(env->cluster, row->wire_type)) {
        envelope.signature = tc_wire_binary(s->signature);
        return tc_wire_verify(env, &envelope);
    }
    envelope.macs = tc_wire_binary(s->signature);
    return verify_macs(env, &envelope, row->wire_type == WIRE__TYPE__REPLY ? s->fields.base : NULL);
}

/* ---- rules ---- */

uint16_t tc_protocol_in_turn(const struct tc_cluster *cluster, uint64_t view)
{
    return cluster->n > 0 ? (uint16_t)(view % cluster->n) : TC_NODE_NONE;
}

uint32_t tc_protocol_majority(const struct tc_cluster *cluster)
{
    return (cluster->n + cluster->f + 2) / 2;
}

uint64_t tc_protocol_recovery_ns(const struct tc_cluster *cluster, uint64_t timeout_now_ns, uint32_t leaders)
{
    uint64_t timer = timeout_now_ns ? timeout_now_ns : cluster->view_timeout_ns;
    const uint64_t cap = cluster->view_timeout_max_ns > timer ? cluster->view_timeout_max_ns : timer;
    uint64_t total = timer + cluster->view_timeout_ns;
    for (uint32_t i = 0; i < leaders + cluster->leader_count; i++) {
        timer = timer > cap / 2 ? cap : timer * 2;
        if (total > UINT64_MAX - 1 - timer)
            return UINT64_MAX - 1;
        total += timer;
    }
    return total;
}
