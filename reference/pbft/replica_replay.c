/* Coming back: records in, in the order they went out. They are ours and were verified when they came, so nothing is
 * verified again, but a damaged one must not pass: TC_EMALFORMED. */
#include "../../proxy/cursor.h"
#include "../fields_alloc.h"
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

static int unpack(struct pbft *r, const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, void *out)
{
    ProtobufCMessage *base;
    int rc = tc_fields_unpack(descriptor, bytes, &r->base.arena, &base);
    if (rc == 0)
        memcpy(out, &base, sizeof base);
    return rc == TC_ELIMIT ? TC_EMEMORY : rc;
}

static int replay_view_change(struct pbft *r, const Wire__Envelope *envelope)
{
    struct view_change own;
    if (envelope->sender != r->base.id || !tc_pbft_view_change_read(r, envelope, true, &own))
        return TC_EMALFORMED;
    tc_pbft_view_change_clear(&r->view_changes[r->base.id]);
    r->view_changes[r->base.id] = own;
    r->base.view = own.view;
    r->base.active = false;
    return 0;
}

static int replay_new_view(struct pbft *r, const Wire__Envelope *envelope)
{
    Pbft__NewView *body;
    uint64_t stable = 0;
    int rc = unpack(r, &pbft__new_view__descriptor, tc_wire_slice(envelope->body), &body);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < body->n_view_changes; i++) {
        Pbft__ViewChange *change;
        rc = unpack(r, &pbft__view_change__descriptor, tc_wire_slice(body->view_changes[i]->body), &change);
        if (rc != 0)
            return rc;
        if (change->stable_sequence > stable)
            stable = change->stable_sequence;
    }
    if (!tc_pbft_enter_view(r, envelope, body, stable))
        return TC_EMALFORMED;
    return 0;
}

static int replay_envelope(struct pbft *r, struct tc_slice bytes)
{
    Wire__Envelope *envelope;
    int rc = unpack(r, &wire__envelope__descriptor, bytes, &envelope);
    if (rc != 0)
        return rc;
    if (envelope->type == PBFT__TYPE__VIEW_CHANGE)
        return replay_view_change(r, envelope);
    return envelope->type == PBFT__TYPE__NEW_VIEW ? replay_new_view(r, envelope) : TC_EMALFORMED;
}

static int add_batch(struct pbft *r, uint64_t sequence, const Wire__Envelope *envelope, uint8_t *digest)
{
    struct batch *batch = tc_pbft_batch_from(r, envelope);
    struct slot *slot = tc_pbft_slot(r, sequence);
    if (!batch || !slot) {
        tc_pbft_batch_drop(batch);
        return TC_EMALFORMED;
    }
    tc_pbft_slot_add_batch(slot, batch);
    tc_pbft_pending_note_batch(r, batch);
    memcpy(digest, batch->digest, TC_VALUE_SIZE);
    tc_pbft_batch_drop(batch);
    return 0;
}

static int replay_pre_prepare(struct pbft *r, struct tc_slice bytes)
{
    Wire__Envelope *envelope;
    Pbft__PrePrepare *body;
    struct signed_text text;
    uint8_t digest[TC_VALUE_SIZE];
    int rc = unpack(r, &wire__envelope__descriptor, bytes, &envelope);
    if (rc == 0)
        rc = unpack(r, &pbft__pre_prepare__descriptor, tc_wire_slice(envelope->body), &body);
    if (rc != 0)
        return rc;
    if (!tc_pbft_in_window(r, body->sequence) || body->view != r->base.view || body->digest.len != TC_VALUE_SIZE ||
        !tc_pbft_text_from(&text, envelope))
        return TC_EMALFORMED;
    struct slot *slot = tc_pbft_slot(r, body->sequence);
    if (!slot)
        return TC_EMEMORY;
    /* the batch is here, or in records of its own, or (an empty one) both look the same */
    if (!tc_pbft_slot_has(slot, body->digest.data)) {
        rc = add_batch(r, body->sequence, envelope, digest);
        if (rc == 0 && !tc_digest_same(digest, body->digest.data) && envelope->n_requests > 0)
            rc = TC_EMALFORMED;
    }
    if (rc == 0)
        tc_pbft_accept(r, slot, body->digest.data, &text, false);
    return rc;
}

