/* Any bytes as one frame of either HotStuff: decode, walk all fields of all statements, encode, decode again. What
 * decodes must encode to the same bytes; a key, a text, a second proposal and a vote for it must come without harm. */
#include "../../reference/fields.h"
#include "../../reference/hotstuff/protocol.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void change(const struct tc_protocol *protocol, struct tc_message *m, struct tc_arena *arena)
{
    struct tc_message out;
    struct tc_error err = {0};
    const struct tc_cluster cluster = {.id = "fuzz", .n = 4, .f = 1};
    const struct tc_protocol_env env = {.cluster = &cluster};
    struct tc_slice frame;
    if (protocol->perturb(&env, m, m->key, m->frame.len & 1, arena, &out, &err) == 0)
        require(memcmp(out.statements[0].value.bytes, m->statements[0].value.bytes, TC_VALUE_SIZE) != 0);
    (void)protocol->vote_for(m, m, arena, &out);
    const struct tc_message *votes[2] = {m, m};
    (void)protocol->certificate(votes, 2, arena, &frame);
    const struct tc_field_value value = {.type = TC_FIELD_UINT, .uint_value = m->statements[0].view + 1};
    if (m->statements[0].has_view && tc_fields_set(m->statements[0].fields, "view", 0, &value, arena) == 0 &&
        protocol->encode(m, arena, &frame) == 0 && protocol->decode(frame, arena, &out) == 0)
        require(out.statements[0].view == m->statements[0].view + 1);
}

static void run(const struct tc_protocol *protocol, struct tc_slice in)
{
    struct tc_arena arena;
    struct tc_message m = {0}, again = {0};
    struct tc_slice frame;
    char text[256];
    tc_arena_init(&arena, 16u << 20);
    if (protocol->decode(in, &arena, &m) == 0) {
        require(m.statement_count > 0 && m.decoded);
        for (uint32_t i = 0; i < m.statement_count; i++) {
            require(i == 0 || m.statements[i].parent < i);
            require(m.statements[i].type < protocol->row_count);
            tc_fields_text(m.statements[i].fields, text, sizeof text);
        }
        if (protocol->encode(&m, &arena, &frame) == 0) {
            require(frame.len == in.len && memcmp(frame.data, in.data, in.len) == 0);
            require(protocol->decode(frame, &arena, &again) == 0);
            require(again.statement_count == m.statement_count);
            change(protocol, &m, &arena);
        }
    } else {
        require(!m.decoded && m.statement_count == 0);
    }
    tc_message_set_key(&m);
    tc_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(&tc_hotstuff, (struct tc_slice){data, size});
    run(&tc_chained_hotstuff, (struct tc_slice){data, size});
    return 0;
}
