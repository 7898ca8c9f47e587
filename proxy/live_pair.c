/* Pairs of connections: the near side accepted from a dialler, the far side dialled to the real node. A pair's number
 * is used again once both sides are closed and the engine knows. */
#define _GNU_SOURCE
#include "live_private.h"
#include "nodeset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_near(const struct tc_live_conn *conn)
{
    return (conn->number & 1) == 0;
}

struct tc_live_conn *tc_live_conn(struct tc_live *live, uint32_t number)
{
    const uint32_t pair = number >> 1;
    if (pair >= live->pair_count || !live->pairs[pair]->used)
        return NULL;
    return &live->pairs[pair]->side[number & 1];
}

/* ---- taking and giving back pairs ---- */

static void pair_reset(struct tc_live *live, uint32_t number)
{
    struct tc_live_pair *pair = live->pairs[number];
    memset(pair, 0, sizeof *pair);
    for (uint32_t side = 0; side < 2; side++) {
        pair->side[side].live = live;
        pair->side[side].number = 2 * number + side;
        pair->side[side].fd = -1;
        pair->side[side].node = TC_NODE_NONE;
    }
}

/* A pair's number, or -1 if there is none left (or no memory for one). */
static int64_t pair_take(struct tc_live *live)
{
    uint32_t number;
    if (live->pair_free) {
        number = live->pair_free - 1;
        live->pair_free = live->pairs[number]->next_free;
    } else {
        if (live->pair_count == TC_PAIRS_MAX)
            return -1;
        number = live->pair_count;
        live->pairs[number] = malloc(sizeof *live->pairs[number]);
        if (!live->pairs[number])
            return -1;
        live->pair_count++;
    }
    pair_reset(live, number);
    live->pairs[number]->used = true;
    live->stats.pairs_now++;
    return number;
}

static bool over(const struct tc_live_conn *conn)
{
    return (conn->state == TC_LIVE_NONE || conn->state == TC_LIVE_CLOSED) && conn->tell == 0;
}

static void pair_settle(struct tc_live *live, uint32_t number)
{
    struct tc_live_pair *pair = live->pairs[number];
    if (!pair->used || !over(&pair->side[0]) || !over(&pair->side[1]))
        return;
    pair->used = false;
    pair->next_free = live->pair_free;
    live->pair_free = number + 1;
    live->stats.pairs_now--;
}

/* ---- ending ---- */

void tc_live_drop(struct tc_live_conn *conn)
{
    struct tc_live *live = conn->live;
    if (conn->state != TC_LIVE_OPEN && conn->state != TC_LIVE_DIALLING)
        return;
    if (conn->state == TC_LIVE_OPEN && !conn->shut_done && !conn->write_dead && live->capture)
        tc_capture_close(live->capture, tc_live_time_ns(live), conn->number, !is_near(conn), false);
    tc_loop_remove(live->loop, &conn->watch);
    close(conn->fd);
    conn->fd = -1;
    conn->state = TC_LIVE_CLOSED;
    free(conn->queue.data);
    conn->queue = (struct tc_live_queue){0};
    conn->told = 0;
}

void tc_live_settle(struct tc_live_conn *conn)
{
    struct tc_live *live = conn->live;
    if (conn->state == TC_LIVE_OPEN && conn->shut_wanted && !conn->shut_done && tc_live_queued(conn) == 0) {
        conn->shut_done = true;
        if (!conn->write_dead) {
            shutdown(conn->fd, SHUT_WR);
            if (live->capture)
                tc_capture_close(live->capture, tc_live_time_ns(live), conn->number, !is_near(conn), false);
        }
    }
    if (conn->state == TC_LIVE_OPEN && conn->shut_done && conn->read_ended)
        tc_live_drop(conn);
    pair_settle(live, conn->number >> 1);
}

void tc_live_close(struct tc_live *live, uint32_t number, bool reset)
{
    struct tc_live_conn *conn = tc_live_conn(live, number);
    if (!conn)
        return;
    conn->shut_wanted = true;
    if (reset && (conn->state == TC_LIVE_OPEN || conn->state == TC_LIVE_DIALLING)) {
        const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        if (live->capture && conn->state == TC_LIVE_OPEN && !conn->write_dead)
            tc_capture_close(live->capture, tc_live_time_ns(live), number, !is_near(conn), true);
        conn->write_dead = true;
        tc_live_drop(conn);
    }
    tc_live_settle(conn);
}

/* ---- dialling ---- */

