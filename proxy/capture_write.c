/* The capture: the caller copies records into a ring, a thread turns them into packets and writes them.
 *
 * The ring has one producer and one consumer. The writer is woken when WAKE_BYTES wait, else it looks by itself every
 * LOOK_NS: a wake-up for each message would cost more than the message. */
#define _GNU_SOURCE
#include "capture_write.h"

#include "capture_file.h"
#include "capture_packet.h"
#include "engine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING_BYTES  ((size_t)16 << 20) /* a power of two */
#define RING_MASK   (RING_BYTES - 1)
#define RECORD_MAX  ((size_t)1 << 20) /* payload of one record; more is split */
#define WAKE_BYTES  ((size_t)256 << 10)
#define LOOK_NS     UINT64_C(50000000)
#define STREAMS_MAX (2 * TC_PAIRS_MAX)

enum record_kind { CONNECT, BYTES, CLOSE };

struct record {
    uint64_t time_ns;
    uint32_t conn;
    uint32_t size;    /* of the payload that follows */
    uint32_t skipped; /* bytes of this direction that were lost before it */
    uint8_t kind;
    bool from_client, reset;
    uint16_t port[2];
    uint32_t ip[2];
};

/* Why something was not written, in the order of how bad it is. */
enum loss { LOSS_NONE, LOSS_UNKNOWN, LOSS_RING, LOSS_CAP, LOSS_DISK, LOSS_COUNT };

static const char *const loss_text[LOSS_COUNT] = {"", "bytes of a connection whose beginning was not captured",
                                                  "the writer fell behind (16 MiB waited)",
                                                  "the size limit of the capture was reached", "writing failed"};

struct tc_capture {
    /* of the producer */
    uint64_t told; /* bit set of losses already told */
    uint64_t woken_at;
    int64_t offset_ns; /* from run time to wall clock */
    bool has_offset;
    uint32_t (*skipped)[2]; /* per connection and direction: bytes lost since the last record, a gap to be shown */

    _Alignas(64) _Atomic uint64_t head; /* bytes ever put in */
    _Alignas(64) _Atomic uint64_t tail; /* bytes ever taken out */
    _Atomic uint64_t lost[LOSS_COUNT];  /* packets */
    _Atomic int stopped;                /* an enum loss: nothing more will be written, and why */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending; /* under lock */
    pthread_t thread;

    /* of the writer */
    struct tc_capture_file *file;
    bool joined;
    struct tc_packet_stream **streams;
    uint8_t *ring;
    uint8_t packet[TC_PACKET_HEADERS + TC_PACKET_PAYLOAD_MAX];
};

static void lose(struct tc_capture *c, enum loss why, uint64_t packets)
{
    atomic_fetch_add_explicit(&c->lost[why], packets, memory_order_relaxed);
}

/* ---- the producer ---- */

static void ring_put(struct tc_capture *c, uint64_t at, const void *data, size_t size)
{
    const size_t offset = (size_t)(at & RING_MASK);
    const size_t first = size < RING_BYTES - offset ? size : RING_BYTES - offset;
    memcpy(c->ring + offset, data, first);
    memcpy(c->ring, (const uint8_t *)data + first, size - first);
}

static void ring_get(const struct tc_capture *c, uint64_t at, void *data, size_t size)
{
    const size_t offset = (size_t)(at & RING_MASK);
    const size_t first = size < RING_BYTES - offset ? size : RING_BYTES - offset;
    memcpy(data, c->ring + offset, first);
    memcpy((uint8_t *)data + first, c->ring, size - first);
}

static uint64_t packets_in(size_t size)
{
    return size == 0 ? 1 : (size + TC_PACKET_PAYLOAD_MAX - 1) / TC_PACKET_PAYLOAD_MAX;
}

static uint64_t wall_clock(struct tc_capture *c, uint64_t time_ns)
{
    if (!c->has_offset) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        c->offset_ns = (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec - (int64_t)time_ns;
        c->has_offset = true;
    }
    return time_ns + (uint64_t)c->offset_ns;
}

static void put(struct tc_capture *c, struct record *record, const uint8_t *payload)
{
    const int stopped = atomic_load_explicit(&c->stopped, memory_order_relaxed);
    if (stopped) {
        lose(c, (enum loss)stopped, packets_in(record->size));
        return;
    }
    const uint64_t head = atomic_load_explicit(&c->head, memory_order_relaxed);
    const uint64_t used = head - atomic_load_explicit(&c->tail, memory_order_acquire);
    const size_t size = sizeof *record + record->size;
    const bool known = record->conn < STREAMS_MAX;
    if (size > RING_BYTES - used) {
        lose(c, LOSS_RING, packets_in(record->size));
        if (known)
            c->skipped[record->conn][!record->from_client] += record->size;
        return;
    }
    if (known && record->kind == BYTES) {
        record->skipped = c->skipped[record->conn][!record->from_client];
        c->skipped[record->conn][!record->from_client] = 0;
    }
    record->time_ns = wall_clock(c, record->time_ns);
    ring_put(c, head, record, sizeof *record);
    if (record->size > 0)
        ring_put(c, head + sizeof *record, payload, record->size);
    atomic_store_explicit(&c->head, head + size, memory_order_release);
    if (used + size >= WAKE_BYTES && head + size - c->woken_at >= WAKE_BYTES) {
        c->woken_at = head + size;
        pthread_cond_signal(&c->wake); /* without the lock: one that goes unheard is made up for within LOOK_NS */
    }
}

