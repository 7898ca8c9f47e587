/* PBFT messages changed by the man in the middle: encoding, signing, lies. */
#include "../../reference/fields.h"
#include "pbft_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- encoding ---- */

static void test_encode_unchanged_is_identical(void **state)
{
    struct tc_make *make = *state;
    const struct tc_message *m = tc_make_message(make, rich_new_view(make), 1, 2);
    struct tc_slice frame;
    assert_int_equal(tc_pbft.encode(m, &make->arena, &frame), 0);
    assert_int_equal(frame.len, m->frame.len);
    assert_memory_equal(frame.data, m->frame.data, frame.len);
}

/* Fields out of order and an unknown one, in envelope and body: as another implementation may write them. */
static const uint8_t odd_frame[] = {0,    0,    0, 14,   0x10, 0x02, 0x78, 0x05, 0x08,
                                    0x03, 0x1a, 6, 0x10, 0x29, 0x78, 0x07, 0x08, 0x01};

static void test_encode_keeps_odd_bytes(void **state)
{
    struct tc_make *make = *state;
    struct tc_message m = {0};
    struct tc_slice frame;
    assert_int_equal(tc_pbft.decode((struct tc_slice){odd_frame, sizeof odd_frame}, &make->arena, &m), 0);
    assert_int_equal(m.statements[0].sequence, 41);
    assert_int_equal(tc_pbft.encode(&m, &make->arena, &frame), 0);
    assert_int_equal(frame.len, sizeof odd_frame);
    assert_memory_equal(frame.data, odd_frame, frame.len);

    const struct tc_field_value value = {.type = TC_FIELD_UINT, .uint_value = 42};
    assert_int_equal(tc_fields_set(m.statements[0].fields, "sequence", 0, &value, &make->arena), 0);
    assert_int_equal(tc_pbft.encode(&m, &make->arena, &frame), 0);
    /* Unknown fields survive; they move behind the known ones. */
    const uint8_t expected[] = {0, 0,    0,    14,   0x08, 0x03, 0x10, 0x02, 0x1a,
                                6, 0x08, 0x01, 0x10, 0x2a, 0x78, 0x07, 0x78, 0x05};
    assert_int_equal(frame.len, sizeof expected);
    assert_memory_equal(frame.data, expected, sizeof expected);
}

static void test_changed_message_needs_a_new_signature(void **state)
{
    struct tc_make *make = *state;
    struct tc_message *m = tc_make_message(make, tc_make_prepare(make, 2, 0, 41, tc_make_digest(make, 1)), 2, 0);
    const struct tc_field_value value = {.type = TC_FIELD_UINT, .uint_value = 42};
    assert_int_equal(tc_fields_set(m->statements[0].fields, "sequence", 0, &value, &make->arena), 0);
    struct tc_slice frame;
    struct tc_message forged = {0}, out;
    assert_int_equal(tc_pbft.encode(m, &make->arena, &frame), 0);
    assert_int_equal(tc_pbft.decode(frame, &make->arena, &forged), 0);
    assert_int_equal(forged.statements[0].sequence, 42);
    assert_int_equal(tc_pbft.verify(&make->env, &forged.statements[0]), TC_ESIGNATURE);
    assert_int_equal(tc_pbft.sign(&make->env, m, 2, &make->arena, &out), 0);
    assert_int_equal(out.statements[0].sequence, 42);
    assert_int_equal(out.from, 2);
    assert_int_equal(tc_pbft.verify(&make->env, &out.statements[0]), 0);
}

static void test_sign_as_another(void **state)
{
    struct tc_make *make = *state;
    const struct tc_message *m = tc_make_message(make, tc_make_prepare(make, 2, 0, 41, tc_make_digest(make, 1)), 2, 0);
    struct tc_message out;
    assert_int_equal(tc_pbft.sign(&make->env, m, 3, &make->arena, &out), 0);
    assert_int_equal(out.sender, 3);
    assert_int_equal(tc_pbft.verify(&make->env, &out.statements[0]), 0);
    assert_int_equal(tc_pbft.sign(&make->env, m, 99, &make->arena, &out), TC_EKEY);
    struct tc_message again;
    assert_int_equal(tc_pbft.sign(&make->env, m, 2, &make->arena, &again), 0);
    assert_int_equal(again.frame.len, m->frame.len); /* deterministic signatures: the very same bytes */
    assert_memory_equal(again.frame.data, m->frame.data, m->frame.len);
}

