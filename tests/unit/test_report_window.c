/* The window of messages: what became of each, and which of them are kept. */
#include "../../proxy/nodeset.h"
#include "../../reports/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void enter(struct tc_window *w, enum tc_run_phase phase)
{
    struct tc_observation o = {.kind = TC_OBS_PHASE, .node = TC_NODE_NONE, .phase = {phase}};
    tc_window_observe(w, &o);
}

struct spoken {
    uint64_t time_ns, key, sequence;
    uint16_t from, to;
    bool said, heard, touched;
};

static void speak(struct tc_window *w, struct spoken s)
{
    struct tc_statement statement = {.kind = TC_KIND_PROPOSE, .view = 3, .has_view = true, .has_sequence = true};
    struct tc_message m = {.from = s.from, .to = s.to, .key = s.key, .touched = s.touched, .type = "pre-prepare"};
    statement.sequence = s.sequence;
    statement.value.state = TC_VALUE_BYTES;
    memset(statement.value.bytes, s.touched ? 0x77 : 0x9c, TC_VALUE_SIZE);
    m.statements = &statement;
    m.statement_count = 1;
    m.decoded = true;
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .time_ns = s.time_ns, .node = s.from};
    o.message.message = &m;
    o.message.said = s.said;
    o.message.heard = s.heard;
    tc_window_observe(w, &o);
}

static void decide(struct tc_window *w, uint64_t id, enum tc_verb verb, uint64_t key, uint16_t to, uint64_t sequence)
{
    struct tc_decision d = {
        .id = id, .time_ns = 50 + id, .verb = verb, .from = 0, .to = to, .key = key, .bitten = true};
    d.kind = TC_KIND_PROPOSE;
    d.type = "pre-prepare";
    d.has_sequence = d.has_view = true;
    d.sequence = sequence;
    d.view = 3;
    tc_window_decide(w, &d);
}

static char *table(const struct tc_window *w)
{
    struct tc_buf t = {0};
    assert_int_equal(tc_window_table(w, &t), 0);
    return t.data;
}

static void fates_are_told_apart(void **state)
{
    (void)state;
    struct tc_window *w = tc_window_new();
    enter(w, TC_RUN_DURING);
    speak(w, (struct spoken){10, 1, 41, 0, 1, true, true, false});  /* passed */
    speak(w, (struct spoken){20, 2, 41, 0, 2, true, false, false}); /* dropped */
    decide(w, 1, TC_DROP, 2, 2, 41);
    speak(w, (struct spoken){30, 3, 41, 0, 3, true, false, false}); /* replaced by a forged one */
    speak(w, (struct spoken){31, 9, 41, 0, 3, false, true, true});
    decide(w, 2, TC_REPLACE, 3, 3, 41);
    speak(w, (struct spoken){40, 4, 42, 0, 1, true, false, false}); /* delayed */
    speak(w, (struct spoken){90, 4, 42, 0, 1, false, true, false});
    decide(w, 3, TC_DELAY, 4, 1, 42);
    speak(w, (struct spoken){95, 4, 42, 0, 1, false, true, false}); /* its duplicate */
    speak(w, (struct spoken){99, 5, 43, 0, 1, true, false, false}); /* never came */
    char *rows = table(w);
    assert_string_equal(
        rows, "said_ns\theard_ns\tfrom\tto\ttype\tkind\tphase\tview\tsequence\tdigest\tfate\tdecision\tsigner\n"
              "10\t10\t0\t1\tpre-prepare\tpropose\t\t3\t41\t9c9c9c9c9c9c9c9c\tpassed\t\t\n"
              "20\t\t0\t2\tpre-prepare\tpropose\t\t3\t41\t9c9c9c9c9c9c9c9c\tdropped\t1\t\n"
              "30\t\t0\t3\tpre-prepare\tpropose\t\t3\t41\t9c9c9c9c9c9c9c9c\treplaced\t2\t\n"
              "\t31\t0\t3\tpre-prepare\tpropose\t\t3\t41\t7777777777777777\tcorrupted\t\t\n"
              "40\t90\t0\t1\tpre-prepare\tpropose\t\t3\t42\t9c9c9c9c9c9c9c9c\tdelayed\t3\t\n"
              "\t95\t0\t1\tpre-prepare\tpropose\t\t3\t42\t9c9c9c9c9c9c9c9c\tduplicate\t\t\n"
              "99\t\t0\t1\tpre-prepare\tpropose\t\t3\t43\t9c9c9c9c9c9c9c9c\tundelivered\t\t\n");
    free(rows);
    tc_window_free(w);
}

/* A traitor's second proposal that a correct replica passes on bears the traitor's valid signature. */
static void what_is_signed_anew_is_not_corrupted(void **state)
{
    (void)state;
    struct tc_window *w = tc_window_new();
    struct tc_observation faults = {.kind = TC_OBS_FAULTS, .time_ns = 5};
    tc_nodeset_add(&faults.faults.signed_for, 0);
    enter(w, TC_RUN_DURING);
    tc_window_observe(w, &faults);
    speak(w, (struct spoken){10, 1, 41, 0, 2, false, true, true});
    speak(w, (struct spoken){20, 2, 41, 3, 2, false, true, true}); /* signer 0, on replica 3's link */
    char *rows = table(w);
    assert_non_null(strstr(rows, "\t0\t2\tpre-prepare\tpropose\t\t3\t41\t7777777777777777\tchanged\t"));
    assert_non_null(strstr(rows, "\t3\t2\tpre-prepare\tpropose\t\t3\t41\t7777777777777777\tchanged\t\t0\n"));
    free(rows);
    tc_window_free(w);
}

