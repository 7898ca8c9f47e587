/* Checkpoints: the proof that lets everybody forget (OSDI'99 §4.3). */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

void tc_pbft_certificate_set(struct pbft *r, struct certificate *into, uint64_t sequence, const uint8_t *digest,
                             const struct signed_text *texts, uint32_t count)
{
    struct signed_text *copy = tc_replica_alloc(&r->base, count * sizeof *copy);
    if (!copy)
        return;
    if (count > 0)
        memcpy(copy, texts, count * sizeof *copy);
    free(into->texts);
    into->texts = copy;
    into->count = count;
    into->sequence = sequence;
    memset(into->digest, 0, TC_VALUE_SIZE);
    if (digest)
        memcpy(into->digest, digest, TC_VALUE_SIZE);
}

/* ---- our own ---- */

struct snapshot *tc_pbft_snapshot_find(const struct pbft *r, uint64_t sequence)
{
    for (struct snapshot *snapshot = r->snapshots; snapshot; snapshot = snapshot->next)
        if (snapshot->sequence == sequence)
            return snapshot;
    return NULL;
}

void tc_pbft_snapshots_drop_below(struct pbft *r, uint64_t sequence)
{
    while (r->snapshots && r->snapshots->sequence < sequence) {
        struct snapshot *next = r->snapshots->next;
        free(r->snapshots->bytes);
        free(r->snapshots);
        r->snapshots = next;
    }
}

struct snapshot *tc_pbft_snapshot_add(struct pbft *r, uint64_t sequence, uint8_t *bytes, size_t len)
{
    struct snapshot **at = &r->snapshots, *snapshot = tc_replica_alloc(&r->base, sizeof *snapshot);
    if (!snapshot) {
        free(bytes);
        return NULL;
    }
    snapshot->sequence = sequence;
    snapshot->bytes = bytes;
    snapshot->len = len;
    tc_digest((struct tc_slice){bytes, len}, snapshot->digest);
    while (*at && (*at)->sequence < sequence)
        at = &(*at)->next;
    snapshot->next = *at;
    *at = snapshot;
    return snapshot;
}

static void ring_store(struct pbft *r, uint32_t sender, uint64_t sequence, const uint8_t *digest,
                       const struct signed_text *text);

void tc_pbft_send_checkpoint(struct pbft *r, const struct snapshot *snapshot, uint32_t to)
{
    Pbft__Checkpoint body = PBFT__CHECKPOINT__INIT;
    Wire__Envelope envelope;
    struct signed_text text;
    body.sequence = snapshot->sequence;
    body.digest = tc_wire_binary((struct tc_slice){snapshot->digest, TC_VALUE_SIZE});
    if (!tc_replica_envelope(&r->base, PBFT__TYPE__CHECKPOINT, &body.base, 0, &envelope) ||
        !tc_pbft_text_from(&text, &envelope))
        return;
    ring_store(r, r->base.id, snapshot->sequence, snapshot->digest, &text);
    if (to == TC_NODE_NONE)
        tc_replica_broadcast(&r->base, tc_replica_frame(&r->base, &envelope));
    else
        tc_replica_send(&r->base, to, tc_replica_frame(&r->base, &envelope));
}

void tc_pbft_take_checkpoint(struct pbft *r)
{
    uint8_t *bytes;
    size_t len;
    if (tc_store_save(r->base.store, r->executed, &bytes, &len) != 0) {
        r->base.out_of_memory = true;
        return;
    }
    struct snapshot *snapshot = tc_pbft_snapshot_add(r, r->executed, bytes, len);
    if (!snapshot)
        return;
    tc_pbft_send_checkpoint(r, snapshot, TC_NODE_NONE);
    tc_pbft_check_stable(r, snapshot->sequence);
}

/* ---- everybody's ---- */

static struct checkpoint_vote *ring(const struct pbft *r, uint32_t replica)
{
    return &r->checkpoints[(size_t)replica * CHECKPOINT_RING];
}

static const struct checkpoint_vote *ring_find(const struct pbft *r, uint32_t replica, uint64_t sequence)
{
    for (size_t i = 0; i < CHECKPOINT_RING; i++)
        if (ring(r, replica)[i].sequence == sequence)
            return &ring(r, replica)[i];
    return NULL;
}

/* The newest stay: what a replica said of older states, its newer checkpoints make superfluous. */
static void ring_store(struct pbft *r, uint32_t sender, uint64_t sequence, const uint8_t *digest,
                       const struct signed_text *text)
{
    struct checkpoint_vote *oldest = &ring(r, sender)[0];
    if (ring_find(r, sender, sequence))
        return;
    for (size_t i = 1; i < CHECKPOINT_RING; i++)
        if (ring(r, sender)[i].sequence < oldest->sequence)
            oldest = &ring(r, sender)[i];
    if (oldest->sequence > sequence)
        return;
    oldest->sequence = sequence;
    memcpy(oldest->digest, digest, TC_VALUE_SIZE);
    oldest->text = *text;
}

static const Pbft__Checkpoint *checkpoint_body(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    if (envelope->type != PBFT__TYPE__CHECKPOINT || envelope->sender >= r->base.n ||
        tc_wire_get_body(envelope, &pbft__checkpoint__descriptor, &r->base.arena, &base) != 0)
        return NULL;
    const Pbft__Checkpoint *body = base;
    if (body->digest.len != TC_VALUE_SIZE || body->sequence == 0 || body->sequence % r->base.interval != 0)
        return NULL;
    return body;
}

