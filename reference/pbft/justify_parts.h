/* What the files justify_*.c share: the memory of what every replica said and was offered.
 *
 * Votes and proposals live in a ring of slots, one a sequence number; a slot has a chain of *ballots*, one a
 * (view, digest). A ballot holds, for each replica, the set of signers whose prepare or commit it was offered. What is
 * not known to be genuine waits as a *text* beside the ballot and is verified when a judgement would otherwise fail. */
#ifndef TC_PBFT_JUSTIFY_PARTS_H
#define TC_PBFT_JUSTIFY_PARTS_H

#include <string.h>

#include "../../proxy/nodeset.h"
#include "protocol.h"
#include "wire.h"

#define JUSTIFY_NONE      UINT32_MAX /* no index */
#define BALLOTS_SLOT_MAX  24         /* different (view, digest) remembered for one sequence number */
#define TEXTS_FIRST       64
#define TEXTS_MAX         8192 /* votes that wait for verification */
#define TEXT_BODY_MAX     96
#define NEW_VIEWS_MAX     32
#define NEW_VIEW_SIZE_MAX (1u << 20)
#define ASKED_MAX         32 /* views for which we remember who asked */
#define JUDGED_MAX        16 /* view changes of a replica remembered as judged */
#define FRAMES_MAX        1024
#define FRAME_BYTES_FIRST (64u << 10)
#define FRAME_BYTES_MAX   (4u << 20)
#define SUPPORT_MAX       12
#define GENUINE_FIRST     256   /* remembered verdicts on signatures; it grows to */
#define GENUINE_MAX       32768 /* both powers of two */
#define BALLOT_BYTES_MAX  (64u << 20)
#define SCRATCH_MAX       (64u << 20)

struct justify_set {
    uint64_t words[TC_REPLICAS_MAX / 64];
};

static inline bool justify_has(const struct justify_set *set, uint32_t node)
{
    return node < TC_REPLICAS_MAX && ((set->words[node / 64] >> (node % 64)) & 1u);
}

static inline void justify_add(struct justify_set *set, uint32_t node)
{
    if (node < TC_REPLICAS_MAX)
        set->words[node / 64] |= UINT64_C(1) << (node % 64);
}

static inline void justify_drop(struct justify_set *set, uint32_t node)
{
    if (node < TC_REPLICAS_MAX)
        set->words[node / 64] &= ~(UINT64_C(1) << (node % 64));
}

static inline uint32_t justify_count(const struct justify_set *set)
{
    return tc_bits_count(set->words[0]) + tc_bits_count(set->words[1]);
}

enum justify_class { JUSTIFY_PROPOSE, JUSTIFY_PREPARE, JUSTIFY_COMMIT, JUSTIFY_CLASSES };

/* A vote or proposal whose signature nobody vouches for. */
struct justify_text {
    uint32_t next;
    uint16_t signer;
    uint8_t class; /* enum justify_class */
    uint8_t body_len;
    struct justify_set receivers;
    uint8_t body[TEXT_BODY_MAX];
    uint8_t signature[TC_SIGNATURE_SIZE];
};

struct justify_ballot {
    uint64_t view;
    uint8_t digest[TC_VALUE_SIZE];
    uint32_t next, texts;
    struct justify_set said[JUSTIFY_CLASSES];    /* who said it: propose, prepare, commit */
    struct justify_set vouched[JUSTIFY_CLASSES]; /* whose genuine text of it was vouched for, which is dear */
    struct justify_set proposed;                 /* who was offered the leader's pre-prepare */
    struct justify_set offered[]; /* signers of prepares offered to replica r at [r], of commits at [n+r] */
};

struct justify_slot {
    uint64_t sequence;
    uint64_t born; /* event at which it was first spoken of */
    uint32_t first;
    uint16_t ballots;
    bool used, overflow; /* overflow: something could not be kept; what is missing proves nothing */
};

/* One connection from a replica to a peer. */
struct justify_link {
    uint32_t conn;
    bool open;
    uint64_t born;  /* event of its hello */
    uint64_t asked; /* highest view asked for on it */
};

struct justify_replica {
    bool seen, fresh;     /* fresh: watched since its first breath */
    uint64_t top;         /* highest sequence number it spoke of */
    uint64_t floor;       /* up to here it may know what we do not */
    uint64_t view_floor;  /* likewise for views */
    bool placed;          /* not fresh, and has said which view it came from: */
    uint64_t first_view;  /* it was in no later one before we watched */
    uint64_t entered;     /* highest view known to be entered rightly */
    uint64_t entered_top; /* up to here a new view of that view gives orders */
    uint64_t executed;    /* checkpoints justified up to here */
    uint64_t transferred; /* a certified state up to here was offered */
    uint64_t judged[JUDGED_MAX];
    uint32_t judged_count;
    uint64_t judged_message; /* hash of the one looked for last */
    struct justify_link links[TC_NODES_MAX];
};

