/* The capture as others read it: the file's format, every packet's checksums, sequence numbers, gaps, limits. */
#define _GNU_SOURCE
#include "../../proxy/capture_packet.h"
#include "../../proxy/capture_read.h"
#include "../../proxy/capture_write.h"

#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define CLIENT 0x7f000001u
#define SERVER 0x7f400101u

struct packet {
    uint64_t time_ns;
    uint32_t from_ip, to_ip, sequence, acknowledgement;
    uint16_t from_port, to_port;
    uint8_t flags;
    const uint8_t *payload;
    size_t payload_size;
};

struct file {
    char path[64];
    uint8_t *data;
    size_t size, at;
};

static void file_name(struct file *file)
{
    memset(file, 0, sizeof *file);
    strcpy(file->path, "/tmp/tc-test-capture-XXXXXX");
    const int fd = mkstemp(file->path);
    assert_true(fd >= 0);
    close(fd);
}

static void file_free(struct file *file)
{
    unlink(file->path);
    free(file->data);
}

static uint32_t get32(const uint8_t *at) /* as the file has it: this machine's order */
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t net16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t net32(const uint8_t *at)
{
    return net16(at) << 16 | net16(at + 2);
}

static void file_read(struct file *file)
{
    FILE *in = fopen(file->path, "rb");
    struct stat info;
    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &info), 0);
    file->size = (size_t)info.st_size;
    file->data = malloc(file->size + 1);
    assert_int_equal(fread(file->data, 1, file->size, in), file->size);
    fclose(in);
    assert_true(file->size >= 24);
    assert_int_equal(get32(file->data), 0xa1b23c4d); /* classic, nanoseconds */
    assert_int_equal(get32(file->data + 20), 101);   /* LINKTYPE_RAW */
    file->at = 24;
}

/* Until so much of it is on the disk. The writer is a thread that tells nobody, but the kernel does. */
static void await_size(const struct file *file, uint64_t size)
{
    struct stat info;
    char events[4096];
    struct pollfd ready = {.fd = inotify_init1(IN_CLOEXEC), .events = POLLIN};
    assert_true(ready.fd >= 0 && inotify_add_watch(ready.fd, file->path, IN_MODIFY) >= 0);
    for (;;) {
        assert_int_equal(stat(file->path, &info), 0);
        if ((uint64_t)info.st_size >= size)
            break;
        assert_int_equal(poll(&ready, 1, 10000), 1);
        assert_true(read(ready.fd, events, sizeof events) > 0);
    }
    close(ready.fd);
}

/* Until the capture says that something is lost, and why. It is asked again and again, as the live world does. */
static uint64_t await_lost(struct tc_capture *capture, const char **reason)
{
    uint64_t packets = 0;
    *reason = "";
    for (int i = 0; i < 10000 && !tc_capture_lost(capture, reason, &packets); i++)
        usleep(1000);
    return packets;
}

/* The plain definition, 16 bits at a time: written apart from the code under test. */
static uint32_t add_words(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)data[i] << 8 | (i + 1 < size ? data[i + 1] : 0u);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* The next packet, with every header field checked; false at the end. */
static bool next_packet(struct file *file, struct packet *packet)
{
    if (file->at == file->size)
        return false;
    const uint8_t *record = file->data + file->at, *ip = record + 16, *tcp = ip + 20;
    const uint32_t size = get32(record + 8);
    assert_true(file->at + 16 + size <= file->size && size >= 40);
    assert_int_equal(get32(record + 12), size);
    assert_true(get32(record + 4) < 1000000000u);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(net16(ip + 2), size);
    assert_int_equal(ip[9], 6);
    assert_int_equal(add_words(0, ip, 20), 0xffff);
    const uint8_t pseudo[4] = {0, 6, (uint8_t)((size - 20) >> 8), (uint8_t)(size - 20)};
    assert_int_equal(add_words(add_words(add_words(0, ip + 12, 8), pseudo, 4), tcp, size - 20), 0xffff);
    assert_int_equal(tcp[12], 0x50);
    *packet = (struct packet){.time_ns = (uint64_t)get32(record) * 1000000000u + get32(record + 4),
                              .from_ip = net32(ip + 12),
                              .to_ip = net32(ip + 16),
                              .from_port = (uint16_t)net16(tcp),
                              .to_port = (uint16_t)net16(tcp + 2),
                              .sequence = net32(tcp + 4),
                              .acknowledgement = net32(tcp + 8),
                              .flags = tcp[13],
                              .payload = tcp + 20,
                              .payload_size = size - 40};
    file->at += 16 + size;
    return true;
}

