/* For those that lag: blocks by digest, and the state itself where the blocks are gone. A block needs no signature, its
 * digest is what was certified; a state is believed when f+1 replicas have the same. */
#include "replica_internal.h"

#include <stdlib.h>
#include <string.h>

static void ask(struct hotstuff *r, uint32_t to)
{
    Hotstuff__BlockRequest body = HOTSTUFF__BLOCK_REQUEST__INIT;
    body.digest = tc_wire_binary((struct tc_slice){r->wanted, TC_VALUE_SIZE});
    body.sequence = r->executed.sequence;
    r->wanted_taken = 0;
    tc_replica_send(&r->base, to, tc_replica_message(&r->base, HOTSTUFF__TYPE__BLOCK_REQUEST, &body.base, 0));
}

void tc_hotstuff_want(struct hotstuff *r, const uint8_t *digest)
{
    const bool same = r->wants && tc_digest_same(r->wanted, digest);
    if (r->base.replaying || (same && r->base.now_ns - r->wanted_ns < r->base.cluster->view_timeout_ns / 8))
        return;
    r->wants = true;
    memcpy(r->wanted, digest, TC_VALUE_SIZE);
    r->wanted_ns = r->base.now_ns;
    if (r->base.from < r->base.n && r->base.from != r->base.id && !same)
        ask(r, r->base.from); /* who named the block has it */
    else
        tc_hotstuff_ask_again(r);
}

void tc_hotstuff_ask_again(struct hotstuff *r)
{
    if (r->wants && tc_hotstuff_block_find(r, r->wanted))
        r->wants = false;
    if (!r->wants)
        return;
    /* two peers in turn: one of any f+1 is correct, and states need f+1 answers */
    for (uint32_t i = 0; i <= r->base.f; i++) {
        r->wanted_next++;
        ask(r, (r->base.id + 1 + r->wanted_next % r->base.n) % r->base.n);
    }
}

/* ---- giving ---- */

static void send_block(struct hotstuff *r, const struct block *block, uint16_t to)
{
    Wire__Envelope *envelope = tc_hotstuff_block_envelope(r, block);
    if (!envelope)
        return;
    envelope->sender = r->base.id;
    if (tc_wire_seal(&r->base.env, envelope, 0, &r->base.arena) != 0) {
        tc_replica_complain(&r->base, r->base.id, "cannot sign a block");
        return;
    }
    tc_replica_send(&r->base, to, tc_replica_frame(&r->base, envelope));
}

static void send_state(struct hotstuff *r, uint16_t to, uint64_t executed)
{
    Hotstuff__State body;
    struct peer *peer = &r->peers[to];
    if (r->stable.sequence <= executed || !r->snapshot)
        return;
    if (peer->state_ns != TC_NEVER_NS && r->base.now_ns - peer->state_ns < r->base.cluster->view_timeout_ns / 4)
        return;
    peer->state_ns = r->base.now_ns;
    tc_hotstuff_state_message(r, &body);
    tc_replica_send(&r->base, to, tc_replica_message(&r->base, HOTSTUFF__TYPE__STATE, &body.base, 0));
}

void tc_hotstuff_on_block_request(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &hotstuff__block_request__descriptor, &r->base.arena, &base) != 0 ||
        !tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad block request of node %u", envelope->sender);
        return;
    }
    const Hotstuff__BlockRequest *body = base;
    if (body->digest.len != TC_VALUE_SIZE)
        return;
    const uint16_t to = (uint16_t)envelope->sender;
    const struct block *block = tc_hotstuff_block_find(r, body->digest.data);
    size_t bytes = 0;
    uint32_t sent = 0;
    while (block && block->at.sequence > body->sequence && sent < FETCH_FRAMES_MAX && bytes < FETCH_BYTES_MAX) {
        send_block(r, block, to);
        bytes += block->packed_len;
        sent++;
        if (block->at.sequence == body->sequence + 1)
            return;
        block = tc_hotstuff_block_find(r, block->parent);
    }
    if (!block)
        send_state(r, to, body->sequence);
}

void tc_hotstuff_on_state_request(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    if (tc_wire_get_body(envelope, &hotstuff__state_request__descriptor, &r->base.arena, &base) != 0 ||
        !tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad state request of node %u", envelope->sender);
        return;
    }
    send_state(r, (uint16_t)envelope->sender, ((const Hotstuff__StateRequest *)base)->sequence);
}