void tc_capture_connect(struct tc_capture *c, uint64_t time_ns, uint32_t conn, uint32_t client_ip, uint16_t client_port,
                        uint32_t server_ip, uint16_t server_port)
{
    if (conn < STREAMS_MAX)
        memset(c->skipped[conn], 0, sizeof c->skipped[conn]);
    struct record record = {.kind = CONNECT,
                            .time_ns = time_ns,
                            .conn = conn,
                            .ip = {client_ip, server_ip},
                            .port = {client_port, server_port}};
    put(c, &record, NULL);
}

void tc_capture_bytes(struct tc_capture *c, uint64_t time_ns, uint32_t conn, bool from_client, struct tc_slice bytes)
{
    while (bytes.len > 0) {
        const size_t size = bytes.len < RECORD_MAX ? bytes.len : RECORD_MAX;
        struct record record = {
            .kind = BYTES, .time_ns = time_ns, .conn = conn, .from_client = from_client, .size = (uint32_t)size};
        put(c, &record, bytes.data);
        bytes.data += size;
        bytes.len -= size;
    }
}

void tc_capture_close(struct tc_capture *c, uint64_t time_ns, uint32_t conn, bool from_client, bool reset)
{
    struct record record = {
        .kind = CLOSE, .time_ns = time_ns, .conn = conn, .from_client = from_client, .reset = reset};
    put(c, &record, NULL);
}

bool tc_capture_lost(struct tc_capture *c, const char **reason, uint64_t *packets)
{
    for (int why = LOSS_COUNT - 1; why > LOSS_NONE; why--) {
        const uint64_t lost = atomic_load_explicit(&c->lost[why], memory_order_relaxed);
        if (lost == 0 || (c->told & (UINT64_C(1) << why)))
            continue;
        c->told |= UINT64_C(1) << why;
        *reason = loss_text[why];
        *packets = lost;
        return true;
    }
    return false;
}

uint64_t tc_capture_missing(const struct tc_capture *c, const char **reason)
{
    uint64_t sum = 0;
    *reason = "";
    for (int why = LOSS_NONE + 1; why < LOSS_COUNT; why++) {
        const uint64_t lost = atomic_load_explicit(&c->lost[why], memory_order_relaxed);
        if (lost > 0)
            *reason = loss_text[why];
        sum += lost;
    }
    if (sum > 0 && c->joined && tc_capture_file_is_disk_full(c->file))
        *reason = "the disk is full";
    return sum;
}

/* ---- the writer ---- */

static void stop(struct tc_capture *c, int status)
{
    const enum loss why = status == TC_ELIMIT ? LOSS_CAP : LOSS_DISK;
    lose(c, why, 1);
    atomic_store_explicit(&c->stopped, (int)why, memory_order_relaxed);
    lose(c, why, tc_capture_file_give_way(c->file));
}

static void write_packet(struct tc_capture *c, uint64_t time_ns, size_t size)
{
    const int stopped = atomic_load_explicit(&c->stopped, memory_order_relaxed);
    if (stopped) {
        lose(c, (enum loss)stopped, 1);
        return;
    }
    const int status = tc_capture_file_put(c->file, time_ns, (struct tc_slice){c->packet, size});
    if (status)
        stop(c, status);
}

static void send_flags(struct tc_capture *c, struct tc_packet_stream *s, uint64_t time_ns, unsigned from,
                       unsigned flags)
{
    write_packet(c, time_ns, tc_packet_make(s, from, flags, (struct tc_slice){0}, c->packet));
}

static void write_connect(struct tc_capture *c, const struct record *record)
{
    struct tc_packet_stream **slot = &c->streams[record->conn];
    if (!*slot && !(*slot = malloc(sizeof **slot))) {
        lose(c, LOSS_UNKNOWN, 3);
        return;
    }
    tc_packet_stream_init(*slot, record->ip, record->port, record->conn);
    send_flags(c, *slot, record->time_ns, 0, TC_TCP_SYN);
    send_flags(c, *slot, record->time_ns, 1, TC_TCP_SYN | TC_TCP_ACK);
    send_flags(c, *slot, record->time_ns, 0, TC_TCP_ACK);
}

static void write_bytes(struct tc_capture *c, const struct record *record, uint64_t at)
{
    struct tc_packet_stream *s = c->streams[record->conn];
    const unsigned from = !record->from_client;
    if (!s) {
        lose(c, LOSS_UNKNOWN, packets_in(record->size));
        return;
    }
    s->next[from] += record->skipped;
    for (uint32_t done = 0; done < record->size;) {
        const uint32_t rest = record->size - done;
        const uint32_t size = rest < TC_PACKET_PAYLOAD_MAX ? rest : TC_PACKET_PAYLOAD_MAX;
        uint8_t *payload = c->packet + TC_PACKET_HEADERS; /* where it belongs: one copy less of every byte */
        ring_get(c, at + done, payload, size);
        write_packet(c, record->time_ns,
                     tc_packet_make(s, from, TC_TCP_PSH | TC_TCP_ACK, (struct tc_slice){payload, size}, c->packet));
        done += size;
    }
}

