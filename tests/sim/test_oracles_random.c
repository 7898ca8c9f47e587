/* All oracles over whole PBFT clusters in the lab. Correct replicas under random misfortune and up to f traitors: no
 * oracle may call it a violation. Seeded bugs under the same: they must be found.
 *
 *   TC_RUNS=<n>  seeds for the correct cluster (default 30);  TC_FIRST=<n> from which;  TC_SEED=<n> one seed, told */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oracle_lab.h"

/* What all the runs together must have seen, or they prove nothing. */
struct coverage {
    uint64_t runs, caught, certificates, executions, justified, decisions;
};

static const struct tc_judgement *judgement_of(const struct run *r, const char *name)
{
    for (size_t i = 0; i < tc_judge_count(r->judge); i++)
        if (strcmp(tc_judge_get(r->judge, i)->oracle->name, name) == 0)
            return tc_judge_get(r->judge, i);
    return NULL;
}

static void judge_correct(uint64_t seed, struct coverage *all)
{
    static struct run r;
    struct tc_verdict_summary s;
    run_open(&r, seed, 0);
    run_all(&r);
    tc_judge_summary(r.judge, 0, &s);
    if (getenv("TC_SEED") || tc_judge_violations(r.judge) > 0 || s.status == TC_EXPECTED)
        print_verdict(&r, &s);
    assert_int_equal(tc_judge_violations(r.judge), 0);
    assert_int_not_equal(s.status, TC_EXPECTED);
    all->runs++;
    all->caught += judgement_of(&r, "equivocation")->status == TC_CAUGHT;
    all->certificates += judgement_of(&r, "certificate-validity")->result.compared;
    all->executions += judgement_of(&r, "agreement")->result.compared;
    all->justified += judgement_of(&r, "justification")->result.compared;
    all->decisions += judgement_of(&r, "bounded-recovery")->result.compared;
    run_close(&r);
}

static void correct_replicas_are_never_accused(void **state)
{
    (void)state;
    struct coverage all = {0};
    if (getenv("TC_SEED")) {
        judge_correct(setting("TC_SEED", 1), &all);
        return;
    }
    uint64_t first = setting("TC_FIRST", 1);
    uint64_t runs = setting("TC_RUNS", 30);
    for (uint64_t seed = first; seed < first + runs; seed++)
        judge_correct(seed, &all);
    fprintf(stderr,
            "%llu runs: %llu with a traitor caught, %llu certificates, %llu sequence numbers, %llu decisions, %llu "
            "statements justified\n",
            (unsigned long long)all.runs, (unsigned long long)all.caught, (unsigned long long)all.certificates,
            (unsigned long long)all.executions, (unsigned long long)all.decisions, (unsigned long long)all.justified);
    assert_true(all.caught * 4 > all.runs);
    assert_true(all.certificates > all.runs);
    assert_true(all.executions > 20 * all.runs);
}

/* Runs with the bug until the judge calls it a violation; the seed, or 0. */
static uint64_t hunt(enum tc_bug bug, uint64_t runs, char first[static 512])
{
    static struct run r;
    for (uint64_t seed = 1; seed <= runs; seed++) {
        struct tc_verdict_summary s;
        run_open(&r, seed, TC_BUG_BIT(bug));
        run_all(&r);
        tc_judge_summary(r.judge, 0, &s);
        if (setting("TC_SEED", 0) == seed)
            print_verdict(&r, &s);
        snprintf(first, 512, "%s", s.sentence);
        bool found = s.status == TC_VIOLATED;
        run_close(&r);
        if (found)
            return seed;
    }
    return 0;
}

static void seeded_bugs_are_found(void **state)
{
    static const enum tc_bug bugs[] = {
        TC_BUG_COMMIT_QUORUM,    TC_BUG_PREPARE_QUORUM,     TC_BUG_VIEW_CHANGE_QUORUM,
        TC_BUG_PREPARED_DROPPED, TC_BUG_NEW_VIEW_UNCHECKED, TC_BUG_PREPARE_DIGEST_IGNORED,
    };
    (void)state;
    uint64_t runs = setting("TC_RUNS", 30);
    unsigned missed = 0;
    for (size_t i = 0; i < sizeof bugs / sizeof bugs[0]; i++) {
        const enum tc_bug bug = bugs[i];
        char first[512] = "";
        uint64_t seed = hunt(bug, runs, first);
        fprintf(stderr, "%-24s %s %llu: %s\n", tc_bugs[bug].name, seed ? "found by seed" : "MISSED, seeds tried",
                (unsigned long long)(seed ? seed : runs), seed ? first : "");
        missed += seed == 0;
    }
    assert_int_equal(missed, 0);
}

/* Where the schedule makes two replicas fork, agreement says so, says why, and shows valid messages. */
static void a_fork_is_explained(void **state)
{
    (void)state;
    static struct run r;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_open(&r, seed, TC_BUG_BIT(TC_BUG_PREPARE_DIGEST_IGNORED));
        run_all(&r);
        const struct tc_judgement *j = judgement_of(&r, "agreement");
        if (j->status != TC_VIOLATED) {
            run_close(&r);
            continue;
        }
        const struct tc_finding *f = &j->findings[0];
        assert_non_null(strstr(f->because, "'s prepare names "));
        assert_true(f->evidence_count > 4);
        for (uint32_t i = 2; i < f->evidence_count; i++)
            assert_true(f->evidence[i].signature_valid && f->evidence[i].frame.len > 0);
        assert_true(judgement_of(&r, "justification")->findings[0].time_ns < f->time_ns);
        run_close(&r);
        return;
    }
    fail_msg("no fork in 20 seeds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_replicas_are_never_accused),
        cmocka_unit_test(seeded_bugs_are_found),
        cmocka_unit_test(a_fork_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
