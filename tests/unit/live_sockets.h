/* Blocking sockets with assertions, for the tests of the live world. */
#ifndef TC_LIVE_SOCKETS_H
#define TC_LIVE_SOCKETS_H

#define _GNU_SOURCE
#include "../../proxy/listen.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static inline struct tc_endpoint endpoint_of(const char *text)
{
    struct tc_endpoint endpoint;
    assert_int_equal(tc_endpoint_parse(text, &endpoint, NULL), 0);
    return endpoint;
}

/* The socket; *status is what connect(2) answered. */
static inline int dial_any(const char *address, int *status)
{
    const struct tc_endpoint endpoint = endpoint_of(address);
    const int fd = socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    *status = connect(fd, (const struct sockaddr *)&endpoint.address, endpoint.length) ? errno : 0;
    return fd;
}

static inline int dial_blocking(const char *address)
{
    int status;
    const int fd = dial_any(address, &status);
    assert_int_equal(status, 0);
    return fd;
}

static inline int accept_blocking(int listen_fd)
{
    struct pollfd ready = {.fd = listen_fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10000), 1);
    const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline void write_all(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t sent = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
        assert_true(sent > 0);
        done += (size_t)sent;
    }
}

/* Reads exactly size bytes; they come within 10 s. */
static inline void read_all(int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        const ssize_t got = read(fd, (char *)data + done, size - done);
        assert_true(got > 0);
        done += (size_t)got;
    }
}

/* 0 at an orderly end, or the error; waits for it, data before it is read and thrown away. */
static inline int read_end_of(int fd)
{
    char ignored[4096];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        const ssize_t got = read(fd, ignored, sizeof ignored);
        if (got <= 0)
            return got == 0 ? 0 : errno;
    }
}

/* Whoever takes the call resets it at once: on a busy machine before connect(2) has returned. */
static inline void dial_reset(const char *address)
{
    int status;
    const int fd = dial_any(address, &status);
    assert_int_equal(status ? status : read_end_of(fd), ECONNRESET);
    close(fd);
}

static inline void reset_close(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

#endif
