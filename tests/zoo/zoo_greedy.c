/* What slows each correct protocol down most: the greedy search of the hunt's strategy `performance`. */
#include "zoo.h"

#include "../../proxy/trial_greedy.h"

#include <stdio.h>

static void show(const struct tc_protocol *protocol, const struct tc_greedy *greedy)
{
    for (uint32_t r = 0; r < greedy->round_count; r++)
        for (uint32_t i = 0; i < greedy->rounds[r].worst_count; i++) {
            const struct tc_greedy_action *action = &greedy->rounds[r].worst[i];
            char text[128];
            printf("| %s | %u | %s | %.2f |\n", protocol->name, r + 1,
                   tc_performance_text(protocol, action->candidate, text, sizeof text), action->times);
        }
}

void zoo_performance(const struct zoo_options *options)
{
    printf("| protocol | round | the traitor's messages | times slower |\n|--|--:|--|--:|\n");
    for (size_t p = 0; tc_protocols[p]; p++) {
        static struct tc_scenario scenario;
        struct tc_greedy greedy = {.seed = options->first};
        struct tc_error err = {0};
        if (!zoo_load(options, tc_protocols[p]->name, &scenario))
            continue;
        struct tc_trial *trial = zoo_open_trial(options, &scenario, tc_adversary_find("performance"), 0);
        while (!greedy.ended)
            zoo_must(tc_greedy_step(&greedy, trial, tc_protocols[p], &err), &err);
        show(tc_protocols[p], &greedy);
        tc_trial_free(trial);
    }
}
