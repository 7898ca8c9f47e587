/* The table: each bug under each strategy, to the first find. */
#include "zoo.h"

#include "../../reference/bugs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_seconds(const void *a, const void *b)
{
    const struct zoo_hunt *x = a, *y = b;
    if (x->found != y->found)
        return x->found ? -1 : 1;
    return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* The median over the seeds; a hunt that found nothing counts as longer than any. */
static struct zoo_hunt median(const struct zoo_options *options, struct tc_trial *trial, double seconds, uint64_t seeds)
{
    struct zoo_hunt hunts[ZOO_SEEDS_MAX];
    size_t count = 0, missed = 0;
    uint64_t oracles = 0;
    bool fork = false;
    for (uint64_t s = 0; s < seeds && s < ZOO_SEEDS_MAX; s++) {
        hunts[count] = zoo_hunt(options, trial, options->first + s, seconds);
        missed += !hunts[count].found;
        fork |= hunts[count].fork;
        oracles |= hunts[count].oracles;
        count++;
        if (2 * missed > seeds)
            break; /* the median is lost */
    }
    qsort(hunts, count, sizeof *hunts, by_seconds);
    struct zoo_hunt middle = hunts[2 * missed > seeds ? count - 1 : seeds / 2];
    middle.fork = fork;
    middle.oracles = oracles;
    return middle;
}

/* "12 / 0.03": runs and seconds to the first find. */
static void cell(const struct zoo_hunt *h)
{
    if (h->found)
        printf(" %llu / %.2f |", (unsigned long long)h->runs, h->seconds);
    else
        printf(" — (%llu) |", (unsigned long long)h->runs);
    fflush(stdout);
}

/* Which oracles were the first to say so, and a mark where nothing but justification did, first or later. */
static void row_end(const struct zoo_hunt *hunts, size_t count)
{
    bool fork = false, any = false;
    const char *said[ZOO_NAMES_MAX];
    size_t said_count = 0;
    uint64_t oracles = 0;
    for (size_t i = 0; i < count; i++) {
        if (!hunts[i].found)
            continue;
        any = true;
        fork |= hunts[i].fork;
        oracles |= hunts[i].oracles;
        if (said_count == 0 || !zoo_listed(said, said_count, hunts[i].oracle))
            said[said_count++] = hunts[i].oracle;
    }
    const bool only = any && said_count == 1 && strcmp(said[0], "justification") == 0 && (oracles & (oracles - 1)) == 0;
    for (size_t i = 0; i < said_count; i++)
        printf("%s%s", i ? ", " : " ", said[i]);
    printf("%s%s |\n", only ? " *" : "", fork ? " (forks)" : "");
    fflush(stdout);
}

static const struct tc_adversary_class *asked(const struct zoo_options *options, size_t s)
{
    const struct tc_adversary_class *strategy = tc_adversaries[s];
    return zoo_listed(options->strategies, options->strategy_count, strategy->name) ? strategy : NULL;
}

/* One hunt, or the median of some, of a row. */
static struct zoo_hunt look(const struct zoo_options *options, const struct tc_scenario *scenario, size_t strategy,
                            int bug, double seconds, uint64_t seeds)
{
    struct tc_trial *trial = zoo_open_trial(options, scenario, tc_adversaries[strategy], TC_BUG_BIT(bug));
    const struct zoo_hunt h = median(options, trial, seconds, seeds);
    tc_trial_free(trial);
    return h;
}

/* A second each, eight, all: what one strategy finds at once, another may never find. */
static bool first_find(const struct zoo_options *options, const struct tc_scenario *scenario, int bug,
                       struct zoo_hunt *hunts)
{
    const double steps[] = {1, 8, options->seconds};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        for (size_t s = 0; tc_adversaries[s]; s++) {
            if (!asked(options, s) || (i > 0 && steps[i] <= steps[i - 1]))
                continue;
            const double seconds = steps[i] < options->seconds ? steps[i] : options->seconds;
            hunts[s] = look(options, scenario, s, bug, seconds, options->seeds);
            if (hunts[s].found)
                return true;
        }
    return false;
}

/* The strategy that took the least time, hunting with every seed. */
static struct zoo_hunt best_of(const struct zoo_options *options, const struct tc_scenario *scenario, int bug,
                               const struct zoo_hunt *hunts)
{
    size_t best = SIZE_MAX;
    for (size_t s = 0; tc_adversaries[s]; s++)
        if (asked(options, s) && hunts[s].found && (best == SIZE_MAX || by_seconds(&hunts[s], &hunts[best]) < 0))
            best = s;
    struct zoo_hunt h = {.found = false};
    for (size_t s = 0; best == SIZE_MAX && tc_adversaries[s] && !h.found; s++) {
        if (!asked(options, s)) /* a look found nothing: those that lie on purpose get all the time */
            continue;
        h = hunts[s].runs > 0 && s > 0 ? look(options, scenario, s, bug, options->seconds, options->seeds) : h;
        best = h.found ? s : best;
    }
    if (best != SIZE_MAX && !h.found)
        h = look(options, scenario, best, bug, options->seconds, options->seeds);
    if (h.found)
        printf(" %s: %llu / %.2f |", tc_adversaries[best]->name, (unsigned long long)h.runs, h.seconds);
    else
        printf(" — |");
    return h;
}

/* One bug under every strategy. False: none found it. */
static bool row(const struct zoo_options *options, const struct tc_scenario *scenario, const char *protocol, int bug)
{
    struct zoo_hunt hunts[ZOO_NAMES_MAX + 1] = {0};
    size_t count = 0;
    bool found = false;
    printf("| %s | %d | %s |", tc_bugs[bug].name, tc_bugs[bug].number, protocol);
    if (options->first_find)
        found = first_find(options, scenario, bug, hunts);
    for (; tc_adversaries[count] && count < ZOO_NAMES_MAX; count++) {
        if (!asked(options, count))
            continue;
        if (!options->first_find)
            hunts[count] = options->look > 0 ? look(options, scenario, count, bug, options->look, 1)
                                             : look(options, scenario, count, bug, options->seconds, options->seeds);
        found |= hunts[count].found;
        cell(&hunts[count]);
    }
    if (options->look > 0) {
        hunts[count] = best_of(options, scenario, bug, hunts);
        found = hunts[count].found;
        count++;
    }
    row_end(hunts, count);
    return found;
}

static void head(const struct zoo_options *options)
{
    printf("| bug | row | protocol |");
    for (size_t s = 0; tc_adversaries[s]; s++)
        if (zoo_listed(options->strategies, options->strategy_count, tc_adversaries[s]->name))
            printf(" %s |", tc_adversaries[s]->name);
    printf("%s oracle |\n|--|--:|--|", options->look > 0 ? " best, all seeds |" : "");
    for (size_t s = 0; tc_adversaries[s]; s++)
        if (zoo_listed(options->strategies, options->strategy_count, tc_adversaries[s]->name))
            printf("--:|");
    printf("%s--|\n", options->look > 0 ? "--:|" : "");
}

void zoo_list_rows(void)
{
    for (size_t p = 0; tc_protocols[p]; p++)
        for (int bug = 0; tc_replica_find(tc_protocols[p]->name) && bug < TC_BUG_COUNT; bug++)
            if (tc_bug_applies(bug, tc_protocols[p]->name))
                printf("%s %s %u\n", tc_bugs[bug].name, tc_protocols[p]->name, zoo_replicas_for(bug));
}

/* How many bugs no strategy found. */
unsigned zoo_table(const struct zoo_options *options)
{
    unsigned missing = 0;
    head(options);
    for (size_t p = 0; tc_protocols[p]; p++) {
        const char *protocol = tc_protocols[p]->name;
        static struct tc_scenario scenario;
        if (!zoo_load(options, protocol, &scenario))
            continue;
        for (int bug = 0; bug < TC_BUG_COUNT; bug++) {
            if (options->without_count > 0 && zoo_listed(options->without, options->without_count, tc_bugs[bug].name))
                continue;
            if (!tc_bug_applies(bug, protocol) || !zoo_listed(options->bugs, options->bug_count, tc_bugs[bug].name))
                continue;
            zoo_settle_size(&scenario, bug);
            missing += !row(options, &scenario, protocol, bug);
        }
    }
    if (options->look > 0)
        printf("\nRuns / seconds of one core to the first find: one seed and at most %g s for each strategy (— and the "
               "runs "
               "if there was none), then the best of them, median of %llu seeds of at most %g s. The oracles are those "
               "that spoke first; *: no other than justification spoke at all; (forks): agreement or total order was "
               "violated too. %u rows without a find.\n",
               options->look, (unsigned long long)options->seeds, options->seconds, missing);
    else
        printf(
            "\nRuns / seconds of one core to the first find, median of %llu seeds of at most %g s; — and the runs if "
            "there was none. *: only justification spoke. %u rows without a find.\n",
            (unsigned long long)options->seeds, options->seconds, missing);
    return missing;
}
