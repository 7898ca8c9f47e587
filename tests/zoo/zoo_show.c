/* One run, message by message. */
#include "zoo.h"

#include "../../reference/bugs.h"

#include <stdio.h>

static void show_decision(void *self, const struct tc_decision *d)
{
    (void)self;
    printf("%12.6f ms decision %llu verb %d %u->%u node %u %s view %llu seq %llu%s %s\n", (double)d->time_ns / 1e6,
           (unsigned long long)d->id, d->verb, d->from, d->to, d->node, d->type ? d->type : "",
           (unsigned long long)d->view, (unsigned long long)d->sequence, d->bitten ? "" : " (did not bite)",
           d->why ? d->why : "");
}

static void show_observation(void *self, const struct tc_observation *o)
{
    (void)self;
    const double ms = (double)o->time_ns / 1e6;
    if (o->kind == TC_OBS_MESSAGE && o->message.message->statement_count > 0) {
        const struct tc_message *m = o->message.message;
        const struct tc_statement *s = &m->statements[0];
        char value[65] = "";
        for (int i = 0; i < 4; i++)
            snprintf(value + 2 * i, 3, "%02x", s->value.bytes[i]);
        printf("%12.6f ms %s%s%s %u->%u %s view %llu seq %llu value %s\n", ms, o->message.said ? "said" : "",
               o->message.heard ? "heard" : "", m->touched ? "*" : "", m->from, m->to, m->type,
               (unsigned long long)s->view, (unsigned long long)s->sequence, value);
    } else if (o->kind == TC_OBS_EXECUTED) {
        printf("%12.6f ms %u executed %llu in view %llu\n", ms, o->node, (unsigned long long)o->executed.sequence,
               (unsigned long long)o->executed.view);
    } else if (o->kind == TC_OBS_VIEW) {
        printf("%12.6f ms %u %s view %llu\n", ms, o->node, o->view.active ? "is in" : "wants",
               (unsigned long long)o->view.view);
    } else if (o->kind != TC_OBS_MESSAGE) {
        printf("%12.6f ms kind %d node %u peer %u %s\n", ms, o->kind, o->node, o->peer, o->text ? o->text : "");
    }
}

int zoo_show(const struct zoo_options *options)
{
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    const int bug = options->bug_count ? tc_bug_find(options->bugs[0]) : -1;
    const struct tc_adversary_class *strategy =
        tc_adversary_find(options->strategy_count ? options->strategies[0] : "byzzfuzz");
    if (!zoo_load(options, options->protocol_count ? options->protocols[0] : "pbft", &scenario))
        return 64;
    if (bug >= 0)
        zoo_settle_size(&scenario, bug);
    struct tc_trial *trial = zoo_open_trial(options, &scenario, strategy, bug >= 0 ? TC_BUG_BIT(bug) : 0);
    struct tc_trial_result result;
    const struct tc_trial_request request = {.seed = zoo_run_seed(options->show_seed, options->show_index),
                                             .index = options->show_index,
                                             .sink = {NULL, show_observation, show_decision, NULL}};
    zoo_must(tc_trial_run(trial, &request, &result, &err), &err);
    for (size_t i = 0; i < tc_judge_count(result.judge); i++) {
        const struct tc_judgement *j = tc_judge_get(result.judge, i);
        for (size_t f = 0; f < j->finding_count; f++)
            printf("%s: %s\n    %s\n", j->oracle->name, j->findings[f].text, j->findings[f].because);
    }
    printf("%s; hash %016llx\n", result.summary.sentence, (unsigned long long)result.hash);
    tc_trial_free(trial);
    return 0;
}
