/* Votes, and what a quorum of them makes: quorum certificates and timeout certificates, as lists of signatures. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

bool tc_hotstuff_signed(struct hotstuff *r, uint32_t signer, uint32_t type, struct tc_slice body,
                        struct tc_slice signature)
{
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    envelope.type = type;
    envelope.sender = signer;
    envelope.body = tc_wire_binary(body);
    envelope.signature = tc_wire_binary(signature);
    return tc_replica_authentic(&r->base, &envelope);
}

void tc_hotstuff_certificate_clear(struct certificate *certificate)
{
    free(certificate->shares);
    *certificate = (struct certificate){0};
}

void tc_hotstuff_certificate_copy(struct hotstuff *r, struct certificate *into, const struct certificate *from)
{
    const size_t shares_size = from->count * sizeof *from->shares, size = tc_hotstuff_certificate_size_max(from);
    if (into == from)
        return;
    uint8_t *room = tc_replica_alloc_bytes(&r->base, shares_size + size);
    if (!room)
        return;
    if (from->count > 0)
        memcpy(room, from->shares, shares_size);
    free(into->shares);
    *into = *from;
    into->shares = (void *)room;
    tc_hotstuff_certificate_pack(into, room + shares_size, size);
}

bool tc_hotstuff_point_read(const Hotstuff__Vote *message, struct point *at)
{
    if (!message || message->digest.len != TC_VALUE_SIZE)
        return false;
    at->view = message->view;
    at->sequence = message->sequence;
    memcpy(at->digest, message->digest.data, TC_VALUE_SIZE);
    return true;
}

Hotstuff__Vote *tc_hotstuff_point_message(struct hotstuff *r, const struct point *at)
{
    Hotstuff__Vote *message = tc_replica_scratch(&r->base, sizeof *message);
    if (!message)
        return NULL;
    hotstuff__vote__init(message);
    message->view = at->view;
    message->sequence = at->sequence;
    message->digest = tc_wire_binary((struct tc_slice){at->digest, TC_VALUE_SIZE});
    return message;
}

/* ---- reading ---- */

/* Copies the shares, distinct members only; false for anything of another shape. */
static bool read_shares(struct hotstuff *r, const uint32_t *signers, size_t signer_count,
                        const ProtobufCBinaryData *signatures, size_t signature_count, struct share *shares)
{
    struct tc_nodeset seen = {{0}};
    if (signer_count != signature_count || signer_count > r->base.n)
        return false;
    for (size_t i = 0; i < signer_count; i++) {
        const bool twice = tc_nodeset_has(&seen, signers[i]) && !tc_replica_bug(&r->base, TC_BUG_DUPLICATE_SIGNERS);
        if (signers[i] >= r->base.n || twice || signatures[i].len != TC_SIGNATURE_SIZE)
            return false;
        tc_nodeset_add(&seen, signers[i]);
        shares[i].signer = (uint16_t)signers[i];
        memcpy(shares[i].signature, signatures[i].data, TC_SIGNATURE_SIZE);
    }
    return true;
}

static bool same_point(const struct point *a, const struct point *b)
{
    return a->view == b->view && a->sequence == b->sequence && tc_digest_same(a->digest, b->digest);
}

static bool same_certificate(const struct certificate *a, const struct certificate *b)
{
    if (a->type != b->type || a->count != b->count || !same_point(&a->at, &b->at))
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->shares[i].signer != b->shares[i].signer ||
            memcmp(a->shares[i].signature, b->shares[i].signature, TC_SIGNATURE_SIZE) != 0)
            return false;
    return true;
}

/* Everybody says the newest certificate again in its next message: what we hold was checked when it came. */
static bool is_held(const struct hotstuff *r, const struct certificate *certificate)
{
    return certificate->count > 0 &&
           (same_certificate(certificate, &r->high) || same_certificate(certificate, &r->decided) ||
            same_certificate(certificate, &r->timeout_certificate));
}

static bool shares_good(struct hotstuff *r, const struct certificate *certificate, struct tc_slice body)
{
    if (certificate->count <
        (certificate->type == HOTSTUFF__TYPE__TIMEOUT ? r->base.quorum : tc_hotstuff_votes_needed(r)))
        return false;
    for (uint32_t i = 0; i < certificate->count; i++) {
        const struct tc_slice signature = {certificate->shares[i].signature, TC_SIGNATURE_SIZE};
        if (!tc_hotstuff_signed(r, certificate->shares[i].signer, certificate->type, body, signature))
            return false;
    }
    return true;
}

bool tc_hotstuff_certificate_read(struct hotstuff *r, const Hotstuff__Certificate *message, uint32_t type, bool genesis,
                                  struct certificate *out)
{
    struct tc_slice body;
    *out = (struct certificate){.type = type};
    if (!message || (message->view == 0 && message->n_signers == 0))
        return genesis;
    if (message->type != type || message->view == 0 || message->sequence == 0 || message->digest.len != TC_VALUE_SIZE)
        return false;
    out->at.view = message->view;
    out->at.sequence = message->sequence;
    memcpy(out->at.digest, message->digest.data, TC_VALUE_SIZE);
    out->count = (uint32_t)message->n_signers;
    out->shares =
        message->n_signers <= r->base.n ? tc_replica_scratch(&r->base, message->n_signers * sizeof *out->shares) : NULL;
    if (!out->shares ||
        !read_shares(r, message->signers, message->n_signers, message->signatures, message->n_signatures, out->shares))
        return false;
    return is_held(r, out) ||
           (tc_hotstuff_vote_body(out->at.view, out->at.sequence, out->at.digest, &r->base.arena, &body) == 0 &&
            shares_good(r, out, body));
}

