/* O10: fires when no order of the operations explains the answers; not when one does, however odd, nor over operations
 * that were given up or began before we looked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "linearizability"
#define C0   128
#define C1   129
#define C2   130

/* A history: what is done, in order, one step a line. */
struct step {
    uint16_t client;
    uint64_t timestamp;
    const char *begins, *answer; /* one of them; both NULL: gives up */
};

static const struct tc_judgement *judge(struct bench *b, const struct step *steps, size_t count)
{
    bench_open(b, 4, 1, NAME);
    for (size_t i = 0; i < count; i++)
        if (steps[i].begins)
            bench_begin(b, steps[i].client, steps[i].timestamp, steps[i].begins);
        else
            bench_answer(b, steps[i].client, steps[i].timestamp, steps[i].answer);
    return bench_finish(b, NAME);
}

static void check(const struct step *steps, size_t count, enum tc_status status)
{
    struct bench b;
    assert_int_equal(judge(&b, steps, count)->status, status);
    bench_close(&b);
}

#define BEGIN(client, n, operation)                                                                                    \
    {                                                                                                                  \
        client, n, operation, NULL                                                                                     \
    }
#define ANSWER(client, n, result)                                                                                      \
    {                                                                                                                  \
        client, n, NULL, result                                                                                        \
    }
#define CHECK(status, ...)                                                                                             \
    do {                                                                                                               \
        const struct step steps[] = {__VA_ARGS__};                                                                     \
        check(steps, sizeof steps / sizeof *steps, status);                                                            \
    } while (0)

static void what_was_put_is_found(void **state)
{
    (void)state;
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Ga"), ANSWER(C1, 1, "y1"),
          BEGIN(C0, 2, "Ca12"), ANSWER(C0, 2, "y"), BEGIN(C1, 2, "Ca13"), ANSWER(C1, 2, "n2"), BEGIN(C1, 3, "Da"),
          ANSWER(C1, 3, "y"), BEGIN(C0, 3, "Ga"), ANSWER(C0, 3, "n"), BEGIN(C0, 4, "Da"), ANSWER(C0, 4, "n"),
          BEGIN(C0, 5, "Ca12"), ANSWER(C0, 5, "n"));
}

static void a_stale_answer_is_a_breach(void **state)
{
    (void)state;
    struct bench b;
    const struct step steps[] = {BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C0, 2, "Pa2"),
                                 ANSWER(C0, 2, "y"),  BEGIN(C1, 1, "Ga"), ANSWER(C1, 1, "y1")};
    const struct tc_judgement *j = judge(&b, steps, sizeof steps / sizeof *steps);
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_string_equal(j->findings[0].text,
                        "key a: no order of the clients' operations explains what client c1 was told");
    assert_int_equal(j->findings[0].evidence_count, 2);
    bench_close(&b);
}

static void what_contradicts_itself_is_a_breach(void **state)
{
    (void)state;
    CHECK(TC_VIOLATED, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Ga"), ANSWER(C1, 1, "n")); /* lost */
    CHECK(TC_VIOLATED, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Da"), ANSWER(C1, 1, "n"));
    CHECK(TC_VIOLATED, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Ca23"), ANSWER(C1, 1, "y"));
    CHECK(TC_VIOLATED, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Ca23"), ANSWER(C1, 1, "n3"));
    /* two swaps of one value: only one may succeed, though they are concurrent */
    CHECK(TC_VIOLATED, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C0, 2, "Ca12"), BEGIN(C1, 1, "Ca13"),
          ANSWER(C0, 2, "y"), ANSWER(C1, 1, "y"));
    /* two readers that see two writes in different orders */
    CHECK(TC_VIOLATED, BEGIN(C2, 0, "Pa0"), ANSWER(C2, 0, "y"), BEGIN(C0, 1, "Pa1"), BEGIN(C1, 1, "Pa2"),
          BEGIN(C2, 1, "Ga"), ANSWER(C2, 1, "y1"), BEGIN(C2, 2, "Ga"), ANSWER(C2, 2, "y2"), BEGIN(C2, 3, "Ga"),
          ANSWER(C2, 3, "y1"), ANSWER(C0, 1, "y"), ANSWER(C1, 1, "y"));
}

static void concurrent_operations_take_any_order(void **state)
{
    (void)state;
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Pa1"), BEGIN(C1, 1, "Ga"), ANSWER(C1, 1, "y1"), ANSWER(C0, 1, "y"));
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C0, 2, "Pa2"), BEGIN(C1, 1, "Ga"),
          ANSWER(C0, 2, "y"), ANSWER(C1, 1, "y1"), BEGIN(C1, 2, "Ga"), ANSWER(C1, 2, "y2"));
    /* a get that ends first has already seen the delete that ends later */
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Ga"), BEGIN(C2, 1, "Da"), ANSWER(C1, 1, "n"),
          ANSWER(C2, 1, "y"));
}

