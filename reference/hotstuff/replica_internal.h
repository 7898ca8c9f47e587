/* What the files of the HotStuff replicas share. Nobody outside reference/hotstuff/replica*.c includes this.
 *
 * One file per concern: replica.c (the step), replica_block.c
 * (the tree of blocks), replica_request.c (what clients want), replica_certificate.c (votes, quorum and timeout
 * certificates), replica_pack.c (certificates, and the messages that carry them, as bytes), replica_propose.c and
 * replica_vote.c (both variants' normal case), replica_pacemaker.c (views), replica_execute.c, replica_sync.c (blocks
 * and states for those that lag), replica_durable.c (records out and in).
 *
 * What every reference replica has, a step's outputs above all, is in ../replica_base.h. */
#ifndef TC_HOTSTUFF_REPLICA_INTERNAL_H
#define TC_HOTSTUFF_REPLICA_INTERNAL_H

#include "../../proxy/nodeset.h"
#include "../fields_back.h"
#include "../replica_base.h"
#include "replica.h"
#include "wire.h"

#define BLOCKS_OPEN_MAX    1024 /* blocks above the executed height that we keep before we sort out */
#define FETCH_FRAMES_MAX   32   /* blocks sent for one request */
#define FETCH_BYTES_MAX    (1u << 20)
#define PROPOSALS_VIEW_MAX 4 /* different proposals of one view that we keep */

/* One replica's signature, part of a certificate. */
struct share {
    uint16_t signer;
    uint8_t signature[TC_SIGNATURE_SIZE];
};

/* A point in the tree of blocks: what a vote names. */
struct point {
    uint64_t view, sequence;
    uint8_t digest[TC_VALUE_SIZE];
};

/* A quorum certificate, or with type TIMEOUT a timeout certificate for at.view. view 0: the genesis block's, or none.
 */
struct certificate {
    uint32_t type;
    struct point at;
    uint32_t count;
    struct share *shares;   /* of one that is kept: malloc'ed, with `packed` */
    struct tc_slice packed; /* as it stands in messages, without its head; NULL of one that is not kept */
};

/* What a new-view message says beside the view and the highest certificate. */
struct new_view {
    bool decide, timeout;                  /* our certificates of these kinds */
    struct tc_slice share, vote_signature; /* {NULL, 0}: none; the second comes with our last vote */
};

struct request_id {
    uint16_t client;
    uint64_t timestamp;
};

struct block {
    struct block *next; /* in its bucket */
    struct point at;
    uint8_t parent[TC_VALUE_SIZE];
    bool keep; /* marked while sorting out */
    uint32_t count;
    struct request_id *ids; /* of its requests */
    uint8_t *packed;        /* the Envelope of type BLOCK */
    size_t packed_len;
};

/* A request that waits to be executed, in base.pending. */
struct pending {
    struct tc_pending link;
    uint64_t mark; /* equal to hotstuff.mark: stands in a block that is not executed yet */
    uint8_t digest[TC_VALUE_SIZE];
    uint8_t *packed; /* the client's envelope, malloc'ed */
    size_t packed_len;
};

/* The newest vote of one replica and phase. */
struct vote {
    bool present;
    struct point at;
    uint8_t signature[TC_SIGNATURE_SIZE];
};

enum { PHASE_PREPARE = 0, PHASE_PRE_COMMIT, PHASE_COMMIT, PHASE_GENERIC, PHASE_COUNT };

struct peer {
    uint64_t ready_view; /* highest view for which it sent a new-view message */
    uint64_t asked_view; /* highest view that it asked for after a timeout, and its share */
    uint8_t share[TC_SIGNATURE_SIZE];
    uint64_t helped_ns;    /* TC_NEVER_NS: never */
    uint64_t state_ns;     /* when we sent it a state */
    uint64_t offer_height; /* the state that it offered last */
    uint8_t offer_digest[TC_VALUE_SIZE];
};

