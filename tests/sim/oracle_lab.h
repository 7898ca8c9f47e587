/* One run of a whole PBFT cluster in the lab under all oracles: random misfortune, and up to f traitors who tell two
 * things, withhold, forget what they prepared and announce false views. For test_oracles_random.c; cmocka is included
 * there. */
#ifndef TC_TEST_ORACLE_LAB_H
#define TC_TEST_ORACLE_LAB_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../oracles/judge.h"
#include "../../oracles/metrics.h"
#include "../../oracles/table.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "../../reference/bugs.h"
#include "../../reference/pbft/protocol.h"
#include "../lib/cluster.h"

#define MS        UINT64_C(1000000)
#define BEFORE_NS (300 * MS)
#define CHAOS_NS  (2500 * MS)
#define PEACE_NS  (60000 * MS)
#define REQUESTS  200 /* of every client */

/* One run: the lab, the judge over it, and the traitor. */
struct run {
    uint64_t seed;
    struct tc_lab *lab;
    struct tc_lab_options options;
    struct tc_judge *judge;
    struct tc_metrics *metrics;
    struct tc_faults faults;
    struct tc_arena arena, forge; /* of the message in hand; of the traitor's */
    struct tc_table *said;        /* hashes of what was said on a link: anything else that arrives was changed */
    struct tc_table *keys;        /* how often a message was said on a link */
    struct tc_table *second;      /* the traitor's second proposals by (view, sequence) */
    uint32_t incarnation[TC_REPLICAS_MAX];
    uint64_t id;
    bool verbose, began;
    bool withhold, forget_view_change, false_new_view;
};

/* A second proposal, kept as a frame. */
struct second {
    uint32_t len;
    uint8_t frame[4096];
};

struct count {
    uint64_t count;
};

static uint64_t draw(uint64_t seed, uint64_t what, uint64_t which)
{
    return tc_random_mix(tc_random_mix(seed, what), which);
}

static void observe(struct run *r, struct tc_observation o)
{
    o.time_ns = tc_lab_now(r->lab);
    o.id = ++r->id;
    if (!o.text)
        o.text = "";
    tc_judge_observe(r->judge, &o);
    tc_metrics_observe(r->metrics, &o);
}

static uint64_t link_hash(uint16_t from, uint16_t to, struct tc_slice frame)
{
    return tc_random_mix_bytes(tc_random_mix(from, to), frame);
}

static void tell_message(struct run *r, uint16_t from, uint16_t to, struct tc_slice frame, bool said, bool heard,
                         bool touched)
{
    struct tc_message m = {0};
    tc_arena_reset(&r->arena);
    tc_pbft.decode(frame, &r->arena, &m);
    m.from = from;
    m.to = to;
    m.frame = frame;
    m.touched = touched;
    m.conn = (uint32_t)from * 512 + to + (from < TC_REPLICAS_MAX ? r->incarnation[from] : 0) * 0x40000u;
    tc_message_set_key(&m);
    bool fresh;
    struct count *count = tc_table_put(r->keys, tc_random_mix(tc_random_mix(from, to), m.key), &fresh);
    m.occurrence = (uint32_t)(said || count->count == 0 ? count->count : count->count - 1);
    count->count += said;
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .node = said ? from : to, .peer = said ? to : from};
    o.message.message = &m;
    o.message.said = said;
    o.message.heard = heard;
    observe(r, o);
}

static void on_said(void *self, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct run *r = self;
    bool fresh;
    tc_table_put(r->said, link_hash(from, to, frame), &fresh);
    tell_message(r, from, to, frame, true, false, false);
}

/* A client's request is told when it first arrives whole; from its bytes comes the client's history line. */
static void client_said(struct run *r, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct tc_message m = {0};
    Wire__Envelope *envelope;
    bool fresh;
    tc_arena_reset(&r->arena);
    if (tc_pbft.decode(frame, &r->arena, &m) != 0 || m.sender != from || m.statements[0].kind != TC_KIND_REQUEST ||
        tc_wire_unpack(frame, &r->arena, &envelope) != 0 || tc_wire_check(tc_lab_env(r->lab), envelope, to) != 0)
        return;
    struct tc_observation o = {.kind = TC_OBS_REQUESTED, .node = from};
    o.client.timestamp = ((const Wire__Request *)m.statements[0].fields.base)->timestamp;
    o.client.digest = m.statements[0].value;
    observe(r, o);
    tc_table_put(r->said, link_hash(from, to, frame), &fresh);
    tell_message(r, from, to, frame, true, false, false);
}

