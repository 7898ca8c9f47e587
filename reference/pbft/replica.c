/* The step: one event in, outputs out. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void destroy(struct pbft *r)
{
    if (!r)
        return;
    tc_pbft_pending_free(r);
    for (uint32_t i = 0; r->slots && i < r->slots_used; i++)
        tc_pbft_slot_free(&r->slots[i]);
    for (uint32_t i = 0; r->view_changes && i < r->base.n; i++)
        tc_pbft_view_change_clear(&r->view_changes[i]);
    tc_pbft_new_view_clear(&r->new_view);
    tc_pbft_snapshots_drop_below(r, UINT64_MAX);
    free(r->stable_certificate.texts);
    free(r->ahead.texts);
    free(r->checkpoints);
    free(r->view_changes);
    free(r->slots);
    tc_replica_base_free(&r->base);
    free(r);
}

static void configure(struct pbft *r)
{
    const struct tc_cluster *cluster = r->base.cluster;
    r->pipeline_max = cluster->pipeline_max < 1                 ? 1
                      : cluster->pipeline_max > cluster->window ? cluster->window
                                                                : cluster->pipeline_max;
    r->next = 1;
    r->watched_client = TC_NODE_NONE;
    r->view_deadline_ns = r->resend_deadline_ns = r->transfer_deadline_ns = TC_NEVER_NS;
    r->resend_wait_ns = cluster->view_timeout_ns / 2;
    for (size_t i = 0; i < TC_REPLICAS_MAX; i++)
        r->peers[i].answered_ns = TC_NEVER_NS;
}

static struct tc_replica *create(const struct tc_replica_config *config, struct tc_error *err)
{
    struct pbft *r = calloc(1, sizeof *r);
    if (!r)
        goto out_of_memory;
    if (tc_replica_base_init(&r->base, config, err) != 0) {
        free(r);
        return NULL;
    }
    configure(r);
    r->slots = malloc(r->base.window * sizeof *r->slots);
    r->view_changes = calloc(r->base.n, sizeof *r->view_changes);
    r->checkpoints = malloc((size_t)r->base.n * CHECKPOINT_RING * sizeof *r->checkpoints);
    for (size_t i = 0; r->checkpoints && i < (size_t)r->base.n * CHECKPOINT_RING; i++)
        r->checkpoints[i].sequence = 0; /* none: the rest is written with it */
    if (r->slots && r->view_changes && r->checkpoints)
        return (struct tc_replica *)r;
    destroy(r);
out_of_memory:
    tc_error_set(err, TC_EMEMORY, "replica %u: out of memory", (unsigned)config->id);
    return NULL;
}

/* ---- frames ---- */

typedef void handler(struct pbft *r, const Wire__Envelope *envelope);

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
    Wire__Envelope *envelope = tc_replica_open(&r->base, frame);
    if (!envelope)
        return;
    const uint32_t type = (uint32_t)envelope->type;
    if (type == WIRE__TYPE__REQUEST) {
        tc_pbft_on_request(r, envelope);
        return;
    }
    handler *handle = type < sizeof handlers / sizeof handlers[0] ? handlers[type] : NULL;
    if (!handle || envelope->sender >= r->base.n)
        tc_replica_complain(&r->base, r->base.from, "unexpected message of type %u from node %u", type,
                            envelope->sender);
    else if (envelope->sender != r->base.id) /* our own words, played back, are no news */
        handle(r, envelope);
}

/* ---- events ---- */

static void start(struct pbft *r)
{
    tc_pbft_replay_end(r);
    r->base.replaying = false;
    r->base.started = true;
    r->view_entered_ns = r->base.now_ns;
    tc_replica_observe_view(&r->base);
    if (r->stable > 0)
        tc_replica_observe_stable(&r->base, r->stable, r->stable_certificate.digest);
}

static void on_timer(struct pbft *r)
{
    if (r->base.now_ns >= r->transfer_deadline_ns)
        tc_pbft_transfer_timeout(r);
    if (r->base.now_ns >= r->view_deadline_ns)
        tc_pbft_view_timeout(r);
    if (r->base.now_ns >= r->resend_deadline_ns && !r->base.progressed) /* what was just said need not be said again */
        tc_pbft_resend_timeout(r);
}

static int dispatch(struct pbft *r, const struct tc_replica_event *event)
{
    switch (event->kind) {
    case TC_REPLICA_RECORD:
        return r->base.started ? TC_EMALFORMED : tc_pbft_replay(r, event->bytes);
    case TC_REPLICA_START:
        if (!r->base.started)
            start(r);
        break;
    case TC_REPLICA_FRAME:
        r->base.from = event->peer;
        if (r->base.started)
            on_frame(r, event->bytes);
        break;
    case TC_REPLICA_TIMER:
        if (r->base.started)
            on_timer(r);
        break;
    case TC_REPLICA_LINK:
        if (r->base.started)
            tc_pbft_on_link(r, event->peer);
        break;
    }
    return 0;
}

static int step(struct tc_replica *replica, const struct tc_replica_event *event, struct tc_outputs *out)
{
    struct pbft *r = (struct pbft *)replica;
    tc_replica_step_begin(&r->base, event->now_ns);
    int rc = r->base.out_of_memory ? TC_EMEMORY : dispatch(r, event);
    if (rc == 0 && r->base.started) {
        tc_pbft_propose(r);
        tc_pbft_update_timers(r);
    }
    return tc_replica_step_end(&r->base, rc, out);
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
