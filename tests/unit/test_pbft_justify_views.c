/* Rules of view changes and new views, and of the order on one connection: each with one history where it fires, and a
 * near miss where it must not. */
#include "justify_fixture.h"

/* ---- view change ---- */

static void test_view_change_omits_prepared(void **state)
{
    struct fixture *f = *state;
    agree(f, 0, 1, 9);
    say_to(f, 1, tc_make_view_change(&f->make, 3, 1, 0, NULL, 0));
    EXPECT("view-change-omits-prepared", 3);
    assert_true(f->view == 0 && f->sequence == 1); /* what it committed, whose votes the oracle shows */
}

static void test_view_change_with_certificate(void **state)
{
    struct fixture *f = *state;
    agree(f, 0, 1, 9);
    Pbft__Prepared *prepared = tc_make_prepared(&f->make, 0, 1, digest(f, 9), (uint32_t[]){1, 2}, 2);
    say_to(f, 1, tc_make_view_change(&f->make, 3, 1, 0, &prepared, 1));
    EXPECT_NONE();
}

static void test_view_change_behind_stable_checkpoint(void **state)
{
    struct fixture *f = *state;
    for (uint64_t s = 1; s <= 16; s++)
        agree(f, 0, s, 9);
    say_to(f, 1, tc_make_view_change(&f->make, 3, 1, 16, NULL, 0));
    EXPECT_NONE();
}

static void test_view_change_older_certificate(void **state)
{
    struct fixture *f = *state;
    agree(f, 0, 1, 9);
    Pbft__Prepared *prepared = tc_make_prepared(&f->make, 0, 1, digest(f, 9), (uint32_t[]){1, 2}, 2);
    Wire__Envelope *changes[3];
    for (uint32_t i = 0; i < 3; i++) {
        changes[i] = tc_make_view_change(&f->make, i + 1, 1, 0, &prepared, 1);
        multicast(f, changes[i]);
    }
    Wire__Envelope *order = propose(f, 1, 1, 9);
    multicast(f, tc_make_new_view(&f->make, 1, 1, changes, 3, &order, 1));
    agree(f, 1, 1, 9);
    EXPECT_NONE();
    say_to(f, 2, tc_make_view_change(&f->make, 3, 2, 0, &prepared, 1)); /* of view 0, but it committed in view 1 */
    EXPECT("view-change-older-certificate", 3);
    assert_true(f->view == 1 && f->sequence == 1);
}

static void test_view_change_wrong_digest(void **state)
{
    struct fixture *f = *state;
    agree(f, 0, 1, 9);
    Pbft__Prepared *prepared = tc_make_prepared(&f->make, 0, 1, digest(f, 8), (uint32_t[]){1, 2}, 2);
    say_to(f, 1, tc_make_view_change(&f->make, 3, 1, 0, &prepared, 1));
    EXPECT("view-change-wrong-digest", 3);
    assert_true(f->view == 0 && f->sequence == 1); /* what it committed, whose votes the oracle shows */
}

static void test_view_change_bad_certificates(void **state)
{
    struct fixture *f = *state;
    struct tc_make *make = &f->make;
    Pbft__Prepared *bad[6] = {
        tc_make_prepared(make, 0, 1, digest(f, 9), (uint32_t[]){1, 1}, 2), /* duplicate signer */
        tc_make_prepared(make, 0, 1, digest(f, 9), (uint32_t[]){0, 1}, 2), /* the primary's prepare */
        tc_make_prepared(make, 0, 1, digest(f, 9), (uint32_t[]){1}, 1),
        tc_make_prepared(make, 0, 1, digest(f, 9), (uint32_t[]){1, 2}, 2),
        tc_make_prepared(make, 5, 1, digest(f, 9), (uint32_t[]){2, 3}, 2), /* of a later view */
        tc_make_prepared(make, 0, 1, digest(f, 9), (uint32_t[]){1, 2}, 2),
    };
    bad[3]->prepares[1]->signature.data[3] ^= 1;
    bad[5]->pre_prepare->signature.data[3] ^= 1;
    for (uint32_t i = 0; i < 6; i++) {
        f->breaches = 0;
        say_to(f, 1, tc_make_view_change(make, 3, 1 + i % 4, 0, &bad[i], 1));
        EXPECT("view-change-bad-certificate", 3);
    }
}

