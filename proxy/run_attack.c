/* Who decides what becomes of messages in a run: the scenario's script, a strategy of the hunt, or decisions recorded
 * earlier; and what decisions.jsonl says of them, so that they can be repeated. */
#include "run_internal.h"

#include "../lua/script.h"
#include "../reference/bugs.h"

#include <stdio.h>
#include <string.h>

int tc_run_script(struct tc_run *run, struct tc_script **out, struct tc_error *err)
{
    const char *args[TC_SCRIPT_ARGS_MAX];
    for (uint32_t i = 0; i < run->scenario->arg_count; i++)
        args[i] = run->scenario->args[i];
    struct tc_script_config config = {
        .path = run->attack_path,
        .lua_dir = run->request->lua_dir,
        .protocol = run->protocol,
        .env = run->env,
        .ledger = &run->ledger,
        .seed = run->request->seed,
        .args = args,
        .arg_count = run->scenario->arg_count,
    };
    return tc_script_load(&config, out, err);
}

/* "sha256 0123456789ab…" of the file as it is now, to be compared with what sha256sum says. */
static void digest_of(const char *path, char text[static 24])
{
    struct tc_buf whole = {0};
    char piece[8192];
    uint8_t digest[32];
    FILE *file = fopen(path, "rbe");
    snprintf(text, 24, "unreadable");
    for (size_t n; file && (n = fread(piece, 1, sizeof piece, file)) > 0;)
        tc_buf_bytes(&whole, piece, n);
    if (file && !ferror(file) && !whole.failed) {
        tc_digest_sha256((struct tc_slice){(const uint8_t *)tc_buf_get(&whole), whole.len}, digest);
        snprintf(text, 24, "sha256 %02x%02x%02x%02x%02x%02x…", digest[0], digest[1], digest[2], digest[3], digest[4],
                 digest[5]);
    }
    if (file)
        fclose(file);
    tc_buf_free(&whole);
}

/* Said where the run is said, and kept for the report: from now on another file attacks than the one it began with. */
static void note_reload(struct tc_run *run)
{
    char digest[24], text[TC_PATH_MAX + 64];
    const uint64_t now_ns = tc_run_now_ns(run);
    const size_t used = strlen(run->reloads);
    digest_of(run->attack_path, digest);
    snprintf(text, sizeof text, "reloaded %s (%s)", run->attack_path, digest);
    fprintf(stderr, "turncoat: %s\n", text);
    const struct tc_observation o = {.kind = TC_OBS_NOTE, .node = TC_NODE_NONE, .peer = TC_NODE_NONE, .text = text};
    tc_live_tell_fact(run->live, &o);
    if (used == 0)
        snprintf(run->reloads, sizeof run->reloads, "the attack was %s (%s)", run->attack_path, run->attack_digest);
    const size_t begun = strlen(run->reloads);
    snprintf(run->reloads + begun, sizeof run->reloads - begun, ", and from %.1f s on %s", (double)now_ns / 1e9,
             digest);
}

int tc_run_reload(void *self, const struct tc_handler **handler, struct tc_error *err)
{
    struct tc_run *run = self;
    struct tc_script *fresh = NULL;
    int result = run->script ? tc_run_script(run, &fresh, err)
                             : tc_error_set(err, TC_ENOT_FOUND, "there is no script to reload");
    if (result < 0) {
        fprintf(stderr, "turncoat: reload refused, the script stays as it is: %s\n", err->text);
        return result;
    }
    tc_script_free(run->reloaded); /* the engine has left it behind: only the newest handler is in use */
    run->reloaded = run->script;
    run->script = fresh;
    *handler = tc_script_handler(fresh);
    note_reload(run);
    return 0;
}

/* An attack that signs, in a cluster of whose replicas no secret key is held, could only fail later. */
static int check_keys(const struct tc_run *run, struct tc_error *err)
{
    if (!tc_script_info(run->script)->needs_keys)
        return 0;
    for (uint32_t node = 0; node < run->cluster.n; node++)
        if (tc_keyring_has_secret(run->keys, node))
            return 0;
    return tc_error_set(err, TC_EKEY, "attack '%s' signs as the traitors, but no replica's secret key is held: %s%s%s",
                        tc_script_info(run->script)->name, run->key_missing.code ? "" : run->scenario->cluster.path,
                        run->key_missing.code      ? ""
                        : run->protocol->transport ? ": give the replicas home = \"DIR\""
                                                   : ": give the replicas key = \"FILE\"",
                        run->key_missing.text);
}

