/* The hunt from the side that listens: begins the workers, adds up what they tell, says when to stop. */
#define _GNU_SOURCE
#include "hunt.h"

#include "../oracles/oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAVE_NS     UINT64_C(1000000000)
#define PROGRESS_NS UINT64_C(250000000)

struct job {
    pid_t pid;
    int orders, records; /* -1: closed */
    bool done;           /* it said so; otherwise its end is an error */
};

struct hunt {
    const struct tc_hunt_request *request;
    struct tc_hunt_result *result;
    struct job jobs[TC_HUNT_JOBS_MAX];
    uint64_t began_ns, limit, saved_ns, shown_ns;
    double seconds_before; /* of the hunt that is resumed */
    bool stopping;
};

static volatile sig_atomic_t interrupted;

static void arrived(int number)
{
    (void)number;
    interrupted = 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool tc_hunt_interrupted(void)
{
    return interrupted != 0;
}

void tc_hunt_begin(const struct tc_hunt_request *request, struct tc_hunt_result *r)
{
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", request->scenario->name);
    snprintf(r->scenario, sizeof r->scenario, "%s", request->header.scenario);
    snprintf(r->protocol, sizeof r->protocol, "%s", request->scenario->cluster.protocol);
    snprintf(r->bug, sizeof r->bug, "%s", request->scenario->cluster.bug);
    snprintf(r->command, sizeof r->command, "%s", request->again);
    r->setting = request->setting;
    r->seed = request->seed;
    r->runs_asked = request->runs;
    r->budget_ns = request->budget_ns;
    r->decisions_max = request->header.decisions_max;
    r->shard = request->shard;
    r->shards = request->shards;
    r->jobs = request->jobs;
    r->strategy_count = request->strategy_count;
    for (uint32_t i = 0; i < request->strategy_count; i++)
        snprintf(r->strategies[i].name, sizeof r->strategies[i].name, "%s",
                 request->strategies[i] ? request->strategies[i]->name : "script");
    for (uint32_t i = 0; i < r->jobs; i++)
        r->next[i] = request->shard + (uint64_t)request->shards * i;
}

/* ---- workers ---- */

static int begin_job(struct hunt *h, uint32_t at, uint64_t deadline_ns, struct tc_error *err)
{
    struct job *job = &h->jobs[at];
    int orders[2] = {-1, -1}, records[2] = {-1, -1};
    if (pipe2(orders, O_CLOEXEC) < 0 || pipe2(records, O_CLOEXEC) < 0)
        goto out_close;
    job->pid = fork();
    if (job->pid < 0)
        goto out_close;
    if (job->pid == 0) {
        /* Held open here, the other workers' orders would never end. */
        for (uint32_t i = 0; i < at; i++) {
            close(h->jobs[i].orders);
            close(h->jobs[i].records);
        }
        close(orders[1]);
        close(records[0]);
        tc_hunt_worker(h->request, h->result->next[at], (uint64_t)h->result->shards * h->result->jobs, deadline_ns,
                       orders[0], records[1]);
    }
    close(orders[0]);
    close(records[1]);
    job->orders = orders[1];
    job->records = records[0];
    return 0;
out_close:
    tc_error_set(err, TC_EIO, "cannot begin a process of the hunt: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        if (orders[i] >= 0)
            close(orders[i]);
        if (records[i] >= 0)
            close(records[i]);
    }
    job->pid = 0;
    return TC_EIO;
}

static void order(struct hunt *h, uint64_t limit)
{
    if (limit >= h->limit)
        return;
    h->limit = limit;
    for (uint32_t i = 0; i < h->result->jobs; i++)
        if (h->jobs[i].orders >= 0 && write(h->jobs[i].orders, &limit, sizeof limit) < 0)
            continue; /* it has ended already */
}

static void stop(struct hunt *h)
{
    h->stopping = true;
    for (uint32_t i = 0; i < h->result->jobs; i++) {
        if (h->jobs[i].orders >= 0)
            close(h->jobs[i].orders);
        h->jobs[i].orders = -1;
    }
}

/* ---- what they tell ---- */

static double seconds(const struct hunt *h)
{
    return h->seconds_before + (double)(now_ns() - h->began_ns) / 1e9;
}

static void add_sums(struct tc_hunt_result *r, const struct tc_hunt_record *record)
{
    for (uint32_t i = 0; i < r->strategy_count; i++) {
        struct tc_hunt_sum *to = &r->strategies[i].sum;
        const struct tc_hunt_sum *from = &record->sums[i];
        to->runs += from->runs;
        to->violated += from->violated;
        to->inconclusive += from->inconclusive;
        to->expected += from->expected;
        to->bitten += from->bitten;
        to->choices += from->choices;
        to->decided += from->decided;
        to->busy_ns += from->busy_ns;
    }
}

/* Stops where the lowest runs that show as many kinds as are wanted end: then jobs that run ahead change nothing. */
static void stop_after(struct hunt *h)
{
    const uint32_t wanted = h->request->stop_after;
    if (wanted == 0 || h->result->group_count < wanted)
        return;
    tc_hunt_sort(h->result);
    order(h, h->result->groups[wanted - 1].all.index + 1);
}

static void found(struct hunt *h, const struct tc_hunt_record *record)
{
    struct tc_hunt_result *r = h->result;
    const uint32_t s = tc_hunt_strategy(h->request, record->index);
    const double at = seconds(h);
    for (size_t i = 0; i < TC_HUNT_ORACLES_MAX && tc_oracle_classes[i]; i++)
        if (record->also[i / 64] >> (i % 64) & 1u) {
            struct tc_hunt_oracle *oracle = tc_hunt_oracle(r, tc_oracle_classes[i]->name);
            if (oracle)
                tc_hunt_count(&oracle->seen, record->index, at);
        }
    struct tc_hunt_group *group = tc_hunt_group(r, record->oracle, record->rule);
    if (!group) {
        r->groups_lost++;
        return;
    }
    if (record->index < group->all.index) {
        snprintf(group->strategy, sizeof group->strategy, "%s", r->strategies[s].name);
        snprintf(group->text, sizeof group->text, "%s", record->text);
        snprintf(group->because, sizeof group->because, "%s", record->because);
        group->seed = tc_hunt_seed(h->request->seed, record->index);
    }
    tc_hunt_count(&group->all, record->index, at);
    tc_hunt_count(&group->by[s], record->index, at);
    if (group->all.runs == 1) {
        struct tc_error ignored = {0};
        tc_hunt_write(h->request->dir, r, &ignored); /* on disk at once; a full disk is said at the end */
    }
    stop_after(h);
}

/* Every worker that came so far tells of a round; all tell the same. */
static void slowest(struct hunt *h, const struct tc_hunt_record *record)
{
    struct tc_hunt_result *r = h->result;
    const struct tc_protocol *protocol = tc_protocol_find(r->protocol);
    for (uint32_t i = 0; protocol && i < record->slowest.worst_count; i++) {
        struct tc_hunt_slow row = {.round = record->round, .times = record->slowest.worst[i].times};
        tc_performance_text(protocol, record->slowest.worst[i].candidate, row.action, sizeof row.action);
        tc_hunt_slow_add(r, &row);
    }
}

static void take(struct hunt *h, uint32_t at, const struct tc_hunt_record *record)
{
    struct tc_hunt_result *r = h->result;
    switch (record->kind) {
    case TC_HUNT_DONE:
    case TC_HUNT_SUMS:
        add_sums(r, record);
        r->next[at] = record->next;
        h->jobs[at].done |= record->kind == TC_HUNT_DONE;
        break;
    case TC_HUNT_FOUND:
        found(h, record);
        break;
    case TC_HUNT_SLOWEST:
        slowest(h, record);
        break;
    case TC_HUNT_FAILED:
        if (!r->error[0])
            snprintf(r->error, sizeof r->error, "run %" PRIu64 " (seed 0x%012" PRIx64 "): %.400s", record->index,
                     tc_hunt_seed(h->request->seed, record->index), record->text);
        stop(h);
        break;
    }
}

static void listen_to(struct hunt *h, uint32_t at)
{
    static struct tc_hunt_record record;
    struct job *job = &h->jobs[at];
    const ssize_t n = read(job->records, &record, sizeof record);
    if (n == (ssize_t)sizeof record) {
        take(h, at, &record);
        return;
    }
    if (n < 0 && errno == EINTR)
        return;
    close(job->records);
    job->records = -1;
    if (!job->done && !h->result->error[0])
        snprintf(h->result->error, sizeof h->result->error,
                 "a process of the hunt ended without a word, near run %" PRIu64, h->result->next[at]);
}

/* ---- the loop ---- */

static void show(struct hunt *h)
{
    const struct tc_hunt_request *request = h->request;
    const struct tc_hunt_sum sum = tc_hunt_total(h->result);
    const double took = seconds(h);
    if (!request->run->terminal || request->run->quiet || now_ns() - h->shown_ns < PROGRESS_NS)
        return;
    h->shown_ns = now_ns();
    printf("\r\033[K%.1f s   %" PRIu64 " runs   %.0f runs/s   %" PRIu64 " faults bitten   %" PRIu64
           " violated runs, %u kind%s",
           took, sum.runs, took > 0 ? (double)sum.runs / took : 0, sum.bitten, sum.violated, h->result->group_count,
           h->result->group_count == 1 ? "" : "s");
    fflush(stdout);
}

static void save(struct hunt *h, bool now)
{
    struct tc_error err = {0};
    if (!now && now_ns() - h->saved_ns < SAVE_NS)
        return;
    h->saved_ns = now_ns();
    h->result->seconds = seconds(h);
    if (tc_hunt_write(h->request->dir, h->result, &err) < 0 && now)
        fprintf(stderr, "turncoat: %s\n", err.text);
}

static void listen(struct hunt *h)
{
    struct pollfd fds[TC_HUNT_JOBS_MAX];
    for (;;) {
        nfds_t open = 0;
        for (uint32_t i = 0; i < h->result->jobs; i++) {
            fds[i] = (struct pollfd){.fd = h->jobs[i].records, .events = POLLIN};
            open += h->jobs[i].records >= 0;
        }
        if (open == 0)
            return;
        if (interrupted && !h->stopping)
            stop(h);
        const int ready = poll(fds, h->result->jobs, 200);
        for (uint32_t i = 0; ready > 0 && i < h->result->jobs; i++)
            if (fds[i].revents)
                listen_to(h, i);
        show(h);
        save(h, false);
    }
}

/* Kinds that came only beyond the run where the hunt stopped depend on how far each job was: they are not kept. */
static void forget_beyond(struct hunt *h)
{
    struct tc_hunt_result *r = h->result;
    tc_hunt_sort(r);
    while (r->group_count > 0 && r->groups[r->group_count - 1].all.index >= h->limit)
        r->group_count--;
}

static int begin_jobs(struct hunt *h, struct tc_error *err)
{
    const uint64_t spent_ns = (uint64_t)(h->seconds_before * 1e9), budget_ns = h->request->budget_ns;
    const uint64_t left_ns = budget_ns > spent_ns ? budget_ns - spent_ns : 0;
    int status = 0;
    fflush(stdout); /* or each child would have what is buffered */
    for (uint32_t i = 0; status == 0 && i < h->result->jobs; i++)
        status = begin_job(h, i, budget_ns ? h->began_ns + left_ns : UINT64_MAX, err);
    return status;
}

static void end_jobs(struct hunt *h)
{
    stop(h);
    for (uint32_t i = 0; i < h->result->jobs; i++)
        if (h->jobs[i].pid > 0)
            while (waitpid(h->jobs[i].pid, NULL, 0) < 0 && errno == EINTR)
                continue;
}

/* The rest of the work is done here, one kind after the other: what is first found first. Interrupted, each is still
 * written down as it was found. */
static int look_at_all(struct hunt *h, struct tc_error *err)
{
    int status = 0;
    for (uint32_t i = 0; status == 0 && i < h->result->group_count; i++) {
        if (h->result->groups[i].stored && (interrupted || h->result->groups[i].cause != TC_HUNT_UNKNOWN))
            continue;
        status = tc_hunt_look(h->request, h->result, i, interrupted != 0, err);
        save(h, true);
    }
    return status;
}

int tc_hunt(const struct tc_hunt_request *request, struct tc_hunt_result *result, struct tc_error *err)
{
    static struct hunt hunt;
    struct sigaction old_interrupt, old_terminate, old_pipe;
    const struct sigaction action = {.sa_handler = arrived}, ignore = {.sa_handler = SIG_IGN};
    hunt = (struct hunt){.request = request, .result = result, .limit = UINT64_MAX, .seconds_before = result->seconds};
    for (uint32_t i = 0; i < TC_HUNT_JOBS_MAX; i++)
        hunt.jobs[i].orders = hunt.jobs[i].records = -1;
    interrupted = 0;
    hunt.began_ns = hunt.saved_ns = now_ns();
    sigaction(SIGINT, &action, &old_interrupt);
    sigaction(SIGTERM, &action, &old_terminate);
    sigaction(SIGPIPE, &ignore, &old_pipe);
    int status = begin_jobs(&hunt, err);
    if (status == 0)
        listen(&hunt);
    end_jobs(&hunt);
    result->seconds = seconds(&hunt);
    forget_beyond(&hunt);
    if (request->run->terminal && !request->run->quiet)
        printf("\r\033[K");
    if (status == 0 && !request->find_only)
        status = look_at_all(&hunt, err);
    result->interrupted = interrupted != 0;
    result->complete = !result->interrupted && !result->error[0] && status == 0;
    hunt.seconds_before = result->seconds;
    hunt.began_ns = now_ns();
    save(&hunt, true);
    sigaction(SIGINT, &old_interrupt, NULL);
    sigaction(SIGTERM, &old_terminate, NULL);
    sigaction(SIGPIPE, &old_pipe, NULL);
    return status;
}
