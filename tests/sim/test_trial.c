/* Trials: a run in a trial that was used before is the same as one in a fresh trial, whatever ran before it. */
#include "../../proxy/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

/* What a run left, as far as it outlives the trial's next one. */
struct outcome {
    uint64_t hash, now_ns, decided, bitten;
    enum tc_status status;
    char sentence[512];
    uint64_t compared[64];
    size_t oracles;
};

static void load(const char *name, struct tc_scenario *out)
{
    struct tc_error err = {0};
    if (tc_scenario_load(TC_SOURCE_LUA_DIR, name, out, &err) != 0)
        fail_msg("%s", err.text);
    out->phase_ns[TC_RUN_BEFORE] = 0;
    out->phase_ns[TC_RUN_DURING] = 2 * SECOND;
    out->phase_ns[TC_RUN_AFTER] = SECOND;
}

static struct tc_trial *begin(const struct tc_trial_setup *setup)
{
    struct tc_error err = {0};
    struct tc_trial *trial;
    if (tc_trial_new(setup, &trial, &err) != 0)
        fail_msg("%s", err.text);
    return trial;
}

static struct outcome run(struct tc_trial *trial, uint64_t seed)
{
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct outcome out = {0};
    if (tc_trial_run(trial, &(struct tc_trial_request){.seed = seed}, &result, &err) != 0)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    out.hash = result.hash;
    out.now_ns = result.now_ns;
    out.decided = result.decided;
    out.bitten = result.bitten;
    out.status = result.summary.status;
    snprintf(out.sentence, sizeof out.sentence, "%s", result.summary.sentence);
    out.oracles = tc_judge_count(result.judge);
    assert_true(out.oracles > 0 && out.oracles <= 64);
    for (size_t i = 0; i < out.oracles; i++) {
        const struct tc_judgement *judgement = tc_judge_get(result.judge, i);
        out.compared[i] = judgement->result.compared * 31 + judgement->finding_total;
    }
    return out;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->hash, b->hash);
    assert_int_equal(a->now_ns, b->now_ns);
    assert_int_equal(a->decided, b->decided);
    assert_int_equal(a->bitten, b->bitten);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->sentence, b->sentence);
    assert_int_equal(a->oracles, b->oracles);
    for (size_t i = 0; i < a->oracles; i++)
        assert_int_equal(a->compared[i], b->compared[i]);
}

/* Seeds there and back again in one trial, each against a fresh one. */
static void reuse(const char *name, uint64_t decisions_max, bool violates)
{
    static struct tc_scenario scenario;
    static const uint64_t seeds[] = {1, 2, 3, 2, 1, 1, 3};
    struct outcome first[4] = {0};
    uint64_t violated = 0;
    load(name, &scenario);
    const struct tc_trial_setup setup = {
        .scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = decisions_max};
    struct tc_trial *used = begin(&setup);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        struct outcome *of_fresh = &first[seeds[i]];
        if (of_fresh->hash == 0) {
            struct tc_trial *fresh = begin(&setup);
            *of_fresh = run(fresh, seeds[i]);
            tc_trial_free(fresh);
        }
        const struct outcome of_used = run(used, seeds[i]);
        assert_same(of_fresh, &of_used);
        violated += of_used.status == TC_VIOLATED;
    }
    tc_trial_free(used);
    assert_true(first[1].hash != first[2].hash && first[2].hash != first[3].hash);
    assert_true(first[1].decided > 0);
    assert_int_equal(violated > 0, violates);
}

static void test_reuse_pbft(void **state)
{
    (void)state;
    reuse("equivocate-half", 20, false);
    reuse("corrupt-bytes", 20, false);
    reuse("partition-and-heal", 40, false);
    reuse("crash-restart", 40, false);
}

static void test_reuse_after_violations(void **state)
{
    (void)state;
    reuse("bug-prepare-digest-ignored", 0, true);
    reuse("bug-commit-quorum-2f", 20, true);
}

static void test_reuse_hotstuff(void **state)
{
    (void)state;
    reuse("hotstuff-equivocate-half", 20, false);
    reuse("chained-hotstuff-equivocate-half", 20, false);
    reuse("chained-hotstuff-crash-restart", 40, false);
}

