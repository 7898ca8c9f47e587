/* Encrypted links of a network that runs already: one that never came up through the proxy is hidden from the judge,
 * whether the run is quiet or not; one that came up, or was told of, is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../reference/cometbft/protocol.h"
#include "../../reference/cometbft/protocol_parts.h"
#include "../lib/judge_bench.h"

#include "../../proxy/run_links.c" /* the program's own part, in no library */

const char *tc_run_dialled(void *self, uint16_t from, uint16_t to)
{
    (void)self, (void)from, (void)to;
    return "an address";
}

void tc_run_peers_id(const struct tc_run *run, uint16_t node, char id[static TC_IDENTITY_ID_SIZE])
{
    (void)run, (void)node;
    memset(id, 0, TC_IDENTITY_ID_SIZE);
}

/* A run over the bench's judge: four replicas, a client that waits and is never answered. */
struct world {
    struct bench bench;
    struct tc_scenario scenario;
    struct tc_run_request request;
    struct tc_run run;
};

static void open_world(struct world *w, bool start)
{
    struct tc_error err = {0};
    const struct tc_judge_config config = {.has_messages = true, .has_client_history = true, .links_complete = true};
    memset(w, 0, sizeof *w);
    bench_open_config(&w->bench, 4, 1, "bounded-recovery", config);
    w->scenario.cluster.start = start;
    w->request.quiet = true;
    w->run = (struct tc_run){.request = &w->request,
                             .scenario = &w->scenario,
                             .cluster = w->bench.cluster,
                             .protocol = &tc_cometbft,
                             .judge = w->bench.judge};
    assert_int_equal(tc_run_links_open(&w->run, &err), 0);
}

static void happen(struct world *w, enum tc_observation_kind kind, uint16_t node, uint16_t peer)
{
    char text[TC_RUN_LINK_TEXT_MAX];
    const struct tc_observation o = {.kind = kind, .node = node, .peer = peer, .text = ""};
    tc_run_links_observe(&w->run, &o, text);
}

static void phase(struct world *w, enum tc_run_phase phase)
{
    char text[TC_RUN_LINK_TEXT_MAX];
    struct tc_observation o = {.kind = TC_OBS_PHASE};
    o.phase.phase = phase;
    assert_false(tc_run_links_observe(&w->run, &o, text));
    w->run.phase = phase;
    bench_phase(&w->bench, phase);
}

/* All links but the one between 2 and 3 come up, then that one too where `last`; and nothing is decided. */
static void run_with(struct world *w, bool start, bool last)
{
    open_world(w, start);
    bench_request(&w->bench, 128, 1, true);
    for (uint16_t a = 0; a < 4; a++)
        for (uint16_t b = a + 1; b < 4; b++)
            if (a < 2 || last)
                happen(w, TC_OBS_LINK_UP, b, a);
    phase(w, TC_RUN_DURING);
    happen(w, TC_OBS_LINK_DOWN, 1, 0); /* one that was up and went is none that bypasses us */
    w->bench.now_ns += UINT64_C(10000000000);
    phase(w, TC_RUN_ENDED);
}

static void close_world(struct world *w)
{
    tc_run_links_close(&w->run);
    bench_close(&w->bench);
}

static void a_link_that_bypasses_us_leaves_nothing_to_judge(void **state)
{
    (void)state;
    struct world w;
    run_with(&w, false, false);
    const struct tc_judgement *j = bench_finish(&w.bench, "bounded-recovery");
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_int_equal(j->finding_total, 0);
    close_world(&w);
}

static void with_all_links_it_is_judged(void **state)
{
    (void)state;
    struct world w;
    run_with(&w, false, true);
    assert_int_equal(bench_finish(&w.bench, "bounded-recovery")->status, TC_VIOLATED);
    close_world(&w);
    run_with(&w, true, false); /* nodes of ours: told whom to dial, it is only late */
    assert_int_equal(bench_finish(&w.bench, "bounded-recovery")->status, TC_VIOLATED);
    close_world(&w);
}

static void a_link_that_broke_is_another_matter(void **state)
{
    (void)state;
    struct world w;
    char text[TC_RUN_LINK_TEXT_MAX];
    struct tc_observation broken = {.kind = TC_OBS_BROKEN, .node = 2, .peer = 3, .text = "its handshake was refused"};
    open_world(&w, false);
    for (uint16_t b = 1; b < 4; b++)
        for (uint16_t a = 0; a < b && a < 2; a++)
            happen(&w, TC_OBS_LINK_UP, b, a);
    w.run.phase = TC_RUN_BEFORE;
    assert_true(tc_run_links_observe(&w.run, &broken, text));
    assert_string_equal(text, "3 – 2 broke at replica 2's end: its handshake was refused");
    bench_request(&w.bench, 128, 1, true);
    phase(&w, TC_RUN_DURING);
    w.bench.now_ns += UINT64_C(10000000000);
    phase(&w, TC_RUN_ENDED);
    assert_int_equal(bench_finish(&w.bench, "bounded-recovery")->status, TC_VIOLATED);
    close_world(&w);
}

