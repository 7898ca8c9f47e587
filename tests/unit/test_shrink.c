/* Shrinking, on made-up failures; the orders in which it goes; what no attack can have said.
 * links: tc_engine tc_protocol tc_base */
#include "../../injectors/replay.h"
#include "../../injectors/replay_said.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHOICES_MAX 300

/* Fails if all choices of at least one of the sets are kept. */
struct needs {
    uint32_t sets[3][8];
    uint32_t sizes[3], set_count;
    uint32_t asked;
    int error_at; /* the asked-th question is answered by an error; 0 never */
};

static int needs_fail(void *self, bool *left_out, uint32_t count)
{
    struct needs *n = self;
    (void)count;
    if (++n->asked == (uint32_t)n->error_at)
        return TC_EINTERRUPTED;
    for (uint32_t s = 0; s < n->set_count; s++) {
        bool all = true;
        for (uint32_t i = 0; i < n->sizes[s]; i++)
            all &= !left_out[n->sets[s][i]];
        if (all)
            return 1;
    }
    return 0;
}

/* None of those kept can be left out alone: asked again, not taken from the result. */
static void assert_minimal(struct needs *n, bool *left_out, uint32_t count)
{
    assert_int_equal(needs_fail(n, left_out, count), 1);
    for (uint32_t i = 0; i < count; i++) {
        if (left_out[i])
            continue;
        left_out[i] = true;
        assert_int_equal(needs_fail(n, left_out, count), 0);
        left_out[i] = false;
    }
}

static void shrinks_to_one_set(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool left_out[CHOICES_MAX] = {false};
        struct needs n = {.set_count = 1 + (uint32_t)(seed % 3)};
        struct tc_shrink_result result;
        const uint32_t count = 1 + (uint32_t)tc_random_below(tc_random_mix(seed, 1), CHOICES_MAX);
        for (uint32_t s = 0; s < n.set_count; s++) {
            n.sizes[s] = 1 + (uint32_t)tc_random_below(tc_random_mix(seed, 2 + s), 8);
            for (uint32_t i = 0; i < n.sizes[s]; i++)
                n.sets[s][i] = (uint32_t)tc_random_below(tc_random_mix(tc_random_mix(seed, 9 + s), i), count);
        }
        assert_int_equal(
            tc_shrink(count, left_out, &(struct tc_shrink_search){.tried_max = 100000}, needs_fail, &n, &result), 0);
        assert_true(result.minimal);
        assert_int_equal(result.tried, n.asked);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++)
            kept += !left_out[i];
        assert_int_equal(kept, result.kept);
        assert_true(kept <= 8);
        assert_minimal(&n, left_out, count);
    }
}

/* A failure that needs nothing shrinks to nothing at the first try. */
static int always_fails(void *self, bool *left_out, uint32_t count)
{
    (void)left_out;
    (void)count;
    ++*(uint32_t *)self;
    return 1;
}

static void shrinks_to_nothing(void **state)
{
    (void)state;
    bool left_out[CHOICES_MAX] = {false};
    uint32_t asked = 0;
    struct tc_shrink_result result;
    assert_int_equal(
        tc_shrink(CHOICES_MAX, left_out, &(struct tc_shrink_search){.tried_max = 1000}, always_fails, &asked, &result),
        0);
    assert_int_equal(result.kept, 0);
    assert_int_equal(asked, 1);
    assert_true(result.minimal);
    assert_int_equal(
        tc_shrink(0, left_out, &(struct tc_shrink_search){.tried_max = 1000}, always_fails, &asked, &result), 0);
    assert_true(result.minimal);
}

