/* For the tests of the live world: a run in a thread of its own over an engine that only passes bytes on
 * (live_engine.h), a sink that counts, and the sockets at both ends. */
#ifndef TC_LIVE_HARNESS_H
#define TC_LIVE_HARNESS_H

#define _GNU_SOURCE
#include "../../proxy/listen.h"
#include "../../proxy/live.h"
#include "../../proxy/loop.h"
#include "live_engine.h"
#include "live_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

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
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60; /* a test before this one that failed left its run behind, which may take our signal */
    assert_int_equal(pthread_timedjoin_np(run->thread, NULL, &until), 0);
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
