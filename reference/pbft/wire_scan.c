/* The messages of a view change, read without the generic unpacker (see ../fields_scan.h): few, but the longest there
 * are, lists of envelopes all of them. Lists in one piece; anything else is left to the other way, and so is what is
 * malformed. The result is the same. */
#include "../fields_scan.h"
#include "wire.h"

#define VARINT TC_SCAN_VARINT
#define BYTES  TC_SCAN_BYTES

static bool prepared_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Pbft__Prepared *prepared = message;
    Wire__Envelope **one = NULL;
    size_t count;
    switch (*in->at++) {
    case BYTES(1):
        if (prepared->pre_prepare || !tc_wire_scan_envelopes(in, BYTES(1), arena, &count, &one) || count != 1)
            return false;
        prepared->pre_prepare = one[0];
        return true;
    case BYTES(2):
        return tc_wire_scan_envelopes(in, BYTES(2), arena, &prepared->n_prepares, &prepared->prepares);
    default:
        return false;
    }
}

/* From the first one on, behind whose tag we are. */
static bool scan_list(struct tc_scan *in, struct tc_arena *arena, Pbft__ViewChange *body)
{
    static const struct tc_wire_form form = {&pbft__prepared__descriptor, prepared_field};
    const size_t count = body->prepared ? 0 : tc_scan_count(*in, BYTES(5));
    Pbft__Prepared **list = count > 0 ? tc_arena_alloc(arena, count * sizeof *list) : NULL;
    if (!list)
        return false;
    for (size_t i = 0; i < count; i++) {
        ProtobufCBinaryData bytes;
        in->at += i > 0; /* the tag */
        if (!tc_scan_bytes(in, &bytes) || !(list[i] = tc_wire_scan_message(tc_wire_slice(bytes), &form, arena)))
            return false;
    }
    body->prepared = list;
    body->n_prepared = count;
    return true;
}

static bool view_change_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Pbft__ViewChange *body = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_number(in, 9, &body->view);
    case VARINT(2):
        return tc_scan_number(in, 9, &body->stable_sequence);
    case BYTES(3):
        return tc_scan_bytes(in, &body->stable_digest);
    case BYTES(4):
        return tc_wire_scan_envelopes(in, BYTES(4), arena, &body->n_checkpoints, &body->checkpoints);
    case BYTES(5):
        return scan_list(in, arena, body);
    default:
        return false;
    }
}

static bool new_view_field(struct tc_scan *in, struct tc_arena *arena, void *message)
{
    Pbft__NewView *body = message;
    switch (*in->at++) {
    case VARINT(1):
        return tc_scan_number(in, 9, &body->view);
    case BYTES(2):
        return tc_wire_scan_envelopes(in, BYTES(2), arena, &body->n_view_changes, &body->view_changes);
    case BYTES(3):
        return tc_wire_scan_envelopes(in, BYTES(3), arena, &body->n_pre_prepares, &body->pre_prepares);
    default:
        return false;
    }
}

static const struct tc_wire_form forms[] = {
    {&pbft__view_change__descriptor, view_change_field}, {&pbft__new_view__descriptor, new_view_field}, {NULL, NULL}};

int tc_pbft_read_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena,
                      ProtobufCMessage **body)
{
    return tc_wire_read_body_by(forms, bytes, descriptor, arena, body);
}

int tc_pbft_get_body(const Wire__Envelope *envelope, const ProtobufCMessageDescriptor *descriptor,
                     struct tc_arena *arena, void **body)
{
    return tc_wire_get_body_by(forms, envelope, descriptor, arena, body);
}
