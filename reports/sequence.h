/* The message-sequence picture: sequence.c chooses what is shown and when it comes, sequence_svg.c draws it. */
#ifndef TC_SEQUENCE_H
#define TC_SEQUENCE_H

#include "render.h"

#define TC_SEQUENCE_ARROWS_MAX 200u /* where a finding decides what is shown */
#define TC_SEQUENCE_PLAIN_MAX  80u  /* where nothing does: enough to see how a decision comes about */
#define TC_SEQUENCE_LANES_MAX  16u
#define TC_SEQUENCE_ITEMS_MAX  (4 * TC_SEQUENCE_ARROWS_MAX)

enum tc_sequence_fate {
    TC_SEQ_PASSED,
    TC_SEQ_DELAYED,
    TC_SEQ_DUPLICATE,
    TC_SEQ_CHANGED,   /* bytes of ours, validly signed where a signature is needed */
    TC_SEQ_CORRUPTED, /* bytes of ours, without a valid signature */
    TC_SEQ_REPLACED,  /* what one of these two stands for: not drawn */
    TC_SEQ_DROPPED,
    TC_SEQ_HELD,
    TC_SEQ_UNDELIVERED,
    TC_SEQ_EXECUTED, /* marks on a lane from here on */
    TC_SEQ_ENTERS,
    TC_SEQ_ASKS,
    TC_SEQ_FATES
};

/* One row of messages.tsv; texts are borrowed from the table. */
struct tc_sequence_row {
    uint64_t said_ns, heard_ns, view, sequence; /* TC_NEVER_NS: none */
    uint16_t from, to, signer;                  /* signer: not `from` where a peer passes another's word on */
    const char *type, *kind, *digest;
    enum tc_sequence_fate fate;
    uint64_t decision;
    bool same_value; /* TC_SEQ_CHANGED: it stands for a message that named the same value */
};

/* Something with a place on the time axis: the start of a fan, an arrival that came late, a mark, the finding. */
enum tc_sequence_item_kind { TC_SEQ_FAN, TC_SEQ_ARRIVAL, TC_SEQ_MARK, TC_SEQ_FINDING };
struct tc_sequence_item {
    enum tc_sequence_item_kind kind;
    uint64_t time_ns;
    uint32_t row;                             /* first row of the fan, or the row itself */
    uint32_t rank;                            /* keeps the order of equal times */
    int y;                                    /* where it is drawn */
    uint64_t cut_ns;                          /* idle time left out just above it, 0 none */
    uint32_t next[TC_SEQUENCE_LANES_MAX * 2]; /* the fan's rows */
    uint32_t count;
};

struct tc_sequence {
    const json_t *result;
    struct tc_sequence_row *rows;
    uint32_t row_count;
    uint32_t chosen[TC_SEQUENCE_ARROWS_MAX * 2];
    uint32_t chosen_count, arrow_count, left_out;
    struct tc_sequence_item *items;
    uint32_t item_count;
    uint16_t lanes[TC_SEQUENCE_LANES_MAX]; /* replica ids; TC_CLIENT_FIRST stands for all clients */
    uint32_t lane_count;
    bool first_hand;                     /* what was only passed on, unchanged, is left out */
    bool guilty;                         /* a finding decides what is shown; otherwise a representative decision */
    uint64_t view, sequence, finding_ns; /* focus; TC_NEVER_NS: none */
    int height;
};

/* The lane of a node, or -1. */
int tc_sequence_lane(const struct tc_sequence *s, uint16_t node);
void tc_sequence_svg(const struct tc_sequence *s, struct tc_buf *svg);

#endif
