/* What the files of the live world share. Nobody else includes this.
 *
 * live.c        opening, running, chores, freeing
 * live_step.c   one engine step and its actions
 * live_pair.c   pairs of connections: accepting, dialling, ending
 * live_conn.c   one connection: reading, writing, its queue
 * live_phase.c  the phases of a run, and its end
 * live_source.c what nodes print: pipes, log files, FIFOs
 * live_told.c   executions that are told twice, by what a node prints and by who asks it
 * live_node.c   processes: the keeper's events and the engine's wishes
 * live_verify.c, live_watch.c   helper threads */
#ifndef TC_LIVE_PRIVATE_H
#define TC_LIVE_PRIVATE_H

#include "capture_write.h"
#include "listen.h"
#include "live.h"
#include "loop.h"

#define TC_LIVE_READ_DEFAULT   ((size_t)64 << 10)
#define TC_LIVE_QUEUE_MAX      ((size_t)256 << 20)   /* one connection's queue; beyond it the connection is reset */
#define TC_LIVE_QUEUE_KEEP     ((size_t)64 << 10)    /* memory that an empty queue keeps */
#define TC_LIVE_CHORE_NS       UINT64_C(250000000)   /* between two rounds of chores */
#define TC_LIVE_DIAL_MAX_NS    UINT64_C(3000000000)  /* a dial that nobody answers is given up */
#define TC_LIVE_VERIFY_NS      UINT64_C(1000000000)  /* what the end of a run grants the verifier */
#define TC_LIVE_BUDGET_DEFAULT ((size_t)4 << 20)     /* bytes that one lane may have waiting */
#define TC_LIVE_FEED_NS        UINT64_C(700000000)   /* what the end of a run grants who asks the nodes */
#define TC_LIVE_DRAIN_NS       UINT64_C(200000000)   /* what the end of a run grants the queues */
#define TC_LIVE_START_NS       UINT64_C(10000000000) /* wait for the first decision */
#define TC_LIVE_ACCEPT_BATCH   64                    /* of one listener in one turn */
#define TC_LIVE_LINE_MAX       ((size_t)1 << 20)     /* a longer line of a node is skipped */
#define TC_LIVE_FD_RESERVE     128                   /* descriptors that are not connections */

/* What must be told to the engine about a connection once the step in hand is done. */
enum { TC_LIVE_TELL_QUEUE = 1, TC_LIVE_TELL_DIAL_FAILED = 2, TC_LIVE_TELL_RESET = 4 };

/* A note that waits for the step in hand to end. */
#define TC_LIVE_NOTES_MAX 16
struct tc_live_note {
    enum tc_observation_kind kind;
    uint16_t node;
    bool not_carried; /* an overflow for which a connection of the cluster was not carried */
    char text[200];
};

enum tc_live_state { TC_LIVE_NONE = 0, TC_LIVE_DIALLING, TC_LIVE_OPEN, TC_LIVE_CLOSED };

/* Bytes that the socket did not take. */
struct tc_live_queue {
    uint8_t *data;
    size_t head, tail, size;
};

struct tc_live_conn {
    struct tc_loop_watch watch; /* watch.fd is only valid while it is added; fd below always */
    struct tc_live *live;
    uint32_t number;
    int fd;
    enum tc_live_state state;
    bool read_ended;   /* end of stream read and told */
    bool read_stopped; /* the engine asked for no more for now */
    bool shut_wanted;  /* the engine closed it */
    bool shut_done;    /* the sending side is shut */
    bool write_dead;   /* writing failed: what is still to be written is dropped */
    uint16_t node;     /* far: whom we dial */
    uint32_t told;     /* quarters of the budget in the queue, rounded up, as last told */
    uint32_t tell;     /* TC_LIVE_TELL_… */
    bool ours;         /* its dial failed by no fault of the node's */
    int undialled;     /* errno: why its dial failed */
    uint64_t dial_began_ns;
    struct tc_live_queue queue;
    struct tc_live_conn *tell_next; /* valid while tell != 0 */
};

struct tc_live_pair {
    struct tc_live_conn side[2]; /* near, far */
    bool used;
    uint32_t next_free; /* 1 + number, 0 none */
};

struct tc_live_port {
    struct tc_loop_watch watch;
    struct tc_live *live;
    struct tc_live_listener *listener;
    int fd;
    uint32_t generation; /* connections accepted so far */
};

