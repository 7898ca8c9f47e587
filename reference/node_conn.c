#define _GNU_SOURCE
#include "node_conn.h"

#include "../proxy/listen.h"
#include "protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE  ((size_t)256 << 10) /* one read a turn, so that no connection starves the others */
#define KEEP_MAX   ((size_t)1 << 20)   /* a drained buffer larger than this is given back */
#define SMALL_SIZE ((size_t)4 << 10)

uint8_t *tc_node_buffer_reserve(struct tc_node_buffer *b, size_t len, size_t max)
{
    size_t used = tc_node_buffer_len(b);
    if (len > max || used > max - len)
        return NULL;
    if (b->capacity - b->end >= len)
        return b->data + b->end;
    if (b->start > 0 && b->capacity - used >= len && b->start >= used) { /* moving costs no more than was consumed */
        memmove(b->data, b->data + b->start, used);
        b->start = 0;
        b->end = used;
        return b->data + b->end;
    }
    size_t capacity = b->capacity ? b->capacity : SMALL_SIZE;
    while (capacity < used + len)
        capacity *= 2;
    uint8_t *data = malloc(capacity);
    if (!data)
        return NULL;
    if (used)
        memcpy(data, b->data + b->start, used);
    free(b->data);
    *b = (struct tc_node_buffer){.data = data, .start = 0, .end = used, .capacity = capacity};
    return b->data + b->end;
}

void tc_node_buffer_consume(struct tc_node_buffer *b, size_t len)
{
    b->start += len;
    if (b->start < b->end)
        return;
    b->start = b->end = 0;
    if (b->capacity > KEEP_MAX)
        tc_node_buffer_free(b);
}

void tc_node_buffer_free(struct tc_node_buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

static void fail(struct tc_node_conn *conn, const char *why)
{
    tc_node_conn_close(conn);
    conn->ops->closed(conn->self, conn, why);
}

static void update_events(struct tc_node_conn *conn)
{
    bool wants_out = conn->connecting || conn->blocked;
    if (tc_loop_mod(conn->loop, &conn->watch, EPOLLIN | (wants_out ? (uint32_t)EPOLLOUT : 0)) < 0)
        fail(conn, "epoll refused it");
}

/* Hands over the whole frames in the buffer. */
static void split(struct tc_node_conn *conn)
{
    while (conn->fd >= 0 && tc_node_buffer_len(&conn->in) > 0) {
        struct tc_slice in = {conn->in.data + conn->in.start, tc_node_buffer_len(&conn->in)};
        int64_t len = conn->ops->frame ? conn->ops->frame(in) : (int64_t)in.len;
        if (len == TC_FRAME_PARTIAL)
            return;
        if (len < 0) {
            fail(conn, "sent bytes that are no frame");
            return;
        }
        if (conn->ops->frame)
            conn->ops->received(conn->self, conn, (struct tc_slice){in.data, (size_t)len});
        if (conn->fd >= 0) /* not closed by the callback */
            tc_node_buffer_consume(&conn->in, (size_t)len);
    }
}

static void read_some(struct tc_node_conn *conn)
{
    uint8_t *room = tc_node_buffer_reserve(&conn->in, READ_SIZE, TC_FRAME_MAX + READ_SIZE);
    if (!room) {
        fail(conn, "out of memory");
        return;
    }
    ssize_t n = recv(conn->fd, room, READ_SIZE, 0);
    if (n > 0) {
        conn->in.end += (size_t)n;
        split(conn);
    } else if (n == 0) {
        fail(conn, "closed by the other side");
    } else if (errno != EAGAIN && errno != EINTR) {
        fail(conn, errno == ECONNRESET ? "reset by the other side" : "cannot be read");
    }
}

static void finish_connecting(struct tc_node_conn *conn)
{
    int rc = tc_connect_finish(conn->fd, NULL);
    if (rc > 0)
        return;
    if (rc < 0) {
        fail(conn, "cannot connect");
        return;
    }
    conn->connecting = false;
    update_events(conn);
    if (conn->fd >= 0 && conn->ops->connected)
        conn->ops->connected(conn->self, conn);
}

static void ready(void *self, uint32_t events)
{
    struct tc_node_conn *conn = self;
    if (conn->connecting) {
        finish_connecting(conn);
        return;
    }
    if (events & EPOLLOUT)
        conn->blocked = false; /* the owner's next flush goes on */
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        read_some(conn);
}

int tc_node_conn_open(struct tc_node_conn *conn, struct tc_loop *loop, int fd, bool connecting,
                      const struct tc_node_conn_ops *ops, void *self)
{
    *conn = (struct tc_node_conn){
        .ops = ops, .self = self, .loop = loop, .fd = fd, .node = conn->node, .connecting = connecting};
    uint32_t events = connecting ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (tc_loop_add(loop, &conn->watch, fd, events, ready, conn) == 0)
        return 0;
    close(fd);
    conn->fd = -1;
    return TC_EIO;
}

void tc_node_conn_close(struct tc_node_conn *conn)
{
    if (conn->fd < 0)
        return;
    tc_loop_remove(conn->loop, &conn->watch);
    close(conn->fd);
    conn->fd = -1;
    tc_node_buffer_free(&conn->in);
    tc_node_buffer_free(&conn->out);
}

int tc_node_conn_send(struct tc_node_conn *conn, struct tc_slice bytes)
{
    if (!tc_node_conn_is_up(conn))
        return TC_EREFUSED;
    bool fits = tc_node_buffer_len(&conn->out) + bytes.len <= conn->ops->out_max;
    uint8_t *room = tc_node_buffer_reserve(&conn->out, bytes.len, conn->ops->out_max);
    if (!room) {
        fail(conn, fits ? "out of memory" : "does not read: its queue is full");
        return fits ? TC_EMEMORY : TC_ELIMIT;
    }
    memcpy(room, bytes.data, bytes.len);
    conn->out.end += bytes.len;
    return 0;
}

void tc_node_conn_flush(struct tc_node_conn *conn)
{
    while (tc_node_conn_is_up(conn) && !conn->blocked && tc_node_buffer_len(&conn->out) > 0) {
        ssize_t n = send(conn->fd, conn->out.data + conn->out.start, tc_node_buffer_len(&conn->out), MSG_NOSIGNAL);
        if (n >= 0)
            tc_node_buffer_consume(&conn->out, (size_t)n);
        else if (errno == EAGAIN)
            conn->blocked = true;
        else if (errno != EINTR) { /* bytes that came before the reset are still there: reading finds the end */
            tc_node_buffer_free(&conn->out);
            read_some(conn);
            if (conn->fd >= 0)
                fail(conn, "cannot be written");
            return;
        }
    }
    if (tc_node_conn_is_up(conn))
        update_events(conn);
}