static void write_close(struct tc_capture *c, const struct record *record)
{
    struct tc_packet_stream *s = c->streams[record->conn];
    const unsigned from = !record->from_client;
    if (!s)
        return;
    if (record->reset) {
        send_flags(c, s, record->time_ns, from, TC_TCP_RST | TC_TCP_ACK);
    } else if (!s->fin[from]) {
        s->fin[from] = true;
        send_flags(c, s, record->time_ns, from, TC_TCP_FIN | TC_TCP_ACK);
        send_flags(c, s, record->time_ns, !from, TC_TCP_ACK);
    }
    if (record->reset || (s->fin[0] && s->fin[1])) {
        free(s);
        c->streams[record->conn] = NULL;
    }
}

static void write_record(struct tc_capture *c, const struct record *record, uint64_t payload_at)
{
    if (record->conn >= STREAMS_MAX) {
        lose(c, LOSS_UNKNOWN, packets_in(record->size));
        return;
    }
    switch ((enum record_kind)record->kind) {
    case CONNECT:
        write_connect(c, record);
        break;
    case BYTES:
        write_bytes(c, record, payload_at);
        break;
    case CLOSE:
        write_close(c, record);
        break;
    }
}

/* Writes all that waits. True if there was something. */
static bool write_waiting(struct tc_capture *c)
{
    uint64_t tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
    const uint64_t head = atomic_load_explicit(&c->head, memory_order_acquire);
    const bool any = tail != head;
    while (tail != head) {
        struct record record;
        ring_get(c, tail, &record, sizeof record);
        write_record(c, &record, tail + sizeof record);
        tail += sizeof record + record.size;
        atomic_store_explicit(&c->tail, tail, memory_order_release);
    }
    return any;
}

static void flush(struct tc_capture *c)
{
    const int status = tc_capture_file_flush(c->file);
    if (status)
        stop(c, status);
}

static void *write_run(void *self)
{
    struct tc_capture *c = self;
    /* A batch thread does not push the data path aside when it wakes up on the same core. */
    const struct sched_param parameters = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters);
    pthread_mutex_lock(&c->lock);
    while (!c->ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        const uint64_t nanoseconds = (uint64_t)until.tv_nsec + LOOK_NS;
        until.tv_sec += (time_t)(nanoseconds / UINT64_C(1000000000));
        until.tv_nsec = (long)(nanoseconds % UINT64_C(1000000000));
        pthread_cond_timedwait(&c->wake, &c->lock, &until);
        pthread_mutex_unlock(&c->lock);
        if (!write_waiting(c))
            flush(c); /* idle: what was seen so far can be read, even if we are killed */
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    write_waiting(c);
    flush(c);
    return NULL;
}

/* ---- opening and finishing ---- */

static void capture_free(struct tc_capture *c)
{
    tc_capture_file_close(c->file);
    for (size_t i = 0; c->streams && i < STREAMS_MAX; i++)
        free(c->streams[i]);
    free(c->streams);
    free(c->skipped);
    free(c->ring);
    free(c);
}

static int open_parts(struct tc_capture *c, const char *path, uint64_t bytes_max, struct tc_error *err)
{
    c->ring = malloc(RING_BYTES);
    c->streams = calloc(STREAMS_MAX, sizeof(struct tc_packet_stream *));
    c->skipped = calloc(STREAMS_MAX, sizeof *c->skipped);
    if (!c->ring || !c->streams || !c->skipped)
        return tc_error_set(err, TC_EMEMORY, "no memory for the capture");
    return tc_capture_file_open(path, bytes_max, &c->file, err);
}

int tc_capture_open(const char *path, uint64_t bytes_max, struct tc_capture **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_capture *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    if (!c)
        return tc_error_set(err, TC_EMEMORY, "no memory for the capture");
    memset(c, 0, sizeof *c);
    const int status = open_parts(c, path, bytes_max, err);
    if (status) {
        capture_free(c);
        return status;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&c->lock, NULL);
    const int reason = pthread_create(&c->thread, NULL, write_run, c);
    if (reason) {
        tc_error_set(err, TC_EIO, "cannot start the capture's writer: %s", strerror(reason));
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->wake);
        capture_free(c);
        return TC_EIO;
    }
    *out = c;
    return 0;
}

void tc_capture_stop(struct tc_capture *c)
{
    if (c->joined)
        return;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    c->joined = true;
}

int tc_capture_finish(struct tc_capture *c, struct tc_error *err)
{
    tc_capture_stop(c);
    const int reason = tc_capture_file_reason(c->file);
    capture_free(c);
    return reason ? tc_error_set(err, TC_EIO, "the capture is not complete: %s", strerror(reason)) : 0;
}
