/* One run from scenario to verdict. Opening is in the order of the data's way; closing is the reverse. */
#define _GNU_SOURCE
#include "run_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_NS UINT64_C(10000000000)
#define START_LINKS_NS   UINT64_C(20000000000) /* of encrypted links: whom nobody answered dials again after seconds */
#define BUCKET_NS        UINT64_C(100000000)
#define HUNG_GRACE_S     5 /* in which a halted script must end its step */

/* The file in which the cluster stands. */
static const char *cluster_path(const struct tc_run *run)
{
    return run->scenario->cluster.path[0] ? run->scenario->cluster.path : run->scenario->path;
}

/* An `rpc` that nobody would ask is a mistake, not a wish that is passed over. */
static int check_rpc(const struct tc_run *run, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    for (uint32_t i = 0; i < spec->cluster.n && !run->driver->rpc; i++)
        if (spec->nodes[i].rpc[0])
            return tc_error_set(err, TC_EUSAGE, "%s:%u: rpc of replica %u: nodes of %s answer no questions",
                                cluster_path(run), spec->nodes[i].rpc_line, i, run->protocol->name);
    return 0;
}

static int open_protocol(struct tc_run *run, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    run->protocol = tc_protocol_find(spec->protocol);
    if (!run->protocol)
        return tc_error_set(err, TC_EUSAGE, "no protocol '%s'; 'turncoat list protocols' names them", spec->protocol);
    run->driver = tc_driver_of(run->protocol);
    const int rc = check_rpc(run, err);
    if (rc < 0)
        return rc;
    run->cluster = spec->cluster;
    for (uint32_t i = 0; i < spec->cluster.n; i++)
        if (spec->nodes[i].log[0])
            tc_run_beside(spec->path, spec->nodes[i].log, run->logs[i]);
    run->cluster.client_count = run->scenario->load.clients;
    tc_cluster_defaults(&run->cluster);
    const bool hashed = run->request->simulated && !run->request->ed25519;
    run->keys = tc_keyring_new(hashed ? TC_SCHEME_KEYED_HASH : TC_SCHEME_ED25519);
    if (!run->keys)
        return tc_error_set(err, TC_EMEMORY, "no memory for keys");
    run->env = (struct tc_protocol_env){.cluster = &run->cluster, .keys = run->keys};
    return 0;
}

static int open_cluster(struct tc_run *run, struct tc_error *err)
{
    const struct tc_run_request *request = run->request;
    if (request->simulated)
        return tc_run_sim_keys(run, err);
    if (request->check) {
        int opened = tc_run_check_open(run, err);
        return opened == 0 ? tc_run_keys(run, err) : opened;
    }
    int result = tc_run_listeners(run, err);
    if (result == 0 && run->scenario->cluster.start) {
        result = tc_launch_prepare(run->scenario, request->program, run->dir, request->seed, &run->launch, err);
    }
    return result == 0 ? tc_run_keys(run, err) : result;
}

static int open_engine(struct tc_run *run, struct tc_error *err)
{
    struct tc_engine_config config = {
        .protocol = run->protocol,
        .env = run->env,
        /* A trace of encrypted links is in plaintext: judging it needs no keys. */
        .transport = {run->request->check ? NULL : run->protocol->transport, run, tc_run_peers_configure},
        .show_plain = run->request->capture && !run->request->simulated,
        .handler = run->handler,
        .ledger = &run->ledger,
        .seed = run->request->seed,
        .observe = !run->request->pass_through,
        .broadcasts = run->request->simulated,
        .nodes_untold = !run->scenario->cluster.start && !run->request->simulated && !run->request->check,
        .verify_all = run->request->verify_all,
    };
    run->engine = tc_engine_new(&config);
    return run->engine ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for the engine");
}

static enum tc_status expected_status(const char *word)
{
    if (strcmp(word, "violated") == 0)
        return TC_VIOLATED;
    return strcmp(word, "expected") == 0 ? TC_EXPECTED : TC_HOLDS;
}

