/* The vocabulary between a script and the engine: what a handler is told (struct tc_call), and what it
 * answers (struct tc_plan). A handler decides; it never touches a socket.
 *
 * What the engine does with an answer:
 *  - notes, timers and side actions first, in their order, then the verdict on the message in hand. If a side action
 *    cut that message's connection, the message is gone and the verdict does not bite.
 *  - Order: what is delayed holds up what follows on its lane (one direction of one connection); what is held, or
 *    reordered, or a spread copy does not. `send` goes out at once, between whole frames.
 *  - The hello of a connection (protocol->hello) passes as it came and is not offered to the script.
 *  - What bites: a drop, a replacement whose bytes differ, a copy that was delivered, a delay that was measured, a
 * hold, a release or send that went out, a cut that closed or refused a connection, a heal of something, the end (kill,
 *    wipe, restart) or start of the process that was meant, a pause of one that ran. What was pending on a connection
 *    that died, or was asked of a link or node that is not there, did not bite; what was still withheld when the run
 *    stopped did.
 *  - When the attack ends (phase `during` is left): END is called; then every cut is healed, paused processes resume,
 *    killed and wiped ones are restarted, held messages are dropped, timers are forgotten. What was delayed still goes
 *    out. When the run is stopped nothing is healed. */
#ifndef TC_PLAN_H
#define TC_PLAN_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"

#define TC_PLAN_OPS_MAX    256 /* side actions of one call; more is TC_ELIMIT, a script error */
#define TC_PLAN_FRAMES_MAX 64  /* frames of one replace */
#define TC_DUPLICATES_MAX  1000
#define TC_HOLD_NAMES_MAX  64

/* What becomes of the message in hand. Zeroed: forward. `delay_ns` goes with delay, duplicate (the copies are spread
 * evenly over it; 0: they follow at once) and replace. */
struct tc_verdict {
    enum tc_verb verb; /* FORWARD … HOLD */
    uint64_t delay_ns;
    uint32_t duplicates;        /* DUPLICATE: extra copies */
    uint64_t reorder_window_ns; /* REORDER: due at a keyed random time within the window, others may pass */
    const char *hold_name;      /* HOLD: until released by this name; at the end of the attack: dropped */
    struct tc_slice frames[TC_PLAN_FRAMES_MAX]; /* REPLACE: whole frames, in order */
    uint32_t frame_count;
    const char *why; /* NULL or the script's reason */
};

/* Something done beside the message in hand. */
struct tc_op {
    enum tc_verb verb;     /* SEND … HANDSHAKE */
    uint16_t from, to;     /* SEND, SEVER, HANDSHAKE (TC_NODE_NONE, TC_NODE_NONE: none) */
    uint16_t node;         /* PAUSE … WIPE */
    struct tc_slice frame; /* SEND */
    const char *name;      /* RELEASE: hold name; NULL = all */
    /* PARTITION: nodes in different blocks cannot talk: connections between them are reset, new ones are refused, until
     * HEAL or the end of the attack. Replicas that no block names form one more block; clients that none names are in
     * no block and reach everybody. SEVER does the same to the one link from – to, in both directions (a connection
     * has two). Cuts add up; HEAL undoes all of them. */
    struct tc_nodeset blocks[8];
    uint32_t block_count;
    /* HANDSHAKE: the connection of the link from – to is reset, and in the next `times` handshakes we break the rules
     * towards `to`, in `from`'s place, as `handshake` (an enum tc_handshake_fault) says; until the attack ends. Bites
     * with the first of them; never where connections are not encrypted. */
    uint8_t handshake;
    uint32_t times;
};

/* A script's answer. Owned by the engine; before the call the verdict says forward and all counts are 0. What lies
 * beyond a count is of earlier answers: who adds an entry writes it whole. What it points to lives in `arena`. */
struct tc_plan {
    struct tc_verdict verdict; /* MESSAGE and HEAR calls only */
    struct tc_op ops[TC_PLAN_OPS_MAX];
    uint32_t op_count;
    struct {
        uint64_t due_ns;
        uint64_t token;
    } timers[32]; /* after(): TC_CALL_TIMER with this token, a nanosecond from now at the earliest */
    uint32_t timer_count;
    const char *notes[32];
    uint32_t note_count;
    struct tc_nodeset traitors; /* BEGIN: who is to be a traitor (frozen from then on; not asked again at a reload) */
    struct tc_arena *arena;
};

enum tc_call_kind {
    TC_CALL_BEGIN,   /* the attack begins: name the traitors; on_start */
    TC_CALL_MESSAGE, /* a message of a declared kind is about to pass */
    TC_CALL_HEAR,    /* after MESSAGE answered forward, when the receiver is a traitor: filters what it hears */
    TC_CALL_DECIDE,  /* a replica executed a sequence number (first report of it) */
    TC_CALL_VIEW,    /* a replica entered a view */
    TC_CALL_TIMER,
    TC_CALL_PHASE,
    TC_CALL_END /* the attack ends (end of `during`) */
};

/* What a handler is told. Everything is borrowed for the call. */
struct tc_call {
    enum tc_call_kind kind;
    uint64_t now_ns;
    uint64_t view;                            /* largest view in which its leader was heard to propose */
    const struct tc_nodeset *traitors;        /* empty before BEGIN is answered */
    const struct tc_message *message;         /* MESSAGE, HEAR */
    const struct tc_observation *observation; /* DECIDE, VIEW */
    uint64_t token;                           /* TIMER */
    enum tc_run_phase phase;                  /* PHASE */
};

/* A script as the engine sees it. */
struct tc_handler {
    void *self;
    const char *name; /* of the attack: the `rule` of its decisions */
    uint32_t kinds;   /* bit set of enum tc_kind: other messages never reach it */
    uint32_t calls;   /* bit set of enum tc_call_kind it has a handler for (BEGIN always) */
    bool always;      /* true: also called before and after the attack (rare) */
    /* true: also called after the attack, when the network has healed: it then decides on what its traitors say and
     * sends in their name, and nothing else. Its traitors stay faulty, the links of others do not. */
    bool goes_on;
    /* 0, or negative: the run ends as an error (TC_ESCRIPT, TC_ELIMIT), err says script, line, message. */
    int (*call)(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);
};

#endif
