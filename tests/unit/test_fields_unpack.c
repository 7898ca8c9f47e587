/* Our own unpacking and packing against protobuf-c: whatever the bytes, both take or both refuse them, and make the
 * same of them. links: tc_protocol tc_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../proxy/random.h"
#include "../../reference/fields_alloc.h"
#include "../../reference/hotstuff/wire.h"
#include "../../reference/pbft/wire.h"

#define ROUNDS    20000
#define BYTES_MAX 4096

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &wire__envelope__descriptor,     &pbft__new_view__descriptor,        &pbft__view_change__descriptor,
    &wire__operation__descriptor,    &wire__result__descriptor,          &hotstuff__proposal__descriptor,
    &hotstuff__new_view__descriptor, &hotstuff__certificate__descriptor, &hotstuff__announcement__descriptor,
    &hotstuff__vote__descriptor,     &wire__request__descriptor,         &wire__reply__descriptor};

struct maker {
    uint64_t seed, draws;
    uint8_t bytes[BYTES_MAX];
    size_t len;
};

static uint64_t draw(struct maker *m, uint64_t bound)
{
    return tc_random_below(tc_random_mix(m->seed, m->draws++), bound);
}

static void put(struct maker *m, uint8_t byte)
{
    if (m->len < BYTES_MAX)
        m->bytes[m->len++] = byte;
}

/* Now and then longer than it need be. */
static void put_varint(struct maker *m, uint64_t value)
{
    uint64_t longer = draw(m, 40) == 0 ? draw(m, 11) : 0;
    do {
        const bool more = value >= 0x80 || longer > 0;
        put(m, (uint8_t)((value & 0x7f) | (more ? 0x80 : 0)));
        value >>= 7;
        longer -= longer > 0;
        if (!more)
            return;
    } while (true);
}

static uint64_t number(struct maker *m)
{
    static const uint64_t some[] = {0, 1, 127, 128, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX};
    return draw(m, 3) == 0 ? some[draw(m, 8)] : draw(m, UINT64_C(1) << draw(m, 40));
}

static void put_message(struct maker *m, const ProtobufCMessageDescriptor *descriptor, unsigned depth);

/* Length first: what follows is made behind it and moved. */
static void put_delimited(struct maker *m, const ProtobufCFieldDescriptor *field, unsigned depth)
{
    struct maker inner = {.seed = tc_random_mix(m->seed, m->draws++)};
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        put_message(&inner, field->descriptor, depth + 1);
    else if (field->type == PROTOBUF_C_TYPE_BYTES || field->type == PROTOBUF_C_TYPE_STRING)
        for (uint64_t i = draw(&inner, 4) == 0 ? 0 : draw(&inner, 70); i > 0; i--)
            put(&inner, (uint8_t)draw(&inner, 256));
    else
        for (uint64_t i = draw(&inner, 6); i > 0; i--)
            put_varint(&inner, number(&inner));
    put_varint(m, inner.len + (draw(m, 100) == 0));
    for (size_t i = 0; i < inner.len; i++)
        put(m, inner.bytes[i]);
}

static void put_field(struct maker *m, const ProtobufCFieldDescriptor *field, unsigned depth)
{
    const bool delimited = field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_BYTES ||
                           field->type == PROTOBUF_C_TYPE_STRING ||
                           (field->label == PROTOBUF_C_LABEL_REPEATED && draw(m, 8) > 0);
    unsigned wire = delimited ? 2 : 0;
    if (draw(m, 200) == 0)
        wire = (unsigned)draw(m, 8);
    put_varint(m, (uint64_t)(draw(m, 60) == 0 ? draw(m, 3000) : field->id) << 3 | wire);
    if (wire == 2)
        put_delimited(m, field, depth);
    else if (wire == 0)
        put_varint(m, number(m));
    else
        for (uint64_t i = wire == 1 ? 8 : 4; i > 0; i--)
            put(m, (uint8_t)draw(m, 256));
}

static void put_message(struct maker *m, const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    const uint64_t count = depth > 9 ? 0 : draw(m, depth < 3 ? 9 : 4);
    for (uint64_t i = 0; i < count; i++)
        put_field(m, &descriptor->fields[draw(m, descriptor->n_fields)], depth);
}

static void assert_same(const ProtobufCMessage *ours, const ProtobufCMessage *theirs)
{
    static uint8_t one[4 * BYTES_MAX], two[4 * BYTES_MAX];
    const size_t size = protobuf_c_message_get_packed_size(theirs);
    assert_int_equal(protobuf_c_message_get_packed_size(ours), size);
    assert_true(size <= sizeof one);
    protobuf_c_message_pack(ours, one);
    protobuf_c_message_pack(theirs, two);
    assert_memory_equal(one, two, size);
    struct tc_arena arena;
    struct tc_slice packed;
    tc_arena_init(&arena, 1u << 20);
    assert_int_equal(tc_fields_pack_behind(ours, 3, &arena, &packed), 0);
    assert_int_equal(packed.len, size + 3);
    assert_memory_equal(packed.data + 3, two, size);
    tc_arena_free(&arena);
}

