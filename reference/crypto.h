/* Signature schemes and keys. No I/O, no randomness: keys come from seeds that the caller provides.
 * The caller of the program runs sodium_init() once in main; nothing here does.
 * Secret keys are never printed or logged; tc_keyring_free wipes them. */
#ifndef TC_CRYPTO_H
#define TC_CRYPTO_H

#include "../proxy/error.h"
#include "../proxy/types.h"

#define TC_PUBLIC_KEY_SIZE  32
#define TC_SECRET_SEED_SIZE 32
#define TC_SIGNATURE_SIZE   64
#define TC_MAC_SIZE         16

enum tc_scheme {
    TC_SCHEME_ED25519 = 0,
    TC_SCHEME_KEYED_HASH /* simulation only: a short hash keyed with a secret both sides derive from the public key; as
                            fast as may be, forgeable by anyone */
};

struct tc_keyring; /* public keys of all nodes, secret keys of some */

/* An empty keyring; NULL if out of memory. Free with tc_keyring_free. */
struct tc_keyring *tc_keyring_new(enum tc_scheme scheme);
void tc_keyring_free(struct tc_keyring *keys);

/* Who remembers verified signatures asks: a keyed hash is checked faster than a memory is searched. */
enum tc_scheme tc_keyring_scheme(const struct tc_keyring *keys);

/* Derives the key pair of `node` from a 32-byte seed and stores both halves.
 * TC_EUSAGE if node ≥ TC_NODES_MAX. */
int tc_keyring_add_secret(struct tc_keyring *keys, uint32_t node, const uint8_t seed[static TC_SECRET_SEED_SIZE]);

/* Stores a public key alone. TC_EUSAGE if node ≥ TC_NODES_MAX. */
int tc_keyring_add_public(struct tc_keyring *keys, uint32_t node, const uint8_t key[static TC_PUBLIC_KEY_SIZE]);

bool tc_keyring_has_secret(const struct tc_keyring *keys, uint32_t node);

/* The 64 bytes with which libsodium signs for node (seed, then public key), or NULL if we do not hold them. Borrowed;
 * for protocols that sign without a domain of ours. Ed25519 only. */
const uint8_t *tc_keyring_signing_key(const struct tc_keyring *keys, uint32_t node);

/* The public key of node, or NULL if unknown. Borrowed from the keyring. */
const uint8_t *tc_keyring_public(const struct tc_keyring *keys, uint32_t node);

/* The seed of node `node` in a cluster whose key material comes from one 64-bit number: how the
 * launcher and the simulation give every node a key without a key ceremony. */
void tc_keyring_derive_seed(uint64_t cluster_seed, uint32_t node, uint8_t seed[static TC_SECRET_SEED_SIZE]);

/* Signs `domain ‖ 0 ‖ text` as node, where domain is a NUL-terminated ASCII string.
 * 0, or TC_EKEY if we do not hold node's secret key. */
int tc_sign(const struct tc_keyring *keys, uint32_t node, const char *domain, struct tc_slice text,
            uint8_t signature[static TC_SIGNATURE_SIZE]);

/* 0 if `signature` is node's over `domain ‖ 0 ‖ text`; TC_ESIGNATURE if not (wrong length
 * included); TC_EKEY if node's public key is unknown. */
int tc_verify(const struct tc_keyring *keys, uint32_t node, const char *domain, struct tc_slice text,
              struct tc_slice signature);

/* Of the simulation's signatures half is the same for all texts of one domain. The keyring keeps it under a number of
 * the domain's (of a cluster's `name`), so that the domain need not be written again: where it is kept, 0 as long as
 * nobody put tc_hash_domain there. NULL: an Ed25519 keyring, an unknown node, or too large a number; sign as above. */
uint64_t *tc_keyring_domain(struct tc_keyring *keys, const char name[static TC_NAME_MAX], uint32_t node,
                            uint32_t number);
uint64_t tc_hash_domain(const struct tc_keyring *keys, uint32_t node, const char *domain);

/* What tc_sign and tc_verify would do, of a keyed hash whose domain is known. The same errors. */
int tc_hash_sign(const struct tc_keyring *keys, uint32_t node, uint64_t domain, struct tc_slice text,
                 uint8_t signature[static TC_SIGNATURE_SIZE]);
int tc_hash_verify(const struct tc_keyring *keys, uint32_t node, uint64_t domain, struct tc_slice text,
                   struct tc_slice signature);

/* The MAC between two nodes over `domain ‖ 0 ‖ text`; needs the secret key of one and the public key
 * of the other (X25519 of the converted Ed25519 keys, BLAKE2b keyed with it).
 * 0, or TC_EKEY. tc_mac(keys, a, b, …) equals tc_mac(keys, b, a, …). */
int tc_mac(struct tc_keyring *keys, uint32_t self, uint32_t peer, const char *domain, struct tc_slice text,
           uint8_t mac[static TC_MAC_SIZE]);

/* BLAKE2b-256 of the bytes. */
void tc_digest(struct tc_slice bytes, uint8_t digest[static TC_VALUE_SIZE]);

/* BLAKE2b-256 of several pieces, each preceded by its length as 8 little-endian bytes. */
void tc_digest_parts(const struct tc_slice *parts, size_t count, uint8_t digest[static TC_VALUE_SIZE]);

/* SHA-256, for people to compare with what other programs print of a file. */
void tc_digest_sha256(struct tc_slice bytes, uint8_t digest[static 32]);

static inline bool tc_digest_same(const uint8_t *a, const uint8_t *b)
{
    return __builtin_memcmp(a, b, TC_VALUE_SIZE) == 0;
}

#endif
