/* Rules of agreement, execution and checkpoints: each with one history where it fires, and a near miss where it must
 * not; and what is not judged. */
#include "justify_fixture.h"

static void test_a_correct_run(void **state)
{
    struct fixture *f = *state;
    for (uint64_t s = 1; s <= 500; s++) {
        agree(f, 0, s, (uint8_t)(s % 200 + 1));
        for (uint32_t i = 0; s % 16 == 0 && i < 4; i++)
            multicast(f, tc_make_checkpoint(&f->make, i, s, digest(f, 1)));
    }
    EXPECT_NONE();
    uint64_t judged, unjudged, late;
    tc_pbft.justifier->counts(f->j, &judged, &unjudged, &late);
    assert_int_equal(unjudged, 0);
    /* a pre-prepare, 3 prepares, 4 commits, 4 executions; checkpoints judge each slot once a replica */
    assert_int_equal(judged, 500 * (1 + 3 + 4 + 4) + 4 * 496);
}

/* ---- prepare ---- */

static void test_prepare_without_pre_prepare(void **state)
{
    struct fixture *f = *state;
    offer(f, 1, propose(f, 0, 1, 9), true);
    say_to(f, 2, prepare(f, 1, 0, 1, 9));
    EXPECT_NONE();
    say_to(f, 3, prepare(f, 2, 0, 1, 9)); /* nothing was offered to replica 2 */
    EXPECT("prepare-without-pre-prepare", 2);
    assert_non_null(strstr(f->text, "no pre-prepare"));
    say_to(f, 1, prepare(f, 2, 0, 1, 9)); /* said again: no second breach */
    assert_int_equal(f->breaches, 1);
}

static void test_prepare_for_another_digest(void **state)
{
    struct fixture *f = *state;
    offer(f, 2, propose(f, 0, 1, 9), true);
    say_to(f, 3, prepare(f, 2, 0, 1, 8));
    EXPECT("prepare-without-pre-prepare", 2);
    assert_non_null(strstr(f->text, "only 09090909"));
}

static void test_prepare_after_a_forged_pre_prepare(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *forged = propose(f, 0, 1, 9);
    forged->signature.data[5] ^= 1;
    offer(f, 2, forged, false);
    say_to(f, 3, prepare(f, 2, 0, 1, 9));
    EXPECT("prepare-without-pre-prepare", 2);
}

static void test_prepare_after_an_untrusted_but_genuine_pre_prepare(void **state)
{
    struct fixture *f = *state;
    offer(f, 2, propose(f, 0, 1, 9), false);
    say_to(f, 3, prepare(f, 2, 0, 1, 9));
    EXPECT_NONE();
}

static void test_prepare_by_primary(void **state)
{
    struct fixture *f = *state;
    multicast(f, propose(f, 0, 1, 9));
    say_to(f, 3, prepare(f, 0, 0, 1, 9));
    EXPECT("prepare-by-primary", 0);
}

static void test_conflicting_prepares(void **state)
{
    struct fixture *f = *state;
    offer(f, 2, propose(f, 0, 1, 9), true);
    offer(f, 2, propose(f, 0, 1, 8), false);
    say_to(f, 3, prepare(f, 2, 0, 1, 9));
    say_to(f, 1, prepare(f, 2, 0, 1, 9));
    EXPECT_NONE();
    say_to(f, 1, prepare(f, 2, 0, 1, 8));
    EXPECT("conflicting-prepares", 2);
}

/* ---- pre-prepare ---- */

static void test_pre_prepare_by_backup(void **state)
{
    struct fixture *f = *state;
    say_to(f, 2, propose(f, 0, 1, 9));
    EXPECT_NONE();
    say_to(f, 2, tc_make_pre_prepare(&f->make, 1, 0, 1, digest(f, 9)));
    EXPECT("pre-prepare-by-backup", 1);
}

static void test_conflicting_pre_prepares(void **state)
{
    struct fixture *f = *state;
    say_to(f, 1, propose(f, 0, 1, 9));
    say_to(f, 2, propose(f, 0, 1, 9));
    EXPECT_NONE();
    say_to(f, 3, propose(f, 0, 1, 8));
    EXPECT("conflicting-pre-prepares", 0);
}

