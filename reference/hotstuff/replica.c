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

static void destroy(struct hotstuff *r)
{
    if (!r)
        return;
    tc_hotstuff_pending_free(r);
    tc_hotstuff_blocks_free(r);
    tc_hotstuff_certificate_clear(&r->high);
    tc_hotstuff_certificate_clear(&r->decided);
    tc_hotstuff_certificate_clear(&r->timeout_certificate);
    free(r->votes);
    free(r->said);
    free(r->snapshot);
    tc_verified_free(&r->verified);
    free(r->outputs);
    tc_pbft_store_free(r->store);
    tc_arena_free(&r->arena);
    free(r);
}

static void configure(struct hotstuff *r, const struct tc_replica_config *config, bool chained)
{
    const struct tc_cluster *cluster = config->env.cluster;
    r->env = config->env;
    r->cluster = cluster;
    r->chained = chained;
    r->id = config->id;
    r->bugs = config->bugs;
    r->n = cluster->n;
    r->f = cluster->f;
    r->quorum = cluster->quorum                          ? cluster->quorum
                : tc_hotstuff_bug(r, TC_BUG_QUORUM_RULE) ? 2 * cluster->f + 1
                                                         : (cluster->n + cluster->f + 2) / 2;
    r->window = cluster->window;
    r->interval = cluster->checkpoint_interval;
    r->batch_max = cluster->batch_max < 1                   ? 1
                   : cluster->batch_max > TC_PBFT_BATCH_MAX ? TC_PBFT_BATCH_MAX
                                                            : cluster->batch_max;
    r->view = 1; /* view 0 is the genesis block's */
    r->active = true;
    r->replaying = true;
    r->from = TC_NODE_NONE;
    r->bucket_count = 4 * r->window;
    r->view_deadline_ns = r->resend_deadline_ns = TC_NEVER_NS;
    r->resend_wait_ns = cluster->view_timeout_ns / 2;
    for (size_t i = 0; i < TC_REPLICAS_MAX; i++)
        r->peers[i].helped_ns = r->peers[i].state_ns = TC_NEVER_NS;
}

static struct tc_replica *create(const struct tc_replica_config *config, bool chained, struct tc_error *err)
{
    if (check_cluster(config, err) != 0)
        return NULL;
    struct hotstuff *r = calloc(1, sizeof *r);
    if (!r)
        goto out_of_memory;
    configure(r, config, chained);
    tc_arena_init(&r->arena, ARENA_MAX);
    r->buckets = calloc(r->bucket_count, sizeof *r->buckets);
    r->votes = calloc((size_t)PHASE_COUNT * r->n, sizeof *r->votes);
    r->store = tc_pbft_store_new();
    if (r->buckets && r->votes && r->store)
        return (struct tc_replica *)r;
    destroy(r);
out_of_memory:
    tc_error_set(err, TC_EMEMORY, "replica %u: out of memory", (unsigned)config->id);
    return NULL;
}

static struct tc_replica *create_basic(const struct tc_replica_config *config, struct tc_error *err)
{
    return create(config, false, err);
}

static struct tc_replica *create_chained(const struct tc_replica_config *config, struct tc_error *err)
{
    return create(config, true, err);
}

/* ---- frames ---- */

typedef void handler(struct hotstuff *r, const Pbft__Envelope *envelope);

static handler *const handlers[] = {
    [HOTSTUFF__TYPE__PREPARE] = tc_hotstuff_on_proposal,
    [HOTSTUFF__TYPE__PRE_COMMIT] = tc_hotstuff_on_announcement,
    [HOTSTUFF__TYPE__COMMIT] = tc_hotstuff_on_announcement,
    [HOTSTUFF__TYPE__DECIDE] = tc_hotstuff_on_announcement,
    [HOTSTUFF__TYPE__PREPARE_VOTE] = tc_hotstuff_on_vote,
    [HOTSTUFF__TYPE__PRE_COMMIT_VOTE] = tc_hotstuff_on_vote,
    [HOTSTUFF__TYPE__COMMIT_VOTE] = tc_hotstuff_on_vote,
    [HOTSTUFF__TYPE__GENERIC] = tc_hotstuff_on_proposal,
    [HOTSTUFF__TYPE__GENERIC_VOTE] = tc_hotstuff_on_vote,
    [HOTSTUFF__TYPE__NEW_VIEW] = tc_hotstuff_on_new_view,
    [HOTSTUFF__TYPE__BLOCK_REQUEST] = tc_hotstuff_on_block_request,
    [HOTSTUFF__TYPE__BLOCK] = tc_hotstuff_on_block,
    [HOTSTUFF__TYPE__STATE_REQUEST] = tc_hotstuff_on_state_request,
    [HOTSTUFF__TYPE__STATE] = tc_hotstuff_on_state,
};