static struct tc_capture *capture_open(const char *path, uint64_t bytes_max)
{
    struct tc_capture *capture;
    assert_int_equal(tc_capture_open(path, bytes_max, &capture, NULL), 0);
    return capture;
}

static struct tc_slice text(const char *bytes)
{
    return (struct tc_slice){(const uint8_t *)bytes, strlen(bytes)};
}

static void test_one_stream(void **state)
{
    (void)state;
    struct file file;
    file_name(&file);
    struct tc_capture *capture = capture_open(file.path, 1 << 20);
    tc_capture_connect(capture, 1000, 7, CLIENT, 40000, SERVER, 7000);
    tc_capture_bytes(capture, 2000, 7, true, text("ping"));
    tc_capture_bytes(capture, 1002345, 7, false, text("pongs"));
    tc_capture_close(capture, 4000000, 7, true, false);
    tc_capture_bytes(capture, 4000001, 7, false, text("late")); /* half-closed */
    tc_capture_close(capture, 5000000, 7, false, false);
    assert_int_equal(tc_capture_finish(capture, NULL), 0);
    file_read(&file);
    static const struct {
        bool from_client;
        uint8_t flags;
        const char *payload;
        uint32_t sequence, acknowledgement; /* relative, as Wireshark shows them */
        uint64_t after_ns;
    } rows[] = {
        {true, 0x02, "", 0, 0, 0},
        {false, 0x12, "", 0, 1, 0},
        {true, 0x10, "", 1, 1, 0},
        {true, 0x18, "ping", 1, 1, 1000},
        {false, 0x18, "pongs", 1, 5, 1001345},
        {true, 0x11, "", 5, 6, 3999000},
        {false, 0x10, "", 6, 6, 3999000},
        {false, 0x18, "late", 6, 6, 3999001},
        {false, 0x11, "", 10, 6, 4999000},
        {true, 0x10, "", 6, 11, 4999000},
    };
    struct packet packet;
    uint32_t first[2] = {0, 0};
    uint64_t began_ns = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(next_packet(&file, &packet));
        const bool from_client = rows[i].from_client;
        if (i == 0)
            began_ns = packet.time_ns;
        if (i < 2)
            first[!from_client] = packet.sequence;
        assert_int_equal(packet.from_ip, from_client ? CLIENT : SERVER);
        assert_int_equal(packet.to_ip, from_client ? SERVER : CLIENT);
        assert_int_equal(packet.from_port, from_client ? 40000 : 7000);
        assert_int_equal(packet.to_port, from_client ? 7000 : 40000);
        assert_int_equal(packet.flags, rows[i].flags);
        assert_int_equal(packet.payload_size, strlen(rows[i].payload));
        assert_memory_equal(packet.payload, rows[i].payload, packet.payload_size);
        assert_int_equal((uint32_t)(packet.sequence - first[!from_client]), rows[i].sequence);
        if (i > 0)
            assert_int_equal((uint32_t)(packet.acknowledgement - first[from_client]), rows[i].acknowledgement);
        assert_int_equal(packet.time_ns - began_ns, rows[i].after_ns);
    }
    assert_false(next_packet(&file, &packet));
    file_free(&file);
}

/* A number used again is a new stream; a reset ends one. */
static void test_reuse_and_reset(void **state)
{
    (void)state;
    struct file file;
    file_name(&file);
    struct tc_capture *capture = capture_open(file.path, 1 << 20);
    tc_capture_connect(capture, 1, 0, CLIENT, 40000, SERVER, 7000);
    tc_capture_close(capture, 2, 0, false, true);
    tc_capture_connect(capture, 3, 0, CLIENT, 40001, SERVER, 7000);
    tc_capture_bytes(capture, 4, 0, false, text("x"));
    assert_int_equal(tc_capture_finish(capture, NULL), 0);
    file_read(&file);
    struct packet packet;
    for (int i = 0; i < 4; i++)
        assert_true(next_packet(&file, &packet));
    assert_int_equal(packet.flags, 0x14); /* RST, ACK */
    assert_int_equal(packet.from_port, 7000);
    assert_true(next_packet(&file, &packet));
    assert_int_equal(packet.flags, 0x02);
    assert_int_equal(packet.from_port, 40001);
    for (int i = 0; i < 3; i++)
        assert_true(next_packet(&file, &packet));
    assert_int_equal(packet.payload_size, 1);
    assert_false(next_packet(&file, &packet));
    file_free(&file);
}