/* A stream of lines from a node: the pipe of one incarnation, or a log. */
struct tc_live_source {
    struct tc_loop_watch watch;
    struct tc_live *live;
    struct tc_live_source *next;
    uint16_t node;
    uint32_t incarnation; /* 0: a log that is not ours */
    int fd;               /* -1: a log that does not exist yet */
    const char *path;     /* of a log; NULL for a pipe */
    bool is_file;         /* read when it grows; epoll has no use for files */
    int watch_number;     /* inotify's, of a file; -1: none, the chores look */
    bool skipping;        /* inside a line that is too long */
    bool ended;
    uint64_t offset;
    uint8_t *line;
    size_t line_len, line_size;
};

struct tc_live_told;   /* live_told.c */
struct tc_live_verify; /* live_verify.c */
struct tc_live_watch;  /* live_watch.c */

struct tc_live {
    struct tc_live_config config;
    struct tc_loop *loop;
    uint64_t epoch_ns;
    uint64_t tick_ns;  /* next of the chores that come four times a second; engine time, as all below */
    uint64_t chore_ns; /* next chore or change of phase */
    int status;        /* of the run; 0 while all is well */
    struct tc_error error;
    bool stepping, finished, interrupted, draining;

    uint8_t *read_buffer;
    size_t read_size, quarter;
    struct tc_live_conn *tell_first, *tell_last;
    struct tc_live_note notes[TC_LIVE_NOTES_MAX];
    size_t note_count;
    uint64_t notes_lost;
    bool lost_not_carried; /* one of them said that a connection was not carried */

    struct tc_live_port *ports;
    bool accept_paused;
    struct tc_live_pair **pairs;
    uint32_t pair_count, pair_free; /* made so far; 1 + first free one */

    /* phases */
    uint32_t phase_next; /* the phase to be entered next */
    bool phase_begun, seen_start;
    uint64_t first_ns;        /* the first decision; TC_NEVER_NS: none yet */
    struct tc_nodeset voters; /* heard voting before the phases began */
    uint64_t start_ns;        /* when tc_live_run began */
    uint64_t phase_end_ns;
    struct tc_nodeset reached; /* nodes that took a connection of ours */

    struct tc_live_source *sources;
    struct tc_loop_watch keeper_watch, inotify_watch;
    int inotify_fd;
    int log_fds[TC_NODES_MAX]; /* kept logs; -1 not open, -2 given up */
    struct tc_arena line_arena;
    struct tc_live_told *told; /* NULL: nobody is asked */

    struct tc_capture *capture;
    struct tc_live_verify *verify;
    struct tc_live_watch *watcher;
    struct tc_live_stats stats;
};

/* ---- live.c ---- */

/* Ends the run with this status; the first one stays. err may be NULL. */
void tc_live_fail(struct tc_live *live, int status, const struct tc_error *err);
uint64_t tc_live_time_ns(const struct tc_live *live); /* of the wake-up in hand */

/* ---- live_step.c ---- */

