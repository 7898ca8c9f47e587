/* turncoat test SCRIPT --trace T: every verdict an attack gives to recorded messages, without any cluster. */
#include "capture_read.h"
#include "command.h"

#include "../lua/scenario.h"
#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "../reports/record_read.h"
#include "listen_link.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANES_MAX  (2 * 65536u) /* the capture's reader takes no more streams */
#define TIMERS_MAX 1024u

/* Bytes of one direction of one stream that are not a whole frame yet. */
struct lane {
    uint8_t *bytes;
    size_t len, size;
    uint16_t from, to;
    bool unframeable;
    bool foreign; /* to an address that is no listener of ours */
};

struct test {
    const struct tc_protocol *protocol;
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    struct tc_ledger ledger;
    struct tc_script *script;
    const struct tc_handler *handler;
    struct tc_plan *plan;
    struct tc_arena plan_arena, message_arena;
    struct lane *lanes; /* two a stream */
    uint32_t lane_count;
    const struct tc_cluster_spec *spec; /* --cluster; NULL: listeners are where turncoat puts them by itself */
    struct tc_record_events events;
    struct {
        uint64_t due_ns, token;
    } timers[TIMERS_MAX];
    uint32_t timer_count;
    enum tc_run_phase phase;
    uint64_t view, messages, verdicts, notes, undecodable, now_ns;
    uint64_t foreign_streams;
    bool began;
    struct tc_error *err;
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

/* One call of the script; prints what it answered. */
static int call(struct test *t, struct tc_call *c)
{
    memset(t->plan, 0, sizeof *t->plan);
    tc_arena_reset(&t->plan_arena);
    t->plan->arena = &t->plan_arena;
    c->view = t->view;
    c->traitors = &t->ledger.traitors;
    if (c->kind != TC_CALL_PHASE)
        c->phase = t->phase;
    int result = t->handler->call(t->handler->self, c, t->plan, &t->own);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < t->plan->timer_count && t->timer_count < TIMERS_MAX; i++) {
        t->timers[t->timer_count].due_ns = t->plan->timers[i].due_ns;
        t->timers[t->timer_count++].token = t->plan->timers[i].token;
    }
    for (uint32_t i = 0; i < t->plan->note_count; i++)
        printf("%9.6f  note      %s\n", (double)c->now_ns / 1e9, t->plan->notes[i]);
    for (uint32_t i = 0; i < t->plan->op_count; i++)
        printf("%9.6f  %s\n", (double)c->now_ns / 1e9, tc_verb_name(t->plan->ops[i].verb));
    t->notes += t->plan->note_count;
    if (c->kind == TC_CALL_BEGIN)
        return tc_ledger_freeze(&t->ledger, &t->plan->traitors, &t->own);
    if (c->message && t->plan->verdict.verb != TC_FORWARD) {
        t->verdicts++;
        print_verdict(c->message, &t->plan->verdict, c->now_ns);
    }
    return 0;
}

static int begin(struct test *t, uint64_t now_ns)
{
    struct tc_call c = {.kind = TC_CALL_BEGIN, .now_ns = now_ns};
    t->began = true;
    return call(t, &c);
}

/* The timer that is due first, of equals the one set first; timer_count if there is none. */
static uint32_t first_timer(const struct test *t)
{
    uint32_t first = t->timer_count;
    for (uint32_t i = 0; i < t->timer_count; i++)
        if (first == t->timer_count || t->timers[i].due_ns < t->timers[first].due_ns)
            first = i;
    return first;
}

static int run_timer(struct test *t, uint32_t at)
{
    struct tc_call c = {.kind = TC_CALL_TIMER, .now_ns = t->timers[at].due_ns, .token = t->timers[at].token};
    t->timer_count--;
    memmove(&t->timers[at], &t->timers[at + 1], (t->timer_count - at) * sizeof t->timers[0]);
    return call(t, &c);
}

static int run_event(struct test *t, const struct tc_record_event *event)
{
    const struct tc_observation *o = &event->observation;
    struct tc_call c = {.now_ns = event->time_ns, .observation = o};
    c.kind = o->kind == TC_OBS_EXECUTED ? TC_CALL_DECIDE : o->kind == TC_OBS_VIEW ? TC_CALL_VIEW : TC_CALL_PHASE;
    if (c.kind == TC_CALL_PHASE)
        t->phase = c.phase = o->phase.phase;
    return t->handler->calls & (1u << c.kind) ? call(t, &c) : 0;
}

