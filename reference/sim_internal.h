/* What the files of the simulation share. Nobody else includes this.
 *
 * sim.c          opening, the loop, phases, freeing
 * sim_heap.c     events and the bytes they carry
 * sim_engine.c   engine steps and their actions
 * sim_pair.c     pairs of connections: dialling, accepting, ending
 * sim_stream.c   bytes on a connection, and the frames a node makes of them
 * sim_network.c  how long they take
 * sim_replica.c  replicas as processes: boot, steps, death
 * sim_disk.c     a step's outputs on their way through the disk
 * sim_client.c   the load */
#ifndef TC_SIM_INTERNAL_H
#define TC_SIM_INTERNAL_H

#include "../proxy/arena.h"
#include "../proxy/nodeset.h"
#include "client_operations.h"
#include "sim.h"

#define TC_SIM_NONE UINT32_MAX

#define TC_SIM_REDIAL_MAX_NS UINT64_C(1250000000) /* the longest wait before a lost connection is dialled again */

#define TC_SIM_SPARE 6 /* sizes of blobs that are used again: 256 << 0 … 5; larger ones are freed */

/* Bytes with an owner count. */
struct tc_sim_blob {
    uint32_t references;
    uint32_t len;
    uint8_t data[];
};

enum tc_sim_event_kind {
    TC_SIM_BYTES,     /* arrive at the node that holds this end of the connection */
    TC_SIM_END,       /* so does the end of the stream (ok: a reset) */
    TC_SIM_DIAL,      /* the engine's dial reaches its target */
    TC_SIM_CONNECTED, /* a node's own dial was accepted */
    TC_SIM_CLOSED,    /* the engine is told (ok: a reset) */
    TC_SIM_REDIAL,    /* `node` dials `peer` */
    TC_SIM_DEADLINE,  /* of a replica; token is when it was to come */
    TC_SIM_SYNCED,    /* the oldest outputs of a replica may leave */
    TC_SIM_CLIENT,    /* something is due at a client; token as above */
    TC_SIM_RESUME,    /* the engine reads again: it gets what waited */
    TC_SIM_ACT,       /* what the engine wants done to `node`: token is a verb */
    TC_SIM_BOOT,
    TC_SIM_EXIT,     /* the engine is told that `node` ended */
    TC_SIM_VERIFIED, /* the engine is told: token, ok */
    TC_SIM_PHASE,
    TC_SIM_TICK,
    TC_SIM_STABLE
};

struct tc_sim_event {
    uint64_t time_ns, order;
    enum tc_sim_event_kind kind : 8;
    bool ok;
    uint16_t node, peer;
    uint32_t conn;
    uint32_t use; /* of the connection's pair, or the node's incarnation: what is of an earlier one is void */
    union {
        struct tc_sim_blob *blob;
        uint64_t token;
    };
};

/* One end of a pair, as the engine numbers them: 0 near (the dialler's), 1 far (the target's). */
struct tc_sim_side {
    bool open;        /* it was, once: connected to a node */
    bool dialling;    /* far: a dial is on its way */
    bool deaf;        /* nothing arrives any more, but for the end */
    bool node_gone;   /* the node will take nothing more */
    bool engine_gone; /* the engine will hear nothing more */
    bool told_reset;
    bool read_stopped;
    uint16_t node, named; /* who holds this end; whom it believes to speak with */
    uint64_t last_ns;     /* when the last thing arrives there */
    uint8_t *in;          /* received, not yet a frame */
    size_t in_len, in_size;
    uint8_t *wait; /* said while the engine did not read */
    size_t wait_len, wait_size;
};

struct tc_sim_pair {
    bool used;
    uint32_t use, next_free;
    struct tc_sim_side side[2];
};

/* A node's own connection to a replica. */
struct tc_sim_link {
    uint32_t pair; /* TC_SIM_NONE: not connected */
    bool connected;
    uint64_t backoff_ns, up_at_ns, attempts;
};

/* One step's outputs on their way through the disk, in one piece of memory. */
struct tc_sim_turn {
    struct tc_sim_turn *next;
    struct tc_sim_blob *blob; /* that it lies in */
    size_t count;
    struct tc_output *outputs;
};