static int open_script(struct tc_run *run, struct tc_error *err)
{
    const struct tc_scenario *scenario = run->scenario;
    if (!scenario->attack[0])
        return 0;
    int result = tc_script_find(run->request->lua_dir, "attacks", scenario->attack, run->attack_path, err);
    if (result == 0)
        result = tc_run_script(run, &run->script, err);
    if (result == 0)
        run->handler = tc_script_handler(run->script);
    digest_of(run->attack_path, run->attack_digest);
    return result == 0 ? check_keys(run, err) : result;
}

/* As proxy/trial.c does it: a run of a hunt and its repetition here are the same run. */
static struct tc_adversary_config strategy_config(struct tc_run *run)
{
    const struct tc_run_request *request = run->request;
    return (struct tc_adversary_config){.protocol = run->protocol,
                                        .env = run->env,
                                        .ledger = &run->ledger,
                                        .seed = request->seed,
                                        .index = request->header ? request->header->index : 0,
                                        .limits =
                                            request->header ? request->header->limits : (struct tc_adversary_limits){0},
                                        .bugs = tc_bug_bit_of(run->scenario->cluster.bug)};
}

/* A strategy may dictate who leads; a replay of its decisions is in the same world. */
static void settle_leaders(struct tc_run *run)
{
    const struct tc_run_request *request = run->request;
    const struct tc_adversary_class *strategy = request->strategy;
    if (!strategy && request->replay && request->header)
        strategy = tc_adversary_find(request->header->strategy);
    if (!strategy || !strategy->settle || !request->simulated)
        return;
    run->env.leader = tc_protocol_dictated_leader;
    const struct tc_adversary_config config = strategy_config(run);
    strategy->settle(&config, &run->cluster);
}

static int open_strategy(struct tc_run *run, struct tc_error *err)
{
    const struct tc_run_request *request = run->request;
    const struct tc_adversary_config config = strategy_config(run);
    run->adversary = request->strategy->create(&config);
    if (!run->adversary)
        return tc_error_set(err, TC_EMEMORY, "no memory for the strategy %s", request->strategy->name);
    run->handler = request->strategy->handler(run->adversary);
    return 0;
}

static int open_replay(struct tc_run *run, struct tc_error *err)
{
    const int result = tc_replay_new(run->request->replay, &run->replay);
    if (result < 0)
        return tc_error_set(err, result, "no memory for a replay");
    if (run->request->simulated) {
        run->handler = tc_replay_begin(run->replay, run->request->left_out, &run->ledger);
        return 0;
    }
    run->handler = tc_replay_begin_elsewhere(run->replay, run->request->left_out, &run->ledger);
    return tc_run_resign_open(run, err);
}

int tc_run_attack_open(struct tc_run *run, struct tc_error *err)
{
    const struct tc_scenario *scenario = run->scenario;
    run->ledger.traitors_max = scenario->traitors_max >= 0 ? (uint32_t)scenario->traitors_max : run->cluster.f;
    settle_leaders(run);
    if (run->request->replay)
        return open_replay(run, err);
    return run->request->strategy ? open_strategy(run, err) : open_script(run, err);
}

void tc_run_attack_close(struct tc_run *run)
{
    tc_script_free(run->reloaded);
    tc_script_free(run->script);
    if (run->adversary)
        run->request->strategy->destroy(run->adversary);
    tc_run_resign_close(run);
    tc_replay_free(run->replay);
    tc_tape_free(&run->tape);
}

const char *tc_run_attack_name(const struct tc_run *run)
{
    return run->handler && run->handler->name ? run->handler->name : "";
}

const char *tc_run_attack_summary(const struct tc_run *run)
{
    if (run->script)
        return tc_script_info(run->script)->summary;
    if (run->replay)
        return "Decisions of an earlier run, taken again.";
    return run->adversary ? run->request->strategy->summary : "";
}

int tc_run_content(const struct tc_scenario *scenario, const char *lua_dir, uint64_t *hash, struct tc_error *err)
{
    char attack[512] = "";
    int result = 0;
    if (scenario->attack[0])
        result = tc_script_find(lua_dir, "attacks", scenario->attack, attack, err);
    const char *const paths[] = {scenario->path, attack};
    return result < 0 ? result : tc_decisions_content(paths, 2, hash, err);
}

/* ---- decisions.jsonl ---- */