static void what_was_given_up_may_still_come(void **state)
{
    (void)state;
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Pa2"), ANSWER(C1, 1, NULL),
          BEGIN(C0, 2, "Ga"), ANSWER(C0, 2, "y1"), BEGIN(C0, 3, "Ga"), ANSWER(C0, 3, "y2"));
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"), BEGIN(C1, 1, "Da"), ANSWER(C1, 1, NULL),
          BEGIN(C1, 2, "Gb"), ANSWER(C1, 2, "n"), BEGIN(C0, 3, "Ga"), ANSWER(C0, 3, "n"));
    /* but only once */
    CHECK(TC_VIOLATED, BEGIN(C1, 1, "Pa2"), ANSWER(C1, 1, NULL), BEGIN(C0, 1, "Pa1"), ANSWER(C0, 1, "y"),
          BEGIN(C0, 2, "Ga"), ANSWER(C0, 2, "y2"), BEGIN(C0, 3, "Pa3"), ANSWER(C0, 3, "y"), BEGIN(C0, 4, "Ga"),
          ANSWER(C0, 4, "y2"));
}

static void what_was_there_before_is_not_known(void **state)
{
    (void)state;
    CHECK(TC_HOLDS, BEGIN(C0, 1, "Ga"), ANSWER(C0, 1, "y7"), BEGIN(C0, 2, "Gb"), ANSWER(C0, 2, "n"),
          BEGIN(C0, 3, "Cc12"), ANSWER(C0, 3, "n5"), BEGIN(C0, 4, "Gc"), ANSWER(C0, 4, "y5"));
    CHECK(TC_VIOLATED, BEGIN(C0, 1, "Ga"), ANSWER(C0, 1, "y7"), BEGIN(C0, 2, "Ga"), ANSWER(C0, 2, "y8"));
}

static void a_lying_client_is_not_judged(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    tc_nodeset_add(&b.faults.signed_for, C1);
    bench_traitor(&b, 3);
    bench_begin(&b, C0, 1, "Pa1");
    bench_answer(&b, C0, 1, "y");
    bench_begin(&b, C0, 2, "Ga");
    bench_answer(&b, C0, 2, "n");
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

static void too_many_orders_are_given_up(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    for (uint16_t i = 0; i < 60; i++) {
        const char operation[] = {'P', 'a', (char)(0x21 + i), 0};
        bench_begin(&b, (uint16_t)(C0 + i), 1, operation);
    }
    for (uint16_t i = 0; i < 60; i++)
        bench_answer(&b, (uint16_t)(C0 + i), 1, "y");
    bench_begin(&b, C0, 2, "Pb1");
    bench_answer(&b, C0, 2, "y");
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_string_equal(j->result.reason, "1 answers about 2 keys, 1 keys given up (too many orders to try)");
    bench_close(&b);
}

static void one_wrong_answer_among_thousands(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, NAME);
    uint64_t timestamp = 0;
    for (unsigned i = 0; i < 4000; i++) {
        const char put[] = {'P', (char)(1 + i % 200), (char)(1 + i % 250), 0};
        const char get[] = {'G', (char)(1 + i % 200), 0};
        const char found[] = {'y', i == 3999 ? 'x' : (char)(1 + i % 250), 0};
        bench_begin(&b, C0, ++timestamp, put);
        bench_answer(&b, C0, timestamp, "y");
        bench_begin(&b, C0, ++timestamp, get);
        bench_answer(&b, C0, timestamp, found);
    }
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->finding_total, 1);
    assert_int_equal(j->result.compared, 8000);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(a_stale_answer_is_a_breach),
        cmocka_unit_test(what_contradicts_itself_is_a_breach),
        cmocka_unit_test(concurrent_operations_take_any_order),
        cmocka_unit_test(what_was_given_up_may_still_come),
        cmocka_unit_test(what_was_there_before_is_not_known),
        cmocka_unit_test(a_lying_client_is_not_judged),
        cmocka_unit_test(too_many_orders_are_given_up),
        cmocka_unit_test(one_wrong_answer_among_thousands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
