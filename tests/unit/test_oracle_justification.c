/* O21: who is asked, who is trusted, whose breaches count. The rules themselves are the protocol's and tested there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

#define NAME "justification"

/* A justifier that finds a breach in every prepare and in executing 'q', and notes what it was told. */
static struct {
    tc_breach_fn *sink;
    void *self;
    unsigned said, heard, trusted, observed;
    uint64_t judged, unjudged, late; /* to be told; 0: 12003, 4 and none */
    uint8_t support[512];
    struct tc_slice slice;
} told;

static struct tc_justifier *fake_create(const struct tc_protocol_env *env, tc_breach_fn *sink, void *self)
{
    (void)env;
    memset(&told, 0, sizeof told);
    told.sink = sink;
    told.self = self;
    return (struct tc_justifier *)(void *)&told;
}

static void fake_said(struct tc_justifier *j, uint16_t replica, const struct tc_message *m)
{
    (void)j;
    told.said++;
    assert_int_equal(replica, m->from);
    if (m->statements[0].kind == TC_KIND_VIEW_CHANGE) { /* it names no sequence number: the claim is about one */
        const struct tc_breach breach = {.replica = replica,
                                         .rule = "omits",
                                         .text = "replica 1 leaves out what it committed",
                                         .message = m,
                                         .statement = &m->statements[0],
                                         .view = 2,
                                         .sequence = 7};
        told.sink(told.self, &breach);
    }
    if (m->statements[0].kind != TC_KIND_VOTE)
        return;
    memcpy(told.support, m->frame.data, m->frame.len);
    told.slice = (struct tc_slice){.data = told.support, .len = m->frame.len};
    struct tc_breach breach = {.replica = replica,
                               .rule = "prepare-without-proposal",
                               .section = "toy 1",
                               .text = "replica 1 prepared what nobody proposed",
                               .message = m,
                               .statement = &m->statements[0],
                               .support = &told.slice,
                               .support_count = 1};
    told.sink(told.self, &breach);
}

static void fake_heard(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted)
{
    (void)j;
    told.heard++;
    told.trusted += trusted;
    assert_int_equal(replica, m->to);
}

static void fake_observed(struct tc_justifier *j, const struct tc_observation *observation)
{
    (void)j;
    told.observed++;
    if (observation->kind != TC_OBS_EXECUTED || observation->executed.value.bytes[0] != 'q')
        return;
    struct tc_breach breach = {
        .replica = observation->node, .rule = "execute", .text = "replica 2 executed what nobody proposed"};
    told.sink(told.self, &breach);
}

static void fake_counts(const struct tc_justifier *j, uint64_t *judged, uint64_t *unjudged, uint64_t *late)
{
    (void)j;
    *judged = told.judged ? told.judged : 12003;
    *unjudged = told.unjudged ? told.unjudged : 4;
    *late = told.late;
}

static void fake_destroy(struct tc_justifier *j)
{
    (void)j;
}

static const struct tc_justifier_ops fake = {.create = fake_create,
                                             .said = fake_said,
                                             .heard = fake_heard,
                                             .observed = fake_observed,
                                             .counts = fake_counts,
                                             .destroy = fake_destroy};

static struct tc_protocol fake_protocol;
static const struct toy prepare = {.type = TOY_PREPARE, .view = 2, .sequence = 7, .value = 'a', .signer = 1};
static const struct toy proposal = {.type = TOY_PROPOSE, .view = 2, .sequence = 7, .value = 'a', .signer = 2};

static void open_fake(struct bench *b)
{
    fake_protocol = toy_protocol;
    fake_protocol.justifier = &fake;
    bench_open_config(
        b, 4, 1, NAME,
        (struct tc_judge_config){
            .protocol = &fake_protocol, .has_messages = true, .has_executions = true, .links_complete = true});
}

static void a_breach_carries_message_rule_and_support(void **state)
{
    (void)state;
    struct bench b;
    open_fake(&b);
    bench_message(&b, 1, 3, &prepare, 1);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_VIOLATED);
    const struct tc_finding *f = &j->findings[0];
    assert_string_equal(f->text, "replica 1 prepared what nobody proposed");
    assert_string_equal(f->because, "rule prepare-without-proposal (toy 1)");
    assert_true(f->has_view && f->view == 2 && f->has_sequence && f->sequence == 7);
    assert_int_equal(f->evidence_count, 2);
    assert_true(f->evidence[0].signature_valid && f->evidence[1].signature_valid);
    assert_string_equal(f->evidence[0].text, "prepare of replica 1 for view 2, sequence 7: 6161…61");
    assert_string_equal(j->result.reason, "12,003 statements judged, 4 not (what they rest on had left the window)");
    bench_close(&b);
}

