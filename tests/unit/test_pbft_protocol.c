/* PBFT as the man in the middle sees it: framing, decoding, keys, numbers. */
#include "../../proxy/nodeset.h"
#include "../../reference/fields.h"
#include "pbft_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hotstuff.pb-c.h"
#include <cmocka.h>

/* ---- frames ---- */

static void assert_packed_alike(const ProtobufCMessage *message, struct tc_slice bytes)
{
    uint8_t packed[1024];
    assert_in_range(protobuf_c_message_get_packed_size(message), 0, sizeof packed);
    assert_int_equal(bytes.len, protobuf_c_message_pack(message, packed));
    assert_memory_equal(bytes.data, packed, bytes.len);
}

static void assert_written_as_packed(struct tc_make *make, uint64_t first, uint64_t second, struct tc_slice bytes)
{
    Pbft__Prepare vote = PBFT__PREPARE__INIT;
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    struct tc_slice frame;
    vote.view = first;
    vote.sequence = second;
    vote.digest = tc_wire_binary(bytes);
    assert_int_equal(tc_wire_set_body(&envelope, &vote.base, &make->arena), 0);
    assert_packed_alike(&vote.base, tc_wire_slice(envelope.body));
    envelope.type = (uint32_t)first;
    envelope.sender = (uint32_t)second;
    envelope.signature = vote.digest;
    envelope.macs = tc_wire_binary((struct tc_slice){bytes.data, bytes.len / 2});
    assert_int_equal(tc_wire_pack(&envelope, &make->arena, &frame), 0);
    if (frame.len > TC_WIRE_LENGTH_SIZE) /* one without anything in it is no frame */
        assert_int_equal(tc_pbft.frame(frame), frame.len);
    assert_packed_alike(&envelope.base,
                        (struct tc_slice){frame.data + TC_WIRE_LENGTH_SIZE, frame.len - TC_WIRE_LENGTH_SIZE});
}

/* Which bodies are read and written without the packer: those of that shape, whatever protocol they are of. */
static void test_bodies_of_a_vote(void **state)
{
    (void)state;
    assert_true(tc_wire_is_vote(&pbft__pre_prepare__descriptor));
    assert_true(tc_wire_is_vote(&pbft__commit__descriptor));
    assert_true(tc_wire_is_vote(&hotstuff__vote__descriptor));
    assert_true(tc_wire_is_vote(&hotstuff__block__descriptor)); /* whose digest is its parent's */
    assert_false(tc_wire_is_vote(&pbft__checkpoint__descriptor));
    assert_false(tc_wire_is_vote(&hotstuff__announcement__descriptor));
}

/* Envelopes and votes that are written without the packer are written as by it, whatever their numbers. */
static void test_written_as_packed(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_C(1) << 35, UINT64_MAX};
    static const size_t lens[] = {0, 1, 64, 127, 128, 300};
    static const uint8_t bytes[300] = {1, 2, 3};
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < 8; k++)
            for (size_t l = 0; l < sizeof lens / sizeof *lens; l++)
                assert_written_as_packed(*state, numbers[i], numbers[k], (struct tc_slice){bytes, lens[l]});
}

static void test_frame_byte_by_byte(void **state)
{
    struct tc_make *make = *state;
    const struct tc_slice frame = tc_make_frame(make, tc_make_prepare(make, 1, 0, 1, tc_make_digest(make, 1)));
    for (size_t len = 0; len < frame.len; len++)
        assert_int_equal(tc_pbft.frame((struct tc_slice){frame.data, len}), TC_FRAME_PARTIAL);
    assert_int_equal(tc_pbft.frame(frame), frame.len);
    uint8_t two[512];
    memcpy(two, frame.data, frame.len);
    memcpy(two + frame.len, frame.data, frame.len);
    assert_int_equal(tc_pbft.frame((struct tc_slice){two, 2 * frame.len}), frame.len);
}

static void test_frame_limits(void **state)
{
    (void)state;
    const uint32_t most = TC_FRAME_MAX - 4;
    uint8_t head[4] = {(uint8_t)(most >> 24), (uint8_t)(most >> 16), (uint8_t)(most >> 8), (uint8_t)most};
    assert_int_equal(tc_pbft.frame((struct tc_slice){head, 4}), TC_FRAME_PARTIAL);
    const uint32_t over = most + 1;
    uint8_t large[4] = {(uint8_t)(over >> 24), (uint8_t)(over >> 16), (uint8_t)(over >> 8), (uint8_t)over};
    assert_int_equal(tc_pbft.frame((struct tc_slice){large, 4}), TC_FRAME_MALFORMED);
    assert_int_equal(tc_pbft.frame((struct tc_slice){(const uint8_t[]){255, 255, 255, 255}, 4}), TC_FRAME_MALFORMED);
}

