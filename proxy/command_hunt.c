/* turncoat hunt: from the command line to a hunt, and its directory. */
#define _GNU_SOURCE
#include "command.h"
#include "hunt.h"
#include "random.h"

#include "../reference/replica.h"
#include "../reports/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUDGET_DEFAULT_NS UINT64_C(60000000000)
#define DECISIONS_DEFAULT 10
#define SHARDS_MAX        100000

/* A hunt is many simulated runs of one cluster. */
static int check_huntable(const struct tc_scenario *scenario, struct tc_error *err)
{
    const char *protocol = scenario->cluster.protocol;
    if (scenario->sweep.protocol_count > 0)
        return tc_error_set(
            err, TC_EUSAGE,
            "%s counts what a decision costs in clusters of many sizes (its sweep): there is nothing to "
            "hunt in it; 'turncoat run %s --world sim' counts",
            scenario->name, scenario->name);
    if (!tc_replica_find(protocol))
        return tc_error_set(err, TC_EUSAGE,
                            "%s: a hunt is simulated, and %s has no reference replica to simulate; 'turncoat run' "
                            "attacks a real cluster of it",
                            scenario->name, protocol);
    if (!scenario->cluster.start)
        return tc_error_set(err, TC_EUSAGE, "%s: a hunt is simulated, and this scenario's cluster is a running one",
                            scenario->name);
    return 0;
}

static int read_shard(const struct tc_arguments *a, struct tc_hunt_request *request, struct tc_error *err)
{
    const char *text = a->values[TC_OPTION_SHARD];
    unsigned shard = 0, shards = 1;
    int end = 0; /* six digits are enough for every number that is allowed */
    if (text && (sscanf(text, "%6u/%6u%n", &shard, &shards, &end) != 2 || text[end] || shards < 1 ||
                 shards > SHARDS_MAX || shard >= shards))
        return tc_error_set(err, TC_EUSAGE, "--shard expects I/N with I from 0 to N-1, found '%s'", text);
    request->shard = shard;
    request->shards = shards;
    return 0;
}

static int read_strategies(const struct tc_arguments *a, struct tc_hunt_request *request, struct tc_error *err)
{
    const char *name = a->values[TC_OPTION_STRATEGY];
    const bool has_attack = request->scenario->attack[0] != 0;
    if (!name)
        name = has_attack ? "script" : "all";
    if (strcmp(name, "script") == 0) {
        request->strategy_count = 1;
        return has_attack ? 0
                          : tc_error_set(err, TC_EUSAGE, "--strategy script: scenario %s has no attack",
                                         request->scenario->name);
    }
    for (size_t i = 0; tc_adversaries[i]; i++)
        if ((strcmp(name, "all") == 0 || strcmp(name, tc_adversaries[i]->name) == 0) &&
            request->strategy_count < TC_HUNT_STRATEGIES_MAX)
            request->strategies[request->strategy_count++] = tc_adversaries[i];
    if (request->strategy_count > 0)
        return 0;
    char known[512] = "";
    for (size_t i = 0, used = 0; tc_adversaries[i] && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s, ", tc_adversaries[i]->name);
    return tc_error_set(err, TC_EUSAGE, "no strategy '%s'; there are %sscript and all", name, known);
}

static int read_limits(const struct tc_arguments *a, struct tc_hunt_request *request, struct tc_error *err)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    /* The scenario's own attack waits for the phases, which an end after so many decisions would cut off. */
    const bool script = request->strategy_count == 1 && !request->strategies[0];
    uint64_t jobs, stop_after;
    int status = tc_arguments_u64(a, TC_OPTION_RUNS, 0, &request->runs, err);
    if (status == 0)
        status =
            tc_arguments_time_ns(a, TC_OPTION_BUDGET, request->runs ? 0 : BUDGET_DEFAULT_NS, &request->budget_ns, err);
    if (status == 0)
        status = tc_arguments_u64(a, TC_OPTION_JOBS, processors > 0 ? (uint64_t)processors : 1, &jobs, err);
    if (status == 0)
        status = tc_arguments_u64(a, TC_OPTION_STOP_AFTER, 1, &stop_after, err);
    if (status == 0)
        status = tc_arguments_u64(a, TC_OPTION_DECISIONS, script ? 0 : DECISIONS_DEFAULT,
                                  &request->header.decisions_max, err);
    if (status < 0)
        return status;
    if (jobs < 1 || jobs > TC_HUNT_JOBS_MAX)
        return tc_error_set(err, TC_EUSAGE, "--jobs expects 1 to %d", TC_HUNT_JOBS_MAX);
    if (stop_after < 1 || stop_after > TC_HUNT_GROUPS_MAX)
        return tc_error_set(err, TC_EUSAGE, "--stop-after expects 1 to %d; --keep-going never stops",
                            TC_HUNT_GROUPS_MAX);
    if (tc_arguments_has(a, TC_OPTION_RUNS) && request->runs == 0)
        return tc_error_set(err, TC_EUSAGE, "--runs expects at least 1");
    if (tc_arguments_has(a, TC_OPTION_BUDGET) && request->budget_ns == 0)
        return tc_error_set(err, TC_EUSAGE, "--budget expects more than no time at all");
    request->jobs = (uint32_t)jobs;
    request->find_only = tc_arguments_has(a, TC_OPTION_FIND_ONLY);
    request->stop_after = tc_arguments_has(a, TC_OPTION_KEEP_GOING) ? 0 : (uint32_t)stop_after;
    return 0;
}

