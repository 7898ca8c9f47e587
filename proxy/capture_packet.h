/* Synthetic IPv4/TCP packets: what a sniffer would have seen of a stream whose bytes we know. Pure. Private to the
 * capture files. */
#ifndef TC_CAPTURE_PACKET_H
#define TC_CAPTURE_PACKET_H

#include "types.h"

#define TC_PACKET_HEADERS     40    /* IPv4 and TCP, without options */
#define TC_PACKET_PAYLOAD_MAX 16384 /* IPv4 allows 65,495; smaller segments are easier to read */

enum { TC_TCP_FIN = 1, TC_TCP_SYN = 2, TC_TCP_RST = 4, TC_TCP_PSH = 8, TC_TCP_ACK = 16 };

/* One TCP stream. Index 0 is its client, 1 its server. */
struct tc_packet_stream {
    uint32_t ip[2]; /* host order */
    uint16_t port[2];
    uint32_t next[2]; /* sequence number that this side uses next */
    bool fin[2];
    uint16_t identification;
};

/* A stream before its handshake; initial sequence numbers come from `salt`, so that they repeat. */
void tc_packet_stream_init(struct tc_packet_stream *s, const uint32_t ip[2], const uint16_t port[2], uint32_t salt);

/* Writes the packet that side `from` sends with these flags and payload (at most TC_PACKET_PAYLOAD_MAX), checksums
 * included, and moves its sequence number on. The payload may lie in its place already, behind the headers. Returns the
 * packet's length. */
size_t tc_packet_make(struct tc_packet_stream *s, unsigned from, unsigned flags, struct tc_slice payload,
                      uint8_t packet[static TC_PACKET_HEADERS + TC_PACKET_PAYLOAD_MAX]);

#endif
