/* Whole PBFT clusters in the lab: message counts, dead leaders, three replicas, what survives when everybody crashes.
 * The random schedules are in tests/sim/test_pbft_random.c. */
#include "../../proxy/nodeset.h"
#include "../lib/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct tc_lab_options lab_options(uint32_t n)
{
    struct tc_lab_options options = {.scheme = TC_SCHEME_KEYED_HASH, .seed = 5, .retry_ns = 300 * MS};
    strcpy(options.cluster.id, "lab");
    options.cluster.n = n;
    options.cluster.f = (n - 1) / 3;
    options.cluster.client_count = 2;
    options.cluster.checkpoint_interval = 8;
    options.cluster.window = 16;
    options.cluster.batch_max = 4;
    options.cluster.pipeline_max = 4;
    options.cluster.view_timeout_ns = 200 * MS;
    options.cluster.view_timeout_max_ns = 3200 * MS;
    options.network = (struct tc_lab_network){.latency_min_ns = MS / 10, .latency_max_ns = MS};
    return options;
}

static void finish(struct tc_lab *lab)
{
    if (tc_lab_failure(lab)) {
        fprintf(stderr, "%s\n", tc_lab_failure(lab));
        tc_lab_dump(lab);
    }
    assert_null(tc_lab_failure(lab));
    tc_lab_free(lab);
}

static uint64_t agreement_messages(const struct tc_lab *lab)
{
    return tc_lab_sent(lab, PBFT__TYPE__PRE_PREPARE) + tc_lab_sent(lab, PBFT__TYPE__PREPARE) +
           tc_lab_sent(lab, PBFT__TYPE__COMMIT);
}

/* A decision without failures costs 2n(n-1) messages between replicas, and checkpoints n(n-1) each interval; nothing
 * else is said. */
static void test_message_count(void **state)
{
    (void)state;
    const uint32_t sizes[] = {4, 6, 7, 10};
    for (size_t i = 0; i < 4; i++) {
        uint64_t n = sizes[i], decisions = 20;
        struct tc_lab_options options = lab_options(sizes[i]);
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, (uint32_t)decisions); /* a closed loop of one: a decision each */
        tc_lab_run(lab, 5000 * MS);
        assert_int_equal(tc_lab_answered(lab), decisions);
        assert_int_equal(tc_lab_executed(lab, 0), decisions);
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__PRE_PREPARE), decisions * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__PREPARE), decisions * (n - 1) * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__COMMIT), decisions * n * (n - 1));
        assert_int_equal(agreement_messages(lab), decisions * 2 * n * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__CHECKPOINT), decisions / 8 * n * (n - 1));
        for (uint32_t type = PBFT__TYPE__VIEW_CHANGE; type <= PBFT__TYPE__BATCH; type++)
            assert_int_equal(tc_lab_sent(lab, type), 0);
        assert_int_equal(tc_lab_sent(lab, WIRE__TYPE__REPLY), decisions * n);
        assert_int_equal(tc_lab_stable(lab, 2), 16);
        assert_int_equal(tc_lab_complaints(lab), 0);
        /* pre-prepare, prepared, committed for each decision; a snapshot (two entries in the lab) for each checkpoint
         */
        assert_int_equal(tc_lab_records(lab), decisions * 3 * n + decisions / 8 * 2 * n);
        finish(lab);
    }
}

/* A view change costs n(n-1) view changes and n-1 new views. */
static void test_primary_dies(void **state)
{
    (void)state;
    const uint32_t sizes[] = {4, 6, 7, 10};
    for (size_t i = 0; i < 4; i++) {
        uint64_t n = sizes[i];
        struct tc_lab_options options = lab_options(sizes[i]);
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 5);
        tc_lab_run(lab, 1000 * MS);
        assert_int_equal(tc_lab_answered(lab), 5);
        tc_lab_crash(lab, 0);
        tc_lab_load(lab, 0, 5);
        tc_lab_load(lab, 1, 5);
        tc_lab_run(lab, 4000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        for (uint16_t node = 1; node < n; node++) {
            assert_int_equal(tc_lab_view(lab, node), 1);
            assert_true(tc_lab_view_active(lab, node));
        }
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__VIEW_CHANGE), (n - 1) * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__NEW_VIEW), n - 1);
        /* the old primary comes back and finds its way into the new view */
        tc_lab_restart(lab, 0, false);
        tc_lab_run(lab, 6000 * MS);
        assert_int_equal(tc_lab_view(lab, 0), 1);
        assert_true(tc_lab_executed(lab, 0) >= tc_lab_stable(lab, 1));
        finish(lab);
    }
}

/* f leaders in a row are dead: the timer doubles until a live one leads. */
static void test_timeouts_double(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(7);
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_crash(lab, 0);
    tc_lab_crash(lab, 1);
    tc_lab_load(lab, 0, 3);
    tc_lab_run(lab, 5000 * MS);
    assert_int_equal(tc_lab_outstanding(lab), 0);
    assert_int_equal(tc_lab_view(lab, 4), 2);
    finish(lab);
}

