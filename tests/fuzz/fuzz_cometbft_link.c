/* A hostile peer: any bytes to an end that shakes hands, and any plaintext to the packets behind it. Cut into pieces
 * the plaintext gives the same frames as in one, each frame is whole, and writing them gives them back. */
#include "../../reference/cometbft/home.h"
#include "../../reference/cometbft/mconnection.h"
#include "../../reference/cometbft/secret.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void greet(struct tc_slice in, size_t step)
{
    struct tc_secret secret;
    struct tc_bytes wire = {0}, plain = {0};
    struct tc_error err = {0};
    uint8_t scalar[TC_SECRET_SCALAR_SIZE], identity[TC_IDENTITY_KEY_SIZE];
    int status = 0;
    memset(scalar, 3, sizeof scalar);
    memset(identity, 4, sizeof identity);
    require(tc_secret_begin(&secret, scalar, identity, TC_HANDSHAKE_HONEST, &wire) == 0);
    for (size_t at = 0; status == 0 && at < in.len; at += step) {
        const size_t len = in.len - at < step ? in.len - at : step;
        status = tc_secret_receive(&secret, (struct tc_slice){in.data + at, len}, &wire, &plain, &err);
    }
    require(secret.state != TC_SECRET_OPEN); /* nobody guesses a proof of identity */
    require(plain.len == 0);
    require(status == 0 || secret.state == TC_SECRET_CLOSED);
    tc_secret_wipe(&secret);
    tc_bytes_free(&wire);
    tc_bytes_free(&plain);
}

static int read_packets(struct tc_slice in, size_t step, struct tc_bytes *frames, struct tc_bytes *out)
{
    struct tc_mconnection c = {0};
    struct tc_error err = {0};
    int status = 0;
    for (size_t at = 0; status == 0 && at < in.len; at += step) {
        const size_t len = in.len - at < step ? in.len - at : step;
        status = tc_mconnection_receive(&c, (struct tc_slice){in.data + at, len}, out, frames, &err);
    }
    tc_mconnection_free(&c);
    return status;
}

/* The frames as packets of ours: read again they are the same. */
static void write_again(struct tc_slice frames)
{
    struct tc_bytes packets = {0}, again = {0}, out = {0};
    struct tc_slice rest = frames;
    while (rest.len > 0) {
        const int64_t len = tc_mconnection_frame(rest);
        require(len > TC_CHANNEL_FRAME_HEAD - 1 && (size_t)len <= rest.len);
        require(tc_mconnection_send((struct tc_slice){rest.data, (size_t)len}, &packets) == 0);
        rest = (struct tc_slice){rest.data + len, rest.len - (size_t)len};
    }
    require(read_packets(tc_bytes_slice(&packets), 7, &again, &out) == 0);
    require(again.len == frames.len && (frames.len == 0 || memcmp(again.data, frames.data, frames.len) == 0));
    tc_bytes_free(&packets);
    tc_bytes_free(&again);
    tc_bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tc_slice in = {data, size};
    struct tc_bytes frames[2] = {{0}, {0}}, out[2] = {{0}, {0}};
    uint8_t key[64];
    greet(in, size + 1);
    greet(in, 5);
    (void)tc_cometbft_key_parse(in, key);
    const int whole = read_packets(in, size + 1, &frames[0], &out[0]);
    const int pieces = read_packets(in, 1, &frames[1], &out[1]);
    require((whole == 0) == (pieces == 0));
    if (whole == 0) {
        require(frames[0].len == frames[1].len && out[0].len == out[1].len);
        require(frames[0].len == 0 || memcmp(frames[0].data, frames[1].data, frames[0].len) == 0);
        write_again(tc_bytes_slice(&frames[0]));
    }
    for (int i = 0; i < 2; i++) {
        tc_bytes_free(&frames[i]);
        tc_bytes_free(&out[i]);
    }
    return 0;
}
