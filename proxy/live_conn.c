/* One connection. The hot path is: readable → one recv → one engine step → one send; nothing else is asked of the
 * kernel unless a queue fills or empties. */
#define _GNU_SOURCE
#include "live_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* send and recv as they are without threads. In a process that has some, the library makes each of them a point where
 * the thread may be cancelled, twice for every message; nobody cancels ours. */
static ssize_t plain_send(int fd, const void *data, size_t size)
{
    return syscall(SYS_sendto, fd, data, size, MSG_NOSIGNAL, NULL, 0);
}

static ssize_t plain_recv(int fd, void *data, size_t size)
{
    return syscall(SYS_recvfrom, fd, data, size, 0, NULL, NULL);
}

size_t tc_live_queued(const struct tc_live_conn *conn)
{
    return conn->queue.tail - conn->queue.head;
}

/* ---- the queue ---- */

static int queue_put(struct tc_live_queue *queue, struct tc_slice bytes)
{
    const size_t length = queue->tail - queue->head;
    if (bytes.len > TC_LIVE_QUEUE_MAX - length)
        return TC_ELIMIT;
    if (bytes.len > queue->size - queue->tail && queue->head > 0) {
        memmove(queue->data, queue->data + queue->head, length);
        queue->head = 0;
        queue->tail = length;
    }
    if (bytes.len > queue->size - queue->tail) {
        size_t size = queue->size ? queue->size : 4096;
        while (size - queue->tail < bytes.len)
            size *= 2;
        uint8_t *data = realloc(queue->data, size);
        if (!data)
            return TC_EMEMORY;
        queue->data = data;
        queue->size = size;
    }
    memcpy(queue->data + queue->tail, bytes.data, bytes.len);
    queue->tail += bytes.len;
    return 0;
}

static void queue_clear(struct tc_live_queue *queue)
{
    queue->head = 0;
    queue->tail = 0;
    if (queue->size > TC_LIVE_QUEUE_KEEP) {
        free(queue->data);
        *queue = (struct tc_live_queue){0};
    }
}

/* Told when it becomes empty, ceases to be, or passes a quarter of the budget. */
static void queue_changed(struct tc_live_conn *conn)
{
    const size_t quarter = conn->live->quarter;
    if ((tc_live_queued(conn) + quarter - 1) / quarter != conn->told)
        tc_live_tell(conn, TC_LIVE_TELL_QUEUE);
}

/* ---- interest ---- */

void tc_live_interest(struct tc_live_conn *conn)
{
    struct tc_loop *loop = conn->live->loop;
    if (conn->state != TC_LIVE_DIALLING && conn->state != TC_LIVE_OPEN)
        return;
    uint32_t events = 0;
    if (conn->state == TC_LIVE_DIALLING || tc_live_queued(conn) > 0)
        events |= EPOLLOUT;
    if (conn->state == TC_LIVE_OPEN && !conn->read_ended && !conn->read_stopped && !conn->live->draining)
        events |= EPOLLIN;
    /* An idle descriptor that hangs up would be reported for ever; one that waits for nothing is not watched, unless
     * its end has been read: then a hang-up means that it can be given up. */
    if (events == 0 && !conn->read_ended) {
        tc_loop_remove(loop, &conn->watch);
        return;
    }
    const int status = tc_loop_watching(&conn->watch)
                           ? tc_loop_mod(loop, &conn->watch, events)
                           : tc_loop_add(loop, &conn->watch, conn->fd, events, tc_live_conn_ready, conn);
    if (status)
        tc_live_fail(conn->live, status, NULL);
}

void tc_live_read_stop(struct tc_live *live, uint32_t number, bool stop)
{
    struct tc_live_conn *conn = tc_live_conn(live, number);
    if (!conn || conn->read_stopped == stop)
        return;
    conn->read_stopped = stop;
    tc_live_interest(conn);
}

/* ---- writing ---- */

/* Nobody will take what is to be written. What the other side had sent before may still be there to be read, so the end
 * is told when it is reached; at once if it has been reached already. */
static void write_failed(struct tc_live_conn *conn)
{
    conn->write_dead = true;
    queue_clear(&conn->queue);
    queue_changed(conn);
    if (conn->read_ended) {
        tc_live_tell(conn, TC_LIVE_TELL_RESET);
        tc_live_drop(conn);
    }
}

/* Sends as much as the socket takes; -1 if the connection is dead. */
static ssize_t put_out(struct tc_live_conn *conn, const uint8_t *data, size_t size)
{
    struct tc_live *live = conn->live;
    ssize_t sent = plain_send(conn->fd, data, size);
    if (sent < 0)
        sent = errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
    if (sent > 0 && live->capture && !live->config.capture_plain)
        tc_capture_bytes(live->capture, tc_live_time_ns(live), conn->number, (conn->number & 1) != 0,
                         (struct tc_slice){data, (size_t)sent});
    return sent;
}

