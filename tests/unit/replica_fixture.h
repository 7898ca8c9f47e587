/* One PBFT replica of four, fed by hand: what it hears, the time that passes, and what the last step left behind. */
#ifndef TC_REPLICA_FIXTURE_H
#define TC_REPLICA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../reference/replica.h"
#include "../lib/pbft_make.h"

#define MS UINT64_C(1000000)

struct bench {
    struct tc_make make;
    const struct tc_replica_class *class;
    struct tc_replica *replica;
    struct tc_outputs out;
    uint64_t now_ns;
};

static inline void bench_start(struct bench *b, uint16_t id, uint64_t bugs)
{
    struct tc_error err = {0};
    memset(b, 0, sizeof *b);
    tc_make_init(&b->make, 4);
    b->make.cluster.checkpoint_interval = 4;
    b->make.cluster.window = 8;
    b->make.cluster.batch_max = 4;
    b->make.cluster.pipeline_max = 4;
    b->make.cluster.view_timeout_ns = 100 * MS;
    b->make.cluster.view_timeout_max_ns = 1600 * MS;
    b->class = tc_replica_find("pbft");
    assert_non_null(b->class);
    const struct tc_replica_config config = {.id = id, .env = b->make.env, .bugs = bugs};
    b->replica = b->class->create(&config, &err);
    assert_non_null(b->replica);
    const struct tc_replica_event event = {.kind = TC_REPLICA_START};
    assert_int_equal(b->class->step(b->replica, &event, &b->out), 0);
}

static inline void bench_stop(struct bench *b)
{
    b->class->destroy(b->replica);
    tc_make_free(&b->make);
}

static inline void hear_bytes(struct bench *b, uint16_t peer, struct tc_slice frame)
{
    const struct tc_replica_event event = {
        .kind = TC_REPLICA_FRAME, .now_ns = ++b->now_ns, .peer = peer, .bytes = frame};
    assert_int_equal(b->class->step(b->replica, &event, &b->out), 0);
}

static inline void hear(struct bench *b, const Wire__Envelope *envelope)
{
    hear_bytes(b, (uint16_t)envelope->sender, tc_make_frame(&b->make, envelope));
}

static inline void pass_time(struct bench *b, uint64_t delay_ns)
{
    b->now_ns += delay_ns;
    const struct tc_replica_event event = {.kind = TC_REPLICA_TIMER, .now_ns = b->now_ns};
    assert_int_equal(b->class->step(b->replica, &event, &b->out), 0);
}

/* How many frames of this type the last step sent; the last of them in *envelope. */
static inline uint32_t sent(struct bench *b, uint32_t type, Wire__Envelope **envelope)
{
    uint32_t count = 0;
    for (size_t i = 0; i < b->out.count; i++) {
        Wire__Envelope *found;
        if (b->out.items[i].kind != TC_OUT_SEND)
            continue;
        assert_int_equal(tc_wire_unpack(b->out.items[i].bytes, &b->make.arena, &found), 0);
        if (found->type != type)
            continue;
        count++;
        if (envelope)
            *envelope = found;
    }
    return count;
}

static inline const struct tc_observation *observed(const struct bench *b, enum tc_observation_kind kind)
{
    for (size_t i = 0; i < b->out.count; i++)
        if (b->out.items[i].kind == TC_OUT_OBSERVE && b->out.items[i].observation.kind == kind)
            return &b->out.items[i].observation;
    return NULL;
}

static inline void assert_complaint(struct bench *b, const char *text, uint16_t peer)
{
    const struct tc_observation *complaint = observed(b, TC_OBS_COMPLAINT);
    assert_non_null(complaint);
    assert_string_equal(complaint->text, text);
    assert_int_equal(complaint->peer, peer);
    assert_int_equal(sent(b, PBFT__TYPE__PREPARE, NULL) + sent(b, PBFT__TYPE__COMMIT, NULL), 0);
}

/* Records come before everything that depends on them: here simply first, as many as said. */
static inline uint32_t persisted(const struct bench *b)
{
    uint32_t count = 0;
    for (size_t i = 0; i < b->out.count; i++)
        count += b->out.items[i].kind == TC_OUT_PERSIST;
    return count;
}

static inline Wire__Envelope *proposal(struct bench *b, uint32_t sender, uint64_t view, uint64_t sequence,
                                       const char *text)
{
    Wire__Envelope **requests = tc_arena_alloc(&b->make.arena, sizeof(Wire__Envelope *));
    requests[0] = text ? tc_make_request(&b->make, TC_CLIENT_FIRST, sequence, text) : NULL;
    return tc_make_proposal(&b->make, sender, view, sequence, requests, text ? 1 : 0);
}

static inline ProtobufCBinaryData digest_of(struct bench *b, const Wire__Envelope *pre_prepare)
{
    void *body;
    assert_int_equal(tc_wire_get_body(pre_prepare, &pbft__pre_prepare__descriptor, &b->make.arena, &body), 0);
    return ((Pbft__PrePrepare *)body)->digest;
}

/* The body of its own view change, which the last step sent to all. */
static inline const Pbft__ViewChange *view_change_said(struct bench *b)
{
    Wire__Envelope *envelope;
    void *body;
    assert_int_equal(sent(b, PBFT__TYPE__VIEW_CHANGE, &envelope), 3);
    assert_int_equal(tc_wire_verify(&b->make.env, envelope), 0);
    assert_int_equal(tc_wire_get_body(envelope, &pbft__view_change__descriptor, &b->make.arena, &body), 0);
    return body;
}

#endif
