#include "trial_cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64
#define SKIPPED  3 /* decisions of the beginning: the first views differ, connections are new */
#define TRAILING 6 /* and of the end: what belongs to the last ones is not all said when the run stops */

struct tally {
    uint64_t messages, bytes;
};

/* A message names its decision by the sequence number; new-view messages know the view alone, and belong to the
 * decision that was proposed in it. */
struct counter {
    const struct tc_protocol *protocol;
    uint32_t n, size;
    uint64_t by_row[ROWS_MAX];
    struct tally *by_sequence, *by_view;
    uint64_t *sequence_of_view; /* 0: nothing was proposed */
    uint64_t apart;
};

static void add(struct tally *tally, size_t bytes)
{
    tally->messages++;
    tally->bytes += bytes;
}

static void observe(void *self, const struct tc_observation *observation)
{
    struct counter *c = self;
    if (observation->kind != TC_OBS_MESSAGE || !observation->message.said)
        return;
    const struct tc_message *m = observation->message.message;
    if (m->from >= c->n || m->to >= c->n || m->statement_count == 0)
        return;
    const struct tc_statement *s = &m->statements[0];
    if (s->type >= ROWS_MAX || c->by_row[s->type] == 0) {
        c->apart++;
        return;
    }
    if (s->has_sequence && s->sequence < c->size)
        add(&c->by_sequence[s->sequence], m->frame.len);
    else if (!s->has_sequence && s->has_view && s->view < c->size)
        add(&c->by_view[s->view], m->frame.len);
    if (s->kind == TC_KIND_PROPOSE && s->has_sequence && s->has_view && s->view < c->size)
        c->sequence_of_view[s->view] = s->sequence;
}

static int counter_open(struct counter *c, const char *protocol, uint32_t n, uint32_t size, struct tc_error *err)
{
    *c = (struct counter){.protocol = tc_protocol_find(protocol), .n = n, .size = size};
    if (!c->protocol)
        return tc_error_set(err, TC_EUSAGE, "no protocol '%s'; 'turncoat list protocols' names them", protocol);
    if (!c->protocol->cost || c->protocol->row_count > ROWS_MAX)
        return tc_error_set(err, TC_EUSAGE, "protocol %s has no formula of its cost", protocol);
    c->protocol->cost(n, c->by_row);
    c->by_sequence = calloc(size, sizeof *c->by_sequence);
    c->by_view = calloc(size, sizeof *c->by_view);
    c->sequence_of_view = calloc(size, sizeof *c->sequence_of_view);
    return c->by_sequence && c->by_view && c->sequence_of_view
               ? 0
               : tc_error_set(err, TC_EMEMORY, "no memory to count %u decisions", size);
}

static void counter_close(struct counter *c)
{
    free(c->by_sequence);
    free(c->by_view);
    free(c->sequence_of_view);
}

static void read_counts(struct counter *c, uint32_t decisions, struct tc_cost_point *out)
{
    for (uint32_t view = 0; view < c->size; view++) {
        const uint64_t sequence = c->sequence_of_view[view];
        if (sequence > 0 && sequence < c->size) {
            c->by_sequence[sequence].messages += c->by_view[view].messages;
            c->by_sequence[sequence].bytes += c->by_view[view].bytes;
        }
    }
    out->messages_min = UINT64_MAX;
    for (uint32_t i = 1 + SKIPPED; i <= SKIPPED + decisions; i++) {
        const struct tally *one = &c->by_sequence[i];
        out->messages += one->messages;
        out->bytes += one->bytes;
        out->messages_min = one->messages < out->messages_min ? one->messages : out->messages_min;
        out->messages_max = one->messages > out->messages_max ? one->messages : out->messages_max;
    }
    out->apart = c->apart;
}

static int run_once(const struct tc_scenario *scenario, const char *lua_dir, uint64_t decisions_max, uint64_t seed,
                    struct counter *c, struct tc_cost_point *out, struct tc_error *err)
{
    const struct tc_trial_setup setup = {.scenario = scenario, .lua_dir = lua_dir, .decisions_max = decisions_max};
    const struct tc_trial_request request = {.seed = seed, .sink = {.self = c, .observe = observe}};
    struct tc_trial *trial;
    struct tc_trial_result *result = calloc(1, sizeof *result);
    if (!result)
        return tc_error_set(err, TC_EMEMORY, "no memory for a run");
    int status = tc_trial_new(&setup, &trial, err);
    if (status == 0)
        status = tc_trial_run(trial, &request, result, err);
    if (status == 0 && result->decided < decisions_max)
        status = tc_error_set(err, TC_EINTERNAL,
                              "%s with %u replicas made %llu decisions before its phases ended, %llu are needed: make "
                              "them longer",
                              c->protocol->name, c->n, (unsigned long long)result->decided,
                              (unsigned long long)decisions_max);
    out->verdict = result->summary.status;
    tc_trial_free(trial);
    free(result);
    return status;
}

int tc_cost_measure(const struct tc_scenario *scenario, const char *lua_dir, const char *protocol, uint32_t n,
                    uint32_t decisions, uint64_t seed, struct tc_cost_point *out, struct tc_error *err)
{
    const uint32_t decisions_max = SKIPPED + decisions + TRAILING;
    struct counter c;
    struct tc_scenario *point = malloc(sizeof *point);
    *out = (struct tc_cost_point){.n = n, .decisions = decisions};
    int status = counter_open(&c, protocol, n, decisions_max + 2, err);
    if (status == 0 && !point)
        status = tc_error_set(err, TC_EMEMORY, "no memory for a scenario");
    if (status == 0) {
        *point = *scenario;
        snprintf(point->cluster.protocol, sizeof point->cluster.protocol, "%s", protocol);
        point->cluster.cluster.n = n;
        point->cluster.cluster.f = tc_protocol_faults_max(n);
        out->protocol = c.protocol;
        out->formula = c.protocol->cost(n, NULL);
        status = run_once(point, lua_dir, decisions_max, seed, &c, out, err);
    }
    if (status == 0)
        read_counts(&c, decisions, out);
    counter_close(&c);
    free(point);
    return status;
}