static void test_macs(void **state)
{
    struct tc_make *make = *state;
    make->cluster.request_authentication = TC_AUTH_MAC;
    struct tc_message *m = tc_make_message(make, tc_make_request(make, 128, 1, "x"), 128, 0);
    struct tc_message out;
    assert_int_equal(m->statements[0].signature.len, 4 * TC_MAC_SIZE);
    assert_int_equal(tc_pbft.sign(&make->env, m, 129, &make->arena, &out), 0);
    assert_int_equal(tc_pbft.verify(&make->env, &out.statements[0]), 0);
    ((uint8_t *)(uintptr_t)out.statements[0].signature.data)[3] ^= 1;
    assert_int_equal(tc_pbft.verify(&make->env, &out.statements[0]), TC_ESIGNATURE);

    struct tc_protocol_env stranger = {.cluster = &make->cluster, .keys = tc_keyring_new(TC_SCHEME_KEYED_HASH)};
    for (uint32_t i = 0; i < TC_NODES_MAX; i++)
        if (tc_keyring_public(make->env.keys, i))
            assert_int_equal(tc_keyring_add_public(stranger.keys, i, tc_keyring_public(make->env.keys, i)), 0);
    assert_int_equal(tc_pbft.verify(&stranger, &m->statements[0]), TC_EKEY);
    tc_keyring_free(stranger.keys);
}

static void test_build(void **state)
{
    struct tc_make *make = *state;
    for (size_t i = 0; i < tc_pbft.row_count; i++) {
        struct tc_message m, signed_one;
        const int rc = tc_pbft.build(tc_pbft.rows[i].name, &make->arena, &m);
        if (tc_pbft.rows[i].kind == TC_KIND_CERTIFICATE) {
            assert_int_equal(rc, TC_ENOT_FOUND);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_string_equal(m.type, tc_pbft.rows[i].name);
        assert_int_equal(tc_pbft.sign(&make->env, &m, 1, &make->arena, &signed_one), 0);
        assert_int_equal(signed_one.sender, 1);
        assert_int_equal(tc_pbft.verify(&make->env, &signed_one.statements[0]), 0);
    }
    struct tc_message m;
    assert_int_equal(tc_pbft.build("nonsense", &make->arena, &m), TC_ENOT_FOUND);
    assert_int_equal(tc_pbft.certificate(NULL, 0, &make->arena, NULL), TC_EUNSUPPORTED);
}

/* ---- lies ---- */

static void test_perturb_permutes(void **state)
{
    struct tc_make *make = *state;
    Wire__Envelope *requests[] = {tc_make_request(make, 128, 1, "a"), tc_make_request(make, 129, 1, "b")};
    const struct tc_message *m = tc_make_message(make, tc_make_proposal(make, 0, 0, 1, requests, 2), 0, 1);
    for (uint64_t hash = 0; hash < 32; hash++) {
        struct tc_message out, sealed;
        struct tc_error err = {0};
        assert_int_equal(tc_pbft.perturb(&make->env, m, hash, false, &make->arena, &out, &err), 0);
        assert_int_equal(out.statement_count, 3);
        assert_memory_not_equal(out.statements[0].value.bytes, m->statements[0].value.bytes, TC_VALUE_SIZE);
        assert_int_equal(out.statements[0].slot, m->statements[0].slot);
        assert_int_equal(out.statements[0].signature.len, 0);
        uint8_t digest[TC_VALUE_SIZE];
        assert_int_equal(tc_wire_requests_digest(out.envelope.base, &make->arena, digest), 0);
        assert_memory_equal(digest, out.statements[0].value.bytes, TC_VALUE_SIZE);
        assert_int_equal(tc_pbft.sign(&make->env, &out, 0, &make->arena, &sealed), 0);
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(tc_pbft.verify(&make->env, &sealed.statements[i]), 0);
    }
}

static void test_perturb_empties(void **state)
{
    struct tc_make *make = *state;
    Wire__Envelope *request = tc_make_request(make, 128, 1, "a");
    Wire__Envelope *twice[] = {request, request};
    struct tc_message out;
    struct tc_error err = {0};
    const struct tc_message *m = tc_make_message(make, tc_make_proposal(make, 0, 0, 1, twice, 2), 0, 1);
    assert_int_equal(tc_pbft.perturb(&make->env, m, 1, false, &make->arena, &out, &err), 0);
    assert_int_equal(out.statement_count, 1); /* two equal requests have one order */
    assert_memory_not_equal(out.statements[0].value.bytes, m->statements[0].value.bytes, TC_VALUE_SIZE);

    Wire__Envelope *distinct[] = {request, tc_make_request(make, 129, 1, "b")};
    m = tc_make_message(make, tc_make_proposal(make, 0, 0, 1, distinct, 2), 0, 1);
    assert_int_equal(tc_pbft.perturb(&make->env, m, 1, true, &make->arena, &out, &err), 0);
    assert_int_equal(out.statement_count, 1);

    m = tc_make_message(make, tc_make_proposal(make, 0, 0, 1, NULL, 0), 0, 1);
    assert_int_equal(tc_pbft.perturb(&make->env, m, 1, false, &make->arena, &out, &err), TC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "empty batch"));
    m = tc_make_message(make, tc_make_pre_prepare(make, 0, 0, 1, tc_make_digest(make, 0)), 0, 1);
    assert_int_equal(tc_pbft.perturb(&make->env, m, 1, false, &make->arena, &out, &err), TC_EUNSUPPORTED);
    m = tc_make_message(make, tc_make_prepare(make, 1, 0, 1, tc_make_digest(make, 3)), 0, 1);
    assert_int_equal(tc_pbft.perturb(&make->env, m, 1, false, &make->arena, &out, &err), TC_EUNSUPPORTED);
}

