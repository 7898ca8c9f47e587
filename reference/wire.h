/* What everyone needs who speaks the reference protocols' wire format (wire.proto): frames, envelopes, the domain of
 * signatures, digests, MAC vectors. Used by replicas, clients and decoders of PBFT and HotStuff, whose own messages are
 * in pbft/wire.h and hotstuff/wire.h; it knows no rules of either. Pure: no I/O, no clock, no global state. What is
 * made lives in the caller's arena. */
#ifndef TC_WIRE_H
#define TC_WIRE_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"
#include "cluster.h"
#include "crypto.h"
#include "protocol.h"
#include "wire.pb-c.h"

#define TC_WIRE_LENGTH_SIZE   4 /* the big-endian length in front of every frame; it does not count itself */
#define TC_WIRE_DOMAIN_SIZE   128
#define TC_WIRE_KEY_MAX       256
#define TC_WIRE_OPERAND_MAX   4096         /* bytes of a value, or of an expected value */
#define TC_WIRE_OPERATION_MAX 12288        /* bytes of a packed Operation */
#define TC_WIRE_REQUEST_MAX   16384        /* bytes of a packed REQUEST envelope */
#define TC_WIRE_BATCH_MAX     1024         /* requests in a batch that anyone accepts */
#define TC_WIRE_BATCH_BYTES   (128u << 10) /* packed bytes of the requests in a batch that anyone accepts */

static inline struct tc_slice tc_wire_slice(ProtobufCBinaryData bytes)
{
    return (struct tc_slice){bytes.data, bytes.len};
}

/* The generated structs have no const; nobody writes through the pointer. */
static inline ProtobufCBinaryData tc_wire_binary(struct tc_slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)(uintptr_t)bytes.data};
}

/* ---- frames ---- */

/* The frame at the start of `in`: length with delimiter (> 0), TC_FRAME_PARTIAL, or TC_FRAME_MALFORMED for an empty
 * frame and one longer than TC_FRAME_MAX. */
int64_t tc_wire_frame(struct tc_slice in);

/* The envelope in one whole frame, delimiter included, in `arena`; what is bytes in it is borrowed from the frame, and
 * not to be written to. TC_EMALFORMED (length that does not match, not an Envelope), TC_ELIMIT (the arena is full:
 * treat the frame as malformed). */
int tc_wire_unpack(struct tc_slice frame, struct tc_arena *arena, Wire__Envelope **envelope);

/* The same of an envelope's packed bytes, without the length in front. TC_EMALFORMED, TC_ELIMIT. */
int tc_wire_read_envelope(struct tc_slice packed, struct tc_arena *arena, Wire__Envelope **envelope);

/* Both, and cheap; only the requests of a batch need the arena. false: not that simple (unknown fields, requests
 * among other fields, malformed, the arena full); unpack it. */
bool tc_wire_scan_envelope(struct tc_slice frame, struct tc_arena *arena, Wire__Envelope *envelope);
bool tc_wire_scan_packed(struct tc_slice packed, struct tc_arena *arena, Wire__Envelope *envelope);

/* A list of envelopes without requests, in one piece, the rest of it behind the first one's tag; *list is NULL before.
 * For messages that carry such (see fields_scan.h). */
struct tc_scan;
bool tc_wire_scan_envelopes(struct tc_scan *in, uint8_t tag, struct tc_arena *arena, size_t *count,
                            Wire__Envelope ***list);

/* A body of two numbers and bytes, numbered 1 to 3, and nothing else: what nearly every proposal and vote is (view,
 * sequence, digest). The generated structs of such messages are laid out like this one. */
struct tc_wire_vote {
    ProtobufCMessage base;
    uint64_t view, sequence;
    ProtobufCBinaryData digest;
};

/* Is a message of `descriptor` such a body? */
bool tc_wire_is_vote(const ProtobufCMessageDescriptor *descriptor);

/* Reads such a body likewise. */
bool tc_wire_scan_vote(struct tc_slice body, const ProtobufCMessageDescriptor *descriptor, struct tc_wire_vote *vote);

/* The bodies of requests and replies, likewise. */
bool tc_wire_scan_request(struct tc_slice body, Wire__Request *request);
bool tc_wire_scan_reply(struct tc_slice body, Wire__Reply *reply);

/* The same the other way round: the envelope, behind room for its length, and bodies, in `arena`. false: not that
 * simple, or no room; pack it. */
bool tc_wire_write_envelope(const Wire__Envelope *envelope, struct tc_arena *arena, struct tc_slice *bytes);
bool tc_wire_write_vote(const struct tc_wire_vote *vote, struct tc_arena *arena, struct tc_slice *body);
bool tc_wire_write_reply(const Wire__Reply *reply, struct tc_arena *arena, struct tc_slice *body);

/* Bytes of the packed envelope, without the length in front. */
size_t tc_wire_size(const Wire__Envelope *envelope);

