/* An engine for the tests of the live world: it passes bytes on (with a delay if asked), does what its settings say and
 * remembers what it was told. The real engine has its own tests. */
#ifndef TC_LIVE_ENGINE_H
#define TC_LIVE_ENGINE_H

#include "../../proxy/engine.h"

#include <assert.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNS_MAX   512
#define LATER_MAX   4096
#define ACTIONS_MAX 64
#define BUDGET      ((size_t)256 << 10)
#define SEEN_MAX    4096

struct later {
    uint64_t due_ns;
    uint32_t conn;
    uint8_t *data;
    size_t size;
};

struct seen {
    enum tc_event_kind kind;
    uint32_t conn, generation, incarnation;
    uint16_t node, from, to;
    int status;
    bool reset, ok, ours, not_carried;
    uint64_t token;
    enum tc_run_phase phase;
    enum tc_observation_kind observation;
    uint64_t sequence, bytes; /* bytes: read before it */
    char text[128];
};

struct tc_engine {
    /* settings */
    uint64_t delay_ns;
    bool observe_bytes; /* a TC_OBS_MESSAGE for every read */
    bool observe_votes; /* it is node 2 that says a vote, whose signer is the read's first byte */
    bool kill_node_on_bytes;
    uint32_t verify_on_bytes; /* this many TC_ACT_VERIFY for every read */
    sem_t *gate;              /* waited for in the first step with bytes of connection gate_conn */
    uint32_t gate_conn;
    sem_t *at_gate;
    int fail_status; /* of the next step with bytes */
    uint64_t finish_after;

    /* state */
    struct tc_action actions[ACTIONS_MAX];
    struct tc_actions out;
    struct tc_observation observation;
    struct tc_statement vote;
    struct tc_message message;
    struct tc_error error;
    struct {
        bool up, closed, stopped;
        uint8_t *held;
        size_t held_size;
    } conns[CONNS_MAX];
    struct later later[LATER_MAX];
    size_t later_first, later_count;
    uint8_t *sent; /* freed in the next step */
    uint64_t now_ns, token;

    /* what it saw */
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    uint64_t late_ns[LATER_MAX * 4];
    size_t late_count;
    size_t queued_max;
    uint64_t bytes, steps;
};

static inline struct tc_action *act(struct tc_engine *e, enum tc_action_kind kind, uint32_t conn)
{
    assert(e->out.count < ACTIONS_MAX);
    struct tc_action *action = &e->actions[e->out.count++];
    *action = (struct tc_action){.kind = kind, .conn = conn};
    return action;
}

/* What arrives before the far side stands is kept. */
static inline void hold(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    e->conns[conn].held = realloc(e->conns[conn].held, e->conns[conn].held_size + bytes.len);
    memcpy(e->conns[conn].held + e->conns[conn].held_size, bytes.data, bytes.len);
    e->conns[conn].held_size += bytes.len;
}

static inline void forward(struct tc_engine *e, uint32_t conn, struct tc_slice bytes)
{
    if (e->delay_ns == 0) {
        act(e, TC_ACT_WRITE, conn)->bytes = bytes;
        return;
    }
    assert(e->later_count < LATER_MAX);
    struct later *later = &e->later[(e->later_first + e->later_count++) % LATER_MAX];
    *later = (struct later){e->now_ns + e->delay_ns, conn, malloc(bytes.len), bytes.len};
    memcpy(later->data, bytes.data, bytes.len);
}

static inline void on_bytes(struct tc_engine *e, const struct tc_event *event)
{
    e->bytes += event->bytes.len;
    if (e->gate && event->conn == e->gate_conn) {
        sem_post(e->at_gate);
        sem_wait(e->gate);
        e->gate = NULL;
    }
    if (e->kill_node_on_bytes) {
        struct tc_action *action = act(e, TC_ACT_NODE, 0);
        action->node = 0;
        action->verb = TC_KILL;
        e->kill_node_on_bytes = false;
    }
    for (uint32_t i = 0; i < e->verify_on_bytes; i++) {
        struct tc_action *action = act(e, TC_ACT_VERIFY, event->conn);
        action->token = ++e->token;
        action->bytes = event->bytes;
    }
    if (e->conns[TC_CONN_PEER(event->conn)].up)
        forward(e, TC_CONN_PEER(event->conn), event->bytes);
    else
        hold(e, event->conn, event->bytes);
    if (e->observe_bytes) {
        e->observation = (struct tc_observation){.kind = TC_OBS_MESSAGE, .node = 2, .text = ""};
        e->vote = (struct tc_statement){.kind = TC_KIND_VOTE, .signer = event->bytes.data[0]};
        e->message = (struct tc_message){.statements = &e->vote, .statement_count = 1};
        e->observation.message.said = e->observe_votes;
        e->observation.message.message = e->observe_votes ? &e->message : NULL;
        act(e, TC_ACT_OBSERVE, 0)->observation = &e->observation;
    }
    if (e->finish_after && e->bytes >= e->finish_after) {
        tc_error_set(&e->error, TC_ESCRIPT, "fake.lua:1: finished");
        act(e, TC_ACT_FINISH, 0);
    }
}

static inline void on_closed(struct tc_engine *e, const struct tc_event *event)
{
    const uint32_t peer = TC_CONN_PEER(event->conn);
    if (event->reset) {
        act(e, TC_ACT_CLOSE, peer)->reset = true;
        act(e, TC_ACT_CLOSE, event->conn)->reset = true;
        e->conns[peer].up = false;
        e->conns[event->conn].up = false;
    } else if (e->conns[peer].up) {
        act(e, TC_ACT_CLOSE, peer);
    }
    e->conns[event->conn].closed = true;
}

