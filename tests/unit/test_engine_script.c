/* The engine and its script: whom a script makes faulty, its errors, timers, reloading, and its bounds, as exact traces
 * of actions. links: tc_engine tc_protocol tc_base */
#include "verdict_fixture.h"

/* ---- traitors, the ledger and F_l ---- */

static int forge_votes(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    if (call->kind != TC_CALL_MESSAGE || call->message->frame.data[2] != 'V')
        return 0;
    plan->verdict.verb = TC_REPLACE;
    plan->verdict.frames[0] = frame_of(f, "V009");
    plan->verdict.frame_count = 1;
    return tc_ledger_sign(&f->ledger, 0, err);
}

static int spoil_votes(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)err;
    if (call->kind != TC_CALL_MESSAGE)
        return 0;
    plan->verdict.verb = TC_REPLACE;
    plan->verdict.frames[0] = frame_of(f, "V009");
    plan->verdict.frame_count = 1;
    return 0;
}

static void test_signing_makes_faulty_before_it_is_heard(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    tc_nodeset_add(&f.traitors, 0);
    f.answer = forge_votes;
    attack_on_link(&f, 0, 0, 1);
    assert_true(f.ledger.frozen);
    receive(&f, 0, "V001");
    expect_trace(&f, "write 1 V009\nfaults s{0} l{0} down{} healed 0 active\nsaid 0>1 V001\n"
                     "heard 0>1 V009 touched\ndecision 1 replace 0>1 x1 V009 bitten\n");
    fixture_end(&f);
}

static int double_votes(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    forge_votes(f, call, plan, err);
    plan->verdict.frames[plan->verdict.frame_count++] = frame_of(f, "V001");
    return 0;
}

/* V0 is signed by 0, a traitor, and passed on by 2, who is correct. A lie is its signer's; unless what 2 passed on
 * comes with it, that is lost on 2's link, as what is spoilt. */
static void test_a_lie_in_a_relayed_message_is_its_signers(void **state)
{
    (void)state;
    static const struct {
        int (*answer)(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);
        enum tc_loss loss;
        const char *during, *after;
    } cases[] = {
        {spoil_votes, TC_LOSS_FINAL, "faults s{} l{1} down{} healed never active\n",
         "phase after\nfaults s{} l{1} down{} healed never\n"},
        {forge_votes, TC_LOSS_FINAL, "faults s{0} l{01} down{} healed never active\n",
         "phase after\nfaults s{0} l{01} down{} healed never\n"},
        {forge_votes, TC_LOSS_RETRANSMITTED, "faults s{0} l{01} down{} healed never active\n",
         "phase after\nfaults s{0} l{0} down{} healed 8\n"},
        {double_votes, TC_LOSS_FINAL, "faults s{0} l{0} down{} healed 0 active\n",
         "phase after\nfaults s{0} l{0} down{} healed 0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        fixture_init(&f);
        f.protocol.loss = cases[i].loss;
        tc_nodeset_add(&f.traitors, 0);
        f.answer = cases[i].answer;
        attack_on_link(&f, 0, 2, 1);
        receive(&f, 0, "V001");
        assert_non_null(strstr(f.trace, cases[i].during));
        forget_trace(&f);
        f.now_ns = 8 * MS;
        enter(&f, TC_RUN_AFTER);
        expect_trace(&f, cases[i].after);
        fixture_end(&f);
    }
}

static int drop_all(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind == TC_CALL_MESSAGE)
        plan->verdict.verb = TC_DROP;
    return 0;
}

static void test_silent_traitor_is_not_a_network_fault(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    tc_nodeset_add(&f.traitors, 0);
    f.answer = drop_all;
    attack_on_link(&f, 0, 0, 1);
    receive(&f, 0, "V001");
    assert_non_null(strstr(f.trace, "faults s{} l{0} down{} healed 0 active\n"));
    fixture_end(&f);
}