static void test_view_change_bad_checkpoint(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *change = tc_make_view_change(&f->make, 3, 1, 16, NULL, 0);
    say_to(f, 1, change);
    EXPECT_NONE();
    Pbft__ViewChange body = PBFT__VIEW_CHANGE__INIT;
    Wire__Envelope *twice[3];
    for (uint32_t i = 0; i < 3; i++)
        twice[i] = tc_make_checkpoint(&f->make, i % 2, 16, digest(f, 16));
    body.view = 2;
    body.stable_sequence = 16;
    body.stable_digest = digest(f, 16);
    body.checkpoints = twice;
    body.n_checkpoints = 3;
    say_to(f, 1, tc_make_envelope(&f->make, PBFT__TYPE__VIEW_CHANGE, 3, &body));
    EXPECT("view-change-bad-checkpoint", 3);
}

/* ---- new view ---- */

/* View changes of 1, 2, 3 to view 1; 2's has sequence 1 prepared as `fill`. */
static void ask(struct fixture *f, Wire__Envelope *changes[3], uint8_t fill)
{
    static Pbft__Prepared *prepared;
    prepared = tc_make_prepared(&f->make, 0, 1, digest(f, fill), (uint32_t[]){1, 2}, 2);
    for (uint32_t i = 0; i < 3; i++) {
        changes[i] = tc_make_view_change(&f->make, i + 1, 1, 0, &prepared, i == 1 ? 1 : 0);
        multicast(f, changes[i]);
    }
}

static void test_new_view(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3], *order = propose(f, 1, 1, 9);
    ask(f, changes, 9);
    multicast(f, tc_make_new_view(&f->make, 1, 1, changes, 3, &order, 1));
    multicast(f, prepare(f, 2, 1, 1, 9));
    multicast(f, propose(f, 1, 2, 7));
    multicast(f, prepare(f, 3, 1, 2, 7));
    const struct tc_observation line = {.kind = TC_OBS_VIEW, .node = 3, .view = {.view = 1, .active = true}};
    tc_pbft.justifier->observed(f->j, &line);
    EXPECT_NONE();
}

static void test_new_view_without_quorum(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3], *order = propose(f, 1, 1, 9);
    ask(f, changes, 9);
    changes[2] = changes[0]; /* the same replica twice */
    say_to(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, &order, 1));
    EXPECT("new-view-without-quorum", 1);
}

static void test_new_view_wrong_order(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3], *order = propose(f, 1, 1, 8);
    ask(f, changes, 9);
    say_to(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, &order, 1));
    EXPECT("new-view-wrong-proposals", 1);
    assert_non_null(strstr(f->text, "give 09090909… for sequence 1, it orders 08080808"));
}

static void test_new_view_missing_order(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3];
    ask(f, changes, 9);
    say_to(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, NULL, 0));
    EXPECT("new-view-wrong-proposals", 1);
}

static void test_new_view_by_backup(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3];
    ask(f, changes, 9);
    say_to(f, 1, tc_make_new_view(&f->make, 2, 1, changes, 3, NULL, 0));
    EXPECT("new-view-by-backup", 2);
}

static void test_null_request_fills_a_gap(void **state)
{
    struct fixture *f = *state;
    Pbft__Prepared *prepared = tc_make_prepared(&f->make, 0, 2, digest(f, 9), (uint32_t[]){1, 2}, 2);
    Wire__Envelope *changes[3], *orders[] = {propose(f, 1, 1, 0), propose(f, 1, 2, 9)};
    for (uint32_t i = 0; i < 3; i++)
        changes[i] = tc_make_view_change(&f->make, i + 1, 1, 0, &prepared, 1);
    multicast(f, tc_make_new_view(&f->make, 1, 1, changes, 3, orders, 2));
    multicast(f, prepare(f, 2, 1, 1, 0));
    EXPECT_NONE();
}

static void test_prepare_in_an_unchecked_new_view(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3], *order = propose(f, 1, 1, 8);
    ask(f, changes, 9);
    offer(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, &order, 1), false);
    EXPECT_NONE(); /* being offered it is no fault */
    say_to(f, 3, prepare(f, 2, 1, 1, 8));
    EXPECT("new-view-unchecked", 2);
    assert_non_null(strstr(f->text, "it orders 08080808"));
}

static void test_prepare_when_one_of_two_new_views_holds(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3], *wrong = propose(f, 1, 1, 8), *right = propose(f, 1, 1, 9);
    ask(f, changes, 9);
    offer(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, &wrong, 1), false);
    offer(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, &right, 1), false);
    say_to(f, 3, prepare(f, 2, 1, 1, 9));
    EXPECT_NONE();
    say_to(f, 3, prepare(f, 2, 1, 2, 8)); /* beyond the new view's orders, but never proposed */
    EXPECT("prepare-without-pre-prepare", 2);
}

