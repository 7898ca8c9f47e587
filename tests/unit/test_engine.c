/* The engine without a script that does anything: connections, names, facts. test_engine_bytes.c has the bytes.
 * links: tc_engine tc_protocol tc_base */
#include "engine_fixture.h"

static void test_dial_and_pass(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    fixture_start(&f);
    accept_pair(&f, 0, 1, 2);
    expect_trace(&f, "dial 1 to 2\n");
    receive(&f, 0, "H100|V101");
    expect_trace(&f, ""); /* not dialled yet: nothing is said before it can be passed on */
    dialled(&f, 0);
    expect_trace(&f, "write 1 H100|V101\nlink_up 1 2\nsaid+heard 1>2 H100\nsaid+heard 1>2 V101\n");
    receive(&f, 1, "V202");
    expect_trace(&f, "write 0 V202\nsaid+heard 2>1 V202\n");
    fixture_end(&f);
}

static void test_dial_failed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    accept_pair(&f, 3, 1, 2);
    receive(&f, 6, "H100");
    forget_trace(&f);
    step(&f, (struct tc_event){.kind = TC_EV_DIAL_FAILED, .conn = 7});
    expect_trace(&f, "close 6 reset\n");
    receive(&f, 6, "V100"); /* what the world still had in hand */
    expect_trace(&f, "");
    accept_pair(&f, 3, 2, 3); /* the number is free again */
    dialled(&f, 3);
    expect_trace(&f, "dial 7 to 3\nlink_up 2 3\n");
    fixture_end(&f);
}

/* Where nobody tells of processes, a node that takes no connection and has none is down until it takes one. */
static void test_who_takes_no_connection_is_down(void **state)
{
    (void)state;
    for (int untold = 0; untold < 2; untold++) {
        struct fixture f;
        fixture_init(&f);
        f.config.nodes_untold = untold;
        fixture_start(&f);
        accept_pair(&f, 3, 1, 2);
        forget_trace(&f);
        step(&f, (struct tc_event){.kind = TC_EV_DIAL_FAILED, .conn = 7});
        assert_int_equal(tc_nodeset_has(&tc_engine_faults(f.e)->down, 2), untold);
        assert_int_equal(tc_nodeset_has(&tc_engine_faults(f.e)->liveness, 2), untold);
        accept_pair(&f, 3, 1, 2);
        dialled(&f, 3);
        assert_false(tc_nodeset_has(&tc_engine_faults(f.e)->liveness, 2));
        accept_pair(&f, 4, 3, 2);
        step(&f, (struct tc_event){.kind = TC_EV_DIAL_FAILED, .conn = 9}); /* one more than it takes */
        assert_false(tc_nodeset_has(&tc_engine_faults(f.e)->liveness, 2));
        fixture_end(&f);
    }
}

/* That we had no descriptor left says nothing about the node. */
static void test_what_we_cannot_dial_is_not_down(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.nodes_untold = true;
    fixture_start(&f);
    accept_pair(&f, 3, 1, 2);
    forget_trace(&f);
    step(&f, (struct tc_event){.kind = TC_EV_DIAL_FAILED, .conn = 7, .ours = true, .text = "Too many open files"});
    assert_non_null(strstr(f.trace, "close 6 reset\n"));
    assert_non_null(strstr(f.trace, "no connection to replica 2 could be opened from here: Too many open files"));
    assert_false(tc_nodeset_has(&tc_engine_faults(f.e)->down, 2));
    assert_false(tc_nodeset_has(&tc_engine_faults(f.e)->liveness, 2));
    fixture_end(&f);
}

static void test_half_close(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    begin_linked(&f, "H100");
    closed(&f, 0, false);
    expect_trace(&f, "close 1\n");
    receive(&f, 1, "V200"); /* the other direction goes on */
    expect_trace(&f, "write 0 V200\nsaid+heard 2>1 V200\n");
    closed(&f, 1, false);
    expect_trace(&f, "close 0\nlink_down 1 2\n");
    accept_pair(&f, 0, 3, 1);
    expect_trace(&f, "dial 1 to 1\n");
    fixture_end(&f);
}

static void test_fin_before_dialled(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    accept_pair(&f, 0, 1, 2);
    receive(&f, 0, "H100|~\001");
    closed(&f, 0, false);
    forget_trace(&f);
    dialled(&f, 0);
    /* Half a frame at the end is passed on as it came, then FIN. */
    expect_trace(&f, "write 1 H100\nwrite 1 ~1\nclose 1\nlink_up 1 2\nsaid+heard 1>2 H100\n");
    fixture_end(&f);
}

static void test_reset(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    begin_linked(&f, NULL);
    closed(&f, 1, true);
    expect_trace(&f, "close 0 reset\nlink_down 1 2\n");
    closed(&f, 0, true);
    expect_trace(&f, "");
    fixture_end(&f);
}

static void test_hello_names(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    fixture_start(&f);
    accept_pair(&f, 0, TC_NODE_NONE, 2);
    dialled(&f, 0);
    expect_trace(&f, "dial 1 to 2\n"); /* up only once it has a name */
    receive(&f, 0, "H300|V301");
    expect_trace(&f, "write 1 H300|V301\nlink_up 3 2\nsaid+heard 3>2 H300\nsaid+heard 3>2 V301\n");
    receive(&f, 1, "V200");
    expect_trace(&f, "write 0 V200\nsaid+heard 2>3 V200\n");
    fixture_end(&f);
}

