#include "node_wire.h"

#include "fields_alloc.h"
#include "wire.h"

#include <string.h>

static int make_request(const struct tc_protocol_env *env, uint16_t client, uint64_t timestamp,
                        const struct tc_kv_operation *operation, struct tc_arena *arena, struct tc_wire_request *out)
{
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    Wire__Operation op = WIRE__OPERATION__INIT;
    Wire__Request request = WIRE__REQUEST__INIT;
    op.code = (Wire__Operation__Code)operation->code;
    op.key = tc_wire_binary(operation->key);
    op.value = tc_wire_binary(operation->value);
    op.expected = tc_wire_binary(operation->expected);
    int rc = tc_fields_pack(&op.base, arena, &out->operation);
    if (rc != 0)
        return rc;
    request.timestamp = timestamp;
    request.operation = tc_wire_binary(out->operation);
    envelope.type = WIRE__TYPE__REQUEST;
    envelope.sender = client;
    rc = tc_wire_set_body(&envelope, &request.base, arena);
    if (rc == 0)
        rc = tc_wire_seal(env, &envelope, client, arena);
    if (rc == 0)
        rc = tc_wire_pack(&envelope, arena, &out->frame);
    tc_wire_request_digest(client, timestamp, out->operation, out->digest);
    return rc;
}

static int read_reply(const struct tc_protocol_env *env, uint16_t client, uint64_t wanted, struct tc_slice frame,
                      struct tc_arena *arena, struct tc_wire_reply *out)
{
    Wire__Envelope *envelope;
    void *body;
    int rc = tc_wire_unpack(frame, arena, &envelope);
    if (rc < 0)
        return rc;
    if (envelope->type != WIRE__TYPE__REPLY || envelope->sender >= env->cluster->n)
        return TC_EMALFORMED;
    rc = tc_wire_get_body(envelope, &wire__reply__descriptor, arena, &body);
    if (rc < 0)
        return rc;
    const Wire__Reply *reply = body;
    if (reply->client != client)
        return TC_EMALFORMED;
    if (reply->timestamp != wanted) /* late, of an operation that is done: not worth checking */
        return TC_ENOT_FOUND;
    out->replica = (uint16_t)envelope->sender;
    out->view = reply->view;
    out->timestamp = reply->timestamp;
    out->result = tc_wire_slice(reply->result);
    return tc_wire_check(env, envelope, client);
}

static const struct tc_node_wire wires[] = {
    {"pbft", tc_wire_hello, make_request, read_reply},
    {"hotstuff", tc_wire_hello, make_request, read_reply},
    {"chained-hotstuff", tc_wire_hello, make_request, read_reply},
};

const struct tc_node_wire *tc_node_wire_find(const char *protocol)
{
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        if (strcmp(wires[i].protocol, protocol) == 0)
            return &wires[i];
    return NULL;
}
