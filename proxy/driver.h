/* What stands beside a protocol where it meets processes, files and sockets: how its nodes' output reads, how they are
 * asked, how a cluster of them is started, which files hold their identities. One line a protocol, in driver.c; what is
 * pure of a protocol is in reference/protocol.h. An edge. */
#ifndef TC_DRIVER_H
#define TC_DRIVER_H

#include "../injectors/process.h"
#include "../lua/scenario.h"
#include "../reference/identity.h"
#include "../reference/rpc.h"

struct tc_launched; /* a cluster that was prepared; opaque, per class */

/* Starts a cluster of programs that are not ours. */
struct tc_launcher_class {
    /* Finds the program, makes keys from `seed`, picks ports, and whatever must be there before the proxy's addresses
     * are known; node files go below `data_dir`. TC_EUNREACHABLE: no such program, and what to do; TC_EIO, TC_EUSAGE,
     * TC_EMEMORY. */
    int (*prepare)(const struct tc_scenario *scenario, const char *data_dir, const char *logs_dir, uint64_t seed,
                   struct tc_launched **out, struct tc_error *err);
    const char *(*address)(const struct tc_launched *launched, uint16_t node); /* where it listens for peers */
    const char *(*rpc)(const struct tc_launched *launched, uint16_t node);     /* where it answers questions */
    /* The 64-byte key with which `node` proves itself to its peers. Borrowed; secret. */
    const uint8_t *(*node_key)(const struct tc_launched *launched, uint16_t node);
    int (*keys)(const struct tc_launched *launched, struct tc_keyring *keys, struct tc_error *err); /* all that sign */
    /* Writes the configurations and spawns the nodes. `dialled` as in tc_launch_start. */
    int (*start)(struct tc_launched *launched, struct tc_keeper *keeper,
                 const char *(*dialled)(void *self, uint16_t from, uint16_t to), void *self, struct tc_error *err);
    void (*free)(struct tc_launched *launched); /* wipes the keys; safe on NULL */
};

struct tc_driver {
    const struct tc_protocol *protocol;
    /* Reads one line of a node's output, as tc_line_parse. */
    int (*parse_line)(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err);
    const struct tc_launcher_class *launcher;   /* NULL: the nodes are turncoat's own */
    const struct tc_rpc_class *rpc;             /* NULL: nothing can be asked */
    const struct tc_identity_class *identities; /* NULL: links are not encrypted */
    bool prints_complaints;                     /* its lines tell which signatures a node refuses */
};

/* Never NULL for a protocol of the table tc_protocols (a test holds them against each other). */
const struct tc_driver *tc_driver_of(const struct tc_protocol *protocol);

#endif
