/* Addresses and sockets. */
#define _GNU_SOURCE
#include "../../proxy/listen.h"
#include "../../proxy/listen_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *again;
        uint16_t port;
        uint32_t ipv4;
    } rows[] = {
        {"127.0.0.1:7000", "127.0.0.1:7000", 7000, 0x7f000001},
        {"localhost:1", "127.0.0.1:1", 1, 0x7f000001},
        {"0.0.0.0:65535", "0.0.0.0:65535", 65535, 0},
        {"[::1]:80", "[::1]:80", 80, 0},
        {"[::ffff:10.1.2.3]:80", "[::ffff:10.1.2.3]:80", 80, 0x0a010203},
        {"[2001:db8:0:0::5]:9", "[2001:db8::5]:9", 9, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tc_endpoint endpoint;
        char text[TC_ENDPOINT_TEXT_MAX];
        assert_int_equal(tc_endpoint_parse(rows[i].text, &endpoint, NULL), 0);
        assert_string_equal(tc_endpoint_text(&endpoint, text), rows[i].again);
        assert_int_equal(tc_endpoint_port(&endpoint), rows[i].port);
        assert_int_equal(tc_endpoint_ipv4(&endpoint), rows[i].ipv4);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        ":7000",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:7000x",
        "127.0.0.1: 7000",
        "127.0.0:7000",
        "::1:7000",
        "[::1:7000",
        "[]:7000",
        "[127.0.0.1]:7000",
        "example.org:7000",
        "127.0.0.1:99999999999999999999",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tc_endpoint endpoint;
        struct tc_error err = {0};
        assert_int_equal(tc_endpoint_parse(rows[i], &endpoint, &err), TC_EUSAGE);
        assert_non_null(strstr(err.text, "expected"));
    }
}

static struct tc_endpoint endpoint_of(const char *text)
{
    struct tc_endpoint endpoint;
    assert_int_equal(tc_endpoint_parse(text, &endpoint, NULL), 0);
    return endpoint;
}

static void await(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    assert_int_equal(poll(&ready, 1, 10000), 1);
}

/* The connection that was begun with client_fd is made; our side of it. */
static int take(int listen_fd, int client_fd, struct tc_endpoint *peer)
{
    assert_true(client_fd >= 0);
    await(client_fd, POLLOUT);
    assert_int_equal(tc_connect_finish(client_fd, NULL), 0);
    await(listen_fd, POLLIN);
    const int fd = tc_listen_accept(listen_fd, peer);
    assert_true(fd >= 0);
    return fd;
}

