/* What a protocol and a replica must know of their cluster. Plain data; filled by the launcher from a
 * scenario, or from a node's configuration file (config.h). */
#ifndef TC_CLUSTER_H
#define TC_CLUSTER_H

#include "../proxy/types.h"

#define TC_LEADERS_MAX 64

enum tc_authentication { TC_AUTH_SIGNATURE = 0, TC_AUTH_MAC };

struct tc_cluster {
    char id[TC_NAME_MAX];         /* cluster id: part of every signature's domain */
    uint32_t n, f;                /* replicas, and how many of them may be faulty */
    uint32_t quorum;              /* votes that make a certificate; 0 = the protocol's rule for n and f */
    uint32_t client_count;        /* clients are nodes TC_CLIENT_FIRST … */
    uint32_t checkpoint_interval; /* sequence numbers between checkpoints (PBFT K) */
    uint32_t window;              /* log size L: high watermark = stable checkpoint + L */
    uint32_t batch_max;           /* requests in one proposal */
    uint32_t pipeline_max;        /* sequence numbers in flight */
    uint64_t view_timeout_ns;     /* initial view timer; doubles with every failed view */
    uint64_t view_timeout_max_ns; /* the doubling stops here */
    enum tc_authentication request_authentication; /* signatures, or MAC vectors (Aardvark's big MAC weakness) */
    bool loses_for_good; /* what is lost without the connection being cut is not said again, whatever the protocol says
                          */
    /* Simulation only: who leads the views 0 … leader_count-1 where tc_protocol_dictated_leader is asked. */
    uint8_t leaders[TC_LEADERS_MAX];
    uint32_t leader_count;
};

/* Fills the fields that are zero: n 4, f ⌊(n-1)/3⌋, checkpoint_interval 128, window 256, batch_max 64, pipeline_max 16,
 * view_timeout 500 ms, view_timeout_max 8 s (never below view_timeout), id "turncoat". quorum 0 keeps its meaning. */
void tc_cluster_defaults(struct tc_cluster *cluster);

#endif