enum justify_verdict { JUSTIFY_UNKNOWN, JUSTIFY_VALID, JUSTIFY_NO_QUORUM, JUSTIFY_WRONG_ORDERS, JUSTIFY_UNREADABLE };

struct justify_new_view {
    bool used;
    uint64_t view, id;
    struct justify_set offered;
    uint8_t *frame;
    size_t frame_len;
    enum justify_verdict verdict;
    char why[200];
    uint64_t stable; /* min-s; orders are for stable+1 … stable+order_count */
    uint32_t order_count;
    uint8_t (*orders)[TC_VALUE_SIZE];
};

struct justify_asked {
    bool used;
    uint64_t view;
    struct justify_set *senders; /* of view changes for `view` offered to replica r */
};

struct justify_frame {
    uint64_t sequence, view, offset;
    uint32_t len;
    uint16_t from, to;
    bool gives_orders; /* a new view: it speaks of every sequence number of its view */
};

struct tc_justifier {
    struct tc_protocol_env env;
    tc_breach_fn *sink;
    void *self;
    uint32_t n, quorum;
    uint64_t events, judged, unjudged;
    uint64_t late;            /* of the unjudged: they may rest on what was said before we watched */
    uint64_t last_checkpoint; /* the highest sequence number of one that anybody said */
    bool fresh;               /* the first statement of all was the cluster's first */
    bool spoken;
    /* slots and ballots */
    uint64_t base; /* lowest sequence number in the ring */
    struct justify_slot *slots;
    uint32_t slot_count;
    uint8_t *ballots;
    size_t ballot_size;
    uint32_t ballot_free, ballots_used, ballots_max; /* given back; ever used, of so many */
    struct justify_text *texts;
    uint32_t text_free, texts_used, texts_size;
    uint64_t dropped_low, dropped_high; /* sequence numbers beyond the ring when they were offered; low > high: none */
    struct justify_replica *replicas;
    /* views */
    struct justify_new_view new_views[NEW_VIEWS_MAX];
    struct justify_asked asked[ASKED_MAX];
    uint64_t view_forgotten; /* evidence about views up to here may be gone */
    /* signatures */
    uint64_t *genuine;
    uint32_t genuine_size, genuine_count;
    struct tc_arena scratch;
    /* frames that may support a claim */
    struct justify_frame *frames;
    uint8_t *frame_bytes; /* a ring once it has grown to FRAME_BYTES_MAX */
    size_t frame_bytes_size;
    uint64_t frame_head, frame_bytes_head;
    struct tc_slice support[SUPPORT_MAX];
    size_t support_count;
    uint8_t *support_bytes; /* NULL until something is to be supported */
    size_t support_used;
};

/* ---- justify_table.c ---- */

bool tc_justify_table_init(struct tc_justifier *j);
void tc_justify_table_free(struct tc_justifier *j);
/* A slot of the ring that was another sequence number's: emptied for this one. */
void tc_justify_slot_begin(struct tc_justifier *j, struct justify_slot *slot, uint64_t sequence);
/* The slot of a sequence number; NULL if it lies outside the ring. Here, for each message asks for it twice. */
static inline struct justify_slot *tc_justify_slot(struct tc_justifier *j, uint64_t sequence)
{
    if (sequence < j->base || sequence - j->base >= j->slot_count)
        return NULL;
    struct justify_slot *slot = &j->slots[sequence & (j->slot_count - 1)];
    if (!slot->used || slot->sequence != sequence)
        tc_justify_slot_begin(j, slot, sequence);
    return slot;
}
/* The index-th ballot in the pool; the next of a chain is tc_justify_at(j, ballot->next) while that is not NONE. */
static inline struct justify_ballot *tc_justify_at(const struct tc_justifier *j, uint32_t index)
{
    return (struct justify_ballot *)(void *)(j->ballots + index * j->ballot_size);
}
static inline bool tc_justify_is(const struct justify_ballot *ballot, uint64_t view, const uint8_t *digest)
{
    return ballot->view == view && memcmp(ballot->digest, digest, TC_VALUE_SIZE) == 0;
}
/* The ballot for (view, digest); made if `make` and there is room (else the slot overflows), or NULL. */
struct justify_ballot *tc_justify_ballot(struct tc_justifier *j, struct justify_slot *slot, uint64_t view,
                                         const uint8_t *digest, bool make);
/* The same, which looks at the slot's only ballot (of nearly all slots) at once. */
static inline struct justify_ballot *tc_justify_ballot_of(struct tc_justifier *j, struct justify_slot *slot,
                                                          uint64_t view, const uint8_t *digest)
{
    struct justify_ballot *first = slot->first != JUSTIFY_NONE ? tc_justify_at(j, slot->first) : NULL;
    return first && tc_justify_is(first, view, digest) ? first : tc_justify_ballot(j, slot, view, digest, true);
}
/* Replica spoke of this sequence number: the ring may move if it is its highest. */
void tc_justify_spoke_higher(struct tc_justifier *j, uint16_t replica, uint64_t sequence);
static inline void tc_justify_spoke(struct tc_justifier *j, uint16_t replica, uint64_t sequence)
{
    if (sequence > j->replicas[replica].top)
        tc_justify_spoke_higher(j, replica, sequence);
}
/* A proposal or vote was offered to `replica`. */
void tc_justify_offer(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s, enum justify_class class,
                      bool genuine);