struct hotstuff {
    struct tc_replica_base base;
    bool chained;
    bool dirty; /* what is durable of the voting changed in this step */

    /* view; base.active is false while we wait for a quorum that asks for it too */
    struct certificate timeout_certificate;
    struct peer *peers; /* n */

    /* voting (PODC'19 algorithms 2 and 3) */
    struct certificate high;    /* prepareQC, chained: genericQC */
    struct point locked;        /* what lockedQC certifies */
    struct certificate decided; /* basic: the newest commitQC */
    uint32_t voted_type;
    struct point voted;
    struct point waiting, waiting_on; /* chained: a proposal whose vote waits for blocks, and what it extends */
    struct vote *votes;               /* PHASE_COUNT for each replica */
    uint64_t proposed_view;
    uint64_t crowd_view; /* how many blocks came for it */
    uint32_t crowd;
    uint32_t said_type; /* the leader's last message of `said_view`, to be said again */
    uint64_t said_view;
    uint8_t *said;
    size_t said_len;

    /* blocks */
    struct block **buckets;
    uint32_t bucket_count, open_count, block_count; /* open: what pruning counts; block: all */
    struct point executed;
    struct point target; /* committed, perhaps not executed yet for want of blocks */
    uint8_t wanted[TC_VALUE_SIZE];
    bool wants;
    uint64_t wanted_ns;
    uint32_t wanted_next;  /* whom to ask next */
    uint32_t wanted_taken; /* blocks that came since we asked */

    /* state machine */
    struct point stable; /* of our newest snapshot */
    uint8_t *snapshot;
    size_t snapshot_len;

    uint64_t mark; /* see struct pending */

    /* timers, TC_NEVER_NS when off */
    uint64_t view_deadline_ns, resend_deadline_ns, resend_wait_ns;
};

/* Votes that make a quorum certificate. */
static inline uint32_t tc_hotstuff_votes_needed(const struct hotstuff *r)
{
    return tc_replica_bug(&r->base, TC_BUG_CERTIFICATE_QUORUM) && r->base.quorum > 1 ? r->base.quorum - 1
                                                                                     : r->base.quorum;
}

static inline uint32_t tc_hotstuff_phase(uint32_t type)
{
    return type == HOTSTUFF__TYPE__GENERIC_VOTE ? PHASE_GENERIC : type - HOTSTUFF__TYPE__PREPARE_VOTE;
}

/* The votes whose certificate a proposal extends. */
static inline uint32_t tc_hotstuff_first_vote(const struct hotstuff *r)
{
    return r->chained ? HOTSTUFF__TYPE__GENERIC_VOTE : HOTSTUFF__TYPE__PREPARE_VOTE;
}

/* ---- replica_certificate.c ---- */

/* Did `signer` sign this body of a message of that type? */
bool tc_hotstuff_signed(struct hotstuff *r, uint32_t signer, uint32_t type, struct tc_slice body,
                        struct tc_slice signature);
void tc_hotstuff_certificate_clear(struct certificate *certificate);
void tc_hotstuff_certificate_copy(struct hotstuff *r, struct certificate *into, const struct certificate *from);
/* Reads one (shares in the arena) and checks it: a quorum of distinct members, good signatures, one of votes `type`. A
 * missing one, or one of view 0 without signers, is the genesis block's where `genesis` allows it. */
bool tc_hotstuff_certificate_read(struct hotstuff *r, const Hotstuff__Certificate *message, uint32_t type, bool genesis,
                                  struct certificate *out);
bool tc_hotstuff_timeout_read(struct hotstuff *r, const Hotstuff__TimeoutCertificate *message, uint64_t view,
                              struct certificate *out);