static void on_heard(void *self, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct run *r = self;
    if (from >= TC_CLIENT_FIRST && !tc_table_find(r->said, link_hash(from, to, frame)))
        client_said(r, from, to, frame);
    bool touched = !tc_table_find(r->said, link_hash(from, to, frame));
    tell_message(r, from, to, frame, false, true, touched);
}

static void on_observed(void *self, uint16_t node, const struct tc_observation *observation)
{
    struct run *r = self;
    struct tc_observation o = *observation;
    o.node = node;
    o.incarnation = r->incarnation[node];
    observe(r, o);
}

static void tell_faults(struct run *r)
{
    struct tc_observation o = {.kind = TC_OBS_FAULTS};
    o.faults = r->faults;
    observe(r, o);
}

static void tell_phase(struct run *r, enum tc_run_phase phase)
{
    struct tc_observation o = {.kind = TC_OBS_PHASE};
    o.phase.phase = phase;
    observe(r, o);
}

/* ---- the traitor: two proposals, a vote for each, view changes that forget ---- */

static uint64_t slot_key(const struct tc_statement *s)
{
    return tc_random_mix(s->view, s->sequence);
}

static bool deliver_signed(struct run *r, uint16_t from, uint16_t to, const struct tc_message *m,
                           struct tc_message *signed_message)
{
    if (tc_pbft.sign(tc_lab_env(r->lab), m, from, &r->forge, signed_message) != 0)
        return false;
    tc_nodeset_add(&r->faults.signed_for, from);
    tell_faults(r);
    tc_lab_deliver(r->lab, from, to, signed_message->frame, 0);
    return true;
}

static bool second_proposal(struct run *r, uint16_t from, uint16_t to, const struct tc_message *m)
{
    bool fresh;
    struct second *second = tc_table_put(r->second, slot_key(&m->statements[0]), &fresh);
    if (fresh) {
        struct tc_message other = {0};
        struct tc_message made = {0};
        bool omit = draw(r->seed, 3, m->statements[0].sequence) & 1;
        struct tc_error err = {0};
        if (tc_pbft.perturb(tc_lab_env(r->lab), m, r->seed, omit, &r->forge, &other, &err) != 0 ||
            tc_pbft.sign(tc_lab_env(r->lab), &other, from, &r->forge, &made) != 0 ||
            made.frame.len > sizeof second->frame)
            return false;
        memcpy(second->frame, made.frame.data, made.frame.len);
        second->len = (uint32_t)made.frame.len;
        tc_nodeset_add(&r->faults.signed_for, from);
        tell_faults(r);
    }
    if (second->len == 0)
        return false;
    tc_lab_deliver(r->lab, from, to, (struct tc_slice){second->frame, second->len}, 0);
    return true;
}

static bool second_vote(struct run *r, uint16_t from, uint16_t to, const struct tc_message *m)
{
    const struct second *second = tc_table_find(r->second, slot_key(&m->statements[0]));
    struct tc_message proposal = {0};
    struct tc_message vote = {0};
    struct tc_message made = {0};
    if (!second || second->len == 0 ||
        tc_pbft.decode((struct tc_slice){second->frame, second->len}, &r->forge, &proposal) != 0 ||
        tc_pbft.vote_for(m, &proposal, &r->forge, &vote) != 0)
        return false;
    return deliver_signed(r, from, to, &vote, &made);
}

static bool forgetful_view_change(struct run *r, uint16_t from, uint16_t to, const struct tc_message *m)
{
    struct tc_message made = {0};
    Pbft__ViewChange *body = m->statements[0].fields.base;
    if (body->n_prepared == 0)
        return false;
    body->n_prepared = 0;
    return deliver_signed(r, from, to, m, &made);
}

