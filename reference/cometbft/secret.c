#include "secret.h"

#include "../../proxy/cursor.h"
#include "transcript.h"

#include <sodium.h>
#include <string.h>

#define FRAME_LENGTH_SIZE 4
#define TAG_BYTES_KEY     0x0a /* field 1, bytes */
#define TAG_SIGNATURE     0x12 /* field 2, bytes */

/* ---- keys ---- */

void tc_secret_expand(const uint8_t shared[static 32], uint8_t out[static 96])
{
    static const char label[] = "TENDERMINT_SECRET_CONNECTION_KEY_AND_CHALLENGE_GEN";
    static const uint8_t salt[32];
    uint8_t key[32];
    crypto_auth_hmacsha256_state hmac;
    crypto_auth_hmacsha256_init(&hmac, salt, sizeof salt);
    crypto_auth_hmacsha256_update(&hmac, shared, 32);
    crypto_auth_hmacsha256_final(&hmac, key);
    for (uint8_t i = 1; i <= 3; i++) {
        crypto_auth_hmacsha256_init(&hmac, key, sizeof key);
        if (i > 1)
            crypto_auth_hmacsha256_update(&hmac, out + (i - 2) * 32, 32);
        crypto_auth_hmacsha256_update(&hmac, (const uint8_t *)label, sizeof label - 1);
        crypto_auth_hmacsha256_update(&hmac, &i, 1);
        crypto_auth_hmacsha256_final(&hmac, out + (i - 1) * 32);
    }
    sodium_memzero(key, sizeof key);
    sodium_memzero(&hmac, sizeof hmac);
}

int tc_secret_derive(const uint8_t scalar[static 32], const uint8_t own[static 32], const uint8_t peer[static 32],
                     uint8_t challenge[static 32], uint8_t receive_key[static 32], uint8_t send_key[static 32])
{
    uint8_t shared[32], keys[96];
    if (crypto_scalarmult(shared, scalar, peer) != 0)
        return TC_EMALFORMED;
    const bool lower = memcmp(own, peer, 32) < 0;
    struct tc_transcript t;
    tc_transcript_init(&t, "TENDERMINT_SECRET_CONNECTION_TRANSCRIPT_HASH");
    tc_transcript_append(&t, "EPHEMERAL_LOWER_PUBLIC_KEY", (struct tc_slice){lower ? own : peer, 32});
    tc_transcript_append(&t, "EPHEMERAL_UPPER_PUBLIC_KEY", (struct tc_slice){lower ? peer : own, 32});
    tc_transcript_append(&t, "DH_SECRET", (struct tc_slice){shared, 32});
    tc_transcript_challenge(&t, "SECRET_CONNECTION_MAC", challenge, 32);
    tc_secret_expand(shared, keys);
    memcpy(receive_key, lower ? keys : keys + 32, 32);
    memcpy(send_key, lower ? keys + 32 : keys, 32);
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(keys, sizeof keys);
    sodium_memzero(&t, sizeof t);
    return 0;
}

void tc_secret_node_id(const uint8_t public_key[static 32], char id[static 41])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, public_key, 32);
    sodium_bin2hex(id, 41, hash, 20);
}

void tc_secret_wipe(struct tc_secret *s)
{
    sodium_memzero(s, sizeof *s);
    s->state = TC_SECRET_CLOSED;
}

/* ---- frames ---- */

static void nonce_of(uint64_t count, uint8_t nonce[static 12])
{
    struct tc_writer w = tc_writer_into(nonce, 12);
    tc_writer_u32le(&w, 0);
    tc_writer_u64le(&w, count);
}

static int seal_frame(struct tc_secret *s, struct tc_slice data, struct tc_bytes *wire)
{
    uint8_t *sealed = tc_bytes_reserve(wire, TC_SECRET_SEALED_SIZE);
    if (!sealed)
        return TC_EMEMORY;
    uint8_t plain[TC_SECRET_PLAIN_SIZE] = {0}, nonce[12];
    struct tc_writer w = tc_writer_into(plain, sizeof plain);
    tc_writer_u32le(&w, (uint32_t)data.len);
    tc_writer_slice(&w, data);
    nonce_of(s->send_count++, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plain, sizeof plain, NULL, 0, NULL, nonce, s->send_key);
    wire->len += TC_SECRET_SEALED_SIZE;
    return 0;
}

static int seal_all(struct tc_secret *s, struct tc_slice data, struct tc_bytes *wire)
{
    while (data.len > 0) {
        const size_t len = data.len < TC_SECRET_DATA_MAX ? data.len : TC_SECRET_DATA_MAX;
        if (seal_frame(s, (struct tc_slice){data.data, len}, wire))
            return TC_EMEMORY;
        data = (struct tc_slice){data.data + len, data.len - len};
    }
    return 0;
}

