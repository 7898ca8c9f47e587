/* O5: fires on a vote against the lock, and on a view change that leaves out what was committed; not where a later
 * certificate justifies it, where the block is unknown, or where a checkpoint covers it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "lock"

static void open_chain(struct bench *b)
{
    const struct tc_judge_config config = {.protocol = &toy_chain,
                                           .has_executions = true,
                                           .has_messages = true,
                                           .links_complete = true,
                                           .expect = TC_HOLDS};
    bench_open_config(b, 4, 1, NAME, config);
}

/* The leader of the view proposes a block at that height, on a parent that was certified in a view. */
static void propose(struct bench *b, uint64_t view, uint64_t height, char block, char parent, uint64_t justify_view)
{
    const struct toy s[2] = {
        {.type = TOY_PROPOSE, .view = view, .sequence = height, .value = block, .signer = (uint16_t)(view % 4)},
        {.type = TOY_CERTIFICATE, .view = justify_view, .sequence = height - 1, .value = parent}};
    bench_message(b, s[0].signer, (uint16_t)((view + 1) % 4), s, parent ? 2 : 1);
}

static void vote_by(struct bench *b, uint16_t signer, enum toy_type type, uint64_t view, uint64_t height, char block,
                    bool said)
{
    const struct toy s = {.type = type, .view = view, .sequence = height, .value = block, .signer = signer};
    bench_message_as(b, signer, 3, &s, 1, said, true, !said);
}

static void vote(struct bench *b, enum toy_type type, uint64_t view, uint64_t height, char block)
{
    vote_by(b, 2, type, view, height, block, true);
}

static void voting_against_the_lock_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    propose(&b, 1, 1, 'a', 0, 0);
    vote(&b, TOY_PREPARE, 1, 1, 'a');
    vote(&b, TOY_COMMIT, 1, 1, 'a');
    propose(&b, 5, 1, 'b', 0, 0);
    vote(&b, TOY_PREPARE, 5, 1, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text, "replica 2 voted for 6262…62 of view 5, which does not extend 6161…61 of "
                                             "view 1, on which its vote of view 1 locks it");
    assert_int_equal(j->findings[0].evidence_count, 3);
    assert_true(tc_nodeset_has(&j->findings[0].suspects, 2));
    bench_close(&b);
}

static void extending_the_lock_holds(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    propose(&b, 1, 1, 'a', 0, 0);
    vote(&b, TOY_COMMIT, 1, 1, 'a');
    propose(&b, 2, 2, 'b', 'a', 1);
    vote(&b, TOY_PREPARE, 2, 2, 'b');
    propose(&b, 3, 3, 'c', 'b', 2);
    vote(&b, TOY_PREPARE, 3, 3, 'c');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "2 votes judged by 1 lock");
    bench_close(&b);
}

static void a_later_certificate_unlocks(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    propose(&b, 1, 1, 'a', 0, 0);
    vote(&b, TOY_COMMIT, 1, 1, 'a');
    propose(&b, 2, 1, 'x', 0, 0); /* others certified it */
    propose(&b, 3, 2, 'y', 'x', 2);
    vote(&b, TOY_PREPARE, 3, 2, 'y');
    /* what is not known to conflict is not judged: an unknown block, an unknown ancestor, a vote of an earlier view */
    vote(&b, TOY_PREPARE, 4, 7, 'q');
    propose(&b, 6, 9, 'r', 's', 1);
    vote(&b, TOY_PREPARE, 6, 9, 'r');
    vote(&b, TOY_COMMIT, 9, 2, 'y');
    propose(&b, 8, 2, 'z', 'x', 2);
    vote(&b, TOY_PREPARE, 8, 2, 'z');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason,
                        "3 votes judged by 2 locks, 2 votes not (their block or its ancestors are not known)");
    bench_close(&b);
}

static void what_others_put_into_its_mouth_locks_nobody(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    bench_traitor(&b, 3);
    propose(&b, 1, 1, 'a', 0, 0);
    vote_by(&b, 2, TOY_COMMIT, 1, 1, 'a', false); /* not said by it */
    vote_by(&b, 3, TOY_COMMIT, 1, 1, 'a', true);
    propose(&b, 5, 1, 'b', 0, 0);
    vote(&b, TOY_PREPARE, 5, 1, 'b');
    vote_by(&b, 3, TOY_PREPARE, 5, 1, 'b', true); /* a traitor's business */
    assert_int_equal(bench_finish(&b, NAME)->finding_total, 0);
    bench_close(&b);
}

static void a_block_told_in_two_ways_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    open_chain(&b);
    propose(&b, 1, 1, 'a', 0, 0);
    vote(&b, TOY_COMMIT, 1, 1, 'a');
    propose(&b, 2, 2, 'b', 'z', 0); /* a liar's word to somebody else */
    propose(&b, 2, 2, 'b', 'a', 1);
    vote(&b, TOY_PREPARE, 2, 2, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason,
                        "0 votes judged by 1 lock, 1 votes not (their block or its ancestors are not known)");
    bench_close(&b);
}

/* ---- carried by view changes ---- */

static void change(struct bench *b, uint64_t checkpoint, uint64_t carried, uint64_t carried_view)
{
    struct toy s[3] = {{.type = TOY_VIEW_CHANGE, .view = 3, .signer = 2}};
    size_t count = 1;
    if (checkpoint)
        s[count++] = (struct toy){.type = TOY_CHECKPOINT, .sequence = checkpoint, .value = 's', .signer = 1};
    if (carried)
        s[count++] =
            (struct toy){.type = TOY_CERTIFICATE, .view = carried_view, .sequence = carried, .value = 'a', .signer = 1};
    bench_message(b, 2, 0, s, count);
    bench_message(b, 2, 1, s, count);
}

static enum tc_status carried(uint64_t checkpoint, uint64_t sequence, uint64_t view, uint64_t *total)
{
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    vote(&b, TOY_COMMIT, 1, 7, 'a');
    vote(&b, TOY_COMMIT, 3, 8, 'a'); /* not of an earlier view */
    vote_by(&b, 2, TOY_COMMIT, 1, 9, 'a', false);
    change(&b, checkpoint, sequence, view);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    const enum tc_status status = j->status;
    *total = j->finding_total;
    if (*total > 0)
        assert_string_equal(j->findings[0].text, "the view change of replica 2 to view 3 leaves out sequence 7, for "
                                                 "which it had said a commit in view 1");
    bench_close(&b);
    return status;
}

static void a_view_change_carries_what_was_committed(void **state)
{
    (void)state;
    uint64_t total;
    assert_int_equal(carried(0, 7, 1, &total), TC_HOLDS);
    assert_int_equal(carried(0, 7, 2, &total), TC_HOLDS); /* certified again since */
    assert_int_equal(carried(7, 0, 0, &total), TC_HOLDS); /* a checkpoint covers it */
    assert_int_equal(carried(0, 0, 0, &total), TC_VIOLATED);
    assert_int_equal(total, 1);
    assert_int_equal(carried(0, 7, 0, &total), TC_VIOLATED); /* an older certificate will not do */
    assert_int_equal(carried(6, 8, 1, &total), TC_VIOLATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voting_against_the_lock_is_a_breach),
        cmocka_unit_test(extending_the_lock_holds),
        cmocka_unit_test(a_later_certificate_unlocks),
        cmocka_unit_test(a_block_told_in_two_ways_is_not_judged),
        cmocka_unit_test(what_others_put_into_its_mouth_locks_nobody),
        cmocka_unit_test(a_view_change_carries_what_was_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
