/* The two messages that make up nearly all traffic, envelope and vote, read and written without the generic unpacker
 * and packer: a third of their cost, and what is read borrows its bytes instead of copying them. Anything unusual
 * (unknown fields, other wire types, long numbers) is left to those; the result is the same either way. */
#include "fields_scan.h"
#include "wire.h"

#include <string.h>

#define VARINT TC_SCAN_VARINT
#define BYTES  TC_SCAN_BYTES

/* One field of an envelope that is not a request. */
static inline bool scan_field(struct tc_scan *in, uint8_t tag, Wire__Envelope *envelope)
{
    uint64_t number = 0;
    bool good;
    switch (tag) {
    case VARINT(1):
        good = tc_scan_number(in, 4, &number);
        envelope->type = (uint32_t)number;
        return good;
    case VARINT(2):
        good = tc_scan_number(in, 4, &number);
        envelope->sender = (uint32_t)number;
        return good;
    case BYTES(3):
        return tc_scan_bytes(in, &envelope->body);
    case BYTES(4):
        return tc_scan_bytes(in, &envelope->signature);
    case BYTES(5):
        return tc_scan_bytes(in, &envelope->macs);
    default:
        return false;
    }
}

/* Is this field next? Then it is taken: fields come in the order of their numbers, from nearly everybody, and one that
 * is awaited costs less than one that is looked up. */
static inline bool scan_awaited(struct tc_scan *in, uint8_t tag, Wire__Envelope *envelope)
{
    if (in->at == in->end || *in->at != tag)
        return true;
    in->at++;
    return scan_field(in, tag, envelope);
}

static inline bool scan_in_order(struct tc_scan *in, Wire__Envelope *envelope)
{
    const uint8_t *at = in->at;
    *envelope = (Wire__Envelope)WIRE__ENVELOPE__INIT;
    if (in->end - at >= 4 && at[0] == VARINT(1) && at[1] < 0x80 && at[2] == VARINT(2) && at[3] < 0x80) {
        envelope->type = at[1]; /* two small numbers, as nearly always */
        envelope->sender = at[3];
        in->at += 4;
    } else if (!scan_awaited(in, VARINT(1), envelope) || !scan_awaited(in, VARINT(2), envelope)) {
        return false;
    }
    return scan_awaited(in, BYTES(3), envelope) && scan_awaited(in, BYTES(4), envelope) &&
           scan_awaited(in, BYTES(5), envelope);
}

static bool scan_flat(struct tc_scan in, Wire__Envelope *envelope)
{
    if (!scan_in_order(&in, envelope))
        return false;
    while (in.at < in.end)
        if (!scan_field(&in, *in.at++, envelope))
            return false;
    return true;
}

bool tc_wire_scan_envelopes(struct tc_scan *in, uint8_t tag, struct tc_arena *arena, size_t *count,
                            Wire__Envelope ***list)
{
    const size_t found = *list ? 0 : tc_scan_count(*in, tag);
    Wire__Envelope **pointers = found > 0 ? tc_arena_alloc(arena, found * sizeof *pointers) : NULL;
    Wire__Envelope *envelopes = found > 0 ? tc_arena_alloc(arena, found * sizeof *envelopes) : NULL;
    if (!pointers || !envelopes)
        return false;
    for (size_t i = 0; i < found; i++) {
        ProtobufCBinaryData bytes;
        in->at += i > 0; /* the tag */
        if (!tc_scan_bytes(in, &bytes) || !scan_flat((struct tc_scan){in->at - bytes.len, in->at}, &envelopes[i]))
            return false;
        pointers[i] = &envelopes[i];
    }
    *list = pointers;
    *count = found;
    return true;
}

bool tc_wire_scan_packed(struct tc_slice packed, struct tc_arena *arena, Wire__Envelope *envelope)
{
    struct tc_scan in = tc_scan_of(packed);
    if (!scan_in_order(&in, envelope))
        return false;
    while (in.at < in.end) {
        const uint8_t tag = *in.at++;
        if (tag == BYTES(6) ? !tc_wire_scan_envelopes(&in, tag, arena, &envelope->n_requests, &envelope->requests)
                            : !scan_field(&in, tag, envelope))
            return false;
    }
    return true;
}

bool tc_wire_scan_envelope(struct tc_slice frame, struct tc_arena *arena, Wire__Envelope *envelope)
{
    if (frame.len == 0 || tc_wire_frame(frame) != (int64_t)frame.len)
        return false;
    const struct tc_slice packed = {frame.data + TC_WIRE_LENGTH_SIZE, frame.len - TC_WIRE_LENGTH_SIZE};
    return tc_wire_scan_packed(packed, arena, envelope);
}

