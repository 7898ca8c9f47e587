/* Normal case: pre-prepare, prepare, commit (OSDI'99 §4.2). */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

void tc_pbft_accept(struct pbft *r, struct slot *slot, const uint8_t *digest, const struct signed_text *text,
                    bool record)
{
    tc_pbft_slot_leave_view(slot);
    slot->accepted = true;
    slot->view = tc_pbft_open_view(r);
    memcpy(slot->digest, digest, TC_VALUE_SIZE);
    slot->pre_prepare = *text;
    tc_pbft_see(r, slot->sequence);
    if (record)
        tc_pbft_record_pre_prepare(r, slot);
    if (r->base.active)
        tc_pbft_say_prepare(r, slot);
    tc_pbft_check_slot(r, slot);
}

struct tc_slice tc_pbft_own_vote(struct pbft *r, struct slot *slot, uint32_t type)
{
    Pbft__Prepare prepare = PBFT__PREPARE__INIT;
    Pbft__Commit commit = PBFT__COMMIT__INIT;
    Wire__Envelope envelope;
    struct signed_text text;
    prepare.view = commit.view = slot->view;
    prepare.sequence = commit.sequence = slot->sequence;
    prepare.digest = commit.digest = tc_wire_binary((struct tc_slice){slot->digest, TC_VALUE_SIZE});
    bool is_prepare = type == PBFT__TYPE__PREPARE;
    if (!tc_replica_envelope(&r->base, type, is_prepare ? &prepare.base : &commit.base, 0, &envelope) ||
        !tc_pbft_text_from(&text, &envelope))
        return (struct tc_slice){NULL, 0};
    tc_pbft_vote_store(r, slot, is_prepare ? slot->prepares : slot->commits, r->base.id, slot->view, slot->digest,
                       &text);
    return tc_replica_frame(&r->base, &envelope);
}

/* The pre-prepare is the primary's prepare: it says none. While replaying, votes are made again at the end. */
void tc_pbft_say_prepare(struct pbft *r, struct slot *slot)
{
    if (slot->prepare_sent || tc_pbft_is_primary(r))
        return;
    slot->prepare_sent = true;
    if (!r->base.replaying)
        tc_replica_broadcast(&r->base, tc_pbft_own_vote(r, slot, PBFT__TYPE__PREPARE));
}

static struct prepared *make_certificate(struct pbft *r, const struct slot *slot, uint32_t needed)
{
    struct prepared *certificate =
        tc_replica_alloc(&r->base, sizeof *certificate + needed * sizeof(struct signed_text));
    if (!certificate)
        return NULL;
    certificate->view = slot->view;
    memcpy(certificate->digest, slot->digest, TC_VALUE_SIZE);
    certificate->pre_prepare = slot->pre_prepare;
    for (uint32_t i = 0; i < r->base.n && certificate->count < needed; i++) {
        const struct vote *vote = &slot->prepares[i];
        if (vote->present && vote->view == slot->view &&
            (tc_replica_bug(&r->base, TC_BUG_PREPARE_DIGEST_IGNORED) || tc_digest_same(vote->digest, slot->digest)))
            certificate->prepares[certificate->count++] = vote->text;
    }
    return certificate;
}

static void check_prepared(struct pbft *r, struct slot *slot)
{
    uint32_t needed = tc_pbft_prepares_needed(r);
    if (slot->prepared || tc_pbft_count_votes(r, slot->prepares, slot->view, slot->digest) < needed)
        return;
    struct prepared *certificate = make_certificate(r, slot, needed);
    if (!certificate)
        return;
    free(slot->certificate);
    slot->certificate = certificate;
    slot->prepared = true;
    tc_pbft_record_prepared(r, certificate);
    slot->commit_sent = true;
    tc_replica_broadcast(&r->base, tc_pbft_own_vote(r, slot, PBFT__TYPE__COMMIT));
}

static void decide(struct pbft *r, struct slot *slot)
{
    slot->committed = true;
    if (slot->decided) {
        if (!tc_digest_same(slot->decided_digest, slot->digest))
            tc_replica_complain(&r->base, r->base.id, "sequence %llu committed twice with different batches",
                                (unsigned long long)slot->sequence);
        return;
    }
    slot->decided = true;
    slot->decided_view = slot->view;
    memcpy(slot->decided_digest, slot->digest, TC_VALUE_SIZE);
    tc_pbft_record_committed(r, slot);
    tc_pbft_execute(r);
}

/* We asked for the next view, so we say nothing in this one any more. But what a quorum has committed there is decided
 * all the same, and a replica that left alone would otherwise stand still until the others follow it. */
static void check_from_outside(struct pbft *r, struct slot *slot)
{
    if (slot->decided || tc_pbft_count_votes(r, slot->commits, slot->view, slot->digest) < r->base.quorum)
        return;
    decide(r, slot);
}

void tc_pbft_check_slot(struct pbft *r, struct slot *slot)
{
    if (r->base.replaying || !slot->accepted || slot->view != tc_pbft_open_view(r))
        return;
    if (!r->base.active) {
        check_from_outside(r, slot);
        return;
    }
    check_prepared(r, slot);
    uint32_t needed = r->base.quorum;
    if (tc_replica_bug(&r->base, TC_BUG_COMMIT_QUORUM) && needed > 1)
        needed--;
    if (slot->prepared && !slot->committed && tc_pbft_count_votes(r, slot->commits, slot->view, slot->digest) >= needed)
        decide(r, slot);
}

/* h < n ≤ H (OSDI'99 §4.2): a faulty primary must not exhaust the sequence numbers. */
static bool between_watermarks(const struct pbft *r, uint64_t sequence)
{
    return tc_pbft_in_window(r, sequence) || (tc_replica_bug(&r->base, TC_BUG_WATERMARKS) && sequence > r->stable);
}

