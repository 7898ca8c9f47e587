/* The PBFT replica, one promise a test: the normal case, refusals, what each seeded bug does. Its records:
 * test_pbft_records.c; whole clusters: test_pbft_cluster.c. */
#include "replica_fixture.h"

#include "../../reference/bugs.h"

static void test_normal_case_by_hand(void **state)
{
    (void)state;
    struct bench b;
    Wire__Envelope *said;
    bench_start(&b, 1, 0);
    Wire__Envelope *first = proposal(&b, 0, 0, 1, "a");
    ProtobufCBinaryData digest = digest_of(&b, first);
    hear(&b, first);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, &said), 3);
    assert_int_equal(persisted(&b), 1);
    assert_int_equal(tc_wire_verify(&b.make.env, said), 0);
    hear(&b, first); /* again: nothing to say, nothing to write */
    assert_int_equal(b.out.count, 0);
    hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest));
    assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), 3);
    assert_int_equal(persisted(&b), 1);
    hear(&b, tc_make_prepare(&b.make, 3, 0, 1, digest)); /* beyond the quorum */
    assert_int_equal(b.out.count, 0);
    hear(&b, tc_make_commit(&b.make, 0, 0, 1, digest));
    assert_null(observed(&b, TC_OBS_EXECUTED));
    hear(&b, tc_make_commit(&b.make, 3, 0, 1, digest));
    const struct tc_observation *executed = observed(&b, TC_OBS_EXECUTED);
    assert_non_null(executed);
    assert_int_equal(executed->executed.sequence, 1);
    assert_int_equal(executed->executed.operation_count, 1);
    assert_true(executed->executed.operations[0].fresh);
    assert_memory_equal(executed->executed.value.bytes, digest.data, TC_VALUE_SIZE);
    assert_int_equal(sent(&b, WIRE__TYPE__REPLY, NULL), 1);
    assert_int_equal(persisted(&b), 1);
    /* the request again: answered from the table */
    hear(&b, tc_make_request(&b.make, TC_CLIENT_FIRST, 1, "a"));
    assert_int_equal(sent(&b, WIRE__TYPE__REPLY, NULL), 1);
    assert_null(observed(&b, TC_OBS_EXECUTED));
    bench_stop(&b);
}

static void test_empty_batch(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 1, 0);
    Wire__Envelope *empty = proposal(&b, 0, 0, 1, NULL);
    ProtobufCBinaryData digest = digest_of(&b, empty);
    assert_false(tc_pbft_is_null(digest.data));
    hear(&b, empty);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
    hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest));
    hear(&b, tc_make_commit(&b.make, 0, 0, 1, digest));
    hear(&b, tc_make_commit(&b.make, 2, 0, 1, digest));
    const struct tc_observation *executed = observed(&b, TC_OBS_EXECUTED);
    assert_non_null(executed);
    assert_int_equal(executed->executed.operation_count, 0);
    assert_int_equal(executed->executed.value.state, TC_VALUE_BYTES);
    bench_stop(&b);
}

static void test_refusals(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 1, 0);
    Wire__Envelope *good = proposal(&b, 0, 0, 1, "a"), *other = proposal(&b, 0, 0, 1, "b");
    ProtobufCBinaryData digest = digest_of(&b, good);
    Wire__Envelope *forged = proposal(&b, 0, 0, 2, "c");
    forged->signature.data[7] ^= 1;
    hear(&b, forged);
    assert_complaint(&b, "bad signature on pre-prepare", 0);
    hear(&b, proposal(&b, 2, 0, 1, "a"));
    assert_complaint(&b, "pre-prepare for view 0 that is not its primary's", 2);
    Wire__Envelope *mixed = proposal(&b, 0, 0, 3, "d");
    mixed->requests[0] = tc_make_request(&b.make, TC_CLIENT_FIRST, 99, "e");
    hear(&b, mixed);
    assert_complaint(&b, "batch of pre-prepare view 0 sequence 3 does not match its digest", 0);
    Wire__Envelope *unsigned_request = proposal(&b, 0, 0, 3, "d");
    unsigned_request->requests[0]->signature.data[0] ^= 1;
    hear(&b, unsigned_request);
    assert_complaint(&b, "bad signature on request of client 128 in pre-prepare", 0);
    hear(&b, proposal(&b, 0, 0, 9, "beyond the window of 8"));
    assert_int_equal(b.out.count, 0);
    hear(&b, proposal(&b, 0, 0, 0, "below it"));
    assert_int_equal(b.out.count, 0);
    hear(&b, proposal(&b, 1, 1, 1, "another view"));
    assert_int_equal(b.out.count, 0);
    hear(&b, good);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
    hear(&b, other);
    assert_complaint(&b, "second pre-prepare for view 0 sequence 1", 0);
    Wire__Envelope *vote = tc_make_prepare(&b.make, 2, 0, 1, digest);
    vote->signature.data[0] ^= 1;
    hear(&b, vote);
    assert_complaint(&b, "bad signature on prepare", 2);
    b.now_ns += 2000 * MS; /* the next second's ration of complaints */
    hear(&b, tc_make_prepare(&b.make, 0, 0, 1, digest));
    assert_complaint(&b, "prepare that its sender may not say", 0);
    hear_bytes(&b, 3, (struct tc_slice){(const uint8_t *)"\0\0\0\2\xff\xff", 6});
    assert_complaint(&b, "malformed frame of 6 bytes", 3);
    bench_stop(&b);
}