/* The line that hunts the same again: every run's seed follows from the hunt's. */
static void read_again(const struct tc_arguments *a, const struct tc_run_request *run, struct tc_hunt_request *request)
{
    static const enum tc_option_id own[] = {TC_OPTION_STRATEGY,  TC_OPTION_RUNS,      TC_OPTION_BUDGET,
                                            TC_OPTION_SHARD,     TC_OPTION_DECISIONS, TC_OPTION_STOP_AFTER,
                                            TC_OPTION_KEEP_GOING};
    char seed[24], *line = request->again;
    tc_shell_line(line, sizeof request->again, "hunt", run->named);
    const size_t used = strlen(line);
    if (*run->repeat_with) /* quoted already */
        snprintf(line + used, sizeof request->again - used, " %s", run->repeat_with);
    snprintf(seed, sizeof seed, "0x%" PRIx64, request->seed);
    tc_shell_option(line, sizeof request->again, "seed", seed);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (tc_arguments_has(a, own[i]))
            tc_shell_option(line, sizeof request->again, tc_options[own[i]].name,
                            tc_options[own[i]].argument ? a->values[own[i]] : NULL);
}

/* ---- the directory: OUT/hunt-NAME/TIME-SEED, or …-shard-I-of-N; `latest` (or `latest-shard-…`) leads to it ---- */

struct place {
    char parent[512], link[600], dir[640];
};

static int place_of(const struct tc_arguments *a, const struct tc_hunt_request *request, struct place *out,
                    struct tc_error *err)
{
    char name[TC_NAME_MAX], shard[48] = "";
    size_t len = 0;
    const char *from = request->scenario->name;
    for (; from[len] && len + 1 < sizeof name; len++) {
        const char c = from[len];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        name[len] = plain ? c : '-';
    }
    name[len] = 0;
    if (request->shards > 1)
        snprintf(shard, sizeof shard, "-shard-%u-of-%u", request->shard, request->shards);
    /* A scenario of the library that begins with hunt- need not say so twice. */
    const char *prefix = strncmp(name, "hunt-", 5) == 0 ? "" : "hunt-";
    if ((size_t)snprintf(out->parent, sizeof out->parent, "%s/%s%s", tc_arguments_text(a, TC_OPTION_OUT, "out"), prefix,
                         name) >= sizeof out->parent)
        return tc_error_set(err, TC_EUSAGE, "--out: the path is too long");
    snprintf(out->link, sizeof out->link, "%s/latest%s", out->parent, shard);
    snprintf(out->dir, sizeof out->dir, "%s", shard);
    return 0;
}

