/* For the tests of the live world: an engine that passes bytes on (with a delay if asked), a sink that remembers, and
 * the run in a thread of its own. The real engine has its own tests; here the world is under test. */
#ifndef TC_LIVE_HARNESS_H
#define TC_LIVE_HARNESS_H

#define _GNU_SOURCE
#include "../../proxy/listen.h"
#include "../../proxy/live.h"
#include "../../proxy/loop.h"
#include "live_sockets.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define CONNS_MAX   512
#define LATER_MAX   4096
#define ACTIONS_MAX 64
#define BUDGET      ((size_t)256 << 10)
#define SEEN_MAX    4096

struct later {
    uint64_t due_ns;
    uint32_t conn;
    uint8_t *data;
    size_t size;
};

struct seen {
    enum tc_event_kind kind;
    uint32_t conn, generation, incarnation;
    uint16_t node, from, to;
    int status;
    bool reset, ok;
    uint64_t token;
    enum tc_run_phase phase;
    enum tc_observation_kind observation;
    uint64_t sequence, bytes; /* bytes: read before it */
    char text[128];
};

struct tc_engine {
    /* settings */
    uint64_t delay_ns;
    bool observe_bytes; /* a TC_OBS_MESSAGE for every read */
    bool observe_votes; /* it is node 2 that says a vote, whose signer is the read's first byte */
    bool kill_node_on_bytes;
    uint32_t verify_on_bytes; /* this many TC_ACT_VERIFY for every read */
    sem_t *gate;              /* waited for in the first step with bytes of connection gate_conn */
    uint32_t gate_conn;
    sem_t *at_gate;
    int fail_status; /* of the next step with bytes */
    uint64_t finish_after;

    /* state */
    struct tc_action actions[ACTIONS_MAX];
    struct tc_actions out;
    struct tc_observation observation;
    struct tc_statement vote;
    struct tc_message message;
    struct tc_error error;
    struct {
        bool up, closed, stopped;
        uint8_t *held;
        size_t held_size;
    } conns[CONNS_MAX];
    struct later later[LATER_MAX];
    size_t later_first, later_count;
    uint8_t *sent; /* freed in the next step */
    uint64_t now_ns, token;

    /* what it saw */
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    uint64_t late_ns[LATER_MAX * 4];
    size_t late_count;
    size_t queued_max;
    uint64_t bytes, steps;
};

static inline struct tc_action *act(struct tc_engine *e, enum tc_action_kind kind, uint32_t conn)
{
    assert(e->out.count < ACTIONS_MAX);
    struct tc_action *action = &e->actions[e->out.count++];
    *action = (struct tc_action){.kind = kind, .conn = conn};
    return action;
}

/* What arrives before the far side stands is kept. */
static inline void hold(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    e->conns[conn].held = realloc(e->conns[conn].held, e->conns[conn].held_size + bytes.len);
    memcpy(e->conns[conn].held + e->conns[conn].held_size, bytes.data, bytes.len);
    e->conns[conn].held_size += bytes.len;
}

static inline void forward(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    if (e->delay_ns == 0) {
        act(e, TC_ACT_WRITE, conn)->bytes = bytes;
        return;
    }
    assert(e->later_count < LATER_MAX);
    struct later *later = &e->later[(e->later_first + e->later_count++) % LATER_MAX];
    *later = (struct later){e->now_ns + e->delay_ns, conn, malloc(bytes.len), bytes.len};
    memcpy(later->data, bytes.data, bytes.len);
}

static inline void on_bytes(struct tc_engine *e, const struct tc_event *event)
{
    e->bytes += event->bytes.len;
    if (e->gate && event->conn == e->gate_conn) {
        sem_post(e->at_gate);
        sem_wait(e->gate);
        e->gate = NULL;
    }
    if (e->kill_node_on_bytes) {
        struct tc_action *action = act(e, TC_ACT_NODE, 0);
        action->node = 0;
        action->verb = TC_KILL;
        e->kill_node_on_bytes = false;
    }
    for (uint32_t i = 0; i < e->verify_on_bytes; i++) {
        struct tc_action *action = act(e, TC_ACT_VERIFY, event->conn);
        action->token = ++e->token;
        action->bytes = event->bytes;
    }
    if (e->conns[TC_CONN_PEER(event->conn)].up)
        forward(e, TC_CONN_PEER(event->conn), event->bytes);
    else
        hold(e, event->conn, event->bytes);
    if (e->observe_bytes) {
        e->observation = (struct tc_observation){.kind = TC_OBS_MESSAGE, .node = 2, .text = ""};
        e->vote = (struct tc_statement){.kind = TC_KIND_VOTE, .signer = event->bytes.data[0]};
        e->message = (struct tc_message){.statements = &e->vote, .statement_count = 1};
        e->observation.message.said = e->observe_votes;
        e->observation.message.message = e->observe_votes ? &e->message : NULL;
        act(e, TC_ACT_OBSERVE, 0)->observation = &e->observation;
    }
    if (e->finish_after && e->bytes >= e->finish_after) {
        tc_error_set(&e->error, TC_ESCRIPT, "fake.lua:1: finished");
        act(e, TC_ACT_FINISH, 0);
    }
}

