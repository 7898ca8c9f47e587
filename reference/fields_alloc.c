/* protobuf-c on an arena. */
#include "fields_alloc.h"
#include <string.h>

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
