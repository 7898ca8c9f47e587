/* What nodes print: the pipes of our own processes, always drained (a full pipe would become a fault that nobody asked
 * for), and the logs of foreign ones. Split into lines, parsed, told to the engine; kept as they came. */
#define _GNU_SOURCE
#include "live_private.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define READS_MAX 16 /* of one source in one turn */

/* ---- keeping ---- */

static void keep(struct tc_live *live, uint16_t node, struct tc_slice bytes)
{
    int *fd = &live->log_fds[node];
    if (!live->config.log_dir || *fd == -2)
        return;
    if (*fd == -1) {
        char path[1024], name[8];
        snprintf(path, sizeof path, "%s/node-%s.log", live->config.log_dir, tc_node_name(node, name));
        *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    errno = 0;
    if (*fd >= 0 && write(*fd, bytes.data, bytes.len) == (ssize_t)bytes.len)
        return;
    const char *reason = strerror(errno ? errno : ENOSPC); /* written in part: there was room for no more */
    if (*fd >= 0)
        close(*fd);
    *fd = -2;
    /* The lines themselves are heard all the same: no oracle reads the files. */
    tc_live_note(live, TC_OBS_NOTE, node, "the output of this node is no longer kept: %s", reason);
}

/* ---- lines ---- */

static void handle_line(struct tc_live_source *source, struct tc_slice line)
{
    struct tc_live *live = source->live;
    struct tc_observation observation = {0};
    struct tc_error err = {0};
    live->stats.lines++;
    tc_arena_reset(&live->line_arena);
    if (!live->config.parse_line || live->config.parse_line(line, &live->line_arena, &observation, &err)) {
        live->stats.lines_ignored++;
        return;
    }
    /* One process may speak for several clients, but nobody for another replica. */
    if (source->path && source->node < TC_CLIENT_FIRST && observation.node < TC_CLIENT_FIRST &&
        observation.node != source->node) {
        const char *where = live->config.log_where[source->node];
        tc_error_set(&err, TC_EUSAGE,
                     "%s%s is given as the log of node %u, but its lines speak of node %u: are the logs swapped?",
                     where ? where : "", source->path, (unsigned)source->node, (unsigned)observation.node);
        tc_live_fail(source->live, TC_EUSAGE, &err);
        return;
    }
    if (source->node < TC_CLIENT_FIRST || observation.node < TC_CLIENT_FIRST || observation.node >= TC_NODES_MAX)
        observation.node = source->node;
    observation.incarnation = source->incarnation;
    observation.time_ns = tc_live_time_ns(live);
    if (!observation.text)
        observation.text = "";
    if (!tc_live_told_new(live, &observation, TC_LIVE_PRINTED))
        return;
    tc_live_step(live,
                 &(struct tc_event){.kind = TC_EV_OBSERVED, .node = observation.node, .observation = &observation});
}

static bool line_append(struct tc_live_source *source, struct tc_slice part)
{
    if (part.len > TC_LIVE_LINE_MAX - source->line_len)
        return false;
    if (part.len > source->line_size - source->line_len) {
        size_t size = source->line_size ? source->line_size : 1024;
        while (size < source->line_len + part.len)
            size *= 2;
        uint8_t *line = realloc(source->line, size);
        if (!line)
            return false;
        source->line = line;
        source->line_size = size;
    }
    memcpy(source->line + source->line_len, part.data, part.len);
    source->line_len += part.len;
    return true;
}

static void skip_line(struct tc_live_source *source)
{
    source->line_len = 0;
    if (!source->skipping)
        tc_live_note(source->live, TC_OBS_OVERFLOW, source->node, "a line longer than %zu bytes was skipped",
                     TC_LIVE_LINE_MAX);
    source->skipping = true;
}

static void end_line(struct tc_live_source *source, struct tc_slice rest)
{
    if (source->skipping) {
        source->skipping = false;
        return;
    }
    if (source->line_len == 0) {
        handle_line(source, rest);
        return;
    }
    if (line_append(source, rest)) {
        const struct tc_slice line = {source->line, source->line_len};
        source->line_len = 0;
        handle_line(source, line);
    } else {
        skip_line(source);
        source->skipping = false;
    }
}

static void feed(struct tc_live_source *source, struct tc_slice bytes)
{
    keep(source->live, source->node, bytes);
    while (bytes.len > 0) {
        const uint8_t *newline = memchr(bytes.data, '\n', bytes.len);
        const size_t length = newline ? (size_t)(newline - bytes.data) : bytes.len;
        const struct tc_slice part = {bytes.data, length};
        if (newline)
            end_line(source, part);
        else if (!source->skipping && !line_append(source, part))
            skip_line(source);
        bytes.data += length + (newline != NULL);
        bytes.len -= length + (newline != NULL);
    }
}

/* ---- reading ---- */

static void end(struct tc_live_source *source)
{
    tc_loop_remove(source->live->loop, &source->watch);
    close(source->fd);
    source->fd = -1;
    source->ended = true; /* freed with the next chores: we may be in its own callback */
}

static void read_source(struct tc_live_source *source, int reads_max)
{
    struct tc_live *live = source->live;
    for (int i = 0; i < reads_max && source->fd >= 0 && !live->status; i++) {
        const ssize_t got = read(source->fd, live->read_buffer, live->read_size);
        if (got > 0) {
            /* What this line follows from may have been written in this very turn: its time must not be that of the
             * turn's beginning, or beside a capture by others it would come too early. */
            tc_loop_refresh_ns(live->loop);
            source->offset += (uint64_t)got;
            feed(source, (struct tc_slice){live->read_buffer, (size_t)got});
            continue;
        }
        if (got == 0 && !source->path)
            end(source);
        return; /* nothing more for now */
    }
}

static void source_ready(void *self, uint32_t events)
{
    (void)events;
    read_source(self, 1);
}

static struct tc_live_source *source_new(struct tc_live *live, uint16_t node, uint32_t incarnation)
{
    struct tc_live_source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->live = live;
    source->node = node;
    source->incarnation = incarnation;
    source->fd = source->watch_number = -1;
    source->next = live->sources;
    live->sources = source;
    return source;
}

void tc_live_source_add(struct tc_live *live, uint16_t node, uint32_t incarnation, int fd)
{
    struct tc_live_source *source = source_new(live, node, incarnation);
    if (!source) {
        close(fd);
        tc_live_fail(live, TC_EMEMORY, NULL);
        return;
    }
    source->fd = fd;
    if (tc_loop_add(live->loop, &source->watch, fd, EPOLLIN, source_ready, source))
        tc_live_fail(live, TC_EIO, NULL);
}

void tc_live_source_finish(struct tc_live *live, uint16_t node)
{
    for (struct tc_live_source *source = live->sources; source; source = source->next)
        if (source->node == node && !source->path && source->fd >= 0)
            read_source(source, READS_MAX);
}

/* ---- logs of foreign nodes ---- */

static void open_log(struct tc_live_source *source, bool from_end)
{
    struct tc_live *live = source->live;
    struct stat info;
    if (stat(source->path, &info))
        return; /* not yet there: tried again with every chore */
    source->is_file = !S_ISFIFO(info.st_mode);
    /* A FIFO opened for writing too never ends, whoever comes and goes at its other end. */
    source->fd = open(source->path, (source->is_file ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);
    if (source->fd < 0)
        return;
    if (!source->is_file) {
        if (tc_loop_add(live->loop, &source->watch, source->fd, EPOLLIN, source_ready, source))
            tc_live_fail(live, TC_EIO, NULL);
        return;
    }
    if (from_end) /* what was written before the run is not about it */
        source->offset = (uint64_t)lseek(source->fd, 0, SEEK_END);
    source->watch_number = inotify_add_watch(live->inotify_fd, source->path, IN_MODIFY);
}

static void poll_file(struct tc_live_source *source)
{
    struct stat info;
    if (fstat(source->fd, &info) == 0 && (uint64_t)info.st_size < source->offset)
        source->offset = (uint64_t)lseek(source->fd, 0, SEEK_SET); /* it was cut and begins anew */
    read_source(source, READS_MAX);
}

/* A file that grew, or (-1) all: of which they were, nobody knows any more. Two entries may name one file. */
static void poll_files(struct tc_live *live, int watch_number)
{
    for (struct tc_live_source *source = live->sources; source; source = source->next)
        if (source->is_file && source->fd >= 0 && (watch_number < 0 || source->watch_number == watch_number))
            poll_file(source);
}

static void inotify_ready(void *self, uint32_t events)
{
    (void)events;
    struct tc_live *live = self;
    union {
        struct inotify_event event;
        char bytes[4096];
    } read_in;
    ssize_t got;
    while ((got = read(live->inotify_fd, read_in.bytes, sizeof read_in.bytes)) > 0) {
        int last = -2; /* one file's events come in a row */
        for (size_t at = 0; at + sizeof read_in.event <= (size_t)got;) {
            struct inotify_event event;
            memcpy(&event, read_in.bytes + at, sizeof event);
            if (event.wd != last)
                poll_files(live, event.wd);
            last = event.wd;
            at += sizeof event + event.len;
        }
    }
}

int tc_live_sources_open(struct tc_live *live, struct tc_error *err)
{
    tc_arena_init(&live->line_arena, 4 * TC_LIVE_LINE_MAX);
    live->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (live->inotify_fd < 0 ||
        tc_loop_add(live->loop, &live->inotify_watch, live->inotify_fd, EPOLLIN, inotify_ready, live))
        return tc_error_set(err, TC_EIO, "cannot watch log files: %s", strerror(errno));
    for (uint16_t node = 0; node < TC_NODES_MAX; node++) {
        if (!live->config.log_paths[node])
            continue;
        struct tc_live_source *source = source_new(live, node, 0);
        if (!source)
            return tc_error_set(err, TC_EMEMORY, "no memory for the logs of nodes");
        source->path = live->config.log_paths[node];
        open_log(source, true);
    }
    return 0;
}

static void source_free(struct tc_live_source *source)
{
    if (source->fd >= 0)
        end(source);
    free(source->line);
    free(source);
}

/* The last words: clients' before replicas', for an operation is in a replica's log before its client knows it done. */
static void drain(struct tc_live *live)
{
    for (int clients = 1; clients >= 0; clients--)
        for (struct tc_live_source *source = live->sources; source; source = source->next)
            if ((source->node >= TC_CLIENT_FIRST) == clients && source->fd >= 0 && !source->is_file)
                read_source(source, READS_MAX);
}

void tc_live_sources_poll(struct tc_live *live)
{
    if (live->draining)
        drain(live);
    for (struct tc_live_source **at = &live->sources; *at;) {
        struct tc_live_source *source = *at;
        if (source->ended) {
            *at = source->next;
            source_free(source);
            continue;
        }
        if (source->fd < 0)
            open_log(source, false);
        if (source->fd >= 0 && source->is_file)
            poll_file(source);
        at = &source->next;
    }
}

void tc_live_sources_free(struct tc_live *live)
{
    while (live->sources) {
        struct tc_live_source *source = live->sources;
        live->sources = source->next;
        source_free(source);
    }
    if (live->inotify_fd >= 0) {
        tc_loop_remove(live->loop, &live->inotify_watch);
        close(live->inotify_fd);
    }
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        if (live->log_fds[i] >= 0)
            close(live->log_fds[i]);
    tc_arena_free(&live->line_arena);
}
