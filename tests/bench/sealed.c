/* What an encrypted link costs: the transport of CometBFT's peer links (open, packets → frames, send, seal) beside a
 * bare loop that opens and seals the same 1028-byte frames with libsodium. Same thread, interleaved; no sockets.
 *
 *   sealed [ROUNDS]       nanoseconds per frame of both, and their ratio: blocks (full frames), votes (small messages)
 */
#include "../../reference/cometbft/mconnection.h"
#include "../../reference/cometbft/peers.h"
#include "../../reference/cometbft/secret.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WIRE_BYTES (16u << 20) /* of one round */
#define READ_BYTES (64u << 10) /* of one step, as the live world reads */
#define ROUNDS_MAX 101
#define VOTE_BYTES 190
#define PART_BYTES 65600

static void must(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "sealed: a step failed (%d)\n", status);
    exit(1);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- two nodes and the man in the middle ---- */

struct link {
    struct tc_secret nodes[2];
    struct tc_transport *middle;
    struct tc_transport_io io;
};

static void key_of(uint8_t number, uint8_t key[static TC_IDENTITY_KEY_SIZE])
{
    uint8_t seed[32] = {number}, public_key[32];
    crypto_sign_seed_keypair(public_key, key, seed);
}

/* Both nodes' first words go to the middle and its answers back to them, until nobody has anything to say. */
static void shake_hands(struct link *l)
{
    struct tc_bytes said[2] = {0}, plain = {0};
    struct tc_error err = {0};
    for (unsigned side = 0; side < 2; side++) {
        uint8_t identity[TC_IDENTITY_KEY_SIZE], scalar[TC_SECRET_SCALAR_SIZE] = {[0] = 8, [1] = (uint8_t)(side + 1)};
        key_of((uint8_t)(side + 1), identity);
        must(tc_secret_begin(&l->nodes[side], scalar, identity, TC_HANDSHAKE_HONEST, &said[side]));
    }
    while (said[0].len + said[1].len + l->io.wire[0].len + l->io.wire[1].len > 0) {
        for (unsigned side = 0; side < 2; side++) {
            must(tc_cometbft_peers.receive(l->middle, side, tc_bytes_slice(&said[side]), &l->io, &err));
            said[side].len = 0;
            must(tc_secret_receive(&l->nodes[side], tc_bytes_slice(&l->io.wire[side]), &said[side], &plain, &err));
            l->io.wire[side].len = 0;
        }
    }
    for (unsigned side = 0; side < 2; side++)
        tc_bytes_free(&said[side]);
    tc_bytes_free(&plain);
}

static void open_link(struct link *l)
{
    struct tc_transport_config config = {.nodes = {0, 1}, .secret = {1}};
    struct tc_error err = {0};
    key_of(2, config.identity[0]);
    key_of(1, config.identity[1]);
    l->middle = tc_cometbft_peers.create(&config);
    must(l->middle ? tc_cometbft_peers.start(l->middle, &l->io, &err) : TC_EMEMORY);
    shake_hands(l);
    must(tc_cometbft_peers.open(l->middle) ? 0 : TC_EREFUSED);
}

static void put_frame(struct tc_bytes *packets, uint8_t channel, size_t len)
{
    static uint8_t frame[TC_CHANNEL_FRAME_HEAD + PART_BYTES];
    const size_t body = len + 1;
    for (unsigned i = 0; i < 4; i++)
        frame[i] = (uint8_t)(body >> (24 - 8 * i));
    frame[4] = channel;
    must(tc_mconnection_send((struct tc_slice){frame, TC_CHANNEL_FRAME_HEAD + len}, packets));
}

/* What node 0 says: NodeInfo first, then messages of one size until the wire is full. */
static void say(struct link *l, uint8_t channel, size_t len, struct tc_bytes *wire)
{
    struct tc_bytes packets = {0};
    put_frame(&packets, TC_CHANNEL_NODE_INFO, 100);
    while (packets.len < WIRE_BYTES)
        put_frame(&packets, channel, len);
    must(tc_secret_seal(&l->nodes[0], tc_bytes_slice(&packets), wire));
    tc_bytes_free(&packets);
}

/* ---- the two loops ---- */

