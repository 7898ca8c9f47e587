/* The engine: what a script's verdicts and side actions do, as exact traces of actions.
 * links: tc_engine tc_protocol tc_base */
#include "verdict_fixture.h"

static void test_forward_only_declared_kinds(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.handler.kinds = 1u << TC_KIND_VOTE;
    receive(&f, 0, "V001|P001|V002|zz");
    assert_int_equal(f.calls[TC_CALL_MESSAGE], 2);
    expect_trace(&f, "write 1 V001|P001|V002|zz\nsaid+heard 0>1 V001\nsaid+heard 0>1 P001\nsaid+heard 0>1 V002\n"
                     "said+heard 0>1 zz\n");
    fixture_end(&f);
}

static void test_only_during_the_attack(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(f.calls[TC_CALL_BEGIN], 1);
    receive(&f, 0, "V001");
    assert_int_equal(f.calls[TC_CALL_MESSAGE], 1);
    enter(&f, TC_RUN_AFTER);
    assert_int_equal(f.calls[TC_CALL_END], 1);
    receive(&f, 0, "V002");
    assert_int_equal(f.calls[TC_CALL_MESSAGE], 1);
    assert_int_equal(f.calls[TC_CALL_BEGIN], 1);
    fixture_end(&f);
}

static void test_drop(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DROP, .why = "silent"};
    receive(&f, 0, "V001|P001|V002");
    expect_trace(
        &f,
        "write 1 V001\nwrite 1 V002\nsaid+heard 0>1 V001\nfaults s{} l{0} down{} healed never active\nsaid 0>1 P001\n"
        "decision 1 drop 0>1 bitten because silent\nsaid+heard 0>1 V002\n");
    assert_int_equal(tc_engine_stats(f.e)->asked[TC_DROP], 1);
    assert_int_equal(tc_engine_stats(f.e)->bitten[TC_DROP], 1);
    fixture_end(&f);
}

static void test_delay_is_fifo(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DELAY, .delay_ns = 10 * MS};
    f.now_ns = 1 * MS;
    receive(&f, 0, "V001|P001|V002");
    expect_trace(&f, "write 1 V001\nsaid+heard 0>1 V001\nfaults s{} l{0} down{} healed never active\nsaid 0>1 "
                     "P001\nsaid 0>1 V002\n");
    assert_int_equal(tc_engine_deadline_ns(f.e), 11 * MS);
    f.now_ns = 5 * MS;
    receive(&f, 0, "V003"); /* behind what waits */
    receive(&f, 1, "V100"); /* the other direction does not wait */
    expect_trace(&f, "said 0>1 V003\nwrite 0 V100\nsaid+heard 1>0 V100\n");
    timer_at(&f, 12 * MS);
    expect_trace(&f, "write 1 P001\nwrite 1 V002\nwrite 1 V003\nheard 0>1 P001\n"
                     "decision 1 delay 0>1 asked 10 measured 11 bitten\nheard 0>1 V002\nheard 0>1 V003\n");
    assert_int_equal(tc_engine_deadline_ns(f.e), TC_NEVER_NS);
    receive(&f, 0, "V004");
    expect_trace(&f, "write 1 V004\nsaid+heard 0>1 V004\n");
    fixture_end(&f);
}

static void test_delay_of_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DELAY};
    receive(&f, 0, "P001");
    assert_non_null(strstr(f.trace, "write 1 P001\ndecision 1 delay 0>1\nsaid+heard 0>1 P001\n"));
    assert_int_equal(tc_engine_stats(f.e)->bitten[TC_DELAY], 0);
    fixture_end(&f);
}

static void test_duplicate(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DUPLICATE, .duplicates = 2};
    receive(&f, 0, "P001");
    expect_trace(&f, "write 1 P001\nwrite 1 P001\nwrite 1 P001\nsaid+heard 0>1 P001\nheard 0>1 P001\n"
                     "heard 0>1 P001\ndecision 1 duplicate 0>1 x2 bitten\n");
    fixture_end(&f);
}

static void test_duplicate_spread(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DUPLICATE, .duplicates = 2, .delay_ns = 10 * MS};
    receive(&f, 0, "P001");
    receive(&f, 0, "V001"); /* copies hold up nobody */
    expect_trace(&f, "write 1 P001\nsaid+heard 0>1 P001\nwrite 1 V001\nsaid+heard 0>1 V001\n");
    timer_at(&f, 5 * MS);
    expect_trace(&f, "write 1 P001\nheard 0>1 P001\n");
    timer_at(&f, 10 * MS);
    expect_trace(&f, "write 1 P001\nheard 0>1 P001\ndecision 1 duplicate 0>1 x2 asked 10 measured 10 bitten\n");
    fixture_end(&f);
}

