/* Small clusters under random misfortune: what the tests of the replicas share. First chaos (loss, doubling,
 * reordering, damage, partitions, crashes that lose unsynced records, up to f traitors with their keys), then peace:
 * every request must be answered and every correct replica must catch up. The lab judges safety all the time.
 *
 *   TC_SEED=<n>   runs one seed and prints what happens
 *   TC_RUNS=<n>   how many seeds; TC_FIRST=<n> from which */
#ifndef TC_TEST_RANDOM_LAB_H
#define TC_TEST_RANDOM_LAB_H

#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "../lib/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS          UINT64_C(1000000)
#define CHAOS_NS    (3000 * MS)
#define ACTIONS_MAX 12

static inline uint64_t draw(uint64_t seed, uint64_t what, uint64_t which)
{
    return tc_random_mix(tc_random_mix(seed, what), which);
}

/* Sends `envelope` with this body, signed by its sender. */
static inline bool send_signed(struct tc_lab *lab, uint16_t from, uint16_t to, Wire__Envelope *envelope,
                               const ProtobufCMessage *body, struct tc_arena *arena)
{
    struct tc_slice frame;
    if (tc_wire_set_body(envelope, body, arena) != 0 || tc_wire_seal(tc_lab_env(lab), envelope, 0, arena) != 0 ||
        tc_wire_pack(envelope, arena, &frame) != 0)
        return false;
    tc_lab_deliver(lab, from, to, frame, 0);
    return true;
}

/* ---- chaos ---- */

/* A small cluster of one of these sizes, with as many faults as it bears. */
static inline void choose_sizes(uint64_t seed, const uint32_t *sizes, size_t size_count, struct tc_cluster *cluster)
{
    strcpy(cluster->id, "lab");
    cluster->n = sizes[draw(seed, 20, 0) % size_count];
    cluster->f = (cluster->n - 1) / 3;
    cluster->client_count = 1 + draw(seed, 21, 0) % 4;
    cluster->checkpoint_interval = 2 + draw(seed, 22, 0) % 12;
    cluster->window = cluster->checkpoint_interval * (1 + draw(seed, 23, 0) % 3);
    cluster->batch_max = 1 + draw(seed, 24, 0) % 6;
    cluster->pipeline_max = 1 + draw(seed, 25, 0) % 8;
    cluster->view_timeout_ns = 100 * MS;
    cluster->view_timeout_max_ns = 1600 * MS;
    cluster->request_authentication = draw(seed, 26, 0) % 4 == 0 ? TC_AUTH_MAC : TC_AUTH_SIGNATURE;
}

static inline void choose_network(uint64_t seed, struct tc_lab_network *network)
{
    static const uint32_t drops[] = {0, 0, 600, 3000, 10000, 20000};
    network->latency_min_ns = MS / 20;
    network->latency_max_ns = draw(seed, 30, 0) % 4 == 0 ? 40 * MS : 2 * MS;
    network->drop = drops[draw(seed, 31, 0) % 6];
    network->duplicate = draw(seed, 32, 0) % 3 == 0 ? 6000 : 0;
    network->corrupt = draw(seed, 33, 0) % 4 == 0 ? 1000 : 0;
    network->fifo = draw(seed, 34, 0) & 1;
}

static inline void misfortune(struct tc_lab *lab, uint64_t seed, uint64_t step, uint32_t n)
{
    uint64_t random = draw(seed, 50, step);
    uint16_t node = (uint16_t)(draw(seed, 51, step) % n);
    uint8_t groups[TC_NODES_MAX] = {0};
    switch (random % 7) {
    case 0:
    case 1:
        tc_lab_crash(lab, node);
        break;
    case 2:
    case 3:
        tc_lab_restart(lab, node, false);
        break;
    case 4:
        for (uint32_t i = 0; i < n; i++)
            groups[i] = draw(seed, 52 + step, i) % 2;
        tc_lab_partition(lab, groups, false);
        break;
    case 5:
        tc_lab_heal(lab);
        break;
    default:
        tc_lab_cut(lab, node, (uint16_t)(draw(seed, 53, step) % n));
        break;
    }
}

