#include "wire.h"

#include "fields_alloc.h"
#include "fields_scan.h"

#include <string.h>

int64_t tc_wire_frame(struct tc_slice in)
{
    if (in.len < TC_WIRE_LENGTH_SIZE)
        return TC_FRAME_PARTIAL;
    uint32_t length = (uint32_t)in.data[0] << 24 | (uint32_t)in.data[1] << 16 | (uint32_t)in.data[2] << 8 | in.data[3];
    if (length == 0 || length > TC_FRAME_MAX - TC_WIRE_LENGTH_SIZE)
        return TC_FRAME_MALFORMED;
    if (in.len - TC_WIRE_LENGTH_SIZE < length)
        return TC_FRAME_PARTIAL;
    return (int64_t)length + TC_WIRE_LENGTH_SIZE;
}

int tc_wire_read_envelope(struct tc_slice packed, struct tc_arena *arena, Wire__Envelope **envelope)
{
    Wire__Envelope *scanned = tc_arena_alloc(arena, sizeof *scanned);
    if (!scanned)
        return TC_ELIMIT;
    if (tc_wire_scan_packed(packed, arena, scanned)) {
        *envelope = scanned;
        return 0;
    }
    ProtobufCMessage *base;
    int rc = tc_fields_unpack_borrowed(&wire__envelope__descriptor, packed, arena, &base);
    if (rc == 0)
        *envelope = (Wire__Envelope *)base;
    return rc;
}

int tc_wire_unpack(struct tc_slice frame, struct tc_arena *arena, Wire__Envelope **envelope)
{
    if (tc_wire_frame(frame) != (int64_t)frame.len || frame.len == 0)
        return TC_EMALFORMED;
    const struct tc_slice packed = {frame.data + TC_WIRE_LENGTH_SIZE, frame.len - TC_WIRE_LENGTH_SIZE};
    return tc_wire_read_envelope(packed, arena, envelope);
}

int tc_wire_pack(const Wire__Envelope *envelope, struct tc_arena *arena, struct tc_slice *frame)
{
    if (!tc_wire_write_envelope(envelope, arena, frame) &&
        tc_fields_pack_behind(&envelope->base, TC_WIRE_LENGTH_SIZE, arena, frame) != 0)
        return TC_ELIMIT;
    if (frame->len > TC_FRAME_MAX)
        return TC_ELIMIT;
    uint8_t *bytes = (uint8_t *)(uintptr_t)frame->data;
    const size_t length = frame->len - TC_WIRE_LENGTH_SIZE;
    for (size_t i = 0; i < TC_WIRE_LENGTH_SIZE; i++)
        bytes[i] = (uint8_t)(length >> (8 * (TC_WIRE_LENGTH_SIZE - 1 - i)));
    return 0;
}

int tc_wire_set_body(Wire__Envelope *envelope, const ProtobufCMessage *body, struct tc_arena *arena)
{
    struct tc_slice bytes;
    const bool written =
        body->descriptor == &wire__reply__descriptor
            ? tc_wire_write_reply((const Wire__Reply *)body, arena, &bytes)
            : tc_wire_is_vote(body->descriptor) && tc_wire_write_vote((const struct tc_wire_vote *)body, arena, &bytes);
    const int rc = written ? 0 : tc_fields_pack(body, arena, &bytes);
    if (rc == 0)
        envelope->body = tc_wire_binary(bytes);
    return rc;
}

/* The short way, where there is one and it can be gone. NULL: it cannot; TC_ELIMIT shows on the other, too. */
static ProtobufCMessage *scan_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor,
                                   struct tc_arena *arena)
{
    const bool request = descriptor == &wire__request__descriptor, reply = descriptor == &wire__reply__descriptor;
    const bool vote = !request && !reply && tc_wire_is_vote(descriptor);
    void *body = request || reply || vote ? tc_arena_alloc(arena, descriptor->sizeof_message) : NULL;
    const bool read = body && (request ? tc_wire_scan_request(bytes, body)
                               : reply ? tc_wire_scan_reply(bytes, body)
                                       : tc_wire_scan_vote(bytes, descriptor, body));
    return read ? body : NULL;
}