static int open_judges(struct tc_run *run, struct tc_error *err)
{
    const struct tc_scenario *scenario = run->scenario;
    const uint32_t telling = tc_run_telling(run);
    struct tc_judge_config config = {
        .protocol = run->protocol,
        .env = run->env,
        .recovery_bound_ns = scenario->recovery_bound_ns,
        .has_executions = telling > 0,
        .executions_partial = telling < run->cluster.n,
        .complaints_unread = !tc_run_tells_complaints(run),
        .has_client_history = scenario->cluster.start,
        .has_messages = true,
        .links_complete = true,
        .had_attack = run->handler != NULL,
        .expect = expected_status(scenario->expect_verdict),
        .expect_evidence = scenario->expect_evidence == TC_EXPECT_YES,
    };
    if (run->checking)
        tc_run_check_judge(run, &config);
    run->metrics = tc_metrics_new(run->protocol, &run->env, BUCKET_NS);
    if (run->request->judge)
        run->judge = tc_judge_new(&config);
    if (!run->metrics || (run->request->judge && !run->judge))
        return tc_error_set(err, TC_EMEMORY, "no memory for the oracles");
    /* A threshold on a metric that does not exist is a mistake of the scenario: said now, not after the run. */
    for (uint32_t i = 0; i < scenario->threshold_count; i++) {
        bool met;
        double value;
        if (tc_metrics_threshold(run->metrics, scenario->thresholds[i].metric, scenario->thresholds[i].condition, &met,
                                 &value, err) < 0)
            return tc_error_wrap(err, "%s:%u: thresholds", scenario->path, scenario->thresholds[i].line);
    }
    return 0;
}

/* The step holds everything, and did not even let itself be halted: say it, and leave with what is on disk. */
static void give_up(int number)
{
    (void)number;
    static const char text[] = "\nturncoat: one step of the engine does not end; giving up\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(70);
}

/* The step that hung is in another thread. A script is halted: that ends the step with a script error, and the run as
 * any other. */
static void hung(void *self)
{
    struct tc_run *run = self;
    signal(SIGALRM, give_up);
    alarm(HUNG_GRACE_S);
    if (run->script)
        tc_script_halt(run->script);
}

/* Captures are stamped by the clock on the wall: the record says how the run's own goes beside it. */
static void note_wall(const struct tc_run *run)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    tc_recorder_wall(run->recorder, tc_live_now_ns(run->live),
                     (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec);
}

/* Without a phase before the attack a simulated run is attacked from its first message on; so is its replay here. */
static bool replays_at_once(const struct tc_run *run)
{
    return run->request->replay && run->scenario->phase_ns[TC_RUN_BEFORE] == 0;
}

static void set_log(const struct tc_run *run, uint32_t node, struct tc_live_config *config)
{
    static char where[TC_REPLICAS_MAX][TC_PATH_MAX + 16];
    snprintf(where[node], sizeof where[node], "%s:%u: ", cluster_path(run),
             run->scenario->cluster.nodes[node].log_line);
    config->log_paths[node] = run->logs[node];
    config->log_where[node] = where[node];
}

/* Where votes are always due, every replica whose votes can be told is heard before the phases begin: nodes that others
 * started come back to their links only after seconds. */
static uint32_t voters_awaited(const struct tc_run *run)
{
    uint32_t count = 0;
    if (run->request->pass_through || !run->protocol->decides_always)
        return 0;
    for (uint16_t node = 0; node < run->cluster.n; node++)
        count += tc_keyring_public(run->keys, node) != NULL;
    return count;
}

static uint64_t start_timeout_ns(const struct tc_run *run)
{
    if (run->request->start_timeout_ns)
        return run->request->start_timeout_ns;
    return run->protocol->transport && !run->scenario->cluster.start ? START_LINKS_NS : START_TIMEOUT_NS;
}