static void test_reorder(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_REORDER, .reorder_window_ns = 10 * MS};
    receive(&f, 0, "P001|V001");
    uint64_t due_ns = tc_engine_deadline_ns(f.e);
    assert_true(due_ns <= 10 * MS);
    forget_trace(&f);
    timer_at(&f, due_ns);
    assert_non_null(strstr(f.trace, "write 1 P001\nheard 0>1 P001\ndecision 1 reorder 0>1"));
    assert_non_null(strstr(f.trace, "bitten"));
    uint64_t spent_ns = f.now_ns;
    receive(&f, 0, "P001"); /* said again: another occurrence, another lot */
    assert_true(tc_engine_deadline_ns(f.e) - spent_ns != due_ns);
    fixture_end(&f);
}

static void test_replace(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_REPLACE, .frame_count = 2};
    given.frames[0] = frame_of(&f, "P009");
    given.frames[1] = frame_of(&f, "V009");
    receive(&f, 0, "V001|P001|V002");
    expect_trace(&f, "write 1 V001\nwrite 1 P009|V009\nwrite 1 V002\nsaid+heard 0>1 V001\nfaults s{} l{0} down{} "
                     "healed never active\nsaid 0>1 P001\n"
                     "heard 0>1 P009 touched\nheard 0>1 V009 touched\n"
                     "decision 1 replace 0>1 x2 P009|V009 bitten\nsaid+heard 0>1 V002\n");
    fixture_end(&f);
}

static void test_replace_by_itself_does_not_bite(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_REPLACE, .frame_count = 1};
    given.frames[0] = frame_of(&f, "P001");
    receive(&f, 0, "P001");
    assert_non_null(strstr(f.trace, "write 1 P001\n"));
    assert_non_null(strstr(f.trace, "said+heard 0>1 P001\n"));
    assert_int_equal(tc_engine_stats(f.e)->bitten[TC_REPLACE], 0);
    fixture_end(&f);
}

static void test_replace_by_nothing_drops(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_REPLACE};
    receive(&f, 0, "P001");
    assert_non_null(strstr(f.trace, "said 0>1 P001\ndecision 1 replace 0>1 bitten\n"));
    assert_null(strstr(f.trace, "write"));
    fixture_end(&f);
}

static void test_replace_late(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_REPLACE, .frame_count = 1, .delay_ns = 3 * MS};
    given.frames[0] = frame_of(&f, "P009");
    receive(&f, 0, "P001");
    memset(f.frames, 0, sizeof f.frames); /* the script's memory is gone by then */
    forget_trace(&f);
    timer_at(&f, 3 * MS);
    expect_trace(&f, "write 1 P009\nheard 0>1 P009 touched\n"
                     "decision 1 replace 0>1 x1 asked 3 measured 3 P009 bitten\n");
    fixture_end(&f);
}

static int hold_and_release(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind != TC_CALL_MESSAGE)
        return 0;
    const char *text = (const char *)call->message->frame.data + 2;
    if (text[0] == 'P') {
        plan->verdict.verb = TC_HOLD;
        plan->verdict.hold_name = text[3] == '1' ? "one" : "two";
    } else if (text[0] == 'Q') {
        plan->ops[plan->op_count++] = (struct tc_op){.verb = TC_RELEASE, .name = text[3] == '1' ? "one" : NULL};
    }
    return 0;
}

static void test_hold_and_release(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.answer = hold_and_release;
    receive(&f, 0, "P001|P002|P001|V001");
    expect_trace(&f, "write 1 V001\nfaults s{} l{0} down{} healed never active\nsaid 0>1 P001\nsaid 0>1 P002\nsaid 0>1 "
                     "P001\nsaid+heard 0>1 V001\n");
    f.now_ns = 4 * MS;
    receive(&f, 0, "Q001");
    expect_trace(&f, "write 1 P001\nwrite 1 P001\nwrite 1 Q001\nheard 0>1 P001\n"
                     "decision 1 hold 0>1 x1 measured 4 bitten\nheard 0>1 P001\n"
                     "decision 3 hold 0>1 x1 measured 4 bitten\ndecision 4 release x2 bitten\n"
                     "said+heard 0>1 Q001\n");
    receive(&f, 0, "Q001"); /* nothing left of that name */
    expect_trace(&f, "write 1 Q001\ndecision 5 release\nsaid+heard 0>1 Q001\n");
    enter(&f, TC_RUN_AFTER); /* what is still held is dropped */
    expect_trace(&f, "phase after\ndecision 2 hold 0>1 x1 bitten\nfaults s{} l{} down{} healed 4\n");
    fixture_end(&f);
}

