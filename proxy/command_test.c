/* turncoat test SCRIPT --trace T: every verdict an attack gives to recorded messages, without any cluster. The engine
 * of a run reads what the dialler's side of each connection shows, as it did when it was recorded; what the script
 * answers is printed and not done. */
#include "capture_read.h"
#include "command.h"

#include "../lua/scenario.h"
#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "../reports/record_read.h"
#include "engine.h"
#include "listen_link.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREAD_MAX 4096u /* operations of one decision that are counted */

/* A stream of the trace; its slot is the engine's pair number. */
enum stream { FOREIGN = 0, OPEN, SWAPPED }; /* swapped: begun before the trace, and the listener spoke first */

struct test {
    const struct tc_protocol *protocol;
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    struct tc_ledger ledger;
    struct tc_script *script;
    const struct tc_handler *inner; /* the script's */
    struct tc_handler handler;      /* around it: prints what it answers, and has nothing done */
    struct tc_engine *engine;
    uint8_t streams[TC_CAPTURE_SLOTS_MAX];
    const struct tc_cluster_spec *spec; /* --cluster; NULL: listeners are where turncoat puts them by itself */
    struct tc_record_events events;
    const struct tc_message *decided; /* the last MESSAGE that was not forwarded: it is not heard */
    uint64_t verdicts, notes, now_ns, foreign_streams;
    bool began;
    struct tc_error own; /* what went wrong in here: the reader of the trace may put its own sentence over it */
};

static void print_verdict(const struct tc_message *m, const struct tc_verdict *verdict, uint64_t now_ns)
{
    char from[8], to[8];
    printf("%9.6f  %-9s %-12s %2s → %-2s", (double)now_ns / 1e9, tc_verb_name(verdict->verb),
           m->type ? m->type : "other", tc_node_name(m->from, from), tc_node_name(m->to, to));
    if (m->statement_count && m->statements[0].has_view)
        printf("  view %" PRIu64, m->statements[0].view);
    if (m->statement_count && m->statements[0].has_sequence)
        printf("  sequence %" PRIu64, m->statements[0].sequence);
    if (verdict->delay_ns)
        printf("  by %.6f s", (double)verdict->delay_ns / 1e9);
    if (verdict->frame_count)
        printf("  with %u frame%s", verdict->frame_count, verdict->frame_count == 1 ? "" : "s");
    if (verdict->why)
        printf("  (%s)", verdict->why);
    printf("\n");
}

/* Nothing passes through us: what was answered was said, and is not done. */
static void forget(struct tc_plan *plan)
{
    memset(plan->verdict.frames, 0, plan->verdict.frame_count * sizeof plan->verdict.frames[0]);
    memset(plan->ops, 0, plan->op_count * sizeof plan->ops[0]);
    plan->verdict.frame_count = 0;
    plan->verdict.verb = TC_FORWARD;
    plan->op_count = 0;
}

/* One call of the script; prints what it answered. */
static int answer(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct test *t = self;
    if (call->kind == TC_CALL_HEAR && call->message == t->decided)
        return 0; /* only what is forwarded is heard */
    t->decided = NULL;
    const int result = t->inner->call(t->inner->self, call, plan, err);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < plan->note_count; i++)
        printf("%9.6f  note      %s\n", (double)call->now_ns / 1e9, plan->notes[i]);
    for (uint32_t i = 0; i < plan->op_count; i++)
        printf("%9.6f  %s\n", (double)call->now_ns / 1e9, tc_verb_name(plan->ops[i].verb));
    t->notes += plan->note_count;
    if (call->message && plan->verdict.verb != TC_FORWARD) {
        t->verdicts++;
        t->decided = call->kind == TC_CALL_MESSAGE ? call->message : NULL;
        print_verdict(call->message, &plan->verdict, call->now_ns);
    }
    forget(plan);
    return 0;
}

static int step(struct test *t, struct tc_event event)
{
    struct tc_actions actions;
    event.now_ns = t->now_ns;
    if (!event.text)
        event.text = "";
    const int result = tc_engine_step(t->engine, &event, &actions);
    if (tc_engine_error(t->engine)->code)
        t->own = *tc_engine_error(t->engine);
    else if (result < 0)
        tc_error_set(&t->own, result, "the engine failed: %s", tc_error_text(result));
    return t->own.code;
}

