#include "judge_bench.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"
#include "pbft.pb-c.h"

#define SIGNATURE_RIGHT 0xaa
#define SIGNATURE_WRONG 0xbb

static const struct tc_message_row toy_rows[] = {
    [TOY_REQUEST] = {.name = "request", .kind = TC_KIND_REQUEST, .is_signed = true},
    [TOY_PROPOSE] = {.name = "pre-prepare", .kind = TC_KIND_PROPOSE, .is_signed = true},
    [TOY_PREPARE] = {.name = "prepare", .kind = TC_KIND_VOTE, .phase = TC_PHASE_PREPARE, .is_signed = true},
    [TOY_COMMIT] = {.name = "commit", .kind = TC_KIND_VOTE, .phase = TC_PHASE_COMMIT, .is_signed = true},
    [TOY_CHECKPOINT] = {.name = "checkpoint", .kind = TC_KIND_CHECKPOINT, .is_signed = true},
    [TOY_VIEW_CHANGE] = {.name = "view-change", .kind = TC_KIND_VIEW_CHANGE, .is_signed = true},
    [TOY_NEW_VIEW] = {.name = "new-view", .kind = TC_KIND_NEW_VIEW, .is_signed = true},
    [TOY_CERTIFICATE] = {.name = "prepared", .kind = TC_KIND_CERTIFICATE, .phase = TC_PHASE_PREPARE},
    [TOY_SYNC] = {.name = "state", .kind = TC_KIND_SYNC, .is_signed = true},
    [TOY_REPLY] = {.name = "reply", .kind = TC_KIND_REPLY, .is_signed = true},
};

/* A statement on the toy's wire. */
struct packed {
    uint64_t view, sequence;
    uint16_t signer, parent;
    uint8_t type, value, signature, origin;
};

struct tc_value toy_value(char value)
{
    struct tc_value out = {.state = value == 0 ? TC_VALUE_ABSENT : value == '-' ? TC_VALUE_NIL : TC_VALUE_BYTES};
    if (out.state == TC_VALUE_BYTES)
        memset(out.bytes, value, sizeof out.bytes);
    return out;
}

/* Requests and replies have PBFT's bodies, so that their timestamps and results can be read by name. */
static struct tc_fields toy_fields(const struct packed *p, struct tc_arena *arena)
{
    if (p->type == TOY_REQUEST) {
        Wire__Request *request = tc_arena_zalloc(arena, sizeof *request);
        assert(request);
        wire__request__init(request);
        request->timestamp = p->sequence;
        return (struct tc_fields){.descriptor = &wire__request__descriptor, .base = request};
    }
    if (p->type == TOY_REPLY) {
        Wire__Reply *reply = tc_arena_zalloc(arena, sizeof *reply);
        uint8_t *result = tc_arena_zalloc(arena, 1);
        assert(reply && result);
        wire__reply__init(reply);
        *result = p->value;
        reply->timestamp = p->sequence;
        reply->result = (ProtobufCBinaryData){.len = 1, .data = result};
        return (struct tc_fields){.descriptor = &wire__reply__descriptor, .base = reply};
    }
    return (struct tc_fields){0};
}