/* Proposes null requests for whatever was prepared: who takes it did not recompute O. */
static bool false_new_view(struct run *r, uint16_t from, uint16_t to, const struct tc_message *m)
{
    static const uint8_t null_digest[TC_VALUE_SIZE];
    struct tc_message made = {0};
    Pbft__NewView *body = m->statements[0].fields.base;
    for (size_t i = 0; i < body->n_pre_prepares; i++) {
        Pbft__PrePrepare proposal = PBFT__PRE_PREPARE__INIT;
        void *inner;
        if (tc_wire_get_body(body->pre_prepares[i], &pbft__pre_prepare__descriptor, &r->forge, &inner) != 0)
            return false;
        proposal.view = body->view;
        proposal.sequence = ((Pbft__PrePrepare *)inner)->sequence;
        proposal.digest = tc_wire_binary((struct tc_slice){null_digest, TC_VALUE_SIZE});
        if (tc_wire_set_body(body->pre_prepares[i], &proposal.base, &r->forge) != 0 ||
            tc_wire_sign(tc_lab_env(r->lab), body->pre_prepares[i], &r->forge) != 0)
            return false;
    }
    return deliver_signed(r, from, to, m, &made);
}

static bool betray(void *self, struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct run *r = self;
    struct tc_message m = {0};
    (void)lab;
    if (!r->began || !tc_nodeset_has(&r->options.traitors, from) || to >= r->options.cluster.n)
        return false;
    tc_arena_reset(&r->forge);
    if (tc_pbft.decode(frame, &r->forge, &m) != 0 || m.sender != from)
        return false;
    m.from = from;
    m.to = to;
    const struct tc_statement *s = &m.statements[0];
    if (r->withhold && draw(r->seed, 4, r->id) % 5 == 0)
        return true;
    if (s->kind == TC_KIND_VIEW_CHANGE && r->forget_view_change)
        return forgetful_view_change(r, from, to, &m);
    if (s->kind == TC_KIND_NEW_VIEW && r->false_new_view)
        return false_new_view(r, from, to, &m);
    if (!(draw(r->seed, 5, s->sequence * 131 + to) & 1))
        return false;
    if (s->kind == TC_KIND_PROPOSE)
        return second_proposal(r, from, to, &m);
    return s->kind == TC_KIND_VOTE && second_vote(r, from, to, &m);
}

/* ---- one run ---- */

static void choose(struct run *r, uint64_t bugs)
{
    struct tc_cluster *cluster = &r->options.cluster;
    uint64_t seed = r->seed;
    strcpy(cluster->id, "lab");
    cluster->n = draw(seed, 20, 0) % 5 == 0 ? 7 : 4;
    cluster->f = (cluster->n - 1) / 3;
    cluster->client_count = 1 + draw(seed, 21, 0) % 3;
    cluster->checkpoint_interval = 4 + draw(seed, 22, 0) % 12;
    cluster->window = cluster->checkpoint_interval * 2;
    cluster->batch_max = 1 + draw(seed, 24, 0) % 6;
    cluster->pipeline_max = 1 + draw(seed, 25, 0) % 8;
    cluster->view_timeout_ns = 100 * MS;
    cluster->view_timeout_max_ns = 1600 * MS;
    cluster->request_authentication = draw(seed, 26, 0) % 6 == 0 ? TC_AUTH_MAC : TC_AUTH_SIGNATURE;
    r->options.scheme = TC_SCHEME_KEYED_HASH;
    r->options.seed = seed;
    r->options.bugs = bugs;
    r->options.network = (struct tc_lab_network){.latency_min_ns = MS / 20, .latency_max_ns = 2 * MS, .fifo = true};
    r->options.sync_ns_max = draw(seed, 27, 0) % 2 ? MS : 0;
    r->options.retry_ns = 60 * MS;
    if (bugs || draw(seed, 28, 0) % 3 != 0) {
        for (uint32_t i = 0; i < cluster->f; i++)
            tc_nodeset_add(&r->options.traitors,
                           (uint32_t)((draw(seed, 29, 0) % 2 ? draw(seed, 43, 0) : 0) + i) % cluster->n);
        r->options.hook = betray;
        r->options.hook_self = r;
        r->withhold = draw(seed, 44, 0) % 3 == 0;
        r->forget_view_change = draw(seed, 45, 0) % 2;
        r->false_new_view = draw(seed, 46, 0) % 2;
    }
    r->options.watch = (struct tc_lab_watch){.said = on_said, .heard = on_heard, .observed = on_observed, .self = r};
}

