/* What the benchmark's programs share: blocking IPv4 sockets, the clock, the 256-byte message. */
#ifndef TC_BENCH_H
#define TC_BENCH_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_SIZE 256

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

static inline struct sockaddr_in bench_address(const char *text)
{
    char host[64];
    unsigned port = 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (sscanf(text, "%63[^:]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "expected HOST:PORT, found %s\n", text);
        exit(64);
    }
    address.sin_port = htons((uint16_t)port);
    return address;
}

static inline void bench_nodelay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline int bench_listen(const char *text)
{
    struct sockaddr_in address = bench_address(text);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0)
        bench_die(text);
    return fd;
}

/* Connects; while nobody listens yet it tries again, for ten seconds at most. */
static inline int bench_connect(const char *text)
{
    struct sockaddr_in address = bench_address(text);
    for (int tries = 0; tries < 1000; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            bench_nodelay(fd);
            return fd;
        }
        close(fd);
        usleep(10000);
    }
    bench_die(text);
    return -1;
}

static inline bool bench_write(int fd, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t wrote = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);
        if (wrote <= 0)
            return false;
        at += (size_t)wrote;
    }
    return true;
}

static inline bool bench_read(int fd, void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t got = read(fd, (char *)bytes + at, len - at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

enum { BENCH_PRE_PREPARE = 2, BENCH_PREPARE = 3, BENCH_COMMIT = 4, BENCH_CHECKPOINT = 6 };

/* A message of the reference PBFT that names a sequence and a digest (a proposal without requests, a vote, a
 * checkpoint), 256 bytes with its length: envelope {type, sender, body {view 0, sequence, digest}, signature, padding
 * in macs}. The sequence is a 5-byte varint so that every message has the same size; the digest follows from it, so
 * no two slots conflict. */
static inline void bench_message(uint8_t out[static MESSAGE_SIZE], uint8_t type, uint8_t sender, uint64_t sequence)
{
    const bool checkpoint = type == BENCH_CHECKPOINT; /* its sequence is field 1, its digest field 2 */
    const uint8_t head[] = {0x00, 0x00, 0x00, 0xfc, 0x08, type, 0x10, sender, 0x1a, 40};
    memset(out, 0, MESSAGE_SIZE);
    memcpy(out, head, sizeof head);
    size_t at = sizeof head;
    uint64_t number = sequence + (UINT64_C(1) << 28);
    out[at++] = checkpoint ? 0x08 : 0x10;
    for (int i = 0; i < 5; i++, number >>= 7)
        out[at++] = (uint8_t)((number & 127) | (i < 4 ? 128 : 0));
    out[at++] = checkpoint ? 0x12 : 0x1a;
    out[at++] = 32;
    memcpy(out + at, &sequence, sizeof sequence);
    out[at + 31] = 1;
    at += 32;
    out[at++] = 0x22; /* signature */
    out[at++] = 64;
    memset(out + at, 0x5a, 64);
    at += 64;
    size_t left = MESSAGE_SIZE - at - 3; /* macs: tag and a two-byte length */
    out[at++] = 0x2a;
    out[at++] = (uint8_t)((left & 127) | 128);
    out[at++] = (uint8_t)(left >> 7);
}

#endif