/* One takes connections and never answers: nobody knows what its link would have carried. */
static void a_handshake_that_never_ends_is_no_pass(void **state)
{
    (void)state;
    for (int comes_up = 0; comes_up < 2; comes_up++) {
        struct world w;
        char text[TC_RUN_LINK_TEXT_MAX];
        uint32_t at = 0;
        struct tc_observation broken = {.kind = TC_OBS_BROKEN, .node = 2, .peer = 3, .text = "no end"};
        broken.exit.status = TC_EUNREACHABLE;
        open_world(&w, false);
        for (uint16_t b = 1; b < 4; b++)
            for (uint16_t a = 0; a < b && a < 2; a++)
                happen(&w, TC_OBS_LINK_UP, b, a);
        w.run.phase = TC_RUN_BEFORE;
        assert_false(tc_run_links_observe(&w.run, &broken, text)); /* the next one may */
        assert_true(tc_run_links_missing(&w.run, &at, text));
        assert_non_null(strstr(text, "2 – 3 is not up: replica 2 takes the connection, and the handshake with it"));
        phase(&w, TC_RUN_DURING);
        if (comes_up)
            happen(&w, TC_OBS_LINK_UP, 2, 3);
        phase(&w, TC_RUN_ENDED);
        tc_run_links_end(&w.run);
        bench_finish(&w.bench, "bounded-recovery");
        struct tc_verdict_summary summary;
        tc_judge_summary(w.bench.judge, 0, &summary);
        assert_int_equal(strstr(summary.sentence, "2 – 3 is not up: replica 2 takes the connection") != NULL,
                         !comes_up);
        assert_true(comes_up || summary.status == TC_INCONCLUSIVE);
        close_world(&w);
    }
}

/* What a node says of itself when a link comes up. */
static void greet_as(struct world *w, uint16_t from, uint16_t to, const char *network, uint64_t block_version)
{
    Cometbft__ProtocolVersion version = COMETBFT__PROTOCOL_VERSION__INIT;
    Cometbft__NodeInfo info = COMETBFT__NODE_INFO__INIT;
    version.block = block_version;
    info.protocol_version = &version;
    info.network = (char *)(uintptr_t)network;
    struct tc_statement s = {.fields = {&cometbft__node_info__descriptor, &info}};
    const struct tc_message m = {
        .from = from, .to = to, .decoded = true, .type = "node-info", .statements = &s, .statement_count = 1};
    struct tc_observation o = {.kind = TC_OBS_MESSAGE};
    char text[TC_RUN_LINK_TEXT_MAX];
    o.message.message = &m;
    o.message.said = true;
    assert_false(tc_run_links_observe(&w->run, &o, text));
}

/* Links that end right after their greeting, three times: told the first time, with the reason, and the run proves
 * nothing; of nodes of ours that is an affair of their start. */
static void refused(bool start, const char *network, uint64_t block_version, const char *wanted)
{
    struct world w;
    open_world(&w, start);
    for (int i = 0; i < 3; i++) {
        char text[TC_RUN_LINK_TEXT_MAX];
        const struct tc_observation down = {.kind = TC_OBS_LINK_DOWN, .node = 1, .peer = 3};
        happen(&w, TC_OBS_LINK_UP, 1, 3);
        greet_as(&w, 1, 3, "chain", 11);
        greet_as(&w, 3, 1, network, block_version);
        assert_int_equal(tc_run_links_observe(&w.run, &down, text), i == 0);
        if (i == 0)
            assert_non_null(strstr(text, wanted));
    }
    struct tc_verdict_summary summary;
    bench_finish(&w.bench, "bounded-recovery");
    tc_judge_summary(w.bench.judge, 0, &summary);
    assert_int_equal(strstr(summary.sentence, wanted) != NULL, !start);
    assert_true(start || summary.status == TC_INCONCLUSIVE);
    close_world(&w);
}

static void a_link_that_is_refused_is_told_once(void **state)
{
    (void)state;
    static const char networks[] = "1 – 3 refused: replica 1 is of the network \"chain\", replica 3 of \"other\"";
    refused(false, "other", 11, networks);
    refused(true, "other", 11, networks);
    refused(false, "chain", 12, "1 – 3 refused: replica 1 has block version 11, replica 3 has 12");
    refused(false, "chain", 11, "1 – 3 closed right after the handshake: does replica 1 know replica 3 by the id ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_bypasses_us_leaves_nothing_to_judge),
        cmocka_unit_test(with_all_links_it_is_judged),
        cmocka_unit_test(a_link_that_broke_is_another_matter),
        cmocka_unit_test(a_handshake_that_never_ends_is_no_pass),
        cmocka_unit_test(a_link_that_is_refused_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
