/* Any bytes as one frame: decode, walk all fields of all statements, encode, decode again. What decodes must encode to
 * the same bytes, and a key, a text and a second proposal must come without harm. */
#include "../../reference/fields.h"
#include "../../reference/pbft/protocol.h"
#include "../../reference/pbft/wire.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void walk(struct tc_fields fields, unsigned depth)
{
    for (size_t i = 0; i < tc_fields_count(fields); i++) {
        const char *name = tc_fields_name(fields, i);
        const size_t length = tc_fields_length(fields, name);
        for (size_t k = 0; k < length && k < 64; k++) {
            struct tc_field_value value;
            require(tc_fields_get(fields, name, k, &value) == 0);
            uint8_t sum = 0;
            for (size_t at = 0; at < value.bytes.len; at++)
                sum ^= value.bytes.data[at];
            require(sum <= 255);
            if (value.type == TC_FIELD_MESSAGE && depth < 4)
                walk(value.message, depth + 1);
        }
    }
}

static void change(struct tc_message *m, struct tc_arena *arena)
{
    struct tc_message out;
    struct tc_error err = {0};
    const struct tc_cluster cluster = {.id = "fuzz", .n = 4, .f = 1};
    const struct tc_protocol_env env = {.cluster = &cluster};
    struct tc_slice frame;
    if (tc_pbft.perturb(&env, m, m->key, m->frame.len & 1, arena, &out, &err) == 0)
        require(memcmp(out.statements[0].value.bytes, m->statements[0].value.bytes, TC_VALUE_SIZE) != 0);
    (void)tc_pbft.vote_for(m, m, arena, &out);
    const struct tc_field_value value = {.type = TC_FIELD_UINT, .uint_value = m->statements[0].view + 1};
    if (tc_fields_set(m->statements[0].fields, "view", 0, &value, arena) == 0 &&
        tc_pbft.encode(m, arena, &frame) == 0 && tc_pbft.decode(frame, arena, &out) == 0)
        require(out.statements[0].view == m->statements[0].view + 1);
}

/* The fast reader and protobuf-c must agree: on whether it decodes, and on every field. */
static void compare(const struct tc_message *m, struct tc_slice frame, struct tc_arena *arena)
{
    Wire__Envelope *envelope;
    char ours[2048], theirs[2048];
    if (tc_wire_unpack(frame, arena, &envelope) != 0) {
        require(!m->decoded);
        return;
    }
    if (!m->decoded)
        return; /* the body, or a bound */
    const struct tc_fields fields = {m->envelope.descriptor, envelope};
    require(strcmp(tc_fields_text(m->envelope, ours, sizeof ours), tc_fields_text(fields, theirs, sizeof theirs)) == 0);
    void *body;
    require(tc_wire_get_body(envelope, m->statements[0].fields.descriptor, arena, &body) == 0);
    const struct tc_fields again = {m->statements[0].fields.descriptor, body};
    tc_fields_text(m->statements[0].fields, ours, sizeof ours);
    require(strcmp(ours, tc_fields_text(again, theirs, sizeof theirs)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_arena arena;
    struct tc_message m = {0}, again = {0};
    struct tc_slice frame;
    char text[256];
    tc_arena_init(&arena, 16u << 20);
    const int rc = tc_pbft.decode((struct tc_slice){data, size}, &arena, &m);
    compare(&m, (struct tc_slice){data, size}, &arena);
    if (rc == 0) {
        require(m.statement_count > 0 && m.decoded);
        for (uint32_t i = 0; i < m.statement_count; i++) {
            require(i == 0 || m.statements[i].parent < i);
            walk(m.statements[i].fields, 0);
        }
        tc_fields_text(m.statements[0].fields, text, sizeof text);
        if (tc_pbft.encode(&m, &arena, &frame) == 0) {
            require(frame.len == size && memcmp(frame.data, data, size) == 0);
            require(tc_pbft.decode(frame, &arena, &again) == 0);
            require(again.statement_count == m.statement_count);
            change(&m, &arena);
        }
    } else {
        require(!m.decoded && m.statement_count == 0);
    }
    tc_message_set_key(&m);
    tc_arena_free(&arena);
    return 0;
}