static void test_pre_prepare_outside_view(void **state)
{
    struct fixture *f = *state;
    offer(f, 1, tc_make_view_change(&f->make, 2, 1, 0, NULL, 0), true);
    say_to(f, 2, propose(f, 1, 1, 9));
    EXPECT("view-without-quorum", 1);
    assert_non_null(strstr(f->text, "1, 2 only"));
}

static void test_pre_prepare_in_its_view(void **state)
{
    struct fixture *f = *state;
    offer(f, 1, tc_make_view_change(&f->make, 2, 1, 0, NULL, 0), true);
    offer(f, 1, tc_make_view_change(&f->make, 3, 1, 0, NULL, 0), true);
    say_to(f, 2, propose(f, 1, 1, 9));
    EXPECT_NONE();
}

static void test_invalid_request(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *requests[] = {tc_make_request(&f->make, 128, 1, "a"), tc_make_request(&f->make, 129, 1, "b")};
    say_to(f, 1, tc_make_proposal(&f->make, 0, 0, 1, requests, 2));
    EXPECT_NONE();
    requests[1] = tc_make_request(&f->make, 130, 1, "c");
    requests[1]->signature.data[0] ^= 1;
    say_to(f, 1, tc_make_proposal(&f->make, 0, 0, 2, requests, 2));
    EXPECT("pre-prepare-invalid-request", 0);
    assert_non_null(strstr(f->text, "client 130"));
}

static void test_wrong_batch_digest(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *requests[] = {tc_make_request(&f->make, 128, 1, "a")};
    Wire__Envelope *proposal = propose(f, 0, 1, 9);
    proposal->requests = requests;
    proposal->n_requests = 1;
    say_to(f, 1, proposal);
    EXPECT("pre-prepare-wrong-digest", 0);
}

/* ---- commit ---- */

static void test_commit_one_prepare_short(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, propose(f, 0, 31, 0x77), true);
    say_to(f, 0, prepare(f, 3, 0, 31, 0x77));
    offer(f, 3, prepare(f, 2, 0, 31, 0x9c), true);
    offer(f, 3, prepare(f, 0, 0, 31, 0x77), true); /* the primary's does not count */
    say_to(f, 0, commit(f, 3, 0, 31, 0x77));
    EXPECT("commit-without-prepared", 3);
    assert_non_null(strstr(f->text, "prepares from 3 only"));
    assert_non_null(strstr(f->text, "replica 2's prepare names 9c9c9c9c"));
}

static void test_commit_with_its_quorum(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, propose(f, 0, 31, 0x77), true);
    offer(f, 3, prepare(f, 2, 0, 31, 0x77), true); /* its own prepare is on a socket that we have not read yet */
    say_to(f, 0, commit(f, 3, 0, 31, 0x77));
    EXPECT_NONE();
}

static void test_commit_with_a_forged_prepare(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *forged = prepare(f, 2, 0, 31, 0x77);
    forged->signature.data[0] ^= 1;
    offer(f, 3, propose(f, 0, 31, 0x77), true);
    offer(f, 3, forged, false);
    say_to(f, 0, commit(f, 3, 0, 31, 0x77));
    EXPECT("commit-without-prepared", 3);
}

static void test_commit_with_an_untrusted_prepare(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, propose(f, 0, 31, 0x77), false);
    offer(f, 3, prepare(f, 2, 0, 31, 0x77), false);
    say_to(f, 0, commit(f, 3, 0, 31, 0x77));
    EXPECT_NONE();
}

static void test_commit_against_its_own_prepare(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, propose(f, 0, 31, 0x77), true);
    offer(f, 3, propose(f, 0, 31, 0x78), false);
    offer(f, 3, prepare(f, 2, 0, 31, 0x77), true);
    say_to(f, 0, prepare(f, 3, 0, 31, 0x78));
    say_to(f, 0, commit(f, 3, 0, 31, 0x77));
    EXPECT("commit-without-prepared", 3);
}

static void test_commit_without_pre_prepare(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, prepare(f, 1, 0, 31, 0x77), true);
    offer(f, 3, prepare(f, 2, 0, 31, 0x77), true);
    say_to(f, 0, commit(f, 3, 0, 31, 0x77));
    EXPECT("commit-without-pre-prepare", 3);
}

