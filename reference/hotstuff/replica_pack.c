/* What is said and written in nearly every step, packed by hand: certificates, and the messages that carry them. A
 * certificate that is kept is packed once, when it comes to be kept; it is said and recorded many times. The bytes are
 * those that the generic packer makes. */
#include "replica_internal.h"

#define NUMBERS_MAX 64 /* bytes of a message's own few numbers, with their tags */
#define DIGEST_MAX  (2 + TC_VALUE_SIZE)
#define SHARE_MAX   (2 + TC_SIGNATURE_SIZE)
#define POINT_MAX   (2 + DIGEST_MAX + 2 * 11)

/* ---- parts ---- */

bool tc_hotstuff_point_put(struct tc_back *out, uint32_t id, const struct point *at)
{
    const uint8_t *end = out->at;
    return tc_back_field(out, 3, (struct tc_slice){at->digest, TC_VALUE_SIZE}) &&
           tc_back_number(out, 2, at->sequence) && tc_back_number(out, 1, at->view) && tc_back_head(out, id, end);
}

/* The signers as field `id`, their signatures as the one behind it. */
static bool put_shares(struct tc_back *out, uint32_t id, const struct certificate *certificate)
{
    for (uint32_t i = certificate->count; i > 0; i--)
        if (!tc_back_field(out, id + 1, (struct tc_slice){certificate->shares[i - 1].signature, TC_SIGNATURE_SIZE}))
            return false;
    const uint8_t *end = out->at;
    for (uint32_t i = certificate->count; i > 0; i--)
        if (!tc_back_varint(out, certificate->shares[i - 1].signer))
            return false;
    return certificate->count == 0 || tc_back_head(out, id, end);
}

static bool put_fields(struct tc_back *out, const struct certificate *certificate)
{
    const struct point *at = &certificate->at;
    if (certificate->type == HOTSTUFF__TYPE__TIMEOUT)
        return put_shares(out, 2, certificate) && tc_back_number(out, 1, at->view);
    return put_shares(out, 5, certificate) && tc_back_field(out, 4, (struct tc_slice){at->digest, TC_VALUE_SIZE}) &&
           tc_back_number(out, 3, at->sequence) && tc_back_number(out, 2, at->view) &&
           tc_back_number(out, 1, certificate->type);
}

void tc_hotstuff_certificate_pack(struct certificate *certificate, uint8_t *room, size_t size)
{
    struct tc_back out = {room, room + size};
    certificate->packed = (struct tc_slice){NULL, 0};
    if (certificate->at.view > 0 && put_fields(&out, certificate))
        certificate->packed = (struct tc_slice){out.at, (size_t)(room + size - out.at)};
}

bool tc_hotstuff_certificate_put(struct tc_back *out, uint32_t id, const struct certificate *certificate)
{
    const uint8_t *end = out->at;
    if (certificate->at.view == 0)
        return true;
    if (certificate->packed.data)
        return tc_back_field(out, id, certificate->packed);
    return put_fields(out, certificate) && tc_back_head(out, id, end);
}

size_t tc_hotstuff_certificate_size_max(const struct certificate *certificate)
{
    enum { HEADS = 4 + 4, NUMBERS = 3 * 11, SIGNER = 3 };
    return HEADS + DIGEST_MAX + NUMBERS + certificate->count * (size_t)(SHARE_MAX + SIGNER);
}

/* ---- messages ---- */

/* Room for a body of at most `size` bytes, in the arena. */
static struct tc_back begin(struct hotstuff *r, size_t size)
{
    uint8_t *room = tc_arena_alloc(&r->base.arena, size);
    return (struct tc_back){room, room ? room + size : NULL};
}

static struct tc_slice finish(struct hotstuff *r, const struct tc_back *out, const uint8_t *end, bool good)
{
    if (!good)
        r->base.out_of_memory = true;
    return good ? (struct tc_slice){out->at, (size_t)(end - out->at)} : (struct tc_slice){NULL, 0};
}

struct tc_slice tc_hotstuff_announcement_pack(struct hotstuff *r, const struct certificate *certificate)
{
    const struct point *at = &certificate->at;
    struct tc_back out = begin(r, NUMBERS_MAX + DIGEST_MAX + tc_hotstuff_certificate_size_max(certificate));
    const uint8_t *end = out.at;
    const bool good = tc_hotstuff_certificate_put(&out, 4, certificate) &&
                      tc_back_field(&out, 3, (struct tc_slice){at->digest, TC_VALUE_SIZE}) &&
                      tc_back_number(&out, 2, at->sequence) && tc_back_number(&out, 1, at->view);
    return finish(r, &out, end, good);
}

struct tc_slice tc_hotstuff_proposal_pack(struct hotstuff *r, const struct point *at, const struct certificate *justify,
                                          const struct certificate *timeout)
{
    struct tc_back out = begin(r, NUMBERS_MAX + 2 * DIGEST_MAX + tc_hotstuff_certificate_size_max(justify) +
                                      tc_hotstuff_certificate_size_max(timeout));
    const uint8_t *end = out.at;
    const bool good = tc_hotstuff_certificate_put(&out, 6, timeout) && tc_hotstuff_certificate_put(&out, 5, justify) &&
                      tc_back_field(&out, 4, (struct tc_slice){justify->at.digest, TC_VALUE_SIZE}) &&
                      tc_back_field(&out, 3, (struct tc_slice){at->digest, TC_VALUE_SIZE}) &&
                      tc_back_number(&out, 2, at->sequence) && tc_back_number(&out, 1, at->view);
    return finish(r, &out, end, good);
}

struct tc_slice tc_hotstuff_new_view_pack(struct hotstuff *r, const struct new_view *parts)
{
    struct tc_back out = begin(r, NUMBERS_MAX + POINT_MAX + 2 * SHARE_MAX + tc_hotstuff_certificate_size_max(&r->high) +
                                      tc_hotstuff_certificate_size_max(&r->decided) +
                                      tc_hotstuff_certificate_size_max(&r->timeout_certificate));
    const uint8_t *end = out.at;
    const bool good = (!parts->decide || tc_hotstuff_certificate_put(&out, 7, &r->decided)) &&
                      (!parts->timeout || tc_hotstuff_certificate_put(&out, 6, &r->timeout_certificate)) &&
                      (parts->vote_signature.len == 0 ||
                       (tc_back_field(&out, 5, parts->vote_signature) && tc_hotstuff_point_put(&out, 4, &r->voted))) &&
                      (parts->share.len == 0 || tc_back_field(&out, 3, parts->share)) &&
                      tc_hotstuff_certificate_put(&out, 2, &r->high) && tc_back_number(&out, 1, r->base.view);
    return finish(r, &out, end, good);
}