struct reading {
    size_t sizes[2];
    uint32_t wrong;
    size_t gaps;
};

static uint8_t pattern(size_t offset)
{
    return (uint8_t)((offset * 2654435761u) >> 11);
}

static int read_segment(void *self, const struct tc_capture_segment *segment)
{
    struct reading *reading = self;
    reading->gaps += segment->gap;
    for (size_t i = 0; i < segment->bytes.len && reading->gaps == 0; i++)
        reading->wrong += segment->bytes.data[i] != pattern(reading->sizes[segment->from_client] + i);
    reading->sizes[segment->from_client] += segment->bytes.len;
    return 0;
}

#define BACKLOG ((size_t)4 << 20) /* what the ring holds easily, and the file's buffer beside it */

/* Large writes are split into segments; the sequence number wraps; the ring is gone round more than once. */
static void test_much(void **state)
{
    (void)state;
    struct file file;
    file_name(&file);
    struct tc_capture *capture = capture_open(file.path, UINT64_C(1) << 30);
    const size_t total = 40u << 20;
    static uint8_t chunk[3 << 20];
    const char *reason;
    uint64_t packets;
    tc_capture_connect(capture, 0, 3, CLIENT, 1, SERVER, 2);
    for (size_t done = 0, round = 0; done < total; round++) {
        size_t size = round % 3 == 0 ? sizeof chunk : 1 + round * 7919 % 70000;
        size = size < total - done ? size : total - done;
        for (size_t i = 0; i < size; i++)
            chunk[i] = pattern(done + i);
        tc_capture_bytes(capture, round, 3, true, (struct tc_slice){chunk, size});
        done += size;
        await_size(&file, done < BACKLOG ? 0 : done - BACKLOG); /* the ring that fills is the next test */
    }
    assert_false(tc_capture_lost(capture, &reason, &packets));
    assert_int_equal(tc_capture_finish(capture, NULL), 0);
    struct reading reading = {0};
    struct tc_capture_counts counts = {0};
    assert_int_equal(tc_capture_read(file.path, read_segment, &reading, &counts, NULL), 0);
    assert_int_equal(reading.sizes[1], total);
    assert_int_equal(reading.wrong, 0);
    assert_int_equal(counts.gaps, 0);
    file_free(&file);
}

/* More than the ring holds at once: lost, said once, and a gap where it is missing. */
static void test_ring_full(void **state)
{
    (void)state;
    struct file file;
    file_name(&file);
    struct tc_capture *capture = capture_open(file.path, UINT64_C(1) << 32);
    static uint8_t chunk[8 << 20];
    tc_capture_connect(capture, 0, 3, CLIENT, 1, SERVER, 2);
    const char *reason = NULL;
    uint64_t packets = 0, put = 0;
    for (int i = 0; i < 100 && !tc_capture_lost(capture, &reason, &packets); i++, put += sizeof chunk)
        tc_capture_bytes(capture, 1, 3, true, (struct tc_slice){chunk, sizeof chunk});
    assert_true(packets > 0);
    assert_non_null(strstr(reason, "fell behind"));
    assert_false(tc_capture_lost(capture, &reason, &packets)); /* once */
    await_size(&file, put - packets * TC_PACKET_PAYLOAD_MAX);  /* there is room again */
    tc_capture_bytes(capture, 2, 3, true, text("after"));
    assert_int_equal(tc_capture_finish(capture, NULL), 0);
    struct reading reading = {0};
    struct tc_capture_counts counts = {0};
    assert_int_equal(tc_capture_read(file.path, read_segment, &reading, &counts, NULL), 0);
    assert_true(counts.gaps >= 1);
    file_free(&file);
}

