/* Real replicas and clients: this program is also what the launcher starts ("replica", "client"), so that the test
 * depends on no command line but its own. With TC_SOAK_KILLS=N TC_SOAK_MS=M in the environment it kills N times and
 * prints what the load saw; TC_SOAK_PROGRAM names another program to start. */
#define _GNU_SOURCE
#include "../../proxy/launch.h"
#include "../../proxy/loop.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "../../reference/bugs.h"
#include "../../reference/client.h"
#include "../../reference/lines.h"
#include "../../reference/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SEQUENCES_MAX  (1u << 21)
#define TIMESTAMPS_MAX 65536
#define LINE_SIZE_MAX  (1u << 22)
#define WAIT_NS        UINT64_C(20000000000)
#define PATH_SIZE      512

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

/* ---- what they print ---- */

struct output {
    int fd;
    char *bytes;
    size_t used;
};

struct execution {
    struct tc_value value, state;
    bool any;
};

/* Everything that was printed, boiled down to what must hold. */
struct cluster {
    char dir[64];
    struct tc_launch *launch;
    struct tc_keeper *keeper;
    struct output outputs[TC_NODES_MAX];
    struct tc_arena arena;
    struct execution *executions;   /* by sequence number */
    uint64_t highest[TC_NODES_MAX]; /* sequence number each replica reached */
    uint64_t starts[TC_NODES_MAX], replayed, divergences, decisions, replies, failed, stable, complaints, exits;
    uint64_t malformed, out_of_order, twice;
    uint64_t *fresh;          /* by client and timestamp: the sequence number where it was applied */
    int status[TC_NODES_MAX]; /* of the last exit */
    char load[512];           /* the client's last line */
};

/* A request is applied at one sequence number only, whoever says so. */
static void applied(struct cluster *c, const struct tc_observation *o)
{
    for (uint32_t i = 0; i < o->executed.operation_count; i++) {
        const struct tc_operation *op = &o->executed.operations[i];
        if (!op->fresh || op->timestamp >= TIMESTAMPS_MAX) /* the first incarnation of the clients is enough */
            continue;
        assert_in_range(op->client, TC_CLIENT_FIRST, TC_NODES_MAX - 1);
        uint64_t *at = &c->fresh[(op->client - TC_CLIENT_FIRST) * TIMESTAMPS_MAX + op->timestamp];
        if (*at != 0 && *at != o->executed.sequence)
            c->twice++;
        *at = o->executed.sequence;
    }
}

static void executed(struct cluster *c, const struct tc_observation *o)
{
    uint64_t sequence = o->executed.sequence;
    assert_true(sequence < SEQUENCES_MAX);
    struct execution *e = &c->executions[sequence];
    if (o->executed.origin == TC_EXEC_REPLAYED)
        c->replayed++;
    if (o->executed.origin == TC_EXEC_EXECUTED && sequence <= c->highest[o->node])
        c->out_of_order++;
    if (sequence > c->highest[o->node])
        c->highest[o->node] = sequence;
    if (o->executed.origin == TC_EXEC_TRANSFERRED) /* a state, not a decision */
        return;
    applied(c, o);
    if (!e->any) {
        *e = (struct execution){.value = o->executed.value, .state = o->executed.state, .any = true};
        c->decisions++;
        return;
    }
    bool states = e->state.state == TC_VALUE_BYTES && o->executed.state.state == TC_VALUE_BYTES;
    if (e->value.state != o->executed.value.state ||
        (e->value.state == TC_VALUE_BYTES && memcmp(e->value.bytes, o->executed.value.bytes, TC_VALUE_SIZE) != 0) ||
        (states && memcmp(e->state.bytes, o->executed.state.bytes, TC_VALUE_SIZE) != 0))
        c->divergences++;
}