/* Timers and what replicas said, up to now, in the order of time. */
static int advance(struct test *t, uint64_t now_ns)
{
    int result = 0;
    t->now_ns = now_ns;
    while (result == 0) {
        uint32_t timer = first_timer(t);
        uint64_t timer_ns = timer < t->timer_count ? t->timers[timer].due_ns : TC_NEVER_NS;
        const struct tc_record_event *event =
            t->events.next < t->events.count ? &t->events.items[t->events.next] : NULL;
        uint64_t event_ns = event ? event->time_ns : TC_NEVER_NS;
        if ((timer_ns < event_ns ? timer_ns : event_ns) > now_ns)
            break;
        if (event_ns <= timer_ns)
            t->events.next++;
        result = event_ns <= timer_ns ? run_event(t, event) : run_timer(t, timer);
    }
    return result;
}

/* One message of the trace, as the engine would hand it to the script. */
static int take_message(struct test *t, struct lane *lane, struct tc_slice frame, uint64_t now_ns)
{
    struct tc_message m = {.from = lane->from, .to = lane->to, .sender = TC_NODE_NONE, .frame = frame, .type = "other"};
    tc_arena_reset(&t->message_arena);
    if (t->protocol->decode(frame, &t->message_arena, &m) < 0)
        t->undecodable++;
    m.from = lane->from;
    m.to = lane->to;
    tc_message_set_key(&m);
    t->messages++;
    uint16_t named;
    if (lane->from == TC_NODE_NONE && m.decoded && t->protocol->hello && t->protocol->hello(&m, &named) == 0) {
        struct lane *back = &t->lanes[(lane - t->lanes) ^ 1];
        lane->from = back->to = named;
        return 0;
    }
    const struct tc_statement *s = m.statement_count ? &m.statements[0] : NULL;
    if (s && (s->kind == TC_KIND_PROPOSE || s->kind == TC_KIND_NEW_VIEW) && s->view > t->view)
        t->view = s->view;
    enum tc_kind kind = s ? s->kind : TC_KIND_OTHER;
    int result = t->began ? 0 : begin(t, now_ns);
    if (result == 0)
        result = advance(t, now_ns);
    if (result < 0 || !(t->handler->kinds & (1u << kind)))
        return result;
    struct tc_call c = {.kind = TC_CALL_MESSAGE, .now_ns = now_ns, .message = &m};
    if (t->handler->calls & (1u << TC_CALL_MESSAGE))
        result = call(t, &c);
    c.kind = TC_CALL_HEAR;
    if (result == 0 && (t->handler->calls & (1u << TC_CALL_HEAR)) && tc_nodeset_has(&t->ledger.traitors, m.to))
        result = call(t, &c);
    return result;
}

static bool append(struct lane *lane, struct tc_slice bytes)
{
    if (lane->len + bytes.len > lane->size) {
        size_t wanted = (lane->len + bytes.len) * 2;
        uint8_t *grown = wanted <= 4 * (size_t)TC_FRAME_MAX ? realloc(lane->bytes, wanted) : NULL;
        if (!grown)
            return false;
        lane->bytes = grown;
        lane->size = wanted;
    }
    memcpy(lane->bytes + lane->len, bytes.data, bytes.len);
    lane->len += bytes.len;
    return true;
}