static int toy_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)
{
    size_t count = frame.len / sizeof(struct packed);
    struct tc_statement *statements = tc_arena_zalloc(arena, (count + 1) * sizeof *statements);
    assert(statements && frame.len % sizeof(struct packed) == 0);
    for (size_t i = 0; i < count; i++) {
        struct packed p;
        memcpy(&p, frame.data + i * sizeof p, sizeof p);
        struct tc_statement *s = &statements[i];
        s->kind = toy_rows[p.type].kind;
        s->phase = toy_rows[p.type].phase;
        s->type = p.type;
        s->view = p.view;
        s->sequence = p.sequence;
        s->has_view = p.type != TOY_REQUEST && p.type != TOY_CHECKPOINT && p.type != TOY_SYNC && p.type != TOY_REPLY;
        s->has_sequence =
            p.type != TOY_REQUEST && p.type != TOY_REPLY && p.type != TOY_VIEW_CHANGE && p.type != TOY_NEW_VIEW;
        s->value = toy_value((char)p.value);
        s->slot = tc_random_mix(tc_random_mix(p.type + 1u, s->has_view ? p.view : 0), p.sequence) | 1;
        s->signer = p.signer;
        s->fields = toy_fields(&p, arena);
        s->parent = p.parent;
        s->origin = p.origin;
        s->body = (struct tc_slice){.data = frame.data + i * sizeof p, .len = sizeof p};
        s->signature = (struct tc_slice){.data = frame.data + i * sizeof p + offsetof(struct packed, signature),
                                         .len = p.type == TOY_CERTIFICATE ? 0 : 1};
    }
    m->frame = frame;
    m->decoded = true;
    m->sender = statements[0].signer;
    m->type = toy_rows[statements[0].type].name;
    m->statements = statements;
    m->statement_count = (uint32_t)count;
    return 0;
}

static int toy_verify(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    (void)env;
    return s->signature.len == 1 && s->signature.data[0] == SIGNATURE_RIGHT ? 0 : TC_ESIGNATURE;
}

static uint16_t toy_leader(const struct tc_cluster *cluster, uint64_t view)
{
    return (uint16_t)(view % cluster->n);
}

static uint32_t toy_quorum(const struct tc_cluster *cluster)
{
    return (cluster->n + cluster->f + 2) / 2;
}

static uint64_t toy_cost(uint32_t n, uint64_t *by_row)
{
    for (int i = 0; by_row && i < TOY_TYPE_COUNT; i++)
        by_row[i] = 0;
    if (by_row) {
        by_row[TOY_PROPOSE] = n - 1;
        by_row[TOY_PREPARE] = (uint64_t)(n - 1) * (n - 1);
        by_row[TOY_COMMIT] = (uint64_t)n * (n - 1);
    }
    return (uint64_t)2 * n * (n - 1);
}

static uint64_t toy_recovery_bound_ns(const struct tc_cluster *cluster, uint64_t timeout_now_ns)
{
    (void)cluster;
    return timeout_now_ns * 4;
}

static struct tc_slice letter(struct tc_slice bytes, size_t at)
{
    return at < bytes.len ? (struct tc_slice){.data = bytes.data + at, .len = 1} : (struct tc_slice){0};
}

static int toy_operation(struct tc_slice bytes, struct tc_kv_operation *out)
{
    static const char codes[] = {
        [TC_KV_GET] = 'G', [TC_KV_PUT] = 'P', [TC_KV_DELETE] = 'D', [TC_KV_COMPARE_AND_SWAP] = 'C'};
    const char *code = bytes.len > 0 ? memchr(codes, bytes.data[0], sizeof codes) : NULL;
    if (!code)
        return TC_EMALFORMED;
    *out = (struct tc_kv_operation){.code = (enum tc_kv_code)(code - codes), .key = letter(bytes, 1)};
    out->expected = out->code == TC_KV_COMPARE_AND_SWAP ? letter(bytes, 2) : (struct tc_slice){0};
    out->value = letter(bytes, out->code == TC_KV_COMPARE_AND_SWAP ? 3 : 2);
    return 0;
}

static int toy_result(struct tc_slice bytes, struct tc_kv_result *out)
{
    if (bytes.len == 0)
        return TC_EMALFORMED;
    *out = (struct tc_kv_result){.found = bytes.data[0] == 'y', .value = letter(bytes, 1)};
    return 0;
}

static bool toy_parent(const struct tc_message *proposal, struct tc_value *parent)
{
    *parent = (struct tc_value){.state = TC_VALUE_BYTES}; /* genesis */
    for (uint32_t i = 1; i < proposal->statement_count; i++)
        if (proposal->statements[i].kind == TC_KIND_CERTIFICATE)
            *parent = proposal->statements[i].value;
    return true;
}