static void test_size_limit(void **state)
{
    (void)state;
    struct file file;
    file_name(&file);
    struct tc_capture *capture = capture_open(file.path, 100000);
    static uint8_t chunk[1000];
    const char *reason;
    tc_capture_connect(capture, 0, 0, CLIENT, 1, SERVER, 2);
    for (int i = 0; i < 300; i++)
        tc_capture_bytes(capture, 1, 0, true, (struct tc_slice){chunk, sizeof chunk});
    assert_true(await_lost(capture, &reason) > 0);
    assert_non_null(strstr(reason, "size limit"));
    assert_int_equal(tc_capture_finish(capture, NULL), 0); /* a limit is not a failure */
    file_read(&file);
    assert_true(file.size <= 100000 && file.size > 98000);
    struct packet packet;
    while (next_packet(&file, &packet)) /* whole packets only */
        ;
    file_free(&file);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct tc_capture *capture = capture_open("/dev/full", UINT64_C(1) << 30);
    static uint8_t chunk[1 << 20];
    tc_capture_connect(capture, 0, 0, CLIENT, 1, SERVER, 2);
    tc_capture_bytes(capture, 1, 0, true, (struct tc_slice){chunk, sizeof chunk});
    const char *reason;
    assert_true(await_lost(capture, &reason) > 0);
    assert_non_null(strstr(reason, "writing failed"));
    struct tc_error err = {0};
    assert_int_equal(tc_capture_finish(capture, &err), TC_EIO);
    assert_non_null(strstr(err.text, "No space left"));
}

/* A disk that fills up: the file gives back more than half of itself, at a packet's end, and counts what it gave. */
static void test_gives_room_back(void **state)
{
    (void)state;
    static uint8_t chunk[1000];
    char dir[] = "/tmp/tc-capture-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0) {
        rmdir(dir);
        skip(); /* needs root */
    }
    struct file file = {0};
    snprintf(path, sizeof path, "%s/trace.pcap", dir);
    snprintf(file.path, sizeof file.path, "%s", path);
    struct tc_capture *capture = capture_open(path, UINT64_C(1) << 30);
    const char *reason;
    uint64_t put = 3, there = 0;
    tc_capture_connect(capture, 0, 0, CLIENT, 1, SERVER, 2);
    for (int i = 0; i < 8000; i++, put++)
        tc_capture_bytes(capture, 1, 0, true, (struct tc_slice){chunk, sizeof chunk});
    tc_capture_stop(capture);
    const uint64_t missing = tc_capture_missing(capture, &reason);
    assert_string_equal(reason, "the disk is full");
    assert_int_equal(tc_capture_finish(capture, NULL), TC_EIO);
    file_read(&file);
    struct packet packet;
    while (next_packet(&file, &packet))
        there++;
    assert_true(file.size > 100000 && file.size < 2 << 20);
    assert_int_equal(there + missing, put);
    file_free(&file);
    assert_int_equal(umount(dir), 0);
    rmdir(dir);
}

static void test_cannot_open(void **state)
{
    (void)state;
    struct tc_capture *capture;
    struct tc_error err = {0};
    assert_int_equal(tc_capture_open("/nonexistent/trace.pcap", 1 << 20, &capture, &err), TC_EIO);
    assert_non_null(strstr(err.text, "/nonexistent/trace.pcap"));
    assert_null(capture);
}

static void test_unknown_connection(void **state)
{
    (void)state;
    struct file file;
    file_name(&file);
    struct tc_capture *capture = capture_open(file.path, 1 << 20);
    tc_capture_bytes(capture, 1, 5, true, text("x"));
    tc_capture_bytes(capture, 1, 4000000000u, true, text("x"));
    tc_capture_close(capture, 1, 6, true, false);
    const char *reason;
    assert_in_range(await_lost(capture, &reason), 1, 2); /* as many as had been met when we looked */
    assert_int_equal(tc_capture_finish(capture, NULL), 0);
    file_read(&file);
    assert_int_equal(file.size, 24);
    file_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_stream),
        cmocka_unit_test(test_reuse_and_reset),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_ring_full),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_gives_room_back),
        cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_unknown_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
