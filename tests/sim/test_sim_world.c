/* The simulation world itself: it repeats, its network and disks do what they say, and clusters live through it. */
#include "../../proxy/random.h"
#include "../../reference/sim_internal.h"
#include "sim_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

static struct sim_run run;

static uint64_t hash_of(const char *scenario, uint64_t seed, enum tc_scheme scheme)
{
    sim_run_load(&run, scenario, seed);
    sim_run_slow(&run);
    run.scheme = scheme;
    run.config.plan.phase_ns[TC_RUN_BEFORE] = SECOND / 2;
    run.config.plan.phase_ns[TC_RUN_DURING] = 2 * SECOND;
    run.config.plan.phase_ns[TC_RUN_AFTER] = SECOND / 2;
    sim_run_go(&run);
    assert_int_equal(run.status, 0);
    sim_run_free(&run);
    return run.hash;
}

static void test_repeats(void **state)
{
    (void)state;
    static const char *const names[] = {"equivocate-half", "crash-restart", "partition-and-heal", "corrupt-bytes"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const uint64_t first = hash_of(names[i], 7, TC_SCHEME_KEYED_HASH);
        assert_true(first == hash_of(names[i], 7, TC_SCHEME_KEYED_HASH));
        assert_true(first != hash_of(names[i], 8, TC_SCHEME_KEYED_HASH));
    }
}

static void test_real_signatures(void **state)
{
    (void)state;
    const uint64_t signed_hash = hash_of("equivocate-half", 7, TC_SCHEME_ED25519);
    assert_int_equal(run.summary.status, TC_HOLDS);
    assert_true(run.bitten > 0);
    assert_true(signed_hash != hash_of("equivocate-half", 7, TC_SCHEME_KEYED_HASH));
}

/* The phase in which decisions count begins at once. */
static void ends_after(uint64_t decisions)
{
    run.config.plan.phase_ns[TC_RUN_BEFORE] = 0;
    run.config.plan.wait_first_decision = false;
    run.config.decisions_max = decisions;
}

static void test_decisions_end_a_run(void **state)
{
    (void)state;
    sim_run_load(&run, "correct", 1);
    ends_after(10);
    sim_run_go(&run);
    assert_int_equal(run.status, 0);
    assert_int_equal(run.decided, 10);
    assert_true(run.now_ns < SECOND);
    sim_run_free(&run);
}

static void correct_cluster(uint64_t seed)
{
    sim_run_load(&run, "correct", seed);
    sim_run_slow(&run);
}

static void must_hold(void)
{
    sim_run_go(&run);
    if (run.summary.status != TC_HOLDS)
        fprintf(stderr, "%s\n", run.summary.sentence);
    assert_int_equal(run.status, 0);
    assert_int_equal(run.summary.status, TC_HOLDS);
    sim_run_free(&run);
}

/* ---- the network ---- */

static void test_latency_is_what_decisions_cost(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    for (size_t i = 0; i < 2; i++) {
        correct_cluster(1);
        run.config.network.latency.min_ns = run.config.network.latency.max_ns = i == 0 ? 2 * MS : 20 * MS;
        ends_after(20);
        must_hold();
        took_ns[i] = run.now_ns;
    }
    assert_true(took_ns[1] > 8 * took_ns[0] && took_ns[1] < 12 * took_ns[0]);
}

static void test_bandwidth_slows(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    for (size_t i = 0; i < 2; i++) {
        correct_cluster(1);
        run.config.network.bandwidth_bytes_per_s = i == 0 ? 0 : 100000;
        ends_after(20);
        must_hold();
        took_ns[i] = run.now_ns;
    }
    assert_true(took_ns[1] > took_ns[0] + 20 * MS);
}

static void test_regions(void **state)
{
    (void)state;
    correct_cluster(1);
    struct tc_sim_latency *latency = &run.config.network.latency;
    latency->model = TC_SIM_REGIONS;
    latency->jitter_milli = 100;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            latency->region_ns[i][j] = i == j ? MS : 40 * MS;
    latency->region[1] = 1;
    latency->region[2] = 2;
    latency->region[3] = 2;
    must_hold();
    /* five hops, some of them far: no decision is faster than three far ones, so at most 8 a second and client */
    assert_true(run.decided > 20);
    assert_true(run.decided < 9 * 8 * run.cluster.client_count);
}

