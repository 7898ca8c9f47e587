/* Unpacking. What is plain (known fields of the types that messages here are made of, each as its schema says) is read
 * in one pass; whatever is not is left to protobuf-c, whose word is final: it costs several times as much. */
#include "fields_alloc.h"
#include <string.h>

#define VARINT_MAX    9 /* bytes; longer ones are left to protobuf-c */
#define VARINT_MAX_32 5

/* A failed allocation must be told apart from malformed input: protobuf-c answers NULL to both. */
struct unpack_state {
    struct tc_arena *arena;
    bool full;
};

static void *state_allocate(void *data, size_t size)
{
    struct unpack_state *state = data;
    void *made = tc_arena_alloc(state->arena, size);
    if (!made)
        state->full = true;
    return made;
}

static void state_release(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

/* ---- bytes ---- */

/* One varint at *at; false if it does not end within `in`. */
static bool read_varint(struct tc_slice in, size_t *at, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64 && *at < in.len; shift += 7) {
        const uint8_t byte = in.data[*at];
        *at += 1;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = result;
            return true;
        }
    }
    return false;
}

/* The payload of the field at *at, which moves behind it. false if the input is broken there. */
static bool read_field(struct tc_slice in, size_t *at, uint32_t *id, struct tc_slice *payload)
{
    uint64_t tag, length = 0, number;
    /* No field has number 0; protobuf-c takes one written overlong, and refuses what it then packs itself. */
    if (!read_varint(in, at, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
        return false;
    *id = (uint32_t)(tag >> 3);
    if ((tag & 7) == 0) {
        if (!read_varint(in, at, &number))
            return false;
    } else if ((tag & 7) == 1) {
        length = 8;
    } else if ((tag & 7) == 2) {
        if (!read_varint(in, at, &length))
            return false;
    } else if ((tag & 7) == 5) {
        length = 4;
    } else {
        return false;
    }
    if (length > in.len - *at)
        return false;
    *payload = (struct tc_slice){in.data + *at, (size_t)length};
    *at += (size_t)length;
    return true;
}

/* ---- what protobuf-c would take and should not ---- */

/* Which field numbers below 64 are messages: all, in the protocols we know. */
static uint64_t message_fields(const ProtobufCMessageDescriptor *descriptor, bool *others)
{
    uint64_t ids = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (descriptor->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (descriptor->fields[i].id < 64)
            ids |= UINT64_C(1) << descriptor->fields[i].id;
        else
            *others = true;
    }
    return ids;
}

/* Whole fields, no deeper than `left` messages. */
static bool well_formed(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, unsigned left)
{
    bool others = false;
    const uint64_t ids = message_fields(descriptor, &others);
    if ((ids != 0 || others) && left == 0)
        return false;
    for (size_t at = 0; at < bytes.len;) {
        uint32_t id;
        struct tc_slice payload;
        if (!read_field(bytes, &at, &id, &payload))
            return false;
        if (id < 64 ? !(ids >> id & 1) : !others)
            continue;
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, id);
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE && !well_formed(field->descriptor, payload, left - 1))
            return false;
    }
    return true;
}

/* ---- plain messages ---- */

struct reader {
    const uint8_t *at, *end;
};

static struct reader reader_of(struct tc_slice bytes)
{
    return (struct reader){bytes.data, bytes.len > 0 ? bytes.data + bytes.len : bytes.data};
}

/* False: it does not end, or is longer than `max` bytes. */
static inline bool get_varint(struct reader *in, unsigned max, uint64_t *value)
{
    if (in->at < in->end && *in->at < 0x80) { /* most are one byte */
        *value = *in->at++;
        return true;
    }
    uint64_t result = 0;
    for (unsigned i = 0; i < max && in->at < in->end; i++) {
        const uint8_t byte = *in->at++;
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *value = result;
            return true;
        }
    }
    return false;
}

static inline bool get_bytes(struct reader *in, struct tc_slice *bytes)
{
    uint64_t length;
    if (!get_varint(in, VARINT_MAX_32, &length) || length > (size_t)(in->end - in->at))
        return false;
    *bytes = (struct tc_slice){in->at, (size_t)length};
    in->at += length;
    return true;
}

