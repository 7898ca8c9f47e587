/* Any bytes as the answer to any question that a CometBFT node is asked: nothing breaks, what is told is well-formed,
 * and a round ends. */
#include "../../reference/cometbft/protocol.h"
#include "../../reference/cometbft/rpc.h"

#include <stdlib.h>

#define QUESTIONS_MAX 200 /* of one round: headers, then three details of at most 64 heights */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(void *self, const struct tc_observation *o)
{
    uint64_t *last = self;
    switch (o->kind) {
    case TC_OBS_EXECUTED:
        if (o->executed.value.state != TC_VALUE_BYTES || o->executed.sequence < *last)
            abort();
        *last = o->executed.sequence;
        break;
    case TC_OBS_ACCUSED:
        if (!o->accused.message || o->accused.message->statement_count != 3)
            abort();
        break;
    case TC_OBS_MEMBER:
        if (o->member.index >= o->member.count)
            abort();
        break;
    case TC_OBS_STABLE:
        break;
    case TC_OBS_OVERFLOW:
    case TC_OBS_NOTE:
        if (!o->text || !o->text[0])
            abort();
        break;
    default:
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char status[] = "{\"result\":{\"node_info\":{\"network\":\"x\"},\"sync_info\":{}}}";
    char path[TC_RPC_PATH_MAX];
    struct tc_cluster cluster = {.id = "x", .n = 4, .f = 1};
    const struct tc_protocol_env env = {.cluster = &cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    struct tc_rpc *rpc = tc_cometbft_rpc.create(&env, 0, true);
    struct tc_error err = {0};
    uint64_t last = 0;
    const struct tc_slice answer = {data, size};
    if (!rpc || !env.keys)
        abort();
    if (size > 0 && (data[0] & 1)) { /* as the answer to the first question, or to those that come after it */
        tc_cometbft_rpc.ask(rpc, path);
        tc_cometbft_rpc.answer(rpc, (struct tc_slice){(const uint8_t *)status, sizeof status - 1}, tell, &last, &err);
    }
    int questions = 0;
    for (int round = 0; round < 3; round++)
        while (tc_cometbft_rpc.ask(rpc, path)) {
            if (tc_cometbft_rpc.answer(rpc, answer, tell, &last, &err) < 0)
                break;
            if (++questions > 3 * QUESTIONS_MAX)
                abort();
        }
    tc_cometbft_rpc.destroy(rpc);
    tc_keyring_free(env.keys);
    return 0;
}
