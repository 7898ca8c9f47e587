/* Making, signing and verifying messages. */
#include "protocol_parts.h"
#include <string.h>

int tc_pbft_message_again(struct tc_slice frame, const struct tc_message *like, struct tc_arena *arena,
                          struct tc_message *out)
{
    *out = tc_envelope_blank(like);
    return tc_pbft_message_decode(frame, arena, out);
}

int tc_pbft_message_remake(const struct tc_message *m, const ProtobufCMessage *body, Wire__Envelope **requests,
                           size_t request_count, struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice frame;
    const int rc = tc_envelope_remake(m, body, requests, request_count, arena, &frame);
    return rc != 0 ? rc : tc_pbft_message_again(frame, m, arena, out);
}

int tc_pbft_message_build(const char *type, struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice frame;
    for (uint32_t i = 0; i <= PBFT__TYPE__BATCH; i++) {
        if (strcmp(tc_pbft_rows[i].name, type) != 0)
            continue;
        const int rc = tc_envelope_build(i, arena, &frame);
        return rc != 0 ? rc : tc_pbft_message_again(frame, NULL, arena, out);
    }
    return TC_ENOT_FOUND;
}

int tc_pbft_message_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,
                         struct tc_arena *arena, struct tc_message *out)
{
    struct tc_slice frame;
    const int rc = tc_envelope_sign(env, m, node, arena, &frame);
    return rc != 0 ? rc : tc_pbft_message_again(frame, m, arena, out);
}

int tc_pbft_message_verify(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    return tc_envelope_verify(env, &tc_pbft_rows[s->type], s);
}
