/* Making HotStuff messages for tests, on top of what makes PBFT's: votes, certificates, blocks. */
#ifndef TC_TEST_HOTSTUFF_MAKE_H
#define TC_TEST_HOTSTUFF_MAKE_H

#include "../../reference/fields_alloc.h"
#include "../../reference/hotstuff/protocol.h"
#include "../../reference/hotstuff/wire.h"
#include "../lib/pbft_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static inline Wire__Envelope *envelope_of(struct tc_make *make, uint32_t type, uint32_t sender, const void *body)
{
    return tc_make_envelope(make, type, sender, body);
}

static inline struct tc_message *message_of(struct tc_make *make, const struct tc_protocol *protocol,
                                            const Wire__Envelope *envelope, uint16_t from, uint16_t to)
{
    struct tc_message *m = tc_arena_zalloc(&make->arena, sizeof *m);
    assert_non_null(m);
    m->from = from;
    m->to = to;
    assert_int_equal(protocol->decode(tc_make_frame(make, envelope), &make->arena, m), 0);
    return m;
}

static inline Wire__Envelope *vote_of(struct tc_make *make, uint32_t type, uint32_t sender, uint64_t view,
                                      uint64_t sequence, const uint8_t *digest)
{
    Hotstuff__Vote vote = HOTSTUFF__VOTE__INIT;
    vote.view = view;
    vote.sequence = sequence;
    vote.digest = tc_wire_binary((struct tc_slice){digest, TC_VALUE_SIZE});
    return envelope_of(make, type, sender, &vote);
}

/* A certificate of replicas 0 … count-1. */
static inline Hotstuff__Certificate *certificate_of(struct tc_make *make, uint32_t type, uint64_t view,
                                                    uint64_t sequence, const uint8_t *digest, uint32_t count)
{
    Hotstuff__Certificate *out = tc_arena_zalloc(&make->arena, sizeof *out);
    hotstuff__certificate__init(out);
    out->type = type;
    out->view = view;
    out->sequence = sequence;
    out->digest = tc_wire_binary(tc_arena_copy(&make->arena, (struct tc_slice){digest, TC_VALUE_SIZE}));
    out->signers = tc_arena_zalloc(&make->arena, count * sizeof *out->signers);
    out->signatures = tc_arena_zalloc(&make->arena, count * sizeof *out->signatures);
    out->n_signers = out->n_signatures = count;
    for (uint32_t i = 0; i < count; i++) {
        out->signers[i] = i;
        out->signatures[i] = vote_of(make, type, i, view, sequence, digest)->signature;
    }
    return out;
}

struct block {
    uint64_t view, sequence;
    uint8_t digest[TC_VALUE_SIZE];
};

static const struct block genesis;

/* `count` replicas ask for a view. */
static inline Hotstuff__TimeoutCertificate *timeout_of(struct tc_make *make, uint64_t view, uint32_t count)
{
    Hotstuff__Timeout share = HOTSTUFF__TIMEOUT__INIT;
    Hotstuff__TimeoutCertificate *out = tc_arena_zalloc(&make->arena, sizeof *out);
    hotstuff__timeout_certificate__init(out);
    out->view = share.view = view;
    out->signers = tc_arena_zalloc(&make->arena, count * sizeof *out->signers);
    out->signatures = tc_arena_zalloc(&make->arena, count * sizeof *out->signatures);
    out->n_signers = out->n_signatures = count;
    for (uint32_t i = 0; i < count; i++) {
        out->signers[i] = i;
        out->signatures[i] = envelope_of(make, HOTSTUFF__TYPE__TIMEOUT, i, &share)->signature;
    }
    return out;
}

/* The leader's proposal of a block on `parent`, certified by 3 votes; with two requests if `full`. */
static inline Wire__Envelope *proposal_of(struct tc_make *make, const struct tc_protocol *protocol, uint64_t view,
                                          const struct block *parent, bool full, struct block *out)
{
    const bool chained = protocol == &tc_chained_hotstuff;
    Hotstuff__Proposal body = HOTSTUFF__PROPOSAL__INIT;
    Wire__Envelope batch = WIRE__ENVELOPE__INIT;
    Wire__Envelope **requests = tc_arena_zalloc(&make->arena, 2 * sizeof *requests);
    requests[0] = tc_make_request(make, 128, view, "put");
    requests[1] = tc_make_request(make, 129, view, "get");
    batch.requests = requests;
    batch.n_requests = full ? 2 : 0;
    out->view = view;
    out->sequence = parent->sequence + 1;
    assert_int_equal(
        tc_hotstuff_envelope_digest(&batch, view, out->sequence, parent->digest, &make->arena, out->digest), 0);
    body.view = view;
    body.sequence = out->sequence;
    body.digest = tc_wire_binary((struct tc_slice){out->digest, TC_VALUE_SIZE});
    body.parent = tc_wire_binary((struct tc_slice){parent->digest, TC_VALUE_SIZE});
    if (parent->view > 0)
        body.justify = certificate_of(make, chained ? HOTSTUFF__TYPE__GENERIC_VOTE : HOTSTUFF__TYPE__PREPARE_VOTE,
                                      parent->view, parent->sequence, parent->digest, 3);
    if (parent->view + 1 != view)
        body.timeout = timeout_of(make, view, 3);
    Wire__Envelope *envelope = envelope_of(make, chained ? HOTSTUFF__TYPE__GENERIC : HOTSTUFF__TYPE__PREPARE,
                                           (uint32_t)(view % make->cluster.n), &body);
    envelope->requests = requests;
    envelope->n_requests = batch.n_requests;
    return envelope;
}

#endif