static void test_connect_and_accept(void **state)
{
    (void)state;
    struct tc_endpoint server = endpoint_of("127.0.0.1:0"), peer, local, own;
    const int listen_fd = tc_listen_open(&server, NULL);
    assert_true(listen_fd >= 0);
    assert_true(tc_endpoint_port(&server) != 0);
    assert_int_equal(tc_listen_accept(listen_fd, &peer), TC_ENOT_FOUND);
    const int client_fd = tc_connect_start(&server, NULL);
    const int fd = take(listen_fd, client_fd, &peer);
    assert_int_equal(tc_socket_local(fd, &local), 0);
    assert_int_equal(tc_endpoint_port(&local), tc_endpoint_port(&server));
    assert_int_equal(tc_socket_local(client_fd, &own), 0);
    assert_int_equal(tc_endpoint_port(&own), tc_endpoint_port(&peer));
    for (int i = 0; i < 2; i++) {
        int nodelay = 0;
        socklen_t length = sizeof nodelay;
        const int which = i ? fd : client_fd;
        assert_int_equal(getsockopt(which, IPPROTO_TCP, TCP_NODELAY, &nodelay, &length), 0);
        assert_true(nodelay);
        assert_true(fcntl(which, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(which, F_GETFD) & FD_CLOEXEC);
    }
    close(fd);
    close(client_fd);
    close(listen_fd);
}

/* From an address of our choice, or from any where that one is not ours. */
static void test_connect_from(void **state)
{
    (void)state;
    static const struct {
        const char *source, *seen;
    } cases[] = {{"127.65.3.1:17000", "127.65.3.1:"}, {"192.0.2.1:17000", "127.0.0.1:"}, {"[::1]:1", "127.0.0.1:"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TC_ENDPOINT_TEXT_MAX];
        struct tc_endpoint server = endpoint_of("127.0.0.1:0"), peer;
        const struct tc_endpoint source = endpoint_of(cases[i].source);
        const int listen_fd = tc_listen_open(&server, NULL);
        const int client_fd = tc_connect_start_from(&server, &source, NULL);
        const int fd = take(listen_fd, client_fd, &peer);
        tc_endpoint_text(&peer, text);
        assert_memory_equal(text, cases[i].seen, strlen(cases[i].seen));
        assert_int_not_equal(tc_endpoint_port(&peer), 17000);
        close(fd);
        close(client_fd);
        close(listen_fd);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct tc_endpoint server = endpoint_of("127.0.0.1:0");
    const int bound = tc_listen_bind(&server, NULL); /* holds the port, does not listen */
    assert_true(bound >= 0);
    struct tc_error err = {0};
    const int fd = tc_connect_start(&server, &err);
    if (fd >= 0) {
        await(fd, POLLOUT);
        assert_int_equal(tc_connect_finish(fd, &err), TC_EUNREACHABLE);
        close(fd);
    }
    assert_non_null(strstr(err.text, strerror(ECONNREFUSED)));
    close(bound);
}

/* What this machine lacks is told apart from what the other end refuses. */
static void test_want_of_our_own(void **state)
{
    (void)state;
    static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
    static const int theirs[] = {ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_true(tc_connect_is_ours(AF_INET, ours[i]));
        assert_false(tc_connect_is_ours(AF_INET, theirs[i]));
    }
    const struct tc_endpoint server = endpoint_of("127.0.0.1:9");
    struct tc_error err = {0};
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int rc = tc_connect_start(&server, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, TC_ELIMIT);
    assert_non_null(strstr(err.text, strerror(EMFILE)));
}

/* No address of our own for a connection: its ports may be used up, which is ours; or there are no addresses of that
 * family here, and then it is the node's address that will not do. */
static void test_a_family_that_is_off(void **state)
{
    (void)state;
    struct tc_endpoint six = endpoint_of("[::1]:0");
    const int fd = tc_listen_bind(&six, NULL);
    if (fd >= 0)
        close(fd);
    assert_int_equal(tc_connect_is_ours(AF_INET6, EADDRNOTAVAIL), fd >= 0);
    assert_true(tc_connect_is_ours(AF_INET, EADDRNOTAVAIL));
    assert_false(tc_connect_is_ours(AF_UNIX, EADDRNOTAVAIL)); /* never dialled, so surely off */
    assert_true(tc_connect_is_ours(AF_UNIX, EMFILE));
    const struct tc_endpoint nobody = endpoint_of("[::1]:9");
    struct tc_error err = {0};
    const int rc = fd >= 0 ? TC_EUNREACHABLE : tc_connect_start(&nobody, &err);
    assert_int_equal(rc, TC_EUNREACHABLE);
}

static void test_taken(void **state)
{
    (void)state;
    struct tc_endpoint first = endpoint_of("127.0.0.1:0");
    const int fd = tc_listen_open(&first, NULL);
    assert_true(fd >= 0);
    struct tc_endpoint second = first;
    struct tc_error err = {0};
    char text[TC_ENDPOINT_TEXT_MAX];
    assert_int_equal(tc_listen_open(&second, &err), TC_EUNREACHABLE);
    assert_non_null(strstr(err.text, tc_endpoint_text(&first, text)));
    assert_non_null(strstr(err.text, "taken"));
    close(fd);
    struct tc_endpoint elsewhere = endpoint_of("192.0.2.1:7000"); /* RFC 5737: not ours */
    err = (struct tc_error){0};
    assert_int_equal(tc_listen_open(&elsewhere, &err), TC_EUNREACHABLE);
    assert_non_null(strstr(err.text, "192.0.2.1:7000"));
}

/* Dialling free ports of the ephemeral range from it: a socket that got its own port would be connected to itself. */
static void test_self_connection_is_refused(void **state)
{
    (void)state;
    struct tc_endpoint address = endpoint_of("127.0.0.1:0");
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address.address, address.length), 0);
    assert_int_equal(tc_socket_local(fd, &address), 0);
    if (connect(fd, (const struct sockaddr *)&address.address, address.length))
        assert_int_equal(errno, EINPROGRESS);
    await(fd, POLLOUT);
    assert_int_equal(tc_connect_finish(fd, NULL), TC_EUNREACHABLE);
    close(fd);
}

static void test_descriptors(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_true(tc_descriptors_raise(256) >= 256);
    struct rlimit after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur >= 256);
    assert_int_equal(tc_descriptors_raise(10), after.rlim_cur); /* never lowered */
}

/* The scheme of links is its own inverse, and tells a client from the last replica. */
static void test_links(void **state)
{
    (void)state;
    char host[TC_LINK_HOST_MAX];
    uint16_t from, to;
    assert_string_equal(tc_link_host(1, 3, host), "127.65.3.1");
    assert_string_equal(tc_link_host(TC_NODE_NONE, 127, host), "127.192.127.1");
    for (uint32_t node = 0; node <= TC_REPLICAS_MAX; node++) {
        const uint16_t dialler = node == TC_REPLICAS_MAX ? TC_NODE_NONE : (uint16_t)node;
        assert_true(tc_link_of_ipv4(tc_link_ipv4(dialler, 5), &from, &to));
        assert_int_equal(from, dialler);
        assert_int_equal(to, 5);
    }
    assert_false(tc_link_of_ipv4(0x7f000001u, &from, &to));
    assert_false(tc_link_of_ipv4(0x7f410302u, &from, &to));
    assert_false(tc_link_of_ipv4(0x0a410301u, &from, &to));
    assert_int_equal(tc_link_port(7000), 17000);
    assert_int_equal(tc_link_port(60000), 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_connect_and_accept),
        cmocka_unit_test(test_connect_from),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_want_of_our_own),
        cmocka_unit_test(test_a_family_that_is_off),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_self_connection_is_refused),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