static void before(void *self, struct tc_buf *lines)
{
    struct tc_run *run = self;
    for (; run->tape_next < run->tape.item_count; run->tape_next++) {
        const struct tc_tape_item *item = &run->tape.items[run->tape_next];
        if (item->decision == 0)
            tc_decisions_item_line(lines, &run->tape, item);
    }
}

static void more(void *self, struct tc_buf *line, const struct tc_decision *decision)
{
    const struct tc_run *run = self;
    tc_decisions_more(line, &run->tape, decision);
}

static void fill_header(const struct tc_run *run, struct tc_decisions_header *h)
{
    const struct tc_run_request *request = run->request;
    snprintf(h->version, sizeof h->version, "%s", TC_VERSION);
    snprintf(h->path, sizeof h->path, "%s", run->scenario->path);
    snprintf(h->protocol, sizeof h->protocol, "%s", run->protocol->name);
    snprintf(h->world, sizeof h->world, "%s", request->simulated ? "sim" : "live");
    snprintf(h->signatures, sizeof h->signatures, "%s",
             request->simulated && !request->ed25519 ? "keyed-hash" : "ed25519");
    snprintf(h->bug, sizeof h->bug, "%s", request->bug ? request->bug : "");
    if (request->strategy)
        snprintf(h->strategy, sizeof h->strategy, "%s", request->strategy->name);
    h->seed = request->seed;
    snprintf(h->rule, sizeof h->rule, "%s", tc_run_attack_name(run));
    h->kinds = run->handler ? run->handler->kinds : 0;
    h->calls = run->handler ? run->handler->calls : 0;
    h->always = run->handler && run->handler->always;
    h->goes_on = run->handler && run->handler->goes_on;
}

int tc_run_decisions_begin(struct tc_run *run, struct tc_error *err)
{
    const struct tc_run_request *request = run->request;
    if (!request->header)
        return 0;
    struct tc_decisions_header header = *request->header;
    struct tc_buf line = {0};
    int result = tc_run_content(run->scenario, request->lua_dir, &header.content, err);
    if (result < 0)
        return result;
    fill_header(run, &header);
    tc_decisions_header_line(&line, &header);
    if (line.failed) {
        tc_buf_free(&line);
        return tc_error_set(err, TC_EMEMORY, "no memory for decisions.jsonl");
    }
    const struct tc_recorder_extra extra = {run, before, more};
    tc_recorder_extend(run->recorder, tc_buf_get(&line), request->simulated ? &extra : NULL);
    tc_buf_free(&line);
    if (request->simulated) {
        tc_tape_init(&run->tape);
        run->handler = tc_tape_record(&run->tape, run->handler, &run->ledger);
    }
    return 0;
}

const char *tc_run_rule(const struct tc_finding *finding, char *buffer, size_t size)
{
    size_t len = 0;
    if (size > 0 && strncmp(finding->because, "rule ", 5) == 0) {
        len = strcspn(finding->because + 5, " (,;:");
        len = len < size ? len : size - 1;
        memcpy(buffer, finding->because + 5, len);
    }
    if (size > 0)
        buffer[len] = 0;
    return buffer;
}

void tc_run_decisions_end(struct tc_run *run, const struct tc_verdict_summary *summary, int exit_code)
{
    if (!run->request->header || !run->request->simulated)
        return;
    const struct tc_recorder_seen seen = tc_recorder_seen(run->recorder);
    struct tc_decisions_end *end = &run->end;
    struct tc_buf line = {0};
    *end = (struct tc_decisions_end){
        .decisions = seen.decisions, .observations = seen.observations, .exit_code = exit_code};
    snprintf(end->verdict, sizeof end->verdict, "%s", tc_status_name(summary->status));
    if (summary->first) {
        snprintf(end->oracle, sizeof end->oracle, "%s", summary->first->oracle);
        tc_run_rule(summary->first, end->rule, sizeof end->rule);
    }
    if (run->tape.full) /* a reader counts what it finds, and says that it is too little */
        fprintf(stderr, "turncoat: too much was decided: decisions.jsonl cannot be replayed\n");
    /* What the attack said last may still have to be written: then it is part of the hash too. */
    tc_recorder_end_decisions(run->recorder, "");
    end->hash = tc_recorder_seen(run->recorder).hash;
    tc_decisions_end_line(&line, end);
    tc_recorder_end_decisions(run->recorder, tc_buf_get(&line));
    tc_buf_free(&line);
}
