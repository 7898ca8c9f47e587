/* links: tc_lua tc_engine tc_protocol tc_base
 * Scenario and cluster files: what is read, and what is said about every mistake. */
#include "script_fixture.h"

static struct tc_scenario *scenario;

static int set_up(void **state)
{
    (void)state;
    scenario = calloc(1, sizeof *scenario);
    return scenario ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(scenario);
    return 0;
}

static int load_text(const char *text, struct tc_error *err)
{
    char path[64];
    write_file(path, text);
    int rc = tc_scenario_load(TC_SOURCE_LUA_DIR, path, scenario, err);
    unlink(path);
    return rc;
}

/* The file must be refused with TC_EUSAGE at `line`, and the sentence must contain `says`. */
static void refused(int line, const char *text, const char *says)
{
    struct tc_error err = {0};
    char where[16];
    snprintf(where, sizeof where, ":%d: ", line);
    int rc = load_text(text, &err);
    if (rc != TC_EUSAGE || !strstr(err.text, says) || !strstr(err.text, where))
        print_error("%s\n→ %d %s\n", text, rc, err.text);
    assert_int_equal(rc, TC_EUSAGE);
    assert_non_null(strstr(err.text, says));
    assert_non_null(strstr(err.text, where));
}

static void a_whole_scenario_is_read(void **state)
{
    (void)state;
    struct tc_error err = {0};
    int rc =
        load_text("return scenario \"all\" {\n"
                  "  summary = \"everything\",\n"
                  "  cluster = reference { n = 7, clients = 2, bug = \"prepared-dropped\", view_timeout = 0.25,\n"
                  "    checkpoint_interval = 10, window = 30, batch_max = 8, pipeline_max = 4, quorum = 5,\n"
                  "    authentication = \"mac\", loss = \"final\", data_dir = \"/somewhere\" },\n"
                  "  load = { mode = \"open\", clients = 3, rate = 500, value_bytes = 10, keys = 5, think = 0.001 },\n"
                  "  attack = \"equivocate-half\", args = { share = 1/4, omit_requests = true },\n"
                  "  phases = { before = 1, during = 0.5, after = 0 }, traitors = 2,\n"
                  "  expect = { verdict = \"violated\", evidence = true }, recovery_bound = 1.5,\n"
                  "  thresholds = { [\"decision_latency{phase:after}\"] = { \"p(99)<800ms\", \"p(50)<10ms\" },\n"
                  "                 throughput = \"rate>100\" },\n"
                  "}\n",
                  &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
    assert_string_equal(scenario->name, "all");
    assert_true(scenario->cluster.start);
    assert_int_equal(scenario->cluster.cluster.n, 7);
    assert_int_equal(scenario->cluster.cluster.f, 2);
    assert_int_equal(scenario->cluster.cluster.quorum, 5);
    assert_int_equal(scenario->cluster.cluster.client_count, 3);
    assert_int_equal(scenario->cluster.cluster.view_timeout_ns, 250000000);
    assert_int_equal(scenario->cluster.cluster.window, 30);
    assert_int_equal(scenario->cluster.cluster.request_authentication, TC_AUTH_MAC);
    assert_true(scenario->cluster.cluster.loses_for_good);
    assert_string_equal(scenario->cluster.bug, "prepared-dropped");
    assert_string_equal(scenario->cluster.data_dir, "/somewhere");
    assert_int_equal(scenario->load.mode, TC_LOAD_OPEN);
    assert_int_equal(scenario->load.clients, 3);
    assert_int_equal(scenario->load.think_ns, 1000000);
    assert_string_equal(scenario->attack, "equivocate-half");
    assert_int_equal(scenario->arg_count, 2);
    assert_string_equal(scenario->args[0], "omit_requests=true");
    assert_string_equal(scenario->args[1], "share=0.25");
    assert_int_equal(scenario->phase_ns[TC_RUN_DURING], 500000000);
    assert_int_equal(scenario->traitors_max, 2);
    assert_string_equal(scenario->expect_verdict, "violated");
    assert_int_equal(scenario->expect_evidence, TC_EXPECT_YES);
    assert_int_equal(scenario->threshold_count, 3);
    assert_string_equal(scenario->thresholds[1].condition, "p(50)<10ms");
    assert_int_equal(scenario->thresholds[1].line, 10);
    assert_int_equal(scenario->thresholds[2].line, 11);
    assert_int_equal(scenario->recovery_bound_ns, 1500000000);
}

static void an_attack_alone_is_a_scenario(void **state)
{
    (void)state;
    struct tc_error err = {0};
    char path[512];
    assert_int_equal(tc_script_find(TC_SOURCE_LUA_DIR, "attacks", "silent-leader", path, &err), 0);
    assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, path, scenario, &err), 0);
    assert_string_equal(scenario->attack, path);
    assert_string_equal(scenario->name, "silent-leader");
    assert_int_equal(scenario->cluster.cluster.n, 4);
    assert_int_equal(scenario->cluster.cluster.client_count, 4);
    assert_int_equal(scenario->phase_ns[TC_RUN_BEFORE], 2000000000);
    assert_int_equal(scenario->phase_ns[TC_RUN_DURING], 5000000000);
    assert_int_equal(scenario->phase_ns[TC_RUN_AFTER], 2000000000);
    assert_int_equal(scenario->traitors_max, -1);
    assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, "silent-leeder", scenario, &err), TC_ENOT_FOUND);
    assert_non_null(strstr(err.text, "did you mean 'silent-leader'?"));
}

