#define _GNU_SOURCE
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BACKLOG 1024

static int parse_port(const char *text, uint16_t *port)
{
    if (!*text)
        return TC_EUSAGE;
    uint32_t value = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return TC_EUSAGE;
        value = value * 10 + (uint32_t)(*text - '0');
        if (value > 65535)
            return TC_EUSAGE;
    }
    *port = (uint16_t)value;
    return 0;
}

static int parse_host(const char *host, bool bracketed, struct tc_endpoint *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&out->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->address;
    if (bracketed) {
        if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
            return TC_EUSAGE;
        six->sin6_family = AF_INET6;
        out->length = sizeof *six;
        return 0;
    }
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &four->sin_addr) != 1)
        return TC_EUSAGE;
    four->sin_family = AF_INET;
    out->length = sizeof *four;
    return 0;
}

static void set_port(struct tc_endpoint *endpoint, uint16_t port)
{
    if (endpoint->address.ss_family == AF_INET)
        ((struct sockaddr_in *)&endpoint->address)->sin_port = htons(port);
    else if (endpoint->address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&endpoint->address)->sin6_port = htons(port);
}

int tc_endpoint_parse(const char *text, struct tc_endpoint *out, struct tc_error *err)
{
    char host[INET6_ADDRSTRLEN + 2];
    uint16_t port = 0;
    memset(out, 0, sizeof *out);
    const char *colon = strrchr(text, ':');
    const size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length == 0 || length >= sizeof host || parse_port(colon + 1, &port))
        goto out_usage;
    memcpy(host, text, length);
    host[length] = '\0';
    const bool bracketed = length >= 2 && host[0] == '[' && host[length - 1] == ']';
    if (bracketed)
        host[length - 1] = '\0';
    if (parse_host(bracketed ? host + 1 : host, bracketed, out))
        goto out_usage;
    set_port(out, port);
    return 0;

out_usage:
    return tc_error_set(err, TC_EUSAGE,
                        "expected an address as 127.0.0.1:7000, [::1]:7000 or localhost:7000 (names are not looked "
                        "up), found \"%.80s\"",
                        text);
}

uint16_t tc_endpoint_port(const struct tc_endpoint *endpoint)
{
    if (endpoint->address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&endpoint->address)->sin_port);
    if (endpoint->address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&endpoint->address)->sin6_port);
    return 0;
}

const char *tc_endpoint_text(const struct tc_endpoint *endpoint, char buffer[static TC_ENDPOINT_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];
    const unsigned port = tc_endpoint_port(endpoint);
    if (endpoint->address.ss_family == AF_INET &&
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&endpoint->address)->sin_addr, host, sizeof host))
        snprintf(buffer, TC_ENDPOINT_TEXT_MAX, "%s:%u", host, port);
    else if (endpoint->address.ss_family == AF_INET6 &&
             inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&endpoint->address)->sin6_addr, host, sizeof host))
        snprintf(buffer, TC_ENDPOINT_TEXT_MAX, "[%s]:%u", host, port);
    else
        snprintf(buffer, TC_ENDPOINT_TEXT_MAX, "?");
    return buffer;
}

uint32_t tc_endpoint_ipv4(const struct tc_endpoint *endpoint)
{
    if (endpoint->address.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&endpoint->address)->sin_addr.s_addr);
    const struct in6_addr *six = &((const struct sockaddr_in6 *)&endpoint->address)->sin6_addr;
    if (endpoint->address.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(six))
        return 0;
    uint32_t network_order;
    memcpy(&network_order, six->s6_addr + 12, sizeof network_order);
    return ntohl(network_order);
}

void tc_endpoint_ip(const struct tc_endpoint *endpoint, uint8_t ip[static 16])
{
    if (endpoint->address.ss_family == AF_INET6) {
        memcpy(ip, ((const struct sockaddr_in6 *)&endpoint->address)->sin6_addr.s6_addr, 16);
        return;
    }
    memset(ip, 0, 10);
    ip[10] = ip[11] = 0xff;
    memcpy(ip + 12, &((const struct sockaddr_in *)&endpoint->address)->sin_addr.s_addr, 4);
}

int tc_socket_local(int fd, struct tc_endpoint *out)
{
    memset(out, 0, sizeof *out);
    out->length = sizeof out->address;
    return getsockname(fd, (struct sockaddr *)&out->address, &out->length) ? TC_EIO : 0;
}

int tc_socket_peer(int fd, struct tc_endpoint *out)
{
    memset(out, 0, sizeof *out);
    out->length = sizeof out->address;
    return getpeername(fd, (struct sockaddr *)&out->address, &out->length) ? TC_EIO : 0;
}

