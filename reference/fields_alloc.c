/* protobuf-c on an arena. */
#include "fields_alloc.h"

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