static void on_frame(struct hotstuff *r, struct tc_slice frame)
{
    Pbft__Envelope *envelope;
    if (tc_pbft_unpack(frame, &r->arena, &envelope) != 0) {
        tc_hotstuff_complain(r, r->from, "malformed frame of %zu bytes", frame.len);
        return;
    }
    const uint32_t type = tc_hotstuff_type(envelope);
    if (type == PBFT__TYPE__HELLO)
        return;
    if (type == PBFT__TYPE__REQUEST) {
        tc_hotstuff_on_request(r, envelope);
        return;
    }
    handler *handle = type < sizeof handlers / sizeof handlers[0] ? handlers[type] : NULL;
    if (!handle || envelope->sender >= r->n)
        tc_hotstuff_complain(r, r->from, "unexpected message of type %u from node %u", type, envelope->sender);
    else if (envelope->sender != r->id) /* our own words, played back, are no news */
        handle(r, envelope);
}

/* ---- events ---- */

static int start(struct hotstuff *r)
{
    const int rc = tc_hotstuff_replay_end(r);
    if (rc != 0)
        return rc;
    r->replaying = false;
    r->started = true;
    r->dirty = false;
    tc_hotstuff_observe_view(r);
    if (r->stable.sequence > 0)
        tc_hotstuff_observe_stable(r);
    tc_hotstuff_chain_rules(r);
    if (!r->chained && r->decided.at.view > 0)
        tc_hotstuff_commit(r, &r->decided.at);
    return 0;
}

static int dispatch(struct hotstuff *r, const struct tc_replica_event *event)
{
    switch (event->kind) {
    case TC_REPLICA_RECORD:
        return r->started ? TC_EMALFORMED : tc_hotstuff_replay(r, event->bytes);
    case TC_REPLICA_START:
        return r->started ? 0 : start(r);
    case TC_REPLICA_FRAME:
        r->from = event->peer;
        if (r->started)
            on_frame(r, event->bytes);
        break;
    case TC_REPLICA_TIMER:
        if (r->started && r->now_ns >= r->view_deadline_ns)
            tc_hotstuff_view_timeout(r);
        if (r->started && r->now_ns >= r->resend_deadline_ns)
            tc_hotstuff_resend_timeout(r);
        break;
    case TC_REPLICA_LINK:
        if (r->started && event->peer < r->n && event->peer != r->id && (r->view > 1 || !r->active))
            tc_hotstuff_help(r, event->peer);
        break;
    }
    return 0;
}

/* Seeded bug: what was said goes out now, and what it rests on is written when there is time. */
static bool writes_later(const struct hotstuff *r)
{
    for (size_t i = 0; tc_hotstuff_bug(r, TC_BUG_VOTE_BEFORE_SYNC) && i < r->output_count; i++)
        if (r->outputs[i].kind == TC_OUT_SEND)
            return true;
    return false;
}

static int step(struct tc_replica *replica, const struct tc_replica_event *event, struct tc_outputs *out)
{
    struct hotstuff *r = (struct hotstuff *)replica;
    *out = (struct tc_outputs){NULL, 0};
    tc_arena_reset(&r->arena);
    r->output_count = 0;
    r->now_ns = event->now_ns;
    r->from = TC_NODE_NONE;
    int rc = r->out_of_memory ? TC_EMEMORY : dispatch(r, event);
    if (rc == 0 && r->started) {
        tc_hotstuff_propose(r);
        if (r->dirty && !writes_later(r)) {
            tc_hotstuff_record_voting(r);
            r->dirty = false;
        }
        tc_hotstuff_update_timers(r);
    }
    if (r->out_of_memory)
        rc = TC_EMEMORY;
    if (rc == 0)
        *out = (struct tc_outputs){r->outputs, r->output_count};
    return rc;
}

static uint64_t deadline_ns(const struct tc_replica *replica)
{
    const struct hotstuff *r = (const struct hotstuff *)replica;
    return r->view_deadline_ns < r->resend_deadline_ns ? r->view_deadline_ns : r->resend_deadline_ns;
}

static void destroy_replica(struct tc_replica *replica)
{
    destroy((struct hotstuff *)replica);
}

const struct tc_replica_class tc_hotstuff_replica = {
    .protocol = "hotstuff",
    .create = create_basic,
    .step = step,
    .deadline_ns = deadline_ns,
    .destroy = destroy_replica,
};

const struct tc_replica_class tc_chained_hotstuff_replica = {
    .protocol = "chained-hotstuff",
    .create = create_chained,
    .step = step,
    .deadline_ns = deadline_ns,
    .destroy = destroy_replica,
};
