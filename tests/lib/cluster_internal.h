/* What cluster*.c share. */
#ifndef TC_TESTS_CLUSTER_INTERNAL_H
#define TC_TESTS_CLUSTER_INTERNAL_H

#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct blob {
    uint32_t references;
    size_t len;
    uint8_t data[];
};

/* One step's outputs on their way through the disk. */
struct turn {
    struct turn *next;
    struct blob **records; /* a NULL before a record: it is a snapshot, forget what was before */
    uint32_t record_count;
    struct {
        uint16_t to;
        struct blob *frame;
    } * sends;
    uint32_t send_count;
    struct tc_observation *observations; /* operations and text owned */
    uint32_t observation_count;
};

enum lab_event_kind { LAB_DELIVER, LAB_RELEASE, LAB_TIMER, LAB_LINK, LAB_RETRY };

struct lab_event {
    uint64_t time_ns, order;
    enum lab_event_kind kind;
    uint16_t from, to;    /* RELEASE, TIMER, RETRY: `to` is the node */
    uint64_t incarnation; /* of `to` (RETRY: the request number); stale events are skipped */
    struct blob *frame;
};

struct lab_node {
    struct tc_replica *replica;
    bool up;
    uint64_t incarnation;
    struct blob **disk;
    uint32_t disk_count, disk_room;
    struct turn *turns, **turns_end;
    uint64_t release_ns; /* when the last turn is released */
    uint64_t timer_ns;   /* for which a timer event is under way */
    uint64_t executed, stable, view;
    bool active;
    uint64_t promised; /* highest view it asked for */
};

struct lab_client {
    uint64_t timestamp, left, answered, retries;
    bool waiting;
    uint64_t view; /* whom it believes to lead */
    struct blob *request;
    uint32_t reply_count;
    struct tc_nodeset replied;
    struct {
        uint16_t replica;
        uint8_t digest[TC_VALUE_SIZE];
    } replies[TC_REPLICAS_MAX];
};

/* What is known of a key, in an open hash table: who said what, what stands at which sequence number. */
struct fact {
    uint64_t key[4];
    uint8_t value[TC_VALUE_SIZE];
    bool used;
};

struct tc_lab {
    struct tc_lab_options options;
    struct tc_keyring *keys;
    struct tc_protocol_env env;
    const struct tc_replica_class *class;
    uint64_t now_ns, order;
    struct lab_event *heap;
    size_t heap_count, heap_room;
    struct lab_node nodes[TC_REPLICAS_MAX];
    struct lab_client clients[TC_NODES_MAX - TC_CLIENT_FIRST];
    bool blocked[TC_NODES_MAX][TC_NODES_MAX];
    uint64_t link_last_ns[TC_NODES_MAX][TC_NODES_MAX];
    uint64_t link_count[TC_NODES_MAX][TC_NODES_MAX];
    struct fact *facts;
    size_t fact_count, fact_room;
    struct tc_arena arena;
    uint64_t sent[32], transfers, replays, complaints, views_entered, records, trace;
    bool verbose;
    char failure[1024];
};

void *lab_alloc(size_t size);
struct blob *lab_blob(struct tc_slice bytes);
void lab_blob_drop(struct blob *blob);
void lab_push(struct tc_lab *lab, struct lab_event event);
bool lab_pop(struct tc_lab *lab, struct lab_event *event);
uint64_t lab_random(const struct tc_lab *lab, uint64_t a, uint64_t b, uint64_t c);

/* cluster_network.c */
void lab_say(struct tc_lab *lab, uint16_t from, uint16_t to, struct blob *frame);

/* cluster_client.c */
void lab_client_hear(struct tc_lab *lab, uint16_t client, struct tc_slice frame);
void lab_client_retry(struct tc_lab *lab, uint16_t client, uint64_t number);

/* cluster_judge.c: what was said and observed, once it is released */
void lab_judge_said(struct tc_lab *lab, uint16_t node, struct tc_slice frame);
void lab_judge_observed(struct tc_lab *lab, uint16_t node, const struct tc_observation *observation);
void lab_judge_restarted(struct tc_lab *lab, uint16_t node, uint64_t executed_before);

#endif
