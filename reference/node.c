#define _GNU_SOURCE
#include "node.h"

#include "../proxy/nodeset.h"
#include "node_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_WAIT_MS 500

void tc_node_fail(struct tc_node *node, int code)
{
    if (node->code == 0)
        node->code = code;
    tc_loop_stop(node->loop);
}

/* ---- one step ---- */

/* Queues one output. Nothing leaves before the sync at the end of the turn. */
static int take_output(struct tc_node *node, const struct tc_output *output)
{
    int rc = 0;
    switch (output->kind) {
    case TC_OUT_PERSIST:
    case TC_OUT_SNAPSHOT:
        if (!node->wal) /* while the records are being read */
            return tc_error_set(node->err, TC_EINTERNAL, "the replica writes records while it reads them");
        rc = output->kind == TC_OUT_PERSIST ? tc_wal_append(node->wal, output->bytes)
                                            : tc_wal_snapshot(node->wal, output->bytes);
        if (rc < 0)
            return tc_error_set(node->err, rc, "cannot keep a record of %zu bytes", output->bytes.len);
        break;
    case TC_OUT_SEND:
        tc_node_net_send(node, output->to, output->bytes);
        break;
    case TC_OUT_OBSERVE:
        tc_node_output_observe(&node->output, &output->observation);
        break;
    }
    return 0;
}

void tc_node_step(struct tc_node *node, enum tc_replica_event_kind kind, uint16_t peer, struct tc_slice bytes)
{
    struct tc_replica_event event = {.kind = kind, .now_ns = tc_loop_now_ns(node->loop), .peer = peer, .bytes = bytes};
    struct tc_outputs outputs = {NULL, 0};
    if (node->code < 0)
        return;
    int rc = node->replica_class->step(node->replica, &event, &outputs);
    if (rc < 0)
        (void)tc_error_set(node->err, rc, "replica %u cannot go on: %s", (unsigned)node->options->id,
                           kind == TC_REPLICA_RECORD ? "a durable record is corrupt" : tc_error_text(rc));
    for (size_t i = 0; rc == 0 && i < outputs.count; i++)
        rc = take_output(node, &outputs.items[i]);
    if (rc < 0)
        tc_node_fail(node, rc);
}

/* ---- the loop's calls ---- */

static void due(void *self)
{
    struct tc_node *node = self;
    struct tc_slice none = {NULL, 0};
    uint64_t now_ns = tc_loop_now_ns(node->loop);
    if (node->replica_class->deadline_ns(node->replica) <= now_ns)
        tc_node_step(node, TC_REPLICA_TIMER, TC_NODE_NONE, none);
    tc_node_net_due(node, now_ns);
}

/* Write before speak: the sync comes before standard output and the sockets; and lines before messages, so that what
 * follows from a message is never read before the line that tells of it. */
static void turned(void *self)
{
    struct tc_node *node = self;
    if (node->code == 0) {
        int rc = tc_wal_sync(node->wal, node->err);
        if (rc < 0)
            tc_node_fail(node, rc);
    }
    if (node->code < 0)
        return;
    tc_node_output_flush(&node->output);
    tc_node_net_flush(node);
    uint64_t replica_ns = node->replica_class->deadline_ns(node->replica);
    uint64_t net_ns = tc_node_net_deadline_ns(node);
    tc_loop_set_deadline(node->loop, replica_ns < net_ns ? replica_ns : net_ns, 0);
}

static void signalled(void *self, int number)
{
    struct tc_node *node = self;
    (void)number;
    tc_loop_stop(node->loop); /* this turn is still finished: synced and sent */
}

static void unread(void *self)
{
    struct tc_node *node = self;
    tc_loop_stop(node->loop);
}

/* ---- start and end ---- */

static int open_keys(struct tc_node *node)
{
    uint8_t seed[TC_SECRET_SEED_SIZE];
    const struct tc_node_options *o = node->options;
    node->keys = tc_keyring_new(TC_SCHEME_ED25519);
    if (!node->keys)
        return tc_error_set(node->err, TC_EMEMORY, "no memory for keys");
    for (uint32_t id = 0; id < TC_NODES_MAX; id++)
        if (tc_nodeset_has(&node->config.known, id))
            (void)tc_keyring_add_public(node->keys, id, node->config.public_keys[id]);
    int rc = tc_key_read(o->key_path, seed, node->err);
    if (rc < 0)
        return rc;
    rc = tc_keyring_add_secret(node->keys, o->id, seed);
    explicit_bzero(seed, sizeof seed);
    const uint8_t *derived = rc == 0 ? tc_keyring_public(node->keys, o->id) : NULL;
    if (!derived || memcmp(derived, node->config.public_keys[o->id], TC_PUBLIC_KEY_SIZE) != 0)
        return tc_error_set(node->err, TC_EKEY,
                            "%s: not the key of node %u: its public half differs from the one in %s", o->key_path,
                            (unsigned)o->id, o->config_path);
    return 0;
}

