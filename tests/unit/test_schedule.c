/* The schedule: order, first-in first-out per lane, bounds. Against a plain sorted list as a model.
 * links: tc_engine tc_protocol tc_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../injectors/schedule.h"
#include "../../proxy/random.h"

static struct tc_slice text(const char *s)
{
    return (struct tc_slice){(const uint8_t *)s, strlen(s)};
}

static void expect_pop(struct tc_schedule *s, uint64_t now_ns, const char *bytes)
{
    struct tc_scheduled item;
    assert_true(tc_schedule_pop(s, now_ns, &item));
    assert_int_equal(item.bytes.len, strlen(bytes));
    assert_memory_equal(item.bytes.data, bytes, strlen(bytes));
    tc_schedule_release(s, &item);
}

static void test_order(void **state)
{
    (void)state;
    struct tc_schedule *s = tc_schedule_new(10, 100, 1000);
    struct tc_scheduled item;
    assert_int_equal(tc_schedule_deadline_ns(s), TC_NEVER_NS);
    assert_false(tc_schedule_pop(s, TC_NEVER_NS, &item));
    assert_int_equal(tc_schedule_put(s, 1, 0, 30, false, text("c"), 3, 7), 0);
    assert_int_equal(tc_schedule_put(s, 2, 0, 10, false, text("a"), 1, 0), 0);
    assert_int_equal(tc_schedule_put(s, 3, 0, 10, false, text("b"), 2, 0), 0);
    assert_int_equal(tc_schedule_deadline_ns(s), 10);
    assert_false(tc_schedule_pop(s, 9, &item));
    expect_pop(s, 10, "a"); /* equal times: as they came in */
    expect_pop(s, 10, "b");
    assert_false(tc_schedule_pop(s, 29, &item));
    assert_true(tc_schedule_pop(s, 31, &item));
    assert_int_equal(item.token, 3);
    assert_int_equal(item.flags, 7);
    assert_int_equal(item.lane, 1);
    assert_int_equal(item.entered_ns, 0);
    tc_schedule_release(s, &item);
    assert_false(tc_schedule_pop(s, UINT64_MAX, &item));
    tc_schedule_free(s);
}

static void test_fifo_and_reorder(void **state)
{
    (void)state;
    struct tc_schedule *s = tc_schedule_new(10, 100, 1000);
    assert_false(tc_schedule_lane_busy(s, 5));
    assert_int_equal(tc_schedule_put(s, 5, 0, 20, false, text("slow"), 0, 0), 0);
    assert_int_equal(tc_schedule_put(s, 5, 1, 1, false, text("behind"), 0, 0), 0);
    assert_int_equal(tc_schedule_put(s, 5, 1, 2, true, text("passes"), 0, 0), 0);
    assert_int_equal(tc_schedule_put(s, 6, 1, 3, false, text("other"), 0, 0), 0);
    assert_true(tc_schedule_lane_busy(s, 5));
    assert_int_equal(tc_schedule_lane_bytes(s, 5), 16);
    expect_pop(s, 20, "passes");
    expect_pop(s, 20, "other");
    expect_pop(s, 20, "slow");
    assert_true(tc_schedule_lane_busy(s, 5));
    expect_pop(s, 20, "behind");
    assert_false(tc_schedule_lane_busy(s, 5));
    /* Once the lane is empty the old due time binds nobody. */
    assert_int_equal(tc_schedule_put(s, 5, 21, 5, false, text("new"), 0, 0), 0);
    assert_int_equal(tc_schedule_deadline_ns(s), 5);
    assert_int_equal(tc_schedule_put(s, 7, 21, 22, true, text("r"), 0, 0), 0);
    assert_false(tc_schedule_lane_busy(s, 7)); /* nobody waits for what may be passed */
    tc_schedule_free(s);
}