static void test_complaints_are_rationed(void **state)
{
    (void)state;
    struct bench b;
    uint32_t count = 0;
    bench_start(&b, 1, 0);
    Wire__Envelope *vote = tc_make_prepare(&b.make, 2, 0, 1, tc_make_digest(&b.make, 1));
    vote->signature.data[0] ^= 1;
    for (uint32_t i = 0; i < 100; i++) {
        hear(&b, vote);
        count += observed(&b, TC_OBS_COMPLAINT) != NULL;
    }
    assert_int_equal(count, 8);
    bench_stop(&b);
}

/* Our own messages played back to us are no votes of others, and a vote said twice counts once. */
static void test_votes_count_once(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 1, 0);
    Wire__Envelope *first = proposal(&b, 0, 0, 1, "a");
    ProtobufCBinaryData digest = digest_of(&b, first);
    hear(&b, first);
    hear(&b, tc_make_prepare(&b.make, 1, 0, 1, digest));
    assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), 0);
    hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest));
    for (int i = 0; i < 3; i++) {
        hear(&b, tc_make_commit(&b.make, 2, 0, 1, digest));
        hear(&b, tc_make_commit(&b.make, 1, 0, 1, digest));
        assert_null(observed(&b, TC_OBS_EXECUTED));
    }
    bench_stop(&b);
}

/* ---- seeded bugs: each does its one thing, and the correct replica does not ---- */

static void test_bug_names(void **state)
{
    (void)state;
    assert_int_equal(tc_bug_find("commit-quorum-2f"), TC_BUG_COMMIT_QUORUM);
    assert_int_equal(tc_bug_find("no such bug"), -1);
    for (int i = 0; i < TC_BUG_COUNT; i++)
        assert_int_equal(tc_bug_find(tc_bugs[i].name), i);
}

static uint64_t bug_or_none(int with, enum tc_bug bug)
{
    return with ? TC_BUG_BIT(bug) : 0;
}

static void test_bug_prepare_quorum(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_PREPARE_QUORUM));
        hear(&b, proposal(&b, 0, 0, 1, "a"));
        assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), with ? 3 : 0);
        bench_stop(&b);
    }
}

static void test_bug_commit_quorum(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_COMMIT_QUORUM));
        Wire__Envelope *first = proposal(&b, 0, 0, 1, "a");
        hear(&b, first);
        hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest_of(&b, first)));
        hear(&b, tc_make_commit(&b.make, 2, 0, 1, digest_of(&b, first)));
        assert_int_equal(observed(&b, TC_OBS_EXECUTED) != NULL, with);
        bench_stop(&b);
    }
}

static void test_bug_digest_ignored(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_PREPARE_DIGEST_IGNORED));
        hear(&b, proposal(&b, 0, 0, 1, "a"));
        hear(&b, tc_make_prepare(&b.make, 2, 0, 1, tc_make_digest(&b.make, 9)));
        assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), with ? 3 : 0);
        bench_stop(&b);
    }
}

static void test_bug_prepared_dropped(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_PREPARED_DROPPED));
        Wire__Envelope *first = proposal(&b, 0, 0, 1, "a");
        hear(&b, first);
        hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest_of(&b, first)));
        pass_time(&b, 150 * MS);
        assert_int_equal(view_change_said(&b)->n_prepared, with ? 0 : 1);
        bench_stop(&b);
    }
}