static void mistakes_have_a_line(void **state)
{
    (void)state;
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n attak = \"silent-leader\",\n}", "did you mean 'attack'?");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n attack = \"silent-leder\",\n}",
            "did you mean 'silent-leader'?");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n protocol = \"pbtf\",\n}", "did you mean 'pbft'?");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n phases = { before = -1 },\n}",
            "phases.before: expected seconds from 0 to 86400, found the number -1");
    refused(4, "return scenario \"x\" {\n summary = \"s\",\n phases = {\n  before = \"2\" },\n}",
            "found the string \"2\"");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n phases = { befor = 1 },\n}", "did you mean 'before'?");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { n = 0 },\n}",
            "n: expected a whole number from 2 to 128, found the number 0");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { n = 2.5 },\n}", "whole number");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { n = 1 },\n}", "from 2 to 128");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { n = 4, f = 0 },\n}",
            "f: expected a whole number from 1 to 3, found the number 0");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { n = 4, quorum = 1 },\n}",
            "quorum: expected a whole number from 2 to 4, found the number 1");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { bug = \"prepared-droped\" },\n}",
            "did you mean 'prepared-dropped'?");
    refused(4,
            "return scenario \"x\" {\n summary = \"s\",\n protocol = \"pbft\",\n cluster = reference { bug = "
            "\"gap-chain-commits\" },\n}",
            "bug 'gap-chain-commits' is of chained-hotstuff, this cluster speaks pbft");
    refused(4, "return scenario \"x\" {\n summary = \"s\",\n cluster = reference { n = 4,\n  quorum = 9 },\n}",
            "2 to 4");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n cluster = { n = 4 },\n}", "expected reference { … }");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n expect = { verdict = \"hold\" },\n}", "\"holds\" or");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n traitors = -1,\n}", "found the number -1");
    refused(3, "return scenario \"x\" {\n summary = \"s\",\n thresholds = { a = 1 },\n}", "a condition like");
    refused(1, "return scenario \"x\" {}", "summary: expected a string");
    refused(1, "return 1", "expected 'return scenario");
    refused(1, "return scenario \"x\" (5)", "expected scenario \"x\" { … }");
    refused(2, "return scenario \"x\" {\n summary = = 1 }", "unexpected symbol");
    refused(1, "return scenario \"Bad Name\" { summary = \"s\" }", "expected a name");
    refused(2, "return scenario \"x\" {\n summary = os.time() }", "'os' is not here");
}

#define SIM(line, key) "return scenario \"x\" {\n summary = \"s\",\n" key " = {\n" line "\n },\n}"

