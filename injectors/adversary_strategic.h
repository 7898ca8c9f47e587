/* What the two files of the strategic adversary share. Nobody else includes this.
 *
 * adversary_strategic.c  its temper, the network, crashes, old words
 * adversary_absence.c    who is away, for a while or for good
 * adversary_stories.c    what the traitor says as a leader and as a voter */
#ifndef TC_ADVERSARY_STRATEGIC_H
#define TC_ADVERSARY_STRATEGIC_H

#include "adversary_base.h"

enum tc_strategic_draw {
    DRAW_SHARES = 40,
    DRAW_DARK,
    DRAW_NET,
    DRAW_NET_KIND,
    DRAW_NET_STEP,
    DRAW_NET_WHO,
    DRAW_NET_SET,
    DRAW_NET_CHECKPOINT,
    DRAW_CUT,
    DRAW_CUT_WHEN,
    DRAW_CUT_TIME,
    DRAW_CRASH,
    DRAW_AGAIN,
    DRAW_AGAIN_WHEN,
    DRAW_AGAIN_COUNT,
    DRAW_LEAD,
    DRAW_LEAD_KIND,
    DRAW_LEAD_SET,
    DRAW_LEAD_HOW,
    DRAW_FALSE,
    DRAW_FOLLOW,
    DRAW_FOLLOW_KIND,
    DRAW_FOLLOW_SET,
    DRAW_FOLLOW_HOW,
    DRAW_AWAY
};

#define TIMER_HEAL 1

#define CERTIFICATES_MAX 24
#define SECONDS_MAX      16

/* A certificate that was seen, packed. */
struct tc_strategic_certificate {
    uint64_t view, sequence;
    uint8_t *bytes;
    size_t len;
};

/* The second proposal that was told in some slot: votes for it go to those who heard it. */
struct tc_strategic_second {
    uint64_t view, sequence;
    bool has_sequence;
    uint8_t *frame;
    size_t len;
};

struct tc_adversary {
    struct tc_adversary_base base;
    bool stable_leader, phased;
    /* how often, of 256 views, it does what */
    uint32_t net_share, lead_share, follow_share, again_share, cut_share, crash_share, checkpoint_share, false_share;
    uint32_t crashes; /* still allowed */
    uint16_t dark;    /* hears nothing in these eras; TC_NODE_NONE: nobody */
    uint64_t dark_first, dark_last, last_era;
    bool cut;
    uint16_t away;                  /* goes away once; TC_NODE_NONE: nobody, or it is back */
    uint64_t away_from, away_until; /* the decisions with which it goes and comes back */
    bool away_for_good, away_forgets, away_left;
    struct tc_arena arena; /* to pack certificates in */
    uint64_t noted;        /* key of the message whose certificates were noted last */
    struct tc_strategic_certificate certificates[CERTIFICATES_MAX];
    uint32_t certificate_count; /* ever */
    struct tc_strategic_second seconds[SECONDS_MAX];
    uint32_t second_count; /* ever */
};

/* With a probability of of_256 / 256. */
bool tc_strategic_chance(const struct tc_adversary *a, enum tc_strategic_draw what, uint64_t which, uint64_t of_256);

/* The process of a replica ends and begins anew, if the run has a crash left. */
void tc_strategic_crash(struct tc_adversary *a, uint16_t node, struct tc_plan *plan);

/* Who is away in this run, after all else of its temper is drawn; and, with each decision, whether it goes or comes. */
void tc_strategic_draw_absence(struct tc_adversary *a);
void tc_strategic_decided(struct tc_adversary *a, uint64_t sequence, struct tc_plan *plan);

/* Remembers the certificates in it. */
void tc_strategic_note(struct tc_adversary *a, const struct tc_message *m);
void tc_strategic_forget(struct tc_adversary *a);

/* The traitor's own message, as leader and as follower: what becomes of it in this era. */
void tc_strategic_lead(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t era,
                       struct tc_plan *plan);
void tc_strategic_follow(struct tc_adversary *a, const struct tc_message *m, const struct tc_statement *s, uint64_t era,
                         struct tc_plan *plan);

#endif