struct tc_sim_node {
    struct tc_replica *replica; /* NULL: a client, or not running */
    bool up, paused;
    uint32_t incarnation, boots; /* boots: which BOOT event counts */
    struct tc_sim_turn *turns, **turns_end;
    uint64_t synced_ns;   /* when the last turn leaves */
    uint64_t deadline_ns; /* for which an event is under way; virtual time */
    struct tc_sim_blob **disk;
    size_t disk_count, disk_size;
    uint64_t syncs, executed;
    struct tc_sim_event *deferred; /* came while it was paused */
    size_t deferred_count, deferred_size;
};

struct tc_sim_client {
    uint64_t views[TC_REPLICAS_MAX];
    uint64_t view, timestamp, started;
    bool busy, to_all;
    uint64_t due_ns, retransmit_at_ns, timeout_ns;
    uint64_t wake_ns; /* for which an event is under way */
    struct tc_arena arena;
    struct tc_wire_request request;
    struct tc_nodeset answered;
    uint8_t answers[TC_REPLICAS_MAX][TC_VALUE_SIZE];
    struct tc_operation_memory memory;
};

struct tc_sim_memory {
    struct tc_sim_blob *spare[TC_SIM_SPARE]; /* blobs that were dropped, by size */
    struct tc_sim_event *heap;
    size_t heap_size;
    struct tc_arena arena; /* hellos, replies */
    struct tc_arena verify_arena;
};

struct tc_sim {
    struct tc_sim_config config;
    struct tc_sim_memory *memory; /* the configuration's, or its own */
    const struct tc_cluster *cluster;
    const struct tc_protocol *protocol;
    const struct tc_replica_class *replica_class;
    const struct tc_node_wire *wire;
    uint64_t now_ns, next_order;
    size_t heap_count; /* of memory->heap */
    int status;
    struct tc_error error;
    bool finished, interrupted;
    /* phases */
    bool seen_start, phase_begun;
    uint32_t phase_next;
    uint64_t phase_end_ns;
    uint64_t enough, overrun; /* sequence numbers that end the run, see decisions_max; UINT64_MAX: none does */
    /* connections */
    struct tc_sim_pair *pairs;
    uint32_t pair_count, pair_size, pair_free; /* 1 + first free one */
    struct tc_sim_link *links;                 /* [dialler index * n + target] */
    uint64_t *link_free_ns, *link_count;       /* bandwidth; writes so far: [from index * nodes + to index] */
    uint64_t *link_key;                        /* of latencies, likewise; 0: not yet */
    uint64_t accepted;
    /* nodes */
    struct tc_sim_node *nodes; /* TC_NODES_MAX */
    struct tc_sim_client *clients;
    uint32_t client_count;
    uint32_t *newest;     /* pair + 1 by which a replica answers a client: [replica * client_count + client] */
    uint64_t started;     /* operations, all clients */
    uint64_t interval_ns; /* open loop */
    struct tc_operation_maker maker;
    struct tc_sim_stats stats;
};

/* ---- sim.c ---- */

/* Ends the run with this status; the first one stays. Returns it. */
int tc_sim_fail(struct tc_sim *sim, int status, const char *format, ...) __attribute__((cold, format(printf, 3, 4)));
/* What the engine observed, for the phases: a first decision begins them, decisions_max from the attack's begin on ends
 * the run. */
void tc_sim_phase_saw(struct tc_sim *sim, const struct tc_observation *observation);

/* A node's place in tables of all nodes: replicas first, then clients. */
static inline uint32_t tc_sim_node_index(const struct tc_sim *sim, uint16_t node)
{
    return node < TC_CLIENT_FIRST ? node : sim->cluster->n + (uint32_t)(node - TC_CLIENT_FIRST);
}

/* The connection that `node` keeps to replica `to`. */
static inline struct tc_sim_link *tc_sim_link(struct tc_sim *sim, uint16_t node, uint16_t to)
{
    return &sim->links[(size_t)tc_sim_node_index(sim, node) * sim->cluster->n + to];
}

/* Where the pair is by which `replica` answers `client`; NULL if that is no client of the load. */
static inline uint32_t *tc_sim_newest(struct tc_sim *sim, uint16_t replica, uint16_t client)
{
    if (client < TC_CLIENT_FIRST || client - TC_CLIENT_FIRST >= (int)sim->client_count || replica >= sim->cluster->n)
        return NULL;
    return &sim->newest[(size_t)replica * sim->client_count + (client - TC_CLIENT_FIRST)];
}

