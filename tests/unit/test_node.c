/* Real replicas and clients: this program is also what the launcher starts ("replica", "client"), so that the test
 * depends on no command line but its own. With TC_SOAK_KILLS=N TC_SOAK_MS=M in the environment it kills N times and
 * prints what the load saw; TC_SOAK_PROGRAM names another program to start. */
#define _GNU_SOURCE
#include "../../proxy/random.h"
#include "../../reference/client.h"
#include "../../reference/node.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node_cluster.h"

/* ---- the processes under test ---- */

static const char *argument(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 2; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}

static int as_replica(int argc, char **argv)
{
    struct tc_error err = {0};
    struct tc_node_options options = {.config_path = argument(argc, argv, "--config", ""),
                                      .key_path = argument(argc, argv, "--key", ""),
                                      .data_dir = argument(argc, argv, "--data", ""),
                                      .id = (uint16_t)atoi(argument(argc, argv, "--id", "0")),
                                      .listen_fd = atoi(argument(argc, argv, "--listen-fd", "-1"))};
    int rc = tc_node_run(&options, &err);
    if (rc < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    return tc_error_exit(rc);
}

static int as_client(int argc, char **argv)
{
    struct tc_error err = {0};
    struct tc_client_options options = {.config_path = argument(argc, argv, "--config", ""),
                                        .key_dir = argument(argc, argv, "--key-dir", ""),
                                        .clients = (uint32_t)atoi(argument(argc, argv, "--clients", "0")),
                                        .rate_per_s = atof(argument(argc, argv, "--rate", "0")),
                                        .value_bytes = (uint32_t)atoi(argument(argc, argv, "--value-bytes", "0")),
                                        .operations_max = strtoull(argument(argc, argv, "--operations", "0"), NULL, 10),
                                        .seed = strtoull(argument(argc, argv, "--seed", "0"), NULL, 10)};
    int rc = tc_client_run(&options, &err);
    if (rc < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    return tc_error_exit(rc);
}

/* ---- the tests ---- */

static void test_load_and_orderly_end(void **state)
{
    (void)state;
    struct tc_scenario scenario = four_replicas((uint32_t)from_environment("TC_SOAK_CLIENTS", 4));
    scenario.load.value_bytes = (uint32_t)from_environment("TC_SOAK_VALUE", 64);
    uint64_t ms = from_environment("TC_SOAK_MS", 0);
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 200));
    uint64_t replies = c->replies, decisions = c->decisions, begin_ns = tc_loop_clock_ns();
    if (ms) {
        (void)wait_until(c, time_reaches, begin_ns + ms * 1000000);
        double seconds = (double)(tc_loop_clock_ns() - begin_ns) / 1e9;
        print_message("%.0f ops/s, %.0f decisions/s\n", (double)(c->replies - replies) / seconds,
                      (double)(c->decisions - decisions) / seconds);
    }
    assert_int_equal(c->exits, 0);
    assert_int_equal(tc_keeper_terminate(c->keeper, TC_CLIENT_FIRST), 0);
    assert_true(wait_until(c, exits_reach, 1));
    assert_int_equal(c->status[TC_CLIENT_FIRST], 0);
    assert_true(wait_until(c, load_printed, 0));
    print_message("%s\n", c->load);
    assert_non_null(strstr(c->load, "\"failed\":0"));
    for (uint16_t i = 0; i < 4; i++)
        assert_int_equal(tc_keeper_terminate(c->keeper, i), 0);
    assert_true(wait_until(c, exits_reach, 5));
    for (uint16_t i = 0; i < 4; i++) {
        assert_int_equal(c->status[i], 0);
        assert_int_equal(c->starts[i], 1);
        assert_true(c->highest[i] > 0);
    }
    assert_int_equal(c->divergences, 0);
    assert_int_equal(c->twice, 0);
    assert_int_equal(c->malformed, 0);
    assert_int_equal(c->out_of_order, 0);
    assert_int_equal(c->complaints, 0);
    stop_cluster(c);
}

