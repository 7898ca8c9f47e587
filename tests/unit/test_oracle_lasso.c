/* O13: fires when a rotation of leaders goes by at a standstill though all is delivered and a client waits; not when
 * something is lost, late, decided or certified, nobody waits, or votes go on to the end of a view. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME    "lasso"
#define VIEW_NS 100000000u

/* What is amiss in one of the views. */
enum amiss { NOTHING, LOST, LATE, DECIDED, CERTIFIED, BUSY, CUT, DOWN };

static void message(struct bench *b, enum toy_type type, uint64_t view, uint16_t from, uint16_t to, bool said,
                    bool heard)
{
    const struct toy s = {.type = type, .view = view, .sequence = 1, .value = 'a', .signer = from};
    bench_message_as(b, from, to, &s, 1, said, heard, false);
}

/* A view in which the leader proposes, one backup votes, and nothing comes of it. */
static void stand_still(struct bench *b, uint64_t view, enum amiss amiss)
{
    const uint16_t leader = (uint16_t)(view % 4);
    const uint16_t backup = (uint16_t)((view + 1) % 4);
    for (uint16_t to = 0; to < 4; to++)
        if (to != leader)
            message(b, TOY_PROPOSE, view, leader, to, true, true);
    message(b, TOY_PREPARE, view, backup, leader, true, amiss != LOST && amiss != LATE);
    if (amiss == DECIDED)
        bench_execute(b, 1, view, view + 1, 'a');
    if (amiss == CERTIFIED) {
        const struct toy s[2] = {{.type = TOY_VIEW_CHANGE, .view = view + 1, .signer = backup},
                                 {.type = TOY_CERTIFICATE, .view = view, .sequence = 1, .value = 'a'}};
        bench_message(b, backup, leader, s, 2);
    }
    if (amiss == CUT)
        bench_observe(b, (struct tc_observation){.kind = TC_OBS_LINK_DOWN, .node = 1, .peer = 2});
    if (amiss == DOWN) {
        bench_down(b, 3);
        bench_up(b, 3);
    }
    bench_wait(b, VIEW_NS);
    if (amiss == BUSY)
        message(b, TOY_COMMIT, view, backup, leader, true, true);
    for (uint16_t node = 0; node < 4; node++)
        bench_view(b, node, view + 1, false, VIEW_NS);
    if (amiss == LATE)
        message(b, TOY_PREPARE, view, backup, leader, false, true);
}

static void begin(struct bench *b)
{
    bench_open(b, 4, 1, NAME);
    bench_request(b, 128, 1, true);
    for (uint16_t node = 0; node < 4; node++)
        bench_view(b, node, 1, true, VIEW_NS);
}

static void a_rotation_at_a_standstill_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    for (uint64_t view = 1; view <= 9; view++)
        stand_still(&b, view, NOTHING);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1); /* one row, however long */
    assert_string_equal(j->findings[0].text, "views 1 to 8: every replica led twice, nothing was decided and no "
                                             "certificate added, while 1 client waited");
    bench_close(&b);
}

/* Timers that are out of step may fall into step again. */
static void one_rotation_is_none(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    for (uint64_t view = 1; view <= 7; view++)
        stand_still(&b, view, NOTHING);
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

/* Certificates, and never enough of them: each rotation ends as the one before. */
static void the_same_again_with_newer_certificates_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    for (uint64_t view = 1; view <= 18; view++)
        stand_still(&b, view, view % 4 == 3 ? CERTIFIED : NOTHING);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "views 5 to 17: the same comes again every 4 views, certificates that are "
                                             "never enough, and nothing was decided while 1 client waited");
    bench_close(&b);
}

static void what_disturbs_a_round_begins_it_anew(void **state)
{
    (void)state;
    static const enum amiss disturbs[] = {LOST, DECIDED, BUSY, CUT, DOWN};
    for (size_t i = 0; i < sizeof disturbs / sizeof disturbs[0]; i++) {
        struct bench b;
        begin(&b);
        for (uint64_t view = 1; view <= 40; view++)
            stand_still(&b, view, view % 8 == 5 ? disturbs[i] : view % 4 == 3 ? CERTIFIED : NOTHING);
        assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
        bench_close(&b);
    }
}

