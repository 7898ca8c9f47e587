/* What the files run*.c share. */
#ifndef TC_RUN_INTERNAL_H
#define TC_RUN_INTERNAL_H

#include "../oracles/judge.h"
#include "../oracles/metrics.h"
#include "../reference/sim.h"
#include "../reports/recorder.h"
#include "capture_read.h"
#include "driver.h"
#include "launch.h"
#include "live.h"
#include "run.h"
#include "shell.h"

#include <signal.h>

/* What was heard of one replica's votes, to tell by whom they are said first: run_voice.c. */
struct tc_run_voice {
    uint64_t sequence, view, begun;
    uint32_t type, times;
    uint16_t other;
    bool own;
};

struct tc_run {
    const struct tc_run_request *request;
    const struct tc_scenario *scenario;
    struct tc_cluster cluster; /* defaults applied */
    const struct tc_protocol *protocol;
    const struct tc_driver *driver;
    struct tc_protocol_env env;
    struct tc_keyring *keys;
    struct tc_error key_missing; /* of the first key file that is listed but not there: only attacks that sign mind */
    struct tc_ledger ledger;
    uint8_t (*peer_keys)[64];     /* of encrypted links: what proves us to be each replica; secret */
    uint8_t transport_secret[32]; /* what ephemeral keys of encrypted connections come from */
    struct tc_script *script;     /* NULL: no attack */
    char attack_path[TC_PATH_MAX];
    struct tc_script *reloaded; /* gave way to `script` on SIGHUP */
    char attack_digest[24];     /* of the file as the run began */
    char reloads[512];          /* which files attacked, and since when; "" it was one all the time */
    /* in the place of a script, or around it: run_attack.c */
    struct tc_adversary *adversary;
    struct tc_replay *replay;
    struct tc_resign *resign;         /* live, with a replay: run_resign.c */
    struct tc_tape tape;              /* simulation, with a header: all that the attack answers */
    uint32_t tape_next;               /* the first item whose line, if it has one of its own, is not written yet */
    const struct tc_handler *handler; /* what the engine is given; NULL: no attack */
    struct tc_decisions_end end;
    struct tc_engine *engine;
    struct tc_judge *judge;
    struct tc_metrics *metrics;
    struct tc_recorder *recorder;
    struct tc_keeper *keeper;
    struct tc_launch *launch;
    struct tc_follow *follow;  /* asks the nodes; NULL: none can be asked */
    struct tc_nodeset lacking; /* nodes whose answers left something out, or ceased */
    struct tc_live *live;      /* or */
    struct tc_sim *sim;        /* or */
    struct tc_checking *checking;
    struct tc_live_listener *listeners;
    size_t listener_count;
    char dir[512];
    /* for the lines on the terminal */
    enum tc_run_phase phase;
    uint64_t phase_begin_ns;
    uint64_t decisions_at_phase;
    bool live_line_shown;
    char last_note[512];                     /* shown at the end: what an attack found is said in its last words */
    char logs[TC_REPLICAS_MAX][TC_PATH_MAX]; /* of nodes that others started, from where the cluster file stands */
    /* for clusters that others started */
    struct tc_nodeset keys_checked, strangers; /* strangers: say that they are of another cluster */
    uint8_t keys_wrong[TC_NODES_MAX];          /* of a capture: messages of each that do not bear its signature */
    struct tc_run_voice voices[TC_REPLICAS_MAX];
    struct tc_nodeset crowded;  /* they tell of more validators than the file has replicas */
    unsigned stranger_votes;    /* of validators whose key nobody's here is */
    struct tc_run_links *links; /* of encrypted links: what was said of each */
    bool mistake;               /* the cluster file is wrong: the run ends, nobody is blamed */
};

/* Fills listeners: one per ordered pair of replicas and one per replica for clients, or one per destination.
 * TC_EMEMORY, TC_EUSAGE. */
int tc_run_listeners(struct tc_run *run, struct tc_error *err);

/* The proxy's address that `from` must dial to reach `to`; "" if there is none. */
const char *tc_run_dialled(void *run, uint16_t from, uint16_t to);

