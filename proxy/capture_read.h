/* Reads a pcap or pcapng file and puts each TCP stream's bytes in order: retransmitted bytes once, gaps said. Only the
 * capture files include <pcap.h>. */
#ifndef TC_CAPTURE_READ_H
#define TC_CAPTURE_READ_H

#include "error.h"
#include "types.h"

#include <stdio.h>

/* Some bytes of one direction of one stream, in stream order. Addresses and ports in host order. */
struct tc_capture_segment {
    uint64_t time_ns; /* since the capture's first packet */
    uint32_t stream;  /* 0, 1, … in the order of first packets */
    bool from_client; /* from the side that sent the SYN (or, mid-stream, the side seen first) */
    bool gap;         /* bytes before these were not captured */
    bool closed;      /* FIN or RST of this side; bytes are empty */
    uint32_t client_ip, server_ip;
    uint16_t client_port, server_port;
    struct tc_slice bytes;
};

struct tc_capture_counts {
    uint64_t packets, not_tcp, cut, gaps, retransmitted;
    uint32_t streams;
};

/* Called for each segment in order of capture; negative ends the reading with that code. */
typedef int tc_capture_segment_fn(void *self, const struct tc_capture_segment *segment);

/* TC_ENOT_FOUND or TC_EMALFORMED with path and reason (a truncated file is read as far as it goes: 0, and counts->cut);
 * TC_ELIMIT for more than 65,536 streams; else 0 or what `each` returned. */
int tc_capture_read(const char *path, tc_capture_segment_fn *each, void *self, struct tc_capture_counts *counts,
                    struct tc_error *err);

/* The same from an open file, which is closed; `name` is for the error's sentence. */
int tc_capture_read_file(FILE *file, const char *name, tc_capture_segment_fn *each, void *self,
                         struct tc_capture_counts *counts, struct tc_error *err);

#endif
