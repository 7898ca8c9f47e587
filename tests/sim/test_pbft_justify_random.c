/* The justifier over whole clusters with random faults: it must say nothing of correct replicas, whatever traitors,
 * network and crashes do, and must catch every seeded bug of the zoo in some run.
 *
 * Two witnesses: what the lab says (agreement, self-contradiction) and what the justifier says. `JUSTIFY_RUNS` in the
 * environment sets the number of runs; a failure prints the seed. */
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "../../reference/bugs.h"
#include "../../reference/pbft/protocol.h"
#include "../lib/cluster.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAID_MAX (1u << 20)
#define SECOND   UINT64_C(1000000000)

struct run {
    struct tc_lab *lab;
    struct tc_justifier *j;
    struct tc_lab_options options;
    uint64_t seed, bug;
    uint64_t *said; /* hashes of what was said: what is heard untouched may be trusted */
    struct tc_arena arena;
    struct tc_arena hook_arena;
    uint16_t traitor;
    uint32_t breaches;
    char text[512], rule[64];
    uint64_t judged, unjudged;
    uint64_t transfers, replays, views; /* what happened, over all runs */
};

static void on_breach(void *self, const struct tc_breach *breach)
{
    struct run *run = self;
    if (tc_nodeset_has(&run->options.traitors, breach->replica))
        return;
    run->breaches++;
    if (run->breaches > 1)
        return;
    snprintf(run->text, sizeof run->text, "%s", breach->text);
    snprintf(run->rule, sizeof run->rule, "%s", breach->rule);
}

static bool decode(struct run *run, uint16_t from, uint16_t to, struct tc_slice frame, struct tc_message *m)
{
    tc_arena_reset(&run->arena);
    *m = (struct tc_message){.from = from, .to = to};
    return tc_pbft.decode(frame, &run->arena, m) == 0;
}

static uint64_t *said_entry(struct run *run, uint16_t from, struct tc_slice frame, uint64_t *hash)
{
    *hash = tc_random_mix_bytes(from, frame);
    return &run->said[*hash % SAID_MAX];
}

static void on_said(void *self, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct run *run = self;
    struct tc_message m;
    uint64_t hash, *entry = said_entry(run, from, frame, &hash);
    *entry = hash;
    if (to < run->options.cluster.n && decode(run, from, to, frame, &m))
        tc_pbft.justifier->said(run->j, from, &m);
}

static void on_heard(void *self, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct run *run = self;
    struct tc_message m;
    uint64_t hash;
    const uint64_t *entry = said_entry(run, from, frame, &hash);
    if (decode(run, from, to, frame, &m))
        tc_pbft.justifier->heard(run->j, to, &m, *entry == hash && !tc_nodeset_has(&run->options.traitors, from));
}

static void on_observed(void *self, uint16_t node, const struct tc_observation *observation)
{
    struct run *run = self;
    struct tc_observation copy = *observation;
    copy.node = node;
    tc_pbft.justifier->observed(run->j, &copy);
}

/* ---- the traitor ---- */

static uint64_t draw(const struct run *run, uint64_t what, uint64_t bound)
{
    return tc_random_below(tc_random_mix(tc_random_mix(run->seed, what), 77), bound);
}

/* A forged message is signed by its forger. */
static bool forge(struct run *run, const struct tc_message *m, uint16_t to)
{
    struct tc_message out;
    if (tc_pbft.sign(tc_lab_env(run->lab), m, run->traitor, &run->hook_arena, &out) != 0)
        return false;
    tc_lab_deliver(run->lab, run->traitor, to, out.frame, 0);
    return true;
}

static ProtobufCBinaryData empty_batch(struct run *run)
{
    uint8_t *digest = tc_arena_alloc(&run->hook_arena, TC_VALUE_SIZE);
    assert_non_null(digest);
    tc_wire_batch_digest(NULL, 0, digest);
    return (ProtobufCBinaryData){TC_VALUE_SIZE, digest};
}

/* Every order of the new view names the empty batch. */
static bool forge_new_view(struct run *run, struct tc_message *m, uint16_t to)
{
    Pbft__NewView *body = m->statements[0].fields.base;
    for (size_t i = 0; i < body->n_pre_prepares; i++) {
        Wire__Envelope *envelope = body->pre_prepares[i];
        void *order;
        if (tc_wire_get_body(envelope, &pbft__pre_prepare__descriptor, &run->hook_arena, &order) != 0)
            return false;
        ((Pbft__PrePrepare *)order)->digest = empty_batch(run);
        if (tc_wire_set_body(envelope, order, &run->hook_arena) != 0 ||
            tc_wire_sign(tc_lab_env(run->lab), envelope, &run->hook_arena) != 0)
            return false;
    }
    return forge(run, m, to);
}

