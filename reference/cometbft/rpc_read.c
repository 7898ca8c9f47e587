/* Values of JSON-RPC answers. */
#define _GNU_SOURCE
#include "block.h"
#include "protocol.h"
#include "rpc_parts.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES_MAX 8192 /* of one field of a vote: a vote extension may be some hundred bytes */

const char *tc_rpc_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

uint64_t tc_rpc_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value))
        return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
    const char *text = tc_rpc_text(object, key);
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 20 && !text[digits] ? strtoull(text, NULL, 10) : 0;
}

struct tc_value tc_rpc_hash(const char *text)
{
    struct tc_value value = {.state = TC_VALUE_ABSENT};
    size_t len = 0;
    if (*text && sodium_hex2bin(value.bytes, sizeof value.bytes, text, strlen(text), NULL, &len, NULL) == 0 && len > 0)
        value.state = TC_VALUE_BYTES;
    else
        memset(value.bytes, 0, sizeof value.bytes);
    return value;
}

struct tc_value tc_rpc_base64_hash(const char *text)
{
    struct tc_value value = {.state = TC_VALUE_ABSENT};
    size_t len = 0;
    if (*text &&
        sodium_base642bin(value.bytes, sizeof value.bytes, text, strlen(text), NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0 &&
        len > 0)
        value.state = TC_VALUE_BYTES;
    else
        memset(value.bytes, 0, sizeof value.bytes);
    return value;
}

bool tc_rpc_public_key(const json_t *object, uint8_t key[static TC_PUBLIC_KEY_SIZE])
{
    const char *text = tc_rpc_text(object, "value");
    size_t len = 0;
    return strstr(tc_rpc_text(object, "type"), "Ed25519") &&
           sodium_base642bin(key, TC_PUBLIC_KEY_SIZE, text, strlen(text), NULL, &len, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           len == TC_PUBLIC_KEY_SIZE;
}

const struct tc_value *tc_rpc_states_put(struct tc_rpc_states *states, uint64_t height, bool in_header,
                                         const struct tc_value *said)
{
    const size_t at = height % TC_RPC_STATES_MAX;
    if (height < states->at[at].height)
        return NULL;
    if (height > states->at[at].height) {
        memset(&states->at[at], 0, sizeof states->at[at]);
        states->at[at].height = height;
    }
    states->at[at].said[in_header] = *said;
    const struct tc_value *other = &states->at[at].said[!in_header];
    const bool both = said->state == TC_VALUE_BYTES && other->state == TC_VALUE_BYTES;
    return both && memcmp(said->bytes, other->bytes, sizeof said->bytes) != 0 ? other : NULL;
}

/* ---- evidence ---- */

static bool bytes_of(const char *text, bool base64, struct tc_arena *arena, ProtobufCBinaryData *out)
{
    const size_t size = strlen(text);
    size_t len = 0;
    out->len = 0;
    out->data = size <= BYTES_MAX ? tc_arena_alloc(arena, size + 1) : NULL;
    if (!out->data)
        return false;
    const int rc =
        base64 ? sodium_base642bin(out->data, size + 1, text, size, NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL)
               : sodium_hex2bin(out->data, size + 1, text, size, NULL, &len, NULL);
    out->len = rc == 0 ? len : 0;
    return rc == 0;
}

/* 2026-11-22T22:26:41.140844144Z: seconds, then up to nine digits of their fraction. */
static bool time_of(const char *text, Cometbft__Timestamp *out)
{
    struct tm parts = {0};
    int at = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
               &parts.tm_min, &parts.tm_sec, &at) != 6)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    out->seconds = timegm(&parts);
    int32_t unit = 100000000;
    const char *c = text + at;
    for (c += *c == '.'; *c >= '0' && *c <= '9'; c++, unit /= 10)
        out->nanos += (*c - '0') * unit;
    return c[0] == 'Z' && c[1] == 0;
}