/* What a connection that is gone would have carried is never said, so nothing is seen to be lost. */
static void a_missing_connection_excuses_until_it_is_back(void **state)
{
    (void)state;
    for (uint16_t peer = 2; peer <= 3; peer++) { /* 3 is down: the links of the others are what counts */
        for (int back = 0; back < 2; back++) {
            struct bench b;
            begin(&b);
            bench_down(&b, 3);
            bench_observe(&b, (struct tc_observation){.kind = TC_OBS_LINK_DOWN, .node = 1, .peer = peer});
            if (back)
                bench_observe(&b, (struct tc_observation){.kind = TC_OBS_LINK_UP, .node = 1, .peer = peer});
            for (uint64_t view = 1; view <= 40; view++)
                stand_still(&b, view, NOTHING);
            assert_int_equal(bench_verdict(&b, NAME), back || peer == 3 ? TC_VIOLATED : TC_HOLDS);
        }
    }
}

/* What a traitor proposes can hold up a correct cluster so. */
static void a_traitor_that_proposes_excuses_it(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    bench_traitor(&b, 2);
    for (uint64_t view = 1; view <= 40; view++)
        stand_still(&b, view, view % 4 == 3 ? CERTIFIED : NOTHING);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void whatever_goes_on_begins_the_row_anew(void **state)
{
    (void)state;
    for (enum amiss amiss = LOST; amiss <= DOWN; amiss++) {
        struct bench b;
        begin(&b);
        for (uint64_t view = 1; view <= 20; view++)
            stand_still(&b, view, view % 8 == 3 ? amiss : NOTHING);
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, TC_HOLDS);
        assert_int_equal(j->finding_total, 0);
        bench_close(&b);
    }
}

static void nobody_waits_nothing_is_due(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    bench_request(&b, 128, 1, false);
    for (uint64_t view = 1; view <= 9; view++)
        stand_still(&b, view, NOTHING);
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

/* What it asked for while nobody heard it is due once it is heard again. */
static enum tc_status asked_while_cut_off(bool healed)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_cut_off(&b, 128, true);
    bench_request(&b, 128, 1, true);
    for (uint16_t node = 0; node < 4; node++)
        bench_view(&b, node, 1, true, VIEW_NS);
    if (healed)
        bench_cut_off(&b, 128, false);
    for (uint64_t view = 1; view <= 9; view++)
        stand_still(&b, view, NOTHING);
    return bench_verdict(&b, NAME);
}

static void who_is_cut_off_waits_for_nothing_yet(void **state)
{
    (void)state;
    assert_int_equal(asked_while_cut_off(false), TC_HOLDS);
    assert_int_equal(asked_while_cut_off(true), TC_VIOLATED);
}

static void more_than_f_faulty_are_excused(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    bench_down(&b, 2);
    bench_down(&b, 3);
    for (uint64_t view = 1; view <= 9; view++)
        stand_still(&b, view, NOTHING);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void a_traitor_may_lead_one_of_them(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    bench_traitor(&b, 2);
    for (uint64_t view = 1; view <= 9; view++)
        stand_still(&b, view, view % 4 == 1 ? LOST : NOTHING); /* the traitor's own vote */
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_at_a_standstill_is_a_breach),
        cmocka_unit_test(one_rotation_is_none),
        cmocka_unit_test(whatever_goes_on_begins_the_row_anew),
        cmocka_unit_test(nobody_waits_nothing_is_due),
        cmocka_unit_test(the_same_again_with_newer_certificates_is_a_breach),
        cmocka_unit_test(what_disturbs_a_round_begins_it_anew),
        cmocka_unit_test(a_missing_connection_excuses_until_it_is_back),
        cmocka_unit_test(a_traitor_that_proposes_excuses_it),
        cmocka_unit_test(who_is_cut_off_waits_for_nothing_yet),
        cmocka_unit_test(more_than_f_faulty_are_excused),
        cmocka_unit_test(a_traitor_may_lead_one_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