static inline void on_queue(struct tc_engine *e, const struct tc_event *event)
{
    const uint32_t peer = TC_CONN_PEER(event->conn);
    if (event->queued_bytes > e->queued_max)
        e->queued_max = event->queued_bytes;
    if (event->queued_bytes >= BUDGET && !e->conns[peer].stopped) {
        e->conns[peer].stopped = true;
        act(e, TC_ACT_STOP_READ, peer);
    } else if (event->queued_bytes <= BUDGET / 2 && e->conns[peer].stopped) {
        e->conns[peer].stopped = false;
        act(e, TC_ACT_RESUME_READ, peer);
    }
}

static inline void on_dialled(struct tc_engine *e, const struct tc_event *event)
{
    const uint32_t near = TC_CONN_PEER(event->conn);
    e->conns[event->conn].up = true;
    if (e->conns[near].held_size > 0) {
        forward(e, event->conn, (struct tc_slice){e->conns[near].held, e->conns[near].held_size});
        e->sent = e->conns[near].held;
        e->conns[near].held = NULL;
        e->conns[near].held_size = 0;
    }
    if (e->conns[near].closed)
        act(e, TC_ACT_CLOSE, event->conn);
}

static inline void on_timer(struct tc_engine *e, const struct tc_event *event)
{
    free(e->sent);
    e->sent = NULL;
    if (e->later_count == 0 || e->later[e->later_first].due_ns > event->now_ns)
        return;
    struct later *later = &e->later[e->later_first];
    if (e->late_count < sizeof e->late_ns / sizeof *e->late_ns)
        e->late_ns[e->late_count++] = event->now_ns - later->due_ns;
    act(e, TC_ACT_WRITE, later->conn)->bytes = (struct tc_slice){later->data, later->size};
    e->sent = later->data;
    e->later_first = (e->later_first + 1) % LATER_MAX;
    e->later_count--;
}

static inline void on_observed(struct tc_engine *e, const struct tc_event *event)
{
    e->observation = *event->observation;
    act(e, TC_ACT_OBSERVE, 0)->observation = &e->observation;
}

static inline void remember(struct tc_engine *e, const struct tc_event *event)
{
    if (event->kind == TC_EV_BYTES || event->kind == TC_EV_QUEUE || event->kind == TC_EV_TIMER)
        return;
    if (e->seen_count == SEEN_MAX)
        return;
    struct seen *seen = &e->seen[e->seen_count++];
    *seen = (struct seen){.kind = event->kind,
                          .conn = event->conn,
                          .generation = event->generation,
                          .incarnation = event->incarnation,
                          .node = event->node,
                          .from = event->from,
                          .to = event->to,
                          .status = event->status,
                          .reset = event->reset,
                          .ok = event->ok,
                          .ours = event->ours,
                          .token = event->token,
                          .phase = event->phase,
                          .bytes = e->bytes};
    snprintf(seen->text, sizeof seen->text, "%s", event->text);
    if (event->observation) {
        seen->observation = event->observation->kind;
        seen->node = event->observation->node;
        seen->not_carried = event->observation->not_carried;
        seen->incarnation = event->observation->incarnation;
        if (event->observation->kind == TC_OBS_EXECUTED)
            seen->sequence = event->observation->executed.sequence;
        snprintf(seen->text, sizeof seen->text, "%s", event->observation->text);
    }
}

/* ---- the engine's contract ---- */

int tc_engine_step(struct tc_engine *e, const struct tc_event *event, struct tc_actions *out)
{
    assert(event->now_ns >= e->now_ns && event->conn < CONNS_MAX);
    e->now_ns = event->now_ns;
    e->steps++;
    e->out = (struct tc_actions){.items = e->actions};
    free(e->sent);
    e->sent = NULL;
    remember(e, event);
    if (event->kind == TC_EV_BYTES && e->fail_status)
        return e->fail_status;
    switch (event->kind) {
    case TC_EV_ACCEPTED:
        for (uint32_t side = 0; side < 2; side++) {
            free(e->conns[event->conn + side].held);
            memset(&e->conns[event->conn + side], 0, sizeof e->conns[0]);
        }
        e->conns[event->conn].up = true;
        act(e, TC_ACT_DIAL, TC_CONN_PEER(event->conn))->to = event->to;
        break;
    case TC_EV_DIALLED:
        on_dialled(e, event);
        break;
    case TC_EV_DIAL_FAILED:
        act(e, TC_ACT_CLOSE, TC_CONN_PEER(event->conn))->reset = true;
        break;
    case TC_EV_BYTES:
        on_bytes(e, event);
        break;
    case TC_EV_QUEUE:
        on_queue(e, event);
        break;
    case TC_EV_CLOSED:
        on_closed(e, event);
        break;
    case TC_EV_TIMER:
        on_timer(e, event);
        break;
    case TC_EV_OBSERVED:
        on_observed(e, event);
        break;
    case TC_EV_NODE_EXIT:
    case TC_EV_RELOAD:
        e->observation =
            (struct tc_observation){.kind = event->kind == TC_EV_RELOAD ? TC_OBS_PHASE : TC_OBS_NODE_EXIT, .text = ""};
        act(e, TC_ACT_OBSERVE, 0)->observation = &e->observation;
        break;
    default:
        break;
    }
    *out = e->out;
    return 0;
}

uint64_t tc_engine_deadline_ns(const struct tc_engine *e)
{
    return e->later_count ? e->later[e->later_first].due_ns : TC_NEVER_NS;
}

const struct tc_error *tc_engine_error(const struct tc_engine *e)
{
    return &e->error;
}

#endif
