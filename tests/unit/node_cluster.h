/* A reference cluster of real processes for test_node.c: starts it, reads what it prints, boils it down to what must
 * hold. Included once; the includer defines _GNU_SOURCE and has included cmocka. */
#ifndef TC_TEST_NODE_CLUSTER_H
#define TC_TEST_NODE_CLUSTER_H

#include "../../proxy/launch.h"
#include "../../proxy/loop.h"
#include "../../reference/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEQUENCES_MAX  (1u << 21)
#define TIMESTAMPS_MAX 65536
#define LINE_SIZE_MAX  (1u << 22)
#define WAIT_NS        UINT64_C(20000000000)
#define PATH_SIZE      512

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
    char load[512];           /* the client's last line, as far as it fits */
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
    if (rc == TC_EUNSUPPORTED && memmem(text, len, "\"load\"", 6))
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

static bool output_comes(const struct cluster *c, uint64_t node)
{
    return c->outputs[node].fd >= 0;
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

#endif
