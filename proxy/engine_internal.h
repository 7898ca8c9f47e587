/* What the files of the engine share. Nobody else includes this. */
#ifndef TC_ENGINE_INTERNAL_H
#define TC_ENGINE_INTERNAL_H

#include "../injectors/network.h"
#include "../injectors/schedule.h"
#include "arena.h"
#include "engine.h"
#include "nodeset.h"

#define TC_LANE_BUDGET_DEFAULT    ((size_t)4 << 20)
#define TC_SCHEDULE_ITEMS_DEFAULT ((size_t)1 << 20)
#define TC_SCHEDULE_BYTES_DEFAULT ((size_t)256 << 20)
#define TC_STEP_ARENA_MAX         ((size_t)64 << 20) /* everything decoded in one step */
#define TC_WAITING_OPS_MAX        4096               /* decisions on nodes and links that wait for their effect */
#define TC_RULES_MAX              64                 /* names of attacks seen by one engine (reloads) */
#define TC_TIMER_LANE             0u                 /* of the schedule; the lane fed by `conn` is conn + 1 */

/* Flags of scheduled items; the occurrence is in the upper 32 bits. */
#define TC_ITEM_RAW     1u /* bytes of a spliced lane: not decoded, not observed */
#define TC_ITEM_TOUCHED 2u

/* ---- growing memory that keeps its addresses: what actions point to ---- */

#define TC_POOL_LINE            64u /* items begin with a line of the cache */
#define TC_POOL_ITEM_SIZE(type) ((sizeof(type) + TC_POOL_LINE - 1) / TC_POOL_LINE * TC_POOL_LINE)

struct tc_pool {
    uint8_t **chunks;
    size_t chunk_count, used, item_size;
};

/* ---- connections ---- */

/* One direction of a pair. Index 0 carries near→far, 1 far→near: lanes[conn & 1] is what arrives on `conn`. */
struct tc_lane {
    uint16_t from, to; /* TC_NODE_NONE until the hello */
    uint8_t shows;     /* of a capture: TC_SHOWS_…; 0: live */
    bool lost;         /* of a capture: bytes are missing; skipped until a frame begins */
    uint64_t seen_ns;  /* of a capture: when its last bytes came */
    bool lost_untold;  /* and nobody could be named yet */
    bool replied;      /* of a capture: its dialler, unnamed yet, got a reply */
    bool raw;          /* not framed any more */
    bool first_seen;   /* a first frame has passed */
    bool stopped;      /* TC_ACT_STOP_READ is in force on its source */
    bool eof;          /* its source sent FIN */
    bool closed;       /* its destination's sending side is shut */
    uint8_t *in;       /* bytes that wait: for the dial, or for the rest of their frame */
    size_t in_len, in_size;
    size_t queued;                 /* in the world's queue, as last reported */
    size_t held;                   /* bytes of messages on hold */
    struct tc_bytes gathered;      /* frames of a message that is not whole yet */
    struct tc_gathering gathering; /* what the protocol knows of them */
    uint64_t messages;
    uint64_t write_step; /* step and index of the last write to its destination, for coalescing */
    size_t write_action;
};

/* What a lane of a capture shows of its messages. */
#define TC_SHOWS_SAID  1u
#define TC_SHOWS_HEARD 2u

struct tc_pair {
    bool open, dialled, up; /* up: TC_OBS_LINK_UP was said */
    bool broken;            /* TC_OBS_BROKEN was said, or the handshake is broken on purpose */
    uint32_t generation;
    uint16_t from, to;
    struct tc_transport *transport; /* NULL: plain, or not dialled yet */
    bool sealing;                   /* in e->sealing: frames wait to be sealed at the end of the step */
    struct tc_lane lanes[2];
    struct tc_transport_io io;
};

/* Handshakes to be broken towards `to`, in the place of `from`. */
struct tc_misgreeting {
    uint16_t from, to;
    enum tc_handshake_fault fault;
    uint32_t left; /* 0: free */
};

#define TC_MISGREETINGS_MAX 64

/* ---- decisions that wait for their effect ---- */

