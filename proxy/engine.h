/* The engine: bytes → frame → decode → script → plan → schedule → bytes, as one step function. It does no I/O and knows
 * no clock: a *world* (live sockets, the simulation, a capture) feeds it events and performs its actions.
 *
 * Connections come in pairs: the near one (accepted from the dialler) and the far one (dialled by us to the real node).
 * `conn` numbers are 2·pair for the near side and 2·pair+1 for the far side. The world chooses the pair number when it
 * accepts and may use it again once both sides are closed (TC_ACT_CLOSE issued for both, or the engine was told).
 *
 * Lanes: near→far carries from dialler to listener's node; far→near the other way. */
#ifndef TC_ENGINE_H
#define TC_ENGINE_H

#include "../injectors/ledger.h"
#include "../injectors/plan.h"
#include "../reference/protocol.h"
#include "../reference/transport.h"
#include "error.h"
#include "types.h"

#define TC_PAIRS_MAX       32768
#define TC_CONN_NEAR(pair) ((uint32_t)(pair) << 1)
#define TC_CONN_FAR(pair)  (((uint32_t)(pair) << 1) | 1u)
#define TC_CONN_PEER(conn) ((conn) ^ 1u)

enum tc_event_kind {
    TC_EV_ACCEPTED,    /* conn (near side), from (TC_NODE_NONE if the hello must name it), to, generation */
    TC_EV_DIALLED,     /* conn (far side) is connected */
    TC_EV_DIAL_FAILED, /* conn (far side); text says why; ours: for want of something of this machine, which says
                          nothing about the node */
    TC_EV_BYTES,       /* conn, bytes */
    TC_EV_QUEUE,  /* conn: queued_bytes of what we wrote still wait in the world's own queue (sent whenever that changes
                     to or from 0, or passes a quarter of the budget) */
    TC_EV_CLOSED, /* conn: no more bytes will come; reset: and none can be written */
    TC_EV_TIMER,  /* the deadline was reached */
    TC_EV_NODE_UP,   /* node, incarnation */
    TC_EV_NODE_EXIT, /* node, incarnation, status (exit code or minus signal) */
    TC_EV_OBSERVED,  /* observation: a log line, a client's history line, an RPC fact */
    TC_EV_VERIFIED,  /* token, ok */
    TC_EV_PHASE,     /* phase: the run enters it (DURING: the attack begins) */
    TC_EV_RELOAD,    /* handler: takes the place of the present one */
    TC_EV_STOP,      /* the run ends: heal nothing more, resolve what is pending */
    TC_EV_NETWORK,   /* ok: from here on the network keeps its bounds; else it does not, and nothing is due in time */
    TC_EV_GAP        /* conn, of a capture: bytes are missing before the next ones; text says why */
};

/* What a connection of a capture shows. Nothing passes through us there: no writes come of its bytes. Where a proxy
 * stood in between, its near leg shows what the dialler says and hears, its far leg what the listener's node does; they
 * are two pairs here, each with a leg of its own, and need not be matched. */
enum tc_leg {
    TC_LEG_LIVE = 0, /* no capture: the bytes pass through us */
    TC_LEG_DIRECT,   /* no proxy in between: what is said is heard */
    TC_LEG_NEAR,     /* dialler to proxy */
    TC_LEG_FAR       /* proxy to node */
};

struct tc_event {
    enum tc_event_kind kind;
    uint64_t now_ns; /* never smaller than in the step before */
    uint32_t conn;
    uint16_t from, to, node;
    uint32_t generation, incarnation;
    int status;
    bool reset, ok, ours;
    size_t queued_bytes;
    uint64_t token;
    enum tc_run_phase phase;
    enum tc_leg leg;                          /* ACCEPTED */
    struct tc_slice bytes;                    /* borrowed until the next step: actions may point into them */
    const struct tc_observation *observation; /* borrowed during the step */
    const struct tc_handler *handler;         /* RELOAD: borrowed until replaced */
    const char *text;
};

