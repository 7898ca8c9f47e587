/* Results of hunts: written and read, merged in any order to the same, exit codes, JUnit.
 * links: tc_reports tc_oracles tc_engine tc_protocol */
#include "../../proxy/nodeset.h"
#include "../../reports/hunt.h"
#include "../../reports/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tc-hunt-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void begin(struct tc_hunt_result *r, uint32_t shard, uint32_t shards)
{
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "hunt-pbft");
    snprintf(r->protocol, sizeof r->protocol, "pbft");
    r->seed = 0xabcdef012345;
    r->setting = UINT64_C(0xfedcba9876543210);
    r->shard = shard;
    r->shards = shards;
    r->jobs = 2;
    snprintf(r->command, sizeof r->command, "turncoat hunt hunt-pbft --shard %u/%u --keep-going", shard, shards);
    r->next[1] = UINT64_C(1) << 40;
    r->strategy_count = 2;
    snprintf(r->strategies[0].name, sizeof r->strategies[0].name, "random");
    snprintf(r->strategies[1].name, sizeof r->strategies[1].name, "byzzfuzz");
    r->strategies[1].sum = (struct tc_hunt_sum){.runs = 10, .bitten = 7, .busy_ns = 1000};
    r->complete = true;
}

static void find(struct tc_hunt_result *r, const char *oracle, const char *rule, uint64_t index)
{
    struct tc_hunt_group *g = tc_hunt_group(r, oracle, rule);
    struct tc_hunt_oracle *o = tc_hunt_oracle(r, oracle);
    if (index < g->all.index) {
        snprintf(g->text, sizeof g->text, "run %d <&> \"differs\"", (int)index);
        snprintf(g->dir, sizeof g->dir, "found/1-%s", oracle);
        g->seed = index * 3;
    }
    tc_hunt_count(&g->all, index, (double)index / 10);
    tc_hunt_count(&g->by[index % 2], index, (double)index / 10);
    tc_hunt_count(&o->seen, index, (double)index / 10);
    r->strategies[index % 2].sum.violated++;
}

static void a_result_comes_back(void **state)
{
    (void)state;
    static struct tc_hunt_result r, back;
    struct tc_error err = {0};
    begin(&r, 1, 3);
    find(&r, "agreement", "", 41);
    find(&r, "justification", "commit-without-prepared", 7);
    r.groups[0].stored = r.groups[0].minimal = true;
    r.groups[0].cause = TC_HUNT_TRAITOR;
    r.groups[0].kept = 3;
    r.groups[0].choices = 212;
    r.groups[0].honest_of = 20;
    tc_nodeset_add(&r.groups[0].traitors, 2);
    tc_hunt_slow_add(&r, &(struct tc_hunt_slow){2, "prepare held", 3.1});
    tc_hunt_slow_add(&r, &(struct tc_hunt_slow){1, "commit dropped", 1.2});
    tc_hunt_slow_add(&r, &(struct tc_hunt_slow){1, "pre-prepare dropped", 2.7});
    tc_hunt_slow_add(&r, &(struct tc_hunt_slow){1, "commit dropped", 1.2}); /* another process says the same */
    assert_int_equal(r.slow_count, 3);
    assert_string_equal(r.slowest[0].action, "pre-prepare dropped");
    assert_string_equal(r.slowest[1].action, "commit dropped");
    assert_int_equal(tc_hunt_write(dir, &r, &err), 0);
    assert_true(tc_hunt_is(dir));
    assert_int_equal(tc_hunt_read(dir, &back, &err), 0);
    assert_memory_equal(&back.groups, &r.groups, sizeof r.groups);
    assert_memory_equal(&back.oracles, &r.oracles, sizeof r.oracles);
    assert_memory_equal(&back.strategies, &r.strategies, sizeof r.strategies);
    assert_int_equal(back.slow_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(back.slowest[i].action, r.slowest[i].action);
        assert_true(back.slowest[i].round == r.slowest[i].round && back.slowest[i].times == r.slowest[i].times);
    }
    assert_true(back.seed == r.seed && back.setting == r.setting);
    assert_true(back.next[1] == r.next[1] && back.shard == 1 && back.shards == 3);
    assert_false(tc_hunt_is("/nowhere"));
    assert_int_equal(tc_hunt_read("/nowhere", &back, &err), TC_ENOT_FOUND);
}

static void results_of_others_are_refused(void **state)
{
    (void)state;
    static struct tc_hunt_result back;
    struct tc_error err = {0};
    struct tc_buf text = {0};
    tc_buf_add(&text, "{\"verdict\":\"holds\"}\n");
    assert_int_equal(tc_out_file(dir, "result.json", &text, &err), 0);
    assert_false(tc_hunt_is(dir));
    assert_int_equal(tc_hunt_read(dir, &back, &err), TC_EMALFORMED);
    text.len = 5;
    assert_int_equal(tc_out_file(dir, "result.json", &text, &err), 0);
    assert_int_equal(tc_hunt_read(dir, &back, &err), TC_EMALFORMED);
    tc_buf_free(&text);
}

