/* What a protocol provides: framing, decoding, the meaning of its messages, signing, and the rules
 * that oracles need. One `struct tc_protocol` per folder of reference/, listed in protocol.c.
 *
 * All functions are pure: no I/O, no clock, no randomness of their own, no global state. */
#ifndef TC_PROTOCOL_H
#define TC_PROTOCOL_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"
#include "cluster.h"
#include "crypto.h"
#include "transport.h"

#define TC_FRAME_PARTIAL   0
#define TC_FRAME_MALFORMED (-1)

/* What happens to a message that is lost on a link without the connection being cut. */
enum tc_loss {
    TC_LOSS_RETRANSMITTED,  /* the protocol says it again by itself, in the time that recovery_bound_ns allows */
    TC_LOSS_RESYNCHRONISED, /* said again when the connection comes back */
    TC_LOSS_FINAL           /* lost for good: an unsevered drop is an unhealed fault */
};

/* What a replica's votes bind it to afterwards (theory, O5). */
enum tc_lock_rule {
    TC_LOCK_NONE = 0,
    TC_LOCK_COMMIT,    /* a commit vote locks its block: a later first vote is for a block that extends it, or that a
                          certificate of a later view justifies */
    TC_LOCK_TWO_CHAIN, /* a vote locks the grandparent of its block: likewise */
    TC_LOCK_CARRIED    /* what a commit vote names is carried, certified, by every later view change until a checkpoint
                          covers it */
};

/* An operation on the key-value store that every reference protocol replicates. */
enum tc_kv_code { TC_KV_GET = 0, TC_KV_PUT, TC_KV_DELETE, TC_KV_COMPARE_AND_SWAP };

struct tc_kv_operation {
    enum tc_kv_code code;
    struct tc_slice key, value, expected; /* value: put, swap; expected: swap */
};

/* Its result. GET, DELETE: the key was there; PUT: it was stored; COMPARE_AND_SWAP: it was swapped. `value`: what a GET
 * found; what a COMPARE_AND_SWAP that failed found instead (empty if nothing). */
struct tc_kv_result {
    bool found;
    struct tc_slice value;
};

/* One type of message: its schema and which of its fields play which part. Field names are those of
 * the .proto, of the body; NULL where the type has no such field. */
struct tc_message_row {
    uint32_t wire_type; /* the number the envelope carries */
    const char *name;   /* the protocol's own name, e.g. "pre-prepare" */
    enum tc_kind kind;
    enum tc_phase phase;
    const void *descriptor; /* const ProtobufCMessageDescriptor * of the body */
    const char *view_field, *sequence_field, *value_field;
    bool is_signed;
};

/* Everything a protocol function needs beside its arguments. Owned by the engine, the oracle
 * environment or the replica; borrowed by the protocol. */
struct tc_protocol_env {
    const struct tc_cluster *cluster;
    struct tc_keyring *keys;
    /* Who leads a view; NULL = the protocol's own rotation. The simulation may dictate it. */
    uint16_t (*leader)(const struct tc_cluster *cluster, uint64_t view);
};

/* What becomes of a frame that may belong to a message of several frames (a proposal and the block it names). */
enum tc_gather {
    TC_GATHER_PASS = 0, /* no part of one: it goes on alone, what is kept waits */
    TC_GATHER_KEEP,     /* the next frame of it: kept */
    TC_GATHER_WHOLE,    /* the last: what is kept and this are one message */
    TC_GATHER_LOSE      /* what is kept will not become whole: it goes on as it is, then this is looked at anew */
};

/* What a protocol remembers of the frames that are kept on one lane; zeroed: none are. */
struct tc_gathering {
    uint64_t sequence, view;
    uint32_t kept, wanted; /* frames */
};

/* The justification oracle's eyes: what a rule breach looks like. `message` is the offending
 * statement, `rule` a short name ("commit-without-prepared"), `text` the sentence. */
struct tc_breach {
    uint16_t replica;
    const char *rule;
    const char *section; /* of the paper, e.g. "OSDI'99 §4.2" */
    char text[512];
    const struct tc_message *message; /* what was said; NULL for an execution */
    const struct tc_statement *statement;
    uint64_t view, sequence; /* the slot that the claim is about; sequence 0: that of the statement */
    /* Frames that support the claim beside the proposals and votes of its slot, which the oracles keep for all (e.g.
     * the new view that gave other orders): copies owned by the justifier, valid until its next call. */
    const struct tc_slice *support;
    size_t support_count;
};

