/* What is PBFT's own on the wire (pbft.proto). Frames, envelopes, signatures, requests and replies are everybody's
 * (../wire.h). */
#ifndef TC_PBFT_WIRE_H
#define TC_PBFT_WIRE_H

#include "../wire.h"
#include "pbft.pb-c.h"

/* The digest of the null request: 32 zero bytes, in pre-prepares that fill gaps. No batch has it. */
extern const uint8_t tc_pbft_null_digest[TC_VALUE_SIZE];

static inline bool tc_pbft_is_null(const uint8_t digest[static TC_VALUE_SIZE])
{
    for (size_t i = 0; i < TC_VALUE_SIZE; i++)
        if (digest[i] != 0)
            return false;
    return true;
}

/* tc_wire_read_body and tc_wire_get_body, cheaper for the messages of a view change. */
int tc_pbft_read_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena,
                      ProtobufCMessage **body);
int tc_pbft_get_body(const Wire__Envelope *envelope, const ProtobufCMessageDescriptor *descriptor,
                     struct tc_arena *arena, void **body);

#endif
