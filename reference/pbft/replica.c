/* The step: one event in, outputs out. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static int check_cluster(const struct tc_replica_config *config, struct tc_error *err)
{
    const struct tc_cluster *cluster = config->env.cluster;
    if (cluster->n == 0 || cluster->n > TC_REPLICAS_MAX || config->id >= cluster->n)
        return tc_error_set(err, TC_EUSAGE, "replica %u of %u: expected 1 … %d replicas, numbered from 0",
                            (unsigned)config->id, cluster->n, TC_REPLICAS_MAX);
    if (cluster->quorum > cluster->n || cluster->f >= cluster->n)
        return tc_error_set(err, TC_EUSAGE, "quorum %u and f %u of %u replicas: expected at most n votes and f < n",
                            cluster->quorum, cluster->f, cluster->n);
    if (cluster->client_count > TC_NODES_MAX - TC_CLIENT_FIRST)
        return tc_error_set(err, TC_EUSAGE, "%u clients: expected at most %d", cluster->client_count,
                            TC_NODES_MAX - TC_CLIENT_FIRST);
    if (cluster->checkpoint_interval == 0 || cluster->window < cluster->checkpoint_interval ||
        cluster->window > UINT32_C(1) << 16)
        return tc_error_set(err, TC_EUSAGE,
                            "window %u with checkpoint interval %u: expected 1 ≤ interval ≤ window ≤ 65536",
                            cluster->window, cluster->checkpoint_interval);
    if (cluster->view_timeout_ns < 8)
        return tc_error_set(err, TC_EUSAGE, "no view timeout: expected one of at least 8 ns");
    if (!tc_keyring_has_secret(config->env.keys, config->id))
        return tc_error_set(err, TC_EKEY, "replica %u: its secret key is missing", (unsigned)config->id);
    return 0;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void destroy(struct pbft *r)
{
    if (!r)
        return;
    tc_pbft_pending_free(r);
    for (uint32_t i = 0; r->slots && i < r->slots_used; i++)
        tc_pbft_slot_free(&r->slots[i]);
    for (uint32_t i = 0; r->view_changes && i < r->n; i++)
        tc_pbft_view_change_clear(&r->view_changes[i]);
    tc_pbft_new_view_clear(&r->new_view);
    tc_pbft_snapshots_drop_below(r, UINT64_MAX);
    free(r->stable_certificate.texts);
    free(r->ahead.texts);
    free(r->checkpoints);
    tc_verified_free(&r->verified);
    free(r->view_changes);
    free(r->slots);
    free(r->outputs);
    tc_pbft_store_free(r->store);
    tc_arena_free(&r->arena);
    free(r);
}

static void configure(struct pbft *r, const struct tc_replica_config *config)
{
    const struct tc_cluster *cluster = config->env.cluster;
    r->env = config->env;
    r->cluster = cluster;
    r->id = config->id;
    r->bugs = config->bugs;
    r->n = cluster->n;
    r->f = cluster->f;
    r->quorum = cluster->quorum                 ? cluster->quorum
                : tc_bug(r, TC_BUG_QUORUM_RULE) ? 2 * cluster->f + 1
                                                : (cluster->n + cluster->f + 2) / 2;
    r->window = cluster->window;
    r->interval = cluster->checkpoint_interval;
    r->batch_max = clamp(cluster->batch_max, 1, TC_PBFT_BATCH_MAX);
    r->pipeline_max = clamp(cluster->pipeline_max, 1, cluster->window);
    r->active = true;
    r->replaying = true;
    r->next = 1;
    r->from = TC_NODE_NONE;
    r->watched_client = TC_NODE_NONE;
    r->view_deadline_ns = r->resend_deadline_ns = r->transfer_deadline_ns = TC_NEVER_NS;
    r->resend_wait_ns = cluster->view_timeout_ns / 2;
    for (size_t i = 0; i < TC_REPLICAS_MAX; i++)
        r->peers[i].answered_ns = TC_NEVER_NS;
}

static struct tc_replica *create(const struct tc_replica_config *config, struct tc_error *err)
{
    if (check_cluster(config, err) != 0)
        return NULL;
    struct pbft *r = calloc(1, sizeof *r);
    if (!r)
        goto out_of_memory;
    configure(r, config);
    tc_arena_init(&r->arena, ARENA_MAX);
    r->slots = malloc(r->window * sizeof *r->slots);
    r->view_changes = calloc(r->n, sizeof *r->view_changes);
    r->checkpoints = calloc((size_t)r->n * CHECKPOINT_RING, sizeof *r->checkpoints);
    r->store = tc_pbft_store_new();
    if (r->slots && r->view_changes && r->checkpoints && r->store)
        return (struct tc_replica *)r;
    destroy(r);
out_of_memory:
    tc_error_set(err, TC_EMEMORY, "replica %u: out of memory", (unsigned)config->id);
    return NULL;
}

/* ---- frames ---- */