static int bind_once(const struct tc_endpoint *endpoint)
{
    const int one = 1;
    const int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->length)) {
        const int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

int tc_listen_bind(struct tc_endpoint *endpoint, struct tc_error *err)
{
    char text[TC_ENDPOINT_TEXT_MAX];
    int fd = bind_once(endpoint);
    if (fd >= 0 && tc_endpoint_port(endpoint) == 0) {
        /* A port the kernel chose is given up when the socket stops listening; one that was asked for by number is not.
         * So bind a second socket to the number before the first lets go of it. */
        const int chosen = fd;
        fd = tc_socket_local(chosen, endpoint) ? -1 : bind_once(endpoint);
        close(chosen);
    }
    if (fd < 0)
        return tc_error_set(err, TC_EUNREACHABLE, "cannot listen on %s: %s", tc_endpoint_text(endpoint, text),
                            errno == EADDRINUSE ? "the port is taken" : strerror(errno));
    return fd;
}

int tc_listen_open(struct tc_endpoint *endpoint, struct tc_error *err)
{
    char text[TC_ENDPOINT_TEXT_MAX];
    const int fd = tc_listen_bind(endpoint, err);
    if (fd < 0)
        return fd;
    if (listen(fd, BACKLOG)) {
        tc_error_set(err, TC_EUNREACHABLE, "cannot listen on %s: %s", tc_endpoint_text(endpoint, text),
                     errno == EADDRINUSE ? "the port is taken" : strerror(errno));
        close(fd);
        return TC_EUNREACHABLE;
    }
    return fd;
}

static void set_nodelay(int fd)
{
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* a reset socket refuses; reading it will tell */
}

int tc_listen_accept(int listen_fd, struct tc_endpoint *peer)
{
    struct tc_endpoint ignored = {0};
    struct tc_endpoint *who = peer ? peer : &ignored;
    memset(who, 0, sizeof *who);
    int fd;
    do {
        who->length = sizeof who->address;
        fd = accept4(listen_fd, (struct sockaddr *)&who->address, &who->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd >= 0) {
        set_nodelay(fd);
        return fd;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return TC_ENOT_FOUND;
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM ? TC_ELIMIT : TC_EIO;
}

static bool is_want(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM || reason == EAGAIN;
}

/* Has this machine addresses of this family at all? Then its loopback has one. */
static bool family_works(int family)
{
    struct tc_endpoint loopback;
    if ((family != AF_INET && family != AF_INET6) ||
        tc_endpoint_parse(family == AF_INET ? "127.0.0.1:0" : "[::1]:0", &loopback, NULL))
        return false;
    const int fd = bind_once(&loopback);
    if (fd < 0)
        return is_want(errno);
    close(fd);
    return true;
}

bool tc_connect_is_ours(int family, int reason)
{
    return is_want(reason) || (reason == EADDRNOTAVAIL && family_works(family));
}

static int connect_code(int family, int reason)
{
    return tc_connect_is_ours(family, reason) ? TC_ELIMIT : TC_EUNREACHABLE;
}

static int connect_failed(int family, int reason, const char *what, struct tc_error *err)
{
    const int code = tc_error_set(err, connect_code(family, reason), "%s%s", what, strerror(reason));
    errno = reason;
    return code;
}

/* The port is chosen at connect, when it is known whom it must differ for. */
static void set_source(int fd, const struct tc_endpoint *source)
{
    struct tc_endpoint from = *source;
    const int one = 1;
    if (from.address.ss_family != AF_INET)
        return;
    ((struct sockaddr_in *)&from.address)->sin_port = 0;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) == 0)
        (void)bind(fd, (const struct sockaddr *)&from.address, from.length);
}

int tc_connect_start(const struct tc_endpoint *endpoint, struct tc_error *err)
{
    return tc_connect_start_from(endpoint, NULL, err);
}

int tc_connect_start_from(const struct tc_endpoint *endpoint, const struct tc_endpoint *source, struct tc_error *err)
{
    const int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return connect_failed(endpoint->address.ss_family, errno, "cannot make a socket: ", err);
    set_nodelay(fd);
    if (source)
        set_source(fd, source);
    if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->length) && errno != EINPROGRESS) {
        const int reason = errno;
        close(fd);
        return connect_failed(endpoint->address.ss_family, reason, "", err);
    }
    return fd;
}

int tc_connect_finish(int fd, struct tc_error *err)
{
    int reason = 0;
    socklen_t length = sizeof reason;
    struct tc_endpoint peer, local;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &length))
        reason = errno;
    const bool bound = tc_socket_local(fd, &local) == 0;
    if (reason)
        return connect_failed(bound ? local.address.ss_family : AF_UNSPEC, reason, "", err);
    if (tc_socket_peer(fd, &peer))
        return 1;
    /* Dialling a port of the ephemeral range on which nobody listens may get that very port as our own: TCP then
     * connects the socket to itself. */
    if (bound && local.length == peer.length && memcmp(&local.address, &peer.address, peer.length) == 0)
        return connect_failed(AF_UNSPEC, ECONNREFUSED, "", err);
    return 0;
}

size_t tc_descriptors_raise(size_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    const struct rlimit more = {.rlim_cur = wanted, .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}