static void of_one_observation_the_broken_rule_decides(void **state)
{
    (void)state;
    struct bench b;
    fake_protocol = toy_protocol;
    fake_protocol.justifier = &fake;
    bench_open_config(
        &b, 4, 1, NULL,
        (struct tc_judge_config){
            .protocol = &fake_protocol, .has_messages = true, .has_executions = true, .links_complete = true});
    bench_execute(&b, 1, 0, 1, 'a');
    bench_execute(&b, 2, 0, 1, 'q'); /* breaks a rule and agreement at once */
    struct tc_verdict_summary s;
    tc_judge_finish(b.judge, b.now_ns);
    tc_judge_summary(b.judge, 0, &s);
    assert_int_equal(tc_judge_violations(b.judge), 2);
    assert_string_equal(s.first->oracle, NAME);
    bench_close(&b);
}

/* What a replica was offered for the slot is shown, what others were offered is not. */
static void a_breach_shows_the_votes_that_were_offered(void **state)
{
    (void)state;
    static const struct toy other = {.type = TOY_PROPOSE, .view = 2, .sequence = 7, .value = 'b', .signer = 2};
    static const struct toy elsewhere = {.type = TOY_PROPOSE, .view = 2, .sequence = 8, .value = 'a', .signer = 2};
    struct bench b;
    open_fake(&b);
    bench_message(&b, 2, 1, &other, 1);
    bench_message(&b, 2, 0, &proposal, 1); /* to somebody else */
    bench_message(&b, 2, 1, &elsewhere, 1);
    bench_message(&b, 1, 3, &prepare, 1);
    const struct tc_finding *f = &bench_finish(&b, NAME)->findings[0];
    assert_int_equal(f->evidence_count, 3); /* the prepare, the justifier's own support, one proposal */
    assert_string_equal(f->evidence[2].text,
                        "pre-prepare of replica 2 for view 2, sequence 7: 6262…62 (it was offered)");
    assert_true(f->evidence[2].signature_valid);
    bench_close(&b);
}

static const struct toy change = {.type = TOY_VIEW_CHANGE, .view = 3, .value = 'z', .signer = 1};

/* The words of the only finding's evidence from the index-th on. */
static const char *shown(struct bench *b, uint32_t index)
{
    const struct tc_finding *f = &bench_finish(b, NAME)->findings[0];
    return index < f->evidence_count ? f->evidence[index].text : "";
}

static void a_claim_about_a_slot_shows_that_slots_votes(void **state)
{
    (void)state;
    static const struct toy own = {.type = TOY_PROPOSE, .view = 2, .sequence = 7, .value = 'c', .signer = 1};
    struct bench b;
    open_fake(&b);
    bench_message(&b, 2, 1, &proposal, 1);
    bench_message(&b, 1, 3, &own, 1);
    bench_message(&b, 1, 3, &change, 1);
    const struct tc_finding *f = &bench_finish(&b, NAME)->findings[0];
    assert_int_equal(f->evidence_count, 3);
    assert_non_null(strstr(f->evidence[1].text, "of replica 2 for view 2, sequence 7: 6161…61 (it was offered)"));
    assert_non_null(strstr(f->evidence[2].text, "of replica 1 for view 2, sequence 7: 6363…63 (it had said)"));
    bench_close(&b);
}

static void forged_words_are_not_what_it_had_said(void **state)
{
    (void)state;
    static const struct toy lie[] = {
        {.type = TOY_PROPOSE, .view = 2, .sequence = 7, .value = 'a', .signer = 3},
        {.type = TOY_COMMIT, .view = 2, .sequence = 7, .value = 'a', .signer = 1, .forged = true, .parent = 0}};
    struct bench b;
    open_fake(&b);
    bench_message(&b, 3, 0, lie, 2);
    bench_message(&b, 1, 3, &change, 1);
    assert_string_equal(shown(&b, 1), "");
    bench_close(&b);
}

/* A slot has room for four values: those that nobody signed make way. */
static void forged_votes_do_not_hide_the_support(void **state)
{
    (void)state;
    static const struct toy lies[] = {
        {.type = TOY_PROPOSE, .view = 2, .sequence = 7, .value = 'p', .signer = 3},
        {.type = TOY_COMMIT, .view = 2, .sequence = 7, .value = 'q', .signer = 0, .forged = true, .parent = 0},
        {.type = TOY_COMMIT, .view = 2, .sequence = 7, .value = 'r', .signer = 1, .forged = true, .parent = 0},
        {.type = TOY_COMMIT, .view = 2, .sequence = 7, .value = 's', .signer = 2, .forged = true, .parent = 0}};
    struct bench b;
    open_fake(&b);
    bench_message(&b, 3, 0, lies, 4);
    bench_message(&b, 2, 1, &proposal, 1);
    bench_message(&b, 1, 3, &change, 1);
    assert_non_null(strstr(shown(&b, 1), "of replica 2 for view 2, sequence 7: 6161…61 (it was offered)"));
    bench_close(&b);
}

