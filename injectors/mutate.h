/* Changing what a message says, by the descriptors and tables of its protocol alone. What is changed is signed again
 * where its sender's key is a traitor's; else it keeps the signature it had, which a receiver must refuse. Pure.
 *
 * After ByzzFuzz (Winter et al., OOPSLA'23): small-scope mutations are neighbours of what was said, any-scope ones are
 * anything of the same type. */
#ifndef TC_MUTATE_H
#define TC_MUTATE_H

#include "../reference/protocol.h"
#include "ledger.h"
#include "mutate_memory.h"

enum tc_operator {
    TC_OP_NUDGE = 0,  /* a number of the body one higher or one lower; small scope */
    TC_OP_VALUE,      /* another value for the digest: one heard earlier, or one bit of it; small scope */
    TC_OP_EMPTY,      /* a list, a message or bytes of the body left out; small scope */
    TC_OP_EXTREME,    /* a number at its lowest, highest, or at 2^40 */
    TC_OP_SUBSTITUTE, /* a field as an earlier message of the same type had it */
    TC_OP_BYTES,      /* one bit of one field of bytes */
    TC_OP_DUPLICATE,  /* an element of a list twice (in all lists that run parallel: signers and signatures) */
    TC_OP_REMOVE,     /* an element less */
    TC_OP_SWAP,       /* two elements in each other's place */
    TC_OP_REPEAT,     /* an element in another's place: as many as before, one of them twice */
    TC_OP_EMBEDDED,   /* one of these operators on a message inside, signed again where possible */
    TC_OP_FORGE,      /* a certificate inside for something else, or one made of too few votes */
    TC_OP_BATCH,      /* the requests beside the body: one less, one twice, two exchanged */
    TC_OP_PERTURB,    /* the protocol's own second proposal */
    TC_OP_CORRUPT,    /* bytes of the frame; not signed again */
    TC_OP_COUNT
};

#define TC_OPERATORS_SMALL ((1u << TC_OP_NUDGE) | (1u << TC_OP_VALUE) | (1u << TC_OP_EMPTY))
#define TC_OPERATORS_ANY   ((1u << TC_OP_COUNT) - 1u)

struct tc_mutator {
    const struct tc_protocol *protocol;
    const struct tc_protocol_env *env;
    struct tc_ledger *ledger;      /* NULL: nothing is signed */
    const struct tc_memory *heard; /* NULL: nothing is remembered */
};

/* "nudge", static; "?" outside the enum. */
const char *tc_operator_name(enum tc_operator op);

/* m's frame, changed by `op`; `hash` decides how, whoever the receiver is. 0: `frame` (in `arena`) differs from m's.
 * TC_EUNSUPPORTED: this operator changes nothing of such a message; the caller tries another or lets it pass.
 * TC_ELIMIT: the arena is full. Others as protocol->sign gives them. */
int tc_mutate(const struct tc_mutator *mutator, enum tc_operator op, uint64_t hash, const struct tc_message *m,
              struct tc_arena *arena, struct tc_slice *frame);

/* By one of `operators` (bit set), chosen by `hash`; the next one if that changes nothing. *op is which. */
int tc_mutate_any(const struct tc_mutator *mutator, uint32_t operators, uint64_t hash, const struct tc_message *m,
                  struct tc_arena *arena, struct tc_slice *frame, enum tc_operator *op);

/* Signs what was changed if its sender is a traitor (the ledger notes it), else only encodes it. `out` and what it
 * points to live in `arena`. Errors as above. */
int tc_mutate_seal(const struct tc_mutator *mutator, const struct tc_message *changed, struct tc_arena *arena,
                   struct tc_message *out);

/* A client's request whose vector of MACs convinces some replicas and not the others; the rest of it stays. Nothing is
 * signed. TC_EUNSUPPORTED: it is no request, or it bears a signature. TC_ELIMIT: the arena is full. */
int tc_mutate_authenticator(const struct tc_mutator *mutator, uint64_t hash, const struct tc_message *m,
                            struct tc_arena *arena, struct tc_slice *frame);

/* A message that may be changed: m with copies of body and envelope in `arena`. TC_ELIMIT, TC_EUNSUPPORTED (it has no
 * body). */
int tc_mutate_copy(const struct tc_message *m, struct tc_arena *arena, struct tc_message *out);

/* A proposal on another certificate: `certificate` (bytes as protocol->certificate makes them, or a part of a message
 * packed) in the place of the one it carries; what followed from the old one (the parent's digest, the next height)
 * follows from the new, and the digest is made again (perturb). Unsigned. An empty certificate: the genesis block's.
 * TC_EUNSUPPORTED: the proposal has no place for one. `hash` and `omit_requests` as perturb takes them. */
int tc_mutate_rebase(const struct tc_mutator *mutator, const struct tc_message *proposal, struct tc_slice certificate,
                     uint64_t hash, bool omit_requests, struct tc_arena *arena, struct tc_message *out);

/* A certificate (packed) of votes heard that agree, the traitor's own among them: signed now if it kept silent. `hash`
 * chooses which. TC_EUNSUPPORTED: there are too few, or the protocol has no certificates of its own. */
int tc_mutate_certify(const struct tc_mutator *mutator, uint64_t hash, uint16_t traitor, struct tc_arena *arena,
                      struct tc_slice *out);

/* The statement's own fields, packed: a certificate as tc_mutate_rebase takes it. TC_EUNSUPPORTED: it has none. */
int tc_mutate_pack(const struct tc_statement *statement, struct tc_arena *arena, struct tc_slice *out);

#endif
