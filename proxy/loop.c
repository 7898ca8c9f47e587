#define _GNU_SOURCE
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Few enough that a burst on many links does not keep a due deadline waiting for long, many enough to spare system
 * calls under load. */
#define BATCH_MAX 32

struct tc_loop {
    int epoll_fd, timer_fd, signal_fd;
    bool stopped;
    uint64_t now_ns;
    uint64_t deadline_ns, early_ns;
    uint64_t armed_ns; /* when the timerfd will fire; TC_NEVER_NS if it will not */
    void (*due)(void *self);
    void *due_self;
    void (*turned)(void *self);
    void *turned_self;
    void (*arrived)(void *self, int signal);
    void *arrived_self;
    struct tc_loop_watch signal_watch;
    sigset_t signals, mask_before;
    int batch_count, batch_at;
    struct epoll_event batch[BATCH_MAX];
};

uint64_t tc_loop_clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

uint64_t tc_loop_now_ns(const struct tc_loop *loop)
{
    return loop->now_ns;
}

uint64_t tc_loop_refresh_ns(struct tc_loop *loop)
{
    loop->now_ns = tc_loop_clock_ns();
    return loop->now_ns;
}

struct tc_loop *tc_loop_new(struct tc_error *err)
{
    struct tc_loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        tc_error_set(err, TC_EMEMORY, "no memory for an event loop");
        return NULL;
    }
    loop->signal_fd = -1;
    loop->deadline_ns = TC_NEVER_NS;
    loop->armed_ns = TC_NEVER_NS;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        goto out_free_loop;
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0)
        goto out_close_epoll;
    /* Edge-triggered, so that an expiry need not be read away: arming it again makes the next edge. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event))
        goto out_close_timer;
    tc_loop_refresh_ns(loop);
    return loop;

out_close_timer:
    close(loop->timer_fd);
out_close_epoll:
    close(loop->epoll_fd);
out_free_loop:
    tc_error_set(err, TC_EIO, "cannot make an event loop: %s", strerror(errno));
    free(loop);
    return NULL;
}

static void release_signals(struct tc_loop *loop)
{
    if (loop->signal_fd < 0)
        return;
    /* A signal still pending would end the process the moment it is unblocked. */
    const struct timespec at_once = {0, 0};
    while (sigtimedwait(&loop->signals, NULL, &at_once) > 0)
        ;
    close(loop->signal_fd);
    pthread_sigmask(SIG_SETMASK, &loop->mask_before, NULL);
}

void tc_loop_free(struct tc_loop *loop)
{
    if (!loop)
        return;
    release_signals(loop);
    close(loop->timer_fd);
    close(loop->epoll_fd);
    free(loop);
}

bool tc_loop_watching(const struct tc_loop_watch *watch)
{
    return watch->ready != NULL;
}

int tc_loop_add(struct tc_loop *loop, struct tc_loop_watch *watch, int fd, uint32_t events,
                void (*ready)(void *self, uint32_t events), void *self)
{
    assert(ready && !tc_loop_watching(watch));
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return TC_EIO;
    *watch = (struct tc_loop_watch){.fd = fd, .events = events, .ready = ready, .self = self};
    return 0;
}

int tc_loop_mod(struct tc_loop *loop, struct tc_loop_watch *watch, uint32_t events)
{
    assert(tc_loop_watching(watch));
    if (watch->events == events)
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event))
        return TC_EIO;
    watch->events = events;
    return 0;
}

void tc_loop_remove(struct tc_loop *loop, struct tc_loop_watch *watch)
{
    if (!tc_loop_watching(watch))
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->batch_at; i < loop->batch_count; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].events = 0; /* fetched but not delivered: forget it */
    *watch = (struct tc_loop_watch){.fd = -1};
}

void tc_loop_on_deadline(struct tc_loop *loop, void (*due)(void *self), void *self)
{
    loop->due = due;
    loop->due_self = self;
}

void tc_loop_on_turn(struct tc_loop *loop, void (*turned)(void *self), void *self)
{
    loop->turned = turned;
    loop->turned_self = self;
}

void tc_loop_set_deadline(struct tc_loop *loop, uint64_t at_ns, uint64_t early_ns)
{
    loop->deadline_ns = at_ns;
    loop->early_ns = early_ns;
}

