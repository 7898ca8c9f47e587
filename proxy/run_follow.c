/* The nodes are asked what they decided: executions, state digests, members and evidence beside what they print, or in
 * the place of it where their output cannot be read. */
#include "follow.h"
#include "nodeset.h"
#include "run_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PERIOD_NS        UINT64_C(100000000) /* between two questions where nothing else tells of decisions */
#define PERIOD_BESIDE_NS UINT64_C(400000000) /* where every node prints them as well */

static const char *address(void *self, uint16_t node)
{
    const struct tc_run *run = self;
    return run->launch ? tc_launch_rpc(run->launch, node) : run->scenario->cluster.nodes[node].rpc;
}

static bool can_ask(const struct tc_run *run, uint16_t node)
{
    if (!run->driver->rpc || run->request->simulated || run->request->check)
        return false;
    const char *where = address((void *)(uintptr_t)run, node);
    return where && *where;
}

bool tc_run_follows(const struct tc_run *run)
{
    for (uint16_t node = 0; node < run->cluster.n; node++)
        if (can_ask(run, node))
            return true;
    return false;
}

/* Do we read what it prints? Nodes of ours all do, be they simulated or processes. */
static bool prints(const struct tc_run *run, uint16_t node)
{
    const struct tc_cluster_spec *spec = &run->scenario->cluster;
    return run->driver->parse_line && (run->request->simulated || spec->start || spec->nodes[node].log[0]);
}

uint32_t tc_run_telling(const struct tc_run *run)
{
    uint32_t count = 0;
    for (uint16_t node = 0; node < run->cluster.n; node++)
        count += prints(run, node) || can_ask(run, node);
    return count;
}

bool tc_run_tells_complaints(const struct tc_run *run)
{
    bool tells = run->request->verify_all;
    for (uint16_t node = 0; node < run->cluster.n; node++)
        tells |= run->driver->prints_complaints && prints(run, node);
    return tells;
}

static bool all_print(const struct tc_run *run)
{
    for (uint16_t node = 0; node < run->cluster.n; node++)
        if (!run->launch && !run->scenario->cluster.nodes[node].log[0])
            return false;
    return true;
}

/* Do more than f nodes answer, and left nothing out? One of them is correct then, and what it tells of a block's
 * members and evidence is what any other would: the block's hash covers both. */
static bool is_told_by_others(const struct tc_run *run)
{
    uint32_t count = 0;
    for (uint16_t node = 0; node < run->cluster.n; node++)
        count += can_ask(run, node) && !tc_nodeset_has(&run->lacking, node);
    return count > run->cluster.f;
}

/* What one node leaves out, perhaps because it lies, is said; it is a loss if not enough others are left who tell. */
static void tell(void *self, const struct tc_observation *observation)
{
    struct tc_run *run = self;
    struct tc_observation o = *observation;
    if (o.kind == TC_OBS_OVERFLOW) {
        tc_nodeset_add(&run->lacking, o.node);
        if (is_told_by_others(run))
            o.kind = TC_OBS_NOTE;
    }
    tc_live_tell_fact(run->live, &o);
}

/* Entries of one line: whole ones, as many as find room, and how many more there are. */
struct entries {
    char *text;
    size_t size;
    uint32_t unsaid;
};

#define UNSAID_SIZE sizeof "; and 4294967295 more" /* room that is kept for it */

/* "; replica 2: no state of the application for 3 heights", behind what is there. Once one found no room, none is said:
 * what is said is the beginning. */
static void say_count(struct entries *entries, uint16_t node, const char *what, uint64_t count)
{
    char entry[160];
    const size_t len = strlen(entries->text);
    if (count == 0)
        return;
    const int need = snprintf(entry, sizeof entry, "%s replica %u: %s for %" PRIu64 " height%s",
                              len ? ";" : "asked over rpc,", node, what, count, count == 1 ? "" : "s");
    if (entries->unsaid > 0 || len + (size_t)need + UNSAID_SIZE > entries->size)
        entries->unsaid++;
    else
        memcpy(entries->text + len, entry, (size_t)need + 1);
}

const char *tc_run_left_out(const struct tc_run *run, char text[static TC_RUN_LEFT_OUT_MAX])
{
    struct entries entries = {.text = text, .size = TC_RUN_LEFT_OUT_MAX};
    text[0] = '\0';
    for (uint16_t node = 0; run->follow && node < run->cluster.n; node++) {
        const struct tc_rpc_left_out *left = tc_follow_left_out(run->follow, node);
        if (!left)
            continue;
        say_count(&entries, node, "no members or evidence", left->details);
        say_count(&entries, node, "members or evidence that are not its block's", left->false_words);
        say_count(&entries, node, "evidence that could not be checked", left->unchecked);
        say_count(&entries, node, "no state of the application", left->states);
    }
    const size_t len = strlen(text);
    if (entries.unsaid > 0)
        snprintf(text + len, TC_RUN_LEFT_OUT_MAX - len, "; and %" PRIu32 " more", entries.unsaid);
    return text;
}

static void trouble(void *self, uint16_t node, const char *text)
{
    const struct tc_run *run = self;
    if (!run->request->silent)
        fprintf(stderr, "turncoat: rpc of replica %u: %s\n", node, text);
}

/* Of a node that prints as well nothing is missing. One that only answers, and does no longer, tells of no decision:
 * that is not a cluster that stopped. */
static void silent(void *self, uint16_t node, bool ended)
{
    struct tc_run *run = self;
    char text[96];
    tc_nodeset_add(&run->lacking, node);
    if (run->launch || run->scenario->cluster.nodes[node].log[0])
        return;
    snprintf(text, sizeof text, "replica %u no longer answered over RPC", node);
    tc_judge_executions_partial(run->judge);
    if (ended)
        tc_judge_unsure(run->judge, text);
    else
        trouble(self, node, "no answer for a second; decisions are taken from the wire, too");
}

static void identified(void *self, uint16_t node, const struct tc_rpc_identity *identity)
{
    tc_run_check_identity(self, node, identity->network, identity->has_key ? identity->public_key : NULL);
}

static int open_feed(void *self, struct tc_loop *loop, struct tc_error *err)
{
    struct tc_run *run = self;
    const struct tc_follow_config config = {
        .class = run->driver->rpc,
        .env = &run->env,
        .address = address,
        .address_self = run,
        .from_start = run->scenario->cluster.start,
        .period_ns = all_print(run) ? PERIOD_BESIDE_NS : PERIOD_NS,
    };
    const struct tc_follow_sink sink = {run, tell, identified, trouble, silent};
    const int rc = tc_follow_open(&config, loop, &sink, &run->follow, err);
    return rc < 0 && run->scenario->cluster.path[0] ? tc_error_wrap(err, "%s", run->scenario->cluster.path) : rc;
}

static void last(void *self)
{
    const struct tc_run *run = self;
    tc_follow_last_round(run->follow);
}

static bool busy(const void *self)
{
    const struct tc_run *run = self;
    return tc_follow_busy(run->follow);
}

static void close_feed(void *self)
{
    struct tc_run *run = self;
    tc_follow_free(run->follow);
    run->follow = NULL;
}

struct tc_live_feed tc_run_feed(struct tc_run *run)
{
    if (!tc_run_follows(run))
        return (struct tc_live_feed){0};
    return (struct tc_live_feed){run, open_feed, last, busy, close_feed};
}
