/* What judging a message costs: a failure-free stream of PBFT proposals and votes of four replicas, every message said
 * and heard, through the vote store, each oracle alone, all of them, and the metrics. Decoding is not counted. Prints
 * nanoseconds a message; asserts nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../oracles/judge.h"
#include "../../oracles/metrics.h"
#include "../lib/pbft_make.h"

#define SLOTS   4000u
#define REPEATS 7

static struct tc_message *messages[SLOTS * 24];
static uint32_t count;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_all(struct tc_make *make, Wire__Envelope *envelope, uint16_t from)
{
    for (uint16_t to = 0; to < 4; to++)
        if (to != from)
            messages[count++] = tc_make_message(make, envelope, from, to);
}

static void make_stream(struct tc_make *make)
{
    for (uint64_t s = 1; s <= SLOTS; s++) {
        ProtobufCBinaryData digest = tc_make_digest(make, (uint8_t)(s % 200 + 1));
        add_all(make, tc_make_pre_prepare(make, 0, 0, s, digest), 0);
        for (uint16_t from = 1; from < 4; from++)
            add_all(make, tc_make_prepare(make, from, 0, s, digest), from);
        for (uint16_t from = 0; from < 4; from++)
            add_all(make, tc_make_commit(make, from, 0, s, digest), from);
    }
}

static void feed(struct tc_judge *judge, struct tc_metrics *metrics)
{
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .text = ""};
    o.message.said = o.message.heard = true;
    for (uint32_t i = 0; i < count; i++) {
        o.time_ns += 10000;
        o.id++;
        o.node = messages[i]->from;
        o.peer = messages[i]->to;
        o.message.message = messages[i];
        if (judge)
            tc_judge_observe(judge, &o);
        else
            tc_metrics_observe(metrics, &o);
    }
}

/* The best of some repeats with these oracles; `findings` must stay 0 for the figure to mean anything. */
static double measure(struct tc_make *make, const char *const *disabled)
{
    uint64_t best = UINT64_MAX;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct tc_judge_config config = {.protocol = &tc_pbft,
                                         .env = make->env,
                                         .has_executions = true,
                                         .has_messages = true,
                                         .links_complete = true,
                                         .disabled = disabled};
        struct tc_judge *judge = tc_judge_new(&config);
        uint64_t start = now_ns();
        feed(judge, NULL);
        uint64_t took = now_ns() - start;
        if (took < best)
            best = took;
        tc_judge_free(judge);
    }
    return (double)best / count;
}

/* All oracles but `keep` disabled; NULL: all of them. */
static double measure_only(struct tc_make *make, const char *keep)
{
    const char *disabled[64];
    size_t n = 0;
    for (size_t i = 0; tc_oracle_classes[i]; i++)
        if (!keep || strcmp(tc_oracle_classes[i]->name, keep) != 0)
            disabled[n++] = tc_oracle_classes[i]->name;
    disabled[n] = NULL;
    return measure(make, disabled);
}

int main(void)
{
    struct tc_make make;
    tc_make_init(&make, 4);
    make_stream(&make);
    double store = measure_only(&make, NULL);
    printf("%-24s %7.1f ns a message (%u messages)\n", "vote store alone", store, count);
    for (size_t i = 0; tc_oracle_classes[i]; i++)
        printf("  + %-20s %+7.1f\n", tc_oracle_classes[i]->name,
               measure_only(&make, tc_oracle_classes[i]->name) - store);
    const char *but_justification[] = {"justification", NULL};
    printf("%-24s %7.1f\n", "all but justification", measure(&make, but_justification));
    printf("%-24s %7.1f\n", "all oracles", measure(&make, NULL));
    uint64_t best = UINT64_MAX;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct tc_metrics *metrics = tc_metrics_new(&tc_pbft, &make.env, 1000000000u);
        uint64_t start = now_ns();
        feed(NULL, metrics);
        uint64_t took = now_ns() - start;
        if (took < best)
            best = took;
        tc_metrics_free(metrics);
    }
    printf("%-24s %7.1f\n", "metrics", (double)best / count);
    tc_make_free(&make);
    return 0;
}