static void test_commit_by_primary(void **state)
{
    struct fixture *f = *state;
    say_to(f, 1, propose(f, 0, 31, 0x77));
    offer(f, 0, prepare(f, 1, 0, 31, 0x77), true);
    offer(f, 0, prepare(f, 2, 0, 31, 0x77), true);
    say_to(f, 1, commit(f, 0, 0, 31, 0x77));
    EXPECT_NONE();
    offer(f, 0, prepare(f, 1, 0, 32, 0x77), true);
    say_to(f, 1, commit(f, 0, 0, 32, 0x77));
    EXPECT("commit-without-prepared", 0);
}

static void test_conflicting_commits(void **state)
{
    struct fixture *f = *state;
    agree(f, 0, 1, 9);
    EXPECT_NONE();
    say_to(f, 1, commit(f, 3, 0, 1, 8));
    EXPECT("conflicting-commits", 3);
}

/* ---- watermarks ---- */

static void test_beyond_the_high_watermark(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, propose(f, 0, 32, 0x77), true);
    say_to(f, 0, prepare(f, 3, 0, 32, 0x77)); /* H of the beginning: the window is 32 */
    assert_int_equal(f->breaches, 0);
    offer(f, 3, propose(f, 0, 33, 0x77), true);
    say_to(f, 0, prepare(f, 3, 0, 33, 0x77));
    EXPECT("beyond-watermark", 3);
}

static void test_a_checkpoint_moves_the_watermarks(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, tc_make_checkpoint(&f->make, 1, 16, digest(f, 5)), true);
    offer(f, 3, propose(f, 0, 48, 0x77), true);
    say_to(f, 0, prepare(f, 3, 0, 48, 0x77));
    assert_int_equal(f->breaches, 0);
}

/* ---- execution and checkpoints ---- */

static void test_execution(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, commit(f, 0, 0, 1, 9), true);
    offer(f, 3, commit(f, 1, 0, 1, 9), true);
    execute(f, 3, 1, 9); /* its own makes three */
    EXPECT_NONE();
    offer(f, 2, commit(f, 0, 0, 1, 9), true);
    offer(f, 2, commit(f, 1, 0, 1, 8), true);
    execute(f, 2, 1, 9);
    EXPECT("execution-without-commits", 2);
    assert_non_null(strstr(f->text, "from 0, 2 only"));
}

static void test_execution_counts_one_view(void **state)
{
    struct fixture *f = *state;
    offer(f, 3, commit(f, 0, 0, 1, 9), true);
    offer(f, 3, commit(f, 1, 1, 1, 9), true);
    execute(f, 3, 1, 9);
    EXPECT("execution-without-commits", 3);
}

static void test_replays_and_transfers_are_not_executions(void **state)
{
    struct fixture *f = *state;
    struct tc_observation line = {.kind = TC_OBS_EXECUTED, .node = 3, .incarnation = 2};
    line.executed.sequence = 1;
    line.executed.value.state = TC_VALUE_BYTES;
    line.executed.origin = TC_EXEC_REPLAYED;
    tc_pbft.justifier->observed(f->j, &line);
    line.executed.origin = TC_EXEC_TRANSFERRED;
    tc_pbft.justifier->observed(f->j, &line);
    EXPECT_NONE();
}

static void test_checkpoint_without_execution(void **state)
{
    struct fixture *f = *state;
    for (uint64_t s = 1; s <= 16; s++)
        if (s != 7)
            agree(f, 0, s, 9);
    EXPECT_NONE();
    say_to(f, 0, tc_make_checkpoint(&f->make, 1, 16, digest(f, 5)));
    EXPECT("checkpoint-without-execution", 1);
    assert_non_null(strstr(f->text, "sequence 7 "));
}

static Wire__Envelope *state_of(struct fixture *f, uint64_t sequence, uint32_t signers)
{
    static Wire__Envelope *checkpoints[4];
    Pbft__State body = PBFT__STATE__INIT;
    ProtobufCBinaryData certified = digest(f, 0);
    body.sequence = sequence;
    body.snapshot = (ProtobufCBinaryData){8, (uint8_t *)"snapshot"};
    tc_digest(tc_wire_slice(body.snapshot), certified.data);
    for (uint32_t i = 0; i < signers; i++)
        checkpoints[i] = tc_make_checkpoint(&f->make, i, sequence, certified);
    body.checkpoints = checkpoints;
    body.n_checkpoints = signers;
    return tc_make_envelope(&f->make, PBFT__TYPE__STATE, 0, &body);
}

