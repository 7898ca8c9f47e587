#include "node_dial.h"

#include "../proxy/random.h"

#include <string.h>

#define BACKOFF_MIN_NS UINT64_C(20000000)
#define BACKOFF_MAX_NS UINT64_C(1000000000)
#define STEADY_NS      UINT64_C(1000000000) /* a proxy accepts always: only one that lasted was a real connection */

int tc_node_dial_init(struct tc_node_dial *dial, uint16_t peer, const char *address, uint64_t jitter_key,
                      struct tc_error *err)
{
    memset(dial, 0, sizeof *dial);
    dial->conn.fd = -1;
    dial->conn.node = peer;
    dial->jitter_key = tc_random_mix(jitter_key, peer);
    dial->backoff_ns = BACKOFF_MIN_NS;
    dial->up_at_ns = TC_NEVER_NS;
    return tc_endpoint_parse(address, &dial->endpoint, err);
}

void tc_node_dial_due(struct tc_node_dial *dial, struct tc_loop *loop, const struct tc_node_conn_ops *ops, void *self)
{
    uint64_t now_ns = tc_loop_now_ns(loop);
    if (dial->retry_at_ns > now_ns)
        return;
    dial->retry_at_ns = TC_NEVER_NS;
    int fd = tc_connect_start(&dial->endpoint, NULL);
    if (fd < 0 || tc_node_conn_open(&dial->conn, loop, fd, true, ops, self) < 0)
        tc_node_dial_lost(dial, now_ns);
}

void tc_node_dial_up(struct tc_node_dial *dial, uint64_t now_ns)
{
    dial->up_at_ns = now_ns;
}

void tc_node_dial_lost(struct tc_node_dial *dial, uint64_t now_ns)
{
    if (dial->up_at_ns != TC_NEVER_NS && now_ns - dial->up_at_ns >= STEADY_NS)
        dial->backoff_ns = BACKOFF_MIN_NS;
    dial->up_at_ns = TC_NEVER_NS;
    /* ±25 %, so that nodes that lost a peer at the same moment do not knock at the same moment. */
    uint64_t h = tc_random_mix(dial->jitter_key, dial->attempts++);
    dial->retry_at_ns = now_ns + dial->backoff_ns * 3 / 4 + tc_random_below(h, dial->backoff_ns / 2);
    dial->backoff_ns = dial->backoff_ns * 2 < BACKOFF_MAX_NS ? dial->backoff_ns * 2 : BACKOFF_MAX_NS;
}