/* What a hunt does: many seeds in one trial, with a strategy that sends view changes, lies and crashes through it. */
static void reuse_byzzfuzz(const char *name)
{
    static struct tc_scenario scenario;
    uint64_t bitten = 0;
    load(name, &scenario);
    const struct tc_trial_setup setup = {.scenario = &scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find("byzzfuzz"),
                                         .decisions_max = 10};
    struct tc_trial *used = begin(&setup);
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct tc_trial *fresh = begin(&setup);
        const struct outcome of_fresh = run(fresh, seed), of_used = run(used, seed);
        assert_same(&of_fresh, &of_used);
        assert_true(of_used.status != TC_VIOLATED);
        bitten += of_used.bitten;
        tc_trial_free(fresh);
    }
    tc_trial_free(used);
    assert_true(bitten > 0);
}

static void test_reuse_byzzfuzz(void **state)
{
    (void)state;
    reuse_byzzfuzz("equivocate-half");
    reuse_byzzfuzz("hotstuff-equivocate-half");
    reuse_byzzfuzz("chained-hotstuff-equivocate-half");
}

static void test_reuse_with_real_signatures(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    load("equivocate-half", &scenario);
    const struct tc_trial_setup setup = {
        .scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = 3, .ed25519 = true};
    struct tc_trial *trial = begin(&setup);
    const struct outcome a = run(trial, 1), b = run(trial, 2), c = run(trial, 1);
    assert_same(&a, &c);
    assert_true(a.hash != b.hash);
    tc_trial_free(trial);
}

/* ---- a handler of the caller's ---- */

struct dropper {
    struct tc_nodeset traitors;
    uint64_t seen;
};

/* Drops what node 1 says to node 2. */
static int drop(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct dropper *dropper = self;
    (void)err;
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors = dropper->traitors;
    if (call->kind != TC_CALL_MESSAGE || call->message->from != 1 || call->message->to != 2)
        return 0;
    dropper->seen++;
    plan->verdict.verb = TC_DROP;
    return 0;
}

static void test_handler_takes_the_place_of_the_attack(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct dropper dropper = {0};
    load("equivocate-half", &scenario);
    dropper.traitors.words[0] = 1u << 1;
    const struct tc_trial_setup setup = {.scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = 10};
    const struct tc_handler handler = {
        .self = &dropper, .name = "drop", .kinds = TC_SCRIPT_KINDS_ALL, .calls = 1u << TC_CALL_MESSAGE, .call = drop};
    struct tc_trial *trial = begin(&setup);
    const struct tc_trial_request request = {.seed = 1, .handler = &handler, .traitors = &dropper.traitors};
    assert_int_equal(tc_trial_run(trial, &request, &result, &err), 0);
    assert_true(dropper.seen > 0);
    assert_int_equal(result.bitten, dropper.seen);
    assert_int_equal(result.faults.signed_for.words[0], 1u << 1);
    assert_int_equal(result.traitors.words[0], 1u << 1);
    /* and without `traitors` nobody was signed for */
    assert_int_equal(tc_trial_run(trial, &(struct tc_trial_request){.seed = 1, .handler = &handler}, &result, &err), 0);
    assert_int_equal(result.faults.signed_for.words[0], 0);
    tc_trial_free(trial);
}

/* Replicas 2 and 3 never learn that the first sequence number was committed: they vote on, and execute nothing. */
static int starve(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)self;
    (void)err;
    if (call->kind != TC_CALL_MESSAGE || call->message->statement_count == 0)
        return 0;
    const struct tc_statement *s = &call->message->statements[0];
    const bool first = s->phase == TC_PHASE_COMMIT && s->sequence == 1;
    if (first && (call->message->to == 2 || call->message->to == 3))
        plan->verdict.verb = TC_DROP;
    return 0;
}

static void test_a_run_does_not_wait_for_those_cut_off(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    load("equivocate-half", &scenario);
    const struct tc_handler handler = {
        .name = "starve", .kinds = TC_SCRIPT_KINDS_ALL, .calls = 1u << TC_CALL_MESSAGE, .call = starve};
    const struct tc_trial_setup setup = {.scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = 5};
    struct tc_trial *trial = begin(&setup);
    assert_int_equal(tc_trial_run(trial, &(struct tc_trial_request){.seed = 1, .handler = &handler}, &result, &err), 0);
    assert_int_equal(result.decided, 5 * TC_SIM_OVERRUN);
    tc_trial_free(trial);
}

struct watch {
    uint64_t before, all; /* executed when the attack began; at last */
    bool begun;
};

