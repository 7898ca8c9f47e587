/* O14: names who votes to some and not to others; not who is cut off, robbed by injection, or silent to all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "participation"

/* 300 votes of replica 1 to 0, 2 and 3; to 3 only every `keep`-th (0: none). heard: not lost on the way. */
static void votes(struct bench *b, uint32_t keep, bool heard)
{
    for (uint64_t sequence = 1; sequence <= 300; sequence++) {
        struct toy s = {.type = TOY_PREPARE, .sequence = sequence, .value = 'a', .signer = 1};
        bench_wait(b, 2000000);
        for (uint16_t to = 0; to < 4; to++) {
            if (to == 1 || (to == 3 && (keep == 0 || sequence % keep != 0)))
                continue;
            bench_message_as(b, 1, to, &s, 1, true, heard || to != 3, false);
        }
    }
}

static void selective_dropping_is_named(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 1);
    votes(&b, 2, true);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_CAUGHT);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "replica 1 said 150 of 300 votes to replica 3, and the others more");
    bench_close(&b);
}

/* Of 600 votes 120 were not said to replica 3, all at once; or every third. */
static enum tc_status with_missing(bool at_once)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint64_t sequence = 1; sequence <= 600; sequence++) {
        struct toy s = {.type = TOY_PREPARE, .sequence = sequence, .value = 'a', .signer = 1};
        const bool in_burst = sequence > 300 && sequence <= 420;
        const bool missing = at_once ? in_burst : sequence % 3 == 0;
        bench_wait(&b, in_burst ? 1000 : 2000000);
        for (uint16_t to = 0; to < 4; to++)
            if (to != 1 && !(to == 3 && missing))
                bench_message(&b, 1, to, &s, 1);
    }
    return bench_verdict(&b, NAME);
}

static void what_a_slow_machine_loses_at_once_is_one_loss(void **state)
{
    (void)state;
    assert_int_equal(with_missing(true), TC_HOLDS);
    assert_int_equal(with_missing(false), TC_VIOLATED);
}

static void injected_loss_is_not_the_senders(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    votes(&b, 1, false); /* all said, none heard by 3 */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "900 of 900 votes said, 300 of them lost or changed by injection");
    bench_close(&b);
}

static void a_severed_edge_is_not_the_senders(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t to = 0; to < 3; to++) {
        struct tc_observation up = {.kind = TC_OBS_LINK_UP, .node = 1, .peer = to};
        bench_observe(&b, up);
    }
    votes(&b, 0, true);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
    bench_open(&b, 4, 1, NAME);
    bench_down(&b, 3);
    votes(&b, 0, true);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void a_few_missing_are_chance(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_round(&b, 0, 1000, 'a');
    for (uint64_t sequence = 1; sequence <= 300; sequence++) {
        struct toy s = {.type = TOY_PREPARE, .sequence = sequence, .value = 'a', .signer = 1};
        for (uint16_t to = 0; to < 4; to++)
            if (to != 1 && !(to == 3 && sequence % 8 == 0))
                bench_message(&b, 1, to, &s, 1);
    }
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void votes_beyond_what_was_due_are_worded_so(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    struct tc_observation link = {.kind = TC_OBS_LINK_UP, .node = 1, .peer = 0};
    bench_observe(&b, link);
    link.peer = 2;
    bench_observe(&b, link); /* the link to 3 is not up yet, but what is said to it counts as said */
    votes(&b, 1, true);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_string_equal(j->result.reason,
                        "900 votes said (600 were due on links then up), 0 of them lost or changed by injection");
    bench_close(&b);
}

static void too_few_votes_are_not_judged(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_round(&b, 0, 1, 'a');
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

/* ---- votes that go to a collector ---- */

static void open_chain(struct bench *b)
{
    const struct tc_judge_config config = {.protocol = &toy_chain,
                                           .has_executions = true,
                                           .has_messages = true,
                                           .links_complete = true,
                                           .expect = TC_HOLDS};
    bench_open_config(b, 4, 1, NAME, config);
}

/* How replica 2 votes in the views that replica 1 leads. */
enum manner { ALWAYS, NEVER, OFFERED_LATE, TIMED_OUT, DOWN, MISSED_THE_PARENT };

static void view_led(struct bench *b, uint64_t view, enum manner manner)
{
    const uint16_t leader = (uint16_t)(view % 4);
    const bool misses = leader == 0 && manner == MISSED_THE_PARENT; /* what the leader before proposed */
    const enum manner here = leader == 1 ? manner : ALWAYS;
    struct toy s = {.type = TOY_PROPOSE, .view = view, .sequence = view, .value = 'a', .signer = leader};
    for (uint16_t to = 0; to < 4; to++)
        if (to != leader && !(to == 2 && (here == OFFERED_LATE || misses)))
            bench_message(b, leader, to, &s, 1);
    if (here == TIMED_OUT)
        bench_view(b, 2, view + 1, false, 0);
    struct toy vote = s;
    vote.type = TOY_PREPARE;
    for (vote.signer = 0; vote.signer < 4; vote.signer++)
        if (vote.signer != leader && !(vote.signer == 2 && (here != ALWAYS || misses)))
            bench_message(b, vote.signer, leader, &vote, 1);
    if (here == OFFERED_LATE)
        bench_message(b, leader, 2, &s, 1);
}

static const struct tc_judgement *led(struct bench *b, enum manner manner, bool traitor)
{
    open_chain(b);
    if (traitor)
        bench_traitor(b, 2);
    if (manner == DOWN)
        bench_down(b, 2);
    for (uint64_t view = 1; view <= 1200; view++)
        view_led(b, view, manner == DOWN ? NEVER : manner);
    return bench_finish(b, NAME);
}

static void who_votes_to_some_leaders_only_is_named(void **state)
{
    (void)state;
    struct bench b;
    const struct tc_judgement *j = led(&b, NEVER, true);
    assert_int_equal(j->status, TC_CAUGHT);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "replica 2 said 0 of 300 votes to replica 1, and the others more");
    bench_close(&b);
}

static void who_had_no_time_to_vote_is_not(void **state)
{
    (void)state;
    const enum manner manners[] = {ALWAYS, OFFERED_LATE, TIMED_OUT, DOWN, MISSED_THE_PARENT};
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++) {
        struct bench b;
        const struct tc_judgement *j = led(&b, manners[i], false);
        assert_int_equal(j->status, TC_HOLDS);
        assert_int_equal(j->finding_total, 0);
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selective_dropping_is_named),
        cmocka_unit_test(what_a_slow_machine_loses_at_once_is_one_loss),
        cmocka_unit_test(injected_loss_is_not_the_senders),
        cmocka_unit_test(a_severed_edge_is_not_the_senders),
        cmocka_unit_test(a_few_missing_are_chance),
        cmocka_unit_test(too_few_votes_are_not_judged),
        cmocka_unit_test(votes_beyond_what_was_due_are_worded_so),
        cmocka_unit_test(who_votes_to_some_leaders_only_is_named),
        cmocka_unit_test(who_had_no_time_to_vote_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