/* The input ends where memory ends: one byte read too far is a crash. */
static void test_frame_and_decode_at_guard_page(void **state)
{
    struct tc_make *make = *state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const struct tc_slice frame = tc_make_frame(make, rich_new_view(make));
    const size_t pages = frame.len / page + 1;
    uint8_t *memory = mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + pages * page, page, PROT_NONE), 0);
    for (size_t len = 0; len <= frame.len; len++) {
        uint8_t *start = memory + pages * page - len;
        memcpy(start, frame.data, len);
        const struct tc_slice in = {start, len};
        assert_int_equal(tc_pbft.frame(in), len == frame.len ? (int64_t)len : TC_FRAME_PARTIAL);
        if (len % 64 != 0 && len != frame.len)
            continue;
        struct tc_message m = {0};
        struct tc_arena arena;
        tc_arena_init(&arena, 1 << 20);
        assert_int_equal(tc_pbft.decode(in, &arena, &m), len == frame.len ? 0 : TC_EMALFORMED);
        tc_arena_free(&arena);
    }
    munmap(memory, (pages + 1) * page);
}

/* ---- decoding ---- */

static void test_decode_prepare(void **state)
{
    struct tc_make *make = *state;
    const struct tc_message *m =
        tc_make_message(make, tc_make_prepare(make, 2, 7, 41, tc_make_digest(make, 0x9c)), 2, 0);
    assert_true(m->decoded);
    assert_int_equal(m->statement_count, 1);
    assert_string_equal(m->type, "prepare");
    assert_int_equal(m->sender, 2);
    const struct tc_statement *s = &m->statements[0];
    assert_int_equal(s->kind, TC_KIND_VOTE);
    assert_int_equal(s->phase, TC_PHASE_PREPARE);
    assert_true(s->has_view && s->has_sequence);
    assert_int_equal(s->view, 7);
    assert_int_equal(s->sequence, 41);
    assert_int_equal(s->signer, 2);
    assert_int_equal(s->parent, 0xffff);
    assert_int_equal(s->value.state, TC_VALUE_BYTES);
    assert_int_equal(s->value.bytes[31], 0x9c);
    assert_int_equal(s->signature.len, TC_SIGNATURE_SIZE);
    assert_int_not_equal(s->slot, 0);
    struct tc_field_value value;
    assert_int_equal(tc_fields_get(s->fields, "sequence", 0, &value), 0);
    assert_int_equal(value.uint_value, 41);
    assert_int_equal(tc_pbft.verify(&make->env, s), 0);
}

/* Fields may come in any order, and the last of two counts. */
static void test_fields_in_any_order(void **state)
{
    static const uint8_t view[] = {0x08, 3}, sequence[] = {0x10, 0xac, 0x02}, early[] = {0x10, 7};
    static const uint8_t type[] = {0x08, PBFT__TYPE__PREPARE}, sender[] = {0x10, 2}, other[] = {0x10, 1};
    struct tc_make *make = *state;
    uint8_t digest[34] = {0x1a, 32, 9}, signature[66] = {0x22, 64, 5}, body[80] = {0x1a};
    const struct tc_slice fields[] = {{view, 2}, {sequence, 3}, {digest, sizeof digest}};
    for (unsigned order = 0; order < 27; order++) { /* in front of them another sequence number, and another sender */
        const unsigned at[] = {order % 3, order / 3 % 3, order / 9};
        size_t len = 2;
        if (at[0] == at[1] || at[1] == at[2] || at[0] == at[2])
            continue;
        memcpy(body + len, early, sizeof early);
        len += sizeof early;
        for (unsigned i = 0; i < 3; i++) {
            memcpy(body + len, fields[at[i]].data, fields[at[i]].len);
            len += fields[at[i]].len;
        }
        body[1] = (uint8_t)(len - 2);
        const struct tc_slice parts[] = {
            {other, 2}, {body, len}, {sender, 2}, {type, 2}, {signature, sizeof signature}};
        for (unsigned first = 0; first < 5; first++) {
            uint8_t frame[256] = {0};
            size_t end = 4;
            for (unsigned i = 0; i < 5; i++) {
                const struct tc_slice part = parts[i == 0 ? first : i <= first ? i - 1 : i];
                memcpy(frame + end, part.data, part.len);
                end += part.len;
            }
            frame[3] = (uint8_t)(end - 4);
            struct tc_message m = {.from = 2};
            assert_int_equal(tc_pbft.decode((struct tc_slice){frame, end}, &make->arena, &m), 0);
            const struct tc_statement *s = &m.statements[0];
            assert_int_equal(s->kind, TC_KIND_VOTE);
            assert_int_equal(s->signer, first == 2 ? 1 : 2);
            assert_int_equal(s->view, 3);
            assert_int_equal(s->sequence, 300);
            assert_int_equal(s->value.bytes[0], 9);
            assert_int_equal(s->signature.len, 64);
        }
    }
}

