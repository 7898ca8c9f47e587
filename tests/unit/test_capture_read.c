/* links: tc_live
 *
 * The capture reader: bytes of each stream in order, whatever order the packets came in. */
#define _GNU_SOURCE
#include "../../proxy/capture_read.h"

#include <pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENT 0x7f000001u
#define SERVER 0x7f400101u

struct trace {
    char *text;
    size_t size;
    FILE *file;
    pcap_t *pcap;
    pcap_dumper_t *dump;
    uint32_t time_us;
};

static void trace_begin(struct trace *t)
{
    memset(t, 0, sizeof *t);
    t->file = open_memstream(&t->text, &t->size);
    t->pcap = pcap_open_dead_with_tstamp_precision(DLT_RAW, 65535, PCAP_TSTAMP_PRECISION_NANO);
    t->dump = pcap_dump_fopen(t->pcap, t->file);
    assert_non_null(t->dump);
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A packet's bytes from the IP header on; `acknowledged` 0: none. How many. */
static uint32_t fill(uint8_t bytes[static 2000], bool from_client, uint32_t sequence, uint32_t acknowledged,
                     const char *flags, const char *payload)
{
    const uint32_t len = 40 + (uint32_t)strlen(payload);
    uint32_t source = from_client ? CLIENT : SERVER, target = from_client ? SERVER : CLIENT;
    uint16_t source_port = from_client ? 5000 : 7000, target_port = from_client ? 7000 : 5000;
    memset(bytes, 0, 2000);
    bytes[0] = 0x45;
    bytes[2] = (uint8_t)(len >> 8);
    bytes[3] = (uint8_t)len;
    bytes[9] = 6;
    put32(bytes + 12, source);
    put32(bytes + 16, target);
    put32(bytes + 24, sequence);
    put32(bytes + 28, acknowledged);
    bytes[20] = (uint8_t)(source_port >> 8);
    bytes[21] = (uint8_t)source_port;
    bytes[22] = (uint8_t)(target_port >> 8);
    bytes[23] = (uint8_t)target_port;
    bytes[32] = 5 << 4;
    bytes[33] = (uint8_t)((strchr(flags, 'S') ? 2 : 0) | (strchr(flags, 'F') ? 1 : 0) | (strchr(flags, 'R') ? 4 : 0) |
                          (acknowledged ? 16 : 0));
    memcpy(bytes + 40, payload, strlen(payload));
    return len;
}

/* One packet; flags: 'S' syn, 'F' fin, 'R' rst. `keep` bytes of it are captured (0 = all). */
static void packet(struct trace *t, bool from_client, uint32_t sequence, const char *flags, const char *payload,
                   uint32_t keep)
{
    uint8_t bytes[2000];
    const uint32_t len = fill(bytes, from_client, sequence, 0, flags, payload);
    struct pcap_pkthdr header = {.ts = {0, ++t->time_us}, .caplen = keep ? keep : len, .len = len};
    pcap_dump((u_char *)t->dump, &header, bytes);
}

static void acknowledge(struct trace *t, bool from_client, uint32_t sequence, uint32_t acknowledged)
{
    uint8_t bytes[2000];
    const uint32_t len = fill(bytes, from_client, sequence, acknowledged, "", "");
    struct pcap_pkthdr header = {.ts = {0, ++t->time_us}, .caplen = len, .len = len};
    pcap_dump((u_char *)t->dump, &header, bytes);
}

struct heard {
    char sides[2][4096];
    uint32_t gaps, closed;
};

static int hear(void *self, const struct tc_capture_segment *segment)
{
    struct heard *heard = self;
    char *side = heard->sides[segment->from_client ? 0 : 1];
    assert_int_equal(segment->client_ip, CLIENT);
    assert_int_equal(segment->server_port, 7000);
    if (segment->bytes.len)
        strncat(side, (const char *)segment->bytes.data, segment->bytes.len);
    heard->gaps += segment->gap;
    heard->closed += segment->closed;
    return 0;
}

static struct tc_capture_counts trace_end(struct trace *t, size_t cut, struct heard *heard)
{
    struct tc_capture_counts counts;
    struct tc_error err = {0};
    memset(heard, 0, sizeof *heard);
    pcap_dump_close(t->dump);
    pcap_close(t->pcap);
    assert_int_equal(tc_capture_read_file(fmemopen(t->text, t->size - cut, "rb"), "trace", hear, heard, &counts, &err),
                     0);
    free(t->text);
    return counts;
}

static void test_in_order(void **state)
{
    (void)state;
    struct trace t;
    struct heard heard;
    trace_begin(&t);
    packet(&t, true, 99, "S", "", 0);
    packet(&t, false, 499, "S", "", 0);
    packet(&t, true, 100, "", "hello ", 0);
    packet(&t, false, 500, "", "yes", 0);
    packet(&t, true, 106, "", "world", 0);
    packet(&t, true, 111, "F", "", 0);
    struct tc_capture_counts counts = trace_end(&t, 0, &heard);
    assert_string_equal(heard.sides[0], "hello world");
    assert_string_equal(heard.sides[1], "yes");
    assert_int_equal(heard.closed, 1);
    assert_int_equal(heard.gaps, 0);
    assert_int_equal(counts.streams, 1);
}

static void test_out_of_order_retransmitted_overlapping(void **state)
{
    (void)state;
    struct trace t;
    struct heard heard;
    trace_begin(&t);
    packet(&t, true, UINT32_MAX - 2, "S", "", 0); /* the sequence number wraps */
    packet(&t, true, 1, "", "cde", 0);
    packet(&t, true, UINT32_MAX - 1, "", "zab", 0);
    packet(&t, true, UINT32_MAX - 1, "", "zab", 0);
    packet(&t, true, 0, "", "bcdefg", 0);
    struct tc_capture_counts counts = trace_end(&t, 0, &heard);
    assert_string_equal(heard.sides[0], "zabcdefg");
    assert_int_equal(heard.gaps, 0);
    assert_true(counts.retransmitted >= 3);
}

static void test_mid_stream_gap_and_reset(void **state)
{
    (void)state;
    struct trace t;
    struct heard heard;
    trace_begin(&t);
    packet(&t, true, 1000, "", "one", 0);
    packet(&t, true, 1010, "", "two", 0);
    packet(&t, true, 1013, "R", "", 0);
    struct tc_capture_counts counts = trace_end(&t, 0, &heard);
    assert_string_equal(heard.sides[0], "onetwo");
    assert_int_equal(heard.gaps, 1);
    assert_int_equal(counts.gaps, 1);
    assert_int_equal(heard.closed, 1);
}

static void test_cut_packets_and_files(void **state)
{
    (void)state;
    struct trace t;
    struct heard heard;
    trace_begin(&t);
    packet(&t, true, 1, "", "whole", 0);
    packet(&t, true, 6, "", "cut here", 43);
    packet(&t, true, 14, "", "after", 0);
    packet(&t, true, 19, "", "lost with the file's end", 0);
    struct tc_capture_counts counts = trace_end(&t, 5, &heard);
    assert_string_equal(heard.sides[0], "wholecutafter");
    assert_int_equal(counts.cut, 1);
    assert_true(counts.ended_early);
    assert_non_null(strstr(counts.damage, "trunc"));
    assert_int_equal(heard.gaps, 1);
}

/* Whoever acknowledges has received: bytes that come behind were captured in another order than they passed. Sent
 * again, or in disorder on their way, they are not. */
static void test_packets_behind_their_acknowledgement(void **state)
{
    (void)state;
    for (int disordered = 0; disordered < 2; disordered++) {
        struct trace t;
        struct heard heard;
        trace_begin(&t);
        packet(&t, true, 99, "S", "", 0);
        packet(&t, false, 499, "S", "", 0);
        packet(&t, true, 103, "", "b c ", 0);
        packet(&t, true, 100, "", "a. ", 0);
        acknowledge(&t, false, 500, 107);
        packet(&t, true, 100, "", "a. ", 0);
        if (disordered)
            acknowledge(&t, false, 500, 110);
        packet(&t, true, 107, "", "d e", 0);
        acknowledge(&t, false, 500, 110);
        packet(&t, true, 110, "F", "", 0);
        const struct tc_capture_counts counts = trace_end(&t, 0, &heard);
        assert_string_equal(heard.sides[0], "a. b c d e");
        assert_int_equal(counts.late, disordered);
        assert_int_equal(counts.gaps, 0);
    }
}

/* Stamps that step back by more than processors differ: packets that somebody put in another order. */
static void test_stamps_that_step_back(void **state)
{
    (void)state;
    static const struct {
        int stamps_ns[3];
        uint64_t late;
    } cases[] = {{{5000000, 4100000, 5000001}, 0}, {{5000000, 3900000, 5000001}, 1}, {{1, 9000000, 2}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace t;
        struct heard heard;
        trace_begin(&t);
        for (uint32_t k = 0; k < 3; k++) {
            t.time_us = cases[i].stamps_ns[k] - 1;
            packet(&t, true, 100 + k, "", "x", 0);
        }
        const struct tc_capture_counts counts = trace_end(&t, 0, &heard);
        assert_string_equal(heard.sides[0], "xxx");
        assert_int_equal(counts.late, cases[i].late);
    }
}

static size_t put_block(uint8_t *at, uint32_t type, const void *body, uint32_t len)
{
    const uint32_t padded = (len + 3) / 4 * 4, total = 12 + padded;
    memset(at, 0, total);
    memcpy(at, &type, 4);
    memcpy(at + 4, &total, 4);
    memcpy(at + 8, body, len);
    memcpy(at + 8 + padded, &total, 4);
    return total;
}

/* The same from pcapng: a section, an interface of raw IP, and its packets. */
static void test_pcapng(void **state)
{
    (void)state;
    static const char *const said[] = {"", "hello ", "world"};
    const uint32_t section[] = {0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX}, interface[] = {101, 65535};
    uint8_t file[4096];
    struct heard heard = {.gaps = 0};
    struct tc_capture_counts counts;
    struct tc_error err = {0};
    size_t size = put_block(file, 0x0a0d0d0a, section, sizeof section);
    size += put_block(file + size, 1, interface, sizeof interface);
    for (uint32_t i = 0, sequence = 99; i < 3; i++) {
        uint8_t bytes[2020];
        const uint32_t len = fill(bytes + 20, true, sequence, 0, i ? "" : "S", said[i]);
        const uint32_t head[] = {0, 0, 1000 * i, len, len};
        memcpy(bytes, head, sizeof head);
        size += put_block(file + size, 6, bytes, 20 + len);
        sequence += i ? len - 40 : 1;
    }
    assert_int_equal(tc_capture_read_file(fmemopen(file, size, "rb"), "t.pcapng", hear, &heard, &counts, &err), 0);
    assert_string_equal(heard.sides[0], "hello world");
    assert_int_equal(counts.packets, 3);
    assert_int_equal(counts.last_ns, 2000000);
    memset(&heard, 0, sizeof heard);
    assert_int_equal(tc_capture_read_file(fmemopen(file, size - 9, "rb"), "t.pcapng", hear, &heard, &counts, &err), 0);
    assert_string_equal(heard.sides[0], "hello ");
    assert_true(counts.ended_early);
}

static void test_foreign_files_are_refused(void **state)
{
    (void)state;
    struct tc_capture_counts counts;
    struct tc_error err = {0};
    char text[] = "this is no capture at all, whatever its name says";
    assert_int_equal(tc_capture_read_file(fmemopen(text, sizeof text, "rb"), "x.pcap", hear, NULL, &counts, &err),
                     TC_EMALFORMED);
    assert_non_null(strstr(err.text, "x.pcap"));
    assert_int_equal(tc_capture_read("no/such/file", hear, NULL, &counts, &err), TC_ENOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_out_of_order_retransmitted_overlapping),
        cmocka_unit_test(test_mid_stream_gap_and_reset),
        cmocka_unit_test(test_cut_packets_and_files),
        cmocka_unit_test(test_packets_behind_their_acknowledgement),
        cmocka_unit_test(test_stamps_that_step_back),
        cmocka_unit_test(test_pcapng),
        cmocka_unit_test(test_foreign_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
