/* The load: N clients of a reference cluster in one process, each a node of its own (TC_CLIENT_FIRST + i) with its own
 * key, its own connection to every replica and one operation outstanding. An edge.
 *
 * Closed loop: a client begins its next operation when it accepted the last result (and thought for think_ns).
 * Open loop: operations start at an even rate over all clients; latency counts from the moment an operation was due,
 * so a stall is charged to every operation it held up. */
#ifndef TC_CLIENT_H
#define TC_CLIENT_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_client_options {
    const char *config_path;  /* node configuration; its addresses serve every client that has none of its own */
    const char *key_dir;      /* node<ID>.key for each client; node<ID>.json there, if present, holds its addresses */
    const char *data_dir;     /* where the last timestamps are kept over restarts; NULL: nowhere */
    uint32_t clients;         /* how many; 0 = the configuration's number */
    double rate_per_s;        /* > 0: open loop at this many operations a second over all clients */
    uint32_t value_bytes;     /* size of written values, ≤ 4096; 0 = 64 */
    uint32_t keys;            /* how many different keys; 0 = 1000 */
    uint64_t think_ns;        /* closed loop: pause between operations */
    uint64_t timeout_ns;      /* until the first retransmission to all replicas; 0 = 300 ms; doubles */
    uint64_t timeout_max_ns;  /* the doubling stops here; 0 = 2 s */
    uint64_t operations_max;  /* stop after so many operations; 0 = at SIGTERM */
    uint64_t seed;            /* what the operations are: keyed by (seed, client, timestamp) */
    uint64_t first_timestamp; /* of every client's first operation; 0 = 1, or after what data_dir remembers */
};

/* Runs until SIGTERM or SIGINT, then waits at most 500 ms for what is outstanding, prints the "load" line and returns
 * 0. Each operation prints a "request" and a "reply" line (lines.h). The last line:
 *   {"e":"load","ops":41211,"failed":0,"retransmissions":3,"seconds":9.998,"rate":4121.9,"p50_ns":…,"p90_ns":…,
 *    "p99_ns":…,"p999_ns":…,"max_ns":…,"overflow":0,"histogram":[[1015807,12],[1048575,40],…]}
 * where the histogram says how many took up to so many ns, and more than those before.
 * TC_EUSAGE, TC_ENOT_FOUND (configuration), TC_EKEY (a client's key), TC_EUNSUPPORTED (the protocol has no client),
 * TC_EIO, TC_EMEMORY. sodium_init() is the caller's. Blocks SIGTERM, SIGINT and SIGPIPE for the process. */
int tc_client_run(const struct tc_client_options *options, struct tc_error *err);

#endif
