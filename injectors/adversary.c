#include "adversary_base.h"

#include <stddef.h>
#include <string.h>

const struct tc_adversary_class *const tc_adversaries[] = {
    &tc_adversary_random, &tc_adversary_byzzfuzz,    &tc_adversary_strategic,
    &tc_adversary_twins,  &tc_adversary_performance, NULL,
};

const struct tc_adversary_class *tc_adversary_find(const char *name)
{
    for (size_t i = 0; name && tc_adversaries[i]; i++)
        if (strcmp(tc_adversaries[i]->name, name) == 0)
            return tc_adversaries[i];
    return NULL;
}
