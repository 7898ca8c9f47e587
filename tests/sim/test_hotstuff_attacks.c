/* The attacks made for HotStuff do what their summaries say, and correct replicas go on deciding while they last. */
#include "sim_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

struct attacked {
    struct sim_run run;
    char note[512];          /* the attack's last words */
    uint64_t before, during; /* sequence numbers executed when the attack began; and while it lasted */
    bool begun;
};

static struct attacked attacked;

static void observe(void *self, const struct tc_observation *o)
{
    struct attacked *a = self;
    sim_run_observe(&a->run, o);
    if (o->kind == TC_OBS_NOTE && o->text)
        snprintf(a->note, sizeof a->note, "%s", o->text);
    if (o->kind == TC_OBS_PHASE && o->phase.phase == TC_RUN_DURING)
        a->begun = true;
    if (o->kind == TC_OBS_EXECUTED && o->executed.sequence > a->before + a->during) {
        if (a->begun)
            a->during = o->executed.sequence - a->before;
        else
            a->before = o->executed.sequence;
    }
}

/* Runs PROTOCOL-ATTACK for six seconds of attack and no phase after it. */
static const struct attacked *run(const char *protocol, const char *attack, const char *argument, uint64_t seed)
{
    char name[TC_NAME_MAX];
    struct tc_error err = {0};
    struct tc_trial_result result;
    struct sim_run *r = &attacked.run;
    memset(&attacked, 0, sizeof attacked);
    snprintf(name, sizeof name, "%s-%s", protocol, attack);
    sim_run_load(r, name, seed);
    sim_run_slow(r);
    r->config.plan.phase_ns[TC_RUN_BEFORE] = SECOND / 2;
    r->config.plan.phase_ns[TC_RUN_DURING] = 6 * SECOND;
    r->config.plan.phase_ns[TC_RUN_AFTER] = 0;
    if (argument)
        snprintf(r->scenario.args[r->scenario.arg_count++], sizeof r->scenario.args[0], "%s", argument);
    const struct tc_trial_setup setup = {.scenario = &r->scenario, .lua_dir = TC_SOURCE_LUA_DIR, .world = &r->config};
    const struct tc_trial_request request = {.seed = seed, .sink = {.self = &attacked, .observe = observe}};
    sim_run_must(tc_trial_new(&setup, &r->trial, &err), &err);
    sim_run_must(tc_trial_run(r->trial, &request, &result, &err), &err);
    if (result.summary.status != TC_HOLDS)
        fail_msg("%s, seed %llu: %s", name, (unsigned long long)seed, result.summary.sentence);
    assert_true(result.bitten > 0);
    sim_run_free(r);
    return &attacked;
}

/* The lock of the basic protocol is on what was decided in the view before; the chained one trails by two blocks. */
static void test_forking(void **state)
{
    (void)state;
    unsigned forks, followed;
    const struct attacked *a = run("hotstuff", "forking", NULL, 1);
    assert_int_equal(sscanf(a->note, "an older certificate was extended in %u views; in %u", &forks, &followed), 2);
    assert_true(forks >= 2 && followed == 0 && a->during > 0);
    a = run("chained-hotstuff", "forking", NULL, 1);
    assert_int_equal(sscanf(a->note, "an older certificate was extended in %u views; in %u", &forks, &followed), 2);
    assert_true(forks >= 2 && followed == forks && a->during > 0);
    a = run("chained-hotstuff", "forking", "depth=2", 1);
    assert_int_equal(sscanf(a->note, "an older certificate was extended in %u views; in %u", &forks, &followed), 2);
    assert_true(forks >= 2 && followed == 0);
}

static void test_silence(void **state)
{
    (void)state;
    unsigned hidden;
    const char *const protocols[] = {"hotstuff", "chained-hotstuff"};
    for (size_t i = 0; i < 2; i++) {
        const struct attacked *a = run(protocols[i], "silence", NULL, 2);
        assert_int_equal(sscanf(a->note, "a certificate was kept back %u", &hidden), 1);
        assert_true(hidden >= 3 && a->during >= 6);
    }
}

/* One replica that was shown a certificate, and votes, must not go on to the next view alone: with it and the traitor
 * f+1 replicas would ask for the view after, the next correct leader would be passed over each time, and chained
 * HotStuff would never see three views in a row. */
static void test_hidden_certificate(void **state)
{
    (void)state;
    unsigned shown;
    const char *const protocols[] = {"hotstuff", "chained-hotstuff"};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        for (size_t i = 0; i < 2; i++) {
            const struct attacked *a = run(protocols[i], "hidden-certificate", NULL, seed);
            assert_int_equal(sscanf(a->note, "a certificate was shown to one replica alone in %u", &shown), 1);
            assert_true(shown >= 4 && a->during >= 8);
        }
    }
}

static void test_late(void **state)
{
    (void)state;
    const char *const protocols[] = {"hotstuff", "chained-hotstuff"};
    for (size_t i = 0; i < 2; i++) {
        assert_true(run(protocols[i], "withheld-votes", NULL, 1)->during >= 6);
        assert_true(run(protocols[i], "timer-desync", NULL, 1)->during >= 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forking), cmocka_unit_test(test_silence),
                                       cmocka_unit_test(test_hidden_certificate), cmocka_unit_test(test_late)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
