/* The two messages that make up nearly all traffic, envelope and vote, read without the generic unpacker: a third of
 * its cost, and bytes are borrowed instead of copied. Anything unusual (unknown fields, a batch, other wire types, long
 * numbers) is left to protobuf-c; the result is the same either way. */
#include "protocol_parts.h"

struct scanner {
    const uint8_t *at, *end;
};

/* A number of at most `most` bytes; false for anything longer or cut off. */
static inline bool scan_number(struct scanner *in, unsigned most, uint64_t *value)
{
    uint64_t result = 0;
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

static inline bool scan_bytes(struct scanner *in, ProtobufCBinaryData *bytes)
{
    uint64_t length;
    if (!scan_number(in, 4, &length) || length > (uint64_t)(in->end - in->at))
        return false;
    /* As protobuf-c: no bytes, no pointer. */
    *bytes = (ProtobufCBinaryData){(size_t)length, length ? (uint8_t *)(uintptr_t)in->at : NULL};
    in->at += length;
    return true;
}

#define VARINT(id) ((id) << 3)
#define BYTES(id)  ((id) << 3 | 2)

bool tc_pbft_scan_envelope(struct tc_slice frame, Pbft__Envelope *envelope)
{
    if (frame.len == 0 || tc_pbft_frame(frame) != (int64_t)frame.len)
        return false;
    struct scanner in = {frame.data + TC_PBFT_LENGTH_SIZE, frame.data + frame.len};
    uint64_t number = 0;
    pbft__envelope__init(envelope);
    while (in.at < in.end) {
        bool good;
        switch (*in.at++) {
        case VARINT(1):
            good = scan_number(&in, 4, &number);
            envelope->type = (Pbft__Type)number;
            break;
        case VARINT(2):
            good = scan_number(&in, 4, &number);
            envelope->sender = (uint32_t)number;
            break;
        case BYTES(3):
            good = scan_bytes(&in, &envelope->body);
            break;
        case BYTES(4):
            good = scan_bytes(&in, &envelope->signature);
            break;
        case BYTES(5):
            good = scan_bytes(&in, &envelope->macs);
            break;
        default:
            good = false;
        }
        if (!good)
            return false;
    }
    return true;
}

bool tc_pbft_scan_vote(struct tc_slice body, const ProtobufCMessageDescriptor *descriptor, Pbft__Prepare *vote)
{
    *vote = (Pbft__Prepare){.base = PROTOBUF_C_MESSAGE_INIT(descriptor)};
    if (body.len == 0)
        return true;
    struct scanner in = {body.data, body.data + body.len};
    while (in.at < in.end) {
        bool good;
        switch (*in.at++) {
        case VARINT(1):
            good = scan_number(&in, 9, &vote->view);
            break;
        case VARINT(2):
            good = scan_number(&in, 9, &vote->sequence);
            break;
        case BYTES(3):
            good = scan_bytes(&in, &vote->digest);
            break;
        default:
            good = false;
        }
        if (!good)
            return false;
    }
    return true;
}
