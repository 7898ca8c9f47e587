/* The correct protocols, in which nothing is to be found. */
#include "zoo.h"

#include <stdio.h>

static uint64_t correct_runs(const struct zoo_options *options, const char *protocol,
                             const struct tc_scenario *scenario, const struct tc_adversary_class *strategy)
{
    uint64_t alarms = 0, decided = 0, bitten = 0;
    struct tc_trial *trial = zoo_open_trial(options, scenario, strategy, 0);
    const double begin = zoo_now_s();
    for (uint64_t i = 0; i < options->correct; i++) {
        struct tc_trial_result result;
        zoo_run(trial, options->first, i, &result);
        decided += result.decided;
        bitten += result.bitten;
        if (result.summary.status != TC_VIOLATED)
            continue;
        if (alarms++ < 3)
            printf("ALARM %s %s seed %llu index %llu: %s: %s\n", protocol, strategy->name,
                   (unsigned long long)options->first, (unsigned long long)i,
                   result.summary.first ? result.summary.first->oracle : "?",
                   result.summary.first ? result.summary.first->text : "?");
    }
    const double seconds = zoo_now_s() - begin;
    printf("| %s | %s | %llu | %.1f | %.0f | %.1f | %.1f | %llu |\n", protocol, strategy->name,
           (unsigned long long)options->correct, seconds, (double)options->correct / seconds,
           (double)decided / (double)options->correct, (double)bitten / (double)options->correct,
           (unsigned long long)alarms);
    fflush(stdout);
    tc_trial_free(trial);
    return alarms;
}

uint64_t zoo_correct(const struct zoo_options *options)
{
    uint64_t alarms = 0;
    printf("| protocol | strategy | runs | seconds | runs/s | decisions | faults bitten | violations |\n"
           "|--|--|--:|--:|--:|--:|--:|--:|\n");
    for (size_t p = 0; tc_protocols[p]; p++) {
        static struct tc_scenario scenario;
        if (!zoo_load(options, tc_protocols[p]->name, &scenario))
            continue;
        for (size_t s = 0; tc_adversaries[s]; s++)
            if (zoo_listed(options->strategies, options->strategy_count, tc_adversaries[s]->name))
                alarms += correct_runs(options, tc_protocols[p]->name, &scenario, tc_adversaries[s]);
    }
    return alarms;
}
