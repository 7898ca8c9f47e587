/* The shared types: time, node, slice, statement, message, observation, decision.
 *
 * Everyone may include this header; it includes only standard integer, size and bool headers and
 * declares no functions (those that work on these types are in nodeset.h, arena.h, error.h …).
 *
 * Conventions that hold everywhere:
 *  - times are unsigned nanoseconds since the start of the run (`…_ns`); TC_NEVER_NS means no time;
 *  - a `struct tc_slice` is borrowed: whoever wants the bytes after the call returns copies them;
 *  - every list has a stated maximum. */
#ifndef TC_TYPES_H
#define TC_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_NEVER_NS       UINT64_MAX
#define TC_REPLICAS_MAX   128        /* replicas are nodes 0 … n-1 */
#define TC_CLIENT_FIRST   128        /* clients are nodes 128, 129, …; printed as c0, c1, … */
#define TC_NODES_MAX      256        /* replicas and clients together */
#define TC_NODE_NONE      0xffffu    /* no node, or one not named yet */
#define TC_VALUE_SIZE     32         /* bytes of a value's digest */
#define TC_FRAME_MAX      (4u << 20) /* bytes of one frame, delimiter included; above it a link is spliced raw */
#define TC_NAME_MAX       64         /* bytes of a name (attack, scenario, bug, cluster), NUL included */
#define TC_STATEMENTS_MAX 32768      /* statements in one message, embedded ones included */

/* Borrowed bytes. `data` may be NULL when len is 0. */
struct tc_slice {
    const uint8_t *data;
    size_t len;
};

/* A set of nodes, one bit a node id. Functions in nodeset.h. */
struct tc_nodeset {
    uint64_t words[TC_NODES_MAX / 64];
};

/* What a message is, whatever the protocol calls it. The names scripts use are in names.h. */
enum tc_kind {
    TC_KIND_OTHER = 0, /* hello, heartbeats, framed but undecodable */
    TC_KIND_REQUEST,
    TC_KIND_PROPOSE,
    TC_KIND_VOTE,        /* its phase says which */
    TC_KIND_CERTIFICATE, /* a quorum of votes as one object */
    TC_KIND_NEW_VIEW,
    TC_KIND_VIEW_CHANGE,
    TC_KIND_CHECKPOINT,
    TC_KIND_REPLY,
    TC_KIND_SYNC, /* state or block transfer */
    TC_KIND_COUNT
};

enum tc_phase {
    TC_PHASE_NONE = 0,
    TC_PHASE_PREPARE,
    TC_PHASE_PRECOMMIT,
    TC_PHASE_COMMIT,
    TC_PHASE_DECIDE,
    TC_PHASE_PREVOTE,
    TC_PHASE_COUNT
};

/* A proposal's digest, or the value NIL (a vote for nothing), or no value at all. */
enum tc_value_state { TC_VALUE_ABSENT = 0, TC_VALUE_NIL, TC_VALUE_BYTES };

struct tc_value {
    uint8_t state; /* enum tc_value_state */
    uint8_t bytes[TC_VALUE_SIZE];
};

/* Where a statement was found. */
enum tc_origin {
    TC_ORIGIN_DIRECT = 0, /* said by its signer on its signer's own link */
    TC_ORIGIN_RELAYED,    /* another node passes it on */
    TC_ORIGIN_EMBEDDED    /* part of another statement, e.g. a view change inside a new view */
};

/* A generated protobuf-c struct together with its descriptor: `descriptor` is a
 * `const ProtobufCMessageDescriptor *`, `base` a `ProtobufCMessage *`. Void here so that this
 * header needs no library. */
struct tc_fields {
    const void *descriptor;
    void *base;
};

/* One signed (or MACed, or plain) assertion by one node. */
struct tc_statement {
    enum tc_kind kind;
    enum tc_phase phase;
    uint64_t epoch;
    uint64_t view;
    uint64_t sequence; /* valid if has_sequence */
    uint64_t slot;     /* conflict key: two different values signed for one slot by one identity conflict; 0 = none */
    struct tc_value value;
    uint16_t signer; /* identity whose signature it claims; TC_NODE_NONE if unsigned */
    uint16_t parent; /* index of the statement it is embedded in; 0xffff for the first */
    uint8_t origin;  /* enum tc_origin */
    bool has_view, has_sequence;
    uint8_t type;              /* index into the protocol's message table */
    struct tc_nodeset signers; /* TC_KIND_CERTIFICATE: who signed; otherwise empty */
    struct tc_slice body;      /* the bytes a signature covers, without the domain prefix */
    struct tc_slice signature; /* empty if unsigned */
    struct tc_fields fields;   /* decoded body */
};