enum tc_wait { TC_WAIT_DELIVERY = 0, TC_WAIT_EXIT, TC_WAIT_UP, TC_WAIT_CUT, TC_WAIT_HANDSHAKE };

struct tc_pending {
    struct tc_decision decision; /* why and bytes are `why` and `bytes` below */
    uint32_t outstanding;        /* deliveries still to come; 0 = free entry */
    enum tc_wait wait;
    uint32_t next_free;
    char *why;
    uint8_t *bytes;
};

/* A message on hold. */
struct tc_held {
    uint32_t conn; /* it arrived on */
    uint32_t occurrence;
    uint32_t pending;
    uint32_t name; /* index into hold_names */
    uint8_t *bytes;
    size_t len;
};

/* How often a key was seen on a link: four entries of one cache line each, the oldest gives way. */
struct tc_occurrence {
    uint64_t tag;        /* 0 = free */
    uint32_t count : 18; /* no further than it reaches */
    uint32_t place : 14; /* its set in the largest table; in a smaller one these bits modulo its size */
    uint32_t stamp;
};

/* A message decoded lately, where broadcasts are expected. */
struct tc_kept {
    struct tc_arena arena;
    struct tc_message message;
    bool filled;
    uint64_t step; /* that used it last */
};

/* The last short one, and a few long ones: those are said again later (a view change, until its view begins) and are
 * dear to decode. */
#define TC_KEPT_LONG      8
#define TC_KEPT_SHORT_MAX ((size_t)512)
#define TC_KEPT_LONG_MAX  ((size_t)32 << 10) /* bytes of a frame; one that is longer is treated as short */

#define TC_OCCURRENCE_WAYS      4
#define TC_OCCURRENCE_SETS      16384 /* at most; a short run stays with fewer, and so does a small cluster: */
#define TC_OCCURRENCE_SETS_EACH 1024  /* for each replica */
#define TC_OCCURRENCE_FIRST     512
#define TC_OCCURRENCE_COUNT_MAX ((1u << 18) - 1)

/* Frames of a capture that were said, by link and bytes: what is heard and is not among them was touched. */
struct tc_said {
    uint64_t tag; /* 0 = free */
    uint64_t stamp;
};

#define TC_SAID_WAYS 4
#define TC_SAID_SETS 131072

/* Actions in the order in which they are to be done. */
struct tc_action_list {
    struct tc_action *items;
    size_t count, size;
};

/* Of the list of observations: what lies before is room for what is done to the world. */
#define TC_LATER_FIRST 16

struct tc_engine {
    struct tc_engine_config config;
    const struct tc_protocol *protocol;
    const struct tc_handler *handler; /* NULL: none, or it failed */
    uint64_t now_ns;
    uint64_t step;
    struct tc_slice event_bytes; /* of the step in hand: what may be coalesced */

    /* what a step gives */
    struct tc_action_list acts;  /* on the world */
    struct tc_action_list later; /* observations and decisions, from TC_LATER_FIRST on: joined to acts at its end */
    struct tc_pool observations, decisions;
    struct tc_arena arena;
    struct tc_scheduled *popped; /* released when the next step begins */
    size_t popped_count, popped_size;
    void **retired; /* freed when the next step begins */
    size_t retired_count, retired_size;
    struct tc_action scratch_action; /* stand in when memory is out */
    struct tc_observation scratch_observation;
    bool out_of_memory;

    /* connections */
    struct tc_pair **pairs;
    uint32_t pair_count;
    uint32_t *sealing; /* pairs with frames to be sealed */
    size_t sealing_count, sealing_size;
    uint32_t *link_conn[TC_NODES_MAX]; /* [from][to]: 1 + conn of a lane that serves the link; 0 none; NULL: no row */

    /* what waits */
    struct tc_schedule *schedule;
    struct tc_pending *pending;
    uint32_t pending_size, pending_free, pending_live, pending_waiting;
    struct tc_held *held;
    size_t held_count, held_size, held_bytes;
    char hold_names[TC_HOLD_NAMES_MAX][TC_NAME_MAX];
    uint32_t hold_name_count;

