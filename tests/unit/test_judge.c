/* The judge: blame by F_s, F_l and f; the run's status, exit code and sentence. */
#include "../../proxy/nodeset.h"
#include "judge_fixture.h"

static void agree(struct bench *b, uint64_t sequence)
{
    for (uint16_t i = 0; i < b->cluster.n; i++)
        bench_execute(b, i, 0, sequence, 'a');
}

static void equivocate(struct bench *b, uint16_t signer)
{
    struct toy s = {.type = TOY_PROPOSE, .sequence = 77, .value = 'a', .signer = signer};
    bench_message(b, signer, 1, &s, 1);
    s.value = 'b';
    bench_message_as(b, signer, 2, &s, 1, false, true, true);
}

static void a_healthy_run_holds(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_HOLDS);
    assert_int_equal(s.exit_code, 0);
    assert_true(s.as_expected);
    assert_null(s.first);
    assert_non_null(strstr(s.sentence, "oracles hold, signed for 0 of 1 allowed"));
}

/* Three replicas and f = 1, as somebody may well write: one traitor is one more than they bear. */
static void a_breach_of_too_few_replicas_is_expected(void **state)
{
    (void)state;
    struct bench b;
    bench_open_config(&b, 3, 1, NULL, config_with(TC_EXPECTED, -1, true));
    bench_traitor(&b, 0);
    load(&b);
    fork_log(&b, 1, 2, 4);
    const struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_EXPECTED);
    assert_non_null(strstr(s.sentence, "with 1 traitor of 0 allowed: 3 replicas bear 0, for n ≥ 3f+1"));
    bench_open_config(&b, 3, 1, NULL, config_with(TC_EXPECTED, -1, true)); /* without one it is the code's */
    load(&b);
    fork_log(&b, 1, 2, 4);
    assert_int_equal(finish(&b, 0).status, TC_VIOLATED);
}

static void a_breach_within_f_is_a_violation(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, true), 1);
    fork_log(&b, 1, 2, 4);
    assert_int_equal(tc_judge_violations(b.judge), 1);
    const struct tc_verdict_summary s = summarize(&b, 0);
    assert_int_equal(s.status, TC_VIOLATED);
    assert_int_equal(s.exit_code, 1);
    assert_string_equal(s.first->oracle, "agreement");
    assert_string_equal(s.sentence, "VIOLATED agreement, with 1 traitor of 1 allowed: sequence 4: replica 1 executed "
                                    "6161…61, replica 2 executed 6262…62");
    bench_close(&b);
}

static void a_breach_beyond_f_is_expected(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_EXPECTED, -1, true), 2);
    fork_log(&b, 1, 2, 4);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_EXPECTED);
    assert_int_equal(s.exit_code, 0);
    assert_non_null(strstr(s.sentence, "agreement breached as expected, with 2 traitors of 1 allowed"));
    assert_non_null(strstr(s.sentence, "n ≥ 3f+1"));
}

/* Theory allows it, but the scenario said that it holds: it fails, and says why in its own words. */
static void a_breach_beyond_f_that_nobody_expected_fails(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, true), 2);
    fork_log(&b, 1, 2, 4);
    const struct tc_verdict_summary s = summarize(&b, 0);
    assert_int_equal(s.status, TC_EXPECTED);
    assert_int_equal(s.exit_code, 1);
    assert_non_null(strstr(s.sentence, "agreement breached beyond f, with 2 traitors of 1 allowed, which theory allows "
                                       "and this scenario did not expect: 4 replicas bear 1"));
    bench_close(&b);
}

static void three_generals_have_no_f_to_spare(void **state)
{
    (void)state;
    struct bench b;
    bench_open_config(&b, 3, 0, NULL, config_with(TC_EXPECTED, -1, true));
    bench_traitor(&b, 0);
    load(&b);
    fork_log(&b, 1, 2, 4);
    assert_int_equal(finish(&b, 0).exit_code, 0);
    bench_open_config(&b, 3, 0, NULL, config_with(TC_EXPECTED, -1, true));
    bench_traitor(&b, 0);
    load(&b);
    agree(&b, 4);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_HOLDS);
    assert_int_equal(s.exit_code, 3); /* an expected breach that does not come */
    assert_non_null(strstr(s.sentence, "the breach that was expected did not come"));
}