int tc_secret_seal(struct tc_secret *s, struct tc_slice data, struct tc_bytes *wire)
{
    return s->state == TC_SECRET_OPEN ? seal_all(s, data, wire) : TC_EREFUSED;
}

/* ---- our part of the handshake ---- */

int tc_secret_begin(struct tc_secret *s, const uint8_t scalar[static TC_SECRET_SCALAR_SIZE],
                    const uint8_t identity[static TC_IDENTITY_KEY_SIZE], enum tc_handshake_fault fault,
                    struct tc_bytes *wire)
{
    uint8_t hello[TC_SECRET_HELLO_SIZE] = {TC_SECRET_HELLO_SIZE - 1, TAG_BYTES_KEY, 32};
    *s = (struct tc_secret){.fault = fault};
    memcpy(s->scalar, scalar, sizeof s->scalar);
    memcpy(s->identity, identity, sizeof s->identity);
    crypto_scalarmult_base(s->point, s->scalar);
    memcpy(hello + 3, s->point, 32);
    if (fault == TC_HANDSHAKE_EPHEMERAL_WITHHELD) {
        s->state = TC_SECRET_CLOSED;
        return TC_EREFUSED;
    }
    if (fault == TC_HANDSHAKE_EPHEMERAL_BAD)
        hello[1] = TAG_BYTES_KEY ^ 0x07; /* the field is a fixed32 then */
    return tc_bytes_append(wire, (struct tc_slice){hello, sizeof hello});
}

static int send_auth(struct tc_secret *s, struct tc_bytes *wire)
{
    static const uint8_t head[] = {TC_SECRET_AUTH_SIZE - 1, TAG_BYTES_KEY, 34, TAG_BYTES_KEY, 32};
    uint8_t auth[TC_SECRET_AUTH_SIZE], signature[64];
    crypto_sign_detached(signature, NULL, s->challenge, sizeof s->challenge, s->identity);
    if (s->fault == TC_HANDSHAKE_AUTH_BAD)
        signature[0] ^= 1;
    struct tc_writer w = tc_writer_into(auth, sizeof auth);
    tc_writer_slice(&w, (struct tc_slice){head, sizeof head});
    tc_writer_slice(&w, (struct tc_slice){s->identity + 32, 32});
    tc_writer_u8(&w, TAG_SIGNATURE);
    tc_writer_u8(&w, 64);
    tc_writer_slice(&w, (struct tc_slice){signature, 64});
    const int status = seal_all(s, tc_writer_bytes(&w), wire);
    if (status == 0 && s->fault == TC_HANDSHAKE_AUTH_GARBLED)
        wire->data[wire->len - 1] ^= 1;
    return status;
}

/* ---- the peer's part ---- */

/* The ephemeral key inside one BytesValue. As CometBFT reads it: a short value is padded with zeros, a long one cut. */
static bool read_ephemeral(struct tc_slice message, uint8_t key[static 32])
{
    memset(key, 0, 32);
    if (message.len == 0)
        return true;
    struct tc_cursor c = tc_cursor_over(message);
    if (tc_cursor_u8(&c) != TAG_BYTES_KEY)
        return false;
    const uint64_t len = tc_cursor_varint(&c);
    const struct tc_slice value = tc_cursor_bytes(&c, len <= message.len ? (size_t)len : message.len + 1);
    if (!tc_cursor_done(&c))
        return false;
    memcpy(key, value.data, value.len < 32 ? value.len : 32);
    return true;
}

/* How long the delimited message at the start of s->in is, delimiter included; 0: more bytes are needed. */
static int hello_length(const struct tc_secret *s, size_t *len, struct tc_slice *message, struct tc_error *err)
{
    struct tc_cursor c = tc_cursor_over((struct tc_slice){s->in, s->in_len});
    const uint64_t body = tc_cursor_varint(&c);
    *len = 0;
    if (!tc_cursor_ok(&c))
        return s->in_len < 10 ? 0 : tc_error_set(err, TC_EMALFORMED, "the peer's ephemeral key has no length");
    if (body > sizeof s->in - 10)
        return tc_error_set(err, TC_EMALFORMED, "the peer's ephemeral key message is too long: %llu bytes, expected 34",
                            (unsigned long long)body);
    const size_t head = s->in_len - tc_cursor_left(&c);
    if (tc_cursor_left(&c) < body)
        return 0;
    *len = head + (size_t)body;
    *message = (struct tc_slice){s->in + head, (size_t)body};
    return 0;
}