int tc_wire_read_body(struct tc_slice bytes, const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena,
                      ProtobufCMessage **body)
{
    *body = scan_body(bytes, descriptor, arena);
    return *body ? 0 : tc_fields_unpack_borrowed(descriptor, bytes, arena, body);
}

void *tc_wire_scan_message(struct tc_slice bytes, const struct tc_wire_form *form, struct tc_arena *arena)
{
    void *message = tc_arena_alloc(arena, form->descriptor->sizeof_message);
    if (!message)
        return NULL;
    form->descriptor->message_init(message);
    for (struct tc_scan in = tc_scan_of(bytes); in.at < in.end;)
        if (!form->field(&in, arena, message))
            return NULL;
    return message;
}

int tc_wire_read_body_by(const struct tc_wire_form *forms, struct tc_slice bytes,
                         const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena, ProtobufCMessage **body)
{
    while (forms->descriptor && forms->descriptor != descriptor)
        forms++;
    *body = forms->descriptor ? tc_wire_scan_message(bytes, forms, arena) : NULL;
    return *body ? 0 : tc_wire_read_body(bytes, descriptor, arena, body);
}

int tc_wire_get_body_by(const struct tc_wire_form *forms, const Wire__Envelope *envelope,
                        const ProtobufCMessageDescriptor *descriptor, struct tc_arena *arena, void **body)
{
    ProtobufCMessage *base;
    const int rc = tc_wire_read_body_by(forms, tc_wire_slice(envelope->body), descriptor, arena, &base);
    if (rc == 0)
        *body = base;
    return rc;
}

int tc_wire_get_body(const Wire__Envelope *envelope, const ProtobufCMessageDescriptor *descriptor,
                     struct tc_arena *arena, void **body)
{
    static const struct tc_wire_form none = {NULL, NULL};
    return tc_wire_get_body_by(&none, envelope, descriptor, arena, body);
}

int tc_wire_hello(const struct tc_cluster *cluster, uint16_t node, struct tc_arena *arena, struct tc_slice *frame)
{
    Wire__Hello hello = WIRE__HELLO__INIT;
    hello.cluster = (char *)(uintptr_t)cluster->id;
    hello.version = 1;
    Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
    envelope.type = WIRE__TYPE__HELLO;
    envelope.sender = node;
    int rc = tc_wire_set_body(&envelope, &hello.base, arena);
    return rc != 0 ? rc : tc_wire_pack(&envelope, arena, frame);
}