static void test_checkpoint_after_state_transfer(void **state)
{
    struct fixture *f = *state;
    offer(f, 1, state_of(f, 16, 3), true);
    say_to(f, 0, tc_make_checkpoint(&f->make, 1, 16, digest(f, 5)));
    EXPECT_NONE();
    offer(f, 2, state_of(f, 16, 2), true); /* its certificate is one short */
    say_to(f, 0, tc_make_checkpoint(&f->make, 2, 16, digest(f, 5)));
    EXPECT("checkpoint-without-execution", 2);
}

/* ---- what is not judged ---- */

static void test_watching_from_the_middle(void **state)
{
    struct fixture *f = *state;
    tc_pbft.justifier->destroy(f->j);
    f->j = tc_pbft.justifier->create(&f->make.env, on_breach, f);
    say_to(f, 3, commit(f, 2, 6, 900, 9));
    say_to(f, 3, prepare(f, 3, 6, 901, 9));
    say_to(f, 3, tc_make_checkpoint(&f->make, 2, 896, digest(f, 9)));
    EXPECT_NONE();
    uint64_t judged, unjudged, late;
    tc_pbft.justifier->counts(f->j, &judged, &unjudged, &late);
    assert_int_equal(judged, 0);
    assert_true(unjudged >= 2);
    assert_int_equal(late, unjudged);
    for (uint64_t s = 902; s < 1100; s++)
        agree(f, 6, s, 9);
    EXPECT_NONE();
    say_to(f, 3, commit(f, 1, 6, 1100, 9));
    EXPECT("commit-without-pre-prepare", 1);
}

/* Numbers that were in flight when we came are judged all the same in a view that began since: later than every view in
 * which somebody was found. */
static void test_a_view_that_began_since(void **state)
{
    struct fixture *f = *state;
    for (uint32_t found = 3; found <= 4; found++) {
        tc_pbft.justifier->destroy(f->j);
        f->j = tc_pbft.justifier->create(&f->make.env, on_breach, f);
        for (uint32_t i = 0; i < found; i++)
            say_to(f, (i + 1) % 4, commit(f, i, 6, 900, 9));
        say_to(f, 3, commit(f, 1, 6, 905, 9)); /* of the view that was under way */
        EXPECT_NONE();
        say_to(f, 3, commit(f, 1, 7, 905, 9));
        if (found == 4)
            EXPECT("commit-without-pre-prepare", 1);
        else /* the fourth may have been in view 7 before */
            EXPECT_NONE();
    }
}

/* It hears the rest of what it lacked from the first peer that is back, and executes before it has said a word to us.
 */
static void test_an_execution_before_the_first_word(void **state)
{
    struct fixture *f = *state;
    tc_pbft.justifier->destroy(f->j);
    f->j = tc_pbft.justifier->create(&f->make.env, on_breach, f);
    say_to(f, 1, commit(f, 3, 6, 901, 9));
    offer(f, 1, commit(f, 3, 6, 901, 9), true);
    execute(f, 1, 901, 9);
    EXPECT_NONE();
    say_to(f, 3, commit(f, 1, 6, 901, 9));
    execute(f, 1, 960, 9); /* far beyond what may have been in flight */
    EXPECT("execution-without-commits", 1);
}

/* In flight is at most a window beyond the last checkpoint: 896 here, and 928 is the last. */
static void test_what_was_in_flight_ends_with_the_log(void **state)
{
    struct fixture *f = *state;
    tc_pbft.justifier->destroy(f->j);
    f->j = tc_pbft.justifier->create(&f->make.env, on_breach, f);
    say_to(f, 3, commit(f, 1, 6, 900, 9));
    say_to(f, 3, tc_make_checkpoint(&f->make, 1, 912, digest(f, 9)));
    say_to(f, 3, commit(f, 1, 6, 928, 9));
    EXPECT_NONE();
    say_to(f, 3, commit(f, 1, 6, 929, 9));
    EXPECT("commit-without-pre-prepare", 1);
}

