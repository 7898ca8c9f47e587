/* What the files protocol*.c share: one implementation, given the table of messages of either variant. */
#ifndef TC_HOTSTUFF_PROTOCOL_PARTS_H
#define TC_HOTSTUFF_PROTOCOL_PARTS_H

#include "../fields_alloc.h"
#include "../protocol_base.h"
#include "protocol.h"
#include "wire.h"

/* Row numbers of what has no envelope of its own. */
#define TC_HOTSTUFF_TYPE_CERTIFICATE         64
#define TC_HOTSTUFF_TYPE_TIMEOUT_CERTIFICATE 65

struct tc_hotstuff_table {
    const struct tc_message_row *rows;
    size_t count;
};

extern const struct tc_hotstuff_table tc_hotstuff_basic_table, tc_hotstuff_chained_table;

/* The row with that wire type, -1 if the variant has none. */
int tc_hotstuff_row(const struct tc_hotstuff_table *table, uint32_t wire_type);

/* As struct tc_protocol says, with the table. */
int tc_hotstuff_message_decode(const struct tc_hotstuff_table *table, struct tc_slice frame, struct tc_arena *arena,
                               struct tc_message *m);
int tc_hotstuff_message_build(const struct tc_hotstuff_table *table, const char *type, struct tc_arena *arena,
                              struct tc_message *out);
int tc_hotstuff_message_sign(const struct tc_hotstuff_table *table, const struct tc_protocol_env *env,
                             const struct tc_message *m, uint16_t node, struct tc_arena *arena, struct tc_message *out);
int tc_hotstuff_message_verify(const struct tc_hotstuff_table *table, const struct tc_protocol_env *env,
                               const struct tc_statement *s);
int tc_hotstuff_message_perturb(const struct tc_hotstuff_table *table, const struct tc_message *proposal, uint64_t hash,
                                bool omit_requests, struct tc_arena *arena, struct tc_message *out,
                                struct tc_error *err);
int tc_hotstuff_message_vote_for(const struct tc_hotstuff_table *table, const struct tc_message *vote,
                                 const struct tc_message *proposal, struct tc_arena *arena, struct tc_message *out);
bool tc_hotstuff_message_parent(const struct tc_message *proposal, struct tc_value *parent);
int tc_hotstuff_message_certificate(const struct tc_hotstuff_table *table, const struct tc_message *const *votes,
                                    size_t count, struct tc_arena *arena, struct tc_slice *out);

#endif
