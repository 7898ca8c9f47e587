/* Standard output of a reference node: JSON lines, bounded, never blocking where the reader may be slow. An edge. */
#ifndef TC_NODE_OUTPUT_H
#define TC_NODE_OUTPUT_H

#include "../proxy/types.h"
#include "node_conn.h"

struct tc_node_output {
    struct tc_loop *loop;
    struct tc_loop_watch watch;
    struct tc_node_buffer queue;
    void (*gone)(void *self); /* nobody reads any more */
    void *self;
    uint64_t lost; /* lines that did not fit, not reported yet */
    uint64_t lost_total;
    int fd, flags_before;
    uint16_t node;            /* whose complaint a loss is */
    uint64_t period_start_ns; /* complaints are rationed by the second */
    uint32_t complaints, unsaid;
    bool waits; /* a pipe or socket: written when it can take bytes */
    bool blocked, closed;
};

/* Takes fd over. A pipe or socket becomes non-blocking until tc_node_output_close. */
void tc_node_output_open(struct tc_node_output *out, struct tc_loop *loop, int fd, uint16_t node,
                         void (*gone)(void *self), void *self);

/* Queues the line of an observation (kinds without a line are a programmer's error). A line that does not fit is
 * counted, and a complaint says how many were lost once there is room again. */
void tc_node_output_observe(struct tc_node_output *out, const struct tc_observation *observation);

/* Queues a line as it stands, newline included. */
void tc_node_output_text(struct tc_node_output *out, const char *text);

/* Queues a complaint of `node` (printf-like). `peer` may be TC_NODE_NONE. At most 20 a second: a traitor may misbehave
 * as often as it likes; how many more there were is said with the next one. */
void tc_node_output_complain(struct tc_node_output *out, uint16_t node, uint16_t peer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes what is queued, in one write where the reader keeps up. */
void tc_node_output_flush(struct tc_node_output *out);

/* Flushes for at most wait_ms (negative: drops what is queued), restores the descriptor's mode. Does not close it. */
void tc_node_output_close(struct tc_node_output *out, int wait_ms);

#endif
