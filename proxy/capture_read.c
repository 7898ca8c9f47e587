/* pcap and pcapng → TCP segments in stream order. */
#include "capture_read.h"

#include <errno.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_stream.h"
#include "random.h"

#define BUCKETS 65536u
#define NONE    UINT32_MAX

#define SOUND_SHARE      8u /* so many right checksums for each wrong one: then the capture has checksums */
#define STEP_BACK_MAX_NS UINT64_C(1000000)

struct stream {
    struct tc_capture_end ends[2]; /* client, server */
    struct tc_capture_side sides[2];
    uint32_t number, slot;
    uint32_t next;       /* in its bucket; slot or NONE */
    uint32_t next_ended; /* among the ended ones, whose slots are free to be taken, oldest first */
    bool ended;
};

struct tc_capture_reader {
    tc_capture_segment_fn *each;
    void *self;
    struct tc_capture_counts *counts;
    struct stream **slots;
    uint32_t slot_count;
    uint32_t *buckets; /* slot or NONE */
    uint32_t ended_first, ended_last;
    uint64_t now_ns;
    int result;
};

/* A stream's side while bytes of it are given out. */
struct giving {
    struct tc_capture_reader *reader;
    const struct stream *stream;
    bool from_client;
};

/* The same for both directions. */
static uint32_t bucket_of(const struct tc_capture_end *a, const struct tc_capture_end *b)
{
    uint64_t one = tc_random_mix(tc_random_mix_bytes(1, (struct tc_slice){a->ip, sizeof a->ip}), a->port);
    uint64_t two = tc_random_mix(tc_random_mix_bytes(1, (struct tc_slice){b->ip, sizeof b->ip}), b->port);
    return (uint32_t)((one + two) >> 32) % BUCKETS;
}

