/* IPv4 and TCP headers (RFC 791, RFC 9293):
 *
 *   0               1               2               3
 *   |version|  IHL  |      TOS      |          total length         |
 *   |        identification         |flags|     fragment offset     |
 *   |      TTL      |    protocol   |            checksum           |
 *   |                         source address                        |
 *   |                       destination address                     |
 *   |          source port          |        destination port       |
 *   |                        sequence number                        |
 *   |                     acknowledgement number                    |
 *   | offset|       |     flags     |             window            |
 *   |            checksum           |         urgent pointer        | */
#include "capture_packet.h"

#include <assert.h>
#include <string.h>

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

/* Adds up 16-bit words in network order; any eight bytes make four of them, whatever this machine's order, since the
 * carries are folded in the end. */
static uint64_t sum_words(uint64_t sum, const uint8_t *data, size_t size)
{
    for (; size >= 4; data += 4, size -= 4) {
        uint32_t word;
        memcpy(&word, data, sizeof word);
        sum += word;
    }
    uint32_t rest = 0;
    memcpy(&rest, data, size);
    return sum + rest;
}

/* The sum is in this machine's byte order, and so is what is stored: the two swaps cancel out (RFC 1071, 2(B)). */
static void put_checksum(uint8_t *at, uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    const uint16_t checksum = (uint16_t)~sum;
    memcpy(at, &checksum, sizeof checksum);
}

void tc_packet_stream_init(struct tc_packet_stream *s, const uint32_t ip[2], const uint16_t port[2], uint32_t salt)
{
    memset(s, 0, sizeof *s);
    for (unsigned side = 0; side < 2; side++) {
        s->ip[side] = ip[side];
        s->port[side] = port[side];
        s->next[side] = (2 * salt + side + 1) * 2654435761u;
    }
}

size_t tc_packet_make(struct tc_packet_stream *s, unsigned from, unsigned flags, struct tc_slice payload,
                      uint8_t packet[static TC_PACKET_HEADERS + TC_PACKET_PAYLOAD_MAX])
{
    assert(payload.len <= TC_PACKET_PAYLOAD_MAX && from < 2);
    const size_t size = TC_PACKET_HEADERS + payload.len;
    uint8_t *ip = packet, *tcp = packet + 20;
    memset(packet, 0, TC_PACKET_HEADERS);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)size);
    put16(ip + 4, s->identification++);
    ip[6] = 0x40; /* do not fragment */
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, s->ip[from]);
    put32(ip + 16, s->ip[!from]);
    put_checksum(ip + 10, sum_words(0, ip, 20));

    put16(tcp, s->port[from]);
    put16(tcp + 2, s->port[!from]);
    put32(tcp + 4, s->next[from]);
    put32(tcp + 8, flags & TC_TCP_ACK ? s->next[!from] : 0);
    tcp[12] = 0x50;
    tcp[13] = (uint8_t)flags;
    put16(tcp + 14, 65535);
    if (payload.len > 0 && payload.data != packet + TC_PACKET_HEADERS)
        memcpy(packet + TC_PACKET_HEADERS, payload.data, payload.len);
    uint8_t pseudo[4] = {0, 6, 0, 0};
    put16(pseudo + 2, (uint32_t)(20 + payload.len));
    put_checksum(tcp + 16, sum_words(sum_words(sum_words(0, ip + 12, 8), pseudo, 4), tcp, 20 + payload.len));

    s->next[from] += (uint32_t)payload.len + ((flags & (TC_TCP_SYN | TC_TCP_FIN)) != 0);
    return size;
}
