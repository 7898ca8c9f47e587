/* turncoat test SCRIPT --trace T: every verdict an attack gives to recorded messages, without any cluster. */
#include "capture_read.h"
#include "command.h"

#include "../lua/scenario.h"
#include "../proxy/names.h"
#include "../proxy/nodeset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANES_MAX 4096u

/* Bytes of one direction of one stream that are not a whole frame yet. */
struct lane {
    uint8_t *bytes;
    size_t len, size;
    uint16_t from, to;
    bool unframeable;
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
    uint64_t view, messages, verdicts, notes, undecodable;
    bool began;
    struct tc_error *err;
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
    int result = t->handler->call(t->handler->self, c, t->plan, t->err);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < t->plan->note_count; i++)
        printf("%9.6f  note      %s\n", (double)c->now_ns / 1e9, t->plan->notes[i]);
    for (uint32_t i = 0; i < t->plan->op_count; i++)
        printf("%9.6f  %s\n", (double)c->now_ns / 1e9, tc_verb_name(t->plan->ops[i].verb));
    t->notes += t->plan->note_count;
    if (c->kind == TC_CALL_BEGIN)
        return tc_ledger_freeze(&t->ledger, &t->plan->traitors, t->err);
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
    if (!(t->handler->kinds & (1u << kind)))
        return 0;
    struct tc_call c = {.kind = TC_CALL_MESSAGE, .now_ns = now_ns, .message = &m};
    int result = t->began ? 0 : begin(t, now_ns);
    if (result == 0 && (t->handler->calls & (1u << TC_CALL_MESSAGE)))
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

/* The near legs of turncoat's own traces: 127.(64+from).to.1 for replicas, 127.192.to.1 for clients. */
static bool near_leg(const struct tc_capture_segment *segment, uint16_t *from, uint16_t *to)
{
    uint32_t ip = segment->server_ip;
    uint32_t second = ip >> 16 & 255u;
    if (ip >> 24 != 127 || (ip & 255u) != 1 || second < 64 || second > 192)
        return false;
    *from = second == 192 ? TC_NODE_NONE : (uint16_t)(second - 64);
    *to = (uint16_t)(ip >> 8 & 255u);
    return true;
}

static int take_segment(void *self, const struct tc_capture_segment *segment)
{
    struct test *t = self;
    uint16_t from, to;
    if (!near_leg(segment, &from, &to) || segment->stream >= LANES_MAX / 2)
        return 0;
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
        return tc_error_set(t->err, TC_ELIMIT, "a frame of the trace is larger than %u bytes", TC_FRAME_MAX);
    return take_frames(t, lane, segment->time_ns);
}

/* How many replicas the trace speaks of: what the script's context must know before it is loaded. */
static int count_replicas(void *self, const struct tc_capture_segment *segment)
{
    uint32_t *n = self;
    uint16_t from, to;
    if (near_leg(segment, &from, &to) && to + 1u > *n)
        *n = to + 1u;
    return 0;
}

static int prepare(struct test *t, const struct tc_arguments *a, struct tc_error *err)
{
    static char path[512];
    uint64_t seed;
    const char *trace = a->values[TC_OPTION_TRACE];
    const char *name = tc_arguments_text(a, TC_OPTION_PROTOCOL, "pbft");
    struct tc_capture_counts counts;
    if (a->operand_count != 1 || !trace)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat test' needs an attack and a trace: turncoat test equivocate-half "
                            "--trace out/correct/latest/trace.pcap");
    t->protocol = tc_protocol_find(name);
    if (!t->protocol)
        return tc_error_set(err, TC_EUSAGE, "no protocol '%s'; 'turncoat list protocols' names them", name);
    int result = tc_command_seed(a, &seed, err);
    if (result == 0)
        result = tc_capture_read(trace, count_replicas, &t->cluster.n, &counts, err);
    if (result < 0)
        return result;
    if (t->cluster.n == 0)
        return tc_error_set(err, TC_EUSAGE,
                            "%s: no link of a cluster behind turncoat's listeners (127.64.0.1 to 127.192.127.1) in it",
                            trace);
    t->cluster.f = tc_protocol_faults_max(t->cluster.n);
    snprintf(t->cluster.id, sizeof t->cluster.id, "test");
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

int tc_command_test(const struct tc_arguments *a, struct tc_error *err)
{
    static struct test test;
    struct tc_capture_counts counts;
    test.err = err;
    tc_arena_init(&test.plan_arena, 64u << 20);
    tc_arena_init(&test.message_arena, 64u << 20);
    test.plan = calloc(1, sizeof *test.plan);
    test.lanes = calloc(LANES_MAX, sizeof *test.lanes);
    int result = test.plan && test.lanes ? prepare(&test, a, err) : tc_error_set(err, TC_EMEMORY, "no memory");
    if (result == 0) {
        test.handler = tc_script_handler(test.script);
        result = tc_capture_read(a->values[TC_OPTION_TRACE], take_segment, &test, &counts, err);
    }
    if (result == 0)
        printf("%" PRIu64 " messages read (%" PRIu64 " undecodable), %" PRIu64 " verdicts other than forward, %" PRIu64
               " notes\n",
               test.messages, test.undecodable, test.verdicts, test.notes);
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
