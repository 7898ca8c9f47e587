/* The engine under random events, bytes and scripts: its promises hold, it repeats, its memory is bounded.
 * links: tc_engine tc_protocol tc_base */
#include <malloc.h>

#include "engine_fixture.h"

#include "../fuzz/engine_drive.h"

/* Random bytes, with whole frames of the fixture's protocol more often than chance would have them. */
static size_t make_input(uint64_t seed, uint8_t *bytes, size_t size)
{
    size_t at = 0;
    bytes[at++] = (uint8_t)tc_random_mix(seed, 1);
    for (uint8_t pair = 0; pair < 4; pair++) { /* begin with links that are up: 0>1, 1>2, 2>3, 3>4 */
        const uint8_t up[] = {(uint8_t)(pair << 4), 0, pair, (uint8_t)(pair + 1), (uint8_t)(pair << 4 | 1), 0};
        memcpy(bytes + at, up, sizeof up);
        at += sizeof up;
    }
    bytes[at++] = 0x16; /* PHASE during; the script's first answer is what follows */
    bytes[at++] = 0;
    for (uint64_t i = 0; at + 64 < size; i++) {
        uint64_t h = tc_random_mix(seed, 100 + i);
        uint8_t pair = (uint8_t)(h % 96), side = (uint8_t)(h & 0x80);
        if (h >> 8 & 7) {
            bytes[at++] = (uint8_t)(side | (pair & 0x70) | 8); /* BYTES */
            bytes[at++] = (uint8_t)(h >> 16);
            uint8_t frames = 1 + (h >> 24) % 3;
            bytes[at++] = (uint8_t)(frames * 7);
            for (uint8_t k = 0; k < frames; k++) {
                memcpy(bytes + at, "\0\5V00", 5);
                bytes[at + 2] = (uint8_t) "HPVQCz"[(h >> (32 + k)) % 6];
                bytes[at + 3] = (uint8_t)('0' + (h >> 36) % 4);
                bytes[at + 5] = (uint8_t)('0' + (h >> 40) % 4);
                bytes[at + 6] = (uint8_t)(h >> 48);
                at += 7;
            }
        } else {
            uint8_t what = (h >> 9 & 1) ? (uint8_t)(h >> 10) : (uint8_t)((h >> 10 & 0xf0) | (h >> 20 & 1));
            bytes[at++] = what;
            bytes[at++] = (uint8_t)(h >> 24);
            bytes[at++] = (uint8_t)(h >> 32);
            bytes[at++] = (uint8_t)(h >> 40);
        }
    }
    return at;
}

static void test_promises_and_repetition(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    static uint8_t bytes[12000];
    uint64_t decisions = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        size_t len = make_input(seed, bytes, 1000 + seed % 11 * 1000);
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, bytes, len);
        uint64_t first = drive(&f.protocol, (struct tc_slice){exact, len}, &decisions);
        free(exact);
        if (seed % 10 == 0)
            assert_true(drive(&f.protocol, (struct tc_slice){bytes, len}, NULL) == first);
    }
    assert_true(decisions > 20000); /* it did something */
}

static int delay_all(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind == TC_CALL_MESSAGE) {
        plan->verdict.verb = call->message->frame.data[2] == 'P' ? TC_HOLD : TC_DELAY;
        plan->verdict.delay_ns = 1000 * MS;
        plan->verdict.hold_name = "h";
    }
    return 0;
}

/* A peer that ignores STOP_READ and a script that lets nothing go: the bounds hold, and say so. */
static void test_bounded_memory(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.schedule_bytes_max = 1 << 20;
    f.config.schedule_items_max = 1 << 14;
    f.config.lane_budget_bytes = 1 << 16;
    f.answer = delay_all;
    attack_on_link(&f, 0, 0, 1);
    f.quiet = true;
    uint8_t frame[1002] = {1000 >> 8, 1000 & 0xff, 'V', '0', '0', '0'};
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 20000; i++) {
        frame[2] = i & 1 ? 'V' : 'P';
        step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {frame, sizeof frame}});
        f.now_ns += 1000;
    }
    size_t after = mallinfo2().uordblks;
    assert_true(after < before + ((size_t)16 << 20)); /* 20 MB went in on top of what both bounds allow */
    assert_true(tc_engine_stats(f.e)->overflows > 1000);
    fixture_end(&f);
}

static uint64_t occurrences; /* the sum of what drop_all saw */

static int drop_all(struct fixture *f, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)f;
    (void)err;
    if (call->kind == TC_CALL_MESSAGE) {
        plan->verdict.verb = TC_DROP;
        occurrences += call->message->occurrence;
    }
    return 0;
}

/* More different messages than their counters have places: old counters give way, and no bound was reached. */
static void test_old_counters_give_way(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.answer = drop_all;
    attack_on_link(&f, 0, 0, 1);
    f.quiet = true;
    occurrences = 0;
    uint8_t frame[10] = {0, 8, 'X'}; /* of no kind: its key is all of it */
    for (uint32_t i = 0; i < 100000; i++) {
        memcpy(frame + 6, &i, sizeof i);
        step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {frame, sizeof frame}});
        f.now_ns += 1000;
    }
    assert_int_equal(occurrences, 0);
    assert_int_equal(tc_engine_stats(f.e)->messages, 100001); /* and a hello */
    assert_int_equal(tc_engine_stats(f.e)->overflows, 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises_and_repetition),
        cmocka_unit_test(test_bounded_memory),
        cmocka_unit_test(test_old_counters_give_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
