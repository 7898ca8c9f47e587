/* Tapes: what is recorded is given again, once, at its moment.
 * links: tc_engine tc_protocol tc_base */
#include "../../injectors/replay.h"
#include "../../proxy/nodeset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    bool left_out[5] = {false};
    uint32_t unmatched = 0;
    tc_replay_leave_unmatched(replay, left_out);
    for (uint32_t i = 0; i < 5; i++)
        unmatched += left_out[i];
    assert_int_equal(unmatched, 1);
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
        cmocka_unit_test(a_tape_gives_all_again),         cmocka_unit_test(elsewhere_the_role_counts),
        cmocka_unit_test(what_is_left_out_is_not_given),  cmocka_unit_test(honest_attacks_forge_nothing),
        cmocka_unit_test(foreign_signatures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
