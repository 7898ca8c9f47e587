/* One TCP connection of a reference node (replica or client): frames in, bytes out, both bounded. An edge.
 *
 * What is sent is only queued; it leaves when the owner flushes, so that a replica can sync its disk first. Callbacks
 * may close the connection they are called for. The memory is the owner's and must stay in place while it is open. */
#ifndef TC_NODE_CONN_H
#define TC_NODE_CONN_H

#include "../proxy/error.h"
#include "../proxy/loop.h"
#include "../proxy/types.h"

struct tc_node_conn;

/* What the owner of connections is told. `self` is the one of tc_node_conn_open. */
struct tc_node_conn_ops {
    int64_t (*frame)(struct tc_slice in); /* the protocol's framing; NULL: what arrives is thrown away */
    void (*connected)(void *self, struct tc_node_conn *conn); /* a dialled connection is up; may be NULL */
    /* A whole frame, borrowed during the call. */
    void (*received)(void *self, struct tc_node_conn *conn, struct tc_slice frame);
    /* It is closed already; `why` is a static text. Not called by tc_node_conn_close. */
    void (*closed)(void *self, struct tc_node_conn *conn, const char *why);
    size_t out_max; /* bytes waiting to be sent; past it the connection is closed */
};

/* Bytes from `start` to `end` are in use. */
struct tc_node_buffer {
    uint8_t *data;
    size_t start, end, capacity;
};

struct tc_node_conn {
    const struct tc_node_conn_ops *ops;
    void *self;
    struct tc_loop *loop;
    struct tc_loop_watch watch;
    struct tc_node_buffer in, out;
    int fd;          /* -1: closed. Set it to -1 before the first opening */
    uint16_t node;   /* the owner's: who is at the other end; TC_NODE_NONE until known */
    bool connecting; /* dialled, not up yet */
    bool blocked;    /* the socket is full: wait for it */
};

/* Watches a connected socket, or one under way (tc_connect_start), and owns it from here. TC_EIO: it was closed. */
int tc_node_conn_open(struct tc_node_conn *conn, struct tc_loop *loop, int fd, bool connecting,
                      const struct tc_node_conn_ops *ops, void *self);

/* Closes without a callback; queued bytes are lost. Does nothing if it is closed. */
void tc_node_conn_close(struct tc_node_conn *conn);

static inline bool tc_node_conn_is_up(const struct tc_node_conn *conn)
{
    return conn->fd >= 0 && !conn->connecting;
}

/* Queues bytes. If they pass out_max the connection is closed (`closed` is called) and the result is TC_ELIMIT;
 * TC_EMEMORY likewise. TC_EREFUSED: not up, nothing queued. */
int tc_node_conn_send(struct tc_node_conn *conn, struct tc_slice bytes);

/* Sends what is queued and fits the socket; the rest follows in a later flush, once it is writable. May close it. */
void tc_node_conn_flush(struct tc_node_conn *conn);

/* ---- a growing byte queue, also used for standard output ---- */

/* Room for `len` bytes at the end, at most `max` in use altogether. NULL: past max, or out of memory. */
uint8_t *tc_node_buffer_reserve(struct tc_node_buffer *buffer, size_t len, size_t max);
void tc_node_buffer_consume(struct tc_node_buffer *buffer, size_t len);
void tc_node_buffer_free(struct tc_node_buffer *buffer);

static inline size_t tc_node_buffer_len(const struct tc_node_buffer *buffer)
{
    return buffer->end - buffer->start;
}

#endif
