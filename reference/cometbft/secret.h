/* One end of a SecretConnection (CometBFT p2p/conn, the same on the wire from v0.34 to v1.0): Station-to-Station with
 * X25519 and Ed25519 over a Merlin transcript, then frames of 1024 bytes sealed with ChaCha20-Poly1305. Pure: bytes in,
 * bytes out. */
#ifndef TC_COMETBFT_SECRET_H
#define TC_COMETBFT_SECRET_H

#include "../transport.h"

#define TC_SECRET_DATA_MAX    1024 /* bytes of application data in one frame */
#define TC_SECRET_PLAIN_SIZE  (4 + TC_SECRET_DATA_MAX)
#define TC_SECRET_SEALED_SIZE (TC_SECRET_PLAIN_SIZE + 16)
#define TC_SECRET_HELLO_SIZE  35
#define TC_SECRET_AUTH_SIZE   103
#define TC_SECRET_SCALAR_SIZE 32

enum tc_secret_state {
    TC_SECRET_EPHEMERAL = 0, /* waits for the peer's ephemeral key */
    TC_SECRET_AUTH,          /* keys are agreed: waits for the peer's proof of identity */
    TC_SECRET_OPEN,
    TC_SECRET_CLOSED /* the peer broke the rules, or a fault asked for ended it */
};

struct tc_secret {
    enum tc_secret_state state;
    enum tc_handshake_fault fault;
    uint8_t scalar[TC_SECRET_SCALAR_SIZE], point[32]; /* our ephemeral key pair; the scalar is wiped once used */
    uint8_t identity[TC_IDENTITY_KEY_SIZE];
    uint8_t peer[32]; /* public key the peer proved to hold, once open */
    uint8_t challenge[32];
    uint8_t receive_key[32], send_key[32];
    uint64_t receive_count, send_count; /* nonces */
    uint8_t in[TC_SECRET_SEALED_SIZE];  /* bytes that wait for the rest of a frame (or of the first message) */
    size_t in_len;
    uint8_t auth[TC_SECRET_AUTH_SIZE];
    size_t auth_len;
};

/* Keys as both ends derive them: `lower` says whether our ephemeral key sorts first. TC_EMALFORMED: the peer's point is
 * of small order (the shared secret would be zero). */
int tc_secret_derive(const uint8_t scalar[static 32], const uint8_t own[static 32], const uint8_t peer[static 32],
                     uint8_t challenge[static 32], uint8_t receive_key[static 32], uint8_t send_key[static 32]);

/* HKDF-SHA256 of a shared secret with an empty salt and SecretConnection's label: 96 bytes, of which SecretConnection
 * uses the first 64 today. */
void tc_secret_expand(const uint8_t shared[static 32], uint8_t out[static 96]);

/* Begins: our ephemeral key goes to `wire`. `scalar` is secret and used once. TC_EREFUSED: the fault asked for says to
 * close the connection now; TC_EMEMORY. */
int tc_secret_begin(struct tc_secret *s, const uint8_t scalar[static TC_SECRET_SCALAR_SIZE],
                    const uint8_t identity[static TC_IDENTITY_KEY_SIZE], enum tc_handshake_fault fault,
                    struct tc_bytes *wire);

/* Bytes from the peer: answers go to `wire`, application data to `plain`. TC_EMALFORMED, TC_ESIGNATURE: err says what
 * the peer did wrong, the connection must be closed; TC_EREFUSED as above; TC_EMEMORY. */
int tc_secret_receive(struct tc_secret *s, struct tc_slice bytes, struct tc_bytes *wire, struct tc_bytes *plain,
                      struct tc_error *err);

/* Seals application data, in frames of at most 1024 bytes. TC_EREFUSED before the connection is open; TC_EMEMORY. */
int tc_secret_seal(struct tc_secret *s, struct tc_slice data, struct tc_bytes *wire);

/* Node id: the first 20 bytes of SHA-256 of the public key, as 40 lowercase hex digits. */
void tc_secret_node_id(const uint8_t public_key[static 32], char id[static 41]);

/* Forgets all keys. */
void tc_secret_wipe(struct tc_secret *s);

#endif