/* One frame between two nodes. Borrowed from whoever decoded it (its arena). */
struct tc_message {
    uint16_t from, to;         /* the link it travels on */
    uint16_t sender;           /* identity the envelope claims */
    bool decoded;              /* false: framed but undecodable; kind is other and there are no statements */
    bool touched;              /* these bytes were changed or made by us (set on what is heard) */
    uint32_t conn;             /* connection of the near leg */
    uint32_t occurrence;       /* k-th message with this key on this link, from 0 */
    uint64_t key;              /* identity for randomness and decisions: hash of the first statement's neutral fields */
    const char *type;          /* the protocol's own name, e.g. "pre-prepare" (static) */
    struct tc_slice frame;     /* exact bytes, delimiter included */
    uint64_t frame_hash;       /* what tc_message_fold gives, made ahead; 0: not made */
    struct tc_fields envelope; /* decoded envelope; base NULL if !decoded */
    struct tc_statement *statements; /* [0] is the message itself, then embedded ones, parents first */
    uint32_t statement_count;
};

/* ---- verdicts and decisions ---- */

enum tc_verb {
    TC_FORWARD = 0,
    TC_DROP,
    TC_DELAY,
    TC_DUPLICATE,
    TC_REORDER,
    TC_REPLACE,
    TC_HOLD,
    /* what a script does beside the message in hand */
    TC_SEND,
    TC_RELEASE,
    TC_PARTITION,
    TC_SEVER,
    TC_HEAL,
    TC_PAUSE,
    TC_RESUME,
    TC_KILL,
    TC_RESTART,
    TC_WIPE,
    TC_HANDSHAKE, /* breaks the next handshakes of an encrypted link */
    TC_STOP,      /* asks a process to end by itself */
    TC_VERB_COUNT
};

/* One line of decisions.jsonl: everything that was not plain forward, with what it hit. */
struct tc_decision {
    uint64_t id;      /* 1, 2, … in the order taken */
    uint64_t time_ns; /* when it was taken */
    const char *rule; /* the attack that took it */
    enum tc_verb verb;
    uint16_t from, to; /* link of the message, or node(s) acted on; TC_NODE_NONE where not meant */
    uint16_t node;     /* for process actions */
    bool bitten;       /* it changed what was offered to somebody, or what a process did */
    uint64_t key;      /* identity of the message it hit, and its occurrence */
    uint32_t occurrence;
    uint32_t count; /* duplicates asked, frames put in place, links cut */
    enum tc_kind kind;
    enum tc_phase phase;
    bool has_view, has_sequence;
    uint64_t view, sequence;
    struct tc_value value;
    const char *type;      /* the protocol's name of the message, or "" */
    uint64_t asked_ns;     /* delay asked for; 0 if none */
    uint64_t measured_ns;  /* delay measured; 0 until done */
    const char *why;       /* the script's reason, or "" */
    struct tc_slice bytes; /* replace, send: the frames put in place, one after another */
};

/* ---- phases of a run ---- */

enum tc_run_phase { TC_RUN_BEFORE = 0, TC_RUN_DURING, TC_RUN_AFTER, TC_RUN_ENDED, TC_RUN_PHASE_COUNT };

/* ---- faults as the oracles are told of them ---- */

/* Who may be blamed. Handed to oracles, which never look at scripts or injectors. */
struct tc_faults {
    struct tc_nodeset signed_for; /* F_s: identities we signed for, twinned, or whose disk we wiped */
    struct tc_nodeset liveness; /* F_l: F_s, nodes down, a minimum vertex cover of unhealed links; clients cut off from
                                   so many of the others that no answer is due to them; all replicas before the
                                   global stabilisation time of a simulated network */
    struct tc_nodeset down;     /* not running, or paused */
    uint64_t healed_ns; /* when the last network or process fault ended; TC_NEVER_NS while one lasts; 0 if there never
                           was one */
    uint64_t bitten;    /* faults bitten so far */
    bool active;        /* the attack may still act */
};

/* ---- observations ---- */

