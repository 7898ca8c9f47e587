/* The watchdog: a thread that looks twice a second whether the step in hand began too long ago. A script that hangs in
 * spite of its budget would otherwise hang the run. */
#define _GNU_SOURCE
#include "live_private.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HUNG_AFTER_NS UINT64_C(10000000000)
#define LOOK_NS       UINT64_C(500000000)

struct tc_live_watch {
    _Atomic uint64_t began_ns; /* of the step in hand; 0: none */
    uint64_t limit_ns;
    void (*hung)(void *self);
    void *hung_self;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending; /* under lock */
};

void tc_live_watch_begin(struct tc_live_watch *watch, uint64_t now_ns)
{
    if (watch)
        atomic_store_explicit(&watch->began_ns, now_ns, memory_order_relaxed);
}

void tc_live_watch_end(struct tc_live_watch *watch)
{
    if (watch)
        atomic_store_explicit(&watch->began_ns, 0, memory_order_relaxed);
}

static void *watch_run(void *self)
{
    struct tc_live_watch *watch = self;
    const uint64_t look_ns = watch->limit_ns / 4 < LOOK_NS ? watch->limit_ns / 4 + 1 : LOOK_NS;
    bool told = false;
    pthread_mutex_lock(&watch->lock);
    while (!watch->ending) {
        const uint64_t at_ns = tc_loop_clock_ns() + look_ns;
        const struct timespec until = {(time_t)(at_ns / UINT64_C(1000000000)), (long)(at_ns % UINT64_C(1000000000))};
        pthread_cond_timedwait(&watch->wake, &watch->lock, &until);
        const uint64_t began_ns = atomic_load_explicit(&watch->began_ns, memory_order_relaxed);
        const uint64_t now_ns = tc_loop_clock_ns();
        if (told || watch->ending || began_ns == 0 || now_ns < began_ns || now_ns - began_ns < watch->limit_ns)
            continue;
        told = true;
        pthread_mutex_unlock(&watch->lock);
        watch->hung(watch->hung_self);
        pthread_mutex_lock(&watch->lock);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int tc_live_watch_open(struct tc_live *live, struct tc_error *err)
{
    if (!live->config.hung)
        return 0;
    struct tc_live_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return tc_error_set(err, TC_EMEMORY, "no memory for the watchdog");
    watch->limit_ns = live->config.hung_after_ns ? live->config.hung_after_ns : HUNG_AFTER_NS;
    watch->hung = live->config.hung;
    watch->hung_self = live->config.hung_self;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&watch->lock, NULL);
    const int reason = pthread_create(&watch->thread, NULL, watch_run, watch);
    if (reason) {
        pthread_mutex_destroy(&watch->lock);
        pthread_cond_destroy(&watch->wake);
        free(watch);
        return tc_error_set(err, TC_EIO, "cannot start the watchdog: %s", strerror(reason));
    }
    live->watcher = watch;
    return 0;
}

void tc_live_watch_free(struct tc_live *live)
{
    struct tc_live_watch *watch = live->watcher;
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->ending = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->wake);
    free(watch);
    live->watcher = NULL;
}
