/* What signatures cover, whose they are, and making them anew. Unlike the reference protocols, CometBFT signs a
 * canonical form that is not on the wire and holds the chain's id. */
#include "../../proxy/cursor.h"
#include "protocol_parts.h"

#include <sodium.h>
#include <string.h>

/* Tags of the canonical messages. */
#define TAG_TYPE      (1 << 3 | 0)
#define TAG_HEIGHT    (2 << 3 | 1) /* sfixed64 */
#define TAG_ROUND     (3 << 3 | 1)
#define TAG_BYTES(n)  ((n) << 3 | 2)
#define TAG_VARINT(n) ((n) << 3 | 0)

#define CANONICAL_MAX (256 + TC_NAME_MAX)

void tc_cometbft_address(const uint8_t public_key[static 32], uint8_t address[static TC_COMETBFT_ADDRESS_SIZE])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, public_key, 32);
    memcpy(address, hash, TC_COMETBFT_ADDRESS_SIZE);
}

/* ---- canonical bytes ---- */

static void put_bytes(struct tc_writer *w, unsigned field, struct tc_slice bytes)
{
    tc_writer_u8(w, (uint8_t)TAG_BYTES(field));
    tc_writer_varint(w, bytes.len);
    tc_writer_slice(w, bytes);
}

static void put_fixed(struct tc_writer *w, uint8_t tag, int64_t value)
{
    if (value == 0)
        return;
    tc_writer_u8(w, tag);
    tc_writer_u64le(w, (uint64_t)value);
}

/* Absent for nil; its part set header is there even if it is empty. */
static void put_block_id(struct tc_writer *w, unsigned field, const Cometbft__BlockID *id)
{
    uint8_t header_bytes[64], id_bytes[128];
    const Cometbft__PartSetHeader *parts = id ? id->part_set_header : NULL;
    const bool zero = !id || (id->hash.len == 0 && (!parts || (parts->total == 0 && parts->hash.len == 0)));
    if (zero)
        return;
    struct tc_writer header = tc_writer_into(header_bytes, sizeof header_bytes);
    if (parts && parts->total > 0) {
        tc_writer_u8(&header, TAG_VARINT(1));
        tc_writer_varint(&header, parts->total);
    }
    if (parts && parts->hash.len > 0)
        put_bytes(&header, 2, tc_cometbft_slice(parts->hash));
    struct tc_writer whole = tc_writer_into(id_bytes, sizeof id_bytes);
    if (id->hash.len > 0)
        put_bytes(&whole, 1, tc_cometbft_slice(id->hash));
    put_bytes(&whole, 2, tc_writer_bytes(&header));
    if (!tc_writer_ok(&header) || !tc_writer_ok(&whole))
        w->_failed = true;
    put_bytes(w, field, tc_writer_bytes(&whole));
}

static void put_time(struct tc_writer *w, unsigned field, const Cometbft__Timestamp *time)
{
    uint8_t bytes[32];
    struct tc_writer inner = tc_writer_into(bytes, sizeof bytes);
    if (time && time->seconds != 0) {
        tc_writer_u8(&inner, TAG_VARINT(1));
        tc_writer_varint(&inner, (uint64_t)time->seconds);
    }
    if (time && time->nanos != 0) {
        tc_writer_u8(&inner, TAG_VARINT(2));
        tc_writer_varint(&inner, (uint64_t)(int64_t)time->nanos);
    }
    put_bytes(w, field, tc_writer_bytes(&inner));
}

static void put_chain(struct tc_writer *w, unsigned field, const char *chain_id)
{
    if (chain_id[0])
        put_bytes(w, field, (struct tc_slice){(const uint8_t *)chain_id, strlen(chain_id)});
}

/* The message with its length before it. */
static int delimit(const struct tc_writer *canonical, struct tc_arena *arena, struct tc_slice *bytes)
{
    if (!tc_writer_ok(canonical))
        return TC_ELIMIT;
    const struct tc_slice body = tc_writer_bytes(canonical);
    uint8_t *memory = tc_arena_alloc(arena, body.len + 10);
    if (!memory)
        return TC_ELIMIT;
    struct tc_writer w = tc_writer_into(memory, body.len + 10);
    tc_writer_varint(&w, body.len);
    tc_writer_slice(&w, body);
    *bytes = tc_writer_bytes(&w);
    return 0;
}