static void test_log_normal_quantiles(void **state)
{
    (void)state;
    uint64_t below = 0, far = 0, smallest = UINT64_MAX, largest = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        const uint64_t value = tc_sim_log_normal_ns(MS, 500, tc_random_mix(1, i));
        below += value < MS;
        far += value > 1648721; /* e^0.5: one sigma */
        smallest = value < smallest ? value : smallest;
        largest = value > largest ? value : largest;
    }
    assert_in_range(below, 49000, 51000);
    assert_in_range(far, 15400, 16400); /* 15.87 % */
    assert_in_range(smallest, MS / 6, MS / 4);
    assert_in_range(largest, 4 * MS, 6 * MS);
    correct_cluster(1);
    run.config.network.latency =
        (struct tc_sim_latency){.model = TC_SIM_LOG_NORMAL, .median_ns = 2 * MS, .sigma_milli = 700};
    must_hold();
}

static void test_clocks_map_back(void **state)
{
    (void)state;
    static struct tc_sim sim;
    const int32_t drifts[] = {0, 1, -1, 200, -200, 99999, -100000};
    for (size_t i = 0; i < sizeof drifts / sizeof *drifts; i++) {
        uint64_t before_ns = 0;
        sim.config.clocks[3] = (struct tc_sim_clock){.offset_ns = 12345, .drift_ppm = drifts[i]};
        for (uint64_t now_ns = 0; now_ns < 10 * MS; now_ns += 333) {
            const uint64_t local_ns = tc_sim_local_ns(&sim, 3, now_ns);
            const uint64_t global_ns = tc_sim_global_ns(&sim, 3, local_ns);
            assert_true(local_ns >= before_ns);
            assert_true(tc_sim_local_ns(&sim, 3, global_ns) >= local_ns);
            assert_true(global_ns <= now_ns + 2 && now_ns <= global_ns + 2);
            before_ns = local_ns;
        }
    }
    assert_true(tc_sim_global_ns(&sim, 3, TC_NEVER_NS) == TC_NEVER_NS);
}

static void test_skewed_clocks(void **state)
{
    (void)state;
    sim_run_load(&run, "silent-leader", 3);
    sim_run_slow(&run);
    run.config.clocks[1] = (struct tc_sim_clock){.offset_ns = 3600 * SECOND, .drift_ppm = 2000};
    run.config.clocks[2] = (struct tc_sim_clock){.offset_ns = 5, .drift_ppm = -5000};
    must_hold();
    assert_true(run.bitten > 0);
}

static void test_cuts_before_gst(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        correct_cluster(seed);
        run.config.network.gst_ns = 3 * SECOND;
        run.config.network.gst_delay_ns = 50 * MS;
        run.config.network.gst_loss = 650; /* one in a hundred */
        sim_run_go(&run);
        assert_int_equal(run.status, 0);
        assert_true(run.stats.cuts > 20);
        assert_true(run.links_down >= run.stats.cuts);
        /* all is well from then on: everybody decides, together */
        for (uint32_t i = 0; i < 4; i++)
            assert_true(run.executed[i] > 200 && run.executed[i] + 20 > run.decided);
        if (run.summary.status != TC_HOLDS)
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, run.summary.sentence);
        assert_int_equal(run.summary.status, TC_HOLDS);
        sim_run_free(&run);
    }
}

