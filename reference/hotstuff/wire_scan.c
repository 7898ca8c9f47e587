/* The messages that carry certificates, read without the generic unpacker (see ../fields_scan.h): they are most of what
 * is said, and most of its bytes. Fields in any order, each once, lists in one piece; anything else is left to the
 * other way, and so is what is malformed. The result is the same. */
#include "../fields_scan.h"
#include "wire.h"

#define VARINT TC_SCAN_VARINT
#define BYTES  TC_SCAN_BYTES

/* Packed numbers: at most as many as there are bytes. */
static bool scan_signers(struct tc_scan *in, struct tc_arena *arena, size_t *count, uint32_t **signers)
{
    ProtobufCBinaryData bytes;
    if (*signers || !tc_scan_bytes(in, &bytes) || bytes.len == 0)
        return false;
    struct tc_scan list = {bytes.data, bytes.data + bytes.len};
    *signers = tc_arena_alloc(arena, bytes.len * sizeof **signers);
    if (!*signers)
        return false;
    for (*count = 0; list.at < list.end; *count += 1)
        if (!tc_scan_small(&list, &(*signers)[*count]))
            return false;
    return true;
}

/* From the first signature on, behind whose tag we are: at most as many as there are signers. */
static bool scan_signatures(struct tc_scan *in, uint8_t tag, struct tc_arena *arena, size_t most, size_t *count,
                            ProtobufCBinaryData **signatures)
{
    if (*signatures || most == 0)
        return false;
    *signatures = tc_arena_alloc(arena, most * sizeof **signatures);
    if (!*signatures)
        return false;
    for (size_t i = 0; i < most; i++) {
        if (!tc_scan_bytes(in, &(*signatures)[i]))
            return false;
        *count = i + 1;
        if (in->at == in->end || *in->at != tag)
            return true;
        in->at++;
    }
    return false;
}

/* The bytes of a message inside; false for a second one, which would have to be merged with the first. */
static inline bool scan_nested(struct tc_scan *in, const void *already, struct tc_slice *bytes)
{
    ProtobufCBinaryData data;
    if (already || !tc_scan_bytes(in, &data))
        return false;
    *bytes = tc_wire_slice(data);
    return true;
}

static bool certificate_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Hotstuff__Certificate *c = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_small(in, &c->type);
    case VARINT(2):
        return tc_scan_number(in, 9, &c->view);
    case VARINT(3):
        return tc_scan_number(in, 9, &c->sequence);
    case BYTES(4):
        return tc_scan_bytes(in, &c->digest);
    case BYTES(5):
        return scan_signers(in, arena, &c->n_signers, &c->signers);
    case BYTES(6):
        return scan_signatures(in, BYTES(6), arena, c->n_signers, &c->n_signatures, &c->signatures);
    default:
        return false;
    }
}

static bool timeout_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Hotstuff__TimeoutCertificate *c = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_number(in, 9, &c->view);
    case BYTES(2):
        return scan_signers(in, arena, &c->n_signers, &c->signers);
    case BYTES(3):
        return scan_signatures(in, BYTES(3), arena, c->n_signers, &c->n_signatures, &c->signatures);
    default:
        return false;
    }
}

static const struct tc_wire_form certificate_form = {&hotstuff__certificate__descriptor, certificate_field};
static const struct tc_wire_form timeout_form = {&hotstuff__timeout_certificate__descriptor, timeout_field};

/* A message inside, for a field that holds `already`. */
static void *scan_inside(struct tc_scan *in, struct tc_arena *arena, const struct tc_wire_form *form,
                         const void *already)
{
    struct tc_slice bytes;
    return scan_nested(in, already, &bytes) ? tc_wire_scan_message(bytes, form, arena) : NULL;
}

static bool scan_vote(struct tc_scan *in, struct tc_arena *arena, Hotstuff__Vote **out)
{
    struct tc_slice bytes;
    if (!scan_nested(in, *out, &bytes))
        return false;
    *out = tc_arena_alloc(arena, sizeof **out);
    return *out && tc_wire_scan_vote(bytes, &hotstuff__vote__descriptor, (struct tc_wire_vote *)(void *)*out);
}

/* ---- bodies ---- */

static bool announcement_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Hotstuff__Announcement *body = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_number(in, 9, &body->view);
    case VARINT(2):
        return tc_scan_number(in, 9, &body->sequence);
    case BYTES(3):
        return tc_scan_bytes(in, &body->digest);
    case BYTES(4):
        return (body->justify = scan_inside(in, arena, &certificate_form, body->justify)) != NULL;
    default:
        return false;
    }
}

static bool proposal_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Hotstuff__Proposal *body = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_number(in, 9, &body->view);
    case VARINT(2):
        return tc_scan_number(in, 9, &body->sequence);
    case BYTES(3):
        return tc_scan_bytes(in, &body->digest);
    case BYTES(4):
        return tc_scan_bytes(in, &body->parent);
    case BYTES(5):
        return (body->justify = scan_inside(in, arena, &certificate_form, body->justify)) != NULL;
    case BYTES(6):
        return (body->timeout = scan_inside(in, arena, &timeout_form, body->timeout)) != NULL;
    default:
        return false;
    }
}

static bool new_view_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Hotstuff__NewView *body = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_number(in, 9, &body->view);
    case BYTES(2):
        return (body->justify = scan_inside(in, arena, &certificate_form, body->justify)) != NULL;
    case BYTES(3):
        return tc_scan_bytes(in, &body->share);
    case BYTES(4):
        return scan_vote(in, arena, &body->vote);
    case BYTES(5):
        return tc_scan_bytes(in, &body->vote_signature);
    case BYTES(6):
        return (body->timeout = scan_inside(in, arena, &timeout_form, body->timeout)) != NULL;
    case BYTES(7):
        return (body->decide = scan_inside(in, arena, &certificate_form, body->decide)) != NULL;
    default:
        return false;
    }
}

static const struct tc_wire_form forms[] = {{&hotstuff__announcement__descriptor, announcement_field},
                                            {&hotstuff__proposal__descriptor, proposal_field},
                                            {&hotstuff__new_view__descriptor, new_view_field},
                                            {NULL, NULL}};

int tc_hotstuff_read_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena,
                          ProtobufCMessage **body)
{
    return tc_wire_read_body_by(forms, bytes, descriptor, arena, body);
}

int tc_hotstuff_get_body(const Wire__Envelope *envelope, const ProtobufCMessageDescriptor *descriptor,
                         struct tc_arena *arena, void **body)
{
    return tc_wire_get_body_by(forms, envelope, descriptor, arena, body);
}