/* One more round of kill -9: one random replica, or all of them at once, down for up to 0.4 s. */
static void kill_and_restart(struct cluster *c, uint64_t h, bool all)
{
    struct tc_error err = {0};
    uint16_t victim = (uint16_t)tc_random_below(h, 4);
    uint64_t down_ns = tc_random_below(tc_random_mix(h, 1), 400) * 1000000;
    for (uint16_t i = 0; i < 4; i++)
        if (all || i == victim)
            assert_int_equal(tc_keeper_act(c->keeper, i, TC_KILL, &err), 0);
    (void)wait_until(c, time_reaches, tc_loop_clock_ns() + down_ns);
    for (uint16_t i = 0; i < 4; i++)
        if (all || i == victim)
            assert_int_equal(tc_keeper_act(c->keeper, i, TC_RESTART, &err), 0);
    uint64_t replies = c->replies, from_ns = tc_loop_clock_ns();
    if (!wait_until(c, replies_reach, c->replies + 100 + tc_random_below(tc_random_mix(h, 2), 200)))
        fail_msg("kill of replica %u%s: %llu replies in 20 s", (unsigned)victim, all ? " and all others" : "",
                 (unsigned long long)(c->replies - replies));
    if (getenv("TC_SOAK_KILLS"))
        print_message("kill of %s%u, down %llu ms, then %llu replies in %.0f ms\n", all ? "all and " : "",
                      (unsigned)victim, (unsigned long long)(down_ns / 1000000),
                      (unsigned long long)(c->replies - replies), (double)(tc_loop_clock_ns() - from_ns) / 1e6);
    assert_int_equal(c->divergences, 0);
}

/* kill -9 during load, again and again, every fourth time of all replicas at once: nobody contradicts anybody, nothing
 * acknowledged is lost, the cluster goes on. */
static void test_kill_during_load(void **state)
{
    (void)state;
    struct tc_scenario scenario = four_replicas(4);
    uint64_t expected_starts = 4;
    uint64_t kills = from_environment("TC_SOAK_KILLS", 4), seed = from_environment("TC_SOAK_SEED", 1);
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 100));
    for (uint64_t i = 0; i < kills; i++) {
        bool all = i % 4 == 3;
        kill_and_restart(c, tc_random_mix(seed, i), all);
        expected_starts += all ? 4 : 1;
    }
    uint64_t highest = 0;
    for (int i = 0; i < 4; i++)
        highest = c->highest[i] > highest ? c->highest[i] : highest;
    assert_true(wait_until(c, replica_0_reaches, highest)); /* whoever was killed catches up */
    assert_int_equal(tc_keeper_terminate(c->keeper, TC_CLIENT_FIRST), 0);
    assert_true(wait_until(c, load_printed, 0));
    print_message("%s\n%llu decisions, %llu replayed, %llu stable\n", c->load, (unsigned long long)c->decisions,
                  (unsigned long long)c->replayed, (unsigned long long)c->stable);
    uint64_t starts = c->starts[0] + c->starts[1] + c->starts[2] + c->starts[3];
    assert_int_equal(starts, expected_starts);
    assert_int_equal(c->divergences, 0);
    assert_int_equal(c->twice, 0);
    assert_int_equal(c->malformed, 0);
    assert_non_null(strstr(c->load, "\"failed\":0"));
    stop_cluster(c);
}

static void test_open_loop(void **state)
{
    (void)state;
    struct tc_scenario scenario = four_replicas(2);
    scenario.load.mode = TC_LOAD_OPEN;
    scenario.load.rate_per_s = 40;
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 20));
    uint64_t begin_ns = tc_loop_clock_ns(); /* 40 more are due in a second: never sooner, later on a busy machine */
    assert_true(wait_until(c, replies_reach, c->replies + 40));
    assert_in_range(tc_loop_clock_ns() - begin_ns, UINT64_C(700000000), WAIT_NS);
    stop_cluster(c);
}

