#include "crypto.h"
#include "../proxy/random.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Texts up to this size are signed from the stack: votes and replies never touch the allocator. */
#define TEXT_INLINE_MAX 1024
#define DOMAINS_MAX     32 /* types of messages */

struct key {
    bool has_public, has_secret;
    uint8_t public_key[TC_PUBLIC_KEY_SIZE];
    uint8_t secret_key[crypto_sign_ed25519_SECRETKEYBYTES]; /* Ed25519: seed ‖ public */
    uint8_t hash_key[32];                                   /* keyed hash: what both sides derive */
    uint64_t domains[DOMAINS_MAX];                          /* tc_keyring_domain */
};

/* MAC keys of one node with every other, made when first used: an X25519 costs as much as a verification. */
struct mac_row {
    bool made[TC_NODES_MAX];
    uint8_t keys[TC_NODES_MAX][32];
};

struct tc_keyring {
    enum tc_scheme scheme;
    struct key nodes[TC_NODES_MAX];
    struct mac_row *macs[TC_NODES_MAX];
    char domain_name[TC_NAME_MAX]; /* the cluster whose domains are kept */
};

enum tc_scheme tc_keyring_scheme(const struct tc_keyring *keys)
{
    return keys->scheme;
}

struct tc_keyring *tc_keyring_new(enum tc_scheme scheme)
{
    struct tc_keyring *keys = calloc(1, sizeof *keys);
    if (keys)
        keys->scheme = scheme;
    return keys;
}

void tc_keyring_free(struct tc_keyring *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < TC_NODES_MAX; i++) {
        if (keys->macs[i])
            sodium_memzero(keys->macs[i], sizeof *keys->macs[i]);
        free(keys->macs[i]);
    }
    sodium_memzero(keys, sizeof *keys);
    free(keys);
}

static void hash_labelled(const char *label, const uint8_t *data, size_t len, uint8_t out[static 32])
{
    crypto_generichash_blake2b_state state;
    crypto_generichash_blake2b_init(&state, NULL, 0, 32);
    crypto_generichash_blake2b_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_blake2b_update(&state, data, len);
    crypto_generichash_blake2b_final(&state, out, 32);
}

/* A key that changes must not leave MAC keys of its predecessor behind. */
static void forget_macs(struct tc_keyring *keys, uint32_t node)
{
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        if (keys->macs[i])
            keys->macs[i]->made[node] = false;
    if (keys->macs[node])
        memset(keys->macs[node]->made, 0, sizeof keys->macs[node]->made);
}

int tc_keyring_add_secret(struct tc_keyring *keys, uint32_t node, const uint8_t seed[static TC_SECRET_SEED_SIZE])
{
    if (node >= TC_NODES_MAX)
        return TC_EUSAGE;
    struct key *key = &keys->nodes[node];
    if (keys->scheme == TC_SCHEME_ED25519) {
        crypto_sign_ed25519_seed_keypair(key->public_key, key->secret_key, seed);
    } else {
        hash_labelled("turncoat keyed-hash public key", seed, TC_SECRET_SEED_SIZE, key->public_key);
        hash_labelled("turncoat keyed-hash secret", key->public_key, TC_PUBLIC_KEY_SIZE, key->hash_key);
    }
    memset(key->domains, 0, sizeof key->domains);
    key->has_public = true;
    key->has_secret = true;
    forget_macs(keys, node);
    return 0;
}

int tc_keyring_add_public(struct tc_keyring *keys, uint32_t node, const uint8_t public_key[static TC_PUBLIC_KEY_SIZE])
{
    if (node >= TC_NODES_MAX)
        return TC_EUSAGE;
    struct key *key = &keys->nodes[node];
    if (key->has_secret && memcmp(key->public_key, public_key, TC_PUBLIC_KEY_SIZE) == 0)
        return 0;
    sodium_memzero(key, sizeof *key);
    memcpy(key->public_key, public_key, TC_PUBLIC_KEY_SIZE);
    hash_labelled("turncoat keyed-hash secret", public_key, TC_PUBLIC_KEY_SIZE, key->hash_key);
    key->has_public = true;
    forget_macs(keys, node);
    return 0;
}

bool tc_keyring_has_secret(const struct tc_keyring *keys, uint32_t node)
{
    return node < TC_NODES_MAX && keys->nodes[node].has_secret;
}

