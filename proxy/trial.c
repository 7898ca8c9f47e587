#include "trial.h"

#include "../reference/bugs.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

#define START_TIMEOUT_NS UINT64_C(15000000000)

struct tc_trial {
    struct tc_trial_setup setup;
    const struct tc_protocol *protocol;
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    struct tc_keyring *keys;
    struct tc_sim_memory *memory;
    struct tc_sim_config world;
    char attack_path[TC_PATH_MAX];
    const char *args[TC_SCRIPT_ARGS_MAX];
    /* of the run in hand */
    const struct tc_trial_request *request;
    struct tc_ledger own_ledger;
    struct tc_ledger *ledger;
    struct tc_script *script;
    struct tc_adversary *adversary;
    struct tc_engine *engine;
    struct tc_judge *judge; /* stays until the next run */
    uint64_t hash, decided;
};

void tc_trial_world(const struct tc_scenario *scenario, struct tc_sim_config *out)
{
    const struct tc_load *load = &scenario->load;
    *out = (struct tc_sim_config){
        .plan = {.start_timeout_ns = START_TIMEOUT_NS, .wait_first_decision = scenario->phase_ns[TC_RUN_BEFORE] > 0},
        .load = {.clients = load->clients,
                 .rate_per_s = load->mode == TC_LOAD_OPEN ? load->rate_per_s : 0,
                 .value_bytes = load->value_bytes,
                 .keys = load->keys,
                 .think_ns = load->think_ns},
    };
    memcpy(out->plan.phase_ns, scenario->phase_ns, sizeof out->plan.phase_ns);
    tc_sim_defaults(out);
    tc_trial_models(&scenario->world, out);
}

enum tc_status tc_trial_expected(const struct tc_scenario *scenario)
{
    if (strcmp(scenario->expect_verdict, "violated") == 0)
        return TC_VIOLATED;
    return strcmp(scenario->expect_verdict, "expected") == 0 ? TC_EXPECTED : TC_HOLDS;
}

/* ---- what all runs share ---- */

static void settle_world(struct tc_trial *trial)
{
    const struct tc_trial_setup *setup = &trial->setup;
    if (setup->world)
        trial->world = *setup->world;
    else
        tc_trial_world(setup->scenario, &trial->world);
    if (setup->decisions_max)
        trial->world.decisions_max = setup->decisions_max;
    trial->world.bugs = setup->bugs | tc_bug_bit_of(setup->scenario->cluster.bug);
    trial->world.memory = trial->memory;
    trial->world.protocol = trial->protocol;
    trial->world.env = trial->env;
    trial->world.load.clients = trial->cluster.client_count;
}

static int find_attack(struct tc_trial *trial, struct tc_error *err)
{
    const struct tc_scenario *scenario = trial->setup.scenario;
    for (uint32_t i = 0; i < scenario->arg_count; i++)
        trial->args[i] = scenario->args[i];
    if (trial->setup.strategy || !scenario->attack[0])
        return 0;
    return tc_script_find(trial->setup.lua_dir, "attacks", scenario->attack, trial->attack_path, err);
}

static int prepare(struct tc_trial *trial, struct tc_error *err)
{
    const struct tc_scenario *scenario = trial->setup.scenario;
    if (!scenario->cluster.start)
        return tc_error_set(err, TC_EUSAGE, "%s: a cluster that runs already cannot be simulated", scenario->path);
    trial->protocol = tc_protocol_find(scenario->cluster.protocol);
    if (!trial->protocol)
        return tc_error_set(err, TC_EUSAGE, "no protocol '%s'", scenario->cluster.protocol);
    trial->cluster = scenario->cluster.cluster;
    trial->cluster.client_count = scenario->load.clients;
    tc_cluster_defaults(&trial->cluster);
    trial->keys = tc_keyring_new(trial->setup.ed25519 ? TC_SCHEME_ED25519 : TC_SCHEME_KEYED_HASH);
    if (!trial->keys)
        return tc_error_set(err, TC_EMEMORY, "no memory for keys");
    trial->memory = tc_sim_memory_new();
    if (!trial->memory)
        return tc_error_set(err, TC_EMEMORY, "no memory for simulations");
    trial->env = (struct tc_protocol_env){.cluster = &trial->cluster, .keys = trial->keys};
    if (trial->setup.strategy && trial->setup.strategy->settle)
        trial->env.leader = tc_protocol_dictated_leader;
    settle_world(trial);
    return find_attack(trial, err);
}

int tc_trial_new(const struct tc_trial_setup *setup, struct tc_trial **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_trial *trial = calloc(1, sizeof *trial);
    if (!trial)
        return tc_error_set(err, TC_EMEMORY, "no memory for a trial");
    trial->setup = *setup;
    const int status = prepare(trial, err);
    if (status) {
        tc_trial_free(trial);
        return status;
    }
    *out = trial;
    return 0;
}

