/* STROBE-128/1600 as far as Merlin uses it, and Keccak-f[1600] beneath it (FIPS 202). By hand: no library that Debian
 * ships offers the permutation alone. */
#include "transcript.h"

#include <string.h>

#define RATE          166 /* bytes of the state that data may touch: 200 - 2·16 - 2 */
#define FLAG_META_AD  0x12
#define FLAG_AD       0x02
#define FLAG_PRF      0x07
#define FLAG_NEEDS_F  0x24 /* operations that cipher or depend on the transport begin on a fresh block */
#define KECCAK_ROUNDS 24

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return by ? x << by | x >> (64 - by) : x;
}

/* theta: every column's parity is added to its two neighbours. */
static void mix_columns(uint64_t a[25])
{
    uint64_t parity[5];
    for (unsigned x = 0; x < 5; x++)
        parity[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (unsigned x = 0; x < 5; x++) {
        const uint64_t d = parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1);
        for (unsigned y = 0; y < 25; y += 5)
            a[x + y] ^= d;
    }
}

/* rho and pi: lanes are rotated and change places; chi: each row is combined with itself. */
static void move_and_combine(uint64_t a[25])
{
    static const uint8_t turns[25] = {0,  1,  62, 28, 27, 36, 44, 6,  55, 20, 3,  10, 43,
                                      25, 39, 41, 45, 15, 21, 8,  18, 2,  61, 56, 14};
    uint64_t b[25];
    for (unsigned x = 0; x < 5; x++)
        for (unsigned y = 0; y < 5; y++)
            b[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(a[x + 5 * y], turns[x + 5 * y]);
    for (unsigned y = 0; y < 25; y += 5)
        for (unsigned x = 0; x < 5; x++)
            a[x + y] = b[x + y] ^ (~b[(x + 1) % 5 + y] & b[(x + 2) % 5 + y]);
}

static void permute(uint64_t a[25])
{
    static const uint64_t constants[KECCAK_ROUNDS] = {
        0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
        0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
        0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
        0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
    for (unsigned round = 0; round < KECCAK_ROUNDS; round++) {
        mix_columns(a);
        move_and_combine(a);
        a[0] ^= constants[round];
    }
}

static void add_byte(struct tc_transcript *t, unsigned at, uint8_t byte)
{
    t->lanes[at / 8] ^= (uint64_t)byte << at % 8 * 8;
}

static void run_f(struct tc_transcript *t)
{
    add_byte(t, t->pos, t->pos_begin);
    add_byte(t, t->pos + 1u, 0x04);
    add_byte(t, RATE + 1, 0x80);
    permute(t->lanes);
    t->pos = 0;
    t->pos_begin = 0;
}

static void absorb(struct tc_transcript *t, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        add_byte(t, t->pos, bytes[i]);
        if (++t->pos == RATE)
            run_f(t);
    }
}

static void begin(struct tc_transcript *t, uint8_t flags)
{
    const uint8_t head[2] = {t->pos_begin, flags};
    t->pos_begin = (uint8_t)(t->pos + 1);
    absorb(t, head, sizeof head);
    if ((flags & FLAG_NEEDS_F) && t->pos != 0)
        run_f(t);
}

/* One meta-AD operation over the label and a length: which says what follows, and how much of it. */
static void announce(struct tc_transcript *t, const char *label, uint32_t len)
{
    const uint8_t le[4] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), (uint8_t)(len >> 24)};
    begin(t, FLAG_META_AD);
    absorb(t, (const uint8_t *)label, strlen(label));
    absorb(t, le, sizeof le);
}

void tc_transcript_append(struct tc_transcript *t, const char *label, struct tc_slice bytes)
{
    announce(t, label, (uint32_t)bytes.len);
    begin(t, FLAG_AD);
    absorb(t, bytes.data, bytes.len);
}

void tc_transcript_challenge(struct tc_transcript *t, const char *label, uint8_t *out, uint32_t len)
{
    announce(t, label, len);
    begin(t, FLAG_PRF);
    for (uint32_t i = 0; i < len; i++) {
        const unsigned at = t->pos;
        out[i] = (uint8_t)(t->lanes[at / 8] >> at % 8 * 8);
        add_byte(t, at, out[i]); /* what was given out is zeroed in the state */
        if (++t->pos == RATE)
            run_f(t);
    }
}

void tc_transcript_init(struct tc_transcript *t, const char *label)
{
    static const uint8_t head[] = {0x01, RATE + 2, 0x01, 0x00, 0x01, 0x60, 'S', 'T', 'R',
                                   'O',  'B',      'E',  'v',  '1',  '.',  '0', '.', '2'};
    static const char merlin[] = "Merlin v1.0";
    *t = (struct tc_transcript){0};
    for (unsigned i = 0; i < sizeof head; i++)
        add_byte(t, i, head[i]);
    permute(t->lanes);
    begin(t, FLAG_META_AD);
    absorb(t, (const uint8_t *)merlin, sizeof merlin - 1);
    tc_transcript_append(t, "dom-sep", (struct tc_slice){(const uint8_t *)label, strlen(label)});
}
