/* protobuf-c on an arena. */
#include "fields_alloc.h"
#include <string.h>

/* A failed allocation must be told apart from malformed input: protobuf-c answers NULL to both. */
struct unpack_state {
    struct tc_arena *arena;
    bool full;
};

static void *arena_allocate(void *data, size_t size)
{
    return tc_arena_alloc(data, size);
}

static void arena_release(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

ProtobufCAllocator tc_fields_allocator(struct tc_arena *arena)
{
    return (ProtobufCAllocator){.alloc = arena_allocate, .free = arena_release, .allocator_data = arena};
}

static void *state_allocate(void *data, size_t size)
{
    struct unpack_state *state = data;
    void *made = tc_arena_alloc(state->arena, size);
    if (!made)
        state->full = true;
    return made;
}

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
    if (!read_varint(in, at, &tag) || tag >> 3 > UINT32_MAX)
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

static bool depth_within(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, unsigned left)
{
    bool others = false;
    const uint64_t ids = message_fields(descriptor, &others);
    if (ids == 0 && !others)
        return true;
    if (left == 0)
        return false;
    for (size_t at = 0; at < bytes.len;) {
        uint32_t id;
        struct tc_slice payload;
        if (!read_field(bytes, &at, &id, &payload))
            return false;
        if (id < 64 ? !(ids >> id & 1) : !others)
            continue;
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, id);
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE && !depth_within(field->descriptor, payload, left - 1))
            return false;
    }
    return true;
}

int tc_fields_unpack(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, struct tc_arena *arena,
                     ProtobufCMessage **base)
{
    struct unpack_state state = {.arena = arena};
    ProtobufCAllocator allocator = {.alloc = state_allocate, .free = arena_release, .allocator_data = &state};
    if (!depth_within(descriptor, bytes, TC_FIELDS_DEPTH_MAX))
        return TC_EMALFORMED;
    *base = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
    if (*base)
        return 0;
    return state.full ? TC_ELIMIT : TC_EMALFORMED;
}

int tc_fields_pack(const ProtobufCMessage *base, struct tc_arena *arena, struct tc_slice *bytes)
{
    const size_t size = protobuf_c_message_get_packed_size(base);
    if (size > TC_FRAME_MAX)
        return TC_ELIMIT;
    uint8_t *out = tc_arena_alloc(arena, size);
    if (!out)
        return TC_ELIMIT;
    protobuf_c_message_pack(base, out);
    *bytes = (struct tc_slice){out, size};
    return 0;
}
