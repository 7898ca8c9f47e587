/* What must not be forgotten, as records. A record says what was accepted or proved; what was said because of it
 * follows: a pre-prepare record of a backup implies its prepare, a prepared record its commit.
 *
 *   kind (1 byte) ‖
 *     ENVELOPE     packed Envelope: our VIEW-CHANGE, or the NEW-VIEW that we entered
 *     PRE_PREPARE  packed Envelope with its batch
 *     PREPARED     packed Prepared
 *     COMMITTED    sequence (8) ‖ view (8) ‖ digest (32)
 *     BATCH        sequence (8) ‖ packed Envelope of type BATCH with its requests
 *     SNAPSHOT     view (8) ‖ active (1) ‖ length (4) ‖ packed State: the stable checkpoint and its proof
 *                  ‖ count (4) ‖ count times: length (4) ‖ record
 *
 * Integers are big-endian. A snapshot replaces everything before it, so it carries the records still needed. */
#include "../../proxy/cursor.h"
#include "../fields_alloc.h"
#include "replica_internal.h"

#include <string.h>

#define RECORDS_PER_SLOT (SLOT_BATCHES_MAX + 3)
#define TEXT_HEADS_MAX   32 /* bytes of heads and numbers around a signed_text in a certificate: 12 */

/* kind ‖ head ‖ packed message */
static struct tc_slice make_record(struct pbft *r, uint8_t kind, struct tc_slice head, const ProtobufCMessage *message)
{
    struct tc_slice record = {NULL, 1 + head.len};
    if (!message)
        record.data = tc_replica_scratch(&r->base, record.len);
    else if (tc_fields_pack_behind(message, 1 + head.len, &r->base.arena, &record) != 0)
        r->base.out_of_memory = true;
    if (!record.data)
        return (struct tc_slice){NULL, 0};
    uint8_t *bytes = (uint8_t *)(uintptr_t)record.data;
    bytes[0] = kind;
    if (head.len > 0)
        memcpy(bytes + 1, head.data, head.len);
    return record;
}

static const struct tc_slice no_head = {NULL, 0};

/* kind ‖ packed envelope: the last byte of the room for its length becomes the kind. */
static struct tc_slice envelope_record(struct pbft *r, uint8_t kind, const Wire__Envelope *envelope)
{
    struct tc_slice frame;
    if (tc_wire_pack(envelope, &r->base.arena, &frame) != 0) {
        r->base.out_of_memory = true;
        return no_head;
    }
    uint8_t *record = (uint8_t *)(uintptr_t)frame.data + TC_WIRE_LENGTH_SIZE - 1;
    record[0] = kind;
    return (struct tc_slice){record, frame.len - TC_WIRE_LENGTH_SIZE + 1};
}

static struct tc_slice pre_prepare_record(struct pbft *r, const struct slot *slot, bool with_batch)
{
    Wire__Envelope envelope;
    tc_pbft_text_envelope(&slot->pre_prepare, PBFT__TYPE__PRE_PREPARE, &envelope);
    const struct batch *batch = with_batch ? tc_pbft_slot_batch(slot, slot->digest) : NULL;
    if (batch)
        tc_pbft_batch_attach(r, batch, &envelope);
    return envelope_record(r, RECORD_PRE_PREPARE, &envelope);
}

/* A Prepared packed by hand: there is one for each decision, with a quorum of envelopes. */
static struct tc_slice prepared_record(struct pbft *r, const struct prepared *certificate)
{
    const size_t size = 1 + (1 + certificate->count) * (sizeof(struct signed_text) + TEXT_HEADS_MAX);
    uint8_t *room = tc_arena_alloc(&r->base.arena, size);
    struct tc_back out = {room, room ? room + size : NULL};
    const uint8_t *end = out.at;
    bool good = room != NULL;
    for (uint32_t i = certificate->count; good && i > 0; i--)
        good = tc_pbft_text_put(&out, 2, &certificate->prepares[i - 1], PBFT__TYPE__PREPARE);
    if (!good || !tc_pbft_text_put(&out, 1, &certificate->pre_prepare, PBFT__TYPE__PRE_PREPARE) ||
        out.at == out.begin) {
        r->base.out_of_memory = true;
        return no_head;
    }
    *--out.at = RECORD_PREPARED;
    return (struct tc_slice){out.at, (size_t)(end - out.at)};
}

static struct tc_slice committed_record(struct pbft *r, const struct slot *slot)
{
    uint8_t head[8 + 8 + TC_VALUE_SIZE];
    struct tc_writer writer = tc_writer_into(head, sizeof head);
    tc_writer_u64(&writer, slot->sequence);
    tc_writer_u64(&writer, slot->decided_view);
    tc_writer_slice(&writer, (struct tc_slice){slot->decided_digest, TC_VALUE_SIZE});
    return make_record(r, RECORD_COMMITTED, tc_writer_bytes(&writer), NULL);
}

static struct tc_slice batch_record(struct pbft *r, uint64_t sequence, const struct batch *batch)
{
    uint8_t head[8];
    struct tc_writer writer = tc_writer_into(head, sizeof head);
    tc_writer_u64(&writer, sequence);
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    envelope.type = PBFT__TYPE__BATCH;
    tc_pbft_batch_attach(r, batch, &envelope);
    return make_record(r, RECORD_BATCH, tc_writer_bytes(&writer), &envelope.base);
}

void tc_pbft_record_pre_prepare(struct pbft *r, const struct slot *slot)
{
    const struct batch *batch = tc_pbft_slot_batch(slot, slot->digest);
    if (!r->base.active || tc_replica_bug(&r->base, TC_BUG_VOTES_FORGOTTEN)) { /* heard after we left its view: we bind
                                                              ourselves to nothing, but may execute it */
        if (batch)
            tc_pbft_record_batch(r, slot->sequence, batch);
        return;
    }
    tc_replica_persist(&r->base, TC_OUT_PERSIST, pre_prepare_record(r, slot, true));
}

