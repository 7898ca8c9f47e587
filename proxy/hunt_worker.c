/* One process of a hunt: runs, counts, tells. It shares nothing with the others but the request it was forked with. */
#define _GNU_SOURCE
#include "hunt.h"
#include "random.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TELL_NS UINT64_C(100000000)

struct worker {
    const struct tc_hunt_request *request;
    struct tc_trial *trials[TC_HUNT_STRATEGIES_MAX];
    uint64_t limit;
    int orders, records;
    struct tc_hunt_record record;
    uint64_t told_ns, deadline_ns;
};
_Static_assert(sizeof(struct tc_hunt_record) <= 4096, "a record is one write to a pipe");

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Of this process: what others do on the machine is not counted as the hunt's. */
static uint64_t busy_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t tc_hunt_seed(uint64_t seed, uint64_t index)
{
    /* 48 bits: enough to be all different, few enough to be typed. */
    return tc_random_mix(tc_random_mix_text(seed, "hunt"), index) >> 16;
}

uint32_t tc_hunt_strategy(const struct tc_hunt_request *request, uint64_t index)
{
    return (uint32_t)(index % request->strategy_count);
}

/* The protocol of a run whose number the greedy search decides; NULL of another strategy. */
static const struct tc_protocol *searched(const struct tc_hunt_request *request, uint64_t index)
{
    const struct tc_adversary_class *strategy = request->strategies[tc_hunt_strategy(request, index)];
    return strategy == tc_adversary_find("performance") ? tc_protocol_find(request->scenario->cluster.protocol) : NULL;
}

uint64_t tc_hunt_index(const struct tc_hunt_request *request, uint64_t index)
{
    const struct tc_protocol *protocol = searched(request, index);
    const uint64_t run = index / request->strategy_count;
    return protocol ? tc_greedy_index(request->greedy, protocol, run) : run;
}

int tc_hunt_ready(const struct tc_hunt_request *request, uint64_t index, struct tc_trial *trial, struct tc_error *err)
{
    const struct tc_protocol *protocol = searched(request, index);
    if (!protocol || request->greedy->ended ||
        request->greedy->round_count >= tc_greedy_needs(protocol, index / request->strategy_count))
        return 0;
    const int status = tc_greedy_step(request->greedy, trial, protocol, err);
    return status < 0 ? status : 1;
}

/* Nobody listens any more: then there is nothing left to do. */
static void tell(struct worker *w, int kind)
{
    w->record.kind = kind;
    if (write(w->records, &w->record, sizeof w->record) != (ssize_t)sizeof w->record)
        _exit(0);
    if (kind != TC_HUNT_SUMS && kind != TC_HUNT_DONE)
        return; /* sums go with the run that comes next: what is not told yet is done again if the hunt is cut here */
    memset(w->record.sums, 0, sizeof w->record.sums);
    w->told_ns = now_ns();
}

/* The lowest limit that was ordered so far; false: the pipe was closed, stop. */
static bool obey(struct worker *w)
{
    uint64_t limit;
    for (;;) {
        const ssize_t n = read(w->orders, &limit, sizeof limit);
        if (n == 0)
            return false;
        if (n != (ssize_t)sizeof limit)
            return true;
        if (limit < w->limit)
            w->limit = limit;
    }
}

static void tell_found(struct worker *w, uint64_t index, const struct tc_trial_result *result)
{
    struct tc_hunt_record *r = &w->record;
    const struct tc_finding *first = result->summary.first;
    memset(r->also, 0, sizeof r->also);
    r->index = index;
    snprintf(r->oracle, sizeof r->oracle, "%s", first ? first->oracle : "unknown");
    snprintf(r->text, sizeof r->text, "%s", first ? first->text : result->summary.sentence);
    snprintf(r->because, sizeof r->because, "%s", first ? first->because : "");
    r->rule[0] = 0;
    if (first)
        tc_run_rule(first, r->rule, sizeof r->rule);
    for (size_t i = 0; i < TC_HUNT_ORACLES_MAX && tc_oracle_classes[i]; i++)
        if (tc_hunt_shows(result, tc_oracle_classes[i]->name, ""))
            r->also[i / 64] |= UINT64_C(1) << (i % 64);
    tell(w, TC_HUNT_FOUND);
}

