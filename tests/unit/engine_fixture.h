/* A little protocol and a text trace of the engine's actions, shared by the engine's tests.
 *
 * A frame is two bytes of length (of what follows), then text: kind, signer, view, sequence, one character each, then
 * anything. Kinds: H hello (signer names the dialler), P propose, V vote, Q request, C view change, others do not
 * decode. A length of 0xffff cannot be. */
#ifndef TC_ENGINE_FIXTURE_H
#define TC_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../injectors/ledger.h"
#include "../../proxy/engine.h"
#include "../../proxy/names.h"
#include "../../proxy/nodeset.h"

#define MS          UINT64_C(1000000)
#define CAPTURE_MAX (1u << 22)

static int64_t fake_frame(struct tc_slice in)
{
    if (in.len < 2)
        return TC_FRAME_PARTIAL;
    size_t len = (size_t)in.data[0] << 8 | in.data[1];
    if (len == 0xffff)
        return TC_FRAME_MALFORMED;
    return in.len >= 2 + len ? (int64_t)(2 + len) : TC_FRAME_PARTIAL;
}

static int fake_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)
{
    static const struct {
        char letter;
        enum tc_kind kind;
        const char *name;
    } kinds[] = {{'H', TC_KIND_OTHER, "hello"},
                 {'P', TC_KIND_PROPOSE, "propose"},
                 {'V', TC_KIND_VOTE, "vote"},
                 {'Q', TC_KIND_REQUEST, "request"},
                 {'C', TC_KIND_VIEW_CHANGE, "view-change"}};
    if (frame.len < 6)
        return TC_EMALFORMED;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (frame.data[2] != (uint8_t)kinds[i].letter)
            continue;
        struct tc_statement *s = tc_arena_zalloc(arena, sizeof *s);
        if (!s)
            return TC_ELIMIT;
        s->kind = kinds[i].kind;
        s->signer = (uint16_t)(frame.data[3] - '0');
        s->view = (uint64_t)(frame.data[4] - '0');
        s->sequence = (uint64_t)(frame.data[5] - '0');
        s->has_view = true;
        s->has_sequence = true;
        s->parent = 0xffff;
        s->body = (struct tc_slice){frame.data + 2, frame.len - 2};
        s->signature = s->body;
        m->sender = s->signer;
        m->type = kinds[i].name;
        m->decoded = true;
        m->frame = frame;
        m->statements = s;
        m->statement_count = 1;
        return 0;
    }
    return TC_EMALFORMED;
}

static int fake_hello(const struct tc_message *m, uint16_t *node)
{
    if (!m->decoded || m->frame.data[2] != 'H')
        return TC_EMALFORMED;
    *node = m->statements[0].signer;
    return 0;
}

static uint16_t fake_leader(const struct tc_cluster *cluster, uint64_t view)
{
    return (uint16_t)(view % cluster->n);
}

/* What the test's handler answers; `answer` may be NULL. */
struct fixture {
    struct tc_cluster cluster;
    struct tc_protocol protocol;
    struct tc_ledger ledger;
    struct tc_handler handler;
    struct tc_engine_config config;
    struct tc_engine *e;
    uint64_t now_ns;
    int (*answer)(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);
    uint32_t calls[TC_CALL_END + 1];
    struct tc_call last;
    struct tc_nodeset traitors;
    char trace[1 << 16];
    size_t trace_len;
    uint8_t *out[64]; /* what was written to each conn, if wanted */
    size_t out_len[64];
    bool keep_out, quiet;
    uint8_t frames[1 << 12]; /* memory of made frames */
    size_t frames_len;
};

static inline int fixture_call(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct fixture *f = self;
    f->calls[call->kind]++;
    f->last = *call;
    if (call->kind == TC_CALL_BEGIN)
        plan->traitors = f->traitors;
    return f->answer ? f->answer(f, call, plan, err) : 0;
}

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->cluster.n = 4;
    f->cluster.f = 1;
    f->protocol = (struct tc_protocol){.name = "fake",
                                       .loss = TC_LOSS_RETRANSMITTED,
                                       .frame = fake_frame,
                                       .decode = fake_decode,
                                       .hello = fake_hello,
                                       .leader = fake_leader,
                                       .hello_names_dialler = true};
    f->ledger.traitors_max = 1;
    f->handler = (struct tc_handler){.self = f, .name = "test", .kinds = ~0u, .calls = ~0u, .call = fixture_call};
    f->config.protocol = &f->protocol;
    f->config.env.cluster = &f->cluster;
    f->config.handler = &f->handler;
    f->config.ledger = &f->ledger;
    f->config.seed = 1;
    f->config.observe = true;
}

static inline void fixture_start(struct fixture *f)
{
    f->e = tc_engine_new(&f->config);
    assert_non_null(f->e);
}

static inline void fixture_end(struct fixture *f)
{
    tc_engine_free(f->e);
    for (size_t i = 0; i < 64; i++)
        free(f->out[i]);
}