/* ---- sim_heap.c ---- */

/* Out of memory ends the run; the event's blob is dropped then. */
void tc_sim_push(struct tc_sim *sim, struct tc_sim_event event);
/* The earliest event; call only if there is one. */
struct tc_sim_event tc_sim_pop(struct tc_sim *sim);
struct tc_sim_blob *tc_sim_blob_new(struct tc_sim *sim, struct tc_slice bytes); /* NULL: out of memory */
struct tc_sim_blob *tc_sim_blob_take(struct tc_sim *sim, size_t len);           /* the same, to be filled */
void tc_sim_blob_drop(struct tc_sim *sim, struct tc_sim_blob *blob);            /* safe on NULL */
/* Frees what an event that is not handled holds. */
void tc_sim_event_drop(struct tc_sim *sim, struct tc_sim_event *event);
/* Adds to a growing buffer. False: out of memory. */
bool tc_sim_append(uint8_t **data, size_t *len, size_t *size, struct tc_slice bytes);

/* ---- sim_engine.c ---- */

/* Hands the engine one event, stamped with the present time, and performs its actions. An engine error ends the run. */
void tc_sim_step(struct tc_sim *sim, struct tc_event *event);
void tc_sim_observe(struct tc_sim *sim, const struct tc_observation *observation); /* a node's line */
/* A node's complaint about a peer, as its process would print it. */
void tc_sim_complain(struct tc_sim *sim, uint16_t node, uint16_t peer, const char *format, ...)
    __attribute__((cold, format(printf, 4, 5)));
/* A line of the simulation's own, for the report. */
void tc_sim_note(struct tc_sim *sim, const char *text);

/* ---- sim_pair.c ---- */

/* A node that starts dials every replica but itself; REDIAL is one of these dials, and CONNECTED its success, at which
 * the node says hello. What fails is dialled again after a backoff. */
void tc_sim_dial_all(struct tc_sim *sim, uint16_t node);
void tc_sim_redial(struct tc_sim *sim, const struct tc_sim_event *event);
/* Has every replica that runs its connection to every other that does? */
bool tc_sim_all_linked(const struct tc_sim *sim);
/* Forgets how often connections broke: the next one that does is dialled again soon. */
void tc_sim_links_calm(struct tc_sim *sim);
void tc_sim_connected(struct tc_sim *sim, const struct tc_sim_event *event);
/* The engine dials the real node; DIAL is that dial's arrival there. */
void tc_sim_dial(struct tc_sim *sim, uint32_t conn, uint16_t to);
void tc_sim_dial_arrives(struct tc_sim *sim, const struct tc_sim_event *event);
/* The engine closes; END is the end of the stream as the node hears it, CLOSED as the engine is told of one. */
void tc_sim_close(struct tc_sim *sim, uint32_t conn, bool reset);
void tc_sim_end_arrives(struct tc_sim *sim, const struct tc_sim_event *event);
void tc_sim_closed(struct tc_sim *sim, const struct tc_sim_event *event);
void tc_sim_reset_soon(struct tc_sim *sim, uint32_t conn); /* the engine will be told */
void tc_sim_cut(struct tc_sim *sim, uint32_t conn);        /* the network breaks it, for both nodes */
void tc_sim_node_lost(struct tc_sim *sim, uint16_t node);  /* all its connections end with it */
/* The node ends its side itself. */
void tc_sim_hang_up(struct tc_sim *sim, uint32_t conn);
/* The side, of an open connection of this use, or NULL. */
struct tc_sim_side *tc_sim_side(struct tc_sim *sim, uint32_t conn, uint32_t use);
/* The pair is given back once both sides are over. */
void tc_sim_settle(struct tc_sim *sim, uint32_t conn);
/* At the end of the simulation. */
void tc_sim_pairs_free(struct tc_sim *sim);

/* ---- sim_stream.c ---- */

void tc_sim_write(struct tc_sim *sim, uint32_t conn, struct tc_slice bytes);         /* the engine's */
void tc_sim_say(struct tc_sim *sim, uint32_t conn, struct tc_slice bytes);           /* a node's */
void tc_sim_say_to(struct tc_sim *sim, uint16_t from, uint16_t to, struct tc_slice); /* by whatever connects them */
/* BYTES: the node makes frames of them and hears each. */
void tc_sim_arrive(struct tc_sim *sim, const struct tc_sim_event *event);
/* The engine stops or resumes reading a connection: what is said meanwhile waits. */
void tc_sim_read_stop(struct tc_sim *sim, uint32_t conn, bool stop);
void tc_sim_read_rest(struct tc_sim *sim, uint32_t conn); /* gives the engine what waited */