static void take_line(struct cluster *c, const char *text, size_t len)
{
    struct tc_observation o;
    struct tc_error err = {0};
    tc_arena_reset(&c->arena);
    int rc = tc_line_parse((struct tc_slice){(const uint8_t *)text, len}, &c->arena, &o, &err);
    if (rc == TC_EUNSUPPORTED && len < sizeof c->load && memmem(text, len, "\"load\"", 6))
        (void)snprintf(c->load, sizeof c->load, "%.*s", (int)len, text);
    if (rc == TC_EMALFORMED) {
        print_message("malformed: %s: %.*s\n", err.text, (int)(len < 200 ? len : 200), text);
        c->malformed++;
    }
    if (rc < 0)
        return;
    if (o.kind == TC_OBS_EXECUTED)
        executed(c, &o);
    else if (o.kind == TC_OBS_REPLIED)
        *(o.client.ok ? &c->replies : &c->failed) += 1;
    else if (o.kind == TC_OBS_STABLE)
        c->stable++;
    else if (o.kind == TC_OBS_NODE_UP)
        c->starts[o.node]++;
    else if (o.kind == TC_OBS_COMPLAINT) {
        if (c->complaints++ < 20)
            print_message("complaint of %u: %s\n", (unsigned)o.node, o.text);
    }
}

static void drain(struct cluster *c, struct output *out)
{
    for (;;) {
        ssize_t n = read(out->fd, out->bytes + out->used, LINE_SIZE_MAX - out->used);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) { /* what is left is a line that a kill cut */
            close(out->fd);
            out->fd = -1;
            out->used = 0;
            return;
        }
        out->used += (size_t)n;
        char *start = out->bytes, *end;
        while ((end = memchr(start, '\n', out->used - (size_t)(start - out->bytes)))) {
            take_line(c, start, (size_t)(end - start));
            start = end + 1;
        }
        out->used -= (size_t)(start - out->bytes);
        memmove(out->bytes, start, out->used);
        assert_true(out->used < LINE_SIZE_MAX);
    }
}

static void take_events(struct cluster *c)
{
    struct tc_process_event event;
    while (tc_keeper_next(c->keeper, &event) == 1) {
        struct output *out = &c->outputs[event.node];
        if (event.up) {
            if (out->fd >= 0) /* the last words of the one before */
                drain(c, out);
            if (out->fd >= 0)
                close(out->fd);
            out->fd = event.stdout_fd;
            out->used = 0;
            if (!out->bytes)
                out->bytes = malloc(LINE_SIZE_MAX);
            assert_non_null(out->bytes);
        } else {
            c->exits++;
            c->status[event.node] = event.status;
        }
    }
}

/* Looks after the cluster until `done` says so, at most 20 s. */
static bool wait_until(struct cluster *c, bool (*done)(const struct cluster *c, uint64_t wanted), uint64_t wanted)
{
    uint64_t end_ns = tc_loop_clock_ns() + WAIT_NS;
    while (!done(c, wanted) && tc_loop_clock_ns() < end_ns) {
        struct pollfd fds[TC_NODES_MAX + 1];
        struct output *outs[TC_NODES_MAX + 1];
        nfds_t count = 0;
        fds[count++] = (struct pollfd){.fd = tc_keeper_fd(c->keeper), .events = POLLIN};
        for (size_t i = 0; i < TC_NODES_MAX; i++) {
            if (c->outputs[i].fd < 0)
                continue;
            outs[count] = &c->outputs[i];
            fds[count++] = (struct pollfd){.fd = c->outputs[i].fd, .events = POLLIN};
        }
        (void)poll(fds, count, 20);
        for (nfds_t i = 1; i < count; i++)
            if (fds[i].revents)
                drain(c, outs[i]);
        take_events(c);
    }
    return done(c, wanted);
}

static bool replies_reach(const struct cluster *c, uint64_t wanted)
{
    return c->replies >= wanted;
}

static bool time_reaches(const struct cluster *c, uint64_t wanted)
{
    (void)c;
    return tc_loop_clock_ns() >= wanted;
}

static bool exits_reach(const struct cluster *c, uint64_t wanted)
{
    return c->exits >= wanted;
}

