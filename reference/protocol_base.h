/* What the reference protocols share on the man in the middle's side: their frames are the same envelopes, their
 * clients speak alike, their leaders take turns. What is particular to one is in its own folder. Beside struct
 * tc_protocol's errors (TC_EMALFORMED, TC_ELIMIT: the arena is full, TC_EKEY, TC_ESIGNATURE) there are none. */
#ifndef TC_PROTOCOL_BASE_H
#define TC_PROTOCOL_BASE_H

#include "../proxy/arena.h"
#include "protocol.h"
#include "wire.h"

#define TC_PARENT_NONE 0xffffu /* of the first statement, which is embedded in none */

/* ---- a list of statements, while a message is decoded ---- */

struct tc_statements {
    struct tc_arena *arena;
    struct tc_statement *items;
    uint32_t count, room;
};

/* A fresh statement at the end, all fields as in an unsigned `other`. Its index, or TC_ELIMIT. Growth moves the list:
 * hold indices, not pointers. */
int tc_statements_add(struct tc_statements *list, uint32_t parent);

void tc_statement_set_view(struct tc_statement *s, uint64_t view);
void tc_statement_set_sequence(struct tc_statement *s, uint64_t sequence);

/* The value; one of another length than a digest's leaves it absent. */
void tc_statement_set_value(struct tc_statement *s, ProtobufCBinaryData digest);

/* The conflict key, last of all: of its type, `major` and `minor`. Without a value there is nothing to conflict. */
void tc_statement_set_slot(struct tc_statement *s, uint64_t major, uint64_t minor);

/* The same of a proposal or a vote, of its view and sequence. Nearly all messages are one, so it is mixed once only. */
void tc_statement_set_place(struct tc_statement *s);

/* Who signed what: signer, body and signature (or MACs) as the envelope has them. */
void tc_statement_set_envelope(struct tc_statement *s, const Wire__Envelope *envelope);

/* Value and slot of a client's request, whose signer is set. */
void tc_statement_set_request(struct tc_statement *s, const Wire__Request *request);

/* ---- messages ---- */

/* Begins decoding: a message without statements. */
void tc_envelope_begin(struct tc_message *m, struct tc_slice frame);

/* The same, and the envelope in its frame. */
int tc_envelope_open(struct tc_message *m, struct tc_slice frame, struct tc_arena *arena, Wire__Envelope **envelope);

/* Ends it: the message is decoded, its statements are these. */
void tc_envelope_close(struct tc_message *m, Wire__Envelope *envelope, const struct tc_statements *list,
                       const struct tc_message_row *rows);

/* tc_protocol.encode and .hello, whose message must be decoded with the row's descriptor. */
int tc_envelope_encode(const struct tc_message *m, struct tc_arena *arena, struct tc_slice *frame);
int tc_envelope_hello(const struct tc_message *m, uint16_t *node);

/* A new message's frame, to be decoded into tc_envelope_blank: an empty one of that type; m signed by `node`; m with
 * another body and another batch (`requests`, NULL: as it was), unsigned. */
int tc_envelope_build(uint32_t type, struct tc_arena *arena, struct tc_slice *frame);
int tc_envelope_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                     struct tc_arena *arena, struct tc_slice *frame);
int tc_envelope_remake(const struct tc_message *m, const ProtobufCMessage *body, Wire__Envelope **requests,
                       size_t request_count, struct tc_arena *arena, struct tc_slice *frame);

/* A message of ours in place of `like`: its link and connection. NULL: of none. */
struct tc_message tc_envelope_blank(const struct tc_message *like);

/* tc_protocol.verify for a statement of that row. */
int tc_envelope_verify(const struct tc_protocol_env *env, const struct tc_message_row *row,
                       const struct tc_statement *s);

/* ---- rules ----
 * What the oracles and justifiers judge by. The replicas state who leads, what a quorum is and how long they wait once
 * more (replica_base.h), on purpose: they are what is judged, and a mistake in a rule that judge and judged shared
 * would be seen by nobody. A change of the protocol is a change of both. */

/* tc_protocol.leader: in turn. tc_protocol.quorum: ⌈(n+f+1)/2⌉. */
uint16_t tc_protocol_in_turn(const struct tc_cluster *cluster, uint64_t view);
uint32_t tc_protocol_majority(const struct tc_cluster *cluster);

/* tc_protocol.recovery_bound_ns: the timer that runs now, then one for each of `leaders` that may fail in turn (those
 * that are dictated may all fail too), each doubled up to the cap; protocol delays are taken as one more initial timer.
 */
uint64_t tc_protocol_recovery_ns(const struct tc_cluster *cluster, uint64_t timeout_now_ns, uint32_t leaders);

#endif
