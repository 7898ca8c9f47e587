/* What the files of the PBFT replica share. Nobody outside reference/pbft/replica*.c includes this.
 *
 * One file per concern: replica.c (the step), replica_text.c (signed texts), replica_log.c (slots and
 * votes), replica_batch.c (requests and batches), replica_request.c (what clients want, proposing),
 * replica_agreement.c (pre-prepare, prepare, commit), replica_execute.c, replica_checkpoint.c,
 * replica_state_transfer.c, replica_view_change.c, replica_view_check.c (is a view change valid), replica_new_view.c,
 * replica_retransmit.c (healing lost messages), replica_durable.c and replica_replay.c (records out and in).
 *
 * What every reference replica has, a step's outputs above all, is in ../replica_base.h. */
#ifndef TC_PBFT_REPLICA_INTERNAL_H
#define TC_PBFT_REPLICA_INTERNAL_H

#include "../../proxy/nodeset.h"
#include "../fields_back.h"
#include "../replica_base.h"
#include "replica.h"
#include "wire.h"

#define VOTE_BODY_MAX    96 /* bytes of a pre-prepare's, vote's or checkpoint's body that we keep */
#define SLOT_BATCHES_MAX 8  /* different batches that we keep for one sequence number */
#define CHECKPOINT_RING  16 /* checkpoints of one replica that we keep */
#define RESEND_SLOTS_MAX 64
#define RESEND_BYTES_MAX (1u << 20)

/* A signed body as it stood on the wire: what certificates are made of. */
struct signed_text {
    uint16_t sender, body_len;
    uint8_t body[VOTE_BODY_MAX];
    uint8_t signature[TC_SIGNATURE_SIZE];
};

/* A verified prepare or commit. */
struct vote {
    bool present;
    uint64_t view;
    uint8_t digest[TC_VALUE_SIZE];
    struct signed_text text;
};

/* One client request, shared by whoever holds it. The envelope points into `bytes`. */
struct request {
    uint32_t references;
    uint16_t client;
    uint64_t timestamp;
    uint8_t digest[TC_VALUE_SIZE];
    struct tc_slice operation;
    Wire__Envelope envelope;
    size_t packed_size;
    uint8_t bytes[];
};

struct batch {
    uint32_t references;
    uint8_t digest[TC_VALUE_SIZE];
    uint32_t count;
    struct request *requests[];
};

/* A prepared certificate: the pre-prepare and quorum-1 prepares (OSDI'99 §4.2). */
struct prepared {
    uint64_t view;
    uint8_t digest[TC_VALUE_SIZE];
    struct signed_text pre_prepare;
    uint32_t count;
    struct signed_text prepares[];
};

/* What we know about one sequence number within the watermarks. */
struct slot {
    uint64_t sequence; /* 0: unused */
    /* the proposal of `view` */
    bool accepted;
    uint64_t view;
    uint8_t digest[TC_VALUE_SIZE];
    struct signed_text pre_prepare;
    bool prepare_sent, prepared, commit_sent, committed;
    /* votes, one of each kind for each replica: that of its highest view */
    struct vote *prepares, *commits;
    uint32_t voters; /* replicas of which we hold a vote */
    /* what outlives the view */
    struct prepared *certificate; /* of the highest view in which this was prepared here */
    bool decided, executed;
    uint64_t decided_view;
    uint8_t decided_digest[TC_VALUE_SIZE];
    struct batch *batches[SLOT_BATCHES_MAX];
};

/* A request that waits to be executed, in base.pending. */
struct pending {
    struct tc_pending link;
    struct request *request;
    bool proposed; /* in a batch of this view */
};

struct checkpoint_vote {
    uint64_t sequence; /* 0: none */
    uint8_t digest[TC_VALUE_SIZE];
    struct signed_text text;
};

/* A quorum of checkpoints for one state. */
struct certificate {
    uint64_t sequence; /* 0: the initial state, which needs no proof */
    uint8_t digest[TC_VALUE_SIZE];
    uint32_t count;
    struct signed_text *texts;
};

/* Our own state at a checkpoint. */
struct snapshot {
    uint64_t sequence;
    uint8_t digest[TC_VALUE_SIZE];
    uint8_t *bytes;
    size_t len;
    struct snapshot *next; /* higher sequence */
};

/* What a valid view change claims to be prepared. */
struct claim {
    uint64_t sequence, view;
    uint8_t digest[TC_VALUE_SIZE];
};

/* The newest valid view change of one replica. */
struct view_change {
    uint64_t view; /* 0: none (nobody asks for view 0) */
    uint64_t stable_sequence;
    struct claim *claims;
    uint32_t claim_count;
    bool masks; /* seeded bug: an invalid claim ends the search for valid ones */
    uint8_t *body;
    size_t body_len;
    uint8_t signature[TC_SIGNATURE_SIZE];
};

