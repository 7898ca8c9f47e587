#include "api.h"

const struct tc_api_row tc_api_rows[] = {
#define TC_API(scope, name, signature, gives, text) {TC_API_##scope, name, signature, gives, text},
#include "api.def"
    {TC_API_SCOPE_COUNT, NULL, NULL, NULL, NULL}};

const char *tc_api_scope_title(enum tc_api_scope scope)
{
    static const char *const titles[TC_API_SCOPE_COUNT] = {
        [TC_API_ATTACK] = "an attack file: return attack \"name\" { … }",
        [TC_API_HANDLER] = "handlers, in an attack's table (c: the context, a: the arguments)",
        [TC_API_VERDICT] = "verdicts, returned by on_message and on_hear (why: a string for the report)",
        [TC_API_CONTEXT] = "the context c",
        [TC_API_MESSAGE] = "a message m (what it does not have is an error: ask m:has(name))",
        [TC_API_EVENT] = "an event e, of on_decide and on_view",
        [TC_API_SCENARIO] = "a scenario file: return scenario \"name\" { … }",
        [TC_API_CLUSTER] = "a cluster file: return cluster { … } or reference { … }",
        [TC_API_REPLICA] = "a replica, in a cluster's replicas",
        [TC_API_LOAD] = "load, in a scenario or a reference cluster",
        [TC_API_NETWORK] = "network, in a scenario (simulation only)",
        [TC_API_REGIONS] = "regions { … }, a latency",
        [TC_API_DISK] = "disk, in a scenario (simulation only)",
        [TC_API_CLOCK] = "an entry of clocks, in a scenario (simulation only)",
        [TC_API_SWEEP] = "sweep, in a scenario (simulation only)",
        [TC_API_GLOBAL] = "other globals"};
    return scope < TC_API_SCOPE_COUNT ? titles[scope] : "";
}

size_t tc_api_names(enum tc_api_scope scope, const char **names, size_t max)
{
    size_t count = 0;
    for (const struct tc_api_row *row = tc_api_rows; row->name; row++) {
        if (row->scope != scope)
            continue;
        if (count < max)
            names[count] = row->name;
        count++;
    }
    return count;
}