static void models_are_read(void **state)
{
    (void)state;
    struct tc_error err = {0};
    int rc =
        load_text("return scenario \"m\" { summary = \"models\", cluster = reference { n = 5, clients = 2 },\n"
                  " network = { latency = regions { replicas = { \"a\", \"b\", \"c\" }, clients = { \"c\" },\n"
                  "   links = { { \"a\", \"b\", 0.01 }, { \"c\", \"a\", 0.02 }, { \"b\", \"c\", 0.03 } },\n"
                  "   within = 0.001, jitter = 0.25 }, bandwidth = 1e6, gst = 2, delay_before_gst = 0.1,\n"
                  "   loss_before_gst = 0.5 },\n"
                  " disk = { sync = constant(0.002), slow = { nodes = { 1, 4 }, by = 0.05 }, unsynced = \"kept\" },\n"
                  " clocks = { { node = 3, offset = 0.5, drift = -0.001 }, { nodes = { 0, 128 }, drift = 0.1 } } }",
                  &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
    const struct tc_world_spec *world = &scenario->world;
    const struct tc_sim_latency *latency = &world->network.latency;
    assert_true(world->has_network && world->has_latency && world->has_disk && world->has_sync && world->has_clocks);
    assert_int_equal(latency->model, TC_SIM_REGIONS);
    assert_int_equal(latency->region[4], 1); /* a b c a b */
    assert_int_equal(latency->region[TC_CLIENT_FIRST + 1], 2);
    assert_int_equal(latency->region_ns[0][2], 20000000);
    assert_int_equal(latency->region_ns[2][0], 20000000);
    assert_int_equal(latency->region_ns[1][1], 1000000);
    assert_int_equal(latency->jitter_milli, 250);
    assert_int_equal(world->network.bandwidth_bytes_per_s, 1000000);
    assert_int_equal(world->network.gst_ns, 2000000000);
    assert_int_equal(world->network.gst_delay_ns, 100000000);
    assert_int_equal(world->network.gst_loss, 32768);
    assert_int_equal(world->disk.sync_min_ns, 2000000);
    assert_int_equal(world->disk.sync_max_ns, 2000000);
    assert_int_equal(world->disk.slow_ns, 50000000);
    assert_int_equal(world->disk.slow.words[0], 1u << 1 | 1u << 4);
    assert_int_equal(world->disk.unsynced, TC_SIM_UNSYNCED_KEPT);
    assert_int_equal(world->clocks[3].offset_ns, 500000000);
    assert_int_equal(world->clocks[3].drift_ppm, -1000);
    assert_int_equal(world->clocks[128].drift_ppm, 100000);
    assert_int_equal(world->clocks[1].drift_ppm, 0);
}

static void latencies_are_read(void **state)
{
    (void)state;
    struct tc_error err = {0};
    assert_int_equal(load_text(SIM("latency = uniform(0.001, 0.002)", "network"), &err), 0);
    assert_int_equal(scenario->world.network.latency.max_ns, 2000000);
    assert_int_equal(load_text(SIM("latency = log_normal(0.01, 0.5, 1)", "network"), &err), 0);
    assert_int_equal(scenario->world.network.latency.model, TC_SIM_LOG_NORMAL);
    assert_int_equal(scenario->world.network.latency.median_ns, 10000000);
    assert_int_equal(scenario->world.network.latency.sigma_milli, 500);
    assert_int_equal(scenario->world.network.latency.max_ns, 1000000000);
    assert_int_equal(load_text(SIM("bandwidth = 5", "network"), &err), 0);
    assert_true(scenario->world.has_network && !scenario->world.has_latency);
}

static void mistakes_in_models_have_a_line(void **state)
{
    (void)state;
    refused(4, SIM("latency = 5", "network"), "network.latency: expected uniform(least, most), constant(seconds)");
    refused(4, SIM("latncy = constant(1)", "network"), "did you mean 'latency'?");
    refused(4, SIM("latency = uniform(2, 1)", "network"), "expected least ≤ most");
    refused(4, SIM("latency = uniform(1)", "network"), "network.latency.most: expected seconds, found nothing");
    refused(4, SIM("latency = constant(\"1\")", "network"), "found the string \"1\"");
    refused(4, SIM("latency = log_normal(0.1)", "network"), "expected sigma, found nothing");
    refused(4, SIM("latency = log_normal(0.1, 7)", "network"), "a number from 0.001 to 3, found the number 7");
    refused(4, SIM("latency = { model = \"normal\" }", "network"), "expected uniform(least, most)");
    refused(4, SIM("latency = regions {}", "network"), "regions need replicas");
    refused(4, SIM("latency = regions { replicas = { \"a\" }, clients = { \"b\" } }", "network"),
            "network.latency.clients: no replica is in 'b'");
    refused(4, SIM("latency = regions {\nreplicas = { \"a\", \"b\" } }", "network"),
            "expected { \"a\", \"b\", seconds } too, found nothing");
    refused(5, SIM("latency = regions { replicas = { \"a\", \"b\" },\nlinks = { { \"a\", \"b\" } } }", "network"),
            "0 to 1000 seconds, found nothing");
    refused(4, SIM("latency = regions { replicas = { \"ab\", \"b\" }, links = { { \"ac\", \"b\", 1 } } }", "network"),
            "did you mean 'ab'?");
    refused(4, SIM("latency = regions { replicas = { 1 } }", "network"), "the name of a region, found the number 1");
    refused(3, SIM("loss_before_gst = 0.1", "network"), "loss and delay before gst need gst = seconds");
    refused(4, SIM("gst = 1, loss_before_gst = 2", "network"), "a number from 0 to 1, found the number 2");
    refused(4, SIM("sync = log_normal(1, 1)", "disk"), "disk.sync: expected uniform(least, most) or constant(seconds)");
    refused(4, SIM("slow = { nodes = { 4 }, by = 1 }", "disk"), "disk.slow.nodes: expected replicas");
    refused(4, SIM("slow = { by = 1 }", "disk"), "expected nodes = { … } too");
    refused(4, SIM("slow = { nodes = { 1 } }", "disk"), "disk.slow.by: expected seconds, found nothing");
    refused(4, SIM("unsynced = \"gone\"", "disk"), "\"some\" or \"lost\" or \"kept\", found the string \"gone\"");
    refused(3, SIM("offset = 1", "clocks"), "a list like { { node = 1, offset = 0.5 }");
    refused(3, SIM("{ offset = 1 }", "clocks"), "whose clock it is");
    refused(4, SIM("{ node = 200 }", "clocks"), "or clients (from 128) of the cluster, found the number 200");
    refused(4, SIM("{ node = 1, drift = 1 }", "clocks"), "a number from -0.1 to 0.1, found the number 1");
    refused(4, SIM("protocol = { \"pbtf\" }, n = { 4 }", "sweep"), "did you mean 'pbft'?");
    refused(4, SIM("protocol = { \"pbft\" }, n = { 4, 129 }", "sweep"), "2 to 128, found the number 129");
    refused(3, SIM("protocol = { \"pbft\" }", "sweep"), "sweep.n: expected a list of 1 to 32, found nothing");
}

static void rpc_is_an_address_or_a_url(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:26657",
                                       "tcp://127.0.0.1:26657/",
                                       "http://localhost",
                                       "[::1]:1",
                                       "http://[::1]",
                                       "https://a:443/rpc/x/",
                                       ""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[256];
        struct tc_error err = {0};
        snprintf(text, sizeof text,
                 "return scenario \"x\" { summary = \"s\", cluster = cluster { protocol = \"cometbft\", "
                 "replicas = { { id = 0, address = \"a:1\", rpc = \"%s\" }, { id = 1, address = \"a:2\" } } } }",
                 good[i]);
        assert_int_equal(load_text(text, &err), 0);
        assert_string_equal(scenario->cluster.nodes[0].rpc, good[i]);
    }
}

