/* O22: a decided block may accuse whoever signed twice, once; fires on forged accusations and on repeated ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "evidence"

/* Block `block` passes from 0 to 1; it accuses `signer` of two prepares for sequence 7 under x and y. */
static void accuse(struct bench *b, char block, uint16_t signer, char x, char y, bool forged)
{
    const struct toy statements[] = {
        {.type = TOY_SYNC, .sequence = 8, .value = block, .signer = 0},
        {.type = TOY_PREPARE, .view = 0, .sequence = 7, .value = x, .signer = signer, .parent = 0},
        {.type = TOY_PREPARE, .view = 0, .sequence = 7, .value = y, .signer = signer, .parent = 0, .forged = forged},
    };
    bench_message(b, 0, 1, statements, 3);
}

static void decide(struct bench *b, uint64_t sequence, char block)
{
    for (uint16_t node = 0; node < 3; node++)
        bench_execute(b, node, 0, sequence, block);
}

static void a_true_accusation_is_told(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    accuse(&b, 'b', 3, 'x', '-', false);
    accuse(&b, 'b', 3, 'x', '-', false); /* the same block once more, on another link */
    decide(&b, 8, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "on the chain: replica 3 for 7 (in block 8)");
    bench_close(&b);
}

static void a_block_may_be_seen_after_it_was_decided(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    decide(&b, 8, 'b');
    accuse(&b, 'b', 3, 'x', 'y', false);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "on the chain: replica 3 for 7 (in block 8)");
    bench_close(&b);
}

static void a_forged_accusation_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    accuse(&b, 'b', 2, 'x', 'y', true);
    decide(&b, 8, 'b');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text, "replica 0 decided sequence 8, which accuses replica 2 of two votes for "
                                             "view 0, sequence 7: not both of them bear its signature");
    bench_close(&b);
}

static void a_second_accusation_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    accuse(&b, 'b', 3, 'x', 'y', false);
    decide(&b, 8, 'b');
    accuse(&b, 'c', 3, 'x', 'y', false);
    decide(&b, 9, 'c');
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_string_equal(j->findings[0].text, "replica 0 decided sequence 9, which accuses replica 3 of two votes for "
                                             "view 0, sequence 7: another block accused it of that before");
    bench_close(&b);
}

/* A lie that is only proposed, votes that agree, and votes of two: nobody is accused on the chain. */
static void what_is_no_accusation_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    accuse(&b, 'c', 2, 'x', 'y', true);
    decide(&b, 8, 'b');
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
    bench_open(&b, 4, 1, NAME);
    accuse(&b, 'b', 3, 'x', 'x', false);
    const struct toy two[] = {
        {.type = TOY_SYNC, .sequence = 8, .value = 'b', .signer = 0},
        {.type = TOY_PREPARE, .view = 0, .sequence = 7, .value = 'x', .signer = 1},
        {.type = TOY_PREPARE, .view = 0, .sequence = 7, .value = 'y', .signer = 2},
    };
    bench_message(&b, 0, 1, two, 3);
    decide(&b, 8, 'b');
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

/* Where replicas are asked they tell of it themselves; what the traitor tells counts for nothing. */
static void an_accusation_may_be_told(void **state)
{
    (void)state;
    const struct toy two[] = {
        {.type = TOY_SYNC, .sequence = 8, .value = '-', .signer = 0},
        {.type = TOY_PREPARE, .view = 0, .sequence = 7, .value = 'x', .signer = 3, .parent = 0},
        {.type = TOY_PREPARE, .view = 0, .sequence = 7, .value = 'y', .signer = 3, .parent = 0},
    };
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    decide(&b, 8, 'b');
    bench_accused(&b, 3, 8, 'b', two, 3);
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    decide(&b, 8, 'b');
    for (uint16_t node = 0; node < 3; node++)
        bench_accused(&b, node, 8, 'b', two, 3);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "on the chain: replica 3 for 7 (in block 8)");
    bench_close(&b);
}

/* A protocol without the keys of replica 2. */
static int verify_but_one(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    return s->signer == 2 ? TC_EKEY : toy_protocol.verify(env, s);
}

static void what_cannot_be_verified_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    struct tc_protocol keyless = toy_protocol;
    keyless.verify = verify_but_one;
    for (int known = 0; known <= 1; known++) {
        bench_open_config(
            &b, 4, 1, NAME,
            (struct tc_judge_config){
                .protocol = &keyless, .has_executions = true, .has_messages = true, .links_complete = true});
        accuse(&b, 'b', 2, 'x', 'y', false);
        decide(&b, 8, 'b');
        if (known) {
            accuse(&b, 'c', 3, 'x', 'y', false);
            decide(&b, 9, 'c');
        }
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, known ? TC_HOLDS : TC_NOT_JUDGED);
        assert_int_equal(j->result.compared, known);
        assert_non_null(strstr(j->result.reason, "replica 2 for 7 (in block 8)"));
        assert_non_null(strstr(j->result.reason, "1 could not be verified"));
        bench_close(&b);
    }
}

/* More accusations than are kept: the last might have been the forged one. */
static void what_finds_no_room_is_inconclusive(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    bench_traitor(&b, 3);
    for (uint64_t sequence = 1; sequence <= 1025; sequence++) {
        const struct toy statements[] = {
            {.type = TOY_SYNC, .sequence = 2000, .value = 'b', .signer = 0},
            {.type = TOY_PREPARE, .sequence = sequence, .value = 'x', .signer = 3, .parent = 0},
            {.type = TOY_PREPARE, .sequence = sequence, .value = 'y', .signer = 3, .parent = 0},
        };
        bench_message(&b, 0, 1, statements, 3);
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_INCONCLUSIVE);
    assert_string_equal(j->result.reason, "1 accusations found no room");
    bench_close(&b);
}

/* Only where blocks bear evidence is its absence worth a line. */
static void a_protocol_without_evidence_says_nothing(void **state)
{
    (void)state;
    struct bench b;
    struct tc_protocol accusing = toy_protocol;
    accusing.blocks_accuse = true;
    for (int accuses = 0; accuses <= 1; accuses++) {
        bench_open_config(&b, 4, 1, NAME,
                          (struct tc_judge_config){.protocol = accuses ? &accusing : &toy_protocol,
                                                   .has_executions = true,
                                                   .has_messages = true,
                                                   .links_complete = true});
        decide(&b, 8, 'b');
        assert_int_equal(bench_finish(&b, NAME)->result.foreign, !accuses);
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_accusation_is_told),
        cmocka_unit_test(a_block_may_be_seen_after_it_was_decided),
        cmocka_unit_test(a_forged_accusation_is_a_breach),
        cmocka_unit_test(a_second_accusation_is_a_breach),
        cmocka_unit_test(what_is_no_accusation_is_not_judged),
        cmocka_unit_test(an_accusation_may_be_told),
        cmocka_unit_test(what_cannot_be_verified_is_not_judged),
        cmocka_unit_test(what_finds_no_room_is_inconclusive),
        cmocka_unit_test(a_protocol_without_evidence_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
