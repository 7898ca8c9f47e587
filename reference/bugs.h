/* The bug zoo: seeded bugs, each one line of bugs.def and one condition at the place where it lives. */
#ifndef TC_BUGS_H
#define TC_BUGS_H

#include "../proxy/types.h"

enum tc_bug {
#define TC_BUG(ident, name, number, protocols, breaks, caught_by, source, summary) TC_BUG_##ident,
#include "bugs.def"
#undef TC_BUG
    TC_BUG_COUNT
};

struct tc_bug_row {
    const char *name;      /* for --bug */
    int number;            /* in the literature table, printed in reports */
    const char *protocols; /* that it applies to: their names, with a space between */
    const char *breaks;    /* agreement, liveness, … */
    const char *caught_by; /* the oracle that must catch it */
    const char *source;
    const char *summary;
};

extern const struct tc_bug_row tc_bugs[TC_BUG_COUNT];

/* The bug's number in the enum, or -1. */
int tc_bug_find(const char *name);

/* Has the protocol's reference replica the place where this bug lives? Elsewhere its switch does nothing. */
bool tc_bug_applies(int bug, const char *protocol);

#define TC_BUG_BIT(bug) (UINT64_C(1) << (bug))

/* The bit of the bug of that name; 0 for "" and for a name that no bug has. */
uint64_t tc_bug_bit_of(const char *name);

#endif