/* So that a log given for another replica's can be named by its line. */
static void lines_of_logs_are_known(void **state)
{
    (void)state;
    struct tc_error err = {0};
    assert_int_equal(
        load_text("return scenario \"x\" { summary = \"s\", cluster = cluster { protocol = \"cometbft\", replicas = {\n"
                  "  { id = 1, address = \"a:1\",\n    log = \"one.log\" },\n"
                  "  { id = 0, address = \"a:9\", log = \"zero.log\",\n    rpc = \"a:2\" } } } }",
                  &err),
        0);
    assert_int_equal(scenario->cluster.nodes[1].log_line, 3);
    assert_int_equal(scenario->cluster.nodes[0].log_line, 4);
    assert_int_equal(scenario->cluster.nodes[0].rpc_line, 5);
}

/* Other programs print keys with capitals. */
static void public_keys_have_either_case(void **state)
{
    (void)state;
    struct tc_error err = {0};
    char text[512], upper[65], lower[65];
    memset(upper, 'A', 64);
    memset(lower, 'a', 64);
    upper[64] = lower[64] = 0;
    snprintf(text, sizeof text,
             "return scenario \"x\" { summary = \"s\", cluster = cluster { client_keys = { \"%s\" }, "
             "replicas = { { id = 0, address = \"a:1\", public_key = \"%s\" }, { id = 1, address = \"a:2\" } } } }",
             upper, upper);
    assert_int_equal(load_text(text, &err), 0);
    assert_string_equal(scenario->cluster.nodes[0].public_key, lower);
    assert_string_equal(scenario->cluster.client_keys[0], lower);
}

