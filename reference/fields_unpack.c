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

static bool put_delimited(const ProtobufCFieldDescriptor *field, struct tc_slice bytes, const struct maker *maker,
                          unsigned left, void *into)
{
    if (field->type == PROTOBUF_C_TYPE_BYTES && maker->borrows) {
        /* As protobuf-c: no bytes, no pointer. */
        *(ProtobufCBinaryData *)into =
            (ProtobufCBinaryData){bytes.len, bytes.len > 0 ? (uint8_t *)(uintptr_t)bytes.data : NULL};
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return unpack_plain(field->descriptor, bytes, maker, left, into);
    const bool text = field->type == PROTOBUF_C_TYPE_STRING;
    if (!text && field->type != PROTOBUF_C_TYPE_BYTES)
        return false;
    uint8_t *copy = bytes.len > 0 || text ? tc_arena_alloc(maker->arena, bytes.len + text) : NULL;
    if (!copy && (bytes.len > 0 || text))
        return false;
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    if (text) {
        copy[bytes.len] = '\0';
        *(char **)into = (char *)copy;
    } else {
        *(ProtobufCBinaryData *)into = (ProtobufCBinaryData){bytes.len, copy};
    }
    return true;
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

/* Takes memory for the repeated fields, `bytes` being the rest of the message from the first of them on: their elements
 * are counted, then the counts begin anew. */
static bool make_room(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, struct tc_arena *arena,
                      ProtobufCMessage *message)
{
    for (size_t at = 0; at < bytes.len;) {
        uint32_t id;
        struct tc_slice payload;
        if (!read_field(bytes, &at, &id, &payload))
            return false;
        const ProtobufCFieldDescriptor *field = field_of(descriptor, id);
        if (field && field->label == PROTOBUF_C_LABEL_REPEATED)
            *count_of(message, field) += varint_max(field->type) ? numbers_in(payload) : 1;
    }
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->label != PROTOBUF_C_LABEL_REPEATED || *count_of(message, field) == 0)
            continue;
        const size_t size = tc_fields_element_size(field);
        void *room = *count_of(message, field) <= SIZE_MAX / 2 / size
                         ? tc_arena_zalloc(arena, *count_of(message, field) * size)
                         : NULL;
        if (!room)
            return false;
        *(void **)(void *)((uint8_t *)message + field->offset) = room;
        *count_of(message, field) = 0;
    }
    return true;
}

static bool put_packed(const ProtobufCFieldDescriptor *field, struct tc_slice bytes, ProtobufCMessage *message)
{
    struct reader in = reader_of(bytes);
    uint8_t *room = *(uint8_t **)(void *)((uint8_t *)message + field->offset);
    const size_t size = tc_fields_element_size(field);
    while (in.at < in.end) {
        uint64_t value;
        if (!get_varint(&in, varint_max(field->type), &value))
            return false;
        put_number(room + *count_of(message, field) * size, field->type, value);
        *count_of(message, field) += 1;
    }
    return true;
}

static bool put_repeated(const ProtobufCFieldDescriptor *field, struct tc_slice bytes, const struct maker *maker,
                         unsigned left, ProtobufCMessage *message)
{
    if (varint_max(field->type) > 0)
        return put_packed(field, bytes, message);
    uint8_t *items = *(uint8_t **)(void *)((uint8_t *)message + field->offset);
    const size_t at = (*count_of(message, field))++;
    return put_delimited(field, bytes, maker, left, items + at * tc_fields_element_size(field));
}

/* One field whose tag was read. */
static inline bool put_field(const ProtobufCFieldDescriptor *field, unsigned wire_type, struct reader *in,
                             const struct maker *maker, unsigned left, ProtobufCMessage *message)
{
    void *into = (uint8_t *)message + field->offset;
    const bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    uint64_t value;
    struct tc_slice bytes;
    if ((field->label != PROTOBUF_C_LABEL_NONE && !repeated) || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return false;
    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        const unsigned max = varint_max(field->type);
        if (repeated || max == 0 || !get_varint(in, max, &value))
            return false;
        put_number(into, field->type, value);
        return true;
    }
    if (wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED || !get_bytes(in, &bytes))
        return false;
    if (repeated)
        return put_repeated(field, bytes, maker, left, message);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage **)into)
        return false; /* said twice: they would have to be merged */
    return put_delimited(field, bytes, maker, left, into);
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
    bool has_room = false;
    while (in.at < in.end) {
        const struct tc_slice rest = {in.at, (size_t)(in.end - in.at)};
        uint64_t tag;
        if (!get_varint(&in, VARINT_MAX_32, &tag))
            return false;
        const ProtobufCFieldDescriptor *field = field_of(descriptor, tag >> 3);
        if (!field)
            return false;
        if (field->label == PROTOBUF_C_LABEL_REPEATED && !has_room) {
            if (!make_room(descriptor, rest, maker->arena, message))
                return false;
            has_room = true;
        }
        if (!put_field(field, (unsigned)(tag & 7), &in, maker, left - 1, message))
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