static void test_vote_for(void **state)
{
    struct tc_make *make = *state;
    const struct tc_message *proposal =
        tc_make_message(make, tc_make_pre_prepare(make, 0, 0, 5, tc_make_digest(make, 8)), 0, 1);
    const struct tc_message *prepare =
        tc_make_message(make, tc_make_prepare(make, 1, 0, 5, tc_make_digest(make, 9)), 1, 2);
    const struct tc_message *commit =
        tc_make_message(make, tc_make_commit(make, 1, 0, 5, tc_make_digest(make, 9)), 1, 2);
    const struct tc_message *nil = tc_make_message(make, tc_make_prepare(make, 1, 0, 5, tc_make_digest(make, 0)), 1, 2);
    struct tc_message out;
    assert_int_equal(tc_pbft.vote_for(prepare, proposal, &make->arena, &out), 0);
    assert_int_equal(out.statements[0].value.bytes[0], 8);
    assert_int_equal(out.statements[0].signature.len, 0);
    assert_string_equal(out.type, "prepare");
    assert_int_equal(out.statements[0].slot, prepare->statements[0].slot);
    assert_int_equal(tc_pbft.vote_for(commit, proposal, &make->arena, &out), 0);
    assert_string_equal(out.type, "commit");
    assert_int_equal(out.statements[0].value.bytes[0], 8);
    assert_int_equal(tc_pbft.vote_for(nil, proposal, &make->arena, &out), 0);
    assert_int_equal(out.frame.len, nil->frame.len);
    assert_memory_equal(out.frame.data, nil->frame.data, nil->frame.len);
    assert_int_equal(tc_pbft.vote_for(proposal, proposal, &make->arena, &out), TC_EUNSUPPORTED);
    assert_int_equal(tc_pbft.vote_for(prepare, commit, &make->arena, &out), TC_EUNSUPPORTED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_encode_unchanged_is_identical),
        T(test_encode_keeps_odd_bytes),
        T(test_changed_message_needs_a_new_signature),
        T(test_sign_as_another),
        T(test_macs),
        T(test_build),
        T(test_perturb_permutes),
        T(test_perturb_empties),
        T(test_vote_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
