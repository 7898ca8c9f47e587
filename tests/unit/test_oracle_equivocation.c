/* O4: fires on two valid signatures for one slot and type; not on retransmission, other slots, forgeries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "equivocation"

static const struct toy first = {.type = TOY_PROPOSE, .view = 0, .sequence = 1913, .value = 'a', .signer = 0};

static struct toy second(void)
{
    struct toy s = first;
    s.value = 'b';
    return s;
}

static void catches_the_traitor_with_both_messages(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    struct toy other = second();
    bench_message(&b, 0, 1, &first, 1);
    bench_message_as(&b, 0, 2, &other, 1, false, true, true); /* signed by us, heard only */
    bench_message_as(&b, 0, 3, &other, 1, false, true, true);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_CAUGHT);
    assert_int_equal(j->finding_total, 1);
    const struct tc_finding *f = &j->findings[0];
    assert_string_equal(f->text, "replica 0 signed two pre-prepares for view 0, sequence 1,913: 6161…61 and 6262…62");
    assert_int_equal(f->evidence_count, 2);
    assert_true(f->evidence[0].signature_valid && f->evidence[1].signature_valid);
    assert_int_equal(f->evidence[0].to, 1);
    assert_int_equal(f->evidence[1].to, 2);
    assert_string_equal(j->result.reason, "replica 0 signed twice in 1 slot");
    bench_close(&b);
}

static void naming_a_correct_replica_is_a_violation(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    struct toy other = second();
    bench_message(&b, 0, 1, &first, 1);
    bench_message(&b, 0, 2, &other, 1);
    assert_int_equal(tc_judge_violations(b.judge), 1);
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void blame_is_read_when_asked(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    struct toy other = second();
    bench_message(&b, 0, 1, &first, 1);
    bench_message_as(&b, 0, 2, &other, 1, false, true, true);
    assert_int_equal(tc_judge_violations(b.judge), 1);
    bench_traitor(&b, 0); /* the ledger's change is told a moment later */
    assert_int_equal(tc_judge_violations(b.judge), 0);
    assert_int_equal(bench_verdict(&b, NAME), TC_CAUGHT);
}

static void an_embedded_vote_incriminates(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    bench_message(&b, 0, 1, &first, 1);
    struct toy relay[2] = {{.type = TOY_VIEW_CHANGE, .view = 1, .signer = 2}, second()};
    bench_message(&b, 2, 3, relay, 2);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_CAUGHT);
    assert_int_equal(j->findings[0].evidence[1].from, 2);
    bench_close(&b);
}

static void a_forgery_incriminates_nobody(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    struct toy forged = second();
    forged.forged = true;
    bench_message(&b, 0, 1, &first, 1);
    bench_message_as(&b, 0, 2, &forged, 1, false, true, true);
    bench_message_as(&b, 0, 3, &forged, 1, false, true, true);
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void a_forgery_hides_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    struct toy forged = second();
    struct toy valid = second();
    forged.forged = true;
    bench_message_as(&b, 0, 2, &forged, 1, false, true, true); /* the forgery comes first */
    bench_message(&b, 0, 1, &first, 1);
    bench_message_as(&b, 0, 3, &valid, 1, false, true, true);
    assert_int_equal(bench_verdict(&b, NAME), TC_CAUGHT);
}

static void four_garbled_values_do_not_fill_a_slot(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    bench_message(&b, 0, 1, &first, 1);
    for (char value = 'p'; value < 'z'; value++) {
        struct toy garbled = first;
        garbled.value = value;
        garbled.forged = true;
        bench_message_as(&b, 0, 2, &garbled, 1, false, true, true);
    }
    struct toy other = second();
    bench_message_as(&b, 0, 3, &other, 1, false, true, true);
    assert_int_equal(bench_verdict(&b, NAME), TC_CAUGHT);
}

static void repetition_is_no_equivocation(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_message(&b, 0, 1, &first, 1);
    bench_message(&b, 0, 1, &first, 1);
    bench_message(&b, 0, 2, &first, 1);
    struct toy next_view = second();
    next_view.view = 1;
    bench_message(&b, 0, 1, &next_view, 1);
    struct toy next_sequence = second();
    next_sequence.sequence++;
    bench_message(&b, 0, 1, &next_sequence, 1);
    struct toy vote = second();
    vote.type = TOY_PREPARE; /* another type, another conflict key */
    vote.signer = 1;
    bench_message(&b, 1, 2, &vote, 1);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->finding_total, 0);
    bench_close(&b);
}

static void proofs_are_bounded_and_counted(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 0);
    for (uint64_t sequence = 1; sequence <= 100; sequence++) {
        struct toy a = first;
        struct toy z = second();
        a.sequence = z.sequence = sequence;
        bench_message(&b, 0, 1, &a, 1);
        bench_message_as(&b, 0, 2, &z, 1, false, true, true);
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_count, TC_FINDINGS_MAX);
    assert_string_equal(j->result.reason, "replica 0 signed twice in 64 slots, and seemingly in 36 more that were not "
                                          "verified");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catches_the_traitor_with_both_messages),
        cmocka_unit_test(naming_a_correct_replica_is_a_violation),
        cmocka_unit_test(blame_is_read_when_asked),
        cmocka_unit_test(an_embedded_vote_incriminates),
        cmocka_unit_test(a_forgery_incriminates_nobody),
        cmocka_unit_test(a_forgery_hides_nothing),
        cmocka_unit_test(four_garbled_values_do_not_fill_a_slot),
        cmocka_unit_test(repetition_is_no_equivocation),
        cmocka_unit_test(proofs_are_bounded_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