static void test_slots_conflict_where_they_should(void **state)
{
    struct tc_make *make = *state;
    ProtobufCBinaryData a = tc_make_digest(make, 1), b = tc_make_digest(make, 2);
    const uint64_t slot = tc_make_message(make, tc_make_prepare(make, 2, 0, 5, a), 2, 0)->statements[0].slot;
    assert_int_equal(slot, tc_make_message(make, tc_make_prepare(make, 2, 0, 5, b), 2, 1)->statements[0].slot);
    assert_int_equal(slot, tc_make_message(make, tc_make_prepare(make, 3, 0, 5, a), 3, 1)->statements[0].slot);
    assert_int_not_equal(slot, tc_make_message(make, tc_make_commit(make, 2, 0, 5, a), 2, 0)->statements[0].slot);
    assert_int_not_equal(slot, tc_make_message(make, tc_make_prepare(make, 2, 1, 5, a), 2, 0)->statements[0].slot);
    assert_int_not_equal(slot, tc_make_message(make, tc_make_prepare(make, 2, 0, 6, a), 2, 0)->statements[0].slot);
    const struct tc_message *nil = tc_make_message(make, tc_make_prepare(make, 2, 0, 5, tc_make_digest(make, 0)), 2, 0);
    assert_int_equal(nil->statements[0].value.state, TC_VALUE_NIL);
    assert_int_equal(nil->statements[0].slot, slot);
}

static void test_decode_proposal_with_batch(void **state)
{
    struct tc_make *make = *state;
    Wire__Envelope *requests[] = {tc_make_request(make, 128, 3, "x"), tc_make_request(make, 129, 9, "y")};
    const struct tc_message *m = tc_make_message(make, tc_make_proposal(make, 0, 0, 1, requests, 2), 0, 1);
    assert_int_equal(m->statement_count, 3);
    assert_int_equal(m->statements[0].kind, TC_KIND_PROPOSE);
    for (uint16_t i = 1; i <= 2; i++) {
        const struct tc_statement *s = &m->statements[i];
        assert_int_equal(s->kind, TC_KIND_REQUEST);
        assert_int_equal(s->parent, 0);
        assert_int_equal(s->origin, TC_ORIGIN_EMBEDDED);
        assert_int_equal(s->signer, 127 + i);
        assert_false(s->has_view || s->has_sequence);
        assert_int_equal(tc_pbft.verify(&make->env, s), 0);
    }
    uint8_t digest[TC_VALUE_SIZE];
    tc_wire_request_digest(128, 3, (struct tc_slice){(const uint8_t *)"x", 1}, digest);
    assert_memory_equal(m->statements[1].value.bytes, digest, sizeof digest);
}

static void test_decode_new_view(void **state)
{
    struct tc_make *make = *state;
    const struct tc_message *m = tc_make_message(make, rich_new_view(make), 1, 2);
    /* 1 new view; 3 view changes; 2 × 3 checkpoints; 2 certificates of pre-prepare and two prepares; 2 pre-prepares */
    assert_int_equal(m->statement_count, 1 + 3 + 6 + 2 * 4 + 2);
    uint32_t kinds[TC_KIND_COUNT] = {0};
    for (uint32_t i = 0; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        kinds[s->kind]++;
        assert_true(i == 0 || s->parent < i);
        assert_int_equal(tc_pbft.verify(&make->env, s), 0);
    }
    assert_int_equal(kinds[TC_KIND_VIEW_CHANGE], 3);
    assert_int_equal(kinds[TC_KIND_CERTIFICATE], 2);
    assert_int_equal(kinds[TC_KIND_PROPOSE], 4);
    assert_int_equal(kinds[TC_KIND_VOTE], 4);
    assert_int_equal(kinds[TC_KIND_CHECKPOINT], 6);
    const struct tc_statement *certificate = NULL;
    for (uint32_t i = 0; i < m->statement_count && !certificate; i++)
        if (m->statements[i].kind == TC_KIND_CERTIFICATE)
            certificate = &m->statements[i];
    assert_non_null(certificate);
    assert_int_equal(certificate->sequence, 17);
    assert_int_equal(certificate->value.bytes[0], 5);
    assert_int_equal(tc_nodeset_count(&certificate->signers), 3);
    assert_true(tc_nodeset_has(&certificate->signers, 0) && tc_nodeset_has(&certificate->signers, 2));
    assert_int_equal(m->statements[certificate->parent].kind, TC_KIND_VIEW_CHANGE);
}