/* Addresses that are not IPv4 get made-up ones, so that the capture holds one kind only. */
static uint32_t capture_ip(const struct tc_endpoint *endpoint)
{
    const uint32_t ip = tc_endpoint_ipv4(endpoint);
    return ip ? ip : 0x0a060000u | tc_endpoint_port(endpoint); /* 10.6.port */
}

/* Nothing inside an encrypted link's frames names the dialler: in a trace in plaintext the far leg comes from the
 * address that stands for the link, to which the near leg went. */
static uint32_t far_client_ip(const struct tc_live_conn *conn, const struct tc_endpoint *local)
{
    struct tc_endpoint link;
    const struct tc_live_conn *near = conn - 1;
    return conn->live->config.capture_plain && tc_socket_local(near->fd, &link) == 0 ? capture_ip(&link)
                                                                                     : capture_ip(local);
}

static void capture_begin(const struct tc_live_conn *conn)
{
    struct tc_endpoint local, peer;
    if (!conn->live->capture || tc_socket_local(conn->fd, &local) || tc_socket_peer(conn->fd, &peer))
        return;
    const struct tc_endpoint *client = is_near(conn) ? &peer : &local, *server = is_near(conn) ? &local : &peer;
    tc_capture_connect(conn->live->capture, tc_live_time_ns(conn->live), conn->number,
                       is_near(conn) ? capture_ip(client) : far_client_ip(conn, client), tc_endpoint_port(client),
                       capture_ip(server), tc_endpoint_port(server));
}

void tc_live_dial_failed(struct tc_live_conn *conn, int code, int reason)
{
    if (conn->state == TC_LIVE_DIALLING)
        tc_live_drop(conn);
    conn->state = TC_LIVE_CLOSED;
    conn->ours = code == TC_ELIMIT;
    conn->undialled = reason;
    tc_live_tell(conn, TC_LIVE_TELL_DIAL_FAILED);
}

void tc_live_dial_done(struct tc_live_conn *conn)
{
    struct tc_live *live = conn->live;
    conn->state = TC_LIVE_OPEN;
    live->stats.dialled++;
    tc_nodeset_add(&live->reached, conn->node);
    capture_begin(conn);
    tc_live_step(live, &(struct tc_event){.kind = TC_EV_DIALLED, .conn = conn->number, .to = conn->node});
    if (conn->state == TC_LIVE_OPEN) {
        tc_live_flush(conn); /* what was written before it stood; shuts if that is wanted */
        tc_live_tell_all(live);
    }
}

static bool is_loopback(const struct tc_endpoint *endpoint)
{
    return tc_endpoint_ipv4(endpoint) >> 24 == 127;
}

/* The address of the link, if the node is to be dialled from there. */
static bool dials_from(const struct tc_live_conn *conn, const struct tc_endpoint *to, struct tc_endpoint *link)
{
    const struct tc_live_conn *near = conn - 1;
    return conn->live->config.dial_from_link && !is_near(conn) && near->fd >= 0 && is_loopback(to) &&
           tc_socket_local(near->fd, link) == 0 && is_loopback(link);
}

void tc_live_dial(struct tc_live *live, uint32_t number, uint16_t to)
{
    struct tc_live_conn *conn = tc_live_conn(live, number);
    struct tc_endpoint endpoint, link;
    if (!conn || conn->state != TC_LIVE_NONE)
        return;
    conn->node = to;
    const char *address = live->config.node_address(live->config.node_self, to);
    if (!address || !*address) {
        tc_live_dial_failed(conn, TC_EUNREACHABLE, EDESTADDRREQ);
        return;
    }
    if (tc_endpoint_parse(address, &endpoint, NULL)) {
        tc_live_dial_failed(conn, TC_EUNREACHABLE, EINVAL);
        return;
    }
    const bool from_link = dials_from(conn, &endpoint, &link);
    conn->fd = tc_connect_start_from(&endpoint, from_link ? &link : NULL, NULL);
    if (conn->fd < 0) {
        tc_live_dial_failed(conn, conn->fd, errno);
        return;
    }
    conn->state = TC_LIVE_DIALLING;
    conn->dial_began_ns = tc_live_time_ns(live);
    tc_live_interest(conn);
}

void tc_live_dial_check(struct tc_live *live)
{
    const uint64_t now_ns = tc_live_time_ns(live);
    for (uint32_t i = 0; i < live->pair_count; i++) {
        struct tc_live_conn *far = &live->pairs[i]->side[1];
        if (live->pairs[i]->used && far->state == TC_LIVE_DIALLING && now_ns - far->dial_began_ns > TC_LIVE_DIAL_MAX_NS)
            tc_live_dial_failed(far, TC_EUNREACHABLE, ETIMEDOUT);
    }
    tc_live_tell_all(live);
}