static int make_dir(struct place *place, uint64_t seed, struct tc_error *err)
{
    char shard[48], stamp[32], fresh[700];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(shard, sizeof shard, "%.47s", place->dir);
    int status = tc_out_path(place->parent, err);
    for (int attempt = 1; status == 0; attempt++) {
        char suffix[16] = "";
        if (attempt > 1)
            snprintf(suffix, sizeof suffix, "-%d", attempt);
        snprintf(place->dir, sizeof place->dir, "%s/%s-%08" PRIx64 "%s%s", place->parent, stamp, seed, shard, suffix);
        if (mkdir(place->dir, 0755) == 0)
            break;
        if (errno != EEXIST || attempt == 1000)
            status = tc_out_refused(place->dir, errno, err);
    }
    if (status < 0)
        return status;
    snprintf(fresh, sizeof fresh, "%s.%ld", place->link, (long)getpid());
    unlink(fresh);
    if (symlink(place->dir + strlen(place->parent) + 1, fresh) < 0 || rename(fresh, place->link) < 0)
        status = tc_error_set(err, TC_EIO, "%s: %s", place->link, strerror(errno));
    return status;
}

/* All that the runs go by, beside what the result names by itself. Where the library lies may differ from machine to
 * machine; what of it is used is in the content. */
static int read_setting(const char *lua_dir, struct tc_hunt_request *request, struct tc_error *err)
{
    static const char library[] = "lua-dir=";
    const struct tc_decisions_header *header = &request->header;
    uint64_t h;
    const int status = tc_run_content(request->scenario, lua_dir, &h, err);
    if (status < 0)
        return status;
    h = tc_random_mix(tc_random_mix_text(h, TC_VERSION), request->run->ed25519);
    for (uint32_t i = 0; i < header->option_count; i++)
        if (strncmp(header->options[i], library, sizeof library - 1) != 0)
            h = tc_random_mix_text(h, header->options[i]);
    request->setting = h;
    return 0;
}

/* What was begun goes on with what it was begun with: only its length may change. */
static int resume(const struct tc_arguments *a, const struct place *place, struct tc_hunt_request *request,
                  struct tc_hunt_result *result, struct tc_error *err)
{
    static struct tc_hunt_result fresh;
    int status = tc_hunt_read(place->link, result, err);
    if (status < 0)
        return tc_error_wrap(err, "--resume");
    if (tc_arguments_has(a, TC_OPTION_SEED) && request->seed != result->seed)
        return tc_error_set(err, TC_EUSAGE, "--resume: %s was begun with seed 0x%" PRIx64 ", found --seed 0x%" PRIx64,
                            place->link, result->seed, request->seed);
    request->seed = request->greedy->seed = result->seed;
    tc_hunt_begin(request, &fresh);
    const bool same = strcmp(fresh.name, result->name) == 0 && strcmp(fresh.bug, result->bug) == 0 &&
                      fresh.shard == result->shard && fresh.shards == result->shards &&
                      fresh.decisions_max == result->decisions_max && fresh.strategy_count == result->strategy_count;
    for (uint32_t i = 0; same && i < result->strategy_count; i++)
        if (strcmp(fresh.strategies[i].name, result->strategies[i].name) != 0)
            return tc_error_set(err, TC_EUSAGE, "--resume: %s was begun with other strategies", place->link);
    if (!same)
        return tc_error_set(err, TC_EUSAGE,
                            "--resume: %s was begun with another scenario, bug, shard or number of decisions",
                            place->link);
    if (fresh.setting != result->setting)
        return tc_error_set(err, TC_EUSAGE,
                            "--resume: %s was begun with other options, by another version, or with a scenario or "
                            "attack that was changed since; it was: %s",
                            place->link, result->command);
    request->jobs = result->jobs; /* each job goes on where it was */
    result->interrupted = false;
    result->error[0] = 0;
    return 0;
}