/* Verifies all texts of a ballot and counts the genuine ones. */
void tc_justify_resolve(struct tc_justifier *j, struct justify_ballot *ballot);
static inline struct justify_set *tc_justify_offered(const struct tc_justifier *j, struct justify_ballot *ballot,
                                                     enum justify_class class, uint32_t replica)
{
    return &ballot->offered[(class == JUSTIFY_COMMIT ? j->n : 0) + replica];
}

/* ---- justify_genuine.c ---- */

/* What is known of a signature without checking it: 1 genuine, 0 false, -1 unknown. */
int tc_justify_known(const struct tc_justifier *j, uint32_t type, uint32_t signer, struct tc_slice body,
                     struct tc_slice signature);
void tc_justify_vouch(struct tc_justifier *j, uint32_t type, uint32_t signer, struct tc_slice body,
                      struct tc_slice signature, bool genuine);
/* Is the envelope signed by its sender? Asked twice, it remembers. */
bool tc_justify_genuine(struct tc_justifier *j, const Wire__Envelope *envelope);

/* ---- justify_report.c ---- */

/* Keeps what was offered to replica `to`, other than proposals and votes, for a breach to come. */
void tc_justify_keep_frame(struct tc_justifier *j, const struct tc_message *m, uint16_t to);
/* Tells the sink. Support: frames about (view and) sequence that the replica was offered or that it said, and new views
 * of that view; of sequence 0 those about `view`. */
void tc_justify_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *rule,
                       const char *section, uint64_t view, uint64_t sequence, const char *format, ...)
    __attribute__((cold, format(printf, 8, 9)));
/* "0, 2" into `buffer`; "nobody" for the empty set. */
const char *tc_justify_list(const struct justify_set *set, char *buffer, size_t size);
/* The first four bytes of a digest in hexadecimal, or "nil". */
const char *tc_justify_short(const uint8_t *digest, char buffer[static 16]);

/* ---- justify_votes.c ---- */

static inline uint16_t tc_justify_leader(const struct tc_justifier *j, uint64_t view)
{
    return j->env.leader ? j->env.leader(j->env.cluster, view) : (uint16_t)(view % j->n);
}

/* May a missing piece of evidence about this slot be blamed on the replica? `view`: it is about this one alone;
 * JUSTIFY_ANY_VIEW: it may have come in any. If not, the statement is counted as not judged. */
#define JUSTIFY_ANY_VIEW 0
bool tc_justify_judgeable(struct tc_justifier *j, uint16_t replica, const struct justify_slot *slot, uint64_t view);
void tc_justify_said_proposal(struct tc_justifier *j, uint16_t replica, const struct tc_message *m,
                              const struct tc_statement *s);
void tc_justify_said_vote(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);

/* ---- justify_execution.c ---- */

void tc_justify_said_checkpoint(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
void tc_justify_executed(struct tc_justifier *j, const struct tc_observation *observation);
void tc_justify_heard_state(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);

/* ---- justify_certificate.c: what a view change claims, and whether it may ---- */

struct justify_claim {
    uint64_t sequence, view;
    uint8_t digest[TC_VALUE_SIZE];
    bool valid;
    const char *why; /* it is not */
};

struct justify_change {
    uint16_t sender;
    uint64_t view, stable;
    bool stable_valid; /* its C proves `stable` */
    struct justify_claim *claims;
    uint32_t claim_count;
    bool claims_valid; /* all of them */
};

/* Quorum of genuine checkpoints of different replicas for (sequence, digest)? */
bool tc_justify_stable_proven(struct tc_justifier *j, Wire__Envelope *const *envelopes, size_t count, uint64_t sequence,
                              ProtobufCBinaryData digest);
/* Reads a view change's body into scratch. false: out of scratch. */
bool tc_justify_read_change(struct tc_justifier *j, uint16_t sender, const Pbft__ViewChange *body,
                            struct justify_change *change);
/* The claim for a sequence number with the highest view, valid ones first; NULL if there is none. */
const struct justify_claim *tc_justify_claim(const struct justify_change *change, uint64_t sequence);

/* ---- justify_views.c ---- */

void tc_justify_said_view_change(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
void tc_justify_said_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
void tc_justify_heard_view_change(struct tc_justifier *j, uint16_t replica, uint64_t view, uint16_t sender);
void tc_justify_heard_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
void tc_justify_views_free(struct tc_justifier *j);
/* May `replica` speak in `view` (about sequence and digest, if digest is not NULL)? Reports the breach if not and
 * returns false. */
bool tc_justify_in_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *verb,
                        uint64_t view, uint64_t sequence, const uint8_t *digest);
/* The new view's record judged; fills verdict, orders and why. */
void tc_justify_weigh(struct tc_justifier *j, struct justify_new_view *record);

#endif
