/* Scenario and cluster files: Lua files that return one table, read into plain C structs.
 *
 *   return scenario "equivocate-half" {
 *     summary  = "…",
 *     protocol = "pbft",
 *     cluster  = reference { n = 4, clients = 2, bug = nil },     -- or cluster { … }, or dofile-like load "file.lua"
 *     attack   = "equivocate-half",
 *     args     = { share = 1/2 },
 *     phases   = { before = 2, during = 5, after = 2 },           -- seconds
 *     traitors = 1,                                               -- at most; default f
 *     expect   = { verdict = "holds", evidence = true },
 *     thresholds = { ["decision_latency{phase:after}"] = { "p(99)<800ms" } },
 *     network  = { latency = uniform(0.01, 0.05), gst = 2, loss_before_gst = 0.01 },   -- these three: simulation only
 *     disk     = { sync = constant(0.001), slow = { nodes = { 2 }, by = 0.05 }, unsynced = "lost" },
 *     clocks   = { { node = 1, offset = 0.5, drift = 0.0002 } },
 *   }
 */
#ifndef TC_SCENARIO_H
#define TC_SCENARIO_H

#include "../proxy/error.h"
#include "../proxy/types.h"
#include "../reference/cluster.h"
#include "../reference/sim_models.h"
#include "script.h"

#define TC_ADDRESS_MAX     128
#define TC_PATH_MAX        512
#define TC_PUBLIC_KEY_TEXT 65 /* 64 hexadecimal digits, small letters */
/* One replica has nobody to talk to, and a quorum of one decides before anybody hears of it: nothing of that is between
 * replicas, where it could be attacked, or seen and judged. */
#define TC_CLUSTER_N_MIN      2
#define TC_CLUSTER_QUORUM_MIN 2

/* A node of a cluster that runs already, or that we start. */
struct tc_cluster_node {
    uint16_t id;
    char address[TC_ADDRESS_MAX]; /* host:port where it really listens; "" = we choose */
    char listen[TC_ADDRESS_MAX];  /* host:port where the proxy listens for it (per-destination mode); "" = we choose */
    uint16_t link_ports[TC_REPLICAS_MAX]; /* by dialler: port of the proxy's listener for it; 0 = not told */
    char key[TC_PATH_MAX];                /* file with its secret key; "" = not held */
    char public_key[TC_PUBLIC_KEY_TEXT];  /* hex; "" = not given */
    char log[TC_PATH_MAX];                /* file or FIFO with its JSON lines; "" = none */
    char rpc[TC_PATH_MAX];
    uint32_t address_line, listen_line, log_line, rpc_line; /* of the file in which they stand */
    char home[TC_PATH_MAX];
};

enum tc_listen_mode {
    TC_LISTEN_PER_LINK = 0,   /* one listener per (dialler, destination): the address names the link */
    TC_LISTEN_PER_DESTINATION /* one listener per destination; the protocol's hello names the dialler */
};

enum tc_load_mode { TC_LOAD_CLOSED = 0, TC_LOAD_OPEN };

/* The client load of a cluster that we start. */
struct tc_load {
    enum tc_load_mode mode;
    uint32_t clients;
    double rate_per_s;    /* open loop: operations a second over all clients */
    uint32_t value_bytes; /* size of written values */
    uint32_t keys;        /* how many different keys */
    uint64_t think_ns;    /* closed loop: pause between operations of one client */
};

struct tc_cluster_spec {
    char path[TC_PATH_MAX]; /* file it was read from; "" inline */
    char protocol[TC_NAME_MAX];
    bool start; /* reference { … }: we start it; cluster { … }: it runs already */
    struct tc_cluster cluster;
    struct tc_cluster_node nodes[TC_REPLICAS_MAX];
    char client_keys[TC_NODES_MAX - TC_CLIENT_FIRST][65]; /* hex; "" = not given */
    enum tc_listen_mode listen_mode;
    char listen_host[TC_ADDRESS_MAX]; /* "" = 127.0.0.1, or 127.(64+from).to.1 per link */
    char bug[TC_NAME_MAX];            /* seeded bug, "" none */
    char version[32];                 /* of a program that is not ours, e.g. "v0.38.25"; "" its default */
    char application[TC_NAME_MAX];    /* what CometBFT replicates: "kvstore", "noop"; "" its default */
    uint32_t vote_extensions;         /* CometBFT: from this height on; 0 none */
    char data_dir[TC_PATH_MAX];       /* for replica state; "" = tmpfs if there is one */
};