/* What is left out already stays so; too few tries are said; an error comes back as it is. */
static void stops_where_it_must(void **state)
{
    (void)state;
    bool left_out[CHOICES_MAX] = {false};
    struct needs n = {.set_count = 1, .sizes = {2}, .sets = {{3, 250}}};
    struct tc_shrink_result result;
    left_out[7] = true;
    assert_int_equal(
        tc_shrink(CHOICES_MAX, left_out, &(struct tc_shrink_search){.tried_max = 5}, needs_fail, &n, &result), 0);
    assert_false(result.minimal);
    assert_int_equal(result.tried, 5);
    assert_true(left_out[7]);
    assert_int_equal(needs_fail(&n, left_out, CHOICES_MAX), 1);
    n = (struct needs){.set_count = 1, .sizes = {2}, .sets = {{3, 250}}, .error_at = 4};
    assert_int_equal(
        tc_shrink(CHOICES_MAX, left_out, &(struct tc_shrink_search){.tried_max = 1000}, needs_fail, &n, &result),
        TC_EINTERRUPTED);
}

/* Fails with choice 295, or with eight low ones: which of the two is left depends on what goes first. */
static void the_smallest_of_all_orders(void **state)
{
    (void)state;
    struct needs n = {.set_count = 2, .sizes = {8, 1}, .sets = {{3, 7, 9, 20, 21, 40, 41, 55}, {295}}};
    static uint32_t orders[2 * CHOICES_MAX];
    struct tc_shrink_search how = {
        .tried_max = 10000, .orders = orders, .order_count = 2, .enough = 7, .enough_runs = 10000};
    struct tc_shrink_result result;
    bool left_out[CHOICES_MAX] = {false};
    for (uint32_t i = 0; i < CHOICES_MAX; i++) {
        orders[i] = i;
        orders[CHOICES_MAX + i] = CHOICES_MAX - 1 - i;
    }
    assert_int_equal(tc_shrink(CHOICES_MAX, left_out, &how, needs_fail, &n, &result), 0);
    assert_int_equal(result.kept, 1);
    assert_true(result.minimal);
    assert_false(left_out[295]);
    assert_minimal(&n, left_out, CHOICES_MAX);
    how.enough_runs = 1; /* no more than the first order, then */
    memset(left_out, 0, sizeof left_out);
    assert_int_equal(tc_shrink(CHOICES_MAX, left_out, &how, needs_fail, &n, &result), 0);
    assert_int_equal(result.kept, 8);
    how.enough = 8; /* the first order is good enough then */
    how.enough_runs = 10000;
    memset(left_out, 0, sizeof left_out);
    assert_int_equal(tc_shrink(CHOICES_MAX, left_out, &how, needs_fail, &n, &result), 0);
    assert_int_equal(result.kept, 8);
    assert_minimal(&n, left_out, CHOICES_MAX);
}

/* Choices that come to nothing without others go with them: odd ones, without the even one below. */
static int even_fails(void *self, bool *left_out, uint32_t count)
{
    const int fails = needs_fail(self, left_out, count);
    for (uint32_t i = 1; fails && i < count; i += 2)
        left_out[i] |= left_out[i - 1];
    return fails;
}

static void what_comes_to_nothing_goes(void **state)
{
    (void)state;
    struct needs plain = {.set_count = 1, .sizes = {4}, .sets = {{8, 9, 120, 250}}}, quick = plain;
    struct tc_shrink_result result;
    const struct tc_shrink_search how = {.tried_max = 10000};
    bool left_out[CHOICES_MAX] = {false};
    assert_int_equal(tc_shrink(CHOICES_MAX, left_out, &how, needs_fail, &plain, &result), 0);
    memset(left_out, 0, sizeof left_out);
    assert_int_equal(tc_shrink(CHOICES_MAX, left_out, &how, even_fails, &quick, &result), 0);
    assert_int_equal(result.kept, 4);
    assert_true(quick.asked < plain.asked);
    assert_minimal(&quick, left_out, CHOICES_MAX);
}

/* ---- words that nobody said ---- */

static void observe_word(struct tc_said *said, uint16_t signer, uint8_t byte, bool by_himself, bool touched)
{
    const uint8_t body[1] = {byte}, signature[2] = {1, byte};
    struct tc_statement s = {.signer = signer, .body = {body, 1}, .signature = {signature, 2}};
    const struct tc_message m = {.from = signer, .to = 1, .touched = touched, .statements = &s, .statement_count = 1};
    tc_said_observe(said,
                    &(struct tc_observation){.kind = TC_OBS_MESSAGE,
                                             .message = {.message = &m, .said = by_himself, .heard = !by_himself}});
}

