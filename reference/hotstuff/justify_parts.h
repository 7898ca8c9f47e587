/* What the files justify*.c share: the memory of what every replica said and was offered.
 *
 * Blocks and ballots (what votes of one phase name) live in two tables that grow to a bound; when a bucket is full
 * then, the entry of the lowest view goes, and nothing that depends on such old views is judged any more. */
#ifndef TC_HOTSTUFF_JUSTIFY_PARTS_H
#define TC_HOTSTUFF_JUSTIFY_PARTS_H

#include "../../proxy/nodeset.h"
#include "protocol_parts.h"

#define JUSTIFY_BUCKETS_FIRST 16   /* both powers of two */
#define JUSTIFY_BUCKETS       1024 /* as many as a table has at most */
#define JUSTIFY_WAYS          4
#define JUSTIFY_LOCKS         64  /* own locks of a replica remembered */
#define JUSTIFY_TARGETS       16  /* committed blocks that a replica could know */
#define JUSTIFY_VOTES         256 /* views for which a replica's own votes are remembered */
#define JUSTIFY_DEPTH         4096
#define JUSTIFY_PHASES        4
#define JUSTIFY_CARRIED       256 /* verdicts remembered; a power of two */
#define JUSTIFY_NEW_VIEWS     8   /* views of which the new-view messages from one replica to another are remembered */

struct justify_set {
    uint64_t words[TC_REPLICAS_MAX / 64];
};

struct justify_point {
    uint64_t view, sequence;
    uint8_t digest[TC_VALUE_SIZE];
};

struct justify_block {
    bool used;
    struct justify_point at;
    uint8_t parent[TC_VALUE_SIZE];
    uint64_t justify_view;      /* of the certificate of its parent that its proposal carried */
    struct justify_set offered; /* replicas to which its leader's proposal was offered, with what it must carry */
    struct justify_set refused; /* … without that */
};

/* One (type of vote, view, block). */
struct justify_ballot {
    bool used;
    uint32_t type;
    struct justify_point at;
    struct justify_set said;      /* who said this vote on his own link */
    struct justify_set certified; /* to whom a valid certificate of it was offered */
    struct justify_set votes[];   /* whose votes were offered to replica r */
};

struct justify_lock {
    uint64_t voted_view; /* the vote that implies it */
    struct justify_point at;
};

struct justify_vote {
    uint64_t view;
    uint8_t digest[TC_VALUE_SIZE];
};

/* What a replica said to one peer, in the order of that link. */
struct justify_link {
    uint32_t conn;  /* the connection on which it last asked for a view */
    uint64_t asked; /* highest view that it asked for on it after a timeout */
};

/* What one replica told another in new-view messages for one view. */
struct justify_told {
    uint64_t view;
    uint64_t lowest; /* view of the lowest certificate in them */
};

/* Was what a message carries good? Broadcasts are the same bytes many times over. */
struct justify_carried {
    uint64_t key;
    const char *why; /* NULL: good */
};

struct justify_replica {
    struct justify_lock locks[JUSTIFY_LOCKS];
    uint32_t lock_count;
    struct justify_point targets[JUSTIFY_TARGETS];
    uint32_t target_count;
    uint64_t targets_gone; /* the highest sequence number of one that had to go */
    uint64_t first_said;   /* the view of what it said first; 0: nothing yet */
    struct justify_link links[TC_REPLICAS_MAX];
    uint32_t votes_begun[JUSTIFY_PHASES]; /* so many of a phase's votes were zeroed: views begin low */
    struct justify_vote votes[JUSTIFY_PHASES][JUSTIFY_VOTES]; /* last: most of it is never touched */
};

struct tc_justifier {
    struct tc_protocol_env env;
    const struct tc_hotstuff_table *table;
    tc_breach_fn *sink;
    void *self;
    bool chained;
    uint32_t n, quorum;
    uint64_t judged, unjudged;
    uint64_t late;       /* of the unjudged: they may rest on what was said before we watched */
    uint64_t first_view; /* the view that we saw first: what led to it we did not see */
    bool started;
    struct justify_block *blocks; /* these and ballots move when something is put */
    uint32_t block_buckets, ballot_buckets;
    uint8_t *ballots;
    size_t ballot_size;
    uint64_t blocks_gone, ballots_gone; /* highest view of an entry that had to go */
    struct justify_replica *replicas;
    struct justify_told *told; /* basic: of (hearer, speaker, view) */
    struct justify_carried carried[JUSTIFY_CARRIED];
    struct tc_arena arena;
    struct tc_slice support;
    uint8_t support_bytes[1024];
};

