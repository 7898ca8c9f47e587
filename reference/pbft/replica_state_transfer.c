/* Fetching what cannot be had by agreement any more: states behind a stable checkpoint (TOCS'02 §5.3, without its
 * partition tree: a state here fits one frame), and batches that a new view names by digest only. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

void tc_pbft_ask_state(struct pbft *r, uint32_t to)
{
    Pbft__StateRequest body = PBFT__STATE_REQUEST__INIT;
    body.sequence = r->executed;
    struct tc_slice frame = tc_replica_message(&r->base, PBFT__TYPE__STATE_REQUEST, &body.base, 0);
    if (to == TC_NODE_NONE)
        tc_replica_broadcast(&r->base, frame);
    else
        tc_replica_send(&r->base, to, frame);
}

/* One of those that certified it, in turn: at least f+1 of them are correct. */
void tc_pbft_transfer_timeout(struct pbft *r)
{
    r->transfer_deadline_ns = TC_NEVER_NS;
    if (r->ahead.sequence <= r->executed || r->ahead.count == 0)
        return;
    uint32_t chosen = r->ahead.texts[(r->base.id + r->transfer_next) % r->ahead.count].sender;
    r->transfer_next++;
    tc_pbft_ask_state(r, chosen);
    r->transfer_deadline_ns = r->base.now_ns + r->base.cluster->view_timeout_ns / 2;
}

static void send_state(struct pbft *r, uint16_t to)
{
    Pbft__State body = PBFT__STATE__INIT;
    const struct snapshot *snapshot = tc_pbft_snapshot_find(r, r->stable);
    if (!snapshot || r->stable == 0)
        return;
    body.sequence = r->stable;
    body.snapshot = tc_wire_binary((struct tc_slice){snapshot->bytes, snapshot->len});
    body.n_checkpoints = r->stable_certificate.count;
    body.checkpoints =
        tc_pbft_text_envelopes(r, r->stable_certificate.texts, r->stable_certificate.count, PBFT__TYPE__CHECKPOINT);
    if (body.checkpoints)
        tc_replica_send(&r->base, to, tc_replica_message(&r->base, PBFT__TYPE__STATE, &body.base, 0));
}