/* Every signature begins with a domain: snprintf would cost as much as the hash. */
static char *put_decimal(char *at, uint32_t number)
{
    char digits[10];
    size_t count = 0;
    if (number < 10) {
        *at = (char)('0' + number);
        return at + 1;
    }
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* "turncoat/CLUSTER/SENDER/TYPE": the domain of tc_sign, tc_verify and tc_mac. Cut, never overflowed. Returns
 * `buffer`. */
static const char *domain_of(const struct tc_cluster *cluster, uint32_t sender, uint32_t type,
                             char buffer[static TC_WIRE_DOMAIN_SIZE])
{
    static const char prefix[] = "turncoat/";
    const size_t id_len = strnlen(cluster->id, TC_NAME_MAX);
    char *at = buffer;
    memcpy(at, prefix, sizeof prefix - 1);
    at += sizeof prefix - 1;
    memcpy(at, cluster->id, id_len);
    at += id_len;
    *at++ = '/';
    at = put_decimal(at, sender);
    *at++ = '/';
    at = put_decimal(at, type);
    *at = '\0';
    return buffer;
}

/* The same of the simulation's signatures, which are checked by the hundred in every run: as the keyring keeps it.
 * NULL: these are no such signatures. */
static const uint64_t *kept_domain(const struct tc_protocol_env *env, const Wire__Envelope *envelope)
{
    uint64_t *domain = tc_keyring_domain(env->keys, env->cluster->id, envelope->sender, (uint32_t)envelope->type);
    if (domain && *domain == 0) {
        char text[TC_WIRE_DOMAIN_SIZE];
        domain_of(env->cluster, envelope->sender, (uint32_t)envelope->type, text);
        *domain = tc_hash_domain(env->keys, envelope->sender, text);
    }
    return domain;
}

bool tc_wire_uses_macs(const struct tc_cluster *cluster, uint32_t type)
{
    return cluster->request_authentication == TC_AUTH_MAC && (type == WIRE__TYPE__REQUEST || type == WIRE__TYPE__REPLY);
}

int tc_wire_sign(const struct tc_protocol_env *env, Wire__Envelope *envelope, struct tc_arena *arena)
{
    char text[TC_WIRE_DOMAIN_SIZE];
    uint8_t *signature = tc_arena_alloc(arena, TC_SIGNATURE_SIZE);
    if (!signature)
        return TC_ELIMIT;
    const uint64_t *domain = kept_domain(env, envelope);
    const struct tc_slice body = tc_wire_slice(envelope->body);
    int rc = domain
                 ? tc_hash_sign(env->keys, envelope->sender, *domain, body, signature)
                 : tc_sign(env->keys, envelope->sender,
                           domain_of(env->cluster, envelope->sender, (uint32_t)envelope->type, text), body, signature);
    if (rc != 0)
        return rc;
    envelope->signature = (ProtobufCBinaryData){TC_SIGNATURE_SIZE, signature};
    envelope->macs = (ProtobufCBinaryData){0, NULL};
    return 0;
}

int tc_wire_verify(const struct tc_protocol_env *env, const Wire__Envelope *envelope)
{
    char text[TC_WIRE_DOMAIN_SIZE];
    const uint64_t *domain = kept_domain(env, envelope);
    const struct tc_slice body = tc_wire_slice(envelope->body), signature = tc_wire_slice(envelope->signature);
    if (domain)
        return tc_hash_verify(env->keys, envelope->sender, *domain, body, signature);
    domain_of(env->cluster, envelope->sender, (uint32_t)envelope->type, text);
    return tc_verify(env->keys, envelope->sender, text, body, signature);
}

/* Fills envelope->macs for receivers first … first+count-1 and empties signature. TC_EKEY, TC_ELIMIT. */
static int add_macs(const struct tc_protocol_env *env, Wire__Envelope *envelope, uint32_t first, uint32_t count,
                    struct tc_arena *arena)
{
    char domain[TC_WIRE_DOMAIN_SIZE];
    if (count > TC_NODES_MAX)
        return TC_ELIMIT;
    uint8_t *macs = tc_arena_alloc(arena, (size_t)count * TC_MAC_SIZE);
    if (!macs)
        return TC_ELIMIT;
    domain_of(env->cluster, envelope->sender, (uint32_t)envelope->type, domain);
    for (uint32_t i = 0; i < count; i++) {
        int rc = tc_mac(env->keys, envelope->sender, first + i, domain, tc_wire_slice(envelope->body),
                        macs + (size_t)i * TC_MAC_SIZE);
        if (rc != 0)
            return rc;
    }
    envelope->macs = (ProtobufCBinaryData){(size_t)count * TC_MAC_SIZE, macs};
    envelope->signature = (ProtobufCBinaryData){0, NULL};
    return 0;
}

/* Constant time: the comparison must not tell how many bytes were right. */
static bool mac_equal(const uint8_t *a, const uint8_t *b)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < TC_MAC_SIZE; i++)
        difference |= (uint8_t)(a[i] ^ b[i]);
    return difference == 0;
}

