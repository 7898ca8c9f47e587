/* Packing what is plain and small ourselves, as in fields_unpack.c; the rest is left to protobuf-c. The bytes are the
 * same. */
#include "fields_alloc.h"
#include "fields_back.h"

#define PLAIN_MAX 4096 /* bytes; larger messages are protobuf-c's */

/* How a field is coded; CODE_OTHER is left to protobuf-c. */
enum code { CODE_OTHER, CODE_UNSIGNED_32, CODE_SIGNED_32, CODE_64, CODE_BOOL, CODE_BYTES, CODE_TEXT, CODE_MESSAGE };

static inline enum code code_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_UINT32:
        return CODE_UNSIGNED_32;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return CODE_SIGNED_32;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
        return CODE_64;
    case PROTOBUF_C_TYPE_BOOL:
        return CODE_BOOL;
    case PROTOBUF_C_TYPE_BYTES:
        return CODE_BYTES;
    case PROTOBUF_C_TYPE_STRING:
        return CODE_TEXT;
    case PROTOBUF_C_TYPE_MESSAGE:
        return CODE_MESSAGE;
    default:
        return CODE_OTHER;
    }
}

/* Bytes from one element of a list to the next. */
static inline size_t stride_of(enum code code)
{
    switch (code) {
    case CODE_64:
        return 8;
    case CODE_BOOL:
        return sizeof(protobuf_c_boolean);
    case CODE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case CODE_TEXT:
    case CODE_MESSAGE:
        return sizeof(void *);
    default:
        return 4;
    }
}

static inline uint64_t number_at(enum code code, const void *at)
{
    switch (code) {
    case CODE_64:
        return *(const uint64_t *)at;
    case CODE_BOOL:
        return *(const protobuf_c_boolean *)at != 0;
    case CODE_SIGNED_32: /* a negative one is coded with 64 bits */
        return (uint64_t)(int64_t) * (const int32_t *)at;
    default:
        return *(const uint32_t *)at;
    }
}

static inline struct tc_slice slice_at(enum code code, const void *at)
{
    if (code == CODE_BYTES) {
        const ProtobufCBinaryData *bytes = at;
        return (struct tc_slice){bytes->data, bytes->len};
    }
    const char *text = *(const char *const *)at;
    return (struct tc_slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

static bool back_message(struct tc_back *out, const ProtobufCMessage *message);

static bool back_nested(struct tc_back *out, uint32_t id, const ProtobufCMessage *message)
{
    const uint8_t *end = out->at;
    return message && back_message(out, message) && tc_back_head(out, id, end);
}

/* One element of a list, with its tag: even if there is nothing in it. */
static bool back_element(struct tc_back *out, enum code code, uint32_t id, const void *element)
{
    if (code == CODE_MESSAGE)
        return back_nested(out, id, *(const ProtobufCMessage *const *)element);
    return tc_back_field(out, id, slice_at(code, element));
}

/* A field that comes once, with its tag; nothing if there is nothing in it. */
static inline bool back_single(struct tc_back *out, enum code code, uint32_t id, const void *at)
{
    if (code < CODE_BYTES)
        return tc_back_number(out, id, number_at(code, at));
    if (code == CODE_MESSAGE) {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)at;
        return !message || back_nested(out, id, message);
    }
    const struct tc_slice slice = slice_at(code, at);
    return slice.len == 0 || tc_back_field(out, id, slice);
}

static bool back_repeated(struct tc_back *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                          enum code code)
{
    const uint8_t *elements = *(const uint8_t *const *)(const void *)((const uint8_t *)message + field->offset);
    const size_t count = *(const size_t *)(const void *)((const uint8_t *)message + field->quantifier_offset);
    if (count == 0)
        return true;
    const size_t stride = stride_of(code);
    const uint8_t *end = out->at;
    if (code < CODE_BYTES && !(field->flags & PROTOBUF_C_FIELD_FLAG_PACKED))
        return false;
    for (size_t i = count; i > 0; i--) {
        const uint8_t *element = elements + (i - 1) * stride;
        if (code < CODE_BYTES ? !tc_back_varint(out, number_at(code, element))
                              : !back_element(out, code, field->id, element))
            return false;
    }
    return code >= CODE_BYTES || tc_back_head(out, field->id, end);
}

/* False: it does not fit, or something is not plain. */
static bool back_message(struct tc_back *out, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (message->n_unknown_fields > 0)
        return false;
    for (unsigned i = descriptor->n_fields; i > 0; i--) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i - 1];
        const enum code code = code_of(field->type);
        const void *at = (const uint8_t *)message + field->offset;
        if (code == CODE_OTHER || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
            return false;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!back_repeated(out, message, field, code))
                return false;
        } else if (field->label != PROTOBUF_C_LABEL_NONE || !back_single(out, code, field->id, at)) {
            return false;
        }
    }
    return true;
}

int tc_fields_pack_behind(const ProtobufCMessage *base, size_t head, struct tc_arena *arena, struct tc_slice *bytes)
{
    uint8_t buffer[PLAIN_MAX];
    struct tc_back back = {buffer, buffer + sizeof buffer};
    const bool plain = back_message(&back, base);
    const size_t size = plain ? (size_t)(buffer + sizeof buffer - back.at) : protobuf_c_message_get_packed_size(base);
    if (size > TC_FRAME_MAX)
        return TC_ELIMIT;
    uint8_t *out = tc_arena_alloc(arena, head + size);
    if (!out)
        return TC_ELIMIT;
    if (plain)
        memcpy(out + head, back.at, size);
    else
        protobuf_c_message_pack(base, out + head);
    *bytes = (struct tc_slice){out, head + size};
    return 0;
}

int tc_fields_pack(const ProtobufCMessage *base, struct tc_arena *arena, struct tc_slice *bytes)
{
    return tc_fields_pack_behind(base, 0, arena, bytes);
}
