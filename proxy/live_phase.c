/* The phases of a run: wait until the cluster decides, before, during, after, end. */
#include "live_private.h"
#include "nodeset.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define PROBE_MS 500
/* So long after the first decision replicas that do not vote yet and links that are not up are waited for: a node whose
 * link broke dials again after seconds, CometBFT after five to eight. */
#define LATE_NS UINT64_C(9000000000)

/* Is there anything that could tell us of an execution? */
static bool has_executions(const struct tc_live *live)
{
    if (live->config.feed.open)
        return true;
    if (!live->config.parse_line)
        return false;
    if (live->config.keeper)
        return true;
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        if (live->config.log_paths[i])
            return true;
    return false;
}

static void started(struct tc_live *live)
{
    live->seen_start = true;
    live->chore_ns = tc_live_time_ns(live); /* the chores enter the phase, at once and outside this step */
}

void tc_live_phase_begin(struct tc_live *live)
{
    if (!live->config.plan.wait_first_decision)
        started(live);
}

static void note_voter(struct tc_live *live, const struct tc_observation *o)
{
    const struct tc_message *m = o->message.message;
    if (m && o->message.said && m->statement_count > 0 && m->statements[0].kind == TC_KIND_VOTE &&
        m->statements[0].signer == o->node)
        tc_nodeset_add(&live->voters, o->node);
}

/* `observation` NULL: bytes were read. */
void tc_live_phase_saw(struct tc_live *live, const struct tc_observation *observation)
{
    const bool execution = observation && observation->kind == TC_OBS_EXECUTED;
    const bool message = !observation || observation->kind == TC_OBS_MESSAGE;
    if (observation && message)
        note_voter(live, observation);
    if (live->first_ns == TC_NEVER_NS && (execution || (message && !has_executions(live))))
        live->first_ns = tc_live_time_ns(live);
    const struct tc_world_plan *plan = &live->config.plan;
    if (live->first_ns != TC_NEVER_NS && tc_nodeset_count(&live->voters) >= plan->wait_voters &&
        (!plan->linked || plan->linked(plan->linked_self)))
        started(live);
}

static uint64_t start_timeout_ns(const struct tc_live *live)
{
    return live->config.plan.start_timeout_ns ? live->config.plan.start_timeout_ns : TC_LIVE_START_NS;
}

/* Whether it answers cannot be found out for want of something of ours: it is not blamed, the run proves nothing. */
static bool not_asked(struct tc_live *live, uint16_t node, const struct tc_error *why)
{
    if (why->code != TC_ELIMIT)
        return false;
    tc_live_not_carried(live, node, "no connection could be opened from here: %s", why->text);
    return true;
}

/* Does anybody listen where this node should be? Looked at once, when the wait for the cluster is over. */
static bool answers(struct tc_live *live, uint16_t node, struct tc_error *err)
{
    const char *address = live->config.node_address(live->config.node_self, node);
    struct tc_endpoint endpoint;
    if (!address || !*address) {
        tc_error_set(err, TC_EUNREACHABLE, "nobody knows where it listens");
        return false;
    }
    if (tc_endpoint_parse(address, &endpoint, err) < 0)
        return false;
    const int fd = tc_connect_start(&endpoint, err);
    if (fd < 0)
        return not_asked(live, node, err);
    tc_error_set(err, TC_EUNREACHABLE, "no answer");
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    const int status = poll(&wait, 1, PROBE_MS) == 1 ? tc_connect_finish(fd, err) : 1;
    close(fd);
    return status == 0 || (status < 0 && not_asked(live, node, err));
}

/* Nothing came. Either a node is not there, which ends the run; or nobody dials us, which ends it too unless they are
 * our own processes: then the phases begin, so that the oracles may say that the cluster never decides. */
static void give_up_waiting(struct tc_live *live)
{
    struct tc_error err = {0}, why = {0};
    const double wait_s = (double)start_timeout_ns(live) / 1e9;
    for (size_t i = 0; i < live->config.listener_count; i++) {
        const uint16_t node = live->config.listeners[i].to;
        if (answers(live, node, &why))
            continue;
        const char *address = live->config.node_address(live->config.node_self, node);
        tc_error_set(&err, TC_EUNREACHABLE,
                     "nothing decided within %g s, and node %u at %s cannot be dialled (%s): is it running?", wait_s,
                     (unsigned)node, address && *address ? address : "no address", why.text);
        tc_live_fail(live, TC_EUNREACHABLE, &err);
        return;
    }
    if (!live->config.keeper && !live->stats.accepted) {
        tc_error_set(
            &err, TC_EUNREACHABLE,
            "nobody dialled the proxy within %g s: tell the nodes to dial its addresses ('turncoat proxy --cluster "
            "FILE --dry-run' prints them) in place of each other's; if they do, restart them: who found nobody there "
            "for minutes dials ever more rarely",
            wait_s);
        tc_live_fail(live, TC_EUNREACHABLE, &err);
        return;
    }
    tc_live_note(live, TC_OBS_NOTE, TC_NODE_NONE, "no decision within %g s: the phases begin all the same", wait_s);
    started(live);
}

