/* Protobuf written by hand, from the end: what comes in front of a message is its length, which is known by then. So
 * fields are put in falling order, the last element of a list first, and a nested message before its head. For the
 * generic packer, and for the few records that are written so often that it is too slow. Each answers false if there is
 * no room. */
#ifndef TC_FIELDS_BACK_H
#define TC_FIELDS_BACK_H

#include "../proxy/types.h"

#include <string.h>

struct tc_back {
    uint8_t *begin, *at; /* the room; at: the first byte written so far */
};

enum { TC_BACK_VARINT = 0, TC_BACK_DELIMITED = 2 }; /* wire types */

static inline bool tc_back_varint(struct tc_back *out, uint64_t value)
{
    if (value < 0x80 && out->at > out->begin) { /* most are one byte */
        *--out->at = (uint8_t)value;
        return true;
    }
    const size_t size = (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
    if ((size_t)(out->at - out->begin) < size)
        return false;
    uint8_t *at = out->at -= size;
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at = (uint8_t)value;
    return true;
}

static inline bool tc_back_tag(struct tc_back *out, uint32_t id, unsigned wire_type)
{
    return tc_back_varint(out, (uint64_t)id << 3 | wire_type);
}

/* A number field; nothing if it is 0. */
static inline bool tc_back_number(struct tc_back *out, uint32_t id, uint64_t value)
{
    return value == 0 || (tc_back_varint(out, value) && tc_back_tag(out, id, TC_BACK_VARINT));
}

/* Bytes and their length. */
static inline bool tc_back_bytes(struct tc_back *out, struct tc_slice bytes)
{
    if ((size_t)(out->at - out->begin) < bytes.len)
        return false;
    out->at -= bytes.len;
    if (bytes.len > 0)
        memcpy(out->at, bytes.data, bytes.len);
    return tc_back_varint(out, bytes.len);
}

/* Bytes as a field: there even if they are none. */
static inline bool tc_back_field(struct tc_back *out, uint32_t id, struct tc_slice bytes)
{
    return tc_back_bytes(out, bytes) && tc_back_tag(out, id, TC_BACK_DELIMITED);
}

/* Length and tag of what was written since `end`, where `at` was then. */
static inline bool tc_back_head(struct tc_back *out, uint32_t id, const uint8_t *end)
{
    return tc_back_varint(out, (size_t)(end - out->at)) && tc_back_tag(out, id, TC_BACK_DELIMITED);
}

#endif
