#define _GNU_SOURCE
#include "node_output.h"

#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_NS      UINT64_C(1000000000)
#define COMPLAINTS_MAX 20
#define QUEUE_MAX      ((size_t)64 << 20)
#define LINE_MAX_BYTES ((size_t)8 << 20)

static void lost_reader(struct tc_node_output *out)
{
    if (out->closed)
        return;
    out->closed = true;
    tc_loop_remove(out->loop, &out->watch);
    if (out->gone)
        out->gone(out->self);
}

static void ready(void *self, uint32_t events)
{
    struct tc_node_output *out = self;
    if (events & (EPOLLERR | EPOLLHUP))
        lost_reader(out);
    else
        out->blocked = false; /* the flush at the end of the turn goes on */
}

void tc_node_output_open(struct tc_node_output *out, struct tc_loop *loop, int fd, uint16_t node,
                         void (*gone)(void *self), void *self)
{
    struct stat st;
    *out = (struct tc_node_output){.loop = loop, .fd = fd, .node = node, .gone = gone, .self = self};
    out->flags_before = fcntl(fd, F_GETFL);
    /* A terminal's mode would be changed for the shell too, and files are always ready: both stay as they are. */
    if (out->flags_before < 0 || fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return;
    if (tc_loop_add(loop, &out->watch, fd, 0, ready, out) < 0)
        return;
    out->waits = fcntl(fd, F_SETFL, out->flags_before | O_NONBLOCK) == 0;
}

static void report_loss(struct tc_node_output *out)
{
    uint64_t lost = out->lost;
    if (lost == 0 || tc_node_buffer_len(&out->queue) > QUEUE_MAX / 2)
        return;
    out->lost = 0;
    tc_node_output_complain(out, out->node, TC_NODE_NONE, "standard output was not read: %llu lines are lost",
                            (unsigned long long)lost);
}

void tc_node_output_observe(struct tc_node_output *out, const struct tc_observation *observation)
{
    size_t size = 512;
    int64_t len = TC_ELIMIT;
    uint8_t *room = NULL;
    report_loss(out);
    while (len == TC_ELIMIT && size <= LINE_MAX_BYTES) {
        room = tc_node_buffer_reserve(&out->queue, size, QUEUE_MAX);
        if (!room)
            break;
        len = tc_line_write(observation, (char *)room, size);
        size *= 8;
    }
    if (len > 0) {
        out->queue.end += (size_t)len;
    } else if (len == TC_ELIMIT) {
        out->lost++;
        out->lost_total++;
    }
}

void tc_node_output_text(struct tc_node_output *out, const char *text)
{
    size_t len = strlen(text);
    uint8_t *room = tc_node_buffer_reserve(&out->queue, len, QUEUE_MAX);
    if (!room) {
        out->lost++;
        out->lost_total++;
        return;
    }
    memcpy(room, text, len);
    out->queue.end += len;
}

void tc_node_output_complain(struct tc_node_output *out, uint16_t node, uint16_t peer, const char *format, ...)
{
    char text[256];
    uint64_t now_ns = tc_loop_now_ns(out->loop);
    if (out->complaints > 0 && now_ns - out->period_start_ns < PERIOD_NS) {
        if (out->complaints++ >= COMPLAINTS_MAX) {
            out->unsaid++;
            return;
        }
    } else {
        out->period_start_ns = now_ns;
        out->complaints = 1;
    }
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (out->unsaid > 0 && used >= 0 && (size_t)used < sizeof text)
        (void)snprintf(text + used, sizeof text - (size_t)used, " (and %u complaints before)", (unsigned)out->unsaid);
    out->unsaid = 0;
    struct tc_observation complaint = {.kind = TC_OBS_COMPLAINT, .node = node, .peer = peer, .text = text};
    tc_node_output_observe(out, &complaint);
}

void tc_node_output_flush(struct tc_node_output *out)
{
    while (!out->closed && !out->blocked && tc_node_buffer_len(&out->queue) > 0) {
        ssize_t n = write(out->fd, out->queue.data + out->queue.start, tc_node_buffer_len(&out->queue));
        if (n >= 0)
            tc_node_buffer_consume(&out->queue, (size_t)n);
        else if (errno == EAGAIN)
            out->blocked = true;
        else if (errno != EINTR)
            lost_reader(out);
    }
    if (!out->closed && tc_loop_watching(&out->watch))
        (void)tc_loop_mod(out->loop, &out->watch, out->blocked ? (uint32_t)EPOLLOUT : 0);
}

void tc_node_output_close(struct tc_node_output *out, int wait_ms)
{
    struct pollfd one = {.fd = out->fd, .events = POLLOUT};
    if (wait_ms < 0)
        tc_node_buffer_free(&out->queue);
    tc_node_output_flush(out);
    while (out->waits && out->blocked && !out->closed && poll(&one, 1, wait_ms) > 0) {
        out->blocked = false;
        tc_node_output_flush(out);
    }
    if (out->waits)
        (void)fcntl(out->fd, F_SETFL, out->flags_before);
    tc_loop_remove(out->loop, &out->watch);
    tc_node_buffer_free(&out->queue);
    out->closed = true;
}
