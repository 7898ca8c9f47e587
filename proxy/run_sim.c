/* The simulation's part of a run: what the scenario says, as the simulated world takes it. */
#define _GNU_SOURCE
#include "../reference/bugs.h"
#include "run_internal.h"
#include "trial.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void arrived(int number)
{
    (void)number;
    interrupted = 1;
}

static bool ask(void *self)
{
    (void)self;
    return interrupted != 0;
}

int tc_run_sim_keys(struct tc_run *run, struct tc_error *err)
{
    if (!run->scenario->cluster.start)
        return tc_error_set(err, TC_EUSAGE,
                            "--world sim simulates the replicas itself: it cannot use a cluster that runs already");
    const int status = tc_sim_keys(run->keys, &run->cluster, run->request->seed);
    return status ? tc_error_set(err, status, "cannot derive the keys of %u replicas and %u clients", run->cluster.n,
                                 run->cluster.client_count)
                  : 0;
}

int tc_run_sim_open(struct tc_run *run, struct tc_error *err)
{
    struct tc_sim_config config;
    tc_trial_world(run->scenario, &config);
    config.engine = run->engine;
    config.sink = tc_run_sink(run);
    config.protocol = run->protocol;
    config.env = run->env;
    config.seed = run->request->seed;
    config.bugs = tc_bug_bit_of(run->scenario->cluster.bug);
    config.load.clients = run->cluster.client_count;
    config.interrupted = ask;
    if (run->request->header && run->request->header->decisions_max)
        config.decisions_max = run->request->header->decisions_max;
    return tc_sim_open(&config, &run->sim, err);
}

int tc_run_sim(struct tc_run *run, struct tc_error *err)
{
    struct sigaction old_interrupt, old_terminate;
    const struct sigaction action = {.sa_handler = arrived};
    interrupted = 0;
    sigaction(SIGINT, &action, &old_interrupt);
    sigaction(SIGTERM, &action, &old_terminate);
    const int status = tc_sim_run(run->sim, err);
    sigaction(SIGINT, &old_interrupt, NULL);
    sigaction(SIGTERM, &old_terminate, NULL);
    return status;
}

uint64_t tc_run_now_ns(const struct tc_run *run)
{
    if (run->checking)
        return tc_run_check_now_ns(run);
    return run->sim ? tc_sim_now_ns(run->sim) : tc_live_now_ns(run->live);
}
