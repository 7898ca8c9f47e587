/* What a protocol and a replica must know of their cluster. Plain data; filled by the launcher from a
 * scenario, or from a node's configuration file (config.h). */
#ifndef TC_CLUSTER_H
#define TC_CLUSTER_H

#include "../proxy/types.h"

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
};

#endif
