/* What nodes left out of their answers, as a line of the report: whole entries, and how many more there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../proxy/run_follow.c" /* the program's own part, in no library */

void tc_run_check_identity(struct tc_run *run, uint16_t node, const char *network, const uint8_t *public_key)
{
    (void)run, (void)node, (void)network, (void)public_key;
}

/* ---- instead of proxy/follow.c: nodes that left out what a test says ---- */

static struct tc_rpc_left_out left[8];

int tc_follow_open(const struct tc_follow_config *config, struct tc_loop *loop, const struct tc_follow_sink *sink,
                   struct tc_follow **out, struct tc_error *err)
{
    (void)config, (void)loop, (void)sink, (void)out, (void)err;
    return TC_EUNSUPPORTED;
}

void tc_follow_last_round(struct tc_follow *follow)
{
    (void)follow;
}

bool tc_follow_busy(const struct tc_follow *follow)
{
    (void)follow;
    return false;
}

const struct tc_rpc_left_out *tc_follow_left_out(const struct tc_follow *follow, uint16_t node)
{
    (void)follow;
    return &left[node];
}

void tc_follow_free(struct tc_follow *follow)
{
    (void)follow;
}

/* ---- the line ---- */

static const char *line(uint16_t n)
{
    static char text[TC_RUN_LEFT_OUT_MAX + 8];
    const struct tc_run run = {.cluster = {.n = n}, .follow = (struct tc_follow *)(void *)left};
    memset(text, '#', sizeof text);
    tc_run_left_out(&run, text);
    assert_memory_equal(text + TC_RUN_LEFT_OUT_MAX, "########", 8);
    assert_true(strlen(text) < TC_RUN_LEFT_OUT_MAX);
    return text;
}

static void each_kind_is_named(void **state)
{
    (void)state;
    memset(left, 0, sizeof left);
    assert_string_equal(line(4), "");
    left[1].details = 1;
    left[1].false_words = 2;
    left[3].unchecked = 3;
    left[3].states = 4;
    assert_string_equal(line(4), "asked over rpc, replica 1: no members or evidence for 1 height; "
                                 "replica 1: members or evidence that are not its block's for 2 heights; "
                                 "replica 3: evidence that could not be checked for 3 heights; "
                                 "replica 3: no state of the application for 4 heights");
}

/* How many entries are said, each of them whole, and none before it missing. What follows the last of them is in *more.
 */
static uint32_t whole_entries(const char *text, uint32_t *more)
{
    static const char more_begins[] = "and ";
    static const char *const kinds[] = {"no members or", "members or", "evidence that", "no state"};
    uint32_t count = 0;
    const char *end;
    *more = 0;
    for (const char *at = text; at; at = end ? end + 2 : NULL) {
        end = strstr(at, "; ");
        const size_t len = end ? (size_t)(end - at) : strlen(at);
        if (strncmp(at, more_begins, sizeof more_begins - 1) == 0) {
            *more = (uint32_t)strtoul(at + sizeof more_begins - 1, NULL, 10);
            assert_null(end);
            assert_string_equal(at + len - 5, " more");
            return count;
        }
        assert_true(len > 8 && strncmp(at + len - 8, " heights", 8) == 0);
        const char *number = strstr(at, "replica ") + strlen("replica ");
        assert_int_equal(strtoul(number, NULL, 10), count / 4);
        assert_int_equal(strncmp(strchr(number, ' ') + 1, kinds[count % 4], strlen(kinds[count % 4])), 0);
        count++;
    }
    return count;
}

/* Numbers of every length: wherever the room ends, no entry is cut, and those that are not said are counted. */
static void what_finds_no_room_is_counted(void **state)
{
    (void)state;
    bool all = false, some = false;
    for (uint64_t number = 10; number < UINT64_MAX / 10; number *= 10)
        for (uint16_t n = 1; n <= 8; n++) {
            uint32_t more = 0;
            memset(left, 0, sizeof left);
            for (uint16_t node = 0; node < n; node++)
                left[node] = (struct tc_rpc_left_out){number, 2, number + node, 3, number};
            const uint32_t said = whole_entries(line(n), &more);
            assert_int_equal(said + more, 4 * n);
            assert_true(said >= 4);
            all |= more == 0;
            some |= more > 0;
        }
    assert_true(all && some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_named),
        cmocka_unit_test(what_finds_no_room_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