static void test_undecodable(void **state)
{
    struct tc_make *make = *state;
    struct tc_message m = {.from = 1, .to = 2};
    const uint8_t garbage[] = {0, 0, 0, 3, 0xff, 0xff, 0xff};
    assert_int_equal(tc_pbft.decode((struct tc_slice){garbage, sizeof garbage}, &make->arena, &m), TC_EMALFORMED);
    assert_false(m.decoded);
    assert_int_equal(m.statement_count, 0);
    assert_int_equal(m.from, 1);
    tc_message_set_key(&m);
    assert_int_not_equal(m.key, 0);
    const uint8_t unknown_type[] = {0, 0, 0, 2, 0x08, 0x63};
    assert_int_equal(tc_pbft.decode((struct tc_slice){unknown_type, sizeof unknown_type}, &make->arena, &m),
                     TC_EMALFORMED);
}

static void test_embedded_garbage_becomes_other(void **state)
{
    struct tc_make *make = *state;
    Wire__Envelope *changes[] = {tc_make_view_change(make, 2, 1, 0, NULL, 0),
                                 tc_make_view_change(make, 3, 1, 0, NULL, 0)};
    changes[1]->body = (ProtobufCBinaryData){3, (uint8_t *)"\xff\xff\xff"};
    const struct tc_message *m = tc_make_message(make, tc_make_new_view(make, 1, 1, changes, 2, NULL, 0), 1, 0);
    assert_int_equal(m->statement_count, 3);
    assert_int_equal(m->statements[1].kind, TC_KIND_VIEW_CHANGE);
    assert_int_equal(m->statements[2].kind, TC_KIND_OTHER);
    assert_null(m->statements[2].fields.base);
    assert_int_equal(tc_pbft.verify(&make->env, &m->statements[2]), TC_ESIGNATURE);
}

static void test_too_many_statements(void **state)
{
    struct tc_make *make = *state;
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT, empty = WIRE__ENVELOPE__INIT;
    static Wire__Envelope *many[TC_STATEMENTS_MAX];
    for (size_t i = 0; i < TC_STATEMENTS_MAX; i++)
        many[i] = &empty;
    envelope.type = PBFT__TYPE__BATCH;
    envelope.requests = many;
    struct tc_message m;
    for (size_t count = TC_STATEMENTS_MAX - 1; count <= TC_STATEMENTS_MAX; count++) {
        envelope.n_requests = count;
        const int rc = tc_pbft.decode(tc_make_frame(make, &envelope), &make->arena, &m);
        assert_int_equal(rc, count < TC_STATEMENTS_MAX ? 0 : TC_ELIMIT);
        assert_int_equal(m.statement_count, count < TC_STATEMENTS_MAX ? TC_STATEMENTS_MAX : 0);
    }
    struct tc_arena tiny;
    tc_arena_init(&tiny, 4096);
    assert_int_equal(tc_pbft.decode(tc_make_frame(make, &envelope), &tiny, &m), TC_ELIMIT);
    assert_false(m.decoded);
    tc_arena_free(&tiny);
}

static void test_hello(void **state)
{
    struct tc_make *make = *state;
    struct tc_slice frame;
    struct tc_message m = {0};
    uint16_t node = 9;
    assert_int_equal(tc_wire_hello(&make->cluster, 3, &make->arena, &frame), 0);
    assert_int_equal(tc_pbft.decode(frame, &make->arena, &m), 0);
    assert_int_equal(tc_pbft.hello(&m, &node), 0);
    assert_int_equal(node, 3);
    const struct tc_message *prepare =
        tc_make_message(make, tc_make_prepare(make, 1, 0, 1, tc_make_digest(make, 1)), 1, 0);
    assert_int_equal(tc_pbft.hello(prepare, &node), TC_EMALFORMED);
}