/* A client that starts again goes on with timestamps that the cluster has not seen. */
static void test_client_restart(void **state)
{
    (void)state;
    struct tc_error err = {0};
    struct tc_scenario scenario = four_replicas(1);
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 20));
    assert_int_equal(tc_keeper_act(c->keeper, TC_CLIENT_FIRST, TC_RESTART, &err), 0);
    assert_true(wait_until(c, exits_reach, 1));
    assert_true(wait_until(c, replies_reach, c->replies + 20));
    stop_cluster(c);
}

/* Nobody reads a replica's lines any more: it ends by itself, in order; so does one that nobody ever read. */
static void test_closed_output_ends_it(void **state)
{
    (void)state;
    struct tc_error err = {0};
    struct tc_scenario scenario = four_replicas(1);
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 10));
    close(c->outputs[3].fd);
    c->outputs[3].fd = -1;
    assert_true(wait_until(c, exits_reach, 1));
    assert_int_equal(c->status[3], 0);
    assert_int_equal(tc_keeper_act(c->keeper, 3, TC_RESTART, &err), 0);
    assert_true(wait_until(c, output_comes, 3));
    close(c->outputs[3].fd);
    c->outputs[3].fd = -1;
    assert_true(wait_until(c, exits_reach, 2));
    assert_int_equal(c->status[3], 0);
    assert_true(wait_until(c, replies_reach, c->replies + 20));
    stop_cluster(c);
}

static int run_node(const char *dir, uint16_t id, const char *key, struct tc_error *err)
{
    static char config[PATH_SIZE], key_path[PATH_SIZE], data[PATH_SIZE];
    (void)snprintf(config, sizeof config, "%s/nodes/node0.json", dir);
    (void)snprintf(key_path, sizeof key_path, "%s/nodes/%s", dir, key);
    (void)snprintf(data, sizeof data, "%s/data", dir);
    struct tc_node_options options = {
        .config_path = config, .key_path = key_path, .data_dir = data, .id = id, .listen_fd = -1};
    memset(err, 0, sizeof *err);
    return tc_node_run(&options, err);
}

static void test_refusals(void **state)
{
    (void)state;
    struct tc_scenario scenario = four_replicas(1);
    struct tc_error err;
    char path[PATH_SIZE];
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 1));
    assert_int_equal(run_node(c->dir, 4, "node0.key", &err), TC_EUSAGE);
    assert_int_equal(run_node(c->dir, 0, "node1.key", &err), TC_EKEY); /* another node's key */
    assert_non_null(strstr(err.text, "not the key of node 0"));
    assert_int_equal(run_node(c->dir, 0, "missing.key", &err), TC_EKEY);
    assert_int_equal(run_node(c->dir, 0, "node0.key", &err), TC_EUNREACHABLE); /* its port is taken */
    (void)snprintf(path, sizeof path, "%s/data/0000000000000001.wal", c->dir);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fwrite("garbage!", 1, 8, file), 8);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(run_node(c->dir, 0, "node0.key", &err), TC_EMALFORMED);
    assert_non_null(strstr(err.text, "0000000000000001.wal: offset 0"));
    stop_cluster(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_load_and_orderly_end, teardown),
        cmocka_unit_test_teardown(test_kill_during_load, teardown),
        cmocka_unit_test_teardown(test_open_loop, teardown),
        cmocka_unit_test_teardown(test_client_restart, teardown),
        cmocka_unit_test_teardown(test_closed_output_ends_it, teardown),
        cmocka_unit_test_teardown(test_refusals, teardown),
    };
    if (sodium_init() < 0)
        return 70;
    if (argc > 1 && strcmp(argv[1], "replica") == 0)
        return as_replica(argc, argv);
    if (argc > 1 && strcmp(argv[1], "client") == 0)
        return as_client(argc, argv);
    /* For the children only (ours are read already): the leak check at exit stops its own process with ptrace, which
     * now and then spins for ever in a process of the keeper's. tc_node_run in test_refusals is still checked. */
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