void tc_pbft_record_prepared(struct pbft *r, const struct prepared *certificate)
{
    tc_replica_persist(&r->base, TC_OUT_PERSIST, prepared_record(r, certificate));
}

void tc_pbft_record_committed(struct pbft *r, const struct slot *slot)
{
    tc_replica_persist(&r->base, TC_OUT_PERSIST, committed_record(r, slot));
}

void tc_pbft_record_batch(struct pbft *r, uint64_t sequence, const struct batch *batch)
{
    tc_replica_persist(&r->base, TC_OUT_PERSIST, batch_record(r, sequence, batch));
}

void tc_pbft_record_envelope(struct pbft *r, const Wire__Envelope *envelope)
{
    tc_replica_persist(&r->base, TC_OUT_PERSIST, envelope_record(r, RECORD_ENVELOPE, envelope));
}

/* ---- snapshot ---- */

struct record_list {
    struct tc_slice *items;
    uint32_t count;
    size_t bytes;
};

static void list_add(struct record_list *list, struct tc_slice record)
{
    if (record.len == 0)
        return;
    list->items[list->count++] = record;
    list->bytes += 4 + record.len;
}

/* How we came into the view, or that we left it. */
static struct tc_slice view_record(struct pbft *r)
{
    struct tc_slice frame;
    if (r->base.active && r->base.view > 0) {
        uint8_t *bytes = tc_replica_scratch(&r->base, 1 + r->new_view.packed_len);
        if (!bytes)
            return no_head;
        bytes[0] = RECORD_ENVELOPE;
        memcpy(bytes + 1, r->new_view.packed, r->new_view.packed_len);
        return (struct tc_slice){bytes, 1 + r->new_view.packed_len};
    }
    if (r->base.active)
        return no_head;
    tc_pbft_view_change_frame(r, &frame);
    if (frame.len <= TC_WIRE_LENGTH_SIZE)
        return no_head;
    uint8_t *bytes = tc_replica_scratch(&r->base, 1 + frame.len - TC_WIRE_LENGTH_SIZE);
    if (!bytes)
        return no_head;
    bytes[0] = RECORD_ENVELOPE;
    memcpy(bytes + 1, frame.data + TC_WIRE_LENGTH_SIZE, frame.len - TC_WIRE_LENGTH_SIZE);
    return (struct tc_slice){bytes, 1 + frame.len - TC_WIRE_LENGTH_SIZE};
}

static void list_slot(struct pbft *r, struct record_list *list, const struct slot *slot)
{
    for (size_t i = 0; i < SLOT_BATCHES_MAX; i++)
        if (slot->batches[i])
            list_add(list, batch_record(r, slot->sequence, slot->batches[i]));
    if (r->base.active && slot->accepted && slot->view == r->base.view &&
        !tc_replica_bug(&r->base, TC_BUG_VOTES_FORGOTTEN))
        list_add(list, pre_prepare_record(r, slot, false));
    if (slot->certificate)
        list_add(list, prepared_record(r, slot->certificate));
    if (slot->decided)
        list_add(list, committed_record(r, slot));
}

static bool state_message(struct pbft *r, Pbft__State *out)
{
    const struct snapshot *snapshot = tc_pbft_snapshot_find(r, r->stable);
    const struct certificate *certificate = &r->stable_certificate;
    *out = (Pbft__State)PBFT__STATE__INIT;
    out->sequence = r->stable;
    if (snapshot)
        out->snapshot = tc_wire_binary((struct tc_slice){snapshot->bytes, snapshot->len});
    out->n_checkpoints = certificate->count;
    out->checkpoints = tc_pbft_text_envelopes(r, certificate->texts, certificate->count, PBFT__TYPE__CHECKPOINT);
    return snapshot && out->checkpoints;
}

void tc_pbft_record_snapshot(struct pbft *r)
{
    Pbft__State state;
    struct record_list list = {.count = 0};
    if (r->base.replaying)
        return;
    list.items = tc_arena_alloc(&r->base.arena, (1 + (size_t)r->base.window * RECORDS_PER_SLOT) * sizeof *list.items);
    if (!list.items)
        r->base.out_of_memory = true;
    if (!list.items || !state_message(r, &state))
        return;
    list_add(&list, view_record(r));
    for (uint64_t i = 1; i <= r->base.window; i++) {
        const struct slot *slot = tc_pbft_slot_find(r, r->stable + i);
        if (slot)
            list_slot(r, &list, slot);
    }
    size_t state_size = pbft__state__get_packed_size(&state), size = 1 + 8 + 1 + 4 + state_size + 4 + list.bytes;
    uint8_t *bytes = tc_replica_scratch(&r->base, size), *packed = tc_replica_scratch(&r->base, state_size);
    if (!bytes || !packed)
        return;
    pbft__state__pack(&state, packed);
    struct tc_writer writer = tc_writer_into(bytes, size);
    tc_writer_u8(&writer, RECORD_SNAPSHOT);
    tc_writer_u64(&writer, r->base.view);
    tc_writer_u8(&writer, r->base.active);
    tc_writer_u32(&writer, (uint32_t)state_size);
    tc_writer_slice(&writer, (struct tc_slice){packed, state_size});
    tc_writer_u32(&writer, list.count);
    for (uint32_t i = 0; i < list.count; i++) {
        tc_writer_u32(&writer, (uint32_t)list.items[i].len);
        tc_writer_slice(&writer, list.items[i]);
    }
    tc_replica_persist(&r->base, TC_OUT_SNAPSHOT, tc_writer_bytes(&writer));
}
