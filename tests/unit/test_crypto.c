/* Keys, signatures, MACs and digests, against published vectors where there are any. */
#include "../../reference/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tc_slice text_of(const char *text)
{
    return (struct tc_slice){(const uint8_t *)text, strlen(text)};
}

static struct tc_keyring *ring(enum tc_scheme scheme, const uint32_t *nodes, size_t count)
{
    struct tc_keyring *keys = tc_keyring_new(scheme);
    assert_non_null(keys);
    for (size_t i = 0; i < count; i++) {
        uint8_t seed[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(42, nodes[i], seed);
        assert_int_equal(tc_keyring_add_secret(keys, nodes[i], seed), 0);
    }
    return keys;
}

static void unhex(const char *hex, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
}

/* RFC 8032 §7.1, test 1: the public key of that seed. */
static void test_public_key_vector(void **state)
{
    (void)state;
    uint8_t seed[32], expected[32];
    struct tc_keyring *keys = tc_keyring_new(TC_SCHEME_ED25519);
    unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, 32);
    unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", expected, 32);
    assert_int_equal(tc_keyring_add_secret(keys, 3, seed), 0);
    assert_memory_equal(tc_keyring_public(keys, 3), expected, 32);
    tc_keyring_free(keys);
}

/* Domain and text are told apart by the 0 between them; neither can take over bytes of the other. */
static void test_domain_separates(void **state)
{
    (void)state;
    const uint32_t nodes[] = {0};
    for (int scheme = 0; scheme <= TC_SCHEME_KEYED_HASH; scheme++) {
        uint8_t signature[TC_SIGNATURE_SIZE];
        struct tc_keyring *keys = ring((enum tc_scheme)scheme, nodes, 1);
        assert_int_equal(tc_sign(keys, 0, "domain/a", text_of("body"), signature), 0);
        const struct tc_slice good = {signature, sizeof signature};
        assert_int_equal(tc_verify(keys, 0, "domain/a", text_of("body"), good), 0);
        assert_int_equal(tc_verify(keys, 0, "domain/b", text_of("body"), good), TC_ESIGNATURE);
        assert_int_equal(tc_verify(keys, 0, "domain/", (struct tc_slice){(const uint8_t *)"a\0body", 6}, good),
                         TC_ESIGNATURE);
        assert_int_equal(tc_verify(keys, 0, "domain/a", text_of("bodx"), good), TC_ESIGNATURE);
        assert_int_equal(tc_verify(keys, 0, "domain/a", text_of(""), good), TC_ESIGNATURE);
        tc_keyring_free(keys);
    }
}

