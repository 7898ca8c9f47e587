/* Replay: what an attack answered, written down moment by moment (a *tape*), and answered again.
 *
 * A tape holds every answer of a handler that was more than a plain forward: the verdict on a message, side actions,
 * timers, notes, and whom it signed for. A moment is the call that was answered, by a name that does not depend on
 * counting calls: a message by (link, key, occurrence), a timer by its token, a decision by its sequence number. The
 * engine is deterministic, so a replay that gives all answers of a tape at the moments where they were given repeats
 * the run to the byte; one that leaves some out is what shrinking tries. Works for scripts and strategies alike. Pure.
 *
 * Left out is always a *choice*: a verdict or a side action. Timers stay, for they do nothing
 * by themselves; notes go. Once something is left out, the moment at which a signature was made may not come, though a
 * later one uses it; so then everybody whose signature the remaining bytes may hold is in F_s from the beginning: that
 * can hide a violation, and never invents one. */
#ifndef TC_REPLAY_H
#define TC_REPLAY_H

#include "ledger.h"
#include "plan.h"

#define TC_TAPE_ITEMS_MAX ((uint32_t)1 << 20)
#define TC_TAPE_BYTES_MAX ((size_t)512 << 20)

/* A call to a handler, by name. */
struct tc_moment {
    enum tc_call_kind call;
    uint64_t time_ns;
    uint16_t from, to;   /* MESSAGE, HEAR: the link. VIEW: `from` is the replica. Otherwise TC_NODE_NONE */
    uint64_t key;        /* the message's; TIMER: token, DECIDE: sequence, VIEW: view, PHASE: the phase */
    uint64_t role;       /* the message's without its value: what another world may say in its place; 0 unknown */
    uint32_t occurrence; /* the message's; of other calls: how many of this name came before, answered or not */
};

enum tc_tape_kind {
    TC_TAPE_TRAITORS, /* nodes: who was named, at BEGIN */
    TC_TAPE_SIGNED,   /* nodes: who was signed for, and had not been before */
    TC_TAPE_NOTE,
    TC_TAPE_TIMER,
    TC_TAPE_OP,     /* a choice */
    TC_TAPE_VERDICT /* a choice: other than forward */
};

/* One thing of an answer. Everything pointed to is the tape's. */
struct tc_tape_item {
    enum tc_tape_kind kind;
    uint32_t moment;   /* index into the tape's moments */
    uint64_t decision; /* choices: the id that the engine gave it (1, 2, …) */
    union {
        struct tc_nodeset nodes;
        const char *note;
        struct {
            uint64_t delay_ns, token; /* delay: from the moment on */
        } timer;
        const struct tc_op *op;
        struct {
            const struct tc_slice *frames;
            uint32_t frame_count, duplicates;
            enum tc_verb verb;
            uint64_t delay_ns, window_ns;
            const char *hold_name; /* NULL if there is none; the same for why */
            const char *why;
        } verdict;
    };
};

/* How often each call that is no message came so far. */
struct tc_call_counts {
    struct tc_moment *_names; /* a table of open addresses; an occurrence of 0 is free */
    uint32_t _size, _used;
};

struct tc_tape {
    struct tc_moment *moments;
    struct tc_tape_item *items; /* by moment; choices by rising decision */
    uint32_t moment_count, item_count, choice_count;
    bool full; /* a bound was reached: it does not hold everything, and cannot be replayed */
    /* Of the handler: a replay must be called when it was called, for a call alone lets the engine say what it knows.
     */
    bool always, goes_on;
    uint32_t kinds, calls;
    char rule[TC_NAME_MAX]; /* the attack's name */
    uint32_t _moment_size, _item_size;
    uint64_t _decision;
    struct tc_arena _arena;
    struct tc_call_counts _counts;
    struct tc_handler _handler; /* of the recording */
    const struct tc_handler *_inner;
    const struct tc_ledger *_ledger;
};

/* The name of a call, which is counted. TC_EMEMORY, TC_ELIMIT: it could not be. */
int tc_moment_of(const struct tc_call *call, struct tc_call_counts *counts, struct tc_moment *out);
void tc_call_counts_clear(struct tc_call_counts *counts);
void tc_call_counts_free(struct tc_call_counts *counts);

/* An empty tape. Cannot fail. */
void tc_tape_init(struct tc_tape *tape);
void tc_tape_free(struct tc_tape *tape);

/* A handler that asks `inner` and writes down what it answers; it lives as long as the tape and `inner`. The tape is
 * emptied first. NULL if `inner` is. Too much for the tape sets `full` and changes nothing else. */