static int open_live(struct tc_run *run, struct tc_error *err)
{
    static char capture_path[600], log_dir[600];
    const struct tc_run_request *request = run->request;
    snprintf(capture_path, sizeof capture_path, "%s/trace.pcap", run->dir);
    snprintf(log_dir, sizeof log_dir, "%s/logs", run->dir);
    struct tc_live_config config = {
        .engine = run->engine,
        .sink = tc_run_sink(run),
        .listeners = run->listeners,
        .listener_count = run->listener_count,
        .node_address = tc_run_node_address,
        .node_self = run,
        .keeper = run->keeper,
        .capture_path = request->capture ? capture_path : NULL,
        .capture_plain = run->protocol->transport != NULL,
        .dial_from_link = run->protocol->transport != NULL,
        .plan = {.start_timeout_ns = start_timeout_ns(run),
                 .wait_first_decision = !request->interrupt_ends && !replays_at_once(run),
                 .wait_voters = voters_awaited(run),
                 .linked = run->links && !run->scenario->cluster.start ? tc_run_links_known : NULL,
                 .linked_self = run,
                 .every_node = !request->interrupt_ends && !run->scenario->cluster.start},
        .reload = tc_run_reload,
        .reload_self = run,
        .parse_line = run->driver->parse_line,
        .feed = tc_run_feed(run),
        .log_dir = log_dir,
        .protocol = request->verify_all ? run->protocol : NULL,
        .protocol_env = &run->env,
        .hung = run->handler ? hung : NULL, /* nothing else can hang, and a process without threads is faster */
        .hung_self = run,
    };
    memcpy(config.plan.phase_ns, run->scenario->phase_ns, sizeof config.plan.phase_ns);
    for (uint32_t i = 0; i < run->cluster.n; i++)
        if (run->logs[i][0])
            set_log(run, i, &config);
    int result = tc_live_open(&config, &run->live, err);
    if (result == 0)
        note_wall(run);
    if (result == 0 && run->launch)
        result = tc_launch_start(run->launch, run->keeper, tc_run_dialled, run, err);
    struct tc_error describing = {0};
    if (result == 0 && tc_run_describe_cluster(run, &describing) < 0)
        fprintf(stderr, "turncoat: %s\n", describing.text);
    return result;
}

/* A replay is told apart from the runs of its scenario, whose `latest` it does not take. */
static const char *directory_name(const struct tc_run *run, char buffer[static TC_NAME_MAX + 16])
{
    snprintf(buffer, TC_NAME_MAX + 16, "%s%s", run->request->replay ? "replay-" : "", run->scenario->name);
    return buffer;
}

static int run_open(struct tc_run *run, struct tc_error *err)
{
    char name[TC_NAME_MAX + 16];
    const struct tc_run_request *request = run->request;
    int result = open_protocol(run, err);
    /* The keeper forks, so it comes before anything that makes a thread. */
    if (result == 0 && run->scenario->cluster.start && !request->simulated)
        result = tc_keeper_start(&run->keeper, err);
    if (result == 0)
        result = request->dir ? tc_recorder_open_at(request->dir, run->dir, &run->recorder, err)
                              : tc_recorder_open(request->out_dir, directory_name(run, name), request->seed, run->dir,
                                                 &run->recorder, err);
    if (result == 0)
        result = open_cluster(run, err);
    if (result == 0)
        result = tc_run_peers_open(run, err);
    if (result == 0)
        result = tc_run_links_open(run, err);
    if (result == 0)
        result = tc_run_attack_open(run, err);
    if (result == 0)
        result = tc_run_decisions_begin(run, err);
    if (result == 0)
        result = open_engine(run, err);
    if (result == 0)
        result = open_judges(run, err);
    if (result == 0 && request->check) {
        tc_run_check_show(run);
    } else if (result == 0) {
        tc_run_show_head(run);
        result = request->simulated ? tc_run_sim_open(run, err) : open_live(run, err);
    }
    return result;
}

static void run_close(struct tc_run *run)
{
    tc_live_free(run->live);
    tc_sim_free(run->sim);
    tc_run_check_close(run);
    tc_keeper_stop(run->keeper);
    tc_launch_free(run->launch);
    tc_engine_free(run->engine);
    tc_run_peers_close(run);
    tc_run_links_close(run);
    tc_run_attack_close(run);
    tc_judge_free(run->judge);
    tc_metrics_free(run->metrics);
    tc_recorder_free(run->recorder);
    tc_keyring_free(run->keys);
    free(run->listeners);
}