static void the_judgement_copies_its_evidence(void **state)
{
    (void)state;
    struct bench b;
    open_fake(&b);
    bench_message(&b, 1, 3, &prepare, 1);
    memset(told.support, 0, sizeof told.support); /* the justifier's own copy goes */
    const struct tc_finding *f = &bench_finish(&b, NAME)->findings[0];
    assert_int_equal(f->evidence[0].frame.len, f->evidence[1].frame.len);
    assert_memory_equal(f->evidence[0].frame.data, f->evidence[1].frame.data, f->evidence[0].frame.len);
    bench_close(&b);
}

static void a_traitors_breach_is_none(void **state)
{
    (void)state;
    struct bench b;
    open_fake(&b);
    bench_traitor(&b, 1);
    bench_message(&b, 1, 3, &prepare, 1);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->finding_total, 0);
    bench_close(&b);
}

static void trust_needs_untouched_bytes_of_a_correct_node(void **state)
{
    (void)state;
    struct bench b;
    open_fake(&b);
    bench_message(&b, 2, 3, &proposal, 1); /* said before heard, trusted */
    assert_int_equal(told.said, 1);
    assert_int_equal(told.heard, 1);
    assert_int_equal(told.trusted, 1);
    bench_message_as(&b, 2, 3, &proposal, 1, false, true, true); /* touched */
    assert_int_equal(told.said, 1);
    assert_int_equal(told.trusted, 1);
    bench_traitor(&b, 2);
    bench_message(&b, 2, 3, &proposal, 1);                        /* a traitor's own */
    bench_message(&b, 2, 128, &proposal, 1);                      /* clients are not judged */
    bench_message_as(&b, 2, 3, &proposal, 1, true, false, false); /* said, dropped */
    assert_int_equal(told.said, 4);
    assert_int_equal(told.heard, 3);
    assert_int_equal(told.trusted, 1);
    bench_execute(&b, 1, 0, 1, 'a');
    bench_view(&b, 1, 1, true, 0);
    assert_int_equal(told.observed, 2);
    bench_close(&b);
}

/* Of a cluster that ran before: a few statements do not hold for thousands. */
static void nearly_nothing_judged_is_not_judged(void **state)
{
    (void)state;
    static const struct {
        uint64_t judged, unjudged, late;
        enum tc_status status;
        const char *reason;
    } cases[] = {
        {12, 4308, 4308, TC_NOT_JUDGED,
         "12 statements judged, 4,308 not (the cluster ran before the run did: they may rest on what was said then)"},
        {12, 4308, 4300, TC_NOT_JUDGED,
         "12 statements judged, 4,300 not (the cluster ran before the run did: they may rest on what was said then), 8 "
         "not (what they rest on had left the window)"},
        {500, 4308, 4308, TC_HOLDS,
         "500 statements judged, 4,308 not (the cluster ran before the run did: they may rest on what was said then)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        open_fake(&b);
        told.judged = cases[i].judged;
        told.unjudged = cases[i].unjudged;
        told.late = cases[i].late;
        bench_message(&b, 2, 3, &proposal, 1);
        const struct tc_judgement *j = bench_finish(&b, NAME);
        assert_int_equal(j->status, cases[i].status);
        assert_string_equal(j->result.reason, cases[i].reason);
        bench_close(&b);
        open_fake(&b); /* a breach is one however little was judged */
        told.judged = cases[i].judged;
        told.unjudged = cases[i].unjudged;
        bench_message(&b, 1, 3, &prepare, 1);
        assert_int_equal(bench_verdict(&b, NAME), TC_VIOLATED);
    }
}

static void not_judged_where_traffic_bypasses_us(void **state)
{
    (void)state;
    struct bench b;
    open_fake(&b);
    struct tc_observation spliced = {.kind = TC_OBS_SPLICED, .node = 0, .peer = 2};
    bench_observe(&b, spliced);
    bench_message(&b, 1, 3, &prepare, 1);
    const struct tc_judgement *j = bench_finish(&b, NAME);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_int_equal(j->finding_total, 0);
    bench_close(&b);
    bench_open(&b, 4, 1, NAME); /* the toy has no rules */
    assert_int_equal(bench_verdict(&b, NAME), TC_NOT_JUDGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_carries_message_rule_and_support),
        cmocka_unit_test(a_breach_shows_the_votes_that_were_offered),
        cmocka_unit_test(a_claim_about_a_slot_shows_that_slots_votes),
        cmocka_unit_test(forged_words_are_not_what_it_had_said),
        cmocka_unit_test(forged_votes_do_not_hide_the_support),
        cmocka_unit_test(of_one_observation_the_broken_rule_decides),
        cmocka_unit_test(the_judgement_copies_its_evidence),
        cmocka_unit_test(a_traitors_breach_is_none),
        cmocka_unit_test(trust_needs_untouched_bytes_of_a_correct_node),
        cmocka_unit_test(nearly_nothing_judged_is_not_judged),
        cmocka_unit_test(not_judged_where_traffic_bypasses_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