static void count(struct tc_hunt_sum *sum, const struct tc_trial_result *result, uint64_t took_ns)
{
    sum->runs++;
    sum->violated += result->summary.status == TC_VIOLATED;
    sum->expected += result->summary.status == TC_EXPECTED;
    sum->inconclusive += result->bitten == 0;
    sum->bitten += result->bitten;
    for (int verb = 0; verb < TC_VERB_COUNT; verb++)
        sum->choices += result->engine_stats.asked[verb];
    sum->decided += result->decided;
    sum->busy_ns += took_ns;
}

static void tell_slowest(struct worker *w, uint32_t round)
{
    w->record.round = round;
    w->record.slowest = w->request->greedy->rounds[round - 1];
    tell(w, TC_HUNT_SLOWEST);
}

/* May this worker go on? */
static bool goes_on(struct worker *w)
{
    return obey(w) && w->record.next < w->limit && now_ns() < w->deadline_ns;
}

/* Before the run itself, what it needs to know is measured: 1 if there was time for it. */
static int prepare(struct worker *w, uint64_t index, struct tc_error *err)
{
    const struct tc_greedy *greedy = w->request->greedy;
    struct tc_trial *trial = w->trials[tc_hunt_strategy(w->request, index)];
    for (;;) {
        const uint32_t rounds = greedy->round_count;
        const int status = tc_hunt_ready(w->request, index, trial, err);
        if (status <= 0)
            return status < 0 ? status : 1;
        if (greedy->round_count > rounds)
            tell_slowest(w, greedy->round_count);
        if (!goes_on(w))
            return 0;
    }
}

static int run_one(struct worker *w, uint64_t index, struct tc_error *err)
{
    const struct tc_hunt_request *request = w->request;
    const uint32_t s = tc_hunt_strategy(request, index);
    struct tc_trial_result result;
    const uint64_t began_ns = busy_ns();
    const struct tc_trial_request run = {.seed = tc_hunt_seed(request->seed, index),
                                         .index = tc_hunt_index(request, index)};
    const int status = tc_trial_run(w->trials[s], &run, &result, err);
    if (status < 0)
        return status;
    count(&w->record.sums[s], &result, busy_ns() - began_ns);
    if (result.summary.status == TC_VIOLATED)
        tell_found(w, index, &result);
    return 0;
}

static int open_trials(struct worker *w, struct tc_error *err)
{
    int status = 0;
    for (uint32_t s = 0; status == 0 && s < w->request->strategy_count; s++) {
        const struct tc_trial_setup setup = {.scenario = w->request->scenario,
                                             .lua_dir = w->request->run->lua_dir,
                                             .strategy = w->request->strategies[s],
                                             .limits = w->request->limits,
                                             .decisions_max = w->request->header.decisions_max,
                                             .ed25519 = w->request->run->ed25519};
        status = tc_trial_new(&setup, &w->trials[s], err);
    }
    return status;
}

_Noreturn void tc_hunt_worker(const struct tc_hunt_request *request, uint64_t first, uint64_t step,
                              uint64_t deadline_ns, int orders, int records)
{
    static struct worker w;
    static struct tc_error err;
    w.request = request;
    w.limit = request->runs ? request->runs : UINT64_MAX;
    w.orders = orders;
    w.records = records;
    w.told_ns = now_ns();
    w.deadline_ns = deadline_ns;
    signal(SIGINT, SIG_IGN); /* it goes to all of the terminal's processes: who reads the records says when to stop */
    signal(SIGTERM, SIG_IGN);
    fcntl(orders, F_SETFL, O_NONBLOCK);
    int status = open_trials(&w, &err);
    w.record.next = first;
    while (status == 0 && goes_on(&w)) {
        w.record.index = w.record.next;
        const int ready = prepare(&w, w.record.next, &err);
        if (ready == 0)
            break;
        status = ready < 0 ? ready : run_one(&w, w.record.next, &err);
        w.record.next += step;
        if (status == 0 && now_ns() - w.told_ns > TELL_NS)
            tell(&w, TC_HUNT_SUMS);
    }
    if (status < 0) {
        snprintf(w.record.text, sizeof w.record.text, "%s", err.text);
        tell(&w, TC_HUNT_FAILED);
    }
    tell(&w, TC_HUNT_DONE);
    _exit(0);
}
