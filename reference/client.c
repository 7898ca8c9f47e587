#define _GNU_SOURCE
#include "client.h"

#include "../proxy/nodeset.h"
#include "../proxy/random.h"
#include "client_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_NS     UINT64_C(300000000)
#define TIMEOUT_MAX_NS UINT64_C(2000000000)
#define LAST_WAIT_NS   UINT64_C(500000000) /* after SIGTERM, for what is outstanding */
#define OUT_MAX        ((size_t)16 << 20)
#define PATH_SIZE      512
#define INCARNATION    (UINT64_C(1) << 32) /* timestamps that each start of the process reserves */

void tc_load_fail(struct tc_load_run *run, int code)
{
    if (run->code == 0)
        run->code = code;
    tc_loop_stop(run->loop);
}

bool tc_load_may_start(struct tc_load_run *run)
{
    uint64_t max = run->options->operations_max;
    if (run->stopping || (max > 0 && run->started >= max))
        return false;
    run->started++;
    return true;
}

uint64_t tc_load_next_due_ns(const struct tc_load_run *run, const struct tc_session *s, uint64_t now_ns)
{
    uint64_t index = (uint64_t)(s->id - TC_CLIENT_FIRST);
    if (run->interval_ns == 0)
        return now_ns + run->options->think_ns;
    return run->start_ns + (s->started * run->session_count + index) * run->interval_ns;
}

/* ---- the loop's calls ---- */

static bool all_idle(const struct tc_load_run *run)
{
    for (uint32_t i = 0; i < run->session_count; i++)
        if (run->sessions[i].busy)
            return false;
    return true;
}

static void due(void *self)
{
    (void)self; /* everything that is due is looked for at the end of the turn */
}

static void turned(void *self)
{
    struct tc_load_run *run = self;
    uint64_t now_ns = tc_loop_now_ns(run->loop), deadline_ns = run->stopping ? run->stop_at_ns : TC_NEVER_NS;
    if (run->code < 0)
        return;
    bool used_up = run->options->operations_max > 0 && run->started >= run->options->operations_max;
    for (uint32_t i = 0; i < run->session_count; i++) {
        struct tc_session *s = &run->sessions[i];
        tc_session_due(s, now_ns);
        if (used_up && !s->busy)
            s->due_ns = TC_NEVER_NS;
    }
    tc_node_output_flush(&run->output); /* the request is in the history before a replica can have it */
    for (uint32_t i = 0; i < run->session_count; i++) {
        uint64_t at_ns;
        tc_session_flush(&run->sessions[i]);
        at_ns = tc_session_deadline_ns(&run->sessions[i]);
        if (at_ns < deadline_ns)
            deadline_ns = at_ns;
    }
    if (all_idle(run) ? run->stopping || used_up : run->stopping && now_ns >= run->stop_at_ns)
        tc_loop_stop(run->loop);
    tc_loop_set_deadline(run->loop, deadline_ns, 0);
}

static void signalled(void *self, int number)
{
    struct tc_load_run *run = self;
    (void)number;
    if (run->stopping)
        return;
    run->stopping = true;
    run->stop_at_ns = tc_loop_now_ns(run->loop) + LAST_WAIT_NS;
}

static void unread(void *self)
{
    struct tc_load_run *run = self;
    tc_loop_stop(run->loop);
}

/* ---- timestamps that survive a restart ---- */

/* Each start takes the next 2^32 timestamps of the client, so that nothing need be written while it runs. */
static int reserve_timestamps(const struct tc_load_run *run, uint16_t id, uint64_t *first)
{
    char path[PATH_SIZE], next[PATH_SIZE + 8];
    unsigned long long taken = 0;
    const char *dir = run->options->data_dir ? run->options->data_dir : run->options->key_dir;
    *first = run->options->first_timestamp;
    if (*first > 0)
        return 0;
    (void)snprintf(path, sizeof path, "%s/node%u.timestamp", dir, (unsigned)id);
    (void)snprintf(next, sizeof next, "%s.next", path);
    FILE *file = fopen(path, "re");
    if (file) {
        int items = fscanf(file, "%llu", &taken);
        (void)fclose(file);
        if (items != 1)
            return tc_error_set(run->err, TC_EMALFORMED, "%s: expected a number", path);
    }
    file = fopen(next, "we");
    bool ok = file && fprintf(file, "%llu\n", taken + INCARNATION) > 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok || rename(next, path) < 0)
        return tc_error_set(run->err, TC_EIO, "%s: cannot be written: %s", path, strerror(errno));
    *first = taken + 1;
    return 0;
}

