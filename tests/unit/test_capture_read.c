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

/* One packet; flags: 'S' syn, 'F' fin, 'R' rst. `keep` bytes of it are captured (0 = all). */
static void packet(struct trace *t, bool from_client, uint32_t sequence, const char *flags, const char *payload,
                   uint32_t keep)
{
    uint8_t bytes[2000] = {0x45};
    uint32_t len = 40 + (uint32_t)strlen(payload);
    uint32_t source = from_client ? CLIENT : SERVER, target = from_client ? SERVER : CLIENT;
    uint16_t source_port = from_client ? 5000 : 7000, target_port = from_client ? 7000 : 5000;
    bytes[2] = (uint8_t)(len >> 8);
    bytes[3] = (uint8_t)len;
    bytes[9] = 6;
    for (int i = 0; i < 4; i++) {
        bytes[12 + i] = (uint8_t)(source >> (24 - 8 * i));
        bytes[16 + i] = (uint8_t)(target >> (24 - 8 * i));
        bytes[24 + i] = (uint8_t)(sequence >> (24 - 8 * i));
    }
    bytes[20] = (uint8_t)(source_port >> 8);
    bytes[21] = (uint8_t)source_port;
    bytes[22] = (uint8_t)(target_port >> 8);
    bytes[23] = (uint8_t)target_port;
    bytes[32] = 5 << 4;
    bytes[33] = (uint8_t)((strchr(flags, 'S') ? 2 : 0) | (strchr(flags, 'F') ? 1 : 0) | (strchr(flags, 'R') ? 4 : 0));
    memcpy(bytes + 40, payload, strlen(payload));
    struct pcap_pkthdr header = {.ts = {0, ++t->time_us}, .caplen = keep ? keep : len, .len = len};
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
        cmocka_unit_test(test_foreign_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
