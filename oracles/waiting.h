/* Which requests of clients wait: begun, not answered, and not executed by enough replicas that an answer must come.
 *
 * The ground truth is the clients' own history; where there is none, what clients and replicas say on the wire. A
 * request was answered when its client accepted a result, or when f+1 replicas' replies with one result reached it
 * (PBFT §4.1). It is as good as answered when f+1 replicas that are sound now executed it alike. A client that is cut
 * off (F_l) is owed nothing. Pure. */
#ifndef TC_WAITING_H
#define TC_WAITING_H

#include "oracle.h"

struct tc_waiting;

/* NULL if out of memory. env is borrowed for life. */
struct tc_waiting *tc_waiting_new(const struct tc_oracle_env *env);
void tc_waiting_free(struct tc_waiting *waiting);

/* A client began a request, accepted a result, or gave the request up. Nothing is due to a traitorous client. */
void tc_waiting_begun(struct tc_waiting *waiting, uint16_t client, uint64_t timestamp);
void tc_waiting_answered(struct tc_waiting *waiting, uint16_t client, uint64_t timestamp);

/* An execution line of a replica outside F_s, with all its operations. */
void tc_waiting_executed(struct tc_waiting *waiting, const struct tc_observation *observation);

/* A request or a reply on the wire; anything else is passed over. */
void tc_waiting_message(struct tc_waiting *waiting, const struct tc_observation *observation);

/* Weighs all requests anew: who is sound has changed. */
void tc_waiting_weigh(struct tc_waiting *waiting);

/* How many wait now; were there ever any? */
uint64_t tc_waiting_count(const struct tc_waiting *waiting);
bool tc_waiting_any(const struct tc_waiting *waiting);

/* How many would wait now, were their clients not cut off? */
uint64_t tc_waiting_excused(const struct tc_waiting *waiting);

#endif