static void watch(void *self, const struct tc_observation *o)
{
    struct watch *w = self;
    if (o->kind == TC_OBS_EXECUTED && o->executed.sequence > w->all)
        w->all = o->executed.sequence;
    if (o->kind == TC_OBS_PHASE && o->phase.phase == TC_RUN_DURING) {
        w->begun = true;
        w->before = w->all;
    }
}

/* A phase before the attack decides as much as it likes; the run ends so many decisions after the attack began. */
static void test_decisions_count_from_the_attack_on(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    load("hunt-pbft", &scenario);
    scenario.phase_ns[TC_RUN_BEFORE] = SECOND / 10;
    const struct tc_trial_setup setup = {.scenario = &scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find("byzzfuzz"),
                                         .decisions_max = 5};
    struct tc_trial *trial = begin(&setup);
    uint64_t bitten = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct watch w = {0};
        const struct tc_trial_request request = {.seed = seed, .sink = {.self = &w, .observe = watch}};
        assert_int_equal(tc_trial_run(trial, &request, &result, &err), 0);
        assert_true(w.begun && w.before > 5);
        assert_true(w.all >= w.before + 5 && w.all <= w.before + 5 * TC_SIM_OVERRUN);
        assert_true(result.now_ns >= SECOND / 10 && result.now_ns < 3 * SECOND);
        bitten += result.bitten;
    }
    assert_true(bitten > 0);
    tc_trial_free(trial);
}

/* Links that a partition broke, and when the last of them was up again. */
struct links {
    uint64_t stable_ns, cut_ns, up_ns;
    uint32_t broken, up;
};

static void see_links(void *self, const struct tc_observation *o)
{
    struct links *links = self;
    if (o->kind == TC_OBS_FAULTS && o->faults.healed_ns != TC_NEVER_NS && links->stable_ns == 0)
        links->stable_ns = o->time_ns;
    if (o->kind == TC_OBS_LINK_DOWN && links->stable_ns > 0) {
        links->cut_ns = o->time_ns;
        links->broken++;
    }
    if (o->kind == TC_OBS_LINK_UP && links->cut_ns > 0) {
        links->up_ns = o->time_ns;
        links->up++;
    }
}

/* Losses before GST make every connection wait longer before it is dialled again. A partition of milliseconds that
 * comes soon afterwards is over soon after it heals, all the same. */
static void test_backoffs_end_with_gst(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    load("hunt-chained-hotstuff", &scenario);
    scenario.phase_ns[TC_RUN_DURING] = 3 * SECOND;
    scenario.world.has_network = true;
    scenario.world.network =
        (struct tc_sim_network){.gst_ns = SECOND, .gst_delay_ns = SECOND / 25, .gst_loss = 26214 /* of 65536 */};
    char path[] = "/tmp/trial-XXXXXX.lua";
    const int file = mkstemps(path, 4);
    assert_true(file >= 0);
    assert_true(dprintf(file, "return attack 'cut' {\n summary = 'A short partition.', expect = { safety = true },\n"
                              " on_start = function(c)\n c:after(2, function(c)\n c:partition{ { 0, 1 }, { 2, 3 } }\n"
                              " c:after(0.0075, function(c) c:heal() end)\n end)\n end,\n}\n") > 0);
    close(file);
    snprintf(scenario.attack, sizeof scenario.attack, "%s", path);
    const struct tc_trial_setup setup = {.scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR};
    struct tc_trial *trial = begin(&setup);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct links links = {0};
        const struct tc_trial_request request = {.seed = seed, .sink = {.self = &links, .observe = see_links}};
        assert_int_equal(tc_trial_run(trial, &request, &result, &err), 0);
        assert_true(links.stable_ns > SECOND && links.stable_ns < 2 * SECOND && links.cut_ns == 2 * SECOND);
        assert_int_equal(links.broken, 8);
        assert_int_equal(links.up, 8);
        assert_true(links.up_ns < links.cut_ns + SECOND / 20);
        assert_int_equal(result.summary.status, TC_HOLDS);
    }
    tc_trial_free(trial);
    unlink(path);
}

/* ---- whom it is judged by ---- */

static size_t oracles_of(enum tc_property property)
{
    size_t count = 0;
    for (size_t i = 0; tc_oracle_classes[i]; i++)
        count += tc_oracle_classes[i]->property == property;
    return count;
}

