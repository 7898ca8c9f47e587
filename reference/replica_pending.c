#include "replica_pending.h"

struct tc_pending *tc_pending_find(const struct tc_pending_list *list, uint16_t client, uint64_t timestamp)
{
    if (client >= TC_NODES_MAX || list->of_client[client] == 0)
        return NULL;
    for (struct tc_pending *pending = list->first; pending; pending = pending->next)
        if (pending->client == client && pending->timestamp == timestamp)
            return pending;
    return NULL;
}

void tc_pending_append(struct tc_pending_list *list, struct tc_pending *pending)
{
    pending->next = NULL;
    pending->previous = list->last;
    if (list->last)
        list->last->next = pending;
    else
        list->first = pending;
    list->last = pending;
    list->of_client[pending->client]++;
}

void tc_pending_remove(struct tc_pending_list *list, struct tc_pending *pending)
{
    if (pending->previous)
        pending->previous->next = pending->next;
    else
        list->first = pending->next;
    if (pending->next)
        pending->next->previous = pending->previous;
    else
        list->last = pending->previous;
    list->of_client[pending->client]--;
}