/* Does the record beside the trace say when the attack of its run began? */
static bool has_attack(const struct tc_record_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        if (events->items[i].observation.kind == TC_OBS_PHASE &&
            events->items[i].observation.phase.phase == TC_RUN_DURING)
            return true;
    return false;
}

/* Without a record all of the trace is attacked. */
static int begin(struct test *t)
{
    t->began = true;
    return has_attack(&t->events) ? 0 : step(t, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_DURING});
}

static int tell(struct test *t, const struct tc_record_event *event)
{
    static struct tc_operation unread[UNREAD_MAX]; /* the record's reader keeps their number only, and so do scripts */
    struct tc_observation o = event->observation;
    if (o.kind == TC_OBS_EXECUTED && !o.executed.operations) {
        o.executed.operations = unread;
        o.executed.operation_count = o.executed.operation_count < UNREAD_MAX ? o.executed.operation_count : UNREAD_MAX;
    }
    if (o.kind != TC_OBS_PHASE)
        return step(t, (struct tc_event){.kind = TC_EV_OBSERVED, .node = o.node, .observation = &o});
    return has_attack(&t->events) ? step(t, (struct tc_event){.kind = TC_EV_PHASE, .phase = o.phase.phase}) : 0;
}

/* Timers and what replicas said, up to now, in the order of time. */
static int advance(struct test *t, uint64_t now_ns)
{
    int result = t->began ? 0 : begin(t);
    while (result == 0) {
        const uint64_t timer_ns = tc_engine_deadline_ns(t->engine);
        const struct tc_record_event *event =
            t->events.next < t->events.count ? &t->events.items[t->events.next] : NULL;
        const uint64_t event_ns = event ? event->time_ns : TC_NEVER_NS;
        const uint64_t next_ns = timer_ns < event_ns ? timer_ns : event_ns;
        if (next_ns > now_ns)
            break;
        t->now_ns = next_ns > t->now_ns ? next_ns : t->now_ns;
        t->events.next += event_ns <= timer_ns;
        result = event_ns <= timer_ns ? tell(t, event) : step(t, (struct tc_event){.kind = TC_EV_TIMER});
    }
    t->now_ns = now_ns > t->now_ns ? now_ns : t->now_ns;
    return result;
}

static bool same_address(const char *address, uint32_t ip, uint16_t port)
{
    char host[TC_ADDRESS_MAX];
    struct in_addr parsed;
    const char *colon = strrchr(address, ':');
    if (!colon || strtoul(colon + 1, NULL, 10) != port)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &parsed) == 1 &&
           ntohl(parsed.s_addr) == ip;
}

/* The listeners of a cluster file that has its own: `listen` of a replica, or `listen_host` with the shifted port. */
static bool listed_leg(const struct tc_cluster_spec *spec, uint32_t ip, uint16_t port, uint16_t *to)
{
    for (uint32_t node = 0; node < spec->cluster.n; node++) {
        const char *colon = strrchr(spec->nodes[node].address, ':');
        const unsigned real = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
        char shifted[TC_ADDRESS_MAX + 8];
        snprintf(shifted, sizeof shifted, "%s:%u", spec->listen_host, tc_link_port(real));
        *to = (uint16_t)node;
        if (same_address(spec->nodes[node].listen[0] ? spec->nodes[node].listen : shifted, ip, port))
            return true;
    }
    return false;
}

/* The near legs of a trace: those of the cluster file, else those that tell by their address whose link it is. */
static bool near_leg(const struct tc_cluster_spec *spec, uint32_t ip, uint16_t port, uint16_t *from, uint16_t *to)
{
    *from = TC_NODE_NONE;
    return (spec && listed_leg(spec, ip, port, to)) || tc_link_of_ipv4(ip, from, to);
}

static int step_gap(struct test *t, uint32_t conn)
{
    return step(t, (struct tc_event){.kind = TC_EV_GAP, .conn = conn, .text = "bytes are missing in the trace"});
}