static void test_facts(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    enter(&f, TC_RUN_DURING);
    forget_trace(&f);
    step(&f, (struct tc_event){.kind = TC_EV_NODE_UP, .node = 1, .incarnation = 1});
    f.now_ns = 5 * MS;
    step(&f, (struct tc_event){.kind = TC_EV_NODE_EXIT, .node = 1, .incarnation = 1, .status = -11});
    f.now_ns = 7 * MS;
    step(&f, (struct tc_event){.kind = TC_EV_NODE_UP, .node = 1, .incarnation = 2});
    expect_trace(&f, "node_up 1 -\n"
                     "node_exit 1 -11\nfaults s{} l{1} down{1} healed never active\n"
                     "node_up 1 -\nfaults s{} l{} down{} healed 7 active\n");
    struct tc_observation executed = {.kind = TC_OBS_EXECUTED, .node = 2, .text = ""};
    executed.executed.sequence = 4;
    for (int i = 0; i < 3; i++) /* the first report of a sequence number is the decision */
        step(&f, (struct tc_event){.kind = TC_EV_OBSERVED, .observation = &executed});
    assert_int_equal(f.calls[TC_CALL_DECIDE], 1);
    struct tc_observation view = {.kind = TC_OBS_VIEW, .node = 2, .text = "x"};
    step(&f, (struct tc_event){.kind = TC_EV_OBSERVED, .observation = &view});
    assert_int_equal(f.calls[TC_CALL_VIEW], 0);
    view.view.active = true;
    step(&f, (struct tc_event){.kind = TC_EV_OBSERVED, .observation = &view});
    assert_int_equal(f.calls[TC_CALL_VIEW], 1);
    fixture_end(&f);
}

static void test_verify_all(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    f.config.verify_all = true;
    begin_linked(&f, "H100");
    receive(&f, 0, "V301");
    expect_trace(&f, "write 1 V301\nsaid+heard 1>2 V301\nverify 20003\n");
    step(&f, (struct tc_event){.kind = TC_EV_VERIFIED, .token = 0x20003, .ok = true});
    expect_trace(&f, "");
    step(&f, (struct tc_event){.kind = TC_EV_VERIFIED, .token = 0x20003, .ok = false});
    expect_trace(&f, "complaint 3 - a signature seen on the wire does not verify\n");
    fixture_end(&f);
}

static void test_observation_ids_rise(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    fixture_start(&f);
    uint64_t last = 0;
    for (uint32_t pair = 0; pair < 300; pair++) {
        struct tc_event event = {.kind = TC_EV_ACCEPTED, .conn = TC_CONN_NEAR(pair), .from = 1, .to = 2};
        struct tc_actions acts;
        assert_int_equal(tc_engine_step(f.e, &event, &acts), 0);
        event = (struct tc_event){.kind = TC_EV_DIALLED, .conn = TC_CONN_FAR(pair)};
        assert_int_equal(tc_engine_step(f.e, &event, &acts), 0);
        assert_int_equal(acts.count, 1);
        assert_true(acts.items[0].observation->id == last + 1);
        last = acts.items[0].observation->id;
    }
    fixture_end(&f);
}

static int delay_all(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind == TC_CALL_MESSAGE)
        plan->verdict = (struct tc_verdict){.verb = TC_DELAY, .delay_ns = 5 * MS};
    return 0;
}

/* What is done to the world comes before the facts, however much of it one step has. */
static void test_many_writes_before_their_facts(void **state)
{
    static const uint32_t counts[] = {1, 15, 16, 17, 40, 200};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct fixture f;
        struct tc_actions acts;
        fixture_init(&f);
        f.answer = delay_all;
        f.quiet = true;
        fixture_start(&f);
        step(&f, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_DURING});
        for (uint32_t pair = 0; pair < counts[i]; pair++) {
            accept_pair(&f, pair, 1, 2);
            dialled(&f, pair);
            receive(&f, TC_CONN_NEAR(pair), "V101");
        }
        const struct tc_event timer = {.kind = TC_EV_TIMER, .now_ns = f.now_ns + 5 * MS};
        assert_int_equal(tc_engine_step(f.e, &timer, &acts), 0);
        assert_int_equal(acts.count, 3 * counts[i]); /* written, heard, decided */
        for (uint32_t at = 0; at < acts.count; at++) {
            const struct tc_action *action = &acts.items[at];
            assert_int_equal(action->kind == TC_ACT_WRITE, at < counts[i]);
            assert_true(action->kind != TC_ACT_WRITE || action->conn == TC_CONN_FAR(at));
            assert_true(action->kind != TC_ACT_OBSERVE ||
                        (action->observation->kind == TC_OBS_MESSAGE && !action->observation->message.said &&
                         action->observation->message.heard && !action->observation->text[0]));
        }
        fixture_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dial_and_pass),
        cmocka_unit_test(test_dial_failed),
        cmocka_unit_test(test_who_takes_no_connection_is_down),
        cmocka_unit_test(test_what_we_cannot_dial_is_not_down),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_fin_before_dialled),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_hello_names),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_verify_all),
        cmocka_unit_test(test_observation_ids_rise),
        cmocka_unit_test(test_many_writes_before_their_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