/* Nothing is due in time before the network keeps its bounds, however long that takes; from then on everything is. */
static void test_nothing_is_due_before_gst(void **state)
{
    (void)state;
    correct_cluster(5);
    run.config.network.gst_ns = 40 * SECOND;
    run.config.network.gst_delay_ns = 10 * SECOND;
    run.config.network.gst_loss = 32768;
    run.config.plan.phase_ns[TC_RUN_BEFORE] = 0;
    run.config.plan.phase_ns[TC_RUN_DURING] = 45 * SECOND;
    run.config.plan.phase_ns[TC_RUN_AFTER] = 30 * SECOND;
    sim_run_go(&run);
    assert_int_equal(run.status, 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(run.executed[i] > 200);
    if (run.summary.status != TC_HOLDS)
        fprintf(stderr, "%s\n", run.summary.sentence);
    assert_int_equal(run.summary.status, TC_HOLDS);
    sim_run_free(&run);
}

/* ---- disks and processes ---- */

static void test_crash_with_unsynced_loss(void **state)
{
    (void)state;
    static const enum tc_sim_unsynced ways[] = {TC_SIM_UNSYNCED_LOST, TC_SIM_UNSYNCED_SOME, TC_SIM_UNSYNCED_KEPT};
    uint64_t lost = 0;
    for (size_t way = 0; way < 3; way++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            sim_run_load(&run, "crash-restart", seed);
            sim_run_slow(&run);
            run.config.disk.sync_min_ns = 2 * MS; /* so that a crash meets unsynced records */
            run.config.disk.sync_max_ns = 8 * MS;
            run.config.disk.unsynced = ways[way];
            must_hold();
            assert_true(run.bitten > 0);
            assert_true(run.incarnations[0] + run.incarnations[1] + run.incarnations[2] + run.incarnations[3] > 4);
            assert_int_equal(ways[way] == TC_SIM_UNSYNCED_KEPT ? run.stats.records_lost : 0, 0);
            lost += run.stats.records_lost;
        }
    }
    assert_true(lost > 0);
}

static void test_slow_disk(void **state)
{
    (void)state;
    uint64_t took_ns[2];
    for (size_t i = 0; i < 2; i++) {
        correct_cluster(1);
        for (uint32_t node = 0; i == 1 && node < 4; node++)
            tc_nodeset_add(&run.config.disk.slow, node);
        run.config.disk.slow_ns = 30 * MS;
        ends_after(20);
        must_hold();
        assert_true(run.stats.syncs > 20);
        took_ns[i] = run.now_ns;
    }
    assert_true(took_ns[1] > took_ns[0] + 10 * 30 * MS);
}

/* ---- what is refused ---- */

static void refused(struct tc_sim_config config, const char *word)
{
    struct tc_error err = {0};
    struct tc_sim *sim;
    assert_int_equal(tc_sim_open(&config, &sim, &err), TC_EUSAGE);
    assert_null(sim);
    assert_non_null(strstr(err.text, word));
}

static void test_bad_configurations(void **state)
{
    (void)state;
    struct tc_cluster cluster = {.n = 4, .f = 1};
    struct tc_sim_config good = {.protocol = tc_protocol_find("pbft"), .env = {.cluster = &cluster}};
    tc_sim_defaults(&good);
    struct tc_sim_config bad = good;
    bad.network.latency.min_ns = bad.network.latency.max_ns + 1;
    refused(bad, "latency");
    bad = good;
    bad.network.latency = (struct tc_sim_latency){.model = TC_SIM_LOG_NORMAL, .median_ns = 1, .sigma_milli = 3001};
    refused(bad, "sigma");
    bad = good;
    bad.network.latency.model = TC_SIM_REGIONS;
    bad.network.latency.region[2] = TC_SIM_REGIONS_MAX;
    refused(bad, "region");
    bad = good;
    bad.disk.sync_min_ns = bad.disk.sync_max_ns + 1;
    refused(bad, "disk");
    bad = good;
    bad.clocks[1].drift_ppm = 100001;
    refused(bad, "drift");
    bad = good;
    bad.load.clients = TC_NODES_MAX;
    refused(bad, "clients");
    cluster.n = 0;
    refused(good, "replicas");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_real_signatures),
        cmocka_unit_test(test_decisions_end_a_run),
        cmocka_unit_test(test_latency_is_what_decisions_cost),
        cmocka_unit_test(test_bandwidth_slows),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_log_normal_quantiles),
        cmocka_unit_test(test_clocks_map_back),
        cmocka_unit_test(test_skewed_clocks),
        cmocka_unit_test(test_cuts_before_gst),
        cmocka_unit_test(test_nothing_is_due_before_gst),
        cmocka_unit_test(test_crash_with_unsynced_loss),
        cmocka_unit_test(test_slow_disk),
        cmocka_unit_test(test_bad_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
