#include "listen_link.h"

#include <stdio.h>

#define REPLICA_OCTET 64u
#define CLIENT_OCTET  192u /* TC_REPLICAS_MAX behind it: no replica has it */
#define PORT_SHIFT    10000u

_Static_assert(REPLICA_OCTET + TC_REPLICAS_MAX <= CLIENT_OCTET, "replicas' addresses end where clients' begin");

uint32_t tc_link_ipv4(uint16_t from, uint16_t to)
{
    const uint32_t second = from == TC_NODE_NONE ? CLIENT_OCTET : REPLICA_OCTET + from;
    return 127u << 24 | second << 16 | (uint32_t)to << 8 | 1u;
}

const char *tc_link_host(uint16_t from, uint16_t to, char host[static TC_LINK_HOST_MAX])
{
    const uint32_t ip = tc_link_ipv4(from, to);
    snprintf(host, TC_LINK_HOST_MAX, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255u, ip >> 8 & 255u, ip & 255u);
    return host;
}

bool tc_link_of_ipv4(uint32_t ip, uint16_t *from, uint16_t *to)
{
    const uint32_t second = ip >> 16 & 255u;
    if (ip >> 24 != 127 || (ip & 255u) != 1 || second < REPLICA_OCTET || second > CLIENT_OCTET)
        return false;
    *from = second == CLIENT_OCTET ? TC_NODE_NONE : (uint16_t)(second - REPLICA_OCTET);
    *to = (uint16_t)(ip >> 8 & 255u);
    return true;
}

unsigned tc_link_port(unsigned port)
{
    return port + PORT_SHIFT <= 65535 ? port + PORT_SHIFT : port - PORT_SHIFT;
}
