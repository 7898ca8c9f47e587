#include "bugs.h"

#include <string.h>

const struct tc_bug_row tc_bugs[TC_BUG_COUNT] = {
#define TC_BUG(ident, name, number, protocol, breaks, caught_by, source, summary)                                      \
    {name, number, protocol, breaks, caught_by, source, summary},
#include "bugs.def"
#undef TC_BUG
};

_Static_assert(TC_BUG_COUNT <= 64, "bugs are a bit set of 64");

int tc_bug_find(const char *name)
{
    for (int i = 0; i < (int)TC_BUG_COUNT; i++)
        if (strcmp(tc_bugs[i].name, name) == 0)
            return i;
    return -1;
}
