/* What decoding and justifying a message cost. Prints nanoseconds; asserts nothing. */
#include "../lib/pbft_make.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void bench_decode(const char *name, struct tc_slice frame, unsigned rounds)
{
    struct tc_arena arena;
    tc_arena_init(&arena, 32u << 20);
    uint64_t best = UINT64_MAX, sum = 0;
    for (int repeat = 0; repeat < 7; repeat++) {
        const uint64_t start = now_ns();
        for (unsigned i = 0; i < rounds; i++) {
            struct tc_message m = {0};
            tc_arena_reset(&arena);
            tc_pbft.decode(frame, &arena, &m);
            tc_message_set_key(&m);
            sum += m.key;
        }
        const uint64_t took = now_ns() - start;
        if (took < best)
            best = took;
    }
    printf("decode + key  %-24s %6zu bytes  %8.1f ns  (%llx)\n", name, frame.len, (double)best / rounds,
           (unsigned long long)(sum & 15));
    tc_arena_free(&arena);
}

static void bench_decodes(struct tc_make *make)
{
    static char text[200];
    memset(text, 'x', sizeof text - 1);
    Wire__Envelope *requests[64];
    for (size_t i = 0; i < 64; i++)
        requests[i] = tc_make_request(make, 128 + i % 4, i + 1, text);
    bench_decode("prepare", tc_make_frame(make, tc_make_prepare(make, 1, 0, 1000, tc_make_digest(make, 7))), 200000);
    bench_decode("request", tc_make_frame(make, requests[0]), 100000);
    bench_decode("pre-prepare, 1 request", tc_make_frame(make, tc_make_proposal(make, 0, 0, 1000, requests, 1)), 50000);
    bench_decode("pre-prepare, 64 requests", tc_make_frame(make, tc_make_proposal(make, 0, 0, 1000, requests, 64)),
                 2000);
}

static void ignore(void *self, const struct tc_breach *breach)
{
    (void)breach;
    ++*(uint64_t *)self;
}

#define SLOTS 4000u

/* Failure-free agreements of four replicas; each message is said and heard. Decoding is not counted. */
static void bench_justify(struct tc_make *make)
{
    static struct tc_message *messages[SLOTS * 21];
    uint32_t count = 0;
    uint64_t breaches = 0;
    for (uint64_t s = 1; s <= SLOTS; s++) {
        const ProtobufCBinaryData digest = tc_make_digest(make, (uint8_t)(s % 200 + 1));
        for (uint16_t to = 1; to < 4; to++)
            messages[count++] = tc_make_message(make, tc_make_pre_prepare(make, 0, 0, s, digest), 0, to);
        for (uint16_t from = 1; from < 4; from++)
            for (uint16_t to = 0; to < 4; to++)
                if (to != from)
                    messages[count++] = tc_make_message(make, tc_make_prepare(make, from, 0, s, digest), from, to);
        for (uint16_t from = 0; from < 3; from++)
            for (uint16_t to = 0; to < 4; to++)
                if (to != from)
                    messages[count++] = tc_make_message(make, tc_make_commit(make, from, 0, s, digest), from, to);
    }
    uint64_t best = UINT64_MAX;
    for (int repeat = 0; repeat < 5; repeat++) {
        struct tc_justifier *j = tc_pbft.justifier->create(&make->env, ignore, &breaches);
        const uint64_t start = now_ns();
        for (uint32_t i = 0; i < count; i++) {
            tc_pbft.justifier->said(j, messages[i]->from, messages[i]);
            tc_pbft.justifier->heard(j, messages[i]->to, messages[i], true);
        }
        const uint64_t took = now_ns() - start;
        best = took < best ? took : best;
        tc_pbft.justifier->destroy(j);
    }
    printf("justify (said + heard)   %u messages, %.1f ns a message, %llu breaches\n", count, (double)best / count,
           (unsigned long long)breaches);
}

int main(void)
{
    static struct tc_make make;
    tc_make_init(&make, 4);
    bench_decodes(&make);
    make.arena.total_max = (size_t)1 << 30;
    bench_justify(&make);
    tc_make_free(&make);
    return 0;
}
