/* The bug zoo under the strategies of the hunt: how many runs, and how many seconds of one core, until the first
 * violation. Trials in memory, nothing else; what a user gets from `turncoat hunt` are the same runs.
 *
 *   zoo [--strategy NAME]… [--bug NAME]… [--seeds N] [--seconds S] [--runs N] [--decisions N] [--first SEED]
 *   zoo --look S …         every strategy for S seconds with one seed; then the best of them, with all seeds
 *   zoo --first-find …     all strategies for a second, for eight, for all: until one has found the bug
 *   zoo --without BUG …    leaves one out
 *   zoo --performance S    the greedy search for what slows each protocol down most, over S seeds
 *   zoo --correct N        N runs of each correct protocol under each strategy: no violation
 *   zoo --rows             bug, protocol and number of replicas of each row
 *   zoo --show SEED INDEX  one run (with one --strategy and one --bug), and what was found in it */
#define _POSIX_C_SOURCE 200809L
#include "../../proxy/random.h"
#include "../../proxy/trial.h"
#include "../../reference/bugs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES_MAX          64
#define SEEDS_MAX          25
#define EXIT_FOUND_NOTHING 1

struct options {
    const char *strategies[NAMES_MAX], *bugs[NAMES_MAX], *protocols[NAMES_MAX];
    const char *without[NAMES_MAX];
    size_t strategy_count, bug_count, protocol_count, without_count;
    uint64_t seeds, runs, decisions, first, correct, show_seed, show_index;
    double seconds, look; /* look: of the first pass; 0: there is but one */
    bool show, any_scope, first_find, performance, rows;
};

/* One hunt for one bug: until the first violation, or the budget is spent. */
struct hunt {
    bool found;
    uint64_t runs;
    double seconds;
    char oracle[64];
    uint64_t oracles; /* that were violated in the run, by their number */
    bool fork;        /* agreement or total order among them */
    uint64_t seed, index;
    char sentence[512];
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int status, const struct tc_error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "zoo: %s\n", err->text);
    exit(70);
}

static bool listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

/* Only protocols with replicas of their own can be hunted here. */
static bool load(const struct options *options, const char *protocol, struct tc_scenario *scenario)
{
    struct tc_error err = {0};
    char name[TC_NAME_MAX];
    if (!listed(options->protocols, options->protocol_count, protocol) || !tc_replica_find(protocol))
        return false;
    snprintf(name, sizeof name, "hunt-%s", protocol);
    must(tc_scenario_load(TC_SOURCE_LUA_DIR, name, scenario, &err), &err);
    return true;
}

static struct tc_trial *open_trial(const struct options *options, const struct tc_scenario *scenario,
                                   const struct tc_adversary_class *strategy, uint64_t bugs)
{
    struct tc_error err = {0};
    struct tc_trial *trial;
    const struct tc_trial_setup setup = {.scenario = scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = strategy,
                                         .limits = {.any_scope = options->any_scope},
                                         .bugs = bugs,
                                         .decisions_max = options->decisions};
    must(tc_trial_new(&setup, &trial, &err), &err);
    return trial;
}

static uint64_t run_seed(uint64_t seed, uint64_t index)
{
    return tc_random_mix(tc_random_mix(seed, 0x7a6f6f), index);
}

static void run(struct tc_trial *trial, uint64_t seed, uint64_t index, struct tc_trial_result *result)
{
    struct tc_error err = {0};
    const struct tc_trial_request request = {.seed = run_seed(seed, index), .index = index};
    must(tc_trial_run(trial, &request, result, &err), &err);
}

static bool violated(const struct tc_trial_result *result, const char *oracle)
{
    for (size_t i = 0; i < tc_judge_count(result->judge); i++) {
        const struct tc_judgement *j = tc_judge_get(result->judge, i);
        if (j->status == TC_VIOLATED && (!oracle || strcmp(j->oracle->name, oracle) == 0))
            return true;
    }
    return false;
}

static uint64_t violated_set(const struct tc_trial_result *result)
{
    uint64_t set = 0;
    for (size_t i = 0; i < tc_judge_count(result->judge) && i < 64; i++)
        if (tc_judge_get(result->judge, i)->status == TC_VIOLATED)
            set |= UINT64_C(1) << i;
    return set;
}

