/* The step: one event in, outputs out. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

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
    free(r->peers);
    free(r->said);
    free(r->snapshot);
    tc_replica_base_free(&r->base);
    free(r);
}

static void configure(struct hotstuff *r, bool chained)
{
    r->chained = chained;
    r->base.view = 1; /* view 0 is the genesis block's */
    r->bucket_count = 4 * r->base.window;
    r->view_deadline_ns = r->resend_deadline_ns = TC_NEVER_NS;
    r->resend_wait_ns = r->base.cluster->view_timeout_ns / 2;
}

static struct tc_replica *create(const struct tc_replica_config *config, bool chained, struct tc_error *err)
{
    struct hotstuff *r = calloc(1, sizeof *r);
    if (!r)
        goto out_of_memory;
    if (tc_replica_base_init(&r->base, config, err) != 0) {
        free(r);
        return NULL;
    }
    configure(r, chained);
    r->buckets = calloc(r->bucket_count, sizeof *r->buckets);
    r->votes = calloc((size_t)PHASE_COUNT * r->base.n, sizeof *r->votes);
    r->peers = calloc(r->base.n, sizeof *r->peers);
    for (size_t i = 0; r->peers && i < r->base.n; i++)
        r->peers[i].helped_ns = r->peers[i].state_ns = TC_NEVER_NS;
    if (r->buckets && r->votes && r->peers)
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

typedef void handler(struct hotstuff *r, const Wire__Envelope *envelope);

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
    Wire__Envelope *envelope = tc_replica_open(&r->base, frame);
    if (!envelope)
        return;
    const uint32_t type = tc_hotstuff_type(envelope);
    if (type == WIRE__TYPE__REQUEST) {
        tc_hotstuff_on_request(r, envelope);
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

static int start(struct hotstuff *r)
{
    const int rc = tc_hotstuff_replay_end(r);
    if (rc != 0)
        return rc;
    r->base.replaying = false;
    r->base.started = true;
    r->dirty = false;
    tc_replica_observe_view(&r->base);
    tc_hotstuff_resume(r);
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
        return r->base.started ? TC_EMALFORMED : tc_hotstuff_replay(r, event->bytes);
    case TC_REPLICA_START:
        return r->base.started ? 0 : start(r);
    case TC_REPLICA_FRAME:
        r->base.from = event->peer;
        if (r->base.started)
            on_frame(r, event->bytes);
        break;
    case TC_REPLICA_TIMER:
        if (r->base.started && r->base.now_ns >= r->view_deadline_ns)
            tc_hotstuff_view_timeout(r);
        if (r->base.started && r->base.now_ns >= r->resend_deadline_ns)
            tc_hotstuff_resend_timeout(r);
        break;
    case TC_REPLICA_LINK:
        if (r->base.started && event->peer < r->base.n && event->peer != r->base.id &&
            (r->base.view > 1 || !r->base.active))
            tc_hotstuff_help(r, event->peer);
        break;
    }
    return 0;
}

/* Seeded bug: what was said goes out now, and what it rests on is written when there is time. */
static bool writes_later(const struct hotstuff *r)
{
    for (size_t i = 0; tc_replica_bug(&r->base, TC_BUG_VOTE_BEFORE_SYNC) && i < r->base.output_count; i++)
        if (r->base.outputs[i].kind == TC_OUT_SEND)
            return true;
    return false;
}

static int step(struct tc_replica *replica, const struct tc_replica_event *event, struct tc_outputs *out)
{
    struct hotstuff *r = (struct hotstuff *)replica;
    tc_replica_step_begin(&r->base, event->now_ns);
    int rc = r->base.out_of_memory ? TC_EMEMORY : dispatch(r, event);
    if (rc == 0 && r->base.started) {
        tc_hotstuff_propose(r);
        if (r->dirty && !writes_later(r)) {
            tc_hotstuff_record_voting(r);
            r->dirty = false;
        }
        tc_hotstuff_update_timers(r);
    }
    return tc_replica_step_end(&r->base, rc, out);
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
