/* turncoat replica, turncoat client: the processes of a reference cluster. */
#define _GNU_SOURCE
#include "command.h"

#include "../reference/bugs.h"
#include "../reference/client.h"
#include "../reference/node.h"

#include <stdlib.h>

static int need(const struct tc_arguments *a, enum tc_option_id option, struct tc_error *err)
{
    if (tc_arguments_has(a, option))
        return 0;
    return tc_error_set(err, TC_EUSAGE, "'turncoat %s' needs --%s %s: %s", tc_commands[a->command].name,
                        tc_options[option].name, tc_options[option].argument, tc_options[option].help);
}

int tc_command_replica(const struct tc_arguments *a, struct tc_error *err)
{
    struct tc_node_options options = {.listen_fd = -1};
    uint64_t id, listen_fd;
    int result = 0;
    const enum tc_option_id needed[] = {TC_OPTION_CONFIG, TC_OPTION_KEY, TC_OPTION_DATA, TC_OPTION_ID};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if ((result = need(a, needed[i], err)) < 0)
            return result;
    if ((result = tc_arguments_u64(a, TC_OPTION_ID, 0, &id, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_LISTEN_FD, UINT32_MAX, &listen_fd, err)) < 0)
        return result;
    if (id >= TC_REPLICAS_MAX)
        return tc_error_set(err, TC_EUSAGE, "--id expects 0 to %d, found %llu", TC_REPLICAS_MAX - 1,
                            (unsigned long long)id);
    options.id = (uint16_t)id;
    options.listen_fd = listen_fd == UINT32_MAX ? -1 : (int)listen_fd;
    options.config_path = a->values[TC_OPTION_CONFIG];
    options.key_path = a->values[TC_OPTION_KEY];
    options.data_dir = a->values[TC_OPTION_DATA];
    const char *bug = tc_arguments_text(a, TC_OPTION_BUG, "");
    if (*bug) {
        int number = tc_bug_find(bug);
        if (number < 0)
            return tc_error_set(err, TC_EUSAGE, "no seeded bug '%s'; 'turncoat list bugs' names them", bug);
        options.bugs = TC_BUG_BIT(number);
    }
    return tc_node_run(&options, err);
}

int tc_command_client(const struct tc_arguments *a, struct tc_error *err)
{
    struct tc_client_options options = {.config_path = a->values[TC_OPTION_CONFIG],
                                        .key_dir = a->values[TC_OPTION_KEY_DIR]};
    uint64_t clients, value_bytes, keys, rate;
    int result;
    if ((result = need(a, TC_OPTION_CONFIG, err)) < 0 || (result = need(a, TC_OPTION_KEY_DIR, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_CLIENTS, 0, &clients, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_VALUE_BYTES, 0, &value_bytes, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_KEYS, 0, &keys, err)) < 0 ||
        (result = tc_arguments_u64(a, TC_OPTION_RATE, 0, &rate, err)) < 0 ||
        (result = tc_arguments_time_ns(a, TC_OPTION_THINK, 0, &options.think_ns, err)) < 0 ||
        (result = tc_command_seed(a, &options.seed, err)) < 0)
        return result;
    options.clients = (uint32_t)clients;
    options.value_bytes = (uint32_t)value_bytes;
    options.keys = (uint32_t)keys;
    options.rate_per_s = (double)rate;
    return tc_client_run(&options, err);
}