static void crash(struct run *r, uint16_t node)
{
    if (!tc_lab_is_up(r->lab, node))
        return;
    struct tc_observation o = {.kind = TC_OBS_NODE_EXIT, .node = node, .incarnation = r->incarnation[node]};
    o.exit.status = -9;
    o.exit.asked = true;
    tc_lab_crash(r->lab, node);
    observe(r, o);
}

static void restart(struct run *r, uint16_t node)
{
    if (tc_lab_is_up(r->lab, node))
        return;
    struct tc_observation o = {.kind = TC_OBS_NODE_UP, .node = node, .incarnation = ++r->incarnation[node]};
    observe(r, o);
    tc_lab_restart(r->lab, node, false);
}

static void misfortune(struct run *r, uint64_t step)
{
    uint32_t n = r->options.cluster.n;
    uint16_t node = (uint16_t)(draw(r->seed, 51, step) % n);
    uint8_t groups[TC_NODES_MAX] = {0};
    switch (draw(r->seed, 50, step) % 6) {
    case 0:
        crash(r, node);
        break;
    case 1:
    case 2:
        restart(r, node);
        break;
    case 3:
        for (uint32_t i = 0; i < n; i++)
            groups[i] = draw(r->seed, 52 + step, i) % 2;
        tc_lab_partition(r->lab, groups, false);
        break;
    case 4:
        tc_lab_heal(r->lab);
        break;
    default:
        tc_lab_cut(r->lab, node, (uint16_t)(draw(r->seed, 53, step) % n));
        break;
    }
}

static void begin_faults(struct run *r)
{
    static const uint32_t drops[] = {0, 0, 600, 3000, 10000};
    struct tc_lab_network network = {.latency_min_ns = MS / 20,
                                     .latency_max_ns = draw(r->seed, 30, 0) % 4 == 0 ? 30 * MS : 2 * MS,
                                     .drop = drops[draw(r->seed, 31, 0) % 5],
                                     .duplicate = draw(r->seed, 32, 0) % 3 == 0 ? 6000 : 0,
                                     .corrupt = draw(r->seed, 33, 0) % 4 == 0 ? 1000 : 0,
                                     .fifo = draw(r->seed, 34, 0) & 1};
    if (r->options.cluster.request_authentication == TC_AUTH_MAC)
        network.corrupt = 0; /* a vector damaged for another receiver would pass for the client's own words here */
    r->began = true;
    r->faults.bitten = 1;
    r->faults.active = true;
    r->faults.healed_ns = TC_NEVER_NS;
    for (uint32_t i = 0; i < r->options.cluster.n; i++) /* anybody may be cut off: nothing is due */
        tc_nodeset_add(&r->faults.liveness, i);
    tell_faults(r);
    tell_phase(r, TC_RUN_DURING);
    tc_lab_network_set(r->lab, &network);
}

static void chaos(struct run *r)
{
    uint64_t count = draw(r->seed, 60, 0) % 10;
    begin_faults(r);
    for (uint64_t i = 0; i < count; i++) {
        tc_lab_run(r->lab, tc_lab_now(r->lab) + draw(r->seed, 61, i) % (2 * CHAOS_NS / 10));
        misfortune(r, i);
    }
    tc_lab_run(r->lab, BEFORE_NS + CHAOS_NS);
}

static void peace(struct run *r)
{
    struct tc_lab_network calm = {.latency_min_ns = MS / 20, .latency_max_ns = 2 * MS, .fifo = true};
    tc_lab_network_set(r->lab, &calm);
    tc_lab_heal(r->lab);
    for (uint16_t i = 0; i < r->options.cluster.n; i++)
        restart(r, i);
    r->faults.active = false;
    r->faults.liveness = r->options.traitors;
    r->faults.healed_ns = tc_lab_now(r->lab);
    tell_faults(r);
    tell_phase(r, TC_RUN_AFTER);
    uint64_t limit_ns = tc_lab_now(r->lab) + PEACE_NS;
    while (!tc_lab_failure(r->lab) && tc_lab_outstanding(r->lab) > 0 && tc_lab_now(r->lab) < limit_ns)
        tc_lab_run(r->lab, tc_lab_now(r->lab) + 100 * MS);
    tc_lab_run(r->lab, tc_lab_now(r->lab) + 500 * MS);
    tell_phase(r, TC_RUN_ENDED);
}