    /* the script */
    struct tc_plan *plan;
    struct tc_nodeset traitors;
    bool begun;       /* BEGIN was answered */
    bool attacking;   /* between DURING and AFTER */
    bool ended;       /* STOP */
    uint64_t view;    /* tc_call.view */
    uint64_t decided; /* 1 + largest sequence executed */
    char *rules[TC_RULES_MAX];
    uint32_t rule_count;
    const char *rule;
    uint64_t next_decision;
    struct tc_kept kept[1 + TC_KEPT_LONG];
    uint32_t kept_next;
    struct tc_occurrence *occurrences;
    uint32_t occurrence_sets, occurrence_sets_max, occurrence_stamp;
    uint64_t occurrence_begun[TC_OCCURRENCE_SETS / 64]; /* bit i: set i was used, and therefore zeroed, in the table */
    struct tc_said *said;                               /* NULL until a capture's leg is seen */
    uint64_t said_stamp;
    struct tc_error error;

    /* the world as known */
    enum tc_run_phase phase;
    uint32_t incarnation[TC_NODES_MAX];
    struct tc_nodeset paused, exited, killed; /* killed: by us, not running since */
    struct tc_nodeset exit_asked;
    struct tc_nodeset wiped;
    struct tc_misgreeting misgreetings[TC_MISGREETINGS_MAX];
    bool traitors_acted; /* a fault on behalf of the traitors was decided */
    bool lossy_any, cut_any;
    struct tc_faults faults, told;
    bool faults_dirty;
    bool asynchronous; /* the network keeps no bounds now (TC_EV_NETWORK) */

    uint64_t next_observation, next_token;
    struct tc_engine_stats stats;

    /* links, at the end: of them only what is used is ever touched */
    struct tc_links cut;   /* partitions and severs in force */
    struct tc_links lossy; /* messages of correct nodes are dropped or late */
    struct tc_links lost;  /* lost for good: stays when the attack ends */
};

/* ---- engine_output.c: actions, observations ---- */

void *tc_pool_take(struct tc_pool *pool); /* not zeroed; NULL: out of memory */
void tc_pool_free(struct tc_pool *pool);

/* A zeroed action of this kind at the end of the step's list. Never NULL: out of memory sets e->out_of_memory. */
struct tc_action *tc_engine_act(struct tc_engine *e, enum tc_action_kind kind);

/* The same, among the observations: after everything that is done to the world. */
struct tc_action *tc_engine_act_later(struct tc_engine *e, enum tc_action_kind kind);

/* A zeroed observation with time, id and incarnation, to be filled. Never NULL, as above. */
struct tc_observation *tc_engine_observe(struct tc_engine *e, enum tc_observation_kind kind, uint16_t node,
                                         uint16_t peer);
/* TC_OBS_MESSAGE, likewise. Here, for each message makes one. */
struct tc_observation *tc_engine_observe_frame(struct tc_engine *e, const struct tc_message *m, bool said, bool heard);

/* TC_OBS_OVERFLOW: a bound was reached, and `text` (static, or retired) says which. Never silence. Returns it. */
struct tc_observation *tc_engine_overflow(struct tc_engine *e, uint16_t node, uint16_t peer, const char *text)
    __attribute__((cold));

/* Writes to `conn`; joins the step's previous write there when both are neighbours in the event's bytes. */
void tc_engine_write(struct tc_engine *e, uint32_t conn, struct tc_slice bytes);
/* The same, where the pair is known already; bytes.len > 0. */
void tc_engine_write_pair(struct tc_engine *e, struct tc_pair *pair, uint32_t conn, struct tc_slice bytes);

/* Emits a decision that is complete. */
void tc_engine_resolve(struct tc_engine *e, const struct tc_decision *decision);

/* A copy on the heap; NULL if out of memory. */
void *tc_engine_copy(const void *bytes, size_t len);

/* Memory that lives until the next step begins. */
void tc_engine_retire(struct tc_engine *e, void *memory);

/* Begins and ends the output of a step. */
void tc_engine_output_begin(struct tc_engine *e);
int tc_engine_output_end(struct tc_engine *e, struct tc_actions *out);

