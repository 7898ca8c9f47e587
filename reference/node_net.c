/* The connections of a replica: dialled ones to speak, accepted ones to hear. */
#define _GNU_SOURCE
#include "node_internal.h"

#include "../proxy/listen.h"
#include "../proxy/nodeset.h"
#include "fields.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_MAX        ((size_t)64 << 20)
#define LISTEN_REST    UINT64_C(100000000)
#define LISTEN_BACKLOG 512

/* ---- dialling ---- */

static void peer_connected(void *self, struct tc_node_conn *conn)
{
    struct tc_node_peer *peer = self;
    struct tc_node *node = peer->node;
    struct tc_slice hello, none = {NULL, 0};
    tc_node_dial_up(&peer->dial, tc_loop_now_ns(node->loop));
    tc_arena_reset(&node->arena);
    if (node->wire->hello(&node->config.cluster, node->options->id, &node->arena, &hello) < 0 ||
        tc_node_conn_send(conn, hello) < 0) {
        tc_node_fail(node, tc_error_set(node->err, TC_EMEMORY, "no memory for a hello"));
        return;
    }
    tc_node_step(node, TC_REPLICA_LINK, conn->node, none);
}

static void peer_closed(void *self, struct tc_node_conn *conn, const char *why)
{
    struct tc_node_peer *peer = self;
    (void)conn;
    (void)why; /* down peers are every day's business; the replica says what it misses */
    tc_node_dial_lost(&peer->dial, tc_loop_now_ns(peer->node->loop));
}

static const struct tc_node_conn_ops peer_ops = {
    .connected = peer_connected, .closed = peer_closed, .out_max = OUT_MAX};

/* ---- accepting ---- */

static void forget_newest(struct tc_node *node, const struct tc_node_conn *conn)
{
    if (conn->node < TC_NODES_MAX && node->newest[conn->node] == conn)
        node->newest[conn->node] = NULL;
}

static void accepted_closed(void *self, struct tc_node_conn *conn, const char *why)
{
    struct tc_node *node = self;
    forget_newest(node, conn);
    node->refused_told = false;
    if (strncmp(why, "closed", 6) != 0 && strncmp(why, "reset", 5) != 0)
        tc_node_output_complain(&node->output, node->options->id, conn->node, "connection ended: %s", why);
}

static void refuse(struct tc_node *node, struct tc_node_conn *conn, const char *why)
{
    tc_node_output_complain(&node->output, node->options->id, conn->node, "connection refused: %s", why);
    forget_newest(node, conn);
    tc_node_conn_close(conn);
}

/* A hello of another cluster (its field `cluster`, where the protocol has one) is a mistake in somebody's
 * configuration. */
static bool of_this_cluster(const struct tc_node *node, const struct tc_message *m)
{
    struct tc_field_value value;
    const char *id = node->config.cluster.id;
    if (m->statement_count == 0 || tc_fields_get(m->statements[0].fields, "cluster", 0, &value) < 0)
        return true;
    return value.bytes.len == strlen(id) && memcmp(value.bytes.data, id, value.bytes.len) == 0;
}

/* The first frame: who is there. */
static void greet(struct tc_node *node, struct tc_node_conn *conn, struct tc_slice frame)
{
    struct tc_message m;
    uint16_t who;
    memset(&m, 0, sizeof m);
    tc_arena_reset(&node->arena);
    if (node->protocol->decode(frame, &node->arena, &m) < 0 || node->protocol->hello(&m, &who) < 0) {
        refuse(node, conn, "its first frame is no hello");
        return;
    }
    if (!tc_nodeset_has(&node->config.known, who) || who == node->options->id) {
        refuse(node, conn, "its hello names no node of the cluster");
        return;
    }
    if (!of_this_cluster(node, &m)) {
        refuse(node, conn, "its hello names another cluster");
        return;
    }
    conn->node = who;
    node->newest[who] = conn;
}

static void accepted_received(void *self, struct tc_node_conn *conn, struct tc_slice frame)
{
    struct tc_node *node = self;
    if (conn->node == TC_NODE_NONE)
        greet(node, conn, frame);
    else
        tc_node_step(node, TC_REPLICA_FRAME, conn->node, frame);
}

/* A slot for one more connection, or NULL if all are taken. */
static struct tc_node_conn *free_slot(struct tc_node *node)
{
    for (size_t i = 0; i < TC_NODE_ACCEPTED_MAX; i++) {
        if (!node->accepted[i]) {
            node->accepted[i] = calloc(1, sizeof *node->accepted[i]);
            if (node->accepted[i])
                node->accepted[i]->fd = -1;
            return node->accepted[i];
        }
        if (node->accepted[i]->fd < 0)
            return node->accepted[i];
    }
    return NULL;
}

static void take(struct tc_node *node, int fd)
{
    struct tc_node_conn *conn = free_slot(node);
    if (!conn) {
        close(fd);
        if (!node->refused_told)
            tc_node_output_complain(&node->output, node->options->id, TC_NODE_NONE,
                                    "connection refused: there are %d already", TC_NODE_ACCEPTED_MAX);
        node->refused_told = true;
        return;
    }
    conn->node = TC_NODE_NONE;
    (void)tc_node_conn_open(conn, node->loop, fd, false, &node->accepted_ops,
                            node); /* on error it is closed: they retry */
}

