/* The capture: the caller copies records into a ring, a thread turns them into packets and writes them.
 *
 * The ring has one producer and one consumer. The writer is woken when WAKE_BYTES wait, else it looks by itself every
 * LOOK_NS: a wake-up for each message would cost more than the message. */
#define _GNU_SOURCE
#include "capture_write.h"

#include "capture_packet.h"
#include "engine.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES  ((size_t)16 << 20) /* a power of two */
#define RING_MASK   (RING_BYTES - 1)
#define RECORD_MAX  ((size_t)1 << 20) /* payload of one record; more is split */
#define WAKE_BYTES  ((size_t)256 << 10)
#define LOOK_NS     UINT64_C(50000000)
#define STREAMS_MAX (2 * TC_PAIRS_MAX)
#define FILE_BUFFER ((size_t)1 << 18)
#define FILE_HEADER 24u
#define ROOM_MIN    ((uint64_t)1 << 20) /* what is left of the disk is for the run's other files */

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

/* Where a packet ends in the file, and how many there are up to it. */
struct mark {
    uint64_t at, packets;
};

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
    pcap_t *pcap;
    pcap_dumper_t *dumper;
    FILE *file;
    char *file_buffer;
    uint64_t bytes_written, packets_written, bytes_max;
    uint64_t looked_at;   /* where the disk's room is asked for next */
    struct mark marks[2]; /* each at least twice as far as the one before: the first is at most half of the file */
    int error;
    bool joined;
    bool dirty;
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
    if (sum > 0 && c->joined && (c->error == ENOSPC || c->error == EDQUOT))
        *reason = "the disk is full";
    return sum;
}

/* ---- the writer ---- */

/* A full disk: what others still have to write is worth more than the whole capture. What waits in the buffer is thrown
 * away first, or closing would write it behind the cut. */
static void make_room(struct tc_capture *c)
{
    struct stat found;
    __fpurge(c->file);
    if (fstat(fileno(c->file), &found) < 0)
        return;
    const uint64_t size = (uint64_t)found.st_size;
    struct mark cut = c->marks[0];
    if (cut.at > size)
        cut = (struct mark){size < FILE_HEADER ? 0 : FILE_HEADER, 0};
    if (ftruncate(fileno(c->file), (off_t)cut.at) == 0)
        lose(c, LOSS_DISK, c->packets_written - cut.packets);
}

static void stop(struct tc_capture *c, enum loss why, int error)
{
    if (c->error == 0)
        c->error = error;
    lose(c, why, 1);
    atomic_store_explicit(&c->stopped, (int)why, memory_order_relaxed);
    if (error == ENOSPC || error == EDQUOT)
        make_room(c);
}

/* Asked once per buffer: whoever comes too late for the last block may be the one that matters. */
static bool disk_is_full(struct tc_capture *c)
{
    struct statvfs disk;
    c->looked_at = c->bytes_written + FILE_BUFFER;
    return fstatvfs(fileno(c->file), &disk) == 0 && disk.f_blocks > 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_MIN + FILE_BUFFER;
}

static void write_packet(struct tc_capture *c, uint64_t time_ns, size_t size)
{
    struct pcap_pkthdr header = {.caplen = (bpf_u_int32)size, .len = (bpf_u_int32)size};
    const int stopped = atomic_load_explicit(&c->stopped, memory_order_relaxed);
    if (stopped) {
        lose(c, (enum loss)stopped, 1);
        return;
    }
    if (c->bytes_written >= c->looked_at && disk_is_full(c)) {
        stop(c, LOSS_DISK, ENOSPC);
        return;
    }
    if (c->bytes_written + size + 16 > c->bytes_max) {
        stop(c, LOSS_CAP, 0);
        return;
    }
    header.ts.tv_sec = (time_t)(time_ns / UINT64_C(1000000000));
    header.ts.tv_usec = (suseconds_t)(time_ns % UINT64_C(1000000000)); /* nanoseconds, by the file's magic number */
    errno = 0;
    pcap_dump((u_char *)c->dumper, &header, c->packet);
    if (ferror(c->file)) {
        stop(c, LOSS_DISK, errno ? errno : EIO);
        return;
    }
    c->bytes_written += size + 16;
    c->packets_written++;
    if (c->bytes_written >= 2 * c->marks[1].at) {
        c->marks[0] = c->marks[1];
        c->marks[1] = (struct mark){c->bytes_written, c->packets_written};
    }
    c->dirty = true;
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
    if (!c->dirty || c->error)
        return;
    c->dirty = false;
    if (pcap_dump_flush(c->dumper))
        stop(c, LOSS_DISK, errno ? errno : EIO);
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
    if (c->dumper)
        pcap_dump_close(c->dumper);
    else if (c->file)
        fclose(c->file);
    if (c->pcap)
        pcap_close(c->pcap);
    for (size_t i = 0; c->streams && i < STREAMS_MAX; i++)
        free(c->streams[i]);
    free(c->streams);
    free(c->skipped);
    free(c->file_buffer);
    free(c->ring);
    free(c);
}

static int open_file(struct tc_capture *c, const char *path, struct tc_error *err)
{
    c->ring = malloc(RING_BYTES);
    c->streams = calloc(STREAMS_MAX, sizeof(struct tc_packet_stream *));
    c->skipped = calloc(STREAMS_MAX, sizeof *c->skipped);
    c->file_buffer = malloc(FILE_BUFFER);
    c->pcap = pcap_open_dead_with_tstamp_precision(DLT_RAW, 262144, PCAP_TSTAMP_PRECISION_NANO);
    if (!c->ring || !c->streams || !c->skipped || !c->file_buffer || !c->pcap)
        return tc_error_set(err, TC_EMEMORY, "no memory for the capture");
    c->file = fopen(path, "wbe");
    if (!c->file)
        return tc_error_set(err, TC_EIO, "cannot write %s: %s", path, strerror(errno));
    setvbuf(c->file, c->file_buffer, _IOFBF, FILE_BUFFER);
    c->dumper = pcap_dump_fopen(c->pcap, c->file);
    if (!c->dumper)
        return tc_error_set(err, TC_EIO, "cannot write %s: %s", path, pcap_geterr(c->pcap));
    c->bytes_written = FILE_HEADER;
    c->marks[0] = c->marks[1] = (struct mark){FILE_HEADER, 0};
    return 0;
}

int tc_capture_open(const char *path, uint64_t bytes_max, struct tc_capture **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_capture *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    if (!c)
        return tc_error_set(err, TC_EMEMORY, "no memory for the capture");
    memset(c, 0, sizeof *c);
    c->bytes_max = bytes_max;
    const int status = open_file(c, path, err);
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
    const int reason = c->error;
    capture_free(c);
    return reason ? tc_error_set(err, TC_EIO, "the capture is not complete: %s", strerror(reason)) : 0;
}
