/* Processes of a cluster that we start: a small keeper process (subreaper) spawns them and kills all descendants when
 * its pipe to us ends, so nothing outlives a run. An edge: it does I/O; the core never includes it.
 *
 * Start the keeper before making threads. All functions are for one thread. */
#ifndef TC_PROCESS_H
#define TC_PROCESS_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_process_spec {
    uint16_t node;
    const char *const *argv; /* NULL-terminated; argv[0] is the path */
    int listen_fd;           /* bound socket, inherited as fd 3, kept for restarts; -1 none */
    const char *stderr_path; /* appended to; "" = /dev/null */
    const char *data_dir;    /* removed and made anew by wipe; "" none */
};

struct tc_process_event {
    uint16_t node;
    uint32_t incarnation; /* 1, 2, … */
    bool up;              /* started; else ended */
    int status;           /* ended: exit code, or minus the signal */
    int stdout_fd;        /* up: read end of its standard output, non-blocking, owned by the caller; else -1 */
};

struct tc_keeper;

/* Forks the keeper. TC_EIO, TC_EMEMORY. */
int tc_keeper_start(struct tc_keeper **out, struct tc_error *err);

/* Ends every process and the keeper, and waits for them. Safe on NULL. */
void tc_keeper_stop(struct tc_keeper *keeper);

/* Registers and starts a process; an `up` event follows. The spec's strings are copied. TC_EIO if the request cannot be
 * passed; a program that cannot be executed gives an `up` and then an ended event with status 127. */
int tc_keeper_spawn(struct tc_keeper *keeper, const struct tc_process_spec *spec, struct tc_error *err);

/* Names a directory of the run's own that must not outlive it: the keeper removes it, with all that is in it, once
 * every process has ended, also when we were killed and could not. One a keeper. TC_EUSAGE: the path is too long;
 * TC_EIO. */
int tc_keeper_scratch(struct tc_keeper *keeper, const char *path, struct tc_error *err);

/* TC_PAUSE, TC_RESUME (SIGSTOP, SIGCONT), TC_STOP (SIGTERM), TC_KILL (SIGKILL), TC_RESTART (kill if running, start
 * again), TC_WIPE (kill, empty its data directory; RESTART brings it back). TC_ENOT_FOUND if the node was never
 * spawned. */
int tc_keeper_act(struct tc_keeper *keeper, uint16_t node, enum tc_verb verb, struct tc_error *err);

/* Asks a process to end by itself (SIGTERM). TC_ENOT_FOUND if it does not run. No run needs it, since tc_keeper_stop
 * asks everybody; the tests of the processes do, to see what each says when it is asked. */
int tc_keeper_terminate(struct tc_keeper *keeper, uint16_t node);

/* Readable (poll, epoll) when tc_keeper_next has something. */
int tc_keeper_fd(const struct tc_keeper *keeper);

/* The next event: 1, 0 if none, TC_EIO if the keeper died. Never blocks. */
int tc_keeper_next(struct tc_keeper *keeper, struct tc_process_event *event);

#endif