/* ---- start and end ---- */

static int open_keys(struct tc_load_run *run)
{
    uint8_t seed[TC_SECRET_SEED_SIZE];
    char path[PATH_SIZE];
    run->keys = tc_keyring_new(TC_SCHEME_ED25519);
    if (!run->keys)
        return tc_error_set(run->err, TC_EMEMORY, "no memory for keys");
    for (uint32_t id = 0; id < TC_NODES_MAX; id++)
        if (tc_nodeset_has(&run->config.known, id))
            (void)tc_keyring_add_public(run->keys, id, run->config.public_keys[id]);
    for (uint32_t i = 0; i < run->session_count; i++) {
        uint32_t id = TC_CLIENT_FIRST + i;
        (void)snprintf(path, sizeof path, "%s/node%u.key", run->options->key_dir, (unsigned)id);
        int rc = tc_key_read(path, seed, run->err);
        if (rc < 0)
            return rc;
        (void)tc_keyring_add_secret(run->keys, id, seed);
        explicit_bzero(seed, sizeof seed);
        if (!tc_nodeset_has(&run->config.known, id) ||
            memcmp(tc_keyring_public(run->keys, id), run->config.public_keys[id], TC_PUBLIC_KEY_SIZE) != 0)
            return tc_error_set(run->err, TC_EKEY, "%s: not the key of client %u in %s", path, (unsigned)id,
                                run->options->config_path);
    }
    return 0;
}

static int open_sessions(struct tc_load_run *run)
{
    char path[PATH_SIZE];
    struct tc_node_config *own = malloc(sizeof *own);
    run->sessions = calloc(run->session_count, sizeof *run->sessions);
    int rc = own && run->sessions ? 0 : tc_error_set(run->err, TC_EMEMORY, "no memory for the clients");
    for (uint32_t i = 0; rc == 0 && i < run->session_count; i++) {
        uint16_t id = (uint16_t)(TC_CLIENT_FIRST + i);
        const struct tc_node_config *addresses = &run->config;
        uint64_t first;
        (void)snprintf(path, sizeof path, "%s/node%u.json", run->options->key_dir, (unsigned)id);
        if (access(path, R_OK) == 0) {
            rc = tc_node_config_read(path, own, run->err);
            addresses = own;
        }
        if (rc == 0)
            rc = reserve_timestamps(run, id, &first);
        if (rc == 0)
            rc = tc_session_init(&run->sessions[i], run, id, addresses, first, run->err);
    }
    free(own);
    return rc;
}

static int open_config(struct tc_load_run *run)
{
    const struct tc_client_options *o = run->options;
    int rc = tc_node_config_read(o->config_path, &run->config, run->err);
    if (rc < 0)
        return rc;
    run->protocol = tc_protocol_find(run->config.protocol);
    run->wire = tc_node_wire_find(run->config.protocol);
    if (!run->protocol || !run->wire)
        return tc_error_set(run->err, TC_EUNSUPPORTED, "%s: there is no reference client for protocol \"%s\"",
                            o->config_path, run->config.protocol);
    run->session_count = o->clients ? o->clients : run->config.cluster.client_count;
    if (run->session_count == 0 || run->session_count > run->config.cluster.client_count)
        return tc_error_set(run->err, TC_EUSAGE, "%s has %u clients, found %u asked for", o->config_path,
                            (unsigned)run->config.cluster.client_count, (unsigned)o->clients);
    if (o->value_bytes > 4096 || !(o->rate_per_s >= 0 && o->rate_per_s <= 1e9))
        return tc_error_set(run->err, TC_EUSAGE, "expected values of at most 4096 bytes and a rate of at most 1e9");
    run->maker = (struct tc_operation_maker){
        .seed = o->seed, .keys = o->keys ? o->keys : 1000, .value_bytes = o->value_bytes ? o->value_bytes : 64};
    run->timeout_ns = o->timeout_ns ? o->timeout_ns : TIMEOUT_NS;
    run->timeout_max_ns = o->timeout_max_ns ? o->timeout_max_ns : TIMEOUT_MAX_NS;
    if (o->rate_per_s > 0)
        run->interval_ns = (uint64_t)(1e9 / o->rate_per_s) + (o->rate_per_s >= 1e9);
    run->env = (struct tc_protocol_env){.cluster = &run->config.cluster, .keys = run->keys};
    return 0;
}

