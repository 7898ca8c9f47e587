/* What must not be forgotten, as records.
 *
 *   kind (1 byte) ‖
 *     BLOCK     packed Envelope of type BLOCK with its requests: before the vote for it
 *     VOTING    packed Voting: view, last vote, certificates, lock, executed height; before anything said because of it
 *     SNAPSHOT  packed Snapshot: a state, Voting, and the blocks above that state; it replaces everything before it
 *
 * The last VOTING counts. What it says is executed is executed again from the snapshot's state on. */
#include "../fields_alloc.h"
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a Voting that are no certificates: three points of at most 2 + 34 + 11 + 11, three numbers of 11, a flag of
 * 2, and the record's kind: 210. */
#define VOTING_REST_MAX 256

enum { RECORD_BLOCK = 1, RECORD_VOTING, RECORD_SNAPSHOT };

static struct tc_slice make_record(struct hotstuff *r, uint8_t kind, const ProtobufCMessage *message)
{
    struct tc_slice record;
    if (tc_fields_pack_behind(message, 1, &r->base.arena, &record) != 0) {
        r->base.out_of_memory = true;
        return (struct tc_slice){NULL, 0};
    }
    *(uint8_t *)(uintptr_t)record.data = kind;
    return record;
}

void tc_hotstuff_record_block(struct hotstuff *r, const struct block *block)
{
    if (r->base.replaying)
        return;
    uint8_t *bytes = tc_arena_alloc(&r->base.arena, 1 + block->packed_len);
    if (!bytes) {
        r->base.out_of_memory = true;
        return;
    }
    bytes[0] = RECORD_BLOCK;
    memcpy(bytes + 1, block->packed, block->packed_len);
    tc_replica_persist(&r->base, TC_OUT_PERSIST, (struct tc_slice){bytes, 1 + block->packed_len});
}

static void voting_message(struct hotstuff *r, Hotstuff__Voting *out)
{
    *out = (Hotstuff__Voting)HOTSTUFF__VOTING__INIT;
    out->view = r->base.view;
    out->active = r->base.active;
    out->voted_type = r->voted_type;
    out->voted = tc_hotstuff_point_message(r, &r->voted);
    out->high = tc_hotstuff_certificate_message(r, &r->high);
    out->locked = tc_hotstuff_point_message(r, &r->locked);
    out->decided = tc_hotstuff_certificate_message(r, &r->decided);
    out->timeout = tc_hotstuff_timeout_message(r, &r->timeout_certificate);
    out->executed = tc_hotstuff_point_message(r, &r->executed);
    out->proposed_view = r->proposed_view;
}

/* voting_message, packed by hand: nearly every step of a basic replica makes one. */
static bool put_voting(struct tc_back *out, const struct hotstuff *r)
{
    return tc_back_number(out, 10, r->proposed_view) && tc_hotstuff_point_put(out, 9, &r->executed) &&
           tc_hotstuff_certificate_put(out, 8, &r->timeout_certificate) &&
           tc_hotstuff_certificate_put(out, 7, &r->decided) && tc_hotstuff_point_put(out, 6, &r->locked) &&
           tc_hotstuff_certificate_put(out, 5, &r->high) && tc_hotstuff_point_put(out, 4, &r->voted) &&
           tc_back_number(out, 3, r->voted_type) && tc_back_number(out, 2, r->base.active) &&
           tc_back_number(out, 1, r->base.view);
}

void tc_hotstuff_record_voting(struct hotstuff *r)
{
    const size_t size = VOTING_REST_MAX + tc_hotstuff_certificate_size_max(&r->high) +
                        tc_hotstuff_certificate_size_max(&r->decided) +
                        tc_hotstuff_certificate_size_max(&r->timeout_certificate);
    if (tc_replica_bug(&r->base, TC_BUG_VOTES_FORGOTTEN))
        return;
    uint8_t *room = tc_arena_alloc(&r->base.arena, size);
    struct tc_back out = {room, room ? room + size : NULL};
    const uint8_t *end = out.at;
    if (!room || !put_voting(&out, r) || out.at == out.begin) {
        r->base.out_of_memory = true;
        return;
    }
    *--out.at = RECORD_VOTING;
    tc_replica_persist(&r->base, TC_OUT_PERSIST, (struct tc_slice){out.at, (size_t)(end - out.at)});
}

