/* One client: one operation at a time, to the primary it believes in, then to all; done with f+1 equal answers
 * (Castro & Liskov, OSDI'99 §4.1). */
#include "client_internal.h"

#include "../proxy/random.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)256 << 10)

static void send_to(struct tc_session *s, uint32_t replica)
{
    (void)tc_node_conn_send(&s->links[replica].dial.conn, s->request.frame); /* down: retransmission follows */
}

static void send_to_all(struct tc_session *s)
{
    for (uint32_t i = 0; i < s->run->config.cluster.n; i++)
        send_to(s, i);
}

static uint16_t believed_primary(const struct tc_session *s)
{
    return tc_protocol_leader(s->run->protocol, &s->run->env, s->view);
}

/* ---- connections ---- */

void tc_session_link_connected(void *self, struct tc_node_conn *conn)
{
    struct tc_session_link *link = self;
    struct tc_session *s = link->session;
    struct tc_slice hello;
    tc_node_dial_up(&link->dial, tc_loop_now_ns(s->run->loop));
    tc_arena_reset(&s->run->arena);
    if (s->run->wire->hello(&s->run->config.cluster, s->id, &s->run->arena, &hello) < 0 ||
        tc_node_conn_send(conn, hello) < 0) {
        tc_load_fail(s->run, tc_error_set(s->run->err, TC_EMEMORY, "no memory for a hello"));
        return;
    }
    if (s->busy && (s->to_all || conn->node == believed_primary(s)))
        send_to(s, conn->node);
}

void tc_session_link_closed(void *self, struct tc_node_conn *conn, const char *why)
{
    struct tc_session_link *link = self;
    (void)conn;
    (void)why;
    tc_node_dial_lost(&link->dial, tc_loop_now_ns(link->session->run->loop));
}

/* ---- operations ---- */

static struct tc_observation about(const struct tc_session *s, enum tc_observation_kind kind)
{
    struct tc_observation o = {.kind = kind, .node = s->id, .peer = TC_NODE_NONE, .text = ""};
    o.client.timestamp = s->timestamp;
    o.client.digest.state = TC_VALUE_BYTES;
    memcpy(o.client.digest.bytes, s->request.digest, TC_VALUE_SIZE);
    return o;
}

static void begin(struct tc_session *s, uint64_t now_ns)
{
    struct tc_load_run *run = s->run;
    struct tc_kv_operation operation;
    tc_arena_reset(&s->arena);
    s->timestamp++;
    s->started++;
    int rc = tc_operation_make(&run->maker, s->id, s->timestamp, &s->memory, &s->arena, &operation);
    if (rc == 0)
        rc = run->wire->request(&run->env, s->id, s->timestamp, &operation, &s->arena, &s->request);
    if (rc < 0) {
        tc_load_fail(run, tc_error_set(run->err, rc, "client %u cannot make a request", (unsigned)s->id));
        return;
    }
    s->busy = true;
    s->to_all = false;
    memset(s->answers, 0, sizeof s->answers);
    s->timeout_ns = run->timeout_ns;
    s->retransmit_at_ns = now_ns + s->timeout_ns;
    struct tc_observation requested = about(s, TC_OBS_REQUESTED);
    requested.client.operation = s->request.operation;
    tc_node_output_observe(&run->output, &requested);
    uint16_t primary = believed_primary(s);
    if (primary < run->config.cluster.n && tc_node_conn_is_up(&s->links[primary].dial.conn))
        send_to(s, primary);
    else
        send_to_all(s);
}

static void finish(struct tc_session *s, uint64_t now_ns, bool ok, struct tc_slice result)
{
    struct tc_load_run *run = s->run;
    struct tc_observation replied = about(s, TC_OBS_REPLIED);
    replied.client.result = result;
    replied.client.latency_ns = now_ns > s->due_ns ? now_ns - s->due_ns : 0;
    replied.client.ok = ok;
    tc_node_output_observe(&run->output, &replied);
    if (ok)
        tc_latency_add(&run->latency, replied.client.latency_ns);
    *(ok ? &run->done : &run->failed) += 1;
    s->busy = false;
    s->retransmit_at_ns = TC_NEVER_NS;
    s->due_ns = tc_load_next_due_ns(run, s, now_ns);
}

static void retransmit(struct tc_session *s, uint64_t now_ns)
{
    struct tc_load_run *run = s->run;
    s->to_all = true;
    run->retransmissions++;
    send_to_all(s);
    s->timeout_ns = s->timeout_ns * 2 < run->timeout_max_ns ? s->timeout_ns * 2 : run->timeout_max_ns;
    s->retransmit_at_ns = now_ns + s->timeout_ns;
}