typedef void tc_breach_fn(void *self, const struct tc_breach *breach);

/* Judges whether each replica could, by the rules, say what it said, from all it said before and all
 * it was ever offered (an over-approximation of what it knows, so never a false alarm). Written apart
 * from the replica's code. Memory is bounded by the window; what leaves it is forgotten and what
 * depends on it is not judged (counted in `unjudged`). */
struct tc_justifier; /* opaque, per protocol */

struct tc_justifier_ops {
    /* NULL if out of memory. `sink` is called for each breach, with `self`. env is borrowed for life. */
    struct tc_justifier *(*create)(const struct tc_protocol_env *env, tc_breach_fn *sink, void *self);
    /* `replica` said m on its own link. Call before `heard` of the same message. Never fails. */
    void (*said)(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
    /* m was offered to `replica`. `trusted`: the bytes are those that m->from, a correct replica, said,
     * so its signature need not be checked again. */
    void (*heard)(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, bool trusted);
    /* A log-line fact of a replica: execution, view, stable checkpoint, or process start. */
    void (*observed)(struct tc_justifier *j, const struct tc_observation *observation);
    /* How many statements were judged, how many could not be, and how many of those because the cluster ran before we
     * watched it and they may rest on what was said then. */
    void (*counts)(const struct tc_justifier *j, uint64_t *judged, uint64_t *unjudged, uint64_t *late);
    void (*destroy)(struct tc_justifier *j);
};

struct tc_protocol {
    const char *name;    /* "pbft" */
    const char *summary; /* one line for `turncoat list` */
    const struct tc_message_row *rows;
    size_t row_count;
    enum tc_loss loss;
    const struct tc_transport_class *transport; /* its links are encrypted; NULL: plain TCP */
    bool hello_names_dialler;                   /* the first frame of a connection names its sender */
    bool decides_always; /* it decides without being asked to (empty blocks): a decision is always due */
    bool blocks_accuse;  /* its blocks bear evidence against who signed twice */
    bool votes_weigh;    /* members come and go and their votes have weights, both of which replicas tell */
    bool views_restart;  /* views count anew with every sequence number (rounds of a height) */

    /* The frame at the start of `in`: its length with delimiter (> 0), TC_FRAME_PARTIAL if more bytes are
     * needed, TC_FRAME_MALFORMED if no frame can start so or it would pass TC_FRAME_MAX. Reads only `in`. */
    int64_t (*frame)(struct tc_slice in);

    /* Decodes one whole frame. On success fills envelope, sender, type, statements and `decoded`
     * (frame is set, from/to/conn/key/occurrence are left alone); everything lives in `arena` or borrows
     * from `frame`. TC_EMALFORMED if it does not decode (m then is an `other` without statements), TC_ELIMIT if it
     * needs more than the arena or TC_STATEMENTS_MAX. Signatures are not checked. */
    int (*decode)(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m);

    /* Is `m` part of a message that scripts should see as one? `so_far` is the protocol's own to change; the caller
     * zeroes it when what is kept goes on. Asked only for what traitors say while they attack; frames that were
     * gathered are decoded, encoded and forwarded as one. NULL: every frame is a message. */
    enum tc_gather (*gather)(struct tc_gathering *so_far, const struct tc_message *m);

    /* Names the signers that the bytes alone do not tell (an address, or only a signature), once m->from is set; by the
     * keys of env. NULL: decode named them all. See tc_protocol_decode. */
    void (*attribute)(const struct tc_protocol_env *env, struct tc_message *m);

    /* Encodes m's envelope and the (possibly changed) body of its first statement into a new frame in
     * `arena`. Signatures stay as they are. TC_ELIMIT if too large. */
    int (*encode)(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame);

    /* The node that a first frame names: 0, or TC_EMALFORMED if it is not a hello. */
    int (*hello)(const struct tc_message *m, uint16_t *node);

    /* Makes `node` the signer of m: sets sender and any field that names the signer, encodes, signs with its secret key
     * (and MACs if configured), decodes the result into `out`. TC_EKEY without its key. `fields` may have been changed
     * before. */
    int (*sign)(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node, struct tc_arena *arena,
                struct tc_message *out);

    /* Is the statement's signature its signer's? 0, TC_ESIGNATURE, TC_EKEY; 0 for types that carry none. */
    int (*verify)(const struct tc_protocol_env *env, const struct tc_statement *s);

