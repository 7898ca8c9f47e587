/* Cut links and their minimum vertex cover.
 * links: tc_engine tc_protocol tc_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../injectors/network.h"
#include "../../proxy/random.h"

static struct tc_nodeset set_of(const char *digits)
{
    struct tc_nodeset set = {{0}};
    for (; *digits; digits++)
        tc_nodeset_add(&set, (uint32_t)(*digits - '0'));
    return set;
}

static void expect_cover(const struct tc_links *links, const char *before, const char *after)
{
    struct tc_nodeset cover = set_of(before), expected = set_of(after);
    tc_links_cover(links, NULL, 10, &cover);
    assert_true(tc_nodeset_equal(&cover, &expected));
}

static void test_links(void **state)
{
    (void)state;
    static struct tc_links links;
    assert_true(tc_links_empty(&links));
    assert_true(tc_links_add(&links, 1, 2));
    assert_false(tc_links_add(&links, 2, 1));
    assert_false(tc_links_add(&links, 3, 3));
    assert_false(tc_links_add(&links, 3, TC_NODE_NONE));
    assert_true(tc_links_has(&links, 2, 1));
    assert_false(tc_links_has(&links, TC_NODE_NONE, 1));
    assert_false(tc_links_empty(&links));
    assert_true(tc_links_remove(&links, 2, 1));
    assert_false(tc_links_remove(&links, 2, 1));
    assert_true(tc_links_empty(&links));
}

static void test_partition(void **state)
{
    (void)state;
    static struct tc_links links;
    struct tc_nodeset blocks[2] = {set_of("01"), set_of("2")};
    tc_nodeset_add(&blocks[1], TC_CLIENT_FIRST);
    /* 0 1 | 2 c0 | 3 4 (unnamed); c1 is in no block */
    assert_int_equal(tc_links_partition(&links, blocks, 2, 5), 2 * 2 + 2 * 2 + 2 * 2);
    assert_true(tc_links_has(&links, 0, 2));
    assert_true(tc_links_has(&links, 0, 4));
    assert_true(tc_links_has(&links, 3, 2));
    assert_true(tc_links_has(&links, 3, TC_CLIENT_FIRST));
    assert_false(tc_links_has(&links, 0, 1));
    assert_false(tc_links_has(&links, 3, 4));
    assert_false(tc_links_has(&links, 2, TC_CLIENT_FIRST));
    assert_false(tc_links_has(&links, 0, TC_CLIENT_FIRST + 1));
    assert_int_equal(tc_links_partition(&links, blocks, 2, 5), 0);
}

static void expect_clients(const struct tc_links *links, const char *faulty, bool first, bool second)
{
    struct tc_nodeset set = set_of(faulty), replicas = set_of(faulty);
    tc_links_clients_cut_off(NULL, links, 4, 1, &set);
    assert_int_equal(tc_nodeset_has(&set, TC_CLIENT_FIRST), first);
    assert_int_equal(tc_nodeset_has(&set, TC_CLIENT_FIRST + 1), second);
    tc_nodeset_remove(&set, TC_CLIENT_FIRST);
    tc_nodeset_remove(&set, TC_CLIENT_FIRST + 1);
    assert_true(tc_nodeset_equal(&set, &replicas)); /* nobody else */
}

/* Of four replicas with f=1 a client can do without one, whichever it is. */
static void test_clients_cut_off(void **state)
{
    (void)state;
    static struct tc_links links;
    expect_clients(&links, "", false, false);
    expect_clients(&links, "01", false, false); /* too many faulty is no matter of its links */
    tc_links_add(&links, TC_CLIENT_FIRST, 2);
    expect_clients(&links, "", false, false);
    expect_clients(&links, "2", false, false); /* the same one */
    expect_clients(&links, "3", true, false);
    tc_links_add(&links, TC_CLIENT_FIRST + 1, 0);
    tc_links_add(&links, TC_CLIENT_FIRST + 1, 1);
    expect_clients(&links, "", false, true);
    expect_clients(&links, "0", true, true);
    tc_links_remove(&links, 1, TC_CLIENT_FIRST + 1);
    expect_clients(&links, "", false, false);
}

