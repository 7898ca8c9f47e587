/* From a captured packet to its TCP segment: link header, VLAN tags, IPv4 or IPv6, TCP. Pure; every read is checked
 * against what was captured. Private to the capture files. */
#ifndef TC_CAPTURE_LINK_H
#define TC_CAPTURE_LINK_H

#include "types.h"

#define TC_CAPTURE_IP_SIZE 16 /* IPv6; IPv4 as ::ffff:a.b.c.d */

struct tc_capture_end {
    uint8_t ip[TC_CAPTURE_IP_SIZE];
    uint16_t port;
};

struct tc_capture_packet {
    struct tc_capture_end source, target;
    uint32_t sequence, acknowledged; /* acknowledged: valid if ack */
    bool syn, fin, rst, ack;
    size_t cut;              /* bytes of the payload that were not captured (snap length) */
    bool damaged;            /* its checksum is wrong, and not merely left to the network card */
    bool sound;              /* its checksum is right */
    struct tc_slice payload; /* borrowed */
};

/* The TCP segment of a packet of this link type (libpcap's DLT_…); false if it has none that can be read: another
 * protocol, a fragment, a header that was cut. */
bool tc_capture_parse(int link_type, struct tc_slice bytes, struct tc_capture_packet *out);

/* Is the link type one that tc_capture_parse reads? */
bool tc_capture_link_known(int link_type);

/* a.b.c.d in host order as IPv6-mapped bytes, and back (0 if it is not mapped IPv4). */
void tc_capture_map_ipv4(uint32_t ip, uint8_t out[static TC_CAPTURE_IP_SIZE]);
uint32_t tc_capture_mapped_ipv4(const uint8_t ip[static TC_CAPTURE_IP_SIZE]);

#endif