static Cometbft__BlockID *block_id_of(const json_t *object, struct tc_arena *arena)
{
    const json_t *parts = json_object_get(object, "parts");
    Cometbft__BlockID *id = tc_arena_alloc(arena, sizeof *id);
    Cometbft__PartSetHeader *header = tc_arena_alloc(arena, sizeof *header);
    if (!id || !header)
        return NULL;
    cometbft__block_id__init(id);
    cometbft__part_set_header__init(header);
    header->total = (uint32_t)tc_rpc_number(parts, "total");
    id->part_set_header = header;
    if (!bytes_of(tc_rpc_text(object, "hash"), false, arena, &id->hash) ||
        !bytes_of(tc_rpc_text(parts, "hash"), false, arena, &header->hash))
        return NULL;
    return id;
}

static Cometbft__Vote *vote_of(const json_t *object, struct tc_arena *arena)
{
    Cometbft__Vote *vote = tc_arena_alloc(arena, sizeof *vote);
    Cometbft__Timestamp *timestamp = tc_arena_alloc(arena, sizeof *timestamp);
    if (!vote || !timestamp || !json_is_object(object))
        return NULL;
    cometbft__vote__init(vote);
    cometbft__timestamp__init(timestamp);
    vote->type = (uint32_t)tc_rpc_number(object, "type");
    vote->height = (int64_t)tc_rpc_number(object, "height");
    vote->round = (int32_t)tc_rpc_number(object, "round");
    vote->validator_index = (int32_t)tc_rpc_number(object, "validator_index");
    vote->timestamp = timestamp;
    vote->block_id = block_id_of(json_object_get(object, "block_id"), arena);
    const bool whole = vote->block_id && time_of(tc_rpc_text(object, "timestamp"), timestamp) &&
                       bytes_of(tc_rpc_text(object, "validator_address"), false, arena, &vote->validator_address) &&
                       bytes_of(tc_rpc_text(object, "signature"), true, arena, &vote->signature) &&
                       bytes_of(tc_rpc_text(object, "extension"), true, arena, &vote->extension) &&
                       bytes_of(tc_rpc_text(object, "extension_signature"), true, arena, &vote->extension_signature);
    return whole ? vote : NULL;
}

/* The message of the evidence channel with this one piece in it, as it would come from a peer. */
static int message_of(const struct tc_protocol_env *env, Cometbft__DuplicateVoteEvidence *duplicate,
                      struct tc_arena *arena, struct tc_message *out)
{
    Cometbft__Evidence evidence = COMETBFT__EVIDENCE__INIT, *pieces[] = {&evidence};
    Cometbft__EvidenceList list = COMETBFT__EVIDENCE_LIST__INIT;
    struct tc_slice frame;
    struct tc_message empty;
    int rc = tc_cometbft_build("evidence", arena, &empty);
    if (rc != 0)
        return rc;
    evidence.duplicate_vote_evidence = duplicate;
    list.n_evidence = 1;
    list.evidence = pieces;
    struct tc_statement first = empty.statements[0];
    first.fields.base = &list;
    empty.statements = &first;
    empty.statement_count = 1;
    rc = tc_cometbft_encode(&empty, arena, &frame);
    *out = (struct tc_message){.from = TC_NODE_NONE, .to = TC_NODE_NONE};
    if (rc == 0)
        rc = tc_protocol_decode(&tc_cometbft, env, frame, arena, out);
    return rc;
}

/* v0.38 names these fields as Go does, v1.0 as JSON does. */
static const char *named(const json_t *value, const char *old_key, const char *key)
{
    return json_object_get(value, key) ? key : old_key;
}

static int duplicate_of(const json_t *piece, struct tc_arena *arena, Cometbft__DuplicateVoteEvidence *out)
{
    const json_t *value = json_object_get(piece, "value");
    if (!json_is_object(value) || !*tc_rpc_text(piece, "type"))
        return TC_EMALFORMED;
    if (strcmp(tc_rpc_text(piece, "type"), "tendermint/DuplicateVoteEvidence") != 0)
        return TC_EUNSUPPORTED;
    cometbft__duplicate_vote_evidence__init(out);
    out->vote_a = vote_of(json_object_get(value, "vote_a"), arena);
    out->vote_b = vote_of(json_object_get(value, "vote_b"), arena);
    out->timestamp = tc_arena_alloc(arena, sizeof *out->timestamp);
    if (!out->vote_a || !out->vote_b || !out->timestamp)
        return TC_EMALFORMED;
    cometbft__timestamp__init(out->timestamp);
    out->total_voting_power = (int64_t)tc_rpc_number(value, named(value, "TotalVotingPower", "total_voting_power"));
    out->validator_power = (int64_t)tc_rpc_number(value, named(value, "ValidatorPower", "validator_power"));
    return time_of(tc_rpc_text(value, named(value, "Timestamp", "timestamp")), out->timestamp) ? 0 : TC_EMALFORMED;
}

