/* What everyone who speaks the reference HotStuff's wire format needs (hotstuff.proto). Frames, envelopes, signatures,
 * requests and replies are everybody's (../wire.h). Pure; what is made lives in the caller's arena. */
#ifndef TC_HOTSTUFF_WIRE_H
#define TC_HOTSTUFF_WIRE_H

#include "../wire.h"
#include "hotstuff.pb-c.h"

/* Envelopes carry the numbers of both enumerations in one field. */
static inline uint32_t tc_hotstuff_type(const Wire__Envelope *envelope)
{
    return (uint32_t)envelope->type;
}

static inline bool tc_hotstuff_is_vote(uint32_t type)
{
    return (type >= HOTSTUFF__TYPE__PREPARE_VOTE && type <= HOTSTUFF__TYPE__COMMIT_VOTE) ||
           type == HOTSTUFF__TYPE__GENERIC_VOTE;
}

/* tc_wire_read_body and tc_wire_get_body, cheaper for the messages that carry certificates. */
int tc_hotstuff_read_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena,
                          ProtobufCMessage **body);
int tc_hotstuff_get_body(const Wire__Envelope *envelope, const ProtobufCMessageDescriptor *descriptor,
                         struct tc_arena *arena, void **body);

/* The digest of a block whose requests stand beside `envelope`. TC_EMALFORMED, TC_ELIMIT as tc_wire_requests_digest. */
int tc_hotstuff_envelope_digest(const Wire__Envelope *envelope, uint64_t view, uint64_t sequence,
                                const uint8_t parent[static TC_VALUE_SIZE], struct tc_arena *arena,
                                uint8_t digest[static TC_VALUE_SIZE]);

/* The bytes that a vote's signature covers: the packed Vote. TC_ELIMIT. */
int tc_hotstuff_vote_body(uint64_t view, uint64_t sequence, const uint8_t digest[static TC_VALUE_SIZE],
                          struct tc_arena *arena, struct tc_slice *body);

/* The bytes that a share of a timeout certificate covers: the packed Timeout. TC_ELIMIT. */
int tc_hotstuff_timeout_body(uint64_t view, struct tc_arena *arena, struct tc_slice *body);

#endif
