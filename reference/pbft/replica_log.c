/* The message log: one slot for each sequence number within the watermarks (OSDI'99 §4.2, §4.3). */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

void tc_pbft_slot_leave_view(struct slot *slot)
{
    slot->accepted = false;
    slot->prepare_sent = false;
    slot->prepared = false;
    slot->commit_sent = false;
    slot->committed = false;
}

/* Vote arrays are kept for the slot's next sequence number. */
static void slot_clear(struct slot *slot, uint32_t n)
{
    struct vote *prepares = slot->prepares, *commits = slot->commits;
    for (size_t i = 0; i < SLOT_BATCHES_MAX; i++)
        tc_pbft_batch_drop(slot->batches[i]);
    free(slot->certificate);
    memset(slot, 0, sizeof *slot);
    for (uint32_t i = 0; i < n && prepares; i++) {
        prepares[i].present = false;
        commits[i].present = false;
    }
    slot->prepares = prepares;
    slot->commits = commits;
}

void tc_pbft_slot_free(struct slot *slot)
{
    slot_clear(slot, 0);
    free(slot->prepares);
    free(slot->commits);
}

struct slot *tc_pbft_slot_find(const struct pbft *r, uint64_t sequence)
{
    if (sequence % r->base.window >= r->slots_used)
        return NULL;
    struct slot *slot = &r->slots[sequence % r->base.window];
    return slot->sequence == sequence && tc_pbft_in_window(r, sequence) ? slot : NULL;
}

/* Slots are cleared when the log first reaches them: most runs end long before the window does. */
static struct slot *slot_at(struct pbft *r, uint64_t sequence)
{
    const uint32_t index = (uint32_t)(sequence % r->base.window);
    while (r->slots_used <= index)
        memset(&r->slots[r->slots_used++], 0, sizeof *r->slots);
    return &r->slots[index];
}

struct slot *tc_pbft_slot(struct pbft *r, uint64_t sequence)
{
    struct slot *slot = slot_at(r, sequence);
    if (slot->sequence == sequence)
        return slot;
    if (!slot->prepares) {
        slot->prepares = tc_replica_alloc(&r->base, r->base.n * sizeof *slot->prepares);
        slot->commits = tc_replica_alloc(&r->base, r->base.n * sizeof *slot->commits);
        if (!slot->prepares || !slot->commits) {
            free(slot->prepares);
            free(slot->commits);
            slot->prepares = slot->commits = NULL;
            return NULL;
        }
    }
    slot_clear(slot, r->base.n);
    slot->sequence = sequence;
    return slot;
}

struct batch *tc_pbft_slot_batch(const struct slot *slot, const uint8_t *digest)
{
    for (size_t i = 0; i < SLOT_BATCHES_MAX; i++)
        if (slot->batches[i] && tc_digest_same(slot->batches[i]->digest, digest))
            return slot->batches[i];
    return NULL;
}

static bool batch_needed(const struct slot *slot, const struct batch *batch)
{
    return (slot->accepted && tc_digest_same(slot->digest, batch->digest)) ||
           (slot->decided && tc_digest_same(slot->decided_digest, batch->digest)) ||
           (slot->certificate && tc_digest_same(slot->certificate->digest, batch->digest));
}

/* A batch accepted in an older view may come back with a certificate that we have not seen, so all are kept until the
 * checkpoint; a traitor that leads many views in a row can only push out what nobody's certificate here needs. */
void tc_pbft_slot_add_batch(struct slot *slot, struct batch *batch)
{
    size_t place = SLOT_BATCHES_MAX;
    if (tc_pbft_slot_batch(slot, batch->digest))
        return;
    for (size_t i = 0; i < SLOT_BATCHES_MAX && place == SLOT_BATCHES_MAX; i++)
        if (!slot->batches[i])
            place = i;
    for (size_t i = 0; i < SLOT_BATCHES_MAX && place == SLOT_BATCHES_MAX; i++)
        if (!batch_needed(slot, slot->batches[i]))
            place = i;
    tc_pbft_batch_drop(slot->batches[place]);
    batch->references++;
    slot->batches[place] = batch;
}

bool tc_pbft_slot_has(const struct slot *slot, const uint8_t *digest)
{
    return tc_pbft_is_null(digest) || tc_pbft_slot_batch(slot, digest) != NULL;
}

void tc_pbft_log_advance(struct pbft *r, uint64_t sequence)
{
    for (uint32_t i = 0; i < r->slots_used; i++)
        if (r->slots[i].sequence != 0 && r->slots[i].sequence <= sequence)
            slot_clear(&r->slots[i], r->base.n);
    r->stable = sequence;
    if (r->next <= sequence)
        r->next = sequence + 1;
}

/* Votes are counted by view, sequence number and digest, never by the first two alone. */
static bool vote_matches(const struct pbft *r, const struct vote *vote, uint64_t view, const uint8_t *digest)
{
    if (!vote->present || vote->view != view)
        return false;
    return tc_replica_bug(&r->base, TC_BUG_PREPARE_DIGEST_IGNORED) || tc_digest_same(vote->digest, digest);
}

uint32_t tc_pbft_count_votes(const struct pbft *r, const struct vote *votes, uint64_t view, const uint8_t *digest)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->base.n; i++)
        count += vote_matches(r, &votes[i], view, digest);
    return count;
}

void tc_pbft_vote_store(struct pbft *r, struct slot *slot, struct vote *votes, uint16_t sender, uint64_t view,
                        const uint8_t *digest, const struct signed_text *text)
{
    struct vote *vote = &votes[sender];
    if (!slot->prepares[sender].present && !slot->commits[sender].present)
        slot->voters++;
    vote->present = true;
    vote->view = view;
    memcpy(vote->digest, digest, TC_VALUE_SIZE);
    vote->text = *text;
    if (slot->voters > r->base.f)
        tc_pbft_see(r, slot->sequence);
}

void tc_pbft_see(struct pbft *r, uint64_t sequence)
{
    if (sequence > r->seen)
        r->seen = sequence;
}
