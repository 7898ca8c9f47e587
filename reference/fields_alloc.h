/* protobuf-c on an arena: unpacking whose memory is one bump allocation a field and goes with the
 * frame. The only header of fields that names protobuf-c. */
#ifndef TC_FIELDS_ALLOC_H
#define TC_FIELDS_ALLOC_H

#include "fields.h"
#include <protobuf-c/protobuf-c.h>

#define TC_FIELDS_DEPTH_MAX 8 /* messages inside messages; deeper input is malformed */

/* An allocator that takes from `arena` (borrowed) and never frees. Returned by value; pass its address. */
ProtobufCAllocator tc_fields_allocator(struct tc_arena *arena);

/* Unpacks `bytes` as the message `descriptor` names, into `arena`. *base is what was made.
 * TC_EMALFORMED: not such a message, or nested deeper than TC_FIELDS_DEPTH_MAX (protobuf-c recurses
 * without a bound, so depth is measured first); TC_ELIMIT: the arena is full. */
int tc_fields_unpack(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, struct tc_arena *arena,
                     ProtobufCMessage **base);

/* The same for bytes that outlive the arena's content: what is bytes in the message points into them. Nobody may write
 * there: a field is changed by giving it other bytes. */
int tc_fields_unpack_borrowed(const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes,
                              struct tc_arena *arena, ProtobufCMessage **base);

/* The packed bytes of a message in `arena`. TC_ELIMIT if they do not fit. */
int tc_fields_pack(const ProtobufCMessage *base, struct tc_arena *arena, struct tc_slice *bytes);

/* The same with `head` bytes in front, which the caller fills. */
int tc_fields_pack_behind(const ProtobufCMessage *base, size_t head, struct tc_arena *arena, struct tc_slice *bytes);

/* The address of a field inside a message. */
static inline void *tc_fields_at(const struct tc_fields *fields, size_t offset)
{
    return (uint8_t *)fields->base + offset;
}

/* The descriptor of the field with that name; NULL if there is none or the message is absent. */
const ProtobufCFieldDescriptor *tc_fields_find(struct tc_fields fields, const char *name);

/* What scripts call a protobuf-c type; TC_FIELD_NONE for those they cannot reach (floating point). */
enum tc_field_type tc_fields_type_of(const ProtobufCFieldDescriptor *field);

/* Bytes that one element of a field takes in memory. */
size_t tc_fields_element_size(const ProtobufCFieldDescriptor *field);

#endif