static inline void on_closed(struct tc_engine *e, const struct tc_event *event)
{
    const uint32_t peer = TC_CONN_PEER(event->conn);
    if (event->reset) {
        act(e, TC_ACT_CLOSE, peer)->reset = true;
        act(e, TC_ACT_CLOSE, event->conn)->reset = true;
        e->conns[peer].up = false;
        e->conns[event->conn].up = false;
    } else if (e->conns[peer].up) {
        act(e, TC_ACT_CLOSE, peer);
    }
    e->conns[event->conn].closed = true;
}

static inline void on_queue(struct tc_engine *e, const struct tc_event *event)
{
    const uint32_t peer = TC_CONN_PEER(event->conn);
    if (event->queued_bytes > e->queued_max)
        e->queued_max = event->queued_bytes;
    if (event->queued_bytes >= BUDGET && !e->conns[peer].stopped) {
        e->conns[peer].stopped = true;
        act(e, TC_ACT_STOP_READ, peer);
    } else if (event->queued_bytes <= BUDGET / 2 && e->conns[peer].stopped) {
        e->conns[peer].stopped = false;
        act(e, TC_ACT_RESUME_READ, peer);
    }
}

static inline void on_dialled(struct tc_engine *e, const struct tc_event *event)
{
    const uint32_t near = TC_CONN_PEER(event->conn);
    e->conns[event->conn].up = true;
    if (e->conns[near].held_size > 0) {
        forward(e, event->conn, (struct tc_slice){e->conns[near].held, e->conns[near].held_size});
        e->sent = e->conns[near].held;
        e->conns[near].held = NULL;
        e->conns[near].held_size = 0;
    }
    if (e->conns[near].closed)
        act(e, TC_ACT_CLOSE, event->conn);
}

static inline void on_timer(struct tc_engine *e, const struct tc_event *event)
{
    free(e->sent);
    e->sent = NULL;
    if (e->later_count == 0 || e->later[e->later_first].due_ns > event->now_ns)
        return;
    struct later *later = &e->later[e->later_first];
    if (e->late_count < sizeof e->late_ns / sizeof *e->late_ns)
        e->late_ns[e->late_count++] = event->now_ns - later->due_ns;
    act(e, TC_ACT_WRITE, later->conn)->bytes = (struct tc_slice){later->data, later->size};
    e->sent = later->data;
    e->later_first = (e->later_first + 1) % LATER_MAX;
    e->later_count--;
}

static inline void on_observed(struct tc_engine *e, const struct tc_event *event)
{
    e->observation = *event->observation;
    act(e, TC_ACT_OBSERVE, 0)->observation = &e->observation;
}

static inline void remember(struct tc_engine *e, const struct tc_event *event)
{
    if (event->kind == TC_EV_BYTES || event->kind == TC_EV_QUEUE || event->kind == TC_EV_TIMER)
        return;
    if (e->seen_count == SEEN_MAX)
        return;
    struct seen *seen = &e->seen[e->seen_count++];
    *seen = (struct seen){.kind = event->kind,
                          .conn = event->conn,
                          .generation = event->generation,
                          .incarnation = event->incarnation,
                          .node = event->node,
                          .from = event->from,
                          .to = event->to,
                          .status = event->status,
                          .reset = event->reset,
                          .ok = event->ok,
                          .token = event->token,
                          .phase = event->phase,
                          .bytes = e->bytes};
    snprintf(seen->text, sizeof seen->text, "%s", event->text);
    if (event->observation) {
        seen->observation = event->observation->kind;
        seen->node = event->observation->node;
        seen->incarnation = event->observation->incarnation;
        if (event->observation->kind == TC_OBS_EXECUTED)
            seen->sequence = event->observation->executed.sequence;
        snprintf(seen->text, sizeof seen->text, "%s", event->observation->text);
    }
}

/* ---- the engine's contract ---- */

