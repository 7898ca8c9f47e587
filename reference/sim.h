/* The simulation world: replicas, clients, disks and links in this process, under virtual time. It drives one engine as
 * the live world does, with the same events and actions, and carries bytes: the same scripts and oracles see no
 * difference. One seed decides everything; the same configuration gives the same run, to the byte.
 *
 * The man in the middle sits at the sender: what a node says reaches the engine at once, what the engine writes travels
 * with the link's latency. Links are TCP: in order, nothing lost; loss is a connection that breaks, with what was on
 * its way, and is dialled again.
 *
 * Pure: no I/O, no clock, no randomness of its own. */
#ifndef TC_SIM_H
#define TC_SIM_H

#include "../proxy/world.h"
#include "replica.h"
#include "sim_models.h"

struct tc_sim_load {
    uint32_t clients;
    double rate_per_s;       /* > 0: open loop over all clients */
    uint32_t value_bytes;    /* 0 = 64 */
    uint32_t keys;           /* 0 = 1000 */
    uint64_t think_ns;       /* closed loop */
    uint64_t timeout_ns;     /* until the first retransmission; 0 = 300 ms; doubles up to 2 s */
    uint64_t operations_max; /* of all clients together; 0: no end */
};

/* What simulations that follow one another leave to the next: buffers of bytes and events, empty between two of them.
 * NULL if out of memory. Free after the last of them; safe on NULL. */
struct tc_sim_memory;
struct tc_sim_memory *tc_sim_memory_new(void);
void tc_sim_memory_free(struct tc_sim_memory *memory);

#define TC_SIM_OVERRUN 4 /* times decisions_max: how far a run goes on for replicas that are cut off */

struct tc_sim_config {
    struct tc_sim_memory *memory; /* borrowed, by one simulation at a time; NULL: the simulation has its own */
    struct tc_engine *engine;
    struct tc_sink sink;
    const struct tc_protocol *protocol;
    struct tc_protocol_env env; /* borrowed; keys must hold the secret keys of all nodes: tc_sim_keys */
    uint64_t seed;
    uint64_t bugs; /* of every replica, see bugs.h */
    /* A phase of TC_NEVER_NS does not end by itself. start_timeout_ns 0 = 10 s. */
    struct tc_world_plan plan;
    /* The run ends once n - f replicas executed so many sequence numbers more than anyone had when the attack began
     * (the first phase after `before`, which must end), or f + 1 TC_SIM_OVERRUN times as many: then so many are cut off
     * from a decision for good that nothing but a far checkpoint brings them back. 0, and at the latest: when the plan
     * ends. */
    uint64_t decisions_max;
    struct tc_sim_load load;
    struct tc_sim_network network;
    struct tc_sim_disk disk;
    struct tc_sim_clock clocks[TC_NODES_MAX];
    /* Asked now and then: shall the run end here? NULL: never. */
    bool (*interrupted)(void *self);
    void *interrupted_self;
};

/* A network and disks like those of one data centre: 0.2 to 0.6 ms, a sync 0.1 to 0.2 ms, synced clocks. */
void tc_sim_defaults(struct tc_sim_config *config);

/* Adds the secret keys of n replicas and the clients to the keyring, from the seed. TC_EUSAGE: too many clients. */
int tc_sim_keys(struct tc_keyring *keys, const struct tc_cluster *cluster, uint64_t seed);

struct tc_sim;

/* Checks the configuration (copied). TC_EUSAGE: what is out of its range; TC_EUNSUPPORTED: the protocol has no
 * reference replica or no client; TC_EMEMORY. */
int tc_sim_open(const struct tc_sim_config *config, struct tc_sim **out, struct tc_error *err);

/* Runs from start to end, and sends the engine STOP. May be called once. TC_EINTERRUPTED: `interrupted` said so, and
 * everything was ended in order; engine errors as they are; TC_EMEMORY. A replica that cannot go on ends, as its
 * process would: that is an observation. */
int tc_sim_run(struct tc_sim *sim, struct tc_error *err);

/* Virtual nanoseconds since the start. */
uint64_t tc_sim_now_ns(const struct tc_sim *sim);

struct tc_sim_stats {
    uint64_t events, writes, bytes; /* handled; put on links */
    uint64_t connections, cuts;     /* opened; broken by the network */
    uint64_t syncs, records_lost;   /* of disks; lost by crashes */
    uint64_t operations, retransmissions;
};
const struct tc_sim_stats *tc_sim_stats(const struct tc_sim *sim);

/* The engine is not touched. Safe on NULL. */
void tc_sim_free(struct tc_sim *sim);

#endif