/* For the wire or the disk, in the arena; NULL for the genesis block's (or none), and when out of memory. */
Hotstuff__Certificate *tc_hotstuff_certificate_message(struct hotstuff *r, const struct certificate *certificate);
Hotstuff__TimeoutCertificate *tc_hotstuff_timeout_message(struct hotstuff *r, const struct certificate *certificate);
/* From our own disk, unchecked but for its shape; shares malloc'ed. */
bool tc_hotstuff_certificate_load(struct hotstuff *r, const Hotstuff__Certificate *message, struct certificate *out);
bool tc_hotstuff_timeout_load(struct hotstuff *r, const Hotstuff__TimeoutCertificate *message, struct certificate *out);
/* Takes a verified vote; true if a certificate came of it, which is then in *out (arena). */
bool tc_hotstuff_tally(struct hotstuff *r, uint16_t sender, uint32_t type, const struct point *at,
                       const uint8_t *signature, struct certificate *out);
Hotstuff__Vote *tc_hotstuff_point_message(struct hotstuff *r, const struct point *at);
bool tc_hotstuff_point_read(const Hotstuff__Vote *message, struct point *at);

/* ---- replica_pack.c ---- */

/* A point and a certificate, written by hand as field `id` (see fields_back.h); nothing for the certificate of the
 * genesis block, or none. A certificate of type TIMEOUT is a TimeoutCertificate. */
bool tc_hotstuff_point_put(struct tc_back *out, uint32_t id, const struct point *at);
bool tc_hotstuff_certificate_put(struct tc_back *out, uint32_t id, const struct certificate *certificate);
size_t tc_hotstuff_certificate_size_max(const struct certificate *certificate); /* with its head */
/* Packs it into `room` of that size, for later. */
void tc_hotstuff_certificate_pack(struct certificate *certificate, uint8_t *room, size_t size);
/* Bodies, in the arena; {NULL, 0} when out of memory. */
struct tc_slice tc_hotstuff_announcement_pack(struct hotstuff *r, const struct certificate *certificate);
struct tc_slice tc_hotstuff_proposal_pack(struct hotstuff *r, const struct point *at, const struct certificate *justify,
                                          const struct certificate *timeout);
struct tc_slice tc_hotstuff_new_view_pack(struct hotstuff *r, const struct new_view *parts);

/* ---- replica_block.c ---- */

struct block *tc_hotstuff_block_find(const struct hotstuff *r, const uint8_t *digest);
/* Keeps the block with these requests (envelope->requests); NULL when out of memory or a request is malformed. */
struct block *tc_hotstuff_block_add(struct hotstuff *r, const struct point *at, const uint8_t *parent,
                                    const Wire__Envelope *envelope);
/* The requests of a block, unpacked into the arena; NULL when out of memory. */
Wire__Envelope *tc_hotstuff_block_envelope(struct hotstuff *r, const struct block *block);
/* Is `ancestor` on the way from `digest` to the executed block? missing: the way is not known whole. */
bool tc_hotstuff_extends(const struct hotstuff *r, const uint8_t *digest, const struct point *ancestor);
/* Drops what is not needed any more. */
void tc_hotstuff_blocks_prune(struct hotstuff *r);
void tc_hotstuff_blocks_free(struct hotstuff *r);

/* ---- replica_request.c ---- */

void tc_hotstuff_on_request(struct hotstuff *r, const Wire__Envelope *envelope);
/* Is the envelope a well-formed request? Fills client, timestamp and digest. Not verified. */
bool tc_hotstuff_request_read(struct hotstuff *r, const Wire__Envelope *envelope, struct request_id *id,
                              uint8_t *digest, struct tc_slice *operation);
/* Are all requests beside a proposal well-formed and authentic? Those we did not know wait from now on too. */
bool tc_hotstuff_requests_take(struct hotstuff *r, const Wire__Envelope *envelope);
/* Drops what the client table makes obsolete. */
void tc_hotstuff_pending_prune(struct hotstuff *r);
/* What may be proposed on top of `parent`: not in any block between the executed one and it. false: that way is not
 * known. */
