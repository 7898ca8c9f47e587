/* The vocabulary between a script and the engine: what a handler is told (struct tc_call), and what it
 * answers (struct tc_plan). A handler decides; it never touches a socket. */
#ifndef TC_PLAN_H
#define TC_PLAN_H

#include "../proxy/arena.h"
#include "../proxy/error.h"
#include "../proxy/types.h"

#define TC_PLAN_OPS_MAX    256 /* side actions of one call; more is TC_ELIMIT, a script error */
#define TC_PLAN_FRAMES_MAX 64  /* frames of one replace */
#define TC_DUPLICATES_MAX  1000
#define TC_HOLD_NAMES_MAX  64

/* What becomes of the message in hand. Zeroed: forward. `delay_ns` goes with delay, duplicate and replace. */
struct tc_verdict {
    enum tc_verb verb; /* FORWARD … HOLD */
    uint64_t delay_ns;
    uint32_t duplicates;        /* DUPLICATE: extra copies */
    uint64_t reorder_window_ns; /* REORDER: due at a keyed random time within the window, others may pass */
    const char *hold_name;      /* HOLD: until released by this name; at the end of the run: dropped */
    struct tc_slice frames[TC_PLAN_FRAMES_MAX]; /* REPLACE: whole frames, in order */
    uint32_t frame_count;
    const char *why; /* NULL or the script's reason */
};

/* Something done beside the message in hand. */
struct tc_op {
    enum tc_verb verb;     /* SEND … WIPE */
    uint16_t from, to;     /* SEND, SEVER (TC_NODE_NONE, TC_NODE_NONE: none) */
    uint16_t node;         /* PAUSE … WIPE */
    struct tc_slice frame; /* SEND */
    const char *name;      /* RELEASE: hold name; NULL = all */
    /* PARTITION: nodes in different blocks cannot talk; unnamed nodes form one more block. SEVER with `cut` drops
     * connections; PARTITION severs too. HEAL undoes all partitions and severs. */
    struct tc_nodeset blocks[8];
    uint32_t block_count;
};

/* A script's answer. Owned by the engine, zeroed before the call; what it points to lives in `arena`. */
struct tc_plan {
    struct tc_verdict verdict; /* MESSAGE and HEAR calls only */
    struct tc_op ops[TC_PLAN_OPS_MAX];
    uint32_t op_count;
    struct {
        uint64_t due_ns;
        uint64_t token;
    } timers[32]; /* after(): TC_CALL_TIMER with this token */
    uint32_t timer_count;
    const char *notes[32];
    uint32_t note_count;
    struct tc_nodeset traitors; /* BEGIN: who is to be a traitor (frozen from then on) */
    struct tc_arena *arena;
};

enum tc_call_kind {
    TC_CALL_BEGIN,   /* the attack begins: name the traitors; on_start */
    TC_CALL_MESSAGE, /* a message of a declared kind is about to pass */
    TC_CALL_HEAR,    /* as MESSAGE, when the receiver is a traitor: filters what its process hears */
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
    /* 0, or negative: the run ends as an error (TC_ESCRIPT, TC_ELIMIT), err says script, line, message. */
    int (*call)(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);
};

#endif