const struct tc_handler *tc_tape_record(struct tc_tape *tape, const struct tc_handler *inner,
                                        const struct tc_ledger *ledger);

/* For readers of a tape that was stored: each adds what it names, copying what is pointed to. Items go in in the order
 * in which they are to be given. TC_ELIMIT, TC_EMEMORY: the tape is as before. */
int tc_tape_add_moment(struct tc_tape *tape, const struct tc_moment *moment);
int tc_tape_add(struct tc_tape *tape, const struct tc_tape_item *item);

/* The choice with this decision id, or NULL. */
const struct tc_tape_item *tc_tape_choice(const struct tc_tape *tape, uint64_t decision);

/* Does this choice put bytes on a link that nobody said? Those may hold a signature made for a traitor. */
bool tc_tape_forges(const struct tc_tape_item *item);

/* All choices of the tape (from 0) in an order for tc_shrink: number 0 as they came, 1 … 5 by what they have in common,
 * the further ones at random, by the number. TC_EMEMORY. */
int tc_tape_order(const struct tc_tape *tape, uint32_t number, uint32_t *order);

/* Everybody whom the tape's attack signed for, and whom it named. */
struct tc_nodeset tc_tape_signed(const struct tc_tape *tape);
struct tc_nodeset tc_tape_traitors(const struct tc_tape *tape);

/* ---- giving the answers again ---- */

struct tc_replay;

/* Borrows the tape. TC_EMEMORY. */
int tc_replay_new(const struct tc_tape *tape, struct tc_replay **out);
void tc_replay_free(struct tc_replay *replay);

/* Begins a run: the handler to give to the engine. left_out[k]: the k-th choice (from 0, by decision id) is not given;
 * NULL: all are. `ledger`: where signatures are noted, as they were (the one the engine reads). Both are borrowed until
 * the run's end. The handler fails with TC_EREFUSED if the ledger allows fewer traitors than the tape has. */
const struct tc_handler *tc_replay_begin(struct tc_replay *replay, const bool *left_out, struct tc_ledger *ledger);

/* The same for another world, whose messages hold other values: a message is known by its role (type, view, sequence,
 * signer) and by how many of that role came before on its link. */
const struct tc_handler *tc_replay_begin_elsewhere(struct tc_replay *replay, const bool *left_out,
                                                   struct tc_ledger *ledger);

/* How many choices of this run were to be given, and how many found their moment. */
uint32_t tc_replay_wanted(const struct tc_replay *replay);
uint32_t tc_replay_matched(const struct tc_replay *replay);

/* Leaves out the choices that found no moment in this run, which is the same without them. */
void tc_replay_leave_unmatched(const struct tc_replay *replay, bool *left_out);

/* ---- the network alone ---- */

/* Lets `inner` act on the network and on processes only: what it would replace passes as it came, what it would send or
 * wipe is not, and nothing counts as signed. For asking whether a traitor was needed. Lives in `out`. NULL if inner is.
 */
struct tc_honest {
    const struct tc_handler *_inner;
    struct tc_ledger *_ledger;
    struct tc_handler _handler;
};
const struct tc_handler *tc_honest_begin(struct tc_honest *out, const struct tc_handler *inner,
                                         struct tc_ledger *ledger);

/* ---- shrinking ---- */

/* Does the failure still come with these choices left out? 1 yes, 0 no, negative: shrinking ends with this error. When
 * it says yes it may leave out more, those that came to nothing in that run. */
typedef int tc_shrink_fails_fn(void *self, bool *left_out, uint32_t count);

/* How long to go on, and in which order to leave out: what stands last in it goes first, and neighbours go together. */
struct tc_shrink_search {
    uint32_t tried_max;     /* runs, over all orders */
    const uint32_t *orders; /* order_count times all choices; NULL: one, as they are numbered */
    uint32_t order_count;
    uint32_t enough;      /* no further order is tried if no more than these are kept, */
    uint32_t enough_runs; /* or after so many runs */
};

struct tc_shrink_result {
    uint32_t kept, tried; /* choices; runs */
    bool minimal;         /* none of those kept can be left out alone; false if tried_max was reached first */
};

/* Delta debugging (Zeller and Hildebrandt, TSE'02), and pairs once few are left: leaves out as many of `count` choices
 * as it can while `fails` says 1, in each order from the beginning; the smallest is kept. In and out, left_out[k] says
 * which are left out; on entry it must fail already. 0, TC_EMEMORY or what `fails` gave (left_out is then the best of
 * the orders that were done). */
int tc_shrink(uint32_t count, bool *left_out, const struct tc_shrink_search *how, tc_shrink_fails_fn *fails, void *self,
              struct tc_shrink_result *out);

#endif