static void listen_ready(void *self, uint32_t events)
{
    struct tc_node *node = self;
    int fd;
    (void)events;
    while ((fd = tc_listen_accept(node->listen_fd, NULL)) >= 0)
        take(node, fd);
    if (fd == TC_ENOT_FOUND)
        return;
    /* Out of descriptors: the waiting connection would wake us without end. */
    (void)tc_loop_mod(node->loop, &node->listen_watch, 0);
    node->listen_again_ns = tc_loop_now_ns(node->loop) + LISTEN_REST;
}

static int open_listener(struct tc_node *node)
{
    struct tc_endpoint endpoint;
    node->listen_fd = node->options->listen_fd;
    if (node->listen_fd < 0) {
        int rc = tc_endpoint_parse(node->config.listen, &endpoint, node->err);
        if (rc < 0) {
            (void)tc_error_wrap(node->err, "%s: \"listen\"", node->options->config_path);
            return rc;
        }
        node->listen_fd = tc_listen_open(&endpoint, node->err);
        if (node->listen_fd < 0)
            return node->listen_fd;
    } else if (listen(node->listen_fd, LISTEN_BACKLOG) < 0 ||
               fcntl(node->listen_fd, F_SETFL, fcntl(node->listen_fd, F_GETFL) | O_NONBLOCK) < 0) {
        return tc_error_set(node->err, TC_EUNREACHABLE, "descriptor %d: cannot listen: %s", node->listen_fd,
                            strerror(errno));
    }
    if (tc_loop_add(node->loop, &node->listen_watch, node->listen_fd, EPOLLIN, listen_ready, node) < 0)
        return tc_error_set(node->err, TC_EIO, "cannot watch the listening socket: %s", strerror(errno));
    return 0;
}

/* ---- for node.c ---- */

int tc_node_net_open(struct tc_node *node)
{
    (void)tc_descriptors_raise(2 * TC_NODE_ACCEPTED_MAX);
    node->listen_again_ns = TC_NEVER_NS;
    node->accepted_ops = (struct tc_node_conn_ops){
        .frame = node->protocol->frame, .received = accepted_received, .closed = accepted_closed, .out_max = OUT_MAX};
    for (uint16_t id = 0; id < node->config.cluster.n; id++) {
        struct tc_node_peer *peer = &node->peers[id];
        peer->node = node;
        peer->dial.conn.fd = -1;
        peer->dial.retry_at_ns = TC_NEVER_NS;
        if (id == node->options->id)
            continue;
        int rc = tc_node_dial_init(&peer->dial, id, node->config.addresses[id], node->options->id, node->err);
        if (rc < 0) {
            (void)tc_error_wrap(node->err, "%s: \"address\" of node %u", node->options->config_path, (unsigned)id);
            return rc;
        }
    }
    int rc = open_listener(node);
    if (rc == 0)
        tc_node_net_due(node, tc_loop_now_ns(node->loop));
    return rc;
}

void tc_node_net_due(struct tc_node *node, uint64_t now_ns)
{
    for (uint16_t id = 0; id < node->config.cluster.n; id++)
        tc_node_dial_due(&node->peers[id].dial, node->loop, &peer_ops, &node->peers[id]);
    if (node->listen_again_ns <= now_ns) {
        node->listen_again_ns = TC_NEVER_NS;
        (void)tc_loop_mod(node->loop, &node->listen_watch, EPOLLIN);
    }
}

uint64_t tc_node_net_deadline_ns(const struct tc_node *node)
{
    uint64_t at_ns = node->listen_again_ns;
    for (uint16_t id = 0; id < node->config.cluster.n; id++)
        if (node->peers[id].dial.retry_at_ns < at_ns)
            at_ns = node->peers[id].dial.retry_at_ns;
    return at_ns;
}

void tc_node_net_send(struct tc_node *node, uint16_t to, struct tc_slice frame)
{
    struct tc_node_conn *conn = NULL;
    if (to < node->config.cluster.n && to != node->options->id)
        conn = &node->peers[to].dial.conn;
    else if (to >= TC_CLIENT_FIRST && to < TC_NODES_MAX)
        conn = node->newest[to];
    if (!conn || tc_node_conn_send(conn, frame) != TC_ELIMIT)
        return;
    /* The connection was cut; on the next one the replica retransmits what is still needed. */
    tc_node_output_complain(&node->output, node->options->id, to, "connection cut: it does not read and %zu bytes wait",
                            OUT_MAX);
}

void tc_node_net_flush(struct tc_node *node)
{
    for (uint16_t id = 0; id < node->config.cluster.n; id++)
        tc_node_conn_flush(&node->peers[id].dial.conn);
    for (size_t i = 0; i < TC_NODE_ACCEPTED_MAX && node->accepted[i]; i++)
        tc_node_conn_flush(node->accepted[i]);
}

void tc_node_net_close(struct tc_node *node)
{
    for (uint16_t id = 0; id < node->config.cluster.n; id++)
        if (node->peers[id].node)
            tc_node_conn_close(&node->peers[id].dial.conn);
    for (size_t i = 0; i < TC_NODE_ACCEPTED_MAX && node->accepted[i]; i++) {
        tc_node_conn_close(node->accepted[i]);
        free(node->accepted[i]);
    }
    if (tc_loop_watching(&node->listen_watch)) {
        tc_loop_remove(node->loop, &node->listen_watch);
        if (node->options->listen_fd < 0)
            close(node->listen_fd);
    }
}
