#include "sim.h"

#include "sim_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS       UINT64_C(10000000000)
#define TICK_NS        UINT64_C(250000000)
#define STABLE_LOOK_NS UINT64_C(5000000)
#define ASK_EVENTS     1024 /* between two questions whether to end */
#define SIGMA_MAX      3000
#define DRIFT_MAX      100000
#define CLIENTS_MAX    (TC_NODES_MAX - TC_CLIENT_FIRST)
#define LATENCY_MAX_NS UINT64_C(10000000000000) /* beyond it the arithmetic of the models might not fit */

int tc_sim_fail(struct tc_sim *sim, int status, const char *format, ...)
{
    va_list arguments;
    char text[256];
    if (sim->status)
        return sim->status;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim->status = status;
    tc_error_set(&sim->error, status, "%s", text);
    return status;
}

uint64_t tc_sim_now_ns(const struct tc_sim *sim)
{
    return sim->now_ns;
}

const struct tc_sim_stats *tc_sim_stats(const struct tc_sim *sim)
{
    return &sim->stats;
}

/* ---- phases ---- */

static void started(struct tc_sim *sim)
{
    sim->seen_start = true;
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->now_ns, .kind = TC_SIM_PHASE});
}

static uint32_t executed_by(const struct tc_sim *sim, uint64_t sequence)
{
    uint32_t reached = 0;
    for (uint32_t i = 0; i < sim->cluster->n; i++)
        reached += sim->nodes[i].executed >= sequence;
    return reached;
}

static bool decided_enough(const struct tc_sim *sim)
{
    return executed_by(sim, sim->enough) >= sim->cluster->n - sim->cluster->f ||
           executed_by(sim, sim->overrun) > sim->cluster->f;
}

/* The attack begins: what was decided before does not count, as the adversary could not act yet. */
static void count_from_here(struct tc_sim *sim)
{
    const uint64_t wanted = sim->config.decisions_max;
    uint64_t before = 0;
    for (uint32_t i = 0; i < sim->cluster->n; i++)
        before = sim->nodes[i].executed > before ? sim->nodes[i].executed : before;
    if (wanted > 0 && wanted <= (UINT64_MAX - before) / TC_SIM_OVERRUN) {
        sim->enough = before + wanted;
        sim->overrun = before + wanted * TC_SIM_OVERRUN;
    }
}

void tc_sim_phase_saw(struct tc_sim *sim, const struct tc_observation *observation)
{
    if (observation->kind != TC_OBS_EXECUTED || observation->node >= sim->cluster->n)
        return;
    uint64_t *executed = &sim->nodes[observation->node].executed;
    if (observation->executed.sequence > *executed) {
        *executed = observation->executed.sequence;
        if (*executed >= sim->enough && decided_enough(sim)) /* a transferred state jumps over numbers */
            sim->finished = true;
    }
    if (!sim->seen_start)
        started(sim);
}

/* Waits for the first decision, then enters one phase after another. */
static void phase_turn(struct tc_sim *sim)
{
    const uint64_t *phase_ns = sim->config.plan.phase_ns;
    if (!sim->seen_start) {
        tc_sim_note(sim, "no decision within the time for starting: the phases begin all the same");
        sim->seen_start = true;
    }
    if (!sim->phase_begun)
        sim->phase_end_ns = sim->now_ns;
    sim->phase_begun = true;
    if (sim->phase_end_ns > sim->now_ns) /* of the waiting that is over */
        return;
    while (sim->phase_next < TC_RUN_ENDED && phase_ns[sim->phase_next] == 0)
        sim->phase_next++;
    if (sim->phase_next >= TC_RUN_ENDED) {
        sim->finished = true;
        return;
    }
    const enum tc_run_phase phase = (enum tc_run_phase)sim->phase_next++;
    if (phase > TC_RUN_BEFORE && sim->enough == UINT64_MAX)
        count_from_here(sim);
    const bool endless = phase_ns[phase] > TC_NEVER_NS - sim->phase_end_ns;
    sim->phase_end_ns = endless ? TC_NEVER_NS : sim->phase_end_ns + phase_ns[phase];
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->phase_end_ns, .kind = TC_SIM_PHASE});
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_PHASE, .phase = phase});
}