void tc_live_write(struct tc_live *live, uint32_t number, struct tc_slice bytes)
{
    struct tc_live_conn *conn = tc_live_conn(live, number);
    if (!conn || conn->write_dead || conn->shut_wanted || bytes.len == 0)
        return;
    if (conn->state != TC_LIVE_OPEN && conn->state != TC_LIVE_DIALLING)
        return;
    if (conn->state == TC_LIVE_OPEN && tc_live_queued(conn) == 0) {
        const ssize_t sent = put_out(conn, bytes.data, bytes.len);
        if (sent == (ssize_t)bytes.len)
            return;
        if (sent < 0) {
            write_failed(conn);
            return;
        }
        bytes.data += sent;
        bytes.len -= (size_t)sent;
    }
    const int status = queue_put(&conn->queue, bytes);
    if (status == TC_EMEMORY) {
        tc_live_fail(live, status, NULL);
    } else if (status) {
        tc_live_not_carried(live, conn->node, "a connection's output queue passed %zu MiB: it was reset",
                            TC_LIVE_QUEUE_MAX >> 20);
        tc_live_tell(conn, TC_LIVE_TELL_RESET);
        tc_live_close(live, number, true); /* a gap in a stream must never look like a stream */
    } else {
        queue_changed(conn);
        tc_live_interest(conn);
    }
}

void tc_live_flush(struct tc_live_conn *conn)
{
    struct tc_live_queue *queue = &conn->queue;
    if (queue->head < queue->tail) {
        const ssize_t sent = put_out(conn, queue->data + queue->head, queue->tail - queue->head);
        if (sent < 0) {
            write_failed(conn);
            return;
        }
        queue->head += (size_t)sent;
    }
    if (queue->head == queue->tail)
        queue_clear(queue);
    queue_changed(conn);
    tc_live_settle(conn);
    tc_live_interest(conn);
}

/* ---- reading ---- */

static void read_end(struct tc_live_conn *conn, bool reset)
{
    struct tc_live *live = conn->live;
    conn->read_ended = true;
    if (live->capture)
        tc_capture_close(live->capture, tc_live_time_ns(live), conn->number, (conn->number & 1) == 0, reset);
    if (reset) {
        conn->write_dead = true;
        queue_clear(&conn->queue);
        tc_live_drop(conn);
    } else {
        tc_live_interest(conn);
    }
    tc_live_step(live, &(struct tc_event){.kind = TC_EV_CLOSED, .conn = conn->number, .reset = reset});
    tc_live_settle(conn);
}

static void read_some(struct tc_live_conn *conn)
{
    struct tc_live *live = conn->live;
    const ssize_t got = plain_recv(conn->fd, live->read_buffer, live->read_size);
    if (got > 0) {
        struct tc_event event = {.kind = TC_EV_BYTES, .conn = conn->number, .bytes = {live->read_buffer, (size_t)got}};
        if (live->capture && !live->config.capture_plain)
            tc_capture_bytes(live->capture, tc_live_time_ns(live), conn->number, (conn->number & 1) == 0, event.bytes);
        if (!live->seen_start)
            tc_live_phase_saw(live, NULL);
        tc_live_step(live, &event);
    } else if (got == 0) {
        read_end(conn, conn->write_dead);
    } else if (errno != EAGAIN && errno != EINTR) {
        read_end(conn, true); /* bytes that came before the reset were given out by recv first */
    }
}

static void dialled(struct tc_live_conn *conn)
{
    const int status = tc_connect_finish(conn->fd, NULL);
    if (status == 1)
        return;
    if (status) {
        tc_live_dial_failed(conn, status, errno);
        tc_live_tell_all(conn->live);
        return;
    }
    tc_live_dial_done(conn);
}

void tc_live_conn_ready(void *self, uint32_t events)
{
    struct tc_live_conn *conn = self;
    if (conn->state == TC_LIVE_DIALLING) {
        dialled(conn);
        return;
    }
    if (events & EPOLLOUT) {
        tc_live_flush(conn);
        tc_live_tell_all(conn->live);
    }
    if (conn->state != TC_LIVE_OPEN)
        return;
    if (conn->read_ended) {
        if (events & (EPOLLERR | EPOLLHUP)) {
            write_failed(conn);
            tc_live_tell_all(conn->live);
        }
    } else if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !conn->read_stopped && !conn->live->draining) {
        read_some(conn);
    }
}
