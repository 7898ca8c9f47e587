/* O7: fires when a correct replica says or acts on a certificate short of a quorum of valid signatures; not when it
 * lets one lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "certificate-validity"

/* A view change of `sender` for view 1 with a certificate for (0, 5): proposal of 0, prepares of 1 and `second`. */
static size_t view_change(struct toy *out, uint16_t parent, uint16_t sender, uint16_t second, bool forged)
{
    uint16_t at = parent == 0xffff ? 0 : (uint16_t)(parent + 1);
    struct toy parts[] = {
        {.type = TOY_VIEW_CHANGE, .view = 1, .value = 'v', .signer = sender, .parent = 0},
        {.type = TOY_CERTIFICATE, .sequence = 5, .value = 'a', .signer = TC_NODE_NONE, .parent = at},
        {.type = TOY_PROPOSE, .sequence = 5, .value = 'a', .signer = 0, .parent = (uint16_t)(at + 1)},
        {.type = TOY_PREPARE, .sequence = 5, .value = 'a', .signer = 1, .parent = (uint16_t)(at + 1)},
        {.type = TOY_PREPARE,
         .sequence = 5,
         .value = 'a',
         .signer = second,
         .forged = forged,
         .parent = (uint16_t)(at + 1)},
    };
    memcpy(out, parts, sizeof parts);
    return sizeof parts / sizeof *parts;
}

static void saying_a_bad_certificate_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    struct toy s[8];
    for (int kind = 0; kind < 2; kind++) { /* one signer twice; one signature forged */
        bench_open(&b, 4, 1, NAME);
        size_t count = view_change(s, 0xffff, 3, kind ? 2 : 1, kind);
        bench_message(&b, 3, 1, s, count);
        bench_message(&b, 3, 2, s, count);
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, TC_VIOLATED);
        assert_string_equal(j->findings[0].text,
                            "replica 3 said a view-change on a bad certificate: the certificate of view 0, sequence 5 "
                            "has 2 distinct members with a valid signature (0, 1), 3 are needed");
        bench_close(&b);
    }
}

static void a_good_certificate_holds(void **state)
{
    (void)state;
    struct bench b;
    struct toy s[8];
    bench_open(&b, 4, 1, NAME);
    bench_message(&b, 3, 1, s, view_change(s, 0xffff, 3, 2, false));
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 1);
    bench_close(&b);
}

static void a_vote_that_was_heard_needs_no_check(void **state)
{
    (void)state;
    struct bench b;
    struct toy s[8];
    bench_open(&b, 4, 1, NAME);
    struct toy heard = {.type = TOY_PREPARE, .sequence = 5, .value = 'a', .signer = 2};
    bench_message(&b, 2, 1, &heard, 1);
    bench_message(&b, 3, 1, s, view_change(s, 0xffff, 3, 2, true));
    assert_int_equal(bench_verdict(&b, NAME), TC_HOLDS);
}

/* A new view for view 1 by replica 1 with `changes` view changes; the last one carries a bad certificate if `bad`. */
static size_t new_view(struct toy *out, uint16_t changes, bool bad)
{
    size_t count = 0;
    out[count++] = (struct toy){.type = TOY_NEW_VIEW, .view = 1, .signer = 1};
    for (uint16_t i = 0; i < changes; i++)
        count += view_change(out + count, (uint16_t)(count - 1), i, bad && i + 1 == changes ? 1 : 2, false);
    return count;
}

static void entering_a_view_on_too_few_view_changes_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    struct toy s[32];
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 1);
    bench_message(&b, 1, 2, s, new_view(s, 2, false));
    bench_message(&b, 1, 3, s, new_view(s, 2, false));
    bench_view(&b, 2, 1, false, 0); /* asking for it is no entering */
    bench_view(&b, 3, 1, true, 0);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text,
                        "replica 3 entered view 1 on a bad certificate: the set of view changes of "
                        "view 1 has 2 distinct members with a valid signature (0, 1), 3 are needed");
    assert_true(j->findings[0].evidence[0].frame.len > 0);
    bench_close(&b);
}

static void a_bad_certificate_inside_a_new_view_counts(void **state)
{
    (void)state;
    struct bench b;
    struct toy s[32];
    bench_open(&b, 4, 1, NAME);
    bench_message(&b, 1, 2, s, new_view(s, 3, true)); /* a correct leader must have thrown it out */
    assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
}

static void letting_it_lie_is_no_breach(void **state)
{
    (void)state;
    struct bench b;
    struct toy s[32];
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 1);
    bench_message(&b, 1, 2, s, new_view(s, 2, false)); /* offered, not taken */
    bench_message(&b, 1, 3, s, new_view(s, 2, false));
    bench_message(&b, 1, 3, s, new_view(s, 3, false)); /* then a good one */
    bench_view(&b, 3, 1, true, 0);
    bench_view(&b, 2, 2, true, 0);
    bench_message(&b, 1, 0, s, view_change(s, 0xffff, 1, 1, false)); /* the traitor's own words */
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_HOLDS);
    bench_close(&b);
}

static void checkpoints_of_a_state_need_a_quorum(void **state)
{
    (void)state;
    struct bench b;
    for (uint16_t members = 2; members <= 3; members++) {
        struct toy s[4] = {{.type = TOY_SYNC, .sequence = 128, .signer = 2}};
        for (uint16_t i = 0; i < members; i++)
            s[1 + i] = (struct toy){.type = TOY_CHECKPOINT, .sequence = 128, .value = 'k', .signer = i};
        bench_open(&b, 4, 1, NAME);
        bench_message(&b, 2, 3, s, members + 1u);
        assert_int_equal(bench_verdict(&b, NAME), members == 3 ? TC_HOLDS : TC_VIOLATED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saying_a_bad_certificate_is_a_breach),
        cmocka_unit_test(a_good_certificate_holds),
        cmocka_unit_test(a_vote_that_was_heard_needs_no_check),
        cmocka_unit_test(entering_a_view_on_too_few_view_changes_is_a_breach),
        cmocka_unit_test(a_bad_certificate_inside_a_new_view_counts),
        cmocka_unit_test(letting_it_lie_is_no_breach),
        cmocka_unit_test(checkpoints_of_a_state_need_a_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
