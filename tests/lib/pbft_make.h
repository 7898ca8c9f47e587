/* Making PBFT messages for tests: signed envelopes, whole frames, decoded messages. All memory is the maker's arena;
 * errors abort the test program. */
#ifndef TC_TESTS_PBFT_MAKE_H
#define TC_TESTS_PBFT_MAKE_H

#include "../../reference/pbft/protocol.h"
#include "../../reference/pbft/wire.h"

struct tc_make {
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    struct tc_arena arena;
};

/* A cluster of n replicas and 4 clients, all keys known; f the most that n allows; keyed-hash signatures. */
void tc_make_init(struct tc_make *make, uint32_t n);
void tc_make_free(struct tc_make *make);

/* 32 bytes, all `fill` (0: the null digest), in the arena. */
ProtobufCBinaryData tc_make_digest(struct tc_make *make, uint8_t fill);

/* Packs and seals a body of this type as `sender`. */
Wire__Envelope *tc_make_envelope(struct tc_make *make, uint32_t type, uint32_t sender, const void *body);

Wire__Envelope *tc_make_request(struct tc_make *make, uint32_t client, uint64_t timestamp, const char *text);
Wire__Envelope *tc_make_prepare(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                                ProtobufCBinaryData digest);
Wire__Envelope *tc_make_commit(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                               ProtobufCBinaryData digest);
Wire__Envelope *tc_make_checkpoint(struct tc_make *make, uint32_t sender, uint64_t sequence,
                                   ProtobufCBinaryData digest);

/* A pre-prepare without batch, and one whose batch it is (digest computed). */
Wire__Envelope *tc_make_pre_prepare(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                                    ProtobufCBinaryData digest);
Wire__Envelope *tc_make_proposal(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                                 Wire__Envelope **requests, size_t count);

/* A certificate: the pre-prepare of the view's leader and prepares of the `signers` (count of them). */
Pbft__Prepared *tc_make_prepared(struct tc_make *make, uint64_t view, uint64_t sequence, ProtobufCBinaryData digest,
                                 const uint32_t *signers, size_t count);

/* A view change with h = stable (its certificate by replicas 0 … quorum-1 over digest `stable`) and these
 * certificates. */
Wire__Envelope *tc_make_view_change(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t stable,
                                    Pbft__Prepared **prepared, size_t count);
Wire__Envelope *tc_make_new_view(struct tc_make *make, uint32_t sender, uint64_t view, Wire__Envelope **changes,
                                 size_t change_count, Wire__Envelope **proposals, size_t proposal_count);

/* The envelope as a frame, and decoded, on the link from → to. */
struct tc_slice tc_make_frame(struct tc_make *make, const Wire__Envelope *envelope);
struct tc_message *tc_make_message(struct tc_make *make, const Wire__Envelope *envelope, uint16_t from, uint16_t to);

#endif