static void tick(struct tc_sim *sim)
{
    const struct tc_sink *sink = &sim->config.sink;
    if (sink->progress)
        sink->progress(sink->self, sim->now_ns);
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->now_ns + TICK_NS, .kind = TC_SIM_TICK});
}

/* What broke before the global stabilisation time, and is dialled again after a backoff, is that time's doing still; so
 * is the backoff itself, which would otherwise make a second of a break of milliseconds that comes after it. */
static void stabilise(struct tc_sim *sim)
{
    const struct tc_sim_network *network = &sim->config.network;
    const uint64_t last_ns = network->gst_ns + network->gst_delay_ns + TC_SIM_REDIAL_MAX_NS;
    const bool ok = sim->now_ns >= last_ns || tc_sim_all_linked(sim);
    if (!ok) {
        tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->now_ns + STABLE_LOOK_NS, .kind = TC_SIM_STABLE});
        return;
    }
    tc_sim_links_calm(sim);
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_NETWORK, .ok = true});
}

/* ---- the loop ---- */

/* Does a paused process notice it only later? What the network and the engine do goes on. */
static bool is_for_process(const struct tc_sim_event *event)
{
    switch (event->kind) {
    case TC_SIM_BYTES:
    case TC_SIM_END:
    case TC_SIM_CONNECTED:
    case TC_SIM_REDIAL:
    case TC_SIM_DEADLINE:
    case TC_SIM_SYNCED:
    case TC_SIM_CLIENT:
        return true;
    default:
        return false;
    }
}

static void read_again(struct tc_sim *sim, const struct tc_sim_event *event)
{
    const struct tc_sim_side *side = tc_sim_side(sim, event->conn, event->use);
    if (side && !side->read_stopped)
        tc_sim_read_rest(sim, event->conn);
}

static void handle(struct tc_sim *sim, struct tc_sim_event *event)
{
    switch (event->kind) {
    case TC_SIM_BYTES:
        tc_sim_arrive(sim, event);
        break;
    case TC_SIM_END:
        tc_sim_end_arrives(sim, event);
        break;
    case TC_SIM_DIAL:
        tc_sim_dial_arrives(sim, event);
        break;
    case TC_SIM_CONNECTED:
        tc_sim_connected(sim, event);
        break;
    case TC_SIM_CLOSED:
        tc_sim_closed(sim, event);
        break;
    case TC_SIM_REDIAL:
        tc_sim_redial(sim, event);
        break;
    case TC_SIM_DEADLINE:
        tc_sim_deadline(sim, event);
        break;
    case TC_SIM_SYNCED:
        tc_sim_synced(sim, event);
        break;
    case TC_SIM_CLIENT:
        tc_sim_client_due(sim, event);
        break;
    case TC_SIM_RESUME:
        read_again(sim, event);
        break;
    case TC_SIM_ACT:
        tc_sim_node_act(sim, event->node, (enum tc_verb)event->token);
        break;
    case TC_SIM_BOOT:
        tc_sim_boot(sim, event);
        break;
    case TC_SIM_EXIT:
        tc_sim_exited(sim, event);
        break;
    case TC_SIM_VERIFIED:
        tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_VERIFIED, .token = event->token, .ok = event->ok});
        break;
    case TC_SIM_PHASE:
        phase_turn(sim);
        break;
    case TC_SIM_TICK:
        tick(sim);
        break;
    case TC_SIM_STABLE:
        stabilise(sim);
        break;
    }
}

/* The engine's own deadline comes before what happens at the same time. */
static void turn(struct tc_sim *sim)
{
    const uint64_t engine_ns = tc_engine_deadline_ns(sim->config.engine);
    if (engine_ns <= sim->memory->heap[0].time_ns) {
        sim->now_ns = engine_ns > sim->now_ns ? engine_ns : sim->now_ns;
        tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_TIMER});
        return;
    }
    struct tc_sim_event event = tc_sim_pop(sim);
    sim->now_ns = event.time_ns;
    if (is_for_process(&event) && tc_sim_defer(sim, event.node, &event))
        return;
    handle(sim, &event);
    tc_sim_event_drop(sim, &event);
}