int tc_engine_step(struct tc_engine *e, const struct tc_event *event, struct tc_actions *out)
{
    assert(event->now_ns >= e->now_ns && event->conn < CONNS_MAX);
    e->now_ns = event->now_ns;
    e->steps++;
    e->out = (struct tc_actions){.items = e->actions};
    free(e->sent);
    e->sent = NULL;
    remember(e, event);
    if (event->kind == TC_EV_BYTES && e->fail_status)
        return e->fail_status;
    switch (event->kind) {
    case TC_EV_ACCEPTED:
        for (uint32_t side = 0; side < 2; side++) {
            free(e->conns[event->conn + side].held);
            memset(&e->conns[event->conn + side], 0, sizeof e->conns[0]);
        }
        e->conns[event->conn].up = true;
        act(e, TC_ACT_DIAL, TC_CONN_PEER(event->conn))->to = event->to;
        break;
    case TC_EV_DIALLED:
        on_dialled(e, event);
        break;
    case TC_EV_DIAL_FAILED:
        act(e, TC_ACT_CLOSE, TC_CONN_PEER(event->conn))->reset = true;
        break;
    case TC_EV_BYTES:
        on_bytes(e, event);
        break;
    case TC_EV_QUEUE:
        on_queue(e, event);
        break;
    case TC_EV_CLOSED:
        on_closed(e, event);
        break;
    case TC_EV_TIMER:
        on_timer(e, event);
        break;
    case TC_EV_OBSERVED:
        on_observed(e, event);
        break;
    case TC_EV_NODE_EXIT:
    case TC_EV_RELOAD:
        e->observation =
            (struct tc_observation){.kind = event->kind == TC_EV_RELOAD ? TC_OBS_PHASE : TC_OBS_NODE_EXIT, .text = ""};
        act(e, TC_ACT_OBSERVE, 0)->observation = &e->observation;
        break;
    default:
        break;
    }
    *out = e->out;
    return 0;
}

uint64_t tc_engine_deadline_ns(const struct tc_engine *e)
{
    return e->later_count ? e->later[e->later_first].due_ns : TC_NEVER_NS;
}

const struct tc_error *tc_engine_error(const struct tc_engine *e)
{
    return &e->error;
}

/* ---- a run ---- */

struct run {
    struct tc_engine *engine;
    struct tc_live_config config;
    struct tc_live_listener listeners[64];
    char addresses[TC_NODES_MAX][128]; /* of the real nodes */
    struct tc_live *live;
    struct tc_live_stats stats;
    pthread_t thread;
    int status;
    struct tc_error error;
    int listen_fd, client, server; /* of the one link of most tests: node 0, who dials it, who answers; -1: none */
    pthread_mutex_t lock;
    pthread_cond_t told; /* something was counted */
    _Atomic int observed[TC_OBS_COUNT], progressed;
};

static inline const char *node_address(void *self, uint16_t node)
{
    struct run *run = self;
    return run->addresses[node][0] ? run->addresses[node] : NULL;
}

static inline void count_one(struct run *run, _Atomic int *counter)
{
    pthread_mutex_lock(&run->lock);
    atomic_fetch_add(counter, 1);
    pthread_cond_broadcast(&run->told);
    pthread_mutex_unlock(&run->lock);
}

static inline void sink_observe(void *self, const struct tc_observation *observation)
{
    struct run *run = self;
    count_one(run, &run->observed[observation->kind]);
}

static inline void sink_decide(void *self, const struct tc_decision *decision)
{
    (void)self;
    (void)decision;
}

static inline void sink_progress(void *self, uint64_t now_ns)
{
    struct run *run = self;
    (void)now_ns;
    count_one(run, &run->progressed);
}

/* A run with `links` listeners, the i-th in front of node i, that lasts until it is interrupted. */
static inline struct run *run_new(size_t links)
{
    struct run *run = calloc(1, sizeof *run);
    run->engine = calloc(1, sizeof *run->engine);
    assert_non_null(run->engine);
    run->listen_fd = run->client = run->server = -1;
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->told, NULL);
    for (size_t i = 0; i < links; i++) {
        snprintf(run->listeners[i].address, sizeof run->listeners[i].address, "127.0.0.1:0");
        run->listeners[i].from = (uint16_t)(TC_CLIENT_FIRST + i);
        run->listeners[i].to = (uint16_t)i;
    }
    run->config = (struct tc_live_config){
        .engine = run->engine,
        .sink = {.self = run, .observe = sink_observe, .decide = sink_decide, .progress = sink_progress},
        .listeners = run->listeners,
        .listener_count = links,
        .node_address = node_address,
        .node_self = run,
        .lane_budget_bytes = BUDGET,
        .plan = {.phase_ns = {TC_NEVER_NS, 0, 0, 0}},
    };
    return run;
}