typedef void handler(struct pbft *r, const Pbft__Envelope *envelope);

/* What replicas say to each other; requests come from clients and are looked at first. */
static handler *const handlers[] = {
    [PBFT__TYPE__PRE_PREPARE] = tc_pbft_on_pre_prepare,
    [PBFT__TYPE__PREPARE] = tc_pbft_on_prepare,
    [PBFT__TYPE__COMMIT] = tc_pbft_on_commit,
    [PBFT__TYPE__CHECKPOINT] = tc_pbft_on_checkpoint,
    [PBFT__TYPE__VIEW_CHANGE] = tc_pbft_on_view_change,
    [PBFT__TYPE__NEW_VIEW] = tc_pbft_on_new_view,
    [PBFT__TYPE__STATE_REQUEST] = tc_pbft_on_state_request,
    [PBFT__TYPE__STATE] = tc_pbft_on_state,
    [PBFT__TYPE__BATCH_REQUEST] = tc_pbft_on_batch_request,
    [PBFT__TYPE__BATCH] = tc_pbft_on_batch,
};

static void on_frame(struct pbft *r, struct tc_slice frame)
{
    Pbft__Envelope *envelope;
    if (tc_pbft_unpack(frame, &r->arena, &envelope) != 0) {
        tc_pbft_complain(r, r->from, "malformed frame of %zu bytes", frame.len);
        return;
    }
    uint32_t type = (uint32_t)envelope->type;
    if (type == PBFT__TYPE__HELLO)
        return;
    if (type == PBFT__TYPE__REQUEST) {
        tc_pbft_on_request(r, envelope);
        return;
    }
    handler *handle = type < sizeof handlers / sizeof handlers[0] ? handlers[type] : NULL;
    if (!handle || envelope->sender >= r->n)
        tc_pbft_complain(r, r->from, "unexpected message of type %u from node %u", type, envelope->sender);
    else if (envelope->sender != r->id) /* our own words, played back, are no news */
        handle(r, envelope);
}

/* ---- events ---- */

static void start(struct pbft *r)
{
    tc_pbft_replay_end(r);
    r->replaying = false;
    r->started = true;
    r->view_entered_ns = r->now_ns;
    tc_pbft_observe_view(r);
    if (r->stable > 0)
        tc_pbft_observe_stable(r);
}

static void on_timer(struct pbft *r)
{
    if (r->now_ns >= r->transfer_deadline_ns)
        tc_pbft_transfer_timeout(r);
    if (r->now_ns >= r->view_deadline_ns)
        tc_pbft_view_timeout(r);
    if (r->now_ns >= r->resend_deadline_ns && !r->progressed) /* what was just said need not be said again */
        tc_pbft_resend_timeout(r);
}

static int dispatch(struct pbft *r, const struct tc_replica_event *event)
{
    switch (event->kind) {
    case TC_REPLICA_RECORD:
        return r->started ? TC_EMALFORMED : tc_pbft_replay(r, event->bytes);
    case TC_REPLICA_START:
        if (!r->started)
            start(r);
        break;
    case TC_REPLICA_FRAME:
        r->from = event->peer;
        if (r->started)
            on_frame(r, event->bytes);
        break;
    case TC_REPLICA_TIMER:
        if (r->started)
            on_timer(r);
        break;
    case TC_REPLICA_LINK:
        if (r->started)
            tc_pbft_on_link(r, event->peer);
        break;
    }
    return 0;
}

static int step(struct tc_replica *replica, const struct tc_replica_event *event, struct tc_outputs *out)
{
    struct pbft *r = (struct pbft *)replica;
    *out = (struct tc_outputs){NULL, 0};
    tc_arena_reset(&r->arena);
    r->output_count = 0;
    r->now_ns = event->now_ns;
    r->from = TC_NODE_NONE;
    int rc = r->out_of_memory ? TC_EMEMORY : dispatch(r, event);
    if (rc == 0 && r->started) {
        tc_pbft_propose(r);
        tc_pbft_update_timers(r);
    }
    if (r->out_of_memory)
        rc = TC_EMEMORY;
    if (rc == 0)
        *out = (struct tc_outputs){r->outputs, r->output_count};
    return rc;
}

static uint64_t deadline_ns(const struct tc_replica *replica)
{
    const struct pbft *r = (const struct pbft *)replica;
    uint64_t earliest = r->view_deadline_ns;
    if (r->resend_deadline_ns < earliest)
        earliest = r->resend_deadline_ns;
    if (r->transfer_deadline_ns < earliest)
        earliest = r->transfer_deadline_ns;
    return earliest;
}

static void destroy_replica(struct tc_replica *replica)
{
    destroy((struct pbft *)replica);
}

const struct tc_replica_class tc_pbft_replica = {
    .protocol = "pbft",
    .create = create,
    .step = step,
    .deadline_ns = deadline_ns,
    .destroy = destroy_replica,
};