/* One pre-prepare of a new view's O. */
struct order {
    uint64_t sequence;
    uint8_t digest[TC_VALUE_SIZE];
    struct signed_text text;
};

/* The new view that we entered last; empty in view 0. After a restart while we wait for a view it is empty too. */
struct new_view {
    uint64_t view;
    uint8_t *packed; /* its envelope */
    size_t packed_len;
    uint64_t stable_sequence; /* min-s */
    struct order *orders;     /* min-s+1 … max-s */
    uint32_t order_count;
};

struct peer {
    uint64_t view;        /* highest view it showed to be in */
    uint64_t answered_ns; /* when we last helped it; TC_NEVER_NS: never */
    uint64_t executed;    /* as it last told */
};

struct pbft {
    struct tc_replica_base base;
    uint32_t pipeline_max;

    /* view; base.active is false while we wait for the new view that we asked for */
    struct new_view new_view;
    struct view_change *view_changes; /* by replica, our own too */
    uint64_t view_entered_ns;

    /* log */
    struct slot *slots;  /* window entries, sequence modulo window */
    uint32_t slots_used; /* the first ones, which the log has reached; the others hold nothing yet */
    uint64_t stable;     /* h, the low watermark */
    uint64_t executed;   /* last sequence number executed */
    uint64_t next;       /* primary: the next sequence number to propose */
    uint64_t seen;       /* highest sequence number that somebody, we or f+1 others, works on */
    bool replayed;       /* we started from records */

    /* state machine */
    struct snapshot *snapshots;            /* ours, from the stable one on */
    struct certificate stable_certificate; /* proves `stable` */
    struct checkpoint_vote *checkpoints;   /* CHECKPOINT_RING for each replica */
    struct certificate ahead;              /* a stable state beyond `executed`; sequence 0: none */

    /* timers, TC_NEVER_NS when off */
    uint64_t view_deadline_ns;
    uint16_t watched_client; /* whose request the view timer waits for */
    uint64_t watched_timestamp;
    uint64_t resend_deadline_ns, resend_wait_ns;
    uint64_t transfer_deadline_ns;
    uint32_t transfer_next; /* whom to ask */

    struct peer peers[TC_REPLICAS_MAX];
};

static inline bool tc_pbft_is_primary(const struct pbft *r)
{
    return tc_replica_leader(&r->base, r->base.view) == r->base.id;
}

/* The view whose messages we listen to: the present one, or the one that we left and whose successor we wait for. */
static inline uint64_t tc_pbft_open_view(const struct pbft *r)
{
    return r->base.active ? r->base.view : r->new_view.view;
}

static inline bool tc_pbft_in_window(const struct pbft *r, uint64_t sequence)
{
    return sequence > r->stable && sequence - r->stable <= r->base.window;
}

/* Prepares of backups that, with the pre-prepare, make a prepared certificate. */
static inline uint32_t tc_pbft_prepares_needed(const struct pbft *r)
{
    uint32_t needed = r->base.quorum - 1;
    return tc_replica_bug(&r->base, TC_BUG_PREPARE_QUORUM) && needed > 0 ? needed - 1 : needed;
}

/* ---- replica_text.c ---- */

/* Signed texts and envelopes. The envelope borrows the text. */
bool tc_pbft_text_from(struct signed_text *text, const Wire__Envelope *envelope);
void tc_pbft_text_envelope(const struct signed_text *text, uint32_t type, Wire__Envelope *envelope);
/* The same, written by hand as field `id` (see fields_back.h). */
bool tc_pbft_text_put(struct tc_back *out, uint32_t id, const struct signed_text *text, uint32_t type);
/* An array of pointers to envelopes around `texts`, in the arena; NULL if out of memory. */
Wire__Envelope **tc_pbft_text_envelopes(struct pbft *r, const struct signed_text *texts, size_t count, uint32_t type);

/* ---- replica_log.c ---- */

/* The slot of a sequence number within the watermarks, cleared if it was not in use; NULL if out of memory. */
struct slot *tc_pbft_slot(struct pbft *r, uint64_t sequence);
/* The slot if it is in use, else NULL. */
struct slot *tc_pbft_slot_find(const struct pbft *r, uint64_t sequence);
void tc_pbft_slot_free(struct slot *slot);
/* Forgets what belongs to the view that the slot is in. */
void tc_pbft_slot_leave_view(struct slot *slot);
struct batch *tc_pbft_slot_batch(const struct slot *slot, const uint8_t *digest);
void tc_pbft_slot_add_batch(struct slot *slot, struct batch *batch);
/* Is everything there to execute `digest`? A null request needs nothing. */
bool tc_pbft_slot_has(const struct slot *slot, const uint8_t *digest);
/* Drops everything up to `sequence` and makes it the low watermark. */
void tc_pbft_log_advance(struct pbft *r, uint64_t sequence);
uint32_t tc_pbft_count_votes(const struct pbft *r, const struct vote *votes, uint64_t view, const uint8_t *digest);
void tc_pbft_vote_store(struct pbft *r, struct slot *slot, struct vote *votes, uint16_t sender, uint64_t view,
                        const uint8_t *digest, const struct signed_text *text);