int tc_rpc_evidence(const struct tc_protocol_env *env, const json_t *piece, struct tc_arena *arena,
                    struct tc_message *out)
{
    Cometbft__DuplicateVoteEvidence duplicate;
    int rc = duplicate_of(piece, arena, &duplicate);
    if (rc == 0)
        rc = message_of(env, &duplicate, arena, out);
    return rc == 0 && out->statement_count != 3 ? TC_EMALFORMED : rc;
}

/* ---- what a block's hash covers ---- */

/* The rest is read behind a piece of another kind, too: it may be broken. */
int tc_rpc_evidence_hash(const json_t *list, struct tc_arena *arena, struct tc_value *root)
{
    struct tc_slice leaves[TC_RPC_EVIDENCE_MAX];
    const size_t count = json_array_size(list);
    int answer = count > TC_RPC_EVIDENCE_MAX ? TC_EUNSUPPORTED : 0;
    *root = (struct tc_value){.state = TC_VALUE_ABSENT};
    for (size_t i = 0; i < count && i < TC_RPC_EVIDENCE_MAX; i++) {
        Cometbft__DuplicateVoteEvidence duplicate;
        int rc = duplicate_of(json_array_get(list, i), arena, &duplicate);
        if (rc == 0)
            rc = tc_fields_pack(&duplicate.base, arena, &leaves[i]);
        if (rc != 0 && rc != TC_EUNSUPPORTED)
            return rc;
        answer = rc != 0 ? rc : answer;
    }
    if (answer != 0)
        return answer;
    tc_cometbft_merkle_root(leaves, count, root->bytes);
    root->state = TC_VALUE_BYTES;
    return 0;
}

/* The texts of a header that are hashes, in the order of its fields. */
static bool header_hashes(const json_t *object, struct tc_arena *arena, Cometbft__Header *out)
{
    const struct {
        const char *key;
        ProtobufCBinaryData *to;
    } rows[] = {{"last_commit_hash", &out->last_commit_hash},   {"data_hash", &out->data_hash},
                {"validators_hash", &out->validators_hash},     {"next_validators_hash", &out->next_validators_hash},
                {"consensus_hash", &out->consensus_hash},       {"app_hash", &out->app_hash},
                {"last_results_hash", &out->last_results_hash}, {"evidence_hash", &out->evidence_hash},
                {"proposer_address", &out->proposer_address}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!bytes_of(tc_rpc_text(object, rows[i].key), false, arena, rows[i].to))
            return false;
    return true;
}

struct tc_value tc_rpc_header_hash(const json_t *object, struct tc_arena *arena)
{
    struct tc_value hash = {.state = TC_VALUE_ABSENT};
    Cometbft__Header header = COMETBFT__HEADER__INIT;
    Cometbft__Version version = COMETBFT__VERSION__INIT;
    Cometbft__Timestamp timestamp = COMETBFT__TIMESTAMP__INIT;
    version.block = tc_rpc_number(json_object_get(object, "version"), "block");
    version.app = tc_rpc_number(json_object_get(object, "version"), "app");
    header.version = &version;
    header.time = &timestamp;
    header.chain_id = (char *)(uintptr_t)tc_rpc_text(object, "chain_id");
    header.height = (int64_t)tc_rpc_number(object, "height");
    header.last_block_id = block_id_of(json_object_get(object, "last_block_id"), arena);
    if (header.last_block_id && time_of(tc_rpc_text(object, "time"), &timestamp) &&
        header_hashes(object, arena, &header) && tc_cometbft_header_hash(&header, arena, hash.bytes) == 0)
        hash.state = TC_VALUE_BYTES;
    return hash;
}
