/* A whole cluster in one process under virtual time: replicas behind their step function, clients, a network that
 * delays, loses, doubles and reorders, disks that lose what was not synced. One seed decides everything; a run repeats
 * to the byte. It judges as it goes (agreement, exactly once, durability, nobody contradicts himself) and keeps the
 * first failure in words. */
#ifndef TC_TESTS_CLUSTER_H
#define TC_TESTS_CLUSTER_H

#include "../../reference/pbft/wire.h"
#include "../../reference/replica.h"

struct tc_lab;

/* What the network does; changed at any time with tc_lab_network. Rates are in 1/65536. */
struct tc_lab_network {
    uint64_t latency_min_ns, latency_max_ns;
    uint32_t drop, duplicate, corrupt;
    bool fifo; /* keep the order of each link */
};

/* Rewrites what `from` says to `to`: call tc_lab_deliver for what shall arrive instead and return true, or return false
 * to let it pass. For traitors: the lab holds all keys. */
typedef bool tc_lab_hook(void *self, struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame);

/* Is told what every replica says and prints, and what is delivered to it (just before it gets it). Members may be
 * NULL. */
struct tc_lab_watch {
    void (*said)(void *self, uint16_t from, uint16_t to, struct tc_slice frame);
    void (*heard)(void *self, uint16_t from, uint16_t to, struct tc_slice frame);
    void (*observed)(void *self, uint16_t node, const struct tc_observation *observation);
    void *self;
};

struct tc_lab_options {
    const char *protocol; /* of the replicas; NULL: "pbft" */
    struct tc_cluster cluster;
    enum tc_scheme scheme;
    uint64_t seed;
    uint64_t bugs;
    struct tc_lab_network network;
    uint64_t sync_ns_max;       /* a sync takes up to this; 0: none */
    uint64_t retry_ns;          /* clients: say it again to all after this */
    struct tc_nodeset traitors; /* not judged */
    tc_lab_hook *hook;
    void *hook_self;
    struct tc_lab_watch watch;
};

/* Aborts the program when out of memory, as all of the lab does. Options are copied; hook_self is borrowed. */
struct tc_lab *tc_lab_new(const struct tc_lab_options *options);
void tc_lab_free(struct tc_lab *lab);

/* Runs until virtual time `until_ns`, or until something failed. */
void tc_lab_run(struct tc_lab *lab, uint64_t until_ns);
uint64_t tc_lab_now(const struct tc_lab *lab);

/* The first failure, or NULL. tc_lab_fail notes one. */
const char *tc_lab_failure(const struct tc_lab *lab);
void tc_lab_fail(struct tc_lab *lab, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Kills a replica: what was not synced is lost (all, some or none of it, by chance). Starts it again with what its disk
 * holds; with nothing if `wiped`. */
void tc_lab_crash(struct tc_lab *lab, uint16_t node);
void tc_lab_restart(struct tc_lab *lab, uint16_t node, bool wiped);
bool tc_lab_is_up(const struct tc_lab *lab, uint16_t node);

/* Cuts the links between nodes of different groups (group by node; clients are in group 0 and reach everybody unless
 * `clients_too`). Heal joins all and tells the replicas that their links are up again. */
void tc_lab_partition(struct tc_lab *lab, const uint8_t groups[static TC_NODES_MAX], bool clients_too);
void tc_lab_cut(struct tc_lab *lab, uint16_t from, uint16_t to);
void tc_lab_heal(struct tc_lab *lab);
void tc_lab_network_set(struct tc_lab *lab, const struct tc_lab_network *network);

/* Clients work in a closed loop: `count` more requests each, of a small key space. */
void tc_lab_load(struct tc_lab *lab, uint32_t client, uint32_t count);
/* Requests not answered yet, all clients; requests answered. */
uint64_t tc_lab_outstanding(const struct tc_lab *lab);
uint64_t tc_lab_answered(const struct tc_lab *lab);

/* For hooks: puts a frame on the way. Signs for anybody. */
void tc_lab_deliver(struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame, uint64_t extra_ns);
const struct tc_protocol_env *tc_lab_env(const struct tc_lab *lab);

/* What happened. */
uint64_t tc_lab_executed(const struct tc_lab *lab, uint16_t node); /* last sequence number, as observed */
uint64_t tc_lab_view(const struct tc_lab *lab, uint16_t node);
bool tc_lab_view_active(const struct tc_lab *lab, uint16_t node);
uint64_t tc_lab_stable(const struct tc_lab *lab, uint16_t node);
uint64_t tc_lab_sent(const struct tc_lab *lab, uint32_t type); /* between replicas, by wire type */
uint64_t tc_lab_transfers(const struct tc_lab *lab);
uint64_t tc_lab_replays(const struct tc_lab *lab);
uint64_t tc_lab_complaints(const struct tc_lab *lab);
uint64_t tc_lab_views_entered(const struct tc_lab *lab);
uint64_t tc_lab_records(const struct tc_lab *lab); /* PERSIST and SNAPSHOT outputs */
/* The record at this place of a replica's disk; {NULL, 0} beyond the last one. */
struct tc_slice tc_lab_record(const struct tc_lab *lab, uint16_t node, uint32_t place);
/* A hash of everything said and observed: two runs with one seed agree. */
uint64_t tc_lab_trace(const struct tc_lab *lab);
/* Prints what every replica and client is at, to stderr. */
void tc_lab_dump(const struct tc_lab *lab);
/* With this set, complaints, views and executions are printed to stderr as they come. */
void tc_lab_verbose(struct tc_lab *lab, bool verbose);

#endif
