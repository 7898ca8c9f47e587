/* Keys that are swapped between replicas of a network that runs already: found by who says whose votes first; with too
 * few votes for that, and nobody to ask, the run says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../reference/cometbft/protocol.h"
#include "../lib/judge_bench.h"

#include "../../proxy/run_voice.c" /* the program's own part, in no library */

struct world {
    struct bench bench;
    struct tc_scenario scenario;
    struct tc_run run;
};

static void open_world(struct world *w)
{
    const struct tc_judge_config config = {.has_messages = true, .links_complete = true};
    memset(w, 0, sizeof *w);
    bench_open_config(&w->bench, 4, 1, "equivocation", config);
    w->run = (struct tc_run){.scenario = &w->scenario,
                             .cluster = w->bench.cluster,
                             .protocol = &tc_cometbft,
                             .live = (struct tc_live *)w, /* there is one; nobody looks inside */
                             .judge = w->bench.judge};
}

/* A vote that bears the key given for `signer` is said by `from`; whom it gives away. */
static uint16_t vote(struct world *w, uint16_t signer, uint16_t from, uint64_t height)
{
    struct tc_statement s = {
        .kind = TC_KIND_VOTE, .has_sequence = true, .has_view = true, .sequence = height, .signer = signer};
    const struct tc_message m = {.from = from, .decoded = true, .statements = &s, .statement_count = 1};
    return tc_run_voice(&w->run, &m);
}

/* Is the run inconclusive in the end, and are these words of the reason? */
static bool is_unsure(struct world *w, const char *why)
{
    struct tc_verdict_summary summary;
    tc_run_voice_end(&w->run);
    tc_judge_finish(w->bench.judge, 1000000000);
    tc_judge_summary(w->bench.judge, 0, &summary);
    const bool unsure = strstr(summary.sentence, why) != NULL;
    bench_close(&w->bench);
    return unsure;
}

static void swapped_keys_are_found(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    for (uint64_t height = 10; height < 15; height++) /* the first two may have been said before */
        assert_int_equal(vote(&w, 1, 0, height), TC_NODE_NONE);
    assert_int_equal(vote(&w, 1, 0, 15), 0);
    bench_close(&w.bench);
}

static void a_replica_that_speaks_first_once_is_itself(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    for (uint64_t height = 10; height < 30; height++) {
        assert_int_equal(vote(&w, 1, height == 12 ? 1 : 0, height), TC_NODE_NONE);
        assert_int_equal(vote(&w, 1, 2, height), TC_NODE_NONE); /* relayed */
    }
    assert_false(is_unsure(&w, "keys"));
}

static void a_few_votes_leave_it_open(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        struct world w;
        open_world(&w);
        if (open)
            strcpy(w.scenario.cluster.nodes[1].rpc, "127.0.0.1:1"); /* it was asked for its key */
        for (uint64_t height = 10; height < 13; height++) {
            vote(&w, 0, 0, height);
            vote(&w, 1, 0, height);
        }
        assert_int_equal(is_unsure(&w, "votes of the key given for replica 1 were said by replica 0 first"), !open);
    }
}

static void hardly_any_vote_leaves_it_open(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    vote(&w, 1, 1, 10);
    vote(&w, 1, 1, 11);
    assert_true(is_unsure(&w, "too few votes to tell"));
    open_world(&w); /* ours: right by construction */
    w.scenario.cluster.start = true;
    vote(&w, 1, 1, 10);
    assert_false(is_unsure(&w, "too few votes to tell"));
    open_world(&w); /* one that was down from then on, among those that are themselves */
    vote(&w, 1, 1, 10);
    for (uint64_t height = 10; height < 14; height++)
        vote(&w, 0, 0, height);
    assert_false(is_unsure(&w, "too few votes to tell"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapped_keys_are_found),
        cmocka_unit_test(a_replica_that_speaks_first_once_is_itself),
        cmocka_unit_test(a_few_votes_leave_it_open),
        cmocka_unit_test(hardly_any_vote_leaves_it_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