const struct tc_protocol toy_protocol = {.name = "toy",
                                         .summary = "a protocol for tests of oracles",
                                         .rows = toy_rows,
                                         .row_count = TOY_TYPE_COUNT,
                                         .loss = TC_LOSS_FINAL,
                                         .decode = toy_decode,
                                         .verify = toy_verify,
                                         .leader = toy_leader,
                                         .quorum = toy_quorum,
                                         .cost = toy_cost,
                                         .recovery_bound_ns = toy_recovery_bound_ns,
                                         .lock = TC_LOCK_CARRIED,
                                         .operation = toy_operation,
                                         .result = toy_result};

/* A leader that collects votes: linear. */
static uint64_t toy_chain_cost(uint32_t n, uint64_t *by_row)
{
    for (int i = 0; by_row && i < TOY_TYPE_COUNT; i++)
        by_row[i] = i == TOY_PROPOSE || i == TOY_PREPARE || i == TOY_COMMIT ? n - 1 : 0;
    return (uint64_t)3 * (n - 1);
}

const struct tc_protocol toy_chain = {.name = "toy-chain",
                                      .summary = "a chain of blocks, for tests of oracles",
                                      .rows = toy_rows,
                                      .row_count = TOY_TYPE_COUNT,
                                      .loss = TC_LOSS_FINAL,
                                      .decode = toy_decode,
                                      .verify = toy_verify,
                                      .leader = toy_leader,
                                      .quorum = toy_quorum,
                                      .cost = toy_chain_cost,
                                      .recovery_bound_ns = toy_recovery_bound_ns,
                                      .lock = TC_LOCK_COMMIT,
                                      .parent = toy_parent};

void bench_open(struct bench *b, uint32_t n, uint32_t f, const char *only)
{
    struct tc_judge_config config = {.has_executions = true,
                                     .has_client_history = true,
                                     .has_messages = true,
                                     .links_complete = true,
                                     .expect = TC_HOLDS};
    bench_open_config(b, n, f, only, config);
}

void bench_open_config(struct bench *b, uint32_t n, uint32_t f, const char *only, struct tc_judge_config config)
{
    static const char *disabled[64];
    size_t count = 0;
    for (size_t i = 0; only && tc_oracle_classes[i]; i++)
        if (strcmp(tc_oracle_classes[i]->name, only) != 0)
            disabled[count++] = tc_oracle_classes[i]->name;
    disabled[count] = NULL;
    memset(b, 0, sizeof *b);
    b->cluster = (struct tc_cluster){.n = n, .f = f, .client_count = 2, .view_timeout_ns = 100000000u};
    b->config = config;
    if (!b->config.protocol)
        b->config.protocol = &toy_protocol;
    b->config.env = (struct tc_protocol_env){.cluster = &b->cluster};
    if (only)
        b->config.disabled = disabled;
    tc_arena_init(&b->arena, 1u << 20);
    b->now_ns = 1000000;
    b->judge = tc_judge_new(&b->config);
    assert(b->judge && (!only || tc_judge_count(b->judge) == 1));
}

void bench_close(struct bench *b)
{
    tc_judge_free(b->judge);
    tc_arena_free(&b->arena);
}

void bench_observe(struct bench *b, struct tc_observation o)
{
    b->now_ns += 1000;
    o.time_ns = b->now_ns;
    o.id = ++b->id;
    if (o.incarnation == 0)
        o.incarnation = 1;
    if (!o.text)
        o.text = "";
    tc_judge_observe(b->judge, &o);
}

