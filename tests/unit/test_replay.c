/* Shrinking on made-up failures, and tapes: what is recorded is given again, once, at its moment.
 * links: tc_engine tc_protocol tc_base */
#include "../../injectors/replay.h"
#include "../../injectors/replay_said.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- shrinking ---- */

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
    struct tc_shrink_search how = {.tried_max = 10000, .orders = orders, .order_count = 2, .enough = 7};
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
    how.enough = 8; /* the first order is good enough then */
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

/* ---- tapes ---- */

/* An attack that drops key 1, replaces key 2, and at key 3 sets a timer, notes, signs and cuts. */
struct attack {
    struct tc_ledger *ledger;
    uint32_t calls;
};

static int attack_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct attack *a = self;
    a->calls++;
    if (call->kind == TC_CALL_BEGIN)
        tc_nodeset_add(&plan->traitors, 2);
    if (call->kind == TC_CALL_TIMER) {
        plan->ops[plan->op_count++] = (struct tc_op){.verb = TC_HEAL};
        return 0;
    }
    if (call->kind != TC_CALL_MESSAGE)
        return 0;
    if (call->message->key == 1) {
        plan->verdict.verb = TC_DROP;
        plan->verdict.why = "because";
    } else if (call->message->key == 2) {
        plan->verdict.verb = TC_REPLACE;
        plan->verdict.frames[0] = (struct tc_slice){bytes, sizeof bytes};
        plan->verdict.frame_count = 1;
        plan->verdict.delay_ns = 5;
    } else if (call->message->key == 3) {
        plan->notes[plan->note_count++] = "a note";
        plan->timers[plan->timer_count].due_ns = call->now_ns + 50;
        plan->timers[plan->timer_count++].token = 77;
        plan->ops[plan->op_count] = (struct tc_op){.verb = TC_PARTITION, .block_count = 1};
        tc_nodeset_add(&plan->ops[plan->op_count++].blocks[0], 1);
        return tc_ledger_sign(a->ledger, 2, err);
    }
    return 0;
}

struct asked {
    struct tc_plan plan;
    struct tc_nodeset signed_for;
    int status;
};

static void ask(const struct tc_handler *handler, struct tc_ledger *ledger, struct tc_call *call, struct asked *out)
{
    static struct tc_nodeset nobody;
    struct tc_error err = {0};
    memset(out, 0, sizeof *out);
    call->traitors = &nobody;
    out->status = handler->call(handler->self, call, &out->plan, &err);
    if (call->kind == TC_CALL_BEGIN && out->status == 0)
        assert_int_equal(tc_ledger_freeze(ledger, &out->plan.traitors, &err), 0);
    out->signed_for = ledger->signed_for;
}

static void ask_message(const struct tc_handler *handler, struct tc_ledger *ledger, uint64_t key, uint32_t occurrence,
                        struct asked *out)
{
    const struct tc_message message = {.from = 0, .to = 1, .key = key, .occurrence = occurrence};
    ask(handler, ledger, &(struct tc_call){.kind = TC_CALL_MESSAGE, .now_ns = 100, .message = &message}, out);
}

static void record(struct tc_tape *tape)
{
    static struct asked answer;
    struct tc_ledger ledger = {.traitors_max = 1};
    struct attack attack = {.ledger = &ledger};
    const struct tc_handler inner = {.self = &attack, .name = "made up", .kinds = 1, .calls = 35, .call = attack_call};
    tc_tape_init(tape);
    const struct tc_handler *handler = tc_tape_record(tape, &inner, &ledger);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    for (uint64_t key = 0; key < 5; key++)
        ask_message(handler, &ledger, key, 0, &answer);
    ask_message(handler, &ledger, 1, 1, &answer);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_TIMER, .now_ns = 150, .token = 77}, &answer);
    assert_int_equal(attack.calls, 8);
}

static void a_tape_gives_all_again(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct asked answer;
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_replay *replay;
    record(&tape);
    assert_int_equal(tape.choice_count, 5); /* drop, replace, partition, drop, heal */
    assert_int_equal(tape.moment_count, 6); /* begin, keys 1, 2, 3, 1 again, timer */
    assert_string_equal(tape.rule, "made up");
    assert_int_equal(tc_tape_choice(&tape, 3)->op->verb, TC_PARTITION);
    assert_int_equal(tc_tape_choice(&tape, 5)->op->verb, TC_HEAL);
    assert_null(tc_tape_choice(&tape, 6));
    assert_int_equal(tc_replay_new(&tape, &replay), 0);
    const struct tc_handler *handler = tc_replay_begin(replay, NULL, &ledger);
    assert_int_equal(handler->calls, 35);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    assert_true(tc_nodeset_has(&answer.plan.traitors, 2));
    assert_int_equal(tc_nodeset_count(&answer.signed_for), 0);
    ask_message(handler, &ledger, 1, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_DROP);
    assert_string_equal(answer.plan.verdict.why, "because");
    ask_message(handler, &ledger, 1, 0, &answer); /* its moment came and went */
    assert_int_equal(answer.plan.verdict.verb, TC_FORWARD);
    ask_message(handler, &ledger, 2, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_REPLACE);
    assert_int_equal(answer.plan.verdict.frames[0].len, 3);
    assert_int_equal(answer.plan.verdict.delay_ns, 5);
    ask_message(handler, &ledger, 3, 0, &answer);
    assert_int_equal(answer.plan.note_count, 1);
    assert_int_equal(answer.plan.timers[0].due_ns, 150);
    assert_true(tc_nodeset_has(&answer.plan.ops[0].blocks[0], 1));
    assert_true(tc_nodeset_has(&answer.signed_for, 2));
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_TIMER, .now_ns = 150, .token = 77}, &answer);
    assert_int_equal(answer.plan.ops[0].verb, TC_HEAL);
    assert_int_equal(tc_replay_wanted(replay), 5);
    assert_int_equal(tc_replay_matched(replay), 4); /* the second occurrence of key 1 never came */
    tc_replay_free(replay);
    tc_tape_free(&tape);
}

