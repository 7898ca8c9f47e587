#include "wire.h"
#include "../fields_alloc.h"
#include "../fields_back.h"

#define TIMEOUT_MAX 11 /* bytes of a packed Timeout: its tag and the view */

static void put_be64(uint8_t *out, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * (7 - i)));
}

/* The digest of a block: view, height, parent and the digest of its batch. */
static void block_digest(uint64_t view, uint64_t sequence, const uint8_t parent[static TC_VALUE_SIZE],
                         const uint8_t batch[static TC_VALUE_SIZE], uint8_t digest[static TC_VALUE_SIZE])
{
    uint8_t head[16];
    put_be64(head, view);
    put_be64(head + 8, sequence);
    const struct tc_slice parts[3] = {{head, sizeof head}, {parent, TC_VALUE_SIZE}, {batch, TC_VALUE_SIZE}};
    tc_digest_parts(parts, 3, digest);
}

int tc_hotstuff_envelope_digest(const Wire__Envelope *envelope, uint64_t view, uint64_t sequence,
                                const uint8_t parent[static TC_VALUE_SIZE], struct tc_arena *arena,
                                uint8_t digest[static TC_VALUE_SIZE])
{
    uint8_t batch[TC_VALUE_SIZE];
    const int rc = tc_wire_requests_digest(envelope, arena, batch);
    if (rc == 0)
        block_digest(view, sequence, parent, batch, digest);
    return rc;
}

int tc_hotstuff_vote_body(uint64_t view, uint64_t sequence, const uint8_t digest[static TC_VALUE_SIZE],
                          struct tc_arena *arena, struct tc_slice *body)
{
    const struct tc_wire_vote vote = {PROTOBUF_C_MESSAGE_INIT(&hotstuff__vote__descriptor), view, sequence,
                                      tc_wire_binary((struct tc_slice){digest, TC_VALUE_SIZE})};
    return tc_wire_write_vote(&vote, arena, body) ? 0 : tc_fields_pack(&vote.base, arena, body);
}

int tc_hotstuff_timeout_body(uint64_t view, struct tc_arena *arena, struct tc_slice *body)
{
    uint8_t *room = tc_arena_alloc(arena, TIMEOUT_MAX);
    struct tc_back out = {room, room ? room + TIMEOUT_MAX : NULL};
    const uint8_t *end = out.at;
    if (!room || !tc_back_number(&out, 1, view))
        return TC_ELIMIT;
    *body = (struct tc_slice){out.at, (size_t)(end - out.at)};
    return 0;
}
