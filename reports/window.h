/* A bounded memory of what passed, for the message-sequence picture: compact records of messages, decisions, executions
 * and view entries around the two moments that may matter, the attack's begin and the first finding. Under 3 MB. */
#ifndef TC_WINDOW_H
#define TC_WINDOW_H

#include "../proxy/error.h"
#include "buf.h"

#define TC_WINDOW_HEAD_MAX  20000u /* from the attack's begin */
#define TC_WINDOW_RING_MAX  20000u /* before a finding */
#define TC_WINDOW_AFTER_MAX 5000u  /* after a finding */
#define TC_WINDOW_TYPES_MAX 64u

enum tc_window_what { TC_WINDOW_MESSAGE, TC_WINDOW_DECISION, TC_WINDOW_EXECUTED, TC_WINDOW_VIEW };

/* One line of a processor's cache: every message of a live run is written here. */
struct tc_window_record {
    uint64_t time_ns, key, view, sequence;
    uint64_t id; /* DECISION: its id */
    uint8_t digest[8];
    uint32_t occurrence;
    uint16_t from, to; /* EXECUTED, VIEW: both the replica */
    uint16_t signer;   /* MESSAGE: whose word it is; peers may relay it. `from` where it has no signature */
    uint8_t verb, kind, phase, type;
    uint8_t what : 4, value_state : 4; /* enum tc_window_what, enum tc_value_state */
    bool said : 1, heard : 1, touched : 1, bitten : 1, has_view : 1, has_sequence : 1, active : 1;
};

struct tc_window;

/* NULL if out of memory. */
struct tc_window *tc_window_new(void);
void tc_window_free(struct tc_window *w);

/* Messages, executions and views are kept, phases and faults noted, other observations passed over. Decisions all. */
void tc_window_observe(struct tc_window *w, const struct tc_observation *observation);
void tc_window_decide(struct tc_window *w, const struct tc_decision *decision);

/* A finding arrived: what the ring holds is kept, and TC_WINDOW_AFTER_MAX records more. Only the first call counts. */
void tc_window_mark(struct tc_window *w);

/* The earliest bitten decision of the window about this sequence number (or, without one, about this view; or any), not
 * later than before_ns. NULL if there is none. Borrowed. */
const struct tc_window_record *tc_window_first_decision(const struct tc_window *w, const uint64_t *sequence,
                                                        const uint64_t *view, uint64_t before_ns);

/* The protocol's name of the record's message, "" if none. */
const char *tc_window_type(const struct tc_window *w, const struct tc_window_record *record);

/* messages.tsv: one row a message with its fate, an execution or a view entry; see window_table.c for the columns.
 * TC_EMEMORY. */
int tc_window_table(const struct tc_window *w, struct tc_buf *out);

#endif