/* Three shards, in every order: the same groups, the first of each told of, sums over all. */
static void merging_knows_no_order(void **state)
{
    (void)state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static struct tc_hunt_result shards[3], whole;
    static const char *const dirs[] = {"a", "b", "c"};
    struct tc_error err = {0};
    for (uint32_t i = 0; i < 3; i++)
        begin(&shards[i], i, 3);
    find(&shards[0], "agreement", "", 30);
    find(&shards[1], "agreement", "", 13);
    find(&shards[1], "lock", "", 4);
    find(&shards[2], "agreement", "", 23);
    find(&shards[2], "agreement", "", 26);
    for (uint32_t i = 1; i < 3; i++)
        tc_hunt_slow_add(&shards[i], &(struct tc_hunt_slow){1, "pre-prepare dropped", 2.7});
    for (int k = 0; k < 6; k++) {
        memset(&whole, 0, sizeof whole);
        for (int i = 0; i < 3; i++)
            assert_int_equal(tc_hunt_merge(&whole, &shards[orders[k][i]], dirs[orders[k][i]], &err), 0);
        assert_string_equal(whole.command, "turncoat hunt hunt-pbft --keep-going");
        assert_int_equal(whole.group_count, 2);
        assert_string_equal(whole.groups[0].oracle, "lock");
        assert_int_equal(whole.groups[1].all.index, 13);
        assert_int_equal(whole.groups[1].all.runs, 4);
        assert_string_equal(whole.groups[1].text, "run 13 <&> \"differs\"");
        assert_string_equal(whole.groups[1].dir, "b/found/1-agreement");
        assert_int_equal(whole.groups[1].by[0].index, 26);
        assert_int_equal(whole.slow_count, 1);
        assert_int_equal(tc_hunt_total(&whole).runs, 30);
        assert_int_equal(tc_hunt_exit_code(&whole), 1);
        assert_int_equal(tc_hunt_merge(&whole, &shards[1], "b", &err), TC_EUSAGE); /* given already */
    }
    snprintf(shards[0].bug, sizeof shards[0].bug, "another");
    shards[0].shard = 0;
    memset(&whole, 0, sizeof whole);
    assert_int_equal(tc_hunt_merge(&whole, &shards[1], "b", &err), 0);
    assert_int_equal(tc_hunt_merge(&whole, &shards[0], "a", &err), TC_EUSAGE);
    assert_non_null(strstr(err.text, "another seeded bug"));
    shards[2].setting++; /* another file, or another number of replicas, behind the same names */
    assert_int_equal(tc_hunt_merge(&whole, &shards[2], "c", &err), TC_EUSAGE);
    assert_non_null(strstr(err.text, "other options"));
}

static void exit_codes(void **state)
{
    (void)state;
    static struct tc_hunt_result r;
    begin(&r, 0, 1);
    assert_int_equal(tc_hunt_exit_code(&r), 0);
    r.strategies[1].sum.bitten = 0;
    assert_int_equal(tc_hunt_exit_code(&r), 3);
    assert_non_null(strstr(tc_hunt_why(&r), "no fault bit"));
    snprintf(r.error, sizeof r.error, "run 3: the script failed");
    assert_int_equal(tc_hunt_exit_code(&r), 70);
    find(&r, "agreement", "", 1);
    assert_int_equal(tc_hunt_exit_code(&r), 1);
    r.interrupted = true;
    assert_int_equal(tc_hunt_exit_code(&r), 130);
}

/* What nobody looked at is no pass: a hunt that was killed, a shard that is not here or was killed. */
static void parts_that_are_missing(void **state)
{
    (void)state;
    static struct tc_hunt_result shards[2], whole;
    struct tc_error err = {0};
    begin(&whole, 0, 1);
    whole.complete = false;
    assert_int_equal(tc_hunt_exit_code(&whole), 3);
    assert_non_null(strstr(tc_hunt_why(&whole), "cut short"));
    memset(&whole, 0, sizeof whole);
    for (uint32_t i = 0; i < 2; i++) {
        begin(&shards[i], i, 2);
        assert_int_equal(tc_hunt_merge(&whole, &shards[i], "a", &err), 0);
        assert_int_equal(tc_hunt_exit_code(&whole), i == 0 ? 3 : 0);
    }
    shards[1].complete = false;
    memset(&whole, 0, sizeof whole);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(tc_hunt_merge(&whole, &shards[i], "a", &err), 0);
    assert_int_equal(tc_hunt_exit_code(&whole), 3);
    char *said = tc_hunt_terminal(&whole, dir, false);
    assert_non_null(strstr(said, "a shard was cut short"));
    assert_non_null(strstr(said, "INCONCLUSIVE"));
    free(said);
    find(&whole, "agreement", "", 1); /* what was found stands */
    assert_int_equal(tc_hunt_exit_code(&whole), 1);
}