/* What ends with the run. The judge stays for the caller. */
static void run_close(struct tc_trial *trial)
{
    const struct tc_adversary_class *strategy = trial->setup.strategy;
    tc_engine_free(trial->engine);
    tc_script_free(trial->script);
    if (trial->adversary)
        strategy->destroy(trial->adversary);
    trial->engine = NULL;
    trial->script = NULL;
    trial->adversary = NULL;
}

void tc_trial_free(struct tc_trial *trial)
{
    if (!trial)
        return;
    run_close(trial);
    tc_judge_free(trial->judge);
    tc_sim_memory_free(trial->memory);
    tc_keyring_free(trial->keys);
    free(trial);
}

/* ---- the sink ---- */

static void mix(struct tc_trial *trial, uint64_t first, uint64_t second)
{
    trial->hash = tc_random_fold(trial->hash ^ first, second);
}

static void mix_bytes(struct tc_trial *trial, struct tc_slice bytes)
{
    mix(trial, tc_random_fold_bytes(1, bytes), 0); /* what came before is not waited for */
}

/* Everything by which two runs can differ shows in some message, execution or reply: those go in whole. */
static void mix_observation(struct tc_trial *trial, const struct tc_observation *o)
{
    mix(trial, o->time_ns,
        (uint64_t)o->kind << 48 | (uint64_t)o->node << 32 | (uint64_t)o->peer << 16 | (o->incarnation & 0xffff));
    switch (o->kind) {
    case TC_OBS_MESSAGE:
        mix(trial, (uint64_t)o->message.said << 1 | o->message.heard, o->message.message->key);
        if (o->message.said || o->message.message->touched) /* else it is what was said before */
            mix(trial, tc_message_fold(o->message.message), 0);
        break;
    case TC_OBS_EXECUTED:
        mix(trial, o->executed.sequence, (uint64_t)o->executed.origin);
        if (o->executed.state.state == TC_VALUE_BYTES)
            mix_bytes(trial, (struct tc_slice){o->executed.state.bytes, TC_VALUE_SIZE});
        break;
    case TC_OBS_REQUESTED:
    case TC_OBS_REPLIED:
        mix(trial, o->client.timestamp, o->client.ok);
        mix_bytes(trial, o->client.result);
        break;
    default:
        break;
    }
}

static void observe(void *self, const struct tc_observation *o)
{
    struct tc_trial *trial = self;
    const struct tc_sink *sink = &trial->request->sink;
    tc_judge_observe(trial->judge, o);
    mix_observation(trial, o);
    if (o->kind == TC_OBS_EXECUTED && o->executed.sequence > trial->decided)
        trial->decided = o->executed.sequence;
    if (sink->observe)
        sink->observe(sink->self, o);
}

static void decide(void *self, const struct tc_decision *d)
{
    struct tc_trial *trial = self;
    const struct tc_sink *sink = &trial->request->sink;
    mix(trial, d->id << 1 | d->bitten, d->time_ns);
    mix(trial, (uint64_t)d->verb << 48 | (uint64_t)d->from << 32 | (uint64_t)d->to << 16 | d->node, d->key);
    mix_bytes(trial, d->bytes);
    if (sink->decide)
        sink->decide(sink->self, d);
}

static void progress(void *self, uint64_t now_ns)
{
    const struct tc_sink *sink = &((struct tc_trial *)self)->request->sink;
    sink->progress(sink->self, now_ns);
}

/* ---- one run ---- */

static void open_ledger(struct tc_trial *trial)
{
    const struct tc_trial_request *request = trial->request;
    const int32_t max = trial->setup.scenario->traitors_max;
    trial->own_ledger = (struct tc_ledger){.traitors_max = max >= 0 ? (uint32_t)max : trial->cluster.f};
    trial->ledger = request->handler && request->ledger ? request->ledger : &trial->own_ledger;
    if (request->handler && request->traitors)
        trial->ledger->signed_for = *request->traitors;
}

static int open_script(struct tc_trial *trial, struct tc_error *err)
{
    const struct tc_script_config config = {.path = trial->attack_path,
                                            .lua_dir = trial->setup.lua_dir,
                                            .protocol = trial->protocol,
                                            .env = trial->env,
                                            .ledger = trial->ledger,
                                            .seed = trial->request->seed,
                                            .args = trial->args,
                                            .arg_count = trial->setup.scenario->arg_count};
    return tc_script_load(&config, &trial->script, err);
}

static struct tc_adversary_config adversary_config(const struct tc_trial *trial)
{
    return (struct tc_adversary_config){.protocol = trial->protocol,
                                        .env = trial->env,
                                        .ledger = trial->ledger,
                                        .seed = trial->request->seed,
                                        .index = trial->request->index,
                                        .limits = trial->setup.limits,
                                        .bugs = trial->world.bugs};
}