void tc_hotstuff_state_message(struct hotstuff *r, Hotstuff__State *out)
{
    *out = (Hotstuff__State)HOTSTUFF__STATE__INIT;
    out->sequence = r->stable.sequence;
    out->view = r->stable.view;
    out->digest = tc_wire_binary((struct tc_slice){r->stable.digest, TC_VALUE_SIZE});
    out->snapshot = tc_wire_binary((struct tc_slice){r->snapshot, r->snapshot_len});
}

static size_t list_blocks(struct hotstuff *r, ProtobufCBinaryData *list)
{
    size_t count = 0;
    for (uint32_t i = 0; i < r->bucket_count; i++)
        for (const struct block *block = r->buckets[i]; block; block = block->next) {
            if (block->at.sequence <= r->stable.sequence)
                continue;
            if (list)
                list[count] = tc_wire_binary((struct tc_slice){block->packed, block->packed_len});
            count++;
        }
    return count;
}

void tc_hotstuff_record_snapshot(struct hotstuff *r)
{
    Hotstuff__Snapshot snapshot = HOTSTUFF__SNAPSHOT__INIT;
    Hotstuff__Voting voting;
    Hotstuff__State state;
    if (r->base.replaying)
        return;
    voting_message(r, &voting);
    tc_hotstuff_state_message(r, &state);
    snapshot.voting = &voting;
    snapshot.state = &state;
    snapshot.blocks = tc_replica_scratch(&r->base, list_blocks(r, NULL) * sizeof *snapshot.blocks);
    if (!snapshot.blocks || r->base.out_of_memory)
        return;
    snapshot.n_blocks = list_blocks(r, snapshot.blocks);
    tc_replica_persist(&r->base, TC_OUT_SNAPSHOT, make_record(r, RECORD_SNAPSHOT, &snapshot.base));
}

/* ---- coming back: these records are ours and were checked when they were made, but a damaged one must not pass ----
 */

static int unpack(struct hotstuff *r, const ProtobufCMessageDescriptor *descriptor, struct tc_slice bytes, void *out)
{
    ProtobufCMessage *base;
    const int rc = tc_fields_unpack(descriptor, bytes, &r->base.arena, &base);
    if (rc == 0)
        memcpy(out, &base, sizeof base);
    return rc == TC_ELIMIT ? TC_EMEMORY : rc;
}

static int replay_block(struct hotstuff *r, struct tc_slice bytes)
{
    Wire__Envelope *envelope;
    Hotstuff__Block *body;
    struct point at;
    int rc = unpack(r, &wire__envelope__descriptor, bytes, &envelope);
    if (rc == 0)
        rc = unpack(r, &hotstuff__block__descriptor, tc_wire_slice(envelope->body), &body);
    if (rc != 0)
        return rc;
    if (body->parent.len != TC_VALUE_SIZE ||
        tc_hotstuff_envelope_digest(envelope, body->view, body->sequence, body->parent.data, &r->base.arena,
                                    at.digest) != 0)
        return TC_EMALFORMED;
    at.view = body->view;
    at.sequence = body->sequence;
    if (!tc_hotstuff_block_add(r, &at, body->parent.data, envelope))
        return r->base.out_of_memory ? TC_EMEMORY : TC_EMALFORMED;
    return 0;
}

/* Back to the view that the certificates of votes alone lead to. */
static void forget_timeout(struct hotstuff *r)
{
    const uint64_t certified = r->high.at.view + (r->chained ? 1 : 0);
    r->base.view = certified > r->decided.at.view ? certified : r->decided.at.view + 1;
    r->base.active = true;
    tc_hotstuff_certificate_clear(&r->timeout_certificate);
}