static void an_unexpected_breach_beyond_f_is_no_pass(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, true), 2);
    fork_log(&b, 1, 2, 4);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_EXPECTED);
    assert_int_equal(s.exit_code, 1);
}

static void traitorous_clients_are_no_part_of_f(void **state)
{
    (void)state;
    struct bench b;
    bench_open_config(&b, 4, 1, NULL, config_with(TC_HOLDS, -1, true));
    bench_traitor(&b, 128);
    bench_traitor(&b, 129);
    bench_traitor(&b, 0);
    load(&b);
    fork_log(&b, 1, 2, 4);
    assert_int_equal(finish(&b, 0).status, TC_VIOLATED);
}

static void faults_bind_as_they_stood_then(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, true), 1);
    fork_log(&b, 1, 2, 4); /* with one traitor */
    bench_traitor(&b, 3);  /* the second one comes later */
    assert_int_equal(finish(&b, 0).status, TC_VIOLATED);
}

static void a_wanted_violation_passes(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_VIOLATED, -1, false), 0);
    fork_log(&b, 1, 2, 4);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_VIOLATED);
    assert_int_equal(s.exit_code, 0);
}

static void evidence_that_is_expected_must_come(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, 1, true), 1);
    struct tc_verdict_summary s = finish(&b, 0);
    assert_int_equal(s.status, TC_HOLDS);
    assert_int_equal(s.exit_code, 3);
    assert_non_null(strstr(s.sentence, "no detector caught the traitor"));
    open_loaded(&b, config_with(TC_HOLDS, 1, true), 1);
    equivocate(&b, 0);
    s = finish(&b, 0);
    assert_int_equal(s.exit_code, 0);
    assert_non_null(strstr(s.sentence, "replica 0 caught"));
}

static void a_detector_that_names_a_correct_replica_violates(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, 1, true), 1);
    for (uint64_t i = 0; i < TC_FINDINGS_MAX + 5; i++) { /* more than are kept, all of them right */
        struct toy s = {.type = TOY_PROPOSE, .sequence = 100 + i, .value = 'a', .signer = 0};
        bench_message(&b, 0, 1, &s, 1);
        s.value = 'b';
        bench_message_as(&b, 0, 2, &s, 1, false, true, true);
    }
    equivocate(&b, 3); /* then one that names a correct one */
    const struct tc_verdict_summary s = summarize(&b, 0);
    assert_int_equal(s.status, TC_VIOLATED);
    assert_string_equal(s.first->oracle, "equivocation");
    assert_true(tc_nodeset_has(&s.first->suspects, 3));
    bench_close(&b);
}

static void the_earliest_violation_decides(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    struct tc_observation o = {.kind = TC_OBS_NODE_EXIT, .node = 3};
    o.exit.status = -6;
    bench_observe(&b, o);
    fork_log(&b, 1, 2, 4);
    const struct tc_verdict_summary s = summarize(&b, 0);
    assert_string_equal(s.first->oracle, "crashes");
    bench_close(&b);
}

/* A client that lies, or does not, where an answer is missing and the breach is expected. */
static struct tc_verdict_summary lying_client(enum tc_authentication authentication, bool lies)
{
    struct bench b;
    bench_open_config(&b, 4, 1, NULL, (struct tc_judge_config){.has_executions = true, .expect = TC_EXPECTED});
    b.cluster.request_authentication = authentication;
    if (lies)
        bench_traitor(&b, TC_CLIENT_FIRST);
    return finish(&b, 1);
}

/* Number 13 of the zoo: a client that lies to a cluster whose requests bear MACs. */
static void a_known_weakness_is_expected(void **state)
{
    (void)state;
    assert_int_equal(lying_client(TC_AUTH_MAC, false).status, TC_THRESHOLD); /* nothing was done: it explains nothing */
    const struct tc_verdict_summary s = lying_client(TC_AUTH_MAC, true);
    assert_int_equal(s.status, TC_EXPECTED);
    assert_int_equal(s.exit_code, 0);
    assert_non_null(strstr(s.sentence, "MACs"));
    assert_int_equal(lying_client(TC_AUTH_SIGNATURE, true).status, TC_THRESHOLD); /* signed: no such excuse */
}