static struct tc_message make(struct bench *b, const struct toy *statements, size_t count)
{
    tc_arena_reset(&b->arena);
    struct packed *packed = tc_arena_zalloc(&b->arena, count * sizeof *packed);
    assert(packed);
    for (size_t i = 0; i < count; i++)
        packed[i] = (struct packed){.view = statements[i].view,
                                    .sequence = statements[i].sequence,
                                    .signer = statements[i].signer,
                                    .parent = i == 0 ? 0xffff : statements[i].parent,
                                    .type = (uint8_t)statements[i].type,
                                    .value = (uint8_t)statements[i].value,
                                    .signature = statements[i].forged ? SIGNATURE_WRONG : SIGNATURE_RIGHT,
                                    .origin = i == 0 ? TC_ORIGIN_DIRECT : TC_ORIGIN_EMBEDDED};
    struct tc_message m = {0};
    struct tc_slice frame = {.data = (const uint8_t *)packed, .len = count * sizeof *packed};
    toy_decode(frame, &b->arena, &m);
    if (b->called && statements[0].type == TOY_NEW_VIEW)
        ((struct tc_statement *)(uintptr_t)m.statements)->slot = 0;
    return m;
}

void bench_message_as(struct bench *b, uint16_t from, uint16_t to, const struct toy *statements, size_t count,
                      bool said, bool heard, bool touched)
{
    struct tc_message m = make(b, statements, count);
    m.from = from;
    m.to = to;
    m.touched = touched;
    m.conn = b->conn ? b->conn : (uint32_t)from * 512 + to * 2u;
    m.occurrence = b->occurrence;
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .node = said ? from : to, .peer = said ? to : from};
    o.message.message = &m;
    o.message.said = said;
    o.message.heard = heard;
    bench_observe(b, o);
}

void bench_accused(struct bench *b, uint16_t node, uint64_t sequence, char block, const struct toy *statements,
                   size_t count)
{
    const struct tc_message m = make(b, statements, count);
    struct tc_observation o = {.kind = TC_OBS_ACCUSED, .node = node, .peer = TC_NODE_NONE};
    o.accused.sequence = sequence;
    o.accused.block = toy_value(block);
    o.accused.message = &m;
    bench_observe(b, o);
}

void bench_message(struct bench *b, uint16_t from, uint16_t to, const struct toy *statements, size_t count)
{
    bench_message_as(b, from, to, statements, count, true, true, false);
}

void bench_broadcast(struct bench *b, struct toy statement)
{
    for (uint16_t to = 0; to < b->cluster.n; to++)
        if (to != statement.signer)
            bench_message(b, statement.signer, to, &statement, 1);
}

void bench_round(struct bench *b, uint64_t view, uint64_t sequence, char value)
{
    uint16_t leader = toy_leader(&b->cluster, view);
    struct toy s = {.type = TOY_PROPOSE, .view = view, .sequence = sequence, .value = value, .signer = leader};
    bench_broadcast(b, s);
    s.type = TOY_PREPARE;
    for (s.signer = 0; s.signer < b->cluster.n; s.signer++)
        if (s.signer != leader)
            bench_broadcast(b, s);
    s.type = TOY_COMMIT;
    for (s.signer = 0; s.signer < b->cluster.n; s.signer++)
        bench_broadcast(b, s);
}

void bench_execute(struct bench *b, uint16_t node, uint64_t view, uint64_t sequence, char value)
{
    bench_execute_as(b, node, view, sequence, value, TC_EXEC_EXECUTED, 0, 0, 0);
}

void bench_execute_as(struct bench *b, uint16_t node, uint64_t view, uint64_t sequence, char value,
                      enum tc_execution_origin origin, uint16_t client, uint64_t timestamp, char request)
{
    struct tc_operation operation = {.client = client, .timestamp = timestamp, .fresh = true};
    memset(operation.digest, request, sizeof operation.digest);
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = node};
    o.executed.view = view;
    o.executed.sequence = sequence;
    o.executed.value = toy_value(value);
    o.executed.origin = origin;
    o.executed.operations = &operation;
    o.executed.operation_count = timestamp ? 1 : 0;
    bench_observe(b, o);
}

static void faults_tell(struct bench *b)
{
    struct tc_observation o = {.kind = TC_OBS_FAULTS};
    o.faults = b->faults;
    bench_observe(b, o);
}

