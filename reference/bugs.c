#include "bugs.h"

#include <string.h>

const struct tc_bug_row tc_bugs[TC_BUG_COUNT] = {
#define TC_BUG(ident, name, number, protocols, breaks, caught_by, source, summary)                                     \
    {name, number, protocols, breaks, caught_by, source, summary},
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

uint64_t tc_bug_bit_of(const char *name)
{
    const int bug = tc_bug_find(name);
    return bug >= 0 ? TC_BUG_BIT(bug) : 0;
}

bool tc_bug_applies(int bug, const char *protocol)
{
    const size_t len = strlen(protocol);
    for (const char *at = tc_bugs[bug].protocols; *at;) {
        const size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, protocol, len) == 0)
            return true;
        at += word;
        at += strspn(at, " ");
    }
    return false;
}
