/* Every scenario of the library, simulated with several seeds: the verdict is the one of the live world. */
#include "sim_run.h"

#include "../../reference/bugs.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Under a sanitizer, ten times slower, the first seed of every third scenario must do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS 1
#endif
#endif
#ifdef SEEDS
#define STRIDE 3
#else
#define SEEDS  3
#define STRIDE 1
#endif

/* A seeded bug of the library is found; anything else ends as its scenario says. A breach that thresholds alone are to
 * show is not seen here, for there are no metrics: the oracles must hold. */
static enum tc_status wanted(const struct tc_scenario *scenario)
{
    if (scenario->threshold_count > 0 && strcmp(scenario->expect_verdict, "expected") == 0)
        return TC_HOLDS;
    return scenario->cluster.bug[0] ? TC_VIOLATED : sim_run_expected(scenario);
}

/* It is not enough that something was violated: the oracle that bugs.def names must be among those that say so. */
static bool caught_as_named(const struct sim_run *run)
{
    const char *bug = run->scenario.cluster.bug;
    const int number = tc_bug_find(bug);
    if (!bug[0])
        return true;
    for (size_t i = 0; number >= 0 && i < tc_judge_count(run->judge); i++) {
        const struct tc_judgement *j = tc_judge_get(run->judge, i);
        if (strcmp(j->oracle->name, tc_bugs[number].caught_by) == 0)
            return j->status == TC_VIOLATED && j->finding_total > 0;
    }
    return false;
}

/* false: a seeded bug did not come to light, or not by its oracle. */
static bool one(const char *name, uint64_t seed)
{
    static struct sim_run run;
    sim_run_load(&run, name, seed);
    sim_run_slow(&run);
    sim_run_go(&run);
    const bool named = caught_as_named(&run);
    if (run.status != 0 || run.summary.status != wanted(&run.scenario) || !named)
        fprintf(stderr, "%s, seed %llu: %s\n", name, (unsigned long long)seed, run.summary.sentence);
    assert_int_equal(run.status, 0);
    const bool found = run.summary.status == wanted(&run.scenario) && named;
    assert_true(found || run.scenario.cluster.bug[0]);
    assert_int_equal(run.bitten > 0, run.scenario.attack[0] != 0);
    assert_true(run.operations > 0 || run.summary.status != TC_HOLDS);
    sim_run_free(&run);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_all_scenarios(void **state)
{
    (void)state;
    static char names[256][TC_NAME_MAX];
    const char *all = getenv("TC_ALL"); /* tests/run --all */
    const uint64_t seeds = all && strcmp(all, "1") == 0 ? 8 * SEEDS : SEEDS;
    size_t count = 0;
    DIR *dir = opendir(TC_SOURCE_LUA_DIR "/scenarios");
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) && count < 256;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".lua") == 0)
            snprintf(names[count++], TC_NAME_MAX, "%.*s", (int)(dot - entry->d_name), entry->d_name);
    }
    closedir(dir);
    assert_true(count >= 20);
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i += STRIDE) {
        static struct tc_scenario scenario;
        struct tc_error err = {0};
        assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, names[i], &scenario, &err), 0);
        if (!scenario.cluster.start || scenario.sweep.protocol_count || !tc_replica_find(scenario.cluster.protocol))
            continue;
        uint64_t missed = 0;
        for (uint64_t seed = 1; seed <= seeds; seed++)
            missed += !one(names[i], seed);
        assert_true(missed * 8 <= seeds); /* when a bug shows itself may be a matter of moments; a few seeds: never */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_scenarios)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