/* ---- accepting ---- */

static void pause_accepting(struct tc_live *live, const char *why)
{
    if (live->accept_paused)
        return;
    live->accept_paused = true;
    for (size_t i = 0; i < live->config.listener_count; i++)
        tc_loop_remove(live->loop, &live->ports[i].watch);
    tc_live_not_carried(live, TC_NODE_NONE, "no more connections for now: %s", why);
}

static void begin(struct tc_live_port *port, uint32_t pair, int fd)
{
    struct tc_live *live = port->live;
    struct tc_live_conn *near = &live->pairs[pair]->side[0];
    near->fd = fd;
    near->state = TC_LIVE_OPEN;
    near->node = port->listener->from;
    live->pairs[pair]->side[1].node = port->listener->to;
    live->stats.accepted++;
    tc_loop_refresh_ns(live->loop); /* the first one lays the capture's clock beside the wall's */
    capture_begin(near);
    tc_live_interest(near);
    tc_live_step(live, &(struct tc_event){.kind = TC_EV_ACCEPTED,
                                          .conn = near->number,
                                          .from = port->listener->from,
                                          .to = port->listener->to,
                                          .generation = ++port->generation});
    tc_live_settle(near);
}

static void port_ready(void *self, uint32_t events)
{
    (void)events;
    struct tc_live_port *port = self;
    struct tc_live *live = port->live;
    for (int i = 0; i < TC_LIVE_ACCEPT_BATCH && !live->accept_paused; i++) {
        const int64_t pair = pair_take(live);
        if (pair < 0) {
            pause_accepting(live, "all pairs are in use");
            return;
        }
        const int fd = tc_listen_accept(port->fd, NULL);
        if (fd >= 0) {
            begin(port, (uint32_t)pair, fd);
            continue;
        }
        pair_settle(live, (uint32_t)pair);
        if (fd == TC_ELIMIT)
            pause_accepting(live, "out of descriptors");
        return;
    }
}

void tc_live_listen_again(struct tc_live *live)
{
    if (!live->accept_paused)
        return;
    live->accept_paused = false;
    for (size_t i = 0; i < live->config.listener_count; i++)
        if (tc_loop_add(live->loop, &live->ports[i].watch, live->ports[i].fd, EPOLLIN, port_ready, &live->ports[i]))
            tc_live_fail(live, TC_EIO, NULL);
}

int tc_live_listen(struct tc_live *live, struct tc_error *err)
{
    const size_t count = live->config.listener_count;
    live->pairs = calloc(TC_PAIRS_MAX, sizeof *live->pairs);
    live->ports = calloc(count + 1, sizeof *live->ports);
    if (!live->ports || !live->pairs)
        return tc_error_set(err, TC_EMEMORY, "no memory for %zu listeners", count);
    for (size_t i = 0; i < count; i++)
        live->ports[i].fd = -1;
    for (size_t i = 0; i < count; i++) {
        struct tc_live_port *port = &live->ports[i];
        struct tc_endpoint endpoint;
        port->live = live;
        port->listener = &live->config.listeners[i];
        if (tc_endpoint_parse(port->listener->address, &endpoint, err))
            return err ? err->code : TC_EUSAGE;
        port->fd = tc_listen_open(&endpoint, err);
        if (port->fd < 0)
            return port->fd;
        tc_endpoint_text(&endpoint, port->listener->address);
        if (tc_loop_add(live->loop, &port->watch, port->fd, EPOLLIN, port_ready, port))
            return tc_error_set(err, TC_EIO, "cannot watch %s: %s", port->listener->address, strerror(errno));
    }
    return 0;
}

void tc_live_pairs_free(struct tc_live *live)
{
    for (uint32_t i = 0; i < live->pair_count; i++) {
        for (int side = 0; side < 2; side++) {
            struct tc_live_conn *conn = &live->pairs[i]->side[side];
            if (live->pairs[i]->used && conn->fd >= 0)
                tc_live_drop(conn);
            free(live->pairs[i]->used ? conn->queue.data : NULL);
        }
        free(live->pairs[i]);
    }
    for (size_t i = 0; live->ports && i < live->config.listener_count; i++)
        if (live->ports[i].fd >= 0) {
            tc_loop_remove(live->loop, &live->ports[i].watch);
            close(live->ports[i].fd);
        }
    free(live->pairs);
    free(live->ports);
}