static int open_replica(struct tc_node *node)
{
    const struct tc_node_options *o = node->options;
    int rc = tc_node_config_read(o->config_path, &node->config, node->err);
    if (rc < 0)
        return rc;
    if (o->id >= node->config.cluster.n)
        return tc_error_set(node->err, TC_EUSAGE, "%s: expected a replica below n = %u, found id %u", o->config_path,
                            (unsigned)node->config.cluster.n, (unsigned)o->id);
    node->protocol = tc_protocol_find(node->config.protocol);
    node->wire = tc_node_wire_find(node->config.protocol);
    node->replica_class = tc_replica_find(node->config.protocol);
    if (!node->protocol || !node->wire || !node->replica_class)
        return tc_error_set(node->err, TC_EUNSUPPORTED, "%s: there is no reference replica for protocol \"%s\"",
                            o->config_path, node->config.protocol);
    rc = open_keys(node);
    if (rc < 0)
        return rc;
    node->env = (struct tc_protocol_env){.cluster = &node->config.cluster, .keys = node->keys};
    struct tc_replica_config config = {.id = o->id, .env = node->env, .bugs = o->bugs};
    node->replica = node->replica_class->create(&config, node->err);
    return node->replica ? 0 : node->err && node->err->code ? node->err->code : TC_EMEMORY;
}

static int open_loop(struct tc_node *node)
{
    static const int signals[] = {SIGTERM, SIGINT};
    node->loop = tc_loop_new(node->err);
    if (!node->loop)
        return node->err && node->err->code ? node->err->code : TC_EIO;
    (void)signal(SIGPIPE, SIG_IGN);
    tc_loop_on_deadline(node->loop, due, node);
    tc_loop_on_turn(node->loop, turned, node);
    tc_node_output_open(&node->output, node->loop, STDOUT_FILENO, node->options->id, unread, node);
    if (tc_loop_signals(node->loop, signals, sizeof signals / sizeof *signals, signalled, node) < 0)
        return tc_error_set(node->err, TC_EIO, "cannot take signals");
    return 0;
}

static int replay(void *self, struct tc_slice record, struct tc_error *err)
{
    struct tc_node *node = self;
    (void)err; /* the same as node->err */
    tc_node_step(node, TC_REPLICA_RECORD, TC_NODE_NONE, record);
    return node->code;
}

static int start(struct tc_node *node)
{
    struct tc_slice none = {NULL, 0};
    struct tc_observation up = {.kind = TC_OBS_NODE_UP, .node = node->options->id, .text = node->config.protocol};
    tc_node_output_observe(&node->output, &up);
    int rc = tc_wal_open(node->options->data_dir, replay, node, &node->wal, node->err);
    if (rc < 0)
        return rc;
    rc = tc_node_net_open(node);
    if (rc < 0)
        return rc;
    (void)tc_loop_refresh_ns(node->loop); /* reading the log took time */
    tc_node_step(node, TC_REPLICA_START, TC_NODE_NONE, none);
    turned(node);
    return node->code;
}

static void free_node(struct tc_node *node, bool failed)
{
    if (node->loop) {
        tc_node_net_close(node);
        /* After a failure the queue may tell of what never became durable. */
        tc_node_output_close(&node->output, failed ? -1 : FLUSH_WAIT_MS);
    }
    tc_loop_free(node->loop);
    tc_wal_close(node->wal);
    if (node->replica)
        node->replica_class->destroy(node->replica);
    tc_keyring_free(node->keys);
    tc_arena_free(&node->arena);
    free(node);
}

int tc_node_run(const struct tc_node_options *options, struct tc_error *err)
{
    struct tc_node *node = calloc(1, sizeof *node);
    if (!node)
        return tc_error_set(err, TC_EMEMORY, "no memory for a node");
    node->options = options;
    node->err = err;
    tc_arena_init(&node->arena, 2 * TC_FRAME_MAX);
    int rc = open_replica(node);
    if (rc == 0)
        rc = open_loop(node);
    if (rc == 0)
        rc = start(node);
    if (rc == 0)
        rc = tc_loop_run(node->loop) < 0 ? tc_error_set(err, TC_EIO, "the event loop failed") : node->code;
    free_node(node, rc < 0);
    return rc;
}