/* What is refused before it runs is a mistake of the file as well, and no script that failed. */
static void a_file_with_a_power_is_a_mistake(void **state)
{
    (void)state;
    struct tc_error err = {0};
    assert_int_equal(load_text("return scenario \"x\" { summary = \"s\",\n traitors = 2^1 }", &err), TC_EUSAGE);
    assert_int_equal(err.code, TC_EUSAGE);
    assert_non_null(strstr(err.text, ":2: the operator ^"));
}

static void clusters_are_checked(void **state)
{
    (void)state;
#define HEAD "return scenario \"x\" { summary = \"s\", cluster =\n cluster { replicas = {\n"
    refused(3, HEAD "  { id = 0, address = \"127.0.0.1\" } } } }", "replicas[1].address: expected host:port");
    refused(4, HEAD "  { id = 0, address = \"a:1\" },\n  { id = 1, address = \"a:70000\" } } } }",
            "replicas[2].address: expected host:port (as in \"127.0.0.1:7000\"), found the string \"a:70000\"");
    refused(4, HEAD "  { id = 0, address = \"a:1\" },\n  { id = 0, address = \"a:2\" } } } }", "id 0 is given twice");
    refused(2, HEAD "  { id = 0, address = \"a:1\" },\n  { id = 2, address = \"a:2\" } } } }", "1 is missing");
    refused(3, HEAD "  { id = 0 } } } }", "expected host:port of replica 0");
    refused(3, HEAD "  { id = 0, adress = \"a:1\" } } } }", "did you mean 'address'?");
    static const char *const wrong[] = {"not an address", "a",         "a:0",     "a:99999", "http://",
                                        "http://a:x",     "ftp://a:1", "tcp://a", "a:1/b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        snprintf(text, sizeof text, HEAD "  { id = 0, address = \"a:1\", rpc = \"%s\" } } } }", wrong[i]);
        refused(3, text, "replicas[1].rpc: expected host:port or a URL");
    }
    refused(3, HEAD "  { id = 0, address = \"a:1\", public_key = \"12\" } } } }",
            "replicas[1].public_key: expected 64 hexadecimal digits, found the string \"12\"");
    refused(2, HEAD "  } } }", "expected 2 to 128, found 0");
    refused(2, HEAD "  { id = 0, address = \"a:1\" } } } }", "replicas: expected 2 to 128, found 1");
    refused(2, "return scenario \"x\" { summary = \"s\", cluster =\n cluster { protocol = \"pbft\" } }",
            "needs its replicas");
#undef HEAD
}