static int take_frames(struct test *t, struct lane *lane, uint64_t now_ns)
{
    size_t at = 0;
    int result = 0;
    while (result == 0 && at < lane->len && !lane->unframeable) {
        int64_t len = t->protocol->frame((struct tc_slice){lane->bytes + at, lane->len - at});
        if (len == TC_FRAME_PARTIAL)
            break;
        if (len < 0) {
            lane->unframeable = true;
            break;
        }
        result = take_message(t, lane, (struct tc_slice){lane->bytes + at, (size_t)len}, now_ns);
        at += (size_t)len;
    }
    memmove(lane->bytes, lane->bytes + at, lane->len - at);
    lane->len -= at;
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
static bool near_leg(const struct tc_cluster_spec *spec, const struct tc_capture_segment *segment, uint16_t *from,
                     uint16_t *to)
{
    uint32_t ip = segment->server_ip;
    *from = TC_NODE_NONE;
    if (spec && listed_leg(spec, ip, segment->server_port, to))
        return true;
    return tc_link_of_ipv4(ip, from, to);
}

static int take_segment(void *self, const struct tc_capture_segment *segment)
{
    struct test *t = self;
    uint16_t from, to;
    if (segment->stream >= LANES_MAX / 2)
        return tc_error_set(&t->own, TC_ELIMIT, "the trace has more than %u streams", LANES_MAX / 2);
    if (!near_leg(t->spec, segment, &from, &to)) {
        struct lane *skipped = &t->lanes[segment->stream * 2];
        t->foreign_streams += !skipped->foreign;
        skipped->foreign = true;
        return 0;
    }
    struct lane *lane = &t->lanes[segment->stream * 2 + (segment->from_client ? 0 : 1)];
    if (segment->stream * 2 + 2 > t->lane_count) {
        for (uint32_t i = t->lane_count; i < segment->stream * 2 + 2; i++)
            t->lanes[i].from = t->lanes[i].to = TC_NODE_NONE;
        t->lane_count = segment->stream * 2 + 2;
    }
    struct lane *front = &t->lanes[segment->stream * 2], *back = front + 1;
    if (front->to == TC_NODE_NONE) {
        front->from = back->to = from;
        front->to = back->from = to;
    }
    if (segment->gap)
        lane->unframeable = true;
    if (!segment->bytes.len || lane->unframeable)
        return 0;
    if (!append(lane, segment->bytes))
        return tc_error_set(&t->own, TC_ELIMIT, "a frame of the trace is larger than %u bytes", TC_FRAME_MAX);
    return take_frames(t, lane, segment->time_ns);
}

/* How many replicas the trace speaks of: what the script's context must know before it is loaded. */
static int count_replicas(void *self, const struct tc_capture_segment *segment)
{
    uint32_t *n = self;
    uint16_t from, to;
    if (near_leg(NULL, segment, &from, &to) && to + 1u > *n)
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
    return result == 0 ? tc_script_load(&config, &t->script, err) : result;
}

/* What the trace could not show the script. */
static void print_left_out(const struct test *t)
{
    const uint32_t needs_events = 1u << TC_CALL_DECIDE | 1u << TC_CALL_VIEW | 1u << TC_CALL_PHASE;
    if (t->foreign_streams)
        printf("%" PRIu64
               " streams to other addresses than its listeners (as turncoat's own to the replicas) were left out%s\n",
               t->foreign_streams, t->spec ? "" : "; --cluster FILE says where else listeners are");
    if (t->events.present || !(t->handler->calls & needs_events))
        return;
    printf("not called, for want of observations.jsonl beside the trace:%s%s%s\n",
           t->handler->calls & (1u << TC_CALL_DECIDE) ? " on_decide" : "",
           t->handler->calls & (1u << TC_CALL_VIEW) ? " on_view" : "",
           t->handler->calls & (1u << TC_CALL_PHASE) ? " on_phase" : "");
}

static int replay(struct test *t, const char *trace, struct tc_error *err)
{
    struct tc_capture_counts counts;
    t->handler = tc_script_handler(t->script);
    t->phase = TC_RUN_DURING;
    int result = tc_capture_read(trace, take_segment, t, &counts, err);
    if (result == 0 && t->began && (t->handler->calls & (1u << TC_CALL_END))) {
        struct tc_call c = {.kind = TC_CALL_END, .now_ns = t->now_ns};
        result = call(t, &c);
    }
    if (result < 0 && t->own.code)
        *err = t->own;
    return result;
}

int tc_command_test(const struct tc_arguments *a, struct tc_error *err)
{
    static struct test test;
    test.err = err;
    tc_arena_init(&test.plan_arena, 64u << 20);
    tc_arena_init(&test.message_arena, 64u << 20);
    test.plan = calloc(1, sizeof *test.plan);
    test.lanes = calloc(LANES_MAX, sizeof *test.lanes);
    int result = test.plan && test.lanes ? prepare(&test, a, err) : tc_error_set(err, TC_EMEMORY, "no memory");
    if (result == 0)
        result = replay(&test, a->values[TC_OPTION_TRACE], err);
    if (result == 0) {
        printf("%" PRIu64 " messages read (%" PRIu64 " undecodable), %" PRIu64 " verdicts other than forward, %" PRIu64
               " notes\n",
               test.messages, test.undecodable, test.verdicts, test.notes);
        print_left_out(&test);
    }
    tc_record_events_free(&test.events);
    for (uint32_t i = 0; test.lanes && i < test.lane_count; i++)
        free(test.lanes[i].bytes);
    free(test.lanes);
    free(test.plan);
    tc_script_free(test.script);
    tc_keyring_free(test.env.keys);
    tc_arena_free(&test.plan_arena);
    tc_arena_free(&test.message_arena);
    return result;
}