/* ---- engine_pending.c: decisions, from taking to resolving ---- */

/* A decision taken now: next id, rule, and the message's name if there is one. Counts it as asked. */
struct tc_decision tc_engine_decide(struct tc_engine *e, enum tc_verb verb, const struct tc_message *m);

/* Stores it until `outstanding` deliveries (or the awaited event) came. 1 + its index, or 0 if no room. */
uint32_t tc_engine_pend(struct tc_engine *e, const struct tc_decision *decision, enum tc_wait wait,
                        uint32_t outstanding);

/* One delivery came (or was dropped). Resolves it with the last one. */
void tc_engine_delivered(struct tc_engine *e, uint32_t pending, bool delivered);
void tc_engine_settle(struct tc_engine *e, uint32_t pending, bool bitten); /* resolves it at once */
/* Resolves, as bitten, all that wait for this of this node. */
void tc_engine_node_happened(struct tc_engine *e, enum tc_wait wait, uint16_t node);
/* Resolves cuts that waited for a first refusal. */
void tc_engine_cut_happened(struct tc_engine *e, bool bitten);
void tc_engine_settle_all(struct tc_engine *e); /* the run ended */

/* ---- engine_pair.c: connections ---- */

/* The open pair, or NULL. Here, for each message asks it several times. */
static inline struct tc_pair *tc_engine_pair(struct tc_engine *e, uint32_t conn)
{
    uint32_t pair = conn >> 1;
    return pair < e->pair_count && e->pairs[pair] && e->pairs[pair]->open ? e->pairs[pair] : NULL;
}

/* The lane fed by conn, of an open pair, or NULL. */
static inline struct tc_lane *tc_engine_lane(struct tc_engine *e, uint32_t conn)
{
    struct tc_pair *pair = tc_engine_pair(e, conn);
    return pair ? &pair->lanes[conn & 1] : NULL;
}

/* The events of the same names (engine.h). One for a connection that is not open (any more) is let pass. */
void tc_engine_accepted(struct tc_engine *e, const struct tc_event *event);
void tc_engine_dialled(struct tc_engine *e, uint32_t conn);
void tc_engine_dial_failed(struct tc_engine *e, const struct tc_event *event);
void tc_engine_closed(struct tc_engine *e, uint32_t conn, bool reset);
void tc_engine_queue(struct tc_engine *e, uint32_t conn, size_t queued_bytes);
/* The hello named the dialler. False if it may not talk to the other end: the pair was closed. */
bool tc_engine_name_pair(struct tc_engine *e, uint32_t conn, uint16_t from);
/* Ends a pair: drops what waits on it, closes the sides asked for with a reset, tells of it. */
void tc_engine_pair_down(struct tc_engine *e, uint32_t conn, bool close_near, bool close_far);
/* Whoever dialled it is not the node that the address said: it is nobody's link, and passed raw. */
void tc_engine_pair_disown(struct tc_engine *e, uint32_t conn);
void tc_engine_lane_settle(struct tc_engine *e, uint32_t conn); /* FIN and pressure, after its queue changed */
/* TC_OBS_BROKEN of every encrypted connection whose handshake is still under way. */
void tc_engine_tell_unfinished(struct tc_engine *e);
uint32_t tc_engine_link_conn(struct tc_engine *e, uint16_t from, uint16_t to); /* UINT32_MAX: none */

/* Says that the pair carries traffic, once its dialler is known. */
void tc_engine_link_up(struct tc_engine *e, uint32_t conn);

/* ---- engine_transport.c: encrypted connections ---- */