static void thresholds_give_two(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    struct tc_verdict_summary s = finish(&b, 2);
    assert_int_equal(s.status, TC_THRESHOLD);
    assert_int_equal(s.exit_code, 2);
    assert_string_equal(s.sentence, "2 thresholds missed");
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    fork_log(&b, 1, 2, 4);
    assert_int_equal(finish(&b, 2).exit_code, 1); /* a violation weighs more */
}

static void a_tie_is_broken_by_what_was_observed_first(void **state)
{
    (void)state;
    struct bench b;
    open_loaded(&b, config_with(TC_HOLDS, -1, false), 0);
    struct tc_observation o = {.kind = TC_OBS_NODE_EXIT, .node = 3, .time_ns = b.now_ns, .text = ""};
    o.exit.status = -6;
    tc_judge_observe(b.judge, &o); /* crashes stands behind agreement in the table, and came first */
    for (uint16_t node = 1; node <= 2; node++) {
        o = (struct tc_observation){.kind = TC_OBS_EXECUTED, .node = node, .time_ns = b.now_ns, .text = ""};
        o.executed.sequence = 4;
        o.executed.value = toy_value(node == 1 ? 'a' : 'b');
        tc_judge_observe(b.judge, &o);
    }
    const struct tc_verdict_summary s = summarize(&b, 0);
    assert_string_equal(s.first->oracle, "crashes");
    assert_int_equal(tc_judge_violations(b.judge), 2);
    bench_close(&b);
}

static void findings_are_bounded_and_counted(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, "agreement");
    for (uint64_t sequence = 1; sequence <= 100; sequence++)
        fork_log(&b, 1, 2, sequence);
    assert_int_equal(tc_judge_violations(b.judge), 100);
    const struct tc_judgement *j = bench_finish(&b, "agreement");
    assert_int_equal(j->finding_count, TC_FINDINGS_MAX);
    assert_int_equal(j->finding_total, 100);
    assert_int_equal(j->findings[0].sequence, 1);
    assert_int_equal(j->findings[0].evidence_count, 2); /* no votes were seen */
    assert_string_equal(j->findings[0].because, "");
    bench_close(&b);
}

static void names_of_statuses(void **state)
{
    (void)state;
    assert_string_equal(tc_status_name(TC_HOLDS), "holds");
    assert_string_equal(tc_status_name(TC_CAUGHT), "caught");
    assert_string_equal(tc_status_name(TC_NOT_JUDGED), "not judged");
    assert_string_equal(tc_status_name(TC_VIOLATED), "violated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_run_holds),
        cmocka_unit_test(a_breach_of_too_few_replicas_is_expected),
        cmocka_unit_test(a_breach_within_f_is_a_violation),
        cmocka_unit_test(a_breach_beyond_f_is_expected),
        cmocka_unit_test(a_breach_beyond_f_that_nobody_expected_fails),
        cmocka_unit_test(three_generals_have_no_f_to_spare),
        cmocka_unit_test(an_unexpected_breach_beyond_f_is_no_pass),
        cmocka_unit_test(traitorous_clients_are_no_part_of_f),
        cmocka_unit_test(faults_bind_as_they_stood_then),
        cmocka_unit_test(a_wanted_violation_passes),
        cmocka_unit_test(evidence_that_is_expected_must_come),
        cmocka_unit_test(a_detector_that_names_a_correct_replica_violates),
        cmocka_unit_test(the_earliest_violation_decides),
        cmocka_unit_test(a_known_weakness_is_expected),
        cmocka_unit_test(thresholds_give_two),
        cmocka_unit_test(a_tie_is_broken_by_what_was_observed_first),
        cmocka_unit_test(findings_are_bounded_and_counted),
        cmocka_unit_test(names_of_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