static inline void say(struct fixture *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(f->trace + f->trace_len, sizeof f->trace - f->trace_len, format, args);
    va_end(args);
    assert_true(wrote >= 0 && (size_t)wrote < sizeof f->trace - f->trace_len);
    f->trace_len += (size_t)wrote;
}

/* The texts of the frames in `bytes`, split by |; what is no frame as …length. */
static inline void say_frames(struct fixture *f, struct tc_slice bytes)
{
    const char *split = "";
    while (bytes.len > 0) {
        int64_t len = fake_frame(bytes);
        if (len <= 0) {
            say(f, "%s~%zu", split, bytes.len);
            return;
        }
        say(f, "%s%.*s", split, (int)len - 2, (const char *)bytes.data + 2);
        bytes.data += len;
        bytes.len -= (size_t)len;
        split = "|";
    }
}

static inline void say_nodes(struct fixture *f, const struct tc_nodeset *set)
{
    for (uint32_t node = 0; node < TC_NODES_MAX; node++)
        if (tc_nodeset_has(set, node))
            say(f, "%u", node);
}

static inline void say_observation(struct fixture *f, const struct tc_observation *o)
{
    char a[8], b[8];
    tc_node_name(o->node, a);
    tc_node_name(o->peer, b);
    switch (o->kind) {
    case TC_OBS_MESSAGE:
        tc_node_name(o->message.message->from, a);
        tc_node_name(o->message.message->to, b);
        say(f, "%s%s%s %s>%s ", o->message.said ? "said" : "", o->message.said && o->message.heard ? "+" : "",
            o->message.heard ? "heard" : "", a, b);
        say_frames(f, o->message.message->frame);
        say(f, "%s\n", o->message.message->touched ? " touched" : "");
        break;
    case TC_OBS_FAULTS:
        say(f, "faults s{");
        say_nodes(f, &o->faults.signed_for);
        say(f, "} l{");
        say_nodes(f, &o->faults.liveness);
        say(f, "} down{");
        say_nodes(f, &o->faults.down);
        if (o->faults.healed_ns == TC_NEVER_NS)
            say(f, "} healed never");
        else
            say(f, "} healed %llu", (unsigned long long)(o->faults.healed_ns / MS));
        say(f, "%s\n", o->faults.active ? " active" : "");
        break;
    case TC_OBS_PHASE:
        say(f, "phase %s\n", tc_run_phase_name(o->phase.phase));
        break;
    case TC_OBS_NODE_EXIT:
        say(f, "node_exit %s %d%s\n", a, o->exit.status, o->exit.asked ? " asked" : "");
        break;
    default:
        say(f, "%s %s %s%s%s\n", tc_observation_name(o->kind), a, b, o->text[0] ? " " : "", o->text);
        break;
    }
}

static inline void say_decision(struct fixture *f, const struct tc_decision *d)
{
    say(f, "decision %llu %s", (unsigned long long)d->id, tc_verb_name(d->verb));
    if (d->from != TC_NODE_NONE)
        say(f, " %u>%u", d->from, d->to);
    if (d->node != TC_NODE_NONE)
        say(f, " node %u", d->node);
    if (d->count)
        say(f, " x%u", d->count);
    if (d->asked_ns)
        say(f, " asked %llu", (unsigned long long)(d->asked_ns / MS));
    if (d->measured_ns)
        say(f, " measured %llu", (unsigned long long)(d->measured_ns / MS));
    if (d->bytes.len) {
        say(f, " ");
        say_frames(f, d->bytes);
    }
    say(f, "%s%s%s\n", d->bitten ? " bitten" : "", d->why[0] ? " because " : "", d->why);
}

static inline void keep_out(struct fixture *f, const struct tc_action *a)
{
    assert_true(a->conn < 64);
    if (!f->out[a->conn])
        f->out[a->conn] = malloc(CAPTURE_MAX);
    assert_true(f->out[a->conn] && f->out_len[a->conn] + a->bytes.len <= CAPTURE_MAX);
    memcpy(f->out[a->conn] + f->out_len[a->conn], a->bytes.data, a->bytes.len);
    f->out_len[a->conn] += a->bytes.len;
}

static inline void say_action(struct fixture *f, const struct tc_action *a)
{
    switch (a->kind) {
    case TC_ACT_DIAL:
        say(f, "dial %u to %u\n", a->conn, a->to);
        break;
    case TC_ACT_WRITE:
        say(f, "write %u ", a->conn);
        say_frames(f, a->bytes);
        say(f, "\n");
        break;
    case TC_ACT_CLOSE:
        say(f, "close %u%s\n", a->conn, a->reset ? " reset" : "");
        break;
    case TC_ACT_STOP_READ:
        say(f, "stop_read %u\n", a->conn);
        break;
    case TC_ACT_RESUME_READ:
        say(f, "resume_read %u\n", a->conn);
        break;
    case TC_ACT_NODE:
        say(f, "node %u %s\n", a->node, tc_verb_name(a->verb));
        break;
    case TC_ACT_OBSERVE:
        say_observation(f, a->observation);
        break;
    case TC_ACT_DECISION:
        say_decision(f, a->decision);
        break;
    case TC_ACT_VERIFY:
        say(f, "verify %llx\n", (unsigned long long)a->token);
        break;
    case TC_ACT_PLAIN:
        say(f, "plain %u %s ", a->conn, a->received ? "received" : "sent");
        say_frames(f, a->bytes);
        say(f, "\n");
        break;
    case TC_ACT_FINISH:
        say(f, "finish\n");
        break;
    }
}