void tc_pbft_on_state_request(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    uint16_t peer = (uint16_t)envelope->sender;
    if (tc_wire_get_body(envelope, &pbft__state_request__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed state request");
        return;
    }
    const Pbft__StateRequest *body = base;
    if (!tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on state request");
        return;
    }
    r->peers[peer].executed = body->sequence;
    if (!tc_pbft_may_help(r, peer))
        return;
    if (body->sequence < r->stable)
        send_state(r, peer);
    tc_pbft_help(r, peer, body->sequence);
}

/* The state machine jumps; requests in between were executed by others, and their replies sent. */
static void install(struct pbft *r, uint64_t sequence, struct tc_store *store, const struct snapshot *snapshot,
                    const struct signed_text *texts, uint32_t count)
{
    struct tc_observation observation = {.kind = TC_OBS_EXECUTED, .peer = TC_NODE_NONE};
    if (tc_replica_bug(&r->base, TC_BUG_SYNC_FORGOTTEN))
        tc_store_take_clients(store, r->base.store);
    tc_store_free(r->base.store);
    r->base.store = store;
    r->base.progressed = true;
    tc_pbft_certificate_set(r, &r->stable_certificate, sequence, snapshot->digest, texts, count);
    tc_pbft_snapshots_drop_below(r, sequence);
    if (!tc_replica_bug(&r->base, TC_BUG_SYNC_FORGOTTEN)) {
        r->executed = sequence;
        tc_pbft_log_advance(r, sequence);
    }
    if (r->ahead.sequence <= sequence)
        r->ahead.sequence = 0;
    tc_pbft_pending_prune(r, TC_NODE_NONE);
    observation.executed.view = r->base.view;
    observation.executed.sequence = sequence;
    observation.executed.origin = TC_EXEC_TRANSFERRED;
    observation.executed.state.state = TC_VALUE_BYTES;
    tc_store_digest(store, observation.executed.state.bytes);
    tc_replica_observe(&r->base, &observation);
    tc_replica_observe_stable(&r->base, r->stable, r->stable_certificate.digest);
    tc_pbft_record_snapshot(r);
    tc_pbft_apply_orders(r);
    tc_pbft_execute(r);
}

static void take_state(struct pbft *r, const Pbft__State *body, const struct signed_text *texts, uint32_t count)
{
    uint64_t sequence;
    struct tc_store *store;
    int rc = tc_store_load(tc_wire_slice(body->snapshot), &sequence, &store);
    if (rc == TC_EMEMORY)
        r->base.out_of_memory = true;
    if (rc == TC_EMALFORMED)
        tc_replica_complain(&r->base, r->base.from, "certified state is malformed");
    if (rc != 0)
        return;
    uint8_t *bytes = tc_replica_alloc(&r->base, body->snapshot.len);
    if (bytes)
        memcpy(bytes, body->snapshot.data, body->snapshot.len);
    const struct snapshot *snapshot =
        bytes && sequence == body->sequence ? tc_pbft_snapshot_add(r, sequence, bytes, body->snapshot.len) : NULL;
    if (snapshot) {
        install(r, sequence, store, snapshot, texts, count);
        return;
    }
    if (sequence != body->sequence) {
        tc_replica_complain(&r->base, r->base.from, "certified state is of another sequence number");
        free(bytes);
    }
    tc_store_free(store);
}

void tc_pbft_on_state(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    uint8_t digest[TC_VALUE_SIZE];
    struct signed_text *texts;
    uint32_t count;
    if (tc_wire_get_body(envelope, &pbft__state__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed state");
        return;
    }
    const Pbft__State *body = base;
    if (body->sequence <= r->executed)
        return;
    if (!tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on state");
        return;
    }
    tc_digest(tc_wire_slice(body->snapshot), digest);
    if (!tc_pbft_certificate_valid(r, body->checkpoints, body->n_checkpoints, body->sequence, digest, &texts, &count)) {
        tc_replica_complain(&r->base, r->base.from, "state at sequence %llu without a certificate",
                            (unsigned long long)body->sequence);
        return;
    }
    take_state(r, body, texts, count);
}

/* ---- batches ---- */

void tc_pbft_ask_batch(struct pbft *r, const uint8_t *digest)
{
    Pbft__BatchRequest body = PBFT__BATCH_REQUEST__INIT;
    body.digest = tc_wire_binary((struct tc_slice){digest, TC_VALUE_SIZE});
    tc_replica_broadcast(&r->base, tc_replica_message(&r->base, PBFT__TYPE__BATCH_REQUEST, &body.base, 0));
}

void tc_pbft_on_batch_request(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__batch_request__descriptor, &r->base.arena, &base) != 0 ||
        ((const Pbft__BatchRequest *)base)->digest.len != TC_VALUE_SIZE) {
        tc_replica_complain(&r->base, r->base.from, "malformed batch request");
        return;
    }
    const Pbft__BatchRequest *body = base;
    const struct batch *batch = NULL;
    for (uint32_t i = 0; i < r->slots_used && !batch; i++)
        if (r->slots[i].sequence != 0)
            batch = tc_pbft_slot_batch(&r->slots[i], body->digest.data);
    if (!batch)
        return;
    if (!tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on batch request");
        return;
    }
    Pbft__Batch answer = PBFT__BATCH__INIT;
    Wire__Envelope reply;
    answer.digest = body->digest;
    if (!tc_replica_envelope(&r->base, PBFT__TYPE__BATCH, &answer.base, 0, &reply))
        return;
    tc_pbft_batch_attach(r, batch, &reply);
    tc_replica_send(&r->base, envelope->sender, tc_replica_frame(&r->base, &reply));
}

static bool slot_lacks(const struct slot *slot, const uint8_t *digest)
{
    if (slot->sequence == 0 || tc_pbft_slot_has(slot, digest))
        return false;
    return (slot->accepted && tc_digest_same(slot->digest, digest)) ||
           (slot->decided && tc_digest_same(slot->decided_digest, digest));
}

/* The digest says which requests they are, and a certificate said that digest: whoever prepared it first had verified
 * their signatures, so they are not verified again (with MAC vectors we could not). */
void tc_pbft_on_batch(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__batch__descriptor, &r->base.arena, &base) != 0 ||
        ((const Pbft__Batch *)base)->digest.len != TC_VALUE_SIZE) {
        tc_replica_complain(&r->base, r->base.from, "malformed batch");
        return;
    }
    const Pbft__Batch *body = base;
    bool wanted = false;
    for (uint32_t i = 0; i < r->slots_used && !wanted; i++)
        wanted = slot_lacks(&r->slots[i], body->digest.data);
    if (!wanted)
        return;
    if (!tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on batch");
        return;
    }
    struct batch *batch = tc_pbft_batch_from(r, envelope);
    if (batch && tc_digest_same(batch->digest, body->digest.data)) {
        for (uint32_t i = 0; i < r->slots_used; i++) {
            if (!slot_lacks(&r->slots[i], batch->digest))
                continue;
            tc_pbft_slot_add_batch(&r->slots[i], batch);
            tc_pbft_record_batch(r, r->slots[i].sequence, batch);
        }
        tc_pbft_pending_note_batch(r, batch);
        r->base.progressed = true;
        tc_pbft_execute(r);
    } else {
        tc_replica_complain(&r->base, r->base.from, "batch does not match its digest");
    }
    tc_pbft_batch_drop(batch);
}