static int open_loop(struct tc_load_run *run)
{
    static const int signals[] = {SIGTERM, SIGINT};
    run->loop = tc_loop_new(run->err);
    if (!run->loop)
        return run->err && run->err->code ? run->err->code : TC_EIO;
    (void)signal(SIGPIPE, SIG_IGN);
    tc_loop_on_deadline(run->loop, due, run);
    tc_loop_on_turn(run->loop, turned, run);
    tc_node_output_open(&run->output, run->loop, STDOUT_FILENO, TC_CLIENT_FIRST, unread, run);
    run->conn_ops = (struct tc_node_conn_ops){.frame = run->protocol->frame,
                                              .connected = tc_session_link_connected,
                                              .received = tc_session_link_received,
                                              .closed = tc_session_link_closed,
                                              .out_max = OUT_MAX};
    if (tc_loop_signals(run->loop, signals, sizeof signals / sizeof *signals, signalled, run) < 0)
        return tc_error_set(run->err, TC_EIO, "cannot take signals");
    return 0;
}

static void start(struct tc_load_run *run)
{
    run->start_ns = tc_loop_refresh_ns(run->loop);
    for (uint32_t i = 0; i < run->session_count; i++) {
        struct tc_session *s = &run->sessions[i];
        s->due_ns = run->start_ns;
        if (run->interval_ns)
            s->due_ns = tc_load_next_due_ns(run, s, run->start_ns);
    }
    turned(run);
}

static void print_load(struct tc_load_run *run, uint64_t end_ns)
{
    static char line[512 + TC_LATENCY_TEXT_MAX], histogram[TC_LATENCY_TEXT_MAX];
    double seconds = (double)(end_ns - run->start_ns) / 1e9;
    const struct tc_latency *l = &run->latency;
    (void)snprintf(
        line, sizeof line,
        "{\"e\":\"load\",\"ops\":%llu,\"failed\":%llu,\"retransmissions\":%llu,\"seconds\":%.3f,"
        "\"rate\":%.1f,\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,\"p999_ns\":%llu,\"max_ns\":%llu,"
        "\"overflow\":%llu,\"histogram\":%s}\n",
        (unsigned long long)run->done, (unsigned long long)run->failed, (unsigned long long)run->retransmissions,
        seconds, seconds > 0 ? (double)run->done / seconds : 0.0, (unsigned long long)tc_latency_quantile_ns(l, 500),
        (unsigned long long)tc_latency_quantile_ns(l, 900), (unsigned long long)tc_latency_quantile_ns(l, 990),
        (unsigned long long)tc_latency_quantile_ns(l, 999), (unsigned long long)l->max_ns,
        (unsigned long long)run->output.lost_total, tc_latency_text(l, histogram));
    tc_node_output_text(&run->output, line);
}

static void free_run(struct tc_load_run *run)
{
    for (uint32_t i = 0; run->sessions && i < run->session_count; i++)
        tc_session_free(&run->sessions[i]);
    if (run->loop)
        tc_node_output_close(&run->output, 500);
    tc_loop_free(run->loop);
    tc_keyring_free(run->keys);
    tc_arena_free(&run->arena);
    free(run->sessions);
    free(run);
}

int tc_client_run(const struct tc_client_options *options, struct tc_error *err)
{
    struct tc_load_run *run = calloc(1, sizeof *run);
    if (!run)
        return tc_error_set(err, TC_EMEMORY, "no memory for the load");
    run->options = options;
    run->err = err;
    tc_arena_init(&run->arena, 2 * TC_FRAME_MAX);
    int rc = open_config(run);
    if (rc == 0)
        rc = open_keys(run);
    run->env.keys = run->keys;
    if (rc == 0)
        rc = open_loop(run);
    if (rc == 0)
        rc = open_sessions(run);
    if (rc == 0) {
        start(run);
        rc = tc_loop_run(run->loop) < 0 ? tc_error_set(err, TC_EIO, "the event loop failed") : run->code;
        uint64_t end_ns = tc_loop_refresh_ns(run->loop);
        for (uint32_t i = 0; i < run->session_count; i++)
            tc_session_give_up(&run->sessions[i], end_ns);
        print_load(run, end_ns);
    }
    free_run(run);
    return rc;
}