static inline const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *descriptor, uint64_t id)
{
    if (id - 1 < descriptor->n_fields && descriptor->fields[id - 1].id == id) /* numbered from 1 on, as most are */
        return &descriptor->fields[id - 1];
    return id < INT32_MAX ? protobuf_c_message_descriptor_get_field(descriptor, (unsigned)id) : NULL;
}

/* Is it a number that comes as a varint, and how long may it be? 0: it is not, or one that is coded otherwise. */
static inline unsigned varint_max(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
        return VARINT_MAX_32;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
        return VARINT_MAX;
    default:
        return 0;
    }
}

static inline void put_number(void *into, ProtobufCType type, uint64_t value)
{
    if (type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_INT64)
        *(uint64_t *)into = value;
    else if (type == PROTOBUF_C_TYPE_BOOL)
        *(protobuf_c_boolean *)into = value != 0;
    else
        *(uint32_t *)into = (uint32_t)value;
}

/* Where what is made goes, and whether bytes stay where they are. */
struct maker {
    struct tc_arena *arena;
    bool borrows;
};

static bool unpack_plain(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, const struct maker *maker,
                         unsigned left, ProtobufCMessage **out);

static bool put_bytes(struct tc_slice bytes, const struct maker *maker, ProtobufCBinaryData *into)
{
    uint8_t *data = NULL; /* as protobuf-c: no bytes, no pointer */
    if (bytes.len > 0 && maker->borrows) {
        data = (uint8_t *)(uintptr_t)bytes.data;
    } else if (bytes.len > 0) {
        data = tc_arena_alloc(maker->arena, bytes.len);
        if (!data)
            return false;
        memcpy(data, bytes.data, bytes.len);
    }
    *into = (ProtobufCBinaryData){bytes.len, data};
    return true;
}

static bool put_text(struct tc_slice bytes, const struct maker *maker, char **into)
{
    *into = tc_arena_alloc(maker->arena, bytes.len + 1);
    if (!*into)
        return false;
    if (bytes.len > 0)
        memcpy(*into, bytes.data, bytes.len);
    (*into)[bytes.len] = '\0';
    return true;
}

static inline bool put_delimited(const ProtobufCFieldDescriptor *field, struct tc_slice bytes,
                                 const struct maker *maker, unsigned left, void *into)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BYTES:
        return put_bytes(bytes, maker, into);
    case PROTOBUF_C_TYPE_MESSAGE:
        return unpack_plain(field->descriptor, bytes, maker, left, into);
    case PROTOBUF_C_TYPE_STRING:
        return put_text(bytes, maker, into);
    default:
        return false;
    }
}

static size_t *count_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (size_t *)(void *)((uint8_t *)message + field->quantifier_offset);
}

/* Numbers packed into one field: as many as there are bytes that end one. */
static size_t numbers_in(struct tc_slice bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes.len; i++)
        count += !(bytes.data[i] & 0x80);
    return count;
}

static bool put_packed(const ProtobufCFieldDescriptor *field, struct tc_slice bytes, const struct maker *maker,
                       ProtobufCMessage *message)
{
    const size_t size = tc_fields_element_size(field), count = numbers_in(bytes);
    struct reader in = reader_of(bytes);
    if (count == 0)
        return bytes.len == 0;
    uint8_t *room = tc_arena_alloc(maker->arena, count * size);
    if (!room)
        return false;
    *(void **)(void *)((uint8_t *)message + field->offset) = room;
    *count_of(message, field) = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        if (!get_varint(&in, varint_max(field->type), &value))
            return false;
        put_number(room + i * size, field->type, value);
    }
    return in.at == in.end;
}

/* How many elements follow one another at `in`, which is behind the tag of the first; 0: broken. */
static size_t count_elements(struct reader in, uint64_t tag)
{
    struct tc_slice element;
    uint64_t next = tag;
    size_t count = 0;
    for (; next == tag; count++) {
        if (!get_bytes(&in, &element))
            return 0;
        if (in.at == in.end || !get_varint(&in, VARINT_MAX_32, &next))
            return count + 1;
    }
    return count;
}

