/* Packing what is plain ourselves, as in fields_unpack.c; the rest is left to protobuf-c. The bytes are the same. */
#include "fields_alloc.h"
#include <string.h>

/* How a field is coded; CODE_OTHER is left to protobuf-c. */
enum code { CODE_OTHER, CODE_UNSIGNED_32, CODE_SIGNED_32, CODE_64, CODE_BOOL, CODE_BYTES, CODE_TEXT, CODE_MESSAGE };

static enum code code_of(ProtobufCType type)
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

static uint64_t number_at(enum code code, const void *at)
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

static struct tc_slice slice_at(enum code code, const void *at)
{
    if (code == CODE_BYTES) {
        const ProtobufCBinaryData *bytes = at;
        return (struct tc_slice){bytes->data, bytes->len};
    }
    const char *text = *(const char *const *)at;
    return (struct tc_slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

static size_t varint_size(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

/* The packed size; false: something is not plain. Until that is known, nothing is packed. */
static bool plain_size(const ProtobufCMessage *message, size_t *size);
static uint8_t *plain_pack(const ProtobufCMessage *message, uint8_t *at);

/* One element without its tag: a number, or length and bytes. False: it is left to protobuf-c. */
static bool element_size(enum code code, const void *at, size_t *size)
{
    size_t len;
    if (code < CODE_BYTES) {
        *size = varint_size(number_at(code, at));
        return true;
    }
    if (code == CODE_MESSAGE) {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)at;
        if (!message || !plain_size(message, &len))
            return false;
    } else {
        len = slice_at(code, at).len;
    }
    *size = varint_size(len) + len;
    return true;
}

static bool is_absent(enum code code, const void *at)
{
    if (code == CODE_MESSAGE)
        return *(const void *const *)at == NULL;
    return code < CODE_BYTES ? number_at(code, at) == 0 : slice_at(code, at).len == 0;
}

struct elements {
    const uint8_t *at;
    size_t count, stride;
    bool packed;
};

/* The elements of a field that will be written: at most one if it is not repeated. False: left to protobuf-c. */
static bool elements_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, enum code code,
                        struct elements *out)
{
    const uint8_t *at = (const uint8_t *)message + field->offset;
    *out = (struct elements){.at = at};
    if (code == CODE_OTHER || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return false;
    if (field->label == PROTOBUF_C_LABEL_NONE) {
        out->count = !is_absent(code, at);
        return true;
    }
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    out->at = *(const uint8_t *const *)(const void *)at;
    out->count = *(const size_t *)(const void *)((const uint8_t *)message + field->quantifier_offset);
    out->stride = tc_fields_element_size(field);
    out->packed = code < CODE_BYTES && out->count > 0;
    return !out->packed || (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED);
}

static bool elements_size(enum code code, const struct elements *elements, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < elements->count; i++) {
        size_t size;
        if (!element_size(code, elements->at + i * elements->stride, &size))
            return false;
        *total += size;
    }
    return true;
}

static bool plain_size(const ProtobufCMessage *message, size_t *size)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (message->n_unknown_fields > 0)
        return false;
    *size = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const enum code code = code_of(field->type);
        struct elements elements;
        size_t total;
        if (!elements_of(message, field, code, &elements) || !elements_size(code, &elements, &total))
            return false;
        const size_t tag = varint_size((uint64_t)field->id << 3);
        *size += total + (elements.packed ? tag + varint_size(total) : elements.count * tag);
    }
    return true;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_element(uint8_t *at, enum code code, const void *element)
{
    if (code < CODE_BYTES)
        return put_varint(at, number_at(code, element));
    if (code == CODE_MESSAGE) {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)element;
        size_t len = 0;
        (void)plain_size(message, &len);
        return plain_pack(message, put_varint(at, len));
    }
    const struct tc_slice bytes = slice_at(code, element);
    at = put_varint(at, bytes.len);
    if (bytes.len > 0)
        memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

static uint8_t *plain_pack(const ProtobufCMessage *message, uint8_t *at)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const enum code code = code_of(field->type);
        const unsigned wire = code < CODE_BYTES ? PROTOBUF_C_WIRE_TYPE_VARINT : PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
        struct elements elements;
        size_t total;
        (void)elements_of(message, field, code, &elements);
        if (elements.packed) {
            (void)elements_size(code, &elements, &total);
            at = put_varint(at, (uint64_t)field->id << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
            at = put_varint(at, total);
        }
        for (size_t k = 0; k < elements.count; k++) {
            if (!elements.packed)
                at = put_varint(at, (uint64_t)field->id << 3 | wire);
            at = put_element(at, code, elements.at + k * elements.stride);
        }
    }
    return at;
}

size_t tc_fields_packed_size(const ProtobufCMessage *base)
{
    size_t size;
    return plain_size(base, &size) ? size : protobuf_c_message_get_packed_size(base);
}

void tc_fields_pack_into(const ProtobufCMessage *base, uint8_t *out)
{
    size_t size;
    if (plain_size(base, &size))
        plain_pack(base, out);
    else
        protobuf_c_message_pack(base, out);
}

int tc_fields_pack_behind(const ProtobufCMessage *base, size_t head, struct tc_arena *arena, struct tc_slice *bytes)
{
    size_t size;
    const bool plain = plain_size(base, &size);
    if (!plain)
        size = protobuf_c_message_get_packed_size(base);
    if (size > TC_FRAME_MAX - head)
        return TC_ELIMIT;
    uint8_t *out = tc_arena_alloc(arena, head + size);
    if (!out)
        return TC_ELIMIT;
    if (plain)
        plain_pack(base, out + head);
    else
        protobuf_c_message_pack(base, out + head);
    *bytes = (struct tc_slice){out, head + size};
    return 0;
}

int tc_fields_pack(const ProtobufCMessage *base, struct tc_arena *arena, struct tc_slice *bytes)
{
    return tc_fields_pack_behind(base, 0, arena, bytes);
}