int tc_cometbft_vote_bytes(const Cometbft__Vote *vote, const char *chain_id, struct tc_arena *arena,
                           struct tc_slice *bytes)
{
    uint8_t memory[CANONICAL_MAX];
    struct tc_writer w = tc_writer_into(memory, sizeof memory);
    if (vote->type != 0) {
        tc_writer_u8(&w, TAG_TYPE);
        tc_writer_varint(&w, vote->type);
    }
    put_fixed(&w, TAG_HEIGHT, vote->height);
    put_fixed(&w, TAG_ROUND, vote->round);
    put_block_id(&w, 4, vote->block_id);
    put_time(&w, 5, vote->timestamp);
    put_chain(&w, 6, chain_id);
    return delimit(&w, arena, bytes);
}

int tc_cometbft_proposal_bytes(const Cometbft__Proposal *proposal, const char *chain_id, struct tc_arena *arena,
                               struct tc_slice *bytes)
{
    uint8_t memory[CANONICAL_MAX];
    struct tc_writer w = tc_writer_into(memory, sizeof memory);
    tc_writer_u8(&w, TAG_TYPE);
    tc_writer_varint(&w, TC_COMETBFT_PROPOSAL);
    put_fixed(&w, TAG_HEIGHT, proposal->height);
    put_fixed(&w, TAG_ROUND, proposal->round);
    if (proposal->pol_round != 0) {
        tc_writer_u8(&w, TAG_VARINT(4));
        tc_writer_varint(&w, (uint64_t)(int64_t)proposal->pol_round);
    }
    put_block_id(&w, 5, proposal->block_id);
    put_time(&w, 6, proposal->timestamp);
    put_chain(&w, 7, chain_id);
    return delimit(&w, arena, bytes);
}

int tc_cometbft_extension_bytes(const Cometbft__Vote *vote, const char *chain_id, struct tc_arena *arena,
                                struct tc_slice *bytes)
{
    const size_t room = vote->extension.len + CANONICAL_MAX;
    uint8_t *memory = tc_arena_alloc(arena, room);
    if (!memory)
        return TC_ELIMIT;
    struct tc_writer w = tc_writer_into(memory, room);
    if (vote->extension.len > 0)
        put_bytes(&w, 1, tc_cometbft_slice(vote->extension));
    put_fixed(&w, TAG_HEIGHT, vote->height);
    put_fixed(&w, TAG_ROUND, vote->round);
    put_chain(&w, 4, chain_id);
    return delimit(&w, arena, bytes);
}

/* ---- whose signature it is ---- */

static int check(const struct tc_protocol_env *env, uint16_t node, struct tc_slice signed_bytes,
                 struct tc_slice signature)
{
    const uint8_t *key = tc_keyring_public(env->keys, node);
    if (!key)
        return TC_EKEY;
    if (signature.len != crypto_sign_BYTES ||
        crypto_sign_verify_detached(signature.data, signed_bytes.data, signed_bytes.len, key) != 0)
        return TC_ESIGNATURE;
    return 0;
}

static bool is_vote(const struct tc_statement *s)
{
    return s->fields.base && s->fields.descriptor == (const void *)&cometbft__vote__descriptor;
}

static bool is_proposal(const struct tc_statement *s)
{
    return s->fields.base && s->fields.descriptor == (const void *)&cometbft__proposal__descriptor;
}

static int signed_bytes_of(const struct tc_protocol_env *env, const struct tc_statement *s, struct tc_arena *arena,
                           struct tc_slice *bytes)
{
    return is_vote(s) ? tc_cometbft_vote_bytes(s->fields.base, env->cluster->id, arena, bytes)
                      : tc_cometbft_proposal_bytes(s->fields.base, env->cluster->id, arena, bytes);
}

