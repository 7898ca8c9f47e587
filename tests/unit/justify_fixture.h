/* A justifier over four replicas, and the words to write histories with. */
#ifndef TC_TESTS_JUSTIFY_FIXTURE_H
#define TC_TESTS_JUSTIFY_FIXTURE_H

#include "../lib/pbft_make.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* n = 4, f = 1, quorum 3; view v is led by replica v mod 4. */
struct fixture {
    struct tc_make make;
    struct tc_justifier *j;
    uint32_t breaches;
    uint16_t replica;
    char rule[64], text[512];
    uint64_t view, sequence; /* of the slot it is about */
    size_t support_count;
};

static inline void on_breach(void *self, const struct tc_breach *breach)
{
    struct fixture *f = self;
    f->breaches++;
    f->replica = breach->replica;
    f->view = breach->view;
    f->sequence = breach->sequence;
    f->support_count = breach->support_count;
    snprintf(f->rule, sizeof f->rule, "%s", breach->rule);
    snprintf(f->text, sizeof f->text, "%s", breach->text);
    assert_non_null(strstr(breach->section, "OSDI"));
}

static inline int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    tc_make_init(&fixture.make, 4);
    fixture.j = tc_pbft.justifier->create(&fixture.make.env, on_breach, &fixture);
    for (uint16_t i = 0; i < 4; i++) {
        const struct tc_observation up = {.kind = TC_OBS_NODE_UP, .node = i, .incarnation = 1};
        tc_pbft.justifier->observed(fixture.j, &up);
    }
    *state = &fixture;
    return fixture.j ? 0 : -1;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    tc_pbft.justifier->destroy(f->j);
    tc_make_free(&f->make);
    return 0;
}

#define EXPECT(rule_name, who)                                                                                         \
    do {                                                                                                               \
        if (f->breaches != 1)                                                                                          \
            print_error("%u breaches, last %s: %s\n", f->breaches, f->rule, f->text);                                  \
        assert_int_equal(f->breaches, 1);                                                                              \
        assert_string_equal(f->rule, rule_name);                                                                       \
        assert_int_equal(f->replica, who);                                                                             \
    } while (0)

#define EXPECT_NONE()                                                                                                  \
    do {                                                                                                               \
        if (f->breaches != 0)                                                                                          \
            print_error("%s: %s\n", f->rule, f->text);                                                                 \
        assert_int_equal(f->breaches, 0);                                                                              \
    } while (0)

static inline void say_to(struct fixture *f, uint16_t to, const Wire__Envelope *envelope)
{
    const uint16_t from = (uint16_t)envelope->sender;
    tc_pbft.justifier->said(f->j, from, tc_make_message(&f->make, envelope, from, to));
}

static inline void offer(struct fixture *f, uint16_t to, const Wire__Envelope *envelope, bool trusted)
{
    const uint16_t from = (uint16_t)envelope->sender;
    tc_pbft.justifier->heard(f->j, to, tc_make_message(&f->make, envelope, from, to), trusted);
}

/* Said to everybody and offered to everybody, as in a fault-free run. */
static inline void multicast(struct fixture *f, const Wire__Envelope *envelope)
{
    for (uint16_t to = 0; to < 4; to++) {
        if (to == envelope->sender)
            continue;
        say_to(f, to, envelope);
        offer(f, to, envelope, true);
    }
}

static inline ProtobufCBinaryData digest(struct fixture *f, uint8_t fill)
{
    return tc_make_digest(&f->make, fill);
}

static inline Wire__Envelope *propose(struct fixture *f, uint64_t view, uint64_t sequence, uint8_t fill)
{
    return tc_make_pre_prepare(&f->make, (uint32_t)(view % 4), view, sequence, digest(f, fill));
}

static inline Wire__Envelope *prepare(struct fixture *f, uint32_t sender, uint64_t view, uint64_t sequence,
                                      uint8_t fill)
{
    return tc_make_prepare(&f->make, sender, view, sequence, digest(f, fill));
}

static inline Wire__Envelope *commit(struct fixture *f, uint32_t sender, uint64_t view, uint64_t sequence, uint8_t fill)
{
    return tc_make_commit(&f->make, sender, view, sequence, digest(f, fill));
}

static inline void execute(struct fixture *f, uint16_t node, uint64_t sequence, uint8_t fill)
{
    struct tc_observation line = {.kind = TC_OBS_EXECUTED, .node = node, .incarnation = 1};
    line.executed.sequence = sequence;
    line.executed.origin = TC_EXEC_EXECUTED;
    line.executed.value.state = fill ? TC_VALUE_BYTES : TC_VALUE_NIL;
    memset(line.executed.value.bytes, fill, TC_VALUE_SIZE);
    tc_pbft.justifier->observed(f->j, &line);
}

/* A whole agreement in `view` without faults, executions included. */
static inline void agree(struct fixture *f, uint64_t view, uint64_t sequence, uint8_t fill)
{
    multicast(f, propose(f, view, sequence, fill));
    for (uint32_t i = 0; i < 4; i++)
        if (i != view % 4)
            multicast(f, prepare(f, i, view, sequence, fill));
    for (uint32_t i = 0; i < 4; i++)
        multicast(f, commit(f, i, view, sequence, fill));
    for (uint16_t i = 0; i < 4; i++)
        execute(f, i, sequence, fill);
}

#endif
