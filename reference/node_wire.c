#include "node_wire.h"

#include "pbft/wire.h"

#include <string.h>

static int pbft_request(const struct tc_protocol_env *env, uint16_t client, uint64_t timestamp,
                        const struct tc_kv_operation *operation, struct tc_arena *arena, struct tc_wire_request *out)
{
    Pbft__Envelope envelope = PBFT__ENVELOPE__INIT;
    Pbft__Operation op = PBFT__OPERATION__INIT;
    Pbft__Request request = PBFT__REQUEST__INIT;
    op.code = (Pbft__Operation__Code)operation->code;
    op.key = tc_pbft_binary(operation->key);
    op.value = tc_pbft_binary(operation->value);
    op.expected = tc_pbft_binary(operation->expected);
    size_t len = pbft__operation__get_packed_size(&op);
    uint8_t *packed = tc_arena_alloc(arena, len);
    if (!packed)
        return TC_ELIMIT;
    (void)pbft__operation__pack(&op, packed);
    out->operation = (struct tc_slice){packed, len};
    request.timestamp = timestamp;
    request.operation = tc_pbft_binary(out->operation);
    envelope.type = PBFT__TYPE__REQUEST;
    envelope.sender = client;
    int rc = tc_pbft_set_body(&envelope, &request.base, arena);
    if (rc == 0)
        rc = tc_pbft_seal(env, &envelope, client, arena);
    if (rc == 0)
        rc = tc_pbft_pack(&envelope, arena, &out->frame);
    tc_pbft_request_digest(client, timestamp, out->operation, out->digest);
    return rc;
}

static int pbft_reply(const struct tc_protocol_env *env, uint16_t client, uint64_t wanted, struct tc_slice frame,
                      struct tc_arena *arena, struct tc_wire_reply *out)
{
    Pbft__Envelope *envelope;
    void *body;
    int rc = tc_pbft_unpack(frame, arena, &envelope);
    if (rc < 0)
        return rc;
    if (envelope->type != PBFT__TYPE__REPLY || envelope->sender >= env->cluster->n)
        return TC_EMALFORMED;
    rc = tc_pbft_get_body(envelope, &pbft__reply__descriptor, arena, &body);
    if (rc < 0)
        return rc;
    const Pbft__Reply *reply = body;
    if (reply->client != client)
        return TC_EMALFORMED;
    if (reply->timestamp != wanted) /* late, of an operation that is done: not worth checking */
        return TC_ENOT_FOUND;
    out->replica = (uint16_t)envelope->sender;
    out->view = reply->view;
    out->timestamp = reply->timestamp;
    out->result = tc_pbft_slice(reply->result);
    return tc_pbft_check(env, envelope, client);
}

static const struct tc_node_wire wires[] = {
    {"pbft", tc_pbft_hello, pbft_request, pbft_reply},
    /* HotStuff's clients speak as PBFT's do (hotstuff.proto) */
    {"hotstuff", tc_pbft_hello, pbft_request, pbft_reply},
    {"chained-hotstuff", tc_pbft_hello, pbft_request, pbft_reply},
};

const struct tc_node_wire *tc_node_wire_find(const char *protocol)
{
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        if (strcmp(wires[i].protocol, protocol) == 0)
            return &wires[i];
    return NULL;
}
