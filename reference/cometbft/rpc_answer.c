/* What the answers of a CometBFT node mean, and what it leaves out. */
#define _GNU_SOURCE
#include "rpc_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MALFORMED_TRY 10 /* as many tries does an answer count that is none */
#define MEMBERS_MAX   1000
#define NO_EVIDENCE   "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855" /* SHA256("") */

static struct tc_observation observation(const struct tc_rpc *rpc, enum tc_observation_kind kind)
{
    return (struct tc_observation){.kind = kind, .node = rpc->node, .peer = TC_NODE_NONE, .text = ""};
}

static int read_status(struct tc_rpc *rpc, const json_t *result)
{
    const json_t *validator = json_object_get(result, "validator_info");
    const json_t *sync = json_object_get(result, "sync_info");
    if (!json_is_object(sync))
        return TC_EMALFORMED;
    snprintf(rpc->identity.network, sizeof rpc->identity.network, "%s",
             tc_rpc_text(json_object_get(result, "node_info"), "network"));
    rpc->identity.has_key = tc_rpc_public_key(json_object_get(validator, "pub_key"), rpc->identity.public_key);
    rpc->height = rpc->from_start ? 0 : tc_rpc_number(sync, "latest_block_height");
    rpc->begun = true;
    return 0;
}

static bool is_same(const struct tc_value *a, const struct tc_value *b)
{
    return a->state == b->state && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* The header of the next height says what the state must have been: where the node's own answer differs, both are told.
 */
static void tell_state(struct tc_rpc *rpc, uint64_t height, bool in_header, const struct tc_value *state,
                       tc_rpc_tell_fn *tell, void *self)
{
    struct tc_observation o = observation(rpc, TC_OBS_STABLE);
    const struct tc_value *other = tc_rpc_states_put(&rpc->states, height, in_header, state);
    o.stable.sequence = height;
    o.stable.state = *state;
    if (state->state == TC_VALUE_BYTES && (!in_header || other))
        tell(self, &o);
    if (!in_header && other) {
        o.stable.state = *other;
        tell(self, &o);
    }
}

/* The header of this height names no state of the one before: the application has none, after this height either, so
 * that nobody leaves it out. Of the first height's that says nothing. */
static void expect_no_state(struct tc_rpc *rpc, uint64_t height)
{
    for (uint32_t i = 0; i < rpc->todo_count; i++)
        if (rpc->todo[i].height + 1 == height || (rpc->todo[i].height == height && height > 1))
            rpc->todo[i].results = false;
}

/* True if the header is the block's own. */
static bool put_todo(struct tc_rpc *rpc, const json_t *header, uint64_t height, const struct tc_value *block)
{
    const struct tc_value members = tc_rpc_hash(tc_rpc_text(header, "validators_hash"));
    assert(rpc->todo_count <
           TC_RPC_TODO_MAX); /* headers are asked for only where there is room for an answer of them */
    struct tc_rpc_todo *todo = &rpc->todo[rpc->todo_count++];
    *todo = (struct tc_rpc_todo){.height = height, .block = *block, .results = true};
    todo->members = memcmp(&members, &rpc->members_hash, sizeof members) != 0;
    todo->evidence = strcmp(tc_rpc_text(header, "evidence_hash"), NO_EVIDENCE) != 0;
    todo->evidence_hash = tc_rpc_hash(tc_rpc_text(header, "evidence_hash"));
    rpc->members_hash = members;
    /* A header says whether there is evidence, and which. One that is not the block's own says what it likes. */
    tc_arena_reset(&rpc->arena);
    const struct tc_value hash = tc_rpc_header_hash(header, &rpc->arena);
    if (is_same(&hash, block))
        return true;
    todo->evidence = false;
    tc_rpc_lose(rpc, &rpc->left_out.false_words, height);
    return false;
}

/* The last height is in every answer: another block there than before is told as what was executed now. */
static void compare_last(struct tc_rpc *rpc, const struct tc_observation *o, tc_rpc_tell_fn *tell, void *self)
{
    const struct tc_value *value = &o->executed.value;
    const bool known = rpc->last.state == TC_VALUE_BYTES;
    const bool changed = known && memcmp(rpc->last.bytes, value->bytes, sizeof value->bytes) != 0;
    rpc->last = *value;
    if (changed)
        tell(self, o);
}

/* A header of a height not told before. Where heights are missing (the node was given a snapshot), what follows is no
 * execution in order. */
static void tell_header(struct tc_rpc *rpc, const json_t *meta, tc_rpc_tell_fn *tell, void *self)
{
    const json_t *header = json_object_get(meta, "header");
    const uint64_t height = tc_rpc_number(header, "height");
    struct tc_observation o = observation(rpc, TC_OBS_EXECUTED);
    o.executed.sequence = height;
    o.executed.value = tc_rpc_hash(tc_rpc_text(json_object_get(meta, "block_id"), "hash"));
    if (height < rpc->height || height == 0 || o.executed.value.state != TC_VALUE_BYTES)
        return;
    if (height == rpc->height) {
        compare_last(rpc, &o, tell, self);
        return;
    }
    const bool in_order = height == rpc->height + 1 || !rpc->told_any;
    o.executed.origin = in_order ? TC_EXEC_EXECUTED : TC_EXEC_TRANSFERRED;
    rpc->told_any = true;
    rpc->height = height;
    rpc->last = o.executed.value;
    const bool is_own = put_todo(rpc, header, height, &o.executed.value);
    const struct tc_value state = tc_rpc_hash(tc_rpc_text(header, "app_hash"));
    tell(self, &o);
    if (is_own && state.state == TC_VALUE_BYTES)
        tell_state(rpc, height - 1, true, &state, tell, self);
    else if (is_own)
        expect_no_state(rpc, height);
}

/* They come with the highest first. */
static int read_headers(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    const json_t *metas = json_object_get(result, "block_metas");
    const uint64_t before = rpc->height;
    if (!json_is_array(metas) || json_array_size(metas) > TC_RPC_HEADERS_MAX)
        return TC_EMALFORMED;
    for (size_t i = json_array_size(metas); i > 0; i--)
        tell_header(rpc, json_array_get(metas, i - 1), tell, self);
    rpc->more_headers = rpc->height > before && rpc->height < tc_rpc_number(result, "last_height");
    return 0;
}

static uint16_t node_of(const struct tc_protocol_env *env, const uint8_t key[static TC_PUBLIC_KEY_SIZE])
{
    for (uint16_t node = 0; node < env->cluster->n; node++) {
        const uint8_t *own = tc_keyring_public(env->keys, node);
        if (own && memcmp(own, key, TC_PUBLIC_KEY_SIZE) == 0)
            return node;
    }
    return TC_NODE_NONE;
}

static void tell_member(const struct tc_rpc *rpc, const json_t *validator, uint32_t count, tc_rpc_tell_fn *tell,
                        void *self)
{
    const struct tc_rpc_todo *todo = &rpc->todo[rpc->at];
    struct tc_observation o = observation(rpc, TC_OBS_MEMBER);
    o.member.sequence = todo->height;
    o.member.index = todo->members_told;
    o.member.count = count;
    o.member.power = tc_rpc_number(validator, "voting_power");
    o.member.node = tc_rpc_public_key(json_object_get(validator, "pub_key"), o.member.public_key)
                        ? node_of(rpc->env, o.member.public_key)
                        : TC_NODE_NONE;
    tell(self, &o);
}

/* One page of them. */
static int read_members(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    const json_t *list = json_object_get(result, "validators");
    struct tc_rpc_todo *todo = &rpc->todo[rpc->at];
    if (!json_is_array(list))
        return TC_EMALFORMED;
    const uint64_t least = todo->members_told + (uint64_t)json_array_size(list);
    const uint64_t total = tc_rpc_number(result, "total") > least ? tc_rpc_number(result, "total") : least;
    const uint32_t count = total > MEMBERS_MAX ? MEMBERS_MAX : (uint32_t)total;
    const uint32_t before = todo->members_told;
    for (size_t i = 0; i < json_array_size(list) && todo->members_told < count; i++) {
        tell_member(rpc, json_array_get(list, i), count, tell, self);
        todo->members_told++;
    }
    todo->page++;
    todo->members = todo->members_told > before && todo->members_told < count; /* an empty page is the last */
    if (!todo->members && todo->members_told < total)
        tc_rpc_lose(rpc, &rpc->left_out.details, todo->height);
    return 0;
}

static void tell_accusation(struct tc_rpc *rpc, const json_t *piece, bool unchecked, tc_rpc_tell_fn *tell, void *self)
{
    const struct tc_rpc_todo *todo = &rpc->todo[rpc->at];
    struct tc_message message;
    tc_arena_reset(&rpc->arena);
    if (tc_rpc_evidence(rpc->env, piece, &rpc->arena, &message) != 0)
        return; /* what is answered beside the votes does not fit together */
    struct tc_observation o = observation(rpc, TC_OBS_ACCUSED);
    o.accused.sequence = todo->height;
    o.accused.block = todo->block;
    o.accused.message = &message;
    o.accused.unchecked = unchecked;
    tell(self, &o);
}

/* What the block's own hash does not cover is not told: else a liar could put words into a block that others decided,
 * too. What cannot be held against that hash is told as such. */
static int read_block(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    const json_t *block = json_object_get(result, "block");
    const json_t *list = json_object_get(json_object_get(block, "evidence"), "evidence");
    struct tc_rpc_todo *todo = &rpc->todo[rpc->at];
    if (!json_is_object(block) || (list && !json_is_array(list) && !json_is_null(list)))
        return TC_EMALFORMED;
    todo->evidence = false;
    tc_arena_reset(&rpc->arena);
    struct tc_value hash;
    const int rc = tc_rpc_evidence_hash(list, &rpc->arena, &hash);
    if (rc == TC_EUNSUPPORTED) {
        tc_rpc_lose(rpc, &rpc->left_out.unchecked, todo->height);
    } else if (rc != 0 || !is_same(&hash, &todo->evidence_hash)) {
        tc_rpc_lose(rpc, rc == TC_EMEMORY ? &rpc->left_out.details : &rpc->left_out.false_words, todo->height);
        return 0;
    }
    for (size_t i = 0; i < json_array_size(list) && i < TC_RPC_EVIDENCE_MAX; i++)
        tell_accusation(rpc, json_array_get(list, i), rc != 0, tell, self);
    return 0;
}

static int read_results(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    struct tc_rpc_todo *todo = &rpc->todo[rpc->at];
    const struct tc_value state = tc_rpc_base64_hash(tc_rpc_text(result, "app_hash"));
    if (tc_rpc_number(result, "height") != todo->height)
        return TC_EMALFORMED;
    todo->results = false;
    rpc->keeps_no_results = false;
    tell_state(rpc, todo->height, false, &state, tell, self);
    return 0;
}

static int read_result(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    switch (rpc->asked) {
    case TC_RPC_ASK_STATUS:
        return read_status(rpc, result);
    case TC_RPC_ASK_HEADERS:
        return read_headers(rpc, result, tell, self);
    case TC_RPC_ASK_MEMBERS:
        return read_members(rpc, result, tell, self);
    case TC_RPC_ASK_BLOCK:
        return read_block(rpc, result, tell, self);
    case TC_RPC_ASK_RESULTS:
        return read_results(rpc, result, tell, self);
    default:
        return TC_EMALFORMED;
    }
}

/* Results are there before the next height is: those that still are not are kept nowhere (the application made none,
 * or the node was told not to), which is not asked for long, and not twice as long as none come. */
static uint32_t tries_counted(const struct tc_rpc *rpc, const struct tc_rpc_todo *todo, uint32_t tries)
{
    if (rpc->asked != TC_RPC_ASK_RESULTS || rpc->height <= todo->height)
        return tries;
    return rpc->keeps_no_results ? TC_RPC_TRIES_MAX : TC_RPC_TRIES_MAX / 4;
}

/* "Not yet", in many words: the same is asked again in the next round, and whatever comes after it too. */
static void not_yet(struct tc_rpc *rpc, uint32_t tries)
{
    if (rpc->asked <= TC_RPC_ASK_HEADERS || rpc->at >= rpc->todo_count)
        return;
    struct tc_rpc_todo *todo = &rpc->todo[rpc->at++];
    todo->tries += tries_counted(rpc, todo, tries);
    todo->page = todo->members_told = 0;
}

/* Said at first, and again when it has doubled: a node that leaves out much is not told of at every height. */
static void tell_loss(const struct tc_rpc *rpc, enum tc_observation_kind kind, uint64_t count, uint64_t *said,
                      const char *what, tc_rpc_tell_fn *tell, void *self)
{
    char text[192];
    struct tc_observation o = observation(rpc, kind);
    if (count == 0 || count < 2 * *said)
        return;
    snprintf(text, sizeof text, "rpc of replica %u: %s (%" PRIu64 " height%s so far, height %" PRIu64 " the highest)",
             rpc->node, what, count, count == 1 ? "" : "s", rpc->left_out.last_height);
    o.text = text;
    tell(self, &o);
    *said = count;
}

/* What was dropped, left out or untrue. States that a node does not keep (it can be told not to) are no bound of ours,
 * and evidence that we cannot check is no fault of its. */
static void tell_lost(struct tc_rpc *rpc, tc_rpc_tell_fn *tell, void *self)
{
    const struct tc_rpc_left_out *left = &rpc->left_out;
    tell_loss(rpc, TC_OBS_OVERFLOW, left->details, &rpc->said_details, "members or evidence could not be read", tell,
              self);
    tell_loss(rpc, TC_OBS_OVERFLOW, left->false_words, &rpc->said_false,
              "members or evidence are not those of the block that it names", tell, self);
    tell_loss(rpc, TC_OBS_NOTE, left->unchecked, &rpc->said_unchecked,
              "evidence of another kind than two votes, or too much of it, could not be checked", tell, self);
    tell_loss(rpc, TC_OBS_NOTE, left->states, &rpc->said_states, "the application's state is not answered", tell, self);
}

/* The answer as a tree: whole, or of a long one what is read of it. */
static json_t *parse(const struct tc_rpc *rpc, struct tc_slice body, json_error_t *where)
{
    static const char *const evidence[] = {"result", "block", "evidence", NULL};
    static const char *const results[] = {"result", "height", NULL}, *const hash[] = {"result", "app_hash", NULL};
    if (body.len <= TC_RPC_PARSED_MAX)
        return json_loadb((const char *)body.data, body.len, 0, where);
    snprintf(where->text, sizeof where->text, "one that is too long");
    if (rpc->asked == TC_RPC_ASK_BLOCK)
        return tc_rpc_parts(body, (const char *const *const[]){evidence, NULL});
    return rpc->asked == TC_RPC_ASK_RESULTS ? tc_rpc_parts(body, (const char *const *const[]){results, hash, NULL})
                                            : NULL;
}

int tc_rpc_answer(struct tc_rpc *rpc, struct tc_slice body, tc_rpc_tell_fn *tell, void *self, struct tc_error *err)
{
    json_error_t where = {0};
    json_t *object = parse(rpc, body, &where);
    const json_t *result = json_object_get(object, "result"), *error = json_object_get(object, "error");
    const bool is_json = object != NULL;
    int rc = 0;
    if (json_is_object(result))
        rc = read_result(rpc, result, tell, self);
    else if (json_is_object(error))
        not_yet(rpc, 1);
    else
        rc = TC_EMALFORMED;
    json_decref(object);
    tell_lost(rpc, tell, self);
    if (rc == 0)
        return 0;
    not_yet(rpc, MALFORMED_TRY);
    tc_rpc_end_round(rpc);
    return tc_error_set(err, rc, "expected a JSON-RPC answer of CometBFT, found %s", is_json ? "another" : where.text);
}