/* A stream to one of our listeners is a connection of the run, as it was for the proxy. */
static int open_stream(struct test *t, const struct tc_capture_segment *segment)
{
    uint16_t from, to;
    uint8_t *stream = &t->streams[segment->slot];
    const uint32_t near = TC_CONN_NEAR(segment->slot), far = TC_CONN_FAR(segment->slot);
    *stream = FOREIGN;
    if (near_leg(t->spec, segment->server_ip, segment->server_port, &from, &to))
        *stream = OPEN;
    else if (segment->middle && near_leg(t->spec, segment->client_ip, segment->client_port, &from, &to))
        *stream = SWAPPED;
    t->foreign_streams += *stream == FOREIGN;
    if (*stream == FOREIGN)
        return 0;
    int result = step(t, (struct tc_event){.kind = TC_EV_ACCEPTED, .conn = near, .from = from, .to = to});
    if (result == 0)
        result = step(t, (struct tc_event){.kind = TC_EV_DIALLED, .conn = far, .to = to});
    if (result == 0 && segment->middle)
        result = step_gap(t, near);
    return result == 0 && segment->middle ? step_gap(t, far) : result;
}

static int take_segment(void *self, const struct tc_capture_segment *segment)
{
    struct test *t = self;
    int result = advance(t, segment->time_ns);
    if (result == 0 && segment->begins)
        return open_stream(t, segment);
    if (result < 0 || t->streams[segment->slot] == FOREIGN)
        return result;
    const bool dialler = segment->from_client == (t->streams[segment->slot] == OPEN);
    const uint32_t conn = dialler ? TC_CONN_NEAR(segment->slot) : TC_CONN_FAR(segment->slot);
    if (segment->closed)
        return step(t, (struct tc_event){.kind = TC_EV_CLOSED, .conn = conn, .reset = segment->reset});
    if (segment->gap)
        result = step_gap(t, conn);
    if (result == 0 && segment->bytes.len > 0)
        result = step(t, (struct tc_event){.kind = TC_EV_BYTES, .conn = conn, .bytes = segment->bytes});
    return result;
}

/* How many replicas the trace speaks of: what the script's context must know before it is loaded. */
static int count_replicas(void *self, const struct tc_capture_segment *segment)
{
    uint32_t *n = self;
    uint16_t from, to;
    if (near_leg(NULL, segment->server_ip, segment->server_port, &from, &to) && to + 1u > *n)
        *n = to + 1u;
    return 0;
}

/* The cluster of --cluster, or what the trace's addresses tell of one. */
static int find_cluster(struct test *t, const struct tc_arguments *a, const char *trace, struct tc_error *err)
{
    static struct tc_cluster_spec spec;
    struct tc_capture_counts counts;
    const char *path = a->values[TC_OPTION_CLUSTER];
    const char *name = tc_arguments_text(a, TC_OPTION_PROTOCOL, "pbft");
    int result = 0;
    if (path) {
        result = tc_cluster_load(tc_command_lua_dir(a), path, &spec, err);
        t->spec = &spec;
        t->cluster = spec.cluster;
        if (!a->values[TC_OPTION_PROTOCOL])
            name = spec.protocol;
    } else {
        result = tc_capture_read(trace, count_replicas, &t->cluster.n, &counts, err);
        t->cluster.f = tc_protocol_faults_max(t->cluster.n ? t->cluster.n : 1);
        snprintf(t->cluster.id, sizeof t->cluster.id, "test");
    }
    if (result < 0)
        return result;
    if (t->cluster.n == 0)
        return tc_error_set(err, TC_EUSAGE,
                            "%s: no link of a cluster behind turncoat's listeners (127.64.0.1 to 127.192.127.1) in it; "
                            "if they were elsewhere, give the cluster file with --cluster",
                            trace);
    t->protocol = tc_protocol_find(name);
    return t->protocol ? 0
                       : tc_error_set(err, TC_EUSAGE, "no protocol '%s'; 'turncoat list protocols' names them", name);
}