/* ---- taking ---- */

void tc_hotstuff_on_block(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    struct point at = {0};
    if (!r->wants)
        return;
    if (tc_wire_get_body(envelope, &hotstuff__block__descriptor, &r->base.arena, &base) != 0)
        return;
    const Hotstuff__Block *body = base;
    if (body->parent.len != TC_VALUE_SIZE ||
        tc_hotstuff_envelope_digest(envelope, body->view, body->sequence, body->parent.data, &r->base.arena,
                                    at.digest) != 0)
        return;
    at.view = body->view;
    at.sequence = body->sequence;
    if (!tc_digest_same(at.digest, r->wanted))
        return;
    r->wants = false;
    if (!tc_hotstuff_block_add(r, &at, body->parent.data, envelope))
        return;
    /* the next one down, most likely under way already */
    if (at.sequence > r->executed.sequence + 1 && !tc_hotstuff_block_find(r, body->parent.data)) {
        r->wants = true;
        memcpy(r->wanted, body->parent.data, TC_VALUE_SIZE);
        r->wanted_ns = r->base.now_ns;
        if (++r->wanted_taken >= FETCH_FRAMES_MAX)
            ask(r, r->base.from < r->base.n ? r->base.from : envelope->sender);
        return;
    }
    tc_hotstuff_chain_rules(r);
    tc_hotstuff_execute(r);
    tc_hotstuff_vote_waiting(r);
}

static uint32_t count_offers(const struct hotstuff *r, uint64_t height, const uint8_t *digest)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->base.n; i++)
        count += r->peers[i].offer_height == height && (tc_replica_bug(&r->base, TC_BUG_TRANSFER_COUNTED) ||
                                                        tc_digest_same(r->peers[i].offer_digest, digest));
    return count;
}

static void install(struct hotstuff *r, const Hotstuff__State *state)
{
    struct tc_observation observation = {.kind = TC_OBS_EXECUTED, .peer = TC_NODE_NONE};
    if (tc_hotstuff_state_load(r, state) != 0) {
        tc_replica_complain(&r->base, r->base.from, "a state that does not load");
        return;
    }
    r->wants = false;
    if (r->target.sequence < r->executed.sequence)
        r->target = r->executed;
    if (r->locked.view < r->executed.view)
        r->locked = r->executed;
    r->dirty = true;
    tc_hotstuff_pending_prune(r);
    observation.executed.view = r->executed.view;
    observation.executed.sequence = r->executed.sequence;
    observation.executed.value.state = TC_VALUE_BYTES;
    memcpy(observation.executed.value.bytes, r->executed.digest, TC_VALUE_SIZE);
    observation.executed.state.state = TC_VALUE_BYTES;
    tc_store_digest(r->base.store, observation.executed.state.bytes);
    observation.executed.origin = TC_EXEC_TRANSFERRED;
    tc_hotstuff_record_snapshot(r);
    tc_replica_observe(&r->base, &observation);
    tc_hotstuff_observe_stable(r);
    tc_hotstuff_blocks_prune(r);
    tc_hotstuff_chain_rules(r);
    tc_hotstuff_execute(r);
}

void tc_hotstuff_on_state(struct hotstuff *r, const Wire__Envelope *envelope)
{
    void *base;
    uint8_t digest[TC_VALUE_SIZE];
    if (tc_wire_get_body(envelope, &hotstuff__state__descriptor, &r->base.arena, &base) != 0 ||
        !tc_replica_authentic(&r->base, envelope)) {
        tc_replica_complain(&r->base, r->base.from, "bad state of node %u", envelope->sender);
        return;
    }
    const Hotstuff__State *body = base;
    struct peer *peer = &r->peers[envelope->sender];
    if (body->digest.len != TC_VALUE_SIZE || body->sequence <= r->executed.sequence)
        return;
    tc_digest(tc_wire_slice(envelope->body), digest);
    peer->offer_height = body->sequence;
    memcpy(peer->offer_digest, digest, TC_VALUE_SIZE);
    if (count_offers(r, body->sequence, digest) > r->base.f)
        install(r, body);
}
