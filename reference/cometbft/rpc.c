/* What to ask a CometBFT node next.
 *
 * A round: /status once (whom are we talking to, how high is it), then /blockchain for the headers behind the last one
 * told (at most twenty an answer, the store's last known one among them, so that it is never empty), and for each new
 * height what its header calls for: /validators if the set's hash changed (page by page), /block if there is evidence,
 * /block_results for the application's hash. What is not there yet is asked for in the next round. Of a node that is
 * far ahead the details are read before the next headers; where there is no room for those, headers go first, for
 * nobody decided only because we ask much, and what is dropped is told. */
#define _GNU_SOURCE
#include "rpc_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUESTIONS_MAX 512 /* of one round, so that it ends whatever is answered */
#define ARENA_MAX     ((size_t)4 << 20)
#define MEMBERS_QUERY "/validators?height=%" PRIu64 "&per_page=100&page=%" PRIu32

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

bool tc_rpc_end_round(struct tc_rpc *rpc)
{
    rpc->asked = TC_RPC_ASK_NOTHING;
    rpc->headers_asked = rpc->more_headers = false;
    rpc->at = rpc->questions = 0;
    return false;
}

static void forget(struct tc_rpc *rpc, uint32_t at)
{
    rpc->todo_count--;
    memmove(&rpc->todo[at], &rpc->todo[at + 1], (rpc->todo_count - at) * sizeof *rpc->todo);
}

void tc_rpc_lose(struct tc_rpc *rpc, uint64_t *count, uint64_t height)
{
    (*count)++;
    if (height > rpc->left_out.last_height)
        rpc->left_out.last_height = height;
}

static void give_up(struct tc_rpc *rpc, uint32_t at)
{
    const struct tc_rpc_todo *todo = &rpc->todo[at];
    if (todo->members || todo->evidence)
        tc_rpc_lose(rpc, &rpc->left_out.details, todo->height);
    if (todo->results)
        tc_rpc_lose(rpc, &rpc->left_out.states, todo->height);
    rpc->keeps_no_results |= todo->results;
    forget(rpc, at);
}

/* The next detail of the heights told; what nobody answers for long is given up. */
static bool ask_detail(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    while (rpc->at < rpc->todo_count) {
        const struct tc_rpc_todo *todo = &rpc->todo[rpc->at];
        if (!(todo->members || todo->evidence || todo->results) || todo->tries > TC_RPC_TRIES_MAX) {
            give_up(rpc, rpc->at);
            continue;
        }
        rpc->asked = todo->members ? TC_RPC_ASK_MEMBERS : todo->evidence ? TC_RPC_ASK_BLOCK : TC_RPC_ASK_RESULTS;
        if (rpc->asked == TC_RPC_ASK_MEMBERS)
            snprintf(path, TC_RPC_PATH_MAX, MEMBERS_QUERY, todo->height, todo->page + 1);
        else
            snprintf(path, TC_RPC_PATH_MAX,
                     rpc->asked == TC_RPC_ASK_BLOCK ? "/block?height=%" PRIu64 : "/block_results?height=%" PRIu64,
                     todo->height);
        return true;
    }
    return false;
}

static bool has_room(const struct tc_rpc *rpc)
{
    return rpc->todo_count + TC_RPC_HEADERS_MAX <= TC_RPC_TODO_MAX;
}

static bool ask_headers(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    rpc->headers_asked = true;
    rpc->more_headers = false;
    rpc->asked = TC_RPC_ASK_HEADERS;
    const uint64_t first = rpc->height > 0 ? rpc->height : 1;
    snprintf(path, TC_RPC_PATH_MAX, "/blockchain?minHeight=%" PRIu64 "&maxHeight=%" PRIu64, first,
             first + TC_RPC_HEADERS_MAX - 1);
    return true;
}

static bool ask(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    if (!rpc->begun) {
        if (rpc->asked == TC_RPC_ASK_STATUS) /* it did not say how high it is */
            return tc_rpc_end_round(rpc);
        rpc->asked = TC_RPC_ASK_STATUS;
        snprintf(path, TC_RPC_PATH_MAX, "/status");
        return true;
    }
    if (rpc->questions++ >= QUESTIONS_MAX)
        return tc_rpc_end_round(rpc);
    const bool wants_headers = !rpc->headers_asked || rpc->more_headers;
    if (wants_headers && has_room(rpc))
        return ask_headers(rpc, path);
    if (ask_detail(rpc, path))
        return true;
    if (!wants_headers)
        return tc_rpc_end_round(rpc);
    for (; !has_room(rpc); rpc->at--) /* all that are left were asked for in this round, in vain */
        give_up(rpc, 0);
    return ask_headers(rpc, path);
}

/* Only what is asked of single heights may be long: it has the block's transactions in it. */
static size_t answer_max(const struct tc_rpc *rpc)
{
    return rpc->asked == TC_RPC_ASK_BLOCK || rpc->asked == TC_RPC_ASK_RESULTS ? (size_t)32 << 20 : TC_RPC_PARSED_MAX;
}

static void unanswered(struct tc_rpc *rpc)
{
    tc_rpc_end_round(rpc);
}

const struct tc_rpc_class tc_cometbft_rpc = {
    .create = create,
    .ask = ask,
    .answer_max = answer_max,
    .answer = tc_rpc_answer,
    .unanswered = unanswered,
    .identity = identity,
    .left_out = left_out,
    .destroy = destroy,
};