bool tc_hotstuff_timeout_read(struct hotstuff *r, const Hotstuff__TimeoutCertificate *message, uint64_t view,
                              struct certificate *out)
{
    struct tc_slice body;
    *out = (struct certificate){.type = HOTSTUFF__TYPE__TIMEOUT};
    if (!message || message->view != view || message->n_signers > r->base.n)
        return false;
    out->at.view = view;
    out->count = (uint32_t)message->n_signers;
    out->shares = tc_replica_scratch(&r->base, message->n_signers * sizeof *out->shares);
    if (!out->shares ||
        !read_shares(r, message->signers, message->n_signers, message->signatures, message->n_signatures, out->shares))
        return false;
    return is_held(r, out) || (tc_hotstuff_timeout_body(view, &r->base.arena, &body) == 0 && shares_good(r, out, body));
}

/* Of either kind, into memory of its own. */
static bool load(struct hotstuff *r, const struct certificate *read, const uint32_t *signers, size_t signer_count,
                 const ProtobufCBinaryData *signatures, size_t signature_count, struct certificate *out)
{
    struct certificate made = *read;
    if (signer_count > r->base.n)
        return false;
    made.count = (uint32_t)signer_count;
    made.shares = tc_replica_scratch(&r->base, signer_count * sizeof *made.shares);
    if (!made.shares || !read_shares(r, signers, signer_count, signatures, signature_count, made.shares))
        return false;
    tc_hotstuff_certificate_copy(r, out, &made);
    return !r->base.out_of_memory;
}

bool tc_hotstuff_certificate_load(struct hotstuff *r, const Hotstuff__Certificate *message, struct certificate *out)
{
    tc_hotstuff_certificate_clear(out);
    out->type = tc_hotstuff_first_vote(r);
    if (!message)
        return true;
    struct certificate read = {.type = message->type, .at = {message->view, message->sequence, {0}}};
    if (message->digest.len != TC_VALUE_SIZE)
        return false;
    memcpy(read.at.digest, message->digest.data, TC_VALUE_SIZE);
    return load(r, &read, message->signers, message->n_signers, message->signatures, message->n_signatures, out);
}

bool tc_hotstuff_timeout_load(struct hotstuff *r, const Hotstuff__TimeoutCertificate *message, struct certificate *out)
{
    tc_hotstuff_certificate_clear(out);
    out->type = HOTSTUFF__TYPE__TIMEOUT;
    if (!message)
        return true;
    const struct certificate read = {.type = HOTSTUFF__TYPE__TIMEOUT, .at = {.view = message->view}};
    return load(r, &read, message->signers, message->n_signers, message->signatures, message->n_signatures, out);
}

/* ---- writing ---- */

static bool write_shares(struct hotstuff *r, const struct certificate *certificate, uint32_t **signers,
                         ProtobufCBinaryData **signatures)
{
    *signers = tc_replica_scratch(&r->base, certificate->count * sizeof **signers);
    *signatures = tc_replica_scratch(&r->base, certificate->count * sizeof **signatures);
    if (!*signers || !*signatures)
        return false;
    for (uint32_t i = 0; i < certificate->count; i++) {
        (*signers)[i] = certificate->shares[i].signer;
        (*signatures)[i] = tc_wire_binary((struct tc_slice){certificate->shares[i].signature, TC_SIGNATURE_SIZE});
    }
    return true;
}

Hotstuff__Certificate *tc_hotstuff_certificate_message(struct hotstuff *r, const struct certificate *certificate)
{
    if (certificate->at.view == 0)
        return NULL;
    Hotstuff__Certificate *message = tc_replica_scratch(&r->base, sizeof *message);
    if (!message)
        return NULL;
    hotstuff__certificate__init(message);
    message->type = certificate->type;
    message->view = certificate->at.view;
    message->sequence = certificate->at.sequence;
    message->digest = tc_wire_binary((struct tc_slice){certificate->at.digest, TC_VALUE_SIZE});
    if (!write_shares(r, certificate, &message->signers, &message->signatures))
        return NULL;
    message->n_signers = message->n_signatures = certificate->count;
    return message;
}

Hotstuff__TimeoutCertificate *tc_hotstuff_timeout_message(struct hotstuff *r, const struct certificate *certificate)
{
    if (certificate->at.view == 0)
        return NULL;
    Hotstuff__TimeoutCertificate *message = tc_replica_scratch(&r->base, sizeof *message);
    if (!message)
        return NULL;
    hotstuff__timeout_certificate__init(message);
    message->view = certificate->at.view;
    if (!write_shares(r, certificate, &message->signers, &message->signatures))
        return NULL;
    message->n_signers = message->n_signatures = certificate->count;
    return message;
}

/* ---- counting ---- */

bool tc_hotstuff_tally(struct hotstuff *r, uint16_t sender, uint32_t type, const struct point *at,
                       const uint8_t *signature, struct certificate *out)
{
    struct vote *votes = r->votes + (size_t)tc_hotstuff_phase(type) * r->base.n;
    struct vote *own = &votes[sender];
    if (own->present && own->at.view >= at->view)
        return false; /* a second vote of one view counts for nothing */
    own->present = true;
    own->at = *at;
    memcpy(own->signature, signature, TC_SIGNATURE_SIZE);
    *out = (struct certificate){.type = type, .at = *at};
    out->shares = tc_replica_scratch(&r->base, r->base.n * sizeof *out->shares);
    if (!out->shares)
        return false;
    for (uint32_t i = 0; i < r->base.n; i++) {
        if (!votes[i].present || !same_point(&votes[i].at, at))
            continue;
        out->shares[out->count].signer = (uint16_t)i;
        memcpy(out->shares[out->count].signature, votes[i].signature, TC_SIGNATURE_SIZE);
        out->count++;
    }
    return out->count == tc_hotstuff_votes_needed(r); /* those that come later change nothing */
}
