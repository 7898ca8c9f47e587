/* Reads a pcap or pcapng file and puts each TCP stream's bytes in order: retransmitted bytes once, gaps said. Only the
 * capture files include <pcap.h>. */
#ifndef TC_CAPTURE_READ_H
#define TC_CAPTURE_READ_H

#include "capture_link.h"
#include "error.h"
#include "types.h"

#include <stdio.h>

#define TC_CAPTURE_SLOTS_MAX 32768 /* streams at one time */

/* Some bytes of one direction of one stream, in stream order. Ports in host order. */
struct tc_capture_segment {
    uint64_t time_ns; /* since the capture's first packet; never smaller than in the segment before */
    uint32_t stream;  /* 0, 1, … in the order of first packets */
    uint32_t slot;    /* below TC_CAPTURE_SLOTS_MAX; given to another stream once this one has ended */
    bool begins;      /* the first of its stream: bytes are empty */
    bool middle;      /* begins: no SYN was captured, the stream was there before */
    bool from_client; /* from the side that sent the SYN (or, mid-stream, the side seen first) */
    bool gap;         /* bytes before these were not captured */
    bool closed;      /* FIN or RST of this side; bytes are empty */
    bool reset;       /* closed: by RST (or by a new stream between the same ports), and the other side with it */
    uint32_t client_ip, server_ip; /* host order; 0 if not IPv4 */
    uint16_t client_port, server_port;
    struct tc_capture_end client, server; /* the same, and IPv6 */
    struct tc_slice bytes;
};

struct tc_capture_counts {
    uint64_t packets, not_tcp, cut, gaps, retransmitted;
    uint64_t sound, damaged; /* segments whose checksum is right; wrong (these are taken as lost) */
    uint64_t first_ns;       /* when the first packet was captured, since 1970 */
    uint64_t last_ns;        /* and the last one, since the first */
    /* Packets that stand behind their own acknowledgement, or whose stamp is more than a millisecond before another
     * one's that stands before them: the order of the file is not theirs. */
    uint64_t late;
    uint64_t over; /* packets of streams beyond TC_CAPTURE_SLOTS_MAX at one time */
    uint32_t streams;
    bool ended_early; /* the file ends, or is damaged, in the middle of a packet */
    char damage[128]; /* how, as libpcap says it */
};

/* Called for each segment in order of capture; negative ends the reading with that code. */
typedef int tc_capture_segment_fn(void *self, const struct tc_capture_segment *segment);

/* TC_ENOT_FOUND or TC_EMALFORMED with path and reason (a truncated file is read as far as it goes: 0, and
 * counts->ended_early); TC_EMEMORY; else 0 or what `each` returned. */
int tc_capture_read(const char *path, tc_capture_segment_fn *each, void *self, struct tc_capture_counts *counts,
                    struct tc_error *err);

/* Is there a capture of a link type that is read? TC_ENOT_FOUND, TC_EIO, TC_EMALFORMED as tc_capture_read. */
int tc_capture_probe(const char *path, struct tc_error *err);

/* The same from an open file, which is closed; `name` is for the error's sentence. */
int tc_capture_read_file(FILE *file, const char *name, tc_capture_segment_fn *each, void *self,
                         struct tc_capture_counts *counts, struct tc_error *err);

/* ---- the same, packet by packet ---- */

struct tc_capture_reader;

/* NULL if out of memory. `counts` is kept current, and borrowed until free. */
struct tc_capture_reader *tc_capture_reader_new(tc_capture_segment_fn *each, void *self,
                                                struct tc_capture_counts *counts);
void tc_capture_reader_free(struct tc_capture_reader *reader);

/* Takes one packet, captured at wall_ns. 0, TC_EMEMORY, or what `each` returned; after that nothing more is taken. */
int tc_capture_reader_packet(struct tc_capture_reader *reader, int link_type, uint64_t wall_ns, struct tc_slice bytes);

/* Gives out what waits for bytes that will not come. As above. */
int tc_capture_reader_finish(struct tc_capture_reader *reader);

#endif