static void a_cluster_file_is_read(void **state)
{
    (void)state;
    struct tc_error err = {0};
    struct tc_cluster_spec *spec = calloc(1, sizeof *spec);
    int rc = tc_cluster_load(TC_SOURCE_LUA_DIR, TC_SOURCE_LUA_DIR "/clusters/example.lua", spec, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
    assert_false(spec->start);
    assert_int_equal(spec->cluster.n, 4);
    assert_int_equal(spec->cluster.f, 1);
    assert_int_equal(spec->cluster.client_count, 4);
    assert_int_equal(spec->listen_mode, TC_LISTEN_PER_DESTINATION);
    assert_string_equal(spec->nodes[2].address, "127.0.0.1:7002");
    assert_string_equal(spec->nodes[3].listen, "127.0.0.1:7103");
    assert_int_equal(tc_cluster_load(TC_SOURCE_LUA_DIR, "/nowhere.lua", spec, &err), TC_ENOT_FOUND);
    free(spec);
}

static void load_finds_files_beside_the_scenario(void **state)
{
    (void)state;
    struct tc_error err = {0};
    char cluster[64], text[512];
    write_file(cluster,
               "return cluster {\n replicas = { { id = 0, address = \"h:1\" }, { address = \"h:2\" } },\n nn = 3 }");
    snprintf(text, sizeof text, "return scenario \"x\" { summary = \"s\", cluster = load \"%s\" }",
             strrchr(cluster, '/') + 1);
    assert_int_equal(load_text(text, &err), TC_EUSAGE);
    assert_non_null(strstr(err.text, cluster)); /* the mistake is in the cluster's file, line 3 */
    assert_non_null(strstr(err.text, ":3: unknown key 'nn'"));
    unlink(cluster);
    write_file(cluster, "return cluster { replicas = { { id = 0, address = \"h:1\" }, { address = \"h:2\" } } }");
    snprintf(text, sizeof text, "return scenario \"x\" { summary = \"s\", cluster = load \"%s\" }",
             strrchr(cluster, '/') + 1);
    assert_int_equal(load_text(text, &err), 0);
    assert_string_equal(scenario->cluster.path, cluster);
    assert_string_equal(scenario->cluster.nodes[0].address, "h:1");
    unlink(cluster);
}

struct seen {
    size_t count;
    bool attacks;
};

static void check_one(void *self, const struct tc_script_info *info)
{
    struct seen *seen = self;
    struct tc_error err = {0};
    seen->count++;
    if (seen->attacks) {
        assert_true(strlen(info->summary) > 20);
        assert_true(strlen(info->verdict_sample) > 10);
        assert_true(strlen(info->source) > 10);
        assert_true(info->tag_count > 0);
        for (uint32_t i = 0; i < info->arg_count; i++)
            assert_true(strlen(info->args[i].help) > 5);
        return;
    }
    int rc = tc_scenario_load(TC_SOURCE_LUA_DIR, info->name, scenario, &err);
    if (rc)
        print_error("%s: %s\n", info->name, err.text);
    assert_int_equal(rc, 0);
    assert_string_equal(scenario->name, info->name);
    if (!scenario->attack[0])
        return;
    /* Its arguments are the attack's. */
    char path[512];
    const char *args[TC_SCRIPT_ARGS_MAX];
    for (uint32_t i = 0; i < scenario->arg_count; i++)
        args[i] = scenario->args[i];
    assert_int_equal(tc_script_find(TC_SOURCE_LUA_DIR, "attacks", scenario->attack, path, &err), 0);
    struct tc_script *script;
    struct tc_script_config config = {
        .path = path, .lua_dir = TC_SOURCE_LUA_DIR, .args = args, .arg_count = scenario->arg_count};
    rc = tc_script_load(&config, &script, &err);
    if (rc)
        print_error("%s: %s\n", info->name, err.text);
    assert_int_equal(rc, 0);
    tc_script_free(script);
}

static void the_library_loads(void **state)
{
    (void)state;
    struct seen attacks = {.attacks = true}, scenarios = {0};
    assert_int_equal(tc_script_each(TC_SOURCE_LUA_DIR, "attacks", check_one, &attacks), 0);
    assert_int_equal(tc_script_each(TC_SOURCE_LUA_DIR, "scenarios", check_one, &scenarios), 0);
    assert_true(attacks.count >= 14);
    assert_true(scenarios.count >= 22);
}

static void one_file_is_described(void **state)
{
    (void)state;
    struct tc_script_info info;
    struct tc_error err = {0};
    bool is_attack = false;
    assert_int_equal(tc_script_describe(TC_SOURCE_LUA_DIR, TC_SOURCE_LUA_DIR "/attacks/equivocate-half.lua", &info,
                                        &is_attack, &err),
                     0);
    assert_true(is_attack);
    assert_string_equal(info.name, "equivocate-half");
    assert_true(info.arg_count > 0 && info.needs_keys);
    assert_int_equal(
        tc_script_describe(TC_SOURCE_LUA_DIR, TC_SOURCE_LUA_DIR "/scenarios/hunt-pbft.lua", &info, &is_attack, &err),
        0);
    assert_false(is_attack);
    assert_string_equal(info.name, "hunt-pbft");
    assert_string_equal(info.protocol, "pbft");
    assert_true(info.summary[0]);
    assert_int_equal(tc_script_describe(TC_SOURCE_LUA_DIR, "./no-such-file.lua", &info, &is_attack, &err),
                     TC_ENOT_FOUND);
    assert_int_equal(tc_script_describe(TC_SOURCE_LUA_DIR, TC_SOURCE_LUA_DIR "/../README.md", &info, &is_attack, &err),
                     TC_EUSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_scenario_is_read),
        cmocka_unit_test(an_attack_alone_is_a_scenario),
        cmocka_unit_test(mistakes_have_a_line),
        cmocka_unit_test(models_are_read),
        cmocka_unit_test(latencies_are_read),
        cmocka_unit_test(mistakes_in_models_have_a_line),
        cmocka_unit_test(rpc_is_an_address_or_a_url),
        cmocka_unit_test(public_keys_have_either_case),
        cmocka_unit_test(a_file_with_a_power_is_a_mistake),
        cmocka_unit_test(clusters_are_checked),
        cmocka_unit_test(lines_of_logs_are_known),
        cmocka_unit_test(a_cluster_file_is_read),
        cmocka_unit_test(load_finds_files_beside_the_scenario),
        cmocka_unit_test(the_library_loads),
        cmocka_unit_test(one_file_is_described),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
