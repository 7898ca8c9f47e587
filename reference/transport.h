/* A transport sits between the raw bytes of a connection pair and the frames of the protocol: a filter that ends an
 * encrypted handshake on both sides, hands plaintext frames to the engine and seals what the engine writes. Sans-I/O:
 * no sockets, no clock; its randomness is derived from a secret that the world supplies. One object a pair.
 *
 * Side 0 is near (the dialler's connection), side 1 is far (the real node's). Frames that come out for a side were
 * received on it; to forward one, the engine seals it for the other side. */
#ifndef TC_TRANSPORT_H
#define TC_TRANSPORT_H

#include "../proxy/error.h"
#include "../proxy/types.h"

/* Bytes that grow. Zeroed: empty. */
struct tc_bytes {
    uint8_t *data;
    size_t len, size;
};

/* Appends; TC_EMEMORY leaves it as it was. */
int tc_bytes_append(struct tc_bytes *bytes, struct tc_slice more);
/* Room for `len` more bytes at the end, which the caller fills and adds to bytes->len; NULL: no memory. */
uint8_t *tc_bytes_reserve(struct tc_bytes *bytes, size_t len);
void tc_bytes_drop(struct tc_bytes *bytes, size_t len); /* the first `len` bytes; len ≤ bytes->len */
void tc_bytes_free(struct tc_bytes *bytes);
struct tc_slice tc_bytes_slice(const struct tc_bytes *bytes);

/* What one call of a transport gives: appended to, emptied by the caller. */
struct tc_transport_io {
    struct tc_bytes wire[2];   /* to be written to this side as they are */
    struct tc_bytes frames[2]; /* whole plaintext frames that arrived on this side, one after another */
};

/* A handshake that is broken on purpose, towards one side (after evil_secret_connection_test.go of CometBFT). */
enum tc_handshake_fault {
    TC_HANDSHAKE_HONEST = 0,
    TC_HANDSHAKE_EPHEMERAL_WITHHELD, /* we never send our ephemeral key: the connection is closed instead */
    TC_HANDSHAKE_EPHEMERAL_BAD,      /* bytes that are no ephemeral key message */
    TC_HANDSHAKE_AUTH_WITHHELD,      /* keys are agreed, then the connection is closed */
    TC_HANDSHAKE_AUTH_BAD,           /* a signature that is not ours */
    TC_HANDSHAKE_AUTH_GARBLED,       /* a proof that does not decrypt */
    TC_HANDSHAKE_COUNT
};

/* Secret key as libsodium has it: seed, then public key. */
#define TC_IDENTITY_KEY_SIZE 64

struct tc_transport_config {
    uint16_t nodes[2];  /* the node at each side */
    uint64_t number;    /* of the connection: different for every pair and generation of a run */
    uint8_t secret[32]; /* what ephemeral keys are derived from, with `number` and the side: not to be guessed */
    /* Whom we are towards each side: with impersonation the node at the other side, else an identity of our own. */
    uint8_t identity[2][TC_IDENTITY_KEY_SIZE];
    /* The public key that the node at each side must prove to hold, where it is known. */
    bool is_known[2];
    uint8_t known[2][32];
    enum tc_handshake_fault fault;
    unsigned fault_side;
};

struct tc_transport; /* opaque, per class */

struct tc_transport_class {
    const char *name;
    /* Copies the configuration. NULL: out of memory. */
    struct tc_transport *(*create)(const struct tc_transport_config *config);
    /* Both sides are connected: the handshakes begin. Errors as `receive`. */
    int (*start)(struct tc_transport *t, struct tc_transport_io *io, struct tc_error *err);
    /* Bytes came on `side`. TC_EMALFORMED, TC_ESIGNATURE: the peer broke the rules (err says how): write what is in
     * io->wire, then close the pair as its peer would. TC_EKEY: the peer is not whom we were to meet; TC_EREFUSED: a
     * fault asked for closes the connection now; TC_EMEMORY. */
    int (*receive)(struct tc_transport *t, unsigned side, struct tc_slice wire, struct tc_transport_io *io,
                   struct tc_error *err);
    /* Takes one whole frame for `side`; it is sealed at the next flush, together with its neighbours.
     * TC_EMALFORMED: not a frame; TC_EREFUSED: the handshake is not done; TC_EMEMORY. */
    int (*send)(struct tc_transport *t, unsigned side, struct tc_slice frame);
    /* Seals what was sent into io->wire. TC_EMEMORY. */
    int (*flush)(struct tc_transport *t, struct tc_transport_io *io);
    /* True once both handshakes are done: frames may pass. */
    bool (*open)(const struct tc_transport *t);
    /* The public key (32 bytes) that the node at `side` proved to hold, or NULL before it did. */
    const uint8_t *(*peer)(const struct tc_transport *t, unsigned side);
    /* Wipes the keys. Safe on NULL. */
    void (*destroy)(struct tc_transport *t);
};

#endif