static inline void run_open(struct run *run)
{
    struct tc_error err = {0};
    const int status = tc_live_open(&run->config, &run->live, &err);
    if (status)
        print_error("%s\n", err.text);
    assert_int_equal(status, 0);
}

static inline void *run_thread(void *self)
{
    struct run *run = self;
    run->status = tc_live_run(run->live, &run->error);
    tc_live_stats(run->live, &run->stats);
    return NULL;
}

static inline void run_start(struct run *run)
{
    run_open(run);
    assert_int_equal(pthread_create(&run->thread, NULL, run_thread, run), 0);
}

static inline void run_join(struct run *run)
{
    assert_int_equal(pthread_join(run->thread, NULL), 0);
}

/* Interrupts it as a user would. Our own threads have the signal blocked (main below). */
static inline void run_interrupt(struct run *run)
{
    kill(getpid(), SIGTERM);
    run_join(run);
    assert_int_equal(run->status, TC_EINTERRUPTED);
}

static inline void close_now(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline void reset_close_now(int *fd)
{
    reset_close(*fd);
    *fd = -1;
}

static inline void run_free(struct run *run)
{
    tc_live_free(run->live);
    close_now(&run->client);
    close_now(&run->server);
    close_now(&run->listen_fd);
    pthread_cond_destroy(&run->told);
    pthread_mutex_destroy(&run->lock);
    for (size_t i = 0; i < CONNS_MAX; i++)
        free(run->engine->conns[i].held);
    for (size_t i = 0; i < run->engine->later_count; i++)
        free(run->engine->later[(run->engine->later_first + i) % LATER_MAX].data);
    free(run->engine->sent);
    free(run->engine);
    free(run);
}

/* The i-th event of this kind, from 0; NULL if there were fewer. After the run. */
static inline const struct seen *nth(const struct run *run, enum tc_event_kind kind, size_t index)
{
    for (size_t i = 0; i < run->engine->seen_count; i++)
        if (run->engine->seen[i].kind == kind && index-- == 0)
            return &run->engine->seen[i];
    return NULL;
}

static inline size_t count_of(const struct run *run, enum tc_event_kind kind)
{
    size_t count = 0;
    while (nth(run, kind, count))
        count++;
    return count;
}

/* A listening socket for node i; its address goes into the run. */
static inline int serve(struct run *run, uint16_t node)
{
    struct tc_endpoint endpoint = endpoint_of("127.0.0.1:0");
    const int fd = tc_listen_open(&endpoint, NULL);
    assert_true(fd >= 0);
    tc_endpoint_text(&endpoint, run->addresses[node]);
    fcntl(fd, F_SETFL, 0);
    return fd;
}

/* A run with one link, whose node listens; and its link, once the run has started. */
static inline struct run *run_serving(void)
{
    struct run *run = run_new(1);
    run->listen_fd = serve(run, 0);
    return run;
}

static inline void run_connect(struct run *run)
{
    run->client = dial_blocking(run->listeners[0].address);
    run->server = accept_blocking(run->listen_fd);
}

/* Writes zeros until every buffer on the way is full; how many they were. */
static inline size_t fill(int fd)
{
    static const char chunk[65536];
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    size_t written = 0;
    while (poll(&ready, 1, 200) == 1) {
        const ssize_t sent = send(fd, chunk, sizeof chunk, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(sent > 0);
        written += (size_t)sent;
    }
    return written;
}

static inline struct timespec in_ten_seconds(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    return until;
}

/* Waits until a counter of the run has come so far. */
static inline void await_count(struct run *run, _Atomic int *counter, int count)
{
    const struct timespec until = in_ten_seconds();
    pthread_mutex_lock(&run->lock);
    while (atomic_load(counter) < count)
        assert_int_equal(pthread_cond_timedwait(&run->told, &run->lock, &until), 0);
    pthread_mutex_unlock(&run->lock);
}

/* Waits until the sink was given this many. */
static inline void await_observed(struct run *run, enum tc_observation_kind kind, int count)
{
    await_count(run, &run->observed[kind], count);
}

/* Waits until the world has been through all its chores once more, from beginning to end. */
static inline void await_chores(struct run *run)
{
    await_count(run, &run->progressed, atomic_load(&run->progressed) + 2);
}

static inline void await_post(sem_t *semaphore)
{
    const struct timespec until = in_ten_seconds();
    assert_int_equal(sem_timedwait(semaphore, &until), 0);
}

static inline void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

#endif