void tc_pbft_note_checkpoint(struct pbft *r, const Wire__Envelope *envelope)
{
    struct signed_text text;
    const Pbft__Checkpoint *body = checkpoint_body(r, envelope);
    if (!body) {
        tc_replica_complain(&r->base, r->base.from, "malformed checkpoint");
        return;
    }
    if (body->sequence <= r->stable || ring_find(r, envelope->sender, body->sequence))
        return;
    if (!tc_replica_authentic(&r->base, envelope) || !tc_pbft_text_from(&text, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on checkpoint");
        return;
    }
    ring_store(r, envelope->sender, body->sequence, body->digest.data, &text);
    tc_pbft_check_stable(r, body->sequence);
}

void tc_pbft_on_checkpoint(struct pbft *r, const Wire__Envelope *envelope)
{
    tc_pbft_note_checkpoint(r, envelope);
}

bool tc_pbft_certificate_valid(struct pbft *r, Wire__Envelope *const *envelopes, size_t count, uint64_t sequence,
                               const uint8_t *digest, struct signed_text **texts, uint32_t *text_count)
{
    struct tc_nodeset signers = {{0}};
    if (count > r->base.n)
        return false;
    *text_count = 0;
    *texts = tc_replica_scratch(&r->base, count * sizeof **texts);
    for (size_t i = 0; *texts && i < count; i++) {
        const Pbft__Checkpoint *body = checkpoint_body(r, envelopes[i]);
        if (!body || body->sequence != sequence || !tc_digest_same(body->digest.data, digest) ||
            tc_nodeset_has(&signers, envelopes[i]->sender) || !tc_replica_authentic(&r->base, envelopes[i]) ||
            !tc_pbft_text_from(&(*texts)[*text_count], envelopes[i]))
            return false;
        tc_nodeset_add(&signers, envelopes[i]->sender);
        ++*text_count;
    }
    return *text_count >= r->base.quorum;
}

/* ---- stability ---- */

/* The state with a quorum of checkpoints at this sequence number, as texts in the arena. */
static bool find_quorum(struct pbft *r, uint64_t sequence, const uint8_t **digest, struct signed_text **texts)
{
    *texts = tc_replica_scratch(&r->base, r->base.quorum * sizeof **texts);
    for (uint32_t i = 0; *texts && i < r->base.n; i++) {
        const struct checkpoint_vote *candidate = ring_find(r, i, sequence);
        uint32_t count = 0;
        for (uint32_t j = 0; candidate && j < r->base.n && count < r->base.quorum; j++) {
            const struct checkpoint_vote *vote = ring_find(r, j, sequence);
            if (vote && tc_digest_same(vote->digest, candidate->digest))
                (*texts)[count++] = vote->text;
        }
        if (candidate && count == r->base.quorum) {
            *digest = candidate->digest;
            return true;
        }
    }
    return false;
}

static void make_stable(struct pbft *r, const struct snapshot *snapshot, const struct signed_text *texts,
                        uint32_t count)
{
    tc_pbft_certificate_set(r, &r->stable_certificate, snapshot->sequence, snapshot->digest, texts, count);
    tc_pbft_snapshots_drop_below(r, snapshot->sequence);
    tc_pbft_log_advance(r, snapshot->sequence);
    if (r->ahead.sequence <= snapshot->sequence)
        r->ahead.sequence = 0;
    r->base.progressed = true;
    tc_replica_observe_stable(&r->base, r->stable, r->stable_certificate.digest);
    tc_pbft_record_snapshot(r);
    tc_pbft_apply_orders(r);
}

void tc_pbft_take_certificate(struct pbft *r, uint64_t sequence, const uint8_t *digest, const struct signed_text *texts,
                              uint32_t count)
{
    const struct snapshot *own = tc_pbft_snapshot_find(r, sequence);
    if (sequence <= r->stable || r->base.replaying)
        return;
    if (own && tc_digest_same(own->digest, digest)) {
        make_stable(r, own, texts, count);
    } else if (own) {
        tc_replica_complain(&r->base, r->base.id, "our state at sequence %llu is not the one that a quorum certifies",
                            (unsigned long long)sequence);
    } else if (sequence > r->executed && sequence > r->ahead.sequence) {
        /* the others forget what leads there; what is on its way may still come, so wait a little before asking */
        tc_pbft_certificate_set(r, &r->ahead, sequence, digest, texts, count);
        if (r->transfer_deadline_ns == TC_NEVER_NS)
            r->transfer_deadline_ns = r->base.now_ns + r->base.cluster->view_timeout_ns / 8;
    }
}

void tc_pbft_check_stable(struct pbft *r, uint64_t sequence)
{
    const uint8_t *digest;
    struct signed_text *texts;
    if (sequence <= r->stable || r->base.replaying)
        return;
    if (find_quorum(r, sequence, &digest, &texts))
        tc_pbft_take_certificate(r, sequence, digest, texts, r->base.quorum);
    else if (r->ahead.sequence == sequence && tc_pbft_snapshot_find(r, sequence))
        tc_pbft_take_certificate(r, sequence, r->ahead.digest, r->ahead.texts, r->ahead.count);
}
