/* A small event loop: epoll, one timerfd, signalfd. For one thread. The live world, `turncoat replica` and `turncoat
 * client` run on it.
 *
 * Times are absolute nanoseconds of CLOCK_MONOTONIC. Watches are level-triggered and belong to the caller, so that
 * watching a descriptor allocates nothing; a watch may be removed (and its memory freed) from inside any callback:
 * events of it that were already fetched are forgotten. */
#ifndef TC_LOOP_H
#define TC_LOOP_H

#include "error.h"
#include "types.h"
#include <sys/epoll.h>

/* How early a precise deadline wakes the loop, which then polls until it is due: a timerfd alone fires 65–165 µs late
 * on an idle machine. */
#define TC_LOOP_EARLY_NS UINT64_C(150000)

struct tc_loop;

/* One watched descriptor. Caller's memory, must stay in place while it is added; set by tc_loop_add. */
struct tc_loop_watch {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP as last asked for */
    void (*ready)(void *self, uint32_t events);
    void *self;
};

/* NULL with the reason in err (TC_EIO, TC_EMEMORY). */
struct tc_loop *tc_loop_new(struct tc_error *err);

/* Unblocks the signals it took (those that came meanwhile are swallowed). Watched descriptors stay open; they are the
 * caller's. Safe on NULL. */
void tc_loop_free(struct tc_loop *loop);

/* Watches fd for `events` (EPOLL… flags; EPOLLERR and EPOLLHUP always come). `ready` gets what is ready. TC_EIO if the
 * kernel refuses (errno says why): the watch is then not added. */
int tc_loop_add(struct tc_loop *loop, struct tc_loop_watch *watch, int fd, uint32_t events,
                void (*ready)(void *self, uint32_t events), void *self);

/* Changes what is waited for; no system call if nothing changes. TC_EIO. */
int tc_loop_mod(struct tc_loop *loop, struct tc_loop_watch *watch, uint32_t events);

/* Stops watching. Call it before closing the descriptor. Does nothing for a watch that is not added (zeroed, or removed
 * before). */
void tc_loop_remove(struct tc_loop *loop, struct tc_loop_watch *watch);

/* Is it added? A zeroed watch is not. */
bool tc_loop_watching(const struct tc_loop_watch *watch);

/* Who is called when the deadline is reached. The deadline is cleared before the call; set the next one inside it. */
void tc_loop_on_deadline(struct tc_loop *loop, void (*due)(void *self), void *self);

/* Sets the one deadline; TC_NEVER_NS clears it. `early_ns`: wake that much before it and poll until it is due
 * (TC_LOOP_EARLY_NS), 0 for a deadline where a few hundred microseconds do not matter. Cheap: the timerfd is armed
 * before the loop sleeps, and only if it would fire too late as it is. */
void tc_loop_set_deadline(struct tc_loop *loop, uint64_t at_ns, uint64_t early_ns);

/* Called at the end of every turn, after its events and its deadline; NULL for none. For what is done once a turn, such
 * as one fdatasync for all that the turn wrote. */
void tc_loop_on_turn(struct tc_loop *loop, void (*turned)(void *self), void *self);

/* Takes these signals (blocks them and reads them from a descriptor); `arrived` is called from the loop. Once per loop,
 * before other threads are made, which inherit the mask. TC_EIO. */
int tc_loop_signals(struct tc_loop *loop, const int *signals, size_t count, void (*arrived)(void *self, int signal),
                    void *self);

/* Time as read at the last wake-up: use it for everything that happens in a callback. */
uint64_t tc_loop_now_ns(const struct tc_loop *loop);

/* Time read now. */
uint64_t tc_loop_clock_ns(void);

/* Reads the clock now and makes it the loop's time. */
uint64_t tc_loop_refresh_ns(struct tc_loop *loop);

/* Runs until tc_loop_stop; not at all if that was called before. 0, or TC_EIO if epoll fails (a programmer error or a
 * lost descriptor). */
int tc_loop_run(struct tc_loop *loop);

/* One turn: waits at most wait_max_ns (0: does not wait, TC_NEVER_NS: as long as it takes; rounded up to milliseconds),
 * calls what is ready. For tests, and for loops after tc_loop_run. Errors as there; a stop is
 * over with its turn, and one from before the turn is forgotten. */
int tc_loop_turn(struct tc_loop *loop, uint64_t wait_max_ns);

/* Ends tc_loop_run after the callback that is running; further events of this turn are not delivered (they come again
 * in the next run, being level-triggered). */
void tc_loop_stop(struct tc_loop *loop);

#endif