int tc_cometbft_verify(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    struct tc_arena arena;
    struct tc_slice bytes;
    if (!is_vote(s) && !is_proposal(s))
        return 0;
    if (s->signer == TC_NODE_NONE)
        return TC_ESIGNATURE;
    tc_arena_init(&arena, 4096);
    int rc = signed_bytes_of(env, s, &arena, &bytes);
    if (rc == 0)
        rc = check(env, s->signer, bytes, s->signature);
    tc_arena_free(&arena);
    return rc;
}

static uint16_t node_of_address(const struct tc_protocol_env *env, ProtobufCBinaryData address)
{
    for (uint16_t node = 0; address.len == TC_COMETBFT_ADDRESS_SIZE && node < env->cluster->n; node++) {
        const uint8_t *key = tc_keyring_public(env->keys, node);
        uint8_t own[TC_COMETBFT_ADDRESS_SIZE];
        if (!key)
            continue;
        tc_cometbft_address(key, own);
        if (memcmp(own, address.data, sizeof own) == 0)
            return node;
    }
    return TC_NODE_NONE;
}

/* Proposals whose signer was found lately: gossip brings each a dozen times, and to check a signature with key after
 * key costs more than everything else that is done to a message. What a thread remembers changes no answer. */
#define PROVED_MAX 8

struct proved {
    uint8_t key[crypto_sign_PUBLICKEYBYTES], signature[crypto_sign_BYTES], bytes[CANONICAL_MAX];
    size_t len; /* 0: none yet */
};

/* initial-exec: without a call into the linker, which the core may not make */
static __attribute__((tls_model("initial-exec"))) _Thread_local struct proved proved[PROVED_MAX];
static __attribute__((tls_model("initial-exec"))) _Thread_local size_t proved_next;

static const uint8_t *proved_find(struct tc_slice bytes, struct tc_slice signature)
{
    for (size_t i = 0; i < PROVED_MAX; i++)
        if (proved[i].len > 0 && proved[i].len == bytes.len && signature.len == sizeof proved[i].signature &&
            memcmp(proved[i].signature, signature.data, signature.len) == 0 &&
            memcmp(proved[i].bytes, bytes.data, bytes.len) == 0)
            return proved[i].key;
    return NULL;
}

static void proved_put(struct tc_slice bytes, struct tc_slice signature, const uint8_t *key)
{
    struct proved *one = &proved[proved_next++ % PROVED_MAX];
    if (bytes.len > sizeof one->bytes)
        return;
    memcpy(one->key, key, sizeof one->key);
    memcpy(one->signature, signature.data, sizeof one->signature);
    memcpy(one->bytes, bytes.data, bytes.len);
    one->len = bytes.len;
}

/* A proposal does not say who made it: whose key verifies it did. */
static uint16_t node_of_bytes(const struct tc_protocol_env *env, struct tc_slice bytes, struct tc_slice signature)
{
    const uint8_t *known = proved_find(bytes, signature);
    for (uint16_t node = 0; node < env->cluster->n; node++) {
        const uint8_t *key = tc_keyring_public(env->keys, node);
        if (known && key && memcmp(known, key, crypto_sign_PUBLICKEYBYTES) == 0)
            return node;
        if (!known && check(env, node, bytes, signature) == 0) {
            proved_put(bytes, signature, key);
            return node;
        }
    }
    return TC_NODE_NONE;
}

static uint16_t node_of_proposal(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    uint16_t node = TC_NODE_NONE;
    struct tc_arena arena;
    struct tc_slice bytes;
    tc_arena_init(&arena, 4096);
    if (signed_bytes_of(env, s, &arena, &bytes) == 0)
        node = node_of_bytes(env, bytes, s->signature);
    tc_arena_free(&arena);
    return node;
}

void tc_cometbft_attribute(const struct tc_protocol_env *env, struct tc_message *m)
{
    if (!env->keys || !env->cluster)
        return;
    for (uint32_t i = 0; i < m->statement_count; i++) {
        struct tc_statement *s = &m->statements[i];
        if (is_vote(s))
            s->signer = node_of_address(env, ((const Cometbft__Vote *)s->fields.base)->validator_address);
        else if (is_proposal(s))
            s->signer = node_of_proposal(env, s);
        if (s->origin == TC_ORIGIN_DIRECT && s->signer != TC_NODE_NONE && s->signer != m->from)
            s->origin = TC_ORIGIN_RELAYED; /* gossip: every node passes on what it has */
    }
    tc_cometbft_name_signers(m);
}

