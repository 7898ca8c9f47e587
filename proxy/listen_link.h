/* Where turncoat listens for a link: the scheme of addresses, stated once.
 *
 * Replica FROM dials 127.(64+FROM).TO.1 to reach replica TO, and clients dial 127.192.TO.1: the address alone tells
 * whose link it is. The listener of a cluster that others started has the real port plus 10000, or minus where that is
 * no port. */
#ifndef TC_LISTEN_LINK_H
#define TC_LISTEN_LINK_H

#include "types.h"

#define TC_LINK_HOST_MAX 16

/* The host-order address that `from` dials to reach `to`; TC_NODE_NONE: a client. */
uint32_t tc_link_ipv4(uint16_t from, uint16_t to);

/* The same as text: "127.65.0.1". Returns `host`. */
const char *tc_link_host(uint16_t from, uint16_t to, char host[static TC_LINK_HOST_MAX]);

/* Whose link has this address; `from` is TC_NODE_NONE for a client's. False: it is none of ours. */
bool tc_link_of_ipv4(uint32_t ip, uint16_t *from, uint16_t *to);

/* The port of the listener that stands in for a node with this port. */
unsigned tc_link_port(unsigned port);

#endif
