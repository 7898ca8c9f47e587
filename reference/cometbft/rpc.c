/* What to ask a CometBFT node next, and what its answers mean.
 *
 * A round: /status once (whom are we talking to, how high is it), then /blockchain for the headers behind the last one
 * told (at most twenty an answer, the store's last known one among them, so that it is never empty), and for each new
 * height what its header calls for: /validators if the set's hash changed (page by page), /block if there is evidence,
 * /block_results for the application's hash. What is not there yet is asked for in the next round. Of a node that is
 * far ahead the details are read before the next headers; where there is no room for those, headers go first, for
 * nobody decided only because we ask much, and what is dropped is told. */
#define _GNU_SOURCE
#include "rpc_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX   20 /* of one /blockchain answer: CometBFT's own bound */
#define TODO_MAX      64 /* heights that wait for their details */
#define TRIES_MAX     40 /* rounds in which a detail is asked for */
#define MALFORMED_TRY 10 /* as many tries does an answer count that is none */
#define MEMBERS_MAX   1000
#define QUESTIONS_MAX 512 /* of one round, so that it ends whatever is answered */
#define ARENA_MAX     ((size_t)4 << 20)
#define NO_EVIDENCE   "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855" /* SHA256("") */
#define MEMBERS_QUERY "/validators?height=%" PRIu64 "&per_page=100&page=%" PRIu32

enum question { ASK_NOTHING = 0, ASK_STATUS, ASK_HEADERS, ASK_MEMBERS, ASK_BLOCK, ASK_RESULTS };

/* A height that was told, and what is still to be asked of it. */
struct todo {
    uint64_t height;
    struct tc_value block;
    bool members, evidence, results;
    uint32_t tries;
    uint32_t page, members_told; /* of the members */
    struct tc_value evidence_hash;
};

struct tc_rpc {
    const struct tc_protocol_env *env;
    uint16_t node;
    bool from_start, begun, told_any;
    uint64_t height; /* the last that was told */
    struct tc_rpc_identity identity;
    enum question asked;
    bool headers_asked, more_headers; /* in this round */
    uint32_t at;                      /* of todo, in this round */
    struct todo todo[TODO_MAX];
    uint32_t todo_count;
    struct tc_value members_hash;
    struct tc_value last;  /* block at `height` */
    uint32_t questions;    /* in this round */
    bool keeps_no_results; /* those of the last height that was given up did not come */
    struct tc_rpc_left_out left_out;
    uint64_t said_details, said_false, said_unchecked, said_states; /* of these, when it was last said */
    struct tc_arena arena;
};

static struct tc_rpc *create(const struct tc_protocol_env *env, uint16_t node, bool from_start)
{
    struct tc_rpc *rpc = calloc(1, sizeof *rpc);
    if (!rpc)
        return NULL;
    rpc->env = env;
    rpc->node = node;
    rpc->from_start = from_start;
    tc_arena_init(&rpc->arena, ARENA_MAX);
    return rpc;
}

static void destroy(struct tc_rpc *rpc)
{
    if (rpc)
        tc_arena_free(&rpc->arena);
    free(rpc);
}

static const struct tc_rpc_identity *identity(const struct tc_rpc *rpc)
{
    return &rpc->identity;
}

static const struct tc_rpc_left_out *left_out(const struct tc_rpc *rpc)
{
    return &rpc->left_out;
}

/* ---- asking ---- */

static bool end_round(struct tc_rpc *rpc)
{
    rpc->asked = ASK_NOTHING;
    rpc->headers_asked = rpc->more_headers = false;
    rpc->at = rpc->questions = 0;
    return false;
}

static void forget(struct tc_rpc *rpc, uint32_t at)
{
    rpc->todo_count--;
    memmove(&rpc->todo[at], &rpc->todo[at + 1], (rpc->todo_count - at) * sizeof *rpc->todo);
}

static void lose(struct tc_rpc *rpc, uint64_t *count, uint64_t height)
{
    (*count)++;
    if (height > rpc->left_out.last_height)
        rpc->left_out.last_height = height;
}

static void give_up(struct tc_rpc *rpc, uint32_t at)
{
    const struct todo *todo = &rpc->todo[at];
    if (todo->members || todo->evidence)
        lose(rpc, &rpc->left_out.details, todo->height);
    if (todo->results)
        lose(rpc, &rpc->left_out.states, todo->height);
    rpc->keeps_no_results |= todo->results;
    forget(rpc, at);
}