bool tc_hotstuff_gather(struct hotstuff *r, const struct certificate *parent, Wire__Envelope ***requests, size_t *count,
                        bool *unfinished);
void tc_hotstuff_pending_forward(struct hotstuff *r);
void tc_hotstuff_pending_free(struct hotstuff *r);

/* ---- replica_propose.c, replica_vote.c ---- */

/* The leader proposes, or goes on to the next phase, when it may. */
void tc_hotstuff_propose(struct hotstuff *r);
void tc_hotstuff_announce(struct hotstuff *r, uint32_t type, const struct certificate *certificate);
void tc_hotstuff_on_proposal(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_on_announcement(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_on_vote(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_take_vote(struct hotstuff *r, uint16_t sender, uint32_t type, const struct point *at,
                           const uint8_t *signature);
/* Votes for a block we hold, if the rules allow it (PODC'19 safeNode). */
void tc_hotstuff_vote_block(struct hotstuff *r, const struct block *block, const struct certificate *justify);
/* Blocks came: perhaps the present proposal can be voted for now. */
void tc_hotstuff_vote_waiting(struct hotstuff *r);
void tc_hotstuff_resend_vote(struct hotstuff *r);
/* Our vote for that point, signed, in the arena. false: complained about. */
bool tc_hotstuff_vote_sign(struct hotstuff *r, uint32_t type, const struct point *at, Wire__Envelope *vote);
/* What a certificate means for us: prepareQC/genericQC, and with it the chained rules for lock and commit. */
void tc_hotstuff_learn(struct hotstuff *r, const struct certificate *certificate);
void tc_hotstuff_chain_rules(struct hotstuff *r);
/* A commitQC (basic). */
void tc_hotstuff_decide(struct hotstuff *r, const struct certificate *certificate);

/* ---- replica_pacemaker.c ---- */

/* Enters a view for which there is evidence; nothing if we are there or beyond. */
void tc_hotstuff_enter(struct hotstuff *r, uint64_t view);
void tc_hotstuff_on_new_view(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_view_timeout(struct hotstuff *r);
/* After a restart in the middle of a question for a view: what it asked before counts still. */
void tc_hotstuff_resume(struct hotstuff *r);
void tc_hotstuff_resend_timeout(struct hotstuff *r);
void tc_hotstuff_update_timers(struct hotstuff *r);
/* Tells a peer where we are: certificates, and what was decided last. */
void tc_hotstuff_help(struct hotstuff *r, uint16_t peer);

/* ---- replica_execute.c ---- */

/* The block at this point is committed: executes it and its ancestors, or fetches what is missing. */
void tc_hotstuff_commit(struct hotstuff *r, const struct point *at);
void tc_hotstuff_execute(struct hotstuff *r);
/* Tells of the stable state. */
void tc_hotstuff_observe_stable(struct hotstuff *r);

/* ---- replica_sync.c ---- */

void tc_hotstuff_want(struct hotstuff *r, const uint8_t *digest);
void tc_hotstuff_ask_again(struct hotstuff *r);
void tc_hotstuff_on_block_request(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_on_block(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_on_state_request(struct hotstuff *r, const Wire__Envelope *envelope);
void tc_hotstuff_on_state(struct hotstuff *r, const Wire__Envelope *envelope);

/* ---- replica_durable.c ---- */

void tc_hotstuff_record_block(struct hotstuff *r, const struct block *block);
void tc_hotstuff_record_voting(struct hotstuff *r);
void tc_hotstuff_record_snapshot(struct hotstuff *r);
/* 0, TC_EMALFORMED, TC_EMEMORY. */
int tc_hotstuff_replay(struct hotstuff *r, struct tc_slice record);
int tc_hotstuff_replay_end(struct hotstuff *r);
void tc_hotstuff_state_message(struct hotstuff *r, Hotstuff__State *out);
int tc_hotstuff_state_load(struct hotstuff *r, const Hotstuff__State *state);

#endif