/* As the engine does it: every read is one step, whose frames are sent on one by one and sealed at its end. */
static uint64_t through_middle(struct link *l, struct tc_slice wire)
{
    struct tc_error err = {0};
    const uint64_t begin = cpu_ns();
    while (wire.len > 0) {
        const size_t take = wire.len < READ_BYTES ? wire.len : READ_BYTES;
        must(tc_cometbft_peers.receive(l->middle, 0, (struct tc_slice){wire.data, take}, &l->io, &err));
        wire = (struct tc_slice){wire.data + take, wire.len - take};
        struct tc_slice frames = tc_bytes_slice(&l->io.frames[0]);
        while (frames.len > 0) {
            const int64_t len = tc_mconnection_frame(frames);
            must(len > 0 ? tc_cometbft_peers.send(l->middle, 1, (struct tc_slice){frames.data, (size_t)len})
                         : TC_EMALFORMED);
            frames = (struct tc_slice){frames.data + len, frames.len - (size_t)len};
        }
        must(tc_cometbft_peers.flush(l->middle, &l->io));
        tc_bytes_free(&l->io.frames[0]); /* both are the engine's own from here on */
        tc_bytes_free(&l->io.wire[1]);
    }
    return cpu_ns() - begin;
}

static uint64_t bare(size_t frames)
{
    static uint8_t sealed[READ_BYTES / TC_SECRET_SEALED_SIZE + 1][TC_SECRET_SEALED_SIZE];
    uint8_t plain[TC_SECRET_PLAIN_SIZE] = {0}, key[32] = {7}, nonce[12] = {0};
    const size_t slots = sizeof sealed / sizeof *sealed;
    for (size_t i = 0; i < slots; i++)
        crypto_aead_chacha20poly1305_ietf_encrypt(sealed[i], NULL, plain, sizeof plain, NULL, 0, NULL, nonce, key);
    const uint64_t begin = cpu_ns();
    for (size_t i = 0; i < frames; i++) {
        uint8_t *frame = sealed[i % slots];
        must(crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, frame, TC_SECRET_SEALED_SIZE, NULL, 0, nonce,
                                                       key));
        crypto_aead_chacha20poly1305_ietf_encrypt(frame, NULL, plain, sizeof plain, NULL, 0, NULL, nonce, key);
    }
    return cpu_ns() - begin;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void bench(const char *what, uint8_t channel, size_t message_len, size_t rounds)
{
    static double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratio[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        struct link l = {0};
        struct tc_bytes wire = {0};
        open_link(&l);
        say(&l, channel, message_len, &wire);
        const size_t frames = wire.len / TC_SECRET_SEALED_SIZE;
        ours[i] = (double)through_middle(&l, tc_bytes_slice(&wire)) / (double)frames;
        theirs[i] = (double)bare(frames) / (double)frames;
        ratio[i] = ours[i] / theirs[i];
        tc_cometbft_peers.destroy(l.middle);
        for (unsigned side = 0; side < 2; side++) {
            tc_bytes_free(&l.io.wire[side]);
            tc_bytes_free(&l.io.frames[side]);
        }
        tc_bytes_free(&wire);
    }
    qsort(ours, rounds, sizeof *ours, compare);
    qsort(theirs, rounds, sizeof *theirs, compare);
    qsort(ratio, rounds, sizeof *ratio, compare);
    printf("%-36s %6.0f ns %6.0f ns   %.3f   %.3f … %.3f\n", what, theirs[rounds / 2], ours[rounds / 2],
           ratio[rounds / 2], ratio[0], ratio[rounds - 1]);
}

int main(int argc, char **argv)
{
    const unsigned long asked = argc > 1 ? strtoul(argv[1], NULL, 10) : 15;
    const size_t rounds = asked < 1 ? 1 : asked > ROUNDS_MAX ? ROUNDS_MAX : asked;
    if (sodium_init() < 0)
        return 1;
    printf("CPU per encrypted frame of 1,024 bytes, opened and sealed anew, median of %zu interleaved rounds\n",
           rounds);
    printf("%-36s %9s %9s   %s   %s\n", "", "libsodium", "turncoat", "ratio", "smallest … largest");
    bench("block parts of 64 KiB", 0x21, PART_BYTES, rounds);
    bench("votes of 190 bytes", 0x22, VOTE_BYTES, rounds);
    return 0;
}