static bool same_end(const struct tc_capture_end *a, const struct tc_capture_end *b)
{
    return a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static struct tc_capture_segment segment_of(const struct tc_capture_reader *r, const struct stream *s, bool from_client)
{
    return (struct tc_capture_segment){.time_ns = r->now_ns,
                                       .stream = s->number,
                                       .slot = s->slot,
                                       .from_client = from_client,
                                       .client_ip = tc_capture_mapped_ipv4(s->ends[0].ip),
                                       .server_ip = tc_capture_mapped_ipv4(s->ends[1].ip),
                                       .client_port = s->ends[0].port,
                                       .server_port = s->ends[1].port,
                                       .client = s->ends[0],
                                       .server = s->ends[1]};
}

static void deliver(struct tc_capture_reader *r, const struct tc_capture_segment *segment)
{
    if (r->result == 0)
        r->result = r->each(r->self, segment);
}

static void give_bytes(void *self, struct tc_slice bytes, bool gap)
{
    const struct giving *giving = self;
    struct tc_capture_segment segment = segment_of(giving->reader, giving->stream, giving->from_client);
    segment.bytes = bytes;
    segment.gap = gap;
    giving->reader->counts->gaps += gap;
    deliver(giving->reader, &segment);
}

static void give_rest(struct tc_capture_reader *r, struct stream *s, unsigned side)
{
    struct giving giving = {r, s, side == 0};
    tc_capture_side_end(&s->sides[side], give_bytes, &giving, &r->counts->retransmitted);
}

/* ---- streams: found by their ends, their slots used again ---- */

static void end(struct tc_capture_reader *r, struct stream *s)
{
    if (s->ended)
        return;
    s->ended = true;
    tc_capture_side_free(&s->sides[0]);
    tc_capture_side_free(&s->sides[1]);
    s->next_ended = NONE;
    if (r->ended_last == NONE)
        r->ended_first = s->slot;
    else
        r->slots[r->ended_last]->next_ended = s->slot;
    r->ended_last = s->slot;
}

static void bucket_remove(struct tc_capture_reader *r, const struct stream *s)
{
    uint32_t *at = &r->buckets[bucket_of(&s->ends[0], &s->ends[1])];
    while (*at != NONE && *at != s->slot)
        at = &r->slots[*at]->next;
    if (*at == s->slot)
        *at = s->next;
}

/* A slot that was never used, else that of the stream which ended first; NONE if all are in use. */
static uint32_t slot_take(struct tc_capture_reader *r)
{
    if (r->slot_count == TC_CAPTURE_SLOTS_MAX) {
        uint32_t slot = r->ended_first;
        if (slot == NONE)
            return NONE;
        r->ended_first = r->slots[slot]->next_ended;
        if (r->ended_first == NONE)
            r->ended_last = NONE;
        bucket_remove(r, r->slots[slot]);
        return slot;
    }
    r->slots[r->slot_count] = malloc(sizeof *r->slots[0]);
    if (!r->slots[r->slot_count]) {
        r->result = TC_EMEMORY;
        return NONE;
    }
    return r->slot_count++;
}

static struct stream *make(struct tc_capture_reader *r, const struct tc_capture_packet *p)
{
    uint32_t slot = slot_take(r);
    if (slot == NONE) {
        r->counts->over++;
        return NULL;
    }
    struct stream *s = r->slots[slot];
    bool answer = p->syn && p->ack;
    *s = (struct stream){.ends = {answer ? p->target : p->source, answer ? p->source : p->target},
                         .number = r->counts->streams++,
                         .slot = slot,
                         .next_ended = NONE};
    uint32_t *bucket = &r->buckets[bucket_of(&s->ends[0], &s->ends[1])];
    s->next = *bucket;
    *bucket = slot;
    struct tc_capture_segment segment = segment_of(r, s, !answer);
    segment.begins = true;
    segment.middle = !p->syn;
    deliver(r, &segment);
    return s;
}

static struct stream *lookup(const struct tc_capture_reader *r, const struct tc_capture_packet *p, bool *from_client)
{
    for (uint32_t at = r->buckets[bucket_of(&p->source, &p->target)]; at != NONE; at = r->slots[at]->next) {
        struct stream *s = r->slots[at];
        *from_client = same_end(&s->ends[0], &p->source) && same_end(&s->ends[1], &p->target);
        if (*from_client || (same_end(&s->ends[0], &p->target) && same_end(&s->ends[1], &p->source)))
            return s;
    }
    return NULL;
}

static void close_side(struct tc_capture_reader *r, struct stream *s, unsigned side, bool reset)
{
    if (s->sides[side].closed || s->ended)
        return;
    give_rest(r, s, side);
    if (reset)
        give_rest(r, s, !side);
    s->sides[side].closed = true;
    struct tc_capture_segment segment = segment_of(r, s, side == 0);
    segment.closed = true;
    segment.reset = reset;
    deliver(r, &segment);
    if (reset || s->sides[!side].closed)
        end(r, s);
}

/* The stream of a packet; a new one if there is none, or if a SYN begins the four-tuple anew. NULL: the packet is of no
 * stream (or none could be made). */
static struct stream *find(struct tc_capture_reader *r, const struct tc_capture_packet *p, bool *from_client)
{
    struct stream *s = lookup(r, p, from_client);
    unsigned from = *from_client ? 0 : 1;
    bool opens = p->syn && !p->ack;
    if (s && opens && (s->ended || (s->sides[from].started && s->sides[from].next != p->sequence + 1))) {
        close_side(r, s, from, true);
        /* The old stream keeps its slot until its turn comes, but nobody will find it any more. */
        bucket_remove(r, s);
        s->next = NONE;
        s = NULL;
    }
    if (s && s->ended) /* late acknowledgements, and bytes that nobody read */
        return NULL;
    if (!s && (p->syn || p->payload.len > 0)) {
        s = make(r, p);
        *from_client = s && same_end(&s->ends[0], &p->source);
    }
    return s;
}

static int take_bytes(struct tc_capture_reader *r, struct tc_capture_side *side, const struct tc_capture_packet *p,
                      struct giving *giving)
{
    const uint64_t late = side->late;
    const int result =
        tc_capture_side_take(side, p->sequence, p->payload, give_bytes, giving, &r->counts->retransmitted);
    r->counts->late += side->late > late;
    return result;
}

static void take_packet(struct tc_capture_reader *r, const struct tc_capture_packet *p)
{
    bool from_client = false;
    struct stream *s = find(r, p, &from_client);
    if (!s)
        return;
    unsigned from = from_client ? 0 : 1;
    struct tc_capture_side *side = &s->sides[from];
    struct giving there = {r, s, from_client}, back = {r, s, !from_client};
    if (p->syn) {
        side->started = true;
        side->next = p->sequence + 1;
    } else if (take_bytes(r, side, p, &there) < 0) {
        r->result = TC_EMEMORY;
    } else if (p->cut > 0 && side->started && side->next == p->sequence + (uint32_t)p->payload.len) {
        side->next += (uint32_t)p->cut; /* what the snap length took is known to be missing at once */
        give_bytes(&there, (struct tc_slice){NULL, 0}, true);
    }
    if (p->ack)
        tc_capture_side_acknowledged(&s->sides[!from], p->acknowledged, give_bytes, &back, &r->counts->retransmitted);
    if (p->fin || p->rst)
        close_side(r, s, from, p->rst);
}

/* ---- the reader ---- */

struct tc_capture_reader *tc_capture_reader_new(tc_capture_segment_fn *each, void *self,
                                                struct tc_capture_counts *counts)
{
    struct tc_capture_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    memset(counts, 0, sizeof *counts);
    r->each = each;
    r->self = self;
    r->counts = counts;
    r->ended_first = r->ended_last = NONE;
    r->slots = calloc(TC_CAPTURE_SLOTS_MAX, sizeof *r->slots);
    r->buckets = malloc(BUCKETS * sizeof *r->buckets);
    if (!r->slots || !r->buckets) {
        tc_capture_reader_free(r);
        return NULL;
    }
    memset(r->buckets, 0xff, BUCKETS * sizeof *r->buckets);
    return r;
}

void tc_capture_reader_free(struct tc_capture_reader *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->slot_count; i++) {
        if (!r->slots[i]->ended) {
            tc_capture_side_free(&r->slots[i]->sides[0]);
            tc_capture_side_free(&r->slots[i]->sides[1]);
        }
        free(r->slots[i]);
    }
    free(r->slots);
    free(r->buckets);
    free(r);
}