/* What was sent before the global stabilisation time has come by then and the longest delay of that time. */
static void begin_unstable(struct tc_sim *sim)
{
    const struct tc_sim_network *network = &sim->config.network;
    if (network->gst_ns == 0)
        return;
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_NETWORK, .ok = false});
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = network->gst_ns + network->gst_delay_ns, .kind = TC_SIM_STABLE});
}

int tc_sim_run(struct tc_sim *sim, struct tc_error *err)
{
    const uint64_t start_ns = sim->config.plan.start_timeout_ns ? sim->config.plan.start_timeout_ns : START_NS;
    for (uint16_t i = 0; i < sim->cluster->n; i++)
        tc_sim_boot_soon(sim, i, 0);
    tc_sim_clients_start(sim);
    begin_unstable(sim);
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = start_ns, .kind = TC_SIM_PHASE});
    tc_sim_push(sim, (struct tc_sim_event){.time_ns = TICK_NS, .kind = TC_SIM_TICK});
    if (!sim->config.plan.wait_first_decision)
        started(sim);
    while (!sim->finished && !sim->interrupted && sim->status == 0) {
        turn(sim);
        if (++sim->stats.events % ASK_EVENTS == 0 && sim->config.interrupted)
            sim->interrupted = sim->config.interrupted(sim->config.interrupted_self);
    }
    if (sim->status != TC_EMEMORY)
        tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_STOP});
    const struct tc_error *engine_error = tc_engine_error(sim->config.engine);
    if (sim->status && err)
        *err = sim->error;
    else if (engine_error->code && err)
        *err = *engine_error;
    if (sim->status || engine_error->code)
        return sim->status ? sim->status : engine_error->code;
    return sim->interrupted ? tc_error_set(err, TC_EINTERRUPTED, "interrupted") : 0;
}

/* ---- opening ---- */

void tc_sim_defaults(struct tc_sim_config *config)
{
    config->network.latency = (struct tc_sim_latency){.model = TC_SIM_UNIFORM, .min_ns = 200000, .max_ns = 600000};
    config->disk.sync_min_ns = 100000;
    config->disk.sync_max_ns = 200000;
}