static void test_bounds(void **state)
{
    (void)state;
    struct tc_schedule *s = tc_schedule_new(2, 3, 10);
    assert_int_equal(tc_schedule_put(s, 0, 0, 1, false, text("12345678"), 0, 0), 0);
    assert_int_equal(tc_schedule_put(s, 0, 0, 1, false, text("123"), 0, 0), TC_ELIMIT);
    assert_int_equal(tc_schedule_put(s, 0, 0, 1, false, text("12"), 0, 0), 0);
    assert_int_equal(tc_schedule_put(s, 1, 0, 1, false, text(""), 0, 0), 0);
    assert_int_equal(tc_schedule_put(s, 1, 0, 1, false, text(""), 0, 0), TC_ELIMIT);
    expect_pop(s, 1, "12345678"); /* room again */
    assert_int_equal(tc_schedule_put(s, 0, 0, 1, false, text("123"), 0, 0), 0);
    tc_schedule_free(s);
}

struct drops {
    char order[16];
    size_t count;
};

static void note_drop(void *self, const struct tc_scheduled *item)
{
    struct drops *drops = self;
    drops->order[drops->count++] = (char)item->bytes.data[0];
}

static void test_drop_lane(void **state)
{
    (void)state;
    struct tc_schedule *s = tc_schedule_new(10, 100, 1000);
    struct drops drops = {{0}, 0};
    struct tc_scheduled item;
    const char *names[] = {"a", "b", "c", "d", "e", "f"};
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(tc_schedule_put(s, i % 2, 0, 100 - i, true, text(names[i]), 0, 0), 0);
    tc_schedule_drop_lane(s, 1, note_drop, &drops);
    assert_string_equal(drops.order, "bdf"); /* as they came in */
    assert_int_equal(tc_schedule_lane_bytes(s, 1), 0);
    tc_schedule_drop_lane(s, 9, note_drop, &drops); /* never used */
    expect_pop(s, 200, "e");
    expect_pop(s, 200, "c");
    expect_pop(s, 200, "a");
    assert_false(tc_schedule_pop(s, UINT64_MAX, &item));
    tc_schedule_free(s);
}

/* The model: what is stored, in the order of entering; the next is the smallest (due, order). */
struct model_item {
    uint64_t due_ns, sequence;
    uint32_t lane;
    bool fifo, live;
};

static void test_random_against_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct model_item model[2000];
        uint64_t count = 0, now_ns = 0;
        struct tc_schedule *s = tc_schedule_new(8, 5000, 1 << 20);
        for (uint64_t i = 0; i < 2000; i++) {
            uint64_t h = tc_random_mix(seed, i);
            uint32_t lane = (uint32_t)tc_random_below(h, 8);
            uint64_t what = tc_random_below(tc_random_mix(h, 1), 100);
            if (what < 55) {
                bool reorder = what < 15;
                uint64_t due_ns = now_ns + tc_random_below(tc_random_mix(h, 2), 50);
                assert_int_equal(tc_schedule_put(s, lane, now_ns, due_ns, reorder, text("x"), count, 0), 0);
                for (uint64_t k = 0; !reorder && k < count; k++)
                    if (model[k].live && model[k].fifo && model[k].lane == lane && model[k].due_ns > due_ns)
                        due_ns = model[k].due_ns;
                model[count] = (struct model_item){due_ns, count, lane, !reorder, true};
                count++;
            } else if (what < 57) {
                tc_schedule_drop_lane(s, lane, NULL, NULL);
                for (uint64_t k = 0; k < count; k++)
                    model[k].live = model[k].live && model[k].lane != lane;
            } else {
                now_ns += tc_random_below(tc_random_mix(h, 3), 10);
                struct tc_scheduled item;
                for (;;) {
                    struct model_item *first = NULL;
                    for (uint64_t k = 0; k < count; k++)
                        if (model[k].live && (!first || model[k].due_ns < first->due_ns))
                            first = &model[k];
                    bool due = first && first->due_ns <= now_ns;
                    assert_int_equal(tc_schedule_pop(s, now_ns, &item), due);
                    if (!due)
                        break;
                    assert_int_equal(item.token, first->sequence);
                    assert_int_equal(item.due_ns, first->due_ns);
                    first->live = false;
                    tc_schedule_release(s, &item);
                }
            }
        }
        tc_schedule_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),     cmocka_unit_test(test_fifo_and_reorder),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_drop_lane), cmocka_unit_test(test_random_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