static struct hunt hunt(const struct options *options, struct tc_trial *trial, uint64_t seed, double seconds)
{
    struct hunt h = {.seed = seed};
    const double begin = now_s();
    while (!h.found && h.runs < options->runs && now_s() - begin < seconds) {
        struct tc_trial_result result;
        run(trial, seed, h.runs, &result);
        h.index = h.runs++;
        if (result.summary.status != TC_VIOLATED)
            continue;
        h.found = true;
        h.oracles = violated_set(&result);
        h.fork = violated(&result, "agreement") || violated(&result, "total-order");
        snprintf(h.oracle, sizeof h.oracle, "%s", result.summary.first ? result.summary.first->oracle : "?");
        snprintf(h.sentence, sizeof h.sentence, "%s", result.summary.first ? result.summary.first->text : "?");
    }
    h.seconds = now_s() - begin;
    return h;
}

/* ---- the table ---- */

static int by_seconds(const void *a, const void *b)
{
    const struct hunt *x = a, *y = b;
    if (x->found != y->found)
        return x->found ? -1 : 1;
    return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* The median over the seeds; a hunt that found nothing counts as longer than any. */
static struct hunt median(const struct options *options, struct tc_trial *trial, double seconds, uint64_t seeds)
{
    struct hunt hunts[SEEDS_MAX];
    size_t count = 0, missed = 0;
    uint64_t oracles = 0;
    bool fork = false;
    for (uint64_t s = 0; s < seeds && s < SEEDS_MAX; s++) {
        hunts[count] = hunt(options, trial, options->first + s, seconds);
        missed += !hunts[count].found;
        fork |= hunts[count].fork;
        oracles |= hunts[count].oracles;
        count++;
        if (2 * missed > seeds)
            break; /* the median is lost */
    }
    qsort(hunts, count, sizeof *hunts, by_seconds);
    struct hunt middle = hunts[2 * missed > seeds ? count - 1 : seeds / 2];
    middle.fork = fork;
    middle.oracles = oracles;
    return middle;
}

/* "12 / 0.03": runs and seconds to the first find. */
static void cell(const struct hunt *h)
{
    if (h->found)
        printf(" %llu / %.2f |", (unsigned long long)h->runs, h->seconds);
    else
        printf(" — (%llu) |", (unsigned long long)h->runs);
    fflush(stdout);
}

/* Which oracles were the first to say so, and a mark where nothing but justification did, first or later. */
static void row_end(const struct hunt *hunts, size_t count)
{
    bool fork = false, any = false;
    const char *said[NAMES_MAX];
    size_t said_count = 0;
    uint64_t oracles = 0;
    for (size_t i = 0; i < count; i++) {
        if (!hunts[i].found)
            continue;
        any = true;
        fork |= hunts[i].fork;
        oracles |= hunts[i].oracles;
        if (said_count == 0 || !listed(said, said_count, hunts[i].oracle))
            said[said_count++] = hunts[i].oracle;
    }
    const bool only = any && said_count == 1 && strcmp(said[0], "justification") == 0 && (oracles & (oracles - 1)) == 0;
    for (size_t i = 0; i < said_count; i++)
        printf("%s%s", i ? ", " : " ", said[i]);
    printf("%s%s |\n", only ? " *" : "", fork ? " (forks)" : "");
    fflush(stdout);
}

/* A rule that is right where n = 3f+1 can be wrong elsewhere only. */
static uint32_t replicas_for(int bug)
{
    return tc_bugs[bug].number == 1 ? 6 : 4;
}

static void settle_size(struct tc_scenario *scenario, int bug)
{
    scenario->cluster.cluster.n = replicas_for(bug);
    scenario->cluster.cluster.f = 1;
}

static const struct tc_adversary_class *asked(const struct options *options, size_t s)
{
    const struct tc_adversary_class *strategy = tc_adversaries[s];
    return listed(options->strategies, options->strategy_count, strategy->name) ? strategy : NULL;
}

/* One hunt, or the median of some, of a row. */
static struct hunt look(const struct options *options, const struct tc_scenario *scenario, size_t strategy, int bug,
                        double seconds, uint64_t seeds)
{
    struct tc_trial *trial = open_trial(options, scenario, tc_adversaries[strategy], TC_BUG_BIT(bug));
    const struct hunt h = median(options, trial, seconds, seeds);
    tc_trial_free(trial);
    return h;
}

/* A second each, eight, all: what one strategy finds at once, another may never find. */
static bool first_find(const struct options *options, const struct tc_scenario *scenario, int bug, struct hunt *hunts)
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
static struct hunt best_of(const struct options *options, const struct tc_scenario *scenario, int bug,
                           const struct hunt *hunts)
{
    size_t best = SIZE_MAX;
    for (size_t s = 0; tc_adversaries[s]; s++)
        if (asked(options, s) && hunts[s].found && (best == SIZE_MAX || by_seconds(&hunts[s], &hunts[best]) < 0))
            best = s;
    struct hunt h = {.found = false};
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
static bool row(const struct options *options, const struct tc_scenario *scenario, const char *protocol, int bug)
{
    struct hunt hunts[NAMES_MAX + 1] = {0};
    size_t count = 0;
    bool found = false;
    printf("| %s | %d | %s |", tc_bugs[bug].name, tc_bugs[bug].number, protocol);
    if (options->first_find)
        found = first_find(options, scenario, bug, hunts);
    for (; tc_adversaries[count] && count < NAMES_MAX; count++) {
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

static void head(const struct options *options)
{
    printf("| bug | row | protocol |");
    for (size_t s = 0; tc_adversaries[s]; s++)
        if (listed(options->strategies, options->strategy_count, tc_adversaries[s]->name))
            printf(" %s |", tc_adversaries[s]->name);
    printf("%s oracle |\n|--|--:|--|", options->look > 0 ? " best, all seeds |" : "");
    for (size_t s = 0; tc_adversaries[s]; s++)
        if (listed(options->strategies, options->strategy_count, tc_adversaries[s]->name))
            printf("--:|");
    printf("%s--|\n", options->look > 0 ? "--:|" : "");
}

static void list_rows(void)
{
    for (size_t p = 0; tc_protocols[p]; p++)
        for (int bug = 0; tc_replica_find(tc_protocols[p]->name) && bug < TC_BUG_COUNT; bug++)
            if (tc_bug_applies(bug, tc_protocols[p]->name))
                printf("%s %s %u\n", tc_bugs[bug].name, tc_protocols[p]->name, replicas_for(bug));
}

/* How many bugs no strategy found. */
static unsigned table(const struct options *options)
{
    unsigned missing = 0;
    head(options);
    for (size_t p = 0; tc_protocols[p]; p++) {
        const char *protocol = tc_protocols[p]->name;
        static struct tc_scenario scenario;
        if (!load(options, protocol, &scenario))
            continue;
        for (int bug = 0; bug < TC_BUG_COUNT; bug++) {
            if (options->without_count > 0 && listed(options->without, options->without_count, tc_bugs[bug].name))
                continue;
            if (!tc_bug_applies(bug, protocol) || !listed(options->bugs, options->bug_count, tc_bugs[bug].name))
                continue;
            settle_size(&scenario, bug);
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

/* ---- correct protocols ---- */

static uint64_t correct_runs(const struct options *options, const char *protocol, const struct tc_scenario *scenario,
                             const struct tc_adversary_class *strategy)
{
    uint64_t alarms = 0, decided = 0, bitten = 0;
    struct tc_trial *trial = open_trial(options, scenario, strategy, 0);
    const double begin = now_s();
    for (uint64_t i = 0; i < options->correct; i++) {
        struct tc_trial_result result;
        run(trial, options->first, i, &result);
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
    const double seconds = now_s() - begin;
    printf("| %s | %s | %llu | %.1f | %.0f | %.1f | %.1f | %llu |\n", protocol, strategy->name,
           (unsigned long long)options->correct, seconds, (double)options->correct / seconds,
           (double)decided / (double)options->correct, (double)bitten / (double)options->correct,
           (unsigned long long)alarms);
    fflush(stdout);
    tc_trial_free(trial);
    return alarms;
}

static uint64_t correct(const struct options *options)
{
    uint64_t alarms = 0;
    printf("| protocol | strategy | runs | seconds | runs/s | decisions | faults bitten | violations |\n"
           "|--|--|--:|--:|--:|--:|--:|--:|\n");
    for (size_t p = 0; tc_protocols[p]; p++) {
        static struct tc_scenario scenario;
        if (!load(options, tc_protocols[p]->name, &scenario))
            continue;
        for (size_t s = 0; tc_adversaries[s]; s++)
            if (listed(options->strategies, options->strategy_count, tc_adversaries[s]->name))
                alarms += correct_runs(options, tc_protocols[p]->name, &scenario, tc_adversaries[s]);
    }
    return alarms;
}

/* ---- the greedy search for what hurts most ---- */

#define CANDIDATES_MAX 512
#define ROUNDS         3
#define SHOWN          5
#define GAIN_MIN       1.05 /* a round that adds less ends the search */

struct damage {
    uint32_t candidate;
    double ratio;
};

static int by_damage(const void *a, const void *b)
{
    const struct damage *x = a, *y = b;
    if (x->ratio != y->ratio)
        return x->ratio < y->ratio ? 1 : -1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* Decisions a virtual second. */
static double rate(struct tc_trial *trial, uint64_t seed, uint64_t index)
{
    struct tc_trial_result result;
    struct tc_error err = {0};
    const struct tc_trial_request request = {.seed = seed, .index = index};
    must(tc_trial_run(trial, &request, &result, &err), &err);
    return (double)(result.decided + 1) * 1e9 / (double)(result.now_ns + 1);
}

static double greedy_round(const struct options *options, const struct tc_scenario *scenario,
                           const struct tc_protocol *protocol, uint32_t *chosen, uint32_t *chosen_count)
{
    static struct damage damages[CANDIDATES_MAX];
    const uint32_t count = tc_performance_count(protocol);
    struct tc_error err = {0};
    struct tc_trial *trial, *plain;
    const struct tc_trial_setup base = {.scenario = scenario,
                                        .lua_dir = TC_SOURCE_LUA_DIR,
                                        .strategy = tc_adversary_find("performance"),
                                        .decisions_max = options->decisions};
    struct tc_trial_setup setup = base;
    setup.limits.chosen = chosen;
    setup.limits.chosen_count = *chosen_count;
    must(tc_trial_new(&base, &plain, &err), &err);
    must(tc_trial_new(&setup, &trial, &err), &err);
    for (uint32_t c = 1; c <= count && c <= CANDIDATES_MAX; c++) {
        damages[c - 1] = (struct damage){.candidate = c};
        for (uint64_t s = 0; s < options->seeds; s++)
            damages[c - 1].ratio += rate(plain, options->first + s, 0) / rate(trial, options->first + s, c);
        damages[c - 1].ratio /= (double)options->seeds;
    }
    qsort(damages, count < CANDIDATES_MAX ? count : CANDIDATES_MAX, sizeof *damages, by_damage);
    for (uint32_t i = 0; i < SHOWN; i++) {
        char text[128];
        printf("| %s | %u | %s | %.2f |\n", protocol->name, *chosen_count + 1,
               tc_performance_text(protocol, damages[i].candidate, text, sizeof text), damages[i].ratio);
    }
    tc_trial_free(trial);
    tc_trial_free(plain);
    chosen[(*chosen_count)++] = damages[0].candidate;
    return damages[0].ratio;
}

static int performance(const struct options *options)
{
    printf("| protocol | round | the traitor's messages | times slower |\n|--|--:|--|--:|\n");
    for (size_t p = 0; tc_protocols[p]; p++) {
        static struct tc_scenario scenario;
        uint32_t chosen[ROUNDS], chosen_count = 0;
        double before = 1;
        if (!load(options, tc_protocols[p]->name, &scenario))
            continue;
        while (chosen_count < ROUNDS) {
            const double now = greedy_round(options, &scenario, tc_protocols[p], chosen, &chosen_count);
            if (now < before * GAIN_MIN)
                break;
            before = now;
        }
    }
    return 0;
}

/* ---- one run ---- */

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

static int show(const struct options *options)
{
    static struct tc_scenario scenario;
    struct tc_error err = {0};
    const int bug = options->bug_count ? tc_bug_find(options->bugs[0]) : -1;
    const struct tc_adversary_class *strategy =
        tc_adversary_find(options->strategy_count ? options->strategies[0] : "byzzfuzz");
    if (!load(options, options->protocol_count ? options->protocols[0] : "pbft", &scenario))
        return 64;
    if (bug >= 0)
        settle_size(&scenario, bug);
    struct tc_trial *trial = open_trial(options, &scenario, strategy, bug >= 0 ? TC_BUG_BIT(bug) : 0);
    struct tc_trial_result result;
    const struct tc_trial_request request = {.seed = run_seed(options->show_seed, options->show_index),
                                             .index = options->show_index,
                                             .sink = {NULL, show_observation, show_decision, NULL}};
    must(tc_trial_run(trial, &request, &result, &err), &err);
    for (size_t i = 0; i < tc_judge_count(result.judge); i++) {
        const struct tc_judgement *j = tc_judge_get(result.judge, i);
        for (size_t f = 0; f < j->finding_count; f++)
            printf("%s: %s\n    %s\n", j->oracle->name, j->findings[f].text, j->findings[f].because);
    }
    printf("%s; hash %016llx\n", result.summary.sentence, (unsigned long long)result.hash);
    tc_trial_free(trial);
    return 0;
}

/* ---- options ---- */

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 0) : 0;
}

static void read_options(int argc, char **argv, struct options *o)
{
    *o = (struct options){.seeds = 5, .seconds = 60, .runs = UINT64_MAX, .decisions = 16, .first = 1};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(name, "--any-scope") == 0 || strcmp(name, "--first-find") == 0) {
            *(name[2] == 'a' ? &o->any_scope : &o->first_find) = true;
            continue;
        }
        if (strcmp(name, "--rows") == 0) {
            o->rows = true;
            continue;
        }
        if (!value) {
            fprintf(stderr, "zoo: %s: expected a value\n", name);
            exit(64);
        }
        i++;
        if (strcmp(name, "--strategy") == 0 && o->strategy_count < NAMES_MAX)
            o->strategies[o->strategy_count++] = value;
        else if (strcmp(name, "--bug") == 0 && o->bug_count < NAMES_MAX)
            o->bugs[o->bug_count++] = value;
        else if (strcmp(name, "--without") == 0 && o->without_count < NAMES_MAX)
            o->without[o->without_count++] = value;
        else if (strcmp(name, "--protocol") == 0 && o->protocol_count < NAMES_MAX)
            o->protocols[o->protocol_count++] = value;
        else if (strcmp(name, "--seeds") == 0)
            o->seeds = number(value);
        else if (strcmp(name, "--seconds") == 0)
            o->seconds = strtod(value, NULL);
        else if (strcmp(name, "--look") == 0)
            o->look = strtod(value, NULL);
        else if (strcmp(name, "--runs") == 0)
            o->runs = number(value);
        else if (strcmp(name, "--decisions") == 0)
            o->decisions = number(value);
        else if (strcmp(name, "--first") == 0)
            o->first = number(value);
        else if (strcmp(name, "--performance") == 0) {
            o->performance = true;
            o->seeds = number(value);
        } else if (strcmp(name, "--correct") == 0)
            o->correct = number(value);
        else if (strcmp(name, "--show") == 0 && i + 1 < argc) {
            o->show = true;
            o->show_seed = number(value);
            o->show_index = number(argv[++i]);
        } else {
            fprintf(stderr, "zoo: %s: no such option\n", name);
            exit(64);
        }
    }
}

int main(int argc, char **argv)
{
    struct options options;
    read_options(argc, argv, &options);
    if (options.rows) {
        list_rows();
        return 0;
    }
    if (options.show)
        return show(&options);
    if (options.performance)
        return performance(&options);
    if (options.correct)
        return correct(&options) ? EXIT_FOUND_NOTHING : 0;
    return table(&options) ? EXIT_FOUND_NOTHING : 0;
}
