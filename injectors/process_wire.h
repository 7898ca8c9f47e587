/* What goes over the socket between us and the keeper: one packet a command, one packet an event. Private to
 * process*.c. */
#ifndef TC_PROCESS_WIRE_H
#define TC_PROCESS_WIRE_H

#include "process.h"

#define TC_PROCESS_PACKET_MAX 65536 /* a command with all its strings */
#define TC_PROCESS_ARGS_MAX   256

enum tc_process_op { TC_PROCESS_SPAWN, TC_PROCESS_ACT, TC_PROCESS_TERMINATE, TC_PROCESS_SCRATCH };

/* A command. SPAWN: `strings` holds argument_count arguments, then stderr_path and data_dir, each NUL-terminated; a
 * listen descriptor may ride along. SCRATCH: `strings` holds the path, NUL-terminated. */
struct tc_process_command {
    enum tc_process_op op;
    enum tc_verb verb;
    uint16_t node;
    uint16_t argument_count;
    uint32_t string_bytes;
    char strings[];
};

/* An event, with the read end of standard output riding along when `up`. */
struct tc_process_report {
    uint16_t node;
    bool up;
    uint32_t incarnation;
    int status;
};

/* Sends one packet with at most one descriptor (-1: none). 0, or -errno; flags as of sendmsg. */
int tc_process_send(int fd, const void *packet, size_t size, int descriptor, int flags);

/* Receives one packet: its length, 0 at the end, or -errno; `descriptor` receives the one riding along, or -1. */
int tc_process_receive(int fd, void *packet, size_t size, int *descriptor, int flags);

/* The keeper's life, in its own process; never returns. */
_Noreturn void tc_process_keep(int control_fd);

#endif