int tc_wire_check_mac(const struct tc_protocol_env *env, const Wire__Envelope *envelope, uint32_t self, uint32_t first)
{
    char domain[TC_WIRE_DOMAIN_SIZE];
    uint8_t expected[TC_MAC_SIZE];
    if (self < first || envelope->macs.len / TC_MAC_SIZE <= self - first)
        return TC_ESIGNATURE;
    domain_of(env->cluster, envelope->sender, (uint32_t)envelope->type, domain);
    int rc = tc_mac(env->keys, self, envelope->sender, domain, tc_wire_slice(envelope->body), expected);
    if (rc != 0)
        return rc;
    return mac_equal(expected, envelope->macs.data + (size_t)(self - first) * TC_MAC_SIZE) ? 0 : TC_ESIGNATURE;
}

int tc_wire_seal(const struct tc_protocol_env *env, Wire__Envelope *envelope, uint32_t client, struct tc_arena *arena)
{
    if (envelope->type == WIRE__TYPE__HELLO)
        return 0;
    if (!tc_wire_uses_macs(env->cluster, (uint32_t)envelope->type))
        return tc_wire_sign(env, envelope, arena);
    if (envelope->type == WIRE__TYPE__REQUEST)
        return add_macs(env, envelope, 0, env->cluster->n, arena);
    return add_macs(env, envelope, client, 1, arena);
}

int tc_wire_check(const struct tc_protocol_env *env, const Wire__Envelope *envelope, uint32_t self)
{
    if (envelope->type == WIRE__TYPE__HELLO)
        return 0;
    if (!tc_wire_uses_macs(env->cluster, (uint32_t)envelope->type))
        return tc_wire_verify(env, envelope);
    return tc_wire_check_mac(env, envelope, self, envelope->type == WIRE__TYPE__REQUEST ? 0 : self);
}

static void put_be64(uint8_t *out, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * (7 - i)));
}

void tc_wire_request_digest(uint32_t client, uint64_t timestamp, struct tc_slice operation,
                            uint8_t digest[static TC_VALUE_SIZE])
{
    uint8_t head[16];
    put_be64(head, client);
    put_be64(head + 8, timestamp);
    const struct tc_slice parts[2] = {{head, sizeof head}, operation};
    tc_digest_parts(parts, 2, digest);
}

void tc_wire_batch_digest(const uint8_t (*digests)[TC_VALUE_SIZE], size_t count, uint8_t digest[static TC_VALUE_SIZE])
{
    const struct tc_slice part = {count > 0 ? digests[0] : NULL, count * TC_VALUE_SIZE};
    tc_digest_parts(&part, 1, digest);
}

int tc_wire_envelope_digest(const Wire__Envelope *request, struct tc_arena *arena, uint8_t digest[static TC_VALUE_SIZE])
{
    void *body;
    if (request->type != WIRE__TYPE__REQUEST)
        return TC_EMALFORMED;
    int rc = tc_wire_get_body(request, &wire__request__descriptor, arena, &body);
    if (rc != 0)
        return rc;
    const Wire__Request *inner = body;
    tc_wire_request_digest(request->sender, inner->timestamp, tc_wire_slice(inner->operation), digest);
    return 0;
}

int tc_wire_requests_digest(const Wire__Envelope *envelope, struct tc_arena *arena,
                            uint8_t digest[static TC_VALUE_SIZE])
{
    if (envelope->n_requests > TC_WIRE_BATCH_MAX)
        return TC_EMALFORMED;
    uint8_t(*digests)[TC_VALUE_SIZE] = tc_arena_alloc(arena, envelope->n_requests * sizeof *digests);
    if (!digests)
        return TC_ELIMIT;
    for (size_t i = 0; i < envelope->n_requests; i++) {
        int rc = tc_wire_envelope_digest(envelope->requests[i], arena, digests[i]);
        if (rc != 0)
            return rc;
    }
    tc_wire_batch_digest((const uint8_t(*)[TC_VALUE_SIZE])digests, envelope->n_requests, digest);
    return 0;
}
