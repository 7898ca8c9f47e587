/* The bug zoo, each seeded bug under the smallest schedule or attack that brings it to light: the oracle that is named
 * for it fires, and under the same schedule no oracle fires on the correct code. links: tc_trial */
#include "../../reference/bugs.h"
#include "sim_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Under a sanitizer, ten times slower, every sixth row must do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 6
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRIDE 6
#endif
#endif
#ifndef STRIDE
#define STRIDE 1
#endif

struct row {
    const char *bug, *protocol, *scenario;
    const char *others; /* oracles that must fire too, beside the one of the table, with a space between */
};

static const struct row rows[] = {
#define ROW(bug, protocol, scenario, others) {bug, protocol, scenario, others},
#include "zoo.def"
#undef ROW
};

static const struct tc_judgement *judgement_of(const struct sim_run *run, const char *oracle, size_t len)
{
    for (size_t i = 0; i < tc_judge_count(run->judge); i++) {
        const struct tc_judgement *judgement = tc_judge_get(run->judge, i);
        if (strlen(judgement->oracle->name) == len && memcmp(judgement->oracle->name, oracle, len) == 0)
            return judgement;
    }
    fprintf(stderr, "no oracle %.*s\n", (int)len, oracle);
    return NULL;
}

static void simulate(struct sim_run *run, const struct row *row, bool with)
{
    sim_run_load(run, row->scenario, 1);
    assert_true(strlen(row->protocol) < sizeof run->scenario.cluster.protocol);
    snprintf(run->scenario.cluster.protocol, sizeof run->scenario.cluster.protocol, "%s", row->protocol);
    snprintf(run->scenario.cluster.bug, sizeof run->scenario.cluster.bug, "%s", with ? row->bug : "");
    sim_run_slow(run);
    sim_run_go(run);
    assert_int_equal(run->status, 0);
}

static bool fires(const struct sim_run *run, const struct row *row, const char *oracle, size_t len)
{
    const struct tc_judgement *judgement = judgement_of(run, oracle, len);
    if (judgement && judgement->status == TC_VIOLATED) {
        print_message("%s, %s: %.*s: %s\n", row->bug, row->protocol, (int)len, oracle, judgement->findings[0].text);
        return true;
    }
    fprintf(stderr, "%s, %s, %s: %.*s does not fire: %s\n", row->bug, row->protocol, row->scenario, (int)len, oracle,
            run->summary.sentence);
    return false;
}

static void test_bugs_are_caught(void **state)
{
    static struct sim_run run;
    uint32_t missed = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i += STRIDE) {
        const int bug = tc_bug_find(rows[i].bug);
        assert_true(bug >= 0 && tc_bug_applies(bug, rows[i].protocol));
        simulate(&run, &rows[i], true);
        missed += !fires(&run, &rows[i], tc_bugs[bug].caught_by, strlen(tc_bugs[bug].caught_by));
        for (const char *at = rows[i].others; *at; at += strspn(at, " ")) {
            const size_t len = strcspn(at, " ");
            missed += !fires(&run, &rows[i], at, len);
            at += len;
        }
        sim_run_free(&run);
    }
    assert_int_equal(missed, 0);
}

/* The same schedule or attack, and it did happen. */
static void test_correct_replicas_are_not_blamed(void **state)
{
    static struct sim_run run;
    uint32_t blamed = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i += STRIDE) {
        simulate(&run, &rows[i], false);
        if (run.summary.status != TC_HOLDS || (run.scenario.attack[0] && run.bitten == 0)) {
            fprintf(stderr, "correct %s, %s: %llu bitten: %s\n", rows[i].protocol, rows[i].scenario,
                    (unsigned long long)run.bitten, run.summary.sentence);
            blamed++;
        }
        sim_run_free(&run);
    }
    assert_int_equal(blamed, 0);
}

/* No bug without a row for each protocol that it applies to. */
static void test_table_is_whole(void **state)
{
    static const char *const protocols[] = {"pbft", "hotstuff", "chained-hotstuff"};
    (void)state;
    for (int bug = 0; bug < TC_BUG_COUNT; bug++)
        for (size_t p = 0; p < sizeof protocols / sizeof protocols[0]; p++) {
            bool found = !tc_bug_applies(bug, protocols[p]);
            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                found |= strcmp(rows[i].bug, tc_bugs[bug].name) == 0 && strcmp(rows[i].protocol, protocols[p]) == 0;
            if (!found)
                fail_msg("no schedule for %s on %s", tc_bugs[bug].name, protocols[p]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_bugs_are_caught),
        cmocka_unit_test(test_correct_replicas_are_not_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