static void test_loss_for_good_stays(void **state)
{
    (void)state;
    for (int final = 0; final < 2; final++) {
        struct fixture f;
        fixture_init(&f);
        f.protocol.loss = final ? TC_LOSS_FINAL : TC_LOSS_RETRANSMITTED;
        f.answer = drop_all;
        attack_on_link(&f, 0, 2, 1);
        receive(&f, 0, "V001");
        forget_trace(&f);
        f.now_ns = 8 * MS;
        enter(&f, TC_RUN_AFTER);
        expect_trace(&f, final ? "phase after\nfaults s{} l{1} down{} healed never\n"
                               : "phase after\nfaults s{} l{} down{} healed 8\n");
        fixture_end(&f);
    }
}

/* Not what the protocol says: a client's own timer, and replicas of others that never say a thing twice. The client is
 * heard when it does. */
static void test_who_says_nothing_again(void **state)
{
    (void)state;
    for (int others = 0; others < 2; others++) {
        struct fixture f;
        fixture_init(&f);
        f.cluster.loses_for_good = others;
        f.answer = drop_all;
        attack_on_link(&f, 0, 2, others ? 1 : 128);
        receive(&f, 0, "V001");
        forget_trace(&f);
        f.now_ns = 8 * MS;
        enter(&f, TC_RUN_AFTER);
        assert_null(strstr(f.trace, "l{} down{} healed 8"));
        forget_trace(&f);
        accept_pair(&f, 1, 128, 3);
        dialled(&f, 1);
        receive(&f, 2, "H128");
        receive(&f, 2, "V001");
        assert_true(others == !strstr(f.trace, "l{} down{} healed 8"));
        fixture_end(&f);
    }
}

static int hear_drops(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind == TC_CALL_HEAR)
        plan->verdict.verb = TC_DROP;
    return 0;
}

static void test_hear_filters_traitors_only(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    tc_nodeset_add(&f.traitors, 1);
    f.answer = hear_drops;
    attack_on_link(&f, 0, 0, 1);
    receive(&f, 0, "V001");
    receive(&f, 1, "V101");
    assert_int_equal(f.calls[TC_CALL_HEAR], 1);
    expect_trace(&f, "faults s{} l{1} down{} healed 0 active\nsaid 0>1 V001\ndecision 1 drop 0>1 bitten\n"
                     "write 0 V101\nsaid+heard 1>0 V101\n");
    fixture_end(&f);
}

static void test_too_many_traitors(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    tc_nodeset_add(&f.traitors, 0);
    tc_nodeset_add(&f.traitors, 1);
    fixture_start(&f);
    enter(&f, TC_RUN_DURING);
    assert_non_null(strstr(f.trace, "finish\n"));
    assert_int_equal(tc_engine_error(f.e)->code, TC_EREFUSED);
    fixture_end(&f);
}

/* ---- the script itself ---- */

static int fails(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    if (call->kind != TC_CALL_MESSAGE)
        return 0;
    plan->verdict.verb = TC_DROP;
    return tc_error_set(err, TC_ESCRIPT, "attack.lua:3: boom");
}

static void test_script_error(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.answer = fails;
    attack_on_link(&f, 0, 0, 1);
    receive(&f, 0, "V001|V002");
    expect_trace(&f, "finish\nwrite 1 V001|V002\nsaid+heard 0>1 V001\nsaid+heard 0>1 V002\n"
                     "faults s{} l{} down{} healed 0\n");
    assert_int_equal(f.calls[TC_CALL_MESSAGE], 1);
    assert_int_equal(tc_engine_error(f.e)->code, TC_ESCRIPT);
    assert_string_equal(tc_engine_error(f.e)->text, "attack.lua:3: boom");
    fixture_end(&f);
}

static int timers(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)err;
    if (call->kind == TC_CALL_BEGIN || call->kind == TC_CALL_TIMER) {
        plan->timers[0].due_ns = f->now_ns; /* at once, again and again */
        plan->timers[0].token = call->token + 1;
        plan->timer_count = 1;
        plan->notes[plan->note_count++] = "tick";
    }
    return 0;
}