/* The same engine as in a run; the trace is in plaintext. */
static int open_engine(struct test *t, uint64_t seed, struct tc_error *err)
{
    t->inner = tc_script_handler(t->script);
    t->handler = *t->inner;
    t->handler.self = t;
    t->handler.call = answer;
    const struct tc_engine_config config = {
        .protocol = t->protocol, .env = t->env, .handler = &t->handler, .ledger = &t->ledger, .seed = seed};
    t->engine = tc_engine_new(&config);
    return t->engine ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for the engine");
}

static int prepare(struct test *t, const struct tc_arguments *a, struct tc_error *err)
{
    static char path[512];
    uint64_t seed;
    const char *trace = a->values[TC_OPTION_TRACE];
    if (a->operand_count != 1 || !trace)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat test' needs an attack and a trace: turncoat test equivocate-half "
                            "--trace out/correct/latest/trace.pcap");
    int result = tc_command_seed(a, &seed, err);
    if (result == 0)
        result = find_cluster(t, a, trace, err);
    if (result == 0)
        result = tc_record_events_read(trace, &t->events, err);
    if (result < 0)
        return result;
    t->env.cluster = &t->cluster;
    t->env.keys = tc_keyring_new(TC_SCHEME_ED25519);
    t->ledger.traitors_max = t->cluster.f ? t->cluster.f : 1;
    if (!t->env.keys)
        return tc_error_set(err, TC_EMEMORY, "no memory for keys");
    /* Keys of our own: a script that signs can be tried, though nobody would believe the signatures. */
    for (uint32_t node = 0; node < t->cluster.n; node++) {
        uint8_t key[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(seed, node, key);
        tc_keyring_add_secret(t->env.keys, node, key);
    }
    const char *lua_dir = tc_command_lua_dir(a);
    result = tc_script_find(lua_dir, "attacks", a->operands[0], path, err);
    const struct tc_script_config config = {.path = path,
                                            .lua_dir = lua_dir,
                                            .protocol = t->protocol,
                                            .env = t->env,
                                            .ledger = &t->ledger,
                                            .seed = seed,
                                            .args = a->args,
                                            .arg_count = a->arg_count};
    if (result == 0)
        result = tc_script_load(&config, &t->script, err);
    return result == 0 ? open_engine(t, seed, err) : result;
}

/* What the trace could not show the script. */
static void print_left_out(const struct test *t)
{
    const uint32_t needs_events = 1u << TC_CALL_DECIDE | 1u << TC_CALL_VIEW | 1u << TC_CALL_PHASE;
    if (t->foreign_streams)
        printf("%" PRIu64
               " streams to other addresses than its listeners (as turncoat's own to the replicas) were left out%s\n",
               t->foreign_streams, t->spec ? "" : "; --cluster FILE says where else listeners are");
    if (t->events.present || !(t->handler.calls & needs_events))
        return;
    printf("not called, for want of observations.jsonl beside the trace:%s%s%s\n",
           t->handler.calls & (1u << TC_CALL_DECIDE) ? " on_decide" : "",
           t->handler.calls & (1u << TC_CALL_VIEW) ? " on_view" : "",
           t->handler.calls & (1u << TC_CALL_PHASE) ? " on_phase" : "");
}

static int replay(struct test *t, const char *trace, struct tc_error *err)
{
    struct tc_capture_counts counts;
    int result = tc_capture_read(trace, take_segment, t, &counts, err);
    if (result == 0 && t->began)
        result = step(t, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_ENDED});
    if (result < 0 && t->own.code)
        *err = t->own;
    return result;
}

int tc_command_test(const struct tc_arguments *a, struct tc_error *err)
{
    static struct test test;
    int result = prepare(&test, a, err);
    if (result == 0)
        result = replay(&test, a->values[TC_OPTION_TRACE], err);
    if (result == 0) {
        const struct tc_engine_stats *stats = tc_engine_stats(test.engine);
        printf("%" PRIu64 " messages read (%" PRIu64 " undecodable), %" PRIu64 " verdicts other than forward, %" PRIu64
               " notes\n",
               stats->messages, stats->undecodable, test.verdicts, test.notes);
        print_left_out(&test);
    }
    tc_record_events_free(&test.events);
    tc_engine_free(test.engine);
    tc_script_free(test.script);
    tc_keyring_free(test.env.keys);
    return result;
}