static void test_cover_by_hand(void **state)
{
    (void)state;
    static struct tc_links links;
    expect_cover(&links, "", "");
    expect_cover(&links, "7", "7");
    tc_links_add(&links, 3, 5);
    expect_cover(&links, "", "3");  /* the lower of equals */
    expect_cover(&links, "5", "5"); /* who is faulty already covers his links */
    tc_links_add(&links, 5, 6);
    tc_links_add(&links, 5, 7);
    expect_cover(&links, "", "5"); /* a star */
    tc_links_add(&links, 1, 2);
    expect_cover(&links, "", "15");
    tc_links_add(&links, 4, TC_CLIENT_FIRST); /* clients do not count */
    expect_cover(&links, "", "15");
    static struct tc_links alone;
    struct tc_nodeset block = set_of("6");
    tc_links_partition(&alone, &block, 1, 7);
    expect_cover(&alone, "", "6"); /* a lone node cut off is the one to blame */
    static struct tc_links halves;
    block = set_of("012");
    tc_links_partition(&halves, &block, 1, 7);
    expect_cover(&halves, "", "012");
}

/* Smallest cover of at most ten nodes by trying all. */
static uint32_t smallest(const struct tc_links *links, uint32_t n)
{
    uint32_t best = n;
    for (uint32_t set = 0; set < 1u << n; set++) {
        bool covers = true;
        for (uint32_t a = 0; a < n && covers; a++)
            for (uint32_t b = a + 1; b < n && covers; b++)
                covers = !tc_links_has(links, a, b) || (set >> a & 1) || (set >> b & 1);
        if (covers && (uint32_t)__builtin_popcount(set) < best)
            best = (uint32_t)__builtin_popcount(set);
    }
    return best;
}

static bool covered(const struct tc_links *links, uint32_t n, const struct tc_nodeset *cover)
{
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = a + 1; b < n; b++)
            if (tc_links_has(links, a, b) && !tc_nodeset_has(cover, a) && !tc_nodeset_has(cover, b))
                return false;
    return true;
}

static void test_cover_against_brute_force(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct tc_links links = {0};
        uint32_t n = 3 + (uint32_t)(seed % 8);
        for (uint32_t a = 0; a < n; a++)
            for (uint32_t b = a + 1; b < n; b++)
                if (tc_random_below(tc_random_mix(tc_random_mix(seed, a), b), 100) < seed % 90)
                    tc_links_add(&links, a, b);
        struct tc_nodeset cover = {{0}};
        tc_links_cover(&links, NULL, n, &cover);
        assert_true(covered(&links, n, &cover));
        assert_int_equal(tc_nodeset_count(&cover), smallest(&links, n));
    }
}

/* Dense graphs of many nodes: still a cover, within the bound, without searching for ever. */
static void test_cover_of_large_graphs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct tc_links links = {0};
        for (uint32_t a = 0; a < TC_REPLICAS_MAX; a++)
            for (uint32_t b = a + 1; b < TC_REPLICAS_MAX; b++)
                if (tc_random_below(tc_random_mix(tc_random_mix(seed, a), b), 100) < 3 + 15 * seed)
                    tc_links_add(&links, a, b);
        struct tc_nodeset cover = {{0}};
        tc_links_cover(&links, NULL, TC_REPLICAS_MAX, &cover);
        assert_true(covered(&links, TC_REPLICAS_MAX, &cover));
        assert_in_range(tc_nodeset_count(&cover), 1, TC_REPLICAS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_partition),
        cmocka_unit_test(test_clients_cut_off),
        cmocka_unit_test(test_cover_by_hand),
        cmocka_unit_test(test_cover_against_brute_force),
        cmocka_unit_test(test_cover_of_large_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