/* A connection that comes up begins with the view change last said: that names no sequence number in flight. */
static void test_watching_from_a_repeated_view_change(void **state)
{
    struct fixture *f = *state;
    tc_pbft.justifier->destroy(f->j);
    f->j = tc_pbft.justifier->create(&f->make.env, on_breach, f);
    say_to(f, 3, tc_make_view_change(&f->make, 2, 6, 0, NULL, 0));
    execute(f, 2, 901, 9); /* on commits from before we watched */
    say_to(f, 3, commit(f, 2, 6, 902, 9));
    EXPECT_NONE();
    for (uint64_t s = 903; s < 1100; s++)
        agree(f, 6, s, 9);
    say_to(f, 3, commit(f, 1, 6, 1100, 9));
    EXPECT("commit-without-pre-prepare", 1);
}

static void test_far_away_numbers_move_nothing(void **state)
{
    struct fixture *f = *state;
    say_to(f, 1, propose(f, 0, UINT64_C(1) << 40, 9)); /* replica 0 is the traitor */
    offer(f, 1, propose(f, 0, UINT64_C(1) << 40, 9), false);
    for (uint64_t s = 1; s <= 20; s++)
        agree(f, 0, s, 9);
    f->breaches = 0; /* what replica 0 did is its own affair */
    say_to(f, 3, commit(f, 2, 0, 21, 9));
    EXPECT("commit-without-pre-prepare", 2);
}

static void test_a_flooded_slot_is_not_judged(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 200; i++)
        offer(f, 2, prepare(f, 1, i, 1, (uint8_t)(1 + i % 250)), false);
    say_to(f, 3, prepare(f, 2, 0, 1, 251));
    EXPECT_NONE();
    say_to(f, 3, prepare(f, 2, 0, 2, 251)); /* its neighbour is */
    EXPECT("prepare-without-pre-prepare", 2);
}

static void test_relayed_words_are_not_its_own(void **state)
{
    struct fixture *f = *state;
    tc_pbft.justifier->said(f->j, 2, tc_make_message(&f->make, prepare(f, 1, 0, 1, 9), 2, 3));
    EXPECT_NONE();
    tc_pbft.justifier->heard(f->j, 3, tc_make_message(&f->make, propose(f, 0, 1, 9), 2, 3), true);
    say_to(f, 1, prepare(f, 3, 0, 1, 9)); /* a pre-prepare counts whoever passes it on */
    EXPECT_NONE();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_a_correct_run),
        T(test_prepare_without_pre_prepare),
        T(test_prepare_for_another_digest),
        T(test_prepare_after_a_forged_pre_prepare),
        T(test_prepare_after_an_untrusted_but_genuine_pre_prepare),
        T(test_prepare_by_primary),
        T(test_conflicting_prepares),
        T(test_pre_prepare_by_backup),
        T(test_conflicting_pre_prepares),
        T(test_pre_prepare_outside_view),
        T(test_pre_prepare_in_its_view),
        T(test_invalid_request),
        T(test_wrong_batch_digest),
        T(test_commit_one_prepare_short),
        T(test_commit_with_its_quorum),
        T(test_commit_with_a_forged_prepare),
        T(test_commit_with_an_untrusted_prepare),
        T(test_commit_against_its_own_prepare),
        T(test_commit_without_pre_prepare),
        T(test_commit_by_primary),
        T(test_conflicting_commits),
        T(test_execution),
        T(test_execution_counts_one_view),
        T(test_replays_and_transfers_are_not_executions),
        T(test_beyond_the_high_watermark),
        T(test_a_checkpoint_moves_the_watermarks),
        T(test_checkpoint_without_execution),
        T(test_checkpoint_after_state_transfer),
        T(test_watching_from_the_middle),
        T(test_a_view_that_began_since),
        T(test_an_execution_before_the_first_word),
        T(test_what_was_in_flight_ends_with_the_log),
        T(test_watching_from_a_repeated_view_change),
        T(test_far_away_numbers_move_nothing),
        T(test_a_flooded_slot_is_not_judged),
        T(test_relayed_words_are_not_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
