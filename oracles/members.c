#include "members.h"

#include <stdlib.h>
#include <string.h>

#include "../proxy/nodeset.h"

#define WEIGHT_MAX (UINT64_MAX / (4 * TC_REPLICAS_MAX))

/* What one replica tells: the set that it is in the middle of, and from where on it has told all. */
struct teller {
    uint64_t sequence, total, most;
    uint32_t next; /* member */
    struct tc_nodeset seen;
    bool has_told;
    uint64_t first; /* valid if has_told */
};

struct tc_members {
    uint32_t n, f, quorum;
    bool strange, unequal;
    struct teller tellers[TC_REPLICAS_MAX];
};

struct tc_members *tc_members_new(uint32_t n, uint32_t f, uint32_t quorum)
{
    struct tc_members *members = calloc(1, sizeof *members);
    if (!members)
        return NULL;
    members->n = n;
    members->f = f;
    members->quorum = quorum;
    return members;
}

void tc_members_free(struct tc_members *members)
{
    free(members);
}

/* The set is told to its end. Any quorum - 1 members weigh at most quorum - 1 times what the heaviest does. */
static void set_told(struct tc_members *members, struct teller *t)
{
    if (tc_nodeset_count(&t->seen) != members->n)
        members->strange = true;
    if (t->total == 0 || 3 * (uint64_t)(members->quorum - 1) * t->most > 2 * t->total)
        members->unequal = true;
    if (!t->has_told || t->sequence < t->first)
        t->first = t->sequence;
    t->has_told = true;
}

void tc_members_tell(struct tc_members *members, const struct tc_observation *observation)
{
    if (observation->node >= members->n)
        return;
    struct teller *t = &members->tellers[observation->node];
    if (observation->member.index == 0) {
        t->sequence = observation->member.sequence;
        t->next = 0;
        t->total = t->most = 0;
        memset(&t->seen, 0, sizeof t->seen);
    }
    const uint64_t power = observation->member.power;
    const bool goes_on = observation->member.index == t->next && observation->member.sequence == t->sequence;
    if (!goes_on || observation->member.count != members->n || observation->member.node >= members->n ||
        tc_nodeset_has(&t->seen, observation->member.node)) {
        members->strange = true;
        return;
    }
    if (power > WEIGHT_MAX) {
        members->unequal = true;
        return;
    }
    tc_nodeset_add(&t->seen, observation->member.node);
    t->next++;
    t->total += power;
    t->most = power > t->most ? power : t->most;
    if (t->next == members->n)
        set_told(members, t);
}

const char *tc_members_doubt(const struct tc_members *members, uint64_t sequence)
{
    uint32_t tellers = 0;
    if (members->strange)
        return "the set that votes is not, or was not always, the cluster's replicas";
    if (members->unequal)
        return "votes have unequal weights";
    for (uint32_t node = 0; node < members->n; node++)
        tellers += members->tellers[node].has_told && members->tellers[node].first <= sequence;
    return tellers > members->f ? NULL : "not told by more than f replicas who votes with which weight";
}
