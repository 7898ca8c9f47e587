/* Any bytes as frames of CometBFT: decode, walk all statements, write, read again. What was written once reads as the
 * same and is written as the same; what a script may ask of any message comes without harm. */
#include "../../reference/cometbft/lines.h"
#include "../../reference/cometbft/mconnection.h"
#include "../../reference/cometbft/protocol.h"
#include "../../reference/fields.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static struct tc_protocol_env env;
static struct tc_cluster cluster = {.id = "fuzz", .n = 4, .f = 1};

static void prepare(void)
{
    if (env.keys)
        return;
    env = (struct tc_protocol_env){.cluster = &cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    for (uint32_t node = 0; node < cluster.n; node++) {
        uint8_t seed[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(1, node, seed);
        require(tc_keyring_add_secret(env.keys, node, seed) == 0);
    }
}

static void ask(struct tc_message *m, struct tc_arena *arena)
{
    struct tc_message out;
    struct tc_error err = {0};
    if (tc_cometbft.perturb(&env, m, m->key, m->frame.len & 1, arena, &out, &err) == 0)
        require(memcmp(out.statements[0].value.bytes, m->statements[0].value.bytes, TC_VALUE_SIZE) != 0);
    (void)tc_cometbft.vote_for(m, m, arena, &out);
    struct tc_gathering so_far = {0};
    for (int frames = 0; frames < 3; frames++)
        (void)tc_cometbft.gather(&so_far, m);
    if (tc_cometbft.sign(&env, m, 2, arena, &out) == 0 && m->statements[0].kind == TC_KIND_VOTE)
        require(tc_cometbft.verify(&env, &out.statements[0]) == 0);
}

static void run(struct tc_slice in)
{
    struct tc_arena arena;
    struct tc_message m = {.from = 0, .to = 1}, again = {.from = 0, .to = 1};
    struct tc_slice first, second;
    char text[256];
    tc_arena_init(&arena, 32u << 20);
    if (tc_cometbft.decode(in, &arena, &m) == 0) {
        require(m.statement_count > 0 && m.decoded);
        tc_cometbft.attribute(&env, &m);
        for (uint32_t i = 0; i < m.statement_count; i++) {
            require(i == 0 || m.statements[i].parent < i);
            require(m.statements[i].type < tc_cometbft.row_count);
            tc_fields_text(m.statements[i].fields, text, sizeof text);
        }
        /* Unknown and repeated fields may be lost on the way, but only once. */
        if (tc_cometbft.encode(&m, &arena, &first) == 0) {
            require(tc_cometbft.decode(first, &arena, &again) == 0);
            require(again.statement_count == m.statement_count && again.type == m.type);
            require(tc_cometbft.encode(&again, &arena, &second) == 0);
            require(second.len == first.len && memcmp(second.data, first.data, first.len) == 0);
            ask(&again, &arena);
        }
    } else {
        require(!m.decoded && m.statement_count == 0);
    }
    tc_message_set_key(&m);
    tc_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tc_slice in = {data, size};
    struct tc_arena arena;
    struct tc_observation line;
    struct tc_error err = {0};
    prepare();
    const int64_t len = tc_mconnection_frame(in);
    if (len >= 0 && (size_t)len <= size && len > 4)
        run(in);
    tc_arena_init(&arena, 1u << 20);
    (void)tc_cometbft_line_parse(in, &arena, &line, &err);
    tc_arena_free(&arena);
    return 0;
}