static inline void chaos(struct tc_lab *lab, uint64_t seed, uint32_t n)
{
    uint64_t count = draw(seed, 60, 0) % ACTIONS_MAX, at = 0;
    for (uint64_t i = 0; i < count; i++) {
        at += draw(seed, 61, i) % (2 * CHAOS_NS / ACTIONS_MAX);
        tc_lab_run(lab, at < CHAOS_NS ? at : CHAOS_NS);
        misfortune(lab, seed, i, n);
    }
    tc_lab_run(lab, CHAOS_NS);
}

/* ---- peace ---- */

/* Everything heals, everybody is up, and every client asks once more. */
static inline void begin_peace(struct tc_lab *lab, uint64_t seed, const struct tc_lab_options *options)
{
    struct tc_lab_network calm = {.latency_min_ns = MS / 20, .latency_max_ns = 2 * MS};
    calm.drop = draw(seed, 70, 0) % 4 == 0 ? 2000 : 0; /* some networks never stop losing things */
    tc_lab_network_set(lab, &calm);
    tc_lab_heal(lab);
    for (uint16_t i = 0; i < options->cluster.n; i++)
        tc_lab_restart(lab, i, false);
    for (uint32_t i = 0; i < options->cluster.client_count; i++)
        tc_lab_load(lab, i, 20);
}

/* No correct replica may be more than `behind` sequence numbers behind what is stable. */
static inline void must_have_caught_up(struct tc_lab *lab, const struct tc_lab_options *options, uint64_t behind)
{
    uint64_t stable = 0;
    for (uint16_t i = 0; i < options->cluster.n; i++)
        if (!tc_nodeset_has(&options->traitors, i) && tc_lab_stable(lab, i) > stable)
            stable = tc_lab_stable(lab, i);
    for (uint16_t i = 0; i < options->cluster.n; i++)
        if (!tc_nodeset_has(&options->traitors, i) && tc_lab_executed(lab, i) + behind < stable)
            tc_lab_fail(lab, "replica %u stays behind at %llu: %llu is stable", (unsigned)i,
                        (unsigned long long)tc_lab_executed(lab, i), (unsigned long long)stable);
}

/* ---- many runs ---- */

/* What all runs of a test came to. */
struct totals {
    uint64_t answered, executed, views, transfers, replays, complaints, judged, unjudged;
};

static inline void add_totals(struct totals *totals, const struct tc_lab *lab)
{
    totals->answered += tc_lab_answered(lab);
    totals->executed += tc_lab_executed(lab, 0);
    totals->views += tc_lab_views_entered(lab);
    totals->transfers += tc_lab_transfers(lab);
    totals->replays += tc_lab_replays(lab);
    totals->complaints += tc_lab_complaints(lab);
}

static inline uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Runs as many seeds as asked for, and fails if one of them did. false: it was only the one of TC_SEED, told at length.
 */
static inline bool run_seeds(bool (*run)(uint64_t seed, bool verbose, struct totals *totals), uint64_t by_default,
                             struct totals *totals)
{
    const uint64_t first = setting("TC_FIRST", 1), runs = setting("TC_RUNS", by_default);
    uint64_t bad = 0;
    if (getenv("TC_SEED")) {
        assert_true(run(setting("TC_SEED", 0), true, totals));
        return false;
    }
    for (uint64_t i = 0; i < runs && bad < 5; i++)
        bad += !run(first + i, false, totals);
    fprintf(
        stderr,
        "%llu runs: %llu requests answered, %llu executed, %llu views entered, %llu state transfers, %llu replayed, "
        "%llu complaints, %llu statements judged, %llu not\n",
        (unsigned long long)runs, (unsigned long long)totals->answered, (unsigned long long)totals->executed,
        (unsigned long long)totals->views, (unsigned long long)totals->transfers, (unsigned long long)totals->replays,
        (unsigned long long)totals->complaints, (unsigned long long)totals->judged,
        (unsigned long long)totals->unjudged);
    assert_int_equal(bad, 0);
    return true;
}

#endif