/* The traitor tells some of the others another story, in which every batch is empty and nothing was ever prepared. */
static bool lie(struct run *run, uint16_t to, struct tc_message *m)
{
    struct tc_message second;
    struct tc_error err = {0};
    switch (m->statements[0].kind) {
    case TC_KIND_PROPOSE:
        return tc_pbft.perturb(tc_lab_env(run->lab), m, 1, true, &run->hook_arena, &second, &err) == 0 &&
               forge(run, &second, to);
    case TC_KIND_VOTE: /* prepare and commit are laid out alike */
        ((Pbft__Prepare *)m->statements[0].fields.base)->digest = empty_batch(run);
        return forge(run, m, to);
    case TC_KIND_VIEW_CHANGE:
        ((Pbft__ViewChange *)m->statements[0].fields.base)->n_prepared = 0;
        return forge(run, m, to);
    case TC_KIND_NEW_VIEW:
        return forge_new_view(run, m, to);
    default:
        return false;
    }
}

static bool hook(void *self, struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct run *run = self;
    struct tc_message m = {.from = from, .to = to};
    if (from != run->traitor || to >= TC_CLIENT_FIRST || !run->lab)
        return false;
    if (draw(run, 100 + to, 2) == 0) /* whom it is honest with */
        return false;
    (void)lab;
    tc_arena_reset(&run->hook_arena);
    return tc_pbft.decode(frame, &run->hook_arena, &m) == 0 && m.sender == from && lie(run, to, &m);
}

/* ---- a run ---- */

static void choose(struct run *run)
{
    const uint32_t faulty = 65536 / 50;
    run->options = (struct tc_lab_options){
        .cluster = {.id = "random",
                    .n = draw(run, 1, 6) == 0 ? 7 : 4,
                    .client_count = 3,
                    .checkpoint_interval = draw(run, 2, 2) ? 8 : 16,
                    .window = 32,
                    .batch_max = 4,
                    .pipeline_max = 4,
                    .view_timeout_ns = SECOND / 5,
                    .view_timeout_max_ns = 2 * SECOND},
        .scheme = TC_SCHEME_KEYED_HASH,
        .seed = run->seed,
        .bugs = run->bug,
        .network = {.latency_min_ns = 100000,
                    .latency_max_ns = draw(run, 3, 2) ? 2000000 : 20000000,
                    .drop = draw(run, 4, 2) ? faulty : 0,
                    .duplicate = draw(run, 5, 2) ? 2 * faulty : 0,
                    .corrupt = draw(run, 6, 3) ? 0 : faulty,
                    .fifo = draw(run, 7, 2) != 0},
        .sync_ns_max = draw(run, 8, 2) ? 1000000 : 0,
        .retry_ns = SECOND / 4,
        .hook = hook,
        .hook_self = run,
        .watch = {on_said, on_heard, on_observed, run},
    };
    run->options.cluster.f = tc_protocol_faults_max(run->options.cluster.n);
    run->traitor = draw(run, 9, 3) ? (uint16_t)draw(run, 10, 2) : TC_NODE_NONE;
    tc_nodeset_add(&run->options.traitors, run->traitor);
}

/* Connections are new: the lab says no hello itself. */
static void greet(struct run *run, uint16_t from, uint16_t to)
{
    struct tc_slice frame;
    struct tc_message m;
    tc_arena_reset(&run->hook_arena);
    assert_int_equal(tc_wire_hello(&run->options.cluster, from, &run->hook_arena, &frame), 0);
    if (decode(run, from, to, frame, &m))
        tc_pbft.justifier->said(run->j, from, &m);
}

static void greet_all(struct run *run)
{
    for (uint16_t from = 0; from < run->options.cluster.n; from++)
        for (uint16_t to = 0; to < run->options.cluster.n; to++)
            if (from != to)
                greet(run, from, to);
}

static void up(struct run *run, uint16_t node, uint32_t incarnation)
{
    const struct tc_observation line = {.kind = TC_OBS_NODE_UP, .node = node, .incarnation = incarnation};
    tc_pbft.justifier->observed(run->j, &line);
}

static uint64_t highest_view(const struct run *run)
{
    uint64_t highest = 0;
    for (uint16_t i = 0; i < run->options.cluster.n; i++)
        if (tc_lab_view(run->lab, i) > highest)
            highest = tc_lab_view(run->lab, i);
    return highest;
}

/* One misfortune: a crash, a partition, a leader cut off; ended by the next. */
static void misfortune(struct run *run, uint64_t step, uint16_t *crashed)
{
    const uint32_t n = run->options.cluster.n;
    uint8_t groups[TC_NODES_MAX] = {0};
    tc_lab_heal(run->lab);
    if (draw(run, 90 + step, 2)) /* reset, or the same connections go on */
        greet_all(run);
    if (*crashed < n) {
        up(run, *crashed, 2 + (uint32_t)step);
        for (uint16_t peer = 0; peer < n; peer++) {
            greet(run, *crashed, peer);
            greet(run, peer, *crashed);
        }
        tc_lab_restart(run->lab, *crashed, false);
        *crashed = TC_NODE_NONE;
    }
    switch (draw(run, 20 + step, 5)) {
    case 0:
        *crashed = (uint16_t)draw(run, 40 + step, n);
        tc_lab_crash(run->lab, *crashed);
        break;
    case 1:
        for (uint32_t i = 0; i < n; i++)
            groups[i] = (uint8_t)draw(run, 60 + step * 8 + i, 2);
        tc_lab_partition(run->lab, groups, false);
        break;
    case 2: /* whoever leads now */
    case 3:
        groups[tc_protocol_leader(&tc_pbft, tc_lab_env(run->lab), highest_view(run))] = 1;
        tc_lab_partition(run->lab, groups, true);
        break;
    default:
        break;
    }
}