/* A wrong checksum tells of damage only where others are right: machines that leave it to the network card write
 * anything. */
static bool is_lost(struct tc_capture_reader *r, const struct tc_capture_packet *p)
{
    r->counts->sound += p->sound;
    if (!p->damaged || r->counts->sound < SOUND_SHARE * (r->counts->damaged + 1))
        return false;
    r->counts->damaged++;
    return true;
}

int tc_capture_reader_packet(struct tc_capture_reader *r, int link_type, uint64_t wall_ns, struct tc_slice bytes)
{
    struct tc_capture_packet p;
    if (r->result)
        return r->result;
    if (r->counts->packets++ == 0)
        r->counts->first_ns = wall_ns;
    const uint64_t time_ns = wall_ns > r->counts->first_ns ? wall_ns - r->counts->first_ns : 0;
    /* Stamps of packets taken on several processors may step back a little: then the order of capture counts. */
    if (r->now_ns > time_ns + STEP_BACK_MAX_NS || r->counts->first_ns > wall_ns + STEP_BACK_MAX_NS)
        r->counts->late++;
    if (time_ns > r->now_ns)
        r->now_ns = time_ns;
    r->counts->last_ns = r->now_ns;
    if (!tc_capture_parse(link_type, bytes, &p)) {
        r->counts->not_tcp++;
        return 0;
    }
    r->counts->cut += p.cut > 0;
    if (!is_lost(r, &p))
        take_packet(r, &p);
    return r->result;
}

int tc_capture_reader_finish(struct tc_capture_reader *r)
{
    for (uint32_t i = 0; i < r->slot_count; i++) {
        if (r->slots[i]->ended)
            continue;
        give_rest(r, r->slots[i], 0);
        give_rest(r, r->slots[i], 1);
    }
    return r->result;
}

/* ---- files ---- */

static int read_all(struct tc_capture_reader *r, pcap_t *pcap)
{
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int status = 0, result = 0;
    int link_type = pcap_datalink(pcap);
    while (result == 0 && (status = pcap_next_ex(pcap, &header, &bytes)) == 1) {
        uint64_t wall_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
        result = tc_capture_reader_packet(r, link_type, wall_ns, (struct tc_slice){bytes, header->caplen});
    }
    if (result == 0 && status == PCAP_ERROR) { /* judged as far as it goes */
        r->counts->ended_early = true;
        snprintf(r->counts->damage, sizeof r->counts->damage, "%s", pcap_geterr(pcap));
    }
    return result == 0 ? tc_capture_reader_finish(r) : result;
}

/* Opens it as a capture; the file is closed in every case but success, when it is closed with the capture. */
static int open_capture(FILE *file, const char *name, pcap_t **out, struct tc_error *err)
{
    char reason[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = *out = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
    if (!pcap) {
        fclose(file);
        return tc_error_set(err, TC_EMALFORMED, "%s: expected a pcap or pcapng capture: %s", name, reason);
    }
    if (tc_capture_link_known(pcap_datalink(pcap)))
        return 0;
    const char *link_name = pcap_datalink_val_to_name(pcap_datalink(pcap));
    tc_error_set(
        err, TC_EMALFORMED,
        "%s: link type %s is not read; capture on an interface with Ethernet, Linux cooked, loopback or raw IP "
        "packets",
        name, link_name ? link_name : "unknown to libpcap");
    pcap_close(pcap);
    return TC_EMALFORMED;
}

int tc_capture_read_file(FILE *file, const char *name, tc_capture_segment_fn *each, void *self,
                         struct tc_capture_counts *counts, struct tc_error *err)
{
    pcap_t *pcap;
    memset(counts, 0, sizeof *counts);
    int result = open_capture(file, name, &pcap, err);
    if (result < 0)
        return result;
    struct tc_capture_reader *reader = tc_capture_reader_new(each, self, counts);
    if (reader)
        result = read_all(reader, pcap);
    if (!reader || result == TC_EMEMORY)
        result = tc_error_set(err, TC_EMEMORY, "no memory for the streams of %s", name);
    tc_capture_reader_free(reader);
    pcap_close(pcap);
    return result;
}

static FILE *open_file(const char *path, struct tc_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", path, strerror(errno));
    return file;
}

int tc_capture_probe(const char *path, struct tc_error *err)
{
    pcap_t *pcap;
    FILE *file = open_file(path, err);
    if (!file)
        return err->code;
    int result = open_capture(file, path, &pcap, err);
    if (result == 0)
        pcap_close(pcap);
    return result;
}

int tc_capture_read(const char *path, tc_capture_segment_fn *each, void *self, struct tc_capture_counts *counts,
                    struct tc_error *err)
{
    struct tc_error own = {0};
    FILE *file = open_file(path, &own);
    memset(counts, 0, sizeof *counts);
    if (!file) {
        if (err)
            *err = own;
        return own.code;
    }
    return tc_capture_read_file(file, path, each, self, counts, err);
}