/* A replica that took no connection until now, and takes none when asked, is not there, or its address is wrong. */
static bool misses_a_node(struct tc_live *live)
{
    struct tc_error err = {0}, why = {0};
    for (size_t i = 0; live->config.plan.every_node && i < live->config.listener_count; i++) {
        const uint16_t node = live->config.listeners[i].to;
        if (tc_nodeset_has(&live->reached, node) || answers(live, node, &why))
            continue;
        const char *address = live->config.node_address(live->config.node_self, node);
        tc_error_set(&err, TC_EUNREACHABLE,
                     "node %u at %s cannot be dialled (%s): is it running, and is that its address?", (unsigned)node,
                     address && *address ? address : "no address", why.text);
        tc_live_fail(live, TC_EUNREACHABLE, &err);
        return true;
    }
    return false;
}

static void enter_next(struct tc_live *live)
{
    const uint64_t *phase_ns = live->config.plan.phase_ns;
    while (live->phase_next < TC_RUN_ENDED && phase_ns[live->phase_next] == 0)
        live->phase_next++;
    if (live->phase_next >= TC_RUN_ENDED) {
        live->phase_end_ns = TC_NEVER_NS;
        tc_loop_stop(live->loop);
        return;
    }
    const enum tc_run_phase phase = (enum tc_run_phase)live->phase_next;
    if (phase == TC_RUN_DURING && misses_a_node(live))
        return;
    const bool endless = phase_ns[phase] > TC_NEVER_NS - live->phase_end_ns;
    live->phase_end_ns = endless ? TC_NEVER_NS : live->phase_end_ns + phase_ns[phase];
    live->phase_next++;
    tc_live_step(live, &(struct tc_event){.kind = TC_EV_PHASE, .phase = phase});
}

uint64_t tc_live_phase_deadline_ns(const struct tc_live *live)
{
    if (!live->seen_start)
        return live->first_ns != TC_NEVER_NS ? live->first_ns + LATE_NS : live->start_ns + start_timeout_ns(live);
    return live->phase_begun ? live->phase_end_ns : 0;
}

void tc_live_phase_turn(struct tc_live *live)
{
    const uint64_t now_ns = tc_live_time_ns(live);
    if (!live->seen_start && live->first_ns != TC_NEVER_NS) {
        if (now_ns - live->first_ns >= LATE_NS)
            started(live);
    } else if (!live->seen_start && now_ns - live->start_ns >= start_timeout_ns(live)) {
        give_up_waiting(live);
    }
    if (!live->seen_start || live->status)
        return;
    if (!live->phase_begun) {
        live->phase_begun = true;
        live->phase_end_ns = now_ns;
    }
    while (live->phase_end_ns <= now_ns && !live->status)
        enter_next(live);
}

/* ---- the end ---- */

static size_t queued_bytes(struct tc_live *live)
{
    size_t total = 0;
    for (uint32_t i = 0; i < live->pair_count; i++)
        for (int side = 0; side < 2 && live->pairs[i]->used; side++)
            total += tc_live_queued(&live->pairs[i]->side[side]);
    return total;
}

static bool turn_until(struct tc_live *live, uint64_t until_ns)
{
    return live->status != TC_EMEMORY && tc_live_time_ns(live) < until_ns &&
           tc_loop_turn(live->loop, until_ns - tc_live_time_ns(live)) == 0;
}

/* What was decided last is known to the nodes only: they are asked once more. */
static void drain_feed(struct tc_live *live)
{
    const struct tc_live_feed *feed = &live->config.feed;
    const uint64_t until_ns = tc_live_time_ns(live) + TC_LIVE_FEED_NS;
    if (!feed->open || live->status)
        return;
    feed->last(feed->self);
    while (feed->busy(feed->self) && turn_until(live, until_ns))
        ;
}

void tc_live_drain(struct tc_live *live)
{
    tc_loop_refresh_ns(live->loop);
    live->draining = true; /* from here on nothing is read from connections */
    tc_loop_set_deadline(live->loop, TC_NEVER_NS, 0);
    for (uint32_t i = 0; i < live->pair_count; i++)
        for (int side = 0; side < 2 && live->pairs[i]->used; side++)
            tc_live_interest(&live->pairs[i]->side[side]);
    for (size_t i = 0; i < live->config.listener_count; i++)
        tc_loop_remove(live->loop, &live->ports[i].watch);
    live->accept_paused = false;
    tc_live_sources_poll(live);
    drain_feed(live);
    uint64_t until_ns = tc_live_time_ns(live) + TC_LIVE_VERIFY_NS;
    while (tc_live_verify_busy(live) && turn_until(live, until_ns))
        ;
    if (live->notes_lost > 0) {
        const uint64_t lost = live->notes_lost;
        if (live->lost_not_carried)
            tc_live_not_carried(live, TC_NODE_NONE, "%llu notes were lost", (unsigned long long)lost);
        else
            tc_live_note(live, TC_OBS_OVERFLOW, TC_NODE_NONE, "%llu notes were lost", (unsigned long long)lost);
    }
    tc_live_step(live, &(struct tc_event){.kind = TC_EV_STOP});
    until_ns = tc_live_time_ns(live) + TC_LIVE_DRAIN_NS;
    while (queued_bytes(live) > 0 && turn_until(live, until_ns))
        ;
}
