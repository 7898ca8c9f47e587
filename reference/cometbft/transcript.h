/* A Merlin transcript (merlin.cool) over STROBE-128: what SecretConnection binds a handshake to. Only the three
 * operations that Merlin needs: meta-AD, AD and PRF. Pure. */
#ifndef TC_COMETBFT_TRANSCRIPT_H
#define TC_COMETBFT_TRANSCRIPT_H

#include "../../proxy/types.h"

struct tc_transcript {
    uint64_t lanes[25]; /* the sponge's 200 bytes; byte i is byte i % 8, least significant first, of lane i / 8 */
    uint8_t pos, pos_begin;
};

/* A new transcript for the application named `label`. */
void tc_transcript_init(struct tc_transcript *t, const char *label);

/* Binds `bytes` under `label`; at most 4 GiB. */
void tc_transcript_append(struct tc_transcript *t, const char *label, struct tc_slice bytes);

/* `len` bytes that depend on everything appended before. */
void tc_transcript_challenge(struct tc_transcript *t, const char *label, uint8_t *out, uint32_t len);

#endif