/* n = 3 tolerates nobody, but runs: with a quorum of 2 although one is silent, with 3 only while all speak. */
static void test_three_replicas(void **state)
{
    (void)state;
    for (uint32_t quorum = 2; quorum <= 3; quorum++) {
        struct tc_lab_options options = lab_options(3);
        options.cluster.f = 1;
        options.cluster.quorum = quorum;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 10);
        tc_lab_run(lab, 2000 * MS);
        assert_int_equal(tc_lab_answered(lab), 10);
        assert_int_equal(agreement_messages(lab), 10 * 2 * 3 * 2);
        tc_lab_crash(lab, 2);
        tc_lab_load(lab, 0, 5);
        tc_lab_run(lab, 20000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), quorum == 2 ? 0 : 5);
        finish(lab);
    }
}

static void test_batches_and_pipeline(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(4);
    options.cluster.client_count = 40;
    options.cluster.pipeline_max = 2;
    options.cluster.batch_max = 16;
    struct tc_lab *lab = tc_lab_new(&options);
    for (uint32_t i = 0; i < 40; i++)
        tc_lab_load(lab, i, 20);
    tc_lab_run(lab, 10000 * MS);
    assert_int_equal(tc_lab_answered(lab), 800);
    assert_in_range(tc_lab_executed(lab, 1), 800 / 16, 400);
    finish(lab);
}

static void test_mac_vectors(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(4);
    options.cluster.request_authentication = TC_AUTH_MAC;
    options.scheme = TC_SCHEME_ED25519;
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 10);
    tc_lab_load(lab, 1, 10);
    tc_lab_run(lab, 2000 * MS);
    assert_int_equal(tc_lab_answered(lab), 20);
    assert_int_equal(tc_lab_complaints(lab), 0);
    tc_lab_crash(lab, 0);
    tc_lab_load(lab, 0, 5);
    tc_lab_run(lab, 6000 * MS);
    assert_int_equal(tc_lab_outstanding(lab), 0);
    finish(lab);
}

/* A replica without its disk gets the state from the others, checked against their checkpoints. */
static void test_wiped_replica(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(4);
    tc_nodeset_add(&options.traitors, 3); /* it forgets what it promised: not judged */
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 30);
    tc_lab_run(lab, 3000 * MS);
    tc_lab_crash(lab, 3);
    tc_lab_load(lab, 0, 30);
    tc_lab_run(lab, 6000 * MS);
    tc_lab_restart(lab, 3, true);
    tc_lab_load(lab, 0, 30);
    tc_lab_run(lab, 9000 * MS);
    assert_int_equal(tc_lab_outstanding(lab), 0);
    assert_int_equal(tc_lab_stable(lab, 3), tc_lab_stable(lab, 0));
    assert_true(tc_lab_stable(lab, 3) > 60);
    finish(lab);
}

/* All at once, at any moment: the whole cluster comes back and goes on. */
static void test_everybody_crashes(void **state)
{
    (void)state;
    for (uint64_t when = 1; when < 60; when += 3) {
        struct tc_lab_options options = lab_options(4);
        options.sync_ns_max = MS / 2;
        options.seed = when;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 40);
        tc_lab_load(lab, 1, 40);
        tc_lab_run(lab, when * MS);
        for (uint16_t i = 0; i < 4; i++)
            tc_lab_crash(lab, i);
        for (uint16_t i = 0; i < 4; i++)
            tc_lab_restart(lab, i, false);
        tc_lab_run(lab, 10000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        finish(lab);
    }
}

static void test_runs_repeat(void **state)
{
    (void)state;
    uint64_t traces[3];
    for (uint64_t i = 0; i < 3; i++) {
        struct tc_lab_options options = lab_options(4);
        options.seed = i == 2 ? 6 : 5;
        options.network.drop = 4000;
        options.sync_ns_max = MS / 2;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 50);
        tc_lab_load(lab, 1, 50);
        tc_lab_run(lab, 5000 * MS);
        traces[i] = tc_lab_trace(lab);
        finish(lab);
    }
    assert_true(traces[0] == traces[1]);
    assert_true(traces[0] != traces[2]);
}

/* The same messages with real signatures; how many decisions a second of processor time four replicas make. */
static void test_speed_with_real_signatures(void **state)
{
    (void)state;
    struct timespec begin, end;
    struct tc_lab_options options = lab_options(4);
    options.scheme = TC_SCHEME_ED25519;
    options.cluster.batch_max = 1;
    options.cluster.checkpoint_interval = 128;
    options.cluster.window = 256;
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 200);
    tc_lab_load(lab, 1, 200);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    tc_lab_run(lab, 20000 * MS);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_int_equal(tc_lab_answered(lab), 400);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    print_message("Ed25519, 4 replicas and clients in one process, no batching: %.0f decisions per CPU second\n",
                  (double)tc_lab_executed(lab, 0) / seconds);
    finish(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_count),        cmocka_unit_test(test_primary_dies),
        cmocka_unit_test(test_timeouts_double),      cmocka_unit_test(test_three_replicas),
        cmocka_unit_test(test_batches_and_pipeline), cmocka_unit_test(test_mac_vectors),
        cmocka_unit_test(test_wiped_replica),        cmocka_unit_test(test_everybody_crashes),
        cmocka_unit_test(test_runs_repeat),          cmocka_unit_test(test_speed_with_real_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