static void test_timers_let_time_pass(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.answer = timers;
    attack_on_link(&f, 0, 0, 1);
    assert_int_equal(tc_engine_deadline_ns(f.e), 1);
    timer_at(&f, 1);
    expect_trace(&f, "note - - tick\n");
    assert_int_equal(f.last.token, 1);
    timer_at(&f, 2);
    assert_int_equal(f.last.token, 2);
    enter(&f, TC_RUN_AFTER);
    timer_at(&f, 10);
    assert_int_equal(f.calls[TC_CALL_TIMER], 2);
    fixture_end(&f);
}

static void test_view_follows_its_leader(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    match = "none";
    receive(&f, 0, "P331|V001"); /* node 3 leads view 3 */
    assert_int_equal(f.last.view, 3);
    receive(&f, 0, "P250|V001"); /* node 2 does not lead view 5 */
    assert_int_equal(f.last.view, 3);
    receive(&f, 0, "C170|V001"); /* nor does a view change move it */
    assert_int_equal(f.last.view, 3);
    fixture_end(&f);
}

static void test_occurrence(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    match = "none";
    const uint32_t expected[] = {0, 1, 2};
    for (int i = 0; i < 3; i++) {
        receive(&f, 0, "V001");
        assert_int_equal(f.calls[TC_CALL_MESSAGE], (int)(2 * expected[i] + 1));
        receive(&f, 0, "V002");
    }
    match = "V001";
    given = (struct tc_verdict){.verb = TC_DROP};
    struct tc_event event = {.kind = TC_EV_BYTES, .conn = 0, .bytes = frame_of(&f, "V001")};
    struct tc_actions acts;
    assert_int_equal(tc_engine_step(f.e, &event, &acts), 0);
    bool seen = false;
    for (size_t i = 0; i < acts.count; i++)
        if (acts.items[i].kind == TC_ACT_DECISION) {
            assert_int_equal(acts.items[i].decision->occurrence, 3);
            seen = true;
        }
    assert_true(seen);
    fixture_end(&f);
}

static void test_reload(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DELAY, .delay_ns = 5 * MS};
    receive(&f, 0, "P001");
    struct tc_handler other = f.handler;
    char name[] = "other";
    other.name = name;
    step(&f, (struct tc_event){.kind = TC_EV_RELOAD, .handler = &other});
    assert_int_equal(f.calls[TC_CALL_BEGIN], 2);
    struct tc_event event = {.kind = TC_EV_TIMER, .now_ns = 5 * MS};
    struct tc_actions acts;
    assert_int_equal(tc_engine_step(f.e, &event, &acts), 0);
    bool seen = false;
    for (size_t i = 0; i < acts.count; i++)
        if (acts.items[i].kind == TC_ACT_DECISION) {
            assert_string_equal(acts.items[i].decision->rule, "test"); /* who took it, not who is there now */
            seen = true;
        }
    assert_true(seen);
    fixture_end(&f);
}

/* A full schedule never loses a message that may still pass, and says what it could not do. */
static void test_schedule_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.schedule_items_max = 2;
    memset(&given, 0, sizeof given);
    given = (struct tc_verdict){.verb = TC_REORDER, .reorder_window_ns = 10 * MS};
    given_op_count = 0;
    match = "P";
    f.answer = answer;
    attack_on_link(&f, 0, 0, 1);
    receive(&f, 0, "P001|P002|P003");
    assert_non_null(strstr(f.trace, "write 1 P003\n"));
    assert_null(strstr(f.trace, "write 1 P001"));
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signing_makes_faulty_before_it_is_heard),
        cmocka_unit_test(test_a_lie_in_a_relayed_message_is_its_signers),
        cmocka_unit_test(test_silent_traitor_is_not_a_network_fault),
        cmocka_unit_test(test_loss_for_good_stays),
        cmocka_unit_test(test_who_says_nothing_again),
        cmocka_unit_test(test_hear_filters_traitors_only),
        cmocka_unit_test(test_too_many_traitors),
        cmocka_unit_test(test_script_error),
        cmocka_unit_test(test_timers_let_time_pass),
        cmocka_unit_test(test_view_follows_its_leader),
        cmocka_unit_test(test_occurrence),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_schedule_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
