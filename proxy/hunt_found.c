/* What becomes of a violation that a hunt found: run again, confirmed, shrunk, attributed, stored. */
#define _GNU_SOURCE
#include "hunt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIRM_RUNS   3
#define NEIGHBOUR_RUNS 20
#define OTHERS_MAX     3                  /* that show the same are shrunk too, */
#define OTHERS_EVENTS  UINT64_C(10000000) /* found within so many events of the simulation */

struct look {
    const struct tc_hunt_request *request;
    struct tc_hunt_result *result;
    struct tc_hunt_group *group;
    uint32_t strategy;
    struct tc_trial *trial;
    struct tc_tape tapes[2];
    struct tc_tape *tape, *spare; /* of the run that is stored shrunk; another one's */
    uint64_t shrunk_seed, shrunk_index;
    uint64_t alone_seed; /* of a run that shows it without any traitor; if group->honest > 0 */
    struct tc_honest honest;
    char dir[700]; /* of this kind */
    struct tc_error *err;
};

static const struct tc_handler *with_tape(void *self, const struct tc_handler *handler, struct tc_ledger *ledger)
{
    struct look *l = self;
    return tc_tape_record(l->tape, handler, ledger);
}

static const struct tc_handler *with_spare(void *self, const struct tc_handler *handler, struct tc_ledger *ledger)
{
    struct look *l = self;
    return tc_tape_record(l->spare, handler, ledger);
}

static const struct tc_handler *without_lies(void *self, const struct tc_handler *handler, struct tc_ledger *ledger)
{
    struct look *l = self;
    return tc_honest_begin(&l->honest, handler, ledger);
}

static const struct tc_handler *without_lies_with_spare(void *self, const struct tc_handler *handler,
                                                        struct tc_ledger *ledger)
{
    return with_spare(self, without_lies(self, handler, ledger), ledger);
}

typedef const struct tc_handler *wrap_fn(void *self, const struct tc_handler *handler, struct tc_ledger *ledger);

/* 1: this run shows the violation. */
static int run_shows(struct look *l, uint64_t seed, uint64_t index, wrap_fn *wrap, struct tc_trial_result *result)
{
    const struct tc_trial_request run = {.seed = seed, .index = index, .wrap = wrap, .wrap_self = l};
    if (tc_hunt_interrupted() && wrap != with_tape)
        return tc_error_set(l->err, TC_EINTERRUPTED, "interrupted");
    const int status = tc_trial_run(l->trial, &run, result, l->err);
    if (status < 0)
        return status;
    return result->summary.status == TC_VIOLATED && tc_hunt_shows(result, l->group->oracle, l->group->rule);
}

/* Until the number of this run is known. */
static int be_ready(struct look *l, uint64_t run)
{
    int status;
    do
        status = tc_hunt_ready(l->request, run, l->trial, l->err);
    while (status > 0);
    return status;
}

static int shows(struct look *l, uint64_t seed, wrap_fn *wrap, uint64_t *hash)
{
    struct tc_trial_result result;
    const int status = run_shows(l, seed, tc_hunt_index(l->request, l->group->all.index), wrap, &result);
    *hash = status < 0 ? 0 : result.hash;
    return status;
}

/* The same seed must give the same run; that it does is what makes everything else here worth doing. */
static int confirm(struct look *l)
{
    struct tc_hunt_group *g = l->group;
    uint64_t first = 0, hash = 0;
    g->confirmed = g->confirmed_of = 0;
    for (uint32_t i = 0; i < CONFIRM_RUNS; i++) {
        const int showed = shows(l, g->seed, i == 0 ? with_tape : NULL, &hash);
        if (showed < 0)
            return showed;
        g->confirmed_of++;
        g->confirmed += showed && (i == 0 || hash == first);
        if (i == 0)
            first = hash;
    }
    return 0;
}

