/* Protobuf read by hand, for the few messages that come so often that the generic unpacker is too slow: it answers
 * false to whatever is not as its author expects (longer numbers, too), and the generic one has the last word. */
#ifndef TC_FIELDS_SCAN_H
#define TC_FIELDS_SCAN_H

#include "../proxy/types.h"

#include <protobuf-c/protobuf-c.h>

struct tc_scan {
    const uint8_t *at, *end;
};

/* Tags of fields below 16. */
#define TC_SCAN_VARINT(id) ((id) << 3)
#define TC_SCAN_BYTES(id)  ((id) << 3 | 2)

static inline struct tc_scan tc_scan_of(struct tc_slice bytes)
{
    return (struct tc_scan){bytes.data, bytes.len > 0 ? bytes.data + bytes.len : bytes.data};
}

/* A number of at most `most` bytes; false for anything longer or cut off. */
static inline bool tc_scan_number(struct tc_scan *in, unsigned most, uint64_t *value)
{
    uint64_t result = 0;
    if (in->at < in->end && *in->at < 0x80) {
        *value = *in->at++;
        return true;
    }
    for (unsigned i = 0; i < most && in->at < in->end; i++) {
        const uint8_t byte = *in->at++;
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

/* A number of 32 bits, if it is below 2^28. */
static inline bool tc_scan_small(struct tc_scan *in, uint32_t *value)
{
    uint64_t number = 0;
    const bool good = tc_scan_number(in, 4, &number);
    *value = (uint32_t)number;
    return good;
}

static inline bool tc_scan_bytes(struct tc_scan *in, ProtobufCBinaryData *bytes)
{
    uint64_t length;
    if (!tc_scan_number(in, 4, &length) || length > (uint64_t)(in->end - in->at))
        return false;
    /* As protobuf-c: no bytes, no pointer. */
    *bytes = (ProtobufCBinaryData){(size_t)length, length ? (uint8_t *)(uintptr_t)in->at : NULL};
    in->at += length;
    return true;
}

/* As many elements as follow one another at `in`, which is behind the tag of the first; 0: one is cut off. */
static inline size_t tc_scan_count(struct tc_scan in, uint8_t tag)
{
    ProtobufCBinaryData element;
    size_t count = 0;
    do {
        if (!tc_scan_bytes(&in, &element))
            return 0;
        count++;
    } while (in.at < in.end && *in.at++ == tag);
    return count;
}

#endif