/* A strategy may dictate who leads: whoever acts in its run, its own handler or a tape, goes by that. */
static void settle_leaders(struct tc_trial *trial)
{
    const struct tc_adversary_class *strategy = trial->setup.strategy;
    const struct tc_adversary_config config = adversary_config(trial);
    if (strategy && strategy->settle)
        strategy->settle(&config, &trial->cluster);
}

static int open_adversary(struct tc_trial *trial, struct tc_error *err)
{
    const struct tc_adversary_config config = adversary_config(trial);
    trial->adversary = trial->setup.strategy->create(&config);
    return trial->adversary ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for the adversary");
}

/* Who decides what becomes of messages: the caller's handler, the strategy, the scenario's attack, or nobody. */
static int open_handler(struct tc_trial *trial, const struct tc_handler **out, struct tc_error *err)
{
    int status = 0;
    *out = trial->request->handler;
    if (*out)
        return 0;
    if (trial->setup.strategy) {
        status = open_adversary(trial, err);
        if (status == 0)
            *out = trial->setup.strategy->handler(trial->adversary);
    } else if (trial->attack_path[0]) {
        status = open_script(trial, err);
        if (status == 0)
            *out = tc_script_handler(trial->script);
    }
    if (status == 0 && trial->request->wrap)
        *out = trial->request->wrap(trial->request->wrap_self, *out, trial->ledger);
    return status;
}

static int open_judge(struct tc_trial *trial, bool attacked, struct tc_error *err)
{
    const struct tc_scenario *scenario = trial->setup.scenario;
    const struct tc_judge_config config = {.protocol = trial->protocol,
                                           .env = trial->env,
                                           .recovery_bound_ns = scenario->recovery_bound_ns,
                                           .has_executions = true,
                                           .has_client_history = true,
                                           .has_messages = true,
                                           .links_complete = true,
                                           .had_attack = attacked,
                                           .properties = trial->setup.properties,
                                           .expect = tc_trial_expected(scenario),
                                           .expect_evidence = scenario->expect_evidence == TC_EXPECT_YES};
    trial->judge = tc_judge_new(&config);
    return trial->judge ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for the oracles");
}

static int open_engine(struct tc_trial *trial, const struct tc_handler *handler, struct tc_error *err)
{
    const struct tc_engine_config config = {.protocol = trial->protocol,
                                            .env = trial->env,
                                            .handler = handler,
                                            .ledger = trial->ledger,
                                            .seed = trial->request->seed,
                                            .observe = true,
                                            .broadcasts = true};
    trial->engine = tc_engine_new(&config);
    return trial->engine ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for the engine");
}

static int run_open(struct tc_trial *trial, struct tc_sim **sim, struct tc_error *err)
{
    const struct tc_handler *handler = NULL;
    int status = tc_sim_keys(trial->keys, &trial->cluster, trial->request->seed);
    if (status)
        return tc_error_set(err, status, "cannot derive the keys of %u replicas and %u clients", trial->cluster.n,
                            trial->cluster.client_count);
    open_ledger(trial);
    settle_leaders(trial);
    status = open_handler(trial, &handler, err);
    if (status == 0)
        status = open_judge(trial, handler != NULL, err);
    if (status == 0)
        status = open_engine(trial, handler, err);
    if (status)
        return status;
    trial->world.engine = trial->engine;
    trial->world.seed = trial->request->seed;
    trial->world.sink = (struct tc_sink){trial, observe, decide, trial->request->sink.progress ? progress : NULL};
    return tc_sim_open(&trial->world, sim, err);
}

static void read_result(struct tc_trial *trial, const struct tc_sim *sim, struct tc_trial_result *out)
{
    out->now_ns = tc_sim_now_ns(sim);
    out->stats = *tc_sim_stats(sim);
    out->engine_stats = *tc_engine_stats(trial->engine);
    out->faults = *tc_engine_faults(trial->engine);
    out->bitten = out->faults.bitten;
    out->traitors = trial->ledger->traitors;
    out->decided = trial->decided;
    tc_judge_finish(trial->judge, out->now_ns);
    tc_judge_bitten(trial->judge, out->bitten);
    tc_judge_summary(trial->judge, 0, &out->summary);
    out->judge = trial->judge;
    mix(trial, out->now_ns, 0);
    out->hash = trial->hash;
}

int tc_trial_run(struct tc_trial *trial, const struct tc_trial_request *request, struct tc_trial_result *out,
                 struct tc_error *err)
{
    struct tc_sim *sim = NULL;
    memset(out, 0, sizeof *out);
    tc_judge_free(trial->judge);
    trial->judge = NULL;
    trial->request = request;
    trial->hash = trial->decided = 0;
    int status = run_open(trial, &sim, err);
    if (status == 0) {
        status = tc_sim_run(sim, err);
        read_result(trial, sim, out);
    }
    tc_sim_free(sim);
    run_close(trial);
    trial->request = NULL;
    return status;
}