enum tc_action_kind {
    TC_ACT_DIAL,        /* conn (far side), to: connect to the real node */
    TC_ACT_WRITE,       /* conn, bytes: write in order, queue what the socket does not take */
    TC_ACT_CLOSE,       /* conn: after what is queued is out, shut the sending side (reset: at once, both) */
    TC_ACT_STOP_READ,   /* conn */
    TC_ACT_RESUME_READ, /* conn */
    TC_ACT_NODE,        /* node, verb: pause, resume, kill, restart, wipe */
    TC_ACT_OBSERVE,     /* observation, for oracles and recorder; comes after the writes it speaks of */
    TC_ACT_DECISION,    /* decision, complete (bitten and measured delay known) */
    TC_ACT_VERIFY,      /* token, bytes: the frame whose signatures are to be verified (a worker gets a copy), and its
                           observation; answered by TC_EV_VERIFIED */
    TC_ACT_PLAIN, /* conn, bytes, received: what an encrypted connection carries, in plaintext: whole frames, as they
                     came or as they go out. For the record; only where the configuration asks for it */
    TC_ACT_FINISH /* the run must end now; error says why (script error) */
};

struct tc_action {
    enum tc_action_kind kind;
    uint32_t conn;
    uint16_t to, node;
    enum tc_verb verb;
    bool reset, received;
    uint64_t token;
    struct tc_slice bytes;
    const struct tc_observation *observation;
    const struct tc_decision *decision;
};

/* The actions of one step, in the order to perform them. Owned by the engine; they and what they point to are valid
 * until the next step (and `event->bytes` must be until the actions are performed). */
struct tc_actions {
    const struct tc_action *items;
    size_t count;
};

/* Connections whose bytes are encrypted: the engine ends the handshake on both sides and frames what is inside. */
struct tc_engine_transport {
    const struct tc_transport_class *class; /* NULL: plain TCP */
    void *self;
    /* Keys, expectations and faults of a new pair between these nodes (`nodes` and `number` are filled already). An
     * error closes the pair and is an observation. */
    int (*configure)(void *self, struct tc_transport_config *config, struct tc_error *err);
};

struct tc_engine_config {
    const struct tc_protocol *protocol;
    struct tc_protocol_env env; /* borrowed parts live as long as the engine */
    struct tc_engine_transport transport;
    const struct tc_handler *handler; /* NULL: no script */
    struct tc_ledger *ledger;         /* shared with the script layer, which signs through it; NULL without script */
    uint64_t seed;
    bool observe;              /* decode and observe every message; false and no handler: bytes pass unframed */
    bool broadcasts;           /* the world hands over the copies of a broadcast one after another: decode the first */
    bool nodes_untold;         /* nobody tells when processes end: who takes no connection and has none is down */
    bool show_plain;           /* TC_ACT_PLAIN for encrypted connections */
    bool verify_all;           /* ask for every signature to be verified (workers) */
    size_t lane_budget_bytes;  /* per lane, scheduled and queued together; 0 = 4 MiB */
    size_t schedule_items_max; /* 0 = 1 Mi */
    size_t schedule_bytes_max; /* 0 = 256 MiB */
};

/* Counters for the report; `asked` counts verdicts and ops by verb, `bitten` those that had an effect. */
struct tc_engine_stats {
    uint64_t messages, bytes, undecodable, spliced;
    uint64_t asked[TC_VERB_COUNT], bitten[TC_VERB_COUNT];
    uint64_t script_calls;
    uint64_t overflows;
};

struct tc_engine;

/* NULL if out of memory. */
struct tc_engine *tc_engine_new(const struct tc_engine_config *config);
void tc_engine_free(struct tc_engine *e);

/* Handles one event. 0 always, but for TC_EMEMORY (the run must end). A script error ends in a TC_ACT_FINISH and
 * tc_engine_error(); from then on the engine forwards everything untouched. */
int tc_engine_step(struct tc_engine *e, const struct tc_event *event, struct tc_actions *out);

/* When TC_EV_TIMER must be delivered; TC_NEVER_NS if nothing is scheduled. */
uint64_t tc_engine_deadline_ns(const struct tc_engine *e);

/* The error that ended the run, code 0 if none. Borrowed. */
const struct tc_error *tc_engine_error(const struct tc_engine *e);

const struct tc_engine_stats *tc_engine_stats(const struct tc_engine *e);
const struct tc_faults *tc_engine_faults(const struct tc_engine *e);

#endif