/* Somebody works on this sequence number. */
void tc_pbft_see(struct pbft *r, uint64_t sequence);

/* ---- replica_batch.c ---- */

/* The request in an envelope, with one reference. NULL if it is none (wrong type, size, sender). Not verified. */
struct request *tc_pbft_request_from(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_request_drop(struct request *request);
/* The batch in an envelope's requests; NULL if one of them is none. Nothing is verified. One reference. */
struct batch *tc_pbft_batch_from(struct pbft *r, const Wire__Envelope *envelope);
/* A batch that takes over no references; NULL if out of memory. */
struct batch *tc_pbft_batch_new(struct pbft *r, struct request *const *requests, uint32_t count);
void tc_pbft_batch_drop(struct batch *batch);
/* Puts the batch's requests beside the body of an envelope (borrowed). */
void tc_pbft_batch_attach(struct pbft *r, const struct batch *batch, Wire__Envelope *envelope);
/* Is every request of the batch authentic? Complains if not. Requests we knew already take the place of their copies.
 */
bool tc_pbft_batch_authentic(struct pbft *r, struct batch *batch);

/* ---- replica_request.c ---- */

void tc_pbft_on_request(struct pbft *r, const Wire__Envelope *envelope);
struct pending *tc_pbft_pending_find(const struct pbft *r, uint16_t client, uint64_t timestamp);
/* The requests of an accepted batch wait too, and are not to be proposed again in this view. */
void tc_pbft_pending_note_batch(struct pbft *r, const struct batch *batch);
/* Drops what the client table makes obsolete: requests of `client`, or of everybody (TC_NODE_NONE). */
void tc_pbft_pending_prune(struct pbft *r, uint16_t client);
/* A new view: nothing is proposed yet; backups tell the new primary what waits. */
void tc_pbft_pending_new_view(struct pbft *r);
void tc_pbft_pending_forward(struct pbft *r);
void tc_pbft_pending_free(struct pbft *r);
/* The primary proposes what it may. */
void tc_pbft_propose(struct pbft *r);

/* ---- replica_agreement.c ---- */

void tc_pbft_on_pre_prepare(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_on_prepare(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_on_commit(struct pbft *r, const Wire__Envelope *envelope);
/* Takes a proposal of the open view, which the caller has checked, into its slot; says prepare if the view is active.
 * `record`: it stands in no durable record yet. May execute, and may clear the slot with it. */
void tc_pbft_accept(struct pbft *r, struct slot *slot, const uint8_t *digest, const struct signed_text *text,
                    bool record);
/* Backup: says prepare. Then looks whether the slot is prepared and committed. */
void tc_pbft_say_prepare(struct pbft *r, struct slot *slot);
void tc_pbft_check_slot(struct pbft *r, struct slot *slot);
/* Our vote for what the slot accepted, signed again, put among the votes; its frame, {NULL, 0} when that fails. */
struct tc_slice tc_pbft_own_vote(struct pbft *r, struct slot *slot, uint32_t type);

/* ---- replica_execute.c ---- */

void tc_pbft_execute(struct pbft *r);

/* ---- replica_checkpoint.c ---- */

void tc_pbft_on_checkpoint(struct pbft *r, const Wire__Envelope *envelope);
/* After executing a multiple of the interval. */
void tc_pbft_take_checkpoint(struct pbft *r);
void tc_pbft_send_checkpoint(struct pbft *r, const struct snapshot *snapshot, uint32_t to); /* TC_NODE_NONE: to all */
/* A checkpoint envelope found anywhere; verifies it. */
void tc_pbft_note_checkpoint(struct pbft *r, const Wire__Envelope *envelope);
/* Does a quorum of checkpoints certify a state at this sequence number, ours or ahead of us? */
void tc_pbft_check_stable(struct pbft *r, uint64_t sequence);
/* A valid certificate, wherever it was found: stable if we have that state, otherwise a reason to fetch it. One that
 * comes whole counts even where single checkpoints of a traitor, who said two, do not add up. May clear slots. */
void tc_pbft_take_certificate(struct pbft *r, uint64_t sequence, const uint8_t *digest, const struct signed_text *texts,
                              uint32_t count);
/* Do these envelopes prove the state `digest` at `sequence`? On success the texts are in *texts (arena). */
bool tc_pbft_certificate_valid(struct pbft *r, Wire__Envelope *const *envelopes, size_t count, uint64_t sequence,
                               const uint8_t *digest, struct signed_text **texts, uint32_t *text_count);
void tc_pbft_certificate_set(struct pbft *r, struct certificate *into, uint64_t sequence, const uint8_t *digest,
                             const struct signed_text *texts, uint32_t count);
void tc_pbft_snapshots_drop_below(struct pbft *r, uint64_t sequence);
struct snapshot *tc_pbft_snapshot_find(const struct pbft *r, uint64_t sequence);
/* Takes over `bytes` (malloc'ed). NULL if out of memory, and then it frees them. */
struct snapshot *tc_pbft_snapshot_add(struct pbft *r, uint64_t sequence, uint8_t *bytes, size_t len);

/* ---- replica_state_transfer.c ---- */

void tc_pbft_on_state_request(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_on_state(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_on_batch_request(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_on_batch(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_ask_batch(struct pbft *r, const uint8_t *digest);
void tc_pbft_ask_state(struct pbft *r, uint32_t to); /* TC_NODE_NONE: everybody */
/* The timer of a state that was asked for and did not come. */
void tc_pbft_transfer_timeout(struct pbft *r);

/* ---- replica_view_change.c, replica_view_check.c, replica_new_view.c ---- */

void tc_pbft_on_view_change(struct pbft *r, const Wire__Envelope *envelope);
void tc_pbft_view_timeout(struct pbft *r);
/* How many replicas ask for `view` or a later one. */
uint32_t tc_pbft_count_asking(const struct pbft *r, uint64_t view);
void tc_pbft_view_change_frame(struct pbft *r, struct tc_slice *frame); /* our own, to be said again */
void tc_pbft_view_change_clear(struct view_change *change);

/* Checks a view change (signature, C, P) and, if valid, fills `out` (malloc'ed parts). The first has its body already.
 */
bool tc_pbft_view_change_check(struct pbft *r, const Wire__Envelope *envelope, const Pbft__ViewChange *body,
                               bool trusted, struct view_change *out);
bool tc_pbft_view_change_read(struct pbft *r, const Wire__Envelope *envelope, bool trusted, struct view_change *out);

/* The primary of the view asked for makes the new view when it has a quorum. */
void tc_pbft_try_new_view(struct pbft *r);
void tc_pbft_on_new_view(struct pbft *r, const Wire__Envelope *envelope);
/* Enters the view of a checked (or our own, or recorded) new view. */
bool tc_pbft_enter_view(struct pbft *r, const Wire__Envelope *envelope, const Pbft__NewView *body,
                        uint64_t stable_sequence);
/* Takes the new view's proposals that now lie within the watermarks into their slots. */
void tc_pbft_apply_orders(struct pbft *r);
void tc_pbft_new_view_clear(struct new_view *new_view);

/* ---- replica_retransmit.c ---- */

/* At the end of every step: sets the view and resend timers from the state. */
void tc_pbft_update_timers(struct pbft *r);
void tc_pbft_resend_timeout(struct pbft *r);
/* Says again to `peer` what it may have missed after `executed`. */
void tc_pbft_help(struct pbft *r, uint16_t peer, uint64_t executed);
void tc_pbft_on_link(struct pbft *r, uint16_t peer);
void tc_pbft_note_peer_view(struct pbft *r, uint16_t peer, uint64_t view);
/* May we answer this peer's call for help now? Counts as answered if so. */
bool tc_pbft_may_help(struct pbft *r, uint16_t peer);
void tc_pbft_send_new_view(struct pbft *r, uint16_t peer);

/* ---- replica_durable.c, replica_replay.c ---- */

void tc_pbft_record_pre_prepare(struct pbft *r, const struct slot *slot);
void tc_pbft_record_prepared(struct pbft *r, const struct prepared *certificate);
void tc_pbft_record_committed(struct pbft *r, const struct slot *slot);
void tc_pbft_record_batch(struct pbft *r, uint64_t sequence, const struct batch *batch);
void tc_pbft_record_envelope(struct pbft *r, const Wire__Envelope *envelope); /* VIEW-CHANGE (ours), NEW-VIEW */
void tc_pbft_record_snapshot(struct pbft *r);
/* 0, TC_EMALFORMED, TC_EMEMORY. */
int tc_pbft_replay(struct pbft *r, struct tc_slice record);
void tc_pbft_replay_end(struct pbft *r);

/* Record kinds: the first byte. */
enum { RECORD_ENVELOPE = 1, RECORD_PRE_PREPARE, RECORD_PREPARED, RECORD_COMMITTED, RECORD_BATCH, RECORD_SNAPSHOT };

/* A packed Prepared in the arena; base NULL pointers if out of memory. */
bool tc_pbft_prepared_message(struct pbft *r, const struct prepared *certificate, Pbft__Prepared *out);

#endif