static int replay_batch(struct pbft *r, struct tc_slice bytes)
{
    Wire__Envelope *envelope;
    uint8_t digest[TC_VALUE_SIZE];
    struct tc_cursor cursor = tc_cursor_over(bytes);
    uint64_t sequence = tc_cursor_u64(&cursor);
    if (!tc_cursor_ok(&cursor) || !tc_pbft_in_window(r, sequence))
        return TC_EMALFORMED;
    int rc = unpack(r, &wire__envelope__descriptor, tc_cursor_rest(&cursor), &envelope);
    return rc != 0 ? rc : add_batch(r, sequence, envelope, digest);
}

static int read_certificate(const Pbft__Prepared *message, const Pbft__PrePrepare *body, struct prepared *out)
{
    out->view = body->view;
    memcpy(out->digest, body->digest.data, TC_VALUE_SIZE);
    if (!tc_pbft_text_from(&out->pre_prepare, message->pre_prepare))
        return TC_EMALFORMED;
    for (size_t i = 0; i < message->n_prepares; i++)
        if (!tc_pbft_text_from(&out->prepares[out->count++], message->prepares[i]))
            return TC_EMALFORMED;
    return 0;
}

static int replay_prepared(struct pbft *r, struct tc_slice bytes)
{
    Pbft__Prepared *message;
    Pbft__PrePrepare *body;
    int rc = unpack(r, &pbft__prepared__descriptor, bytes, &message);
    if (rc == 0 && (!message->pre_prepare || message->n_prepares > r->base.n))
        rc = TC_EMALFORMED;
    if (rc == 0)
        rc = unpack(r, &pbft__pre_prepare__descriptor, tc_wire_slice(message->pre_prepare->body), &body);
    if (rc == 0 && (!tc_pbft_in_window(r, body->sequence) || body->digest.len != TC_VALUE_SIZE))
        rc = TC_EMALFORMED;
    if (rc != 0)
        return rc;
    struct slot *slot = tc_pbft_slot(r, body->sequence);
    struct prepared *certificate =
        tc_replica_alloc(&r->base, sizeof *certificate + message->n_prepares * sizeof(struct signed_text));
    if (!slot || !certificate) {
        free(certificate);
        return TC_EMEMORY;
    }
    rc = read_certificate(message, body, certificate);
    if (rc != 0) {
        free(certificate);
        return rc;
    }
    free(slot->certificate);
    slot->certificate = certificate;
    if (r->base.active && slot->accepted && slot->view == body->view &&
        tc_digest_same(slot->digest, certificate->digest)) {
        slot->prepared = true;
        slot->commit_sent = true;
    }
    return 0;
}

static int replay_committed(struct pbft *r, struct tc_slice bytes)
{
    struct tc_cursor cursor = tc_cursor_over(bytes);
    uint64_t sequence = tc_cursor_u64(&cursor), view = tc_cursor_u64(&cursor);
    struct tc_slice digest = tc_cursor_bytes(&cursor, TC_VALUE_SIZE);
    if (!tc_cursor_done(&cursor) || !tc_pbft_in_window(r, sequence))
        return TC_EMALFORMED;
    struct slot *slot = tc_pbft_slot(r, sequence);
    if (!slot)
        return TC_EMEMORY;
    slot->decided = true;
    slot->decided_view = view;
    memcpy(slot->decided_digest, digest.data, TC_VALUE_SIZE);
    if (slot->accepted && slot->view == view && tc_digest_same(slot->digest, digest.data))
        slot->committed = true;
    return 0;
}

