/* Messages that are lost between correct replicas while an attack lasts: the reference protocols say all that matters
 * again, so that recovery afterwards is judged. A correct cluster recovers in its bound whatever was lost, and one
 * whose view changes are said once does not. */
#include "sim_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* What is lost: each message by chance; all in every other seventh of a second; of one kind, by turns; each by chance,
 * but spoilt rather than dropped. */
enum losing { BY_CHANCE, IN_BURSTS, BY_KIND, SPOILT, LOSINGS };

static const char *const losing_lua[LOSINGS] = {
    "return c:random(m) < %g and drop('lost') or nil",
    "return c:random(m) < 2 * %g and math.floor(c.now * 7) %% 2 == 0 and drop('lost') or nil",
    ("local kinds = { 'view_change', 'new_view', 'vote', 'propose', 'checkpoint', 'sync' }\n"
     "return c:random(m) < 2 * %g and m.kind == kinds[1 + math.floor(c.now * 5) %% 6] and drop('lost') or nil"),
    "return c:random(m) < %g and corrupt() or nil"};

static void write_attack(const char *path, enum losing losing, double share, bool silent)
{
    char body[512];
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    snprintf(body, sizeof body, losing_lua[losing], share);
    fprintf(out,
            "return attack 'losses' {\n summary = 'Messages between correct replicas are lost.', kinds = 'all',\n"
            " expect = { safety = true },\n traitors = function(c) return { %s } end,\n"
            " on_message = function(c, m)\n if c:is_traitor(m.from) then return drop('silent') end\n"
            " if m.from >= c.n or m.to >= c.n then return end\n %s\n end,\n}\n",
            silent ? "c:leader(c.view)" : "", body);
    assert_int_equal(fclose(out), 0);
}

static enum tc_status lose(struct sim_run *run, const char *scenario, uint64_t seed, enum losing losing, double share,
                           bool silent)
{
    char path[] = "/tmp/losses-XXXXXX.lua";
    const int file = mkstemps(path, 4);
    assert_true(file >= 0);
    close(file);
    write_attack(path, losing, share, silent);
    sim_run_load(run, scenario, seed);
    sim_run_slow(run);
    snprintf(run->scenario.attack, sizeof run->scenario.attack, "%s", path);
    run->scenario.phase_ns[TC_RUN_BEFORE] = UINT64_C(500000000);
    run->scenario.phase_ns[TC_RUN_DURING] = UINT64_C(2000000000);
    run->scenario.phase_ns[TC_RUN_AFTER] = UINT64_C(5000000000);
    tc_trial_world(&run->scenario, &run->config);
    run->config.seed = seed;
    sim_run_go(run);
    unlink(path);
    assert_int_equal(run->status, 0);
    assert_true(run->bitten > 0);
    return run->summary.status;
}

static bool recovery_was_judged(const struct sim_run *run)
{
    for (size_t i = 0; i < tc_judge_count(run->judge); i++)
        if (strcmp(tc_judge_get(run->judge, i)->oracle->name, "bounded-recovery") == 0)
            return tc_judge_get(run->judge, i)->status == TC_HOLDS;
    return false;
}

static void test_correct_clusters_recover(void **state)
{
    (void)state;
    static struct sim_run run;
    static const char *const scenarios[] = {"hunt-pbft", "hunt-hotstuff", "hunt-chained-hotstuff"};
    const char *wanted = getenv("TC_LOSS_SEEDS"); /* more, by hand */
    const uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : 1;
    uint64_t runs = 0, judged = 0, alarms = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        for (size_t i = 0; i < 3 * LOSINGS * 2; i++) {
            const char *scenario = scenarios[i % 3];
            const enum losing losing = (enum losing)(i / 3 % LOSINGS);
            const bool silent = i / 3 / LOSINGS == 1;
            const enum tc_status status = lose(&run, scenario, seed, losing, 0.1 + 0.2 * (double)(seed % 5), silent);
            runs++;
            judged += recovery_was_judged(&run);
            alarms += status == TC_VIOLATED;
            if (status == TC_VIOLATED)
                print_error("%s, seed %llu, losing %d%s: %s\n", scenario, (unsigned long long)seed, losing,
                            silent ? ", a leader silent" : "", run.summary.sentence);
            sim_run_free(&run);
        }
    print_message("%llu runs, recovery judged in %llu\n", (unsigned long long)runs, (unsigned long long)judged);
    assert_int_equal(alarms, 0);
    assert_true(judged * 2 > runs);
}

static void test_what_is_said_once_is_missed(void **state)
{
    (void)state;
    static struct sim_run run;
    uint64_t found = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        found += lose(&run, "bug-view-change-said-once", seed, BY_CHANCE, 1, false) == TC_VIOLATED;
        sim_run_free(&run);
    }
    assert_int_equal(found, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_correct_clusters_recover),
                                       cmocka_unit_test(test_what_is_said_once_is_missed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