static void op_on_proposal(struct fixture *f, struct tc_op op)
{
    given_ops[0] = op;
    given_op_count = 1;
    receive(f, 0, "P001");
}

static void test_send(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    op_on_proposal(&f, (struct tc_op){.verb = TC_SEND, .from = 1, .to = 0, .frame = frame_of(&f, "V109")});
    expect_trace(&f, "write 0 V109\nwrite 1 P001\nheard 1>0 V109 touched\n"
                     "decision 1 send 1>0 x1 V109 bitten\nsaid+heard 0>1 P001\n");
    op_on_proposal(&f, (struct tc_op){.verb = TC_SEND, .from = 2, .to = 3, .frame = frame_of(&f, "V209")});
    expect_trace(&f, "write 1 P001\ndecision 2 send 2>3 V209\n"
                     "note 2 3 send: the link has no live connection that could carry it\nsaid+heard 0>1 P001\n");
    fixture_end(&f);
}

static void test_sever_and_heal(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    accept_pair(&f, 1, 2, 1);
    dialled(&f, 1);
    forget_trace(&f);
    op_on_proposal(&f, (struct tc_op){.verb = TC_SEVER, .from = 1, .to = 0});
    /* The message in hand dies with its connection. */
    expect_trace(&f, "close 0 reset\nclose 1 reset\nlink_down 0 1\ndecision 1 sever 1>0 x1 bitten\n"
                     "said 0>1 P001\nfaults s{} l{0} down{} healed never active\n");
    accept_pair(&f, 0, 0, 1);
    expect_trace(&f, "close 0 reset\n");
    f.now_ns = 9 * MS;
    match = "V";
    given_ops[0] = (struct tc_op){.verb = TC_HEAL};
    receive(&f, 2, "H200|V201");
    expect_trace(&f, "write 3 H200|V201\nsaid+heard 2>1 H200\ndecision 2 heal bitten\nsaid+heard 2>1 V201\n"
                     "faults s{} l{} down{} healed 9 active\n");
    accept_pair(&f, 0, 0, 1);
    expect_trace(&f, "dial 1 to 1\n");
    fixture_end(&f);
}

static void test_partition_waits_for_a_bite(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct tc_op op = {.verb = TC_PARTITION, .block_count = 1};
    tc_nodeset_add(&op.blocks[0], 3);
    op_on_proposal(&f, op); /* 3 | 0 1 2: no connection of 3 is there yet */
    expect_trace(&f, "write 1 P001\nsaid+heard 0>1 P001\nfaults s{} l{3} down{} healed never active\n");
    accept_pair(&f, 1, TC_CLIENT_FIRST, 3); /* clients are in no block */
    expect_trace(&f, "dial 3 to 3\n");
    accept_pair(&f, 2, 2, 3);
    expect_trace(&f, "close 4 reset\ndecision 1 partition x3 bitten\n");
    accept_pair(&f, 4, TC_NODE_NONE, 3); /* named by its hello, then refused */
    dialled(&f, 4);
    forget_trace(&f);
    receive(&f, 8, "H100|V100");
    expect_trace(&f, "close 8 reset\nclose 9 reset\n");
    f.now_ns = 3 * MS;
    enter(&f, TC_RUN_AFTER); /* the end of the attack heals */
    expect_trace(&f, "phase after\nfaults s{} l{} down{} healed 3\n");
    accept_pair(&f, 2, 2, 3);
    expect_trace(&f, "dial 5 to 3\n");
    fixture_end(&f);
}