static inline bool is_field(const ProtobufCFieldDescriptor *field, uint32_t id, ProtobufCType type, unsigned offset)
{
    return field->id == id && field->label == PROTOBUF_C_LABEL_NONE && field->type == type && field->offset == offset;
}

bool tc_wire_is_vote(const ProtobufCMessageDescriptor *descriptor)
{
    const ProtobufCFieldDescriptor *fields = descriptor->fields;
    return descriptor->n_fields == 3 && descriptor->sizeof_message == sizeof(struct tc_wire_vote) &&
           is_field(&fields[2], 3, PROTOBUF_C_TYPE_BYTES, offsetof(struct tc_wire_vote, digest)) &&
           is_field(&fields[0], 1, PROTOBUF_C_TYPE_UINT64, offsetof(struct tc_wire_vote, view)) &&
           is_field(&fields[1], 2, PROTOBUF_C_TYPE_UINT64, offsetof(struct tc_wire_vote, sequence));
}

static inline bool scan_vote_field(struct tc_scan *in, uint8_t tag, struct tc_wire_vote *vote)
{
    switch (tag) {
    case VARINT(1):
        return tc_scan_number(in, 9, &vote->view);
    case VARINT(2):
        return tc_scan_number(in, 9, &vote->sequence);
    case BYTES(3):
        return tc_scan_bytes(in, &vote->digest);
    default:
        return false;
    }
}

static inline bool scan_vote_awaited(struct tc_scan *in, uint8_t tag, struct tc_wire_vote *vote)
{
    if (in->at == in->end || *in->at != tag)
        return true;
    in->at++;
    return scan_vote_field(in, tag, vote);
}

bool tc_wire_scan_vote(struct tc_slice body, const ProtobufCMessageDescriptor *descriptor, struct tc_wire_vote *vote)
{
    *vote = (struct tc_wire_vote){.base = PROTOBUF_C_MESSAGE_INIT(descriptor)};
    if (body.len == 0)
        return true;
    struct tc_scan in = {body.data, body.data + body.len};
    if (!scan_vote_awaited(&in, VARINT(1), vote) || !scan_vote_awaited(&in, VARINT(2), vote) ||
        !scan_vote_awaited(&in, BYTES(3), vote))
        return false;
    while (in.at < in.end) {
        const uint8_t tag = *in.at++;
        if (!scan_vote_field(&in, tag, vote))
            return false;
    }
    return true;
}

bool tc_wire_scan_request(struct tc_slice body, Wire__Request *request)
{
    *request = (Wire__Request)WIRE__REQUEST__INIT;
    struct tc_scan in = tc_scan_of(body);
    while (in.at < in.end) {
        const uint8_t tag = *in.at++;
        if (tag == VARINT(1) ? !tc_scan_number(&in, 9, &request->timestamp)
                             : tag != BYTES(2) || !tc_scan_bytes(&in, &request->operation))
            return false;
    }
    return true;
}

bool tc_wire_scan_reply(struct tc_slice body, Wire__Reply *reply)
{
    *reply = (Wire__Reply)WIRE__REPLY__INIT;
    struct tc_scan in = tc_scan_of(body);
    uint64_t client = 0;
    while (in.at < in.end) {
        bool good;
        switch (*in.at++) {
        case VARINT(1):
            good = tc_scan_number(&in, 9, &reply->view);
            break;
        case VARINT(2):
            good = tc_scan_number(&in, 9, &reply->timestamp);
            break;
        case VARINT(3):
            good = tc_scan_number(&in, 4, &client);
            break;
        case BYTES(4):
            good = tc_scan_bytes(&in, &reply->result);
            break;
        default:
            good = false;
        }
        if (!good)
            return false;
    }
    reply->client = (uint32_t)client;
    return true;
}

/* ---- writing ---- */

#define NUMBER_SIZE_MAX 11 /* tag and varint */

