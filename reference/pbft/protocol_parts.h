/* What the files protocol_*.c share among themselves: the vtable's functions, one file a concern. */
#ifndef TC_PBFT_PROTOCOL_PARTS_H
#define TC_PBFT_PROTOCOL_PARTS_H

#include "../fields_alloc.h"
#include "../protocol_base.h"
#include "protocol.h"
#include "wire.h"

/* Rows of tc_pbft.rows: wire types in their order, then what has no envelope of its own. */
enum { TC_PBFT_ROW_PREPARED = PBFT__TYPE__BATCH + 1, TC_PBFT_ROW_COUNT };
extern const struct tc_message_row tc_pbft_rows[TC_PBFT_ROW_COUNT];

/* As struct tc_protocol says. */
int tc_pbft_message_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m);
int tc_pbft_message_build(const char *type, struct tc_arena *arena, struct tc_message *out);
int tc_pbft_message_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                         struct tc_arena *arena, struct tc_message *out);
int tc_pbft_message_verify(const struct tc_protocol_env *env, const struct tc_statement *s);
int tc_pbft_message_perturb(const struct tc_protocol_env *env, const struct tc_message *proposal, uint64_t hash,
                            bool omit_requests, struct tc_arena *arena, struct tc_message *out, struct tc_error *err);
int tc_pbft_message_vote_for(const struct tc_message *vote, const struct tc_message *proposal, struct tc_arena *arena,
                             struct tc_message *out);

/* Decodes a frame that we made into `out`, with link and connection as `like` has them. TC_EMALFORMED, TC_ELIMIT. */
int tc_pbft_message_again(struct tc_slice frame, const struct tc_message *like, struct tc_arena *arena,
                          struct tc_message *out);

/* m with another body and another batch (`requests`, NULL: as it was), unsigned, into `out`. TC_ELIMIT. */
int tc_pbft_message_remake(const struct tc_message *m, const ProtobufCMessage *body, Wire__Envelope **requests,
                           size_t request_count, struct tc_arena *arena, struct tc_message *out);

#endif