void bench_traitor(struct bench *b, uint16_t node)
{
    tc_nodeset_add(&b->faults.signed_for, node);
    tc_nodeset_add(&b->faults.liveness, node);
    b->faults.bitten++;
    faults_tell(b);
}

void bench_cut_off(struct bench *b, uint16_t client, bool cut)
{
    if (cut)
        tc_nodeset_add(&b->faults.liveness, client);
    else
        tc_nodeset_remove(&b->faults.liveness, client);
    b->faults.bitten += cut;
    faults_tell(b);
}

void bench_down(struct bench *b, uint16_t node)
{
    tc_nodeset_add(&b->faults.down, node);
    tc_nodeset_add(&b->faults.liveness, node);
    b->faults.bitten++;
    b->faults.healed_ns = TC_NEVER_NS;
    faults_tell(b);
}

void bench_up(struct bench *b, uint16_t node)
{
    tc_nodeset_remove(&b->faults.down, node);
    tc_nodeset_remove(&b->faults.liveness, node);
    b->faults.healed_ns = b->now_ns;
    faults_tell(b);
    struct tc_observation o = {.kind = TC_OBS_NODE_UP, .node = node, .incarnation = 2};
    bench_observe(b, o);
}

void bench_phase(struct bench *b, enum tc_run_phase phase)
{
    struct tc_observation o = {.kind = TC_OBS_PHASE};
    o.phase.phase = phase;
    bench_observe(b, o);
}

void bench_view(struct bench *b, uint16_t node, uint64_t view, bool active, uint64_t timeout_ns)
{
    struct tc_observation o = {.kind = TC_OBS_VIEW, .node = node};
    o.view.view = view;
    o.view.active = active;
    o.view.timeout_ns = timeout_ns;
    bench_observe(b, o);
}

void bench_request(struct bench *b, uint16_t client, uint64_t timestamp, bool begins)
{
    struct tc_observation o = {.kind = begins ? TC_OBS_REQUESTED : TC_OBS_REPLIED, .node = client};
    o.client.timestamp = timestamp;
    o.client.ok = !begins;
    o.client.latency_ns = begins ? 0 : 1000000;
    bench_observe(b, o);
}

static struct tc_slice text_of(const char *text)
{
    return (struct tc_slice){.data = (const uint8_t *)text, .len = text ? strlen(text) : 0};
}

void bench_begin(struct bench *b, uint16_t client, uint64_t timestamp, const char *operation)
{
    struct tc_observation o = {.kind = TC_OBS_REQUESTED, .node = client};
    o.client.timestamp = timestamp;
    o.client.operation = text_of(operation);
    bench_observe(b, o);
}

void bench_answer(struct bench *b, uint16_t client, uint64_t timestamp, const char *result)
{
    struct tc_observation o = {.kind = TC_OBS_REPLIED, .node = client};
    o.client.timestamp = timestamp;
    o.client.ok = result != NULL;
    o.client.result = text_of(result);
    bench_observe(b, o);
}

void bench_link_up(struct bench *b, uint16_t from, uint16_t to)
{
    bench_observe(b, (struct tc_observation){.kind = TC_OBS_LINK_UP, .node = from, .peer = to});
}

void bench_wait(struct bench *b, uint64_t duration_ns)
{
    b->now_ns += duration_ns;
}

const struct tc_judgement *bench_finish(struct bench *b, const char *name)
{
    tc_judge_finish(b->judge, b->now_ns);
    for (size_t i = 0; i < tc_judge_count(b->judge); i++)
        if (strcmp(tc_judge_get(b->judge, i)->oracle->name, name) == 0)
            return tc_judge_get(b->judge, i);
    assert(!"no such oracle");
    return NULL;
}

enum tc_status bench_verdict(struct bench *b, const char *name)
{
    const enum tc_status status = bench_finish(b, name)->status;
    bench_close(b);
    return status;
}
