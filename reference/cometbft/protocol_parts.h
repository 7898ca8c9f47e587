/* What the files protocol*.c of CometBFT share. */
#ifndef TC_COMETBFT_PROTOCOL_PARTS_H
#define TC_COMETBFT_PROTOCOL_PARTS_H

#include "../fields_alloc.h"
#include "../protocol.h"
#include "cometbft.pb-c.h"

/* Groups of channels that speak one language: the wire type of a row is group << 8 | number of the wrapper's field. */
#define TC_COMETBFT_CONSENSUS 0x20u /* 20 to 23 */
#define TC_COMETBFT_MEMPOOL   0x30u
#define TC_COMETBFT_EVIDENCE  0x38u
#define TC_COMETBFT_BLOCKSYNC 0x40u
#define TC_COMETBFT_STATESYNC 0x60u /* and 61 */
#define TC_COMETBFT_PEX       0x00u
#define TC_COMETBFT_NODE_INFO 0xffu
#define TC_COMETBFT_BLOCK     0x100u /* no channel: what is only found inside a block */

#define TC_COMETBFT_TYPE(group, number)  ((uint32_t)(group) << 8 | (number))
#define TC_COMETBFT_TYPE_PROPOSAL        TC_COMETBFT_TYPE(TC_COMETBFT_CONSENSUS, 3)
#define TC_COMETBFT_TYPE_VOTE            TC_COMETBFT_TYPE(TC_COMETBFT_CONSENSUS, 6)
#define TC_COMETBFT_TYPE_BLOCK_PART      TC_COMETBFT_TYPE(TC_COMETBFT_CONSENSUS, 5)
#define TC_COMETBFT_TYPE_COMMIT          TC_COMETBFT_TYPE(TC_COMETBFT_BLOCK, 1)
#define TC_COMETBFT_TYPE_EXTENDED_COMMIT TC_COMETBFT_TYPE(TC_COMETBFT_BLOCK, 2)

/* SignedMsgType */
#define TC_COMETBFT_PREVOTE   1u
#define TC_COMETBFT_PRECOMMIT 2u
#define TC_COMETBFT_PROPOSAL  32u

#define TC_COMETBFT_ADDRESS_SIZE 20

extern const struct tc_message_row tc_cometbft_rows[];
extern const size_t tc_cometbft_row_count;

/* The row of a message type; votes have one row for each of their types. -1: none. */
int tc_cometbft_row(uint32_t wire_type, uint32_t vote_type);

/* As struct tc_protocol says. */
int tc_cometbft_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m);
int tc_cometbft_encode(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame);
void tc_cometbft_attribute(const struct tc_protocol_env *env, struct tc_message *m);
int tc_cometbft_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                     struct tc_arena *arena, struct tc_message *out);
int tc_cometbft_verify(const struct tc_protocol_env *env, const struct tc_statement *s);
int tc_cometbft_vote_for(const struct tc_message *vote, const struct tc_message *proposal, struct tc_arena *arena,
                         struct tc_message *out);
int tc_cometbft_perturb(const struct tc_protocol_env *env, const struct tc_message *proposal, uint64_t hash,
                        bool omit_requests, struct tc_arena *arena, struct tc_message *out, struct tc_error *err);
enum tc_gather tc_cometbft_gather(struct tc_gathering *so_far, const struct tc_message *m);
int tc_cometbft_build(const char *type, struct tc_arena *arena, struct tc_message *out);

/* Sets kind, phase, view, sequence, value and slot of a statement from its fields. */
void tc_cometbft_read_neutral(struct tc_statement *s);

/* Statements that the commits in a message need; adding them behind those it has, each a certificate with its
 * precommits embedded (TC_ELIMIT: the arena is full); and, once votes have signers, naming those of certificates. */
uint32_t tc_cometbft_commit_room(const struct tc_statement *first);
int tc_cometbft_add_commits(struct tc_message *m, struct tc_arena *arena);
void tc_cometbft_name_signers(struct tc_message *m);

/* The bytes that a vote's, proposal's or vote extension's signature covers (types/canonical.go): length-delimited, with
 * the chain's id in them. TC_ELIMIT: the arena is full. */
int tc_cometbft_vote_bytes(const Cometbft__Vote *vote, const char *chain_id, struct tc_arena *arena,
                           struct tc_slice *bytes);
int tc_cometbft_proposal_bytes(const Cometbft__Proposal *proposal, const char *chain_id, struct tc_arena *arena,
                               struct tc_slice *bytes);
int tc_cometbft_extension_bytes(const Cometbft__Vote *vote, const char *chain_id, struct tc_arena *arena,
                                struct tc_slice *bytes);

/* The address of a validator's key: the first 20 bytes of its SHA-256. */
void tc_cometbft_address(const uint8_t public_key[static 32], uint8_t address[static TC_COMETBFT_ADDRESS_SIZE]);

static inline struct tc_slice tc_cometbft_slice(ProtobufCBinaryData data)
{
    return (struct tc_slice){data.data, data.len};
}

#endif