/* The ways that are shorter still: for some messages there is one, and the others fall back. */
static void assert_short_ways(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, int rc,
                              const ProtobufCMessage *theirs, struct tc_arena *arena)
{
    ProtobufCMessage *body;
    Wire__Envelope *envelope;
    struct tc_slice frame;
    assert_int_equal(tc_hotstuff_read_body(bytes, descriptor, arena, &body), rc);
    if (rc == 0)
        assert_same(body, theirs);
    assert_int_equal(tc_pbft_read_body(bytes, descriptor, arena, &body), rc);
    if (rc == 0)
        assert_same(body, theirs);
    if (descriptor != &wire__envelope__descriptor)
        return;
    assert_int_equal(tc_wire_read_envelope(bytes, arena, &envelope), rc);
    if (rc != 0)
        return;
    assert_same(&envelope->base, theirs);
    static uint8_t packed[4 * BYTES_MAX];
    const size_t size = wire__envelope__pack(envelope, packed);
    assert_int_equal(tc_wire_size(envelope), size);
    assert_int_equal(tc_wire_pack(envelope, arena, &frame), 0);
    assert_int_equal(frame.len, TC_WIRE_LENGTH_SIZE + size);
    assert_memory_equal(frame.data + TC_WIRE_LENGTH_SIZE, packed, size);
}

/* Nesting beyond the bound and fields of number 0 are refused by us alone. */
static bool is_ours_to_refuse(const ProtobufCMessage *message, unsigned depth)
{
    if (depth > TC_FIELDS_DEPTH_MAX)
        return true;
    for (size_t i = 0; i < message->n_unknown_fields; i++)
        if (message->unknown_fields[i].tag == 0)
            return true;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const uint8_t *at = (const uint8_t *)message + field->offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            const size_t n = *(const size_t *)(const void *)((const uint8_t *)message + field->quantifier_offset);
            for (size_t k = 0; k < n; k++)
                if (is_ours_to_refuse((*(ProtobufCMessage *const *const *)(const void *)at)[k], depth + 1))
                    return true;
        } else if (*(ProtobufCMessage *const *)(const void *)at &&
                   is_ours_to_refuse(*(ProtobufCMessage *const *)(const void *)at, depth + 1)) {
            return true;
        }
    }
    return false;
}

static void test_as_protobuf_does(void **state)
{
    (void)state;
    uint64_t taken = 0, refused = 0, unknown = 0;
    struct tc_arena arena;
    tc_arena_init(&arena, 1u << 24);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        static struct maker m;
        const ProtobufCMessageDescriptor *descriptor = descriptors[round % (sizeof descriptors / sizeof *descriptors)];
        ProtobufCMessage *ours = NULL;
        m = (struct maker){.seed = round};
        put_message(&m, descriptor, 0);
        for (uint64_t flips = draw(&m, 6) == 0 ? draw(&m, 4) : 0; flips > 0 && m.len > 0; flips--)
            m.bytes[draw(&m, m.len)] ^= (uint8_t)(1u << draw(&m, 8));
        if (draw(&m, 10) == 0 && m.len > 0)
            m.len -= draw(&m, m.len);
        tc_arena_reset(&arena);
        ProtobufCMessage *theirs = protobuf_c_message_unpack(descriptor, NULL, m.len, m.bytes);
        const int rc = tc_fields_unpack(descriptor, (struct tc_slice){m.bytes, m.len}, &arena, &ours);
        if (theirs && !is_ours_to_refuse(theirs, 0))
            assert_int_equal(rc, 0);
        if (!theirs)
            assert_int_equal(rc, TC_EMALFORMED);
        if (rc == 0)
            assert_same(ours, theirs);
        assert_short_ways((struct tc_slice){m.bytes, m.len}, descriptor, rc, theirs, &arena);
        taken += rc == 0;
        refused += rc != 0;
        unknown += rc == 0 && ours->n_unknown_fields > 0;
        if (theirs)
            protobuf_c_message_free_unpacked(theirs, NULL);
    }
    tc_arena_free(&arena);
    assert_true(taken > ROUNDS / 2);
    assert_true(refused > ROUNDS / 100);
    assert_true(unknown > ROUNDS / 100);
}

/* Memory that runs out is told as such wherever it does. */
static void test_full_arena(void **state)
{
    (void)state;
    static struct maker m;
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT, inner = WIRE__ENVELOPE__INIT;
    Wire__Envelope *requests[20];
    uint8_t body[200] = {7};
    inner.body = (ProtobufCBinaryData){sizeof body, body};
    for (size_t i = 0; i < 20; i++)
        requests[i] = &inner;
    envelope.n_requests = 10;
    envelope.requests = requests;
    assert_true(wire__envelope__get_packed_size(&envelope) <= BYTES_MAX);
    m.len = wire__envelope__pack(&envelope, m.bytes);
    bool fits = false;
    for (size_t size = 16; !fits; size += 64) {
        struct tc_arena arena;
        ProtobufCMessage *base = NULL;
        tc_arena_init(&arena, size);
        const int rc = tc_fields_unpack(&wire__envelope__descriptor, (struct tc_slice){m.bytes, m.len}, &arena, &base);
        fits = rc == 0;
        if (fits)
            assert_same(base, &envelope.base);
        else
            assert_int_equal(rc, TC_ELIMIT);
        tc_arena_free(&arena);
        assert_true(size < 100000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_protobuf_does), cmocka_unit_test(test_full_arena)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
