/* Addresses and TCP sockets: parse, bind, listen, accept, connect. Every socket made here is non-blocking,
 * close-on-exec and, where it carries data, without Nagle's delay. An edge: it does I/O. */
#ifndef TC_LISTEN_H
#define TC_LISTEN_H

#include "error.h"
#include "types.h"
#include <sys/socket.h>

#define TC_ENDPOINT_TEXT_MAX 64

/* One end of a TCP connection, IPv4 or IPv6. */
struct tc_endpoint {
    struct sockaddr_storage address;
    socklen_t length;
};

/* Reads "127.0.0.1:7000", "[::1]:7000" or "localhost:7000" (which is 127.0.0.1). Names are not looked up: a run must
 * not hang on a resolver. TC_EUSAGE with what was expected. */
int tc_endpoint_parse(const char *text, struct tc_endpoint *out, struct tc_error *err);

/* "127.0.0.1:7000" or "[::1]:7000"; "?" for anything else. Returns `buffer`. */
const char *tc_endpoint_text(const struct tc_endpoint *endpoint, char buffer[static TC_ENDPOINT_TEXT_MAX]);

/* 0 if it has none. */
uint16_t tc_endpoint_port(const struct tc_endpoint *endpoint);

/* Host-order IPv4 address (also of a v4-mapped IPv6 one); 0 if it is not IPv4. */
uint32_t tc_endpoint_ipv4(const struct tc_endpoint *endpoint);

/* Its 16 bytes as an IPv6 address; IPv4 as ::ffff:a.b.c.d. */
void tc_endpoint_ip(const struct tc_endpoint *endpoint, uint8_t ip[static 16]);

/* Both ends of a connected or bound socket. TC_EIO if it has no such end. */
int tc_socket_local(int fd, struct tc_endpoint *out);
int tc_socket_peer(int fd, struct tc_endpoint *out);

/* Binds without listening, for a child that inherits the descriptor and listens itself. Port 0 picks a free one, which
 * the socket then keeps even if it stops listening; `endpoint` receives it. A descriptor, or TC_EUNREACHABLE naming the
 * address (port taken, address not of this machine). */
int tc_listen_bind(struct tc_endpoint *endpoint, struct tc_error *err);

/* tc_listen_bind, then listens. A descriptor, or as above. */
int tc_listen_open(struct tc_endpoint *endpoint, struct tc_error *err);

/* The next waiting connection: a descriptor; TC_ENOT_FOUND if none waits, TC_ELIMIT if descriptors have run out (take
 * no more for a while), TC_EIO otherwise. `peer` may be NULL. */
int tc_listen_accept(int listen_fd, struct tc_endpoint *peer);

/* Starts connecting: a descriptor, becoming writable when it is connected or has failed; or at once, with the reason,
 * TC_EUNREACHABLE, or TC_ELIMIT if it is this machine that has run out of something (descriptors, memory, ports of its
 * own): that says nothing about who listens there. errno then says why, too. */
int tc_connect_start(const struct tc_endpoint *endpoint, struct tc_error *err);

/* The same from the address of `source`, whatever its port; NULL: from whichever the kernel takes. An address that
 * cannot be had is left to the kernel, too. */
int tc_connect_start_from(const struct tc_endpoint *endpoint, const struct tc_endpoint *source, struct tc_error *err);

/* After it became writable: 0 if connected, 1 if still under way, else TC_EUNREACHABLE or TC_ELIMIT as above, and
 * errno. */
int tc_connect_finish(int fd, struct tc_error *err);

/* Is this errno, of a socket or a connect of this family, about what this machine has run out of, and not about the
 * other end or its address? An address of a family that is switched off here is not ours to mend. */
bool tc_connect_is_ours(int family, int reason);

/* Raises the soft descriptor limit to at least `wanted` (and the hard one if we may). The limit now in force. */
size_t tc_descriptors_raise(size_t wanted);

#endif
