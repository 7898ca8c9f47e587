/* The model of a hunt's result: groups, sums, and merging. */
#include "hunt.h"

#include "../proxy/nodeset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tc_hunt_cause_name(enum tc_hunt_cause cause)
{
    static const char *const names[] = {"not looked at", "network alone suffices", "needs a traitor",
                                        "needs forged bytes", "outside the model"};
    return (size_t)cause < sizeof names / sizeof *names ? names[cause] : "?";
}

void tc_hunt_shrunk_of(const struct tc_hunt_group *g, const char *before, const char *after,
                       char text[static TC_HUNT_OF_MAX])
{
    text[0] = 0;
    if (g->alone)
        snprintf(text, TC_HUNT_OF_MAX, "%sof a run without the traitor%s", before, after);
    else if (g->shrunk_in != g->all.index)
        snprintf(text, TC_HUNT_OF_MAX, "%sof run %" PRIu64 ", which shows the same%s", before, g->shrunk_in, after);
}

struct tc_hunt_sum tc_hunt_total(const struct tc_hunt_result *r)
{
    struct tc_hunt_sum total = {0};
    for (uint32_t i = 0; i < r->strategy_count; i++) {
        const struct tc_hunt_sum *s = &r->strategies[i].sum;
        total.runs += s->runs;
        total.violated += s->violated;
        total.inconclusive += s->inconclusive;
        total.expected += s->expected;
        total.bitten += s->bitten;
        total.choices += s->choices;
        total.decided += s->decided;
        total.busy_ns += s->busy_ns;
    }
    return total;
}

int tc_hunt_exit_code(const struct tc_hunt_result *r)
{
    const struct tc_hunt_sum total = tc_hunt_total(r);
    if (r->interrupted)
        return 130;
    if (r->group_count > 0 || total.violated > 0)
        return 1;
    if (r->error[0])
        return 70;
    return tc_hunt_why(r) ? 3 : 0;
}

const char *tc_hunt_why(const struct tc_hunt_result *r)
{
    if (r->group_count > 0 || tc_hunt_total(r).violated > 0)
        return NULL;
    if (r->shards_merged > 0 && r->shards_merged < r->shards)
        return "not all shards are here: what the others found is not known";
    if (!r->complete)
        return r->shards_merged > 0 ? "a shard was cut short: what the rest of it would have found is not known"
                                    : "it was cut short: what the rest of it would have found is not known";
    return tc_hunt_total(r).bitten == 0 ? "no fault bit in any run: nothing was tested" : NULL;
}

struct tc_hunt_group *tc_hunt_group(struct tc_hunt_result *r, const char *oracle, const char *rule)
{
    for (uint32_t i = 0; i < r->group_count; i++)
        if (strcmp(r->groups[i].oracle, oracle) == 0 && strcmp(r->groups[i].rule, rule) == 0)
            return &r->groups[i];
    if (r->group_count == TC_HUNT_GROUPS_MAX)
        return NULL;
    struct tc_hunt_group *g = &r->groups[r->group_count++];
    memset(g, 0, sizeof *g);
    snprintf(g->oracle, sizeof g->oracle, "%s", oracle);
    snprintf(g->rule, sizeof g->rule, "%s", rule);
    g->all.index = TC_HUNT_NEVER;
    for (size_t i = 0; i < TC_HUNT_STRATEGIES_MAX; i++)
        g->by[i].index = TC_HUNT_NEVER;
    return g;
}

struct tc_hunt_oracle *tc_hunt_oracle(struct tc_hunt_result *r, const char *name)
{
    for (uint32_t i = 0; i < r->oracle_count; i++)
        if (strcmp(r->oracles[i].name, name) == 0)
            return &r->oracles[i];
    if (r->oracle_count == TC_HUNT_ORACLES_MAX)
        return NULL;
    struct tc_hunt_oracle *o = &r->oracles[r->oracle_count++];
    *o = (struct tc_hunt_oracle){.seen = {.index = TC_HUNT_NEVER}};
    snprintf(o->name, sizeof o->name, "%s", name);
    return o;
}

void tc_hunt_count(struct tc_hunt_first *first, uint64_t index, double seconds)
{
    if (first->runs > 0 && first->index == index) /* told twice: the hunt was cut between the two */
        return;
    first->runs++;
    if (index < first->index) {
        first->index = index;
        first->seconds = seconds;
    }
}

void tc_hunt_slow_add(struct tc_hunt_result *r, const struct tc_hunt_slow *row)
{
    uint32_t at = 0;
    while (at < r->slow_count && r->slowest[at].round < row->round)
        at++;
    for (; at < r->slow_count && r->slowest[at].round == row->round && r->slowest[at].times >= row->times; at++)
        if (strcmp(r->slowest[at].action, row->action) == 0)
            return;
    if (r->slow_count == TC_HUNT_SLOW_MAX)
        return;
    for (uint32_t i = r->slow_count++; i > at; i--)
        r->slowest[i] = r->slowest[i - 1];
    r->slowest[at] = *row;
}