/* One step, its actions, and the steps that these lead to. Not for use inside another step. */
void tc_live_step(struct tc_live *live, struct tc_event *event);
/* Feeds a note or an overflow through the engine, which numbers it: now, or after the step in hand. */
void tc_live_note(struct tc_live *live, enum tc_observation_kind kind, uint16_t node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for an overflow of ours for which a connection of the cluster was not carried, or was cut off: who was not
 * heard may have spoken, so that oracles which go by silence blame nobody. */
void tc_live_not_carried(struct tc_live *live, uint16_t node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells the engine later about a connection: after the step in hand. */
void tc_live_tell(struct tc_live_conn *conn, uint32_t what);
/* Delivers what tc_live_tell collected, where no step did so. */
void tc_live_tell_all(struct tc_live *live);
void tc_live_schedule(struct tc_live *live); /* sets the loop's deadline anew */

/* ---- live_pair.c ---- */

/* Opens all listeners of the configuration and writes their real ports into it. TC_EUSAGE (no address), TC_EUNREACHABLE
 * or TC_EIO (taken, not ours), TC_EMEMORY: the run cannot begin. */
int tc_live_listen(struct tc_live *live, struct tc_error *err);
void tc_live_listen_again(struct tc_live *live);                          /* after a pause for want of descriptors */
struct tc_live_conn *tc_live_conn(struct tc_live *live, uint32_t number); /* NULL if there never was one */
/* TC_ACT_DIAL: begins to connect a pair's far side to the real node. What fails is told to the engine later. */
void tc_live_dial(struct tc_live *live, uint32_t number, uint16_t to);
/* TC_ACT_CLOSE: with a reset at once, else a FIN behind what is queued. */
void tc_live_close(struct tc_live *live, uint32_t number, bool reset);
/* Closes the descriptor if both directions are done, and frees the pair if both sides are. */
void tc_live_settle(struct tc_live_conn *conn);
void tc_live_drop(struct tc_live_conn *conn);      /* closes it at once */
void tc_live_dial_done(struct tc_live_conn *conn); /* it stands: told now, the queue goes out */
/* Told later, with `reason`, an errno. `code` TC_ELIMIT: something of this machine has run out, which says nothing
 * about the node. */
void tc_live_dial_failed(struct tc_live_conn *conn, int code, int reason);
void tc_live_dial_check(struct tc_live *live); /* gives up dials that nobody answered within TC_LIVE_DIAL_MAX_NS */
void tc_live_pairs_free(struct tc_live *live); /* connections, pairs and listeners */

/* ---- live_conn.c ---- */

void tc_live_conn_ready(void *self, uint32_t events); /* the loop's callback; self is a tc_live_conn */
/* TC_ACT_WRITE: sends what the socket takes and queues the rest. A connection that is gone takes it and drops it. */
void tc_live_write(struct tc_live *live, uint32_t number, struct tc_slice bytes);
void tc_live_flush(struct tc_live_conn *conn); /* sends of its queue what the socket takes now */
/* TC_ACT_STOP_READ, TC_ACT_RESUME_READ */
void tc_live_read_stop(struct tc_live *live, uint32_t number, bool stop);
void tc_live_interest(struct tc_live_conn *conn);       /* waits for what its state calls for */
size_t tc_live_queued(const struct tc_live_conn *conn); /* bytes */

/* ---- live_phase.c ---- */

void tc_live_phase_begin(struct tc_live *live); /* the run begins: waits for the first decision if the plan says so */
/* Was this the sign of life that the phases wait for? `observation` NULL: bytes were read. */
void tc_live_phase_saw(struct tc_live *live, const struct tc_observation *observation);
void tc_live_phase_turn(struct tc_live *live);                  /* enters what is due */
uint64_t tc_live_phase_deadline_ns(const struct tc_live *live); /* when to call tc_live_phase_turn again */
/* The end: nothing is read any more; signatures in hand are verified and queues emptied, within bounds. */
void tc_live_drain(struct tc_live *live);

/* ---- live_source.c ---- */

/* Opens the logs of the configuration; one that is not there yet is waited for. TC_EIO, TC_EMEMORY. */
int tc_live_sources_open(struct tc_live *live, struct tc_error *err);
/* The pipe of a process that has started; takes fd over. */
void tc_live_source_add(struct tc_live *live, uint16_t node, uint32_t incarnation, int fd);
void tc_live_source_finish(struct tc_live *live, uint16_t node); /* reads what its dead process left */
void tc_live_sources_poll(struct tc_live *live); /* looks for logs that appeared, grew or were replaced */
void tc_live_sources_free(struct tc_live *live);

/* ---- live_told.c ---- */

enum tc_live_teller { TC_LIVE_PRINTED = 1, TC_LIVE_ASKED = 2 };

int tc_live_told_open(struct tc_live *live, struct tc_error *err); /* opens the feed too, if there is one */
/* False: what this execution says was told by the other teller. May change its origin. */
bool tc_live_told_new(struct tc_live *live, struct tc_observation *observation, enum tc_live_teller teller);
void tc_live_told_free(struct tc_live *live); /* and closes the feed */

/* ---- live_node.c ---- */

/* Listens to the keeper, if the cluster is ours. TC_EIO. */
int tc_live_nodes_open(struct tc_live *live, struct tc_error *err);
/* TC_ACT_NODE: asks the keeper; a node that is not ours is noted and left alone. */
void tc_live_node_act(struct tc_live *live, uint16_t node, enum tc_verb verb);

/* ---- live_verify.c ---- */

/* Starts the worker thread. TC_EMEMORY, TC_EIO. */
int tc_live_verify_open(struct tc_live *live, struct tc_error *err);
/* TC_ACT_VERIFY: copies the frame for the worker; TC_EV_VERIFIED answers. What there is no room for
 * is answered as not verified. */
void tc_live_verify_ask(struct tc_live *live, uint64_t token, struct tc_slice frame);
bool tc_live_verify_busy(const struct tc_live *live); /* is an answer still to come? */
void tc_live_verify_free(struct tc_live *live);       /* ends the worker; what it was still asked goes */

/* ---- live_watch.c ---- */

/* Starts the thread, if the configuration says what to do about a step that hangs. TC_EMEMORY, TC_EIO. */
int tc_live_watch_open(struct tc_live *live, struct tc_error *err);
void tc_live_watch_begin(struct tc_live_watch *watch, uint64_t now_ns); /* a step begins; watch may be NULL */
void tc_live_watch_end(struct tc_live_watch *watch);
void tc_live_watch_free(struct tc_live *live);

#endif