    /* A second proposal for the same slot that correct replicas accept: unsigned, decoded into `out`.
     * `hash` chooses among the possibilities. `omit_requests`: leave the client requests out (an empty batch), so that
     * a view change must follow where the second proposal wins. TC_EUNSUPPORTED with the reason in `err` if there is
     * none. */
    int (*perturb)(const struct tc_protocol_env *env, const struct tc_message *proposal, uint64_t hash,
                   bool omit_requests, struct tc_arena *arena, struct tc_message *out, struct tc_error *err);

    /* This vote, for that proposal's value (NIL votes come back unchanged); unsigned, into `out`. */
    int (*vote_for)(const struct tc_message *vote, const struct tc_message *proposal, struct tc_arena *arena,
                    struct tc_message *out);

    /* A new unsigned message of the type with this name, all fields zero, into `out` (then change its fields and sign).
     * TC_ENOT_FOUND if there is no such type. */
    int (*build)(const char *type, struct tc_arena *arena, struct tc_message *out);

    /* A certificate (as this protocol's bytes in `out`) from votes of distinct signers. TC_EUNSUPPORTED if it has none.
     */
    int (*certificate)(const struct tc_message *const *votes, size_t count, struct tc_arena *arena,
                       struct tc_slice *out);

    uint16_t (*leader)(const struct tc_cluster *cluster, uint64_t view);

    /* Votes that make a certificate for any n and f. */
    uint32_t (*quorum)(const struct tc_cluster *cluster);

    /* Replica-to-replica messages that one failure-free decision costs with n replicas (theory: 2n(n-1) for PBFT),
     * and by message in `by_row` (may be NULL): counts in the order of `rows`, self-messages excluded. */
    uint64_t (*cost)(uint32_t n, uint64_t *by_row);

    /* The longest time in which a correct cluster must decide again after it healed, given its configuration: view
     * timer now in force plus f+1 doubled timers plus protocol delays (theory, O12). */
    uint64_t (*recovery_bound_ns)(const struct tc_cluster *cluster, uint64_t timeout_now_ns);

    const struct tc_justifier_ops *justifier; /* NULL: justification is not judged */

    enum tc_lock_rule lock;

    /* The parent that a proposal names for its block; whether the value is that block's digest is not checked. false:
     * it makes no block. NULL: the protocol has no chain of blocks. */
    bool (*parent)(const struct tc_message *proposal, struct tc_value *parent);

    /* Reads an operation and a result of a client's history; slices are borrowed from the bytes. TC_EMALFORMED. NULL
     * (both): what clients ask for is not known, and linearizability is not judged. */
    int (*operation)(struct tc_slice bytes, struct tc_kv_operation *out);
    int (*result)(struct tc_slice bytes, struct tc_kv_result *out);
};

/* All protocols, ended by NULL. */
extern const struct tc_protocol *const tc_protocols[];

/* The protocol of that name, or NULL. */
const struct tc_protocol *tc_protocol_find(const char *name);

/* protocol->decode, then protocol->attribute. Set m->from before. Errors as decode. */
int tc_protocol_decode(const struct tc_protocol *protocol, const struct tc_protocol_env *env, struct tc_slice frame,
                       struct tc_arena *arena, struct tc_message *m);

/* For env->leader: who the cluster's `leaders` say leads the view; past them the rotation. */
uint16_t tc_protocol_dictated_leader(const struct tc_cluster *cluster, uint64_t view);

/* env->leader if set, else the protocol's. */
uint16_t tc_protocol_leader(const struct tc_protocol *protocol, const struct tc_protocol_env *env, uint64_t view);

/* cluster->quorum if set, else the protocol's rule. */
uint32_t tc_protocol_quorum(const struct tc_protocol *protocol, const struct tc_cluster *cluster);

/* The largest f that n replicas tolerate: ⌊(n-1)/3⌋. */
uint32_t tc_protocol_faults_max(uint32_t n);

/* How many faulty replicas may be held against the code: the cluster's f, and no more than its n can bear. A quorum has
 * to form without the f that are silent, and any two must share a correct replica: n - f ≥ q and 2q - n > f, so that
 * n > 3f. Whoever says f = 1 of three replicas asks for what no protocol gives. */
uint32_t tc_protocol_bearable(const struct tc_cluster *cluster);

/* Fills m->key from the neutral fields of its first statement (or from its bytes if it has none),
 * so that a retransmission has the same key. */
void tc_message_set_key(struct tc_message *m);

#endif