/* Where `node` really listens. */
const char *tc_run_node_address(void *run, uint16_t node);

/* A path in a cluster file is relative to that file. */
void tc_run_beside(const char *file, const char *path, char out[static TC_PATH_MAX]);

/* ---- run_peers.c: encrypted peer links ---- */

/* Keys from the launcher, from home directories, or our own. TC_EKEY, TC_EUSAGE: which file, and what was expected. */
int tc_run_peers_open(struct tc_run *run, struct tc_error *err);
int tc_run_peers_configure(void *run, struct tc_transport_config *config,
                           struct tc_error *err); /* tc_engine_transport */
void tc_run_peers_id(const struct tc_run *run, uint16_t node,
                     char id[static TC_IDENTITY_ID_SIZE]); /* as which its peers will know us */
void tc_run_peers_close(struct tc_run *run);

/* ---- run_links.c: what is wrong with a link, said once ---- */

#define TC_RUN_LINK_TEXT_MAX 768

/* For protocols with encrypted links; else nothing. TC_EMEMORY. */
int tc_run_links_open(struct tc_run *run, struct tc_error *err);
/* True: `text` is a line that the user should see. A link that never came up by the time that the attack begins, or the
 * run ends, is hidden from the judge, which is told. Call before the judge sees the observation. */
bool tc_run_links_observe(struct tc_run *run, const struct tc_observation *observation,
                          char text[static TC_RUN_LINK_TEXT_MAX]);
/* `run` is a struct tc_run: each link is up, or known is why it is not (struct tc_world_plan). */
bool tc_run_links_known(void *run);
/* The next link that is not up when the attack begins, from *at on (0 at first); false: no more. */
bool tc_run_links_missing(struct tc_run *run, uint32_t *at, char text[static TC_RUN_LINK_TEXT_MAX]);
/* Before the verdict: a peer of a running cluster that took connections, and with which no handshake ever came to its
 * end, leaves the run inconclusive. */
void tc_run_links_end(struct tc_run *run);
void tc_run_links_close(struct tc_run *run);

/* Public keys of all nodes, secret keys of those we hold. */
int tc_run_keys(struct tc_run *run, struct tc_error *err);

/* What the scenario says that only the simulation can do, and this run does not: a sentence in `text`, or NULL. */
const char *tc_run_unused_models(const struct tc_run *run, char text[static 200]);

/* The head lines (cluster, attack, seed). */
void tc_run_show_head(const struct tc_run *run);

/* Looks for mistakes of the cluster file in what is said; on finding one it ends the run with TC_EUSAGE. */
void tc_run_check(struct tc_run *run, const struct tc_observation *observation);

/* The same for what a node says of itself when it is asked: its network, and (NULL: not said) the key it signs with. */
void tc_run_check_identity(struct tc_run *run, uint16_t node, const char *network, const uint8_t *public_key);

/* The replica that says the votes of this message's signer before the signer does, time and again; else
 * TC_NODE_NONE. For messages that nothing was done to. */
uint16_t tc_run_voice(struct tc_run *run, const struct tc_message *m);
/* At the end: votes too few to tell whether keys are swapped leave the run inconclusive. */
void tc_run_voice_end(struct tc_run *run);

/* Says which logs are missing, and that the run waits for the first decision. */
void tc_run_show_logs(const struct tc_run *run);

/* ---- run_attack.c: who decides what becomes of messages, and what decisions.jsonl says of it ---- */

/* Loads the script, strategy or replay. */
int tc_run_attack_open(struct tc_run *run, struct tc_error *err);
void tc_run_attack_close(struct tc_run *run);
int tc_run_script(struct tc_run *run, struct tc_script **out, struct tc_error *err); /* a fresh one */
/* SIGHUP (tc_live_config.reload): the new file takes the old one's place only if it loads. */
int tc_run_reload(void *run, const struct tc_handler **handler, struct tc_error *err);
/* Puts itself around the replay's handler. TC_EMEMORY. */
int tc_run_resign_open(struct tc_run *run, struct tc_error *err);
void tc_run_resign_close(struct tc_run *run);
const char *tc_run_attack_name(const struct tc_run *run); /* "" none */
const char *tc_run_attack_summary(const struct tc_run *run);
/* Begins and ends decisions.jsonl, if the request has a header. */
int tc_run_decisions_begin(struct tc_run *run, struct tc_error *err);
void tc_run_decisions_end(struct tc_run *run, const struct tc_verdict_summary *summary, int exit_code);

