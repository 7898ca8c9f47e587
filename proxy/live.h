/* The live world: epoll and timerfd, non-blocking sockets, real processes. Drives one engine. */
#ifndef TC_LIVE_H
#define TC_LIVE_H

#include "../injectors/process.h"
#include "world.h"

struct tc_live_listener {
    char address[128]; /* host:port; port 0: chosen, and written back by tc_live_open */
    uint16_t from;     /* dialler, or TC_NODE_NONE: named by the hello */
    uint16_t to;
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
    const char *capture_path;            /* trace.pcap; NULL none */
    uint64_t capture_max_bytes;          /* 0 = 1 GiB; past it an observation, and no more is written */
    struct tc_world_plan plan;
    int (*reload)(void *self, const struct tc_handler **handler, struct tc_error *err); /* SIGHUP; NULL: ignored */
    void *reload_self;
};

struct tc_live;

/* Binds every listener and raises the descriptor limit. TC_EUNREACHABLE: which port is taken or address cannot be had;
 * TC_EIO. */
int tc_live_open(const struct tc_live_config *config, struct tc_live **out, struct tc_error *err);

/* Runs until the plan ends, the engine finishes, or SIGINT/SIGTERM (TC_EINTERRUPTED, everything drained). Sends the
 * engine STOP at the end in every case. TC_EUNREACHABLE if the first decision does not come within start_timeout_ns and
 * a node cannot be dialled (which one). Engine errors as they are. */
int tc_live_run(struct tc_live *live, struct tc_error *err);

/* Nanoseconds since tc_live_open. */
uint64_t tc_live_now_ns(const struct tc_live *live);

void tc_live_free(struct tc_live *live);

#endif