const uint8_t *tc_keyring_signing_key(const struct tc_keyring *keys, uint32_t node)
{
    return tc_keyring_has_secret(keys, node) && keys->scheme == TC_SCHEME_ED25519 ? keys->nodes[node].secret_key : NULL;
}

const uint8_t *tc_keyring_public(const struct tc_keyring *keys, uint32_t node)
{
    if (node >= TC_NODES_MAX || !keys->nodes[node].has_public)
        return NULL;
    return keys->nodes[node].public_key;
}

static void put_le64(uint8_t *out, uint64_t value)
{
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        value = __builtin_bswap64(value);
    memcpy(out, &value, sizeof value);
}

void tc_keyring_derive_seed(uint64_t cluster_seed, uint32_t node, uint8_t seed[static TC_SECRET_SEED_SIZE])
{
    uint8_t text[16];
    put_le64(text, cluster_seed);
    put_le64(text + 8, node);
    hash_labelled("turncoat node seed", text, sizeof text, seed);
}

/* domain ‖ 0 ‖ text as one piece, on the stack if it fits. NULL if out of memory; `*heap` is what to free. */
static const uint8_t *join(const char *domain, struct tc_slice text, uint8_t inline_buffer[static TEXT_INLINE_MAX],
                           uint8_t **heap, size_t *len)
{
    size_t prefix = strlen(domain) + 1;
    *len = prefix + text.len;
    *heap = NULL;
    uint8_t *buffer = inline_buffer;
    if (*len > TEXT_INLINE_MAX) {
        *heap = malloc(*len);
        if (!*heap)
            return NULL;
        buffer = *heap;
    }
    memcpy(buffer, domain, prefix);
    if (text.len > 0)
        memcpy(buffer + prefix, text.data, text.len);
    return buffer;
}

static uint64_t get_le64(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap64(value);
}

/* The simulation's signature: the text folded under domain and key to 8 bytes, written eight times over. A change of
 * any byte of key, text or signature shows, and that is all that is asked of it: a cryptographic hash would cost more
 * than the rest of what a replica does with a vote. */
static uint64_t hash_word(const struct key *key, uint64_t domain, struct tc_slice text)
{
    return tc_random_mix(domain, tc_random_fold_bytes(get_le64(key->hash_key + 8), text));
}

uint64_t tc_hash_domain(const struct tc_keyring *keys, uint32_t node, const char *domain)
{
    return tc_random_fold_bytes(get_le64(keys->nodes[node].hash_key),
                                (struct tc_slice){(const uint8_t *)domain, strlen(domain)});
}

uint64_t *tc_keyring_domain(struct tc_keyring *keys, const char name[static TC_NAME_MAX], uint32_t node,
                            uint32_t number)
{
    if (keys->scheme != TC_SCHEME_KEYED_HASH || number >= DOMAINS_MAX || !tc_keyring_public(keys, node))
        return NULL;
    if (memcmp(keys->domain_name, name, TC_NAME_MAX) != 0) {
        for (size_t i = 0; i < TC_NODES_MAX; i++)
            memset(keys->nodes[i].domains, 0, sizeof keys->nodes[i].domains);
        memcpy(keys->domain_name, name, TC_NAME_MAX);
    }
    return &keys->nodes[node].domains[number];
}

static void hash_signature(uint64_t word, uint8_t signature[static TC_SIGNATURE_SIZE])
{
    for (size_t at = 0; at < TC_SIGNATURE_SIZE; at += 8)
        put_le64(signature + at, word);
}

static bool is_hash_signature(uint64_t word, const uint8_t signature[static TC_SIGNATURE_SIZE])
{
    uint64_t difference = 0;
    for (size_t at = 0; at < TC_SIGNATURE_SIZE; at += 8)
        difference |= get_le64(signature + at) ^ word;
    return difference == 0;
}

/* Of a MAC, whatever the scheme. */
static void keyed_hash(const uint8_t key[static 32], const char *domain, struct tc_slice text, uint8_t *out,
                       size_t size)
{
    crypto_generichash_blake2b_state state;
    crypto_generichash_blake2b_init(&state, key, 32, size);
    crypto_generichash_blake2b_update(&state, (const uint8_t *)domain, strlen(domain) + 1);
    crypto_generichash_blake2b_update(&state, text.data, text.len);
    crypto_generichash_blake2b_final(&state, out, size);
}