/* What a scenario says of the simulated world. What it leaves open is the simulation's own (tc_sim_defaults); the live
 * world has a real network, real disks and one real clock, and takes nothing from here. */
struct tc_world_spec {
    bool has_network, has_disk, has_clocks; /* said at all */
    bool has_latency, has_sync;             /* network.latency, disk's sync times */
    struct tc_sim_network network;
    struct tc_sim_disk disk;
    struct tc_sim_clock clocks[TC_NODES_MAX];
};

#define TC_SWEEP_SIZES_MAX     32
#define TC_SWEEP_PROTOCOLS_MAX 16

/* The same simulation for every protocol and number of replicas, to count what a decision costs. */
struct tc_sweep_spec {
    char protocols[TC_SWEEP_PROTOCOLS_MAX][TC_NAME_MAX];
    uint32_t protocol_count; /* 0: no sweep */
    uint32_t n[TC_SWEEP_SIZES_MAX];
    uint32_t n_count;
    uint32_t decisions; /* counted at each point */
};

struct tc_threshold_spec {
    char metric[128];    /* e.g. decision_latency{phase:after} */
    char condition[128]; /* e.g. p(99)<800ms */
    uint32_t line;       /* of the scenario's file */
};

#define TC_THRESHOLDS_MAX 32

struct tc_scenario {
    char name[TC_NAME_MAX];
    char path[TC_PATH_MAX];
    char summary[512];
    struct tc_cluster_spec cluster;
    struct tc_load load;
    char attack[TC_PATH_MAX];           /* name or path; "" none */
    char args[TC_SCRIPT_ARGS_MAX][192]; /* name=value */
    uint32_t arg_count;
    uint64_t phase_ns[TC_RUN_PHASE_COUNT];
    int32_t traitors_max;    /* -1 = f */
    char expect_verdict[32]; /* holds, violated, expected; "" = holds */
    enum tc_expect expect_evidence;
    struct tc_threshold_spec thresholds[TC_THRESHOLDS_MAX];
    uint32_t threshold_count;
    uint64_t recovery_bound_ns; /* 0 = the protocol's */
    struct tc_world_spec world;
    struct tc_sweep_spec sweep;
};

/* Reads a scenario. `name` is a scenario's name or path, or an attack's name (then defaults). TC_EUSAGE: file, line,
 * expected, found; TC_ESCRIPT, TC_ENOT_FOUND. */
int tc_scenario_load(const char *lua_dir, const char *name, struct tc_scenario *out, struct tc_error *err);

/* Reads a cluster file. Errors as tc_scenario_load. */
int tc_cluster_load(const char *lua_dir, const char *path, struct tc_cluster_spec *out, struct tc_error *err);

/* Name and summary of every attack (or scenario) of the library and of `extra_dir` (may be NULL), sorted by name;
 * `each` is called for each. A file that does not load is reported with summary = its error. */
typedef void tc_script_each_fn(void *self, const struct tc_script_info *info);
int tc_script_each(const char *lua_dir, const char *kind, tc_script_each_fn *each, void *self);

/* Does `name` mean a file, and not one of the library's? It has a slash in it, or ends in ".lua". */
bool tc_script_is_path(const char *name);

/* Says the same of one file: of an attack all that it declares, of a scenario name, summary and protocol. The name is
 * the file's. Errors as tc_scenario_load gives them: the file is to be mended first. */
int tc_script_describe(const char *lua_dir, const char *path, struct tc_script_info *out, bool *is_attack,
                       struct tc_error *err);

#endif