static void run_open(struct run *r, uint64_t seed, uint64_t bugs)
{
    memset(r, 0, sizeof *r);
    r->seed = seed;
    choose(r, bugs);
    for (uint32_t i = 0; i < TC_REPLICAS_MAX; i++)
        r->incarnation[i] = 1;
    tc_arena_init(&r->arena, 16u << 20);
    tc_arena_init(&r->forge, 16u << 20);
    r->said = tc_table_new(1u << 16, 1);
    r->keys = tc_table_new(1u << 16, sizeof(struct count));
    r->second = tc_table_new(256, sizeof(struct second));
    /* The lab steps its replicas as it is made: they must have nothing to say yet. */
    r->lab = tc_lab_new(&(struct tc_lab_options){.cluster = r->options.cluster,
                                                 .scheme = r->options.scheme,
                                                 .seed = seed,
                                                 .bugs = bugs,
                                                 .network = r->options.network,
                                                 .sync_ns_max = r->options.sync_ns_max,
                                                 .retry_ns = r->options.retry_ns,
                                                 .traitors = r->options.traitors,
                                                 .hook = r->options.hook,
                                                 .hook_self = r->options.hook_self,
                                                 .watch = r->options.watch});
    struct tc_judge_config config = {.protocol = &tc_pbft,
                                     .env = *tc_lab_env(r->lab),
                                     .has_executions = true,
                                     .has_client_history = true,
                                     .has_messages = true,
                                     .links_complete = true,
                                     .had_attack = true,
                                     .expect = TC_HOLDS};
    r->judge = tc_judge_new(&config);
    r->metrics = tc_metrics_new(&tc_pbft, tc_lab_env(r->lab), 100 * MS);
    assert_non_null(r->judge);
    assert_non_null(r->metrics);
}

static void run_close(struct run *r)
{
    tc_judge_free(r->judge);
    tc_metrics_free(r->metrics);
    tc_lab_free(r->lab);
    tc_table_free(r->said);
    tc_table_free(r->keys);
    tc_table_free(r->second);
    tc_arena_free(&r->arena);
    tc_arena_free(&r->forge);
}

static void run_all(struct run *r)
{
    tell_phase(r, TC_RUN_BEFORE);
    for (uint16_t i = 0; i < r->options.cluster.n; i++) {
        struct tc_observation o = {.kind = TC_OBS_NODE_UP, .node = i, .incarnation = 1};
        observe(r, o);
    }
    for (uint32_t i = 0; i < r->options.cluster.client_count; i++)
        tc_lab_load(r->lab, i, REQUESTS);
    tc_lab_run(r->lab, BEFORE_NS);
    chaos(r);
    peace(r);
    tc_judge_finish(r->judge, tc_lab_now(r->lab));
    tc_metrics_finish(r->metrics, tc_lab_now(r->lab));
}

static void print_verdict(const struct run *r, const struct tc_verdict_summary *s)
{
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)r->seed, s->sentence);
    for (size_t i = 0; i < tc_judge_count(r->judge); i++) {
        const struct tc_judgement *j = tc_judge_get(r->judge, i);
        fprintf(stderr, "  %-12s %-24s %s\n", tc_status_name(j->status), j->oracle->name, j->result.reason);
        for (size_t k = 0; k < j->finding_count && k < 3; k++) {
            fprintf(stderr, "      at %.6f s %s — %s\n", (double)j->findings[k].time_ns / 1e9, j->findings[k].text,
                    j->findings[k].because);
            for (uint32_t e = 0; e < j->findings[k].evidence_count; e++)
                fprintf(stderr, "        %.6f %s%s\n", (double)j->findings[k].evidence[e].time_ns / 1e9,
                        j->findings[k].evidence[e].text, j->findings[k].evidence[e].signature_valid ? " (valid)" : "");
        }
    }
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

#endif
