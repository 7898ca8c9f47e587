/* O16: fires when a failure-free decision costs more than the formula; retransmissions, other types and later phases
 * are counted apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "message-cost"

static void as_the_formula_says(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_phase(&b, TC_RUN_BEFORE);
    for (uint64_t sequence = 1; sequence <= 30; sequence++)
        bench_round(&b, 0, sequence, 'a');
    b.occurrence = 1;
    for (uint64_t sequence = 1; sequence <= 30; sequence++) /* all of it again */
        bench_round(&b, 0, sequence, 'a');
    b.occurrence = 0;
    struct toy other = {.type = TOY_CHECKPOINT, .sequence = 30, .value = 'k', .signer = 1};
    for (int i = 0; i < 1000; i++)
        bench_broadcast(&b, other);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "24.0 messages a decision over 30 decisions before the attack (formula 24), "
                                          "720 said again, 3000 of other types");
    bench_close(&b);
}

/* One more round of prepares, each under another key. */
static void chatter(struct bench *b, uint64_t sequence)
{
    struct toy s = {.type = TOY_PREPARE, .sequence = sequence, .value = 'a'};
    for (s.signer = 0; s.signer < 4; s.signer++)
        bench_broadcast(b, s);
}

static void too_many_are_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_phase(&b, TC_RUN_BEFORE);
    for (uint64_t sequence = 1; sequence <= 30; sequence++) {
        bench_round(&b, 0, sequence, 'a');
        chatter(&b, sequence);
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text,
                        "36.0 messages a decision over 30 decisions before the attack (formula 24)");
    bench_close(&b);
}

static void only_the_failure_free_phase_counts(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_phase(&b, TC_RUN_BEFORE);
    for (uint64_t sequence = 1; sequence <= 30; sequence++)
        bench_round(&b, 0, sequence, 'a');
    bench_phase(&b, TC_RUN_DURING);
    for (uint64_t sequence = 31; sequence <= 60; sequence++) {
        bench_round(&b, 0, sequence, 'a');
        chatter(&b, sequence);
    }
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
    bench_open(&b, 4, 1, NAME);
    for (uint64_t sequence = 1; sequence <= 30; sequence++)
        bench_round(&b, 0, sequence, 'a');
    bench_view(&b, 2, 1, false, 0);
    assert_int_equal(bench_finish(&b, NAME)->status, TC_NOT_JUDGED); /* not free of failures */
    bench_close(&b);
    bench_open(&b, 4, 1, NAME);
    bench_round(&b, 0, 1, 'a');
    assert_int_equal(bench_finish(&b, NAME)->status, TC_NOT_JUDGED); /* too few */
    bench_close(&b);
}

/* In a chain every block has a new leader: views that pass are no failures, a view asked for after a timeout is. */
static void a_chain_changes_its_leader_all_the_time(void **state)
{
    (void)state;
    for (int timeout = 0; timeout < 2; timeout++) {
        struct bench b;
        const struct tc_judge_config config = {
            .protocol = &toy_chain, .has_messages = true, .links_complete = true, .expect = TC_HOLDS};
        bench_open_config(&b, 4, 1, NAME, config);
        bench_phase(&b, TC_RUN_BEFORE);
        for (uint64_t view = 1; view <= 30; view++) {
            const uint16_t leader = (uint16_t)(view % 4);
            bench_view(&b, 0, view, !(timeout && view == 20), 0);
            struct toy s = {.type = TOY_PROPOSE, .view = view, .sequence = view, .value = 'a', .signer = leader};
            bench_broadcast(&b, s);
            for (s.type = TOY_PREPARE; s.type <= TOY_COMMIT; s.type++)
                for (s.signer = 0; s.signer < 4; s.signer++)
                    if (s.signer != leader)
                        bench_message(&b, s.signer, leader, &s, 1);
        }
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, timeout ? TC_NOT_JUDGED : TC_HOLDS);
        if (!timeout)
            assert_non_null(strstr(j->result.reason, "9.0 messages a decision over 30 decisions"));
        bench_close(&b);
    }
}

static uint64_t cost_called(uint32_t n, uint64_t *by_row)
{
    const uint64_t cost = toy_chain.cost(n, by_row);
    if (by_row)
        by_row[TOY_NEW_VIEW] = n - 1;
    return cost + n - 1;
}

/* A view of a chain whose leader is called by everybody, `again` times more: as often with other bytes, for the
 * certificate is a higher one by then. `astray`: to those, too, who do not lead. */
static void called(struct bench *b, uint64_t view, int again, bool astray)
{
    const uint16_t leader = (uint16_t)(view % 4);
    struct toy s = {.type = TOY_NEW_VIEW, .view = view};
    for (int time = 0; time <= again; time++)
        for (s.signer = 0; s.signer < 4; s.signer++)
            for (uint16_t to = 0; to < 4; to++)
                if (to != s.signer && (to == leader || (astray && time == again)))
                    bench_message(b, s.signer, to, &s, 1);
    s = (struct toy){.type = TOY_PROPOSE, .view = view, .sequence = view, .value = 'a', .signer = leader};
    bench_broadcast(b, s);
    for (s.type = TOY_PREPARE; s.type <= TOY_COMMIT; s.type++)
        for (s.signer = 0; s.signer < 4; s.signer++)
            if (s.signer != leader)
                bench_message(b, s.signer, leader, &s, 1);
}

/* Where a view takes long, its leader is called again, and whoever lags is helped: that is no cost of a decision. */
static void a_leader_is_called_once(void **state)
{
    (void)state;
    struct tc_protocol protocol = toy_chain;
    protocol.cost = cost_called;
    for (int again = 0; again < 3; again++) {
        struct bench b;
        const struct tc_judge_config config = {
            .protocol = &protocol, .has_messages = true, .links_complete = true, .expect = TC_HOLDS};
        bench_open_config(&b, 4, 1, NAME, config);
        b.called = true;
        bench_phase(&b, TC_RUN_BEFORE);
        for (uint64_t view = 1; view <= 30; view++)
            called(&b, view, again, again > 1);
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, TC_HOLDS);
        assert_non_null(
            strstr(j->result.reason, "11.9 messages a decision over 30 decisions")); /* not the first calls */
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_formula_says),
        cmocka_unit_test(too_many_are_a_breach),
        cmocka_unit_test(only_the_failure_free_phase_counts),
        cmocka_unit_test(a_chain_changes_its_leader_all_the_time),
        cmocka_unit_test(a_leader_is_called_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