/* The next detail of the heights told; what nobody answers for long is given up. */
static bool ask_detail(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    while (rpc->at < rpc->todo_count) {
        const struct todo *todo = &rpc->todo[rpc->at];
        if (!(todo->members || todo->evidence || todo->results) || todo->tries > TRIES_MAX) {
            give_up(rpc, rpc->at);
            continue;
        }
        rpc->asked = todo->members ? ASK_MEMBERS : todo->evidence ? ASK_BLOCK : ASK_RESULTS;
        if (rpc->asked == ASK_MEMBERS)
            snprintf(path, TC_RPC_PATH_MAX, MEMBERS_QUERY, todo->height, todo->page + 1);
        else
            snprintf(path, TC_RPC_PATH_MAX,
                     rpc->asked == ASK_BLOCK ? "/block?height=%" PRIu64 : "/block_results?height=%" PRIu64,
                     todo->height);
        return true;
    }
    return false;
}

static bool has_room(const struct tc_rpc *rpc)
{
    return rpc->todo_count + HEADERS_MAX <= TODO_MAX;
}

static bool ask_headers(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    rpc->headers_asked = true;
    rpc->more_headers = false;
    rpc->asked = ASK_HEADERS;
    const uint64_t first = rpc->height > 0 ? rpc->height : 1;
    snprintf(path, TC_RPC_PATH_MAX, "/blockchain?minHeight=%" PRIu64 "&maxHeight=%" PRIu64, first,
             first + HEADERS_MAX - 1);
    return true;
}

static bool ask(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    if (!rpc->begun) {
        if (rpc->asked == ASK_STATUS) /* it did not say how high it is */
            return end_round(rpc);
        rpc->asked = ASK_STATUS;
        snprintf(path, TC_RPC_PATH_MAX, "/status");
        return true;
    }
    if (rpc->questions++ >= QUESTIONS_MAX)
        return end_round(rpc);
    const bool wants_headers = !rpc->headers_asked || rpc->more_headers;
    if (wants_headers && has_room(rpc))
        return ask_headers(rpc, path);
    if (ask_detail(rpc, path))
        return true;
    if (!wants_headers)
        return end_round(rpc);
    for (; !has_room(rpc); rpc->at--) /* all that are left were asked for in this round, in vain */
        give_up(rpc, 0);
    return ask_headers(rpc, path);
}

/* Only what is asked of single heights may be long: it has the block's transactions in it. */
static size_t answer_max(const struct tc_rpc *rpc)
{
    return rpc->asked == ASK_BLOCK || rpc->asked == ASK_RESULTS ? (size_t)32 << 20 : TC_RPC_PARSED_MAX;
}

static void unanswered(struct tc_rpc *rpc)
{
    end_round(rpc);
}

/* ---- answers ---- */

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

static void put_todo(struct tc_rpc *rpc, const json_t *header, uint64_t height, const struct tc_value *block)
{
    const struct tc_value members = tc_rpc_hash(tc_rpc_text(header, "validators_hash"));
    assert(rpc->todo_count < TODO_MAX); /* headers are asked for only where there is room for an answer of them */
    struct todo *todo = &rpc->todo[rpc->todo_count++];
    *todo = (struct todo){.height = height, .block = *block, .results = true};
    todo->members = memcmp(&members, &rpc->members_hash, sizeof members) != 0;
    todo->evidence = strcmp(tc_rpc_text(header, "evidence_hash"), NO_EVIDENCE) != 0;
    todo->evidence_hash = tc_rpc_hash(tc_rpc_text(header, "evidence_hash"));
    rpc->members_hash = members;
    /* A header says whether there is evidence, and which. One that is not the block's own says what it likes. */
    tc_arena_reset(&rpc->arena);
    const struct tc_value hash = tc_rpc_header_hash(header, &rpc->arena);
    if (is_same(&hash, block))
        return;
    todo->evidence = false;
    lose(rpc, &rpc->left_out.false_words, height);
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
    put_todo(rpc, header, height, &o.executed.value);
    tell(self, &o);
}

