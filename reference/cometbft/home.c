#define _GNU_SOURCE
#include "home.h"

#include "protocol_parts.h"
#include "secret.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENESIS_POWER 10 /* high enough that evidence, which the kvstore punishes by one, leaves a quorum */
#define BASE64_KEY    sodium_base64_ENCODED_LEN(64, sodium_base64_VARIANT_ORIGINAL)

/* Text that grows in a buffer of fixed size. */
struct out {
    char *text;
    size_t size, len;
    bool full;
};

static void put(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct out *o, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const int len = vsnprintf(o->text + o->len, o->size - o->len, format, values);
    va_end(values);
    if (len < 0 || (size_t)len >= o->size - o->len)
        o->full = true;
    else
        o->len += (size_t)len;
}

static int done(const struct out *o)
{
    return o->full ? TC_ELIMIT : (int)o->len;
}

static void put_base64(struct out *o, const uint8_t *bytes, size_t len)
{
    char text[BASE64_KEY];
    sodium_bin2base64(text, sizeof text, bytes, len, sodium_base64_VARIANT_ORIGINAL);
    put(o, "\"%s\"", text);
    sodium_memzero(text, sizeof text);
}

static void put_address(struct out *o, const struct tc_cometbft_node *node)
{
    uint8_t address[TC_COMETBFT_ADDRESS_SIZE];
    tc_cometbft_address(node->validator_key + 32, address);
    put(o, "\"");
    for (size_t i = 0; i < sizeof address; i++)
        put(o, "%02X", address[i]);
    put(o, "\"");
}

static void put_public(struct out *o, const uint8_t *public_key)
{
    put(o, "{\"type\": \"tendermint/PubKeyEd25519\", \"value\": ");
    put_base64(o, public_key, 32);
    put(o, "}");
}

static void put_private(struct out *o, const uint8_t *secret_key)
{
    put(o, "{\"type\": \"tendermint/PrivKeyEd25519\", \"value\": ");
    put_base64(o, secret_key, 64);
    put(o, "}");
}

/* ---- nodes ---- */

void tc_cometbft_node_make(struct tc_cometbft_node *node, const uint8_t validator_seed[static 32],
                           const uint8_t node_seed[static 32])
{
    uint8_t public_key[32];
    crypto_sign_seed_keypair(public_key, node->validator_key, validator_seed);
    crypto_sign_seed_keypair(public_key, node->node_key, node_seed);
    tc_secret_node_id(public_key, node->id);
}

static int by_address(const void *a, const void *b)
{
    uint8_t left[TC_COMETBFT_ADDRESS_SIZE], right[TC_COMETBFT_ADDRESS_SIZE];
    tc_cometbft_address(((const struct tc_cometbft_node *)a)->validator_key + 32, left);
    tc_cometbft_address(((const struct tc_cometbft_node *)b)->validator_key + 32, right);
    return memcmp(left, right, sizeof left);
}

void tc_cometbft_node_sort(struct tc_cometbft_node *nodes, uint32_t count)
{
    qsort(nodes, count, sizeof *nodes, by_address);
}

/* ---- files ---- */

int tc_cometbft_genesis(const struct tc_cometbft_net *net, char *out, size_t size)
{
    struct out o = {.text = out, .size = size};
    put(&o, "{\n  \"genesis_time\": \"2020-01-01T00:00:00Z\",\n  \"chain_id\": \"%s\",\n", net->chain_id);
    put(&o, "  \"initial_height\": \"1\",\n");
    if (net->vote_extensions_height > 0)
        put(&o,
            "  \"consensus_params\": {\n"
            "    \"block\": {\"max_bytes\": \"4194304\", \"max_gas\": \"-1\"},\n"
            "    \"evidence\": {\"max_age_num_blocks\": \"100000\", \"max_age_duration\": \"172800000000000\", "
            "\"max_bytes\": \"1048576\"},\n"
            "    \"validator\": {\"pub_key_types\": [\"ed25519\"]},\n    \"version\": {\"app\": \"0\"},\n"
            "    \"abci\": {\"vote_extensions_enable_height\": \"%u\"},\n" /* v0.38; v1.0: */
            "    \"feature\": {\"vote_extensions_enable_height\": \"%u\"}\n  },\n",
            net->vote_extensions_height, net->vote_extensions_height);
    put(&o, "  \"validators\": [");
    for (uint32_t i = 0; i < net->count; i++) {
        put(&o, "%s\n    {\"address\": ", i > 0 ? "," : "");
        put_address(&o, &net->nodes[i]);
        put(&o, ", \"pub_key\": ");
        put_public(&o, net->nodes[i].validator_key + 32);
        put(&o, ", \"power\": \"%d\", \"name\": \"node%u\"}", GENESIS_POWER, i);
    }
    put(&o, "\n  ],\n  \"app_hash\": \"\"\n}\n");
    return done(&o);
}