/* ---- pre-prepare ---- */

/* The proposal is here already, from the new view or an earlier frame; its batch may not be. */
static void repeat_pre_prepare(struct pbft *r, struct slot *slot, const Wire__Envelope *envelope,
                               const Pbft__PrePrepare *body)
{
    if (!tc_digest_same(slot->digest, body->digest.data)) {
        if (tc_replica_authentic(&r->base, envelope))
            tc_replica_complain(&r->base, r->base.from, "second pre-prepare for view %llu sequence %llu",
                                (unsigned long long)body->view, (unsigned long long)body->sequence);
        return;
    }
    if (tc_pbft_slot_has(slot, slot->digest))
        return;
    struct batch *batch = tc_pbft_batch_from(r, envelope);
    if (batch && tc_digest_same(batch->digest, slot->digest)) {
        tc_pbft_slot_add_batch(slot, batch);
        tc_pbft_record_batch(r, slot->sequence, batch);
        tc_pbft_pending_note_batch(r, batch);
        tc_pbft_execute(r);
    }
    tc_pbft_batch_drop(batch);
}

static void first_pre_prepare(struct pbft *r, const Wire__Envelope *envelope, const Pbft__PrePrepare *body)
{
    struct signed_text text;
    if (!tc_replica_authentic(&r->base, envelope) || !tc_pbft_text_from(&text, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on pre-prepare");
        return;
    }
    struct batch *batch = tc_pbft_batch_from(r, envelope);
    if (!batch || !tc_digest_same(batch->digest, body->digest.data)) {
        tc_replica_complain(&r->base, r->base.from,
                            "batch of pre-prepare view %llu sequence %llu does not match its digest",
                            (unsigned long long)body->view, (unsigned long long)body->sequence);
    } else if (tc_pbft_batch_authentic(r, batch)) {
        struct slot *slot = tc_pbft_slot(r, body->sequence);
        if (slot) {
            tc_pbft_slot_add_batch(slot, batch);
            tc_pbft_pending_note_batch(r, batch);
            tc_pbft_accept(r, slot, batch->digest, &text, true);
            tc_pbft_execute(r); /* an older view may have decided just this batch */
        }
    }
    tc_pbft_batch_drop(batch);
}

void tc_pbft_on_pre_prepare(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__pre_prepare__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed pre-prepare");
        return;
    }
    const Pbft__PrePrepare *body = base;
    if (body->view != tc_pbft_open_view(r) || !between_watermarks(r, body->sequence))
        return; /* late or early: not wrong, and not for now */
    if (body->digest.len != TC_VALUE_SIZE || envelope->sender != tc_replica_leader(&r->base, body->view)) {
        tc_replica_complain(&r->base, r->base.from, "pre-prepare for view %llu that is not its primary's",
                            (unsigned long long)body->view);
        return;
    }
    struct slot *slot = tc_pbft_slot_find(r, body->sequence);
    if (slot && slot->accepted && slot->view == body->view)
        repeat_pre_prepare(r, slot, envelope, body);
    else
        first_pre_prepare(r, envelope, body);
}

/* ---- prepare, commit ---- */

/* Is the vote worth its verification? A later view's is: it may come before its new view. */
static bool vote_wanted(const struct slot *slot, const Wire__Envelope *envelope, uint64_t view, bool is_prepare)
{
    if (!slot)
        return true;
    const struct vote *known = is_prepare ? &slot->prepares[envelope->sender] : &slot->commits[envelope->sender];
    if (known->present && known->view >= view)
        return false;
    bool current = slot->accepted && slot->view == view;
    return !(current && (is_prepare ? slot->prepared : slot->committed));
}

static void on_vote(struct pbft *r, const Wire__Envelope *envelope, uint64_t view, uint64_t sequence,
                    ProtobufCBinaryData digest)
{
    bool is_prepare = envelope->type == PBFT__TYPE__PREPARE;
    const char *name = is_prepare ? "prepare" : "commit";
    struct signed_text text;
    if (view < tc_pbft_open_view(r) || !between_watermarks(r, sequence))
        return;
    if (digest.len != TC_VALUE_SIZE || (is_prepare && envelope->sender == tc_replica_leader(&r->base, view))) {
        tc_replica_complain(&r->base, r->base.from, "%s that its sender may not say", name);
        return;
    }
    if (!vote_wanted(tc_pbft_slot_find(r, sequence), envelope, view, is_prepare))
        return;
    if (!tc_replica_authentic(&r->base, envelope) || !tc_pbft_text_from(&text, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad signature on %s", name);
        return;
    }
    tc_pbft_note_peer_view(r, (uint16_t)envelope->sender, view);
    struct slot *slot = tc_pbft_slot(r, sequence);
    if (!slot)
        return;
    tc_pbft_vote_store(r, slot, is_prepare ? slot->prepares : slot->commits, (uint16_t)envelope->sender, view,
                       digest.data, &text);
    tc_pbft_check_slot(r, slot);
}

void tc_pbft_on_prepare(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__prepare__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed prepare");
        return;
    }
    const Pbft__Prepare *body = base;
    on_vote(r, envelope, body->view, body->sequence, body->digest);
}

void tc_pbft_on_commit(struct pbft *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &pbft__commit__descriptor, &r->base.arena, &base) != 0) {
        tc_replica_complain(&r->base, r->base.from, "malformed commit");
        return;
    }
    const Pbft__Commit *body = base;
    on_vote(r, envelope, body->view, body->sequence, body->digest);
}
