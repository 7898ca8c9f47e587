/* The lab's clients: closed loop, first to the primary, then to all, content with f+1 equal results. */
#include "cluster_internal.h"

static struct lab_client *client_of(struct tc_lab *lab, uint16_t number)
{
    return &lab->clients[number - TC_CLIENT_FIRST];
}

/* Few keys, so that clients meet. */
static void make_operation(const struct tc_lab *lab, uint16_t number, uint64_t timestamp, Wire__Operation *operation,
                           char key[static 16], char value[static 32], char expected[static 32])
{
    uint64_t random = lab_random(lab, 5, number, timestamp);
    *operation = (Wire__Operation)WIRE__OPERATION__INIT;
    operation->code = (Wire__Operation__Code)(random % 4);
    snprintf(key, 16, "k%u", (unsigned)(random >> 8 & 7));
    snprintf(value, 32, "%u-%llu", (unsigned)number, (unsigned long long)timestamp);
    snprintf(expected, 32, "%u-%llu", (unsigned)number, (unsigned long long)(timestamp - 1));
    operation->key = tc_wire_binary((struct tc_slice){(const uint8_t *)key, strlen(key)});
    operation->value = tc_wire_binary((struct tc_slice){(const uint8_t *)value, strlen(value)});
    operation->expected = tc_wire_binary((struct tc_slice){(const uint8_t *)expected, strlen(expected)});
}

static struct blob *make_request(struct tc_lab *lab, uint16_t number, uint64_t timestamp)
{
    char key[16], value[32], expected[32];
    Wire__Operation operation;
    Wire__Request request = WIRE__REQUEST__INIT;
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    struct tc_slice frame;
    uint8_t packed[512];
    tc_arena_reset(&lab->arena);
    make_operation(lab, number, timestamp, &operation, key, value, expected);
    request.timestamp = timestamp;
    request.operation = (ProtobufCBinaryData){wire__operation__pack(&operation, packed), packed};
    envelope.type = WIRE__TYPE__REQUEST;
    envelope.sender = number;
    if (tc_wire_set_body(&envelope, &request.base, &lab->arena) != 0 ||
        tc_wire_seal(&lab->env, &envelope, 0, &lab->arena) != 0 || tc_wire_pack(&envelope, &lab->arena, &frame) != 0)
        abort();
    return lab_blob(frame);
}

static void retry_later(struct tc_lab *lab, uint16_t number)
{
    const struct lab_client *client = client_of(lab, number);
    uint64_t shift = client->retries < 4 ? client->retries : 4;
    lab_push(lab, (struct lab_event){.time_ns = lab->now_ns + (lab->options.retry_ns << shift),
                                     .kind = LAB_RETRY,
                                     .to = number,
                                     .incarnation = client->timestamp});
}

static void ask(struct tc_lab *lab, uint16_t number)
{
    struct lab_client *client = client_of(lab, number);
    client->waiting = true;
    client->left--;
    client->timestamp++;
    client->retries = 0;
    client->reply_count = 0;
    client->replied = (struct tc_nodeset){{0}};
    lab_blob_drop(client->request);
    client->request = make_request(lab, number, client->timestamp);
    lab_say(lab, number, (uint16_t)(client->view % lab->options.cluster.n), client->request);
    retry_later(lab, number);
}

void lab_client_retry(struct tc_lab *lab, uint16_t number, uint64_t timestamp)
{
    struct lab_client *client = client_of(lab, number);
    if (!client->waiting || client->timestamp != timestamp)
        return;
    client->retries++;
    for (uint16_t i = 0; i < lab->options.cluster.n; i++)
        lab_say(lab, number, i, client->request);
    retry_later(lab, number);
}

void tc_lab_load(struct tc_lab *lab, uint32_t index, uint32_t count)
{
    struct lab_client *client = &lab->clients[index];
    client->left += count;
    if (!client->waiting && count > 0)
        ask(lab, (uint16_t)(TC_CLIENT_FIRST + index));
}

static void count_reply(struct tc_lab *lab, uint16_t number, const Wire__Envelope *envelope, const Wire__Reply *reply)
{
    struct lab_client *client = client_of(lab, number);
    uint32_t equal = 0;
    if (tc_nodeset_has(&client->replied, envelope->sender))
        return;
    tc_nodeset_add(&client->replied, envelope->sender);
    uint32_t at = client->reply_count++;
    client->replies[at].replica = (uint16_t)envelope->sender;
    tc_digest(tc_wire_slice(reply->result), client->replies[at].digest);
    for (uint32_t i = 0; i < client->reply_count; i++)
        equal += memcmp(client->replies[i].digest, client->replies[at].digest, TC_VALUE_SIZE) == 0;
    if (equal <= lab->options.cluster.f)
        return;
    if (reply->view > client->view)
        client->view = reply->view;
    client->waiting = false;
    client->answered++;
    if (client->left > 0)
        ask(lab, number);
}

void lab_client_hear(struct tc_lab *lab, uint16_t number, struct tc_slice frame)
{
    const struct lab_client *client = client_of(lab, number);
    Wire__Envelope *envelope;
    void *base;
    tc_arena_reset(&lab->arena);
    if (tc_wire_unpack(frame, &lab->arena, &envelope) != 0 || envelope->type != WIRE__TYPE__REPLY ||
        envelope->sender >= lab->options.cluster.n || tc_wire_check(&lab->env, envelope, number) != 0 ||
        tc_wire_get_body(envelope, &wire__reply__descriptor, &lab->arena, &base) != 0)
        return;
    const Wire__Reply *reply = base;
    if (client->waiting && reply->client == number && reply->timestamp == client->timestamp)
        count_reply(lab, number, envelope, reply);
}

uint64_t tc_lab_outstanding(const struct tc_lab *lab)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < lab->options.cluster.client_count; i++)
        count += lab->clients[i].left + lab->clients[i].waiting;
    return count;
}

uint64_t tc_lab_answered(const struct tc_lab *lab)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < lab->options.cluster.client_count; i++)
        count += lab->clients[i].answered;
    return count;
}