/* Returns true if somebody was caught. */
static bool run_once(struct run *run, uint64_t seed, uint64_t bug)
{
    uint64_t *said = run->said;
    uint16_t crashed = TC_NODE_NONE;
    *run = (struct run){.seed = seed,
                        .bug = bug,
                        .said = said,
                        .transfers = run->transfers,
                        .replays = run->replays,
                        .views = run->views};
    memset(said, 0, SAID_MAX * sizeof *said);
    tc_arena_init(&run->arena, 64u << 20);
    tc_arena_init(&run->hook_arena, 64u << 20);
    choose(run);
    run->lab = tc_lab_new(&run->options);
    run->j = tc_pbft.justifier->create(tc_lab_env(run->lab), on_breach, run);
    assert_non_null(run->j);
    for (uint16_t i = 0; i < run->options.cluster.n; i++)
        up(run, i, 1);
    greet_all(run);
    for (uint32_t i = 0; i < run->options.cluster.client_count; i++)
        tc_lab_load(run->lab, i, draw(run, 11, 2) ? 15 : 100);
    for (uint64_t step = 0; step < 6; step++) {
        tc_lab_run(run->lab, (step + 1) * SECOND / 2);
        misfortune(run, step, &crashed);
    }
    tc_lab_run(run->lab, 4 * SECOND);
    uint64_t late;
    tc_pbft.justifier->counts(run->j, &run->judged, &run->unjudged, &late);
    run->transfers += tc_lab_transfers(run->lab);
    run->replays += tc_lab_replays(run->lab);
    run->views += tc_lab_views_entered(run->lab);
    tc_pbft.justifier->destroy(run->j);
    tc_lab_free(run->lab);
    tc_arena_free(&run->arena);
    tc_arena_free(&run->hook_arena);
    return run->breaches > 0;
}

static uint64_t runs_wanted(uint64_t by_default)
{
    const char *text = getenv("JUSTIFY_RUNS");
    return text ? strtoull(text, NULL, 10) : by_default;
}

static struct run *a_run(void)
{
    static struct run run;
    if (!run.said)
        run.said = calloc(SAID_MAX, sizeof *run.said);
    assert_non_null(run.said);
    return &run;
}

static void test_correct_replicas_are_never_blamed(void **state)
{
    (void)state;
    struct run *run = a_run();
    uint64_t judged = 0, unjudged = 0;
    const char *first = getenv("JUSTIFY_SEED");
    const uint64_t from = first ? strtoull(first, NULL, 0) : 1, count = runs_wanted(60);
    for (uint64_t seed = from; seed < from + count; seed++) {
        if (run_once(run, seed, 0))
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, run->rule, run->text);
        judged += run->judged;
        unjudged += run->unjudged;
    }
    print_message("%llu runs, %llu statements judged, %llu not; %llu views entered, %llu executions replayed, %llu "
                  "states transferred\n",
                  (unsigned long long)count, (unsigned long long)judged, (unsigned long long)unjudged,
                  (unsigned long long)run->views, (unsigned long long)run->replays, (unsigned long long)run->transfers);
    assert_true(run->views > 0 && run->replays > 0 && run->transfers > 0);
    assert_true(judged > 20 * unjudged);
}

/* Those that any traitor's lies bring to light; the others need the schedules of test_zoo. */
static const enum tc_bug found_at_random[] = {
    TC_BUG_COMMIT_QUORUM,    TC_BUG_PREPARE_QUORUM,     TC_BUG_VIEW_CHANGE_QUORUM,
    TC_BUG_PREPARED_DROPPED, TC_BUG_NEW_VIEW_UNCHECKED, TC_BUG_PREPARE_DIGEST_IGNORED,
};

static void test_seeded_bugs_are_caught(void **state)
{
    (void)state;
    struct run *run = a_run();
    for (size_t i = 0; i < sizeof found_at_random / sizeof found_at_random[0]; i++) {
        const enum tc_bug bug = found_at_random[i];
        uint64_t seed = 1;
        while (seed <= 300 && !run_once(run, seed, TC_BUG_BIT(bug)))
            seed++;
        if (seed > 300)
            fail_msg("%s was never caught", tc_bugs[bug].name);
        print_message("%s: seed %llu, %s: %s\n", tc_bugs[bug].name, (unsigned long long)seed, run->rule, run->text);
    }
    free(run->said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_correct_replicas_are_never_blamed),
        cmocka_unit_test(test_seeded_bugs_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