int tc_hash_sign(const struct tc_keyring *keys, uint32_t node, uint64_t domain, struct tc_slice text,
                 uint8_t signature[static TC_SIGNATURE_SIZE])
{
    if (!tc_keyring_has_secret(keys, node))
        return TC_EKEY;
    hash_signature(hash_word(&keys->nodes[node], domain, text), signature);
    return 0;
}

int tc_hash_verify(const struct tc_keyring *keys, uint32_t node, uint64_t domain, struct tc_slice text,
                   struct tc_slice signature)
{
    if (!tc_keyring_public(keys, node))
        return TC_EKEY;
    const bool good = signature.len == TC_SIGNATURE_SIZE &&
                      is_hash_signature(hash_word(&keys->nodes[node], domain, text), signature.data);
    return good ? 0 : TC_ESIGNATURE;
}

int tc_sign(const struct tc_keyring *keys, uint32_t node, const char *domain, struct tc_slice text,
            uint8_t signature[static TC_SIGNATURE_SIZE])
{
    if (!tc_keyring_has_secret(keys, node))
        return TC_EKEY;
    if (keys->scheme == TC_SCHEME_KEYED_HASH)
        return tc_hash_sign(keys, node, tc_hash_domain(keys, node, domain), text, signature);
    uint8_t inline_buffer[TEXT_INLINE_MAX];
    uint8_t *heap;
    size_t len;
    const uint8_t *joined = join(domain, text, inline_buffer, &heap, &len);
    if (!joined)
        return TC_EMEMORY;
    crypto_sign_ed25519_detached(signature, NULL, joined, len, keys->nodes[node].secret_key);
    free(heap);
    return 0;
}

int tc_verify(const struct tc_keyring *keys, uint32_t node, const char *domain, struct tc_slice text,
              struct tc_slice signature)
{
    const uint8_t *public_key = tc_keyring_public(keys, node);
    if (!public_key)
        return TC_EKEY;
    if (signature.len != TC_SIGNATURE_SIZE)
        return TC_ESIGNATURE;
    if (keys->scheme == TC_SCHEME_KEYED_HASH)
        return tc_hash_verify(keys, node, tc_hash_domain(keys, node, domain), text, signature);
    uint8_t inline_buffer[TEXT_INLINE_MAX];
    uint8_t *heap;
    size_t len;
    const uint8_t *joined = join(domain, text, inline_buffer, &heap, &len);
    if (!joined)
        return TC_EMEMORY;
    int bad = crypto_sign_ed25519_verify_detached(signature.data, joined, len, public_key);
    free(heap);
    return bad ? TC_ESIGNATURE : 0;
}

/* The 32 bytes that `self` (whose secret we hold) and `peer` share. */
static int shared_secret(const struct tc_keyring *keys, uint32_t self, uint32_t peer, uint8_t secret[static 32])
{
    const struct key *ours = &keys->nodes[self], *theirs = &keys->nodes[peer];
    if (keys->scheme == TC_SCHEME_KEYED_HASH) {
        for (size_t i = 0; i < 32; i++)
            secret[i] = (uint8_t)(ours->hash_key[i] ^ theirs->hash_key[i]);
        return 0;
    }
    uint8_t scalar[crypto_scalarmult_curve25519_SCALARBYTES];
    uint8_t point[crypto_scalarmult_curve25519_BYTES];
    int bad = crypto_sign_ed25519_pk_to_curve25519(point, theirs->public_key);
    if (!bad)
        bad = crypto_sign_ed25519_sk_to_curve25519(scalar, ours->secret_key);
    if (!bad)
        bad = crypto_scalarmult_curve25519(secret, scalar, point);
    sodium_memzero(scalar, sizeof scalar);
    return bad ? TC_EKEY : 0;
}

/* The MAC key of a pair binds both public keys, lower node first, so that both ends make the same. */
static int make_mac_key(const struct tc_keyring *keys, uint32_t self, uint32_t peer, uint8_t out[static 32])
{
    uint8_t text[3 * 32];
    uint32_t low = self < peer ? self : peer, high = self < peer ? peer : self;
    int rc = shared_secret(keys, self, peer, text);
    if (rc == 0) {
        memcpy(text + 32, keys->nodes[low].public_key, 32);
        memcpy(text + 64, keys->nodes[high].public_key, 32);
        hash_labelled("turncoat mac key", text, sizeof text, out);
    }
    sodium_memzero(text, sizeof text);
    return rc;
}

