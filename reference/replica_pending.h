/* Requests that wait to be executed, in order of arrival, and how many each client has among them. What waits is the
 * protocol's own struct, which begins with a tc_pending and which the protocol allocates and frees. */
#ifndef TC_REPLICA_PENDING_H
#define TC_REPLICA_PENDING_H

#include "../proxy/types.h"

#define TC_PENDING_CLIENT_MAX 64 /* requests of one client that wait */
#define TC_FORWARD_MAX        64 /* requests that a replica passes on to the leader at once */

struct tc_pending {
    struct tc_pending *next, *previous;
    uint64_t timestamp;
    uint16_t client;
};

/* Zeroed: empty. */
struct tc_pending_list {
    struct tc_pending *first, *last;
    uint16_t of_client[TC_NODES_MAX];
};

/* The client's request with that timestamp, NULL if none waits. */
struct tc_pending *tc_pending_find(const struct tc_pending_list *list, uint16_t client, uint64_t timestamp);

/* May one more of this client wait? */
static inline bool tc_pending_has_room(const struct tc_pending_list *list, uint16_t client)
{
    return list->of_client[client] < TC_PENDING_CLIENT_MAX;
}

/* Puts a new request at the end; client and timestamp are set. */
void tc_pending_append(struct tc_pending_list *list, struct tc_pending *pending);

/* Takes it out; the caller frees it. */
void tc_pending_remove(struct tc_pending_list *list, struct tc_pending *pending);

#endif