/* One step; its actions are appended to the trace. */
static inline void step(struct fixture *f, struct tc_event event)
{
    struct tc_actions acts;
    event.now_ns = f->now_ns;
    assert_int_equal(tc_engine_step(f->e, &event, &acts), 0);
    bool facts = false;
    for (size_t i = 0; i < acts.count; i++) {
        bool fact = acts.items[i].kind == TC_ACT_OBSERVE || acts.items[i].kind == TC_ACT_DECISION ||
                    acts.items[i].kind == TC_ACT_VERIFY;
        assert_true(fact || !facts); /* facts come after the writes they speak of */
        facts = fact;
        if (acts.items[i].kind == TC_ACT_WRITE && f->keep_out)
            keep_out(f, &acts.items[i]);
        if (!f->quiet)
            say_action(f, &acts.items[i]);
    }
}

/* A frame with this text, in memory of the fixture. */
static inline struct tc_slice frame_of(struct fixture *f, const char *text)
{
    size_t len = strlen(text);
    if (f->frames_len + len + 2 > sizeof f->frames)
        f->frames_len = 0;
    uint8_t *at = f->frames + f->frames_len;
    at[0] = (uint8_t)(len >> 8);
    at[1] = (uint8_t)len;
    memcpy(at + 2, text, len);
    f->frames_len += len + 2;
    return (struct tc_slice){at, len + 2};
}

/* All these frames in one event (texts split by |). A part of bytes as they are: begin it with ~. */
static inline void receive(struct fixture *f, uint32_t conn, const char *texts)
{
    uint8_t *bytes = malloc(strlen(texts) * 3 + 2);
    size_t at = 0;
    assert_non_null(bytes);
    while (texts[0]) {
        size_t len = strcspn(texts, "|");
        if (texts[0] != '~') {
            bytes[at++] = (uint8_t)(len >> 8);
            bytes[at++] = (uint8_t)len;
            memcpy(bytes + at, texts, len);
            at += len;
        } else {
            memcpy(bytes + at, texts + 1, len - 1);
            at += len - 1;
        }
        texts += len + (texts[len] == '|');
    }
    step(f, (struct tc_event){.kind = TC_EV_BYTES, .conn = conn, .bytes = {bytes, at}});
    free(bytes);
}

static inline void accept_pair(struct fixture *f, uint32_t pair, uint16_t from, uint16_t to)
{
    step(f, (struct tc_event){.kind = TC_EV_ACCEPTED, .conn = TC_CONN_NEAR(pair), .from = from, .to = to});
}

static inline void dialled(struct fixture *f, uint32_t pair)
{
    step(f, (struct tc_event){.kind = TC_EV_DIALLED, .conn = TC_CONN_FAR(pair)});
}

static inline void closed(struct fixture *f, uint32_t conn, bool reset)
{
    step(f, (struct tc_event){.kind = TC_EV_CLOSED, .conn = conn, .reset = reset});
}

static inline void enter(struct fixture *f, enum tc_run_phase phase)
{
    step(f, (struct tc_event){.kind = TC_EV_PHASE, .phase = phase});
}

static inline void timer_at(struct fixture *f, uint64_t now_ns)
{
    f->now_ns = now_ns;
    step(f, (struct tc_event){.kind = TC_EV_TIMER});
}

static inline void forget_trace(struct fixture *f)
{
    f->trace_len = 0;
    f->trace[0] = 0;
}

static inline void expect_trace(struct fixture *f, const char *expected)
{
    assert_string_equal(f->trace, expected);
    forget_trace(f);
}

/* Starts; a connection from 1 to 2 is up and has said `said` (NULL: nothing yet), with an empty trace. */
static inline void begin_linked(struct fixture *f, const char *said)
{
    fixture_start(f);
    accept_pair(f, 0, 1, 2);
    dialled(f, 0);
    if (said)
        receive(f, 0, said);
    forget_trace(f);
}

/* A pair that is up, in the attack's phase, with an empty trace. */
static inline void attack_on_link(struct fixture *f, uint32_t pair, uint16_t from, uint16_t to)
{
    fixture_start(f);
    accept_pair(f, pair, from, to);
    dialled(f, pair);
    receive(f, TC_CONN_NEAR(pair), "H000");
    enter(f, TC_RUN_DURING);
    forget_trace(f);
}

#endif