static void test_kill_and_wipe(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.now_ns = 1 * MS;
    op_on_proposal(&f, (struct tc_op){.verb = TC_KILL, .from = TC_NODE_NONE, .to = TC_NODE_NONE, .node = 2});
    expect_trace(&f, "node 2 kill\nwrite 1 P001\nsaid+heard 0>1 P001\n");
    f.now_ns = 2 * MS;
    step(&f, (struct tc_event){.kind = TC_EV_NODE_EXIT, .node = 2, .incarnation = 1, .status = -9});
    expect_trace(&f, "node_exit 2 -9 asked\ndecision 1 kill node 2 measured 1 bitten\n"
                     "faults s{} l{2} down{2} healed never active\n");
    op_on_proposal(&f, (struct tc_op){.verb = TC_WIPE, .node = 2});
    expect_trace(&f, "node 2 wipe\nwrite 1 P001\ndecision 2 wipe node 2 bitten\nsaid+heard 0>1 P001\n"
                     "faults s{2} l{2} down{2} healed never active\n");
    f.now_ns = 5 * MS;
    enter(&f, TC_RUN_AFTER); /* killed processes come back at the end of the attack */
    expect_trace(&f, "node 2 restart\nphase after\nfaults s{2} l{2} down{2} healed never\n");
    f.now_ns = 6 * MS;
    step(&f, (struct tc_event){.kind = TC_EV_NODE_UP, .node = 2, .incarnation = 2});
    expect_trace(&f, "node_up 2 -\nfaults s{2} l{2} down{} healed 6\n");
    fixture_end(&f);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    op_on_proposal(&f, (struct tc_op){.verb = TC_PAUSE, .node = 3});
    expect_trace(&f, "node 3 pause\nwrite 1 P001\ndecision 1 pause node 3 bitten\nsaid+heard 0>1 P001\n"
                     "faults s{} l{3} down{3} healed never active\n");
    op_on_proposal(&f, (struct tc_op){.verb = TC_PAUSE, .node = 3}); /* it is already */
    assert_int_equal(tc_engine_stats(f.e)->bitten[TC_PAUSE], 1);
    forget_trace(&f);
    f.now_ns = 2 * MS;
    op_on_proposal(&f, (struct tc_op){.verb = TC_RESUME, .node = 3});
    expect_trace(&f, "node 3 resume\nwrite 1 P001\ndecision 3 resume node 3 bitten\nsaid+heard 0>1 P001\n"
                     "faults s{} l{} down{} healed 2 active\n");
    op_on_proposal(&f, (struct tc_op){.verb = TC_KILL, .node = 999}); /* no such node: said, not done */
    assert_non_null(strstr(f.trace, "there is no such node"));
    fixture_end(&f);
}

static void test_reset_drops_what_waits(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DELAY, .delay_ns = 10 * MS};
    receive(&f, 0, "P001|V001");
    forget_trace(&f);
    closed(&f, 0, true);
    expect_trace(&f, "close 1 reset\ndecision 1 delay 0>1 asked 10\nlink_down 0 1\n");
    assert_int_equal(tc_engine_deadline_ns(f.e), TC_NEVER_NS);
    fixture_end(&f);
}

static void test_fin_waits_for_what_is_delayed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DELAY, .delay_ns = 10 * MS};
    receive(&f, 0, "P001");
    forget_trace(&f);
    closed(&f, 0, false);
    expect_trace(&f, "");
    timer_at(&f, 10 * MS);
    expect_trace(&f, "write 1 P001\nclose 1\nheard 0>1 P001\ndecision 1 delay 0>1 asked 10 measured 10 bitten\n");
    fixture_end(&f);
}

static void test_stop_resolves_everything(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    given = (struct tc_verdict){.verb = TC_DELAY, .delay_ns = 10 * MS};
    receive(&f, 0, "P001");
    given = (struct tc_verdict){.verb = TC_HOLD, .hold_name = "x"};
    receive(&f, 0, "P002");
    op_on_proposal(&f, (struct tc_op){.verb = TC_KILL, .node = 2});
    forget_trace(&f);
    f.now_ns = 4 * MS;
    step(&f, (struct tc_event){.kind = TC_EV_STOP});
    expect_trace(&f, "decision 2 hold 0>1 x1 bitten\ndecision 4 hold 0>1 x1 bitten\n"
                     "decision 1 delay 0>1 asked 10 bitten\ndecision 3 kill node 2\n"
                     "faults s{} l{0} down{} healed never\n"); /* stopping is not healing */
    receive(&f, 0, "P003");
    timer_at(&f, 20 * MS);
    expect_trace(&f, "");
    step(&f, (struct tc_event){.kind = TC_EV_NODE_EXIT, .node = 1, .incarnation = 1});
    assert_non_null(strstr(f.trace, "node_exit 1 0 asked\n"));
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward_only_declared_kinds),
        cmocka_unit_test(test_only_during_the_attack),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_delay_is_fifo),
        cmocka_unit_test(test_delay_of_nothing),
        cmocka_unit_test(test_duplicate),
        cmocka_unit_test(test_duplicate_spread),
        cmocka_unit_test(test_reorder),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_replace_by_itself_does_not_bite),
        cmocka_unit_test(test_replace_by_nothing_drops),
        cmocka_unit_test(test_replace_late),
        cmocka_unit_test(test_hold_and_release),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_sever_and_heal),
        cmocka_unit_test(test_partition_waits_for_a_bite),
        cmocka_unit_test(test_kill_and_wipe),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_reset_drops_what_waits),
        cmocka_unit_test(test_fin_waits_for_what_is_delayed),
        cmocka_unit_test(test_stop_resolves_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
