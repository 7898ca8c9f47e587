/* A reference replica as a process: the sockets, the disk and the clock around tc_replica_step. An edge.
 *
 * One process is one replica. It listens, dials every other replica and speaks to it only on the connection it dialled
 * (HELLO first); on accepted connections it reads, and the first frame names the peer. Clients are answered on the
 * newest connection they opened. Its facts go to standard output as JSON lines (lines.h), starting with "up".
 *
 * Write before speak: in every turn of the loop all events at hand are stepped, the records they left are made durable
 * with one sync, and only then frames and lines go out. So kill -9 at any instruction loses nothing that was said. */
#ifndef TC_NODE_H
#define TC_NODE_H

#include "../proxy/error.h"
#include "../proxy/types.h"

struct tc_node_options {
    const char *config_path; /* node configuration (config.h) */
    const char *key_path;    /* our key file */
    const char *data_dir;    /* durable state; made if it is missing; one process at a time */
    uint16_t id;             /* which replica of the configuration we are */
    int listen_fd;           /* a bound socket (listening or not); -1: bind the configuration's `listen` */
    uint64_t bugs;           /* seeded bugs, TC_BUG_BIT(…); 0 = correct */
};

/* Runs until SIGTERM or SIGINT, or until nobody reads standard output any more: finishes the turn and returns 0.
 * TC_EUSAGE, TC_ENOT_FOUND (configuration), TC_EKEY (key file, or it does not fit the configuration's public key),
 * TC_EUNSUPPORTED (no replica for the protocol), TC_EUNREACHABLE (cannot listen), TC_EREFUSED (another process holds
 * the data directory), TC_EMALFORMED (durable state is corrupt: refuses to start rather than contradict itself),
 * TC_EIO (disk), TC_EMEMORY. The caller prints the sentence and exits with tc_error_exit(). sodium_init() is the
 * caller's. Blocks SIGTERM, SIGINT and SIGPIPE for the process. */
int tc_node_run(const struct tc_node_options *options, struct tc_error *err);

#endif