static void test_prepare_against_the_new_view(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[3], *order = propose(f, 1, 1, 9);
    ask(f, changes, 9);
    offer(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 3, &order, 1), false);
    offer(f, 2, propose(f, 1, 1, 8), false);
    say_to(f, 3, prepare(f, 2, 1, 1, 8));
    EXPECT("vote-against-new-view", 2);
    assert_int_equal(f->support_count, 1); /* the new view */
}

static void test_prepare_outside_view(void **state)
{
    struct fixture *f = *state;
    offer(f, 2, propose(f, 1, 1, 8), true);
    say_to(f, 3, prepare(f, 2, 1, 1, 8));
    EXPECT("outside-view", 2);
}

static void test_one_bad_view_change_among_enough(void **state)
{
    struct fixture *f = *state;
    Wire__Envelope *changes[4], *order = propose(f, 1, 1, 9);
    Pbft__Prepared *bad = tc_make_prepared(&f->make, 0, 1, digest(f, 7), (uint32_t[]){1}, 1);
    ask(f, changes, 9);
    changes[3] = tc_make_view_change(&f->make, 0, 1, 0, &bad, 1);
    offer(f, 2, tc_make_new_view(&f->make, 1, 1, changes, 4, &order, 1), false);
    say_to(f, 3, prepare(f, 2, 1, 1, 9));
    EXPECT_NONE();
}

/* ---- order on one connection ---- */

static void open_link(struct fixture *f, uint16_t from, uint16_t to)
{
    struct tc_slice frame;
    struct tc_message m = {.from = from, .to = to};
    assert_int_equal(tc_wire_hello(&f->make.cluster, from, &f->make.arena, &frame), 0);
    assert_int_equal(tc_pbft.decode(frame, &f->make.arena, &m), 0);
    tc_pbft.justifier->said(f->j, from, &m);
}

static void test_vote_after_view_change(void **state)
{
    struct fixture *f = *state;
    open_link(f, 2, 3);
    offer(f, 2, propose(f, 0, 1, 9), true);
    say_to(f, 3, tc_make_view_change(&f->make, 2, 1, 0, NULL, 0));
    say_to(f, 3, prepare(f, 2, 0, 1, 9));
    EXPECT("vote-after-view-change", 2);
}

static void test_vote_after_view_change_elsewhere(void **state)
{
    struct fixture *f = *state;
    open_link(f, 2, 3);
    open_link(f, 2, 1);
    offer(f, 2, propose(f, 0, 1, 9), true);
    offer(f, 2, propose(f, 0, 2, 9), true);
    say_to(f, 3, prepare(f, 2, 0, 1, 9));
    say_to(f, 3, tc_make_view_change(&f->make, 2, 1, 0, NULL, 0));
    say_to(f, 3, prepare(f, 2, 0, 1, 9)); /* said again */
    say_to(f, 1, prepare(f, 2, 0, 2, 9)); /* on another connection */
    EXPECT_NONE();
}

static void test_vote_after_reconnection(void **state)
{
    struct fixture *f = *state;
    offer(f, 2, propose(f, 0, 1, 9), true); /* prepared, persisted, crashed before it was sent */
    open_link(f, 2, 3);
    say_to(f, 3, tc_make_view_change(&f->make, 2, 1, 0, NULL, 0));
    say_to(f, 3, prepare(f, 2, 0, 1, 9));
    EXPECT_NONE();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_view_change_omits_prepared),
        T(test_view_change_with_certificate),
        T(test_view_change_behind_stable_checkpoint),
        T(test_view_change_older_certificate),
        T(test_view_change_wrong_digest),
        T(test_view_change_bad_certificates),
        T(test_view_change_bad_checkpoint),
        T(test_new_view),
        T(test_new_view_without_quorum),
        T(test_new_view_wrong_order),
        T(test_new_view_missing_order),
        T(test_new_view_by_backup),
        T(test_null_request_fills_a_gap),
        T(test_prepare_in_an_unchecked_new_view),
        T(test_prepare_when_one_of_two_new_views_holds),
        T(test_prepare_against_the_new_view),
        T(test_prepare_outside_view),
        T(test_one_bad_view_change_among_enough),
        T(test_vote_after_view_change),
        T(test_vote_after_view_change_elsewhere),
        T(test_vote_after_reconnection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
