/* The live world: epoll and timerfd, non-blocking sockets, real processes. Drives one engine.
 *
 * Everything runs in the thread that calls tc_live_run, but for three helpers that touch neither engine nor sockets:
 * the capture's writer, the verifier of signatures, and the watchdog. */
#ifndef TC_LIVE_H
#define TC_LIVE_H

#include "../injectors/process.h"
#include "world.h"

struct tc_live_listener {
    char address[128]; /* host:port; port 0: chosen, and written back by tc_live_open */
    uint16_t from;     /* dialler, or TC_NODE_NONE: named by the hello */
    uint16_t to;
};

/* Another source of observations beside what nodes print: whoever asks them. It tells by tc_live_tell_fact, from
 * callbacks of the loop only. */
struct tc_loop;
struct tc_live_feed {
    void *self;
    int (*open)(void *self, struct tc_loop *loop, struct tc_error *err); /* NULL: there is no such source */
    void (*last)(void *self);                                            /* the run ends: get what is still to be had */
    bool (*busy)(const void *self); /* is something still to come? It is waited for, within a bound */
    void (*close)(void *self);      /* also after open failed */
};

struct tc_live_config {
    struct tc_engine *engine;
    struct tc_sink sink;
    struct tc_live_listener *listeners; /* borrowed; addresses are filled in */
    size_t listener_count;
    const char *(*node_address)(void *self, uint16_t node); /* where a node really listens, host:port */
    void *node_self;
    struct tc_keeper *keeper;            /* NULL: processes are not ours */
    const char *log_paths[TC_NODES_MAX]; /* files or FIFOs with JSON lines of nodes that are not ours; NULL none */
    const char *log_where[TC_NODES_MAX]; /* "file:line: " that names them, for mistakes; NULL not known */
    /* Reads one line of a node's output (tc_line_parse); what it returns lives in `arena`. NULL: lines are only kept.
     */
    int (*parse_line)(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err);
    struct tc_live_feed feed;
    const char *log_dir;      /* every node's output is also kept here, as node-<name>.log; NULL: not kept */
    const char *capture_path; /* trace.pcap; NULL none */
    bool capture_plain;       /* what is captured is what the engine shows (TC_ACT_PLAIN), not what the sockets carry */
    /* A node is dialled from the address that its dialler used, where both are of the loopback: nodes that take one
     * connection from each address then see every peer at its own. */
    bool dial_from_link;
    uint64_t capture_max_bytes; /* 0 = 1 GiB; past it an observation, and no more is written */
    /* TC_ACT_VERIFY: the action's bytes are a whole frame; a worker thread decodes it and checks every statement. NULL
     * protocol: such actions are answered at once as not verified (ok, with a text that says so). */
    const struct tc_protocol *protocol;
    const struct tc_protocol_env *protocol_env; /* borrowed; read from the worker thread */
    size_t lane_budget_bytes;                   /* as the engine's: TC_EV_QUEUE goes by its quarters; 0 = 4 MiB */
    size_t read_bytes_max;                      /* one read from a socket; 0 = 64 KiB */
    /* A phase of TC_NEVER_NS lasts until the run is interrupted. start_timeout_ns 0 = 10 s. */
    struct tc_world_plan plan;
    int (*reload)(void *self, const struct tc_handler **handler, struct tc_error *err); /* SIGHUP; NULL: ignored */
    void *reload_self;
    /* Called once, from the watchdog thread, when one step of the engine takes longer than hung_after_ns (0 = 10 s); it
     * may not touch the engine. NULL: no watchdog. */
    void (*hung)(void *self);
    void *hung_self;
    uint64_t hung_after_ns;
};

struct tc_live;

/* Binds every listener and raises the descriptor limit. TC_EUNREACHABLE: which port is taken or address cannot be had;
 * TC_EIO. */
int tc_live_open(const struct tc_live_config *config, struct tc_live **out, struct tc_error *err);

/* Runs until the plan ends, the engine finishes, or SIGINT/SIGTERM (TC_EINTERRUPTED, everything drained). Sends the
 * engine STOP at the end in every case. TC_EUNREACHABLE if the first decision does not come within start_timeout_ns and
 * a node cannot be dialled (which one); if all can be dialled the phases begin all the same, so that the oracles may
 * say that it never decides. Engine errors as they are; TC_EIO if the capture could not be written to its end (the run
 * was otherwise complete) or the keeper died. May be called once. */
int tc_live_run(struct tc_live *live, struct tc_error *err);

/* Ends the run from within a callback of the sink: nothing more is judged, tc_live_run returns err->code with its
 * sentence. The first call counts. */
void tc_live_abort(struct tc_live *live, const struct tc_error *err);

/* A fact that the feed has of a node: time and incarnation are filled in. An execution that the node printed already is
 * not told again; where the two differ, that is told. */
void tc_live_tell_fact(struct tc_live *live, const struct tc_observation *observation);

/* Nanoseconds since tc_live_open. */
uint64_t tc_live_now_ns(const struct tc_live *live);

/* Figures of the world itself, for the report and for tests. */
struct tc_live_stats {
    uint64_t capture_missing;   /* packets that trace.pcap lacks */
    const char *capture_reason; /* why; static */
    bool only_capture_failed;   /* tc_live_run returned TC_EIO for the capture alone: the run itself was complete */
    uint64_t accepted, dialled, dial_failures;
    uint64_t lines, lines_ignored; /* of the nodes' output */
    uint64_t verified, unverified; /* frames asked to be verified; not verified for lack of room */
    size_t pairs_now, queued_now_bytes;
    uint64_t late_max_ns; /* latest that a deadline of the engine was served */
    uint64_t held_up_ns;  /* in pauses of half a second or more, in which nothing was carried */
};
void tc_live_stats(const struct tc_live *live, struct tc_live_stats *out);

/* Closes every socket. Neither engine nor keeper are touched. Safe on NULL. */
void tc_live_free(struct tc_live *live);

#endif