static void test_every_bit_counts(void **state)
{
    (void)state;
    const uint32_t nodes[] = {5, 6};
    for (int scheme = 0; scheme <= TC_SCHEME_KEYED_HASH; scheme++) {
        uint8_t signature[TC_SIGNATURE_SIZE];
        struct tc_keyring *keys = ring((enum tc_scheme)scheme, nodes, 2);
        assert_int_equal(tc_sign(keys, 5, "d", text_of("x"), signature), 0);
        for (size_t bit = 0; bit < 8 * TC_SIGNATURE_SIZE; bit += 7) {
            signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_equal(tc_verify(keys, 5, "d", text_of("x"), (struct tc_slice){signature, sizeof signature}),
                             TC_ESIGNATURE);
            signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        assert_int_equal(tc_verify(keys, 6, "d", text_of("x"), (struct tc_slice){signature, sizeof signature}),
                         TC_ESIGNATURE);
        assert_int_equal(tc_verify(keys, 5, "d", text_of("x"), (struct tc_slice){signature, 63}), TC_ESIGNATURE);
        assert_int_equal(tc_verify(keys, 5, "d", text_of("x"), (struct tc_slice){NULL, 0}), TC_ESIGNATURE);
        tc_keyring_free(keys);
    }
}

/* Texts longer than the stack buffer take another path. */
static void test_long_texts(void **state)
{
    (void)state;
    static uint8_t text[100000];
    const uint32_t nodes[] = {1};
    struct tc_keyring *keys = ring(TC_SCHEME_ED25519, nodes, 1);
    memset(text, 7, sizeof text);
    for (size_t len = 1015; len < 1030; len++) {
        uint8_t signature[TC_SIGNATURE_SIZE];
        assert_int_equal(tc_sign(keys, 1, "d", (struct tc_slice){text, len}, signature), 0);
        const struct tc_slice slice = {signature, sizeof signature};
        assert_int_equal(tc_verify(keys, 1, "d", (struct tc_slice){text, len}, slice), 0);
        assert_int_equal(tc_verify(keys, 1, "d", (struct tc_slice){text, len - 1}, slice), TC_ESIGNATURE);
    }
    uint8_t signature[TC_SIGNATURE_SIZE];
    assert_int_equal(tc_sign(keys, 1, "d", (struct tc_slice){text, sizeof text}, signature), 0);
    assert_int_equal(tc_verify(keys, 1, "d", (struct tc_slice){text, sizeof text}, (struct tc_slice){signature, 64}),
                     0);
    tc_keyring_free(keys);
}

/* What one keyring signs with secrets, another verifies with public keys. */
static void test_public_keys_alone(void **state)
{
    (void)state;
    const uint32_t nodes[] = {0, 130};
    for (int scheme = 0; scheme <= TC_SCHEME_KEYED_HASH; scheme++) {
        uint8_t signature[TC_SIGNATURE_SIZE];
        struct tc_keyring *keys = ring((enum tc_scheme)scheme, nodes, 2);
        struct tc_keyring *others = tc_keyring_new((enum tc_scheme)scheme);
        assert_int_equal(tc_keyring_add_public(others, 130, tc_keyring_public(keys, 130)), 0);
        assert_int_equal(tc_sign(keys, 130, "d", text_of("x"), signature), 0);
        assert_int_equal(tc_verify(others, 130, "d", text_of("x"), (struct tc_slice){signature, 64}), 0);
        assert_false(tc_keyring_has_secret(others, 130));
        assert_int_equal(tc_sign(others, 130, "d", text_of("x"), signature), TC_EKEY);
        assert_int_equal(tc_verify(others, 0, "d", text_of("x"), (struct tc_slice){signature, 64}), TC_EKEY);
        assert_int_equal(tc_verify(others, TC_NODES_MAX, "d", text_of("x"), (struct tc_slice){signature, 64}), TC_EKEY);
        assert_null(tc_keyring_public(others, TC_NODES_MAX));
        tc_keyring_free(keys);
        tc_keyring_free(others);
    }
}

static void test_node_bounds(void **state)
{
    (void)state;
    uint8_t seed[32] = {1};
    struct tc_keyring *keys = tc_keyring_new(TC_SCHEME_ED25519);
    assert_int_equal(tc_keyring_add_secret(keys, TC_NODES_MAX, seed), TC_EUSAGE);
    assert_int_equal(tc_keyring_add_public(keys, TC_NODES_MAX, seed), TC_EUSAGE);
    assert_int_equal(tc_keyring_add_secret(keys, TC_NODES_MAX - 1, seed), 0);
    assert_false(tc_keyring_has_secret(keys, 0));
    assert_false(tc_keyring_has_secret(keys, TC_NODES_MAX));
    tc_keyring_free(keys);
    tc_keyring_free(NULL);
}

/* A public key added beside the same secret must not take it away; another one must. */
static void test_public_over_secret(void **state)
{
    (void)state;
    const uint32_t nodes[] = {0, 1};
    struct tc_keyring *keys = ring(TC_SCHEME_ED25519, nodes, 2);
    uint8_t own[32], other[32];
    memcpy(own, tc_keyring_public(keys, 0), 32);
    memcpy(other, tc_keyring_public(keys, 1), 32);
    assert_int_equal(tc_keyring_add_public(keys, 0, own), 0);
    assert_true(tc_keyring_has_secret(keys, 0));
    assert_int_equal(tc_keyring_add_public(keys, 0, other), 0);
    assert_false(tc_keyring_has_secret(keys, 0));
    tc_keyring_free(keys);
}

/* Both ends make the same MAC, each with its own secret only; nobody else does. */
static void test_macs(void **state)
{
    (void)state;
    const uint32_t first[] = {0}, second[] = {1};
    for (int scheme = 0; scheme <= TC_SCHEME_KEYED_HASH; scheme++) {
        uint8_t a[TC_MAC_SIZE], b[TC_MAC_SIZE], c[TC_MAC_SIZE];
        struct tc_keyring *zero = ring((enum tc_scheme)scheme, first, 1);
        struct tc_keyring *one = ring((enum tc_scheme)scheme, second, 1);
        assert_int_equal(tc_mac(zero, 0, 1, "d", text_of("x"), a), TC_EKEY);
        assert_int_equal(tc_keyring_add_public(zero, 1, tc_keyring_public(one, 1)), 0);
        assert_int_equal(tc_keyring_add_public(one, 0, tc_keyring_public(zero, 0)), 0);
        assert_int_equal(tc_mac(zero, 0, 1, "d", text_of("x"), a), 0);
        assert_int_equal(tc_mac(one, 1, 0, "d", text_of("x"), b), 0);
        assert_memory_equal(a, b, sizeof a);
        assert_int_equal(tc_mac(one, 0, 1, "d", text_of("x"), c), 0);
        assert_memory_equal(a, c, sizeof a);
        assert_int_equal(tc_mac(zero, 0, 1, "e", text_of("x"), b), 0);
        assert_memory_not_equal(a, b, sizeof a);
        assert_int_equal(tc_mac(zero, 0, 1, "d", text_of("y"), b), 0);
        assert_memory_not_equal(a, b, sizeof a);
        tc_keyring_free(zero);
        tc_keyring_free(one);
    }
}

/* The cache of MAC keys must follow a change of key. */
static void test_mac_follows_key(void **state)
{
    (void)state;
    const uint32_t nodes[] = {0, 1, 2};
    uint8_t before[TC_MAC_SIZE], after[TC_MAC_SIZE], again[TC_MAC_SIZE], original[32], third[32];
    struct tc_keyring *keys = ring(TC_SCHEME_ED25519, nodes, 3);
    memcpy(original, tc_keyring_public(keys, 1), 32);
    memcpy(third, tc_keyring_public(keys, 2), 32);
    assert_int_equal(tc_mac(keys, 0, 1, "d", text_of("x"), before), 0);
    assert_int_equal(tc_keyring_add_public(keys, 1, third), 0);
    assert_int_equal(tc_mac(keys, 0, 1, "d", text_of("x"), after), 0);
    assert_memory_not_equal(before, after, sizeof before);
    assert_int_equal(tc_keyring_add_public(keys, 1, original), 0);
    assert_int_equal(tc_mac(keys, 0, 1, "d", text_of("x"), again), 0);
    assert_memory_equal(before, again, sizeof before);
    tc_keyring_free(keys);
}

static void test_seeds_differ(void **state)
{
    (void)state;
    uint8_t a[32], b[32], c[32], again[32];
    tc_keyring_derive_seed(1, 0, a);
    tc_keyring_derive_seed(1, 1, b);
    tc_keyring_derive_seed(2, 0, c);
    tc_keyring_derive_seed(1, 0, again);
    assert_memory_not_equal(a, b, 32);
    assert_memory_not_equal(a, c, 32);
    assert_memory_equal(a, again, 32);
}

/* BLAKE2b-256 of "abc" and of nothing (checked against b2sum -l 256). */
static void test_digest_vectors(void **state)
{
    (void)state;
    uint8_t digest[32], expected[32];
    unhex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", expected, 32);
    tc_digest(text_of("abc"), digest);
    assert_memory_equal(digest, expected, 32);
    unhex("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8", expected, 32);
    tc_digest((struct tc_slice){NULL, 0}, digest);
    assert_memory_equal(digest, expected, 32);
}

/* "a", "bc" and "ab", "c" are different lists; and the lengths are in front, little-endian. */
static void test_digest_parts(void **state)
{
    (void)state;
    uint8_t first[32], second[32], third[32], flat[32];
    const struct tc_slice one[2] = {text_of("a"), text_of("bc")}, two[2] = {text_of("ab"), text_of("c")};
    static const uint8_t bytes[] = {1, 0, 0, 0, 0, 0, 0, 0, 'a', 2, 0, 0, 0, 0, 0, 0, 0, 'b', 'c'};
    tc_digest_parts(one, 2, first);
    tc_digest_parts(two, 2, second);
    tc_digest_parts(one, 1, third);
    tc_digest((struct tc_slice){bytes, sizeof bytes}, flat);
    assert_memory_not_equal(first, second, 32);
    assert_memory_not_equal(first, third, 32);
    assert_memory_equal(first, flat, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_key_vector),  cmocka_unit_test(test_domain_separates),
        cmocka_unit_test(test_every_bit_counts),   cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_public_keys_alone),  cmocka_unit_test(test_node_bounds),
        cmocka_unit_test(test_public_over_secret), cmocka_unit_test(test_macs),
        cmocka_unit_test(test_mac_follows_key),    cmocka_unit_test(test_seeds_differ),
        cmocka_unit_test(test_digest_vectors),     cmocka_unit_test(test_digest_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