/* ---- keys ---- */

static void test_key_ignores_signature_and_link(void **state)
{
    struct tc_make *make = *state;
    ProtobufCBinaryData digest = tc_make_digest(make, 1);
    Wire__Envelope *envelope = tc_make_prepare(make, 1, 0, 1, digest);
    const uint64_t key = tc_make_message(make, envelope, 1, 0)->key;
    envelope->signature.len = 0;
    assert_int_equal(key, tc_make_message(make, envelope, 1, 2)->key);
    assert_int_not_equal(key, tc_make_message(make, tc_make_prepare(make, 2, 0, 1, digest), 2, 0)->key);
    assert_int_not_equal(key, tc_make_message(make, tc_make_commit(make, 1, 0, 1, digest), 1, 0)->key);
    const uint64_t request = tc_make_message(make, tc_make_request(make, 128, 1, "x"), 128, 0)->key;
    assert_int_not_equal(request, tc_make_message(make, tc_make_request(make, 128, 2, "x"), 128, 0)->key);
    assert_int_not_equal(request, tc_make_message(make, tc_make_request(make, 129, 1, "x"), 129, 0)->key);
    assert_int_equal(request, tc_make_message(make, tc_make_request(make, 128, 1, "x"), 0, 1)->key);
}

/* ---- the protocol as a whole ---- */

static uint16_t always_two(const struct tc_cluster *cluster, uint64_t view)
{
    (void)cluster;
    (void)view;
    return 2;
}

static void test_numbers(void **state)
{
    struct tc_make *make = *state;
    assert_ptr_equal(tc_protocol_find("pbft"), &tc_pbft);
    assert_null(tc_protocol_find("raft"));
    const uint32_t quorums[][3] = {{4, 1, 3}, {5, 1, 4}, {6, 1, 4}, {7, 2, 5}, {100, 33, 67}, {1, 0, 1}, {3, 0, 2}};
    for (size_t i = 0; i < sizeof quorums / sizeof *quorums; i++) {
        make->cluster.n = quorums[i][0];
        make->cluster.f = quorums[i][1];
        assert_int_equal(tc_protocol_quorum(&tc_pbft, &make->cluster), quorums[i][2]);
        assert_true(2 * quorums[i][2] >= make->cluster.n + make->cluster.f + 1);
    }
    make->cluster.quorum = 2;
    assert_int_equal(tc_protocol_quorum(&tc_pbft, &make->cluster), 2);
    assert_int_equal(tc_protocol_faults_max(100), 33);
    assert_int_equal(tc_protocol_faults_max(3), 0);
    uint64_t by_row[32];
    assert_int_equal(tc_pbft.cost(100, by_row), 19800);
    assert_int_equal(by_row[PBFT__TYPE__PRE_PREPARE] + by_row[PBFT__TYPE__PREPARE] + by_row[PBFT__TYPE__COMMIT], 19800);
    assert_int_equal(by_row[PBFT__TYPE__PREPARE], 99 * 99);
    assert_int_equal(tc_pbft.leader(&make->cluster, 7), 7 % make->cluster.n);
    make->env.leader = always_two;
    assert_int_equal(tc_protocol_leader(&tc_pbft, &make->env, 7), 2);
    make->cluster = (struct tc_cluster){.n = 4, .f = 1, .view_timeout_ns = 100, .view_timeout_max_ns = 300};
    assert_int_equal(tc_pbft.recovery_bound_ns(&make->cluster, 0), 100 + 100 + 200 + 300);
    assert_int_equal(tc_pbft.recovery_bound_ns(&make->cluster, 200), 200 + 100 + 300 + 300);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_bodies_of_a_vote),
        T(test_written_as_packed),
        T(test_frame_byte_by_byte),
        T(test_frame_limits),
        T(test_frame_and_decode_at_guard_page),
        T(test_decode_prepare),
        T(test_fields_in_any_order),
        T(test_slots_conflict_where_they_should),
        T(test_decode_proposal_with_batch),
        T(test_decode_new_view),
        T(test_undecodable),
        T(test_embedded_garbage_becomes_other),
        T(test_too_many_statements),
        T(test_hello),
        T(test_key_ignores_signature_and_link),
        T(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