static void test_bug_view_change_quorum(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_VIEW_CHANGE_QUORUM));
        hear(&b, tc_make_request(&b.make, TC_CLIENT_FIRST, 1, "a"));
        pass_time(&b, 150 * MS); /* its own */
        assert_int_equal(view_change_said(&b)->view, 1);
        hear(&b, tc_make_view_change(&b.make, 2, 1, 0, NULL, 0));
        assert_int_equal(sent(&b, PBFT__TYPE__NEW_VIEW, NULL), with ? 3 : 0);
        hear(&b, tc_make_view_change(&b.make, 3, 1, 0, NULL, 0));
        assert_int_equal(sent(&b, PBFT__TYPE__NEW_VIEW, NULL), with ? 0 : 3);
        bench_stop(&b);
    }
}

static void test_bug_new_view_unchecked(void **state)
{
    (void)state;
    const uint32_t signers[] = {1, 2};
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 3, bug_or_none(with, TC_BUG_NEW_VIEW_UNCHECKED));
        Pbft__Prepared *prepared = tc_make_prepared(&b.make, 0, 1, tc_make_digest(&b.make, 1), signers, 2);
        Wire__Envelope *changes[3], *lie = tc_make_pre_prepare(&b.make, 1, 1, 1, tc_make_digest(&b.make, 2));
        for (uint32_t i = 0; i < 3; i++)
            changes[i] = tc_make_view_change(&b.make, i, 1, 0, &prepared, i == 1 ? 1 : 0);
        hear(&b, tc_make_new_view(&b.make, 1, 1, changes, 3, &lie, 1));
        assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), with ? 3 : 0);
        if (!with) {
            assert_complaint(&b, "invalid new view 1", 1);
            Wire__Envelope *truth = tc_make_pre_prepare(&b.make, 1, 1, 1, tc_make_digest(&b.make, 1));
            hear(&b, tc_make_new_view(&b.make, 1, 1, changes, 2, &truth, 1)); /* too few view changes */
            assert_complaint(&b, "invalid new view 1", 1);
            hear(&b, tc_make_new_view(&b.make, 1, 1, changes, 3, &truth, 1));
            assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
            assert_int_equal(sent(&b, PBFT__TYPE__BATCH_REQUEST, NULL), 3);
            assert_true(observed(&b, TC_OBS_VIEW)->view.active);
        }
        bench_stop(&b);
    }
}

/* f+1 others ask for later views: the smallest of them is joined, without waiting. */
static void test_joins_smallest_view(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 3, 0);
    hear(&b, tc_make_view_change(&b.make, 0, 7, 0, NULL, 0));
    assert_int_equal(sent(&b, PBFT__TYPE__VIEW_CHANGE, NULL), 0);
    hear(&b, tc_make_view_change(&b.make, 1, 5, 0, NULL, 0));
    assert_int_equal(view_change_said(&b)->view, 5);
    hear(&b, tc_make_view_change(&b.make, 1, 4, 0, NULL, 0)); /* an old one, replayed */
    assert_int_equal(b.out.count, 0);
    bench_stop(&b);
}

static void test_impossible_configurations(void **state)
{
    (void)state;
    struct bench b;
    struct tc_error err = {0};
    bench_start(&b, 0, 0);
    struct tc_replica_config config = {.id = 9, .env = b.make.env};
    assert_null(b.class->create(&config, &err));
    assert_int_equal(err.code, TC_EUSAGE);
    config.id = 0;
    b.make.cluster.window = 2;
    assert_null(b.class->create(&config, &err));
    b.make.cluster.window = 8;
    b.make.cluster.quorum = 5;
    assert_null(b.class->create(&config, &err));
    b.make.cluster.quorum = 0;
    struct tc_keyring *empty = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    config.env.keys = empty;
    assert_null(b.class->create(&config, &err));
    assert_int_equal(err.code, TC_EKEY);
    tc_keyring_free(empty);
    assert_null(tc_replica_find("no such protocol"));
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_case_by_hand),
        cmocka_unit_test(test_empty_batch),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_complaints_are_rationed),
        cmocka_unit_test(test_votes_count_once),
        cmocka_unit_test(test_bug_names),
        cmocka_unit_test(test_bug_prepare_quorum),
        cmocka_unit_test(test_bug_commit_quorum),
        cmocka_unit_test(test_bug_digest_ignored),
        cmocka_unit_test(test_bug_prepared_dropped),
        cmocka_unit_test(test_bug_view_change_quorum),
        cmocka_unit_test(test_bug_new_view_unchecked),
        cmocka_unit_test(test_joins_smallest_view),
        cmocka_unit_test(test_impossible_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