static bool replica_0_reaches(const struct cluster *c, uint64_t wanted)
{
    return c->highest[0] >= wanted;
}

static bool load_printed(const struct cluster *c, uint64_t wanted)
{
    (void)wanted;
    return c->load[0] != '\0' && c->outputs[TC_CLIENT_FIRST].fd < 0;
}

/* ---- starting and ending a cluster ---- */

static const char *direct(void *self, uint16_t from, uint16_t to)
{
    (void)from;
    return tc_launch_address(self, to);
}

static struct cluster *current; /* ended by the teardown if a test fails */

static struct cluster *start_cluster(struct tc_scenario *scenario)
{
    struct tc_error err = {0};
    char program[PATH_SIZE];
    struct cluster *c = calloc(1, sizeof *c);
    assert_non_null(c);
    current = c;
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(len > 0);
    program[len] = '\0';
    if (getenv("TC_SOAK_PROGRAM")) /* turncoat itself in place of this program */
        (void)snprintf(program, sizeof program, "%s", getenv("TC_SOAK_PROGRAM"));
    (void)snprintf(c->dir, sizeof c->dir, "/tmp/tc-node-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    c->executions = calloc(SEQUENCES_MAX, sizeof *c->executions);
    assert_non_null(c->executions);
    c->fresh = calloc((size_t)(TC_NODES_MAX - TC_CLIENT_FIRST) * TIMESTAMPS_MAX, sizeof *c->fresh);
    assert_non_null(c->fresh);
    tc_arena_init(&c->arena, 8u << 20);
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        c->outputs[i].fd = -1;
    (void)snprintf(scenario->cluster.protocol, sizeof scenario->cluster.protocol, "pbft");
    int rc = tc_launch_prepare(scenario, program, c->dir, 7, &c->launch, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(tc_keeper_start(&c->keeper, &err), 0);
    rc = tc_launch_start(c->launch, c->keeper, direct, c->launch, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return c;
}

static void remove_tree(const char *path)
{
    char command[PATH_SIZE];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static void stop_cluster(struct cluster *c)
{
    tc_keeper_stop(c->keeper);
    tc_launch_free(c->launch);
    for (size_t i = 0; i < TC_NODES_MAX; i++) {
        if (c->outputs[i].fd >= 0)
            close(c->outputs[i].fd);
        free(c->outputs[i].bytes);
    }
    tc_arena_free(&c->arena);
    free(c->executions);
    free(c->fresh);
    remove_tree(c->dir);
    free(c);
    current = NULL;
}

static int teardown(void **state)
{
    (void)state;
    if (current)
        stop_cluster(current);
    return 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static struct tc_scenario four_replicas(uint32_t clients)
{
    struct tc_scenario s;
    memset(&s, 0, sizeof s);
    s.cluster.cluster.n = 4;
    s.cluster.cluster.client_count = clients;
    s.load.clients = clients;
    s.cluster.cluster.request_authentication = from_environment("TC_SOAK_MAC", 0) ? TC_AUTH_MAC : TC_AUTH_SIGNATURE;
    (void)snprintf(s.cluster.data_dir, sizeof s.cluster.data_dir, "%s",
                   getenv("TC_SOAK_DATA") ? getenv("TC_SOAK_DATA") : "");
    return s;
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
    scenario.load.rate_per_s = 200;
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 20));
    uint64_t replies = c->replies;
    (void)wait_until(c, time_reaches, tc_loop_clock_ns() + 500000000);
    assert_in_range(c->replies - replies, 80, 120); /* 100 were due */
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

/* Nobody reads a replica's lines any more: it ends by itself, in order. */
static void test_closed_output_ends_it(void **state)
{
    (void)state;
    struct tc_scenario scenario = four_replicas(1);
    struct cluster *c = start_cluster(&scenario);
    assert_true(wait_until(c, replies_reach, 10));
    close(c->outputs[3].fd);
    c->outputs[3].fd = -1;
    assert_true(wait_until(c, exits_reach, 1));
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
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