static void the_first_bad_decision_is_about_the_slot(void **state)
{
    (void)state;
    struct tc_window *w = tc_window_new();
    uint64_t slot = 42, other = 77, view = 3;
    enter(w, TC_RUN_DURING);
    decide(w, 1, TC_DROP, 1, 1, 41);
    decide(w, 2, TC_REPLACE, 2, 2, 42);
    decide(w, 3, TC_REPLACE, 3, 3, 42);
    const struct tc_window_record *first = tc_window_first_decision(w, &slot, &view, TC_NEVER_NS);
    assert_non_null(first);
    assert_int_equal(first->id, 2);
    assert_string_equal(tc_window_type(w, first), "pre-prepare");
    assert_int_equal(tc_window_first_decision(w, NULL, &view, TC_NEVER_NS)->id, 1);
    assert_null(tc_window_first_decision(w, &other, NULL, TC_NEVER_NS));
    assert_null(tc_window_first_decision(w, &slot, NULL, 51)); /* decided later than that */
    tc_window_free(w);
}

static unsigned rows_in(const struct tc_window *w, uint64_t *first, uint64_t *last)
{
    char *rows = table(w), *save = NULL;
    unsigned count = 0;
    strtok_r(rows, "\n", &save);
    for (char *line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        *last = strtoull(line, NULL, 10);
        if (count++ == 0)
            *first = *last;
    }
    free(rows);
    return count;
}

static void both_moments_are_kept_once(void **state)
{
    (void)state;
    struct tc_window *w = tc_window_new();
    uint64_t first = 0, last = 0;
    for (uint64_t i = 1; i <= 1000; i++)
        speak(w, (struct spoken){i, i, i, 0, 1, true, true, false});
    enter(w, TC_RUN_DURING);
    for (uint64_t i = 1001; i <= 100000; i++)
        speak(w, (struct spoken){i, i, i, 0, 1, true, true, false});
    assert_int_equal(rows_in(w, &first, &last), TC_WINDOW_HEAD_MAX); /* nothing found: the attack's begin */
    assert_int_equal(first, 1001);
    tc_window_mark(w);
    for (uint64_t i = 100001; i <= 120000; i++)
        speak(w, (struct spoken){i, i, i, 0, 1, true, true, false});
    tc_window_mark(w); /* a second finding changes nothing */
    assert_int_equal(rows_in(w, &first, &last), TC_WINDOW_HEAD_MAX + TC_WINDOW_RING_MAX + TC_WINDOW_AFTER_MAX);
    assert_int_equal(first, 1001);
    assert_int_equal(last, 100000 + TC_WINDOW_AFTER_MAX);
    tc_window_free(w);

    w = tc_window_new();
    enter(w, TC_RUN_DURING);
    for (uint64_t i = 1; i <= 500; i++)
        speak(w, (struct spoken){i, i, i, 0, 1, true, true, false});
    tc_window_mark(w);
    assert_int_equal(rows_in(w, &first, &last), 500); /* the windows overlap: each row once */
    tc_window_free(w);
}

/* Before the attack, in it and after it, whenever the finding came: rows are in the order of what happened. */
static void rows_are_in_order(void **state)
{
    (void)state;
    enum { ATTACK = 30000, END = 120000 };
    static const uint64_t marks[] = {10000, 29000, 31000, 60000};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        struct tc_window *w = tc_window_new();
        uint64_t previous = 0;
        for (uint64_t at = 1; at <= END; at++) {
            if (at == ATTACK)
                enter(w, TC_RUN_DURING);
            if (at == marks[i])
                tc_window_mark(w);
            speak(w, (struct spoken){at, at, at, 0, 1, true, true, false});
        }
        char *rows = table(w), *save = NULL;
        strtok_r(rows, "\n", &save);
        for (char *line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            const uint64_t now = strtoull(line, NULL, 10);
            assert_true(now > previous);
            previous = now;
        }
        assert_true(previous >= marks[i]);
        free(rows);
        tc_window_free(w);
    }
}

static void many_types_do_not_overflow(void **state)
{
    (void)state;
    struct tc_window *w = tc_window_new();
    for (int i = 0; i < 200; i++) {
        char type[64];
        struct tc_message m = {.from = 0, .to = 1, .type = type};
        struct tc_observation o = {.kind = TC_OBS_MESSAGE, .time_ns = (uint64_t)i};
        snprintf(type, sizeof type, "a-rather-long-name-of-a-message-type\t%d", i);
        o.message.message = &m;
        o.message.said = true;
        tc_window_observe(w, &o);
    }
    uint64_t first = 0, last = 0;
    assert_int_equal(rows_in(w, &first, &last), 200);
    tc_window_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fates_are_told_apart),
        cmocka_unit_test(what_is_signed_anew_is_not_corrupted),
        cmocka_unit_test(the_first_bad_decision_is_about_the_slot),
        cmocka_unit_test(both_moments_are_kept_once),
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(many_types_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