/* ---- answers ---- */

/* The highest view that at least f+1 replicas say they have reached: one of them is correct. */
static void learn_view(struct tc_session *s)
{
    uint32_t n = s->run->config.cluster.n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t reached = 0;
        for (uint32_t j = 0; j < n; j++)
            reached += s->views[j] >= s->views[i];
        if (reached > s->run->config.cluster.f && s->views[i] > s->view)
            s->view = s->views[i];
    }
}

static bool enough_equal(const struct tc_session *s, uint32_t replica)
{
    uint32_t equal = 0;
    for (uint32_t i = 0; i < s->run->config.cluster.n; i++)
        equal += s->answers[i].any && memcmp(s->answers[i].digest, s->answers[replica].digest, TC_VALUE_SIZE) == 0;
    return equal > s->run->config.cluster.f;
}

void tc_session_link_received(void *self, struct tc_node_conn *conn, struct tc_slice frame)
{
    struct tc_session_link *link = self;
    struct tc_session *s = link->session;
    struct tc_load_run *run = s->run;
    struct tc_wire_reply reply;
    if (!s->busy) /* late answers to what is done */
        return;
    tc_arena_reset(&run->arena);
    int rc = run->wire->reply(&run->env, s->id, s->timestamp, frame, &run->arena, &reply);
    if (rc == TC_ENOT_FOUND)
        return;
    if (rc < 0) {
        tc_node_output_complain(&run->output, s->id, conn->node, "%s",
                                rc == TC_ESIGNATURE ? "bad signature on reply" : "malformed reply");
        return;
    }
    struct tc_session_answer *answer = &s->answers[reply.replica];
    answer->any = true;
    tc_digest(reply.result, answer->digest);
    if (reply.view > s->views[reply.replica])
        s->views[reply.replica] = reply.view;
    if (!enough_equal(s, reply.replica))
        return;
    learn_view(s);
    finish(s, tc_loop_refresh_ns(run->loop), true, reply.result);
}

/* ---- for client.c ---- */

int tc_session_init(struct tc_session *s, struct tc_load_run *run, uint16_t id, const struct tc_node_config *addresses,
                    uint64_t first_timestamp, struct tc_error *err)
{
    uint64_t key = tc_random_mix(run->options->seed, id);
    s->run = run;
    s->id = id;
    s->timestamp = first_timestamp - 1;
    s->retransmit_at_ns = TC_NEVER_NS;
    tc_arena_init(&s->arena, ARENA_MAX);
    for (uint32_t i = 0; i < run->config.cluster.n; i++) {
        s->links[i].session = s;
        int rc = tc_node_dial_init(&s->links[i].dial, (uint16_t)i, addresses->addresses[i], key, err);
        if (rc < 0) {
            if (err)
                (void)tc_error_wrap(err, "client %u: \"address\" of node %u", (unsigned)id, (unsigned)i);
            return rc;
        }
    }
    return 0;
}

void tc_session_due(struct tc_session *s, uint64_t now_ns)
{
    for (uint32_t i = 0; i < s->run->config.cluster.n; i++)
        tc_node_dial_due(&s->links[i].dial, s->run->loop, &s->run->conn_ops, &s->links[i]);
    if (s->retransmit_at_ns <= now_ns)
        retransmit(s, now_ns);
    if (!s->busy && s->due_ns <= now_ns && tc_load_may_start(s->run))
        begin(s, now_ns);
}

uint64_t tc_session_deadline_ns(const struct tc_session *s)
{
    uint64_t at_ns = s->busy ? s->retransmit_at_ns : s->run->stopping ? TC_NEVER_NS : s->due_ns;
    for (uint32_t i = 0; i < s->run->config.cluster.n; i++)
        if (s->links[i].dial.retry_at_ns < at_ns)
            at_ns = s->links[i].dial.retry_at_ns;
    return at_ns;
}

void tc_session_flush(struct tc_session *s)
{
    for (uint32_t i = 0; i < s->run->config.cluster.n; i++)
        tc_node_conn_flush(&s->links[i].dial.conn);
}

void tc_session_give_up(struct tc_session *s, uint64_t now_ns)
{
    if (s->busy)
        finish(s, now_ns, false, (struct tc_slice){NULL, 0});
}

void tc_session_free(struct tc_session *s)
{
    for (uint32_t i = 0; s->run && i < s->run->config.cluster.n; i++)
        if (s->links[i].session)
            tc_node_conn_close(&s->links[i].dial.conn);
    tc_arena_free(&s->arena);
}