static inline void justify_add(struct justify_set *set, uint32_t node)
{
    set->words[node / 64 % (TC_REPLICAS_MAX / 64)] |= UINT64_C(1) << (node % 64);
}

static inline bool justify_has(const struct justify_set *set, uint32_t node)
{
    return node < TC_REPLICAS_MAX && ((set->words[node / 64] >> (node % 64)) & 1u);
}

static inline uint32_t justify_count(const struct justify_set *set)
{
    return tc_bits_count(set->words[0]) + tc_bits_count(set->words[1]);
}

static inline bool justify_is_block(const struct tc_statement *s)
{
    return s->fields.descriptor == (const void *)&hotstuff__proposal__descriptor;
}

static inline bool justify_same(const uint8_t *a, const uint8_t *b)
{
    return __builtin_memcmp(a, b, TC_VALUE_SIZE) == 0;
}

static inline bool justify_point_of(const struct tc_statement *s, struct justify_point *at)
{
    if (!s->has_view || !s->has_sequence || s->value.state != TC_VALUE_BYTES)
        return false;
    at->view = s->view;
    at->sequence = s->sequence;
    __builtin_memcpy(at->digest, s->value.bytes, TC_VALUE_SIZE);
    return true;
}

static inline uint16_t justify_leader(const struct tc_justifier *j, uint64_t view)
{
    return tc_protocol_leader(j->chained ? &tc_chained_hotstuff : &tc_hotstuff, &j->env, view);
}

/* ---- justify_carried.c ---- */

/* Is the certificate, the index-th statement, one of a quorum of genuine votes of different replicas? */
bool tc_hotstuff_justify_certificate(struct tc_justifier *j, const struct tc_message *m, uint32_t index);
/* Does the message carry what its type must, and is all of that good? NULL, or what is wrong with it. Judged once for
 * the same body. */
const char *tc_hotstuff_justify_carried(struct tc_justifier *j, const struct tc_message *m);

/* ---- justify_rules.c ---- */

/* `replica` broke a rule; `verb` it did so to the block `at`. m NULL: by an execution. */
void tc_hotstuff_justify_breach(struct tc_justifier *j, uint16_t replica, const struct tc_message *m, const char *rule,
                                const char *verb, const struct justify_point *at, const char *what);
/* What it says follows, or not. */
void tc_hotstuff_justify_proposal(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
void tc_hotstuff_justify_new_view(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
/* A new-view message was offered to it. */
void tc_hotstuff_justify_told(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s);
void tc_hotstuff_justify_vote(struct tc_justifier *j, uint16_t replica, const struct tc_message *m);
/* Could it know a certificate of these votes? */
bool tc_hotstuff_justify_knows(struct tc_justifier *j, uint16_t replica, uint32_t type, const struct justify_point *at);
/* Watching began in the middle of things: views 1 and 2 are the beginning. */
static inline bool justify_is_early(const struct tc_justifier *j, uint64_t view)
{
    return j->first_view > 2 && view <= j->first_view + 2;
}

/* ---- justify_memory.c ---- */

struct justify_block *tc_hotstuff_justify_block(struct tc_justifier *j, const uint8_t *digest);
/* Makes the entry if it is not there. */
struct justify_block *tc_hotstuff_justify_block_put(struct tc_justifier *j, const struct justify_point *at);
struct justify_ballot *tc_hotstuff_justify_ballot(struct tc_justifier *j, uint32_t type, const struct justify_point *at,
                                                  bool make);
/* Is `ancestor` on the way from `digest` down? 1, 0, or -1 when the way is not known whole. */
int tc_hotstuff_justify_extends(struct tc_justifier *j, const uint8_t *digest, const struct justify_point *ancestor);

#endif