static void signal_ready(void *self, uint32_t events)
{
    (void)events;
    struct tc_loop *loop = self;
    struct signalfd_siginfo info;
    if (read(loop->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        loop->arrived(loop->arrived_self, (int)info.ssi_signo);
}

int tc_loop_signals(struct tc_loop *loop, const int *signals, size_t count, void (*arrived)(void *self, int signal),
                    void *self)
{
    assert(loop->signal_fd < 0);
    sigemptyset(&loop->signals);
    for (size_t i = 0; i < count; i++)
        sigaddset(&loop->signals, signals[i]);
    if (pthread_sigmask(SIG_BLOCK, &loop->signals, &loop->mask_before))
        return TC_EIO;
    loop->signal_fd = signalfd(-1, &loop->signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (loop->signal_fd < 0)
        goto out_unblock;
    loop->arrived = arrived;
    loop->arrived_self = self;
    if (tc_loop_add(loop, &loop->signal_watch, loop->signal_fd, EPOLLIN, signal_ready, loop))
        goto out_close;
    return 0;

out_close:
    close(loop->signal_fd);
    loop->signal_fd = -1;
out_unblock:
    pthread_sigmask(SIG_SETMASK, &loop->mask_before, NULL);
    return TC_EIO;
}

/* Makes sure that the timerfd fires no later than wake_ns. A timer that fires earlier than needed costs one empty turn,
 * which is cheaper than arming anew for every deadline that moves away. */
static int arm(struct tc_loop *loop, uint64_t wake_ns)
{
    if (loop->armed_ns <= wake_ns && loop->armed_ns > loop->now_ns)
        return 0;
    const struct itimerspec when = {
        .it_value = {(time_t)(wake_ns / UINT64_C(1000000000)), (long)(wake_ns % UINT64_C(1000000000))}};
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL))
        return TC_EIO;
    loop->armed_ns = wake_ns;
    return 0;
}

/* How long epoll may sleep: -1, or 0 when the deadline is here or so near that we poll for it. */
static int sleep_ms(struct tc_loop *loop, int *timeout_ms)
{
    *timeout_ms = -1;
    if (loop->deadline_ns == TC_NEVER_NS)
        return 0;
    if (loop->deadline_ns <= loop->now_ns || loop->deadline_ns - loop->now_ns <= loop->early_ns) {
        *timeout_ms = 0;
        return 0;
    }
    return arm(loop, loop->deadline_ns - loop->early_ns);
}

static void deliver_deadline(struct tc_loop *loop)
{
    if (loop->deadline_ns > loop->now_ns)
        return;
    loop->deadline_ns = TC_NEVER_NS;
    if (loop->due)
        loop->due(loop->due_self);
}

static void deliver(struct tc_loop *loop, int count)
{
    loop->batch_count = count;
    for (loop->batch_at = 0; loop->batch_at < loop->batch_count && !loop->stopped;) {
        const struct epoll_event event = loop->batch[loop->batch_at++];
        struct tc_loop_watch *watch = event.data.ptr;
        if (!watch) {
            loop->armed_ns = TC_NEVER_NS;
            continue;
        }
        if (!event.events)
            continue;
        watch->ready(watch->self, event.events);
        if (loop->early_ns > 0 && loop->deadline_ns != TC_NEVER_NS && loop->batch_at < loop->batch_count) {
            tc_loop_refresh_ns(loop); /* a long batch must not make what is due late */
            deliver_deadline(loop);
        }
    }
    loop->batch_count = 0;
    loop->batch_at = 0;
}

/* epoll_wait without the library's cancellation point, which costs something once the process has threads. */
static int wait_ready(struct tc_loop *loop, int timeout_ms)
{
    return (int)syscall(SYS_epoll_pwait, loop->epoll_fd, loop->batch, BATCH_MAX, timeout_ms, NULL, (size_t)0);
}

static int turn(struct tc_loop *loop, uint64_t wait_max_ns)
{
    int timeout_ms;
    int status = sleep_ms(loop, &timeout_ms);
    if (status)
        return status;
    if (timeout_ms < 0 && wait_max_ns != TC_NEVER_NS) {
        const uint64_t wait_ms = wait_max_ns / 1000000 + (wait_max_ns % 1000000 != 0);
        timeout_ms = wait_ms > 1000000 ? 1000000 : (int)wait_ms;
    }
    int count = wait_ready(loop, timeout_ms);
    if (count < 0 && errno != EINTR)
        return TC_EIO;
    tc_loop_refresh_ns(loop);
    deliver(loop, count < 0 ? 0 : count);
    if (!loop->stopped)
        deliver_deadline(loop);
    if (loop->turned)
        loop->turned(loop->turned_self);
    return 0;
}

int tc_loop_turn(struct tc_loop *loop, uint64_t wait_max_ns)
{
    loop->stopped = false;
    const int status = turn(loop, wait_max_ns);
    loop->stopped = false;
    return status;
}

int tc_loop_run(struct tc_loop *loop)
{
    int status = 0;
    while (!loop->stopped && status == 0)
        status = turn(loop, TC_NEVER_NS);
    loop->stopped = false;
    return status;
}

void tc_loop_stop(struct tc_loop *loop)
{
    loop->stopped = true;
}
