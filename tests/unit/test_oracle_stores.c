/* What oracles remember things in: the bounded table, the ring of frames, the vote store's window, and texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../oracles/frames.h"
#include "../../oracles/table.h"
#include "../../oracles/text.h"
#include "../lib/judge_bench.h"

static void a_table_forgets_the_oldest(void **state)
{
    (void)state;
    struct tc_table *t = tc_table_new(64, sizeof(uint64_t));
    bool fresh;
    for (uint64_t key = 0; key < 1000; key++) {
        uint64_t *row = tc_table_put(t, key * 8, &fresh); /* keys that share their low bits */
        assert_true(fresh);
        assert_int_equal(*row, 0); /* a used row comes back empty */
        *row = key;
        assert_ptr_equal(tc_table_put(t, key * 8, &fresh), row);
        assert_false(fresh);
    }
    assert_int_equal(tc_table_forgotten(t), 936);
    for (uint64_t key = 0; key < 1000; key++) {
        const uint64_t *row = tc_table_find(t, key * 8);
        assert_int_equal(row != NULL, key >= 936);
        assert_true(!row || *row == key);
    }
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(*(uint64_t *)tc_table_row(t, i), 936 + i);
    assert_null(tc_table_row(t, 64));
    tc_table_free(t);
    tc_table_free(NULL);
}

/* What is put one after another is often asked for in the same order: then the next row is tried first. */
static void a_table_is_asked_in_order(void **state)
{
    (void)state;
    struct tc_table *t = tc_table_new(256, sizeof(uint64_t));
    bool fresh;
    for (uint64_t most = 1; most <= 700; most++) {
        const uint64_t least = most > 256 ? most - 255 : 1; /* of those that are kept */
        *(uint64_t *)tc_table_put(t, most * 7, &fresh) = most;
        assert_true(fresh);
        for (uint64_t key = least; key <= most && most % 3 == 0; key++) {
            const uint64_t *row = tc_table_put(t, key * 7, &fresh);
            assert_false(fresh);
            assert_int_equal(*row, key);
            assert_ptr_equal(tc_table_put(t, key * 7, &fresh), row);
            assert_ptr_equal(tc_table_find(t, key * 7), row);
        }
    }
    assert_int_equal(tc_table_forgotten(t), 700 - 256);
    assert_int_equal(*(uint64_t *)tc_table_put(t, 7 * 444, &fresh), 0); /* behind the last: one that was forgotten */
    assert_true(fresh);
    tc_table_free(t);
}

static void frames_wrap_and_are_forgotten(void **state)
{
    (void)state;
    struct tc_frames *frames = tc_frames_new(4096);
    uint64_t references[200];
    uint8_t bytes[500];
    for (uint32_t i = 0; i < 200; i++) {
        memset(bytes, (int)i, sizeof bytes);
        references[i] = tc_frames_put(frames, i, (uint16_t)i, 7, (struct tc_slice){bytes, 1 + i * 13 % 300});
        assert_true(references[i] != 0);
        struct tc_kept_frame kept;
        uint32_t held = 0;
        for (uint32_t k = 0; k <= i; k++) { /* whatever is still there is whole; the youngest always is */
            if (!tc_frames_get(frames, references[k], &kept))
                continue;
            held++;
            assert_int_equal(kept.time_ns, k);
            assert_int_equal(kept.from, k);
            assert_int_equal(kept.bytes.len, 1 + k * 13 % 300);
            for (size_t at = 0; at < kept.bytes.len; at++)
                assert_int_equal(kept.bytes.data[at], k & 0xff);
        }
        assert_true(held >= 1 && held <= 4096 / 24);
        assert_true(tc_frames_get(frames, references[i], &kept));
    }
    struct tc_kept_frame kept;
    assert_false(tc_frames_get(frames, references[0], &kept));
    assert_false(tc_frames_get(frames, 0, &kept));
    assert_false(tc_frames_get(frames, UINT64_MAX, &kept));
    assert_int_equal(tc_frames_put(frames, 0, 0, 0, (struct tc_slice){bytes, sizeof bytes}), 0); /* too large a part */
    tc_frames_free(frames);
}

/* Far more slots than the store holds: old ones go, what comes is still judged, and nothing grows. */
static void the_window_of_votes_moves_on(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, "equivocation");
    bench_traitor(&b, 0);
    struct toy s = {.type = TOY_PROPOSE, .value = 'a', .signer = 0};
    for (s.sequence = 1; s.sequence <= 20000; s.sequence++)
        bench_message(&b, 0, 1, &s, 1);
    s.value = 'b';
    s.sequence = 1; /* long forgotten: nothing to hold against it */
    bench_message(&b, 0, 2, &s, 1);
    s.sequence = 20000;
    bench_message(&b, 0, 2, &s, 1);
    const struct tc_judgement *j = bench_finish(&b, "equivocation");
    assert_int_equal(j->finding_total, 1);
    assert_int_equal(j->findings[0].sequence, 20000);
    bench_close(&b);
}

/* One message with more slots than a full store has room for beside them. */
static void one_message_may_turn_the_window_over(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 4, 1, "equivocation");
    struct toy *s = calloc(4000, sizeof *s);
    assert_non_null(s);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 4000; i++)
            s[i] = (struct toy){.type = i ? TOY_PREPARE : TOY_NEW_VIEW,
                                .view = round,
                                .sequence = i,
                                .value = 'a',
                                .signer = i ? 2 : 1};
        bench_message(&b, 1, 2, s, 4000);
    }
    assert_int_equal(bench_finish(&b, "equivocation")->finding_total, 0);
    free(s);
    bench_close(&b);
}

static void texts_are_cut_and_readable(void **state)
{
    (void)state;
    char small[8], buffer[256];
    struct tc_text t = tc_text_begin(small, sizeof small);
    tc_text_add(&t, "%s", "far too long");
    tc_text_add(&t, "%d", 7);
    assert_string_equal(small, "far too");
    static const struct {
        uint64_t ns;
        const char *text;
    } durations[] = {{0, "0 ns"},           {999, "999 ns"},        {1500, "1.50 us"},       {83000, "83.0 us"},
                     {412000000, "412 ms"}, {1500000000, "1.50 s"}, {61000000000, "61.0 s"}, {TC_NEVER_NS, "never"}};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        t = tc_text_begin(buffer, sizeof buffer);
        tc_text_duration(&t, durations[i].ns);
        assert_string_equal(buffer, durations[i].text);
    }
    t = tc_text_begin(buffer, sizeof buffer);
    tc_text_number(&t, 7);
    tc_text_add(&t, " ");
    tc_text_number(&t, 1913);
    tc_text_add(&t, " ");
    tc_text_number(&t, 12003456);
    assert_string_equal(buffer, "7 1,913 12,003,456");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_forgets_the_oldest),           cmocka_unit_test(a_table_is_asked_in_order),
        cmocka_unit_test(frames_wrap_and_are_forgotten),        cmocka_unit_test(the_window_of_votes_moves_on),
        cmocka_unit_test(one_message_may_turn_the_window_over), cmocka_unit_test(texts_are_cut_and_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