static void words_that_nobody_said_are_stale(void **state)
{
    (void)state;
    struct tc_said said = {.stale = false};
    struct tc_nodeset traitors = {{0}};
    tc_nodeset_add(&traitors, 3);
    tc_said_begin(&said, &traitors, true);
    observe_word(&said, 0, 1, true, false); /* 0 says 1, */
    observe_word(&said, 0, 1, false, true); /* which is said again, */
    observe_word(&said, 0, 2, false, true); /* and so is what is nobody's word */
    assert_false(said.stale || said.full);
    tc_said_begin(&said, &traitors, false);
    observe_word(&said, 0, 2, false, true);  /* as in the first run */
    observe_word(&said, 3, 9, false, true);  /* the traitor says what he likes */
    observe_word(&said, 0, 5, false, false); /* a copy of what was said before we looked: nobody made it */
    assert_false(said.stale);
    observe_word(&said, 0, 1, false, true); /* but this time 0 has not said it yet */
    assert_true(said.stale);
    observe_word(&said, 0, 1, true, false);
    tc_said_begin(&said, &traitors, false);
    for (uint32_t i = 0; i < 20000; i++) /* more than the first table holds */
        observe_word(&said, (uint16_t)(i / 256), (uint8_t)i, true, false);
    observe_word(&said, 77, 200, false, true);
    assert_false(said.stale || said.full);
    observe_word(&said, 79, 200, false, true);
    assert_true(said.stale);
    tc_said_free(&said);
}

/* ---- orders ---- */

/* Two messages of replica 0, each dropped to three receivers, twice. */
static void fill_with_drops(struct tc_tape *tape)
{
    for (uint32_t i = 0; i < 12; i++) {
        const struct tc_moment moment = {.call = TC_CALL_MESSAGE,
                                         .from = 0,
                                         .to = (uint16_t)(1 + i % 3),
                                         .key = 100 + i / 3 % 2,
                                         .occurrence = i / 6};
        const struct tc_tape_item item = {
            .kind = TC_TAPE_VERDICT, .moment = i, .decision = i + 1, .verdict = {.verb = TC_DROP}};
        assert_int_equal(tc_tape_add_moment(tape, &moment), 0);
        assert_int_equal(tc_tape_add(tape, &item), 0);
    }
}

/* How often neighbours in this order belong to different groups. */
static uint32_t changes(const struct tc_tape *tape, const uint32_t *order, bool by_link)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < tape->choice_count; i++) {
        const struct tc_moment *a = &tape->moments[order[i - 1]], *b = &tape->moments[order[i]];
        count += by_link ? a->to != b->to : a->key != b->key;
    }
    return count;
}

static void orders_put_together_what_belongs_together(void **state)
{
    (void)state;
    static struct tc_tape tape;
    uint32_t order[12];
    tc_tape_init(&tape);
    fill_with_drops(&tape);
    for (uint32_t number = 0; number < 20; number++) {
        uint32_t seen = 0;
        assert_int_equal(tc_tape_order(&tape, number, order), 0);
        for (uint32_t i = 0; i < 12; i++)
            seen |= 1u << order[i];
        assert_int_equal(seen, 0xfff); /* all of them, each once */
        if (number == 0 || number == 5)
            assert_int_equal(order[0], number == 0 ? 0 : 11);
        if (number == 2)
            assert_int_equal(changes(&tape, order, false), 1);
        if (number == 3 || number == 4)
            assert_int_equal(changes(&tape, order, true), 2);
    }
    tc_tape_free(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shrinks_to_one_set),
        cmocka_unit_test(shrinks_to_nothing),
        cmocka_unit_test(stops_where_it_must),
        cmocka_unit_test(the_smallest_of_all_orders),
        cmocka_unit_test(what_comes_to_nothing_goes),
        cmocka_unit_test(words_that_nobody_said_are_stale),
        cmocka_unit_test(orders_put_together_what_belongs_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
