/* What the files rpc*.c of CometBFT share: reading values out of JSON. Missing and wrong values read as empty: whoever
 * needs one checks it. */
#ifndef TC_COMETBFT_RPC_PARTS_H
#define TC_COMETBFT_RPC_PARTS_H

#include "rpc.h"

#include "protocol_parts.h"

#include <jansson.h>

/* Bytes of JSON that are read into a tree at once: a tree costs a hundred times what the bytes do, and whoever answers
 * may be a traitor. */
#define TC_RPC_PARSED_MAX ((size_t)256 << 10)

/* Of a long object only the values at `paths` (keys from the outside in, NULL-ended, as the list is), in the objects
 * that hold them; the rest is passed over. NULL: one of them is missing or itself longer than TC_RPC_PARSED_MAX, it is
 * no object, or no memory. The caller frees it. */
json_t *tc_rpc_parts(struct tc_slice body, const char *const *const paths[]);

const char *tc_rpc_text(const json_t *object, const char *key); /* "" */
/* Numbers are texts where they have 64 bits. 0 if it is none or negative. */
uint64_t tc_rpc_number(const json_t *object, const char *key);
/* Hexadecimal digits of at most 32 bytes; fewer are padded with zeros, as an application's hash may be. ABSENT if empty
 * or no such digits. */
struct tc_value tc_rpc_hash(const char *text);
/* Base64. ABSENT likewise. */
struct tc_value tc_rpc_base64_hash(const char *text);
/* An Ed25519 public key: { type, value }. */
bool tc_rpc_public_key(const json_t *object, uint8_t key[static TC_PUBLIC_KEY_SIZE]);

/* The hash of a header, which names its block. ABSENT: it is no header. */
struct tc_value tc_rpc_header_hash(const json_t *header, struct tc_arena *arena);

#define TC_RPC_STATES_MAX 64 /* heights, the last ones */

/* What a node says of the application's state after a height: in its answer, and in the header of the next one. */
struct tc_rpc_states {
    struct {
        uint64_t height;
        struct tc_value said[2]; /* in the answer, in the header */
    } at[TC_RPC_STATES_MAX];
};

/* Keeps what is said there. What was said in the other place, where that is known and is not the same; else NULL. Lives
 * until the next call. */
const struct tc_value *tc_rpc_states_put(struct tc_rpc_states *states, uint64_t height, bool in_header,
                                         const struct tc_value *said);

#define TC_RPC_EVIDENCE_MAX 64 /* pieces of one block that are read */

/* What a header says of this list of evidence: the root over its pieces, in *root. TC_EMALFORMED: a piece is broken, so
 * no header says this; the list is a lie. TC_EUNSUPPORTED: one is of another kind than two votes (a light client's), or
 * they are more than we read: true or not, it cannot be checked; *root is ABSENT after both. TC_EMEMORY. */
int tc_rpc_evidence_hash(const json_t *list, struct tc_arena *arena, struct tc_value *root);

/* One piece of evidence of a block as the message that carries it: its two votes are embedded statements. Lives in
 * `arena`. TC_EUNSUPPORTED: of another kind than two votes; TC_EMALFORMED; TC_ELIMIT. */
int tc_rpc_evidence(const struct tc_protocol_env *env, const json_t *piece, struct tc_arena *arena,
                    struct tc_message *out);

#endif