int tc_mac(struct tc_keyring *keys, uint32_t self, uint32_t peer, const char *domain, struct tc_slice text,
           uint8_t mac[static TC_MAC_SIZE])
{
    if (!tc_keyring_has_secret(keys, self)) {
        uint32_t other = self;
        self = peer;
        peer = other;
    }
    if (!tc_keyring_has_secret(keys, self) || !tc_keyring_public(keys, peer))
        return TC_EKEY;
    if (!keys->macs[self])
        keys->macs[self] = calloc(1, sizeof *keys->macs[self]);
    struct mac_row *row = keys->macs[self];
    if (!row)
        return TC_EMEMORY;
    if (!row->made[peer]) {
        int rc = make_mac_key(keys, self, peer, row->keys[peer]);
        if (rc != 0)
            return rc;
        row->made[peer] = true;
    }
    keyed_hash(row->keys[peer], domain, text, mac, TC_MAC_SIZE);
    return 0;
}

/* ---- digests ---- */

/* One request is hashed by its client, by whoever decodes its copies on the wire, and by every replica that executes
 * it; in a simulation all of these are one thread. So the last texts are kept with their digests: to find one costs a
 * tenth of the hash. What is found was compared byte by byte, so that nothing shows but the time. */
#define KEPT_DIGESTS  64
#define KEPT_TEXT_MAX 448

struct kept_digest {
    uint64_t hash;
    size_t len; /* 0: none */
    uint8_t digest[TC_VALUE_SIZE];
    uint8_t text[KEPT_TEXT_MAX];
};

static __attribute__((tls_model("initial-exec"))) _Thread_local struct kept_digest kept_digests[KEPT_DIGESTS];

void tc_digest_sha256(struct tc_slice bytes, uint8_t digest[static 32])
{
    (void)crypto_hash_sha256(digest, bytes.data, bytes.len);
}

void tc_digest(struct tc_slice bytes, uint8_t digest[static TC_VALUE_SIZE])
{
    if (bytes.len == 0 || bytes.len > KEPT_TEXT_MAX) {
        crypto_generichash_blake2b(digest, TC_VALUE_SIZE, bytes.data, bytes.len, NULL, 0);
        return;
    }
    const uint64_t hash = tc_random_fold_bytes(0, bytes);
    struct kept_digest *kept = &kept_digests[(hash >> 32) % KEPT_DIGESTS];
    if (kept->hash != hash || kept->len != bytes.len || memcmp(kept->text, bytes.data, bytes.len) != 0) {
        kept->hash = hash;
        kept->len = bytes.len;
        memcpy(kept->text, bytes.data, bytes.len);
        crypto_generichash_blake2b(kept->digest, TC_VALUE_SIZE, bytes.data, bytes.len, NULL, 0);
    }
    memcpy(digest, kept->digest, TC_VALUE_SIZE);
}

static void digest_streamed(const struct tc_slice *parts, size_t count, uint8_t digest[static TC_VALUE_SIZE])
{
    crypto_generichash_blake2b_state state;
    crypto_generichash_blake2b_init(&state, NULL, 0, TC_VALUE_SIZE);
    for (size_t i = 0; i < count; i++) {
        uint8_t length[8];
        put_le64(length, parts[i].len);
        crypto_generichash_blake2b_update(&state, length, sizeof length);
        crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].len);
    }
    crypto_generichash_blake2b_final(&state, digest, TC_VALUE_SIZE);
}

void tc_digest_parts(const struct tc_slice *parts, size_t count, uint8_t digest[static TC_VALUE_SIZE])
{
    uint8_t joined[KEPT_TEXT_MAX];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > sizeof joined || sizeof joined - len < 8 + parts[i].len) {
            digest_streamed(parts, count, digest);
            return;
        }
        put_le64(joined + len, parts[i].len);
        if (parts[i].len > 0)
            memcpy(joined + len + 8, parts[i].data, parts[i].len);
        len += 8 + parts[i].len;
    }
    tc_digest((struct tc_slice){joined, len}, digest);
}
