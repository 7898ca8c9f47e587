/* The reference for script writers: api.def as a table. */
#ifndef TC_API_H
#define TC_API_H

#include <stddef.h>

enum tc_api_scope {
    TC_API_ATTACK = 0,
    TC_API_HANDLER,
    TC_API_VERDICT,
    TC_API_CONTEXT,
    TC_API_MESSAGE,
    TC_API_EVENT,
    TC_API_SCENARIO,
    TC_API_CLUSTER,
    TC_API_REPLICA,
    TC_API_LOAD,
    TC_API_NETWORK,
    TC_API_REGIONS,
    TC_API_DISK,
    TC_API_CLOCK,
    TC_API_SWEEP,
    TC_API_GLOBAL,
    TC_API_SCOPE_COUNT
};

struct tc_api_row {
    enum tc_api_scope scope;
    const char *name;      /* "delay" */
    const char *signature; /* how it is written: "delay(seconds [, why])" */
    const char *gives;     /* what it returns or holds, with its unit; "" nothing */
    const char *text;      /* sentences */
};

/* Rows stand together by scope; the end is a row with name NULL. */
extern const struct tc_api_row tc_api_rows[];

/* A heading for the scope: "the context c", static. */
const char *tc_api_scope_title(enum tc_api_scope scope);

/* Names of the scope's rows (static), at most `max`; returns how many there are. */
size_t tc_api_names(enum tc_api_scope scope, const char **names, size_t max);

#endif