/* A full disk takes the capture, not the verdict. */
static bool only_capture_failed(const struct tc_run *run)
{
    struct tc_live_stats stats = {0};
    if (run->live)
        tc_live_stats(run->live, &stats);
    return stats.only_capture_failed;
}

int tc_run(const struct tc_run_request *request, struct tc_run_result *result, struct tc_error *err)
{
    static struct tc_run run; /* large; one run at a time */
    memset(&run, 0, sizeof run);
    memset(result, 0, sizeof *result);
    run.request = request;
    run.scenario = request->scenario;
    run.phase_begin_ns = TC_NEVER_NS;
    run.phase = TC_RUN_ENDED;
    int outcome = run_open(&run, err);
    if (outcome == 0) {
        int ended = run.checking ? tc_run_check_world(&run, err)
                    : run.sim    ? tc_run_sim(&run, err)
                                 : tc_live_run(run.live, err);
        alarm(0); /* the step that hung has ended */
        tc_run_show_end(&run);
        if (ended == TC_EINTERRUPTED && request->interrupt_ends)
            ended = 0;
        if (ended < 0)
            fprintf(stderr, "turncoat: %s\n", err->text);
        if (ended < 0 && request->judge && only_capture_failed(&run))
            ended = 0;
        /* Nodes end before the judges do, so that nothing they still say is lost in a pipe. */
        tc_keeper_stop(run.keeper);
        run.keeper = NULL;
        snprintf(result->dir, sizeof result->dir, "%s", run.dir);
        if (request->judge)
            tc_run_report(&run, ended, err, result);
        else
            result->exit_code = tc_error_exit(ended);
        result->end = run.end;
        result->replay_wanted = run.replay ? tc_replay_wanted(run.replay) : 0;
        result->replay_matched = run.replay ? tc_replay_matched(run.replay) : 0;
    }
    /* A mistake in a file was said, and there was no run: its directory would hold nothing. */
    if (outcome < 0 && tc_error_exit(outcome) == 64)
        tc_recorder_discard(run.recorder);
    run_close(&run);
    return outcome;
}

int tc_run_dry(const struct tc_run_request *request, struct tc_error *err)
{
    static struct tc_run run;
    memset(&run, 0, sizeof run);
    run.request = request;
    run.scenario = request->scenario;
    int result = open_protocol(&run, err);
    if (result == 0)
        result = tc_run_listeners(&run, err);
    if (result == 0 && !request->scenario->cluster.start)
        result = tc_run_peers_open(&run, err);
    if (result == 0)
        printf("from → to   tell the dialler to use   forwards to\n");
    for (size_t i = 0; result == 0 && i < run.listener_count; i++) {
        const struct tc_live_listener *listener = &run.listeners[i];
        const int host = (int)strcspn(listener->address, ":");
        char from[8] = "any", to[8];
        if (listener->from != TC_NODE_NONE)
            snprintf(from, sizeof from, "%u", listener->from);
        else if (request->scenario->cluster.listen_mode == TC_LISTEN_PER_LINK)
            snprintf(from, sizeof from, "client");
        snprintf(to, sizeof to, "%u", listener->to);
        if (request->scenario->cluster.start) /* ports are taken when the run begins */
            printf("%6s → %-3s %.*s:%-*s a free port, given to replica %u\n", from, to, host, listener->address,
                   24 - host, "FREE", listener->to);
        else
            printf("%6s → %-3s %-25s %s\n", from, to, listener->address, tc_run_node_address(&run, listener->to));
    }
    for (uint16_t node = 0; result == 0 && run.peer_keys && node < run.cluster.n; node++) {
        char id[41];
        tc_run_peers_id(&run, node, id);
        printf("%s   peers know replica %u by the id %s\n", node == 0 ? "encrypted" : "         ", node, id);
    }
    if (result == 0 && request->scenario->cluster.start)
        printf("The run starts this cluster itself: each FREE is a port that it finds then and tells the dialler.\n");
    tc_run_peers_close(&run);
    tc_keyring_free(run.keys);
    free(run.listeners);
    return result;
}