/* More kinds than there is room for are counted, never silently dropped. */
static void kinds_beyond_the_bound(void **state)
{
    (void)state;
    static struct tc_hunt_result r;
    char rule[32];
    begin(&r, 0, 1);
    for (int i = 0; i < TC_HUNT_GROUPS_MAX; i++) {
        snprintf(rule, sizeof rule, "rule-%d", i);
        find(&r, "justification", rule, 1000 - (uint64_t)i);
    }
    assert_null(tc_hunt_group(&r, "agreement", ""));
    assert_non_null(tc_hunt_group(&r, "justification", "rule-3"));
    tc_hunt_sort(&r);
    assert_int_equal(r.groups[0].all.index, 1000 - TC_HUNT_GROUPS_MAX + 1);
}

static void the_reports_say_it(void **state)
{
    (void)state;
    static struct tc_hunt_result r;
    struct tc_error err = {0};
    struct tc_buf text = {0};
    begin(&r, 0, 1);
    find(&r, "agreement", "", 41);
    r.groups[0].stored = true;
    r.groups[0].cause = TC_HUNT_TRAITOR;
    assert_int_equal(tc_hunt_report(dir, &r, &err), 0);
    assert_int_equal(tc_out_read(dir, "junit.xml", 1 << 20, &text, &err), 0);
    assert_non_null(strstr(tc_buf_get(&text), "name=\"byzzfuzz agreement\""));
    assert_non_null(strstr(tc_buf_get(&text), "run 41 &lt;&amp;&gt; &quot;differs&quot;"));
    assert_non_null(strstr(tc_buf_get(&text), "failures=\"1\""));
    assert_non_null(strstr(tc_buf_get(&text), "no fault bit")); /* random did nothing */
    tc_buf_free(&text);
    assert_int_equal(tc_out_read(dir, "report.html", 1 << 20, &text, &err), 0);
    assert_non_null(strstr(tc_buf_get(&text), "run 41 &lt;&amp;&gt;"));
    assert_non_null(strstr(tc_buf_get(&text), "/found/1-agreement/shrunk.jsonl"));
    tc_buf_free(&text);
    char *said = tc_hunt_terminal(&r, dir, false);
    assert_non_null(strstr(said, "VIOLATED  agreement"));
    assert_non_null(strstr(said, "exit 1"));
    free(said);
}

/* What the network does alone in another run, a traitor was not needed for; of what was shrunk, it is said which run.
 */
static void the_cause_is_said(void **state)
{
    (void)state;
    static struct tc_hunt_result r;
    struct tc_error err = {0};
    static const struct {
        enum tc_hunt_cause cause;
        uint32_t honest;
        bool alone;
        const char *said, *never;
    } cases[] = {
        {TC_HUNT_TRAITOR, 0, false, "network alone does not suffice (0 of 20 runs without the traitor)", "suffices"},
        {TC_HUNT_TRAITOR, 4, false, "network alone suffices in 4 of 20 runs without the traitor, not in this one",
         "does not suffice"},
        {TC_HUNT_NETWORK, 4, true, "to 2 (of a run without the traitor)", "does not suffice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&r, 0, 1);
        find(&r, "agreement", "", 41);
        struct tc_hunt_group *g = &r.groups[0];
        g->stored = g->minimal = true;
        g->cause = cases[i].cause;
        g->honest = cases[i].honest;
        g->honest_of = 20;
        g->alone = cases[i].alone;
        g->choices = 9;
        g->kept = 2;
        g->shrunk_in = g->all.index;
        assert_int_equal(tc_hunt_write(dir, &r, &err), 0);
        static struct tc_hunt_result back;
        assert_int_equal(tc_hunt_read(dir, &back, &err), 0);
        char *said = tc_hunt_terminal(&back, dir, false);
        assert_non_null(strstr(said, cases[i].said));
        assert_null(strstr(said, cases[i].never));
        free(said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_comes_back),    cmocka_unit_test(results_of_others_are_refused),
        cmocka_unit_test(merging_knows_no_order), cmocka_unit_test(exit_codes),
        cmocka_unit_test(kinds_beyond_the_bound), cmocka_unit_test(the_reports_say_it),
        cmocka_unit_test(parts_that_are_missing), cmocka_unit_test(the_cause_is_said),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
