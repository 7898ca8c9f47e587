#include "replica.h"
#include "hotstuff/replica.h"
#include "pbft/replica.h"

#include <string.h>

static const struct tc_replica_class *const classes[] = {&tc_pbft_replica, &tc_hotstuff_replica,
                                                         &tc_chained_hotstuff_replica};

const struct tc_replica_class *tc_replica_find(const char *protocol)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(classes[i]->protocol, protocol) == 0)
            return classes[i];
    return NULL;
}