/* A list, from its first element on, behind whose tag `in` is. */
static bool put_elements(const ProtobufCFieldDescriptor *field, uint64_t tag, struct reader *in,
                         const struct maker *maker, unsigned left, ProtobufCMessage *message)
{
    const size_t size = tc_fields_element_size(field), count = count_elements(*in, tag);
    uint8_t *room = count > 0 && count <= SIZE_MAX / 2 / size ? tc_arena_alloc(maker->arena, count * size) : NULL;
    if (!room)
        return false;
    *(void **)(void *)((uint8_t *)message + field->offset) = room;
    *count_of(message, field) = count;
    for (size_t i = 0; i < count; i++) {
        struct tc_slice element;
        uint64_t same;
        if ((i > 0 && !get_varint(in, VARINT_MAX_32, &same)) || !get_bytes(in, &element) ||
            !put_delimited(field, element, maker, left, room + i * size))
            return false;
    }
    return true;
}

/* All elements of a repeated field stand together, or it is not plain. */
static bool put_repeated(const ProtobufCFieldDescriptor *field, uint64_t tag, struct reader *in,
                         const struct maker *maker, unsigned left, ProtobufCMessage *message)
{
    struct tc_slice bytes;
    if (*count_of(message, field) > 0)
        return false;
    if (varint_max(field->type) > 0)
        return get_bytes(in, &bytes) && put_packed(field, bytes, maker, message);
    return put_elements(field, tag, in, maker, left, message);
}

/* One field whose tag was read. */
static inline bool put_field(const ProtobufCFieldDescriptor *field, uint64_t tag, struct reader *in,
                             const struct maker *maker, unsigned left, ProtobufCMessage *message)
{
    void *into = (uint8_t *)message + field->offset;
    const bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    uint64_t value;
    struct tc_slice bytes;
    if ((field->label != PROTOBUF_C_LABEL_NONE && !repeated) || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return false;
    if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_VARINT) {
        const unsigned max = varint_max(field->type);
        if (repeated || max == 0 || !get_varint(in, max, &value))
            return false;
        put_number(into, field->type, value);
        return true;
    }
    if ((tag & 7) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return false;
    if (repeated)
        return put_repeated(field, tag, in, maker, left, message);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage **)into)
        return false; /* said twice: they would have to be merged */
    return get_bytes(in, &bytes) && put_delimited(field, bytes, maker, left, into);
}

/* False: it is not plain, not well-formed, too deep or too large; the other way finds out which. */
static bool unpack_plain(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, const struct maker *maker,
                         unsigned left, ProtobufCMessage **out)
{
    bool others = false;
    if (left == 0 && (message_fields(descriptor, &others) || others))
        return false;
    ProtobufCMessage *message = tc_arena_alloc(maker->arena, descriptor->sizeof_message);
    if (!message || !descriptor->message_init)
        return false;
    descriptor->message_init(message);
    struct reader in = reader_of(bytes);
    while (in.at < in.end) {
        uint64_t tag;
        if (!get_varint(&in, VARINT_MAX_32, &tag))
            return false;
        const ProtobufCFieldDescriptor *field = field_of(descriptor, tag >> 3);
        if (!field || !put_field(field, tag, &in, maker, left - 1, message))
            return false;
    }
    *out = message;
    return true;
}

static int unpack(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, const struct maker *maker,
                  ProtobufCMessage **base)
{
    if (unpack_plain(descriptor, bytes, maker, TC_FIELDS_DEPTH_MAX, base))
        return 0;
    struct unpack_state state = {.arena = maker->arena};
    ProtobufCAllocator allocator = {.alloc = state_allocate, .free = state_release, .allocator_data = &state};
    if (!well_formed(descriptor, bytes, TC_FIELDS_DEPTH_MAX))
        return TC_EMALFORMED;
    *base = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
    if (*base)
        return 0;
    return state.full ? TC_ELIMIT : TC_EMALFORMED;
}

int tc_fields_unpack(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, struct tc_arena *arena,
                     ProtobufCMessage **base)
{
    return unpack(descriptor, bytes, &(struct maker){.arena = arena}, base);
}

int tc_fields_unpack_borrowed(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes,
                              struct tc_arena *arena, ProtobufCMessage **base)
{
    return unpack(descriptor, bytes, &(struct maker){.arena = arena, .borrows = true}, base);
}