/* The pair is dialled: begins the handshakes. False: it failed and the pair is down. */
bool tc_engine_transport_start(struct tc_engine *e, uint32_t conn);
/* Raw bytes → whole frames, which live until the next step. Empty: none, or the pair is down. */
struct tc_slice tc_engine_transport_receive(struct tc_engine *e, uint32_t conn, struct tc_slice bytes);
/* Whole frames, to be sealed for `conn` at the end of the step. */
void tc_engine_transport_send(struct tc_engine *e, uint32_t conn, struct tc_pair *pair, struct tc_slice bytes);
void tc_engine_transport_dirty(struct tc_engine *e, uint32_t conn, struct tc_pair *pair); /* seal at the step's end */
/* Seals and writes now: before the connection is closed, or at the end of the step. */
void tc_engine_transport_flush(struct tc_engine *e, uint32_t conn, struct tc_pair *pair);
void tc_engine_transport_flush_all(struct tc_engine *e);
void tc_engine_transport_free(struct tc_engine *e, struct tc_pair *pair);

/* ---- engine_handshake.c: handshakes that are broken on purpose ---- */

void tc_engine_handshake_op(struct tc_engine *e, const struct tc_op *op, struct tc_decision *d); /* TC_HANDSHAKE */
/* A pair is about to shake hands: sets the fault if one is due between its nodes. */
void tc_engine_handshake_fault(struct tc_engine *e, struct tc_transport_config *config);
void tc_engine_handshakes_end(struct tc_engine *e); /* all are honest again */

/* ---- engine_lane.c: bytes → frames ---- */

void tc_engine_bytes(struct tc_engine *e, uint32_t conn, struct tc_slice bytes); /* TC_EV_BYTES */
void tc_engine_lane_drain(struct tc_engine *e, uint32_t conn);                   /* handles what waits in lane->in */
void tc_engine_lane_flush(struct tc_engine *e, uint32_t conn); /* the same, half a frame included: FIN came */

/* ---- engine_message.c: frame → message → verdict ---- */

/* One whole frame that arrived on conn, which feeds `lane`: decodes it, asks the script, does what it says. */
void tc_engine_message(struct tc_engine *e, uint32_t conn, struct tc_lane *lane, struct tc_slice frame);
/* Decodes into the step's arena; NULL if there is no room. Never fails on wire data. */
struct tc_message *tc_engine_decode(struct tc_engine *e, const struct tc_lane *lane, uint32_t conn,
                                    struct tc_slice frame);
/* TC_OBS_MESSAGE, if somebody observes and both ends are known; asks for a check of the signature if all are checked.
 */
void tc_engine_observe_message(struct tc_engine *e, const struct tc_message *m, bool said, bool heard);
/* Puts bytes on a lane: at once, or behind what is scheduled there. False: dropped, overflow said. */
bool tc_engine_offer(struct tc_engine *e, uint32_t conn, struct tc_slice bytes, uint64_t flags, uint32_t pending);

/* The k-th message with this key on this link, from 0; `salt` tells apart what is counted apart. */
uint32_t tc_engine_occurrence(struct tc_engine *e, const struct tc_message *m, uint64_t salt);

/* ---- engine_leg.c: connections of a capture ---- */

/* Sets what a new pair's lanes show. */
void tc_engine_leg(struct tc_pair *pair, enum tc_leg leg);
/* A message of a capture: nothing passes, it is only observed. */
void tc_engine_witness(struct tc_engine *e, struct tc_lane *lane, struct tc_message *m);
void tc_engine_gap(struct tc_engine *e, uint32_t conn, const char *why);
/* After a gap: do these bytes begin with a frame? Then the lane goes on with them. */
bool tc_engine_found_again(struct tc_engine *e, struct tc_lane *lane, struct tc_slice bytes);
/* Who dials a connection that is captured from its middle on, by what he says; TC_NODE_NONE if that does not tell. */
uint16_t tc_engine_guess_dialler(const struct tc_lane *lane, const struct tc_message *m);
/* The dialler was named: gaps that could not be told until now are. */
void tc_engine_gap_tell(struct tc_engine *e, struct tc_lane *lane);

/* ---- engine_gather.c: messages of several frames ---- */

/* The message to go on with: m itself, or the whole of which it is the last frame, or NULL: it is kept for that. Only
 * of a protocol that gathers. */
struct tc_message *tc_engine_gather(struct tc_engine *e, uint32_t conn, struct tc_message *m);
void tc_engine_gather_flush(struct tc_engine *e, uint32_t conn); /* what is kept goes on as it came */
void tc_engine_gather_flush_all(struct tc_engine *e);

