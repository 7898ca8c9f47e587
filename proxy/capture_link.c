/* Link headers as in https://www.tcpdump.org/linktypes.html; IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293.
 *
 *   Ethernet           6 target | 6 source | 2 type (0x0800, 0x86dd; 0x8100, 0x88a8: 2 tag | 2 type)
 *   Linux cooked       14 … | 2 type            Linux cooked v2   2 type | 18 …
 *   loopback           4 address family, in the order of the machine that captured (NULL) or of the network (LOOP) */
#include "capture_link.h"

#include <pcap.h>
#include <string.h>

#define TYPE_IPV4    0x0800u
#define TYPE_IPV6    0x86ddu
#define TYPE_VLAN    0x8100u
#define TYPE_QINQ    0x88a8u
#define VLAN_MAX     4 /* tags one inside the other */
#define EXTENSIONS   8 /* IPv6 extension headers */
#define PROTOCOL_TCP 6

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void tc_capture_map_ipv4(uint32_t ip, uint8_t out[static TC_CAPTURE_IP_SIZE])
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    for (int i = 0; i < 4; i++)
        out[12 + i] = (uint8_t)(ip >> (24 - 8 * i));
}

uint32_t tc_capture_mapped_ipv4(const uint8_t ip[static TC_CAPTURE_IP_SIZE])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, prefix, sizeof prefix) == 0 ? be32(ip + 12) : 0;
}

static bool skip(struct tc_slice *bytes, size_t len)
{
    if (bytes->len < len)
        return false;
    bytes->data += len;
    bytes->len -= len;
    return true;
}

/* Takes VLAN tags off that follow the type already read. */
static uint16_t untag(struct tc_slice *bytes, uint16_t type)
{
    for (int i = 0; i < VLAN_MAX && (type == TYPE_VLAN || type == TYPE_QINQ) && bytes->len >= 4; i++) {
        type = be16(bytes->data + 2);
        skip(bytes, 4);
    }
    return type;
}

/* Takes the link header off; false if what follows is not IP. */
static bool unwrap(int link_type, struct tc_slice *bytes)
{
    uint16_t type = 0;
    size_t header;
    switch (link_type) {
    case DLT_EN10MB:
        header = 14;
        type = bytes->len >= header ? be16(bytes->data + 12) : 0;
        break;
    case DLT_LINUX_SLL:
        header = 16;
        type = bytes->len >= header ? be16(bytes->data + 14) : 0;
        break;
    case DLT_LINUX_SLL2:
        header = 20;
        type = bytes->len >= header ? be16(bytes->data) : 0;
        break;
    case DLT_NULL:
    case DLT_LOOP: /* families differ from system to system: the version in the IP header says which it is */
        return skip(bytes, 4);
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        return true;
    default:
        return false;
    }
    if (!skip(bytes, header))
        return false;
    type = untag(bytes, type);
    return type == TYPE_IPV4 || type == TYPE_IPV6;
}

/* Takes the IPv4 header off. What follows the packet (Ethernet pads short ones) is cut; `missing`: bytes that were not
 * captured. */
static bool unwrap_ipv4(struct tc_slice *ip, struct tc_capture_packet *out, size_t *missing)
{
    const uint8_t *p = ip->data;
    size_t header = (size_t)(p[0] & 15u) * 4, total = ip->len >= 20 ? be16(p + 2) : 0;
    if (ip->len < 20 || header < 20 || p[9] != PROTOCOL_TCP || (be16(p + 6) & 0x3fffu))
        return false;
    if (total == 0) /* segmentation offload leaves it empty */
        total = ip->len;
    if (total < header)
        return false;
    *missing = total > ip->len ? total - ip->len : 0;
    if (ip->len > total)
        ip->len = total;
    tc_capture_map_ipv4(be32(p + 12), out->source.ip);
    tc_capture_map_ipv4(be32(p + 16), out->target.ip);
    return skip(ip, header);
}

static bool unwrap_ipv6(struct tc_slice *ip, struct tc_capture_packet *out, size_t *missing)
{
    const uint8_t *p = ip->data;
    if (ip->len < 40)
        return false;
    size_t total = be16(p + 4) ? (size_t)be16(p + 4) + 40 : ip->len; /* 0: a jumbogram, or offload */
    *missing = total > ip->len ? total - ip->len : 0;
    if (ip->len > total)
        ip->len = total;
    memcpy(out->source.ip, p + 8, TC_CAPTURE_IP_SIZE);
    memcpy(out->target.ip, p + 24, TC_CAPTURE_IP_SIZE);
    uint8_t next = p[6];
    skip(ip, 40);
    for (int i = 0; i < EXTENSIONS && (next == 0 || next == 43 || next == 60) && ip->len >= 8; i++) {
        next = ip->data[0]; /* hop-by-hop, routing, destination options; a fragment is left where it is */
        if (!skip(ip, ((size_t)ip->data[1] + 1) * 8))
            return false;
    }
    return next == PROTOCOL_TCP;
}

static uint64_t sum_words(uint64_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += be16(data + i);
    return size % 2 ? sum + (uint64_t)data[size - 1] * 256 : sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Is the segment's checksum right, wrong, or (a zero, or the pseudo-header's sum alone) left to the network card, which
 * a capture on the sending machine never sees? */
static void check_sum(struct tc_slice tcp, struct tc_capture_packet *out)
{
    bool mapped = tc_capture_mapped_ipv4(out->source.ip) && tc_capture_mapped_ipv4(out->target.ip);
    size_t from = mapped ? 12 : 0;
    uint64_t pseudo = sum_words(0, out->source.ip + from, TC_CAPTURE_IP_SIZE - from);
    pseudo = sum_words(pseudo, out->target.ip + from, TC_CAPTURE_IP_SIZE - from) + tcp.len + PROTOCOL_TCP;
    uint16_t said = be16(tcp.data + 16);
    out->sound = fold(sum_words(pseudo, tcp.data, tcp.len)) == 0xffff;
    out->damaged = !out->sound && said != 0 && said != fold(pseudo);
}

static bool parse_tcp(struct tc_slice tcp, size_t missing, struct tc_capture_packet *out)
{
    const uint8_t *p = tcp.data;
    struct tc_slice whole = tcp;
    size_t header = tcp.len >= 20 ? (size_t)(p[12] >> 4) * 4 : 0;
    if (header < 20 || !skip(&tcp, header))
        return false;
    out->source.port = be16(p);
    out->target.port = be16(p + 2);
    out->sequence = be32(p + 4);
    out->acknowledged = be32(p + 8);
    out->fin = p[13] & 1u;
    out->syn = p[13] & 2u;
    out->rst = p[13] & 4u;
    out->ack = p[13] & 16u;
    out->cut = missing;
    out->payload = tcp;
    if (missing == 0)
        check_sum(whole, out);
    return true;
}

bool tc_capture_link_known(int link_type)
{
    static const int known[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL,
                                DLT_LOOP,   DLT_RAW,       DLT_IPV4,       DLT_IPV6};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == link_type)
            return true;
    return false;
}

bool tc_capture_parse(int link_type, struct tc_slice bytes, struct tc_capture_packet *out)
{
    size_t missing = 0;
    memset(out, 0, sizeof *out);
    if (!unwrap(link_type, &bytes) || bytes.len == 0)
        return false;
    unsigned version = bytes.data[0] >> 4;
    if (version == 4 ? !unwrap_ipv4(&bytes, out, &missing) : version != 6 || !unwrap_ipv6(&bytes, out, &missing))
        return false;
    return parse_tcp(bytes, missing, out);
}