enum tc_observation_kind {
    TC_OBS_MESSAGE = 0, /* a message was said and/or heard */
    TC_OBS_EXECUTED,    /* a replica's execution line */
    TC_OBS_VIEW,        /* a replica entered a view (active: normal operation in it) or asks for one (!active) */
    TC_OBS_STABLE,      /* a replica has a stable checkpoint */
    TC_OBS_REQUESTED,   /* a client began an operation */
    TC_OBS_REPLIED,     /* a client accepted a result (f+1 matching), or gave up (ok = false) */
    TC_OBS_COMPLAINT,   /* a replica reports an error, e.g. a bad signature it received */
    TC_OBS_NODE_UP,     /* a process started */
    TC_OBS_NODE_EXIT,   /* a process ended */
    TC_OBS_LINK_UP,     /* a connection through the proxy is established on both sides */
    TC_OBS_LINK_DOWN,
    TC_OBS_SPLICED,  /* unframeable bytes: the connection is passed raw from here */
    TC_OBS_OVERFLOW, /* a bound was reached; `text` names it */
    TC_OBS_PHASE,    /* the run entered a phase */
    TC_OBS_FAULTS,   /* the set of faulty nodes changed */
    TC_OBS_NOTE,     /* a script's note */
    TC_OBS_HALTED,   /* a node says that it cannot go on, though its process still runs; `text` is its word */
    TC_OBS_BROKEN,   /* an encrypted connection ended because a peer broke its rules, or its handshake never came to its
                        end (status TC_EUNREACHABLE); `text` says how */
    TC_OBS_ACCUSED,  /* a replica says that a block it decided bears evidence against somebody */
    TC_OBS_MEMBER,   /* a replica tells a member of the set that votes, which has changed: one observation for each */
    TC_OBS_COUNT
};

/* How an execution line came to be. Lines that are not `executed` do not count as new executions. */
enum tc_execution_origin { TC_EXEC_EXECUTED = 0, TC_EXEC_REPLAYED, TC_EXEC_TRANSFERRED, TC_EXEC_TENTATIVE };

/* One operation inside an execution line. */
struct tc_operation {
    uint16_t client;
    uint64_t timestamp;
    uint8_t digest[TC_VALUE_SIZE]; /* of the request: equals the `value` of its REQUEST statement */
    bool fresh;                    /* false: a duplicate, answered from the reply cache, not applied */
};

/* A protocol-neutral fact. `node` is who it is about. Borrowed: valid during the call that hands it over. */
struct tc_observation { /* of a message everything lies in its first 64 bytes */
    enum tc_observation_kind kind;
    uint16_t node; /* TC_OBS_MESSAGE: message->from if said, else message->to */
    uint16_t peer;
    uint64_t time_ns;
    uint64_t id;          /* 1, 2, … within the run */
    uint32_t incarnation; /* process incarnation of `node`, from 1; 0 unknown */
    bool is_gap;          /* TC_OBS_SPLICED: bytes are missing in the capture, somewhere between gap_since_ns and now */
    bool not_carried;     /* TC_OBS_OVERFLOW: for want of something of ours a connection was not carried, or was cut */
    uint64_t gap_since_ns;
    const char *text; /* complaint, note, overflow, spliced, log line of a crash; "" otherwise */
    union {
        struct {
            const struct tc_message *message;
            bool said, heard; /* both for a message that passed untouched and at once */
        } message;
        struct {
            uint64_t view, sequence;
            struct tc_value value; /* digest of the batch; NIL for a null request */
            struct tc_value state; /* state digest after it; absent if not given */
            enum tc_execution_origin origin;
            const struct tc_operation *operations;
            uint32_t operation_count;
        } executed;
        struct {
            uint64_t view;
            bool active;
            uint64_t timeout_ns; /* the view timer now in force; 0 unknown */
        } view;
        struct {
            uint64_t sequence;
            struct tc_value state;
        } stable;
        struct {
            uint64_t sequence;                /* of the block */
            struct tc_value block;            /* its hash */
            const struct tc_message *message; /* the evidence: two votes, embedded. NULL: read from a record */
            bool unchecked;                   /* whether it is the block's could not be checked: the node's word */
        } accused;
        struct {
            uint64_t sequence; /* from which on */
            uint64_t power;    /* of its vote */
            uint32_t index, count;
            uint16_t node;          /* the replica that holds this key; TC_NODE_NONE: none that we know */
            uint8_t public_key[32]; /* zero if it is of another scheme */
        } member;
        struct {
            uint64_t timestamp; /* the client's request number */
            struct tc_value digest;
            struct tc_slice operation;
            struct tc_slice result; /* replied */
            uint64_t latency_ns;    /* replied */
            bool ok;                /* replied: false if it gave up */
        } client;
        struct {
            int status; /* exit code, or minus the signal; broken: the TC_E code */
            bool asked; /* we killed or stopped it */
        } exit;
        struct {
            enum tc_run_phase phase;
        } phase;
        struct tc_faults faults;
    };
};

#endif