/* A sink that feeds oracles, metrics, recorder and the terminal. */
struct tc_sink tc_run_sink(struct tc_run *run);

/* ---- run_end.c ---- */

/* Ends oracles and metrics, writes and prints the report. `ended`: 0, or the error that ended the run, `why`. */
void tc_run_report(struct tc_run *run, int ended, const struct tc_error *why, struct tc_run_result *result);

/* ---- run_follow.c: what nodes answer when they are asked ---- */

bool tc_run_follows(const struct tc_run *run);     /* is there a node that can be asked? */
uint32_t tc_run_telling(const struct tc_run *run); /* replicas that tell what they execute: printed, or when asked */
bool tc_run_tells_complaints(const struct tc_run *run); /* will anybody say that a signature is bad? */
#define TC_RUN_LEFT_OUT_MAX 480

/* What the nodes left out of their answers, as one line for the report: whole entries, the last "and 3 more" if there
 * is no room for all; "" if nothing. Call it while the world is open. */
const char *tc_run_left_out(const struct tc_run *run, char text[static TC_RUN_LEFT_OUT_MAX]);
struct tc_live_feed tc_run_feed(struct tc_run *run);

/* ---- run_sim.c: the same for the simulation world ---- */

/* Keys of all nodes. TC_EUSAGE: the scenario's cluster is not ours to simulate. */
int tc_run_sim_keys(struct tc_run *run, struct tc_error *err);
int tc_run_sim_open(struct tc_run *run, struct tc_error *err);
int tc_run_sim(struct tc_run *run, struct tc_error *err);
uint64_t tc_run_now_ns(const struct tc_run *run); /* of either world */

/* ---- run_capture.c: the same for the capture world ---- */

/* Reads where the nodes of the cluster file listen, and opens the observations beside the capture. TC_EUSAGE. */
int tc_run_check_open(struct tc_run *run, struct tc_error *err);
int tc_run_check_world(struct tc_run *run, struct tc_error *err);
/* What the capture world has no ground truth for. */
void tc_run_check_judge(const struct tc_run *run, struct tc_judge_config *config);
/* Ends the reading: tc_run_check_world returns this error. */
void tc_run_check_refuse(struct tc_run *run, const struct tc_error *err);
void tc_run_check_show(const struct tc_run *run);
/* What could not be read, for the report. The texts live until the next run. */
/* What the capture lacks, in words; NULL if it is whole. */
const char *tc_run_check_partial(const struct tc_run *run, char text[static 240]);
void tc_run_check_notes(const struct tc_run *run, struct tc_run_info *info);
uint64_t tc_run_check_now_ns(const struct tc_run *run);
void tc_run_check_close(struct tc_run *run);

/* run_watch.c: gives what passes the interface to `take`, until the time is up or *interrupted. `dropped`: packets that
 * the kernel had no room for. Errors as tc_capture_live_open. */
int tc_run_watch(struct tc_run *run, tc_capture_segment_fn *take, void *world, struct tc_capture_counts *counts,
                 const volatile sig_atomic_t *interrupted, uint64_t *dropped, struct tc_error *err);

/* ---- run_describe.c ---- */

/* Writes cluster.lua into the run directory: what `turncoat check` must know of the cluster to judge the trace. */
int tc_run_describe_cluster(struct tc_run *run, struct tc_error *err);

/* run_show.c: the line that repeats the run, as a shell takes it. */
void tc_run_repeat(const struct tc_run_request *request, char *line, size_t size);

/* Closes the last phase's line. */
void tc_run_show_end(struct tc_run *run);

#endif