/* ---- engine_verdict.c ---- */

/* Does what the script answered about the message: any verdict but a plain forward. */
void tc_engine_verdict(struct tc_engine *e, uint32_t conn, struct tc_message *m, const struct tc_verdict *verdict);
void tc_engine_pass(struct tc_engine *e, uint32_t conn, struct tc_message *m); /* untouched */

/* ---- engine_hold.c ---- */

/* Keeps a copy under the verdict's name until it is released or the attack ends. */
bool tc_engine_hold(struct tc_engine *e, uint32_t conn, const struct tc_message *m, const struct tc_verdict *verdict,
                    const struct tc_decision *decision);           /* false: no room, overflow said */
uint32_t tc_engine_release(struct tc_engine *e, const char *name); /* how many went out; NULL = all names */
void tc_engine_hold_drop(struct tc_engine *e, uint32_t conn);      /* UINT32_MAX: all */

/* ---- engine_delivery.c ---- */

void tc_engine_deliver_due(struct tc_engine *e); /* writes what is scheduled for now or before; fires timers */

/* ---- engine_call.c: the script ---- */

bool tc_engine_script_active(const struct tc_engine *e);                 /* there is one, and it is its time */
bool tc_engine_wants(const struct tc_engine *e, enum tc_call_kind call); /* … and it has this handler */
/* Calls the handler, then does the plan's notes, timers and ops. False: not called or it failed; else e->plan->verdict
 * is the answer. */
bool tc_engine_call(struct tc_engine *e, enum tc_call_kind kind, const struct tc_message *m,
                    const struct tc_observation *observation, uint64_t token);
/* TC_EV_PHASE: tells of it, begins or ends the attack. */
void tc_engine_phase(struct tc_engine *e, enum tc_run_phase phase);
/* TC_EV_RELOAD: another handler from here on; the traitors stay those who were named first. */
void tc_engine_reload(struct tc_engine *e, const struct tc_handler *handler);
/* e->error says how: no more calls, and the run is to end. */
void tc_engine_script_failed(struct tc_engine *e) __attribute__((cold));
/* The rule that decisions are taken under from here on; keeps a copy. False: out of memory. */
bool tc_engine_set_rule(struct tc_engine *e, const char *name);

/* ---- engine_op.c ---- */

void tc_engine_ops(struct tc_engine *e);      /* does the side actions of e->plan */
void tc_engine_heal_all(struct tc_engine *e); /* cuts, pauses, kills: what the end of the attack undoes */

/* ---- engine_node.c: processes and facts ---- */

/* The events of the same names. */
void tc_engine_node_up(struct tc_engine *e, uint16_t node, uint32_t incarnation);
void tc_engine_node_exit(struct tc_engine *e, uint16_t node, uint32_t incarnation, int status);
void tc_engine_observed(struct tc_engine *e, const struct tc_observation *observation);
void tc_engine_verified(struct tc_engine *e, uint64_t token, bool ok);

/* ---- engine_faults.c ---- */

/* A client's message passes: if the attack is over, what it lost is behind it. */
void tc_engine_asked_again(struct tc_engine *e, const struct tc_message *m);
enum tc_loss tc_engine_loss(const struct tc_engine *e); /* the protocol's, or worse where the cluster's file says so */
/* A verdict was taken; delivered: what was said is heard now, whatever is heard beside it. */
void tc_engine_fault_on(struct tc_engine *e, const struct tc_message *m, enum tc_verb verb, bool delivered);
/* Works out anew who is faulty, and tells of a change. */
void tc_engine_faults_recompute(struct tc_engine *e);

/* Recomputes them if they may have changed. Here, for each message asks it twice. */
static inline void tc_engine_faults_update(struct tc_engine *e)
{
    /* Within F_s only the ledger can grow without our knowing. */
    const struct tc_ledger *ledger = e->config.ledger;
    if (e->faults_dirty || (ledger && !tc_nodeset_subset(&ledger->signed_for, &e->faults.signed_for)))
        tc_engine_faults_recompute(e);
}

#endif