static int load_voting(struct hotstuff *r, const Hotstuff__Voting *voting)
{
    struct point executed;
    if (!tc_hotstuff_point_read(voting->voted, &r->voted) || !tc_hotstuff_point_read(voting->locked, &r->locked) ||
        !tc_hotstuff_point_read(voting->executed, &executed) || voting->view < r->base.view ||
        !tc_hotstuff_certificate_load(r, voting->high, &r->high) ||
        !tc_hotstuff_certificate_load(r, voting->decided, &r->decided) ||
        !tc_hotstuff_timeout_load(r, voting->timeout, &r->timeout_certificate))
        return r->base.out_of_memory ? TC_EMEMORY : TC_EMALFORMED;
    r->base.view = voting->view;
    r->base.active = voting->active;
    if (tc_replica_bug(&r->base, TC_BUG_TIMEOUT_FORGOTTEN))
        forget_timeout(r);
    r->voted_type = voting->voted_type;
    r->proposed_view = voting->proposed_view;
    if (executed.sequence > r->target.sequence)
        r->target = executed;
    return 0;
}

int tc_hotstuff_state_load(struct hotstuff *r, const Hotstuff__State *state)
{
    struct tc_store *store;
    uint64_t sequence;
    if (state->digest.len != TC_VALUE_SIZE)
        return TC_EMALFORMED;
    int rc = tc_store_load(tc_wire_slice(state->snapshot), &sequence, &store);
    if (rc != 0)
        return rc;
    uint8_t *bytes = tc_replica_alloc(&r->base, state->snapshot.len);
    if (!bytes || sequence != state->sequence) {
        tc_store_free(store);
        free(bytes);
        return bytes ? TC_EMALFORMED : TC_EMEMORY;
    }
    memcpy(bytes, state->snapshot.data, state->snapshot.len);
    free(r->snapshot);
    r->snapshot = bytes;
    r->snapshot_len = state->snapshot.len;
    tc_store_free(r->base.store);
    r->base.store = store;
    r->stable.sequence = state->sequence;
    r->stable.view = state->view;
    memcpy(r->stable.digest, state->digest.data, TC_VALUE_SIZE);
    r->executed = r->stable;
    return 0;
}

static int replay_snapshot(struct hotstuff *r, struct tc_slice bytes)
{
    Hotstuff__Snapshot *snapshot;
    int rc = unpack(r, &hotstuff__snapshot__descriptor, bytes, &snapshot);
    if (rc == 0 && (!snapshot->state || !snapshot->voting))
        rc = TC_EMALFORMED;
    if (rc == 0)
        rc = tc_hotstuff_state_load(r, snapshot->state);
    if (rc == 0 && r->target.sequence < r->executed.sequence)
        r->target = r->executed;
    if (rc == 0)
        rc = load_voting(r, snapshot->voting);
    for (size_t i = 0; rc == 0 && i < snapshot->n_blocks; i++)
        rc = replay_block(r, tc_wire_slice(snapshot->blocks[i]));
    return rc;
}

int tc_hotstuff_replay(struct hotstuff *r, struct tc_slice record)
{
    Hotstuff__Voting *voting;
    if (record.len == 0)
        return TC_EMALFORMED;
    const struct tc_slice rest = {record.data + 1, record.len - 1};
    int rc;
    switch (record.data[0]) {
    case RECORD_BLOCK:
        return replay_block(r, rest);
    case RECORD_VOTING:
        rc = unpack(r, &hotstuff__voting__descriptor, rest, &voting);
        return rc != 0 ? rc : load_voting(r, voting);
    case RECORD_SNAPSHOT:
        return replay_snapshot(r, rest);
    default:
        return TC_EMALFORMED;
    }
}

int tc_hotstuff_replay_end(struct hotstuff *r)
{
    tc_hotstuff_execute(r);
    if (r->base.out_of_memory)
        return TC_EMEMORY;
    if (r->target.sequence > r->executed.sequence)
        return TC_EMALFORMED;
    tc_hotstuff_blocks_prune(r);
    return 0;
}