/* ---- signing ---- */

static ProtobufCBinaryData signature_of(const struct tc_protocol_env *env, uint16_t node, struct tc_slice bytes,
                                        struct tc_arena *arena)
{
    const uint8_t *secret = tc_keyring_signing_key(env->keys, node);
    uint8_t *signature = secret ? tc_arena_alloc(arena, crypto_sign_BYTES) : NULL;
    if (!signature)
        return (ProtobufCBinaryData){0, NULL};
    crypto_sign_detached(signature, NULL, bytes.data, bytes.len, secret);
    return (ProtobufCBinaryData){crypto_sign_BYTES, signature};
}

static int sign_vote(const struct tc_protocol_env *env, Cometbft__Vote *vote, uint16_t node, struct tc_arena *arena)
{
    struct tc_slice bytes;
    uint8_t *address = tc_arena_alloc(arena, TC_COMETBFT_ADDRESS_SIZE);
    if (!address)
        return TC_ELIMIT;
    tc_cometbft_address(tc_keyring_public(env->keys, node), address);
    vote->validator_address = (ProtobufCBinaryData){TC_COMETBFT_ADDRESS_SIZE, address};
    const bool nil = !vote->block_id || vote->block_id->hash.len == 0;
    if (nil) { /* a vote for nothing carries no extension */
        vote->extension = (ProtobufCBinaryData){0, NULL};
        vote->extension_signature = (ProtobufCBinaryData){0, NULL};
    } else if (vote->extension_signature.len > 0) {
        if (tc_cometbft_extension_bytes(vote, env->cluster->id, arena, &bytes))
            return TC_ELIMIT;
        vote->extension_signature = signature_of(env, node, bytes, arena);
    }
    if (tc_cometbft_vote_bytes(vote, env->cluster->id, arena, &bytes))
        return TC_ELIMIT;
    vote->signature = signature_of(env, node, bytes, arena);
    return vote->signature.data ? 0 : TC_ELIMIT;
}

static int sign_proposal(const struct tc_protocol_env *env, Cometbft__Proposal *proposal, uint16_t node,
                         struct tc_arena *arena)
{
    struct tc_slice bytes;
    if (tc_cometbft_proposal_bytes(proposal, env->cluster->id, arena, &bytes))
        return TC_ELIMIT;
    proposal->signature = signature_of(env, node, bytes, arena);
    return proposal->signature.data ? 0 : TC_ELIMIT;
}

int tc_cometbft_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                     struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice frame;
    if (!m->decoded || m->statement_count == 0)
        return TC_EMALFORMED;
    if (!tc_keyring_has_secret(env->keys, node))
        return TC_EKEY;
    struct tc_message copy = *m;
    copy.statements = tc_arena_alloc(arena, m->statement_count * sizeof *copy.statements);
    if (!copy.statements)
        return TC_ELIMIT;
    memcpy(copy.statements, m->statements, m->statement_count * sizeof *copy.statements);
    struct tc_statement *first = &copy.statements[0];
    first->fields = tc_fields_copy(first->fields, arena);
    if (!first->fields.base)
        return TC_ELIMIT;
    int rc = is_vote(first)       ? sign_vote(env, first->fields.base, node, arena)
             : is_proposal(first) ? sign_proposal(env, first->fields.base, node, arena)
                                  : 0; /* nothing else is signed: the link's encryption speaks for its sender */
    if (rc == 0)
        rc = tc_cometbft_encode(&copy, arena, &frame);
    if (rc != 0)
        return rc;
    *out = (struct tc_message){.from = m->from, .to = m->to, .conn = m->conn, .touched = true};
    rc = tc_cometbft_decode(frame, arena, out);
    if (rc == 0)
        tc_cometbft_attribute(env, out);
    return rc;
}