int tc_cometbft_validator_key(const struct tc_cometbft_node *node, char *out, size_t size)
{
    struct out o = {.text = out, .size = size};
    put(&o, "{\n  \"address\": ");
    put_address(&o, node);
    put(&o, ",\n  \"pub_key\": ");
    put_public(&o, node->validator_key + 32);
    put(&o, ",\n  \"priv_key\": ");
    put_private(&o, node->validator_key);
    put(&o, "\n}\n");
    return done(&o);
}

int tc_cometbft_node_key(const struct tc_cometbft_node *node, char *out, size_t size)
{
    struct out o = {.text = out, .size = size};
    put(&o, "{\"priv_key\": ");
    put_private(&o, node->node_key);
    put(&o, "}\n");
    return done(&o);
}

/* What is not said keeps CometBFT's default. Gossip of addresses is off, for it would lead past the proxy; every wait
 * is short, so that a run sees many heights. */
int tc_cometbft_config(const struct tc_cometbft_place *place, char *out, size_t size)
{
    struct out o = {.text = out, .size = size};
    const unsigned long long propose_ms = place->propose_ns / 1000000;
    put(&o,
        "proxy_app = \"%s\"\nmoniker = \"node%u\"\nlog_level = \"info\"\nlog_format = \"json\"\n"
        "[rpc]\nladdr = \"tcp://%s\"\npprof_laddr = \"\"\n"
        "[p2p]\nladdr = \"tcp://%s\"\npersistent_peers = \"%s\"\npex = false\naddr_book_strict = false\n"
        "allow_duplicate_ip = true\nflush_throttle_timeout = \"10ms\"\n",
        place->application, place->index, place->rpc_address, place->p2p_address, place->persistent_peers);
    put(&o,
        "[consensus]\ntimeout_propose = \"%llums\"\ntimeout_prevote = \"%llums\"\ntimeout_precommit = \"%llums\"\n"
        "timeout_commit = \"%llums\"\npeer_gossip_sleep_duration = \"10ms\"\n"
        "peer_query_maj23_sleep_duration = \"500ms\"\n",
        propose_ms, propose_ms * 3 / 10, propose_ms * 3 / 10, propose_ms / 5);
    return done(&o);
}

/* The only value of 64 bytes in the file is the secret key: the string after "value" inside "priv_key". */
int tc_cometbft_key_parse(struct tc_slice text, uint8_t key[static 64])
{
    static const char section[] = "\"priv_key\"", label[] = "\"value\"";
    const uint8_t *at = memmem(text.data, text.len, section, sizeof section - 1);
    const uint8_t *end = text.data + text.len;
    at = at ? memmem(at, (size_t)(end - at), label, sizeof label - 1) : NULL;
    at = at ? memchr(at + sizeof label - 1, '"', (size_t)(end - at) - (sizeof label - 1)) : NULL;
    const uint8_t *close = at ? memchr(at + 1, '"', (size_t)(end - at) - 1) : NULL;
    size_t len = 0;
    if (!close ||
        sodium_base642bin(key, 64, (const char *)at + 1, (size_t)(close - at) - 1, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len != 64)
        return TC_EKEY;
    return 0;
}

/* ---- identities ---- */

static void make_key(const uint8_t seed[static 32], uint8_t key[static 64])
{
    uint8_t public_key[32];
    crypto_sign_seed_keypair(public_key, key, seed);
}

const struct tc_identity_class tc_cometbft_identities = {
    .link_file = "config/node_key.json",
    .signing_file = "config/priv_validator_key.json",
    .expected = "a JSON file with an Ed25519 \"priv_key\", as 'cometbft init' writes it",
    .parse = tc_cometbft_key_parse,
    .make = make_key,
    .id = tc_secret_node_id,
};
