/* pcap and pcapng → TCP segments in stream order. IPv4 over Ethernet, Linux cooked, loopback or raw link types.
 *
 * A segment ahead of its turn is kept (bounded) until the bytes before it come; when the store is full or the stream
 * ends, the missing bytes count as a gap and reading goes on behind them. */
#include "capture_read.h"

#include <errno.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX 65536u
#define HELD_MAX    64u /* segments ahead of their turn, per direction */

struct held {
    uint32_t sequence;
    size_t len;
    uint8_t *bytes;
};

struct direction {
    bool started;
    uint32_t next; /* sequence number of the byte that comes next */
    struct held held[HELD_MAX];
    uint32_t held_count;
};

struct stream {
    uint32_t client_ip, server_ip;
    uint16_t client_port, server_port;
    struct direction sides[2]; /* client, server */
};

struct reader {
    tc_capture_segment_fn *each;
    void *self;
    struct tc_capture_counts *counts;
    struct stream **streams;
    uint32_t stream_count, bucket_count;
    uint32_t *buckets; /* stream number + 1, by hash of the four-tuple */
    uint64_t first_ns, last_ns;
    int result;
};

struct packet {
    uint64_t time_ns;
    uint32_t source_ip, target_ip;
    uint16_t source_port, target_port;
    uint32_t sequence;
    bool syn, fin, rst;
    struct tc_slice payload;
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Bytes before the IPv4 header for a link type; -1 if the type is not read or the packet is not IPv4. */
static int link_header(int link_type, const uint8_t *bytes, size_t len)
{
    switch (link_type) {
    case DLT_EN10MB:
        return len >= 14 && be16(bytes + 12) == 0x0800 ? 14 : -1;
    case DLT_LINUX_SLL:
        return len >= 16 && be16(bytes + 14) == 0x0800 ? 16 : -1;
    case DLT_LINUX_SLL2:
        return len >= 20 && be16(bytes) == 0x0800 ? 20 : -1;
    case DLT_NULL:
    case DLT_LOOP:
        return len >= 4 && (bytes[0] == 2 || bytes[3] == 2) ? 4 : -1;
    case DLT_RAW:
    case DLT_IPV4:
        return 0;
    default:
        return -1;
    }
}

/* Fills `out` from the IPv4 header on; false if it is no whole TCP header. A cut payload is shortened and counted. */
static bool parse_ipv4(const uint8_t *ip, size_t len, struct tc_capture_counts *counts, struct packet *out)
{
    if (len < 20 || ip[0] >> 4 != 4 || ip[9] != 6)
        return false;
    size_t header = (size_t)(ip[0] & 15u) * 4;
    size_t total = be16(ip + 2);
    if (header < 20 || len < header + 20 || (be16(ip + 6) & 0x1fffu))
        return false;
    const uint8_t *tcp = ip + header;
    size_t tcp_header = (size_t)(tcp[12] >> 4) * 4;
    if (total == 0)
        total = len; /* segmentation offload leaves it empty */
    if (tcp_header < 20 || total < header + tcp_header || len < header + tcp_header)
        return false;
    size_t payload = total - header - tcp_header;
    if (payload > len - header - tcp_header) {
        payload = len - header - tcp_header;
        counts->cut++;
    }
    out->source_ip = be32(ip + 12);
    out->target_ip = be32(ip + 16);
    out->source_port = be16(tcp);
    out->target_port = be16(tcp + 2);
    out->sequence = be32(tcp + 4);
    out->fin = tcp[13] & 1u;
    out->syn = tcp[13] & 2u;
    out->rst = tcp[13] & 4u;
    out->payload = (struct tc_slice){tcp + tcp_header, payload};
    return true;
}

static uint32_t hash_tuple(const struct packet *p)
{
    /* The same for both directions. */
    uint64_t a = (uint64_t)p->source_ip << 16 | p->source_port, b = (uint64_t)p->target_ip << 16 | p->target_port;
    uint64_t h = (a < b ? a * UINT64_C(0x9e3779b97f4a7c15) + b : b * UINT64_C(0x9e3779b97f4a7c15) + a);
    h ^= h >> 29;
    return (uint32_t)(h * UINT64_C(0xbf58476d1ce4e5b9) >> 32);
}

static bool same(const struct stream *s, const struct packet *p, bool *from_client)
{
    *from_client = s->client_ip == p->source_ip && s->client_port == p->source_port && s->server_ip == p->target_ip &&
                   s->server_port == p->target_port;
    return *from_client || (s->client_ip == p->target_ip && s->client_port == p->target_port &&
                            s->server_ip == p->source_ip && s->server_port == p->source_port);
}

static bool grow(struct reader *r)
{
    uint32_t wanted = r->bucket_count ? r->bucket_count * 2 : 256;
    uint32_t *buckets = calloc(wanted, sizeof *buckets);
    struct stream **streams = realloc(r->streams, (size_t)wanted / 2 * sizeof(*streams));
    if (streams)
        r->streams = streams;
    if (!buckets || !streams) {
        free(buckets);
        return false;
    }
    for (uint32_t i = 0; i < r->stream_count; i++) {
        const struct stream *s = r->streams[i];
        const struct packet p = {.source_ip = s->client_ip,
                                 .source_port = s->client_port,
                                 .target_ip = s->server_ip,
                                 .target_port = s->server_port};
        uint32_t at = hash_tuple(&p) % wanted;
        while (buckets[at])
            at = (at + 1) % wanted;
        buckets[at] = i + 1;
    }
    free(r->buckets);
    r->buckets = buckets;
    r->bucket_count = wanted;
    return true;
}

/* The stream of a packet, a new one if there is none or a SYN begins the four-tuple anew. NULL: memory or bound. */
static struct stream *find(struct reader *r, const struct packet *p, uint32_t *number, bool *from_client)
{
    if (r->stream_count * 2 >= r->bucket_count && !grow(r))
        return NULL;
    uint32_t at = hash_tuple(p) % r->bucket_count;
    for (; r->buckets[at]; at = (at + 1) % r->bucket_count) {
        struct stream *s = r->streams[r->buckets[at] - 1];
        if (!same(s, p, from_client))
            continue;
        bool anew = p->syn && *from_client && s->sides[0].started && s->sides[0].next != p->sequence + 1;
        if (!anew) {
            *number = r->buckets[at] - 1;
            return s;
        }
        break;
    }
    if (r->stream_count == STREAMS_MAX)
        return NULL;
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->client_ip = p->source_ip;
    s->client_port = p->source_port;
    s->server_ip = p->target_ip;
    s->server_port = p->target_port;
    r->streams[r->stream_count] = s;
    r->buckets[at] = ++r->stream_count;
    *number = r->stream_count - 1;
    *from_client = true;
    return s;
}

static void deliver(struct reader *r, const struct stream *s, uint32_t number, bool from_client, uint64_t time_ns,
                    struct tc_slice bytes, bool gap, bool closed)
{
    const struct tc_capture_segment segment = {
        .time_ns = time_ns,
        .stream = number,
        .from_client = from_client,
        .gap = gap,
        .closed = closed,
        .client_ip = s->client_ip,
        .server_ip = s->server_ip,
        .client_port = s->client_port,
        .server_port = s->server_port,
        .bytes = bytes,
    };
    if (r->result == 0 && (bytes.len || closed))
        r->result = r->each(r->self, &segment);
}

/* Takes the held segment with the lowest sequence number at or before `next`, or, if `skip`, the lowest of all. */
static bool take_held(struct direction *d, bool skip, struct held *out)
{
    uint32_t best = HELD_MAX;
    for (uint32_t i = 0; i < d->held_count; i++)
        if ((skip || (int32_t)(d->held[i].sequence - d->next) <= 0) &&
            (best == HELD_MAX || (int32_t)(d->held[i].sequence - d->held[best].sequence) < 0))
            best = i;
    if (best == HELD_MAX)
        return false;
    *out = d->held[best];
    d->held[best] = d->held[--d->held_count];
    return true;
}

/* Delivers what of [sequence, sequence+len) is new. */
static void deliver_new(struct reader *r, struct stream *s, uint32_t number, bool from_client, uint64_t time_ns,
                        uint32_t sequence, struct tc_slice bytes)
{
    struct direction *d = &s->sides[from_client ? 0 : 1];
    int32_t ahead = (int32_t)(sequence - d->next);
    if (ahead < 0) {
        size_t old = (size_t) - (int64_t)ahead;
        r->counts->retransmitted += old < bytes.len ? old : bytes.len;
        if (old >= bytes.len)
            return;
        bytes.data += old;
        bytes.len -= old;
    }
    bool gap = ahead > 0;
    r->counts->gaps += gap;
    d->next = sequence + (ahead < 0 ? (uint32_t)-ahead : 0) + (uint32_t)bytes.len;
    deliver(r, s, number, from_client, time_ns, bytes, gap, false);
}

static void release_held(struct reader *r, struct stream *s, uint32_t number, bool from_client, uint64_t time_ns,
                         bool skip)
{
    struct direction *d = &s->sides[from_client ? 0 : 1];
    struct held held;
    while (take_held(d, skip, &held)) {
        deliver_new(r, s, number, from_client, time_ns, held.sequence, (struct tc_slice){held.bytes, held.len});
        free(held.bytes);
    }
}

static void take_payload(struct reader *r, struct stream *s, uint32_t number, bool from_client, const struct packet *p)
{
    struct direction *d = &s->sides[from_client ? 0 : 1];
    if (!d->started) {
        d->started = true;
        d->next = p->sequence;
    }
    if ((int32_t)(p->sequence - d->next) > 0) {
        if (d->held_count == HELD_MAX)
            release_held(r, s, number, from_client, p->time_ns, true);
        struct held *held = &d->held[d->held_count];
        *held = (struct held){p->sequence, p->payload.len, malloc(p->payload.len)};
        if (!held->bytes) {
            r->result = TC_EMEMORY;
            return;
        }
        memcpy(held->bytes, p->payload.data, p->payload.len);
        d->held_count++;
        return;
    }
    deliver_new(r, s, number, from_client, p->time_ns, p->sequence, p->payload);
    release_held(r, s, number, from_client, p->time_ns, false);
}

static void take_packet(struct reader *r, const struct packet *p)
{
    uint32_t number;
    bool from_client;
    struct stream *s = find(r, p, &number, &from_client);
    if (!s) {
        r->result = TC_ELIMIT;
        return;
    }
    struct direction *d = &s->sides[from_client ? 0 : 1];
    if (p->syn) {
        d->started = true;
        d->next = p->sequence + 1;
        return;
    }
    if (p->payload.len)
        take_payload(r, s, number, from_client, p);
    if (p->fin || p->rst) {
        release_held(r, s, number, from_client, p->time_ns, true);
        deliver(r, s, number, from_client, p->time_ns, (struct tc_slice){NULL, 0}, false, true);
    }
}

static int read_all(struct reader *r, pcap_t *pcap, int link_type)
{
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int status = 0;
    while (r->result == 0 && (status = pcap_next_ex(pcap, &header, &bytes)) == 1) {
        struct packet p = {.time_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec};
        if (r->counts->packets++ == 0)
            r->first_ns = p.time_ns;
        p.time_ns = p.time_ns > r->first_ns ? p.time_ns - r->first_ns : 0;
        r->last_ns = p.time_ns;
        int skip = link_header(link_type, bytes, header->caplen);
        if (skip < 0 || !parse_ipv4(bytes + skip, header->caplen - (size_t)skip, r->counts, &p))
            r->counts->not_tcp++;
        else
            take_packet(r, &p);
    }
    if (r->result == 0 && status == PCAP_ERROR)
        r->counts->cut++; /* a file that ends in the middle of a packet: judged as far as it goes */
    for (uint32_t i = 0; i < r->stream_count; i++) {
        release_held(r, r->streams[i], i, true, r->last_ns, true);
        release_held(r, r->streams[i], i, false, r->last_ns, true);
    }
    return r->result;
}

static void free_streams(struct reader *r)
{
    for (uint32_t i = 0; i < r->stream_count; i++) {
        for (int side = 0; side < 2; side++)
            for (uint32_t k = 0; k < r->streams[i]->sides[side].held_count; k++)
                free(r->streams[i]->sides[side].held[k].bytes);
        free(r->streams[i]);
    }
    free(r->streams);
    free(r->buckets);
}

int tc_capture_read_file(FILE *file, const char *name, tc_capture_segment_fn *each, void *self,
                         struct tc_capture_counts *counts, struct tc_error *err)
{
    char reason[PCAP_ERRBUF_SIZE];
    memset(counts, 0, sizeof *counts);
    pcap_t *pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
    if (!pcap) {
        fclose(file);
        return tc_error_set(err, TC_EMALFORMED, "%s: expected a pcap or pcapng capture: %s", name, reason);
    }
    struct reader reader = {.each = each, .self = self, .counts = counts};
    int result = read_all(&reader, pcap, pcap_datalink(pcap));
    counts->streams = reader.stream_count;
    if (result == TC_ELIMIT)
        tc_error_set(err, result, "%s: more than %u TCP streams", name, STREAMS_MAX);
    free_streams(&reader);
    pcap_close(pcap);
    return result;
}

int tc_capture_read(const char *path, tc_capture_segment_fn *each, void *self, struct tc_capture_counts *counts,
                    struct tc_error *err)
{
    FILE *file = fopen(path, "rb");
    memset(counts, 0, sizeof *counts);
    if (!file)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", path, strerror(errno));
    return tc_capture_read_file(file, path, each, self, counts, err);
}
