/* What was signed for which slot by whom: one bounded store that the judge feeds and several oracles read
 * (equivocation, certificate uniqueness, certificate validity, agreement's reasons, view monotonicity, participation).
 *
 * A *column* is a kind and phase of statement that names a value for a slot: in PBFT propose, prepare, commit and
 * checkpoint. Of every signer the first two values of each column are kept with a copy of the message. Signatures are
 * verified only when somebody asks. Pure. */
#ifndef TC_VOTES_H
#define TC_VOTES_H

#include "../reference/protocol.h"
#include "frames.h"

#define TC_COLUMNS_MAX     8
#define TC_SLOT_VALUES_MAX 4 /* different values remembered for one slot */
#define TC_NO_COLUMN       0xffu

/* What a statement was to the store. */
enum tc_vote_flag {
    TC_VOTE_NEW = 1,       /* this signer had not said this value for this slot and column */
    TC_VOTE_CONFLICT = 2,  /* … and had said another value for them */
    TC_VOTE_QUORUM = 4,    /* … and with it the value has a quorum of signers in the column */
    TC_VOTE_SPOKEN = 8,    /* its signer said it on its own link, for the first time */
    TC_VOTE_NEW_SLOT = 16, /* the first statement of its slot */
};

/* One slot: in PBFT one view and sequence number with everybody's proposals and votes. The arrays behind it are reached
 * through the functions below. */
struct tc_slot {
    uint64_t key, epoch, view, sequence, first_ns;
    bool has_view, has_sequence;
    bool by_view; /* a row of one epoch, view and sequence (else of one conflict key of the protocol) */
    uint8_t value_count;
    bool sifted;    /* when it was full, what nobody signed was put out */
    uint8_t before; /* free for the message-cost oracle: the slot belongs to the failure-free phase */
    struct tc_value values[TC_SLOT_VALUES_MAX];
};

/* A statement of the message in hand that was of interest: its flags are not 0. */
struct tc_vote {
    uint32_t flags; /* enum tc_vote_flag */
    uint16_t statement, signer;
    uint8_t column, value;
    struct tc_slot *slot;
};

struct tc_votes;

/* A store for the protocol's columns and the cluster's n. NULL if out of memory. env is borrowed for life. */
struct tc_votes *tc_votes_new(const struct tc_protocol *protocol, const struct tc_protocol_env *env);
void tc_votes_free(struct tc_votes *votes);

/* Takes in the statements of one message observation; the union of all flags. */
uint32_t tc_votes_observe(struct tc_votes *votes, const struct tc_observation *observation);

/* The statements of interest of the last message. Valid until the next observe. */
const struct tc_vote *tc_votes_current(const struct tc_votes *votes, size_t *count);

/* The column of a statement, TC_NO_COLUMN if it has none; its kind, phase and the protocol's name. */
uint8_t tc_votes_column(const struct tc_votes *votes, const struct tc_statement *s);
enum tc_kind tc_votes_column_kind(const struct tc_votes *votes, uint8_t column);
enum tc_phase tc_votes_column_phase(const struct tc_votes *votes, uint8_t column);
const char *tc_votes_column_name(const struct tc_votes *votes, uint8_t column);
uint8_t tc_votes_column_count(const struct tc_votes *votes);

/* The slot of a statement, NULL if the window does not hold it (any more); the index-th slot, oldest first. */
struct tc_slot *tc_votes_slot(const struct tc_votes *votes, const struct tc_statement *s);
struct tc_slot *tc_votes_slot_at(const struct tc_votes *votes, uint32_t index);

/* Index of a value in the slot, or -1. */
int tc_votes_value(const struct tc_slot *slot, const struct tc_value *value);

/* Who signed that value in that column; with `proposer`, whoever proposed it counts as a voter too (PBFT: a
 * pre-prepare stands for the primary's prepare). Not verified. */
struct tc_nodeset tc_votes_signers(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column,
                                   uint8_t value, bool proposer);

/* Does the store hold that vote, and did its signer say it on its own link, untouched? */
bool tc_votes_knows(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                    uint16_t signer);
bool tc_votes_spoken(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                     uint16_t signer);

/* The message that carried the vote; false if its copy is gone. Borrowed until the next observe. */
bool tc_votes_frame(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                    uint16_t signer, struct tc_kept_frame *out);

/* Was that vote offered to replica `to`, said or made for it directly? false also where that is not kept (more than 64
 * replicas). */
bool tc_votes_offered(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                      uint16_t signer, uint16_t to);

/* Is it kept who was offered what? */
bool tc_votes_keeps_offers(const struct tc_votes *votes);

/* Verifies the signature of the kept copy: 0; TC_ESIGNATURE (the vote is then forgotten, for nobody said it), TC_EKEY,
 * TC_ENOT_FOUND if the copy is gone, TC_ELIMIT when the run's budget of verifications is spent. */
int tc_votes_verify(struct tc_votes *votes, struct tc_slot *slot, uint8_t column, uint8_t value, uint16_t signer);

/* Verifies any statement within the same budget: 0, TC_ESIGNATURE (also if it bears no signature), TC_EKEY, TC_ELIMIT.
 */
int tc_votes_check(struct tc_votes *votes, const struct tc_statement *s);

/* Marks, and asks, whether the signer is already convicted for this slot. */
void tc_votes_convict(struct tc_votes *votes, struct tc_slot *slot, uint16_t signer);
bool tc_votes_convicted(const struct tc_votes *votes, const struct tc_slot *slot, uint16_t signer);

/* Values that found no room in a full slot: what was not compared. */
uint64_t tc_votes_crowded(const struct tc_votes *votes);

/* Slots taken in so far. */
uint64_t tc_votes_slots(const struct tc_votes *votes);

#endif
