/* The signing ledger, and forging under it.
 * links: tc_engine tc_protocol tc_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../injectors/forge.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/random.h"

static struct tc_nodeset set_of(const uint32_t *nodes, size_t count)
{
    struct tc_nodeset set = {{0}};
    for (size_t i = 0; i < count; i++)
        tc_nodeset_add(&set, nodes[i]);
    return set;
}

static void test_freeze(void **state)
{
    (void)state;
    struct tc_error err = {0};
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_nodeset two = set_of((uint32_t[]){0, 3}, 2);
    struct tc_nodeset one = set_of((uint32_t[]){3, TC_CLIENT_FIRST, TC_CLIENT_FIRST + 1}, 3);
    struct tc_nodeset none = {{0}};
    assert_int_equal(tc_ledger_freeze(&ledger, &two, &err), TC_EREFUSED);
    assert_non_null(strstr(err.text, "2 replicas"));
    assert_false(ledger.frozen);
    assert_int_equal(tc_ledger_freeze(&ledger, &one, &err), 0); /* clients do not count */
    assert_int_equal(tc_ledger_freeze(&ledger, &one, &err), 0); /* the same again is no change */
    assert_int_equal(tc_ledger_freeze(&ledger, &none, &err), TC_EREFUSED);
}

static void test_sign(void **state)
{
    (void)state;
    struct tc_error err = {0};
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_nodeset one = set_of((uint32_t[]){3}, 1);
    assert_int_equal(tc_ledger_sign(&ledger, 3, &err), TC_EREFUSED); /* nobody is named yet */
    assert_int_equal(tc_ledger_freeze(&ledger, &one, &err), 0);
    assert_int_equal(tc_nodeset_count(&ledger.signed_for), 0); /* named is not signed for */
    assert_int_equal(tc_ledger_sign(&ledger, 2, &err), TC_EREFUSED);
    assert_int_equal(tc_ledger_sign(&ledger, TC_NODE_NONE, &err), TC_EREFUSED);
    assert_int_equal(tc_ledger_sign(&ledger, 3, &err), 0);
    assert_true(tc_nodeset_equal(&ledger.signed_for, &one));
}

static int sign_calls, sign_result;

static int fake_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                     struct tc_arena *arena, struct tc_message *out)
{
    (void)env;
    (void)arena;
    sign_calls++;
    *out = *m;
    out->sender = node;
    return sign_result;
}

static void test_forge_notes_only_what_was_signed(void **state)
{
    (void)state;
    const struct tc_protocol protocol = {.sign = fake_sign};
    const struct tc_protocol_env env = {0};
    struct tc_error err = {0};
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_nodeset one = set_of((uint32_t[]){1}, 1);
    struct tc_message m = {.type = "vote"}, out;
    assert_int_equal(tc_forge_sign(&protocol, &env, NULL, &m, 1, NULL, &out, &err), TC_EREFUSED);
    assert_int_equal(tc_forge_sign(&protocol, &env, &ledger, &m, 1, NULL, &out, &err), TC_EREFUSED);
    assert_int_equal(tc_ledger_freeze(&ledger, &one, &err), 0);
    assert_int_equal(tc_forge_sign(&protocol, &env, &ledger, &m, 2, NULL, &out, &err), TC_EREFUSED);
    assert_int_equal(sign_calls, 0); /* no signature of a correct node ever exists */
    sign_result = TC_EKEY;
    assert_int_equal(tc_forge_sign(&protocol, &env, &ledger, &m, 1, NULL, &out, &err), TC_EKEY);
    assert_int_equal(tc_nodeset_count(&ledger.signed_for), 0);
    sign_result = 0;
    assert_int_equal(tc_forge_sign(&protocol, &env, &ledger, &m, 1, NULL, &out, &err), 0);
    assert_int_equal(out.sender, 1);
    assert_true(tc_nodeset_equal(&ledger.signed_for, &one));
}

static void test_corrupt(void **state)
{
    (void)state;
    struct tc_arena arena;
    tc_arena_init(&arena, 1 << 20);
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    for (size_t len = 1; len <= sizeof bytes; len++)
        for (uint64_t hash = 0; hash < 50; hash++) {
            struct tc_slice out, again;
            tc_arena_reset(&arena);
            assert_int_equal(tc_forge_corrupt(hash, (struct tc_slice){bytes, len}, &arena, &out), 0);
            assert_int_equal(tc_forge_corrupt(hash, (struct tc_slice){bytes, len}, &arena, &again), 0);
            size_t keep = len >= 16 ? 8 : len / 2, differs = 0;
            for (size_t i = 0; i < len; i++)
                differs += out.data[i] != bytes[i];
            assert_int_equal(out.len, len);
            assert_memory_equal(out.data, again.data, len); /* the hash decides everything */
            assert_memory_equal(out.data, bytes, keep);
            assert_in_range(differs, 1, 4);
        }
    struct tc_slice out;
    assert_int_equal(tc_forge_corrupt(1, (struct tc_slice){NULL, 0}, &arena, &out), TC_EMALFORMED);
    struct tc_arena small;
    tc_arena_init(&small, 8);
    assert_int_equal(tc_forge_corrupt(1, (struct tc_slice){bytes, sizeof bytes}, &small, &out), TC_ELIMIT);
    tc_arena_free(&small);
    tc_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_forge_notes_only_what_was_signed),
        cmocka_unit_test(test_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