static int count_neighbours(struct look *l)
{
    struct tc_hunt_group *g = l->group;
    uint64_t hash;
    g->neighbours = g->neighbours_of = g->honest = g->honest_of = 0;
    for (uint32_t i = 1; i <= NEIGHBOUR_RUNS; i++) {
        const int showed = shows(l, g->seed + i, NULL, &hash);
        if (showed < 0)
            return showed;
        g->neighbours_of++;
        g->neighbours += (uint32_t)showed;
    }
    for (uint32_t i = 0; i < NEIGHBOUR_RUNS; i++) {
        const int showed = shows(l, g->seed + i, without_lies, &hash);
        if (showed < 0)
            return showed;
        if (showed && g->honest == 0)
            l->alone_seed = g->seed + i;
        g->honest_of++;
        g->honest += (uint32_t)showed;
    }
    return 0;
}

/* ---- storing ---- */

int tc_hunt_copy(const char *from, const char *to, struct tc_error *err)
{
    static char bytes[65536];
    FILE *in = fopen(from, "re");
    FILE *out = in ? fopen(to, "we") : NULL;
    bool failed = !out;
    for (size_t n; out && (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
        failed |= fwrite(bytes, 1, n, out) != n;
    failed |= in && ferror(in);
    if (out)
        failed |= fclose(out) != 0;
    if (in)
        fclose(in);
    return failed ? tc_error_set(err, TC_EIO, "cannot copy %s to %s", from, to) : 0;
}

static void safe_name(const char *name, char *out, size_t size)
{
    size_t len = 0;
    for (; name[len] && len + 1 < size; len++)
        out[len] = (name[len] >= 'a' && name[len] <= 'z') || (name[len] >= '0' && name[len] <= '9') ? name[len] : '-';
    out[len] = 0;
}

/* A run directory below this kind's, and its decisions file beside it. */
static int store_run(struct look *l, const char *sub, const char *file, uint64_t seed, struct tc_run_request *run)
{
    char dir[800], decisions[900], beside[900];
    struct tc_run_result result;
    snprintf(dir, sizeof dir, "%s/%s", l->dir, sub);
    run->dir = dir;
    run->simulated = true;
    run->silent = true;
    run->judge = true;
    run->capture = false;
    run->junit_path = NULL;
    run->scenario = l->request->scenario;
    run->seed = seed;
    int status = tc_run(run, &result, l->err);
    if (status == 0 && strcmp(result.end.verdict, "violated") != 0)
        status = tc_error_set(l->err, TC_EINTERNAL, "%s: the run that was violated in the hunt now is: %s", dir,
                              result.end.verdict);
    snprintf(decisions, sizeof decisions, "%s/decisions.jsonl", dir);
    snprintf(beside, sizeof beside, "%s/%s", l->dir, file);
    return status == 0 ? tc_hunt_copy(decisions, beside, l->err) : status;
}

static void header_of(const struct look *l, struct tc_decisions_header *header)
{
    *header = l->request->header;
    header->index = tc_hunt_index(l->request, l->group->all.index);
    header->limits = l->request->limits;
    snprintf(header->strategy, sizeof header->strategy, "%s",
             l->request->strategies[l->strategy] ? l->request->strategies[l->strategy]->name : "");
}

static void repeat_line(const struct look *l, const char *file, char line[static TC_SHELL_LINE_MAX])
{
    char path[800];
    snprintf(path, sizeof path, "%s/%s", l->dir, file);
    tc_shell_line(line, TC_SHELL_LINE_MAX, "replay", path);
}

static int store_full(struct look *l)
{
    static char repeat[TC_SHELL_LINE_MAX];
    struct tc_decisions_header header;
    struct tc_run_request run = *l->request->run;
    header_of(l, &header);
    run.header = &header;
    run.strategy = l->request->strategies[l->strategy];
    repeat_line(l, "decisions.jsonl", repeat);
    run.repeat = repeat;
    return store_run(l, "full", "decisions.jsonl", l->group->seed, &run);
}

static int store_shrunk(struct look *l, const struct tc_hunt_shrunk *shrunk)
{
    static char repeat[TC_SHELL_LINE_MAX], whole[TC_SHELL_LINE_MAX], note[3][300];
    struct tc_decisions_header header;
    struct tc_run_request run = *l->request->run;
    const struct tc_hunt_group *g = l->group;
    header_of(l, &header);
    header.index = l->shrunk_index;
    run.header = &header;
    run.replay = l->tape;
    run.left_out = shrunk->left_out;
    repeat_line(l, "shrunk.jsonl", repeat);
    repeat_line(l, "decisions.jsonl", whole);
    char of[TC_HUNT_OF_MAX];
    tc_hunt_shrunk_of(g, ", ", "", of);
    if (g->kept == 0)
        snprintf(note[0], sizeof note[0], "shrunk from %u decisions to 0%s: no fault is needed, it comes by itself",
                 g->choices, of);
    else
        snprintf(note[0], sizeof note[0], "shrunk from %u decisions to %u%s%s; first decision kept %s", g->choices,
                 g->kept, of, g->minimal ? "" : " (more might be left out: its runs were used up)", g->first_bad);
    snprintf(note[1], sizeof note[1], "%s: %u of %u runs without what only a traitor can do were violated",
             tc_hunt_cause_name(g->cause), g->honest, g->honest_of);
    run.repeat = repeat;
    run.repeats[0] = whole;
    run.repeats[1] = l->request->again;
    run.notes[0] = note[0];
    run.notes[1] = note[1];
    return store_run(l, "shrunk", "shrunk.jsonl", l->shrunk_seed, &run);
}

/* ---- the whole of it ---- */

static int shrink_tape(struct look *l, uint64_t seed, uint64_t index, const struct tc_tape *tape,
                       struct tc_hunt_shrunk *out)
{
    return tc_hunt_shrink(l->trial, seed, index, tape, l->request->scenario, l->group->oracle, l->group->rule, out,
                          l->err);
}

/* What has to be granted for it: least for what a network does by itself. */
static uint32_t needs(const struct tc_hunt_shrunk *shrunk)
{
    static const uint32_t ranks[] = {
        [TC_HUNT_NETWORK] = 0, [TC_HUNT_FORGED] = 1, [TC_HUNT_TRAITOR] = 2, [TC_HUNT_OUTSIDE] = 3};
    return ranks[shrunk->cause];
}

/* The spare tape, of another run that shows the same, if it needs less, or as much and shrinks to less: 1; else 0, or
 * an error. */
static int compare(struct look *l, uint64_t seed, uint64_t index, struct tc_hunt_shrunk *best)
{
    struct tc_hunt_shrunk other;
    struct tc_tape *const tape = l->tape;
    const int status = shrink_tape(l, seed, index, l->spare, &other);
    const bool is_better =
        status == 0 && other.fails &&
        (needs(&other) < needs(best) || (needs(&other) == needs(best) && other.result.kept < best->result.kept));
    if (!is_better) {
        free(other.left_out);
        return status;
    }
    free(best->left_out);
    *best = other;
    l->shrunk_seed = seed;
    l->shrunk_index = index;
    l->tape = l->spare;
    l->spare = tape;
    return 1;
}

/* The run found has a traitor in what is left of it, and there are runs without any that show the same: then one of
 * those is what tells most. */
static int shrink_alone(struct look *l, struct tc_hunt_shrunk *best)
{
    struct tc_trial_result result;
    const uint64_t index = tc_hunt_index(l->request, l->group->all.index);
    if (l->group->honest == 0 || best->cause == TC_HUNT_NETWORK)
        return 0;
    const int showed = run_shows(l, l->alone_seed, index, without_lies_with_spare, &result);
    if (showed <= 0 || l->spare->full)
        return showed < 0 ? showed : 0;
    const int better = compare(l, l->alone_seed, index, best);
    l->group->alone = better > 0;
    return better < 0 ? better : 0;
}

/* What is put on links may hold so much of what went before that little of it can go. Another run of the same strategy
 * may show the same with less: those that the hunt would have done next are tried. */
static int shrink_others(struct look *l, struct tc_hunt_shrunk *best)
{
    uint64_t events = 0, run = l->group->all.index;
    uint32_t compared = 0;
    while (best->result.kept > TC_HUNT_READABLE && events < OTHERS_EVENTS && compared < OTHERS_MAX) {
        struct tc_trial_result result;
        run += l->request->strategy_count;
        const int ready = be_ready(l, run);
        if (ready < 0)
            return ready;
        const int showed =
            run_shows(l, tc_hunt_seed(l->request->seed, run), tc_hunt_index(l->request, run), with_spare, &result);
        if (showed < 0)
            return showed;
        events += result.stats.events + 1;
        if (!showed || l->spare->full)
            continue;
        compared++;
        const int better = compare(l, tc_hunt_seed(l->request->seed, run), tc_hunt_index(l->request, run), best);
        if (better < 0)
            return better;
        if (better > 0) {
            l->group->shrunk_in = run;
            l->group->alone = false;
        }
    }
    return 0;
}

static int shrink(struct look *l)
{
    struct tc_hunt_group *g = l->group;
    struct tc_hunt_shrunk shrunk;
    g->shrunk_in = g->all.index;
    g->alone = false;
    l->shrunk_seed = tc_hunt_seed(l->request->seed, g->all.index);
    l->shrunk_index = tc_hunt_index(l->request, g->all.index);
    int status = shrink_tape(l, l->shrunk_seed, l->shrunk_index, l->tape, &shrunk);
    if (status == 0 && !shrunk.fails)
        status =
            tc_error_set(l->err, TC_EINTERNAL, "%s: the decisions of run %" PRIu64 " alone do not repeat its violation",
                         l->dir, g->all.index);
    if (status == 0)
        status = shrink_alone(l, &shrunk);
    if (status == 0)
        status = shrink_others(l, &shrunk);
    if (status == 0) {
        g->choices = l->tape->choice_count;
        g->kept = shrunk.result.kept;
        g->tried = shrunk.result.tried;
        g->minimal = shrunk.result.minimal;
        g->cause = shrunk.cause;
        g->traitors = shrunk.signed_for;
        snprintf(g->first_bad, sizeof g->first_bad, "%s", shrunk.first_bad);
        status = store_shrunk(l, &shrunk);
    }
    free(shrunk.left_out);
    return status;
}

static int look(struct look *l, bool brief)
{
    uint64_t hash;
    const int showed = shows(l, l->group->seed, with_tape, &hash);
    if (showed < 0)
        return showed;
    if (showed == 0)
        return tc_error_set(l->err, TC_EINTERNAL,
                            "run %" PRIu64 " (seed 0x%012" PRIx64 ") was violated, and is not now", l->group->all.index,
                            l->group->seed);
    int status = l->group->stored ? 0 : store_full(l);
    l->group->stored |= status == 0;
    if (status == 0 && !brief)
        status = count_neighbours(l);
    if (status == 0 && !brief)
        status = confirm(l);
    if (status == 0 && !brief)
        status = shrink(l);
    return status == TC_EINTERRUPTED ? 0 : status;
}

int tc_hunt_look(const struct tc_hunt_request *request, struct tc_hunt_result *result, uint32_t at, bool brief,
                 struct tc_error *err)
{
    static struct look l;
    char name[48];
    memset(&l, 0, sizeof l);
    l.request = request;
    l.result = result;
    l.group = &result->groups[at];
    l.strategy = tc_hunt_strategy(request, l.group->all.index);
    l.err = err;
    safe_name(l.group->rule[0] ? l.group->rule : l.group->oracle, name, sizeof name);
    if (!l.group->dir[0])
        snprintf(l.group->dir, sizeof l.group->dir, "found/%u-%s", at + 1, name);
    snprintf(l.dir, sizeof l.dir, "%s/%s", request->dir, l.group->dir);
    const struct tc_trial_setup setup = {.scenario = request->scenario,
                                         .lua_dir = request->run->lua_dir,
                                         .strategy = request->strategies[l.strategy],
                                         .limits = request->limits,
                                         .decisions_max = request->header.decisions_max,
                                         .ed25519 = request->run->ed25519};
    for (int i = 0; i < 2; i++)
        tc_tape_init(&l.tapes[i]);
    l.tape = &l.tapes[0];
    l.spare = &l.tapes[1];
    int status = tc_trial_new(&setup, &l.trial, err);
    if (status == 0)
        status = be_ready(&l, l.group->all.index);
    if (status == 0)
        status = look(&l, brief);
    tc_trial_free(l.trial);
    for (int i = 0; i < 2; i++)
        tc_tape_free(&l.tapes[i]);
    return status;
}