/* In another world the keys are others: what has the same role (here: no statement) is taken in order, link by link. */
static void elsewhere_the_role_counts(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct asked answer;
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_replay *replay;
    record(&tape);
    assert_int_equal(tc_replay_new(&tape, &replay), 0);
    const struct tc_handler *handler = tc_replay_begin_elsewhere(replay, NULL, &ledger);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    assert_true(tc_nodeset_has(&answer.signed_for, 2));
    ask_message(handler, &ledger, 1001, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_DROP);
    ask_message(handler, &ledger, 1002, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_REPLACE);
    handler = tc_replay_begin(replay, NULL, &ledger);
    ask_message(handler, &ledger, 1001, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_FORWARD);
    ask_message(handler, &ledger, 2, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_REPLACE);
    tc_replay_free(replay);
    tc_tape_free(&tape);
}

/* With the partition left out, the replacement that is kept may still hold the traitor's signature. */
static void what_is_left_out_is_not_given(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct asked answer;
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_replay *replay;
    bool left_out[5] = {false, false, true, false, false};
    record(&tape);
    assert_int_equal(tc_replay_new(&tape, &replay), 0);
    const struct tc_handler *handler = tc_replay_begin(replay, left_out, &ledger);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    assert_true(tc_nodeset_has(&answer.signed_for, 2));
    ask_message(handler, &ledger, 3, 0, &answer);
    assert_int_equal(answer.plan.op_count, 0);
    assert_int_equal(answer.plan.timer_count, 1);
    left_out[1] = true; /* and without the replacement nothing holds one */
    ledger = (struct tc_ledger){.traitors_max = 1};
    handler = tc_replay_begin(replay, left_out, &ledger);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    assert_int_equal(tc_nodeset_count(&answer.signed_for), 0);
    assert_int_equal(tc_replay_wanted(replay), 3);
    tc_replay_free(replay);
    tc_tape_free(&tape);
}

/* The attack acts on the network, and lies no more. */
static void honest_attacks_forge_nothing(void **state)
{
    (void)state;
    static struct asked answer;
    struct tc_honest honest;
    struct tc_ledger ledger = {.traitors_max = 1};
    struct attack attack = {.ledger = &ledger};
    const struct tc_handler inner = {.self = &attack, .name = "made up", .kinds = 1, .calls = 35, .call = attack_call};
    assert_null(tc_honest_begin(&honest, NULL, &ledger));
    const struct tc_handler *handler = tc_honest_begin(&honest, &inner, &ledger);
    ask(handler, &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    ask_message(handler, &ledger, 1, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_DROP);
    ask_message(handler, &ledger, 2, 0, &answer);
    assert_int_equal(answer.plan.verdict.verb, TC_FORWARD);
    ask_message(handler, &ledger, 3, 0, &answer);
    assert_int_equal(answer.plan.ops[0].verb, TC_PARTITION);
    assert_int_equal(tc_nodeset_count(&answer.signed_for), 0);
}

/* A file may name anybody as signed for: only traitors can be. */
static void foreign_signatures_are_refused(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct asked answer;
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_replay *replay;
    struct tc_tape_item item = {.kind = TC_TAPE_SIGNED};
    record(&tape);
    tc_nodeset_add(&item.nodes, 3);
    assert_int_equal(tc_tape_add(&tape, &item), 0);
    item.moment = 99;
    assert_int_equal(tc_tape_add(&tape, &item), TC_ELIMIT);
    assert_int_equal(tc_replay_new(&tape, &replay), 0);
    ask(tc_replay_begin(replay, NULL, &ledger), &ledger, &(struct tc_call){.kind = TC_CALL_BEGIN}, &answer);
    assert_int_equal(answer.status, TC_EREFUSED);
    tc_replay_free(replay);
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
        cmocka_unit_test(a_tape_gives_all_again),
        cmocka_unit_test(elsewhere_the_role_counts),
        cmocka_unit_test(what_is_left_out_is_not_given),
        cmocka_unit_test(honest_attacks_forge_nothing),
        cmocka_unit_test(foreign_signatures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