/* With the oracles of safety alone the run is the same run, and a fork is found. */
static void test_judged_for_safety_alone(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    load("bug-commit-quorum-2f", &scenario);
    struct tc_trial_setup setup = {.scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = 20};
    struct tc_trial *all = begin(&setup);
    setup.properties = TC_PROPERTY_BIT(TC_SAFETY);
    struct tc_trial *safety = begin(&setup);
    struct tc_error err = {0};
    struct tc_trial_result result;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        const struct outcome expected = run(all, seed);
        assert_int_equal(tc_trial_run(safety, &(struct tc_trial_request){.seed = seed}, &result, &err), 0);
        assert_int_equal(result.hash, expected.hash);
        assert_int_equal(result.summary.status, expected.status);
        assert_true(tc_judge_count(result.judge) == oracles_of(TC_SAFETY) && expected.oracles > oracles_of(TC_SAFETY));
        for (size_t i = 0; i < tc_judge_count(result.judge); i++)
            assert_int_equal(tc_judge_get(result.judge, i)->oracle->property, TC_SAFETY);
    }
    assert_int_equal(result.summary.status, TC_VIOLATED);
    assert_int_equal(result.summary.first->property, TC_SAFETY);
    tc_trial_free(all);
    tc_trial_free(safety);
}

/* ---- errors ---- */

/* Chained HotStuff in a lossy network, runs that once went wrong: a leader that had executed everything left the others
 * without the certificates that only it saw; three restarted replicas did not count their own questions for a view; and
 * bytes of a replica's earlier life, on a connection that came up late, were taken for its later ones. */
static void test_chained_hotstuff_gets_over_losses(void **state)
{
    (void)state;
    static const struct tc_trial_request requests[] = {{.seed = 0x1710f7f00539, .index = 945},
                                                       {.seed = 0xfc30a820b516, .index = 1156},
                                                       {.seed = 0xa30602b258da, .index = 2661},
                                                       {.seed = 0x8eb152b79eab, .index = 1805}};
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    if (tc_scenario_load(TC_SOURCE_LUA_DIR, TC_SOURCE_DIR "/tests/sim/lossy-start.lua", &scenario, &err) != 0)
        fail_msg("%s", err.text);
    const struct tc_trial_setup setup = {.scenario = &scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find("strategic"),
                                         .decisions_max = 10};
    struct tc_trial *trial = begin(&setup);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        assert_int_equal(tc_trial_run(trial, &requests[i], &result, &err), 0);
        assert_true(result.bitten > 0);
        if (result.summary.status == TC_VIOLATED)
            fail_msg("run %zu: %s", i, result.summary.sentence);
    }
    tc_trial_free(trial);
}

static void test_errors_leave_a_usable_trial(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct tc_trial *trial;
    load("equivocate-half", &scenario);
    const struct tc_trial_setup setup = {.scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .decisions_max = 5};
    snprintf(scenario.attack, sizeof scenario.attack, "no-such-attack");
    assert_int_equal(tc_trial_new(&setup, &trial, &err), TC_ENOT_FOUND);
    assert_null(trial);
    load("equivocate-half", &scenario);
    scenario.cluster.start = false;
    assert_int_equal(tc_trial_new(&setup, &trial, &err), TC_EUSAGE);
    load("equivocate-half", &scenario);
    trial = begin(&setup);
    const struct outcome before = run(trial, 1);
    scenario.traitors_max = 0; /* the attack names one: refused when it begins */
    assert_int_equal(tc_trial_run(trial, &(struct tc_trial_request){.seed = 1}, &result, &err), TC_ESCRIPT);
    assert_int_equal(err.code, TC_ESCRIPT);
    assert_non_null(result.judge);
    scenario.traitors_max = -1;
    const struct outcome after = run(trial, 1);
    assert_same(&before, &after);
    tc_trial_free(trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse_pbft),
        cmocka_unit_test(test_reuse_after_violations),
        cmocka_unit_test(test_reuse_hotstuff),
        cmocka_unit_test(test_reuse_byzzfuzz),
        cmocka_unit_test(test_reuse_with_real_signatures),
        cmocka_unit_test(test_handler_takes_the_place_of_the_attack),
        cmocka_unit_test(test_a_run_does_not_wait_for_those_cut_off),
        cmocka_unit_test(test_decisions_count_from_the_attack_on),
        cmocka_unit_test(test_backoffs_end_with_gst),
        cmocka_unit_test(test_judged_for_safety_alone),
        cmocka_unit_test(test_chained_hotstuff_gets_over_losses),
        cmocka_unit_test(test_errors_leave_a_usable_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