/* Length and envelope as one frame in `arena`. TC_ELIMIT if it is longer than TC_FRAME_MAX or does not fit. */
int tc_wire_pack(const Wire__Envelope *envelope, struct tc_arena *arena, struct tc_slice *frame);

/* Packs `body` (any message) into envelope->body. TC_ELIMIT. */
int tc_wire_set_body(Wire__Envelope *envelope, const ProtobufCMessage *body, struct tc_arena *arena);

/* The body of the envelope as the message `descriptor` names, in `arena`; what is bytes in it is borrowed from the
 * envelope's body. TC_EMALFORMED, TC_ELIMIT. */
int tc_wire_get_body(const Wire__Envelope *envelope, const ProtobufCMessageDescriptor *descriptor,
                     struct tc_arena *arena, void **body);

/* The same of bytes that are a body. */
int tc_wire_read_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena,
                      ProtobufCMessage **body);

/* How messages of one descriptor are read by hand (fields_scan.h): `field` reads the one field whose tag comes next;
 * false: it is not as simple as that, or malformed, or the arena is full. */
struct tc_wire_form {
    const ProtobufCMessageDescriptor *descriptor;
    bool (*field)(struct tc_scan *in, struct tc_arena *arena, void *message);
};

/* The message in `bytes`, in `arena`; what is bytes in it is borrowed from them. NULL: the form does not do; unpack it.
 */
void *tc_wire_scan_message(struct tc_slice bytes, const struct tc_wire_form *form, struct tc_arena *arena);

/* tc_wire_read_body and tc_wire_get_body, by a form of the protocol's own where there is one that does. `forms` end
 * with one whose descriptor is NULL. Results and errors are the same. */
int tc_wire_read_body_by(const struct tc_wire_form *forms, struct tc_slice bytes,
                         const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena, ProtobufCMessage **body);
int tc_wire_get_body_by(const struct tc_wire_form *forms, const Wire__Envelope *envelope,
                        const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena, void **body);

/* A whole HELLO frame of `node`. TC_ELIMIT. */
int tc_wire_hello(const struct tc_cluster *cluster, uint16_t node, struct tc_arena *arena, struct tc_slice *frame);

/* ---- signatures and MACs ---- */

/* Do envelopes of this type carry a MAC vector instead of a signature in this cluster? */
bool tc_wire_uses_macs(const struct tc_cluster *cluster, uint32_t type);

/* Signs envelope->body as envelope->sender, into envelope->signature, and empties macs. TC_EKEY, TC_ELIMIT. */
int tc_wire_sign(const struct tc_protocol_env *env, Wire__Envelope *envelope, struct tc_arena *arena);

/* 0 if the signature over the body is envelope->sender's; TC_ESIGNATURE; TC_EKEY if that key is unknown. */
int tc_wire_verify(const struct tc_protocol_env *env, const Wire__Envelope *envelope);

/* Checks the entry of `self` in a vector that begins with receiver `first`. 0; TC_ESIGNATURE (missing or wrong);
 * TC_EKEY. */
int tc_wire_check_mac(const struct tc_protocol_env *env, const Wire__Envelope *envelope, uint32_t self, uint32_t first);

/* Authenticates an envelope the way this cluster does for its type: signature; MAC vector to all replicas for a
 * REQUEST, to `client` for a REPLY, when so configured; nothing for HELLO. TC_EKEY, TC_ELIMIT. */
int tc_wire_seal(const struct tc_protocol_env *env, Wire__Envelope *envelope, uint32_t client, struct tc_arena *arena);

/* The receiver's half of tc_wire_seal: `self` received the envelope. 0, TC_ESIGNATURE, TC_EKEY. */
int tc_wire_check(const struct tc_protocol_env *env, const Wire__Envelope *envelope, uint32_t self);

/* ---- digests ---- */

/* What a request is: client, timestamp and operation, without its signature; BLAKE2b-256. */
void tc_wire_request_digest(uint32_t client, uint64_t timestamp, struct tc_slice operation,
                            uint8_t digest[static TC_VALUE_SIZE]);

/* Of a batch: over the digests of its requests, in order. A batch without requests has one too, which is not null. */
void tc_wire_batch_digest(const uint8_t (*digests)[TC_VALUE_SIZE], size_t count, uint8_t digest[static TC_VALUE_SIZE]);

/* The digest of one REQUEST envelope (TC_EMALFORMED if it is none), and of the batch in an envelope's `requests`
 * (TC_EMALFORMED, also for more than TC_WIRE_BATCH_MAX; TC_ELIMIT). Nothing is verified. */
int tc_wire_envelope_digest(const Wire__Envelope *request, struct tc_arena *arena,
                            uint8_t digest[static TC_VALUE_SIZE]);
int tc_wire_requests_digest(const Wire__Envelope *envelope, struct tc_arena *arena,
                            uint8_t digest[static TC_VALUE_SIZE]);

#endif