static int by_index(const void *a, const void *b)
{
    const struct tc_hunt_group *x = a, *y = b;
    if (x->all.index != y->all.index)
        return x->all.index < y->all.index ? -1 : 1;
    const int oracle = strcmp(x->oracle, y->oracle);
    return oracle ? oracle : strcmp(x->rule, y->rule);
}

void tc_hunt_sort(struct tc_hunt_result *r)
{
    if (r->group_count > 1)
        qsort(r->groups, r->group_count, sizeof *r->groups, by_index);
}

/* ---- merging ---- */

static const char *difference(const struct tc_hunt_result *a, const struct tc_hunt_result *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->protocol, b->protocol) != 0)
        return "of another scenario";
    if (strcmp(a->bug, b->bug) != 0)
        return "with another seeded bug";
    if (a->seed != b->seed)
        return "with another seed";
    if (a->shards != b->shards)
        return "of another number of shards";
    if (a->decisions_max != b->decisions_max)
        return "with another number of decisions";
    if (a->strategy_count != b->strategy_count)
        return "with other strategies";
    for (uint32_t i = 0; i < a->strategy_count; i++)
        if (strcmp(a->strategies[i].name, b->strategies[i].name) != 0)
            return "with other strategies";
    if (a->setting != b->setting)
        return "with other options, of another version, or with a scenario or attack that was changed";
    return NULL;
}

static void merge_first(struct tc_hunt_first *into, const struct tc_hunt_first *from)
{
    into->runs += from->runs;
    if (from->index < into->index) {
        into->index = from->index;
        into->seconds = from->seconds;
    }
}

static void merge_group(struct tc_hunt_result *into, const struct tc_hunt_group *from, const char *dir)
{
    struct tc_hunt_group *g = tc_hunt_group(into, from->oracle, from->rule);
    if (!g) {
        into->groups_lost += from->all.runs;
        return;
    }
    struct tc_hunt_group was = *g;
    if (from->all.index < g->all.index) { /* the one that is told of is the first one found */
        *g = *from;
        if (from->dir[0] && snprintf(g->dir, sizeof g->dir, "%s/%s", dir, from->dir) >= (int)sizeof g->dir)
            g->dir[0] = 0;
        g->all = was.all;
        memcpy(g->by, was.by, sizeof g->by);
    }
    merge_first(&g->all, &from->all);
    for (size_t i = 0; i < TC_HUNT_STRATEGIES_MAX; i++)
        merge_first(&g->by[i], &from->by[i]);
}

static void merge_sums(struct tc_hunt_result *into, const struct tc_hunt_result *from)
{
    for (uint32_t i = 0; i < from->strategy_count; i++) {
        struct tc_hunt_sum *s = &into->strategies[i].sum;
        const struct tc_hunt_sum *t = &from->strategies[i].sum;
        s->runs += t->runs;
        s->violated += t->violated;
        s->inconclusive += t->inconclusive;
        s->expected += t->expected;
        s->bitten += t->bitten;
        s->choices += t->choices;
        s->decided += t->decided;
        s->busy_ns += t->busy_ns;
    }
}

/* The whole hunt is repeated without saying which part of it. */
static void leave_out_shard(char *command)
{
    static const char option[] = " --shard ";
    char *at = strstr(command, option);
    if (!at)
        return;
    const char *rest = at + strlen(option);
    rest += strcspn(rest, " ");
    memmove(at, rest, strlen(rest) + 1);
}

int tc_hunt_merge(struct tc_hunt_result *into, const struct tc_hunt_result *from, const char *dir, struct tc_error *err)
{
    if (into->shards_merged == 0) {
        *into = *from;
        into->group_count = into->oracle_count = into->slow_count = 0;
        into->groups_lost = 0;
        into->seconds = 0;
        into->complete = true;
        leave_out_shard(into->command);
        for (uint32_t i = 0; i < into->strategy_count; i++)
            into->strategies[i].sum = (struct tc_hunt_sum){0};
        memset(into->next, 0, sizeof into->next);
    }
    const char *why = difference(into, from);
    if (why)
        return tc_error_set(err, TC_EUSAGE, "%s: this is a hunt %s: only shards of one hunt can be merged", dir, why);
    if (from->shard < TC_HUNT_JOBS_MAX && into->next[from->shard]++ > 0)
        return tc_error_set(err, TC_EUSAGE, "%s: shard %u was given already", dir, from->shard);
    into->shards_merged++;
    into->complete &= from->complete;
    into->interrupted |= from->interrupted;
    into->seconds = from->seconds > into->seconds ? from->seconds : into->seconds;
    into->groups_lost += from->groups_lost;
    if (!into->error[0])
        memcpy(into->error, from->error, sizeof into->error);
    merge_sums(into, from);
    for (uint32_t i = 0; i < from->group_count; i++)
        merge_group(into, &from->groups[i], dir);
    for (uint32_t i = 0; i < from->oracle_count; i++) {
        struct tc_hunt_oracle *o = tc_hunt_oracle(into, from->oracles[i].name);
        if (o)
            merge_first(&o->seen, &from->oracles[i].seen);
    }
    for (uint32_t i = 0; i < from->slow_count; i++)
        tc_hunt_slow_add(into, &from->slowest[i]);
    tc_hunt_sort(into);
    return 0;
}