/* ---- */

static void show_head(const struct tc_hunt_request *request, const struct tc_hunt_result *result)
{
    const struct tc_cluster *cluster = &request->scenario->cluster.cluster;
    if (request->run->quiet)
        return;
    printf("hunt      %s: %s, %u replicas (f=%u), %u client%s%s%s · simulated\n", result->name, result->protocol,
           cluster->n, cluster->f, request->scenario->load.clients, request->scenario->load.clients == 1 ? "" : "s",
           *result->bug ? " · seeded bug " : "", result->bug);
    printf("strategy ");
    for (uint32_t i = 0; i < result->strategy_count; i++)
        printf("%s %s", i ? "," : "", result->strategies[i].name);
    printf(" · %u job%s", result->jobs, result->jobs == 1 ? "" : "s");
    if (result->shards > 1)
        printf(" · shard %u of %u", result->shard, result->shards);
    printf("\nseed      0x%08" PRIx64 "\n", result->seed);
    fflush(stdout);
}

static int report(const struct tc_arguments *a, const struct tc_hunt_request *request,
                  const struct tc_hunt_result *result, struct tc_error *err)
{
    int status = tc_hunt_report(request->dir, result, err);
    char *text = tc_hunt_terminal(result, request->dir, request->run->color);
    fputs(text ? text : "", stdout);
    free(text);
    const char *junit = a->values[TC_OPTION_JUNIT];
    char from[700];
    snprintf(from, sizeof from, "%s/junit.xml", request->dir);
    if (status == 0 && junit)
        status = tc_hunt_copy(from, junit, err);
    return status;
}

int tc_command_hunt(const struct tc_arguments *a, struct tc_error *err)
{
    static struct tc_scenario scenario;
    static struct tc_run_request run;
    static struct tc_hunt_request request;
    static struct tc_hunt_result result;
    static struct tc_greedy greedy;
    static struct place place;
    if (a->operand_count != 1)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat hunt' needs one scenario: a file, or a name of 'turncoat list scenarios'");
    const char *lua_dir = tc_command_lua_dir(a);
    int status = tc_scenario_load(lua_dir, a->operands[0], &scenario, err);
    if (status == 0)
        status = tc_command_apply(a, lua_dir, &scenario, err);
    if (status == 0)
        status = check_huntable(&scenario, err);
    if (status == 0)
        status = tc_command_request(a, &scenario, &run, err);
    if (status < 0)
        return status;
    run.ed25519 = strcmp(tc_arguments_text(a, TC_OPTION_SIGNATURES, ""), "ed25519") == 0;
    request.scenario = &scenario;
    request.run = &run;
    request.seed = run.seed;
    request.greedy = &greedy;
    greedy.seed = run.seed;
    tc_command_header(a, a->operands[0], &request.header);
    if ((status = read_setting(lua_dir, &request, err)) < 0 || (status = read_shard(a, &request, err)) < 0 ||
        (status = read_strategies(a, &request, err)) < 0 || (status = read_limits(a, &request, err)) < 0 ||
        (status = place_of(a, &request, &place, err)) < 0)
        return status;
    if (tc_arguments_has(a, TC_OPTION_RESUME)) {
        status = resume(a, &place, &request, &result, err);
        snprintf(place.dir, sizeof place.dir, "%s", place.link);
    } else {
        status = make_dir(&place, request.seed, err);
        tc_hunt_begin(&request, &result);
    }
    if (status < 0)
        return status;
    read_again(a, &run, &request);
    snprintf(result.command, sizeof result.command, "%s", request.again);
    request.dir = place.dir;
    show_head(&request, &result);
    status = tc_hunt(&request, &result, err);
    if (status == 0)
        status = report(a, &request, &result, err);
    return status < 0 ? status : tc_hunt_exit_code(&result);
}