/* ---- sim_network.c ---- */

/* How long the k-th thing on its way from `from` to `to` takes, before GST included. */
uint64_t tc_sim_latency_ns(const struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k);
/* As above, for a write of that many bytes: it waits for the link to be free. */
uint64_t tc_sim_travel_ns(struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k, size_t bytes);
/* Before GST: is the connection lost with the k-th write? */
bool tc_sim_breaks(const struct tc_sim *sim, uint16_t from, uint16_t to, uint64_t k);
/* exp(sigma_milli / 1000 * z) * median, z being the quantile that the 64 random bits name. Integers only. */
uint64_t tc_sim_log_normal_ns(uint64_t median_ns, uint32_t sigma_milli, uint64_t random);
/* Between a node's clock and virtual time. */
uint64_t tc_sim_local_ns(const struct tc_sim *sim, uint16_t node, uint64_t now_ns);
uint64_t tc_sim_global_ns(const struct tc_sim *sim, uint16_t node, uint64_t local_ns);

/* ---- sim_replica.c ---- */

/* A replica's process starts after a while: BOOT, which makes the replica and feeds it its disk. */
void tc_sim_boot_soon(struct tc_sim *sim, uint16_t node, uint64_t delay_ns);
void tc_sim_boot(struct tc_sim *sim, const struct tc_sim_event *event);
/* EXIT: the engine is told that the process ended. */
void tc_sim_exited(struct tc_sim *sim, const struct tc_sim_event *event);
/* ACT: pause, resume, kill, restart or wipe, as the engine wants it. */
void tc_sim_node_act(struct tc_sim *sim, uint16_t node, enum tc_verb verb);
void tc_sim_nodes_free(struct tc_sim *sim);
/* One step of a running replica, and what becomes of its outputs; a step that fails ends the process. */
void tc_sim_replica_step(struct tc_sim *sim, uint16_t node, enum tc_replica_event_kind kind, uint16_t peer,
                         struct tc_slice bytes);
/* DEADLINE: a replica's timer, unless it was set anew meanwhile. */
void tc_sim_deadline(struct tc_sim *sim, const struct tc_sim_event *event);
/* True: the node is paused, and gets the event later. */
bool tc_sim_defer(struct tc_sim *sim, uint16_t node, const struct tc_sim_event *event);

/* Is the event of the node's present life? */
static inline bool tc_sim_is_current(const struct tc_sim *sim, const struct tc_sim_event *event)
{
    return sim->nodes[event->node].up && sim->nodes[event->node].incarnation == event->use;
}

/* ---- sim_disk.c ---- */

/* A step's outputs: they leave at once if nothing is to be synced, else with SYNCED. */
void tc_sim_outputs(struct tc_sim *sim, uint16_t node, const struct tc_outputs *outputs);
void tc_sim_synced(struct tc_sim *sim, const struct tc_sim_event *event);
void tc_sim_disk_crash(struct tc_sim *sim, uint16_t node); /* what was on its way is lost or kept */
void tc_sim_disk_wipe(struct tc_sim *sim, struct tc_sim_node *node);
/* What waits for the disk is gone. */
void tc_sim_turns_drop(struct tc_sim *sim, struct tc_sim_node *node);

/* ---- sim_client.c ---- */

/* Memory for the load's clients (TC_EMEMORY); their start; and their end. */
int tc_sim_clients_open(struct tc_sim *sim);
void tc_sim_clients_start(struct tc_sim *sim);
/* CLIENT: a next operation, or a retransmission. */
void tc_sim_client_due(struct tc_sim *sim, const struct tc_sim_event *event);
/* A client is connected to a replica; and hears a frame of it. */
void tc_sim_client_linked(struct tc_sim *sim, uint16_t node, uint16_t replica);
void tc_sim_client_hears(struct tc_sim *sim, uint16_t node, uint16_t replica, struct tc_slice frame);
void tc_sim_clients_free(struct tc_sim *sim);

#endif