/* They come with the highest first. */
static int read_headers(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    const json_t *metas = json_object_get(result, "block_metas");
    const uint64_t before = rpc->height;
    if (!json_is_array(metas) || json_array_size(metas) > HEADERS_MAX)
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
    const struct todo *todo = &rpc->todo[rpc->at];
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
    struct todo *todo = &rpc->todo[rpc->at];
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
        lose(rpc, &rpc->left_out.details, todo->height);
    return 0;
}

static void tell_accusation(struct tc_rpc *rpc, const json_t *piece, bool unchecked, tc_rpc_tell_fn *tell, void *self)
{
    const struct todo *todo = &rpc->todo[rpc->at];
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
    struct todo *todo = &rpc->todo[rpc->at];
    if (!json_is_object(block) || (list && !json_is_array(list) && !json_is_null(list)))
        return TC_EMALFORMED;
    todo->evidence = false;
    tc_arena_reset(&rpc->arena);
    struct tc_value hash;
    const int rc = tc_rpc_evidence_hash(list, &rpc->arena, &hash);
    if (rc == TC_EUNSUPPORTED) {
        lose(rpc, &rpc->left_out.unchecked, todo->height);
    } else if (rc != 0 || !is_same(&hash, &todo->evidence_hash)) {
        lose(rpc, rc == TC_EMEMORY ? &rpc->left_out.details : &rpc->left_out.false_words, todo->height);
        return 0;
    }
    for (size_t i = 0; i < json_array_size(list) && i < TC_RPC_EVIDENCE_MAX; i++)
        tell_accusation(rpc, json_array_get(list, i), rc != 0, tell, self);
    return 0;
}

static int read_results(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    struct todo *todo = &rpc->todo[rpc->at];
    struct tc_observation o = observation(rpc, TC_OBS_STABLE);
    if (tc_rpc_number(result, "height") != todo->height)
        return TC_EMALFORMED;
    o.stable.sequence = todo->height;
    o.stable.state = tc_rpc_base64_hash(tc_rpc_text(result, "app_hash"));
    todo->results = false;
    rpc->keeps_no_results = false;
    if (o.stable.state.state == TC_VALUE_BYTES)
        tell(self, &o);
    return 0;
}

static int read_result(struct tc_rpc *rpc, const json_t *result, tc_rpc_tell_fn *tell, void *self)
{
    switch (rpc->asked) {
    case ASK_STATUS:
        return read_status(rpc, result);
    case ASK_HEADERS:
        return read_headers(rpc, result, tell, self);
    case ASK_MEMBERS:
        return read_members(rpc, result, tell, self);
    case ASK_BLOCK:
        return read_block(rpc, result, tell, self);
    case ASK_RESULTS:
        return read_results(rpc, result, tell, self);
    default:
        return TC_EMALFORMED;
    }
}

/* Results are there before the next height is: those that still are not are kept nowhere (the application made none,
 * or the node was told not to), which is not asked for long, and not twice as long as none come. */
static uint32_t tries_counted(const struct tc_rpc *rpc, const struct todo *todo, uint32_t tries)
{
    if (rpc->asked != ASK_RESULTS || rpc->height <= todo->height)
        return tries;
    return rpc->keeps_no_results ? TRIES_MAX : TRIES_MAX / 4;
}

/* "Not yet", in many words: the same is asked again in the next round, and whatever comes after it too. */
static void not_yet(struct tc_rpc *rpc, uint32_t tries)
{
    if (rpc->asked <= ASK_HEADERS || rpc->at >= rpc->todo_count)
        return;
    struct todo *todo = &rpc->todo[rpc->at++];
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
    if (rpc->asked == ASK_BLOCK)
        return tc_rpc_parts(body, (const char *const *const[]){evidence, NULL});
    return rpc->asked == ASK_RESULTS ? tc_rpc_parts(body, (const char *const *const[]){results, hash, NULL}) : NULL;
}

static int answer(struct tc_rpc *rpc, struct tc_slice body, tc_rpc_tell_fn *tell, void *self, struct tc_error *err)
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
    end_round(rpc);
    return tc_error_set(err, rc, "expected a JSON-RPC answer of CometBFT, found %s", is_json ? "another" : where.text);
}

const struct tc_rpc_class tc_cometbft_rpc = {
    .create = create,
    .ask = ask,
    .answer_max = answer_max,
    .answer = answer,
    .unanswered = unanswered,
    .identity = identity,
    .left_out = left_out,
    .destroy = destroy,
};