/* A number field; nothing if it is 0. */
static inline uint8_t *put_number(uint8_t *at, uint8_t tag, uint64_t value)
{
    if (value == 0)
        return at;
    *at++ = tag;
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Bytes, with their length; nothing if there are none. */
static inline uint8_t *put_bytes(uint8_t *at, uint8_t tag, ProtobufCBinaryData bytes)
{
    if (bytes.len == 0)
        return at;
    at = put_number(at, tag, bytes.len);
    memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

static inline size_t varint_size(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

static inline size_t number_size(uint64_t value)
{
    return value == 0 ? 0 : 1 + varint_size(value);
}

static inline size_t bytes_size(size_t len)
{
    return number_size(len) + len;
}

/* Is there nothing in it that must be left to protobuf-c, but for requests? */
static inline bool is_plain(const Wire__Envelope *envelope)
{
    return envelope->base.n_unknown_fields == 0 && envelope->body.len <= TC_FRAME_MAX &&
           envelope->signature.len <= TC_FRAME_MAX && envelope->macs.len <= TC_FRAME_MAX;
}

/* Of an envelope without its requests. */
static inline size_t flat_size(const Wire__Envelope *envelope)
{
    return number_size(envelope->type) + number_size(envelope->sender) + bytes_size(envelope->body.len) +
           bytes_size(envelope->signature.len) + bytes_size(envelope->macs.len);
}

static uint8_t *put_flat(uint8_t *at, const Wire__Envelope *envelope)
{
    at = put_number(at, VARINT(1), envelope->type);
    at = put_number(at, VARINT(2), envelope->sender);
    at = put_bytes(at, BYTES(3), envelope->body);
    at = put_bytes(at, BYTES(4), envelope->signature);
    return put_bytes(at, BYTES(5), envelope->macs);
}

/* A request as a field, there even if it is empty. */
static uint8_t *put_request(uint8_t *at, const Wire__Envelope *request)
{
    const size_t size = flat_size(request);
    if (size == 0) {
        *at++ = BYTES(6);
        *at++ = 0;
        return at;
    }
    return put_flat(put_number(at, BYTES(6), size), request);
}

/* The packed size; false: not that simple. */
static bool plain_size(const Wire__Envelope *envelope, size_t *size)
{
    *size = flat_size(envelope);
    for (size_t i = 0; i < envelope->n_requests; i++) {
        const Wire__Envelope *request = envelope->requests[i];
        if (!is_plain(request) || request->n_requests > 0)
            return false;
        const size_t one = flat_size(request);
        *size += 1 + varint_size(one) + one;
    }
    return is_plain(envelope);
}

size_t tc_wire_size(const Wire__Envelope *envelope)
{
    size_t size;
    return plain_size(envelope, &size) ? size : wire__envelope__get_packed_size(envelope);
}

bool tc_wire_write_envelope(const Wire__Envelope *envelope, struct tc_arena *arena, struct tc_slice *bytes)
{
    size_t size;
    if (!plain_size(envelope, &size) || size > TC_FRAME_MAX)
        return false;
    uint8_t *begin = tc_arena_alloc(arena, TC_WIRE_LENGTH_SIZE + size);
    if (!begin)
        return false;
    uint8_t *at = put_flat(begin + TC_WIRE_LENGTH_SIZE, envelope);
    for (size_t i = 0; i < envelope->n_requests; i++)
        at = put_request(at, envelope->requests[i]);
    *bytes = (struct tc_slice){begin, (size_t)(at - begin)};
    return true;
}

bool tc_wire_write_vote(const struct tc_wire_vote *vote, struct tc_arena *arena, struct tc_slice *body)
{
    if (vote->base.n_unknown_fields > 0 || vote->digest.len > TC_FRAME_MAX)
        return false;
    uint8_t *begin = tc_arena_alloc(arena, 3 * NUMBER_SIZE_MAX + vote->digest.len);
    if (!begin)
        return false;
    uint8_t *at = put_number(begin, VARINT(1), vote->view);
    at = put_number(at, VARINT(2), vote->sequence);
    at = put_bytes(at, BYTES(3), vote->digest);
    *body = (struct tc_slice){begin, (size_t)(at - begin)};
    return true;
}

bool tc_wire_write_reply(const Wire__Reply *reply, struct tc_arena *arena, struct tc_slice *body)
{
    if (reply->base.n_unknown_fields > 0 || reply->result.len > TC_FRAME_MAX)
        return false;
    uint8_t *begin = tc_arena_alloc(arena, 4 * NUMBER_SIZE_MAX + reply->result.len);
    if (!begin)
        return false;
    uint8_t *at = put_number(begin, VARINT(1), reply->view);
    at = put_number(at, VARINT(2), reply->timestamp);
    at = put_number(at, VARINT(3), reply->client);
    at = put_bytes(at, BYTES(4), reply->result);
    *body = (struct tc_slice){begin, (size_t)(at - begin)};
    return true;
}