static int load_state(struct pbft *r, const Pbft__State *state)
{
    struct tc_store *store;
    uint64_t sequence;
    struct signed_text *texts = tc_replica_scratch(&r->base, state->n_checkpoints * sizeof *texts);
    uint8_t *bytes = tc_replica_alloc(&r->base, state->snapshot.len);
    if (!texts || !bytes) {
        free(bytes);
        return TC_EMEMORY;
    }
    if (state->snapshot.len > 0)
        memcpy(bytes, state->snapshot.data, state->snapshot.len);
    int rc = tc_store_load(tc_wire_slice(state->snapshot), &sequence, &store);
    for (size_t i = 0; rc == 0 && i < state->n_checkpoints; i++)
        if (!tc_pbft_text_from(&texts[i], state->checkpoints[i])) {
            tc_store_free(store);
            rc = TC_EMALFORMED;
        }
    if (rc != 0) {
        free(bytes);
        return rc;
    }
    tc_store_free(r->base.store);
    r->base.store = store;
    r->executed = sequence;
    struct snapshot *snapshot = tc_pbft_snapshot_add(r, sequence, bytes, state->snapshot.len);
    if (!snapshot)
        return TC_EMEMORY;
    tc_pbft_certificate_set(r, &r->stable_certificate, sequence, snapshot->digest, texts,
                            (uint32_t)state->n_checkpoints);
    tc_pbft_log_advance(r, sequence);
    return 0;
}

static int replay_snapshot(struct pbft *r, struct tc_slice bytes)
{
    Pbft__State *state;
    struct tc_cursor cursor = tc_cursor_over(bytes);
    uint64_t view = tc_cursor_u64(&cursor);
    bool active = tc_cursor_u8(&cursor) != 0;
    struct tc_slice packed = tc_cursor_bytes(&cursor, tc_cursor_u32(&cursor));
    uint32_t count = tc_cursor_u32(&cursor);
    if (!tc_cursor_ok(&cursor) || r->executed > 0)
        return TC_EMALFORMED; /* it is the first record or it is none */
    int rc = unpack(r, &pbft__state__descriptor, packed, &state);
    if (rc == 0)
        rc = load_state(r, state);
    r->base.view = view;
    r->base.active = active;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct tc_slice record = tc_cursor_bytes(&cursor, tc_cursor_u32(&cursor));
        if (record.len == 0 || record.data[0] == RECORD_SNAPSHOT)
            return TC_EMALFORMED;
        rc = tc_pbft_replay(r, record);
    }
    if (rc == 0 && !tc_cursor_done(&cursor))
        rc = TC_EMALFORMED;
    return rc;
}

int tc_pbft_replay(struct pbft *r, struct tc_slice record)
{
    if (record.len == 0)
        return TC_EMALFORMED;
    const struct tc_slice rest = {record.data + 1, record.len - 1};
    r->replayed = true;
    switch (record.data[0]) {
    case RECORD_ENVELOPE:
        return replay_envelope(r, rest);
    case RECORD_PRE_PREPARE:
        return replay_pre_prepare(r, rest);
    case RECORD_PREPARED:
        return replay_prepared(r, rest);
    case RECORD_COMMITTED:
        return replay_committed(r, rest);
    case RECORD_BATCH:
        return replay_batch(r, rest);
    case RECORD_SNAPSHOT:
        return replay_snapshot(r, rest);
    default:
        return TC_EMALFORMED;
    }
}

/* Ed25519 is deterministic: signed again, our votes are the bytes that we said before. */
static void restore_votes(struct pbft *r, struct slot *slot)
{
    if (!r->base.active || !slot->accepted || slot->view != r->base.view)
        return;
    if (slot->prepare_sent)
        (void)tc_pbft_own_vote(r, slot, PBFT__TYPE__PREPARE);
    if (slot->commit_sent)
        (void)tc_pbft_own_vote(r, slot, PBFT__TYPE__COMMIT);
    tc_pbft_see(r, slot->sequence);
    if (r->next <= slot->sequence)
        r->next = slot->sequence + 1;
}

void tc_pbft_replay_end(struct pbft *r)
{
    tc_pbft_execute(r);
    if (r->next <= r->executed)
        r->next = r->executed + 1;
    for (uint32_t i = 0; i < r->slots_used; i++)
        if (r->slots[i].sequence != 0)
            restore_votes(r, &r->slots[i]);
}