static int take_ephemeral(struct tc_secret *s, struct tc_bytes *wire, struct tc_error *err)
{
    size_t len;
    struct tc_slice message;
    uint8_t peer[32];
    const int status = hello_length(s, &len, &message, err);
    if (status || len == 0)
        return status;
    if (!read_ephemeral(message, peer))
        return tc_error_set(err, TC_EMALFORMED, "the peer's first message is not an ephemeral key");
    if (tc_secret_derive(s->scalar, s->point, peer, s->challenge, s->receive_key, s->send_key))
        return tc_error_set(err, TC_EMALFORMED, "the peer's ephemeral key is of small order");
    sodium_memzero(s->scalar, sizeof s->scalar);
    s->in_len -= len;
    memmove(s->in, s->in + len, s->in_len);
    s->state = TC_SECRET_AUTH;
    if (s->fault == TC_HANDSHAKE_AUTH_WITHHELD)
        return tc_error_set(err, TC_EREFUSED, "the proof of identity is withheld on purpose");
    return send_auth(s, wire);
}

/* The peer's proof comes first in the stream of plaintext; what follows it belongs to the application. */
static int take_auth(struct tc_secret *s, struct tc_slice *data, struct tc_error *err)
{
    static const uint8_t head[] = {TC_SECRET_AUTH_SIZE - 1, TAG_BYTES_KEY, 34, TAG_BYTES_KEY, 32};
    const size_t missing = sizeof s->auth - s->auth_len, take = data->len < missing ? data->len : missing;
    memcpy(s->auth + s->auth_len, data->data, take);
    s->auth_len += take;
    *data = (struct tc_slice){data->data + take, data->len - take};
    const size_t known = s->auth_len < sizeof head ? s->auth_len : sizeof head;
    if (memcmp(s->auth, head, known) != 0)
        return tc_error_set(err, TC_EMALFORMED, "the peer's proof of identity is not an Ed25519 key and signature");
    if (s->auth_len < sizeof s->auth)
        return 0;
    if (s->auth[37] != TAG_SIGNATURE || s->auth[38] != 64)
        return tc_error_set(err, TC_EMALFORMED, "the peer's proof of identity has no signature of 64 bytes");
    if (crypto_sign_verify_detached(s->auth + 39, s->challenge, sizeof s->challenge, s->auth + sizeof head) != 0)
        return tc_error_set(err, TC_ESIGNATURE, "the peer's signature over the handshake is not its key's");
    memcpy(s->peer, s->auth + sizeof head, 32);
    s->state = TC_SECRET_OPEN;
    return 0;
}

static int open_frame(struct tc_secret *s, const uint8_t *sealed, struct tc_bytes *plain, struct tc_error *err)
{
    uint8_t opened[TC_SECRET_PLAIN_SIZE], nonce[12];
    nonce_of(s->receive_count++, nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(opened, NULL, NULL, sealed, TC_SECRET_SEALED_SIZE, NULL, 0, nonce,
                                                  s->receive_key) != 0)
        return tc_error_set(err, TC_EMALFORMED, "frame %llu does not decrypt",
                            (unsigned long long)(s->receive_count - 1));
    struct tc_cursor c = tc_cursor_over((struct tc_slice){opened, sizeof opened});
    const uint32_t len = tc_cursor_u32le(&c);
    if (len > TC_SECRET_DATA_MAX)
        return tc_error_set(err, TC_EMALFORMED, "a frame says it carries %u bytes, at most 1024 can be", len);
    struct tc_slice data = {opened + FRAME_LENGTH_SIZE, len};
    if (s->state == TC_SECRET_AUTH) {
        const int status = take_auth(s, &data, err);
        if (status)
            return status;
    }
    return tc_bytes_append(plain, data);
}

static int receive(struct tc_secret *s, struct tc_slice bytes, struct tc_bytes *wire, struct tc_bytes *plain,
                   struct tc_error *err)
{
    int status = 0;
    while (status == 0 && bytes.len > 0) {
        if (s->state != TC_SECRET_EPHEMERAL && s->in_len == 0 && bytes.len >= TC_SECRET_SEALED_SIZE) {
            status = open_frame(s, bytes.data, plain, err); /* a whole frame, where it lies */
            bytes = (struct tc_slice){bytes.data + TC_SECRET_SEALED_SIZE, bytes.len - TC_SECRET_SEALED_SIZE};
            continue;
        }
        const size_t room = sizeof s->in - s->in_len, take = bytes.len < room ? bytes.len : room;
        memcpy(s->in + s->in_len, bytes.data, take);
        s->in_len += take;
        bytes = (struct tc_slice){bytes.data + take, bytes.len - take};
        if (s->state == TC_SECRET_EPHEMERAL) {
            status = take_ephemeral(s, wire, err);
        } else if (s->in_len == sizeof s->in) {
            s->in_len = 0;
            status = open_frame(s, s->in, plain, err);
        }
    }
    return status;
}

int tc_secret_receive(struct tc_secret *s, struct tc_slice bytes, struct tc_bytes *wire, struct tc_bytes *plain,
                      struct tc_error *err)
{
    if (s->state == TC_SECRET_CLOSED)
        return tc_error_set(err, TC_EREFUSED, "the connection is closed");
    const int status = receive(s, bytes, wire, plain, err);
    if (status)
        s->state = TC_SECRET_CLOSED;
    return status;
}