int tc_sim_keys(struct tc_keyring *keys, const struct tc_cluster *cluster, uint64_t seed)
{
    if (cluster->n > TC_REPLICAS_MAX || cluster->client_count > CLIENTS_MAX)
        return TC_EUSAGE;
    for (uint32_t i = 0; i < cluster->n + cluster->client_count; i++) {
        const uint32_t node = i < cluster->n ? i : TC_CLIENT_FIRST + i - cluster->n;
        uint8_t secret[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(seed, node, secret);
        const int status = tc_keyring_add_secret(keys, node, secret);
        if (status)
            return status;
    }
    return 0;
}

static int check_latency(const struct tc_sim_latency *latency, struct tc_error *err)
{
    if (latency->model == TC_SIM_UNIFORM && (latency->min_ns > latency->max_ns || latency->max_ns > LATENCY_MAX_NS))
        return tc_error_set(err, TC_EUSAGE, "latency: expected min <= max <= 10000 s");
    if (latency->model == TC_SIM_LOG_NORMAL &&
        (latency->sigma_milli > SIGMA_MAX || latency->median_ns > LATENCY_MAX_NS))
        return tc_error_set(err, TC_EUSAGE, "latency: expected sigma <= 3 and a median of at most 10000 s");
    for (size_t i = 0; latency->model == TC_SIM_REGIONS && i < TC_NODES_MAX; i++)
        if (latency->region[i] >= TC_SIM_REGIONS_MAX)
            return tc_error_set(err, TC_EUSAGE, "latency: node %zu is in region %u of %d", i, latency->region[i],
                                TC_SIM_REGIONS_MAX);
    return 0;
}

static int check(const struct tc_sim_config *config, struct tc_error *err)
{
    const struct tc_cluster *cluster = config->env.cluster;
    if (cluster->n == 0 || cluster->n > TC_REPLICAS_MAX || config->load.clients > CLIENTS_MAX)
        return tc_error_set(err, TC_EUSAGE, "a simulation has 1 to %d replicas and at most %d clients", TC_REPLICAS_MAX,
                            CLIENTS_MAX);
    if (config->disk.sync_min_ns > config->disk.sync_max_ns)
        return tc_error_set(err, TC_EUSAGE, "disk: expected a shortest sync that is not longer than the longest");
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        if (config->clocks[i].drift_ppm < -DRIFT_MAX || config->clocks[i].drift_ppm > DRIFT_MAX)
            return tc_error_set(err, TC_EUSAGE, "clock of node %zu: expected a drift within %d ppm", i, DRIFT_MAX);
    return check_latency(&config->network.latency, err);
}

static int open_parts(struct tc_sim *sim, struct tc_error *err)
{
    const struct tc_sim_config *config = &sim->config;
    const size_t nodes = config->env.cluster->n + config->load.clients;
    sim->enough = sim->overrun = UINT64_MAX;
    sim->cluster = config->env.cluster;
    sim->protocol = config->protocol;
    sim->replica_class = tc_replica_find(sim->protocol->name);
    sim->wire = tc_node_wire_find(sim->protocol->name);
    if (!sim->replica_class || !sim->wire)
        return tc_error_set(err, TC_EUNSUPPORTED, "protocol %s has no reference replica to simulate",
                            sim->protocol->name);
    sim->memory = config->memory ? config->memory : tc_sim_memory_new();
    sim->nodes = malloc(TC_NODES_MAX * sizeof *sim->nodes); /* by number; only those that there are are touched */
    sim->newest = calloc((size_t)sim->cluster->n * config->load.clients + 1, sizeof *sim->newest);
    sim->links = calloc(nodes * sim->cluster->n, sizeof *sim->links);
    sim->link_count = calloc(nodes * nodes, sizeof *sim->link_count);
    sim->link_free_ns = calloc(nodes * nodes, sizeof *sim->link_free_ns);
    sim->link_key = calloc(nodes * nodes, sizeof *sim->link_key);
    if (!sim->memory || !sim->nodes || !sim->newest || !sim->links || !sim->link_count || !sim->link_free_ns ||
        !sim->link_key || tc_sim_clients_open(sim))
        return tc_error_set(err, TC_EMEMORY, "no memory for a simulation of %zu nodes", nodes);
    memset(sim->nodes, 0, sim->cluster->n * sizeof *sim->nodes);
    memset(&sim->nodes[TC_CLIENT_FIRST], 0, config->load.clients * sizeof *sim->nodes);
    return 0;
}

int tc_sim_open(const struct tc_sim_config *config, struct tc_sim **out, struct tc_error *err)
{
    *out = NULL;
    int status = check(config, err);
    if (status)
        return status;
    struct tc_sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        return tc_error_set(err, TC_EMEMORY, "no memory for a simulation");
    sim->config = *config;
    status = open_parts(sim, err);
    if (status) {
        tc_sim_free(sim);
        return status;
    }
    *out = sim;
    return 0;
}

void tc_sim_free(struct tc_sim *sim)
{
    if (!sim)
        return;
    tc_sim_nodes_free(sim);
    tc_sim_clients_free(sim);
    tc_sim_pairs_free(sim);
    for (size_t i = 0; i < sim->heap_count; i++)
        tc_sim_event_drop(sim, &sim->memory->heap[i]);
    if (!sim->config.memory)
        tc_sim_memory_free(sim->memory);
    free(sim->newest);
    free(sim->links);
    free(sim->link_count);
    free(sim->link_free_ns);
    free(sim->link_key);
    free(sim);
}
